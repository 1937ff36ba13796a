from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.executors.slurm.note import Note, read_note
from workers.executors.slurm.parse import answer_of, gpus_in, indices, jobs_of, plain
from workers.executors.slurm.port import Gpus, Job, RefusedError, Stage, UnreachableError
from workers.executors.slurm.wording import why

RUNNING = {
    "job_id": 2,
    "name": "qm-REQ-1001",
    "comment": "qm1:" + "a" * 32 + ":1:1795547347",
    "user_name": "mira",
    "account": "",
    "partition": "gpu",
    "job_state": "RUNNING",
    "state_reason": "None",
    "time_limit": 5,
    "start_time": 1795544947,
    "end_time": 1795545247,
    "priority": 4294901759,
    "node_count": 2,
    "tasks": 2,
    "tres_per_node": "gres:gpu:h100:3",
    "tres_per_job": "",
    "tres_per_task": "",
    "gres_detail": ["gpu:h100:3(IDX:0-1,3)", "gpu:h100:3(IDX:2-4)"],
    "job_resources": {"nodes": "gpu-[01-02]", "allocated_nodes": [{"nodename": "gpu-01"}, {"nodename": "gpu-02"}]},
}
"""A job as Slurm 22.05.8 tells it, less what is not read."""
LATER = {
    **RUNNING,
    "job_state": ["RUNNING"],
    "time_limit": {"set": True, "infinite": False, "number": 5},
    "start_time": {"set": True, "infinite": False, "number": 1795544947},
    "end_time": {"set": True, "infinite": False, "number": 1795545247},
    "priority": {"set": True, "infinite": False, "number": 4294901759},
    "node_count": {"set": True, "infinite": False, "number": 2},
    "tasks": {"set": True, "infinite": False, "number": 2},
    "tres_per_node": "gres/gpu:h100:3",
    "job_resources": {"nodes": {"allocation": [{"name": "gpu-01"}, {"name": "gpu-02"}]}},
}


def job(**change) -> Job:
    return jobs_of({"errors": [], "jobs": [{**RUNNING, **change}]})[0]


@pytest.mark.parametrize("raw", [RUNNING, LATER], ids=["22.05", "later"])
def test_a_running_job_is_read(raw):
    (found,) = jobs_of({"errors": [], "jobs": [raw]})
    assert found == Job(
        id=2,
        name="qm-REQ-1001",
        comment=RUNNING["comment"],
        user="mira",
        account="",
        partition="gpu",
        stage=Stage.HOLDING,
        reason="None",
        gpus=Gpus(gpu_type="h100", count=3, nodes=2),
        devices=("gpu-01:0", "gpu-01:1", "gpu-01:3", "gpu-02:2", "gpu-02:3", "gpu-02:4"),
        start=datetime(2026, 11, 24, 18, 29, 7, tzinfo=UTC),
        end=datetime(2026, 11, 24, 18, 34, 7, tzinfo=UTC),
        limit=timedelta(minutes=5),
        priority=4294901759,
    )


def test_a_waiting_job_has_no_end_and_may_have_an_estimate():
    waiting = job(job_state="PENDING", gres_detail=[], start_time=0)
    assert (waiting.stage, waiting.devices, waiting.start, waiting.end) == (Stage.WAITING, (), None, None)
    assert job(job_state="PENDING", start_time=1795544947).start is not None


@pytest.mark.parametrize(
    ("state", "stage"),
    [
        ("COMPLETING", Stage.ENDING),
        (["CANCELLED", "COMPLETING"], Stage.ENDING),
        ("CANCELLED", Stage.OVER),
        (["TIMEOUT"], Stage.OVER),
        ("NODE_FAIL", Stage.OVER),
        ("CONFIGURING", Stage.STARTING),
        (["RUNNING", "CONFIGURING"], Stage.STARTING),
        ("SUSPENDED", Stage.HOLDING),
    ],
)
def test_a_state_is_what_it_means_for_the_devices(state, stage):
    assert job(job_state=state).stage is stage


def test_a_state_we_do_not_know_is_no_answer_rather_than_a_guess():
    with pytest.raises(UnreachableError):
        job(job_state="TELEPORTING")


@pytest.mark.parametrize(
    "gone",
    sorted(set(RUNNING) - {"gres_detail", "job_resources", "tasks", "tres_per_node", "tres_per_job", "tres_per_task"}),
)
def test_a_job_without_a_field_we_need_is_no_answer(gone):
    raw = {key: value for key, value in RUNNING.items() if key != gone}
    with pytest.raises(UnreachableError):
        jobs_of({"errors": [], "jobs": [raw]})


@pytest.mark.parametrize("limit", [None, 4294967295, {"set": True, "infinite": True, "number": 0}])
def test_no_limit_is_no_limit(limit):
    assert job(time_limit=limit).limit is None


