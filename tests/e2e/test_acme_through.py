# SPDX-License-Identifier: Apache-2.0
"""ACME clients of others get certificates through the gateway: it routes
/.well-known/acme-challenge/ to a folder or to their own server, as docs/examples/open-webui.yaml
does, also while the gateway gets certificates by itself."""

import os
import shutil
import subprocess
import sys

import pytest

from acme_gateway import HOST, ROUTES, acme_gateway, site
from peers import Server
from processes import PATIENCE_S, free_port

OTHER = "other.example.com"
CHALLENGES = "/.well-known/acme-challenge/"
WEBROOT_SERVER = """
import functools, http.server, sys
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
print("listening", server.server_port, flush=True)
server.serve_forever()
"""


@pytest.fixture
def webroot(tmp_path):
    """A folder, and Python's HTTP server that serves it."""
    folder = tmp_path / "webroot"
    (folder / CHALLENGES.strip("/")).mkdir(parents=True)
    server = Server([sys.executable, "-c", WEBROOT_SERVER, folder])
    server.folder = folder
    yield server
    server.stop()


def lego(server, tmp_path, *arguments, name=OTHER):
    """Runs it; the certificate it got."""
    if not shutil.which("lego"):
        pytest.skip("the package lego is missing")
    done = subprocess.run(
        ["lego", "--server", server.directory, "--email", "me@example.com", "--accept-tos",
         "--path", tmp_path / "lego", "--domains", name, "--http", *arguments, "run"],
        env={**os.environ, "LEGO_CA_CERTIFICATES": str(server.authority.ca)},
        capture_output=True, text=True, timeout=PATIENCE_S * 3,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return (tmp_path / "lego" / "certificates" / f"{name}.crt").read_text()


def uacme(server, tmp_path, *arguments):
    """Runs it. It trusts the system's authorities alone, so it gets a view of the file system in
    which Pebble's is the system's."""
    if not shutil.which("uacme"):
        pytest.skip("the package uacme is missing")
    alone = ["unshare", "--map-root-user", "--mount"]
    if subprocess.run([*alone, "true"], capture_output=True).returncode != 0:
        pytest.skip("unshare: no name spaces for this user")
    trusting = 'mount --bind "$0" /etc/ssl/certs/ca-certificates.crt && exec uacme "$@"'
    done = subprocess.run(
        [*alone, "sh", "-c", trusting, server.authority.ca, "-v", "-c", tmp_path / "uacme",
         "-a", server.directory, "-y", "-h", "/usr/share/uacme/uacme.sh", *arguments],
        env={**os.environ, "UACME_CHALLENGE_PATH": f"{tmp_path}/webroot{CHALLENGES}"},
        capture_output=True, text=True, timeout=PATIENCE_S * 3,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def issuer_of(pem):
    done = subprocess.run(
        ["openssl", "x509", "-noout", "-issuer", "-ext", "subjectAltName"],
        input=pem, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


def routed(upstream, tls):
    """A site that sends challenges elsewhere."""
    return {"tls": tls, "routes": {**ROUTES, CHALLENGES: {"upstream": upstream}}}


@pytest.fixture
def gate(request, gateway, pebble, state, certificate):
    """Starts a gateway whose site OTHER sends challenges to `address`: without certificates of its
    own, beside a site that has them, or with one for the same name."""
    server = pebble()

    def start(address):
        upstreams = {"client": {"servers": [address]}}
        tls = {"acme": "http-01"} if request.param == "same site" else certificate.config()
        sites = {OTHER: routed("client", tls)}
        if request.param == "alone":
            return server, gateway(listen=server.listen(None), sites=sites, upstreams=upstreams)
        sites[HOST] = site("http-01")
        return server, acme_gateway(gateway, server, state, sites, upstreams=upstreams)

    return start


def ours_came(gate):
    """What the gateway was to get by itself it has got."""
    for name, settings in gate.config["sites"].items():
        if "acme" in settings["tls"]:
            gate.wait_log(f"acme: {name}: new certificate")
    assert ": no certificate:" not in gate.log


@pytest.mark.parametrize("gate", ["beside"], indirect=True)
def test_lego_with_a_webroot(gate, webroot, tmp_path):
    server, running = gate(webroot.address)
    told = issuer_of(lego(server, tmp_path, "--http.webroot", webroot.folder))
    assert "Pebble" in told and f"DNS:{OTHER}" in told
    assert f"GET {CHALLENGES}" in webroot.output, "it was fetched from there"
    ours_came(running)


@pytest.mark.parametrize("gate", ["alone", "same site"], indirect=True)
def test_lego_with_its_own_server(gate, tmp_path):
    """Its server is there only while it waits for the authority."""
    port = free_port()
    server, running = gate(f"127.0.0.1:{port}")
    told = issuer_of(lego(server, tmp_path, "--http.port", f"127.0.0.1:{port}"))
    assert "Pebble" in told and f"DNS:{OTHER}" in told
    ours_came(running)


@pytest.mark.parametrize("gate", ["alone", "beside", "same site"], indirect=True)
def test_uacme_with_a_webroot(gate, webroot, tmp_path):
    server, running = gate(webroot.address)
    uacme(server, tmp_path, "new", "me@example.com")
    uacme(server, tmp_path, "issue", OTHER)
    told = issuer_of((tmp_path / "uacme" / OTHER / "cert.pem").read_text())
    assert "Pebble" in told and f"DNS:{OTHER}" in told
    assert f"GET {CHALLENGES}" in webroot.output, "it was fetched from there"
    ours_came(running)
