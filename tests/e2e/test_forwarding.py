# SPDX-License-Identifier: Apache-2.0
"""The head that goes on is written anew: what was for this hop stays here, and who the client is
is told by the gateway, not by the client."""

import pytest

from wire import answering, connect, field_of, fields_of, ok, request, upgrade_request


@pytest.fixture
def recorder(backend):
    return backend(answering(ok(b"ok", b"X-Custom: kept", b"Server: backend/1.0")))


def forwarded(gate, recorder, tls=False, sni="localhost", **parts):
    """The head that the backend got for a request."""
    before = len(recorder.received)
    context = gate.tls_context() if tls else None
    with connect(gate.port if tls else gate.plain_port, context, sni) as wire:
        wire.send(request(**parts))
        assert wire.read_response().status == 200
        peer = wire.sock.getsockname()
    return recorder.received[before:], peer


def test_who_the_client_is(gateway, recorder):
    gate = gateway(recorder)
    head, _ = forwarded(gate, recorder, host=f"localhost:{gate.plain_port}")
    assert field_of(head, "X-Forwarded-For") == "127.0.0.1"
    assert field_of(head, "X-Real-IP") == "127.0.0.1"
    assert field_of(head, "X-Forwarded-Proto") == "http"
    assert field_of(head, "X-Forwarded-Host") == f"localhost:{gate.plain_port}"
    assert field_of(head, "Host") == f"localhost:{gate.plain_port}", "kept as sent"
    assert field_of(head, "Via").startswith("1.1 ")


def test_proto_over_tls(gateway, recorder):
    head, _ = forwarded(gateway(recorder), recorder, tls=True)
    assert field_of(head, "X-Forwarded-Proto") == "https"


def test_what_the_client_claims_is_dropped(gateway, recorder):
    claims = [
        "X-Forwarded-For: 6.6.6.6",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: bank.example",
        "x-real-ip: 6.6.6.6",
        "X-Forwarded-For: 7.7.7.7",
    ]
    head, _ = forwarded(gateway(recorder), recorder, fields=claims)
    assert field_of(head, "X-Forwarded-For") == "127.0.0.1"
    assert field_of(head, "X-Forwarded-Proto") == "http"
    assert field_of(head, "X-Forwarded-Host") == "localhost"
    assert field_of(head, "X-Real-IP") == "127.0.0.1"
    assert b"6.6.6.6" not in head and b"7.7.7.7" not in head and b"bank" not in head


def test_what_a_trusted_proxy_says_is_kept(gateway, recorder):
    gate = gateway(recorder, trusted_proxies=["127.0.0.0/8"])
    head, _ = forwarded(
        gate,
        recorder,
        fields=[
            "X-Forwarded-For: 203.0.113.9",
            "X-Forwarded-Proto: https",
            "X-Forwarded-Host: shop.example",
            "X-Real-IP: 203.0.113.9",
        ],
    )
    assert ", ".join(fields_of(head, "X-Forwarded-For")) == "203.0.113.9, 127.0.0.1"
    assert field_of(head, "X-Forwarded-Proto") == "https"
    assert field_of(head, "X-Forwarded-Host") == "shop.example"
    assert field_of(head, "X-Real-IP") == "203.0.113.9"


def test_trust_is_for_the_blocks_named(gateway, recorder):
    gate = gateway(recorder, trusted_proxies=["10.0.0.0/8", "127.0.0.2", "::1"])
    head, _ = forwarded(gate, recorder, fields=["X-Forwarded-For: 6.6.6.6"])
    assert field_of(head, "X-Forwarded-For") == "127.0.0.1"


def test_trust_ends_with_the_configuration_that_gave_it(gateway, recorder):
    """Also on a connection that was there before."""
    gate = gateway(recorder)
    with connect(gate.plain_port) as wire:
        for trusted, expected in (["127.0.0.0/8"], "6.6.6.6, 127.0.0.1"), ([], "127.0.0.1"):
            gate.config["trusted_proxies"] = trusted
            assert gate.reload().returncode == 0
            before = len(recorder.received)
            wire.send(request(fields=["X-Forwarded-For: 6.6.6.6"]))
            assert wire.read_response().status == 200
            assert field_of(recorder.received[before:], "X-Forwarded-For") == expected


def test_hop_by_hop_fields_stay_here(gateway, recorder):
    head, _ = forwarded(
        gateway(recorder),
        recorder,
        fields=[
            "Connection: keep-alive, X-Secret, x-other",
            "X-Secret: 1",
            "X-Other: 2",
            "Keep-Alive: timeout=5",
            "Proxy-Connection: keep-alive",
            "Proxy-Authorization: Basic Zm9v",
            "Upgrade: foo",
            "TE: gzip",
            "X-Kept: 3",
        ],
    )
    for name in ("X-Secret", "X-Other", "Keep-Alive", "Proxy-Connection", "Upgrade"):
        assert fields_of(head, name) == [], name
    assert "gzip" not in "".join(fields_of(head, "TE"))
    assert field_of(head, "X-Kept") == "3"
    assert "x-secret" not in (field_of(head, "Connection") or "").lower()


