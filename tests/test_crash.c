// SPDX-License-Identifier: Apache-2.0
/*
 * A writer that dies, at every store that it makes.
 *
 * Each operation runs in a child that is stepped instruction by instruction.  After each one that
 * changed the slice, the slice's memory is copied; the copy is what a kill -9 there leaves behind
 * (its lock file knows no holder).  In it readers must see the state before or after the
 * operation, at once; and the next writer must repair it to exactly one of the two.
 */
#include <criterion/criterion.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>
#include <cxltab/counter.h>
#include <cxltab/exact.h>
#include <cxltab/reclaim.h>
#include <cxltab/resolve.h>
#include "fixture.h"
#include "gen.h"
#include "oracle.h"
#include "stepper.h"

enum {
	SIZE = 512 << 10,
	EXACT_KEYS = 27, /* of 28 slots */
};

struct op {
	const char *name;
	/*
	 * 0 add, 1 modify, 2 delete, 3 exact insert, 4 exact modify, 5 exact delete, 6 bundle,
	 * 7 stock, 8 rebalance, 9 sweep
	 */
	int kind;
	struct cxlt_rule_spec spec;
	__u64 prog[GEN_PROG];
	__u64 key[2];
};

enum {
	BUNDLE = 6, /* rules of one */
};

struct crash {
	struct fixture f;
	struct rnd r;
	struct gen g;
	struct oracle before, after;
	struct op op;
	struct op part[BUNDLE]; /* what a bundle consists of */
	int abort;
	__u64 exact[64], exact_after[64]; /* value of key i, 0: absent */
	__u32 table;			  /* the exact table */
	struct cxlt_writer *w;		  /* the child's */
	int states, old, new;
};

static struct crash x;

static int same_rule(const struct cxlt_rule_spec *a, const struct cxlt_rule_spec *b)
{
	for (int i = 0; i < CXLT_KEY_WORDS; i++)
		if (a->mask.w[i] != b->mask.w[i] || (a->value.w[i] ^ b->value.w[i]) & a->mask.w[i])
			return 0;
	return a->table == b->table && a->priority == b->priority;
}
static struct cxlt_work work;

static int apply(struct cxlt_writer *w, __u32 table, const struct op *op);

static int apply_bundle(struct cxlt_writer *w, __u32 table)
{
	int rc = cxlt_bundle_begin(w), i;

	for (i = 0; i < BUNDLE && rc >= 0; i++)
		rc = apply(w, table, &x.part[i]);
	if (rc < 0 || x.abort)
		cxlt_bundle_abort(w);
	else
		cxlt_bundle_commit(w);
	return rc < 0 ? rc : 0;
}

/* A chunk of each domain is looked at: each rule is many instructions. */
static int apply_rebalance(struct cxlt_writer *w)
{
	struct cxlt_rebalance_config c = {.settle_ms = 1, .max_moves = 3, .max_rules = 2};
	struct cxlt_rebalance_result r;

	return cxlt_slice_rebalance(w, &c, &r);
}

static int apply(struct cxlt_writer *w, __u32 table, const struct op *op)
{
	struct cxlt_sweep_result swept;

	switch (op->kind) {
	case 8: return apply_rebalance(w);
	case 9: return cxlt_slice_sweep(w, &swept);
	case 6: return apply_bundle(w, table);
	case 0: return cxlt_rule_add(w, &op->spec);
	case 1: return cxlt_rule_modify(w, &op->spec);
	case 2: return cxlt_rule_delete(w, &op->spec);
	case 3: return cxlt_exact_insert(w, table, &op->key[0], &op->key[1]);
	case 4: return cxlt_exact_modify(w, table, &op->key[0], &op->key[1]);
	case 5: return cxlt_exact_delete(w, table, &op->key[0]);
	default: return cxlt_exact_stock(w, table, 2, op->key[0]);
	}
}

