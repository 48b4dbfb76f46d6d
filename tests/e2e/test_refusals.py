# SPDX-License-Identifier: Apache-2.0
"""What is refused: with the right status, the connection closed, a log line that says why, and not
one byte at a backend. Most of these are ways to make two HTTP parsers disagree (request
smuggling), so the answer is the same over http and https, first on a connection or behind a good
request."""

import time

import pytest

from processes import PATIENCE_S, wait_until
from wire import (
    KEY,
    accept_of,
    answering,
    frame,
    ok,
    open_websocket,
    request,
    upgrade_request,
)


def post(*fields, body=b""):
    return request("POST", "/", fields=fields, body=body)


def raw_head(*lines):
    return b"".join(line + b"\r\n" for line in lines) + b"\r\n"


HOST = b"Host: localhost"

# name: (request, status, the reason as a pattern)
BAD = {
    "length and chunked": (
        post("Content-Length: 5", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
        400, r"(?i)content-length.*transfer-encoding|transfer-encoding.*content-length",
    ),
    "chunked and length": (
        post("Transfer-Encoding: chunked", "Content-Length: 5", body=b"0\r\n\r\n"),
        400, r"(?i)content-length.*transfer-encoding|transfer-encoding.*content-length",
    ),
    "two lengths": (
        post("Content-Length: 5", "Content-Length: 6", body=b"hello"), 400, r"(?i)content-length",
    ),
    "two lengths in one field": (
        post("Content-Length: 5, 6", body=b"hello"), 400, r"(?i)content-length",
    ),
    "negative length": (post("Content-Length: -1"), 400, r"(?i)content-length"),
    "signed length": (post("Content-Length: +5", body=b"hello"), 400, r"(?i)content-length"),
    "hex length": (post("Content-Length: 0x5", body=b"hello"), 400, r"(?i)content-length"),
    "empty length": (post("Content-Length:"), 400, r"(?i)content-length"),
    "huge length": (post("Content-Length: 99999999999999999999999"), 400, r"(?i)content-length"),
    "gzip coding": (
        post("Transfer-Encoding: gzip", body=b"x"), (400, 501), r"(?i)transfer-encoding|coding",
    ),
    "chunked not last": (
        post("Transfer-Encoding: chunked, gzip", body=b"0\r\n\r\n"),
        (400, 501), r"(?i)transfer-encoding|coding",
    ),
    "gzip before chunked": (
        post("Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"),
        (400, 501), r"(?i)transfer-encoding|coding",
    ),
    "chunked twice": (
        post("Transfer-Encoding: chunked", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
        (400, 501), r"(?i)transfer-encoding|coding",
    ),
    "coding that looks like chunked": (
        post("Transfer-Encoding: xchunked", body=b"0\r\n\r\n"),
        (400, 501), r"(?i)transfer-encoding|coding",
    ),
    "coding with a vertical tab": (
        post("Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n"), (400, 501), r".",
    ),
    "chunked in HTTP/1.0": (
        b"POST / HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400, r"(?i)transfer-encoding|coding",
    ),
    "bare LF in the head": (
        b"GET / HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n", 400, r"(?i)LF|CR|line",
    ),
    "bare LF at its end": (b"GET / HTTP/1.1\r\nHost: localhost\r\n\n", 400, r"(?i)LF|CR|line"),
    "only LFs": (b"GET / HTTP/1.1\nHost: localhost\n\n", 400, r"(?i)LF|CR|line"),
    "bare CR in a value": (
        raw_head(b"GET / HTTP/1.1", HOST, b"X: a\rb"), 400, r"(?i)CR|LF|control|character",
    ),
    "bare CR as line end": (
        b"GET / HTTP/1.1\rHost: localhost\r\r", 400, r"(?i)CR|LF|version|request line|character",
    ),
    "NUL in a value": (
        raw_head(b"GET / HTTP/1.1", HOST, b"X: a\0b"), 400, r"(?i)NUL|control|character",
    ),
    "NUL in a name": (
        raw_head(b"GET / HTTP/1.1", HOST, b"X\0: b"), 400, r"(?i)NUL|control|character|token|name",
    ),
    "NUL in the target": (
        raw_head(b"GET /\0 HTTP/1.1", HOST), 400, r"(?i)NUL|control|character|target|url",
    ),
    "folded line": (
        raw_head(b"GET / HTTP/1.1", HOST, b"X: a", b" folded"), 400, r"(?i)fold|continu|space",
    ),
    "line folded with a tab": (
        raw_head(b"GET / HTTP/1.1", HOST, b"X: a", b"\tfolded"), 400, r"(?i)fold|continu|space|tab",
    ),
    "first line folded": (
        raw_head(b"GET / HTTP/1.1", b" X: a", HOST), 400, r"(?i)fold|continu|space",
    ),
    "space before the colon": (
        raw_head(b"GET / HTTP/1.1", HOST, b"X : a"), 400, r"(?i)space|name|colon|token|character",
    ),
    "space before the colon of a length": (
        post("Content-Length : 5", body=b"hello"),
        400, r"(?i)space|name|colon|token|character",
    ),
    "field without a colon": (
        raw_head(b"GET / HTTP/1.1", HOST, b"nonsense"), 400, r"(?i)colon|name|token|character",
    ),
    "field without a name": (
        raw_head(b"GET / HTTP/1.1", HOST, b": a"), 400, r"(?i)name|token|colon|character",
    ),
    "no Host": (raw_head(b"GET / HTTP/1.1"), 400, r"(?i)host"),
    "two Hosts": (raw_head(b"GET / HTTP/1.1", HOST, HOST), 400, r"(?i)host"),
    "two different Hosts": (
        raw_head(b"GET / HTTP/1.1", HOST, b"Host: other.test"), 400, r"(?i)host",
    ),
    "Host with a space": (raw_head(b"GET / HTTP/1.1", b"Host: a b"), 400, r"(?i)host"),
    "Host with a path": (raw_head(b"GET / HTTP/1.1", b"Host: a/b"), 400, r"(?i)host"),
    "Host with a user": (raw_head(b"GET / HTTP/1.1", b"Host: u@localhost"), 400, r"(?i)host"),
    "Host with a bad port": (raw_head(b"GET / HTTP/1.1", b"Host: localhost:x"), 400, r"(?i)host"),
    "Host with a high port": (
        raw_head(b"GET / HTTP/1.1", b"Host: localhost:65536"), 400, r"(?i)host",
    ),
    "Host list": (raw_head(b"GET / HTTP/1.1", b"Host: a.test, b.test"), 400, r"(?i)host"),
    "empty Host": (raw_head(b"GET / HTTP/1.1", b"Host:"), 400, r"(?i)host"),
    "HTTP/0.9": (b"GET /\r\n\r\n", (400, 505), r"(?i)version|0\.9|request line|HTTP"),
    "HTTP/2.0": (raw_head(b"GET / HTTP/2.0", HOST), (400, 505), r"(?i)version|HTTP"),
    "HTTP/1.2": (raw_head(b"GET / HTTP/1.2", HOST), (400, 505), r"(?i)version|HTTP"),
    "version with a space": (raw_head(b"GET / HTTP/1. 1", HOST), (400, 505), r"(?i)version|HTTP"),
    "HTTP/2 preface": (
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400, 505), r"(?i)version|HTTP|preface|method",
    ),
    "bad method": (raw_head(b"G@T / HTTP/1.1", HOST), (400, 501), r"(?i)method"),
    "no target": (raw_head(b"GET  HTTP/1.1", HOST), (400, 505), r"."),
    "target without a slash": (raw_head(b"GET x HTTP/1.1", HOST), 400, r"(?i)target|url|path"),
    "raw TLS on a plain line": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, r"."),
}  # fmt: skip


