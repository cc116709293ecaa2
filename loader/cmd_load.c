// SPDX-License-Identifier: Apache-2.0
/* load, unload. */
#include <errno.h>
#include <string.h>

#include "attach.h"
#include "bpfobj.h"
#include "cxltab.h"
#include "json.h"
#include "portmap.h"

int cmd_load(int argc, char **argv)
{
	bool print_json = false;
	const struct cli_option options[] = {
		{"--json", NULL, CLI_FLAG, &print_json, "print what was done, as JSON", NULL},
		{0},
	};
	const struct cli_syntax syntax = {
		"load",
		"SLICE",
		1,
		1,
		options,
		"Loads the XDP and TC programs for a slice and pins them beside it.  If they are\n"
		"loaded already, new ones take their place under running traffic, over the same\n"
		"maps and on all ports.  attach does this by itself where needed.\n",
	};
	int n = cli_parse(&syntax, argc, argv), lock, status;
	struct json j;
	bool again;

	if (n < 0)
		return ~n;
	status = slice_lock(argv[1], &lock);
	if (status)
		return status;
	status = bpfobj_load(argv[1], &again);
	if (!status && again)
		cli_note("%s: new programs have replaced the loaded ones", argv[1]);
	slice_unlock(argv[1], lock);
	if (!status && print_json) {
		json_start(&j, stdout);
		json_object(&j, NULL);
		json_string(&j, "slice", argv[1]);
		json_bool(&j, "replaced", again);
		json_end(&j);
	}
	return status;
}

static void print_unloaded(const char *slice, const __u32 *ports, __u32 n)
{
	struct json j;
	__u32 i;

	json_start(&j, stdout);
	json_object(&j, NULL);
	json_string(&j, "slice", slice);
	json_array(&j, "ports");
	for (i = 0; i < n; i++)
		json_u64(&j, NULL, ports[i]);
	json_end(&j);
	json_end(&j);
}

int cmd_unload(int argc, char **argv)
{
	bool print_json = false;
	const struct cli_option options[] = {
		{"--json", NULL, CLI_FLAG, &print_json, "print which ports were detached, as JSON",
		 NULL},
		{0},
	};
	const struct cli_syntax syntax = {
		"unload",
		"SLICE",
		1,
		1,
		options,
		"Detaches all ports of a slice, restoring their devices, and removes its "
		"programs.\n"
		"The rules stay.\n",
	};
	int n = cli_parse(&syntax, argc, argv), lock, status;
	__u32 ports[CXLT_PORTS_MAX], n_ports;

	if (n < 0)
		return ~n;
	status = slice_lock(argv[1], &lock);
	if (status)
		return status;
	n_ports = port_state_list(argv[1], ports, CXLT_PORTS_MAX);
	if (!bpfobj_is_loaded(argv[1]))
		status = cli_fail("%s: no programs are loaded", argv[1]);
	if (!status)
		status = detach_all(argv[1]);
	if (!status)
		status = bpfobj_unpin(argv[1]);
	slice_unlock(argv[1], lock);
	if (!status && print_json)
		print_unloaded(argv[1], ports, n_ports);
	return status;
}
