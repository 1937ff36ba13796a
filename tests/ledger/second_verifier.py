"""A verifier written from ledger/SPEC.md alone: bytes, tree, checkpoint, claims, and the law of seats. Imports nothing of ours.

`python second_verifier.py bundle.zip [key]` prints what it finds. Section numbers are those of SPEC.md.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
import zipfile
from collections import Counter
from datetime import datetime, timedelta

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from second_models import Models

FILES = {"bundle.json", "entries.jsonl", "leaves.txt", "checkpoint.txt", "key.txt", "entries.csv"}
KEYS = {"actor", "at", "body", "id", "kind", "stream", "v", "version"}
TIME = re.compile(
    r"(?!0000)\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{6}Z", re.ASCII
)
ORDER = 2**252 + 27742317777372353535851937790883648493
FIELD = 2**255 - 19
EIGHT = int("7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd83d3d706a17c7", 16)
AGREED = {"approved", "queued", "starting", "running", "ending", "not confirmed"}
OVER = {"denied", "done", "ended", "withdrawn", "lapsed", "missed", "failed", "replaced"}
ENDINGS = {"request.expired", "request.released", "request.revoked", "request.ended-unlogged", "request.disqualified"}
STILL = {
    "request.stumbled",
    "request.credential-shown",
    "request.credential-set",
    "request.warned",
}
STOPPED = {"request.approved", "request.dispatched", "request.extended"}
AFTER = {
    "request.started": "running",
    "request.done": "done",
    "request.failed": "failed",
    "request.not-confirmed": "not confirmed",
    "request.settled": "ended",
    "request.withdrawn": "withdrawn",
    "request.lapsed": "lapsed",
    "request.missed": "missed",
    "request.replaced": "replaced",
} | dict.fromkeys(ENDINGS, "ending")


class RefusedError(Exception):
    """The first thing that is wrong: at which entry, if it is one's."""

    def __init__(self, what, seq=None):
        super().__init__(what)
        self.what, self.seq = what, seq


def sha(data):
    return hashlib.sha256(data).digest()


# -- 1. Bytes ---------------------------------------------------------------------------------------------------------


def no_number(text):
    raise ValueError(f"{text} is no integer")


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def check_value(value, deep=1):
    if isinstance(value, dict | list):
        if deep > 64:
            raise ValueError("too deep")
        if isinstance(value, dict) and not all(key.isascii() for key in value):
            raise ValueError("a key is not ASCII")
        for each in value.values() if isinstance(value, dict) else value:
            check_value(each, deep + 1)
    elif isinstance(value, int) and not -(2**53) < value < 2**53:
        raise ValueError("a number is too wide")


def parse_entry(data, seq):
    try:
        entry = json.loads(data.decode(), parse_float=no_number, parse_constant=no_number)
        check_value(entry)
        if canonical(entry) != data:
            raise ValueError("not canonical")
    except (ValueError, RecursionError) as error:
        raise RefusedError(str(error), seq) from error
    good = isinstance(entry, dict) and entry.keys() == KEYS and isinstance(entry["body"], dict)
    good = good and all(type(entry[name]) is str for name in ("actor", "at", "id", "kind", "stream"))
    good = good and all(type(entry[name]) is int and entry[name] >= 1 for name in ("v", "version"))
    if not (good and TIME.fullmatch(entry["at"]) and re.fullmatch("[0-9a-f]{32}", entry["id"])):
        raise RefusedError("not an entry", seq)
    try:
        datetime.fromisoformat(entry["at"])
    except ValueError as error:  # the 30th of February
        raise RefusedError("not a time", seq) from error
    return entry


def at_path(body, path):
    for step in path.split("."):
        try:
            body = body[int(step)] if isinstance(body, list) else body[step]
        except (KeyError, IndexError, ValueError, TypeError):
            return None
    return body


def check_seals(entry, sealed, seq):
    for path, seal in sealed.items():
        salt = bytes.fromhex(seal["salt"])
        stated = {"sealed": hashlib.sha256(salt + seal["value"].encode()).hexdigest()}
        if len(salt) != 16 or at_path(entry["body"], path) != stated:
            raise RefusedError("a sealed value does not fit", seq)


# -- 2. Tree ----------------------------------------------------------------------------------------------------------


def root_of(leaves):
    if len(leaves) <= 1:
        return leaves[0] if leaves else sha(b"")
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha(b"\x01" + root_of(leaves[:split]) + root_of(leaves[split:]))


# -- 3. Checkpoint ----------------------------------------------------------------------------------------------------


