/* SPDX-License-Identifier: Apache-2.0 */
/*
 * action.h - the action program of a rule, and the list that phase 1 gathers.
 *
 * A program is a string of 64-bit words.  The first word of each op is
 *     op 8 (bits 56-63) | field 8 (48-55) | aux 16 (32-47) | arg 32 (0-31)
 * and CXLT_OP_SET is followed by two more words, value and mask.  An op that is not known, or
 * that runs past the end of the program, ends the packet with reason bad_program: programs come
 * from shared memory and are never trusted.
 *
 * Phase 1 (resolve) walks programs: it applies SET, vlan ops and dec_ttl to the key, follows
 * GOTO, and appends what phase 2 must repeat on the packet to the result's list, in the same
 * encoding.  Phase 2 (commit) walks the list and edits, counts and outputs.
 * Source: OpenFlow 1.5.1 sections 5.9 and 7.2.6 (an apply-actions list, write-metadata and
 * goto-table, in the order the specification executes them).
 */
#ifndef CXLTAB_ACTION_H
#define CXLTAB_ACTION_H

#include <cxltab/base.h>
#include <cxltab/key.h>

enum {
	CXLT_PROG_MAX = 96, /* words of one rule's program */
	CXLT_OPS_MAX = 128, /* words of one packet's gathered list */
	CXLT_SET_WORDS = 3, /* words of a SET op */
};

/* X(ID, name, in list?, meaning); the names are what --json and the device profile use. */
#define CXLT_OPS(X)                                                                   \
	X(END, "end", "no operation; never in a program")                             \
	X(OUTPUT, "output", "arg: port; nothing if that is the packet's in_port")     \
	X(IN_PORT, "in_port", "output to the port that the packet came from")         \
	X(FLOOD, "flood", "every port but in_port, ascending")                        \
	X(ALL, "all", "every port but in_port, ascending")                            \
	X(CONTROLLER, "controller", "aux: bytes to send at most; upcall")             \
	X(LOCAL, "local", "the host's own stack")                                     \
	X(SET, "set_field", "field; aux: key word; then value and mask of that word") \
	X(PUSH_VLAN, "push_vlan", "aux: TPID; the new tag copies VID and PCP, or 0")  \
	X(POP_VLAN, "pop_vlan", "removes the outer tag")                              \
	X(DEC_TTL, "dec_ttl", "TTL 0 or 1: the packet ends with reason ttl_expired")  \
	X(GOTO, "goto_table", "arg: a higher table; last op of a program")            \
	X(PUNT, "punt", "of a shadow: the device hands the packet to the host")

enum cxlt_op {
#define X(id, name, meaning) CXLT_OP_##id,
	CXLT_OPS(X)
#undef X
		CXLT_N_OPS,
};

/*
 * Flags in a SET's arg: how the flow syntax spells it.  They change nothing for a datapath.
 * A 128-bit set_field is two SET ops on adjacent words; a half whose mask is 0 is left out.
 */
enum {
	CXLT_SET_WRITE_METADATA = 1, /* from write_metadata, not from apply-actions */
};

CXLT_INLINE __u64 cxlt_op_word(__u32 op, __u32 field, __u32 aux, __u32 arg)
{
	return (__u64)op << 56 | (__u64)(field & 0xff) << 48 | (__u64)(aux & 0xffff) << 32 | arg;
}

CXLT_INLINE __u32 cxlt_op_code(__u64 word)
{
	return word >> 56;
}

CXLT_INLINE __u32 cxlt_op_field(__u64 word)
{
	return (word >> 48) & 0xff;
}

CXLT_INLINE __u32 cxlt_op_aux(__u64 word)
{
	return (word >> 32) & 0xffff;
}

CXLT_INLINE __u32 cxlt_op_arg(__u64 word)
{
	return (__u32)word;
}

CXLT_INLINE __u32 cxlt_op_words(__u32 op)
{
	return op == CXLT_OP_SET ? CXLT_SET_WORDS : 1;
}

#ifndef __BPF__
extern const char *const cxlt_op_name[CXLT_N_OPS];
#endif

#endif
