# SPDX-License-Identifier: Apache-2.0
"""An ACME server of the tests' own, for what Pebble does not do: renewal information (RFC 9773),
profiles (draft-ietf-acme-profiles), accounts that are gone, and refusals at any place. Its messages
follow the examples of RFC 8555; signatures, nonces and http-01 are really checked."""

import base64
import datetime
import hashlib
import http.server
import itertools
import json
import ssl
import threading
import traceback
import urllib.request

from cryptography import x509
from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.x509.oid import NameOID

from pebble import AcmeAuthority
from processes import free_port

PROBLEM = "urn:ietf:params:acme:error:"


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def thumbprint(jwk):
    text = json.dumps(jwk, sort_keys=True, separators=(",", ":"))
    return encode(hashlib.sha256(text.encode()).digest())


def certificate_id(certificate):
    """RFC 9773 §4.1."""
    issuer = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    number = certificate.serial_number
    serial = number.to_bytes(number.bit_length() // 8 + 1, "big")
    return f"{encode(issuer.key_identifier)}.{encode(serial)}"


class Refused(Exception):
    """Becomes a problem document."""

    def __init__(self, kind, detail="no", status=403, headers=None):
        super().__init__(detail)
        self.body = {"type": PROBLEM + kind, "detail": detail, "status": status}
        self.status, self.headers = status, headers or {}


class AcmeCa(AcmeAuthority):
    """`http_port` and `tls_port` are where it looks for proofs. `refuse(path, payload)` may raise
    Refused, or return bytes to send as they are. `seen` holds (path, protected header, payload) of each
    request."""

    def __init__(self, authority, name="Test CA", profiles=None, window=None, chains=1, eab=None,
                 validity_s=90 * 86400, key_id=None):  # fmt: skip
        self.authority, self.name, self.profiles, self.eab = authority, name, profiles, eab
        self.validity_s = validity_s
        self.key_id = key_id  # bytes that name its key in certificates; None: a digest of it
        self.window = window  # of a certificate: (start, end) as datetimes; no renewalInfo without
        self.window_fields = {}
        self.window_headers = {"Retry-After": "21600"}
        self.http_port, self.tls_port = free_port(), free_port()
        self.unproven = "unauthorized"  # what it says of a proof that it does not see
        self.refuse = lambda path, payload: None
        self.seen, self.nonces, self.numbers = [], set(), itertools.count(1)
        self.accounts, self.orders, self.certificates, self.revoked = {}, {}, {}, {}
        self.roots = [self._root(f"{name} root {number + 1}") for number in range(chains)]
        self.key, self.issuer = self._intermediate()
        certificate = authority.issue("localhost", "127.0.0.1")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.chain, certificate.key)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.server.socket = context.wrap_socket(
            self.server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.base = f"https://localhost:{self.server.server_port}"
        self.directory = f"{self.base}/dir"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def payloads(self, path):
        """What was posted to a path."""
        return [payload for at, _, payload in self.seen if at == path]

    # --- certificates ---

    def _name(self, text):
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    def _builder(self, subject, issuer, public, seconds):
        now = datetime.datetime.utcnow()
        return (
            x509.CertificateBuilder()
            .subject_name(subject).issuer_name(issuer).public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(seconds=1))
            .not_valid_after(now + datetime.timedelta(seconds=seconds))
        )  # fmt: skip

    def _root(self, name):
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(self._name(name), self._name(name), key.public_key(), 10**8)
        builder = builder.add_extension(x509.BasicConstraints(True, None), critical=True)
        return key, builder.sign(key, hashes.SHA256())

    def _intermediate(self):
        """Its key, and a certificate for it by each root."""
        key = ec.generate_private_key(ec.SECP256R1())
        issued = []
        for root_key, root in self.roots:
            builder = self._builder(self._name(self.name), root.subject, key.public_key(), 10**8)
            builder = builder.add_extension(x509.BasicConstraints(True, None), critical=True)
            issued.append(builder.sign(root_key, hashes.SHA256()))
        return key, issued

    def _issue(self, csr):
        names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        identifier = (
            x509.AuthorityKeyIdentifier(self.key_id, None, None) if self.key_id else
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        )  # fmt: skip
        builder = self._builder(
            x509.Name([]), self._name(self.name), csr.public_key(), self.validity_s
        )
        builder = builder.add_extension(names.value, critical=True)
        return builder.add_extension(identifier, critical=False).sign(self.key, hashes.SHA256())

    # --- requests ---

    def _handler(self):
        ca = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def handle(self):
                try:
                    super().handle()
                except (OSError, ValueError):
                    pass  # the client is gone

            def answer(self, body, status=200, headers=None, nonce=True):
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                problem = status >= 400 and not isinstance(body, bytes)
                fields = {"Content-Type": "application/problem+json" if problem else
                          "application/pem-certificate-chain" if isinstance(body, bytes) else
                          "application/json", **(headers or {})}  # fmt: skip
                self.send_response(status)
                for name, value in fields.items():
                    for one in value if isinstance(value, list) else [value]:
                        self.send_header(name, one)
                if nonce:
                    self.send_header("Replay-Nonce", ca.nonce())
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

            def do_HEAD(self):
                self.answer(b"")

            def do_GET(self):
                self.guarded(lambda: ca.get(self.path), None)

            def do_POST(self):
                jws = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.guarded(lambda: ca.post(self.path, jws), jws)

            def guarded(self, act, jws):
                try:
                    if jws is None:
                        ca.seen.append((self.path, None, None))
                        raw = ca.refuse(self.path, None)
                        if raw is not None:
                            return self.wfile.write(raw)
                    return self.answer(*act())
                except Refused as refused:
                    return self.answer(refused.body, refused.status, refused.headers)
                except Exception as wrong:  # the client's fault, or a test's: it must see it
                    traceback.print_exc()
                    return self.answer(Refused("serverInternal", repr(wrong), 500).body, 500)

        return Handler

    def nonce(self):
        fresh = encode(hashlib.sha256(str(next(self.numbers)).encode()).digest())
        self.nonces.add(fresh)
        return fresh

    def get(self, path):
        if path == "/dir":
            names = {"newNonce": "nonce", "newAccount": "account", "newOrder": "order",
                     "revokeCert": "revoke", "keyChange": "key-change"}  # fmt: skip
            if self.window:
                names["renewalInfo"] = "renewal-info"
            meta = {"termsOfService": f"{self.base}/terms"}
            if self.profiles:
                meta["profiles"] = self.profiles
            if self.eab:
                meta["externalAccountRequired"] = True
            return ({**{k: f"{self.base}/{v}" for k, v in names.items()}, "meta": meta},)
        if path.startswith("/renewal-info/") and self.window:
            certificate = self.certificates.get(path.split("/")[2])
            if certificate is None:
                raise Refused("malformed", "no such certificate", 404)
            start, end = self.window(certificate)
            window = {"start": start.strftime("%Y-%m-%dT%H:%M:%SZ"),
                      "end": end.strftime("%Y-%m-%dT%H:%M:%SZ")}  # fmt: skip
            return {"suggestedWindow": window, **self.window_fields}, 200, self.window_headers
        raise Refused("malformed", "not found", 404)

    def check(self, jws, path, key=None):
        """The header and payload of a JWS whose signature by `key` (a JWK; None: as it names) holds."""
        header = json.loads(decode(jws["protected"]))
        if header["url"] != self.base + path:
            raise Refused("unauthorized", "url")
        jwk = key or header.get("jwk") or self.accounts.get(header.get("kid"), {}).get("key")
        if jwk is None:
            raise Refused("accountDoesNotExist", "no such account", 400)
        numbers = ec.EllipticCurvePublicNumbers(
            int.from_bytes(decode(jwk["x"]), "big"), int.from_bytes(decode(jwk["y"]), "big"),
            ec.SECP256R1(),
        )  # fmt: skip
        raw = decode(jws["signature"])
        r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
        numbers.public_key().verify(
            utils.encode_dss_signature(r, s),
            f"{jws['protected']}.{jws['payload']}".encode(),
            ec.ECDSA(hashes.SHA256()),
        )
        text = decode(jws["payload"])
        return header, json.loads(text) if text else None

    def post(self, path, jws):
        header, payload = self.check(jws, path)
        self.seen.append((path, header, payload))
        if header.get("nonce") not in self.nonces:
            raise Refused("badNonce", "nonce", 400)
        self.nonces.discard(header["nonce"])
        self.refuse(path, payload)
        if path == "/account":
            return self.new_account(header, payload)
        account = self.accounts[header["kid"]]
        if account["status"] != "valid":
            raise Refused("unauthorized", f"account is {account['status']}", 401)
        parts = path.strip("/").split("/")
        return getattr(self, "on_" + parts[0].replace("-", "_"))(
            header["kid"], payload, *parts[1:]
        )

    # --- accounts ---

    def _account_of(self, jwk):
        for url, account in self.accounts.items():
            if account["key"] == jwk:
                return url, account
        return None, None

    def _shown(self, account):
        return {"status": account["status"], "contact": account["contact"]}

    def new_account(self, header, payload):
        url, account = self._account_of(header["jwk"])
        if account:
            if account["status"] != "valid":
                raise Refused("unauthorized", f"account is {account['status']}")
            return self._shown(account), 200, {"Location": url}
        if payload.get("onlyReturnExisting"):
            raise Refused("accountDoesNotExist", "no account with this key", 400)
        if self.eab:
            self._binding_check(header, payload)
        url = f"{self.base}/acct/{next(self.numbers)}"
        account = {"key": header["jwk"], "status": "valid", "contact": payload.get("contact", [])}
        self.accounts[url] = account
        return self._shown(account), 201, {"Location": url}

    def _binding_check(self, header, payload):
        """RFC 8555 §7.3.4."""
        binding = payload.get("externalAccountBinding")
        if not binding:
            raise Refused("externalAccountRequired", "bind it")
        inner = json.loads(decode(binding["protected"]))
        if inner.get("alg") != "HS256" or inner.get("url") != header["url"] or "nonce" in inner:
            raise Refused("malformed", "binding", 400)
        if inner.get("kid") not in self.eab:
            raise Refused("unauthorized", "unknown key identifier")
        mac = hmac.HMAC(decode(self.eab[inner["kid"]]), hashes.SHA256())
        mac.update(f"{binding['protected']}.{binding['payload']}".encode())
        mac.verify(decode(binding["signature"]))
        if json.loads(decode(binding["payload"])) != header["jwk"]:
            raise Refused("malformed", "binding of another key", 400)

    def on_acct(self, kid, payload, _number):
        account = self.accounts[kid]
        if payload and "contact" in payload:
            account["contact"] = payload["contact"]
        return (self._shown(account),)

    def on_key_change(self, kid, inner):
        """RFC 8555 §7.3.5."""
        new = json.loads(decode(inner["protected"]))
        if "nonce" in new:
            raise Refused("malformed", "nonce in the inner JWS", 400)
        _, asked = self.check(inner, "/key-change", new["jwk"])
        if asked != {"account": kid, "oldKey": self.accounts[kid]["key"]}:
            raise Refused("malformed", "inner payload", 400)
        if self._account_of(new["jwk"])[0]:
            raise Refused("malformed", "the key is in use", 409)
        self.accounts[kid]["key"] = new["jwk"]
        return (self._shown(self.accounts[kid]),)

    # --- orders ---

    def on_order(self, kid, payload, number=None):
        if number:
            return (self._order_shown(self.orders[number]),)
        if "profile" in payload and payload["profile"] not in (self.profiles or {}):
            raise Refused("invalidProfile", "no such profile", 400)
        number = str(next(self.numbers))
        self.orders[number] = {
            "number": number, "kid": kid, "status": "pending", "identifiers": payload["identifiers"],
            "token": encode(hashlib.sha256(number.encode()).digest()), "error": None,
            "done": [False] * len(payload["identifiers"]),
        }  # fmt: skip
        shown = self._order_shown(self.orders[number])
        return shown, 201, {"Location": f"{self.base}/order/{number}"}

    def _order_shown(self, order):
        number = order["number"]
        shown = {
            "status": order["status"], "expires": "2099-01-01T00:00:00Z",
            "identifiers": order["identifiers"],
            "authorizations": [f"{self.base}/authz/{number}/{i}" for i in range(len(order["done"]))],
            "finalize": f"{self.base}/finalize/{number}",
        }  # fmt: skip
        if order["status"] == "valid":
            shown["certificate"] = f"{self.base}/cert/{number}/0"
        return shown

    def on_authz(self, kid, payload, number, place):
        order = self.orders[number]
        done = order["done"][int(place)]
        status = "invalid" if order["error"] else "valid" if done else "pending"
        challenge = {"type": "http-01", "url": f"{self.base}/chall/{number}/{place}",
                     "status": status, "token": order["token"]}  # fmt: skip
        if order["error"]:
            challenge["error"] = order["error"]
        return ({"status": status, "identifier": order["identifiers"][int(place)],
                 "challenges": [challenge]},)  # fmt: skip

    def on_chall(self, kid, payload, number, place):
        order = self.orders[number]
        token, host = order["token"], order["identifiers"][int(place)]["value"]
        wanted = f"{token}.{thumbprint(self.accounts[kid]['key'])}"
        url = f"http://127.0.0.1:{self.http_port}/.well-known/acme-challenge/{token}"
        try:
            asked = urllib.request.Request(url, headers={"Host": host})
            with urllib.request.urlopen(asked, timeout=10) as page:
                good = page.read().decode() == wanted
        except OSError:
            good = False
        order["done"][int(place)] = good
        if not good:
            order["status"] = "invalid"
            order["error"] = {"type": PROBLEM + self.unproven, "detail": "not what was wanted"}
        elif all(order["done"]):
            order["status"] = "ready"
        return ({"type": "http-01", "status": "processing", "token": token},)

    def on_finalize(self, kid, payload, number):
        order = self.orders[number]
        if order["status"] != "ready":
            raise Refused("orderNotReady", order["status"])
        certificate = self._issue(x509.load_der_x509_csr(decode(payload["csr"])))
        self.certificates[certificate_id(certificate)] = certificate
        order.update(status="valid", certificate=certificate)
        return (self._order_shown(order),)

    def on_cert(self, kid, payload, number, chain):
        parts = self.orders[number]["certificate"], self.issuer[int(chain)]
        text = b"".join(part.public_bytes(serialization.Encoding.PEM) for part in parts)
        links = [f'<{self.base}/cert/{number}/{other}>;rel="alternate"'
                 for other in range(len(self.roots)) if other != int(chain)]  # fmt: skip
        return text, 200, {"Link": links}

    def on_revoke(self, kid, payload):
        certificate = x509.load_der_x509_certificate(decode(payload["certificate"]))
        name = certificate_id(certificate)
        if name in self.revoked:
            raise Refused("alreadyRevoked", "it is", 400)
        self.revoked[name] = payload.get("reason")
        return (b"",)
