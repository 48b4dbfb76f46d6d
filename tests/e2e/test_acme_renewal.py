# SPDX-License-Identifier: Apache-2.0
"""What is asked for and when: profiles, chains, and the time that the authority suggests."""

import datetime
import email.utils
import json
import re
import subprocess

import pytest

from acme_ca import Refused, certificate_id, encode
from acme_gateway import HOST, acme_gateway, listed, renew, served, site
from gateway import run_ringway
from processes import PATIENCE_S, wait_until

PROFILES = {"classic": "https://ca.example/docs/classic", "shortlived": "six days"}


def utc(text):
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")


def now():
    return datetime.datetime.utcnow()


def hours(number):
    return datetime.timedelta(hours=number)


def orders(server):
    return server.payloads("/order")


# --- profiles ---------------------------------------------------------------------------------


def test_a_profile_is_asked_for(gateway, acme_ca, state):
    server = acme_ca(profiles=PROFILES)
    gate = acme_gateway(gateway, server, state, {HOST: site()}, {"profile": "shortlived"})
    gate.wait_log("new certificate")
    assert [order["profile"] for order in orders(server)] == ["shortlived"]
    assert listed(gate)[HOST]["profile"] == "shortlived"
    assert "profile:       shortlived\n" in run_ringway("cert", "show", "-c", gate.path).stdout
    del gate.config["acme"]["profile"]
    gate.reload()
    wait_until(lambda: len(orders(server)) == 2, "a change of the profile gets another certificate")
    assert "profile" not in orders(server)[1]


def test_one_that_is_not_offered(gateway, acme_ca, state):
    server = acme_ca(profiles=PROFILES)
    gate = acme_gateway(gateway, server, state, {HOST: site()}, {"profile": "longlived"})
    said = gate.wait_log("no certificate: .*").string
    assert '"longlived"' in said and 'it offers "classic"; "shortlived"' in said
    assert not orders(server)


def test_where_none_is_offered(gateway, pebble, state):
    gate = acme_gateway(gateway, pebble(), state, {HOST: site()}, {"profile": "shortlived"})
    gate.wait_log('does not offer the profile "shortlived" .*it offers none')


def test_the_fallback_may_not_offer_it(gateway, acme_ca, state):
    first, second = acme_ca(profiles=PROFILES), acme_ca()
    second.http_port = first.http_port

    def refuse(path, payload):
        if path == "/order":
            raise Refused("serverInternal", "sorry", 500)

    first.refuse = refuse
    gate = acme_gateway(gateway, first, state, {HOST: site()}, {
        "profile": "shortlived",
        "fallback": {"directory": second.directory, "ca_file": str(second.authority.ca)},
    })  # fmt: skip
    gate.wait_log("new certificate")
    assert "profile" not in orders(second)[0]
    assert run_ringway("cert", "issue", "-c", gate.path, HOST).returncode == 0
    assert listed(gate)[HOST]["state"] == "good" and len(orders(second)) == 1


# --- chains -----------------------------------------------------------------------------------


def top_issuer(state):
    """Who issued the last certificate in the file."""
    text = (state / "certificates" / f"{HOST}.pem").read_text()
    last = re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", text, re.S)[-1]
    told = subprocess.run(
        ["openssl", "x509", "-noout", "-issuer", "-nameopt", "multiline"],
        input=last, capture_output=True, text=True, timeout=PATIENCE_S, check=True,
    )  # fmt: skip
    return re.search(r"commonName += (.*)", told.stdout)[1]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_chain_is_preferred(gateway, acme_ca, state, number):
    server = acme_ca(chains=3)
    wanted = f"Test CA root {number}"
    gate = acme_gateway(gateway, server, state, {HOST: site()}, {"preferred_chain": wanted})
    gate.wait_log("certificates have been renewed")
    assert top_issuer(state) == wanted
    assert "offers no chain" not in gate.log
    assert "Test CA" in served(server.tls_port)["issuer"]


def test_a_chain_that_is_not_there(gateway, acme_ca, state):
    server = acme_ca(chains=2)
    gate = acme_gateway(gateway, server, state, {HOST: site()}, {"preferred_chain": "Root Z"})
    gate.wait_log('offers no chain from "Root Z"')
    gate.wait_log("new certificate")
    assert top_issuer(state) == "Test CA root 1"


