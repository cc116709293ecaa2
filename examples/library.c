// SPDX-License-Identifier: Apache-2.0
/*
 * library.c - two processes share one table, without BPF and without privilege.
 *
 *	cc -o library library.c $(pkg-config --cflags --libs --static cxltab)
 *	./library ./example.slice
 *
 * The parent makes a slice in a file, an exact table in it and stores what each name is worth.  The
 * child, a process that knows only the path, looks two of them up; nothing is sent between the two.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cxltab/exact.h>
#include <cxltab/slice.h>
#include <cxltab/writer.h>

enum {
	KEY_WORDS = 1,
	VALUE_WORDS = 1,
};

static int fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, cxlt_error_text());
	return 1;
}

static int look_up(const char *path)
{
	struct cxlt_slice *slice;
	struct cxlt_view view;
	__u64 key, value;
	__u32 prices;

	if (cxlt_slice_attach(path, CXLT_ATTACH_READ, &slice))
		return fail("attach");
	cxlt_slice_view(slice, 0, &view);
	prices = cxlt_exact_open(slice, "prices");
	for (key = 7; key <= 8; key++) {
		int rc = cxlt_exact_find(&view, prices, &key, KEY_WORDS, &value, VALUE_WORDS);

		/* -EAGAIN: writers were at it eight times; ask again or treat it as unknown. */
		if (rc == -ENOENT)
			printf("process %d: %llu is not there\n", getpid(), key);
		else if (rc)
			return fail("find");
		else
			printf("process %d: %llu is worth %llu\n", getpid(), key, value);
	}
	cxlt_slice_close(slice);
	return 0;
}

static int store(struct cxlt_slice *slice)
{
	struct cxlt_writer *writer;
	__u64 key = 7, value = 42;
	__u32 prices;

	if (cxlt_writer_open(slice, &writer))
		return fail("writer");
	/* Room for 1000 entries now, doubled when they are full. */
	if (cxlt_exact_create(writer, "prices", KEY_WORDS, VALUE_WORDS, 1000, 1))
		return fail("create");
	prices = cxlt_exact_open(slice, "prices");
	if (cxlt_exact_insert(writer, prices, &key, &value))
		return fail("insert");
	value = 43;
	if (cxlt_exact_modify(writer, prices, &key, &value))
		return fail("modify");
	cxlt_writer_close(writer);
	return 0;
}

int main(int argc, char **argv)
{
	struct cxlt_slice_config config = {.size = 4 << 20};
	struct cxlt_slice *slice;
	int status = 1;
	pid_t child;

	if (argc != 2) {
		fprintf(stderr, "usage: library PATH (with a '/' in it)\n");
		return 1;
	}
	if (cxlt_slice_create(argv[1], &config, &slice))
		return fail("create");
	if (!store(slice)) {
		fflush(stdout);
		child = fork(); /* any other program would do; it attaches anew */
		if (!child)
			return look_up(argv[1]);
		if (child < 0 || waitpid(child, &status, 0) != child)
			perror("child");
	}
	cxlt_slice_close(slice);
	cxlt_slice_destroy(argv[1]);
	return status != 0;
}
