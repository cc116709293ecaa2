// SPDX-License-Identifier: Apache-2.0
/* Attach and detach ports by BPF links. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>

#include "attach.h"
#include "bpfobj.h"
#include "cxltab.h"
#include "holder.h"
#include "link.h"
#include "prepare.h"

/* ---- Attach ---- */

static const char *link_pin(char *buf, const char *slice, const char *kind, __u32 port)
{
	char what[32];

	snprintf(what, sizeof(what), "%s_%u", kind, port);
	return pin_path(buf, slice, what);
}

/* Makes a link from a pinned program and pins it; 0 or -errno. */
static int make_link(const char *slice, const char *kind, __u32 port, __u32 ifindex,
		     enum bpf_attach_type type, __u32 flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = flags);
	char path[PIN_PATH], prog_name[16];
	int prog, fd, rc = 0;

	snprintf(prog_name, sizeof(prog_name), "%s_prog", kind);
	prog = pin_get(slice, prog_name);
	if (prog < 0)
		return prog;
	fd = bpf_link_create(prog, (int)ifindex, type, &opts);
	if (fd < 0)
		rc = -errno;
	else if (bpf_obj_pin(fd, link_pin(path, slice, kind, port)))
		rc = -errno;
	if (fd >= 0)
		close(fd);
	close(prog);
	return rc;
}

/* Takes the port off its hook, whoever else may hold the link. */
static void drop_link(const char *slice, const char *kind, __u32 port)
{
	char path[PIN_PATH];
	int fd = bpf_obj_get(link_pin(path, slice, kind, port));

	if (fd >= 0) {
		bpf_link_detach(fd);
		close(fd);
	}
	unlink(path);
}

static int fail_link(const struct attach_request *r, const struct link_info *link, int rc)
{
	if (rc == -EOPNOTSUPP && r->mode == MODE_NATIVE)
		return cli_fail("%s: its driver has no native XDP; try --mode generic or tc",
				r->dev);
	if (rc == -EBUSY || rc == -EEXIST) {
		struct link_info now;
		char who[HOLDER_TEXT] = "another program";

		if (!link_get_index(link->ifindex, &now) && now.xdp_prog)
			describe_holder(now.xdp_prog, link->ifindex, who, sizeof(who));
		return cli_fail("%s: its XDP hook is held by %s", r->dev, who);
	}
	return cli_fail_errno(rc, "%s: attaching the %s program", r->dev,
			      r->mode == MODE_TC ? "TC" : "XDP or TC");
}

static int make_links(const struct attach_request *r, const struct link_info *link)
{
	int rc;

	/* TC first, so that what XDP hands over is expected; and before others on the hook. */
	rc = make_link(r->slice, "tc", r->port, link->ifindex, BPF_TCX_INGRESS, BPF_F_BEFORE);
	if (!rc && r->mode != MODE_TC)
		rc = make_link(r->slice, "xdp", r->port, link->ifindex, BPF_XDP,
			       r->mode == MODE_NATIVE ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE);
	if (rc) {
		drop_link(r->slice, "xdp", r->port);
		drop_link(r->slice, "tc", r->port);
		return fail_link(r, link, rc);
	}
	return CLI_OK;
}

/* A device belongs to one slice, and an XDP hook to one program. */
static int check_hooks(const struct attach_request *r, const struct link_info *link)
{
	char who[HOLDER_TEXT];

	if (find_port(link->ifindex, who, sizeof(who)))
		return cli_fail("%s is %s already", r->dev, who);
	if (r->mode == MODE_TC || !link->xdp_prog)
		return CLI_OK;
	describe_holder(link->xdp_prog, link->ifindex, who, sizeof(who));
	return cli_fail("%s: its XDP hook is held by %s", r->dev, who);
}

/* Is the link on a device?  A pinned link outlives its device; one that can't be asked counts. */
static bool link_is_alive(const char *slice, const char *kind, __u32 port)
{
	struct bpf_link_info info = {0};
	__u32 len = sizeof(info);
	char path[PIN_PATH];
	int fd = bpf_obj_get(link_pin(path, slice, kind, port)), rc;

	if (fd < 0)
		return errno != ENOENT;
	rc = bpf_link_get_info_by_fd(fd, &info, &len);
	close(fd);
	if (rc)
		return true;
	return info.type == BPF_LINK_TYPE_XDP ? info.xdp.ifindex : info.tcx.ifindex;
}

/* The number must be free; a port whose device has vanished makes room. */
static int check_port(const struct attach_request *r)
{
	struct port_state old;
	char path[PIN_PATH];
	int status;

	if (access(link_pin(path, r->slice, "tc", r->port), F_OK))
		return CLI_OK;
	if (port_state_read(r->slice, r->port, &old))
		return cli_fail("%s: port %u is taken", r->slice, r->port);
	if (link_is_alive(r->slice, "tc", r->port) || link_is_alive(r->slice, "xdp", r->port))
		return cli_fail("%s: port %u is %s already", r->slice, r->port, old.dev);
	status = detach_port(r->slice, r->port);
	if (!status)
		cli_note("%s: cleaned up port %u, whose %s isn't attached any more", r->slice,
			 r->port, old.dev);
	return status;
}