def test_chains_of_pebble(gateway, pebble, state):
    """Their names are random: the second one is found out first."""
    server = pebble(environment={"PEBBLE_ALTERNATE_ROOTS": "2", "PEBBLE_CHAIN_LENGTH": "2"})
    gate = acme_gateway(gateway, server, state, {HOST: site()})
    gate.wait_log("new certificate")
    first = top_issuer(state)
    told = subprocess.run(
        ["openssl", "x509", "-noout", "-subject", "-nameopt", "multiline"],
        input=server.root(2), capture_output=True, text=True, timeout=PATIENCE_S, check=True,
    )  # fmt: skip
    wanted = re.search(r"commonName += (.*)", told.stdout)[1]
    assert wanted != first
    gate.config["acme"]["preferred_chain"] = wanted
    gate.reload()
    assert renew(gate, HOST).returncode == 0
    assert top_issuer(state) == wanted


# --- renewal information (RFC 9773) -----------------------------------------------------------


def test_the_suggested_window_is_kept_to(gateways, acme_ca, state):
    """A time in it is picked, and stays the same."""
    start, end = now() + hours(24 * 20), now() + hours(24 * 22)
    server = acme_ca(window=lambda certificate: (start, end))
    server.window_fields = {"explanationURL": "https://ca.example/docs/why"}
    keys = dict(listen=server.listen(None), acme=server.acme(state), sites={HOST: site()})
    gate = gateways(**keys).start()
    said = gate.wait_log("authority suggests renewal between .*").string
    assert "why: https://ca.example/docs/why" in said
    entry = listed(gate)[HOST]
    assert start - hours(1) < utc(entry["next_attempt"]) < end + hours(1)
    assert utc(entry["suggested_window"]["end"]) == end.replace(microsecond=0)
    shown = run_ringway("cert", "show", "-c", gate.path).stdout
    assert "suggested: " in shown and "see https://ca.example/docs/why" in shown
    gate.stop()
    again = gateways(**keys).start()
    assert listed(again)[HOST]["next_attempt"] == entry["next_attempt"]
    (name,) = server.certificates
    assert [path for path, _, _ in server.seen if "renewal" in path] == [f"/renewal-info/{name}"]
    assert len(orders(server)) == 1


def test_a_window_in_the_past_means_now(gateways, acme_ca, state):
    """As an authority says before it revokes. The new order names what it replaces."""
    windows = {}

    def window(certificate):
        return windows.setdefault(
            certificate_id(certificate), (now() - hours(3), now() - hours(2))
            if not windows else (now() + hours(500), now() + hours(510)),
        )  # fmt: skip

    server = acme_ca(window=window)
    server.window_headers = {"Retry-After": "60"}
    keys = dict(listen=server.listen(None), acme=server.acme(state), sites={HOST: site()})
    gate = gateways(**keys).start()
    gate.wait_log("new certificate")
    gate.stop()  # what was just got is held for a while, in one process
    again = gateways(**keys).start()
    again.wait_log("new certificate")
    first, second = server.certificates
    assert "replaces" not in orders(server)[0]
    assert orders(server)[1]["replaces"] == first
    again.wait_log("authority suggests")
    assert utc(listed(again)[HOST]["next_attempt"]) > now() + hours(490)


def test_authorities_name_their_keys_as_they_like(gateway, acme_ca, state):
    """Most take a SHA-1 digest; this one SHA-256 (RFC 7093)."""
    key_id = bytes(range(0xE0, 0x100))
    server = acme_ca(window=lambda certificate: (now() + hours(400), now() + hours(410)),
                     key_id=key_id)  # fmt: skip
    gate = acme_gateway(gateway, server, state, {HOST: site()})
    gate.wait_log("authority suggests")
    assert renew(gate, HOST).returncode == 0
    first, _ = server.certificates
    assert first.startswith(encode(key_id) + ".")
    assert orders(server)[1]["replaces"] == first


@pytest.mark.parametrize("kind, status", [("alreadyReplaced", 409), ("malformed", 400),
                                          ("unauthorized", 403)])  # fmt: skip
