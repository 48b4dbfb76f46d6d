# SPDX-License-Identifier: Apache-2.0
"""SIGKILL at any moment of an order: the next start, or the gateway that waits beside, goes on. There
is never a second account, and no order is made where one was under way."""

import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

from acme_gateway import HOST, is_real, renew, served, site
from acme_server import answer
from meddler import Meddler
from processes import PATIENCE_S, PROGRAM, SANITIZER, Process, wait_until

# What is written in the course of an order; each is opened, written, synced, renamed, and its folder
# synced.
FILES = ["/accounts/", f"/orders/{HOST}.json", f"/certificates/{HOST}.pem", f"/certificates/{HOST}.json"]
KEY_END = "-----END EC PRIVATE KEY-----"


def accounts(server):
    return max(map(int, re.findall(r"There are now (\d+) accounts", server.process.output)), default=0)


def orders(server):
    return server.process.output.count("Added order")


def whole(state):
    """No file in its place is half there."""
    for path in state.rglob("*.json"):
        json.loads(path.read_text())
    for path in state.rglob("*.pem"):
        assert path.read_text().rstrip().endswith(KEY_END)


def test_killed_at_any_time_it_goes_on(gateways, pebble, state):
    """At moments that the clock picks, while the authority takes its time."""
    server = pebble(environment={"PEBBLE_VA_NOSLEEP": "", "PEBBLE_VA_SLEEPTIME": "1"})
    keys = dict(listen=server.listen(None), acme=server.acme(state), sites={HOST: site()})
    for turn in range(6):
        gate = gateways(**keys).start()
        time.sleep(0.05 + turn * 0.15)
        gate.stopped = True
        gate.process.stop(signal.SIGKILL)
        whole(state)
    last = gateways(**keys).start()
    if not (state / "certificates" / f"{HOST}.pem").exists():
        last.wait_log("new certificate")
    wait_until(lambda: is_real(server.tls_port), "the certificate")
    assert accounts(server) == 1


@pytest.mark.slow
@pytest.mark.skipif(SANITIZER is not None, reason="the sanitizer wants to be the first library")
def test_killed_at_every_file_operation(gateways, pebble, state, tmp_path):
    """From nothing, killed at the first operation on a file, at the second, until one lives; the start
    after each has the certificate."""
    shim = tmp_path / "kill_at.so"
    source = Path(__file__).parent / "kill_at.c"
    subprocess.run(["gcc", "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", shim, source, "-ldl"], check=True)
    server = pebble()
    gate = gateways(listen=server.listen(None), acme=server.acme(state), sites={HOST: site()})
    gate.write()

    def run_once(**environment):
        """Until it is killed or has the certificate; what it printed."""
        process = Process([PROGRAM, "run", "-c", gate.path], env={**os.environ, **environment})
        wait_until(
            lambda: not process.running or ": new certificate, good until" in process.output
            or (state / "certificates" / f"{HOST}.pem").exists() and not environment,
            "it is killed, or done",
        )  # fmt: skip
        process.stop(signal.SIGKILL)
        whole(state)
        return process.output

    killed = []
    for at in range(1, 100):
        before = accounts(server), orders(server)
        said = run_once(LD_PRELOAD=str(shim), KILL_AT=str(at), KILL_BELOW=str(state))
        if "killed at" not in said:
            break
        killed += re.findall("killed at (.*)", said)
        known = bool(list(state.glob("orders/*.json")))
        ordered = orders(server)
        run_once()
        assert (state / "certificates" / f"{HOST}.pem").exists()
        assert accounts(server) == before[0] + 1, (killed[-1], "one account")
        assert orders(server) == ordered or not known, (killed[-1], "an order was abandoned")
        shutil.rmtree(state)
    for file in FILES:
        done = {line.split()[0] for line in killed if file in line}
        assert {"open", "write", "fsync", "rename"} <= done, (file, killed)
    assert f"unlink {FILES[1]}" in killed and "open /lock" in killed, killed
    assert not list((state / "orders").iterdir()), "nothing is under way"


@pytest.mark.parametrize("place", ["/finalize-order/", "/certZ/"])
def test_another_gateway_takes_over_mid_order(gateways, authority, pebble, state, place):
    """Two on one folder: the one that does the work is killed while the authority answers it. The
    other takes the lock, and goes on with the same account and order."""
    server = pebble()
    meddler = Meddler(authority, server)
    keys = dict(acme=meddler.acme(state), sites={HOST: site("http-01")})
    both_run = threading.Event()

    def kill(wire, body):
        meddler.meddle.clear()
        assert both_run.wait(PATIENCE_S)
        first.process.stop(signal.SIGKILL)

    meddler.meddle = {place: kill}
    first = gateways(listen=server.listen(None), **keys).start()
    first.stopped = True
    second = gateways(**keys).start()
    second.wait_log("another gateway cares for the certificates of this folder")
    both_run.set()
    second.wait_log("going on with the order")
    second.wait_log("new certificate")
    wait_until(lambda: is_real(second.port), "it serves what it got")
    meddler.close()
    assert accounts(server) == 1 and orders(server) == 1


def test_killed_before_the_order_is_forgotten(gateways, authority, pebble, state):
    """Its certificate is in place, so it is over: the next renewal makes another one."""
    server = pebble()
    meddler = Meddler(authority, server)
    keys = dict(listen=server.listen(None), acme=meddler.acme(state), sites={HOST: site()})
    order, kept = state / "orders" / f"{HOST}.json", []

    def keep(wire, body):
        kept.append(order.read_text())
        wire.write(answer(body))

    meddler.meddle = {"/certZ/": keep}
    gate = gateways(**keys).start()
    gate.wait_log("certificates have been renewed")
    before = served(server.tls_port)["serial"]
    gate.stop()
    order.write_text(kept[0])
    gate = gateways(**keys).start()
    done = renew(gate, HOST)
    assert done.returncode == 0, done.stderr
    assert served(server.tls_port)["serial"] != before
    meddler.close()
    assert orders(server) == 2 and not order.exists()
