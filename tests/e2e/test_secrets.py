# SPDX-License-Identifier: Apache-2.0
"""Private keys do not get out of the process: not by a core dump."""

import re
import resource
import signal
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from processes import SANITIZER, wait_until
from wire import connect, request

PONG = {"localhost": {"routes": {"/": {"respond": "pong\n"}}}}


def allow_cores():
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def scalar(path):
    """The secret number of an EC key, as it lies in memory in wolfSSL's PEM, DER or number."""
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    return key.private_numbers().private_value.to_bytes(32, "big")


@pytest.mark.skipif(SANITIZER is not None, reason="sanitizers turn dumps off, and map terabytes")
@pytest.mark.parametrize("allowed", [False, True], ids=["by default", "allowed"])
def test_core_dumps(gateways, certificate, tmp_path, allowed):
    """The one that is allowed has the key in it: this test would find it in the other."""
    pattern = Path("/proc/sys/kernel/core_pattern").read_text().strip()
    if not re.fullmatch(r"core(\.%p)?", pattern):
        pytest.skip(f"core dumps do not come to the working folder here, but to {pattern}")
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    if hard != resource.RLIM_INFINITY:
        pytest.skip("the hard limit of core dumps is too low")
    folder = tmp_path / "cores"
    folder.mkdir()
    gate = gateways(sites=PONG, core_dumps=allowed)
    gate.start(cwd=folder, preexec_fn=allow_cores)
    with connect(gate.port, gate.tls_context()) as wire:
        wire.send(request())
        assert wire.read_response().body == b"pong\n"
    gate.stopped = True
    assert gate.process.stop(signal.SIGABRT) == -signal.SIGABRT
    if not allowed:
        assert not list(folder.iterdir())
        return
    (core,) = wait_until(lambda: list(folder.iterdir()), "the core dump")
    secret, text = scalar(certificate.key), core.read_bytes()
    assert secret in text or secret[::-1] in text
