# SPDX-License-Identifier: Apache-2.0
"""Clients and servers that we did not write, in processes of their own."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import websockets

from processes import PATIENCE_S, Process, wait_until

HERE = Path(__file__).resolve().parent


class Server(Process):
    """A backend that prints `listening PORT`."""

    def __init__(self, command, **options):
        super().__init__(command, **options)
        try:
            self.port = int(self.wait_line(r"listening (\d+)")[1])
        except BaseException:
            self.kill()
            raise
        self.address = f"127.0.0.1:{self.port}"

    def reported(self, count, since=0):
        """The first `count` JSON objects it printed from line `since` on."""

        def lines():
            found = [line for line in self.lines[since:] if line.startswith("{")]
            return found if len(found) >= count else None

        return [json.loads(line) for line in wait_until(lines, f"{count} reports")[:count]]


def python_echo(**environment):
    """python3-websockets; prints a JSON line when a connection ends."""
    return python_server("echo", **environment)


def python_server(name, **environment):
    """servers/NAME.py, by python3-websockets."""
    return Server([sys.executable, "-u", HERE / "servers" / f"{name}.py"], env=_with(environment))


def node_server(name, **environment):
    """servers/NAME.js."""
    return Server([node(), HERE / "servers" / f"{name}.js"], env=_with(environment))


def run_node(name, *arguments, timeout=None, **environment):
    """Runs clients/NAME.js and returns what it printed, as JSON."""
    done = subprocess.run(
        [node(), str(HERE / "clients" / f"{name}.js"), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout or PATIENCE_S * 2,
        env=_with(environment),
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def node():
    """Node, with the packages of package.json beside it."""
    program = shutil.which("node")
    if not program:
        pytest.skip("no Node.js here (Debian package nodejs)")
    if not (HERE / "node_modules" / "ws").exists():
        pytest.skip("npm packages are missing: run `npm ci` in tests/e2e")
    return program


def curl(*arguments, timeout=None):
    """Runs curl, with no proxy and no configuration of the machine's; returns the process."""
    return subprocess.run(
        ["curl", "-q", "--silent", "--show-error", "--noproxy", "*", "--http1.1",
         "--max-time", str(PATIENCE_S * 2), *map(str, arguments)],
        capture_output=True,
        timeout=timeout or PATIENCE_S * 3,
        check=False,
    )  # fmt: skip


def connect_websocket(gateway, path="/", scheme="wss", host="localhost", **options):
    """A client of python3-websockets; no limit on the size of messages, no pings of its own."""
    options.setdefault("max_size", None)
    options.setdefault("ping_interval", None)
    options.setdefault("open_timeout", PATIENCE_S)
    options.setdefault("close_timeout", PATIENCE_S)
    if scheme == "wss":
        options.setdefault("ssl", gateway.tls_context())
    return websockets.connect(gateway.url(path, scheme, host), **options)


def run(coroutine, timeout=None):
    """Runs a coroutine to its end, which must come in time."""
    return asyncio.run(asyncio.wait_for(coroutine, timeout or PATIENCE_S * 3))


def _with(environment):
    return {**os.environ, **{name: str(value) for name, value in environment.items()}}
