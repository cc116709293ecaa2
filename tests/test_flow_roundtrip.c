// SPDX-License-Identifier: Apache-2.0
/*
 * Random flows survive formatting and parsing; ovs-ofctl prints the same flows the same way.
 * The seed is printed; CXLT_SEED=N repeats a run.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openflow/flow.h>

#include "packets.h"

TestSuite(flow_roundtrip, .timeout = 120);

enum {
	RANDOM_FLOWS = 200000,
};

static __u64 state;

static __u64 rnd(void)
{
	return packet_rand(&state);
}

static __u64 below(__u64 n)
{
	return rnd() % n;
}

static bool chance(unsigned int percent)
{
	return below(100) < percent;
}

/* Programs are compared by their words; the rest of prog[] is not initialised. */
static bool same_flow(const struct of_flow *a, const struct of_flow *b)
{
	return a->table == b->table && a->priority == b->priority && a->cookie == b->cookie &&
	       a->cookie_value == b->cookie_value && a->cookie_mask == b->cookie_mask &&
	       a->out_port == b->out_port && !memcmp(&a->match, &b->match, sizeof(a->match)) &&
	       a->n_prog == b->n_prog && !memcmp(a->prog, b->prog, a->n_prog * sizeof(a->prog[0]));
}

/* ---- random flows ---- */

static void fix(struct of_match *m, int field, __u64 value, __u64 mask)
{
	const struct cxlt_field_info *f = &cxlt_field_info[field];

	m->mask.w[f->word] |= mask << f->shift;
	m->value.w[f->word] |= (value & mask) << f->shift;
}

/* Masks as they occur (whole, prefixes) and as they don't (any bits); 0 now and then. */
static __u64 random_mask(unsigned int bits)
{
	__u64 all = CXLT_BITMASK(bits);

	switch (below(8)) {
	case 0: return rnd() & all;
	case 1: return all & ~CXLT_BITMASK(below(bits));
	case 2: return rnd() & rnd() & rnd() & all;
	default: return all;
	}
}

static void maybe(struct of_match *m, int field, unsigned int bits, bool masked)
{
	if (chance(40))
		fix(m, field, rnd(), masked ? random_mask(bits) : CXLT_BITMASK(bits));
}

static void maybe128(struct of_match *m, int field)
{
	const struct cxlt_field_info *f = &cxlt_field_info[field];
	unsigned int prefix = below(129);
	bool any = chance(30);

	if (chance(60))
		return;
	m->mask.w[f->word] = any ? random_mask(64) : prefix >= 64 ? ~0ULL : ~(~0ULL >> prefix);
	m->mask.w[f->word + 1] = any		? random_mask(64)
				 : prefix < 64	? 0
				 : prefix < 128 ? ~(~0ULL >> (prefix - 64))
						: ~0ULL;
	m->value.w[f->word] = rnd() & m->mask.w[f->word];
	m->value.w[f->word + 1] = rnd() & (chance(50) ? rnd() & 3 : ~0ULL) & m->mask.w[f->word + 1];
}

static void random_l4(struct of_match *m, bool v6)
{
	static const __u8 protos[] = {6, 17, 132, 1, 58, 2, 47, 0};
	__u64 proto = protos[below(sizeof(protos))];

	fix(m, CXLT_F_IP_PROTO, proto, 0xff);
	if (proto == (v6 ? 58 : 1)) {
		bool nd = v6 && chance(60);
		__u64 type = nd ? 135 + below(2) : below(256);

		if (nd || chance(50))
			fix(m, CXLT_F_TP_SRC, type, 0xffff);
		if (chance(40))
			fix(m, CXLT_F_TP_DST, nd ? 0 : below(256), 0xffff);
		if (nd)
			maybe128(m, CXLT_F_ND_TARGET);
		if (nd && type == 135)
			maybe(m, CXLT_F_ARP_SHA, 48, true);
		if (nd && type == 136)
			maybe(m, CXLT_F_ARP_THA, 48, true);
		return;
	}
	if (proto != 6 && proto != 17 && proto != 132)
		return;
	maybe(m, CXLT_F_TP_SRC, 16, true);
	maybe(m, CXLT_F_TP_DST, 16, true);
	if (proto == 6)
		maybe(m, CXLT_F_TCP_FLAGS, 12, true);
	if (proto == 17)
		maybe(m, CXLT_F_VXLAN_VNI, 24, true);
}

