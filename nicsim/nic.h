/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nic.h - the fast path of the simulated NIC: parse, MAT, slice tables, act.
 *
 * Packets come in batches of up to CXLT_NIC_BATCH, and a batch goes through in stages, so that
 * the lines that one packet waits for are fetched while the others are worked on:
 *
 *     1  parse all, hash their keys, fetch their MAT sets
 *     2  compare tags; fetch the MAT entry, or else the tables' bucket and entry lines (batch.h)
 *     3  one by one: valid MAT entry, or phase 1 on the tables and a fill; then phase 2
 * and stage 3 first counts what the batch before it gathered, in lines that were fetched then.
 * Only stage 3 decides; what the others fetched may be useless, never wrong.
 *
 * Memory: a packet's bytes stay with the caller, who may reuse them once everything that was
 * transmitted has left (the run loop: after it flushed its transmit queues).
 *
 * Concurrency: a NIC belongs to one thread.  It reads the slice as any reader, and writes nothing
 * there but the device lines of counters.
 */
#ifndef CXLTAB_NICSIM_NIC_H
#define CXLTAB_NICSIM_NIC_H

#include <cxltab/base.h>
#include <cxltab/slice.h>
#include <cxltab/stats.h>
#include <cxltab/view.h>
#include <cxltab/work.h>

#include "mat.h"

/*
 * A MAT that hardly ever hits is only written, each fill pushing out what would have hit as soon.
 * Then one miss in CXLT_NIC_SPARE fills: it costs less, hits as often under uniform traffic and
 * more often under skewed, since what comes often still gets in.
 */
enum {
	CXLT_NIC_SPARE = 8,
	CXLT_NIC_WINDOW = 1 << 14, /* lookups between two decisions */
};

enum {
	CXLT_NIC_BATCH = 32,
	CXLT_NIC_PORT_TABLE = 1024, /* port numbers that are looked up by index */
};

/* What the sender left to the hardware (as struct virtio_net_hdr says it). */
struct cxlt_nic_offload {
	__u8 partial;	  /* the L4 checksum is the pseudo-header's sum only */
	__u8 gso_type;	  /* VIRTIO_NET_HDR_GSO_*, 0: an ordinary packet */
	__u16 gso_size;	  /* payload bytes of a segment */
	__u16 hdr_len;	  /* headers of a super-packet */
	__u16 csum_start; /* if partial */
	__u16 csum_offset;
};

struct cxlt_nic_packet {
	__u8 *data;
	__u32 len;
	__u16 port;	/* index in nic->port[] that it came in by */
	__u16 segments; /* packets that it counts for */
	struct cxlt_nic_offload offload;
	/* out: how it ended */
	__u8 verdict;
	__u8 reason;
	__u8 mat_hit;
};

/* A frame to be sent: head, then packet->data from skip on; head NULL: the packet as it is. */
struct cxlt_nic_out {
	const struct cxlt_nic_packet *packet;
	const __u8 *head;
	__u32 head_len;
	__u32 skip;
	__u32 port; /* index */
};

struct cxlt_nic_count {
	__u32 ref;
	__u32 packets;
	__u64 bytes;
};

struct cxlt_batch;

struct cxlt_nic {
	struct cxlt_view view;
	struct cxlt_mat *mat;
	__u32 n_ports;
	__u32 port[CXLT_PORTS_MAX];	  /* numbers, ascending */
	__u16 index[CXLT_NIC_PORT_TABLE]; /* port number to index + 1 */
	/* Both copy head (which is reused), may keep packet->data; 0 or enum cxlt_reason. */
	int (*transmit)(void *arg, const struct cxlt_nic_out *);
	int (*punt)(void *arg, const struct cxlt_nic_packet *); /* to the port's representor */
	void *arg;
	struct cxlt_nic_stats *stats; /* never NULL */
	__u64 lines, lookups, probes; /* of phase 1: lines touched, walks, tuples probed */
	__u32 depth;		      /* tuples looked at ahead, by what lookups needed lately */
	__u32 sparing;		      /* the MAT thrashes: few misses are worth a fill */
	__u64 window_lookups, window_hits; /* the MAT's, when `sparing` was last decided */
	__u64 now;			   /* CLOCK_MONOTONIC, coarse, of this batch */
	struct cxlt_batch *ahead;	   /* what is known of the packet in hand, or NULL */
	__u32 ahead_at;
	__u32 n_counts;
	struct cxlt_nic_count count[CXLT_NIC_BATCH * 4];
	struct cxlt_work work;
};

/*
 * Attaches nothing and owns nothing but the MAT: *nic reads `slice` in the device view.  ports:
 * numbers in any order.  -EINVAL for the same number twice or too many, -ENOMEM.
 */
int cxlt_nic_init(struct cxlt_nic *, const struct cxlt_slice *, const struct cxlt_mat_config *,
		  const __u32 *ports, __u32 n_ports, struct cxlt_nic_stats *);
void cxlt_nic_fini(struct cxlt_nic *);

/* Runs n <= CXLT_NIC_BATCH packets through the fast path. */
void cxlt_nic_batch(struct cxlt_nic *, struct cxlt_nic_packet *, __u32 n);
/* Makes the counts that the last batch left behind; whoever has no next batch at hand calls it. */
void cxlt_nic_flush(struct cxlt_nic *);

/* Bytes on the wire: each segment of a super-packet repeats its headers. */
CXLT_INLINE __u32 cxlt_nic_wire_bytes(const struct cxlt_nic_packet *p)
{
	return p->len + (p->segments - 1) * p->offload.hdr_len;
}

CXLT_INLINE int cxlt_nic_port_index(const struct cxlt_nic *nic, __u32 port)
{
	__u32 i;

	if (cxlt_likely(port < CXLT_NIC_PORT_TABLE))
		return (int)nic->index[port] - 1;
	for (i = 0; i < nic->n_ports; i++)
		if (nic->port[i] == port)
			return i;
	return -1;
}

#endif
