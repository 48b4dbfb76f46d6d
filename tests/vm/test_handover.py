# SPDX-License-Identifier: Apache-2.0
"""The kernel gets the keys after the handshake, in whatever way the client ends it; where it does
not, the connection is served all the same."""

import os
import signal
import ssl

import pytest

from conftest import needs_kernel_tls, run, sysctl, tls_statistics
from gateway import run_ringway
from openssl import Dialogue, s_client
from processes import free_port
from wire import (
    BINARY, connect, field_of, frame, ok, open_websocket, request, switch_protocols, upgrade_request,
    websocket,
)  # fmt: skip

pytestmark = needs_kernel_tls

PONG = {"sites": {"localhost": {"aliases": ["127.0.0.1"], "routes": {"/": {"respond": "pong\n"}}}}}
RX = pytest.mark.parametrize("rx", ["on", "off"], ids=["rx", "tx only"])


def kernel(rx="on", tx="on"):
    return {"tls": {"kernel": tx, "kernel_rx": rx}}


def assert_echo(wire, *payloads):
    for payload in payloads:
        wire.send(frame(BINARY, payload, masked=True))
        assert wire.read_frame() == (128 | BINARY, payload)


SUITES = [
    ("1.2", "ECDHE-ECDSA-AES128-GCM-SHA256"),
    ("1.2", "ECDHE-ECDSA-AES256-GCM-SHA384"),
    ("1.2", "ECDHE-ECDSA-CHACHA20-POLY1305"),
    ("1.3", "TLS_AES_128_GCM_SHA256"),
    ("1.3", "TLS_AES_256_GCM_SHA384"),
    ("1.3", "TLS_CHACHA20_POLY1305_SHA256"),
]

# Which way the bytes go. To the client they come from a plain leg and can always be spliced, from it
# only where the kernel decrypts.
WAYS = {
    "splice": ({"tls": {"kernel": "on", "kernel_rx": "on"}}, 2),
    "splice down": ({"tls": {"kernel": "on", "kernel_rx": "off"}}, 1),
    "copy": ({"tls": {"kernel": "on", "kernel_rx": "on"}, "splice_min": "off"}, 0),
}


def mirror(wire):
    """A backend that sends back what it gets, a body or a frame."""
    while wire.buffer or wire.fill():
        head = switch_protocols(wire) if b"Upgrade" in wire.buffer else wire.read_head()
        length = field_of(head, "Content-Length")
        if length is not None:
            wire.send(ok(wire.read_exactly(int(length))))
            continue
        while wire.buffer or wire.fill():
            first, payload = wire.read_frame()
            wire.send(frame(first & 15, payload))


@pytest.mark.once
@pytest.mark.parametrize("way", WAYS)
def test_every_suite(gateway, backend, tmp_path, way):
    config, spliced = WAYS[way]
    gate = gateway(backend(mirror), **config)
    statistics = tls_statistics()
    (tmp_path / "sent").write_bytes(os.urandom(300_000))
    for version, suite in SUITES:
        talk_with_suite(gate, tmp_path, version, suite)
    counted, counters, connections = statistics(), gate.status(), 2 * len(SUITES)
    received = connections * (config["tls"]["kernel_rx"] == "on")
    assert (counted["TlsTxSw"], counted["TlsRxSw"]) == (connections, received)
    assert counted["TlsDecryptError"] == 0
    assert (counters["ktls_tx"], counters["ktls_rx"]) == (connections, received)
    assert counters["ktls_refused"] == 0
    assert counters["splices"] == connections * spliced


