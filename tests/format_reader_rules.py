# SPDX-License-Identifier: Apache-2.0
"""For format_reader.py: retries, what the program of a rule does, and a rule in the syntax of ovs-ofctl. Fields, ops
and their places are those of docs/format.md; how they are spelled is taken from what `cxltab dump-flows` prints."""
import socket
import time


class Wrong(Exception):
    """The slice isn't what the document says."""


class Again(Exception):
    """Something moved, or looks as if it had; what is still there after enough tries is Wrong."""


class Punt(Exception):
    """The device can't tell: the host decides."""


def steady(attempt, *args, tries=8):
    """The result of the first attempt during which nothing moved"""
    for turn in range(tries):
        try:
            return attempt(*args)
        except Again:
            if turn == tries - 1:
                raise
            time.sleep(0.001 if turn > 8 else 0)


FIELDS = (("in_port", 0, 32, 32), ("eth_type", 0, 16, 16), ("ip_proto", 0, 8, 8), ("ip_frag", 0, 0, 8),
          ("ipv4_src", 1, 32, 32), ("ipv4_dst", 1, 0, 32), ("tp_src", 2, 48, 16), ("tp_dst", 2, 32, 16),
          ("tcp_flags", 2, 16, 16), ("ip_tos", 2, 8, 8), ("ip_ttl", 2, 0, 8), ("eth_dst", 3, 16, 48),
          ("vlan_tci", 3, 0, 16), ("eth_src", 4, 16, 48), ("vlan_tci2", 4, 0, 16), ("ipv6_src", 5, 0, 128),
          ("ipv6_dst", 7, 0, 128), ("metadata", 9, 0, 64), ("tun_id", 10, 0, 64), ("reg0", 11, 32, 32),
          ("reg1", 11, 0, 32), ("reg2", 12, 32, 32), ("reg3", 12, 0, 32), ("ipv6_label", 13, 32, 32),
          ("vxlan_vni", 13, 0, 32), ("nd_target", 14, 0, 128), ("arp_sha", 16, 16, 48), ("vlan_tpid", 16, 0, 16),
          ("arp_tha", 17, 16, 48), ("vlan_tpid2", 17, 0, 16))
PLACE = {name: (word, shift, width) for name, word, shift, width in FIELDS}
PROTOCOLS = {0x800: {0: "ip", 6: "tcp", 17: "udp", 132: "sctp", 1: "icmp"}, 0x806: {0: "arp"}, 0x8035: {0: "rarp"},
             0x86dd: {0: "ipv6", 6: "tcp6", 17: "udp6", 132: "sctp6", 58: "icmp6"}}
FLAGS = "fin syn rst psh ack urg ece cwr ns [200] [400] [800]".split()
FRAGS = {(0, 3): "no", (1, 3): "first", (3, 3): "later", (1, 1): "yes", (0, 2): "not_later"}


def number(value, mask, width):
    """Decimal if exact"""
    return f"{value}" if mask == (1 << width) - 1 else f"{value:#x}/{mask:#x}"


def hexadecimal(value, mask, width):
    return (f"{value:#x}" if value else "0") + ("" if mask == (1 << width) - 1 else f"/{mask:#x}")


def label(value, mask, width):
    return f"0x{value:05x}" if mask & 0xfffff == 0xfffff else hexadecimal(value, mask, width)


def mac(value, mask, width):
    text = value.to_bytes(6, "big").hex(":")
    return text if mask == (1 << width) - 1 else text + "/" + mask.to_bytes(6, "big").hex(":")


