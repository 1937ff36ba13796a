"""Votes, the strictest reading: only a plain, unconditional, present statement about an id approves or denies."""

from __future__ import annotations

import re
from typing import Final

from bot.intake.grammar.cues.negation import NOT
from bot.intake.grammar.cues.questions import WHY
from bot.intake.grammar.cues.requests import CANCEL, RELEASE, SHORTEN
from bot.intake.grammar.skeleton import Skeleton
from bot.intake.reading import Intent

_ASKS_WHO: Final = (
    r"(?:who|whom|whose|which|what|did|has|have|had|was|were|is|are|am|when|should|could|can"
    r"|would|will|do|does|may|must|shall|where|how|anyone|anybody|someone|somebody|get|ask|remind"
    r"|tell|ping|nudge|request|need|want|waiting|pending|once|after|before|if|unless|until|because"
    r"|since|seems|says|said|told|thinks|lead|they|he|she|boss|manager|team)"
)
_ASKED: Final = re.compile(
    rf"\?|^(?:please |hey |hi |so |and |, )*{_ASKS_WHO}\b|\b(?:get|ask|remind|tell|ping|have"
    rf"|need|want|waiting|wait) \w+ ?\w* ?(?:approv|sign|to approve|to sign)"
)
_VOTE_FOR: Final = re.compile(
    r"^(?:please |hi |hey |ok |okay |yes |, |: |- |! |USER |i |we |can |then |now |also |and "
    r"|hereby |happily |sure |@ |thanks |great |looks good |i'd like to |i would like to |i'll "
    r"|i will |i'm |i am |you |may |that |alright |right ){0,5}"
    r"(?:approve|approving|greenlight|green light|green-light|sign off|sign-off|signing off"
    r"|sign|thumbs up|lgtm|ok|okay|accept|authorise|authorize|go ahead|yes|happy|fine|good|\+ NUM"
    r"|agree|agreed|endorse|grant|no objections?|you have my approval|my approval|approved|give (?:the )?(?:green light"
    r"|go-ahead|thumbs up|my ok)|have my (?:approval|ok|blessing))\b"
    r"[^.;?]{0,25}\bID\b|^(?:, |: |please )*ID (?:(?:is |: |, |- |gets? |has |from )?(?:my "
    r"|the |a |me )?)?(?:approve|approved|lgtm|ok|okay|green light|thumbs up|looks good|is fine"
    r"|fine by me|ok with me|go ahead|yes|\+ NUM|good to go|fine)\b(?! (?:by (?!me)|yet|already"
    r"|last|yesterday|PERIOD|WHEN))|^(?:, )*i (?:approve|am ok with|am fine with) .{0,15}\bID\b"
)
_DENY: Final = re.compile(
    r"\b(?:deny|denying|decline|reject|rejecting|turn down|turning down|refuse|veto|block|disapprove"
    r"|thumbs down|no to|no for|no go for|not ok with|object to|vote against|against)\b[^.;?]{0,25}\bID\b"
    r"|\bID\b[^.;?]{0,25}\b(?:deny|decline|reject|veto|thumbs down|no go|is a no|disapprove"
    r"|turn (?:it )?down)\b|^(?:, )*(?:no|nope)(?: ,)? ID\b|^ID (?:, |: |- )?(?:no|nope|rejected"
    r"|denied|declined)\b(?! by)"
    r"|\bturn ID down\b|\bID deny\b|\bshoot ID down\b"
)
_NOT_APPROVE: Final = re.compile(
    rf"\b{NOT}\b[^.;?]{{0,30}}\b(?:approve|approved|approving|sign off|sign|accept|authorise"
    rf"|authorize|greenlight|green light|grant|granted|go ahead|let|support|ok|happy|fine|agree)\b[^.;?]{{0,30}}\bID\b"
    rf"|\bID\b[^.;?]{{0,30}}\b{NOT}\b[^.;?]{{0,20}}\b(?:approve|approved|accept|accepted|granted"
    rf"|sign|signed|ok|acceptable|go ahead|go through|authorise|authorize)\b|\bID\b approve not\b"
    rf"|\bapprove (?:the )?(?:request )?ID not\b"
)
_NOT_DENY: Final = re.compile(
    rf"\b{NOT}\b[^.;?]{{0,20}}\b(?:deny|decline|reject|turn down|veto|refuse|block|cancel|release"
    rf"|withdraw|extend|shorten)\b|\b{NOT} (?:\w+ )?(?:end|stop|terminate|kill|return|free|hand back|give back|cut)\b"
)
_SWEEPING: Final = re.compile(r"\b(?:all|everything|every|except|but|anything|both|other|others|rest|pending ones)\b")
_CONDITION: Final = re.compile(
    r"\b(?:if|unless|provided|assuming|as long as|only when|once|when|wenn|falls|si|solange"
    r"|sofern|in case)\b"
)


def vote(clause: Skeleton) -> Intent | None:
    """Return approve or deny for a plain vote on an id, OTHER for words that only look like one."""
    if "ID" not in clause.text:
        return None
    if clause.has(_NOT_DENY):
        return Intent.OTHER if any(map(clause.has, (_DENY, RELEASE, CANCEL, SHORTEN))) else None
    asked = clause.has(_ASKED)
    if clause.has(_NOT_APPROVE) and not asked and not clause.has(WHY):
        return Intent.OTHER if clause.has(_SWEEPING) else Intent.REQUEST_DENY
    for pattern, intent in ((_DENY, Intent.REQUEST_DENY), (_VOTE_FOR, Intent.REQUEST_APPROVE)):
        if clause.has(pattern) and not clause.has(WHY) and not asked:
            return Intent.OTHER if clause.has(_SWEEPING) or clause.has(_CONDITION) else intent
    return None
