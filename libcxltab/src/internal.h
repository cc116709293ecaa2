/* SPDX-License-Identifier: Apache-2.0 */
/* internal.h - what the sources of libcxltab share and nobody else sees. */
#ifndef CXLTAB_INTERNAL_H
#define CXLTAB_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <cxltab/atomic.h>
#include <cxltab/exact.h>
#include <cxltab/hash.h>
#include <cxltab/layout.h>
#include <cxltab/slice.h>
#include <cxltab/view.h>
#include <cxltab/writer.h>

enum {
	CXLT_TUPLE_LINES = 5, /* every tuple has room for CXLT_KEY_MAX mask words */
	CXLT_COUNTER_LINES = 2,
	CXLT_BACKEND_ARENA = 1,
	CXLT_BACKEND_FILE = 2,
	CXLT_BACKEND_MEMFD = 3,
};

struct cxlt_slice {
	struct cxlt_header header; /* validated copies: the only ones that are used */
	struct cxlt_directory dir;
	struct cxlt_view view; /* host view */
	char *mem;
	__u64 size;
	__u64 ahead; /* 1 while a bundle is open through this handle: what it shows is ahead */
	__s64 ahead_rules[256]; /* of the rules that tables have, by as many */
	int fd;
	int backend;
	int mode;
	char lock_path[128];
	char name[];
};

/* What `created` and `used` are stamped with. */
CXLT_INLINE __u64 cxlt_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (__u64)ts.tv_sec * 1000000000ULL + (__u64)ts.tv_nsec;
}

