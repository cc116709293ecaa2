// SPDX-License-Identifier: Apache-2.0
/* What header and directory of a slice say: laid out at creation, validated on attach. */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "internal.h"

enum {
	DIR_REF = 1,
	DIR_LINES = 2,
	SECRET_LINES = CXLT_KEY_MAX / CXLT_LINE_WORDS,
	CONTROL_LINES = 4,
	MIN_CHUNKS = 8,
	CHG_LOG2_MIN = 3,
	CHG_LOG2_MAX = 13,
};

#define DEFAULT_SIZE (64ULL << 20)
#define MAX_SIZE     (4ULL << 30)

struct cxlt_profile cxlt_profile_all(void)
{
	return (struct cxlt_profile){
		.fields = CXLT_BITMASK(CXLT_N_FIELDS),
		.sets = CXLT_BITMASK(CXLT_N_FIELDS),
		.ops = CXLT_BITMASK(CXLT_N_OPS) &
		       ~(1ULL << CXLT_OP_END | 1ULL << CXLT_OP_LOCAL | 1ULL << CXLT_OP_CONTROLLER),
	};
}

static __u64 fnv1a(__u64 h, const void *data, size_t n)
{
	const unsigned char *p = data;

	while (n--)
		h = (h ^ *p++) * 0x100000001b3ULL;
	return h;
}

__u64 cxlt_checksum(const struct cxlt_header *h, const struct cxlt_directory *d,
		    const __u64 *secrets)
{
	__u64 x = 0xcbf29ce484222325ULL;

	x = fnv1a(x, h, offsetof(struct cxlt_header, checksum));
	x = fnv1a(x, d, sizeof(*d));
	return fnv1a(x, secrets, CXLT_KEY_MAX * sizeof(__u64));
}

/* Everything but the chunks, in order; the number of lines before chunk 0. */
static __u32 lay_out(struct cxlt_directory *d, __u32 n_lines)
{
	__u32 at = DIR_REF + DIR_LINES;

	d->secrets = at;
	at += SECRET_LINES;
	d->control = at;
	at += CONTROL_LINES;
	d->tables = at;
	d->n_tables = CXLT_TABLES;
	at += CXLT_TABLES * 2;
	d->exacts = at;
	d->n_exacts = CXLT_EXACTS;
	at += CXLT_EXACTS;
	d->intents = at;
	d->n_intents = CXLT_WRITERS;
	at += CXLT_WRITERS;
	d->chunks = at;
	/* Each chunk costs its lines and one descriptor; chunk 0 starts on a page. */
	d->n_chunks = (n_lines - at) / (CXLT_CHUNK_LINES + 1);
	while (d->n_chunks &&
	       ((at + d->n_chunks + 63) / 64 * 64) + d->n_chunks * CXLT_CHUNK_LINES > n_lines)
		d->n_chunks--;
	d->chunk0 = (at + d->n_chunks + 63) / 64 * 64;
	return d->chunk0;
}

__u64 cxlt_config_size(const struct cxlt_slice_config *c)
{
	__u64 size = c->size ? c->size : DEFAULT_SIZE;

	return (size + 4095) & ~4095ULL;
}

int cxlt_config_check(const struct cxlt_slice_config *c)
{
	__u64 size = cxlt_config_size(c);
	__u32 log2 = c->chg_log2 ? c->chg_log2 : 10;

	if ((c->size && c->size < 512 << 10) || size > MAX_SIZE)
		return cxlt_fail(-EINVAL, "size of %llu bytes: a slice has 512 KiB to 4 GiB",
				 (unsigned long long)c->size);
	if (c->device_size > size)
		return cxlt_fail(-EINVAL, "the device domain is larger than the slice");
	if (log2 < CHG_LOG2_MIN || log2 > CHG_LOG2_MAX)
		return cxlt_fail(-EINVAL, "chg_log2 of %u: %d to %d", log2, CHG_LOG2_MIN,
				 CHG_LOG2_MAX);
	if (c->max_tuples > CXLT_TUPLES_MAX)
		return cxlt_fail(-EINVAL, "%u tuples a table: at most %d", c->max_tuples,
				 CXLT_TUPLES_MAX);
	if (c->work_budget > CXLT_BUDGET_MAX)
		return cxlt_fail(-EINVAL, "work budget of %u lines: at most %d", c->work_budget,
				 CXLT_BUDGET_MAX);
	return 0;
}

