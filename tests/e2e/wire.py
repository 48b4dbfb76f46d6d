# SPDX-License-Identifier: Apache-2.0
"""Both ends of the wire, byte by byte: a client that sends what it is told, a backend that plays a
script and records all it was sent, and RFC 6455 frames."""

import base64
import contextlib
import hashlib
import os
import socket
import ssl
import struct
import threading

from processes import PATIENCE_S, wait_until

KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455 §1.3
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


class Wire:
    """A connected socket. `received` keeps every byte, and `journal`, if given, those of several;
    `end` says how the other side ended it: "fin" (on TLS: after close_notify), "truncated" (on
    TLS: without it), "reset"."""

    def __init__(self, sock, keep_all=True, journal=None):
        sock.settimeout(PATIENCE_S)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.buffer = bytearray()
        self.received = bytearray()
        self.journal = bytearray() if journal is None else journal
        self.keep_all = keep_all
        self.end = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        self.sock.sendall(data)

    def fill(self):
        """Reads once; false at the end."""
        try:
            data = self.sock.recv(65536)
        except ConnectionResetError:
            self.end = "reset"
            return False
        except ssl.SSLEOFError:
            self.end = "truncated"
            return False
        if not data:
            self.end = "fin"
            return False
        self.buffer += data
        if self.keep_all:
            self.received += data
            self.journal += data
        return True

    def read_exactly(self, size):
        while len(self.buffer) < size:
            assert self.fill(), f"{self.end} after {bytes(self.buffer[:200])!r}, wanted {size}"
        return self.take(size)

    def read_until(self, mark):
        """Everything up to and with `mark`."""
        while mark not in self.buffer:
            assert self.fill(), f"{self.end} after {bytes(self.buffer[:200])!r}, wanted {mark!r}"
        return self.take(self.buffer.index(mark) + len(mark))

    def read_to_end(self):
        while self.fill():
            pass
        return self.take(len(self.buffer))

    def take(self, size):
        data = bytes(self.buffer[:size])
        del self.buffer[:size]
        return data

    def read_head(self):
        return self.read_until(b"\r\n\r\n")

    def read_response(self, method="GET"):
        return Response(self, method)

    def read_frame(self):
        """(first byte, payload unmasked)."""
        first, second = self.read_exactly(2)
        size = second & 127
        if size == 126:
            size = struct.unpack("!H", self.read_exactly(2))[0]
        elif size == 127:
            size = struct.unpack("!Q", self.read_exactly(8))[0]
        mask = self.read_exactly(4) if second & 128 else b""
        payload = self.read_exactly(size)
        return first, xor(payload, mask) if mask else payload

    def read_close(self):
        """Reads frames up to a Close and returns its status code (None: empty)."""
        while True:
            first, payload = self.read_frame()
            if first & 15 == CLOSE:
                return struct.unpack("!H", payload[:2])[0] if payload else None

    def finish_sending(self):
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        """Ends the connection with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # The plain close of the descriptor: TLS has nothing to say here.
        socket.close(self.sock.detach())

    def close(self):
        with contextlib.suppress(OSError):
            self.sock.close()


class Response:
    """A parsed response. Informational ones before it are kept in `informational`."""

    def __init__(self, wire, method):
        self.informational = []
        while True:
            self.head = wire.read_head()
            status_line, *fields = self.head.decode("latin-1").rstrip("\r\n").split("\r\n")
            self.version, status, *reason = status_line.split(" ", 2)
            self.status, self.reason = int(status), "".join(reason)
            self.fields = [(n, v.strip()) for n, _, v in (f.partition(":") for f in fields)]
            if self.status >= 200 or self.status == 101:
                break
            self.informational.append((self.status, self.fields))
        self.trailers = []
        self.body = self._read_body(wire, method)

    def _read_body(self, wire, method):
        if method == "HEAD" or self.status in (101, 204, 304):
            return b""
        if (self.get("Transfer-Encoding") or "").lower() == "chunked":
            return self._read_chunked(wire)
        if self.get("Content-Length") is not None:
            return wire.read_exactly(int(self.get("Content-Length")))
        return wire.read_to_end()

    def _read_chunked(self, wire):
        body = b""
        while True:
            size = int(wire.read_until(b"\r\n").partition(b";")[0], 16)
            if size == 0:
                break
            body += wire.read_exactly(size)
            assert wire.read_exactly(2) == b"\r\n"
        while (line := wire.read_until(b"\r\n")) != b"\r\n":
            name, _, value = line.decode("latin-1").partition(":")
            self.trailers.append((name, value.strip()))
        return body

    def all(self, name):
        return [v for n, v in self.fields if n.lower() == name.lower()]

    def get(self, name):
        values = self.all(name)
        assert len(values) < 2, f"{name} is there {len(values)} times"
        return values[0] if values else None


def connect(port, context=None, sni="localhost", host="127.0.0.1", receive_buffer=None, **options):
    """A client. With a TLS `context` the handshake is done, naming `sni` (None: no name)."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(PATIENCE_S)
    sock.connect((host, port))
    if context:
        sock = context.wrap_socket(sock, server_hostname=sni, suppress_ragged_eofs=False)
    return Wire(sock, **options)


