# SPDX-License-Identifier: Apache-2.0
"""Packets from fields, by scapy: headers are right, lengths and checksums too."""

import logging
import struct

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)

from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption  # noqa: E402
from scapy.layers.inet6 import (  # noqa: E402
    ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr, ICMPv6Unknown, IPv6,
    IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting)
from scapy.layers.l2 import ARP  # noqa: E402
from scapy.layers.sctp import SCTP, SCTPChunkCookieAck  # noqa: E402
from scapy.packet import Raw  # noqa: E402

PROTOCOL = {"icmp": 1, "tcp": 6, "udp": 17, "gre": 47, "icmp6": 58, "ospf": 89, "sctp": 132}


def mac(value):
    return ":".join(f"{b:02x}" for b in value.to_bytes(6, "big"))


def ipv4(value):
    return ".".join(str(b) for b in value.to_bytes(4, "big"))


def ipv6(value):
    return ":".join(f"{value >> s & 0xffff:x}" for s in range(112, -1, -16))


def layer4(p, payload):
    kind = p["l4"]
    if kind == "tcp":
        return TCP(sport=p["tp_src"], dport=p["tp_dst"], flags=p["tcp_flags"] & 0x1FF,
                   reserved=p["tcp_flags"] >> 9 & 7) / payload
    if kind == "udp":
        udp = UDP(sport=p["tp_src"], dport=p["tp_dst"])
        if p.get("no_checksum"):
            udp.chksum = 0
        return udp / payload
    if kind == "sctp":
        return SCTP(sport=p["tp_src"], dport=p["tp_dst"], tag=1) / SCTPChunkCookieAck()
    if kind == "icmp":
        return ICMP(type=p["icmp_type"], code=p["icmp_code"], id=0, seq=0) / payload
    if kind == "icmp6" and p.get("nd"):
        if p["icmp_type"] == 135:
            return (ICMPv6ND_NS(tgt=ipv6(p["nd_target"])) /
                    ICMPv6NDOptSrcLLAddr(lladdr=mac(p["nd_sll"])))
        return (ICMPv6ND_NA(tgt=ipv6(p["nd_target"])) /
                ICMPv6NDOptDstLLAddr(lladdr=mac(p["nd_tll"])))
    if kind == "icmp6":
        return ICMPv6Unknown(type=p["icmp_type"], code=p["icmp_code"],
                             msgbody=bytes(4) + bytes(payload))
    return payload


def layer3_ipv4(p, payload):
    frag = {"no": (0, "DF"), "first": (0, "MF"), "later": (185, 0)}[p["ip_frag"]]
    options = [IPOption(bytes([1] * 4 * p["options"]))] if p["options"] else []
    header = IP(src=ipv4(p["nw_src"]), dst=ipv4(p["nw_dst"]), tos=p["tos"], ttl=p["nw_ttl"], id=7,
                frag=frag[0], flags=frag[1], proto=PROTOCOL[p["l4"]], options=options)
    if p["ip_frag"] == "later":
        return header / payload
    return header / layer4(p, payload)


def layer3_ipv6(p, payload):
    header = IPv6(src=ipv6(p["ipv6_src"]), dst=ipv6(p["ipv6_dst"]), tc=p["tos"],
                  hlim=p["nw_ttl"], fl=p["ipv6_label"])
    if p["options"] & 1:
        header /= IPv6ExtHdrHopByHop()
    if p["options"] & 2:
        header /= IPv6ExtHdrDestOpt()
    if p["routed"]:
        header /= IPv6ExtHdrRouting(addresses=[ipv6(p["nd_target"])], segleft=1)
    if p["ip_frag"] == "no":
        rest = layer4(p, payload)
        if p["l4"] in ("gre", "ospf"):
            header.lastlayer().nh = PROTOCOL[p["l4"]]
        return header / rest
    more, offset = (1, 0) if p["ip_frag"] == "first" else (0, 185)
    fragment = IPv6ExtHdrFragment(nh=PROTOCOL[p["l4"]], m=more, offset=offset, id=9)
    if offset:
        return header / fragment / payload
    # scapy sums what is behind a fragment header as if it were whole, as its sender did
    return header / fragment / layer4(p, payload)


def layer3_arp(p):
    return ARP(op=p["arp_op"], hwsrc=mac(p["arp_sha"]), hwdst=mac(p["arp_tha"]),
               psrc=ipv4(p["nw_src"]), pdst=ipv4(p["nw_dst"]))


def compose(p, tail):
    """The bytes of the packet whose fields p has; they end with `tail`."""
    payload = Raw(p["payload"])
    if p["l3"] == "ip":
        body = bytes(layer3_ipv4(p, payload))
    elif p["l3"] == "ipv6":
        body = bytes(layer3_ipv6(p, payload))
    elif p["l3"] in ("arp", "rarp"):
        body = bytes(layer3_arp(p))
    else:
        body = p["payload"]
    frame = p["dl_dst"].to_bytes(6, "big") + p["dl_src"].to_bytes(6, "big")
    for tpid, tci in p["tags"]:
        frame += struct.pack(">HH", tpid, tci)
    kind = p["dl_type"]
    if p.get("snap") and kind >= 0x600:
        body = struct.pack(">3s3sH", b"\xaa\xaa\x03", bytes(3), kind) + body
        kind = min(len(body), 1500)
    elif kind < 0x600:  # 802.3: a length, and LLC that is no SNAP
        body = b"\x42\x42\x03" + body
        kind = len(body)
    frame += struct.pack(">H", kind) + body
    return frame + bytes(max(0, 60 - len(tail) - len(frame))) + tail
