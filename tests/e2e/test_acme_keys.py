# SPDX-License-Identifier: Apache-2.0
"""The keys of certificates: ECDSA, RSA, one of each side by side, and keys that stay."""

import subprocess

import pytest

from acme_gateway import HOST, acme_gateway, listed, renew, site
from gateway import run_ringway
from processes import PATIENCE_S, wait_until


def served_key(port, *options):
    """Serial, issuer and public key that a client with these options is served; None: nothing."""
    got = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", HOST, *options],
        input="", capture_output=True, text=True, timeout=PATIENCE_S,
    )  # fmt: skip
    if "BEGIN CERTIFICATE" not in got.stdout:
        return None
    told = subprocess.run(
        ["openssl", "x509", "-noout", "-serial", "-issuer", "-pubkey", "-text"],
        input=got.stdout, capture_output=True, text=True, timeout=PATIENCE_S, check=True,
    ).stdout  # fmt: skip
    return {
        "kind": "rsa" if "Public-Key: (2048 bit)" in told and "rsaEncryption" in told else "ecdsa",
        "real": "Pebble" in told.split("issuer=")[1].splitlines()[0],
        "public": told[told.index("-----BEGIN PUBLIC") : told.index("-----END PUBLIC")],
        "serial": told.split("serial=")[1].splitlines()[0],
    }


ECDSA_ONLY = ("-sigalgs", "ECDSA+SHA256")
RSA_ONLY = ("-sigalgs", "RSA-PSS+SHA256:RSA+SHA256")
# Of what TLS 1.2 once had: the suites decide, and the groups must be there.
RSA_TLS12 = ("-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256")


def test_rsa_alone(gateway, pebble, state):
    server = pebble()
    gate = acme_gateway(gateway, server, state, {HOST: site()}, {"keys": "rsa"})
    gate.wait_log("certificates have been renewed")
    for options in (), RSA_ONLY, RSA_TLS12:
        key = served_key(server.tls_port, *options)
        assert key["kind"] == "rsa" and key["real"]
    assert listed(gate)[HOST]["key"] == "rsa"
    assert "BEGIN RSA PRIVATE KEY" in (state / "certificates" / f"{HOST}.pem").read_text()


@pytest.mark.parametrize("first", ["ecdsa", "rsa"])
def test_one_of_each_side_by_side(gateway, pebble, state, first):
    """Also where there was one kind alone before: a reload gets what is missing."""
    server = pebble()
    gate = acme_gateway(gateway, server, state, {HOST: site()}, {"keys": first})
    gate.wait_log("certificates have been renewed")
    gate.config["acme"]["keys"] = "both"
    gate.reload()
    gate.wait_log(f"acme: {HOST}\\+rsa: new certificate")

    def both():
        ecdsa = served_key(server.tls_port, *ECDSA_ONLY)
        rsa = served_key(server.tls_port, *RSA_TLS12)
        return ecdsa and rsa and ecdsa["kind"] == "ecdsa" and rsa["kind"] == "rsa" and (
            ecdsa["real"] and rsa["real"])  # fmt: skip

    wait_until(both, "each client gets its own")
    assert served_key(server.tls_port)["kind"] == "ecdsa", "which is the cheaper one"
    entries = run_ringway("cert", "list", "-c", gate.path).stdout.splitlines()
    assert [line.split()[1:3] for line in entries] == [["ecdsa", "good"], ["rsa", "good"]]
    before = served_key(server.tls_port, *RSA_TLS12)["serial"]
    done = renew(gate, HOST)
    assert done.returncode == 0, done.stderr
    assert served_key(server.tls_port, *RSA_TLS12)["serial"] != before


@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
@pytest.mark.parametrize("reuse", [True, False])
def test_a_key_stays_if_it_is_to(gateway, pebble, state, kind, reuse):
    server = pebble()
    gate = acme_gateway(gateway, server, state, {HOST: site()}, {"keys": kind, "reuse_key": reuse})
    gate.wait_log("certificates have been renewed")
    before = served_key(server.tls_port)
    assert renew(gate, HOST).returncode == 0
    after = served_key(server.tls_port)
    assert after["kind"] == kind and after["serial"] != before["serial"]
    assert (after["public"] == before["public"]) == reuse


def test_a_kept_key_of_the_other_kind_is_not_kept(gateway, pebble, state):
    server = pebble()
    gate = acme_gateway(gateway, server, state, {HOST: site()}, {"reuse_key": True})
    gate.wait_log("certificates have been renewed")
    gate.config["acme"]["keys"] = "rsa"
    gate.reload()
    wait_until(lambda: served_key(server.tls_port)["kind"] == "rsa", "the new kind")
