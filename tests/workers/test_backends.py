"""From catalogue, settings and accounts to executors, and who is told to carry out what."""

from __future__ import annotations

from dataclasses import replace

import pytest
from conftest import INES, MIRA, NOOR

from ledger.nouns import Access, DataForm, GpuForm, Grant
from ledger.streams.request import Status
from ledger.streams.watch import Fault
from policies.decide import Policy
from workers.accounts import DatabaseAccounts, cluster_user
from workers.backends import backends, postgres_settings, slurm_settings
from workers.errors import BackendError, SettingsError
from workers.executors.base import Observation
from workers.executors.slurm.port import Account
from workers.executors.unusable import UnusableExecutor
from workers.hands import attend, fault_of
from workers.settings import HouseSettings
from workers.watchman import Watchman

POOL = """
[pools.cluster]
owner = "team:platform"
class = "class:gpu/shared"
source = "slurm"
[pools.cluster.slurm]
partition = "gpu"
types = { h100-80gb = "h100" }
account = "shared"
"""
DATABASE = '[backends.{}]\nkind = "postgres"\n'


def with_added(world, text):
    files = world.policy.files
    world.policy = Policy.of({**files, "catalogue.toml": files["catalogue.toml"] + text})
    return world.policy.catalogue


def settings_in(folder, **rest):
    return HouseSettings(home=folder, _env_file=None, **rest)


def on_the_cluster(world):
    form = GpuForm(resource="gpu:cluster", gpu_type="h100-80gb", gpus=2, duration_s=3600)
    return world.desk.submit(MIRA, form, purpose="", said="")


def test_every_backend_of_the_catalogue_has_an_executor_of_its_name(world, tmp_path):
    catalogue = with_added(world, POOL + DATABASE.format("warehouse"))
    found = backends(settings_in(tmp_path), catalogue, world.book)
    assert {key: executor.name for key, executor in found.items()} == {
        name: name for name in ("slurm:cluster", "postgres:warehouse")
    }


def test_a_lease_on_a_cluster_takes_no_devices_of_ours(world):
    with_added(world, POOL)
    world.room = replace(world.room, executors={"slurm:cluster": world.executor})
    request = on_the_cluster(world)
    assert attend(world.room, request.number) is Status.RUNNING
    assert world.now(request).devices == ()


def test_a_pool_whose_backend_nobody_connected_is_not_carried_out_by_somebody_else(world):
    with_added(world, POOL)
    request = on_the_cluster(world)
    assert attend(world.room, request.number) is Status.FAILED
    assert world.effects() == []


def test_two_databases_need_a_service_file_and_one_does_not(world, tmp_path):
    one = with_added(world, DATABASE.format("warehouse"))
    dsn = settings_in(tmp_path, postgres_dsn="host=db password=s")
    assert postgres_settings(dsn, one, one.databases["warehouse"]).conninfo == "host=db password=s"
    assert postgres_settings(settings_in(tmp_path), one, one.databases["warehouse"]).conninfo == "service=warehouse"
    two = with_added(world, DATABASE.format("lake"))
    with pytest.raises(SettingsError, match="QM_POSTGRES_DSN") as refused:
        postgres_settings(dsn, two, two.databases["lake"])
    assert "password" not in str(refused.value)
    assert "password" not in repr(dsn)


def test_people_are_found_by_their_slack_id_and_a_correction_counts_at_once(world, tmp_path):
    catalogue, settings = with_added(world, POOL), settings_in(tmp_path)
    of = slurm_settings(settings, catalogue.pools["cluster"].slurm, world.desk.slack).account_of
    subject = world.desk.subject(MIRA)
    assert of(subject) is None
    settings.accounts_file.write_text(f'[slurm]\n{MIRA} = {{ user = "mira" }}\n[postgres.warehouse]\n{MIRA} = "m"\n')
    assert of(subject) == Account(user="mira", account="shared")
    own = DatabaseAccounts(settings.accounts_file, "warehouse", lambda: {subject: MIRA})
    assert dict(own) == {subject: "m"}
    assert DatabaseAccounts(settings.accounts_file, "lake", lambda: {subject: MIRA}).get(subject) is None


