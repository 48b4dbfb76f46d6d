# SPDX-License-Identifier: Apache-2.0
"""One measurement of each kind, and the rig it is made with: the programs, the backends and the load
generator on their core. A measurement is a dictionary of plain figures."""

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import time

from servers import LOAD_CORE, Failure, Server, certificate_make, port_free

WARMUP_MS = 300
# What a load generator may take for opening connections and for ending, beside its window.
PATIENCE_S = 60
# A backend without clients has fewer.
FILES_IDLE = 32
# A gateway's own files, beside its two for each connection.
FILES_SPARE = 2000
MEMORY_POINTS = (64, 1000, 4000)
SLABINFO = pathlib.Path("/proc/slabinfo")


class Rig:
    """What all measurements share. `folder` is for its files and lives as long as the rig."""

    def __init__(self, programs, folder, seconds):
        self.folder, self.seconds = folder, seconds
        self.ports = {"echo": port_free(), "bulk": port_free()}
        self.files_max = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        certificate_make(folder)
        self.programs = dict(programs)
        for name in ("ringway", "bench"):  # a build that goes on must not change what is measured
            self.programs[name] = shutil.copy(programs[name], folder / f"{name}.program")

    @property
    def connections_max(self):
        """Two files for each connection of a gateway."""
        return (self.files_max - FILES_SPARE) // 2

    @property
    def splicing_max(self):
        """HAProxy's, when each two connections may take a pipe: two files and a half for each."""
        return (self.files_max - 250) * 2 // 5

    def connections(self, cell):
        return cell.connections or self.connections_max

    def values(self):
        """For the templates of configurations."""
        return {"certificate": self.folder / "cert.pem", "key": self.folder / "key.pem",
                "pem": self.folder / "both.pem", "backend_port": self.ports["echo"],
                "bulk_port": self.ports["bulk"], "maxpipes": 200,
                "maxconn": (self.files_max - 1000) // 2,
                "maxconn_splicing": self.splicing_max}

    @contextlib.contextmanager
    def backends(self):
        """Starts them. The one for bulk gives way to all else on its core: it takes what the
        others leave."""
        def serve(name, idle_priority):
            port = self.ports[name]
            return Server([self.programs["bench"], "serve", "--listen", f"127.0.0.1:{port}"],
                          port, self.folder / f"{name}.log", LOAD_CORE, idle_priority)

        with serve("echo", False) as self.echo, serve("bulk", True):
            yield

    def load_start(self, url, cell, *options, seconds=None, server=None, idle_priority=False):
        """The load generator at work; load_result() waits for it."""
        seconds = seconds or self.seconds
        priority = ["chrt", "--idle", "0"] if idle_priority else []
        command = ["taskset", "-c", LOAD_CORE, *priority, self.programs["bench"], "load", url,
                   "-c", str(self.connections(cell)), "-s", str(cell.bytes), "-m", cell.mode,
                   "-d", f"{int(seconds * 1000)}ms", "--warmup", f"{WARMUP_MS}ms",
                   *cell.options, *options, "--json", "-"]
        if server:
            command += ["--pid", ",".join(map(str, server.pids()))]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                start_new_session=True)

    def load(self, url, cell, *options, seconds=None, server=None):
        """Its result, when nothing failed."""
        load = self.load_start(url, cell, *options, seconds=seconds, server=server)
        return load_result(load, (seconds or self.seconds) + PATIENCE_S, server)


def load_result(load, timeout_s, server=None):
    """What the load generator found. A Failure when anything failed."""
    try:
        output, errors = load.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        raise Failure(f"the load generator did not end within {timeout_s:.0f} s") from None
    finally:
        if load.poll() is None:
            load.kill()
            load.wait()
    if server:
        server.check()
    if not output.startswith("{"):
        raise Failure(f"no result: {errors.strip()[-200:]}")
    result = json.loads(output)
    if result["failures"] and server:
        server.check_dying()
    if result["failures"]:
        raise Failure(", ".join(f"{count['count']} × {kind} (first: {count['first']})"
                                for kind, count in result["failures"].items()))
    if server and "server" not in result:
        raise Failure("a process of it ended")
    return result


def wait_until(holds, what):
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > deadline:
            raise Failure(f"{what} within {PATIENCE_S} s")
        time.sleep(0.05)


def common(result, messages):
    """What all measurements under load have beside their own figure."""
    return {"cpu_cores": result["server"]["cpu_cores"],
            "messages_per_s": messages / result["seconds"],
            "load_cpu_cores": result["own"]["cpu_cores"],
            "load_was_bottleneck": result["own"]["bottleneck"]}


def cpu_us(result, count, what):
    if not count:
        raise Failure(f"no {what} within {result['seconds']:.1f} s")
    return result["server"]["cpu_cores"] * result["seconds"] * 1e6 / count


def relay(rig, cell, gateway):
    """Each client has one message under way. An echo is two messages, one each way."""
    result = rig.load(gateway.url(cell.scheme, cell.path), cell, server=gateway)
    messages = 2 * result["echoes"]
    return {"us_per_message": cpu_us(result, messages, "echo"), **common(result, messages),
            "p50_us": result["latency"]["p50_us"], "p99_us": result["latency"]["p99_us"]}


def bulk(rig, cell, gateway):
    result = rig.load(gateway.url(cell.scheme, cell.path), cell, server=gateway)
    moved = result["sent_bytes"] + result["received_bytes"]
    return {"s_per_gb": cpu_us(result, moved, "byte") * 1e3,
            "bytes_per_s": moved / result["seconds"],
            **common(result, result["sent"] + result["received"])}