static void random_ip(struct of_match *m, bool v6)
{
	static const __u8 frags[][2] = {{0, 3}, {1, 1}, {1, 3}, {3, 3}, {0, 2}};
	int frag = below(5);

	fix(m, CXLT_F_ETH_TYPE, v6 ? 0x86dd : 0x0800, 0xffff);
	if (v6) {
		maybe128(m, CXLT_F_IPV6_SRC);
		maybe128(m, CXLT_F_IPV6_DST);
		maybe(m, CXLT_F_IPV6_LABEL, 20, true);
	} else {
		maybe(m, CXLT_F_IPV4_SRC, 32, true);
		maybe(m, CXLT_F_IPV4_DST, 32, true);
	}
	if (chance(20))
		fix(m, CXLT_F_IP_TOS, rnd(), 0xfc);
	if (chance(20))
		fix(m, CXLT_F_IP_TOS, rnd(), 0x03);
	if (chance(20))
		fix(m, CXLT_F_IP_FRAG, frags[frag][0], frags[frag][1]);
	maybe(m, CXLT_F_IP_TTL, 8, false);
	if (chance(70))
		random_l4(m, v6);
}

static void random_arp(struct of_match *m)
{
	fix(m, CXLT_F_ETH_TYPE, chance(90) ? 0x0806 : 0x8035, 0xffff);
	maybe(m, CXLT_F_IP_PROTO, 8, false);
	maybe(m, CXLT_F_IPV4_SRC, 32, true);
	maybe(m, CXLT_F_IPV4_DST, 32, true);
	maybe(m, CXLT_F_ARP_SHA, 48, true);
	maybe(m, CXLT_F_ARP_THA, 48, true);
}

static void random_match(struct of_match *m)
{
	static const __u16 tci[] = {0xffff, 0x1fff, 0xf000, 0x1000, 0x0fff};

	memset(m, 0, sizeof(*m));
	if (chance(40))
		fix(m, CXLT_F_IN_PORT, below(OF_PORT_MAX + 1), 0xffffffff);
	maybe(m, CXLT_F_ETH_SRC, 48, true);
	maybe(m, CXLT_F_ETH_DST, 48, true);
	if (chance(40))
		fix(m, CXLT_F_VLAN_TCI, rnd(), chance(70) ? tci[below(5)] : rnd() & 0xffff);
	maybe(m, CXLT_F_METADATA, 64, true);
	maybe(m, CXLT_F_TUN_ID, 64, true);
	for (int f = CXLT_F_REG0; f <= CXLT_F_REG3; f++)
		maybe(m, f, 32, true);
	switch (below(6)) {
	case 0: break;
	case 1: fix(m, CXLT_F_ETH_TYPE, rnd(), 0xffff); break;
	case 2: random_arp(m); break;
	default: random_ip(m, chance(50));
	}
}

static void push(struct of_flow *f, __u32 op, __u32 aux, __u32 arg)
{
	f->prog[f->n_prog++] = cxlt_op_word(op, 0, aux, arg);
}

static void set_word(struct of_flow *f, int field, __u32 word, __u64 value, __u64 mask, __u32 arg)
{
	if (!mask)
		return;
	f->prog[f->n_prog++] = cxlt_op_word(CXLT_OP_SET, field, word, arg);
	f->prog[f->n_prog++] = value & mask;
	f->prog[f->n_prog++] = mask;
}

