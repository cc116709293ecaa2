// SPDX-License-Identifier: Apache-2.0
/* Creating, attaching and destroying slices: what attach refuses, and that it says why. */
#include <criterion/criterion.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cxltab/slice.h>
#include "fixture.h"
#include "gen.h"
#include "oracle.h"

enum {
	SIZE = 512 << 10,
};

static __u8 image[SIZE]; /* of a good slice, to be spoilt and mended */

static __u64 fnv1a(__u64 h, const __u8 *p, size_t n)
{
	while (n--)
		h = (h ^ *p++) * 0x100000001b3ULL;
	return h;
}

/* Makes the checksum right again, so that the field itself must be found wrong. */
static void mend(__u8 *p)
{
	struct cxlt_header *h = (struct cxlt_header *)p;
	__u64 dir = (__u64)h->dir * 64, secrets;
	__u64 sum = fnv1a(0xcbf29ce484222325ULL, p, 56);

	if (dir + 128 > SIZE)
		return;
	sum = fnv1a(sum, p + dir, 128);
	secrets = ((struct cxlt_directory *)(p + dir))->secrets * 64ULL;
	if (secrets + 192 <= SIZE)
		sum = fnv1a(sum, p + secrets, 192);
	h->checksum = sum;
}

static void good_image(void)
{
	struct fixture f;

	fixture_open(&f, SIZE);
	memcpy(image, cxlt_slice_base(f.s), SIZE);
	fixture_close(&f);
}

static int attach_image(int mode)
{
	int fd = fixture_memfd(image, SIZE), rc;
	struct cxlt_slice *s;

	rc = cxlt_slice_attach_fd(fd, mode, &s);
	if (!rc)
		cxlt_slice_close(s);
	close(fd);
	return rc;
}

/* Is the field's name, or a word of it, in the error text? */
static int names(const char *field)
{
	char text[512], name[64], *p;

	snprintf(text, sizeof(text), "%s", cxlt_error_text());
	snprintf(name, sizeof(name), "%s", field);
	for (p = text; *p; p++)
		*p = *p == '_' || *p == '-' ? ' ' : tolower(*p);
	for (p = name; *p; p++)
		*p = *p == '_' ? ' ' : *p;
	/* A size that is wrong is also the fault of whatever no longer fits. */
	if (!strcmp(name, "dev lines"))
		return strstr(text, "device domain") != NULL || strstr(text, name) != NULL;
	return strstr(text, name) != NULL || (name[0] == 'n' && strstr(text, name + 2) != NULL);
}

#define H(m, v) {#m, offsetof(struct cxlt_header, m), sizeof(((struct cxlt_header *)0)->m), v}
#define D(m, v) \
	{#m, 64 + offsetof(struct cxlt_directory, m), sizeof(((struct cxlt_directory *)0)->m), v}

static const struct {
	const char *field;
	size_t at, len;
	__u64 value;
} bad[] = {
	H(magic, 0),
	H(magic, 0x02316261746c7863ULL),
	H(byte_order, 0x04030201),
	H(major, 0),
	H(major, 2),
	H(feat_incompat, 0),
	H(feat_incompat, 3),
	H(feat_incompat, 0x80000000),
	H(n_lines, 0),
	H(n_lines, SIZE / 64 + 256),
	H(n_lines, SIZE / 64 - 1),
	H(n_lines, 0xffffffff),
	H(dev_lines, 0),
	H(dev_lines, SIZE / 64 + 1),
	H(dev_lines, 0xffffffff),
	H(dev_lines, 8),
	H(dir, 0),
	H(dir, SIZE / 64 - 1),
	H(dir, 0xffffffff),
	H(id, 0),
	D(control, 0),
	D(control, SIZE / 64 - 1),
	D(control, 0xffffffff),
	D(secrets, 0),
	D(secrets, SIZE / 64 - 2),
	D(secrets, 0xffffffff),
	D(tables, 0),
	D(tables, SIZE / 64 - 1),
	D(tables, 0xffffffff),
	D(n_tables, 0),
	D(n_tables, 256),
	D(n_tables, 0xffffffff),
	D(exacts, 0),
	D(exacts, SIZE / 64 - 1),
	D(exacts, 0xffffffff),
	D(n_exacts, 256),
	D(n_exacts, 0xffffffff),
	D(intents, 0),
	D(intents, SIZE / 64 - 1),
	D(intents, 0xffffffff),
	D(n_intents, 0),
	D(n_intents, 257),
	D(n_intents, 0xffffffff),
	D(chunks, 0),
	D(chunks, SIZE / 64 - 1),
	D(chunks, 0xffffffff),
	D(n_chunks, SIZE / 64 / 256 + 1),
	D(n_chunks, 0xffffffff),
	D(chunk0, 0),
	D(chunk0, SIZE / 64 - 1),
	D(chunk0, 0xffffffff),
	D(chg_log2, 0),
	D(chg_log2, 2),
	D(chg_log2, 32),
	D(chg_log2, 0xffffffff),
	D(max_tuples, 0),
	D(max_tuples, 1025),
	D(max_tuples, 0xffffffff),
	D(work_budget, 0),
	D(work_budget, CXLT_BUDGET_MAX + 1),
};

Test(slice, attach_refuses_each_wrong_field_by_name, .timeout = 60)
{
	static __u8 saved[SIZE];

	good_image();
	memcpy(saved, image, SIZE);
	cr_assert_eq(attach_image(CXLT_ATTACH_WRITE), 0, "%s", cxlt_error_text());
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int rc;

		memcpy(image + bad[i].at, &bad[i].value, bad[i].len);
		mend(image);
		rc = attach_image(CXLT_ATTACH_READ);
		cr_expect_eq(rc, -EPROTO, "%s = %llx: %d", bad[i].field, bad[i].value, rc);
		if (rc)
			cr_expect(names(bad[i].field), "%s = %llx: '%s'", bad[i].field,
				  bad[i].value, cxlt_error_text());
		memcpy(image, saved, SIZE);
	}
}

