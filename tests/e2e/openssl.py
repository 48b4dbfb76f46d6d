# SPDX-License-Identifier: Apache-2.0
"""`openssl s_client`, driven from the tests."""

import subprocess
import threading
import time

from processes import PATIENCE_S, TIED


def s_client(gate, *arguments, sni="localhost", send=b"", check=True):
    """Runs it to its end; with bytes to `send`, until the gateway closes. The text it printed."""
    name = ["-noservername"] if sni is None else ["-servername", sni]
    command = [
        "openssl", "s_client", "-connect", f"127.0.0.1:{gate.port}", *name,
        "-CAfile", str(gate.ca), "-verify_return_error", *(["-ign_eof"] if send else []),
        *map(str, arguments),
    ]  # fmt: skip
    done = subprocess.run(command, input=send, capture_output=True, timeout=PATIENCE_S, check=False)
    text = (done.stdout + done.stderr).decode("latin-1")
    if check:
        assert done.returncode == 0, text
    return text


def refused(gate, *arguments, sni="localhost"):
    """Runs it, asserts that no session came about, and returns what it printed."""
    text = s_client(gate, *arguments, sni=sni, check=False)
    assert "Cipher is (NONE)" in text, text
    return text


class Dialogue:
    """An s_client to talk with: lines `K`, `k` and `R` are its commands (s_client(1))."""

    def __init__(self, gate, *arguments):
        self._child = subprocess.Popen(
            [*TIED, "openssl", "s_client", "-connect", f"127.0.0.1:{gate.port}",
             "-servername", "localhost", "-CAfile", str(gate.ca), *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.output = b""
        self._grown = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._child.kill()
        self._child.wait()
        self._reader.join()

    def _read(self):
        while data := self._child.stdout.read1(65536):
            with self._grown:
                self.output += data
                self._grown.notify_all()
        with self._grown:
            self._grown.notify_all()

    def send(self, data):
        self._child.stdin.write(data)
        self._child.stdin.flush()

    def wait_for(self, text, count=1):
        """Waits until `text` was printed `count` times."""
        deadline = time.monotonic() + PATIENCE_S
        with self._grown:
            while self.output.count(text) < count:
                assert self._reader.is_alive() and time.monotonic() < deadline, self.output
                self._grown.wait(0.2)

    def wait_end(self):
        self._reader.join(PATIENCE_S)
        assert not self._reader.is_alive(), self.output
        return self._child.wait(PATIENCE_S)