static void random_set(struct of_flow *f)
{
	static const __u8 anywhere[] = {CXLT_F_ETH_SRC,	   CXLT_F_ETH_DST,  CXLT_F_METADATA,
					CXLT_F_TUN_ID,	   CXLT_F_REG0,	    CXLT_F_REG1,
					CXLT_F_REG2,	   CXLT_F_REG3,	    CXLT_F_IPV4_SRC,
					CXLT_F_IPV4_DST,   CXLT_F_IPV6_SRC, CXLT_F_IPV6_DST,
					CXLT_F_IPV6_LABEL, CXLT_F_TP_SRC,   CXLT_F_TP_DST,
					CXLT_F_IP_TOS,	   CXLT_F_IP_TTL};
	__u64 type = CXLT_KEY_GET(&f->match.value, ETH_TYPE);
	__u64 proto = CXLT_KEY_GET(&f->match.value, IP_PROTO);
	int field = anywhere[below(sizeof(anywhere))];
	const struct cxlt_field_info *i = &cxlt_field_info[field];
	bool ip = type == 0x0800 || type == 0x86dd;
	unsigned int bits = i->bits;

	if ((field == CXLT_F_IPV4_SRC || field == CXLT_F_IPV4_DST) && type != 0x0800)
		return;
	if (i->word >= CXLT_W_IPV6_SRC_HI && i->word <= CXLT_W_IPV6_DST_LO && type != 0x86dd)
		return;
	if ((field == CXLT_F_TP_SRC || field == CXLT_F_TP_DST) &&
	    !(ip && (proto == 6 || proto == 17 || proto == 132)))
		return;
	if ((field == CXLT_F_IP_TOS || field == CXLT_F_IP_TTL) && !ip)
		return;
	if (field == CXLT_F_IPV6_LABEL) {
		if (type != 0x86dd)
			return;
		bits = 20;
	}
	if (bits == 128) {
		set_word(f, field, i->word, rnd(), random_mask(64), 0);
		set_word(f, field, i->word + 1, rnd(), random_mask(64), 0);
		return;
	}
	if (field == CXLT_F_IP_TOS || field == CXLT_F_IP_TTL)
		set_word(f, field, i->word, rnd(),
			 field == CXLT_F_IP_TTL ? 0xff
			 : chance(50)		? 0xfc00
						: 0x0300,
			 0);
	else
		set_word(f, field, i->word, rnd(), random_mask(bits) << i->shift, 0);
}

/* One action; `tags` is how many tags the packet is known to have. */
static void random_action(struct of_flow *f, unsigned int *tags)
{
	__u64 type = CXLT_KEY_GET(&f->match.value, ETH_TYPE);
	__u64 vid = CXLT_VLAN_PRESENT | below(4096);

	switch (below(12)) {
	case 0: push(f, CXLT_OP_CONTROLLER, below(65536), 0); return;
	case 1: push(f, CXLT_OP_IN_PORT + below(3), 0, 0); return;
	case 2: push(f, CXLT_OP_LOCAL, 0, 0); return;
	case 3:
		if (*tags < 2)
			push(f, CXLT_OP_PUSH_VLAN, chance(50) ? 0x8100 : 0x88a8, 0), ++*tags;
		return;
	case 4:
		push(f, CXLT_OP_POP_VLAN, 0, 0);
		*tags -= !!*tags;
		return;
	case 5:
		set_word(f, CXLT_F_VLAN_TCI, CXLT_W_DMAC, vid, 0x1fff, 0);
		*tags += !*tags;
		return;
	case 6:
		set_word(f, CXLT_F_VLAN_TCI, CXLT_W_DMAC, vid | rnd() << 13, 0xf000, 0);
		*tags += !*tags;
		return;
	case 7:
		if (*tags)
			set_word(f, CXLT_F_VLAN_TCI, CXLT_W_DMAC, vid, 0x1000 | (rnd() & 0xfff), 0);
		return;
	case 8:
		if (type == 0x0800 || type == 0x86dd)
			push(f, CXLT_OP_DEC_TTL, 0, 0);
		return;
	case 9: push(f, CXLT_OP_OUTPUT, 0, below(OF_PORT_MAX + 1)); return;
	default: random_set(f);
	}
}

