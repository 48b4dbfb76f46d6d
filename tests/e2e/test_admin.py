# SPDX-License-Identifier: Apache-2.0
"""The admin endpoint: metrics read by Prometheus's own parser, the status page in a browser, probes
from the start to the end, and clients that want to hold it up."""

import contextlib
import json
import os
import re
import signal
import ssl
import threading
import time

import pytest

from browser import Page
from gateway import run_ringway, servers, site
from peers import run
from processes import PATIENCE_S, PROGRAM, Process, free_port, wait_until
from test_drain import stop_begins
from wire import TEXT, connect, frame, open_websocket, request

parser = pytest.importorskip(
    "prometheus_client.parser", reason="Debian package python3-prometheus-client is missing"
)

SITE = {"routes": {"/": {"respond": "pong\n"}}}


def ask(port, target, method="GET", host="127.0.0.1"):
    with connect(port, host=host) as wire:
        wire.send(request(method, target))
        return wire.read_response(method)


def metrics(port):
    """The samples by name and labels, after a check of what the format asks for."""
    answer = ask(port, "/metrics")
    assert answer.status == 200
    assert answer.get("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
    samples = {}
    for family in parser.text_string_to_metric_families(answer.body.decode()):
        assert family.documentation and family.type in ("counter", "gauge"), family
        for sample in family.samples:
            assert sample.name.endswith("_total") == (family.type == "counter"), sample
            key = (sample.name, *sorted(sample.labels.items()))
            assert key not in samples, "no series comes twice"
            samples[key] = sample.value
    return samples


def labelled(samples, name, **labels):
    """The values of all series of a metric that have these labels."""
    wanted = set(labels.items())
    return [v for key, v in samples.items() if key[0] == name and wanted <= set(key[1:])]


def status(port):
    answer = ask(port, "/status.json")
    assert (answer.status, answer.get("Content-Type")) == (200, "application/json")
    return json.loads(answer.body)


def refuses(port):
    try:
        connect(port).close()
    except OSError:
        return True
    return False


@pytest.fixture
def admin():
    return free_port()


@pytest.fixture
def gate(gateway, admin, plain_echo):
    """A gateway with an echo and its admin endpoint."""
    return gateway(plain_echo, admin={"listen": f"127.0.0.1:{admin}"})


# --- what it says -----------------------------------------------------------------------------


def test_metrics_say_what_status_says(gate, admin, client):
    """One table serves both; what happens is counted, with the names Prometheus's tools expect."""
    wires = [client(gate.port, gate.tls_context()) for _ in range(3)]
    for wire in wires:
        open_websocket(wire)
        wire.send(frame(TEXT, b"hello", masked=True))
        wire.read_frame()
    samples, counted = metrics(admin), gate.status()
    assert samples[("ringway_connections",)] == samples[("ringway_websockets",)] == 3
    assert labelled(samples, "ringway_site_connections", site="localhost") == [3]
    assert samples[("ringway_handshakes_total",)] == 3
    for name in counted:
        gauge, counter = (f"ringway_{name}",), (f"ringway_{name}_total",)
        assert (gauge in samples) != (counter in samples), name
        if name != "ring_completions":
            assert samples.get(gauge, samples.get(counter)) == counted[name], name
    assert len(labelled(samples, "ringway_build_info")) == 1
    assert abs(samples[("process_start_time_seconds",)] - time.time()) < PATIENCE_S

    def files_agree():
        scrape = 1  # the connection it is asked on
        files = gate.process.open_files()
        return metrics(admin)[("process_open_fds",)] == files + scrape

    wait_until(files_agree, "the descriptors in the metrics")
    assert samples[("process_resident_memory_bytes",)] > 1e6
    assert samples[("ringway_workers",)] == 2
    for wire in wires:
        wire.close()
    wait_until(lambda: metrics(admin)[("ringway_websockets",)] == 0, "their end in the metrics")


def test_traffic_is_what_the_access_log_says(gate, admin, client):
    """Heads, bodies and frames; the log has the same bytes line by line."""
    wire = client(gate.port, gate.tls_context())
    open_websocket(wire)
    wire.send(frame(TEXT, b"x" * 70_000, masked=True))
    wire.read_frame()
    wire.close()
    with connect(gate.plain_port) as plain:
        plain.send(request(host="nobody.example"))
        assert plain.read_response().status == 404

    def agree():
        lines, samples = gate.access(), metrics(admin)
        logged = [sum(line[key] for line in lines) for key in ("bytes_in", "bytes_out")]
        counted = [samples[(f"ringway_{way}_bytes_total",)] for way in ("received", "sent")]
        return len(lines) == 3 and min(counted) > 70_000 and logged == counted

    wait_until(agree, "the sums of the access log in the metrics")


def test_kernel_tls_is_visible(gate, admin, client):
    """As `ringway version` and the log say it, and with what became of a connection."""
    open_websocket(client(gate.port, gate.tls_context()))
    samples = metrics(admin)
    uses = {
        direction: labelled(samples, "ringway_kernel_tls", direction=direction)[0]
        for direction in ("send", "receive")
    }
    none = "kernel TLS   not with this kernel" in run_ringway("version").stdout
    assert uses == {"send": 0 if none else 1, "receive": 0}  # the default of kernel_rx
    assert samples[("ringway_ktls_tx_total",)] == uses["send"]
    assert samples[("ringway_ktls_rx_total",)] == 0
    kernel = status(admin)["kernel_tls"]
    assert (kernel["send"]["used"], "why_not" in kernel) == (not none, none)


def test_every_certificate_served_is_listed(gateways, authority, admin, tmp_path):
    """A site's own (two kinds), common ones, and the placeholder of a site that waits for ACME."""
    own = [authority.issue("own.example", kind=kind, days=days) for kind, days in
           (("ec", 20), ("rsa", 40))]  # fmt: skip
    common = authority.issue("common.example", "*.other.example", days=60)
    gate = gateways(
        admin={"listen": f"127.0.0.1:{admin}"},
        certificates=[str(common.combined(tmp_path / "common.pem"))],
        acme={
            "agree_tos": True,
            "directory": f"https://127.0.0.1:{free_port()}/<script>alert(1)</script>",
            "state_dir": str(tmp_path / "state"),
        },
        sites={
            "own.example": {
                **SITE,
                "aliases": ["www.own.example"],
                "tls": {
                    "certificate": [str(c.chain) for c in own],
                    "key": [str(c.key) for c in own],
                },
            },
            "common.example": {**SITE, "aliases": ["a.other.example"], "tls": {}},
            "acme.example": {**SITE, "tls": {"acme": "auto"}},
        },
    ).start()
    name = "ringway_certificate_not_after_timestamp_seconds"

    def expiry(certificate):
        # pylint: disable=protected-access # the only decoder there is in Python's library
        text = ssl._ssl._test_decode_cert(str(certificate.chain))["notAfter"]
        return ssl.cert_time_to_seconds(text)

    gate.wait_log("acme: acme.example: no certificate")
    samples = metrics(admin)
    for certificate, key in zip(own, ("ecdsa-p256", "rsa")):
        values = labelled(samples, name, site="own.example", key=key, self_signed="false")
        assert values == [expiry(certificate)]
    assert labelled(samples, name, site="common.example") == [expiry(common)]
    assert len(labelled(samples, name, site="acme.example", self_signed="true")) == 1
    assert len(labelled(samples, name)) == 4, "aliases share the certificate of their site"

    def failed():
        values = labelled(metrics(admin), "ringway_acme_failures", site="acme.example")
        return values == [1]

    wait_until(failed, "the failure in the metrics")
    due = "ringway_acme_next_attempt_timestamp_seconds"
    assert labelled(metrics(admin), due, site="acme.example")[0] > time.time()
    sites = {entry["name"]: entry for entry in status(admin)["sites"]}
    assert "Connection refused" in sites["acme.example"]["acme"][0]["error"]
    assert sites["own.example"]["acme"] == []
    assert sites["own.example"]["certificates"][0]["issuer"] == "ringway test authority"
    page = ask(admin, "/status").body.decode()
    assert "<script" not in page and "/&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "PRIVATE KEY" not in page + ask(admin, "/status.json").body.decode()


def test_upstream_servers_are_shown(gateway, admin):
    gateway(
        admin={"listen": f"127.0.0.1:{admin}"},
        sites={"localhost": site()},
        upstreams={"app": servers("127.0.0.1:3000", "127.0.0.1:3000", "nowhere.invalid:80")},
    )
    samples = metrics(admin)
    name = "ringway_upstream_server_addresses"
    assert labelled(samples, name, upstream="app", server="127.0.0.1:3000") == [1]
    assert labelled(samples, name, upstream="app", server="nowhere.invalid:80") == [0]
    listed = status(admin)["upstreams"][0]["servers"]
    assert listed[0] == {"server": "127.0.0.1:3000", "addresses": ["127.0.0.1"]}
    assert listed[2]["addresses"] == [] and listed[2]["error"]


@pytest.mark.slow
def test_status_page_in_a_browser(gate, admin, chromium, client):
    """All of it is there without scripts and without another request."""
    open_websocket(client(gate.port, gate.tls_context()))

    async def look():
        async with Page(chromium) as page:
            await page.open(f"http://127.0.0.1:{admin}/status")
            await page.until("document.querySelector('#values')")
            state = await page.evaluate("document.querySelector('#state').textContent")
            row = await page.evaluate("document.querySelector('#sites tbody tr').innerText")
            main = "document.querySelector('main')"
            styled = await page.evaluate(f"getComputedStyle({main}).maxWidth")
            fetched = await page.evaluate("performance.getEntriesByType('resource').length")
            scripts = await page.evaluate("document.scripts.length")
            return state, row.split("\t"), styled, fetched, scripts

    state, row, styled, fetched, scripts = run(look())
    assert state == "serving"
    assert row[:2] == ["localhost", "1"] and "ringway test authority" in row[2], row
    assert re.match(r"\d{4}-\d\d-\d\d\nin (1\d|20) d", row[3].strip()), row
    assert styled not in ("none", ""), "the style is allowed by the page's own policy"
    assert (fetched, scripts) == (0, 0)


# --- probes -----------------------------------------------------------------------------------


def test_probes_from_start_to_end(gateways, admin, tmp_path, plain_echo, client):
    """Alive all the time; ready only between the start's end and the stop's beginning."""
    fifo = tmp_path / "pid"
    os.mkfifo(fifo)  # the start waits for a reader of its pid_file
    gate = gateways(
        admin={"listen": f"127.0.0.1:{admin}"},
        pid_file=str(fifo),
        drain="1m",
        sites={"localhost": site()},
        upstreams={"app": servers(plain_echo)},
    )
    gate.write()
    gate.process = Process([PROGRAM, "run", "-c", gate.path])
    wait_until(lambda: not refuses(admin), "the admin endpoint")
    assert ask(admin, "/healthz").status == 200
    for target in "/readyz", "/metrics", "/status", "/status.json":
        answer = ask(admin, target)
        assert (answer.status, answer.body) == (503, b"starting\n"), target
    assert int(fifo.read_text()) == gate.process.pid
    wait_until(lambda: ask(admin, "/readyz").status == 200, "readiness")

    wire = client(gate.plain_port)
    open_websocket(wire)
    # It stays with us for the minute of the drain: its server does not answer the Close.
    stop_begins(gate)
    answer = ask(admin, "/readyz")
    assert (answer.status, answer.body) == (503, b"draining\n")
    assert ask(admin, "/healthz").status == 200
    assert metrics(admin)[("ringway_draining",)] == 1
    assert status(admin)["state"] == "draining"
    gate.stop(signal.SIGTERM)
    assert refuses(admin)


# --- what it does not do ----------------------------------------------------------------------


def test_other_requests(gate, admin):
    assert ask(admin, "/").status == 200
    assert ask(admin, "/nothing").status == 404
    assert ask(admin, "/status/../metrics").status == 404
    for method in "POST", "PUT", "DELETE", "OPTIONS":
        answer = ask(admin, "/status", method)
        assert (answer.status, answer.get("Allow")) == (405, "GET, HEAD"), method
    answer = ask(admin, "/status", "HEAD")
    assert answer.status == 200 and answer.body == b""
    for target in "/status", "/metrics", "/status.json", "/healthz":
        head = ask(admin, target).head.lower()
        assert b"access-control" not in head and b"nosniff" in head, head
        assert b"connection: close" in head and b"no-store" in head, head


def test_requests_are_small(gate, admin):
    with connect(admin) as wire:
        wire.send(request(fields=["X-Long: " + "x" * 100_000]))
        assert wire.read_response().status in (413, 414, 431)
    with connect(admin) as wire:
        wire.send(request("POST", "/status", fields=["Content-Length: 1000000000000"]))
        assert wire.read_response().status == 405
        assert wire.read_to_end() == b"", "and nobody waits for the body"
    with connect(admin) as wire:
        wire.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(500))
        wire.read_to_end()
    assert ask(admin, "/healthz").status == 200


