// SPDX-License-Identifier: Apache-2.0
/* The NIC's fast path in memory: batches in, copies and punts out, counters on device lines. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cxltab/action.h>
#include <cxltab/csum.h>
#include <cxltab/profile.h>
#include <cxltab/wire.h>

#include "fixture.h"
#include "nic.h"
#include "openflow/flow.h"
#include "packets.h"
#include "rand.h"
#include "traffic.h"

enum {
	OUT_MAX = 512,
	OUT_BYTES = 2048,
	PUNTED = -1,
};

struct out {
	int port; /* number, or PUNTED */
	__u32 len;
	__u8 bytes[OUT_BYTES];
};

static struct fixture f;
static struct cxlt_nic nic;
static struct cxlt_nic_stats stats;
static struct out out[OUT_MAX];
static __u32 n_out;
static int refuse; /* transmit's answer */

static int transmit(void *arg, const struct cxlt_nic_out *o)
{
	struct out *to = &out[n_out];
	__u32 rest = o->head ? o->packet->len - o->skip : o->packet->len;

	if (refuse)
		return refuse;
	cr_assert_lt(n_out++, OUT_MAX);
	to->port = nic.port[o->port];
	to->len = (o->head ? o->head_len : 0) + rest;
	cr_assert_leq(to->len, OUT_BYTES);
	if (o->head)
		memcpy(to->bytes, o->head, o->head_len);
	memcpy(to->bytes + to->len - rest, o->packet->data + (o->head ? o->skip : 0), rest);
	return 0;
}

static int punt(void *arg, const struct cxlt_nic_packet *p)
{
	struct out *to = &out[n_out];

	cr_assert_lt(n_out++, OUT_MAX);
	to->port = PUNTED;
	to->len = p->len;
	memcpy(to->bytes, p->data, p->len);
	return 0;
}

static void open_nic(const char *geometry)
{
	static const __u32 ports[] = {3, 1, 2, 60000};
	struct cxlt_mat_config c = cxlt_mat_config_default();
	char err[128];

	cr_assert_eq(cxlt_mat_config_parse(geometry, &c, err, sizeof(err)), 0, "%s", err);
	memset(&stats, 0, sizeof(stats));
	cr_assert_eq(cxlt_nic_init(&nic, f.s, &c, ports, 4, &stats), 0);
	nic.transmit = transmit;
	nic.punt = punt;
	n_out = 0;
	refuse = 0;
}

static void setup(void)
{
	fixture_open(&f, 8 << 20);
	open_nic("1024,8,lru");
}

static void teardown(void)
{
	cxlt_nic_fini(&nic);
	fixture_close(&f);
}

TestSuite(nic, .init = setup, .fini = teardown);

static void rule(const char *text)
{
	struct cxlt_rule_spec spec;
	struct of_error err;
	struct of_flow flow;

	cr_assert_eq(of_parse_flow(text, OF_ADD, &flow, &err), 0, "%s: %s", text, err.reason);
	spec = (struct cxlt_rule_spec){
		.table = flow.table,
		.priority = flow.priority,
		.cookie = flow.cookie,
		.value = flow.match.value,
		.mask = flow.match.mask,
		.n_prog = flow.n_prog,
		.prog = flow.prog,
	};
	cr_assert_geq(cxlt_rule_add(f.w, &spec), 0, "%s: %s", text, cxlt_error_text());
}

static __u8 frame[OUT_BYTES];

/* Flow 1 of traffic.h (TCP or UDP, 10.0.0.1) by port index `port`. */
static struct cxlt_nic_packet packet(__u32 port)
{
	struct cxlt_flow flow = cxlt_flow_make(1, 1);

	cxlt_flow_frame(&flow, frame, 100);
	return (struct cxlt_nic_packet){.data = frame, .len = 100, .port = port, .segments = 1};
}

/* One packet, alone in its batch. */
static struct cxlt_nic_packet send_one(void)
{
	struct cxlt_nic_packet p = packet(0);

	n_out = 0;
	cxlt_nic_batch(&nic, &p, 1);
	cxlt_nic_flush(&nic);
	return p;
}

static void expect_end(const struct cxlt_nic_packet *p, int verdict, int reason)
{
	cr_assert_eq(p->verdict, verdict, "%s, wanted %s", cxlt_verdict_name[p->verdict],
		     cxlt_verdict_name[verdict]);
	cr_assert_eq(p->reason, reason, "%s, wanted %s", cxlt_reason_name[p->reason],
		     cxlt_reason_name[reason]);
}

