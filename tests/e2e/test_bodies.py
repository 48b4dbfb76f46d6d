# SPDX-License-Identifier: Apache-2.0
"""Bodies stream both ways, whole and unchanged, without being held in the gateway."""

import hashlib
import json
import os
import threading

import pytest

from peers import curl
from processes import PATIENCE_S, SANITIZER, wait_until
from wire import ok, request

MB = 1024 * 1024
BIG = os.urandom(20 * MB)
DIGEST = hashlib.sha256(BIG).hexdigest()


@pytest.fixture(params=[False, True], ids=["http", "https"])
def dial(request, client):
    def connect(gate, **options):
        if request.param:
            return client(gate.port, gate.tls_context(), **options)
        return client(gate.plain_port, **options)

    return connect


@pytest.mark.slow
@pytest.mark.tsan
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_20_megabytes_up(gateway, pages, tmp_path, scheme, framing):
    gate = gateway(pages)
    file = tmp_path / "upload"
    file.write_bytes(BIG)
    fields = ["-H", "Transfer-Encoding: chunked"] if framing == "chunked" else []
    before_kb = gate.process.memory_kb()
    done = curl("--cacert", gate.ca, "-T", file, *fields, gate.url("/upload", scheme))
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["size"], answer["sha256"]) == (len(BIG), DIGEST)
    assert answer.get("coding" if framing == "chunked" else "length"), "the framing is kept"
    if not SANITIZER:
        assert gate.process.memory_kb() - before_kb < 6 * 1024


@pytest.mark.slow
@pytest.mark.tsan
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("version", ["--http1.1", "--http1.0"])
def test_20_megabytes_down(gateway, pages, scheme, framing, version):
    gate = gateway(pages)
    path = f"/download?{20 * MB}" + (",chunked" if framing == "chunked" else "")
    before_kb = gate.process.memory_kb()
    done = curl("--cacert", gate.ca, version, gate.url(path, scheme))
    assert done.returncode == 0, done.stderr
    direct = curl(f"http://{pages.address}{path}")
    assert len(done.stdout) == 20 * MB
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(direct.stdout).digest()
    if not SANITIZER:
        assert gate.process.memory_kb() - before_kb < 6 * 1024


def test_chunked_request_with_extensions_and_trailers(gateway, pages, dial):
    gate = gateway(pages)
    wire = dial(gate)
    wire.send(
        request("POST", "/upload", fields=["Transfer-Encoding: chunked", "Trailer: X-Sum"],
                body=b'5;a=b\r\nhello\r\n6;q="v"\r\n world\r\n0\r\nX-Sum: 11\r\n\r\n')
    )  # fmt: skip
    answer = json.loads(wire.read_response().body)
    assert answer["size"] == 11
    assert answer["sha256"] == hashlib.sha256(b"hello world").hexdigest()
    assert answer["trailers"] in ({"x-sum": "11"}, {}), "kept, or dropped (RFC 9110 §6.5.1)"


def test_chunked_request_in_single_bytes(gateway, pages, dial):
    gate = gateway(pages)
    wire = dial(gate)
    body = b"3\r\none\r\n1\r\n,\r\n3\r\ntwo\r\n0\r\n\r\n"
    for byte in request("POST", "/upload", fields=["Transfer-Encoding: chunked"], body=body):
        wire.send(bytes([byte]))
    assert json.loads(wire.read_response().body)["size"] == 7


def test_trailers_of_an_answer(gateway, pages, dial):
    gate = gateway(pages)
    wire = dial(gate)
    wire.send(request("GET", "/trailers", fields=["TE: trailers"]))
    answer = wire.read_response()
    assert answer.body == b"body with trailers\n"
    assert answer.trailers == [("X-Checksum", "abc123")]


def test_expect_100_continue(gateway, pages, dial):
    """The client sends its body only when told to (RFC 9110 §10.1.1)."""
    gate = gateway(pages)
    wire = dial(gate)
    fields = ["Content-Length: 5", "Expect: 100-continue"]
    wire.send(request("POST", "/upload", fields=fields))
    assert wire.read_head().startswith(b"HTTP/1.1 100 ")
    wire.send(b"hello")
    assert json.loads(wire.read_response().body)["size"] == 5


