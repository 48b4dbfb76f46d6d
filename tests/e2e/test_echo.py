# SPDX-License-Identifier: Apache-2.0
"""Messages of every size, over ws and wss, come back as they were sent."""

import asyncio
import os
import random

import pytest
import websockets

from peers import connect_websocket, run
from processes import PATIENCE_S, SANITIZER
from wire import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    close_frame,
    frame,
    open_websocket,
    switch_protocols,
    xor,
)

pytestmark = pytest.mark.kernel  # goes on after the handshake: also with kernel TLS

# Around each of the three ways to write a length, and a megabyte.
SIZES = [0, 1, 125, 126, 65535, 65536, 1_000_000]
MB = 1024 * 1024


def letters(size):
    return os.urandom(size // 2 + 1).hex()[:size]


async def echoed(connection, message):
    await connection.send(message)
    assert await connection.recv() == message


@pytest.mark.tsan
@pytest.mark.parametrize("scheme", ["ws", "wss"])
@pytest.mark.parametrize("make", [letters, os.urandom], ids=["text", "binary"])
def test_messages_of_all_sizes(gateway, plain_echo, scheme, make):
    gate = gateway(plain_echo)

    async def talk():
        async with connect_websocket(gate, scheme=scheme, compression=None) as connection:
            assert not connection.extensions
            for size in SIZES:
                await echoed(connection, make(size))

    run(talk())


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["ws", "wss"])
@pytest.mark.parametrize("make", [letters, os.urandom], ids=["text", "binary"])
def test_64_megabytes_in_one_message(gateway, plain_echo, scheme, make):
    gate = gateway(plain_echo)
    message = make(64 * MB)

    async def talk():
        async with connect_websocket(gate, scheme=scheme, compression=None) as connection:
            await echoed(connection, message)

    run(talk(), PATIENCE_S * 5)
    if not SANITIZER:
        assert gate.process.memory_kb() < 64 * 1024, "the gateway must not hold the message"


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_fragments_with_control_frames_between(gateway, plain_echo, scheme):
    gate = gateway(plain_echo)
    parts = [os.urandom(random.choice(SIZES[:-1])) for _ in range(12)]

    async def talk():
        async with connect_websocket(gate, scheme=scheme, compression=None) as connection:

            async def pieces():
                for part in parts:
                    yield part
                    # The pong comes from the backend while the message is still open.
                    pong = await connection.ping()
                    await pong

            await connection.send(pieces())
            assert await connection.recv() == b"".join(parts)

    run(talk())


@pytest.mark.parametrize("tls", [False, True], ids=["ws", "wss"])
def test_frames_are_not_cut_joined_or_changed(gateway, backend, client, tls):
    """What the backend receives is what the client sent, byte by byte, in both directions:
    masks, reserved bits of extensions, fragments, control frames, unusual length codings."""
    sequence = [
        (TEXT, b"hello", {}),
        (BINARY, b"", {"fin": False}),
        (PING, b"p" * 125, {}),
        (CONTINUATION, os.urandom(70_000), {"fin": False}),
        (PONG, b"", {}),
        (CONTINUATION, b"", {}),
        (TEXT, os.urandom(300), {"rsv": 4}),  # as permessage-deflate marks a compressed message
        (BINARY, os.urandom(200_000), {}),
    ]

    def stream(masked):
        frames = [frame(op, payload, masked=masked, **bits) for op, payload, bits in sequence]
        return b"".join(frames) + close_frame(4711, b"the end", masked=masked)

    sent, answer = stream(masked=True), stream(masked=False)

    def script(wire):
        switch_protocols(wire)
        arrived.append(wire.read_exactly(len(sent)))
        wire.send(answer)

    arrived = []
    server = backend(script)
    gate = gateway(server)
    wire = client(gate.port if tls else gate.plain_port, gate.tls_context() if tls else None)
    open_websocket(wire)
    for start in range(0, len(sent), 7919):
        wire.send(sent[start : start + 7919])
    assert wire.read_exactly(len(answer)) == answer
    assert arrived[0] == sent


def test_compression_is_agreed_between_the_ends(gateway, echo):
    gate = gateway(echo)
    mark = echo.mark()

    async def talk():
        async with connect_websocket(gate) as connection:
            assert [e.name for e in connection.extensions] == ["permessage-deflate"]
            for message in ["", "x" * 100_000, letters(100_000), os.urandom(300_000)]:
                await echoed(connection, message)

    run(talk())
    assert echo.reported(1, mark)[0]["extensions"] == ["permessage-deflate"]


def test_subprotocol_is_agreed_between_the_ends(gateway, echo):
    gate = gateway(echo)
    mark = echo.mark()

    async def talk(offered):
        async with connect_websocket(gate, subprotocols=offered) as connection:
            return connection.subprotocol

    assert run(talk(["chat.v1", "other"])) == "chat.v1"
    assert run(talk(["other", "chat.v2"])) == "chat.v2"
    assert run(talk(["other"])) is None
    assert [r["subprotocol"] for r in echo.reported(3, mark)] == ["chat.v1", "chat.v2", None]


def test_close_codes_and_reasons_reach_the_other_side(gateway, backend, echo):
    gate = gateway(echo)
    mark = echo.mark()

    async def leave():
        connection = await connect_websocket(gate)
        await connection.close(4001, "see you")
        return connection.close_code

    assert run(leave()) == 4001
    report = echo.reported(1, mark)[0]
    assert (report["code"], report["reason"]) == (4001, "see you")

    def dismiss(wire):
        switch_protocols(wire)
        wire.send(close_frame(4002, b"closing time"))
        assert wire.read_close() == 4002

    gate = gateway(backend(dismiss))

    async def dismissed():
        connection = await connect_websocket(gate)
        with pytest.raises(websockets.ConnectionClosed):
            await connection.recv()
        return connection.close_code, connection.close_reason

    assert run(dismissed()) == (4002, "closing time")


@pytest.mark.slow
@pytest.mark.tsan
@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_1000_connections_at_once(gateway, plain_echo, scheme):
    count = 200 if SANITIZER == "thread" else 1000
    gate = gateway(plain_echo)
    context = gate.tls_context() if scheme == "wss" else None
    handshakes = asyncio.Semaphore(100)  # at once; every connection stays open

    async def one(number, all_open, opened):
        async with handshakes:
            connection = await connect_websocket(gate, scheme=scheme, ssl=context, compression=None)
        opened.append(number)
        if len(opened) == count:
            all_open.set()
        await all_open.wait()
        for turn in range(3):
            await echoed(connection, f"{number}/{turn} " + "x" * (number % 1500))
        await connection.close()

    async def talk():
        all_open = asyncio.Event()
        opened = []
        await asyncio.gather(*(one(number, all_open, opened) for number in range(count)))

    run(talk(), PATIENCE_S * 5)


def test_masks_are_undone_by_the_test_tools():
    """The tools' own arithmetic, since other tests lean on it (RFC 6455 §5.7)."""
    assert xor(bytes.fromhex("7f9f4d5158"), bytes.fromhex("37fa213d")) == b"Hello"
    assert frame(TEXT, b"Hello") == bytes.fromhex("810548656c6c6f")
    assert frame(BINARY, b"x" * 256)[:4] == bytes.fromhex("827e0100")
    assert frame(BINARY, b"x" * 65536)[:10] == bytes.fromhex("827f0000000000010000")
    assert close_frame(1000) == bytes([128 | CLOSE, 2, 3, 232])
