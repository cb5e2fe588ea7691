from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from cdc_triggers.app.trigger_file import LoadedTriggers, load
from cdc_triggers.core.spec import Backoff, Ordering
from cdc_triggers.errors import TriggerFileError

if TYPE_CHECKING:
    from pathlib import Path

FULL = """\
version: 1
triggers:
  - name: order_changed
    table: {schema: public, name: orders}
    definition:
      insert: {columns: "*"}
      update: {columns: [status, total], payload: [id, status, total]}
      delete: {columns: "*"}
      enable_manual: true
    webhook: "{{SHOP_URL}}/orders"
    headers: [{name: X-Key, value: abc}, {name: X-Secret, value_from_env: SHOP_SECRET}]
    retry_conf: {num_retries: 5, interval_sec: 10, timeout_sec: 60, backoff: exponential}
    trigger_on_replication: false
    ordering: key
    ordering_key: [customer_id]
    max_in_flight: 64
    comment: text
"""

HASURA = """\
table:
  name: orders
  schema: shop
select_permissions:
  - role: user
    permission: {columns: [id], filter: {}}
event_triggers:
  - name: order_changed
    definition:
      enable_manual: true
      update:
        columns: [status]
    retry_conf: {interval_sec: 10, num_retries: 3, timeout_sec: 60}
    webhook_from_env: SHOP_URL
    headers:
      - name: X-Secret
        value_from_env: SHOP_SECRET
"""

MINIMAL = """\
version: 1
triggers:
  - trigger_on_replication: false
    name: {name}
    table: orders
    insert: {{columns: "*"}}
    webhook: {webhook}
"""


def written(folder: Path, text: str, name: str = "triggers.yaml") -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def loaded(folder: Path, text: str) -> LoadedTriggers:
    return load([written(folder, text)])


def problems(folder: Path, text: str) -> list[str]:
    """The problems without the path in front: `3: trigger 'x': ...`."""
    path = written(folder, text)
    with pytest.raises(TriggerFileError) as refused:
        load([path])
    assert refused.value.exit_code == 2
    assert all(problem.startswith(f"{path}:") for problem in refused.value.problems)
    return [problem.removeprefix(f"{path}:") for problem in refused.value.problems]


def trigger_problems(folder: Path, *lines: str) -> list[str]:
    """Problems of a trigger `a` that is valid but for `lines`, which begin at line 8."""
    text = MINIMAL.format(name="a", webhook="https://x")
    keys = {line.partition(":")[0] for line in lines}
    kept = [line for line in text.splitlines() if line.strip().partition(":")[0] not in keys]
    kept += ["#"] * (7 - len(kept))
    return problems(folder, "\n".join([*kept, *(f"    {line}" for line in lines)]))


# ---- what is accepted


def test_every_key_of_the_contract_is_read(tmp_path: Path) -> None:
    found = loaded(tmp_path, FULL)
    (trigger,) = found.triggers
    assert str(trigger.table) == "public.orders"
    assert trigger.definition.update is not None
    assert trigger.definition.update.columns == ("status", "total")
    assert trigger.definition.update.payload == ("id", "status", "total")
    assert trigger.definition.insert is not None
    assert trigger.definition.insert.columns == "*"
    assert trigger.definition.enable_manual
    assert trigger.retry_conf.num_retries == 5
    assert trigger.retry_conf.backoff is Backoff.EXPONENTIAL
    assert trigger.ordering is Ordering.KEY
    assert trigger.ordering_key == ("customer_id",)
    assert trigger.environment_names() == {"SHOP_URL", "SHOP_SECRET"}
    assert found.sources == {"order_changed": f"{tmp_path / 'triggers.yaml'}:3"}


def test_the_keys_of_definition_may_stand_one_level_up(tmp_path: Path) -> None:
    flat = FULL.replace("    definition:\n", "").replace("      ", "    ")
    assert loaded(tmp_path, flat).triggers == loaded(tmp_path, FULL).triggers


@pytest.mark.parametrize("replace", ["true", "false"])
def test_replace_is_accepted_as_in_hasura(tmp_path: Path, replace: str) -> None:
    found = loaded(tmp_path, f"{FULL}    replace: {replace}\n")
    assert found.triggers == loaded(tmp_path, FULL).triggers


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("orders", "public.orders"),
        ("shop.orders", "shop.orders"),
        ("{name: orders}", "public.orders"),
        ('{schema: shop, name: "Or.ders"}', "shop.Or.ders"),
    ],
)
def test_a_table_is_named_in_three_ways(tmp_path: Path, table: str, expected: str) -> None:
    text = FULL.replace("{schema: public, name: orders}", table)
    assert str(loaded(tmp_path, text).triggers[0].table) == expected


def test_an_empty_list_is_valid(tmp_path: Path) -> None:
    assert loaded(tmp_path, "version: 1\ntriggers: []\n").triggers == ()


