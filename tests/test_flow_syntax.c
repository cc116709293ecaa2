// SPDX-License-Identifier: Apache-2.0
/*
 * The flow syntax: what is accepted, how it prints, what is refused and where the error points.
 * ovs-ofctl, if it is installed, is asked what it makes of the same spellings.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openflow/flow.h>

TestSuite(flow_syntax, .timeout = 60);

static const char *text_of(const struct of_flow *flow)
{
	static char text[OF_TEXT_MAX];

	cr_assert_lt(of_format_flow(flow, text, sizeof(text)), sizeof(text));
	return text;
}

/* ---- spellings that are accepted ---- */

/* A match, and its canonical text; NULL: the spelling is canonical. */
static const char *const matches[][2] = {
	{"", NULL},
	{"in_port=1", NULL},
	{"in_port=0", NULL},
	{"in_port=65279", NULL},
	{"in_port=010", "in_port=10"},
	{"in_port:3", "in_port=3"},
	{"in_port=*", ""},
	{"dl_src=00:11:22:33:44:55", NULL},
	{"eth_src=0:1:2:3:4:f", "dl_src=00:01:02:03:04:0f"},
	{"dl_dst=AA:bb:03:04:05:06", "dl_dst=aa:bb:03:04:05:06"},
	{"eth_dst=01:02:03:04:05:06/01:00:00:00:00:00",
	 "dl_dst=01:00:00:00:00:00/01:00:00:00:00:00"},
	{"dl_dst=00:00:00:00:00:01/ff:ff:ff:ff:ff:ff", "dl_dst=00:00:00:00:00:01"},
	{"dl_dst=00:00:00:00:00:01/00:00:00:00:00:00", ""},
	{"dl_type=0x1234", NULL},
	{"eth_type=0x0800", "ip"},
	{"dl_type=2054", "arp"},
	{"eth_type=0x8035", "rarp"},
	{"dl_type=0x86dd", "ipv6"},
	{"dl_type=0x5", "dl_type=0x0005"},
	{"dl_vlan=10", NULL},
	{"dl_vlan=0", NULL},
	{"dl_vlan=4095", NULL},
	{"dl_vlan=0xffff", "vlan_tci=0x0000"},
	{"dl_vlan=10,dl_vlan_pcp=3", NULL},
	{"dl_vlan_pcp=3,dl_vlan=10", "dl_vlan=10,dl_vlan_pcp=3"},
	{"dl_vlan_pcp=0", NULL},
	{"vlan_pcp=7", "dl_vlan_pcp=7"},
	{"vlan_vid=0x100a", "dl_vlan=10"},
	{"vlan_vid=0x100a,vlan_pcp=3", "dl_vlan=10,dl_vlan_pcp=3"},
	{"vlan_vid=0", "vlan_tci=0x0000/0x1fff"},
	{"vlan_vid=0x1000/0x1000", "vlan_tci=0x1000/0x1000"},
	{"vlan_vid=0x100a/0x100f", "vlan_tci=0x100a/0x100f"},
	{"vlan_vid=0xa/0xf", "vlan_tci=0x000a/0x000f"},
	{"vlan_tci=0", "vlan_tci=0x0000"},
	{"vlan_tci=0x100a", "dl_vlan=10,dl_vlan_pcp=0"},
	{"vlan_tci=0x500a/0xffff", "dl_vlan=10,dl_vlan_pcp=2"},
	{"vlan_tci=0x1000/0x1000", NULL},
	{"vlan_tci=0xf00a/0xf000", "dl_vlan_pcp=7"},
	{"vlan_tci=0x000a/0x0fff", NULL},
	{"ip", NULL},
	{"ip6", "ipv6"},
	{"icmp", NULL},
	{"icmp6", NULL},
	{"tcp", NULL},
	{"tcp6", NULL},
	{"udp", NULL},
	{"udp6", NULL},
	{"sctp", NULL},
	{"sctp6", NULL},
	{"arp", NULL},
	{"rarp", NULL},
	{"ip,tcp", "tcp"},
	{"tcp,ip,nw_proto=6,dl_type=0x800", "tcp"},
	{"ip,nw_proto=17", "udp"},
	{"ip,ip_proto=47", "ip,nw_proto=47"},
	{"ip6,nw_proto=6", "tcp6"},
	{"ip,nw_proto=58", "ip,nw_proto=58"},
	{"ip,nw_src=10.1.2.3", NULL},
	{"nw_src=10.1.2.3,ip", "ip,nw_src=10.1.2.3"},
	{"ip,ip_src=10.1.2.3/8", "ip,nw_src=10.0.0.0/8"},
	{"ip,ipv4_dst=10.1.2.3/255.255.0.0", "ip,nw_dst=10.1.0.0/16"},
	{"ip,nw_src=10.1.2.3/255.0.255.0", "ip,nw_src=10.0.2.0/255.0.255.0"},
	{"ip,nw_src=10.1.2.3/0", "ip"},
	{"ip,nw_src=10.1.2.3/32", "ip,nw_src=10.1.2.3"},
	{"ip,nw_dst=*", "ip"},
	{"ipv6,ipv6_src=fe80::1", NULL},
	{"ipv6,ipv6_src=FE80:0::1/64", "ipv6,ipv6_src=fe80::/64"},
	{"ipv6,ipv6_dst=2001:db8::1/127", "ipv6,ipv6_dst=2001:db8::/127"},
	{"ipv6,ipv6_dst=::1/::ffff", NULL},
	{"ipv6,ipv6_dst=2001:db8::5/0:ffff::f", "ipv6,ipv6_dst=0:db8::5/0:ffff::f"},
	{"ipv6,ipv6_dst=::/0", "ipv6"},
	{"ipv6,ipv6_src=::ffff:1.2.3.4", NULL},
	{"ipv6,ipv6_label=0x00003", NULL},
	{"ipv6,ipv6_label=1048575", "ipv6,ipv6_label=0xfffff"},
	{"ipv6,ipv6_label=3/7", "ipv6,ipv6_label=0x3/0x7"},
	{"ip,nw_tos=96", NULL},
	{"ip,nw_tos=255", "ip,nw_tos=252"},
	{"ip,ip_dscp=63", "ip,nw_tos=252"},
	{"ip,nw_ecn=3", NULL},
	{"ipv6,ip_ecn=1", "ipv6,nw_ecn=1"},
	{"ip,nw_tos=4,nw_ecn=0", NULL},
	{"ip,nw_ttl=64", NULL},
	{"ip,ip_ttl=0x40", "ip,nw_ttl=64"},
	{"ip,nw_frag=no", NULL},
	{"ip,ip_frag=yes", "ip,nw_frag=yes"},
	{"ip,nw_frag=first", NULL},
	{"ip,ip_frag=later", "ip,nw_frag=later"},
	{"ipv6,nw_frag=not_later", NULL},
	{"tcp,tp_src=1000", NULL},
	{"tcp,tcp_dst=80", "tcp,tp_dst=80"},
	{"tcp,tcp_dst=0x50", "tcp,tp_dst=80"},
	{"tcp,tcp_dst=0120", "tcp,tp_dst=80"},
	{"tcp6,tcp_src=0x3ff/0xff00", "tcp6,tp_src=0x300/0xff00"},
	{"udp,udp_src=0/0xff00", "udp,tp_src=0x0/0xff00"},
	{"sctp,sctp_dst=65535", "sctp,tp_dst=65535"},
	{"tcp,tp_dst=5/0", "tcp"},
	{"tcp,tcp_flags=+syn-ack", NULL},
	{"tcp,tcp_flags=2/0x12", "tcp,tcp_flags=+syn-ack"},
	{"tcp,tcp_flags=syn|ack", NULL},
	{"tcp,tcp_flags=0x12", "tcp,tcp_flags=syn|ack"},
	{"tcp,tcp_flags=0", NULL},
	{"tcp,tcp_flags=[200]", NULL},
	{"tcp,tcp_flags=+ns-[800]", NULL},
	{"tcp,tcp_flags=0/0xfff", "tcp,tcp_flags=0"},
	{"icmp,icmp_type=8,icmp_code=0", NULL},
	{"icmp6,icmpv6_type=135,icmpv6_code=0", "icmp6,icmp_type=135,icmp_code=0"},
	{"icmp6,icmp_type=128", NULL},
	{"icmp6,icmp_type=135,nd_target=fe80::1,nd_sll=00:00:00:00:00:01", NULL},
	{"icmp6,icmpv6_type=136,icmpv6_code=0,nd_tll=0:0:0:0:0:1,nd_target=fe80::/10",
	 "icmp6,icmp_type=136,icmp_code=0,nd_target=fe80::/10,nd_tll=00:00:00:00:00:01"},
	{"arp,arp_op=1", NULL},
	{"arp,nw_proto=2", "arp,arp_op=2"},
	{"arp,nw_src=1.2.3.4", "arp,arp_spa=1.2.3.4"},
	{"arp,arp_spa=1.2.0.0/16,arp_tpa=5.6.7.8,arp_op=1,arp_sha=00:00:00:00:00:01,"
	 "arp_tha=00:00:00:00:00:02",
	 NULL},
	{"rarp,arp_op=3", NULL},
	{"metadata=5", "metadata=0x5"},
	{"metadata=0", NULL},
	{"metadata=-1", "metadata=0xffffffffffffffff"},
	{"metadata=0x5/0xf0", "metadata=0/0xf0"},
	{"tun_id=0x5/-1", "tun_id=0x5"},
	{"tunnel_id=5/7", "tun_id=0x5/0x7"},
	{"reg0=0x5", NULL},
	{"reg3=0xffffffff/0xff", "reg3=0xff/0xff"},
	{"xreg0=0x100000005", "reg0=0x1,reg1=0x5"},
	{"xreg1=0x100000005/0xff000000ff", "reg2=0x1/0xff,reg3=0x5/0xff"},
	{"reg2=1,reg1=2", "reg1=0x2,reg2=0x1"},
	{"udp,tp_dst=4789,vxlan_vni=100", NULL},
	{"udp6,vxlan_vni=0x10/0xf0", NULL},
	{" \t,, tcp ,\ttp_dst=80 ,", "tcp,tp_dst=80"},
	{"tcp tp_dst=80", "tcp,tp_dst=80"},
	/* the order that Open vSwitch prints in */
	{"tcp_flags=-rst,tp_dst=2,tp_src=1,nw_frag=no,nw_ttl=9,nw_ecn=1,nw_tos=8,nw_dst=2.2.2.2,"
	 "nw_src=1.1.1.1,dl_dst=00:00:00:00:00:02,dl_src=00:00:00:00:00:01,dl_vlan=7,in_port=3,"
	 "metadata=4,tun_id=5,reg3=6,reg0=7,tcp",
	 "tcp,reg0=0x7,reg3=0x6,tun_id=0x5,metadata=0x4,in_port=3,dl_vlan=7,"
	 "dl_src=00:00:00:00:00:01,dl_dst=00:00:00:00:00:02,nw_src=1.1.1.1,nw_dst=2.2.2.2,"
	 "nw_tos=8,nw_ecn=1,nw_ttl=9,nw_frag=no,tp_src=1,tp_dst=2,tcp_flags=-rst"},
};

