// SPDX-License-Identifier: Apache-2.0
/*
 * Packets through both phases of the pipeline, with outputs written down (cxltab/record.h).  Each
 * case is rules, a packet, and the copies that must leave.  Expected copies are composed from
 * their own flow text by the flow syntax, so their checksums are computed from scratch.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include <cxltab/record.h>
#include <cxltab/slice.h>
#include <cxltab/writer.h>

#include "openflow/flow.h"

static struct cxlt_slice *slice;
static struct cxlt_writer *writer;
static struct cxlt_view host, device;
static struct cxlt_work w;
static struct cxlt_adapter a;
static __u8 packet[65535];

static void open_slice_with(const struct cxlt_slice_config *config)
{
	cr_assert_eq(cxlt_slice_create_memfd("pipeline", config, &slice), 0, "%s",
		     cxlt_error_text());
	cr_assert_eq(cxlt_writer_open(slice, &writer), 0, "%s", cxlt_error_text());
	cxlt_slice_view(slice, 0, &host);
	cxlt_slice_view(slice, CXLT_VIEW_DEVICE, &device);
	a.bytes = malloc(CXLT_RECORD_BYTES);
	a.room = CXLT_RECORD_BYTES;
	cr_assert_not_null(a.bytes);
}

static void open_slice(void)
{
	const struct cxlt_slice_config config = {.size = 4 << 20};

	open_slice_with(&config);
}

static void close_slice(void)
{
	free(a.bytes);
	cxlt_writer_close(writer);
	cxlt_slice_close(slice);
}

TestSuite(pipeline, .init = open_slice, .fini = close_slice);

static void rule(const char *text)
{
	struct of_error err;
	struct cxlt_rule_spec spec;
	struct of_flow f;

	cr_assert_eq(of_parse_flow(text, OF_ADD, &f, &err), 0, "%s: %s", text, err.reason);
	spec = (struct cxlt_rule_spec){
		.table = f.table,
		.priority = f.priority,
		.cookie = f.cookie,
		.value = f.match.value,
		.mask = f.match.mask,
		.n_prog = f.n_prog,
		.prog = f.prog,
	};
	cr_assert_geq(cxlt_rule_add(writer, &spec), 0, "%s: %s", text, cxlt_error_text());
}

static int compose(const char *flow, __u8 *bytes, __u32 *in_port)
{
	struct of_error err;
	struct cxlt_key key;
	int n;

	cr_assert_eq(of_parse_packet_key(flow, &key, &err), 0, "%s: %s", flow, err.reason);
	n = of_compose_packet(&key, bytes, sizeof(packet));
	cr_assert_gt(n, 0, "%s", flow);
	*in_port = CXLT_KEY_GET(&key, IN_PORT);
	return n;
}

/* The ports that exist; without a call, all do. */
static void ports(__u32 n, const __u32 *list)
{
	a.ports = list;
	a.n_ports = n;
}

static void send_on(const struct cxlt_view *v, const char *flow)
{
	__u32 in_port, n = compose(flow, packet, &in_port);

	cxlt_record(v, &w, &a, in_port, packet, n);
}

static void send(const char *flow)
{
	send_on(&host, flow);
}

static void ends(enum cxlt_verdict verdict, enum cxlt_reason reason)
{
	cr_assert_eq(w.res.verdict, verdict, "verdict %s", cxlt_verdict_name[w.res.verdict]);
	cr_assert_eq(w.res.reason, reason, "reason %s", cxlt_reason_name[w.res.reason]);
}

static void copies(__u32 n)
{
	cr_assert_eq(a.n_outputs, n, "%u copies", a.n_outputs);
}

/* Copy i is the packet that `flow` describes, but for padding. */
static void is_packet(__u32 i, const char *flow)
{
	static __u8 want[65535];
	const __u8 *got = a.bytes + a.output[i].at;
	__u32 ignored, n = compose(flow, want, &ignored), len = a.output[i].len, at;

	cr_assert_geq(len, 60);
	for (at = 0; at < len; at++)
		cr_assert_eq(got[at], at < n ? want[at] : 0, "copy %u, byte %u: %02x, wanted %02x",
			     i, at, got[at], at < n ? want[at] : 0);
}

