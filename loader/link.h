/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link.h - what rtnetlink knows about a network device.
 *
 * Errors: 0 or -errno; silent.
 */
#ifndef CXLTAB_LOADER_LINK_H
#define CXLTAB_LOADER_LINK_H

#include <net/if.h>
#include <stdbool.h>

#include <linux/types.h>

struct link_info {
	__u32 ifindex;
	char name[IF_NAMESIZE];
	char kind[16];	/* "veth"; "" for devices that have none */
	__u32 peer;	/* veth: its peer's ifindex, in the peer's namespace */
	int peer_nsid;	/* id, from here, of the peer's namespace; -1: this one */
	__u32 xdp_prog; /* id of the XDP program in the driver or the generic hook, 0: none */
};

int link_get(const char *name, struct link_info *out);
int link_get_index(__u32 ifindex, struct link_info *out);
/* The id, from here, of the namespace that the descriptor is open on; -1 if it has none. */
int link_nsid(int netns_fd, int *nsid);

#endif
