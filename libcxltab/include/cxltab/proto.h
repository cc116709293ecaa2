/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proto.h - the numbers that protocols have on the wire, as far as this project knows them.
 *
 * Sources: IEEE 802 numbers, IANA protocol numbers, RFC 4861, RFC 7348.
 */
#ifndef CXLTAB_PROTO_H
#define CXLTAB_PROTO_H

#include <cxltab/base.h>

enum {
	CXLT_ETH_HLEN = 14,
	CXLT_TAG_HLEN = 4,
	CXLT_MAX_TAGS = 2,
};

enum {
	CXLT_ETH_P_8021Q = 0x8100,
	CXLT_ETH_P_8021AD = 0x88a8,
	CXLT_ETH_P_IPV4 = 0x0800,
	CXLT_ETH_P_ARP = 0x0806,
	CXLT_ETH_P_RARP = 0x8035,
	CXLT_ETH_P_IPV6 = 0x86dd,
	CXLT_ETH_P_MIN = 0x0600,  /* below: a length */
	CXLT_ETH_P_NONE = 0x05ff, /* eth_type of a frame that has none (ovs-fields(7)) */
};

enum {
	CXLT_IPPROTO_HOPOPTS = 0,
	CXLT_IPPROTO_ICMP = 1,
	CXLT_IPPROTO_TCP = 6,
	CXLT_IPPROTO_UDP = 17,
	CXLT_IPPROTO_ROUTING = 43,
	CXLT_IPPROTO_FRAGMENT = 44,
	CXLT_IPPROTO_AH = 51,
	CXLT_IPPROTO_ICMPV6 = 58,
	CXLT_IPPROTO_DSTOPTS = 60,
	CXLT_IPPROTO_SCTP = 132,
	CXLT_IPPROTO_MOBILITY = 135,
	CXLT_IPPROTO_HIP = 139,
	CXLT_IPPROTO_SHIM6 = 140,
};

enum {
	CXLT_VXLAN_PORT = 4789,
	CXLT_ND_SOLICIT = 135,
	CXLT_ND_ADVERT = 136,
};

CXLT_INLINE int cxlt_is_tpid(__u32 type)
{
	return type == CXLT_ETH_P_8021Q || type == CXLT_ETH_P_8021AD;
}

#endif