static void copy_to(__u32 i, __u32 port, const char *flow)
{
	cr_assert_lt(i, a.n_outputs);
	cr_assert_eq(a.output[i].kind, CXLT_RECORD_PORT);
	cr_assert_eq(a.output[i].port, port, "copy %u to port %u", i, a.output[i].port);
	is_packet(i, flow);
}

static void copy_of_kind(__u32 i, enum cxlt_record_kind kind, const char *flow)
{
	cr_assert_lt(i, a.n_outputs);
	cr_assert_eq(a.output[i].kind, kind);
	is_packet(i, flow);
}

#define TCP "tcp,dl_dst=02:00:00:00:00:02,nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_src=1000,tp_dst=80"
#define UDP "udp,nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_src=1000,tp_dst=53"

/* ---- Matching ---- */

Test(pipeline, a_rule_that_matches_outputs_the_packet_as_it_came)
{
	rule("tcp,nw_dst=10.0.0.0/24,actions=output:2");
	send("in_port=1," TCP);
	ends(CXLT_V_OUTPUT, CXLT_R_RULE);
	copies(1);
	copy_to(0, 2, TCP);
}

Test(pipeline, the_highest_priority_wins_across_masks)
{
	rule("priority=10,ip,actions=output:2");
	rule("priority=30,tcp,tp_dst=80,cookie=0x30,actions=output:3");
	rule("priority=20,nw_dst=10.0.0.2,ip,actions=drop");
	send("in_port=1," TCP);
	copies(1);
	copy_to(0, 3, TCP);
	cr_assert_eq(w.res.cookie, 0x30);
	cr_assert(w.res.matched);
}

Test(pipeline, a_packet_that_no_rule_matches_is_dropped_by_the_host)
{
	rule("udp,actions=output:2");
	send("in_port=1," TCP);
	ends(CXLT_V_DROP, CXLT_R_TABLE_MISS);
	copies(0);
	cr_assert_not(w.res.matched);
}

Test(pipeline, a_rule_without_actions_drops)
{
	rule("actions=drop");
	send("in_port=1," TCP);
	ends(CXLT_V_DROP, CXLT_R_RULE_DROP);
	copies(0);
}

Test(pipeline, a_frame_of_13_bytes_is_dropped_with_its_reason)
{
	rule("actions=output:2");
	memset(packet, 0, 13);
	cxlt_record(&host, &w, &a, 1, packet, 13);
	ends(CXLT_V_DROP, CXLT_R_SHORT_FRAME);
	copies(0);
	cxlt_record(&host, &w, &a, 1, packet, 0);
	ends(CXLT_V_DROP, CXLT_R_SHORT_FRAME);
}

/* ---- Outputs ---- */

Test(pipeline, output_to_the_port_it_came_from_sends_nothing)
{
	rule("actions=output:1");
	send("in_port=1," TCP);
	ends(CXLT_V_DROP, CXLT_R_ONLY_IN_PORT);
	copies(0);
}

Test(pipeline, in_port_sends_it_back)
{
	rule("actions=in_port");
	send("in_port=7," TCP);
	ends(CXLT_V_OUTPUT, CXLT_R_RULE);
	copies(1);
	copy_to(0, 7, TCP);
}

Test(pipeline, flood_reaches_every_port_but_its_own_in_ascending_order)
{
	static const __u32 list[] = {1, 2, 5, 9};

	ports(4, list);
	rule("actions=flood");
	send("in_port=2," TCP);
	copies(3);
	copy_to(0, 1, TCP);
	copy_to(1, 5, TCP);
	copy_to(2, 9, TCP);
}

Test(pipeline, all_reaches_the_same_ports_as_flood)
{
	static const __u32 list[] = {1, 2, 5};

	ports(3, list);
	rule("actions=all");
	send("in_port=1," TCP);
	copies(2);
	copy_to(0, 2, TCP);
	copy_to(1, 5, TCP);
}

Test(pipeline, flood_is_one_output_where_the_ports_are_not_known)
{
	rule("actions=flood");
	send("in_port=2," TCP);
	copies(1);
	copy_of_kind(0, CXLT_RECORD_FLOOD, TCP);
}

