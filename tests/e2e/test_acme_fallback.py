# SPDX-License-Identifier: Apache-2.0
"""A second authority for when the first fails: which failures count, and no going to and fro."""

import pytest

from acme_ca import PROBLEM, Refused
from acme_gateway import HOST, acme_gateway, listed, renew, served, site
from gateway import run_ringway
from processes import wait_until


@pytest.fixture
def two(acme_ca):
    """Two authorities. The second looks for proofs where the first does."""
    first, second = acme_ca(name="First CA"), acme_ca(name="Second CA")
    second.http_port, second.tls_port = first.http_port, first.tls_port
    return first, second


def fallback(second):
    return {"fallback": {"directory": second.directory, "ca_file": str(second.authority.ca)}}


def fails(kind, status):
    def refuse(path, payload):
        if path == "/order":
            raise Refused(kind, "we are sorry", status)

    return refuse


def issuer(gate, server):
    return served(server.tls_port)["issuer"].replace("CN = ", "")


@pytest.mark.parametrize("kind, status", [
    ("serverInternal", 500), ("rateLimited", 429), ("rejectedIdentifier", 400), ("caa", 403),
    ("unauthorized", 403),
])  # fmt: skip
def test_without_a_certificate_the_second_is_asked_at_once(gateway, two, state, kind, status):
    first, second = two
    first.refuse = fails(kind, status)
    gate = acme_gateway(gateway, first, state, {HOST: site()}, fallback(second))
    gate.wait_log(f"we are sorry.*trying {second.directory}")
    gate.wait_log("certificates have been renewed")
    assert issuer(gate, first) == "Second CA"
    assert listed(gate)[HOST]["directory"] == second.directory
    assert second.directory in run_ringway("cert", "show", "-c", gate.path, HOST).stdout


def test_one_that_is_not_there(gateway, two, state):
    first, second = two
    first.stop()
    gate = acme_gateway(gateway, first, state, {HOST: site()}, fallback(second))
    gate.wait_log("certificates have been renewed")
    assert issuer(gate, first) == "Second CA"


def test_proofs_that_fail_are_no_reason(gateway, two, state):
    """The names would not be ours for the second one either."""
    first, second = two
    first.http_port += 1
    gate = acme_gateway(gateway, first, state, {HOST: site("http-01")}, fallback(second))
    first.http_port -= 2
    gate.wait_log("no certificate: ")
    assert not second.seen


def test_a_good_certificate_can_wait(gateway, two, state):
    """Three failures in a row, then the second; and at the next renewal the first again."""
    first, second = two
    gate = acme_gateway(gateway, first, state, {HOST: site()}, fallback(second))
    gate.wait_log("certificates have been renewed")
    assert issuer(gate, first) == "First CA"
    first.refuse = fails("serverInternal", 500)
    for _ in range(2):
        assert renew(gate, HOST).returncode == 1
        assert not second.seen
    assert renew(gate, HOST).returncode == 0
    wait_until(lambda: issuer(gate, first) == "Second CA", "the second one's")
    first.refuse = lambda path, payload: None
    before = len(first.payloads("/order"))
    gate.reload()
    assert listed(gate)[HOST]["state"] == "good"
    assert renew(gate, HOST).returncode == 0
    wait_until(lambda: issuer(gate, first) == "First CA", "the first one's")
    assert len(first.payloads("/order")) == before + 1, "by that renewal, not before"


def test_a_certificate_of_the_second_is_left_in_peace(gateways, two, state):
    """It is good: the first is not asked only because it is there again."""
    first, second = two
    first.refuse = fails("serverInternal", 500)
    keys = dict(listen=first.listen(None), acme=first.acme(state, **fallback(second)),
                sites={HOST: site()})  # fmt: skip
    one = gateways(**keys).start()
    one.wait_log("new certificate")
    one.stop()
    first.refuse = lambda path, payload: None
    asked = len(first.seen)
    again = gateways(**keys).start()
    again.wait_log("ready")
    assert run_ringway("cert", "issue", "-c", again.path, HOST).returncode == 0
    assert len(first.seen) == asked


def test_when_both_fail_both_are_named(gateway, two, state):
    first, second = two
    first.refuse = fails("rateLimited", 429)
    second.refuse = fails("rejectedIdentifier", 400)
    gate = acme_gateway(gateway, first, state, {HOST: site()}, fallback(second))
    gate.wait_log("no certificate: .*rateLimited.*the fallback: .*rejectedIdentifier")
    entry = listed(gate)[HOST]
    assert entry["failures"] == 1 and "rejectedIdentifier" in entry["error"]


def test_the_second_one_has_its_own_binding(gateway, acme_ca, state, tmp_path):
    secret = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
    key_file = tmp_path / "eab.key"
    key_file.write_text(secret)
    first, second = acme_ca(name="First CA"), acme_ca(name="Second CA", eab={"me": secret})
    second.http_port = first.http_port
    first.refuse = fails("serverInternal", 500)
    acme = fallback(second)
    acme["fallback"]["eab"] = {"key_id": "me", "key_file": str(key_file)}
    gate = acme_gateway(gateway, first, state, {HOST: site()}, acme)
    gate.wait_log("certificates have been renewed")
    assert issuer(gate, first) == "Second CA"
    assert PROBLEM not in gate.log


def test_revoked_where_it_came_from(gateway, two, state):
    first, second = two
    first.refuse = fails("serverInternal", 500)
    gate = acme_gateway(gateway, first, state, {HOST: site()}, fallback(second))
    gate.wait_log("new certificate")
    done = run_ringway("cert", "revoke", "-c", gate.path, HOST, timeout=60)
    assert done.returncode == 0, done.stderr
    assert len(second.revoked) == 1 and not first.revoked