def test_a_hasura_table_file_is_read_as_it_is(tmp_path: Path) -> None:
    found = loaded(tmp_path, HASURA)
    assert [(t.name, str(t.table)) for t in found.triggers] == [("order_changed", "shop.orders")]
    assert found.triggers[0].webhook_from_env == "SHOP_URL"
    assert found.sources["order_changed"].endswith(":8")


def test_a_list_of_hasura_tables_is_read_as_it_is(tmp_path: Path) -> None:
    one = "\n".join(f"  {line}" for line in HASURA.splitlines())
    text = f"- {one.lstrip()}\n- table: {{schema: public, name: untouched}}\n"
    assert [t.name for t in loaded(tmp_path, text).triggers] == ["order_changed"]


def test_hasura_includes_are_followed_once(tmp_path: Path) -> None:
    written(tmp_path, HASURA, "shop_orders.yaml")
    index = written(tmp_path, '- "!include shop_orders.yaml"\n', "tables.yaml")
    assert [t.name for t in load([index]).triggers] == ["order_changed"]
    assert load([tmp_path]).triggers == load([index]).triggers


def test_files_and_folders_are_read_in_order_and_each_file_once(tmp_path: Path) -> None:
    folder = tmp_path / "more"
    for name, file in (("c", "2.yml"), ("b", "1.yaml")):
        written(folder, MINIMAL.format(name=name, webhook="https://x"), file)
    written(folder, "not: ours", "readme.txt")
    first = written(tmp_path, MINIMAL.format(name="a", webhook="https://x"))
    found = load([first, folder, folder / "1.yaml"])
    assert [trigger.name for trigger in found.triggers] == ["a", "b", "c"]


def test_anchors_and_merge_keys_may_be_used(tmp_path: Path) -> None:
    text = FULL.replace("retry_conf: {", "retry_conf: &retry {")
    text += "  - {name: b, table: orders, enable_manual: true, webhook: 'https://x', "
    found = loaded(tmp_path, text + "retry_conf: {<<: *retry, num_retries: 1}}\n")
    assert found.triggers[1].retry_conf.num_retries == 1
    assert found.triggers[1].retry_conf.backoff is Backoff.EXPONENTIAL


@pytest.mark.parametrize(
    "webhook",
    [
        "https://x",
        "HTTP://[::1]:8080/a?b=c#d",
        '"{{URL}}"',
        '"{{ URL }}/a"',
        '"{{SCHEME}}://{{HOST}}"',
        '"https://{{HOST}}:{{PORT}}/{{PATH}}"',
        "http://user:secret@host/ü",
    ],
)
def test_webhooks_that_may_be_called(tmp_path: Path, webhook: str) -> None:
    assert loaded(tmp_path, MINIMAL.format(name="a", webhook=webhook)).triggers


