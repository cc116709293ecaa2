// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "bench.h"
#include "nic.h"

enum {
	BENCH_PORTS = 64,  /* ports 1 to 64 exist, and swallow what they are sent */
	CLOCK_EVERY = 256, /* batches between two looks at the clock */
	WARM_PACKETS = 1 << 18,
	CXLT_MADV_COLLAPSE = 25, /* Linux 6.1; younger than Debian 12's headers */
};

struct bench {
	struct cxlt_nic nic;
	struct cxlt_nic_stats stats;
	const struct cxlt_traffic *traffic;
	__u32 at; /* in the order */
	__u64 sent, sent_bytes, punts;
	void *room; /* of the second mapping */
	size_t room_size, huge;
};

static int null_transmit(void *arg, const struct cxlt_nic_out *o)
{
	struct bench *b = arg;

	b->sent++;
	b->sent_bytes += o->head ? o->packet->len - o->skip + o->head_len : o->packet->len;
	return 0;
}

static int null_punt(void *arg, const struct cxlt_nic_packet *p)
{
	((struct bench *)arg)->punts++;
	return 0;
}

static void run_batch(struct bench *b)
{
	struct cxlt_nic_packet p[CXLT_NIC_BATCH];
	__u32 i;

	for (i = 0; i < CXLT_NIC_BATCH; i++) {
		struct cxlt_frame_ref f = cxlt_traffic_frame(b->traffic, b->at + i);

		__builtin_prefetch(cxlt_traffic_frame(b->traffic, b->at + i + CXLT_NIC_BATCH).data);
		p[i].data = f.data;
		p[i].len = f.len;
		p[i].port = f.in_port - 1;
		p[i].segments = 1;
		memset(&p[i].offload, 0, sizeof(p[i].offload));
	}
	b->at += CXLT_NIC_BATCH;
	cxlt_nic_batch(&b->nic, p, CXLT_NIC_BATCH);
}

static double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static void reset(struct bench *b)
{
	struct cxlt_mat *m = b->nic.mat;

	m->lookups = m->hits = m->fills = m->stale = m->evictions = 0;
	b->nic.lines = b->nic.lookups = 0;
	b->sent = b->sent_bytes = b->punts = 0;
	memset(b->stats.port, 0, sizeof(b->stats.port));
}

static void collect(const struct bench *b, double seconds, double cpu, __u64 packets,
		    struct cxlt_bench_result *r)
{
	const struct cxlt_mat *m = b->nic.mat;
	__u32 i, k;

	memset(r, 0, sizeof(*r));
	r->seconds = seconds;
	r->huge_bytes = b->huge;
	r->cpu_seconds = cpu;
	r->packets = packets;
	r->mpps = packets / seconds / 1e6;
	r->cpu_mpps = packets / cpu / 1e6;
	r->ns_per_packet = cpu / packets * 1e9;
	r->sent = b->sent;
	r->sent_bytes = b->sent_bytes;
	r->punts = b->punts;
	r->mat_lookups = m->lookups;
	r->mat_hits = m->hits;
	r->mat_fills = m->fills;
	r->mat_stale = m->stale;
	r->mat_evictions = m->evictions;
	r->lookups = b->nic.lookups;
	r->lines = b->nic.lines;
	for (i = 0; i < BENCH_PORTS; i++)
		for (k = 0; k < CXLT_REASON_MAX; k++)
			r->reasons[k] += b->stats.port[i].net.reasons[k];
}

/*
 * A second mapping of the slice in huge pages, where the kernel has them: a NIC's address
 * translation isn't this processor's TLB, which otherwise costs more than the lines themselves.
 */
static void map_huge(struct bench *b, const struct cxlt_slice *slice)
{
	const size_t huge = 2 << 20;
	size_t size = (size_t)b->nic.view.n_lines * CXLT_LINE, whole = size & ~(huge - 1);
	char *room, *at;

	room = mmap(NULL, size + huge, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (room == MAP_FAILED)
		return;
	at = (char *)(((unsigned long)room + huge - 1) & ~(huge - 1));
	at = mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, cxlt_slice_fd(slice),
		  0);
	b->room = room;
	b->room_size = size + huge;
	if (at == MAP_FAILED || !whole || madvise(at, whole, CXLT_MADV_COLLAPSE))
		return;
	b->nic.view.base = (__u64)(unsigned long)at;
	b->huge = whole;
}

int cxlt_bench(const struct cxlt_slice *slice, const struct cxlt_mat_config *mat,
	       const struct cxlt_traffic *traffic, double seconds, __u64 packets, int huge,
	       struct cxlt_bench_result *r)
{
	struct bench *b = aligned_alloc(64, (sizeof(*b) + 63) & ~63UL);
	__u32 ports[BENCH_PORTS], i;
	double start, cpu, t;
	__u64 done = 0;
	int rc;

	if (!b)
		return -ENOMEM;
	memset(b, 0, sizeof(*b));
	b->traffic = traffic;
	for (i = 0; i < BENCH_PORTS; i++)
		ports[i] = i + 1;
	rc = cxlt_nic_init(&b->nic, slice, mat, ports, BENCH_PORTS, &b->stats);
	if (rc) {
		free(b);
		return rc;
	}
	if (huge)
		map_huge(b, slice);
	b->nic.transmit = null_transmit;
	b->nic.punt = null_punt;
	b->nic.arg = b;
	for (i = 0; i < WARM_PACKETS; i += CXLT_NIC_BATCH)
		run_batch(b);
	reset(b);
	cpu = now(CLOCK_THREAD_CPUTIME_ID);
	start = t = now(CLOCK_MONOTONIC);
	do {
		for (i = 0; i < CLOCK_EVERY && (!packets || done < packets); i++) {
			run_batch(b);
			done += CXLT_NIC_BATCH;
		}
		t = now(CLOCK_MONOTONIC);
	} while ((!seconds || t - start < seconds) && (!packets || done < packets));
	cxlt_nic_flush(&b->nic);
	collect(b, t - start, now(CLOCK_THREAD_CPUTIME_ID) - cpu, done, r);
	if (b->room)
		munmap(b->room, b->room_size);
	cxlt_nic_fini(&b->nic);
	free(b);
	return 0;
}
