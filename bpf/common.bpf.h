/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * common.bpf.h - what both programs of the slow path are made of: maps, view, scratch, counting.
 *
 * Each object has one arena: the slice's, reused by the loader.  The view is read-only data, so
 * the verifier knows its numbers.  Classification and edit are global functions: verified once
 * each, on their own, instead of along every path that leads to them.
 *
 * Concurrency: scratch is per CPU and per object.  A hook doesn't nest: packets are received
 * with bottom halves disabled, and what a program sends never comes back before it returns.
 */
#ifndef CXLTAB_BPF_COMMON_H
#define CXLTAB_BPF_COMMON_H

#define BPF_NO_KFUNC_PROTOTYPES
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <cxltab/base.h>
#include <cxltab/work.h>
#include <cxltab/view.h>
#include "slowpath.h"

/*
 * One packet's state; `w` comes first, so that a pointer to it is a pointer to this.  What phase 2
 * keeps is here and not on the stack: the verifier follows each value that a loop leaves on the
 * stack, and forgets those in a map.
 */
struct cxlt_scratch {
	struct cxlt_work w;
	__u64 matched; /* bit i: table visited[i] had a rule */
	__u32 n_visited;
	__u8 visited[CXLT_HOPS_MAX];
	__u32 len;	      /* of the packet now */
	struct cxlt_port in;  /* where it came from */
	struct cxlt_port out; /* an output that waits, if has_out */
	__u32 has_out;
	__u32 local;		   /* a copy for the host's own stack */
	__u32 sinks;		   /* copies that left or wait, upcalls included */
	__u32 shot;		   /* dry: 1 + number of the shot with the present bytes */
	__u64 packets;		   /* segments of a super-packet */
	__u64 headers;		   /* bytes that each segment but the first one adds */
	struct cxlt_key local_key; /* TC: what the local copy shall say */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARENA);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* the loader puts the slice in its place */
} arena SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cxlt_scratch);
} scratch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, CXLT_PORTS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct cxlt_port);
} devices SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, CXLT_PORTS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct cxlt_port);
} ports SEC(".maps");

/* A hash, so that an update replaces the list under readers that walk the old one. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct cxlt_flood);
} flood SEC(".maps");

/* slot of the port + path * CXLT_PORTS_MAX */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, CXLT_PORTS_MAX *CXLT_N_PATHS);
	__type(key, __u32);
	__type(value, struct cxlt_port_stats);
} port_stats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, CXLT_N_PATHS);
	__type(key, __u32);
	__type(value, struct cxlt_path_stats);
} path_stats SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} upcalls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct cxlt_dry);
} dry_run SEC(".maps");

/* Set before load. */
const volatile struct cxlt_view slice_view;
const volatile __u64 slice_id;
const volatile bool cxlt_dry;	    /* record instead of sending and counting */
const volatile bool cxlt_dry_every; /* every port exists; FLOOD is one output */

/* A dry run's port; test runs have no device. */
__u32 cxlt_dry_port;

/* Laundered: the compiler would believe that constant data without initialiser is 0. */
static __always_inline const struct cxlt_view *view(void)
{
	const struct cxlt_view *v = (const struct cxlt_view *)&slice_view;

	asm volatile("" : "+r"(v));
	return v;
}

int cxlt_bpf_tuple(struct cxlt_scratch *s, __u32 ref, __u32 best);
int cxlt_bpf_chain(struct cxlt_scratch *s, __u32 ref, __u32 tuple, __u32 best);
int cxlt_bpf_filter(struct cxlt_scratch *s, __u64 list);
int cxlt_bpf_group(struct cxlt_scratch *s, __u64 list, __u32 group);

#define CXLT_CHAIN_FIND(v, w, p, at) \
	cxlt_bpf_chain((struct cxlt_scratch *)(w), at, (p)->ref, (p)->best)