static void expect_punt(int reason)
{
	struct cxlt_nic_packet p = send_one();
	__u64 before;

	expect_end(&p, CXLT_V_PUNT, reason);
	cr_assert_eq(n_out, 1);
	cr_assert_eq(out[0].port, PUNTED);
	cr_assert_eq(out[0].len, p.len);
	cr_assert_arr_eq(out[0].bytes, p.data, p.len, "the host gets the original bytes");
	/* And again, from the MAT if that keeps it. */
	before = stats.port[0].net.reasons[reason];
	p = send_one();
	expect_end(&p, CXLT_V_PUNT, reason);
	cr_assert_eq(stats.port[0].net.reasons[reason], before + 1);
}

/* ---- Outputs -------------------------------------------------------------------------------- */

Test(nic, output_leaves_unchanged_by_its_port)
{
	struct cxlt_nic_packet p;
	int i;

	rule("priority=5,ip,actions=output:2");
	for (i = 0; i < 3; i++) {
		p = send_one();
		expect_end(&p, CXLT_V_OUTPUT, CXLT_R_RULE);
		cr_assert_eq(p.mat_hit, i > 0);
		cr_assert_eq(n_out, 1);
		cr_assert_eq(out[0].port, 2);
		cr_assert_arr_eq(out[0].bytes, frame, 100);
	}
	cr_assert_eq(stats.port[0].net.rx_packets, 3);
	cr_assert_eq(stats.port[0].net.rx_bytes, 300);
	cr_assert_eq(stats.port[0].net.mat_hits, 2);
	cr_assert_eq(stats.port[0].net.reasons[CXLT_R_RULE], 3);
}

Test(nic, ports_beyond_the_index_work)
{
	rule("priority=5,ip,in_port=1,actions=output:2");
	cr_assert_eq(cxlt_nic_port_index(&nic, 60000), 3);
	cr_assert_eq(cxlt_nic_port_index(&nic, 60001), -1);
	cr_assert_eq(cxlt_nic_port_index(&nic, 4), -1);
	cr_assert_eq(cxlt_nic_port_index(&nic, 1), 0);
}

Test(nic, edits_come_out_with_right_checksums)
{
	struct packet got;
	const char *bad;
	int i;

	rule("priority=5,tcp,actions=mod_dl_dst:02:00:00:00:00:99,mod_nw_src:1.2.3.4,dec_ttl,"
	     "mod_tp_dst:99,push_vlan:0x8100,mod_vlan_vid:7,output:3");
	rule("priority=5,udp,actions=mod_dl_dst:02:00:00:00:00:99,mod_nw_src:1.2.3.4,dec_ttl,"
	     "mod_tp_dst:99,push_vlan:0x8100,mod_vlan_vid:7,output:3");
	for (i = 0; i < 2; i++) {
		struct cxlt_nic_packet p = send_one();

		expect_end(&p, CXLT_V_OUTPUT, CXLT_R_RULE);
		cr_assert_eq(p.mat_hit, i);
		cr_assert_eq(n_out, 1);
		cr_assert_eq(out[0].len, 104);
		got.len = 104;
		memcpy(got.b, out[0].bytes, 104);
		bad = packet_bad_checksum(&got);
		cr_assert_null(bad, "%s", bad);
		cr_assert_eq(got.b[5], 0x99);
		cr_assert_eq(cxlt_get32(got.b + 12), 0x81000007);
		cr_assert_eq(cxlt_get32(got.b + 18 + 12), 0x01020304);
		cr_assert_eq(got.b[18 + 8], 63);
		cr_assert_eq(cxlt_get16(got.b + 38 + 2), 99);
		cr_assert_arr_eq(frame + 54, got.b + 58, 46, "the payload");
	}
}

Test(nic, flood_copies_to_every_other_port_ascending)
{
	int i, k;

	rule("priority=5,ip,actions=flood");
	for (i = 0; i < 2; i++) {
		static const int want[] = {2, 3, 60000};
		struct cxlt_nic_packet p = send_one();

		expect_end(&p, CXLT_V_OUTPUT, CXLT_R_RULE);
		cr_assert_eq(n_out, 3);
		for (k = 0; k < 3; k++) {
			cr_assert_eq(out[k].port, want[k]);
			cr_assert_arr_eq(out[k].bytes, frame, 100);
		}
	}
}

