# SPDX-License-Identifier: Apache-2.0
"""dns-01 by Cloudflare's API, as its documentation describes it, with Pebble as the authority."""

import os

import pytest

from acme_gateway import HOST, acme_gateway, is_real, served, site
from cloudflare import Cloudflare, Refused
from processes import wait_until

CHALLENGE = "_acme-challenge.example.com"


@pytest.fixture
def cloudflares(authority, pebble):
    """Starts APIs, each with a Pebble: `cloudflares(["example.com"])`."""
    made = []

    def start(zones=("other.example", "example.com"), **options):
        made.append(Cloudflare(authority, pebble(), zones, **options))
        return made[-1]

    yield start
    for each in made:
        each.stop()


def clouded(gateways, api, state, tmp_path, authority, sites=None, token=None, keys=None, **start):
    """Starts a gateway; `token` None: it is in a file, False: in the environment."""
    section = {"url": api.url, "ca_file": str(authority.ca), **(keys or {})}
    if token is not False:
        file = tmp_path / "cloudflare.token"
        file.write_text((token or api.token) + "\n")
        section["token_file"] = str(file)
    address = f"127.0.0.1:{api.pebble.dns_port}"
    acme = {"cloudflare": section, "dns": {"resolver": address, "servers": [address]}}
    return acme_gateway(
        lambda **config: gateways(**config).start(**start), api.pebble, state,
        sites or {HOST: site("dns-01")}, acme,
    )  # fmt: skip


def test_records_are_made_and_deleted(gateways, cloudflares, state, tmp_path, authority):
    """Among other records of the same name, on several pages, which stay."""
    api = cloudflares()
    zone = next(key for key, name in api.zones.items() if name == "example.com")
    for number in range(5):
        api.records[f"other{number}"] = {
            "id": f"other{number}", "zone_id": zone, "type": "TXT", "name": CHALLENGE,
            "content": f'"{number}"',
        }  # fmt: skip
    sites = {"example.com": site("dns-01", aliases=["*.example.com"])}
    gate = clouded(gateways, api, state, tmp_path, authority, sites)
    gate.wait_log("acme: example.com: new certificate")
    wait_until(lambda: is_real(api.pebble.tls_port, "example.com"), "it is served")
    names = served(api.pebble.tls_port, "example.com")["names"]
    assert names == ["*.example.com", "example.com"]
    assert sorted(r["content"] for r in api.records.values()) == [f'"{n}"' for n in range(5)]
    methods = [method for method, _ in api.requests]
    assert methods.count("POST") == 2 and methods.count("DELETE") == 2
    assert any("page=3" in path for _, path in api.requests)
    assert api.token not in gate.log and "cannot be set" not in gate.log


def test_the_token_of_the_environment(gateways, cloudflares, state, tmp_path, authority):
    api = cloudflares()
    gate = clouded(
        gateways, api, state, tmp_path, authority, token=False, keys={"token_env": "MY_TOKEN"},
        env={**os.environ, "MY_TOKEN": api.token},
    )  # fmt: skip
    gate.wait_log("new certificate")


def test_a_record_that_is_there_already(gateways, cloudflares, state, tmp_path, authority):
    """As when the answer to its making was lost."""
    api = cloudflares()
    made = api.create

    def twice(zone, body):
        made(zone, body)
        return made(zone, body)

    api.create = twice
    gate = clouded(gateways, api, state, tmp_path, authority)
    gate.wait_log("new certificate")
    assert not api.records


def test_too_many_requests_are_waited_for(gateways, cloudflares, state, tmp_path, authority):
    api = cloudflares()
    left = [2]

    def fail(method, path):
        if method == "POST" and left[0]:
            left[0] -= 1
            raise Refused(429, 971, "Please wait and consider throttling your request speed",
                          Retry_After="1")  # fmt: skip

    api.fail = fail
    gate = clouded(gateways, api, state, tmp_path, authority)
    gate.wait_log("new certificate")
    assert [method for method, _ in api.requests].count("POST") == 3


def refuse(method, prefix, *answer, **headers):
    def fail(called, path):
        if called == method and path.startswith(prefix):
            raise Refused(*answer, **headers)

    return fail


FAILURES = {
    "a limit for long": (
        refuse("POST", "/zones/", 429, 971, "throttled", Retry_After="7200"),
        "too many requests; nothing is lost by waiting",
    ),
    "no right to edit": (
        refuse("POST", "/zones/", 403, 10000, "Authentication error"),
        "the token needs the permissions Zone - Zone - Read and Zone - DNS - Edit",
    ),
    "a failure of theirs": (
        refuse("GET", "/zones?", 502, 0, "Bad gateway"), "Cloudflare answers with status 502"
    ),
    "a bad request": (
        refuse("GET", "/zones?", 400, 6003, "Invalid request headers"), "is the API token in"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FAILURES)
def test_what_it_refuses_is_said(gateways, cloudflares, state, tmp_path, authority, case):
    api = cloudflares()
    api.fail, expected = FAILURES[case]
    gate = clouded(gateways, api, state, tmp_path, authority)
    said = gate.wait_log("no certificate: .*Next attempt at").string
    assert expected in said and f"setting {'_acme-challenge.a.example.com'} at Cloudflare" in said
    assert api.token not in gate.log


def test_a_wrong_token_is_said_at_the_start(gateways, cloudflares, state, tmp_path, authority):
    api = cloudflares()
    gate = clouded(gateways, api, state, tmp_path, authority, token="wrong-token-xyz")
    gate.wait_log("DNS records for a.example.com cannot be set: .*Invalid access token.*9109")
    gate.wait_log("no certificate: .*Invalid access token")
    assert "wrong-token-xyz" not in gate.log


@pytest.mark.parametrize("zones,status,permissions,expected", [
    (["other.example"], "active", [], "shows this token no zone that _acme-challenge.a.example.com"),
    (["example.com"], "expired", [], "Cloudflare's token is expired; make another one"),
    (["example.com"], "active", ["#zone:read", "#dns_records:read"],
     "may read the zone example.com but not edit its records"),
])  # fmt: skip
def test_what_the_token_lacks_is_said_at_the_start(
    gateways, cloudflares, state, tmp_path, authority, zones, status, permissions, expected
):
    api = cloudflares(zones, permissions=permissions)
    api.status = status
    gate = clouded(gateways, api, state, tmp_path, authority)
    gate.wait_log("acme: a.example.com: DNS records for a.example.com cannot be set: .*" + expected)


def test_no_token_is_said(gateways, cloudflares, state, tmp_path, authority):
    api = cloudflares()
    gate = clouded(gateways, api, state, tmp_path, authority, token=False)
    gate.wait_log("no API token for Cloudflare: .*or set CLOUDFLARE_API_TOKEN in the environment")
    assert not api.requests


def test_a_token_file_with_two_lines_is_said(gateways, cloudflares, state, tmp_path, authority):
    api = cloudflares()
    gate = clouded(gateways, api, state, tmp_path, authority, token="a token\nand more")
    gate.wait_log("cloudflare.token holds no API token of Cloudflare: one line")
    assert not api.requests
