# SPDX-License-Identifier: Apache-2.0
"""dns-01 with a hook, against Pebble and its DNS server, whose records the hook changes; and what
is said when the hook, or DNS, does not do what it should."""

import json
import os
import time

import pytest

from acme_gateway import HOST, acme_gateway, is_real, listed, renew, served, site
from gateway import run_ringway
from processes import PATIENCE_S, wait_until

# Keeps what it was asked to do, and tells Pebble's DNS server (which keeps several values).
HOOK = """#!/usr/bin/python3
import json, os, sys, urllib.request
action, name, value = sys.argv[1:]
with open({log!r}, "a") as log:
    keys = ("RINGWAY_ACTION", "RINGWAY_RECORD", "RINGWAY_VALUE", "CERTBOT_DOMAIN",
            "CERTBOT_VALIDATION")
    print(json.dumps([action, name, value, {{k: os.environ[k] for k in keys}},
                      sorted(os.listdir("/proc/self/fd")), os.getpgrp() == os.getpid()]), file=log)
what = "set-txt" if action == "set" else "clear-txt"
body = json.dumps({{"host": name + ".", "value": value}}).encode()
urllib.request.urlopen("http://127.0.0.1:{port}/" + what, body).read()
"""


def program(path, text):
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


class Hook:
    def __init__(self, folder, server):
        self.log = folder / "hook.log"
        self.path = program(
            folder / "hook", HOOK.format(log=str(self.log), port=server.dns_management_port)
        )

    def calls(self):
        if not self.log.exists():
            return []
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def actions(self):
        return [call[0] for call in self.calls()]


def dns_of(server, **keys):
    """The `dns:` section for Pebble's DNS server, which is no name server of any zone."""
    address = f"127.0.0.1:{server.dns_port}"
    return {"resolver": address, "servers": [address], **keys}


@pytest.fixture
def hook(tmp_path, pebble):
    """A Pebble and a hook for it."""
    server = pebble()
    made = Hook(tmp_path, server)
    made.server = server
    return made


def hooked(gateway, hook, state, sites, acme=None, **config):
    keys = {"hook": hook.path, "dns": dns_of(hook.server), **(acme or {})}
    return acme_gateway(gateway, hook.server, state, sites, keys, **config)


def is_clean(hook):
    """Each record that was set has been removed."""
    calls = hook.calls()
    values = {action: sorted(c[2] for c in calls if c[0] == action) for action in ("set", "remove")}
    return values["set"] and values["set"] == values["remove"]


def test_a_wildcard_and_its_name_in_one_certificate(gateway, hook, state):
    """Both have one record name: two values are there at once, and none is left."""
    gate = hooked(gateway, hook, state, {"example.com": site("dns-01", aliases=["*.example.com"])})
    gate.wait_log("acme: example.com: new certificate")
    wait_until(lambda: is_real(hook.server.tls_port, "example.com"), "it is served")
    got = served(hook.server.tls_port, "example.com")
    assert got["names"] == ["*.example.com", "example.com"]
    assert served(hook.server.tls_port, "deep.example.com")["serial"] == got["serial"]
    calls = hook.calls()
    assert hook.actions() == ["set", "set", "remove", "remove"], calls
    assert {call[1] for call in calls} == {"_acme-challenge.example.com"}
    assert len({call[2] for call in calls}) == 2 and is_clean(hook)
    for action, name, value, variables, descriptors, leads in calls:
        assert variables == {
            "RINGWAY_ACTION": action, "RINGWAY_RECORD": name, "RINGWAY_VALUE": value,
            "CERTBOT_DOMAIN": "example.com", "CERTBOT_VALIDATION": value,
        }  # fmt: skip
        # 0 to 2, the log and the folder that is being listed.
        assert descriptors == ["0", "1", "2", "3", "4"] and leads
    assert not list((state / "dns").iterdir()), "nothing is left to be removed"


def test_auto_comes_to_dns_last(gateway, hook, state):
    """Nothing listens where the other challenges are looked for."""
    gate = gateway(
        acme=hook.server.acme(state, hook=hook.path, dns=dns_of(hook.server)), sites={HOST: site()}
    )
    gate.wait_log("trying tls-alpn-01")
    gate.wait_log("trying dns-01")
    gate.wait_log("new certificate")
    assert hook.actions() == ["set", "remove"]


