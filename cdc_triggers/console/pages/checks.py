"""The doctor's findings, looked at again when they are old; many pages share one look."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from cdc_triggers.errors import CdcTriggersError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdc_triggers.console.pages.site import Visit
    from cdc_triggers.core.finding import Finding

FRESH_S = 60.0


class Checks:
    """Keeps the last findings. One thread looks, the others take what there is."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: Sequence[Finding] = ()
        self._until = 0.0

    def findings(self, visit: Visit) -> Sequence[Finding]:
        """What is to be mended first comes first; empty: not looked at yet."""
        now = time.monotonic()
        if now >= self._until and self._lock.acquire(blocking=False):
            self._until = now + FRESH_S
            threading.Thread(target=self._look, args=(visit,), daemon=True).start()
        return self._found

    def _look(self, visit: Visit) -> None:
        try:
            found = visit.backend.findings()
            self._found = sorted(found, key=lambda each: _ORDER[each.level])
        except CdcTriggersError:
            self._until = 0.0  # the page says by itself that the database is away
        finally:
            self._lock.release()


_ORDER = {"blocker": 0, "warning": 1, "ok": 2}


def recent(visit: Visit) -> Sequence[Finding]:
    """The findings of this site."""
    return visit.site.checks.findings(visit)
