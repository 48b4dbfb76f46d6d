# SPDX-License-Identifier: Apache-2.0
"""Which site, which route, which server."""

import socket
import time

import pytest

from gateway import servers
from processes import PATIENCE_S, free_port, wait_until
from wire import answering, connect, field_of, ok, open_websocket, request, websocket


@pytest.fixture
def named(backend):
    """Backends that answer with their name and count what they got."""
    return lambda name: backend(answering(ok(name.encode())))


def get(gate, target="/", host="localhost", wire=None, **parts):
    if wire:
        wire.send(request(target=target, host=host, **parts))
        return wire.read_response()
    with connect(gate.plain_port) as own:
        return get(gate, target, host, own, **parts)


def respond(text, **keys):
    return {"routes": {"/": {"respond": text}}, **keys}


def test_hosts(gateway):
    gate = gateway(
        sites={
            "a.test": respond("exact"),
            "*.a.test": respond("one label"),
            "deep.x.a.test": respond("deep"),
            "*.x.a.test": respond("more specific"),
            "other.test": respond("other", aliases=["www.other.test", "127.0.0.9"]),
        }
    )
    expected = {
        "a.test": b"exact",
        "A.TEST": b"exact",
        "a.test.": b"exact",
        f"a.test:{gate.plain_port}": b"exact",
        "b.a.test": b"one label",
        "deep.x.a.test": b"deep",
        "y.x.a.test": b"more specific",
        "www.other.test": b"other",
        "127.0.0.9": b"other",
    }
    for host, body in expected.items():
        answer = get(gate, host=host)
        assert (answer.status, answer.body) == (200, body), host
    for host in ("unknown.test", "b.c.a.test", "xa.test"):
        answer = get(gate, host=host)
        assert answer.status in (404, 421), host


def test_default_site(gateway):
    gate = gateway(sites={"a.test": respond("a"), "*": respond("default")})
    assert get(gate, host="a.test").body == b"a"
    assert get(gate, host="unknown.test").body == b"default"
    assert get(gate, host="10.0.0.1").body == b"default"


def test_longest_prefix_on_segment_boundaries(gateway):
    routes = ["/", "/app/", "/app/admin/", "/app/admin/x", "/exact"]
    gate = gateway(
        sites={"localhost": {"routes": {route: {"respond": route} for route in routes}}}
    )
    expected = {
        "/": "/",
        "/appendix": "/",
        "/app/": "/app/",
        "/app/x": "/app/",
        "/app/administrator": "/app/",
        "/app/admin/": "/app/admin/",
        "/app/admin/y?/app/": "/app/admin/",
        "/app/admin/x": "/app/admin/x",
        "/app/admin/x/y": "/app/admin/x",
        "/app/admin/xy": "/app/admin/",
        "/exact": "/exact",
        "/exact/more": "/exact",
        "/exactly": "/",
    }
    for target, body in expected.items():
        assert get(gate, target).body == body.encode(), target


def test_dots_and_encodings_do_not_lead_around_a_route(gateway, named):
    """However the path is written, a route that guards a folder is met (RFC 3986 §6.2.2)."""
    open_backend, guarded = named("open"), named("guarded")
    gate = gateway(
        sites={
            "localhost": {
                "routes": {"/": {"upstream": "open"}, "/secret/": {"upstream": "guarded"}},
            }
        },
        upstreams={"open": servers(open_backend), "guarded": servers(guarded)},
    )
    for target in (
        "/secret/x",
        "/%73ecret/x",
        "/a/../secret/x",
        "/a/%2e%2e/secret/x",
        "/./secret/x",
        "//secret/x",
    ):
        answer = get(gate, target)
        assert answer.body == b"guarded" or answer.status == 400, target


def test_strip_prefix(gateway, backend, client):
    server = backend(answering(ok()))
    gate = gateway(
        sites={
            "localhost": {
                "routes": {
                    "/api/": {"upstream": "app", "strip_prefix": True},
                    "/keep/": {"upstream": "app"},
                }
            }
        },
        upstreams={"app": servers(server)},
    )
    expected = {
        "/api/": "/",
        "/api/users?id=1": "/users?id=1",
        "/api/a/b/": "/a/b/",
        "/api/?q": "/?q",
        "/keep/x": "/keep/x",
    }
    for target, arrived in expected.items():
        before = len(server.received)
        assert get(gate, target).status == 200, target
        assert server.received[before:].split(b" ")[1].decode() == arrived, target


