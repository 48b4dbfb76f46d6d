# SPDX-License-Identifier: Apache-2.0
"""What an idle wss connection costs in user memory when the kernel has its keys: a few hundred bytes
of ours, and nothing of the TLS library's."""

import os
import re
from pathlib import Path

import pytest

from conftest import needs_kernel_tls
from processes import ROOT, Process, free_port
from test_handover import assert_echo, kernel
from wire import open_websocket

pytestmark = needs_kernel_tls

BENCH = ROOT / "build" / "ringway-bench"
CONNECTIONS = int(os.environ.get("RINGWAY_IDLE", 400))
FEW = 100


def private_bytes(gate):
    rollup = Path(f"/proc/{gate.process.pid}/smaps_rollup").read_text()
    return 1024 * int(re.search(r"Private_Dirty: +(\d+) kB", rollup)[1])


@pytest.mark.once
@pytest.mark.timeout(2400)
def test_idle_connection(gateway, client):
    """What the connections beyond the first ones take, each idle after one echo. They come one after
    the other: handshakes at the same time would leave holes in the heap, larger than what is measured."""
    port = free_port()
    server = Process([BENCH, "serve", "--listen", f"127.0.0.1:{port}"])
    server.wait_line("echo backend on")
    try:
        gate = gateway(f"127.0.0.1:{port}", workers=1, access_log={"target": "none"}, **kernel())
        context = gate.tls_context()
        for count in range(1, CONNECTIONS + 1):
            wire = client(gate.port, context, keep_all=False)
            open_websocket(wire)
            assert_echo(wire, bytes(128))
            if count == FEW:
                before = private_bytes(gate)
        each = (private_bytes(gate) - before) / (CONNECTIONS - FEW)
        assert gate.status()["ktls_rx"] == CONNECTIONS
    finally:
        server.stop()
    print(f"{each:.0f} bytes for each of {CONNECTIONS} connections")
    assert each <= 1536
