// SPDX-License-Identifier: Apache-2.0
/* The XDP and TC paths: dry twins of the programs, as `cxltab trace` runs them. */
#include <string.h>

/* The program's own files: cxltab is no library. */
#include "cli.c"
#include "bpfobj.c"
#include "bpfdry.c"

#include "parity.h"

/* dry_live() needs these; nobody calls it here. */
int portmap_open(const char *name, struct portmap *map)
{
	return -1;
}

void portmap_close(struct portmap *map)
{
}

void stats_read(const struct portmap *map, __u32 slot, __u32 path, struct cxlt_port_stats *out)
{
}

struct parity_bpf {
	struct dry *dry;
	struct dry_result result;
};

struct parity_bpf *parity_bpf_open(struct cxlt_slice *slice, const struct parity_ports *ports)
{
	struct parity_bpf *b = calloc(1, sizeof(*b));

	if (b && dry_open(slice, DRY_XDP, ports->port, ports->n, &b->dry)) {
		free(b);
		return NULL;
	}
	return b;
}

void parity_bpf_close(struct parity_bpf *b)
{
	if (b)
		dry_close(b->dry);
	free(b);
}

int parity_bpf_run(struct parity_bpf *b, enum parity_hook hook, const struct parity_packet *p,
		   struct parity_result *r)
{
	static const __u8 kind[] = {
		[CXLT_DRY_PORT] = PARITY_PORT,
		[CXLT_DRY_FLOOD] = PARITY_FLOOD,
		[CXLT_DRY_CONTROLLER] = PARITY_CONTROLLER,
		[CXLT_DRY_LOCAL] = PARITY_LOCAL,
	};
	__u32 i;
	int rc;

	/* A twin has both programs, and loading them is what takes time. */
	b->dry->path = hook == PARITY_XDP ? DRY_XDP : DRY_TC;
	rc = dry_run(b->dry, p->in_port, p->p.b, p->p.len, &b->result);
	if (rc)
		return rc;
	r->verdict = b->result.verdict;
	r->reason = b->result.reason;
	r->table = b->result.table;
	r->matched = b->result.matched;
	r->cookie = b->result.cookie;
	r->knows_rule = true;
	r->mat_hit = false;
	r->n_hits = 0;
	r->n_bytes = 0;
	r->n_outputs = 0;
	for (i = 0; i < b->result.n_outputs; i++) {
		const struct dry_output *o = &b->result.output[i];
		__u32 port = o->kind == CXLT_DRY_PORT ? o->port : 0;

		parity_add_output(r, kind[o->kind], port, o->bytes, o->len, o->bytes, 0);
	}
	return 0;
}

bool parity_bpf_handed_over(const struct parity_bpf *b)
{
	return b->result.handed_over;
}

/* ---- Live ---- */

struct parity_live {
	struct bpfobj obj;
	__u32 n_ports;
	struct cxlt_port port[CXLT_PORTS_MAX];
};

static int set_live_ports(struct parity_live *l, const struct parity_ports *ports)
{
	static struct cxlt_flood flood;
	__u32 zero = 0, i, ifindex = 1;
	int rc = 0;

	memset(&flood, 0, sizeof(flood));
	l->n_ports = flood.n = ports->n;
	for (i = 0; !rc && i < ports->n; i++) {
		struct cxlt_port *p = &l->port[i];

		*p = (struct cxlt_port){.port = ports->port[i], .ifindex = ifindex, .slot = i};
		p->flags = CXLT_PORT_XDP | CXLT_PORT_TC | CXLT_PORT_REDIRECT;
		flood.port[i] = *p;
		rc = bpf_map__update_elem(l->obj.xdp->maps.ports, &p->port, sizeof(p->port), p,
					  sizeof(*p), BPF_ANY);
		if (!rc)
			rc = bpf_map__update_elem(l->obj.xdp->maps.redirects, &i, sizeof(i),
						  &ifindex, sizeof(ifindex), BPF_ANY);
	}
	if (!rc)
		rc = bpf_map__update_elem(l->obj.xdp->maps.flood, &zero, sizeof(zero), &flood,
					  sizeof(flood), BPF_ANY);
	return rc;
}

struct parity_live *parity_live_open(struct cxlt_slice *slice, const struct parity_ports *ports)
{
	struct bpfobj_config config = {0};
	struct parity_live *l = calloc(1, sizeof(*l));

	if (!l || bpfobj_open(slice, &config, &l->obj)) {
		free(l);
		return NULL;
	}
	if (set_live_ports(l, ports)) {
		parity_live_close(l);
		return NULL;
	}
	return l;
}

void parity_live_close(struct parity_live *l)
{
	if (l)
		bpfobj_close(&l->obj);
	free(l);
}

/* A test run's device is the loopback device, which becomes the packet's port. */
int parity_live_run(struct parity_live *l, enum parity_hook hook, const struct parity_packet *p)
{
	struct bpf_program *prog =
		hook == PARITY_XDP ? l->obj.xdp->progs.cxlt_xdp : l->obj.tc->progs.cxlt_tc;
	__u32 i = 0, lo = 1, ret;
	struct cxlt_port in;
	int rc;

	while (i < l->n_ports - 1 && l->port[i].port != p->in_port)
		i++;
	in = l->port[i];
	if (hook == PARITY_TC)
		in.flags = CXLT_PORT_TC; /* every packet, marked by XDP or not */
	rc = bpf_map__update_elem(l->obj.xdp->maps.devices, &lo, sizeof(lo), &in, sizeof(in),
				  BPF_ANY);
	return rc ? rc : test_run(bpf_program__fd(prog), p->p.b, p->p.len, NULL, 0, &ret);
}