static void random_flow(struct of_flow *f)
{
	unsigned int tags;

	memset(f, 0, sizeof(*f));
	f->mode = OF_ADD;
	f->out_port = OF_PORT_ANY;
	f->table = below(OF_TABLE_MAX);
	f->priority = chance(20) ? OF_PRIORITY_DEFAULT : below(65536);
	f->has_cookie = chance(50);
	f->cookie = f->has_cookie ? rnd() : 0;
	random_match(&f->match);
	tags = !!(CXLT_KEY_GET(&f->match.value, VLAN_TCI) & CXLT_VLAN_PRESENT);
	for (int n = below(14); n > 0; n--)
		random_action(f, &tags);
	if (chance(20)) /* its mask is never 0 */
		set_word(f, CXLT_F_METADATA, CXLT_W_METADATA, rnd(), random_mask(64) | 1,
			 CXLT_SET_WRITE_METADATA);
	if (chance(20))
		push(f, CXLT_OP_GOTO, 0, f->table + 1 + below(OF_TABLE_MAX - f->table));
}

/* Two halves of one 128-bit set that came as neighbours print as one: the same program. */
Test(flow_roundtrip, random_flow_prints_and_parses_to_itself)
{
	char text[OF_TEXT_MAX], again_text[OF_TEXT_MAX];
	struct of_flow flow, again;
	struct of_error err;

	state = packet_seed("flow_roundtrip");
	for (int i = 0; i < RANDOM_FLOWS; i++) {
		random_flow(&flow);
		cr_assert_lt(of_format_flow(&flow, text, sizeof(text)), sizeof(text));
		cr_assert_eq(of_match_check(&flow.match, &err), 0, "%d: %s: %s", i, text,
			     err.reason);
		cr_assert_eq(of_parse_flow(text, OF_ADD, &again, &err), 0, "%d: %s: %d: %s", i,
			     text, err.column, err.reason);
		of_format_flow(&again, again_text, sizeof(again_text));
		cr_assert(same_flow(&flow, &again), "%d: %s\nbecame %s", i, text, again_text);
	}
}

/* Truncations and single-byte changes of valid flows: refused or understood, never misread. */
Test(flow_roundtrip, damaged_text_is_refused_or_prints_as_what_it_says)
{
	char text[OF_TEXT_MAX], again_text[OF_TEXT_MAX];
	struct of_flow flow, again;
	struct of_error err;
	int accepted = 0;

	state = packet_seed("flow_roundtrip");
	for (int i = 0; i < RANDOM_FLOWS / 4; i++) {
		size_t len;

		random_flow(&flow);
		len = of_format_flow(&flow, text, sizeof(text));
		text[below(len)] = chance(50) ? (char)below(256) : ",=:/0159xf.-> ()"[below(16)];
		if (of_parse_flow_n(text, chance(30) ? below(len) : len, OF_ADD, &flow, &err)) {
			cr_assert(err.reason[0] && err.column > 0 && err.column <= (int)len + 1,
				  "%s: column %d: %s", text, err.column, err.reason);
			continue;
		}
		accepted++;
		of_format_flow(&flow, again_text, sizeof(again_text));
		cr_assert_eq(of_parse_flow(again_text, OF_ADD, &again, &err), 0, "%s: %s",
			     again_text, err.reason);
		cr_assert(same_flow(&flow, &again), "%s\n%s", text, again_text);
	}
	cr_assert_gt(accepted, 100);
}

/* ---- Open vSwitch ---- */

