# SPDX-License-Identifier: Apache-2.0
"""Pebble, Let's Encrypt's ACME server for tests, with its DNS server that sends every name to
127.0.0.1."""

import json
import os
import shutil
import ssl
import subprocess
import urllib.request

import pytest

from processes import Process, free_port, wait_until


class AcmeAuthority:
    """What a gateway must be told to get its certificates from one; `directory`, `authority` (who
    issued the server's own certificate), and the ports it comes to are set by each kind."""

    def acme(self, state_dir, **keys):
        """The `acme:` section for it."""
        return {
            "email": "me@example.com",
            "agree_tos": True,
            "directory": self.directory,
            "ca_file": str(self.authority.ca),
            "state_dir": str(state_dir),
            **keys,
        }

    def listen(self, gate):
        """The `listen:` entries of a gateway that it can reach."""
        return [
            {"address": f"127.0.0.1:{self.tls_port}", "tls": True},
            {"address": f"127.0.0.1:{self.http_port}"},
        ]


class Pebble(AcmeAuthority):
    """`http_port` and `tls_port` are where it looks for proofs, instead of 80 and 443 unless `ports`
    are given; `dns_server` is asked for names, instead of its own."""

    def __init__(
        self, folder, authority, validity_s=None, environment=None, eab=None, dns_server=None,
        ports=None,
    ):  # fmt: skip
        if not shutil.which("pebble") or not shutil.which("pebble-challtestsrv"):
            pytest.skip("the package pebble is missing")
        self.folder, self.authority = folder, authority
        self.port, self.management_port = free_port(), free_port()
        self.http_port, self.tls_port = ports or (free_port(), free_port())
        self.dns_port, self.dns_management_port = free_port(), free_port()
        self.dns_server = dns_server or f"127.0.0.1:{self.dns_port}"
        certificate = authority.issue("localhost", "127.0.0.1")
        config = {
            "listenAddress": f"127.0.0.1:{self.port}",
            "managementListenAddress": f"127.0.0.1:{self.management_port}",
            "certificate": str(certificate.chain),
            "privateKey": str(certificate.key),
            "httpPort": self.http_port,
            "tlsPort": self.tls_port,
            "externalAccountBindingRequired": eab is not None,
            "externalAccountMACKeys": eab or {},
        }
        if validity_s:
            config["certificateValidityPeriod"] = validity_s
        self.config_path = folder / "pebble.json"
        self.config_path.write_text(json.dumps({"pebble": config}))
        self.dns = Process([
            "pebble-challtestsrv", "-defaultIPv6", "", "-http01", "", "-https01", "",
            "-tlsalpn01", "", "-dns01", f"127.0.0.1:{self.dns_port}",
            "-management", f"127.0.0.1:{self.dns_management_port}",
        ])  # fmt: skip
        self.environment = {
            "PEBBLE_VA_NOSLEEP": "1",
            "PEBBLE_WFE_NONCEREJECT": "0",
            "PEBBLE_AUTHZREUSE": "0",
            **(environment or {}),
        }
        self.process = None
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    def start(self):
        """Starts it, anew and forgetful if it has been stopped."""
        self.process = Process(
            ["pebble", "-config", self.config_path, "-dnsserver", self.dns_server],
            env={**os.environ, **self.environment},
        )
        self.process.wait_line("ACME directory available")
        wait_until(self._answers, "Pebble answers")

    def _answers(self):
        try:
            return self.root()
        except OSError:
            return None

    @property
    def directory(self):
        return f"https://localhost:{self.port}/dir"

    def root(self, number=0):
        """The root of the certificates it gives, as PEM; another one each time it starts."""
        context = ssl.create_default_context(cafile=str(self.authority.ca))
        url = f"https://localhost:{self.management_port}/roots/{number}"
        with urllib.request.urlopen(url, context=context, timeout=10) as answer:
            return answer.read().decode()

    def root_file(self, path):
        path.write_text(self.root() + self.intermediate())
        return path

    def intermediate(self):
        context = ssl.create_default_context(cafile=str(self.authority.ca))
        url = f"https://localhost:{self.management_port}/intermediates/0"
        with urllib.request.urlopen(url, context=context, timeout=10) as answer:
            return answer.read().decode()

    def tell_dns(self, what, **body):
        """One of challtestsrv's management requests, such as "set-txt"."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.dns_management_port}/{what}", json.dumps(body).encode()
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            answer.read()

    def stop_server(self):
        self.process.stop()

    def stop(self):
        try:
            if self.process:
                self.process.stop()
        finally:
            self.dns.stop()
