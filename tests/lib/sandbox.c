// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mount.h>

#include "sandbox.h"

int sandbox_enter(const char **what)
{
	*what = "unshare";
	if (unshare(CLONE_NEWNS | CLONE_NEWNET))
		return -errno;
	*what = "mount --make-rprivate /";
	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -errno;
	*what = "mount of a tmpfs on /run";
	if (mount("none", "/run", "tmpfs", 0, "mode=0755"))
		return -errno;
	*what = "mount of a bpffs on /sys/fs/bpf";
	if (mount("none", "/sys/fs/bpf", "bpf", 0, "mode=0700"))
		return -errno;
	return 0;
}
