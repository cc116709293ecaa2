// SPDX-License-Identifier: Apache-2.0
/* trace: what happens to a packet, explained for people or listed for programs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <cxltab/record.h>

#include "../bpf/slowpath.h"
#include "cxltab.h"
#include "openflow/flow.h"
#include "trace.h"

enum {
	PACKET_MAX = 65535,
};

enum trace_path {
	PATH_NONE,
	PATH_INLINE,
	PATH_DEVICE,
	PATH_XDP,
	PATH_TC,
};

struct options {
	const char *spec, *packets, *path_name, *port_list;
	enum trace_path path;
	__u32 in_port;
	bool json, live;
};

/* ---- Ports ---- */

static int by_number(const void *a, const void *b)
{
	__u32 x = *(const __u32 *)a, y = *(const __u32 *)b;

	return (x > y) - (x < y);
}

static int ports_push(struct trace_ports *p, __u32 port)
{
	__u32 *ports = realloc(p->ports, (p->n + 1) * sizeof(*ports));

	if (!ports)
		return -ENOMEM;
	ports[p->n++] = port;
	p->ports = ports;
	return 0;
}

/* "1,2,5-9" */
static int ports_parse(struct trace_ports *p, const char *list)
{
	while (*list) {
		unsigned long from, to;
		char *end;

		from = strtoul(list, &end, 10);
		to = from;
		if (end > list && *end == '-') {
			list = end + 1;
			to = strtoul(list, &end, 10);
		}
		if (end == list || (*end && *end != ',') || to > OF_PORT_MAX || from > to)
			return cli_usage("trace", "--ports: '%s' is no list such as 1,2,5-9", list);
		for (; from <= to; from++)
			if (ports_push(p, from))
				return cli_fail_errno(ENOMEM, "trace");
		list = *end ? end + 1 : end;
	}
	return CLI_OK;
}

/* Those attached to the slice; none known if no programs are loaded. */
static int ports_attached(struct trace_ports *p, const char *spec)
{
	__u32 key, *prev = NULL;
	char path[512];
	int fd, rc = 0;

	if (!cli_is_arena(spec))
		return CLI_OK;
	snprintf(path, sizeof(path), CXLT_PIN_DIR "/%s/ports", spec);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return CLI_OK;
	while (!rc && !bpf_map_get_next_key(fd, prev, &key)) {
		rc = ports_push(p, key);
		prev = &key;
	}
	close(fd);
	return rc ? cli_fail_errno(rc, "trace") : CLI_OK;
}

static int ports_find(struct trace_ports *p, const struct options *o)
{
	__u32 i, kept = 0;
	int status;

	status = o->port_list ? ports_parse(p, o->port_list) : ports_attached(p, o->spec);
	if (status || !p->n)
		return status;
	qsort(p->ports, p->n, sizeof(*p->ports), by_number);
	for (i = 0; i < p->n; i++)
		if (!kept || p->ports[kept - 1] != p->ports[i])
			p->ports[kept++] = p->ports[i];
	p->n = kept;
	return CLI_OK;
}

/* ---- Packets ---- */

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

/* Number of bytes, or -1 if `text` is not that many pairs of hexadecimal digits. */
static int hex_bytes(const char *text, size_t len, __u8 *bytes)
{
	size_t i;

	if (len % 2 || len / 2 > PACKET_MAX)
		return -1;
	for (i = 0; i < len; i += 2) {
		int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);

		if (high < 0 || low < 0)
			return -1;
		bytes[i / 2] = high << 4 | low;
	}
	return len / 2;
}

/* ---- Listing: a line in, a line out ---- */

/* What runs packets, and what became of the last one. */
struct lister {
	const struct options *o;
	struct trace_ports *ports;
	struct cxlt_view view;
	struct cxlt_work w;
	struct cxlt_adapter a;
	struct json json;
	__u8 packet[PACKET_MAX];
};

static void list_json(struct lister *l)
{
	static const char *const kind[] = {"port", "flood", "controller", "local"};
	const struct cxlt_result *r = &l->w.res;
	struct json *j = &l->json;
	__u32 i;

	json_object(j, NULL);
	json_array(j, "outputs");
	for (i = 0; i < l->a.n_outputs && i < CXLT_RECORD_OUTPUTS; i++) {
		const struct cxlt_record_output *out = &l->a.output[i];

		json_object(j, NULL);
		if (out->kind == CXLT_RECORD_PORT)
			json_u64(j, "port", out->port);
		else
			json_string(j, "port", kind[out->kind]);
		json_bytes(j, "packet", l->a.bytes + out->at, out->len);
		json_end(j);
	}
	json_end(j);
	json_string(j, "verdict", cxlt_verdict_name[r->verdict]);
	json_string(j, "reason", cxlt_reason_name[r->reason]);
	json_u64(j, "table", r->table);
	if (r->matched)
		json_u64(j, "cookie", r->cookie);
	else
		json_null(j, "cookie");
	json_end(j);
}

