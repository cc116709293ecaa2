// SPDX-License-Identifier: Apache-2.0
/* Writers, whose every result is known beforehand where the keys are their own; and the grower. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <cxltab/exact.h>
#include "torture.h"

void key_of(__u64 space, __u64 i, __u64 key[2])
{
	key[0] = space << 48 | i * 0x10001;
	key[1] = i;
}

static struct cxlt_rule_spec rule(__u32 table, __u16 priority, __u64 cookie, __u32 src, __u64 *prog)
{
	struct cxlt_rule_spec spec = {.table = table, .priority = priority, .cookie = cookie};

	*prog = cxlt_op_word(CXLT_OP_OUTPUT, 0, 0, (__u32)cookie);
	CXLT_KEY_SET(&spec.value, ETH_TYPE, 0x800);
	CXLT_KEY_SET(&spec.value, IN_PORT, 3);
	CXLT_KEY_SET(&spec.value, IPV4_SRC, src);
	CXLT_KEY_SET(&spec.value, IPV4_DST, src ^ 0x5500);
	CXLT_KEY_SET(&spec.value, ETH_DST, 0x020000000000ULL + src);
	CXLT_KEY_SET(&spec.mask, IPV4_SRC, 0xffffffff);
	spec.n_prog = 1;
	return spec;
}

/* Four masks, in four dimensions of change words. */
static void narrow(struct cxlt_rule_spec *spec, __u32 how)
{
	if (how == 1)
		CXLT_KEY_SET(&spec->mask, IN_PORT, 0xffffffff);
	if (how == 2)
		CXLT_KEY_SET(&spec->mask, ETH_DST, 0xffffffffffffULL);
	if (how == 3)
		CXLT_KEY_SET(&spec->mask, IPV4_DST, 0xffffffff);
	if (how != 1)
		CXLT_KEY_SET(&spec->mask, ETH_TYPE, 0xffff);
}

struct cxlt_rule_spec rule_stable(__u32 i, __u64 *prog)
{
	struct cxlt_rule_spec spec = rule(0, 5 + i % 7, 1000 + i, 0x01000000 + i, prog);

	narrow(&spec, i & 3);
	return spec;
}

/* Some have one match and differ in priority. */
struct cxlt_rule_spec rule_own(__u32 writer, __u32 i, __u64 cookie, __u64 *prog)
{
	struct cxlt_rule_spec spec =
		rule(0, 20 + i % 4, cookie, 0x02000000 + (writer << 16) + i / 4, prog);

	narrow(&spec, i >> 2 & 3);
	return spec;
}

/* In different tuples: no one store changes both. */
struct cxlt_rule_spec rule_gate(__u32 gate, int allow, __u64 *prog)
{
	struct cxlt_rule_spec spec = rule(0, allow ? 50 : 100, allow ? COOKIE_ALLOW : COOKIE_DROP,
					  0x03000000 + gate, prog);

	narrow(&spec, allow ? 2 : gate & 1 ? 3 : 1);
	return spec;
}

struct cxlt_rule_spec rule_mask(__u32 i, __u64 *prog)
{
	struct cxlt_rule_spec spec = rule(0, 200 + i, i, 0x04000000, prog);

	spec.mask.w[CXLT_W_METADATA] = 0xffULL << 2 * i;
	spec.value.w[CXLT_W_METADATA] = 0x55ULL << 2 * i;
	return spec;
}

struct cxlt_rule_spec rule_shared(__u32 epoch, __u32 object, __u32 cell, __u64 cookie, __u64 *prog)
{
	struct cxlt_rule_spec spec = rule(0, 30 + 10 * cell, cookie,
					  0x05000000 + (epoch & 0xffff) * SHARED + object, prog);

	narrow(&spec, object & 1 ? cell : 0); /* one tuple, or one for each cell */
	return spec;
}

/* ---- What the writers fight for ---- */

