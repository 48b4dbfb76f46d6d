# SPDX-License-Identifier: Apache-2.0
"""What the kernel gives or denies: io_uring forbidden, older kernels imitated, quick restarts."""

import os
import sys

import pytest

from peers import HERE, connect_websocket, run
from processes import PROGRAM, Process
from wire import connect, request

SITES = {"localhost": {"routes": {"/": {"respond": "pong\n"}}}}


@pytest.mark.parametrize("error", ["EPERM", "ENOSYS"])
def test_io_uring_forbidden(gateways, error):
    """One clear sentence that says what is missing and how to allow it, and exit code 1."""
    gate = gateways(sites=SITES)
    gate.write()
    wrapper = [sys.executable, HERE / "without_io_uring.py", error]
    process = Process([*wrapper, PROGRAM, "run", "-c", gate.path])
    assert process.wait() == 1
    sentences = [line for line in process.lines if "io_uring" in line]
    assert len(sentences) == 1, process.output
    assert len(process.lines) <= 2, process.output
    said = sentences[0].lower()
    if error == "EPERM":
        assert "seccomp" in said and ("allow" in said or "profile" in said), said
    else:
        assert "kernel" in said or "seccomp" in said, said


def test_version_without_io_uring():
    """Asking what there is must work everywhere."""
    process = Process([sys.executable, HERE / "without_io_uring.py", "EPERM", PROGRAM, "version"])
    assert process.wait() == 0
    assert "io_uring" in process.output


@pytest.mark.parametrize("how", ["environment", "option"])
def test_older_kernel_is_imitated(gateways, plain_echo, how):
    """The features of 5.19: one-shot receive, no deferred task work."""
    gate = gateways(
        sites={"localhost": {"routes": {"/": {"upstream": "echo"}}}},
        upstreams={"echo": {"servers": [plain_echo.address]}},
    )
    if how == "environment":
        gate.start(env={**os.environ, "RINGWAY_KERNEL": "5.19"})
    else:
        gate.start(arguments=["--kernel", "5.19"])

    async def talk():
        async with connect_websocket(gate) as connection:
            for size in (0, 1, 70_000, 1_000_000):
                await connection.send(b"x" * size)
                assert await connection.recv() == b"x" * size

    run(talk())


def test_quick_restarts(gateways):
    """The port of the last process is free for the next one."""
    gate = gateways(sites=SITES)
    for _ in range(5):
        gate.start()
        with connect(gate.plain_port) as wire:
            wire.send(request())
            assert wire.read_response().status == 200
        gate.stop()


def test_two_gateways_do_not_share_a_port(gateways):
    """SO_REUSEPORT is for the workers of one process: a second process must not steal."""
    gate = gateways(sites=SITES).start()
    other = gateways(sites=SITES)
    other.config["listen"] = gate.config["listen"]
    other.write()
    process = Process([PROGRAM, "run", "-c", other.path])
    assert process.wait() == 1, process.output
    assert "in use" in process.output.lower()


def test_pid_file(gateways):
    gate = gateways(sites=SITES)
    file = gate.folder / "ringway.pid"
    gate.config["pid_file"] = str(file)
    gate.start()
    assert file.read_text().strip() == str(gate.process.pid)
    gate.stop()
    assert not file.exists()
