# SPDX-License-Identifier: Apache-2.0
"""Frames that break RFC 6455 §5: counted and passed on, or with `strict` closed with 1002."""

import contextlib

import pytest

from processes import wait_until
from wire import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    TEXT,
    close_frame,
    frame,
    open_websocket,
    switch_protocols,
    websocket,
)


pytestmark = pytest.mark.kernel  # goes on after the handshake: also with kernel TLS


def from_client(*args, masked=True, **bits):
    return frame(*args, masked=masked, **bits)


BEGUN = from_client(TEXT, b"a", fin=False)
FROM_CLIENT = {
    "unmasked": from_client(TEXT, b"bare", masked=False),
    "reserved bit": from_client(TEXT, b"x", rsv=4),
    "reserved bit of a ping": from_client(PING, b"x", rsv=1),
    "reserved opcode 3": from_client(3, b"x"),
    "reserved opcode 11": from_client(11, b"x"),
    "ping of 126 bytes": from_client(PING, b"p" * 126),
    "fragmented ping": from_client(PING, b"p", fin=False),
    "fragmented close": from_client(CLOSE, b"\x03\xe8", fin=False),
    "continuation of nothing": from_client(CONTINUATION, b"x"),
    "message inside a message": BEGUN + from_client(TEXT, b"b"),
    "close of one byte": from_client(CLOSE, b"\x03"),
    "close code 1005": close_frame(1005, masked=True),
    "close code 1006": close_frame(1006, masked=True),
    "length not in its shortest form": b"\x82\xfe\x00\x01" + b"mask" + b"x",
}

FROM_BACKEND = {
    "masked": frame(TEXT, b"covered", masked=True),
    "reserved bit": frame(BINARY, b"x", rsv=2),
    "reserved opcode 7": frame(7, b"x"),
    "ping of 126 bytes": frame(PING, b"p" * 126),
    "fragmented ping": frame(PING, b"p", fin=False),
}


@pytest.fixture(params=[False, True], ids=["ws", "wss"])
def dial(request, client):
    def connect(gate, **options):
        if request.param:
            return client(gate.port, gate.tls_context(), **options)
        return client(gate.plain_port, **options)

    return connect


GOOD = from_client(BINARY, b"good")


@pytest.mark.parametrize("name", FROM_CLIENT)
def test_violation_of_a_client_is_passed_on(gateway, backend, client, name):
    bad = FROM_CLIENT[name]
    arrived = []

    def then(wire):
        arrived.append(wire.read_exactly(len(GOOD + bad)))

    gate = gateway(backend(websocket(then)))
    wire = client(gate.plain_port)
    open_websocket(wire)
    wire.send(GOOD + bad)
    wire.read_to_end()
    assert arrived == [GOOD + bad]


@pytest.mark.parametrize("name", FROM_BACKEND)
def test_violation_of_a_backend_is_passed_on(gateway, backend, client, name):
    bad = frame(BINARY, b"good") + FROM_BACKEND[name]

    def script(wire):
        switch_protocols(wire, extra=bad)
        wire.read_to_end()

    gate = gateway(backend(script))
    wire = client(gate.plain_port)
    open_websocket(wire)
    assert wire.read_exactly(len(bad)) == bad


def send_bad(wire, server, bad, cut):
    """Good and bad in one write; or the bad frame's first byte is relayed before the rest comes."""
    wire.send(GOOD + bad[:cut])
    if cut:
        wait_until(lambda: server.received.endswith(GOOD + bad[:cut]), "the first byte relayed")
    # After the refusal of a first byte the rest may meet a closed connection.
    with contextlib.suppress(OSError):
        wire.send(bad[cut:])


def is_close(data):
    """Whether this is nothing, or exactly one masked Close with a code and a reason."""
    return data == b"" or (data[0] == 128 | CLOSE and len(data) == 6 + (data[1] & 127))


# Those that the first byte does not tell yet.
CUT_INSIDE = {name: bad for name, bad in FROM_CLIENT.items() if bad[0] & 15 in (TEXT, BINARY)}
for shown_at_once in "message inside a message", "reserved bit":
    CUT_INSIDE.pop(shown_at_once)


