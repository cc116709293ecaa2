/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nicsim.h - what the commands of the nicsim program share.
 *
 * A command returns the exit status: 0, 1 failed, 2 usage.  Results go to stdout, notes and
 * errors to stderr as "nicsim: ...".
 */
#ifndef CXLTAB_NICSIM_NICSIM_H
#define CXLTAB_NICSIM_NICSIM_H

enum {
	NICSIM_FAILED = 1,
	NICSIM_USAGE = 2,
};

int nicsim_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), cold));
int nicsim_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2), cold));
void nicsim_note(const char *fmt, ...) __attribute__((format(printf, 1, 2), cold));

/* argv[0] is the command's name. */
int nicsim_cmd_run(int argc, char **argv);
int nicsim_cmd_stats(int argc, char **argv);
int nicsim_cmd_bench(int argc, char **argv);

#endif
