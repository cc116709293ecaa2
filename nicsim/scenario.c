// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <string.h>

#include <cxltab/action.h>
#include <cxltab/writer.h>

#include "scenario.h"
#include "traffic.h"

enum {
	PRIO_FLOW = 1000,
	PRIO_RULE_LOW = 100,
	PRIO_RULE_HIGH = 2000,
	ETH_IPV4 = 0x0800,
};

/* 172.16.0.0/12 and the rest of what no flow of traffic.c has. */
static void rule_match(__u32 mask, __u32 i, struct cxlt_rule_spec *r)
{
	__u32 dst = 172U << 24 | 16U << 16 | i << 8;

	CXLT_KEY_SET(&r->value, ETH_TYPE, ETH_IPV4);
	CXLT_KEY_SET(&r->mask, ETH_TYPE, 0xffff);
	switch (mask) {
	case 0:
		CXLT_KEY_SET(&r->value, IPV4_DST, dst);
		CXLT_KEY_SET(&r->mask, IPV4_DST, 0xffffff00);
		break;
	case 1:
		CXLT_KEY_SET(&r->value, IPV4_DST, (172U + i) << 24);
		CXLT_KEY_SET(&r->mask, IPV4_DST, 0xff000000);
		break;
	case 2:
		CXLT_KEY_SET(&r->value, IPV4_SRC, dst);
		CXLT_KEY_SET(&r->mask, IPV4_SRC, 0xffffff00);
		break;
	case 3:
		CXLT_KEY_SET(&r->value, IP_PROTO, 17);
		CXLT_KEY_SET(&r->mask, IP_PROTO, 0xff);
		CXLT_KEY_SET(&r->value, TP_DST, 1 + i);
		CXLT_KEY_SET(&r->mask, TP_DST, 0xffff);
		break;
	case 4:
		CXLT_KEY_SET(&r->value, ETH_DST, 0x02ffff000000ULL + i);
		CXLT_KEY_SET(&r->mask, ETH_DST, 0xffffffffffffULL);
		break;
	case 5:
		CXLT_KEY_SET(&r->value, IN_PORT, 100 + i);
		CXLT_KEY_SET(&r->mask, IN_PORT, 0xffffffff);
		break;
	case 6:
		CXLT_KEY_SET(&r->value, IPV4_DST, dst + 1);
		CXLT_KEY_SET(&r->mask, IPV4_DST, 0xffffffff);
		CXLT_KEY_SET(&r->value, IP_PROTO, 6);
		CXLT_KEY_SET(&r->mask, IP_PROTO, 0xff);
		CXLT_KEY_SET(&r->value, TP_DST, 80);
		CXLT_KEY_SET(&r->mask, TP_DST, 0xffff);
		break;
	default:
		CXLT_KEY_SET(&r->value, IPV4_SRC, 172U << 24 | i << 16);
		CXLT_KEY_SET(&r->mask, IPV4_SRC, 0xffff0000);
		CXLT_KEY_SET(&r->value, IPV4_DST, 172U << 24 | i << 16);
		CXLT_KEY_SET(&r->mask, IPV4_DST, 0xffff0000);
	}
}

static int install_rules(const struct cxlt_scenario *s, struct cxlt_writer *w)
{
	__u32 i;
	int rc = 0;

	for (i = 0; i < s->rules && rc >= 0; i++) {
		__u64 prog = cxlt_op_word(CXLT_OP_OUTPUT, 0, 0, 2 + i % 3);
		struct cxlt_rule_spec r = {.n_prog = 1, .prog = &prog};

		r.priority = (s->flows_first ? PRIO_RULE_LOW : PRIO_RULE_HIGH) + i % 97;
		rule_match(i % s->masks, i / s->masks, &r);
		rc = cxlt_rule_add(w, &r);
	}
	return rc;
}

static void flow_match(const struct cxlt_flow *f, struct cxlt_rule_spec *r)
{
	CXLT_KEY_SET(&r->value, IN_PORT, f->in_port);
	CXLT_KEY_SET(&r->value, ETH_TYPE, ETH_IPV4);
	CXLT_KEY_SET(&r->value, IP_PROTO, f->proto);
	CXLT_KEY_SET(&r->value, IPV4_SRC, f->src);
	CXLT_KEY_SET(&r->value, IPV4_DST, f->dst);
	CXLT_KEY_SET(&r->value, TP_SRC, f->sport);
	CXLT_KEY_SET(&r->value, TP_DST, f->dport);
	CXLT_KEY_SET(&r->mask, IN_PORT, 0xffffffff);
	CXLT_KEY_SET(&r->mask, ETH_TYPE, 0xffff);
	CXLT_KEY_SET(&r->mask, IP_PROTO, 0xff);
	CXLT_KEY_SET(&r->mask, IPV4_SRC, 0xffffffff);
	CXLT_KEY_SET(&r->mask, IPV4_DST, 0xffffffff);
	CXLT_KEY_SET(&r->mask, TP_SRC, 0xffff);
	CXLT_KEY_SET(&r->mask, TP_DST, 0xffff);
}

static int install_flows(const struct cxlt_scenario *s, struct cxlt_writer *w)
{
	__u32 i;
	int rc = 0;

	for (i = 0; i < s->flows && rc >= 0; i++) {
		__u64 prog = cxlt_op_word(CXLT_OP_OUTPUT, 0, 0, 2 + i % 3);
		struct cxlt_rule_spec r = {.n_prog = 1, .prog = &prog, .priority = PRIO_FLOW};
		struct cxlt_flow f = cxlt_flow_make(i, s->seed);

		r.cookie = i;
		flow_match(&f, &r);
		rc = cxlt_rule_add(w, &r);
	}
	return rc;
}

__u64 cxlt_scenario_size(const struct cxlt_scenario *s)
{
	/* An entry of two lines, two counter lines, and a share of the buckets, twice over. */
	return (32ULL << 20) + (s->flows + s->rules) * 1024ULL;
}

int cxlt_scenario_install(const struct cxlt_scenario *s, struct cxlt_slice *slice)
{
	struct cxlt_writer *w;
	int rc = cxlt_writer_open(slice, &w);

	if (rc)
		return rc;
	rc = cxlt_writer_lock(w);
	if (!rc) {
		rc = install_rules(s, w);
		if (rc >= 0)
			rc = install_flows(s, w);
		cxlt_writer_unlock(w);
	}
	cxlt_writer_close(w);
	return rc < 0 ? rc : 0;
}
