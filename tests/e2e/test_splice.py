# SPDX-License-Identifier: Apache-2.0
"""Large payload goes from socket to socket through a pipe: what arrives is the same as by copying, to
the byte, whatever happens on the way."""

import hashlib
import os
import re
import resource
import signal
import threading
import time

import pytest

from conftest import KERNEL_TLS, pipes, status
from processes import PATIENCE_S, Process, wait_until
from test_handover import kernel
from wire import (
    BINARY, CLOSE, PING, TEXT, close_frame, connect, frame, ok, open_websocket, request,
    switch_protocols, websocket,
)  # fmt: skip

KB, MB = 1024, 1024 * 1024
SCHEMES = pytest.mark.parametrize(
    "scheme",
    [
        "ws",
        pytest.param("wss", marks=pytest.mark.skipif(not KERNEL_TLS, reason="this kernel has no TLS")),
    ],
)


def dial(gate, scheme, **options):
    if scheme == "wss":
        return connect(gate.port, gate.tls_context(), **options)
    return connect(gate.plain_port, **options)


def echo_frames(wire):
    """Sends every frame back until a Close or the end."""
    while wire.buffer or wire.fill():
        first, payload = wire.read_frame()
        wire.send(frame(first & 15, payload, fin=bool(first & 128)))
        if first & 15 == CLOSE:
            return


@SCHEMES
def test_exactly_to_the_end_of_each_frame(gateway, backend, scheme):
    """Large and small frames, with control frames between, back to back: all arrive as sent, and the
    access log has counted each."""
    gate = gateway(backend(websocket(echo_frames)), splice_min="16K", **kernel())
    sizes = [100_000, 1, 16 * KB - 1, 16 * KB, 70 * KB, 0, 500_000, 125, 64 * KB + 1, MB, 3]
    frames = []
    for size in sizes:
        frames += [(BINARY, os.urandom(size)), (PING, b"between")]
    with dial(gate, scheme) as wire:
        open_websocket(wire)
        sent = b"".join(frame(opcode, payload, masked=True) for opcode, payload in frames)
        writer = threading.Thread(target=wire.send, args=(sent,))
        writer.start()
        for opcode, payload in frames:
            assert wire.read_frame() == (128 | opcode, payload)
        writer.join()
        wire.send(close_frame(1000, masked=True))
        assert wire.read_close() == 1000
    counters = status(gate)
    assert counters["splices"] > 0 and counters["spliced_bytes"] > sum(sizes)
    line = gate.wait_access(event="close")
    assert line["frames_in"] == line["frames_out"] == len(frames) + 1
    assert line["messages_in"] == line["messages_out"] == len(sizes)


@SCHEMES
def test_spliced_payload_is_never_read(gateway, backend, tmp_path, scheme):
    """Seen from outside, by strace: what is received into memory is a fraction of what passes."""
    trace = tmp_path / "trace"
    gate = gateway(backend(websocket(echo_frames)), workers=1, **kernel())
    payload = os.urandom(4 * MB)
    with dial(gate, scheme) as wire:
        open_websocket(wire)
        calls = "trace=recvfrom,recvmsg,splice"
        tracer = Process(["strace", "-f", "-p", gate.process.pid, "-e", calls, "-o", trace])
        tracer.wait_line("attached")
        wire.send(frame(BINARY, payload, masked=True))
        assert wire.read_frame() == (128 | BINARY, payload)
        tracer.stop(signal.SIGINT)
    calls = re.findall(r"(recvfrom|recvmsg|splice)\(.* = (\d+)$", trace.read_text(), re.M)
    moved = sum(int(n) for name, n in calls if name == "splice")
    read = sum(int(n) for name, n in calls if name != "splice")
    assert moved > 2 * 2 * (4 * MB - 200 * KB), "into the pipe and out of it, both ways"
    assert read < 400 * KB


