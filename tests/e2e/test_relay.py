# SPDX-License-Identifier: Apache-2.0
"""The relay's edges: bytes that come early, ends that come half, late or broken, readers that do
not read. What one side did, the other sees, and nothing is invented."""

import hashlib
import os
import signal
import socket
import threading
import time

import pytest

from processes import PATIENCE_S, SANITIZER, wait_still, wait_until
from wire import (
    BINARY,
    CLOSE,
    TEXT,
    close_frame,
    frame,
    open_websocket,
    switch_protocols,
    upgrade_request,
    websocket,
)

pytestmark = pytest.mark.kernel  # goes on after the handshake: also with kernel TLS

MB = 1024 * 1024


@pytest.fixture(params=[False, True], ids=["ws", "wss"])
def dial(request, client):
    """Connects a raw client, without and with TLS."""

    def connect(gate, **options):
        if request.param:
            return client(gate.port, gate.tls_context(), **options)
        return client(gate.plain_port, **options)

    connect.tls = request.param
    return connect


def test_bytes_right_behind_the_request(gateway, backend, dial):
    early = frame(TEXT, b"early", masked=True) + frame(BINARY, os.urandom(20_000), masked=True)
    arrived = []
    gate = gateway(backend(websocket(lambda wire: arrived.append(wire.read_exactly(len(early))))))
    wire = dial(gate)
    open_websocket(wire, extra=early)
    wire.read_to_end()
    assert arrived == [early]


def test_bytes_right_behind_the_101(gateway, backend, dial):
    early = frame(TEXT, b"welcome") + frame(BINARY, os.urandom(20_000))

    def script(wire):
        switch_protocols(wire, extra=early)
        wire.read_to_end()

    gate = gateway(backend(script))
    wire = dial(gate)
    open_websocket(wire)
    assert wire.read_exactly(len(early)) == early


def test_bytes_that_come_one_by_one(gateway, backend, dial):
    message = frame(TEXT, b"slowly", masked=True)
    arrived = []
    gate = gateway(backend(websocket(lambda wire: arrived.append(wire.read_exactly(len(message))))))
    wire = dial(gate)
    for byte in upgrade_request() + message:
        wire.send(bytes([byte]))
    assert wire.read_response().status == 101
    wire.read_to_end()
    assert arrived == [message]


def test_client_that_ends_its_half_still_hears_the_other(gateway, backend, client):
    late = frame(TEXT, b"after your end") + frame(BINARY, os.urandom(300_000))

    def script(wire):
        switch_protocols(wire)
        assert wire.read_to_end() == b"" and wire.end == "fin"
        wire.send(late)

    gate = gateway(backend(script))
    wire = client(gate.plain_port)
    open_websocket(wire)
    wire.finish_sending()
    assert wire.read_to_end() == late
    assert wire.end == "fin"


def test_backend_that_ends_its_half_still_hears_the_client(gateway, backend, dial):
    late = frame(TEXT, b"after your end", masked=True) + close_frame(1000, masked=True)
    arrived = []

    def script(wire):
        switch_protocols(wire, extra=frame(TEXT, b"last"))
        wire.finish_sending()
        arrived.append(wire.read_to_end())

    server = backend(script)
    gate = gateway(server)
    wire = dial(gate)
    open_websocket(wire)
    assert wire.read_frame()[1] == b"last"
    assert wire.read_to_end() == b"" and wire.end == "fin", "on TLS the end is a close_notify"
    wire.send(late)
    if not dial.tls:
        wire.finish_sending()
        assert wait_until(lambda: arrived, "the backend's end of input") == [late]


@pytest.mark.tsan
@pytest.mark.parametrize("how", ["fin", "reset"])
def test_client_cut_off_inside_a_frame(gateway, backend, dial, how):
    half = frame(BINARY, b"h" * 1000, masked=True, declared=100_000)
    ended = []

    def script(wire):
        switch_protocols(wire)
        ended.append((wire.read_to_end(), wire.end))

    server = backend(script)
    gate = gateway(server)
    wire = dial(gate)
    open_websocket(wire)
    wire.send(half)
    wait_until(lambda: server.received.endswith(half[-900:]), "half a frame at the backend")
    wire.reset() if how == "reset" else wire.close()
    received, _ = wait_until(lambda: ended, "the backend's end")[0]
    assert received == half, "no Close and no other byte is invented inside a frame"


def test_reset_right_behind_a_frame_is_no_half_close(gateway, backend, dial):
    """Both have come when the gateway looks: the frame arrives, and both directions have ended."""
    arrived = []

    def script(wire):
        switch_protocols(wire)
        arrived.append(wire.read_to_end())

    gate = gateway(backend(script), workers=1)
    wire = dial(gate)
    open_websocket(wire)
    last = frame(TEXT, b"last words", masked=True)
    gate.process.send_signal(signal.SIGSTOP)
    wire.send(last)
    wire.reset()
    gate.process.send_signal(signal.SIGCONT)
    line = gate.wait_access(event="close")
    assert (line["closed_by"], line["reason"]) == ("client", "connection reset")
    assert arrived == [last]


