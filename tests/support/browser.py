"""Debian's chromium, driven by Playwright: pages as a person sees them."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from support.servers import MissingError, missing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

SCREENS = Path(__file__).parents[2] / ".make" / "screens"
"""Where pictures are left for people to look at."""

WIDE = {"width": 1280, "height": 800}
PHONE = {"width": 360, "height": 740}
PHONES = (360, 390)
LOOKS = {"light": (WIDE, "light"), "dark": (WIDE, "dark"), "phone": (PHONE, "light")}

_SIDEWAYS = """
[document.documentElement, document.body, ...document.querySelectorAll("table, .scroll")]
  .filter(each => each.scrollWidth > each.clientWidth)
  .map(each => `${each.tagName} ${each.className}: ${each.scrollWidth} > ${each.clientWidth}`)
"""
_CUT = """
[...document.querySelectorAll(".panel .scroll :is(button, .button)")].filter(each => {
  const edge = each.closest(".panel").getBoundingClientRect(), own = each.getBoundingClientRect();
  return own.width && (own.right > edge.right + 1 || own.left < edge.left - 1);
}).map(each => each.textContent)
"""
_SERIOUS = frozenset({"serious", "critical"})


@dataclass
class Screen:
    """A browser at the console of one process; `said` is what its pages complained about."""

    browser: Browser
    base: str
    said: list[str] = field(default_factory=list)

    def page(self, look: str = "light", **options: Any) -> Page:
        """A window of its own, with cookies of its own."""
        size, colours = LOOKS[look]
        context = self.browser.new_context(
            base_url=self.base,
            viewport=size,  # type: ignore[arg-type]
            color_scheme=colours,  # type: ignore[arg-type]
            **options,
        )
        context.set_default_timeout(15_000)
        page = context.new_page()
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("console", lambda each: self._note(each.type, each.text))
        return page

    def _note(self, kind: str, text: str) -> None:
        if kind == "error":
            self.said.append(text)

    def picture(self, page: Page, name: str) -> None:
        """Leave a picture of the page in each look; what scrolls sideways on a phone is a fault."""
        SCREENS.mkdir(parents=True, exist_ok=True)
        for look, (size, colours) in LOOKS.items():
            page.set_viewport_size(size)  # type: ignore[arg-type]
            page.emulate_media(color_scheme=colours)  # type: ignore[arg-type]
            page.screenshot(path=SCREENS / f"{name}-{look}.png", full_page=True)
            over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert over <= 0, f"{name} is {over} px too wide in {look}"
            assert page.evaluate(_CUT) == [], f"buttons of {name} are cut off in {look}"
        for width in PHONES:
            page.set_viewport_size({"width": width, "height": 740})
            assert page.evaluate(_SIDEWAYS) == [], f"{name} at {width} px"
        page.set_viewport_size(WIDE)  # type: ignore[arg-type]

    def faults(self, page: Page) -> list[str]:
        """What axe-core calls serious; in the dark only the contrast is another one."""
        found = []
        for look, (size, colours) in LOOKS.items():
            page.set_viewport_size(size)  # type: ignore[arg-type]
            page.emulate_media(color_scheme=colours)  # type: ignore[arg-type]
            options = {"runOnly": ["color-contrast"]} if look == "dark" else {}
            for each in Axe().run(page, options=options).response["violations"]:
                if each["impact"] in _SERIOUS:
                    places = [node["html"][:160] for node in each["nodes"][:3]]
                    found.append(f"{look}: {each['id']}: {each['help']}: {places}")
        page.set_viewport_size(WIDE)  # type: ignore[arg-type]
        return found


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window; skips the test where there is none."""
    program = shutil.which("chromium")
    if program is None:
        raise missing(MissingError("there is no browser: install chromium"))
    with sync_playwright() as playwright:
        # Its sandbox does not start for root; it is shown nothing but our own pages.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()
