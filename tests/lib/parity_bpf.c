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

struct parity_bpf *parity_bpf_open(struct cxlt_slice *slice, enum parity_hook hook,
				   const struct parity_ports *ports)
{
	struct parity_bpf *b = calloc(1, sizeof(*b));

	if (b && dry_open(slice, hook == PARITY_XDP ? DRY_XDP : DRY_TC, ports->port, ports->n,
			  &b->dry)) {
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

int parity_bpf_run(struct parity_bpf *b, const struct parity_packet *p, struct parity_result *r)
{
	static const __u8 kind[] = {
		[CXLT_DRY_PORT] = PARITY_PORT,
		[CXLT_DRY_FLOOD] = PARITY_FLOOD,
		[CXLT_DRY_CONTROLLER] = PARITY_CONTROLLER,
		[CXLT_DRY_LOCAL] = PARITY_LOCAL,
	};
	int rc = dry_run(b->dry, p->in_port, p->p.b, p->p.len, &b->result);
	__u32 i;

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
