// SPDX-License-Identifier: Apache-2.0
/* The slow path's programs: open, load, pin, take over. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cxltab/view.h>

#include "bpfobj.h"
#include "cxltab.h"
#include "tc_slowpath.skel.h"
#include "xdp_slowpath.skel.h"

/* Maps that both programs use, and that outlive them; the last one is XDP's alone. */
static const char *const shared_maps[] = {
	"devices", "ports", "flood", "port_stats", "path_stats", "upcalls", "redirects",
};

enum {
	N_SHARED = sizeof(shared_maps) / sizeof(shared_maps[0]),
};

/* ---- libbpf's complaints: kept, and shown if it comes to an error ---- */

static char complaints[4096];

static int keep_complaint(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	size_t at = strlen(complaints), room = sizeof(complaints) - at;
	int n;

	if (level != LIBBPF_WARN || room < 2)
		return 0;
	n = vsnprintf(complaints + at, room, fmt, ap);
	return n;
}

static int fail_load(int err, const char *what)
{
	char *line = strtok(complaints, "\n");

	cli_fail_errno(err, "loading the %s program%s", what,
		       err == -EPERM ? " (CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON are needed)" : "");
	for (; line && getenv("CXLTAB_DEBUG"); line = strtok(NULL, "\n"))
		cli_note("%s", line);
	return CLI_FAILED;
}

/* ---- Pins ---- */

const char *pin_path(char *buf, const char *name, const char *what)
{
	snprintf(buf, PIN_PATH, CXLT_PIN_DIR "/%s%s%s", name, *what ? "/" : "", what);
	return buf;
}

int pin_get(const char *name, const char *what)
{
	char path[PIN_PATH];
	int fd = bpf_obj_get(pin_path(path, name, what));

	return fd < 0 ? -errno : fd;
}

bool bpfobj_is_loaded(const char *name)
{
	char path[PIN_PATH];

	return !access(pin_path(path, name, "xdp_prog"), F_OK) ||
	       !access(pin_path(path, name, "devices"), F_OK);
}

static int compare_u32(const void *a, const void *b)
{
	__u32 x = *(const __u32 *)a, y = *(const __u32 *)b;

	return x < y ? -1 : x > y;
}

__u32 pin_ports(const char *name, __u32 *ports, __u32 max)
{
	char path[PIN_PATH];
	struct dirent *e;
	__u32 n = 0, port;
	DIR *dir = opendir(pin_path(path, name, ""));

	while (dir && n < max && (e = readdir(dir)))
		if (sscanf(e->d_name, "tc_%u", &port) == 1)
			ports[n++] = port;
	if (dir)
		closedir(dir);
	qsort(ports, n, sizeof(*ports), compare_u32);
	return n;
}

const char *run_path(char *buf, const char *name, const char *what)
{
	snprintf(buf, PIN_PATH, CXLT_RUN_DIR "/%s%s%s", name, *what ? "/" : "", what);
	return buf;
}

/* The lock is the folder of the slice's port files; whoever unloads removes it. */
int slice_lock(const char *name, int *fd)
{
	struct stat mine, now;
	char path[PIN_PATH];

	if (!cli_is_arena(name))
		return cli_fail("%s: programs need a slice in a BPF arena, this is a file", name);
	run_path(path, name, "");
	do {
		if ((mkdir(CXLT_RUN_DIR, 0755) && errno != EEXIST) ||
		    (mkdir(path, 0755) && errno != EEXIST && errno != ENOENT))
			return cli_fail_errno(errno, "%s", path);
		*fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (*fd < 0 && errno == ENOENT)
			continue;
		if (*fd < 0 || flock(*fd, LOCK_EX) || fstat(*fd, &mine)) {
			int err = errno;

			if (*fd >= 0)
				close(*fd);
			return cli_fail_errno(err, "%s", path);
		}
		if (!stat(path, &now) && now.st_ino == mine.st_ino)
			return CLI_OK;
		close(*fd);
	} while (1);
}

void slice_unlock(const char *name, int fd)
{
	char path[PIN_PATH];

	rmdir(run_path(path, name, "")); /* fails while there are ports */
	close(fd);
}

