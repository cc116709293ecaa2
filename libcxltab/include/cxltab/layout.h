/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layout.h - the memory format of a slice, version 1.2.
 *
 * The normative, byte-exact text is docs/format.md; tests/test_layout.c hard-codes its numbers.
 * A slice is an array of 64-byte lines.  In memory there are line refs (32-bit line indexes),
 * never pointers; ref 0 is the header and therefore means "none".  All words are little endian.
 *
 *     line 0          struct cxlt_header      immutable, checksummed
 *     line 1, 2       struct cxlt_directory   immutable, checksummed: where everything else is
 *     secrets         NH secrets, one word per key word, immutable, checksummed
 *     control         version, floor | writer lock | allocator
 *     tables          struct cxlt_table per OpenFlow table
 *     intents         one line per writer id
 *     chunk table     struct cxlt_chunk per chunk
 *     chunks          CXLT_CHUNK_LINES lines each: entries, counters, tuples, bucket arrays
 * The first dev_lines lines are the device domain; everything above the chunk table is in it.
 *
 * Each shared field below says who writes it, who reads it, and which word publishes it.
 */
#ifndef CXLTAB_LAYOUT_H
#define CXLTAB_LAYOUT_H

#include <cxltab/base.h>
#include <cxltab/key.h>

enum {
	CXLT_LINE = 64,
	CXLT_LINE_WORDS = 8,
	CXLT_CELL = 32, /* half a line: what entries of exact tables are made of */
	CXLT_MAJOR = 1,
	CXLT_MINOR = 2,
	CXLT_BYTE_ORDER = 0x01020304,
	CXLT_CHUNK_LINES = 256,
	CXLT_CHUNK_CELLS = 2 * CXLT_CHUNK_LINES,
	CXLT_TABLES = 64,	/* OpenFlow tables of a slice */
	CXLT_EXACTS = 16,	/* exact tables of a slice */
	CXLT_WRITERS = 256,	/* writer ids; 0 is nobody */
	CXLT_WRITER_GONE = 254, /* a holder that died, whom nobody could succeed yet */
	CXLT_WRITER_BPF = 255,	/* all BPF programs */
	CXLT_BUCKET_SLOTS = 7,
	CXLT_TUPLES_MAX = 1024, /* tuples of a table */
	CXLT_PAIRS_MAX = 64,	/* pairs of a table's prefilter */
	CXLT_TUPLE_PAIRS = 8,	/* of one tuple */
	CXLT_CHAIN_MAX = 32,	/* rules with one match in one tuple */
	CXLT_DIMS = 5,
	CXLT_BUDGET_MAX = 65536, /* lines: a slice's owner may not make readers work longer */
};

#define CXLT_MAGIC 0x01316261746c7863ULL /* "cxltab1\1" */

/* An unknown incompatible bit refuses every attach, an unknown read-only-compatible one refuses
 * writers. */
enum {
	CXLT_FEAT_CELLS = 1, /* entries of exact tables are made of cells; required since 1.2 */
	CXLT_FEAT_INCOMPAT = CXLT_FEAT_CELLS,
	CXLT_FEAT_PARALLEL = 1, /* writers lock buckets; one that locks the slice alone is wrong */
	CXLT_FEAT_FILTER = 2,	/* writers keep the cells of prefilters, which readers go by */
	CXLT_FEAT_RO_COMPAT = CXLT_FEAT_PARALLEL | CXLT_FEAT_FILTER,
};

struct cxlt_header {
	__u64 magic;
	__u32 byte_order;
	__u16 major;
	__u16 minor;
	__u32 feat_incompat;
	__u32 feat_ro_compat;
	__u32 feat_compat;
	__u32 n_lines;	 /* size of the slice */
	__u32 dev_lines; /* the device domain is lines [0, dev_lines) */
	__u32 dir;	 /* ref of struct cxlt_directory */
	__u32 owner;	 /* tenant id, 0: provider */
	__u32 reserved;
	__u64 id;	/* random, not 0: two slices never share it */
	__u64 checksum; /* FNV-1a 64 over this line's first 56 bytes, directory and secrets */
};

/* What the hardware that will read this slice can do: set at creation, from a NIC profile. */
struct cxlt_profile {
	__u64 fields; /* bit per enum cxlt_field: can be matched on */
	__u64 sets;   /* bit per enum cxlt_field: can be rewritten */
	__u64 ops;    /* bit per enum cxlt_op: can be executed */
	__u64 reserved;
};

