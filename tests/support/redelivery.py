"""A person puts dead deliveries back: `admin_put_back.sql` for the store in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cdc_triggers.testing import MemoryDatabase
    from cdc_triggers.testing.database import DeliveryRow


def put_back(database: MemoryDatabase, ids: Iterable[int]) -> None:
    """Owe these dead deliveries again, tries from 0, by the very rules of the query."""
    chosen = sorted((database.deliveries[i] for i in ids), key=lambda row: row.place)
    tails = {
        (row.trigger_id, chain): _tail(database, row.trigger_id, chain)
        for row in chosen
        for chain in _chains(row)
    }
    verdicts: list[tuple[DeliveryRow, bool, bool]] = []
    seen: set[tuple[int, str]] = set()
    for row in chosen:
        links = [(row.trigger_id, chain) for chain in _chains(row)]
        alone = any((tail := tails[link]) is not None and tail > row.place for link in links)
        behind = any(tails[link] is not None or link in seen for link in links)
        if not alone:
            seen.update(links)
        verdicts.append((row, alone, behind))
    for row, alone, behind in verdicts:
        row.status, row.reason, row.tries = "parked", "redelivered", 0
        row.claimed_until = row.claimed_by = None
        row.due_at = None if behind and not alone else database.clock.now()
        if alone:
            row.key = row.old_key = None


def _chains(row: DeliveryRow) -> list[str]:
    return [chain for chain in (row.key, row.old_key) if chain is not None]


def _tail(database: MemoryDatabase, trigger_id: int, chain: str) -> tuple[int, int] | None:
    places = [row.place for row in database.parked(trigger_id) if row.stands_in(chain)]
    return max(places, default=None)
