# SPDX-License-Identifier: Apache-2.0
"""Certificates by ACME, against Pebble: a placeholder first, the real one in its place, renewals
that no connection notices, and trouble of all kinds that is said and survived."""

import asyncio
import json
import os
import re
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest
import websockets

from acme_ca import Refused
from acme_gateway import (
    HOST, ROUTES, acme_gateway, bad_gateway, is_real, listed, renew, served, site,
)  # fmt: skip
from acme_server import answer, directory_of
from gateway import run_ringway, servers
from peers import run
from processes import PATIENCE_S, SANITIZER, free_port, wait_until
from wire import connect, request


@pytest.mark.parametrize("challenge", ["http-01", "tls-alpn-01", "auto"])
def test_a_certificate_comes_by_itself(gateway, pebble, state, tmp_path, challenge):
    """The chain is good for a real client that trusts Pebble's root, for the site and its alias."""
    server = pebble()
    gate = acme_gateway(
        gateway, server, state, {HOST: site(challenge, aliases=["b.example.com"])}
    )
    gate.wait_log("acme: a.example.com: new certificate")
    gate.wait_log("certificates have been renewed")
    root = server.root_file(tmp_path / "root.pem")
    for name in HOST, "b.example.com":
        page = subprocess.run(
            ["curl", "--silent", "--show-error", "--cacert", root, "--connect-to",
             f"{name}:443:127.0.0.1:{server.tls_port}", f"https://{name}/"],
            capture_output=True, text=True, timeout=PATIENCE_S,
        )  # fmt: skip
        assert page.stdout == "hello", page.stderr
    assert served(server.tls_port)["names"] == [HOST, "b.example.com"]
    entry = listed(gate)[HOST]
    assert entry["state"] == "good" and sorted(entry["names"]) == [HOST, "b.example.com"]
    log = gate.log
    for secret in "PRIVATE KEY", "BEGIN":
        assert secret not in log


@pytest.mark.tsan
def test_every_site_gets_one_without_being_asked(gateway, pebble, state, certificate):
    """And a site with a certificate of its own keeps that."""
    server = pebble()
    names = [f"s{i}.example.com" for i in range(3)]
    sites = {name: {"routes": ROUTES, "tls": {}} for name in names}
    gate = acme_gateway(
        gateway, server, state, {**sites, "localhost": {"routes": ROUTES, "tls": certificate.config()}}
    )
    for name in names:
        gate.wait_log(f"acme: {name}: new certificate")
    wait_until(lambda: all(is_real(server.tls_port, name) for name in names), "all are served")
    assert "ringway test authority" in served(server.tls_port, "localhost")["issuer"]
    assert sorted(listed(gate)) == names


def test_the_placeholder_serves_until_then(gateway, pebble, state):
    """Also when there is no server at all; TLS works, only nobody trusts it."""
    server = pebble()
    server.stop_server()
    gate = acme_gateway(gateway, server, state, {HOST: site()})
    gate.wait_log("no certificate: .*connecting to localhost port .*Connection refused")
    assert served(server.tls_port)["names"] == [HOST]
    assert not is_real(server.tls_port)
    entry = listed(gate)[HOST]
    assert entry["state"] == "missing" and "Connection refused" in entry["error"]
    server.start()
    done = renew(gate, HOST, verb="issue")
    assert done.returncode == 0, done.stderr
    wait_until(lambda: is_real(server.tls_port), "the real one is served")
    assert listed(gate)[HOST].get("error") is None


def test_state_is_private(gateway, pebble, state):
    server = pebble()
    gate = acme_gateway(gateway, server, state, {HOST: site()})
    gate.wait_log("new certificate")
    gate.stop()  # so that no file is being written
    found = [state, *state.rglob("*")]
    assert len(found) >= 8
    for path in found:
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path
    assert not list((state / "orders").iterdir()), "nothing is under way"


def test_a_restart_keeps_account_and_certificate(gateways, pebble, state):
    server = pebble()
    keys = dict(listen=server.listen(None), acme=server.acme(state), sites={HOST: site()})
    first = gateways(**keys).start()
    first.wait_log("new certificate")
    before = served(server.tls_port)
    first.stop()
    second = gateways(**keys).start()
    assert is_real(server.tls_port), "from the first connection on"
    assert served(server.tls_port)["serial"] == before["serial"]
    assert renew(second).returncode == 0
    assert served(server.tls_port)["serial"] != before["serial"]
    assert "made an account" in first.log and "account" not in second.log
    assert server.process.output.count("There are now 1 accounts") == 1


