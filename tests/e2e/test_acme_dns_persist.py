# SPDX-License-Identifier: Apache-2.0
"""dns-persist-01, in what its drafts have been: the record is expected, said, and found. The
authority is the tests' own, which looks it up in a real DNS server."""

import hashlib
import json
import re
import subprocess
import time

import pytest

from acme_ca import PROBLEM, AcmeCa, encode, thumbprint
from acme_gateway import HOST, acme_gateway, listed, renew, served, site
from gateway import run_ringway
from processes import wait_until

ISSUER = "authority.example"


class PersistCa(AcmeCa):
    """`draft` says how the account is named: 2: by a hash, 1: in the challenge, 0: by its URL."""

    draft, dns_port = 2, None

    def get(self, path):
        answer = super().get(path)
        if path == "/dir" and self.draft == 2:
            answer[0]["meta"]["accountHashPrefix"] = f"{self.base}/account-hash/"
            answer[0]["meta"]["issuerDomainNames"] = [ISSUER]
        return answer

    def uri(self, kid, domain):
        if self.draft < 2:
            return kid if self.draft == 0 else f"{kid}#for-dns"
        key = thumbprint(self.accounts[kid]["key"])
        text = bytes([len(domain)]) + (domain + key + kid).encode()
        return f"{self.base}/account-hash/sha-256/{encode(hashlib.sha256(text).digest())}"

    def on_authz(self, kid, payload, number, place):
        (shown,) = super().on_authz(kid, payload, number, place)
        name = shown["identifier"]["value"]
        if name.startswith("*."):  # RFC 8555 §7.1.4
            shown.update(wildcard=True, identifier={"type": "dns", "value": name[2:]})
        challenge = shown["challenges"][0]
        challenge["type"] = "dns-persist-01"
        del challenge["token"]
        key = "issuerDomainNames" if self.draft == 2 else "issuer-domain-names"
        challenge[key] = [ISSUER, "ca.example.net"]
        if self.draft == 1:
            challenge["accounturi"] = self.uri(kid, None)
        return (shown,)

    def on_chall(self, kid, payload, number, place):
        order = self.orders[number]
        name = order["identifiers"][int(place)]["value"]
        domain = name.removeprefix("*.")
        done = subprocess.run(
            ["dig", "+short", "-p", str(self.dns_port), "@127.0.0.1",
             f"_validation-persist.{domain}", "TXT"],
            capture_output=True, text=True, timeout=20, check=True,
        )  # fmt: skip
        good = False
        for line in done.stdout.splitlines():
            issuer, *parts = [part.strip() for part in line.replace('" "', "").strip('"').split(";")]
            good |= issuer in (ISSUER, "ca.example.net") and (
                f"accounturi={self.uri(kid, domain)}" in parts
            ) and ("policy=wildcard" in parts or not name.startswith("*."))  # fmt: skip
        order["done"][int(place)] = good
        if not good:
            order["status"] = "invalid"
            order["error"] = {"type": PROBLEM + "unauthorized", "detail": "no such record"}
        elif all(order["done"]):
            order["status"] = "ready"
        return ({"type": "dns-persist-01", "status": "processing"},)


@pytest.fixture
def ca(authority, pebble):
    """The authority, with Pebble's DNS server, which Pebble is not needed for."""
    server = pebble()
    made = PersistCa(authority)
    made.dns_port, made.tell_dns = server.dns_port, server.tell_dns
    yield made
    made.stop()


def persisting(gateway, ca, state, sites):
    dns = {"resolver": f"127.0.0.1:{ca.dns_port}"}
    return acme_gateway(gateway, ca, state, sites, {"dns": dns})


def shown(gate, name):
    """What `ringway cert show` says of the records: name → value."""
    done = run_ringway("cert", "show", "-c", gate.path, name)
    assert done.returncode == 0, done.stderr
    return dict(re.findall(r'^record: +(\S+) TXT "(.*)"$', done.stdout, re.M))


@pytest.mark.parametrize("draft", [2, 1, 0])
def test_the_record_is_said_and_then_found(gateway, ca, state, draft):
    ca.draft = draft
    gate = persisting(gateway, ca, state, {HOST: site("dns-persist-01")})
    name = "_validation-persist.a.example.com"
    said = gate.wait_log("no certificate: .*Next attempt at").string
    records = shown(gate, HOST)
    (kid,) = ca.accounts
    assert records == {name: f"{ISSUER}; accounturi={ca.uri(kid, HOST)}"}
    assert f"the record {name} is missing; make it in DNS: {name}." in said
    assert f'TXT "{records[name]}"' in said
    assert listed(gate)[HOST]["dns_records"] == [{"name": name, "value": records[name]}]
    assert not ca.payloads("/chall/1/0") and len(ca.orders) == 1, "nothing failed there"
    ca.tell_dns("set-txt", host=name + ".", value=records[name])
    assert renew(gate, HOST, verb="issue").returncode == 0
    wait_until(lambda: "Test CA" in served(ca.tls_port)["issuer"], "it is served")
    assert len(ca.orders) == 1, "the order that waited was gone on with"


