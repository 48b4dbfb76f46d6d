# SPDX-License-Identifier: Apache-2.0
"""Certificates that come by ACME, as the admin endpoint shows them: the placeholder, the failure and
what to do about it, the certificate."""

import subprocess
import time
from datetime import datetime, timezone

import pytest

from acme_gateway import HOST, acme_gateway, renew, site
from processes import free_port, wait_until
from test_admin import ask, labelled, metrics, status

EXPIRY = "ringway_certificate_not_after_timestamp_seconds"
NEXT = "ringway_acme_next_attempt_timestamp_seconds"
WINDOW = "ringway_acme_suggested_window_{}_timestamp_seconds"


@pytest.mark.tsan
def test_from_the_placeholder_to_the_certificate(gateway, pebble, state):
    admin = free_port()
    server = pebble()
    server.stop_server()
    gate = acme_gateway(
        gateway, server, state, {HOST: site()}, admin={"listen": f"127.0.0.1:{admin}"}
    )

    def failed():
        return labelled(metrics(admin), "ringway_acme_failures", site=HOST) == [1]

    wait_until(failed, "the failure in the metrics")
    samples = metrics(admin)
    assert len(labelled(samples, EXPIRY, site=HOST, self_signed="true")) == 1
    assert labelled(samples, NEXT, site=HOST)[0] > time.time()
    shown = status(admin)["sites"][0]
    assert "Connection refused" in shown["acme"][0]["error"]
    assert shown["acme"][0]["has_certificate"] is False
    page = ask(admin, "/status").body.decode()
    assert "self-signed placeholder" in page and "Connection refused" in page

    server.start()
    assert renew(gate, HOST, verb="issue").returncode == 0
    real = {"site": HOST, "self_signed": "false"}
    wait_until(lambda: labelled(metrics(admin), EXPIRY, **real), "the certificate in the metrics")
    wait_until(lambda: not failed(), "the failure is forgotten")
    samples = metrics(admin)
    assert labelled(samples, EXPIRY, site=HOST) == labelled(samples, EXPIRY, **real)
    expiry, renewal = labelled(samples, EXPIRY, **real)[0], labelled(samples, NEXT, site=HOST)[0]
    assert time.time() < renewal < expiry
    shown = status(admin)["sites"][0]
    assert shown["certificates"][0]["names"] == [HOST]
    assert shown["certificates"][0]["issuer"].startswith("Pebble")
    assert "error" not in shown["acme"][0] and shown["acme"][0]["has_certificate"]
    page = ask(admin, "/status").body.decode()
    assert "placeholder" not in page and "has failed" not in page


def shown_failure(admin):
    """How many, and what the status page says of it."""
    (number,) = labelled(metrics(admin), "ringway_acme_failures", site=HOST)
    return number, status(admin)["sites"][0]["acme"][0].get("error", "")


def test_a_state_folder_that_cannot_be_used_is_shown(gateway, acme_ca, tmp_path):
    """There is no record to read it from."""
    (tmp_path / "file").write_text("")
    server, admin = acme_ca(), free_port()
    gate = acme_gateway(gateway, server, tmp_path / "file" / "state", {HOST: site()},
                        admin={"listen": f"127.0.0.1:{admin}"})  # fmt: skip
    wait_until(lambda: shown_failure(admin)[0] == 1, "the failure in the metrics")
    for said in shown_failure(admin)[1], renew(gate, HOST, verb="issue").stderr:
        assert "making the folder" in said and "acme.state_dir" in said
    assert "making the folder" in ask(admin, "/status").body.decode()


def test_a_disk_that_is_full_is_shown(gateways, acme_ca, state):
    """In a view of the file system in which the state folder has no room."""
    alone = ["unshare", "--map-root-user", "--mount"]
    if subprocess.run([*alone, "true"], capture_output=True).returncode != 0:
        pytest.skip("unshare: no name spaces for this user")
    server, admin = acme_ca(), free_port()
    state.mkdir(exist_ok=True)
    gate = gateways(listen=server.listen(None), acme=server.acme(state), sites={HOST: site()},
                    admin={"listen": f"127.0.0.1:{admin}"})  # fmt: skip
    full = ('mount -t tmpfs -o size=4k none "$0" && head -c 4096 /dev/zero > "$0/full" && '
            'exec "$@"')  # fmt: skip
    gate.start(wrapper=[*alone, "sh", "-c", full, state])
    gate.wait_log("no certificate: .*No space left on device.*Next attempt")
    wait_until(lambda: shown_failure(admin)[0] == 1, "the failure in the metrics")
    assert "No space left on device" in shown_failure(admin)[1]
    assert labelled(metrics(admin), NEXT, site=HOST)[0] > time.time(), "no storm"
    assert not server.accounts, "no account whose key is not kept"


@pytest.mark.parametrize("suggests", [True, False], ids=["suggested", "not suggested"])
def test_the_suggested_window_is_a_metric(gateway, acme_ca, state, suggests):
    start = int(time.time()) + 86400
    window = [datetime.fromtimestamp(start + later, timezone.utc) for later in (0, 7200)]
    server = acme_ca(window=(lambda certificate: window) if suggests else None)
    admin = free_port()
    acme_gateway(gateway, server, state, {HOST: site()}, admin={"listen": f"127.0.0.1:{admin}"})
    labels = {"site": HOST, "key": "ecdsa"}
    wait_until(lambda: labelled(metrics(admin), EXPIRY, site=HOST, self_signed="false"), "issued")

    def shown():
        samples = metrics(admin)
        return [labelled(samples, WINDOW.format(end), **labels) for end in ("start", "end")]

    if suggests:
        wait_until(lambda: shown() == [[start], [start + 7200]], "the window in the metrics")
        assert start <= labelled(metrics(admin), NEXT, **labels)[0] <= start + 7200
    else:
        assert shown() == [[], []]
