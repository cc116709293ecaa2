// SPDX-License-Identifier: Apache-2.0
/* add-flow, add-flows, mod-flows, del-flows. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apply.h"
#include "cxltab.h"
#include "json.h"

/* Flows on their way from the command line or a file into a slice. */
struct flows {
	const char *command;
	const char *spec;   /* the slice */
	const char *source; /* the file's name, NULL for the command line */
	bool json;
	__u32 n_tables;
	struct apply_list list;
};

/* What the text can't say by itself: does this slice have these tables? */
static int check_tables(const struct flows *f, const struct of_flow *flow, struct of_error *err)
{
	int next = of_program_goto(flow->prog, flow->n_prog);

	if (flow->table != OF_TABLE_ANY && flow->table >= f->n_tables)
		snprintf(err->reason, sizeof(err->reason), "table %u: the slice has tables 0 to %u",
			 flow->table, f->n_tables - 1);
	else if (next >= 0 && (__u32)next >= f->n_tables)
		snprintf(err->reason, sizeof(err->reason),
			 "goto_table:%d: the slice has tables 0 to %u", next, f->n_tables - 1);
	else
		return 0;
	return -EINVAL;
}

static int gather(void *arg, const struct of_flow *flow, unsigned int line, struct of_error *err)
{
	struct flows *f = arg;
	int rc = check_tables(f, flow, err);

	if (!rc) {
		rc = apply_add(&f->list, flow, line);
		if (rc)
			snprintf(err->reason, sizeof(err->reason), "out of memory");
	}
	return rc;
}

static void print_result(const struct apply_result *r)
{
	struct json j;

	json_start(&j, stdout);
	json_object(&j, NULL);
	json_u64(&j, "added", r->added);
	json_u64(&j, "replaced", r->replaced);
	json_u64(&j, "modified", r->modified);
	json_u64(&j, "deleted", r->deleted);
	json_end(&j);
}

/* Stores the list, whole or not at all. */
static int store(struct flows *f, struct cxlt_slice *slice)
{
	struct apply_result result;
	struct cxlt_writer *writer;
	int rc;

	if (cxlt_writer_open(slice, &writer))
		return cli_fail_slice(f->spec, cxlt_error_text());
	rc = apply_run(&f->list, slice, writer, &result);
	cxlt_writer_close(writer);
	if (rc && !result.undone)
		return cli_fail("%s: %s; taking back what was stored before failed too: run "
				"'cxltab dump-flows' to see what is there",
				f->spec, result.reason);
	if (rc && f->source && result.line)
		return cli_fail("%s:%u: %s (nothing was changed)", f->source, result.line,
				result.reason);
	if (rc)
		return cli_fail_slice(f->spec, result.reason);
	if (f->json)
		print_result(&result);
	return CLI_OK;
}

/* The whole file, in memory that the caller frees; what changes it meanwhile can't harm. */
static char *read_all(int fd, size_t *len)
{
	struct stat st;
	size_t room = 65536, n = 0;
	char *buf;

	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size > 0)
		room = st.st_size + 1;
	buf = malloc(room);
	while (buf) {
		ssize_t got = read(fd, buf + n, room - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			free(buf);
			return NULL;
		}
		if (!got)
			break;
		n += got;
		if (n == room) {
			char *more = realloc(buf, room *= 2);

			if (!more)
				free(buf);
			buf = more;
		}
	}
	*len = n;
	return buf;
}

static int read_file(struct flows *f, const char *path, enum of_mode mode)
{
	int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
	struct of_error err = {0};
	char text[OF_REASON_MAX + 512], *buf;
	size_t len;
	int rc;

	f->source = fd == STDIN_FILENO ? "stdin" : path;
	if (fd < 0)
		return cli_fail_errno(errno, "%s", path);
	buf = read_all(fd, &len);
	if (!buf)
		rc = cli_fail_errno(errno, "%s", f->source);
	if (fd != STDIN_FILENO)
		close(fd);
	if (!buf)
		return rc;
	rc = of_read_flows_buf(buf, len, mode, gather, f, &err);
	free(buf);
	if (rc)
		return cli_fail("%s", of_error_text(&err, f->source, text, sizeof(text)));
	return CLI_OK;
}

/* A flow on the command line: errors say the column in it. */
static int read_flow(struct flows *f, const char *flow_text, enum of_mode mode)
{
	struct of_error err = {0};
	struct of_flow flow;
	int rc = of_parse_flow(flow_text, mode, &flow, &err);

	if (!rc)
		rc = gather(f, &flow, 0, &err);
	if (rc && err.column)
		return cli_fail("%s: '%s', column %d: %s", f->command, flow_text, err.column,
				err.reason);
	if (rc)
		return cli_fail("%s: '%s': %s", f->command, flow_text, err.reason);
	return CLI_OK;
}

