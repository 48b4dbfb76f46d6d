# SPDX-License-Identifier: Apache-2.0
"""ringway-bench: its echo answers clients we did not write, its load works against servers we did
not write, tells what a server does wrong, and measures honestly."""

import asyncio
import collections
import contextlib
import ctypes
import itertools
import json
import os
import pty
import re
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import peers
import pytest
import websockets

from processes import (PATIENCE_S, PROGRAM, ROOT, SANITIZER, Process, free_port, piped,
                       wait_until)
from wire import (BINARY, CLOSE, PING, PONG, accept_of, close_frame, field_of, frame,
                  open_websocket, switch_protocols)

BENCH = PROGRAM.with_name("ringway-bench")
HERE = Path(__file__).resolve().parent

pytestmark = pytest.mark.skipif(not BENCH.exists(), reason=f"{BENCH} is not built")


def load(url, *options, connections=4, duration="300ms"):
    """Runs load and returns its exit code and result."""
    command = [BENCH, "load", url, "-c", str(connections), "-d", duration, "--warmup", "100ms",
               "--timeout", "2s", "--json", "-", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.stdout.startswith("{"), done.stderr
    assert "Sanitizer" not in done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.fixture
def bench_echo():
    server = Process([BENCH, "serve", "--listen", "127.0.0.1:0", "--threads", "2"])
    server.port = int(server.wait_line(r"ws://127\.0\.0\.1:(\d+)")[1])
    yield server
    assert server.stop() == 0, server.output


# --- the echo -------------------------------------------------------------------------------------


def test_echo_returns_messages_of_all_sizes(bench_echo):
    async def scenario():
        async with websockets.connect(f"ws://127.0.0.1:{bench_echo.port}/any/path",
                                      max_size=None, compression=None) as connection:
            for size in (0, 1, 125, 126, 65535, 65536, 20_000_000):
                message = os.urandom(size)
                await connection.send(message)
                assert await connection.recv() == message
            await connection.send(["täxt", "x" * 70000, ""])  # in fragments
            assert await connection.recv() == "täxt" + "x" * 70000
            await asyncio.wait_for(await connection.ping(b"hello"), PATIENCE_S)
            await connection.close(1000)
            assert connection.close_code == 1000

    asyncio.run(scenario())


def test_echo_does_not_read_from_a_client_that_does_not_read(bench_echo, client):
    wire = client(bench_echo.port)
    wire.send(b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
              b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    wire.read_head()
    wire.sock.settimeout(1)
    wire.send(frame(BINARY, masked=True, declared=1 << 40))
    before_kb = bench_echo.memory_kb()
    with pytest.raises(TimeoutError):
        for _ in range(10_000):
            wire.send(bytes(65536))
    assert bench_echo.memory_kb() - before_kb < 2048


FEW_FILES = 64


def serve_with_few_files(*options):
    server = Process(["prlimit", f"--nofile={FEW_FILES // 2}:{FEW_FILES}", "--", BENCH, "serve",
                      "--listen", "127.0.0.1:0", *options], preexec_fn=drop_all_capabilities)
    server.port = int(server.wait_line(r" on .*127\.0\.0\.1:(\d+), ")[1])
    return server


def test_echo_without_descriptors_says_so_once_and_goes_on(client):
    """More clients than descriptors: who is over waits in the kernel's queue until others leave."""
    server = serve_with_few_files()
    wires = [client(server.port) for _ in range(2 * FEW_FILES)]
    server.wait_line(f"all {FEW_FILES} open files that the hard limit allows are in use, .* raise")
    assert server.open_files() == FEW_FILES, "the soft limit has been raised"
    used_s = server.cpu_s()
    time.sleep(1)  # the time that is measured: some ten attempts to accept
    assert server.cpu_s() - used_s < 0.2
    for wire in wires:
        open_websocket(wire)
        wire.close()  # and so makes room
    assert server.stop() == 0 and server.output.count("open files") == 1, server.output


def test_relay_without_descriptors_says_so_and_goes_on(client, plain_echo):
    server = serve_with_few_files("--relay", plain_echo.address)
    wires = [client(server.port) for _ in range(FEW_FILES)]
    server.wait_line("open files")
    for wire in wires:
        wire.close()
    url = f"ws://127.0.0.1:{server.port}/"
    wait_until(lambda: load(url)[0] == 0, "room for four, once all who had queued have gone")
    assert server.stop() == 0 and server.output.count("open files") == 1, server.output


@pytest.mark.parametrize("request_head", [
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
])
def test_echo_refuses_what_is_no_websocket(bench_echo, client, request_head):
    wire = client(bench_echo.port)
    wire.send(request_head)
    assert wire.read_response().status == 426


def test_echo_closes_on_an_unmasked_frame(bench_echo):
    async def scenario():
        async with websockets.connect(f"ws://127.0.0.1:{bench_echo.port}/") as connection:
            connection.is_client = False  # the library then leaves frames unmasked
            with pytest.raises(websockets.ConnectionClosed):
                await connection.send("hello")
                await connection.recv()
            assert connection.close_code in (1002, 1006)

    asyncio.run(scenario())


def test_a_sink_answers_nothing_but_pings_and_close(bench_echo, client):
    wire = client(bench_echo.port)
    open_websocket(wire, "/any/sink?a=b")
    wire.send(frame(BINARY, b"x" * 70000, masked=True) + frame(PING, b"?", masked=True))
    assert wire.read_frame() == (0x80 | PONG, b"?")
    wire.send(frame(CLOSE, b"\x03\xe8", masked=True))
    assert wire.read_frame() == (0x80 | CLOSE, b"\x03\xe8")


def relay_to(address):
    server = Process([BENCH, "serve", "--listen", "127.0.0.1:0", "--relay", address])
    server.port = int(server.wait_line(r"relay on 127\.0\.0\.1:(\d+)")[1])
    return server


def test_relay_passes_everything_on_both_ways(plain_echo):
    relay = relay_to(plain_echo.address)
    code, result = load(f"ws://127.0.0.1:{relay.port}/", "-s", "128:50,64K:30,3M:1")
    assert code == 0 and result["echoes"] > 0, result

    async def large():
        async with websockets.connect(f"ws://127.0.0.1:{relay.port}/", max_size=None,
                                      compression=None) as connection:
            message = os.urandom(20_000_000)
            await connection.send(message)
            assert await connection.recv() == message

    asyncio.run(asyncio.wait_for(large(), PATIENCE_S))
    assert relay.stop() == 0, relay.output


def test_relay_ends_both_sides_when_one_does(backend, client):
    def answer_and_leave(wire):
        wire.read_exactly(5)
        wire.send(b"world" * 100_000)

    server = backend(answer_and_leave)
    relay = relay_to(server.address)
    wire = client(relay.port)
    wire.send(b"hello")
    assert wire.read_to_end() == b"world" * 100_000

    server.stop_listening()
    assert client(relay.port).read_to_end() == b""  # nobody answers there now
    assert relay.stop() == 0, relay.output


def test_broadcast_goes_to_all_others_of_the_same_path(bench_echo):
    """On both threads of the server, wherever the kernel has put the connections."""
    async def scenario():
        async with contextlib.AsyncExitStack() as stack:
            async def enter(path):
                return await stack.enter_async_context(websockets.connect(
                    f"ws://127.0.0.1:{bench_echo.port}{path}", max_size=None, compression=None))

            rooms = {}
            for path in ("/broadcast", "/a/broadcast", "/b/broadcast", "/c/broadcast"):
                rooms[path] = [await enter(path), await enter(path + "?name=x"), await enter(path)]
            for path, (speaker, *others) in rooms.items():
                await speaker.send(["wör", "", path * 30_000])  # in fragments
                await speaker.send(b"")
                for other in others:
                    assert await other.recv() == "wör" + path * 30_000
                    assert await other.recv() == b""
                await others[0].send(path)
                assert await speaker.recv() == path  # the first message that comes back to it
                await asyncio.wait_for(await speaker.ping(), PATIENCE_S)

    asyncio.run(asyncio.wait_for(scenario(), PATIENCE_S))


def test_broadcast_passes_whole_messages_on(bench_echo, client):
    """Two speak at a time, a ping in between; the third gets one message after the other."""
    wires = [client(bench_echo.port) for _ in range(3)]
    for wire in wires:
        open_websocket(wire, "/broadcast")
    first, second, listener = wires
    first.send(frame(BINARY, b"abc", fin=False, masked=True) + frame(PING, b"?", masked=True))
    assert first.read_frame() == (0x80 | PONG, b"?")
    second.send(frame(BINARY, b"xyz", masked=True))
    assert listener.read_frame() == (0x80 | BINARY, b"xyz")
    first.send(frame(0, b"def", masked=True))
    assert listener.read_frame() == (0x80 | BINARY, b"abcdef")


def test_broadcast_refuses_what_is_too_long_and_drops_who_does_not_read(bench_echo, client):
    speaker, listener, deaf = (client(bench_echo.port, receive_buffer=4096) for _ in range(3))
    for wire in (speaker, listener, deaf):
        open_websocket(wire, "/broadcast")
    message = bytes(3_000_000)
    for _ in range(10):
        speaker.send(frame(BINARY, message, masked=True))
        assert listener.read_frame() == (0x80 | BINARY, message)
    deaf.read_to_end()
    assert len(deaf.received) < 10 * len(message)
    speaker.send(frame(BINARY, bytes(5_000_000), masked=True)[:4_500_000])
    assert speaker.read_frame() == (0x80 | CLOSE, b"\x03\xf1")


# --- the sum of several ---


def merge(*arguments):
    return subprocess.run([BENCH, "merge", *arguments], capture_output=True, text=True,
                          timeout=PATIENCE_S)


def test_results_add_up(bench_echo, backend, tmp_path):
    def close_at_once(wire):
        switch_protocols(wire, extra=close_frame(1013, b"later"))
        wire.read_to_end()

    urls = [f"ws://127.0.0.1:{bench_echo.port}/a", f"ws://127.0.0.1:{bench_echo.port}/b",
            f"ws://{backend(close_at_once).address}/"]
    results, files = [], []
    for number, url in enumerate(urls):
        results.append(load(url, "-s", "100:3,1K:1")[1])
        files.append(tmp_path / f"{number}.json")
        files[-1].write_text(json.dumps(results[-1]))
    done = merge(*files, "--json", "-")
    assert done.returncode == 0, done.stderr
    total = json.loads(done.stdout)
    for key in ("connections", "opened", "echoes", "sent", "received_bytes", "open"):
        assert total[key] == sum(result[key] for result in results), key
    counts = collections.Counter()
    for result in results:
        for bucket, count in result["latency"]["buckets_ns"]:
            counts[bucket] += count
    assert total["latency"]["buckets_ns"] == [[b, counts[b]] for b in sorted(counts)]
    assert total["latency"]["max_us"] == max(r["latency"]["max_us"] for r in results)
    assert total["failures"]["closed"]["count"] == 4
    assert total["close_codes"] == {"1013": 4}
    table = merge(*files)
    assert table.returncode == 0 and "p99.9" in table.stdout and "closed" in table.stdout


def keys_of(value):
    """The keys of all objects in a result. Those of failures and codes are what happened."""
    for key, inner in value.items() if isinstance(value, dict) else ():
        if not key.isdigit() and key != "closed":
            yield key
        yield from keys_of(inner)


def test_the_manual_names_every_key_of_a_result(bench_echo, backend):
    manual = (ROOT / "docs" / "man" / "ringway-bench.1.scd").read_text()
    section = manual.partition("\n# JSON\n")[2].partition("\n# ")[0]
    named = set(re.findall(r"\*([a-z0-9_]+)\*", section))
    found = set()
    for result in (load(f"ws://127.0.0.1:{bench_echo.port}/", "--pid", str(bench_echo.pid))[1],
                   load(f"ws://{backend(close_going_away).address}/")[1]):
        found |= set(keys_of(result))
    assert {"bottleneck", "http_statuses", "first"} <= found
    assert found <= named, "keys that the manual does not name"
    kinds = {"closed", "http", "echo", "any", "none", "message", "connection", "storm"}
    assert named - kinds <= found, "keys that no result has"


@pytest.mark.parametrize("text, words", [
    ("", "an object"), ("[1, 2]", "an object"), ('{"mode": "ping-pong"}', "is missing"),
    ('{"a": ', "an object"), ("\0\1", "an object"),
])
def test_what_is_no_result_is_not_merged(tmp_path, text, words):
    (tmp_path / "result").write_text(text)
    done = merge(tmp_path / "result")
    assert done.returncode == 1 and words in done.stderr, done


def test_results_of_different_modes_are_not_merged(bench_echo, tmp_path):
    for mode in ("ping-pong", "storm"):
        result = load(f"ws://127.0.0.1:{bench_echo.port}/", "-m", mode)[1]
        (tmp_path / mode).write_text(json.dumps(result))
    done = merge(tmp_path / "ping-pong", tmp_path / "storm")
    assert done.returncode == 1 and "is a storm" in done.stderr
    result = load(f"ws://127.0.0.1:{bench_echo.port}/", "--answer", "any")[1]
    (tmp_path / "any").write_text(json.dumps(result))
    done = merge(tmp_path / "ping-pong", tmp_path / "any")
    assert done.returncode == 1 and "--answer any" in done.stderr
    assert merge().returncode == 2
    assert merge(tmp_path / "nothing").returncode == 1


# --- the load -------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [
    ["-m", "ping-pong", "-s", "70000", "-t", "2"],
    ["--rate", "500", "-s", "10"],
    ["-m", "hold"],
    ["-m", "storm"],
    ["-s", "0"],
    ["--text", "-s", "300"],
])
def test_load_is_content_with_a_good_server(bench_echo, options):
    code, result = load(f"ws://127.0.0.1:{bench_echo.port}/", *options)
    assert code == 0, result
    assert result["failures"] == {} and result["unanswered"] == 0
    assert result["upgrades"] if "storm" in options else result["open"] == 4
    if "hold" not in options and "storm" not in options:
        assert result["echoes"] > 0
        assert sum(count for _, count in result["latency"]["buckets_ns"]) \
            == result["latency"]["count"] > 0


