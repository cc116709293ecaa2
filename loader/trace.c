// SPDX-License-Identifier: Apache-2.0
/* One packet's way through the tables, step by step. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cxltab/classify.h>
#include <cxltab/work.h>
#include <cxltab/writer.h>

static int trace_classify(const struct cxlt_view *v, struct cxlt_work *w, __u32 table);
#define CXLT_CLASSIFY(v, w, table) trace_classify(v, w, table)

#include <cxltab/record.h>

#include "openflow/flow.h"
#include "trace.h"

/* A table that was looked up. */
struct step {
	__u32 table;
	int found; /* as cxlt_classify() */
	__u32 probes, lines;
	struct cxlt_key key; /* as it was looked up */
	struct cxlt_rule_copy rule;
};

struct trace {
	struct cxlt_work w; /* first: trace_classify() gets a pointer to it */
	const struct cxlt_slice *slice;
	struct cxlt_view view;
	struct cxlt_work probe;
	struct cxlt_adapter out;
	struct cxlt_key last; /* as the last rule left it */
	__u32 n_steps;
	struct step step[CXLT_HOPS_MAX];
	struct cxlt_rule_info info;
	char text[OF_TEXT_MAX];
};

static int trace_classify(const struct cxlt_view *v, struct cxlt_work *w, __u32 table)
{
	struct trace *t = (struct trace *)w;
	__u32 probes = w->n_probes, lines = w->n_lines;
	struct cxlt_key key = w->key;
	struct step *s;
	int rc = cxlt_classify(v, w, table);

	if (!table)
		t->n_steps = 0; /* the walk starts, maybe anew */
	if (t->n_steps < CXLT_HOPS_MAX) {
		s = &t->step[t->n_steps++];
		s->table = table;
		s->found = rc;
		s->probes = w->n_probes - probes;
		s->lines = w->n_lines - lines;
		s->key = key;
		s->rule = w->rule;
	}
	return rc;
}

static const char *view_name(const struct trace *t)
{
	return t->view.flags & CXLT_VIEW_DEVICE ? "device" : "host";
}

static const char *view_meaning(const struct trace *t)
{
	return t->view.flags & CXLT_VIEW_DEVICE ? "NIC" : "XDP, TC";
}

static const char *plural(__u32 n)
{
	return n == 1 ? "" : "s";
}

/* ---- Tuples ---- */

/* "in_port,ipv4_dst/0xffffff00": what a tuple matches on. */
static void mask_text(const struct cxlt_key *mask, char *buf, size_t size)
{
	size_t at = 0;
	__u32 i;

	*buf = '\0';
	for (i = 0; i < CXLT_N_FIELDS && at < size; i++) {
		const struct cxlt_field_info *f = &cxlt_field_info[i];
		__u64 whole = CXLT_BITMASK(f->bits), high = mask->w[f->word], low = 0;

		if (f->bits == 128)
			low = mask->w[f->word + 1];
		else
			high = high >> f->shift & whole;
		if (!high && !low)
			continue;
		at += snprintf(buf + at, size - at, "%s%s", at ? "," : "", f->name);
		if (at < size && f->bits == 128 && (high & low) != ~0ULL)
			at += snprintf(buf + at, size - at, "/0x%016llx%016llx", high, low);
		else if (at < size && f->bits != 128 && high != whole)
			at += snprintf(buf + at, size - at, "/0x%llx", high);
	}
	if (!*buf)
		snprintf(buf, size, "every packet");
}

static bool tuple_mask(const struct cxlt_view *v, __u32 ref, struct cxlt_key *mask)
{
	const struct cxlt_tuple __arena *t = cxlt_line(v, ref, 2 + CXLT_KEY_MAX / 8);
	__u32 i;

	memset(mask, 0, sizeof(*mask));
	if (!t || t->n_words > CXLT_KEY_MAX)
		return false;
	for (i = 0; i < t->n_words; i++)
		if (t->idx[i] < CXLT_KEY_WORDS)
			mask->w[t->idx[i]] = cxlt_load(&t->mask[i]);
	return true;
}

/* What a probe of one tuple gives, for a step that is explained after the fact. */
static const char *probe_text(struct trace *t, __u32 ref, __u32 *best, char *buf, size_t size)
{
	int rc = cxlt_tuple_find(&t->view, &t->probe, ref, *best);

	if (rc == 1) {
		*best = t->probe.rule.prio + 1;
		snprintf(buf, size, "match, priority %u", t->probe.rule.prio);
	} else if (!rc) {
		snprintf(buf, size, "no match");
	} else if (rc == CXLT_OUT_OF_DOMAIN) {
		snprintf(buf, size, "match, but the entry is in the host domain");
	} else {
		snprintf(buf, size, "%s", -rc < CXLT_N_REASONS ? cxlt_reason_name[-rc] : "?");
	}
	return buf;
}

