/* SPDX-License-Identifier: Apache-2.0 */
/*
 * change_rule.h - one change of one OpenFlow table, as its steps hand it on: tuples.c finds or
 * makes the tuple and its change word, change_rule.c the entry, shadows.c the device's stand-in.
 * "Alone" says what only a writer may do that has the slice alone; all else goes in a change beside
 * other writers too, and answers CXLT_ALONE where it can't.
 */
#ifndef CXLTAB_CHANGE_RULE_H
#define CXLTAB_CHANGE_RULE_H

#include "internal.h"

/* What the stores of one change need to know. */
struct change {
	struct cxlt_writer *w;
	struct cxlt_slice *s;
	struct cxlt_table *t;
	__u32 table;
	__u32 tuple_flags;
	const struct cxlt_key *value;
	const struct cxlt_key *mask;
	struct cxlt_key widened; /* mask of a shadow */
	__u16 prio;
	__u32 n_words;
	__u8 idx[CXLT_KEY_WORDS];
	__u64 body[CXLT_KEY_WORDS]; /* masked key words */
	__u32 tref;
	struct cxlt_tuple *tuple;
	__u64 hash;
	__u64 *chg;
	__u32 lines;  /* of an entry that is moved */
	bool emptied; /* the tuple has lost its last rule */
	bool grown;   /* its array was replaced by a larger one */
};

struct content {
	__u64 cookie;
	__u64 created;
	__u32 counters;
	__u32 flags;
	__u32 n_prog;
	const __u64 *prog;
	bool modify; /* there must be a rule, whose counters, flags and age go on */
	bool shadow; /* one was made for it */
};

struct chain {
	bool exists;
	struct cxlt_place_of place;
	__u32 n;
	__u32 ref[CXLT_CHAIN_MAX];
	__u32 at; /* index of the rule with c->prio, or where it would go */
	bool found;
	__u32 counters, flags; /* of the rule that was replaced or removed */
};

CXLT_INLINE struct cxlt_table *cxlt_table_at(const struct cxlt_slice *s, __u32 table)
{
	return cxlt_at(s, s->dir.tables + table * 2);
}

/* room.c: -ENOSPC, for what must lie in the device domain, and for what may lie in either */
int cxlt_no_room(const struct cxlt_slice *, const char *what);
int cxlt_no_room_anywhere(const struct cxlt_slice *, const char *what);

/* tuples.c */
/* Before and after everything that a change publishes. */
void cxlt_chg_begin(__u64 *word);
void cxlt_chg_end(__u64 *word);
/* The word of the match's most specific dimension; alone, it is brought into use. */
__u64 *cxlt_chg_word(struct change *);
/* The word that a change of this match would go by now. */
__u64 *cxlt_chg_at(const struct cxlt_slice *, __u32 table, const struct cxlt_key *value,
		   const struct cxlt_key *mask);
/* Is that dimension in use? */
bool cxlt_chg_ready(const struct change *);
/* Alone: a new list without the tuple, then with it at priority `prio` unless `prio` is negative. */
int cxlt_list_publish(struct change *, int prio);
/* The tuple's priority in the list, -1 if it is not there. */
int cxlt_list_prio(const struct change *);
/* Alone, after its tuple has grown: larger arrays of cells where that is needed and there is room. */
void cxlt_list_regrow(struct change *);
bool cxlt_tuple_lookup(struct change *);
/* Alone: a tuple that no list names yet. */
int cxlt_tuple_create(struct change *);
void cxlt_tuple_discard(struct change *); /* one that no list names */
void cxlt_tuple_destroy(struct change *);
/* Alone: destroys the table's tuples that have no rule. */
void cxlt_tuples_sweep(struct change *);

/* filter.c */
/* Before a rule is there, and after it is gone. */
void cxlt_filter_raise(const struct change *);
void cxlt_filter_lower(const struct change *);
/*
 * The rest is for a writer that has the slice alone, while it makes a list that had n_before tuples.
 * A list that becomes long enough gets pairs for all of its tuples, a longer one for c's new tuple.
 */
void cxlt_filter_join(struct change *, struct cxlt_list_image *, __u32 n_before);
/* Once the list has its room: the rules of those tuples in the cells. */
void cxlt_filter_joined(struct change *, const struct cxlt_list_image *);
/* Once it is published: tuples of a list without pairs use none. */
void cxlt_filter_left(const struct change *, const struct cxlt_list_image *);
/* Of these the refs of arrays to be freed once the list is published are in gone[]; how many. */
__u32 cxlt_filter_trim(struct cxlt_list_image *, __u32 *gone); /* pairs that nobody uses */
__u32 cxlt_filter_drop(struct change *, struct cxlt_list_image *, __u32 *gone); /* all of them */
__u32 cxlt_filter_grow(struct change *, struct cxlt_list_image *, __u32 *gone);

/* change_rule.c */
void cxlt_change_init(struct change *, struct cxlt_writer *, const struct cxlt_rule_spec *,
		      const struct cxlt_key *mask, __u32 tuple_flags);
/* Finds the tuple, and hashes the key; false if there is none. */
bool cxlt_change_tuple(struct change *);
/* Finds the rule that the change names, as it is now; -ENOENT. */
int cxlt_change_find(struct change *, struct chain *);
/* After one of them: stores an entry, in place of the one that is there if one is. */
int cxlt_change_put(struct change *, struct chain *, const struct content *);
/* -ENOENT if there is none (any more). */
int cxlt_change_remove(struct change *, struct chain *);

/* Alone: takes one entry out of its chain and frees it, and its tuple if that was the last one. */
void cxlt_entry_unlink(struct cxlt_writer *, __u32 tref, __u32 ref);

/*
 * Puts a copy of entry `old` into `mine`, which has c->lines, in its place, and frees it.  Its counters
 * are succeeded by `fresh` if that lies in the other domain; *used says so.  -ENOENT if it is no longer
 * there; -ENOSPC if it would need fresh counters; -EAGAIN if those that it has aren't settled.  Then
 * nothing has happened, and `mine` is free again.
 */
int cxlt_entry_move(struct change *, __u32 old, __u32 mine, __u32 fresh, bool *used);
/* Settles the counters of an entry, if it is still there. */
int cxlt_entry_settle(struct change *, __u32 ref);

/* bundle.c; alone */
CXLT_INLINE bool cxlt_in_bundle(const struct change *c)
{
	return c->w->bundle.version && !(c->tuple_flags & CXLT_TUPLE_SHADOW);
}
/* Room for the next two items, and the change's word pending until the end; -ENOMEM. */
int cxlt_bundle_touch(struct change *);
void cxlt_bundle_born(struct change *, __u32 ref, const struct content *);
/* The entry is invisible from the bundle's version on. */
void cxlt_bundle_doom(struct change *, __u32 ref, bool own_counters, bool own_shadow);

/* shadows.c; alone */
/* The rule that an entry stands for; without cookie and program. */
void cxlt_spec_of(struct cxlt_rule_spec *, const struct cxlt_tuple *, const struct cxlt_rule *);
/* One more rule behind the shadow of this match; false if only table.unseen can speak for it. */
bool cxlt_shadow_add(struct cxlt_writer *, const struct cxlt_rule_spec *);
void cxlt_shadow_remove(struct cxlt_writer *, const struct cxlt_rule_spec *);

#endif