def test_strip_prefix_of_a_websocket(gateway, echo):
    gate = gateway(
        sites={"localhost": {"routes": {"/ws/": {"upstream": "echo", "strip_prefix": True}}}},
        upstreams={"echo": servers(echo)},
    )
    mark = echo.mark()
    with connect(gate.port, gate.tls_context()) as wire:
        open_websocket(wire, "/ws/room/1?x=2")
    assert echo.reported(1, mark)[0]["path"] == "/room/1?x=2"


def test_redirect(gateway, client):
    gate = gateway(
        sites={
            "localhost": {
                "routes": {
                    "/old/": {"redirect": "https://${host}:8443/new${path}${query}", "status": 301},
                    "/plain/": {"redirect": "${scheme}://example.org/"},
                    "/path/": {"redirect": "/elsewhere/", "status": 307},
                }
            }
        }
    )
    wire = client(gate.plain_port)
    answer = get(gate, "/old/x?a=b", wire=wire)
    assert answer.status == 301
    assert answer.get("Location") == "https://localhost:8443/new/old/x?a=b"
    answer = get(gate, "/plain/", wire=wire)
    assert (answer.status, answer.get("Location")) == (308, "http://example.org/")
    answer = get(gate, "/path/", wire=wire)
    assert (answer.status, answer.get("Location")) == (307, "/elsewhere/")


def test_redirect_cannot_be_split_by_the_client(gateway):
    gate = gateway(sites={"localhost": {"routes": {"/": {"redirect": "https://x.test${path}"}}}})
    answer = get(gate, "/%0d%0aSet-Cookie:%20a=1")
    assert answer.status == 308
    assert "\r" not in answer.get("Location") and answer.get("Set-Cookie") is None
    assert get(gate, "//evil.test/").get("Location").startswith("https://x.test/")


def test_redirect_of_a_path_that_grows_by_encoding(gateway, client):
    route = {"redirect": "https://x.test${path}${query}#${path}"}
    gate = gateway(sites={"localhost": {"routes": {"/": route}}})
    path = "/" + "{" * 10_000
    answer = get(gate, f"{path}?{path}")
    encoded = path.replace("{", "%7B")
    assert answer.status == 308
    assert answer.get("Location") == f"https://x.test{encoded}?{encoded}#{encoded}"


def test_redirect_to_the_host_of_a_request_without_one(gateway, client):
    gate = gateway(
        sites={"*": {"routes": {"/": {"redirect": "https://${host}/"}}}}
    )
    wire = client(gate.plain_port)
    wire.send(b"GET / HTTP/1.0\r\n\r\n")
    assert wire.read_response().status == 400


def test_respond(gateway, client):
    gate = gateway(
        sites={
            "localhost": {
                "routes": {
                    "/ping": {"respond": "pong\n"},
                    "/gone": {"respond": "<h1>gone</h1>", "status": 410,
                              "content_type": "text/html"},
                }
            }
        }
    )  # fmt: skip
    wire = client(gate.plain_port)
    answer = get(gate, "/ping", wire=wire)
    assert (answer.status, answer.body) == (200, b"pong\n")
    assert answer.get("Content-Type").startswith("text/plain")
    answer = get(gate, "/gone", wire=wire)
    assert (answer.status, answer.body) == (410, b"<h1>gone</h1>")
    assert answer.get("Content-Type") == "text/html"
    wire.send(request("HEAD", "/ping"))
    answer = wire.read_response("HEAD")
    assert (answer.status, answer.get("Content-Length")) == (200, "5")
    assert get(gate, "/no-such-route", wire=wire).status == 404


def test_respond_to_a_request_with_a_body(gateway, client):
    """Nobody wants the body; it must not be taken for the next request."""
    gate = gateway(sites={"localhost": {"routes": {"/": {"respond": "pong\n"}}}})
    wire = client(gate.plain_port)
    body = request("GET", "/smuggled")
    wire.send(request("POST", "/", fields=[f"Content-Length: {len(body)}"]) + body)
    answer = wire.read_response()
    assert answer.body == b"pong\n"
    if (answer.get("Connection") or "").lower() == "close":
        assert wire.read_to_end() == b""
    else:
        assert get(gate, wire=wire).body == b"pong\n" and wire.buffer == b""


def test_round_robin_over_two_servers(gateway, named):
    gate = gateway(named("one"), named("two"), workers=1)
    bodies = [get(gate).body for _ in range(10)]
    assert bodies.count(b"one") == bodies.count(b"two") == 5
    assert all(a != b for a, b in zip(bodies, bodies[1:]))