Test(pipeline, flood_with_no_other_port_is_a_drop_without_port)
{
	static const __u32 list[] = {2};

	ports(1, list);
	rule("actions=flood");
	send("in_port=2," TCP);
	ends(CXLT_V_DROP, CXLT_R_NO_PORT);
}

Test(pipeline, an_output_to_a_port_that_does_not_exist_is_a_drop_with_its_reason)
{
	static const __u32 list[] = {1, 2};

	ports(2, list);
	rule("actions=output:3");
	send("in_port=1," TCP);
	ends(CXLT_V_DROP, CXLT_R_NO_PORT);
	copies(0);
}

Test(pipeline, a_missing_port_does_not_stop_the_outputs_after_it)
{
	static const __u32 list[] = {1, 2};

	ports(2, list);
	rule("actions=output:3,output:2");
	send("in_port=1," TCP);
	ends(CXLT_V_OUTPUT, CXLT_R_RULE);
	copies(1);
	copy_to(0, 2, TCP);
}

Test(pipeline, controller_gets_as_many_bytes_as_it_asks_for)
{
	rule("actions=controller(max_len=20)");
	send("in_port=1," TCP);
	ends(CXLT_V_CONTROLLER, CXLT_R_RULE);
	copies(1);
	cr_assert_eq(a.output[0].kind, CXLT_RECORD_CONTROLLER);
	cr_assert_eq(a.output[0].len, 20);
	cr_assert_arr_eq(a.bytes + a.output[0].at, packet, 20);
}

Test(pipeline, controller_beside_an_output_is_an_output)
{
	rule("actions=controller,output:2");
	send("in_port=1," TCP);
	ends(CXLT_V_OUTPUT, CXLT_R_RULE);
	copies(2);
	copy_of_kind(0, CXLT_RECORD_CONTROLLER, TCP);
	copy_to(1, 2, TCP);
}

Test(pipeline, local_goes_to_the_hosts_own_stack)
{
	rule("actions=local");
	send("in_port=1," TCP);
	ends(CXLT_V_LOCAL, CXLT_R_RULE);
	copies(1);
	copy_of_kind(0, CXLT_RECORD_LOCAL, TCP);
}

/* ---- Rewrites ---- */

Test(pipeline, a_rewrite_reaches_the_outputs_after_it_and_not_those_before)
{
	rule("tcp,actions=output:2,mod_nw_dst:192.168.0.9,output:3,mod_tp_dst:8080,output:4");
	send("in_port=1," TCP);
	copies(3);
	copy_to(0, 2, TCP);
	copy_to(1, 3,
		"tcp,dl_dst=02:00:00:00:00:02,nw_src=10.0.0.1,nw_dst=192.168.0.9,"
		"tp_src=1000,tp_dst=80");
	copy_to(2, 4,
		"tcp,dl_dst=02:00:00:00:00:02,nw_src=10.0.0.1,nw_dst=192.168.0.9,"
		"tp_src=1000,tp_dst=8080");
}

Test(pipeline, a_rewrite_is_seen_by_the_tables_after_it)
{
	rule("table=0,udp,actions=mod_nw_src:1.2.3.4,goto_table:1");
	rule("table=1,udp,nw_src=10.0.0.1,priority=9,actions=output:9");
	rule("table=1,udp,nw_src=1.2.3.4,priority=5,actions=output:5");
	send("in_port=1," UDP);
	copies(1);
	copy_to(0, 5, "udp,nw_src=1.2.3.4,nw_dst=10.0.0.2,tp_src=1000,tp_dst=53");
	cr_assert_eq(w.res.table, 1);
}

Test(pipeline, an_output_before_goto_keeps_the_bytes_of_its_table)
{
	rule("table=0,udp,actions=output:2,mod_nw_src:1.2.3.4,goto_table:1");
	rule("table=1,udp,actions=output:3");
	send("in_port=1," UDP);
	copies(2);
	copy_to(0, 2, UDP);
	copy_to(1, 3, "udp,nw_src=1.2.3.4,nw_dst=10.0.0.2,tp_src=1000,tp_dst=53");
}

Test(pipeline, a_rewrite_after_the_last_output_changes_nothing)
{
	rule("udp,actions=output:2,mod_nw_src:1.2.3.4");
	send("in_port=1," UDP);
	copies(1);
	copy_to(0, 2, UDP);
}

