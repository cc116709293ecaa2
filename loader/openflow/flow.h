/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flow.h - OpenFlow's text syntax: flows as ovs-ofctl spells them, to and from keys and programs.
 *
 * A flow is one line, "table=1,priority=5,tcp,nw_dst=10.0.0.0/8,actions=output:2".  Parsing turns
 * it into what a slice stores: a key with a mask and an action program (cxltab/key.h, action.h).
 * Formatting is the inverse, and parse(format(x)) == x for everything that parses.
 *
 * Names, aliases and the order of the canonical text are Open vSwitch's (ovs-fields(7),
 * ovs-actions(7)).  Where ovs-ofctl guesses, ours refuses:
 *   - a prerequisite that the match lacks is an error, for fields ("nw_src without ip") and for
 *     actions; ovs-ofctl drops the field and widens the match;
 *   - a field given twice is an error; ovs-ofctl takes the last one;
 *   - what cxltab doesn't carry out (resubmit, groups, timeouts, ...) is refused by name.
 * Programs don't remember a spelling: set_field and mod_* that do the same print the same.
 *
 * Concurrency: no global state is written; every function may run in any number of threads.
 *
 * Errors: functions return 0 or a negative errno and fill `struct of_error` if it isn't NULL.
 * -EINVAL the text is wrong; -E2BIG the text is right but needs more room than a program (or a
 * line, or the caller's buffer) has; -ECANCELED and others come from the caller's callback.
 */
#ifndef CXLTAB_LOADER_OPENFLOW_FLOW_H
#define CXLTAB_LOADER_OPENFLOW_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <cxltab/action.h>
#include <cxltab/key.h>

enum {
	OF_TABLE_MAX = 254,	     /* highest table number */
	OF_TABLE_ANY = 255,	     /* delete, modify and dump without table= */
	OF_PRIORITY_DEFAULT = 32768, /* without priority= */
	OF_PORT_MAX = 0xfeff,	     /* highest port number; OpenFlow reserves those above */
	OF_WHOLE_PACKET = 65535,     /* CONTROLLER's max_len: no limit */
	OF_TEXT_MAX = 8192,	     /* room for the text of any flow, match or program */
	OF_LINE_MAX = 65536,	     /* longest line of a flow file */
	OF_REASON_MAX = 192,
};

#define OF_PORT_ANY	 0xffffffffU
/* out_port=FLOOD and the like: with the op (CXLT_OP_*) in the low bits */
#define OF_PORT_RESERVED 0xffff0000U

enum of_mode {
	OF_ADD,		  /* add-flow: actions= required */
	OF_MODIFY,	  /* mod-flows: actions= required */
	OF_MODIFY_STRICT, /* mod-flows --strict */
	OF_DELETE,	  /* del-flows: no actions; cookie=V/M and out_port=N filter */
	OF_DELETE_STRICT, /* del-flows --strict */
	OF_DUMP,	  /* dump-flows: as del-flows; priority= is refused */
};

/* value is masked: value & ~mask == 0. */
struct of_match {
	struct cxlt_key value;
	struct cxlt_key mask;
};

struct of_flow {
	__u8 mode;	/* enum of_mode, as asked for or as a line's prefix says */
	__u8 table;	/* 0 for add, OF_TABLE_ANY otherwise, unless given */
	__u16 priority; /* OF_PRIORITY_DEFAULT unless given */
	bool has_table;
	bool has_priority;
	bool has_cookie;    /* cookie=V was given (add, modify) */
	__u32 out_port;	    /* filter of delete and dump; OF_PORT_ANY: none */
	__u32 n_prog;	    /* words in prog; 0 is drop */
	__u64 cookie;	    /* what the rule gets (add, modify) */
	__u64 cookie_value; /* filter cookie=V/M of modify, delete and dump */
	__u64 cookie_mask;  /* 0: no filter */
	struct of_match match;
	__u64 prog[CXLT_PROG_MAX]; /* words at n_prog and beyond are not initialised */
};

struct of_error {
	int line;   /* 1-based, 0 outside files */
	int column; /* 1-based, in bytes; 0 if no place is to blame */
	char reason[OF_REASON_MAX];
};

/* "NAME:LINE:COL: reason", the parts that exist. */
const char *of_error_text(const struct of_error *err, const char *name, char *buf, size_t size);

/* ---- text to flows ---- */

/*
 * Parses one flow.  `line` may end with a newline; comments are a file's business.  For modes
 * without actions (delete, dump) "actions=" is refused.
 */
int of_parse_flow(const char *line, enum of_mode mode, struct of_flow *flow, struct of_error *err);

/* The same on `len` bytes that need no terminating NUL. */
int of_parse_flow_n(const char *line, size_t len, enum of_mode mode, struct of_flow *flow,
		    struct of_error *err);

/* A match alone ("tcp,nw_dst=10.0.0.0/8"), without table, priority and cookie. */
int of_parse_match(const char *text, struct of_match *match, struct of_error *err);

/*
 * Actions alone ("mod_nw_dst:10.0.0.1,output:2"), checked against the match and the table that
 * they are for (OF_TABLE_ANY: any goto_table passes).
 */
int of_parse_actions(const char *text, const struct of_match *match, __u8 table, __u64 *prog,
		     __u32 *n_prog, struct of_error *err);

/* Does the match satisfy each field's prerequisites?  For matches that weren't parsed. */
int of_match_check(const struct of_match *match, struct of_error *err);

/* The table that the program goes to, or -1. */
int of_program_goto(const __u64 *prog, __u32 n_prog);

/* Does the program output to `port` (out_port= of delete and dump)? */
bool of_program_outputs_to(const __u64 *prog, __u32 n_prog, __u32 port);

/* ---- flow files ---- */

/*
 * Called once a flow, in order, while the file is read; `line` is its line number.  Anything but
 * 0 stops the reader, which returns it; the callback may fill err->reason first (line and column
 * are set by the reader).  Callers that must change nothing on an error gather, then install.
 */
typedef int of_flow_cb(void *arg, const struct of_flow *flow, unsigned int line,
		       struct of_error *err);

/*
 * One flow a line; "#" begins a comment, blank lines are skipped, CRLF is fine.  A line may begin
 * with add, modify, modify_strict, delete or delete_strict (as ovs-ofctl add-flows --bundle), and
 * "flow" may stand before that (as ovs-ofctl bundle); without a prefix it has the given mode.
 */
int of_read_flows(FILE *file, enum of_mode mode, of_flow_cb *cb, void *arg, struct of_error *err);
int of_read_flows_buf(const char *buf, size_t len, enum of_mode mode, of_flow_cb *cb, void *arg,
		      struct of_error *err);

/* ---- flows to text ---- */

/*
 * The functions below write at most `size` bytes with the terminating NUL and return the length
 * that the whole text has (as snprintf); OF_TEXT_MAX is always enough.
 */

/* "priority=5,tcp,nw_dst=10.0.0.0/8"; OF_PRIORITY_DEFAULT isn't printed. */
size_t of_format_match(const struct of_match *match, __u16 priority, char *buf, size_t size);

/* "mod_nw_dst:10.0.0.1,output:2"; "drop" for an empty program. */
size_t of_format_actions(const __u64 *prog, __u32 n_prog, char *buf, size_t size);

/*
 * "cookie=0x5, table=1, priority=5,tcp actions=output:2", as ovs-ofctl --no-stats dump-flows:
 * cookie and table only if they aren't 0 (or were asked for).  Filters print as filters.
 */
size_t of_format_flow(const struct of_flow *flow, char *buf, size_t size);

/* "tcp,in_port=1,...": what of_parse_packet_key makes the key of (but an inner tag). */
size_t of_format_key(const struct cxlt_key *key, char *buf, size_t size);

/*
 * Walks the fields of a match in canonical order, for JSON: (name, value, mask or NULL if exact).
 * There are no shorthands here: tcp is eth_type=0x0800 and ip_proto=6.  Stops at the first
 * callback that doesn't return 0, and returns that.
 */
typedef int of_field_cb(void *arg, const char *name, const char *value, const char *mask);
int of_match_fields(const struct of_match *match, of_field_cb *cb, void *arg);

/* One action of a program.  Strings live until the callback returns; NULL where not meant. */
struct of_action {
	__u8 op;	   /* enum cxlt_op */
	const char *name;  /* as in the text: output, controller, set_field, dec_ttl, ... */
	const char *text;  /* the action as of_format_actions prints it */
	const char *field; /* set_field, write_metadata: ovs name of the field */
	const char *value;
	const char *mask; /* NULL: the whole field */
	__u32 port;	  /* output */
	__u32 max_len;	  /* controller */
	__u32 tpid;	  /* push_vlan */
	__u32 table;	  /* goto_table */
};

typedef int of_action_cb(void *arg, const struct of_action *action);
int of_actions_each(const __u64 *prog, __u32 n_prog, of_action_cb *cb, void *arg);

/* ---- packets in flow syntax (trace) ---- */

/*
 * Parses "in_port=1,tcp,nw_dst=10.0.0.1,tp_dst=80" into the key of one packet: no masks, no
 * prefixes.  What isn't given is 0, except eth_type (0x05ff: none), ip_ttl of IP packets (64),
 * tcp_flags of TCP (ack), arp_op (1), ip_proto of IPv6 (59, no next header; 44 in later fragments)
 * and the destination port of VXLAN.  of_parse_packet says which port it comes by unless the text
 * does, which may be 0, too.
 */
int of_parse_packet(const char *text, __u32 in_port, struct cxlt_key *key, struct of_error *err);
int of_parse_packet_key(const char *text, struct cxlt_key *key, struct of_error *err);

/*
 * Composes a packet that the parser turns into this key (in_port, metadata, tun_id and registers
 * aside): Ethernet, up to two tags, ARP, IPv4/IPv6, TCP/UDP/SCTP/ICMP/ICMPv6/ND/VXLAN, with right
 * checksums, padded to 60 bytes.  Returns its length; -ENOSPC if `size` is too small.
 */
int of_compose_packet(const struct cxlt_key *key, __u8 *buf, size_t size);

#endif
