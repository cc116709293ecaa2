// SPDX-License-Identifier: Apache-2.0
/* replace-flows, diff-flows. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apply.h"
#include "cxltab.h"
#include "flowfile.h"
#include "flowset.h"
#include "json.h"

/* A flow file on its way into a set. */
struct gather {
	struct flowset *set;
	__u32 n_tables; /* 0: any will do */
};

static int gather(void *arg, const struct of_flow *flow, unsigned int line, struct of_error *err)
{
	struct gather *g = arg;
	int rc;

	if (flow->mode != OF_ADD) {
		snprintf(err->reason, sizeof(err->reason),
			 "a modification; here a file says what flows there are");
		return -EINVAL;
	}
	rc = g->n_tables ? flowfile_check_tables(flow, g->n_tables, err) : 0;
	if (rc)
		return rc;
	rc = flowset_put_flow(g->set, flow, line);
	if (rc)
		snprintf(err->reason, sizeof(err->reason), "out of memory");
	return rc;
}

/* ---- replace-flows ---- */

static void print_replaced(const struct apply_result *r, __u64 same)
{
	struct json j;

	json_start(&j, stdout);
	json_object(&j, NULL);
	json_u64(&j, "added", r->added);
	json_u64(&j, "replaced", r->replaced);
	json_u64(&j, "deleted", r->deleted);
	json_u64(&j, "unchanged", same);
	json_end(&j);
}

/* Compares and stores under one hold of the lock.  0 or -errno, explained in the result. */
static int replace(struct flowset *want, struct cxlt_slice *slice, struct apply_result *result,
		   __u64 *same)
{
	struct apply_list list = {0};
	struct cxlt_writer *writer;
	int rc;

	memset(result, 0, sizeof(*result));
	rc = cxlt_writer_open(slice, &writer);
	if (!rc) {
		rc = cxlt_writer_lock(writer);
		if (rc)
			cxlt_writer_close(writer);
	}
	if (rc) {
		snprintf(result->reason, sizeof(result->reason), "%s", cxlt_error_text());
		return rc;
	}
	rc = flowset_changes(want, slice, &list, same);
	if (rc)
		snprintf(result->reason, sizeof(result->reason), "%s", strerror(-rc));
	else if (list.count)
		rc = apply_bundle(&list, slice, writer, result);
	cxlt_writer_unlock(writer);
	cxlt_writer_close(writer);
	apply_free(&list);
	return rc;
}

static int replace_flows(const char *spec, const char *path, bool as_json)
{
	struct cxlt_slice *slice = cli_slice(spec, CXLT_ATTACH_WRITE);
	struct apply_result result;
	struct flowset want = {0};
	struct gather g = {.set = &want};
	__u64 same = 0;
	int status;

	if (!slice)
		return CLI_FAILED;
	g.n_tables = cxlt_slice_directory(slice)->n_tables;
	status = flowfile_read(path, OF_ADD, gather, &g);
	if (!status && replace(&want, slice, &result, &same)) {
		if (result.line)
			status = cli_fail("%s:%u: %s (nothing was changed)", flowfile_name(path),
					  result.line, result.reason);
		else
			status = cli_fail_slice(spec, result.reason);
	} else if (!status && as_json) {
		print_replaced(&result, same);
	}
	flowset_free(&want);
	cxlt_slice_close(slice);
	return status;
}

int cmd_replace_flows(int argc, char **argv)
{
	bool as_json = false, bundle = false;
	const struct cli_option options[] = {
		{"--bundle", NULL, CLI_FLAG, &bundle, "as ovs-ofctl has it; it always is one",
		 NULL},
		{"--json", NULL, CLI_FLAG, &as_json, "print what was done, as JSON", NULL},
		{0},
	};
	const struct cli_syntax syntax = {
		"replace-flows",
		"SLICE FILE|-",
		2,
		2,
		options,
		"Makes the slice have exactly the flows of a file (-: standard input), by\n"
		"storing what differs, as a bundle: packets see all of it at once.  A rule with\n"
		"the same table, priority, match, cookie and actions is left alone, with its\n"
		"counters and age; one whose cookie or actions differ is replaced as by add-flow,\n"
		"and its counters start anew; one that the file doesn't have is deleted.  An\n"
		"error changes nothing.  To see what would be done:\n"
		"  cxltab diff-flows demo ./new.flows\n",
	};
	int n = cli_parse(&syntax, argc, argv);

	if (n < 0)
		return ~n;
	return replace_flows(argv[1], argv[2], as_json);
}

