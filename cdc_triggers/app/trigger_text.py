"""One trigger as a person would write it in a trigger file, to be edited and read again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdc_triggers.app.hasura_writer import yaml_lines

if TYPE_CHECKING:
    from cdc_triggers.app.located import Plain
    from cdc_triggers.core.spec import Trigger

_TRANSFORMS = {"request_transform", "response_transform"}


def write(trigger: Trigger) -> str:
    """YAML without what is as it would be anyway; `trigger_file.load_text` reads the same back."""
    brief = trigger.model_dump(
        mode="json", by_alias=True, exclude_none=True, exclude_defaults=True, exclude={"table"}
    )
    definition = brief.pop("definition", {})
    for operation in ("insert", "update", "delete"):
        if operation in definition and not definition[operation]:
            definition[operation] = {"columns": "*"}
    table: Plain = str(trigger.table)
    if "." in trigger.table.name or "." in trigger.table.schema_name:
        table = {"schema": trigger.table.schema_name, "name": trigger.table.name}
    value = {"name": brief.pop("name"), "table": table, **definition, **brief}
    # Without a version a transform would be read as one of version 1.
    whole = trigger.model_dump(mode="json", by_alias=True, exclude_none=True, include=_TRANSFORMS)
    value |= whole
    return "\n".join(yaml_lines(value)) + "\n"
