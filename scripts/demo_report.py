#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Numbers of the demo: from JSON of the programs to tables on the terminal and facts for demo.json.

    demo_report.py groups PREFIX BEFORE AFTER     two outputs of cxltab dump-flows --json
    demo_report.py latency FILE                   what bench_latency wrote
    demo_report.py nicsim FILE                    nicsim stats --json
    demo_report.py json OUT                       all facts as one JSON object

Facts are lines "dotted.key value" in the file $FACTS, value in JSON.
"""
import json
import os
import sys

GROUPS = {
    0x10: ("arp", "ARP"),
    0x20: ("icmp", "ICMP"),
    0x30: ("tcp", "TCP"),
    0x40: ("udp", "UDP"),
    0x50: ("rewrite", "TCP to the service, rewritten"),
    0x60: ("drop", "UDP to port 9: drop"),
    0x70: ("controller", "UDP to port 514: CONTROLLER"),
    0x71: ("metadata", "UDP to port 7777: two tables"),
}


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def fact(key, value):
    with open(os.environ["FACTS"], "a", encoding="utf-8") as file:
        file.write(f"{key} {json.dumps(value)}\n")


def packets(rules):
    """Packets by cookie and path. A packet of two tables counts once: in its first."""
    sums = {cookie: {"host": 0, "device": 0} for cookie in GROUPS}
    for rule in rules:
        if rule["cookie"] in GROUPS and rule["table"] == 0:
            for path in ("host", "device"):
                sums[rule["cookie"]][path] += rule[path]["packets"]
    return sums


def groups(prefix, before, after):
    old, rules = packets(load(before)), load(after)
    new = packets(rules)
    reasons = {rule["cookie"]: rule["path_reason"] for rule in rules if rule["path_reason"]}
    print(f"   {'rules':<30} {'XDP and TC':>10} {'NIC':>10}   can the NIC?")
    for cookie, (key, text) in GROUPS.items():
        count = {path: new[cookie][path] - old[cookie][path] for path in ("host", "device")}
        why = f"no: {reasons[cookie]}" if cookie in reasons else "yes"
        print(f"   {text:<30} {count['host']:>10} {count['device']:>10}   {why}")
        for path in ("host", "device"):
            fact(f"{prefix}.packets.{key}.{path}", count[path])


def nicsim(path):
    stats = load(path)
    mat, reasons = stats["mat"], {}
    for port in stats["ports"]:
        for reason, count in port["net"]["punt_reasons"].items():
            reasons[reason] = reasons.get(reason, 0) + count
    rate = mat["hits"] / max(mat["lookups"], 1)
    print(f"   the NIC's cache: {100 * rate:.1f} % of {mat['lookups']} lookups hit; left to the host: "
          + (", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items())) or "nothing"))
    fact("nic.mat.lookups", mat["lookups"])
    fact("nic.mat.hit_rate", round(rate, 4))
    for reason, count in reasons.items():
        fact(f"nic.punts.{reason}", count)


def nanoseconds(value):
    return f"{value} ns" if value < 100000 else f"{value / 1e6:.1f} ms"


def latency(path):
    names = {"xdp": "XDP program, by test run", "nicsim": "nicsim, MAT on, in memory",
             "inline": "pipeline in userspace"}
    for result in load(path):
        print(f"   {names[result['path']]:<28} p50 {nanoseconds(result['p50']):>9}   p99 "
              f"{nanoseconds(result['p99']):>9}   max {nanoseconds(result['max']):>9}   "
              f"({result['stores']} stores, the call itself {result['call_p50']} ns)")
        for key in ("stores", "p50", "p99", "max", "call_p50", "stale"):
            fact(f"latency_ns.{result['path']}.{key}", result[key])


def to_json(out):
    tree = {}
    with open(os.environ["FACTS"], encoding="utf-8") as file:
        for line in file:
            key, value = line.rstrip("\n").split(" ", 1)
            *path, last = key.split(".")
            node = tree
            for part in path:
                node = node.setdefault(part, {})
            node[last] = json.loads(value)
    with open(out + ".new", "w", encoding="utf-8") as file:
        json.dump(tree, file, indent=2)
        file.write("\n")
    os.rename(out + ".new", out)


{"groups": groups, "nicsim": nicsim, "latency": latency, "json": to_json}[sys.argv[1]](*sys.argv[2:])