@pytest.mark.tsan
@pytest.mark.parametrize("how", ["fin", "reset"])
def test_backend_that_dies_inside_a_frame(gateway, backend, dial, how):
    half = frame(BINARY, b"h" * 1000, declared=100_000)

    def script(wire):
        switch_protocols(wire, extra=half)
        wire.read_exactly(1)  # the client has it
        wire.reset() if how == "reset" else wire.close()

    gate = gateway(backend(script))
    wire = dial(gate)
    open_websocket(wire)
    assert wire.read_exactly(len(half)) == half
    wire.send(frame(TEXT, b"got it", masked=True))
    assert wire.read_to_end() == b"", "no Close and no other byte is invented inside a frame"


def test_backend_that_dies_between_frames(gateway, backend, dial):
    def script(wire):
        switch_protocols(wire, extra=frame(TEXT, b"last words"))
        wire.read_exactly(1)
        wire.reset()

    gate = gateway(backend(script))
    wire = dial(gate)
    open_websocket(wire)
    assert wire.read_frame()[1] == b"last words"
    wire.send(frame(TEXT, b"got it", masked=True))
    rest = wire.read_to_end()
    # The client is on its own (1006), or is told by a Close; 1005, 1006 and 1015 never travel.
    assert rest == b"" or (rest[0] == 128 | CLOSE and rest[2:4] not in (b"\x03\xed", b"\x03\xee"))


def test_client_that_vanishes_ends_its_backend(gateway, backend, dial):
    """Between frames: the backend's connection ends too, and with no code that must not travel."""
    ended = []

    def script(wire):
        switch_protocols(wire)
        ended.append(wire.read_to_end())

    gate = gateway(backend(script))
    wire = dial(gate)
    open_websocket(wire)
    whole = frame(TEXT, b"here and gone", masked=True)
    wire.send(whole)
    wire.close()
    received = wait_until(lambda: ended, "the backend's end")[0]
    assert received[: len(whole)] == whole
    rest = received[len(whole) :]
    assert rest == b"" or rest[0] == 128 | CLOSE


class Pump(threading.Thread):
    """Sends frames as fast as they are taken; `sent` tells how far it came."""

    def __init__(self, wire, masked, frames=1024, size=64 * 1024):
        super().__init__(daemon=True)
        self.wire = wire
        self.frames = [frame(BINARY, os.urandom(size), masked=masked) for _ in range(8)]
        self.turns = frames // len(self.frames)
        self.total = self.turns * sum(map(len, self.frames))
        self.sent = 0
        self.hash = hashlib.sha256()

    def run(self):
        for _ in range(self.turns):
            for piece in self.frames:
                self.wire.send(piece)
                self.hash.update(piece)
                self.sent += len(piece)

    def wait_stalled(self):
        wait_still(lambda: self.sent, "the sender is stopped by back-pressure")


def hash_of(wire, size):
    digest = hashlib.sha256()
    while size:
        piece = wire.read_exactly(min(size, 65536))
        digest.update(piece)
        size -= len(piece)
    return digest.digest()


def assert_flat(gate, before_kb, allowed_kb):
    if not SANITIZER:
        grown = gate.process.memory_kb() - before_kb
        assert grown < allowed_kb, f"memory grew by {grown} kB"


def assert_served(wire, text=b"still served"):
    """An echo on an open WebSocket works."""
    wire.send(frame(TEXT, text, masked=True))
    assert wire.read_frame()[1] == text


@pytest.mark.slow
def test_client_that_does_not_read_stops_its_backend_and_nobody_else(
    gateway, backend, dial, plain_echo
):
    pumps, done = [], threading.Event()

    def script(wire):
        switch_protocols(wire)
        wire.sock.settimeout(PATIENCE_S * 4)
        pumps.append(Pump(wire, masked=False))
        pumps[0].start()
        done.wait(PATIENCE_S * 4)

    gate = gateway(
        workers=1,  # the reader and the others share it
        sites={
            "localhost": {
                "routes": {"/": {"upstream": "pump"}, "/echo/": {"upstream": "echo"}},
            }
        },
        upstreams={
            "pump": {"servers": [backend(script, keep_all=False).address]},
            "echo": {"servers": [plain_echo.address]},
        },
    )
    other = dial(gate)
    open_websocket(other, "/echo/")
    assert_served(other)
    before_kb = gate.process.memory_kb()

    lazy = dial(gate, receive_buffer=64 * 1024, keep_all=False)
    open_websocket(lazy)
    pump = wait_until(lambda: pumps, "the pump")[0]
    pump.wait_stalled()
    assert pump.sent < pump.total, "the backend was never stopped"
    assert_flat(gate, before_kb, 4096)

    used = gate.process.cpu_s()
    for _ in range(50):
        assert_served(other)
        time.sleep(0.02)  # the window in which an idle gateway must not burn its core
    assert gate.process.cpu_s() - used < 0.5, "the gateway spins while a flow is paused"

    received = hash_of(lazy, pump.total)
    pump.join(PATIENCE_S)
    done.set()
    assert received == pump.hash.digest()
    assert_flat(gate, before_kb, 4096)