@pytest.mark.slow
def test_slow_clients_hold_nothing_up(gateways, admin, plain_echo, client):
    """More of them than may be connected: some never read a long answer, most send a byte now and
    then. The clock sends them away; WebSockets go on meanwhile, and no CPU is burnt."""
    sites = {f"s{i}.example": {**SITE, "tls": {}} for i in range(20_000)}
    gate = gateways(
        admin={"listen": f"127.0.0.1:{admin}"},
        certificates=[],
        sites={"localhost": site(), **sites},
        upstreams={"app": servers(plain_echo)},
    )
    gate.config["certificates"] = [str(gate.certificate.combined(gate.folder / "all.pem"))]
    gate.start()
    talker = client(gate.port, gate.tls_context())
    open_websocket(talker)
    never_read = [client(admin, receive_buffer=4096) for _ in range(4)]
    for wire in never_read:
        wire.send(request("GET", "/metrics"))
    trickling = [client(admin) for _ in range(40)]
    for wire in trickling:
        wire.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    before_s, began = gate.process.cpu_s(), time.monotonic()
    served = False
    while not served:
        assert time.monotonic() < began + PATIENCE_S + 20
        for wire in trickling:
            with contextlib.suppress(OSError):
                wire.sock.send(b"x")
        talker.send(frame(TEXT, b"x", masked=True))
        assert talker.read_frame() == (128 | TEXT, b"x")
        with contextlib.suppress(OSError, AssertionError), connect(admin) as wire:
            wire.sock.settimeout(0.2)
            wire.send(request("GET", "/readyz"))
            served = wire.read_response().status == 200
    assert time.monotonic() - began > 5, "they were in the way until the clock ran out"
    for wire in trickling:
        assert b"200 OK" not in wire.read_to_end()
    assert gate.process.cpu_s() - before_s < 5