def strict64(text):
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise ValueError("base64 in another form")
    return data


def open_note(note, key_text):
    """Return origin, size and root."""
    name, key_hash, key = key_text.split("+", 2)
    key = strict64(key)
    y = int.from_bytes(key[1:], "little") & (2**255 - 1)
    weak = y >= FIELD or y in {0, 1, FIELD - 1, EIGHT, FIELD - EIGHT}
    if not name or len(key) != 33 or key[0] != 1 or weak:
        raise ValueError("not a key")
    if sha(name.encode() + b"\n" + key)[:4].hex() != key_hash:
        raise ValueError("the key's hash is another")
    text, gap, rest = note.partition("\n\n")
    lines = re.findall(r"\u2014 (\S+) (\S+)\n", rest)
    if not gap or "".join(f"\u2014 {who} {what}\n" for who, what in lines) != rest:
        raise ValueError("not a signed note")
    signatures = [(who, strict64(what)) for who, what in lines]
    ours = [blob[4:] for who, blob in signatures if who == name and blob[:4].hex() == key_hash]
    if len(ours) != 1 or len(ours[0]) != 64 or int.from_bytes(ours[0][32:], "little") >= ORDER:
        raise ValueError("not one signature by this key")
    try:
        Ed25519PublicKey.from_public_bytes(key[1:]).verify(ours[0], f"{text}\n".encode())
    except InvalidSignature as error:
        raise ValueError("the signature does not fit") from error
    origin, size, root = text.split("\n")
    if not origin or not re.fullmatch("0|[1-9][0-9]{0,18}", size) or len(strict64(root)) != 32:
        raise ValueError("not a checkpoint")
    return origin, int(size), strict64(root)


# -- 4. Bundle --------------------------------------------------------------------------------------------------------


def verify(path, key=None):
    """Return how many entries the log has; raises RefusedError at the first thing that is wrong."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if len(names) != len(FILES) or set(names) != FILES:
            raise RefusedError("not the files of a bundle")
        files = {name: archive.read(name).decode() for name in names}
    about, lines, leaves = shapes(files)
    try:
        origin, size, root = open_note(files["checkpoint.txt"], key or files["key.txt"].rstrip("\n"))
    except ValueError as error:
        raise RefusedError(str(error)) from error
    if size != len(leaves) or size != about["size"]:
        raise RefusedError("the checkpoint covers another number of entries", min(size, len(leaves)))
    entries = [(line["seq"], line["bytes"], line["sealed"]) for line in lines]
    off = next((seq for seq, data, _ in entries if not 0 <= seq < size or sha(b"\x00" + data) != leaves[seq]), None)
    if root_of(leaves) != root:
        raise RefusedError("the leaves are not those of the checkpoint", 0 if off is None else off)
    read(about, entries, size, off, origin)
    return size


def shapes(files):
    """The bundle's parts, refused where writing would not have made them."""
    try:
        about = json.loads(files["bundle.json"])
        lines = [json.loads(line) for line in files["entries.jsonl"].splitlines()]
        leaves = [bytes.fromhex(line) for line in files["leaves.txt"].splitlines()]
        order = ["format", "size", "entries", "complete", "claim", "since", "until", "request"]
        same = list(about) == order and json.dumps(about, indent=1) + "\n" == files["bundle.json"]
        same = same and about["format"] == 1 and about["entries"] == len(lines)
        same = same and "".join(json.dumps(line, sort_keys=True) + "\n" for line in lines) == files["entries.jsonl"]
        same = same and "".join(f"{leaf.hex()}\n" for leaf in leaves) == files["leaves.txt"]
        period = about["since"] is not None or about["until"] is not None
        claim = "nothing" if about["request"] is not None else "period" if period else "everything"
        same = same and about["claim"] == claim and about["complete"] is (claim == "everything")
        same = same and all(line.keys() == {"bytes", "sealed", "seq"} and type(line["seq"]) is int for line in lines)
        same = same and all(len(leaf) == 32 for leaf in leaves)
        lines = [line | {"bytes": strict64(line["bytes"])} for line in lines]
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise RefusedError(str(error)) from error
    if not same:
        raise RefusedError("a part is not as it is written")
    return about, lines, leaves


