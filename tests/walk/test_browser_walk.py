"""The walk in a real Chromium, as a newcomer clicks it; leaves screenshots to be looked at."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from bot.demo import running_demo

pytestmark = [pytest.mark.services, pytest.mark.browser]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PICTURES = Path(os.environ.get("QM_PICTURES", "/tmp/quartermaster-pictures"))


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    if CHROMIUM is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs chromium: apt-get install chromium")
        pytest.skip("no chromium on PATH: apt-get install chromium")
    PICTURES.mkdir(parents=True, exist_ok=True)
    home = tmp_path_factory.mktemp("home")
    with running_demo(home) as server, sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        opened = browser.new_page(viewport={"width": 1440, "height": 1200})
        opened.set_default_timeout(15_000)
        faults = []
        opened.on("pageerror", lambda error: faults.append(str(error)))
        opened.goto(server.url)
        yield opened
        assert faults == []
        browser.close()


def act_as(page, name):
    page.get_by_role("button", name=re.compile(rf"\b{name}\b")).first.click()


def go(page, place):
    page.get_by_role("button", name=re.compile(place)).first.click()


def say(page, words):
    box = page.get_by_placeholder("Message").first
    box.fill(words)
    box.press("Escape")
    box.press("Enter")


def test_the_walk_in_a_browser(page):
    act_as(page, "Mira")
    go(page, "gpu-requests")
    say(page, "@quartermaster 4 h100 for 3 hours so I can retrain churn")
    expect(page.get_by_text("Is this what you mean?")).to_be_visible()
    page.screenshot(path=PICTURES / "1-read-back.png")
    page.get_by_role("button", name="Confirm").last.click()
    expect(page.get_by_text("Waiting for approval").first).to_be_visible()
    act_as(page, "Ines")
    go(page, "Quartermaster")
    expect(page.get_by_text("Needs your decision")).to_be_visible()
    page.screenshot(path=PICTURES / "2-decision.png")
    page.get_by_role("button", name="Approve", exact=True).last.click()
    act_as(page, "Mira")
    go(page, "gpu-requests")
    expect(page.get_by_text("Running until").first).to_be_visible()
    page.screenshot(path=PICTURES / "3-running.png")
    page.get_by_role("button", name="Release").last.click()
    expect(page.get_by_text("Released by Mira").first).to_be_visible()


def test_on_a_phone_nothing_scrolls_sideways(page):
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.screenshot(path=PICTURES / "4-phone.png")