Test(flow_syntax, match_prints_as_expected_and_parses_again)
{
	for (size_t i = 0; i < sizeof(matches) / sizeof(matches[0]); i++) {
		const char *want = matches[i][1] ? matches[i][1] : matches[i][0];
		struct of_match match, again;
		char text[OF_TEXT_MAX];
		struct of_error err;

		cr_assert_eq(of_parse_match(matches[i][0], &match, &err), 0, "%s: %s",
			     matches[i][0], err.reason);
		of_format_match(&match, OF_PRIORITY_DEFAULT, text, sizeof(text));
		cr_assert_str_eq(text, want, "%s: %s, not %s", matches[i][0], text, want);
		cr_assert_eq(of_parse_match(text, &again, &err), 0, "%s: %s", text, err.reason);
		cr_assert_eq(memcmp(&match, &again, sizeof(match)), 0, "%s", text);
		cr_assert_eq(of_match_check(&match, &err), 0, "%s: %s", text, err.reason);
	}
}

/* "MATCH | ACTIONS", and the actions' canonical text; NULL: the spelling is canonical. */
static const char *const actions[][3] = {
	{"", "", "drop"},
	{"", "drop", NULL},
	{"", "DROP", "drop"},
	{"", "output:1", NULL},
	{"", "1", "output:1"},
	{"", "010", "output:10"},
	{"", "output=1", "output:1"},
	{"", "output(1)", "output:1"},
	{"", "OUTPUT:1", "output:1"},
	{"", "1,2 3\t4,,5", "output:1,output:2,output:3,output:4,output:5"},
	{"", "in_port,FLOOD,all,LOCAL,local", "IN_PORT,FLOOD,ALL,LOCAL,LOCAL"},
	{"", "output:in_port,output:LOCAL,output:flood,output:controller",
	 "IN_PORT,LOCAL,FLOOD,CONTROLLER:65535"},
	{"", "controller", "CONTROLLER:65535"},
	{"", "CONTROLLER:100", NULL},
	{"", "controller()", "CONTROLLER:65535"},
	{"", "controller(max_len=128)", "CONTROLLER:128"},
	{"", "controller(reason=action,max_len=10,id=0)", "CONTROLLER:10"},
	{"", "controller:0", "CONTROLLER:0"},
	{"", "mod_dl_src:0:1:2:3:4:5,mod_dl_dst=ff:ff:ff:ff:ff:ff",
	 "mod_dl_src:00:01:02:03:04:05,mod_dl_dst:ff:ff:ff:ff:ff:ff"},
	{"", "set_field:00:11:22:33:44:55->eth_src", "mod_dl_src:00:11:22:33:44:55"},
	{"", "set_field:00:11:22:33:44:55->dl_dst", "mod_dl_dst:00:11:22:33:44:55"},
	{"", "set_field:00:11:22:33:44:55/ff:ff:ff:00:00:00->eth_dst",
	 "set_field:00:11:22:00:00:00/ff:ff:ff:00:00:00->eth_dst"},
	{"", "mod_vlan_vid:10", NULL},
	{"", "mod_vlan_vid:0xfff", "mod_vlan_vid:4095"},
	{"", "mod_vlan_pcp:3", NULL},
	{"dl_vlan=5", "set_field:0x100a->vlan_vid", "mod_vlan_vid:10"},
	{"vlan_tci=0x1000/0x1000", "set_field:4106->vlan_vid", "mod_vlan_vid:10"},
	{"dl_vlan=5", "set_field:0x100a/0x100f->vlan_vid", "set_field:4106/0x100f->vlan_vid"},
	{"dl_vlan_pcp=5", "set_field:3->vlan_pcp", "mod_vlan_pcp:3"},
	{"", "push_vlan:0x8100,set_field:0x100a->vlan_vid", "push_vlan:0x8100,mod_vlan_vid:10"},
	{"", "mod_vlan_vid:5,set_field:3->vlan_pcp", "mod_vlan_vid:5,mod_vlan_pcp:3"},
	{"", "push_vlan:33024,push_vlan:0x88a8", "push_vlan:0x8100,push_vlan:0x88a8"},
	{"", "strip_vlan,strip_vlan", NULL},
	{"dl_vlan=5", "pop_vlan", "strip_vlan"},
	{"", "mod_vlan_vid:5,pop_vlan", "mod_vlan_vid:5,strip_vlan"},
	{"ip", "mod_nw_src:1.2.3.4,mod_nw_dst:5.6.7.8", NULL},
	{"ip", "set_field:1.2.3.4->nw_src", "mod_nw_src:1.2.3.4"},
	{"ip", "set_field:1.2.3.4->ipv4_dst", "mod_nw_dst:1.2.3.4"},
	{"ip", "set_field:1.2.3.4/8->ip_src", "set_field:1.0.0.0/8->ip_src"},
	{"ip", "set_field:1.2.3.4/255.0.0.255->ip_src", "set_field:1.0.0.4/255.0.0.255->ip_src"},
	{"ip", "mod_nw_tos:8,mod_nw_ecn:2,mod_nw_ttl:3", NULL},
	{"ipv6", "set_field:2->ip_dscp,set_field:1->ip_ecn,set_field:7->ip_ttl",
	 "mod_nw_tos:8,mod_nw_ecn:1,mod_nw_ttl:7"},
	{"ip", "set_field:252->nw_tos", "mod_nw_tos:252"},
	{"ip", "dec_ttl", NULL},
	{"ipv6", "dec_ttl()", "dec_ttl"},
	{"ipv6", "set_field:fe80::1->ipv6_src,set_field:::1->ipv6_dst", NULL},
	{"ipv6", "set_field:fe80::1/64->ipv6_src", "set_field:fe80::/64->ipv6_src"},
	{"ipv6", "set_field:fe80::1/::ffff->ipv6_src", "set_field:::1/::ffff->ipv6_src"},
	{"ipv6", "set_field:1::/16->ipv6_src,set_field:2::/16->ipv6_src", NULL},
	{"ipv6", "set_field:7->ipv6_label", "set_field:0x7->ipv6_label"},
	{"tcp", "mod_tp_src:1,mod_tp_dst:2", NULL},
	{"udp6", "mod_tp_src:1,set_field:2->udp_dst", "mod_tp_src:1,mod_tp_dst:2"},
	{"sctp", "set_field:80->sctp_src,set_field:80->tp_dst", "mod_tp_src:80,mod_tp_dst:80"},
	{"tcp", "set_field:0x50/0xf0->tcp_dst", "set_field:80/0xf0->tp_dst"},
	{"", "set_field:5->metadata,set_field:5/0xf->metadata",
	 "set_field:0x5->metadata,set_field:0x5/0xf->metadata"},
	{"", "set_field:5->reg0,set_field:0->reg3", "set_field:0x5->reg0,set_field:0->reg3"},
	{"", "set_field:0x100000005->xreg1", "set_field:0x1->reg2,set_field:0x5->reg3"},
	{"", "set_field:5->tun_id,set_tunnel:6,set_tunnel64:7",
	 "set_field:0x5->tun_id,set_field:0x6->tun_id,set_field:0x7->tun_id"},
	{"", "set_field(5->reg0)", "set_field:0x5->reg0"},
	{"", "load:5->NXM_NX_REG0[]", "set_field:0x5->reg0"},
	{"", "load:5->NXM_NX_REG1[0..3]", "set_field:0x5/0xf->reg1"},
	{"", "load:1->reg2[31]", "set_field:0x80000000/0x80000000->reg2"},
	{"", "load:0x1122->NXM_OF_ETH_SRC[24..47]",
	 "set_field:00:11:22:00:00:00/ff:ff:ff:00:00:00->eth_src"},
	{"", "load:7->OXM_OF_METADATA[]", "set_field:0x7->metadata"},
	{"", "goto_table:3", NULL},
	{"", "goto_table(254)", "goto_table:254"},
	{"", "output:1,goto_table:3", NULL},
	{"", "write_metadata:5", "write_metadata:0x5"},
	{"", "write_metadata:0xff/0xf,goto_table:1", "write_metadata:0xf/0xf,goto_table:1"},
	{"ip", "dec_ttl,write_metadata:0x5,goto_table:1", NULL},
};

