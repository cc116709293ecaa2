// SPDX-License-Identifier: Apache-2.0
/* Readers: what stays must never be missed; and what happens to those of a slice that lies. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <cxltab/classify.h>
#include <cxltab/exact.h>
#include "torture.h"

static int classify(const struct cxlt_view *v, struct cxlt_work *w, const struct cxlt_key *k)
{
	const struct cxlt_control *c = cxlt_line(v, v->control, 4);

	w->key = *k;
	w->orig = *k;
	w->in_port = CXLT_KEY_GET(k, IN_PORT);
	w->version = cxlt_load_acquire(&c->version);
	w->budget = v->work_budget;
	w->chg.n = 0;
	w->chg.sum = 0;
	w->chg.pending = 0;
	w->n_lines = 0;
	w->n_probes = 0;
	return cxlt_classify(v, w, 0);
}

static void stable_found(struct self *a, const char *how, __u32 i, int rc, const __u64 *val)
{
	a->c->lookups++;
	if (rc == -EAGAIN)
		a->c->unstable++;
	else if (rc)
		bad("%s: stable key %u was missed: %d", how, i, rc);
	else if (val[0] != i + 1 || val[1] != ~val[0])
		bad("%s: stable key %u has value %llx, %llx", how, i, val[0], val[1]);
}

static void find_one(struct self *a)
{
	__u32 i = rnd_below(&a->r, STABLE);
	__u64 key[2], val[2] = {0};

	key_of(SPACE_STABLE, i, key);
	stable_found(a, "find", i, cxlt_exact_find(&a->host, a->table, key, 2, val, 2), val);
}

static void find_many(struct self *a)
{
	__u64 key[CXLT_EXACT_BATCH][2], val[CXLT_EXACT_BATCH][2];
	const __u64 *keys[CXLT_EXACT_BATCH];
	__u64 *vals[CXLT_EXACT_BATCH];
	__u32 which[CXLT_EXACT_BATCH], i;
	int rc[CXLT_EXACT_BATCH];

	for (i = 0; i < CXLT_EXACT_BATCH; i++) {
		which[i] = rnd_below(&a->r, STABLE);
		key_of(SPACE_STABLE, which[i], key[i]);
		keys[i] = key[i];
		vals[i] = val[i];
	}
	cxlt_exact_find_batch(&a->host, a->table, keys, CXLT_EXACT_BATCH, 2, vals, 2, rc);
	for (i = 0; i < CXLT_EXACT_BATCH; i++)
		stable_found(a, "find_batch", which[i], rc[i], val[i]);
}

/* Another's key: there or not, but never torn, and never another key's value. */
static void find_other(struct self *a)
{
	__u64 key[2], val[2] = {0}, i = rnd_below(&a->r, OWN);
	int rc;

	key_of(SPACE_OWN + rnd_below(&a->r, WRITERS), i, key);
	rc = cxlt_exact_find(&a->host, a->table, key, 2, val, 2);
	a->c->lookups++;
	a->c->unstable += rc == -EAGAIN;
	if (!rc ? val[1] != ~val[0] : rc != -ENOENT && rc != -EAGAIN)
		bad("find of %llx: %d, %llx, %llx", key[0], rc, val[0], val[1]);
}

void read_exact_forever(struct self *a)
{
	while (!x->stop) {
		struct bracket b = call_begin(a);

		for (int n = 0; n < 256; n++) {
			__u32 how = rnd_below(&a->r, 16);

			if (how < 12)
				find_one(a);
			else if (how < 14)
				find_other(a);
			else
				find_many(a);
		}
		call_end(a, b, 0, "256 lookups");
	}
}

static void classify_stable(struct self *a, const struct cxlt_view *v, struct cxlt_work *w)
{
	__u32 i = rnd_below(&a->r, STABLE);
	__u64 prog;
	struct cxlt_rule_spec spec = rule_stable(i, &prog);
	int rc = classify(v, w, &spec.value);

	if (rc < 0)
		a->c->unstable++;
	else if (!rc)
		bad("classify: stable rule %u was missed", i);
	else if (w->rule.cookie != spec.cookie || w->rule.prog[0] != prog)
		bad("classify: rule %llu won where %llu stands", w->rule.cookie, spec.cookie);
}