# --- configuration ----------------------------------------------------------------------------


def test_off_by_default(gateway, plain_echo):
    gate = gateway(plain_echo)
    threads = os.listdir(f"/proc/{gate.process.pid}/task")
    names = [open(f"/proc/{gate.process.pid}/task/{t}/comm").read().strip() for t in threads]
    assert not [name for name in names if name.startswith("MHD")], names


@pytest.mark.tsan
def test_reload_moves_it(gate, admin):
    """The new address answers before the old one goes; one that cannot be had changes nothing."""
    files = gate.process.open_files()
    other = free_port()
    gate.config["admin"] = {"listen": f"127.0.0.1:{other}"}
    gate.reload()
    assert ask(other, "/readyz").status == 200 and refuses(admin)

    gate.config["admin"] = {"listen": f"127.0.0.1:{gate.plain_port}"}
    gate.write()
    done = run_ringway("reload", "-c", gate.path)
    assert done.returncode == 1 and "already" in done.stderr, done.stderr
    assert ask(other, "/readyz").status == 200

    del gate.config["admin"]
    gate.reload()
    assert refuses(other)
    gate.config["admin"] = {"listen": f":{admin}"}  # two addresses
    gate.reload()
    assert ask(admin, "/readyz").status == ask(admin, "/readyz", host="::1").status == 200
    gate.config["admin"] = {"listen": f"127.0.0.1:{other}"}
    gate.reload()
    assert ask(other, "/readyz").status == 200 and refuses(admin)
    wait_until(lambda: gate.process.open_files() == files, "no descriptors left behind")