static void apply_oracle(struct oracle *o, __u64 *exact, const struct op *op)
{
	switch (op->kind) {
	case 6:
		for (int i = 0; i < BUNDLE && !x.abort; i++)
			apply_oracle(o, exact, &x.part[i]);
		break;
	case 0: oracle_add(o, &op->spec); break;
	case 1: oracle_modify(o, &op->spec); break;
	case 2: oracle_delete(o, &op->spec); break;
	case 5: exact[op->key[0]] = 0; break;
	case 7:
	case 8:
	case 9: break;
	default: exact[op->key[0]] = op->key[1];
	}
}

/* Does a reader of the exact table see one of both states? */
static void read_exact(const struct cxlt_view *v)
{
	for (__u64 i = 0; i < 64; i++) {
		__u64 val = 0;
		int rc = cxlt_exact_find(v, x.table, &i, 1, &val, 1);

		cr_assert(!rc || rc == -ENOENT, "%s: state %d: key %llu: %d", x.op.name, x.states,
			  i, rc);
		if (rc)
			val = 0;
		cr_assert(val == x.exact[i] || val == x.exact_after[i],
			  "%s: state %d: key %llu is %llu", x.op.name, x.states, i, val);
	}
}

static int is_winner(struct oracle *o, __u32 table, const struct cxlt_key *k, int found)
{
	if (!found)
		return !oracle_best(o, table, k);
	return oracle_best(o, table, k) == work.rule.prio + 1U &&
	       oracle_winner(o, table, k, work.rule.cookie)->spec.cookie == work.rule.cookie;
}

/* Readers of the state as it was left: no repair yet. */
static void read_rules(const struct fixture *f)
{
	for (int i = 0; i < 24; i++) {
		const struct oracle *o = i & 1 ? &x.before : &x.after;
		struct cxlt_rule_spec *s = &o->rule[rnd_below(&x.r, o->n)].spec;
		struct cxlt_key k;
		int rc;

		if (i < 6)
			s = &x.op.spec;
		gen_key_for(&x.g, &s->value, &s->mask, &k);
		rc = fixture_classify(&f->host, &work, s->table, &k);
		cr_assert_geq(rc, 0, "%s: state %d: %s", x.op.name, x.states,
			      cxlt_reason_name[-rc]);
		cr_assert(is_winner(&x.before, s->table, &k, rc) ||
				  is_winner(&x.after, s->table, &k, rc),
			  "%s: state %d: cookie %llu wins", x.op.name, x.states, work.rule.cookie);
		rc = fixture_classify(&f->device, &work, s->table, &k);
		cr_assert(rc >= 0 || rc == -CXLT_R_DEV_UNSEEN || rc == -CXLT_R_DEV_DOMAIN,
			  "%s: state %d: device: %d", x.op.name, x.states, rc);
		/* It punts, or agrees with one of the two. */
		cr_assert(rc < 0 ||
				  (rc && work.rule.n_prog &&
				   work.rule.prog[0] >> 56 == CXLT_OP_PUNT) ||
				  is_winner(&x.before, s->table, &k, rc) ||
				  is_winner(&x.after, s->table, &k, rc),
			  "%s: state %d: device: cookie %llu wins", x.op.name, x.states,
			  work.rule.cookie);
	}
}

/* Was the writer holding the slice, or in a change? */
static int died_in_it(const struct fixture *f)
{
	const struct cxlt_control *c = cxlt_line(&f->host, f->host.control, 4);
	__u32 intents = cxlt_slice_directory(f->s)->intents;
	int id, in_it = c->owner != 0;

	for (id = 1; id < CXLT_WRITER_GONE; id++)
		in_it |= ((struct cxlt_intent *)cxlt_line(&f->host, intents + id, 1))->op != 0;
	return in_it;
}

/* The next writer repairs, and all is as it was before or after. */
static void repair(struct fixture *f)
{
	struct cxlt_control *c = cxlt_line(&f->host, f->host.control, 4);
	__u64 handoffs = c->handoffs;
	int old, new, died = died_in_it(f);

	cr_assert_eq(cxlt_writer_open(f->s, &f->w), 0, "%s: %s", x.op.name, cxlt_error_text());
	cr_assert_eq(c->handoffs, handoffs + died);
	cr_assert_eq(died_in_it(f), 0);
	cr_assert_eq(oracle_check(f->s), 0, "%s: state %d", x.op.name, x.states);
	old = !oracle_differs(&x.before, f->s, 1);
	new = !oracle_differs(&x.after, f->s, 1);
	for (__u64 i = 0; i < 64; i++) {
		__u64 val = 0;

		if (cxlt_exact_find(&f->host, x.table, &i, 1, &val, 1))
			val = 0;
		old &= val == x.exact[i];
		new &= val == x.exact_after[i];
	}
	cr_assert(old || new, "%s: state %d: neither before nor after", x.op.name, x.states);
	x.old += old;
	x.new += new && !old;
}

