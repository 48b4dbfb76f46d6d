# SPDX-License-Identifier: Apache-2.0
"""Large payload goes from socket to socket through a pipe: what arrives is the same as by copying, to
the byte, whatever happens on the way; and nothing stays behind. With TLS only where the kernel has
it, in virtual machines (tests/vm)."""

import contextlib
import hashlib
import os
import re
import resource
import signal
import socket
import threading
import time

import pytest

from gateway import run_ringway
from processes import PATIENCE_S, SANITIZER, Process, wait_until
from wire import (
    BINARY, CLOSE, PING, TEXT, answering, close_frame, connect, frame, ok, open_websocket, request,
    switch_protocols, websocket,
)  # fmt: skip

KB, MB = 1024, 1024 * 1024
PIPES_KEPT, PIPES_MAX = 16, 256  # core/pipe_pool.h; a pipe is two descriptors
KERNEL_TLS = "kernel TLS   send: AES" in run_ringway("version").stdout
BOTH_WAYS = {"kernel": "on", "kernel_rx": "on"}
SIDES = {"client": "client", "backend": "upstream"}  # in the access log
PEEK_OFFSET = (
    "peek offset: yes" in run_ringway("version").stdout and "RINGWAY_KERNEL" not in os.environ
)
SCHEMES = pytest.mark.parametrize("scheme", ["ws", "wss"] if KERNEL_TLS else ["ws"])


@pytest.fixture
def spliced(gateway):
    """`spliced(backend, ...)`: a gateway of one worker, whose descriptors must be as few at the end as
    they were at the start, kept pipes aside, and for which the kernel makes no threads."""
    made = []

    def start(*backends, **config):
        gate = gateway(*backends, **{"workers": 1, "tls": BOTH_WAYS, **config})
        made.append((gate, gate.process.open_files()))
        return gate

    yield start
    for gate, before in made:
        assert gate.process.ring_workers() == 0
        wait_until(lambda: gate.status()["connections"] == 0, "the end of the connections")
        wait_until(lambda: pipes(gate) <= 2 * PIPES_KEPT, "the end of pipes")
        wait_until(lambda: gate.process.open_files() - pipes(gate) == before, "the end of sockets")


def pipes(gate):
    """How many ends of pipes the gateway has open, that of its log aside."""
    folder = f"/proc/{gate.process.pid}/fd"
    links = []
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):  # it may just have been closed
            links.append(os.readlink(f"{folder}/{name}"))
    log = os.readlink(f"{folder}/1")
    return sum(link.startswith("pipe:") and link != log for link in links)


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
def test_exactly_to_the_end_of_each_frame(spliced, backend, scheme):
    """Large and small frames, with control frames between, back to back: all arrive as sent, and the
    access log has counted each."""

    def script(wire):  # reads all before it answers, so that nobody has to do both at once
        got = [wire.read_frame() for _ in frames]
        wire.send(b"".join(frame(first & 15, payload) for first, payload in got))
        wire.send(close_frame(wire.read_close()))

    gate = spliced(backend(websocket(script)), splice_min="16K", workers=2)
    sizes = [100_000, 1, 16 * KB - 1, 16 * KB, 70 * KB, 0, 500_000, 125, 64 * KB + 1, MB, 3]
    frames = []
    for size in sizes:
        frames += [(BINARY, os.urandom(size)), (PING, b"between")]
    with dial(gate, scheme) as wire:
        open_websocket(wire)
        sent = b"".join(frame(opcode, payload, masked=True) for opcode, payload in frames)
        wire.send(sent)
        for opcode, payload in frames:
            assert wire.read_frame() == (128 | opcode, payload)
        wire.send(close_frame(1000, masked=True))
        assert wire.read_close() == 1000
    counters = gate.status()
    assert counters["splices"] > 0 and counters["spliced_bytes"] > sum(sizes)
    line = gate.wait_access(event="close")
    assert line["frames_in"] == line["frames_out"] == len(frames) + 1
    assert line["messages_in"] == line["messages_out"] == len(sizes)


