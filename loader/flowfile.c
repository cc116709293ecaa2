// SPDX-License-Identifier: Apache-2.0
/* Flow files, read whole. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cxltab.h"
#include "flowfile.h"

const char *flowfile_name(const char *path)
{
	return strcmp(path, "-") ? path : "stdin";
}

/* In memory that the caller frees. */
static char *read_all(int fd, size_t *len)
{
	struct stat st;
	size_t room = 65536, n = 0;
	char *buf;

	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size > 0)
		room = st.st_size + 1;
	buf = malloc(room);
	while (buf) {
		ssize_t got = read(fd, buf + n, room - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			free(buf);
			return NULL;
		}
		if (!got)
			break;
		n += got;
		if (n == room) {
			char *more = realloc(buf, room *= 2);

			if (!more)
				free(buf);
			buf = more;
		}
	}
	*len = n;
	return buf;
}

int flowfile_read_fd(int fd, const char *name, enum of_mode mode, of_flow_cb *cb, void *arg)
{
	struct of_error err = {0};
	char text[OF_REASON_MAX + 512], *buf;
	size_t len;
	int rc;

	buf = read_all(fd, &len);
	if (!buf)
		return cli_fail_errno(errno, "%s", name);
	rc = of_read_flows_buf(buf, len, mode, cb, arg, &err);
	free(buf);
	if (rc)
		return cli_fail("%s", of_error_text(&err, name, text, sizeof(text)));
	return CLI_OK;
}

int flowfile_read(const char *path, enum of_mode mode, of_flow_cb *cb, void *arg)
{
	int fd, rc;

	if (!strcmp(path, "-"))
		return flowfile_read_fd(STDIN_FILENO, flowfile_name(path), mode, cb, arg);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return cli_fail_errno(errno, "%s", path);
	rc = flowfile_read_fd(fd, path, mode, cb, arg);
	close(fd);
	return rc;
}

int flowfile_check_tables(const struct of_flow *flow, __u32 n_tables, struct of_error *err)
{
	int next = of_program_goto(flow->prog, flow->n_prog);

	if (flow->table != OF_TABLE_ANY && flow->table >= n_tables)
		snprintf(err->reason, sizeof(err->reason), "table %u: the slice has tables 0 to %u",
			 flow->table, n_tables - 1);
	else if (next >= 0 && (__u32)next >= n_tables)
		snprintf(err->reason, sizeof(err->reason),
			 "goto_table:%d: the slice has tables 0 to %u", next, n_tables - 1);
	else
		return 0;
	return -EINVAL;
}
