# SPDX-License-Identifier: Apache-2.0
"""Leaving an authority in peace: its limits counted before they are reached, and a staging server
asked first after failures."""

import datetime
import json

import pytest

from acme_ca import Refused
from acme_gateway import HOST, acme_gateway, listed, renew, site
from processes import free_port, wait_until
from test_admin import ask, labelled, metrics

LIMITED = {"limits": "letsencrypt"}


def hours_until(text):
    when = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")
    return (when - datetime.datetime.utcnow()).total_seconds() / 3600


def orders(server):
    return server.payloads("/order")


def counts_of(state):
    (path,) = (state / "accounts").glob("*.limits")
    return path, json.loads(path.read_text())


def test_failed_proofs_are_counted(gateways, acme_ca, state):
    """Five an hour for a name, also across a restart; what went wrong stays to be read."""
    server = acme_ca()
    keys = dict(listen=server.listen(None), acme=server.acme(state, **LIMITED),
                sites={HOST: site("http-01")})  # fmt: skip
    server.http_port = free_port()
    first = gateways(**keys).start()
    first.wait_log("no certificate")
    for _ in range(2):
        assert renew(first, HOST).returncode == 1
    first.stop()
    second = gateways(**keys).start()
    for _ in range(2):
        assert renew(second, HOST).returncode == 1
    assert len(orders(server)) == 5
    held = renew(second, HOST)
    assert held.returncode == 1 and "limit of 5 failed proofs within an hour" in held.stderr
    assert len(orders(server)) == 5
    entry = listed(second)[HOST]
    assert entry["failures"] == 5 and "showing by http-01" in entry["error"]
    assert 0.9 < hours_until(entry["next_attempt"]) <= 1


def test_each_challenge_counts(gateway, acme_ca, state):
    """auto tries two: after five proofs the second is left out."""
    server = acme_ca()
    keys = dict(listen=server.listen(None))
    server.http_port = free_port()
    gate = gateway(acme=server.acme(state, **LIMITED), sites={HOST: site()}, **keys)
    gate.wait_log("no certificate")
    path, counts = counts_of(state)
    assert len(counts["failures"][HOST]) == 1, "tls-alpn-01 is not offered, and was not tried"
    assert len(counts["orders"]["this account"]) == 2
    assert path.stat().st_mode & 0o777 == 0o600


def test_certificates_for_the_same_names_are_counted(gateway, acme_ca, state):
    """Five a week; other names are another matter."""
    server = acme_ca()
    gate = acme_gateway(gateway, server, state, {HOST: site()}, LIMITED)
    gate.wait_log("new certificate")
    for _ in range(4):
        assert renew(gate, HOST).returncode == 0
    held = renew(gate, HOST)
    assert held.returncode == 1
    assert "limit of 5 certificates for exactly these names within a week" in held.stderr
    entry = listed(gate)[HOST]
    assert len(orders(server)) == 5 and entry["state"] == "good" and "failures" not in entry
    gate.config["sites"][HOST]["aliases"] = ["b.example.com"]
    gate.reload()
    wait_until(lambda: len(orders(server)) == 6, "other names are ordered")


def test_orders_are_counted(gateways, acme_ca, state):
    server = acme_ca()
    keys = dict(listen=server.listen(None), acme=server.acme(state, **LIMITED))
    first = gateways(sites={HOST: site()}, **keys).start()
    first.wait_log("new certificate")
    first.stop()
    path, counts = counts_of(state)
    hour_ago = counts["orders"]["this account"][0] - 3600
    counts["orders"]["this account"] = [hour_ago] * 299 + counts["orders"]["this account"]
    path.write_text(json.dumps(counts))
    admin = free_port()
    second = gateways(
        sites={HOST: site(), "b.example.com": site()}, admin={"listen": f"127.0.0.1:{admin}"}, **keys
    ).start()  # fmt: skip
    second.wait_log("b.example.com: no certificate: .*limit of 300 orders within three hours")
    assert len(orders(server)) == 1
    wait_until(lambda: b"waits: this account: held back" in ask(admin, "/status").body, "it is shown")
    assert labelled(metrics(admin), "ringway_acme_failures", site="b.example.com") == [0]
    entry = listed(second)["b.example.com"]
    assert 1.9 < hours_until(entry["next_attempt"]) <= 2 and "failures" not in entry
    counts["orders"]["this account"] = [hour_ago - 7201] * 299
    path.write_text(json.dumps(counts))
    assert renew(second, "b.example.com").returncode == 0
    assert len(counts_of(state)[1]["orders"]["this account"]) == 1, "what is too old is dropped"


