# SPDX-License-Identifier: Apache-2.0
"""TLS as clients see it: versions, suites, groups, certificates, resumption, and what happens to
those who do it wrong."""

import json
import os
import shutil
import socket
import ssl
import struct
import subprocess
import time

import pytest

from openssl import Dialogue, refused, s_client
from processes import PATIENCE_S, SANITIZER, wait_until
from wire import TEXT, Wire, close_frame, connect, frame, open_websocket, request

PONG = {"/": {"respond": "pong\n"}}
GET_CLOSE = request(fields=["Connection: close"])


@pytest.fixture
def gate(gateway):
    """A gateway that answers by itself."""
    return gateway(sites={"localhost": {"aliases": ["127.0.0.1"], "routes": PONG}})


@pytest.mark.kernel
@pytest.mark.parametrize("version", ["1_2", "1_3"])
def test_versions(gate, version):
    text = s_client(gate, f"-tls{version}", send=GET_CLOSE)
    assert f"New, TLSv{version.replace('_', '.')}, Cipher is" in text
    assert "Verify return code: 0 (ok)" in text
    assert "HTTP/1.1 200 OK" in text and "\npong\n" in text


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_old_versions_are_refused(gate, version):
    text = refused(gate, version, "-cipher", "ALL:@SECLEVEL=0")
    assert "alert protocol version" in text


def test_min_version_of_a_site(gateway):
    gate = gateway(sites={"localhost": {"routes": PONG}})
    gate.config["sites"]["localhost"]["tls"]["min_version"] = "1.3"
    gate.reload()
    assert "TLSv1.3" in s_client(gate, "-tls1_3")
    assert "alert protocol version" in refused(gate, "-tls1_2")


SUITES_1_2 = {
    "ECDHE-ECDSA-AES128-GCM-SHA256": True,
    "ECDHE-ECDSA-AES256-GCM-SHA384": True,
    "ECDHE-ECDSA-CHACHA20-POLY1305": True,
    "ECDHE-ECDSA-AES128-SHA256": False,
    "ECDHE-ECDSA-AES256-SHA384": False,
    "ECDHE-ECDSA-AES128-SHA": False,
    "ECDHE-ECDSA-AES256-SHA": False,
    "ECDHE-ECDSA-AES128-CCM8": False,
    "ECDHE-ECDSA-CAMELLIA128-SHA256": False,
    "ECDHE-ECDSA-NULL-SHA": False,
}


def test_suites_of_tls_1_2_are_aead_only(gate):
    for suite, wanted in SUITES_1_2.items():
        arguments = ("-tls1_2", "-cipher", f"{suite}:@SECLEVEL=0")
        if wanted:
            assert f"Cipher is {suite}" in s_client(gate, *arguments)
        else:
            assert "handshake failure" in refused(gate, *arguments), suite


@pytest.mark.kernel
@pytest.mark.parametrize(
    "suite",
    ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"],
)
def test_suites_of_tls_1_3(gate, suite):
    text = s_client(gate, "-tls1_3", "-ciphersuites", suite, send=GET_CLOSE)
    assert f"Cipher is {suite}" in text and "pong" in text


@pytest.mark.parametrize(
    ("version", "offered", "taken"),
    [
        ("1_3", "X25519", "X25519"),
        ("1_3", "P-256", "P-256|prime256v1"),
        ("1_3", "P-384", "P-384|secp384r1"),
        ("1_3", "X448:X25519", "X25519"),  # a key share for the first only: HelloRetryRequest
        ("1_3", "P-521:P-384", "P-384|secp384r1"),
        ("1_2", "X25519:P-256", "X25519"),  # the certificate's curve must be among them
        ("1_2", "P-256", "P-256|prime256v1"),
    ],
)
def test_groups(gate, version, offered, taken):
    text = s_client(gate, f"-tls{version}", "-groups", offered, send=GET_CLOSE)
    key = next(line for line in text.splitlines() if "Server Temp Key" in line)
    assert any(name in key for name in taken.split("|")), key
    assert "pong" in text