# ---- what is refused, with the line and what to write


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["name: 9lives"], r"8: trigger '9lives': `name`: .*start with a letter"),
        (["name: " + "a" * 43], r"8: .*43 characters: at most 42"),
        (["name: 5"], r'8: trigger without a name: `name` must be text.*put "5" in quotes'),
        (["table: 5"], r"8: .*`table` \(5\) is not a mapping; write table: \{schema"),
        (["table: {nam: orders, name: a}"], r"8: .*unknown key `nam`; did you mean `name`\?"),
        (["table: {schema: x}"], r"8: .*`table.name` is missing; write name: orders"),
        (["insert: {columns: []}"], r"8: .*empty column list fires for nothing: list columns"),
        (["insert: {columns: id}"], r'8: .*must be "\*" or a list of column names; write columns'),
        (["insert: {columns: [1]}"], r'8: .*must be "\*" or a list of column names; write columns'),
        (["insert: {column: [a]}"], r"8: .*unknown key `column`; did you mean `columns`\?"),
        (["insert:"], r'8: .*`insert` is empty; write insert: \{columns: "\*"\}, or remove'),
        (['insert: "*"'], r"8: .*`definition.insert` \('\*'\) is not a mapping; write insert"),
        (["enable_manual: perhaps"], r"8: .*neither true nor false; write enable_manual: true"),
        (["webhook: ftp://x"], r"8: .*`webhook`: starts with neither http:// nor https://"),
        (["webhook: //x/y"], r"8: .*`webhook`: starts with neither"),
        (["webhook: https://"], r"8: .*`webhook`: has no host: write https://example.com/hook"),
        (["webhook: https://x:port/"], r"8: .*has no valid host or port"),
        (["webhook: 'https://x/a b'"], r"8: .*holds white space: write %20"),
        (['webhook: "{{A B}}"'], r"8: .*braces that are no variable: write \{\{NAME\}\}"),
        (['webhook: ""'], r"8: .*`webhook`: is empty"),
        (
            ["webhook:"],
            r"3: .*has no webhook: write webhook: https://example.com/hook, or webhook_from",
        ),
        (["webhook_from_env: X"], r"3: .*has webhook and webhook_from_env: remove one of them"),
        (["headers: {a: b}"], r"8: .*`headers` is not a list; write headers: \[\{name"),
        (["headers:", "  - {name: A B, value: c}"], r"9: .*`headers\[0\].name` is 'A B'; write"),
        (["headers: [{name: A}]"], r"8: .*`headers\[0\]`: has no value: write value"),
        (["headers: [{name: A, value: a, value_from_env: B}]"], r"8: .*value_from_env: remove one"),
        (['headers: [{name: A, value: "a\\nb"}]'], r"8: .*one line: write it without line breaks"),
        (['headers: [{name: A, value_from_env: "{{B}}"}]'], r"8: .*the bare name of a variable"),
        (
            ["retry_conf: {num_retries: -1}"],
            r"8: .*\(-1\) is too small; write a whole number, 0 or",
        ),
        (["retry_conf: {interval_sec: 1.5}"], r"8: .*\(1.5\) is not a whole number; write whole"),
        (["retry_conf: {interval_sec: 10000000001}"], r"8: .*\(10000000001\) is too large; write"),
        (["retry_conf: {timeout_sec: 10000000001}"], r"8: .*\(10000000001\) is too large; write"),
        (["retry_conf: {max_interval_sec: 1.0e12}"], r"8: .*is too large; write whole seconds"),
        (["retry_conf: {timeout_sec: soon}"], r"8: .*\('soon'\) is not a whole number"),
        (["retry_conf: {backoff: linear}"], r"8: .*\('linear'\) is not known; write backoff: cons"),
        (["retry_conf:", "  num_retry: 1"], r"9: .*unknown key `num_retry`; did you mean `num_ret"),
        (["ordering: keys"], r"8: .*\('keys'\) is not known; write ordering: key, or ordering: n"),
        (
            ["ordering: none", "ordering_key: [a]"],
            r"3: .*ordering_key means nothing with ordering:",
        ),
        (["max_in_flight: 10001"], r"8: .*\(10001\) is too large; write a whole number from 1"),
        (["trigger_on_replicaton: true"], r"8: .*did you mean `trigger_on_replication`\?"),
        (["frobnicate: 1"], r"8: .*unknown key `frobnicate`; remove it, or write one of name, "),
        (["definition: {insert: {}}"], r"6: .*`insert` stands beside `definition`; move it into"),
        (["replace: 2"], r"8: .*`replace` must be true or false"),
        ([r'comment: "\ud800"'], r"8: .*`comment`: holds .*: PostgreSQL cannot store that"),
        ([r'comment: "a\0b"'], r"8: .*`comment`: holds .*: PostgreSQL cannot store that"),
        ([r'headers: [{name: A, value: "\ud800"}]'], r"8: .*\.value`: holds .*PostgreSQL cannot"),
        (["comment: !secret x"], r"3: .*has the tag !secret; write the value without a tag"),
    ],
)
def test_one_mistake_gives_one_problem_with_line_and_remedy(
    tmp_path: Path, lines: list[str], expected: str
) -> None:
    found = trigger_problems(tmp_path, *lines)
    assert [bool(re.match(expected, problem)) for problem in found].count(True) == 1, found
    assert len(found) == 1 or lines in (["insert:"], ["webhook:"]), found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", r"1: is empty; write `version: 1` and below it `triggers:`"),
        ("# only a comment\n", r"1: is empty"),
        ("just text", r"1: is not a mapping; write `version: 1`"),
        ("- name: a\n", r"1: is not a mapping; write `version: 1`"),
        ("triggers: []\n", r"1: `version` is missing; write `version: 1`"),
        ("version: 1\n", r"1: `triggers` is missing; write `triggers: \[\]`"),
        ("version: 1\ntriggers:\n", r"2: `triggers` is not a list"),
        ("version: 1\ntriggers: {a: b}\n", r"2: `triggers` is not a list"),
        (
            "- &a\n  table: *a\n  event_triggers:\n  - name: x\n",
            r"4: trigger 'x': .*contains itself",
        ),
        ("version: 1\ntriggers: [a]\n", r"2: trigger without a name: is not a mapping"),
        ("triggers: []\nversion: 2\n", r"2: unknown version; write `version: 1`"),
        ("version: true\ntriggers: []\n", r"1: unknown version; write `version: 1`"),
        ("version: 1\ntriggers: []\ntrigers: []\n", r"3: unknown key `trigers`; did you mean `tri"),
        ("version: 1\nversion: 1\n", r"2: the key `version` stands here a second time; remove"),
        ("version: 1\ntriggers: [\n", r"3: not valid YAML at column 1: .*; check indentation"),
        ("version: 1\n\ttriggers: []\n", r"2: not valid YAML at column"),
        ("version: 1\ntriggers: *x\n", r"2: not valid YAML at column 11: found undefined alias"),
        ('version: 1\ntriggers: "\x01"\n', r"2: holds a character that YAML does not allow"),
        ("version: 1\n---\nversion: 1\n", r"2: not valid YAML at column 1: but found another"),
        ("version: 2026-99-99\ntriggers: []\n", r"1: unknown version; write `version: 1`"),
        ("[" * 600, r"1: not valid YAML: maximum recursion depth"),
        ("name: a\ntable: b\nwebhook: c\n", r"3: a trigger \(`webhook`\) stands alone; write it"),
        ("table: b\nevent_triggers: {}\n", r"2: `event_triggers` is not a list"),
        ("table: b\nevent_triggers:\n- name: a\n  table: c\n", r"4: `table` stands in an event"),
    ],
)
def test_a_file_that_is_none_of_ours_is_refused_with_its_line(
    tmp_path: Path, text: str, expected: str
) -> None:
    found = problems(tmp_path, text)
    assert any(re.match(expected, problem) for problem in found), found