Test(nic, copies_show_the_bytes_of_their_moment)
{
	int i;

	rule("priority=5,ip,actions=output:2,mod_dl_src:02:00:00:00:00:aa,output:3,"
	     "push_vlan:0x8100,in_port,pop_vlan,output:60000");
	for (i = 0; i < 2; i++) {
		struct cxlt_nic_packet p = send_one();

		expect_end(&p, CXLT_V_OUTPUT, CXLT_R_RULE);
		cr_assert_eq(n_out, 4);
		cr_assert_arr_eq(out[0].bytes, frame, 100);
		cr_assert_eq(out[1].port, 3);
		cr_assert_eq(out[1].bytes[11], 0xaa);
		cr_assert_eq(out[2].port, 1);
		cr_assert_eq(out[2].len, 104);
		cr_assert_eq(cxlt_get16(out[2].bytes + 12), 0x8100);
		cr_assert_eq(out[3].port, 60000);
		cr_assert_eq(out[3].len, 100);
		cr_assert_eq(out[3].bytes[11], 0xaa);
		cr_assert_arr_eq(out[3].bytes + 12, frame + 12, 88);
	}
}

Test(nic, drop_ends_here)
{
	struct cxlt_nic_packet p;

	rule("priority=5,ip,actions=drop");
	p = send_one();
	expect_end(&p, CXLT_V_DROP, CXLT_R_RULE_DROP);
	cr_assert_eq(n_out, 0);
	rule("priority=6,ip,actions=output:1");
	p = send_one();
	expect_end(&p, CXLT_V_DROP, CXLT_R_ONLY_IN_PORT);
	cr_assert_eq(n_out, 0);
}

Test(nic, what_a_port_refuses_is_the_packets_reason)
{
	struct cxlt_nic_packet p;

	rule("priority=5,ip,actions=output:2");
	refuse = CXLT_R_NO_PORT;
	p = send_one();
	expect_end(&p, CXLT_V_DROP, CXLT_R_NO_PORT);
	p = send_one();
	expect_end(&p, CXLT_V_DROP, CXLT_R_NO_PORT);
	refuse = 0;
	p = send_one();
	expect_end(&p, CXLT_V_OUTPUT, CXLT_R_RULE);
}

/* The sum of the pseudo-header follows the addresses; what the header sums is nobody's yet. */
Test(nic, partial_checksums_stay_partial)
{
	struct cxlt_flow flow = cxlt_flow_make(1, 1);
	struct cxlt_nic_packet p = packet(0);
	__u32 at = flow.proto == 6 ? 50 : 40;
	struct packet got;
	const char *bad;

	rule("priority=5,tcp,actions=mod_nw_src:1.2.3.4,mod_tp_dst:99,output:3");
	rule("priority=5,udp,actions=mod_nw_src:1.2.3.4,mod_tp_dst:99,output:3");
	cxlt_put16(frame + at,
		   cxlt_csum_fold((__u64)(flow.src >> 16) + (flow.src & 0xffff) + (flow.dst >> 16) +
				  (flow.dst & 0xffff) + flow.proto + 66));
	p.offload.partial = 1;
	p.offload.csum_start = 34;
	p.offload.csum_offset = at - 34;
	cxlt_nic_batch(&nic, &p, 1);
	cr_assert_eq(n_out, 1);
	got.len = out[0].len;
	memcpy(got.b, out[0].bytes, got.len);
	cr_assert_eq(cxlt_csum_finish(got.b, got.len, 34, at - 34), 0);
	bad = packet_bad_checksum(&got);
	cr_assert_null(bad, "%s", bad);
}

/* ---- Punts ---------------------------------------------------------------------------------- */

Test(nic, punts_have_reasons)
{
	expect_punt(CXLT_R_DEV_MISS);
	rule("priority=5,ip,actions=controller");
	expect_punt(CXLT_R_DEV_ACTION);
	rule("priority=6,ip,actions=output:2,controller");
	expect_punt(CXLT_R_DEV_ACTION);
	rule("priority=7,ip,actions=local");
	expect_punt(CXLT_R_DEV_ACTION);
	rule("priority=8,ip,actions=output:2,output:99");
	expect_punt(CXLT_R_NO_PORT);
}