Test(flow_syntax, actions_print_as_expected_and_parse_again)
{
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		const char *text = actions[i][1];
		const char *want = actions[i][2] ? actions[i][2] : text;
		__u64 prog[CXLT_PROG_MAX], again[CXLT_PROG_MAX];
		char out[OF_TEXT_MAX];
		struct of_match match;
		struct of_error err;
		__u32 n, n_again;

		cr_assert_eq(of_parse_match(actions[i][0], &match, &err), 0);
		cr_assert_eq(of_parse_actions(text, &match, 0, prog, &n, &err), 0, "%s: %s", text,
			     err.reason);
		of_format_actions(prog, n, out, sizeof(out));
		cr_assert_str_eq(out, want, "%s: %s, not %s", text, out, want);
		cr_assert_eq(of_parse_actions(out, &match, 0, again, &n_again, &err), 0, "%s: %s",
			     out, err.reason);
		cr_assert(n == n_again && !memcmp(prog, again, n * sizeof(prog[0])), "%s", out);
	}
}

/* ---- spellings that are refused ---- */

struct refusal {
	const char *line;
	int column;
	const char *reason;
};

static const struct refusal refused[] = {
	{"nw_src=10.0.0.1,actions=1", 1, "nw_src without ip"},
	{"ipv6,nw_src=10.0.0.1,actions=1", 6, "nw_src without ip"},
	{"ip_dst=10.0.0.1,actions=1", 1, "ip_dst without ip"},
	{"ip,tcp_dst=80,actions=1", 4, "tcp_dst without tcp or tcp6"},
	{"udp,tcp_dst=80,actions=1", 5, "tcp_dst without tcp or tcp6"},
	{"tcp,udp_src=80,actions=1", 5, "udp_src without udp or udp6"},
	{"tcp,sctp_src=80,actions=1", 5, "sctp_src without sctp or sctp6"},
	{"ip,tp_dst=80,actions=1", 4, "tp_dst without tcp, udp or sctp"},
	{"icmp,tp_src=8,actions=1", 6, "tp_src without tcp, udp or sctp"},
	{"tcp,icmp_type=8,actions=1", 5, "icmp_type without icmp or icmp6"},
	{"icmp,icmpv6_type=8,actions=1", 6, "icmpv6_type without icmp6"},
	{"nw_proto=6,actions=1", 1, "nw_proto without ip or ipv6"},
	{"nw_ttl=6,actions=1", 1, "nw_ttl without ip or ipv6"},
	{"nw_tos=8,actions=1", 1, "nw_tos without ip or ipv6"},
	{"arp,nw_ecn=1,actions=1", 5, "nw_ecn without ip or ipv6"},
	{"ip_frag=no,actions=1", 1, "ip_frag without ip or ipv6"},
	{"ip,ipv6_src=::1,actions=1", 4, "ipv6_src without ipv6"},
	{"ip,ipv6_label=1,actions=1", 4, "ipv6_label without ipv6"},
	{"udp,tcp_flags=+syn,actions=1", 5, "tcp_flags without tcp or tcp6"},
	{"ip,arp_spa=1.2.3.4,actions=1", 4, "arp_spa without arp"},
	{"arp_op=1,actions=1", 1, "arp_op without arp"},
	{"icmp6,nd_target=::1,actions=1", 7, "nd_target without icmp6,icmp_type=135 or 136"},
	{"icmp6,icmp_type=136,nd_sll=0:0:0:0:0:1,actions=1", 21,
	 "nd_sll without icmp6,icmp_type=135"},
	{"icmp6,icmp_type=135,icmp_code=1,nd_sll=0:0:0:0:0:1,actions=1", 33,
	 "nd_sll without icmp6,icmp_type=135"},
	{"tcp,vxlan_vni=5,actions=1", 5, "vxlan_vni without udp or udp6"},
	{"nw_srcc=1.2.3.4,actions=1", 1, "unknown field \"nw_srcc\" (did you mean nw_src?)"},
	{"ip,NW_SRC=1.2.3.4,actions=1", 4, "unknown field \"NW_SRC\" (did you mean nw_src?)"},
	{"ip,quux=3,actions=1", 4, "unknown field \"quux\""},
	{"reg4=3,actions=1", 1, "unknown field \"reg4\" (did you mean reg0?)"},
	{"tcp,tp_dst=80,tp_dst=81,actions=1", 15, "tp_dst given twice"},
	{"tcp,tp_dst=80,tcp_dst=80,actions=1", 15, "tcp_dst overlaps an earlier field"},
	{"reg0=1/0xf,xreg0=1,actions=1", 12, "xreg0 overlaps an earlier field"},
	{"dl_vlan=3,vlan_tci=0x1003,actions=1", 11, "vlan_tci overlaps an earlier field"},
	{"dl_vlan=0xffff,dl_vlan_pcp=1,actions=1", 16, "dl_vlan_pcp overlaps an earlier field"},
	{"vlan_vid=0,vlan_pcp=1,actions=1", 12, "vlan_pcp contradicts an earlier field"},
	{"tcp,udp,actions=1", 5, "udp contradicts an earlier field"},
	{"ip,dl_type=0x86dd,actions=1", 4, "dl_type contradicts an earlier field"},
	{"in_port=1,in_port=*,actions=1", 11, "in_port given twice"},
	{"in_port=LOCAL,actions=1", 9,
	 "in_port=LOCAL is not supported: the host's own packets don't enter the pipeline"},
	{"in_port=65280,actions=1", 9, "in_port: 65280 is too large (ports are 0 to 65279)"},
	{"in_port=1/1,actions=1", 11, "in_port takes no mask"},
	{"in_port=x,actions=1", 9, "in_port: \"x\" is not a port number"},
	{"in_port=,actions=1", 9, "in_port needs a value"},
	{"in_port,actions=1", 8, "in_port needs a value"},
	{"tcp=1,actions=1", 5, "tcp takes no value"},
	{"tcp(1),actions=1", 4, "tcp: \"(\" instead of \"=\""},
	{"tcp,tp_dst=65536,actions=1", 12, "tp_dst: 65536 is too large (at most 65535)"},
	{"tcp,tp_dst=1/0x10000,actions=1", 14, "tp_dst: 0x10000 is too large (at most 65535)"},
	{"tcp,tp_dst=80x,actions=1", 12, "tp_dst: \"80x\" is not a number"},
	{"tcp,tp_dst=-1,actions=1", 12, "tp_dst: \"-1\" is not a number"},
	{"tcp,tp_dst=0x,actions=1", 12, "tp_dst: \"0x\" is not a number"},
	{"tcp,tp_dst=08,actions=1", 12, "tp_dst: \"08\" is not a number"},
	{"metadata=0x10000000000000000,actions=1", 10,
	 "metadata: 0x10000000000000000 is too large (at most 18446744073709551615)"},
	{"metadata=5/,actions=1", 12, "metadata: \"\" is not a number"},
	{"reg0=0x100000000,actions=1", 6, "reg0: 0x100000000 is too large (at most 4294967295)"},
	{"dl_vlan=4096,actions=1", 9,
	 "dl_vlan: 4096 is too large (at most 4095, or 0xffff: no tag)"},
	{"dl_vlan_pcp=8,actions=1", 13, "dl_vlan_pcp: 8 is too large (at most 7)"},
	{"vlan_vid=10,actions=1", 10,
	 "vlan_vid: no packet has 10, write 0x100a (bit 0x1000: there is a tag)"},
	{"vlan_vid=0x200a,actions=1", 10, "vlan_vid: 0x200a is too large (at most 8191)"},
	{"ip,ip_dscp=64,actions=1", 12, "ip_dscp: 64 is too large (at most 63)"},
	{"ip,nw_ecn=4,actions=1", 11, "nw_ecn: 4 is too large (at most 3)"},
	{"ip,nw_tos=256,actions=1", 11, "nw_tos: 256 is too large (at most 255)"},
	{"ipv6,ipv6_label=0x100000,actions=1", 17,
	 "ipv6_label: 0x100000 is too large (at most 1048575)"},
	{"ip,nw_proto=6/7,actions=1", 15, "nw_proto takes no mask"},
	{"dl_type=0x800/0xff,actions=1", 15, "dl_type takes no mask"},
	{"icmp,icmp_type=8/8,actions=1", 18, "icmp_type takes no mask"},
	{"icmp,icmp_type=256,actions=1", 16, "icmp_type: 256 is too large (at most 255)"},
	{"ip,nw_src=1.2.3,actions=1", 11, "nw_src: \"1.2.3\" is not an IPv4 address"},
	{"ip,nw_src=1.2.3.256,actions=1", 11, "nw_src: \"1.2.3.256\" is not an IPv4 address"},
	{"ip,nw_src=01.2.3.4,actions=1", 11, "nw_src: \"01.2.3.4\" is not an IPv4 address"},
	{"ip,nw_src=1.2.3.4.5,actions=1", 11, "nw_src: \"1.2.3.4.5\" is not an IPv4 address"},
	{"ip,nw_src=1.2.3.4/33,actions=1", 19, "nw_src: prefix length 33 is not between 0 and 32"},
	{"ip,nw_src=1.2.3.4/0x8,actions=1", 19, "nw_src: \"0x8\" is not an IPv4 address"},
	{"ipv6,ipv6_src=fe80,actions=1", 15, "ipv6_src: \"fe80\" is not an IPv6 address"},
	{"ipv6,ipv6_src=::/129,actions=1", 18,
	 "ipv6_src: prefix length 129 is not between 0 and 128"},
	{"dl_src=1:2:3:4:5,actions=1", 8, "dl_src: \"1:2:3:4:5\" is not an Ethernet address"},
	{"dl_src=1:2:3:4:5:6:7,actions=1", 8,
	 "dl_src: \"1:2:3:4:5:6:7\" is not an Ethernet address"},
	{"dl_src=01-02-03-04-05-06,actions=1", 8,
	 "dl_src: \"01-02-03-04-05-06\" is not an Ethernet address"},
	{"ip,nw_frag=some,actions=1", 12,
	 "nw_frag: \"some\" is none of no, yes, first, later, not_later"},
	{"tcp,tcp_flags=+syn-bad,actions=1", 20, "tcp_flags: \"bad\" is not a TCP flag"},
	{"tcp,tcp_flags=+syn-syn,actions=1", 20, "tcp_flags: syn given twice"},
	{"tcp,tcp_flags=0x1000,actions=1", 15, "tcp_flags: 0x1000 is too large (at most 4095)"},
	{"table=255,actions=1", 7, "table: \"255\" is not between 0 and 254"},
	{"table=0x3,actions=1", 7, "table: \"0x3\" is not between 0 and 254"},
	{"table=,actions=1", 7, "table: \"\" is not between 0 and 254"},
	{"table=1,table=1,actions=1", 9, "table given twice"},
	{"priority=65536,actions=1", 10, "priority: \"65536\" is not between 0 and 65535"},
	{"priority=1,priority=2,actions=1", 12, "priority given twice"},
	{"cookie=x,actions=1", 8, "cookie: \"x\" is not a 64-bit number"},
	{"cookie=1/1,actions=1", 9, "cookie: a new flow's cookie has no mask"},
	{"out_port=1,actions=1", 1, "out_port is for del-flows and dump-flows only"},
	{"idle_timeout=5,actions=1", 1, "idle_timeout is not supported"},
	{"hard_timeout=5,actions=1", 1, "hard_timeout is not supported"},
	{"send_flow_rem,actions=1", 1, "send_flow_rem is not supported"},
	{"check_overlap,actions=1", 1, "check_overlap is not supported"},
	{"ip", 3, "actions= is missing"},
	{"ip,actions", 4, "unknown field \"actions\""},
	{"actions=output", 15, "output needs a port"},
	{"actions=output:", 16, "output needs a port"},
	{"actions=output:65280", 16, "output: 65280 is too large (ports are 0 to 65279)"},
	{"actions=output:0x3", 16, "output: \"0x3\" is not a port"},
	{"actions=0x3", 9, "output: \"0x3\" is not a port"},
	{"actions=output:reg0", 16, "output to \"reg0\" is not supported: only to a port"},
	{"actions=output(max_len=5,port=3)", 16,
	 "output to \"max_len=5,port=3\" is not supported: only to a port"},
	{"actions=flood:3", 15, "flood takes no value"},
	{"actions=drop:3", 14, "drop takes no value"},
	{"actions=drop,1", 9, "drop must be the only action"},
	{"actions=goto_table:1,drop", 22, "drop must come before goto_table"},
	{"actions=drop,goto_table:1", 9, "drop must be the only action"},
	{"actions=controller:65536", 20,
	 "controller: max_len \"65536\" is not between 0 and 65535"},
	{"actions=controller(reason=no_match)", 20, "controller(reason=no_match) is not supported"},
	{"actions=controller(id=1)", 20, "controller(id=1) is not supported"},
	{"actions=controller(userdata=00)", 20, "controller(userdata=00) is not supported"},
	{"actions=controller(1", 19, "\"(\" without \")\""},
	{"actions=controller()1", 21, "expected \",\" after \")\""},
	{"actions=normal", 9, "action normal is not supported"},
	{"actions=resubmit(,3)", 9, "action resubmit is not supported"},
	{"actions=1,group:3", 11, "action group is not supported"},
	{"actions=METER:3", 9, "action meter is not supported"},
	{"actions=learn(table=1,in_port=1)", 9, "action learn is not supported"},
	{"actions=ct(commit)", 9, "action ct is not supported"},
	{"actions=note:00", 9, "action note is not supported"},
	{"actions=enqueue:1:2", 9, "action enqueue is not supported"},
	{"actions=move:NXM_NX_REG0[]->NXM_NX_REG1[]", 9, "action move is not supported"},
	{"actions=clear_actions", 9, "action clear_actions is not supported"},
	{"actions=write_actions(output:1)", 9, "action write_actions is not supported"},
	{"actions=apply_actions(output:1)", 9,
	 "apply_actions(...) is not supported: it is the default, list its actions"},
	{"actions=mod_nw_dstt:1", 9, "unknown action \"mod_nw_dstt\" (did you mean mod_nw_dst?)"},
	{"actions=ip", 9, "unknown action \"ip\""},
	{"actions=mod_nw_dst:1.2.3.4", 9, "mod_nw_dst without ip"},
	{"arp,actions=mod_nw_dst:1.2.3.4", 13, "mod_nw_dst without ip"},
	{"ip,actions=mod_tp_dst:1", 12, "mod_tp_dst without tcp, udp or sctp"},
	{"actions=mod_nw_tos:4", 9, "mod_nw_tos without ip or ipv6"},
	{"ip,actions=mod_nw_tos:5", 23, "mod_nw_tos: the two low bits are ECN, not DSCP"},
	{"ip,actions=mod_nw_src:1.2.3.4/8", 31, "mod_nw_src takes no mask"},
	{"actions=mod_vlan_vid:4096", 22, "mod_vlan_vid: 4096 is too large (at most 4095)"},
	{"actions=mod_vlan_pcp:8", 22, "mod_vlan_pcp: 8 is too large (at most 7)"},
	{"actions=mod_dl_src:x", 20, "mod_dl_src: \"x\" is not an Ethernet address"},
	{"actions=dec_ttl", 9, "dec_ttl without ip or ipv6"},
	{"ip,actions=dec_ttl(1,2)", 20, "dec_ttl with controller ids is not supported"},
	{"actions=pop_vlan", 9, "pop_vlan without a VLAN tag"},
	{"dl_vlan=1,actions=pop_vlan,pop_vlan", 28, "pop_vlan without a VLAN tag"},
	{"actions=push_vlan:0x9100", 19, "push_vlan: \"0x9100\" is neither 0x8100 nor 0x88a8"},
	{"dl_vlan=1,actions=push_vlan:0x8100,push_vlan:0x8100", 36,
	 "push_vlan: a packet has two tags at most"},
	{"actions=set_field:0x100a->vlan_vid", 9, "set_field of vlan_vid without a VLAN tag"},
	{"dl_vlan=0xffff,actions=set_field:1->vlan_pcp", 24,
	 "set_field of vlan_pcp without a VLAN tag"},
	{"dl_vlan=1,actions=set_field:0->vlan_vid", 29,
	 "set_field: vlan_vid needs bit 0x1000, write 0x1000"},
	{"ip,actions=set_field:80->tcp_dst", 12, "set_field of tcp_dst without tcp or tcp6"},
	{"actions=set_field:5->in_port", 22, "set_field: in_port can't be set"},
	{"ip,actions=set_field:5->nw_proto", 25, "set_field: nw_proto can't be set"},
	{"arp,actions=set_field:1.2.3.4->arp_spa", 32, "set_field: arp_spa can't be set"},
	{"actions=set_field:5->quux", 22, "set_field: unknown field \"quux\""},
	{"actions=set_field:5", 19, "set_field: missing \"->\""},
	{"actions=set_field:5/0->reg0", 19, "set_field: a mask of 0 sets nothing"},
	{"actions=set_field:->reg0", 19, "reg0 needs a value"},
	{"actions=load:0x1f->NXM_NX_REG0[0..3]", 14, "load: \"0x1f\" is not a number of 4 bits"},
	{"actions=load:1->NXM_NX_REG0[3..32]", 29,
	 "load: [3..32] is no range of the 32 bits of "
	 "NXM_NX_REG0"},
	{"actions=write_metadata:1,output:1", 26, "output must come before write_metadata"},
	{"actions=write_metadata:1,write_metadata:2", 26, "write_metadata given twice"},
	{"actions=goto_table:1,write_metadata:1", 22, "write_metadata must come before goto_table"},
	{"actions=goto_table:1,1", 22, "1 must come before goto_table"},
	{"actions=goto_table:1,goto_table:2", 22, "goto_table given twice"},
	{"actions=goto_table:0", 20, "goto_table:0 is not higher than table 0"},
	{"table=5,actions=goto_table:5", 28, "goto_table:5 is not higher than table 5"},
	{"actions=goto_table:255", 20, "goto_table: \"255\" is not a table (1 to 254)"},
	{"actions=goto_table:0x3", 20, "goto_table: \"0x3\" is not a table (1 to 254)"},
};