/* Each prints the same here and there; actions as the given version of OpenFlow shows them. */
static const char *const of10[] = {
	"actions=drop",
	"priority=7,in_port=1,actions=output:2,3,in_port,flood,all,LOCAL",
	"in_port=010,actions=output:2,controller,controller:100,controller(max_len=5)",
	"tcp,nw_src=10.1.2.3/8,nw_dst=10.0.0.0/255.255.0.0,tp_src=1000,tp_dst=80,actions=1",
	"dl_src=0:1:2:3:4:5,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00,actions=1",
	"dl_vlan=10,actions=mod_vlan_vid:11,mod_vlan_pcp:3,strip_vlan",
	"dl_vlan=0xffff,actions=1",
	"dl_vlan=10,dl_vlan_pcp=3,actions=mod_dl_src:0:0:0:0:0:1,mod_dl_dst:0:0:0:0:0:2",
	"dl_vlan_pcp=3,actions=1",
	"vlan_tci=0,actions=1",
	"vlan_tci=0x1000/0x1000,actions=1",
	"vlan_tci=0x100a/0x1fff,actions=1",
	"vlan_tci=0xf00a/0xf000,actions=1",
	"vlan_tci=0x000a/0x0fff,actions=1",
	"vlan_tci=0x500a,actions=1",
	"vlan_vid=0,actions=1",
	"vlan_vid=0x100a/0x100f,actions=1",
	"ip,actions=mod_nw_src:1.2.3.4,mod_nw_dst:5.6.7.8,mod_nw_tos:8,dec_ttl",
	"tcp,actions=mod_tp_src:1,mod_tp_dst:2",
	"udp,nw_tos=255,nw_ecn=2,nw_ttl=0x40,actions=mod_tp_src:1",
	"sctp,tp_src=8/0xfff8,actions=1",
	"ip,ip_dscp=3,actions=1",
	"ip,nw_proto=47,actions=1",
	"ip,nw_proto=17,actions=1",
	"dl_type=0x800,nw_proto=6,tp_dst=010,actions=1",
	"dl_type=0x1234,actions=1",
	"ip6,nw_proto=6,actions=1",
	"ipv6,ipv6_src=fe80::1/64,ipv6_dst=2001:db8::1,actions=1",
	"ipv6,ipv6_src=::ffff:1.2.3.4,ipv6_dst=::1.2.3.4,actions=1",
	"ipv6,ipv6_src=1:0:0:2:0:0:0:3,ipv6_dst=1:2:3:4:5:6:0:0/::ffff,actions=1",
	"ipv6,ipv6_src=0:0:1::,ipv6_dst=1:0:2:3:4:5:6:7,actions=1",
	"ipv6,ipv6_label=3,actions=1",
	"tcp6,tp_dst=80,actions=1",
	"sctp6,actions=1",
	"udp6,tp_src=0/0xff00,actions=1",
	"icmp,icmp_type=8,icmp_code=0,actions=1",
	"icmp6,icmpv6_type=128,icmpv6_code=0,actions=1",
	"icmp6,icmp_type=135,icmp_code=0,nd_target=fe80::1,nd_sll=0:0:0:0:0:1,actions=1",
	"icmp6,icmp_type=136,nd_target=fe80::/10,nd_tll=0:0:0:0:0:1,actions=1",
	"arp,arp_op=1,arp_spa=1.2.3.0/24,arp_tpa=5.6.7.8,arp_sha=0:0:0:0:0:1,actions=1",
	"arp,nw_proto=2,nw_src=1.2.3.4,actions=1",
	"rarp,arp_op=3,actions=1",
	"ip,nw_frag=no,actions=1",
	"ip,ip_frag=yes,actions=1",
	"ip,nw_frag=first,actions=1",
	"ip,nw_frag=later,actions=1",
	"ip,nw_frag=not_later,actions=1",
	"tcp,tcp_flags=+syn-ack,actions=1",
	"tcp,tcp_flags=0x12,actions=1",
	"tcp,tcp_flags=2/0xff,actions=1",
	"tcp,tcp_flags=+ns-[200]+[800],actions=1",
	"tcp,tcp_flags=0,actions=1",
	"metadata=5/0xf0,actions=1",
	"metadata=-1,actions=1",
	"tun_id=5,reg0=7,reg3=0/0xff,metadata=0,actions=1",
	"xreg0=0x100000005/0xff000000ff,actions=1",
	"tcp_flags=-rst,tp_dst=2,tp_src=1,nw_frag=no,nw_ttl=9,nw_ecn=1,nw_tos=8,nw_dst=2.2.2.2,"
	"nw_src=1.1.1.1,dl_dst=00:00:00:00:00:02,dl_src=00:00:00:00:00:01,dl_vlan=7,in_port=3,"
	"metadata=4,tun_id=5,reg3=6,reg0=7,priority=3,tcp,actions=1 2\t3",
};

