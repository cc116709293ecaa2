// SPDX-License-Identifier: Apache-2.0
/* cxltab: one set of tables in coherent memory, executed by XDP, TC and a NIC alike. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cxltab.h"

static int cmd_help(int argc, char **argv);

static const struct cli_command commands[] = {
	{"slice", cmd_slice, "VERB ...", "create, list, show, check or destroy slices"},
	{"load", cmd_load, "SLICE", "load the XDP and TC programs for a slice"},
	{"unload", cmd_unload, "SLICE", "remove them"},
	{"attach", cmd_attach, "SLICE DEV --port N", "make a device port N of the slow path"},
	{"detach", cmd_detach, "SLICE DEV", "and leave it as it was"},
	{"status", cmd_status, "[SLICE]", "what is loaded and attached"},
	{"add-flow", cmd_add_flow, "SLICE FLOW", "store a rule"},
	{"add-flows", cmd_add_flows, "SLICE FILE|-", "store a file of rules, all or none"},
	{"mod-flows", cmd_mod_flows, "SLICE FLOW", "change the actions of rules"},
	{"del-flows", cmd_del_flows, "SLICE [MATCH]", "delete rules"},
	{"bundle", cmd_bundle, "SLICE FILE|-", "add, change and delete rules at one store"},
	{"replace-flows", cmd_replace_flows, "SLICE FILE|-",
	 "make the rules a file's, storing what differs"},
	{"diff-flows", cmd_diff_flows, "SOURCE1 SOURCE2", "compare slices or files of rules"},
	{"dump-flows", cmd_dump_flows, "SLICE [MATCH]", "print rules, counters, executing path"},
	{"dump-tables", cmd_dump_tables, "SLICE", "print tables"},
	{"dump-ports", cmd_dump_ports, "SLICE", "print packets per port, path and reason"},
	{"trace", cmd_trace, "SLICE PACKET", "show what happens to a packet, and why"},
	{"monitor", cmd_monitor, "SLICE", "print packets that were sent to the controller"},
	{"help", cmd_help, "[COMMAND]", "this text, or a command's"},
	{NULL, NULL, NULL, NULL},
};

static void overview(void)
{
	const struct cli_command *c;

	puts("Usage: cxltab COMMAND [ARGUMENT...]\n"
	     "Tables stored once in shared memory, executed by XDP, TC and a NIC.");
	for (c = commands; c->name; c++) {
		char left[64];

		snprintf(left, sizeof(left), "%s %s", c->name, c->operands);
		printf("  %-28s %s\n", left, c->summary);
	}
	puts("\nSLICE is a name (a BPF arena under " CXLT_PIN_DIR ") or a path with a '/'.\n"
	     "All that is printed is also there as --json.  cxltab COMMAND --help says more.");
}

static int cmd_help(int argc, char **argv)
{
	static const struct cli_syntax syntax = {
		"help", "[COMMAND]", 0, 1, NULL, "Explains a command, or lists all.\n",
	};
	char help[] = "--help", *asked[] = {argv[0], NULL, help, NULL};
	int n = cli_parse(&syntax, argc, argv);

	if (n < 0)
		return ~n;
	if (!n) {
		overview();
		return CLI_OK;
	}
	asked[1] = argv[1];
	return cli_dispatch(NULL, commands, 3, asked);
}

static int run(int argc, char **argv)
{
	if (argc < 2) {
		cli_fail("which command? (see cxltab --help)");
		return CLI_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		overview();
		return CLI_OK;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
		printf("cxltab %s, slice format %d.%d\n", CXLT_VERSION, CXLT_MAJOR, CXLT_MINOR);
		return CLI_OK;
	}
	return cli_dispatch(NULL, commands, argc, argv);
}

/*
 * A standard stream that is closed stays unusable, but its number is taken: else the next file that is
 * opened, a slice say, would get it, and what is printed would be written there.
 */
static void keep_std_fds(void)
{
	int fd;

	for (fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd ? O_RDONLY : O_WRONLY) < 0)
			_exit(CLI_FAILED);
}

int main(int argc, char **argv)
{
	int status;

	keep_std_fds();

	/* A reader that went away is a write error like others. */
	signal(SIGPIPE, SIG_IGN);
	status = run(argc, argv);
	errno = 0;
	if (fflush(stdout) || ferror(stdout) || fclose(stdout))
		status = cli_fail_errno(errno ? errno : EIO, "standard output");
	return status;
}
