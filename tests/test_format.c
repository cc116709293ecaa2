// SPDX-License-Identifier: Apache-2.0
/*
 * A reader that knows the format from its text alone, with no header of ours, finds every rule
 * and every exact entry that the library has written: another vendor's reader would too.
 */
#include <criterion/criterion.h>
#include <string.h>
#include <cxltab/slice.h>
#include <cxltab/writer.h>
#include "gen.h"
#include "oracle.h"

/* What the format's text says, as numbers. */
struct alien {
	const unsigned char *p;
	unsigned long long n_lines, tables, secrets;
};

static unsigned long long u(const struct alien *a, unsigned long long at, int n)
{
	unsigned long long v = 0;

	cr_assert_leq(at + n, a->n_lines * 64);
	memcpy(&v, a->p + at, n);
	return v;
}

static struct alien alien_attach(const struct cxlt_slice *s)
{
	struct alien a = {.p = cxlt_slice_base(s), .n_lines = 3};
	unsigned long long dir;

	a.n_lines = u(&a, 28, 4);
	dir = u(&a, 36, 4) * 64;
	a.secrets = u(&a, dir + 4, 4) * 64;
	a.tables = u(&a, dir + 8, 4) * 64;
	return a;
}

static unsigned long long alien_hash(unsigned long long h)
{
	h ^= h >> 32;
	h *= 0xe9846af9b1a615dULL;
	h ^= h >> 29;
	h *= 0x9e3779b97f4a7c15ULL;
	return h ^ (h >> 32);
}

static unsigned long long alien_nh(const struct alien *a, unsigned long long w, int i)
{
	unsigned long long k = u(a, a->secrets + i * 8, 8);
	unsigned long long lo = (w + k) & 0xffffffff, hi = ((w >> 32) + (k >> 32)) & 0xffffffff;

	return lo * hi;
}

/* The slot's ref of the key with hash h whose entry `same` accepts, else 0. */
static unsigned long long alien_find(const struct alien *a, unsigned long long geo,
				     unsigned long long h, const unsigned long long *key, int n_key,
				     int unit, int body)
{
	unsigned long long array = geo & 0xffffffff, mask = (1ULL << ((geo >> 32) & 63)) - 1;
	unsigned long long tag = h >> 33, b1 = h & mask, x = (tag * 0x9e3779b1) & 0xffffffff;
	unsigned long long at[2], meta;
	int second, i, j;

	x ^= x >> 15;
	at[0] = (array + b1) * 64;
	at[1] = (array + ((b1 ^ (x | 1)) & mask)) * 64;
	meta = u(a, at[0] + 56, 8);
	for (second = 0; second < 2; second++) {
		if (second && !(meta >> (3 * (tag & 7)) & 7))
			break;
		for (i = 0; i < 7; i++) {
			unsigned long long slot = u(a, at[second] + i * 8, 8), e;

			if (!slot || slot >> 33 != tag || (int)(slot >> 32 & 1) != second)
				continue;
			e = (slot & 0xffffffff) * (unsigned long long)unit;
			for (j = 0; j < n_key; j++)
				if (u(a, e + body + j * 8, 8) != key[j])
					break;
			if (j == n_key)
				return slot & 0xffffffff;
		}
	}
	return 0;
}

/* The ref of a rule: from its table's list, by mask, value and priority. */
static unsigned long long alien_rule(const struct alien *a, const struct oracle_rule *r)
{
	unsigned long long list = u(a, a->tables + r->spec.table * 128, 8), i;

	for (i = 0; i < (list >> 32 & 0xffff); i++) {
		unsigned long long item = u(a, (list & 0xffffffff) * 64 + i * 8, 8);
		unsigned long long t = (item & 0xffffffff) * 64, h = u(a, t + 16, 8), key[24], e;
		int n = u(a, t + 28, 1), j, words = 0;

		for (j = 0; j < 18; j++)
			words += r->spec.mask.w[j] != 0;
		for (j = 0; j < n; j++) {
			int at = u(a, t + 32 + j, 1);

			if (u(a, t + 128 + j * 8, 8) != r->spec.mask.w[at])
				break;
			key[j] = r->spec.value.w[at] & r->spec.mask.w[at];
			h += alien_nh(a, key[j], at);
		}
		if (j < n || n != words)
			continue;
		cr_expect_geq((item >> 32 & 0xffff), r->spec.priority, "item's highest priority");
		e = alien_find(a, u(a, t, 8), alien_hash(h), key, n, 64, 64);
		for (; e; e = u(a, e * 64 + 40, 4))
			if (u(a, e * 64 + 12, 2) == r->spec.priority)
				return e;
		return 0;
	}
	return 0;
}

