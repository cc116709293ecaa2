/* SPDX-License-Identifier: Apache-2.0 */
/*
 * holder.h - who holds a hook of a device: a slice of ours, or whoever it is.  Silent.
 */
#ifndef CXLTAB_LOADER_HOLDER_H
#define CXLTAB_LOADER_HOLDER_H

#include <stdbool.h>
#include <stddef.h>

#include <linux/types.h>

enum {
	HOLDER_TEXT = 512,
};

/* Is the device a port of some slice?  Then "port N of slice NAME". */
bool find_port(__u32 ifindex, char *text, size_t size);
/* "program 'NAME' (id N, loaded by uid U; held by COMMAND, process P)", and the port if ours. */
void describe_holder(__u32 prog_id, __u32 ifindex, char *text, size_t size);

#endif
