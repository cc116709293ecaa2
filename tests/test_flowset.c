// SPDX-License-Identifier: Apache-2.0
/* Flows by their identity, and what makes a slice hold them. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rand.h"

/* The program's own files: cxltab is no library. */
#include "apply.c"
#include "flowset.c"
#include "rulewalk.c"

static struct cxlt_slice *slice;
static struct cxlt_writer *writer;
static struct flowset set;

static void open_slice(void)
{
	const struct cxlt_slice_config config = {.size = 8 << 20};

	cr_assert_eq(cxlt_slice_create_memfd("flowset", &config, &slice), 0, "%s",
		     cxlt_error_text());
	cr_assert_eq(cxlt_writer_open(slice, &writer), 0, "%s", cxlt_error_text());
}

static void close_slice(void)
{
	flowset_free(&set);
	cxlt_writer_close(writer);
	cxlt_slice_close(slice);
}

TestSuite(flowset, .init = open_slice, .fini = close_slice);

static void put(struct flowset *s, const char *text, unsigned int line)
{
	struct of_error err;
	struct of_flow flow;

	cr_assert_eq(of_parse_flow(text, OF_ADD, &flow, &err), 0, "%s: %s", text, err.reason);
	cr_assert_eq(flowset_put_flow(s, &flow, line), 0);
}

/* The flow in `s` with the identity of this one, and whether all of it is the same. */
static struct flowset_flow *find(const struct flowset *s, const char *text, bool *same)
{
	struct cxlt_rule_spec spec;
	struct flowset one = {0};
	struct flowset_flow *f;

	put(&one, text, 0);
	flowset_spec(flowset_next(&one, NULL), &spec);
	f = flowset_find(s, &spec);
	*same = f && flowset_same(f, &spec);
	flowset_free(&one);
	return f;
}

static void add_rule(const char *text)
{
	struct cxlt_rule_spec spec;
	struct flowset one = {0};

	put(&one, text, 0);
	flowset_spec(flowset_next(&one, NULL), &spec);
	cr_assert_geq(cxlt_rule_add(writer, &spec), 0, "%s", cxlt_error_text());
	flowset_free(&one);
}

/* Flows of random identities out of few, so that sets overlap. */
static void random_flow(struct rnd *r, char *text, size_t size)
{
	static const char *const match[] = {"tcp,tp_dst=%u", "udp,nw_src=10.0.0.%u", "in_port=%u",
					    "vlan_tci=0x10%02x/0x1fff"};
	char m[64];

	snprintf(m, sizeof(m), match[rnd_below(r, 4)], 1 + rnd_below(r, 60));
	snprintf(text, size, "table=%u,priority=%u,cookie=%u,%s,actions=output:%u", rnd_below(r, 3),
		 rnd_below(r, 3), rnd_below(r, 2), m, 1 + rnd_below(r, 2));
}

/* ---- Sets ---- */

Test(flowset, table_priority_and_match_are_a_flows_identity)
{
	bool same;

	put(&set, "cookie=1,table=1,priority=5,tcp,nw_dst=10.0.0.0/8,actions=output:1", 3);
	cr_assert_eq(
		find(&set, "cookie=1,table=1,priority=5,tcp,nw_dst=10.0.0.0/8,actions=1", &same)
			->line,
		3);
	cr_assert(same);
	cr_assert(find(&set, "cookie=2,table=1,priority=5,tcp,nw_dst=10.0.0.0/8,actions=1", &same));
	cr_assert_not(same);
	cr_assert(find(&set, "cookie=1,table=1,priority=5,tcp,nw_dst=10.0.0.0/8,actions=2", &same));
	cr_assert_not(same);
	cr_assert(find(&set, "cookie=1,table=1,priority=5,tcp,nw_dst=10.0.0.0/8,actions=drop",
		       &same));
	cr_assert_not(same);
	cr_assert_null(find(&set, "table=2,priority=5,tcp,nw_dst=10.0.0.0/8,actions=1", &same));
	cr_assert_null(find(&set, "table=1,priority=6,tcp,nw_dst=10.0.0.0/8,actions=1", &same));
	cr_assert_null(find(&set, "table=1,priority=5,tcp,nw_dst=10.0.0.0/9,actions=1", &same));
	cr_assert_null(find(&set, "table=1,priority=5,tcp,nw_src=10.0.0.0/8,actions=1", &same));
	cr_assert_null(find(&set, "table=1,priority=5,tcp,nw_dst=11.0.0.0/8,actions=1", &same));
}

Test(flowset, of_two_flows_with_one_identity_the_later_counts)
{
	struct flowset_flow *f;
	bool same;

	put(&set, "tcp,actions=output:1", 1);
	put(&set, "udp,actions=output:2", 2);
	put(&set, "tcp,actions=output:3", 3);
	cr_assert_eq(set.count, 2);
	cr_assert_eq(find(&set, "tcp,actions=output:3", &same)->line, 3);
	cr_assert(same);
	f = flowset_next(&set, NULL);
	cr_assert_eq(f->line, 2);
	f = flowset_next(&set, f);
	cr_assert_eq(f->line, 3);
	cr_assert_null(flowset_next(&set, f));
}