def test_round_robin_of_websockets(gateway, backend, client):
    counts = {"one": 0, "two": 0}

    def script(name):
        def then(wire):
            counts[name] += 1
            wire.read_to_end()

        return websocket(then)

    gate = gateway(backend(script("one")), backend(script("two")), workers=1)
    for _ in range(10):
        open_websocket(client(gate.port, gate.tls_context()))
    wait_until(lambda: counts == {"one": 5, "two": 5}, f"five each, not {counts}")


def test_dead_server_is_passed_over(gateway, named):
    gate = gateway(f"127.0.0.1:{free_port()}", named("alive"), workers=1)
    assert [get(gate).body for _ in range(6)] == [b"alive"] * 6
    gate.wait_log(r"(?i)refused|connect")


def test_server_that_dies_later_is_passed_over(gateway, named):
    dying, living = named("dying"), named("living")
    gate = gateway(dying, living, workers=1)
    assert {get(gate).body for _ in range(4)} == {b"dying", b"living"}
    dying.close()
    assert [get(gate).body for _ in range(6)] == [b"living"] * 6


def test_all_servers_dead_is_a_502(gateway):
    gate = gateway(f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}")
    answer = get(gate)
    assert answer.status == 502
    gate.wait_log(r"(?i)refused")
    assert get(gate, fields=["Connection: Upgrade"]).status == 502


def test_retries_limit_how_many_servers_are_tried(gateway, named):
    dead = [f"127.0.0.1:{free_port()}" for _ in range(3)]
    gate = gateway(*dead, named("alive"), workers=1, upstream_keys={"retries": 0})
    statuses = [get(gate).status for _ in range(4)]
    assert statuses.count(200) == 1 and statuses.count(502) == 3


@pytest.fixture
def black_hole():
    """A port that never answers: its queue of connections is full and nobody takes them."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        filling = []
        for _ in range(8):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(address)
            filling.append(sock)
        yield f"127.0.0.1:{address[1]}"
        for sock in filling:
            sock.close()


def test_black_hole_is_a_504(gateway, black_hole):
    gate = gateway(black_hole, upstream_keys={"timeouts": {"connect": "500ms"}})
    begin = time.monotonic()
    assert get(gate).status == 504
    assert 0.4 < time.monotonic() - begin < 0.5 + PATIENCE_S / 2


def test_black_hole_is_passed_over(gateway, black_hole, named):
    gate = gateway(black_hole, named("alive"), upstream_keys={"timeouts": {"connect": "200ms"}})
    assert [get(gate).body for _ in range(4)] == [b"alive"] * 4


def test_names_are_resolved(gateway, named):
    server = named("by name")
    gate = gateway(f"localhost:{server.port}")
    assert get(gate).body == b"by name"


def test_name_that_does_not_exist(gateway, named):
    """It costs its own requests an error, and nobody else's."""
    gate = gateway(
        sites={
            "localhost": {
                "routes": {"/lost/": {"upstream": "lost"}, "/": {"upstream": "app"}},
            }
        },
        upstreams={"lost": servers("no-such-host.invalid:80"), "app": servers(named("fine"))},
    )
    assert get(gate, "/").body == b"fine"
    assert get(gate, "/lost/").status in (502, 503, 504)
    gate.wait_log(r"no-such-host\.invalid")


def test_listener_that_redirects_to_https(usual_ports, gateways):
    """No `listen:` gives ports 80 (redirect) and 443: seen with the ports one may open here."""
    gate = gateways(sites={"localhost": respond("secure")})
    del gate.config["listen"]
    gate.start()
    with connect(80) as wire:
        answer = get(gate, "/x?y=z", wire=wire)
    assert answer.status == 308
    assert answer.get("Location") == "https://localhost/x?y=z"
    with connect(443, gate.tls_context()) as wire:
        assert get(gate, wire=wire).body == b"secure"


def test_head_requests_and_hosts_on_one_connection(gateway, named):
    """Each request of a connection is routed by itself."""
    one, two = named("one"), named("two")
    gate = gateway(
        sites={
            "one.test": {"routes": {"/": {"upstream": "one"}}},
            "two.test": {"routes": {"/": {"upstream": "two"}, "/local": {"respond": "here"}}},
        },
        upstreams={"one": servers(one), "two": servers(two)},
    )
    with connect(gate.plain_port) as wire:
        for _ in range(3):
            assert get(gate, host="one.test", wire=wire).body == b"one"
            assert get(gate, host="two.test", wire=wire).body == b"two"
            assert get(gate, "/local", host="two.test", wire=wire).body == b"here"
    assert field_of(one.received[: one.received.index(b"\r\n\r\n") + 4], "Host") == "one.test"
    wait_until(lambda: len(one.wires) == 1, "one connection, kept")
