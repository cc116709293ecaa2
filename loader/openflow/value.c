// SPDX-License-Identifier: Apache-2.0
/*
 * value.c - what stands behind "field=": numbers, addresses, flags, each with its mask.
 */
#include "syntax.h"

static __u64 full(const struct of_spec *spec)
{
	return CXLT_BITMASK(spec->bits);
}

/* One number that must fit into `max`; -1 stands for all ones of a 64-bit field. */
static int number(const struct of_text *t, struct of_span name, struct of_span s, __u64 max,
		  __u64 *value)
{
	int err;

	if (max == ~0ULL && of_span_is(s, "-1")) {
		*value = ~0ULL;
		return 0;
	}
	err = of_scan_number(s, value);
	if (!err && *value > max)
		err = -ERANGE;
	if (err == -ERANGE)
		return of_fail(t, s.p, "%.*s: %.*s is too large (at most %llu)", OF_SPAN_ARG(name),
			       OF_SPAN_ARG(s), (unsigned long long)max);
	if (err)
		return of_fail(t, s.p, "%.*s: \"%.*s\" is not a number", OF_SPAN_ARG(name),
			       OF_SPAN_ARG(s));
	return 0;
}

static int mac(const struct of_text *t, struct of_span name, struct of_span s, __u64 *value)
{
	if (of_scan_mac(s, value))
		return of_fail(t, s.p, "%.*s: \"%.*s\" is not an Ethernet address",
			       OF_SPAN_ARG(name), OF_SPAN_ARG(s));
	return 0;
}

static int ipv4(const struct of_text *t, struct of_span name, struct of_span s, __u64 *value)
{
	if (of_scan_ipv4(s, value))
		return of_fail(t, s.p, "%.*s: \"%.*s\" is not an IPv4 address", OF_SPAN_ARG(name),
			       OF_SPAN_ARG(s));
	return 0;
}

static int ipv6(const struct of_text *t, struct of_span name, struct of_span s, __u64 value[2])
{
	if (of_scan_ipv6(s, value))
		return of_fail(t, s.p, "%.*s: \"%.*s\" is not an IPv6 address", OF_SPAN_ARG(name),
			       OF_SPAN_ARG(s));
	return 0;
}

/* 1: `s` is a prefix length, 0: it is something else. */
static int prefix(const struct of_text *t, struct of_span name, struct of_span s, __u64 max,
		  __u64 *bits)
{
	int err = of_scan_decimal(s, max, bits);

	if (err == -ERANGE)
		return of_fail(t, s.p, "%.*s: prefix length %.*s is not between 0 and %llu",
			       OF_SPAN_ARG(name), OF_SPAN_ARG(s), (unsigned long long)max);
	return !err;
}

static int ipv4_mask(const struct of_text *t, struct of_span name, struct of_span s, __u64 *mask)
{
	__u64 bits;
	int got = prefix(t, name, s, 32, &bits);

	if (got <= 0)
		return got ? got : ipv4(t, name, s, mask);
	*mask = bits ? (0xffffffffULL << (32 - bits)) & 0xffffffff : 0;
	return 0;
}

/* ovs-ofctl takes any mask that begins with a digit for a prefix; ours looks at all of it. */
static int ipv6_mask(const struct of_text *t, struct of_span name, struct of_span s, __u64 mask[2])
{
	__u64 bits;
	int got = prefix(t, name, s, 128, &bits);

	if (got <= 0)
		return got ? got : ipv6(t, name, s, mask);
	mask[0] = bits >= 64 ? ~0ULL : bits ? ~0ULL << (64 - bits) : 0;
	mask[1] = bits <= 64 ? 0 : ~0ULL << (128 - bits);
	return 0;
}

