"""The key `retention` of a trigger file: what it says, and what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from cdc_triggers.app import spec_problems
from cdc_triggers.core.cleanup import FOREVER, Retention

if TYPE_CHECKING:
    from cdc_triggers.app.located import Node

KEY = "retention"

_EXAMPLES = {
    "": "retention: {log_days: 6, dead_days: 30}",
    "log_days": "whole days from 1 to 365: log_days: 6",
    "dead_days": f"whole days from 1 to 36500, or {FOREVER}: dead_days: 30",
}


class Reader:
    """Reads it from whichever of several files has it; only one may."""

    def __init__(self) -> None:
        self._node: Node | None = None
        self.found = Retention()

    def read(self, root: Node, problems: list[str]) -> None:
        """Take it from a file, or add to `problems` all that is wrong with it."""
        node = root.get(KEY)
        if node is None:
            return
        if self._node is not None:
            problems.append(f"{node}: `{KEY}` stands already at {self._node}; remove one of them")
            return
        self._node = node
        if not node.is_mapping:
            problems.append(f"{node}: `{KEY}` is not a mapping; write {_EXAMPLES['']}")
            return
        try:
            self.found = Retention.model_validate(node.plain())
        except ValidationError as invalid:
            # a number or a word: pydantic tells what is wrong with either
            places = {error["loc"][:1]: error["type"] for error in invalid.errors()}
            for (key,), kind in places.items():
                problems.append(f"{node.at((key,))}: {_words(str(key), kind)}")
        except ValueError as error:
            problems.append(f"{node}: `{KEY}`: a value {error}")


def _words(key: str, kind: str) -> str:
    if kind == "extra_forbidden":
        return f"`{KEY}`: {spec_problems.unknown_key(key, list(Retention.model_fields))}"
    return f"`{KEY}.{key}` cannot be used; write {_EXAMPLES[key]}"