struct tuple_count {
	__u32 all; /* tuples that this view sees */
	__u32 probed;
	__u32 ruled_out; /* by the prefilter, where the search came */
};

/* Repeats the search of a step, tuple by tuple; prints unless json is given. */
static struct tuple_count explain_tuples(struct trace *t, const struct step *s, struct json *json)
{
	const struct cxlt_table __arena *table =
		cxlt_line(&t->view, t->view.tables + s->table * 2, 2);
	__u32 skip = t->view.flags & CXLT_VIEW_DEVICE ? CXLT_TUPLE_HOST : CXLT_TUPLE_SHADOW;
	__u64 list = table ? cxlt_load_acquire(&table->list) : 0;
	const __u64 __arena *items =
		cxlt_line(&t->view, CXLT_LIST_REF(list), (CXLT_LIST_N(list) + 7) / 8);
	struct tuple_count count = {0};
	struct cxlt_filter filter;
	__u32 i, best = 0;

	t->probe = t->w;
	t->probe.key = s->key;
	t->probe.budget = ~0U;
	if (cxlt_filter_ask(&t->view, &s->key, list, &filter))
		return count;
	for (i = 0; items && i < CXLT_LIST_N(list) && i < CXLT_TUPLES_MAX; i++) {
		__u64 item = cxlt_load(&items[i]);
		char mask[512], result[128];
		struct cxlt_key key;

		if (CXLT_ITEM_FLAGS(item) & skip)
			continue;
		count.all++;
		if (best && CXLT_ITEM_PRIO(item) < best)
			continue;
		if (!(cxlt_filter_group(&t->view, &filter, i / 64) >> (i % 64) & 1)) {
			count.ruled_out++;
			continue;
		}
		count.probed++;
		if (!tuple_mask(&t->view, CXLT_ITEM_REF(item), &key))
			continue;
		mask_text(&key, mask, sizeof(mask));
		probe_text(t, CXLT_ITEM_REF(item), &best, result, sizeof(result));
		if (json) {
			json_object(json, NULL);
			json_string(json, "mask", mask);
			json_u64(json, "priority", CXLT_ITEM_PRIO(item));
			json_string(json, "result", result);
			json_end(json);
		} else {
			printf("    tuple %s (priority to %u): %s\n", mask, CXLT_ITEM_PRIO(item),
			       result);
		}
	}
	return count;
}

/* ---- Rules ---- */

struct rule_search {
	const struct cxlt_rule_copy *rule;
	struct cxlt_rule_info *out;
};

static int is_rule(void *arg, const struct cxlt_rule_info *info)
{
	struct rule_search *s = arg;

	if (info->counters != s->rule->counters || info->priority != s->rule->prio)
		return 0;
	*s->out = *info;
	return 1;
}

/* The rule that won, as "priority=5,tcp,..."; a shadow has no counters and no text. */
static const char *rule_text(struct trace *t, const struct step *s)
{
	struct rule_search search = {&s->rule, &t->info};
	struct of_match match;

	if (!s->rule.counters || cxlt_rule_each(t->slice, s->table, is_rule, &search) != 1)
		return NULL;
	match.value = t->info.value;
	match.mask = t->info.mask;
	of_format_match(&match, s->rule.prio, t->text, sizeof(t->text));
	return t->text;
}

/* ---- Rewrites ---- */

static int rewrite_text(void *arg, const char *name, const char *value, const char *mask)
{
	bool *first = arg;

	printf("%s%s=%s", *first ? "    now " : ",", name, value);
	*first = false;
	return 0;
}

static int rewrite_json(void *arg, const char *name, const char *value, const char *mask)
{
	json_string(arg, name, value);
	return 0;
}

/* The fields that differ between two keys, with their values in the second one. */
static void explain_rewrites(const struct cxlt_key *from, const struct cxlt_key *to,
			     struct json *json)
{
	struct of_match changed = {0};
	bool first = true;
	__u32 i, w;

	for (i = 0; i < CXLT_N_FIELDS; i++) {
		const struct cxlt_field_info *f = &cxlt_field_info[i];
		__u64 whole = CXLT_BITMASK(f->bits) << (f->bits < 64 ? f->shift : 0);
		__u32 n = f->bits == 128 ? 2 : 1;

		for (w = f->word; w < f->word + n; w++)
			if ((from->w[w] ^ to->w[w]) & whole)
				break;
		if (w == f->word + n)
			continue;
		for (w = f->word; w < f->word + n; w++) {
			changed.mask.w[w] |= whole;
			changed.value.w[w] |= to->w[w] & whole;
		}
	}
	if (json) {
		json_object(json, "sets");
		of_match_fields(&changed, rewrite_json, json);
		json_end(json);
		return;
	}
	of_match_fields(&changed, rewrite_text, &first);
	if (!first)
		printf("\n");
}

