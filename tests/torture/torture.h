/* SPDX-License-Identifier: Apache-2.0 */
/*
 * torture.h - what the processes of the torture share, and who does what in which file.
 *
 *     torture.c         starts, kills, stops, buries; judges at the end
 *     torture_write.c   writers and the grower
 *     torture_read.c    readers, and those of the slice that is scribbled over
 *
 * Concurrency: all of it is one shared mapping.  A field is written by one process, unless said
 * otherwise, and what one incarnation of a child has left is read by the next.
 */
#ifndef CXLTAB_TORTURE_H
#define CXLTAB_TORTURE_H

#include <stdatomic.h>
#include <sys/types.h>
#include <cxltab/slice.h>
#include <cxltab/writer.h>
#include "linear.h"
#include "rand.h"

enum {
	WRITERS = 4,
	CHILDREN = 12,
	STABLE = 60, /* keys and rules that nobody touches */
	OWN = 64,    /* keys and rules of each writer */
	GATES = WRITERS,
	MASKS = 12,	  /* of the grower */
	GROW_KEYS = 4000, /* at most in its table */
	GROW_TABLES = 12,
	SHARED = 6, /* objects that all writers fight for: keys, then rules */
	SHARED_KEYS = 3,
	EPOCHS = 4,
	EPOCH_OPS = 8192,
	DEAD = 64,
	LIMIT_MS = 5000, /* no call may take longer */
};

enum role {
	ROLE_WRITER,
	ROLE_GROWER,
	ROLE_EXACT_READER,
	ROLE_RULE_READER,
	ROLE_SCRIBBLER,
	ROLE_VICTIM, /* reads what is scribbled over */
	N_ROLES,
};

/* What a writer knows of its own keys: the value that the last operation to return has left. */
struct own {
	__u64 exact[OWN], rule[OWN]; /* 0: absent */
	_Atomic __u32 begun;	     /* 1 + which of both, while an operation is under way */
	__u64 to;		     /* what it would leave */
	__u64 next;		     /* values are unique */
	_Atomic __u32 gate; /* 0 nothing, 1 drop, 2 drop and allow: what is there at least */
};

struct child {
	_Atomic pid_t pid; /* 0: none; the parent's */
	__u32 role, number;
	_Atomic __u64 life;  /* number of this incarnation */
	_Atomic __u64 stops; /* by the parent, before it stops it */
	_Atomic __u64 ops, lookups, busy, nospace, unstable, longest_ms;
	_Atomic __u32 shared; /* 1 + epoch, while it is at one of the shared keys */
	struct own own;
};

/* Operations on shared keys while one epoch lasted; then nobody uses its keys any more. */
struct epoch {
	_Atomic __u32 n;
	struct lin_op op[EPOCH_OPS + SHARED * LIN_CELLS];
};

struct torture {
	_Atomic int stop;
	_Atomic __u64 violations, bounded, grown;
	_Atomic __u32 epoch;
	_Atomic __u64 grow_table;
	/* Ring of those that were killed: when, in ns. */
	struct {
		_Atomic pid_t pid;
		_Atomic __u64 at;
	} dead[DEAD];
	struct child child[CHILDREN];
	struct epoch epochs[EPOCHS];
	int fd, hostile_fd;
	pid_t parent;
};

extern struct torture *x;

/* One process's handles. */
struct self {
	struct child *c;
	struct rnd r;
	struct cxlt_slice *s;
	struct cxlt_writer *w;
	struct cxlt_view host, device;
	__u32 table; /* the exact table "small" */
};

/* Something that must never be; printed, counted, and the torture fails. */
void bad(const char *format, ...) __attribute__((format(printf, 1, 2)));
__u64 torture_ns(void);
void self_open(struct self *, struct child *, int fd, int writer);
/* Takes the lock and gives it back, so that all that the dead have left is repaired. */
int self_settle(struct self *);

/* Brackets of a call: it must not have taken long, unless this process was stopped meanwhile. */
struct bracket {
	__u64 begun, stops;
};
struct bracket call_begin(const struct self *);
/* Counts the result of a writer's call, and asks whom -EBUSY names. */
int call_end(struct self *, struct bracket, int rc, const char *what);

void key_of(__u64 space, __u64 i, __u64 key[2]);
enum {
	SPACE_STABLE = 1,
	SPACE_SHARED,
	SPACE_GROW,
	SPACE_OWN, /* + writer */
};

/* Rules: the packet that each matches is its value. */
struct cxlt_rule_spec rule_stable(__u32 i, __u64 *prog);
struct cxlt_rule_spec rule_own(__u32 writer, __u32 i, __u64 cookie, __u64 *prog);
struct cxlt_rule_spec rule_gate(__u32 gate, int allow, __u64 *prog);
struct cxlt_rule_spec rule_mask(__u32 i, __u64 *prog);
struct cxlt_rule_spec rule_shared(__u32 epoch, __u32 object, __u32 cell, __u64 cookie, __u64 *prog);

enum {
	COOKIE_DROP = 100,
	COOKIE_ALLOW = 50,
};

void write_forever(struct self *);
void grow_forever(struct self *);
void read_exact_forever(struct self *);
void read_rules_forever(struct self *);
void scribble_forever(struct self *);
void suffer_forever(struct self *);

/* Is what the slice holds of this writer's what its log allows?  Makes the log say what it is. */
void own_resolve(struct self *, struct child *);
/* One operation on a shared object, into *op. */
void shared_perform(struct self *, __u32 epoch, struct lin_op *op);
void grow_clean(struct self *);

#endif