/* A pass stores a mark for each rule that it looks at: one state of 32 like that is enough. */
static int only_marks_moved(int n)
{
	static char now[SIZE], last[SIZE];
	const struct cxlt_directory *d = cxlt_slice_directory(x.f.s);
	int same;

	memcpy(now, cxlt_slice_base(x.f.s), SIZE);
	for (__u32 i = 0; i < d->n_chunks; i++) {
		char *chunk = now + ((size_t)d->chunk0 + i * CXLT_CHUNK_LINES) * CXLT_LINE;
		const struct cxlt_chunk *c = (void *)(now + (size_t)d->chunks * CXLT_LINE);

		for (__u32 j = 0; c[i].kind == CXLT_KIND_COUNTERS && j < CXLT_CHUNK_LINES; j += 2)
			memset(chunk + j * CXLT_LINE + offsetof(struct cxlt_counter_line, mark), 0,
			       16);
	}
	same = !memcmp(now, last, SIZE);
	memcpy(last, now, SIZE);
	return same && n % 32;
}

static void at_store(void *arg, int n)
{
	struct fixture f;
	int fd;

	if (x.op.kind == 8 && only_marks_moved(n))
		return;
	fd = fixture_memfd(cxlt_slice_base(x.f.s), SIZE);
	x.states = n;
	memset(&f, 0, sizeof(f));
	cr_assert_eq(cxlt_slice_attach_fd(fd, CXLT_ATTACH_WRITE, &f.s), 0, "%s", cxlt_error_text());
	cxlt_slice_view(f.s, 0, &f.host);
	cxlt_slice_view(f.s, CXLT_VIEW_DEVICE, &f.device);
	close(fd);
	read_exact(&f.host);
	read_rules(&f);
	repair(&f);
	/* And it works as ever: the operation done or undone, then done again. */
	if (n % 4 == 0) {
		apply(f.w, x.table, &x.op);
		cr_assert_eq(oracle_differs(&x.after, f.s, 0), 0, "%s: state %d: once more",
			     x.op.name, n);
		cr_assert_eq(oracle_check(f.s), 0);
	}
	fixture_close(&f);
}

static void child_prepare(void *arg)
{
	struct fixture f;

	fixture_attach(&f, cxlt_slice_fd(x.f.s), 1);
	x.w = f.w;
	/* Its caches are cleared now, not step by step. */
	cr_assert_eq(cxlt_writer_lock(x.w), 0);
	cxlt_writer_unlock(x.w);
}

static void child_op(void *arg)
{
	apply(x.w, x.table, &x.op);
}

/* A slice with rules, chains, shadows, and an exact table that is almost full. */
static void furnish(const char *name, int flags)
{
	struct cxlt_slice_config cfg = {.size = SIZE, .chg_log2 = 4};
	struct cxlt_rule_spec spec;
	__u64 prog[GEN_PROG];

	memset(&x, 0, sizeof(x));
	x.r = rnd_new(name);
	cfg.profile = cxlt_profile_all();
	cfg.profile.fields &= ~(1ULL << CXLT_F_TP_DST);
	fixture_config(&x.f, &cfg);
	gen_init(&x.g, &x.r, 10);
	gen_set_field(&x.g.mask[1], CXLT_F_ETH_DST, ~0ULL);
	gen_set_field(&x.g.mask[2], CXLT_F_TP_DST, ~0ULL);
	for (int i = 0; i < 120; i++) {
		gen_rule(&x.g, rnd_below(&x.r, 2), 3, &spec, prog);
		cr_assert_geq(cxlt_rule_add(x.f.w, &spec), 0, "%s", cxlt_error_text());
		oracle_add(&x.before, &spec);
	}
	cr_assert_eq(cxlt_exact_create(x.f.w, "t", 1, 1, 22, flags), 0, "%s", cxlt_error_text());
	x.table = cxlt_exact_open(x.f.s, "t");
	for (__u64 i = 0, n = 0; n < EXACT_KEYS && i < 60; i++) {
		__u64 val = 1000 + i;

		if (cxlt_exact_insert(x.f.w, x.table, &i, &val))
			continue;
		x.exact[i] = val;
		n++;
	}
}