def test_expect_100_continue_that_is_refused(gateway, backend, dial):
    """A final answer instead of 100: the body is never asked for."""

    def script(wire):
        head = wire.read_head()
        assert b"100-continue" in head
        wire.send(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")

    gate = gateway(backend(script))
    wire = dial(gate)
    wire.send(request("POST", "/", fields=["Content-Length: 5", "Expect: 100-continue"]))
    answer = wire.read_response()
    assert answer.status == 401
    assert answer.informational == []


def test_curl_expects_100_continue_by_itself(gateway, pages, tmp_path):
    gate = gateway(pages)
    file = tmp_path / "upload"
    file.write_bytes(BIG[: 2 * MB])
    fields = ["-H", "Expect: 100-continue", "--expect100-timeout", PATIENCE_S]
    done = curl("--cacert", gate.ca, "-T", file, *fields, gate.url("/upload"))
    assert json.loads(done.stdout)["size"] == 2 * MB


def test_server_sent_events_arrive_as_they_are_sent(gateway, pages, dial):
    """The next event is made only after the last one was read here: nothing may be held back."""
    gate = gateway(pages)
    wire = dial(gate)
    wire.send(request("GET", "/events"))
    assert b"text/event-stream" in wire.read_head()
    for number in range(5):
        assert f"data: {number}".encode() in wire.read_until(b"\n\n")
        assert curl("-X", "POST", f"http://{pages.address}/events/next").stdout == b"sent\n"


def test_request_body_is_streamed(gateway, backend, dial):
    """The backend has the first half before the client sends the second."""
    half_seen = threading.Event()

    def script(wire):
        wire.read_head()
        assert wire.read_exactly(5) == b"first"
        half_seen.set()
        assert wire.read_exactly(6) == b"second"
        wire.send(ok(b"both"))

    gate = gateway(backend(script))
    wire = dial(gate)
    wire.send(request("POST", "/", fields=["Content-Length: 11"], body=b"first"))
    assert half_seen.wait(PATIENCE_S)
    wire.send(b"second")
    assert wire.read_response().body == b"both"


def test_answer_before_the_request_body_is_through(gateway, backend, dial):
    """A backend may answer early; the client gets the answer though it is still sending."""

    def script(wire):
        wire.read_head()
        wire.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
        wire.finish_sending()
        wire.read_to_end()

    gate = gateway(backend(script))
    wire = dial(gate)
    wire.send(request("POST", "/", fields=[f"Content-Length: {20 * MB}"], body=b"x" * 1000))
    answer = wire.read_response()
    assert (answer.status, answer.body) == (403, b"no")


@pytest.mark.slow
def test_slow_download_stops_the_backend(gateway, pages, dial):
    """Back-pressure for bodies: a client that pauses costs no memory, and gets everything."""
    gate = gateway(pages)
    wire = dial(gate, receive_buffer=64 * 1024, keep_all=False)
    before_kb = gate.process.memory_kb()
    wire.send(request("GET", f"/download?{64 * MB}"))
    wire.read_head()
    read = 0
    while read < 64 * MB:
        read += len(wire.read_exactly(min(2 * MB, 64 * MB - read)))
        if not SANITIZER:
            assert gate.process.memory_kb() - before_kb < 4096
    assert read == 64 * MB


def test_upload_cut_off_reaches_the_backend_as_cut_off(gateway, pages, dial):
    gate = gateway(pages)
    mark = pages.mark()
    wire = dial(gate)
    wire.send(request("POST", "/upload", fields=["Content-Length: 1000"], body=b"x" * 500))
    wait_until(lambda: any("connection" in line for line in pages.lines[mark:]), "a connection")
    wire.reset()
    assert pages.wait_line(r'"path":"/upload","complete":(\w+)', mark)[1] == "false"
