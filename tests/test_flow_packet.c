// SPDX-License-Identifier: Apache-2.0
/*
 * Packets in flow syntax: the composed bytes parse to the key that was asked for, with right
 * checksums.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include <cxltab/parse.h>
#include <openflow/flow.h>

#include "packets.h"

TestSuite(flow_packet, .timeout = 60);

enum {
	RANDOM_PACKETS = 100000,
};

/* What no frame holds is kept, the rest comes from the bytes. */
static void parse_composed(const struct packet *p, const struct cxlt_key *asked,
			   struct cxlt_key *key, const char *what)
{
	static const __u8 metadata[] = {CXLT_W_METADATA, CXLT_W_TUN_ID, CXLT_W_REG01, CXLT_W_REG23};
	__u32 hdr_len = p->len < CXLT_HDR_MAX ? p->len : CXLT_HDR_MAX;
	struct cxlt_layers lay;
	int reason = cxlt_parse(p->b, hdr_len, p->len, CXLT_KEY_GET(asked, IN_PORT), key, &lay);

	cr_assert_eq(reason, CXLT_R_NONE, "%s: reason %s", what, cxlt_reason_name[reason]);
	for (size_t i = 0; i < sizeof(metadata); i++)
		key->w[metadata[i]] = asked->w[metadata[i]];
}

static void compose(const struct cxlt_key *key, struct packet *p, const char *what)
{
	int len = of_compose_packet(key, p->b, sizeof(p->b));

	cr_assert_geq(len, 60, "%s: %d", what, len);
	p->len = len;
	cr_assert_null(packet_bad_checksum(p), "%s: %s", what, packet_bad_checksum(p));
}

static const char *const packets[] = {
	"",
	"in_port=1",
	"in_port=7,dl_src=0:0:0:0:0:1,dl_dst=0:0:0:0:0:2,dl_type=0x1234",
	"in_port=1,tcp,nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_src=1000,tp_dst=80",
	"tcp,nw_src=10.0.0.1,tcp_flags=+syn",
	"tcp,tcp_flags=syn|ack|[800],nw_ttl=1,nw_tos=8,nw_ecn=3",
	"udp,nw_src=1.2.3.4,nw_dst=5.6.7.8,udp_src=53,udp_dst=53",
	"udp,udp_dst=4789,vxlan_vni=0x123456",
	"udp6,vxlan_vni=5,ipv6_src=fe80::1",
	"sctp,sctp_src=1,sctp_dst=2",
	"sctp6,ipv6_dst=2001:db8::1,sctp_src=1,sctp_dst=2",
	"icmp,icmp_type=8,icmp_code=0",
	"icmp6,icmp_type=128",
	"icmp6,icmp_type=135,nd_target=fe80::5,nd_sll=0:0:0:0:0:9,ipv6_src=fe80::1,nw_ttl=255",
	"icmp6,icmp_type=136,nd_target=fe80::5,nd_tll=0:0:0:0:0:9,ipv6_dst=ff02::1",
	"tcp6,ipv6_src=2001:db8::1,ipv6_dst=2001:db8::2,tp_dst=443,ipv6_label=0xabcde,nw_tos=252",
	"ip,nw_proto=47,nw_src=1.1.1.1",
	"ipv6,nw_proto=47",
	"ipv6",
	"ipv6,ip_frag=first,ipv6_dst=::1",
	"ipv6,ip_frag=later",
	"arp,arp_op=1,arp_spa=10.0.0.1,arp_tpa=10.0.0.2,arp_sha=0:0:0:0:0:1",
	"arp,nw_src=10.0.0.1",
	"rarp,arp_op=3",
	"dl_vlan=10,tcp,tp_dst=80",
	"dl_vlan=10,dl_vlan_pcp=7,arp,arp_tpa=1.2.3.4",
	"dl_vlan=0xffff,udp",
	"dl_vlan=0,dl_type=0x9999",
	"tcp,ip_frag=first,tp_dst=80",
	"udp,ip_frag=later,nw_src=10.0.0.1",
	"udp6,ip_frag=first,tp_src=9",
	"ipv6,nw_proto=44,ip_frag=later,ipv6_src=::1",
	"tcp,metadata=5,tun_id=6,reg0=7,reg3=8",
	"tcp,tcp_flags=0,nw_ttl=0",
};

Test(flow_packet, described_packet_parses_to_its_key)
{
	for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
		struct cxlt_key key, parsed;
		struct of_error err;
		struct packet p;

		cr_assert_eq(of_parse_packet_key(packets[i], &key, &err), 0, "%s: %s", packets[i],
			     err.reason);
		compose(&key, &p, packets[i]);
		parse_composed(&p, &key, &parsed, packets[i]);
		cr_assert_str_empty(key_difference(&key, &parsed), "%s: %s", packets[i],
				    key_difference(&key, &parsed));
	}
}

Test(flow_packet, key_has_sensible_defaults)
{
	struct cxlt_key key;

	cr_assert_eq(of_parse_packet_key("tcp", &key, NULL), 0);
	cr_assert_eq(CXLT_KEY_GET(&key, IP_TTL), 64);
	cr_assert_eq(CXLT_KEY_GET(&key, TCP_FLAGS), 0x10);
	cr_assert_eq(of_parse_packet_key("tcp,nw_ttl=0,tcp_flags=0", &key, NULL), 0);
	cr_assert_eq(CXLT_KEY_GET(&key, IP_TTL), 0);
	cr_assert_eq(CXLT_KEY_GET(&key, TCP_FLAGS), 0);
	cr_assert_eq(of_parse_packet_key("udp,vxlan_vni=3", &key, NULL), 0);
	cr_assert_eq(CXLT_KEY_GET(&key, TP_DST), 4789);
}

