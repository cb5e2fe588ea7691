"""The documentation says what there is, says nothing else, and its links lead somewhere."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest
from ruamel.yaml import YAML
from support.documentation import PAGES, REFERENCE, ROOT, first_cells, sections

from cdc_triggers import errors, settings
from cdc_triggers.app import streamer, tenure
from cdc_triggers.console.metadata import BULKS
from cdc_triggers.console.metadata_calls import CALLS
from cdc_triggers.console.pages.routes import _MODULES
from cdc_triggers.console.rest import OPERATIONS
from cdc_triggers.core import (
    engine,
    event,
    memory,
    outbox,
    parking,
    pressure,
    reach,
    roster,
    trigger_state,
)
from cdc_triggers.core.attempt import RESPONSE_BODY_LIMIT, FailureKind
from cdc_triggers.core.providers import PROVIDERS
from cdc_triggers.postgres import capture
from cdc_triggers.telemetry.ignored import OBEYED

if TYPE_CHECKING:
    from pathlib import Path

METHODS = ("GET", "PUT", "POST", "DELETE")


def tables() -> dict[str, set[str]]:
    """Every table that the migrations and apply make, with its columns."""
    files = [
        *(ROOT / "sql" / "migrations").glob("*.sql"),
        ROOT / "sql" / "queries" / "apply_migration_table.sql",
    ]
    found: dict[str, set[str]] = {}
    for file in files:
        text = file.read_text("utf-8")
        made = re.findall(
            r"^CREATE TABLE (?:IF NOT EXISTS )?cdc_triggers\.(\w+) \(\n(.*?)^\)",
            text,
            flags=re.MULTILINE | re.DOTALL,
        )
        for name, body in made:
            found.setdefault(name, set()).update(
                re.findall(r"^    ([a-z_0-9]+) ", body, flags=re.MULTILINE)
            )
        for name, body in re.findall(
            r"^ALTER TABLE cdc_triggers\.(\w+)([^;]*);", text, re.MULTILINE
        ):
            added = re.findall(r"ADD COLUMN (?:IF NOT EXISTS )?(\w+)", body)
            found.setdefault(name, set()).update(added)
    return found


def test_how_it_works_has_every_setting_that_capture_pins() -> None:
    text = (ROOT / "sql" / "capture" / "10_functions.sql").read_text("utf-8")
    pinned = set(re.findall(r"\bSET (\w+) = '?(\w+)'?", text)) - {("search_path", "pg_catalog")}
    page = (ROOT / "docs" / "explanation" / "how-it-works.md").read_text("utf-8")
    (told,) = re.findall(r"the capture functions pin (.*?)\. So", page, re.DOTALL)
    assert set(re.findall(r"`(\w+)` \((\w+)\)", told)) == pinned


def test_the_schema_reference_has_every_table_and_no_other() -> None:
    written = set(sections(REFERENCE / "schema.md", "##")) - {"What else there is"}
    assert written == set(tables())


@pytest.mark.parametrize("name", tables())
def test_the_schema_reference_has_every_column_of_a_table_and_no_other(name: str) -> None:
    assert first_cells(sections(REFERENCE / "schema.md", "##")[name]) == tables()[name]


def test_the_exit_code_reference_has_every_code_of_the_error_tree() -> None:
    tree = [e for e in vars(errors).values() if isinstance(e, type)]
    codes = {e.exit_code for e in tree if issubclass(e, errors.CdcTriggersError)}
    text = (REFERENCE / "exit-codes.md").read_text("utf-8")
    written = {int(code) for code in re.findall(r"^\| (\d+) \|", text, flags=re.MULTILINE)}
    assert written == {0, 4, 130} | codes


def test_the_log_reference_has_every_fact_with_its_level_and_keys() -> None:
    calls = [
        (level, name, set(re.findall(r"(?<![\w.])(\w+)=", arguments)))
        for file in (ROOT / "cdc_triggers").rglob("*.py")
        for level, name, arguments in re.findall(
            r'\.fact\(\s*"(\w+)",\s*"([\w.]+)",?(.*?)\n?\s*\)\n', file.read_text("utf-8"), re.DOTALL
        )
    ]
    text = (REFERENCE / "logs.md").read_text("utf-8")
    rows = re.findall(r"^\| `([\w.]+)` \| (\w+) \| ([^|]*) \|", text, flags=re.MULTILINE)
    written = [(level, name, set(re.findall(r"`(\w+)`", keys))) for name, level, keys in rows]
    assert sorted(written, key=str) == sorted(calls, key=str)


def test_the_settings_reference_has_every_variable_of_ours_and_no_other() -> None:
    text = (REFERENCE / "settings.md").read_text("utf-8")
    sources = [*(ROOT / "cdc_triggers").rglob("*.py"), ROOT / "hatch_build.py"]
    ours = re.compile(r"CDC_TRIGGERS_[A-Z_]*[A-Z]")
    read = {name for file in sources for name in ours.findall(file.read_text("utf-8"))}
    assert set(ours.findall(text)) == read
    for name in settings.DSN_VARIABLES:
        assert f"`{name}`" in text


def test_the_settings_reference_has_the_figures_that_are_fixed() -> None:
    told = sections(REFERENCE / "settings.md", "##")["Fixed in this version"]
    text = " ".join(told.split())
    for figures in (
        f"Lease {streamer.LEASE_S:g} s",
        f"standby asks every {streamer.STANDBY_S:g} s",
        f"reconnect {streamer.BACKOFF_FIRST_S:g} s to {streamer.BACKOFF_LAST_S:g} s",
        f"silence of the server {tenure.SILENCE_S:g} s",
        f"written down after {engine.SLOW_S:g} s",
        f"recorded after {tenure.GATHER_S:g} s or {tenure.GATHER_RECORDS:,}",
        f"LSN confirmed at most every {tenure.CONFIRM_S:g} s",
        f"lock timeout of `apply` {capture._LOCK_TIMEOUT_MS / 1000:g} s",
        f"{RESPONSE_BODY_LIMIT >> 10} KiB of an answer",
    ):
        assert figures in text, figures


def test_back_pressure_has_every_bound() -> None:
    page = (ROOT / "docs" / "explanation" / "back-pressure.md").read_text("utf-8")
    text = " ".join(page.split())
    held, flight, keys, queue, unwritten, answers, large = (
        each >> 20
        for each in (
            *(memory.HELD_BYTES, memory.FLIGHT_BYTES, memory.KEYS_BYTES),
            *(trigger_state.CAPACITY_BYTES, parking.OUTBOX_BYTES, outbox.ANSWERS_BYTES),
            memory.LARGE_BYTES,
        )
    )
    for bound in (
        f"the larger of {trigger_state.CAPACITY_EVENTS:,} and {trigger_state.CAPACITY_PER_SLOT} ",
        f"or {queue} MiB of events",
        f"{parking.OUTBOX_RECORDS:,}, {parking.OUTBOX_PARKS:,} of them parked, or {unwritten} MiB",
        f"at {parking.OUTBOX_RECORDS:,} unrecorded attempts, or {2 * unwritten} MiB",
        f"{held} MiB queued, unwritten or being fetched; {flight} MiB in flight; {keys} MiB of",
        f"{answers} MiB as JSON together",
        f"and {event.EVENT_BYTES:,} bytes more",
        f"Of deliveries larger than {large} MiB",
        f"half of it has drained. If that takes less than {pressure.PATIENCE_S:g} s",
        f"After {reach.MISSES} attempts in a row",
        f"at most {reach.TRIALS_S:g} attempts a second",
        f"has more than {trigger_state.BLOCKED_KEYS:,} parked keys",
        f"waited for {roster.STUCK_S:g} s",
        f"runs for more than {engine.SLOW_S:g} s",
        f"had an event within the last {roster.ACTIVE_S:g} s",
    ):
        assert bound in text, bound


def words_in_code(pattern: str, *folders: str) -> set[str]:
    files = [file for folder in folders for file in (ROOT / folder).rglob("*.*")]
    texts = [file.read_text("utf-8") for file in files if file.suffix in {".py", ".sql"}]
    return {word for text in texts for word in re.findall(pattern, text)}


def test_schema_and_metrics_have_every_reason_of_a_park_and_every_outcome() -> None:
    of_the_stream = words_in_code(
        r"(?:_park|set_aside|_unqueue|empty)\([^\"\n]*\"(\w+)\"", "cdc_triggers/core"
    )
    others = words_in_code(r"reason=\"(\w+)\"", "cdc_triggers/core")
    others |= words_in_code(r"reason = '(\w+)'", "sql/queries")
    row = re.search(
        r"^\| `reason` \|.*", sections(REFERENCE / "schema.md", "##")["delivery"], re.MULTILINE
    )
    assert row
    assert set(re.findall(r"`(\w+)`", row[0])) == {"reason"} | of_the_stream | others
    text = (REFERENCE / "metrics.md").read_text("utf-8")
    (told,) = re.findall(r"`reason` of a park: (.*?)\. `status`", text, re.DOTALL)
    assert set(re.findall(r"`(\w+)`", told)) == of_the_stream
    (told,) = re.findall(r"\n`outcome` of an attempt: (.*?)\. `reason`", text, re.DOTALL)
    kinds = {f"{each}xx" for each in range(2, 6)} | set(FailureKind)
    assert set(re.findall(r"`(\w+)`", told)) == kinds


def test_the_api_reference_has_every_call_and_no_other() -> None:
    found = sections(REFERENCE / "http-api.md", "##")
    rest = {f"{each.method} {each.path}" for each in OPERATIONS}
    assert {cell for cell in first_cells(found["REST"]) if cell.startswith(METHODS)} == rest
    hasuras = {name.removeprefix("pg_") if "cleanup" in name else name for name in CALLS}
    assert first_cells(found["Hasura's calls"]) == hasuras | BULKS


def test_the_api_reference_has_every_status_and_code_of_an_error_and_no_other() -> None:
    made = r"(?:ApiError|bad_request|problems_error|cls|not_found|_forbidden)\("
    status = r"(?:\s*(?:HTTPStatus\.\w+|status),)?"
    codes = words_in_code(rf"{made}{status}\s*\"([a-z-]+)\"", "cdc_triggers/console")
    codes |= {"already-exists", "conflict", "timeout", "unsupported-media-type", "unexpected"}
    statuses = words_in_code(r"HTTPStatus\.(\w+)", "cdc_triggers/console")
    section = sections(REFERENCE / "http-api.md", "##")["Errors"]
    rows = re.findall(r"^\| ([\d, ]+) \| ([^|]+) \|", section, flags=re.MULTILINE)
    assert {code for _, cell in rows for code in re.findall(r"`([a-z-]+)`", cell)} == codes
    written = {int(each) for cell, _ in rows for each in cell.split(", ")}
    known = {HTTPStatus[name].value for name in statuses}
    assert written == {each for each in known if each >= HTTPStatus.BAD_REQUEST}


def test_the_console_reference_has_every_page_that_is_in_the_menu_or_leads_from_it() -> None:
    table = sections(REFERENCE / "console.md", "#")["Console"]
    rows = re.findall(r"^\| [^|]+ \| `/console([^`]*)` \|", table, flags=re.MULTILINE)
    written = {re.sub("[A-Z]{2,}", "{}", each) for each in rows}
    served = {re.sub(r"\{\w+\}", "{}", path) for module in _MODULES for path in module.PAGES}
    assert served - written == {"/triggers/{}/edit"}  # has a part of its own
    assert written <= served


def test_the_providers_page_has_every_service_that_doctor_knows() -> None:
    text = (ROOT / "docs" / "howto" / "providers.md").read_text("utf-8")
    names = re.findall(r"^\| ([A-Z][^|]+) \|", text, flags=re.MULTILINE)
    assert names == [each.name for each in PROVIDERS]


def test_the_compose_page_has_every_service() -> None:
    services = YAML(typ="safe").load(ROOT / "compose" / "compose.yaml")["services"]
    assert first_cells((ROOT / "compose" / "README.md").read_text("utf-8")) == set(services)


def test_the_compose_file_pins_its_images_and_sends_where_it_listens() -> None:
    services = YAML(typ="safe").load(ROOT / "compose" / "compose.yaml")["services"]
    for service in services.values():
        assert re.search(r":v?\d+\.\d+\.\d+|:\d+\.\d+-\w+", service["image"])
    command = services["receiver"]["command"]
    port = command[command.index("--port") + 1]
    assert services["stream"]["environment"]["RECEIVER_URL"] == f"http://receiver:{port}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_to_something_that_is_there(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    for target in targets:
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path) if path else page
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target


def anchors(page: Path) -> set[str]:
    """Anchors that GitHub makes of a page's headings."""
    heads = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text("utf-8")
    for page in PAGES:
        place = page.relative_to(ROOT)
        if place.parts[0] == "docs" and place.parts[1] not in {"adr", "README.md"}:
            assert f"]({place.relative_to('docs').as_posix()})" in index


def test_decisions_are_numbered_without_a_gap() -> None:
    numbers = sorted(int(page.name[:4]) for page in (ROOT / "docs" / "adr").glob("[0-9]*.md"))
    assert numbers == list(range(1, len(numbers) + 1))


def test_no_page_promises_that_something_arrives_only_once() -> None:
    for page in PAGES:
        assert "exactly once" not in page.read_text("utf-8").lower(), page


def test_every_variable_that_is_obeyed_is_in_the_table() -> None:
    page = REFERENCE / "tracing.md"
    [table] = re.findall(
        r"^## Variables\n(.*?)^## ", page.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    written = {
        name for cell in re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE) for name in spelt(cell)
    }
    assert {name for name in written if name.startswith("OTEL_")} == OBEYED


def spelt(cell: str) -> set[str]:
    """Names in backticks, with {A,B} written out."""
    found = set(re.findall(r"`([^`]+)`", cell))
    while some := next((name for name in found if "{" in name), None):
        found.discard(some)
        before, _, rest = some.partition("{")
        middle, _, after = rest.partition("}")
        found.update(f"{before}{each}{after}" for each in middle.split(","))
    return {name.partition("=")[0] for name in found}
