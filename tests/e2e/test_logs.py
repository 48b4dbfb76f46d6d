# SPDX-License-Identifier: Apache-2.0
"""What is written down: one line a request, two for a WebSocket, and errors that say in which
phase they came."""

import json
import os
import re
import time

import pytest

from gateway import servers
from processes import PATIENCE_S, PROGRAM, Process, free_port, piped, wait_until
from wire import BINARY, TEXT, close_frame, connect, frame, open_websocket, request, websocket

TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")


def echo_script(wire):
    while True:
        first, payload = wire.read_frame()
        if first & 15 == 8:
            wire.send(frame(8, payload))
            return
        wire.send(frame(first & 15, payload, fin=bool(first & 128)))


def test_json_line_of_a_request(gateway, pages):
    gate = gateway(pages)
    with connect(gate.port, gate.tls_context()) as wire:
        wire.send(
            request("POST", '/upload?q="\\', body=b"hello", fields=[
                "Content-Length: 5", "Referer: https://a.test/", 'User-Agent: te"st\\ \x80',
            ])
        )  # fmt: skip
        assert wire.read_response().status == 200
        client_address = "%s:%d" % wire.sock.getsockname()
    record = gate.wait_access(event="request")
    assert TIME.match(record["time"])
    assert record["client"] == client_address
    assert record["site"] == "localhost" and record["host"] == "localhost"
    assert (record["method"], record["target"]) == ("POST", '/upload?q="\\')
    assert record["protocol"] == "HTTP/1.1" and record["status"] == 200
    assert record["bytes_in"] > 5 and record["bytes_out"] > 50
    assert 0 <= record["duration_ms"] < 60_000
    assert record["upstream"] == pages.address
    assert record["referer"] == "https://a.test/"
    assert record["user_agent"].startswith('te"st\\ ')
    assert record["tls_version"] == "1.3"
    assert "AES" in record["tls_cipher"] or "CHACHA" in record["tls_cipher"]


def test_json_lines_of_a_websocket(gateway, backend):
    gate = gateway(backend(websocket(echo_script)))
    with connect(gate.plain_port) as wire:
        open_websocket(wire, "/chat")
        opened = gate.wait_access(event="open")
        assert opened["status"] == 101 and opened["target"] == "/chat"
        assert opened["tls_version"] is None
        sent = frame(TEXT, b"one", fin=False, masked=True) + frame(0, b"two", masked=True)
        sent += frame(BINARY, b"x" * 1000, masked=True)
        wire.send(sent)
        for _ in range(3):
            wire.read_frame()
        wire.send(close_frame(4000, b"bye", masked=True))
        assert wire.read_close() == 4000
        wire.read_to_end()
    closed = gate.wait_access(event="close")
    assert closed["connection"] == opened["connection"]
    assert closed["frames_in"] == closed["frames_out"] == 4
    assert closed["messages_in"] == closed["messages_out"] == 2
    assert closed["bytes_in"] >= len(sent) + 11
    assert closed["bytes_out"] >= 1000
    assert closed["close_code"] == 4000
    assert closed["closed_by"] == "client"
    assert closed["duration_ms"] >= 0
    assert len(gate.access()) == 2


@pytest.mark.parametrize("who", ["client", "upstream"])
def test_who_closed(gateway, backend, who):
    def then(wire):
        if who == "upstream":
            wire.send(close_frame(1001))
        wire.read_close()
        if who == "client":
            wire.send(close_frame(4321))

    gate = gateway(backend(websocket(then)))
    with connect(gate.plain_port) as wire:
        open_websocket(wire)
        if who == "client":
            wire.send(close_frame(4321, masked=True))
            assert wire.read_close() == 4321
        else:
            assert wire.read_close() == 1001
            wire.send(close_frame(1001, masked=True))
        wire.read_to_end()
    record = gate.wait_access(event="close")
    assert record["closed_by"] == who
    assert record["close_code"] == (4321 if who == "client" else 1001)


def test_loss_is_told_from_a_close(gateway, backend):
    gate = gateway(backend(websocket(lambda wire: wire.read_to_end())))
    wire = connect(gate.plain_port)
    open_websocket(wire)
    wire.send(frame(TEXT, b"x", masked=True))
    wire.reset()
    record = gate.wait_access(event="close")
    assert record["close_code"] in (None, 1005, 1006)
    assert record["closed_by"] == "client"
    assert record["reason"]


def test_text_lines(gateway, backend, pages):
    gate = gateway(
        workers=1,  # each has its own buffer; the lines of one are in order
        access_log={"target": "access.log", "format": "text"},  # relative to the configuration
        sites={
            "localhost": {"routes": {"/": {"upstream": "pages"}, "/ws": {"upstream": "ws"}}}
        },
        upstreams={"pages": servers(pages), "ws": servers(backend(websocket(echo_script)))},
    )
    with connect(gate.plain_port) as wire:
        wire.send(request("GET", "/hello", fields=['User-Agent: a "b"']))
        wire.read_response()
    with connect(gate.plain_port) as wire:
        open_websocket(wire, "/ws")
        wire.send(close_frame(1000, masked=True))
        wire.read_to_end()

    def lines():
        text = gate.access_path.read_text() if gate.access_path.exists() else ""
        return text.splitlines() if text.count("\n") >= 3 else None

    plain, opened, closed = wait_until(lines, "three lines")
    assert '"GET /hello HTTP/1.1" 200 ' in plain and "a " in plain and "\n" not in plain
    assert '"GET /ws HTTP/1.1" 101 ' in opened and "ws=open" in opened
    assert "ws=close" in closed and "code=1000" in closed and "by=client" in closed


