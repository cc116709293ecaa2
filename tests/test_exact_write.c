// SPDX-License-Identifier: Apache-2.0
/* exact_write.h compiled for userspace, in threads; tests/test_bpf_write.c runs the same in BPF. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <cxltab/exact_write.h>
#include "contest.h"
#include "internal.h"
#include "oracle.h"

static struct contest c;

static int commands(struct contest *k, __u32 cpu, struct write_command *cmd, __u32 n)
{
	const struct cxlt_view *v = &k->f.host;
	__u32 i;

	for (i = 0; i < n; i++, cmd++) {
		if (cmd->op == WRITE_PUT)
			cmd->result = cxlt_exact_put(v, k->tuple, cpu, cmd->key, WRITE_KEY,
						     cmd->val, WRITE_VAL);
		else if (cmd->op == WRITE_SET)
			cmd->result = cxlt_exact_set(v, k->tuple, cpu, cmd->key, WRITE_KEY,
						     cmd->val, WRITE_VAL);
		else
			cmd->result =
				cxlt_exact_remove(v, k->tuple, cpu, cmd->key, WRITE_KEY, WRITE_VAL);
	}
	return 0;
}

static void world_open(__u32 entries, __u32 cpus, __u32 per_cpu)
{
	memset(&c, 0, sizeof(c));
	fixture_open(&c.f, 4 << 20);
	contest_table(&c, entries, cpus, per_cpu);
	c.commands = commands;
	cr_assert_eq(oracle_check(c.f.s), 0);
}

static void world_close(void)
{
	cr_expect_eq(oracle_check(c.f.s), 0);
	fixture_close(&c.f);
}

Test(exact_write, does_what_the_model_does, .timeout = 60)
{
	world_open(400, 2, 500);
	contest_alone(&c, "exact_write/model");
	world_close();
}

Test(exact_write, beside_two_userspace_writers_nothing_is_lost, .timeout = 120)
{
	world_open(400, 2, 500);
	contest_beside(&c, "exact_write/beside");
	world_close();
}

Test(exact_write, is_busy_where_others_are, .timeout = 60)
{
	world_open(400, 1, 500);
	contest_busy(&c);
	world_close();
}

Test(exact_write, has_no_room_when_stock_or_buckets_are_full, .timeout = 60)
{
	world_open(400, 1, 600);
	contest_no_room(&c);
	world_close();
}

Test(exact_write, says_what_it_was_given)
{
	struct cxlt_view v;
	__u64 key[3] = {1, 2, 3}, val[2] = {4, 5};

	world_open(20, 1, 5);
	v = c.f.host;
	cr_expect_eq(cxlt_exact_put(&v, c.tuple, 0, key, 3, val, WRITE_VAL), -EINVAL);
	cr_expect_eq(cxlt_exact_put(&v, c.tuple, 0, key, WRITE_KEY, val, 2), -EINVAL);
	cr_expect_eq(cxlt_exact_remove(&v, v.tables, 0, key, WRITE_KEY, WRITE_VAL), -EINVAL);
	cr_expect_eq(cxlt_exact_set(&v, v.limit - 1, 0, key, WRITE_KEY, val, WRITE_VAL), -EFAULT);
	/* Any CPU number is one. */
	cr_expect_eq(cxlt_exact_put(&v, c.tuple, 12345, key, WRITE_KEY, val, WRITE_VAL), 0);
	cr_expect_eq(cxlt_exact_put(&v, c.tuple, 0, key, WRITE_KEY, val, WRITE_VAL), -EEXIST);
	cr_expect_eq(cxlt_exact_stock(c.f.w, c.tuple, 2, 5), -EINVAL, "another shape");
	cr_expect_eq(cxlt_exact_stock(c.f.w, c.tuple, 1, 13), -EINVAL, "12 fit into a line");
	cr_expect_eq(cxlt_exact_stock(c.f.w, c.tuple, 1, 12), 0);
	cr_expect_eq(contest_stocked(&c, 0), 12);
	cr_expect_eq(cxlt_exact_stock(c.f.w, c.tuple + 1, 1, 5), -EINVAL);
	cr_expect_eq(cxlt_exact_stock(c.f.w, c.tuple, 0, 5), -EINVAL);
	cr_expect_eq(cxlt_exact_stock(c.f.w, c.tuple, 1, 65533), -EINVAL);
	world_close();
}

Test(exact_write, a_table_without_a_stock_has_no_room)
{
	__u64 key[2] = {1, 2}, val = 3;

	fixture_open(&c.f, 2 << 20);
	cr_assert_eq(cxlt_exact_create(c.f.w, "t", 2, 1, 20, 0), 0);
	c.tuple = cxlt_exact_open(c.f.s, "t");
	cr_assert_eq(cxlt_exact_insert(c.f.w, c.tuple, key, &val), 0);
	cr_expect_eq(cxlt_exact_set(&c.f.host, c.tuple, 0, key, 2, &val, 1), -ENOSPC);
	cr_expect_eq(cxlt_exact_remove(&c.f.host, c.tuple, 0, key, 2, 1), 0);
	cr_expect_eq(cxlt_exact_put(&c.f.host, c.tuple, 0, key, 2, &val, 1), -ENOSPC);
	world_close();
}

