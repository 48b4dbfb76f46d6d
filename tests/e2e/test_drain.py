# SPDX-License-Identifier: Apache-2.0
"""A graceful stop: no new connections, running exchanges finish, WebSockets get Close 1001 between
two frames, and the exit code is 0, in time."""

import asyncio
import os
import signal
import threading
import time

import pytest
import websockets

from peers import connect_websocket, run
from processes import PATIENCE_S, SANITIZER, wait_until
from wire import (
    BINARY,
    CLOSE,
    TEXT,
    answering,
    close_frame,
    connect,
    frame,
    ok,
    open_websocket,
    request,
    switch_protocols,
    websocket,
)

pytestmark = pytest.mark.kernel  # goes on after the handshake: also with kernel TLS

SOON_S = 5 if PATIENCE_S <= 20 else 20  # what an exit may take beyond the drain


def refuses(port):
    try:
        connect(port).close()
    except OSError:
        return True
    return False


def stop_begins(gate, number=signal.SIGTERM):
    """Sends the signal and waits until it has been taken."""
    gate.process.send_signal(number)
    wait_until(lambda: refuses(gate.plain_port) and refuses(gate.port), "the listeners' end")


def read_frames_to_close(wire):
    """The frames before a Close, and its code."""
    frames = []
    while True:
        first, payload = wire.read_frame()
        if first & 15 == CLOSE:
            return frames, int.from_bytes(payload[:2], "big")
        frames.append(payload)


@pytest.mark.tsan
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_websockets_are_closed_politely(gateway, plain_echo, scheme, number):
    gate = gateway(plain_echo, drain="1s")
    mark = plain_echo.mark()

    async def talk():
        connections = [await connect_websocket(gate, scheme=scheme) for _ in range(50)]
        begin = time.monotonic()
        gate.process.send_signal(number)
        for connection in connections:
            with pytest.raises(websockets.ConnectionClosed):
                await connection.recv()
            assert connection.close_code == 1001
        return begin, time.monotonic() - begin

    begin, took_s = run(talk())
    gate.stop()
    assert took_s < 1 + SOON_S and time.monotonic() - begin < 2 + SOON_S
    assert {r["closed_by"] for r in gate.access() if r["event"] == "close"} == {"gateway"}
    assert len(plain_echo.reported(50, mark)) == 50, "their backends' ends are closed as well"


def test_close_waits_for_the_end_of_a_frame(gateway, backend, client):
    """The backend is in the middle of one: Close must not be put inside it."""
    payload = os.urandom(100_000)
    whole = frame(BINARY, payload)
    go = threading.Event()

    def script(wire):
        switch_protocols(wire, extra=whole[:5000])
        assert go.wait(PATIENCE_S)
        wire.send(whole[5000:])
        wire.read_to_end()

    gate = gateway(backend(script), drain="3s")
    wire = client(gate.port, gate.tls_context())
    open_websocket(wire)
    assert wire.read_exactly(5000) == whole[:5000]
    stop_begins(gate)
    go.set()
    assert wire.read_exactly(len(whole) - 5000) == whole[5000:]
    assert wire.read_close() == 1001
    wire.send(close_frame(1001, masked=True))
    wire.read_to_end()
    assert wire.end == "fin"
    gate.stop()


def test_close_goes_between_frames_under_load(gateway, backend, client):
    """A backend that never pauses: the stream up to the Close is whole frames, none is cut."""
    stop = threading.Event()
    piece = frame(BINARY, b"x" * 3000)

    def script(wire):
        switch_protocols(wire)
        try:
            while not stop.is_set():
                wire.send(piece * 10)
        except OSError:
            pass

    gate = gateway(backend(script), drain="1s")
    wire = client(gate.port, gate.tls_context(), keep_all=False)
    open_websocket(wire)
    for _ in range(200):
        assert wire.read_frame()[1] == b"x" * 3000
    gate.process.send_signal(signal.SIGTERM)
    frames, code = read_frames_to_close(wire)
    assert set(frames) <= {b"x" * 3000} and code == 1001
    wire.send(close_frame(1001, masked=True))
    wire.close()
    stop.set()
    gate.stop()


def test_websocket_that_does_not_answer_is_left(gateway, backend, client):
    """A Close that is never answered costs no more than the drain."""
    gate = gateway(backend(websocket(lambda wire: wire.read_to_end())), drain="1s")
    wire = client(gate.port, gate.tls_context())
    open_websocket(wire)
    begin = time.monotonic()
    gate.process.send_signal(signal.SIGTERM)
    assert wire.read_close() == 1001
    assert gate.process.wait() == 0
    assert time.monotonic() - begin < 1 + SOON_S
    gate.stop()


def test_stuck_reader_does_not_hold_the_stop(gateway, backend, client):
    """A client that reads nothing gets no Close at a boundary: its time ends with the drain."""

    def script(wire):
        switch_protocols(wire)
        try:
            wire.send(frame(BINARY, bytes(32 << 20)))
        except OSError:
            pass

    gate = gateway(backend(script), drain="1s")
    wire = client(gate.port, gate.tls_context(), receive_buffer=16384)
    open_websocket(wire)
    begin = time.monotonic()
    gate.process.send_signal(signal.SIGTERM)
    assert gate.process.wait() == 0
    assert time.monotonic() - begin < 1 + SOON_S
    gate.stop()


