// SPDX-License-Identifier: Apache-2.0
/*
 * What masks cost that can't match: a search of a table with 128 tuples against one of a table that
 * has 4 of them, in which all rules lie that fit the packets in part or whole.  Table 0 has both
 * kinds, the 4 with the lowest priorities; table 1 has the 4.  A packet is probed in each of the 4
 * and found in the last.  In XDP, under BPF_PROG_TEST_RUN, and inline in C.  Rounds alternate;
 * medians are compared, less that of the same loop without a search.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cxltab/classify.h>
#include <cxltab/slice.h>
#include <cxltab/writer.h>

#include "../bpf/xdp_classify.h"
#include "rows.h"
#include "sandbox.h"
#include "xdp_classify.skel.h"

enum {
	TUPLES = 128,
	FEW = 4,
	RULES = 8, /* of a tuple that can't match */
	NETS = 16,
	ROUNDS_MAX = ROWS_ROUNDS_MAX,
	N_KINDS = 3,
};

static struct cxlt_slice *slice;
static struct cxlt_writer *writer;
static struct xdp_classify_bpf *skel;
static struct cxlt_key keys[CLASSIFY_KEYS];
static struct cxlt_view view;
static __u64 probes, lines; /* of the last inline round */

static int quiet(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	return 0;
}

static void die(const char *what, int rc)
{
	fprintf(stderr, "%s: %s (%s)\n", what, strerror(rc < 0 ? -rc : rc), cxlt_error_text());
	exit(1);
}

/* ---- Tables ---- */

static __u32 src_net(__u32 i)
{
	return 0x0a010000 + (i % NETS << 8);
}

static __u32 dst_net(__u32 i)
{
	return 0x0a800000 + (i % NETS << 8);
}

static __u32 port(__u32 i)
{
	return 8000 + i % NETS;
}

static __u32 random32(void)
{
	static __u64 s = 88172645463325252ULL;

	s ^= s << 13;
	s ^= s >> 7;
	s ^= s << 17;
	return (__u32)(s >> 16);
}

static void put(__u32 table, struct cxlt_rule_spec *r)
{
	__u64 prog = cxlt_op_word(CXLT_OP_OUTPUT, 0, 0, 1);
	int rc;

	r->table = table;
	r->prog = &prog;
	r->n_prog = 1;
	CXLT_KEY_SET(&r->value, ETH_TYPE, 0x800);
	CXLT_KEY_SET(&r->mask, ETH_TYPE, 0xffff);
	rc = cxlt_rule_add(writer, r);
	if (rc < 0)
		die("rule", rc);
}

static void on_nets(struct cxlt_rule_spec *r, __u32 src, __u32 src_mask, __u32 dst, __u32 dst_mask)
{
	CXLT_KEY_SET(&r->value, IPV4_SRC, src);
	CXLT_KEY_SET(&r->mask, IPV4_SRC, src_mask);
	CXLT_KEY_SET(&r->value, IPV4_DST, dst);
	CXLT_KEY_SET(&r->mask, IPV4_DST, dst_mask);
}

static void on_port(struct cxlt_rule_spec *r, __u32 dport)
{
	CXLT_KEY_SET(&r->value, TP_DST, dport);
	CXLT_KEY_SET(&r->mask, TP_DST, 0xffff);
}

/* Each value that a packet has is in some rule of each tuple; only the last tuple has it all. */
static void add_few(__u32 table)
{
	__u32 i;

	for (i = 0; i < NETS; i++) {
		struct cxlt_rule_spec a = {.priority = 40}, b = {.priority = 30},
				      c = {.priority = 20}, d = {.priority = 10};

		on_nets(&a, src_net(i), 0xffffff00, dst_net(i + 1), 0xffffff00);
		on_nets(&b, src_net(i), 0xffffff00, dst_net(i + 2), 0xffffff00);
		on_port(&b, port(i));
		on_nets(&c, 0, 0, dst_net(i), 0xffffff00);
		on_port(&c, port(i + 1));
		on_nets(&d, src_net(i), 0xffffff00, 0, 0);
		put(table, &a);
		put(table, &b);
		put(table, &c);
		put(table, &d);
	}
}

static void add_others(void)
{
	static const int length[] = {8, 12, 16, 20, 22, 26, 28, 32};
	__u32 i, k;

	for (i = 0; i < TUPLES - FEW; i++)
		for (k = 0; k < RULES; k++) {
			struct cxlt_rule_spec r = {.priority = (__u16)(1000 + i)};

			on_nets(&r, 0xac100000 + random32() % (1 << 20),
				~0U << (32 - length[i % 8]), 0xc0a80000 + random32() % (1 << 16),
				~0U << (32 - length[i / 8 % 8]));
			if (i >= 64)
				on_port(&r, 1024 + random32() % 4096);
			put(0, &r);
		}
}

static void make_keys(void)
{
	__u32 i;

	for (i = 0; i < CLASSIFY_KEYS; i++) {
		struct cxlt_key *k = &keys[i];

		CXLT_KEY_SET(k, IN_PORT, 1);
		CXLT_KEY_SET(k, ETH_TYPE, 0x800);
		CXLT_KEY_SET(k, IP_PROTO, 6);
		CXLT_KEY_SET(k, IPV4_SRC, src_net(i) + i);
		CXLT_KEY_SET(k, IPV4_DST, dst_net(i) + i);
		CXLT_KEY_SET(k, TP_SRC, 40000 + i);
		CXLT_KEY_SET(k, TP_DST, port(i));
		CXLT_KEY_SET(k, IP_TTL, 64);
	}
}

