# SPDX-License-Identifier: Apache-2.0
"""A WebSocket echo by python3-websockets. Prints `listening PORT`, and a JSON line for every
connection that ends: close code, reason, path, subprotocol and extensions.

PORT: where to listen (any free one). COMPRESSION=off: no permessage-deflate."""

import asyncio
import json
import os

import websockets


async def echo(connection):
    try:
        async for message in connection:
            await connection.send(message)
    except websockets.ConnectionClosed:
        pass
    await connection.wait_closed()
    report = {
        "code": connection.close_code,
        "reason": connection.close_reason,
        "path": connection.path,
        "subprotocol": connection.subprotocol,
        "extensions": [extension.name for extension in connection.extensions],
    }
    print(json.dumps(report), flush=True)


async def main():
    server = await websockets.serve(
        echo,
        "127.0.0.1",
        int(os.environ.get("PORT", 0)),
        max_size=None,
        ping_interval=None,
        backlog=2048,
        subprotocols=["chat.v2", "chat.v1"],
        compression=None if os.environ.get("COMPRESSION") == "off" else "deflate",
    )
    print("listening", server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Future()


asyncio.run(main())
