// SPDX-License-Identifier: Apache-2.0
/* The inline path: record.h is an adapter, so a file of its own. */
#include <cxltab/record.h>

#include "parity.h"

void parity_inline(const struct cxlt_view *v, const struct parity_ports *ports,
		   const struct parity_packet *p, struct parity_result *r)
{
	static const __u8 kind[] = {
		[CXLT_RECORD_PORT] = PARITY_PORT,
		[CXLT_RECORD_FLOOD] = PARITY_FLOOD,
		[CXLT_RECORD_CONTROLLER] = PARITY_CONTROLLER,
		[CXLT_RECORD_LOCAL] = PARITY_LOCAL,
	};
	static struct cxlt_adapter a;
	static struct cxlt_work w;
	__u32 i;

	a.ports = ports->port;
	a.n_ports = ports->n;
	a.bytes = r->bytes;
	a.room = sizeof(r->bytes);
	cxlt_record(v, &w, &a, p->in_port, p->p.b, p->p.len);
	r->verdict = w.res.verdict;
	r->reason = w.res.reason;
	r->table = w.res.table;
	r->matched = w.res.matched;
	r->cookie = w.res.cookie;
	r->knows_rule = true;
	r->mat_hit = false;
	r->copies = w.res.flags & CXLT_RES_COPIES;
	r->n_hits = w.res.n_hits;
	for (i = 0; i < r->n_hits; i++)
		r->hits[i] = w.res.hits[i];
	r->n_bytes = a.used;
	r->n_outputs = a.n_outputs;
	for (i = 0; i < r->n_outputs && i < PARITY_OUTPUTS; i++)
		r->output[i] = (struct parity_output){
			.kind = kind[a.output[i].kind],
			.port = a.output[i].port,
			.at = a.output[i].at,
			.len = a.output[i].len,
		};
}