def test_auto_takes_dns_at_once_for_a_wildcard(gateway, hook, state):
    gate = hooked(gateway, hook, state, {"*.example.com": site()})
    gate.wait_log("new certificate")
    assert "trying" not in gate.log
    wait_until(lambda: is_real(hook.server.tls_port, "x.example.com"), "it is served")


def test_renewals_remove_their_records_too(gateway, hook, state):
    gate = hooked(gateway, hook, state, {HOST: site("dns-01")})
    gate.wait_log("new certificate")
    assert renew(gate).returncode == 0
    assert hook.actions() == ["set", "remove"] * 2 and is_clean(hook)


BAD_HOOKS = {
    "fails": ("#!/bin/sh\necho 'no such zone' >&2\nexit 3\n", "exit status 3 and said: no such zone"),
    "is silent": ("#!/bin/sh\nexit 1\n", "exit status 1 and said nothing"),
    "kills itself": ("#!/bin/sh\nkill -9 $$\n", "ended with signal 9"),
    "hangs": ("#!/bin/sh\necho begun\nsleep 1000\n", "was not done after 1 s and has been killed"),
    "has no interpreter": ("#!/no/such/program\n", "No such file or directory"),
    "talks Latin-1": ("#!/bin/sh\nprintf 'caf\\351 \\377 ferm\\303\\251 \\302\\233 \\033[31m\\n'; exit 1\n",
                      "said: caf? ? fermé    [31m"),
    "talks too much": ("#!/bin/sh\nyes é | head -c 10000000\necho the end; exit 1\n", "the end"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_HOOKS)
def test_a_bad_hook_is_said(gateway, hook, state, tmp_path, case):
    text, expected = BAD_HOOKS[case]
    marker = tmp_path / "sleeping"
    path = program(tmp_path / "bad", text.replace("sleep 1000", f"echo $$ > {marker}; sleep 1000"))
    gate = hooked(
        gateway, hook, state, {HOST: site("dns-01")}, {"hook": path, "hook_timeout": "1s"}
    )
    said = gate.wait_log("no certificate: .*Next attempt at").string
    assert expected in said and "set _acme-challenge.a.example.com" in said, said
    entry = listed(gate)[HOST]
    assert expected in entry["error"]
    assert len(said) < 2500
    if marker.exists():
        pid = int(marker.read_text())
        wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "nothing of it runs on")


def test_a_hook_ends_with_the_gateway(gateway, hook, state, tmp_path):
    marker = tmp_path / "sleeping"
    path = program(tmp_path / "bad", f"#!/bin/sh\necho $$ > {marker}\nexec sleep 1000\n")
    gate = hooked(gateway, hook, state, {HOST: site("dns-01")}, {"hook": path})
    wait_until(lambda: marker.exists() and marker.read_text().strip(), "the hook runs")
    begun = time.monotonic()
    gate.stop()
    assert time.monotonic() - begun < 4
    assert not os.path.exists(f"/proc/{int(marker.read_text())}")


def test_a_record_that_never_appears(gateway, hook, state, tmp_path):
    """The authority is not told: nothing failed there that would count."""
    path = program(tmp_path / "lies", "#!/bin/sh\nexit 0\n")
    keys = {"hook": path, "dns": dns_of(hook.server, timeout="2s")}
    gate = hooked(gateway, hook, state, {HOST: site("dns-01")}, keys)
    gate.wait_log(r"waiting until the name server 127.0.0.1:\d+ has _acme-challenge.a.example.com")
    said = gate.wait_log("no certificate: .*Next attempt at").string
    assert f"127.0.0.1:{hook.server.dns_port} does not have the record" in said
    assert "acme.dns.timeout" in said
    assert "Pulled a task" not in hook.server.process.output, "Pebble has not looked"


