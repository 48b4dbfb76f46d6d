# SPDX-License-Identifier: Apache-2.0
"""The configuration is read again: everything new holds at once, nothing that lives notices, and a
bad file changes nothing."""

import asyncio
import hashlib
import signal

import pytest

from gateway import run_ringway, servers
from peers import connect_websocket, run
from processes import PATIENCE_S, SANITIZER, free_port, wait_until
from test_tls import served_names
from wire import TEXT, answering, connect, frame, ok, open_websocket, request


def page(gate, target="/version", port=None):
    with connect(port or gate.plain_port) as wire:
        wire.send(request("GET", target))
        return wire.read_response().body.decode()


def echo_wire(gate, tls=True):
    wire = connect(gate.port if tls else gate.plain_port, gate.tls_context() if tls else None)
    open_websocket(wire, "/echo/")
    return wire


def assert_lives(wire, text):
    wire.send(frame(TEXT, text.encode(), masked=True))
    assert wire.read_frame() == (128 | TEXT, text.encode())


@pytest.fixture
def gate(gateway, plain_echo):
    return gateway(
        sites={
            "localhost": {
                "routes": {"/version": {"respond": "0"}, "/echo/": {"upstream": "echo"}},
            }
        },
        upstreams={"echo": servers(plain_echo)},
    )


@pytest.mark.slow
@pytest.mark.tsan
def test_1000_websockets_live_through_20_reloads(gate, authority, started, plain_echo):
    """With traffic all the time. Each reload changes their own site: its routes, its certificate,
    its upstream (away and back), a listener. None is closed, no message is lost."""
    count, reloads = (1000, 20) if SANITIZER != "thread" else (100, 20)
    context = gate.tls_context()
    site = gate.config["sites"]["localhost"]
    certificates = [authority.issue("localhost").config() for _ in range(2)]
    alternative = {"servers": [f"127.0.0.1:{free_port()}"]}
    extra_port = free_port()
    handshakes = asyncio.Semaphore(100)
    finished = asyncio.Event()
    echoed = 0

    async def chat(number, opened):
        nonlocal echoed
        scheme = "wss" if number % 4 else "ws"
        options = {"ssl": context} if scheme == "wss" else {}
        async with handshakes:
            connection = await connect_websocket(
                gate, "/echo/", scheme=scheme, compression=None, **options
            )
        opened.release()
        turn = 0
        while not finished.is_set():
            message = f"{number}/{turn} " + "x" * (number % 300)
            await connection.send(message)
            assert await connection.recv() == message
            turn += 1
            echoed += 1
            await asyncio.sleep(0.5)  # the talker's pace
        assert connection.open
        await connection.close()
        return turn

    def change(generation):
        site["routes"]["/version"] = {"respond": str(generation)}
        site["routes"]["/echo/"] = {"upstream": "echo" if generation % 3 else "other"}
        site["tls"] = certificates[generation % 2]
        gate.config["upstreams"]["other"] = alternative
        gate.config["listen"] = gate.config["listen"][:2]
        if generation % 2:
            gate.config["listen"].append({"address": f"127.0.0.1:{extra_port}"})
        gate.reload()
        assert page(gate) == str(generation), "new connections see the new configuration"

    async def talk():
        opened = asyncio.Semaphore(0)
        talkers = [asyncio.create_task(chat(number, opened)) for number in range(count)]
        for _ in talkers:
            await asyncio.wait_for(opened.acquire(), PATIENCE_S * 2)
        before_kb = gate.process.memory_kb()
        for generation in range(1, reloads + 1):
            seen = echoed
            await asyncio.to_thread(change, generation)
            while echoed < seen + count // 10:  # the traffic goes on between any two reloads
                await asyncio.sleep(0.01)
                for talker in talkers:
                    assert not talker.done(), talker.exception() or "ended early"
        after_kb = gate.process.memory_kb()
        finished.set()
        turns = await asyncio.gather(*talkers)
        assert min(turns) >= 1
        return after_kb - before_kb

    grown_kb = run(talk(), PATIENCE_S * 8)
    if not SANITIZER:
        assert grown_kb < 4096, f"memory grew by {grown_kb} kB"
    assert not [r for r in gate.access() if r["event"] == "close" and r["close_code"] != 1000]