/* Sets the thread's error text and returns err. */
int cxlt_fail(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

CXLT_INLINE void *cxlt_at(const struct cxlt_slice *s, __u32 ref)
{
	return s->mem + ((__u64)ref << 6);
}

/* As cxlt_at(), of an entry of an exact table. */
CXLT_INLINE struct cxlt_exact *cxlt_exact_at(const struct cxlt_slice *s, __u32 ref)
{
	return (struct cxlt_exact *)(s->mem + (__u64)ref * CXLT_CELL);
}

/* arena.c: raw bpf(2), so that the library needs no libbpf. */
int cxlt_arena_create(const char *name, __u64 size, char **mem);
int cxlt_arena_pin(int fd, const char *path);
int cxlt_arena_open_pin(const char *path);
int cxlt_arena_map(int fd, int mode, char **mem, __u64 *size);
bool cxlt_fd_is_bpf_map(int fd);

/* geometry.c: what header and directory say. */
int cxlt_config_check(const struct cxlt_slice_config *);
__u64 cxlt_config_size(const struct cxlt_slice_config *);
/* Fills zeroed memory; the magic last, so that a half-made slice is none. */
int cxlt_format(char *mem, __u64 size, const struct cxlt_slice_config *);
__u64 cxlt_checksum(const struct cxlt_header *, const struct cxlt_directory *,
		    const __u64 *secrets);
/* Of memory of `size` bytes; -EPROTO. */
int cxlt_header_check(const struct cxlt_header *, __u64 size, int mode);
int cxlt_directory_check(const struct cxlt_header *, const struct cxlt_directory *);

/* alloc.c: any writer in a change; what is 256 lines or more, one that has the slice alone. */
struct cxlt_alloc {
	__u32 hint[CXLT_N_KINDS][CXLT_CHUNK_LINES + 1]; /* chunk to look at first, + 1 */
	__u8 scan[CXLT_N_KINDS][CXLT_CHUNK_LINES + 1];	/* a full scan may find something */
	__u32 next_free[2];				/* no free chunk before this one */
	struct {
		__u32 n;
		__u32 ref[256];
	} recent[CXLT_N_KINDS]; /* objects freed by this handle, likely free still */
	bool alone;		/* nobody else takes or frees anything now */
};

enum cxlt_place {
	CXLT_PLACE_DEVICE, /* the device domain or nothing */
	CXLT_PLACE_HOST,   /* the host domain, else the device domain */
	CXLT_PLACE_ANY,	   /* the device domain, else the host domain */
};

void cxlt_alloc_reset(struct cxlt_alloc *);
/* An object of `lines` lines; 0 if there is none.  Exact entries: of so many cells, a ref of cells. */
__u32 cxlt_alloc_object(struct cxlt_slice *, struct cxlt_alloc *, int kind, __u32 lines, int place);
void cxlt_free_object(struct cxlt_slice *, struct cxlt_alloc *, __u32 ref);
void cxlt_free_cells(struct cxlt_slice *, struct cxlt_alloc *, __u32 ref);
/* 2^log2 lines in the device domain, zeroed; freed by cxlt_free_lines(). */
__u32 cxlt_alloc_lines(struct cxlt_slice *, struct cxlt_alloc *, int kind, __u32 log2);
void cxlt_free_lines(struct cxlt_slice *, struct cxlt_alloc *, __u32 ref);
/* The chunk and the number of the object of this kind at `ref`; false if there can't be one. */
bool cxlt_chunk_of(const struct cxlt_slice *, int kind, __u32 ref, __u32 *chunk, __u32 *object);
/* The bits of the objects of chunk i; how many there may be at most. */
__u64 *cxlt_chunk_used(const struct cxlt_slice *, __u32 i);
__u32 cxlt_chunk_objects(const struct cxlt_slice *, __u32 i);
/* Its bit 0: the span that begins with this chunk is in use. */
__u64 *cxlt_span_used(struct cxlt_chunk *);
/* Pages of CXLT_KIND_NEAR in the device domain, zeroed, 4 at least; `near` is CXLT_NEAR(). */
__u32 cxlt_alloc_near(struct cxlt_slice *, __u32 pages, __u8 near);
/* An entry in the page of the line at `ref`; 0 if none is free. */
__u32 cxlt_alloc_in_page(struct cxlt_slice *, struct cxlt_alloc *, __u32 ref, __u32 cells);
/* What that would return now is on its way to the cache. */
void cxlt_alloc_ahead(const struct cxlt_slice *, __u32 ref, __u32 cells);
/* Up to n entries at once, as far as that is cheap; how many.  They are freed one by one. */
__u32 cxlt_alloc_some(struct cxlt_slice *, struct cxlt_alloc *, __u32 cells, __u32 *refs, __u32 n);
/* Chunks whose lines all lie in the device domain. */
__u32 cxlt_device_chunks(const struct cxlt_slice *);

/* counters.c: of rules. */
struct cxlt_counted {
	__u64 packets[2], bytes[2], used[2]; /* [0] host, [1] device */
};

/* All that was counted on `ref` and, if the rule was moved, before; zeros if there are none. */
void cxlt_counters_read(const struct cxlt_slice *, __u32 ref, struct cxlt_counted *out);
__u64 cxlt_counters_packets(const struct cxlt_slice *, __u32 ref);
/* Zeroed; 0 if there are none. */
__u32 cxlt_counters_new(struct cxlt_slice *, struct cxlt_alloc *, int place);
/* With those before; 0 is none. */
void cxlt_counters_free(struct cxlt_slice *, struct cxlt_alloc *, __u32 ref);
/* New counters go on where `old` are; false if others are before those still. */
bool cxlt_counters_succeed(struct cxlt_slice *, __u32 ref, __u32 old, __u64 now);
/* No packet counts on those before any more: they go. */
void cxlt_counters_settle(struct cxlt_slice *, struct cxlt_alloc *, __u32 ref);

/* hold.c: locks on the buckets of one key. */
struct cxlt_hold {
	struct cxlt_writer *w;
	struct cxlt_tuple *t;
	struct cxlt_bucket *array;
	__u64 h;
	__u32 mask, tag;
	__u32 i1, i2; /* the key's home and its alternate */
	bool other;   /* the alternate is locked as well */
};

/*
 * Locks the home bucket of hash h: entries that are homed there, wherever they sit, and the slots of
 * the bucket change by its holder's hand alone.  0, -EBUSY, or CXLT_ALONE: its holder is dead.
 * A writer that has the slice alone needs no locks, and gets none.
 */
int cxlt_hold(struct cxlt_writer *, struct cxlt_tuple *, __u64 h, struct cxlt_hold *out);
/* The alternate too; 1 if home was let go meanwhile: look again.  On an error nothing is held. */
int cxlt_hold_other(struct cxlt_hold *);
void cxlt_hold_end(struct cxlt_hold *);
/* Two buckets of an array; 0, -EBUSY, CXLT_ALONE. */
int cxlt_lock_pair(struct cxlt_writer *, struct cxlt_bucket *array, __u32 a, __u32 b);
void cxlt_unlock_pair(struct cxlt_writer *, struct cxlt_bucket *array, __u32 a, __u32 b);

/* hashtab.c: one tuple's buckets. */
struct cxlt_place_of {
	struct cxlt_bucket *bucket;
	__u32 index;
	__u32 slot;
};

__u64 cxlt_hash_body(const struct cxlt_slice *, const struct cxlt_tuple *, const __u64 *body);
__u64 cxlt_hash_entry(const struct cxlt_slice *, const struct cxlt_tuple *, __u32 ref);
/* The slot whose entry has this masked key; false if there is none. */
bool cxlt_hash_locate(const struct cxlt_hold *, const __u64 *body, struct cxlt_place_of *out);
/* Of these three, a result of 1 means that home was let go: nothing is done, look again. */
/* Publishes ref in a free slot of either bucket; -ENOSPC if there is none. */
int cxlt_hash_publish(struct cxlt_hold *, __u32 ref);
int cxlt_hash_replace(struct cxlt_hold *, struct cxlt_place_of *, __u32 ref);
int cxlt_hash_remove(struct cxlt_hold *, struct cxlt_place_of *);
/*
 * Displaces entries so that a bucket of hash h has a free slot, which others may take; at most
 * max_nodes buckets are searched.  Holds nothing before and after.  -ENOSPC; -EAGAIN: try again.
 */
int cxlt_hash_make_room(struct cxlt_writer *, struct cxlt_tuple *, __u64 h, __u32 max_nodes);
/* A new array of 2^log2 buckets with all entries; -ENOSPC (no memory, or they don't fit).  Alone. */
int cxlt_tuple_resize(struct cxlt_writer *, struct cxlt_tuple *, __u32 log2);
CXLT_INLINE __u32 cxlt_tuple_mask(const struct cxlt_tuple *t)
{
	return CXLT_BUCKET_MASK(t->sparse, CXLT_GEO_LOG2(t->geo));
}

/* tuple.sparse of 2^log2 buckets, 2^g to a page. */
CXLT_INLINE __u32 cxlt_near_mask(__u32 log2, __u32 g)
{
	return ((((1U << log2) >> g) - 1) * CXLT_PAGE_LINES) | ((1U << g) - 1);
}

CXLT_INLINE __u64 cxlt_tuple_capacity(const struct cxlt_tuple *t)
{
	return (__u64)CXLT_BUCKET_SLOTS << CXLT_GEO_LOG2(t->geo);
}

/* A tuple as a writer makes it, before it is stored. */
union cxlt_tuple_image {
	struct cxlt_tuple t;
	__u64 w[CXLT_TUPLE_LINES * CXLT_LINE_WORDS];
};

/* Into lines that a reader may still hold from when they were another tuple: word by word. */
CXLT_INLINE void cxlt_tuple_store(struct cxlt_tuple *t, const union cxlt_tuple_image *image)
{
	__u32 i;

	for (i = 0; i < CXLT_TUPLE_LINES * CXLT_LINE_WORDS; i++)
		cxlt_store((__u64 *)t + i, image->w[i]);
}

/* The body of entry `ref` (masked key words), by the tuple's kind. */
CXLT_INLINE const __u64 *cxlt_entry_body(const struct cxlt_slice *s, const struct cxlt_tuple *t,
					 __u32 ref)
{
	return t->kind == CXLT_KIND_RULE ? ((const struct cxlt_rule *)cxlt_at(s, ref))->body
					 : cxlt_exact_at(s, ref)->body;
}

/* filter.c: a list of tuples and its prefilter, as a writer works on it. */
struct cxlt_list_image {
	__u32 n, n_pairs;
	__u64 item[CXLT_TUPLES_MAX];
	__u64 mask[CXLT_PAIRS_MAX];
	__u64 pair[CXLT_PAIRS_MAX];
	__u64 uses[CXLT_PAIRS_MAX][CXLT_TUPLES_MAX / 64]; /* by the pair, unlike in the slice */
	__u64 fresh;			    /* pairs whose cells no published list names */
	__u64 joined[CXLT_TUPLES_MAX / 64]; /* tuples that have got pairs */
};

/* False if the list makes no sense. */
bool cxlt_list_load(const struct cxlt_slice *, __u64 list, struct cxlt_list_image *);
__u32 cxlt_list_log2(__u32 n, __u32 pairs); /* of the lines it takes */
void cxlt_list_store(__u64 *words, const struct cxlt_list_image *);
/* Takes a tuple out, if it is there; bit p: it used pair p. */
__u64 cxlt_list_take(struct cxlt_list_image *, __u32 tref);
void cxlt_list_put(struct cxlt_list_image *, __u64 item, __u64 uses);
/* Counts a tuple's rules in an array of cells. */
void cxlt_filter_tally(const struct cxlt_slice *, const struct cxlt_tuple *, __u64 mask, __u64 pair,
		       __u64 *cells);
enum {
	CXLT_CELLS_LOW = 1, /* rules would be missed */
	CXLT_CELLS_HIGH = 2,
};
/* Counts pair p's rules anew: what is wrong with its cells (and is put right, with `fix`), or -ENOMEM. */
int cxlt_filter_compare(struct cxlt_slice *, const struct cxlt_list_image *, __u32 p, bool fix);
/* What tuple.pairs of tuple `at` of the list should be. */
__u64 cxlt_filter_pairs(const struct cxlt_list_image *, __u32 at);

/* lock.c */
/* An entry that a bundle has brought, or takes away. */
struct cxlt_bundle_item {
	__u32 tuple, ref;
	bool born;	   /* goes if the bundle is aborted; else it goes if it is committed */
	bool own_counters; /* with it go its counters */
	bool own_shadow;   /* and a reference to its shadow */
};

struct cxlt_bundle {
	__u64 version; /* that its entries begin with; 0: no bundle is open */
	struct cxlt_bundle_item *item;
	__u64 n, room;
	__u64 *chg[128]; /* words that are pending until its end */
	__u32 n_chg;
	__u64 wide[4];	      /* tables whose wide word is pending, for all of their words */
	__u32 *unseen_before; /* per table */
};

enum {
	CXLT_ALONE = -10000, /* not beside others: again, with the slice alone */
};

/* One bucket of the search for room, and the slot of its parent that would move into it. */
struct cxlt_node {
	__u32 bucket;
	__s16 parent;
	__u8 slot;
};

enum {
	CXLT_NODES = 4096,
};

/* Whole pages, so that nobody else's words share its lines. */
struct cxlt_writer {
	struct cxlt_slice *slice;
	struct cxlt_alloc alloc;
	int lock_fd;
	int id;
	int depth;
	__u64 turn; /* control.turns as last seen: when it moves, caches are stale */
	__u64 rng;
	struct cxlt_key dev_mask; /* bits that the slice's hardware can match on */
	struct {
		__u64 hash;
		__u32 ref;
		__u32 id;
	} tuple_cache[256];
	struct cxlt_bundle bundle;
	struct cxlt_node nodes[CXLT_NODES];
};

/*
 * Adds to a word that other writers may add to at once; the old value.  Who has the slice alone is
 * spared the bus lock: a rule needs half a dozen of them.
 */
CXLT_INLINE __u64 cxlt_bump(const struct cxlt_writer *w, __u64 *p, __u64 by)
{
	__u64 old;

	if (!w->depth)
		return cxlt_fetch_add(p, by);
	old = cxlt_load(p);
	cxlt_store_release(p, old + by);
	return old;
}

CXLT_INLINE struct cxlt_control *cxlt_control(const struct cxlt_slice *s)
{
	return cxlt_at(s, s->dir.control);
}

__u64 cxlt_random(__u64 *state);

/* A change beside other writers; nothing, if the slice is ours alone. */
int cxlt_change_enter(struct cxlt_writer *);
void cxlt_change_leave(struct cxlt_writer *);
/* Runs fn in a change; if it returns CXLT_ALONE, having changed nothing, again with the slice alone. */
typedef int cxlt_change_fn(struct cxlt_writer *, void *arg);
int cxlt_change_run(struct cxlt_writer *w, cxlt_change_fn *fn, void *arg);
/* Nobody changes lists and geometries now. */
bool cxlt_may_look(const struct cxlt_writer *);

/* For loops that wait for `holder` to change *word from what was seen. */
struct cxlt_patience {
	int round;
	int short_ms; /* to wait at most, 0: as usual */
	__u64 end;
};
/* 0: look again; -ESRCH: the holder is dead; -EBUSY: it lives, and time is up. */
int cxlt_patience(struct cxlt_writer *, struct cxlt_patience *, const __u64 *word, __u64 seen,
		  int holder);

/* shadows.c: the shadow that speaks for host-only rule `e` of tuple `t`; 0 if there is none. */
__u32 cxlt_shadow_of(struct cxlt_writer *, const struct cxlt_tuple *t, const struct cxlt_rule *e);
/* Removes a shadow that speaks for no rule. */
void cxlt_shadow_drop(struct cxlt_writer *, const struct cxlt_tuple *t, const struct cxlt_rule *e);
/* Makes the device punt whatever a rule of this priority might win. */
void cxlt_unseen_raise(struct cxlt_slice *, __u32 table, __u16 prio);
/* Back to what it was before a raise, or 0 when no rule of the table is left. */
void cxlt_unseen_lower(struct cxlt_slice *, __u32 table, __u32 to);

/* bundle.c: ends what bundles of dead writers have left; after the buckets were repaired.  Returns
 * how many entries it took away. */
__u64 cxlt_bundle_settle(struct cxlt_writer *);

/* check.c: recomputes what follows from what is reachable; how much it was, or -ENOMEM.  Alone. */
int cxlt_audit_fix(struct cxlt_slice *);

/* stock.c: lines of the object that tuple.stock names; 0 if the word makes no sense. */
__u32 cxlt_stock_lines(__u64 word);

#endif