/* ---- Steps ---- */

static void step_text(struct trace *t, const struct step *s, const struct cxlt_key *after)
{
	struct tuple_count count;
	const char *match;

	printf("  table %u: %u tuple%s probed, %u line%s touched\n", s->table, s->probes,
	       plural(s->probes), s->lines, plural(s->lines));
	count = explain_tuples(t, s, NULL);
	if (count.ruled_out)
		printf("    %u more tuple%s ruled out by the prefilter\n", count.ruled_out,
		       plural(count.ruled_out));
	count.all -= count.ruled_out;
	if (count.all > count.probed)
		printf("    %u more tuple%s not probed: no higher priority there\n",
		       count.all - count.probed, plural(count.all - count.probed));
	if (s->found < 0) {
		printf("    %s\n",
		       -s->found < CXLT_N_REASONS ? cxlt_reason_meaning[-s->found] : "?");
		return;
	}
	if (!s->found) {
		printf("    no rule matches\n");
		return;
	}
	match = rule_text(t, s);
	printf("    rule cookie=0x%llx, ", s->rule.cookie);
	if (match)
		printf("%s%s", match, *match ? " " : "");
	else
		printf("priority=%u (shadow) ", s->rule.prio);
	if (match || s->rule.n_prog) {
		of_format_actions(s->rule.prog, s->rule.n_prog, t->text, sizeof(t->text));
		printf("actions=%s", t->text);
	}
	printf("\n");
	explain_rewrites(&s->key, after, NULL);
}

static void step_json(struct trace *t, const struct step *s, const struct cxlt_key *after,
		      struct json *j)
{
	struct tuple_count count;

	json_object(j, NULL);
	json_u64(j, "table", s->table);
	json_u64(j, "probes", s->probes);
	json_u64(j, "lines", s->lines);
	json_array(j, "tuples");
	count = explain_tuples(t, s, j);
	json_end(j);
	json_u64(j, "tuples_ruled_out", count.ruled_out);
	json_u64(j, "tuples_skipped", count.all - count.probed - count.ruled_out);
	if (s->found == 1) {
		json_u64(j, "priority", s->rule.prio);
		json_u64(j, "cookie", s->rule.cookie);
		json_string(j, "rule", rule_text(t, s));
		of_format_actions(s->rule.prog, s->rule.n_prog, t->text, sizeof(t->text));
		json_string(j, "actions", t->text);
		explain_rewrites(&s->key, after, j);
	} else {
		json_null(j, "rule");
	}
	json_end(j);
}

/* ---- The end ---- */

static const char *kind_text(const struct cxlt_record_output *o, char *buf, size_t size)
{
	static const char *const name[] = {"port", "flood", "controller", "local"};

	if (o->kind != CXLT_RECORD_PORT)
		return name[o->kind];
	snprintf(buf, size, "port %u", o->port);
	return buf;
}

static void output_text(struct trace *t, const struct cxlt_record_output *o)
{
	const __u8 *bytes = t->out.bytes + o->at;
	__u32 i, show = o->len < 128 ? o->len : 128;
	struct cxlt_layers lay;
	struct cxlt_key key;
	char kind[32];

	printf("  to %s: %u bytes", kind_text(o, kind, sizeof(kind)), o->len);
	if (!cxlt_parse(bytes, o->len < CXLT_HDR_MAX ? o->len : CXLT_HDR_MAX, o->len, 0, &key,
			&lay)) {
		of_format_key(&key, t->text, sizeof(t->text));
		printf(", %s", t->text);
	}
	printf("\n    ");
	for (i = 0; i < show; i++)
		printf("%02x", bytes[i]);
	printf("%s\n", show < o->len ? "..." : "");
}

static void output_json(struct trace *t, const struct cxlt_record_output *o, struct json *j)
{
	char kind[32];

	json_object(j, NULL);
	if (o->kind == CXLT_RECORD_PORT)
		json_u64(j, "port", o->port);
	else
		json_string(j, "port", kind_text(o, kind, sizeof(kind)));
	json_bytes(j, "packet", t->out.bytes + o->at, o->len);
	json_end(j);
}

static void end_text(struct trace *t)
{
	const struct cxlt_result *r = &t->w.res;
	__u32 i;

	printf("  verdict %s: %s\n", cxlt_verdict_name[r->verdict],
	       cxlt_verdict_meaning[r->verdict]);
	printf("  reason %s: %s\n", cxlt_reason_name[r->reason], cxlt_reason_meaning[r->reason]);
	for (i = 0; i < t->out.n_outputs && i < CXLT_RECORD_OUTPUTS; i++)
		output_text(t, &t->out.output[i]);
}