@pytest.mark.parametrize(
    ("violations", "cut"), [(FROM_CLIENT, 0), (CUT_INSIDE, 1)], ids=["at once", "cut inside"]
)
def test_strict_violations_of_clients(gateway, backend, dial, violations, cut):
    """What was good before goes through, the bad frame does not, and the client is told."""
    arrived = {}

    def script(wire):
        name = switch_protocols(wire).split(b" ")[1].decode()
        arrived[name] = wire.read_to_end()

    server = backend(script)
    gate = gateway(server, site_keys={"strict": True})
    wires = []
    for number, bad in enumerate(violations.values()):
        wire = dial(gate)
        open_websocket(wire, f"/{number}")
        send_bad(wire, server, bad, cut)
        wires.append(wire)
    for wire in wires:
        assert wire.read_close() == 1002
        wire.close()
    gate.stop()  # so every backend has its end
    records = [record for record in gate.access() if record["event"] == "close"]
    assert len(records) == len(wires)
    assert {record["close_code"] for record in records} == {1002}
    assert all(record["closed_by"] == "client" and record["reason"] for record in records)
    for number, (name, bad) in enumerate(violations.items()):
        good = GOOD + (BEGUN if name == "message inside a message" else bad[:cut])
        received = arrived[f"/{number}"]
        assert received.startswith(good), name
        rest = received[len(good) :]
        # A Close of ours fits only between two frames.
        assert rest == b"" if cut else is_close(rest), name


def test_strict_violations_of_backends(gateway, backend, dial):
    good = frame(BINARY, b"good")
    violations = list(FROM_BACKEND.values())

    def script(wire):
        head = switch_protocols(wire)
        wire.send(good + violations[int(head.split(b" ")[1][1:])])
        wire.read_to_end()

    gate = gateway(backend(script), site_keys={"strict": True})
    wires = [dial(gate) for _ in violations]
    for number, wire in enumerate(wires):
        open_websocket(wire, f"/{number}")
        assert wire.read_exactly(len(good)) == good
        assert wire.read_close() == 1002
        wire.send(close_frame(1002, masked=True))
    gate.stop()
    records = [record for record in gate.access() if record["event"] == "close"]
    assert [record["closed_by"] for record in records] == ["upstream"] * len(wires)


def test_strict_leaves_reserved_bits_to_the_extension_agreed_on(gateway, backend, dial):
    marked = from_client(TEXT, b"as if compressed", rsv=4)
    extension = "Sec-WebSocket-Extensions: permessage-deflate"

    def script(wire):
        switch_protocols(wire, fields=[extension])
        assert wire.read_exactly(len(marked)) == marked
        wire.send(frame(TEXT, b"too", rsv=4))
        wire.read_to_end()

    gate = gateway(backend(script), site_keys={"strict": True})
    wire = dial(gate)
    open_websocket(wire, fields=[extension])
    wire.send(marked)
    assert wire.read_frame() == (0x80 | 0x40 | TEXT, b"too")


def test_strict_lets_good_traffic_through(gateway, plain_echo, dial):
    gate = gateway(plain_echo, site_keys={"strict": True})
    wire = dial(gate)
    open_websocket(wire)
    wire.send(
        from_client(TEXT, b"frag", fin=False)
        + from_client(PING, b"p" * 125)
        + from_client(CONTINUATION, b"mented")
        + from_client(BINARY, b"x" * 70_000)
    )
    frames = [wire.read_frame() for _ in range(3)]
    assert (128 | 10, b"p" * 125) in frames
    assert (128 | TEXT, b"fragmented") in frames
    assert (128 | BINARY, b"x" * 70_000) in frames
    wire.send(close_frame(1000, masked=True))
    assert wire.read_close() == 1000


def test_violations_are_counted(gateway, backend, client):
    """Passed on, but not unseen."""

    def then(wire):
        wire.read_to_end()

    gate = gateway(backend(websocket(then)))
    with client(gate.plain_port) as wire:
        open_websocket(wire)
        wire.send(from_client(3, b"x") + GOOD + from_client(TEXT, b"y", masked=False))
        wire.finish_sending()
        wire.read_to_end()
    assert gate.status()["frame_violations"] == 2