static int frag(const struct of_text *t, struct of_span name, struct of_span s,
		struct of_value *out)
{
	static const struct {
		const char *name;
		__u8 value;
		__u8 mask;
	} frags[] = {
		{"no", 0, OF_FRAG_MASK},
		{"yes", CXLT_FRAG_ANY, CXLT_FRAG_ANY},
		{"first", CXLT_FRAG_ANY, OF_FRAG_MASK},
		{"later", OF_FRAG_MASK, OF_FRAG_MASK},
		{"not_later", 0, CXLT_FRAG_LATER},
	};

	for (size_t i = 0; i < sizeof(frags) / sizeof(frags[0]); i++) {
		if (of_span_is(s, frags[i].name)) {
			out->v[1] = frags[i].value;
			out->m[1] = frags[i].mask;
			return 0;
		}
	}
	return of_fail(t, s.p, "%.*s: \"%.*s\" is none of no, yes, first, later, not_later",
		       OF_SPAN_ARG(name), OF_SPAN_ARG(s));
}

/* The bit of a TCP flag's name, or 0. */
static __u32 tcp_flag(struct of_span s)
{
	static const char *const flags[OF_TCP_FLAGS] = {
		"fin", "syn", "rst", "psh",   "ack",   "urg",
		"ece", "cwr", "ns",  "[200]", "[400]", "[800]",
	};

	for (int i = 0; i < OF_TCP_FLAGS; i++)
		if (of_span_is(s, flags[i]))
			return 1U << i;
	return 0;
}

/* "syn|ack": exactly these.  "+syn-ack": these set, those clear. */
static int tcp_flags(const struct of_text *t, struct of_span s, struct of_value *out)
{
	bool listed = s.n && (*s.p == '+' || *s.p == '-');
	const char *p = s.p, *end = s.p + s.n;

	out->v[1] = 0;
	out->m[1] = listed ? 0 : (1U << OF_TCP_FLAGS) - 1;
	out->masked = listed;
	while (p < end) {
		const char *first = p;
		bool set = true;
		__u32 flag;

		if (listed)
			set = *p == '+', first = ++p;
		while (p < end && (listed ? *p != '+' && *p != '-' : *p != '|'))
			p++;
		flag = tcp_flag((struct of_span){first, p - first});
		if (!flag)
			return of_fail(t, first, "tcp_flags: \"%.*s\" is not a TCP flag",
				       OF_SPAN_ARG(((struct of_span){first, p - first})));
		if ((listed ? out->m[1] : out->v[1]) & flag)
			return of_fail(t, first, "tcp_flags: %.*s given twice",
				       OF_SPAN_ARG(((struct of_span){first, p - first})));
		out->v[1] |= set ? flag : 0;
		out->m[1] |= flag;
		if (!listed && p < end)
			p++;
	}
	return 0;
}

static int in_port(const struct of_text *t, struct of_span name, struct of_span s, __u64 *value)
{
	int err = of_scan_decimal(s, OF_PORT_MAX, value);

	if (err == -ERANGE)
		return of_fail(t, s.p, "%.*s: %.*s is too large (ports are 0 to %d)",
			       OF_SPAN_ARG(name), OF_SPAN_ARG(s), OF_PORT_MAX);
	if (err && s.n == 5 && !strncasecmp(s.p, "local", 5))
		return of_fail(t, s.p,
			       "%.*s=LOCAL is not supported: the host's own packets don't "
			       "enter the pipeline",
			       OF_SPAN_ARG(name));
	if (err)
		return of_fail(t, s.p, "%.*s: \"%.*s\" is not a port number", OF_SPAN_ARG(name),
			       OF_SPAN_ARG(s));
	return 0;
}

static int dl_vlan(const struct of_text *t, struct of_span name, struct of_span s,
		   struct of_value *out)
{
	int err = number(t, name, s, 0xffff, &out->v[1]);