@pytest.fixture
def silent(backend):
    """A backend that answers good requests; what it received decides."""
    return backend(answering(ok()))


@pytest.fixture(params=[False, True], ids=["http", "https"])
def dial(request, client):
    def connect(gate):
        if request.param:
            return client(gate.port, gate.tls_context())
        return client(gate.plain_port)

    connect.tls = request.param
    return connect


def either(status):
    return status if isinstance(status, tuple) else (status,)


def assert_refused(gate, wire, mark, status, reason=None):
    """`mark`: where in the log the reason is looked for."""
    answer = wire.read_response()
    assert answer.status in either(status), answer.head
    assert answer.get("Connection").lower() == "close"
    assert wire.read_to_end() == b""
    assert wire.end in ("fin", "reset")
    if reason:
        gate.wait_log(reason, mark)


@pytest.mark.parametrize("name", BAD)
def test_bad_request(gateway, silent, client, name):
    bad, status, reason = BAD[name]
    gate = gateway(silent)
    mark = gate.process.mark()
    wire = client(gate.plain_port)
    wire.send(bad)
    assert_refused(gate, wire, mark, status, reason)
    assert silent.received == b"", "not one byte may reach a backend"


def test_bad_requests_over_tls(gateway, silent, client):
    gate = gateway(silent)
    context = gate.tls_context()
    for name, (bad, status, _) in BAD.items():
        with client(gate.port, context) as wire:
            wire.send(bad)
            assert_refused(gate, wire, 0, status)
        assert silent.received == b"", name


