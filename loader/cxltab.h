/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cxltab.h - what the files of the cxltab program share: commands, options, errors, slices.
 *
 * A command is a function `int cmd_x(int argc, char **argv)` with argv[0] its name; it returns
 * the exit status.  It describes its syntax once (struct cli_syntax), from which come both the
 * parsing and --help.  Whoever finds an error prints it, once, and everybody above only passes
 * the status on:
 *
 *	int n = cli_parse(&syntax, argc, argv);
 *
 *	if (n < 0)
 *		return ~n;
 *	slice = cli_slice(argv[1], CXLT_ATTACH_READ);
 *	if (!slice)
 *		return CLI_FAILED;
 *
 * Results go to stdout, errors and notes to stderr as "cxltab: ...".  Write errors on stdout are
 * noticed at the end, by main().
 */
#ifndef CXLTAB_LOADER_CXLTAB_H
#define CXLTAB_LOADER_CXLTAB_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <cxltab/slice.h>

/* Exit statuses. */
enum {
	CLI_OK = 0,
	CLI_FAILED = 1, /* tried and failed; or checked and found wrong */
	CLI_USAGE = 2,	/* not tried: the command line makes no sense */
	CLI_DIFFER = 2, /* diff-flows alone, as ovs-ofctl's; for it CLI_USAGE is CLI_FAILED */
};

/* ---- Commands ---- */

struct cli_command {
	const char *name; /* NULL ends a table */
	int (*run)(int argc, char **argv);
	const char *operands; /* of the overview */
	const char *summary;
};

/* Runs the command that argv[1] names; `prefix` ("slice") is what stands before it, or NULL. */
int cli_dispatch(const char *prefix, const struct cli_command *table, int argc, char **argv);

/* cmd_slice.c */
int cmd_slice(int argc, char **argv); /* slice create|destroy, and those that follow */
/* cmd_inspect.c; called by cmd_slice() */
int cmd_slice_list(int argc, char **argv);
int cmd_slice_show(int argc, char **argv);
int cmd_slice_check(int argc, char **argv);
/* cmd_reclaim.c; called by cmd_slice() */
int cmd_slice_rebalance(int argc, char **argv);
int cmd_slice_sweep(int argc, char **argv);
/* cmd_flows.c */
int cmd_add_flow(int argc, char **argv);
int cmd_add_flows(int argc, char **argv);
int cmd_mod_flows(int argc, char **argv);
int cmd_del_flows(int argc, char **argv);
int cmd_bundle(int argc, char **argv);
/* cmd_diff.c */
int cmd_replace_flows(int argc, char **argv);
int cmd_diff_flows(int argc, char **argv);
/* cmd_dump.c */
int cmd_dump_flows(int argc, char **argv);
int cmd_dump_tables(int argc, char **argv);
/* cmd_trace.c */
int cmd_trace(int argc, char **argv);
/* programs and ports */
int cmd_load(int argc, char **argv);
int cmd_unload(int argc, char **argv);
int cmd_attach(int argc, char **argv);
int cmd_detach(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_monitor(int argc, char **argv);
int cmd_dump_ports(int argc, char **argv);

/* ---- Errors: print one line on stderr, return the exit status ---- */

/* "cxltab: TEXT".  CLI_FAILED. */
int cli_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), cold));
/* "cxltab: TEXT: strerror(err)"; err may be negative.  CLI_FAILED. */
int cli_fail_errno(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3), cold));
/* "cxltab: TEXT: cxlt_error_text()", for failed calls of libcxltab.  CLI_FAILED. */
int cli_fail_lib(const char *fmt, ...) __attribute__((format(printf, 1, 2), cold));
/* "cxltab: SPEC: REASON", or the reason alone if it names the slice itself.  CLI_FAILED. */
int cli_fail_slice(const char *spec, const char *reason);
/* "cxltab: COMMAND: TEXT (see cxltab COMMAND --help)".  CLI_USAGE. */
int cli_usage(const char *command, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), cold));
/* Not an error: what was done besides, or what to know.  "cxltab: TEXT" on stderr. */
void cli_note(const char *fmt, ...) __attribute__((format(printf, 1, 2), cold));

/* The word of a NULL-terminated list that is most like `word`, or NULL if none is near. */
const char *cli_nearest(const char *word, const char *const *words);

/* ---- Options ---- */

enum cli_kind {
	CLI_FLAG, /* bool: no argument, sets true */
	CLI_TEXT, /* const char * */
	CLI_U32,  /* __u32, decimal or 0x */
	CLI_U64,  /* __u64, likewise */
	CLI_SIZE, /* __u64 bytes, with K, M or G */
	CLI_CALL, /* cli_option_fn: for lists and options that may repeat */
};

/* 0, or the exit status after it printed an error. */
typedef int cli_option_fn(const char *command, const char *text, void *to);

struct cli_option {
	const char *name; /* "--size" */
	const char *arg;  /* "SIZE", as the help calls it; NULL for flags */
	enum cli_kind kind;
	void *to; /* where the value goes */
	const char *help;
	cli_option_fn *call;
};

struct cli_syntax {
	const char *command;		  /* "slice create" */
	const char *operands;		  /* "SLICE FLOW" */
	int min, max;			  /* number of operands */
	const struct cli_option *options; /* ends with name NULL; may be NULL */
	const char *about; /* what it does, lines of at most 79 columns, ends with \n */
};

/*
 * Options and operands in any order; "--" ends options, "-" is an operand, --opt=VALUE is fine.
 * Returns the number of operands, which are then in argv[1] and on (the rest is NULL); or, after
 * an error or --help, the complement (~) of the exit status.
 */
int cli_parse(const struct cli_syntax *, int argc, char **argv);

/* Numbers in operands: true, or false after printing an error. */
bool cli_number(const char *command, const char *what, const char *text, __u64 max, __u64 *out);
/* "64M", "1GiB", "4096". */
bool cli_size(const char *command, const char *what, const char *text, __u64 *out);

/* ---- Slices ---- */

/* Attaches; NULL after printing an error that names the slice.  mode: CXLT_ATTACH_*. */
struct cxlt_slice *cli_slice(const char *spec, int mode);
/* Is `spec` the name of an arena (no '/')? */
bool cli_is_arena(const char *spec);
/* Mounts bpffs on /sys/fs/bpf if it isn't, and says so.  0, or the exit status after an error. */
int cli_bpffs(void);

/* ---- Output ---- */

/* CLOCK_MONOTONIC in ns: what `created` and `used` are stamped with. */
__u64 cli_now(void);

#endif
