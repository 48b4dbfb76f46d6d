# SPDX-License-Identifier: Apache-2.0
"""Servers under measurement: a process from start to stop, pinned to a core, on ports of its own,
with a configuration filled in from a template. What goes wrong with one is a Failure, which says
what happened and ends nothing else."""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import time

GATEWAY_CORE, LOAD_CORE, BOTH_CORES = "0", "1", "0,1"
START_TIMEOUT_S, STOP_TIMEOUT_S = 15, 15
# From a dying server's last reset to its end.
DEATH_TIMEOUT_S = 1


class Failure(Exception):
    """Why something could not be measured."""


class Server:
    """A server that listens on `port`, and works in `children` of its own if it has any (nginx
    listens before they are there). Its stderr goes to `log`, where a failure's reason is found. It
    has a session of its own: ^C is for the one who measures, who then stops it."""

    def __init__(self, command, port, log, core=None, idle_priority=False, children=0):
        pinning = ["taskset", "-c", core] if core else []
        priority = ["chrt", "--idle", "0"] if idle_priority else []
        self.command = [*pinning, *priority, *map(str, command)]
        self.port, self.log, self.children = port, pathlib.Path(log), children
        self.process = None

    def start(self):
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=log,
                                            start_new_session=True)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.is_ready():
            self.check()
            if time.monotonic() > deadline:
                self.stop()
                raise Failure(f"does not listen after {START_TIMEOUT_S} s{self.last_words()}")
            time.sleep(0.02)

    def is_ready(self):
        return is_listening(self.port) and len(self.pids()) >= 1 + self.children

    def check(self):
        """A Failure when it has ended."""
        status = self.process.poll()
        if status is not None:
            how = f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
            raise Failure(f"ended {how}{self.last_words()}")

    def check_dying(self):
        """check() for when its clients failed: a server that dies resets them before it has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(DEATH_TIMEOUT_S)
        self.check()

    def last_words(self):
        lines = self.log.read_text(errors="replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        return f": {said[-1][:200]}" if said else ""

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def pids(self):
        """The process and its children: a master and its workers."""
        self.check()
        pid = self.process.pid
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *map(int, children)]

    def files_open(self):
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in self.pids())

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()


def port_free():
    """A port nobody listens on: other runs may be going on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_listening(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def certificate_make(folder):
    """The one certificate of all contenders, ECDSA P-256: cert.pem, key.pem, and both.pem, as
    HAProxy wants it."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-noenc", "-days", "7", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                    "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
                   check=True, capture_output=True)
    both = (folder / "cert.pem").read_text() + (folder / "key.pem").read_text()
    (folder / "both.pem").write_text(both)


def template_fill(template, path, values):
    """Writes the template to `path` with each @NAME@ replaced."""
    text = template.read_text()
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    path.write_text(text)
