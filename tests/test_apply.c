// SPDX-License-Identifier: Apache-2.0
/* Flow modifications, stored together or not at all. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cxltab/counter.h>

/* The program's own file: cxltab is no library. */
#include "apply.c"

static struct cxlt_slice *slice;
static struct cxlt_writer *writer;
static struct apply_list list;
static struct apply_result result;

static void open_slice(void)
{
	const struct cxlt_slice_config config = {.size = 1 << 20};

	cr_assert_eq(cxlt_slice_create_memfd("apply", &config, &slice), 0, "%s", cxlt_error_text());
	cr_assert_eq(cxlt_writer_open(slice, &writer), 0, "%s", cxlt_error_text());
}

static void close_slice(void)
{
	apply_free(&list);
	cxlt_writer_close(writer);
	cxlt_slice_close(slice);
}

TestSuite(apply, .init = open_slice, .fini = close_slice);

static void say(enum of_mode mode, const char *text)
{
	struct of_error err;
	struct of_flow f;

	cr_assert_eq(of_parse_flow(text, mode, &f, &err), 0, "%s: %s", text, err.reason);
	cr_assert_eq(apply_add(&list, &f, list.count + 1), 0);
}

static int run(void)
{
	int rc = apply_run(&list, slice, writer, &result);

	apply_free(&list);
	return rc;
}

static int run_bundle(void)
{
	int rc = apply_bundle(&list, slice, writer, &result);

	apply_free(&list);
	return rc;
}

static void done(enum of_mode mode, const char *text)
{
	say(mode, text);
	cr_assert_eq(run(), 0, "%s: %s", text, result.reason);
}

/* ---- What is there, as text that can be compared ---- */

struct text {
	char *line[65536];
	int n;
	bool stats;
};

