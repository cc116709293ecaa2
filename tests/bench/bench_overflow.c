// SPDX-License-Identifier: Apache-2.0
/*
 * Throughput against the share of rules that don't fit into the device domain.
 *
 * One rule for each flow; 0 to 50% of them, at random, lie in the host domain.  The NIC's fast path
 * (nic.h, a MAT of 4096) runs on generated packets in memory, and what it punts goes through the host's
 * pipeline - the same source, on the host's view, counting - in turns.  Both are measured, in processor
 * time of the one thread that does both, the best of several rounds; what lies between a real NIC and its host
 * (a queue, an interrupt, a copy) is not there, so the host's share is a lower bound of its cost.
 * "With promotions": passes of cxlt_slice_rebalance() under the same traffic come first.
 * The peer of a row is the same traffic with all rules in the device domain, measured right before it; on a
 * busy machine ratios still vary, while the punted share is counted and doesn't.  `simulated` is the cost model
 * of nicsim/cost.h for the device's part, with its built-in parameters, whose sources stand there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cxltab/reclaim.h>
#include <cxltab/record.h>
#include <cxltab/writer.h>

#include "cost.h"
#include "nic.h"
#include "traffic.h"

enum {
	PORTS = 64,
	FRAME = 64,
	SEED = 1,
	HELD = 1024, /* punted packets that wait for the host */
	SETTLE_MS = 50,
	PASSES = 12,
	ROUNDS = 5,
	MOVES = 4096,
	CHUNK = CXLT_CHUNK_LINES * CXLT_LINE,
};

static const __u32 percent[] = {0, 1, 5, 10, 25, 50};

struct bench {
	struct cxlt_slice *slice;
	struct cxlt_writer *writer;
	struct cxlt_view host;
	struct cxlt_nic nic;
	struct cxlt_nic_stats stats;
	struct cxlt_traffic traffic;
	struct cxlt_work work;
	struct cxlt_adapter adapter;
	__u8 bytes[4 * FRAME];
	__u32 at, n_held;
	struct cxlt_nic_packet held[HELD];
	__u64 packets, punts, wrong;
	double host_s, all_s; /* processor time */
	double pass_s;
	__u64 looked, promoted, demoted;
};

struct row {
	__u32 percent;
	const char *traffic;
	int promotions;
	double spilled, punted, device_ns, host_ns, mpps;
	double moves, us_per_pass;
	struct cxlt_cost_result simulated;
};

static struct bench b;
static __u32 flows;
static double seconds;

static double cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static void fail(const char *what)
{
	fprintf(stderr, "overflow: %s: %s\n", what, cxlt_error_text());
	exit(1);
}

/* The host's turn. */
static void host_run(void)
{
	double begin = cpu();
	__u32 i;

	for (i = 0; i < b.n_held; i++) {
		const struct cxlt_nic_packet *p = &b.held[i];

		cxlt_record(&b.host, &b.work, &b.adapter, p->port + 1, p->data, p->len);
		cxlt_work_count(&b.host, &b.work, 1, p->len, 1);
		b.wrong += b.work.res.verdict != CXLT_V_OUTPUT;
	}
	b.n_held = 0;
	b.host_s += cpu() - begin;
}

static int transmit(void *arg, const struct cxlt_nic_out *o)
{
	(void)arg;
	(void)o;
	return 0;
}

static int punt(void *arg, const struct cxlt_nic_packet *p)
{
	(void)arg;
	b.punts++;
	b.held[b.n_held++] = *p;
	return 0;
}

static void run_batch(void)
{
	struct cxlt_nic_packet p[CXLT_NIC_BATCH];
	__u32 i;

	memset(p, 0, sizeof(p));
	for (i = 0; i < CXLT_NIC_BATCH; i++) {
		struct cxlt_frame_ref f = cxlt_traffic_frame(&b.traffic, b.at + i);

		__builtin_prefetch(cxlt_traffic_frame(&b.traffic, b.at + i + CXLT_NIC_BATCH).data);
		p[i].data = f.data;
		p[i].len = f.len;
		p[i].port = (__u16)(f.in_port - 1);
		p[i].segments = 1;
	}
	b.at += CXLT_NIC_BATCH;
	b.packets += CXLT_NIC_BATCH;
	cxlt_nic_batch(&b.nic, p, CXLT_NIC_BATCH);
	if (b.n_held > HELD - CXLT_NIC_BATCH)
		host_run();
}

