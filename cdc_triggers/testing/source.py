"""A replication slot whose log is written by the test."""

from __future__ import annotations

import socket
from collections import deque
from typing import TYPE_CHECKING

from cdc_triggers.core.lsn import ZERO, Lsn
from cdc_triggers.core.messages import Begin, Commit, LogRow, Message
from cdc_triggers.errors import ConnectionLostError, SlotError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

COMMIT_BYTES = 8
"""Length of a commit record in a `transaction`: its `end_lsn` is that far behind its LSN."""


def log_row(
    event_id: str,
    *,
    table_id: int = 1,
    xid: int = 1,
    op: str = "INSERT",
    old: bytes | None = None,
    new: bytes | None = None,
    trigger_name: str | None = None,
) -> LogRow:
    """One row of the event log, as a decoder gives it; `old` and `new` are JSON objects."""
    return LogRow(
        bucket=b"0",
        seq=b"1",
        id=event_id.encode(),
        table_id=str(table_id).encode(),
        xid=str(xid).encode(),
        created_at=b"2026-01-02 03:04:05.6+00",
        op=op.encode(),
        schema_name=b"public",
        table_name=b"items",
        old=old,
        new=new,
        session=None,
        trace=None,
        trigger_name=None if trigger_name is None else trigger_name.encode(),
    )


def transaction(commit_lsn: int, messages: Iterable[Message], xid: int = 1) -> tuple[Message, ...]:
    """A committed transaction around these messages; its end is `COMMIT_BYTES` further on."""
    lsn, end_lsn = Lsn(commit_lsn), Lsn(commit_lsn + COMMIT_BYTES)
    begin = Begin(lsn, commit_lsn, xid & 0xFFFFFFFF)
    return (begin, *messages, Commit(lsn, end_lsn, commit_lsn))


class Slot:
    """What PostgreSQL remembers of a slot; outlives every `ScriptedSource`.

    Attributes:
        confirmed: nothing before it is sent again.
        log: all transactions, in commit order, whether confirmed or not.
        plugin: the output plugin that it was made with.
    """

    def __init__(self, plugin: str = "pgoutput") -> None:
        self.confirmed = ZERO
        self.plugin = plugin
        self.log: list[tuple[Message, ...]] = []

    def after(self, begins: Lsn) -> list[tuple[Message, ...]]:
        """What a reader gets that starts there: what commits from there on and is not confirmed."""
        begins = max(begins, self.confirmed)
        return [each for each in self.log if _commit(each).commit_lsn >= begins]


class ScriptedSource:
    """Implements `ports.ChangeSource` over a `Slot`.

    `feed`, `keepalive` and `fail` are for the thread that reads.

    Attributes:
        confirmations: every (received, confirmed) that was told to the server.
        started: how many times `start` succeeded.
        quiet_s: see `ports.ChangeSource`.
    """

    def __init__(self, slot: Slot | None = None) -> None:
        self.slot = slot or Slot()
        self.confirmations: list[tuple[Lsn, Lsn]] = []
        self.started = 0
        self.quiet_s = 0.0
        self._reader, self._writer = socket.socketpair()
        self._reader.settimeout(0)
        self._queue: deque[Message | Lsn | ConnectionLostError] = deque()
        self._refusals: deque[Exception] = deque()
        self._open = False
        self._reply_due = False
        self._server_lsn = ZERO

    def feed(self, *transactions: Sequence[Message]) -> None:
        """Commit whole transactions (see `transaction`); they stay in the slot's log."""
        for each in transactions:
            self.slot.log.append(tuple(each))
            if self._open:
                self._queue.extend(each)
        self._wake()

    def keepalive(self, server_lsn: int, *, reply: bool = False) -> None:
        """The server says how far it is, behind all that was fed, and may ask for an answer."""
        self._queue.append(Lsn(server_lsn))
        self._reply_due = self._reply_due or reply
        self._wake()

    def fail(self, error: ConnectionLostError | None = None) -> None:
        """The connection breaks behind all that was fed: `read` raises, `start` mends it."""
        self._queue.append(error or ConnectionLostError("the connection broke"))
        self._wake()

    def refuse(self, *errors: Exception) -> None:
        """The next starts end with these errors, one each."""
        self._refusals.extend(errors)

    def fileno(self) -> int:
        """See `ports.ChangeSource.fileno`: readable while there is something to read."""
        return self._reader.fileno()

    def start(self, slot: str, plugin: str, begins: Lsn) -> None:
        """See `ports.ChangeSource.start`: all that is not confirmed comes again."""
        if self._refusals:
            raise self._refusals.popleft()
        if plugin != self.slot.plugin:
            raise SlotError(f"slot {slot!r} is of plugin {self.slot.plugin}, not {plugin}")
        self._queue.clear()
        for each in self.slot.after(begins):
            self._queue.extend(each)
        self._server_lsn = self.slot.confirmed
        self._open = True
        self.started += 1
        self._wake()

    def read(self, limit: int) -> Sequence[Message]:
        """See `ports.ChangeSource.read`."""
        found: list[Message] = []
        while self._queue and len(found) < limit:
            if isinstance(self._queue[0], Exception) and found:
                break
            item = self._queue.popleft()
            if isinstance(item, Exception):
                self._open = False
                raise item
            if isinstance(item, int):
                self._server_lsn = max(self._server_lsn, item)
                continue
            if isinstance(item, Commit):
                self._server_lsn = max(self._server_lsn, item.end_lsn)
            found.append(item)
        if not self._queue:
            self._sleep()
        return found

    def server_lsn(self) -> Lsn:
        """See `ports.ChangeSource.server_lsn`."""
        return self._server_lsn

    def confirm(self, received: Lsn, confirmed: Lsn, *, ping: bool = False) -> None:
        """See `ports.ChangeSource.confirm`; a ping is answered at once.

        Raises:
            AssertionError: more is confirmed than was received.
        """
        assert confirmed <= received, "confirmed what was never received"
        self._reply_due = False
        self.confirmations.append((received, confirmed))
        # as PostgreSQL: what was confirmed once stays so
        self.slot.confirmed = max(self.slot.confirmed, confirmed)
        if ping:
            self.keepalive(self._server_lsn)

    def reply_due(self) -> bool:
        """See `ports.ChangeSource.reply_due`."""
        return self._reply_due

    def close(self) -> None:
        """See `ports.ChangeSource.close`; `start` may follow."""
        self._open = False
        self._queue.clear()
        self._sleep()

    def _wake(self) -> None:
        if self._queue:
            self._writer.send(b".")

    def _sleep(self) -> None:
        try:
            while self._reader.recv(4096):
                pass
        except BlockingIOError:
            return


def _commit(messages: Sequence[Message]) -> Commit:
    last = messages[-1]
    assert isinstance(last, Commit), "a transaction ends with its commit"
    return last