def test_connection_cannot_name_away_what_matters(gateway, recorder):
    """`Connection: Host` and the like must not remove the gateway's own fields or the framing."""
    gate = gateway(recorder)
    head, _ = forwarded(
        gate,
        recorder,
        fields=["Connection: close, Host, X-Forwarded-For, X-Real-IP, Content-Length, Via"],
    )
    assert field_of(head, "Host") == "localhost"
    assert field_of(head, "X-Forwarded-For") == "127.0.0.1"
    assert field_of(head, "X-Real-IP") == "127.0.0.1"


def test_other_fields_are_kept_in_order(gateway, recorder):
    fields = [
        "Accept: text/html",
        "Cookie: a=1; b=2",
        "Authorization: Bearer x.y.z",
        "X-Twice: one",
        "X-Twice: two",
        "X-Empty:",
        "X-Spaces: \t padded \t ",
        "X-Latin: caf\xe9",
    ]
    head, _ = forwarded(gateway(recorder), recorder, fields=fields)
    assert fields_of(head, "X-Twice") == ["one", "two"]
    assert field_of(head, "X-Empty") == ""
    assert field_of(head, "X-Spaces") == "padded"
    assert field_of(head, "X-Latin") == "caf\xe9"
    assert field_of(head, "Cookie") == "a=1; b=2"
    order = [head.index(f"\r\n{field.partition(':')[0]}:".encode()) for field in fields]
    assert order == sorted(order)


def test_target_is_kept_as_sent(gateway, recorder):
    """Encodings, dots and empty segments are the application's business."""
    for target in ("/a%2Fb/%7e?x=%20&&y", "/?", "/a;b=c/@:!$&'()*+,=", "//x", "/a/?q=/../%zz"):
        head, _ = forwarded(gateway(recorder), recorder, target=target)
        assert head.startswith(f"GET {target} HTTP/1.1\r\n".encode()), target


def test_absolute_target_decides_the_host(gateway, recorder):
    """RFC 9112 §3.2.2: the target's authority counts and Host is made from it."""
    gate = gateway(recorder)
    head, _ = forwarded(gate, recorder, target="http://localhost/page?q", host="ignored.test")
    assert head.startswith(b"GET /page?q HTTP/1.1\r\n")
    assert field_of(head, "Host") == "localhost"


def test_answer_fields(gateway, backend, client):
    answer = (
        b"HTTP/1.1 200 Fine\r\nContent-Length: 2\r\nConnection: X-Hop, close\r\nX-Hop: 1\r\n"
        b"Keep-Alive: timeout=5\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Kept: yes\r\n"
        b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\nok"
    )
    gate = gateway(backend(answering(answer)))
    wire = client(gate.plain_port)
    wire.send(request())
    got = wire.read_response()
    assert (got.status, got.reason) == (200, "Fine")
    assert got.all("Set-Cookie") == ["a=1", "b=2"]
    assert got.get("X-Kept") == "yes"
    assert got.get("Date") == "Thu, 01 Jan 1970 00:00:00 GMT"
    assert got.get("X-Hop") is None and got.get("Keep-Alive") is None
    assert "x-hop" not in (got.get("Connection") or "").lower()


def test_upgrade_request_is_written_anew(gateway, backend, client):
    """With the fields of the handshake, and extensions and origin as the client sent them."""
    server = backend(answering(ok()))
    gate = gateway(server)
    wire = client(gate.port, gate.tls_context())
    wire.send(
        upgrade_request(
            "/chat?room=1",
            fields=[
                "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
                "Sec-WebSocket-Protocol: chat, superchat",
                "Origin: https://localhost",
                "X-Forwarded-For: 6.6.6.6",
            ],
        )
    )
    assert wire.read_response().status == 200
    head = server.received
    assert head.startswith(b"GET /chat?room=1 HTTP/1.1\r\n")
    assert field_of(head, "Upgrade").lower() == "websocket"
    assert field_of(head, "Connection").lower() == "upgrade"
    assert field_of(head, "Sec-WebSocket-Version") == "13"
    assert field_of(head, "Sec-WebSocket-Key")
    extensions = field_of(head, "Sec-WebSocket-Extensions")
    assert extensions == "permessage-deflate; client_max_window_bits"
    assert field_of(head, "Sec-WebSocket-Protocol") == "chat, superchat"
    assert field_of(head, "Origin") == "https://localhost"
    assert field_of(head, "X-Forwarded-For") == "127.0.0.1"
    assert field_of(head, "X-Forwarded-Proto") == "https"
