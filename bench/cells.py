# SPDX-License-Identifier: Apache-2.0
"""What is measured: the table of cells, what each kind's figure is, and the aims."""

import dataclasses

SIZES = {"128": 128, "4K": 4096, "64K": 65536, "1M": 1 << 20}


@dataclasses.dataclass(frozen=True)
class Cell:
    name: str
    kind: str            # a key of KINDS
    scheme: str
    connections: int     # 0: as many as the limit of open files allows
    size: str = "128"    # a key of SIZES
    is_main: bool = False  # also in a quick run
    path: str = "/"
    mode: str = "ping-pong"
    options: tuple = ()  # of the load generator

    @property
    def profile(self):
        """Which rows of tuned.toml it takes."""
        return {"storm": "connect", "memory": "memory", "bulk": "bulk"}.get(self.kind, self.size)

    @property
    def bytes(self):
        return SIZES[self.size]


@dataclasses.dataclass(frozen=True)
class Kind:
    """What cells have in common: the figure that is compared (of the measurement's dictionary)."""
    figure: str
    unit: str
    title: str
    scale: float = 1     # from the figure to the unit


KINDS = {
    "relay": Kind("us_per_message", "µs", "CPU for each relayed message"),
    "bulk": Kind("s_per_gb", "s/GB", "One-way bulk: CPU for each GB"),
    "storm": Kind("us_per_connection", "µs",
                  "Accept, handshake, upgrade and close: CPU for each connection"),
    "latency": Kind("p99_us", "ms", "p99 of latency at a fixed rate", 1e-3),
    "neighbours": Kind("p99_ratio", "× alone",
                       "p99 of 64 small-message clients beside one that moves bulk and one that "
                       "reads nothing, against the same alone"),
    "workers": Kind("cpu_ratio", "× one", "CPU for each message with two workers, against one"),
    "memory": Kind("user_bytes", "KB", "User memory of one more idle connection", 1 / 1024),
}


def relay(scheme, connections, size, is_main=False):
    name = f"{scheme}-{connections or 'max'}x{size}"
    return Cell(name, "relay", scheme, connections, size, is_main)


def bulk(scheme, direction, size="64K", is_main=False):
    mode, path = {"up": ("upload", "/sink"), "down": ("download", f"/source?size={size}")}[direction]
    name = f"{scheme}-bulk{'' if size == '64K' else size}-{direction}"
    return Cell(name, "bulk", scheme, 4, size, is_main, path, mode)


CELLS = [
    relay("wss", 1000, "128", is_main=True),
    relay("wss", 64, "4K", is_main=True),
    relay("ws", 1000, "128", is_main=True),
    relay("wss", 64, "64K", is_main=True),
    relay("wss", 64, "1M", is_main=True),
    bulk("wss", "down", is_main=True),
    bulk("wss", "up"),
    bulk("ws", "down", is_main=True),
    bulk("ws", "up"),
    Cell("wss-connect", "storm", "wss", 64, is_main=True, mode="storm"),
    Cell("wss-memory", "memory", "wss", 0, is_main=True, mode="hold"),
    Cell("ws-memory", "memory", "ws", 0, is_main=True, mode="hold"),
    Cell("wss-latency", "latency", "wss", 1000, is_main=True, mode="open-loop"),
    # Each measurement is two, and a p99 of short ones says nothing: not in a quick run.
    Cell("wss-neighbours", "neighbours", "wss", 64, mode="open-loop", options=("--rate", "4000")),
    # More of the same, for the shape.
    relay("wss", 1, "128"),
    relay("wss", 64, "128"),
    relay("wss", 1000, "4K"),
    relay("wss", 0, "128"),
    relay("ws", 1, "128"),
    relay("ws", 64, "128"),
    relay("ws", 64, "4K"),
    relay("ws", 64, "64K"),
    relay("ws", 64, "1M"),
    relay("ws", 0, "128"),
    bulk("ws", "down", "1M"),
    bulk("ws", "up", "1M"),
    Cell("wss-connect-resumed", "storm", "wss", 64, mode="storm", options=("--resume",)),
    Cell("ws-connect", "storm", "ws", 64, mode="storm"),
    Cell("ws-latency", "latency", "ws", 1000, mode="open-loop"),
    Cell("wss-workers", "workers", "wss", 64),
]


@dataclasses.dataclass(frozen=True)
class Aim:
    cell: str
    at_most: float
    against: str = "better"  # of the others; a gateway's name; or "" for the figure itself


AIMS = [
    Aim("wss-1000x128", 0.70),
    Aim("wss-64x4K", 0.80),
    Aim("ws-1000x128", 0.70),
    Aim("wss-64x64K", 0.70),
    Aim("wss-64x1M", 0.70),
    Aim("wss-bulk-down", 0.70),
    Aim("wss-bulk-up", 0.70),
    Aim("ws-bulk-down", 0.50),
    Aim("ws-bulk-up", 0.50),
    Aim("wss-connect", 0.50, against="nginx"),
    Aim("wss-memory", 9, against=""),
    Aim("ws-memory", 1, against=""),
    Aim("wss-latency", 1.0),
    Aim("wss-neighbours", 1.5, against=""),
]
