/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * slowpath.h - what the slow path's programs and the loader share: values of their maps.
 *
 * The maps belong to whoever attached the programs, never to the slice: which device a port is,
 * what was counted, and the upcall ring can't be forged by the slice's owner.  They are pinned
 * beside the slice, so that new programs take over old maps.
 *
 * A packet that needs copies, a port that XDP can't redirect to, or a frame that pushed tags make
 * too long for a redirect, is handed over by XDP to the TC program of the same port: original
 * bytes, uncounted, and with a mark in front of the packet
 * (bpf_xdp_adjust_meta).  What XDP passes without the mark is for the host's own stack.  The mark
 * names slice and device, since metadata may outlive a trip over another port.
 *
 * Concurrency: the loader writes ports and flood list; each is one map value replaced whole.
 * Statistics are per CPU.  The ring has many producers and one consumer.
 */
#ifndef CXLTAB_BPF_SLOWPATH_H
#define CXLTAB_BPF_SLOWPATH_H

#include <cxltab/base.h>
#include <cxltab/key.h>
#include <cxltab/stats.h>

enum cxlt_path {
	CXLT_PATH_XDP = 0,
	CXLT_PATH_TC = 1,
	CXLT_N_PATHS = 2,
};

/* A port, by its device (map `devices`) and by its number (map `ports`). */
struct cxlt_port {
	__u32 port;
	__u32 ifindex;
	__u16 slot;  /* of statistics and devmap, below CXLT_PORTS_MAX */
	__u16 flags; /* CXLT_PORT_* */
};

enum {
	CXLT_PORT_XDP = 1,	/* XDP runs here, and TC only on what it hands over */
	CXLT_PORT_TC = 2,	/* TC runs here */
	CXLT_PORT_REDIRECT = 4, /* XDP may redirect to it: it is in the devmap */
	CXLT_PORT_MIXED = 8,	/* some port of this slice may not be redirected to */
};

/* All ports, ascending by number. */
struct cxlt_flood {
	__u32 n;
	__u32 pad;
	struct cxlt_port port[CXLT_PORTS_MAX];
};

/* What a path counts besides its ports, per CPU. */
struct cxlt_path_stats {
	struct cxlt_table_stats table[CXLT_STATS_TABLES];
	__u64 upcalls_lost; /* the ring was full, whatever else became of the packet */
	__u64 pad;
};

/* A record of the upcall ring: this, then caplen bytes of the packet. */
struct cxlt_upcall {
	__u64 time; /* CLOCK_MONOTONIC ns */
	__u64 cookie;
	__u32 port;   /* the packet's in_port */
	__u32 len;    /* of the packet */
	__u32 caplen; /* bytes that follow */
	__u8 reason;  /* enum cxlt_reason */
	__u8 table;   /* the last one looked up */
	__u8 matched; /* cookie belongs to a rule of it */
	__u8 path;    /* enum cxlt_path */
};

#define CXLT_MARK_MAGIC 0x746c7863u /* "cxlt" */

/*
 * In front of a packet that XDP hands over.  Generic XDP copies a packet whose buffer lacks headroom
 * (a veth's always does), and forgets its mac_len: TC then has the packet from its L3 header on, and
 * its metadata are what lies in front of that, the last bytes of the mark and the MAC header.  The
 * room comes first so that the mark can still be seen there.
 */
struct cxlt_mark {
	__u64 room[2];
	__u32 magic;
	__u32 ifindex;
	__u64 slice; /* header.id */
};

/* ---- The dry twin ---- */

enum {
	CXLT_DRY_PORT = 0,
	CXLT_DRY_FLOOD = 1,
	CXLT_DRY_CONTROLLER = 2,
	CXLT_DRY_LOCAL = 3,
	CXLT_DRY_OUTPUTS = 1024,
	CXLT_DRY_SHOTS = 64,   /* different contents of one packet's copies */
	CXLT_DRY_BYTES = 4096, /* a test run takes no more */
};

struct cxlt_dry_output {
	__u32 port; /* CXLT_DRY_CONTROLLER: bytes at most */
	__u16 shot;
	__u8 kind; /* CXLT_DRY_* */
	__u8 pad;
};

/* What a dry run would have done. */
struct cxlt_dry {
	__u8 verdict;
	__u8 reason;
	__u8 table;
	__u8 matched;
	__u32 handed_over; /* XDP: TC decides */
	__u64 cookie;
	__u32 n_outputs; /* may exceed CXLT_DRY_OUTPUTS: the rest isn't recorded */
	__u32 n_shots;
	struct cxlt_dry_output output[CXLT_DRY_OUTPUTS];
	__u32 shot_len[CXLT_DRY_SHOTS];
	__u8 shot[CXLT_DRY_SHOTS][CXLT_DRY_BYTES];
};

#endif
