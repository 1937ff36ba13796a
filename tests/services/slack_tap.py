"""Every raw byte between the bot and Slack's API: a relay in between that keeps what went either way.

Bytes are kept as they were on the wire. `Exchange.sent` takes the mask off a WebSocket's frames, because a client's
bytes are XORed there and no search would find anything in them.
"""

from __future__ import annotations

import base64
import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass, field


@dataclass
class Exchange:
    """One connection: what the bot sent, and what it was answered."""

    asked: bytearray = field(default_factory=bytearray)
    answered: bytearray = field(default_factory=bytearray)

    @property
    def method(self):
        """What was called, such as `views.open`, or `link` for the WebSocket."""
        path = bytes(self.asked).split(b" ", 2)[1].decode()
        return path.split("?")[0].strip("/").removeprefix("api/")

    @property
    def sent(self):
        """What the bot sent, readable also when it was a WebSocket."""
        head, _, rest = bytes(self.asked).partition(b"\r\n\r\n")
        return head + unmasked(rest) if b"upgrade: websocket" in head.lower() else bytes(self.asked)


def unmasked(stream):
    """The payloads of a client's frames, one after the other."""
    out, at = b"", 0
    while at + 6 <= len(stream):
        length, at = stream[at + 1] & 127, at + 2
        if length >= 126:
            kind, size = ("!H", 2) if length == 126 else ("!Q", 8)
            (length,) = struct.unpack(kind, stream[at : at + size])
            at += size
        mask, at = stream[at : at + 4], at + 4
        out += bytes(byte ^ mask[n % 4] for n, byte in enumerate(stream[at : at + length])) + b"\n"
        at += length
    return out


class Tap:
    """A relay on a port of its own in front of `port`; `exchanges` grows while it runs."""

    def __init__(self, port):
        self._port, self.exchanges = port, []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        # The workspace takes calls to its own address alone, and sends the bot's WebSocket there: each hears its own.
        ours, theirs = (f"//127.0.0.1:{each}/link".encode() for each in (self.port, port))
        host = b"Host: 127.0.0.1:"
        self._inwards = (host + str(self.port).encode(), host + str(port).encode())
        self._outwards = (theirs, ours)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listener.close()

    def _accept(self):
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self.exchanges.append(Exchange())
                threading.Thread(target=self._relay, args=(near, self.exchanges[-1]), daemon=True).start()

    def _relay(self, near, exchange):
        with near, suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", self._port)) as far:
            back = threading.Thread(target=_pump, args=(far, near, exchange.answered, self._outwards), daemon=True)
            back.start()
            _pump(near, far, exchange.asked, self._inwards)
            back.join()


def _pump(source, target, kept, names):
    with suppress(OSError):
        while data := source.recv(65536):
            kept += data
            target.sendall(data.replace(*names))
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def forms_of(secret):
    """The ways in which a careless program would write it."""
    raw = secret.encode()
    return [raw, raw.upper(), raw.hex().encode(), *(base64.b64encode(b" " * n + raw)[4:-4] for n in range(3))]


def leaks(exchanges, secret):
    """Where in the traffic with Slack the secret is, besides the one view that shows it; and that it was shown once."""
    seen = [exchange for exchange in exchanges if exchange.asked]
    assert {exchange.method for exchange in seen} >= {"link", "views.open", "chat.postMessage", "chat.update"}
    holding = [(each, way, text.count(form)) for each in seen
               for way, text in (("asked", each.sent), ("answered", bytes(each.answered)))
               for form in forms_of(secret) if form in text]  # fmt: skip
    shown = [each for each, way, _ in holding if way == "asked" and each.method in {"views.open", "views.update"}]
    assert len(shown) == 1, "one call shows it"
    assert [count for each, way, count in holding if each is shown[0] and way == "asked"] == [1]
    # The answer to that call repeats the view, as Slack's does, on the same connection.
    return [(each.method, way) for each, way, _ in holding if each is not shown[0]]