def test_bad_requests_behind_a_good_one(gateway, silent, client):
    """In the same write: the good one is answered, the bad one is refused and goes nowhere."""
    gate = gateway(silent)
    for name, (bad, status, _) in BAD.items():
        before = len(silent.received)
        with client(gate.plain_port) as wire:
            wire.send(request("GET", "/good") + bad)
            assert wire.read_response().status == 200, name
            assert_refused(gate, wire, 0, status)
        arrived = silent.received[before:]
        assert arrived.startswith(b"GET /good ") and arrived.count(b"\r\n\r\n") == 1, name


def test_bad_requests_byte_by_byte(gateway, silent, client):
    """Where the bytes are cut must not matter."""
    gate = gateway(silent)
    for name, (bad, status, _) in BAD.items():
        with client(gate.plain_port) as wire:
            try:
                for byte in bad:
                    wire.send(bytes([byte]))
            except (BrokenPipeError, ConnectionResetError):
                pass  # refused before its end
            first = wire.read_to_end()
            # Bytes sent after the refusal may have caused a reset that lost the answer.
            if first or wire.end != "reset":
                code = int(first.split(b" ")[1])
                assert code in either(status), name
        assert silent.received == b"", name


def test_bytes_behind_a_refused_request_are_no_request(gateway, silent, client):
    """The classic: the second request must not be taken for one."""
    gate = gateway(silent)
    wire = client(gate.plain_port)
    wire.send(
        post("Content-Length: 6", "Transfer-Encoding: chunked", body=b"0\r\n\r\n")
        + request("GET", "/smuggled")
    )
    assert wire.read_response().status == 400
    assert wire.read_to_end() == b""
    assert silent.received == b""


BAD_CHUNKS = {
    "size is no number": b"zz\r\n",
    "size with a sign": b"-5\r\nhello\r\n0\r\n\r\n",
    "size with 0x": b"0x5\r\nhello\r\n0\r\n\r\n",
    "size too large": b"fffffffffffffffff\r\nhello\r\n",
    "size without CR": b"5\nhello\r\n0\r\n\r\n",
    "data longer than its size": b"3\r\nhello\r\n0\r\n\r\n",
    "extension with a bare LF": b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    "no CRLF behind the data": b"5\r\nhello0\r\n\r\n",
    "bare LF behind the data": b"5\r\nhello\n0\r\n\r\n",
}