@pytest.mark.parametrize("mode, path", [("upload", "sink"), ("download", "source"),
                                        ("download", "source?a=b")])
def test_messages_go_one_way_in_bulk(bench_echo, mode, path):
    code, result = load(f"ws://127.0.0.1:{bench_echo.port}/any/{path}", "-m", mode,
                        "-s", "0,128:90,64K:9,1M")
    assert code == 0, result
    there, back = result["sent_bytes"], result["received_bytes"]
    assert (there, back) > (1_000_000, -1) if mode == "upload" else (back, there) > (1_000_000, -1)
    assert min(there, back) == 0 and result["echoes"] == 0


def test_a_slow_reader_reads_as_much_as_it_may(bench_echo):
    url = f"ws://127.0.0.1:{bench_echo.port}/source"
    code, result = load(url, "-m", "slow-reader", "-s", "64K", duration="1s")
    assert code == 0 and result["received_bytes"] == 0 and result["open"] == 4, result
    code, result = load(url, "-m", "slow-reader", "-s", "1K", "--read-rate", "64K", duration="1s")
    assert code == 0 and 0 < result["received_bytes"] < 4 * 3 * 65536, result


def test_a_source_that_says_nothing_is_told(bench_echo):
    code, result = load(f"ws://127.0.0.1:{bench_echo.port}/", "-m", "download", duration="3s")
    assert code == 1 and result["failures"]["timeout"]["count"] == 4, result