/* Fills zeroed memory; the magic last, so that a half-made slice is none. */
int cxlt_format(char *mem, __u64 size, const struct cxlt_slice_config *c)
{
	struct cxlt_header *h = (struct cxlt_header *)mem, hdr = {0};
	struct cxlt_directory d = {0};
	__u64 secrets[CXLT_KEY_MAX];
	struct cxlt_control *ctl;
	__u32 dev;

	if (getrandom(secrets, sizeof(secrets), 0) != sizeof(secrets) ||
	    getrandom(&hdr.id, sizeof(hdr.id), 0) != sizeof(hdr.id))
		return cxlt_fail(-EIO, "no random numbers for the secrets");
	hdr.magic = CXLT_MAGIC;
	hdr.byte_order = CXLT_BYTE_ORDER;
	hdr.major = CXLT_MAJOR;
	hdr.minor = CXLT_MINOR;
	hdr.feat_incompat = CXLT_FEAT_INCOMPAT;
	hdr.feat_ro_compat = CXLT_FEAT_RO_COMPAT;
	hdr.n_lines = (__u32)(size / CXLT_LINE);
	hdr.dir = DIR_REF;
	hdr.owner = c->owner;
	hdr.id |= 1;
	lay_out(&d, hdr.n_lines);
	dev = c->device_size ? (__u32)(c->device_size / CXLT_LINE) : hdr.n_lines;
	if (dev < d.chunk0 + MIN_CHUNKS * CXLT_CHUNK_LINES)
		return cxlt_fail(-EINVAL, "a device domain of %u KiB: at least %u KiB are needed",
				 dev / 16, (d.chunk0 + MIN_CHUNKS * CXLT_CHUNK_LINES) / 16);
	if (dev < hdr.n_lines)
		dev -= (dev - d.chunk0) % CXLT_CHUNK_LINES;
	hdr.dev_lines = dev;
	d.chg_log2 = c->chg_log2 ? c->chg_log2 : 10;
	d.max_tuples = c->max_tuples ? c->max_tuples : CXLT_TUPLES_MAX;
	d.work_budget = c->work_budget ? c->work_budget : 8192;
	d.profile = c->profile.fields || c->profile.ops ? c->profile : cxlt_profile_all();
	memcpy(mem + DIR_REF * CXLT_LINE, &d, sizeof(d));
	memcpy(mem + (__u64)d.secrets * CXLT_LINE, secrets, sizeof(secrets));
	ctl = (struct cxlt_control *)(mem + (__u64)d.control * CXLT_LINE);
	ctl->version = 1;
	ctl->floor = 1;
	ctl->next_tuple = 1;
	hdr.checksum = cxlt_checksum(&hdr, &d, secrets);
	memcpy(mem + sizeof(hdr.magic), (char *)&hdr + sizeof(hdr.magic),
	       sizeof(hdr) - sizeof(hdr.magic));
	cxlt_store_release(&h->magic, CXLT_MAGIC);
	return 0;
}

int cxlt_header_check(const struct cxlt_header *h, __u64 size, int mode)
{
	if (size < 64 * CXLT_LINE || size > MAX_SIZE)
		return cxlt_fail(-EPROTO, "%llu bytes: not the size of a slice",
				 (unsigned long long)size);
	if (h->magic != CXLT_MAGIC)
		return cxlt_fail(-EPROTO, "header.magic is %#llx: not a cxltab slice",
				 (unsigned long long)h->magic);
	if (h->byte_order != CXLT_BYTE_ORDER)
		return cxlt_fail(-EPROTO,
				 "header.byte_order is %#x: written by a machine of the "
				 "other byte order",
				 h->byte_order);
	if (h->major != CXLT_MAJOR)
		return cxlt_fail(-EPROTO, "header.major is %u, this program reads format %d",
				 h->major, CXLT_MAJOR);
	if (h->feat_incompat & ~(__u32)CXLT_FEAT_INCOMPAT)
		return cxlt_fail(-EPROTO, "header.feat_incompat has unknown bits %#x",
				 h->feat_incompat & ~(__u32)CXLT_FEAT_INCOMPAT);
	if (~h->feat_incompat & CXLT_FEAT_CELLS)
		return cxlt_fail(-EPROTO,
				 "header.feat_incompat %#x has not bit %#x: exact tables of a "
				 "format before 1.2",
				 h->feat_incompat, CXLT_FEAT_CELLS);
	if (mode == CXLT_ATTACH_WRITE && (h->feat_ro_compat & ~(__u32)CXLT_FEAT_RO_COMPAT))
		return cxlt_fail(-EPROTO, "header.feat_ro_compat has unknown bits %#x: read only",
				 h->feat_ro_compat & ~(__u32)CXLT_FEAT_RO_COMPAT);
	if (mode == CXLT_ATTACH_WRITE && ~h->feat_ro_compat & CXLT_FEAT_PARALLEL)
		return cxlt_fail(-EPROTO,
				 "header.feat_ro_compat %#x has not bit %#x, by which writers "
				 "lock buckets: read only",
				 h->feat_ro_compat, CXLT_FEAT_PARALLEL);
	if (mode == CXLT_ATTACH_WRITE && ~h->feat_ro_compat & CXLT_FEAT_FILTER)
		return cxlt_fail(-EPROTO,
				 "header.feat_ro_compat %#x has not bit %#x, by which lists of "
				 "tuples have a prefilter: read only",
				 h->feat_ro_compat, CXLT_FEAT_FILTER);
	if (h->n_lines != size / CXLT_LINE)
		return cxlt_fail(-EPROTO, "header.n_lines is %u, the memory has %llu lines",
				 h->n_lines, (unsigned long long)(size / CXLT_LINE));
	if (h->dev_lines > h->n_lines)
		return cxlt_fail(-EPROTO, "header.dev_lines is %u, beyond n_lines %u", h->dev_lines,
				 h->n_lines);
	if (h->dir != DIR_REF)
		return cxlt_fail(-EPROTO, "header.dir is %u, must be %d", h->dir, DIR_REF);
	if (!h->id)
		return cxlt_fail(-EPROTO, "header.id is 0");
	return 0;
}

