/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dev.h - a network device that nicsim owns: the NIC's end of a veth pair.
 *
 * Taking a device checks that nobody else uses it (addresses, a master, an XDP program, another
 * tcx program) and then makes the host's stack deaf and dumb on it: no ARP, no IPv6, and a tiny
 * tcx program on both directions that drops all but what nicsim itself marked.  The packet socket
 * taps packets before the ingress hook, so nicsim sees everything and the stack nothing; what the
 * stack, or a DHCP client, wants to send ends at the egress hook, which nicsim's own frames bypass
 * or pass by their mark.  The program lives as long as nicsim does, however that ends.
 *
 * A representor's end gets besides: GRO on, without which a veth silently drops what the host's
 * XDP programs redirect into it; checksum and VLAN offload off, because those programs read bytes
 * and nothing else.
 *
 * Concurrency: one thread; state of devices is the kernel's.
 * Errors: 0 or -errno with a reason in err; a device that was refused is as it was.
 */
#ifndef CXLTAB_NICSIM_DEV_H
#define CXLTAB_NICSIM_DEV_H

#include <net/if.h>
#include <stddef.h>
#include <linux/types.h>

enum {
	CXLT_DEV_PORT = 0,	    /* towards a VM or the wire */
	CXLT_DEV_REP = 1,	    /* towards the host */
	CXLT_DEV_MARK = 0x6e696373, /* skb mark of nicsim's own frames at the egress hook */
};

struct cxlt_dev {
	char name[IFNAMSIZ];
	int role;
	int ifindex; /* 0: the device isn't there */
	__u32 mtu;
	int guard[2]; /* descriptors of the tcx links */
	/* what was changed, to be restored */
	__u32 changed;
	int old_ipv6;
};

/* Loads the guard program, once per process. */
int cxlt_dev_guard_load(char *err, size_t);
int cxlt_dev_take(struct cxlt_dev *, const char *name, int role, char *err, size_t);
/* Restores what was changed, if the device is still there. */
void cxlt_dev_release(struct cxlt_dev *);
/* Forgets a device that has gone. */
void cxlt_dev_lost(struct cxlt_dev *);

#endif