struct cxlt_directory {
	__u32 control; /* ref of struct cxlt_control */
	__u32 secrets; /* ref of CXLT_KEY_MAX words */
	__u32 tables;  /* ref of struct cxlt_table[n_tables] */
	__u32 n_tables;
	__u32 exacts; /* ref of struct cxlt_exact_table[n_exacts] */
	__u32 n_exacts;
	__u32 intents; /* ref of n_intents lines */
	__u32 n_intents;
	__u32 chunks; /* ref of struct cxlt_chunk[n_chunks] */
	__u32 n_chunks;
	__u32 chunk0;	   /* ref of the first line of chunk 0 */
	__u32 chg_log2;	   /* change words per table and dimension: 1 << chg_log2 */
	__u32 max_tuples;  /* mask budget of a table */
	__u32 work_budget; /* lines that a packet may touch */
	__u64 reserved;
	struct cxlt_profile profile;
	__u64 reserved2[4];
};

/* Each part is a line of its own, because each has its own writers. */
struct cxlt_control {
	/* line 0, read once per packet */
	__u64 version; /* writers: one store commits a bundle; readers: acquire, once per packet */
	__u64 floor;   /* writers: oldest version still whole; readers: acquire, after all tables */
	__u64 pad0[6];
	/* line 1, writers only */
	__u64 owner;	/* writer id that holds the slice alone, 0 if free; CAS */
	__u64 handoffs; /* times that the slice was repaired after a writer's death */
	__u64 turns;	/* times the slice was given back; under owner */
	__u64 ids;	/* highest writer id that ever was; CAS */
	__u64 pad1[4];
	/* lines 2-3, the holder of the lock only */
	__u64 next_tuple; /* next tuple id, 32 bits used, never 0 */
	__u64 resizes;
	__u64 promotions; /* rules moved to the device domain; any writer, by adding */
	__u64 demotions;  /* and to the host domain; likewise */
	__u64 hands;	  /* where the next rebalance looks on: device chunk 32 | host chunk 32 */
	__u64 pad2[11];
};

/*
 * One line of a writer: who it is, so that -EBUSY can name it, and whether it is changing
 * something.  A repair recomputes everything from what is reachable (docs/concurrency.md), so it
 * need not know what.  Line 255 counts the BPF programs that are changing something.
 */
enum cxlt_intent_op {
	CXLT_INTENT_IDLE = 0,
	CXLT_INTENT_CHANGE = 1, /* holds buckets, or may at any moment */
	CXLT_INTENT_LEFT = 2,	/* of a predecessor, who died in a change */
};

struct cxlt_intent {
	__u64 op; /* enum cxlt_intent_op; stored before the first bucket is locked, cleared last */
	__u64 arg[4];
	__u64 pid;     /* of the handle's opener, in its own pid namespace: a name, not liveness */
	__u64 comm[2]; /* its comm, 16 bytes */
};

/*
 * An OpenFlow table.  Readers load `list` (acquire) and the change words, search, and check that
 * neither moved.  Writers: the holder of the write lock.
 */
struct cxlt_table {
	__u64 list; /* CXLT_LIST(): immutable array of tuple items, published by this word */
	__u64 wide; /* change word of dimension 0 */
	__u32 chg[CXLT_DIMS - 1]; /* refs of the other dimensions' words; 0 until first used */
	__u32 dims;   /* bit d: chg[d - 1] is used; changed only while `wide` is pending */
	__u32 unseen; /* device: 1 + highest priority of rules it can't see at all; under wide */
	__u64 reserved[3];
	/* line 1, writers */
	__u64 n_rules;
	__u64 pad[7];
};

/* An exact table: one tuple whose key is all of n words. */
struct cxlt_exact_table {
	__u64 tuple; /* ref of struct cxlt_tuple, 0 if the table does not exist; release */
	__u64 name[3];
	__u64 pad[4];
};

/* list: ref 32 | count 16 | generation 16 */
#define CXLT_LIST_REF(l)       ((__u32)(l))
#define CXLT_LIST_N(l)	       ((__u32)((l) >> 32) & 0xffff)
#define CXLT_LIST(ref, n, gen) ((__u64)(ref) | (__u64)(n) << 32 | (__u64)((gen) & 0xffff) << 48)

/* A tuple item: ref 32 | highest priority 16 | flags 16.  Items descend by priority. */
#define CXLT_ITEM_REF(i)	    ((__u32)(i))
#define CXLT_ITEM_PRIO(i)	    ((__u32)((i) >> 32) & 0xffff)
#define CXLT_ITEM_FLAGS(i)	    ((__u32)((i) >> 48))
#define CXLT_ITEM(ref, prio, flags) ((__u64)(ref) | (__u64)(prio) << 32 | (__u64)(flags) << 48)