static void open_world(void)
{
	struct cxlt_slice_config config = {.size = 16 << 20};
	char name[32];
	__u32 i;
	int rc;

	snprintf(name, sizeof(name), "bench_tuples_%d", (int)getpid());
	rc = cxlt_slice_create(name, &config, &slice);
	if (!rc)
		rc = cxlt_writer_open(slice, &writer);
	if (rc)
		die("slice", rc);
	add_few(1);
	add_few(0);
	add_others();
	make_keys();
	if (cxlt_table_tuples(slice, 0) != TUPLES || cxlt_table_tuples(slice, 1) != FEW)
		die("number of tuples", -EINVAL);
	cxlt_slice_view(slice, 0, &view);
	skel = xdp_classify_bpf__open();
	if (!skel)
		die("open", -errno);
	skel->rodata->slice_view = view;
	skel->rodata->slice_view.base = 0;
	bpf_map__reuse_fd(skel->maps.arena, cxlt_slice_fd(slice));
	rc = xdp_classify_bpf__load(skel);
	for (i = 0; !rc && i < CLASSIFY_KEYS; i++)
		rc = bpf_map__update_elem(skel->maps.keys, &i, sizeof(i), &keys[i], sizeof(keys[i]),
					  0);
	if (rc)
		die("load", rc);
	cxlt_slice_destroy(name);
}

/* ---- Rounds; ns of one search ---- */

static double in_xdp(int kind, __u32 runs)
{
	struct bpf_program *prog[N_KINDS] = {skel->progs.base, skel->progs.many, skel->progs.few};
	char packet[64] = {0};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = sizeof(packet),
		    .repeat = (int)runs);
	__u64 before = skel->bss->hits;
	int rc = bpf_prog_test_run_opts(bpf_program__fd(prog[kind]), &opts);

	if (rc)
		die("test run", rc);
	if (kind && skel->bss->hits - before != (__u64)runs * CLASSIFY_KEYS)
		die("not all were found", -ENOENT);
	return (double)opts.duration / CLASSIFY_KEYS;
}

static double in_c(int kind, __u32 runs)
{
	static struct cxlt_work w;
	struct timespec a, b;
	__u64 hits = 0;
	__u32 r, i;

	probes = lines = 0;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
	for (r = 0; r < runs; r++)
		for (i = 0; i < CLASSIFY_KEYS; i++) {
			w.key = keys[i];
			w.budget = view.work_budget;
			w.version = 1;
			w.chg.n = 0;
			w.n_probes = w.n_lines = 0;
			hits += kind ? cxlt_classify(&view, &w, kind - 1) == 1 : 1;
			probes += w.n_probes;
			lines += w.n_lines;
			__asm__ volatile("" ::: "memory");
		}
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
	if (hits != (__u64)runs * CLASSIFY_KEYS)
		die("not all were found", -ENOENT);
	return ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) /
	       ((double)runs * CLASSIFY_KEYS);
}

static void run(FILE *out, const char *where, double (*measure)(int, __u32), __u32 rounds,
		__u32 runs, int last)
{
	double ns[N_KINDS][ROUNDS_MAX], base, many, few;
	__u32 r;
	int k;

	for (k = 0; k < N_KINDS; k++)
		measure(k, runs / 4 + 1);
	for (r = 0; r < rounds; r++)
		for (k = 0; k < N_KINDS; k++)
			ns[k][r] = measure(k, runs);
	base = rows_median(ns[0], rounds);
	many = rows_median(ns[1], rounds) - base;
	few = rows_median(ns[2], rounds) - base;
	in_c(1, 1);
	fprintf(stderr,
		"%s: %d tuples %.1f ns (%.1f probes, %.1f lines), %d tuples %.1f ns, loop %.1f "
		"ns\n",
		where, TUPLES, many, (double)probes / CLASSIFY_KEYS, (double)lines / CLASSIFY_KEYS,
		FEW, few, base);
	fprintf(out,
		" {\"name\": \"classify, %d tuples, %s\", \"ours\": %.2f, \"peer\": %.2f, "
		"\"unit\": \"ns\", \"ratio\": %.3f, \"ceiling\": 2.0, \"how\": \"cxlt_classify of "
		"%d keys that lie in the last of %d tuples and in part in the others of these, "
		"against a table without the other %d; medians of %d interleaved rounds, less "
		"%.2f ns of the loop itself\"}%s\n",
		TUPLES, where, many, few, many / few, CLASSIFY_KEYS, FEW, TUPLES - FEW, rounds,
		base, last ? "" : ",");
}

int main(void)
{
	const char *path = getenv("BENCH_JSON"), *size = getenv("BENCH_SIZE");
	int smoke = size && !strcmp(size, "smoke");
	FILE *out = path ? fopen(path, "w") : stdout;
	__u32 rounds = smoke ? 9 : 41;
	const char *what;
	int rc;

	/* Before the sandbox, where the path may lead elsewhere. */
	if (!out)
		die(path, -errno);
	rc = sandbox_enter(&what);
	if (rc)
		die(what, rc);
	libbpf_set_print(quiet);
	open_world();
	fprintf(out, "[\n");
	run(out, "XDP", in_xdp, rounds, smoke ? 100 : 500, 0);
	run(out, "inline C", in_c, rounds, smoke ? 100 : 500, 1);
	fprintf(out, "]\n");
	xdp_classify_bpf__destroy(skel);
	cxlt_writer_close(writer);
	cxlt_slice_close(slice);
	return fclose(out) ? 1 : 0;
}