@pytest.mark.tsan
def test_running_download_finishes(gateway, backend, client):
    go = threading.Event()

    def script(wire):
        wire.read_head()
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
        assert go.wait(PATIENCE_S)
        wire.send(b"-last")

    gate = gateway(backend(script), drain="30s")
    wire = client(gate.port, gate.tls_context())
    wire.send(request())
    wire.read_until(b"first")
    stop_begins(gate)
    go.set()
    assert wire.read_exactly(5) == b"-last"
    assert wire.read_to_end() == b"" and wire.end == "fin", "then the connection is closed"
    assert gate.process.wait() == 0, "long before the drain is over"
    gate.stop()


def test_request_under_way_is_answered(gateway, backend, client):
    """Its head came before the signal; its answer says that the connection will be closed."""
    go = threading.Event()

    def script(wire):
        wire.read_head()
        assert go.wait(PATIENCE_S)
        wire.send(ok(b"late"))

    server = backend(script)
    gate = gateway(server, drain="30s")
    wire = client(gate.plain_port)
    wire.send(request())
    wait_until(lambda: server.received.endswith(b"\r\n\r\n"), "the request at the backend")
    stop_begins(gate)
    go.set()
    answer = wire.read_response()
    assert answer.body == b"late" and answer.get("Connection").lower() == "close"
    assert wire.read_to_end() == b""
    assert gate.process.wait() == 0
    gate.stop()


def test_idle_connections_are_closed_at_once(gateway, backend, client):
    server = backend(answering(ok()))
    gate = gateway(server, drain="30s")
    context = gate.tls_context()
    wires = [client(gate.plain_port), client(gate.port, context)]
    for wire in wires:
        wire.send(request())
        assert wire.read_response().status == 200
    wires.append(client(gate.plain_port))  # has not said anything yet
    wires.append(client(gate.port))  # nor begun its handshake
    # What comes in while it drains is served, and so waited for.
    wait_until(lambda: gate.status()["connections"] == len(wires), "all to be accepted")
    begin = time.monotonic()
    gate.process.send_signal(signal.SIGTERM)
    for wire in wires:
        wire.read_to_end()
        assert wire.end in ("fin", "reset", "truncated")
    assert gate.process.wait() == 0
    assert time.monotonic() - begin < SOON_S
    gate.stop()


def test_download_that_never_ends_is_cut_at_the_end_of_the_drain(gateway, backend, client):
    def script(wire):
        wire.read_head()
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nstart")
        wire.read_to_end()

    gate = gateway(backend(script), drain="1s")
    wire = client(gate.plain_port)
    wire.send(request())
    wire.read_until(b"start")
    begin = time.monotonic()
    gate.process.send_signal(signal.SIGTERM)
    assert gate.process.wait() == 0
    assert 0.8 < time.monotonic() - begin < 1 + SOON_S
    gate.stop()


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_second_signal_ends_at_once(gateway, backend, client, second):
    def script(wire):
        switch_protocols(wire, extra=frame(BINARY, b"half", declared=1000))
        wire.read_to_end()

    gate = gateway(backend(script), drain="60s")
    wire = client(gate.port, gate.tls_context())
    open_websocket(wire)
    wire.read_exactly(4)
    stop_begins(gate)
    begin = time.monotonic()
    gate.process.send_signal(second)
    gate.process.wait()
    assert time.monotonic() - begin < SOON_S
    gate.stop()


@pytest.mark.slow
@pytest.mark.tsan
def test_closes_are_spread_over_the_drain(gateway, plain_echo):
    """So that a thousand clients do not all come back in the same moment."""
    count = 200
    gate = gateway(plain_echo, drain="3s")

    async def talk():
        handshakes = asyncio.Semaphore(50)

        async def opened():
            async with handshakes:
                return await connect_websocket(gate, compression=None)

        async def closed_at(connection):
            with pytest.raises(websockets.ConnectionClosed):
                await connection.recv()
            assert connection.close_code == 1001
            return time.monotonic()

        connections = await asyncio.gather(*(opened() for _ in range(count)))
        begin = time.monotonic()
        gate.process.send_signal(signal.SIGTERM)
        ends = await asyncio.gather(*(closed_at(connection) for connection in connections))
        return sorted(end - begin for end in ends)

    ends = run(talk())
    gate.stop()
    assert ends[-1] < 3 + SOON_S
    if not SANITIZER:
        assert ends[count // 4] < ends[count // 2] < ends[-1]
        assert ends[-1] - ends[0] > 0.8, "all at once"


def test_websocket_traffic_goes_on_until_its_close(gateway, plain_echo, client):
    """The last of many is closed late in the drain; until then it is served."""
    gate = gateway(plain_echo, drain="3s", workers=1)
    wires = [client(gate.plain_port) for _ in range(20)]
    for wire in wires:
        open_websocket(wire)
    gate.process.send_signal(signal.SIGTERM)
    echoes = 0
    open_wires = list(wires)
    deadline = time.monotonic() + 3 + SOON_S
    while open_wires:
        assert time.monotonic() < deadline
        for wire in list(open_wires):
            try:
                wire.send(frame(TEXT, b"still?", masked=True))
                first, payload = wire.read_frame()
            except (OSError, AssertionError):
                pytest.fail("ended without a Close")
            if first & 15 == CLOSE:
                assert payload[:2] == b"\x03\xe9"
                open_wires.remove(wire)
                wire.close()
            else:
                assert payload == b"still?"
                echoes += 1
    gate.stop()
    if not SANITIZER:
        assert echoes > 0
