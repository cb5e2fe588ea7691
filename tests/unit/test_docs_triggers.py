"""The references of what a trigger file holds have every key, limit, variable and function."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from ruamel.yaml import YAML
from support.documentation import REFERENCE, ROOT, first_cells, sections

from cdc_triggers.app import trigger_file
from cdc_triggers.core import (
    cleanup,
    condition,
    images,
    spec,
    transform_spec,
)
from cdc_triggers.core.cel import cost, parser
from cdc_triggers.core.cel.checker import VARIABLES
from cdc_triggers.core.cel.functions import FUNCTIONS as CEL_FUNCTIONS
from cdc_triggers.core.cel.parser import MACROS
from cdc_triggers.core.kriti import limits
from cdc_triggers.core.kriti.functions import FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cdc_triggers.core.model import Model


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
