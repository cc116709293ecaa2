/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parity_world.h - a slice with a generated rule table in it, and what its counters should say.
 *
 * A world is made for one geometry and one NIC, and holds one table after the other.  Rules are
 * added, modified and deleted through the library; what each packet should count is noted here by
 * rule, so that counters can be compared when a rule goes, and at the end.
 */
#ifndef CXLTAB_TESTS_PARITY_WORLD_H
#define CXLTAB_TESTS_PARITY_WORLD_H

#include <cxltab/slice.h>
#include <cxltab/writer.h>

#include "parity.h"
#include "parity_gen.h"

struct parity_world {
	struct cxlt_slice_config config;
	struct cxlt_mat_config mat;
	struct parity_ports ports;
	struct cxlt_slice *slice;
	struct cxlt_writer *writer;
	struct cxlt_view host;
	struct parity_gen gen;
	__u16 *rule_at; /* 1 + index in gen.rule by the line ref of its counters */
	__u64 refused;	/* rules for which there was no room */
	__u64 changes;
	int bad; /* counters that were wrong */
};

/* Slices for NICs that can do everything, less and less, or anything; n may be any number. */
void parity_world_config(struct parity_world *, __u32 n, struct rnd *);
/* In a memfd, or in an arena of this name; 0, or -errno with cxlt_error_text(). */
int parity_world_open(struct parity_world *, const char *arena);
/* Prints what `slice check` finds, and counts it as bad. */
void parity_world_close(struct parity_world *);

/* Clears the slice, and fills it with the table of this seed. */
void parity_world_table(struct parity_world *, __u64 seed);
/* Takes the table's rules out again, comparing their counters. */
void parity_world_clear(struct parity_world *);
/*
 * One change: a rule above all others that a packet with this key meets, where `table` is one that
 * the packet visited; or another program for a rule, or a deletion, or the same rule anew.
 */
void parity_world_change(struct parity_world *, __u8 table, const struct cxlt_key *);

/* A packet of len bytes that moved these counters, on the host or on the device. */
void parity_world_count(struct parity_world *, const struct parity_result *, __u32 len,
			bool device);

#endif
