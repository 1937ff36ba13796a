"""Secrets and their SCRAM-SHA-256 verifiers, against the exchange printed in RFC 7677, 3."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.scram import ITERATIONS, Verifier, make_verifier, new_secret, read_verifier

NONCE = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
AUTH = f"n=user,r=rOprNGfwEbeRWgbNEkqO,r={NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r={NONCE}".encode()


def test_the_server_signature_of_the_rfc_comes_out_of_our_server_key():
    verifier = make_verifier("pencil", salt=SALT, iterations=4096)
    signature = hmac.digest(verifier.server_key, AUTH, "sha256")
    assert base64.b64encode(signature) == b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def test_the_client_proof_of_the_rfc_is_accepted_by_our_stored_key():
    verifier = make_verifier("pencil", salt=SALT, iterations=4096)
    proof = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    signature = hmac.digest(verifier.stored_key, AUTH, "sha256")
    client_key = bytes(a ^ b for a, b in zip(proof, signature, strict=True))
    assert hashlib.sha256(client_key).digest() == verifier.stored_key


def test_a_verifier_reads_back_as_it_was_written():
    text = make_verifier("pencil", salt=SALT).text()
    assert text.startswith("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$")
    assert read_verifier(text).text() == text


def test_secrets_are_128_random_bits_that_need_no_quoting():
    found = {new_secret() for _ in range(200)}
    assert len(found) == 200
    assert all(len(s) == 26 and s.isalnum() and s.isascii() and s == s.lower() for s in found)
    assert len(base64.b32decode(new_secret().upper() + "======")) == 16


def test_the_same_secret_gets_another_salt_each_time():
    assert make_verifier("pencil") != make_verifier("pencil")


@pytest.mark.parametrize("secret", ["", "påss", "tab\t", "new\nline", "nul\0"])
def test_what_saslprep_might_change_is_no_secret(secret):
    with pytest.raises(ValueError, match="printable ASCII"):
        make_verifier(secret)


GOOD = make_verifier("pencil", salt=SALT).text()


@pytest.mark.parametrize(
    "text",
    [
        "pencil",
        "md5" + "0" * 32,
        "",
        GOOD + "\n",
        " " + GOOD,
        GOOD.replace("4096", "04096"),
        GOOD.replace("4096", str(ITERATIONS - 1)),
        GOOD.replace("SHA-256", "SHA-1"),
        GOOD.replace("W22ZaJ0SNY7soEsUEjb6gQ==", ""),
        GOOD.replace("W22ZaJ0SNY7soEsUEjb6gQ==", "W22ZaJ0SNY7soEsUEjb6gR=="),
        GOOD[:-4],
        GOOD.replace(":", ";"),
        GOOD + "'; ALTER ROLE x SUPERUSER; --",
    ],
)
def test_anything_but_a_verifier_is_refused_and_not_repeated(text):
    with pytest.raises(ValueError, match="not a SCRAM-SHA-256 verifier") as refused:
        read_verifier(text)
    assert str(refused.value) == "not a SCRAM-SHA-256 verifier"


@given(st.text())
def test_nothing_foreign_leaks_out_of_the_parser(text):
    with pytest.raises(ValueError, match="not a SCRAM"):
        read_verifier(text)


@given(st.integers(ITERATIONS, 10**8), st.binary(min_size=1, max_size=40), st.binary(min_size=32, max_size=32))
def test_every_verifier_round_trips(iterations, salt, key):
    verifier = Verifier(iterations=iterations, salt=salt, stored_key=key, server_key=key[::-1])
    assert read_verifier(verifier.text()) == verifier
