"""Wishes for a thing: a deployment, data, GPU time."""

from __future__ import annotations

import re
from typing import Final

from bot.intake.grammar.cues.negation import NOT
from bot.intake.grammar.skeleton import Skeleton
from bot.intake.reading import Intent

_WISH: Final = re.compile(
    r"\b(?:need|needs|want|wants|can|could|may|please|pls|plz|plss|give|get|book|grab|allocate"
    r"|reserve|require|requires|request|requesting|would|i'd|we'd|love|like|looking|hand|provision"
    r"|spin|assign|set|provide|room|usual|same|schedule|lend|spare|use|using|have|ask|asking"
    r"|available|free|fancy|hook|put|run|start|let|take|mind|possible|bring|order|send|prepare"
    r"|secure|want)\b"
)
_DEPLOY: Final = re.compile(
    r"\b(?:deploy|deploying|deployment|redeploy|roll|rolling|rollout|roll-out|ship|promote|release"
    r"|push|put|launch|publish|serve|canary|ramp|scale|bring|rollback|roll-back|revert|move"
    r"|go|goes|upgrade|downgrade|update|bump|install|host|start|run|up|stand up|out|back|live"
    r"|switch|shift|send|get|activate|blue-green|set|take|down|needs|replicas|need|to|on|expose"
    r"|migrate|ENV|STRATEGY|VERSION)\b"
)
_DEPLOY_VERB: Final = re.compile(
    r"\b(?:deploy|deploying|redeploy|roll ?out|rollout|ship|promote|launch|rollback|roll(?:ing)? back"
    r"|revert|canary|scale|serve|push|release|ramp)\b"
)
_ACCESS: Final = re.compile(
    r"\b(?:access|read|reading|write|writing|query|querying|look at|look into|pull|see|rights"
    r"|permission|permissions|view|load|insert|update|delete|edit|r/w|rw|data ?set|table|dataset"
    r"|data|dump|columns?|rows?|analyse|analyze|open up|full|browse|select|modify|append)\b"
)
_ACCESS_WISH: Final = re.compile(
    r"\b(?:access|read|write|query|r/w|rw|read-only)\b (?:access )?(?:to|on|for|in|into)?\b"
    r"|\b(?:rights|permissions?) (?:for|on|to)\b|\b(?:dataset|data set|table|dump)\b"
)
KEY: Final = re.compile(
    r"\b(?:(?:api|access|model|endpoint)[ -])?(?:keys?|schlussel|schluessel|claves?|llaves?|cles?)\b"
    r"|\b(?:api|endpunkt)-?(?:schlussel|key)\b|\bmodellschlussel\b"
)
"""A key to a model; the words of the other languages are not the pivot's."""
_BARE_KEY: Final = re.compile(rf"^(?:(?:a|please|,) ){{0,2}}(?:{KEY.pattern})")
_NO_DEPLOY: Final = re.compile(rf"\b{NOT}\b[^.;]{{0,15}}\b(?:deploy|ship|roll|promote|release|push|launch)\b")
_ASKS_ABOUT: Final = re.compile(
    r"^(?:(?:so|and|but|hey|hi|,|¿) )*"
    r"(?:should|shall|when|which|where|what|how|who|is|are|was|has|did|does|if)\b"
)
_HAPPENED: Final = re.compile(
    r"\b(?:failed|fails|crashed|crashes|broke|broken|succeeded"
    r"|is down|timed out|went (?:well|fine|wrong|bad)|looks (?:good|bad))\b"
)
_DEVICES: Final = re.compile(r"\b(?:GPU|UNKNOWNGPU|gpus?|accelerators?)\b")
_ONE: Final = re.compile(r"\ba (?:\w+ )?GPU")
_NODES: Final = re.compile(r"\b(?:NUM|a) nodes?\b")
_COUNTED: Final = re.compile(r"\b(?:NUM|a) (?:x )?(?:GPU|UNKNOWNGPU|gpus?)\b")
_ASKED_PAST: Final = re.compile(r"\b(?:who|audit|export|how many)\b")
_BARE_DEPLOY: Final = re.compile(
    r"\b(?:deploy|redeploy|rollout|roll out|ship|promote|rollback|roll back|canary|roll|launch|revert|go back|back to)\b"
)
_SOME_MODEL: Final = re.compile(r"\b(?:model|UNKNOWNMODEL|prod)\b")
_OPENING: Final = re.compile(r"\baccess to\b|^read\b|^write\b")