def test_refused_to_replace_it_orders_without(gateway, acme_ca, state, kind, status):
    server = acme_ca(window=lambda certificate: (now() + hours(400), now() + hours(410)))

    def refuse(path, payload):
        if path == "/order" and payload and "replaces" in payload:
            raise Refused(kind, "it has been", status)

    server.refuse = refuse
    gate = acme_gateway(gateway, server, state, {HOST: site()})
    gate.wait_log("new certificate")
    assert renew(gate, HOST).returncode == 0
    assert ["replaces" in order for order in orders(server)] == [False, True, False]
    gate.wait_log('it has been .*ordering without "replaces"')


def test_a_limit_is_no_reason_to_ask_twice(gateway, acme_ca, state):
    server = acme_ca(window=lambda certificate: (now() + hours(400), now() + hours(410)))

    def refuse(path, payload):
        if path == "/order" and payload and "replaces" in payload:
            raise Refused("rateLimited", "too many", 429, {"Retry-After": "7200"})

    server.refuse = refuse
    gate = acme_gateway(gateway, server, state, {HOST: site()})
    gate.wait_log("new certificate")
    assert renew(gate, HOST).returncode == 1
    assert ["replaces" in order for order in orders(server)] == [False, True]
    assert utc(listed(gate)[HOST]["next_attempt"]) > now() + hours(1.9)


@pytest.mark.parametrize("after, least, most", [
    ("7200", 1.9, 2.1),
    (email.utils.formatdate(4102444800, usegmt=True), 23.9, 24.1),  # a day at most
    ("1", 0, 0.1),
    (None, 5.9, 6.1),
])  # fmt: skip
def test_when_to_ask_again(gateway, acme_ca, state, after, least, most):
    server = acme_ca(window=lambda certificate: (now() + hours(400), now() + hours(410)))
    server.window_headers = {"Retry-After": after} if after else {}
    gate = acme_gateway(gateway, server, state, {HOST: site()})
    gate.wait_log("authority suggests")
    record = state / "certificates" / f"{HOST}.json"
    wait_until(lambda: json.loads(record.read_text())["window"]["start"], "it is kept")
    again = json.loads(record.read_text())["window"]["ask_at"]
    wait_h = (again - datetime.datetime.now().timestamp()) / 3600
    assert least < wait_h < most


@pytest.mark.parametrize("window", [
    {"start": "2025-01-02T04:00:00Z"},
    {"start": "yesterday", "end": "tomorrow"},
    {"start": "2999-01-02T04:00:00Z", "end": "2999-01-03T04:00:00Z"},
    {"start": "2025-01-03T04:00:00Z", "end": "2025-01-02T04:00:00Z"},
    "soon", None,
])  # fmt: skip
def test_nonsense_is_no_window(gateway, acme_ca, state, window):
    server = acme_ca(window=lambda certificate: (now(), now()))
    server.window_fields = {"suggestedWindow": window}
    gate = acme_gateway(gateway, server, state, {HOST: site()})
    gate.wait_log("asking when to renew: ")
    entry = listed(gate)[HOST]
    assert "suggested_window" not in entry
    assert hours(24 * 50) < utc(entry["next_attempt"]) - now() < hours(24 * 61), "two thirds"


def test_no_answer_is_no_window(gateway, acme_ca, state):
    server = acme_ca(window=lambda certificate: (now(), now()))

    def refuse(path, payload):
        if path.startswith("/renewal-info/"):
            raise Refused("serverInternal", "not now", 503, {"Retry-After": "5000"})

    server.refuse = refuse
    gate = acme_gateway(gateway, server, state, {HOST: site()})
    gate.wait_log("asking when to renew: not now")
    record = state / "certificates" / f"{HOST}.json"
    wait_until(lambda: json.loads(record.read_text())["window"]["ask_at"], "when to ask again")
    assert utc(listed(gate)[HOST]["next_attempt"]) - now() > hours(24 * 50)


def test_dates_of_other_forms(gateway, acme_ca, state):
    server = acme_ca(window=lambda certificate: (now(), now()))
    start = (now() + hours(400)).strftime("%Y-%m-%dT%H:%M:%S.123456789+00:00")
    end = (now() + hours(412)).strftime("%Y-%m-%dT%H:%M:%S+02:00")
    server.window_fields = {"suggestedWindow": {"start": start, "end": end}}
    gate = acme_gateway(gateway, server, state, {HOST: site()})
    gate.wait_log("authority suggests")
    window = wait_until(lambda: listed(gate)[HOST].get("suggested_window"), "it is kept")
    assert round((utc(window["end"]) - utc(window["start"])) / hours(1)) == 10