def test_log_lines_cannot_be_forged(gateway, backend):
    """Control characters of a client are escaped: one request stays one line."""
    gate = gateway(
        sites={"localhost": {"routes": {"/": {"respond": "x"}}}},
        access_log={"target": "access.log", "format": "text"},
    )
    with connect(gate.plain_port) as wire:
        wire.send(b"GET /?\x1b[31m HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wire.read_to_end()
    with connect(gate.plain_port) as wire:
        wire.send(request("GET", "/", fields=["User-Agent: \x1b[31m\x9b\t\"x\" y=1"]))
        try:
            wire.read_response()
        except AssertionError:
            pass  # refused, which is as good
    gate.stop()
    text = gate.access_path.read_bytes() + gate.log.encode()
    assert b"\x1b" not in text and b"\x9b" not in text


def test_error_lines_name_their_phase(gateway, backend):
    dead = f"127.0.0.1:{free_port()}"

    def script(wire):
        wire.read_head()
        wire.send(b"nonsense\r\n\r\n")

    gate = gateway(
        sites={"localhost": {"routes": {
            "/dead/": {"upstream": "dead"}, "/": {"upstream": "broken"},
        }}},
        upstreams={"dead": servers(dead), "broken": servers(backend(script))},
    )  # fmt: skip
    mark = gate.process.mark()
    with connect(gate.plain_port) as wire:
        wire.send(request("GET", "/dead/"))
        assert wire.read_response().status == 502
    line = gate.wait_log(r".*refused.*", mark)[0].lower()
    assert "connect" in line and dead in line, line
    mark = gate.process.mark()
    with connect(gate.plain_port) as wire:
        wire.send(request("GET", "/"))
        assert wire.read_response().status == 502
    line = gate.wait_log(r".*127\.0\.0\.1.*", mark)[0].lower()
    assert "respon" in line or "head" in line, line


def test_error_log_as_json_in_a_file(gateways):
    """Started by hand, since `ready` is in the file."""
    gate = gateways(sites={"localhost": {"routes": {"/": {"respond": "x"}}}})
    file = gate.folder / "error.json"
    gate.config["log"] = {"target": str(file), "level": "debug", "format": "json"}
    gate.write()
    gate.process = Process([PROGRAM, "run", "-c", gate.path])
    wait_until(lambda: file.exists() and "ready" in file.read_text(), "the file says ready")
    with connect(gate.plain_port) as wire:
        wire.send(b"BAD\r\n\r\n")
        wire.read_to_end()
    gate.stop()
    records = [json.loads(line) for line in file.read_text().splitlines()]
    assert all(record["level"] in ("debug", "info", "warn", "error") for record in records)


def answers(gate):
    try:
        with connect(gate.plain_port) as wire:
            wire.send(request())
            return wire.read_response().status == 200
    except ConnectionRefusedError:
        return False


def test_level_error_hides_information(gateways):
    gate = gateways(sites={"localhost": {"routes": {"/": {"respond": "x"}}}})
    gate.config["log"]["level"] = "error"
    gate.write()
    gate.process = Process([PROGRAM, "run", "-c", gate.path])
    wait_until(lambda: answers(gate), "the first answer")
    gate.stop()
    assert gate.log == ""


def test_sighup_opens_the_files_anew(gateway):
    """After a rotation (the old file moved away) lines go to a new one."""
    gate = gateway(sites={"localhost": {"routes": {"/": {"respond": "x"}}}})

    def ask():
        with connect(gate.plain_port) as wire:
            wire.send(request(fields=["Connection: close"]))
            wire.read_response()
            wire.read_to_end()

    ask()
    gate.wait_access(event="request")
    moved = gate.access_path.with_suffix(".1")
    gate.access_path.rename(moved)
    gate.reload()
    begin = time.monotonic()
    while not gate.access() and time.monotonic() - begin < 5:
        ask()
    assert gate.access(), "the new file has lines"
    assert len(moved.read_text().splitlines()) >= 1


def test_no_log_line_goes_to_a_client(gateways):
    """Where the standard files are closed, no socket takes the place of stderr."""
    gate = gateways(sites={"localhost": {"routes": {"/": {"respond": "x"}}}})
    gate.write()
    closed = ["sh", "-c", 'exec <&- >&- 2>&- "$@"', "sh"]
    with piped([*closed, PROGRAM, "run", "-c", gate.path]) as child:
        wait_until(lambda: answers(gate), "the first answer")
        held = [os.readlink(f"/proc/{child.pid}/fd/{number}") for number in range(3)]
        assert held == ["/dev/null"] * 3
        child.terminate()
        assert child.wait(PATIENCE_S) == 0
