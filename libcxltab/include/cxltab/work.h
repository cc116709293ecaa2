/* SPDX-License-Identifier: Apache-2.0 */
/*
 * work.h - the working state of one packet: an explicit context, never a global.
 *
 * In BPF it is a per-CPU map value (the stack is 512 bytes), one map per hook, so that XDP, TC
 * and a second level never share one; in userspace it is the caller's.  What phase 1 decided is
 * gathered in `struct cxlt_result`, which is also what the NIC's MAT caches.
 *
 * Concurrency: private to one packet on one CPU.
 */
#ifndef CXLTAB_WORK_H
#define CXLTAB_WORK_H

#include <cxltab/base.h>
#include <cxltab/key.h>
#include <cxltab/action.h>
#include <cxltab/reason.h>

enum {
	CXLT_HDR_MAX = 256, /* bytes of a frame that the parser may look at */
	CXLT_HDR_ROOM = 16, /* headroom of the header copy, for pushed tags */
	CXLT_HOPS_MAX = 32, /* tables that one packet may visit */
	CXLT_CHG_MAX = 160, /* change words of one packet: CXLT_HOPS_MAX tables x 5 dimensions */
};

/* The header copy: what parse reads and edit rewrites.  The frame starts at buf[head]. */
struct cxlt_frame {
	__u32 len;     /* length of the whole frame, tags in metadata included */
	__u32 hdr_len; /* bytes of it in buf: min(len, CXLT_HDR_MAX), plus pushed tags */
	__u32 head;    /* CXLT_HDR_ROOM until a tag is pushed or popped */
	__u32 pad;
	__u8 buf[CXLT_HDR_ROOM + CXLT_HDR_MAX];
};

enum {
	CXLT_L3_NONE = 0,
	CXLT_L3_ARP = 1,
	CXLT_L3_IPV4 = 4,
	CXLT_L3_IPV6 = 6,
};

/* Where the headers are, as offsets from the frame's first byte. */
struct cxlt_layers {
	__u16 l3;	/* first byte after the last parsed tag */
	__u16 l4;	/* 0: no L4 header (none, unknown protocol or a later fragment) */
	__u16 l4_len;	/* bytes from l4 to the end of the IP payload, padding excluded */
	__u16 ip6_frag; /* offset of an IPv6 fragment header, 0 if none */
	__u8 n_tags;	/* parsed VLAN tags, 0 to 2 */
	__u8 l3_kind;	/* CXLT_L3_* */
	__u8 l4_proto;	/* IP protocol of the L4 header at l4 */
	__u8 frag;	/* CXLT_FRAG_* */
	__u8 flags;	/* CXLT_LAY_* */
	__u8 pad;
};

enum {
	/* An IPv6 routing header with segments left: ipv6_dst isn't in the L4 checksum. */
	CXLT_LAY_ROUTED = 1,
};

/* A rule whose counters the packet moves: one per table visited with a hit. */
struct cxlt_result {
	__u8 verdict;	/* enum cxlt_verdict; valid once phase 1 has returned */
	__u8 reason;	/* enum cxlt_reason */
	__u8 table;	/* the last table looked up */
	__u8 matched;	/* 1 if cookie belongs to a rule of that table */
	__u8 n_ops;	/* words in ops[] */
	__u8 n_hits;	/* counter refs in hits[] */
	__u8 n_outputs; /* OUTPUT and IN_PORT ops in ops[] */
	__u8 flags;	/* CXLT_RES_* */
	__u64 cookie;	/* of the last rule that matched */
	__u32 hits[CXLT_HOPS_MAX];
	__u64 ops[CXLT_OPS_MAX];
};

enum {
	CXLT_RES_COPIES = 1,	/* FLOOD, ALL or more than one output: needs copies */
	CXLT_RES_EDITS = 2,	/* the packet's bytes change */
	CXLT_RES_UPCALL = 4,	/* a CONTROLLER op */
	CXLT_RES_LOCAL = 8,	/* a LOCAL op */
	CXLT_RES_VOLATILE = 16, /* not to be cached: pending change, or too many words */
};

/* The change words that the result depends on, read before the lookup (PROTOCOL.md, MAT). */
struct cxlt_chgset {
	__u64 sum;
	__u32 n;
	__u32 pending;		/* something was pending: don't cache */
	__u32 at[CXLT_CHG_MAX]; /* byte offset / 8 in the slice: index of a 64-bit word */
};

/* The winner of the last table searched, copied out of the slice. */
struct cxlt_rule_copy {
	__u64 cookie;
	__u32 counters; /* line ref, 0 if not counted */
	__u16 prio;
	__u8 n_prog;
	__u8 torn; /* being copied: not the winner yet */
	__u64 prog[CXLT_PROG_MAX];
};

/* What the filter of the list that is being searched says. */
struct cxlt_filter {
	__u64 absent;  /* bit p: no rule has the packet's bits of pair p */
	__u64 first;   /* bit i: tuple i is ruled out by that */
	__u32 uses;    /* word of the slice: who uses pair 0 is uses + g * n_pairs, g from 1 on */
	__u32 n_pairs; /* 0: nothing is ruled out */
	__u32 lines;   /* touched */
	__u32 pad;
};

/* Of the search of a list, so far; here for the same reason as struct cxlt_walk. */
struct cxlt_scan {
	__u32 best;   /* 1 + priority of the best rule, 0: none */
	__u32 unseen; /* 1 + the highest priority that a rule the device can't read may have */
};

/* What phase 1 has gathered besides the result; here, since the verifier follows the stack. */
struct cxlt_walk {
	__u32 next;	    /* table to go on with, 0: none */
	__u32 only_in_port; /* an output to the packet's own port was left out */
	__u32 sinks;	    /* copies that leave: outputs, LOCAL */
	__u32 edited;	    /* the key changed since the last sink */
};

struct cxlt_work {
	__u32 in_port;
	__u32 budget;	/* lines that may still be touched */
	__u64 version;	/* loaded once per packet */
	__u32 n_lines;	/* lines touched so far, for trace */
	__u32 n_probes; /* tuples probed so far, for trace */
	struct cxlt_layers lay;
	struct cxlt_key orig; /* as parsed */
	struct cxlt_key key;  /* as rewritten so far */
	struct cxlt_chgset chg;
	struct cxlt_rule_copy rule;
	struct cxlt_filter filter;
	struct cxlt_scan scan;
	struct cxlt_walk walk;
	struct cxlt_result res;
	struct cxlt_frame frame;
};

/* Takes lines that are touched off the packet's budget; -CXLT_R_BUDGET. */
CXLT_INLINE int cxlt_charge(struct cxlt_work *w, __u32 lines)
{
	w->n_lines += lines;
	if (cxlt_unlikely(w->budget < lines))
		return -CXLT_R_BUDGET;
	w->budget -= lines;
	return 0;
}

#endif