@pytest.mark.parametrize(
    ("tres", "found"),
    [
        ("gres:gpu:h100:3", ("h100", 3)),
        ("gres/gpu:h100:3", ("h100", 3)),
        ("gres/gpu:h100=3", ("h100", 3)),
        ("gpu:2", ("", 2)),
        ("gres:gpu", ("", 1)),
        ("gres:gpu:a100", ("a100", 1)),
        ("gres:gpu:h100:3,gres:gpu:l40s:1", ("l40s", 4)),
        ("gres:shard:8", ("", 0)),
        ("", ("", 0)),
    ],
)
def test_gpus_are_read_in_every_spelling(tres, found):
    assert gpus_in(tres) == found


@pytest.mark.parametrize(
    "change",
    [
        {"tres_per_node": "", "tres_per_job": "gres:gpu:h100:6"},
        {"tres_per_node": "", "tres_per_task": "gres:gpu:h100:3"},
        {},
    ],
)
def test_gpus_of_strangers_count_however_they_were_asked_for(change):
    assert job(**change).gpus.total == 6


@given(st.sets(st.integers(0, 63), min_size=1))
def test_indices_are_read_back(numbers):
    assert indices(",".join(str(n) for n in sorted(numbers))) == sorted(numbers)
    low, high = min(numbers), max(numbers)
    assert indices(f"{low}-{high}") == list(range(low, high + 1))


def test_an_empty_list_with_an_error_is_no_empty_queue():
    body = {"errors": [{"error_number": -1, "error": "Unspecified error", "source": "slurm_load_jobs"}], "jobs": []}
    with pytest.raises(UnreachableError):
        jobs_of(body)


@pytest.mark.parametrize("number", [2000, 2014, 2017, 9001])
def test_what_slurm_refuses_is_refused(number):
    with pytest.raises(RefusedError, match="Slurm refused: Because"):
        answer_of({"errors": [{"error_code": -1, "error": "Because."}, {"error_number": number, "error": "Also"}]})


@pytest.mark.parametrize("number", [-1, 1001, 1800, 5004, 6001])
def test_what_went_wrong_on_the_way_is_not_a_refusal(number):
    with pytest.raises(UnreachableError):
        answer_of({"errors": [{"error_number": number, "error": "no"}]})


@pytest.mark.parametrize("body", [None, [], "", {"errors": []}, {"errors": [], "jobs": None}, {"jobs": [None]}])
def test_what_is_no_answer_at_all_raises_only_our_error(body):
    with pytest.raises(UnreachableError):
        jobs_of(body)


def test_what_slurm_says_is_one_short_printable_line():
    said = "sbatch: error: invalid partition specified: nope\nsbatch: error: Batch job submission failed: Invalid \x1b[31mpartition.\n"
    assert plain(said) == "Invalid [31mpartition"
    assert len(plain("x" * 500)) == 200


# The note


@given(st.integers(0, 2**128 - 1), st.integers(1, 10**9 - 1), st.integers(10**8, 10**11 - 1))
def test_a_note_is_read_back(key, generation, until):
    note = Note(key=f"{key:032x}", generation=generation, until=until)
    assert read_note(str(note)) == note


@pytest.mark.parametrize(
    "comment",
    [
        "",
        "train",
        "qm1:" + "A" * 32 + ":1:1795547347",
        "qm1:" + "a" * 32 + ":01:1795547347",
        "qm1:" + "a" * 32 + ":0:1795547347",
        "qm1:" + "a" * 32 + ":1:1795547347\n",
        " qm1:" + "a" * 32 + ":1:1795547347",
        "qm1:" + "a" * 31 + ":1:1795547347",
        "qm1:" + "a" * 32 + ":1:١٧٩٥٥٤٧٣٤٧",
        "qm2:" + "a" * 32 + ":1:1795547347",
    ],
)
def test_only_what_we_write_is_a_note(comment):
    assert read_note(comment) is None


# Words


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        ("Resources", "The GPUs it needs are in use."),
        (
            "ReqNodeNotAvail, UnavailableNodes:gpu-03",
            "Nodes that it needs are out of service; it starts when they are back.",
        ),
        (
            "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions",
            "Nodes that it needs are out of service; it starts when they are back.",
        ),
        (
            "QOSMaxGRESPerUser",
            "A limit set on the cluster holds it back until others end; ask whoever runs the cluster.",
        ),
        ("AssocGrpGRES", "A limit of its account on the cluster holds it back; ask whoever runs the cluster."),
        ("InvalidAccount", "The cluster does not accept its account; ask whoever runs the cluster."),
        ("SomethingNew", "Slurm holds it back: SomethingNew."),
    ],
)
def test_why_it_waits_is_a_sentence(reason, sentence):
    assert why(job(job_state="PENDING", state_reason=reason)) == sentence
