"""A person of the workspace for tests and walks: does what one can do on the page, over the page's own API."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from bot.workspace.blockkit import elements_of, options_of
from bot.workspace.errors import PersonError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from bot.workspace.model import Json

T = TypeVar("T")
_POLL_SECONDS: Final = 0.03
_HTTP_SECONDS: Final = 15.0
_SELECTED: Final = {
    "static_select": "selected_option",
    "radio_buttons": "selected_option",
    "overflow": "selected_option",
    "multi_static_select": "selected_options",
    "checkboxes": "selected_options",
    "users_select": "selected_user",
    "multi_users_select": "selected_users",
    "channels_select": "selected_channel",
    "conversations_select": "selected_conversation",
    "datepicker": "selected_date",
    "timepicker": "selected_time",
    "datetimepicker": "selected_date_time",
}


class PersonClient:
    """One person's hands and eyes.

    Args:
        base_url: `http://127.0.0.1:PORT`.
        token: the page's token.
        user_id: whom to act as.
    """

    def __init__(self, base_url: str, token: str, user_id: str) -> None:
        self._base_url = base_url
        self._token = token
        self.id = user_id
        # An environment's proxy is for the world outside; this never leaves the machine.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def _send(self, path: str, content: bytes | None = None) -> bytes:
        headers = {"X-Workspace-Token": self._token, "Content-Type": "application/json"}
        request = urllib.request.Request(self._base_url + path, content, headers)  # noqa: S310 - loopback, given by us
        try:
            with self._opener.open(request, timeout=_HTTP_SECONDS) as response:
                answer: bytes = response.read()
        except urllib.error.HTTPError as error:
            with error:
                raise PersonError(f"{error.code}: {error.read().decode()}") from error
        return answer

    def _get(self, path: str, **query: str) -> Json:
        body: Json = json.loads(self._send(f"{path}?{urllib.parse.urlencode({'as': self.id, **query})}"))
        return body

    def _post(self, path: str, **body: Any) -> Json:
        answer: Json = json.loads(self._send(path, json.dumps({"as": self.id, **body}).encode()))
        return answer

    def state(self) -> Json:
        """Return the person's conversations, with what is unread in each."""
        return self._get("/ui/state")

    def channel_id(self, channel: str) -> str:
        """Return the id of a conversation given by id, channel name or the name or id of whom one talks to.

        Raises:
            PersonError: the person is in no such conversation.
        """
        state = self.state()
        wanted = channel.removeprefix("#")
        for room in (*state["channels"], *state["dms"]):
            if wanted in (room["id"], room["name"], room.get("with")):
                return str(room["id"])
        raise PersonError(f"{self.id} is in no conversation {channel}")

    def dm(self) -> str:
        """Return the id of the direct conversation with the app."""
        return next(str(room["id"]) for room in self.state()["dms"] if room["is_app"])

    def say(self, channel: str, text: str, thread: str | None = None) -> str:
        """Say `text` in a channel or thread, and return its time stamp."""
        answer = self._post("/ui/say", channel=self.channel_id(channel), text=text, thread_ts=thread)
        return str(answer["ts"])

    def command(self, text: str, channel: str | None = None) -> None:
        """The app has acknowledged a slash command, given in `channel` or else in its direct messages.

        Raises:
            PersonError: it did not, or there is no such command.
        """
        room = self.channel_id(channel) if channel else self.dm()
        _must(self._post("/ui/command", channel=room, text=text))

    def click(self, where: Json, button: str, values: Json | None = None) -> None:
        """The app has acknowledged a click.

        Args:
            where: a message or a view, as it was last seen.
            button: its label or action_id.
            values: what was filled in beside it, as in `state.values`.

        Raises:
            PersonError: there is no such button, or the app did not acknowledge.
        """
        block, element = _find(where, button, "button")
        place = _place(where, block, element)
        _must(self._post("/ui/act", **place, values=values or {}))

    def select(self, where: Json, action_id: str, value: Any) -> None:
        """The app has acknowledged a choice.

        Args:
            value: an option's value or text; for pickers the date, time, user or moment itself.

        Raises:
            PersonError: there is no such menu or option, or the app did not acknowledge.
        """
        block, element = _find(where, action_id)
        chosen = filled(element, value)
        place = _place(where, block, element)
        state = {block["block_id"]: {element["action_id"]: chosen}}
        _must(
            self._post("/ui/act", **place, **{key: each for key, each in chosen.items() if key != "type"}, values=state)
        )

    def submit(self, view: Json, values: Mapping[str, Any] | None = None) -> dict[str, str]:
        """Submit a modal and return its errors by block id; none when it was taken.

        Args:
            values: by block id, action id or label of the input; what is left out stays as it was shown.

        Raises:
            PersonError: there is no such input, or the app did not acknowledge.
        """
        state: Json = {}
        for name, value in (values or {}).items():
            block = _input(view, name)
            element = block["element"]
            state[block["block_id"]] = {element["action_id"]: filled(element, value)}
        answer = self._post("/ui/submit", view_id=view["id"], values=state)
        if "errors" not in answer:
            _must(answer)
        return dict(answer.get("errors", {}))

    def close(self, view: Json) -> None:
        """The modal is closed without submitting."""
        _must(self._post("/ui/close", view_id=view["id"]))

    def read(self, channel: str) -> None:
        """Everything in the conversation is read."""
        self._post("/ui/read", channel=self.channel_id(channel))

    def messages(self, channel: str, thread: str | None = None) -> list[Json]:
        """Return what the person sees in a conversation, or in one thread of it, oldest first."""
        query = {"thread": thread} if thread else {}
        found: list[Json] = self._get("/ui/messages", channel=self.channel_id(channel), **query)["messages"]
        return found

    def home(self) -> Json | None:
        """Open App Home and return what it shows now; the app may publish it anew at once."""
        view: Json | None = self._get("/ui/home")["view"]
        return view

    def home_again(self) -> Json | None:
        """Return what App Home shows, without opening it again."""
        view: Json | None = self._get("/ui/home", quiet="1")["view"]
        return view

    def modal(self) -> Json | None:
        """Return the modal on the person's screen, or None."""
        view: Json | None = self._get("/ui/modal")["view"]
        return view

    def files(self, channel: str, thread: str | None = None) -> list[Json]:
        """Return the files shared in a conversation or thread, oldest first."""
        return [file for message in self.messages(channel, thread) for file in message["files"]]

    def download(self, file: Json) -> bytes:
        """Return the bytes of a file that the person can see."""
        return self._send(f"{file['url']}?{urllib.parse.urlencode({'as': self.id})}")

    def wait(self, predicate: Callable[[], T | None], timeout: float = 10.0) -> T:
        """Return what `predicate` returns once that is true.

        Raises:
            PersonError: it was not, for `timeout` seconds.
        """
        until = time.monotonic() + timeout
        while not (found := predicate()):
            if time.monotonic() > until:
                raise PersonError(f"{self.id} waited {timeout:g} seconds in vain")
            time.sleep(_POLL_SECONDS)
        return found


