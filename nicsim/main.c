// SPDX-License-Identifier: Apache-2.0
/* nicsim: a NIC's fast path in userspace, reading the same slice as the host's programs. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "nicsim.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
} commands[] = {
	{"run", nicsim_cmd_run, "serve a slice on real devices"},
	{"stats", nicsim_cmd_stats, "packets per port, MAT hit rate, punts by reason"},
	{"bench", nicsim_cmd_bench, "the same fast path on generated or recorded packets"},
};

/* What is printed must not land in a file that happened to get a closed stream's number. */
static void keep_std_fds(void)
{
	int fd;

	for (fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd ? O_RDONLY : O_WRONLY) < 0)
			_exit(NICSIM_FAILED);
}

static int run(int argc, char **argv)
{
	size_t i;

	for (i = 0; argc > 1 && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	if (argc > 1 && (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))) {
		puts("nicsim " CXLT_VERSION);
		return 0;
	}
	if (argc > 1 && strcmp(argv[1], "--help") && strcmp(argv[1], "-h") &&
	    strcmp(argv[1], "help"))
		return nicsim_usage("no command is named '%s' (see nicsim --help)", argv[1]);
	puts("Usage: nicsim COMMAND [OPTION...]\n"
	     "A NIC's fast path that reads the tables of a slice.\n");
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		printf("  %-8s %s\n", commands[i].name, commands[i].summary);
	puts("\nnicsim COMMAND --help says more; so does nicsim(8).");
	return argc > 1 ? 0 : NICSIM_USAGE;
}

int main(int argc, char **argv)
{
	int status;

	keep_std_fds();
	/* A reader that went away is a write error like others. */
	signal(SIGPIPE, SIG_IGN);
	status = run(argc, argv);
	errno = 0;
	if (fflush(stdout) || ferror(stdout))
		status = nicsim_fail("standard output: %s", strerror(errno ? errno : EIO));
	return status;
}
