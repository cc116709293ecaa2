/* SPDX-License-Identifier: Apache-2.0 */
/*
 * portmap.h - the ports of a slice, as its programs see them, and as the loader remembers them.
 *
 * The maps say which device a port is; the file CXLT_RUN_DIR/NAME/N.port says what was changed
 * on the device of port N and its peer, so that detach can restore it.  The file is written
 * before anything is changed and removed last.
 *
 * Concurrency: writers hold slice_lock().  Packets meet each map value before or after a change.
 * Functions print their error, once, and return 0 or an exit status, unless said otherwise.
 */
#ifndef CXLTAB_LOADER_PORTMAP_H
#define CXLTAB_LOADER_PORTMAP_H

#include <net/if.h>
#include <stdbool.h>

#include "../bpf/slowpath.h"
#include "ethtool.h"

enum port_mode {
	MODE_NATIVE,
	MODE_GENERIC,
	MODE_TC,
	N_MODES,
};

extern const char *const port_mode_name[N_MODES];

struct port_state {
	__u32 port;
	__u32 ifindex;
	enum port_mode mode;
	char dev[IF_NAMESIZE];
	char peer_netns[256]; /* as the user gave it; "": to be found */
	/* What was changed, with the old states. */
	size_t n_dev, n_peer;
	struct feature dev_was[FEATURES_MAX];
	struct feature peer_was[FEATURES_MAX];
};

int port_state_write(const char *name, const struct port_state *);
/* 0 or -errno; silent. */
int port_state_read(const char *name, __u32 port, struct port_state *);
void port_state_remove(const char *name, __u32 port);
/* The ports that have a file or a link, ascending; their number.  Silent. */
__u32 port_state_list(const char *name, __u32 *ports, __u32 max);

struct portmap {
	int devices, ports, flood, redirects, port_stats;
};

int portmap_open(const char *name, struct portmap *);
void portmap_close(struct portmap *);
/* All ports, ascending; their number. */
__u32 portmap_list(const struct portmap *, struct cxlt_port *out, __u32 max);
/* Chooses p->slot, clears its statistics and makes the port known. */
int portmap_add(const struct portmap *, struct cxlt_port *p);
int portmap_remove(const struct portmap *, const struct cxlt_port *p);

#endif