#define CXLT_TUPLE_FIND(v, w, ref, best) cxlt_bpf_tuple((struct cxlt_scratch *)(w), ref, best)
#define CXLT_FILTER_ASK(v, w, list)	 cxlt_bpf_filter((struct cxlt_scratch *)(w), list)
#define CXLT_GROUP_FIND(v, w, list, g)	 cxlt_bpf_group((struct cxlt_scratch *)(w), list, g)
#include <cxltab/classify.h>
#include <cxltab/edit.h>

/* The entry behind a slot, and its chain, verified once. */
__noinline int cxlt_bpf_chain(struct cxlt_scratch *s, __u32 ref, __u32 tuple, __u32 best)
{
	const struct cxlt_tuple __arena *t = cxlt_line(view(), tuple, 2 + CXLT_KEY_MAX / 8);
	struct cxlt_probe p = {.ref = tuple, .best = best};
	__u64 head;

	if (!s || !t)
		return -CXLT_R_INTERNAL;
	asm volatile("" ::"r"(&arena)); /* a function that uses an arena must name it */
	head = cxlt_load((const __u64 __arena *)&t->id);
	p.tuple = t;
	p.id = (__u32)head;
	p.n_words = (head >> 32) & 0xff;
	return cxlt_chain_find(view(), &s->w, &p, ref);
}

/* The search of one tuple, verified once. */
__noinline int cxlt_bpf_tuple(struct cxlt_scratch *s, __u32 ref, __u32 best)
{
	if (!s)
		return -CXLT_R_INTERNAL;
	asm volatile("" ::"r"(&arena));
	return cxlt_tuple_find(view(), &s->w, ref, best);
}

/* The question to a list's filter, verified once. */
__noinline int cxlt_bpf_filter(struct cxlt_scratch *s, __u64 list)
{
	if (!s)
		return -CXLT_R_INTERNAL;
	asm volatile("" ::"r"(&arena));
	return cxlt_filter_ask(view(), &s->w.key, list, &s->w.filter);
}

/* The search of 64 tuples, verified once. */
__noinline int cxlt_bpf_group(struct cxlt_scratch *s, __u64 list, __u32 group)
{
	if (!s)
		return -CXLT_R_INTERNAL;
	asm volatile("" ::"r"(&arena));
	return cxlt_group_find(view(), &s->w, list, group);
}

/* cxlt_classify(), verified once, and a note of the tables that this packet visited. */
__noinline int cxlt_bpf_classify(struct cxlt_scratch *s, __u32 table)
{
	__u32 n;
	int rc;

	if (!s)
		return -CXLT_R_INTERNAL;
	asm volatile("" ::"r"(&arena));
	rc = cxlt_classify(view(), &s->w, table);
	if (!table) { /* a walk, or a new try */
		s->n_visited = 0;
		s->matched = 0;
	}
	n = s->n_visited;
	if (n < CXLT_HOPS_MAX) {
		s->visited[n] = table;
		s->matched |= (__u64)(rc > 0) << n;
		s->n_visited = n + 1;
	}
	return rc;
}

__noinline int cxlt_bpf_edit(struct cxlt_scratch *s, struct cxlt_csum_fix *fix)
{
	if (!s || !fix)
		return CXLT_R_INTERNAL;
	return cxlt_edit(&s->w.frame, &s->w.lay, &s->w.orig, &s->w.key, fix);
}

int cxlt_bpf_program(struct cxlt_scratch *s, __u32 table);

#define CXLT_CLASSIFY(v, w, table)     cxlt_bpf_classify((struct cxlt_scratch *)(w), table)
#define CXLT_WALK_PROGRAM(v, w, table) cxlt_bpf_program((struct cxlt_scratch *)(w), table)
#define CXLT_EDIT(w, fix)	       cxlt_bpf_edit((struct cxlt_scratch *)(w), fix)
#define CXLT_HAVE_ADAPTER

/* The adapter's header defines these; see pipeline.h. */
struct cxlt_adapter;
static int cxlt_out_headers(struct cxlt_adapter *a, struct cxlt_work *w,
			    const struct cxlt_csum_fix *fix);
