# SPDX-License-Identifier: Apache-2.0
"""The account at an authority: bound to a customer, its key changed, its contact kept right, gone;
and what it takes back."""

import json
import signal
import ssl
import threading
import urllib.request

import pytest

from acme_ca import Refused
from acme_gateway import HOST, acme_gateway, listed, renew, served, site
from gateway import run_ringway
from processes import PATIENCE_S, wait_until

# From the example of RFC 7515 §A.1: any 256 bits do.
MAC_KEY = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"


@pytest.fixture
def mac_file(tmp_path):
    path = tmp_path / "eab.key"
    path.write_text(MAC_KEY + "\n")
    return path


def account(state):
    (path,) = (state / "accounts").glob("*.json")
    return json.loads(path.read_text())


def cert(gate, *arguments):
    return run_ringway("cert", *arguments, "-c", gate.path, timeout=PATIENCE_S * 3)


# --- external account binding -----------------------------------------------------------------


@pytest.mark.parametrize("kind", ["pebble", "acme_ca"])
def test_an_account_is_bound(request, gateway, state, mac_file, kind):
    server = request.getfixturevalue(kind)(eab={"kid-1": MAC_KEY})
    binding = {"key_id": "kid-1", "key_file": str(mac_file)}
    gate = acme_gateway(gateway, server, state, {HOST: site()}, {"eab": binding})
    gate.wait_log("new certificate")
    assert MAC_KEY not in gate.log + json.dumps(account(state))


def test_a_binding_that_is_missing_or_wrong_is_said(gateway, pebble, state, mac_file):
    server = pebble(eab={"kid-1": MAC_KEY})
    gate = acme_gateway(gateway, server, state, {HOST: site()})
    said = gate.wait_log("no certificate: .*").string
    assert "to its customers only" in said and "into eab" in said
    gate.config["acme"]["eab"] = {"key_id": "kid-2", "key_file": str(mac_file)}
    gate.reload()
    failed = cert(gate, "issue", HOST)
    assert failed.returncode == 1 and "making an account" in failed.stderr
    mac_file.write_text("no base64!\n")
    assert "holds no key in base64url" in cert(gate, "issue", HOST).stderr
    mac_file.write_text(MAC_KEY)
    gate.config["acme"]["eab"]["key_id"] = "kid-1"
    gate.reload()
    assert cert(gate, "issue", HOST).returncode == 0


# --- the key of the account -------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["pebble", "acme_ca"])
def test_the_key_is_changed(request, gateway, state, kind):
    """The account stays, the old key is worth nothing any more."""
    server = request.getfixturevalue(kind)()
    gate = acme_gateway(gateway, server, state, {HOST: site()})
    gate.wait_log("new certificate")
    before = account(state)
    done = cert(gate, "rollover")
    assert done.returncode == 0 and "accounts: done" in done.stdout, done.stderr
    after = account(state)
    assert after["url"] == before["url"] and after["key"] != before["key"]
    assert "next_key" not in after
    assert renew(gate, HOST).returncode == 0
    gate.stop()
    (path,) = (state / "accounts").glob("*.json")
    path.write_text(json.dumps(before))
    (state / "certificates" / f"{HOST}.pem").unlink()
    gate.stopped = False
    gate.start()
    gate.wait_log("no certificate|made an account")


def interrupted(gateways, server, state, take):
    """A gateway is killed while the server is asked to change the key, which the server does if `take`;
    the account it left."""
    gate = gateways(listen=server.listen(None), acme=server.acme(state), sites={HOST: site()}).start()
    gate.wait_log("new certificate")
    asked, killed = threading.Event(), threading.Event()

    def hold(path, inner):
        if path != "/key-change":
            return
        if take:
            (kid,) = server.accounts
            server.on_key_change(kid, inner)
        asked.set()
        killed.wait(PATIENCE_S)
        raise Refused("serverInternal", "nobody hears this", 500)

    server.refuse = hold
    command = threading.Thread(target=cert, args=(gate, "rollover"))
    command.start()
    assert asked.wait(PATIENCE_S)
    gate.stopped = True
    gate.process.stop(signal.SIGKILL)
    killed.set()
    command.join()
    server.refuse = lambda path, payload: None
    return account(state)


