#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Claim: what `cxltab trace` says becomes of a packet is what happens to it on the wire: same ports, same bytes,
# through XDP and through TC.
. "$(dirname "$0")/lib.sh"

cat >wire.py <<'END'
"""wire.py CXLTAB SLICE SEED NS...: sends frames into ports 1, 2, ... of a switch, one namespace each (its device
is eth0), and compares what comes out of the others with what trace says."""
import collections
import ctypes
import json
import os
import random
import socket
import struct
import subprocess
import sys
import time

from scapy.all import ARP, ICMP, IP, TCP, UDP, Dot1Q, Ether, IPv6, Raw

ETH_P_ALL = 3
SOL_PACKET, PACKET_AUXDATA, PACKET_OUTGOING = 263, 8, 4


def open_socket(netns):
    """A packet socket on eth0 of a network namespace."""
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{netns}", os.O_RDONLY)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.setns(there, 0) == 0
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sock.bind(("eth0", ETH_P_ALL))
    sock.setblocking(False)
    assert libc.setns(home, 0) == 0
    os.close(home)
    os.close(there)
    return sock


def receive(sock):
    """Frames that arrived, with the tag that the kernel took out of them put back."""
    frames = []
    while True:
        try:
            data, aux, _, address = sock.recvmsg(65536, 256)
        except BlockingIOError:
            return frames
        if address[2] == PACKET_OUTGOING:
            continue
        for level, kind, value in aux:
            if level == SOL_PACKET and kind == PACKET_AUXDATA:
                status, _, _, _, _, tci, tpid = struct.unpack("IIIHHHH", value[:20])
                if status & 0x10:
                    data = data[:12] + struct.pack("!HH", tpid if status & 0x40 else 0x8100, tci) + data[12:]
        frames.append(data)


def make_frame(rng):
    """A frame of 60 bytes or more."""
    frame = Ether(src=f"02:00:00:00:01:{rng.randrange(4):02x}", dst=f"02:00:00:00:02:{rng.randrange(4):02x}")
    if rng.random() < 0.3:
        frame /= Dot1Q(vlan=rng.choice([5, 6]), prio=rng.randrange(8))
    kind = rng.randrange(6)
    if kind == 0:
        return bytes(frame / ARP(psrc="10.0.0.1", pdst=f"10.0.0.{rng.randrange(9)}")).ljust(60, b"\0")
    if kind == 1:
        frame /= IPv6(src="fd00::1", dst=f"fd00::{rng.randrange(1, 5)}", hlim=rng.choice([1, 2, 64]))
    else:
        frame /= IP(src=f"10.0.{rng.randrange(3)}.1", dst=f"10.1.{rng.randrange(3)}.2", ttl=rng.choice([1, 2, 64]))
    ports = {"sport": rng.choice([1000, 2000]), "dport": rng.choice([53, 80, 443])}
    if kind in (1, 2):
        frame /= TCP(flags=rng.choice(["S", "A", "PA"]), **ports)
    elif kind in (3, 4):
        frame /= UDP(**ports)
    else:
        frame /= ICMP(type=rng.choice([0, 8]))
    return bytes(frame / Raw(rng.randbytes(rng.randrange(900)))).ljust(60, b"\0")


def main():
    cxltab, slice_name, seed = sys.argv[1:4]
    rng = random.Random(int(seed))
    sockets = {port + 1: open_socket(name) for port, name in enumerate(sys.argv[4:])}
    frames = [(rng.choice(list(sockets)), make_frame(rng)) for _ in range(600)]

    lines = "".join(f"{port} {frame.hex()}\n" for port, frame in frames)
    out = subprocess.run([cxltab, "trace", slice_name, "--packets", "-", "--path", "inline", "--json"], input=lines,
                         text=True, stdout=subprocess.PIPE, check=True).stdout
    wanted = {port: collections.Counter() for port in sockets}
    verdicts = collections.Counter()
    for line in out.splitlines():
        result = json.loads(line)
        verdicts[f"{result['verdict']}/{result['reason']}"] += 1
        for output in result["outputs"]:
            if output["port"] != "controller":
                wanted[output["port"]][output["packet"]] += 1
    assert len(out.splitlines()) == len(frames)
    print("-", dict(verdicts))

    got = {port: collections.Counter() for port in sockets}
    for number, (port, frame) in enumerate(frames):
        sockets[port].send(frame)
        if number % 50 == 49:
            time.sleep(0.01)
    end = time.monotonic() + 5
    quiet = time.monotonic() + 0.3
    while time.monotonic() < end and (got != wanted or time.monotonic() < quiet):
        for port, sock in sockets.items():
            for data in receive(sock):
                got[port][data.hex()] += 1
        time.sleep(0.01)
    for port in sockets:
        missing, extra = wanted[port] - got[port], got[port] - wanted[port]
        print(f"- port {port}: {sum(got[port].values())} frames")
        for what, frames_of in (("missing", missing), ("unexpected", extra)):
            for text in list(frames_of)[:3]:
                print(f"  {what}: {text}")
        if missing or extra:
            sys.exit(f"seed {seed}, port {port}: {sum(missing.values())} missing, {sum(extra.values())} unexpected")


main()
END

cat >flows.txt <<'END'
table=0,priority=100,arp,actions=flood
table=0,priority=90,in_port=3,ip,nw_dst=10.1.2.0/24,actions=drop
table=0,priority=80,udp,tp_dst=53,actions=output:3,goto_table:1
table=0,priority=70,dl_vlan=5,actions=strip_vlan,goto_table:1
table=0,priority=60,dl_vlan=6,actions=mod_vlan_vid:7,mod_vlan_pcp:1,output:2
table=0,priority=10,ip,actions=write_metadata:1,goto_table:1
table=0,priority=10,ipv6,actions=goto_table:2
table=1,priority=50,ip,nw_src=10.0.1.0/24,actions=mod_nw_src:192.0.2.1,mod_dl_dst:02:00:00:00:00:99,dec_ttl,output:1,output:2
table=1,priority=40,tcp,tp_dst=80,actions=mod_tp_dst:8080,push_vlan:0x8100,mod_vlan_vid:9,output:2
table=1,priority=30,udp,actions=mod_nw_tos:32,mod_tp_src:7,output:1,mod_nw_dst:203.0.113.7,output:3,in_port
table=1,priority=20,icmp,actions=all,controller
table=1,priority=1,tcp,tcp_flags=+syn,actions=output:9
table=2,ipv6,tcp6,tp_dst=443,actions=dec_ttl,set_field:fd00::99->ipv6_dst,output:1
table=2,priority=5,ipv6,actions=flood
END

seed=${SEED:-$RANDOM}
note "SEED=$seed"
ns_add A B C
for mode in native tc; do
	slice_add S
	cxltab load "$S"
	i=1
	# shellcheck disable=SC2153 # ns_add sets them
	for ns in "$A" "$B" "$C"; do
		veth_add . "p$i" "$ns" eth0
		cxltab attach "$S" "p$i" --port "$i" --mode "$mode"
		i=$((i + 1))
	done
	cxltab add-flows "$S" flows.txt
	note "mode $mode"
	"$PYTHON" wire.py "$CXLTAB" "$S" "$seed" "$A" "$B" "$C"
	cxltab unload "$S"
	for i in 1 2 3; do
		ip link del "p$i"
	done
done
