"""Which capture triggers of Hasura's stand beside ours? Its event trigger of the same name.

With both on, every change is in two logs, and is sent twice once Hasura sends.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cdc_triggers.core.catalog import Catalog, Relation
    from cdc_triggers.core.resolve import Resolved

_NAME: Final = re.compile(r"notify_hasura_(.+)_(?:INSERT|UPDATE|DELETE)")


class Beside(NamedTuple):
    """A native trigger of Hasura's that is on.

    Attributes:
        event_trigger: what Hasura, and we, call the trigger that it is for.
        owned: this role may turn it off.
    """

    relation: Relation
    name: str
    event_trigger: str
    owned: bool


def beside(resolved: Sequence[Resolved], catalog: Catalog) -> tuple[Beside, ...]:
    """Those on the tables of these triggers, for event triggers of the same name.

    In the order of the tables' oids: two appliers never lock crosswise.
    """
    return tuple(
        Beside(found.relation, name, found.spec.name, catalog.details[found.relation.oid].owned)
        for found in sorted(resolved, key=lambda each: each.relation.oid)
        for name in catalog.hasura.get(found.relation.oid, ())
        if (match := _NAME.fullmatch(name)) and match[1] == found.spec.name
    )


def notes(found: Iterable[Beside]) -> Iterator[str]:
    """What to say if they are left on."""
    for name, relation in dict.fromkeys((each.event_trigger, each.relation) for each in found):
        yield (
            f"{name}: Hasura captures {relation} for its trigger of this name too: "
            "--replace-hasura turns that off in the moment in which ours is on"
        )


def problems(found: Iterable[Beside], role: str) -> Iterator[str]:
    """Why they can not be turned off."""
    for name, relation in dict.fromkeys(
        (each.event_trigger, each.relation) for each in found if not each.owned
    ):
        yield (
            f"{name}: --replace-hasura needs the owner of {relation}, and {role} is not: "
            "apply as its owner"
        )
