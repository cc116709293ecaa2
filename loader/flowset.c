// SPDX-License-Identifier: Apache-2.0
/* Flows by their identity, and what makes a slice hold them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "flowset.h"
#include "rulewalk.h"

static __u64 mix(__u64 h, __u64 word)
{
	h = (h ^ word) * 0x9e3779b97f4a7c15ULL;
	return h ^ h >> 29;
}

static __u64 hash_of(const struct cxlt_rule_spec *spec)
{
	__u64 h = mix(spec->table, spec->priority);
	__u32 i;

	for (i = 0; i < CXLT_KEY_WORDS; i++)
		if (spec->mask.w[i])
			h = mix(mix(h, spec->mask.w[i]), spec->value.w[i] & spec->mask.w[i]);
	return h ^ h >> 32;
}

static struct flowset_flow *flow_at(const struct flowset *s, size_t at)
{
	return (void *)(s->flows.word + at);
}

static bool has_identity(const struct flowset_flow *f, const struct cxlt_rule_spec *spec)
{
	const __u64 *body = f->body;
	__u32 i;

	if (f->table != spec->table || f->priority != spec->priority ||
	    f->words != pack_words(&spec->mask))
		return false;
	for (i = 0; i < CXLT_KEY_WORDS; i++) {
		if (!spec->mask.w[i])
			continue;
		if (body[0] != spec->mask.w[i] || body[1] != (spec->value.w[i] & body[0]))
			return false;
		body += 2;
	}
	return true;
}

/* Where it is, or would go.  There is a free slot. */
static size_t *find_slot(const struct flowset *s, __u64 hash, const struct cxlt_rule_spec *spec)
{
	size_t i = hash & (s->n_slots - 1);

	for (; s->slot[i]; i = (i + 1) & (s->n_slots - 1)) {
		const struct flowset_flow *f = flow_at(s, s->slot[i] - 1);

		if (f->hash == hash && has_identity(f, spec))
			break;
	}
	return &s->slot[i];
}

static int grow(struct flowset *s)
{
	size_t n = s->n_slots ? s->n_slots * 2 : 1024, *slot = calloc(n, sizeof(*slot)), i, to;

	if (!slot)
		return -ENOMEM;
	for (i = 0; i < s->n_slots; i++) {
		if (!s->slot[i])
			continue;
		to = flow_at(s, s->slot[i] - 1)->hash & (n - 1);
		while (slot[to])
			to = (to + 1) & (n - 1);
		slot[to] = s->slot[i];
	}
	free(s->slot);
	s->slot = slot;
	s->n_slots = n;
	return 0;
}

int flowset_put(struct flowset *s, const struct cxlt_rule_spec *spec, unsigned int line)
{
	__u32 words = pack_words(&spec->mask);
	size_t head = sizeof(struct flowset_flow) / 8 + pack_size(words), *slot;
	__u64 hash = hash_of(spec), *prog;
	struct flowset_flow *f;

	/* Two in three at most are taken. */
	if (s->count * 3 >= s->n_slots * 2 && grow(s))
		return -ENOMEM;
	f = pack_push(&s->flows, head + spec->n_prog);
	if (!f)
		return -ENOMEM;
	*f = (struct flowset_flow){
		.size = head + spec->n_prog,
		.line = line,
		.words = words,
		.table = spec->table,
		.n_prog = spec->n_prog,
		.priority = spec->priority,
		.cookie = spec->cookie,
		.hash = hash,
	};
	prog = pack_match(f->body, words, &spec->value, &spec->mask);
	if (spec->n_prog)
		memcpy(prog, spec->prog, spec->n_prog * sizeof(*prog));
	slot = find_slot(s, hash, spec);
	if (*slot)
		flow_at(s, *slot - 1)->gone = true;
	else
		s->count++;
	*slot = (const __u64 *)f - s->flows.word + 1;
	return 0;
}

int flowset_put_flow(struct flowset *s, const struct of_flow *flow, unsigned int line)
{
	const struct cxlt_rule_spec spec = {
		.table = flow->table,
		.priority = flow->priority,
		.cookie = flow->cookie,
		.value = flow->match.value,
		.mask = flow->match.mask,
		.n_prog = flow->n_prog,
		.prog = flow->prog,
	};

	return flowset_put(s, &spec, line);
}

void flowset_clear(struct flowset *s)
{
	s->flows.n = 0;
	s->count = 0;
	if (s->n_slots)
		memset(s->slot, 0, s->n_slots * sizeof(*s->slot));
}

