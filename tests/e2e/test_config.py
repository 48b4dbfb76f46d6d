# SPDX-License-Identifier: Apache-2.0
"""`ringway check` and `schema`: every problem at once, each with its place, and the examples."""

import json
import re
from pathlib import Path

import pytest

from gateway import run_ringway
from processes import ROOT

EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.yaml"))
NOTE = "accepted, not active yet"

# What only later versions make work; nothing else may say so.
LATER = {
    "facility", "group", "health", "hsts", "rate_limit", "real_ip",
    "request_headers", "response_headers", "syslog", "user",
}  # fmt: skip

WAITING = {
    "local": set(),
    "chat": set(),
    "coder": {"hsts", "real_ip", "rate_limit"},
    "open-webui": {"user", "group", "syslog", "facility", "request_headers", "health"},
}


def check(path):
    """(exit code, the findings as (line, column, kind, text))."""
    done = run_ringway("check", "-c", path)
    found = re.findall(
        rf"^{re.escape(str(path))}:(\d+):(\d+): (error|warning|note): (.*)$",
        done.stdout + done.stderr,
        re.M,
    )
    return done.returncode, [(int(line), int(column), *rest) for line, column, *rest in found]


@pytest.fixture
def write(tmp_path, authority):
    """Writes a configuration; `CERT` and `KEY` in it become a good pair."""
    certificate = authority.issue("a.test")

    def to_file(text, name="ringway.yaml"):
        path = tmp_path / name
        path.write_text(
            text.replace("CERT", str(certificate.chain)).replace("KEY", str(certificate.key))
        )
        return path

    return to_file


GOOD = """\
listen: [{address: "127.0.0.1:8443", tls: true}]
sites:
  a.test:
    tls: {certificate: CERT, key: KEY}
    routes:
      /: {respond: hello}
"""


def test_good_file(write):
    code, findings = check(write(GOOD))
    assert (code, findings) == (0, [])


