// SPDX-License-Identifier: Apache-2.0
/* What -ENOSPC says: which pool is exhausted, how full it is, and what makes it larger. */
#include <errno.h>

#include "change_rule.h"

/* Free lines of the device domain and of the host domain, and all of them. */
static void count(const struct cxlt_slice *s, __u64 *free, __u64 *lines)
{
	struct cxlt_usage u;
	__u64 used = 0, all = s->dir.n_chunks * (__u64)CXLT_CHUNK_LINES;
	__u32 k;

	cxlt_slice_usage(s, &u);
	for (k = 1; k < CXLT_N_KINDS; k++)
		used += u.used[k];
	lines[0] = cxlt_device_chunks(s) * (__u64)CXLT_CHUNK_LINES;
	lines[1] = all - lines[0];
	free[0] = lines[0] - (used - u.host_used);
	free[1] = lines[1] - u.host_used;
}

int cxlt_no_room(const struct cxlt_slice *s, const char *what)
{
	bool divided = s->header.dev_lines < s->header.n_lines;
	__u64 free[2], lines[2];

	count(s, free, lines);
	return cxlt_fail(-ENOSPC,
			 "no room for %s: %llu of %llu lines in the slice's %s domain are free, "
			 "none that fit; create it with a larger --%s",
			 what, (unsigned long long)free[0], (unsigned long long)lines[0],
			 divided ? "device" : "only", divided ? "device-size" : "size");
}

int cxlt_no_room_anywhere(const struct cxlt_slice *s, const char *what)
{
	__u64 free[2], lines[2];

	if (s->header.dev_lines == s->header.n_lines)
		return cxlt_no_room(s, what);
	count(s, free, lines);
	return cxlt_fail(-ENOSPC,
			 "no room for %s: %llu of %llu lines in the slice's device domain and %llu "
			 "of %llu in its host domain are free, none that fit; create it with a "
			 "larger --size",
			 what, (unsigned long long)free[0], (unsigned long long)lines[0],
			 (unsigned long long)free[1], (unsigned long long)lines[1]);
}