Test(pipeline, metadata_and_registers_carry_between_tables_and_leave_no_trace)
{
	rule("table=0,udp,actions=load:0x77->NXM_NX_REG2[],write_metadata:0x5/0xff,goto_table:3");
	rule("table=3,reg2=0x77,metadata=0x5/0xf,actions=output:2");
	send("in_port=1," UDP);
	copies(1);
	copy_to(0, 2, UDP);
}

Test(pipeline, a_tag_is_pushed_set_and_popped)
{
	rule("table=0,udp,actions=push_vlan:0x8100,mod_vlan_vid:5,mod_vlan_pcp:3,output:2,"
	     "strip_vlan,output:3");
	send("in_port=1," UDP);
	copies(2);
	copy_to(0, 2, "dl_vlan=5,dl_vlan_pcp=3," UDP);
	copy_to(1, 3, UDP);
	cr_assert_eq(a.output[0].len, a.output[1].len + 4);
}

Test(pipeline, a_pushed_tag_is_seen_by_the_next_table)
{
	rule("table=0,actions=push_vlan:0x8100,mod_vlan_vid:5,goto_table:1");
	rule("table=1,dl_vlan=5,actions=strip_vlan,goto_table:2");
	rule("table=2,vlan_tci=0/0x1fff,actions=output:2");
	send("in_port=1," UDP);
	copies(1);
	copy_to(0, 2, UDP);
}

Test(pipeline, dec_ttl_decrements_and_the_checksum_follows)
{
	rule("ip,actions=dec_ttl,output:2");
	send("in_port=1,nw_ttl=2," UDP);
	copies(1);
	copy_to(0, 2, "nw_ttl=1," UDP);
}

Test(pipeline, a_ttl_of_1_ends_the_packet_at_dec_ttl)
{
	rule("ip,actions=dec_ttl,output:2");
	send("in_port=1,nw_ttl=1," UDP);
	ends(CXLT_V_DROP, CXLT_R_TTL_EXPIRED);
	copies(0);
}

Test(pipeline, what_left_before_the_ttl_expired_has_left)
{
	rule("ip,actions=output:2,dec_ttl,output:3");
	send("in_port=1,nw_ttl=1," UDP);
	ends(CXLT_V_OUTPUT, CXLT_R_TTL_EXPIRED);
	copies(1);
	copy_to(0, 2, "nw_ttl=1," UDP);
}

Test(pipeline, ipv6_addresses_and_ports_are_rewritten_with_right_checksums)
{
	rule("tcp6,actions=set_field:fd00::9->ipv6_dst,mod_tp_src:7,dec_ttl,output:2");
	send("in_port=1,tcp6,ipv6_src=fd00::1,ipv6_dst=fd00::2,nw_ttl=64,tp_src=1,tp_dst=2");
	copies(1);
	copy_to(0, 2, "tcp6,ipv6_src=fd00::1,ipv6_dst=fd00::9,nw_ttl=63,tp_src=7,tp_dst=2");
}

/* ---- Several tables ---- */

Test(pipeline, a_miss_in_a_later_table_keeps_what_was_output_before)
{
	rule("table=0,actions=output:2,goto_table:1");
	rule("table=1,arp,actions=output:3");
	send("in_port=1," UDP);
	ends(CXLT_V_OUTPUT, CXLT_R_TABLE_MISS);
	copies(1);
	copy_to(0, 2, UDP);
	cr_assert_eq(w.res.table, 1);
	cr_assert_not(w.res.matched);
}

Test(pipeline, sixteen_tables_in_a_row_are_all_visited)
{
	char text[128];
	int i;

	for (i = 0; i < 16; i++) {
		if (i < 15)
			snprintf(text, sizeof(text), "table=%d,ip,actions=dec_ttl,goto_table:%d", i,
				 i + 1);
		else
			snprintf(text, sizeof(text), "table=%d,ip,actions=dec_ttl,output:2", i);
		rule(text);
	}
	send("in_port=1,nw_ttl=64," UDP);
	copies(1);
	copy_to(0, 2, "nw_ttl=48," UDP);
	cr_assert_eq(w.res.n_hits, 16);
}

