// SPDX-License-Identifier: Apache-2.0
/*
 * format.c - matches and flows into canonical text: Open vSwitch's names, order and number bases.
 */
#include <arpa/inet.h>
#include <stdio.h>

#include "syntax.h"

/* ---- bounded text ---- */

void of_buf_init(struct of_buf *b, char *s, size_t size)
{
	*b = (struct of_buf){s, size, 0};
	if (size)
		*s = 0;
}

void of_putc(struct of_buf *b, char c)
{
	if (b->len + 1 < b->size) {
		b->s[b->len] = c;
		b->s[b->len + 1] = 0;
	}
	b->len++;
}

void of_puts(struct of_buf *b, const char *s)
{
	size_t n = strlen(s);

	if (b->len + n < b->size) {
		memcpy(b->s + b->len, s, n + 1);
		b->len += n;
		return;
	}
	while (*s)
		of_putc(b, *s++);
}

void of_printf(struct of_buf *b, const char *fmt, ...)
{
	size_t room = b->len < b->size ? b->size - b->len : 0;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(room ? b->s + b->len : NULL, room, fmt, ap);
	va_end(ap);
	if (n > 0)
		b->len += n;
}

/* ---- addresses ---- */

void of_put_mac(struct of_buf *b, __u64 mac)
{
	static const char hex[] = "0123456789abcdef";

	for (int shift = 40; shift >= 0; shift -= 8) {
		of_putc(b, hex[mac >> (shift + 4) & 15]);
		of_putc(b, hex[mac >> shift & 15]);
		if (shift)
			of_putc(b, ':');
	}
}

void of_put_ipv4(struct of_buf *b, __u32 ip)
{
	of_printf(b, "%u.%u.%u.%u", ip >> 24, ip >> 16 & 255, ip >> 8 & 255, ip & 255);
}

static void put_ipv4_mask(struct of_buf *b, __u32 mask)
{
	__u32 inverse = ~mask;

	if (inverse & (inverse + 1))
		of_put_ipv4(b, mask);
	else
		of_printf(b, "%d", __builtin_popcount(mask));
}

void of_put_ipv6(struct of_buf *b, const __u64 ip[2])
{
	char text[INET6_ADDRSTRLEN];
	__u8 bytes[16];

	for (int i = 0; i < 16; i++)
		bytes[i] = ip[i / 8] >> (56 - i % 8 * 8);
	of_puts(b, inet_ntop(AF_INET6, bytes, text, sizeof(text)));
}

static void put_ipv6_mask(struct of_buf *b, const __u64 mask[2])
{
	__u64 hi = ~mask[0], lo = ~mask[1];

	/* A prefix: ones, then zeros, across both halves. */
	if ((hi & (hi + 1)) || (lo & (lo + 1)) || (hi && mask[1]))
		of_put_ipv6(b, mask);
	else
		of_printf(b, "%d", __builtin_popcountll(mask[0]) + __builtin_popcountll(mask[1]));
}

/* ---- fields ---- */

static bool whole(const struct of_spec *spec, const __u64 m[2])
{
	return m[1] == CXLT_BITMASK(spec->bits) && (spec->bits < 128 || m[0] == ~0ULL);
}

void of_put_spec(const struct of_spec *spec, const __u64 v[2], const __u64 m[2], bool action,
		 struct of_buf *value, struct of_buf *mask)
{
	bool exact = whole(spec, m);

	switch (spec->kind) {
	case OF_K_MAC:
		of_put_mac(value, v[1]);
		if (!exact)
			of_put_mac(mask, m[1]);
		return;
	case OF_K_IPV4:
		of_put_ipv4(value, v[1]);
		if (!exact)
			put_ipv4_mask(mask, m[1]);
		return;
	case OF_K_IPV6:
		of_put_ipv6(value, v);
		if (!exact)
			put_ipv6_mask(mask, m);
		return;
	case OF_K_HEX:
		of_printf(value, "%#llx", (unsigned long long)v[1]);
		if (!exact)
			of_printf(mask, "%#llx", (unsigned long long)m[1]);
		return;
	}
	/* In matches Open vSwitch writes a masked decimal field in hexadecimal, in actions not. */
	of_printf(value, exact || action ? "%llu" : "0x%llx", (unsigned long long)v[1]);
	if (!exact)
		of_printf(mask, "0x%llx", (unsigned long long)m[1]);
}

