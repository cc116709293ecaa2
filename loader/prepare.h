/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prepare.h - what XDP needs of a device and of the other end of its cable, set and restored.
 *
 * veth: a redirect into it is dropped in silence unless its peer receives by NAPI (gro on);
 * packets that the peer sends must have whole checksums and their VLAN tags in their bytes (tx
 * off, txvlan off), since XDP sees bytes alone.  The peer is often in another namespace.
 * Other devices: VLAN tags must not be taken off by the hardware (rxvlan off).
 *
 * Functions print their error, once, and return 0 or an exit status.
 */
#ifndef CXLTAB_LOADER_PREPARE_H
#define CXLTAB_LOADER_PREPARE_H

#include "link.h"
#include "portmap.h"

/* Looks what has to be changed, and notes in *s what it is now. */
int prepare_look(const struct link_info *, struct port_state *s);
/* Changes what prepare_look() noted, and says so. */
int prepare_device(const struct link_info *, const struct port_state *s);
/* Restores what *s notes; what is gone needs nothing. */
int restore_device(const struct port_state *s);

#endif
