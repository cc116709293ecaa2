// SPDX-License-Identifier: Apache-2.0
/* attach, detach. */
#include <errno.h>
#include <string.h>

#include "attach.h"
#include "bpfobj.h"
#include "cxltab.h"
#include "json.h"
#include "link.h"
#include "openflow/flow.h"

static int set_mode(const char *command, const char *text, void *to)
{
	int m;

	for (m = 0; m < N_MODES; m++) {
		if (!strcmp(text, port_mode_name[m])) {
			*(enum port_mode *)to = m;
			return CLI_OK;
		}
	}
	return cli_usage(command, "--mode: '%s' is not native, generic or tc", text);
}

static int set_port(const char *command, const char *text, void *to)
{
	__u64 port;

	if (!cli_number(command, "--port", text, OF_PORT_MAX, &port))
		return CLI_USAGE;
	*(long *)to = (long)port;
	return CLI_OK;
}

/* What was changed: the opposite of what it was. */
static void print_changes(struct json *j, const char *key, const struct feature *was, size_t n)
{
	size_t i;

	json_object(j, key);
	for (i = 0; i < n; i++)
		json_bool(j, was[i].name, !was[i].on);
	json_end(j);
}

static void print_port(const char *slice, const struct port_state *s, bool attached)
{
	struct json j;

	json_start(&j, stdout);
	json_object(&j, NULL);
	json_string(&j, "slice", slice);
	json_u64(&j, "port", s->port);
	json_string(&j, "device", s->dev);
	json_u64(&j, "ifindex", s->ifindex);
	json_string(&j, "mode", port_mode_name[s->mode]);
	if (attached) {
		print_changes(&j, "device_set", s->dev_was, s->n_dev);
		print_changes(&j, "peer_set", s->peer_was, s->n_peer);
	}
	json_end(&j);
}

int cmd_attach(int argc, char **argv)
{
	struct attach_request r = {.mode = MODE_NATIVE};
	bool print_json = false;
	struct port_state s;
	long port = -1;
	const struct cli_option options[] = {
		{"--port", "N", CLI_CALL, &port, "its number in rules", set_port},
		{"--mode", "MODE", CLI_CALL, &r.mode, "native (default), generic or tc", set_mode},
		{"--peer-netns", "NETNS", CLI_TEXT, &r.peer_netns,
		 "where a veth's other end is: NAME, PATH or PID", NULL},
		{"--peer-ready", NULL, CLI_FLAG, &r.peer_ready,
		 "its other end has been set up by hand", NULL},
		{"--json", NULL, CLI_FLAG, &print_json, "print what was done, as JSON", NULL},
		{0},
	};
	const struct cli_syntax syntax = {
		"attach",
		"SLICE DEV",
		2,
		2,
		options,
		"Makes a device port N of the slice's slow path, and loads the programs if that\n"
		"hasn't been done.  XDP needs gro on, tx off and txvlan off on the other end of a\n"
		"veth; attach sets that, says so, and detach restores it.  Mode tc needs nothing,\n"
		"keeps offloads and is the one for bulk TCP.\n",
	};
	int n = cli_parse(&syntax, argc, argv), lock, status;

	if (n < 0)
		return ~n;
	if (port < 0)
		return cli_usage("attach", "it needs --port N");
	r.slice = argv[1];
	r.dev = argv[2];
	r.port = (__u32)port;
	status = slice_lock(r.slice, &lock);
	if (status)
		return status;
	status = attach_port(&r);
	if (!status && print_json && !port_state_read(r.slice, r.port, &s))
		print_port(r.slice, &s, true);
	slice_unlock(r.slice, lock);
	return status;
}

/* The port of a device, by the name that it had when it was attached, or by its present one. */
static int find_device(const char *slice, const char *dev, long *port)
{
	__u32 ports[CXLT_PORTS_MAX], n = port_state_list(slice, ports, CXLT_PORTS_MAX), i;
	bool found = false, here;
	struct link_info link;
	struct port_state s;

	here = !link_get(dev, &link);
	for (i = 0; i < n; i++) {
		if (port_state_read(slice, ports[i], &s))
			continue;
		if (!strcmp(s.dev, dev)) {
			*port = ports[i];
			return CLI_OK;
		}
		if (here && s.ifindex == link.ifindex) {
			*port = ports[i];
			found = true;
		}
	}
	if (found)
		return CLI_OK;
	return cli_fail("%s: no port is %s", slice, dev);
}

static int detach(const char *slice, const char *dev, long port, bool print_json)
{
	__u32 ports[CXLT_PORTS_MAX], n = port_state_list(slice, ports, CXLT_PORTS_MAX), i;
	struct port_state s = {0};
	int status;

	if (dev) {
		status = find_device(slice, dev, &port);
		if (status)
			return status;
	}
	for (i = 0; i < n && ports[i] != (__u32)port; i++)
		;
	if (i == n)
		return cli_fail("%s: there is no port %ld", slice, port);
	if (port_state_read(slice, (__u32)port, &s))
		s = (struct port_state){.port = (__u32)port};
	status = detach_port(slice, (__u32)port);
	if (!status && print_json)
		print_port(slice, &s, false);
	return status;
}

int cmd_detach(int argc, char **argv)
{
	bool print_json = false;
	long port = -1;
	const struct cli_option options[] = {
		{"--port", "N", CLI_CALL, &port, "the port, instead of DEV", set_port},
		{"--json", NULL, CLI_FLAG, &print_json, "print what was done, as JSON", NULL},
		{0},
	};
	const struct cli_syntax syntax = {
		"detach",
		"SLICE [DEV]",
		1,
		2,
		options,
		"Ends a port, given by its device or by --port, and restores the device and its\n"
		"peer to what they were before attach.\n",
	};
	int n = cli_parse(&syntax, argc, argv), lock, status;

	if (n < 0)
		return ~n;
	if ((n == 2) == (port >= 0))
		return cli_usage("detach", "it needs either DEV or --port N");
	status = slice_lock(argv[1], &lock);
	if (status)
		return status;
	status = detach(argv[1], argv[2], port, print_json);
	slice_unlock(argv[1], lock);
	return status;
}
