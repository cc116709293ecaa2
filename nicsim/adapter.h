/* SPDX-License-Identifier: Apache-2.0 */
/*
 * adapter.h - phase 2's outputs on the NIC (the contract is in cxltab/pipeline.h).
 *
 * Whoever runs the fast path gives the NIC a transmit function; here is decided what is sent.  A
 * packet whose bytes don't change is sent from where it was received; one that is edited is sent
 * as the header copy followed by the rest of what was received.  The NIC can copy, so FLOOD and
 * several outputs are its own.  CONTROLLER and LOCAL never come here: cxlt_device_can() refuses
 * them in phase 1, and the packet is punted.
 */
#ifndef CXLTAB_NICSIM_ADAPTER_H
#define CXLTAB_NICSIM_ADAPTER_H

#include <cxltab/csum.h>
#include <cxltab/edit.h>
#include <cxltab/work.h>

#include "nic.h"

struct cxlt_adapter {
	struct cxlt_nic *nic;
	struct cxlt_nic_packet *packet;
	__u32 copied; /* bytes of the packet that the header copy stands for */
	__u32 edited;
	__u32 sent;
};

/*
 * The L4 checksum of a packet whose checksum is partial: the field holds the pseudo-header's sum,
 * not inverted, and what the header itself changed is summed by whoever completes it.
 */
CXLT_INLINE int cxlt_out_partial_csum(struct cxlt_frame *f, const struct cxlt_csum_fix *fix)
{
	__u8 *h;

	if (!fix->off || !fix->diff_pseudo)
		return 0;
	h = cxlt_edit_at(f, fix->off, 2);
	if (!h)
		return CXLT_R_CANT_EDIT;
	cxlt_put16(h, cxlt_csum_fold((__u64)cxlt_get16(h) + cxlt_bswap16(fix->diff_pseudo)));
	return 0;
}

CXLT_INLINE int cxlt_out_headers(struct cxlt_adapter *a, struct cxlt_work *w,
				 const struct cxlt_csum_fix *fix)
{
	a->edited = 1;
	return a->packet->offload.partial ? cxlt_out_partial_csum(&w->frame, fix)
					  : cxlt_edit_csum(&w->frame, fix);
}

CXLT_INLINE int cxlt_out_send(struct cxlt_adapter *a, struct cxlt_work *w, __u32 index)
{
	struct cxlt_nic_out out = {.packet = a->packet, .port = index};
	int rc;

	if (a->edited) {
		out.head = w->frame.buf + w->frame.head;
		out.head_len = w->frame.hdr_len;
		out.skip = a->copied;
	}
	rc = a->nic->transmit(a->nic->arg, &out);
	a->sent += !rc;
	return rc;
}

CXLT_INLINE int cxlt_out_port(struct cxlt_adapter *a, struct cxlt_work *w, __u32 port)
{
	int index = cxlt_nic_port_index(a->nic, port);

	return index < 0 ? CXLT_R_NO_PORT : cxlt_out_send(a, w, index);
}

/* Ports ascend by number in nic->port[]. */
CXLT_INLINE int cxlt_out_flood(struct cxlt_adapter *a, struct cxlt_work *w)
{
	__u32 i;
	int rc, first = 0;

	for (i = 0; i < a->nic->n_ports; i++) {
		if (a->nic->port[i] == w->in_port)
			continue;
		rc = cxlt_out_send(a, w, i);
		if (rc && !first)
			first = rc;
	}
	return first;
}

CXLT_INLINE int cxlt_out_local(struct cxlt_adapter *a, struct cxlt_work *w)
{
	return CXLT_R_INTERNAL;
}

CXLT_INLINE int cxlt_out_controller(struct cxlt_adapter *a, struct cxlt_work *w, __u32 max_len)
{
	return CXLT_R_INTERNAL;
}

#define CXLT_HAVE_ADAPTER
#endif