/* Whatever is there of the two: allow never wins. */
static void classify_gate(struct self *a, const struct cxlt_view *v, struct cxlt_work *w)
{
	__u32 gate = rnd_below(&a->r, GATES);
	__u64 prog;
	struct cxlt_rule_spec spec = rule_gate(gate, 0, &prog);
	int rc = classify(v, w, &spec.value);

	if (rc < 0)
		a->c->unstable++;
	else if (rc && w->rule.cookie != COOKIE_DROP)
		bad("gate %u: rule %llu@%u won", gate, w->rule.cookie, w->rule.prio);
}

void read_rules_forever(struct self *a)
{
	static struct cxlt_work w;

	while (!x->stop) {
		struct bracket b = call_begin(a);

		for (int n = 0; n < 256; n++) {
			const struct cxlt_view *v = rnd_one_in(&a->r, 4) ? &a->device : &a->host;

			if (rnd_one_in(&a->r, 2))
				classify_stable(a, v, &w);
			else
				classify_gate(a, v, &w);
			a->c->lookups++;
		}
		call_end(a, b, 0, "256 classifications");
	}
}

/* ---- A slice whose owner writes anything into it, at any time ---- */

void scribble_forever(struct self *a)
{
	__u64 words = (__u64)cxlt_slice_header(a->s)->n_lines * CXLT_LINE_WORDS;
	__u64 *w = cxlt_slice_base(a->s), *whole = malloc(words * 8), used = words / 4;

	if (!whole)
		return;
	memcpy(whole, w, words * 8);
	while (!x->stop) {
		for (__u32 n = 1 + rnd_below(&a->r, 512); n; n--) {
			__u64 i = rnd_one_in(&a->r, 2) ? rnd_below(&a->r, (__u32)words)
						       : rnd_below(&a->r, (__u32)used);
			__u32 how = rnd_below(&a->r, 4);

			/* Noise, one bit, another place's word (a ref that exists), 0. */
			__atomic_store_n(&w[i],
					 how == 0   ? rnd_next(&a->r)
					 : how == 1 ? whole[i] ^ 1ULL << rnd_below(&a->r, 64)
					 : how == 2 ? whole[rnd_below(&a->r, (__u32)words)]
						    : 0,
					 __ATOMIC_RELAXED);
			a->c->ops++;
		}
		/* Mostly whole, or nobody would get far. */
		for (__u64 i = 0; i < words; i++)
			if (w[i] != whole[i])
				__atomic_store_n(&w[i], whole[i], __ATOMIC_RELAXED);
	}
	free(whole);
}

static int count_some(void *arg, const struct cxlt_rule_info *info)
{
	__u32 *n = arg;

	return ++*n > 100000;
}

static void ignore(void *arg, const char *text)
{
}

static void suffer_once(struct self *a, struct cxlt_work *w)
{
	__u32 i = rnd_below(&a->r, 2 * STABLE), n = 0;
	__u64 key[2], val[2], prog;
	struct cxlt_rule_spec spec = rule_stable(i, &prog);
	struct cxlt_rule_info info;
	struct cxlt_slice *s;
	int rc;

	key_of(SPACE_STABLE, i, key);
	rc = cxlt_exact_find(&a->host, a->table, key, 2, val, 2);
	if (rc && rc != -ENOENT && rc != -EAGAIN && rc != -EFAULT)
		bad("a scribbled slice: find returned %d", rc);
	rc = classify(rnd_one_in(&a->r, 2) ? &a->device : &a->host, w, &spec.value);
	if (rc > 1 || rc <= -CXLT_N_REASONS)
		bad("a scribbled slice: classify returned %d", rc);
	if (w->n_lines > 2 * CXLT_BUDGET_MAX)
		bad("a scribbled slice: %u lines for one packet", w->n_lines);
	a->c->lookups += 2;
	if (rnd_one_in(&a->r, 16))
		cxlt_rule_get(a->s, &spec, &info);
	if (rnd_one_in(&a->r, 1024))
		cxlt_rule_each(a->s, 0, count_some, &n);
	if (rnd_one_in(&a->r, 1024))
		cxlt_slice_check(a->s, ignore, NULL);
	if (rnd_one_in(&a->r, 256) && !cxlt_slice_attach_fd(x->hostile_fd, CXLT_ATTACH_READ, &s))
		cxlt_slice_close(s);
}

void suffer_forever(struct self *a)
{
	static struct cxlt_work w;

	while (!x->stop) {
		struct bracket b = call_begin(a);

		suffer_once(a, &w);
		call_end(a, b, 0, "a look at a scribbled slice");
	}
}
