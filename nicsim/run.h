/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run.h - `nicsim run`: ports, representors and the worker's loop around the fast path.
 *
 * One thread.  A round receives a batch from each device that has something, runs what came in by
 * a port through the fast path and passes on what came from a representor, then sends all that
 * was queued and gives the received slots back.  After some idle rounds it sleeps in poll().
 *
 * Devices that vanish are let go and taken again once a device of that name appears; meanwhile
 * packets to them end with no_port.  The slice is only read, but for device counters, so nicsim
 * may die at any instruction.
 */
#ifndef CXLTAB_NICSIM_RUN_H
#define CXLTAB_NICSIM_RUN_H

#include <net/if.h>
#include <cxltab/profile.h>
#include <cxltab/stats.h>

struct cxlt_run_config {
	const char *slice;
	const char *profile; /* file, NULL: the slice's own */
	int have_mat;	     /* mat was given on the command line */
	struct cxlt_mat_config mat;
	int cpu; /* -1: any */
	__u32 spin_us;
	__u32 n_ports;
	struct {
		__u32 number;
		char dev[IFNAMSIZ];
		char rep[IFNAMSIZ]; /* "": none; punts of this port are dropped and counted */
	} port[CXLT_PORTS_MAX];
};

/* Runs until SIGTERM or SIGINT; the exit status. */
int cxlt_run(const struct cxlt_run_config *);

#endif
