"""The whole house on real backends: the demo's people in the local workspace, with a catalogue that names the backend."""

from __future__ import annotations

import json
import re
import shutil
from contextlib import contextmanager
from pathlib import Path

from bot.demo import running_demo
from bot.workspace.errors import PersonError

RULES = Path(__file__).resolve().parents[2] / "policies"


def rules_with(home, *, replace=(), add="", rules=""):
    """Copy the shipped rules into the home, with texts of the catalogue replaced, and tables and rules added."""
    folder = home / "policies"
    folder.mkdir(parents=True)
    for name in ("model.conf", "policy.csv", "catalogue.toml"):
        shutil.copy(RULES / name, folder / name)
    text = (folder / "catalogue.toml").read_text()
    for before, after in replace:
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    (folder / "catalogue.toml").write_text(text + add)
    with (folder / "policy.csv").open("a") as file:
        file.write(rules)


@contextmanager
def desk_on(home):
    """The demo in `home`, as somebody uses it."""
    with running_demo(home) as server:
        yield Walk(server)


class Walk:
    """What people do and see, in one channel."""

    def __init__(self, server, room="gpu-requests"):
        self.server, self.room = server, room

    def person(self, slack):
        return self.server.person(slack)

    def newest(self, slack, channel, words, seconds=20):
        """The newest message in `channel` that holds `words`, once it is there."""
        person = self.person(slack)

        def find():
            return next((m for m in reversed(person.messages(channel)) if words in text_of(m)), None)

        return person.wait(find, seconds)

    def ask(self, slack, words):
        """Say it, confirm what is read back, and return the card's place and the request's number."""
        person = self.person(slack)
        ts = person.say(self.room, f"@quartermaster {words}")

        def read_back():
            return next((m for m in person.messages(self.room) if m["ts"] > ts and "qm_confirm" in text_of(m)), None)

        shown = person.wait(read_back, 20)
        person.click(shown, "qm_confirm")
        card = self.card(slack, shown["ts"], "REQ-")
        return shown["ts"], int(re.search(r"REQ-(\d+)", text_of(card)).group(1))

    def approve(self, slack, number):
        """Approve on the card that was sent to them."""
        person = self.person(slack)
        for _ in range(3):
            try:
                person.click(self.newest(slack, person.dm(), f"REQ-{number}"), "Approve")
            except PersonError:  # the card was drawn anew between the look and the click
                continue
            return
        raise AssertionError(f"{slack} could not approve REQ-{number}")

    def agree(self, slack, number):
        """Agree to a longer run on the card that was sent to them."""
        person = self.person(slack)
        card = self.newest(slack, person.dm(), "qm_extension_approve")
        assert f"REQ-{number}" in text_of(card)
        person.click(card, "qm_extension_approve")

    def card(self, slack, ts, words, seconds=30):
        """The message at `ts`, once it holds `words`."""
        person = self.person(slack)

        def find():
            return next((m for m in person.messages(self.room) if m["ts"] == ts and words in text_of(m)), None)

        return person.wait(find, seconds)

    def revoke(self, slack, number, reason):
        """Revoke in words, and say why in the modal."""
        person = self.person(slack)
        person.command(f"/qm revoke REQ-{number}")
        view = person.wait(person.modal)
        person.submit(view, {"reason": reason})


def text_of(message):
    return message["text"] + json.dumps(message.get("blocks") or [], ensure_ascii=False)
