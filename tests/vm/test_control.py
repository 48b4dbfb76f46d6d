# SPDX-License-Identifier: Apache-2.0
"""What TLS says between the data, once the kernel has the keys: alerts, KeyUpdates, renegotiation,
records that are damaged, too long, empty, padded or not whole. Each has one outcome, and none costs
CPU time while it waits."""

import os
import signal
import socket
import time

import pytest

from conftest import RELEASE, REKEYS, needs_kernel_tls, tls_statistics
from openssl import Dialogue
from processes import wait_until
from records import ALERT, CLOSE_NOTIFY, DATA, HANDSHAKE
from test_handover import RX, assert_echo, kernel
from wire import BINARY, close_frame, frame, open_websocket, request, websocket

pytestmark = needs_kernel_tls

BUSY = [0, 12]  # small messages before, which change the way of receiving
MODES = pytest.mark.parametrize("busy", BUSY, ids=["bulk", "messages"])


@pytest.fixture
def opened(gateway, plain_echo, records):
    """`opened(rx)`: a gateway in front of an echo, and a client with an open WebSocket."""

    def start(rx="on", busy=0, **config):
        gate = gateway(plain_echo, **kernel(rx), **config)
        wire = records(gate)
        open_websocket(wire)
        assert_echo(wire, *[b"turn"] * busy)
        return gate, wire

    return start


def assert_waits_without_cost(gate):
    """Over a while, once what has arrived has been dealt with."""
    time.sleep(0.3)
    before_s = gate.process.cpu_s()
    time.sleep(1.5)
    assert gate.process.cpu_s() - before_s < 0.1
    assert gate.process.ring_workers() == 0


def ends_with(wire):
    """How the gateway ended the connection."""
    wire.read_to_end()
    return wire.end


# --- close_notify and other alerts ------------------------------------------------------------


@RX
@MODES
def test_close_notify_of_the_client(gateway, backend, records, rx, busy):
    """It is the end of what the client sends; what was sent before it arrives, and the other way
    stays open."""

    def script(wire):
        for _ in range(busy):
            wire.send(frame(BINARY, wire.read_frame()[1]))
        assert wire.read_frame()[1] == b"last"
        assert not wire.fill() and wire.end == "fin"
        wire.send(frame(BINARY, b"and yet"))

    gate = gateway(backend(websocket(script)), **kernel(rx))
    wire = records(gate)
    open_websocket(wire)
    for _ in range(busy):
        assert_echo(wire, b"x")
    sock = wire.sock
    sock.sock.sendall(
        sock.records(frame(BINARY, b"last", masked=True)) + sock.tx.seal(ALERT, CLOSE_NOTIFY)
    )
    assert wire.read_frame() == (128 | BINARY, b"and yet")
    assert ends_with(wire) == "fin", "with a close_notify of its own"


@RX
def test_close_notify_of_the_gateway(opened, rx):
    gate, wire = opened(rx)
    gate.process.send_signal(signal.SIGTERM)
    assert wire.read_close() == 1001
    wire.send(close_frame(1001, masked=True))
    assert ends_with(wire) == "fin"
    assert (ALERT, CLOSE_NOTIFY) in wire.sock.log


@RX
def test_close_notify_behind_an_answer(gateway, records, rx):
    gate = gateway(
        sites={"localhost": {"routes": {"/": {"respond": "pong\n"}}}}, **kernel(rx)
    )
    wire = records(gate)
    wire.send(request(fields=["Connection: close"]))
    assert wire.read_response().body == b"pong\n"
    assert ends_with(wire) == "fin"


@RX
def test_fatal_alert_of_the_client(opened, rx):
    gate, wire = opened(rx)
    wire.sock.send_record(ALERT, b"\x02\x14")
    line = gate.wait_access(event="close")
    assert line["reason"] == "the peer sent the alert bad_record_mac"
    wait_until(lambda: gate.status()["connections"] == 0, "the end of the connection")