static void run(double s)
{
	double begin = cpu();
	__u32 i;

	b.packets = b.punts = 0;
	b.host_s = 0;
	b.nic.lines = b.nic.lookups = 0;
	do
		for (i = 0; i < 256; i++)
			run_batch();
	while (cpu() - begin < s);
	host_run();
	cxlt_nic_flush(&b.nic);
	b.all_s = cpu() - begin;
}

static void add_rule(__u32 i)
{
	const __u64 prog = cxlt_op_word(CXLT_OP_OUTPUT, 0, 0, 2 + i % 3);
	struct cxlt_rule_spec r = {.n_prog = 1, .prog = &prog, .priority = 1000, .cookie = i};
	struct cxlt_flow f = cxlt_flow_make(i, SEED);

#define PIN(field, v) (CXLT_KEY_SET(&r.value, field, v), CXLT_KEY_SET(&r.mask, field, ~0ULL))
	PIN(IN_PORT, f.in_port);
	PIN(ETH_TYPE, 0x0800);
	PIN(IP_PROTO, f.proto);
	PIN(IPV4_SRC, f.src);
	PIN(IPV4_DST, f.dst);
	PIN(TP_SRC, f.sport);
	PIN(TP_DST, f.dport);
#undef PIN
	if (cxlt_rule_add(b.writer, &r) < 0)
		fail("adding a rule");
}

/* A slice whose device domain has so many chunks, with all rules in random order; the share that spilled. */
static double fill(__u64 chunks)
{
	struct cxlt_slice_config cfg = {.size = (8ULL << 20) + flows * 512ULL};
	struct cxlt_rule_places places;
	__u32 *order = malloc(flows * sizeof(*order)), i;
	__u64 seed = SEED;

	if (!order)
		exit(1);
	if (chunks)
		cfg.device_size = chunks * CHUNK;
	if (cxlt_slice_create_memfd("overflow", &cfg, &b.slice) ||
	    cxlt_writer_open(b.slice, &b.writer))
		fail("slice");
	for (i = 0; i < flows; i++) {
		__u32 j = cxlt_random_next(&seed) % (i + 1);

		order[i] = order[j];
		order[j] = i;
	}
	for (i = 0; i < flows; i++)
		add_rule(order[i]);
	free(order);
	cxlt_slice_places(b.slice, &places);
	return (double)places.spilled / flows;
}

static void empty(void)
{
	cxlt_writer_close(b.writer);
	cxlt_slice_close(b.slice);
}

/* The smallest domain that leaves at most that share outside. */
static double fill_to(__u32 want)
{
	__u64 low = flows / 64 / 4 + 16, high = flows / 16 + 64;
	double share;

	if (!want)
		return fill(0);
	while (low < high) {
		__u64 mid = (low + high) / 2;

		share = fill(mid);
		empty();
		if (share * 100 <= want)
			high = mid;
		else
			low = mid + 1;
	}
	return fill(low);
}

static void passes(struct row *r)
{
	struct cxlt_rebalance_config c = {.settle_ms = SETTLE_MS, .max_moves = MOVES};
	struct cxlt_rebalance_result res;
	int i;

	for (i = 0; i < PASSES; i++) {
		double begin;
		struct timespec ts = {0, (SETTLE_MS + 10) * 1000000L};

		run(seconds / 4);
		nanosleep(&ts, NULL);
		begin = cpu();
		if (cxlt_slice_rebalance(b.writer, &c, &res))
			fail("rebalance");
		r->us_per_pass += (cpu() - begin) * 1e6 / PASSES;
		r->moves += res.promoted + res.demoted;
	}
}

/* The best round counts: a busy neighbour only ever takes. */
static void note(struct row *r)
{
	double mpps = b.packets / b.all_s / 1e6;

	if (mpps <= r->mpps)
		return;
	r->punted = (double)b.punts / b.packets;
	r->device_ns = (b.all_s - b.host_s) * 1e9 / b.packets;
	r->host_ns = b.punts ? b.host_s * 1e9 / b.punts : 0;
	r->mpps = mpps;
}

