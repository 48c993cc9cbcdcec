"""axe-core finds no violation on the pages, light and dark, on a desktop and on a phone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.support.browser import Chromium
from tests.support.serve_process import ServeProcess

pytestmark = pytest.mark.timeout(240)

# The address of each page. A page is added by one line.
PAGES: Mapping[str, Callable[[ServeProcess], str]] = {
    "live": lambda server: f"{server.url}/live",
    "tap": lambda server: f"{server.url}/tap",
    "teach": lambda server: f"{server.url}/teach",
    "operate": lambda server: f"{server.operator_url}/operate",
}
_LOOKS: Mapping[str, Mapping[str, Any]] = {
    "desktop, light": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"},
    "phone, dark": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"},
}


def violations(page: Page) -> list[str]:
    """What axe-core finds: the rule, and the elements that break it."""
    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {[node['html'] for node in each['nodes']]}" for each in found]


@pytest.mark.parametrize("look", _LOOKS)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_no_violation(server: ServeProcess, chromium: Chromium, name: str, look: str) -> None:
    opened = chromium.open(PAGES[name](server), **_LOOKS[look])
    expect(opened.page.get_by_role("heading", level=1)).to_be_visible()
    assert violations(opened.page) == []
    width = opened.page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert width == 0, f"expected a page that fits, got {width} pixels more"


@pytest.mark.parametrize("look", _LOOKS)
def test_a_running_participant_has_no_violation(
    server: ServeProcess, chromium: Chromium, smile_camera: Path, look: str
) -> None:
    opened = chromium.open(PAGES["live"](server), smile_camera, **_LOOKS[look])
    opened.page.get_by_role("button", name="Start the camera").click()
    opened.page.get_by_label("Smile", exact=True).check()
    opened.page.get_by_label("Wave", exact=True).check()
    expect(opened.page.locator(".gif img")).to_be_visible()
    assert violations(opened.page) == []


def test_a_problem_has_no_violation(server: ServeProcess, chromium: Chromium) -> None:
    opened = chromium.open(
        PAGES["live"](server),
        script="MediaDevices.prototype.getUserMedia = async () => { throw new DOMException('', 'NotAllowedError'); }",
    )
    opened.page.get_by_role("button", name="Start the camera").click()
    expect(opened.page.get_by_role("alert")).to_be_visible()
    assert violations(opened.page) == []
