# SPDX-License-Identifier: Apache-2.0
"""The unit tests that want a kernel with TLS; elsewhere they skip that part."""

import pytest

from conftest import needs_kernel_tls, run
from processes import ROOT

PROGRAMS = sorted((ROOT / "build" / "tests").glob("*_kernel"))

pytestmark = needs_kernel_tls


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.name)
def test_unit(program):
    # libcheck's own bound of 4 s is short for an emulated processor.
    done = run("env", "CK_DEFAULT_TIMEOUT=60", program)
    assert done.returncode == 0, done.stdout + done.stderr