@pytest.mark.parametrize("taken", [True, False])
def test_killed_while_the_key_changes(gateways, acme_ca, state, taken):
    """Before the server has answered nobody knows which key it has: the next start asks."""
    server = acme_ca()
    left = interrupted(gateways, server, state, taken)
    assert left["next_key"] and left["next_key"] != left["key"], "both are kept"
    gate = gateways(listen=server.listen(None), acme=server.acme(state), sites={HOST: site()}).start()
    assert renew(gate, HOST).returncode == 0
    now = account(state)
    assert now["key"] == left["next_key" if taken else "key"] and "next_key" not in now
    assert len(server.accounts) == 1


def test_a_refused_change_leaves_the_old_key(gateway, acme_ca, state):
    server = acme_ca()
    gate = acme_gateway(gateway, server, state, {HOST: site()})
    gate.wait_log("new certificate")
    before = account(state)

    def refuse(path, payload):
        if path == "/key-change":
            raise Refused("malformed", "not today", 400)

    server.refuse = refuse
    failed = cert(gate, "rollover")
    assert failed.returncode == 1 and "not today" in failed.stderr
    assert renew(gate, HOST).returncode == 0
    assert account(state)["key"] == before["key"] and "next_key" not in account(state)


# --- contact, and accounts that are gone ------------------------------------------------------


def test_the_contact_follows_the_configuration(gateway, acme_ca, state):
    server = acme_ca()
    gate = acme_gateway(gateway, server, state, {HOST: site()})
    gate.wait_log("new certificate")
    (known,) = server.accounts.values()
    assert known["contact"] == ["mailto:me@example.com"]
    gate.config["acme"]["email"] = "you@example.com"
    gate.reload()
    assert renew(gate, HOST).returncode == 0
    assert known["contact"] == ["mailto:you@example.com"]
    del gate.config["acme"]["email"]
    gate.reload()
    assert renew(gate, HOST).returncode == 0
    assert known["contact"] == []
    asked = len(server.seen)
    assert renew(gate, HOST).returncode == 0
    assert not [path for path, _, _ in server.seen[asked:] if path.startswith("/acct")]


@pytest.mark.parametrize("email", ["me@example.com", "you@example.com"])
def test_a_deactivated_account_is_replaced(gateway, acme_ca, state, email):
    """By one with another key; the old key is kept beside it."""
    server = acme_ca()
    gate = acme_gateway(gateway, server, state, {HOST: site()})
    gate.wait_log("new certificate")
    before = account(state)
    server.accounts[before["url"]]["status"] = "deactivated"
    gate.config["acme"]["email"] = email
    gate.reload()
    done = renew(gate, HOST)
    assert done.returncode == 0, done.stderr
    after = account(state)
    assert after["url"] != before["url"] and after["key"] != before["key"]
    (aside,) = (state / "accounts").glob("*.refused")
    assert json.loads(aside.read_text()) == before
    assert aside.stat().st_mode & 0o777 == 0o600
    gate.wait_log("was the account .* deactivated")


def test_an_unknown_account_is_made_again(gateway, acme_ca, state):
    """With the same key: the server has lost it."""
    server = acme_ca()
    gate = acme_gateway(gateway, server, state, {HOST: site()})
    gate.wait_log("new certificate")
    before = account(state)
    server.accounts.clear()
    done = renew(gate, HOST)
    assert done.returncode == 0, done.stderr
    after = account(state)
    assert after["url"] != before["url"] and after["key"] == before["key"]


def test_an_account_that_may_not_is_no_endless_story(gateway, acme_ca, state):
    server = acme_ca()

    def refuse(path, payload):
        if path == "/order":
            raise Refused("unauthorized", "not for this name")

    server.refuse = refuse
    gate = acme_gateway(gateway, server, state, {HOST: site()})
    gate.wait_log("no certificate: .*not for this name")
    assert len(server.payloads("/order")) == 2 and len(server.accounts) == 1