# text to put in place of another, the place of the finding, and what it says
MISTAKES = {
    "unknown key": ("listen:", "lisen:", (1, 1), r"(?i)unknown.*lisen.*listen"),
    "unknown key below": ("respond: hello", "respnd: hello", (6, 11), r"respnd.*respond"),
    "wrong type": ("tls: true", "tls: maybe", (1, 43), r"true or false"),
    "out of range": ("sites:", "workers: 5000\nsites:", (2, 10), r"1024"),
    "no duration": ("sites:", "drain: soon\nsites:", (2, 8), r"duration"),
    "no size": ("sites:", "max_head: 3 apples\nsites:", (2, 11), r"size"),
    "no address": ('"127.0.0.1:8443"', '"127.0.0.1"', (1, 20), r"address"),
    "bad port": ('"127.0.0.1:8443"', '"127.0.0.1:99999"', (1, 20), r"address|port"),
    "no such upstream": ("respond: hello", "upstream: nobody", (6, 21), r"nobody"),
    "two actions": ("respond: hello", "respond: hello, redirect: /x", (6, 10), r"redirect|one of"),
    "no action": ("{respond: hello}", "{}", (6, 10), r"upstream.*redirect.*respond"),
    "prefix without a slash": ("/: {respond", "x: {respond", (6, 7), r"/"),
    "bad host": ("a.test:", '"a b":', (3, 3), r"host"),
    "file that is not there": ("KEY", "/nowhere/key.pem", (4, 42), r"/nowhere/key.pem"),
    "file that is no PEM": ("CERT", "/dev/null", (4, 24), r"/dev/null"),
    "bad cidr": ("sites:", "trusted_proxies: [10.0.0.0/99]\nsites:", (2, 19), r"10\.0\.0\.0/99"),
    "no list": ("sites:", "trusted_proxies: 10.0.0.0/8\nsites:", (2, 18), r"list"),
    "syntax": ("sites:", "sites: [\nsites:", (None, None), r"not YAML"),
    "tab": ("    routes:", "\troutes:", (5, None), r"(?i)tab|token|character"),
    "alias of two sites": (
        "a.test:", "b.test: {aliases: [a.test], routes: {/: {respond: x}}}\n  a.test:",
        (None, None), r"a\.test",
    ),
    "key twice": ("sites:", "drain: 1s\ndrain: 2s\nsites:", (3, 1), r"drain"),
    "redirect with an unknown variable": (
        "respond: hello", 'redirect: "/${hots}"', (6, 21), r"hots.*host",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake(write, name):
    old, new, (line, column), says = MISTAKES[name]
    path = write(GOOD.replace(old, new, 1))
    code, findings = check(path)
    errors = [finding for finding in findings if finding[2] == "error"]
    assert code == 1 and errors, findings
    if name.startswith("file that"):
        column = path.read_text().splitlines()[line - 1].index(new) + 1
    assert any(
        line in (None, found[0]) and column in (None, found[1]) and re.search(says, found[3])
        for found in errors
    ), errors


def test_every_mistake_is_reported_not_only_the_first(write):
    path = write(
        """\
workers: many
listen: [{address: nowhere, tls: 7}]
drian: 5s
sites:
  a.test:
    max_body: -1
    routes:
      /: {upstream: nobody}
      nopath: {respond: x, status: 999}
upstreams:
  app: {servers: ["noport"], retries: x}
"""
    )
    code, findings = check(path)
    assert code == 1
    lines = {found[0] for found in findings if found[2] == "error"}
    assert lines == {1, 2, 3, 6, 8, 9, 11}, findings
    assert len([found for found in findings if found[2] == "error"]) >= 10


def test_certificates_are_looked_into(write, authority):
    expired = authority.issue("a.test", days=-1)
    one, two = authority.issue("a.test"), authority.issue("a.test")
    for certificate, key, says in (
        (expired.chain, expired.key, r"expired"),
        (one.chain, two.key, r"does not belong|match"),
        (one.key, one.key, r"certificate"),
    ):
        text = GOOD.replace("CERT", str(certificate)).replace("KEY", str(key))
        code, findings = check(write(text))
        assert code == 1
        assert any(found[0] == 4 and re.search(says, found[3]) for found in findings), findings


def test_acme_that_gets_nothing_is_warned_about(write):
    plain = GOOD.replace(", tls: true", "").replace("    tls: {certificate: CERT, key: KEY}\n", "")
    code, findings = check(write("acme: {agree_tos: true}\n" + plain))
    (line, column, kind, text), = findings
    assert (code, line, column, kind) == (0, 1, 7, "warning")
    assert re.search(r"no listener has TLS.*tls: true.*or remove", text), text


def test_duplicate_host(write):
    text = GOOD + "  A.TEST:\n    routes: {/: {respond: x}}\n"
    code, findings = check(write(text))
    assert code == 1
    assert any(found[0] in (3, 7) and "a.test" in found[3].lower() for found in findings), findings


def test_file_that_cannot_be_read(tmp_path):
    for path in (tmp_path / "missing.yaml", tmp_path):
        done = run_ringway("check", "-c", path)
        assert done.returncode == 1
        assert str(path) in done.stderr + done.stdout


def test_run_refuses_a_bad_file(write):
    path = write(GOOD.replace("respond", "respnd"))
    done = run_ringway("run", "-c", path)
    assert done.returncode == 1
    assert f"{path}:6:11: error: " in done.stderr + done.stdout


def test_usage():
    assert run_ringway("check").returncode == 2
    assert run_ringway().returncode == 2
    assert run_ringway("dance").returncode == 2
    for arguments in (["--help"], ["help"]):
        done = run_ringway(*arguments)
        assert done.returncode == 0
        for command in ("run", "check", "reload", "demo", "schema", "version"):
            assert re.search(rf"\b{command}\b", done.stdout), command
    done = run_ringway("version")
    assert done.returncode == 0
    for name in ("wolfSSL", "liburing", "llhttp", "libyaml", "io_uring"):
        assert name in done.stdout, name


@pytest.fixture
def example_here(tmp_path, authority):
    """An example with the files it names: what is below /etc and /run is put beside it."""

    def place(example):
        text = example.read_text()
        folder = tmp_path / "etc"
        (folder / "certs").mkdir(parents=True)
        authority.issue("subdomain.domain.tld", "domain.tld").combined(folder / "certs" / "a.pem")
        (folder / "cloudflare.token").write_text("secret\n")
        certificate = authority.issue("localhost", "*.localhost", "127.0.0.1")
        for source, name in (certificate.chain, "cert.pem"), (certificate.key, "key.pem"):
            (tmp_path / name).write_text(source.read_text())
        path = tmp_path / example.name
        path.write_text(
            text.replace("/etc/ringway/", f"{folder}/").replace("/run/", f"{tmp_path}/")
        )
        return path

    return place


@pytest.mark.parametrize("example", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_example_is_accepted(example_here, example):
    code, findings = check(example_here(example))
    assert code == 0, findings
    notes = [text for _, _, kind, text in findings if kind == "note"]
    assert all(text.endswith(NOTE) or f"{NOTE};" in text for text in notes), notes
    keys = {re.match(r"\w+", text)[0] for text in notes}
    assert keys <= LATER
    assert WAITING[example.stem] <= keys
    # Without ACME there are sites that have no certificate yet, which is said; nothing else is.
    warnings = [text for _, _, kind, text in findings if kind == "warning"]
    assert all("no certificate is made out to" in text for text in warnings), warnings
    assert not (warnings and example.stem == "local")


def test_the_four_examples_are_there():
    assert set(WAITING) == {path.stem for path in EXAMPLES}


def test_schema_accepts_the_examples_and_refuses_mistakes():
    jsonschema = pytest.importorskip("jsonschema", reason="Debian package python3-jsonschema")
    yaml = pytest.importorskip("yaml", reason="Debian package python3-yaml")
    done = run_ringway("schema")
    assert done.returncode == 0
    schema = json.loads(done.stdout)
    validator = jsonschema.validators.validator_for(schema)
    validator.check_schema(schema)
    for example in EXAMPLES:
        errors = list(validator(schema).iter_errors(yaml.safe_load(example.read_text())))
        assert not errors, (example, errors[0].message)
    good = yaml.safe_load(GOOD)
    assert validator(schema).is_valid(good)
    for change in (
        {"lisen": []},
        {"workers": "many"},
        {"workers": 5000},
        {"drain": "soon"},
        {"listen": [{"tls": True}]},
        {"sites": {"a.test": {"routes": {"nopath": {"respond": "x"}}}}},
        {"sites": {"a.test": {}}},
    ):
        assert not validator(schema).is_valid({**good, **change}), change


def test_hostile_yaml_is_refused_quickly(write):
    """No input of a few kilobytes may take long or much memory."""
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n"
    for name, before in zip("bcdefghi", "abcdefgh"):
        bomb += f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n"
    deep, wide = ("[" * 20_000, "{a: " * 20_000), "a: " + "x" * 2_000_000
    for text in (bomb, *deep, wide, "\x00", "%", "&a *a"):
        done = run_ringway("check", "-c", write(text), timeout=10)
        assert done.returncode == 1, text[:40]
        assert len(done.stderr + done.stdout) < 200_000


def test_long_but_sensible_file_is_fine(write):
    sites = "".join(
        f"  host{n}.test:\n    routes:\n      /: {{respond: 'site {n}'}}\n" for n in range(2000)
    )
    path = write(GOOD + sites)
    done = run_ringway("check", "-c", path, timeout=20)
    assert done.returncode == 0 or "certificate" in done.stderr, done.stderr[:2000]


def test_relative_names_start_at_the_file(tmp_path, authority, monkeypatch):
    certificate = authority.issue("a.test")
    folder = tmp_path / "conf"
    folder.mkdir()
    (folder / "c.pem").write_text(Path(certificate.chain).read_text())
    (folder / "k.pem").write_text(Path(certificate.key).read_text())
    path = folder / "ringway.yaml"
    path.write_text(GOOD.replace("CERT", "c.pem").replace("KEY", "k.pem"))
    monkeypatch.chdir("/")
    assert check(path) == (0, [])
