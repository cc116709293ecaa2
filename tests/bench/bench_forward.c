// SPDX-License-Identifier: Apache-2.0
/*
 * bench_forward - veth to veth through the slow path, against a bare XDP redirect.
 *
 *     a0 -- p0 [cxltab] p1 -- a1        b0 -- q0 [bare] q1 -- b1
 *
 * Our lane has 100 rules in 8 masks, all of which each packet probes; 1024 connections of 64-byte
 * frames. The peer is one bpf_redirect_map(). At the far ends an XDP program counts and drops.
 * Two senders, both on one processor, which carries the whole forwarding too:
 *   real   an AF_PACKET socket, sendmmsg() past the queueing discipline
 *   live   BPF_PROG_TEST_RUN with live frames: forwarding, and next to nothing else
 * Rounds alternate between the lanes; a figure is the median of all rounds of packets that
 * arrived, per second.
 *
 * $CXLTAB is the cxltab program, BENCH_JSON the result file, BENCH_SIZE is full or smoke.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cxltab/writer.h>

#include "forward.skel.h"
#include "sandbox.h"
#include "scenario.h"
#include "traffic.h"

#define SLICE "forward"

enum {
	RULES = 100,
	MASKS = 8,
	FLOWS = 1024,
	FRAME = 64,
	BATCH = 64,
	ROUNDS_FULL = 11,
	ROUNDS_SMOKE = 5,
	ROUND_MS_FULL = 400,
	ROUND_MS_SMOKE = 100,
	LIVE_FRAMES = 4096, /* of one call */
	CPU = 0,
	IN_PORT = 1,
	OUT_PORT = 2,
};

enum {
	OURS,
	BARE,
	N_LANES,
};

struct lane {
	const char *source, *entry; /* devices: where frames are sent, where the program runs */
	int socket, prog;
	unsigned int entry_index;
};

struct bench {
	FILE *json;
	int rounds;
	__u64 round_ns;
	struct forward_bpf *peer;
	struct lane lane[N_LANES];
	__u32 at; /* of the frame that is sent next */
	__u8 frame[FLOWS][FRAME];
};

typedef int send_fn(struct bench *, const struct lane *);

static __u64 now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static int fail(const char *what, int rc)
{
	fprintf(stderr, "bench_forward: %s: %s\n", what, strerror(rc < 0 ? -rc : rc));
	return rc < 0 ? rc : -rc;
}

static int fail_lib(const char *what, int rc)
{
	fprintf(stderr, "bench_forward: %s: %s\n", what, cxlt_error_text());
	return rc;
}

static int run(const char *command)
{
	int status = system(command);

	if (!status)
		return 0;
	fprintf(stderr, "bench_forward: failed: %s\n", command);
	return -EIO;
}

/* ---- The two lanes ------------------------------------------------------------------------------ */

static int add_rules(void)
{
	const struct cxlt_scenario scenario = {.rules = RULES - 1, .masks = MASKS, .seed = 1};
	__u64 prog = cxlt_op_word(CXLT_OP_OUTPUT, 0, 0, OUT_PORT);
	struct cxlt_rule_spec rule = {.priority = 1, .prog = &prog, .n_prog = 1};
	struct cxlt_slice *slice;
	struct cxlt_writer *w;
	int rc = cxlt_slice_attach(SLICE, CXLT_ATTACH_WRITE, &slice);

	if (rc)
		return fail_lib("attaching the slice", rc);
	rc = cxlt_scenario_install(&scenario, slice);
	if (!rc)
		rc = cxlt_writer_open(slice, &w);
	if (!rc) {
		/* In a tuple of the scenario, below all that is in it. */
		CXLT_KEY_SET(&rule.value, IN_PORT, IN_PORT);
		CXLT_KEY_SET(&rule.mask, IN_PORT, ~0U);
		CXLT_KEY_SET(&rule.value, ETH_TYPE, ETH_P_IP);
		CXLT_KEY_SET(&rule.mask, ETH_TYPE, 0xffff);
		rc = cxlt_rule_add(w, &rule);
		if (!rc && cxlt_table_tuples(slice, 0) != MASKS)
			rc = -EINVAL;
		cxlt_writer_close(w);
	}
	if (rc < 0)
		fail_lib("adding the rules", rc);
	cxlt_slice_close(slice);
	return rc < 0 ? rc : 0;
}