Test(flow_syntax, refusal_names_column_and_reason)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		const struct refusal *r = &refused[i];
		struct of_error err = {0};
		struct of_flow flow;

		cr_assert_eq(of_parse_flow(r->line, OF_ADD, &flow, &err), -EINVAL,
			     "%s: accepted as %s", r->line, text_of(&flow));
		cr_assert_str_eq(err.reason, r->reason, "%s: \"%s\", not \"%s\"", r->line,
				 err.reason, r->reason);
		cr_assert_eq(err.column, r->column, "%s: column %d, not %d", r->line, err.column,
			     r->column);
		cr_assert_eq(of_parse_flow(r->line, OF_ADD, &flow, NULL), -EINVAL);
	}
}

Test(flow_syntax, program_that_is_too_long_is_refused)
{
	struct of_match match = {0};
	__u64 prog[CXLT_PROG_MAX];
	struct of_error err;
	char text[4096];
	size_t len = 0;
	__u32 n;

	for (int i = 0; i < CXLT_PROG_MAX; i++)
		len += snprintf(text + len, sizeof(text) - len, "%d,", i);
	cr_assert_eq(of_parse_actions(text, &match, 0, prog, &n, &err), 0);
	cr_assert_eq(n, CXLT_PROG_MAX);
	snprintf(text + len, sizeof(text) - len, "7");
	cr_assert_eq(of_parse_actions(text, &match, 0, prog, &n, &err), -E2BIG);
	cr_assert_str_eq(err.reason, "too many actions: they need more than 96 words");
	cr_assert_eq(err.column, (int)len + 1);
	snprintf(text + len - 3, sizeof(text) - len, "set_field:1->reg0");
	cr_assert_eq(of_parse_actions(text, &match, 0, prog, &n, &err), -E2BIG);
}

