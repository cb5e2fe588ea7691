"""Apply is killed half-way: writers notice nothing, nothing is half there, the next one mends."""

from __future__ import annotations

import json
import signal
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from support.applying import EVERYTHING
from support.load import Load
from support.streaming import (
    ENVIRONMENT,
    Endpoint,
    StreamProcess,
    command,
    trigger,
    wait_settled,
)
from support.waiting import wait_until
from support.witness import Mode, Witness

if TYPE_CHECKING:
    from pathlib import Path

    from support.databases import Database
    from support.matrix import Matrix

    from cdc_triggers.core.spec import Trigger

GROUP = "The stream dies"
PER_SECOND = 500
CAPTURE = "SELECT tgname FROM pg_trigger WHERE tgrelid = 'counter'::regclass"
SPECS = "SELECT name, revision FROM cdc_triggers.trigger ORDER BY name"


@dataclass
class Commands:
    """The commands that a person runs, on one trigger file."""

    database: Database
    file: Path

    def write(self, *triggers: Trigger) -> None:
        specs = [t.model_dump(mode="json", by_alias=True, exclude_none=True) for t in triggers]
        self.file.write_text(json.dumps({"version": 1, "triggers": specs}))  # JSON is YAML

    def apply(self, failpoint: tuple[str, int] | None = None) -> int:
        options = ("-c", str(self.file), "--slot", self.database.slot)
        return self._run("apply", *options, failpoint=failpoint)

    def uninstall(self) -> int:
        return self._run("uninstall", "--slot", self.database.slot)

    def _run(self, name: str, *options: str, failpoint: tuple[str, int] | None = None) -> int:
        line = command(name, "--yes", "--dsn", self.database.dsn, *options, failpoint=failpoint)
        return subprocess.run(line, env=ENVIRONMENT, timeout=60, check=False).returncode


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("failpoint", "fault"),
    [
        pytest.param(("installing", 1), "making the schema", marks=pytest.mark.whole),
        pytest.param(("prepared", 1), "before the slot", marks=pytest.mark.whole),
        (("slot-made", 1), "between slot and specs"),
        pytest.param(("installing", 2), "writing the specs", marks=pytest.mark.whole),
    ],
)
def test_a_first_apply_killed_half_way_can_be_undone_and_can_be_completed(
    database: Database, tmp_path: Path, matrix: Matrix, failpoint: tuple[str, int], fault: str
) -> None:
    commands = Commands(database, tmp_path / "triggers.yaml")
    with Endpoint() as endpoint, Load(database, 100_000, per_second=PER_SECOND) as load:
        try:
            commands.write(trigger("counted", "counter", endpoint.url))
            wait_until(lambda: load.rounds_done, what="the load runs")
            before = database.execute(EVERYTHING)
            assert commands.apply(failpoint) == -signal.SIGKILL
            assert database.execute(CAPTURE) == []
            assert commands.uninstall() == 0
            assert database.execute(EVERYTHING) == before
            assert commands.apply(failpoint) == -signal.SIGKILL
            stream = StreamProcess(database)
            with Witness(database, [endpoint], stream) as witness:
                assert commands.apply() == 0
                with stream:
                    wait_until(lambda: len(endpoint.answered) > 500, what="events come in")
                    load.stop()
                    load.join()
                    wait_settled(database)
                verdict = witness.verdict()
        finally:
            load.stop()
    matrix.add(GROUP, f"SIGKILL in the middle of a first apply: {fault}", Mode(), verdict)
    verdict.check()


@pytest.mark.timeout(180)
def test_an_apply_killed_while_it_changes_triggers_under_load_changes_nothing(
    database: Database, tmp_path: Path, matrix: Matrix
) -> None:
    commands = Commands(database, tmp_path / "triggers.yaml")
    load = Load(database, 100_000, per_second=PER_SECOND)
    with Endpoint() as endpoint, Endpoint() as other:
        commands.write(trigger("counted", "counter", endpoint.url))
        assert commands.apply() == 0
        stream = StreamProcess(database)
        with Witness(database, [endpoint], stream) as witness, stream, load:
            header = [{"name": "X-Revision", "value": "2"}]
            changed = trigger("counted", "counter", endpoint.url, headers=header)
            commands.write(changed, trigger("added", "counter", other.url))
            for _ in range(matrix.scale(1, 5)):
                assert commands.apply(("installing", 2)) == -signal.SIGKILL
                assert database.execute(SPECS) == [("counted", 1)]
            assert commands.apply() == 0
            assert database.execute(SPECS) == [("added", 1), ("counted", 2)]
            wait_until(lambda: len(other.answered) > 500, what="both are called")
            load.stop()
            load.join()
            wait_settled(database)
        verdict = witness.verdict()
    matrix.add(GROUP, "SIGKILL in the middle of an apply that changes triggers", Mode(), verdict)
    assert verdict.events == load.written
    verdict.check()
    assert not other.inversions
    assert "x-revision" not in endpoint.headers[0]
    assert endpoint.headers[-1]["x-revision"] == "2"