def test_no_common_group_is_refused(gate):
    assert "handshake failure" in refused(gate, "-tls1_3", "-groups", "X448").lower()


def served_names(gate, sni, **versions):
    """The DNS names in the certificate that a client gets."""
    context = gate.tls_context(check_name=False, **versions)
    with connect(gate.port, context, sni) as wire:
        alternatives = wire.sock.getpeercert()["subjectAltName"]
        return {name for kind, name in alternatives if kind == "DNS"}


def several_sites(authority):
    return {
        host: {"tls": authority.issue(host).config(), "routes": PONG}
        for host in ("first.test", "*.wild.test", "exact.wild.test", "last.test")
    }


def test_certificate_by_server_name(gateway, authority):
    gate = gateway(sites=several_sites(authority))
    expected = {
        "last.test": "last.test",
        "LAST.test": "last.test",
        "a.wild.test": "*.wild.test",
        "exact.wild.test": "exact.wild.test",
        "unknown.test": "first.test",
        "a.b.wild.test": "first.test",
        None: "first.test",
    }
    for sni, name in expected.items():
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            assert served_names(gate, sni, maximum_version=version) == {name}, (sni, version)


def test_unknown_server_name_can_be_refused(gateway, authority):
    gate = gateway(sites=several_sites(authority), tls={"unknown_sni": "reject"})
    assert served_names(gate, "last.test") == {"last.test"}
    for version in ("-tls1_2", "-tls1_3"):
        assert "unrecognized name" in refused(gate, version, sni="unknown.test").lower()


def test_certificates_folder(gateway, authority, tmp_path):
    """Chain and key in one file each, chosen by the names they hold."""
    folder = tmp_path / "certs"
    folder.mkdir()
    for host in ("one.test", "*.two.test"):
        authority.issue(host).combined(folder / f"{host.strip('*.')}.pem")
    gate = gateway(
        certificates=[f"{folder}/"],
        sites={host: {"tls": {}, "routes": PONG} for host in ("one.test", "x.two.test")},
    )
    assert served_names(gate, "one.test") == {"one.test"}
    assert served_names(gate, "x.two.test") == {"*.two.test"}


def test_ecdsa_and_rsa_side_by_side(gateway, certificate, rsa_certificate):
    pair = {
        "certificate": [str(certificate.chain), str(rsa_certificate.chain)],
        "key": [str(certificate.key), str(rsa_certificate.key)],
    }
    gate = gateway(sites={"localhost": {"tls": pair, "routes": PONG}})
    chosen = {
        ("-tls1_3",): "ECDSA",
        ("-tls1_3", "-sigalgs", "RSA-PSS+SHA256:RSA+SHA256"): "RSA",
        ("-tls1_3", "-sigalgs", "ECDSA+SHA256:RSA-PSS+SHA256"): "ECDSA",
        ("-tls1_2",): "ECDSA",
        ("-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"): "RSA",
        ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384"): "ECDSA",
    }
    for arguments, kind in chosen.items():
        text = s_client(gate, *arguments, send=GET_CLOSE)
        peer = next(line for line in text.splitlines() if "Peer signature type" in line)
        assert kind in peer, (arguments, peer)
        assert "pong" in text


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize(
    ("offered", "answer"),
    [
        ("http/1.1", "ALPN protocol: http/1.1"),
        ("h2,http/1.1", "ALPN protocol: http/1.1"),
        ("http/1.0,http/1.1", "ALPN protocol: http/1.1"),
        ("http/1.0", "ALPN protocol: http/1.0"),  # curl --http1.0 offers no other
    ],
)
def test_alpn(gate, version, offered, answer):
    text = s_client(gate, version, "-alpn", offered, send=GET_CLOSE)
    assert answer in text and "pong" in text


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_alpn_without_http_1_1_never_agrees_on_something_else(gate, version):
    text = s_client(gate, version, "-alpn", "h2", check=False)
    assert "ALPN protocol: h2" not in text
    assert "No ALPN negotiated" in text or "no application protocol" in text


