# SPDX-License-Identifier: Apache-2.0
"""A gateway that gets its certificates by ACME, and what its clients and its operator see of them."""

import json
import subprocess

from gateway import run_ringway
from processes import PATIENCE_S

HOST = "a.example.com"
ROUTES = {"/": {"respond": "hello"}}


def site(challenge="auto", **keys):
    return {"tls": {"acme": challenge}, "routes": ROUTES, **keys}


def served(port, name=HOST):
    """The certificate a client gets, as a dict of texts; no chain is checked."""
    got = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", name],
        input="", capture_output=True, text=True, timeout=PATIENCE_S,
    )  # fmt: skip
    assert "BEGIN CERTIFICATE" in got.stdout, got.stdout + got.stderr
    told = subprocess.run(
        ["openssl", "x509", "-noout", "-serial", "-issuer", "-subject", "-ext", "subjectAltName"],
        input=got.stdout, capture_output=True, text=True, timeout=PATIENCE_S, check=True,
    )  # fmt: skip
    lines = told.stdout.splitlines()
    fields = dict(line.split("=", 1) for line in lines if "=" in line)
    fields["names"] = sorted(
        part.strip().partition(":")[2] for part in lines[-1].strip().split(",")
    )
    return fields


def is_real(port, name=HOST):
    return "Pebble" in served(port, name)["issuer"]


def listed(gate):
    done = run_ringway("cert", "list", "--json", "-c", gate.path)
    assert done.returncode == 0, done.stderr
    return {entry["site"]: entry for entry in json.loads(done.stdout)}


def renew(gate, *sites, verb="renew"):
    return run_ringway("cert", verb, "-c", gate.path, *sites, timeout=PATIENCE_S * 3)


def acme_gateway(gateway, server, state, sites, acme=None, **config):
    return gateway(
        listen=server.listen(None), acme=server.acme(state, **(acme or {})), sites=sites, **config
    )


def bad_gateway(gateway, authority, state, directory, ca=None):
    return gateway(
        acme={"agree_tos": True, "directory": directory, "ca_file": str(ca or authority.ca),
              "state_dir": str(state)},
        sites={HOST: site()},
    )  # fmt: skip