/* One walk over a match: where each field goes, as text or as fields. */
struct walk {
	const struct of_match *match;
	bool text;	 /* shorthands, and values with their masks */
	of_field_cb *cb; /* of text == false */
	void *arg;
	struct of_buf *out;
	int stopped;
	__u32 eth_type; /* ~0 unless the whole type is matched */
	__u32 ip_proto;
};

static void item(struct walk *w, const char *name, const char *value, const char *mask)
{
	if (w->stopped)
		return;
	if (!w->text) {
		w->stopped = w->cb(w->arg, name, value, mask && *mask ? mask : NULL);
		return;
	}
	of_puts(w->out, name);
	if (value) {
		of_putc(w->out, '=');
		of_puts(w->out, value);
	}
	if (mask && *mask) {
		of_putc(w->out, '/');
		of_puts(w->out, mask);
	}
	of_putc(w->out, ',');
}

static void number_item(struct walk *w, const char *name, const char *fmt, __u64 value)
	__attribute__((format(printf, 3, 0)));
static void number_item(struct walk *w, const char *name, const char *fmt, __u64 value)
{
	char text[32];

	snprintf(text, sizeof(text), fmt, (unsigned int)value);
	item(w, name, text, NULL);
}

/* A field by its spec, if the match has any of its bits. */
static void spec_item(struct walk *w, int id, const char *name)
{
	const struct of_spec *s = &of_spec[id];
	const __u64 *kv = w->match->value.w, *km = w->match->mask.w;
	__u64 v[2] = {0, kv[s->word] >> s->shift}, m[2] = {0, km[s->word] >> s->shift};
	char value_text[64], mask_text[64];
	struct of_buf value, mask;

	if (s->bits == 128) {
		v[0] = kv[s->word], v[1] = kv[s->word + 1];
		m[0] = km[s->word], m[1] = km[s->word + 1];
	} else {
		v[1] &= CXLT_BITMASK(cxlt_field_info[s->field].bits);
		m[1] &= CXLT_BITMASK(cxlt_field_info[s->field].bits);
	}
	if (!(m[0] | m[1]))
		return;
	of_buf_init(&value, value_text, sizeof(value_text));
	of_buf_init(&mask, mask_text, sizeof(mask_text));
	of_put_spec(s, v, m, false, &value, &mask);
	item(w, name, value_text, mask_text);
}

static const char *proto_shorthand(const struct walk *w)
{
	bool v6 = w->eth_type == OF_ETH_IPV6;

	switch (w->ip_proto) {
	case OF_IP_TCP: return v6 ? "tcp6" : "tcp";
	case OF_IP_UDP: return v6 ? "udp6" : "udp";
	case OF_IP_SCTP: return v6 ? "sctp6" : "sctp";
	case OF_IP_ICMP: return v6 ? NULL : "icmp";
	case OF_IP_ICMPV6: return v6 ? "icmp6" : NULL;
	}
	return NULL;
}

/* The shorthand that stands for eth_type, and for ip_proto too if *proto becomes true. */
static const char *shorthand(const struct walk *w, bool *proto)
{
	const char *name;

	*proto = false;
	switch (w->eth_type) {
	case OF_ETH_ARP: return "arp";
	case OF_ETH_RARP: return "rarp";
	case OF_ETH_IP:
	case OF_ETH_IPV6:
		name = proto_shorthand(w);
		*proto = name;
		return name ? name : w->eth_type == OF_ETH_IP ? "ip" : "ipv6";
	}
	return NULL;
}

static bool is_arp(const struct walk *w)
{
	return w->eth_type == OF_ETH_ARP || w->eth_type == OF_ETH_RARP;
}

