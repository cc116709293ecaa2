// SPDX-License-Identifier: Apache-2.0
/*
 * bench_latency - from the store of a rule to its first effect on a packet.
 *
 * A writer on processor 0 changes one rule of a slice, whose output flips between two ports; a
 * reader on processor 1 runs one packet through a path over and over.  Both stamp
 * CLOCK_MONOTONIC: the writer before it calls cxlt_rule_modify(), the reader after the first run
 * that ended at the new port.  The difference contains the whole call, the run, and on average
 * half a run that was under way; the reader's own pace is reported beside it.
 *
 * It is a proof too.  A run that begins after the call has returned must end at the new port, and
 * once the new port was seen no run may end at the old one: the first that does fails the bench.
 *
 * The slice has 100 rules in 8 masks besides, all of higher priority, so each lookup probes them.
 * Paths: XDP, the slow path's program by BPF_PROG_TEST_RUN (its dry twin, which names the port);
 * nicsim's fast path in memory, MAT in front; the pipeline inline on the host's view.  Peer: a BPF
 * hash map that bpf(2) updates, read by an XDP program likewise.
 *
 * BENCH_JSON names the result file, BENCH_SIZE is full or smoke (100,000 or 10,000 stores a path).
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/mman.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cxltab/record.h>
#include <cxltab/writer.h>

#include "map_peer.skel.h"
#include "nic.h"
#include "sandbox.h"
#include "scenario.h"
#include "traffic.h"
#include "xdp_slowpath.skel.h"

#include "../../bpf/slowpath.h"

enum {
	STORES_FULL = 100000,
	STORES_SMOKE = 10000,
	WARM_UP = 200, /* stores that aren't measured */
	PORT_A = 2,
	PORT_B = 3,
	FRAME = 64,
	GAP_MAX_NS = 8000, /* between two stores, so that they hit the reader anywhere */
	PATIENCE_NS = 1000 * 1000 * 1000,
	WRITER_CPU = 0,
	READER_CPU = 1,
};

struct bench;

struct path {
	const char *name, *how;
	int (*open)(struct bench *);
	/* Makes the packet leave by `port` from now on; 0 or -errno. */
	int (*store)(struct bench *, __u32 port);
	/* Runs the packet; the port that it left by, 0 if by none, or -errno. */
	int (*run)(struct bench *);
	void (*close)(struct bench *);
};

/* What the two threads tell each other; a line each. */
struct board {
	__u64 begun __attribute__((aligned(64))); /* writer: the store that it is about to begin */
	__u64 done __attribute__((aligned(64)));  /* writer: calls that have returned */
	__u64 seen __attribute__((aligned(64)));  /* reader: stores that took effect */
	int stop __attribute__((aligned(64)));
};

struct bench {
	const struct path *path;
	FILE *json;
	__u64 stores;
	__u64 *latency, *call; /* ns, by store */
	__u64 *seen_at;	       /* by store; the reader's */
	struct board board;
	/* the reader's findings */
	__u64 runs, reading_ns, stale, elsewhere;
	int error;
	/* the packet and its rule */
	__u8 frame[FRAME] __attribute__((aligned(64)));
	struct cxlt_slice *slice;
	struct cxlt_writer *writer;
	struct cxlt_rule_spec spec;
	/* the paths' own */
	struct cxlt_view view;
	struct cxlt_work work;
	struct cxlt_adapter record;
	__u8 recorded[4096];
	struct cxlt_nic nic;
	struct cxlt_nic_stats nic_stats;
	__u32 nic_port;
	struct xdp_slowpath_bpf *xdp;
	const struct cxlt_dry *dry; /* what the last run would have sent */
	struct map_peer_bpf *peer;
	int prog;
};

static __u64 now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static int fail(const char *what, int rc)
{
	fprintf(stderr, "bench_latency: %s: %s\n", what, strerror(rc < 0 ? -rc : rc));
	return rc < 0 ? rc : -rc;
}

static int fail_lib(const char *what, int rc)
{
	fprintf(stderr, "bench_latency: %s: %s\n", what, cxlt_error_text());
	return rc;
}

