// SPDX-License-Identifier: Apache-2.0
/* add-flow, add-flows, mod-flows, del-flows, bundle. */
#include <string.h>

#include "apply.h"
#include "cxltab.h"
#include "flowfile.h"
#include "json.h"

/* Flows on their way from the command line or a file into a slice. */
struct flows {
	const char *command;
	const char *spec;   /* the slice */
	const char *source; /* the file's name, NULL for the command line */
	bool bundle;
	bool json;
	__u32 n_tables;
	struct apply_list list;
};

static int gather(void *arg, const struct of_flow *flow, unsigned int line, struct of_error *err)
{
	struct flows *f = arg;
	int rc = flowfile_check_tables(flow, f->n_tables, err);

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
	rc = f->bundle ? apply_bundle(&f->list, slice, writer, &result)
		       : apply_run(&f->list, slice, writer, &result);
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
	if (path) {
		f->source = flowfile_name(path);
		status = flowfile_read(path, mode, gather, f);
	} else {
		status = read_flow(f, flow, mode);
	}
	if (!status)
		status = store(f, slice);
	apply_free(&f->list);
	cxlt_slice_close(slice);
	return status;
}

static const char bundle_help[] = "packets see all of it at once, or nothing";

int cmd_add_flow(int argc, char **argv)
{
	struct flows f = {.command = "add-flow"};
	const struct cli_option options[] = {
		{"--bundle", NULL, CLI_FLAG, &f.bundle, bundle_help, NULL},
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
		{"--bundle", NULL, CLI_FLAG, &f.bundle, bundle_help, NULL},
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
		"is taken back.  Packets meanwhile see the file's flows one after the other, "
		"unless\n"
		"it is a bundle.\n",
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
		{"--bundle", NULL, CLI_FLAG, &f.bundle, bundle_help, NULL},
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
		{"--bundle", NULL, CLI_FLAG, &f.bundle, bundle_help, NULL},
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

int cmd_bundle(int argc, char **argv)
{
	struct flows f = {.command = "bundle", .bundle = true};
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
		"Stores the modifications of a file (-: standard input) as one: each packet, in "
		"all\n"
		"tables that it visits and on both paths, sees all of them or none.  As for\n"
		"add-flows a line may begin with add, modify, modify_strict, delete or\n"
		"delete_strict, and, as for ovs-ofctl, with flow before that:\n"
		"  flow delete table=1\n"
		"  flow add table=1,tcp,tp_dst=80,actions=output:2\n"
		"They are carried out in order.  If one fails, nothing is changed.  There must be\n"
		"room for old and new rules beside each other.\n",
	};
	int n = cli_parse(&syntax, argc, argv);

	if (n < 0)
		return ~n;
	f.spec = argv[1];
	return run(&f, argv[2], NULL, OF_ADD);
}