/* Steps through x.op, then carries it out for good. */
static void die_everywhere(void)
{
	int n;

	oracle_copy(&x.after, &x.before);
	memcpy(x.exact_after, x.exact, sizeof(x.exact));
	apply_oracle(&x.after, x.exact_after, &x.op);
	x.old = x.new = 0;
	n = step_stores(cxlt_slice_base(x.f.s), SIZE, child_prepare, child_op, at_store, NULL);
	fprintf(stderr, "crash: %s: %d states, %d before, %d after\n", x.op.name, n, x.old, x.new);
	cr_expect_gt(n, 5);
	cr_expect_gt(x.old, 0);
	cr_expect(x.new > 0 || x.abort || x.op.kind >= 7);
	cr_assert_eq(oracle_differs(&x.after, x.f.s, 0), 0, "%s: finished", x.op.name);
	oracle_free(&x.before);
	x.before = x.after;
	memcpy(x.exact, x.exact_after, sizeof(x.exact));
	memset(&x.after, 0, sizeof(x.after));
}

static void rule_op(const char *name, int kind)
{
	__u32 i = rnd_below(&x.r, x.before.n);

	x.op.name = name;
	x.op.kind = kind;
	if (kind || !strcmp(name, "replace a rule")) {
		x.op.spec = x.before.rule[i].spec;
		x.op.spec.cookie = x.g.next_cookie++;
		gen_program(&x.g, x.op.spec.table, 3, &x.op.spec, x.op.prog);
	} else {
		do
			gen_rule(&x.g, rnd_below(&x.r, 2), 3, &x.op.spec, x.op.prog);
		while (oracle_get(&x.before, &x.op.spec));
	}
	x.op.spec.prog = x.op.prog;
}

Test(crash, a_rule_change_can_die_at_every_store, .timeout = 120)
{
	__u32 rounds = rnd_scaled(2);

	furnish("crash/a_rule_change", 0);
	for (__u32 i = 0; i < rounds; i++) {
		rule_op("add a rule", 0);
		die_everywhere();
		rule_op("replace a rule", 0);
		die_everywhere();
		rule_op("modify a rule", 1);
		die_everywhere();
		rule_op("delete a rule", 2);
		die_everywhere();
	}
	fixture_close(&x.f);
}

/* Of a bundle all is there or nothing, wherever it dies; a dead one leaves no room taken. */
Test(crash, a_bundle_can_die_at_every_store, .timeout = 200)
{
	furnish("crash/a_bundle", 0);
	for (int i = 0; i < 3; i++) {
		for (int j = 0; j < BUNDLE; j++) {
			/* Adds, and what is there: replaced, modified, deleted, deleted and added anew. */
			static const char *const name[] = {"add",    "replace a rule", "modify",
							   "delete", "again",	       "delete"};
			static const int kind[] = {0, 0, 1, 2, 0, 2};

			rule_op(name[j], kind[j]);
			if (j == 4)
				x.op.spec = x.part[3].spec;
			if (j == 5) /* what the bundle itself has brought */
				x.op.spec = x.part[0].spec;
			x.part[j] = x.op;
			x.part[j].spec.prog = x.part[j].prog;
			x.part[j].spec.n_prog = x.op.spec.n_prog;
			if (j == 4 || j == 5) {
				memcpy(x.part[j].prog, x.part[j == 4 ? 3 : 0].prog,
				       sizeof(x.op.prog));
				x.part[j].spec.cookie = x.g.next_cookie++;
			}
		}
		/* Modified and deleted are different ones. */
		if (same_rule(&x.part[2].spec, &x.part[3].spec) ||
		    same_rule(&x.part[1].spec, &x.part[3].spec)) {
			i--;
			continue;
		}
		x.op.kind = 6;
		x.op.spec = x.part[i % 4].spec;
		x.abort = i == 1;
		x.op.name = x.abort ? "a bundle that is aborted" : "a bundle";
		die_everywhere();
	}
	fixture_close(&x.f);
}

