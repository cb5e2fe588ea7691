"""Hasura's metadata becomes a trigger file that says the same, and says what it can not say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cdc_triggers.app import hasura_check, hasura_import, hasura_writer, trigger_file
from cdc_triggers.app.hasura_import import ACCEPTED, Import
from cdc_triggers.core.spec import Trigger
from cdc_triggers.errors import TriggerFileError, UsageError

if TYPE_CHECKING:
    from cdc_triggers.app.located import Plain

HERE = Path(__file__).parents[1] / "hasura"
PROJECT = HERE / "project"
ORDERS = PROJECT / "metadata" / "databases" / "default" / "tables" / "public_orders.yaml"

TABLE = """\
table: {name: orders, schema: public}
event_triggers:
  - name: a
    definition: {insert: {columns: '*'}}
    webhook: https://example.com
"""


def written(folder: Path, imported: Import) -> Path:
    path = folder / "triggers.yaml"
    path.write_text(hasura_writer.text(imported), encoding="utf-8")
    return path


def triggers(imported: Import) -> list[Trigger]:
    return [each.trigger for each in imported.triggers]


def problems(path: Path, source: str | None = None) -> list[str]:
    with pytest.raises(TriggerFileError, match="in Hasura's metadata") as refused:
        hasura_import.load(path, source)
    return refused.value.problems


# ---- where metadata is


@pytest.mark.parametrize(
    "path", [PROJECT, PROJECT / "metadata", PROJECT / "metadata" / "databases" / "databases.yaml"]
)
def test_a_project_its_metadata_and_its_first_file_are_one(path: Path) -> None:
    found = hasura_import.load(path, None)
    assert found.source == "default"
    names = [(t.name, str(t.table)) for t in triggers(found)]
    assert names == [
        ("order_changed", "public.orders"),
        ("order_gone", "public.orders"),
        ("line_item", "shop.Line Items"),
    ]
    assert found.triggers[0].place == f"{ORDERS}:9"
    assert found.environment == ("ORDER_GONE_URL", "SHOP_SECRET", "SHOP_URL")


def test_an_export_of_version_3_is_read(tmp_path: Path) -> None:
    (it,) = hasura_import.load(HERE / "export_v3.json", None).triggers
    assert (it.trigger.name, it.trigger.webhook) == ("user_greeted", "https://example.com/hello")
    assert it.trigger.headers[0].value == "hello 👋"
    assert it.place.endswith("export_v3.json:13")


def test_an_export_of_version_2_is_read() -> None:
    found = hasura_import.load(HERE / "export_v2.json", None)
    assert [t.name for t in triggers(found)] == ["user_changed"]
    assert found.others == ("1 cron triggers are no event triggers: they stay with Hasura",)


def test_a_directory_of_version_2_has_one_list_of_tables(tmp_path: Path) -> None:
    (tmp_path / "tables.yaml").write_text(f"- {TABLE.replace(chr(10), chr(10) + '  ')}")
    found = hasura_import.load(tmp_path, None)
    assert (found.source, [t.name for t in triggers(found)]) == ("default", ["a"])


def test_an_include_may_be_a_tag_and_stand_anywhere(tmp_path: Path) -> None:
    (tmp_path / "databases.yaml").write_text(
        "- {name: default, kind: postgres, tables: !include tables/all.yaml}\n"
    )
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "all.yaml").write_text("- !include one.yaml\n")
    (tmp_path / "tables" / "one.yaml").write_text(
        'table: orders\nevent_triggers: "!include triggers.yaml"\n'
    )
    (tmp_path / "tables" / "triggers.yaml").write_text('["!include a.yaml"]')
    (tmp_path / "tables" / "a.yaml").write_text(
        "{name: a, definition: {insert: {columns: '*'}}, webhook: 'https://x'}"
    )
    found = hasura_import.load(tmp_path, None)
    assert [(t.name, str(t.table)) for t in triggers(found)] == [("a", "public.orders")]


def test_nothing_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no metadata"):
        hasura_import.load(tmp_path, None)
    with pytest.raises(UsageError, match="does not exist"):
        hasura_import.load(tmp_path / "none", None)


# ---- several sources


def test_a_source_is_chosen_by_name() -> None:
    assert hasura_import.load(PROJECT, "reports").triggers == ()
    with pytest.raises(UsageError, match="no source 'nope'") as refused:
        hasura_import.load(PROJECT, "nope")
    assert "default, reports, warehouse" in refused.value.hint
    with pytest.raises(UsageError, match="of kind mssql"):
        hasura_import.load(PROJECT, "warehouse")


def test_several_sources_with_triggers_must_be_chosen_from(tmp_path: Path) -> None:
    one = "- {name: %s, kind: postgres, tables: [{table: t, event_triggers: [%s]}]}\n"
    trigger = "{name: %s, definition: {insert: {columns: '*'}}, webhook: 'https://x'}"
    (tmp_path / "databases.yaml").write_text(
        one % ("first", trigger % "a") + one % ("second", trigger % "b")
    )
    with pytest.raises(UsageError, match=r"first \(1\), second \(1\)") as refused:
        hasura_import.load(tmp_path, None)
    assert "--source NAME" in refused.value.hint
    found = hasura_import.load(tmp_path, "second")
    assert [t.name for t in triggers(found)] == ["b"]
    assert found.others == ("source first (postgres) has 1 more: import it with --source",)


def test_a_source_without_event_triggers_makes_an_empty_file(tmp_path: Path) -> None:
    path = written(tmp_path, hasura_import.load(PROJECT, "reports"))
    assert trigger_file.load([path]).triggers == ()
    assert "# Not imported: source default (postgres) has 3 more" in path.read_text()


def test_the_servers_own_flag_stands_in_the_file_to_be_uncommented(tmp_path: Path) -> None:
    path = written(tmp_path, hasura_import.load(PROJECT, None))
    text = path.read_text("utf-8")
    assert not any(t.stringify_numeric_types for t in trigger_file.load([path]).triggers)
    path.write_text(
        text.replace("# stringify_numeric_types: true", "stringify_numeric_types: true")
    )
    assert all(t.stringify_numeric_types for t in trigger_file.load([path]).triggers)


# ---- what is carried over


def test_what_the_spec_has_a_word_for_is_carried_over() -> None:
    changed, gone, item = triggers(hasura_import.load(PROJECT, None))
    assert changed.definition.enable_manual
    assert changed.definition.update is not None
    assert changed.definition.update.columns == ("status", "total")
    assert changed.definition.update.payload == ("id", "status", "total")
    conf = changed.retry_conf
    assert (conf.num_retries, conf.interval_sec, conf.timeout_sec) == (5, 15, 60)
    assert [h.value_from_env for h in changed.headers] == ["SHOP_SECRET", None]
    assert gone.webhook_from_env == "ORDER_GONE_URL"
    assert item.trigger_on_replication


def test_the_written_file_holds_the_very_triggers(tmp_path: Path) -> None:
    imported = hasura_import.load(PROJECT, None)
    path = written(tmp_path, imported)
    assert list(trigger_file.load([path]).triggers) == triggers(imported)


def test_what_is_not_carried_over_is_told_and_kept_as_a_comment_at_its_trigger(
    tmp_path: Path,
) -> None:
    imported = hasura_import.load(PROJECT, None)
    left_out = {left.key: left.place for left in imported.triggers[0].left_out}
    assert left_out["coming_soon"] == f"{ORDERS}:53"
    assert left_out["retry_conf.tolerance_seconds"] == f"{ORDERS}:26"
    hasura_keys = {"request_transform", "cleanup_config"}
    assert hasura_keys & left_out.keys() == hasura_keys - ACCEPTED
    assert hasura_keys & imported.triggers[0].written.keys() == hasura_keys & ACCEPTED
    text = written(tmp_path, imported).read_text()
    block = text[text.index("order_changed") : text.index("order_gone")]
    assert "# Not carried over: `coming_soon` is not known here.\n    #   coming_soon:" in block
    assert '"two: 2"' in block or "'two: 2'" in block
    assert "# Note: header Content-Type is ignored" in block


def test_a_key_without_a_value_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "tables.yaml").write_text(
        TABLE + "    retry_conf:\n    headers: null\n    cleanup_config: null\n    replace: true\n"
    )
    (it,) = hasura_import.load(tmp_path, None).triggers
    assert it.left_out == ()
    assert set(it.written) == {"name", "table", "definition", "webhook"}


def test_a_key_without_a_value_says_nothing_further_down_either(tmp_path: Path) -> None:
    path = tmp_path / "tables.yaml"
    path.write_text(
        TABLE.replace("{columns: '*'}}", "{columns: '*', payload: null}, update: null}")
        + """\
    retry_conf: {num_retries: 1, timeout_sec: null}
    request_transform:
      version: 2
      template_engine: null
      request_headers: {add_headers: {x: y}, remove_headers: null}
