// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cxltab/csum.h>
#include <cxltab/wire.h>

#include "traffic.h"

__u64 cxlt_random_next(__u64 *state)
{
	__u64 z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

struct cxlt_flow cxlt_flow_make(__u32 i, __u64 seed)
{
	__u64 state = seed ^ (__u64)i << 20, r = cxlt_random_next(&state);

	/* 10.0.0.0/9 to 10.128.0.0/9; the source alone makes the first 8M flows distinct. */
	return (struct cxlt_flow){
		.in_port = 1,
		.src = 10U << 24 | (i & 0x7fffff),
		.dst = 10U << 24 | 0x800000 | (r & 0x7fffff),
		.sport = 1024 + (i >> 23) + (r >> 24) % 60000,
		.dport = (r >> 50 & 1) ? 443 : 1024 + ((r >> 40) & 0x3ff),
		.proto = (r >> 60 & 1) ? 6 : 17,
	};
}

static void put_l4(const struct cxlt_flow *f, __u8 *l4, __u32 len)
{
	__u32 at = f->proto == 6 ? 16 : 6, sum;

	cxlt_put16(l4, f->sport);
	cxlt_put16(l4 + 2, f->dport);
	if (f->proto == 6) {
		l4[12] = 5 << 4;
		l4[13] = 0x10; /* ACK */
	} else {
		cxlt_put16(l4 + 4, len);
	}
	sum = cxlt_csum_bytes(l4, len);
	sum = cxlt_csum_fold((__u64)sum + (f->src >> 16) + (f->src & 0xffff) + (f->dst >> 16) +
			     (f->dst & 0xffff) + f->proto + len) ^
	      0xffff;
	cxlt_put16(l4 + at, sum || f->proto == 6 ? sum : 0xffff);
}

void cxlt_flow_frame(const struct cxlt_flow *f, __u8 *frame, __u32 size)
{
	__u8 *ip = frame + 14;

	memset(frame, 0, size);
	cxlt_put64(frame, 0x0200000000020200ULL);
	cxlt_put32(frame + 8, f->src & 0xffffff);
	cxlt_put16(frame + 12, 0x0800);
	ip[0] = 0x45;
	cxlt_put16(ip + 2, size - 14);
	ip[8] = 64;
	ip[9] = f->proto;
	cxlt_put32(ip + 12, f->src);
	cxlt_put32(ip + 16, f->dst);
	cxlt_put16(ip + 10, cxlt_csum_bytes(ip, 20) ^ 0xffff);
	put_l4(f, ip + 20, size - 34);
}

static void *alloc_bytes(size_t n)
{
	void *p = aligned_alloc(2 << 20, (n + (2 << 20) - 1) & ~((size_t)(2 << 20) - 1));

	/* As a NIC's buffers are: not what is measured. */
	if (p)
		madvise(p, n, MADV_HUGEPAGE);
	return p;
}

int cxlt_traffic_make(struct cxlt_traffic *t, __u32 n_flows, __u32 size, __u64 seed)
{
	__u32 i;

	memset(t, 0, sizeof(*t));
	t->n_frames = n_flows;
	t->size = size;
	t->stride = (size + 63) & ~63U;
	t->in_port = 1;
	t->bytes = alloc_bytes((size_t)t->stride * n_flows);
	if (!t->bytes)
		return -ENOMEM;
	for (i = 0; i < n_flows; i++) {
		struct cxlt_flow f = cxlt_flow_make(i, seed);

		cxlt_flow_frame(&f, t->bytes + (size_t)i * t->stride, size);
	}
	return 0;
}

static int alloc_order(struct cxlt_traffic *t, __u32 n)
{
	free(t->order);
	t->n_order = n;
	t->order = malloc(n * sizeof(*t->order));
	return t->order ? 0 : -ENOMEM;
}

int cxlt_traffic_uniform(struct cxlt_traffic *t, __u64 seed)
{
	__u32 i;

	if (alloc_order(t, CXLT_TRAFFIC_ORDER))
		return -ENOMEM;
	for (i = 0; i < t->n_order; i++)
		t->order[i] = (cxlt_random_next(&seed) >> 32) * t->n_frames >> 32;
	return 0;
}

/* By bisection in the cumulative distribution. */
int cxlt_traffic_zipf(struct cxlt_traffic *t, double s, __u64 seed)
{
	double *sum = malloc((t->n_frames + 1UL) * sizeof(*sum));
	__u32 i;

	if (!sum || alloc_order(t, CXLT_TRAFFIC_ORDER)) {
		free(sum);
		return -ENOMEM;
	}
	sum[0] = 0;
	for (i = 0; i < t->n_frames; i++)
		sum[i + 1] = sum[i] + pow(i + 1, -s);
	for (i = 0; i < t->n_order; i++) {
		double x = (cxlt_random_next(&seed) >> 11) * 0x1p-53 * sum[t->n_frames];
		__u32 low = 0, high = t->n_frames - 1;

		while (low < high) {
			__u32 mid = (low + high) / 2;

			if (sum[mid + 1] > x)
				high = mid;
			else
				low = mid + 1;
		}
		t->order[i] = low;
	}
	free(sum);
	return 0;
}

/* ---- Recordings ----------------------------------------------------------------------------- */

struct pcap {
	FILE *f;
	const char *path;
	int swapped;
};

static __u32 number(const struct pcap *p, __u32 v)
{
	return p->swapped ? __builtin_bswap32(v) : v;
}

static int pcap_head(struct pcap *p, char *err, size_t room)
{
	__u32 h[6];

	if (fread(h, sizeof(h), 1, p->f) != 1) {
		snprintf(err, room, "%s: shorter than a pcap file's header", p->path);
		return -EINVAL;
	}
	p->swapped = h[0] == 0xd4c3b2a1 || h[0] == 0x4d3cb2a1;
	h[0] = number(p, h[0]);
	if (h[0] != 0xa1b2c3d4 && h[0] != 0xa1b23c4d) {
		snprintf(err, room, "%s: not a pcap file (pcapng isn't read)", p->path);
		return -EINVAL;
	}
	if ((number(p, h[5]) & 0xffff) != 1) {
		snprintf(err, room, "%s: link type %u, not Ethernet", p->path,
			 number(p, h[5]) & 0xffff);
		return -EINVAL;
	}
	return 0;
}

/* 1 a packet, 0 the end, -EINVAL. */
static int pcap_packet(struct pcap *p, struct cxlt_frame_ref *r, __u32 n, char *err, size_t room)
{
	__u32 h[4], len;

	if (fread(h, sizeof(h), 1, p->f) != 1)
		return 0;
	len = number(p, h[2]);
	if (len > 256 * 1024) {
		snprintf(err, room, "%s: packet %u has %u bytes", p->path, n, len);
		return -EINVAL;
	}
	r->data = malloc(len ? len : 1);
	r->len = len;
	if (r->data && fread(r->data, 1, len, p->f) == len)
		return 1;
	free(r->data);
	r->data = NULL;
	snprintf(err, room, "%s: packet %u ends early", p->path, n);
	return -EINVAL;
}

static int read_packets(struct cxlt_traffic *t, struct pcap *p, __u32 in_port, char *err,
			size_t room)
{
	size_t cap = 0;
	int rc;

	for (;;) {
		if (t->n_frames == cap) {
			void *more;

			cap = cap ? 2 * cap : 1024;
			more = realloc(t->frame, cap * sizeof(*t->frame));
			if (!more)
				return -ENOMEM;
			t->frame = more;
		}
		rc = pcap_packet(p, &t->frame[t->n_frames], t->n_frames + 1, err, room);
		if (rc <= 0)
			return rc;
		t->frame[t->n_frames++].in_port = in_port;
	}
}

/* The recording's own order, repeated until the order is a power of two long. */
static int recorded_order(struct cxlt_traffic *t)
{
	__u32 n = 1024, i;

	while (n < t->n_frames * 8ULL && n < 1U << 30)
		n *= 2;
	if (alloc_order(t, n))
		return -ENOMEM;
	for (i = 0; i < n; i++)
		t->order[i] = i % t->n_frames;
	return 0;
}

int cxlt_traffic_pcap(struct cxlt_traffic *t, const char *path, __u32 in_port, char *err,
		      size_t room)
{
	struct pcap p = {.path = path, .f = fopen(path, "re")};
	int rc;

	memset(t, 0, sizeof(*t));
	if (!p.f) {
		rc = -errno;
		snprintf(err, room, "%s: %s", path, strerror(errno));
		return rc;
	}
	rc = pcap_head(&p, err, room);
	if (!rc)
		rc = read_packets(t, &p, in_port, err, room);
	fclose(p.f);
	if (!rc && !t->n_frames) {
		snprintf(err, room, "%s: no packets", path);
		rc = -EINVAL;
	}
	if (!rc)
		rc = recorded_order(t);
	if (rc == -ENOMEM)
		snprintf(err, room, "%s: not enough memory", path);
	if (rc)
		cxlt_traffic_free(t);
	return rc;
}

void cxlt_traffic_free(struct cxlt_traffic *t)
{
	__u32 i;

	for (i = 0; t->frame && i < t->n_frames; i++)
		free(t->frame[i].data);
	free(t->bytes);
	free(t->frame);
	free(t->order);
	memset(t, 0, sizeof(*t));
}
