# SPDX-License-Identifier: Apache-2.0
"""Certificates for addresses (RFC 8738), against Pebble: asked for as `ip`, shown by either
challenge, and good for clients that come to the address and name no server."""

import ssl
import subprocess

import pytest
import websockets

from acme_gateway import HOST, acme_gateway, listed, served, site
from gateway import servers
from peers import run
from processes import PATIENCE_S

ADDRESS = "127.0.0.1"


def command(*arguments):
    return subprocess.run(
        list(map(str, arguments)), input="", capture_output=True, text=True, timeout=PATIENCE_S
    )


@pytest.mark.parametrize("challenge", ["http-01", "tls-alpn-01"])
def test_an_address_gets_a_certificate(gateway, pebble, state, plain_echo, tmp_path, challenge):
    server = pebble()
    routes = {"/": {"respond": "hello"}, "/echo": {"upstream": "echo"}}
    gate = acme_gateway(
        gateway, server, state, {ADDRESS: site(challenge, routes=routes)},
        upstreams={"echo": servers(plain_echo)},
    )  # fmt: skip
    gate.wait_log(f"acme: {ADDRESS}: new certificate")
    gate.wait_log("certificates have been renewed")
    assert listed(gate)[ADDRESS]["names"] == [ADDRESS]
    root, place = server.root_file(tmp_path / "root.pem"), f"{ADDRESS}:{server.tls_port}"
    for address, verdict in (ADDRESS, "0 (ok)"), ("127.0.0.2", "64 (IP address mismatch)"):
        shown = command(
            "openssl", "s_client", "-connect", place, "-noservername", "-CAfile", root,
            "-verify_ip", address,
        )  # fmt: skip
        assert f"Verify return code: {verdict}" in shown.stdout, shown.stdout + shown.stderr
    page = command("curl", "--silent", "--show-error", "--cacert", root, f"https://{place}/")
    assert page.stdout == "hello", page.stderr

    async def echo():
        context = ssl.create_default_context(cafile=root)
        async with websockets.connect(f"wss://{place}/echo", ssl=context) as connection:
            await connection.send("to an address")
            return await connection.recv()

    assert run(echo()) == "to an address"


def test_an_address_beside_a_name(gateway, pebble, state):
    """One certificate for both, an address as an alias."""
    server = pebble()
    gate = acme_gateway(gateway, server, state, {HOST: site(aliases=[ADDRESS])})
    gate.wait_log("new certificate")
    gate.wait_log("certificates have been renewed")
    assert served(server.tls_port)["names"] == [ADDRESS, HOST]