	if (err)
		return err;
	out->m[1] = 0xffff;
	if (out->v[1] == 0xffff) { /* OpenFlow 1.0's "no tag" */
		out->v[1] = 0;
		return 0;
	}
	if (out->v[1] > CXLT_VLAN_VID_MASK)
		return of_fail(t, s.p, "%.*s: %.*s is too large (at most 4095, or 0xffff: no tag)",
			       OF_SPAN_ARG(name), OF_SPAN_ARG(s));
	out->v[1] |= CXLT_VLAN_PRESENT;
	out->m[1] = CXLT_VLAN_PRESENT | CXLT_VLAN_VID_MASK;
	return 0;
}

static int vlan_vid(const struct of_text *t, struct of_span name, struct of_span s,
		    struct of_value *out)
{
	if ((out->m[1] & CXLT_VLAN_PRESENT) && !(out->v[1] & CXLT_VLAN_PRESENT) &&
	    (out->v[1] & out->m[1]))
		return of_fail(t, s.p,
			       "%.*s: no packet has %.*s, write 0x%llx (bit 0x1000: there "
			       "is a tag)",
			       OF_SPAN_ARG(name), OF_SPAN_ARG(s),
			       (unsigned long long)out->v[1] | CXLT_VLAN_PRESENT);
	return 0;
}

static int exact(const struct of_text *t, const struct of_spec *spec, struct of_span name,
		 struct of_span s, struct of_value *out)
{
	int err;

	switch (spec->kind) {
	case OF_K_MAC: return mac(t, name, s, &out->v[1]);
	case OF_K_IPV4: return ipv4(t, name, s, &out->v[1]);
	case OF_K_IPV6: return ipv6(t, name, s, out->v);
	case OF_K_PORT: return in_port(t, name, s, &out->v[1]);
	case OF_K_FRAG: return frag(t, name, s, out);
	case OF_K_DL_VLAN: return dl_vlan(t, name, s, out);
	case OF_K_VLAN_PCP:
		err = number(t, name, s, 7, &out->v[1]);
		out->v[1] = out->v[1] << CXLT_VLAN_PCP_SHIFT | CXLT_VLAN_PRESENT;
		out->m[1] = CXLT_VLAN_PCP_MASK | CXLT_VLAN_PRESENT;
		return err;
	case OF_K_TOS: out->m[1] = OF_TOS_DSCP; return number(t, name, s, 255, &out->v[1]);
	case OF_K_TCP_FLAGS:
		if (!s.n || *s.p < '0' || *s.p > '9')
			return tcp_flags(t, s, out);
	}
	return number(t, name, s, full(spec), &out->v[1]);
}

static int mask(const struct of_text *t, const struct of_spec *spec, struct of_span name,
		struct of_span s, struct of_value *out)
{
	if (!(spec->flags & OF_MASKABLE))
		return of_fail(t, s.p, "%.*s takes no mask", OF_SPAN_ARG(name));
	out->masked = true;
	switch (spec->kind) {
	case OF_K_MAC: return mac(t, name, s, &out->m[1]);
	case OF_K_IPV4: return ipv4_mask(t, name, s, &out->m[1]);
	case OF_K_IPV6: return ipv6_mask(t, name, s, out->m);
	}
	return number(t, name, s, full(spec), &out->m[1]);
}

int of_parse_value(const struct of_text *t, const struct of_spec *spec, struct of_span name,
		   struct of_span text, struct of_value *out)
{
	const char *slash = memchr(text.p, '/', text.n);
	struct of_span value = {text.p, slash ? (size_t)(slash - text.p) : text.n};
	int err;

	out->masked = false;
	out->v[0] = out->v[1] = 0;
	out->m[0] = spec->bits == 128 ? ~0ULL : 0;
	out->m[1] = full(spec);
	if (!text.n)
		return of_fail(t, text.p, "%.*s needs a value", OF_SPAN_ARG(name));
	err = exact(t, spec, name, value, out);
	if (!err && slash) {
		struct of_span m = {slash + 1, text.p + text.n - slash - 1};

		err = mask(t, spec, name, m, out);
	}
	if (!err && spec->kind == OF_K_VLAN_VID)
		err = vlan_vid(t, name, text, out);
	return err;
}
