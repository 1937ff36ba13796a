"""`quartermaster doctor`: what is set and does not work, in words, before somebody asks in Slack why."""

from __future__ import annotations

import time
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape

from bot.errors import DeskError
from bot.intake.model.server import ModelServer, SilentError
from bot.settings import ReaderSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at, and what to do where it is not well."""

    what: str
    well: bool
    words: str


def examine(console: Console) -> int:
    """Print what was found, and return 1 when something is not well, else 0."""
    found = [reader(ReaderSettings())]
    for each in found:
        mark = "[green]well[/]" if each.well else "[red]not well[/]"
        console.print(f"{mark}  [bold]{each.what}[/]  {escape(each.words)}", soft_wrap=True)
    return 0 if all(each.well for each in found) else 1


def reader(settings: ReaderSettings) -> Finding:
    """Return whether the model that reads requests answers, lists itself, and how fast."""
    if not settings.on:
        return _reader(well=True, words="Off: the grammar reads alone. QM_READER_URL names a model to read along.")
    try:
        settings.check()
        with ModelServer(settings) as server:
            begun = time.monotonic()
            names = server.models()
            took = time.monotonic() - begun
    except SilentError as error:
        where = f"{settings.url} does not answer: {error.detail}."
        return _reader(well=False, words=f"{where} Until it does, the grammar reads alone.")
    except DeskError as error:
        return _reader(well=False, words=f"{error.detail}.")
    if settings.model not in names:
        listed = ", ".join(names) or "none"
        return _reader(well=False, words=f"{settings.url} lists no {settings.model}: {listed}. Set QM_READER_MODEL.")
    return _reader(well=True, words=f"{settings.model} answers at {settings.url}, in {took:.2f} s.")


def _reader(*, well: bool, words: str) -> Finding:
    return Finding(what="Reader", well=well, words=words)
