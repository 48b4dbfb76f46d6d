# SPDX-License-Identifier: Apache-2.0
"""dns-01 by dynamic updates (RFC 2136) of zones that BIND serves, and that Pebble looks at."""

import base64
import contextlib
import itertools
import json
import os
from pathlib import Path

import pytest

from acme_gateway import HOST, acme_gateway, is_real, listed, renew, served, site
from gateway import run_ringway
from name_server import NameServer
from processes import SANITIZER, wait_until

ZONE = "example.com"


@pytest.fixture
def name_servers(tmp_path):
    """Starts name servers: `name_servers({"example.com": ""})`."""
    numbers = itertools.count()
    with contextlib.ExitStack() as stack:

        def start(zones=None, **options):
            folder = tmp_path / f"named{next(numbers)}"
            folder.mkdir()
            made = NameServer(folder, zones or {ZONE: ""}, **options)
            stack.callback(made.stop)
            return made

        yield start


def dns_of(names):
    return {"resolver": names.address, "servers": [names.address], "timeout": "10s"}


def updating(gateway, server, state, sites, rfc2136, names):
    keys = {"rfc2136": rfc2136, "dns": dns_of(names)}
    return acme_gateway(gateway, server, state, sites, keys)


@pytest.mark.parametrize("algorithm", ["hmac-sha256", "hmac-sha512", "hmac-sha1"])
def test_the_zone_is_updated(gateway, pebble, name_servers, state, algorithm):
    """A wildcard and its name: two values at once, none of them left."""
    names = name_servers(algorithm=algorithm)
    server = pebble(dns_server=names.address)
    sites = {ZONE: site("dns-01", aliases=["*.example.com"])}
    gate = updating(gateway, server, state, sites, names.acme(), names)
    gate.wait_log("acme: example.com: new certificate")
    wait_until(lambda: is_real(server.tls_port, ZONE), "it is served")
    assert served(server.tls_port, ZONE)["names"] == ["*.example.com", ZONE]
    # At the start, for each name, a record is removed that is not there.
    done = ["adding an RR" in line for line in names.updates]
    assert done == [False, False, True, True, False, False], names.process.output
    assert all("_acme-challenge.example.com" in line for line in names.updates)
    assert names.texts("_acme-challenge.example.com") == []
    assert names.secret not in gate.log
    assert "cannot be set" not in gate.log, "what is looked at first was content"


def test_the_key_file_of_tsig_keygen(gateway, pebble, name_servers, state):
    names = name_servers()
    names.key_file.write_text(
        f'key "ringway" {{\n\talgorithm hmac-sha256;\n\tsecret "{names.secret}";\n}};\n'
    )
    server = pebble(dns_server=names.address)
    gate = updating(gateway, server, state, {HOST: site("dns-01")}, names.acme(), names)
    gate.wait_log("new certificate")


def test_the_zone_of_an_alias_is_updated(gateway, pebble, name_servers, state):
    """_acme-challenge of the site's zone is delegated by CNAME; that zone itself stays as it is."""
    names = name_servers({
        ZONE: "_acme-challenge.a IN CNAME a.proofs.example.net.",
        "proofs.example.net": "",
    })  # fmt: skip
    server = pebble(dns_server=names.address)
    gate = updating(gateway, server, state, {HOST: site("dns-01")}, names.acme(), names)
    gate.wait_log("acme: _acme-challenge.a.example.com is an alias of a.proofs.example.net")
    gate.wait_log("new certificate")
    assert names.updates and all("'proofs.example.net/IN'" in line for line in names.updates)
    assert names.texts("a.proofs.example.net") == []


def test_an_alias_of_itself_is_said(gateway, pebble, name_servers, state):
    names = name_servers({ZONE: "_acme-challenge.a IN CNAME _acme-challenge.a"})
    server = pebble(dns_server=names.address)
    gate = updating(gateway, server, state, {HOST: site("dns-01")}, names.acme(), names)
    gate.wait_log("no certificate: .*more than 8 times: is it a loop")


def test_the_name_servers_of_the_zone_are_found(gateway, pebble, name_servers, state):
    """They are asked at port 53 of where DNS says they are; here nobody can be."""
    names = name_servers()
    server = pebble(dns_server=names.address)
    keys = {"rfc2136": names.acme(), "dns": {"resolver": names.address, "timeout": "10s"}}
    gate = acme_gateway(gateway, server, state, {HOST: site("dns-01")}, keys)
    gate.wait_log(r"the name server 127\.0\.0\.1:53 cannot be asked for _acme-challenge")
    gate.wait_log("no name server could be asked .* going on without knowing")
    gate.wait_log("new certificate")


def other_secret(names):
    names.key_file.write_text(base64.b64encode(os.urandom(32)).decode())
    return names.acme()