def read(about, entries, size, off, origin):
    """Check each entry, in order, and what the bundle claims of the others."""
    claim, law = about["claim"], Law()
    at, ids, versions, before, parsed = "", set(), {}, -1, []
    for place, (seq, data, sealed) in enumerate(entries):
        if seq <= before:
            raise RefusedError("out of order", before + 1 if claim == "everything" else seq)
        if (claim == "everything" and seq != place) or (claim == "period" and before >= 0 and seq != before + 1):
            raise RefusedError("an entry is missing", before + 1)
        if seq == off:
            raise RefusedError("the bytes do not give the leaf", seq)
        entry = parse_entry(data, seq)
        last = versions.get(entry["stream"], 0 if claim == "everything" else None)
        gap = last is not None and (entry["version"] <= last if claim == "nothing" else entry["version"] != last + 1)
        if entry["at"] < at or entry["id"] in ids or gap:
            raise RefusedError("time, id or version", seq)
        check_seals(entry, sealed, seq)
        at, versions[entry["stream"]], before = entry["at"], entry["version"], seq
        ids.add(entry["id"])
        parsed.append((seq, entry))
    check_ends(about, parsed, size)
    if (
        parsed
        and parsed[0][0] == 0
        and parsed[0][1]["kind"] == "ledger.opened"
        and parsed[0][1]["body"]["origin"] != origin
    ):
        raise RefusedError("the checkpoint is of another ledger", 0)
    for seq, entry in parsed if claim == "everything" else ():
        law.follow(entry, seq)
    law.moment_over()


def check_ends(about, parsed, size):
    if about["claim"] == "everything" and len(parsed) != size:
        raise RefusedError("an entry is missing", len(parsed))
    if about["claim"] != "period" or not size:
        return
    if not parsed:
        raise RefusedError("no neighbours", 0)
    (first, begin), (last, end) = parsed[0], parsed[-1]
    if first > 0 and (about["since"] is None or begin["at"] >= about["since"]):
        raise RefusedError("the neighbour before", first - 1)
    if last < size - 1 and (about["until"] is None or end["at"] < about["until"]):
        raise RefusedError("the neighbour behind", last + 1)


# -- 6. Law: seats ----------------------------------------------------------------------------------------------------


