# SPDX-License-Identifier: Apache-2.0
"""Flow tables in ovs-ofctl's syntax, and packets that meet them.

Only what both switches define alike is generated; docs/design.md says where they differ on purpose:
  - priorities in a table are distinct (ties are undefined)
  - push_vlan only where the match says that there is no tag (PCP and VID of the new one)
  - mod_vlan_vid and mod_vlan_pcp, where the match leaves open whether there is a tag, only in
    OpenFlow 1.0: for later versions ovs-ofctl makes them a push and a set_field
  - no DEI bit, no third tag, no malformed header
  - a later fragment is of a protocol whose header nobody rewrites, nor a first one's SCTP ports
  - ipv6_src isn't rewritten where a routing header has segments left: Open vSwitch then leaves the
    checksum behind as it was
  - copies to the controller and to the bridge's own device aren't looked at, those beside them are
Every packet is made for a rule: its fields are the rule's where the rule asks, else from the same
pools of a few values that rules have theirs from.
"""

import packets

PORTS = list(range(1, 9))
TABLES = [0, 1, 2, 5, 20]
L3 = {"ip": 0x0800, "icmp": 0x0800, "tcp": 0x0800, "udp": 0x0800, "sctp": 0x0800, "ipv6": 0x86DD,
      "icmp6": 0x86DD, "tcp6": 0x86DD, "udp6": 0x86DD, "sctp6": 0x86DD, "arp": 0x0806,
      "rarp": 0x8035}
IP4, IP6 = "ip icmp tcp udp sctp".split(), "ipv6 icmp6 tcp6 udp6 sctp6".split()
PORTED = "tcp udp sctp tcp6 udp6 sctp6".split()
WIDTH = {"dl_src": 48, "dl_dst": 48, "nw_src": 32, "nw_dst": 32, "ipv6_src": 128, "ipv6_dst": 128,
         "ipv6_label": 20, "tp_src": 16, "tp_dst": 16, "tcp_flags": 12, "arp_sha": 48,
         "arp_tha": 48, "nd_target": 128, "nd_sll": 48, "nd_tll": 48, "metadata": 64, "reg0": 32,
         "reg1": 32, "reg2": 32, "reg3": 32, "xreg0": 64, "xreg1": 64, "tun_id": 64}
OWN = ["metadata", "reg0", "reg1", "reg2", "reg3", "xreg0", "xreg1", "tun_id"]


def text_of(field, value):
    if field.startswith(("dl_", "arp_sha", "arp_tha", "nd_sll", "nd_tll")):
        return packets.mac(value)
    if field.startswith(("ipv6_src", "ipv6_dst", "nd_target")):
        return packets.ipv6(value)
    if field in ("nw_src", "nw_dst", "arp_spa", "arp_tpa"):
        return packets.ipv4(value)
    return f"{value:#x}" if field in ("tcp_flags", *OWN) else str(value)


class Rule:
    def __init__(self, table, priority, cookie):
        self.table, self.priority, self.cookie = table, priority, cookie
        self.kind = ""  # shorthand of the match, "" is everything
        self.words = []  # of the match's text
        self.want = {}  # field: (value, mask)
        self.tags = None  # what the match says: None, [], or (TCI, its mask) of the outer tag
        self.actions = []

    def text(self):
        match = ",".join([f"table={self.table},priority={self.priority}", *self.words])
        return f"{match},cookie={self.cookie:#x},actions={','.join(self.actions) or 'drop'}"