static void measure(struct row *r)
{
	const struct cxlt_mat_config mat = cxlt_mat_config_default();
	__u32 ports[PORTS], i;
	struct cxlt_rule_places places;
	struct cxlt_cost cost;
	char err[64];

	for (i = 0; i < PORTS; i++)
		ports[i] = i + 1;
	memset(&b.stats, 0, sizeof(b.stats));
	if (cxlt_nic_init(&b.nic, b.slice, &mat, ports, PORTS, &b.stats))
		fail("nic");
	b.nic.transmit = transmit;
	b.nic.punt = punt;
	cxlt_slice_view(b.slice, 0, &b.host);
	b.adapter.bytes = b.bytes;
	b.adapter.room = sizeof(b.bytes);
	if (r->promotions)
		passes(r);
	run(seconds / 4); /* warms up */
	cxlt_slice_places(b.slice, &places);
	r->spilled = (double)places.spilled / flows;
	for (i = 0; i < ROUNDS; i++) {
		run(seconds / ROUNDS);
		note(r);
	}
	if (!cxlt_cost_read("builtin", &cost, err, sizeof(err)))
		cxlt_cost_apply(&cost, b.packets, b.nic.lookups, b.nic.lines, &r->simulated);
	cxlt_nic_fini(&b.nic);
	if (b.wrong)
		fail("the host didn't forward what it was handed");
}

static void print(FILE *f, const struct row *r, const struct row *peer, int last)
{
	/* Two processors, or a NIC and a host: who is busier decides. */
	double host = r->punted * r->host_ns, busier = host > r->device_ns ? host : r->device_ns;

	fprintf(f,
		"{\"name\": \"overflow %u%% %s%s\", \"ours\": %.4f, \"peer\": %.4f, \"unit\": "
		"\"Mpps\", \"ratio\": %.4f, \"how\": \"%u flows, %.1f%% of the rules outside now, "
		"%.1f%% of the packets punted; measured: device path %.0f ns a packet, host path "
		"%.0f ns a punt in userspace, both on one core; peer: all inside%s\", ",
		r->percent, r->traffic,
		!r->percent	? ""
		: r->promotions ? " with promotions"
				: " without promotions",
		r->mpps, peer->mpps, r->mpps / peer->mpps, flows, 100 * r->spilled, 100 * r->punted,
		r->device_ns, r->host_ns, r->promotions ? "; after passes of rebalance" : "");
	fprintf(f,
		"\"overflow\": %.4f, \"spilled\": %.4f, \"punted\": %.4f, \"device_ns\": %.2f, "
		"\"host_ns\": %.2f, \"side_by_side_mpps\": %.4f, \"moves\": %.0f, "
		"\"pass_us\": %.1f, \"simulated\": {\"device_mean_ns\": %.1f, \"device_mpps\": "
		"%.2f, \"parameters\": \"nicsim/cost.h, builtin\"}}%s\n",
		r->percent / 100.0, r->spilled, r->punted, r->device_ns, r->host_ns, 1e3 / busier,
		r->moves, r->us_per_pass, r->simulated.mean_ns, r->simulated.mpps, last ? "" : ",");
}

static void traffic(struct row *r)
{
	int rc = strcmp(r->traffic, "zipf") ? cxlt_traffic_uniform(&b.traffic, SEED + 1)
					    : cxlt_traffic_zipf(&b.traffic, 1.0, SEED + 1);

	if (rc)
		exit(1);
}

int main(void)
{
	const char *size = getenv("BENCH_SIZE"), *path = getenv("BENCH_JSON");
	int smoke = size && !strcmp(size, "smoke"), n = 0, i;
	FILE *f = path ? fopen(path, "w") : stdout;
	struct row row[4 * 6], peer[4 * 6];
	__u32 p;

	if (!f)
		return 1;
	flows = smoke ? 8000 : 50000;
	seconds = smoke ? 0.2 : 1.5;
	if (cxlt_traffic_make(&b.traffic, flows, FRAME, SEED))
		return 1;
	for (p = 0; p < 6; p++)
		for (i = 0; i < (percent[p] ? 4 : 2); i++) {
			struct row *r = &row[n++];

			*r = (struct row){.percent = percent[p],
					  .traffic = i & 1 ? "zipf" : "uniform",
					  .promotions = i >= 2};
			traffic(r);
			/* Right before it: what else the machine does changes from row to row. */
			peer[n - 1] = (struct row){.traffic = r->traffic};
			fill(0);
			measure(&peer[n - 1]);
			empty();
			fill_to(r->percent);
			measure(r);
			empty();
		}
	fputs("[", f);
	for (i = 0; i < n; i++)
		print(f, &row[i], &peer[i], i == n - 1);
	fputs("]\n", f);
	cxlt_traffic_free(&b.traffic);
	return fclose(f) != 0;
}
