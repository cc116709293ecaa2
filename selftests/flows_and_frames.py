# SPDX-License-Identifier: Apache-2.0
"""flows_and_frames.py SEED N KIND, for a_reader_from_the_document_alone_agrees.sh. KIND is
flows    flows of many kinds, one a line; priorities from 100 up
churn    the same below 100, all in table 0
dense    flows of one mask
packets  lines IN_PORT FRAME KEY, the key made from the same values as the frame, as docs/format.md has it
The cookies are unique, from 1, churn's from 0x100001, dense's from 0x200001."""
import random
import socket
import struct
import sys

seed, count, what = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
rng = random.Random(f"{seed} {what}")
MACS = [f"02:00:00:00:00:0{i}" for i in range(6)]
IPS = [f"10.{i}.{j}.1" for i in range(3) for j in range(4)]
IP6S = [f"fd0{i}::{j}" for i in range(2) for j in range(1, 5)]
PORTS = [1, 53, 80, 443, 1024, 8080]


def chance(p):
    return rng.random() < p


def mac_match():
    return rng.choice(MACS) + rng.choice(["", "", "", "/ff:ff:00:00:00:00", "/00:00:00:00:00:01"])


def ip_match():
    return rng.choice(IPS) + rng.choice(["", "", "/8", "/16", "/24", "/0.255.0.255", "/31"])


def ip6_match():
    return rng.choice(IP6S) + rng.choice(["", "", "/16", "/64", "/8", "/ff00::ff", "/::3"])


def port_match():
    return f"{rng.choice(PORTS)}" + rng.choice(["", "", "", "/0xfff0", "/0x1", "/0xff00"])


def match(table):
    out = []
    for probability, make in (
            (.3, lambda: f"in_port={rng.randrange(1, 5)}"), (.1, lambda: f"dl_src={mac_match()}"),
            (.2, lambda: f"dl_dst={mac_match()}"),
            (.25, lambda: rng.choice("dl_vlan=5 dl_vlan=0 dl_vlan=6,dl_vlan_pcp=3 dl_vlan_pcp=2 vlan_tci=0 vlan_vid=0 "
                                     "vlan_tci=0x1000/0x1000 vlan_tci=0x1005/0x10ff vlan_tci=0x5/0xfff "
                                     "vlan_tci=0x2000/0x6000".split())),
            (.1 if table else 0, lambda: f"metadata={rng.randrange(4)}{rng.choice(['', '/3'])}"),
            (.1 if table else 0, lambda: f"reg{rng.randrange(4)}={rng.randrange(3)}{rng.choice(['', '/1'])}"),
            (.05, lambda: rng.choice(["tun_id=0", "tun_id=0/0xff"]))):
        if chance(probability):
            out.append(make())
    kind = rng.choice("ip ip tcp tcp udp icmp ipv6 tcp6 udp6 icmp6 nd arp rarp sctp sctp6 other none".split())
    version = 6 if kind[-1] == "6" or kind == "nd" else 4
    if kind == "none":
        return ",".join(out) or "in_port=4", None, kind
    out.append({"other": f"dl_type=0x{rng.choice([0x88b5, 0x88b6]):04x}", "nd": "icmp6"}.get(kind, kind))
    if kind in ("arp", "rarp"):
        out += [f"arp_op={rng.randrange(1, 4)}"] * chance(.5) + [f"arp_spa={ip_match()}"] * chance(.4)
        out += [f"arp_tpa={ip_match()}"] * chance(.4) + [f"arp_sha={mac_match()}"] * chance(.2)
        out += [f"arp_tha={mac_match()}"] * chance(.2)
        return ",".join(out), None, kind
    if kind == "other":
        return ",".join(out), None, kind
    src, dst, address = ("nw_src", "nw_dst", ip_match) if version == 4 else ("ipv6_src", "ipv6_dst", ip6_match)
    out += [f"{src}={address()}"] * chance(.4) + [f"{dst}={address()}"] * chance(.6)
    out += [f"ipv6_label={rng.choice(['0x12345', '0x5/0xff', '0'])}"] * (version == 6 and chance(.1))
    out += [f"nw_tos={rng.choice([0, 32, 184])}"] * chance(.1) + [f"nw_ecn={rng.randrange(4)}"] * chance(.1)
    out += [f"nw_ttl={rng.choice([1, 64])}"] * chance(.1)
    out += [f"ip_frag={rng.choice(['no', 'yes', 'first', 'later', 'not_later'])}"] * chance(.1)
    if kind in ("ip", "ipv6"):
        out += [f"nw_proto={rng.choice([6, 17, 47, 0])}"] * chance(.3)
    elif kind == "nd":
        target = rng.choice([135, 136])
        out += [f"icmp_type={target},icmp_code=0"] + [f"nd_target={ip6_match()}"] * chance(.6)
        out += [f"nd_{'sll' if target == 135 else 'tll'}={mac_match()}"] * chance(.6)
    elif kind in ("icmp", "icmp6"):
        out += [f"icmp_type={rng.choice([0, 8, 128, 135])}"] * chance(.6) + ["icmp_code=0"] * chance(.3)
    else:
        out += [f"tp_src={port_match()}"] * chance(.3) + [f"tp_dst={port_match()}"] * chance(.7)
    if kind in ("tcp", "tcp6"):
        wanted = rng.choice(["+syn", "+syn-ack", "syn|ack", "0x10", "-fin+psh", "0/0xfff", "+ns+cwr"])
        out += [f"tcp_flags={wanted}"] * chance(.2)
    return ",".join(out), version, kind