@SCHEMES
def test_spliced_payload_is_never_read(spliced, backend, tmp_path, scheme):
    """Seen from outside, by strace: what is received into memory is a fraction of what passes."""
    trace = tmp_path / "trace"
    gate = spliced(backend(websocket(echo_frames)))
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
def test_bodies(spliced, backend, scheme):
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

    gate = spliced(backend(script, keep_all=False))
    with dial(gate, scheme) as wire:
        wire.send(request(target="/chunked"))
        assert wire.read_response().body == payload
        wire.send(request())
        assert wire.read_response().body == payload
        wire.send(request("POST", fields=[f"Content-Length: {8 * MB}"], body=payload))
        assert wire.read_response().body.decode() == hashlib.sha256(payload).hexdigest()
    assert gate.status()["spliced_bytes"] > 3 * 7 * MB


@SCHEMES
def test_body_right_behind_its_head(spliced, backend, scheme):
    """What came with the head is copied, and what follows it spliced, not copied behind the rest."""
    body = os.urandom(300 * KB)
    gate = spliced(backend(answering(ok(body)), keep_all=False))
    with dial(gate, scheme, keep_all=False) as wire:
        for turn in range(1, 11):
            wire.send(request())
            assert wire.read_response().body == body
            assert gate.status()["splices"] == turn


@SCHEMES
def test_slow_reader_in_the_middle_of_a_splice(spliced, backend, scheme):
    """Its sender is stopped, memory stays flat, and others do not notice; when it reads on, nothing
    is missing."""
    payload = os.urandom(24 * MB)

    def script(wire):
        wire.sock.settimeout(PATIENCE_S * 4)
        if b"GET /slow" not in switch_protocols(wire):
            return echo_frames(wire)
        wire.send(frame(BINARY, payload))
        wire.read_close()

    gate = spliced(backend(script, keep_all=False))
    with dial(gate, scheme, receive_buffer=32 * KB, keep_all=False) as wire:
        before_kb = gate.process.memory_kb()
        open_websocket(wire, "/slow")
        wait_until(lambda: gate.status()["relay_pauses"] > 0, "a full pipe")
        before_s = gate.process.cpu_s()
        moved = gate.status()["spliced_bytes"]
        time.sleep(1)
        assert gate.process.cpu_s() - before_s < 0.1
        assert gate.status()["spliced_bytes"] == moved < len(payload), "nothing moves"
        assert pipes(gate) == 2, "the pipe it holds"
        with dial(gate, scheme) as other:
            open_websocket(other)
            for size in 10, 300 * KB, 10:
                other.send(frame(BINARY, payload[:size], masked=True))
                assert other.read_frame() == (128 | BINARY, payload[:size])
        if not SANITIZER:
            assert gate.process.memory_kb() - before_kb < 2 * KB
        wire.sock.settimeout(PATIENCE_S * 4)
        assert wire.read_frame() == (128 | BINARY, payload)
        wire.send(close_frame(1000, masked=True))