def test_memory_is_given_back(gate):
    """What 10 reloads may leave behind, 50 must not add to."""
    wire = echo_wire(gate)
    site = gate.config["sites"]["localhost"]

    def reload(times):
        for turn in range(times):
            site["routes"]["/version"] = {"respond": f"{turn}" * 1000}
            gate.reload()
        return gate.process.memory_kb()

    first_kb, first_files = reload(10), gate.process.open_files()
    last_kb = reload(50)
    wait_until(lambda: gate.process.open_files() <= first_files, "no descriptor more than before")
    if not SANITIZER:
        assert last_kb - first_kb < 1024
    assert_lives(wire, "still there")
    wire.close()


def test_certificate_changes_for_new_connections(gate, authority):
    wire = echo_wire(gate)
    old = wire.sock.getpeercert(binary_form=True)
    gate.config["sites"]["localhost"]["tls"] = authority.issue("localhost", "renewed.test").config()
    gate.reload()
    assert served_names(gate, "localhost") == {"localhost", "renewed.test"}
    assert_lives(wire, "on the old certificate")
    assert hashlib.sha256(old).digest() == hashlib.sha256(
        wire.sock.getpeercert(binary_form=True)
    ).digest()
    wire.close()


def test_certificate_renewed_in_the_same_file(gate, authority):
    """As certbot does it: the same names, new contents."""
    chain, key = gate.config["sites"]["localhost"]["tls"].values()
    private = gate.folder / "site.pem", gate.folder / "site.key"
    for source, target in zip((chain, key), private):
        target.write_bytes(open(source, "rb").read())
    gate.config["sites"]["localhost"]["tls"] = {
        "certificate": str(private[0]), "key": str(private[1]),
    }  # fmt: skip
    gate.reload()
    fresh = authority.issue("localhost", "fresh.test")
    private[0].write_bytes(fresh.chain.read_bytes())
    private[1].write_bytes(fresh.key.read_bytes())
    gate.reload()
    assert "fresh.test" in served_names(gate, "localhost")


@pytest.mark.tsan
def test_listeners_come_and_go(gate):
    wire = echo_wire(gate, tls=False)
    port = free_port()
    gate.config["listen"].append({"address": f"127.0.0.1:{port}"})
    gate.reload()
    assert page(gate, port=port) == "0"
    kept = connect(port)
    kept.send(request("GET", "/version"))
    assert kept.read_response().status == 200
    gate.config["listen"].pop()
    gate.reload()

    def refused():
        try:
            connect(port).close()
        except OSError:
            return True
        return False

    wait_until(refused, "the listener's end")
    kept.send(request("GET", "/version"))
    assert kept.read_response().status == 200, "what was accepted there goes on"
    kept.close()
    assert_lives(wire, "through both")
    wire.close()


def test_routes_and_upstreams_change(gate, backend):
    wire = echo_wire(gate)
    one, two = backend(answering(ok(b"one"))), backend(answering(ok(b"two")))
    site = gate.config["sites"]["localhost"]
    site["routes"]["/app/"] = {"upstream": "app"}
    gate.config["upstreams"]["app"] = servers(one)
    gate.reload()
    assert page(gate, "/app/") == "one"
    gate.config["upstreams"]["app"] = servers(two)
    gate.reload()
    assert page(gate, "/app/") == "two"
    del site["routes"]["/app/"], gate.config["upstreams"]["app"]
    gate.reload()
    with connect(gate.plain_port) as asking:
        asking.send(request("GET", "/app/"))
        assert asking.read_response().status == 404
    assert_lives(wire, "all the way")
    wire.close()


def test_kept_connection_sees_the_new_routes(gate):
    """A connection may live for hours; each of its requests uses what is in force."""
    with connect(gate.plain_port) as wire:
        wire.send(request("GET", "/version"))
        assert wire.read_response().body == b"0"
        gate.config["sites"]["localhost"]["routes"]["/version"] = {"respond": "1"}
        gate.reload()
        wire.send(request("GET", "/version"))
        assert wire.read_response().body == b"1"


def test_site_that_goes_keeps_its_websockets(gate):
    wire = echo_wire(gate)
    gate.config["sites"] = {
        "other.test": {
            "tls": gate.certificate.config(),
            "routes": {"/": {"respond": "other"}},
        }
    }
    del gate.config["upstreams"]
    gate.reload()
    assert_lives(wire, "without a site")
    wire.close()


