"""Somebody drops or alters the publication: from PostgreSQL 18 on the slot says nothing of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.load import Load
from support.scene import PATIENT, UNRECORDED, Scene
from support.streaming import apply, trigger
from support.waiting import wait_until
from support.witness import Mode

if TYPE_CHECKING:
    from support.databases import Database
    from support.matrix import Matrix

GROUP = "The slot is lost"
pytestmark = [pytest.mark.servers("18", "16"), pytest.mark.timeout(180)]

DROP = "DROP PUBLICATION cdc_triggers"
TAKE_OUT = "ALTER PUBLICATION cdc_triggers DROP TABLE cdc_triggers.event_log"
PUT_BACK = "ALTER PUBLICATION cdc_triggers ADD TABLE cdc_triggers.event_log"


def write_more(load: Load, rounds: int = 5) -> None:
    enough = load.rounds_done + rounds
    wait_until(lambda: load.rounds_done >= enough, 60, "more is committed")


def make_anew(scene: Scene) -> None:
    spec = trigger("counted", "counter", scene.endpoint.url, retry_conf=PATIENT)
    apply(scene.database, spec)


def check(scene: Scene, matrix: Matrix, words: str) -> None:
    verdict = scene.verdict()
    matrix.add(GROUP, words, scene.mode, verdict)
    verdict.check(duplicates=2 * UNRECORDED)


def test_a_publication_that_is_dropped_while_a_stream_runs_loses_nothing(
    database: Database, matrix: Matrix
) -> None:
    load = Load(database, 6_000, per_second=1_000)
    with Scene(database, Mode(), load) as scene, load:
        scene.arrive()
        database.execute(DROP)
        write_more(load)
        assert scene.stream.wait() == 1
        assert "publication" in scene.stream.log
        with scene.stream.start(wait=False) as again:
            assert again.wait() == 1
            assert "run `cdc-triggers apply`" in again.log
        make_anew(scene)
        scene.stream.start()
        assert "publication cdc_triggers was altered, or made anew" in scene.stream.log
        scene.settle()
    check(scene, matrix, "publication dropped while it streams, made anew by apply")


def test_what_commits_while_a_stream_is_down_and_there_is_no_publication_is_sent(
    database: Database, matrix: Matrix
) -> None:
    load = Load(database, 4_000, per_second=1_000)
    with Scene(database, Mode(), load) as scene, load:
        scene.arrive()
        scene.stream.kill()
        database.execute(DROP)
        write_more(load)
        make_anew(scene)
        write_more(load)
        scene.stream.start()
        scene.settle()
    check(scene, matrix, "publication dropped while no stream runs, made anew by apply")


def test_what_commits_while_the_log_is_out_of_the_publication_is_sent(
    database: Database, matrix: Matrix
) -> None:
    load = Load(database, 6_000, per_second=1_000)
    with Scene(database, Mode(), load) as scene, load:
        scene.arrive()
        database.execute(TAKE_OUT)
        database.execute("INSERT INTO counter VALUES (-1, 1, 'nobody publishes this')")
        database.execute(PUT_BACK)
        wait_until(lambda: "slot.recovered" in scene.stream.log, 60, "it is noticed")
        scene.settle()
    check(scene, matrix, "log taken out of the publication, and put back")
