# SPDX-License-Identifier: Apache-2.0
"""A WebSocket server by python3-websockets that sends each message to all other clients. Prints
`listening PORT`."""

import asyncio

import websockets

clients = set()


async def talk(connection):
    clients.add(connection)
    try:
        async for message in connection:
            websockets.broadcast(clients - {connection}, message)
    except websockets.ConnectionClosed:
        pass
    finally:
        clients.remove(connection)


async def main():
    server = await websockets.serve(talk, "127.0.0.1", 0, max_size=None, compression=None)
    print("listening", server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Future()


asyncio.run(main())
