"""The built wheel works on its own, away from the checkout."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.streaming import Endpoint
from support.waiting import wait_until

if TYPE_CHECKING:
    from support.databases import Database

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Installed:
    """A wheel and the folder that it was unpacked to, as pip does it."""

    wheel: Path
    target: Path

    def command(self, *args: str) -> list[str]:
        """Run the script that the wheel brings, with this Python."""
        return [sys.executable, str(self.target / "bin" / "cdc-triggers"), *args]

    def environ(self, **more: str) -> dict[str, str]:
        unwanted = ("PG", "CDC_TRIGGERS", "DATABASE_URL", "PYTHON")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(unwanted)}
        return {**kept, "PYTHONPATH": str(self.target), **more}

    def run(self, folder: Path, *args: str, **environ: str) -> str:
        """Run it there and expect success; all that it said."""
        done = subprocess.run(
            self.command(*args),
            check=False,
            cwd=folder,
            env=self.environ(**environ),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Build and install without the network: what it depends on is here already."""
    folder = tmp_path_factory.mktemp("wheel")
    build = ["-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    _python(*build)
    [wheel] = folder.glob("*.whl")
    target = folder / "site"
    _python("-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(target), wheel)
    return Installed(wheel, target)


def _python(*args: object) -> None:
    done = subprocess.run(
        [sys.executable, *map(str, args)], check=False, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_wheel_has_the_sql_the_example_and_the_marker_of_its_types(
    installed: Installed,
) -> None:
    with zipfile.ZipFile(installed.wheel) as archive:
        names = set(archive.namelist())
    sql = {str(path.relative_to(ROOT)) for path in (ROOT / "sql").rglob("*.sql")}
    assert sql
    assert {f"cdc_triggers/{name}" for name in sql} <= names
    console = ROOT / "cdc_triggers" / "console"
    pages = {str(path.relative_to(ROOT)) for path in console.glob("[ts]*/*.*")}
    assert pages
    assert pages <= names
    assert "cdc_triggers/py.typed" in names
    assert any(name.endswith("triggers.example.yaml") for name in names)
    assert not [name for name in names if name.startswith(("tests", "bench", "docs"))]


def test_what_runs_is_the_wheel_and_not_the_checkout(installed: Installed, tmp_path: Path) -> None:
    code = "import cdc_triggers; print(cdc_triggers.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        cwd=tmp_path,
        env=installed.environ(),
        capture_output=True,
        text=True,
    )
    assert Path(found.stdout.strip()).is_relative_to(installed.target)


def test_a_user_of_the_wheel_gets_from_init_to_a_delivered_event(
    installed: Installed, database: Database, tmp_path: Path
) -> None:
    version = installed.run(tmp_path, "--version")
    assert re.fullmatch(r"cdc-triggers \d+\.\d+\.\d+\s*", version)
    installed.run(tmp_path, "init")
    assert (tmp_path / "triggers.yaml").read_text().startswith("#")
    database.execute("CREATE TABLE orders (id int PRIMARY KEY)")
    slot = ("--slot", database.slot, "--dsn", database.dsn)
    with Endpoint() as endpoint:
        (tmp_path / "triggers.yaml").write_text(
            "version: 1\ntriggers: [{name: made, table: orders, insert: {columns: '*'}, "
            'webhook: "{{SHOP_URL}}/"}]\n'
        )
        url = {"SHOP_URL": endpoint.url}
        assert "1 added" in installed.run(tmp_path, "apply", "--yes", *slot, **url)
        with subprocess.Popen(
            installed.command("stream", *slot),
            cwd=tmp_path,
            env=installed.environ(**url),
            stderr=subprocess.PIPE,
        ) as stream:
            try:
                database.execute("INSERT INTO orders VALUES (1)")
                wait_until(lambda: endpoint.bodies, what="the event arrives")
                stream.send_signal(signal.SIGTERM)
                assert stream.wait(30) == 0
            finally:
                stream.kill()
    assert endpoint.bodies[0]["event"]["data"]["new"] == {"id": 1}
