"""Is the process that held the lease dead? Proven, or else it counts as alive.

A session that ended proves nothing: its process may be cut off from PostgreSQL and go on sending.
Only who shares its kernel and its process numbers can tell, so a restart on the same machine need
not wait for the lease to run out.
"""

from __future__ import annotations

import os
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_PID_NAMESPACE = Path("/proc/self/ns/pid")
_DEAD_STATES = frozenset("ZX")


def identity() -> str:
    """This process, in words that another one can compare; empty where the system has none."""
    place = _place()
    return f"{place} {os.getpid()}" if place else ""


def is_dead(identity: str | None) -> bool:
    """True only if it is certain: the same kernel, the same namespace, and no such process.

    A number that was given to another process since, another machine, another container: not
    certain.
    """
    place, _, number = (identity or "").rpartition(" ")
    if not place or place != _place() or not number.isdigit():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return _state(int(number)) in _DEAD_STATES


def _place() -> str:
    try:
        return f"{_BOOT_ID.read_text().strip()} {_PID_NAMESPACE.readlink()}"
    except OSError:
        return ""


def _state(pid: int) -> str:
    """The letter that /proc has for it; empty: not known."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""