def test_a_wildcard_wants_it_in_the_record(gateway, ca, state):
    """One record does for the name and its wildcard."""
    sites = {"example.com": site("dns-persist-01", aliases=["*.example.com"])}
    gate = persisting(gateway, ca, state, sites)
    gate.wait_log("no certificate: .*is missing; make it")
    ((name, value),) = shown(gate, "example.com").items()
    assert name == "_validation-persist.example.com" and value.endswith("; policy=wildcard")
    ca.tell_dns("set-txt", host=name + ".", value=value.removesuffix("; policy=wildcard"))
    done = renew(gate, "example.com", verb="issue")
    assert done.returncode == 1 and "does not have policy=wildcard" in done.stderr
    ca.tell_dns("set-txt", host=name + ".", value=value)
    assert renew(gate, "example.com", verb="issue").returncode == 0
    assert served(ca.tls_port, "example.com")["names"] == ["*.example.com", "example.com"]


def test_a_record_that_will_not_do_is_said(gateway, ca, state):
    gate = persisting(gateway, ca, state, {HOST: site("dns-persist-01")})
    gate.wait_log("no certificate: .*is missing; make it")
    ((name, value),) = shown(gate, HOST).items()
    ca.tell_dns("set-txt", host=name + ".", value=f"{value}; persistUntil={int(time.time()) - 9}")
    done = renew(gate, HOST, verb="issue")
    assert done.returncode == 1 and "has expired (persistUntil)" in done.stderr
    ca.tell_dns("set-txt", host=name + ".", value=f"{value}; persistUntil={int(time.time()) + 999}")
    assert renew(gate, HOST, verb="issue").returncode == 0


def test_a_record_for_another_authority_is_said(gateway, ca, state):
    """Its issuer is in none of the names the challenge gives; one for ours beside it is enough."""
    name = "_validation-persist.a.example.com."
    ca.tell_dns("set-txt", host=name, value="other.example; accounturi=https://other/1")
    gate = persisting(gateway, ca, state, {HOST: site("dns-persist-01")})
    said = gate.wait_log("no certificate: .*Next attempt at").string
    value = shown(gate, HOST)[name.removesuffix(".")]
    assert 'is for "other.example", which is not this authority; make one for it in DNS' in said
    assert f'TXT "{value}" (it goes by: {ISSUER}, ca.example.net)' in said
    assert not ca.payloads("/chall/1/0"), "nothing failed there"
    ca.tell_dns("set-txt", host=name, value=value)  # beside the one there is
    assert renew(gate, HOST, verb="issue").returncode == 0


def test_of_the_account_the_authority_judges(gateway, ca, state):
    """A key that was changed gives another hash, and the one before is still good there."""
    gate = persisting(gateway, ca, state, {HOST: site("dns-persist-01")})
    gate.wait_log("no certificate: .*is missing; make it")
    name = "_validation-persist.a.example.com."
    ca.tell_dns("set-txt", host=name, value=f"{ISSUER}; accounturi={ca.base}/account-hash/old")
    assert renew(gate, HOST, verb="issue").returncode == 1
    gate.wait_log("names another account; it should be: " + ISSUER)
    gate.wait_log("showing by dns-persist-01 that a.example.com is ours: no such record")


def test_an_authority_without_it_is_said(gateway, pebble, state):
    server = pebble()
    gate = acme_gateway(gateway, server, state, {HOST: site("dns-persist-01")})
    gate.wait_log("the server does not offer dns-persist-01 for a.example.com")


def test_a_challenge_without_issuers_is_said(gateway, ca, state):
    offered = ca.on_authz

    def without(*arguments):
        (shown,) = offered(*arguments)
        shown["challenges"][0]["issuerDomainNames"] = ["x.example"] * 11
        return (shown,)

    ca.on_authz = without
    gate = persisting(gateway, ca, state, {HOST: site("dns-persist-01")})
    gate.wait_log("no certificate: .*challenge does not name its issuers")
    assert json.loads(run_ringway("cert", "list", "--json", "-c", gate.path).stdout)
