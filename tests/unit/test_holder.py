from __future__ import annotations

import os
import subprocess
import sys

from support.waiting import wait_until

from cdc_triggers.postgres.holder import identity, is_dead


def of(pid: int) -> str:
    """The identity of another process of this machine."""
    return f"{identity().rpartition(' ')[0]} {pid}"


def test_a_process_that_runs_is_not_dead() -> None:
    assert identity()
    assert not is_dead(identity())
    assert not is_dead(of(os.getppid()))


def test_a_process_that_was_killed_is_dead_reaped_or_not() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert not is_dead(of(process.pid))
        process.kill()
        wait_until(lambda: is_dead(of(process.pid)), what="the zombie counts as dead")
    finally:
        process.kill()
        process.communicate()
    assert is_dead(of(process.pid))


def test_what_cannot_be_known_is_not_dead() -> None:
    free = 2**22 - 1
    assert is_dead(of(free))
    boot, namespace, _ = identity().split(" ")
    assert not is_dead(f"another-boot {namespace} {free}")
    assert not is_dead(f"{boot} pid:[1] {free}")
    for nothing in (None, "", str(free), f"{boot} {namespace} x", f"{boot} {namespace} -1"):
        assert not is_dead(nothing)