def test_a_source_refuses_a_size_that_is_none(bench_echo, client):
    wire = client(bench_echo.port)
    wire.send(b"GET /source?size=many HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
              b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
              b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    assert wire.read_response().status == 400


@pytest.mark.parametrize("options", [[], ["--text", "-t", "3", "-s", "24,5K"]])
def test_a_broadcast_reaches_all_others(bench_echo, options):
    code, result = load(f"ws://127.0.0.1:{bench_echo.port}/{len(options)}/broadcast", "-m",
                        "broadcast", "--rate", "100", *options, connections=20)
    assert code == 0, result
    assert result["received"] > 100 and result["latency"]["count"] > 100


def test_a_broadcast_server_we_did_not_write_does_well(started):
    server = started(peers.python_server, "broadcast")
    code, result = load(f"ws://{server.address}/", "-m", "broadcast", "--rate", "100", "--text",
                        connections=10)
    assert code == 0 and result["received"] > 100, result


def broadcaster(change):
    """A script of a server for two clients; `change` makes the list of messages to deliver of each
    one that comes."""
    wires = []

    def pass_on(wire):
        while True:
            first, payload = wire.read_frame()
            if first & 15 == CLOSE:
                wire.send(frame(CLOSE, payload))
                return
            for message in change(payload):
                for other in wires:
                    if other is not wire:
                        other.send(frame(first & 15, message))

    def talk(wire):
        switch_protocols(wire)
        wires.append(wire)
        with contextlib.suppress(AssertionError, OSError):  # who has noticed goes without a word
            pass_on(wire)

    return talk


@pytest.mark.parametrize("change, kind", [
    (lambda message: [message], None),
    (lambda message: [message[:-1] + b"?"], "wrong_bytes"),
    (lambda message: [message[:-1]], "wrong_bytes"),
    (lambda message: [message + b"?"], "wrong_bytes"),
    (lambda message: [b"f" + message[1:]], "wrong_bytes"),
    (lambda message: [b"short"], "wrong_bytes"),
])
def test_a_broadcast_that_changes_messages_is_told(backend, change, kind):
    server = backend(broadcaster(change))
    code, result = load(f"ws://{server.address}/", "-m", "broadcast", "--rate", "50", connections=2)
    assert code == (1 if kind else 0), result
    assert set(result["failures"]) <= {kind, "ended"} and (kind in result["failures"]) == bool(kind)


def test_a_broadcast_that_loses_messages_is_told(backend):
    numbers = itertools.count()
    server = backend(broadcaster(lambda message: [message] * (next(numbers) % 5 != 2)))
    code, result = load(f"ws://{server.address}/", "-m", "broadcast", "--rate", "100",
                        connections=2)
    assert code == 1 and result["failures"] == {}, result
    assert 0 < result["unanswered"] <= next(numbers) // 5 + 1


@pytest.mark.parametrize("version", ["1.3", "1.2"])
def test_sessions_are_resumed_when_asked(gateway, plain_echo, version):
    url = gateway(plain_echo).url("/", scheme="wss")
    code, result = load(url, "-m", "storm", "--tls", version, "--resume")
    assert code == 0, result
    assert 0 < result["resumed"] and result["resumed"] >= result["upgrades"] * 0.5
    code, result = load(url, "-m", "storm", "--tls", version)
    assert code == 0 and result["resumed"] == 0


@pytest.mark.parametrize("options, words", [
    (["-s", "128:0"], "--size"),
    (["--read-rate", "1K"], "--read-rate goes with"),
    (["-m", "broadcast"], "need --rate"),
    (["-m", "broadcast", "--rate", "1", "-s", "23"], "at least 24 bytes"),
    (["-m", "broadcast", "--rate", "1", "-c", "1"], "two connections"),
    (["-m", "download", "--text"], "--text does not go with"),
    (["--connect", "::1"], "HOST or HOST:PORT"),
    (["--resume=yes"], "takes no value"),
    (["-H", "Origin"], '"Name: value"'),
    (["-H", "Origin : x"], '"Name: value"'),
    (["-H", "host: other.example"], "has this field of its own"),
    (["-H", "Sec-WebSocket-Extensions: permessage-deflate"], "has this field of its own"),
    (["-c", "1k"], "--connections 1k: must be a whole number"),
    (["--message", "/dev/null", "-s", "128"], "--size does not go with --message"),
    (["--message", "/dev/null", "-m", "storm"], "--message goes with"),
    (["--answer", "any", "-m", "upload"], "--answer goes with"),
    (["--answer", "none"], "ping-pong waits for answers"),
    (["--key", "/dev/null"], "--key goes with --cert only"),
])
def test_what_makes_no_sense_is_refused(options, words):
    done = subprocess.run([BENCH, "load", "ws://127.0.0.1:1/", *options], capture_output=True,
                          text=True, timeout=PATIENCE_S)
    assert done.returncode == 2 and words in done.stderr


def test_load_is_content_with_an_echo_we_did_not_write(plain_echo):
    code, result = load(f"ws://{plain_echo.address}/", "-s", "1000")
    assert code == 0 and result["echoes"] > 0, result


@pytest.fixture
def talker():
    server = peers.python_server("talker")
    yield server
    server.stop()


REQUEST = '{"op": "täxt"}\n'


@pytest.mark.parametrize("options", [["-m", "ping-pong"], ["--rate", "200"], ["-m", "hold"]])
def test_a_server_that_answers_otherwise_is_loaded_with_messages_of_its_own(talker, tmp_path,
                                                                            options):
    (tmp_path / "request").write_text(REQUEST)
    own = ["--message", str(tmp_path / "request"), "--text", "--answer", "any"]
    code, result = load(f"ws://{talker.address}/", *own, *options)
    assert code == 0 and result["answer"] == "any" and result["unanswered"] == 0, result
    assert result["message_bytes"] == str(len(REQUEST.encode()))
    heard = talker.reported(4)
    assert all(report["said"] == [REQUEST] for report in heard)
    if "hold" in options:
        assert [report["count"] for report in heard] == [1] * 4
    else:
        assert sum(report["count"] for report in heard) >= result["echoes"] > 20
        assert result["latency"]["count"] > 20
    if "--rate" in options:
        assert result["latency"]["count"] == 60, "all that were due in 300 ms"


@pytest.mark.parametrize("options, said", [
    (["--rate", "200", "-s", "3"], None), (["-m", "hold"], set()),
    (["-m", "hold", "--message", "request", "--text"], {REQUEST})])
def test_a_server_that_does_not_answer_is_spoken_to_and_listened_to(talker, tmp_path, monkeypatch,
                                                                    options, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "request").write_text(REQUEST)
    code, result = load(f"ws://{talker.address}/quiet", "--answer", "none", *options)
    assert code == 0 and result["echoes"] == 0 and result["latency"]["count"] == 0, result
    assert result["received_bytes"] >= 4 * len("news"), "its news"
    heard = talker.reported(4)
    if said is not None:
        assert {word for report in heard for word in report["said"]} == said
    else:
        bytes_heard = 3 * sum(report["count"] for report in heard)
        assert bytes_heard == result["whole_run"]["sent_bytes"] > 3 * 60


def test_an_echo_of_a_message_of_ones_own_is_verified(bench_echo, backend, tmp_path):
    (tmp_path / "own").write_bytes(os.urandom(100_000))
    own = ["--message", str(tmp_path / "own")]
    code, result = load(f"ws://127.0.0.1:{bench_echo.port}/", *own)
    assert code == 0 and result["echoes"] > 0, result
    (tmp_path / "own").write_bytes(b"Z" * 128)
    code, result = load(f"ws://{backend(echo_other_bytes).address}/", *own)
    assert code == 1 and result["failures"]["wrong_bytes"]["count"] == 4, result
    (tmp_path / "own").write_bytes(b"")
    code, result = load(f"ws://127.0.0.1:{bench_echo.port}/sink", *own, "-m", "upload")
    assert code == 0 and result["sent"] > 100 and result["sent_bytes"] == 0, result


def test_a_storm_on_a_server_that_speaks_first(talker):
    code, result = load(f"ws://{talker.address}/", "-m", "storm", "--answer", "none")
    assert code == 0 and result["upgrades"] > 0 and result["failures"] == {}, result
    assert result["received_bytes"] > 0, "greetings"


def test_an_answer_that_does_not_come_is_told(backend):
    code, result = load(f"ws://{backend(echo_nothing).address}/", "--answer", "any")
    assert code == 1 and result["unanswered"] == 4, result
    assert result["failures"]["timeout"]["first"] == (
        "no progress for 2000 ms while waiting for an answer")


@pytest.mark.parametrize("path, words", [("/nonexistent", "No such file or directory"),
                                         ("/", "Is a directory"),
                                         ("/dev/zero", "longer than 64 MB")])
def test_a_message_that_cannot_be_read_is_told(path, words):
    done = subprocess.run([BENCH, "load", "ws://127.0.0.1:1/", "--message", path, "--json", "/"],
                          capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 1 and done.stderr == f"ringway-bench: --message {path}: {words}\n"


def test_path_query_and_subprotocol_arrive(plain_echo):
    since = len(plain_echo.lines)
    code, result = load(f"ws://{plain_echo.address}/a/%20b?c=d&e", "-H",
                        "Sec-WebSocket-Protocol: other, chat.v1")
    assert code == 0, result
    for report in plain_echo.reported(4, since):
        assert (report["path"], report["subprotocol"]) == ("/a/%20b?c=d&e", "chat.v1")


def test_each_client_may_ask_for_a_path_of_its_own(plain_echo):
    since = len(plain_echo.lines)
    code, result = load(f"ws://{plain_echo.address}/rooms/{{n}}?user=u{{n}}", "-t", "2")
    assert code == 0 and result["target"].endswith("/rooms/{n}?user=u{n}"), result
    paths = {report["path"] for report in plain_echo.reported(4, since)}
    assert paths == {f"/rooms/{number}?user=u{number}" for number in range(4)}


def test_fields_are_added_to_the_request(backend):
    heads = []

    def keep_the_head(wire):
        heads.append(wire.read_head())

    server = backend(keep_the_head)
    load(f"ws://{server.address}/", "-H", "Origin: https://a.example", "-H", "Cookie: a=1; b=2",
         connections=1)
    assert b"\r\nOrigin: https://a.example\r\nCookie: a=1; b=2\r\n" in heads[0]


@pytest.mark.parametrize("order", ["127.0.0.1 ::1", "::1 127.0.0.1"])
def test_a_name_with_several_addresses_is_tried_at_all(tmp_path, order):
    """As localhost on most machines: ::1 and 127.0.0.1. The server listens at one."""
    alone = ["unshare", "--map-root-user", "--mount"]
    if subprocess.run([*alone, "true"], capture_output=True).returncode != 0:
        pytest.skip("unshare: no name spaces for this user")
    hosts = tmp_path / "hosts"
    hosts.write_text("".join(f"{address} several.example\n" for address in order.split()))
    for listen in ("127.0.0.1:0", "[::1]:0"):
        server = Process([BENCH, "serve", "--listen", listen])
        port = server.wait_line(r"ws://.*:(\d+),")[1]
        done = subprocess.run(
            [*alone, "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', hosts, BENCH, "load",
             f"ws://several.example:{port}/", "-d", "100ms", "-w", "0s"],
            capture_output=True, text=True, timeout=PATIENCE_S)
        assert server.stop() == 0, server.output
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("threads", [1, 2])
def test_serve_does_not_share_an_address_with_another_program(bench_echo, threads):
    """Listeners of several threads share one, and the kernel would let other programs join."""
    done = subprocess.run([BENCH, "serve", "-l", f"127.0.0.1:{bench_echo.port}", "-t", str(threads)],
                          capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 1 and "Address already in use" in done.stderr
    assert load(f"ws://127.0.0.1:{bench_echo.port}/")[0] == 0


@pytest.mark.parametrize("tls", [["--tls", "1.3"], ["--tls", "1.2"],
                                 ["--tls", "1.3", "--group", "P-256"]])
def test_load_speaks_tls_and_verifies_when_asked(gateway, plain_echo, authority, tls):
    subject = gateway(plain_echo)
    url = subject.url("/", scheme="wss")
    code, result = load(url, "--ca", str(authority.ca), *tls)
    assert code == 0 and result["echoes"] > 0, result


NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log stderr;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
    uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
    ssl_protocols TLSv1.2 TLSv1.3;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {certificate.chain};
        ssl_certificate_key {certificate.key};
        location / {{
            proxy_pass http://127.0.0.1:{backend};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection upgrade;
        }}
        location /missing {{ return 404; }}
    }}
}}
"""


@pytest.fixture
def nginx(bench_echo, certificate, tmp_path):
    """nginx with TLS in front of our backend."""
    peers_folder = ROOT / ".deps" / "peers" / "usr" / "sbin"
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:{peers_folder}")
    if not program:
        pytest.skip("no nginx here (Debian package nginx, or ./dev bench)")
    port = free_port()
    (tmp_path / "nginx.conf").write_text(NGINX.format(
        folder=tmp_path, port=port, certificate=certificate, backend=bench_echo.port))
    server = Process([program, "-p", tmp_path, "-e", "stderr", "-c", tmp_path / "nginx.conf"])
    wait_until(lambda: is_listening(port), "nginx")
    server.url = f"wss://localhost:{port}"
    yield server
    server.stop()


def is_listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("options", [
    ["--tls", "1.3"], ["--tls", "1.2"], ["--cipher", "TLS13-CHACHA20-POLY1305-SHA256"],
    ["--tls", "1.2", "--cipher", "ECDHE-ECDSA-AES256-GCM-SHA384", "--group", "P-384"],
    ["-s", "300000", "--rate", "100"], ["-m", "hold", "-c", "200"],
])
def test_load_goes_through_a_gateway_we_did_not_write(nginx, authority, options):
    code, result = load(f"{nginx.url}/echo", "--ca", str(authority.ca), *options)
    assert code == 0 and result["open"] >= 4, result


def test_load_connects_elsewhere_than_the_url_says(nginx, authority):
    port = nginx.url.rpartition(":")[2]
    code, result = load("wss://localhost/echo", "--connect", f"127.0.0.1:{port}",
                        "--ca", str(authority.ca))
    assert code == 0 and result["echoes"] > 0, result
    code, result = load(f"wss://other.example:{port}/echo", "--connect", "127.0.0.1",
                        "--ca", str(authority.ca))
    assert code == 1 and result["failures"]["tls"]["count"] == 4, result


@pytest.mark.parametrize("version", ["1.3", "1.2"])
def test_a_storm_resumes_sessions_of_openssl(nginx, version):
    code, result = load(f"{nginx.url}/echo", "-m", "storm", "--tls", version, "--resume")
    assert code == 0 and result["resumed"] >= result["opened"] * 0.5 > 0, result
    code, result = load(f"{nginx.url}/missing", "--tls", version)
    assert code == 1 and result["http_statuses"] == {"404": 4}, result


def test_load_refuses_a_certificate_it_cannot_verify(gateway, plain_echo, tmp_path):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=other",
                    "-keyout", tmp_path / "k.pem", "-out", tmp_path / "ca.pem"],
                   check=True, capture_output=True)
    url = gateway(plain_echo).url("/", scheme="wss")
    code, result = load(url, "--ca", str(tmp_path / "ca.pem"))
    assert code == 1 and result["failures"]["tls"]["count"] == 4, result


def answer_404(wire):
    wire.read_head()
    wire.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")


def answer_with_a_wrong_accept(wire):
    wire.read_head()
    wire.send(b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
              b"Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n")


def answer_with(field):
    """A script that upgrades, with one more field in its answer."""
    def script(wire):
        accept = accept_of(field_of(wire.read_head(), "Sec-WebSocket-Key"))
        wire.send(b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  b"Sec-WebSocket-Accept: " + accept.encode() + b"\r\n" + field + b"\r\n\r\n")
        wire.read_to_end()

    return script


def answer_without_end(wire):
    wire.read_head()
    wire.send(b"HTTP/1.1 101 X\r\nA: " + b"b" * 20000)


def say_nothing(wire):
    wire.read_head()
    time.sleep(4)


def echo_nothing(wire):
    switch_protocols(wire)
    time.sleep(4)


def echo_other_bytes(wire):
    switch_protocols(wire)
    wire.read_frame()
    wire.send(frame(BINARY, b"z" * 128))
    wire.read_to_end()


def send_a_reserved_opcode(wire):
    switch_protocols(wire, extra=b"\x83\x00")
    wire.read_to_end()


def close_going_away(wire):
    switch_protocols(wire, extra=close_frame(1001))
    wire.read_to_end()


def end_without_close(wire):
    switch_protocols(wire)
    wire.read_frame()


def reset_connection(wire):
    switch_protocols(wire)
    wire.read_frame()
    wire.reset()


@pytest.mark.parametrize("script, kind", [
    (answer_404, "http"),
    (answer_with_a_wrong_accept, "upgrade"),
    (answer_without_end, "upgrade"),
    (answer_with(b"Sec-WebSocket-Protocol: chat"), "upgrade"),
    (answer_with(b"Sec-WebSocket-Extensions: permessage-deflate"), "upgrade"),
    (say_nothing, "timeout"),
    (echo_nothing, "timeout"),
    (echo_other_bytes, "wrong_bytes"),
    (send_a_reserved_opcode, "frame"),
    (close_going_away, "closed"),
    (end_without_close, "ended"),
    (reset_connection, "reset"),
])
def test_what_a_server_does_wrong_is_told(backend, script, kind):
    server = backend(script)
    code, result = load(f"ws://{server.address}/")
    assert code == 1
    assert {name: found["count"] for name, found in result["failures"].items()} == {kind: 4}, result
    assert result["close_codes"] == ({"1001": 4} if kind == "closed" else {})
    assert result["http_statuses"] == ({"404": 4} if kind == "http" else {})


def test_a_storm_waits_for_the_connections_it_began(backend):
    """A server that stops answering while the window lasts: who waits for it then, waits."""
    numbers = itertools.count()

    def answer_twenty(wire):
        if next(numbers) >= 20:
            wire.read_to_end()
            return
        switch_protocols(wire)
        _, payload = wire.read_frame()
        wire.send(frame(CLOSE, payload))

    code, result = load(f"ws://{backend(answer_twenty).address}/", "-m", "storm")
    assert code == 1 and result["opened"] == 20, result
    assert result["failures"]["timeout"]["count"] == 4


def test_the_reason_of_a_close_is_told(backend):
    """As far as a terminal may be shown it."""
    def close_with_a_reason(wire):
        switch_protocols(wire, extra=close_frame(1013, b"later \x1b[31m\xe2\x82\xac"))
        wire.read_to_end()

    _, result = load(f"ws://{backend(close_with_a_reason).address}/")
    assert result["failures"]["closed"]["first"] == "closed with code 1013: later ?[31m???"


def test_where_a_redirect_leads_is_told(backend):
    def redirect(wire):
        wire.read_head()
        wire.send(b"HTTP/1.1 308 Permanent Redirect\r\nlocation:  https://a.example/\x1b[2J\r\n"
                  b"Content-Length: 0\r\n\r\n")

    _, result = load(f"ws://{backend(redirect).address}/")
    assert result["http_statuses"] == {"308": 4}
    assert result["failures"]["http"]["first"] == (
        "the upgrade was answered with status 308, Location: https://a.example/?[2J")


def test_nobody_listening_is_told_at_once():
    code, result = load(f"ws://127.0.0.1:{free_port()}/", duration="10m")
    assert code == 1 and result["failures"]["refused"]["count"] == 4


def test_a_run_ends_with_its_last_connection(backend):
    server = backend(end_without_close)
    code, result = load(f"ws://{server.address}/", duration="10m")
    assert code == 1 and result["failures"]["ended"]["count"] == 4 and result["open"] == 0


@pytest.mark.skipif(SANITIZER is not None, reason="judges time")
def test_who_is_lost_in_the_warm_up_leaves_no_window(backend):
    """Shorter than the generator looks away for: the window would be microseconds."""
    server = backend(end_without_close)
    code, result = load(f"ws://{server.address}/", "-w", "140ms", duration="10m")
    assert code == 1 and result["failures"]["ended"]["count"] == 4, result
    assert result["seconds"] == 0 and not result["own"]["bottleneck"]


def test_an_interrupt_ends_it_with_a_report(bench_echo):
    command = [BENCH, "load", f"ws://127.0.0.1:{bench_echo.port}/", "-d", "10m", "-w", "0ms",
               "--json", "-"]
    with piped(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stderr.readline()  # the first line of progress
        process.send_signal(signal.SIGINT)
        result = json.loads(process.communicate(timeout=PATIENCE_S)[0])
    assert process.returncode == 0 and result["interrupted"] and result["echoes"] > 0


def test_an_interrupt_before_anything_is_measured_says_so(bench_echo):
    command = [BENCH, "load", f"ws://127.0.0.1:{bench_echo.port}/", "-w", "10m"]
    with piped(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stderr.readline()
        process.send_signal(signal.SIGINT)
        shown = process.communicate(timeout=PATIENCE_S)[0]
    assert process.returncode == 1 and "nothing was measured" in shown and "(interrupted)" in shown
    assert "own CPU" not in shown and "echoes" not in shown, "figures of no time at all"


def test_a_second_interrupt_does_not_wait_for_the_server(backend):
    server = backend(echo_nothing)
    command = [BENCH, "load", f"ws://{server.address}/", "-w", "0s", "--timeout", "1h"]
    with piped(command, stderr=subprocess.PIPE) as process:
        process.stderr.readline()

        def has_ended():
            process.send_signal(signal.SIGINT)
            return process.poll() is not None

        wait_until(has_ended, "ringway-bench")
    assert process.returncode == -signal.SIGINT


@pytest.mark.parametrize("options, stdout", [
    (["--json", "/nonexistent/result", "-d", "10m"], None),  # told at once, not after ten minutes
    (["--json", "/dev/full"], None), (["--json", "-"], "/dev/full"), ([], "/dev/full"),
])
def test_a_result_that_cannot_be_written_is_told(bench_echo, options, stdout):
    with open(stdout or os.devnull, "w") as out:
        done = subprocess.run([BENCH, "load", f"ws://127.0.0.1:{bench_echo.port}/", "-q",
                               "-d", "100ms", "-w", "0s", *options], stdout=out,
                              stderr=subprocess.PIPE, text=True, timeout=PATIENCE_S)
    assert done.returncode == 1
    why = "No such file or directory" if "10m" in options else "No space left on device"
    where = "stdout" if stdout else options[1]
    assert done.stderr == f"ringway-bench: {where}: {why}\n"


def test_nothing_is_printed_to_a_server(bench_echo):
    """Where stderr is closed, no socket takes its place, which progress would be written to."""
    done = subprocess.run(["sh", "-c", 'exec 2>&- <&- "$@"', "sh", BENCH, "load", "-c", "4",
                           f"ws://127.0.0.1:{bench_echo.port}/", "-w", "0s", "-d", "1500ms",
                           "--json", "-"], stdout=subprocess.PIPE, timeout=PATIENCE_S)
    assert done.returncode == 0 and json.loads(done.stdout)["failures"] == {}, done.stdout


STDIO_BYTES = 4096  # what the C library writes at once


def test_the_last_line_that_does_not_fit_is_told_with_its_reason(bench_echo):
    """The result then fills the buffer within its last line: nothing is left to write at the end."""
    def hold(quotes, where):
        url = f"ws://127.0.0.1:{bench_echo.port}/" + '"' * quotes
        return subprocess.run([BENCH, "load", url, "-q", "--mode", "hold", "-c", "1", "-d", "100ms",
                               "-w", "0s", "--json", where],
                              capture_output=True, text=True, timeout=PATIENCE_S)

    whole = hold(0, "-").stdout
    last_line = whole.splitlines()[-2]
    quotes = (STDIO_BYTES - len(whole) + len(last_line) // 2) // len('\\"')
    assert hold(quotes, "/dev/full").stderr == "ringway-bench: /dev/full: No space left on device\n"


PR_CAPBSET_DROP = 24  # prctl(2): of the capabilities that root gets by exec
CAP_SYS_RESOURCE, CAP_LAST = 24, 40


def drop_all_capabilities():
    """In the child: root, but with less rights than another root's processes."""
    for capability in range(CAP_LAST + 1):
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