@RX
def test_user_canceled_is_no_end(opened, rx):
    """RFC 8446 §6.1: a warning, and data may follow."""
    _, wire = opened(rx)
    wire.sock.send_record(ALERT, b"\x01\x5a")
    assert_echo(wire, b"still here")


# --- KeyUpdate --------------------------------------------------------------------------------


def test_who_can_update_keys():
    assert REKEYS == (RELEASE >= (6, 14))


def follows(rx, request):
    """Whether the gateway can follow a KeyUpdate: in user space it can, unless the kernel sends."""
    return REKEYS or (rx == "off" and not request)


@RX
@MODES
@pytest.mark.parametrize("request_ours", [False, True], ids=["own", "both"])
def test_key_update(opened, rx, busy, request_ours):
    """From Linux 6.14 on it is followed. Before, the connection is closed in all form, with the old
    keys, so that the client comes again."""
    gate, wire = opened(rx, busy)
    statistics = tls_statistics()
    wire.sock.update_keys(request_ours)
    if not follows(rx, request_ours):
        assert wire.read_close() == 1001
        assert ends_with(wire) == "fin"
        wait_until(lambda: gate.status()["connections"] == 0, "the end of the connection")
        return
    for size in 200_000, 0, 20_000, 1, 70_000:
        assert_echo(wire, b"under new keys", os.urandom(size))
        wire.sock.update_keys(request_ours)
    assert_echo(wire, b"the end")
    ours = [data for content, data in wire.sock.log if content == HANDSHAKE and data[0] == 24]
    assert len(ours) == (6 if request_ours else 0)
    counted = statistics()
    assert counted.get("TlsRxRekeyOk", 0) == (6 if rx == "on" else 0)
    assert counted.get("TlsTxRekeyOk", 0) == len(ours)
    assert counted["TlsDecryptError"] == 0


@RX
@pytest.mark.parametrize("request_ours", [False, True], ids=["own", "both"])
def test_key_update_inside_a_large_frame(opened, rx, request_ours):
    """It turns up in the middle of a splice, and the rest of the frame comes under the new key. Where
    that cannot be read, the Close to the client is as ever."""
    gate, wire = opened(rx, workers=1)
    payload = os.urandom(500_000)
    sealed = frame(BINARY, payload, masked=True)
    wire.send(sealed[:200_000])
    wait_until(lambda: gate.status()["spliced_bytes"] > 0 or rx == "off", "a splice")
    wire.sock.update_keys(request_ours)
    if follows(rx, request_ours):
        wire.send(sealed[200_000:])
        assert wire.read_frame() == (128 | BINARY, payload)
        assert_echo(wire, b"the next")
        assert gate.status()["splices"] >= 3 or rx == "off", "two up, one down"
        return
    wire.send(sealed[200_000:200_100])
    assert wire.read_close() == 1001
    assert ends_with(wire) == "fin"
    wait_until(lambda: gate.status()["connections"] == 0, "the end of the connection")


@pytest.mark.parametrize("command", [b"k\n", b"K\n"], ids=["own", "both"])
def test_key_update_of_openssl(gateway, plain_echo, command):
    gate = gateway(plain_echo, **kernel())
    with Dialogue(gate, "-tls1_3") as talk:
        talk.wait_for(b"Verify return code")
        talk.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        talk.wait_for(b"HTTP/1.1 426")
        talk.send(command)
        talk.wait_for(b"KEYUPDATE")
        if not REKEYS:
            talk.wait_end()
            assert b"closed" in talk.output and b"error" not in talk.output, talk.output
            return
        talk.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        talk.wait_for(b"HTTP/1.1 426", 2)


