"""The documentation says what there is, says nothing else, and its links lead somewhere."""

from __future__ import annotations

import dataclasses
import re
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ruamel.yaml import YAML
from typer.main import get_command

from cdc_triggers import errors, settings
from cdc_triggers.app import streamer, tenure, trigger_file
from cdc_triggers.app.cleanup import Cleaned
from cdc_triggers.app.condition_trial import Totals, Trial
from cdc_triggers.app.hasura_pending import PendingReport
from cdc_triggers.cli.main import app
from cdc_triggers.console.metadata import BULKS
from cdc_triggers.console.metadata_calls import CALLS
from cdc_triggers.console.pages.routes import _MODULES
from cdc_triggers.console.rest import OPERATIONS
from cdc_triggers.core import (
    cleanup,
    condition,
    engine,
    event,
    images,
    memory,
    outbox,
    parking,
    pressure,
    reach,
    roster,
    spec,
    transform_spec,
    trigger_state,
)
from cdc_triggers.core.attempt import RESPONSE_BODY_LIMIT, FailureKind
from cdc_triggers.core.cel import cost, parser
from cdc_triggers.core.cel.checker import VARIABLES
from cdc_triggers.core.cel.functions import FUNCTIONS as CEL_FUNCTIONS
from cdc_triggers.core.cel.parser import MACROS
from cdc_triggers.core.cleanup import CleanupLine
from cdc_triggers.core.finding import Finding
from cdc_triggers.core.kriti import limits
from cdc_triggers.core.kriti.functions import FUNCTIONS
from cdc_triggers.core.providers import PROVIDERS
from cdc_triggers.core.views import EventDetail, Redelivery
from cdc_triggers.postgres import capture

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cdc_triggers.core.model import Model

METHODS = ("GET", "PUT", "POST", "DELETE")
ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
PAGES = sorted(
    path
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("bench/*.md"))
    if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
)
MODELS: dict[str, type[Model]] = {
    "Trigger": spec.Trigger,
    "Table": spec.Table,
    "Definition": spec.Definition,
    "Operation": spec.Operation,
    "Header": spec.Header,
    "Retry": spec.RetryConf,
    "Cleanup": cleanup.CleanupConfig,
    "Retention": cleanup.Retention,
}


TRANSFORMS: dict[str, type[Model]] = {
    "request_transform": transform_spec.RequestTransform,
    "request_headers": transform_spec.RequestHeaders,
    "body": transform_spec.BodyTransform,
    "response_transform": transform_spec.ResponseTransform,
}


def sections(page: Path, marks: str) -> dict[str, str]:
    """Heading text (without backticks) to what stands below it."""
    parts = re.split(rf"^{marks} (.+)$", page.read_text("utf-8"), flags=re.MULTILINE)
    bodies = (re.split(r"^#{1,3} ", body, flags=re.MULTILINE)[0] for body in parts[2::2])
    return dict(zip((head.strip("`") for head in parts[1::2]), bodies, strict=True))


def first_cells(section: str) -> set[str]:
    """What stands in backticks in the first cells of its tables."""
    rows = re.findall(r"^\| *((?:`[^`]+`,? *)+)\|", section, flags=re.MULTILINE)
    return {text for row in rows for text in re.findall(r"`([^`]+)`", row)}


def commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    below = getattr(command, "commands", None)
    if below is None:
        yield path, command
        return
    for name, child in below.items():
        yield from commands(child, f"{path} {name}")


def spelled(command: Any) -> set[str]:
    """Options as they are written, arguments by their metavar."""
    found: set[str] = set()
    for param in command.params:
        if param.param_type_name == "option":
            found.update(param.opts)
        else:
            found.add(param.metavar)
    return found - {"--help", "-h"}


COMMANDS = dict(commands(get_command(app), "cdc-triggers"))
COMMAND_SECTIONS = sections(REFERENCE / "cli.md", "###")


def test_the_cli_reference_has_every_command_and_no_other() -> None:
    assert set(COMMAND_SECTIONS) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_cli_reference_has_every_option_of_a_command_and_no_other(name: str) -> None:
    written = {cell.split()[0] for cell in first_cells(COMMAND_SECTIONS[name])}
    states = {"pending", "parked", "dead", "delivered", "archived"}
    assert written - states == spelled(COMMANDS[name])


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_shows_each_argument_once(name: str) -> None:
    command = COMMANDS[name]
    usage = command.get_usage(command.context_class(command, info_name=name))
    for param in command.params:
        if param.param_type_name == "argument":
            assert re.search(rf"(?: |\{{|\[){param.metavar}(?:\}}|\])?(?:\.\.\.)?(?: |$)", usage)


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


@pytest.mark.parametrize("name", MODELS)
def test_the_trigger_file_reference_has_every_key_of_a_model_and_no_other(name: str) -> None:
    keys = {field.alias or key for key, field in MODELS[name].model_fields.items()}
    assert first_cells(sections(REFERENCE / "trigger-file.md", "##")[name]) == keys


def bounds(model: type[Model]) -> Iterator[tuple[str, str]]:
    """Key and number, as it is written, for every limit that a model sets."""
    for name, value in model.model_json_schema()["properties"].items():
        for each in (value, *value.get("anyOf", ())):
            for end in ("minimum", "maximum"):
                if end in each and each[end] > 1:
                    yield name, f"{each[end]:,}"


@pytest.mark.parametrize("name", MODELS)
def test_the_trigger_file_reference_has_every_limit_of_a_number(name: str) -> None:
    section = sections(REFERENCE / "trigger-file.md", "##")[name]
    for key, figure in bounds(MODELS[name]):
        row = re.search(rf"^\| `{key}` .*", section, flags=re.MULTILINE)
        below = section.rpartition("|\n")[2] if name == "Retry" else ""  # of all its seconds
        assert row
        assert re.search(rf"(?<![\d,]){figure}(?!,?\d)", row[0] + below), (key, figure)