def test_names_that_change_give_a_new_certificate(gateway, pebble, state):
    server = pebble()
    gate = acme_gateway(gateway, server, state, {HOST: site()})
    gate.wait_log("new certificate")
    gate.config["sites"][HOST]["aliases"] = ["c.example.com"]
    gate.reload()
    wait_until(lambda: served(server.tls_port)["names"] == [HOST, "c.example.com"], "the new names")


def test_the_next_challenge_is_tried(gateway, pebble, state):
    """Nothing listens where http-01 is looked for; tls-alpn-01 works."""
    server = pebble()
    port = free_port()
    gate = gateway(
        listen=[{"address": f"127.0.0.1:{server.tls_port}", "tls": True},
                {"address": f"127.0.0.1:{port}"}],
        acme=server.acme(state), sites={HOST: site()},
    )  # fmt: skip
    said = gate.wait_log("showing by http-01 that a.example.com is ours.*trying tls-alpn-01")
    assert "is the port open to the internet" in said.string
    gate.wait_log("new certificate")


def test_what_to_do_is_said(gateway, pebble, state):
    """DNS points elsewhere, and nothing answers there."""
    server = pebble()
    server.tell_dns("set-default-ipv4", ip="127.0.0.9")
    gate = acme_gateway(gateway, server, state, {HOST: site("http-01")})
    said = gate.wait_log("no certificate: .*Next attempt at").string
    assert "showing by http-01 that a.example.com is ours" in said
    assert "port 80" in said
    assert "DNS" in said
    entry = listed(gate)[HOST]
    assert entry["failures"] == 1 and entry["next_attempt"] and "http-01" in entry["error"]
    assert not is_real(server.tls_port)


@pytest.mark.parametrize("hosts, expected", [
    ("192.0.2.7 a.example.com", "DNS for a.example.com points to 192.0.2.7, which is no address of"),
    ("127.0.0.1 a.example.com\n2001:db8::7 a.example.com",
     "DNS for a.example.com also points to [2001:db8::7], which is no address of this machine"),
    ("127.0.0.1 a.example.com", None),
    ("", "DNS has no address for a.example.com"),
], ids=["elsewhere", "also elsewhere", "here", "nowhere"])  # fmt: skip
def test_where_dns_points_is_said(gateways, acme_ca, state, tmp_path, hosts, expected):
    """In a view of the file system in which /etc/hosts has these lines."""
    alone = ["unshare", "--map-root-user", "--mount"]
    if subprocess.run([*alone, "true"], capture_output=True).returncode != 0:
        pytest.skip("unshare: no name spaces for this user")
    file = tmp_path / "hosts"
    file.write_text("127.0.0.1 localhost\n" + hosts + "\n")
    server = acme_ca()
    keys = dict(listen=server.listen(None), acme=server.acme(state), sites={HOST: site("http-01")})
    server.http_port = free_port()
    look = 'mount --bind "$0" /etc/hosts && exec "$@"'
    gate = gateways(**keys).start(wrapper=[*alone, "sh", "-c", look, file])
    said = gate.wait_log("no certificate: .*Next attempt at").string
    assert "the authority comes to port 80" in said
    assert expected in said if expected else "DNS" not in said


def test_only_what_was_promised_is_answered(gateway, pebble, state, backend):
    """The path belongs to the site's own routes otherwise."""
    server = pebble()
    gate = acme_gateway(gateway, server, state, {HOST: site()})
    gate.wait_log("new certificate")
    with connect(server.http_port) as wire:
        wire.send(request("GET", "/.well-known/acme-challenge/unknown", host=HOST))
        assert wire.read_response().body == b"hello"


def test_it_is_answered_before_a_redirect(gateway, pebble, state):
    """Of the site; everything else is sent away."""
    server = pebble()
    routes = {"/": {"redirect": "https://elsewhere.example${path}"}}
    gate = acme_gateway(gateway, server, state, {HOST: site("http-01", routes=routes)})
    gate.wait_log("new certificate")
    with connect(server.http_port) as wire:
        wire.send(request("GET", "/.well-known/acme-challenge/unknown", host=HOST))
        assert wire.read_response().status == 308


def test_it_is_answered_on_the_port_that_redirects(usual_ports, gateways, pebble, state):
    """Without `listen:` port 80 does nothing else."""
    server = pebble(ports=usual_ports)
    gate = gateways(acme=server.acme(state), sites={HOST: site("http-01")})
    del gate.config["listen"]
    gate.start()
    gate.wait_log("new certificate")
    with connect(80) as wire:
        wire.send(request("GET", "/.well-known/acme-challenge/unknown", host=HOST))
        assert wire.read_response().status == 308