@RX
def test_half_a_key_update(opened, rx):
    """The message cut over two records: it must not be mistaken for anything else."""
    gate, wire = opened(rx)
    wire.sock.send_record(HANDSHAKE, b"\x18\x00")
    wire.sock.send_record(HANDSHAKE, b"\x00\x01\x00")
    wire.sock.tx.update()
    if rx == "off":
        assert_echo(wire, b"followed")
    else:  # the kernel looks at the first byte of a record only
        wire.read_to_end()
        wait_until(lambda: gate.status()["connections"] == 0, "the end of the connection")


@RX
def test_other_handshake_messages_are_refused(opened, rx):
    gate, wire = opened(rx)
    wire.sock.send_record(HANDSHAKE, b"\x0b\x00\x00\x01\x00")
    wire.read_to_end()
    assert (ALERT, b"\x02\x0a") in wire.sock.log, "unexpected_message"
    assert gate.wait_access(event="close")["reason"] == "a handshake message out of place"
    wait_until(lambda: gate.status()["connections"] == 0, "the end of the connection")


@RX
def test_renegotiation_is_refused(gateway, rx):
    gate = gateway(
        sites={"localhost": {"routes": {"/": {"respond": "pong\n"}}}}, **kernel(rx)
    )
    with Dialogue(gate, "-tls1_2") as talk:
        talk.wait_for(b"Verify return code")
        talk.send(b"R\n")
        talk.wait_for(b"RENEGOTIATING")
        talk.wait_end()
        assert b"no renegotiation" in talk.output.lower(), talk.output


# --- records that are not as they should be ---------------------------------------------------


@RX
@MODES
def test_damaged_record(opened, records, rx, busy):
    gate, wire = opened(rx, busy)
    statistics = tls_statistics()
    other = records(gate)
    open_websocket(other)
    sealed = bytearray(wire.sock.records(frame(BINARY, b"hello", masked=True)))
    sealed[-1] ^= 1
    wire.sock.sock.sendall(sealed)
    wait_until(lambda: gate.status()["connections"] == 1, "the end of the connection")
    assert statistics()["TlsDecryptError"] == int(rx == "on")
    assert_echo(other, b"unharmed")


@RX
def test_damaged_record_before_any_request(gateway, plain_echo, records, rx):
    """There is no line for it in the access log, but one in the other."""
    gate = gateway(plain_echo, **kernel(rx))
    wire = records(gate)
    sealed = bytearray(wire.sock.records(request()))
    sealed[-1] ^= 1
    wire.sock.sock.sendall(sealed)
    wire.read_to_end()
    gate.wait_log("record that (cannot be opened|was damaged)")


@RX
@pytest.mark.parametrize("size", [16385, 17000])
def test_record_that_is_too_long(opened, rx, size):
    gate, wire = opened(rx)
    wire.sock.send_record(DATA, bytes(size))
    wait_until(lambda: gate.status()["connections"] == 0, "the end of the connection")


@RX
@pytest.mark.parametrize("fault", ["damaged", "too long"])
def test_broken_record_inside_a_large_frame(opened, rx, fault):
    """What a splice is told of the socket's end is told to nobody else: it must not get lost."""
    gate, wire = opened(rx, workers=1)
    sealed = frame(BINARY, os.urandom(500_000), masked=True)
    wire.send(sealed[:200_000])
    wait_until(lambda: gate.status()["spliced_bytes"] > 0 or rx == "off", "a splice")
    if fault == "damaged":
        record = bytearray(wire.sock.records(sealed[200_000:210_000]))
        record[-1] ^= 1
        wire.sock.sock.sendall(record)
    else:
        wire.sock.send_record(DATA, bytes(17000))
    line = gate.wait_access(event="close")
    assert line["closed_by"] == "client" and "record" in line["reason"], line


@RX
@MODES
def test_empty_records(opened, rx, busy):
    """They say nothing, and are not the end."""
    _, wire = opened(rx, busy)
    for count in (1, 3, 20):
        for _ in range(count):
            wire.sock.send_record(DATA, b"")
        assert_echo(wire, b"after %d" % count)


