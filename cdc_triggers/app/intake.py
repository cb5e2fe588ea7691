"""Messages on their way from the slot into the engine: read in batches, taken one by one."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from cdc_triggers.core.messages import Begin, LogRow

if TYPE_CHECKING:
    from collections.abc import Callable

    from cdc_triggers.app.adapters import Adapters
    from cdc_triggers.core.engine import Engine
    from cdc_triggers.core.messages import Message

READ_MESSAGES: Final = 256

SLICE_S: Final = 0.002
"""How long messages are taken in a turn of the loop: then sends, answers and the lease get theirs.

A thousand messages at once took 80 ms, where a restart passed over what was done before. A write
takes some turns of the loop: on a busy machine the lease ran out in the meantime, again and again.
With 10 ms an endpoint that answers after 20 ms got a tenth less than it could take.
"""


class Intake:
    """Takes for as long as the engine will have them.

    Args:
        confirm: called when the server asks for an answer.

    Attributes:
        heard_at: monotonic seconds when the source was last asked.
    """

    def __init__(self, engine: Engine, adapters: Adapters, confirm: Callable[[], None]) -> None:
        self._now = adapters.clock.monotonic
        self.heard_at = self._now()
        self._engine = engine
        self._source = adapters.source
        self._watch = adapters.watch
        self._confirm = confirm
        self._pending: deque[Message] = deque()

    def take(self) -> bool:
        """Take messages for a moment; False: there are no more, or the engine must wait."""
        now = self._now()
        until = now + SLICE_S
        engine, pending, received = self._engine, self._pending, self._watch.received
        while pending or self._read(now):
            message = pending[0]
            # only rows take room: the question is not asked for what stands around them
            kind = type(message)
            if kind is LogRow:
                if not engine.can_receive:
                    return False
            elif kind is Begin and engine.reload_wanted:
                return False  # the triggers are read as of the transaction that asks for it
            if not engine.receive(message, now):
                return False
            pending.popleft()
            received(message, now)
            # after each row, as a hundred triggers may want it; a begin is followed by something
            if kind is not Begin and self._now() >= until:
                return True
        return False

    def overdue_s(self, now: float) -> float:
        """For how much longer the server has been silent than it may be while it is at work."""
        return now - self.heard_at - self._source.quiet_s

    def _read(self, now: float) -> bool:
        """Read what has come, if the engine has room; True if there is anything to take."""
        if not self._engine.can_receive:
            return False
        self._pending.extend(self._source.read(READ_MESSAGES))
        self.heard_at = now
        if not self._pending:
            self._engine.idle(self._source.server_lsn())
        if self._source.reply_due():
            self._confirm()
        return bool(self._pending)