@pytest.mark.skipif(os.getuid() != 0, reason="it takes root to have rights that can be dropped")
def test_memory_that_may_not_be_read_is_not_told_as_none(bench_echo):
    command = [BENCH, "load", f"ws://127.0.0.1:{bench_echo.port}/", "-d", "100ms", "-w", "0s", "-q",
               "--pid", str(bench_echo.pid)]

    def run(*options, before=drop_all_capabilities):
        done = subprocess.run([*command, *options], capture_output=True, text=True,
                              preexec_fn=before, timeout=PATIENCE_S)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "per echo" in run() and "server memory  unknown" in run()
    server = json.loads(run("--json", "-"))["server"]
    assert server["cpu_cores"] > 0 and "private_open_bytes" not in server
    assert "KB for each open connection" in run(before=None)


def allow_few_files():
    """In the child: a limit that it cannot raise again, even by root."""
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_SYS_RESOURCE, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))


def test_too_few_files_are_told_before_the_run(bench_echo):
    command = [BENCH, "load", f"ws://127.0.0.1:{bench_echo.port}/", "-d", "100ms", "-w", "0s", "-q"]
    done = subprocess.run([*command, "-c", "81"], capture_output=True, text=True,
                          preexec_fn=allow_few_files, timeout=PATIENCE_S)
    assert done.returncode == 1 and not done.stdout
    assert "limit (ulimit -n) is 100, which is enough for 80" in done.stderr
    done = subprocess.run([*command, "-c", "80"], capture_output=True, text=True,
                          preexec_fn=allow_few_files, timeout=PATIENCE_S)
    assert done.returncode == 0 and "80 connections of 80" in done.stdout
    assert "its cores busy 0.0" not in done.stdout  # /proc/stat could be opened


