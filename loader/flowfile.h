/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flowfile.h - flow files for commands: read whole, parsed, errors printed.
 *
 * The file is read into memory first, so that what changes it meanwhile can't harm; the callback
 * then gets its flows in order (see of_read_flows_buf()).
 */
#ifndef CXLTAB_LOADER_FLOWFILE_H
#define CXLTAB_LOADER_FLOWFILE_H

#include "openflow/flow.h"

/* What errors call it. */
const char *flowfile_name(const char *path);

/* "-" is standard input.  The exit status, after printing an error that names file, line, column. */
int flowfile_read(const char *path, enum of_mode mode, of_flow_cb *cb, void *arg);
/* The same of an open file, which stays open. */
int flowfile_read_fd(int fd, const char *name, enum of_mode mode, of_flow_cb *cb, void *arg);

/* What the text can't say by itself: does a slice have these tables?  -EINVAL fills err. */
int flowfile_check_tables(const struct of_flow *, __u32 n_tables, struct of_error *err);

#endif