def test_certificates_for_a_registered_domain_are_counted(gateways, acme_ca, state):
    """Fifty a week for all names below what somebody has registered, but not what renews one."""
    server = acme_ca()
    keys = dict(listen=server.listen(None), acme=server.acme(state, **LIMITED))
    first = gateways(sites={"a.example.co.uk": site()}, **keys).start()
    first.wait_log("new certificate")
    first.stop()
    path, counts = counts_of(state)
    (when,) = counts["domains"]["example.co.uk"]
    counts["domains"]["example.co.uk"] = [when - 3600] * 49 + [when]
    path.write_text(json.dumps(counts))
    sites = {name: site() for name in ("a.example.co.uk", "b.example.co.uk", "b.another.co.uk")}
    second = gateways(sites=sites, **keys).start()
    said = second.wait_log("b.example.co.uk: no certificate: .*").string
    assert ("example.co.uk: held back before the authority's limit of 50 certificates for one "
            "registered domain within a week is exceeded; a site and its aliases share") in said  # fmt: skip
    second.wait_log("b.another.co.uk: new certificate")
    entry = listed(second)["b.example.co.uk"]
    assert 166.9 < hours_until(entry["next_attempt"]) <= 167 and "failures" not in entry
    assert renew(second, "a.example.co.uk").returncode == 0
    counts = counts_of(state)[1]
    assert len(counts["domains"]["example.co.uk"]) == 50, "a renewal does not count"
    assert len(counts["certificates"]["a.example.co.uk"]) == 2
    counts["domains"]["example.co.uk"] = [when - 7 * 86400] * 50
    path.write_text(json.dumps(counts))
    assert renew(second, "b.example.co.uk").returncode == 0
    assert len(counts_of(state)[1]["domains"]["example.co.uk"]) == 1


def full(counts):
    """No order for new names may be made, and no other certificate for HOST."""
    when = counts["certificates"][HOST][0]
    counts["orders"] = {"this account": [when] * 300}
    counts["domains"] = {"example.com": [when] * 50}
    counts["certificates"] = {HOST: [when] * 5}
    return counts


@pytest.mark.parametrize("refused", [False, True])
def test_what_the_authority_asks_for_does_not_count(gateways, acme_ca, state, refused):
    """A renewal in the suggested time that names what it replaces; without that it is one like others."""
    hour = datetime.timedelta(hours=1)
    past = datetime.datetime.utcnow() - 2 * hour
    windows = {}
    server = acme_ca(window=lambda certificate: windows.setdefault(
        certificate.serial_number, (past, past + 100 * hour) if not windows else
        (past + 500 * hour, past + 501 * hour),
    ))  # fmt: skip

    def refuse(path, payload):
        if refused and path == "/order" and payload and "replaces" in payload:
            raise Refused("alreadyReplaced", "it has been", 409)

    server.refuse = refuse
    keys = dict(listen=server.listen(None), acme=server.acme(state, **LIMITED),
                sites={HOST: site()})  # fmt: skip
    first = gateways(**keys).start()
    first.wait_log("authority suggests")
    first.stop()
    path, counts = counts_of(state)
    path.write_text(json.dumps(full(counts)))
    second = gateways(**keys).start()
    done = renew(second, HOST)
    assert "replaces" in orders(server)[1]
    if refused:
        assert done.returncode == 1 and "certificates for exactly these names" in done.stderr
        assert len(orders(server)) == 2
    else:
        assert done.returncode == 0, done.stderr
        assert counts_of(state)[1] == full(counts)


def test_renewals_are_no_new_orders(gateways, acme_ca, state):
    """They do not count as such, and are made when no others may be; each key has its certificate."""
    server = acme_ca()
    keys = dict(listen=server.listen(None), acme=server.acme(state, keys="both", **LIMITED),
                sites={HOST: site()})  # fmt: skip
    first = gateways(**keys).start()
    wait_until(lambda: first.log.count("new certificate") == 2, "one for each key")
    first.stop()
    path, counts = counts_of(state)
    assert [len(counts[key][subject]) for key, subject in
            (("orders", "this account"), ("domains", "example.com"),
             ("certificates", HOST))] == [1, 1, 2]  # fmt: skip
    counts["orders"]["this account"] *= 300
    counts["domains"]["example.com"] *= 50
    path.write_text(json.dumps(counts))
    second = gateways(**keys).start()
    assert renew(second, HOST).returncode == 0
    assert counts_of(state)[1]["orders"] == counts["orders"]


