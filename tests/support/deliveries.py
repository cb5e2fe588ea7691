"""Events and deliveries with only what a test names."""

from __future__ import annotations

from cdc_triggers.core.delivery import Delivery
from cdc_triggers.core.event import Event
from cdc_triggers.core.lsn import Lsn
from cdc_triggers.core.records import Revision
from cdc_triggers.core.snapshot import Snapshot
from cdc_triggers.core.spec import Trigger

SPEC = Trigger.model_validate(
    {"name": "t", "table": "items", "definition": {"insert": {}}, "webhook": "http://t/"}
)
REVISION = Revision(1, SPEC, {}, Snapshot(0, 0, frozenset()))


def event(
    number: int,
    op: str = "INSERT",
    *,
    old: bytes | None = None,
    new: bytes | None = None,
    xid: int = 100,
    trigger_name: str | None = None,
) -> Event:
    """The event at place (1, `number`) of table 1."""
    return Event(
        id=f"e{number}",
        table_id=1,
        schema_name="public",
        table_name="items",
        op=op,
        created_at="2026-01-02T03:04:05.600000Z",
        xid=xid,
        old=old,
        new=new,
        session=None,
        trace=None,
        trigger_name=trigger_name,
        commit_lsn=Lsn(1),
        position=number,
    )


def delivery(number: int, keys: tuple[str | None, str | None] = (None, None)) -> Delivery:
    """The delivery with this token and place."""
    return Delivery(number, 1, REVISION, event(number), keys)