class Law:
    """Every request's seats and votes, and every budget. What says nothing of who agreed or paid is left to others."""

    def __init__(self):
        self.requests = {}
        self.halted = {}
        self.budgets = {}
        self.counted = {}
        self.models = Models()
        self.moment, self.moved, self.paid = "", {}, {}

    def follow(self, entry, seq):
        if entry["at"] > self.moment:
            self.moment_over()
            self.moment = entry["at"]
        try:
            if entry["stream"] == "halt":
                self._halt(entry, entry["body"])
            elif entry["stream"].startswith("request:"):
                self._modelled(entry, entry["body"])
                self._step(entry, entry["body"])
            elif entry["stream"].startswith("model:"):
                self.models.step(entry, entry["body"], self.requests)
            elif entry["stream"].startswith("budget:"):
                pay(self.budgets.setdefault(entry["stream"], {}), entry["kind"], entry["body"])
            elif entry["stream"].startswith("usage:"):
                self._use(entry, entry["body"])
            self._tied(entry, seq)
        except (KeyError, TypeError, AttributeError) as error:
            raise RefusedError(f"not the fields of {entry['kind']}", seq) from error
        except ValueError as error:
            raise RefusedError(str(error), seq) from error

    def _modelled(self, entry, body):
        if entry["kind"] == "request.submitted":
            self.models.check_form(body["form"])
        elif entry["kind"] == "request.done":
            stream = entry["stream"]
            self.models.check_done(int(stream.partition(":")[2]), self.requests[stream]["form"])

    def _tied(self, entry, seq):
        stream, body = entry["stream"], entry["body"]
        if stream.startswith("request:"):
            self.moved[stream] = seq
        elif stream.startswith("budget:") and "request" in body:
            stream = f"request:{body['request']}"
            self.moved[stream] = seq
            if entry["kind"] != "budget.reserved":
                self.paid[stream] = None if entry["kind"] == "budget.handed-back" else body

    def moment_over(self):
        """What moved together: a request has its reservation exactly while it is agreed to and not settled."""
        for stream, seq in sorted(self.moved.items(), key=lambda each: each[1]):
            try:
                self._together(self.requests.get(stream), int(stream.partition(":")[2]), stream)
            except (KeyError, TypeError, ValueError) as error:
                raise RefusedError(str(error), seq) from error
        self.moved, self.paid = {}, {}

    def _together(self, request, number, stream):
        need(request is not None, "no such request")
        held = {
            name: window["held"][number]
            for name, windows in self.budgets.items()
            for window in windows.values()
            if number in window["held"]
        }
        if request["is"] in AGREED:
            its = "budget:" + request.get("team", "").removeprefix("team:")
            need(not held.keys() - {its}, "reserved in the budget of another team")
            if request.get("budgeted"):
                form = request["form"]
                least = form["gpus"] * form["duration_s"] if form["form"] == "gpu" else 0
                need(its in held and held[its][0] >= least, "agreed to, and not reserved")
        else:
            need(not held, "reserved, and not agreed to")
        if stream in self.paid:
            spent, used = self.paid[stream], request.get("usage")
            need((request["is"] == "ended") == (spent is not None), "spent if it ended, else handed back")
            if spent is not None:
                need([spent["gpu_s"], spent["cost_minor"]] == [used["gpu_s"], used["cost_minor"]], "spent is not used")

    def _use(self, entry, body):
        key = self.requests.get("request:" + entry["stream"].partition(":")[2])
        need(key is not None and key["form"]["form"] == "key" and "end" in key, "no key was granted")
        need(entry["actor"].startswith("svc:") and entry["kind"] == "usage.counted", "a service counts")
        hour = datetime.fromisoformat(body["hour"])
        need((hour.minute, hour.second, hour.microsecond) == (0, 0, 0), "hours are whole")
        over = hour + timedelta(hours=1)
        need(hour >= self.counted.get(entry["stream"], hour), "that hour was counted")
        need(
            datetime.fromisoformat(entry["at"]) >= over and body["calls"] > 0 and body["tokens"] >= 0,
            "not to be counted",
        )
        self.counted[entry["stream"]] = over

    def _halt(self, entry, body):
        by, what = body["by"], body["resource"]
        need(entry["actor"] == by and by.startswith("user:") and body["rule"], "a person, by a rule")
        if entry["kind"] == "halt.halted":
            need(what not in self.halted, "halted already")
            self.halted[what] = by
        else:
            need(entry["kind"] == "halt.lifted" and what in self.halted, "nothing to lift")
            need(self.halted.pop(what) != by, "somebody else lifts")

    def _step(self, entry, body):
        kind, state = entry["kind"], self.requests.get(entry["stream"])
        if state is None or kind == "request.submitted":
            self.requests[entry["stream"]] = submitted(entry, body, first=state is None)
            return
        need(state["is"] not in OVER, "it is over")
        if kind in STOPPED:
            need(not self.halted.keys() & {"*", state["form"]["resource"]}, "halted")
        step = STEPS.get(kind)
        if step is not None:
            step(state, entry["actor"], body)
        elif kind in STILL:
            pass
        else:
            state["is"] = AFTER[kind]
            state["usage"] = body.get("usage")
        state["at"] = entry["at"]


def pay(windows, kind, body):
    """One step of a budget: each window has its limits, what was used, and what each request has reserved."""
    amounts = [body.get("gpu_s", 0), body.get("cost_minor", 0)]
    need(all(each is None or each >= 0 for each in amounts), "amounts are 0 or more")
    if kind == "budget.allotted":
        window = windows.setdefault(body["window"], {"used": [0, 0], "held": {}})
        window["limits"] = amounts
        return
    number = body["request"]
    its = next((name for name, window in windows.items() if number in window["held"]), None)
    if kind == "budget.reserved":
        need(body["window"] in windows and its in (None, body["window"]), "its window, and allotted")
        window = windows[body["window"]]
        window["held"][number] = amounts
        for at, limit in enumerate(window["limits"]):
            taken = window["used"][at] + sum(held[at] for held in window["held"].values())
            need(limit is None or taken <= limit, "the budget is overrun")
        return
    need(kind in ("budget.spent", "budget.handed-back") and its is not None, "nothing is reserved")
    del windows[its]["held"][number]
    windows[its]["used"] = [used + more for used, more in zip(windows[its]["used"], amounts, strict=True)]


def need(holds, what):
    if not holds:
        raise ValueError(what)


def digest(form):
    return hashlib.sha256(canonical(form)).hexdigest()


def submitted(entry, body, *, first):
    need(first and entry["kind"] == "request.submitted", "a request begins with its submission, once")
    need(entry["stream"] == f"request:{body['request']}", "a request has the number of its stream")
    need(body["form_digest"] == digest(body["form"]), "the digest is not the form's")
    need(body["asker"].startswith("user:") and body["beneficiary"].startswith("user:"), "only people ask")
    need(entry["actor"] == body["asker"], "the asker enters it")
    barred = {body["asker"], body["beneficiary"]}
    state = {"is": "submitted", "barred": barred, "asker": body["asker"], "form": body["form"]}
    return state | {"digest": body["form_digest"], "seats": [], "auto": False, "votes": [], "accept": False}