Test(flow_syntax, reason_never_holds_control_characters)
{
	struct of_flow flow;
	struct of_error err;

	cr_assert_eq(of_parse_flow("\033[31mred\x80,actions=1", OF_ADD, &flow, &err), -EINVAL);
	cr_assert_str_eq(err.reason, "unknown field \"?[31mred?\"");
}

/* ---- whole flows and modes ---- */

Test(flow_syntax, flow_has_defaults_of_its_mode)
{
	struct of_error err;
	struct of_flow f;

	cr_assert_eq(of_parse_flow("actions=1\n", OF_ADD, &f, &err), 0);
	cr_assert(f.table == 0 && f.priority == 32768 && !f.cookie && !f.has_table);
	cr_assert_eq(
		of_parse_flow("table=3,priority=0x10,cookie=-1,tcp actions=1", OF_ADD, &f, &err),
		0);
	cr_assert(f.table == 3 && f.priority == 16 && f.cookie == ~0ULL && f.has_cookie);
	cr_assert_str_eq(text_of(&f), "cookie=0xffffffffffffffff, table=3, priority=16,tcp "
				      "actions=output:1");
	cr_assert_eq(of_parse_flow("", OF_DELETE, &f, &err), 0);
	cr_assert(f.table == OF_TABLE_ANY && f.out_port == OF_PORT_ANY && !f.cookie_mask);
	cr_assert_eq(of_parse_flow("cookie=0x1f/0xf,out_port=3,table=2,ip", OF_DUMP, &f, &err), 0);
	cr_assert(f.cookie_value == 0xf && f.cookie_mask == 0xf && f.out_port == 3);
	cr_assert_str_eq(text_of(&f), "cookie=0xf/0xf, table=2, out_port=3, ip");
	cr_assert_eq(of_parse_flow("out_port=controller,table=255,ip", OF_DELETE, &f, &err), 0);
	cr_assert_eq(f.table, OF_TABLE_ANY);
	cr_assert_str_eq(text_of(&f), "out_port=CONTROLLER, ip");
	cr_assert_eq(of_parse_flow("cookie=1/-1,cookie=2,ip,actions=2", OF_MODIFY, &f, &err), 0);
	cr_assert(f.cookie == 2 && f.cookie_value == 1 && f.cookie_mask == ~0ULL);
	cr_assert_eq(of_parse_flow("ip,actions=goto_table:1", OF_MODIFY, &f, &err), 0);
	cr_assert_eq(of_program_goto(f.prog, f.n_prog), 1);
	cr_assert_eq(of_parse_flow("idle_timeout=0,hard_timeout=0,actions=1", OF_ADD, &f, &err), 0);
}