void shared_perform(struct self *a, __u32 epoch, struct lin_op *op)
{
	__u64 key[2], val[2] = {op->value, ~op->value}, prog;
	struct cxlt_rule_spec spec;

	if (op->object < SHARED_KEYS) {
		key_of(SPACE_SHARED, (__u64)epoch * SHARED + op->object, key);
		op->rc = op->kind == LIN_INSERT	  ? cxlt_exact_insert(a->w, a->table, key, val)
			 : op->kind == LIN_MODIFY ? cxlt_exact_modify(a->w, a->table, key, val)
			 : op->kind == LIN_DELETE
				 ? cxlt_exact_delete(a->w, a->table, key)
				 : cxlt_exact_find(&a->host, a->table, key, 2, val, 2);
		if (op->kind == LIN_READ)
			op->value = op->rc ? 0 : val[1] == ~val[0] ? val[0] : ~0ULL;
		return;
	}
	spec = rule_shared(epoch, op->object, op->cell, op->value, &prog);
	spec.prog = &prog;
	op->rc = op->kind == LIN_ADD	  ? cxlt_rule_add(a->w, &spec)
		 : op->kind == LIN_MODIFY ? cxlt_rule_modify(a->w, &spec)
					  : cxlt_rule_delete(a->w, &spec);
}

static void shared_once(struct self *a)
{
	__u32 epoch = x->epoch, object = rnd_below(&a->r, SHARED), how = rnd_below(&a->r, 4);
	struct epoch *e = &x->epochs[epoch % EPOCHS];
	struct lin_op op = {.object = object, .who = (__u32)a->c->life};
	struct bracket b;
	__u32 i;

	/* Who says so before looking again isn't overlooked by the parent, who ends epochs. */
	a->c->shared = epoch + 1;
	if (x->epoch != epoch || e->n >= EPOCH_OPS || (i = e->n++) >= EPOCH_OPS) {
		a->c->shared = 0;
		return;
	}
	op.kind = how == 0		  ? LIN_MODIFY
		  : how == 1		  ? LIN_DELETE
		  : object >= SHARED_KEYS ? LIN_ADD
		  : how == 2		  ? LIN_INSERT
					  : LIN_READ;
	op.cell = object < SHARED_KEYS ? 0 : rnd_below(&a->r, LIN_CELLS);
	op.value = op.kind == LIN_READ ? 0 : (__u64)(epoch & 0x7fff) << 16 | (i + 1);
	e->op[i] = op;
	b = call_begin(a);
	op.invoke = lin_begin();
	__atomic_store_n(&e->op[i].invoke, op.invoke, __ATOMIC_RELEASE);
	shared_perform(a, epoch, &op);
	op.ret = lin_end();
	e->op[i].value = op.value;
	e->op[i].rc = op.rc;
	__atomic_store_n(&e->op[i].ret, op.ret, __ATOMIC_RELEASE);
	a->c->shared = 0;
	call_end(a, b, op.rc, "an operation on a shared key");
}

/* ---- What each has for itself ---- */

static int own_read(struct self *a, __u32 number, __u32 which, __u64 *value)
{
	struct cxlt_rule_info info;
	struct cxlt_rule_spec spec;
	__u64 key[2], val[2], prog;
	int rc;

	if (which < OWN) {
		key_of(SPACE_OWN + number, which, key);
		do
			rc = cxlt_exact_find(&a->host, a->table, key, 2, val, 2);
		while (rc == -EAGAIN);
		*value = rc ? 0 : val[0];
		return !rc && val[1] != ~val[0] ? -EIO : rc;
	}
	spec = rule_own(number, which - OWN, 0, &prog);
	rc = cxlt_rule_get(a->s, &spec, &info);
	*value = rc ? 0 : info.cookie;
	return !rc && (__u32)info.prog[0] != (__u32)info.cookie ? -EIO : rc;
}

static __u64 *own_known(struct child *c, __u32 which)
{
	return which < OWN ? &c->own.exact[which] : &c->own.rule[which - OWN];
}

void own_resolve(struct self *a, struct child *c)
{
	__u32 begun = c->own.begun, which;

	for (which = 0; which < 2 * OWN; which++) {
		__u64 *known = own_known(c, which), value;
		int rc = own_read(a, c->number, which, &value);

		if (rc && rc != -ENOENT)
			bad("writer %u: reading %u: %d", c->number, which, rc);
		else if (value != *known && !(begun == which + 1 && value == c->own.to))
			bad("writer %u: %s %u is %llx; its log says %llx%s", c->number,
			    which < OWN ? "key" : "rule", which % OWN, value, *known,
			    begun == which + 1 ? ", or what it was about to store" : "");
		else
			*known = value;
	}
	c->own.begun = 0;
}