static void vlan_items(struct walk *w)
{
	unsigned int v = CXLT_KEY_GET(&w->match->value, VLAN_TCI);
	unsigned int m = CXLT_KEY_GET(&w->match->mask, VLAN_TCI);
	unsigned int vid = m & CXLT_VLAN_VID_MASK, pcp = m & CXLT_VLAN_PCP_MASK;
	char value[8], mask[8];

	if (!m)
		return;
	if ((v & m & CXLT_VLAN_PRESENT) && (vid || pcp) && (!vid || vid == CXLT_VLAN_VID_MASK) &&
	    (!pcp || pcp == CXLT_VLAN_PCP_MASK)) {
		if (vid)
			number_item(w, "dl_vlan", "%u", v & CXLT_VLAN_VID_MASK);
		if (pcp)
			number_item(w, "dl_vlan_pcp", "%u", v >> CXLT_VLAN_PCP_SHIFT);
		return;
	}
	if (m == 0xffff) {
		number_item(w, "vlan_tci", "0x%04x", v);
		return;
	}
	snprintf(value, sizeof(value), "0x%04x", v);
	snprintf(mask, sizeof(mask), "0x%04x", m);
	item(w, "vlan_tci", value, mask);
}

static void tos_items(struct walk *w)
{
	unsigned int v = CXLT_KEY_GET(&w->match->value, IP_TOS);
	unsigned int m = CXLT_KEY_GET(&w->match->mask, IP_TOS);

	if (m & OF_TOS_DSCP)
		number_item(w, "nw_tos", "%u", v & OF_TOS_DSCP);
	if (m & OF_TOS_ECN)
		number_item(w, "nw_ecn", "%u", v & OF_TOS_ECN);
}

static void frag_item(struct walk *w)
{
	unsigned int v = CXLT_KEY_GET(&w->match->value, IP_FRAG);
	unsigned int m = CXLT_KEY_GET(&w->match->mask, IP_FRAG);

	if (!m)
		return;
	if (v & CXLT_FRAG_LATER)
		item(w, "nw_frag", "later", NULL);
	else if (m == CXLT_FRAG_LATER)
		item(w, "nw_frag", "not_later", NULL);
	else if (!(v & CXLT_FRAG_ANY))
		item(w, "nw_frag", "no", NULL);
	else
		item(w, "nw_frag", m & CXLT_FRAG_LATER ? "first" : "yes", NULL);
}

static void tcp_flags_item(struct walk *w)
{
	static const char *const flags[OF_TCP_FLAGS] = {
		"fin", "syn", "rst", "psh",   "ack",   "urg",
		"ece", "cwr", "ns",  "[200]", "[400]", "[800]",
	};
	unsigned int v = CXLT_KEY_GET(&w->match->value, TCP_FLAGS);
	unsigned int m = CXLT_KEY_GET(&w->match->mask, TCP_FLAGS);
	bool exact = (m & 0xfff) == 0xfff;
	char text[96];
	struct of_buf b;

	if (!m)
		return;
	of_buf_init(&b, text, sizeof(text));
	for (int i = 0; i < OF_TCP_FLAGS; i++) {
		unsigned int bit = 1U << i;

		if (!(exact ? v & bit : m & bit))
			continue;
		if (!exact)
			of_putc(&b, v & bit ? '+' : '-');
		else if (b.len)
			of_putc(&b, '|');
		of_puts(&b, flags[i]);
	}
	item(w, "tcp_flags", b.len ? text : "0", NULL);
}

/* eth_type and ip_proto: as a shorthand, or where Open vSwitch puts them. */
static void l3_items(struct walk *w, bool type_done, bool proto_done)
{
	__u64 m = CXLT_KEY_GET(&w->match->mask, ETH_TYPE);

	spec_item(w, OF_S_ETH_SRC, "dl_src");
	spec_item(w, OF_S_ETH_DST, "dl_dst");
	if (!type_done && m == 0xffff)
		number_item(w, "dl_type", "0x%04x", w->eth_type);
	else if (!type_done)
		spec_item(w, OF_S_ETH_TYPE, "dl_type");
	spec_item(w, OF_S_IPV6_SRC, "ipv6_src");
	spec_item(w, OF_S_IPV6_DST, "ipv6_dst");
	m = CXLT_KEY_GET(&w->match->mask, IPV6_LABEL);
	if (m == 0xfffff)
		number_item(w, "ipv6_label", "0x%05x", CXLT_KEY_GET(&w->match->value, IPV6_LABEL));
	else
		spec_item(w, OF_S_IPV6_LABEL, "ipv6_label");
	spec_item(w, OF_S_IPV4_SRC, is_arp(w) ? "arp_spa" : "nw_src");
	spec_item(w, OF_S_IPV4_DST, is_arp(w) ? "arp_tpa" : "nw_dst");
	if (!proto_done)
		spec_item(w, OF_S_IP_PROTO, is_arp(w) ? "arp_op" : "nw_proto");
	if (is_arp(w)) {
		spec_item(w, OF_S_ARP_SHA, "arp_sha");
		spec_item(w, OF_S_ARP_THA, "arp_tha");
	}
	tos_items(w);
	spec_item(w, OF_S_IP_TTL, "nw_ttl");
	frag_item(w);
}

