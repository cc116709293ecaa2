/* SPDX-License-Identifier: Apache-2.0 */
/*
 * writer.h - change a slice: rules of OpenFlow tables, entries of exact tables (userspace).
 *
 * To install a rule is to store it: no call below makes a system call, but for opening a handle
 * and for asking whether the holder of a contended lock still lives.
 *
 * Locking: any number of writers, each with a handle of its own, change a slice at once.  A change of
 * an entry or rule locks the one or two buckets that its key may live in.  What changes the
 * structure - a new mask, a higher priority than any before in a tuple, a larger bucket array, a
 * rule that needs a shadow, an exact table - is done alone: the call waits until the others have
 * come out of their changes, and they wait for it.  cxlt_writer_lock() takes the slice alone for a
 * batch that must not be mixed with others' changes; calls then need no bucket locks.
 *
 * A handle owns a writer id, a byte of the slice's lock file under an open-file-description lock,
 * which the kernel drops when the process dies, however it dies.  Whoever meets a lock asks for its
 * holder's byte: free means dead, and the slice is repaired before anything else happens; held means
 * alive (running or stopped), and after a bounded wait the call fails with -EBUSY, naming the
 * holder.  A living holder is never robbed.
 *
 * Concurrency: a handle belongs to one thread.  Readers go on beside every call and see the state
 * before or after it; calls on one key are linearizable.  When a call returns, every packet whose
 * phase 1 starts later obeys.  A lock that is held by a writer which waits for another lock doesn't
 * exist but in ascending order of buckets.
 *
 * Errors: -EBUSY as above; -ENOSPC no room (opening: no writer id): the text names the pool and how
 * to enlarge it, and nothing is changed; -EINVAL a rule that can't be; -ENOENT; -EEXIST.
 * cxlt_error_text() says why.
 * Source: PROTOCOL.md, "Writers".
 */
#ifndef CXLTAB_WRITER_H
#define CXLTAB_WRITER_H

#ifndef __BPF__

#include <cxltab/base.h>
#include <cxltab/action.h>
#include <cxltab/key.h>
#include <cxltab/slice.h>

struct cxlt_writer;

int cxlt_writer_open(struct cxlt_slice *, struct cxlt_writer **out);
void cxlt_writer_close(struct cxlt_writer *);
int cxlt_writer_id(const struct cxlt_writer *);

/* The slice alone; nests.  With it, calls can only fail for reasons of their own. */
int cxlt_writer_lock(struct cxlt_writer *);
void cxlt_writer_unlock(struct cxlt_writer *);

/*
 * Recomputes, alone, all that follows from what is reachable: what a writer's death needs happens by
 * itself; this is for damage that nobody met.  0 also if something is left that it can't mend:
 * cxlt_slice_check() says.
 */
int cxlt_slice_repair(struct cxlt_writer *);

/* A rule as OpenFlow names it: table, priority and match are its identity. */
struct cxlt_rule_spec {
	__u8 table;
	__u16 priority;
	__u64 cookie;
	struct cxlt_key value; /* bits outside mask are ignored */
	struct cxlt_key mask;
	__u32 n_prog;
	const __u64 *prog;
};

/* A rule as it is stored. */
struct cxlt_rule_info {
	__u8 table;
	__u16 priority;
	__u64 cookie;
	struct cxlt_key value;
	struct cxlt_key mask;
	__u32 n_prog;
	__u64 prog[CXLT_PROG_MAX];
	__u64 created;			     /* CLOCK_MONOTONIC ns */
	__u64 packets[2], bytes[2], used[2]; /* [0] host, [1] device */
	__u32 ref;			     /* line ref of the entry */
	__u32 counters;
	__u8 host_match;  /* the device can't parse its match: a shadow speaks for it */
	__u8 host_domain; /* the entry lies beyond the device limit */
};

/*
 * Installs a rule; one with the same identity is replaced, with fresh counters (OpenFlow ADD).
 * 1 if it replaced one, else 0.
 */
int cxlt_rule_add(struct cxlt_writer *, const struct cxlt_rule_spec *);
/*
 * n adds, in order, the buckets of later ones fetched ahead.  Some dozens at a time are stored with the
 * slice alone, which costs less than as many changes beside others.  Stops at the first that fails;
 * *added are installed then, and stay.
 */