@pytest.mark.slow
def test_backend_that_does_not_read_stops_its_client(gateway, backend, dial):
    go, hashes = threading.Event(), []

    def script(wire):
        switch_protocols(wire)
        assert go.wait(PATIENCE_S * 4)
        hashes.append(hash_of(wire, pump.total))

    gate = gateway(backend(script, keep_all=False))
    wire = dial(gate)
    open_websocket(wire)
    before_kb = gate.process.memory_kb()
    wire.sock.settimeout(PATIENCE_S * 4)
    pump = Pump(wire, masked=True)
    pump.start()
    pump.wait_stalled()
    assert pump.sent < pump.total, "the client was never stopped"
    assert_flat(gate, before_kb, 4096)
    go.set()
    pump.join(PATIENCE_S * 4)
    assert wait_until(lambda: hashes, "the backend has read it all")[0] == pump.hash.digest()


@pytest.mark.slow
def test_many_clients_that_do_not_read_leave_room_for_others(gateway, backend, dial):
    """100 stalled readers hold bounded memory each, and no buffer that others would miss."""
    count, block = 100, frame(BINARY, os.urandom(4 * MB))

    def script(wire):
        head = switch_protocols(wire)
        wire.sock.settimeout(PATIENCE_S * 4)
        if b"GET /lazy" in head:
            wire.send(block)
        else:
            while True:
                first, payload = wire.read_frame()
                if first & 15 == CLOSE:
                    return
                wire.send(frame(first & 15, payload))

    gate = gateway(backend(script, keep_all=False), workers=1)
    other = dial(gate)
    open_websocket(other)
    assert_served(other)
    before_kb = gate.process.memory_kb()
    lazy = [dial(gate, receive_buffer=16 * 1024, keep_all=False) for _ in range(count)]
    for wire in lazy:
        open_websocket(wire, "/lazy")
    for turn in range(200):
        assert_served(other, os.urandom(5000))
    assert_flat(gate, before_kb, count * 256)
    for wire in lazy:
        assert wire.read_exactly(len(block)) == block
    other.send(close_frame(1000, masked=True))


@pytest.mark.parametrize("first", ["client", "backend"])
def test_when_both_have_said_close_the_client_gets_its_end(gateway, backend, dial, first):
    """The backend waits for its client to end the connection; the client's server is the gateway,
    which must not wait (RFC 6455 §7.1.1)."""

    def script(wire):
        switch_protocols(wire)
        if first == "backend":
            wire.send(close_frame(1000))
        assert wire.read_close() == 1000
        if first == "client":
            wire.send(close_frame(1000))
        assert wire.read_to_end() == b""

    gate = gateway(backend(script))
    wire = dial(gate)
    open_websocket(wire)
    if first == "backend":
        assert wire.read_close() == 1000
    wire.send(close_frame(1000, masked=True))
    if first == "client":
        assert wire.read_close() == 1000
    assert wire.read_to_end() == b"" and wire.end == "fin"


def test_idle_websocket_is_closed_at_its_time(gateway, backend, dial):
    def script(wire):
        switch_protocols(wire)
        wire.read_to_end()

    gate = gateway(backend(script), site_keys={"timeouts": {"idle": "1s"}})
    begin = time.monotonic()
    wire = dial(gate)
    open_websocket(wire)
    rest = wire.read_to_end()
    assert 0.9 < time.monotonic() - begin < 1 + PATIENCE_S / 2
    assert rest == b"" or rest[0] == 128 | CLOSE


def test_websocket_with_traffic_is_not_idle(gateway, plain_echo, dial):
    gate = gateway(plain_echo, site_keys={"timeouts": {"idle": "1s"}})
    wire = dial(gate)
    open_websocket(wire)
    begin = time.monotonic()
    while time.monotonic() - begin < 2.5:
        assert_served(wire)
        time.sleep(0.1)  # the traffic's own pace


def test_connections_over_ipv6(gateways, plain_echo, client):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 loopback here")
    gate = gateways(
        sites={"localhost": {"aliases": ["[::1]"], "routes": {"/": {"upstream": "echo"}}}},
        upstreams={"echo": {"servers": [plain_echo.address]}},
    )
    gate.config["listen"].append({"address": f"[::1]:{gate.port}", "tls": True})
    gate.start()
    wire = client(gate.port, gate.tls_context(), host="::1")
    open_websocket(wire)
    assert_served(wire)