@SCHEMES
def test_bodies(gateway, backend, scheme):
    """A response and a request body of known length, and one in chunks, with their checksums."""
    payload = os.urandom(8 * MB)
    chunked = b"".join(b"%x\r\n" % MB + payload[i : i + MB] + b"\r\n" for i in range(0, 8 * MB, MB))

    def script(wire):
        head = wire.read_head()
        if b"POST" in head:
            digest = hashlib.sha256(wire.read_exactly(8 * MB)).hexdigest()
            wire.send(ok(digest.encode()))
        elif b"/chunked" in head:
            wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked + b"0\r\n\r\n")
        else:
            wire.send(ok(payload))

    gate = gateway(backend(script, keep_all=False), **kernel())
    with dial(gate, scheme) as wire:
        wire.send(request(target="/chunked"))
        assert wire.read_response().body == payload
        wire.send(request())
        assert wire.read_response().body == payload
        wire.send(request("POST", fields=[f"Content-Length: {8 * MB}"], body=payload))
        assert wire.read_response().body.decode() == hashlib.sha256(payload).hexdigest()
    assert status(gate)["spliced_bytes"] > 3 * 7 * MB


@SCHEMES
def test_slow_reader_in_the_middle_of_a_splice(gateway, backend, scheme):
    """Its sender is stopped and memory stays flat; when it reads on, nothing is missing."""
    payload = os.urandom(24 * MB)

    def script(wire):
        wire.sock.settimeout(PATIENCE_S * 4)
        wire.send(frame(BINARY, payload))
        wire.read_close()

    gate = gateway(backend(websocket(script), keep_all=False), workers=1, **kernel())
    with dial(gate, scheme, receive_buffer=32 * KB, keep_all=False) as wire:
        open_websocket(wire)
        before_kb = gate.process.memory_kb()
        wait_until(lambda: status(gate)["splices"] == 1, "a splice")
        time.sleep(1)
        before_s = gate.process.cpu_s()
        time.sleep(1)
        assert gate.process.cpu_s() - before_s < 0.1
        assert gate.process.memory_kb() - before_kb < 2 * KB
        wire.sock.settimeout(PATIENCE_S * 4)
        assert wire.read_frame() == (128 | BINARY, payload)
        wire.send(close_frame(1000, masked=True))


@SCHEMES
@pytest.mark.parametrize("who", ["client", "backend"])
@pytest.mark.parametrize("how", ["reset", "close"])
def test_peer_that_goes_in_the_middle_of_a_splice(gateway, backend, scheme, who, how):
    """The other side learns of it at once, and nothing stays behind, pipes least of all."""
    head = frame(BINARY, b"", declared=64 * MB)
    ends = []

    def script(wire):
        if who == "client":
            ends.append(bool(wire.read_to_end()))
            return
        wire.send(head + bytes(3 * MB))
        time.sleep(0.3)
        getattr(wire, how)()

    gate = gateway(backend(websocket(script), keep_all=False), workers=1, **kernel())
    wire = dial(gate, scheme, keep_all=False)
    open_websocket(wire)
    if who == "client":
        masked = bytes([head[0], head[1] | 128]) + head[2:] + b"mask"
        wire.send(masked + bytes(3 * MB))
        time.sleep(0.3)
        getattr(wire, how)()
        wait_until(lambda: ends, "the end at the backend")
    else:
        assert wire.read_to_end()
        wire.close()
    assert status(gate)["splices"] == 1
    wait_until(lambda: status(gate)["connections"] == 0, "the end of the connection")
    assert pipes(gate) <= 2 * 16


@SCHEMES
def test_stop_in_the_middle_of_a_splice(gateway, backend, scheme):
    """The frame is finished, then comes the Close."""
    half = threading.Event()

    def script(wire):
        payload = bytes(2 * MB)
        sealed = frame(BINARY, payload)
        wire.send(sealed[:MB])
        half.wait(PATIENCE_S)
        wire.send(sealed[MB:] + frame(TEXT, b"too late"))
        wire.read_to_end()

    gate = gateway(backend(websocket(script), keep_all=False), drain="10s", **kernel())
    with dial(gate, scheme) as wire:
        open_websocket(wire)
        wait_until(lambda: status(gate)["splices"] == 1, "a splice")
        gate.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        half.set()
        first, payload = wire.read_frame()
        assert (first, len(payload)) == (128 | BINARY, 2 * MB)
        first, payload = wire.read_frame()
        assert first & 15 == CLOSE and payload[:2] == b"\x03\xe9"


