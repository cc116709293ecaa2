// SPDX-License-Identifier: Apache-2.0
/* trace: what happens to a packet, explained for people or listed for programs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <cxltab/parse.h>
#include <cxltab/work.h>

#include "bpfdry.h"
#include "cxltab.h"
#include "openflow/flow.h"
#include "trace.h"

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
static int ports_parse(struct trace_ports *p, const char *whole)
{
	const char *list = whole;

	do {
		unsigned long from, to;
		char *end;

		from = strtoul(list, &end, 10);
		to = from;
		if (end > list && *end == '-') {
			list = end + 1;
			to = strtoul(list, &end, 10);
		}
		if (end == list || (*end && *end != ',') || to > OF_PORT_MAX || from > to)
			return cli_usage("trace", "--ports: '%s' is no list such as 1,2,5-9",
					 whole);
		for (; from <= to; from++)
			if (ports_push(p, from))
				return cli_fail_errno(ENOMEM, "trace");
		list = *end ? end + 1 : end;
	} while (*list);
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
		n = trace_hex(text, strlen(text), bytes);
	if (n >= 0) {
		p->len = n;
		return CLI_OK;
	}
	if (of_parse_packet(text, o->in_port, key, &err))
		return cli_fail("trace: '%s', column %d: %s", text, err.column, err.reason);
	n = of_compose_packet(key, bytes, TRACE_PACKET_MAX);
	if (n < 0)
		return cli_fail_errno(n, "trace: '%s'", text);
	p->in_port = CXLT_KEY_GET(key, IN_PORT);
	p->extra = key;
	p->len = n;
	return CLI_OK;
}

/* What the parser sees, and what the packet was said to come with; false if it refuses the packet. */
static bool parsed_text(const struct trace_packet *p, char *text, size_t size)
{
	struct cxlt_layers lay;
	struct cxlt_key key;
	__u32 head = p->len < CXLT_HDR_MAX ? p->len : CXLT_HDR_MAX;

	if (cxlt_parse(p->bytes, head, p->len, p->in_port, &key, &lay))
		return false;
	trace_take_extra(&key, p->extra);
	of_format_key(&key, text, size);
	return true;
}

/* The loaded programs on the packet: the only part of trace that has an effect. */
static int live(const struct options *o, const struct trace_packet *p, struct json *j)
{
	struct dry_live run;
	const char *reason;

	if (dry_live(o->spec, p->in_port, p->bytes, p->len, &run))
		return CLI_FAILED;
	/* Of a packet that is handed over XDP knows no more; a test run doesn't go on to TC. */
	reason = run.handed_over ? NULL
		 : run.reason == CXLT_R_NONE || run.reason >= CXLT_N_REASONS
			 ? NULL
			 : cxlt_reason_name[run.reason];
	if (j) {
		json_object(j, "live");
		json_string(j, "program", run.program);
		json_string(j, "action", run.action);
		json_bool(j, "handed_over", run.handed_over);
		json_string(j, "reason", reason);
		json_end(j);
	} else if (run.handed_over) {
		printf("live (%s program, counted): handed over to TC, where a test run ends\n",
		       run.program);
	} else {
		printf("live (%s program, counted): %s, reason %s\n", run.program, run.action,
		       reason ? reason : "unknown, as other packets were counted too");
	}
	return CLI_OK;
}

static int explain(const struct options *o, const struct cxlt_slice *slice,
		   const struct trace_packet *p, const struct trace_ports *ports)
{
	unsigned int views = o->path == TRACE_PATH_DEVICE   ? TRACE_DEVICE
			     : o->path == TRACE_PATH_INLINE ? TRACE_HOST
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
	if (rc)
		return cli_fail_errno(rc, "trace");
	rc = o->live ? live(o, p, o->json ? &j : NULL) : CLI_OK;
	if (o->json)
		json_end(&j);
	return rc;
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
			o->path = TRACE_PATH_INLINE + i;
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
	static __u8 bytes[TRACE_PACKET_MAX];
	struct trace_packet p = {0};
	struct cxlt_key key;
	int status;

	if (!slice)
		return CLI_FAILED;
	status = ports_find(&ports, o);
	if (!status && o->packets) {
		status = trace_list(slice, o->path, o->packets, &ports, o->json);
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
	if (o.path >= TRACE_PATH_XDP && !o.packets)
		return cli_usage("trace", "--path %s goes with --packets; --live runs one packet",
				 o.path_name);
	if (o.live && o.packets)
		return cli_usage("trace", "--live runs one packet, not --packets");
	if (o.packets && !o.path)
		o.path = TRACE_PATH_INLINE;
	return run(&o, argv[2]);
}