def address(value, mask, width):
    """IPv4 or IPv6"""
    family = socket.AF_INET if width == 32 else socket.AF_INET6
    text = socket.inet_ntop(family, value.to_bytes(width // 8, "big"))
    ones = bin(mask).count("1")
    if ones == width:
        return text
    prefix = mask == (1 << width) - (1 << (width - ones))
    return f"{text}/{ones if prefix else socket.inet_ntop(family, mask.to_bytes(width // 8, 'big'))}"


def flags(value, mask, _):
    if mask & 0xfff == 0xfff:
        return "|".join(name for i, name in enumerate(FLAGS) if value >> i & 1) or "0"
    return "".join("-+"[value >> i & 1] + name for i, name in enumerate(FLAGS) if mask >> i & 1)


def vlan(value, mask):
    if value & mask & 0x1000 and mask in (0xffff, 0x1fff, 0xf000):
        return [f"dl_vlan={value & 0xfff}"] * (mask & 1) + [f"dl_vlan_pcp={value >> 13}"] * (mask >> 15)
    return [f"vlan_tci=0x{value:04x}" + ("" if mask == 0xffff and not value else f"/0x{mask:04x}")]


def field(words, name):
    word, shift, width = PLACE[name]
    if width == 128:
        return words[word] << 64 | words[word + 1]
    return words[word] >> shift & ((1 << width) - 1)


def match_text(key, masks):
    def exact(name):
        return field(key, name) if field(masks, name) == (1 << PLACE[name][2]) - 1 else None

    out, eth_type, ip_proto = [], exact("eth_type"), exact("ip_proto")
    names = PROTOCOLS.get(eth_type, {})
    is_arp = eth_type in (0x806, 0x8035)
    proto = names.get(0 if ip_proto is None or is_arp else ip_proto or 256)
    icmp, neighbour = proto in ("icmp", "icmp6"), proto == "icmp6"
    if names:
        out.append(proto or names[0])

    def put(name, text, form, part=None):
        width = PLACE[name][2]
        mask = field(masks, name) if part is None else field(masks, name) & part
        if mask:
            if part is not None and mask == part:
                mask = (1 << width) - 1
            value = field(key, name) if part is None else field(key, name) & part
            out.append(f"{text}={form(value, mask, width)}")

    for name in ("reg0", "reg1", "reg2", "reg3", "tun_id", "metadata"):
        put(name, name, hexadecimal)
    put("in_port", "in_port", number)
    if field(masks, "vlan_tci"):
        out += vlan(field(key, "vlan_tci"), field(masks, "vlan_tci"))
    for name in ("vlan_tpid", "vlan_tci2", "vlan_tpid2"):
        put(name, name, hexadecimal)
    put("eth_src", "dl_src", mac)
    put("eth_dst", "dl_dst", mac)
    if not names:
        put("eth_type", "dl_type", lambda value, mask, width: f"0x{value:04x}")
    put("ipv4_src", "arp_spa" if is_arp else "nw_src", address)
    put("ipv4_dst", "arp_tpa" if is_arp else "nw_dst", address)
    put("ipv6_src", "ipv6_src", address)
    put("ipv6_dst", "ipv6_dst", address)
    put("ipv6_label", "ipv6_label", label)
    if is_arp or not proto or proto == names.get(0):
        put("ip_proto", "arp_op" if is_arp else "nw_proto", number)
    if not neighbour:
        put("arp_sha", "arp_sha", mac)
        put("arp_tha", "arp_tha", mac)
    put("ip_tos", "nw_tos", number, 0xfc)
    put("ip_tos", "nw_ecn", number, 3)
    put("ip_ttl", "nw_ttl", number)
    if field(masks, "ip_frag"):
        out.append("nw_frag=" + FRAGS[field(key, "ip_frag"), field(masks, "ip_frag")])
    put("tp_src", "icmp_type" if icmp else "tp_src", number)
    put("tp_dst", "icmp_code" if icmp else "tp_dst", number)
    put("tcp_flags", "tcp_flags", flags)
    put("vxlan_vni", "vxlan_vni", number)
    put("nd_target", "nd_target", address)
    if neighbour:
        put("arp_sha", "nd_sll", mac)
        put("arp_tha", "nd_tll", mac)
    return out


def set_text(name, value, mask, arg):
    """set_field: value and mask of the field"""
    width = PLACE[name][2]
    full = mask == (1 << width) - 1
    short = {"ipv4_src": "nw_src", "ipv4_dst": "nw_dst", "eth_src": "dl_src", "eth_dst": "dl_dst", "tp_src": "tp_src",
             "tp_dst": "tp_dst", "ip_ttl": "nw_ttl"}
    forms = {"ipv4_src": address, "ipv4_dst": address, "ipv6_src": address, "ipv6_dst": address, "eth_src": mac,
             "eth_dst": mac, "ip_ttl": number}
    form = forms.get(name, hexadecimal)
    if name == "ip_tos" and mask in (0xfc, 3):
        return f"mod_nw_{'tos' if mask == 0xfc else 'ecn'}:{value}"
    if name == "vlan_tci":
        if mask == 0x1fff:
            return f"mod_vlan_vid:{value & 0xfff}"
        return f"mod_vlan_pcp:{value >> 13}" if mask == 0xf000 else f"set_field:{value}/{mask:#x}->vlan_vid"
    if name == "metadata" and arg & 1:
        return "write_metadata:" + form(value, mask, width)
    if name in ("tp_src", "tp_dst"):
        return f"mod_{name}:{value}" if full else f"set_field:{value}/{mask:#x}->{name}"
    if full and name in short:
        return f"mod_{short[name]}:{form(value, mask, width)}"
    if name == "ipv6_label" and mask & 0xfffff == 0xfffff:
        return f"set_field:{value:#x}->ipv6_label"
    return f"set_field:{form(value, mask, width)}->{name.replace('ipv4', 'ip')}"


def actions_text(prog):
    plain = {2: "IN_PORT", 3: "FLOOD", 4: "ALL", 6: "LOCAL", 9: "strip_vlan", 10: "dec_ttl", 12: "punt"}
    out, i = [], 0
    while i < len(prog):
        op, number_of, aux, arg = prog[i] >> 56, prog[i] >> 48 & 255, prog[i] >> 32 & 0xffff, prog[i] & 0xffffffff
        if op == 7:
            name, word, shift, width = FIELDS[number_of]
            value, mask = prog[i + 1], prog[i + 2]
            if width == 128:
                low = prog[i + 3:i + 6]
                both = aux == word and len(low) == 3 and low[0] == prog[i] + (1 << 32)
                if aux == word:
                    value, mask = (value << 64, mask << 64) if not both else (value << 64 | low[1], mask << 64 | low[2])
                i += 3 * both
            out.append(set_text(name, value >> shift, mask >> shift, arg))
            i += 2
        elif op == 8:
            out.append(f"push_vlan:0x{aux:04x}")
        elif op in plain:
            out.append(plain[op])
        else:
            out.append({1: f"output:{arg}", 5: f"CONTROLLER:{aux}", 11: f"goto_table:{arg}"}[op])
        i += 1
    return ",".join(out) or "drop"


def flow_text(table, rule):
    key, masks = [0] * 18, [0] * 18
    for i, value, mask in zip(rule.tup.idx, rule.key, rule.tup.mask):
        key[i], masks[i] = value, mask
    match = [f"priority={rule.prio}"] * (rule.prio != 32768) + match_text(key, masks)
    return f" cookie={rule.cookie:#x}, table={table}, {','.join(match)}{' ' if match else ''}" \
           f"actions={actions_text(rule.prog)}"


def run(rule, words, profile):
    """What a program does to the key, and the table it goes to or None. profile: of a device"""
    i = 0
    while i < len(rule.prog):
        word = rule.prog[i]
        op, aux, i = word >> 56, word >> 32 & 0xffff, i + 1
        if profile and (op == 7 and not profile[0] >> (word >> 48 & 255) & 1 or not profile[1] >> op & 1):
            raise Punt
        if op == 7:
            value, mask = rule.prog[i:i + 2]
            words[aux], i = words[aux] & ~mask | value & mask, i + 2
        elif op == 8:
            if words[4] & 0x1000:
                if profile:
                    raise Punt
                return None
            for outer, inner, new in (3, 4, words[3] & 0xffff | 0x1000), (16, 17, aux):
                words[inner] = words[inner] & ~0xffff | words[outer] & 0xffff
                words[outer] = words[outer] & ~0xffff | new
        elif op == 9:
            for outer, inner in (3, 4), (16, 17):
                words[outer] = words[outer] & ~0xffff | words[inner] & 0xffff
                words[inner] &= ~0xffff
        elif op == 10:
            if words[2] & 255 <= 1:
                return None
            words[2] -= 1
        elif op == 11:
            return word & 0xffffffff
        elif op == 12:
            raise Punt
        elif not 1 <= op <= 6:
            raise Wrong(f"no op {op}")
    return None
