# SPDX-License-Identifier: Apache-2.0
"""The contenders: ringway as it is, nginx and HAProxy each with the configuration that a reader of
their manual would write (plain) and with one tuned for each cell. The configurations are templates
in bench/peers, what is tuned to the cell stands in bench/peers/tuned.toml."""

import dataclasses
import os
import pathlib
import shutil
import subprocess
import tomllib

from servers import BOTH_CORES, GATEWAY_CORE, Server, port_free, template_fill

PEERS = pathlib.Path(__file__).resolve().parent / "peers"
GATEWAYS = ("ringway", "nginx", "haproxy")


@dataclasses.dataclass(frozen=True)
class Contender:
    name: str      # also the template's name, and the section in tuned.toml
    gateway: str   # whose program it is
    template: str

    def command(self, program, folder, config):
        return {"ringway": [program, "run", "-c", config],
                "nginx": [program, "-p", folder, "-e", folder / "nginx.log", "-c", config],
                "haproxy": [program, "-db", "-f", config]}[self.gateway]


RINGWAY = Contender("ringway", "ringway", "ringway.yaml")
PLAIN = [Contender("nginx", "nginx", "nginx.conf"),
         Contender("haproxy", "haproxy", "haproxy.cfg")]
TUNED = [Contender("nginx-tuned", "nginx", "nginx-tuned.conf"),
         Contender("haproxy-tuned", "haproxy", "haproxy-tuned.cfg")]
CONTENDERS = [RINGWAY, *PLAIN, *TUNED]
# No contender, as it knows no protocol: what it costs to receive each message and send it on.
BARE_RELAY = Contender("bare relay", "bench", template="")


def unfit(rig, contender, cell):
    """Why it cannot take part in a cell on this machine, or ''. No fault of its own."""
    if contender.name == "haproxy" and rig.connections(cell) > rig.splicing_max:
        return (f"{rig.splicing_max} connections at most, as each may take two and a half of the "
                f"{rig.files_max} files that are allowed")
    return ""


def server_new(rig, contender, cell, workers=1):
    """Whom to measure in a cell, not started."""
    return BareRelay(rig) if contender is BARE_RELAY else Gateway(rig, contender, cell, workers)


class Gateway(Server):
    """A contender at work in one cell, with one worker or more."""

    def __init__(self, rig, contender, cell, workers=1):
        self.ports = {"wss": port_free(), "ws": port_free()}
        folder = rig.folder / f"{contender.name}-{workers}"
        folder.mkdir(exist_ok=True)
        config = folder / contender.template
        values = rig.values() | tuning(contender, cell) | {
            "folder": folder, "workers": workers, "files": rig.files_max,
            "wss_port": self.ports["wss"], "ws_port": self.ports["ws"]}
        template_fill(PEERS / f"{contender.template}.in", config, values)
        super().__init__(contender.command(rig.programs[contender.gateway], folder, config),
                         self.ports["wss"], folder / "stderr",
                         GATEWAY_CORE if workers == 1 else BOTH_CORES,
                         children=workers if contender.gateway == "nginx" else 0)

    def url(self, scheme, path="/"):
        return f"{scheme}://localhost:{self.ports[scheme]}{path}"


class BareRelay(Server):
    """ringway-bench's own."""

    def __init__(self, rig):
        port = port_free()
        super().__init__([rig.programs["bench"], "serve", "--listen", f"127.0.0.1:{port}",
                          "--relay", f"127.0.0.1:{rig.ports['echo']}"],
                         port, rig.folder / "bare-relay.log", GATEWAY_CORE)

    def url(self, scheme, path="/"):
        return f"{scheme}://localhost:{self.port}{path}"


def tuning(contender, cell):
    """What tuned.toml says for this contender in this cell: the more special row wins."""
    rows = tomllib.loads((PEERS / "tuned.toml").read_text()).get(contender.name, {})
    values = {}
    for key in ("always", cell.profile, f"{cell.scheme}-{cell.profile}"):
        values |= rows.get(key, {})
    return values


def programs_find(options):
    """The programs' paths; what is not there is None."""
    found = {name: getattr(options, name) for name in (*GATEWAYS, "bench")}
    path = f"{os.environ['PATH']}:/usr/sbin"
    return {name: shutil.which(program, path=path) for name, program in found.items()}


def versions(programs):
    nginx = first_line(programs["nginx"], "-v").removeprefix("nginx version: ")
    haproxy = " ".join(first_line(programs["haproxy"], "-v").split()[:3])
    return {"ringway": first_line(programs["ringway"], "version"), "nginx": nginx,
            "haproxy": haproxy}


def first_line(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    return " ".join(((done.stdout or done.stderr).splitlines() or ["?"])[0].split())