def test_all_problems_of_all_files_come_in_one_run_in_the_order_of_their_lines(
    tmp_path: Path,
) -> None:
    first = written(
        tmp_path, "version: 2\ntriggers:\n- {name: a, tabel: b, insert: {}}\n", "1.yaml"
    )
    second = written(tmp_path, "nonsense: [", "2.yaml")
    missing = tmp_path / "3.yaml"
    with pytest.raises(TriggerFileError) as refused:
        load([first, second, missing])
    places = [
        problem.removeprefix(f"{tmp_path}/").partition(" ")[0] for problem in refused.value.problems
    ]
    assert places == ["1.yaml:1:", *["1.yaml:3:"] * 3, "2.yaml:1:", "3.yaml:"]


def test_rules_about_several_keys_are_told_together_with_wrong_values(tmp_path: Path) -> None:
    text = "version: 1\ntriggers:\n- name: a\n  table: 5\n  retry_conf: {backoff: x}\n"
    found = " ".join(problems(tmp_path, text))
    for expected in ("`table`", "`retry_conf.backoff`", "at least one of insert", "no webhook"):
        assert expected in found


def test_a_name_that_two_files_define_is_told_with_both_places(tmp_path: Path) -> None:
    text = MINIMAL.format(name="a", webhook="https://x")
    first, second = written(tmp_path, text, "1.yaml"), written(tmp_path, text, "2.yaml")
    with pytest.raises(TriggerFileError) as refused:
        load([first, second])
    (problem,) = refused.value.problems
    assert problem.startswith(f"{second}:4: trigger 'a': is defined already at {first}:3; give")


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"version: 1 # \xfc\n")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(TriggerFileError) as refused:
        load([tmp_path / "nowhere.yaml", latin, empty])
    missing, encoding, folder = sorted(refused.value.problems, key=lambda p: "empty" in p)
    remedy = "write one with `cdc-triggers init`, or name it with -c"
    assert sorted((missing, encoding)) == [
        f"{latin}: is not UTF-8 (byte 13); save it as UTF-8",
        f"{tmp_path}/nowhere.yaml: does not exist; {remedy}",
    ]
    assert folder == f"{empty}: holds no *.yaml or *.yml file; name a folder that does"


def test_secrets_are_not_repeated_in_problems(tmp_path: Path) -> None:
    lines = ["webhook: ftp://user:hunter2@x", "headers: [{name: A, value: 887766}]"]
    found = " ".join(trigger_problems(tmp_path, *lines))
    assert "hunter2" not in found
    assert "887766" not in found


def test_many_aliases_do_not_make_a_small_file_large(tmp_path: Path) -> None:
    levels = [f"x{i}: &x{i} [{', '.join([f'*x{i - 1}'] * 9)}]" for i in range(1, 30)]
    lines = ["x0: &x0 [a]", *levels]
    assert len(trigger_problems(tmp_path, *lines)) == 30


@given(data=st.data())
@hypothesis_settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
def test_a_damaged_file_is_loaded_or_refused_and_nothing_else(
    tmp_path: Path, data: st.DataObject
) -> None:
    lines = data.draw(st.sampled_from([FULL, HASURA])).splitlines()
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(lines) - 1))
        column = data.draw(st.integers(0, len(lines[place])))
        piece = data.draw(
            st.sampled_from(["", ": ", "[", "}", "- ", "&a ", "*a", "<<: ", "1", "!t "])
        )
        cut = data.draw(st.integers(0, 3))
        lines[place] = lines[place][:column] + piece + lines[place][column + cut :]
    with suppress(TriggerFileError):
        found = loaded(tmp_path, "\n".join(lines))
        assert len(found.triggers) == len(found.sources)