static const char *const of15[] = {
	"actions=set_field:5->reg0,set_field:5/0xf->reg3,set_field:0->metadata",
	"actions=set_field:5/0xf->metadata,set_field:7->tun_id,load:5->NXM_NX_REG0[0..3]",
	"actions=load:5->reg1,load:1->NXM_NX_REG2[31],load:7->OXM_OF_METADATA[]",
	"actions=set_field:0:1:2:0:0:0/ff:ff:ff:0:0:0->eth_dst,load:0x1122->NXM_OF_ETH_SRC[24..47]",
	"ip,actions=set_field:1.2.0.0/16->nw_dst,set_field:0.0.0.4/0.255.0.255->ip_src",
	"ipv6,actions=set_field:fe80::1->ipv6_src,set_field:::1/::ffff->ipv6_dst",
	"ipv6,actions=set_field:fe80::/64->ipv6_src,set_field:0x7->ipv6_label",
	"dl_vlan=5,actions=set_field:0x100a/0x100f->vlan_vid",
	"actions=write_metadata:0x3,goto_table:3",
	"ip,actions=dec_ttl,output:4,write_metadata:3/0xf,goto_table:254",
	"actions=push_vlan:0x8100,push_vlan:0x88a8,output:1",
	"priority=0,tcp,actions=FLOOD,goto_table:1",
};

/* The flow's text in one line of parse-flows' output: "OFPT_FLOW_MOD (...): ADD tcp actions=". */
static char *flow_in(char *line)
{
	char *flow = strstr(line, ": ADD ");

	line[strcspn(line, "\n")] = 0;
	return flow ? flow + strlen(": ADD ") : NULL;
}

static void compare(const char *version, const char *const *flows, size_t n)
{
	char name[] = "/tmp/cxltab-flows-XXXXXX", command[256], line[4096];
	FILE *file = fdopen(mkstemp(name), "w"), *ovs;
	size_t i = 0;

	cr_assert_not_null(file);
	for (size_t k = 0; k < n; k++)
		fprintf(file, "%s\n", flows[k]);
	fclose(file);
	snprintf(command, sizeof(command), "ovs-ofctl -O %s parse-flows %s 2>&1", version, name);
	ovs = popen(command, "r");
	cr_assert_not_null(ovs);
	while (fgets(line, sizeof(line), ovs)) {
		char *theirs = flow_in(line), ours[OF_TEXT_MAX];
		struct of_error err;
		struct of_flow flow;

		if (!theirs)
			continue;
		cr_assert_lt(i, n);
		cr_assert_eq(of_parse_flow(flows[i], OF_ADD, &flow, &err), 0, "%s: %s", flows[i],
			     err.reason);
		of_format_flow(&flow, ours, sizeof(ours));
		cr_assert_str_eq(ours, theirs, "%s: ovs-ofctl has %s, ours is %s", flows[i], theirs,
				 ours);
		i++;
	}
	pclose(ovs);
	unlink(name);
	cr_assert_eq(i, n, "ovs-ofctl printed %zu of %zu flows, then: %s", i, n, line);
}

Test(flow_roundtrip, canonical_text_is_that_of_ovs_ofctl)
{
	if (system("command -v ovs-ofctl >/dev/null"))
		cr_skip_test("ovs-ofctl is not installed (make test-deps)");
	compare("OpenFlow10", of10, sizeof(of10) / sizeof(of10[0]));
	compare("OpenFlow15", of15, sizeof(of15) / sizeof(of15[0]));
}
