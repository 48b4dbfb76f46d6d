# SPDX-License-Identifier: Apache-2.0
"""A cell from start to end: the contenders take turns, A B C A B C, so that what else the machine
does falls on all. One that fails is out, with the reason, and the others go on. What was measured is
in the result from the moment it is, so that an interrupted run has all of it."""

import dataclasses
import statistics

import measure
from cells import KINDS
from contenders import server_new, unfit
from servers import Failure

# Rounds that all configurations of a program take; of each program only the better goes on.
QUALIFYING_ROUNDS = 2


def result_new(rig, cell):
    kind = KINDS[cell.kind]
    return {"name": cell.name, "kind": cell.kind, "scheme": cell.scheme,
            "connections": rig.connections(cell), "size": cell.bytes, "figure": kind.figure,
            "unit": kind.unit, "failed": {}, "left_out": {}, "rounds": [],
            "is_complete": False}


def cell_run(rig, cell, contenders, count, result, say):
    """Fills in `result`."""
    for contender in contenders:
        if reason := unfit(rig, contender, cell):
            result["left_out"][contender.name] = reason
    contenders = [each for each in contenders if each.name not in result["left_out"]]
    if cell.kind == "memory":
        memory_run(rig, cell, contenders, result, say)
    else:
        rounds_run(rig, cell, contenders, count, result, say)
    result["is_complete"] = True


def rounds_run(rig, cell, contenders, count, result, say):
    servers = {}
    try:
        for contender in contenders:
            one_tried(result, contender, lambda: started(rig, contender, cell, servers))
        running = [each for each in contenders if each.name not in result["failed"]]
        if cell.kind == "latency":
            rate_choose(rig, cell, running, servers, result, say)
        for number in range(count):
            measured = {}
            for contender in running:
                if contender.name not in result["failed"]:
                    one_tried(result, contender, lambda: measured.update({contender.name: one(
                        rig, cell, servers[contender.name], result)}))
            result["rounds"].append(measured)
            say(f"round {number + 1} of {count}: " + round_text(result, measured))
            if number + 1 == QUALIFYING_ROUNDS:
                running = qualified(running, result)
    finally:
        for gateways in servers.values():
            for gateway in gateways:
                gateway.stop()


def started(rig, contender, cell, servers):
    servers[contender.name] = []
    for workers in (1, 2) if cell.kind == "workers" else (1,):
        gateway = server_new(rig, contender, cell, workers)
        servers[contender.name].append(gateway)
        gateway.start()


def one(rig, cell, gateways, result):
    if cell.kind == "workers":
        return measure.workers(rig, cell, gateways)
    if cell.kind == "latency":
        return measure.latency(rig, cell, gateways[0], result["rate"])
    return getattr(measure, cell.kind)(rig, cell, gateways[0])


def one_tried(result, contender, action):
    try:
        action()
    except Failure as failure:
        result["failed"][contender.name] = str(failure)


def rate_choose(rig, cell, contenders, servers, result, say):
    """The rate for all: half of what the weakest reaches when each client has one message under
    way. For each of the others that is less than half."""
    reached = {}
    as_fast = dataclasses.replace(cell, mode="ping-pong")
    for contender in contenders:
        one_tried(result, contender, lambda: reached.update({contender.name: measure.relay(
            rig, as_fast, servers[contender.name][0])["messages_per_s"] / 2}))
    result["reached_per_s"] = reached
    result["rate"] = int(min(reached.values(), default=0) / 2)
    say(f"rate {result['rate']}/s, half of the least of "
        + ", ".join(f"{name} {rate:.0f}" for name, rate in reached.items()))


def qualified(contenders, result):
    """Of each program's configurations the one whose median is the lowest."""
    best = {}
    for contender in contenders:
        cost = median(result, contender.name)
        if cost is None:
            continue
        held = best.get(contender.gateway)
        if held is None or cost < median(result, held.name):
            best[contender.gateway] = contender
    return [each for each in contenders if best.get(each.gateway) is each]


def figures(result, name):
    return [each[name][result["figure"]] for each in result["rounds"] if name in each]


def median(result, name):
    values = figures(result, name)
    return statistics.median(values) if values else None


def round_text(result, measured):
    scale = KINDS[result["kind"]].scale
    return ", ".join([f"{name} {each[result['figure']] * scale:.2f} {result['unit']}"
                      for name, each in measured.items()]
                     + [f"{name} FAILED: {why}" for name, why in result["failed"].items()])


# --- idle memory --------------------------------------------------------------------------------


def memory_run(rig, cell, contenders, result, say):
    """Each point with a gateway started afresh. The same without a gateway gives the kernel memory
    of the two ends that are not the gateway's."""
    result["points"] = {contender.name: [] for contender in contenders} | {"none": []}
    running = contenders
    for connections in measure.memory_points(rig, result["is_quick"]):
        result["points"]["none"].append(measure.memory(
            rig, cell, connections, rig.echo, f"ws://127.0.0.1:{rig.echo.port}/", files_each=1))
        for contender in running:
            if contender.name not in result["failed"]:
                one_tried(result, contender,
                          lambda: memory_point(rig, cell, contender, connections, result))
        say(f"{connections} connections: " + ", ".join(
            f"{name} {points[-1]['user_bytes'] / 1e6:.1f} MB"
            for name, points in result["points"].items()
            if points and points[-1]["connections"] == connections))
        result["rounds"] = growth(result["points"])
        if len(result["rounds"]) == 1:
            running = qualified(running, result)


def memory_point(rig, cell, contender, connections, result):
    with server_new(rig, contender, cell) as gateway:
        result["points"][contender.name].append(measure.memory(
            rig, cell, connections, gateway, gateway.url(cell.scheme), files_each=2))


def growth(points):
    """From each point to the next: what one more connection took."""
    rounds = []
    for name, taken in points.items():
        for number, (fewer, more) in enumerate(zip(taken, taken[1:])):
            if number == len(rounds):
                rounds.append({})
            count = more["connections"] - fewer["connections"]
            rounds[number][name] = {key: (more[key] - fewer[key]) / count
                                    for key in ("user_bytes", "kernel_bytes")}
    return rounds
