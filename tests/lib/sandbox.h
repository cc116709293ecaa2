/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox.h - a place of its own for a program that makes slices, pins and devices.
 *
 * The process moves into private mount and network namespaces with an own bpffs on /sys/fs/bpf and
 * an own tmpfs on /run; when it ends, however it ends, the kernel removes what it made there.
 * Root; call it before the first thread.
 */
#ifndef CXLTAB_TESTS_SANDBOX_H
#define CXLTAB_TESTS_SANDBOX_H

/* 0 or -errno; `what` is set to what failed. */
int sandbox_enter(const char **what);

#endif