def actions(table, version, kind):
    out = []
    for _ in range(rng.choice([0, 1, 1, 2, 3, 8])):
        choice = ["output:%d" % rng.randrange(1, 9), "flood", "all", "in_port", "local", "controller",
                  "controller(max_len=%d)" % rng.randrange(2000), f"mod_dl_src:{rng.choice(MACS)}",
                  f"mod_dl_dst:{rng.choice(MACS)}", "set_field:02:00:00:00:00:01/ff:00:00:00:00:0f->eth_dst",
                  f"mod_vlan_vid:{rng.randrange(4096)}", f"mod_vlan_pcp:{rng.randrange(8)}", "push_vlan:0x8100",
                  "push_vlan:0x88a8", "strip_vlan", f"set_field:{rng.randrange(3)}->reg{rng.randrange(4)}",
                  "load:1->reg2[0..3]", "set_field:0/0xf0->reg3", f"set_field:{rng.randrange(1 << 64)}->tun_id",
                  f"set_field:{rng.randrange(4)}->metadata", "set_field:0x2/0x3->metadata", "set_field:0->metadata"]
        if version:
            choice += ["dec_ttl", "mod_nw_tos:%d" % (4 * rng.randrange(64)), f"mod_nw_ecn:{rng.randrange(4)}",
                       "mod_nw_ttl:%d" % rng.randrange(256)]
        if version == 4:
            choice += [f"mod_nw_src:{rng.choice(IPS)}", f"mod_nw_dst:{rng.choice(IPS)}",
                       "set_field:192.0.0.0/8->nw_src", "set_field:0.0.0.7/0.0.0.255->nw_dst"]
        if version == 6:
            choice += [f"set_field:{rng.choice(IP6S)}->ipv6_src", f"set_field:{rng.choice(IP6S)}->ipv6_dst",
                       "set_field:fd77::/16->ipv6_src", "set_field:::7/::ff->ipv6_dst",
                       "set_field:fd00::1/fd00::1->ipv6_dst", "set_field:0x777->ipv6_label"]
        if kind in ("tcp", "udp", "tcp6", "udp6", "sctp", "sctp6"):
            choice += [f"mod_tp_src:{rng.choice(PORTS)}", f"mod_tp_dst:{rng.choice(PORTS)}", "set_field:3/0xf->tp_dst"]
        out.append(rng.choice(choice))
    pushes = [a for a in out if a.startswith("push")]
    out = [a for a in out if a not in pushes[1:]]
    if chance(.15):
        out.append(f"write_metadata:{rng.choice(['1', '2/0x3', '0', '0xffffffffffffffff'])}")
    if table < 5 and chance(.2):
        out.append(f"goto_table:{rng.randrange(table + 1, 6)}")
    return ",".join(out) or "drop"


