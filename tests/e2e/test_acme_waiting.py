# SPDX-License-Identifier: Apache-2.0
"""Waiting as an authority wants it, orders that it is slow with, and clocks that are set."""

import datetime
import email.utils
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from acme_ca import Refused
from acme_gateway import HOST, acme_gateway, listed, renew, site
from gateway import run_ringway
from processes import PATIENCE_S, wait_until

DAY_S = 86400


def hours_until(text):
    when = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")
    return (when - datetime.datetime.utcnow()).total_seconds() / 3600


def orders(server):
    return [payload for payload in server.payloads("/order") if payload]


def date_in(seconds):
    return email.utils.formatdate(time.time() + seconds, usegmt=True)


def refuse_at(server, place, *problem):
    def refuse(path, payload):
        if path.startswith(place):
            raise Refused(*problem)

    server.refuse = refuse


# --- Retry-After ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind, status, after, hours", [
    ("rateLimited", 429, str(3 * DAY_S), 72),
    ("rateLimited", 429, date_in(3 * DAY_S), 72),
    ("rateLimited", 429, str(300 * DAY_S), 168),
    ("serverInternal", 503, "7200", 2),
    ("serverInternal", 503, str(3 * DAY_S), 24),
], ids=["days", "date", "a week at most", "hours", "a day at most"])  # fmt: skip
@pytest.mark.parametrize("place", ["/order", "/dir"])
def test_the_next_attempt_is_when_the_server_wants_it(
    gateway, acme_ca, state, place, kind, status, after, hours
):
    server = acme_ca()
    refuse_at(server, place, kind, "not now", status, {"Retry-After": after})
    gate = acme_gateway(gateway, server, state, {HOST: site()})
    gate.wait_log("no certificate")
    wanted = min(hours, 24) if place == "/dir" else hours
    assert wanted - 0.1 < hours_until(listed(gate)[HOST]["next_attempt"]) <= wanted


# --- orders that take their time --------------------------------------------------------------


def test_a_moment_until_the_order_is_ready(gateway, acme_ca, state):
    """All authorizations are valid, and it is still pending."""
    server = acme_ca()
    shown, looks = server._order_shown, []

    def late(order):
        told = shown(order)
        if told["status"] == "ready":
            looks.append(told)
            told["status"] = "pending" if len(looks) < 3 else "ready"
        return told

    server._order_shown = late
    gate = acme_gateway(gateway, server, state, {HOST: site()})
    gate.wait_log("new certificate")
    assert len(looks) >= 3 and len(orders(server)) == 1


def test_an_order_that_is_worked_on_for_hours(gateways, acme_ca, state):
    """It is looked at again when the server wants that, and is still the same one."""
    server = acme_ca()
    finalize, done = server.on_finalize, []

    def slow(kid, payload, number):
        done.append((kid, payload, number))
        server.orders[number]["status"] = "processing"
        return server._order_shown(server.orders[number]), 200, {"Retry-After": "7200"}

    server.on_finalize = slow
    keys = dict(listen=server.listen(None), acme=server.acme(state), sites={HOST: site()})
    first = gateways(**keys).start()
    first.wait_log("no certificate: the server is still working on the order .*/order/")
    assert 1.9 < hours_until(listed(first)[HOST]["next_attempt"]) <= 2
    first.stop()
    second = gateways(**keys).start()
    server.orders[done[0][2]]["status"] = "ready"
    finalize(*done[0])
    assert renew(second, HOST, verb="issue").returncode == 0
    assert "going on with the order" in second.log and len(orders(server)) == 1


@pytest.mark.parametrize("problem", [
    ("serverInternal", "sorry", 500), ("rateLimited", "too much", 429, {"Retry-After": "60"}),
], ids=["trouble", "limit"])  # fmt: skip
def test_an_order_that_cannot_be_seen_now_is_kept(gateway, acme_ca, state, problem):
    """No other one is made in its place."""
    server = acme_ca()
    refuse_at(server, "/finalize/", "serverInternal", "at first", 500)
    gate = acme_gateway(gateway, server, state, {HOST: site()})
    gate.wait_log("no certificate: .*at first")
    refuse_at(server, "/order/", *problem)
    failed = renew(gate, HOST, verb="issue")
    assert failed.returncode == 1 and "going on with the order" in failed.stderr
    server.refuse = lambda path, payload: None
    assert renew(gate, HOST, verb="issue").returncode == 0
    assert len(orders(server)) == 1


def test_an_order_that_is_gone_is_given_up(gateway, acme_ca, state):
    """At once when the server says so, and after a while when there is no answer any more."""
    server = acme_ca()
    refuse_at(server, "/finalize/", "serverInternal", "at first", 500)
    gate = acme_gateway(gateway, server, state, {HOST: site()})
    gate.wait_log("no certificate: .*at first")
    (file,) = (state / "orders").iterdir()
    order = json.loads(file.read_text())
    file.write_text(json.dumps({**order, "url": "https://localhost:9/order/1"}))
    for _ in range(2):
        failed = renew(gate, HOST, verb="issue")
        assert failed.returncode == 1 and "Connection refused" in failed.stderr
    server.refuse = lambda path, payload: None
    assert renew(gate, HOST, verb="issue").returncode == 0
    assert len(orders(server)) == 2
    refuse_at(server, "/finalize/", "serverInternal", "again", 500)
    assert renew(gate, HOST).returncode == 1
    last = list(server.orders)[-1]
    refuse_at(server, f"/order/{last}", "malformed", "no such order", 404)
    assert renew(gate, HOST).returncode == 0
    assert len(orders(server)) == 4


