# SPDX-License-Identifier: Apache-2.0
"""At the limits of descriptors and connections: waiting or a clear refusal, and nothing lost."""

import contextlib
import os
import socket
import time
from pathlib import Path

import pytest

from gateway import servers
from processes import PROGRAM, PATIENCE_S, Process, free_port, wait_until
from wire import answering, connect, frame, ok, open_websocket, request

PONG = {"localhost": {"routes": {"/": {"respond": "pong\n"}}}}


def ask(wire):
    wire.send(request())
    return wire.read_response()


def answered(wire, timeout):
    """Whether the answer to what was sent is there within the time."""
    wire.sock.settimeout(timeout)
    try:
        return bool(wire.buffer) or wire.fill()
    except TimeoutError:
        return False
    finally:
        wire.sock.settimeout(PATIENCE_S)


@pytest.mark.tsan
@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_accepting_pauses_without_descriptors_and_goes_on(gateways, tls):
    """More clients than descriptors: those over wait in the kernel's queue until others leave."""
    gate = gateways(sites=PONG, workers=1)
    gate.start(wrapper=["prlimit", "--nofile=64:64"])
    port = gate.port if tls else gate.plain_port
    waiting = [connect(port) for _ in range(100)]
    context = gate.tls_context()
    gate.wait_log(r"(?i)descriptor|EMFILE|too many open files|accept")
    served = 0
    # Whoever has its answer leaves, and so makes room.
    for wire in waiting:
        if tls:
            wire.sock = context.wrap_socket(wire.sock, server_hostname="localhost")
        assert ask(wire).status == 200, f"after {served}"
        wire.close()
        served += 1
    assert served == 100
    with connect(gate.plain_port) as wire:
        assert ask(wire).status == 200


def test_paused_accepting_burns_no_cpu(gateways):
    gate = gateways(sites=PONG, workers=1)
    gate.start(wrapper=["prlimit", "--nofile=64:64"])
    wires = [connect(gate.plain_port) for _ in range(100)]
    gate.wait_log(r"(?i)descriptor|EMFILE|too many open files|accept")
    used, lines = gate.process.cpu_s(), gate.process.mark()
    time.sleep(1)  # the window that is measured
    assert gate.process.cpu_s() - used < 0.3
    assert gate.process.mark() - lines < 30, "nor does it fill the log"
    for wire in wires:
        wire.close()


def control_sockets(gate):
    """How many sockets have the name of the gateway's control socket."""
    opened = Path(f"/proc/{gate.process.pid}/fd").iterdir()
    inodes = {target[8:-1] for fd in opened if (target := os.readlink(fd)).startswith("socket:")}
    lines = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()]
    named = [(line[6], line[7]) for line in lines if len(line) > 7]
    name = next(name for inode, name in named if inode in inodes)
    return sum(name == other for _, other in named)


def test_commands_that_wait_for_a_descriptor_burn_no_cpu(gateways):
    gate = gateways(sites=PONG, workers=1)
    gate.start(wrapper=["prlimit", "--nofile=64:64"])
    wires = [connect(gate.plain_port) for _ in range(100)]
    gate.wait_log(r"(?i)descriptor|EMFILE|too many open files|accept")
    listens = control_sockets(gate)
    waiting = Process([PROGRAM, "status", "-c", gate.path])
    wait_until(lambda: control_sockets(gate) > listens, "the command has connected")
    used = gate.process.cpu_s()
    time.sleep(1)  # the window that is measured
    assert gate.process.cpu_s() - used < 0.3
    for wire in wires:
        wire.close()
    assert waiting.wait() == 0


def test_probe_that_waits_for_a_descriptor_burns_no_cpu(gateways):
    port = free_port()
    gate = gateways(sites=PONG, workers=1, admin={"listen": f"127.0.0.1:{port}"})
    gate.start(wrapper=["prlimit", "--nofile=64:64"])
    wires = [connect(gate.plain_port) for _ in range(100)]
    gate.wait_log(r"(?i)descriptor|EMFILE|too many open files|accept")
    with connect(port) as probe:
        probe.send(request(target="/healthz"))
        used = gate.process.cpu_s()
        time.sleep(1)  # the window that is measured
        assert gate.process.cpu_s() - used < 0.3
        for wire in wires:
            wire.close()
        assert probe.read_response().status == 200


