// SPDX-License-Identifier: Apache-2.0
/* A slice in a memfd, and lookups in it. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "fixture.h"

static void views(struct fixture *f)
{
	cxlt_slice_view(f->s, 0, &f->host);
	cxlt_slice_view(f->s, CXLT_VIEW_DEVICE, &f->device);
}

void fixture_config(struct fixture *f, const struct cxlt_slice_config *cfg)
{
	memset(f, 0, sizeof(*f));
	cr_assert_eq(cxlt_slice_create_memfd("test", cfg, &f->s), 0, "%s", cxlt_error_text());
	cr_assert_eq(cxlt_writer_open(f->s, &f->w), 0, "%s", cxlt_error_text());
	views(f);
}

void fixture_open(struct fixture *f, __u64 size)
{
	struct cxlt_slice_config cfg = {.size = size};

	fixture_config(f, &cfg);
}

void fixture_attach(struct fixture *f, int fd, int writer)
{
	memset(f, 0, sizeof(*f));
	cr_assert_eq(cxlt_slice_attach_fd(fd, writer ? CXLT_ATTACH_WRITE : CXLT_ATTACH_READ, &f->s),
		     0, "%s", cxlt_error_text());
	if (writer)
		cr_assert_eq(cxlt_writer_open(f->s, &f->w), 0, "%s", cxlt_error_text());
	views(f);
}

void fixture_close(struct fixture *f)
{
	if (f->w)
		cxlt_writer_close(f->w);
	cxlt_slice_close(f->s);
	memset(f, 0, sizeof(*f));
}

int fixture_memfd(const void *bytes, size_t n)
{
	int fd = memfd_create("slice", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	cr_assert_geq(fd, 0);
	cr_assert_eq(pwrite(fd, bytes, n, 0), (ssize_t)n);
	cr_assert_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
	return fd;
}

void fixture_work(const struct cxlt_view *v, struct cxlt_work *w, const struct cxlt_key *k)
{
	const struct cxlt_control *c = cxlt_line(v, v->control, 4);

	w->key = *k;
	w->orig = *k;
	w->in_port = CXLT_KEY_GET(k, IN_PORT);
	w->version = cxlt_load_acquire(&c->version);
	w->budget = v->work_budget;
	w->chg.n = 0;
	w->chg.sum = 0;
	w->chg.pending = 0;
	w->n_lines = 0;
	w->n_probes = 0;
}

int fixture_classify(const struct cxlt_view *v, struct cxlt_work *w, __u32 table,
		     const struct cxlt_key *k)
{
	fixture_work(v, w, k);
	return cxlt_classify(v, w, table);
}

int fixture_same_usage(const struct cxlt_usage *a, const struct cxlt_usage *b)
{
	return !memcmp(a->used, b->used, sizeof(a->used)) && a->host_used == b->host_used;
}

const char *fixture_usage_difference(const struct cxlt_usage *a, const struct cxlt_usage *b)
{
	static char text[256];
	int n = 0, i;

	text[0] = 0;
	for (i = 0; i < CXLT_N_KINDS; i++)
		if (a->used[i] != b->used[i])
			n += snprintf(text + n, sizeof(text) - n, "kind %d: %llu -> %llu lines; ",
				      i, a->used[i], b->used[i]);
	return text;
}
