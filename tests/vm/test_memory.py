# SPDX-License-Identifier: Apache-2.0
"""What an idle wss connection costs in user memory when the kernel has its keys: a few hundred bytes
of ours, and nothing of the TLS library's."""

import json
import os
import subprocess

import pytest

from conftest import needs_kernel_tls
from processes import ROOT
from test_handover import kernel

pytestmark = needs_kernel_tls

BENCH = ROOT / "build" / "ringway-bench"
CONNECTIONS = int(os.environ.get("RINGWAY_IDLE", 500))
FEW = 100
# Handshakes at the same time would leave holes in the heap, and each costs what 20 connections do.
APART_MS = 20


def held_bytes(gate, count):
    """The gateway's private memory with `count` WebSockets open, each after one echo."""
    done = subprocess.run(
        [BENCH, "load", gate.url(scheme="wss"), "-c", str(count), "-s", "128", "-m", "hold", "-d", "1s",
         "--ramp", f"{count * APART_MS}ms", "--timeout", "600s", "--pid", str(gate.process.pid),
         "--json", "-"],
        capture_output=True, text=True, check=False, timeout=900,
    )  # fmt: skip
    result = json.loads(done.stdout)
    assert result["open"] == count, result["failures"]
    return result["server"]["private_open_bytes"]


@pytest.mark.timeout(1000)
def test_idle_connection(gateway, started, tmp_path):
    """Measured as in docs/performance.md: what more connections take more, started afresh."""
    from processes import Process, free_port

    port = free_port()
    server = Process([BENCH, "serve", "--listen", f"127.0.0.1:{port}"])
    held = {}
    try:
        for count in FEW, CONNECTIONS:
            gate = gateway(f"127.0.0.1:{port}", workers=1, access_log={"target": "none"}, **kernel())
            held[count] = held_bytes(gate, count)
            assert gate.status()["ktls_rx"] == count
            gate.stop()
    finally:
        server.stop()
    each = (held[CONNECTIONS] - held[FEW]) / (CONNECTIONS - FEW)
    print(f"{each:.0f} bytes for each of {CONNECTIONS} connections")
    assert each <= 1536
