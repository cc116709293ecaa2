/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slice.h - create, attach and check slices (userspace).
 *
 * A slice is shared memory of the layout in layout.h.  Backends:
 *   arena   a BPF arena, pinned at CXLT_PIN_DIR/NAME/slice: what BPF programs and nicsim read.
 *           Created and populated whole by its creator, who needs CAP_BPF; attached by anyone who
 *           may open the pin.  Its lock file is CXLT_RUN_DIR/NAME.lock.
 *   file    a file on tmpfs (or any file system with shared mappings); no privilege needed.
 *           It is its own lock file.  Unlike a memfd it may be truncated, which kills who maps it.
 *   memfd   an anonymous file, sealed against shrinking; handed over as a descriptor.
 * A slice is named on the command line by NAME (an arena) or by a path with a '/' (a file).
 *
 * Attach validates everything that is trusted later, names the field that is wrong
 * (cxlt_error_text()), and copies the geometry to private memory; only the copy is used.
 *
 * Concurrency: handles belong to one thread at a time; any number of handles and processes.
 * After fork() the child attaches anew (an arena's mapping is not inherited).
 * Errors: 0 or -errno.  -EPROTO a format that is not understood, -EEXIST, -ENOENT, -EINVAL a
 * geometry that can't be, -EOPNOTSUPP no arenas on this kernel; the text says which and why.
 */
#ifndef CXLTAB_SLICE_H
#define CXLTAB_SLICE_H

#ifndef __BPF__

#include <stdio.h>
#include <cxltab/base.h>
#include <cxltab/layout.h>
#include <cxltab/view.h>

#define CXLT_PIN_DIR "/sys/fs/bpf/cxltab"
#define CXLT_RUN_DIR "/run/cxltab"

struct cxlt_slice;

struct cxlt_slice_config {
	__u64 size;		     /* bytes, rounded up to chunks; 0: 64 MiB */
	__u64 device_size;	     /* bytes of the device domain; 0: all */
	__u32 owner;		     /* tenant id */
	__u32 chg_log2;		     /* 0: 10 */
	__u32 max_tuples;	     /* mask budget of a table; 0: CXLT_TUPLES_MAX */
	__u32 work_budget;	     /* lines that a packet may touch, to 65536; 0: 8192 */
	struct cxlt_profile profile; /* all zero: hardware that can do everything */
};

enum {
	CXLT_ATTACH_READ = 0,  /* mapped read-only; the right to read is enough */
	CXLT_ATTACH_WRITE = 1, /* refused if a read-only-compatible feature is unknown */
};

/* Why the last call of this thread failed, in one line. */
const char *cxlt_error_text(void);

/* `spec`: NAME or path.  On success *out is attached for writing. */
int cxlt_slice_create(const char *spec, const struct cxlt_slice_config *, struct cxlt_slice **out);
int cxlt_slice_create_memfd(const char *name, const struct cxlt_slice_config *,
			    struct cxlt_slice **out);
int cxlt_slice_attach(const char *spec, int mode, struct cxlt_slice **out);
/* Takes over neither fd; an arena's and a file's descriptor are told apart. */
int cxlt_slice_attach_fd(int fd, int mode, struct cxlt_slice **out);
void cxlt_slice_close(struct cxlt_slice *);
/* Removes pin and lock file, or the file.  Attached processes keep what they have mapped. */
int cxlt_slice_destroy(const char *spec);

/* Copies of the validated header and directory; descriptor of the memory. */
const struct cxlt_header *cxlt_slice_header(const struct cxlt_slice *);
const struct cxlt_directory *cxlt_slice_directory(const struct cxlt_slice *);
int cxlt_slice_fd(const struct cxlt_slice *);
const char *cxlt_slice_name(const struct cxlt_slice *);
void *cxlt_slice_base(const struct cxlt_slice *);

/* A view for readers; flags CXLT_VIEW_DEVICE limits it to the device domain and profile. */
void cxlt_slice_view(const struct cxlt_slice *, __u32 flags, struct cxlt_view *out);

/* A profile that can do all that this release knows. */
struct cxlt_profile cxlt_profile_all(void);

/* Lines by kind of object, from the chunk table. */
struct cxlt_usage {
	__u64 lines[CXLT_N_KINDS]; /* in chunks of that kind (kind 0: never used chunks) */
	__u64 used[CXLT_N_KINDS];  /* in allocated objects; half lines of a chunk are rounded up */
	__u64 objects[CXLT_N_KINDS];
	__u64 host_used;		/* of these, beyond the device limit */
	__u64 host_lines[CXLT_N_KINDS]; /* as lines and used, beyond it */
	__u64 host_used_of[CXLT_N_KINDS];
};
void cxlt_slice_usage(const struct cxlt_slice *, struct cxlt_usage *out);

/*
 * Walks the whole slice and calls report() with one line for each inconsistency; returns their
 * number.  Exact while no writer works.
 */
typedef void cxlt_report_fn(void *arg, const char *text);
int cxlt_slice_check(const struct cxlt_slice *, cxlt_report_fn *report, void *arg);

#endif

#endif
