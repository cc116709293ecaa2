// SPDX-License-Identifier: Apache-2.0
/*
 * BPF arenas through bpf(2) itself: an attached reader, such as nicsim, needs four commands and no
 * libbpf.  What an arena asks of its users is in KERNEL.md: every process maps all of it, at the
 * address that map_extra fixes, whose low 32 bits are 0 so that a line ref is an arena pointer.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "internal.h"

/* Debian 12's linux/bpf.h predates arenas. */
enum {
	CMD_MAP_CREATE = 0,
	CMD_OBJ_PIN = 6,
	CMD_OBJ_GET = 7,
	CMD_OBJ_GET_INFO_BY_FD = 15,
	MAP_TYPE_ARENA = 33,
	FLAG_MMAPABLE = 1 << 10,
	ARENA_PAGE = 4096,
};

/* Arena i of a machine lies at (0x2000 + i) << 32; two slices of one process must differ. */
#define ARENA_FIRST 0x2000ULL
#define ARENA_COUNT 8000ULL

struct map_create_attr {
	__u32 map_type, key_size, value_size, max_entries, map_flags, inner_map_fd, numa_node;
	char map_name[16];
	__u32 map_ifindex, btf_fd, btf_key_type_id, btf_value_type_id, btf_vmlinux_value_type_id;
	__u64 map_extra __attribute__((aligned(8)));
};

struct obj_attr {
	__u64 pathname;
	__u32 bpf_fd, file_flags;
};

struct info_attr {
	__u32 bpf_fd, info_len;
	__u64 info;
};

struct map_info {
	__u32 type, id, key_size, value_size, max_entries, map_flags;
	char name[16];
	__u32 ifindex, btf_vmlinux_value_type_id;
	__u64 netns_dev, netns_ino;
	__u32 btf_id, btf_key_type_id, btf_value_type_id, pad;
	__u64 map_extra;
};

static int sys_bpf(int cmd, void *attr, unsigned int size)
{
	/* The kernel wants unknown trailing bytes to be 0, and accepts a short attr. */
	int rc = (int)syscall(SYS_bpf, cmd, attr, size);

	return rc < 0 ? -errno : rc;
}

static int map_info(int fd, struct map_info *info)
{
	struct info_attr attr = {.bpf_fd = (__u32)fd, .info_len = sizeof(*info)};

	memset(info, 0, sizeof(*info));
	attr.info = (__u64)(unsigned long)info;
	return sys_bpf(CMD_OBJ_GET_INFO_BY_FD, &attr, sizeof(attr));
}

bool cxlt_fd_is_bpf_map(int fd)
{
	struct map_info info;

	return map_info(fd, &info) == 0;
}

int cxlt_arena_map(int fd, int mode, char **mem, __u64 *size)
{
	struct map_info info;
	void *p;
	int rc = map_info(fd, &info);

	if (rc)
		return cxlt_fail(rc, "not a BPF map");
	if (info.type != MAP_TYPE_ARENA)
		return cxlt_fail(-EPROTO, "a BPF map of type %u, not an arena", info.type);
	if (!info.map_extra || (__u32)info.map_extra)
		return cxlt_fail(-EPROTO, "arena at %#llx: its low 32 bits must be 0",
				 (unsigned long long)info.map_extra);
	*size = (__u64)info.max_entries * ARENA_PAGE;
	p = mmap((void *)(unsigned long)info.map_extra, *size,
		 mode == CXLT_ATTACH_WRITE ? PROT_READ | PROT_WRITE : PROT_READ,
		 MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
	if (p == MAP_FAILED)
		return cxlt_fail(-errno, "mmap of the arena at %#llx: %s%s",
				 (unsigned long long)info.map_extra, strerror(errno),
				 errno == EEXIST ? " (already attached in this process)" : "");
	*mem = p;
	return 0;
}

/* The kernel takes letters, digits, '_' and '.' alone. */
static void set_map_name(struct map_create_attr *attr, const char *name)
{
	char *c;

	snprintf(attr->map_name, sizeof(attr->map_name), "%.15s", name);
	for (c = attr->map_name; *c; c++)
		if (!isalnum((unsigned char)*c) && *c != '.')
			*c = '_';
}

int cxlt_arena_create(const char *name, __u64 size, char **mem)
{
	unsigned int try, seed = (unsigned int)(getpid() * 2654435761U);
	int fd = -EBUSY, rc;

	for (try = 0; try < 16; try++) {
		struct map_create_attr attr = {.map_type = MAP_TYPE_ARENA};
		__u64 slot;

		seed = seed * 1103515245U + 12345U;
		slot = (seed >> 8) % ARENA_COUNT;
		attr.max_entries = (__u32)(size / ARENA_PAGE);
		attr.map_flags = FLAG_MMAPABLE;
		attr.map_extra = (ARENA_FIRST + slot) << 32;
		set_map_name(&attr, name);
		fd = sys_bpf(CMD_MAP_CREATE, &attr, sizeof(attr));
		if (fd == -EINVAL)
			return cxlt_fail(-EOPNOTSUPP, "this kernel has no BPF arenas "
						      "(Linux 6.9 or newer; package "
						      "linux-image-amd64 of backports)");
		if (fd < 0)
			return cxlt_fail(fd, "creating the arena: %s%s", strerror(-fd),
					 fd == -EPERM ? " (CAP_BPF is needed)" : "");
		rc = cxlt_arena_map(fd, CXLT_ATTACH_WRITE, mem, &size);
		if (!rc)
			return fd;
		close(fd);
		if (rc != -EEXIST)
			return rc;
	}
	return cxlt_fail(-EBUSY, "no address for another arena in this process");
}

int cxlt_arena_pin(int fd, const char *path)
{
	struct obj_attr attr = {.pathname = (__u64)(unsigned long)path, .bpf_fd = (__u32)fd};
	int rc = sys_bpf(CMD_OBJ_PIN, &attr, sizeof(attr));

	return rc ? cxlt_fail(rc, "pinning %s: %s", path, strerror(-rc)) : 0;
}

int cxlt_arena_open_pin(const char *path)
{
	struct obj_attr attr = {.pathname = (__u64)(unsigned long)path};

	return sys_bpf(CMD_OBJ_GET, &attr, sizeof(attr));
}
