// SPDX-License-Identifier: Apache-2.0
/* trace --packets: what becomes of many packets, a line each, for programs to read. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cxltab/record.h>

#include "bpfdry.h"
#include "cxltab.h"
#include "trace.h"

/* What became of one packet, whoever ran it. */
struct outcome {
	__u8 verdict, reason, table, matched;
	__u64 cookie;
	__u32 n_outputs;
	struct dry_output output[CXLT_RECORD_OUTPUTS];
};

struct lister {
	enum trace_path path;
	const char *source;
	bool as_json;
	struct json json;
	__u8 packet[TRACE_PACKET_MAX];
	struct outcome outcome;
	/* In this process. */
	struct cxlt_view view;
	struct cxlt_work w;
	struct cxlt_adapter a;
	/* In the kernel. */
	struct dry *dry;
	struct dry_result result;
};

CXLT_STATIC_ASSERT((int)CXLT_RECORD_PORT == (int)CXLT_DRY_PORT &&
			   (int)CXLT_RECORD_FLOOD == (int)CXLT_DRY_FLOOD &&
			   (int)CXLT_RECORD_CONTROLLER == (int)CXLT_DRY_CONTROLLER &&
			   (int)CXLT_RECORD_LOCAL == (int)CXLT_DRY_LOCAL,
		   "kinds of outputs have one numbering");

/* ---- Running ---- */

static void run_here(struct lister *l, __u32 in_port, __u32 len)
{
	struct outcome *o = &l->outcome;
	__u32 i;

	cxlt_record(&l->view, &l->w, &l->a, in_port, l->packet, len);
	o->verdict = l->w.res.verdict;
	o->reason = l->w.res.reason;
	o->table = l->w.res.table;
	o->matched = l->w.res.matched;
	o->cookie = l->w.res.cookie;
	o->n_outputs = l->a.n_outputs < CXLT_RECORD_OUTPUTS ? l->a.n_outputs : CXLT_RECORD_OUTPUTS;
	for (i = 0; i < o->n_outputs; i++) {
		const struct cxlt_record_output *out = &l->a.output[i];

		o->output[i] = (struct dry_output){
			.kind = out->kind,
			.port = out->port,
			.len = out->len,
			.bytes = l->a.bytes + out->at,
		};
	}
}

static int run_dry(struct lister *l, __u32 in_port, __u32 len, unsigned int number)
{
	struct dry_result *r = &l->result;
	struct outcome *o = &l->outcome;
	int rc = dry_run(l->dry, in_port, l->packet, len, r);

	if (rc == -EINVAL || rc == -E2BIG)
		return cli_fail("%s:%u: %u bytes: the programs take %d to %d; --path inline and "
				"device take all",
				l->source, number, len, DRY_LEN_MIN, DRY_LEN_MAX);
	if (rc)
		return cli_fail_errno(rc, "%s:%u: test run", l->source, number);
	o->verdict = r->verdict;
	o->reason = r->reason;
	o->table = r->table;
	o->matched = r->matched;
	o->cookie = r->cookie;
	o->n_outputs = r->n_outputs < CXLT_RECORD_OUTPUTS ? r->n_outputs : CXLT_RECORD_OUTPUTS;
	memcpy(o->output, r->output, o->n_outputs * sizeof(*o->output));
	return CLI_OK;
}

/* ---- Printing ---- */

static const char *const kind_name[] = {"output", "flood", "controller", "local"};

static void print_json(struct lister *l)
{
	const struct outcome *o = &l->outcome;
	struct json *j = &l->json;
	__u32 i;

	json_object(j, NULL);
	json_array(j, "outputs");
	for (i = 0; i < o->n_outputs; i++) {
		const struct dry_output *out = &o->output[i];

		json_object(j, NULL);
		if (out->kind == CXLT_DRY_PORT)
			json_u64(j, "port", out->port);
		else
			json_string(j, "port", kind_name[out->kind & 3]);
		json_bytes(j, "packet", out->bytes, out->len);
		json_end(j);
	}
	json_end(j);
	json_string(j, "verdict", cxlt_verdict_name[o->verdict % CXLT_N_VERDICTS]);
	json_string(j, "reason", cxlt_reason_name[o->reason % CXLT_N_REASONS]);
	json_u64(j, "table", o->table);
	if (o->matched)
		json_u64(j, "cookie", o->cookie);
	else
		json_null(j, "cookie");
	json_end(j);
}

