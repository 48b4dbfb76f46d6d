# SPDX-License-Identifier: Apache-2.0
"""Memory for pipes runs out, for the gateway's user (pipe(7)): payload goes through the smallest, or
is copied, and none is lost."""

import os

import pytest

from gateway import servers, site
from test_splice import echo_frames
from wire import BINARY, connect, frame, open_websocket, websocket


@pytest.mark.parametrize("limit", ["soft", "hard"])
def test_pipe_user_pages(gateways, backend, sysctls, limit):
    """Behind the soft limit pipes have two pages, behind the hard one there are none: what passes is
    copied. The limits are not for those who may do everything."""
    server = backend(websocket(echo_frames), keep_all=False)
    localhost = site(aliases=["127.0.0.1"])
    gate = gateways(sites={"localhost": localhost}, upstreams={"app": servers(server)}, workers=1)
    gate.start(wrapper=["setpriv", "--bounding-set=-sys_resource,-sys_admin"])
    sysctls(f"fs.pipe-user-pages-{limit}", 1)
    payload = os.urandom(2 << 20)
    with connect(gate.plain_port, keep_all=False) as wire:
        open_websocket(wire)
        for _ in range(3):
            wire.send(frame(BINARY, payload, masked=True))
            assert wire.read_frame() == (128 | BINARY, payload)
        assert gate.status()["splices"] == 0
        sysctls(f"fs.pipe-user-pages-{limit}", 0)  # no limit
        wire.send(frame(BINARY, payload, masked=True))
        assert wire.read_frame() == (128 | BINARY, payload)
        assert gate.status()["splices"] == 2
