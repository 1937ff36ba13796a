"""The composition root of the desk: `build_app` returns the one Bolt app, for Slack and for the local workspace alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from slack_bolt import App

from bot.desk import Desk
from bot.drifting import DUTY as DRIFT
from bot.drifting import Drifting
from bot.front import Front
from bot.house import House
from bot.intake.model.reader import Reader
from bot.listeners import buttons, commands, home, messages, views
from bot.notify import Notifier
from bot.outages import DUTY as OUTAGE
from bot.outages import LastLook, OutageReports
from bot.questions import DUTY as QUESTION
from bot.questions import QuestionReports
from bot.settings import SlackSettings
from bot.slack import Slack, web_client
from bot.stricter import DUTY as STRICTER
from bot.stricter import RULES, Stricter
from bot.tables import Tables
from bot.trouble import DUTY, Trouble
from bot.wayback import DUTY as ROUTED
from bot.wayback import WaysBack
from workers.outages import FILE, Outages


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskApp:
    """The Bolt app, and the notifier that a thread must run."""

    app: App
    notifier: Notifier
    tables: Tables
    front: Front


def build_app(
    settings: SlackSettings,
    house: House,
    nudge: Callable[[int], None],
    ask: Callable[[int], None],
    *,
    simulate: bool,
    admin_channel: str = "",
    reader: Reader | None = None,
) -> DeskApp:
    """Return the desk's app on one house; `nudge` and `ask` put a request and its questions to a worker."""
    client = web_client(settings.bot_token, settings.api_url or None)
    tables = Tables(house.home / "desk.sqlite3")
    slack = Slack(client, tables)
    desk = Desk(house.book, house.policy.current, nudge, house.book.clock)
    seen = LastLook()
    notifier = Notifier(desk, slack, tables, house.book.clock, seen)
    trouble = Trouble(desk, slack, tables, house.book.clock, notifier.voice)
    notifier.duties[DUTY] = trouble.tell
    notifier.beside.append(trouble.notice)
    reports = OutageReports(desk, slack, tables, house.book.clock, notifier.voice, Outages(house.home / FILE), seen)
    notifier.duties[OUTAGE] = reports.tell
    notifier.rounds.append(reports.look)
    notifier.duties[QUESTION] = QuestionReports(desk, slack, tables).tell
    stricter = Stricter(desk, slack, tables, house.book.clock, notifier.voice)
    notifier.duties |= {STRICTER: stricter.tell, RULES: stricter.look}
    notifier.beside.append(stricter.notice)
    notifier.rounds.append(stricter.begin)
    back, drifting = WaysBack(desk, slack, tables, notifier.voice), Drifting(desk, slack, tables)
    notifier.duties[DRIFT] = drifting.tell
    notifier.duties[ROUTED] = _each(back.tell, drifting.tell)
    front = Front(house, desk, slack, tables, notifier, simulate=simulate, admin_channel=admin_channel, reader=reader)
    front.have_answered = ask
    app = App(
        name="quartermaster", client=client, signing_secret=settings.signing_secret, token_verification_enabled=False
    )
    for surface in (messages, buttons, views, commands, home):
        surface.register(app, front)
    return DeskApp(app=app, notifier=notifier, tables=tables, front=front)


def _each(*duties: Callable[[str], None]) -> Callable[[str], None]:
    """Return the duty that is all of them."""

    def pay(name: str) -> None:
        for duty in duties:
            duty(name)

    return pay
