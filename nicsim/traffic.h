/* SPDX-License-Identifier: Apache-2.0 */
/*
 * traffic.h - packets for a benchmark: a set of frames and the order in which they come.
 *
 * Frames are made, or read from a pcap file, before the clock starts; an order (uniform, Zipf, or
 * a recording's own) is drawn ahead too, so that what is measured is the fast path and the fetch
 * of each packet, and not a random number generator.  Zipf: the frame of rank r comes with
 * probability proportional to 1/r^s.
 *
 * Errors: 0 or -errno with a reason in err.
 */
#ifndef CXLTAB_NICSIM_TRAFFIC_H
#define CXLTAB_NICSIM_TRAFFIC_H

#include <stddef.h>
#include <linux/types.h>

/* A connection's direction, from which both a frame and a rule can be made. */
struct cxlt_flow {
	__u32 in_port;
	__u32 src, dst;
	__u16 sport, dport;
	__u8 proto; /* 6 or 17 */
};

struct cxlt_frame_ref {
	__u8 *data;
	__u32 len;
	__u32 in_port;
};

struct cxlt_traffic {
	__u32 n_frames;
	struct cxlt_frame_ref *frame; /* of a recording; NULL if all frames have one size */
	__u8 *bytes;		      /* of made frames: frame i starts at i x stride */
	__u32 stride, size, in_port;
	__u32 n_order; /* a power of two; the order is repeated */
	__u32 *order;
};

enum {
	CXLT_TRAFFIC_ORDER = 1 << 20,
	CXLT_FRAME_MIN = 60,
};

/* The frame that comes as number `at`. */
static inline struct cxlt_frame_ref cxlt_traffic_frame(const struct cxlt_traffic *t, __u32 at)
{
	__u32 i = t->order[at & (t->n_order - 1)];

	if (t->frame)
		return t->frame[i];
	return (struct cxlt_frame_ref){t->bytes + (size_t)i * t->stride, t->size, t->in_port};
}

/* splitmix64: the same seed gives the same benchmark. */
__u64 cxlt_random_next(__u64 *state);

/* Flow i of a benchmark: distinct for distinct i. */
struct cxlt_flow cxlt_flow_make(__u32 i, __u64 seed);
/* Writes an Ethernet frame of `size` bytes with right checksums. */
void cxlt_flow_frame(const struct cxlt_flow *, __u8 *frame, __u32 size);

int cxlt_traffic_make(struct cxlt_traffic *, __u32 n_flows, __u32 size, __u64 seed);
/* Classic pcap of Ethernet, both byte orders, micro- or nanoseconds; all packets come by in_port. */
int cxlt_traffic_pcap(struct cxlt_traffic *, const char *path, __u32 in_port, char *err, size_t);
int cxlt_traffic_uniform(struct cxlt_traffic *, __u64 seed);
int cxlt_traffic_zipf(struct cxlt_traffic *, double s, __u64 seed);
void cxlt_traffic_free(struct cxlt_traffic *);

#endif
