"""What all parts of a trigger's spec have in common."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")
"""Escapes of JSON and YAML can say it, and PostgreSQL's jsonb cannot."""

STORED: Mapping[str, object] = MappingProxyType({"stored": True})
"""The context in which a spec is read that the database has already."""

_Value = TypeVar("_Value")


class Model(BaseModel):
    """Frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    @field_validator("*")
    @classmethod
    def _storable(cls, value: _Value, info: ValidationInfo) -> _Value:
        # What an older version has stored must not stop a stream.
        stored = info.mode == "json" or info.context is STORED
        if not stored and _is_unstorable(value):
            raise ValueError(
                r"holds \0 or half of a surrogate pair (\ud800 to \udfff): PostgreSQL cannot store "
                "that, leave it out"
            )
        return value


def _is_unstorable(value: object) -> bool:
    if isinstance(value, str):
        return _UNSTORABLE.search(value) is not None
    if isinstance(value, Mapping):
        return any(map(_is_unstorable, (*value, *value.values())))
    return isinstance(value, list | tuple) and any(map(_is_unstorable, value))
