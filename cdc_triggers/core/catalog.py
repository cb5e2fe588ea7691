"""What the database looks like to someone who plans capture. Plain values, read by an adapter."""

from __future__ import annotations

import re
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from cdc_triggers.core.columns import NOTHING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cdc_triggers.core.columns import Holds
    from cdc_triggers.core.spec import Trigger


class Kind(StrEnum):
    """What a name in the database stands for; only the first two can be captured."""

    ORDINARY = "ordinary"
    PARTITIONED = "partitioned"
    VIEW = "view"
    MATERIALIZED_VIEW = "materialized view"
    FOREIGN = "foreign table"
    SEQUENCE = "sequence"
    TEMPORARY = "temporary"
    SYSTEM = "system"
    OWN = "own"


def quoted(name: str) -> str:
    """The name as SQL has it, for a statement that somebody copies."""
    return name if re.fullmatch(r"[a-z_][a-z0-9_]*", name) else '"' + name.replace('"', '""') + '"'


class Relation(NamedTuple):
    """A name in the database."""

    oid: int
    schema: str
    name: str
    kind: Kind

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def as_sql(self) -> str:
        """Its name as SQL has it."""
        return f"{quoted(self.schema)}.{quoted(self.name)}"


class CaptureTrigger(NamedTuple):
    """A native trigger that calls a capture function.

    Attributes:
        enabled: as in pg_trigger: O (not on replicated rows), R (only those), A, D.
    """

    name: str
    function: str
    arguments: tuple[str, ...]
    enabled: str


class Details(NamedTuple):
    """What planning must know of a table beyond its name.

    Attributes:
        columns: attribute number by name, in table order.
        virtual: generated columns that are not stored.
        key_attnums: the primary key, or the replica identity index; empty: none.
        inherits: has a parent or children, partitions included.
        own_row_triggers: its own AFTER row triggers may write to it in the middle of a statement.
        owned: this role may drop its triggers.
        may_trigger: this role may create triggers on it and on its partitions.
        may_name: and use its schema, without which it cannot name it.
        types: by column, which of `core.cel.functions.Type` its values are in a condition.
        holds: what they hold.
    """

    columns: Mapping[str, int]
    virtual: tuple[str, ...]
    key_attnums: tuple[int, ...]
    is_partition: bool
    inherits: bool
    own_row_triggers: bool
    owned: bool
    may_trigger: bool
    may_name: bool = True
    types: Mapping[str, str] = MappingProxyType({})
    holds: Holds[int] = NOTHING


class Captured(NamedTuple):
    """A row of cdc_triggers.captured_table."""

    id: int
    oid: int
    level: str
    key_attnums: tuple[int, ...]


class Applied(NamedTuple):
    """A trigger that is in force, with its newest revision."""

    id: int
    name: str
    oid: int
    spec: Trigger
    revision: int
    attnums: Mapping[str, int]
    ordering_attnums: tuple[int, ...]


_NONE: Mapping[int, tuple[str, ...]] = MappingProxyType({})


class Catalog(NamedTuple):
    """The state that a plan starts from.

    Attributes:
        details: by oid, of every captured table and every table that a spec names.
        capture: capture triggers by oid of their table, without clones on partitions.
        hasura: names of those of Hasura's that are on, likewise.
    """

    role: str
    relations: Sequence[Relation]
    details: Mapping[int, Details]
    capture: Mapping[int, tuple[CaptureTrigger, ...]]
    captured: Sequence[Captured]
    applied: Sequence[Applied]
    hasura: Mapping[int, tuple[str, ...]] = _NONE
