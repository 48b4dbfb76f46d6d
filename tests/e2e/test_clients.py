# SPDX-License-Identifier: Apache-2.0
"""Clients that we did not write, against the gateway as they come."""

import json
import subprocess

import pytest

from browser import Page, start_chromium
from openssl import s_client
from peers import connect_websocket, curl, run, run_node
from processes import PATIENCE_S
from wire import KEY, accept_of, request, upgrade_request


@pytest.mark.tsan
@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_node_ws(gateway, echo, scheme):
    """With permessage-deflate, as it offers it by itself; every echo compared."""
    gate = gateway(echo)
    sizes = [0, 1, 125, 126, 65535, 65536, 1_000_000]
    result = run_node("ws", gate.url("/", scheme), *sizes, NODE_EXTRA_CA_CERTS=gate.ca)
    assert result["echoed"] == 2 * len(sizes)
    assert "permessage-deflate" in result["extensions"]
    assert (result["code"], result["reason"]) == (4000, "enough")


@pytest.mark.tsan
def test_python_websockets(gateway, echo):
    gate = gateway(echo)

    async def talk():
        async with connect_websocket(gate) as connection:
            await connection.send("hello")
            assert await connection.recv() == "hello"
            await (await connection.ping())

    run(talk())


def test_curl_with_a_websocket_upgrade(gateway, echo):
    """curl 7.88 speaks no WebSocket, but can ask for one and sees the 101."""
    gate = gateway(echo)
    done = subprocess.run(
        ["curl", "-q", "-sS", "--noproxy", "*", "--http1.1", "--cacert", str(gate.ca), "-i",
         "-N", "--max-time", "1", "-H", "Connection: Upgrade", "-H", "Upgrade: websocket",
         "-H", "Sec-WebSocket-Version: 13", "-H", f"Sec-WebSocket-Key: {KEY}", gate.url("/")],
        capture_output=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.stdout.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert accept_of(KEY).encode() in done.stdout


def test_curl_keeps_its_connection(gateway, pages):
    gate = gateway(pages)
    url = gate.url("/hello")
    done = curl("--cacert", gate.ca, "-w", "%{num_connects},", url, url, url)
    assert done.stdout == b"hello\n1,hello\n0,hello\n0,"


def test_curl_offers_http_2_and_gets_1_1(gateway, pages):
    gate = gateway(pages)
    done = curl("--http2", "--cacert", gate.ca, "-w", "%{http_version}", gate.url("/hello"))
    assert done.stdout == b"hello\n1.1"


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_s_client_speaks_http_and_upgrades(gateway, pages, plain_echo, version):
    gate = gateway(pages)
    text = s_client(gate, version, send=request("GET", "/hello", fields=["Connection: close"]))
    assert "HTTP/1.1 200 OK" in text and "\nhello\n" in text
    gate = gateway(plain_echo)
    # An empty Close frame behind the upgrade ends it; -ign_eof waits for the gateway's end.
    text = s_client(gate, version, send=upgrade_request() + b"\x88\x80mask")
    assert "HTTP/1.1 101 Switching Protocols" in text


@pytest.mark.slow
def test_chromium_talks_to_a_backend_of_ones_own(gateway, pages, echo, tmp_path):
    """Page, fetch, server-sent events and a compressed WebSocket in one browser."""
    gate = gateway(
        sites={
            "localhost": {"routes": {"/": {"upstream": "pages"}, "/echo": {"upstream": "echo"}}}
        },
        upstreams={"pages": {"servers": [pages.address]}, "echo": {"servers": [echo.address]}},
    )
    process, address = start_chromium(tmp_path / "profile")

    async def talk():
        async with Page(address) as page:
            await page.open(gate.url("/hello"))
            await page.until("document.body.innerText.includes('hello')")
            fetched = await page.evaluate(
                "fetch('/upload', {method: 'POST', body: 'x'.repeat(300000)}).then(r => r.text())"
            )
            assert json.loads(fetched)["size"] == 300_000
            echoed = await page.evaluate(
                """new Promise((done, fail) => {
                    const socket = new WebSocket(`wss://${location.host}/echo`);
                    const text = 'compress me '.repeat(20000);
                    socket.onopen = () => socket.send(text);
                    socket.onerror = () => fail(new Error('error'));
                    socket.onmessage = (e) => {
                        done(socket.extensions + ' ' + (e.data === text));
                        socket.close();
                    };
                })"""
            )
            assert echoed.startswith("permessage-deflate") and echoed.endswith(" true")
            event = await page.evaluate(
                """new Promise((done) => {
                    const source = new EventSource('/events');
                    source.onmessage = (e) => { done(e.data); source.close(); };
                })"""
            )
            assert event == "0"

    try:
        run(talk())
    finally:
        process.stop()
