# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 exchanges: methods, statuses, connections kept and reused, backends that misbehave."""

import contextlib
import json
import socket
import threading
import time

import pytest

from gateway import servers
from peers import curl
from processes import PATIENCE_S, SANITIZER, wait_still, wait_until
from wire import answering, ok, request


@pytest.fixture(params=[False, True], ids=["http", "https"])
def dial(request, client):
    def connect(gate, **options):
        if request.param:
            return client(gate.port, gate.tls_context(), **options)
        return client(gate.plain_port, **options)

    return connect


@pytest.mark.tsan
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_curl(gateway, pages, scheme):
    gate = gateway(pages)
    done = curl("--cacert", gate.ca, "--include", gate.url("/hello", scheme))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(b"HTTP/1.1 200 OK\r\n")
    assert done.stdout.endswith(b"\r\n\r\nhello\n")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_methods_reach_the_backend(gateway, pages, client, method):
    gate = gateway(pages)
    wire = client(gate.plain_port)
    wire.send(request(method, "/seen?a=1&b=%20%2F", fields=["Content-Length: 0"]))
    seen = json.loads(wire.read_response().body)
    assert (seen["method"], seen["url"]) == (method, "/seen?a=1&b=%20%2F")


def test_answers_without_a_body_keep_the_connection(gateway, pages, dial):
    """HEAD, 204 and 304 end at their head, whatever length they tell (RFC 9112 §6.3)."""
    gate = gateway(pages)
    wire = dial(gate)
    wire.send(request("HEAD", "/hello"))
    head = wire.read_response("HEAD")
    assert (head.status, head.get("Content-Length")) == (200, "6")
    wire.send(request("GET", "/nothing"))
    nothing = wire.read_response()
    assert nothing.status == 204
    assert nothing.get("Content-Length") is None and nothing.get("Transfer-Encoding") is None
    wire.send(request("GET", "/unchanged"))
    unchanged = wire.read_response()
    assert (unchanged.status, unchanged.get("ETag")) == (304, '"1"')
    wire.send(request("GET", "/hello"))
    assert wire.read_response().body == b"hello\n"
    assert wire.buffer == b""


def test_early_hints_are_passed_on(gateway, pages, dial):
    gate = gateway(pages)
    wire = dial(gate)
    wire.send(request("GET", "/hints"))
    answer = wire.read_response()
    assert answer.body == b"after hints\n"
    [(status, fields)] = answer.informational
    assert status == 103
    assert ("link", "</style.css>; rel=preload") in [(n.lower(), v) for n, v in fields]


def test_informational_answers_are_kept_from_http_1_0(gateway, pages, client):
    """RFC 9110 §15.2: no 1xx to a client of HTTP/1.0."""
    gate = gateway(pages)
    wire = client(gate.plain_port)
    wire.send(b"GET /hints HTTP/1.0\r\nHost: localhost\r\n\r\n")
    answer = wire.read_response()
    assert answer.informational == []
    assert answer.body == b"after hints\n"


def test_pipelined_requests_are_answered_in_order(gateway, backend, dial):
    """The first answers are slow to come: later ones must wait for them."""
    gates = [threading.Event() for _ in range(10)]

    def script(wire):
        while wire.buffer or wire.fill():
            number = int(wire.read_head().split(b" ")[1][1:])
            assert gates[number].wait(PATIENCE_S)
            wire.send(ok(b"answer %d" % number))

    gate = gateway(backend(script))
    wire = dial(gate)
    wire.send(b"".join(request("GET", f"/{number}") for number in range(10)))
    for number in reversed(range(10)):
        gates[number].set()
    assert [wire.read_response().body for _ in range(10)] == [b"answer %d" % n for n in range(10)]


@pytest.mark.slow
@pytest.mark.parametrize("action", ["respond", "upstream"])
def test_who_pipelines_and_does_not_read_is_made_to_wait(gateways, backend, dial, action):
    """Answers nobody reads cost no memory: the next request is read when there is room for its
    answer. Then all are answered."""
    count, text = 5000, "x" * 4000
    to_backend = backend(answering(ok(text.encode())))
    route = {"respond": text} if action == "respond" else {"upstream": "app"}
    gate = gateways(
        workers=1,
        sites={"localhost": {"routes": {"/": route}}},
        upstreams={"app": servers(to_backend)},
    ).start()
    wire = dial(gate, receive_buffer=64 * 1024, keep_all=False)
    before_kb = gate.process.memory_kb()
    wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 256 * 1024)  # holds them all
    wire.send(request() * count)
    wait_still(gate.process.cpu_s, "the gateway waits for its client")
    if not SANITIZER:
        assert gate.process.memory_kb() - before_kb < 2048
    for _ in range(count):
        assert len(wire.read_response().body) == len(text)


