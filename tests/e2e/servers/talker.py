# SPDX-License-Identifier: Apache-2.0
"""A WebSocket server by python3-websockets that is no echo: it greets, and answers each message with
words of its own; at /quiet it only goes on with its news. Prints `listening PORT`, and for every
connection that ends a JSON line with how many messages it heard, and what they said."""

import asyncio
import json

import websockets


async def news(connection):
    while True:
        await connection.send("news")
        await asyncio.sleep(0.02)


async def talk(connection):
    await connection.send("welcome")
    telling = asyncio.create_task(news(connection)) if connection.path == "/quiet" else None
    count, said = 0, set()
    try:
        async for message in connection:
            count += 1
            said.add(message if isinstance(message, str) else f"binary {message.hex()}")
            if not telling:
                await connection.send(f"that makes {count}")
    except websockets.ConnectionClosed:
        pass
    if telling:
        telling.cancel()
    print(json.dumps({"count": count, "said": sorted(said)}), flush=True)


async def main():
    server = await websockets.serve(talk, "127.0.0.1", 0, compression=None)
    print("listening", server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Future()


asyncio.run(main())