Test(flow_packet, port_is_the_callers_unless_the_text_says_another)
{
	struct cxlt_key key;

	cr_assert_eq(of_parse_packet("tcp", 7, &key, NULL), 0);
	cr_assert_eq(CXLT_KEY_GET(&key, IN_PORT), 7);
	cr_assert_eq(of_parse_packet("in_port=3,tcp", 7, &key, NULL), 0);
	cr_assert_eq(CXLT_KEY_GET(&key, IN_PORT), 3);
	cr_assert_eq(of_parse_packet("in_port=0,tcp", 7, &key, NULL), 0);
	cr_assert_eq(CXLT_KEY_GET(&key, IN_PORT), 0);
}

Test(flow_packet, description_with_masks_is_refused)
{
	static const char *const rows[][2] = {
		{"ip,nw_src=10.0.0.0/8", "nw_src: a packet has no masks"},
		{"tcp,tp_dst=80/0xff", "tp_dst: a packet has no masks"},
		{"in_port=*", "in_port: \"*\" is not a port number"},
		{"nw_src=10.0.0.1", "nw_src without ip"},
		{"udp,udp_dst=5,vxlan_vni=1", "vxlan_vni without udp_dst=4789"},
		{"priority=5", "unknown field \"priority\""},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct of_error err = {0};
		struct cxlt_key key;

		cr_assert_eq(of_parse_packet_key(rows[i][0], &key, &err), -EINVAL, "%s",
			     rows[i][0]);
		cr_assert_str_eq(err.reason, rows[i][1]);
	}
}

/* Whatever the parser makes of a packet: compose says it, and the parser reads it again. */
Test(flow_packet, key_of_a_random_packet_composes_to_itself)
{
	__u64 seed = packet_seed("flow_packet");

	for (int i = 0; i < RANDOM_PACKETS; i++) {
		struct cxlt_key key, again;
		struct cxlt_layers lay;
		struct packet p, composed;
		char text[OF_TEXT_MAX];
		__u32 hdr_len;

		packet_random(&p, &seed);
		hdr_len = p.len < CXLT_HDR_MAX ? p.len : CXLT_HDR_MAX;
		if (cxlt_parse(p.b, hdr_len, p.len, i % 100, &key, &lay))
			continue;
		of_format_key(&key, text, sizeof(text));
		compose(&key, &composed, text);
		parse_composed(&composed, &key, &again, text);
		cr_assert_str_empty(key_difference(&key, &again), "%s: %s", text,
				    key_difference(&key, &again));
	}
}

Test(flow_packet, text_of_a_key_describes_the_same_packet)
{
	for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
		struct cxlt_key key, again;
		struct of_error err;
		char text[OF_TEXT_MAX];

		cr_assert_eq(of_parse_packet_key(packets[i], &key, NULL), 0);
		of_format_key(&key, text, sizeof(text));
		cr_assert_eq(of_parse_packet_key(text, &again, &err), 0, "%s: %s", text,
			     err.reason);
		cr_assert_str_empty(key_difference(&key, &again), "%s: %s", text,
				    key_difference(&key, &again));
	}
}

/* RFC 768: a sum that comes out as 0 is sent as 0xffff, since 0 means that there is none. */
Test(flow_packet, udp_always_has_a_checksum)
{
	struct cxlt_key key;
	struct packet p;
	int all_ones = 0;

	cr_assert_eq(of_parse_packet_key("udp,nw_src=1.2.3.4,nw_dst=5.6.7.8", &key, NULL), 0);
	for (__u32 port = 0; port < 65536; port++) {
		CXLT_KEY_SET(&key, TP_SRC, port);
		compose(&key, &p, "udp");
		cr_assert(p.b[40] | p.b[41], "port %u", port);
		all_ones += p.b[40] == 0xff && p.b[41] == 0xff;
	}
	cr_assert_eq(all_ones, 1);
}

Test(flow_packet, later_fragment_lies_behind_1480_bytes)
{
	struct cxlt_key key;
	struct packet p;

	cr_assert_eq(of_parse_packet_key("udp,ip_frag=later", &key, NULL), 0);
	compose(&key, &p, "IPv4");
	cr_assert_eq(p.b[14 + 6] << 8 | p.b[14 + 7], 1480 / 8);
	cr_assert_eq(of_parse_packet_key("udp6,ip_frag=later", &key, NULL), 0);
	compose(&key, &p, "IPv6");
	cr_assert_eq(p.b[14 + 40 + 2] << 8 | p.b[14 + 40 + 3], 1480);
}

Test(flow_packet, small_buffer_is_refused_and_not_overrun)
{
	struct cxlt_key key;
	__u8 buf[256];
	int len;

	cr_assert_eq(
		of_parse_packet_key("icmp6,icmp_type=135,nd_sll=0:0:0:0:0:1,dl_vlan=3", &key, NULL),
		0);
	len = of_compose_packet(&key, buf, sizeof(buf));
	cr_assert_eq(len, 90);
	for (int size = 0; size < len; size++) {
		memset(buf, 0x5a, sizeof(buf));
		cr_assert_eq(of_compose_packet(&key, buf, size), -ENOSPC);
		for (size_t k = size; k < sizeof(buf); k++)
			cr_assert_eq(buf[k], 0x5a);
	}
	cr_assert_eq(of_compose_packet(&key, buf, len), len);
}