def _must(answer: Json) -> None:
    if not answer.get("ok"):
        raise PersonError(str(answer.get("error")))


def _place(where: Json, block: Json, element: Json) -> Json:
    """Return where a click or choice happens, as the page says it: a view has an id, a message a channel and ts."""
    place = {"view_id": where["id"]} if "id" in where else {"channel": where["channel"], "ts": where["ts"]}
    return place | {"block_id": block["block_id"], "action_id": element["action_id"]}


def _every(where: Json) -> Iterator[tuple[Json, Json]]:
    for block in where["blocks"]:
        for element in elements_of(block):
            if "action_id" in element:
                yield block, element


def _find(where: Json, name: str, kind: str = "") -> tuple[Json, Json]:
    offered = []
    for block, element in _every(where):
        label = element.get("text", {}).get("text", "")
        if name in (element["action_id"], label) and kind in ("", element["type"]):
            return block, element
        offered.append(label or element["action_id"])
    raise PersonError(f"there is no {name!r}; there are {offered}")


def _input(view: Json, name: str) -> Json:
    inputs = [block for block in view["blocks"] if block["type"] == "input"]
    for block in inputs:
        if name in (block["block_id"], block["label"]["text"], block["element"]["action_id"]):
            found: Json = block
            return found
    raise PersonError(f"there is no {name!r}; there are {[block['label']['text'] for block in inputs]}")


def filled(element: Json, value: Any) -> Json:
    """Return the state of an input after a person put `value` into it."""
    key = _SELECTED.get(element["type"], "value")
    if key == "selected_option":
        return {"type": element["type"], key: _option(element, value)}
    if key == "selected_options":
        return {"type": element["type"], key: [_option(element, each) for each in value]}
    if isinstance(value, datetime):
        return {"type": element["type"], key: int(value.timestamp())}
    return {"type": element["type"], key: value}


def _option(element: Json, value: str) -> Json:
    options = options_of(element)
    for option in options:
        if value in (option["value"], option["text"]["text"]):
            return option
    raise PersonError(f"there is no option {value!r}; there are {[option['value'] for option in options]}")
