"""The commands a newcomer runs, as they run them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bot.errors import SettingsError
from bot.house import only_one, open_house


def quartermaster(*arguments, **rest):
    return subprocess.run(
        [sys.executable, "-m", "bot.cli", *arguments], capture_output=True, text=True, timeout=60, check=False, **rest
    )


@pytest.mark.services
def test_the_play_is_true_and_its_ledger_verifies(tmp_path):
    done = quartermaster("demo", "--play", "--dir", str(tmp_path / "home"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All of it was true." in done.stdout
    bundle = next((tmp_path / "home" / "exports").glob("*.zip"))
    without_key = quartermaster("ledger", "verify", "--bundle", str(bundle))
    assert without_key.returncode == 3
    assert "not anchored" in without_key.stdout
    database = quartermaster("ledger", "verify", "--database", str(tmp_path / "home" / "ledger.sqlite3"))
    assert database.returncode == 3


def test_a_second_start_in_the_same_home_is_told_so(tmp_path):
    with only_one(tmp_path):
        done = quartermaster("demo", "--play", "--dir", str(tmp_path))
    assert done.returncode == 1
    assert "already runs" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_demo_ledger_never_becomes_a_real_one(house):
    with pytest.raises(SettingsError, match="demo ledger"):
        open_house(house.home, house.home / "policies", house.home / "ledger.sqlite3", mode="real", workspace="T1")


def test_up_says_which_tokens_are_missing(tmp_path):
    done = quartermaster("up", cwd=tmp_path, env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)})
    assert done.returncode == 1
    assert "SLACK_BOT_TOKEN" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_case_table_is_a_command():
    assert quartermaster("policy", "test").returncode == 0


def test_verify_names_what_is_missing(tmp_path):
    done = quartermaster("ledger", "verify", "--database", str(tmp_path / "nothing"))
    assert done.returncode == 2
    assert "no ledger" in done.stderr