int cxlt_rule_add_batch(struct cxlt_writer *, __u32 n, const struct cxlt_rule_spec *, __u32 *added);
/* For own loops that have the slice alone: a hint that this rule will soon be added. */
void cxlt_rule_prefetch(struct cxlt_writer *, const struct cxlt_rule_spec *);
/* Replaces program and cookie of a rule, keeps its counters (MODIFY_STRICT).  -ENOENT if absent. */
int cxlt_rule_modify(struct cxlt_writer *, const struct cxlt_rule_spec *);
/* Removes one rule (DELETE_STRICT; program and cookie are ignored).  -ENOENT if absent. */
int cxlt_rule_delete(struct cxlt_writer *, const struct cxlt_rule_spec *);
/* Finds one rule by its identity: as it is, or was while we looked.  -ENOENT: there was a moment
 * without it; -EAGAIN: too many changes beside us. */
int cxlt_rule_get(const struct cxlt_slice *, const struct cxlt_rule_spec *,
		  struct cxlt_rule_info *out);

/*
 * A bundle: the adds, modifies and deletes of rules between begin and commit become visible to both
 * paths at one store; every packet, in all tables that it visits, sees all of them or none.  One is
 * open per slice: begin takes the slice alone (-EBUSY as cxlt_writer_lock()), commit and abort give
 * it back.  Meanwhile packets go by the old rules; cxlt_rule_get() and cxlt_rule_each() through this
 * writer's slice handle show what the bundle has made of them.  An op that fails has changed nothing
 * and the bundle goes on; whoever wants all or nothing then aborts.  A bundle needs room for new
 * entries beside the old ones.  Not for exact tables.
 */
int cxlt_bundle_begin(struct cxlt_writer *);
void cxlt_bundle_commit(struct cxlt_writer *);
void cxlt_bundle_abort(struct cxlt_writer *);

/*
 * Calls fn for each rule of `table` (-1: all), in no order; stops when it returns nonzero, and
 * returns that.  Without the lock, each rule is a consistent copy, and one that is displaced
 * during the walk may be missed or shown twice.
 */
typedef int cxlt_rule_fn(void *arg, const struct cxlt_rule_info *);
int cxlt_rule_each(const struct cxlt_slice *, int table, cxlt_rule_fn *fn, void *arg);
/* Installed rules of a table. */
__u64 cxlt_table_rules(const struct cxlt_slice *, __u32 table);
__u32 cxlt_table_tuples(const struct cxlt_slice *, __u32 table);

/*
 * Exact tables.  `entries` is the capacity that is laid out at once (90% load).  Names are up to 23
 * bytes.  What a table is like is decided once; it either grows or has its entries near, or neither.
 */
enum {
	CXLT_EXACT_GROW = 1, /* the table doubles when it is full */
	/*
	 * Most entries lie in the page (4 KiB) of their bucket, so a look-up is one walk over page
	 * tables and not two.  No stocks: BPF programs can look up and not write.  Entries of at most
	 * 13 cells; larger ones are placed as usual.
	 */
	CXLT_EXACT_NEAR = 2,
};

int cxlt_exact_create(struct cxlt_writer *, const char *name, __u32 n_key, __u32 n_val,
		      __u64 entries, int flags);
/* Ref of the table's tuple, for cxlt_exact_find(); 0 if there is none. */
__u32 cxlt_exact_open(const struct cxlt_slice *, const char *name);
int cxlt_exact_insert(struct cxlt_writer *, __u32 tuple, const __u64 *key, const __u64 *val);
int cxlt_exact_modify(struct cxlt_writer *, __u32 tuple, const __u64 *key, const __u64 *val);
int cxlt_exact_delete(struct cxlt_writer *, __u32 tuple, const __u64 *key);
/*
 * Lines for BPF programs that write to the table (exact_write.h), `per_cpu` for each of `cpus` CPUs.
 * The first call makes the stock, later ones with the same `cpus` fill it up again, to at most what
 * it was made for.  All or, with -ENOSPC, nothing.  -EINVAL: another shape.
 */
int cxlt_exact_stock(struct cxlt_writer *, __u32 tuple, __u32 cpus, __u32 per_cpu);
/* n inserts, keys and values back to back, buckets prefetched; the number inserted, or -errno. */
long cxlt_exact_insert_batch(struct cxlt_writer *, __u32 tuple, __u32 n, const __u64 *keys,
			     const __u64 *vals);

#endif

#endif
