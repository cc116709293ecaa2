// SPDX-License-Identifier: Apache-2.0
/*
 * All paths do the same: generated rule tables and packets through inline C and the device's fast
 * path, whose results must be equal in verdict, reason, rule, outputs, bytes and counters.
 *
 *	SEED=  repeats a run; TABLE= only this table of it; N= packets per table
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cxltab/counter.h>
#include <cxltab/parse.h>

#include "parity_world.h"
#include "sandbox.h"

enum {
	WORLDS = 10,
	TABLES = 5, /* in each world */
	PACKETS = 20000,
	CHUNK = 125, /* packets between changes */
};

static struct parity_world world;
static struct parity_device *device;
static struct parity_packet packet[CHUNK];
static struct parity_result want[PARITY_BATCH], got[PARITY_BATCH];
static __u64 reasons[2][CXLT_N_REASONS], verdicts[2][CXLT_N_VERDICTS], device_runs;

static __u64 number(const char *name, __u64 otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

/* ---- What the device may do ---- */

/* The device hands a packet to the host: as it came, and for a reason that holds. */
static const char *punt_difference(const struct parity_packet *p, const struct parity_result *w,
				   const struct parity_result *g)
{
	static struct parity_packet handed;
	static struct parity_result again;
	const struct parity_output *o = &g->output[0];
	bool malformed = w->reason >= CXLT_R_SHORT_FRAME && w->reason <= CXLT_R_TRUNC_VXLAN;

	if (g->n_outputs != 1 || o->kind != PARITY_PUNTED)
		return "a punt that isn't one packet to the host";
	if (o->len != p->p.len || memcmp(g->bytes + o->at, p->p.b, o->len))
		return "the punted packet's bytes";
	if (malformed != (g->reason == CXLT_R_DEV_PARSE))
		return "punt of a malformed packet";
	if (g->reason == CXLT_R_DEV_MISS && w->matched)
		return "punt as a miss, where the host has a rule";
	if (g->reason < CXLT_R_NO_PORT || g->reason == CXLT_R_UNSTABLE)
		return "reason of a punt";
	handed.in_port = p->in_port;
	handed.p.len = o->len;
	memcpy(handed.p.b, g->bytes + o->at, o->len);
	parity_inline(&world.host, &world.ports, &handed, &again);
	return parity_difference(w, &again);
}

static const char *device_difference(const struct parity_packet *p, const struct parity_result *w,
				     const struct parity_result *g)
{
	return g->verdict == CXLT_V_PUNT ? punt_difference(p, w, g) : parity_difference(w, g);
}

/* ---- A difference ---- */

/* Does a NIC with an empty MAT differ too, at the first packet or by its MAT? */
static bool fresh_device_differs(const struct parity_packet *p)
{
	struct parity_device *d = parity_device_open(world.slice, &world.mat, &world.ports);
	bool differs = false;
	__u32 i;

	for (i = 0; d && i < 2; i++) {
		parity_inline(&world.host, &world.ports, p, &want[0]);
		parity_device_run(d, p, 1, &got[0]);
		differs |= device_difference(p, &want[0], &got[0]) != NULL;
	}
	parity_device_close(d);
	return differs;
}

/* Takes out of the slice, one by one, the rules without which the paths still differ. */
static void minimise(bool (*differs)(const struct parity_packet *), const struct parity_packet *p)
{
	struct parity_gen *g = &world.gen;
	__u32 i = 0;

	while (i < g->n_rules) {
		struct cxlt_rule_spec s = parity_spec(&g->rule[i]);

		if (cxlt_rule_delete(world.writer, &s))
			break;
		if (differs(p)) {
			g->rule[i] = g->rule[--g->n_rules];
			continue;
		}
		if (cxlt_rule_add(world.writer, &s) < 0)
			break;
		i++;
	}
}

static void explain(const char *path, bool (*differs)(const struct parity_packet *),
		    const struct parity_packet *p, const char *why, struct parity_result *w,
		    struct parity_result *r)
{
	__u32 i;

	fprintf(stderr, "inline and %s differ: %s\n", path, why);
	parity_print_packet(stderr, p);
	parity_print_result(stderr, "inline", w);
	parity_print_result(stderr, path, r);
	if (!differs(p)) {
		fprintf(stderr, "not so without what happened before; the table now:\n");
	} else {
		minimise(differs, p);
		differs(p);
		parity_print_result(stderr, "with the rules below, inline", &want[0]);
		parity_print_result(stderr, path, &got[0]);
	}
	for (i = 0; i < world.gen.n_rules; i++)
		parity_print_rule(stderr, &world.gen.rule[i]);
	cr_assert_fail("inline and %s differ: %s", path, why);
}

/* ---- Device ---- */

static void batch_on_device(struct parity_packet *p, __u32 n)
{
	const char *why;
	__u32 i, j;

	for (i = 0; i < n; i++)
		parity_inline(&world.host, &world.ports, &p[i], &want[i]);
	parity_device_run(device, p, n, got);
	for (i = 0; i < n; i++) {
		bool punted = got[i].verdict == CXLT_V_PUNT;

		why = device_difference(&p[i], &want[i], &got[i]);
		if (why)
			explain("device", fresh_device_differs, &p[i], why, &want[i], &got[i]);
		parity_world_count(&world, &want[i], p[i].p.len, !punted);
		for (j = 0; punted && j < want[i].n_hits; j++)
			cxlt_count(&world.host, want[i].hits[j], 1, p[i].p.len, 1);
		verdicts[0][want[i].verdict]++;
		verdicts[1][got[i].verdict]++;
		reasons[0][want[i].reason]++;
		reasons[1][got[i].reason]++;
	}
	device_runs += n;
}

static void all_on_device(struct rnd *r, __u32 n)
{
	__u32 i, b;

	for (i = 0; i < n; i += b) {
		b = rnd_one_in(r, 4) ? 1 : 1 + rnd_below(r, PARITY_BATCH);
		b = b < n - i ? b : n - i;
		batch_on_device(&packet[i], b);
	}
}

/* Rules come and go; the first ones concern a packet that the MAT has just seen. */
static void change(struct rnd *r, __u32 n)
{
	__u32 changes = 1 + rnd_below(r, 3);

	while (changes--) {
		const struct parity_packet *p = &packet[rnd_below(r, n)];
		struct cxlt_layers lay;
		struct cxlt_key key;

		cxlt_parse(p->p.b, p->p.len < CXLT_HDR_MAX ? p->p.len : CXLT_HDR_MAX, p->p.len,
			   p->in_port, &key, &lay);
		parity_inline(&world.host, &world.ports, p, &want[0]);
		parity_world_change(&world, rnd_one_in(r, 2) ? want[0].table : 0, &key);
	}
}

static void table_on_device(__u64 seed, __u64 n_packets)
{
	__u64 done;
	__u32 i, n;

	parity_world_table(&world, seed);
	for (done = 0; done < n_packets; done += n) {
		n = n_packets - done < CHUNK ? n_packets - done : CHUNK;
		for (i = 0; i < n; i++)
			parity_gen_packet(&world.gen, &packet[i]);
		all_on_device(&world.gen.r, n);
		all_on_device(&world.gen.r, n);
		change(&world.gen.r, n);
		all_on_device(&world.gen.r, n);
	}
	parity_world_clear(&world);
}

/* ---- XDP and TC ---- */

static const char *const hook_name[2] = {"XDP", "TC"};
static struct parity_bpf *bpf;
static __u64 bpf_runs[2], handed_over, refused_by_kernel;

/* The kernel may refuse to run an skb that ends inside its network header. */
static bool ends_in_l3(const struct parity_packet *p)
{
	__u32 type = p->p.b[12] << 8 | p->p.b[13];

	return p->p.len < (type == 0x0800 ? 34u : type == 0x86dd ? 54u : 14u);
}

static const char *bpf_difference(const struct parity_packet *p, __u32 hook)
{
	int rc = parity_bpf_run(bpf, hook, p, &got[0]);

	if (rc == -EINVAL && hook == PARITY_TC && ends_in_l3(p)) {
		refused_by_kernel++;
		return NULL;
	}
	if (rc)
		return strerror(-rc);
	parity_inline(&world.host, &world.ports, p, &want[0]);
	return parity_difference(&want[0], &got[0]);
}

static bool xdp_differs(const struct parity_packet *p)
{
	return bpf_difference(p, PARITY_XDP);
}

static bool tc_differs(const struct parity_packet *p)
{
	return bpf_difference(p, PARITY_TC);
}

static void packet_by_bpf(const struct parity_packet *p)
{
	const char *why;
	__u32 hook;

	for (hook = PARITY_XDP; hook <= PARITY_TC && p->p.len >= 14; hook++) {
		why = bpf_difference(p, hook);
		if (why)
			explain(hook_name[hook], hook == PARITY_XDP ? xdp_differs : tc_differs, p,
				why, &want[0], &got[0]);
		bpf_runs[hook]++;
		handed_over += hook == PARITY_XDP && parity_bpf_handed_over(bpf);
	}
	verdicts[0][want[0].verdict]++;
	reasons[0][want[0].reason]++;
}

static void table_by_bpf(__u64 seed, __u64 n_packets)
{
	__u64 i;

	parity_world_table(&world, seed);
	for (i = 0; i < n_packets; i++) {
		parity_gen_packet(&world.gen, &packet[i % CHUNK]);
		packet_by_bpf(&packet[i % CHUNK]);
		if (i % CHUNK == CHUNK - 1)
			change(&world.gen.r, CHUNK);
	}
	parity_world_clear(&world);
}

static void print_ends(void)
{
	__u32 i;

	for (i = 0; i < CXLT_N_REASONS; i++)
		if (reasons[0][i] || reasons[1][i])
			fprintf(stderr, "  %-14s %9llu %9llu\n", cxlt_reason_name[i], reasons[0][i],
				reasons[1][i]);
}

Test(parity, inline_and_device_do_the_same, .timeout = 170)
{
	__u64 n = number("N", rnd_scaled(PACKETS)), only = number("TABLE", ~0ULL), hits, stale;
	__u64 all_hits = 0, all_stale = 0, changes = 0, refused = 0;
	struct rnd r = rnd_new("parity"), worlds = rnd_fork(&r);
	__u32 w, t;

	for (w = 0; w < WORLDS; w++) {
		parity_world_config(&world, w, &worlds);
		cr_assert_eq(parity_world_open(&world, NULL), 0, "%s", cxlt_error_text());
		device = parity_device_open(world.slice, &world.mat, &world.ports);
		cr_assert_not_null(device);
		for (t = 0; t < TABLES; t++) {
			__u64 seed = rnd_next(&r);

			if (only != ~0ULL && only != w * TABLES + t)
				continue;
			fprintf(stderr, "TABLE=%u\n", w * TABLES + t);
			table_on_device(seed, n);
			cr_assert_eq(world.bad, 0, "counters are wrong");
		}
		parity_device_mat(device, &hits, &stale);
		all_hits += hits;
		all_stale += stale;
		changes += world.changes;
		refused += world.refused;
		parity_device_close(device);
		parity_world_close(&world);
		cr_assert_eq(world.bad, 0, "the slice is inconsistent");
	}
	fprintf(stderr,
		"%llu packets: %llu outputs, %llu punts, %llu MAT hits, %llu stale, "
		"%llu changes, %llu refused\n",
		device_runs, verdicts[0][CXLT_V_OUTPUT], verdicts[1][CXLT_V_PUNT], all_hits,
		all_stale, changes, refused);
	print_ends();
	if (only != ~0ULL || n < 1000)
		return;
	/* Or else the above says little. */
	cr_assert_gt(verdicts[0][CXLT_V_OUTPUT], device_runs / 4);
	cr_assert_gt(verdicts[1][CXLT_V_OUTPUT], device_runs / 5);
	cr_assert_gt(all_hits, device_runs / 8);
	cr_assert_gt(all_stale, device_runs / 50);
}

Test(parity, inline_xdp_and_tc_do_the_same, .timeout = 170)
{
	__u64 n = number("N", rnd_scaled(PACKETS)), only = number("TABLE", ~0ULL);
	struct rnd r = rnd_new("parity"), worlds = rnd_fork(&r);
	const char *what;
	__u32 w, t;
	char name[32];

	if (geteuid())
		cr_skip_test("needs root, for BPF");
	cr_assert_eq(sandbox_enter(&what), 0, "%s", what);
	for (w = 0; w < WORLDS; w += 2) { /* each one loads the programs */
		parity_world_config(&world, w, &worlds);
		snprintf(name, sizeof(name), "parity%u", w);
		cr_assert_eq(parity_world_open(&world, name), 0, "%s", cxlt_error_text());
		bpf = parity_bpf_open(world.slice, &world.ports);
		cr_assert_not_null(bpf);
		for (t = 0; t < 2 * TABLES; t++) {
			__u64 seed = rnd_next(&r);

			if (only != ~0ULL && only != w * TABLES + t)
				continue;
			fprintf(stderr, "TABLE=%u\n", w * TABLES + t);
			table_by_bpf(seed, n);
			cr_assert_eq(world.bad, 0, "counters are wrong");
		}
		parity_bpf_close(bpf);
		parity_world_close(&world);
		cr_assert_eq(world.bad, 0, "the slice is inconsistent");
	}
	fprintf(stderr,
		"%llu packets through XDP, %llu handed over; %llu through TC, %llu refused\n",
		bpf_runs[PARITY_XDP], handed_over, bpf_runs[PARITY_TC], refused_by_kernel);
	print_ends();
	if (only != ~0ULL || n < 1000)
		return;
	cr_assert_gt(handed_over, bpf_runs[PARITY_XDP] / 8);
	cr_assert_lt(handed_over, bpf_runs[PARITY_XDP] * 7 / 8);
	cr_assert_lt(refused_by_kernel, bpf_runs[PARITY_TC] / 50);
}

/* ---- What the loaded programs count ---- */

static struct parity_live *live;

static void packet_counted_by(const struct parity_packet *p, enum parity_hook hook)
{
	int rc;

	if (p->p.len < 14)
		return;
	parity_inline(&world.host, &world.ports, p, &want[0]);
	rc = parity_live_run(live, hook, p);
	if (rc == -EINVAL && hook == PARITY_TC && ends_in_l3(p))
		return;
	cr_assert_eq(rc, 0, "%s: %s", hook_name[hook], strerror(-rc));
	if (hook == PARITY_XDP && want[0].copies)
		return; /* handed over, uncounted */
	parity_world_count(&world, &want[0], p->p.len, false);
	bpf_runs[hook]++;
}

Test(parity, loaded_programs_count_what_inline_counts, .timeout = 170)
{
	__u64 n = number("N", rnd_scaled(PACKETS / 10)), i;
	struct rnd r = rnd_new("parity/count");
	const char *what;
	__u32 t;

	if (geteuid())
		cr_skip_test("needs root, for BPF");
	cr_assert_eq(sandbox_enter(&what), 0, "%s", what);
	parity_world_config(&world, 0, &r);
	cr_assert_eq(parity_world_open(&world, "counting"), 0, "%s", cxlt_error_text());
	live = parity_live_open(world.slice, &world.ports);
	cr_assert_not_null(live);
	for (t = 0; t < 2 * TABLES; t++) {
		parity_world_table(&world, rnd_next(&r));
		for (i = 0; i < n; i++) {
			parity_gen_packet(&world.gen, &packet[0]);
			packet_counted_by(&packet[0], PARITY_XDP);
			packet_counted_by(&packet[0], PARITY_TC);
		}
		parity_world_clear(&world); /* compares */
		cr_assert_eq(world.bad, 0, "counters are wrong");
	}
	parity_live_close(live);
	parity_world_close(&world);
	cr_assert_gt(bpf_runs[PARITY_XDP], n);
	cr_assert_gt(bpf_runs[PARITY_TC], n);
}
