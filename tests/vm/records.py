# SPDX-License-Identifier: Apache-2.0
"""A TLS 1.3 client whose records the test makes: Python's `ssl` does the handshake over memory, then
the traffic secrets that it logs are used here (RFC 8446 §5, §7)."""

import hashlib
import hmac
import os
import socket
import ssl
import struct
import tempfile

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from processes import PATIENCE_S
from wire import Wire

ALERT, HANDSHAKE, DATA = 21, 22, 23
CLOSE_NOTIFY = b"\x01\x00"
MAX = 16384

SUITES = {
    "TLS_AES_128_GCM_SHA256": (AESGCM, 16, "sha256"),
    "TLS_AES_256_GCM_SHA384": (AESGCM, 32, "sha384"),
    "TLS_CHACHA20_POLY1305_SHA256": (ChaCha20Poly1305, 32, "sha256"),
}


class Direction:
    """One direction's keys."""

    def __init__(self, suite, secret):
        self.cipher, self.key_size, self.digest = SUITES[suite]
        self._use(secret)

    def _expand(self, secret, label, size):
        full = b"tls13 " + label
        info = struct.pack("!HB", size, len(full)) + full + b"\0\x01"
        return hmac.new(secret, info, getattr(hashlib, self.digest)).digest()[:size]

    def _use(self, secret):
        self.secret, self.sequence = secret, 0
        self.aead = self.cipher(self._expand(secret, b"key", self.key_size))
        self.iv = int.from_bytes(self._expand(secret, b"iv", 12), "big")

    def update(self):
        self._use(self._expand(self.secret, b"traffic upd", len(self.secret)))

    def _nonce(self):
        self.sequence += 1
        return (self.iv ^ (self.sequence - 1)).to_bytes(12, "big")

    def seal(self, content, data, pad=0):
        inner = data + bytes([content]) + bytes(pad)
        head = struct.pack("!BHH", 23, 0x0303, len(inner) + 16)
        return head + self.aead.encrypt(self._nonce(), inner, head)

    def open(self, head, body):
        inner = self.aead.decrypt(self._nonce(), body, head).rstrip(b"\0")
        return inner[-1], inner[:-1]


class RecordSocket:
    """As much of a socket as Wire needs, over records. `log` keeps what came that was no data."""

    def __init__(self, sock, tx, rx):
        self.sock, self.tx, self.rx = sock, tx, rx
        self.family = socket.AF_UNIX  # the options of the real one are set already
        self.buffer = bytearray()
        self.log = []

    def settimeout(self, seconds):
        self.sock.settimeout(seconds)

    def shutdown(self, how):
        self.sock.shutdown(how)

    def close(self):
        self.sock.close()

    def sendall(self, data):
        self.sock.sendall(self.records(data))

    def records(self, data, size=MAX):
        """The sealed records of `data`, at most `size` bytes in each."""
        parts = [data[i : i + size] for i in range(0, len(data), size)]
        return b"".join(self.tx.seal(DATA, part) for part in parts)

    def send_record(self, content, data, **options):
        self.sock.sendall(self.tx.seal(content, data, **options))

    def update_keys(self, request):
        """Sends a KeyUpdate; with `request` the other side must follow with its own."""
        self.send_record(HANDSHAKE, bytes([24, 0, 0, 1, int(request)]))
        self.tx.update()

    def _read_exactly(self, size):
        while len(self.buffer) < size:
            data = self.sock.recv(65536)
            if not data:
                raise ssl.SSLEOFError("no close_notify")
            self.buffer += data
        data = bytes(self.buffer[:size])
        del self.buffer[:size]
        return data

    def recv(self, size):
        """The data of one record; b"" after close_notify."""
        while True:
            head = self._read_exactly(5)
            try:
                content, data = self.rx.open(head, self._read_exactly(struct.unpack("!H", head[3:])[0]))
            except InvalidTag:
                raise AssertionError(f"record {self.rx.sequence - 1} cannot be opened") from None
            if content == DATA:
                return data
            self.log.append((content, data))
            if content == HANDSHAKE and data[0] == 24:
                self.rx.update()
            if content == ALERT:
                if data == CLOSE_NOTIFY:
                    return b""
                raise ConnectionResetError(f"alert {data[1]}")


class RecordClient(Wire):
    """A connected client. With `last_flight(client)`, what that returns goes out in one piece with the
    client's Finished; with `finish`, FIN right behind it."""

    def __init__(self, gate, last_flight=None, finish=False, before_last_flight=None):
        raw = socket.create_connection(("127.0.0.1", gate.port), timeout=PATIENCE_S)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        context = gate.tls_context(minimum_version=ssl.TLSVersion.TLSv1_3)
        with tempfile.TemporaryDirectory() as folder:
            context.keylog_filename = os.path.join(folder, "keys")
            tls, incoming, flight = handshake(raw, context)
            secrets = read_secrets(context.keylog_filename)
        suite = tls.cipher()[0]
        tx = Direction(suite, secrets["CLIENT_TRAFFIC_SECRET_0"])
        rx = Direction(suite, secrets["SERVER_TRAFFIC_SECRET_0"])
        super().__init__(RecordSocket(raw, tx, rx))
        self.sock.buffer += incoming
        flight += last_flight(self.sock) if last_flight else b""
        if before_last_flight:
            before_last_flight()
        raw.sendall(flight)
        if finish:
            raw.shutdown(socket.SHUT_WR)


def handshake(raw, context):
    """Returns the session, what the server has sent behind the handshake, and our last flight, which
    is not sent yet. The server's records are fed one by one, so none behind it is consumed."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    received = b""
    while True:
        try:
            tls.do_handshake()
            return tls, received, outgoing.read()
        except ssl.SSLWantReadError:
            raw.sendall(outgoing.read())
        while len(received) < 5 or len(received) < 5 + struct.unpack("!H", received[3:5])[0]:
            data = raw.recv(65536)
            assert data, "the server hung up in the handshake"
            received += data
        size = 5 + struct.unpack("!H", received[3:5])[0]
        incoming.write(received[:size])
        received = received[size:]


def read_secrets(path):
    with open(path, encoding="ascii") as file:
        lines = [line.split() for line in file if not line.startswith("#")]
    return {label: bytes.fromhex(secret) for label, _, secret in lines}