Test(flow_syntax, mode_refuses_what_it_would_ignore)
{
	static const struct {
		enum of_mode mode;
		struct refusal r;
	} rows[] = {
		{OF_DELETE, {"ip,actions=1", 4, "actions have no meaning here"}},
		{OF_DUMP, {"ip,actions=drop", 4, "actions have no meaning here"}},
		{OF_MODIFY, {"ip", 3, "actions= is missing"}},
		{OF_DELETE, {"priority=5", 1, "priority has no meaning here without --strict"}},
		{OF_MODIFY,
		 {"priority=5,actions=1", 1, "priority has no meaning here without --strict"}},
		{OF_DUMP, {"priority=5", 1, "priority has no meaning here"}},
		{OF_DELETE, {"cookie=5", 8, "cookie needs a mask here: cookie=5/-1"}},
		{OF_DUMP, {"cookie=5", 8, "cookie needs a mask here: cookie=5/-1"}},
		{OF_DELETE, {"cookie=5/1,cookie=4/1", 12, "cookie given twice"}},
		{OF_DELETE,
		 {"out_port=LOCALE", 10,
		  "out_port: \"LOCALE\" is no port (0 to 65279, or IN_PORT, FLOOD, ALL, "
		  "CONTROLLER, LOCAL)"}},
		{OF_DELETE, {"nw_dst=1.2.3.4", 1, "nw_dst without ip"}},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct of_error err = {0};
		struct of_flow flow;

		cr_assert_eq(of_parse_flow(rows[i].r.line, rows[i].mode, &flow, &err), -EINVAL,
			     "%s", rows[i].r.line);
		cr_assert_str_eq(err.reason, rows[i].r.reason);
		cr_assert_eq(err.column, rows[i].r.column, "%s: %d", rows[i].r.line, err.column);
	}
}

Test(flow_syntax, dumped_flow_can_be_added_again)
{
	struct of_error err;
	struct of_flow f;

	cr_assert_eq(of_parse_flow(" cookie=0x5, duration=3.2s, table=1, n_packets=4, n_bytes=5, "
				   "idle_age=3, priority=7,tcp,in_port=1 actions=output:2",
				   OF_ADD, &f, &err),
		     0, "%s", err.reason);
	cr_assert_str_eq(text_of(&f),
			 "cookie=0x5, table=1, priority=7,tcp,in_port=1 actions=output:2");
}
