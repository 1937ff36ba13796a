"""`quartermaster reconcile`: a table, an exit status, and a request to take something away."""

from __future__ import annotations

from datetime import timedelta

import pytest
from typer.testing import CliRunner

from bot.cli import app
from bot.desk import Desk
from bot.errors import SettingsError
from bot.house import open_house
from ledger.book import open_sqlite, utc_now
from ledger.streams.request import Status, Verdict
from ledger.streams.watch import Fault
from workers.app import build_room
from workers.executors.leases import Lease, write_lease
from workers.hands import attend
from workers.settings import HouseSettings

STRANGE = "f" * 32


def run(home, *arguments):
    return CliRunner().invoke(app, ["reconcile", "--dir", str(home), *arguments], env={"COLUMNS": "200"})


@pytest.fixture
def home(house):
    yield house.home


@pytest.fixture
def with_door(home):
    (home / "leases").mkdir()
    lease = Lease(request=1001, generation=1, devices=("gpu-02:7",), not_after=utc_now() + timedelta(hours=1))
    write_lease(home / "leases", STRANGE, lease)
    return home


def finding(home):
    book = open_sqlite(home / "ledger.sqlite3")
    (found,) = book.watch("gpu_pool").findings
    book.store.close()
    return found


def test_all_as_ordered_is_said_and_leaves_0(home):
    done = run(home)
    assert (done.exit_code, done.output.strip()) == (0, "As ordered: gpu_pool, memory")


def test_a_finding_is_a_row_and_leaves_1(with_door):
    done = run(with_door, "--backend", "gpu_pool")
    found = finding(with_door)
    assert done.exit_code == 1
    for words in (found.finding[:8], Fault.UNEXPLAINED.value, "gpu-02:7", f"--revert {found.finding[:8]}"):
        assert words in done.output


def test_a_backend_that_cannot_be_read_leaves_1(home):
    (home / "simulated.sqlite3").write_text("no database")
    done = run(home, "--backend", "memory")
    assert done.exit_code == 1


def test_a_person_of_a_demo_asks_to_take_it_away(with_door):
    run(with_door)
    short = finding(with_door).finding[:8]
    done = run(with_door, "--revert", short, "--as", "U06KOFI", "--why", "old")
    assert (done.exit_code, "REQ-1001" in done.output) == (0, True)
    book = open_sqlite(with_door / "ledger.sqlite3")
    assert book.request(1001).status is Status.WAITING
    book.store.close()
    assert run(with_door, "--revert", short, "--as", "U07ADA").exit_code == 1


def explained(home):
    """What was found is known for three days: asked, approved and carried out."""
    room = build_room(HouseSettings(home=home, policies=home / "policies"), simulate=True)
    desk, found = Desk(room.book, room.policy, lambda _: None, room.clock), finding(home)
    asked = desk.explain("U06KOFI", "gpu_pool", found.finding, utc_now() + timedelta(days=3), "The backup's role.")
    desk.review("U07ADA", asked.number, asked.form_digest, Verdict.APPROVE)
    attend(room, asked.number)
    room.book.store.close()


def test_what_is_explained_is_counted_and_leaves_0(with_door):
    assert "Explained for now" not in run(with_door).output
    explained(with_door)
    done = run(with_door)
    assert done.exit_code == 0
    assert "Explained for now: 1 in gpu_pool" in done.output
    assert "As ordered: gpu_pool, memory" in done.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--backend", "slurm"], "no backend slurm"),
        (["--revert", "00"], "--as"),
        (["--revert", "00", "--as", "U06KOFI"], "begin with '00'"),
        (["--revert", "", "--as", "U06KOFI"], "begin with ''"),
    ],
)
def test_what_cannot_be_done_says_what_to_do(home, arguments, says):
    done = run(home, *arguments)
    assert isinstance(done.exception, SettingsError)
    assert says in str(done.exception)


def test_a_folder_without_a_ledger_is_not_made_into_one(tmp_path):
    done = run(tmp_path / "nowhere")
    assert "no ledger" in str(done.exception)
    assert not (tmp_path / "nowhere").exists()


def test_against_a_real_ledger_nobody_is_known_in_a_shell(tmp_path):
    real = open_house(tmp_path, tmp_path / "policies", tmp_path / "ledger.sqlite3", mode="real", workspace="T1")
    real.book.store.close()
    done = run(tmp_path, "--revert", "00", "--as", "U06KOFI")
    assert "in Slack" in str(done.exception)
