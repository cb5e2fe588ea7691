from __future__ import annotations

import os
from pathlib import Path

import pytest

from cdc_triggers import settings


@pytest.mark.parametrize(
    ("option", "environ", "expected"),
    [
        ("host=a", {"CDC_TRIGGERS_DSN": "host=b", "DATABASE_URL": "host=c"}, "host=a"),
        (None, {"CDC_TRIGGERS_DSN": "host=b", "DATABASE_URL": "host=c"}, "host=b"),
        (None, {"DATABASE_URL": "host=c"}, "host=c"),
        (None, {"PGHOST": "d"}, ""),
        ("", {"CDC_TRIGGERS_DSN": "", "DATABASE_URL": "host=c"}, "host=c"),
    ],
)
def test_the_nearest_dsn_wins(option: str | None, environ: dict[str, str], expected: str) -> None:
    assert settings.resolve(environ, dsn=option).dsn == expected


@pytest.mark.parametrize(
    ("options", "variable", "expected"),
    [
        (["a.yaml", "b"], "c.yaml", ["a.yaml", "b"]),
        ([], f"c.yaml{os.pathsep}d", ["c.yaml", "d"]),
        ([], "", ["triggers.yaml"]),
        ([], os.pathsep, ["triggers.yaml"]),
    ],
)
def test_the_nearest_config_wins(options: list[str], variable: str, expected: list[str]) -> None:
    found = settings.resolve({"CDC_TRIGGERS_CONFIG": variable}, config=[Path(o) for o in options])
    assert found.config_paths == tuple(map(Path, expected))


def test_the_environment_is_read_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDC_TRIGGERS_DSN", "host=now")
    monkeypatch.setenv("CDC_TRIGGERS_CONFIG", "now.yaml")
    assert settings.dsn() == "host=now"
    assert settings.config_paths() == (Path("now.yaml"),)
    assert settings.environment()["CDC_TRIGGERS_DSN"] == "host=now"
    assert settings.dsn("host=option") == "host=option"
