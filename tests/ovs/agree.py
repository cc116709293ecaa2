#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The same flow file and the same packets in Open vSwitch and in cxltab: is every copy the same?

	agree.py FOLDER [--tables N] [--packets N] [--seed N]

Compared are, for each packet, what left each port, byte by byte and in order, and for each flow, how
many packets and bytes it counted.  A difference is printed with the fewest flows that show it.
Table i has seed N + i.  Needs $CXLTAB, and network namespaces of its own for what OVS might do.
"""

import argparse
import json
import os
import random
import struct
import subprocess
import sys

import packets
import switch
import tables

GIVE_UP = 3  # tables that differ, each of which takes seconds to minimise


class Ours:
    """A slice in a file, asked by `cxltab trace`."""

    def __init__(self, program, folder):
        self.program = program
        self.slice = os.path.join(os.path.abspath(folder), "slice")
        self.ports = f"--ports={tables.PORTS[0]}-{tables.PORTS[-1]}"
        self.run("slice", "create", self.slice, "--size", "4M")

    def run(self, *args, text=None):
        done = subprocess.run([self.program, *args], input=text, capture_output=True, text=True,
                              timeout=60, check=False)
        if done.returncode:
            raise switch.SwitchError(f"cxltab {' '.join(args)}: {done.stderr.strip()}")
        return done.stdout

    def load(self, flows):
        self.run("del-flows", self.slice)
        self.run("add-flows", self.slice, "-", text="\n".join(flows) + "\n")

    def send(self, sent):
        """As Switch.send()."""
        lines = "".join(f"{port} {packet.hex()}\n" for port, packet in sent)
        out = self.run("trace", self.slice, "--packets", "-", "--path", "inline", "--json",
                       self.ports, text=lines).splitlines()
        if len(out) != len(sent):
            raise switch.SwitchError(f"trace: {len(out)} lines for {len(sent)} packets")
        copies = {}
        for (_, packet), line in zip(sent, out):
            by_port = copies[packet[-switch.TAIL:]] = {}
            for copy in json.loads(line)["outputs"]:
                if copy["port"] in tables.PORTS:  # no controller, no host
                    by_port.setdefault(copy["port"], []).append(bytes.fromhex(copy["packet"]))
        return copies

    def counters(self, sent):
        """{cookie: (packets, bytes)}: the rules that each packet's trace names."""
        counts = {}
        for port, packet in sent:
            out = self.run("trace", self.slice, packet.hex(), f"--in-port={port}", "--json",
                           self.ports)
            for step in json.loads(out)["host"]["tables"]:
                if step["rule"] is None:
                    continue
                n, size = counts.get(step["cookie"], (0, 0))
                counts[step["cookie"]] = (n + 1, size + len(packet))
        return counts


class Comparison:
    def __init__(self, ovs, ours):
        self.ovs, self.ours = ovs, ours
        self.copies = self.edited = self.flows = self.used = 0

    def of_copies(self, port, packet, theirs, mine):
        if theirs == mine:
            return None
        lines = [f"packet from port {port}: {packet.hex()}"]
        for out in sorted({*theirs, *mine}):
            for name, copies in (("Open vSwitch", theirs), ("cxltab", mine)):
                for copy in copies.get(out, [b""]):
                    lines.append(f"  port {out} {name:12} {copy.hex() or 'nothing'}")
        return "\n".join(lines)

    def differs(self, version, flows, sent):
        """(text, packets) of the first difference that these flows and packets show, or None."""
        self.ovs.load(flows, version)
        self.ours.load(flows)
        theirs, mine = self.ovs.send(sent), self.ours.send(sent)
        for port, packet in sent:
            tail = packet[-switch.TAIL:]
            text = self.of_copies(port, packet, theirs[tail], mine[tail])
            if text:
                return text, [(port, packet)]
            for copies in mine[tail].values():
                self.copies += len(copies)
                self.edited += sum(copy != packet for copy in copies)
        want, got = self.ovs.counters(), self.ours.counters(sent)
        for cookie, count in want.items():
            if count != got.get(cookie, (0, 0)):
                return (f"flow {cookie:#x}: Open vSwitch counts {count}, cxltab "
                        f"{got.get(cookie, (0, 0))}"), sent
        self.flows += len(want)
        self.used += len(got)
        return None

    def minimise(self, version, flows, sent):
        """The flows without which there is no difference."""
        at = 0
        while at < len(flows):
            fewer = flows[:at] + flows[at + 1 :]
            if self.differs(version, fewer, sent):
                flows = fewer
            else:
                at += 1
        return flows

    def table(self, seed, n_packets):
        """True if all is the same, else False after printing what isn't."""
        generator = tables.Generator(random.Random(seed))
        rules = generator.rules(generator.rng.randint(3, 40))
        flows, version = [rule.text() for rule in rules], generator.version
        sent = []
        for i in range(n_packets):
            port, fields = generator.packet(rules)
            tail = struct.pack(">II", seed & 0xFFFFFFFF, i)
            sent.append((port, packets.compose(fields, tail)))
        found = self.differs(version, flows, sent)
        if not found:
            return True
        fewer = self.minimise(version, flows, found[1])
        again = self.differs(version, fewer, found[1]) or found
        print(f"seed {seed}, OpenFlow{version}: {again[0]}\nwith")
        print("\n".join("  " + flow for flow in fewer), flush=True)
        return False


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--tables", type=int, default=40)
    parser.add_argument("--packets", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    ovs = switch.Switch(os.path.join(options.folder, "ovs"), tables.PORTS)
    bad = []
    try:
        ovs.start()
        comparison = Comparison(ovs, Ours(os.environ["CXLTAB"], options.folder))
        for seed in range(options.seed, options.seed + options.tables):
            if not comparison.table(seed, options.packets):
                bad.append(seed)
            if len(bad) == GIVE_UP:
                break
    finally:
        ovs.stop()
    print(f"seeds {options.seed} to {seed}, {options.packets} packets each: "
          f"{comparison.copies} copies ({comparison.edited} rewritten), "
          f"{comparison.used} of {comparison.flows} flows used, {len(bad)} tables differ")
    if not bad and (comparison.copies < options.tables * options.packets / 2 or
                    comparison.edited < comparison.copies / 8 or
                    comparison.used < comparison.flows / 8):
        print("too little was compared to say anything")
        bad.append(None)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
