"""Command lines that are shown beside what a page does."""

from __future__ import annotations

import shlex


def line(*words: str, **options: str) -> str:
    """`cdc-triggers` with these words, and those options that have a value."""
    parts = ["cdc-triggers", *words]
    for name, value in options.items():
        if value:
            parts += [f"--{name.replace('_', '-')}", value]
    return shlex.join(parts)