def test_acme_tls_without_an_order_is_refused(gateway, pebble, state):
    server = pebble()
    gate = acme_gateway(gateway, server, state, {HOST: site()})
    gate.wait_log("new certificate")
    context = ssl._create_unverified_context()
    context.set_alpn_protocols(["acme-tls/1"])
    with pytest.raises(ssl.SSLError, match="NO_APPLICATION_PROTOCOL|no application protocol"):
        connect(server.tls_port, context, sni=HOST)


@pytest.mark.slow
@pytest.mark.tsan
def test_renewals_under_live_websockets(gateway, pebble, state, plain_echo):
    """Certificates that live for seconds are renewed again and again, under connections that talk
    all the time: none is lost."""
    count = 100 if SANITIZER else 1000
    server = pebble(validity_s=20)
    gate = acme_gateway(
        gateway, server, state, {HOST: {"tls": {"acme": "auto"}, "routes": {"/": {"upstream": "echo"}}}},
        upstreams={"echo": servers(plain_echo)},
    )  # fmt: skip
    gate.wait_log("certificates have been renewed")
    first = served(server.tls_port)["serial"]
    finished, gate_open = asyncio.Event(), asyncio.Semaphore(100)
    context = ssl._create_unverified_context()

    async def chat(number, opened):
        async with gate_open:
            connection = await websockets.connect(
                f"wss://{HOST}:{server.tls_port}/", host="127.0.0.1", port=server.tls_port,
                compression=None, ssl=context,
            )  # fmt: skip
        opened.release()
        while not finished.is_set():
            await connection.send(str(number))
            assert await connection.recv() == str(number)
            await asyncio.sleep(0.5)
        await connection.close()

    async def talk():
        opened = asyncio.Semaphore(0)
        talkers = [asyncio.create_task(chat(number, opened)) for number in range(count)]
        for _ in talkers:
            await asyncio.wait_for(opened.acquire(), PATIENCE_S * 2)
        for _ in range(2):
            mark = gate.process.mark()
            await asyncio.to_thread(
                gate.process.wait_line, "certificates have been renewed", mark, PATIENCE_S * 3
            )
        for talker in talkers:
            assert not talker.done(), talker.exception()
        finished.set()
        await asyncio.gather(*talkers)

    run(talk(), PATIENCE_S * 8)
    assert served(server.tls_port)["serial"] != first
    assert "no certificate" not in gate.log
    assert not [r for r in gate.access() if r["event"] == "close" and r["close_code"] != 1000]


def test_two_gateways_share_a_folder(gateways, pebble, state):
    """One gets the certificate, the other serves it as well, and takes over when the first ends."""
    server = pebble()
    keys = dict(acme=server.acme(state), sites={HOST: site()})
    first = gateways(listen=server.listen(None), **keys).start()
    first.wait_log("new certificate")
    second = gateways(**keys).start()
    assert is_real(second.port)
    second.wait_log("another gateway cares for the certificates")
    refused = renew(second)
    assert refused.returncode == 1 and "another gateway" in refused.stderr
    before = served(second.port)["serial"]
    assert renew(first).returncode == 0
    wait_until(lambda: served(second.port)["serial"] != before, "the other one has it too")
    assert "new certificate" not in second.log
    first.stop()
    wait_until(lambda: "account" in renew(second).stdout + second.log or
               "showing" in second.log, "the second has taken over")


def test_a_broken_certificate_file_is_replaced(gateways, pebble, state):
    server = pebble()
    keys = dict(listen=server.listen(None), acme=server.acme(state), sites={HOST: site()})
    first = gateways(**keys).start()
    first.wait_log("new certificate")
    first.stop()
    file = state / "certificates" / f"{HOST}.pem"
    file.write_text(file.read_text()[:700])
    second = gateways(**keys).start()
    second.wait_log("is served with a self-signed placeholder")
    second.wait_log("new certificate")
    wait_until(lambda: is_real(server.tls_port), "a good one is there again")


