"""Those who lost a race go in turn: first come, first served, whoever dies, and nobody waits who is alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from ledger.errors import BusyError
from ledger.log.turns import Turns

HOLDER = """
import sys, time
from pathlib import Path
from ledger.log.turns import Turns
with Turns(Path(sys.argv[1]), 60).take():
    print("mine", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def turns(tmp_path):
    return Turns(tmp_path / "l", 30.0)


@pytest.fixture
def hold(tmp_path):
    started = []

    def hold():
        command = [sys.executable, "-c", HOLDER, str(tmp_path / "l")]
        started.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield hold
    for each in started:
        each.kill()
        each.wait()
        each.stdin.close()
        each.stdout.close()


def until_in_line(tmp_path, count):
    """Wait until `count` numbers were given."""
    path = tmp_path / "l.turn-lock"
    while not path.exists() or int.from_bytes(path.read_bytes(), "big") < count:
        os.sched_yield()


def test_who_came_first_goes_first(tmp_path, hold):
    holder, order, threads = hold(), [], []
    assert holder.stdout.readline() == "mine\n"

    def go(name):
        with Turns(tmp_path / "l", 30.0).take():  # as another process has one of its own
            order.append(name)

    for name in range(8):
        threads.append(threading.Thread(target=go, args=(name,)))
        threads[-1].start()
        until_in_line(tmp_path, name + 2)
    assert order == []
    holder.communicate("go\n")
    for thread in threads:
        thread.join()
    assert order == list(range(8))


def test_the_kernel_lets_go_for_whoever_dies(turns, hold):
    holder = hold()
    assert holder.stdout.readline() == "mine\n"
    assert turns.waited_for()
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with turns.take():
        assert turns.waited_for()
    assert not turns.waited_for()


def test_a_thread_may_take_its_turn_again_inside(turns):
    with turns.take(), turns.take():
        pass
    assert not turns.waited_for()


def test_a_turn_that_does_not_come_is_said_so(tmp_path, hold):
    assert hold().stdout.readline() == "mine\n"
    with pytest.raises(BusyError, match="too many people"), Turns(tmp_path / "l", 0.05).take():
        pass


def test_a_forked_child_neither_keeps_nor_ends_its_parents_turn(turns, tmp_path):
    ready, done = os.pipe()
    with turns.take():
        child = os.fork()
        if not child:
            turns.forget_parent()
            os.read(ready, 1)
            os._exit(0)
        assert Turns(tmp_path / "l", 1.0).waited_for()
    assert not turns.waited_for()
    os.write(done, b"x")
    os.waitpid(child, 0)
    os.close(ready)
    os.close(done)
