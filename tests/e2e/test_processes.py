# SPDX-License-Identifier: Apache-2.0
"""The tests' own programs: none is left, whatever becomes of the test or of the process it runs in.
The tests looked at here run in a pytest of their own, with the fixtures of conftest.py."""

import os
import re
import select
import signal
import sys
from pathlib import Path

import pytest

from pebble import Pebble
from processes import PATIENCE_S, Process, running

HERE = Path(__file__).resolve().parent

TESTS = """
import os, signal, time
from gateway import site
from processes import Process, running

def say():
    print("started", *(process.pid for process in running()), flush=True)

def test_goes_on(pebble):
    pebble()
    say()
    time.sleep(600)

def test_ends_its_process(pebble):
    pebble()
    say()
    os._exit(3)

def test_forgets_one():
    Process(["sleep", "600"])
    say()

def test_gateway_ends_badly(gateway):
    gates = [gateway("127.0.0.1:1") for _ in range(3)]
    say()
    gates[1].process.stop(signal.SIGKILL)
"""


@pytest.fixture
def inner(tmp_path):
    """Starts pytest with one of the tests above: it, and descriptors of the programs it started."""
    descriptors = []

    def start(name):
        (tmp_path / "test_inner.py").write_text(TESTS)
        process = Process(
            [sys.executable, "-m", "pytest", "-s", "-p", "conftest", "-p", "no:cacheprovider",
             f"--basetemp={tmp_path / 'inner'}", tmp_path / f"test_inner.py::{name}"],
            env={**os.environ, "PYTHONPATH": str(HERE)}, cwd=tmp_path,
        )  # fmt: skip
        for pid in process.wait_line(r"started ([\d ]+)", timeout=PATIENCE_S * 3)[1].split():
            try:
                descriptors.append(os.pidfd_open(int(pid)))
            except ProcessLookupError:
                pass  # it has ended already
        return process, descriptors

    yield start
    for descriptor in descriptors:
        os.close(descriptor)


def assert_ended(descriptors):
    for descriptor in descriptors:  # readable when the program has ended
        assert select.select([descriptor], [], [], PATIENCE_S)[0], "it still runs"


def test_none_outlives_a_killed_test_process(inner):
    process, started = inner("test_goes_on")
    assert len(started) == 2, process.output
    process.stop(signal.SIGKILL)
    assert_ended(started)


def test_none_outlives_a_test_process_without_teardown(inner):
    process, started = inner("test_ends_its_process")
    assert process.wait() == 3, process.output
    assert_ended(started)


def test_a_forgotten_one_is_ended_and_told(inner):
    process, started = inner("test_forgets_one")
    assert process.wait(PATIENCE_S * 3) == 1
    assert re.search(r"left running: .*sleep", process.output), process.output
    assert_ended(started)


def test_a_gateway_that_ends_badly_leaves_no_other(inner):
    process, started = inner("test_gateway_ends_badly")
    assert process.wait(PATIENCE_S * 3) == 1
    assert "exit code -9" in process.output and "left running" not in process.output
    assert_ended(started)


def test_a_pebble_that_does_not_start_leaves_no_dns_server(tmp_path, authority):
    before = running()
    with pytest.raises(AssertionError, match="ACME directory available"):
        Pebble(tmp_path, authority, validity_s="never")
    assert running() == before
