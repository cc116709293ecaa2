// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cxltab/action.h>
#include <cxltab/key.h>
#include <cxltab/profile.h>

const char *const cxlt_mat_policy_name[CXLT_N_MAT_POLICIES] = {
#define X(id, name, meaning) name,
	CXLT_MAT_POLICIES(X)
#undef X
};

/* Needed by every device, whatever the file says: a shadow's op, and no op at all. */
#define OPS_ALWAYS (1ULL << CXLT_OP_PUNT)
/* Never the device's own: cxlt_device_can() refuses them. */
#define OPS_NEVER  (1ULL << CXLT_OP_END | 1ULL << CXLT_OP_CONTROLLER | 1ULL << CXLT_OP_LOCAL)
#define OPS_ALL	   (CXLT_BITMASK(CXLT_N_OPS) & ~OPS_NEVER)

static const char blanks[] = " \t\r\n";

/* What is being read, and where its complaint goes. */
struct reader {
	const char *path;
	int line;
	char *err;
	size_t room;
	unsigned int seen; /* bit per key that had a first line */
	struct cxlt_profile *profile;
	struct cxlt_mat_config *mat;
};

static int complain(char *err, size_t room, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int complain(char *err, size_t room, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, room, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static int field_by_name(const char *name)
{
	int i;

	for (i = 0; i < CXLT_N_FIELDS; i++)
		if (!strcmp(cxlt_field_info[i].name, name))
			return i;
	return -1;
}

static int op_by_name(const char *name)
{
	int i;

	for (i = 0; i < CXLT_N_OPS; i++)
		if (!strcmp(cxlt_op_name[i], name))
			return i;
	return -1;
}

/* A list of names, added to (or, with '-', taken from) *bits. */
static int read_names(struct reader *r, char *text, __u64 all, int (*find)(const char *),
		      const char *what, __u64 *bits)
{
	char *save = NULL, *name;

	for (name = strtok_r(text, " \t\r\n,", &save); name;
	     name = strtok_r(NULL, " \t\r\n,", &save)) {
		int minus = *name == '-', i;

		if (!strcmp(name, "all")) {
			*bits |= all;
			continue;
		}
		i = find(name + minus);
		if (i < 0)
			return complain(r->err, r->room, "%s:%d: no %s is named '%s'", r->path,
					r->line, what, name + minus);
		if (!(all >> i & 1))
			return complain(r->err, r->room, "%s:%d: '%s' is never the device's",
					r->path, r->line, name + minus);
		if (minus)
			*bits &= ~(1ULL << i);
		else
			*bits |= 1ULL << i;
	}
	return 0;
}

static int read_number(const char *text, __u64 *out)
{
	char *end;

	if (!*text || *text == '-')
		return -EINVAL;
	errno = 0;
	*out = strtoull(text, &end, 0);
	return errno || *end ? -EINVAL : 0;
}

/* With a suffix K, M or G. */
static int read_size(char *text, __u64 *out)
{
	size_t n = strlen(text);
	int shift = 0;

	if (n)
		switch (text[n - 1] | 0x20) {
		case 'k': shift = 10; break;
		case 'm': shift = 20; break;
		case 'g': shift = 30; break;
		}
	if (shift)
		text[n - 1] = 0;
	if (read_number(text, out) || *out > ~0ULL >> shift)
		return -EINVAL;
	*out <<= shift;
	return 0;
}

struct cxlt_mat_config cxlt_mat_config_default(void)
{
	return (struct cxlt_mat_config){.entries = 4096, .ways = 8, .policy = CXLT_MAT_LRU};
}

int cxlt_mat_config_parse(const char *text, struct cxlt_mat_config *c, char *err, size_t room)
{
	char policy[16] = "", extra;
	unsigned int entries, ways = 1, i;
	int n;

	n = sscanf(text, "%9u%*[, \t]%9u%*[, \t]%15[a-z-] %c", &entries, &ways, policy, &extra);
	if (n == 1 && !entries) {
		c->entries = 0;
		return 0;
	}
	if (n != 3)
		return complain(err, room, "a MAT is ENTRIES,WAYS,POLICY, not '%s'", text);
	for (i = 0; i < CXLT_N_MAT_POLICIES; i++)
		if (!strcmp(policy, cxlt_mat_policy_name[i]))
			break;
	if (i == CXLT_N_MAT_POLICIES)
		return complain(err, room, "no MAT policy is named '%s'", policy);
	if (entries && (!ways || ways > CXLT_MAT_WAYS_MAX))
		return complain(err, room, "a MAT has 1 to %d ways, not %u", CXLT_MAT_WAYS_MAX,
				ways);
	if (entries > CXLT_MAT_ENTRIES_MAX ||
	    (entries && (entries % ways || entries / ways & (entries / ways - 1))))
		return complain(err, room,
				"%u MAT entries are not %u ways times a power of two, up to %d",
				entries, ways, CXLT_MAT_ENTRIES_MAX);
	c->entries = entries;
	c->ways = ways;
	c->policy = i;
	return 0;
}

static int read_pin(const char *text, struct cxlt_mat_config *c)
{
	char copy[64], *slash;

	if (strlen(text) >= sizeof(copy))
		return -EINVAL;
	strcpy(copy, text);
	slash = strchr(copy, '/');
	c->pin_mask = ~0ULL;
	if (slash) {
		*slash = 0;
		if (read_number(slash + 1, &c->pin_mask))
			return -EINVAL;
	}
	if (read_number(copy, &c->pin_cookie))
		return -EINVAL;
	c->pin_cookie &= c->pin_mask;
	return 0;
}

/* The first line of a list replaces the default, a further one adds to it. */
static __u64 *first(struct reader *r, int key, __u64 *bits, __u64 start)
{
	if (!(r->seen >> key & 1))
		*bits = start;
	r->seen |= 1U << key;
	return bits;
}

static int read_value(struct reader *r, const char *key, char *value)
{
	char why[160];

	if (!strcmp(key, "match"))
		return read_names(r, value, CXLT_BITMASK(CXLT_N_FIELDS), field_by_name, "field",
				  first(r, 0, &r->profile->fields, 0));
	if (!strcmp(key, "set"))
		return read_names(r, value, CXLT_BITMASK(CXLT_N_FIELDS), field_by_name, "field",
				  first(r, 1, &r->profile->sets, 0));
	if (!strcmp(key, "actions"))
		return read_names(r, value, OPS_ALL, op_by_name, "action",
				  first(r, 2, &r->profile->ops, OPS_ALWAYS));
	if (!strcmp(key, "mat")) {
		if (cxlt_mat_config_parse(value, r->mat, why, sizeof(why)))
			return complain(r->err, r->room, "%s:%d: %s", r->path, r->line, why);
		return 0;
	}
	if (!strcmp(key, "pin")) {
		if (read_pin(value, r->mat))
			return complain(r->err, r->room, "%s:%d: pin is COOKIE/MASK, not '%s'",
					r->path, r->line, value);
		return 0;
	}
	if (!strcmp(key, "domain")) {
		if (read_size(value, &r->mat->domain))
			return complain(r->err, r->room, "%s:%d: domain is a size, not '%s'",
					r->path, r->line, value);
		return 0;
	}
	return complain(r->err, r->room,
			"%s:%d: '%s' is none of match, set, actions, mat, pin, domain", r->path,
			r->line, key);
}

static int read_line(struct reader *r, char *line)
{
	char *eq, *key, *value, *end;

	end = strchr(line, '#');
	if (end)
		*end = 0;
	key = line + strspn(line, blanks);
	if (!*key)
		return 0;
	eq = strchr(key, '=');
	if (!eq)
		return complain(r->err, r->room, "%s:%d: a line is 'name = value'", r->path,
				r->line);
	value = eq + 1 + strspn(eq + 1, blanks);
	end = value + strlen(value);
	while (end > value && strchr(blanks, end[-1]))
		*--end = 0;
	while (eq > key && strchr(blanks, eq[-1]))
		eq--;
	*eq = 0;
	return read_value(r, key, value);
}

int cxlt_profile_read(const char *path, struct cxlt_profile *p, struct cxlt_mat_config *mat,
		      char *err, size_t room)
{
	struct reader r = {.path = path, .err = err, .room = room, .profile = p, .mat = mat};
	char line[1024];
	FILE *f;
	int rc = 0;

	*p = (struct cxlt_profile){.fields = CXLT_BITMASK(CXLT_N_FIELDS),
				   .sets = CXLT_BITMASK(CXLT_N_FIELDS),
				   .ops = OPS_ALL};
	*mat = cxlt_mat_config_default();
	f = fopen(path, "re");
	if (!f) {
		rc = -errno;
		complain(err, room, "%s: %s", path, strerror(-rc));
		return rc;
	}
	while (!rc && fgets(line, sizeof(line), f)) {
		r.line++;
		if (strlen(line) == sizeof(line) - 1)
			rc = complain(err, room, "%s:%d: the line is too long", path, r.line);
		else
			rc = read_line(&r, line);
	}
	if (!rc && ferror(f)) {
		rc = -EIO;
		complain(err, room, "%s: can't be read", path);
	}
	fclose(f);
	return rc;
}

int cxlt_profile_covers(const struct cxlt_profile *have, const struct cxlt_profile *need, char *err,
			size_t room)
{
	__u64 fields = need->fields & ~have->fields & CXLT_BITMASK(CXLT_N_FIELDS);
	__u64 sets = need->sets & ~have->sets & CXLT_BITMASK(CXLT_N_FIELDS);
	__u64 ops = need->ops & ~have->ops & OPS_ALL & ~OPS_ALWAYS;

	if (fields)
		return complain(err, room, "it can't match on %s",
				cxlt_field_info[__builtin_ctzll(fields)].name);
	if (ops)
		return complain(err, room, "it can't execute %s",
				cxlt_op_name[__builtin_ctzll(ops)]);
	/* Without set_field nothing is rewritten, whatever `set` says. */
	if (sets && need->ops >> CXLT_OP_SET & 1)
		return complain(err, room, "it can't rewrite %s",
				cxlt_field_info[__builtin_ctzll(sets)].name);
	return 0;
}
