#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/data/packets.txt, tests/data/edits.txt and the fuzzer's seeds with scapy.

Usage: /usr/bin/python3 tests/gen_packets.py [tests/data]

The output is committed, so that `make check` needs no scapy. Scapy builds the packets, their lengths and
checksums; what the key must hold is read back from scapy's own view of the packet, or stated by hand where the
frame is malformed. Nothing in here knows how parse.h and edit.h work.
"""
import os
import struct
import sys

from scapy.all import (ARP, Dot1AD, Dot1Q, Ether, GRE, ICMP, IP, IPOption, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment,
                       IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, LLC, PadN, Raw, SCTP, SNAP, STP, TCP, UDP, VXLAN, Dot3,
                       ICMPv6EchoRequest, ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr,
                       ICMPv6ND_RS, ICMPv6NDOptMTU, AH, conf)
from scapy.layers.sctp import SCTPChunkData
from scapy.utils import mac2str
from scapy.utils6 import in6_ptop
import socket

conf.route6.resync = lambda: None
HEAD = "# SPDX-License-Identifier: Apache-2.0\n# Written by tests/gen_packets.py; don't edit.\n"
A, B = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
EXTENSIONS = (IPv6ExtHdrHopByHop, IPv6ExtHdrDestOpt, IPv6ExtHdrRouting, IPv6ExtHdrFragment, AH)
S6, D6 = "2001:db8::1", "2001:db8:ffff::2"


def num(text):
    return int(mac2str(text).hex(), 16)


def ip4(text):
    return int(socket.inet_aton(text).hex(), 16)


def ip6(text):
    return int(socket.inet_pton(socket.AF_INET6, in6_ptop(text)).hex(), 16)


def l4_fields(p, f):
    """Ports, flags and so on of the L4 header p of an unfragmented packet or a first fragment."""
    if isinstance(p, TCP):
        f.update(tp_src=p.sport, tp_dst=p.dport, tcp_flags=int(p.flags))
    elif isinstance(p, (UDP, SCTP)):
        f.update(tp_src=p.sport, tp_dst=p.dport)
        if isinstance(p.payload, VXLAN) and p.payload.flags.Instance:
            f["vxlan_vni"] = p.payload.vni
    elif isinstance(p, (ICMP, ICMPv6ND_NS, ICMPv6ND_NA, ICMPv6EchoRequest, ICMPv6ND_RS)):
        f.update(tp_src=p.type, tp_dst=p.code)
        if isinstance(p, (ICMPv6ND_NS, ICMPv6ND_NA)):
            f["nd_target"] = ip6(p.tgt)
            if ICMPv6NDOptSrcLLAddr in p:
                f["arp_sha"] = num(p[ICMPv6NDOptSrcLLAddr].lladdr)
            if ICMPv6NDOptDstLLAddr in p:
                f["arp_tha"] = num(p[ICMPv6NDOptDstLLAddr].lladdr)


def l4_header(p, kinds):
    """What follows the IP header and, in IPv6, its extension headers; p is as it was built."""
    p = next(p[kind] for kind in kinds if kind in p).payload
    while isinstance(p, EXTENSIONS):
        p = p.payload
    return p


def fields(p, built):
    """The key's non-zero fields as scapy sees the frame's outer headers; p is `built`, dissected."""
    f = dict(eth_dst=num(p.dst), eth_src=num(p.src))
    tags = []
    q = p.payload
    etype = p.type if isinstance(p, Ether) else None
    while isinstance(q, (Dot1Q, Dot1AD)) and len(tags) < 2:
        tags.append((etype, q.prio << 13 | 0x1000 | q.vlan))
        etype = q.type
        q = q.payload
    for (tpid, tci), (tn, cn) in zip(tags, (("vlan_tpid", "vlan_tci"), ("vlan_tpid2", "vlan_tci2"))):
        f[tn], f[cn] = tpid, tci
    if SNAP in p:
        etype = p[SNAP].code
        q = p[SNAP].payload
    f["eth_type"] = 0x5ff if etype is None or etype < 0x600 else etype
    if isinstance(q, ARP):
        f.update(ip_proto=q.op if q.op < 256 else 0, ipv4_src=ip4(q.psrc), ipv4_dst=ip4(q.pdst), arp_sha=num(q.hwsrc),
                 arp_tha=num(q.hwdst))
    elif isinstance(q, IP):
        f.update(ipv4_src=ip4(q.src), ipv4_dst=ip4(q.dst), ip_tos=q.tos, ip_ttl=q.ttl, ip_proto=q.proto,
                 ip_frag=3 if q.frag else 1 if q.flags.MF else 0)
        if not q.frag:
            l4_fields(l4_header(built, (IP,)), f)
    elif isinstance(q, IPv6):
        f.update(ipv6_src=ip6(q.src), ipv6_dst=ip6(q.dst), ip_tos=q.tc, ip_ttl=q.hlim, ipv6_label=q.fl)
        last = q
        while isinstance(last.payload, EXTENSIONS):
            last = last.payload
            if isinstance(last, IPv6ExtHdrFragment) and (last.m or last.offset):
                f["ip_frag"] = 3 if last.offset else 1
                if last.offset:
                    break
        f["ip_proto"] = 44 if f.get("ip_frag") == 3 else last.nh
        if f.get("ip_frag") != 3:
            l4_fields(l4_header(built, (IPv6,)), f)
    return f


class Corpus:
    def __init__(self, path, title):
        self.out = open(path, "w")
        self.out.write(HEAD + title)

    def line(self, *parts):
        self.out.write(" | ".join(parts) + "\n")


def text(f):
    return " ".join(f"{k}={v:x}" for k, v in f.items() if v)


def fill(p):
    """The same frame after scapy has computed what it computes."""
    return p.__class__(bytes(p))


def e(*tags, src=A, dst=B):
    p = Ether(src=src, dst=dst)
    for t in tags:
        p = p / t
    return p


def v4(**kw):
    return IP(**{**dict(src="10.1.2.3", dst="192.0.2.250", ttl=63, tos=0xb9, id=7), **kw})


def v6(**kw):
    return IPv6(**{**dict(src=S6, dst=D6, hlim=61, tc=0x5a, fl=0xabcde), **kw})


def ns(**kw):
    return ICMPv6ND_NS(tgt="fe80::1234", **kw)


TAGS = {
    "untagged": (),
    "dot1q": (Dot1Q(vlan=100, prio=5),),
    "dei": (Dot1Q(vlan=4095, prio=7, id=1),),
    "qinq": (Dot1AD(vlan=200, prio=3), Dot1Q(vlan=1, prio=0)),
    "double8100": (Dot1Q(vlan=7), Dot1Q(vlan=8, prio=2)),
}

L4 = {
    "tcp": TCP(sport=1234, dport=80, flags="SAE", seq=99) / b"hello",
    "tcpopt": TCP(sport=65535, dport=1, flags="FRPUC", options=[("MSS", 1460), ("NOP", None), ("WScale", 7)]),
    "udp": UDP(sport=53, dport=5353) / b"payload",
    "udpempty": UDP(sport=1, dport=2),
    "sctp": SCTP(sport=36412, dport=38412, tag=0x1234) / SCTPChunkData(data=b"abc"),
    "vxlan": UDP(sport=5000, dport=4789) / VXLAN(vni=0xabcdef, flags="Instance") / e() / IP() / UDP(),
    "vxlan_noflag": UDP(sport=5000, dport=4789) / VXLAN(vni=0xabcdef, flags=0) / e(),
}

EXT = {
    "hbh": IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\0" * 4)]),
    "dst": IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 12)]),
    "rh": IPv6ExtHdrRouting(addresses=["2001:db8:5::5"], segleft=0),
    "rhleft": IPv6ExtHdrRouting(addresses=["2001:db8:5::5", "2001:db8:6::6"], segleft=1),
    "ah": AH(spi=1, seq=2, icv=b"\0" * 12, payloadlen=4),
    "atomic": IPv6ExtHdrFragment(m=0, offset=0, id=3),
    "first": IPv6ExtHdrFragment(m=1, offset=0, id=3),
}


def good_packets():
    for tn, tags in TAGS.items():
        for ln, l4 in L4.items():
            yield f"ipv4_{ln}_{tn}", e(*tags) / v4() / l4
            yield f"ipv6_{ln}_{tn}", e(*tags) / v6() / l4
        yield f"icmp_{tn}", e(*tags) / v4() / ICMP(type=8, code=0, id=1, seq=2) / b"ping"
        yield f"icmpv6_{tn}", e(*tags) / v6() / ICMPv6EchoRequest(id=1, seq=2, data=b"ping")
        yield f"nd_ns_{tn}", e(*tags) / v6() / ns() / ICMPv6NDOptSrcLLAddr(lladdr=A)
        yield f"nd_na_{tn}", e(*tags) / v6() / ICMPv6ND_NA(tgt="fe80::5", R=1) / ICMPv6NDOptDstLLAddr(lladdr=B)
        yield f"arp_request_{tn}", e(*tags) / ARP(op=1, hwsrc=A, psrc="10.0.0.1", pdst="10.0.0.2")
        other = e(*tags)
        other.lastlayer().type = 0x88cc
        yield f"other_{tn}", other / Raw(b"lldp" * 12)
    yield "arp_reply", e() / ARP(op=2, hwsrc=A, hwdst=B, psrc="10.0.0.1", pdst="10.0.0.2")
    yield "arp_op_256", e() / ARP(op=256, hwsrc=A, psrc="10.0.0.1", pdst="10.0.0.2")
    yield "arp_padded", e() / ARP(op=1, hwsrc=A, psrc="10.0.0.1", pdst="10.0.0.2") / Raw(b"\0" * 18)
    yield "nd_no_option", e() / v6() / ns()
    yield "nd_both_options", (e() / v6() / ns() / ICMPv6NDOptMTU() / ICMPv6NDOptSrcLLAddr(lladdr=A) /
                              ICMPv6NDOptDstLLAddr(lladdr=B))
    yield "router_solicitation", e() / v6() / ICMPv6ND_RS() / ICMPv6NDOptSrcLLAddr(lladdr=A)
    for n in (1, 5, 10):
        opt = IPOption(b"\x94" + bytes([n * 4]) + b"\0" * (n * 4 - 2))
        yield f"ipv4_options_{n}", e() / v4(options=[opt]) / UDP(sport=1, dport=2) / b"x"
    yield "ipv4_df", e() / v4(flags="DF") / UDP(sport=1, dport=2) / b"x"
    yield "ipv4_evil", e() / v4(flags="evil") / UDP(sport=1, dport=2) / b"x"
    yield "ipv4_first_fragment", e() / v4(flags="MF") / UDP(sport=1, dport=2, len=100) / (b"x" * 24)
    yield "ipv4_first_fragment_tcp", e() / v4(flags="MF") / TCP(sport=1, dport=2) / (b"x" * 28)
    yield "ipv4_middle_fragment", e() / v4(flags="MF", frag=100, proto=17) / Raw(b"x" * 24)
    yield "ipv4_last_fragment", e() / v4(frag=8191, proto=6) / Raw(b"x" * 4)
    yield "ipv4_later_fragment_empty", e() / v4(frag=1, proto=6)
    yield "ipv4_gre", e() / v4() / GRE() / IP() / UDP()
    yield "ipv4_proto_icmpv6", e() / v4(proto=58) / Raw(b"\x87\0\0\0")
    yield "ipv6_proto_icmp", e() / v6(nh=1) / Raw(b"\x08\0")
    yield "ipv4_padded", e() / v4(len=28) / UDP(sport=1, dport=2, len=8) / (b"\0" * 18)
    yield "ipv4_no_payload", e() / v4(proto=200)
    yield "udp_zero_checksum", e() / v4() / UDP(sport=1, dport=2, chksum=0) / b"abc"
    yield "ipv6_none", e() / v6(nh=59)
    yield "ipv6_esp", e() / v6(nh=50) / Raw(b"e" * 20)
    for name, ext in EXT.items():
        ext = ext.copy()
        if name == "ah":  # the one whose successor scapy doesn't fill in
            ext.nh = 6
            yield "ipv6_ah_tcp", e() / v6() / ext / TCP(sport=7, dport=8, flags="A") / (b"z" * 4)
            continue
        yield f"ipv6_{name}_tcp", e() / v6() / ext / TCP(sport=7, dport=8, flags="A") / (b"z" * 4)
        yield f"ipv6_{name}_udp", e(*TAGS["qinq"]) / v6() / ext / UDP(sport=7, dport=8) / (b"z" * 4)
        yield f"ipv6_{name}_none", e() / v6() / ext.__class__(**{**ext.fields, "nh": 59})
    yield "ipv6_chain", (e() / v6() / EXT["hbh"] / EXT["dst"] / EXT["rh"] / EXT["atomic"] / EXT["dst"] /
                         AH(nh=17, payloadlen=1, icv=b"") / UDP(sport=7, dport=8) / b"z")
    yield "ipv6_later_fragment", e() / v6() / IPv6ExtHdrFragment(nh=17, m=1, offset=10, id=1) / Raw(b"x" * 16)
    yield "ipv6_later_after_hbh", (e() / v6() / EXT["hbh"] / IPv6ExtHdrFragment(nh=6, m=0, offset=10, id=1) /
                                   Raw(b"x" * 3))
    yield "ipv6_eight_exts", e() / v6() / ext_chain(8) / UDP(sport=7, dport=8)


def ext_chain(n):
    p = IPv6ExtHdrDestOpt()
    for _ in range(n - 1):
        p = p / IPv6ExtHdrDestOpt()
    return p


def raw_packets():
    """Frames made or broken by hand: name, bytes, reason, fields that must be in the key."""
    eth = dict(eth_dst=num(B), eth_src=num(A))
    m = mac2str(B) + mac2str(A)

    yield "triple_tag", (m + bytes.fromhex("88a8006481002003810000040800") + b"\x45" + b"\0" * 40), "none", dict(
        eth, vlan_tpid=0x88a8, vlan_tci=0x1064, vlan_tpid2=0x8100, vlan_tci2=0x3003, eth_type=0x8100)
    yield "tpid_9100", m + bytes.fromhex("910000640800") + b"\0" * 46, "none", dict(eth, eth_type=0x9100)
    yield "snap_ipv4", (m + struct.pack(">H", 36) + b"\xaa\xaa\x03\0\0\0\x08\0" +
                        bytes(v4(tos=0) / UDP(sport=1, dport=2))), "none", dict(
        eth, eth_type=0x800, ipv4_src=ip4("10.1.2.3"), ipv4_dst=ip4("192.0.2.250"), ip_ttl=63, ip_proto=17, tp_src=1,
        tp_dst=2)
    yield "snap_other_oui", m + struct.pack(">H", 46) + b"\xaa\xaa\x03\0\0\x0c\x20\0" + b"x" * 38, "none", dict(
        eth, eth_type=0x5ff)
    yield "snap_small_type", m + struct.pack(">H", 46) + b"\xaa\xaa\x03\0\0\0\x05\xff" + b"x" * 38, "none", dict(
        eth, eth_type=0x5ff)
    yield "llc_stp", bytes(Dot3(src=A, dst=B) / LLC() / STP()), "none", dict(eth, eth_type=0x5ff)
    yield "llc_short", m + b"\0\x03\xaa\xaa\x03", "none", dict(eth, eth_type=0x5ff)
    yield "llc_tagged", m + b"\x81\0\0\x05\0\x03\x42\x42\x03", "none", dict(eth, vlan_tpid=0x8100, vlan_tci=0x1005,
                                                                          eth_type=0x5ff)
    yield "empty", b"", "short_frame", {}
    yield "thirteen", (m + b"\x08\0")[:13], "short_frame", {}
    yield "only_header", m + b"\x88\xb5", "none", dict(eth, eth_type=0x88b5)

    arp = bytes(ARP(op=1, hwsrc=A, psrc="10.0.0.1", pdst="10.0.0.2"))
    for at, name in ((0, "hardware"), (2, "protocol"), (4, "hlen"), (5, "plen")):
        bad = bytearray(m + b"\x08\x06" + arp)
        bad[14 + at] ^= 0x10
        yield f"arp_bad_{name}", bytes(bad), "bad_arp", dict(eth, eth_type=0x806)

    yield "rarp", bytes(Ether(src=A, dst=B, type=0x8035) / ARP(
        op=3, hwsrc=A, hwdst=B, psrc="10.0.0.1", pdst="10.0.0.2")), "none", dict(
        eth, eth_type=0x8035, ip_proto=3, ipv4_src=0x0a000001, ipv4_dst=0x0a000002, arp_sha=num(A), arp_tha=num(B))

    ip = dict(eth, eth_type=0x800)
    base = bytes(e() / v4() / UDP(sport=1, dport=2) / b"abcd")

    def patched(data, **at):
        b = bytearray(data)
        for k, v in at.items():
            b[int(k[1:])] = v
        return bytes(b)

    yield "ipv4_version_5", patched(base, _14=0x55), "bad_ipv4", ip
    yield "ipv4_ihl_4", patched(base, _14=0x44), "bad_ipv4", ip
    yield "ipv4_ihl_15_beyond", patched(base, _14=0x4f), "trunc_ipv4", ip
    yield "ipv4_total_19", patched(base, _16=0, _17=19), "bad_ipv4", ip
    yield "ipv4_total_beyond", patched(base, _16=1, _17=0), "bad_ipv4", ip
    yield "ipv4_total_0", patched(base, _16=0, _17=0), "bad_ipv4", ip
    full = dict(ip, ipv4_src=ip4("10.1.2.3"), ipv4_dst=ip4("192.0.2.250"), ip_ttl=63, ip_tos=0xb9)
    udp = dict(full, ip_proto=17, tp_src=1, tp_dst=2)
    yield "udp_length_7", patched(base, _39=7), "bad_udp", udp
    yield "udp_length_0", patched(base, _39=0), "bad_udp", udp
    yield "udp_length_beyond", patched(base, _39=13), "bad_udp", udp
    yield "udp_length_short", patched(base, _39=9), "none", udp
    vx = patched(base, _36=0x12, _37=0xb5)
    yield "vxlan_truncated", vx, "trunc_vxlan", dict(udp, tp_dst=4789)
    long_vx = bytes(e() / v4() / UDP(sport=1, dport=4789, len=12) / Raw(b"\x08" + b"\0" * 11))
    yield "vxlan_beyond_udp_length", long_vx, "trunc_vxlan", dict(udp, tp_dst=4789)
    tcp = bytes(e() / v4() / TCP(sport=1, dport=2, flags="S"))
    t = dict(full, ip_proto=6, tp_src=1, tp_dst=2, tcp_flags=2)
    yield "tcp_offset_4", patched(tcp, _46=0x40), "bad_tcp", t
    yield "tcp_offset_6_beyond", patched(tcp, _46=0x60), "trunc_tcp", t
    yield "tcp_reserved_bits", patched(tcp, _46=0x5e, _47=0xff), "none", dict(t, tcp_flags=0xeff)
    short = bytes(e() / v4(proto=6, flags="MF") / Raw(b"\0\1\0\2\0\0\0\0"))
    yield "first_fragment_short_tcp", short, "trunc_tcp", dict(full, ip_proto=6, ip_frag=1)

    six = dict(eth, eth_type=0x86dd)
    base6 = bytes(e() / v6() / UDP(sport=1, dport=2) / b"abcd")
    full6 = dict(six, ipv6_src=ip6(S6), ipv6_dst=ip6(D6), ip_tos=0x5a, ip_ttl=61, ipv6_label=0xabcde)
    udp6 = dict(full6, ip_proto=17, tp_src=1, tp_dst=2)
    yield "ipv6_version_4", patched(base6, _14=0x45), "bad_ipv6", six
    yield "ipv6_length_beyond", patched(base6, _19=13), "bad_ipv6", six
    yield "ipv6_udp_length_0", patched(base6, _59=0), "none", udp6
    yield "ipv6_udp_length_7", patched(base6, _59=7), "bad_udp", udp6
    yield "ipv6_empty_udp", patched(base6, _18=0, _19=0), "trunc_udp", dict(full6, ip_proto=17)
    yield "ipv6_empty_hbh", patched(base6, _18=0, _19=0, _20=0), "trunc_ext", full6
    nine = bytes(e() / v6() / ext_chain(9) / UDP(sport=7, dport=8))
    yield "ipv6_nine_exts", nine, "ext_limit", dict(full6, ip_proto=60)
    big = bytes(e() / v6() / IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 200)]) / TCP(sport=1, dport=2))
    yield "ipv6_tcp_beyond_window", big, "ext_limit", dict(full6, ip_proto=6)
    big = bytes(e() / v6() / IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 250)]) / IPv6ExtHdrDestOpt() / UDP())
    yield "ipv6_ext_beyond_window", big, "ext_limit", dict(full6, ip_proto=60)
    big = bytes(e() / v6() / IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 180)]) / UDP(sport=1, dport=2) /
                (b"x" * 200))
    yield "ipv6_udp_ends_window", big, "none", dict(full6, ip_proto=17, tp_src=1, tp_dst=2)
    nd = bytes(e() / v6() / ns() / ICMPv6NDOptSrcLLAddr(lladdr=A))
    ndf = dict(full6, ip_proto=58, tp_src=135, nd_target=ip6("fe80::1234"))
    yield "nd_option_length_0", patched(nd, _79=0), "trunc_nd", ndf
    yield "nd_option_beyond", patched(nd, _79=2), "trunc_nd", ndf
    yield "nd_code_1", patched(nd, _55=1), "none", dict(full6, ip_proto=58, tp_src=135, tp_dst=1)
    twice = bytes(e() / v6() / ns() / ICMPv6NDOptSrcLLAddr(lladdr=A) / ICMPv6NDOptSrcLLAddr(lladdr=B))
    yield "nd_sll_twice", twice, "none", dict(ndf, arp_sha=num(A))
    reserved = bytes(e() / v6() / IPv6ExtHdrFragment(m=0, offset=0, res2=3, id=1) / UDP(sport=1, dport=2) / b"abcd")
    yield "ipv6_fragment_reserved_bits", reserved, "none", udp6


# Edits: what the packet is before, what is done to its key, and what scapy builds for after.

def l4_variants():
    yield "tcp", TCP(sport=1234, dport=80, flags="A", seq=5) / b"some odd payload!"
    yield "udp", UDP(sport=1234, dport=80) / b"payload"
    yield "udpzero", UDP(sport=1234, dport=80, chksum=0) / b"payload"
    yield "sctp", SCTP(sport=1234, dport=80, tag=1) / SCTPChunkData(data=b"chunk data")


def with_ports(l4, sport, dport):
    l4 = l4.copy()
    l4.sport, l4.dport = sport, dport
    return l4


def edits():
    sets4 = "ipv4_src=0a000001 ipv4_dst=c6336401 ip_tos=2e ip_ttl=1"
    sets6 = ("ipv6_src=20010db8000000010000000000000001 ipv6_dst=fe80000000000000ffffffffffffffff ip_tos=ff ip_ttl=80 "
             "ipv6_label=12345")
    new4 = dict(src="10.0.0.1", dst="198.51.100.1", tos=0x2e, ttl=1)
    new6 = dict(src="2001:db8:0:1::1", dst="fe80::ffff:ffff:ffff:ffff", tc=0xff, hlim=0x80, fl=0x12345)
    for tn, tags in TAGS.items():
        for ln, l4 in l4_variants():
            ports, new = "tp_src=ffff tp_dst=0", with_ports(l4, 65535, 0)
            if ln == "udpzero" and tn != "untagged":
                continue
            yield f"v4_{ln}_{tn}", e(*tags) / v4() / l4, sets4 + " " + ports, e(*tags) / v4(**new4) / new
            after = e(*tags) / v4(dst="198.51.100.1") / l4
            yield f"v4_{ln}_{tn}_addr", e(*tags) / v4() / l4, "ipv4_dst=c6336401", after
            if ln == "udpzero":
                continue
            yield f"v6_{ln}_{tn}", e(*tags) / v6() / l4, sets6 + " " + ports, e(*tags) / v6(**new6) / new
        echo4, echo6 = ICMP(type=8, id=1, seq=2) / b"ping", ICMPv6EchoRequest(id=1, seq=2, data=b"ping")
        yield f"v4_icmp_{tn}", e(*tags) / v4() / echo4, sets4, e(*tags) / v4(**new4) / echo4
        yield f"v6_icmp_{tn}", e(*tags) / v6() / echo6, sets6, e(*tags) / v6(**new6) / echo6
        yield f"macs_{tn}", e(*tags) / v4() / UDP(), "eth_src=020202020202 eth_dst=030303030303", \
            e(*tags, src="02:02:02:02:02:02", dst="03:03:03:03:03:03") / v4() / UDP()
    yield "icmp_type", e() / v4() / ICMP(type=8, code=0, id=1, seq=2) / b"ping", "tp_src=0 tp_dst=1", \
        e() / v4() / ICMP(type=0, code=1, id=1, seq=2) / b"ping"
    yield "arp", e() / ARP(op=1, hwsrc=A, psrc="10.0.0.1", pdst="10.0.0.2"), \
        "ip_proto=2 ipv4_src=0a000009 ipv4_dst=0a000008 arp_sha=020202020202 arp_tha=030303030303", \
        e() / ARP(op=2, hwsrc="02:02:02:02:02:02", hwdst="03:03:03:03:03:03", psrc="10.0.0.9", pdst="10.0.0.8")
    body = v4() / UDP(sport=1, dport=2) / b"x"
    q, ad = Dot1Q(vlan=100, prio=5), Dot1AD(vlan=100, prio=5)
    yield "push_8100", e() / body, "push=8100", e(Dot1Q(vlan=0)) / body
    yield "push_88a8_copies", e(q) / body, "push=88a8", e(ad, q) / body
    yield "push_and_set", e() / body, "push=8100 vlan_tci=7064", e(Dot1Q(vlan=100, prio=3)) / body
    yield "push_twice", e() / body, "push=8100 vlan_tci=7064 push=88a8", e(Dot1AD(vlan=100, prio=3),
                                                                        Dot1Q(vlan=100, prio=3)) / body
    yield "set_vid_untagged", e() / body, "vlan_tci=1064", e(Dot1Q(vlan=100)) / body
    yield "set_vid_keeps_dei", e(Dot1Q(vlan=1, id=1)) / body, "vlan_tci=1064", e(Dot1Q(vlan=100, id=1)) / body
    yield "set_outer_of_two", e(Dot1AD(vlan=1), Dot1Q(vlan=2)) / body, "vlan_tci=b064", e(Dot1AD(vlan=100, prio=5),
                                                                                      Dot1Q(vlan=2)) / body
    yield "set_inner_of_two", e(Dot1AD(vlan=1), Dot1Q(vlan=2)) / body, "vlan_tci2=b064", e(Dot1AD(vlan=1),
                                                                                       Dot1Q(vlan=100, prio=5)) / body
    yield "pop", e(q) / body, "pop", e() / body
    yield "pop_outer", e(Dot1AD(vlan=1), Dot1Q(vlan=2, id=1)) / body, "pop", e(Dot1Q(vlan=2, id=1)) / body
    yield "pop_both", e(Dot1AD(vlan=1), q) / body, "pop pop", e() / body
    yield "pop_untagged", e() / body, "pop", e() / body
    yield "pop_push", e(q) / body, "pop push=88a8", e(Dot1AD(vlan=0)) / body
    yield "pop_pop_push", e(Dot1AD(vlan=1), q) / body, "pop pop push=8100 vlan_tci=1009", e(Dot1Q(vlan=9)) / body
    yield "push_rewrite_pop", e(q) / body, "push=8100 ip_ttl=9 tp_dst=9 pop pop", e() / v4(ttl=9) / UDP(
        sport=1, dport=9) / b"x"
    yield "push_snat", e() / body, "push=8100 ipv4_src=01010101", e(Dot1Q(vlan=0)) / v4(src="1.1.1.1") / UDP(
        sport=1, dport=2) / b"x"
    yield "dec_ttl_4", e() / body, "dec_ttl", e() / v4(ttl=62) / UDP(sport=1, dport=2) / b"x"
    yield "dec_ttl_6", e() / v6() / UDP() / b"x", "dec_ttl dec_ttl", e() / v6(hlim=59) / UDP() / b"x"
    yield "dec_ttl_arp", e() / ARP(), "dec_ttl", e() / ARP()
    tcp = TCP(sport=7, dport=8, flags="A") / (b"z" * 5)
    for name in ("hbh", "dst", "rh", "rhleft", "atomic"):
        p = e() / v6() / EXT[name] / tcp
        yield f"v6_{name}_dst", p, "ipv6_dst=20010db8000000000000000000000099 tp_dst=9", \
            e() / v6(dst="2001:db8::99") / EXT[name] / with_ports(tcp, 7, 9)
        yield f"v6_{name}_src", p, "ipv6_src=20010db8000000000000000000000099", e() / v6(
            src="2001:db8::99") / EXT[name] / tcp
    nd = ns() / ICMPv6NDOptSrcLLAddr(lladdr=A)
    yield "nd_addresses", e() / v6() / nd, "ipv6_src=fe800000000000000000000000000009", e() / v6(src="fe80::9") / nd
    opt = [IPOption(b"\x94\x04\0\0")]
    yield "ipv4_options", e() / v4(options=opt) / tcp, "ipv4_src=7f000001 tp_src=1", e() / v4(
        options=opt, src="127.0.0.1") / with_ports(tcp, 1, 8)
    later = v4(frag=5, proto=6) / Raw(b"\0\7\0\x08 looks like TCP, is not")
    later2 = v4(frag=5, proto=6, src="127.0.0.1") / Raw(b"\0\7\0\x08 looks like TCP, is not")
    yield "later_fragment", e() / later, "ipv4_src=7f000001 tp_src=1", e() / later2


# What tests/fuzz/fuzz_parse.c reads: bytes beyond the window, number of actions, actions, frame.

def seed_action(word, value, mask=2**64 - 1):
    return struct.pack("<BBQQx", 7, word, value, mask)


SEED_ACTIONS = {
    "pop": struct.pack("<B18x", 1),
    "push_push": struct.pack("<BB17x", 0, 1) + struct.pack("<B18x", 0),
    "ports_ttl": seed_action(2, 0x1234567800000000, 0xffffffff00000000) + struct.pack("<B18x", 2),
    "ipv4": seed_action(1, 0x0a0000010a000002),
    "ipv6_dst": seed_action(8, 0x1111222233334444),
    "arp": seed_action(16, 0x0202020202020000) + seed_action(1, 5),
}

SEED_FRAMES = {
    "pop": ("ipv4_udp_qinq", "ipv6_tcp_dot1q"),
    "push_push": ("ipv4_sctp_untagged", "icmp_untagged", "snap_ipv4"),
    "ports_ttl": ("ipv4_sctp_qinq", "ipv4_tcpopt_untagged", "ipv6_first_tcp", "ipv4_later_fragment_empty",
                  "ipv4_vxlan_untagged"),
    "ipv4": ("ipv4_options_10", "ipv4_first_fragment", "udp_zero_checksum"),
    "ipv6_dst": ("ipv6_rhleft_tcp", "ipv6_chain", "nd_both_options", "ipv6_later_fragment", "icmpv6_untagged"),
    "arp": ("arp_reply", "rarp"),
}


def write_seeds(where, frames):
    os.makedirs(where, exist_ok=True)
    for actions, names in SEED_FRAMES.items():
        data = SEED_ACTIONS[actions]
        for name in names:
            with open(os.path.join(where, f"{name}_{actions}"), "wb") as f:
                f.write(bytes([0, len(data) // 19]) + data + frames[name])


def main():
    frames = {}
    where = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "data")
    out = Corpus(os.path.join(where, "packets.txt"), "# name | reason | key's fields, the others are 0 | frame\n")
    for name, built in good_packets():
        p = fill(built)
        frames[name] = bytes(p)
        out.line(name, "none", text(fields(p, built)), bytes(p).hex())
    for name, data, reason, f in raw_packets():
        frames[name] = data
        out.line(name, reason, text(f), data.hex())
    out = Corpus(os.path.join(where, "edits.txt"), "# name | actions on the key, in order | before | after\n")
    for name, before, actions, after in edits():
        out.line(name, actions, bytes(before).hex(), bytes(after).hex())
    write_seeds(os.path.join(where, "..", "fuzz", "corpus", "parse"), frames)


if __name__ == "__main__":
    main()
