// SPDX-License-Identifier: Apache-2.0
/* The ports of a slice: maps and files. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpfobj.h"
#include "cxltab.h"
#include "portmap.h"

const char *const port_mode_name[N_MODES] = {"native", "generic", "tc"};

/* ---- Files ---- */

static const char *state_path(char *buf, const char *name, __u32 port)
{
	char what[32];

	snprintf(what, sizeof(what), "%u.port", port);
	return run_path(buf, name, what);
}

static void write_features(FILE *f, const char *whose, const struct feature *was, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		fprintf(f, "%s %s %d\n", whose, was[i].name, was[i].on);
}

int port_state_write(const char *name, const struct port_state *s)
{
	char path[PIN_PATH], fresh[PIN_PATH + 8];
	FILE *f;

	state_path(path, name, s->port);
	snprintf(fresh, sizeof(fresh), "%s.new", path);
	f = fopen(fresh, "we");
	if (!f)
		return cli_fail_errno(errno, "%s", fresh);
	fprintf(f, "device %s\nifindex %u\nmode %s\n", s->dev, s->ifindex, port_mode_name[s->mode]);
	if (*s->peer_netns)
		fprintf(f, "netns %s\n", s->peer_netns);
	write_features(f, "restore-device", s->dev_was, s->n_dev);
	write_features(f, "restore-peer", s->peer_was, s->n_peer);
	if (fclose(f) || rename(fresh, path))
		return cli_fail_errno(errno, "%s", path);
	return CLI_OK;
}

static void read_feature(const char *text, struct feature *was, size_t *n)
{
	int on;

	if (*n < FEATURES_MAX && sscanf(text, "%31s %d", was[*n].name, &on) == 2)
		was[(*n)++].on = on;
}

static void read_line(const char *key, const char *value, struct port_state *s)
{
	int m;

	if (!strcmp(key, "device"))
		snprintf(s->dev, sizeof(s->dev), "%.15s", value);
	else if (!strcmp(key, "ifindex"))
		s->ifindex = strtoul(value, NULL, 10);
	else if (!strcmp(key, "netns"))
		snprintf(s->peer_netns, sizeof(s->peer_netns), "%.255s", value);
	else if (!strcmp(key, "restore-device"))
		read_feature(value, s->dev_was, &s->n_dev);
	else if (!strcmp(key, "restore-peer"))
		read_feature(value, s->peer_was, &s->n_peer);
	else if (!strcmp(key, "mode"))
		for (m = 0; m < N_MODES; m++)
			if (!strcmp(value, port_mode_name[m]))
				s->mode = m;
}

int port_state_read(const char *name, __u32 port, struct port_state *s)
{
	char path[PIN_PATH], line[512], *value;
	FILE *f = fopen(state_path(path, name, port), "re");

	memset(s, 0, sizeof(*s));
	s->port = port;
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		value = strchr(line, ' ');
		if (!value)
			continue;
		*value++ = '\0';
		read_line(line, value, s);
	}
	fclose(f);
	return 0;
}

void port_state_remove(const char *name, __u32 port)
{
	char path[PIN_PATH];

	unlink(state_path(path, name, port));
}

static int compare_u32(const void *a, const void *b)
{
	__u32 x = *(const __u32 *)a, y = *(const __u32 *)b;

	return x < y ? -1 : x > y;
}

__u32 port_state_list(const char *name, __u32 *ports, __u32 max)
{
	__u32 n = pin_ports(name, ports, max), links = n, port, i;
	char path[PIN_PATH], end[8];
	DIR *dir = opendir(run_path(path, name, ""));
	struct dirent *e;

	while (dir && n < max && (e = readdir(dir))) {
		if (sscanf(e->d_name, "%u.%7s", &port, end) != 2 || strcmp(end, "port"))
			continue;
		for (i = 0; i < links && ports[i] != port; i++)
			;
		if (i == links)
			ports[n++] = port;
	}
	if (dir)
		closedir(dir);
	qsort(ports, n, sizeof(*ports), compare_u32);
	return n;
}

/* ---- Maps ---- */

int portmap_open(const char *name, struct portmap *m)
{
	static const char *const what[] = {"devices", "ports", "flood", "redirects", "port_stats"};
	int *fds[] = {&m->devices, &m->ports, &m->flood, &m->redirects, &m->port_stats}, i;

	for (i = 0; i < 5; i++)
		*fds[i] = -1;
	for (i = 0; i < 5; i++) {
		*fds[i] = pin_get(name, what[i]);
		if (*fds[i] < 0) {
			int err = *fds[i];

			portmap_close(m);
			return cli_fail_errno(err, "%s: pinned map %s", name, what[i]);
		}
	}
	return CLI_OK;
}

