"""A version that left its profile, or lost an adapter: what was expected and seen, and what to do; closed when it is well."""

from __future__ import annotations

from bot.blocks.parts import Message, actions, button, context, section
from bot.blocks.words import code, shown
from ledger.streams.model import SERVERS, Drifted, Recovered, Routing

ROLL_BACK = "qm_roll_back"
_SAMPLED = "The last five minutes, by the servers' own figures"
_WORDS = {
    "first_token_p95_ms": ("The first token takes", "ms", 1),
    "between_tokens_p95_us": ("From one token to the next it takes", "ms", 1000),
    "refused_permille": ("Refused are", "% of its calls", 10),
    "failed_permille": ("Failed are", "% of its calls", 10),
    "unfit_permille": ("Of another shape than was asked for are", "% of its answers", 10),
}
"""How each figure is said: its beginning, its unit, and what it is divided by."""


def place_of(model: str, drift: Drifted | Recovered) -> str:
    """Return where it happens, such as `fraud-detector@production`."""
    return f"{model}@{drift.environment}"


def drifted(model: str, version: str, drift: Drifted, seq: int, *, back: bool) -> Message:
    """Say what is wrong; `back` is whether there is a version to go back to."""
    if drift.adapter:
        return _lost(model, drift, seq)
    head, icon = f"{model} {version} in {drift.environment} is not as it was", ":chart_with_upwards_trend:"
    if drift.figure == SERVERS:
        head, icon = f"{model} {version} in {drift.environment} does not stay alive", ":rotating_light:"
    text = f"{icon} *{shown(head)}.*\n{_said(drift)}"
    rest = (actions(button(ROLL_BACK, "Roll back", place_of(model, drift), "danger")),) if back else ()
    return Message(text=head, blocks=(section(text), *rest, _found(drift, seq)))


def recovered(model: str, version: str, drift: Drifted, now: Recovered, seq: int) -> Message:
    """Say that it is well again."""
    if drift.adapter:
        return _back(model, drift, now, seq)
    head = f"{model} {version} in {drift.environment} is as it was again"
    change = f"{_amount(drift.figure, now.seen)} now, and was {_amount(drift.figure, drift.seen)}."
    if drift.figure == SERVERS:
        change = f"Its servers have run for five minutes: {now.seen} {_are(now.seen)} ready."
    text = f":white_check_mark: *{shown(head)}.*\n{change}"
    return Message(text=head, blocks=(section(text), _found(drift, seq)))


def replaced(model: str, version: str, drift: Drifted, routing: Routing, seq: int) -> Message:
    """Say that it answers nobody any more."""
    names = ", ".join(share.version for share in routing.shares)
    head = f"{model} {version} answers in {drift.environment} no more"
    text = f":rewind: *{shown(head)}.* Version {shown(names)} does. {_said(drift)}"
    return Message(text=head, blocks=(section(text), _found(drift, seq)))


def _lost(model: str, drift: Drifted, seq: int) -> Message:
    adapter, where = drift.adapter, f"{model} in {drift.environment}"
    head = f"{adapter} cannot be loaded again on {where}"
    calls = (
        "Its calls go to those that have it." if drift.seen else "Its calls are refused; those to the model are not."
    )
    unload = code(f"@quartermaster unload adapter {adapter} from {where}")
    text = (
        f":electric_plug: *{shown(head)}.*\n{_said(drift)} {calls}\n"
        f"It is tried again, ever more rarely. To see what is wrong: `{unload}`, and ask for it again."
    )
    return Message(text=head, blocks=(section(text), _found(drift, seq)))


def _back(model: str, drift: Drifted, now: Recovered, seq: int) -> Message:
    """Every server has it again, or none is to have it any more."""
    adapter, where = drift.adapter, f"{model} in {drift.environment}"
    head = f"{adapter} is loaded on {where} again" if now.seen else f"{adapter} is not to be loaded on {where} any more"
    text = f":white_check_mark: *{shown(head)}.*"
    return Message(text=head, blocks=(section(text), _found(drift, seq)))


def _said(drift: Drifted) -> str:
    if drift.adapter:
        return f"{drift.seen} of {drift.expected} servers have it."
    if drift.figure == SERVERS:
        return (
            f"Of its servers {drift.seen} of {drift.expected} {_are(drift.seen)} ready. They are started again after "
            "pauses that grow to five minutes; `quartermaster models top` says why they end."
        )
    begin = _WORDS.get(drift.figure, (shown(drift.figure), "", 1))[0]
    of = " for 19 of 20 requests" if "p95" in drift.figure else ""
    return f"{begin} {_amount(drift.figure, drift.seen)}{of}; {_amount(drift.figure, drift.expected)} is its profile."


def _amount(figure: str, value: int) -> str:
    _, unit, by = _WORDS.get(figure, ("", "", 1))
    return f"{value / by:,.{0 if by == 1 else 1}f} {unit}".strip() if by else f"{value:,}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _found(drift: Drifted, seq: int) -> dict[str, object]:
    by_keeper = drift.adapter or drift.figure == SERVERS
    return context("By the keeper" if by_keeper else _SAMPLED, f"ledger entry {seq:,}")
