# SPDX-License-Identifier: Apache-2.0
"""The gateway under test: its configuration, its process, and what it logs."""

import json
import os
import re
import signal
import ssl
import subprocess

from processes import PROGRAM, PATIENCE_S, Process, free_port, wait_until

# Reports of AddressSanitizer, LeakSanitizer, ThreadSanitizer and UndefinedBehaviorSanitizer,
# and of our own asserts.
REPORT = re.compile(
    r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|Assertion .* failed"
)


# What every gateway gets where its test says nothing else: another way to run the same tests.
DEFAULTS = os.environ.get("RINGWAY_CONFIG", "{}")


def run_ringway(*arguments, timeout=None, **options):
    """Runs `ringway ARGUMENTS` to its end."""
    return subprocess.run(
        [str(PROGRAM), *map(str, arguments)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=timeout or PATIENCE_S,
        **options,
    )


def site(upstream="app", **keys):
    """A site that sends everything to one upstream."""
    return {"routes": {"/": {"upstream": upstream}}, **keys}


def servers(*backends, **keys):
    """An upstream of backends (or of "host:port" texts)."""
    return {"servers": [getattr(b, "address", b) for b in backends], **keys}


class Gateway:
    """One `ringway run`. `port` takes TLS, `plain_port` does not.

    The configuration is a dict, written as JSON, which YAML contains; `config` may be changed and
    handed to `reload`."""

    def __init__(self, folder, authority, certificate, config):
        self.folder = folder
        self.ca = authority.ca
        self.certificate = certificate
        self.port, self.plain_port = free_port(), free_port()
        self.path = folder / "ringway.yaml"
        self.access_path = folder / "access.log"
        self.config = {
            "workers": 2,
            "listen": [
                {"address": f"127.0.0.1:{self.port}", "tls": True},
                {"address": f"127.0.0.1:{self.plain_port}"},
            ],
            "log": {"target": "stderr", "level": "info", "format": "text"},
            "access_log": {"target": str(self.access_path), "format": "json"},
            "drain": "1s",
            # /proc tells others than root about descriptors only of what may dump core.
            **({"core_dumps": True} if os.geteuid() != 0 else {}),
            **json.loads(DEFAULTS),
            **config,
        }
        for settings in self.config.get("sites", {}).values():
            settings.setdefault("tls", certificate.config())
        self.process = None
        self.stopped = False

    def start(self, wrapper=(), arguments=(), **options):
        """Starts it, below the command `wrapper`, and waits until every worker listens."""
        self.write()
        command = [*wrapper, PROGRAM, "run", "-c", self.path, *arguments]
        self.process = Process(command, **options)
        self.process.wait_line(r"\bready\b")
        return self

    def write(self):
        self.path.write_text(json.dumps(self.config, indent=1))

    def reload(self):
        """Writes `config` and has it loaded by `ringway reload`."""
        self.write()
        done = run_ringway("reload", "-c", self.path)
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def stop(self, number=signal.SIGTERM):
        """Stops it and asserts a clean end: exit code 0, no sanitizer report."""
        self.stopped = True
        code = self.process.stop(number)
        assert not REPORT.search(self.log), self.log
        assert code == 0, f"exit code {code}:\n{self.log[-4000:]}"

    @property
    def log(self):
        return self.process.output

    def status(self):
        """What `ringway status` counts, by name."""
        done = run_ringway("status", "-c", self.path)
        assert done.returncode == 0, done.stdout + done.stderr
        return {name: int(n) for name, n in re.findall(r"^(\w+) +(\d+)", done.stdout, re.M)}

    def wait_log(self, pattern, since=0):
        return self.process.wait_line(pattern, since)

    def access(self):
        """The access log as a list of dicts; every line must be one JSON object."""
        if not self.access_path.exists():
            return []
        return [json.loads(line) for line in self.access_path.read_text().splitlines()]

    def wait_access(self, **fields):
        """The first access-log record with these fields."""

        def found():
            for record in self.access():
                if all(record.get(key) == value for key, value in fields.items()):
                    return record
            return None

        return wait_until(found, f"an access-log line with {fields} in {self.access()[-5:]}")

    def tls_context(self, check_name=True, **versions):
        """A client's context that trusts only the test authority."""
        context = ssl.create_default_context(cafile=str(self.ca))
        context.check_hostname = check_name
        for name, value in versions.items():
            setattr(context, name, value)
        return context

    def url(self, path="/", scheme="https", host="localhost"):
        port = self.port if scheme in ("https", "wss") else self.plain_port
        return f"{scheme}://{host}:{port}{path}"