/* Replaces a pin, or makes it: at no time is there none. */
static int repin(int fd, const char *name, const char *what)
{
	char fresh[PIN_PATH], path[PIN_PATH], what_new[64];

	snprintf(what_new, sizeof(what_new), "%s_new", what);
	pin_path(fresh, name, what_new);
	unlink(fresh);
	if (bpf_obj_pin(fd, fresh))
		return cli_fail_errno(errno, "pinning %s", fresh);
	if (rename(fresh, pin_path(path, name, what))) {
		cli_fail_errno(errno, "renaming %s", fresh);
		unlink(fresh);
		return CLI_FAILED;
	}
	return CLI_OK;
}

int bpfobj_unpin(const char *name)
{
	static const char *const progs[] = {"xdp_prog", "tc_prog"};
	char path[PIN_PATH];
	__u32 i;

	for (i = 0; i < 2; i++)
		if (unlink(pin_path(path, name, progs[i])) && errno != ENOENT)
			return cli_fail_errno(errno, "%s", path);
	for (i = 0; i < N_SHARED; i++)
		if (unlink(pin_path(path, name, shared_maps[i])) && errno != ENOENT)
			return cli_fail_errno(errno, "%s", path);
	return CLI_OK;
}

/* ---- Open ---- */

/* Makes a map use what is pinned, if anything is. */
static int take_over(struct bpf_map *map, const char *name)
{
	struct bpf_map_info info = {0};
	__u32 len = sizeof(info);
	int fd = pin_get(name, bpf_map__name(map)), rc;

	if (fd == -ENOENT)
		return CLI_OK;
	if (fd < 0)
		return cli_fail_errno(fd, "%s: pinned map %s", name, bpf_map__name(map));
	rc = bpf_map_get_info_by_fd(fd, &info, &len);
	if (rc || info.type != bpf_map__type(map) || info.key_size != bpf_map__key_size(map) ||
	    info.value_size != bpf_map__value_size(map) ||
	    info.max_entries != bpf_map__max_entries(map)) {
		close(fd);
		return cli_fail("%s: the pinned map %s is of another version: detach its ports "
				"and run 'cxltab unload %s' first",
				name, bpf_map__name(map), name);
	}
	rc = bpf_map__reuse_fd(map, fd);
	close(fd);
	return rc ? cli_fail_errno(rc, "%s: pinned map %s", name, bpf_map__name(map)) : CLI_OK;
}

static int take_over_all(struct bpf_object *obj, const char *name)
{
	__u32 i;
	int status;

	for (i = 0; name && i < N_SHARED; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(obj, shared_maps[i]);

		status = map ? take_over(map, name) : CLI_OK;
		if (status)
			return status;
	}
	return CLI_OK;
}

/* The second object's maps are those of the first one. */
static int share(const struct bpf_object *from, struct bpf_object *to)
{
	struct bpf_map *map;
	int rc;

	bpf_object__for_each_map(map, to)
	{
		const char *name = bpf_map__name(map);
		struct bpf_map *other = bpf_object__find_map_by_name(from, name);
		bool own = strchr(name, '.') || !strcmp(name, "scratch") || !strcmp(name, "arena");

		if (own || !other || bpf_map__fd(other) < 0)
			continue;
		rc = bpf_map__reuse_fd(map, bpf_map__fd(other));
		if (rc)
			return rc;
	}
	return 0;
}

/* What both skeletons have in common; they are different types. */
#define CONFIGURE(skel, slice, config)                                       \
	({                                                                   \
		cxlt_slice_view(slice, 0, &(skel)->rodata->slice_view);      \
		(skel)->rodata->slice_view.base = 0;                         \
		(skel)->rodata->slice_id = cxlt_slice_header(slice)->id;     \
		(skel)->rodata->cxlt_dry = (config)->dry;                    \
		(skel)->rodata->cxlt_dry_every = (config)->dry_every;        \
		if (!(config)->dry)                                          \
			bpf_map__set_autocreate((skel)->maps.dry_run, 0);    \
		else                                                         \
			bpf_map__set_autocreate((skel)->maps.upcalls, 0);    \
		bpf_map__reuse_fd((skel)->maps.arena, cxlt_slice_fd(slice)); \
	})

static int open_xdp(const struct cxlt_slice *slice, const struct bpfobj_config *config,
		    struct bpfobj *o)
{
	int rc, status;

