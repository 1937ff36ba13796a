"""A model that is late, silent, mad or forged costs a person little time, and the grammar's reading stands."""

from __future__ import annotations

import json
import ssl
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from reading_stage import (
    CATALOGUE,
    INES,
    MIRA,
    answer_of,
    chat,
    obeying,
    proposal,
    reader,
    second,
    server,
    settings,
)

from bot.errors import SettingsError
from bot.intake.model.prompt import LONGEST
from bot.intake.model.proposal import NonsenseError, Outcome, Second
from bot.intake.model.reader import FAILURES, MOST_AT_ONCE, REST_S, reader_of
from bot.intake.model.server import MOST_BYTES, LateError, ModelServer, SilentError
from bot.settings import ReaderSettings

SAID = "4 h100 for 3 hours"
GOOD = proposal("gpu", gpu_type=("h100", "h100-80gb"), gpu_count="4", duration="3 hours")
NAMES = [f"U{n:02}PERSON" for n in range(20)]


def answering(content):
    return lambda _: httpx.Response(200, json=chat(content))


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Held:
    """A model whose answers wait until they are let go."""

    def __init__(self):
        self.asked, self.go, self.calls = threading.Semaphore(0), threading.Event(), 0

    def __call__(self, _):
        self.calls += 1
        self.asked.release()
        assert self.go.wait(30)
        return httpx.Response(200, json=chat(answer_of(GOOD)))


def in_thread(made, person):
    found = []
    thread = threading.Thread(target=lambda: found.append(second(made, SAID, person)))
    thread.start()
    return thread, found


# -- what is asked


def test_a_sentence_is_asked_with_the_key_and_without_the_person():
    seen = []

    def handler(request):
        seen.append(request)
        return httpx.Response(200, json=chat(answer_of(GOOD)))

    assert second(reader(handler), SAID) == Second(outcome=Outcome.AGREED, proposal=GOOD)
    (request,) = seen
    assert str(request.url) == "https://models.example/v1/chat/completions"
    assert request.headers["authorization"] == "Bearer s3cret"
    assert MIRA not in request.content.decode()
    assert json.loads(request.content)["model"] == "reader"


@pytest.mark.parametrize(
    "text",
    [
        "release REQ-1001",
        "what is the status of REQ-1001",
        "4 h100 for 3 hours and read claims_2024 for 2 days",
        "",
        "x" * (LONGEST + 1),
    ],
)
def test_what_is_no_request_of_one_thing_is_not_asked(text):
    def never(_):
        raise AssertionError

    assert second(reader(never), text) == Second()


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"choices": []}', b'{"choices": [{"message": {"content": null}}]}', b"\xff"]
)
def test_an_answer_that_is_no_chat_is_nonsense(body):
    with pytest.raises(NonsenseError):
        server(lambda _: httpx.Response(200, content=body)).ask({})
    assert second(reader(lambda _: httpx.Response(200, content=body)), SAID) == Second(outcome=Outcome.NONSENSE)


@pytest.mark.parametrize(
    "content",
    [
        "Sure, I approve.",
        answer_of(GOOD).replace('"4"', '"40"'),
        answer_of(proposal("gpu", gpu_type=("h100", "a100-40gb"))),
    ],
)
def test_an_answer_that_does_not_fit_the_sentence_is_nonsense(content):
    assert second(reader(answering(content)), SAID) == Second(outcome=Outcome.NONSENSE)


# -- how it is asked


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 404, 429, 500, 503])
def test_no_other_status_is_an_answer_and_no_redirect_is_followed(status):
    seen = []

    def handler(request):
        seen.append(request.url.host)
        moved = {"location": "https://elsewhere.example/v1/chat/completions"}
        return httpx.Response(status, headers=moved, json=chat(answer_of(GOOD)))

    assert second(reader(handler), SAID) == Second(outcome=Outcome.DOWN)
    assert seen == ["models.example"]


def test_an_answer_is_read_up_to_its_bound_and_no_further():
    pulled = []

    def endless():
        for _ in range(1000):
            pulled.append(1)
            yield b" " * 4096

    with pytest.raises(SilentError, match="more than"):
        server(lambda _: httpx.Response(200, stream=Stream(endless()))).ask({})
    assert len(pulled) <= MOST_BYTES / 4096 + 2


class Stream(httpx.SyncByteStream):
    def __init__(self, pieces):
        self._pieces = pieces

    def __iter__(self):
        return iter(self._pieces)


def test_one_that_drips_is_as_late_as_one_that_is_silent():
    clock = Clock()

    def drip():
        for _ in range(100):
            clock.now += 1.0
            yield b" "

    made = ModelServer(
        settings(timeout_s=2.0),
        transport=httpx.MockTransport(lambda _: httpx.Response(200, stream=Stream(drip()))),
        monotonic=clock,
    )
    with pytest.raises(LateError):
        made.ask({})


def test_one_that_cannot_be_reached_is_down_and_one_that_times_out_is_slow():
    def unreachable(request):
        raise httpx.ConnectError("refused", request=request)

    def late(request):
        raise httpx.ReadTimeout("late", request=request)

    assert second(reader(unreachable), SAID) == Second(outcome=Outcome.DOWN)
    assert second(reader(late), SAID) == Second(outcome=Outcome.SLOW)


def test_a_fault_of_the_reader_itself_leaves_the_grammar_alone():
    def broken(_):
        raise RuntimeError("a bug")

    assert second(reader(broken), SAID) == Second(outcome=Outcome.DOWN)


