# SPDX-License-Identifier: Apache-2.0
"""An ACME server that goes wrong in the middle: between the gateway and Pebble stands a meddler. Each
time the trouble is said in words, the next attempt waits, the gateway stays small, and a WebSocket
that talks all the while loses nothing."""

import asyncio
import json
import os
import subprocess
import time
from pathlib import Path

import pytest
import websockets

from acme_gateway import HOST, acme_gateway, is_real, listed, renew, site
from acme_server import answer
from gateway import servers
from meddler import Meddler, new_key
from pebble import Pebble
from peers import run
from processes import PATIENCE_S, SANITIZER

GROWTH_KB = 8 * 1024


@pytest.fixture(scope="module")
def server(authority, tmp_path_factory):
    """One Pebble for all: each gateway makes an account of its own."""
    made = Pebble(tmp_path_factory.mktemp("pebble"), authority)
    yield made
    made.stop()


@pytest.fixture
def meddler(authority, server):
    made = Meddler(authority, server)
    yield made
    made.close()


async def endure(gate, doing):
    """Echoes over wss until `doing` is done."""
    port = gate.config["listen"][0]["address"].rpartition(":")[2]
    async with websockets.connect(f"wss://localhost:{port}/", ssl=gate.tls_context()) as connection:
        task, number = asyncio.create_task(doing), 0
        while not task.done():
            number += 1
            await connection.send(str(number))
            assert await asyncio.wait_for(connection.recv(), PATIENCE_S) == str(number)
            await asyncio.sleep(0.01)
        await task


def start(gateway, meddler, state, echo, certificate):
    """One site is the meddler's to spoil, the other echoes with a certificate from a file."""
    return acme_gateway(
        gateway, meddler, state,
        {HOST: site("http-01"), "localhost": {
            "tls": certificate.config(), "routes": {"/": {"upstream": "echo"}}}},
        upstreams={"echo": servers(echo)},
    )  # fmt: skip


def endless(wire, body):
    wire.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        wire.write(b"10000\r\n" + b" " * 65536 + b"\r\n")


def closing(wire, body):
    wire.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + body[:20])


def changed(**changes):
    """The JSON that Pebble sends with other members (None: without)."""

    def write(wire, body):
        told = {**json.loads(body), **changes}
        told = {name: value for name, value in told.items() if value is not None}
        wire.write(answer(json.dumps(told).encode(), "201 Created", "Location: /my-order/x"))

    return write


CASES = {
    "no nonce": ("/nonce-plz", answer(), "gives no nonce"),
    "nonces are no text": ("/nonce-plz", answer(b"", "200 OK", "Replay-Nonce: a b\xff"), "gives no nonce"),
    "endless directory": ("/dir", endless, "it is too large"),
    "an account without a name": ("/sign-me-up", answer(b"{}", "201 Created"), "does not name the account"),
    "an account that is no URL": (
        "/sign-me-up", answer(b"{}", "201 Created", "Location: \xe4"), "does not name the account"),
    "an order without a place": ("/order-plz", answer(b"{}", "201 Created"), "does not say where the order is"),
    "an order of nothing": ("/order-plz", changed(authorizations=None, status="ready", finalize=None),
                            "names no place to finalize it"),
    "an order that is closed": ("/order-plz", closing, "cut short"),
    "an authorization of numbers": ("/order-plz", changed(authorizations=[1, 2]), "without a URL"),
    "an authorization elsewhere": (
        "/order-plz", changed(authorizations=["http://127.0.0.1:1/"]), "which is no https URL"),
    "an authorization in HTML": ("/authZ/", answer(b"<html>"), "an authorization for nothing"),
    "an authorization that is an array": ("/authZ/", answer(b"[1, 2]"), "an authorization for nothing"),
    "a token with a path": (
        "/authZ/", changed(challenges=[{"type": "http-01", "url": "https://localhost/", "token": "../x"}]),
        "a token that is none"),
    "nothing offered": ("/authZ/", changed(challenges=[]), "does not offer http-01"),
    "busy": ("/chalZ/", answer(b"", "503 Busy", "Retry-After: 7200"), "status 503"),
    "invalid for no reason": ("/my-order/", changed(status="invalid"), 'the order is "invalid"'),
    "a status nobody knows": ("/my-order/", changed(status="what\n" * 50), "the order is"),
    "no word on finalizing": ("/finalize-order/", b"", "Connection reset"),
    "finalizing moved": ("/finalize-order/", answer(b"", "301 Moved", "Location: /finalize-order/"),
                         "status 301"),
    "a certificate in HTML": ("/certZ/", answer(b"<html>-----BEGIN"), "something else than a chain"),
    "a certificate that is empty": ("/certZ/", answer(b""), "something else than a chain"),
    "a certificate that is huge": ("/certZ/", answer(b"A" * 300_000), "too large"),
}  # fmt: skip