# --- resumption ---


def resumed(gate, version, session, count=1):
    """How many of `count` connections with that session were resumed."""
    hits = 0
    for _ in range(count):
        text = s_client(gate, f"-tls{version}", "-sess_in", session, send=GET_CLOSE)
        assert "HTTP/1.1 200" in text
        hits += f"Reused, TLSv{version.replace('_', '.')}" in text
    return hits


@pytest.mark.tsan
@pytest.mark.parametrize("version", ["1_2", "1_3"])
def test_sessions_are_resumed_by_any_worker_and_across_a_reload(gate, tmp_path, version):
    session = tmp_path / "session"
    s_client(gate, f"-tls{version}", "-sess_out", session, send=GET_CLOSE)
    # The kernel spreads connections: with two workers, one alone would fail half of these.
    assert resumed(gate, version, session, 8) == 8
    gate.config["sites"]["localhost"]["routes"]["/new"] = {"respond": "new"}
    gate.reload()
    assert resumed(gate, version, session, 4) == 4


@pytest.mark.parametrize("version", ["1_2", "1_3"])
def test_sessions_are_not_resumed_without_tickets(gateway, tmp_path, version):
    gate = gateway(sites={"localhost": {"routes": PONG}}, tls={"ticket_rotation": 0})
    session = tmp_path / "session"
    s_client(gate, f"-tls{version}", "-sess_out", session, send=GET_CLOSE)
    if session.exists():
        assert resumed(gate, version, session) == 0


def test_session_of_one_site_opens_no_other(gateway, authority, tmp_path):
    """A ticket must not carry a client past the check of the server name (RFC 6066 §3)."""
    gate = gateway(sites=several_sites(authority))
    session = tmp_path / "session"
    send = request(host="first.test", fields=["Connection: close"])
    s_client(gate, "-tls1_3", "-sess_out", session, sni="first.test", send=send)
    text = s_client(gate, "-tls1_3", "-sess_in", session, sni="last.test", send=send, check=False)
    assert "HTTP/1.1 200" not in text


@pytest.mark.kernel
def test_resumption_by_python(gate):
    context = gate.tls_context(maximum_version=ssl.TLSVersion.TLSv1_2)
    with connect(gate.port, context) as wire:
        wire.send(request())
        assert wire.read_response().status == 200
        session = wire.sock.session
    with context.wrap_socket(
        connect(gate.port).sock, server_hostname="localhost", session=session
    ) as again:
        assert again.session_reused


# --- after the handshake ---


@pytest.mark.parametrize("command", [b"k\n", b"K\n"], ids=["own", "both"])
def test_key_update(gateway, plain_echo, command):
    """`k` changes the client's key, `K` asks for the gateway's to change as well."""
    gate = gateway(plain_echo)
    with Dialogue(gate, "-tls1_3") as talk:
        talk.wait_for(b"Verify return code")
        for turn in range(1, 4):
            talk.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            talk.wait_for(b"HTTP/1.1 426", turn)  # what the echo says to plain HTTP
            talk.send(command)
            talk.wait_for(b"KEYUPDATE", turn)


@pytest.mark.kernel
def test_renegotiation_is_refused(gate):
    with Dialogue(gate, "-tls1_2") as talk:
        talk.wait_for(b"Verify return code")
        talk.send(b"R\n")
        talk.wait_for(b"RENEGOTIATING")
        talk.wait_end()
        output = talk.output.lower()
        assert b"no renegotiation" in output or b"handshake failure" in output, output
    assert "pong" in s_client(gate, send=GET_CLOSE), "the gateway itself is well"


@pytest.mark.kernel
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_close_notify_both_ways(gate, version):
    context = gate.tls_context(maximum_version=version)
    with connect(gate.port, context) as wire:
        wire.send(GET_CLOSE)
        assert wire.read_response().status == 200
        assert wire.read_to_end() == b"" and wire.end == "fin", "not cut off"
    with connect(gate.port, context) as wire:
        wire.send(request())
        assert wire.read_response().status == 200
        wire.sock.unwrap()  # sends close_notify and wants one back


