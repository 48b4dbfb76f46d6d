# SPDX-License-Identifier: Apache-2.0
"""Many orders in a row at a Pebble that refuses nonces, remembers authorizations and takes its time
at random. 20 by default; RINGWAY_ACME_ORDERS=500 asks for more."""

import os
import re
import ssl
import time

import pytest

from acme_gateway import acme_gateway, site
from gateway import run_ringway
from processes import PATIENCE_S, SANITIZER
from wire import connect

ORDERS = int(os.environ.get("RINGWAY_ACME_ORDERS", 20))
MOODY = {
    "PEBBLE_WFE_NONCEREJECT": "20",
    "PEBBLE_AUTHZREUSE": "80",
    "PEBBLE_VA_NOSLEEP": "",
    "PEBBLE_VA_SLEEPTIME": "2",
}


def figures(gate, server, took):
    """One line, and how many requests were refused for their nonce."""
    posts = len(re.findall("POST /(order-plz|finalize-order/|certZ/)", server.process.output))
    refused = posts - 3 * ORDERS
    validated = server.process.output.count("set VALID by completed challenge")
    print(f"{ORDERS} orders in {took:.1f} s ({took / ORDERS:.2f} s each), {validated} validations,"
          f" at least {refused} nonces refused; the gateway took {gate.process.cpu_s():.2f} s of CPU"
          f" and has {gate.process.memory_kb()} kB resident")  # fmt: skip
    return refused, validated


@pytest.mark.slow
@pytest.mark.timeout(240 + 6 * ORDERS)
def test_orders_in_a_row(gateway, pebble, state, tmp_path):
    """Half of them are first ones and half renewals. None fails, one account does, and each site is
    served with a chain that a client accepts."""
    server = pebble(environment=MOODY)
    kinds = "http-01", "tls-alpn-01", "auto"
    names = [f"s{i}.example.com" for i in range(ORDERS // 2)]
    begun = time.monotonic()
    gate = acme_gateway(
        gateway, server, state, {name: site(kinds[i % 3]) for i, name in enumerate(names)}
    )
    for name in names:
        gate.wait_log(f"acme: {name}: new certificate")
    done = run_ringway("cert", "renew", "-c", gate.path, timeout=PATIENCE_S + 6 * ORDERS)
    assert done.returncode == 0, done.stderr
    refused, validated = figures(gate, server, time.monotonic() - begun)
    assert refused > 0 and len(names) <= validated < ORDERS
    assert gate.log.count(": new certificate") == ORDERS and ": no certificate:" not in gate.log
    assert "There are now 2 accounts" not in server.process.output
    assert not list((state / "orders").iterdir()), "nothing is under way"
    context = ssl.create_default_context(cafile=server.root_file(tmp_path / "root.pem"))
    for name in names:
        with connect(server.tls_port, context, sni=name) as wire:
            assert wire.sock.getpeercert()["subjectAltName"] == (("DNS", name),)
    if not SANITIZER:
        assert gate.process.memory_kb() < 50_000