def test_an_order_that_has_expired_is_given_up(gateway, acme_ca, state):
    """It is invalid then (RFC 8555 §7.1.6); another one is made in the same attempt."""
    server = acme_ca()
    refuse_at(server, "/finalize/", "serverInternal", "at first", 500)
    gate = acme_gateway(gateway, server, state, {HOST: site()})
    gate.wait_log("no certificate: .*at first")
    (order,) = server.orders.values()
    order["status"] = "invalid"
    server.refuse = lambda path, payload: None
    assert renew(gate, HOST, verb="issue").returncode == 0
    assert len(orders(server)) == 2


def test_a_server_may_move(gateway, acme_ca, state):
    """Its directory names other places from one day to the next; the account stays."""
    server = acme_ca()
    gate = acme_gateway(gateway, server, state, {HOST: site()})
    gate.wait_log("new certificate")
    named = server.get

    def moved(path):
        told = named(path)
        if path == "/dir":
            told[0]["newOrder"] = f"{server.base}/order-anew"
        return told

    server.get, server.on_order_anew = moved, server.on_order
    assert renew(gate, HOST).returncode == 0
    assert len(server.payloads("/order-anew")) == 1 and len(server.accounts) == 1


def test_every_proof_that_fails_counts(gateway, acme_ca, state):
    """Also one that is refused for a CAA record."""
    server = acme_ca()
    server.unproven = "caa"
    look = server.on_chall

    def nowhere(*asked):
        server.http_port = 9
        return look(*asked)

    server.on_chall = nowhere
    gate = acme_gateway(gateway, server, state, {HOST: site()}, {"limits": "letsencrypt"})
    gate.wait_log("no certificate: .*a CAA record in DNS names the authorities")
    (path,) = (state / "accounts").glob("*.limits")
    assert len(json.loads(path.read_text())["failures"][HOST]) == 1


# --- what is due ------------------------------------------------------------------------------


def test_issue_is_for_what_is_due(gateway, acme_ca, state):
    """A certificate that has been revoked is there, and no good; a good one is left alone."""
    server = acme_ca()
    gate = acme_gateway(gateway, server, state, {HOST: site()})
    gate.wait_log("new certificate")
    assert renew(gate, HOST, verb="issue").returncode == 0 and len(orders(server)) == 1
    refuse_at(server, "/order", "serverInternal", "later", 500)
    assert run_ringway("cert", "revoke", "-c", gate.path, HOST, timeout=60).returncode == 1
    assert listed(gate)[HOST]["state"] == "revoked"
    server.refuse = lambda path, payload: None
    assert renew(gate, HOST, verb="issue").returncode == 0
    assert listed(gate)[HOST]["state"] == "good"


def test_what_is_asked_for_outlives_a_reload(gateway, acme_ca, state):
    """Also what waits for its turn behind another order."""
    server, other = acme_ca(), "b.example.com"
    gate = acme_gateway(gateway, server, state, {HOST: site(), other: site()})
    for name in HOST, other:
        gate.wait_log(f"{name}: new certificate")
    begun, go_on = threading.Event(), threading.Event()

    def hold(path, payload):
        if path.startswith("/finalize/"):
            begun.set()
            assert go_on.wait(PATIENCE_S)

    server.refuse = hold
    with ThreadPoolExecutor() as pool:
        first = pool.submit(renew, gate, HOST)
        assert begun.wait(PATIENCE_S)
        second = pool.submit(renew, gate, other)
        gate.reload()
        go_on.set()
        for done in first.result(), second.result():
            assert done.returncode == 0, done.stderr
    assert gate.log.count(": new certificate") == 4 == len(server.certificates)


# --- clocks -----------------------------------------------------------------------------------


def test_a_clock_that_was_ahead_delays_nothing(gateways, acme_ca, state):
    """What was noted years ahead, the next attempt, a window and counts, is forgotten once the clock is
    right."""
    server = acme_ca(window=lambda certificate: (
        datetime.datetime.utcnow() + datetime.timedelta(days=20),
        datetime.datetime.utcnow() + datetime.timedelta(days=21),
    ))  # fmt: skip
    keys = dict(listen=server.listen(None), sites={HOST: site()},
                acme=server.acme(state, limits="letsencrypt"))  # fmt: skip
    refuse_at(server, "/order", "serverInternal", "not yet", 500)
    first = gateways(**keys).start()
    first.wait_log("no certificate")
    first.stop()
    ahead = int(time.time()) + 3650 * DAY_S
    record = state / "certificates" / f"{HOST}.json"
    told = json.loads(record.read_text())
    record.write_text(json.dumps({**told, "attempted_at": ahead, "next_at": ahead + 60}))
    (account,) = (state / "accounts").glob("*.json")
    counts = {"orders": {"this account": [ahead] * 300}, "failures": {HOST: [ahead] * 5}}
    account.with_suffix(".limits").write_text(json.dumps(counts))
    server.refuse = lambda path, payload: None
    second = gateways(**keys).start()
    second.wait_log("new certificate")
    wait_until(lambda: "suggested_window" in listed(second)[HOST], "the window")
    second.stop()
    told = json.loads(record.read_text())
    told["window"]["ask_at"] = ahead
    record.write_text(json.dumps(told))
    asked = len([path for path, _, _ in server.seen if "renewal-info" in path])
    third = gateways(**keys).start()
    third.wait_log("ready")
    wait_until(
        lambda: len([path for path, _, _ in server.seen if "renewal-info" in path]) == asked + 1,
        "the window is asked for anew",
    )
