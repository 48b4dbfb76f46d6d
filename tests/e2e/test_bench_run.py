# SPDX-License-Identifier: Apache-2.0
"""bench/run: one cell with real peers gives figures, ratios, tables and plots; a gateway that dies is
reported and the others go on; an interrupted run writes what it has."""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

from processes import PATIENCE_S, PROGRAM, ROOT, SANITIZER, Process

BENCH = PROGRAM.with_name("ringway-bench")
PEERS = ROOT / ".deps" / "peers" / "usr" / "sbin"
CELL = "ws-64x4K"
FALSE = shutil.which("false")  # ends before it listens

pytestmark = [
    pytest.mark.skipif(not BENCH.exists(), reason=f"{BENCH} is not built"),
    pytest.mark.skipif(SANITIZER is not None, reason="sanitizers are not what is measured"),
    pytest.mark.skipif(os.cpu_count() < 2, reason="needs two cores"),
]

# A gateway that listens at the ports of its configuration and dies of the first client.
DYING = """#!%s
import os, re, select, socket, sys
if "-v" in sys.argv:
    sys.exit(print("dying 1.0"))
text = open(sys.argv[-1]).read()
ports = re.findall(r"(?:listen|bind) 127\\.0\\.0\\.1:(\\d+)", text)
listeners = [socket.create_server(("127.0.0.1", int(port))) for port in ports]
while True:
    for ready in select.select(listeners, [], [])[0]:
        ready.accept()[0].recv(1) and sys.exit("out of luck")
""" % sys.executable


# Says on which cores it was started, and becomes the program.
NOTING = """#!/bin/sh
case "$*" in *--relay*) what=relay ;; *) what=$1 ;; esac
echo "$what on $(taskset -pc $$ | sed 's/.*: //')" >> '%s'
exec '%s' "$@"
"""


def command(folder, *options, cell=CELL, nginx=PEERS / "nginx", haproxy=PEERS / "haproxy",
            ringway=PROGRAM, bench=BENCH):
    return [sys.executable, ROOT / "bench" / "run", "--only", cell, "--seconds", "0.5", "--out",
            folder, "--ringway", ringway, "--bench", bench, "--nginx", nginx, "--haproxy", haproxy,
            *options]


def report_of(folder):
    return json.loads((folder / "report.json").read_text())


@pytest.fixture
def dying(tmp_path):
    path = tmp_path / "dying"
    path.write_text(DYING)
    path.chmod(0o755)
    return path


@pytest.mark.skipif(not PEERS.exists(), reason="nginx and HAProxy: ./dev bench unpacks them")
def test_a_cell_with_real_peers(tmp_path):
    done = subprocess.run(command(tmp_path, "--rounds", "3"), capture_output=True, text=True,
                          timeout=6 * PATIENCE_S)
    assert done.returncode == 0, done.stderr
    report = report_of(tmp_path)
    [cell] = report["cells"]
    assert cell["name"] == CELL and cell["failed"] == {} and cell["is_complete"]
    assert len(cell["rounds"]) == 3
    assert all(each["ringway"]["us_per_message"] > 0 for each in cell["rounds"])
    assert cell["better"] not in ("ringway", "bare relay")
    ratio = cell["ratios"][cell["better"]]
    pairs = [each["ringway"]["us_per_message"] / each[cell["better"]]["us_per_message"]
             for each in cell["rounds"]]
    assert ratio == {"median": sorted(pairs)[1], "min": min(pairs), "max": max(pairs), "n": 3}
    # All configurations take the first rounds, of each program one the rest. The relay is none.
    assert [len(each) for each in cell["rounds"]] == [6, 6, 4]
    assert f"| {CELL} |" in (tmp_path / "report.md").read_text()
    if shutil.which("gnuplot"):
        assert "<svg" in (tmp_path / "cpu.svg").read_text()


@pytest.mark.skipif(not PEERS.exists(), reason="nginx and HAProxy: ./dev bench unpacks them")
def test_who_cannot_take_as_many_connections_is_left_out_and_has_not_failed(tmp_path):
    """4,000 of them with 10,000 files; HAProxy, when it splices, would need more."""
    done = subprocess.run(["prlimit", "--nofile=10000:10000", "--",
                           *command(tmp_path, "--rounds", "1", cell="ws-maxx128")],
                          capture_output=True, text=True, timeout=6 * PATIENCE_S)
    assert done.returncode == 0, done.stderr
    [cell] = report_of(tmp_path)["cells"]
    assert list(cell["left_out"]) == ["haproxy"] and cell["failed"] == {}
    assert {"ringway", "nginx", "haproxy-tuned"} <= set(cell["rounds"][0])
    shown = (tmp_path / "report.md").read_text()
    assert "FAILED" not in shown and "Not measured: ws-maxx128, haproxy: 3900 connections" in shown


def test_a_gateway_that_dies_loses_its_cell_only(tmp_path, dying):
    done = subprocess.run(
        command(tmp_path, "--rounds", "2", "--quick", nginx=FALSE, haproxy=dying),
        capture_output=True, text=True, timeout=6 * PATIENCE_S)
    assert done.returncode == 1, done.stderr
    [cell] = report_of(tmp_path)["cells"]
    assert cell["failed"]["nginx-tuned"] == "ended with status 1"
    assert cell["failed"]["haproxy-tuned"] == "ended with status 1: out of luck"
    assert [list(each) for each in cell["rounds"]] == [["ringway", "bare relay"]] * 2, cell["failed"]
    assert f"FAILED: {CELL}, haproxy-tuned: ended" in (tmp_path / "report.md").read_text()


def test_the_gateway_has_one_core_and_load_and_backend_the_other(tmp_path, dying):
    def noting(program):
        path = tmp_path / program.name
        path.write_text(NOTING % (tmp_path / "cores", program))
        path.chmod(0o755)
        return path

    dying.write_text(dying.read_text().replace('"out of luck"', "str(os.sched_getaffinity(0))"))
    subprocess.run(command(tmp_path, "--rounds", "1", "--quick", nginx=FALSE, haproxy=dying,
                           ringway=noting(PROGRAM), bench=noting(BENCH)),
                   capture_output=True, timeout=6 * PATIENCE_S)
    [cell] = report_of(tmp_path)["cells"]
    assert cell["failed"]["haproxy-tuned"] == "ended with status 1: {0}"
    assert cell["rounds"][0]["ringway"]["us_per_message"] > 0
    noted = set((tmp_path / "cores").read_text().splitlines())
    assert {"run on 0", "relay on 0", "serve on 1", "load on 1"} == {
        line for line in noted if not line.startswith("version")}


def test_an_interrupted_run_writes_what_it_has(tmp_path, dying):
    run = Process(command(tmp_path, "--rounds", "1000", nginx=FALSE, haproxy=dying))
    run.wait_line(r"round 2 of")
    assert run.stop(signal.SIGINT) == 1, run.output
    report = report_of(tmp_path)
    assert report["is_interrupted"]
    [cell] = report["cells"]
    assert len(cell["rounds"]) >= 2 and not cell["is_complete"]
    assert "Interrupted" in (tmp_path / "report.md").read_text()
