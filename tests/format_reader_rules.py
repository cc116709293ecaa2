# SPDX-License-Identifier: Apache-2.0
"""For format_reader.py: a rule in the syntax of ovs-ofctl. Fields, ops and their places are those of docs/format.md;
how they are spelled is taken from what `cxltab dump-flows` prints."""
import socket

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

# Forms: value, mask and bits of a field as text; a full mask isn't shown.
def number(value, mask, width):
    return f"{value}" if mask == (1 << width) - 1 else f"{value:#x}/{mask:#x}"

def hexadecimal(value, mask, width):
    return (f"{value:#x}" if value else "0") + ("" if mask == (1 << width) - 1 else f"/{mask:#x}")

def label(value, mask, width):
    return f"0x{value:05x}" if mask & 0xfffff == 0xfffff else hexadecimal(value, mask, width)

def mac(value, mask, width):
    text = value.to_bytes(6, "big").hex(":")
    return text if mask == (1 << width) - 1 else text + "/" + mask.to_bytes(6, "big").hex(":")

def address(value, mask, width):
    def text(bits):
        return socket.inet_ntop(socket.AF_INET if width == 32 else socket.AF_INET6, bits.to_bytes(width // 8, "big"))
    ones = bin(mask).count("1")
    if ones == width:
        return text(value)
    return f"{text(value)}/{ones if mask == (1 << width) - (1 << (width - ones)) else text(mask)}"

def flags(value, mask, _):
    if mask & 0xfff == 0xfff:
        return "|".join(name for i, name in enumerate(FLAGS) if value >> i & 1) or "0"
    return "".join("-+"[value >> i & 1] + name for i, name in enumerate(FLAGS) if mask >> i & 1)

def vlan(value, mask):
    if value & mask & 0x1000 and mask in (0xffff, 0x1fff, 0xf000):
        return [f"dl_vlan={value & 0xfff}"] * (mask & 1) + [f"dl_vlan_pcp={value >> 13}"] * (mask >> 15)
    return [f"vlan_tci=0x{value:04x}" + ("" if mask == 0xffff and not value else f"/0x{mask:04x}")]

def match_text(key, masks):
    def field(words, name):
        word, shift, width = PLACE[name]
        return words[word] << 64 | words[word + 1] if width == 128 else words[word] >> shift & ((1 << width) - 1)

    def exact(name):
        return field(key, name) if field(masks, name) == (1 << PLACE[name][2]) - 1 else None

    eth_type, ip_proto, names = exact("eth_type"), exact("ip_proto"), PROTOCOLS.get(exact("eth_type"), {})
    arp = eth_type in (0x806, 0x8035)
    proto = names.get(0 if ip_proto is None or arp else ip_proto or 256)
    icmp, neighbour = proto in ("icmp", "icmp6"), proto == "icmp6"
    out = [proto or names[0]] if names else []
    for name, text, form in (  # in the order that they are shown in; without text they aren't
            *((name, name, hexadecimal) for name in ("reg0", "reg1", "reg2", "reg3", "tun_id", "metadata")),
            ("in_port", "in_port", number), ("vlan_tci", "vlan_tci", vlan), ("vlan_tpid", "vlan_tpid", hexadecimal),
            ("vlan_tci2", "vlan_tci2", hexadecimal), ("vlan_tpid2", "vlan_tpid2", hexadecimal),
            ("eth_src", "dl_src", mac), ("eth_dst", "dl_dst", mac),
            ("eth_type", "" if names else "dl_type", lambda value, mask, width: f"0x{value:04x}"),
            ("ipv4_src", "arp_spa" if arp else "nw_src", address),
            ("ipv4_dst", "arp_tpa" if arp else "nw_dst", address), ("ipv6_src", "ipv6_src", address),
            ("ipv6_dst", "ipv6_dst", address), ("ipv6_label", "ipv6_label", label),
            ("ip_proto", "arp_op" if arp else "nw_proto" if proto in (None, names.get(0)) else "", number),
            ("arp_sha", "" if neighbour else "arp_sha", mac), ("arp_tha", "" if neighbour else "arp_tha", mac),
            ("ip_tos", "nw_tos", number), ("ip_tos", "nw_ecn", number), ("ip_ttl", "nw_ttl", number),
            ("ip_frag", "nw_frag", lambda value, mask, width: FRAGS[value, mask]),
            ("tp_src", "icmp_type" if icmp else "tp_src", number),
            ("tp_dst", "icmp_code" if icmp else "tp_dst", number), ("tcp_flags", "tcp_flags", flags),
            ("vxlan_vni", "vxlan_vni", number), ("nd_target", "nd_target", address),
            ("arp_sha", "nd_sll" if neighbour else "", mac), ("arp_tha", "nd_tll" if neighbour else "", mac)):
        full = (1 << PLACE[name][2]) - 1
        part = {"nw_tos": 0xfc, "nw_ecn": 3}.get(text, full)
        value, mask = field(key, name) & part, field(masks, name) & part
        if mask and form is vlan:
            out += vlan(value, mask)
        elif mask and text:
            out.append(f"{text}={form(value, full if mask == part else mask, PLACE[name][2])}")
    return out

def set_text(name, value, mask, arg):
    width, full = PLACE[name][2], mask == (1 << PLACE[name][2]) - 1
    short = {"ipv4_src": "nw_src", "ipv4_dst": "nw_dst", "eth_src": "dl_src", "eth_dst": "dl_dst", "ip_ttl": "nw_ttl"}
    form = {"ipv4": address, "ipv6": address, "eth_": mac, "ip_t": number}.get(name[:4], hexadecimal)
    if name == "ip_tos" and mask in (0xfc, 3):
        return f"mod_nw_{'tos' if mask == 0xfc else 'ecn'}:{value}"
    if name == "vlan_tci":
        other = f"mod_vlan_pcp:{value >> 13}" if mask == 0xf000 else f"set_field:{value}/{mask:#x}->vlan_vid"
        return f"mod_vlan_vid:{value & 0xfff}" if mask == 0x1fff else other
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
        else:
            out.append(plain.get(op) or {1: f"output:{arg}", 5: f"CONTROLLER:{aux}", 8: f"push_vlan:0x{aux:04x}",
                                         11: f"goto_table:{arg}"}[op])
        i += 1
    return ",".join(out) or "drop"

def flow_text(table, rule):
    key, masks = [0] * 18, [0] * 18
    for i, value, mask in zip(rule.tup.idx, rule.key, rule.tup.mask):
        key[i], masks[i] = value, mask
    match = [f"priority={rule.prio}"] * (rule.prio != 32768) + match_text(key, masks)
    return f" cookie={rule.cookie:#x}, table={table}, {','.join(match)}{' ' if match else ''}" \
           f"actions={actions_text(rule.prog)}"
