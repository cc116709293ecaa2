// SPDX-License-Identifier: Apache-2.0
/* Results of the paths: gathered, compared, printed. */
#include <string.h>

#include <cxltab/reason.h>

#include "parity.h"

/* Are these the bytes of the output before? */
static bool same_bytes(const struct parity_result *r, const struct parity_output *o,
		       const __u8 *head, __u32 head_len, const __u8 *rest, __u32 rest_len)
{
	const __u8 *b = r->bytes + o->at;

	return o->len == head_len + rest_len && !memcmp(b, head, head_len) &&
	       !memcmp(b + head_len, rest, rest_len);
}

bool parity_add_output(struct parity_result *r, __u32 kind, __u32 port, const __u8 *head,
		       __u32 head_len, const __u8 *rest, __u32 rest_len)
{
	struct parity_output *o;
	__u32 len = head_len + rest_len;

	if (r->n_outputs >= PARITY_OUTPUTS) {
		r->n_outputs++;
		return false;
	}
	o = &r->output[r->n_outputs];
	*o = (struct parity_output){.kind = kind, .port = port, .at = r->n_bytes, .len = len};
	if (r->n_outputs && same_bytes(r, o - 1, head, head_len, rest, rest_len)) {
		o->at = o[-1].at;
	} else {
		if (len > PARITY_BYTES - r->n_bytes)
			return false;
		memcpy(r->bytes + o->at, head, head_len);
		memcpy(r->bytes + o->at + head_len, rest, rest_len);
		r->n_bytes += len;
	}
	r->n_outputs++;
	return true;
}

static const char *output_difference(const struct parity_result *a, const struct parity_output *x,
				     const struct parity_result *b, const struct parity_output *y)
{
	if (x->kind != y->kind)
		return "kind of output";
	if (x->port != y->port)
		return "port";
	if (x->len != y->len)
		return "length";
	return memcmp(a->bytes + x->at, b->bytes + y->at, x->len) ? "bytes" : NULL;
}

const char *parity_difference(const struct parity_result *a, const struct parity_result *b)
{
	const char *why = NULL;
	__u32 i;

	if (a->verdict != b->verdict)
		return "verdict";
	if (a->reason != b->reason)
		return "reason";
	if (a->knows_rule && b->knows_rule) {
		if (a->table != b->table)
			return "table";
		if (a->matched != b->matched)
			return "matched";
		if (a->matched && a->cookie != b->cookie)
			return "cookie";
	}
	if (a->n_outputs != b->n_outputs)
		return "number of outputs";
	for (i = 0; !why && i < a->n_outputs && i < PARITY_OUTPUTS; i++)
		why = output_difference(a, &a->output[i], b, &b->output[i]);
	return why;
}

static void print_hex(FILE *f, const __u8 *b, __u32 n)
{
	while (n--)
		fprintf(f, "%02x", *b++);
}

void parity_print_result(FILE *f, const char *path, const struct parity_result *r)
{
	static const char *const kind[] = {"port", "flood", "controller", "local", "punted"};
	__u32 i;

	fprintf(f, "%s: %s, %s", path, cxlt_verdict_name[r->verdict], cxlt_reason_name[r->reason]);
	if (r->knows_rule && r->matched)
		fprintf(f, ", table %u, cookie 0x%llx", r->table, r->cookie);
	else if (r->knows_rule)
		fprintf(f, ", table %u, no rule", r->table);
	fprintf(f, "%s\n", r->mat_hit ? ", by the MAT" : "");
	for (i = 0; i < r->n_outputs && i < PARITY_OUTPUTS; i++) {
		const struct parity_output *o = &r->output[i];

		fprintf(f, "  %s", kind[o->kind]);
		if (o->kind == PARITY_PORT)
			fprintf(f, " %u", o->port);
		fprintf(f, " ");
		print_hex(f, r->bytes + o->at, o->len);
		fprintf(f, "\n");
	}
}

void parity_print_packet(FILE *f, const struct parity_packet *p)
{
	fprintf(f, "%u ", p->in_port);
	print_hex(f, p->p.b, p->p.len);
	fprintf(f, "\n");
}