/* Parts that overlap would let one be written through another. */
Test(slice, attach_refuses_parts_that_overlap)
{
	static const size_t refs[] = {
		offsetof(struct cxlt_directory, control), offsetof(struct cxlt_directory, secrets),
		offsetof(struct cxlt_directory, tables),  offsetof(struct cxlt_directory, exacts),
		offsetof(struct cxlt_directory, intents), offsetof(struct cxlt_directory, chunks),
		offsetof(struct cxlt_directory, chunk0)};
	static __u8 saved[SIZE];

	good_image();
	memcpy(saved, image, SIZE);
	for (size_t i = 0; i < 7; i++)
		for (size_t j = 0; j < 7; j++) {
			if (i == j)
				continue;
			memcpy(image + 64 + refs[i], saved + 64 + refs[j], 4);
			mend(image);
			cr_expect_eq(attach_image(CXLT_ATTACH_READ), -EPROTO,
				     "part %zu where part %zu is", i, j);
			memcpy(image, saved, SIZE);
		}
}

Test(slice, attach_refuses_every_flipped_byte, .timeout = 60)
{
	size_t secrets, at, n = 0;
	struct cxlt_slice *s;
	int fd;

	good_image();
	secrets = ((struct cxlt_directory *)(image + 64))->secrets * 64ULL;
	fd = fixture_memfd(image, SIZE);
	for (at = 0; at < SIZE; at++) {
		__u8 wrong = ~image[at];

		if (at == 192)
			at = secrets;
		if (at == secrets + 192)
			break;
		cr_assert_eq(pwrite(fd, &wrong, 1, at), 1);
		cr_expect_eq(cxlt_slice_attach_fd(fd, CXLT_ATTACH_READ, &s), -EPROTO, "byte %zu",
			     at);
		cr_assert_eq(pwrite(fd, &image[at], 1, at), 1);
		n++;
	}
	cr_expect_eq(n, 64 + 128 + 192);
	cr_expect_eq(cxlt_slice_attach_fd(fd, CXLT_ATTACH_READ, &s), 0, "%s", cxlt_error_text());
	cxlt_slice_close(s);
	close(fd);
}

Test(slice, unknown_features_are_told_apart)
{
	struct cxlt_header *h = (struct cxlt_header *)image;

	good_image();
	h->feat_compat = 0x10;
	h->minor = 9;
	mend(image);
	cr_expect_eq(attach_image(CXLT_ATTACH_WRITE), 0, "a compatible one: %s", cxlt_error_text());
	h->feat_ro_compat = 0x10;
	mend(image);
	cr_expect_eq(attach_image(CXLT_ATTACH_READ), 0, "%s", cxlt_error_text());
	cr_expect_eq(attach_image(CXLT_ATTACH_WRITE), -EPROTO, "a writer must not");
	cr_expect(names("feat_ro_compat"), "'%s'", cxlt_error_text());
}