/* ---- diff-flows: reading ---- */

static bool is_slice_file(int fd)
{
	__u64 magic;

	/* Pipes can't be read at a place, and are no slices. */
	return pread(fd, &magic, sizeof(magic), 0) == sizeof(magic) && magic == CXLT_MAGIC;
}

static bool is_arena(const char *source)
{
	char path[512];

	snprintf(path, sizeof(path), CXLT_PIN_DIR "/%s", source);
	return cli_is_arena(source) && !access(path, F_OK);
}

/* Takes over the slice. */
static int read_slice(struct flowset *set, struct cxlt_slice *slice, const char *source)
{
	int rc = flowset_put_slice(set, slice);

	cxlt_slice_close(slice);
	return rc ? cli_fail_errno(rc, "%s", source) : CLI_OK;
}

/* A name is a slice's if there is one, else a file's; a file is a slice if it begins like one. */
static int read_source(struct flowset *set, const char *source)
{
	struct gather g = {.set = set};
	struct cxlt_slice *slice;
	int fd, status;

	if (!strcmp(source, "-"))
		return flowfile_read(source, OF_ADD, gather, &g);
	if (is_arena(source)) {
		slice = cli_slice(source, CXLT_ATTACH_READ);
		return slice ? read_slice(set, slice, source) : CLI_FAILED;
	}
	fd = open(source, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && cli_is_arena(source))
		return cli_fail("%s: neither a slice nor a file", source);
	if (fd < 0)
		return cli_fail_errno(errno, "%s", source);
	if (!is_slice_file(fd))
		status = flowfile_read_fd(fd, source, OF_ADD, gather, &g);
	else if (cxlt_slice_attach_fd(fd, CXLT_ATTACH_READ, &slice))
		status = cli_fail_slice(source, cxlt_error_text());
	else
		status = read_slice(set, slice, source);
	close(fd);
	return status;
}

/* ---- diff-flows: comparing ---- */

/* What differs: of one identity the flow of each source, or NULL. */
struct difference {
	const struct flowset_flow *from, *to;
	char *match;
};

struct differences {
	struct difference *d;
	size_t n, room;
};

static int add_difference(struct differences *all, const struct flowset_flow *from,
			  const struct flowset_flow *to)
{
	const struct flowset_flow *either = from ? from : to;
	struct cxlt_rule_spec spec;
	struct of_match match;
	char text[OF_TEXT_MAX];

	if (all->n == all->room) {
		size_t room = all->room ? all->room * 2 : 64;
		struct difference *d = realloc(all->d, room * sizeof(*d));

		if (!d)
			return -ENOMEM;
		all->d = d;
		all->room = room;
	}
	flowset_spec(either, &spec);
	match = (struct of_match){spec.value, spec.mask};
	of_format_match(&match, either->priority, text, sizeof(text));
	all->d[all->n] = (struct difference){from, to, strdup(text)};
	return all->d[all->n].match ? (all->n++, 0) : -ENOMEM;
}

/* As dump-flows: table, then priority from high to low, then match. */
static int in_order(const void *a, const void *b)
{
	const struct difference *x = a, *y = b;
	const struct flowset_flow *f = x->from ? x->from : x->to, *g = y->from ? y->from : y->to;

	if (f->table != g->table)
		return f->table < g->table ? -1 : 1;
	if (f->priority != g->priority)
		return f->priority > g->priority ? -1 : 1;
	return strcmp(x->match, y->match);
}

static int compare(const struct flowset *a, const struct flowset *b, struct differences *all)
{
	const struct flowset_flow *f, *other;
	struct cxlt_rule_spec spec;
	int rc = 0;

	for (f = flowset_next(a, NULL); f && !rc; f = flowset_next(a, f)) {
		flowset_spec(f, &spec);
		other = flowset_find(b, &spec);
		if (!other || !flowset_same(other, &spec))
			rc = add_difference(all, f, other);
	}
	for (f = flowset_next(b, NULL); f && !rc; f = flowset_next(b, f)) {
		flowset_spec(f, &spec);
		if (!flowset_find(a, &spec))
			rc = add_difference(all, NULL, f);
	}
	if (all->n)
		qsort(all->d, all->n, sizeof(*all->d), in_order);
	return rc;
}

