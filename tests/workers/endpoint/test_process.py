"""The endpoint as a process of its own: tables that change under it, keys that end, several of them on one home."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from endpoint_house import PLACE, ROOT, Child, House, caller, chat
from endpoint_site import until

from ledger.book import utc_now
from workers.apikeys import new_key, verifier_of
from workers.endpoint import table
from workers.endpoint.process import listening, run_endpoint
from workers.endpoint.settings import EndpointSettings
from workers.errors import SettingsError


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path / "home")
    yield made
    made.close()


@pytest.fixture
def served(house):
    """A house that serves, its endpoint, and a caller with a key of 100,000 tokens."""
    house.route(house.server("--token-s", "0.01"))
    house.first = house.endpoint()
    house.granted = house.grant()
    house.http = caller(house.first.url, house.key(house.granted))
    yield house
    house.http.close()


def refusal(answer):
    return answer.status_code, answer.json()["error"]["code"]


def test_the_key_decides_where_the_models_name_leads(served):
    other = served.server(name="two")
    served.route(other, place="fraud-detector@dev")
    answer = chat(served.http, "hello", max_tokens=5)
    assert (answer.status_code, answer.json()["model"]) == (200, "fraud-detector")
    assert answer.headers["x-quartermaster-version"].startswith("sha256:" + b"one".hex())
    assert [each["id"] for each in served.http.get("/v1/models").json()["data"]] == ["fraud-detector"]
    assert served.used(served.granted) == answer.json()["usage"]["total_tokens"]


def test_an_unknown_a_revoked_and_an_expired_key_are_refused(served):
    with caller(served.first.url, new_key()) as stranger:
        assert refusal(chat(stranger, "hello")) == (401, "unknown_key")
    short = served.grant(key="b" * 32, seconds=1.5)
    with caller(served.first.url, served.key(short)) as brief:
        assert chat(brief, "hello", max_tokens=2).status_code == 200
        until(lambda: utc_now() >= short.not_after)
        assert refusal(chat(brief, "hello")) == (401, "key_over")
    assert chat(served.http, "hello", max_tokens=2).status_code == 200
    served.executor.revoke(served.granted)
    assert refusal(chat(served.http, "hello")) == (401, "unknown_key")


def test_showing_anew_ends_the_key_before(served):
    again = new_key()
    served.executor.set_verifier(served.granted, verifier_of(again))
    assert refusal(chat(served.http, "hello")) == (401, "unknown_key")
    with caller(served.first.url, again) as http:
        assert chat(http, "hello", max_tokens=2).status_code == 200


def test_a_budget_of_nothing_admits_nothing(served):
    none = served.grant(tokens=0, key="c" * 32)
    with caller(served.first.url, served.key(none)) as http:
        answer = chat(http, "hello", max_tokens=2)
        assert refusal(answer) == (429, "insufficient_quota")
        assert "REQ-1001" in answer.json()["error"]["message"]


def test_ten_megabytes_are_refused_and_cost_nothing(served):
    assert refusal(chat(served.http, "x" * 10_000_000)) == (413, "body_too_long")
    assert served.used(served.granted) == 0


def test_fifty_calls_at_once_on_two_endpoints_cannot_overrun_the_last_tokens(served):
    second = served.endpoint("second")
    grant = served.grant(tokens=600, key="d" * 32)
    key = served.key(grant)
    with caller(served.first.url, key) as one, caller(second.url, key) as two, ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda n: chat((one, two)[n % 2], "hello", max_tokens=40), range(50)))
    admitted = [answer.json()["usage"]["total_tokens"] for answer in answers if answer.status_code == 200]
    assert {answer.status_code for answer in answers} == {200, 429}
    assert len(admitted) >= 4
    assert sum(admitted) <= 600
    assert served.used(grant) == sum(admitted)


def test_a_caller_who_leaves_in_mid_stream_pays_for_what_was_made(served):
    body = {"model": "fraud-detector", "messages": [{"role": "user", "content": "go on"}], "stream": True}
    with served.http.stream("POST", "/v1/chat/completions", json=body | {"max_tokens": 60}) as answer:
        pieces = answer.iter_lines()
        until(lambda: next(pieces).startswith("data: "))
    until(lambda: 0 < served.used(served.granted) < 60, lambda: str(served.used(served.granted)))


@pytest.mark.parametrize("behaviour", ["killed", "engine-dies"])
def test_a_server_that_dies_in_mid_stream_is_said_so_and_what_was_made_is_charged(served, behaviour):
    served.route(served.server("--behaviour", behaviour, name="dying"))
    until(lambda: table_seen(served.first) == 2)
    body = {"model": "fraud-detector", "messages": [{"role": "user", "content": "go on"}], "stream": True}
    with served.http.stream("POST", "/v1/chat/completions", json=body | {"max_tokens": 60}) as answer:
        said = "".join(answer.iter_text())
    assert "The model's server failed in the middle of this call" in said
    until(lambda: 0 < served.used(served.granted) <= 100, lambda: str(served.used(served.granted)))


def test_a_changed_table_is_followed_and_noted(served):
    before = table_seen(served.first)
    one, two = table.read_table(served.models / table.FILE).routes[PLACE][0], served.server(name="two")
    served.route(replace(one, percent=0), two)
    until(lambda: table_seen(served.first) == before + 1)
    answer = chat(served.http, "hello", max_tokens=2)
    assert answer.headers["x-quartermaster-version"] == two.digest


def test_a_broken_table_leaves_the_one_before_in_force_and_is_logged(served):
    path = served.models / table.FILE
    aside = path.rename(path.with_name("aside"))
    path.write_bytes(b'{"version": 9, "routes": {"fraud-detector@production"')
    until(lambda: "the route table is broken" in served.first.said())
    assert chat(served.http, "hello", max_tokens=2).status_code == 200
    assert table_seen(served.first) == 1
    path.unlink()
    until(lambda: "routes.json is gone" in served.first.said())
    assert chat(served.http, "hello", max_tokens=2).status_code == 200
    aside.replace(path)
    served.route(served.server(name="two"))
    until(lambda: table_seen(served.first) == 2)


def test_without_a_table_it_says_that_nothing_serves_the_model(house):
    endpoint = house.endpoint()
    with caller(endpoint.url, house.key(house.grant())) as http:
        assert refusal(chat(http, "hello")) == (404, "model_not_found")
        assert http.get("/v1/models").json()["data"] == []


def test_told_to_stop_it_finishes_what_it_answers_and_takes_its_note_away(served):
    body = {"model": "fraud-detector", "messages": [{"role": "user", "content": "go on"}], "stream": True}
    with served.http.stream("POST", "/v1/chat/completions", json=body | {"max_tokens": 60}) as answer:
        pieces = answer.iter_lines()
        next(pieces)
        served.first.process.terminate()
        assert served.first.beat.exists()
        assert "data: [DONE]" in list(pieces)
    assert served.first.process.wait(30) == 0
    assert not served.first.beat.exists()


def test_on_a_socket_that_was_handed_over_a_restart_refuses_nobody(house):
    house.route(house.server())
    key = house.key(house.grant())
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        first = handed_over(house, listener, "first")
        with caller(url, key) as http:
            assert chat(http, "hello", max_tokens=2).status_code == 200
        assert first.stop() == 0
        with ThreadPoolExecutor(1) as pool, caller(url, key) as http:
            waiting = pool.submit(chat, http, "hello", max_tokens=2)
            handed_over(house, listener, "second")
            assert waiting.result(60).status_code == 200


HAND_OVER = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.executable, [sys.executable, "-m", "bot.cli", "endpoint"])
"""