static int make_ours(struct bench *b)
{
	int rc = run("\"$CXLTAB\" slice create " SLICE " --size 32M && "
		     "\"$CXLTAB\" attach " SLICE " p0 --port 1 && "
		     "\"$CXLTAB\" attach " SLICE " p1 --port 2");

	if (!rc)
		rc = add_rules();
	if (rc)
		return rc;
	b->lane[OURS].prog = bpf_obj_get(CXLT_PIN_DIR "/" SLICE "/xdp_prog");
	return b->lane[OURS].prog < 0 ? fail("opening the XDP program", errno) : 0;
}

static int attach_xdp(const char *dev, int prog)
{
	int rc = bpf_xdp_attach((int)if_nametoindex(dev), prog, XDP_FLAGS_DRV_MODE, NULL);

	return rc ? fail(dev, rc) : 0;
}

static int make_bare(struct bench *b)
{
	__u32 zero = 0, out = if_nametoindex("q1");
	int rc, sink;

	b->peer = forward_bpf__open_and_load();
	if (!b->peer)
		return fail("loading the peer", errno);
	rc = bpf_map__update_elem(b->peer->maps.way_out, &zero, sizeof(zero), &out, sizeof(out), 0);
	if (rc)
		return fail("the peer's way out", rc);
	b->lane[BARE].prog = bpf_program__fd(b->peer->progs.bare);
	sink = bpf_program__fd(b->peer->progs.sink);
	rc = attach_xdp("a1", sink);
	if (!rc)
		rc = attach_xdp("b1", sink);
	if (!rc)
		rc = attach_xdp("q0", b->lane[BARE].prog);
	return rc;
}

static int open_socket(const char *dev)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(dev)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)) ||
	    bind(fd, (void *)&to, sizeof(to)))
		return fail(dev, errno);
	return fd;
}

static int make_lanes(struct bench *b)
{
	static const char *const source[] = {"a0", "b0"}, *const entry[] = {"p0", "q0"};
	int rc, i;

	rc = run("for pair in a0:p0 p1:a1 b0:q0 q1:b1; do "
		 "ip link add ${pair%:*} type veth peer name ${pair#*:} && "
		 "for dev in ${pair%:*} ${pair#*:}; do "
		 "ip link set $dev addrgenmode none && ip link set $dev up || exit 1; done; done");
	if (!rc)
		rc = make_ours(b);
	if (!rc)
		rc = make_bare(b);
	for (i = 0; !rc && i < N_LANES; i++) {
		b->lane[i].source = source[i];
		b->lane[i].entry = entry[i];
		b->lane[i].entry_index = if_nametoindex(entry[i]);
		b->lane[i].socket = open_socket(source[i]);
		if (b->lane[i].socket < 0)
			rc = b->lane[i].socket;
	}
	return rc;
}

/* ---- Senders ------------------------------------------------------------------------------------ */

static int send_real(struct bench *b, const struct lane *lane)
{
	struct mmsghdr msg[BATCH];
	struct iovec iov[BATCH];
	int i;

	memset(msg, 0, sizeof(msg));
	for (i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){.iov_base = b->frame[b->at++ % FLOWS], .iov_len = FRAME};
		msg[i].msg_hdr.msg_iov = &iov[i];
		msg[i].msg_hdr.msg_iovlen = 1;
	}
	if (sendmmsg(lane->socket, msg, BATCH, 0) < 0 && errno != ENOBUFS)
		return fail("sendmmsg", errno);
	return 0;
}

static int send_live(struct bench *b, const struct lane *lane)
{
	struct xdp_md ctx = {.data_end = FRAME, .ingress_ifindex = lane->entry_index};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = b->frame[b->at++ % FLOWS],
		    .data_size_in = FRAME, .ctx_in = &ctx, .ctx_size_in = sizeof(ctx),
		    .repeat = LIVE_FRAMES, .flags = BPF_F_TEST_XDP_LIVE_FRAMES,
		    .batch_size = BATCH);
	int rc = bpf_prog_test_run_opts(lane->prog, &opts);

	return rc ? fail("live frames", rc) : 0;
}

/* ---- Rounds ------------------------------------------------------------------------------------- */

static __u64 arrivals(const struct bench *b)
{
	__u64 values[1024] = {0}, sum = 0;
	int cpus = libbpf_num_possible_cpus(), i;
	__u32 zero = 0;

	if (cpus < 1 || cpus > 1024 ||
	    bpf_map__lookup_elem(b->peer->maps.arrived, &zero, sizeof(zero), values,
				 sizeof(*values) * cpus, 0))
		return 0;
	for (i = 0; i < cpus; i++)
		sum += values[i];
	return sum;
}

