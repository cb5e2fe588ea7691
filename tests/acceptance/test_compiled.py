"""The compiled package is the one that the tests run, and says so; compiling fails in words."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cdc_triggers.compiled import compiled

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif("COMPILED" not in os.environ, reason="only `make test` compiles")
def test_what_make_test_has_compiled_is_what_runs() -> None:
    folder = Path(os.environ["COMPILED"])
    if not list(folder.glob("*.so")) and "CI" not in os.environ:
        pytest.skip("there is no C compiler here, or no headers of Python")
    assert compiled()
    said = _python("-m", "cdc_triggers", "--version")
    assert said.stdout.endswith("(compiled)\n")


def test_without_a_compiler_the_build_says_what_is_missing_and_what_to_do(tmp_path: Path) -> None:
    pip = ("-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index")
    done = _python(*pip, "--wheel-dir", tmp_path, ROOT, CDC_TRIGGERS_COMPILE="1", PATH="/nowhere")
    assert done.returncode
    assert "CDC_TRIGGERS_COMPILE is set, but the C compiler" in done.stderr
    assert "Without the variable a wheel of pure Python is made" in done.stderr
    assert not list(tmp_path.iterdir())


def _python(*arguments: object, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
        env={**os.environ, **environ},
    )
