"""A home whose models are served: stand-ins behind real endpoint processes, with keys granted by the executor."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import httpx
from endpoint_site import until

from ledger.book import utc_now
from ledger.nouns import Grant, KeyForm
from workers.apikeys import new_key, verifier_of
from workers.endpoint import counters, keytable
from workers.endpoint.calls import Bounds
from workers.endpoint.counters import Counters
from workers.endpoint.keytable import KeyTable
from workers.endpoint.table import FILE, Server, write_table
from workers.executors.endpoint_keys import EndpointKeys

ROOT = Path(__file__).parents[1]
MODEL, ENVIRONMENT = "fraud-detector", "production"
PLACE = f"{MODEL}@{ENVIRONMENT}"
BOUNDS = Bounds(context=4096, output=64, sequences=4, template=10)


class Child:
    """A process of ours, ended with the test."""

    def __init__(self, command, folder, name, *, answers=None, **rest):
        self.log = folder / f"{name}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *command], stdout=log, stderr=log, cwd=ROOT, start_new_session=True, **rest
            )
        if answers is not None:
            until(lambda: self.over() or answers(), self.said, seconds=60)
            assert not self.over(), self.said()

    def over(self):
        return self.process.poll() is not None

    def said(self):
        return self.log.read_text()

    def stop(self, name=signal.SIGTERM):
        self.process.send_signal(name)
        return self.process.wait(30)

    def kill(self):
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)


class House:
    """The home, its servers and its endpoints; `close` ends them all."""

    def __init__(self, home):
        self.home, self.models = home, home / "models"
        self.models.mkdir(parents=True, exist_ok=True)
        self.children = []
        self.tokens = Counters(self.models / counters.FILE)
        self.executor = EndpointKeys(
            KeyTable(self.models / keytable.FILE),
            lambda: Counters(self.models / counters.FILE),
            "http://127.0.0.1:8440",
            lambda _: "vision",
        )

    def close(self):
        for child in self.children:
            child.kill()
        self.tokens.close()

    def server(self, *flags, name="one"):
        """Start a stand-in and return its row of the table."""
        port, served = free_port(), f"{MODEL}@{name}"
        command = ["workers.standin", "--model", name, "--served-model-name", served, "--port", str(port), *flags]
        child = Child(command, self.home, f"server-{name}", answers=lambda: listens(port))
        self.children.append(child)
        digest = "sha256:" + name.encode().hex().ljust(64, "0")
        url = f"http://127.0.0.1:{port}"
        return Server(url=url, digest=digest, version=name, served=served, percent=100, bounds=BOUNDS)

    def route(self, *servers, place=PLACE):
        return write_table(self.models / FILE, lambda routes: {**routes, place: servers})

    def endpoint(self, name="endpoint", environment=(), **rest):
        """Start an endpoint, wait until it answers and has seen the table, and return it with its address."""
        settings = {**os.environ, "QM_HOME": str(self.home), "QM_ENDPOINT_PORT": "0", **dict(environment)}
        child = Child(["bot.cli", "endpoint"], self.home, name, env=settings, **rest)
        self.children.append(child)
        until(lambda: child.over() or "answers at" in child.said(), child.said, seconds=60)
        child.url = re.search(r"https?://\S+", child.said())[0]
        child.beat = self.models / "endpoints" / f"{child.process.pid}.json"
        until(lambda: child.over() or child.beat.exists(), child.said, seconds=30)
        assert not child.over(), child.said()
        return child

    def grant(self, tokens=100_000, hours=1, *, key="a" * 32, seconds=None, **rest):
        held = timedelta(seconds=seconds) if seconds is not None else timedelta(hours=hours)
        form = KeyForm(resource=f"endpoint:{PLACE}", tokens=tokens, duration_s=int(held.total_seconds()) or 1)
        return Grant(
            request=1001,
            key=key,
            subject="user:" + "0" * 32,
            form=form,
            generation=1,
            not_after=utc_now() + held,
            **rest,
        )

    def key(self, grant):
        """Let the grant stand, and return a key of it."""
        self.executor.ensure(grant)
        made = new_key()
        self.executor.set_verifier(grant, verifier_of(made))
        return made

    def used(self, grant):
        return grant.form.tokens - self.tokens.left(f"key:{grant.key}")


def caller(url, key, **rest):
    return httpx.Client(base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=60, **rest)


def chat(http, words, **body):
    messages = [{"role": "user", "content": words}]
    return http.post("/v1/chat/completions", json={"model": MODEL, "messages": messages, **body})


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def listens(port):
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return time.sleep(0.02) or False