/* ---- The rule, and paths that read the slice -------------------------------------------------- */

static int store_rule(struct bench *b, __u32 port)
{
	__u64 prog = cxlt_op_word(CXLT_OP_OUTPUT, 0, 0, port);

	b->spec.prog = &prog;
	b->spec.n_prog = 1;
	return cxlt_rule_modify(b->writer, &b->spec);
}

/* One connection's direction, exactly; below every rule of the scenario. */
static int make_rule(struct bench *b)
{
	struct cxlt_flow flow = cxlt_flow_make(0, 1);
	__u64 prog = cxlt_op_word(CXLT_OP_OUTPUT, 0, 0, PORT_A);
	struct cxlt_layers lay;
	int rc;

	cxlt_flow_frame(&flow, b->frame, FRAME);
	rc = cxlt_parse(b->frame, FRAME, FRAME, flow.in_port, &b->spec.value, &lay);
	if (rc)
		return fail("parsing the packet", EINVAL);
	b->spec.priority = 1;
	b->spec.prog = &prog;
	b->spec.n_prog = 1;
	CXLT_KEY_SET(&b->spec.mask, IN_PORT, ~0U);
	CXLT_KEY_SET(&b->spec.mask, ETH_TYPE, 0xffff);
	CXLT_KEY_SET(&b->spec.mask, IP_PROTO, 0xff);
	CXLT_KEY_SET(&b->spec.mask, IPV4_SRC, ~0U);
	CXLT_KEY_SET(&b->spec.mask, IPV4_DST, ~0U);
	CXLT_KEY_SET(&b->spec.mask, TP_SRC, 0xffff);
	CXLT_KEY_SET(&b->spec.mask, TP_DST, 0xffff);
	rc = cxlt_rule_add(b->writer, &b->spec);
	return rc < 0 ? fail_lib("adding the rule", rc) : 0;
}

static int make_slice(struct bench *b)
{
	const struct cxlt_scenario scenario = {.rules = 100, .masks = 8, .seed = 1};
	struct cxlt_slice_config config = {.size = 32 << 20};
	int rc = cxlt_slice_create("latency", &config, &b->slice);

	if (rc)
		return fail_lib("creating the slice", rc);
	rc = cxlt_scenario_install(&scenario, b->slice);
	if (rc)
		return fail_lib("installing the scenario", rc);
	rc = cxlt_writer_open(b->slice, &b->writer);
	if (rc)
		return fail_lib("opening a writer", rc);
	return make_rule(b);
}

/* ---- Inline, host view ------------------------------------------------------------------------ */

static int inline_open(struct bench *b)
{
	cxlt_slice_view(b->slice, 0, &b->view);
	b->record.bytes = b->recorded;
	b->record.room = sizeof(b->recorded);
	return 0;
}

static int inline_run(struct bench *b)
{
	cxlt_record(&b->view, &b->work, &b->record, 1, b->frame, FRAME);
	return b->record.n_outputs == 1 ? (int)b->record.output[0].port : 0;
}

static void nothing_to_close(struct bench *b)
{
}

/* ---- nicsim ----------------------------------------------------------------------------------- */

static int nic_transmit(void *arg, const struct cxlt_nic_out *o)
{
	struct bench *b = arg;

	b->nic_port = b->nic.port[o->port];
	return 0;
}

static int nic_punt(void *arg, const struct cxlt_nic_packet *p)
{
	return 0;
}

static int nic_open(struct bench *b)
{
	static const __u32 ports[] = {1, PORT_A, PORT_B, 4};
	struct cxlt_mat_config mat = cxlt_mat_config_default();
	int rc = cxlt_nic_init(&b->nic, b->slice, &mat, ports, 4, &b->nic_stats);

	if (rc)
		return fail("making the NIC", rc);
	b->nic.transmit = nic_transmit;
	b->nic.punt = nic_punt;
	b->nic.arg = b;
	return 0;
}

