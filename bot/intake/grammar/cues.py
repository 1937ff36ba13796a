"""Sixth phase: what a clause wants. Ordered evidence over the skeleton; the first rule that holds decides.

Votes are the strictest: only a plain, unconditional, present statement with a request's id approves or denies.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from bot.intake.grammar.skeleton import Skeleton
from bot.intake.reading import Intent

Rule = Callable[[Skeleton], Intent | None]


def _re(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


NOT: Final = r"(?:not|don't|dont|doesn't|never|can't|cannot|cant|couldn't|won't|mustn't|shouldn't|isn't|wouldn't|ne|no longer|unable to|refuse to)"
_HELP: Final = _re(
    r"^(?:please |hi |hello |hey |, )*(?:help|commands?|usage|\?|manual|instructions)(?: me)?(?: please)?(?: [?.!])*$"
    r"|^(?:please |hi |hello |hey |, |and |so |ok )*how (?:do|can|does|would|should|to)(?! (?:.*)\bID\b)\b(?!.*\b(?:used|cost)\b)"
    r"|\bwhat (?:can|could) (?:you|i|we|this|the bot)(?: \w+)? (?:do|help|ask|say|request|type|handle)|\bwhat are you able|\bwhat do you do\b"
    r"|\b(?:which|what|list|show|available) (?:\w+ ){0,3}(?:commands|options|features|examples)\b|\bhow (?:this|it|you) works?\b"
    r"|\bhelp (?:me )?(?:with|using|understand)\b|\b(?:need|want|show|get)(?: \w+)? help\b|\bhow (?:i|we|you)\b|\bhelp\b [?!.]*$|\bhow (?:get|extend|release|approve|deploy|reserve|request|cancel|read)\b"
)
_WHY: Final = _re(
    r"\bwhy\b|\bhow come\b|\b(?:which|what) (?:\w+ )?(?:rules?|polic(?:y|ies))\b|\bam i (?:even |still )?(?:allowed|permitted|entitled|authori[sz]ed)|\bare we (?:even )?(?:allowed|permitted|entitled)"
    r"|\b(?:allowed|permitted|entitled|authorised|authorized|eligible) (?:to|for)\b|\bis (?:it|that|this) (?:allowed|permitted|ok|okay)\b|\bmay (?:i|we)\b(?! (?:have|get|please|reserve|book))"
    r"|\bstop(?:s|ping|ped)? (?:me|us)\b|\b(?:keeps|prevents|blocks|blocking|prevent|preventing) (?:me|us)\b|\b(?:would|will|does|do|did)\b.{0,60}\b(?:need|require|needs) .{0,30}(?:approv\w*|sign|ok from|permission)"
    r"|\b(?:need|require)s? (?:an? |any )?(?:approval|sign-off|permission) (?:for|to)\b|\b(?:quota|allowance|entitlement|budget limit)\b|\b(?:my|our|the|a|gpu|hour) limits?\b|\bhow (?:many|much)\b.{0,50}\b(?:allowed|may i|can i|could i|am i|limit|max)"
    r"|\bwhat (?:if|happens if|would happen)\b|\b(?:suppose|hypothetically|in theory|theoretically)\b|\bwhat'?s? (?:is )?(?:the |my )?(?:max|maximum|reason)|\breason\b.*\bID\b|\bID\b.*\breason\b|\bexplain\b.*\b(?:ID|decision|denial|rule|policy)"
    r"|\bwhat does (?:the )?policy\b|\bpolicy (?:say|says|on|for|about|behind)\b|\bwhat (?:are|is) the (?:rules?|policy|limits?)|\bwould i be (?:able|allowed)|\bwould (?:it|that|this) be (?:allowed|denied|approved|ok|possible)|\bgrounds? (?:for|was|is)|\bon what basis|\bdo i have (?:permission|the right|access)"
    r"|\bwho (?:would|needs? to|must|has to|do i need|decides|can) (?:have to )?(?:to )?(?:approve|sign)\b(?!.*\bID\b)"
)
_READY: Final = _re(
    r"\bready\b|\bfit (?:for|to|enough)\b|\bpre-?flight\b|\breadiness\b|\bpass(?:ed|es|ing)?\b.*\b(?:gates?|evals?|checks?|tests?|bar|evaluation)|\b(?:gates?|evals?|evaluations?|model card|checks|scorecard)\b"
    r"|\bgood (?:to go|enough)\b|\bsafe to (?:ship|deploy|release|go|promote|roll)|\b(?:cleared|green|validated|certified|mature|production-grade|production grade|shippable|qualified)\b|\bis\b.*\bgood for\b|\bcan\b MODEL .*\bgo (?:to )?ENV|\bquality (?:gates?|bar)"
)
_ASKS_WHO: Final = r"(?:who|whom|whose|which|what|did|has|have|had|was|were|is|are|am|when|should|could|can|would|will|do|does|may|must|shall|where|how|anyone|anybody|someone|somebody|get|ask|remind|tell|ping|nudge|request|need|want|waiting|pending|once|after|before|if|unless|until|because|since|seems|says|said|told|thinks|lead|they|he|she|boss|manager|team)"
_ASKED: Final = _re(rf"\?|^(?:please |hey |hi |so |and |, )*{_ASKS_WHO}\b|\b(?:get|ask|remind|tell|ping|have|need|want|waiting|wait) \w+ ?\w* ?(?:approv|sign|to approve|to sign)")
_APPROVE: Final = r"(?:approve|approving|greenlight|green light|green-light|sign off|sign-off|signing off|sign|thumbs up|lgtm|ok|okay|accept|authori[sz]e|go ahead|yes|happy with|fine with|good with|fine by me|\+ ?1|NUM|let it run|let it go|let it through|ok with|agree|agreed|endorse|grant|wave through|no objections?|you have my approval|my approval|ship)"
_VOTE_FOR: Final = _re(
    rf"^(?:please |hi |hey |ok |okay |yes |, |: |- |! |USER |i |we |can |then |now |also |and |hereby |happily |sure |@ |thanks |great |looks good |i'd like to |i would like to |i'll |i will |i'm |i am |you |may |that |alright |right ){{0,5}}"
    r"(?:approve|approving|greenlight|green light|green-light|sign off|sign-off|signing off|sign|thumbs up|lgtm|ok|okay|accept|authorise|authorize|go ahead|yes|happy|fine|good|\+ NUM|agree|agreed|endorse|grant|no objections?|you have my approval|my approval|approved|give (?:the )?(?:green light|go-ahead|thumbs up|my ok)|have my (?:approval|ok|blessing))\b"
    r"[^.;?]{0,25}\bID\b|^(?:, |: |please )*ID (?:(?:is |: |, |- |gets? |has |from )?(?:my |the |a |me )?)?(?:approve|approved|lgtm|ok|okay|green light|thumbs up|looks good|is fine|go ahead|yes|\+ NUM|good to go|fine)\b(?! (?:by|yet|already|last|yesterday|PERIOD|WHEN))|^(?:, )*i (?:approve|am ok with|am fine with) .{0,15}\bID\b"
)
_DENY: Final = _re(
    r"\b(?:deny|denying|decline|reject|rejecting|turn down|turning down|refuse|veto|block|disapprove|thumbs down|no to|no for|no go for|not ok with|object to|vote against|against)\b[^.;?]{0,25}\bID\b"
    r"|\bID\b[^.;?]{0,25}\b(?:deny|decline|reject|veto|thumbs down|no go|is a no|disapprove|turn (?:it )?down)\b|^(?:, )*(?:no|nope)(?: ,)? ID\b|^ID (?:, |: |- )?(?:no|nope|rejected|denied|declined)\b(?! by)"
    r"|\bturn ID down\b|\bID deny\b|\bshoot ID down\b"
)
_NOT_APPROVE: Final = _re(
    rf"\b{NOT}\b[^.;?]{{0,30}}\b(?:approve|approved|approving|sign off|sign|accept|authorise|authorize|greenlight|green light|grant|granted|go ahead|let|support|ok|happy|fine|agree)\b[^.;?]{{0,30}}\bID\b"
    rf"|\bID\b[^.;?]{{0,30}}\b{NOT}\b[^.;?]{{0,20}}\b(?:approve|approved|accept|accepted|granted|sign|signed|ok|acceptable|go ahead|go through|authorise|authorize)\b|\bID\b approve not\b|\bapprove (?:the )?(?:request )?ID not\b"
)
_NOT_DENY: Final = _re(rf"\b{NOT}\b[^.;?]{{0,20}}\b(?:deny|decline|reject|turn down|veto|refuse|block|cancel|release|withdraw|extend)\b")
_SWEEPING: Final = _re(r"\b(?:all|everything|every|except|but|anything|both|other|others|rest|pending ones)\b")
_CONDITION: Final = _re(r"\b(?:if|unless|provided|assuming|as long as|only when|once|when|wenn|falls|si|solange|sofern|in case)\b")
_OBJECT: Final = r"(?:my|our|the|that|those|these|this|mine|it|them|current|running)"
_THING: Final = r"(?:GPU|UNKNOWNGPU|gpus?|cards?|bookings?|reservations?|allocations?|requests?|jobs?|access|lease|sessions?|nodes?|grants?|slots?|hold|notebooks?|instances?|permission|deployment|h100s?|TIME|time|window|ones?|DATA)"
_EXTEND: Final = _re(
    rf"\b(?:extend|prolong|lengthen|extension|extending|renew|renewal|stretch|push back|push out)\b|\blonger\b.*(?:\bID\b|\b{_OBJECT} )|\b(?:ID|booking|reservation|allocation)\b.*\blonger\b|\b(?:give|keep|add|need|want|get|have|let|leave|hold|can|bump|increase)\b.*\bID\b.*\b(?:SPAN|UNTIL|NEXT)\b"
    rf"|\b(?:another|more|extra|additional)\b.{{0,20}}\bSPAN\b|\bSPAN (?:more|extra|longer|additional|on top)\b|\b(?:give|add)\b.*\bSPAN\b.*\bID\b|^(?:please |, )*ID (?:for )?(?:UNTIL|SPAN|another SPAN|\+ SPAN|more SPAN)|\bkeep\b.*\b{_THING}\b.*\b(?:UNTIL|SPAN)\b|\badd\b SPAN\b.*\bto\b|\bUNTIL\b.*\binstead\b.*\bID\b|\bID\b.*\b(?:expire|end|finish|run)s?\b.*\b(?:later|UNTIL)\b(?! ago)"
)
_RELEASE: Final = _re(
    rf"\b(?:release|releasing|relinquish|return|returning|free up|freeing up|free|hand back|handing back|handed back|give back|giving back|reclaim|surrender|let go of|drop|shut down|tear down|terminate|end|stop|kill)\b[^.;]{{0,30}}(?:\bID\b|\b{_OBJECT} (?:\w+ )?{_THING}\b)|\b(?:give|hand|giving|handing|send|bring|gib|take)\b[^.;]{{0,40}}\bback\b"
    rf"|\b(?:done|finished|through|complete) with\b[^.;]{{0,20}}(?:\bID\b|{_THING})|\bno longer (?:need|using|use|require)|\b(?:not|don't|dont|doesn't) (?:need|using|use)\b[^.;]{{0,40}}\b(?:anymore|any more|any longer)\b|\bfree again\b|\bID\b[^.;]{{0,20}}\b(?:release|back|can be freed|free|return|finished|is done|done)\b|\b{_THING}\b[^.;]{{0,15}} (?:can be (?:freed|released|returned|reclaimed))|\brelease (?:it|them|mine|ID)\b|\b(?:my|the|our) (?:\w+ )?{_THING}\b[^.;]{{0,10}}\brelease\b"
)
_CANCEL: Final = _re(
    rf"\b(?:cancel|cancelling|canceling|withdraw|withdrawing|retract|revoke|rescind|scrap|abort|forget(?: about)?|nevermind|never mind|pull|pull back|take back|drop|discard|void|scratch|undo|kill|call off|disregard|ignore|delete|remove)\b[^.;]{{0,30}}(?:\bID\b|\b{_OBJECT} (?:\w+ ){{0,2}}(?:request|requests|ask|application|submission|one|booking|reservation)\b)|\bID\b[^.;]{{0,25}}\b(?:cancel|withdraw|retract|scrap|is obsolete|is moot|is off|can go|not needed|isn't needed|not necessary|no longer needed)\b|\b(?:take|pull)\b[^.;]{{0,10}}\bID\b[^.;]{{0,10}}\bback\b|^(?:please |ok |, )*(?:cancel|withdraw)(?: (?:that|it|this|mine|please))*(?: [.!])*$|\bcancel\b.*\b(?:request|mine)\b|\bdon't need\b.*\bID\b|\bback\b.*\bID\b.*\bcancel\b|\b(?:changed my mind|plans changed)\b.*\bID\b"
)
_STATUS: Final = _re(
    r"\bstatus\b|\bwhere (?:is|are|does|do|did)\b.*\b(?:ID|request|requests|stand|booking|approval)\b|\bwhere's\b|\bwhat(?:'s| is| about| happened| became)\b[^.;]{0,25}\b(?:ID|my request|my booking|with my)\b|\b(?:any|an|some) (?:news|update|updates|progress|word)\b|\bupdate on\b|\bprogress (?:of|on)\b|\bhow (?:is|are|about|long|much time|far)\b.*\b(?:ID|my|left|remaining|request)\b|\bwhen (?:does|do|will|is|are|would)\b.*\b(?:ID|my|expire|expires|end|ends|run out|over|mine|access|lease|it)\b"
    r"|\b(?:did|has|have|was|is|are|were)\b[^.;]{0,30}\bID\b[^.;]{0,40}\b(?:approved|signed|denied|granted|through|done|yet|ready|live|running|pending|accepted|waiting|active|open|expired|deployed|processed|already|still)\b|\b(?:did|has|have)\b (?:anyone|anybody|someone|somebody|my lead|USER|the lead|\w+)\b[^.;]{0,30}\b(?:approve|sign|approved|signed|look|looked|seen)\b[^.;]{0,30}\bID\b|\bwho (?:still |else |now )?(?:must|has|have|needs?|should|is|can|will|still|hasn't)\b[^.;]{0,40}\b(?:sign|approve|approved|signed|approving|blocking|left|missing)\b[^.;]{0,20}\bID\b"
    r"|\b(?:show|list|display|see|view|what are|which|give me)\b[^.;]{0,20}\b(?:my|our|open|active|mine)\b(?: \w+){0,2} (?:requests?|allocations?|bookings?|reservations?|gpus?|approvals?|grants?|jobs?|deployments?|access)\b|\bmy (?:open |active |pending |current |running |latest |last )*(?:requests|allocations|bookings|reservations|grants)\b(?! (?:to|for))|\bwhat (?:do|have) (?:i|we) (?:currently |still )?(?:have|got|running|hold|reserved|booked|open|requested)\b|\bdo (?:i|we) (?:still |currently )?have\b[^.;]{0,30}\b(?:running|open|pending|booked|active|left)\b|\bis\b[^.;]{0,20}\b(?:my|our)\b[^.;]{0,25}\b(?:approved|ready|live|pending|through|active|expired|waiting|still)\b|\b(?:expiry|expiration|expires?)\b|\bSTATE\b|\bstate of\b|\bstill (?:pending|waiting|open)\b|\bwaiting (?:on|for)\b.*\bID\b|^(?:and |so |, )*ID(?: [?.!])*$|\bcheck (?:on )?(?:ID|my request)\b|\bhow much time\b"
)
_EXPORT: Final = _re(r"\b(?:export|exports|exported|exporting|download|dump|extract|csv|jsonl|ocsf|parquet|pdf|xlsx|excel|spreadsheet|ndjson|cef|json|file|bundle|evidence bundle)\b")
_AUDIT_NOUN: Final = _re(
    r"\b(?:audit|audits|trail|log|logs|logbook|events?|history|records?|entries|decisions?|approvals?|denials?|ledger|accesses|activity|activities|changes|deployments?|requests|usage|report|evidence|actions|grants|bundle|everything|rejections?|rollbacks?|overview)\b"
)
_PAST_STRETCH: Final = _re(r"\b(?:PERIOD|SINCE|WINDOW|WHEN|yesterday|ago|ever|so far|recently|lately|today)\b")
_AUDIT: Final = _re(
    r"\b(?:who|whom|whose|by whom)\b(?!.*\b(?:must|should|can i|do i|needs? to|has to|still|would)\b).*|\bwhat (?:did|has|have|had|was|were)\b.*\b(?:USER|TEAM|team|he|she|they|people|everyone|i|we|been|approved|denied|deployed|granted|changed|requested|happened)\b|\baudit\b|\bhow (?:many|much|often)\b.*\b(?:did|was|were|has|have|used|consumed|requested|approved|denied|deployed|granted|spent|burn\w*|PERIOD|SINCE|WINDOW)\b|\b(?:history|trail|log|logs|record|timeline) (?:of|for|from|about)\b|\baccesses\b|\b(?:changes|deployments|approvals|denials|requests|decisions|rejections|actions|events|activity|grants|usage|entries|rollbacks)\b.*\b(?:PERIOD|SINCE|WINDOW|WHEN|USER|TEAM|by|of|from)\b|\b(?:PERIOD|WHEN) (?:' s |'s |s )?(?:\w+ )?(?:changes|deployments|approvals|denials|requests|decisions|rejections|activity|usage|events|actions)\b"
    r"|\b(?:everything|anything|all) (?:that )?(?:USER|TEAM|team)\b|\b(?:list|show|give me|see|get)\b[^.;]{0,30}\b(?:all|every|everything|everyone's|who|denied|approved|deployments|approvals|denials|decisions|actions|activity|access(?:es)?|requests)\b.*\b(?:PERIOD|SINCE|WINDOW|USER|TEAM|yesterday|by|of)\b|\b(?:used|consumed|spent|accessed|deployed|approved|denied|touched|requested|booked|read|wrote|changed|done|did|do)\b.*\b(?:PERIOD|SINCE)\b.*\?|\b(?:did|has|have)\b (?:anyone|anybody|someone|somebody|USER|TEAM)\b|\bgpu[- ]?hours?\b.*\b(?:PERIOD|SINCE|WINDOW|used|TEAM|team)\b|\bused by\b|\bUSER\b.*\b(?:PERIOD|SINCE|WINDOW)\b|\bgpu usage\b|\busage (?:of|by|for)\b"
)
_PAST_REPORT: Final = _re(
    r"^(?:fyi |btw |, |so |and |hey |hi |just |ok |thanks |thx )*(?:i|we|they|he|she|someone|somebody|USER|my (?:lead|team|boss)|the team|yesterday|PERIOD|WHEN)(?: (?:i|we|just|already|have|had|has|finally|successfully|also|then|all|were|was|USER|,)){0,3} "
    r"(?:deployed|used|booked|reserved|requested|released|cancelled|canceled|got|had|ran|read|shipped|rolled|approved|denied|extended|finished|asked|received|trained|queried|returned|tried|broke|crashed|went|saw|talked|met|promoted|put|returned|lost|loved|wrote|burned|burnt|paid)\b(?! for)"
    r"|\b(?:was|were|has been|have been|got) (?:deployed|released|approved|shipped|great|awesome|down|broken|slow|fun|cancelled|canceled)\b"
)
_WISH: Final = _re(
    r"\b(?:need|needs|want|wants|can|could|may|please|pls|plz|plss|give|get|book|grab|allocate|reserve|require|requires|request|requesting|would|i'd|we'd|love|like|looking|hand|provision|spin|assign|set|provide|room|usual|same|schedule|lend|spare|use|using|have|ask|asking|available|free|fancy|hook|put|run|start|let|take|mind|possible|bring|order|send|prepare|secure|want)\b"
)
_DEPLOY: Final = _re(
    r"\b(?:deploy|deploying|deployment|redeploy|roll|rolling|rollout|roll-out|ship|promote|release|push|put|launch|publish|serve|canary|ramp|scale|bring|rollback|roll-back|revert|move|go|goes|upgrade|downgrade|update|bump|install|host|start|run|up|stand up|out|back|live|switch|shift|send|get|activate|blue-green|set|take|down|needs|replicas|need|to|on|expose|migrate|ENV|STRATEGY|VERSION)\b"
)
_DEPLOY_VERB: Final = _re(r"\b(?:deploy|deploying|redeploy|roll ?out|rollout|ship|promote|launch|rollback|roll(?:ing)? back|revert|canary|scale|serve|push|release|ramp)\b")
_ACCESS: Final = _re(r"\b(?:access|read|reading|write|writing|query|querying|look at|look into|pull|see|rights|permission|permissions|view|load|insert|update|delete|edit|r/w|rw|data ?set|table|dataset|data|dump|columns?|rows?|analyse|analyze|open up|full|browse|select|modify|append)\b")
_ACCESS_WISH: Final = _re(r"\b(?:access|read|write|query|r/w|rw|read-only)\b (?:access )?(?:to|on|for|in|into)?\b|\b(?:rights|permissions?) (?:for|on|to)\b|\b(?:dataset|data set|table|dump)\b")


def vote(clause: Skeleton) -> Intent | None:
    """Return approve or deny for a plain vote on an id, OTHER for words that only look like one."""
    if "ID" not in clause.text:
        return None
    if clause.has(_NOT_DENY):
        return Intent.OTHER if clause.has(_DENY) or clause.has(_RELEASE) or clause.has(_CANCEL) else None
    asked = clause.has(_ASKED)
    if clause.has(_NOT_APPROVE) and not asked and not clause.has(_WHY):
        return Intent.OTHER if clause.has(_SWEEPING) else Intent.REQUEST_DENY
    for pattern, intent in ((_DENY, Intent.REQUEST_DENY), (_VOTE_FOR, Intent.REQUEST_APPROVE)):
        if clause.has(pattern) and not clause.has(_WHY) and not asked:
            return Intent.OTHER if clause.has(_SWEEPING) or clause.has(_CONDITION) else intent
    return None


def asks_who(clause: Skeleton) -> Intent | None:
    """Return audit.export or audit.query for questions about the past and other people."""
    if clause.has(_EXPORT) and (clause.has(_AUDIT_NOUN) or clause.has(_PAST_STRETCH) or clause.named("users")):
        wants_data = bool(clause.named("datasets")) and clause.has(_ACCESS_WISH) and not clause.has(_AUDIT_NOUN)
        if not wants_data and not (clause.named("datasets") and not clause.has(_AUDIT_NOUN) and not clause.has(_re(r"\b(?:PERIOD|SINCE|WINDOW)\b"))):
            return Intent.AUDIT_EXPORT
    return Intent.AUDIT_QUERY if clause.has(_AUDIT) else None


def about_request(clause: Skeleton) -> Intent | None:
    """Return what is done to a request that exists, if that is what the clause is about."""
    named = "ID" in clause.text
    if clause.has(_RELEASE) and not _deploys(clause):
        return Intent.REQUEST_CANCEL if clause.has(_CANCEL) and not clause.has(_re(r"\b(?:release|return|free|back|hand)\b")) else Intent.REQUEST_RELEASE
    if clause.has(_CANCEL) and not _deploys(clause):
        return Intent.REQUEST_CANCEL
    if clause.has(_EXTEND) and (named or not _new_thing(clause)):
        return Intent.REQUEST_EXTEND
    return None


def _deploys(clause: Skeleton) -> bool:
    return "MODEL" in clause.text and "ID" not in clause.text


def _new_thing(clause: Skeleton) -> bool:
    """Whether the clause counts devices or names data: a new wish, however long it is to be."""
    return clause.has(_re(r"\bNUM (?:more |extra |additional |another )?(?:GPU|UNKNOWNGPU|gpus?)|\ba GPU")) or (
        bool(clause.named("datasets")) and not clause.has(_re(r"\bextend\b|\blonger\b|\bprolong\b"))
    )


def wants_thing(clause: Skeleton) -> Intent | None:
    """Return deploy, data or gpu.request when the clause wishes for one."""
    named_model = "MODEL" in clause.text
    if clause.has(_DEPLOY_VERB) and clause.has(_re(rf"\b{NOT}\b[^.;]{{0,15}}\b(?:deploy|ship|roll|promote|release|push|launch)\b")):
        return Intent.OTHER
    if named_model and clause.has(_DEPLOY) and not (clause.found("span") and "DATA" in clause.text):
        return Intent.DEPLOY_REQUEST
    devices = clause.has(_re(r"\b(?:GPU|UNKNOWNGPU|gpus?|accelerators?)\b"))
    if clause.named("datasets") and (clause.has(_ACCESS) or clause.has(_WISH) or clause.found("span", "until")):
        return Intent.DATA_REQUEST if not devices or clause.text.find("DATA") < clause.text.find("GPU") else Intent.GPU_REQUEST
    if devices and (clause.found("num", "span", "until", "when", "window", "period", "next") or clause.has(_WISH) or clause.has(_re(r"\ba (?:\w+ )?GPU"))):
        return Intent.GPU_REQUEST
    if clause.has(_re(r"\b(?:NUM|a) nodes?\b")) and clause.found("span", "until", "window"):
        return Intent.GPU_REQUEST
    if clause.has(_re(r"\b(?:deploy|redeploy|rollout|roll out|ship|promote|rollback|roll back|canary|roll|launch|revert)\b")) and (
        clause.found("version") or clause.named("environments") or clause.has(_re(r"\b(?:model|UNKNOWNMODEL|prod)\b"))
    ):
        return Intent.DEPLOY_REQUEST
    if "UNKNOWNMODEL" in clause.text and clause.has(_DEPLOY):
        return Intent.DEPLOY_REQUEST
    if clause.has(_ACCESS_WISH) and (clause.has(_WISH) or clause.found("span", "until") or "UNKNOWNDATA" in clause.text or clause.has(_re(r"\baccess to\b|^read\b|^write\b"))):
        return Intent.DATA_REQUEST
    if "UNKNOWNDATA" in clause.text:
        return Intent.DATA_REQUEST
    return Intent.DEPLOY_REQUEST if named_model and clause.has(_WISH) and clause.found("version") else None


def intent_of(clause: Skeleton) -> Intent | None:
    """Return what the clause wants, OTHER when it is plainly no wish, None when it says nothing by itself."""
    ballot = vote(clause)
    if ballot is not None:
        return ballot
    if clause.has(_HELP):
        return Intent.HELP
    if clause.has(_READY) and ("MODEL" in clause.text) and not clause.has(_re(r"^(?:please )?(?:deploy|ship|roll|promote)\b")):
        return Intent.READINESS_CHECK
    if clause.has(_WHY):
        return Intent.POLICY_WHY
    if clause.has(_PAST_REPORT) and not clause.has(_re(r"\b(?:need|want|please|pls|can|could|give)\b|\?")) and not clause.has(_RELEASE):
        return Intent.OTHER
    strong_audit = clause.has(_EXPORT) or clause.has(_re(r"\b(?:who|whom|audit|how many|how much|PERIOD|SINCE|history|accesses|what (?:did|has|was|have))\b"))
    if clause.has(_STATUS) and not (strong_audit and not clause.has(_re(r"\b(?:yet|still|status|stand|expire|expires|left|my)\b"))) and not (clause.has(_EXTEND) and "ID" in clause.text and not clause.has(_re(r"\bstatus\b"))) and not clause.has(_re(r"\bcancel\b.*ID|\brelease\b.*ID")):
        return Intent.REQUEST_STATUS
    asked = about_request(clause)
    if asked is not None:
        return asked
    return asks_who(clause) if strong_audit and asks_who(clause) and not _counted(clause) else wants_thing(clause) or asks_who(clause)


def _counted(clause: Skeleton) -> bool:
    """Whether devices are counted for a time to come: a wish, though it names a period."""
    return clause.has(_re(r"\b(?:NUM|a) (?:x )?(?:GPU|UNKNOWNGPU|gpus?)\b")) and not clause.has(_re(r"\b(?:who|audit|export|how many)\b"))