static int own_perform(struct self *a, __u32 which, int kind, __u64 value)
{
	__u64 key[2], val[2] = {value, ~value}, prog;
	struct cxlt_rule_spec spec;

	if (which < OWN) {
		key_of(SPACE_OWN + a->c->number, which, key);
		return kind == LIN_INSERT   ? cxlt_exact_insert(a->w, a->table, key, val)
		       : kind == LIN_MODIFY ? cxlt_exact_modify(a->w, a->table, key, val)
					    : cxlt_exact_delete(a->w, a->table, key);
	}
	spec = rule_own(a->c->number, which - OWN, value, &prog);
	spec.prog = &prog;
	return kind == LIN_ADD	    ? cxlt_rule_add(a->w, &spec)
	       : kind == LIN_MODIFY ? cxlt_rule_modify(a->w, &spec)
				    : cxlt_rule_delete(a->w, &spec);
}

/* Nobody else touches these, so there is one right answer. */
static void own_once(struct self *a)
{
	__u32 which = rnd_below(&a->r, 2 * OWN), how = rnd_below(&a->r, 8);
	__u64 *known = own_known(a->c, which), value = ++a->c->own.next, seen;
	int kind = how < 4 ? which < OWN ? LIN_INSERT : LIN_ADD : how < 5 ? LIN_MODIFY : LIN_DELETE;
	int want = kind == LIN_INSERT ? *known ? -EEXIST : 0
		   : kind == LIN_ADD  ? *known != 0
		   : *known	      ? 0
				      : -ENOENT;
	struct bracket b;
	int rc;

	if (how == 7) {
		rc = own_read(a, a->c->number, which, &seen);
		if (rc != (*known ? 0 : -ENOENT) || seen != *known)
			bad("writer %u: read %llx (%d) of %u, stored %llx", a->c->number, seen, rc,
			    which, *known);
		a->c->lookups++;
		return;
	}
	a->c->own.to = kind == LIN_DELETE ? 0 : value;
	a->c->own.begun = which + 1;
	b = call_begin(a);
	rc = own_perform(a, which, kind, value);
	if (call_end(a, b, rc, "an operation on an own key")) {
		if (rc != want)
			bad("writer %u: operation %d on its %u returned %d, not %d", a->c->number,
			    kind, which, rc, want);
		if (rc >= 0)
			*known = kind == LIN_DELETE ? 0 : value;
	}
	a->c->own.begun = 0;
}

/* drop@100 is there before allow@50 and as long. */
static void gate_once(struct self *a)
{
	static const struct {
		int allow, add;
		__u32 next;
	} step[4] = {{0, 1, 1}, {1, 1, 2}, {1, 0, 3}, {0, 0, 0}};
	__u32 at = a->c->own.gate;
	struct cxlt_rule_spec spec;
	struct bracket b;
	__u64 prog;
	int rc;

	spec = rule_gate(a->c->number, step[at].allow, &prog);
	spec.prog = &prog;
	b = call_begin(a);
	rc = step[at].add ? cxlt_rule_add(a->w, &spec) : cxlt_rule_delete(a->w, &spec);
	if (!call_end(a, b, rc, "a gate"))
		return;
	if (rc)
		bad("gate %u: step %u returned %d", a->c->number, at, rc);
	a->c->own.gate = step[at].next;
}

/* After a death it isn't known which of the two are there; allow goes first. */
static int gate_clean(struct self *a)
{
	int allow, rc;

	for (allow = 1; allow >= 0; allow--) {
		__u64 prog;
		struct cxlt_rule_spec spec = rule_gate(a->c->number, allow, &prog);

		do
			rc = cxlt_rule_delete(a->w, &spec);
		while (rc == -EBUSY && !x->stop);
		if (rc && rc != -ENOENT && rc != -EBUSY)
			bad("gate %u: cleaning: %d", a->c->number, rc);
		if (rc == -EBUSY)
			return rc;
	}
	a->c->own.gate = 0;
	return 0;
}

void write_forever(struct self *a)
{
	/* Its last life has left things half done.  When the torture ends first, the parent asks. */
	while (self_settle(a))
		if (x->stop)
			return;
	own_resolve(a, a->c);
	if (gate_clean(a))
		return;
	while (!x->stop) {
		__u32 how = rnd_below(&a->r, 16);

		if (how < 12)
			own_once(a);
		else if (how < 14)
			gate_once(a);
		else
			shared_once(a);
	}
}

/* ---- The grower ---- */