@pytest.mark.parametrize("name", BAD_CHUNKS)
def test_bad_chunk(gateway, backend, client, name):
    """The head was good, so it may have reached the backend; an end of the body must not."""
    ended = []

    def script(wire):
        ended.append(wire.read_to_end())

    gate = gateway(backend(script))
    wire = client(gate.plain_port)
    wire.send(
        post("Transfer-Encoding: chunked", body=BAD_CHUNKS[name]) + request("GET", "/smuggled")
    )
    assert wire.read_response().status == 400
    assert wire.read_to_end() == b""
    gate.wait_log(r"(?i)chunk|body")
    gate.stop()  # so the backend, if it was dialled at all, has everything
    for arrived in ended:
        assert b"0\r\n\r\n" not in arrived and b"smuggled" not in arrived


def test_body_over_the_limit_with_a_length(gateway, silent, dial):
    gate = gateway(silent, site_keys={"max_body": "1000"})
    wire = dial(gate)
    wire.send(post("Content-Length: 1000", body=b"x" * 1000))
    wire.read_response()
    before = len(silent.received)
    mark = gate.process.mark()
    wire.send(post("Content-Length: 1001", "Expect: 100-continue"))
    assert_refused(gate, wire, mark, 413, r"(?i)max_body|body")
    assert len(silent.received) == before


@pytest.mark.slow
def test_refused_upload_may_be_sent_to_its_end(gateway, silent, dial):
    """Many clients look for an answer only then: it must not be lost to a reset."""
    gate = gateway(silent, site_keys={"max_body": "1000"})
    wire = dial(gate)
    size = 64 * 1024
    wire.send(post(f"Content-Length: {35 * size}"))
    for _ in range(35):
        time.sleep(0.1)  # the client's own pace
        wire.send(b"x" * size)
    assert wire.read_response().status == 413


def test_body_over_the_limit_in_chunks(gateway, backend, dial):
    """The length shows only on the way: the backend never gets to see an end."""
    ended = []

    def script(wire):
        ended.append(wire.read_to_end())

    gate = gateway(backend(script), site_keys={"max_body": "1000"})
    wire = dial(gate)
    mark = gate.process.mark()
    wire.send(post("Transfer-Encoding: chunked", body=b"1f4\r\n" + b"x" * 500 + b"\r\n"))
    wire.send(b"1f5\r\n" + b"x" * 501 + b"\r\n0\r\n\r\n")
    assert_refused(gate, wire, mark, 413, r"(?i)max_body|body")
    arrived = wait_until(lambda: ended, "the backend's end")[0]
    assert not arrived.endswith(b"0\r\n\r\n") and arrived.count(b"x") <= 1001


def test_head_over_the_limit(gateway, silent, dial):
    gate = gateway(silent, max_head="4K")
    wire = dial(gate)
    wire.send(request(fields=["X-Fill: " + "x" * 3000]))
    assert wire.read_response().status == 200
    before = len(silent.received)
    mark = gate.process.mark()
    wire.send(request(fields=["X-Fill: " + "x" * 4100]))
    assert_refused(gate, wire, mark, 431, r"(?i)head|4096|4K")
    assert len(silent.received) == before


def test_head_over_the_default_limit(gateway, silent, client):
    """32 KB; one endless line, and endless short ones."""
    gate = gateway(silent)
    for filler in (b"X: " + b"x" * 40_000, b"\r\n".join(b"X-%d: y" % n for n in range(5000))):
        wire = client(gate.plain_port)
        mark = gate.process.mark()
        wire.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n" + filler)
        assert_refused(gate, wire, mark, 431, r"(?i)head")
    wire = client(gate.plain_port)
    mark = gate.process.mark()
    wire.send(b"GET /" + b"x" * 40_000)
    assert_refused(gate, wire, mark, (414, 431), r"(?i)head|target|uri")
    assert silent.received == b""