def handed_over(house, listener, name):
    """Start an endpoint as systemd does: the socket is its file 3."""
    number = listener.fileno()
    environment = {**os.environ, "QM_HOME": str(house.home)}
    log = (house.home / f"{name}.log").open("wb")
    child = Child.__new__(Child)
    child.log = house.home / f"{name}.log"
    child.process = subprocess.Popen(
        [sys.executable, "-c", HAND_OVER, str(number)],
        stdout=log,
        stderr=log,
        cwd=ROOT,
        env=environment,
        pass_fds=[number],
        start_new_session=True,
    )
    log.close()
    house.children.append(child)
    until(lambda: child.over() or "answers at" in child.said(), child.said, seconds=60)
    return child


@pytest.mark.parametrize("count", ["0", "2"])
def test_more_or_less_than_one_socket_is_refused(count):
    with pytest.raises(SettingsError, match="one socket alone"):
        listening(EndpointSettings(port=0), {"LISTEN_PID": "7", "LISTEN_FDS": count}, 7)


def test_a_socket_for_another_process_is_not_ours():
    with listening(EndpointSettings(port=0), {"LISTEN_PID": "8", "LISTEN_FDS": "1"}, 7) as listener:
        assert listener.getsockname()[1] > 0


def test_a_port_that_is_taken_is_said_in_words():
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(SettingsError, match="set QM_ENDPOINT_PORT"):
        listening(EndpointSettings(port=taken.getsockname()[1]), {}, 7)


def test_a_certificate_without_its_key_is_refused(tmp_path):
    (tmp_path / "cert.pem").touch()
    with pytest.raises(SettingsError, match="belong together"):
        EndpointSettings(certificate=tmp_path / "cert.pem")
    without = EndpointSettings(port=0, certificate=tmp_path / "cert.pem", certificate_key=tmp_path / "none.pem")
    with pytest.raises(SettingsError, match="there is no file"):
        run_endpoint(tmp_path, without, print)


def test_over_tls_it_answers_whoever_trusts_its_certificate(house, tmp_path):
    certificate, key = certificate_for_loopback(tmp_path)
    files = {"QM_ENDPOINT_CERTIFICATE": str(certificate), "QM_ENDPOINT_CERTIFICATE_KEY": str(key)}
    house.route(house.server())
    endpoint = house.endpoint(environment=files)
    assert endpoint.url.startswith("https://")
    trusting = ssl.create_default_context(cafile=certificate)
    with caller(endpoint.url, house.key(house.grant()), verify=trusting) as http:
        assert chat(http, "hello", max_tokens=2).status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(endpoint.url + "/v1/models")


def certificate_for_loopback(folder):
    key, now = ec.generate_private_key(ec.SECP256R1()), utc_now()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "endpoint")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate, secret = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, secret


def table_seen(endpoint):
    return json.loads(endpoint.beat.read_bytes())["version"]
