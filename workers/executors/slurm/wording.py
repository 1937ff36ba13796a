"""Slurm's words for why a job waits, in sentences for people."""

from __future__ import annotations

from typing import Final

from workers.executors.slurm.port import Job, Stage

_SENTENCES: Final = {
    "None": "Slurm has not looked at it yet.",
    "Resources": "The GPUs it needs are in use.",
    "Priority": "Others are ahead of it in line.",
    "BeginTime": "Its start lies in the future.",
    "Dependency": "An earlier allocation of this request is still letting go of its GPUs.",
    "Reservation": "It waits for a reservation on the cluster.",
    "JobHeldAdmin": "Whoever runs the cluster holds it back; ask them.",
    "JobHeldUser": "Its owner holds it back on the cluster; release it there, or ask whoever runs the cluster.",
    "PartitionDown": "This part of the cluster is closed; ask whoever runs the cluster.",
    "PartitionInactive": "This part of the cluster is closed; ask whoever runs the cluster.",
    "PartitionTimeLimit": "It is longer than this part of the cluster allows; ask for less time.",
    "PartitionNodeLimit": "It is larger than this part of the cluster allows; ask for fewer GPUs.",
    "BadConstraints": "The cluster cannot give what it asks for; ask whoever runs the cluster.",
}
_PREFIXES: Final = (
    ("ReqNodeNotAvail", "Nodes that it needs are out of service; it starts when they are back."),
    ("Nodes_required_for_job_are_DOWN", "Nodes that it needs are out of service; it starts when they are back."),
    ("NodeDown", "A node that it needs is out of service; it starts when it is back."),
    ("QOS", "A limit set on the cluster holds it back until others end; ask whoever runs the cluster."),
    ("Assoc", "A limit of its account on the cluster holds it back; ask whoever runs the cluster."),
    ("MaxGRESPerAccount", "A limit of its account on the cluster holds it back; ask whoever runs the cluster."),
    ("Invalid", "The cluster does not accept its account; ask whoever runs the cluster."),
)


def why(job: Job) -> str:
    """Return why a job has not started, as one plain sentence."""
    if job.stage is Stage.STARTING:
        return "Its nodes are getting ready."
    if job.stage is Stage.ENDING:
        return _SENTENCES["Dependency"]
    reason = job.reason.partition(",")[0].replace(" ", "_")
    if reason in _SENTENCES:
        return _SENTENCES[reason]
    for prefix, sentence in _PREFIXES:
        if reason.startswith(prefix):
            return sentence
    return f"Slurm holds it back: {reason}."
