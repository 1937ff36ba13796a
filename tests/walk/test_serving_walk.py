"""A deployment as people live it: asked for in Slack, carried out by the crew of the demo, with stand-ins for vLLM."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from bot_stage import cards, text_of
from conftest import RULES
from endpoint_site import until
from served_world import LISTED, SERVED
from serving_site import ROOT, STANDIN, weights

from bot.demo import running_demo
from policies.catalogue import FILE
from policies.decide import FILES

pytestmark = [pytest.mark.services, pytest.mark.models]
PICTURES = Path(os.environ.get("QM_PICTURES", "/tmp/quartermaster-pictures"))
CASE = '{"id": "answers", "prompt": "hi", "checks": [{"lacks": "never"}, {"within_ms": 60000}]}'
WRONG = '{"id": "greets", "prompt": "hi", "checks": [{"contains": "Good morning"}]}'


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home whose rules serve a model, with cases for it."""
    folder = tmp_path / "home" / "policies"
    (folder / "evaluations").mkdir(parents=True)
    for name in FILES:
        (folder / name).write_bytes((RULES / name).read_bytes())
    (folder / FILE).write_text((RULES / FILE).read_text().replace(LISTED, "") + SERVED)
    (folder / "evaluations" / "fraud-detector.jsonl").write_text(CASE)
    monkeypatch.setenv("QM_VLLM_COMMAND", STANDIN)
    return tmp_path / "home"


def add(home, version):
    folder = weights(home.parent / "exports" / version, version)
    command = [
        sys.executable,
        "-m",
        "bot.cli",
        "models",
        "add",
        "fraud-detector",
        version,
        str(folder),
        "--dir",
        str(home),
    ]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True)


def deploy(person, words):
    """Ask, confirm what is read back, and return the card as it is over."""
    ts = person.say("deployments", f"@quartermaster {words}")

    def latest(what):
        found = [m for m in cards(person, "deployments", what) if m["ts"] > ts]
        return found[-1] if found else None

    person.click(person.wait(lambda: latest("qm_confirm")), "Confirm")
    return text_of(person.wait(lambda: latest("Done") or latest("the approval is used up"), 60))


def test_a_version_is_asked_for_evaluated_and_answers_and_one_that_fails_says_why(home):
    with running_demo(home) as server:
        for version in ("3.2.0", "3.2.1"):
            add(home, version)
        mira = server.person("U01MIRA")
        said = deploy(mira, "deploy fraud-detector 3.2.0 to dev")
        assert "fraud-detector 3.2.0 answers in dev." in said
        picture(server, "deployed")
        (home / "policies" / "evaluations" / "fraud-detector.jsonl").write_text(f"{CASE}\n{WRONG}")
        said = deploy(mira, "deploy fraud-detector 3.2.1 to dev")
        assert "1 of 2 cases of its evaluation failed. (1) greets: " in said
        picture(server, "not-passed")
    until(lambda: not running(home))


def running(home):
    from workers.serving.servers import Servers, noted

    return [server for server in noted(home / "models") if Servers(home / "models", ()).runs(server)]


def picture(server, name):
    """Leave a picture to be looked at, where there is a browser and somebody asked for one."""
    if "QM_PICTURES" not in os.environ:
        return
    from playwright.sync_api import sync_playwright

    PICTURES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 1300})
        page.goto(server.url)
        page.get_by_role("button", name="deployments").first.click()
        page.wait_for_timeout(1500)
        page.screenshot(path=PICTURES / f"{name}.png")
        browser.close()