class Generator:
    def __init__(self, rng):
        self.rng = rng
        self.version = rng.choice([10, 15])  # of OpenFlow that the flows are loaded with
        self.tables = TABLES[: rng.randint(1, len(TABLES))]
        self.pool = {f: [self.fresh(f) for _ in range(3)] for f in WIDTH}
        self.vids = [rng.randint(1, 4094) for _ in range(3)]
        self.templates = [self.template() for _ in range(rng.randint(3, 10))]

    def one_in(self, n):
        return self.rng.randrange(n) == 0

    def fresh(self, field):
        bits = self.rng.getrandbits(WIDTH[field])
        if field in OWN:
            return self.rng.randint(0, 3) if self.rng.randrange(2) else bits
        if field.startswith(("dl_", "arp_", "nd_sll", "nd_tll")):
            return bits & 0xFEFFFFFFFFFF | 0x020000000000
        if field in ("nw_src", "nw_dst"):
            return 0x0A000000 | bits & 0x1FF
        if field in ("ipv6_src", "ipv6_dst", "nd_target"):
            return 0x20010DB8 << 96 | bits & 0x3FFFF
        if field in ("tp_src", "tp_dst"):
            return self.rng.choice([80, 443, 53, bits, bits])
        return bits

    def value(self, field):
        return self.rng.choice(self.pool[field])

    def mask(self, field):
        full = (1 << WIDTH[field]) - 1
        how = self.rng.randrange(8)
        if how == 0:
            return self.rng.getrandbits(WIDTH[field]) or full
        if how <= 2:
            return full & ~((1 << self.rng.randrange(WIDTH[field])) - 1)
        return full

    def set_mask(self, field):
        """For OpenFlow 1.0 ovs-ofctl loses the mask of fields that mod_* knows."""
        known = field in ("dl_src", "dl_dst", "nw_src", "nw_dst", "tp_src", "tp_dst")
        return (1 << WIDTH[field]) - 1 if known and self.version == 10 else self.mask(field)

    # ---- Matches ----

    def fields_of(self, kind):
        fields = ["dl_src", "dl_dst", "in_port", "vlan"] + self.rng.sample(OWN, 1)
        if kind in IP4:
            fields += ["nw_src", "nw_dst", "nw_dst"]
        if kind in IP6:
            fields += ["ipv6_src", "ipv6_dst", "ipv6_label"]
        if kind in IP4 or kind in IP6:
            fields += ["tos", "nw_ttl", "ip_frag", "ip_frag"]
        if kind in ("ip", "ipv6"):
            fields += ["nw_proto"]
        if kind in PORTED:
            fields += ["tp_src", "tp_dst", "tp_dst"]
        if kind in ("tcp", "tcp6"):
            fields += ["tcp_flags"]
        if kind == "icmp":
            fields += ["icmp"]
        if kind == "icmp6":
            fields += ["icmp", "nd", "nd", "nd", "nd"]
        if kind in ("arp", "rarp"):
            fields += ["arp_spa", "arp_tpa", "arp_op", "arp_sha", "arp_tha"]
        return fields

    def template(self):
        """A kind, and the fields that rules of this template match on, with masks."""
        kind = self.rng.choice(["", "other", "arp", "rarp", "icmp6", *IP4, *IP4, *IP6, *IP6])
        fields = set(self.rng.sample(self.fields_of(kind), self.rng.randint(0, 3)))
        if "nd" in fields:
            fields.discard("icmp")
        masks = {f: self.mask(f) for f in sorted(fields) if f in WIDTH}
        return kind, sorted(fields), masks

    def add_match(self, rule, field, masks):
        rng = self.rng
        adder = getattr(self, f"match_{field}", None)
        if adder:
            adder(rule)
            return
        pooled = {"arp_spa": "nw_src", "arp_tpa": "nw_dst"}.get(field, field)
        mask = masks.get(field, (1 << WIDTH[pooled]) - 1)
        value = self.value(pooled) & mask
        rule.want[pooled] = (value, mask)
        name = field
        if field in ("tp_src", "tp_dst") and rng.randrange(2):
            name = rule.kind.rstrip("6") + field[2:]
        text = f"{name}={text_of(field, value)}"
        if mask != (1 << WIDTH[pooled]) - 1:
            prefix = bin(mask).count("1")
            shifted = (1 << WIDTH[pooled]) - (1 << (WIDTH[pooled] - prefix))
            if field in ("nw_src", "nw_dst", "ipv6_src", "ipv6_dst") and mask == shifted:
                text += f"/{prefix}"
            elif field in ("tp_src", "tp_dst", "tcp_flags", "ipv6_label", *OWN):
                text += f"/{mask:#x}"
            else:
                # An IPv6 mask that starts with a digit is a prefix length to ovs-ofctl.
                mask_text = text_of(field, mask)
                if ":" in mask_text and WIDTH[pooled] == 128 and mask_text[0].isdigit():
                    rule.want[pooled] = (value, 0)
                    return
                text += f"/{mask_text}"
        rule.words.append(text)

    def match_in_port(self, rule):
        port = self.rng.choice(PORTS)
        rule.want["in_port"] = (port, 0xFFFF)
        rule.words.append(f"in_port={port}")

    def match_vlan(self, rule):
        vid, pcp = self.rng.choice(self.vids), self.rng.randrange(8)
        words, tags = self.rng.choice([
            ("dl_vlan=0xffff", []), ("vlan_tci=0", []), ("vlan_tci=0x0000/0x1000", []),
            ("vlan_tci=0x1000/0x1000", (0, 0)), ("vlan_vid=0x1000/0x1000", (0, 0)),
            (f"dl_vlan={vid}", (vid, 0xFFF)), (f"vlan_vid={vid | 0x1000:#x}", (vid, 0xFFF)),
            (f"dl_vlan={vid},dl_vlan_pcp={pcp}", (vid | pcp << 13, 0xEFFF)),
            (f"dl_vlan_pcp={pcp}", (pcp << 13, 0xE000)),
            (f"vlan_tci={vid & 0xF | 0x1000:#x}/0x100f", (vid & 0xF, 0xF))])
        rule.words.append(words)
        rule.tags = tags

    def match_tos(self, rule):
        dscp, ecn = self.rng.randrange(4) * 8, self.rng.randrange(4)
        word, want = self.rng.choice([
            (f"nw_tos={dscp * 4}", (dscp * 4, 0xFC)), (f"ip_dscp={dscp}", (dscp * 4, 0xFC)),
            (f"nw_ecn={ecn}", (ecn, 3))])
        rule.words.append(word)
        rule.want["tos"] = want

    def match_nw_ttl(self, rule):
        ttl = self.rng.choice([64, 128, 255])
        rule.words.append(f"nw_ttl={ttl}")
        rule.want["nw_ttl"] = (ttl, 0xFF)

    def match_ip_frag(self, rule):
        frag = self.rng.choice(["no", "yes", "first", "not_later", "later"])
        if frag == "later" and rule.kind in PORTED:  # then ovs-ofctl refuses to set ports
            frag = "first"
        rule.words.append(f"ip_frag={frag}")
        rule.want["ip_frag"] = ({"yes": self.rng.choice(["first", "later"]),
                                 "not_later": self.rng.choice(["no", "first"])}.get(frag, frag), 0)

    def match_nw_proto(self, rule):
        name = self.rng.choice(["gre", "ospf", "tcp", "udp"])
        rule.words.append(f"nw_proto={packets.PROTOCOL[name]}")
        rule.want["l4"] = (name, 0)

    def match_icmp(self, rule):
        kind, code = self.rng.choice([0, 3, 8, 128, 129]), self.rng.randrange(2)
        rule.words.append(f"icmp_type={kind}")
        rule.want["icmp_type"] = (kind, 0xFF)
        if self.rng.randrange(2):
            rule.words.append(f"icmp_code={code}")
            rule.want["icmp_code"] = (code, 0xFF)

    def match_nd(self, rule):
        kind = self.rng.choice([135, 136])
        rule.words.append(f"icmp_type={kind},icmp_code=0")
        rule.want.update({"icmp_type": (kind, 0xFF), "icmp_code": (0, 0xFF), "nd": (True, 0)})
        for field in self.rng.sample(["nd_target", "nd_sll" if kind == 135 else "nd_tll"],
                                     self.rng.choice([0, 1, 1, 2])):
            self.add_match(rule, field, {field: self.mask(field)})

    def match_arp_op(self, rule):
        op = self.rng.randint(1, 2)
        rule.words.append(f"arp_op={op}")
        rule.want["arp_op"] = (op, 0xFF)

    # ---- Actions ----

    def action_output(self, rule):
        how = self.rng.randrange(30)
        if how < 24:
            return f"output:{self.rng.choice(PORTS)}"
        return ["in_port", "flood", "all", "output:62",  # there is no port 62
                "controller(max_len=64)", "local"][how - 24]

    def action_mac(self, rule):
        field = self.rng.choice(["dl_src", "dl_dst"])
        mask = self.set_mask(field)
        value = text_of(field, self.value(field) & mask)
        if mask == (1 << 48) - 1:
            return f"mod_{field}:{value}"
        return f"set_field:{value}/{text_of(field, mask)}->eth_{field[3:]}"

    def action_own(self, rule):
        field = self.rng.choice(OWN)
        mask = self.mask(field)
        value, whole = self.value(field) & mask, mask == (1 << WIDTH[field]) - 1
        if field == "tun_id" and whole and self.one_in(2):
            return f"set_tunnel:{value:#x}"
        if field.startswith("reg") and self.one_in(3):
            return f"load:{value & 0xff:#x}->NXM_NX_{field.upper()}[8..15]"
        return f"set_field:{value:#x}{'' if whole else f'/{mask:#x}'}->{field}"

    def action_ip(self, rule):
        if rule.kind not in IP4 and rule.kind not in IP6:
            return None
        how = self.rng.randrange(9)
        if how >= 6:
            return (f"set_field:{self.rng.randrange(64)}->ip_dscp",
                    f"set_field:{self.rng.randrange(4)}->nw_ecn",
                    f"set_field:{self.rng.choice([1, 2, 99])}->nw_ttl")[how - 6]
        if how == 0:
            return f"mod_nw_tos:{self.rng.randrange(64) * 4}"
        if how == 1:
            return f"mod_nw_ecn:{self.rng.randrange(4)}"
        if how == 2:
            return f"mod_nw_ttl:{self.rng.choice([64, 65, 200])}"
        if how == 3:
            return "dec_ttl"
        if rule.kind in IP6 and how == 4:
            return f"set_field:{self.value('ipv6_label')}->ipv6_label"
        side = self.rng.choice(["src", "dst"])
        field = f"{'nw' if rule.kind in IP4 else 'ipv6'}_{side}"
        mask = self.set_mask(field)
        value = text_of(field, self.value(field) & mask)
        if mask == (1 << WIDTH[field]) - 1:
            return (f"mod_{field}:{value}" if rule.kind in IP4 and self.rng.randrange(2)
                    else f"set_field:{value}->{field.replace('nw_', 'ip_')}")
        mask_text = text_of(field, mask)
        if rule.kind in IP6 and mask_text[0].isdigit():
            return None
        return f"set_field:{value}/{mask_text}->{field.replace('nw_', 'ip_')}"

    def action_l4(self, rule):
        if rule.kind not in PORTED:
            return None
        field = self.rng.choice(["tp_src", "tp_dst"])
        mask = self.set_mask(field)
        value = self.value(field) & mask
        if mask == 0xFFFF and self.rng.randrange(2):
            return f"mod_{field}:{value}"
        where = f"{rule.kind.rstrip('6')}{field[2:]}"
        return f"set_field:{value}{'' if mask == 0xFFFF else f'/{mask:#x}'}->{where}"

    def action_vlan(self, rule):
        """self.tagged: True, False, or None where the match leaves it open."""
        choices = []
        if self.version == 10 or self.tagged is not None:
            choices += ["mod_vlan_vid", "mod_vlan_pcp"]
        if self.tagged is False and self.version != 10:
            choices += ["push_vlan"] * 2
        if self.tagged:
            choices += ["pop_vlan", "strip_vlan", "vlan_vid", "vlan_pcp"]
        if not choices:
            return None
        how, vid, pcp = self.rng.choice(choices), self.rng.choice(self.vids), self.rng.randrange(8)
        was, self.tagged = self.tagged, True
        if how in ("pop_vlan", "strip_vlan"):
            self.tagged = None
            return how
        if how == "push_vlan":
            return f"push_vlan:{self.rng.choice(['0x8100', '0x88a8'])}"
        if how == "vlan_vid" and was:
            return f"set_field:{vid | 0x1000:#x}->vlan_vid"
        if how == "vlan_pcp" and was:
            return f"set_field:{pcp}->vlan_pcp"
        return f"{how}:{vid if how == 'mod_vlan_vid' else pcp}"

    def fill_actions(self, rule):
        self.tagged = None if rule.tags is None else rule.tags != []
        kinds = [self.action_output] * 4 + [self.action_mac, self.action_own, self.action_ip,
                                            self.action_ip, self.action_l4, self.action_vlan]
        for _ in range(self.rng.choice([0, 1, 2, 3, 4, 6, 9])):
            action = self.rng.choice(kinds)(rule)
            if action:
                rule.actions.append(action)
        above = [t for t in self.tables if t > rule.table]
        goes_on = above and self.rng.randrange(9 if rule.priority == 1 else 3)
        if not goes_on and self.rng.randrange(4):
            rule.actions.append(self.action_output(rule))
        if self.one_in(6) and self.version != 10:
            mask = self.mask("metadata")
            rule.actions.append(f"write_metadata:{self.value('metadata') & mask:#x}/{mask:#x}")
        if goes_on:
            rule.actions.append(f"goto_table:{self.rng.choice(above)}")

    def rules(self, n):
        rules, taken = [], set()
        for cookie in range(1, n + 1):
            rule = Rule(self.rng.choice(self.tables), 0, cookie)
            while (rule.table, rule.priority) in taken or not rule.priority:
                rule.priority = self.rng.randint(2, 60000)
            kind, fields, masks = self.rng.choice(self.templates)
            if cookie <= len(self.tables) and self.rng.randrange(5):
                # Whatever comes: so that packets get to the later tables.
                rule.table = self.tables[cookie - 1]
                kind, fields, rule.priority = "", [], 1
            taken.add((rule.table, rule.priority))
            rule.kind = kind
            if kind:
                rule.words.append("dl_type=0x88cc" if kind == "other" else kind)
            for field in fields:
                self.add_match(rule, field, masks)
            self.fill_actions(rule)
            rules.append(rule)
        return rules

    # ---- Packets ----

    def packet(self, rules):
        """(port, fields) of a packet that one of the rules asks for."""
        rng = self.rng
        rule = rng.choice(rules)
        kind = rule.kind
        if kind == "" or self.one_in(12):
            kind = rng.choice(["other", "llc", "arp", "rarp", *IP4, *IP6])
        if kind in ("ip", "ipv6"):
            kind = rng.choice(IP4 if kind == "ip" else IP6)
        p = {f: self.value(f) for f in WIDTH}
        p.update(in_port=rng.choice(PORTS), tos=rng.randrange(256), ip_frag="no",
                 nw_ttl=rng.choice([0, 1, 2, 64, 128, 255]), arp_op=rng.randint(1, 2), l4=kind.rstrip("6"),
                 icmp_type=rng.choice([0, 3, 8, 128, 129]), icmp_code=rng.randrange(2),
                 options=rng.randrange(4) if self.one_in(2) else 0, nd=False, routed=False,
                 no_checksum=self.one_in(3) and kind == "udp", snap=self.one_in(20),
                 payload=rng.randbytes(rng.choice([0, 1, 20, 33, 64, 300, 1200])))
        if kind == "icmp6":
            p["l4"] = "icmp6"
        if kind in ("ip", "ipv6"):
            p["l4"] = rng.choice(["gre", "ospf"])
        p["l3"] = "ip" if kind in IP4 else "ipv6" if kind in IP6 else kind
        p["dl_type"] = L3.get(kind, 0x88CC if kind == "other" else 0x100)
        if self.one_in(8):
            p["ip_frag"] = rng.choice(["first", "later"])
        for field, (value, mask) in rule.want.items():
            p[field] = p[field] & ~mask | value if mask else value
        self.make_whole(p)
        p["routed"] = self.one_in(6) and not any("ipv6_src" in a for r in rules for a in r.actions)
        p["tags"] = self.tags_for(rule)
        return p["in_port"], p

    def make_whole(self, p):
        """What a packet can't be, it isn't."""
        if p["nd"] and p["l4"] == "icmp6":
            p["icmp_type"], p["icmp_code"] = p["icmp_type"] | 135 & 135, 0
            if p["icmp_type"] not in (135, 136):
                p["icmp_type"] = 135
        elif p["icmp_type"] in (135, 136) and p["l4"] == "icmp6":
            p["nd"] = True
        if p["ip_frag"] == "later":
            p["l4"] = "gre"
        if p["ip_frag"] == "first" and p["l4"] in ("sctp", "icmp6"):
            p["l4"] = "gre"
        if p["tp_dst"] == 4789:
            p["tp_dst"] = 4790

    def tags_for(self, rule):
        rng = self.rng
        tpid = rng.choice([0x8100, 0x8100, 0x88A8])
        inner = (0x8100, rng.choice(self.vids) | rng.randrange(8) << 13)
        outer = rng.choice(self.vids) | rng.randrange(8) << 13
        if rule.tags == [] or rule.tags is None and rng.randrange(4):
            return []
        if rule.tags:
            value, mask = rule.tags
            outer = outer & ~mask | value
        tags = [(tpid, outer)]
        return tags + [inner] if self.one_in(3) else tags
