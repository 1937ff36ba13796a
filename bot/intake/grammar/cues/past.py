"""Questions about the past and other people, and the export of what is known about it."""

from __future__ import annotations

import re
from typing import Final

from bot.intake.grammar.skeleton import Skeleton
from bot.intake.reading import Intent

_EXPORT: Final = re.compile(
    r"\b(?:export|exports|exported|exporting|download|dump|extract|csv|jsonl|ocsf|parquet|pdf"
    r"|xlsx|excel|spreadsheet|ndjson|cef|json|file|bundle|evidence bundle)\b"
)
_AUDIT_NOUN: Final = re.compile(
    r"\b(?:audit|audits|trail|log|logs|logbook|events?|history|records?|entries|decisions?|approvals?"
    r"|denials?|ledger|accesses|activity|activities|changes|deployments?|requests|usage|report"
    r"|evidence|actions|grants|bundle|everything|rejections?|rollbacks?|overview)\b"
)
_AUDIT: Final = re.compile(
    r"\b(?:who|whom|whose|by whom)\b(?!.*\b(?:must|should|can i|do i|needs? to|has to|still"
    r"|would)\b).*|\bwhat (?:did|has|have|had|was|were)\b.*\b(?:USER|TEAM|team|he|she|they|people"
    r"|everyone|i|we|been|approved|denied|deployed|granted|changed|requested|happened)\b|\baudit\b"
    r"|\bhow (?:many|much|often)\b.*\b(?:did|was|were|has|have|used|consumed|requested|approved"
    r"|denied|deployed|granted|spent|burn\w*|PERIOD|SINCE|WINDOW)\b|\b(?:history|trail|log|logs"
    r"|record|timeline) (?:of|for|from|about)\b|\baccesses\b|\b(?:changes|deployments|approvals"
    r"|denials|requests|decisions|rejections|actions|events|activity|grants|usage|entries|rollbacks)\b.*\b(?:PERIOD"
    r"|SINCE|WINDOW|WHEN|USER|TEAM|by|of|from)\b|\b(?:PERIOD|WHEN) (?:' s |'s |s )?(?:\w+ )?(?:changes"
    r"|deployments|approvals|denials|requests|decisions|rejections|activity|usage|events|actions)\b"
    r"|\b(?:everything|anything|all) (?:that )?(?:USER|TEAM|team)\b|\b(?:list|show|give me|see"
    r"|get)\b[^.;]{0,30}\b(?:all|every|everything|everyone's|who|denied|approved|deployments"
    r"|approvals|denials|decisions|actions|activity|access(?:es)?|requests)\b.*\b(?:PERIOD|SINCE"
    r"|WINDOW|USER|TEAM|yesterday|by|of)\b|\b(?:used|consumed|spent|accessed|deployed|approved"
    r"|denied|touched|requested|booked|read|wrote|changed|done|did|do)\b.*\b(?:PERIOD|SINCE)\b.*\?"
    r"|\b(?:did|has|have)\b (?:anyone|anybody|someone|somebody|USER|TEAM)\b|\bgpu[- ]?hours?\b.*\b(?:PERIOD"
    r"|SINCE|WINDOW|used|TEAM|team)\b|\bused by\b|\bUSER\b.*\b(?:PERIOD|SINCE|WINDOW)\b|\bgpu usage\b"
    r"|\busage (?:of|by|for)\b"
)
PAST_REPORT: Final = re.compile(
    r"^(?:fyi |btw |, |so |and |hey |hi |just |ok |thanks |thx )*(?:i|we|they|he|she|someone"
    r"|somebody|USER|my (?:lead|team|boss)|the team|yesterday|PERIOD|WHEN)(?: (?:i|we|just|already"
    r"|have|had|has|finally|successfully|also|then|all|were|was|USER|,)){0,3} "
    r"(?:deployed|used|booked|reserved|requested|released|cancelled|canceled|got|had|ran|read"
    r"|shipped|rolled|approved|denied|extended|finished|asked|received|trained|queried|returned"
    r"|tried|broke|crashed|went|saw|talked|met|promoted|put|returned|lost|loved|wrote|burned"
    r"|burnt|paid)\b(?! for)"
    r"|\b(?:was|were|has been|have been|got) (?:deployed|released|approved|shipped|great|awesome"
    r"|down|broken|slow|fun|cancelled|canceled)\b"
)
_TIME: Final = re.compile(r"\b(?:PERIOD|SINCE|WINDOW|WHEN|ago|ever|so far|recently|lately)\b")
_STRETCH: Final = re.compile(r"\b(?:PERIOD|SINCE|WINDOW)\b")
_EVIDENCE: Final = re.compile(
    r"\b(?:who|whom|audit|how many|how much|PERIOD|SINCE|history|accesses|what (?:did|has|was|have))\b"
)
_VOTER: Final = re.compile(r"\bwho (?:can|could|may|will|must|should|still|has to|needs? to)\b.*\bID\b")


def looks_back(clause: Skeleton) -> bool:
    """Return whether the clause may be about the past; "who can approve REQ-1" is about what is to come."""
    return clause.has(_EXPORT) or (clause.has(_EVIDENCE) and not clause.has(_VOTER))


def asks_past(clause: Skeleton) -> Intent | None:
    """Return audit.export or audit.query for questions about the past and other people."""
    if clause.has(_EXPORT) and _of_records(clause):
        return Intent.AUDIT_EXPORT
    return Intent.AUDIT_QUERY if clause.has(_AUDIT) else None


def _of_records(clause: Skeleton) -> bool:
    """Whether an export is one of records; a data set's own dump is a wish for data."""
    if clause.has(_AUDIT_NOUN):
        return True
    if clause.named("datasets"):
        return clause.has(_STRETCH)
    return clause.has(_TIME) or bool(clause.named("users"))