def test_running_download_keeps_its_old_configuration(gate, pages):
    gate.config["sites"]["localhost"]["routes"]["/"] = {"upstream": "pages"}
    gate.config["upstreams"]["pages"] = servers(pages)
    gate.reload()
    size = 8 << 20
    with connect(gate.port, gate.tls_context(), receive_buffer=65536) as wire:
        wire.send(request("GET", f"/download?{size}"))
        wire.read_head()
        del gate.config["sites"]["localhost"]["routes"]["/"], gate.config["upstreams"]["pages"]
        gate.reload()
        assert len(wire.read_exactly(size)) == size


def test_bad_file_changes_nothing(gate):
    wire = echo_wire(gate)
    good = gate.path.read_text()
    bad = good.replace('"respond": "0"', '"respnd": "1"')
    gate.path.write_text(bad)
    line = next(n for n, text in enumerate(bad.splitlines(), 1) if "respnd" in text)
    column = bad.splitlines()[line - 1].index('"respnd"') + 1
    done = run_ringway("reload", "-c", gate.path)
    assert done.returncode == 1
    report = done.stdout + done.stderr
    assert f"{gate.path}:{line}:{column}: error: " in report, report
    assert "respond" in report, "the nearest key is suggested"
    assert page(gate) == "0"
    assert_lives(wire, "unharmed")
    gate.path.write_text(good.replace('"respond": "0"', '"respond": "2"'))
    assert run_ringway("reload", "-c", gate.path).returncode == 0
    assert page(gate) == "2", "the gateway can still be reloaded"
    wire.close()


def test_bad_certificate_changes_nothing(gate, authority):
    before = served_names(gate, "localhost")
    one, two = authority.issue("localhost"), authority.issue("localhost")
    gate.config["sites"]["localhost"]["tls"] = {
        "certificate": str(one.chain), "key": str(two.key),
    }  # fmt: skip
    gate.config["sites"]["localhost"]["routes"]["/version"] = {"respond": "1"}
    gate.write()
    done = run_ringway("reload", "-c", gate.path)
    assert done.returncode == 1
    assert "does not belong to the certificate" in done.stdout + done.stderr
    assert page(gate) == "0" and served_names(gate, "localhost") == before


def test_address_in_use_changes_nothing(gate, backend):
    taken = backend(answering(ok()))
    gate.config["listen"].append({"address": taken.address})
    gate.config["sites"]["localhost"]["routes"]["/version"] = {"respond": "1"}
    gate.write()
    done = run_ringway("reload", "-c", gate.path)
    assert done.returncode == 1
    assert taken.address in done.stdout + done.stderr
    assert page(gate) == "0"


def test_sighup(gate):
    gate.config["sites"]["localhost"]["routes"]["/version"] = {"respond": "1"}
    gate.write()
    gate.process.send_signal(signal.SIGHUP)
    wait_until(lambda: page(gate) == "1", "the new page")
    mark = gate.process.mark()
    gate.path.write_text("sites: [nonsense")
    gate.process.send_signal(signal.SIGHUP)
    gate.wait_log(rf"{gate.path.name}:\d+:\d+: ", mark)
    assert page(gate) == "1"


def test_many_signals_at_once(gate):
    """They may be taken together, but the last state of the file wins."""
    for generation in range(30):
        gate.config["sites"]["localhost"]["routes"]["/version"] = {"respond": str(generation)}
        gate.write()
        gate.process.send_signal(signal.SIGHUP)
    wait_until(lambda: page(gate) == "29", "the last one")


def test_reload_without_a_gateway(gateways):
    gate = gateways(sites={"localhost": {"routes": {"/": {"respond": "x"}}}})
    gate.write()
    done = run_ringway("reload", "-c", gate.path)
    assert done.returncode == 1
    assert "running" in (done.stdout + done.stderr).lower()


def test_what_cannot_be_reloaded_is_said(gate):
    gate.config["workers"] = 1
    gate.config["sites"]["localhost"]["routes"]["/version"] = {"respond": "1"}
    gate.write()
    done = run_ringway("reload", "-c", gate.path)
    assert "workers" in done.stdout + done.stderr + gate.log
    assert page(gate) == ("1" if done.returncode == 0 else "0")
