"""Questions to the desk: how to use it, why it decided, whether a model is fit, where a request stands."""

from __future__ import annotations

import re
from typing import Final

from bot.intake.grammar.skeleton import Skeleton

HELP: Final = re.compile(
    r"^(?:please |hi |hello |hey |, )*(?:help|commands?|usage|\?|manual|instructions)(?: me)?(?: please)?(?: [?.!])*$"
    r"|^(?:please |hi |hello |hey |, |and |so |ok )*how (?:do|can|does|would|should|to)(?! (?:.*)\bID\b)\b(?!.*\b(?:used"
    r"|cost)\b)"
    r"|\bwhat (?:can|could) (?:you|i|we|this|the bot)(?: \w+)? (?:do|help|ask|say|request|type"
    r"|handle)|\bwhat are you able|\bwhat do you do\b"
    r"|\b(?:which|what|list|show|available) (?:\w+ ){0,3}(?:commands|options|features|examples)\b"
    r"|\bhow (?:this|it|you) works?\b"
    r"|\bhelp (?:me )?(?:with|using|understand)\b|\b(?:need|want|show|get)(?: \w+)? help\b|\bhow (?:i"
    r"|we|you)\b|\bhelp\b [?!.]*$|\bhow (?:get|extend|release|approve|deploy|reserve|request"
    r"|cancel|read)\b"
)
WHY: Final = re.compile(
    r"\bwhy\b|\bhow come\b|\b(?:which|what) (?:\w+ )?(?:rules?|polic(?:y|ies))\b|\bam i (?:even "
    r"|still )?(?:allowed|permitted|entitled|authori[sz]ed)|\bare we (?:even )?(?:allowed|permitted"
    r"|entitled)"
    r"|\b(?:allowed|permitted|entitled|authorised|authorized|eligible) (?:to|for)\b|\bis (?:it"
    r"|that|this) (?:allowed|permitted|ok|okay)\b|\bmay (?:i|we)\b(?! (?:have|get|please|reserve"
    r"|book))"
    r"|\bstop(?:s|ping|ped)? (?:me|us)\b|\b(?:keeps|prevents|blocks|blocking|prevent|preventing) (?:me"
    r"|us)\b|\b(?:would|will|does|do|did)\b.{0,60}\b(?:need|require|needs) .{0,30}(?:approv\w*"
    r"|sign|ok from|permission)"
    r"|\b(?:need|require)s? (?:an? |any )?(?:approval|sign-off|permission) (?:for|to)\b|\b(?:quota"
    r"|allowance|entitlement|budget limit)\b|\b(?:my|our|the|a|gpu|hour) limits?\b|\bhow (?:many"
    r"|much)\b.{0,50}\b(?:allowed|may i|can i|could i|can we|am i|limit|max|at most)"
    r"|\bwhat (?:if|happens if|would happen)\b|\b(?:suppose|hypothetically|in theory|theoretically)\b"
    r"|\bwhat'?s? (?:is )?(?:the |my )?(?:max|maximum|reason)|\breason\b.*\bID\b|\bID\b.*\breason\b"
    r"|\bexplain\b.*\b(?:ID|decision|denial|rule|policy)"
    r"|\bwhat does (?:the )?policy\b|\bpolicy (?:say|says|on|for|about|behind)\b|\bwhat (?:are"
    r"|is) the (?:rules?|policy|limits?)|\bwould i be (?:able|allowed)|\bwould (?:it|that|this) be (?:allowed"
    r"|denied|approved|ok|possible)|\bgrounds? (?:for|was|is)|\bon what basis|\bdo i have (?:permission"
    r"|the right|access)"
    r"|\bcan (?:i|we) use (?:the )?POOL\b"
    r"|\bwho (?:would|needs? to|must|has to|do i need|decides|can) (?:have to )?(?:to )?(?:approve"
    r"|sign)\b(?!.*\bID\b)"
)
READY: Final = re.compile(
    r"\bready\b|\bfit (?:for|to|enough)\b|\bpre-?flight\b|\breadiness\b|\bpass(?:ed|es|ing)?\b.*\b(?:gates?"
    r"|evals?|checks?|tests?|bar|evaluation)|\b(?:gates?|evals?|evaluations?|model card|checks"
    r"|scorecard)\b"
    r"|\bgood (?:to go|enough)\b|\bsafe to (?:ship|deploy|release|go|promote|roll)|\b(?:cleared"
    r"|green|validated|certified|mature|production-grade|production grade|shippable|qualified)\b"
    r"|\bis\b.*\bgood for\b|\bcan\b MODEL .*\bgo (?:to )?ENV|\bquality (?:gates?|bar)"
)
_RAN: Final = r"(?:ran|(?:was|were|is|are) (?:running|live|ENV|serving|answering)|runs|served|serves|answered|answers)"
_OF_MODEL: Final = r"(?: (?:of|for|from|de|du) (?:the )?MODEL)"
_KIND: Final = r"(?: (?:versions?|models?|weights))"
RAN: Final = re.compile(
    rf"^(?:(?:so|and|hey|hi|please|,|¿) )*(?:what|which)(?:{_KIND}?{_OF_MODEL}?(?: (?:qui|que|that))? {_RAN}\b.*\b(?:ENV|MODEL)\b"
    rf"|{_KIND}{_OF_MODEL} {_RAN}\b)"
)
"""What answered somewhere, now or then."""
STATUS: Final = re.compile(
    r"\bstatus\b|\bwhere (?:is|are|does|do|did)\b.*\b(?:ID|request|requests|stand|booking|approval)\b"
    r"|\bwhere's\b|\bwhat(?:'s| is| about| happened| became)\b[^.;]{0,25}\b(?:ID|my request"
    r"|my booking|with my)\b|\b(?:any|an|some) (?:news|update|updates|progress|word)\b|\bupdate on\b"
    r"|\bprogress (?:of|on)\b|\bhow (?:is|are|about|long|much time|far)\b.*\b(?:ID|my|left|remaining"
    r"|request)\b|\bwhen (?:does|do|will|is|are|would)\b.*\b(?:ID|my|expire|expires|end|ends"
    r"|run out|over|mine|access|lease|it)\b"
    r"|\bID (?:already )?(?:is|was|has)(?: been)? (?:already )?(?:approved|denied|signed)[^.]*\?"
    r"|\b(?:did|has|have|was|is|are|were)\b[^.;]{0,30}\bID\b[^.;]{0,40}\b(?:approved|signed"
    r"|denied|granted|through|done|yet|ready|live|running|pending|accepted|waiting|active|open"
    r"|expired|deployed|processed|already|still)\b|\b(?:did|has|have)\b (?:anyone|anybody|someone"
    r"|somebody|my lead|USER|the lead|\w+)\b[^.;]{0,30}\b(?:approve|sign|approved|signed|look"
    r"|looked|seen)\b[^.;]{0,30}\bID\b|\bwho (?:still |else |now )?(?:may|could|must|has|have|needs?|should"
    r"|is|can|will|still|hasn't)\b[^.;]{0,40}\b(?:sign|approve|approved|signed|approving|blocking"
    r"|left|missing)\b[^.;]{0,20}\bID\b"
    r"|\b(?:show|list|display|see|view|what are|which|give me)\b[^.;]{0,20}\b(?:my|our|open"
    r"|active|mine)\b(?: \w+){0,2} (?:requests?|allocations?|bookings?|reservations?|gpus?|approvals?"
    r"|grants?|jobs?|deployments?|access)\b|\bmy (?:open |active |pending |current |running "
    r"|latest |last )*(?:requests|allocations|bookings|reservations|grants)\b(?! (?:to|for))"
    r"|\bwhat (?:do|have) (?:i|we) (?:currently |still )?(?:have|got|running|hold|reserved|booked"
    r"|open|requested)\b|\bdo (?:i|we) (?:still |currently )?have\b[^.;]{0,30}\b(?:running|open"
    r"|pending|booked|active|left)\b|\bis\b[^.;]{0,20}\b(?:my|our)\b[^.;]{0,25}\b(?:approved"
    r"|ready|live|pending|through|active|expired|waiting|still)\b|\b(?:expiry|expiration|expires?)\b"
    r"|\bSTATE\b|\bstate of\b|\bstill (?:pending|waiting|open)\b|\bwaiting (?:on|for)\b.*\bID\b"
    r"|^(?:and |so |, )*ID(?: [?.!])*$|\bcheck (?:on )?(?:ID|my request)\b|\bhow much time\b"
)
_ORDERED: Final = re.compile(r"^(?:please )?(?:deploy|ship|roll|promote)\b")

_ASKED_IF: Final = re.compile(r"^(?:¿ )?(?:is|are|has|did|does|was) .*\?")


def asks_readiness(clause: Skeleton) -> bool:
    """Return whether it is asked if a model is fit; an order to deploy it is no question."""
    asked = clause.has(READY) or clause.has(_ASKED_IF)
    return asked and "MODEL" in clause.text and not clause.has(_ORDERED)
