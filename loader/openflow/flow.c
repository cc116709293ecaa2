// SPDX-License-Identifier: Apache-2.0
/*
 * flow.c - one line of flow syntax: table, priority and cookie, the match, the actions.
 */
#include "syntax.h"

struct flow_parser {
	struct of_match_parser m;
	struct of_flow *flow;
	enum of_mode mode;
	const char *priority_at;
	bool filtered; /* cookie=V/M was given */
};

static bool is_add(enum of_mode mode)
{
	return mode == OF_ADD;
}

/* Do the flows of this mode have actions? */
static bool has_actions(enum of_mode mode)
{
	return mode <= OF_MODIFY_STRICT;
}

static bool has_priority(enum of_mode mode)
{
	return mode == OF_ADD || mode == OF_MODIFY_STRICT || mode == OF_DELETE_STRICT;
}

static int twice(struct flow_parser *f, const struct of_pair *pair)
{
	return of_fail(&f->m.text, pair->key.p, "%.*s given twice", OF_SPAN_ARG(pair->key));
}

static int table(struct flow_parser *f, const struct of_pair *pair)
{
	__u64 n;

	if (f->flow->has_table)
		return twice(f, pair);
	/* As ovs-ofctl and OpenFlow have it: all tables. */
	if (!is_add(f->mode) && of_span_is(pair->value, "255"))
		return 0;
	if (of_scan_decimal(pair->value, OF_TABLE_MAX, &n))
		return of_fail(&f->m.text, pair->value.p, "table: \"%.*s\" is not between 0 and %d",
			       OF_SPAN_ARG(pair->value), OF_TABLE_MAX);
	f->flow->table = n;
	f->flow->has_table = true;
	return 0;
}

static int priority(struct flow_parser *f, const struct of_pair *pair)
{
	__u64 n = 0;

	if (!has_priority(f->mode))
		return of_fail(&f->m.text, pair->key.p, "priority has no meaning here%s",
			       f->mode == OF_DUMP ? "" : " without --strict");
	if (f->flow->has_priority)
		return twice(f, pair);
	if (of_scan_number(pair->value, &n) || n > 65535)
		return of_fail(&f->m.text, pair->value.p,
			       "priority: \"%.*s\" is not between 0 and 65535",
			       OF_SPAN_ARG(pair->value));
	f->flow->priority = n;
	f->flow->has_priority = true;
	return 0;
}

static int cookie_number(struct flow_parser *f, struct of_span s, __u64 *value)
{
	if (of_span_is(s, "-1")) {
		*value = ~0ULL;
		return 0;
	}
	if (of_scan_number(s, value))
		return of_fail(&f->m.text, s.p, "cookie: \"%.*s\" is not a 64-bit number",
			       OF_SPAN_ARG(s));
	return 0;
}

/* cookie=V gives a rule its cookie, cookie=V/M picks rules by theirs. */
static int cookie(struct flow_parser *f, const struct of_pair *pair)
{
	const char *slash = memchr(pair->value.p, '/', pair->value.n);
	struct of_span value = pair->value, mask;
	int err;

	if (!slash) {
		if (!has_actions(f->mode))
			return of_fail(&f->m.text, pair->value.p,
				       "cookie needs a mask here: cookie=%.*s/-1",
				       OF_SPAN_ARG(value));
		if (f->flow->has_cookie)
			return twice(f, pair);
		f->flow->has_cookie = true;
		return cookie_number(f, value, &f->flow->cookie);
	}
	if (is_add(f->mode))
		return of_fail(&f->m.text, slash, "cookie: a new flow's cookie has no mask");
	if (f->filtered)
		return twice(f, pair);
	f->filtered = true;
	value.n = slash - value.p;
	mask = (struct of_span){slash + 1, pair->value.n - value.n - 1};
	err = cookie_number(f, value, &f->flow->cookie_value);
	if (!err)
		err = cookie_number(f, mask, &f->flow->cookie_mask);
	f->flow->cookie_value &= f->flow->cookie_mask;
	return err;
}

static int out_port(struct flow_parser *f, const struct of_pair *pair)
{
	__u64 n;

	if (has_actions(f->mode))
		return of_fail(&f->m.text, pair->key.p,
			       "out_port is for del-flows and dump-flows only");
	if (f->flow->out_port != OF_PORT_ANY)
		return twice(f, pair);
	if (of_scan_decimal(pair->value, OF_PORT_MAX, &n)) {
		n = of_reserved_port(pair->value);
		if (!n)
			return of_fail(&f->m.text, pair->value.p,
				       "out_port: \"%.*s\" is no port (0 to %d, or IN_PORT, "
				       "FLOOD, ALL, CONTROLLER, LOCAL)",
				       OF_SPAN_ARG(pair->value), OF_PORT_MAX);
		n |= OF_PORT_RESERVED;
	}
	f->flow->out_port = n;
	return 0;
}

