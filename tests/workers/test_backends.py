"""From catalogue, settings and accounts to executors, and who is told to carry out what."""

from __future__ import annotations

from dataclasses import replace

import pytest
from conftest import MIRA

from ledger.nouns import GpuForm
from ledger.streams.request import Status
from policies.decide import Policy
from workers.accounts import DatabaseAccounts, cluster_user
from workers.backends import backends, postgres_settings, slurm_settings
from workers.errors import BackendError, SettingsError
from workers.executors.slurm.port import Account
from workers.hands import attend
from workers.settings import HouseSettings

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