@pytest.mark.parametrize("verb", [["load", "ws://127.0.0.1:1/"], ["serve", "-l", "127.0.0.1:0"]])
def test_a_container_that_forbids_io_uring_is_told(verb):
    done = subprocess.run([sys.executable, HERE / "without_io_uring.py", "EPERM", BENCH, *verb],
                          capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 1 and not done.stdout
    assert done.stderr.count("\n") == 1 and "seccomp profile" in done.stderr


@pytest.mark.parametrize("words", [["load", "ws://127.0.0.1:1/", "-c", "3", "--help"],
                                   ["serve", "-t", "2", "-h"], ["merge", "--help"]])
def test_help_is_given_wherever_it_is_asked_for(words):
    done = subprocess.run([BENCH, *words], capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0 and f"ringway-bench {words[0]} " in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 90, "it fits a terminal"


def accept_tls(wire, certificate):
    """The server's side of TLS, by OpenSSL."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)
    wire.sock = context.wrap_socket(wire.sock, server_side=True, suppress_ragged_eofs=False)


@pytest.mark.parametrize("version", ["1.3", "1.2"])
def test_a_connection_ends_with_close_and_close_notify(backend, certificate, version):
    ends = []

    def close_politely(wire):
        accept_tls(wire, certificate)
        switch_protocols(wire)
        while True:
            first, payload = wire.read_frame()
            wire.send(frame(first & 15, payload))
            if first & 15 == CLOSE:
                ends.append(payload)
                wire.sock.unwrap()  # sends close_notify; raises if none comes back
                return

    server = backend(close_politely)
    code, result = load(f"wss://localhost:{server.port}/", "--tls", version)
    assert code == 0 and result["echoes"] > 0, result
    assert ends == [b"\x03\xe8"] * 4


def end_with_an_echo(wire):
    first = 0
    while first & 15 != CLOSE:
        first, payload = wire.read_frame()
        wire.send(frame(first & 15, payload))


def cut_the_handshake_short(wire):
    wire.sock.recv(100)


def talk_plain_http(wire):
    wire.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    wire.read_to_end()


@pytest.mark.parametrize("script, kind", [(cut_the_handshake_short, "reset"),
                                          (talk_plain_http, "tls")])
def test_a_handshake_that_goes_wrong_is_told(backend, script, kind):
    code, result = load(f"wss://localhost:{backend(script).port}/")
    assert code == 1 and {kind} == set(result["failures"]), result
    assert result["failures"][kind]["count"] == 4


def test_no_common_cipher_suite_is_told(backend, certificate):
    def refuse(wire):
        with pytest.raises(ssl.SSLError):
            accept_tls(wire, certificate)

    url = f"wss://localhost:{backend(refuse).port}/"
    code, result = load(url, "--tls", "1.2", "--cipher", "ECDHE-RSA-AES128-GCM-SHA256")
    assert code == 1 and result["failures"]["tls"]["count"] == 4, result
    assert result["failures"]["tls"]["first"] == (
        "the peer sent the alert handshake_failure while in the TLS handshake")


@pytest.mark.parametrize("version", ["1.3", "1.2"])
@pytest.mark.parametrize("kind", ["ec", "rsa", None])
def test_a_server_that_asks_for_a_certificate_gets_it(backend, authority, certificate, tmp_path,
                                                      kind, version):
    names = []

    def ask_who_it_is(wire):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.chain, certificate.key)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(authority.ca)
        try:
            wire.sock = context.wrap_socket(wire.sock, server_side=True)
        except ssl.SSLError:
            return
        names.append(wire.sock.getpeercert()["subject"][0][0][1])
        switch_protocols(wire)
        end_with_an_echo(wire)

    url = f"wss://localhost:{backend(ask_who_it_is).port}/"
    if not kind:
        code, result = load(url, "--tls", version)
        assert code == 1 and not names
        alert = "certificate_required" if version == "1.3" else "handshake_failure"
        assert alert in result["failures"]["tls"]["first"]
        return
    own = authority.issue("client.example", kind=kind, usage="clientAuth")
    code, result = load(url, "--tls", version, "--cert", str(own.chain), "--key", str(own.key))
    assert code == 0 and names == ["client.example"] * 4, result
    names.clear()
    both = own.combined(tmp_path / "both.pem")
    assert load(url, "--tls", version, "--cert", str(both))[0] == 0 and len(names) == 4


@pytest.mark.parametrize("cert, key, words", [
    ("/nonexistent", None, "--cert /nonexistent: No such file or directory"),
    ("chain", "/nonexistent", "--key /nonexistent: No such file or directory"),
    ("key", None, "has no certificate in PEM"),
    ("chain", None, "has no private key in PEM"),
    ("chain", "other key", "the key is not that of the certificate"),
])
def test_a_certificate_that_cannot_be_shown_is_told_before_the_run(authority, certificate, cert,
                                                                   key, words):
    files = {"chain": certificate.chain, "key": certificate.key,
             "other key": authority.issue("other.example").key}
    options = ["--cert", files.get(cert, cert)] + (["--key", files.get(key, key)] if key else [])
    done = subprocess.run([BENCH, "load", "wss://127.0.0.1:1/", *map(str, options)],
                          capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 1 and words in done.stderr and not done.stdout, done


@pytest.mark.parametrize("options, words", [
    (["--ca", "/nonexistent/ca.pem"], "--ca /nonexistent/ca.pem: No such file or directory"),
    (["--ca", "/dev/null"], "--ca /dev/null: has no certificate"),
    (["--cipher", "NONE-SUCH"], "--cipher NONE-SUCH: no suite of TLS 1.3"),
    (["--tls", "1.2", "--cipher", "TLS13-AES128-GCM-SHA256"], "no suite of TLS 1.2"),
    (["--cipher", "ECDHE-RSA-AES128-GCM-SHA256"], "no suite of TLS 1.3"),
])
def test_tls_that_cannot_be_spoken_is_told_before_the_run(options, words):
    done = subprocess.run([BENCH, "load", "wss://127.0.0.1:1/", *options], capture_output=True,
                          text=True, timeout=PATIENCE_S)
    assert done.returncode == 1 and words in done.stderr and not done.stdout


@pytest.mark.parametrize("options, version, suite", [
    ([], "TLSv1.3", "TLS_AES_128_GCM_SHA256"),
    (["--cipher", "TLS_AES_256_GCM_SHA384"], "TLSv1.3", "TLS_AES_256_GCM_SHA384"),
    (["--tls", "1.2"], "TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256"),
    (["--tls", "1.2", "--cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"], "TLSv1.2",
     "ECDHE-ECDSA-CHACHA20-POLY1305"),
])
def test_tls_is_spoken_as_asked_for(backend, certificate, options, version, suite):
    spoken = []

    def note(wire):
        accept_tls(wire, certificate)
        spoken.append((wire.sock.version(), wire.sock.cipher()[0]))
        switch_protocols(wire)
        end_with_an_echo(wire)

    code, result = load(f"wss://localhost:{backend(note).port}/", *options)
    assert code == 0 and spoken == [(version, suite)] * 4, result


@pytest.mark.parametrize("group, curve", [("P-384", "secp384r1"), ("P-256", "prime256v1")])
def test_the_key_exchange_is_the_one_asked_for(backend, certificate, group, curve):
    """The server takes part in no other."""
    def take_one(wire):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.chain, certificate.key)
        context.set_ecdh_curve(curve)
        with contextlib.suppress(ssl.SSLError):
            wire.sock = context.wrap_socket(wire.sock, server_side=True)
            switch_protocols(wire)
            end_with_an_echo(wire)

    url = f"wss://localhost:{backend(take_one).port}/"
    code, result = load(url, "--group", group)
    assert code == 0, result
    code, result = load(url)  # X25519
    assert code == 1 and result["failures"]["tls"]["count"] == 4, result


def test_a_web_server_that_knows_no_websocket_is_told(certificate):
    port = free_port()
    server = Process(["openssl", "s_server", "-accept", str(port), "-www", "-cert",
                      certificate.chain, "-key", certificate.key])
    server.wait_line("ACCEPT")
    code, result = load(f"wss://localhost:{port}/", connections=1)
    server.stop()
    assert code == 1 and result["http_statuses"] == {"200": 1}, result


def test_a_rate_beyond_what_a_server_can_do_is_borne(plain_echo):
    """The generator goes on reading while it is late with sending, and gives up in time."""
    began = time.monotonic()
    code, result = load(f"ws://{plain_echo.address}/", "--rate", "2000000", duration="1s")
    assert code == 1 and result["failures"]["timeout"]["count"] == 4, result
    assert result["echoes"] > 1000 and result["unanswered"] > 1_000_000, result
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("options, words", [([], "messages/s"), (["-m", "storm"], "upgrades/s"),
                                            (["-q"], None)])
def test_progress_is_told_to_a_log(bench_echo, options, words):
    done = subprocess.run([BENCH, "load", f"ws://127.0.0.1:{bench_echo.port}/", "-d", "2s",
                           "-w", "100ms", *options], capture_output=True, text=True,
                          timeout=PATIENCE_S)
    assert done.returncode == 0 and "own CPU" in done.stdout
    if words:
        lines = done.stderr.splitlines()
        assert lines and all(words in line and "0 failed" in line for line in lines)
    else:
        assert done.stderr == ""


def test_progress_says_what_is_done_now(bench_echo, backend):
    def stages(url, *options):
        done = subprocess.run([BENCH, "load", url, *options], capture_output=True, text=True,
                              timeout=PATIENCE_S)
        return {line[:line.index(" s ")].translate(DIGITS) for line in done.stderr.splitlines()}

    DIGITS = str.maketrans("123456789", "0" * 9)
    shown = stages(f"ws://127.0.0.1:{bench_echo.port}/", "-c", "20", "--ramp", "1500ms", "-w",
                   "1500ms", "-d", "1500ms")
    assert {"opening      0.0 of 0.0", "warm-up      0.0 of 0.0", "measuring    0.0 of 0.0"} <= shown
    shown = stages(f"ws://{backend(echo_nothing).address}/", "-w", "0s", "-d", "100ms", "--timeout",
                   "2s")
    assert "closing      0.0" in shown, "an end that is waited for"


def test_progress_is_one_line_that_changes_on_a_terminal(bench_echo):
    terminal, stderr = pty.openpty()
    done = subprocess.run([BENCH, "load", f"ws://127.0.0.1:{bench_echo.port}/", "-d", "1s"],
                          stdout=subprocess.PIPE, stderr=stderr, timeout=PATIENCE_S)
    shown = os.read(terminal, 65536)
    os.close(terminal), os.close(stderr)
    assert done.returncode == 0
    assert shown.count(b"messages/s") >= 2 and b"\n" not in shown
    assert shown.endswith(b"\r\x1b[K")


@pytest.mark.parametrize("options, bottleneck", [
    ([], True),             # a server and its load on one core leave nothing of it
    (["-m", "hold"], False)  # who hardly runs limits nobody, however busy the core is
])
def test_a_generator_without_cpu_left_says_so(options, bottleneck):
    one_core = ["taskset", "-c", str(min(os.sched_getaffinity(0)))]
    server = Process([*one_core, BENCH, "serve", "-l", "127.0.0.1:0"])
    url = f"ws://127.0.0.1:{server.wait_line(r':([0-9]+),')[1]}/"
    done = subprocess.run([*one_core, BENCH, "load", url, "-q", "-d", "2s", "--json", "-", *options],
                          capture_output=True, text=True, timeout=PATIENCE_S)
    server.stop()
    own = json.loads(done.stdout)["own"]
    assert own["bottleneck"] == bottleneck, own
    assert own["cores_busy"] <= 1 and own["busiest_thread"] <= own["cpu_cores"] + 0.01
    if bottleneck:  # the core is the server's for part of the time: then it waits
        assert own["busiest_wanted"] > own["busiest_thread"] + 0.1, own
    else:
        assert own["busiest_wanted"] < 0.5, own


def connected_sources(port):
    """How many connections there are from each address to a port of this machine."""
    remotes = set()  # while others come and go, a line may come twice, or not at all
    with open("/proc/net/tcp") as table:
        for line in list(table)[1:]:
            _, local, remote, state = line.split()[:4]
            if state == "01" and int(local[-4:], 16) == port:  # established, the server's end
                remotes.add(remote)
    return collections.Counter(socket.inet_ntoa(bytes.fromhex(remote[:8])[::-1])
                               for remote in remotes)


@pytest.mark.skipif(SANITIZER is not None or
                    resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 17_000,
                    reason="takes 16,001 connections")
def test_many_connections_come_from_several_addresses(bench_echo):
    command = [BENCH, "load", f"ws://127.0.0.1:{bench_echo.port}/", "-c", "16001", "-m", "hold",
               "-d", "10m", "-w", "0s", "--json", "-"]
    with piped(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        shown = process.stderr.readline()
        while "measuring" not in shown:
            assert shown, "it ended"
            shown = process.stderr.readline()
        expected = {"127.0.0.2": 16000, "127.0.0.3": 1}
        wait_until(lambda: connected_sources(bench_echo.port) == expected, "two addresses")
        process.send_signal(signal.SIGINT)
        result = json.loads(process.communicate(timeout=PATIENCE_S)[0])
    assert process.returncode == 0 and result["open"] == 16001


def test_connections_are_opened_over_the_ramp(backend):
    times = []

    def answer(wire):
        times.append(time.monotonic())
        switch_protocols(wire)
        with contextlib.suppress(OSError):
            close = wire.read_frame()
            wire.send(frame(close[0] & 15, close[1]))

    server = backend(answer)
    load(f"ws://{server.address}/", "--ramp", "1s", connections=5)
    assert len(times) == 5
    assert times[-1] - times[0] > 0.5  # the first after 200 ms, the last after 1 s


def stall_once(wire):
    """Echoes, but for 600 ms in the first second does nothing."""
    switch_protocols(wire)
    stall_at = time.monotonic() + 0.4
    while True:
        first, payload = wire.read_frame()
        if stall_at and time.monotonic() > stall_at:
            time.sleep(0.6)
            stall_at = None
        wire.send(frame(first & 15, payload))
        if first & 15 == CLOSE:
            return


@pytest.mark.skipif(SANITIZER is not None, reason="judges time")
def test_a_stall_counts_for_every_message_that_was_due(backend):
    """One message in three was due within the stall. A generator that waits for its echoes would
    show one slow message and a good p90."""
    server = backend(stall_once)
    _, result = load(f"ws://{server.address}/", "--rate", "100", connections=1, duration="1500ms")
    assert result["latency"]["count"] == pytest.approx(150, abs=5)
    assert result["latency"]["p90_us"] > 200_000
    assert result["latency"]["max_us"] < 2_000_000


@pytest.mark.skipif(SANITIZER is not None, reason="judges time")
def test_a_generator_that_stalls_leaves_no_message_out(bench_echo):
    """It stands still for the last half second of the window and longer. What was due then is the
    slowest of all, and is sent and counted."""
    command = [BENCH, "load", f"ws://127.0.0.1:{bench_echo.port}/", "-w", "0s", "-d", "1500ms",
               "--rate", "2000", "-c", "8", "-t", "4", "--json", "-"]
    with piped(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stderr.readline()  # after a second
        process.send_signal(signal.SIGSTOP)
        time.sleep(1)
        process.send_signal(signal.SIGCONT)
        result = json.loads(process.communicate(timeout=PATIENCE_S)[0])
    assert process.returncode == 0 and result["unanswered"] == 0
    assert result["latency"]["count"] == 3000
    assert result["latency"]["max_us"] > 900_000 and result["latency"]["p90_us"] > 500_000
