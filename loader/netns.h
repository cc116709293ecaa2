/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netns.h - find a network namespace, and do something in it.
 *
 * The calling thread never leaves its own namespace: work is done by a thread that enters the
 * other one and ends there.
 * Errors: 0 or a descriptor, or -errno; silent.
 */
#ifndef CXLTAB_LOADER_NETNS_H
#define CXLTAB_LOADER_NETNS_H

#include <stddef.h>

/* Opens NAME (as `ip netns` has it), a PATH with a '/', or a process's by its PID. */
int netns_open(const char *spec);
/*
 * Opens the namespace with this id (as link_nsid() tells), looking through /run/netns and the
 * processes of /proc; `where` says what it was found by.  -ENOENT: not there, or hidden from us.
 */
int netns_find(int nsid, char *where, size_t size);

/* Runs fn(arg) in the namespace; what fn returned, or -errno if it couldn't be entered. */
int netns_run(int fd, int (*fn)(void *arg), void *arg);

#endif
