"""The executor's promises on the memory twin; `tests/services/test_slurm.py` holds them against a real cluster."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from ledger.nouns import Access, DataForm, Receipt
from workers.errors import BackendError, StaleGrantError
from workers.executors.base import Observation, Pending
from workers.executors.slurm.executor import UNSURE, SlurmExecutor
from workers.executors.slurm.port import Account, Gpus, RefusedError, Stage, UnreachableError


def live(slurm):
    return [job for job in slurm.jobs() if job.live]


def later(grant, *, minutes=0, gpus=None):
    form = replace(grant.form, gpus=gpus or grant.form.gpus)
    return replace(
        grant, generation=grant.generation + 1, not_after=grant.not_after + timedelta(minutes=minutes), form=form
    )


def test_a_grant_is_one_allocation_in_the_askers_name(executor, slurm, grant):
    receipt = executor.ensure(grant(3, "h100-80gb"))
    assert receipt.devices == ("gpu-01:0", "gpu-01:1", "gpu-01:2")
    assert receipt.note == "Run a command in it with: srun --jobid=1 --overlap COMMAND"
    (job,) = live(slurm)
    assert (job.name, job.user, job.account, job.partition) == ("qm-REQ-1001", "mira", "vision", "gpu")
    assert job.gpus == Gpus(gpu_type="h100", count=3)
    assert job.limit == timedelta(minutes=60)


def test_asking_again_submits_nothing(executor, slurm, grant):
    first = executor.ensure(grant())
    assert executor.ensure(grant()) == first
    assert slurm.submitted == 1


def test_an_end_between_two_seconds_is_never_cut_short(executor, slurm, grant, clock):
    clock.pass_time(microseconds=500_000)
    wanted = grant()
    executor.ensure(wanted)
    (job,) = live(slurm)
    assert job.note.end >= wanted.not_after
    assert wanted.not_after <= job.end <= wanted.not_after + timedelta(minutes=1)


def test_somebody_without_an_account_is_told(executor, grant):
    with pytest.raises(BackendError, match="no account on the cluster"):
        executor.ensure(grant(subject="user:" + "2" * 32))


@pytest.mark.parametrize("name", ["mira --uid=0", "-root", "a,b", "mira\n", "", "a" * 65, "mirä"])
def test_a_name_that_slurm_could_misread_never_reaches_it(settings, slurm, clock, grant, name):
    odd = replace(settings, account_of=lambda _: Account(user=name, account=""))
    with pytest.raises(BackendError, match="could misread"):
        SlurmExecutor(odd, slurm, clock=clock).ensure(grant())
    assert slurm.submitted == 0


def test_an_account_name_that_slurm_could_misread_never_reaches_it(settings, slurm, clock, grant):
    odd = replace(settings, account_of=lambda _: Account(user="mira", account="vision,root"))
    with pytest.raises(BackendError, match="could misread"):
        SlurmExecutor(odd, slurm, clock=clock).ensure(grant())


def test_a_type_the_cluster_does_not_have_is_refused_before_it_is_asked_for(executor, slurm, grant):
    with pytest.raises(BackendError, match="no GPUs that are called h100:1 --uid=0"):
        executor.ensure(grant(gpu_type="h100:1 --uid=0"))
    assert slurm.submitted == 0


def test_only_gpu_forms_are_carried_out(executor, grant):
    form = DataForm(resource="data:claims", access=Access.READ, duration_s=60)
    with pytest.raises(BackendError, match="GPU time"):
        executor.ensure(grant(form=form))


def test_a_grant_without_an_end_is_refused(executor, slurm, grant):
    with pytest.raises(StaleGrantError):
        executor.ensure(grant(not_after=None))
    assert slurm.submitted == 0


def test_an_end_that_has_passed_is_refused(executor, slurm, grant, clock):
    late = grant(minutes=5)
    clock.pass_time(minutes=5)
    with pytest.raises(StaleGrantError):
        executor.ensure(late)
    assert slurm.submitted == 0


def test_an_older_generation_is_refused(executor, grant):
    executor.ensure(later(grant()))
    with pytest.raises(StaleGrantError):
        executor.ensure(grant())


def test_an_older_generation_is_refused_though_slurm_forgot_the_later_one(executor, slurm, grant):
    executor.ensure(later(grant()))
    (job,) = live(slurm)
    slurm.put(replace(job, stage=Stage.OVER))
    with pytest.raises(StaleGrantError):
        executor.ensure(grant())


def test_a_generation_that_was_taken_back_is_refused_and_a_later_one_is_not(executor, slurm, grant):
    executor.ensure(grant())
    executor.revoke(grant())
    with pytest.raises(StaleGrantError):
        executor.ensure(grant())
    assert isinstance(executor.ensure(later(grant())), Receipt)


def test_a_revocation_that_was_overtaken_cuts_nothing(executor, slurm, grant):
    executor.ensure(later(grant(), minutes=30))
    executor.revoke(grant())
    assert executor.observe(grant()) is Observation.HELD
    executor.revoke(later(grant(), minutes=30))
    assert live(slurm) == []


def test_a_later_generation_that_stands_only_in_a_comment_saves_nothing(executor, slurm, grant):
    executor.ensure(grant())
    (job,) = live(slurm)
    slurm.put(replace(job, comment=str(replace(job.note, generation=9))))
    executor.revoke(grant())
    assert live(slurm) == []


def test_a_grant_taken_back_before_it_was_ever_seen_cannot_start(executor, slurm, grant):
    executor.revoke(grant())
    with pytest.raises(StaleGrantError):
        executor.ensure(grant())
    assert slurm.submitted == 0


def test_a_hand_that_shares_no_folder_does_not_undo_a_later_generation(
    executor, settings, slurm, clock, grant, tmp_path
):
    executor.ensure(later(grant(), minutes=30))
    elsewhere = SlurmExecutor(replace(settings, folder=tmp_path / "other"), slurm, clock=clock)
    with pytest.raises(StaleGrantError):
        elsewhere.ensure(grant())


def test_of_two_allocations_for_one_key_the_running_one_stays(executor, slurm, grant):
    executor.ensure(grant())
    (job,) = live(slurm)
    waits = replace(
        job, id=0, gpus=Gpus(gpu_type="l40s", count=4), stage=Stage.WAITING, devices=(), start=None, end=None
    )
    slurm.put(waits)
    executor.ensure(grant())
    assert [(left.id, left.stage) for left in live(slurm)] == [(1, Stage.HOLDING)]


def test_somebody_who_copies_a_key_neither_gets_nor_blocks_the_grant(executor, slurm, grant):
    executor.ensure(grant())
    (job,) = live(slurm)
    executor.revoke(grant())
    slurm.put(replace(job, id=50, user="mallory", name="mine"))
    receipt = executor.ensure(later(grant()))
    assert isinstance(receipt, Receipt)
    assert {holding.who: holding.key for holding in executor.holdings()} == {"mallory": None, "mira": grant().key}


# Waiting


def test_who_does_not_fit_waits_and_is_told_where(executor, slurm, grant):
    executor.ensure(grant(4, minutes=30))
    executor.ensure(grant(2, number=2))
    pending = executor.ensure(grant(2, number=3))
    assert pending == Pending(place=2, estimate=grant(minutes=30).not_after, why="The GPUs it needs are in use.")


def test_who_waited_gets_a_receipt_when_asked_again(executor, grant):
    executor.ensure(grant(4, minutes=30))
    assert isinstance(executor.ensure(grant(2, number=2)), Pending)
    executor.revoke(grant(4, minutes=30))
    assert isinstance(executor.ensure(grant(2, number=2)), Receipt)


def test_a_limit_shrinks_while_its_job_waits_so_that_its_end_stays(executor, slurm, grant, clock):
    executor.ensure(grant(4, minutes=120))
    waiting = grant(2, number=2, minutes=60)
    executor.ensure(waiting)
    clock.pass_time(minutes=20)
    executor.ensure(waiting)
    assert live(slurm)[1].limit == timedelta(minutes=40)


def test_a_window_that_lies_ahead_is_submitted_for_then(executor, slurm, grant, clock):
    start = clock() + timedelta(minutes=10)
    ahead = grant(start=start)
    pending = executor.ensure(ahead)
    assert (pending.place, pending.why) == (0, "Its start lies in the future.")
    clock.pass_time(minutes=10, seconds=2)
    executor.ensure(ahead)
    (job,) = live(slurm)
    assert job.start >= start
    assert job.end >= ahead.not_after


# Extended, made smaller


def test_an_extension_keeps_the_allocation(executor, slurm, grant):
    executor.ensure(grant())
    executor.ensure(later(grant(), minutes=30))
    (job,) = live(slurm)
    assert (job.id, job.limit) == (1, timedelta(minutes=90))
    assert job.note.generation == 2


def test_an_extension_is_kept_once_slurm_had_the_time_to_save_it(executor, grant, clock):
    executor.ensure(grant())
    clock.pass_time(minutes=1)
    longer = later(grant(), minutes=30)
    executor.ensure(longer)
    clock.pass_time(seconds=5)
    executor.ensure(longer)
    assert not executor.kept(longer)
    clock.pass_time(seconds=1)
    executor.ensure(longer)
    assert executor.kept(longer)


def test_an_extension_that_a_crash_made_slurm_forget_is_told_again_and_not_kept_yet(executor, slurm, grant, clock):
    first = grant()
    executor.ensure(first)
    (saved,) = live(slurm)
    longer = later(first, minutes=30)
    executor.ensure(longer)
    slurm.put(saved)
    clock.pass_time(seconds=10)
    executor.ensure(longer)
    (job,) = live(slurm)
    assert job.note.generation == 2
    assert not executor.kept(longer)
    clock.pass_time(seconds=6)
    executor.ensure(longer)
    assert executor.kept(longer)


def test_whoever_was_killed_while_telling_slurm_did_not_see_it_held(executor, slurm, grant, clock, monkeypatch):
    executor.ensure(grant())
    clock.pass_time(minutes=1)
    longer = later(grant(), minutes=30)
    real = slurm.change

    def killed(job, change):
        real(job, change)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(slurm, "change", killed)
        executor.ensure(longer)
    clock.pass_time(seconds=10)
    executor.ensure(longer)
    assert not executor.kept(longer)


def test_fewer_gpus_change_what_waits_and_replace_what_runs(executor, slurm, grant):
    executor.ensure(grant(4))
    executor.ensure(grant(4, number=2))
    executor.ensure(later(grant(4, number=2), gpus=1))
    assert [(job.id, job.gpus.count) for job in live(slurm)] == [(1, 4), (2, 1)]
    executor.ensure(later(grant(4), gpus=1))
    assert sorted((job.id, job.gpus.count) for job in live(slurm)) == [(2, 1), (3, 1)]


def test_a_replacement_waits_until_the_old_allocation_has_let_go(executor, slurm, grant):
    executor.ensure(grant(4))
    slurm.lets_go = False
    pending = executor.ensure(later(grant(4), gpus=1))
    assert pending.why == "An earlier allocation of this request is still letting go of its GPUs."
    slurm.lets_go = True
    assert len(executor.ensure(later(grant(4), gpus=1)).devices) == 1


# Observing and taking back


def test_what_still_ends_is_held(executor, slurm, grant):
    executor.ensure(grant())
    slurm.lets_go = False
    executor.revoke(grant())
    assert executor.observe(grant()) is Observation.HELD
    slurm.lets_go = True
    assert executor.observe(grant()) is Observation.GONE


def test_without_a_controller_nobody_knows(executor, slurm, grant):
    executor.ensure(grant())
    slurm.reachable = False
    assert executor.observe(grant()) is Observation.UNKNOWN
    for call in (executor.ensure, executor.revoke):
        with pytest.raises(UnreachableError):
            call(grant())
    with pytest.raises(UnreachableError):
        executor.holdings()


def test_a_revocation_that_could_not_reach_slurm_is_remembered(executor, slurm, grant):
    executor.ensure(grant())
    slurm.reachable = False
    with pytest.raises(UnreachableError):
        executor.revoke(grant())
    slurm.reachable = True
    with pytest.raises(StaleGrantError):
        executor.ensure(grant())


def test_a_spoiled_record_lets_nothing_start_and_everything_end(executor, settings, slurm, grant):
    executor.ensure(grant())
    (settings.folder / f"{grant().key}.json").write_text("{")
    with pytest.raises(BackendError, match="cannot be read"):
        executor.ensure(grant())
    with pytest.raises(BackendError, match="cannot be read"):
        executor.revoke(grant())
    assert live(slurm) == []
    assert executor.observe(grant()) is Observation.UNKNOWN


def test_a_submission_without_an_answer_may_still_arrive(executor, slurm, grant, clock, monkeypatch):
    def lost(order):
        raise UnreachableError("no answer")

    monkeypatch.setattr(slurm, "submit", lost)
    with pytest.raises(UnreachableError):
        executor.ensure(grant())
    assert executor.observe(grant()) is Observation.UNKNOWN
    executor.revoke(grant())
    assert executor.observe(grant()) is Observation.UNKNOWN
    clock.pass_time(seconds=UNSURE.total_seconds())
    assert executor.observe(grant()) is Observation.GONE


def test_a_submission_that_was_refused_never_arrives(executor, slurm, grant):
    with pytest.raises(RefusedError):
        executor.ensure(grant(8))
    assert executor.observe(grant(8)) is Observation.GONE


def test_a_job_that_ended_while_it_was_cancelled_is_no_failure(executor, slurm, grant, monkeypatch):
    executor.ensure(grant())

    def ends_first(job):
        slurm.put(replace(job, stage=Stage.OVER))
        raise RefusedError("Slurm refused: Invalid job id specified")

    monkeypatch.setattr(slurm, "cancel", ends_first)
    executor.revoke(grant())
    assert executor.observe(grant()) is Observation.GONE


def test_a_cancellation_that_was_refused_is_a_failure(executor, slurm, grant, monkeypatch):
    executor.ensure(grant())

    def refused(job):
        raise RefusedError("Slurm refused: Access/permission denied")

    monkeypatch.setattr(slurm, "cancel", refused)
    with pytest.raises(RefusedError):
        executor.revoke(grant())


def test_fewer_devices_than_granted_are_no_receipt(executor, slurm, grant):
    executor.ensure(grant())
    (job,) = live(slurm)
    slurm.put(replace(job, devices=job.devices[:1]))
    with pytest.raises(BackendError, match="1 GPUs where 2 were granted"):
        executor.ensure(grant())


# Side doors


def wrong(executor):
    return {holding.key: holding.wrong for holding in executor.holdings()}


def test_what_is_as_granted_is_not_wrong(executor, grant):
    executor.ensure(grant())
    assert wrong(executor) == {grant().key: ""}


def test_allocations_that_no_grant_explains_are_listed(executor, slurm, grant):
    executor.ensure(grant())
    (job,) = live(slurm)
    slurm.put(replace(job, id=7, user="kofi", comment="mine", name="train", devices=("gpu-03:3",)))
    slurm.put(replace(job, id=8, user="kofi", comment="", gpus=Gpus(gpu_type="", count=0)))
    slurm.put(replace(job, id=9, user="kofi", comment="", partition="other"))
    slurm.put(replace(job, id=10, user="kofi", comment="", stage=Stage.WAITING))
    slurm.put(replace(job, id=11, user="kofi", comment="", stage=Stage.OVER))
    (foreign,) = [holding for holding in executor.holdings() if holding.key is None]
    assert (foreign.who, foreign.what) == ("kofi", "job 7 train: 2 GPUs l40s")


def test_an_access_is_told_in_the_same_words_from_its_place_in_line_to_its_end(executor, slurm, grant):
    def told():
        return next((each.what, each.who) for each in executor.holdings() if each.key == grant().key)

    executor.ensure(grant(4, number=2))
    executor.ensure(grant())
    waiting = told()
    executor.revoke(grant(4, number=2))
    assert isinstance(executor.ensure(grant()), Receipt)
    running = told()
    executor.ensure(later(grant(), minutes=30))
    extended = told()
    slurm.lets_go = False
    executor.revoke(later(grant(), minutes=30))
    assert {waiting, running, extended, told()} == {("job 2 qm-REQ-1001: 2 GPUs l40s", "mira")}


def strange(executor, slurm, grant):
    """What the executor tells of a job that nobody granted."""
    executor.ensure(grant())
    (job,) = live(slurm)
    slurm.put(replace(job, id=7, user="kofi", comment="mine", name="train", devices=("gpu-03:3",)))
    return next(holding for holding in executor.holdings() if holding.key is None)


def test_what_is_taken_away_is_gone_and_the_grants_stay(executor, slurm, grant):
    executor.take_away(strange(executor, slurm, grant))
    assert wrong(executor) == {grant().key: ""}


def test_what_has_the_number_by_now_is_not_taken_away_for_what_had_it(executor, slurm, grant):
    found = strange(executor, slurm, grant)
    for other in ({"user": "ines"}, {"name": "serve"}):
        slurm.put(replace(next(job for job in live(slurm) if job.id == 7), **other))
        executor.take_away(found)
        assert len(live(slurm)) == 2


def test_what_does_not_let_go_is_not_said_to_be_taken_away(executor, slurm, grant):
    found = strange(executor, slurm, grant)
    slurm.lets_go = False
    with pytest.raises(BackendError, match="does not end yet"):
        executor.take_away(found)
    slurm.lets_go = True
    executor.take_away(found)
    assert len(live(slurm)) == 1


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"gpus": Gpus(gpu_type="l40s", count=4)}, "It has 4 GPUs; 2 were granted."),
        ({"comment": "qm1:" + "1" * 32 + ":9:1795514400"}, "It is not what was granted last."),
        ({"limit": None, "end": None}, "It has no end; 2026-11-24 10:00:00 UTC was granted."),
    ],
)
def test_what_differs_from_the_grant_is_told(executor, slurm, grant, change, sentence):
    executor.ensure(grant())
    (job,) = live(slurm)
    slurm.put(replace(job, **change))
    assert wrong(executor) == {grant().key: sentence}


@pytest.mark.parametrize("minutes", [-5, 5])
def test_an_end_other_than_granted_is_told_and_mended_when_asked_again(executor, slurm, grant, minutes):
    executor.ensure(grant())
    (job,) = live(slurm)
    slurm.put(replace(job, end=job.end + timedelta(minutes=minutes)))
    assert wrong(executor)[grant().key].startswith("It ends at 2026-11-24 ")
    executor.ensure(grant())
    assert wrong(executor) == {grant().key: ""}


def test_a_cancelled_job_that_is_back_is_told_and_cancelled_again(executor, slurm, grant):
    executor.ensure(grant())
    (job,) = live(slurm)
    executor.revoke(grant())
    slurm.put(job)
    assert wrong(executor) == {grant().key: "It was taken back and is there again."}
    executor.revoke(grant())
    assert wrong(executor) == {}


def test_two_allocations_for_one_grant_are_told(executor, slurm, grant):
    executor.ensure(grant())
    (job,) = live(slurm)
    slurm.put(replace(job, id=9))
    assert wrong(executor) == {grant().key: "One grant has more than one allocation."}


def test_a_key_that_was_never_given_here_explains_nothing(executor, slurm, grant):
    executor.ensure(grant())
    (job,) = live(slurm)
    slurm.put(replace(job, id=9, comment="qm1:" + "f" * 32 + ":1:1795514400"))
    assert wrong(executor)[None] == "It carries a grant key that was never given here."


def test_a_copied_key_explains_nothing(executor, slurm, grant):
    executor.ensure(grant())
    (job,) = live(slurm)
    slurm.put(replace(job, id=9, user="mallory"))
    assert wrong(executor)[None] == "It carries the key of a grant to mira."