static void l4_items(struct walk *w)
{
	bool icmp = (w->eth_type == OF_ETH_IP && w->ip_proto == OF_IP_ICMP) ||
		    (w->eth_type == OF_ETH_IPV6 && w->ip_proto == OF_IP_ICMPV6);

	spec_item(w, OF_S_TP_SRC, icmp ? "icmp_type" : "tp_src");
	spec_item(w, OF_S_TP_DST, icmp ? "icmp_code" : "tp_dst");
	spec_item(w, OF_S_ND_TARGET, "nd_target");
	if (!is_arp(w)) {
		spec_item(w, OF_S_ARP_SHA, "nd_sll");
		spec_item(w, OF_S_ARP_THA, "nd_tll");
	}
	tcp_flags_item(w);
	spec_item(w, OF_S_VXLAN_VNI, "vxlan_vni");
}

/* What no spelling has, and of_match_check refuses; shown rather than hidden. */
static void other_items(struct walk *w)
{
	static const __u8 fields[] = {CXLT_F_VLAN_TCI2, CXLT_F_VLAN_TPID, CXLT_F_VLAN_TPID2};

	for (size_t i = 0; i < sizeof(fields); i++) {
		const struct cxlt_field_info *f = &cxlt_field_info[fields[i]];
		__u64 m = w->match->mask.w[f->word] >> f->shift & CXLT_BITMASK(f->bits);
		__u64 v = w->match->value.w[f->word] >> f->shift & CXLT_BITMASK(f->bits);
		char value[24], mask[24] = "";

		if (!m)
			continue;
		snprintf(value, sizeof(value), "0x%04llx", (unsigned long long)v);
		if (m != CXLT_BITMASK(f->bits))
			snprintf(mask, sizeof(mask), "0x%04llx", (unsigned long long)m);
		item(w, f->name, value, mask);
	}
}

static int walk(struct walk *w)
{
	const struct cxlt_key *v = &w->match->value, *m = &w->match->mask;
	bool proto = false;
	const char *name;

	w->stopped = 0;
	w->eth_type = CXLT_KEY_GET(m, ETH_TYPE) == 0xffff ? (__u32)CXLT_KEY_GET(v, ETH_TYPE) : ~0U;
	w->ip_proto = CXLT_KEY_GET(m, IP_PROTO) == 0xff ? (__u32)CXLT_KEY_GET(v, IP_PROTO) : ~0U;
	name = w->text ? shorthand(w, &proto) : NULL;
	if (name)
		item(w, name, NULL, NULL);
	spec_item(w, OF_S_REG0, "reg0");
	spec_item(w, OF_S_REG1, "reg1");
	spec_item(w, OF_S_REG2, "reg2");
	spec_item(w, OF_S_REG3, "reg3");
	spec_item(w, OF_S_TUN_ID, "tun_id");
	spec_item(w, OF_S_METADATA, "metadata");
	spec_item(w, OF_S_IN_PORT, "in_port");
	vlan_items(w);
	l3_items(w, name, proto);
	l4_items(w);
	other_items(w);
	return w->stopped;
}

int of_match_fields(const struct of_match *match, of_field_cb *cb, void *arg)
{
	struct walk w = {.match = match, .cb = cb, .arg = arg};

	return walk(&w);
}

