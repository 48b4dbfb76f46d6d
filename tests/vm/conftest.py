# SPDX-License-Identifier: Apache-2.0
"""Tests of kernel TLS and of splicing, run in a virtual machine by `tests/vm/run`. Elsewhere those
that want kernel TLS are skipped. Gateways, backends and certificates are those of tests/e2e."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

E2E = Path(__file__).resolve().parents[1] / "e2e"
sys.path[:0] = [str(E2E), str(Path(__file__).parent)]

spec = importlib.util.spec_from_file_location("e2e_fixtures", E2E / "conftest.py")
e2e = importlib.util.module_from_spec(spec)
spec.loader.exec_module(e2e)
authority, certificate, rsa_certificate = e2e.authority, e2e.certificate, e2e.rsa_certificate
gateways, gateway, backend, client, started = (
    e2e.gateways, e2e.gateway, e2e.backend, e2e.client, e2e.started,
)  # fmt: skip
plain_echo, nothing_left = e2e.plain_echo, e2e.nothing_left

from gateway import run_ringway  # noqa: E402 - the path is set above
from records import RecordClient  # noqa: E402


def pytest_configure(config):
    e2e.pytest_configure(config)
    for marker in "kernel: as in tests/e2e", "once: the same with every kernel; run with one":
        config.addinivalue_line("markers", marker)


VERSION = run_ringway("version").stdout
KERNEL_TLS = "kernel TLS   send: AES" in VERSION
REKEYS = "key updates: yes" in VERSION.partition("kernel TLS")[2]
RELEASE = tuple(map(int, re.match(r"(\d+)\.(\d+)", os.uname().release).groups()))

# In a guest of ours it has, and what says that it has not is wrong.
needs_kernel_tls = pytest.mark.skipif(
    not KERNEL_TLS and "RINGWAY_GUEST" not in os.environ, reason="this kernel has no TLS"
)


@pytest.fixture
def records():
    """Connects clients that make their own records: `records(gate)`."""
    made = []

    def connect(gate, **options):
        made.append(RecordClient(gate, **options))
        return made[-1]

    yield connect
    for one in made:
        one.sock.close()


def tls_statistics():
    """What the kernel counts of TLS: a function that gives what has come since this call. Call it
    when the gateway is up, which tries every suite at its start."""

    def read():
        lines = Path("/proc/net/tls_stat").read_text().splitlines()
        return {name: int(value) for name, value in map(str.split, lines)}

    before = read()
    return lambda: {name: value - before[name] for name, value in read().items()}


@pytest.fixture
def sysctls():
    """Sets kernel parameters, which are set back at the end."""
    before = {}

    def change(name, value):
        before.setdefault(name, sysctl(name, value))

    yield change
    for name, value in before.items():
        sysctl(name, value)


def sysctl(name, value):
    """Sets a kernel parameter and returns what it was."""
    path = Path("/proc/sys") / name.replace(".", "/")
    before = path.read_text()
    path.write_text(str(value))
    return before


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