def flows(churn):
    done, chains = 0, {}
    while done < count:
        table = 0 if churn else rng.choice([0, 0, 0, 1, 2, 5])
        text, version, kind = match(table)
        most = (1, 100) if churn else (100, min(65536, 200 << 2 * text.count("=")))
        for priority in rng.sample(range(*most), rng.choice([1, 1, 1, 2, 5])):
            chain = chains.setdefault((table, text), set())
            if len(chain) < 12 and priority not in chain:
                chain.add(priority)
                done += 1
                print(f"cookie={done + churn},table={table},priority={priority},{text},"
                      f"actions={actions(table, version, kind)}")


def mac_bytes(text):
    return bytes(int(part, 16) for part in text.split(":"))


def packet():
    """Port, frame, key"""
    key = [0] * 18
    port = rng.randrange(1, 5)
    dst, src = mac_bytes(rng.choice(MACS)), mac_bytes(rng.choice(MACS))
    head, tags = dst + src, []
    for tpid in [0x88a8, 0x8100][:rng.choice([0, 0, 0, 1, 1, 2])]:
        tags.append((0x8100 if len(tags) or chance(.7) else tpid, rng.randrange(8) << 13 | chance(.2) << 12 |
                     rng.choice([0, 5, 6, 0x105, 4095])))
        head += struct.pack("!HH", *tags[-1])
    kind = rng.choice("tcp tcp udp icmp sctp gre tcp6 tcp6 udp6 icmp6 nd arp rarp other llc".split())
    six = kind[-1] == "6" or kind == "nd"
    frag = 0 if kind in ("arp", "rarp", "other", "llc") else rng.choice([0, 0, 0, 0, 1, 3])
    sport, dport, tcp_flags, tos, ttl, proto = rng.choice(PORTS), rng.choice(PORTS), rng.randrange(4096), 0, 0, 0
    if kind in ("tcp", "tcp6"):
        proto = 6
        l4 = struct.pack("!HHIIHHHH", sport, dport, 1, 2, 5 << 12 | tcp_flags, 100, 0, 0)
    elif kind in ("udp", "udp6"):
        proto, l4 = 17, struct.pack("!HHHH", sport, dport, 8 + 20, 0) + bytes(20)
    elif kind == "sctp":
        proto, l4 = 132, struct.pack("!HHII", sport, dport, 1, 2) + bytes(12)
    elif kind in ("icmp", "icmp6"):
        sport, dport = rng.choice([0, 8, 128]), rng.choice([0, 1])
        proto, l4 = 1 if kind == "icmp" else 58, struct.pack("!BBHI", sport, dport, 0, 1) + bytes(20)
    elif kind == "nd":
        sport, dport, frag = rng.choice([135, 136]), 0, 0
        target, link = socket.inet_pton(socket.AF_INET6, rng.choice(IP6S)), mac_bytes(rng.choice(MACS))
        ttl = 255
        proto, l4 = 58, struct.pack("!BBHI", sport, 0, 0, 0) + target + bytes([sport - 134, 1]) + link
        key[14:16] = struct.unpack("!QQ", target)
        key[sport - 119] |= int.from_bytes(link, "big") << 16
    else:
        sport, dport, proto, l4 = 0, 0, 47, bytes(24)
    if kind not in ("tcp", "tcp6"):
        tcp_flags = 0
    if frag == 3:
        sport = dport = tcp_flags = 0
    if kind in ("arp", "rarp"):
        eth_type, proto, sport, dport = 0x806 if kind == "arp" else 0x8035, rng.choice([1, 2, 3, 4, 300]), 0, 0
        spa, tpa = socket.inet_aton(rng.choice(IPS)), socket.inet_aton(rng.choice(IPS))
        sha, tha = mac_bytes(rng.choice(MACS)), mac_bytes(rng.choice(MACS))
        rest = struct.pack("!HHBBH", 1, 0x800, 6, 4, proto) + sha + spa + tha + tpa
        proto = proto if proto < 256 else 0
        key[1] = int.from_bytes(spa + tpa, "big")
        key[16] |= int.from_bytes(sha, "big") << 16
        key[17] |= int.from_bytes(tha, "big") << 16
    elif kind in ("other", "llc"):
        eth_type, proto, sport, dport, rest = rng.choice([0x88b5, 0x88b6]), 0, 0, 0, bytes(40)
        if kind == "llc":
            eth_type, rest = 0x5ff, struct.pack("!HBBB", 43, 0x42, 0x42, 3) + bytes(40)
    elif six:
        eth_type, tos, ttl, label = 0x86dd, rng.choice([0, 32, 33, 184]), ttl or rng.choice([1, 64]), \
            rng.choice([0, 0x12345, 0x7705])
        a, b = (socket.inet_pton(socket.AF_INET6, rng.choice(IP6S)) for _ in range(2))
        upper = proto
        if frag:
            l4 = struct.pack("!BBHI", proto, 0, 8 if frag == 3 else 1, 7) + l4
            upper = 44
        elif chance(.2):
            l4, upper = struct.pack("!BBHI", proto, 0, 0x0104, 0) + l4, rng.choice([0, 60])
        rest = struct.pack("!IHBB", 6 << 28 | tos << 20 | label, len(l4), upper, ttl) + a + b + l4
        key[5:9] = struct.unpack("!QQQQ", a + b)
        key[13] = label << 32
        proto = 44 if frag == 3 else proto
    else:
        eth_type, tos, ttl = 0x800, rng.choice([0, 32, 33, 184]), rng.choice([1, 64])
        a, b = socket.inet_aton(rng.choice(IPS)), socket.inet_aton(rng.choice(IPS))
        b = bytes([10, 9, rng.randrange(8), rng.randrange(256)]) if chance(.3) else b
        options = bytes([1, 1, 1, 0]) * chance(.2)
        rest = struct.pack("!BBHHHBBH", 0x45 + len(options) // 4, tos, 20 + len(options) + len(l4), 1,
                           {0: 0x4000, 1: 0x2000, 3: 2}[frag], ttl, proto, 0)
        total = sum(struct.unpack(f"!{(20 + len(options)) // 2}H", rest + a + b + options))
        while total >> 16:
            total = (total & 0xffff) + (total >> 16)
        rest = rest[:10] + struct.pack("!H", total ^ 0xffff) + a + b + options + l4
        key[1] = int.from_bytes(a + b, "big")
    key[0] = port << 32 | eth_type << 16 | proto << 8 | frag
    key[2] = sport << 48 | dport << 32 | tcp_flags << 16 | tos << 8 | ttl
    key[3], key[4] = int.from_bytes(dst, "big") << 16, int.from_bytes(src, "big") << 16
    for i, (tpid, tci) in enumerate(tags):
        key[3 + i] |= tci | 0x1000
        key[16 + i] |= tpid
    frame = head + (b"" if kind == "llc" else struct.pack("!H", eth_type)) + rest
    return port, frame.ljust(60, b"\0"), key


if what == "packets":
    for _ in range(count):
        in_port, data, words = packet()
        print(in_port, data.hex(), *(f"{word:x}" for word in words))
elif what == "dense":
    for number in range(count):
        print(f"cookie={0x200001 + number},priority={40000 + number % 7},ip,nw_dst=10.9.{number >> 8}.{number & 255},"
              f"actions=output:{number % 5}")
else:
    flows(0x100000 if what == "churn" else 0)
