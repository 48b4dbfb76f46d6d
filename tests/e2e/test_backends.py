# SPDX-License-Identifier: Apache-2.0
"""Backends that we did not write: Node's ws, socket.io, and a Jupyter server with a kernel."""

import json
import os
import shutil
import signal
import uuid

import pytest

from gateway import servers
from peers import connect_websocket, curl, node_server, run, run_node
from processes import PATIENCE_S, Process, free_port


@pytest.fixture
def node_echo(started):
    return started(node_server, "ws")


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_node_ws_with_a_python_client(gateway, node_echo, scheme):
    gate = gateway(node_echo)

    async def talk():
        async with connect_websocket(gate, scheme=scheme) as connection:
            for message in ["", "text", "x" * 200_000, b"", os.urandom(1_000_000)]:
                await connection.send(message)
                assert await connection.recv() == message
            await (await connection.ping(b"are you there"))

    run(talk())


def test_node_ws_with_a_node_client(gateway, node_echo):
    gate = gateway(node_echo)
    result = run_node("ws", gate.url("/", "wss"), 0, 5, 70_000, NODE_EXTRA_CA_CERTS=gate.ca)
    assert result["echoed"] == 6


def test_socketio(gateway, started):
    """Long polling first, then up to a WebSocket; one client hears what the other says."""
    gate = gateway(started(node_server, "socketio"))
    result = run_node("socketio", gate.url("/"), CA=gate.ca)
    assert result["text"] == "hello, Bob"
    assert result["transport"] == "websocket" and result["transports"] == ["websocket"] * 2
    gate.stop()
    seen = {(r["event"], r["target"].partition("transport=")[2][:7]) for r in gate.access()}
    assert {("request", "polling"), ("open", "websock"), ("close", "websock")} <= seen


TOKEN = "e2e-token"


@pytest.fixture
def jupyter(tmp_path):
    """A Jupyter server with a home of its own."""
    if not shutil.which("jupyter-server"):
        pytest.skip("jupyter-server is not installed (Debian package jupyter-server)")
    port = free_port()
    home = tmp_path / "home"
    home.mkdir()
    folders = {
        name: str(home / name.lower())
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    }
    process = Process(
        ["jupyter-server", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1",
         f"--ServerApp.port={port}", "--ServerApp.port_retries=0",
         f"--ServerApp.root_dir={home}", f"--ServerApp.token={TOKEN}"],
        env={**os.environ, **folders, "HOME": str(home)},
    )  # fmt: skip
    process.port, process.address = port, f"127.0.0.1:{port}"
    process.wait_line(r"is running at", timeout=PATIENCE_S * 3)
    yield process
    process.stop(signal.SIGTERM, timeout=PATIENCE_S * 2)


def rest(gate, method, path, body=None):
    """A call of Jupyter's REST interface through the gateway."""
    data = ["-d", json.dumps(body)] if body is not None else []
    done = curl(
        "--cacert", gate.ca, "-X", method, "-H", f"Authorization: token {TOKEN}", *data,
        "--fail-with-body", gate.url(path),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout) if done.stdout else None


def execute_request(code):
    return {
        "header": {
            "msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "username": "e2e",
            "session": uuid.uuid4().hex, "version": "5.3",
        },
        "parent_header": {}, "metadata": {}, "channel": "shell", "buffers": [],
        "content": {
            "code": code, "silent": False, "store_history": False, "user_expressions": {},
            "allow_stdin": False, "stop_on_error": True,
        },
    }  # fmt: skip


@pytest.mark.slow
def test_jupyter_runs_a_cell(gateway, jupyter):
    """A kernel started by REST, its channels over wss, a cell run, its output read back."""
    gate = gateway(
        sites={"localhost": {"routes": {"/": {"upstream": "jupyter"}}}},
        upstreams={"jupyter": servers(jupyter)},
    )
    assert "version" in rest(gate, "GET", "/api")
    kernel = rest(gate, "POST", "/api/kernels", {"name": "python3"})["id"]

    async def run_cell():
        path = f"/api/kernels/{kernel}/channels?token={TOKEN}"
        async with connect_websocket(gate, path) as channels:
            message = execute_request("print(sum(range(1000)), 'x' * 100000)")
            await channels.send(json.dumps(message))
            output = ""
            while True:
                answer = json.loads(await channels.recv())
                if answer["parent_header"].get("msg_id") != message["header"]["msg_id"]:
                    continue
                if answer["msg_type"] == "stream":
                    output += answer["content"]["text"]
                if answer["msg_type"] == "execute_reply":
                    assert answer["content"]["status"] == "ok"
                if (
                    answer["msg_type"] == "status"
                    and answer["content"]["execution_state"] == "idle"
                ):
                    return output

    assert run(run_cell(), PATIENCE_S * 4) == "499500 " + "x" * 100_000 + "\n"
    rest(gate, "DELETE", f"/api/kernels/{kernel}")