def counts_devices(clause: Skeleton) -> bool:
    """Return whether devices are counted: a wish for what is to come, though it may name a period."""
    return clause.has(_COUNTED) and not clause.has(_ASKED_PAST)


def wants_thing(clause: Skeleton) -> Intent | None:
    """Return deploy, data or gpu.request when the clause wishes for one, OTHER when it forbids or tells of a deployment."""
    if clause.has(_DEPLOY_VERB) and clause.has(_NO_DEPLOY):
        return Intent.OTHER
    if "MODEL" in clause.text and _tells(clause):
        return Intent.OTHER
    if wants_key(clause):
        return Intent.KEY_REQUEST
    if counts_devices(clause) and not clause.has(_DEPLOY_VERB):
        return Intent.GPU_REQUEST
    if _deploys_named(clause):
        return Intent.DEPLOY_REQUEST
    if _wants_data(clause):
        devices_first = clause.has(_DEVICES) and clause.text.find("DATA") > clause.text.find("GPU") >= 0
        return Intent.GPU_REQUEST if devices_first else Intent.DATA_REQUEST
    if _wants_devices(clause):
        return Intent.GPU_REQUEST
    return _unnamed(clause)


def _tells(clause: Skeleton) -> bool:
    """Whether a deployment is only asked about or told of."""
    return clause.has(_ASKS_ABOUT) or (clause.has(_HAPPENED) and not clause.has(_DEPLOY_VERB))


def wants_key(clause: Skeleton) -> bool:
    """Whether a key to a model is wished for: of a named model, or for so many tokens and so long."""
    if not clause.has(KEY) or clause.has(_DEPLOY_VERB):
        return False
    long = bool(clause.found("span", "until", "window"))
    wished = long or "tokens" in clause.text or clause.has(_WISH) or clause.has(_BARE_KEY)
    return wished if "MODEL" in clause.text else long and "tokens" in clause.text


def _deploys_named(clause: Skeleton) -> bool:
    return "MODEL" in clause.text and clause.has(_DEPLOY) and not (clause.found("span") and "DATA" in clause.text)


def _wants_data(clause: Skeleton) -> bool:
    wished = clause.has(_ACCESS) or clause.has(_WISH) or clause.found("span", "until")
    return bool(clause.named("datasets") and wished)


def _wants_devices(clause: Skeleton) -> bool:
    if clause.has(_DEVICES):
        said = clause.found("num", "span", "until", "when", "window", "period", "next")
        return bool(said) or clause.has(_WISH) or clause.has(_ONE)
    return clause.has(_NODES) and bool(clause.found("span", "until", "window"))


def _unnamed(clause: Skeleton) -> Intent | None:
    """A wish whose thing has no known name."""
    deployable = clause.found("version") or clause.named("environments") or clause.has(_SOME_MODEL)
    if (clause.has(_BARE_DEPLOY) and deployable) or ("UNKNOWNMODEL" in clause.text and clause.has(_DEPLOY)):
        return Intent.DEPLOY_REQUEST
    wished = clause.has(_WISH) or clause.found("span", "until") or clause.has(_OPENING)
    if "UNKNOWNDATA" in clause.text or (clause.has(_ACCESS_WISH) and wished):
        return Intent.DATA_REQUEST
    return Intent.DEPLOY_REQUEST if "MODEL" in clause.text and clause.has(_WISH) and clause.found("version") else None
