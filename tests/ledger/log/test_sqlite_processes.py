"""Several processes on one file: one chain, nothing lost, nothing doubled, whoever is killed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ledger.log.sqlite import SqliteStore
from ledger.log.turnstile import Turnstile
from ledger.log.verify import verify_store

WRITER = """
import sys, threading
from pathlib import Path
from ledger.log.sqlite import SqliteStore
from ledger.log.turnstile import Turnstile
from ledger.log.store import ANY, Draft, Move

store = SqliteStore(Path(sys.argv[1]))
who, threads, count = (int(each) for each in sys.argv[2:])
said = threading.Lock()

def write(thread):
    for n in range(count):
        entry = Draft(id=f"{who:08x}{thread:08x}{n:016x}", kind="test.said", v=1, actor="svc:test", body={"n": n})
        moves = [Move(stream=f"w{who}.{thread}", expected=n, drafts=(entry,))]
        if n % 5 == 0:
            shared = Draft(id=f"f{who:07x}{thread:08x}{n:016x}", kind="test.said", v=1, actor="svc:test", body={"n": n})
            moves.append(Move(stream="shared", expected=ANY, drafts=(shared,)))
        store.append(moves)
        with said:
            sys.stdout.write(f"{thread} {n}\\n")
            sys.stdout.flush()

workers = [threading.Thread(target=write, args=(t,), daemon=True) for t in range(threads)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
store.close()
"""


@pytest.fixture
def start(path):
    SqliteStore(path).close()
    started = []

    def start(who, threads=1, count=100_000):
        command = [sys.executable, "-c", WRITER, str(path), str(who), str(threads), str(count)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for each in started:
        each.kill()
        each.wait()
        each.stdout.close()


def versions(store):
    return dict(store.query("SELECT stream, max(version) FROM entry GROUP BY stream"))


def test_processes_and_threads_make_one_chain(start, path):
    writers = [start(who, threads=4, count=25) for who in range(4)]
    for writer in writers:
        told = writer.communicate(timeout=90)[0].split("\n")
        assert writer.returncode == 0
        assert len(told) == 4 * 25 + 1
    store = SqliteStore(path)
    assert versions(store) == {**{f"w{who}.{thread}": 25 for who in range(4) for thread in range(4)}, "shared": 80}
    assert store.query("SELECT count(*), count(DISTINCT id) FROM entry") == [(480, 480)]
    assert verify_store(store).sound
    store.close()


def test_killed_writers_lose_nothing_they_were_told_and_others_go_on(start, path):
    steady, told = start(0, threads=2), {}
    assert steady.stdout.readline()
    for who in range(1, 7):
        victim = start(who, threads=3)
        first = victim.stdout.readline()
        time.sleep(0.02 * who)
        victim.kill()
        lines = [first, *victim.stdout.readlines()]
        told[who] = [line.split() for line in lines if line.endswith("\n")]
        assert steady.stdout.readline(), "the others go on"
    steady.kill()
    steady.wait()
    store = SqliteStore(path)
    at = versions(store)
    for who, lines in told.items():
        for thread in range(3):
            heard = sum(1 for line in lines if line[0] == str(thread))
            # one more may be durable without having been told
            assert at.get(f"w{who}.{thread}", 0) in {heard, heard + 1}
    assert store.query("SELECT count(*) - count(DISTINCT id) FROM entry") == [(0,)]
    assert verify_store(store).sound
    store.close()


def test_a_forked_child_waits_for_a_lock_that_it_could_have_inherited(store, path, make):
    move, _ = make
    store.append([move("a", 1)])
    other = Turnstile(path)
    with other.pass_through():
        child = os.fork()
        if child == 0:
            code = 1
            try:
                other.forget_parent()
                store.append([move("child", 2)])
                code = 0 if store.size() == 2 else 2
            finally:
                os._exit(code)
        time.sleep(0.3)
        assert store.size() == 1
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    other.close()
    assert store.append([move("a", 3)]).seqs == (2,)
    assert verify_store(store).sound


def test_no_connection_crosses_a_fork(store, path, make):
    move, _ = make
    store.append([move("a", 1)])
    assert store.size() == 1
    child = os.fork()
    if child == 0:
        files = [str(each.resolve()) for each in Path("/proc/self/fd").iterdir()]
        os._exit(sum(each.startswith(str(path)) for each in files))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_fork_while_threads_append_leaves_a_child_that_can_append(store, make):
    move, _ = make
    stop = threading.Event()

    def write():
        n = 10
        while not stop.is_set():
            store.append([move("busy", n)])
            n += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for number in range(1, 4):
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    store.append([move("child", number)])
                    code = 0
                finally:
                    os._exit(code)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        stop.set()
        thread.join()
    assert store.version("child") == 3
    assert verify_store(store).sound