def request(method="GET", target="/", host="localhost", fields=(), body=b""):
    """The bytes of a request; `fields` are lines without their ends."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *fields]
    return "".join(line + "\r\n" for line in lines).encode("latin-1") + b"\r\n" + body


def upgrade_request(target="/", host="localhost", key=KEY, version="13", fields=()):
    wanted = ["Connection: Upgrade", "Upgrade: websocket"]
    wanted += [f"Sec-WebSocket-Key: {key}"] if key is not None else []
    wanted += [f"Sec-WebSocket-Version: {version}"] if version is not None else []
    return request(target=target, host=host, fields=[*wanted, *fields])


def accept_of(key):
    return base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()


def field_of(head, name):
    """The value of the only field `name` in a request head, or None."""
    values = fields_of(head, name)
    assert len(values) < 2, f"{name} is there {len(values)} times: {head!r}"
    return values[0] if values else None


def fields_of(head, name):
    lines = head.decode("latin-1").split("\r\n")[1:]
    pairs = [line.partition(":") for line in lines if line]
    return [value.strip() for n, _, value in pairs if n.strip().lower() == name.lower()]


def switch_protocols(wire, extra=b"", fields=()):
    """A backend's side of the opening handshake; `extra` goes out in the same write."""
    head = wire.read_head()
    accept = accept_of(field_of(head, "Sec-WebSocket-Key"))
    wire.send(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept.encode() + b"\r\n"
        + b"".join(line.encode() + b"\r\n" for line in fields) + b"\r\n" + extra
    )
    return head


def open_websocket(wire, target="/", extra=b"", **options):
    """A client's side of it."""
    wire.send(upgrade_request(target, **options) + extra)
    answer = wire.read_response()
    assert answer.status == 101, answer.head
    assert answer.get("Sec-WebSocket-Accept") == accept_of(KEY)
    return answer


def xor(payload, mask):
    if not payload:
        return b""
    whole = mask * (len(payload) // 4 + 1)
    number = int.from_bytes(payload, "big") ^ int.from_bytes(whole[: len(payload)], "big")
    return number.to_bytes(len(payload), "big")


def frame(opcode, payload=b"", fin=True, masked=False, rsv=0, declared=None):
    """A frame; `declared` puts another length into its head than the payload has."""
    size = len(payload) if declared is None else declared
    mask_bit = 128 if masked else 0
    head = bytes([(128 if fin else 0) | rsv << 4 | opcode])
    if size < 126:
        head += bytes([mask_bit | size])
    elif size < 65536:
        head += struct.pack("!BH", mask_bit | 126, size)
    else:
        head += struct.pack("!BQ", mask_bit | 127, size)
    if masked:
        mask = os.urandom(4)
        return head + mask + xor(payload, mask)
    return head + payload


def close_frame(code, reason=b"", masked=False):
    return frame(CLOSE, struct.pack("!H", code) + reason, masked=masked)


class ScriptedBackend:
    """A server that calls `script(wire)` for every connection, each in a thread of its own, and
    keeps what it received. An exception in a script fails the test at the end."""

    def __init__(self, script, **options):
        self.script = script
        self.options = options
        self.wires = []
        self.journal = bytearray()
        self.failures = []
        self.closing = False
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.threads = [threading.Thread(target=self._accept, daemon=True)]
        self.threads[0].start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            wire = Wire(sock, journal=self.journal, **self.options)
            self.wires.append(wire)
            thread = threading.Thread(target=self._play, args=(wire,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def _play(self, wire):
        try:
            self.script(wire)
        except Exception as failure:  # reported by close(), in the test's own thread
            if not self.closing:
                self.failures.append(failure)
        finally:
            wire.close()

    @property
    def received(self):
        """What all connections brought, in the order it came."""
        return bytes(self.journal)

    def wait_wire(self, index=0):
        """The connection number `index`, waiting for it."""
        wait_until(lambda: len(self.wires) > index, f"connection {index} at the backend")
        return self.wires[index]

    def stop_listening(self):
        """From now on connections are refused; those there go on."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def close(self):
        """Ends what still runs; a script that was in the middle of something may fail now."""
        self.closing = True
        with contextlib.suppress(OSError):
            self.stop_listening()
        for wire in self.wires:
            with contextlib.suppress(OSError):
                wire.sock.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive(), "a backend's script hangs"
        if self.failures:
            raise self.failures[0]


def ok(body=b"ok", *fields):
    """The bytes of a 200 with a length."""
    lines = [b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *fields]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def answering(*responses):
    """A script: reads heads (requests without bodies) and answers with `responses` in turn, the
    last one again and again, until the gateway closes."""

    def script(wire):
        turn = 0
        while True:
            while b"\r\n\r\n" not in wire.buffer:
                if not wire.fill():
                    return
            wire.read_head()
            wire.send(responses[min(turn, len(responses) - 1)])
            turn += 1

    return script


def websocket(then):
    """A script: does the opening handshake, then `then(wire)`."""

    def script(wire):
        switch_protocols(wire)
        then(wire)

    return script