static __u16 port_flags(const struct attach_request *r)
{
	if (r->mode == MODE_TC)
		return CXLT_PORT_TC;
	return CXLT_PORT_TC | CXLT_PORT_XDP | CXLT_PORT_REDIRECT;
}

/* With the device prepared: maps first, so that no packet meets a program without a port. */
static int connect_port(const struct attach_request *r, const struct link_info *link)
{
	struct cxlt_port p = {.port = r->port, .ifindex = link->ifindex};
	struct portmap maps;
	int status = portmap_open(r->slice, &maps);

	if (status)
		return status;
	p.flags = port_flags(r);
	status = portmap_add(&maps, &p);
	if (!status)
		status = make_links(r, link);
	if (status)
		portmap_remove(&maps, &p);
	portmap_close(&maps);
	return status;
}

/* Ports that a loader began and didn't end: killed, most likely. */
static void sweep(const char *slice)
{
	__u32 ports[CXLT_PORTS_MAX], n = port_state_list(slice, ports, CXLT_PORTS_MAX), i;
	char path[PIN_PATH];

	for (i = 0; i < n; i++)
		if (access(link_pin(path, slice, "tc", ports[i]), F_OK) &&
		    !detach_port(slice, ports[i]))
			cli_note("%s: cleaned up port %u, which wasn't attached to its end", slice,
				 ports[i]);
}

/* The file is written before anything is changed: whoever finds it can restore. */
static int prepare_port(const struct attach_request *r, const struct link_info *link,
			struct port_state *s)
{
	bool prepare = r->mode != MODE_TC && !r->peer_ready;
	int status;

	s->ifindex = link->ifindex;
	memcpy(s->dev, link->name, sizeof(s->dev));
	snprintf(s->peer_netns, sizeof(s->peer_netns), "%s", r->peer_netns ? r->peer_netns : "");
	status = prepare ? prepare_look(link, s) : CLI_OK;
	if (!status)
		status = port_state_write(r->slice, s);
	if (!status && prepare)
		status = prepare_device(link, s);
	return status;
}

int attach_port(const struct attach_request *r)
{
	struct port_state s = {.port = r->port, .mode = r->mode};
	struct link_info link;
	bool again;
	int rc = link_get(r->dev, &link), status;

	if (rc)
		return cli_fail_errno(rc, "%s", r->dev);
	sweep(r->slice);
	status = check_hooks(r, &link);
	if (!status)
		status = check_port(r);
	if (!status && !bpfobj_is_loaded(r->slice))
		status = bpfobj_load(r->slice, &again);
	if (status)
		return status;
	status = prepare_port(r, &link, &s);
	if (!status)
		status = connect_port(r, &link);
	if (status) {
		restore_device(&s);
		port_state_remove(r->slice, r->port);
	}
	return status;
}

/* ---- Detach ---- */

/*
 * The device by the name that it has now: one that was renamed is still the one that runs our
 * program, and has to be restored.
 */
static void follow_rename(const char *slice, struct port_state *s)
{
	struct bpf_link_info info = {0};
	__u32 len = sizeof(info);
	struct link_info link;
	char path[PIN_PATH];
	int fd = bpf_obj_get(link_pin(path, slice, "xdp", s->port)), rc;

	if (fd < 0)
		return;
	rc = bpf_link_get_info_by_fd(fd, &info, &len);
	close(fd);
	if (!rc && info.xdp.ifindex == s->ifindex && !link_get_index(s->ifindex, &link) &&
	    link.xdp_prog == info.prog_id)
		memcpy(s->dev, link.name, sizeof(s->dev));
}

int detach_port(const char *slice, __u32 port)
{
	struct port_state s;
	struct portmap maps;
	struct cxlt_port p;
	bool known = !port_state_read(slice, port, &s), loaded = bpfobj_is_loaded(slice);
	int status = CLI_OK;

	if (known)
		follow_rename(slice, &s);
	drop_link(slice, "xdp", port);
	drop_link(slice, "tc", port);
	if (loaded)
		status = portmap_open(slice, &maps);
	if (loaded && !status) {
		if (!bpf_map_lookup_elem(maps.ports, &port, &p))
			status = portmap_remove(&maps, &p);
		portmap_close(&maps);
	}
	if (known && !status)
		status = restore_device(&s);
	port_state_remove(slice, port);
	return status;
}

int detach_all(const char *slice)
{
	__u32 ports[CXLT_PORTS_MAX], n = port_state_list(slice, ports, CXLT_PORTS_MAX), i;
	int status = CLI_OK;

	for (i = 0; i < n; i++) {
		int one = detach_port(slice, ports[i]);

		status = status ? status : one;
	}
	return status;
}