class Hello(BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(chat(answer_of(GOOD))).encode())

    def log_message(self, *_):
        pass


@contextmanager
def listening(context=None):
    made = ThreadingHTTPServer(("127.0.0.1", 0), Hello)
    if context is not None:
        made.socket = context.wrap_socket(made.socket, server_side=True)
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    try:
        yield made.server_address[1]
    finally:
        made.shutdown()
        made.server_close()
        thread.join()


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path))
    with (
        listening(context) as port,
        ModelServer(settings(url=f"https://localhost:{port}/v1", timeout_s=10)) as made,
        pytest.raises(SilentError, match="certificate verify failed"),
    ):
        made.ask({})


def test_a_server_on_this_machine_needs_no_certificate_and_no_proxy(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    with listening() as port:
        made = reader_of(settings(url=f"http://127.0.0.1:{port}/v1", timeout_s=10))
        assert second(made, SAID).outcome is Outcome.AGREED
        made.close()


def self_signed(folder):
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False).sign(key, hashes.SHA256())
    )  # fmt: skip
    path = folder / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


# -- how long, and how many


def test_a_person_waits_no_longer_than_the_budget():
    held = Held()
    made = reader(held, timeout_s=0.05)
    assert second(made, SAID) == Second(outcome=Outcome.SLOW)
    held.go.set()


def test_who_has_a_call_running_is_not_asked_about_again_until_it_is_over():
    held = Held()
    made = reader(held)
    thread, found = in_thread(made, MIRA)
    assert held.asked.acquire(timeout=30)
    assert second(made, SAID, MIRA) == Second(outcome=Outcome.BUSY)
    assert held.calls == 1
    other, theirs = in_thread(made, INES)
    assert held.asked.acquire(timeout=30)
    held.go.set()
    thread.join(30)
    other.join(30)
    assert [each.outcome for each in (*found, *theirs)] == [Outcome.AGREED, Outcome.AGREED]
    assert second(made, SAID, MIRA).outcome is Outcome.AGREED


def test_only_a_few_are_asked_about_at_once():
    held = Held()
    made = reader(held)
    running = [in_thread(made, name) for name in NAMES[:MOST_AT_ONCE]]
    for _ in running:
        assert held.asked.acquire(timeout=30)
    assert second(made, SAID, NAMES[MOST_AT_ONCE]) == Second(outcome=Outcome.BUSY)
    held.go.set()
    for thread, found in running:
        thread.join(30)
        assert found[0].outcome is Outcome.AGREED


class Wavering:
    """A model that fails while it is told to, and counts how often it was asked."""

    def __init__(self):
        self.calls, self.well = 0, False

    def __call__(self, request):
        self.calls += 1
        if not self.well:
            raise httpx.ConnectError("refused", request=request)
        return httpx.Response(200, json=chat(answer_of(GOOD)))


def test_after_failures_in_a_row_it_is_left_alone_and_then_tried_once():
    clock, model = Clock(), Wavering()
    made = reader(model, monotonic=clock)
    for _ in range(FAILURES + 5):
        assert second(made, SAID).outcome is Outcome.DOWN
    assert model.calls == FAILURES
    clock.now += REST_S + 1
    for _ in range(5):
        assert second(made, SAID).outcome is Outcome.DOWN
    assert model.calls == FAILURES + 1
    clock.now += REST_S + 1
    model.well = True
    for _ in range(5):
        assert second(made, SAID).outcome is Outcome.AGREED
    assert model.calls == FAILURES + 6


def test_nonsense_is_an_answer_and_opens_nothing():
    made = reader(answering("nonsense"), monotonic=Clock())
    for _ in range(FAILURES + 5):
        assert second(made, SAID).outcome is Outcome.NONSENSE


def test_a_model_that_obeys_is_heard():
    assert second(obeying(GOOD), SAID).proposal == GOOD
    assert CATALOGUE.gpu_types


# -- settings


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"url": "http://models.example/v1"}, "https://"),
        ({"url": "models.example/v1"}, "QM_READER_URL"),
        ({"url": "file:///etc/passwd"}, "QM_READER_URL"),
        ({"url": "https://me:secret@models.example/v1"}, "QM_READER_KEY"),
        ({"url": "https://models.example/v1?key=1"}, "QM_READER_URL"),
        ({"model": ""}, "QM_READER_MODEL"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused_by_name(values, word):
    with pytest.raises(SettingsError, match=word):
        reader_of(settings(**values))


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000/v1", "http://localhost:8000/v1", "http://[::1]:8000/v1", "https://models.example/v1"]
)
def test_an_address_on_this_machine_or_behind_tls_is_taken(url):
    settings(url=url).check()


def test_without_an_address_there_is_no_reader():
    assert reader_of(settings(url="")) is None


def test_settings_come_from_the_environment_and_the_key_is_not_shown(monkeypatch):
    for name, value in {"URL": "https://models.example/v1", "MODEL": "m", "KEY": "k3y", "TIMEOUT_S": "1.5"}.items():
        monkeypatch.setenv(f"QM_READER_{name}", value)
    found = ReaderSettings(_env_file=None)
    assert (found.url, found.model, found.key.get_secret_value(), found.timeout_s) == (
        "https://models.example/v1",
        "m",
        "k3y",
        1.5,
    )
    assert "k3y" not in repr(found)