@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_a_certificate_of_certbot_is_taken_over(gateways, acme_ca, authority, state, kind):
    """Put into the state folder it is served from the start, and renewed in its time; one with a key
    of the other kind is served until the new one has come."""
    made = authority.issue(HOST, **({} if kind == "ec" else {"kind": "rsa"}))
    (state / "certificates").mkdir(parents=True)
    file = state / "certificates" / f"{HOST}.pem"
    file.write_text(made.chain.read_text() + made.key.read_text())
    server = acme_ca()
    keys = dict(listen=server.listen(None), acme=server.acme(state), sites={HOST: site()})
    begun, go_on = threading.Event(), threading.Event()

    def hold(path, payload):
        begun.set()
        go_on.wait(PATIENCE_S)

    server.refuse = hold
    gate = gateways(**keys).start()
    assert "ringway test authority" in served(server.tls_port)["issuer"]
    assert "placeholder" not in gate.log
    go_on.set()
    if kind == "rsa":
        gate.wait_log("certificates have been renewed")
        assert "Test CA" in served(server.tls_port)["issuer"]
        return
    assert renew(gate, HOST, verb="issue").returncode == 0
    entry = listed(gate)[HOST]
    assert entry["state"] == "good" and entry["next_attempt"] < entry["not_after"]
    assert not begun.is_set(), "nobody was asked"


def test_a_stop_does_not_wait_for_the_authority(gateway, authority, state, certificate):
    """A server that accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        gate = gateway(
            acme={"agree_tos": True, "directory": f"https://localhost:{port}/dir",
                  "ca_file": str(authority.ca), "state_dir": str(state)},
            sites={HOST: site()},
        )  # fmt: skip
        time.sleep(0.5)
        begun = time.monotonic()
        gate.stop()
        assert time.monotonic() - begun < 4


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_somebody_else_cannot_look():
    """And hears so, instead of seeing nothing."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        state, file = Path(folder, "state"), Path(folder, "ringway.yaml")
        state.mkdir(mode=0o700)
        os.chmod(folder, 0o755)
        file.write_text(json.dumps({
            "listen": [{"address": "127.0.0.1:1", "tls": True}], "sites": {HOST: site()},
            "acme": {"agree_tos": True, "state_dir": str(state)},
        }))  # fmt: skip
        try:
            done = run_ringway("cert", "list", "-c", file, user="nobody")
        except PermissionError:
            pytest.skip("the program is where others cannot run it")
    assert done.returncode == 1 and f"{state}: Permission denied" in done.stderr, done.stderr


def test_cert_command_lines(gateway, pebble, state):
    server = pebble()
    gate = acme_gateway(gateway, server, state, {HOST: site(aliases=["b.example.com"])})
    gate.wait_log("new certificate")
    shown = run_ringway("cert", "show", "-c", gate.path, HOST)
    assert re.search(r"names: .* a\.example\.com", shown.stdout) and "Pebble" in shown.stdout
    assert "PRIVATE" not in shown.stdout
    unknown = run_ringway("cert", "renew", "-c", gate.path, "x.example.com")
    assert unknown.returncode == 1 and "no site 'x.example.com'" in unknown.stderr
    alias = run_ringway("cert", "show", "-c", gate.path, "b.example.com")
    assert alias.returncode == 1
    assert "'b.example.com' is in the certificate of the site 'a.example.com'" in alias.stderr
    assert run_ringway("cert", "-c", gate.path).returncode == 2
    assert run_ringway("cert", "list").returncode == 2


def test_cert_for_programs(gateway, acme_ca, state):
    """What was asked for, as JSON: how it went for each site."""
    server, other = acme_ca(), "b.example.com"

    def refuse(path, payload):
        if path == "/order" and payload and payload["identifiers"][0]["value"] == other:
            raise Refused("rejectedIdentifier", "not that one", 403)

    server.refuse = refuse
    gate = acme_gateway(gateway, server, state, {HOST: site(), other: site()})
    gate.wait_log(f"{other}: no certificate")
    for verb in ["issue"], ["renew"], ["revoke", HOST], ["rollover"]:
        done = run_ringway("cert", *verb, "--json", "-c", gate.path, timeout=PATIENCE_S * 3)
        told = {entry.pop("site", None): entry for entry in json.loads(done.stdout)}
        if verb[0] == "rollover":
            assert told == {None: {"done": True}} and done.returncode == 0
            continue
        assert told.pop(HOST) == {"done": True}
        assert done.returncode == (1 if told else 0) == len(told)
        for entry in told.values():
            assert entry["done"] is False and "not that one" in entry["error"]
            assert not entry["error"].startswith("failed")
    shown = json.loads(run_ringway("cert", "show", "--json", "-c", gate.path).stdout)
    assert [entry["site"] for entry in shown] == [HOST, other]