static int describe(void *arg, const struct cxlt_rule_info *r)
{
	struct of_match match = {r->value, r->mask};
	char m[OF_TEXT_MAX], acts[OF_TEXT_MAX];
	struct text *t = arg;

	of_format_match(&match, r->priority, m, sizeof(m));
	of_format_actions(r->prog, r->n_prog, acts, sizeof(acts));
	if (t->stats)
		cr_assert_geq(asprintf(&t->line[t->n], "%u %s %s 0x%llx %llu %llu %llu %llu %llu",
				       r->table, m, acts, r->cookie, r->created, r->packets[0],
				       r->packets[1], r->bytes[0], r->bytes[1]),
			      0);
	else
		cr_assert_geq(
			asprintf(&t->line[t->n], "%u %s %s 0x%llx", r->table, m, acts, r->cookie),
			0);
	t->n++;
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *contents(bool stats)
{
	struct text *t = calloc(1, sizeof(*t));
	char *all = NULL;
	size_t size;
	FILE *f;
	int i;

	t->stats = stats;
	cr_assert_eq(cxlt_rule_each(slice, -1, describe, t), 0);
	qsort(t->line, t->n, sizeof(*t->line), by_text);
	f = open_memstream(&all, &size);
	for (i = 0; i < t->n; i++) {
		fprintf(f, "%s\n", t->line[i]);
		free(t->line[i]);
	}
	fclose(f);
	free(t);
	return all;
}

static void holds(const char *want)
{
	char *got = contents(false);

	cr_assert_str_eq(got, want);
	free(got);
}

static void count_on(const char *match, __u64 packets, __u64 bytes)
{
	struct cxlt_rule_spec spec;
	struct cxlt_rule_info info;
	struct cxlt_view view;
	struct of_error err;
	struct of_flow f;
	int i;

	cr_assert_eq(of_parse_flow(match, OF_DELETE_STRICT, &f, &err), 0, "%s", err.reason);
	spec.table = f.table == OF_TABLE_ANY ? 0 : f.table;
	spec.priority = f.priority;
	spec.value = f.match.value;
	spec.mask = f.match.mask;
	cr_assert_eq(cxlt_rule_get(slice, &spec, &info), 0);
	for (i = 0; i < 2; i++) {
		cxlt_slice_view(slice, i ? CXLT_VIEW_DEVICE : 0, &view);
		cxlt_count(&view, info.counters, packets + i, bytes + i, 12345);
	}
}

/* ---- Semantics ---- */

Test(apply, add_replaces_a_rule_with_the_same_identity_and_starts_its_counters_anew)
{
	struct cxlt_rule_spec spec = {.priority = OF_PRIORITY_DEFAULT};
	struct cxlt_rule_info info;

	done(OF_ADD, "actions=output:1");
	count_on("priority=32768", 5, 500);
	done(OF_ADD, "cookie=7,actions=output:2");
	cr_assert_eq(result.replaced, 1);
	holds("0  output:2 0x7\n");
	cr_assert_eq(cxlt_rule_get(slice, &spec, &info), 0);
	cr_assert_eq(info.packets[0] + info.packets[1], 0);
}

Test(apply, a_list_may_add_delete_and_add_again)
{
	say(OF_ADD, "tcp,actions=output:1");
	say(OF_ADD, "udp,actions=output:1");
	say(OF_DELETE, "ip");
	say(OF_ADD, "tcp,actions=output:3");
	cr_assert_eq(run(), 0);
	cr_assert_eq(result.added, 3);
	cr_assert_eq(result.deleted, 2);
	holds("0 tcp output:3 0x0\n");
}

Test(apply, delete_reaches_narrower_matches_in_all_tables)
{
	say(OF_ADD, "table=0,tcp,nw_dst=10.1.0.0/16,actions=drop");
	say(OF_ADD, "table=3,tcp,nw_dst=10.2.0.0/16,tp_dst=80,priority=9,actions=drop");
	say(OF_ADD, "table=3,tcp,nw_dst=11.0.0.0/8,actions=drop");
	say(OF_ADD, "table=3,ip,nw_dst=10.0.0.0/8,actions=drop");
	say(OF_DELETE, "tcp,nw_dst=10.0.0.0/8");
	cr_assert_eq(run(), 0);
	cr_assert_eq(result.deleted, 2);
	holds("3 ip,nw_dst=10.0.0.0/8 drop 0x0\n3 tcp,nw_dst=11.0.0.0/8 drop 0x0\n");
}

Test(apply, delete_without_a_match_deletes_all)
{
	say(OF_ADD, "table=0,tcp,actions=drop");
	say(OF_ADD, "table=9,priority=0,actions=drop");
	say(OF_DELETE, "");
	cr_assert_eq(run(), 0);
	holds("");
}

Test(apply, delete_selects_by_cookie_and_mask)
{
	say(OF_ADD, "cookie=0x11,tcp,actions=drop");
	say(OF_ADD, "cookie=0x12,udp,actions=drop");
	say(OF_ADD, "cookie=0x21,icmp,actions=drop");
	say(OF_DELETE, "cookie=0x10/0xf0");
	cr_assert_eq(run(), 0);
	holds("0 icmp drop 0x21\n");
}

Test(apply, delete_selects_by_output_port)
{
	say(OF_ADD, "tcp,actions=output:1,output:2");
	say(OF_ADD, "udp,actions=output:12");
	say(OF_DELETE, "out_port=2");
	cr_assert_eq(run(), 0);
	holds("0 udp output:12 0x0\n");
}

Test(apply, delete_selects_by_reserved_output_port)
{
	say(OF_ADD, "tcp,actions=output:1,controller");
	say(OF_ADD, "udp,actions=flood");
	say(OF_DELETE, "out_port=CONTROLLER");
	cr_assert_eq(run(), 0);
	holds("0 udp FLOOD 0x0\n");
}

Test(apply, strict_delete_needs_the_exact_match_and_priority)
{
	say(OF_ADD, "priority=5,tcp,actions=drop");
	say(OF_ADD, "priority=6,tcp,actions=drop");
	say(OF_ADD, "priority=5,tcp,tp_dst=80,actions=drop");
	say(OF_DELETE_STRICT, "priority=5,tcp");
	say(OF_DELETE_STRICT, "priority=6,ip");
	cr_assert_eq(run(), 0);
	cr_assert_eq(result.deleted, 1);
	holds("0 priority=5,tcp,tp_dst=80 drop 0x0\n0 priority=6,tcp drop 0x0\n");
}

Test(apply, modify_gives_new_actions_and_keeps_counters_age_and_cookie)
{
	char *before, *after;

	done(OF_ADD, "cookie=3,tcp,actions=output:1");
	count_on("priority=32768,tcp", 5, 500);
	before = contents(true);
	done(OF_MODIFY, "ip,actions=output:1,output:2");
	cr_assert_eq(result.modified, 1);
	holds("0 tcp output:1,output:2 0x3\n");
	done(OF_MODIFY, "ip,actions=output:1");
	after = contents(true);
	cr_assert_str_eq(after, before);
	free(before);
	free(after);
}

Test(apply, modify_changes_the_cookie_when_one_is_given)
{
	done(OF_ADD, "cookie=3,tcp,actions=output:1");
	done(OF_MODIFY, "cookie=9,tcp,actions=output:2");
	holds("0 tcp output:2 0x9\n");
}

Test(apply, modify_does_not_add_a_rule_that_is_missing)
{
	done(OF_MODIFY, "tcp,actions=output:2");
	done(OF_MODIFY_STRICT, "tcp,actions=output:2");
	holds("");
}

Test(apply, strict_modify_reaches_one_rule)
{
	say(OF_ADD, "priority=5,tcp,actions=drop");
	say(OF_ADD, "priority=5,tcp,tp_dst=80,actions=drop");
	say(OF_MODIFY_STRICT, "priority=5,tcp,actions=output:2");
	cr_assert_eq(run(), 0);
	holds("0 priority=5,tcp output:2 0x0\n0 priority=5,tcp,tp_dst=80 drop 0x0\n");
}

Test(apply, modify_refuses_a_goto_backwards_and_takes_back_what_it_did)
{
	say(OF_ADD, "table=1,tcp,actions=drop");
	say(OF_ADD, "table=5,tcp,actions=drop");
	cr_assert_eq(run(), 0);
	say(OF_MODIFY, "tcp,actions=goto_table:3");
	cr_assert_eq(run(), -EINVAL);
	cr_assert(result.undone);
	cr_assert(strstr(result.reason, "table 5"), "%s", result.reason);
	holds("1 tcp drop 0x0\n5 tcp drop 0x0\n");
}

/* ---- Taking back ---- */

/* Fills the slice until nothing more fits; the number of rules that did. */
static unsigned int fill(__u32 table)
{
	char text[128];
	unsigned int i;
	int rc = 0;

	for (i = 0; !rc; i++) {
		snprintf(text, sizeof(text), "table=%u,tcp,nw_dst=10.%u.%u.%u,actions=output:1",
			 table, i >> 16, i >> 8 & 255, i & 255);
		say(OF_ADD, text);
		rc = run();
	}
	cr_assert_eq(rc, -ENOSPC, "%s", result.reason);
	return i - 1;
}

static void add_many(__u32 table, unsigned int n, const char *more)
{
	char text[256];
	unsigned int i;

	for (i = 0; i < n; i++) {
		snprintf(text, sizeof(text), "table=%u,udp,nw_src=10.%u.%u.%u,actions=%s", table,
			 i >> 16, i >> 8 & 255, i & 255, more);
		say(OF_ADD, text);
	}
}

Test(apply, a_list_that_does_not_fit_leaves_nothing_behind)
{
	add_many(4, 60000, "output:1");
	cr_assert_eq(run(), -ENOSPC);
	cr_assert(result.undone);
	cr_assert_gt(result.line, 1);
	cr_assert_neq(*result.reason, '\0');
	holds("");
}

Test(apply, what_a_failed_list_replaced_modified_and_deleted_comes_back_with_its_counters)
{
	char *before, *after;

	say(OF_ADD, "cookie=1,table=1,tcp,actions=output:1");
	say(OF_ADD, "cookie=2,table=1,udp,actions=output:2");
	say(OF_ADD, "cookie=3,table=2,icmp,actions=output:3");
	say(OF_ADD, "cookie=4,table=2,arp,actions=flood");
	cr_assert_eq(run(), 0);
	count_on("table=1,tcp", 10, 1000);
	count_on("table=1,udp", 20, 2000);
	count_on("table=2,icmp", 30, 3000);
	count_on("table=2,arp", 40, 4000);
	before = contents(true);

	say(OF_ADD, "cookie=9,table=1,tcp,actions=output:7");
	say(OF_ADD, "cookie=9,table=1,tcp,actions=output:8");
	say(OF_MODIFY, "table=1,udp,cookie=8,actions=output:9");
	say(OF_DELETE, "table=2");
	say(OF_ADD, "table=2,arp,actions=output:9");
	say(OF_MODIFY, "table=2,arp,actions=output:8");
	add_many(3, 60000, "output:1");
	cr_assert_eq(run(), -ENOSPC);
	cr_assert(result.undone, "%s", result.reason);
	after = contents(true);
	cr_assert_str_eq(after, before);
	free(before);
	free(after);
}

Test(apply, a_failed_list_is_taken_back_even_in_a_full_slice)
{
	char *before, *after;

	cr_assert_gt(fill(1), 100);
	before = contents(true);
	say(OF_DELETE, "table=1,tcp,nw_dst=10.0.0.0/28");
	add_many(2, 100, "output:1");
	cr_assert_eq(run(), -ENOSPC);
	cr_assert(result.undone, "%s", result.reason);
	after = contents(true);
	cr_assert_str_eq(after, before);
	free(before);
	free(after);
}

static void report(void *arg, const char *text)
{
	cr_log_warn("%s", text);
}

Test(apply, the_slice_is_consistent_after_taking_back)
{
	add_many(4, 60000, "mod_nw_ttl:1,mod_nw_dst:1.2.3.4,output:1");
	cr_assert_eq(run(), -ENOSPC);
	cr_assert_eq(cxlt_slice_check(slice, report, NULL), 0);
}

/* ---- Bundles ---- */

/* Four rules with counters; what is there then, as text. */
static char *four_rules(void)
{
	say(OF_ADD, "cookie=1,table=1,tcp,actions=output:1");
	say(OF_ADD, "cookie=2,table=1,udp,actions=output:2");
	say(OF_ADD, "cookie=3,table=2,icmp,actions=output:3");
	say(OF_ADD, "cookie=4,table=5,arp,actions=flood");
	cr_assert_eq(run(), 0);
	count_on("table=1,tcp", 10, 1000);
	count_on("table=1,udp", 20, 2000);
	count_on("table=2,icmp", 30, 3000);
	count_on("table=5,arp", 40, 4000);
	return contents(true);
}

/* Everything that a bundle can do to them. */
static void say_all_kinds(void)
{
	say(OF_ADD, "cookie=9,table=1,tcp,actions=output:7");
	say(OF_ADD, "cookie=9,table=1,tcp,actions=output:8");
	say(OF_MODIFY, "table=1,udp,cookie=8,actions=output:9");
	say(OF_DELETE, "table=2");
	say(OF_ADD, "table=2,icmp,actions=output:9");
	say(OF_MODIFY_STRICT, "table=2,icmp,actions=output:8");
	say(OF_ADD, "table=3,priority=7,sctp,actions=drop");
	say(OF_DELETE_STRICT, "table=3,priority=7,sctp");
	say(OF_ADD, "table=4,priority=7,ip,nw_dst=10.0.0.0/8,actions=drop");
}

/* The sum of lines in use. */
static __u64 lines_used(void)
{
	struct cxlt_usage usage;
	__u64 sum = 0;
	__u32 i;

	cxlt_slice_usage(slice, &usage);
	for (i = 0; i < CXLT_N_KINDS; i++)
		sum += usage.used[i];
	return sum;
}

/* `before` is freed. */
static void is_as(char *before)
{
	char *after = contents(true);

	cr_assert_str_eq(after, before);
	free(before);
	free(after);
	cr_assert_eq(cxlt_slice_check(slice, report, NULL), 0);
}

Test(apply, a_bundle_ends_where_the_same_list_ends)
{
	free(four_rules());
	say_all_kinds();
	cr_assert_eq(run_bundle(), 0, "%s", result.reason);
	cr_assert_eq(result.added, 3);
	cr_assert_eq(result.replaced, 2);
	cr_assert_eq(result.modified, 2);
	cr_assert_eq(result.deleted, 2);
	holds("1 tcp output:8 0x9\n1 udp output:9 0x8\n2 icmp output:8 0x0\n"
	      "4 priority=7,ip,nw_dst=10.0.0.0/8 drop 0x0\n5 arp FLOOD 0x4\n");
	cr_assert_eq(cxlt_slice_check(slice, report, NULL), 0);
}

Test(apply, modify_in_a_bundle_keeps_counters_and_age)
{
	struct cxlt_rule_spec spec = {.table = 1, .priority = OF_PRIORITY_DEFAULT};
	struct cxlt_rule_info before, after;
	struct of_match match;

	free(four_rules());
	cr_assert_eq(of_parse_match("tcp", &match, NULL), 0);
	spec.value = match.value;
	spec.mask = match.mask;
	cr_assert_eq(cxlt_rule_get(slice, &spec, &before), 0);
	say(OF_MODIFY, "table=1,actions=output:9");
	cr_assert_eq(run_bundle(), 0, "%s", result.reason);
	cr_assert_eq(cxlt_rule_get(slice, &spec, &after), 0);
	cr_assert_eq(after.created, before.created);
	cr_assert_eq(after.packets[0], 10);
	cr_assert_eq(after.packets[1], 11);
	cr_assert_eq(after.cookie, 1);
}

Test(apply, a_bundle_that_fails_at_its_last_flow_leaves_everything_with_counters)
{
	char *before = four_rules();

	say_all_kinds();
	say(OF_MODIFY, "arp,actions=goto_table:3");
	cr_assert_eq(run_bundle(), -EINVAL);
	cr_assert(result.undone);
	cr_assert_eq(result.line, 10);
	cr_assert(strstr(result.reason, "table 5"), "%s", result.reason);
	is_as(before);
}

Test(apply, a_bundle_that_does_not_fit_leaves_everything_with_counters)
{
	char *before = four_rules();

	say_all_kinds();
	add_many(4, 60000, "mod_nw_ttl:1,mod_nw_dst:1.2.3.4,output:1");
	cr_assert_eq(run_bundle(), -ENOSPC);
	cr_assert(result.undone);
	cr_assert_gt(result.line, 10);
	is_as(before);
}

Test(apply, bundles_that_fail_leave_the_room_that_was_there)
{
	char *before = four_rules();
	__u64 lines;
	int i;

	for (i = 0; i < 20; i++) {
		say_all_kinds();
		add_many(4, 60000, "output:1");
		cr_assert_eq(run_bundle(), -ENOSPC);
		if (!i)
			lines = lines_used();
	}
	cr_assert_eq(lines_used(), lines);
	is_as(before);
}

Test(apply, a_bundle_can_turn_a_table_over_many_times)
{
	__u64 lines = 0;
	char text[64];
	int i;

	for (i = 0; i < 50; i++) {
		say(OF_DELETE, "");
		snprintf(text, sizeof(text), "output:%d", i + 1);
		add_many(i % 3, 200, text);
		cr_assert_eq(run_bundle(), 0, "%d: %s", i, result.reason);
		cr_assert_eq(cxlt_table_rules(slice, i % 3), 200);
		if (i == 9)
			lines = lines_used();
	}
	cr_assert_leq(lines_used(), lines);
	cr_assert_eq(cxlt_slice_check(slice, report, NULL), 0);
}
