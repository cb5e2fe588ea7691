"""`cdc-triggers import hasura DIR` as a person runs it: files, exit codes, what it says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from cdc_triggers.app import trigger_file

FIXTURES = Path(__file__).parents[1] / "hasura"
UNWANTED = ("PG", "CDC_TRIGGERS", "DATABASE_URL", "SHOP_")


@dataclass
class Folder:
    """A working folder with Hasura's project in it, and the command line there."""

    path: Path

    def cli(self, *args: str, exit_code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "cdc_triggers", "import", "hasura", *args],
            check=False,
            cwd=self.path,
            env={k: v for k, v in os.environ.items() if not k.startswith(UNWANTED)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == exit_code, done.stderr
        assert "Traceback" not in done.stderr
        return done


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    shutil.copytree(FIXTURES / "project", tmp_path, dirs_exist_ok=True)
    return Folder(tmp_path)


def test_it_writes_a_valid_file_once_and_says_what_differs(folder: Folder) -> None:
    done = folder.cli(".")
    names = [t.name for t in trigger_file.load([folder.path / "triggers.yaml"]).triggers]
    assert names == ["order_changed", "order_gone", "line_item"]
    assert done.stdout == ""
    said = done.stderr
    assert "3 triggers of source default, written to triggers.yaml" in said
    place = "metadata/databases/default/tables/public_orders.yaml:53"
    assert f"{place}: order_changed: `coming_soon` is not known here; see its comment" in said
    assert "not imported: 1 cron triggers" in said
    assert "the stream needs: ORDER_GONE_URL, SHOP_SECRET, SHOP_URL" in said
    before = (folder.path / "triggers.yaml").read_bytes()
    refused = folder.cli("metadata", exit_code=2)
    assert "triggers.yaml exists already" in refused.stderr
    assert "--force" in refused.stderr
    assert (folder.path / "triggers.yaml").read_bytes() == before
    folder.cli("metadata", "--force")


def test_the_file_may_go_to_stdout_and_the_report_be_json(folder: Folder) -> None:
    text = folder.cli("metadata", "-o", "-").stdout
    report = json.loads(folder.cli("metadata", "-o", "other.yaml", "--json").stdout)
    assert (folder.path / "other.yaml").read_text() == text
    assert (report["output"], report["source"]) == ("other.yaml", "default")
    assert report["environment"] == ["ORDER_GONE_URL", "SHOP_SECRET", "SHOP_URL"]
    first = report["triggers"][0]
    assert (first["trigger"], first["table"]) == ("order_changed", "public.orders")
    left = {each["key"] for each in first["not_carried_over"]}
    assert {"coming_soon", "retry_conf.tolerance_seconds"} <= left
    assert first["notes"] == ["header Content-Type is ignored: it is always application/json"]
    assert all(each.keys() == {"what", "instead"} for each in report["differences"])
    folder.cli("metadata", "-o", "-", "--json", exit_code=2)


def test_check_ends_with_exit_code_4_if_the_metadata_says_something_else(folder: Folder) -> None:
    folder.cli("metadata")
    same = folder.cli("metadata", "--check")
    assert (same.stdout, same.stderr) == ("", "triggers.yaml says what the metadata says\n")
    table = folder.path / "metadata/databases/default/tables/public_orders.yaml"
    table.write_text(table.read_text().replace("timeout_sec: 60", "timeout_sec: 61", 1))
    drift = folder.cli("metadata", "--check", exit_code=4)
    assert drift.stdout == (
        "~ order_changed: changed (retry_conf), "
        "metadata/databases/default/tables/public_orders.yaml:9\n"
    )
    document = json.loads(folder.cli("metadata", "--check", "--json", exit_code=4).stdout)
    assert document["drift"]
    assert [each["keys"] for each in document["changes"]] == [["retry_conf"]]
    folder.cli("metadata", "--check", "-o", "none.yaml", exit_code=2)


def test_bad_metadata_is_told_with_file_and_line_and_nothing_is_written(folder: Folder) -> None:
    table = folder.path / "metadata/databases/default/tables/public_orders.yaml"
    table.write_text(table.read_text().replace("name: order_gone", "name: 1st order"))
    done = folder.cli("metadata", exit_code=2)
    assert f"{table.relative_to(folder.path)}:56: trigger '1st order'" in done.stderr
    assert not (folder.path / "triggers.yaml").exists()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "either a metadata directory or --pending"),
        (("metadata", "--pending", "x"), "either a metadata directory or --pending"),
        (("--pending", "x", "--check"), "--check is for a metadata directory"),
        (("metadata", "--dry-run"), "--dry-run is for --pending"),
        (("metadata", "--source", "warehouse"), "of kind mssql"),
        (("metadata", "--source", "nope"), "default, reports, warehouse"),
        (("nowhere",), "nowhere does not exist"),
        (("metadata", "-o", "no/such/place.yaml"), "can not be written"),
    ],
)
def test_what_makes_no_sense_is_refused(folder: Folder, args: tuple[str, ...], said: str) -> None:
    done = folder.cli(*args, exit_code=2)
    assert said in done.stderr
    assert done.stderr.startswith("error: ")