def test_a_name_server_that_is_silent_is_passed_over(gateway, hook, state):
    """One that cannot be asked cannot say that the record is missing."""
    dns = dns_of(hook.server)
    dns["servers"].append("127.0.0.1:9")
    gate = hooked(gateway, hook, state, {HOST: site("dns-01")}, {"dns": dns})
    gate.wait_log("the name server 127.0.0.1:9 cannot be asked .*Connection refused")
    gate.wait_log("1 of 2 name servers have the record")
    gate.wait_log("new certificate")


def test_what_a_killed_gateway_has_set_is_removed(gateways, hook, state, tmp_path):
    """It dies between setting and removing; the next one begins with removing."""
    keys = {"hook": hook.path, "dns": dns_of(hook.server, delay="1h")}
    config = dict(
        listen=hook.server.listen(None), acme=hook.server.acme(state, **keys),
        sites={HOST: site("dns-01")},
    )  # fmt: skip
    first = gateways(**config).start()
    first.wait_log("1 of 1 name servers have the record")
    first.stopped = True
    first.process.stop(9)
    assert hook.actions() == ["set"]
    config["acme"]["dns"]["delay"] = "0"
    second = gateways(**config).start()
    second.wait_log("removing the records that an order has left")
    second.wait_log("new certificate")
    assert hook.actions() == ["set", "remove", "set", "remove"]
    assert is_clean(hook)


def test_what_a_stopped_gateway_has_set_is_removed(gateways, hook, state):
    """Even when nothing needs a certificate any more."""
    keys = {"hook": hook.path, "dns": dns_of(hook.server, delay="1h")}
    config = dict(
        listen=hook.server.listen(None), acme=hook.server.acme(state, **keys),
        sites={HOST: site("dns-01")},
    )  # fmt: skip
    first = gateways(**config).start()
    first.wait_log("1 of 1 name servers have the record")
    first.stop()
    config["sites"] = {"b.example.com": site("http-01")}
    second = gateways(**config).start()
    second.wait_log("removing the records that an order has left")
    wait_until(lambda: is_clean(hook), "it is removed")
    second.wait_log("new certificate")


def test_no_resolver_is_said(gateway, hook, state):
    dns = {"resolver": "127.0.0.1:9", "servers": ["127.0.0.1:9"]}
    gate = hooked(gateway, hook, state, {HOST: site("dns-01")}, {"dns": dns})
    said = gate.wait_log("no certificate: .*Next attempt at").string
    assert "looking up _acme-challenge.a.example.com in DNS" in said and "acme.dns.resolver" in said


def check(tmp_path, acme, sites):
    path = tmp_path / "ringway.yaml"
    config = {"listen": [{"address": "127.0.0.1:8443", "tls": True}], "sites": sites}
    path.write_text(json.dumps({**config, "acme": {"agree_tos": True, **acme}}, indent=1))
    done = run_ringway("check", "-c", path)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("acme,host,kind,code,expected", [
    ({}, HOST, "dns-01", 1, "add hook, cloudflare or rfc2136"),
    ({}, "*.example.com", "auto", 1, 'will not hold "*.example.com": a wildcard needs dns-01'),
    ({"hook": "/bin/true"}, "*.example.com", "http-01", 1, "a wildcard needs tls.acme: dns-01"),
    ({"hook": "/bin/true"}, "192.0.2.1", "dns-01", 1, "DNS cannot show that an address is yours"),
    ({"hook": "/bin/true"}, "*.example.com", "auto", 0, None),
    ({}, "*.example.com", "dns-persist-01", 0, None),
    ({"hook": "/no/such"}, HOST, "dns-01", 1, "no program that can be run"),
    ({"hook": "/bin/true", "cloudflare": {}}, HOST, "dns-01", 1, "remove one of them"),
])  # fmt: skip
def test_check_names_the_fix(tmp_path, acme, host, kind, code, expected):
    """What leaves the only site without a certificate is an error; beside another it is none."""
    done, said = check(tmp_path, acme, {host: site(kind)})
    assert done == code, said
    assert expected in said if expected else "will not hold" not in said
    if expected and "needs dns-01" in expected:
        done, said = check(tmp_path, acme, {host: site(kind), HOST: site("http-01")})
        assert (done, expected in said) == (0, True), said