void portmap_close(struct portmap *m)
{
	int *fds[] = {&m->devices, &m->ports, &m->flood, &m->redirects, &m->port_stats}, i;

	for (i = 0; i < 5; i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

static int by_port(const void *a, const void *b)
{
	const struct cxlt_port *x = a, *y = b;

	return x->port < y->port ? -1 : x->port > y->port;
}

__u32 portmap_list(const struct portmap *m, struct cxlt_port *out, __u32 max)
{
	__u32 key, *at = NULL, n = 0;

	while (n < max && !bpf_map_get_next_key(m->ports, at, &key)) {
		at = &key;
		if (!bpf_map_lookup_elem(m->ports, &key, &out[n]))
			n++;
	}
	qsort(out, n, sizeof(*out), by_port);
	return n;
}

static int clear_stats(const struct portmap *m, __u32 slot)
{
	int cpus = libbpf_num_possible_cpus(), rc = 0;
	struct cxlt_port_stats *zero;
	__u32 path, at;

	if (cpus < 0)
		return cpus;
	zero = calloc(cpus, sizeof(*zero));
	if (!zero)
		return -ENOMEM;
	for (path = 0; path < CXLT_N_PATHS && !rc; path++) {
		at = slot + path * CXLT_PORTS_MAX;
		rc = bpf_map_update_elem(m->port_stats, &at, zero, BPF_ANY);
	}
	free(zero);
	return rc;
}

/* Brings what depends on all ports up to date: flood list, and who may meet a port without XDP. */
static int publish(const struct portmap *m)
{
	static struct cxlt_flood flood;
	__u32 zero = 0, i, mixed = 0;
	int rc = 0;

	memset(&flood, 0, sizeof(flood));
	flood.n = portmap_list(m, flood.port, CXLT_PORTS_MAX);
	for (i = 0; i < flood.n; i++)
		if (!(flood.port[i].flags & CXLT_PORT_REDIRECT))
			mixed = CXLT_PORT_MIXED;
	for (i = 0; i < flood.n && !rc; i++) {
		struct cxlt_port *p = &flood.port[i];

		p->flags = (p->flags & ~CXLT_PORT_MIXED) | mixed;
		rc = bpf_map_update_elem(m->devices, &p->ifindex, p, BPF_ANY);
	}
	return rc ? rc : bpf_map_update_elem(m->flood, &zero, &flood, BPF_ANY);
}

static int choose_slot(const struct portmap *m, __u16 *slot)
{
	struct cxlt_port all[CXLT_PORTS_MAX] = {{0}};
	__u32 n = portmap_list(m, all, CXLT_PORTS_MAX), i, s;

	for (s = 0; s < CXLT_PORTS_MAX; s++) {
		for (i = 0; i < n && all[i].slot != s; i++)
			;
		if (i == n) {
			*slot = s;
			return 0;
		}
	}
	return -ENOSPC;
}

int portmap_add(const struct portmap *m, struct cxlt_port *p)
{
	int rc = choose_slot(m, &p->slot);
	__u32 slot = p->slot;

	if (rc)
		return cli_fail("a slice has at most %d ports", CXLT_PORTS_MAX);
	rc = clear_stats(m, slot);
	if (!rc && p->flags & CXLT_PORT_REDIRECT)
		rc = bpf_map_update_elem(m->redirects, &slot, &p->ifindex, BPF_ANY);
	if (!rc)
		rc = bpf_map_update_elem(m->ports, &p->port, p, BPF_ANY);
	if (!rc)
		rc = publish(m);
	return rc ? cli_fail_errno(rc, "making port %u known", p->port) : CLI_OK;
}

int portmap_remove(const struct portmap *m, const struct cxlt_port *p)
{
	__u32 slot = p->slot;
	int rc;

	bpf_map_delete_elem(m->ports, &p->port);
	rc = publish(m);
	bpf_map_delete_elem(m->devices, &p->ifindex);
	bpf_map_delete_elem(m->redirects, &slot);
	return rc ? cli_fail_errno(rc, "removing port %u", p->port) : CLI_OK;
}