/* A part of the slice that the directory names. */
struct part {
	const char *name;
	__u32 ref;
	__u64 lines;
};

/* Each part lies between the directory and the end of the device domain, and in no other one. */
static int parts_check(const struct cxlt_header *h, const struct part *p, int n)
{
	int i, j;

	for (i = 0; i < n; i++) {
		if (p[i].ref < DIR_REF + DIR_LINES || p[i].ref + p[i].lines > h->dev_lines)
			return cxlt_fail(-EPROTO,
					 "directory.%s: lines %u+%llu are outside the device "
					 "domain",
					 p[i].name, p[i].ref, (unsigned long long)p[i].lines);
		for (j = 0; j < i; j++)
			if (p[i].ref < p[j].ref + p[j].lines && p[j].ref < p[i].ref + p[i].lines)
				return cxlt_fail(-EPROTO, "directory.%s overlaps directory.%s",
						 p[i].name, p[j].name);
	}
	return 0;
}

int cxlt_directory_check(const struct cxlt_header *h, const struct cxlt_directory *d)
{
	const struct part parts[] = {
		{"control", d->control, CONTROL_LINES},	   {"secrets", d->secrets, SECRET_LINES},
		{"tables", d->tables, d->n_tables * 2ULL}, {"exacts", d->exacts, d->n_exacts},
		{"intents", d->intents, d->n_intents},	   {"chunks", d->chunks, d->n_chunks},
	};
	__u32 i;
	int rc;

	if (!d->n_tables || d->n_tables > 255)
		return cxlt_fail(-EPROTO, "directory.n_tables is %u", d->n_tables);
	if (!d->n_exacts || d->n_exacts > 255)
		return cxlt_fail(-EPROTO, "directory.n_exacts is %u", d->n_exacts);
	if (d->n_intents != CXLT_WRITERS)
		return cxlt_fail(-EPROTO, "directory.n_intents is %u", d->n_intents);
	if (d->chg_log2 < CHG_LOG2_MIN || d->chg_log2 > CHG_LOG2_MAX)
		return cxlt_fail(-EPROTO, "directory.chg_log2 is %u", d->chg_log2);
	if (!d->max_tuples || d->max_tuples > CXLT_TUPLES_MAX)
		return cxlt_fail(-EPROTO, "directory.max_tuples is %u", d->max_tuples);
	if (!d->work_budget || d->work_budget > CXLT_BUDGET_MAX)
		return cxlt_fail(-EPROTO, "directory.work_budget is %u", d->work_budget);
	rc = parts_check(h, parts, sizeof(parts) / sizeof(parts[0]));
	if (rc)
		return rc;
	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (d->chunk0 < parts[i].ref + parts[i].lines)
			return cxlt_fail(-EPROTO, "directory.chunk0: line %u is in directory.%s",
					 d->chunk0, parts[i].name);
	if (d->chunk0 + (__u64)d->n_chunks * CXLT_CHUNK_LINES > h->n_lines)
		return cxlt_fail(-EPROTO, "directory.chunk0: %u chunks from line %u don't fit",
				 d->n_chunks, d->chunk0);
	return 0;
}
