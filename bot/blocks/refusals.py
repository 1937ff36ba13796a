"""The fixed sentences: first what is so, then what to do. The program log has the rest."""

from __future__ import annotations

from bot.blocks.words import Voice, either
from bot.errors import Reason, Refused
from ledger.streams.request import Request, Status
from policies.directory import Stranger

NOT_UNDERSTOOD = (
    'I could not read a request in that. Try "4 h100 for 6 hours tomorrow 9am to retrain churn", '
    "or open a form with `/qm gpu`."
)
NOT_YOURS_TO_CONFIRM = "Only the person who asked can confirm this request. Nothing changed."
NOT_BUILT = "I cannot do that yet. `/qm help` lists what I can do."
RULES_MOVED = "The rules on disk are not the ones that were adopted, so nothing was done. Ask an admin to look at them."
STALE = "That button is from another time. `/qm status` shows how things stand now."


def refusal(refused: Refused, request: Request | None, voice: Voice) -> str:  # noqa: C901, PLR0911 one sentence a reason
    """Return the sentence for a refusal."""
    name = f"REQ-{refused.number}" if refused.number is not None else "It"
    people = either([voice.name_of(subject) for subject in refused.people])
    if refused.reason is Reason.UNKNOWN_REQUEST:
        return f"I find no request {name} that you may see. `/qm status` lists yours."
    if refused.reason is Reason.NOT_YOUR_SEAT:
        return f"You cannot decide {name}. It needs {people}."
    if refused.reason is Reason.OWN_REQUEST:
        return f"You asked for {name}, so someone else must decide it: {people}."
    if refused.reason is Reason.ALREADY_VOTED:
        return f"You already approved {name}. The next approval must come from another person."
    if refused.reason in {Reason.ALREADY_DECIDED, Reason.OVER} and request is not None:
        return f"{request.name} {_settled(request, voice)}. Nothing changed."
    if refused.reason is Reason.CHANGED:
        return f"{name} changed after this card was sent. Look at how it stands now, and decide again."
    if refused.reason is Reason.NOT_YOURS:
        return f"{name} belongs to {people}. Only {people} can do that."
    if refused.reason is Reason.NOT_LOWER:
        return "Approving less must not ask for more. Lower the number or the hours."
    if refused.reason is Reason.PAST:
        return "That start is in the past. Give a later time."
    if refused.reason is Reason.DRAFT_GONE:
        return "That was settled already. Ask again if you still need it."
    if refused.reason is Reason.NOT_ALLOWED:
        return refused.detail or f"No rule lets you do that with {name}."
    return "The ledger cannot be written right now, so nothing was done. Your request is not lost: try again in a few minutes."


def _settled(request: Request, voice: Voice) -> str:
    at = voice.at(request.since)
    if request.status is Status.DENIED:
        return f"was already denied, {at}"
    if request.status in {Status.APPROVED, Status.QUEUED, Status.STARTING, Status.RUNNING}:
        by = either([voice.name_of(vote.person) for vote in request.votes], "and") if request.votes else "a rule"
        return f"was already approved by {by}, {voice.at(request.approved_at or request.since)}"
    return f"is {request.status.value} since {at}"


def stranger(why: Stranger, admins: list[str]) -> str:
    """Return the sentence for somebody whom the directory refuses."""
    whom = f" ({either(admins)})" if admins else ""
    if why is Stranger.UNKNOWN:
        return f"I do not know you yet. Ask an admin{whom} to add your Slack account to a team."
    return f"I cannot serve this account ({why.value}). Ask an admin{whom}."


HELP = """*What I can do*
Ask in your own words: `@quartermaster 4 h100 for 3 hours so I can retrain churn`
• `/qm gpu`, `/qm data`, `/qm deploy`: ask in a form
• `/qm status`, `/qm status REQ-1001`: your requests, or one of them
• `/qm why REQ-1001`: which rule decided, and why
• `/qm release REQ-1001`: hand back what you hold
• `/qm cancel REQ-1001`: take back what has not started
• `/qm approve REQ-1001`, `/qm deny REQ-1001`: bring me the card to decide on
• `/qm export`, `/qm export REQ-1001`: evidence, for auditors"""
