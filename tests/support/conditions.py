"""Conditions on rows that a test writes as JSON."""

from __future__ import annotations

import pytest

from cdc_triggers.core.condition import compiled
from cdc_triggers.core.images import Images, Naming
from cdc_triggers.errors import ConditionError
from support.deliveries import event

OLD = b'{"id":7,"status":"new","total":10.00,"note":null,"tags":["a"],"data":{"n":1}}'
NEW = b'{"id":7,"status":"paid","total":10,"note":null,"tags":["a","b"],"data":{"n":1,"x":[1.5]}}'
SESSION = b'{"X-Hasura-Role":"clerk","x-hasura-user-id":"42","other":"hidden"}'

DOUBLES = Naming({}, frozenset({"total"}))
"""`total` is a column of type numeric."""


def holds(
    source: str,
    *,
    old: bytes | None = OLD,
    new: bytes | None = NEW,
    session: bytes | None = SESSION,
    naming: Naming = DOUBLES,
) -> bool:
    """What the condition says of an UPDATE, an INSERT (no `old`) or a DELETE (no `new`)."""
    op = "INSERT" if old is None else "DELETE" if new is None else "UPDATE"
    change = event(1, op, old=old, new=new)._replace(session=session)
    return compiled(source).holds(op, Images(change), naming)


def reason(source: str, *, old: bytes | None = OLD, new: bytes | None = NEW) -> str:
    """Why the condition cannot say."""
    with pytest.raises(ConditionError) as caught:
        holds(source, old=old, new=new)
    assert str(caught.value) == f"condition: {caught.value.reason}"
    return caught.value.reason