""",
        encoding="utf-8",
    )
    found = hasura_import.load(path, None)
    (trigger,) = triggers(found)
    assert (trigger.retry_conf.num_retries, trigger.retry_conf.timeout_sec) == (1, 60)
    assert trigger_file.load([written(tmp_path, found)]).triggers == (trigger,)


MISTAKEN = (
    "- table: orders\n"
    "  event_triggers:\n"
    "    - name: 1st\n"
    "      definition: {insert: {columns: '*'}}\n"
    "      webhook: https://x\n"
    "    - name: nothing\n"
    "      definition:\n"
    "        update: {columns: []}\n"
    "      webhook: ftp://x\n"
    "    - name: twice\n"
    "      definition: {insert: {columns: '*'}}\n"
    "      webhook: https://x\n"
    "    - name: twice\n"
    "      definition: {insert: {columns: '*'}}\n"
    "      webhook: https://x\n"
    "    - text\n"
    "- 12\n"
    '- "!include none.yaml"\n'
    '- "!include tables.yaml"\n'
    '- "!include broken.yaml"\n'
)


def test_an_invalid_trigger_is_told_with_its_line_and_all_of_them_in_one_run(
    tmp_path: Path,
) -> None:
    path = tmp_path / "tables.yaml"
    path.write_text(MISTAKEN)
    (tmp_path / "broken.yaml").write_text("table: orders\nevent_triggers: {name: a}\n")
    expected = [
        "tables.yaml:17: an entry without `table`",
        f"tables.yaml:18: {tmp_path}/none.yaml does not exist",
        "tables.yaml:19: includes itself",
        "broken.yaml:2: `event_triggers` is not a list",
        "tables.yaml:3: trigger '1st': `name`: '1st' is not a trigger name",
        "tables.yaml:8: trigger 'nothing': `definition.update.columns`",
        "tables.yaml:9: trigger 'nothing': `webhook`: starts with neither http",
        f"tables.yaml:13: trigger 'twice': is defined already at {path}:10",
        "tables.yaml:16: trigger without a name: is not a mapping",
    ]
    said = [text.removeprefix(f"{tmp_path}/") for text in problems(tmp_path)]
    assert len(said) == len(expected)
    for text, beginning in zip(said, expected, strict=True):
        assert text.startswith(beginning)


@pytest.mark.parametrize("text", ["", "12", "a: 1", "- a: 1", "[", "triggers: []"])
def test_what_is_no_metadata_is_told_with_its_place(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    assert all(problem.startswith(f"{path}:") for problem in problems(path))


# ---- comparing


def drift(path: Path) -> list[tuple[str, str, tuple[str, ...]]]:
    imported = hasura_import.load(PROJECT, None)
    loaded = trigger_file.load([path])
    found = hasura_check.compare(imported.triggers, loaded.triggers, loaded.sources)
    return [(each.trigger, each.change, each.keys) for each in found]


def test_a_file_as_imported_does_not_differ(tmp_path: Path) -> None:
    assert drift(written(tmp_path, hasura_import.load(PROJECT, None))) == []


def test_what_differs_is_named_and_keys_that_only_we_have_do_not_count(tmp_path: Path) -> None:
    path = written(tmp_path, hasura_import.load(PROJECT, None))
    text = path.read_text()
    text = text.replace("columns: [status, total]", "columns: [total, status]")
    text = text.replace("name: line_item", "name: another").replace("ORDER_GONE_URL", "OTHER")
    text = text.replace("num_retries: 0,", "num_retries: 9, jitter: false,")
    text += "    ordering: none\n    max_in_flight: 3\n    comment: ours\n"
    path.write_text(text)
    assert drift(path) == [
        ("order_gone", "changed", ("webhook_from_env", "retry_conf")),
        ("line_item", "missing", ()),
        ("another", "extra", ()),
    ]


# ---- any trigger at all

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
LINES = st.text(st.sampled_from("ab \n#:-'\"{}[]|>&*!%\\\t\u2028é"), min_size=1, max_size=30)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=TEXT, comment=TEXT | LINES, left=LINES, header=TEXT)
def test_whatever_a_text_holds_the_file_says_the_same(
    tmp_path: Path, table: str, comment: str, left: str, header: str
) -> None:
    written_keys: dict[str, Plain] = {
        "name": "a",
        "table": {"schema": "public", "name": table},
        "definition": {"enable_manual": True},
        "webhook": "https://x",
        "headers": [{"name": "X", "value": header}],
        "comment": comment,
    }
    trigger = Trigger.model_validate(written_keys)
    left_out = hasura_import.LeftOut("k", "f:1", "is not known here", {"deep": [left]})
    each = hasura_import.Imported(trigger, written_keys, "f:1", (left_out,), ())
    path = written(tmp_path, Import("f", "default", (each,), ()))
    assert list(trigger_file.load([path]).triggers) == [trigger]
