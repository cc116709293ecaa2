// SPDX-License-Identifier: Apache-2.0
/* Who holds a hook. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <cxltab/slice.h>

#include "bpfobj.h"
#include "holder.h"

/* The device of a pinned link, 0 if it has none any more. */
static __u32 link_ifindex(const char *slice, const char *what)
{
	struct bpf_link_info info = {0};
	__u32 len = sizeof(info);
	int fd = pin_get(slice, what), rc;

	if (fd < 0)
		return 0;
	rc = bpf_link_get_info_by_fd(fd, &info, &len);
	close(fd);
	if (rc)
		return 0;
	return info.type == BPF_LINK_TYPE_XDP ? info.xdp.ifindex : info.tcx.ifindex;
}

bool find_port(__u32 ifindex, char *text, size_t size)
{
	DIR *dir = opendir(CXLT_PIN_DIR);
	struct dirent *e;
	bool found = false;

	while (dir && !found && (e = readdir(dir))) {
		__u32 ports[CXLT_PORTS_MAX], n, i;
		char what[32];

		if (e->d_name[0] == '.')
			continue;
		n = pin_ports(e->d_name, ports, CXLT_PORTS_MAX);
		for (i = 0; i < n && !found; i++) {
			snprintf(what, sizeof(what), "tc_%u", ports[i]);
			found = link_ifindex(e->d_name, what) == ifindex;
			/* Somebody may have taken one of the two off. */
			snprintf(what, sizeof(what), "xdp_%u", ports[i]);
			found = found || link_ifindex(e->d_name, what) == ifindex;
			if (found)
				snprintf(text, size, "port %u of slice %s", ports[i], e->d_name);
		}
	}
	if (dir)
		closedir(dir);
	return found;
}

static bool file_has_line(const char *path, const char *line)
{
	FILE *f = fopen(path, "re");
	char text[256];
	bool found = false;

	while (f && !found && fgets(text, sizeof(text), f)) {
		text[strcspn(text, "\n")] = '\0';
		found = !strcmp(text, line);
	}
	if (f)
		fclose(f);
	return found;
}

/* Does the process hold a descriptor of the program, or of a link with it? */
static bool holds(const char *pid, const char *line)
{
	char path[600];
	struct dirent *e;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%.20s/fdinfo", pid);
	dir = opendir(path);
	while (dir && !found && (e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%.20s/fdinfo/%.20s", pid, e->d_name);
		found = file_has_line(path, line);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* The first process that holds it: "; held by COMMAND, process P", or nothing. */
static void find_process(__u32 prog_id, char *text, size_t size)
{
	char line[40], path[64], comm[32] = "";
	DIR *dir = opendir("/proc");
	struct dirent *e;
	FILE *f;

	*text = '\0';
	snprintf(line, sizeof(line), "prog_id:\t%u", prog_id);
	while (dir && !*text && (e = readdir(dir))) {
		if (!isdigit((unsigned char)e->d_name[0]) || atoi(e->d_name) == getpid() ||
		    !holds(e->d_name, line))
			continue;
		snprintf(path, sizeof(path), "/proc/%.20s/comm", e->d_name);
		f = fopen(path, "re");
		if (f && fgets(comm, sizeof(comm), f))
			comm[strcspn(comm, "\n")] = '\0';
		if (f)
			fclose(f);
		snprintf(text, size, "; held by %s, process %.20s", comm, e->d_name);
	}
	if (dir)
		closedir(dir);
}

void describe_holder(__u32 prog_id, __u32 ifindex, char *text, size_t size)
{
	struct bpf_prog_info info = {0};
	__u32 len = sizeof(info);
	char who[160] = "", port[300];
	int fd = bpf_prog_get_fd_by_id(prog_id);

	if (fd < 0 || bpf_prog_get_info_by_fd(fd, &info, &len)) {
		snprintf(text, size, "program id %u", prog_id);
	} else {
		if (find_port(ifindex, port, sizeof(port)))
			snprintf(who, sizeof(who), "; it is %.140s", port);
		else
			find_process(prog_id, who, sizeof(who));
		snprintf(text, size, "program '%s' (id %u, loaded by uid %u%s)", info.name, prog_id,
			 info.created_by_uid, who);
	}
	if (fd >= 0)
		close(fd);
}