Test(flowset, an_empty_set_finds_nothing)
{
	bool same;

	cr_assert_null(find(&set, "tcp,actions=drop", &same));
	cr_assert_null(flowset_next(&set, NULL));
	put(&set, "tcp,actions=drop", 1);
	flowset_clear(&set);
	cr_assert_null(find(&set, "tcp,actions=drop", &same));
	cr_assert_null(flowset_next(&set, NULL));
}

Test(flowset, ten_thousand_flows_are_found_again)
{
	char text[128];
	unsigned int i;
	bool same;

	for (i = 0; i < 10000; i++) {
		snprintf(text, sizeof(text), "priority=%u,ip,nw_src=10.%u.%u.0/24,actions=output:1",
			 i & 7, i >> 8, i & 255);
		put(&set, text, i);
	}
	cr_assert_eq(set.count, 10000);
	for (i = 0; i < 10000; i++) {
		snprintf(text, sizeof(text), "priority=%u,ip,nw_src=10.%u.%u.0/24,actions=output:1",
			 i & 7, i >> 8, i & 255);
		cr_assert_eq(find(&set, text, &same)->line, i);
		cr_assert(same);
	}
}

/* ---- Making a slice hold a set ---- */

/* Replaces; the number of modifications that were needed. */
static __u64 replace(struct apply_result *result, __u64 *unchanged)
{
	struct apply_list list = {0};
	__u64 n;

	cr_assert_eq(cxlt_writer_lock(writer), 0);
	cr_assert_eq(flowset_changes(&set, slice, &list, unchanged), 0);
	n = list.count;
	if (n)
		cr_assert_eq(apply_bundle(&list, slice, writer, result), 0, "%s", result->reason);
	cxlt_writer_unlock(writer);
	apply_free(&list);
	return n;
}

/* Does the slice hold exactly the set? */
static void is_the_set(void)
{
	struct flowset got = {0};
	struct cxlt_rule_spec spec;
	struct flowset_flow *f, *g;

	cr_assert_eq(flowset_put_slice(&got, slice), 0);
	cr_assert_eq(got.count, set.count);
	for (f = flowset_next(&set, NULL); f; f = flowset_next(&set, f)) {
		flowset_spec(f, &spec);
		g = flowset_find(&got, &spec);
		cr_assert(g && flowset_same(g, &spec));
	}
	flowset_free(&got);
}

Test(flowset, a_slice_that_holds_the_set_needs_nothing)
{
	struct apply_result result;
	__u64 unchanged;

	add_rule("cookie=7,table=1,priority=5,tcp,nw_dst=10.0.0.0/8,"
		 "actions=mod_nw_dst:1.2.3.4,output:1");
	add_rule("priority=0,actions=drop");
	cr_assert_eq(flowset_put_slice(&set, slice), 0);
	cr_assert_eq(set.count, 2);
	cr_assert_eq(replace(&result, &unchanged), 0);
	cr_assert_eq(unchanged, 2);
}

Test(flowset, what_is_missing_is_added_what_differs_replaced_and_the_rest_deleted)
{
	struct apply_result result;
	__u64 unchanged;

	add_rule("table=1,tcp,actions=output:1");
	add_rule("table=1,udp,actions=output:1");
	add_rule("table=1,icmp,actions=output:1");
	add_rule("table=2,arp,actions=output:1");
	put(&set, "table=1,tcp,actions=output:1", 1);
	put(&set, "table=1,udp,actions=output:2", 2);
	put(&set, "cookie=1,table=1,icmp,actions=output:1", 3);
	put(&set, "table=3,sctp,actions=output:1", 4);
	cr_assert_eq(replace(&result, &unchanged), 4);
	cr_assert_eq(unchanged, 1);
	cr_assert_eq(result.replaced, 2);
	cr_assert_eq(result.deleted, 1);
	cr_assert_eq(result.added, 1);
	is_the_set();
}

Test(flowset, an_empty_set_deletes_all)
{
	struct apply_result result;
	__u64 unchanged;

	add_rule("table=1,tcp,actions=output:1");
	add_rule("table=2,actions=drop");
	cr_assert_eq(replace(&result, &unchanged), 2);
	cr_assert_eq(result.deleted, 2);
	is_the_set();
}

Test(flowset, random_slices_become_random_sets)
{
	struct rnd r = rnd_new("flowset");
	struct apply_result result;
	unsigned int i, j, round;
	char text[128];
	__u64 unchanged;

	for (round = 0; round < 30; round++) {
		flowset_clear(&set);
		for (i = 0, j = rnd_below(&r, 400); i < j; i++) {
			random_flow(&r, text, sizeof(text));
			put(&set, text, i + 1);
		}
		replace(&result, &unchanged);
		is_the_set();
		cr_assert_eq(replace(&result, &unchanged), 0);
		cr_assert_eq(unchanged, set.count);
	}
}
