// SPDX-License-Identifier: Apache-2.0
/* The device path: nicsim's fast path, with packets in memory. */
#include <stdlib.h>
#include <string.h>

#include <cxltab/stats.h>

#include "nic.h"
#include "parity.h"

struct parity_device {
	struct cxlt_nic nic;
	struct cxlt_nic_stats stats;
	struct cxlt_nic_packet packet[PARITY_BATCH];
	struct parity_result *result; /* of the batch */
	__u8 data[PARITY_BATCH][PACKET_MAX];
};

static struct parity_result *result_of(struct parity_device *d, const struct cxlt_nic_packet *p)
{
	return &d->result[p - d->packet];
}

static int transmit(void *arg, const struct cxlt_nic_out *out)
{
	struct parity_device *d = arg;
	const struct cxlt_nic_packet *p = out->packet;

	if (out->head)
		parity_add_output(result_of(d, p), PARITY_PORT, d->nic.port[out->port], out->head,
				  out->head_len, p->data + out->skip, p->len - out->skip);
	else
		parity_add_output(result_of(d, p), PARITY_PORT, d->nic.port[out->port], p->data,
				  p->len, p->data, 0);
	return 0;
}

static int punt(void *arg, const struct cxlt_nic_packet *p)
{
	parity_add_output(result_of(arg, p), PARITY_PUNTED, 0, p->data, p->len, p->data, 0);
	return 0;
}

struct parity_device *parity_device_open(const struct cxlt_slice *slice,
					 const struct cxlt_mat_config *mat,
					 const struct parity_ports *ports)
{
	struct parity_device *d = calloc(1, sizeof(*d));

	if (d && cxlt_nic_init(&d->nic, slice, mat, ports->port, ports->n, &d->stats)) {
		free(d);
		return NULL;
	}
	if (d) {
		d->nic.transmit = transmit;
		d->nic.punt = punt;
		d->nic.arg = d;
	}
	return d;
}

void parity_device_close(struct parity_device *d)
{
	if (d)
		cxlt_nic_fini(&d->nic);
	free(d);
}

/*
 * The NIC tells verdict and reason.  Which rule it was stands in its work, if it looked at the
 * tables for the last packet of a batch; where the MAT answered, the counters tell.
 */
static void note_rule(const struct parity_device *d, bool last, struct parity_result *r)
{
	r->knows_rule = last && !r->mat_hit;
	r->table = d->nic.work.res.table;
	r->matched = d->nic.work.res.matched;
	r->cookie = d->nic.work.res.cookie;
}

void parity_device_run(struct parity_device *d, const struct parity_packet *p, __u32 n,
		       struct parity_result *r)
{
	__u32 i;

	d->result = r;
	for (i = 0; i < n; i++) {
		memcpy(d->data[i], p[i].p.b, p[i].p.len);
		d->packet[i] = (struct cxlt_nic_packet){
			.data = d->data[i],
			.len = p[i].p.len,
			.port = cxlt_nic_port_index(&d->nic, p[i].in_port),
			.segments = 1,
		};
		r[i].n_outputs = 0;
		r[i].n_bytes = 0;
		r[i].n_hits = 0;
	}
	cxlt_nic_batch(&d->nic, d->packet, n);
	cxlt_nic_flush(&d->nic);
	for (i = 0; i < n; i++) {
		r[i].verdict = d->packet[i].verdict;
		r[i].reason = d->packet[i].reason;
		r[i].mat_hit = d->packet[i].mat_hit;
		note_rule(d, i == n - 1, &r[i]);
	}
}

void parity_device_mat(const struct parity_device *d, __u64 *hits, __u64 *stale)
{
	*hits = d->nic.mat->hits;
	*stale = d->nic.mat->stale;
}