BAD_UPDATES = {
    "another secret": (other_secret, 'BADSIG: its key "ringway" is another one than that in'),
    "no such key": (lambda n: n.acme(key_name="nobody"), 'BADKEY: it has no key "nobody"'),
    "another algorithm": (lambda n: n.acme(algorithm="hmac-sha512"), "BADKEY"),
    "a key without the right": (
        lambda n: n.acme(key_name="stranger"),
        'refuses updates of the zone example.com by the key "stranger"; allow it there',
    ),
    "nobody there": (lambda n: n.acme(server="127.0.0.1:9"), "does not answer: Connection refused"),
}


@pytest.mark.parametrize("case", BAD_UPDATES)
def test_a_refused_update_is_said(gateway, pebble, name_servers, state, case):
    """At the start already, and when it fails; the authority does not hear of it."""
    change, expected = BAD_UPDATES[case]
    names = name_servers()
    server = pebble(dns_server=names.address)
    gate = updating(gateway, server, state, {HOST: site("dns-01")}, change(names), names)
    gate.wait_log("DNS records for a.example.com cannot be set: .*" + expected.split(":")[0])
    said = gate.wait_log("no certificate: .*Next attempt at").string
    assert expected in said and "setting _acme-challenge.a.example.com" in said, said
    assert names.secret not in gate.log and names.key_file.read_text().strip() not in gate.log
    assert "Pulled a task" not in server.process.output


@pytest.mark.skipif(SANITIZER is not None, reason="the sanitizer wants to be the first library")
def test_clocks_that_differ_are_said(gateways, pebble, name_servers, state):
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if not library:
        pytest.skip("the package libfaketime is missing")
    names = name_servers()
    server = pebble(dns_server=names.address)
    keys = {"rfc2136": names.acme(), "dns": dns_of(names)}
    gate = gateways(
        listen=server.listen(None), acme=server.acme(state, **keys), sites={HOST: site("dns-01")}
    ).start(env={
        **os.environ, "LD_PRELOAD": str(library), "FAKETIME": "+10m",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # the kernel's timers do not know of it
    })  # fmt: skip
    said = gate.wait_log("no certificate: .*Next attempt at").string
    assert "BADTIME: its clock and this machine's are more than 300 s apart" in said, said


def test_a_zone_that_is_not_there_is_said(gateway, pebble, name_servers, state):
    names = name_servers({"example.org": ""})
    server = pebble(dns_server=names.address)
    gate = updating(gateway, server, state, {HOST: site("dns-01")}, names.acme(), names)
    said = gate.wait_log("no certificate: .*Next attempt at").string
    assert "knows no zone (SOA) that _acme-challenge.a.example.com is in" in said or (
        "looking up _acme-challenge.a.example.com" in said
    ), said


def test_a_bad_key_file_is_said(gateway, pebble, name_servers, state):
    names = name_servers()
    names.key_file.write_text("this is no key\n")
    server = pebble(dns_server=names.address)
    gate = updating(gateway, server, state, {HOST: site("dns-01")}, names.acme(), names)
    gate.wait_log("no certificate: .*tsig.key holds no TSIG key; make one with tsig-keygen")


@pytest.mark.parametrize("named, advice", [
    ("hmac-sha512", "set algorithm to hmac-sha512"),
    ("hmac-sha384", "make another key with tsig-keygen -a hmac-sha256"),
])  # fmt: skip
def test_a_key_file_for_another_algorithm_is_said(
    gateway, pebble, name_servers, state, named, advice
):
    """Before anybody is asked; hmac-sha384 is one that we cannot sign with."""
    names = name_servers()
    names.key_file.write_text(
        f'key "ringway" {{\n\talgorithm {named};\n\tsecret "{names.secret}";\n}};\n'
    )
    server = pebble(dns_server=names.address)
    gate = updating(gateway, server, state, {HOST: site("dns-01")}, names.acme(), names)
    said = gate.wait_log("no certificate: .*Next attempt at").string
    assert f"tsig.key is for {named}, and acme.rfc2136.algorithm is hmac-sha256; {advice}" in said
    assert names.secret not in gate.log


def test_an_algorithm_that_is_not_there_is_said(tmp_path):
    path = tmp_path / "ringway.yaml"
    (tmp_path / "tsig.key").write_text("c2VjcmV0c2VjcmV0")
    path.write_text(json.dumps({
        "listen": [{"address": "127.0.0.1:1", "tls": True}], "sites": {HOST: site("dns-01")},
        "acme": {"agree_tos": True, "rfc2136": {
            "server": "127.0.0.1:53", "key_name": "ringway", "key_file": "tsig.key",
            "algorithm": "hmac-sha384"}},
    }))  # fmt: skip
    done = run_ringway("check", "-c", path)
    assert done.returncode == 1
    assert 'found "hmac-sha384"; expected one of hmac-sha256, hmac-sha512, hmac-sha1' in done.stderr


def test_renewal_and_what_is_listed(gateway, pebble, name_servers, state):
    names = name_servers()
    server = pebble(dns_server=names.address)
    gate = updating(gateway, server, state, {HOST: site("dns-01")}, names.acme(), names)
    gate.wait_log("new certificate")
    assert renew(gate).returncode == 0
    assert listed(gate)[HOST]["state"] == "good"