static void print_text(struct lister *l)
{
	const struct outcome *o = &l->outcome;
	__u32 i;

	printf("%s %s table=%u", cxlt_verdict_name[o->verdict % CXLT_N_VERDICTS],
	       cxlt_reason_name[o->reason % CXLT_N_REASONS], o->table);
	if (o->matched)
		printf(" cookie=0x%llx", o->cookie);
	for (i = 0; i < o->n_outputs; i++) {
		printf(" %s", kind_name[o->output[i].kind & 3]);
		if (o->output[i].kind == CXLT_DRY_PORT)
			printf(":%u", o->output[i].port);
	}
	putchar('\n');
}

/* ---- Reading ---- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int trace_hex(const char *text, size_t len, __u8 *bytes)
{
	size_t i;

	if (len % 2 || len / 2 > TRACE_PACKET_MAX)
		return -1;
	for (i = 0; i < len; i += 2) {
		int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);

		if (high < 0 || low < 0)
			return -1;
		bytes[i / 2] = high << 4 | low;
	}
	return len / 2;
}

static int list_line(struct lister *l, const char *line, size_t len, unsigned int number)
{
	const char *end = line + len, *hex;
	unsigned long port;
	char *after;
	int n, status = CLI_OK;

	errno = 0;
	port = strtoul(line, &after, 10);
	hex = after + strspn(after, " \t");
	if (after == line || *line == '-' || errno || port > 0xffffffff ||
	    (hex == after && hex < end))
		return cli_fail("%s:%u:1: a line is IN_PORT HEX", l->source, number);
	n = trace_hex(hex, end - hex, l->packet);
	if (n < 0)
		return cli_fail(
			"%s:%u:%d: not the hexadecimal digits of a packet of up to %d bytes",
			l->source, number, (int)(hex - line + 1), TRACE_PACKET_MAX);
	if (l->dry)
		status = run_dry(l, port, n, number);
	else
		run_here(l, port, n);
	if (status)
		return status;
	if (l->as_json)
		print_json(l);
	else
		print_text(l);
	return CLI_OK;
}

static int list_lines(struct lister *l, FILE *file)
{
	unsigned int number = 0;
	int status = CLI_OK;
	char *line = NULL;
	size_t room = 0;

	while (!status && !ferror(stdout)) {
		ssize_t n = getline(&line, &room, file);

		if (n < 0)
			break;
		number++;
		while (n && strchr(" \t\r\n", line[n - 1]))
			line[--n] = '\0';
		if (n && line[0] != '#')
			status = list_line(l, line, n, number);
	}
	if (!status && ferror(file))
		status = cli_fail_errno(errno, "%s", l->source);
	free(line);
	return status;
}

static int open_path(struct lister *l, struct cxlt_slice *slice, const struct trace_ports *ports)
{
	if (l->path == TRACE_PATH_XDP || l->path == TRACE_PATH_TC)
		return dry_open(slice, l->path == TRACE_PATH_XDP ? DRY_XDP : DRY_TC, ports->ports,
				ports->n, &l->dry)
			       ? CLI_FAILED
			       : CLI_OK;
	l->a.bytes = malloc(CXLT_RECORD_BYTES);
	if (!l->a.bytes)
		return cli_fail_errno(ENOMEM, "trace");
	l->a.room = CXLT_RECORD_BYTES;
	l->a.ports = ports->ports;
	l->a.n_ports = ports->n;
	cxlt_slice_view(slice, l->path == TRACE_PATH_DEVICE ? CXLT_VIEW_DEVICE : 0, &l->view);
	return CLI_OK;
}

int trace_list(struct cxlt_slice *slice, enum trace_path path, const char *source,
	       const struct trace_ports *ports, bool as_json)
{
	bool is_stdin = !strcmp(source, "-");
	FILE *file = is_stdin ? stdin : fopen(source, "re");
	struct lister *l = calloc(1, sizeof(*l));
	int status;

	if (!file) {
		free(l);
		return cli_fail_errno(errno, "%s", source);
	}
	if (l) {
		l->path = path;
		l->source = is_stdin ? "stdin" : source;
		l->as_json = as_json;
		json_start(&l->json, stdout);
		status = open_path(l, slice, ports);
		if (!status)
			status = list_lines(l, file);
		if (l->dry)
			dry_close(l->dry);
		free(l->a.bytes);
		free(l);
	} else {
		status = cli_fail_errno(ENOMEM, "trace");
	}
	if (!is_stdin)
		fclose(file);
	return status;
}
