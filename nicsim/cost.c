// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cost.h"

static int set(struct cxlt_cost *c, const char *name, double value)
{
#define X(n, v)                  \
	if (!strcmp(name, #n)) { \
		c->n = value;    \
		return 0;        \
	}
	CXLT_COST_PARAMETERS(X)
#undef X
	return -EINVAL;
}

int cxlt_cost_read(const char *spec, struct cxlt_cost *c, char *err, size_t room)
{
	char line[256], name[32], extra;
	double value;
	int n = 0, rc = 0;
	FILE *f;

	*c = (struct cxlt_cost){
#define X(name, value) value,
		CXLT_COST_PARAMETERS(X)
#undef X
	};
	if (!strcmp(spec, "builtin"))
		return 0;
	f = fopen(spec, "re");
	if (!f) {
		rc = -errno;
		snprintf(err, room, "%s: %s", spec, strerror(-rc));
		return rc;
	}
	while (!rc && fgets(line, sizeof(line), f)) {
		n++;
		line[strcspn(line, "#\n")] = 0;
		if (!line[strspn(line, " \t\r")])
			continue;
		if (sscanf(line, " %31[a-z_] = %lf %c", name, &value, &extra) != 2 ||
		    !(value > 0) || set(c, name, value)) {
			snprintf(err, room, "%s:%d: not 'parameter = positive number'", spec, n);
			rc = -EINVAL;
		}
	}
	fclose(f);
	return rc;
}

void cxlt_cost_apply(const struct cxlt_cost *c, double packets, double lookups, double lines,
		     struct cxlt_cost_result *r)
{
	double per_miss = lookups > 0 ? lines / lookups : 0;
	double per_packet = packets > 0 ? lines / packets : 0;
	double bound = c->pipeline_mpps;

	r->hit_ns = c->parse_ns + c->mat_ns;
	r->miss_ns = r->hit_ns + per_miss / c->overlap * c->line_ns;
	r->mean_ns = r->hit_ns + per_packet / c->overlap * c->line_ns;
	if (per_packet > 0) {
		double flight = c->outstanding / (per_packet * c->line_ns) * 1e3;
		double link = c->link_gbs / (per_packet * c->line_bytes) * 1e3;

		bound = flight < bound ? flight : bound;
		bound = link < bound ? link : bound;
	}
	r->mpps = bound;
}
