"""The methods `files.*`, in the order they are called: ask for an address, upload to it, share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from bot.workspace import posting, shapes
from bot.workspace.chat_methods import target
from bot.workspace.errors import SlackError
from bot.workspace.idents import new_id
from bot.workspace.model import StoredFile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bot.workspace.core import Core
    from bot.workspace.model import Json

LARGEST: Final = 64 * 1024 * 1024
_UNSAFE: Final = re.compile(r"[^\w.\- ()]")


def _announce(core: Core, arguments: Json) -> Json:
    name, length = str(arguments.get("filename") or ""), str(arguments.get("length") or "")
    if not name:
        raise SlackError("missing_argument")
    if not length.isdecimal() or not 0 < int(length) <= LARGEST:
        raise SlackError("invalid_arguments")
    file = StoredFile(
        id=new_id("F"),
        name=_UNSAFE.sub("_", name),
        size=int(length),
        user=core.bot,
        created=int(core.state.clock()),
    )
    core.state.keep_file(file)
    return {"upload_url": f"{core.base_url}/upload/v1/{file.id}", "file_id": file.id}


def uploaded(core: Core, file_id: str, content: bytes) -> None:
    """The bytes of a file that was announced are kept.

    Raises:
        SlackError: nobody announced it, it was uploaded before, or it has another size.
    """
    file = core.state.files.get(file_id)
    if file is None or file.uploaded:
        raise SlackError("file_not_found")
    if len(content) != file.size:
        raise SlackError("file_upload_size_mismatch")
    core.state.store.put_bytes(file_id, content)
    file.uploaded = True
    core.state.keep_file(file)


def _complete(core: Core, arguments: Json) -> Json:
    files = _named(core, arguments)
    channels = arguments.get("channel_id") or arguments.get("channels") or ""
    rooms = [target(core, {"channel": each.strip()}) for each in str(channels).split(",") if each.strip()]
    for room in rooms:
        said = {"text": arguments.get("initial_comment"), "thread_ts": arguments.get("thread_ts")}
        for file in files:
            file.channels.append(room.id)
            core.state.keep_file(file)
        posting.from_app(core, room, said, files=tuple(file.id for file in files))
    return {"files": [shapes.file(core, file) for file in files]}


def _named(core: Core, arguments: Json) -> list[StoredFile]:
    given = arguments.get("files")
    if not isinstance(given, list) or not given or not all(isinstance(each, dict) for each in given):
        raise SlackError("invalid_arguments")
    files = []
    for each in given:
        file = core.state.files.get(str(each.get("id")))
        if file is None or not file.uploaded:
            raise SlackError("file_not_found")
        file.title = str(each.get("title") or "")
        files.append(file)
    return files


def _info(core: Core, arguments: Json) -> Json:
    file = core.state.files.get(str(arguments.get("file") or ""))
    if file is None or not file.uploaded:
        raise SlackError("file_not_found")
    paging = {"count": 0, "total": 0, "page": 1, "pages": 0}
    return {"file": shapes.file(core, file), "comments": [], "paging": paging}


FILES: Final[Mapping[str, Callable[[Core, Json], Json]]] = {
    "files.getUploadURLExternal": _announce,
    "files.completeUploadExternal": _complete,
    "files.info": _info,
}