/* What Open vSwitch has: 0 asks for nothing and passes, anything else is refused by name. */
static int unsupported(struct flow_parser *f, const struct of_pair *pair)
{
	static const char *const zero[] = {"idle_timeout", "hard_timeout", "importance"};
	static const char *const never[] = {
		"send_flow_rem",    "check_overlap",  "reset_counts",
		"no_packet_counts", "no_byte_counts", "out_group",
		"actset_output",    "packet_type",    "allow_hidden_fields",
	};
	/* Counters in the output of dump-flows, so that it can be fed to add-flows. */
	static const char *const ignored[] = {
		"duration", "n_packets", "n_bytes", "idle_age", "hard_age",
	};
	__u64 n;

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		if (pair->delim && of_span_is(pair->key, ignored[i]))
			return 0;
	for (size_t i = 0; i < sizeof(zero) / sizeof(zero[0]); i++) {
		if (!of_span_is(pair->key, zero[i]))
			continue;
		if (!of_scan_number(pair->value, &n) && !n)
			return 0;
		return of_fail(&f->m.text, pair->key.p, "%s is not supported", zero[i]);
	}
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		if (of_span_is(pair->key, never[i]))
			return of_fail(&f->m.text, pair->key.p, "%s is not supported", never[i]);
	return of_match_add(&f->m, pair);
}

static int add_pair(struct flow_parser *f, const struct of_pair *pair)
{
	const struct of_span k = pair->key;
	int id = of_field_find(k);

	if (id >= 0) /* nearly always */
		return of_match_add_field(&f->m, pair, id);
	if (pair->delim == '(')
		return of_fail(&f->m.text, pair->value.p - 1, "%.*s: \"(\" instead of \"=\"",
			       OF_SPAN_ARG(k));
	if (of_span_is(k, "table"))
		return table(f, pair);
	if (of_span_is(k, "cookie"))
		return cookie(f, pair);
	if (of_span_is(k, "priority"))
		return priority(f, pair);
	if (of_span_is(k, "out_port"))
		return out_port(f, pair);
	return unsupported(f, pair);
}

static void begin(struct flow_parser *f, const char *line, enum of_mode mode, struct of_flow *flow,
		  struct of_error *err)
{
	f->flow = flow;
	f->mode = mode;
	f->filtered = false;
	flow->mode = mode;
	flow->table = is_add(mode) ? 0 : OF_TABLE_ANY;
	flow->priority = OF_PRIORITY_DEFAULT;
	flow->has_table = flow->has_priority = flow->has_cookie = false;
	flow->out_port = OF_PORT_ANY;
	flow->n_prog = 0;
	flow->cookie = flow->cookie_value = flow->cookie_mask = 0;
	of_match_begin(&f->m, line, &flow->match, err);
}

/* The list behind "actions=": its first byte, or NULL if the pair is something else. */
static const char *actions_begin(const struct of_pair *pair)
{
	if (pair->key.n != 7 && pair->key.n != 6)
		return NULL;
	if (memcmp(pair->key.p, "actions", pair->key.n))
		return NULL;
	return pair->delim == '=' || pair->delim == ':' ? pair->value.p : NULL;
}

int of_parse_flow_n(const char *line, size_t len, enum of_mode mode, struct of_flow *flow,
		    struct of_error *err)
{
	const char *p = line, *end = line + len, *actions = NULL;
	struct flow_parser f;
	struct of_pair pair;
	int got;

	while (end > line && of_is_separator(end[-1]))
		end--;
	begin(&f, line, mode, flow, err);
	while ((got = of_next_pair(&f.m.text, &p, end, &pair)) > 0) {
		actions = actions_begin(&pair);
		if (actions)
			break;
		got = add_pair(&f, &pair);
		if (got)
			return got;
	}
	if (got < 0)
		return got;
	got = of_match_end(&f.m);
	if (got)
		return got;
	if (!actions && has_actions(mode))
		return of_fail(&f.m.text, end, "actions= is missing");
	if (!actions)
		return 0;
	if (!has_actions(mode))
		return of_fail(&f.m.text, pair.key.p, "actions have no meaning here");
	return of_actions_parse(&f.m.text, (struct of_span){actions, end - actions}, &flow->match,
				flow->table, flow->prog, &flow->n_prog);
}

int of_parse_flow(const char *line, enum of_mode mode, struct of_flow *flow, struct of_error *err)
{
	return of_parse_flow_n(line, strlen(line), mode, flow, err);
}