def filled(state):
    seats = Counter(dict(state["votes"]).values())
    return bool(state["seats"]) and all(seats[seat["name"]] >= seat["count"] for seat in state["seats"])


def decided(state, actor, body):
    before = {"submit": {"submitted"}, "lower": {"waiting"}, "dispatch": {"approved", "queued"}}[body["phase"]]
    decision = body["decision"]
    seats = decision["seats"]
    need(state["is"] in before and body["form_digest"] == state["digest"], "this decision does not follow")
    if decision["effect"] == "deny":
        state["is"] = "denied"
        return
    need(bool(seats) != decision["auto"], "seats, or by rule")
    need(all(seat["count"] > 0 for seat in seats) and len({s["name"] for s in seats}) == len(seats), "seats")
    budgeted = any(fact["name"] == "budget" for fact in decision["facts"])
    state |= {"seats": seats, "auto": decision["auto"], "team": decision["team"], "budgeted": budgeted}
    if body["phase"] != "dispatch" or not (decision["auto"] or filled(state)):
        state["is"] = "waiting"


def may_review(state, actor, body):
    need(state["is"] == "waiting", "nothing to review")
    need(actor == body["reviewer"] and actor.startswith("user:"), "a person reviews for themselves")
    need(actor not in state["barred"], "nobody reviews their own")


def reviewed(state, actor, body):
    may_review(state, actor, body)
    need(body["form_digest"] == state["digest"], "another form")
    need(actor not in dict(state["votes"]), "one person, one seat")
    taken = Counter(dict(state["votes"]).values())
    need(
        any(s["name"] == body["seat"] and taken[s["name"]] < s["count"] for s in state["seats"]), "no such seat is open"
    )
    if body["verdict"] == "deny":
        state["is"] = "denied"
    else:
        state["votes"] = [*state["votes"], (actor, body["seat"])]


def lowered(state, actor, body):
    may_review(state, actor, body)
    need(body["form_digest"] == digest(body["form"]) and lower(body["form"], state["form"]), "not a lower form")
    need(set(body["carried"]) == set(dict(state["votes"])), "votes carry over")
    state |= {"accept": state["form"]["start"] is None, "form": body["form"], "digest": body["form_digest"]}


def lower(form, asked):
    counted = {"gpu": "gpus", "data": "columns", "key": "tokens"}.get(form["form"])
    if form == asked or form["form"] != asked["form"] or counted is None:
        return False
    fewer = 0 < form["duration_s"] <= asked["duration_s"]
    if counted != "columns":
        fewer = fewer and 0 < form[counted] <= asked[counted]
    elif asked["columns"]:
        fewer = fewer and bool(form["columns"]) and set(form["columns"]) <= set(asked["columns"])
    return fewer and all(form[name] == asked[name] for name in asked if name not in {counted, "duration_s"})


def accepted(state, actor, body):
    need(state["is"] == "waiting" and state["accept"], "nothing to accept")
    need(actor == state["asker"] and body["form_digest"] == state["digest"], "the asker accepts the form in force")
    state["accept"] = False


def approved(state, actor, body):
    need(state["is"] == "waiting" and body["form_digest"] == state["digest"] and not state["accept"], "not to approve")
    need(state["auto"] or filled(state), "the votes do not fill the seats")
    state["is"] = "approved"


def reopened(state, actor, body):
    need(state["is"] in {"approved", "queued"} and body["reviewer"] in dict(state["votes"]), "no seat to reopen")
    state |= {"is": "waiting", "votes": [vote for vote in state["votes"] if vote[0] != body["reviewer"]]}


def dispatched(state, actor, body):
    need(
        state["is"] in {"approved", "queued", "starting"} and body["form_digest"] == state["digest"], "not to dispatch"
    )
    need(state["auto"] or filled(state), "the votes do not fill the seats")
    state |= {"is": "starting", "end": body["not_after"]}


def kept(state, actor, body):
    need(state["is"] in {"starting", "running"} and state["form"]["form"] in {"gpu", "data", "key"}, "nothing is held")
    need(actor == body["keeper"] and actor.startswith("user:"), "a person lets it stand")
    need(actor not in state["barred"], "nobody lets their own stand")
    need(body["rule"] and body["policy"] and body["fails"], "a rule, a policy and what fails")


