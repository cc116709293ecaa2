/* SPDX-License-Identifier: Apache-2.0 */
/* fixture.h - a slice in a memfd with one writer and both views, and lookups in it. */
#ifndef CXLTAB_TESTS_FIXTURE_H
#define CXLTAB_TESTS_FIXTURE_H

#include <cxltab/classify.h>
#include <cxltab/slice.h>
#include <cxltab/writer.h>

struct fixture {
	struct cxlt_slice *s;
	struct cxlt_writer *w;
	struct cxlt_view host, device;
};

/* Fail the test with the library's own words. */
void fixture_open(struct fixture *, __u64 size);
void fixture_config(struct fixture *, const struct cxlt_slice_config *);
/* Another handle on the memory of fd: what a child or a thread opens for itself. */
void fixture_attach(struct fixture *, int fd, int writer);
void fixture_close(struct fixture *);

/* An anonymous file of n bytes, sealed as a slice must be. */
int fixture_memfd(const void *bytes, size_t n);

/* Makes *w ready to look up one key at the slice's present version. */
void fixture_work(const struct cxlt_view *, struct cxlt_work *, const struct cxlt_key *);
/* cxlt_classify() of one key from scratch. */
int fixture_classify(const struct cxlt_view *, struct cxlt_work *, __u32 table,
		     const struct cxlt_key *);

/* Are the same lines allocated?  (Chunks may have been given a kind meanwhile.) */
int fixture_same_usage(const struct cxlt_usage *, const struct cxlt_usage *);
/* In words, in a buffer of its own. */
const char *fixture_usage_difference(const struct cxlt_usage *, const struct cxlt_usage *);

#endif