TCPI_DATA_SEGS_IN = 152  # where it is in struct tcp_info


def data_segments_in(wire):
    info = wire.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 200)
    return struct.unpack_from("I", info, TCPI_DATA_SEGS_IN)[0]


@pytest.mark.parametrize("tls, wanted", [(False, 2), (True, 3)], ids=["ws", "wss"])
def test_a_short_websocket_takes_few_segments(gateway, plain_echo, client, tls, wanted):
    """The tickets leave with the 101, close_notify with the Close. They may wait for 200 ms only: a
    machine that stood still sends them apart, which does not happen every time."""
    gate = gateway(plain_echo, tls={"kernel": "off"})

    def play():
        wire = client(gate.port, gate.tls_context()) if tls else client(gate.plain_port)
        open_websocket(wire)
        wire.send(close_frame(1000, masked=True))
        assert wire.read_close() == 1000
        assert wire.read_to_end() == b"" and wire.end == "fin"
        return data_segments_in(wire)

    assert min(play() for _ in range(5)) == wanted


def test_the_tickets_come_without_a_request(gate, client):
    wire = client(gate.port, gate.tls_context())
    wait_until(lambda: data_segments_in(wire) == 2, "the tickets")


def test_plain_http_on_the_tls_port(gate, client):
    wire = client(gate.port)
    wire.send(request())
    answer = wire.read_response()
    assert answer.status == 400
    assert wire.read_to_end() == b""
    gate.wait_log(r"(?i)plain|http.*tls")


HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(32)
GARBAGE = {
    "not TLS": b"SSH-2.0-OpenSSH_9.2\r\n",
    "noise": os.urandom(500),
    "zeros": bytes(500),
    "record too long": b"\x16\x03\x01\xff\xff" + bytes(2000),
    "hello that lies about its length": b"\x16\x03\x01\x00\x10\x01\xff\xff\xff" + bytes(500),
    "application data first": b"\x17\x03\x03\x00\x05hello",
    "alert first": b"\x15\x03\x03\x00\x02\x02\x28",
    "SSLv2 hello": b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + bytes(40),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_instead_of_a_handshake(gateway, client, name):
    gate = gateway(sites={"localhost": {"routes": PONG}}, timeouts={"handshake": "1s"})
    wire = client(gate.port)
    wire.send(GARBAGE[name])
    assert len(wire.read_to_end()) < 1000
    assert "pong" in s_client(gate, send=GET_CLOSE)


@pytest.mark.parametrize("start", [b"", HELLO[:3], HELLO], ids=["nothing", "header", "half"])
def test_slow_handshake_ends_at_its_deadline(gateway, client, start):
    gate = gateway(sites={"localhost": {"routes": PONG}}, timeouts={"handshake": "1s"})
    begin = time.monotonic()
    wire = client(gate.port)
    wire.send(start)
    wire.read_to_end()
    assert 0.9 < time.monotonic() - begin < 1 + PATIENCE_S / 2
    gate.wait_log(r"took too long while agreeing on TLS")


def test_handshake_that_trickles_ends_at_its_deadline(gateway, client):
    gate = gateway(sites={"localhost": {"routes": PONG}}, timeouts={"handshake": "1s"})
    wire = client(gate.port)
    begin = time.monotonic()
    with pytest.raises(OSError):
        for byte in HELLO + bytes(2000):
            wire.send(bytes([byte]))
            time.sleep(0.02)  # the attacker's pace
    assert time.monotonic() - begin < 1 + PATIENCE_S / 2


class MemoryTls:
    """A TLS client whose records pass through our hands: `wire` carries the ciphertext."""

    def __init__(self, gate, piece):
        self.wire = Wire(connect(gate.port).sock)
        self.piece = piece
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = gate.tls_context().wrap_bio(
            self.incoming, self.outgoing, server_hostname="localhost"
        )

    def until_done(self, operation, *arguments):
        while True:
            try:
                return operation(*arguments)
            except ssl.SSLWantReadError:
                self.flush()
                assert self.wire.fill(), self.wire.end
                self.incoming.write(self.wire.take(len(self.wire.buffer)))

    def flush(self):
        data = self.outgoing.read()
        for start in range(0, len(data), self.piece):
            self.wire.send(data[start : start + self.piece])


@pytest.mark.kernel
@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
def test_handshake_and_request_in_pieces(gate, piece):
    """However TCP cuts the records; with one large piece the client's Finished and its first
    request arrive together."""
    talk = MemoryTls(gate, piece)
    talk.until_done(talk.tls.do_handshake)
    talk.tls.write(request())
    talk.tls.write(GET_CLOSE)
    talk.flush()
    answer = b""
    while answer.count(b"pong\n") < 2:
        answer += talk.until_done(talk.tls.read, 65536)
    assert answer.count(b"HTTP/1.1 200 ") == 2
    talk.wire.close()


@pytest.mark.kernel
def test_broken_record_ends_the_connection(gateway, plain_echo):
    gate = gateway(plain_echo)
    talk = MemoryTls(gate, 1 << 20)
    talk.until_done(talk.tls.do_handshake)
    talk.tls.write(request())
    data = bytearray(talk.outgoing.read())
    data[-1] ^= 1
    talk.wire.send(bytes(data))
    with pytest.raises((ssl.SSLError, AssertionError)) as failure:
        talk.until_done(talk.tls.read, 65536)
    text = str(failure.value).lower()
    assert "bad record mac" in text or "fin" in text or "reset" in text or "eof" in text
    talk.wire.close()
    assert "HTTP/1.1 426" in s_client(gate, send=GET_CLOSE)


@pytest.mark.kernel
def test_websocket_over_tls_1_2(gateway, plain_echo, client):
    gate = gateway(plain_echo)
    wire = client(gate.port, gate.tls_context(maximum_version=ssl.TLSVersion.TLSv1_2))
    open_websocket(wire)
    payload = os.urandom(100_000)
    wire.send(frame(TEXT, b"one", masked=True) + frame(2, payload, masked=True))
    assert wire.read_frame()[1] == b"one"
    assert wire.read_frame()[1] == payload


@pytest.mark.slow
def test_testssl_finds_nothing_weak(gate, tmp_path):
    if not shutil.which("testssl"):
        pytest.skip("testssl is not installed (Debian package testssl.sh)")
    report = tmp_path / "report.json"
    # Protocols and suites over sockets of its own, and attacks on implementations.
    checks = ["-p", "-s", "-R", "-H", "-I", "-C", "-BB"]
    subprocess.run(
        ["testssl", "--quiet", "--warnings", "off", "--fast", "--sneaky", "--ip", "one", *checks,
         "--jsonfile", report, f"127.0.0.1:{gate.port}"],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE_S * 9, check=False,
    )  # fmt: skip
    findings = {entry["id"]: entry for entry in json.loads(report.read_text())}
    assert findings["TLS1_2"]["finding"] == "offered"
    assert findings["TLS1_3"]["severity"] == "OK"
    assert {"heartbleed", "CCS", "secure_client_renego", "cipherlist_AVERAGE"} <= set(findings)
    weak = [e for e in findings.values() if e["severity"] not in ("OK", "INFO", "WARN")]
    assert weak == []


def test_handshakes_that_break_off_leave_nothing_behind(gate):
    context = gate.tls_context()
    for _ in range(50):
        connect(gate.port, context).close()
    files, before_kb = gate.process.open_files(), gate.process.memory_kb()
    for _ in range(200):
        wire = connect(gate.port)
        wire.send(HELLO)
        wire.reset()
        connect(gate.port, context).close()
    assert "pong" in s_client(gate, send=GET_CLOSE)
    wait_until(lambda: gate.process.open_files() <= files + 2, "the descriptors given back")
    if not SANITIZER:
        assert gate.process.memory_kb() - before_kb < 3 * 1024
