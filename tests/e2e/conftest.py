# SPDX-License-Identifier: Apache-2.0
"""Fixtures: a gateway of one's own, backends, certificates. Everything started here is stopped
here, and a gateway must have ended well: exit code 0 and no sanitizer report."""

import contextlib
import fcntl
import itertools
import resource
import socket

import pytest

import peers
from acme_ca import AcmeCa
from acme_server import BadServer
from browser import start_chromium
from certificates import Authority
from gateway import Gateway, servers, site
from pebble import Pebble
from processes import PROGRAM, SANITIZER, running
from wire import ScriptedBackend, connect


def pytest_configure(config):
    # 1,000 connections at once want more descriptors than the usual soft limit.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 20000 if hard == resource.RLIM_INFINITY else min(hard, 20000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def pytest_report_header(config):
    return f"gateway: {PROGRAM}, sanitizer: {SANITIZER or 'none'}"


def pytest_collection_modifyitems(config, items):
    if not PROGRAM.exists():
        pytest.exit(f"{PROGRAM} is missing: build it, or name another by RINGWAY", returncode=2)


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def certificate(authority):
    return authority.issue("localhost", "*.localhost", "127.0.0.1")


@pytest.fixture(scope="session")
def rsa_certificate(authority):
    return authority.issue("localhost", "*.localhost", "127.0.0.1", kind="rsa")


@pytest.fixture(autouse=True)
def nothing_left():
    """Ends what a test has started and not stopped, and fails: it would be in the way of others. What
    lasts longer than a test is there before it."""
    before = running()
    yield
    left = [process for process in running() if process not in before and not process.lasts]
    for process in left:
        process.kill()
    assert not left, f"left running: {[process.command for process in left]}"


@pytest.fixture
def usual_ports(tmp_path_factory):
    """Ports 80 and 443, for one test at a time. Ask for it first: what uses them must end before."""
    with open(tmp_path_factory.getbasetemp().parent / "usual-ports.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            for port in (80, 443):
                socket.create_server(("0.0.0.0", port)).close()
        except OSError:
            pytest.skip("ports 80 and 443 cannot be opened here")
        yield 80, 443


@pytest.fixture
def gateways(tmp_path, authority, certificate):
    """Makes gateways without starting them: `gateways(sites=..., upstreams=..., ...)`."""
    made = []

    def end(gateway):
        if gateway.process is None:
            return
        try:
            if not gateway.stopped:
                gateway.stop()
        finally:
            print(f"--- log of {gateway.folder.name}:\n{gateway.log[-20000:]}")

    with contextlib.ExitStack() as stack:

        def make(**config):
            folder = tmp_path / f"gateway{len(made)}"
            folder.mkdir()
            made.append(Gateway(folder, authority, certificate, config))
            stack.callback(end, made[-1])
            return made[-1]

        yield make


@pytest.fixture
def gateway(gateways):
    """Starts gateways. `gateway(backend)` sends all of localhost to one backend; keywords are
    the configuration's own."""

    def start(*backends, site_keys=None, upstream_keys=None, **config):
        if backends:
            config["sites"] = {
                "localhost": site(aliases=["*.localhost", "127.0.0.1"], **(site_keys or {}))
            }
            config["upstreams"] = {"app": servers(*backends, **(upstream_keys or {}))}
        return gateways(**config).start()

    return start


@pytest.fixture
def backend():
    """Starts scripted backends: `backend(script)`."""
    with contextlib.ExitStack() as stack:

        def start(script, **options):
            made = ScriptedBackend(script, **options)
            stack.callback(made.close)
            return made

        yield start


@pytest.fixture
def chromium(tmp_path):
    """The DevTools of a headless Chromium, see browser.py."""
    process, address = start_chromium(tmp_path / "profile")
    yield address
    process.stop()


@pytest.fixture
def client():
    """Connects raw clients: `client(port, context)`."""
    with contextlib.ExitStack() as stack:
        yield lambda *args, **options: stack.enter_context(connect(*args, **options))


@pytest.fixture(scope="session")
def started():
    """Starts programs and stops them at the end of the session: `started(peers.python_echo)`."""
    with contextlib.ExitStack() as stack:

        def start(make, *args, **options):
            made = make(*args, **options)
            made.lasts = True
            stack.callback(made.stop)
            return made

        yield start


@pytest.fixture(scope="session")
def echo(started):
    """The echo of python3-websockets."""
    return started(peers.python_echo)


@pytest.fixture(scope="session")
def plain_echo(started):
    """The same without permessage-deflate, for bulk."""
    return started(peers.python_echo, COMPRESSION="off")


@pytest.fixture(scope="session")
def pages(started):
    """Node's HTTP server, see servers/pages.js."""
    return started(peers.node_server, "pages")


@pytest.fixture
def pebble(tmp_path, authority):
    """Starts Pebbles: `pebble(validity_s=...)`."""
    numbers = itertools.count()
    with contextlib.ExitStack() as stack:

        def start(**options):
            folder = tmp_path / f"pebble{next(numbers)}"
            folder.mkdir()
            made = Pebble(folder, authority, **options)
            stack.callback(made.stop)
            return made

        yield start


@pytest.fixture
def acme_ca(authority):
    """Starts ACME servers of our own: `acme_ca(profiles=...)`."""
    with contextlib.ExitStack() as stack:

        def start(**options):
            made = AcmeCa(authority, **options)
            stack.callback(made.stop)
            return made

        yield start


@pytest.fixture
def state(tmp_path):
    return tmp_path / "state"


@pytest.fixture
def bad_server(authority):
    """Starts servers that are none: `bad_server({"/dir": bytes})`."""
    with contextlib.ExitStack() as stack:

        def start(answers, **options):
            made = BadServer(authority, answers, **options)
            stack.callback(made.close)
            return made

        yield start