static int cxlt_out_port(struct cxlt_adapter *a, struct cxlt_work *w, __u32 port);
static int cxlt_out_flood(struct cxlt_adapter *a, struct cxlt_work *w);
static int cxlt_out_local(struct cxlt_adapter *a, struct cxlt_work *w);
static int cxlt_out_controller(struct cxlt_adapter *a, struct cxlt_work *w, __u32 max_len);

#include <cxltab/pipeline.h>

__noinline int cxlt_bpf_program(struct cxlt_scratch *s, __u32 table)
{
	return s ? cxlt_walk_program(view(), &s->w, table) : CXLT_R_INTERNAL;
}

__noinline int cxlt_bpf_parse(struct cxlt_scratch *s)
{
	return s ? cxlt_work_parse(&s->w, s->w.frame.buf + CXLT_HDR_ROOM) : CXLT_R_INTERNAL;
}

static __always_inline struct cxlt_scratch *get_scratch(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&scratch, &zero);
}

static __always_inline void begin(struct cxlt_scratch *s, const struct cxlt_port *in)
{
	s->in = *in;
	s->w.in_port = in->port;
	s->n_visited = 0;
	s->has_out = 0;
	s->local = 0;
	s->sinks = 0;
	s->shot = 0;
}

/* The packet ends here, for a reason that the tables didn't know. */
static __always_inline void end_early(struct cxlt_scratch *s, int reason)
{
	s->w.res.verdict = CXLT_V_DROP;
	s->w.res.reason = reason;
}

static __always_inline int leaves(const struct cxlt_result *r)
{
	return r->verdict == CXLT_V_OUTPUT || r->verdict == CXLT_V_CONTROLLER ||
	       r->verdict == CXLT_V_LOCAL;
}

static __always_inline struct cxlt_port_stats *stats_of(__u32 slot, __u32 path)
{
	__u32 at = (slot & (CXLT_PORTS_MAX - 1)) + path * CXLT_PORTS_MAX;

	return bpf_map_lookup_elem(&port_stats, &at);
}

static __always_inline struct cxlt_path_stats *path_totals(__u32 path)
{
	return bpf_map_lookup_elem(&path_stats, &path);
}

/* How a packet ended: once per packet, by the path that ended it. */
static __always_inline void count_end(struct cxlt_scratch *s, __u32 path, __u64 packets,
				      __u64 bytes)
{
	struct cxlt_port_stats *st = stats_of(s->in.slot, path);
	struct cxlt_path_stats *tot = path_totals(path);
	__u32 i, reason = s->w.res.reason;

	if (cxlt_dry || !st || !tot)
		return;
	st->rx_packets += packets;
	st->rx_bytes += bytes;
	if (reason < CXLT_REASON_MAX)
		st->reasons[reason] += packets;
	if (!s->w.res.n_hits && !s->n_visited)
		return;
	cxlt_work_count(view(), &s->w, packets, bytes, bpf_ktime_get_coarse_ns());
	CXLT_FOR(i, s->n_visited, CXLT_HOPS_MAX)
	{
		__u32 t = s->visited[i];

		if (t >= CXLT_STATS_TABLES)
			continue;
		tot->table[t].lookups += packets;
		if (s->matched >> i & 1)
			tot->table[t].matches += packets;
	}
}

static __always_inline void count_tx(__u32 slot, __u32 path, __u64 packets, __u64 bytes)
{
	struct cxlt_port_stats *st = stats_of(slot, path);

	if (!st)
		return;
	st->tx_packets += packets;
	st->tx_bytes += bytes;
}

/* ---- Upcalls ---- */

/* Copies `len` bytes of the packet from `off` on; each hook has its own helper. */
static int packet_read(void *ctx, __u32 off, void *to, __u32 len);