@pytest.mark.slow
def test_hints_that_nobody_reads_stop_the_backend(gateway, backend, dial):
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: <" + b"x" * 4000 + b">\r\n\r\n"
    count = 5000

    def script(wire):
        wire.read_head()
        wire.sock.settimeout(PATIENCE_S * 4)
        wire.send(hint * count + ok(b"at last"))

    gate = gateway(backend(script), workers=1)
    wire = dial(gate, receive_buffer=64 * 1024, keep_all=False)
    before_kb = gate.process.memory_kb()
    wire.send(request())
    wait_still(gate.process.cpu_s, "the gateway waits for its client")
    if not SANITIZER:
        assert gate.process.memory_kb() - before_kb < 2048
    for _ in range(count):
        assert b" 103 " in wire.read_head()
    answer = wire.read_response()
    assert (answer.status, answer.body) == (200, b"at last")


def test_pipelined_requests_with_bodies(gateway, pages, dial):
    gate = gateway(pages)
    wire = dial(gate)
    wire.send(
        request("POST", "/upload", fields=["Content-Length: 5"], body=b"first")
        + request("POST", "/upload", fields=["Transfer-Encoding: chunked"],
                  body=b"6\r\nsecond\r\n0\r\n\r\n")
        + request("GET", "/hello")
    )  # fmt: skip
    assert [json.loads(wire.read_response().body)["size"] for _ in range(2)] == [5, 6]
    assert wire.read_response().body == b"hello\n"


def test_client_that_half_closes_after_its_request_is_answered(gateway, backend, client):
    go = threading.Event()

    def script(wire):
        wire.read_head()
        assert go.wait(PATIENCE_S)
        wire.send(ok(b"late answer"))

    server = backend(script)
    gate = gateway(server)
    wire = client(gate.plain_port)
    wire.send(request())
    wire.finish_sending()
    server.wait_wire()
    go.set()
    assert wire.read_response().body == b"late answer"


def test_connections_to_the_backend_are_reused(gateway, backend, client):
    server = backend(answering(ok()))
    gate = gateway(server, workers=1)
    for _ in range(3):
        with client(gate.plain_port) as wire:
            for _ in range(5):
                wire.send(request())
                assert wire.read_response().status == 200
    assert len(server.wires) == 1


def test_keep_alive_zero_uses_a_connection_once(gateway, backend, client):
    server = backend(answering(ok()))
    gate = gateway(server, upstream_keys={"keep_alive": 0})
    wire = client(gate.plain_port)
    for _ in range(3):
        wire.send(request())
        assert wire.read_response().status == 200
    assert len(server.wires) == 3


def test_idle_backend_connections_are_closed_at_their_time(gateway, backend, client):
    server = backend(answering(ok()))
    gate = gateway(server, upstream_keys={"timeouts": {"keep_alive": "1s"}})
    wire = client(gate.plain_port)
    wire.send(request())
    assert wire.read_response().status == 200
    wait_until(lambda: server.wires[0].end == "fin", "the idle connection's end")


def test_answer_with_connection_close_is_not_reused(gateway, backend, client):
    server = backend(answering(ok(b"ok", b"Connection: close")))
    gate = gateway(server)
    wire = client(gate.plain_port)
    for _ in range(3):
        wire.send(request())
        answer = wire.read_response()
        assert answer.body == b"ok"
        assert answer.get("Connection") != "close", "the client's connection is another matter"
    assert len(server.wires) == 3


def script_closing_when_reused(wire):
    """Answers once; the next request meets a connection that closes without a word."""
    wire.read_head()
    wire.send(ok())
    wire.read_head()


def test_request_that_meets_a_closing_connection_is_sent_again(gateway, backend, client):
    server = backend(script_closing_when_reused)
    gate = gateway(server, workers=1)
    wire = client(gate.plain_port)
    for turn in range(6):
        wire.send(request("GET", f"/{turn}"))
        assert wire.read_response().status == 200, f"request {turn}"
    heads = server.received.count(b"GET /5 ")
    assert heads == 2, "the second try came on a connection of its own"


def test_request_that_is_not_idempotent_is_not_sent_again(gateway, backend, client):
    """RFC 9110 §9.2.2: the first try may have done its work."""
    server = backend(script_closing_when_reused)
    gate = gateway(server, workers=1)
    wire = client(gate.plain_port)
    wire.send(request("GET", "/"))
    assert wire.read_response().status == 200
    wire.send(request("POST", "/order", fields=["Content-Length: 0"]))
    assert wire.read_response().status == 502
    assert server.received.count(b"POST /order") == 1


def test_connection_close_of_the_client(gateway, pages, dial):
    gate = gateway(pages)
    wire = dial(gate)
    wire.send(request("GET", "/hello", fields=["Connection: close"]))
    answer = wire.read_response()
    assert answer.get("Connection").lower() == "close"
    assert wire.read_to_end() == b"" and wire.end == "fin"


def test_http_1_0_client(gateway, pages, dial):
    gate = gateway(pages)
    wire = dial(gate)
    wire.send(b"GET /hello HTTP/1.0\r\nHost: localhost\r\n\r\n")
    assert wire.read_response().body == b"hello\n"
    assert wire.read_to_end() == b""


