# SPDX-License-Identifier: Apache-2.0
"""Runs behind the end-to-end tests: it was the kernel that made and opened their records."""

from pathlib import Path

import pytest


@pytest.mark.kernel
def test_the_kernel_did_it():
    lines = Path("/proc/net/tls_stat").read_text().splitlines()
    counted = {name: int(value) for name, value in map(str.split, lines)}
    assert counted["TlsTxSw"] > 100 and counted["TlsRxSw"] > 100, counted
    assert counted["TlsDecryptError"] == 1, "of test_broken_record_ends_the_connection alone"