@pytest.mark.parametrize(
    "start", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: loc"], ids=["nothing", "line", "field"]
)
def test_slow_head_times_out(gateway, silent, dial, start):
    gate = gateway(silent, timeouts={"head": "1s"})
    begin = time.monotonic()
    wire = dial(gate)
    wire.send(start)
    rest = wire.read_to_end()
    assert 0.9 < time.monotonic() - begin < 1 + PATIENCE_S / 2
    if start:
        assert rest.startswith(b"HTTP/1.1 408 ") and b"close" in rest.lower()
        gate.wait_log(r"(?i)head|time")
    else:
        assert rest == b"" or rest.startswith(b"HTTP/1.1 408 ")
    assert silent.received == b""


def test_head_that_trickles_times_out(gateway, silent, client):
    """The deadline is for the whole head, not for each byte."""
    gate = gateway(silent, timeouts={"head": "1s"})
    wire = client(gate.plain_port)
    begin = time.monotonic()
    with pytest.raises(OSError):
        while time.monotonic() - begin < PATIENCE_S:
            wire.send(b"X")
            time.sleep(0.05)  # the attacker's pace
    assert time.monotonic() - begin < 1 + PATIENCE_S / 2
    assert silent.received == b""


def test_sni_and_host_of_different_sites(gateways, authority, backend, client):
    server = backend(answering(ok()))
    gate = gateways(
        sites={
            "one.test": {
                "aliases": ["also-one.test"],
                "tls": authority.issue("one.test", "also-one.test").config(),
                "routes": {"/": {"upstream": "app"}},
            },
            "two.test": {
                "tls": authority.issue("two.test").config(),
                "routes": {"/": {"upstream": "app"}},
            },
        },
        upstreams={"app": {"servers": [server.address]}},
    ).start()
    wire = client(gate.port, gate.tls_context(), sni="one.test")
    wire.send(request(host="one.test"))
    assert wire.read_response().status == 200
    wire.send(request(host=f"ONE.test:{gate.port}"))
    assert wire.read_response().status == 200, "names have no case; the port is no part of them"
    wire.send(request(host="also-one.test"))
    assert wire.read_response().status == 200, "the same site by another name"
    before = len(server.received)
    mark = gate.process.mark()
    wire.send(request(host="two.test"))
    assert_refused(gate, wire, mark, 421, r"(?i)SNI|host")
    assert len(server.received) == before


# --- the opening handshake (RFC 6455 §4) ---


def test_websocket_version(gateway, silent, dial):
    gate = gateway(silent)
    for version in ("12", "14", "0", "x", None):
        wire = dial(gate)
        wire.send(upgrade_request(version=version))
        answer = wire.read_response()
        assert answer.status == 426 or (version is None and answer.status == 400)
        if answer.status == 426:
            assert answer.get("Sec-WebSocket-Version") == "13"
            assert answer.get("Upgrade") == "websocket", "RFC 9110 §15.5.22 demands it"
    assert silent.received == b""


@pytest.mark.parametrize(
    "key",
    ["", "short", "dGhlIHNhbXBsZSBub25jZQ", "!!hlIHNhbXBsZSBub25jZQ==", KEY + "AAAA", None],
    ids=["empty", "short", "unpadded", "no base64", "too long", "missing"],
)
def test_websocket_key(gateway, silent, dial, key):
    gate = gateway(silent)
    wire = dial(gate)
    mark = gate.process.mark()
    wire.send(upgrade_request(key=key))
    assert_refused(gate, wire, mark, 400, r"(?i)key")
    assert silent.received == b""


def test_websocket_two_keys(gateway, silent, dial):
    gate = gateway(silent)
    wire = dial(gate)
    mark = gate.process.mark()
    wire.send(upgrade_request(fields=[f"Sec-WebSocket-Key: {KEY}"]))
    assert_refused(gate, wire, mark, 400, r"(?i)key")
    assert silent.received == b""