def test_http_1_0_client_gets_no_chunks(gateway, pages, client):
    """The end of the connection ends a body whose length nobody knows."""
    gate = gateway(pages)
    wire = client(gate.plain_port)
    wire.send(b"GET /trailers HTTP/1.0\r\nHost: localhost\r\n\r\n")
    answer = wire.read_response()
    assert answer.get("Transfer-Encoding") is None
    assert answer.body == b"body with trailers\n"
    assert wire.end == "fin"


@pytest.mark.parametrize("taken", [True, False])
def test_upload_that_stalls_is_the_fault_of_who_stalls(gateway, backend, client, taken):
    """Browsers send a request that got 408 again; a backend's fault must not be one."""
    asked = threading.Event()

    def script(wire):
        wire.read_head()
        if taken:
            wire.read_to_end()
        else:
            asked.wait(PATIENCE_S)

    gate = gateway(backend(script, keep_all=False), timeouts={"idle": "1s"})
    wire = client(gate.plain_port)
    size = 1000 if taken else 64 * 1024 * 1024
    wire.send(request("POST", "/", fields=[f"Content-Length: {size + 1}"]))
    with contextlib.suppress(OSError):  # the rest of what nobody takes
        wire.send(b"x" * size)
    assert wire.read_response().status == (408 if taken else 504)
    asked.set()


def test_idle_client_is_closed_at_its_time(gateway, pages, dial):
    gate = gateway(pages, timeouts={"keep_alive": "1s"})
    wire = dial(gate)
    begin = time.monotonic()
    wire.send(request("GET", "/hello"))
    assert wire.read_response().status == 200
    assert wire.read_to_end() == b"" and wire.end == "fin"
    assert 0.9 < time.monotonic() - begin < 1 + PATIENCE_S / 2


BROKEN = {
    "silence": b"",
    "garbage": b"220 smtp.example ESMTP\r\n",
    "no status": b"HTTP/1.1 \r\n\r\n",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
    "bare LF inside": b"HTTP/1.1 200 OK\r\nX: a\nY: b\r\nContent-Length: 2\r\n\r\nok",
    "NUL": b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\nok",
    "endless head": b"HTTP/1.1 200 OK\r\n" + b"X-Fill: " + b"x" * 200_000 + b"\r\n\r\n",
    "101 nobody asked for": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n"
    b"Connection: Upgrade\r\n\r\n",
}


@pytest.mark.parametrize("bytes_sent", BROKEN.values(), ids=BROKEN)
def test_broken_answer_is_a_502(gateway, backend, client, bytes_sent):
    def script(wire):
        wire.read_head()
        with contextlib.suppress(OSError):  # the gateway may have turned away already
            wire.send(bytes_sent)
            wire.finish_sending()
            wire.read_to_end()

    gate = gateway(backend(script))
    wire = client(gate.plain_port)
    wire.send(request())
    assert wire.read_response().status == 502
    gate.wait_log(r"backend|upstream|response")


def test_silent_backend_is_a_504(gateway, backend, client):
    def script(wire):
        wire.read_head()
        wire.read_to_end()

    gate = gateway(backend(script), upstream_keys={"timeouts": {"response": "1s"}})
    wire = client(gate.plain_port)
    begin = time.monotonic()
    wire.send(request())
    assert wire.read_response().status == 504
    assert 0.9 < time.monotonic() - begin < 1 + PATIENCE_S / 2


BREAKS = {
    "length": (b"Content-Length: 100\r\n\r\nonly this", b""),
    "between chunks": (b"Transfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n", b""),
    "inside a chunk": (b"Transfer-Encoding: chunked\r\n\r\n64\r\nonly this", b""),
    "bad chunk size": (b"Transfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n", b"zz\r\n"),
}


@pytest.mark.parametrize(("good", "bad"), BREAKS.values(), ids=BREAKS)
def test_body_that_breaks_off_is_seen_as_broken(gateway, backend, dial, good, bad):
    """A client must never take half a body for a whole one."""
    good_seen = threading.Event()

    def script(wire):
        wire.read_head()
        wire.send(b"HTTP/1.1 200 OK\r\n" + good)
        assert good_seen.wait(PATIENCE_S)
        wire.send(bad)

    gate = gateway(backend(script))
    wire = dial(gate)
    wire.send(request())
    wire.read_until(b"only this")
    good_seen.set()
    assert wire.read_to_end() in (b"", b"\r\n"), "no last chunk, no message from the gateway"


def test_body_until_close_is_framed_for_the_client(gateway, backend, dial):
    """Such a backend closes; the client of HTTP/1.1 may go on."""

    def script(wire):
        wire.read_head()
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil ")
        wire.send(b"close")

    gate = gateway(backend(script))
    wire = dial(gate)
    wire.send(request())
    assert wire.read_response().body == b"until close"


def test_client_that_leaves_ends_the_exchange_at_the_backend(gateway, backend, dial):
    ended = []

    def script(wire):
        wire.read_head()
        ended.append(wire.read_to_end())

    server = backend(script)
    gate = gateway(server)
    wire = dial(gate)
    wire.send(request())
    wait_until(lambda: b"\r\n\r\n" in server.received, "the request at the backend")
    wire.reset()
    wait_until(lambda: ended, "the backend's end")