@SCHEMES
def test_half_close_behind_a_splice(gateway, backend, scheme):
    """FIN comes behind the last byte, not before."""
    payload = os.urandom(3 * MB)

    def script(wire):
        wire.send(frame(BINARY, payload))
        wire.finish_sending()
        wire.read_to_end()

    gate = gateway(backend(websocket(script), keep_all=False), **kernel())
    with dial(gate, scheme, receive_buffer=32 * KB) as wire:
        open_websocket(wire)
        time.sleep(0.5)
        assert wire.read_frame() == (128 | BINARY, payload)
        assert wire.read_to_end() == b"" and wire.end == "fin"


@SCHEMES
def test_idle_connections_hold_no_pipe(gateway, backend, scheme):
    gate = gateway(backend(websocket(echo_frames), keep_all=False), workers=1, **kernel())
    wires = [dial(gate, scheme, keep_all=False) for _ in range(40)]
    payload = os.urandom(300 * KB)
    for wire in wires:
        open_websocket(wire)
    for wire in wires:
        wire.send(frame(BINARY, payload, masked=True))
        assert wire.read_frame() == (128 | BINARY, payload)
    assert status(gate)["splices"] >= 80
    assert pipes(gate) <= 2 * 16, "those that are kept for the next"
    for wire in wires:
        wire.close()


def test_no_pipe_to_be_had(gateways, backend):
    """With no descriptor left, payload is copied, and nothing is lost."""
    server = backend(websocket(echo_frames), keep_all=False)
    gate = gateways(
        sites={"localhost": {"aliases": ["127.0.0.1"], "routes": {"/": {"upstream": "app"}}}},
        upstreams={"app": {"servers": [server.address]}},
        workers=1,
    )
    gate.start()
    payload = os.urandom(2 * MB)
    with connect(gate.plain_port, keep_all=False) as wire:
        open_websocket(wire)
        in_use = gate.process.open_files()
        before = resource.prlimit(gate.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(gate.process.pid, resource.RLIMIT_NOFILE, (in_use, before[1]))
        for _ in range(3):
            wire.send(frame(BINARY, payload, masked=True))
            assert wire.read_frame() == (128 | BINARY, payload)
        resource.prlimit(gate.process.pid, resource.RLIMIT_NOFILE, before)
        assert status(gate)["splices"] == 0
        wire.send(frame(BINARY, payload, masked=True))
        assert wire.read_frame() == (128 | BINARY, payload)
        assert status(gate)["splices"] == 2, "when there are some again, they are used again"


def test_smallest_pipes(gateways, backend, sysctls):
    """Over its user's limit a process gets pipes of two pages; they work as well. The limit is not for
    those who may do everything."""
    sysctls("fs.pipe-user-pages-soft", 1)
    server = backend(websocket(echo_frames), keep_all=False)
    gate = gateways(
        sites={"localhost": {"aliases": ["127.0.0.1"], "routes": {"/": {"upstream": "app"}}}},
        upstreams={"app": {"servers": [server.address]}},
        workers=1,
    )
    gate.start(wrapper=["setpriv", "--bounding-set=-sys_resource,-sys_admin"])
    payload = os.urandom(2 * MB)
    with connect(gate.plain_port, keep_all=False) as wire:
        open_websocket(wire)
        for _ in range(3):
            wire.send(frame(BINARY, payload, masked=True))
            assert wire.read_frame() == (128 | BINARY, payload)
    assert status(gate)["splices"] == 6


def test_off(gateway, backend):
    gate = gateway(backend(websocket(echo_frames)), splice_min="off")
    payload = os.urandom(MB)
    with connect(gate.plain_port) as wire:
        open_websocket(wire)
        wire.send(frame(BINARY, payload, masked=True))
        assert wire.read_frame() == (128 | BINARY, payload)
    assert status(gate)["splices"] == 0


def test_tls_in_user_space_is_copied(gateway, backend):
    gate = gateway(backend(websocket(echo_frames)), **kernel(tx="off"))
    payload = os.urandom(MB)
    with connect(gate.port, gate.tls_context()) as wire:
        open_websocket(wire)
        wire.send(frame(BINARY, payload, masked=True))
        assert wire.read_frame() == (128 | BINARY, payload)
    assert status(gate)["splices"] == 0