Test(pipeline, nothing_is_counted)
{
	struct cxlt_rule_spec spec = {.priority = OF_PRIORITY_DEFAULT};
	struct cxlt_rule_info info;

	rule("actions=output:2");
	send("in_port=1," UDP);
	send_on(&device, "in_port=1," UDP);
	cr_assert_eq(cxlt_rule_get(slice, &spec, &info), 0);
	cr_assert_eq(info.packets[0] + info.packets[1], 0);
}

/* ---- The device ---- */

Test(pipeline, the_device_ends_a_packet_as_the_host_does)
{
	rule("table=0,udp,actions=output:2,mod_nw_src:1.2.3.4,goto_table:1");
	rule("table=1,udp,actions=output:3");
	send_on(&device, "in_port=1," UDP);
	ends(CXLT_V_OUTPUT, CXLT_R_RULE);
	copies(2);
	copy_to(0, 2, UDP);
	copy_to(1, 3, "udp,nw_src=1.2.3.4,nw_dst=10.0.0.2,tp_src=1000,tp_dst=53");
}

Test(pipeline, the_device_punts_what_no_rule_matches)
{
	send_on(&device, "in_port=1," UDP);
	ends(CXLT_V_PUNT, CXLT_R_DEV_MISS);
	copies(0);
}

Test(pipeline, the_device_punts_an_upcall)
{
	rule("actions=output:2,controller");
	send_on(&device, "in_port=1," UDP);
	ends(CXLT_V_PUNT, CXLT_R_DEV_ACTION);
	copies(0);
}

Test(pipeline, the_device_punts_for_a_port_that_it_lacks)
{
	static const __u32 list[] = {1, 2};

	ports(2, list);
	rule("actions=output:2,output:3");
	send_on(&device, "in_port=1," UDP);
	ends(CXLT_V_PUNT, CXLT_R_NO_PORT);
	copies(0);
}

Test(pipeline, the_device_punts_malformed_packets)
{
	rule("actions=output:2");
	memset(packet, 0, 13);
	cxlt_record(&device, &w, &a, 1, packet, 13);
	ends(CXLT_V_PUNT, CXLT_R_DEV_PARSE);
}

static void open_poor_slice(void)
{
	struct cxlt_slice_config config = {.size = 4 << 20};

	config.profile = cxlt_profile_all();
	config.profile.fields &= ~(1ULL << CXLT_F_TCP_FLAGS);
	config.profile.ops &= ~(1ULL << CXLT_OP_PUSH_VLAN);
	config.profile.sets &= ~(1ULL << CXLT_F_IP_TTL);
	open_slice_with(&config);
}

TestSuite(poor_device, .init = open_poor_slice, .fini = close_slice);

Test(poor_device, punts_where_a_rule_matches_on_a_field_that_it_lacks)
{
	rule("priority=9,tcp,tcp_flags=+syn,actions=output:9");
	rule("priority=5,ip,actions=output:5");
	send_on(&device, "in_port=1,tcp,nw_dst=10.0.0.2");
	ends(CXLT_V_PUNT, CXLT_R_DEV_FIELD);
	send_on(&device, "in_port=1," UDP);
	ends(CXLT_V_OUTPUT, CXLT_R_RULE);
	send("in_port=1,tcp,nw_dst=10.0.0.2");
	copies(1);
	cr_assert_eq(a.output[0].port, 5);
}

Test(poor_device, punts_where_the_winner_has_an_action_that_it_lacks)
{
	rule("priority=9,udp,tp_dst=53,actions=push_vlan:0x8100,output:9");
	rule("priority=8,udp,tp_dst=54,actions=mod_nw_ttl:9,output:9");
	rule("priority=7,udp,actions=output:7");
	send_on(&device, "in_port=1,udp,tp_dst=53");
	ends(CXLT_V_PUNT, CXLT_R_DEV_ACTION);
	send_on(&device, "in_port=1,udp,tp_dst=54");
	ends(CXLT_V_PUNT, CXLT_R_DEV_ACTION);
	send_on(&device, "in_port=1,udp,tp_dst=55");
	ends(CXLT_V_OUTPUT, CXLT_R_RULE);
}
