/* SPDX-License-Identifier: Apache-2.0 */
/*
 * portstats.h - counters of ports: the host's from the programs' maps, the device's from nicsim.
 */
#ifndef CXLTAB_LOADER_PORTSTATS_H
#define CXLTAB_LOADER_PORTSTATS_H

#include <cxltab/slice.h>

#include "json.h"
#include "portmap.h"

/* A port's counters on one path (enum cxlt_path), summed over CPUs; zeros if they can't be had. */
void stats_read(const struct portmap *, __u32 slot, __u32 path, struct cxlt_port_stats *out);
/* What a path counts besides its ports. */
void stats_read_path(const char *slice, __u32 path, struct cxlt_path_stats *out);

/* The file of the nicsim that serves the slice, mapped; NULL if none lives. */
const struct cxlt_nic_stats *stats_map_nic(const char *slice, __u64 slice_id);
void stats_unmap_nic(const struct cxlt_nic_stats *);

/* Reasons that aren't 0, by name. */
void stats_print_reasons(const struct cxlt_port_stats *);
void stats_json(struct json *, const char *key, const struct cxlt_port_stats *);

#endif