def talk_with_suite(gate, tmp_path, version, suite):
    """A small message, then one large enough to be spliced, through `openssl s_client`; a large body
    there and back, by curl."""
    large = (tmp_path / "sent").read_bytes()
    option = "-cipher" if version == "1.2" else "-ciphersuites"
    with Dialogue(gate, "-quiet", f"-tls{version}".replace(".", "_"), option, suite) as talk:
        talk.send(upgrade_request())
        talk.wait_for(b"101 Switching")
        talk.send(frame(BINARY, b"small", masked=True))
        talk.wait_for(frame(BINARY, b"small"))
        talk.send(frame(BINARY, large, masked=True))
        talk.wait_for(frame(BINARY, large))
    done = run(
        "curl", "--silent", "--show-error", "--cacert", gate.ca, "--tlsv" + version, "--tls-max",
        version, "--ciphers" if version == "1.2" else "--tls13-ciphers", suite, "--data-binary",
        f"@{tmp_path / 'sent'}", "--output", tmp_path / "got", gate.url(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "got").read_bytes() == large


@pytest.mark.once
@RX
def test_rsa_certificate_and_resumption(gateway, rsa_certificate, rx):
    gate = gateway(**PONG, **kernel(rx))
    statistics = tls_statistics()
    gate.config["sites"]["localhost"]["tls"] = rsa_certificate.config()
    gate.reload()
    connections = 0
    for version in ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3:
        context = gate.tls_context(minimum_version=version, maximum_version=version)
        session = None
        for _ in range(3):
            sock = context.wrap_socket(
                connect(gate.port).sock, server_hostname="localhost", session=session
            )
            assert sock.session_reused == (session is not None)
            sock.sendall(request(fields=["Connection: close"]))
            answer = b"".join(iter(lambda: sock.recv(65536), b""))
            assert answer.endswith(b"pong\n")
            session = sock.session
            connections += 1
            sock.close()
    assert statistics()["TlsTxSw"] == gate.status()["ktls_tx"] == connections
    assert statistics()["TlsDecryptError"] == 0


@RX
@pytest.mark.parametrize("cut", ["whole", "split records", "half a record"])
def test_data_right_behind_finished(gateway, plain_echo, records, rx, cut):
    """The request, and even a frame, come in one segment with the client's Finished."""
    gate = gateway(plain_echo, **kernel(rx))
    statistics = tls_statistics()
    early = frame(BINARY, b"early", masked=True)
    rest = b""

    def last_flight(sock):
        nonlocal rest
        sealed = sock.records(upgrade_request() + early, 40 if cut == "split records" else 16384)
        if cut == "half a record":
            sealed, rest = sealed[:100], sealed[100:]
        return sealed

    wire = records(gate, last_flight=last_flight)
    wire.sock.sock.sendall(rest)
    assert wire.read_response().status == 101
    assert wire.read_frame() == (128 | BINARY, b"early")
    assert_echo(wire, b"late")
    assert statistics()["TlsTxSw"] == 1 and statistics()["TlsDecryptError"] == 0
    assert gate.status()["ktls_refused"] == 0


def test_client_that_has_sent_fin_is_served_in_user_space(gateway, records):
    """The kernel takes no socket whose peer has sent FIN (ENOTCONN)."""
    gate = gateway(**PONG, **kernel())
    statistics = tls_statistics()
    stop = lambda: gate.process.send_signal(signal.SIGSTOP)  # noqa: E731
    wire = records(
        gate,
        before_last_flight=stop,
        last_flight=lambda sock: sock.records(request()),
        finish=True,
    )
    gate.process.send_signal(signal.SIGCONT)
    assert wire.read_response().body == b"pong\n"
    assert statistics()["TlsTxSw"] == 0
    counters = gate.status()
    assert counters["ktls_tx"] == 0 and counters["ktls_refused"] == 1


def test_without_the_module_all_is_served_in_user_space(gateway, plain_echo, client):
    assert run("modprobe", "-r", "tls").returncode == 0
    loader = sysctl("kernel.modprobe", "/bin/false")
    try:
        assert "modprobe tls" in run_ringway("version").stdout
        gate = gateway(plain_echo, **kernel())
        assert "warn: kernel TLS: not with this kernel" in gate.log
        wire = client(gate.port, gate.tls_context())
        open_websocket(wire)
        assert_echo(wire, b"hello", os.urandom(200_000))
        assert gate.status()["ktls_refused"] == 1
        gate.stop()
    finally:
        sysctl("kernel.modprobe", loader)
        assert run("modprobe", "tls").returncode == 0


@pytest.mark.once
def test_suite_that_the_kernel_lacks(gateway, plain_echo, client):
    """It is said which it takes; a connection with another is served in user space, and counted."""
    assert run("modprobe", "-r", "chacha20poly1305").returncode == 0
    loader = sysctl("kernel.modprobe", "/bin/false")
    try:
        gate = gateway(plain_echo, **kernel())
        takes = "send AES-128-GCM, AES-256-GCM (on), receive AES-128-GCM, AES-256-GCM (on)"
        assert takes in gate.log
        context = gate.tls_context(maximum_version=ssl.TLSVersion.TLSv1_2)
        for ciphers, refused in ("ECDHE+CHACHA20", 1), ("ECDHE+AESGCM", 1):
            context.set_ciphers(ciphers)
            wire = client(gate.port, context)
            open_websocket(wire)
            assert_echo(wire, b"hello", os.urandom(200_000))
            assert gate.status()["ktls_refused"] == refused
        assert gate.status()["ktls_tx"] == gate.status()["ktls_rx"] == 1
        gate.stop()
    finally:
        sysctl("kernel.modprobe", loader)
        assert run("modprobe", "chacha20poly1305").returncode == 0


@pytest.mark.once
def test_off_means_off(gateway, plain_echo, client):
    gate = gateway(plain_echo, **kernel(tx="off"))
    statistics = tls_statistics()
    wire = client(gate.port, gate.tls_context())
    open_websocket(wire)
    assert_echo(wire, b"hello")
    assert statistics()["TlsTxSw"] == 0 and gate.status()["ktls_refused"] == 0
    assert "kernel TLS: off" in gate.log


def test_auto_takes_what_it_can(gateway, plain_echo, client):
    gate = gateway(plain_echo)
    statistics = tls_statistics()
    wire = client(gate.port, gate.tls_context())
    open_websocket(wire)
    assert_echo(wire, b"hello")
    assert statistics()["TlsTxSw"] == 1 == gate.status()["ktls_tx"]
    assert statistics()["TlsRxSw"] == 0 == gate.status()["ktls_refused"], "not wanted, not refused"
    assert "kernel TLS: send AES-128-GCM" in gate.log


@pytest.mark.once
@RX
def test_metrics_and_status_page_show_it(gateway, plain_echo, client, rx):
    admin = free_port()
    gate = gateway(plain_echo, admin={"listen": f"127.0.0.1:{admin}"}, **kernel(rx))
    wire = client(gate.port, gate.tls_context())
    open_websocket(wire)
    assert_echo(wire, b"hello")

    def read(target):
        with connect(admin) as looking:
            looking.send(request("GET", target))
            return looking.read_response().body.decode()

    metrics, page, received = read("/metrics"), read("/status"), int(rx == "on")
    assert 'ringway_kernel_tls{direction="send"} 1\n' in metrics
    assert f'ringway_kernel_tls{{direction="receive"}} {received}\n' in metrics
    assert "ringway_ktls_tx_total 1\n" in metrics
    assert f"ringway_ktls_rx_total {received}\n" in metrics
    assert page.count("to the kernel") == 1 + received and "AES-128-GCM" in page


@pytest.mark.once
def test_reload_changes_new_connections_only(gateway, plain_echo, client):
    gate = gateway(plain_echo, **kernel())
    statistics = tls_statistics()
    old = client(gate.port, gate.tls_context())
    open_websocket(old)
    gate.config["tls"]["kernel"] = "off"
    gate.reload()
    new = client(gate.port, gate.tls_context())
    open_websocket(new)
    assert_echo(old, b"in the kernel")
    assert_echo(new, b"in user space")
    assert statistics()["TlsTxSw"] == 1


@pytest.mark.once
def test_many_connections_at_once(gateway, backend, client):
    """Each is handed over, and none takes another's keys."""

    def script(wire):
        while wire.buffer or wire.fill():
            first, payload = wire.read_frame()
            wire.send(frame(first & 15, payload))

    gate = gateway(backend(websocket(script)), **kernel())
    statistics = tls_statistics()
    wires = [client(gate.port, gate.tls_context()) for _ in range(30)]
    for wire in wires:
        open_websocket(wire)
    for turn in range(3):
        for wire in wires:
            wire.send(frame(BINARY, os.urandom(10) * 500, masked=True))
        for wire in wires:
            assert len(wire.read_frame()[1]) == 5000
    for wire in wires:
        wire.reset()
    assert statistics()["TlsTxSw"] == statistics()["TlsRxSw"] == 30
    assert statistics()["TlsDecryptError"] == 0


@pytest.mark.once
def test_s_client_and_http(gateway):
    gate = gateway(**PONG, **kernel())
    statistics = tls_statistics()
    assert "pong" in s_client(gate, send=request(fields=["Connection: close"]))
    assert statistics()["TlsTxSw"] == 1