def queued(state, actor, body):
    need(state["is"] in {"approved", "queued", "starting"}, "not in line")
    state["is"] = "starting" if state["is"] == "starting" else "queued"


def extension_asked(state, actor, body):
    need(state["is"] == "running" and actor in state["barred"] and not state.get("more"), "not to extend")
    need(state.get("told", True), "the backend has not answered to its last end")
    form, added = body["form"], body["added_s"]
    end = None if state["form"]["not_after"] is None else body["not_after"]
    longer = state["form"] | {"duration_s": state["form"]["duration_s"] + added, "not_after": end}
    need(added > 0 and form == longer and body["form_digest"] == digest(form), "not the new totals")
    state["more"] = {
        "form": form,
        "digest": body["form_digest"],
        "votes": [],
        "seats": [],
        "auto": False,
        "asked": True,
    }


def extension(state, body):
    more = state.get("more")
    need(state["is"] == "running" and more and more["digest"] == body["form_digest"], "no such extension is pending")
    return more


def extension_decided(state, actor, body):
    more, decision = extension(state, body), body["decision"]
    seats = decision["seats"]
    need(more.pop("asked", False), "decided already")
    if decision["effect"] == "deny":
        state["more"] = None
        return
    need(bool(seats) != decision["auto"], "seats, or by rule")
    need(all(seat["count"] > 0 for seat in seats) and len({s["name"] for s in seats}) == len(seats), "seats")
    more |= {"seats": seats, "auto": decision["auto"]}


def extension_reviewed(state, actor, body):
    more = extension(state, body)
    need(actor == body["reviewer"] and actor.startswith("user:"), "a person reviews for themselves")
    need(actor not in state["barred"] and actor not in dict(more["votes"]), "nobody their own, one person one seat")
    taken = Counter(dict(more["votes"]).values())
    need(any(s["name"] == body["seat"] and taken[s["name"]] < s["count"] for s in more["seats"]), "no such seat")
    more["votes"] = [*more["votes"], (actor, body["seat"])]
    if not body["approve"]:
        state["more"] = None


def extended(state, actor, body):
    more = extension(state, body)
    need(more["auto"] or filled(more), "the votes do not fill the seats")
    before = {"form": state["form"], "digest": state["digest"], "end": state["end"]}
    moved = {"form": more["form"], "digest": more["digest"], "end": body["not_after"]}
    state |= moved | {"more": None, "before": before, "told": False}


def prolonged(state, actor, body):
    need(state["is"] == "running" and not state.get("told", True), "nothing to be told of")
    state |= {"told": True, "before": None}


def not_prolonged(state, actor, body):
    need(state["is"] == "running" and state.get("before"), "no extension was granted")
    state |= state["before"] | {"told": True, "before": None}


def shortened(state, actor, body):
    need(state["is"] == "running" and actor == body["holder"] and actor in state["barred"], "not to shorten")
    need(not state.get("more") and not state.get("before"), "an extension is not settled")
    old, new = (datetime.fromisoformat(each) for each in (state["end"], body["not_after"]))
    need(old - new >= timedelta(seconds=1) and body["not_after"] > state["at"], "not sooner, or over")
    end = None if state["form"]["not_after"] is None else body["not_after"]
    left = state["form"] | {"duration_s": state["form"]["duration_s"] - (old - new) // timedelta(seconds=1)}
    need(body["form"] == left | {"not_after": end} and body["form_digest"] == digest(body["form"]), "not what is left")
    state |= {"form": body["form"], "digest": body["form_digest"], "end": body["not_after"], "told": False}


STEPS = {
    "request.queued": queued,
    "request.kept": kept,
    "request.extension-asked": extension_asked,
    "request.extension-decided": extension_decided,
    "request.extension-reviewed": extension_reviewed,
    "request.extended": extended,
    "request.prolonged": prolonged,
    "request.not-prolonged": not_prolonged,
    "request.shortened": shortened,
    "request.decided": decided,
    "request.reviewed": reviewed,
    "request.lowered": lowered,
    "request.accepted": accepted,
    "request.approved": approved,
    "request.reopened": reopened,
    "request.dispatched": dispatched,
}


if __name__ == "__main__":
    try:
        count = verify(sys.argv[1], *sys.argv[2:3])
        print(f"{count} entries: {'verified' if len(sys.argv) > 2 else 'consistent, not anchored'}")
    except RefusedError as refused:
        sys.exit(f"entry {refused.seq}: {refused.what}")