/* ---- diff-flows: printing ---- */

static void format_actions(const struct flowset_flow *f, char *text)
{
	struct cxlt_rule_spec spec;

	flowset_spec(f, &spec);
	of_format_actions(spec.prog, spec.n_prog, text, OF_TEXT_MAX);
}

/* "-table=1 priority=5,tcp cookie=0x5 actions=output:2" */
static void print_flow(char sign, const struct flowset_flow *f, const char *match)
{
	char actions[OF_TEXT_MAX];

	if (!f)
		return;
	format_actions(f, actions);
	putchar(sign);
	if (f->table)
		printf("table=%u ", f->table);
	if (*match)
		printf("%s ", match);
	if (f->cookie)
		printf("cookie=0x%llx ", f->cookie);
	printf("actions=%s\n", actions);
}

static void json_version(struct json *j, const char *key, const struct flowset_flow *f)
{
	char actions[OF_TEXT_MAX];

	if (!f) {
		json_null(j, key);
		return;
	}
	format_actions(f, actions);
	json_object(j, key);
	json_u64(j, "cookie", f->cookie);
	json_string(j, "actions", actions);
	json_end(j);
}

static void json_difference(struct json *j, const struct difference *d)
{
	const struct flowset_flow *f = d->from ? d->from : d->to;
	char text[OF_TEXT_MAX];
	struct cxlt_rule_spec spec;
	struct of_match match;

	flowset_spec(f, &spec);
	match = (struct of_match){spec.value, spec.mask};
	of_format_match(&match, OF_PRIORITY_DEFAULT, text, sizeof(text));
	json_object(j, NULL);
	json_u64(j, "table", f->table);
	json_u64(j, "priority", f->priority);
	json_string(j, "match", text);
	json_version(j, "from", d->from);
	json_version(j, "to", d->to);
	json_end(j);
}

static void print_all(const struct differences *all, bool as_json)
{
	struct json j;
	size_t i;

	json_start(&j, stdout);
	if (as_json)
		json_array(&j, NULL);
	for (i = 0; i < all->n; i++) {
		if (as_json) {
			json_difference(&j, &all->d[i]);
			continue;
		}
		print_flow('-', all->d[i].from, all->d[i].match);
		print_flow('+', all->d[i].to, all->d[i].match);
	}
	if (as_json)
		json_end(&j);
}

static int diff_flows(const char *from, const char *to, bool as_json)
{
	struct flowset a = {0}, b = {0};
	struct differences all = {0};
	int status = read_source(&a, from);

	if (!status)
		status = read_source(&b, to);
	if (!status && compare(&a, &b, &all))
		status = cli_fail("out of memory");
	if (!status) {
		print_all(&all, as_json);
		status = all.n ? CLI_DIFFER : CLI_OK;
	}
	while (all.n)
		free(all.d[--all.n].match);
	free(all.d);
	flowset_free(&a);
	flowset_free(&b);
	return status;
}

int cmd_diff_flows(int argc, char **argv)
{
	bool as_json = false;
	const struct cli_option options[] = {
		{"--json", NULL, CLI_FLAG, &as_json, "as JSON, a list of differences", NULL},
		{0},
	};
	const struct cli_syntax syntax = {
		"diff-flows",
		"SOURCE1 SOURCE2",
		2,
		2,
		options,
		"Prints the flows that only SOURCE1 has, with '-' before them, and those that\n"
		"only SOURCE2 has, with '+'; both, if table, priority and match agree but cookie\n"
		"or actions don't.  Counters and age don't matter.\n"
		"A source is a slice or a flow file (-: standard input).  A name without '/' is a\n"
		"slice's if there is one, else a file's; a file that begins as slices do is one.\n"
		"  cxltab diff-flows demo ./new.flows\n"
		"Exits with 0 if nothing differs, 2 if something does, 1 after an error.\n",
	};
	int n = cli_parse(&syntax, argc, argv);

	/* To scripts 2 must mean a difference, and nothing else. */
	if (n < 0)
		return ~n == CLI_OK ? CLI_OK : CLI_FAILED;
	if (!strcmp(argv[1], "-") && !strcmp(argv[2], "-"))
		return cli_fail("diff-flows: only one source can be standard input");
	return diff_flows(argv[1], argv[2], as_json);
}
