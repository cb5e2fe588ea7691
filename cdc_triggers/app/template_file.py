"""What does `init` write? A trigger file that is valid, empty, and explains every key."""

from __future__ import annotations

from importlib.resources import files

NAME = "triggers.yaml"


def text() -> str:
    """The commented file, as it is written."""
    return files("cdc_triggers.app").joinpath("triggers.example.yaml").read_text(encoding="utf-8")
