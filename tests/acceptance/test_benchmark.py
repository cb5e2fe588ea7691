"""The benchmark runs: its smallest row, on a PostgreSQL of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from support import servers

from bench import programs, results_file
from bench.errors import MissingError

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "bench", *arguments)
    return subprocess.run(
        command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=110
    )


def test_a_row_runs_to_its_end_and_is_kept_with_its_limit(tmp_path: Path) -> None:
    try:
        programs.postgres_bin()
    except MissingError as error:
        raise servers.missing(servers.MissingError(str(error))) from error
    kept = tmp_path / "kept.json"
    done = run("--scale", "tiny", "--rows", "2", "--json", str(kept))
    assert done.returncode == 0, done.stderr
    (row,) = results_file.read([kept])
    assert (row.number, row.skipped, row.scale) == (2, "", "tiny")
    assert [figure.peer for figure in row.figures] == ["pg_recvlogical"] * 2
    assert all(figure.value.low > 0 and figure.met is not None for figure in row.figures)
    assert "2. Decode and match" in done.stdout


def test_a_row_that_is_not_there_is_refused_before_anything_starts() -> None:
    done = run("--rows", "2,13")
    assert done.returncode == 2
    assert "no row 13: there are 1 to 12" in done.stderr