def test_a_broken_account_file_is_said(gateways, acme_ca, state):
    """For each site, and the gateway goes on."""
    server = acme_ca()
    names = HOST, "b.example.com"
    keys = dict(listen=server.listen(None), acme=server.acme(state),
                sites={name: site() for name in names})  # fmt: skip
    first = gateways(**keys).start()
    for name in names:
        first.wait_log(f"{name}: new certificate")
    first.stop()
    (path,) = (state / "accounts").glob("*.json")
    good = json.loads(path.read_text())
    path.write_text(json.dumps({**good, "key": "-----BEGIN EC PRIVATE KEY-----"}))
    second = gateways(**keys).start()
    failed = renew(second, *names)
    assert failed.returncode == 1
    assert failed.stderr.count("cannot be read; restore the file") == 2
    path.write_text(json.dumps(good))
    assert renew(second, *names).returncode == 0


# --- revocation -------------------------------------------------------------------------------


def is_revoked(server, serial):
    """Whether Pebble has revoked it; its management interface tells."""
    context = ssl.create_default_context(cafile=str(server.authority.ca))
    url = f"https://localhost:{server.management_port}/cert-status-by-serial/{serial}"
    with urllib.request.urlopen(url, context=context, timeout=10) as answer:
        return json.load(answer)["Status"] == "Revoked"


def test_a_certificate_is_taken_back(gateway, pebble, state):
    server = pebble()
    gate = acme_gateway(gateway, server, state, {HOST: site()}, {"reuse_key": True})
    gate.wait_log("certificates have been renewed")
    before = served(server.tls_port)["serial"].lower()
    key = (state / "certificates" / f"{HOST}.pem").read_text().partition("-----BEGIN EC")[2]
    done = cert(gate, "revoke", "--reason", "keyCompromise", HOST)
    assert done.returncode == 0, done.stderr
    assert is_revoked(server, before)
    wait_until(lambda: served(server.tls_port)["serial"].lower() != before, "another one")
    assert not is_revoked(server, served(server.tls_port)["serial"].lower())
    now = (state / "certificates" / f"{HOST}.pem").read_text().partition("-----BEGIN EC")[2]
    assert now != key, "even with reuse_key"
    gate.wait_log("has been revoked")


def test_a_reason_is_given(gateway, acme_ca, state):
    server = acme_ca()
    gate = acme_gateway(gateway, server, state, {HOST: site()})
    gate.wait_log("new certificate")
    assert cert(gate, "revoke", HOST).returncode == 0
    assert cert(gate, "revoke", "--reason", "superseded", HOST).returncode == 0
    assert list(server.revoked.values()) == [0, 4]
    wrong = cert(gate, "revoke", "--reason", "boredom", HOST)
    assert wrong.returncode == 2 and "keyCompromise" in wrong.stderr
    assert "which site" in cert(gate, "revoke").stderr


def test_interrupted_after_a_revocation_another_is_still_due(gateways, acme_ca, state):
    """The server revokes, gives nothing, and the gateway is started again."""
    server = acme_ca()

    def refuse(path, payload):
        if path == "/order" and server.revoked:
            raise Refused("serverInternal", "later", 500)

    server.refuse = refuse
    keys = dict(listen=server.listen(None), acme=server.acme(state), sites={HOST: site()})
    first = gateways(**keys).start()
    first.wait_log("new certificate")
    failed = cert(first, "revoke", HOST)
    assert failed.returncode == 1 and "later" in failed.stderr
    assert listed(first)[HOST]["state"] == "revoked"
    first.stop()
    server.refuse = lambda path, payload: None
    second = gateways(**keys).start()
    assert cert(second, "renew", HOST).returncode == 0
    assert listed(second)[HOST]["state"] == "good"


def test_revoked_already(gateway, acme_ca, state):
    server = acme_ca()
    gate = acme_gateway(gateway, server, state, {HOST: site()})
    gate.wait_log("new certificate")
    server.revoked.update({name: 1 for name in server.certificates})
    assert cert(gate, "revoke", HOST).returncode == 0
    assert len(server.certificates) == 2


def test_a_revocation_that_is_refused_is_said(gateway, acme_ca, state):
    server = acme_ca()
    gate = acme_gateway(gateway, server, state, {HOST: site()})
    gate.wait_log("new certificate")

    def refuse(path, payload):
        if path == "/revoke":
            raise Refused("badRevocationReason", "that is none", 400)

    server.refuse = refuse
    failed = cert(gate, "revoke", HOST)
    assert failed.returncode == 1 and "that is none (badRevocationReason)" in failed.stderr
    assert len(server.certificates) == 1, "nothing else was asked for"