static __u32 grow_open(struct self *a)
{
	char name[16];
	__u32 t;
	int rc;

	snprintf(name, sizeof(name), "grow%u", (__u32)x->grow_table);
	t = cxlt_exact_open(a->s, name);
	if (t)
		return t;
	rc = cxlt_exact_create(a->w, name, 2, 2, 4, 1);
	if (rc && rc != -EBUSY)
		bad("creating %s: %d, %s", name, rc, cxlt_error_text());
	return cxlt_exact_open(a->s, name);
}

void grow_clean(struct self *a)
{
	__u32 t = grow_open(a), i;
	__u64 key[2], prog;
	int rc;

	for (i = 0; i < GROW_KEYS && t && !x->stop; i++) {
		key_of(SPACE_GROW, i, key);
		do
			rc = cxlt_exact_delete(a->w, t, key);
		while (rc == -EBUSY && !x->stop);
		if (rc && rc != -ENOENT && rc != -EBUSY)
			bad("grower: cleaning key %u: %d", i, rc);
	}
	for (i = 0; i < MASKS && !x->stop; i++) {
		struct cxlt_rule_spec spec = rule_mask(i, &prog);

		do
			rc = cxlt_rule_delete(a->w, &spec);
		while (rc == -EBUSY && !x->stop);
		if (rc && rc != -ENOENT && rc != -EBUSY)
			bad("grower: cleaning mask %u: %d", i, rc);
	}
}

/* Masks come, are seen, and go. */
static void masks_once(struct self *a)
{
	__u8 in[MASKS] = {0};
	__u64 prog;
	__u32 i;
	int rc;

	for (i = 0; i < 2 * MASKS && !x->stop; i++) {
		struct cxlt_rule_spec spec = rule_mask(i % MASKS, &prog);
		struct bracket b = call_begin(a);

		spec.prog = &prog;
		if (i >= MASKS && !in[i % MASKS])
			continue;
		rc = i < MASKS ? cxlt_rule_add(a->w, &spec) : cxlt_rule_delete(a->w, &spec);
		if (call_end(a, b, rc, "a new mask")) {
			if (rc)
				bad("grower: mask %u: %d", i, rc);
			in[i % MASKS] = i < MASKS;
		} else if (i >= MASKS) {
			i--; /* it must go */
		}
	}
}

static void fill_once(struct self *a, __u32 n)
{
	static __u8 in[GROW_KEYS];
	__u32 t = grow_open(a), i;
	__u64 key[2], val[2];
	struct bracket b;
	int rc;

	memset(in, 0, sizeof(in));
	for (i = 0; i < n && t && !x->stop; i++) {
		key_of(SPACE_GROW, i, key);
		val[0] = i + 1;
		val[1] = ~val[0];
		b = call_begin(a);
		rc = cxlt_exact_insert(a->w, t, key, val);
		if (!call_end(a, b, rc, "a fill"))
			continue;
		in[i] = !rc;
		if (rc)
			bad("grower: key %u: %d", i, rc);
	}
	for (i = 0; i < n && t && !x->stop; i++) {
		key_of(SPACE_GROW, i, key);
		rc = cxlt_exact_find(&a->host, t, key, 2, val, 2);
		a->c->lookups++;
		if (rc != -EAGAIN && rc != (in[i] ? 0 : -ENOENT))
			bad("grower: looking for key %u: %d", i, rc);
	}
	for (i = 0; i < n && t && !x->stop; i++) {
		if (!in[i])
			continue;
		key_of(SPACE_GROW, i, key);
		b = call_begin(a);
		rc = cxlt_exact_delete(a->w, t, key);
		if (!call_end(a, b, rc, "emptying"))
			i--;
		else if (rc)
			bad("grower: emptying key %u: %d", i, rc);
	}
}

void grow_forever(struct self *a)
{
	while (self_settle(a))
		if (x->stop)
			return;
	grow_clean(a);
	while (!x->stop) {
		fill_once(a, 1 + rnd_below(&a->r, GROW_KEYS));
		for (int i = 0; i < 20; i++)
			masks_once(a);
		x->grown++;
		/* A table never shrinks: a new one grows again, as long as there are any. */
		if (x->grow_table + 1 < GROW_TABLES && rnd_one_in(&a->r, 4)) {
			grow_clean(a);
			if (!x->stop)
				x->grow_table++;
		}
	}
}