@pytest.mark.parametrize("name", TRANSFORMS)
def test_the_transform_reference_has_every_key_of_a_model_and_no_other(name: str) -> None:
    found = first_cells(sections(REFERENCE / "transforms.md", "##")[name])
    assert found == set(TRANSFORMS[name].model_fields)


def test_the_transform_reference_has_every_variable_and_function_and_no_other() -> None:
    written = sections(REFERENCE / "transforms.md", "##")
    assert first_cells(written["Variables"]) == transform_spec.RESPONSE_VARIABLES
    assert first_cells(written["Functions"]) == set(FUNCTIONS)


def test_the_transform_reference_has_every_limit() -> None:
    text = sections(REFERENCE / "transforms.md", "##")["Limits"].replace(",", "")
    figures = [limits.SOURCE_CHARACTERS, limits.DEPTH, limits.CHAIN, limits.STEPS]
    figures += [limits.CHARACTERS_PER_STEP, limits.WRITTEN_CHARACTERS_PER_STEP]
    figures += [limits.INPUT_NUMBERS, limits.VALUES]
    mib = (limits.INPUT_BYTES // 2**20, limits.OUTPUT_BYTES // 2**20)
    for figure in (*map(str, figures), *(f"{size} MiB" for size in mib)):
        assert re.search(rf"\b{figure}\b", text), figure


def test_the_example_of_the_transform_reference_is_valid(tmp_path: Path) -> None:
    text = (REFERENCE / "transforms.md").read_text("utf-8")
    (block,) = re.findall(r"^```yaml\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    lines = "version: 1\ntriggers:\n  - name: a\n    table: b\n    enable_manual: true\n"
    lines += "    webhook: https://x\n" + "".join(f"    {line}\n" for line in block.splitlines())
    file = tmp_path / "triggers.yaml"
    file.write_text(lines, "utf-8")
    (trigger,) = trigger_file.load([file]).triggers
    assert trigger.request_transform
    assert trigger.response_transform


def test_the_condition_reference_has_every_variable_function_and_limit() -> None:
    written = sections(REFERENCE / "conditions.md", "##")
    assert first_cells(written["Variables"]) == set(VARIABLES)
    assert first_cells(written["Functions"]) == {"has", *MACROS, *CEL_FUNCTIONS}
    text = written["Limits"].replace(",", "")
    figures = [condition.SOURCE_CHARACTERS, parser.DEPTH, condition.DEPTH, condition.MACRO_DEPTH]
    figures += [condition.LEAST_INPUT, cost.CHARACTERS, images.DEPTH, cost.BUDGET // 10_000]
    for figure in figures:
        assert re.search(rf"\b{figure}\b", text), figure


def test_the_example_of_the_condition_reference_is_valid() -> None:
    text = (REFERENCE / "conditions.md").read_text("utf-8")
    (block,) = re.findall(r"^```yaml\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    condition.compiled(YAML(typ="safe").load(block)["condition"])


def test_the_example_of_the_trigger_file_reference_is_valid(tmp_path: Path) -> None:
    text = (REFERENCE / "trigger-file.md").read_text("utf-8")
    blocks = re.findall(r"^```yaml\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    assert len(blocks) == 1
    for index, block in enumerate(blocks):
        file = tmp_path / f"{index}.yaml"
        file.write_text(block, "utf-8")
        (trigger,) = trigger_file.load([file]).triggers
        assert trigger.model_fields_set >= {"ordering_key", "retry_conf", "headers", "comment"}


@pytest.mark.parametrize(
    "page", ["README.md", "docs/tutorial/first-webhook.md", "compose/triggers.yaml"]
)
def test_the_other_examples_of_trigger_files_are_valid(page: str, tmp_path: Path) -> None:
    text = (ROOT / page).read_text("utf-8")
    blocks = re.findall(r"^```yaml\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL) or [text]
    file = tmp_path / "triggers.yaml"
    for block in blocks:
        file.write_text(block, "utf-8")
        assert [t.name for t in trigger_file.load([file]).triggers] == ["order_changed"]


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


KEYS_OF_JSON: dict[str, Iterable[str]] = {
    "doctor": [each.name for each in dataclasses.fields(Finding)],
    "import hasura": PendingReport._fields,
    "cleanup history": CleanupLine._fields,
    "cleanup run": (*Cleaned._fields, "dry_run"),
    "condition test": (*Trial._fields, *Totals._fields),
    "events redeliver": (*Redelivery._fields, "dry_run"),
    "events show": EventDetail._fields,
}


@pytest.mark.parametrize("name", KEYS_OF_JSON)
def test_the_cli_reference_has_every_key_of_what_a_command_prints(name: str) -> None:
    row = re.search(
        r"^\| `--json` \|.*", COMMAND_SECTIONS[f"cdc-triggers {name}"], flags=re.MULTILINE
    )
    assert row
    assert set(KEYS_OF_JSON[name]) <= set(re.findall(r"`(\w+)`", row[0]))


@pytest.mark.parametrize("name", COMMANDS)
def test_the_cli_reference_has_the_default_of_every_number(name: str) -> None:
    for param in COMMANDS[name].params:
        if isinstance(param.default, (int, float)) and not isinstance(param.default, bool):
            row = re.search(rf"^\| `{param.opts[0]}.*", COMMAND_SECTIONS[name], re.MULTILINE)
            assert row
            assert re.search(rf"\b{param.default:g}\b", row[0]), param.opts


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
