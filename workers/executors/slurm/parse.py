"""Slurm's JSON, as `squeue --json` and slurmrestd give it, into jobs.

Written against 22.05 (`v0.0.38`). Later releases say `{"set": true, "number": 5}` for a number and a list for a state; both
are read, the later ones from their description alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from workers.executors.slurm.port import Gpus, Job, RefusedError, Stage, UnreachableError

_ENDING: Final = frozenset({"COMPLETING", "STAGE_OUT", "SIGNALING"})
_STAGES: Final = {
    **dict.fromkeys(
        ("PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD"), Stage.WAITING
    ),
    **dict.fromkeys(("CONFIGURING", "POWER_UP_NODE"), Stage.STARTING),
    **dict.fromkeys(("RUNNING", "SUSPENDED", "STOPPED", "RESIZING"), Stage.HOLDING),
    **dict.fromkeys(("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED"), Stage.OVER),
    **dict.fromkeys(("NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED", "TIMEOUT"), Stage.OVER),
}
_INDICES: Final = re.compile(r"gpu(?::[^:(]+)?:\d+\(IDX:([0-9,-]+)\)", re.ASCII)
_REFUSALS: Final = (range(2000, 5000), range(9000, 10000))
"""Numbers with which the controller, and slurmrestd's reading of what we sent, say no. The rest is about the way there.

Source: slurm/slurm_errno.h.
"""
_NO_LIMIT_MINUTES: Final = 0xFFFFFFFE
"""Slurm's own mark for "no limit" and what is next to it; no real limit is that long."""


def answer_of(body: Any) -> Mapping[str, Any]:
    """Return a whole answer, or raise what it says went wrong.

    `squeue --json` exits with 0 and an empty list when the controller is down: only `errors` tells.

    Raises:
        RefusedError: Slurm names an error of its own.
        UnreachableError: the controller was not reached, or it is no answer at all.
    """
    if not isinstance(body, Mapping):
        raise UnreachableError("Slurm's answer is not what was expected")
    errors = list(body.get("errors") or ())
    if not errors:
        return body
    numbers = [int(error.get("error_number", error.get("error_code", -1))) for error in errors]
    said = plain(str(errors[0].get("error") or errors[0].get("description") or "no reason given"))
    if any(number in refusals for number in numbers for refusals in _REFUSALS):
        raise RefusedError(f"Slurm refused: {said}")
    raise UnreachableError(f"Slurm did not answer: {said}")


def jobs_of(body: Any) -> tuple[Job, ...]:
    """Return the jobs of an answer; raises what `answer_of` raises, and UnreachableError for a shape we do not know."""
    answer = answer_of(body)
    try:
        return tuple(_job(raw) for raw in answer["jobs"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnreachableError("Slurm tells of its jobs in a way this version does not read") from error


def _job(raw: Mapping[str, Any]) -> Job:
    stage = stage_of(raw["job_state"])
    minutes = number_of(raw["time_limit"])
    started = stage in {Stage.HOLDING, Stage.STARTING}
    return Job(
        id=int(raw["job_id"]),
        name=str(raw["name"]),
        comment=_comment(raw["comment"]),
        user=str(raw["user_name"]),
        account=str(raw["account"] or ""),
        partition=str(raw["partition"]),
        stage=stage,
        reason=str(raw["state_reason"] or "None"),
        gpus=_asked(raw),
        devices=_devices(raw) if started else (),
        start=_moment(raw["start_time"]),
        end=_moment(raw["end_time"]) if started else None,
        limit=None if minutes is None or minutes >= _NO_LIMIT_MINUTES else timedelta(minutes=minutes),
        priority=number_of(raw["priority"]) or 0,
    )


def stage_of(state: Any) -> Stage:
    """Return the stage of a state, a word or a list of words; raises ValueError for words we do not know."""
    words = [state] if isinstance(state, str) else list(state)
    if _ENDING.intersection(words):
        return Stage.ENDING
    stages = [_STAGES[word] for word in words if word in _STAGES]
    if not stages:
        raise ValueError(state)
    return Stage.STARTING if Stage.STARTING in stages else stages[0]


def number_of(value: Any) -> int | None:
    """Return a number, plain or in the later wrapping; None when it is not set or infinite."""
    if isinstance(value, Mapping):
        return int(value["number"]) if value["set"] and not value.get("infinite") else None
    return None if value is None else int(value)


def gpus_in(tres: str) -> tuple[str, int]:
    """Return (type, count) of `gres:gpu:h100:3` and its other spellings, summed; the type of the last one that names one."""
    gpu_type, total = "", 0
    for part in tres.split(","):
        words = re.split(r"[:/=]", part.strip().removeprefix("gres:").removeprefix("gres/"))
        if words[0] != "gpu":
            continue
        count = int(words[-1]) if words[-1].isdecimal() else 1
        names = [word for word in words[1:] if not word.isdecimal()]
        gpu_type, total = (names[0] if names else gpu_type), total + count
    return gpu_type, total


def indices(text: str) -> list[int]:
    """Return the numbers of `0-2,5`."""
    spans = [span.partition("-") for span in text.split(",")]
    return [n for low, _, high in spans for n in range(int(low), int(high or low) + 1)]


def plain(said: str) -> str:
    """Return one printable line of at most 200 characters without the program's own prefix."""
    line = " ".join(said.split()).rpartition("error: ")[2].removeprefix("Batch job submission failed: ")
    return "".join(c for c in line if c.isprintable())[:200].rstrip(".")


def _comment(comment: Any) -> str:
    """Later releases tell three comments apart; a job's own is `job` there."""
    return str(comment["job"] if isinstance(comment, Mapping) else comment or "")


def _asked(raw: Mapping[str, Any]) -> Gpus:
    nodes = number_of(raw["node_count"]) or 1
    for field, parts in (("tres_per_node", nodes), ("tres_per_job", 1)):
        gpu_type, count = gpus_in(str(raw.get(field) or ""))
        if count:
            return Gpus(gpu_type=gpu_type, count=count, nodes=parts)
    tasks = number_of(raw.get("tasks")) or 1
    gpu_type, count = gpus_in(str(raw.get("tres_per_task") or ""))
    return Gpus(gpu_type=gpu_type, count=count, nodes=tasks)


def _devices(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """One text a node in `gres_detail`, in the order of the nodes: `gpu:h100:3(IDX:0-2)`."""
    pairs = zip(_nodes(raw.get("job_resources") or {}), raw.get("gres_detail") or (), strict=False)
    found = [(node, index) for node, text in pairs for part in _INDICES.findall(str(text)) for index in indices(part)]
    return tuple(f"{node}:{index}" for node, index in found)


def _nodes(resources: Mapping[str, Any]) -> Sequence[str]:
    nodes = resources.get("nodes")
    later = nodes.get("allocation") if isinstance(nodes, Mapping) else None
    each = resources.get("allocated_nodes") if later is None else later
    return [str(node.get("nodename") or node.get("name")) for node in each or ()]


def _moment(value: Any) -> datetime | None:
    seconds = number_of(value)
    return datetime.fromtimestamp(seconds, UTC) if seconds else None