@pytest.mark.tsan
def test_address_in_use(gateways, gate, admin):
    """At the start it is an error, at a reload the old configuration stays."""
    second = gateways(sites={"localhost": SITE}, admin={"listen": f"127.0.0.1:{admin}"})
    second.write()
    done = run_ringway("run", "-c", second.path)
    assert done.returncode == 1 and f"cannot listen on 127.0.0.1:{admin}" in done.stderr
    del second.config["admin"]
    second.start()
    second.config["admin"] = {"listen": f"127.0.0.1:{admin}"}
    second.write()
    done = run_ringway("reload", "-c", second.path)
    assert done.returncode == 1 and f"cannot listen on 127.0.0.1:{admin}" in done.stderr
    assert ask(second.plain_port, "/").body == b"pong\n"
    assert ask(admin, "/readyz").status == 200


@pytest.mark.tsan
@pytest.mark.slow
def test_reports_under_reloads(gate, admin):
    """Whoever looks gets a whole picture, whatever is being replaced meanwhile."""
    stop = threading.Event()
    failures = []

    def look():
        while not stop.is_set():
            try:
                samples, seen = metrics(admin), status(admin)
                assert ask(admin, "/status").status == 200
                listed = {entry["name"] for entry in seen["sites"]}
                assert labelled(samples, "ringway_site_connections", site="localhost")
                assert listed in ({"localhost"}, {"localhost", "more.example"}), listed
            except Exception as error:  # pylint: disable=broad-except # reported by the test
                failures.append(error)
                return

    lookers = [threading.Thread(target=look) for _ in range(3)]
    for looker in lookers:
        looker.start()
    for turn in range(20):
        if turn % 2 == 0:
            gate.config["sites"]["more.example"] = {**SITE, "tls": gate.certificate.config()}
        else:
            del gate.config["sites"]["more.example"]
        gate.reload()
    stop.set()
    for looker in lookers:
        looker.join()
    assert not failures, failures[0]


@pytest.mark.parametrize(
    "listen, said",
    [
        ("0.0.0.0:9180", "warning: admin: \"0.0.0.0:9180\" is not only for this machine"),
        (":9180", "warning: admin: \":9180\" is not only for this machine"),
        ("localhost:9180", "error: listen: \"localhost:9180\""),
    ],
)
def test_check_speaks_of_it(gateways, listen, said):
    gate = gateways(sites={"localhost": SITE}, admin={"listen": listen})
    gate.write()
    done = run_ringway("check", "-c", gate.path)
    assert said in done.stderr, done.stderr
    assert (done.returncode == 0) == ("warning" in said)