def test_held_back_the_second_authority_is_asked(gateways, acme_ca, state):
    """For a site that has nothing good."""
    first, second = acme_ca(name="First CA"), acme_ca(name="Second CA")
    second.http_port = first.http_port
    fallback = {"directory": second.directory, "ca_file": str(second.authority.ca)}
    keys = dict(listen=first.listen(None),
                acme=first.acme(state, fallback=fallback, **LIMITED))  # fmt: skip
    one = gateways(sites={HOST: site()}, **keys).start()
    one.wait_log("new certificate")
    one.stop()
    path, counts = counts_of(state)
    counts["orders"]["this account"] *= 300
    path.write_text(json.dumps(counts))
    two = gateways(sites={HOST: site(), "b.example.com": site()}, **keys).start()
    two.wait_log("b.example.com: new certificate")
    assert len(orders(first)) == 1 and len(orders(second)) == 1


@pytest.mark.parametrize("text", ["", "[]", '{"orders": 7, "failures": {"a.example.com": "x"}}'])
def test_counts_that_cannot_be_read_count_nothing(gateways, acme_ca, state, text):
    server = acme_ca()
    keys = dict(listen=server.listen(None), acme=server.acme(state, **LIMITED),
                sites={HOST: site()})  # fmt: skip
    first = gateways(**keys).start()
    first.wait_log("new certificate")
    first.stop()
    counts_of(state)[0].write_text(text)
    second = gateways(**keys).start()
    assert renew(second, HOST).returncode == 0
    assert len(counts_of(state)[1]["certificates"][HOST]) == 1


def test_others_have_no_known_limits(gateway, acme_ca, state):
    server = acme_ca()
    gate = acme_gateway(gateway, server, state, {HOST: site()})
    gate.wait_log("new certificate")
    for _ in range(6):
        assert renew(gate, HOST).returncode == 0
    assert not list((state / "accounts").glob("*.limits"))


# --- staging ----------------------------------------------------------------------------------


def staged(gateway, acme_ca, state):
    """A gateway whose proofs nobody sees, its authority, and the staging server."""
    real, staging = acme_ca(name="Real CA"), acme_ca(name="Staging CA")
    listen, port = real.listen(None), real.http_port
    real.http_port = staging.http_port = free_port()
    gate = gateway(listen=listen, acme=real.acme(state, staging=staging.directory),
                   sites={HOST: site("http-01")})  # fmt: skip
    gate.wait_log("no certificate")
    for _ in range(2):
        assert renew(gate, HOST).returncode == 1
    assert len(orders(real)) == 3 and not staging.seen
    return gate, real, staging, port


def test_after_three_failures_staging_is_tried_first(gateway, acme_ca, state):
    """And once that works, the authority, at once. Nothing is made at the staging server."""
    gate, real, staging, port = staged(gateway, acme_ca, state)
    failed = renew(gate, HOST)
    assert failed.returncode == 1 and "showing by http-01" in failed.stderr
    assert len(orders(real)) == 3 and len(orders(staging)) == 1, "the authority is left alone"
    assert listed(gate)[HOST]["failures"] == 4
    real.http_port = staging.http_port = port
    assert renew(gate, HOST).returncode == 0
    assert len(orders(real)) == 4 and len(real.certificates) == 1
    assert len(orders(staging)) == 2 and not staging.certificates
    gate.wait_log("after 4 failures tried at .* first: that works")
    assert listed(gate)[HOST]["directory"] == real.directory
    assert renew(gate, HOST).returncode == 0
    assert len(orders(staging)) == 2, "all is well again"


def test_a_staging_server_that_fails_is_no_hindrance(gateway, acme_ca, state):
    gate, real, staging, port = staged(gateway, acme_ca, state)

    def refuse(path, payload):
        if path == "/order":
            raise Refused("serverInternal", "staging is broken", 500)

    staging.refuse = refuse
    real.http_port = port
    assert renew(gate, HOST).returncode == 0
    gate.wait_log("tried at .* first: .*staging is broken")
