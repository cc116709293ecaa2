/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keyop.h - actions on the key: what phase 1 does for set_field, VLAN actions and dec_ttl.
 *
 * Programs come from shared memory, so every argument is checked here: whatever they say, the
 * key stays one that some packet could have.  Its tags obey: no inner tag without an outer one,
 * a TPID exactly where there is a tag, and no other bits of a TCI without PRESENT.
 *
 * Source: OpenFlow 1.5.1 sections 5.8 and 7.2.6.
 * Concurrency: private memory only.
 * Errors: an enum cxlt_reason; the key is unchanged after an error.
 */
#ifndef CXLTAB_KEYOP_H
#define CXLTAB_KEYOP_H

#include <cxltab/base.h>
#include <cxltab/key.h>
#include <cxltab/proto.h>
#include <cxltab/reason.h>

#define CXLT_TCI_MASK 0xffffULL

/* A new outer tag with the VID and PCP of the one that was outermost, else 0. */
CXLT_INLINE int cxlt_key_push_vlan(struct cxlt_key *key, __u16 tpid)
{
	__u64 d = key->w[CXLT_W_DMAC], s = key->w[CXLT_W_SMAC];

	if (!cxlt_is_tpid(tpid))
		return CXLT_R_BAD_PROGRAM;
	if (s & CXLT_VLAN_PRESENT)
		return CXLT_R_TOO_MANY_TAGS;
	if (d & CXLT_VLAN_PRESENT) {
		key->w[CXLT_W_SMAC] = (s & ~CXLT_TCI_MASK) | (d & CXLT_TCI_MASK);
		CXLT_KEY_SET(key, VLAN_TPID2, CXLT_KEY_GET(key, VLAN_TPID));
	} else {
		key->w[CXLT_W_DMAC] = (d & ~CXLT_TCI_MASK) | CXLT_VLAN_PRESENT;
	}
	CXLT_KEY_SET(key, VLAN_TPID, tpid);
	return CXLT_R_NONE;
}

/* Removes the outer tag; without one nothing happens. */
CXLT_INLINE void cxlt_key_pop_vlan(struct cxlt_key *key)
{
	__u64 d = key->w[CXLT_W_DMAC], s = key->w[CXLT_W_SMAC];

	key->w[CXLT_W_DMAC] = (d & ~CXLT_TCI_MASK) | (s & CXLT_TCI_MASK);
	key->w[CXLT_W_SMAC] = s & ~CXLT_TCI_MASK;
	CXLT_KEY_SET(key, VLAN_TPID, CXLT_KEY_GET(key, VLAN_TPID2));
	CXLT_KEY_SET(key, VLAN_TPID2, 0);
}

/* IPv4 and IPv6; nothing happens to other packets. */
CXLT_INLINE int cxlt_key_dec_ttl(struct cxlt_key *key)
{
	__u32 type = CXLT_KEY_GET(key, ETH_TYPE);

	if (type != CXLT_ETH_P_IPV4 && type != CXLT_ETH_P_IPV6)
		return CXLT_R_NONE;
	if (CXLT_KEY_GET(key, IP_TTL) <= 1)
		return CXLT_R_TTL_EXPIRED;
	key->w[CXLT_W_L4]--;
	return CXLT_R_NONE;
}

/*
 * set_field on a word.  Tags follow the PRESENT bits: setting vlan_tci's on an untagged key adds
 * a tag with TPID 0x8100 (mod_vlan_vid), clearing it removes the tag; vlan_tci2's and the TPIDs
 * stay.
 */
CXLT_INLINE int cxlt_key_set(struct cxlt_key *key, __u32 word, __u64 value, __u64 mask)
{
	__u64 old;

	CXLT_OPAQUE(word);
	if (word >= CXLT_KEY_WORDS)
		return CXLT_R_BAD_PROGRAM;
	if (word == CXLT_W_SMAC)
		mask &= key->w[CXLT_W_SMAC] & CXLT_VLAN_PRESENT ? ~(__u64)CXLT_VLAN_PRESENT
								: ~CXLT_TCI_MASK;
	if (word == CXLT_W_SHA || word == CXLT_W_THA)
		mask &= ~CXLT_TCI_MASK;
	old = key->w[word];
	key->w[word] = (old & ~mask) | (value & mask);
	if (word != CXLT_W_DMAC)
		return CXLT_R_NONE;
	if (!(key->w[CXLT_W_DMAC] & CXLT_VLAN_PRESENT))
		cxlt_key_pop_vlan(key);
	else if (!(old & CXLT_VLAN_PRESENT))
		CXLT_KEY_SET(key, VLAN_TPID, CXLT_ETH_P_8021Q);
	return CXLT_R_NONE;
}

#endif