Test(nic, malformed_packets_are_the_hosts)
{
	struct cxlt_nic_packet p = packet(0);
	__u32 len;

	rule("priority=5,actions=output:2");
	for (len = 0; len < 34; len++) {
		p = packet(0);
		p.len = len;
		n_out = 0;
		cxlt_nic_batch(&nic, &p, 1);
		expect_end(&p, CXLT_V_PUNT, CXLT_R_DEV_PARSE);
		cr_assert_eq(n_out, 1);
		cr_assert_eq(out[0].port, PUNTED);
		cr_assert_eq(out[0].len, len);
	}
}

static void open_with_profile(const char *match, const char *actions)
{
	struct cxlt_slice_config cfg = {.size = 8 << 20};
	char path[] = "/tmp/profile-XXXXXX", err[256];
	struct cxlt_mat_config m;
	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	dprintf(fd, "match = %s\nactions = %s\n", match, actions);
	close(fd);
	cr_assert_eq(cxlt_profile_read(path, &cfg.profile, &m, err, sizeof(err)), 0, "%s", err);
	unlink(path);
	teardown();
	fixture_config(&f, &cfg);
	open_nic("1024,8,lru");
}

Test(nic, lacking_action_punts)
{
	struct cxlt_nic_packet p;

	open_with_profile("all", "output");
	rule("priority=5,ip,actions=output:2");
	p = send_one();
	expect_end(&p, CXLT_V_OUTPUT, CXLT_R_RULE);
	rule("priority=6,ip,actions=dec_ttl,output:2");
	expect_punt(CXLT_R_DEV_ACTION);
}

Test(nic, lacking_field_punts_only_what_may_match)
{
	struct cxlt_nic_packet p;

	open_with_profile("all -ip_ttl", "all");
	rule("priority=5,ip,actions=output:2");
	rule("priority=9,ip,nw_ttl=3,nw_dst=99.0.0.0/8,actions=drop");
	p = send_one();
	expect_end(&p, CXLT_V_OUTPUT, CXLT_R_RULE);
	rule("priority=9,ip,nw_ttl=3,nw_src=10.0.0.0/8,actions=drop");
	expect_punt(CXLT_R_DEV_FIELD);
}

/* ---- Counters ------------------------------------------------------------------------------- */

static int sum_rule(void *arg, const struct cxlt_rule_info *i)
{
	struct cxlt_rule_info *sum = arg;
	int k;

	for (k = 0; k < 2; k++) {
		sum->packets[k] += i->packets[k];
		sum->bytes[k] += i->bytes[k];
		sum->used[k] |= i->used[k];
	}
	return 0;
}

Test(nic, counts_on_device_lines_only)
{
	struct cxlt_nic_packet p[CXLT_NIC_BATCH];
	struct cxlt_rule_info sum = {0};
	int i;

	rule("priority=5,ip,actions=goto_table:1");
	rule("table=1,priority=5,ip,actions=output:2");
	for (i = 0; i < CXLT_NIC_BATCH; i++)
		p[i] = packet(0);
	p[3].segments = 10;
	cxlt_nic_batch(&nic, p, CXLT_NIC_BATCH);
	cxlt_nic_batch(&nic, p, CXLT_NIC_BATCH);
	cxlt_nic_flush(&nic);
	cxlt_rule_each(f.s, -1, sum_rule, &sum);
	cr_assert_eq(sum.packets[0], 0);
	cr_assert_eq(sum.bytes[0], 0);
	cr_assert_eq(sum.used[0], 0);
	cr_assert_eq(sum.packets[1], 2 * 2 * (31 + 10));
	cr_assert_eq(sum.bytes[1], 2 * 2 * 32 * 100);
	cr_assert_neq(sum.used[1], 0);
}

Test(nic, punts_count_nothing)
{
	struct cxlt_rule_info sum = {0};

	rule("priority=5,ip,actions=goto_table:1");
	rule("table=1,priority=5,ip,actions=controller");
	expect_punt(CXLT_R_DEV_ACTION);
	cxlt_rule_each(f.s, -1, sum_rule, &sum);
	cr_assert_eq(sum.packets[0] + sum.packets[1], 0);
}

/* ---- MAT and tables ------------------------------------------------------------------------- */

static int collect(void *arg, const struct cxlt_rule_info *i)
{
	struct cxlt_rule_info *all = arg;

	while (all->n_prog)
		all++;
	*all = *i;
	return 0;
}