static void list_text(struct lister *l)
{
	const struct cxlt_result *r = &l->w.res;
	__u32 i;

	printf("%s %s table=%u", cxlt_verdict_name[r->verdict], cxlt_reason_name[r->reason],
	       r->table);
	if (r->matched)
		printf(" cookie=0x%llx", r->cookie);
	for (i = 0; i < l->a.n_outputs && i < CXLT_RECORD_OUTPUTS; i++) {
		static const char *const kind[] = {"", "flood", "controller", "local"};
		const struct cxlt_record_output *out = &l->a.output[i];

		if (out->kind == CXLT_RECORD_PORT)
			printf(" output:%u", out->port);
		else
			printf(" %s", kind[out->kind]);
	}
	putchar('\n');
}

static int list_line(struct lister *l, const char *line, size_t len, unsigned int number,
		     const char *source)
{
	const char *end = line + len, *hex;
	unsigned long port;
	char *after;
	int n;

	errno = 0;
	port = strtoul(line, &after, 10);
	hex = after + strspn(after, " \t");
	if (after == line || errno || port > 0xffffffff || (hex == after && hex < end))
		return cli_fail("%s:%u: a line is IN_PORT HEX", source, number);
	n = hex_bytes(hex, end - hex, l->packet);
	if (n < 0)
		return cli_fail(
			"%s:%u:%d: not the hexadecimal digits of a packet of up to %d bytes",
			source, number, (int)(hex - line + 1), PACKET_MAX);
	cxlt_record(&l->view, &l->w, &l->a, port, l->packet, n);
	if (l->o->json)
		list_json(l);
	else
		list_text(l);
	return CLI_OK;
}

static int list_lines(struct lister *l, FILE *file, const char *source)
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
			status = list_line(l, line, n, number, source);
	}
	if (!status && ferror(file))
		status = cli_fail_errno(errno, "%s", source);
	free(line);
	return status;
}

static int list(const struct options *o, const struct cxlt_slice *slice, struct trace_ports *ports)
{
	bool is_stdin = !strcmp(o->packets, "-");
	FILE *file = is_stdin ? stdin : fopen(o->packets, "re");
	struct lister *l;
	int status;

	if (!file)
		return cli_fail_errno(errno, "%s", o->packets);
	l = calloc(1, sizeof(*l));
	if (l)
		l->a.bytes = malloc(CXLT_RECORD_BYTES);
	if (l && l->a.bytes) {
		l->o = o;
		l->a.room = CXLT_RECORD_BYTES;
		l->a.ports = ports->ports;
		l->a.n_ports = ports->n;
		json_start(&l->json, stdout);
		cxlt_slice_view(slice, o->path == PATH_DEVICE ? CXLT_VIEW_DEVICE : 0, &l->view);
		status = list_lines(l, file, is_stdin ? "stdin" : o->packets);
	} else {
		status = cli_fail_errno(ENOMEM, "trace");
	}
	if (l)
		free(l->a.bytes);
	free(l);
	if (!is_stdin)
		fclose(file);
	return status;
}

/* ---- Explaining ---- */

/* A packet given as hexadecimal digits, or as a flow that one is composed from. */
static int read_packet(const struct options *o, const char *text, __u8 *bytes, struct cxlt_key *key,
		       struct trace_packet *p)
{
	struct of_error err = {0};
	int n = -1;

	p->bytes = bytes;
	p->in_port = o->in_port;
	if (*text)
		n = hex_bytes(text, strlen(text), bytes);
	if (n >= 0) {
		p->len = n;
		return CLI_OK;
	}
	if (of_parse_packet_key(text, key, &err))
		return cli_fail("trace: '%s', column %d: %s", text, err.column, err.reason);
	if (!CXLT_KEY_GET(key, IN_PORT))
		CXLT_KEY_SET(key, IN_PORT, o->in_port);
	n = of_compose_packet(key, bytes, PACKET_MAX);
	if (n < 0)
		return cli_fail_errno(n, "trace: '%s'", text);
	p->in_port = CXLT_KEY_GET(key, IN_PORT);
	p->extra = key;
	p->len = n;
	return CLI_OK;
}