Test(crash, first_and_last_rule_of_a_mask_can_die_at_every_store, .timeout = 120)
{
	furnish("crash/first_and_last", 0);
	rule_op("add a rule with a new mask", 0);
	memset(&x.op.spec.mask, 0, sizeof(x.op.spec.mask));
	x.op.spec.mask.w[CXLT_W_REG23] = 0x123456789;
	x.op.spec.mask.w[CXLT_W_L4] = 0xff00000000; /* and a shadow's */
	die_everywhere();
	x.op.name = "delete the last rule of a mask";
	x.op.kind = 2;
	die_everywhere();
	rule_op("add a rule with a new dimension", 0);
	memset(&x.op.spec.mask, 0, sizeof(x.op.spec.mask));
	gen_set_field(&x.op.spec.mask, CXLT_F_ETH_TYPE, 0xffff);
	gen_set_field(&x.op.spec.mask, CXLT_F_IPV4_DST, 0xffffff00);
	gen_set_field(&x.op.spec.value, CXLT_F_ETH_TYPE, 0x0800);
	x.op.spec.priority = 60000; /* and the list's order changes */
	die_everywhere();
	fixture_close(&x.f);
}

Test(crash, growth_of_a_tuple_can_die_at_every_store, .timeout = 120)
{
	struct cxlt_tuple *t = NULL;
	struct cxlt_table *table;
	__u32 i;

	furnish("crash/growth", 0);
	/* 12 rules in the 14 slots of a new tuple: the next one doubles it. */
	for (i = 0; i < 13; i++) {
		rule_op("double a tuple's buckets", 0);
		memset(&x.op.spec.mask, 0, sizeof(x.op.spec.mask));
		x.op.spec.mask.w[CXLT_W_TUN_ID] = 0xffff;
		x.op.spec.value.w[CXLT_W_TUN_ID] = i;
		x.op.spec.table = 2;
		x.op.spec.n_prog = 0;
		if (i == 12)
			break;
		cr_assert_eq(apply(x.f.w, 0, &x.op), 0, "%s", cxlt_error_text());
		oracle_add(&x.before, &x.op.spec);
	}
	table = cxlt_line(&x.f.host, x.f.host.tables + 4, 2);
	t = cxlt_line(&x.f.host,
		      CXLT_ITEM_REF(*(__u64 *)cxlt_line(&x.f.host, CXLT_LIST_REF(table->list), 1)),
		      2);
	cr_assert_eq(CXLT_GEO_LOG2(t->geo), 1);
	die_everywhere();
	cr_expect_eq(CXLT_GEO_LOG2(t->geo), 2);
	fixture_close(&x.f);
}

/* Buckets of the exact table, which has four. */
static struct cxlt_bucket *bucket(__u32 i)
{
	struct cxlt_tuple *t = cxlt_line(&x.f.host, x.table, 2);

	return (struct cxlt_bucket *)cxlt_line(&x.f.host, CXLT_GEO_REF(t->geo), 4) + i;
}

static int full(__u32 i)
{
	for (int j = 0; j < CXLT_BUCKET_SLOTS; j++)
		if (!bucket(i)->slot[j])
			return 0;
	return 1;
}

/* An absent key that finds no free slot in either of its buckets; -1 if there is none. */
static int must_displace(void)
{
	struct cxlt_tuple *t = cxlt_line(&x.f.host, x.table, 2);
	__u32 from = rnd_below(&x.r, 60);

	for (__u32 i = 0; i < 60; i++) {
		__u64 k = (from + i) % 60;
		__u64 h = cxlt_exact_hash(x.f.host.secrets, t->secret, &k, 1);

		if (!x.exact[k] && full(h & 3) && full(cxlt_hash_other(h & 3, cxlt_hash_tag(h), 3)))
			return k;
	}
	return -1;
}