static void delete_below(__u32 priority)
{
	static struct cxlt_rule_info all[256];
	int i;

	memset(all, 0, sizeof(all));
	cxlt_rule_each(f.s, -1, collect, all);
	for (i = 0; all[i].n_prog; i++) {
		struct cxlt_rule_spec spec = {
			.priority = all[i].priority, .value = all[i].value, .mask = all[i].mask};

		if (spec.priority < priority)
			cr_assert_eq(cxlt_rule_delete(f.w, &spec), 0);
	}
}

Test(nic, higher_priority_insert_beats_a_hot_entry)
{
	struct cxlt_nic_packet p;
	char text[64];
	int i;

	rule("priority=5,ip,actions=output:2");
	for (i = 0; i < 1000; i++) {
		p = send_one();
		p = send_one();
		cr_assert(p.mat_hit);
		cr_assert_eq(out[0].port, 2 + i % 2);
		/* The match differs, so that rules don't pile up behind one key. */
		snprintf(text, sizeof(text), "priority=%d,ip,nw_src=10.0.0.0/%d,actions=output:%d",
			 6 + i, 8 + i % 20, 2 + (i + 1) % 2);
		rule(text);
		p = send_one();
		cr_assert_not(p.mat_hit);
		cr_assert_eq(out[0].port, 2 + (i + 1) % 2);
		if (i % 100 == 99)
			delete_below(6 + i);
	}
}

static void random_rules(struct rnd *r)
{
	static const char *const actions[] = {
		"output:2",
		"output:3,output:2",
		"mod_nw_dst:9.9.9.9,output:2",
		"push_vlan:0x8100,output:3",
		"dec_ttl,goto_table:1",
		"flood",
		"drop",
		"controller",
		"mod_dl_src:02:00:00:00:00:44,goto_table:1",
		"set_field:5->reg0,goto_table:1",
	};
	char text[128];
	__u32 i;

	for (i = 0; i < 40; i++) {
		snprintf(text, sizeof(text),
			 "table=%u,priority=%u,%s,nw_src=10.0.0.%u/%u,actions=%s", i & 1,
			 rnd_below(r, 1000), rnd_one_in(r, 2) ? "tcp" : "udp", rnd_below(r, 256),
			 24 + rnd_below(r, 9), actions[rnd_below(r, i & 1 ? 4 : 10)]);
		rule(text);
	}
}

/* What leaves must not depend on where the answer came from: each packet with and without a MAT. */
Test(nic, mat_hit_equals_table_result)
{
	static struct out want[OUT_MAX];
	static __u8 frames[CXLT_NIC_BATCH][128];
	struct rnd r = rnd_new("nic");
	__u32 round, i, n_want, hits = 0;

	random_rules(&r);
	for (round = 0; round < 300; round++) {
		struct cxlt_nic_packet p[CXLT_NIC_BATCH], q[CXLT_NIC_BATCH];

		if (round % 50 == 49)
			random_rules(&r);
		for (i = 0; i < CXLT_NIC_BATCH; i++) {
			struct cxlt_flow flow = cxlt_flow_make(rnd_below(&r, 48), 1);

			cxlt_flow_frame(&flow, frames[i], 100);
			p[i] = (struct cxlt_nic_packet){.data = frames[i],
							.len = 100,
							.port = rnd_below(&r, 4),
							.segments = 1};
			q[i] = p[i];
		}
		n_out = 0;
		cxlt_nic_batch(&nic, p, CXLT_NIC_BATCH);
		memcpy(want, out, n_out * sizeof(*out));
		n_want = n_out;
		cxlt_mat_clear(nic.mat);
		n_out = 0;
		cxlt_nic_batch(&nic, q, CXLT_NIC_BATCH);
		cr_assert_eq(n_out, n_want);
		for (i = 0; i < n_out; i++) {
			cr_assert_eq(out[i].port, want[i].port);
			cr_assert_eq(out[i].len, want[i].len);
			cr_assert_arr_eq(out[i].bytes, want[i].bytes, want[i].len);
		}
		for (i = 0; i < CXLT_NIC_BATCH; i++) {
			cr_assert_eq(p[i].verdict, q[i].verdict);
			cr_assert_eq(p[i].reason, q[i].reason);
			hits += p[i].mat_hit;
		}
	}
	cr_assert_gt(hits, 1000);
}