def test_websocket_method(gateway, silent, dial):
    gate = gateway(silent)
    wire = dial(gate)
    wire.send(upgrade_request().replace(b"GET", b"POST", 1))
    assert wire.read_response().status in (400, 405)
    assert silent.received == b""


@pytest.mark.parametrize("connection", ["keep-alive, Upgrade", "UPGRADE", "x,upgrade ,y"])
def test_upgrade_may_stand_in_any_list(gateway, plain_echo, client, connection):
    gate = gateway(plain_echo)
    wire = client(gate.plain_port)
    head = upgrade_request().decode()
    wire.send(head.replace("Connection: Upgrade", f"Connection: {connection}").encode())
    assert wire.read_response().status == 101


def bad_accept(value):
    def script(wire):
        wire.read_head()
        wire.send(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + value
            + b"\r\n"
        )
        wire.read_to_end()

    return script


GOOD_ACCEPT = b"Sec-WebSocket-Accept: " + accept_of(KEY).encode() + b"\r\n"
BAD_ACCEPTS = {
    "wrong": b"Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n",
    "missing": b"",
    "twice": GOOD_ACCEPT + b"Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n",
}


@pytest.mark.parametrize("accept", BAD_ACCEPTS.values(), ids=BAD_ACCEPTS)
def test_wrong_accept_of_the_backend(gateway, backend, dial, accept):
    gate = gateway(backend(bad_accept(accept)))
    wire = dial(gate)
    wire.send(upgrade_request())
    assert wire.read_response().status == 502
    gate.wait_log(r"(?i)accept|upgrade|101")


def test_101_without_upgrade_fields(gateway, backend, dial):
    def script(wire):
        wire.read_head()
        wire.send(b"HTTP/1.1 101 Switching Protocols\r\n" + GOOD_ACCEPT + b"\r\n")
        wire.read_to_end()

    gate = gateway(backend(script))
    wire = dial(gate)
    wire.send(upgrade_request())
    assert wire.read_response().status == 502


def test_other_answers_to_an_upgrade_are_passed_on(gateway, backend, dial):
    """A redirect, a refusal, or an ordinary page: HTTP goes on."""
    answers = [
        b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 5\r\n\r\nlogin",
        ok(b"no websocket here"),
    ]
    gate = gateway(backend(answering(*answers)))
    wire = dial(gate)
    wire.send(upgrade_request())
    refusal = wire.read_response()
    assert (refusal.status, refusal.body) == (401, b"login")
    assert refusal.get("WWW-Authenticate") == "Basic"
    wire.send(upgrade_request())
    assert wire.read_response().body == b"no websocket here"


def test_upgrade_to_something_else_is_not_passed_on(gateway, silent, client):
    """h2c would open a second way past every check."""
    gate = gateway(silent)
    wire = client(gate.plain_port)
    wire.send(
        request(
            fields=[
                "Connection: Upgrade, HTTP2-Settings",
                "Upgrade: h2c",
                "HTTP2-Settings: AAMA",
            ]
        )
    )
    assert wire.read_response().status == 200
    seen = silent.received.lower()
    assert b"h2c" not in seen and b"http2-settings" not in seen


def test_frames_before_a_refused_upgrade_are_no_request(gateway, backend, client):
    """Bytes sent ahead of an upgrade that then fails must not be read as HTTP."""
    server = backend(answering(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", ok()))
    gate = gateway(server)
    wire = client(gate.plain_port)
    wire.send(upgrade_request() + frame(1, b"GET /smuggled HTTP/1.1\r\n\r\n", masked=True))
    assert wire.read_response().status == 403
    wire.read_to_end()
    assert b"smuggled" not in server.received


def test_the_good_upgrade(gateway, plain_echo, dial):
    """The counterpart of all above: the same bytes, with nothing wrong."""
    wire = dial(gateway(plain_echo))
    open_websocket(wire)
    wire.send(frame(1, b"fine", masked=True))
    assert wire.read_frame()[1] == b"fine"