def test_no_descriptor_for_a_backend(gateways, backend):
    """Then the request is refused, the gateway lives, and is well again afterwards."""
    server = backend(answering(ok()))
    gate = gateways(
        workers=1,
        sites={"localhost": {"routes": {"/": {"upstream": "app"}}}},
        upstreams={"app": servers(server, keep_alive=0)},
    )
    gate.start(wrapper=["prlimit", "--nofile=64:64"])
    wires = [connect(gate.plain_port) for _ in range(100)]
    for wire in wires:
        wire.send(request())
    first = [wire for wire in wires if answered(wire, 0.2)]
    assert first, "some are answered at once"
    statuses = []
    for wire in wires:
        statuses.append(wire.read_response().status)
        wire.close()
    assert set(statuses) <= {200, 502, 503} and len(statuses) == 100
    with connect(gate.plain_port) as wire:
        assert ask(wire).status == 200


def outcome(wire, timeout):
    """The status of the answer; "closed", or "waiting" if nothing comes within the time."""
    wire.sock.settimeout(timeout)
    try:
        return wire.read_response().status
    except TimeoutError:
        return "waiting"
    except AssertionError:
        return "closed"
    finally:
        wire.sock.settimeout(PATIENCE_S)


def test_max_connections(gateway):
    """Over the limit: refused or left waiting; below it again: served. Each worker may let in one
    more, not a whole burst."""
    workers = 2
    gate = gateway(sites=PONG, max_connections=10, workers=workers)
    inside = [connect(gate.plain_port) for _ in range(10)]
    for wire in inside:
        assert ask(wire).status == 200
    over = [connect(gate.plain_port) for _ in range(30)]
    for wire in over:
        with contextlib.suppress(OSError):
            wire.send(request())
    outcomes = [outcome(wire, 0.05) for wire in over]
    assert outcomes.count(200) <= workers, outcomes
    assert set(outcomes) <= {200, 503, "closed", "waiting"}
    for wire in inside:
        assert ask(wire).status == 200, "those inside are not harmed"
    for wire in inside:
        wire.close()
    waiting = {wire for wire, result in zip(over, outcomes) if result == "waiting"}
    for wire in set(over) - waiting:
        wire.close()

    def all_had_their_turn():
        for wire in list(waiting):
            if outcome(wire, 0.02) != "waiting":
                wire.close()  # which makes room for another
                waiting.remove(wire)
        return not waiting

    wait_until(all_had_their_turn, "those that waited are served")

    def served():
        with connect(gate.plain_port) as wire:
            wire.send(request())
            return outcome(wire, 1) == 200

    wait_until(served, "room again")


def test_max_connections_of_a_site(gateway, plain_echo):
    gate = gateway(
        sites={
            "small.test": {"max_connections": 5, "routes": {"/": {"upstream": "echo"}}},
            "localhost": {"routes": {"/": {"respond": "pong\n"}}},
        },
        upstreams={"echo": servers(plain_echo)},
    )
    inside = [connect(gate.plain_port) for _ in range(5)]
    for wire in inside:
        open_websocket(wire, host="small.test")
    with connect(gate.plain_port) as over:
        over.send(request(host="small.test"))
        assert over.read_response().status == 503
    with connect(gate.plain_port) as other:
        assert ask(other).status == 200, "another site is not concerned"
    for wire in inside:
        wire.send(frame(1, b"fine", masked=True))
        assert wire.read_frame()[1] == b"fine"
        wire.close()

    def served():
        with connect(gate.plain_port) as wire:
            wire.send(request(host="small.test"))
            return wire.read_response().status != 503

    wait_until(served, "room again")


def test_many_connections_that_say_nothing(gateway):
    """They cost little and are gone at their time; others are served meanwhile."""
    gate = gateway(sites=PONG, timeouts={"head": "1s", "handshake": "1s"})
    silent = [connect(gate.port if turn % 2 else gate.plain_port) for turn in range(400)]
    with connect(gate.plain_port) as wire:
        assert ask(wire).status == 200
    for wire in silent:
        wire.read_to_end()
        wire.close()
    wait_until(lambda: gate.process.open_files() < 100, "their descriptors given back")


def test_port_in_use(gateways):
    gate = gateways(sites=PONG)
    with socket.create_server(("127.0.0.1", gate.plain_port)):
        gate.write()
        process = Process([PROGRAM, "run", "-c", gate.path])
        assert process.wait() == 1
    assert f"127.0.0.1:{gate.plain_port}" in process.output
    assert "in use" in process.output.lower()