/* Takes the separator behind the last item back. */
static void chomp(struct of_buf *b, size_t n)
{
	b->len -= n;
	if (b->len < b->size)
		b->s[b->len] = 0;
}

static void put_match(struct of_buf *b, const struct of_match *match, __u16 priority)
{
	struct walk w = {.match = match, .text = true, .out = b};
	size_t before = b->len;

	if (priority != OF_PRIORITY_DEFAULT)
		of_printf(b, "priority=%u,", priority);
	walk(&w);
	if (b->len > before)
		chomp(b, 1);
}

size_t of_format_match(const struct of_match *match, __u16 priority, char *buf, size_t size)
{
	struct of_buf b;

	of_buf_init(&b, buf, size);
	put_match(&b, match, priority);
	return b.len;
}

size_t of_format_flow(const struct of_flow *flow, char *buf, size_t size)
{
	size_t before, room;
	struct of_buf b;

	of_buf_init(&b, buf, size);
	if (flow->cookie_mask)
		of_printf(&b, "cookie=%#llx/%#llx, ", (unsigned long long)flow->cookie_value,
			  (unsigned long long)flow->cookie_mask);
	if (flow->has_cookie)
		of_printf(&b, "cookie=%#llx, ", (unsigned long long)flow->cookie);
	if (flow->has_table || (flow->table && flow->table != OF_TABLE_ANY))
		of_printf(&b, "table=%u, ", flow->table);
	if (flow->out_port != OF_PORT_ANY && flow->out_port >= OF_PORT_RESERVED)
		of_printf(&b, "out_port=%s, ", of_reserved_port_name(flow->out_port & 0xffff));
	else if (flow->out_port != OF_PORT_ANY)
		of_printf(&b, "out_port=%u, ", flow->out_port);
	before = b.len;
	put_match(&b, &flow->match, flow->priority);
	if (flow->mode > OF_MODIFY_STRICT) {
		if (before && b.len == before)
			chomp(&b, 2);
		return b.len;
	}
	of_puts(&b, b.len > before ? " actions=" : "actions=");
	room = b.len < size ? size - b.len : 0;
	return b.len + of_format_actions(flow->prog, flow->n_prog, room ? buf + b.len : NULL, room);
}

/* 0 unless the field is printed: it differs from what of_parse_packet_key would assume. */
static __u64 key_mask(const struct cxlt_key *key, int field, const struct of_env *env)
{
	const struct cxlt_field_info *f = &cxlt_field_info[field];
	bool zero = !(key->w[f->word] >> f->shift & CXLT_BITMASK(f->bits));

	switch (field) {
	case CXLT_F_VLAN_TPID:
	case CXLT_F_VLAN_TPID2: return 0;
	case CXLT_F_IP_TTL: return of_prereq_holds(OF_P_IP, env) ? 0xff : 0;
	case CXLT_F_TCP_FLAGS: return of_prereq_holds(OF_P_TCP, env) ? 0xfff : 0;
	case CXLT_F_IP_FRAG: return zero ? 0 : OF_FRAG_MASK;
	case CXLT_F_IPV6_LABEL: return zero ? 0 : 0xfffff;
	case CXLT_F_VXLAN_VNI: return zero ? 0 : 0xffffff;
	}
	return zero ? 0 : CXLT_BITMASK(f->bits);
}

size_t of_format_key(const struct cxlt_key *key, char *buf, size_t size)
{
	struct of_match match = {.value = *key};
	struct of_env env = {
		.eth_type = CXLT_KEY_GET(key, ETH_TYPE),
		.ip_proto = CXLT_KEY_GET(key, IP_PROTO),
	};

	for (int i = 0; i < CXLT_N_FIELDS; i++) {
		const struct cxlt_field_info *f = &cxlt_field_info[i];

		if (f->bits < 128)
			match.mask.w[f->word] |= key_mask(key, i, &env) << f->shift;
		else if (key->w[f->word] | key->w[f->word + 1])
			match.mask.w[f->word] = match.mask.w[f->word + 1] = ~0ULL;
	}
	return of_format_match(&match, OF_PRIORITY_DEFAULT, buf, size);
}
