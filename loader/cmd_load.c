// SPDX-License-Identifier: Apache-2.0
/* load, unload. */
#include <errno.h>
#include <string.h>

#include "attach.h"
#include "bpfobj.h"
#include "cxltab.h"

int cmd_load(int argc, char **argv)
{
	const struct cli_syntax syntax = {
		"load",
		"SLICE",
		1,
		1,
		NULL,
		"Loads the XDP and TC programs for a slice and pins them beside it.  If they are\n"
		"loaded already, new ones take their place under running traffic, over the same\n"
		"maps and on all ports.  attach does this by itself where needed.\n",
	};
	int n = cli_parse(&syntax, argc, argv), lock, status;
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
	return status;
}

int cmd_unload(int argc, char **argv)
{
	const struct cli_syntax syntax = {
		"unload",
		"SLICE",
		1,
		1,
		NULL,
		"Detaches all ports of a slice, restoring their devices, and removes its "
		"programs.\n"
		"The rules stay.\n",
	};
	int n = cli_parse(&syntax, argc, argv), lock, status;

	if (n < 0)
		return ~n;
	status = slice_lock(argv[1], &lock);
	if (status)
		return status;
	if (!bpfobj_is_loaded(argv[1]))
		status = cli_fail("%s: no programs are loaded", argv[1]);
	if (!status)
		status = detach_all(argv[1]);
	if (!status)
		status = bpfobj_unpin(argv[1]);
	slice_unlock(argv[1], lock);
	return status;
}