def storm(rig, cell, gateway):
    """Each client connects, upgrades, closes, and starts over."""
    result = rig.load(gateway.url(cell.scheme), cell, server=gateway)
    opened = result["upgrades"]
    if "--resume" in cell.options and result["resumed"] < 0.9 * opened:
        raise Failure(f"only {result['resumed']} of {opened} sessions resumed")
    return {"us_per_connection": cpu_us(result, opened, "upgrade"),
            "connections_per_s": opened / result["seconds"], **common(result, 0)}


def latency(rig, cell, gateway, rate):
    """Latency counts from when a message was due, so a stall delays all messages of its time."""
    result = rig.load(gateway.url(cell.scheme), cell, "--rate", str(rate), server=gateway)
    messages = 2 * result["echoes"]
    took = result["latency"]
    return {**{name: took[name] for name in ("p50_us", "p90_us", "p99_us", "p99_9_us", "max_us")},
            "us_per_message": cpu_us(result, messages, "echo"), **common(result, messages),
            "buckets_ns": took["buckets_ns"]}


def neighbours(rig, cell, gateway):
    """Small messages alone, then beside one client that takes all the bulk it gets and one that
    asks for it and reads none. Both of these, and their backend, give way to all else on the core
    of the load, so that what delays the small messages is the gateway."""
    url = gateway.url(cell.scheme)
    alone = rig.load(url, cell, server=gateway)
    files = gateway.files_open()
    with neighbour(rig, cell, gateway, "download") as bulk, \
         neighbour(rig, cell, gateway, "slow-reader") as stalled:
        wait_until(lambda: gateway.files_open() >= files + 4, "the two beside did not connect")
        together = rig.load(url, cell, server=gateway)
        for load in (bulk, stalled):
            load.send_signal(signal.SIGINT)
        moved = load_result(bulk, PATIENCE_S)
        load_result(stalled, PATIENCE_S)
    if not moved["received_bytes"]:
        raise Failure("the bulk beside did not move")
    return {"p99_ratio": together["latency"]["p99_us"] / alone["latency"]["p99_us"],
            **{f"{name}_{when}_us": result["latency"][f"{name}_us"] for name in ("p50", "p99")
               for when, result in (("alone", alone), ("beside", together))},
            "bulk_bytes_per_s": moved["received_bytes"] / moved["seconds"],
            **common(together, 2 * together["echoes"])}


@contextlib.contextmanager
def neighbour(rig, cell, gateway, mode):
    """One client beside the measured ones, at work until it is interrupted."""
    cell = dataclasses.replace(cell, connections=1, size="64K", mode=mode, options=())
    load = rig.load_start(gateway.url(cell.scheme, "/bulk/source"), cell, seconds=PATIENCE_S,
                          idle_priority=True)
    try:
        yield load
    finally:
        load.kill()
        load.wait()


def workers(rig, cell, gateways):
    """The same load through one worker, and through two that share both cores with the load."""
    one, two = (relay(rig, cell, gateway) for gateway in gateways)
    return {"cpu_ratio": two["us_per_message"] / one["us_per_message"],
            "rate_ratio": two["messages_per_s"] / one["messages_per_s"], "one": one, "two": two}


def floor(rig, cell):
    """The backend with no gateway: what load and backend can do by themselves."""
    result = rig.load(f"ws://127.0.0.1:{rig.ports['echo']}/", cell)
    return {"name": cell.name, "echoes_per_s": result["echoes_per_s"],
            "load_us_per_echo": result["own"]["cpu_cores"] * 1e6 / result["echoes_per_s"]}


# --- idle memory --------------------------------------------------------------------------------


def memory_points(rig, is_quick):
    return (64, 2000) if is_quick else (*MEMORY_POINTS, rig.connections_max)


def memory(rig, cell, connections, server, url, files_each):
    """User memory of the server and memory of the kernel while so many connections idle, each
    after one message. The kernel's is what its caches for sockets grew by: all ends of all
    connections on this machine are in it."""
    cell = dataclasses.replace(cell, connections=connections)
    wait_until(lambda: rig.echo.files_open() < FILES_IDLE, "earlier connections did not close")
    idle_files, idle_slab = server.files_open(), sockets_slab_bytes()
    load = rig.load_start(url, cell, server=server)
    wait_until(lambda: load.poll() is not None
               or server.files_open() >= idle_files + files_each * connections,
               f"{connections} did not connect")
    slab = sockets_slab_bytes() - idle_slab
    result = load_result(load, PATIENCE_S, server)
    if result["open"] != connections:
        raise Failure(f"{result['open']} of {connections} open")
    return {"connections": connections, "user_bytes": result["server"]["private_open_bytes"],
            "kernel_bytes": slab}


# The kernel's caches that grow with sockets, and with waiting for them. Not the inodes and names of
# files, which everything on a machine makes; each socket has one name (dentry).
SOCKET_CACHES = re.compile(r"TCP|tw_sock|request_sock|sock_inode_cache|filp|eventpoll|io_kiocb|"
                           r"skbuff|kmalloc-\d")


def sockets_slab_bytes():
    """Of objects in use, by /proc/slabinfo; 0 for who may not read it."""
    if not os.access(SLABINFO, os.R_OK):
        return 0
    rows = [line.split()[:4] for line in SLABINFO.read_text().splitlines()[2:]]
    caches = {name: (int(used), int(size)) for name, used, _, size in rows}
    used = sum(count * size for name, (count, size) in caches.items() if SOCKET_CACHES.match(name))
    return used + caches["sock_inode_cache"][0] * caches["dentry"][1]
