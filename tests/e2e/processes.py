# SPDX-License-Identifier: Apache-2.0
"""Programs that the tests start: their output is kept, each is stopped by its own pid, and none
outlives the process that runs the tests, however that ends."""

import contextlib
import os
import random
import re
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("RINGWAY", ROOT / "build" / "ringway")).absolute()


def _sanitizer():
    binary = PROGRAM.read_bytes() if PROGRAM.exists() else b""
    for name, symbol in ("thread", b"__tsan_init"), ("address", b"__asan_init"):
        if symbol in binary:
            return name
    return None


SANITIZER = _sanitizer()

# A wait never decides a test by being short: it only bounds a failure. Sanitizers get more of it.
PATIENCE_S = int(os.environ.get("RINGWAY_PATIENCE_S", 60 if SANITIZER else 20))


# Below the range that the kernel picks clients' ports from, so that no connection takes one before
# the program does. Of several processes that run tests each has its own.
_process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_ports = range(20000 + _process, 32000, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1)))
_ports_given = set()


def free_port():
    """A TCP port nobody listens on and nobody was given before."""
    while True:
        port = random.choice(_ports)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in _ports_given:
                _ports_given.add(port)
                return port


def wait_until(holds, what, timeout=None):
    """Polls until `holds()` is true and returns what it returned; fails with `what` otherwise."""
    deadline = time.monotonic() + (timeout or PATIENCE_S)
    while True:
        result = holds()
        if result:
            return result
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.01)


def wait_still(value, what):
    """Waits until `value()` has stayed the same for half a second."""
    seen, since = None, time.monotonic()

    def still():
        nonlocal seen, since
        now = value()
        if now != seen:
            seen, since = now, time.monotonic()
        return time.monotonic() - since > 0.5

    wait_until(still, what)


# In front of a command: the program is killed when the thread that started it ends, which is the
# main one here (PR_SET_PDEATHSIG, which exec leaves as it is). No teardown runs in a test process
# that gets SIGKILL, or that pytest-xdist gives up.
TIED = ("setpriv", "--pdeathsig", "KILL", "--")

_started = []


def running():
    """The programs started here, and not stopped yet."""
    _started[:] = [process for process in _started if process.running]
    return list(_started)


@contextlib.contextmanager
def piped(command, **pipes):
    """A program whose pipes, of text, are the caller's to read. It ends with the block."""
    with subprocess.Popen([*TIED, *map(str, command)], text=True, **pipes) as child:
        try:
            yield child
        finally:
            child.kill()


class Process:
    """A running program. `stdout` and `stderr` go to one list of lines. Who makes one stops it; the
    fixture `nothing_left` (conftest.py) sees to what a failure has left."""

    def __init__(self, command, **options):
        self.command = [str(part) for part in command]
        self.lines = []
        self.lasts = False  # longer than a test
        self._grown = threading.Condition()
        self._child = subprocess.Popen(
            [*TIED, *self.command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="backslashreplace",
            start_new_session=True,
            **options,
        )
        _started.append(self)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._child.stdout:
            with self._grown:
                self.lines.append(line.rstrip("\n"))
                self._grown.notify_all()
        with self._grown:
            self._grown.notify_all()

    @property
    def pid(self):
        return self._child.pid

    @property
    def output(self):
        return "\n".join(self.lines)

    @property
    def running(self):
        return self._child.poll() is None

    def mark(self):
        """A place in the output, for `wait_line(since=...)`."""
        return len(self.lines)

    def wait_line(self, pattern, since=0, timeout=None):
        """The first line from `since` on that matches, as a match object."""
        deadline = time.monotonic() + (timeout or PATIENCE_S)
        with self._grown:
            while True:
                for line in self.lines[since:]:
                    found = re.search(pattern, line)
                    if found:
                        return found
                left = deadline - time.monotonic()
                ended = not self._reader.is_alive()
                assert left > 0 and not ended, (
                    f"no line /{pattern}/ {'before the end of' if ended else 'from'}"
                    f" {self.command}:\n" + "\n".join(self.lines[since:][-40:])
                )
                self._grown.wait(min(left, 0.5))

    def send_signal(self, number):
        os.kill(self.pid, number)

    def wait(self, timeout=None):
        """The exit code."""
        code = self._child.wait(timeout or PATIENCE_S)
        self._reader.join(5)
        return code

    def stop(self, number=signal.SIGTERM, timeout=None):
        """Signals the program, if it still runs, and returns its exit code."""
        if self.running:
            self.send_signal(number)
        try:
            return self.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self):
        """Ends the program at once, with what it has started itself."""
        if self.running:
            os.killpg(self.pid, signal.SIGKILL)
        self.wait()

    def memory_kb(self):
        """Resident memory of its own. How much of its program and libraries is mapped, too, is up to
        the kernel, and changes by megabytes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"RssAnon:\s+(\d+) kB", status)[1])

    def cpu_s(self):
        """User and system time used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def ring_workers(self):
        """How many threads the kernel has made for it, as io_uring does for what would block."""
        tasks = Path(f"/proc/{self.pid}/task").glob("*/comm")
        return sum(task.read_text().startswith("iou-wrk") for task in tasks)

    def open_files(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))
