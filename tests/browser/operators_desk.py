"""One logged-in browser page, and what every page of the desk must hold."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import ConsoleMessage, Page

# Fields that a screen reader could only call "edit": no label, no name of their own.
_NAMELESS_FIELDS = """() => [...document.querySelectorAll('input, select, textarea, button')]
    .filter(one => one.type !== 'hidden' && one.checkVisibility())
    .filter(one => !(one.labels?.length || one.ariaLabel || one.title || one.textContent.trim()
        || one.getAttribute('aria-labelledby') || one.placeholder
        || one.value && one.type === 'submit'))
    .map(one => one.outerHTML.slice(0, 120))"""
_TOO_WIDE = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
_LIGHT_OF_GROUND = """() => {
    const probe = document.createElement('canvas').getContext('2d');
    for (let one = document.querySelector('#main, main, body'); one; one = one.parentElement) {
        const colour = getComputedStyle(one).backgroundColor;
        if (colour === 'rgba(0, 0, 0, 0)' || colour === 'transparent') continue;
        probe.fillStyle = colour;
        probe.fillRect(0, 0, 1, 1);
        const [red, green, blue] = probe.getImageData(0, 0, 1, 1).data;
        return (red + green + blue) / 765;
    }
    return 1;
}"""


class OperatorsDesk:
    """A page in front of the station; `page` is Playwright's. Pictures are numbered by the run."""

    def __init__(self, page: Page, *, pictures: Path) -> None:
        self.page = page
        self._pictures = pictures
        self.complaints: list[str] = []
        page.on("console", self._keep_complaint)
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))

    def _keep_complaint(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(f"{self.page.url}: {message.text}")

    def log_in(self, name: str, password: str) -> None:
        self.page.goto("/admin/login/?next=/admin/")
        self.page.fill("[name=username]", name)
        self.page.fill("[name=password]", password)
        self.page.keyboard.press("Enter")
        # Not the address of the form, which names this one as the next.
        self.page.wait_for_url(re.compile(r"^[^?]*/admin/$"))

    def picture(self, name: str) -> None:
        number = len(list(self._pictures.iterdir())) + 1
        self.page.screenshot(path=self._pictures / f"{number:02}-{name}.png", full_page=True)

    def figure(self, selector: str) -> int:
        """A number on the page, with its thousands separators."""
        return int(self.page.inner_text(selector).replace(",", ""))

    def nameless_fields(self) -> list[str]:
        return list(self.page.evaluate(_NAMELESS_FIELDS))

    def pixels_too_wide(self) -> int:
        """How far the page reaches over the right edge of the window."""
        return int(self.page.evaluate(_TOO_WIDE))

    def light_of_ground(self) -> float:
        """How light the page's ground is: 0 black, 1 white."""
        return float(self.page.evaluate(_LIGHT_OF_GROUND))