/* What the parser sees; false if it refuses the packet. */
static bool parsed_text(const struct trace_packet *p, char *text, size_t size)
{
	struct cxlt_layers lay;
	struct cxlt_key key;
	__u32 head = p->len < CXLT_HDR_MAX ? p->len : CXLT_HDR_MAX;

	if (cxlt_parse(p->bytes, head, p->len, p->in_port, &key, &lay))
		return false;
	of_format_key(&key, text, size);
	return true;
}

static int explain(const struct options *o, const struct cxlt_slice *slice,
		   const struct trace_packet *p, const struct trace_ports *ports)
{
	unsigned int views = o->path == PATH_DEVICE   ? TRACE_DEVICE
			     : o->path == PATH_INLINE ? TRACE_HOST
						      : TRACE_HOST | TRACE_DEVICE;
	char text[OF_TEXT_MAX];
	struct json j;
	int rc;

	json_start(&j, stdout);
	if (!parsed_text(p, text, sizeof(text)))
		snprintf(text, sizeof(text), "in_port=%u, not understood", p->in_port);
	if (o->json) {
		json_object(&j, NULL);
		json_u64(&j, "in_port", p->in_port);
		json_bytes(&j, "packet", p->bytes, p->len);
		json_string(&j, "flow", text);
	} else {
		printf("%s (%u bytes)\n", text, p->len);
	}
	rc = trace_explain(slice, views, p, ports, o->json ? &j : NULL);
	if (o->json)
		json_end(&j);
	return rc ? cli_fail_errno(rc, "trace") : CLI_OK;
}

/* ---- Command ---- */

static int choose_path(struct options *o)
{
	static const char *const names[] = {"inline", "device", "xdp", "tc", NULL};
	const char *near;
	int i;

	if (!o->path_name)
		return CLI_OK;
	for (i = 0; names[i]; i++)
		if (!strcmp(o->path_name, names[i]))
			o->path = PATH_INLINE + i;
	if (o->path)
		return CLI_OK;
	near = cli_nearest(o->path_name, names);
	return cli_usage("trace", "--path: '%s' is none of inline, device, xdp, tc%s%s",
			 o->path_name, near ? "; did you mean " : "", near ? near : "");
}

static int run(const struct options *o, const char *packet)
{
	struct cxlt_slice *slice = cli_slice(o->spec, CXLT_ATTACH_READ);
	struct trace_ports ports = {0};
	static __u8 bytes[PACKET_MAX];
	struct trace_packet p = {0};
	struct cxlt_key key;
	int status;

	if (!slice)
		return CLI_FAILED;
	status = ports_find(&ports, o);
	if (!status && o->packets) {
		status = list(o, slice, &ports);
	} else if (!status) {
		status = read_packet(o, packet, bytes, &key, &p);
		if (!status)
			status = explain(o, slice, &p, &ports);
	}
	free(ports.ports);
	cxlt_slice_close(slice);
	return status;
}

int cmd_trace(int argc, char **argv)
{
	struct options o = {.in_port = 1};
	const struct cli_option options[] = {
		{"--in-port", "N", CLI_U32, &o.in_port, "of a packet in hexadecimal (1)", NULL},
		{"--ports", "LIST", CLI_TEXT, &o.port_list,
		 "that exist, as 1,2,5-9 (those attached, else all)", NULL},
		{"--path", "PATH", CLI_TEXT, &o.path_name,
		 "inline (host's view, here), device, xdp or tc", NULL},
		{"--packets", "FILE|-", CLI_TEXT, &o.packets,
		 "lines of IN_PORT HEX instead of one packet", NULL},
		{"--live", NULL, CLI_FLAG, &o.live,
		 "also run the loaded programs on it, which counts it", NULL},
		{"--json", NULL, CLI_FLAG, &o.json, "as JSON; with --packets, an object a line",
		 NULL},
		{0},
	};
	const struct cli_syntax syntax = {
		"trace",
		"SLICE PACKET",
		1,
		2,
		options,
		"Shows which tables, tuples and rules a packet meets, what is rewritten, and its\n"
		"verdict, for the host's view and the NIC's.  Nothing is sent and nothing "
		"counted.\n"
		"PACKET is a flow ('in_port=1,tcp,nw_dst=10.0.0.1') or the hexadecimal digits of\n"
		"a frame.\n",
	};
	int status, n = cli_parse(&syntax, argc, argv);

	if (n < 0)
		return ~n;
	if ((n == 2) == (o.packets != NULL))
		return cli_usage("trace", "give a PACKET or --packets");
	status = choose_path(&o);
	if (status)
		return status;
	o.spec = argv[1];
	if (o.path >= PATH_XDP || o.live)
		return cli_fail("trace: running BPF programs comes with the next commits");
	return run(&o, argv[2]);
}