@SCHEMES
@pytest.mark.parametrize("who", ["client", "backend"])
@pytest.mark.parametrize("how", ["reset", "close"])
def test_peer_that_goes_in_the_middle_of_a_splice(spliced, backend, scheme, who, how):
    """The other side learns of it at once, and nothing stays behind, pipes least of all. A reset is
    not taken for the end of what is sent, behind which the other direction would stay open."""
    head = frame(BINARY, b"", declared=64 * MB)
    go = threading.Event()
    ends = []

    def script(wire):
        if who == "client":
            ends.append(bool(wire.read_to_end()))
            return
        wire.send(head + bytes(3 * MB))
        assert go.wait(PATIENCE_S)
        getattr(wire, how)()

    gate = spliced(backend(websocket(script), keep_all=False))
    with dial(gate, scheme, keep_all=False) as wire:
        open_websocket(wire)
        if who == "client":
            masked = bytes([head[0], head[1] | 128]) + head[2:] + b"mask"
            wire.send(masked + bytes(3 * MB))
        wait_until(lambda: gate.status()["spliced_bytes"] > MB // 4, "a splice")
        go.set()
        if who == "client":
            getattr(wire, how)()
            wait_until(lambda: ends, "the end at the backend")
        else:
            assert wire.read_to_end()
        if how == "reset":
            line = gate.wait_access(event="close")
            assert (line["closed_by"], line["reason"]) == (SIDES[who], "connection reset")
    assert gate.status()["splices"] == 1


@SCHEMES
@pytest.mark.parametrize("who", ["client", "backend"])
def test_reader_that_goes_in_the_middle_of_a_splice(spliced, backend, scheme, who):
    """It does not read, the pipe is full, and then it is gone: the writer learns of it."""
    flood = frame(BINARY, b"", declared=64 * MB, masked=who == "backend") + bytes(24 * MB)
    stuck, broken = threading.Event(), threading.Event()

    def pour(wire):
        try:
            wire.send(flood)
            wire.read_to_end()
        except OSError:
            pass
        broken.set()

    def script(wire):
        if who == "client":
            return pour(wire)
        assert stuck.wait(PATIENCE_S)
        wire.reset()

    gate = spliced(backend(websocket(script), keep_all=False))
    with dial(gate, scheme, receive_buffer=32 * KB, keep_all=False) as wire:
        open_websocket(wire)
        writer = threading.Thread(target=pour, args=(wire,))
        if who == "backend":
            writer.start()
        wait_until(lambda: gate.status()["relay_pauses"] > 0, "a full pipe")
        stuck.set()
        if who == "client":
            wire.reset()
        else:
            writer.join()
        assert broken.wait(PATIENCE_S)
    assert gate.status()["splices"] == 1


@SCHEMES
def test_what_a_lost_reader_does_not_get_is_still_counted(spliced, backend, scheme):
    """The rest of a frame has no taker: the frame behind it begins where it begins, and is not taken
    for one that breaks the protocol."""
    sealed = frame(BINARY, b"\xff" * 200 * KB)
    at = len(sealed) - 20 * KB
    go, sent, over = threading.Event(), threading.Event(), threading.Event()

    def script(wire):
        wire.send(sealed[:at])
        assert go.wait(PATIENCE_S)
        wire.send(sealed[at:] + sealed)
        sent.set()
        assert over.wait(PATIENCE_S)

    gate = spliced(backend(websocket(script), keep_all=False))
    with dial(gate, scheme, keep_all=False) as wire:
        open_websocket(wire)
        wire.read_exactly(at)
        assert gate.status()["splices"] == 1
        gate.process.send_signal(signal.SIGSTOP)
        go.set()
        assert sent.wait(PATIENCE_S)
        wire.reset()
        gate.process.send_signal(signal.SIGCONT)
        line = gate.wait_access(event="close")
        over.set()
    assert (line["closed_by"], line["reason"]) == ("client", "connection reset")
    assert gate.status()["frame_violations"] == 0


@SCHEMES
def test_stop_in_the_middle_of_a_splice(gateway, backend, scheme):
    """The frame is finished, then comes the Close."""
    half = threading.Event()

    def script(wire):
        sealed = frame(BINARY, bytes(2 * MB))
        wire.send(sealed[:MB])
        half.wait(PATIENCE_S)
        wire.send(sealed[MB:])
        try:
            while True:
                wire.send(frame(TEXT, b"more"))
                time.sleep(0.01)
        except OSError:
            pass

    gate = gateway(backend(websocket(script), keep_all=False), drain="2s", tls=BOTH_WAYS)
    with dial(gate, scheme) as wire:
        open_websocket(wire)
        wait_until(lambda: gate.status()["splices"] == 1, "a splice")
        gate.process.send_signal(signal.SIGTERM)
        gate.wait_log("stopping")
        half.set()
        assert wire.read_frame() == (128 | BINARY, bytes(2 * MB))
        while (got := wire.read_frame())[0] & 15 != CLOSE:
            assert got == (128 | TEXT, b"more")
        assert got[1][:2] == b"\x03\xe9"


@SCHEMES
@pytest.mark.parametrize("who", ["client", "backend"])
def test_half_close_behind_a_splice(spliced, backend, scheme, who):
    """The end of what one side sends comes behind the last byte, not before, however slowly that is
    read; and the other direction stays open."""
    payload = os.urandom(3 * MB)
    started = threading.Event()

    def write(wire):
        wire.send(frame(BINARY, payload, masked=who == "client"))
        if who == "backend":
            wire.finish_sending()
        elif scheme == "ws":
            wire.finish_sending()
        else:
            wire.sock.unwrap()  # says close_notify, and waits for that of the gateway

    def read(wire):
        assert started.wait(PATIENCE_S)
        assert wire.read_frame() == (128 | BINARY, payload)
        assert wire.read_to_end() == b"" and wire.end == "fin"
        if who == "backend" or scheme == "ws":
            wire.send(frame(TEXT, b"I have it", masked=who == "backend"))

    def script(wire):
        if who == "client":
            return read(wire)
        write(wire)
        assert wire.read_frame() == (128 | TEXT, b"I have it")

    gate = spliced(backend(websocket(script), keep_all=False))
    with dial(gate, scheme, receive_buffer=32 * KB) as wire:
        open_websocket(wire)
        if who == "backend":
            wait_until(lambda: gate.status()["splices"] == 1, "a splice")
            started.set()
            return read(wire)
        started.set()
        write(wire)
        if scheme == "ws":
            assert wire.read_frame() == (128 | TEXT, b"I have it")


@SCHEMES
def test_idle_connections_hold_no_pipe(spliced, backend, scheme):
    gate = spliced(backend(websocket(echo_frames), keep_all=False))
    wires = [dial(gate, scheme, keep_all=False) for _ in range(24)]
    payload = os.urandom(200 * KB)
    for wire in wires:
        open_websocket(wire)
    for wire in wires:
        wire.send(frame(BINARY, payload, masked=True))
        assert wire.read_frame() == (128 | BINARY, payload)
    assert gate.status()["splices"] >= 2 * len(wires)
    assert pipes(gate) <= 2 * PIPES_KEPT, "those that are kept for the next"
    for wire in wires:
        wire.close()


def test_no_descriptor_for_a_pipe(spliced, backend):
    """With none left, payload is copied, and nothing is lost."""
    gate = spliced(backend(websocket(echo_frames), keep_all=False))
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
        copied = gate.status()["splices"]
        wire.send(frame(BINARY, payload, masked=True))
        assert wire.read_frame() == (128 | BINARY, payload)
        assert copied == 0
        assert gate.status()["splices"] == 2, "when there are some again, they are used again"


def test_more_splices_than_pipes(spliced, backend):
    """All pipes are held by frames that do not come to their end; who comes then is served by
    copying."""
    payload = os.urandom(400 * KB)
    go = threading.Event()

    def script(wire):
        if b"GET /stuck" not in switch_protocols(wire):
            return echo_frames(wire)
        sealed = frame(BINARY, payload)
        wire.send(sealed[: 200 * KB])
        assert go.wait(PATIENCE_S * 4)
        wire.send(sealed[200 * KB :])
        wire.read_to_end()

    gate = spliced(backend(script, keep_all=False))
    stuck = []
    try:
        for _ in range(PIPES_MAX + 8):
            stuck.append(connect(gate.plain_port, keep_all=False))
            open_websocket(stuck[-1], "/stuck")
            stuck[-1].read_exactly(200 * KB)
        assert gate.status()["splices"] == PIPES_MAX and pipes(gate) == 2 * PIPES_MAX
        with connect(gate.plain_port, keep_all=False) as wire:
            open_websocket(wire)
            wire.send(frame(BINARY, payload, masked=True))
            assert wire.read_frame() == (128 | BINARY, payload)
        assert gate.status()["splices"] == PIPES_MAX
        go.set()
        for wire in stuck:
            assert wire.read_exactly(len(payload) + 10 - 200 * KB) == payload[200 * KB - 10 :]
    finally:
        go.set()
        for wire in stuck:
            wire.close()


@SCHEMES
def test_body_that_grows_too_long_in_a_splice(spliced, backend, scheme):
    """`max_body` holds for what is spliced: the chunk that goes beyond it is refused, and the server
    never sees an end."""
    heads = []

    def script(wire):
        heads.append(wire.read_head())
        heads.append(wire.read_to_end())

    server = backend(script)
    gate = spliced(server, site_keys={"max_body": "3M"})
    chunk = b"%x\r\n" % MB + os.urandom(MB) + b"\r\n"
    with dial(gate, scheme) as wire:
        wire.send(request("POST", fields=["Transfer-Encoding: chunked"]) + 3 * chunk)
        wait_until(lambda: gate.status()["splices"] == 3, "splices")
        wire.send(chunk[:100])
        assert wire.read_response().status == 413
    body = wait_until(lambda: len(heads) == 2 and heads[1], "the end at the server")
    assert body.count(chunk) == 3 and not body.endswith(b"0\r\n\r\n")


@SCHEMES
def test_violation_behind_a_splice(spliced, backend, scheme):
    """Where a large frame ends is known to the byte: what follows is judged as ever."""
    payload = os.urandom(2 * MB)
    bad = frame(3, b"reserved", masked=True)
    arrived = []

    def script(wire):
        arrived.append(wire.read_frame())
        arrived.append(wire.read_close())

    gate = spliced(backend(websocket(script)), site_keys={"strict": True})
    with dial(gate, scheme) as wire:
        open_websocket(wire)
        wire.send(frame(BINARY, payload, masked=True) + bad)
        assert wire.read_close() == 1002
    assert wait_until(lambda: len(arrived) == 2 and arrived, "the Close at the backend") == [
        (128 | BINARY, payload), 1002
    ]  # fmt: skip
    assert gate.status()["splices"] == 1


def test_splice_that_moves_is_not_idle(spliced, backend):
    """One large frame, sent slowly over more than the idle time."""
    payload = os.urandom(2 * MB)
    gate = spliced(backend(websocket(echo_frames)), site_keys={"timeouts": {"idle": "1s"}})
    with connect(gate.plain_port) as wire:
        open_websocket(wire)
        sent = frame(BINARY, payload, masked=True)
        for at in range(0, len(sent), len(sent) // 12):
            wire.send(sent[at : at + len(sent) // 12])
            time.sleep(0.2)
        assert wire.read_frame() == (128 | BINARY, payload)
        assert wire.read_close() == 1001, "and now it is idle"
    assert gate.status()["splices"] == 2


def test_off(spliced, backend):
    gate = spliced(backend(websocket(echo_frames)), splice_min="off")
    payload = os.urandom(MB)
    with connect(gate.plain_port) as wire:
        open_websocket(wire)
        wire.send(frame(BINARY, payload, masked=True))
        assert wire.read_frame() == (128 | BINARY, payload)
    assert gate.status()["splices"] == 0


def test_tls_in_user_space_is_copied(spliced, backend):
    gate = spliced(backend(websocket(echo_frames)), tls={"kernel": "off"})
    payload = os.urandom(MB)
    with connect(gate.port, gate.tls_context()) as wire:
        open_websocket(wire)
        wire.send(frame(BINARY, payload, masked=True))
        assert wire.read_frame() == (128 | BINARY, payload)
    assert gate.status()["splices"] == 0


# --- frames that go together --------------------------------------------------------------------

EACH = 12 * KB  # too small to go alone, large enough to go in a run: see splice_min
RUNS = {"splice_min": "16K"}


def run_of_frames(count, masked=False):
    """Large data frames behind each other, with what the gateway must see between some of them."""
    frames = []
    for number in range(count):
        frames.append((BINARY, os.urandom(EACH + number % 3)))
        frames += [(PING, b"between")] * (number % 50 == 49) + [(TEXT, b"small")] * (number % 70 == 69)
    return frames, b"".join(frame(*each, masked=masked) for each in frames)


@SCHEMES
def test_frames_go_together(spliced, backend, scheme):
    """What has gathered before a slow reader goes on many frames at a time, and each is counted."""
    frames, sent = run_of_frames(700)

    def script(wire):
        wire.sock.settimeout(PATIENCE_S * 4)
        wire.send(sent)
        wire.send(close_frame(wire.read_close()))

    gate = spliced(backend(websocket(script), keep_all=False), **RUNS)
    with dial(gate, scheme, receive_buffer=32 * KB) as wire:
        open_websocket(wire)
        wait_until(lambda: gate.status()["relay_pauses"] > 0, "a full socket")
        for opcode, payload in frames:
            assert wire.read_frame() == (128 | opcode, payload)
        wire.send(close_frame(1000, masked=True))
        assert wire.read_close() == 1000
    counters = gate.status()
    if PEEK_OFFSET:
        assert counters["spliced_bytes"] > len(sent) / 4
        assert counters["spliced_bytes"] / counters["splices"] > 2 * EACH
    else:
        assert counters["splices"] == 0
    line = gate.wait_access(event="close")
    assert line["frames_out"] == len(frames) + 1 and line["bytes_out"] == len(sent) + 4
    assert line["messages_out"] == sum(opcode != PING for opcode, _ in frames)


@SCHEMES
def test_violation_among_frames_that_go_together(spliced, backend, scheme):
    """It is found where it begins: what is before arrives, and nothing of it or behind it."""
    frames, good = run_of_frames(1500, masked=True)
    _, more = run_of_frames(20, masked=True)
    gathered, arrived = threading.Event(), []

    def script(wire):
        wire.sock.settimeout(PATIENCE_S * 4)
        gathered.wait(PATIENCE_S)
        arrived.extend(wire.read_frame() for _ in frames)
        arrived.append(wire.read_close())

    gate = spliced(backend(websocket(script), keep_all=False), site_keys={"strict": True}, **RUNS)
    with dial(gate, scheme) as wire:
        open_websocket(wire)
        sender = threading.Thread(
            target=wire.send, args=(good + frame(3, bytes(EACH), masked=True) + more,)
        )
        sender.start()
        wait_until(lambda: gate.status()["relay_pauses"] > 0, "a full socket")
        gathered.set()
        assert wire.read_close() == 1002
        sender.join()
    wait_until(lambda: len(arrived) == len(frames) + 1, "the Close at the backend")
    assert arrived == [(128 | opcode, payload) for opcode, payload in frames] + [1002]


@SCHEMES
def test_stop_among_frames_that_go_together(gateway, backend, scheme):
    """The Close comes behind a whole frame, however many were on their way."""
    frames, sent = run_of_frames(700)

    def script(wire):
        wire.sock.settimeout(PATIENCE_S * 4)
        with contextlib.suppress(OSError):
            wire.send(sent)
            wire.read_close()

    gate = gateway(backend(websocket(script), keep_all=False), drain="5s", tls=BOTH_WAYS, **RUNS)
    with dial(gate, scheme, receive_buffer=32 * KB) as wire:
        open_websocket(wire)
        wait_until(lambda: gate.status()["relay_pauses"] > 0, "a full socket")
        for opcode, payload in frames[:100]:
            assert wire.read_frame() == (128 | opcode, payload)
        gate.process.send_signal(signal.SIGTERM)
        gate.wait_log("stopping")
        for opcode, payload in frames[100:]:
            got = wire.read_frame()
            if got[0] & 15 == CLOSE:
                break
            assert got == (128 | opcode, payload)
        assert got == (128 | CLOSE, b"\x03\xe9the gateway is stopping")
        wire.send(close_frame(1001, masked=True))
    assert gate.process.wait(PATIENCE_S) == 0


def test_stop_of_a_fast_stream_of_frames(gateway, backend):
    """At full speed one splice follows the other, with a whole frame behind each: that is where the
    Close goes."""
    sealed = frame(BINARY, bytes(64 * KB))
    goodbye = frame(CLOSE, b"\x03\xe9the gateway is stopping")
    closed = threading.Event()

    def script(wire):
        with contextlib.suppress(OSError):  # the gateway may end it first
            while not closed.is_set():
                wire.send(sealed * 16)

    def read_all(wire, total, tails):
        room = bytearray(MB)
        tail = b""
        while not tail.endswith(goodbye) and (n := wire.sock.recv_into(room)):
            total.append(n)
            tail = (tail + room[max(0, n - 100) : n])[-100:]
        tails.append(tail)
        if len(tails) == len(totals):
            closed.set()
        wire.sock.shutdown(socket.SHUT_RDWR)

    gate = gateway(backend(websocket(script), keep_all=False), drain="5s", workers=1, **RUNS)
    totals, tails, readers = [[] for _ in range(4)], [], []
    with contextlib.ExitStack() as stack:
        for total in totals:
            wire = stack.enter_context(connect(gate.plain_port, keep_all=False))
            open_websocket(wire)
            total.append(len(wire.buffer))
            readers.append(threading.Thread(target=read_all, args=(wire, total, tails)))
            readers[-1].start()
        wait_until(lambda: all(sum(total) > 20 * MB for total in totals), "speed")
        if PEEK_OFFSET:
            assert gate.status()["splices"] > 0
        gate.process.send_signal(signal.SIGTERM)
        for reader in readers:
            reader.join(PATIENCE_S)
    assert gate.process.wait(PATIENCE_S) == 0
    assert [tail.endswith(goodbye) for tail in tails] == [True] * 4
    assert [(sum(total) - len(goodbye)) % len(sealed) for total in totals] == [0] * 4
