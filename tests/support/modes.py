"""The modes that a fault is tried in besides the usual one."""

from __future__ import annotations

from support.witness import Mode

OTHER_MODES = [
    Mode(ordering, plugin)
    for ordering in ("key", "none", "total")
    for plugin in ("pgoutput", "wal2json")
    if (ordering, plugin) != ("key", "pgoutput")
]
"""All but `key` with pgoutput; they need a server that has wal2json."""