void flowset_free(struct flowset *s)
{
	free(s->flows.word);
	free(s->slot);
	*s = (struct flowset){0};
}

struct flowset_flow *flowset_find(const struct flowset *s, const struct cxlt_rule_spec *spec)
{
	size_t *slot;

	if (!s->n_slots)
		return NULL;
	slot = find_slot(s, hash_of(spec), spec);
	return *slot ? flow_at(s, *slot - 1) : NULL;
}

void flowset_spec(const struct flowset_flow *f, struct cxlt_rule_spec *spec)
{
	spec->table = f->table;
	spec->priority = f->priority;
	spec->cookie = f->cookie;
	spec->n_prog = f->n_prog;
	spec->prog = pack_unmatch(f->body, f->words, &spec->value, &spec->mask);
}

bool flowset_same(const struct flowset_flow *f, const struct cxlt_rule_spec *spec)
{
	return f->cookie == spec->cookie && f->n_prog == spec->n_prog &&
	       !memcmp(f->body + pack_size(f->words), spec->prog, f->n_prog * sizeof(*spec->prog));
}

struct flowset_flow *flowset_next(const struct flowset *s, const struct flowset_flow *f)
{
	size_t at = f ? (size_t)((const __u64 *)f - s->flows.word) + f->size : 0;

	while (at < s->flows.n && flow_at(s, at)->gone)
		at += flow_at(s, at)->size;
	return at < s->flows.n ? flow_at(s, at) : NULL;
}

/* ---- Slices ---- */

static void rule_spec(const struct cxlt_rule_info *rule, struct cxlt_rule_spec *spec)
{
	*spec = (struct cxlt_rule_spec){
		.table = rule->table,
		.priority = rule->priority,
		.cookie = rule->cookie,
		.value = rule->value,
		.mask = rule->mask,
		.n_prog = rule->n_prog,
		.prog = rule->prog,
	};
}

static int put_rule(void *arg, const struct cxlt_rule_info *rule)
{
	struct cxlt_rule_spec spec;

	rule_spec(rule, &spec);
	return flowset_put(arg, &spec, 0);
}

static void forget(void *arg)
{
	flowset_clear(arg);
}

int flowset_put_slice(struct flowset *s, const struct cxlt_slice *slice)
{
	return rulewalk(slice, -1, forget, put_rule, s);
}

struct changes {
	struct flowset *want;
	struct apply_list *list;
	__u64 same;
	struct of_flow flow; /* on its way to the list */
};

/* As a modification without filters. */
static int say(struct changes *c, const struct cxlt_rule_spec *spec, enum of_mode mode,
	       unsigned int line)
{
	struct of_flow *flow = &c->flow;

	flow->mode = mode;
	flow->table = spec->table;
	flow->priority = spec->priority;
	flow->match.value = spec->value;
	flow->match.mask = spec->mask;
	flow->out_port = OF_PORT_ANY;
	flow->cookie = spec->cookie;
	flow->n_prog = mode == OF_ADD ? spec->n_prog : 0;
	memcpy(flow->prog, spec->prog, flow->n_prog * sizeof(*spec->prog));
	return apply_add(c->list, flow, line);
}

static int compare_rule(void *arg, const struct cxlt_rule_info *rule)
{
	struct cxlt_rule_spec spec;
	struct changes *c = arg;
	struct flowset_flow *f;

	rule_spec(rule, &spec);
	f = flowset_find(c->want, &spec);
	if (!f)
		return say(c, &spec, OF_DELETE_STRICT, 0);
	f->met = flowset_same(f, &spec);
	c->same += f->met;
	return 0;
}

int flowset_changes(struct flowset *want, const struct cxlt_slice *slice, struct apply_list *list,
		    __u64 *same)
{
	struct changes c = {.want = want, .list = list};
	struct cxlt_rule_spec spec;
	struct flowset_flow *f;
	int rc;

	for (f = flowset_next(want, NULL); f; f = flowset_next(want, f))
		f->met = false;
	rc = cxlt_rule_each(slice, -1, compare_rule, &c);
	for (f = flowset_next(want, NULL); f && !rc; f = flowset_next(want, f)) {
		if (f->met)
			continue;
		flowset_spec(f, &spec);
		rc = say(&c, &spec, OF_ADD, f->line);
	}
	*same = c.same;
	return rc;
}
