# SPDX-License-Identifier: Apache-2.0
"""Cloudflare's API, version 4, as far as a DNS client needs it, after its documentation: the
envelope of every answer, pages, error codes. What it is told to hold goes to Pebble's DNS server."""

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

BASE = "/client/v4"


class Refused(Exception):
    """An answer without success."""

    def __init__(self, status, code, message, **headers):
        self.status, self.headers = status, headers
        self.errors = [{"code": code, "message": message}]


class Cloudflare:
    """`zones`: their names. `requests` keeps (method, path with query) of each request. `fail` may
    be a function of method and path that raises Refused."""

    token = "v1.0-t0ken-of-the-tests_abc"

    def __init__(self, authority, pebble, zones, page_size=2, permissions=("#dns_records:edit",)):
        self.pebble, self.page_size, self.permissions = pebble, page_size, list(permissions)
        self.zones = {f"{number:032x}": name for number, name in enumerate(zones, 1)}
        self.records, self.requests, self.made = {}, [], 0
        self.status, self.fail = "active", lambda method, path: None
        cloudflare = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def respond(self):
                cloudflare.respond(self)

            do_GET = do_POST = do_DELETE = respond

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        certificate = authority.issue("localhost")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.chain, certificate.key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://localhost:{self.server.server_port}{BASE}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def respond(self, handler):
        size = int(handler.headers.get("Content-Length") or 0)
        body = json.loads(handler.rfile.read(size)) if size else None
        path = handler.path.removeprefix(BASE)
        self.requests.append((handler.command, path))
        answer, status, headers = {"success": True, "errors": [], "messages": []}, 200, {}
        try:
            if handler.headers.get("Authorization") != f"Bearer {self.token}":
                raise Refused(403, 9109, "Invalid access token")
            self.fail(handler.command, path)
            answer.update(self.act(handler.command, urlsplit(path), body))
        except Refused as refused:
            status, headers = refused.status, refused.headers
            answer.update(success=False, errors=refused.errors, result=None)
        text = json.dumps(answer).encode()
        handler.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text)

    def act(self, method, url, body):
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        match [method, *url.path.strip("/").split("/")]:
            case ["GET", "user", "tokens", "verify"]:
                return {"result": {"id": "f" * 32, "status": self.status}}
            case ["GET", "zones"]:
                return self.page(query, [
                    {"id": key, "name": name, "status": "active", "permissions": self.permissions}
                    for key, name in self.zones.items() if query.get("name") in (None, name)
                ])  # fmt: skip
            case [_, "zones", zone, *_] if zone not in self.zones:
                raise Refused(404, 7003, "Could not route to the zone, perhaps your object "
                              "identifier is invalid?")  # fmt: skip
            case ["GET", "zones", zone, "dns_records"]:
                return self.page(query, [
                    record for record in self.records.values() if record["zone_id"] == zone
                    and query.get("type") in (None, record["type"])
                    and query.get("name") in (None, record["name"])
                ])  # fmt: skip
            case ["POST", "zones", zone, "dns_records"]:
                return {"result": self.create(zone, body)}
            case ["DELETE", "zones", zone, "dns_records", key]:
                if key not in self.records:
                    raise Refused(404, 81044, "Record does not exist.")
                self.tell("clear-txt", self.records.pop(key))
                return {"result": {"id": key}}
        raise Refused(405, 10405, "Method not allowed for this authentication scheme")

    def page(self, query, found):
        number, size = int(query.get("page", 1)), min(int(query.get("per_page", 20)), self.page_size)
        part = found[(number - 1) * size : number * size]
        return {"result": part, "result_info": {
            "page": number, "per_page": size, "count": len(part), "total_count": len(found),
            "total_pages": -(-len(found) // size),
        }}  # fmt: skip

    def create(self, zone, body):
        assert body["type"] == "TXT" and body["ttl"] >= 60, body
        assert body["content"].startswith('"') and body["content"].endswith('"'), body
        assert body["name"].endswith("." + self.zones[zone]), body
        if any(r["name"] == body["name"] and r["content"] == body["content"]
               for r in self.records.values()):  # fmt: skip
            raise Refused(400, 81058, "An identical record already exists.")
        self.made += 1
        record = {"id": f"{self.made:032x}", "zone_id": zone, **body}
        self.records[record["id"]] = record
        self.tell("set-txt", record)
        return record

    def tell(self, what, record):
        value = record["content"].strip('"')
        self.pebble.tell_dns(what, host=record["name"] + ".", value=value)