Test(slice, attach_refuses_what_is_no_slice)
{
	int fds[2], null = open("/dev/null", O_RDWR), text = open("Makefile", O_RDONLY), fd;
	struct cxlt_slice *s;

	good_image();
	cr_assert_eq(pipe(fds), 0);
	cr_expect_lt(cxlt_slice_attach_fd(null, CXLT_ATTACH_READ, &s), 0);
	cr_expect_lt(cxlt_slice_attach_fd(text, CXLT_ATTACH_READ, &s), 0);
	cr_expect_lt(cxlt_slice_attach_fd(fds[0], CXLT_ATTACH_READ, &s), 0);
	cr_expect_lt(cxlt_slice_attach_fd(-1, CXLT_ATTACH_READ, &s), 0);
	for (size_t n = 0; n < SIZE; n = n * 2 + 64) {
		fd = fixture_memfd(image, n);
		cr_expect_lt(cxlt_slice_attach_fd(fd, CXLT_ATTACH_READ, &s), 0, "%zu bytes", n);
		close(fd);
	}
	fd = fixture_memfd(image, SIZE - 1);
	cr_expect_lt(cxlt_slice_attach_fd(fd, CXLT_ATTACH_READ, &s), 0, "one byte short");
	close(fd);
	cr_expect_eq(cxlt_slice_attach("/nonexistent/slice", CXLT_ATTACH_READ, &s), -ENOENT);
	cr_expect_lt(cxlt_slice_attach("/", CXLT_ATTACH_READ, &s), 0);
}