Test(exact_write, a_stock_that_does_not_fit_changes_nothing)
{
	struct cxlt_usage before, after;
	__u64 key[2] = {1, 2}, val = 3;

	fixture_open(&c.f, 1 << 20);
	cr_assert_eq(cxlt_exact_create(c.f.w, "t", 2, 1, 20, 0), 0);
	c.tuple = cxlt_exact_open(c.f.s, "t");
	cr_assert_eq(cxlt_exact_insert(c.f.w, c.tuple, key, &val), 0);
	cxlt_slice_usage(c.f.s, &before);
	cr_expect_eq(cxlt_exact_stock(c.f.w, c.tuple, 8, 4000), -ENOSPC);
	cr_expect_eq(cxlt_exact_stock(c.f.w, c.tuple, 1024, 4000), -ENOSPC);
	cxlt_slice_usage(c.f.s, &after);
	cr_expect(fixture_same_usage(&before, &after), "%s",
		  fixture_usage_difference(&before, &after));
	world_close();
}

/* ---- What a repair makes of a stock ---- */

static struct cxlt_stock *stock(__u32 cpu)
{
	__u64 word = ((struct cxlt_tuple *)cxlt_line(&c.f.host, c.tuple, 2))->stock;

	return cxlt_line(&c.f.host, CXLT_STOCK_REF(word) + (cpu << CXLT_STOCK_LOG2(word)), 1);
}

static int silent(void)
{
	return cxlt_slice_check(c.f.s, NULL, NULL);
}

/* What was planted is found and repaired; both keys are there, and so many lines in the stocks. */
static void expect_repair(__u64 n0, __u64 n1)
{
	cr_expect_gt(silent(), 0);
	cr_assert_eq(cxlt_writer_lock(c.f.w), 0);
	cr_assert_eq(cxlt_slice_repair(c.f.w), 0);
	cxlt_writer_unlock(c.f.w);
	cr_expect_eq(oracle_check(c.f.s), 0);
	cr_expect_eq(stock(0)->n, n0);
	cr_expect_eq(stock(1)->n, n1);
	cr_expect_eq(stock(0)->lock, 0);
	for (__u64 i = 0; i < 2; i++) {
		__u64 key[WRITE_KEY] = {i, 7}, val;

		cr_expect_eq(cxlt_exact_find(&c.f.host, c.tuple, key, WRITE_KEY, &val, WRITE_VAL),
			     0);
		cr_expect_eq(val, i + 10);
	}
	cr_expect_eq(cxlt_exact_stock(c.f.w, c.tuple, 2, 8), 0);
}

Test(exact_write, a_repair_makes_stocks_consistent)
{
	struct cxlt_tuple *t;
	__u32 used = 0;

	world_open(20, 2, 8);
	for (__u64 i = 0; i < 2; i++) {
		__u64 key[WRITE_KEY] = {i, 7}, val = i + 10;

		/* Of CPU 0's stock, the last one. */
		used = stock(0)->ref[stock(0)->n - 1];
		cr_assert_eq(cxlt_exact_put(&c.f.host, c.tuple, 0, key, WRITE_KEY, &val, WRITE_VAL),
			     0);
	}
	cr_assert_eq(cxlt_exact_stock(c.f.w, c.tuple, 2, 8), 0);
	cr_assert_eq(oracle_check(c.f.s), 0);

	stock(0)->ref[3] = used; /* in a slot too */
	expect_repair(7, 8);
	stock(1)->ref[0] = stock(0)->ref[0]; /* in two stocks */
	expect_repair(8, 7);
	stock(1)->ref[1] = stock(1)->ref[2]; /* twice in one */
	expect_repair(8, 7);
	stock(0)->ref[7] = 3; /* anything */
	stock(0)->ref[2] = ~0U;
	expect_repair(6, 8);
	stock(1)->n = ~0ULL; /* 12 fit, of which 8 make sense */
	expect_repair(8, 8);
	stock(0)->lock = 1;
	expect_repair(8, 8);
	stock(0)->n = 5; /* three are leaked */
	expect_repair(5, 8);
	t = cxlt_line(&c.f.host, c.tuple, 2);
	t->stock += 1ULL << 40; /* of more CPUs than there are */
	cr_expect_gt(silent(), 0);
	cr_assert_eq(cxlt_writer_lock(c.f.w), 0);
	cr_assert_eq(cxlt_slice_repair(c.f.w), 0);
	cxlt_writer_unlock(c.f.w);
	cr_expect_eq(t->stock, 0);
	world_close();
}