static int nic_run(struct bench *b)
{
	struct cxlt_nic_packet p = {.data = b->frame, .len = FRAME, .port = 0, .segments = 1};

	b->nic_port = 0;
	cxlt_nic_batch(&b->nic, &p, 1);
	return (int)b->nic_port;
}

static void nic_close(struct bench *b)
{
	cxlt_nic_fini(&b->nic);
}

/* ---- XDP -------------------------------------------------------------------------------------- */

/* The program's return value, or -errno. */
static int test_run(struct bench *b)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = b->frame, .data_size_in = FRAME,
		    .repeat = 1);
	int rc = bpf_prog_test_run_opts(b->prog, &opts);

	return rc ? rc : (int)opts.retval;
}

static int xdp_open(struct bench *b)
{
	struct xdp_slowpath_bpf *o = xdp_slowpath_bpf__open();
	int rc;

	b->xdp = o;
	if (!o)
		return fail("opening the XDP program", errno);
	cxlt_slice_view(b->slice, 0, &o->rodata->slice_view);
	o->rodata->slice_view.base = 0;
	o->rodata->slice_id = cxlt_slice_header(b->slice)->id;
	o->rodata->cxlt_dry = true;
	o->rodata->cxlt_dry_every = true;
	bpf_map__set_autocreate(o->maps.upcalls, 0);
	rc = bpf_map__reuse_fd(o->maps.arena, cxlt_slice_fd(b->slice));
	if (!rc)
		rc = xdp_slowpath_bpf__load(o);
	if (rc)
		return fail("loading the XDP program", rc);
	b->dry =
		mmap(NULL, sizeof(*b->dry), PROT_READ, MAP_SHARED, bpf_map__fd(o->maps.dry_run), 0);
	if (b->dry == MAP_FAILED)
		return fail("mapping the record of dry runs", errno);
	o->bss->cxlt_dry_port = 1;
	b->prog = bpf_program__fd(o->progs.cxlt_xdp);
	return 0;
}

static int xdp_run(struct bench *b)
{
	const struct cxlt_dry *dry = b->dry;
	int rc = test_run(b);

	if (rc < 0)
		return rc;
	return dry->n_outputs == 1 ? (int)dry->output[0].port : 0;
}

static void xdp_close(struct bench *b)
{
	xdp_slowpath_bpf__destroy(b->xdp);
}

/* ---- Peer: a BPF hash map ---------------------------------------------------------------------- */

static int map_store(struct bench *b, __u32 port)
{
	__u32 dst;

	memcpy(&dst, b->frame + 30, sizeof(dst));
	return bpf_map__update_elem(b->peer->maps.decision, &dst, sizeof(dst), &port, sizeof(port),
				    BPF_ANY);
}

static int map_open(struct bench *b)
{
	b->peer = map_peer_bpf__open_and_load();
	if (!b->peer)
		return fail("loading the peer", errno);
	b->prog = bpf_program__fd(b->peer->progs.map_peer);
	return map_store(b, PORT_A);
}

static void map_close(struct bench *b)
{
	map_peer_bpf__destroy(b->peer);
}

/* ---- The two threads ---------------------------------------------------------------------------- */

static __u32 port_after(__u64 store)
{
	return store & 1 ? PORT_B : PORT_A;
}

