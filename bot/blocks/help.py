"""Help that lists only what this person may do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class May:
    """What a person may do, by the policy in force: `ask` holds gpu, data, deploy and key.

    Args:
        adapt: an adapter, its model and an environment where they may have it loaded; empty for none.
    """

    ask: tuple[str, ...] = ()
    adapt: tuple[str, ...] = ()
    decide: bool = False
    revoke: bool = False
    export: bool = False
    halt: bool = False
    doors: bool = False


_EXAMPLES = {
    "gpu": "`@quartermaster 4 h100 for 3 hours so I can retrain churn`",
    "data": "`@quartermaster read claims_2024 for 5 days to check label quality`",
    "deploy": "`@quartermaster deploy fraud-detector 3.2.1 to staging`",
    "key": "`@quartermaster a key for fraud-detector in prod, 2M tokens, for 30 days`",
}


def _adapter_examples(adapter: str, model: str, environment: str) -> list[str]:
    return [
        f"• `@quartermaster load adapter {adapter} on {model} in {environment}`",
        f"• `@quartermaster unload adapter {adapter} from {model} in {environment}`",
    ]


def help_text(may: May) -> str:
    """Return the help of a person."""
    lines = ["*What you can do here*"]
    if may.ask:
        lines.append("Ask in your own words:")
        lines += [f"• {_EXAMPLES[kind]}" for kind in may.ask]
        lines += _adapter_examples(*may.adapt) if may.adapt else []
        forms = ", ".join(f"`/qm {kind}`" for kind in may.ask)
        lines += [
            f"• {forms}: ask in a form",
            "• `/qm can i 8 h100 for 3 days`: whether policy would let you; nothing is sent",
            "• `/qm extend REQ-1001 2h`: keep what you hold for longer; it is decided anew",
            "• `/qm shorten REQ-1001 until 15:00`: end what you hold sooner; nobody is asked",
            "• `/qm release REQ-1001`: hand back what you hold",
            "• `/qm cancel REQ-1001`: take back what has not started",
            "• `/qm remind REQ-1001`: remind the people who decide",
        ]
    if may.decide:
        lines.append("• `/qm approve REQ-1001`, `/qm deny REQ-1001`: bring me the card to decide on")
    if may.revoke:
        lines.append("• `/qm revoke REQ-1001`: take away what somebody holds, with a reason")
    lines += [
        "• `/qm status`, `/qm status all`, `/qm status REQ-1001`: how things stand",
        "• `/qm why REQ-1001`, `/qm who can approve REQ-1001`: which rule decided, and who is missing",
    ]
    if "deploy" in may.ask:
        lines.append(
            "• `/qm what ran in production last friday`: which version answered, with which adapters, and by whose order"
        )
    if may.export:
        lines.append(
            "• `/qm export last month`, `/qm export 2026-11-01 to 2026-11-24`, `/qm export REQ-1001 csv`: "
            "evidence that verifies without us"
        )
    if may.halt:
        lines.append(
            "• `/qm halt storage incident`, `/qm halt h100-shared storage incident`: freeze approvals and starts; "
            "`/qm lift storage is healthy`: lift another admin's freeze"
        )
    if may.doors:
        lines.append("• `/qm doors`: access that no grant explains, and what is explained until when")
    return "\n".join(lines)