/*
 * A pair of a table's prefilter, behind the list's items (filter.h): ref of its cells 32 | 64 - log2
 * of their number 6 | 2 bits of 0 | key word 8.  A cell is 8 bits: how many rules have its bits; 255 sticks until the
 * array is made anew.  Writers: any in a change, by CAS.  Readers: 0 or not.
 */
#define CXLT_PAIR_REF(p)	   ((__u32)(p))
#define CXLT_PAIR_SHIFT(p)	   ((__u32)((p) >> 32) & 0x3f)
#define CXLT_PAIR_LOG2(p)	   (64 - CXLT_PAIR_SHIFT(p))
#define CXLT_PAIR_WORD(p)	   ((__u32)((p) >> 40) & 0xff)
#define CXLT_PAIR(ref, log2, word) ((__u64)(ref) | (__u64)(64 - (log2)) << 32 | (__u64)(word) << 40)

enum {
	CXLT_CELLS_LOG2_MIN = 10, /* a KiB */
	CXLT_CELLS_LOG2_MAX = 16,
	CXLT_CELL_STUCK = 255,
};

enum {
	CXLT_TUPLE_HOST = 1,	   /* the device can't match on it: a shadow speaks for each rule */
	CXLT_TUPLE_SHADOW = 2,	   /* shadows: seen by the device alone */
	CXLT_ITEM_FILTER = 0x8000, /* of the first item alone: a prefilter follows the list */
};

/*
 * A tuple: all rules of a table with one mask; or the body of an exact table.  Line 0 is what a
 * probe reads; idx, masks, id and secret are immutable once the tuple is in a list.
 */
struct cxlt_tuple {
	__u64 geo;     /* CXLT_GEO(): bucket array; published by this word */
	__u64 geo_old; /* the array being left, while the resizing bit of geo is set */
	__u64 secret;  /* added to the NH sum */
	__u32 id;      /* never reused in this slice */
	__u8 n_words;  /* words of the masked key, at most CXLT_KEY_MAX */
	__u8 kind;     /* CXLT_KIND_RULE or CXLT_KIND_EXACT: what the slots' refs are */
	__u8 table;
	__u8 flags;		/* CXLT_TUPLE_* */
	__u8 idx[CXLT_KEY_MAX]; /* key word of each mask word, ascending; 0 in an exact table */
	__u8 n_val;		/* exact: words of a value */
	__u8 grow;		/* exact: the array may be doubled */
	__u8 reserved[2];
	__u32 sparse; /* exact: mask of bucket indexes in an array that has entries between; 0: none */
	/* line 1, writers; of rules only: what every writer adds to is what slows all of them */
	__u64 count; /* entries, chained ones included; never too low */
	__u64 slots; /* occupied slots */
	/* exact tables, BPF writers */
	__u64 stock; /* CXLT_STOCK(): lines kept for BPF programs, 0: none; release */
	/* of rules: byte i is 1 + a pair of the table's prefilter that this tuple uses, or 0 */
	__u64 pairs;
	__u64 pad[4];
	/* line 2 and on */
	__u64 mask[]; /* n_words words */
};

/*
 * What one CPU's BPF programs make entries from and give them back to.  1 << log2 lines each, one
 * after the other; entries in it are unreachable, their bits are set.  Filled by who has the slice
 * alone, else changed by who has exchanged `lock` from 0 to 1.
 */
struct cxlt_stock {
	__u64 lock;  /* 1: somebody takes or gives; CAS, one try */
	__u64 n;     /* refs that are there */
	__u32 ref[]; /* entries of the table's size; the last one first */
};

/* stock: ref 32 | CPUs 16 | log2 of a CPU's lines 16 */
#define CXLT_STOCK_REF(w)	    ((__u32)(w))
#define CXLT_STOCK_CPUS(w)	    ((__u32)((w) >> 32) & 0xffff)
#define CXLT_STOCK_LOG2(w)	    ((__u32)((w) >> 48))
#define CXLT_STOCK(ref, cpus, log2) ((__u64)(ref) | (__u64)(cpus) << 32 | (__u64)(log2) << 48)
/* Refs that fit into a CPU's lines, behind lock and n. */
#define CXLT_STOCK_ROOM(log2)	    ((16U << (log2)) - 4)

enum {
	CXLT_STOCK_LOG2_MAX = 12, /* 65532 refs */
	CXLT_STOCK_CPUS_MAX = 1024,
};