def test_cert_is_told_how_to_use_it(tmp_path):
    for arguments in ["--help"], ["list", "--help"], ["renew", "-h"]:
        done = run_ringway("cert", *arguments)
        assert done.returncode == 0 and not done.stderr
        for verb in "list", "show", "issue", "renew", "revoke", "rollover", "--reason":
            assert verb in done.stdout
    path = tmp_path / "ringway.yaml"
    path.write_text(json.dumps({
        "listen": [{"address": "127.0.0.1:1", "tls": True}], "sites": {HOST: site()},
        "acme": {"agree_tos": True, "state_dir": str(tmp_path)},
    }))  # fmt: skip
    for arguments, said in (
        (["renew", "--reason", "superseded"], "--reason is for revoke"),
        (["rollover", HOST], "takes no site"), (["revoke"], "which site"), (["dance"], "usage"),
    ):  # fmt: skip
        done = run_ringway("cert", *arguments, "-c", path)
        assert done.returncode == 2 and said in done.stderr, done.stderr


BAD_DIRECTORIES = {
    "no json": (answer(b"<html>"), "is no directory of an ACME server"),
    "an array": (answer(b"[]"), "is no directory of an ACME server"),
    "nothing in it": (answer(b"{}"), "names no newNonce"),
    "numbers": (answer(b'{"newNonce":1,"newAccount":2,"newOrder":3}'), "names no newNonce"),
    "nested too deep": (answer(b'{"a":' + b"[" * 100000), "is no directory"),
    "cut short": (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", "cut short"),
    "no http": (b"\x00\x01\x02 hello\r\n\r\n", "no HTTP"),
    "server error": (answer(b"", "503 Service Unavailable", "Retry-After: 5"), "status 503"),
    "redirect to itself": (answer(b"", "302 Found", "Location: /dir"), "status 302"),
    "too large": (answer(b" " * 300000), "too large"),
    "endless head": (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100000, "too large"),
    "nothing": (b"", "Connection reset"),
}


@pytest.mark.parametrize("case", BAD_DIRECTORIES)
def test_a_bad_directory_is_said_and_harmless(gateway, bad_server, authority, state, case):
    bytes_sent, expected = BAD_DIRECTORIES[case]
    bad = bad_server({"/dir": bytes_sent})
    gate = bad_gateway(gateway, authority, state, f"{bad.base}/dir")
    said = gate.wait_log("acme: .*no certificate: .*Next attempt at").string
    assert expected in said, said
    assert served(gate.port)["names"] == [HOST], "it serves on"
    assert bad.requests.count("/dir") <= 2, "no storm"


def test_an_untrusted_server_is_refused(gateway, bad_server, authority, state, tmp_path):
    """Its certificate is good, but not below the roots that are trusted."""
    (tmp_path / "other").mkdir()
    other = type(authority)(tmp_path / "other")
    bad = bad_server({"/dir": answer(b"{}")})
    gate = bad_gateway(gateway, authority, state, f"{bad.base}/dir", other.ca)
    gate.wait_log("no certificate: .*TLS with localhost: .*is .*ca.pem the root of this server")
    assert not bad.requests


def test_a_certificate_for_another_name_is_refused(gateway, bad_server, authority, state):
    bad = bad_server({"/dir": answer(b"{}")}, names=("other.example.com",))
    gate = bad_gateway(gateway, authority, state, f"{bad.base}/dir")
    gate.wait_log("no certificate: .*TLS with localhost: its certificate is made out to other names")
    assert not bad.requests


@pytest.mark.parametrize("problem,expected", [
    ({"type": "urn:ietf:params:acme:error:rateLimited", "detail": "too many"}, "limit is reached"),
    ({"type": "urn:ietf:params:acme:error:externalAccountRequired", "detail": "no"}, "acme.eab"),
    ({"type": "urn:ietf:params:acme:error:serverInternal", "detail": "broken\r\nX"}, "broken  X"),
    ({"type": 5, "detail": []}, "status 500"),
])  # fmt: skip
def test_what_the_authority_says_is_said(gateway, bad_server, authority, state, problem, expected):
    bad = bad_server({})
    bad.answers.update({
        "/dir": answer(directory_of(bad.base)),
        "/nonce": answer(b"", "200 OK", "Replay-Nonce: abc"),
        "/account": answer(json.dumps(problem).encode(), "500 Oops", "Retry-After: 86400"),
    })  # fmt: skip
    gate = bad_gateway(gateway, authority, state, f"{bad.base}/dir")
    said = gate.wait_log("acme: .*no certificate: .*Next attempt at").string
    assert expected in said, said
    assert len(bad.requests) <= 4