static void expect_rule(const struct alien *a, const struct oracle_rule *r)
{
	unsigned long long e = alien_rule(a, r) * 64, i, n;

	cr_assert_neq(e, 0, "cookie %llu isn't where the format says", r->spec.cookie);
	cr_expect_eq(u(a, e, 8) & 1, 0, "sequence");
	cr_expect_eq(u(a, e + 16, 8), r->spec.cookie);
	n = u(a, e + 14, 1);
	cr_expect_eq(u(a, e + 15, 1), r->spec.n_prog);
	cr_expect_leq(u(a, e + 24, 8), u(a, u(a, 64, 4) * 64, 8), "from <= version");
	cr_expect_gt(u(a, e + 32, 8), u(a, u(a, 64, 4) * 64, 8), "version < to");
	for (i = 0; i < r->spec.n_prog; i++)
		cr_expect_eq(u(a, e + 64 + (n + i) * 8, 8), r->prog[i]);
}

Test(format, an_alien_reader_finds_every_rule)
{
	struct rnd r = rnd_new("format/an_alien_reader_finds_every_rule");
	struct cxlt_slice_config cfg = {.size = 8 << 20};
	struct cxlt_rule_spec spec;
	struct oracle o = {0};
	struct cxlt_writer *w;
	struct cxlt_slice *s;
	__u64 prog[GEN_PROG];
	struct alien a;
	struct gen g;

	cr_assert_eq(cxlt_slice_create_memfd("format", &cfg, &s), 0, "%s", cxlt_error_text());
	cr_assert_eq(cxlt_writer_open(s, &w), 0, "%s", cxlt_error_text());
	gen_init(&g, &r, 24);
	for (int i = 0; i < 2000; i++) {
		gen_rule(&g, rnd_below(&r, 4), 8, &spec, prog);
		if (cxlt_rule_add(w, &spec) >= 0)
			oracle_add(&o, &spec);
	}
	cr_assert_gt(o.n, 500);
	a = alien_attach(s);
	for (__u32 i = 0; i < o.n; i++)
		expect_rule(&a, &o.rule[i]);
	oracle_free(&o);
	cxlt_writer_close(w);
	cxlt_slice_close(s);
}

Test(format, an_alien_reader_finds_every_exact_entry)
{
	struct rnd r = rnd_new("format/an_alien_reader_finds_every_exact_entry");
	struct cxlt_slice_config cfg = {.size = 8 << 20};
	unsigned long long key[5000][3], e, h, exact;
	struct cxlt_writer *w;
	struct cxlt_slice *s;
	struct alien a;
	__u32 t;

	cr_assert_eq(cxlt_slice_create_memfd("format", &cfg, &s), 0, "%s", cxlt_error_text());
	cr_assert_eq(cxlt_writer_open(s, &w), 0, "%s", cxlt_error_text());
	cr_assert_eq(cxlt_exact_create(w, "conn", 3, 2, 5000, 0), 0, "%s", cxlt_error_text());
	t = cxlt_exact_open(s, "conn");
	a = alien_attach(s);
	exact = u(&a, 64 + 16, 4) * 64;
	cr_expect_eq(u(&a, exact, 8), t);
	cr_expect_arr_eq(a.p + exact + 8, "conn\0", 5);
	for (int i = 0; i < 5000; i++) {
		__u64 val[2] = {i, ~i};

		for (int j = 0; j < 3; j++)
			key[i][j] = rnd_next(&r);
		cr_assert_eq(cxlt_exact_insert(w, t, (__u64 *)key[i], val), 0);
	}
	for (int i = 0; i < 5000; i++) {
		h = u(&a, t * 64ULL + 16, 8);
		for (int j = 0; j < 3; j++)
			h += alien_nh(&a, key[i][j], j);
		e = alien_find(&a, u(&a, t * 64ULL, 8), alien_hash(h), key[i], 3, 32, 8) * 32;
		cr_assert_neq(e, 0, "key %d isn't where the format says", i);
		cr_expect_eq(u(&a, e, 8) & 1, 0, "sequence");
		cr_expect_eq(u(&a, e + 8 + 24, 8), (__u64)i);
		cr_expect_eq(u(&a, e + 8 + 32, 8), (__u64)~i);
	}
	cxlt_writer_close(w);
	cxlt_slice_close(s);
}