/* Millions of packets per second that arrived, or a negative errno. */
static double round_of(struct bench *b, const struct lane *lane, send_fn *send)
{
	__u64 before = arrivals(b), start = now_ns(), end;
	int rc = 0;

	do {
		rc = send(b, lane);
		end = now_ns();
	} while (!rc && end - start < b->round_ns);
	return rc ? rc : (arrivals(b) - before) * 1e3 / (end - start);
}

static int by_size(const void *x, const void *y)
{
	double a = *(const double *)x, b = *(const double *)y;

	return (a > b) - (a < b);
}

static int measure(struct bench *b, send_fn *send, double *median)
{
	double mpps[N_LANES][ROUNDS_FULL];
	int i, k;

	/* One round that isn't counted warms both lanes. */
	for (i = -1; i < b->rounds; i++)
		for (k = 0; k < N_LANES; k++) {
			double r = round_of(b, &b->lane[k], send);

			if (r < 0)
				return (int)r;
			mpps[k][i < 0 ? 0 : i] = r;
		}
	for (k = 0; k < N_LANES; k++) {
		qsort(mpps[k], b->rounds, sizeof(double), by_size);
		median[k] = mpps[k][b->rounds / 2];
		if (median[k] <= 0)
			return fail("nothing arrives", ENODATA);
	}
	return 0;
}

static const struct {
	const char *name, *how;
	send_fn *send;
} senders[] = {
	{"real sender", "AF_PACKET sendmmsg", send_real},
	{"live frames", "BPF_F_TEST_XDP_LIVE_FRAMES", send_live},
};

enum {
	N_SENDERS = sizeof(senders) / sizeof(senders[0]),
};

static int measure_all(struct bench *b)
{
	int rc = 0, i;

	if (b->json)
		fputs("[", b->json);
	for (i = 0; !rc && i < N_SENDERS; i++) {
		double mpps[N_LANES];

		rc = measure(b, senders[i].send, mpps);
		if (rc)
			break;
		printf("%s: %.3f Mpps, bare redirect %.3f, ratio %.3f\n", senders[i].name,
		       mpps[OURS], mpps[BARE], mpps[OURS] / mpps[BARE]);
		if (!b->json)
			continue;
		fprintf(b->json,
			"%s{\"name\": \"forwarding veth to veth, %s\", \"ours\": %.4f, \"peer\": "
			"%.4f, \"unit\": \"Mpps\", \"ratio\": %.4f, \"how\": \"%s, one processor, "
			"%d-byte frames of %d connections, %d rules in %d masks, against one "
			"bpf_redirect_map; medians of %d interleaved rounds\"}",
			i ? ",\n" : "", senders[i].name, mpps[OURS], mpps[BARE],
			mpps[OURS] / mpps[BARE], senders[i].how, FRAME, FLOWS, RULES, MASKS,
			b->rounds);
	}
	if (b->json)
		fputs("]\n", b->json);
	return rc;
}

static int prepare(struct bench *b)
{
	const char *size = getenv("BENCH_SIZE"), *json = getenv("BENCH_JSON"), *what;
	int smoke = size && !strcmp(size, "smoke"), rc, i;
	cpu_set_t set;

	/* Before the sandbox, where the path may lead elsewhere. */
	b->json = json ? fopen(json, "w") : NULL;
	if (json && !b->json)
		return fail(json, errno);
	if (!getenv("CXLTAB"))
		return fail("CXLTAB names no program", EINVAL);
	b->rounds = smoke ? ROUNDS_SMOKE : ROUNDS_FULL;
	b->round_ns = (smoke ? ROUND_MS_SMOKE : ROUND_MS_FULL) * 1000000ULL;
	rc = sandbox_enter(&what);
	if (rc)
		return fail(what, rc);
	CPU_ZERO(&set);
	CPU_SET(CPU, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		return fail("pinning to a processor", errno);
	for (i = 0; i < FLOWS; i++) {
		struct cxlt_flow flow = cxlt_flow_make(i, 1);

		cxlt_flow_frame(&flow, b->frame[i], FRAME);
	}
	return make_lanes(b);
}

int main(void)
{
	static struct bench b;
	int rc;

	libbpf_set_print(NULL); /* a refused program's log is long; the error says enough */
	rc = prepare(&b);
	if (!rc)
		rc = measure_all(&b);
	if (b.json && fclose(b.json) && !rc)
		rc = fail("writing the results", errno);
	if (b.peer)
		forward_bpf__destroy(b.peer);
	return rc != 0;
}