@RX
def test_empty_record_inside_a_large_frame(opened, rx):
    """While the frame is being spliced, where reading nothing looks like the end of the stream."""
    gate, wire = opened(rx)
    payload = os.urandom(500_000)
    sealed = frame(BINARY, payload, masked=True)
    wire.send(sealed[:200_000])
    wait_until(lambda: gate.status()["splices"] > 0 or rx == "off", "a splice")
    for part in range(200_000, len(sealed), 100_000):
        wire.sock.send_record(DATA, b"")
        time.sleep(0.05)
        wire.send(sealed[part : part + 100_000])
    assert wire.read_frame() == (128 | BINARY, payload)


@RX
def test_alert_inside_a_large_frame(opened, rx):
    """A record of another kind in the middle of a splice is read, and payload goes on."""
    gate, wire = opened(rx)
    payload = os.urandom(500_000)
    sealed = frame(BINARY, payload, masked=True)
    wire.send(sealed[:200_000])
    wait_until(lambda: gate.status()["splices"] > 0 or rx == "off", "a splice")
    time.sleep(0.1)
    wire.sock.send_record(ALERT, b"\x01\x5a")
    time.sleep(0.1)
    wire.send(sealed[200_000:])
    assert wire.read_frame() == (128 | BINARY, payload)


@RX
@MODES
def test_padded_records(opened, rx, busy):
    _, wire = opened(rx, busy)
    for pad in (1, 100, 16000):
        wire.sock.send_record(DATA, frame(BINARY, b"padded", masked=True), pad=pad)
        assert wire.read_frame() == (128 | BINARY, b"padded")


@RX
def test_records_of_one_byte(opened, rx):
    _, wire = opened(rx)
    payload = os.urandom(500)
    wire.sock.sock.sendall(wire.sock.records(frame(BINARY, payload, masked=True), 1))
    assert wire.read_frame() == (128 | BINARY, payload)


@RX
def test_half_a_record_waits_without_cost(gateway, plain_echo, records, rx):
    """Peers that send a part of a header, a header, or some of its body, and no more, must cost nothing
    while they wait, whichever way their bytes are received."""
    gate = gateway(plain_echo, **kernel(rx))
    waiting = []
    for busy in BUSY:
        for part in 3, 5, 20:
            wire = records(gate)
            open_websocket(wire)
            assert_echo(wire, *[b"turn"] * busy)
            sealed = wire.sock.records(frame(BINARY, b"whole", masked=True))
            wire.sock.sock.sendall(sealed[:part])
            waiting.append((wire, sealed[part:]))
    assert_waits_without_cost(gate)
    for wire, rest in waiting:
        wire.sock.sock.sendall(rest)
        assert wire.read_frame() == (128 | BINARY, b"whole")


def test_half_a_record_inside_a_large_frame(opened):
    gate, wire = opened()
    payload = os.urandom(400_000)
    sealed = wire.sock.records(frame(BINARY, payload, masked=True))
    wire.sock.sock.sendall(sealed[:250_000])
    wait_until(lambda: gate.status()["splices"] > 0, "a splice")
    assert_waits_without_cost(gate)
    wire.sock.sock.sendall(sealed[250_000:])
    assert wire.read_frame() == (128 | BINARY, payload)


@RX
def test_half_a_record_and_fin(opened, rx):
    gate, wire = opened(rx)
    sealed = wire.sock.records(frame(BINARY, b"never whole", masked=True))
    wire.sock.sock.sendall(sealed[:-3])
    wire.sock.sock.shutdown(socket.SHUT_WR)
    wire.read_to_end()
    wait_until(lambda: gate.status()["connections"] == 0, "the end of the connection")


@RX
def test_fin_without_close_notify(opened, rx):
    gate, wire = opened(rx)
    wire.sock.sock.shutdown(socket.SHUT_WR)
    wire.read_to_end()
    wait_until(lambda: gate.status()["connections"] == 0, "the end of the connection")
