"""What the tests in a real browser share: Chromium without a screen, whose pages reach only what is under test."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Route

T = TypeVar("T")
NAMES = ("chromium", "chromium-browser", "google-chrome")
# No GPU, no sandbox (which root can't have), and nothing asked of the network by the browser itself.
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SECONDS = 30.0
"""How long a page has for what is expected of it."""


@contextmanager
def chromium() -> Iterator["Browser"]:
    """A browser for a whole file of tests, which skip where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright: pip install playwright")
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip(f"needs a browser: none of {', '.join(NAMES)} is here (Debian: apt-get install chromium)")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


class Sheet:
    """A page that only reaches addresses that begin with `home`, and what it complained of or asked for beyond that."""

    def __init__(self, context: "BrowserContext", home: str) -> None:
        self.home = home
        self.complaints: list[str] = []
        self.page: Page = context.new_page()
        self.page.set_default_timeout(1000 * SECONDS)
        self.page.on("console", self._said)
        self.page.on("dialog", lambda dialog: self.complaints.append(f"a script says {dialog.message}"))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        context.route("**/*", self._asked)

    def _said(self, message: "ConsoleMessage") -> None:
        # Warnings are of TensorBoard's own parts, of which it uses some that are deprecated.
        if message.type == "error":
            self.complaints.append(f"{message.text} {message.location}")

    def _asked(self, route: "Route") -> None:
        if route.request.url.startswith((self.home, "data:", "blob:")):
            route.continue_()
        else:
            self.complaints.append(f"asked for {route.request.url}")
            route.abort()

    def eventually(self, look: Callable[[], T], enough: Callable[[T], bool]) -> T:
        """What `look` finds, once it is enough; what it found last, where it never is."""
        for _ in range(int(SECONDS / 0.05)):
            found = look()
            if enough(found):
                break
            self.page.wait_for_timeout(50)
        return found
