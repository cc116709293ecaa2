/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statfile.h - the file in which a running nicsim counts, and everybody may read.
 *
 * CXLT_RUN_DIR/NAME.nicsim holds one struct cxlt_nic_stats (stats.h).  nicsim holds a lock on it
 * while it lives, so there is one nicsim for a slice, and readers can tell whether it still runs.
 * A clean exit removes the file; a killed one leaves it, and the next nicsim starts it anew.
 *
 * Errors: 0 or -errno, with a reason in err; -EBUSY another nicsim has it.
 */
#ifndef CXLTAB_NICSIM_STATFILE_H
#define CXLTAB_NICSIM_STATFILE_H

#include <stddef.h>
#include <cxltab/stats.h>

struct cxlt_statfile {
	char path[128];
	int fd;
	int alive; /* of a reader: its writer runs */
	struct cxlt_nic_stats *stats;
};

/* `slice`: a name, or a path, of which the last part counts. */
int cxlt_statfile_create(struct cxlt_statfile *, const char *slice, char *err, size_t);
/* Maps it for reading; `alive` is as of this moment. */
int cxlt_statfile_open(struct cxlt_statfile *, const char *slice, char *err, size_t);
/* Does a nicsim serve this slice, as of this moment?  Then *pid is its process, or 0: it starts. */
int cxlt_statfile_is_served(const char *slice, __u64 *pid);
/* Does its writer still run? */
int cxlt_statfile_alive(const struct cxlt_statfile *);
void cxlt_statfile_close(struct cxlt_statfile *);
void cxlt_statfile_remove(struct cxlt_statfile *);

#endif