static void end_json(struct trace *t, struct json *j)
{
	const struct cxlt_result *r = &t->w.res;
	__u32 i;

	json_array(j, "outputs");
	for (i = 0; i < t->out.n_outputs && i < CXLT_RECORD_OUTPUTS; i++)
		output_json(t, &t->out.output[i], j);
	json_end(j);
	json_string(j, "verdict", cxlt_verdict_name[r->verdict]);
	json_string(j, "reason", cxlt_reason_name[r->reason]);
	json_u64(j, "table", r->table);
	if (r->matched)
		json_u64(j, "cookie", r->cookie);
	else
		json_null(j, "cookie");
}

static void explain(struct trace *t, struct json *json)
{
	__u32 i;

	if (json) {
		json_object(json, view_name(t));
		json_array(json, "tables");
	} else {
		printf("%s (%s):\n", view_name(t), view_meaning(t));
	}
	for (i = 0; i < t->n_steps; i++) {
		const struct step *s = &t->step[i];
		const struct cxlt_key *after = i + 1 < t->n_steps ? &s[1].key : &t->last;

		if (json)
			step_json(t, s, after, json);
		else
			step_text(t, s, after);
	}
	if (json) {
		json_end(json);
		end_json(t, json);
		json_end(json);
	} else {
		end_text(t);
	}
}

/* Was it the same way to the same end? */
static bool same(const struct trace *a, const struct trace *b)
{
	const struct cxlt_result *r = &a->w.res, *q = &b->w.res;
	__u32 i;

	if (a->n_steps != b->n_steps || r->verdict != q->verdict || r->reason != q->reason ||
	    r->n_ops != q->n_ops || memcmp(r->ops, q->ops, r->n_ops * sizeof(*r->ops)))
		return false;
	for (i = 0; i < a->n_steps; i++) {
		const struct step *s = &a->step[i], *t = &b->step[i];

		if (s->table != t->table || s->found != t->found || s->probes != t->probes ||
		    (s->found == 1 && s->rule.counters != t->rule.counters))
			return false;
	}
	return true;
}

void trace_take_extra(struct cxlt_key *key, const struct cxlt_key *extra)
{
	static const __u8 words[] = {CXLT_W_METADATA, CXLT_W_TUN_ID, CXLT_W_REG01, CXLT_W_REG23};
	__u32 i;

	for (i = 0; extra && i < sizeof(words); i++)
		key->w[words[i]] = extra->w[words[i]];
}

static struct trace *trace_run(const struct cxlt_slice *slice, __u32 flags,
			       const struct trace_packet *p, const struct trace_ports *ports)
{
	struct trace *t = calloc(1, sizeof(*t));
	int reason;

	if (!t)
		return NULL;
	t->slice = slice;
	t->out.bytes = malloc(CXLT_RECORD_BYTES);
	t->out.room = CXLT_RECORD_BYTES;
	if (!t->out.bytes) {
		free(t);
		return NULL;
	}
	t->out.ports = ports->ports;
	t->out.n_ports = ports->n;
	cxlt_slice_view(slice, flags, &t->view);
	reason = cxlt_record_parse(&t->w, &t->out, p->in_port, p->bytes, p->len);
	trace_take_extra(&t->w.orig, p->extra);
	/* Phase 1 alone first: it leaves the key as the last rule rewrote it. */
	if (!reason)
		cxlt_resolve(&t->view, &t->w);
	t->last = t->w.key;
	cxlt_record_run(&t->view, &t->w, &t->out, reason);
	return t;
}

static void trace_free(struct trace *t)
{
	if (t)
		free(t->out.bytes);
	free(t);
}

int trace_explain(const struct cxlt_slice *slice, unsigned int views, const struct trace_packet *p,
		  const struct trace_ports *ports, struct json *json)
{
	struct trace *host = NULL, *device = NULL;
	int rc = 0;

	if (views & TRACE_HOST) {
		host = trace_run(slice, 0, p, ports);
		rc = host ? 0 : -ENOMEM;
	}
	if (!rc && views & TRACE_DEVICE) {
		device = trace_run(slice, CXLT_VIEW_DEVICE, p, ports);
		rc = device ? 0 : -ENOMEM;
	}
	if (!rc && host)
		explain(host, json);
	if (!rc && device) {
		if (!json && host && same(host, device))
			printf("device (%s): the same\n", view_meaning(device));
		else
			explain(device, json);
	}
	trace_free(host);
	trace_free(device);
	return rc;
}
