"""Of what deliveries died, looked at anew when it is old; pages that are live share one look."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdc_triggers.core.dead import DeadError
    from cdc_triggers.wiring.serving import Backend

_FRESH_S: Final = 4.0
_SHARE: Final = 20
"""Of the time at most a twentieth goes into looking, however long one look takes."""


class Causes:
    """Keeps what was found last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: Sequence[DeadError] = ()
        self._until = 0.0

    def errors(self, backend: Backend, window: int, *, live: bool) -> Sequence[DeadError]:
        """Errors of the newest dead deliveries, not more than `window` of each trigger.

        Args:
            backend: where.
            window: see there.
            live: the page was shown before, and takes what others have found.

        Raises:
            DatabaseError: it cannot be asked.
        """
        with self._lock:
            began = time.monotonic()
            if live and began < self._until:
                return self._found
            with backend.dead_letters() as letters:
                self._found = letters.causes(None, window)
            ended = time.monotonic()
            self._until = ended + max(_FRESH_S, (ended - began) * _SHARE)
            return self._found
