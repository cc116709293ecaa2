/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parity_gen.h - rule tables and packets that meet each other, for the parity tests.
 *
 * Each field has a pool of values that rules and packets take theirs from.  A rule is made from a
 * shape (what kind of packet) and a template (the shape's fields, some of them masked); a packet is
 * made from a rule: its shape, the rule's bits, all else from the pools, then options, extension
 * headers, tags, payload, and sometimes damage.  Rules need not make sense: some match on fields
 * that no packet has, or set what can't be set.
 *
 * Two rules of one table have the same priority only if no packet matches both: which of those
 * wins is not defined.
 */
#ifndef CXLTAB_TESTS_PARITY_GEN_H
#define CXLTAB_TESTS_PARITY_GEN_H

#include <stdbool.h>
#include <stdio.h>

#include <cxltab/action.h>
#include <cxltab/key.h>
#include <cxltab/writer.h>
#include "parity.h"
#include "rand.h"

enum {
	PARITY_POOL = 6,
	PARITY_TEMPLATES = 24,
	PARITY_TABLES = 8,
	PARITY_RULES = 400,
	PARITY_LEN_MAX = 1500,
};

/* What kind of packet. */
struct parity_shape {
	__u16 type; /* eth_type; below 0x600: 802.3 */
	__u8 proto; /* IP protocol or ARP opcode */
	__u8 frag;  /* CXLT_FRAG_* */
	__u8 tags;
	bool nd, vxlan;
};

struct parity_rule {
	struct cxlt_rule_spec spec; /* spec.prog is NULL: the program is here */
	__u64 prog[CXLT_PROG_MAX];
	struct parity_shape shape;
	__u32 counters;		    /* line ref */
	__u64 packets[2], bytes[2]; /* what its counters should say, host and device */
};

struct parity_gen {
	struct rnd r;
	const struct parity_ports *ports;
	__u64 pool[CXLT_N_FIELDS][PARITY_POOL][2]; /* [1]: low half of a field of 128 bits */
	__u32 n_tables;
	__u8 table[PARITY_TABLES]; /* OpenFlow tables in use, ascending from 0 */
	__u32 n_templates;
	struct {
		struct parity_shape shape;
		struct cxlt_key mask;
	} template[PARITY_TEMPLATES];
	__u64 next_cookie;
	__u32 n_rules;
	struct parity_rule rule[PARITY_RULES];
};

/* Pools, tables, templates; no rules. */
void parity_gen_init(struct parity_gen *, __u64 seed, const struct parity_ports *);

/* A rule that isn't among gen->rule yet; false if no priority was free. */
bool parity_gen_rule(struct parity_gen *, struct parity_rule *);
/* A rule of `table` that matches a packet with this key, with a priority of `least` or more. */
bool parity_gen_rule_for(struct parity_gen *, __u8 table, const struct cxlt_key *, __u16 least,
			 struct parity_rule *);
/* Another program for the rule. */
void parity_gen_program(struct parity_gen *, struct parity_rule *);
void parity_gen_packet(struct parity_gen *, struct parity_packet *);

/* The spec with its program. */
struct cxlt_rule_spec parity_spec(const struct parity_rule *);

/* In the flow syntax, as far as that can say it. */
void parity_print_rule(FILE *, const struct parity_rule *);

/* parity_bytes.c: the bytes of a packet of this shape, whose fields the key has. */
void parity_compose(struct rnd *, const struct parity_shape *, const struct cxlt_key *,
		    struct packet *);

#endif