/* geo: ref 32 | log2 of buckets 6 | resizing 1 | generation 25 */
#define CXLT_GEO_REF(g)	  ((__u32)(g))
#define CXLT_GEO_LOG2(g)  ((__u32)((g) >> 32) & 0x3f)
#define CXLT_GEO_RESIZING (1ULL << 38)
#define CXLT_GEO(ref, log2, gen) \
	((__u64)(ref) | (__u64)(log2) << 32 | (__u64)((gen) & 0x1ffffff) << 39)
#define CXLT_GEO_GEN(g) ((__u32)((g) >> 39))

/* A slot: tag 31 | secondary 1 | ref 32; 0 is empty.  Published, moved, removed by one store. */
#define CXLT_SLOT(tag, sec, ref) ((__u64)(tag) << 33 | (__u64)(sec) << 32 | (__u32)(ref))
#define CXLT_SLOT_REF(s)	 ((__u32)(s))
#define CXLT_SLOT_TAG(s)	 ((__u32)((s) >> 33))
#define CXLT_SLOT_SEC(s)	 ((__u32)((s) >> 32) & 1)
#define CXLT_SLOT_HEAD(s)	 ((__u32)((s) >> 32)) /* tag and secondary flag: what a scan compares */

/*
 * Meta: sequence 32 | owner 8 | eight 3-bit counters.  The sequence counts events, it is never a
 * lock.  Owner is one, among writers: the id of the one that may store to this bucket and change
 * entries that are homed here; readers don't look at it.  Counter c counts the entries homed here,
 * with tag class c, that sit in their alternate bucket; 7 sticks.
 */
#define CXLT_META_SEQ(m)      ((__u32)((m) >> 32))
#define CXLT_META_OWNER(m)    ((__u32)((m) >> 24) & 0xff)
#define CXLT_META_SHIFT(tag)  (((tag) & 7) * 3)
#define CXLT_META_CNT(m, tag) ((__u32)((m) >> CXLT_META_SHIFT(tag)) & 7)
#define CXLT_META_EVENT	      (1ULL << 32)
#define CXLT_META_OWNED(id)   ((__u64)(id) << 24)

/*
 * The indexes of buckets are the bits of this mask, in units of lines from the array's ref.  If
 * `sparse` isn't 0, the array is made of pages of 64 lines: a few buckets, then entries of what is
 * homed in them, so that one look-up stays in one page.
 */
#define CXLT_BUCKET_MASK(sparse, log2) ((sparse) ? (sparse) : (1U << ((log2) & 31)) - 1)

struct cxlt_bucket {
	__u64 slot[CXLT_BUCKET_SLOTS];
	__u64 meta;
};

/* The first line of every entry; published by a slot, or by a published entry's `next`. */
struct cxlt_rule {
	__u64 seq;	/* odd while being filled or after being freed; only grows */
	__u32 tuple_id; /* with seq, n_key, n_prog and prio: checked before use */
	__u16 prio;
	__u8 n_key;
	__u8 n_prog;
	__u64 cookie;
	__u64 from; /* visible iff from <= version < to */
	__u64 to;   /* changes after publication (bundles) */
	__u32 next; /* lower-priority rule with the same masked key, 0 if none; changes as well */
	__u32 counters; /* ref of struct cxlt_counters */
	__u32 chain;	/* reserved: continuation of the program; 0 in 1.0 */
	__u32 flags;
	__u64 created; /* CLOCK_MONOTONIC ns */
	__u64 body[];  /* n_key masked key words, then n_prog program words */
};

enum {
	CXLT_RULE_UNSEEN = 1,	  /* flags: no shadow had room, table.unseen speaks for it */
	CXLT_RULE_REFS_SHIFT = 8, /* flags of a shadow: number of rules it speaks for, from here */
	CXLT_RULE_LINES_MAX = 16, /* 8 + 24 + 96 words */
};

/*
 * An entry of an exact table: 1 word, key, value.  Its ref counts cells, not lines.  What table it is
 * of, and how many words it has, says the slot that leads to it.
 */
struct cxlt_exact {
	__u64 seq; /* as a rule's */
	__u64 body[];
};

/* Host and device each have their own line: neither path takes the other's away by counting. */
struct cxlt_counter_line {
	__u64 packets;
	__u64 bytes;
	__u64 used; /* CLOCK_MONOTONIC ns of the last packet, coarse */
	/* writers; what was counted on the lines that a moved rule had before, once before is 0 */
	__u64 moved_packets;
	__u64 moved_bytes;
	/* writers, of the host's line */
	__u64 before; /* ref of the lines that the rule had, which count as well; release */
	__u64 mark;   /* packets when a rebalance looked last */
	__u64 marked; /* CLOCK_MONOTONIC ns of that look, 0: never */
};

struct cxlt_counters {
	struct cxlt_counter_line host;
	struct cxlt_counter_line device;
};

