"""The pages of the documentation, and the tables in them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


REFERENCE = ROOT / "docs" / "reference"


PAGES = sorted(
    path
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("bench/*.md"))
    if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
)


def sections(page: Path, marks: str) -> dict[str, str]:
    """Heading text (without backticks) to what stands below it."""
    parts = re.split(rf"^{marks} (.+)$", page.read_text("utf-8"), flags=re.MULTILINE)
    bodies = (re.split(r"^#{1,3} ", body, flags=re.MULTILINE)[0] for body in parts[2::2])
    return dict(zip((head.strip("`") for head in parts[1::2]), bodies, strict=True))


def first_cells(section: str) -> set[str]:
    """What stands in backticks in the first cells of its tables."""
    rows = re.findall(r"^\| *((?:`[^`]+`,? *)+)\|", section, flags=re.MULTILINE)
    return {text for row in rows for text in re.findall(r"`([^`]+)`", row)}
