"""Fifth phase: quantities. How many devices are meant, where the text says so beside a device; any other number is none."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bot.intake.grammar.corrections import choose
from bot.intake.grammar.durations import amount_at
from bot.intake.grammar.skeleton import Skeleton
from bot.intake.grammar.tokens import Token

DEVICE: Final = (
    r"(?:(?:UNKNOWNGPU|GPU)(?: (?:gpus?|cards?|chips?|accelerators?|units?))?|gpus?|cards?|chips?"
    r"|accelerators?)"
)

_ADJ: Final = (
    r"(?:(?:x|×|of|the|those|these|your|more|new|nvidia|amd|spare|our|POOL|big|whole|full|-"
    r"|dedicated|individual|free) ){0,3}"
)

_NODE: Final = r"(?:nodes?|servers?|machines?|hosts?|boxes|box|knoten|nodos?|noeuds?)"
_TIMES: Final = re.compile(r"\bNUM (?:x|×|\*|times) NUM\b")
_NODES_OF: Final = re.compile(
    rf"\b(NUM|a) (?:(?:full|whole|entire|complete) )?(?:GPU )?{_NODE}(?: (?:with|of|x|a|,|at))* NUM {_ADJ}(?:{DEVICE}(?: each)?"
    rf"|each|per)\b"
)
_NODES: Final = re.compile(rf"(?:\b(NUM|a) )?(?:(?:full|whole|entire|complete|x) )*(?:GPU )?\b{_NODE}\b")
_BESIDE: Final = re.compile(
    rf"\bNUM {_ADJ}{DEVICE}\b(?! (?:- )?(?:hour|day|minute|week)\b)|\bNUM more\b"
    rf"|\b{DEVICE} (?:(?:x|×|times|:|=|\*|\() )?NUM\b(?! (?:x|×|replicas|%|percent|people))"
    rf"|\b(?:gpu_?count|count|qty|quantity|number|anzahl|cantidad|nombre)(?: of gpus)? (?:(?:[:=]|is) )?NUM\b"
)
_ARTICLE: Final = re.compile(
    rf"\ba {_ADJ}{DEVICE}\b(?! (?:nodes?|servers?|machines?|pools?|request|quota|job|cluster))"
)
_ALONE: Final = re.compile(r"(?:^|(?<=[,;:/|(] ))NUM(?= [,;.:/|)]|$)")
_CORRECTED: Final = re.compile(
    r"\b(?:no|nope|sorry|actually|rather|wait|hold on|oops|correction|(?:make|let's make|change) (?:it"
    r"|that)(?: to)?|i mean|i meant|instead)(?: [,.:!])* (?:only |just |to |rather |maybe |about )?"
    r"(?:(?:no|sorry|actually|rather|make (?:it|that)|wait|let's say|i mean|to|only|just|use"
    r"|let's|have|take|i|we|need|want|want|that's|that|is) (?:, )?){0,4}NUM\b(?! (?:replicas"
    r"|percent|%|:|people|am|pm))"
)
_VAGUE: Final = re.compile(
    rf"\bvague (?:(?:of|the|more|nvidia) ){{0,3}}{DEVICE}|\b{DEVICE} vague\b"
    rf"|\bNUM(?: \+)? (?:-|to|or|until|/) NUM {_ADJ}(?:{DEVICE}|{_NODE})|\bbetween NUM and NUM\b"
    rf"|{DEVICE} (?:x )?NUM (?:-|to|or) NUM\b"
    rf"|\bhalf(?: (?:a|of|the)){{0,2}} {DEVICE}|\bVERSION {_ADJ}{DEVICE}|\b(?:at least|minimum"
    rf"|min|minimum of|more than|(?<!hand )over|>|>=|less than|<) NUM {_ADJ}{DEVICE}"
    rf"|\bNUM \+ {_ADJ}{DEVICE}|\ba half {DEVICE}|\b(?:hundreds|thousands|millions|dozens|tons"
    rf"|loads) of {_ADJ}{DEVICE}|\b[1-9] ?/ ?[1-9] (?:of )?{DEVICE}"
)
_EACH_OF: Final = re.compile(
    r"\beach (?:of )?(?:(?:the|our|us|my|of|for) ){0,2}NUM\b|\bfor NUM (?:people|persons|users"
    r"|of us|students|interns|engineers|colleagues|researchers|members|teams)\b[^.;]{0,40}\beach\b"
    r"|\beach for NUM\b|\bNUM (?:people|persons|users|of us|students|interns|engineers|colleagues"
    r"|researchers|members)\b[^.;]{0,40}\beach\b"
)

_MOST: Final = 1e15
_OWNED: Final = re.compile(
    r"\b(?:have|has|got|hold|running|using)\b[^,.;]{0,40}\balready\b|\balready (?:have|has|got|hold|running|using)\b[^,.;]{0,40}"
)
_DOZEN: Final = 12.0
_EACH: Final = re.compile(r"\beach\b")


@dataclass(frozen=True, slots=True)
class Count:
    """A number of devices; `value` None with `said` is one that cannot be used, with neither nothing was said."""

    value: int | None = None
    said: str = ""
    choices: tuple[int, ...] = ()
    corrected: bool = False


def mark_numbers(tokens: Sequence[Token]) -> list[Token]:
    """Return the tokens with numbers of several words made one: "two hundred", "a couple of", "two dozen"."""
    marked: list[Token] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        halved = _half_dozen(tokens, at)
        if halved:
            marked.append(Token(token.start, tokens[halved - 1].end, "num", "NUM", 6.0, token.glued))
            at = halved
            continue
        scaled = token.pivot == "a" and at + 1 < len(tokens) and tokens[at + 1].scale
        found = amount_at(tokens, at) if token.kind == "num" or scaled else None
        if found is None or found[0] is None:
            marked.append(token)
            at += 1
            continue
        value, after = found
        marked.append(Token(token.start, tokens[after - 1].end, "num", "NUM", value, token.glued))
        at = after
    return marked


def _half_dozen(tokens: Sequence[Token], at: int) -> int:
    """Return the index after "half a dozen", 0 when it does not stand here."""
    if tokens[at].pivot == "a":
        at += 1
    if at + 1 >= len(tokens) or tokens[at].pivot != "half":
        return 0
    dozen = at + (2 if tokens[at + 1].pivot == "a" else 1)
    return dozen + 1 if dozen < len(tokens) and tokens[dozen].scale and tokens[dozen].value == _DOZEN else 0


def count_of(skeleton: Skeleton, per_node: int | None, folded: str) -> Count:
    """Return how many devices the sentence asks for.

    Args:
        per_node: devices of a node of the type that was named, None when types with different nodes are candidates.
        folded: the text, for the words of what cannot be used.
    """
    vague = _VAGUE.search(skeleton.text) or _negative(skeleton)
    if vague:
        first, last = skeleton.index(vague.start()), skeleton.index(vague.end() - 1)
        return Count(said=folded[skeleton.tokens[first].start : skeleton.tokens[last].end])
    if _EACH.search(skeleton.text) and not _EACH_OF.search(skeleton.text) and not _NODES_OF.search(skeleton.text):
        return Count(said="each")
    found = list(_candidates(skeleton, per_node))
    choice = choose(skeleton, found)
    if choice.values:
        return Count(choices=tuple(int(each) for each in choice.values if each < _MOST))
    if choice.value is None:
        return Count(said=choice.said)
    value = choice.value * _each(skeleton)
    if value != int(min(value, _MOST)) or value < 0:
        return Count(said=f"{value:g}" if value < _MOST else "a number without end")
    return Count(value=int(value), corrected=choice.corrected)


def _negative(skeleton: Skeleton) -> re.Match[str] | None:
    match = re.search(r"(?:^|(?<= ))- NUM\b", skeleton.text)
    if match is None:
        return None
    index = skeleton.index(match.start())
    tokens = skeleton.tokens
    return match if tokens[index + 1].glued and not tokens[index].glued else None


def _candidates(skeleton: Skeleton, per_node: int | None) -> Iterator[tuple[int, float | None]]:
    """Yield (token index, value) of each quantity of devices; a longer pattern hides the shorter ones in it."""
    taken: set[int] = set()
    text = skeleton.text
    for match in _TIMES.finditer(text):
        yield from _take(skeleton, match, taken, _product(skeleton, match))
    for match in _NODES_OF.finditer(text):
        yield from _take(skeleton, match, taken, _product(skeleton, match))
    for match in _NODES.finditer(text):
        if match.group(1) or re.search(r"(?:^|[,;:] )(?:GPU )?" + _NODE, text[: match.end()][-40:]):
            number = _numbers(skeleton, match) or [1.0]
            yield from _take(skeleton, match, taken, None if per_node is None else number[0] * per_node)
    taken |= _of_others(skeleton)
    for pattern in (_BESIDE, _CORRECTED, _ALONE):
        for match in pattern.finditer(text):
            at = _numbers_at(skeleton, match)[-1:] if pattern is _CORRECTED else _numbers_at(skeleton, match)[:1]
            if at and not taken & set(at):
                taken |= set(at)
                yield at[0], float(skeleton.tokens[at[0]].value)
    for match in _ARTICLE.finditer(text):
        index = skeleton.index(match.start())
        if index not in taken:
            taken.add(index)
            yield index, 1.0


def _of_others(skeleton: Skeleton) -> set[int]:
    """Numbers of what somebody has already, and of people: no devices that are asked for."""
    owned = {at for match in _OWNED.finditer(skeleton.text) for at in _numbers_at(skeleton, match)}
    return owned | {_people(skeleton, match) for match in _EACH_OF.finditer(skeleton.text)}


def _take(
    skeleton: Skeleton, match: re.Match[str], taken: set[int], value: float | None
) -> Iterator[tuple[int, float | None]]:
    covered = set(range(skeleton.index(match.start()), skeleton.index(match.end() - 1) + 1))
    if not taken & covered:
        taken |= covered
        yield min(covered), value


def _numbers_at(skeleton: Skeleton, match: re.Match[str]) -> list[int]:
    first, last = skeleton.index(match.start()), skeleton.index(match.end() - 1)
    return [at for at in range(first, last + 1) if skeleton.tokens[at].kind == "num"]


def _numbers(skeleton: Skeleton, match: re.Match[str]) -> list[float]:
    return [float(skeleton.tokens[at].value) for at in _numbers_at(skeleton, match)]


def _product(skeleton: Skeleton, match: re.Match[str]) -> float:
    product = 1.0
    for value in _numbers(skeleton, match):
        product *= value
    return product


def _each(skeleton: Skeleton) -> float:
    """How many people get as many each, 1 when none are counted."""
    match = _EACH_OF.search(skeleton.text)
    return float(skeleton.tokens[_people(skeleton, match)].value) if match else 1.0


def _people(skeleton: Skeleton, match: re.Match[str]) -> int:
    """The index of the number of people: it stands first in "3 people, 2 GPUs each", last in "2 for each of 3"."""
    return _numbers_at(skeleton, match)[-1 if match.group().startswith("each") else 0]
