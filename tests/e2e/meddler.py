# SPDX-License-Identifier: Apache-2.0
"""Stands between a gateway and Pebble, and changes what Pebble answers."""

import base64
import contextlib
import datetime
import http.client
import http.server
import json
import ssl
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Meddler:
    """`meddle` holds, by the start of a path, what becomes of the answers there: bytes in their
    place, or a function that gets the socket's file and the answer's body and writes something.
    `asked` counts requests by path, `csr` is the last request for a certificate."""

    def __init__(self, authority, server):
        self.server, self.meddle, self.asked, self.csr = server, {}, [], None
        certificate = authority.issue("localhost", "127.0.0.1")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.chain, certificate.key)
        self.trusting = ssl.create_default_context(cafile=str(authority.ca))
        self.listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.listener.daemon_threads = True
        self.listener.socket = context.wrap_socket(
            self.listener.socket, server_side=True, do_handshake_on_connect=False
        )
        self.thread = threading.Thread(target=self.listener.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def acme(self, state_dir, **keys):
        """The `acme:` section for it."""
        port = self.listener.server_port
        return self.server.acme(state_dir, **{"directory": f"https://localhost:{port}/dir", **keys})

    def listen(self, gate):
        return self.server.listen(gate)

    def close(self):
        self.listener.shutdown()
        self.listener.server_close()

    def _handler(self):
        meddler = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def handle(self):
                with contextlib.suppress(OSError, ValueError):  # the gateway is gone
                    super().handle()

            def do_GET(self):
                sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                meddler.asked.append(self.path)
                meddler._csr_keep(self.path, sent)
                # Pebble makes its URLs from the Host field: all of them lead here.
                real = http.client.HTTPSConnection(
                    "localhost", meddler.server.port, context=meddler.trusting
                )
                real.request(self.command, self.path, sent, dict(self.headers))
                got = real.getresponse()
                body = got.read()
                real.close()
                for start, act in meddler.meddle.items():
                    if self.path.startswith(start):
                        self.close_connection = True
                        return self.wfile.write(act) if isinstance(act, bytes) else act(self.wfile, body)
                self.send_response(got.status)
                for name, value in got.getheaders():
                    if name.lower() not in ("content-length", "transfer-encoding", "date", "server"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_POST = do_HEAD = do_GET

        return Handler

    def _csr_keep(self, path, sent):
        if path.startswith("/finalize-order/"):
            payload = json.loads(sent)["payload"]
            csr = json.loads(base64.urlsafe_b64decode(payload + "==="))["csr"]
            self.csr = x509.load_der_x509_csr(base64.urlsafe_b64decode(csr + "==="))

    def sign(self, *names, after_days=-1, until_days=90, key=None, count=1):
        """A chain of `count` certificates as PEM; the first is for `names` and the key that the gateway
        has asked for (or `key`)."""
        now = datetime.datetime.utcnow()
        issuer = ec.generate_private_key(ec.SECP256R1())
        chain = b""
        for number in range(count):
            subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Meddler {number}")])
            public = issuer.public_key() if number else key or self.csr.public_key()
            builder = (
                x509.CertificateBuilder()
                .subject_name(subject).issuer_name(subject).public_key(public)
                .serial_number(x509.random_serial_number())
                .not_valid_before(now + datetime.timedelta(days=after_days))
                .not_valid_after(now + datetime.timedelta(days=until_days))
            )  # fmt: skip
            if not number:
                alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
                builder = builder.add_extension(alternatives, critical=False)
            chain += builder.sign(issuer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        return chain


def new_key():
    """A key of P-256, and its PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )  # fmt: skip
    return key.public_key(), pem