/* Exactly one of `path` and `flow` is given; "-" is standard input either way. */
static int run(struct flows *f, const char *path, const char *flow, enum of_mode mode)
{
	struct cxlt_slice *slice = cli_slice(f->spec, CXLT_ATTACH_WRITE);
	int status;

	if (!slice)
		return CLI_FAILED;
	if (flow && !strcmp(flow, "-"))
		path = flow;
	f->n_tables = cxlt_slice_directory(slice)->n_tables;
	status = path ? read_file(f, path, mode) : read_flow(f, flow, mode);
	if (!status)
		status = store(f, slice);
	apply_free(&f->list);
	cxlt_slice_close(slice);
	return status;
}

int cmd_add_flow(int argc, char **argv)
{
	struct flows f = {.command = "add-flow"};
	const struct cli_option options[] = {
		{"--json", NULL, CLI_FLAG, &f.json, "print what was done, as JSON", NULL},
		{0},
	};
	const struct cli_syntax syntax = {
		f.command,
		"SLICE FLOW|-",
		2,
		2,
		options,
		"Stores one rule, or (-) those of standard input, in ovs-ofctl's syntax:\n"
		"  cxltab add-flow demo "
		"'table=1,priority=5,tcp,nw_dst=10.0.0.0/8,actions=output:2'\n"
		"A rule with the same table, priority and match is replaced, and its counters "
		"start\n"
		"anew.  Both datapaths obey as soon as the command returns.\n",
	};
	int n = cli_parse(&syntax, argc, argv);

	if (n < 0)
		return ~n;
	f.spec = argv[1];
	return run(&f, NULL, argv[2], OF_ADD);
}

int cmd_add_flows(int argc, char **argv)
{
	struct flows f = {.command = "add-flows"};
	const struct cli_option options[] = {
		{"--json", NULL, CLI_FLAG, &f.json, "print what was done, as JSON", NULL},
		{0},
	};
	const struct cli_syntax syntax = {
		f.command,
		"SLICE FILE|-",
		2,
		2,
		options,
		"Stores the flows of a file (-: standard input), one a line.  # begins a comment.\n"
		"A line may begin with add, modify, modify_strict, delete or delete_strict; "
		"without,\n"
		"it is add.  All of it is read before anything is stored: an error names file, "
		"line\n"
		"and column and changes nothing.  If storing fails (no room), what was stored "
		"before\n"
		"is taken back.  Packets meanwhile see the file's flows one after the other.\n",
	};
	int n = cli_parse(&syntax, argc, argv);

	if (n < 0)
		return ~n;
	f.spec = argv[1];
	return run(&f, argv[2], NULL, OF_ADD);
}

int cmd_mod_flows(int argc, char **argv)
{
	struct flows f = {.command = "mod-flows"};
	bool strict = false;
	const struct cli_option options[] = {
		{"--strict", NULL, CLI_FLAG, &strict, "only the rule with this match and priority",
		 NULL},
		{"--json", NULL, CLI_FLAG, &f.json, "print what was done, as JSON", NULL},
		{0},
	};
	const struct cli_syntax syntax = {
		f.command,
		"SLICE FLOW|-",
		2,
		2,
		options,
		"Gives new actions to each rule whose match is FLOW's or narrower, in FLOW's "
		"table\n"
		"or in all.  Counters and age stay, the cookie too unless cookie=V gives a new "
		"one;\n"
		"cookie=V/M selects by cookie.  With - the flows are read from standard input, one "
		"a\n"
		"line.  No rule selected is no error and, as in OpenFlow 1.1 and later, adds "
		"none.\n",
	};
	int n = cli_parse(&syntax, argc, argv);

	if (n < 0)
		return ~n;
	f.spec = argv[1];
	return run(&f, NULL, argv[2], strict ? OF_MODIFY_STRICT : OF_MODIFY);
}

int cmd_del_flows(int argc, char **argv)
{
	struct flows f = {.command = "del-flows"};
	bool strict = false;
	const struct cli_option options[] = {
		{"--strict", NULL, CLI_FLAG, &strict, "only the rule with this match and priority",
		 NULL},
		{"--json", NULL, CLI_FLAG, &f.json, "print what was done, as JSON", NULL},
		{0},
	};
	const struct cli_syntax syntax = {
		f.command,
		"SLICE [MATCH|-]",
		1,
		2,
		options,
		"Deletes each rule whose match is MATCH or narrower; without MATCH, all rules.\n"
		"table=N, cookie=V/M and out_port=N in MATCH select further:\n"
		"  cxltab del-flows demo 'table=1,tcp,nw_dst=10.0.0.0/8'\n"
		"With - the matches are read from standard input, one a line.  No rule selected "
		"is\n"
		"no error.\n",
	};
	int n = cli_parse(&syntax, argc, argv);

	if (n < 0)
		return ~n;
	f.spec = argv[1];
	return run(&f, NULL, n > 1 ? argv[2] : "", strict ? OF_DELETE_STRICT : OF_DELETE);
}
