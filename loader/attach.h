/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attach.h - make a device a port of a slice's slow path, and undo it.
 *
 * The caller holds slice_lock().  Functions print their error, once, and return 0 or an exit
 * status.  An attach that fails leaves nothing behind.
 */
#ifndef CXLTAB_LOADER_ATTACH_H
#define CXLTAB_LOADER_ATTACH_H

#include <stdbool.h>

#include "portmap.h"

struct attach_request {
	const char *slice;
	const char *dev;
	__u32 port;
	enum port_mode mode;
	const char *peer_netns; /* or NULL */
	bool peer_ready;	/* somebody else has prepared the peer */
};

int attach_port(const struct attach_request *);
int detach_port(const char *slice, __u32 port);
int detach_all(const char *slice);

#endif
