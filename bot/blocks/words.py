"""Forms of the facts: time, duration, money, resources and people's own text, as cards write them."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from ledger.nouns import (
    AdapterForm,
    Change,
    DataForm,
    ExplainForm,
    Form,
    GpuForm,
    KeyForm,
    Lease,
    RevertForm,
    window_end,
)
from ledger.streams.request import Request
from ledger.streams.usage import Used
from policies.decide import Policy
from workers.outages import Outage


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """What words need beside the request: names, zone, prices and the rules.

    Args:
        name_of: subject -> the name Slack shows.
        mention_of: subject -> `<@U...>`, or the name when nobody is behind it any more.
        title_of: subject -> `engineer, vision`.
        warned_at: request -> when its holder is warned of its end; None when there is nothing to warn of any more.
        outage_of: request -> the outage of the backend that it waits for, None while that answers.
        used_of: request -> what its key was used for by the last hour that was counted.
    """

    name_of: Callable[[str], str]
    mention_of: Callable[[str], str]
    title_of: Callable[[str], str]
    zone: ZoneInfo
    policy: Policy
    now: datetime
    warned_at: Callable[[Request], datetime | None]
    outage_of: Callable[[Request], Outage | None] = lambda _: None
    used_of: Callable[[Request], Used] = lambda _: Used()

    def at(self, moment: datetime) -> str:
        """Return `Tue 24 Nov, 09:00 CET`; the year only when it is not this one."""
        local = moment.astimezone(self.zone)
        year = "" if local.year == self.now.astimezone(self.zone).year else f" {local.year}"
        return f"{local:%a} {local.day} {local:%b}{year}, {local:%H:%M} {local:%Z}"

    def span(self, start: datetime, end: datetime) -> str:
        """Return `Tue 24 Nov, 09:00 to 15:00 CET`; the second date only when it differs."""
        first, last = start.astimezone(self.zone), end.astimezone(self.zone)
        if first.date() == last.date():
            return f"{first:%a} {first.day} {first:%b}, {first:%H:%M} to {last:%H:%M} {last:%Z}"
        return f"{first:%a} {first.day} {first:%b}, {first:%H:%M} to {self.at(end)}"

    def when(self, form: Form) -> str:
        """Return the window of a form: absolute when its start is known, else from its approval."""
        if isinstance(form, Change):
            return "When approved"
        if form.start is not None:
            return self.span(form.start, window_end(form, form.start))
        if form.not_after is not None:
            return f"When approved, until {self.at(form.not_after)}, at most {duration(form.duration_s)}"
        return f"When approved, for {duration(form.duration_s)}"

    def what(self, form: Form) -> str:
        """Return the header of a form: `4 × H100 for 3 hours`."""
        if isinstance(form, GpuForm):
            label = self.policy.catalogue.gpu_types[form.gpu_type].label
            return f"{form.gpus} × {label} {self._length(form)}"
        if isinstance(form, DataForm):
            name = form.resource.removeprefix("data:")
            return f"{form.access.value.capitalize()} {name} {self._length(form)}"
        if isinstance(form, KeyForm):
            model, _, place = form.resource.partition(":")[2].partition("@")
            return f"Key to {model} in {place}, {tokens(form.tokens)} {self._length(form)}"
        if isinstance(form, RevertForm):
            return f"Take away a side door of {form.backend} ({form.finding[:8]})"
        if isinstance(form, ExplainForm):
            return f"Leave a side door of {form.backend} ({form.finding[:8]}) until {self.at(form.until)}"
        if isinstance(form, AdapterForm):
            does = ("Load adapter", "on") if form.load else ("Unload adapter", "from")
            return f"{does[0]} {form.adapter} {does[1]} {form.model} in {form.environment}"
        back = "Back to " if form.rollback else ""
        return f"{back}{form.model} {form.version} to {form.environment}"

    def _length(self, form: Lease) -> str:
        """`for 3 hours`; `until Fri 27 Nov, 17:00 CET` where the person named the end, and it starts when approved."""
        if form.not_after is not None and form.start is None:
            return f"until {self.at(form.not_after)}"
        return f"for {duration(form.duration_s)}"

    def cost(self, form: Form) -> str:
        """Return `12 GPU-hours, €33.60`; empty for what has no price."""
        if not isinstance(form, GpuForm):
            return ""
        hours = form.gpus * form.duration_s / 3600
        unit = "GPU-hour" if hours == 1 else "GPU-hours"
        return f"{hours:,.4g} {unit}, {self.policy.money(self.policy.catalogue.price(form))}"

    def spent(self, request: Request) -> str:
        """Return `1.2M of 2M tokens, by 14:00 CET`; empty for what is no key, or before its first hour is over."""
        used = self.used_of(request)
        if not isinstance(request.form, KeyForm) or used.until is None:
            return ""
        local = used.until.astimezone(self.zone)
        return f"{amount(used.tokens)} of {tokens(request.form.tokens)}, by {local:%H:%M} {local:%Z}"

    def owner(self, form: Form) -> str:
        """Return the team that owns what is asked for, without prefix."""
        return (self.policy.catalogue.owner(form.resource) or "nobody").removeprefix("team:")


def duration(seconds: int) -> str:
    """Return `3 hours`, `1 h 40 min`, `5 days`, `45 minutes`."""
    if seconds and seconds % 86400 == 0 and seconds >= 2 * 86400:
        return f"{seconds // 86400} days"
    if seconds and seconds % 3600 == 0:
        return "1 hour" if seconds == 3600 else f"{seconds // 3600} hours"  # noqa: PLR2004
    hours, minutes = divmod(seconds // 60, 60)
    if not hours:
        return f"{minutes} minutes" if seconds >= 60 else f"{seconds} seconds"  # noqa: PLR2004
    return f"{hours} h {minutes} min"


def tokens(count: int) -> str:
    """Return `2M tokens`, `1.25M tokens`, `1,234,567 tokens`: short only where that is exact."""
    return f"{amount(count)} token{'' if count == 1 else 's'}"


def amount(count: int) -> str:
    """Return `2M`, `1.25M`, `250k`, `1,234,567`."""
    for unit, name in ((1_000_000, "M"), (1000, "k")):
        if count >= unit and count * 1000 % unit == 0 and (count % unit == 0 or unit > 1000):  # noqa: PLR2004
            return f"{count / unit:,.3f}".rstrip("0").rstrip(".") + name
    return f"{count:,}"


def shown(text: str, limit: int = 300) -> str:
    """Return people's text as one plain line: no control or direction marks, no markup, nothing that mentions anybody."""
    kept = (" " if unicodedata.category(c)[0] in {"C", "Z"} else c for c in text)
    line = " ".join("".join(kept).split())
    line = line if len(line) <= limit else f"{line[: limit - 1]}…"
    escaped = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"{c}\u200b" if c in "*_~`" else c for c in escaped)


def code(text: str, limit: int = 300) -> str:
    """Return a command of ours for a code span, which is copied as it stands: one line that cannot end the span."""
    kept = (" " if unicodedata.category(c)[0] in {"C", "Z"} else "'" if c == "`" else c for c in text)
    line = " ".join("".join(kept).split())[:limit]
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def either(names: list[str], joiner: str = "or") -> str:
    """Return `Ines`, `Ines or Jonas`, `Ines, Jonas and 4 others`."""
    if len(names) <= 1:
        return "".join(names) or "nobody"
    if len(names) == 2:  # noqa: PLR2004
        return f"{names[0]} {joiner} {names[1]}"
    return f"{names[0]}, {names[1]} and {len(names) - 2} others"