def forget(state, shelf):
    for path in (state / shelf).iterdir():
        path.unlink()


async def fails(gate, meddler, place, act, expected):
    """One attempt, which goes wrong as expected."""
    meddler.asked.clear()
    meddler.meddle = {place: act}
    done = await asyncio.to_thread(renew, gate, HOST, verb="issue")
    assert done.returncode == 1 and expected in done.stderr, done.stderr
    assert not is_real(meddler.server.tls_port)
    assert len([path for path in meddler.asked if path.startswith(place)]) <= 3, "no storm"


async def recovers(gate, meddler):
    meddler.meddle = {}
    done = await asyncio.to_thread(renew, gate, HOST, verb="issue")
    assert done.returncode == 0, done.stderr
    assert is_real(meddler.server.tls_port)


def test_wrong_answers_are_said_and_harmless(gateway, meddler, state, plain_echo, certificate):
    meddler.meddle = {"/dir": answer(b"none yet")}
    gate = start(gateway, meddler, state, plain_echo, certificate)
    gate.wait_log("is no directory of an ACME server.*Next attempt")
    before = gate.process.memory_kb()

    async def all_of_them():
        for place, act, expected in CASES.values():
            forget(state, "orders")
            if place == "/sign-me-up":
                forget(state, "accounts")
            await fails(gate, meddler, place, act, expected)
        assert listed(gate)[HOST]["failures"] == 1 + len(CASES)
        await recovers(gate, meddler)

    run(endure(gate, all_of_them()), PATIENCE_S * 10)
    if not SANITIZER:
        assert gate.process.memory_kb() - before < GROWTH_KB


def test_wrong_certificates_are_refused(gateway, meddler, state, plain_echo, certificate):
    """Before they take the place of one that works."""
    key, pem = new_key()
    sign = meddler.sign
    cases = {
        lambda: sign("x.example.com"): "is not made out to a.example.com",
        lambda: sign(HOST, key=key): "key",
        lambda: sign(HOST, key=key) + pem: "something else than a chain",
        lambda: sign(HOST, count=100): "something else than a chain of up to 9 certificates",
        lambda: sign(HOST, after_days=-2, until_days=-1):
            "has expired already; is the clock of this machine right?",
        lambda: sign(HOST, after_days=1): "is not good yet; is the clock of this machine right?",
    }  # fmt: skip
    meddler.meddle = {"/dir": answer(b"none yet")}
    gate = start(gateway, meddler, state, plain_echo, certificate)
    gate.wait_log("is no directory of an ACME server.*Next attempt")

    async def all_of_them():
        for make, expected in cases.items():
            await fails(gate, meddler, "/certZ/", lambda wire, _: wire.write(answer(make())), expected)
        assert "/order-plz" not in meddler.asked, "one that is not in its time is asked for again"
        await recovers(gate, meddler)

    run(endure(gate, all_of_them()), PATIENCE_S * 10)


@pytest.fixture
def other_clock(tmp_path):
    """The environment of a gateway with another clock, see other_clock.c."""
    if SANITIZER:
        pytest.skip("the sanitizer wants to be the first library")
    shim, source = tmp_path / "other_clock.so", Path(__file__).parent / "other_clock.c"
    command = ["gcc", "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", shim, source, "-ldl"]
    subprocess.run(command, check=True)
    return lambda **settings: {**os.environ, "LD_PRELOAD": str(shim), **settings}


@pytest.mark.parametrize("days", [-10, 25, 3650])
def test_a_wrong_clock_is_said(gateways, meddler, state, other_clock, days):
    """The server's certificate shows it, or that of its root; nothing is asked for."""
    gate = gateways(
        listen=meddler.listen(None), acme=meddler.acme(state), sites={HOST: site()}
    ).start(env=other_clock(CLOCK_SHIFT_S=str(days * 86400)))  # fmt: skip
    gate.wait_log("no certificate: .*is the clock of this machine right")
    assert not meddler.asked


def test_a_server_that_drips(gateways, meddler, state, plain_echo, certificate, other_clock):
    """A byte now and then is no answer after a minute, which here is three seconds."""
    environment, dripped = other_clock(CLOCK_SPEED="20"), []

    def drip(wire, body):
        wire.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            wire.write(b" ")
            wire.flush()
            dripped.append(time.monotonic())
            time.sleep(0.1)

    meddler.meddle = {"/dir": drip}
    gate = start(
        lambda **keys: gateways(**keys).start(env=environment), meddler, state, plain_echo, certificate
    )

    async def wait():
        said = await asyncio.to_thread(gate.wait_log, "no certificate: .*Next attempt")
        assert "waiting for an answer from localhost: Connection timed out" in said.string

    run(endure(gate, wait()), PATIENCE_S * 2)
    assert 2 < dripped[-1] - dripped[0] < 10
    meddler.meddle = {}
    assert renew(gate, HOST, verb="issue").returncode == 0
