from __future__ import annotations

from typing import TYPE_CHECKING

from cdc_triggers.app import template_file
from cdc_triggers.app.trigger_file import load
from cdc_triggers.core.spec import Definition, Trigger

if TYPE_CHECKING:
    from pathlib import Path


def test_the_file_that_init_writes_is_valid_and_empty(tmp_path: Path) -> None:
    path = tmp_path / template_file.NAME
    path.write_text(template_file.text(), encoding="utf-8")
    assert load([path]).triggers == ()


def test_the_example_in_the_file_that_init_writes_is_valid_and_explains_every_key(
    tmp_path: Path,
) -> None:
    head, _, example = template_file.text().partition("triggers: []")
    lines = [line[1:] for line in example.splitlines() if line.startswith("#  ")]
    path = tmp_path / template_file.NAME
    path.write_text(head + "triggers:\n" + "\n".join(lines), encoding="utf-8")
    (trigger,) = load([path]).triggers
    assert trigger.model_fields_set | {"webhook_from_env"} == Trigger.model_fields.keys()
    assert trigger.definition.model_fields_set == Definition.model_fields.keys()
