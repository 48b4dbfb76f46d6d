# SPDX-License-Identifier: Apache-2.0
"""A server that should be an ACME server and is not: HTTPS answers of all kinds."""

import contextlib
import json
import re
import socket
import ssl
import threading


class BadServer:
    """Answers each request, by its path, with what `answers` holds for it: bytes, or a function of
    the socket. `requests` counts them by path."""

    def __init__(self, authority, answers, names=("localhost", "127.0.0.1")):
        certificate = authority.issue(*names)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate.chain, certificate.key)
        self.answers = answers
        self.requests = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.base = f"https://localhost:{self.port}"
        self.threads = [threading.Thread(target=self._accept, daemon=True)]
        self.threads[0].start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def _serve(self, sock):
        with contextlib.suppress(OSError, ValueError), sock:
            sock.settimeout(60)
            with self.context.wrap_socket(sock, server_side=True) as wire:
                head = b""
                while b"\r\n\r\n" not in head:
                    got = wire.recv(65536)
                    if not got:
                        return
                    head += got
                head, _, body = head.partition(b"\r\n\r\n")
                size = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
                while size and len(body) < int(size[1]):
                    body += wire.recv(65536)
                path = head.split(b" ", 2)[1].decode()
                self.requests.append(path)
                answer = self.answers.get(path, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                if callable(answer):
                    answer(wire)
                else:
                    wire.sendall(answer)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def answer(body=b"", status="200 OK", *fields):
    """The bytes of an answer after which the connection ends."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *fields]
    return "".join(line + "\r\n" for line in lines).encode() + b"\r\n" + body


def directory_of(base, **changes):
    return json.dumps({
        "newNonce": f"{base}/nonce", "newAccount": f"{base}/account", "newOrder": f"{base}/order",
        **changes,
    }).encode()  # fmt: skip