/* Is there room for it, in a copy of the slice? */
static int would_fit(__u64 k)
{
	int fd = fixture_memfd(cxlt_slice_base(x.f.s), SIZE), rc;
	struct fixture f;

	fixture_attach(&f, fd, 1);
	close(fd);
	rc = cxlt_exact_insert(f.w, x.table, &k, &k);
	fixture_close(&f);
	return !rc;
}

static void delete_some_exact(void)
{
	x.op.kind = 5;
	x.op.name = "delete an exact entry";
	do
		x.op.key[0] = rnd_below(&x.r, 60);
	while (!x.exact[x.op.key[0]]);
}

Test(crash, an_exact_change_can_die_at_every_store, .timeout = 120)
{
	__u32 displaced = 0;

	furnish("crash/an_exact_change", 0);
	for (__u32 i = 0; displaced < 6 && i < 500; i++) {
		int k;

		delete_some_exact();
		if (i < 2) {
			die_everywhere();
		} else {
			cr_assert_eq(apply(x.f.w, x.table, &x.op), 0);
			x.exact[x.op.key[0]] = 0;
		}
		k = must_displace();
		if (k < 0 || !would_fit(k)) { /* anything, to fill it up again */
			k = rnd_below(&x.r, 60);
			while (x.exact[k] || !would_fit(k))
				k = (k + 1) % 60;
			x.exact[k] = x.op.key[1] = 5555;
			x.op.key[0] = k;
			cr_assert_eq(cxlt_exact_insert(x.f.w, x.table, x.op.key, &x.op.key[1]), 0);
			continue;
		}
		x.op.kind = 3;
		x.op.name = "insert by displacement";
		x.op.key[0] = k;
		x.op.key[1] = 7777 + i;
		die_everywhere();
		displaced++;
		if (displaced > 1)
			continue;
		x.op.kind = 4;
		x.op.name = "modify an exact entry";
		x.op.key[1] = 8888 + i;
		die_everywhere();
	}
	cr_expect_eq(displaced, 6);
	fixture_close(&x.f);
}

/* An entry's bit is in its page's chunk. */
Test(crash, a_change_near_its_bucket_can_die_at_every_store, .timeout = 120)
{
	furnish("crash/near", CXLT_EXACT_NEAR);
	for (__u32 i = 0; i < 3; i++) {
		__u64 key;

		delete_some_exact();
		key = x.op.key[0];
		die_everywhere();
		x.op.kind = 3;
		x.op.name = "insert near its bucket";
		x.op.key[0] = key;
		x.op.key[1] = 7777 + i;
		die_everywhere();
		x.op.kind = 4;
		x.op.name = "modify near its bucket";
		x.op.key[1] = 8888 + i;
		die_everywhere();
	}
	fixture_close(&x.f);
}

Test(crash, a_stock_can_be_left_half_made_or_half_full, .timeout = 120)
{
	furnish("crash/stock", 0);
	x.op.kind = 7;
	x.op.name = "make a stock";
	x.op.key[0] = 3;
	die_everywhere();
	x.op.name = "fill up a stock";
	x.op.key[0] = 10;
	die_everywhere();
	cr_expect_eq(oracle_check(x.f.s), 0);
	fixture_close(&x.f);
}

/* Rule i of those that fill a small device domain. */
static void small_rule(__u32 i, const __u64 *prog, struct cxlt_rule_spec *s)
{
	*s = gen_output(0, 10, i + 1, prog);
	gen_set_field(&s->mask, CXLT_F_TUN_ID, ~0ULL);
	gen_set_field(&s->value, CXLT_F_TUN_ID, i);
	s->n_prog = 16; /* five lines: 51 in a chunk */
}

/* The host counted n packets of rule i. */
static void heat(__u32 i, __u64 n)
{
	struct cxlt_rule_info info;

	cr_assert_eq(cxlt_rule_get(x.f.s, &x.before.rule[i].spec, &info), 0);
	cxlt_count(&x.f.host, info.counters, n, n, 1);
	x.before.rule[i].packets += n;
	x.before.rule[i].bytes += n;
}