Test(slice, a_memfd_that_may_shrink_is_refused)
{
	int fd = memfd_create("slice", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct cxlt_slice *s;

	good_image();
	cr_assert_eq(pwrite(fd, image, SIZE, 0), SIZE);
	/* Its owner could truncate it under a reader, who would die of SIGBUS. */
	cr_expect_lt(cxlt_slice_attach_fd(fd, CXLT_ATTACH_READ, &s), 0);
	close(fd);
}

Test(slice, a_created_memfd_is_sealed_and_populated)
{
	struct fixture f;
	struct stat st;
	int fd;

	fixture_open(&f, 2 << 20);
	fd = cxlt_slice_fd(f.s);
	cr_expect(fcntl(fd, F_GET_SEALS) & F_SEAL_SHRINK);
	cr_expect_eq(ftruncate(fd, 4096), -1);
	cr_assert_eq(fstat(fd, &st), 0);
	cr_expect_geq(st.st_size, 2 << 20);
	cr_expect_geq((__u64)st.st_blocks * 512, (__u64)st.st_size, "not all pages are there");
	cr_expect_eq(oracle_check(f.s), 0);
	fixture_close(&f);
}

Test(slice, create_refuses_geometries_that_cannot_be)
{
	static const struct cxlt_slice_config cfg[] = {
		{.size = 4096},
		{.size = 5ULL << 30},
		{.size = 1 << 20, .device_size = 2 << 20},
		{.size = 1 << 20, .device_size = 4096},
		{.size = 1 << 20, .chg_log2 = 1},
		{.size = 1 << 20, .chg_log2 = 2},
		{.size = 1 << 20, .chg_log2 = 40},
		{.size = 1 << 20, .max_tuples = CXLT_TUPLES_MAX + 1},
	};
	struct cxlt_slice *s;

	for (size_t i = 0; i < sizeof(cfg) / sizeof(cfg[0]); i++) {
		cr_expect_eq(cxlt_slice_create_memfd("bad", &cfg[i], &s), -EINVAL, "config %zu", i);
		cr_expect_gt(strlen(cxlt_error_text()), 10);
	}
}

static int add_one(struct cxlt_writer *w, __u32 prio, __u64 cookie)
{
	static const __u64 prog = 0x0100000000000001;
	struct cxlt_rule_spec spec = gen_output(0, prio, cookie, &prog);

	return cxlt_rule_add(w, &spec);
}

Test(slice, a_file_lives_from_create_to_destroy)
{
	char dir[] = "/tmp/cxltab-test-XXXXXX", path[64];
	struct cxlt_slice_config cfg = {.size = 1 << 20};
	struct cxlt_slice *a, *b, *c;
	struct cxlt_writer *w;

	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/slice", dir);
	cr_assert_eq(cxlt_slice_create(path, &cfg, &a), 0, "%s", cxlt_error_text());
	cr_expect_eq(cxlt_slice_create(path, &cfg, &c), -EEXIST);
	cr_assert_eq(cxlt_slice_attach(path, CXLT_ATTACH_READ, &b), 0, "%s", cxlt_error_text());
	cr_expect_eq(cxlt_slice_header(a)->id, cxlt_slice_header(b)->id);
	cr_assert_eq(cxlt_writer_open(a, &w), 0, "%s", cxlt_error_text());
	cr_expect_eq(add_one(w, 1, 1), 0);
	cr_expect_eq(cxlt_table_rules(b, 0), 1, "stored in one handle, seen in the other");
	cxlt_writer_close(w);
	cr_expect_neq(cxlt_writer_open(b, &w), 0, "attached for reading");
	cr_expect_eq(cxlt_slice_destroy(path), 0);
	cr_expect_eq(cxlt_slice_attach(path, CXLT_ATTACH_READ, &c), -ENOENT);
	cr_expect_lt(cxlt_slice_destroy(path), 0);
	cr_expect_eq(cxlt_table_rules(b, 0), 1, "what is mapped stays");
	cxlt_slice_close(a);
	cxlt_slice_close(b);
	cr_expect_eq(rmdir(dir), 0, "nothing is left behind");
}

Test(slice, reading_needs_no_right_to_write)
{
	char dir[] = "/tmp/cxltab-test-XXXXXX", path[64];
	struct cxlt_slice_config cfg = {.size = SIZE};
	struct cxlt_slice *a, *b;

	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/slice", dir);
	cr_assert_eq(cxlt_slice_create(path, &cfg, &a), 0, "%s", cxlt_error_text());
	cr_assert_eq(cxlt_slice_attach(path, CXLT_ATTACH_READ, &b), 0, "%s", cxlt_error_text());
	cr_expect_eq(fcntl(cxlt_slice_fd(b), F_GETFL) & O_ACCMODE, O_RDONLY);
	/* Nor can it be had: what is attached for reading can't be written through. */
	cr_expect_lt(mprotect(cxlt_slice_base(b), 4096, PROT_READ | PROT_WRITE), 0);
	cr_expect_eq(oracle_check(b), 0);
	cxlt_slice_close(a);
	cxlt_slice_close(b);
	cr_expect_eq(cxlt_slice_destroy(path), 0);
	rmdir(dir);
}

/* Two writers of one memory must meet at one lock, whatever happens to the path. */
Test(slice, the_lock_is_the_mapped_files_own)
{
	char dir[] = "/tmp/cxltab-test-XXXXXX", path[256], moved[64];
	struct cxlt_slice_config cfg = {.size = SIZE};
	struct cxlt_slice *a, *b, *c;
	struct cxlt_writer *wa, *wb, *wc;

	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/%0180d", dir, 0);
	snprintf(moved, sizeof(moved), "%s/moved", dir);
	cr_assert_eq(cxlt_slice_create(path, &cfg, &a), 0, "%s", cxlt_error_text());
	cr_assert_eq(cxlt_slice_attach(path, CXLT_ATTACH_WRITE, &b), 0, "%s", cxlt_error_text());
	cr_expect_str_eq(cxlt_slice_name(b), path);
	cr_expect_eq(rename(path, moved), 0);
	cr_assert_eq(cxlt_slice_create(path, &cfg, &c), 0, "%s", cxlt_error_text());
	cr_assert_eq(cxlt_writer_open(a, &wa), 0, "%s", cxlt_error_text());
	cr_assert_eq(cxlt_writer_open(b, &wb), 0, "%s", cxlt_error_text());
	cr_assert_eq(cxlt_writer_open(c, &wc), 0, "%s", cxlt_error_text());
	cr_expect_eq(cxlt_writer_id(wa), 1);
	cr_expect_eq(cxlt_writer_id(wb), 2, "the second of the same memory");
	cr_expect_eq(cxlt_writer_id(wc), 1, "the first of another one");
	cxlt_writer_close(wa);
	cxlt_writer_close(wb);
	cxlt_writer_close(wc);
	cxlt_slice_close(a);
	cxlt_slice_close(b);
	cxlt_slice_close(c);
	cr_expect_eq(cxlt_slice_destroy(path), 0);
	cr_expect_eq(cxlt_slice_destroy(moved), 0);
	cr_expect_eq(rmdir(dir), 0);
}

/* To look at a large file that is no slice must not fill its holes. */
Test(slice, what_is_no_slice_is_not_mapped)
{
	int fd = memfd_create("hole", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct cxlt_slice *s;
	struct stat st;

	cr_assert_eq(ftruncate(fd, 16 << 20), 0);
	cr_assert_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	cr_expect_eq(cxlt_slice_attach_fd(fd, CXLT_ATTACH_WRITE, &s), -EPROTO);
	cr_expect(names("magic"), "'%s'", cxlt_error_text());
	cr_assert_eq(fstat(fd, &st), 0);
	cr_expect_eq(st.st_blocks, 0);
	close(fd);
}

Test(slice, a_fifo_is_refused_at_once, .timeout = 5)
{
	char dir[] = "/tmp/cxltab-test-XXXXXX", path[64];
	struct cxlt_slice *s;

	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/fifo", dir);
	cr_assert_eq(mkfifo(path, 0600), 0);
	cr_expect_eq(cxlt_slice_attach(path, CXLT_ATTACH_READ, &s), -EPROTO);
	cr_expect_lt(cxlt_slice_destroy(path), 0);
	cr_expect_eq(unlink(path), 0);
	rmdir(dir);
}

Test(slice, destroy_removes_no_other_file)
{
	char path[] = "/tmp/cxltab-test-XXXXXX";
	int fd = mkstemp(path);

	cr_assert_eq(write(fd, "precious", 8), 8);
	cr_expect_lt(cxlt_slice_destroy(path), 0, "it isn't a slice");
	cr_expect_eq(unlink(path), 0, "and it is still there");
	close(fd);
}

Test(slice, two_slices_see_nothing_of_each_other)
{
	struct cxlt_key k = {0};
	static struct cxlt_work w;
	struct fixture a, b;

	fixture_open(&a, SIZE);
	fixture_open(&b, SIZE);
	cr_expect_neq(cxlt_slice_base(a.s), cxlt_slice_base(b.s));
	for (int i = 0; i < 20; i++)
		cr_assert_eq(add_one(a.w, i, 100 + i), 0);
	cr_expect_eq(cxlt_table_rules(b.s, 0), 0);
	cr_expect_eq(fixture_classify(&b.host, &w, 0, &k), 0);
	cr_assert_eq(add_one(b.w, 7, 7), 0);
	cr_expect_eq(fixture_classify(&a.host, &w, 0, &k), 1);
	cr_expect_eq(w.rule.cookie, 119);
	cr_expect_eq(fixture_classify(&b.host, &w, 0, &k), 1);
	cr_expect_eq(w.rule.cookie, 7);
	cxlt_slice_close(a.s);
	cr_expect_eq(oracle_check(b.s), 0);
	fixture_close(&b);
}

/* What its owner, or a disk, did to a slice is found by check; a writer that meets it stays inside. */
Test(slice, writers_stay_inside_a_damaged_slice)
{
	static const __u64 prog = 0x0100000000000001;
	struct cxlt_rule_spec top = gen_output(0, 32, 32, &prog), low = gen_output(0, 1, 1, &prog);
	struct cxlt_rule_info info;
	struct cxlt_table *table;
	struct cxlt_rule *e;
	struct fixture f;
	__u64 list;

	fixture_open(&f, 1 << 20);
	for (int i = 1; i <= CXLT_CHAIN_MAX; i++)
		cr_assert_eq(add_one(f.w, i, i), 0, "%s", cxlt_error_text());
	cr_assert_eq(cxlt_rule_get(f.s, &low, &info), 0);
	e = (struct cxlt_rule *)((char *)cxlt_slice_base(f.s) + info.ref * 64ULL);
	e->prio = 40; /* the last of a full chain, above the first */
	cr_expect_neq(oracle_check(f.s), 0);
	cr_expect_eq(cxlt_rule_modify(f.w, &top), 0, "%s", cxlt_error_text());
	e->next = 0xffffff00;
	e->prio = 1;
	cr_expect_eq(cxlt_rule_modify(f.w, &top), 0, "%s", cxlt_error_text());
	table = (struct cxlt_table *)((char *)cxlt_slice_base(f.s) +
				      cxlt_slice_directory(f.s)->tables * 64ULL);
	list = table->list;
	table->list = list | 0xffffff00;
	cr_expect_eq(cxlt_rule_delete(f.w, &top), -ENOENT);
	cr_expect_eq(add_one(f.w, 50, 50), -EUCLEAN, "%s", cxlt_error_text());
	table->list = list;
	fixture_close(&f);
}

Test(slice, handles_of_one_memfd_share_it)
{
	struct fixture a, b;

	fixture_open(&a, SIZE);
	fixture_attach(&b, cxlt_slice_fd(a.s), 1);
	cr_expect_neq(cxlt_writer_id(a.w), cxlt_writer_id(b.w));
	cr_expect_eq(add_one(a.w, 1, 1), 0);
	cr_expect_eq(add_one(b.w, 2, 2), 0);
	cr_expect_eq(cxlt_table_rules(a.s, 0), 2);
	cr_expect_eq(oracle_check(a.s), 0);
	fixture_close(&a);
	cr_expect_eq(add_one(b.w, 3, 3), 0);
	cr_expect_eq(oracle_check(b.s), 0);
	fixture_close(&b);
}