	o->xdp = xdp_slowpath_bpf__open();
	if (!o->xdp)
		return fail_load(-errno, "XDP");
	rc = CONFIGURE(o->xdp, slice, config);
	if (rc)
		return cli_fail_errno(rc, "%s: its arena", cxlt_slice_name(slice));
	status = take_over_all(o->xdp->obj, config->pins);
	if (status)
		return status;
	rc = xdp_slowpath_bpf__load(o->xdp);
	return rc ? fail_load(rc, "XDP") : CLI_OK;
}

static int open_tc(const struct cxlt_slice *slice, const struct bpfobj_config *config,
		   struct bpfobj *o)
{
	int rc;

	o->tc = tc_slowpath_bpf__open();
	if (!o->tc)
		return fail_load(-errno, "TC");
	rc = CONFIGURE(o->tc, slice, config);
	if (!rc)
		rc = share(o->xdp->obj, o->tc->obj);
	if (rc)
		return cli_fail_errno(rc, "%s: maps of the TC program", cxlt_slice_name(slice));
	rc = tc_slowpath_bpf__load(o->tc);
	return rc ? fail_load(rc, "TC") : CLI_OK;
}

int bpfobj_open(const struct cxlt_slice *slice, const struct bpfobj_config *config,
		struct bpfobj *o)
{
	libbpf_print_fn_t before = libbpf_set_print(keep_complaint);
	int status;

	complaints[0] = '\0';
	memset(o, 0, sizeof(*o));
	status = open_xdp(slice, config, o);
	if (!status)
		status = open_tc(slice, config, o);
	if (status)
		bpfobj_close(o);
	libbpf_set_print(before);
	return status;
}

void bpfobj_close(struct bpfobj *o)
{
	xdp_slowpath_bpf__destroy(o->xdp);
	tc_slowpath_bpf__destroy(o->tc);
	o->xdp = NULL;
	o->tc = NULL;
}

/* ---- Load ---- */

static int pin_maps(const struct bpfobj *o, const char *name)
{
	char path[PIN_PATH];
	__u32 i;

	for (i = 0; i < N_SHARED; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(o->xdp->obj, shared_maps[i]);

		if (!map || !access(pin_path(path, name, shared_maps[i]), F_OK))
			continue;
		if (bpf_obj_pin(bpf_map__fd(map), path))
			return cli_fail_errno(errno, "pinning %s", path);
	}
	return CLI_OK;
}

/* The link of a port gets the new program; one whose device is gone doesn't need it. */
static int update_link(const char *name, const char *kind, __u32 port, int prog)
{
	char what[32];
	int fd, rc;

	snprintf(what, sizeof(what), "%s_%u", kind, port);
	fd = pin_get(name, what);
	if (fd == -ENOENT)
		return CLI_OK;
	rc = fd < 0 ? fd : bpf_link_update(fd, prog, NULL) ? -errno : 0;
	if (fd >= 0)
		close(fd);
	if (rc && rc != -ENOLINK)
		return cli_fail_errno(rc, "%s: giving port %u the new %s program", name, port,
				      kind);
	return CLI_OK;
}

static int update_links(const struct bpfobj *o, const char *name)
{
	__u32 ports[CXLT_PORTS_MAX], n = pin_ports(name, ports, CXLT_PORTS_MAX), i;
	int status = CLI_OK;

	for (i = 0; i < n && !status; i++) {
		/* TC first: what the new XDP hands over the new TC understands. */
		status = update_link(name, "tc", ports[i], bpf_program__fd(o->tc->progs.cxlt_tc));
		if (!status)
			status = update_link(name, "xdp", ports[i],
					     bpf_program__fd(o->xdp->progs.cxlt_xdp));
	}
	return status;
}

int bpfobj_load(const char *name, bool *again)
{
	struct bpfobj_config config = {.pins = name};
	struct cxlt_slice *slice;
	struct bpfobj o;
	int status;

	slice = cli_slice(name, CXLT_ATTACH_READ);
	if (!slice)
		return CLI_FAILED;
	*again = bpfobj_is_loaded(name);
	status = bpfobj_open(slice, &config, &o);
	if (!status) {
		status = pin_maps(&o, name);
		if (!status)
			status = update_links(&o, name);
		if (!status)
			status = repin(bpf_program__fd(o.tc->progs.cxlt_tc), name, "tc_prog");
		if (!status)
			status = repin(bpf_program__fd(o.xdp->progs.cxlt_xdp), name, "xdp_prog");
		bpfobj_close(&o);
		if (status && !*again)
			bpfobj_unpin(name);
	}
	cxlt_slice_close(slice);
	return status;
}