static int is_spilled(__u32 i)
{
	struct cxlt_rule_info info;

	cr_assert_eq(cxlt_rule_get(x.f.s, &x.before.rule[i].spec, &info), 0);
	return info.host_domain;
}

/* The next pass begins with the chunks of the spilled rule `spilled` and of the first rules. */
static void look_from(__u32 spilled)
{
	const struct cxlt_directory *d = cxlt_slice_directory(x.f.s);
	struct cxlt_control *c = cxlt_line(&x.f.host, x.f.host.control, 4);
	struct cxlt_rule_info info;

	cr_assert_eq(cxlt_rule_get(x.f.s, &x.before.rule[1].spec, &info), 0);
	c->hands = (info.ref - d->chunk0) / CXLT_CHUNK_LINES;
	cr_assert_eq(cxlt_rule_get(x.f.s, &x.before.rule[spilled].spec, &info), 0);
	c->hands |= (__u64)((info.ref - d->chunk0) / CXLT_CHUNK_LINES) << 32;
}

/* Rules until the first ones lie in the host domain, counters and all. */
static void furnish_divided(const char *name)
{
	struct cxlt_slice_config cfg = {.size = SIZE, .device_size = 208 << 10, .chg_log2 = 4};
	__u64 prog[ORACLE_PROG];
	struct cxlt_rule_spec spec;
	__u32 i = 0;

	memset(&x, 0, sizeof(x));
	x.r = rnd_new(name);
	fixture_config(&x.f, &cfg);
	gen_init(&x.g, &x.r, 2);
	cr_assert_eq(cxlt_exact_create(x.f.w, "t", 1, 1, 22, 0), 0, "%s", cxlt_error_text());
	x.table = cxlt_exact_open(x.f.s, "t");
	for (__u32 j = 0; j < ORACLE_PROG; j++)
		prog[j] = cxlt_op_word(CXLT_OP_OUTPUT, 0, 0, j + 1);
	do {
		small_rule(i, prog, &spec);
		cr_assert_eq(cxlt_rule_add(x.f.w, &spec), 0, "%s", cxlt_error_text());
		oracle_add(&x.before, &spec);
	} while (!is_spilled(i++) || i % 8);
	x.op.spec = x.before.rule[i - 1].spec;
}

Test(crash, a_move_between_domains_can_die_at_every_store, .timeout = 170)
{
	struct cxlt_rule_places p;
	__u32 n;

	furnish_divided("crash/rebalance");
	n = x.before.n;
	x.op.kind = 8;
	x.op.name = "promote a rule for which there is room";
	cr_assert(is_spilled(n - 1));
	heat(n - 1, 1000);
	cr_assert_eq(cxlt_rule_delete(x.f.w, &x.before.rule[0].spec), 0);
	oracle_delete(&x.before, &x.before.rule[0].spec);
	usleep(20000);
	look_from(0); /* where the last one is now */
	die_everywhere();
	cxlt_slice_places(x.f.s, &p);
	cr_expect_eq(p.promotions, 1);
	/* Without counters in the device domain, a colder one's make way first. */
	for (n = x.before.n; !is_spilled(--n);)
		;
	for (int i = 0; i < 3 && p.promotions < 2; i++) {
		x.op.name = i ? "promote a rule whose counters wait for room"
			      : "promote a rule in a colder one's place";
		heat(n, 1000);
		usleep(20000);
		look_from(n);
		die_everywhere();
		cxlt_slice_places(x.f.s, &p);
	}
	cr_expect_eq(p.promotions, 2);
	cr_expect_geq(p.demotions, 1);
	x.op.name = "sweep";
	x.op.kind = 9;
	for (n = x.before.n; n > 4;) {
		cr_assert_eq(cxlt_rule_delete(x.f.w, &x.before.rule[--n].spec), 0);
		oracle_delete(&x.before, &x.before.rule[n].spec);
	}
	x.op.spec = x.before.rule[0].spec;
	die_everywhere();
	fixture_close(&x.f);
}