static int pin_to(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

/* One run, judged: what had happened before it began, and what it showed. */
static int read_once(struct bench *b)
{
	struct board *board = &b->board;
	__u64 done = __atomic_load_n(&board->done, __ATOMIC_ACQUIRE), seen = board->seen, begun;
	int port = b->path->run(b);
	__u64 end = now_ns();

	if (port < 0)
		return port;
	begun = __atomic_load_n(&board->begun, __ATOMIC_ACQUIRE);
	b->runs++;
	if (begun > seen && port == (int)port_after(seen + 1)) {
		b->seen_at[seen + 1] = end;
		__atomic_store_n(&board->seen, seen + 1, __ATOMIC_RELEASE);
	} else if (port != PORT_A && port != PORT_B) {
		b->elsewhere++;
	} else if (done > seen || port != (int)port_after(seen)) {
		/* The call had returned before the run began; or an effect was taken back. */
		b->stale++;
	}
	return 0;
}

static void *reader(void *arg)
{
	struct bench *b = arg;
	__u64 start;
	int rc = pin_to(READER_CPU);

	start = now_ns();
	while (!rc && !__atomic_load_n(&b->board.stop, __ATOMIC_ACQUIRE))
		rc = read_once(b);
	b->reading_ns = now_ns() - start;
	__atomic_store_n(&b->error, rc, __ATOMIC_RELEASE);
	return NULL;
}

static int wait_for_effect(struct bench *b, __u64 store, __u64 since)
{
	while (__atomic_load_n(&b->board.seen, __ATOMIC_ACQUIRE) < store) {
		if (__atomic_load_n(&b->error, __ATOMIC_ACQUIRE))
			return fail("the reader", b->error);
		if (now_ns() - since > PATIENCE_NS)
			return fail("a store has no effect", ETIMEDOUT);
	}
	return 0;
}

static int write_one(struct bench *b, __u64 store)
{
	__u64 before, after;
	int rc;

	__atomic_store_n(&b->board.begun, store, __ATOMIC_RELEASE);
	before = now_ns();
	rc = b->path->store(b, port_after(store));
	after = now_ns();
	if (rc < 0)
		return fail_lib("changing the rule", rc);
	__atomic_store_n(&b->board.done, store, __ATOMIC_RELEASE);
	rc = wait_for_effect(b, store, after);
	b->latency[store] = b->seen_at[store] - before;
	b->call[store] = after - before;
	return rc;
}

static int writer(struct bench *b)
{
	__u64 store, random = 1, until;
	int rc = 0;

	for (store = 1; !rc && store <= WARM_UP + b->stores; store++) {
		until = now_ns() + cxlt_random_next(&random) % GAP_MAX_NS;
		while (now_ns() < until)
			;
		rc = write_one(b, store);
	}
	return rc;
}

static int run_threads(struct bench *b)
{
	pthread_t thread;
	int rc = pin_to(WRITER_CPU);

	if (rc)
		return fail("pinning the writer to a processor", rc);
	rc = pthread_create(&thread, NULL, reader, b);
	if (rc)
		return fail("starting the reader", rc);
	rc = writer(b);
	__atomic_store_n(&b->board.stop, 1, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	if (!rc && b->error)
		rc = fail("the reader", b->error);
	return rc;
}

/* ---- Results ------------------------------------------------------------------------------------ */

struct result {
	const struct path *path;
	__u64 p50, p99, max, call_p50, stale, elsewhere;
	double run_ns, mat_hits;
};

static int by_size(const void *a, const void *b)
{
	__u64 x = *(const __u64 *)a, y = *(const __u64 *)b;

	return (x > y) - (x < y);
}

static void summarise(struct bench *b, struct result *r)
{
	__u64 *latency = b->latency + 1 + WARM_UP, *call = b->call + 1 + WARM_UP, n = b->stores;

	qsort(latency, n, sizeof(*latency), by_size);
	qsort(call, n, sizeof(*call), by_size);
	r->path = b->path;
	r->p50 = latency[n / 2];
	r->p99 = latency[n * 99 / 100];
	r->max = latency[n - 1];
	r->call_p50 = call[n / 2];
	r->stale = b->stale;
	r->elsewhere = b->elsewhere;
	r->run_ns = (double)b->reading_ns / (b->runs ? b->runs : 1);
	if (b->nic_stats.mat_lookups)
		r->mat_hits = (double)b->nic_stats.mat_hits / b->nic_stats.mat_lookups;
}

static int measure(struct bench *b, const struct path *path, struct result *r)
{
	int rc;

	memset(&b->board, 0, sizeof(b->board));
	b->path = path;
	b->runs = b->stale = b->elsewhere = b->error = 0;
	rc = path->open(b);
	if (!rc)
		rc = path->store(b, port_after(0));
	if (!rc)
		rc = run_threads(b);
	if (!rc)
		summarise(b, r);
	path->close(b);
	if (rc)
		return rc;
	printf("%-7s p50 %6llu ns  p99 %6llu ns  max %8llu ns  call p50 %5llu ns  run %5.0f ns\n",
	       path->name, r->p50, r->p99, r->max, r->call_p50, r->run_ns);
	if (r->stale || r->elsewhere) {
		fprintf(stderr,
			"bench_latency: %s: %llu runs ended at the old port although the call had "
			"returned, %llu at no port\n",
			path->name, r->stale, r->elsewhere);
		return -EIO;
	}
	return 0;
}

static void print_result(FILE *f, const struct result *r, const struct result *peer, __u64 stores)
{
	fprintf(f,
		"{\"name\": \"store to effect, %s\", \"ours\": %llu, \"peer\": %llu, "
		"\"unit\": \"ns\", \"ratio\": %.3f, \"how\": \"p50 of %llu stores, %s; p99 %llu, "
		"max %llu, the call alone %llu; peer: a BPF hash map by bpf(2), read by test "
		"run\",\n \"path\": \"%s\", \"stores\": %llu, \"p50\": %llu, \"p99\": %llu, "
		"\"max\": %llu, \"call_p50\": %llu, \"run\": %.1f, \"stale\": %llu, "
		"\"mat_hits\": %.4f}",
		r->path->name, r->p50, peer->p50, (double)r->p50 / peer->p50, stores, r->path->how,
		r->p99, r->max, r->call_p50, r->path->name, stores, r->p50, r->p99, r->max,
		r->call_p50, r->run_ns, r->stale, r->mat_hits);
}

static const struct path paths[] = {
	{"xdp", "XDP by BPF_PROG_TEST_RUN", xdp_open, store_rule, xdp_run, xdp_close},
	{"nicsim", "nicsim in memory with its MAT on", nic_open, store_rule, nic_run, nic_close},
	{"inline", "the pipeline inline, host view", inline_open, store_rule, inline_run,
	 nothing_to_close},
	{"map", "a BPF hash map", map_open, map_store, test_run, map_close},
};

enum {
	N_PATHS = sizeof(paths) / sizeof(paths[0]),
	PEER = N_PATHS - 1,
};

static int write_json(FILE *f, const struct result *results, __u64 stores)
{
	int i;

	if (!f)
		return 0;
	for (i = 0; i < PEER; i++) {
		fputs(i ? ",\n" : "[", f);
		print_result(f, &results[i], &results[PEER], stores);
	}
	fputs("]\n", f);
	return fclose(f) ? fail("writing the results", errno) : 0;
}

static int prepare(struct bench *b)
{
	const char *size = getenv("BENCH_SIZE"), *json = getenv("BENCH_JSON"), *what;
	__u64 n;
	int rc;

	/* Before the sandbox, where the path may lead elsewhere. */
	b->json = json ? fopen(json, "w") : NULL;
	if (json && !b->json)
		return fail(json, errno);
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		return fail("two processors are needed", EINVAL);
	rc = sandbox_enter(&what);
	if (rc)
		return fail(what, rc);
	b->stores = size && !strcmp(size, "smoke") ? STORES_SMOKE : STORES_FULL;
	n = 1 + WARM_UP + b->stores;
	b->latency = calloc(n, sizeof(__u64));
	b->call = calloc(n, sizeof(__u64));
	b->seen_at = calloc(n, sizeof(__u64));
	if (!b->latency || !b->call || !b->seen_at)
		return fail("memory", ENOMEM);
	return make_slice(b);
}

int main(void)
{
	static struct bench b;
	struct result results[N_PATHS] = {0};
	int rc, i;

	libbpf_set_print(NULL); /* a refused program's log is long; the error says enough */
	rc = prepare(&b);
	for (i = 0; !rc && i < N_PATHS; i++)
		rc = measure(&b, &paths[i], &results[i]);
	if (!rc)
		rc = write_json(b.json, results, b.stores);
	if (b.writer)
		cxlt_writer_close(b.writer);
	if (b.slice)
		cxlt_slice_close(b.slice);
	free(b.latency);
	free(b.call);
	free(b.seen_at);
	return rc != 0;
}
