# SPDX-License-Identifier: Apache-2.0
"""Certificates for the tests, made by the `openssl` command below one throw-away authority."""

import subprocess
from pathlib import Path
from typing import NamedTuple


class Certificate(NamedTuple):
    chain: Path  # leaf first
    key: Path

    def config(self):
        """The `tls:` block of a site."""
        return {"certificate": str(self.chain), "key": str(self.key)}

    def combined(self, path):
        """Writes chain and key into one file, as `certificates:` takes them."""
        path.write_text(self.chain.read_text() + self.key.read_text())
        return path


KEYS = {
    "ec": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "rsa": ["-newkey", "rsa:2048"],
}


class Authority:
    """A certificate authority in a folder; `ca` is what clients trust."""

    def __init__(self, folder):
        self.folder = folder
        self.ca = folder / "ca.pem"
        self.made = 0
        _openssl(
            "req", "-x509", *KEYS["ec"], "-noenc", "-days", "30",
            "-subj", "/CN=ringway test authority",
            "-keyout", folder / "ca.key", "-out", self.ca,
        )  # fmt: skip

    def issue(self, *names, kind="ec", days=20, usage="serverAuth"):
        """A certificate for DNS names and IPv4 addresses; negative `days` makes an expired one."""
        self.made += 1
        stem = self.folder / f"{self.made:02d}-{kind}"
        request, extensions = stem.with_suffix(".csr"), stem.with_suffix(".ext")
        certificate = Certificate(stem.with_suffix(".pem"), stem.with_suffix(".key"))
        kinds = ("IP" if name.replace(".", "").isdigit() else "DNS" for name in names)
        alternatives = ",".join(f"{k}:{n}" for k, n in zip(kinds, names))
        extensions.write_text(f"subjectAltName={alternatives}\nextendedKeyUsage={usage}\n")
        _openssl(
            "req", "-new", *KEYS[kind], "-noenc", "-subj", f"/CN={names[0]}",
            "-keyout", certificate.key, "-out", request,
        )  # fmt: skip
        _openssl(
            "x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.folder / "ca.key",
            "-extfile", extensions, "-days", days, "-out", certificate.chain,
        )  # fmt: skip
        return certificate


def _openssl(*arguments):
    command = ["openssl", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