static __always_inline void upcall_fill(struct cxlt_upcall *u, const struct cxlt_work *w, __u32 len,
					__u32 path)
{
	u->time = bpf_ktime_get_ns();
	u->cookie = w->res.cookie;
	u->port = w->in_port;
	u->len = len;
	u->reason = w->res.reason;
	u->table = w->res.table;
	u->matched = w->res.matched;
	u->path = path;
}

/* Records have fixed sizes: the verifier wants a constant, and the ring wraps without copies. */
#define UPCALL_OF(size)                                                                          \
	({                                                                                       \
		struct cxlt_upcall *u_ = bpf_ringbuf_reserve(&upcalls, sizeof(*u_) + (size), 0); \
		__u32 cap_ = want > (size) ? (size) : want;                                      \
		int rc_ = -1;                                                                    \
		if (u_) {                                                                        \
			upcall_fill(u_, w, len, path);                                           \
			u_->caplen = cap_;                                                       \
			rc_ = cap_ ? packet_read(ctx, 0, u_ + 1, cap_) : 0;                      \
			if (rc_)                                                                 \
				bpf_ringbuf_discard(u_, BPF_RB_NO_WAKEUP);                       \
			else                                                                     \
				bpf_ringbuf_submit(u_, 0);                                       \
		}                                                                                \
		rc_;                                                                             \
	})

/* 0, or CXLT_R_UPCALL_LOST.  Never waits; a reader that sleeps is woken, one that is busy isn't. */
static __always_inline int upcall(void *ctx, struct cxlt_scratch *s, __u32 want, __u32 path)
{
	struct cxlt_port_stats *st = stats_of(s->in.slot, path);
	struct cxlt_path_stats *tot = path_totals(path);
	const struct cxlt_work *w = &s->w;
	__u32 len = s->len;
	int rc;

	if (!st || !tot)
		return CXLT_R_INTERNAL;
	if (want > len)
		want = len;
	if (want <= 128)
		rc = UPCALL_OF(128);
	else if (want <= 512)
		rc = UPCALL_OF(512);
	else if (want <= 2048)
		rc = UPCALL_OF(2048);
	else if (want <= 9216)
		rc = UPCALL_OF(9216);
	else
		rc = UPCALL_OF(65536);
	if (rc) {
		tot->upcalls_lost++;
		return CXLT_R_UPCALL_LOST;
	}
	st->upcalls++;
	return 0;
}

/* ---- The dry twin ---- */

static __always_inline struct cxlt_dry *dry_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&dry_run, &zero);
}

/* Records an output, and the packet's bytes if they changed since the last one. */
static __always_inline int dry_output(void *ctx, struct cxlt_scratch *s, __u32 kind, __u32 port)
{
	struct cxlt_dry *d = dry_get();
	__u32 n, at, len = s->len;

	if (!d)
		return CXLT_R_INTERNAL;
	if (!s->shot) {
		n = d->n_shots;
		CXLT_OPAQUE(len);
		if (n >= CXLT_DRY_SHOTS || len < 1 || len > CXLT_DRY_BYTES)
			return CXLT_R_INTERNAL;
		if (packet_read(ctx, 0, d->shot[n], len))
			return CXLT_R_INTERNAL;
		d->shot_len[n] = len;
		d->n_shots = n + 1;
		s->shot = n + 1;
	}
	at = d->n_outputs++;
	if (at < CXLT_DRY_OUTPUTS) {
		d->output[at].port = port;
		d->output[at].shot = s->shot - 1;
		d->output[at].kind = kind;
	}
	return 0;
}

static __always_inline void dry_start(void)
{
	struct cxlt_dry *d = dry_get();

	if (!d)
		return;
	d->n_outputs = 0;
	d->n_shots = 0;
	d->handed_over = 0;
}

static __always_inline void dry_end(const struct cxlt_result *r)
{
	struct cxlt_dry *d = dry_get();

	if (!d)
		return;
	d->verdict = r->verdict;
	d->reason = r->reason;
	d->table = r->table;
	d->matched = r->matched;
	d->cookie = r->cookie;
}

#endif