@pytest.mark.parametrize("text", ["slurm = 1", f'[slurm]\n{MIRA} = "mira"', f"[slurm]\n{MIRA} = {{ uid = 0 }}", "["])
def test_a_file_of_accounts_that_says_something_else_is_a_fault_and_no_guess(tmp_path, text):
    file = tmp_path / "accounts.toml"
    file.write_text(text)
    with pytest.raises(BackendError, match=r"accounts\.toml"):
        cluster_user(file, MIRA)


# -- one wrong setting ------------------------------------------------------------------------------------------------


def data_set_in_warehouse(world):
    files = world.policy.files
    text = files["catalogue.toml"].replace(
        "[datasets.claims_2024]\n", '[datasets.claims_2024]\nbackend = "postgres:warehouse"\n'
    )
    world.policy = Policy.of({**files, "catalogue.toml": text + DATABASE.format("warehouse")})
    return world.policy.catalogue


def asked_for_data(world):
    form = DataForm(resource="data:claims_2024", access=Access.READ, duration_s=3600)
    request = world.desk.submit(MIRA, form, purpose="x", said="")
    world.approve(request, INES)
    world.approve(request, NOOR)
    return request


@pytest.mark.parametrize("dsn", ["host=db password='hush", "postgresql://[::1", "host=db colour=red"])
def test_an_address_that_cannot_be_read_leaves_out_its_backend_alone(world, tmp_path, dsn):
    catalogue = with_added(world, POOL + DATABASE.format("warehouse"))
    found = backends(settings_in(tmp_path, postgres_dsn=dsn), catalogue, world.book)
    assert fault_of(found["slurm:cluster"]) == ""
    words = fault_of(found["postgres:warehouse"])
    assert words == (
        "its settings are wrong: QM_POSTGRES_DSN is not what libpq reads; write it like host=db dbname=warehouse."
        " Mend that and restart the workers"
    )


def test_a_backend_with_a_wrong_setting_guesses_nothing():
    executor = UnusableExecutor("postgres:warehouse", "mend it")
    grant = Grant(
        request=1, key="0" * 32, subject="user:x", form=GpuForm(resource="gpu:x", gpu_type="t", gpus=1, duration_s=1),
        generation=1, not_after=None,
    )  # fmt: skip
    assert executor.observe(grant) is Observation.UNKNOWN
    for call in (lambda: executor.ensure(grant), lambda: executor.revoke(grant), executor.holdings):
        with pytest.raises(BackendError, match="mend it"):
            call()


def test_what_is_approved_waits_for_a_wrong_setting_and_is_carried_out_when_it_is_mended(world, tmp_path):
    catalogue = data_set_in_warehouse(world)
    broken = backends(settings_in(tmp_path, postgres_dsn="host=db colour=red"), catalogue, world.book)
    world.room = replace(world.room, executors={**world.room.executors, **broken})
    request, other = asked_for_data(world), world.approved()
    assert attend(world.room, request.number) is Status.APPROVED
    assert attend(world.room, other.number) is Status.RUNNING, "the others go on"
    assert [kind for kind, *_ in world.now(request).history][-1] == "request.approved"
    world.room = replace(world.room, executors={**world.room.executors, "postgres:warehouse": world.executor})
    world.time.pass_time(seconds=1)
    assert attend(world.room, request.number) is Status.RUNNING


def test_a_password_file_that_cannot_be_read_is_named_and_seen_mended(world, tmp_path):
    catalogue, secret = data_set_in_warehouse(world), tmp_path / "pgpass"
    settings = settings_in(tmp_path, postgres_dsn=f"host=/nowhere dbname=w passfile={secret}")
    executor = backends(settings, catalogue, world.book)["postgres:warehouse"]
    assert fault_of(executor).startswith("its password file cannot be read (No such file or directory): mend passfile")
    with pytest.raises(BackendError, match="password file cannot be read"):
        executor.holdings()
    secret.touch(mode=0o600)
    assert fault_of(executor) == ""


def test_the_admins_are_told_which_setting_is_wrong(world, tmp_path):
    catalogue = data_set_in_warehouse(world)
    found = backends(settings_in(tmp_path, postgres_dsn="host=db colour=red"), catalogue, world.book)
    watchman = Watchman(replace(world.room, executors=found), pause_s=0)
    watchman.tick()
    watchman.wait()
    (finding,) = world.book.watch("postgres:warehouse").findings
    assert finding.fault is Fault.UNSEEN
    assert finding.what.value.startswith(
        "postgres:warehouse could not be read: its settings are wrong: QM_POSTGRES_DSN"
    )