/*
 * A chunk of CXLT_CHUNK_LINES lines.  Once its kind and object size are set they never change, so
 * that a sequence word never becomes something else (type stability).
 */
struct cxlt_chunk {
	__u8 kind;  /* enum cxlt_kind */
	__u8 near;  /* CXLT_NEAR(), of that kind */
	__u16 size; /* lines of an object, cells of an exact entry; CXLT_CHUNK_LINES in a span */
	__u32 span; /* chunks of the span on its first chunk, else 0; 0 with used 0: free span */
	__u64 reserved[3]; /* of CXLT_KIND_NEAR: [0] as used[0] of a span; then bits, see below */
	__u64 used[CXLT_CHUNK_LINES / 64]; /* bit per object, up to 256 of them */
};

/* Entries of one cell are more than 256 to a chunk: their bits are its last line. */
#define CXLT_CHUNK_OBJECTS(kind, size)                         \
	((kind) != CXLT_KIND_EXACT ? CXLT_CHUNK_LINES / (size) \
	 : (size) == 1		   ? CXLT_CHUNK_CELLS - 2      \
				   : CXLT_CHUNK_CELLS / (size))

enum cxlt_kind {
	CXLT_KIND_FREE = 0,
	CXLT_KIND_RULE = 1,
	CXLT_KIND_EXACT = 2,
	CXLT_KIND_COUNTERS = 3,
	CXLT_KIND_TUPLE = 4,
	CXLT_KIND_LIST = 5,
	CXLT_KIND_BUCKETS = 6, /* objects of 2^k lines, or spans of whole chunks */
	CXLT_KIND_CHG = 7,     /* likewise */
	CXLT_KIND_STOCK = 8,   /* likewise */
	CXLT_KIND_NEAR = 9,    /* buckets with their entries between; spans of whole chunks */
	CXLT_KIND_FILTER = 10, /* counts of prefilters; as buckets */
	CXLT_N_KINDS,
};

/*
 * A page of CXLT_KIND_NEAR: 1 << g buckets, then entries of `cells` cells, as many as fit.  Their bits
 * are the 384 that begin at reserved[1], 96 for each page of the chunk.
 */
#define CXLT_NEAR(g, cells)  ((g) << 5 | (cells))
#define CXLT_NEAR_LOG2(n)    ((n) >> 5)
#define CXLT_NEAR_CELLS(n)   ((n) & 31)
#define CXLT_NEAR_ENTRIES(n) ((128U - (2U << CXLT_NEAR_LOG2(n))) / CXLT_NEAR_CELLS(n))

enum {
	CXLT_PAGE_LINES = 64, /* of 4 KiB, as the machines' are */
	CXLT_PAGE_BITS = 96,
};

/* A change word: generation 48 | pending 16. */
#define CXLT_CHG_BEGIN	    1ULL
#define CXLT_CHG_END	    65535ULL
#define CXLT_CHG_PENDING(w) ((w) & 0xffff)

enum cxlt_dim {
	CXLT_DIM_WIDE = 0,
	CXLT_DIM_CONN = 1, /* in_port, eth_type, ip_proto, addresses and ports, exactly */
	CXLT_DIM_DST = 2,  /* ipv4_dst /24 or ipv6_dst /64 */
	CXLT_DIM_SRC = 3,  /* ipv4_src /24 or ipv6_src /64 */
	CXLT_DIM_DMAC = 4, /* eth_dst */
};

#define CXLT_SIZE_IS(type, size) CXLT_STATIC_ASSERT(sizeof(type) == (size), #type " is " #size)
CXLT_SIZE_IS(struct cxlt_header, 64);
CXLT_SIZE_IS(struct cxlt_profile, 32);
CXLT_SIZE_IS(struct cxlt_directory, 128);
CXLT_SIZE_IS(struct cxlt_control, 256);
CXLT_SIZE_IS(struct cxlt_intent, 64);
CXLT_SIZE_IS(struct cxlt_table, 128);
CXLT_SIZE_IS(struct cxlt_exact_table, 64);
CXLT_SIZE_IS(struct cxlt_tuple, 128);
CXLT_SIZE_IS(struct cxlt_bucket, 64);
CXLT_SIZE_IS(struct cxlt_rule, 64);
CXLT_SIZE_IS(struct cxlt_exact, 8);
CXLT_SIZE_IS(struct cxlt_stock, 16);
CXLT_SIZE_IS(struct cxlt_counter_line, 64);
CXLT_SIZE_IS(struct cxlt_counters, 128);
CXLT_SIZE_IS(struct cxlt_chunk, 64);

#endif
