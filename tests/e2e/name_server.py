# SPDX-License-Identifier: Apache-2.0
"""BIND, a name server of others, as the primary of zones that take updates signed with TSIG. It
runs as whoever runs the tests, on a port of its own, and knows nothing but its zones."""

import base64
import os
import shutil
import subprocess

import pytest

from processes import ROOT, Process, free_port

# Where ./dev unpacks it: installed, it would start a service.
UNPACKED = ROOT / ".deps" / "peers-test"

CONFIG = """
options {{
    directory "{folder}"; pid-file none; session-keyfile none; managed-keys-directory "{folder}";
    listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
    dnssec-validation no; notify no; allow-query {{ any; }}; allow-recursion {{ any; }};
    forward only; forwarders {{ 127.0.0.1 port 9; }};
}};
controls {{ }};
key "{key_name}" {{ algorithm {algorithm}; secret "{secret}"; }};
key "stranger" {{ algorithm {algorithm}; secret "{secret}"; }};
"""

ZONE = """
zone "{name}" {{
    type primary; file "{name}.zone"; update-policy {{ grant "{key_name}" zonesub TXT; }};
}};
"""

# Every name in a zone is this machine.
RECORDS = """$TTL 60
@ IN SOA ns.{name}. root.{name}. 1 3600 600 86400 60
@ IN NS ns.{name}.
@ IN A 127.0.0.1
* IN A 127.0.0.1
{more}
"""


def named():
    """Its path and the environment it needs."""
    installed = shutil.which("named", path=f"{os.environ['PATH']}:/usr/sbin")
    if installed:
        return installed, dict(os.environ)
    unpacked = UNPACKED / "usr/sbin/named"
    if not unpacked.exists():
        pytest.skip("the package bind9 is neither installed nor unpacked (./dev test)")
    libraries = ":".join(map(str, (UNPACKED / "usr/lib").glob("*-linux-gnu")))
    return str(unpacked), {**os.environ, "LD_LIBRARY_PATH": libraries}


class NameServer:
    """`zones`: by name, records besides the usual ones, in the language of zone files."""

    key_name = "ringway"

    def __init__(self, folder, zones, algorithm="hmac-sha256"):
        program, environment = named()
        self.folder, self.port, self.algorithm = folder, free_port(), algorithm
        self.address = f"127.0.0.1:{self.port}"
        self.secret = base64.b64encode(os.urandom(32)).decode()
        self.key_file = folder / "tsig.key"
        self.key_file.write_text(self.secret + "\n")
        text = CONFIG.format(
            folder=folder, port=self.port, algorithm=algorithm, key_name=self.key_name,
            secret=self.secret,
        )  # fmt: skip
        for name, more in zones.items():
            text += ZONE.format(name=name, key_name=self.key_name)
            (folder / f"{name}.zone").write_text(RECORDS.format(name=name, more=more))
        (folder / "named.conf").write_text(text)
        self.process = Process(
            [program, "-g", "-n", "1", "-c", folder / "named.conf"], env=environment
        )
        try:
            self.process.wait_line("all zones loaded")
        except BaseException:
            self.stop()
            raise

    def acme(self, **keys):
        """The `rfc2136:` section for it."""
        return {
            "server": self.address, "key_name": self.key_name, "key_file": str(self.key_file),
            "algorithm": self.algorithm, **keys,
        }  # fmt: skip

    def texts(self, name):
        """The values of its TXT records."""
        done = subprocess.run(
            ["dig", "+short", "-p", str(self.port), "@127.0.0.1", name, "TXT"],
            capture_output=True, text=True, timeout=20, check=True,
        )  # fmt: skip
        return sorted(line.strip('"') for line in done.stdout.splitlines())

    @property
    def updates(self):
        """What its log says about updates."""
        return [line for line in self.process.lines if "updating zone" in line]

    def stop(self):
        self.process.stop()
