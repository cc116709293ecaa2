// SPDX-License-Identifier: Apache-2.0
/* dump-flows, dump-tables. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cxltab/resolve.h>

#include "apply.h"
#include "cxltab.h"
#include "json.h"
#include "pack.h"
#include "rulewalk.h"
#include "../bpf/slowpath.h"

/* ---- Which path can execute a rule ---- */

enum {
	REASONS_MAX = 512,
};

static void add_reason(char *list, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add_reason(char *list, const char *fmt, ...)
{
	size_t at = strlen(list);
	va_list ap;

	if (at)
		at += snprintf(list + at, REASONS_MAX - at, "; ");
	if (at >= REASONS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(list + at, REASONS_MAX - at, fmt, ap);
	va_end(ap);
}

static bool matches_on(const struct cxlt_key *mask, const struct cxlt_field_info *f)
{
	if (f->bits == 128)
		return mask->w[f->word] || mask->w[f->word + 1];
	return mask->w[f->word] >> f->shift & CXLT_BITMASK(f->bits);
}

/* Why the device can't execute it; empty if it can. */
static void host_reasons(const struct cxlt_view *device, const struct cxlt_rule_info *rule,
			 char *list)
{
	const struct cxlt_table __arena *t = cxlt_line(device, device->tables + rule->table * 2, 2);
	__u32 i, op;

	*list = '\0';
	for (i = 0; i < CXLT_N_FIELDS; i++)
		if (!(device->profile.fields >> i & 1) &&
		    matches_on(&rule->mask, &cxlt_field_info[i]))
			add_reason(list, "field %s", cxlt_field_info[i].name);
	if (rule->host_match && !*list)
		add_reason(list, "field: the device can't match on this mask");
	for (i = 0; i < rule->n_prog; i += cxlt_op_words(op)) {
		op = cxlt_op_code(rule->prog[i]);
		if (op >= CXLT_N_OPS || cxlt_device_can(device, rule->prog[i], op))
			continue;
		if (op == CXLT_OP_SET && cxlt_op_field(rule->prog[i]) < CXLT_N_FIELDS)
			add_reason(list, "action set_field %s",
				   cxlt_field_info[cxlt_op_field(rule->prog[i])].name);
		else
			add_reason(list, "action %s", cxlt_op_name[op]);
	}
	if (rule->host_domain)
		add_reason(list, "capacity: the entry is in the host domain");
	else if (t && cxlt_load32(&t->unseen) > rule->priority)
		add_reason(list, "capacity: a rule above it has no shadow");
}

/* ---- Gathering ---- */

/* A rule to print; offsets of texts are into the same record. */
struct dumped {
	__u32 size;  /* words */
	__u32 words; /* of the match, see pack.h */
	__u8 table;
	__u8 n_prog;
	__u16 priority;
	__u32 text; /* offset, in bytes from the record's start, of match text */
	__u64 cookie;
	__u64 created;
	__u64 packets[2], bytes[2], used[2];
	__u32 reasons; /* offset of the host reasons */
	__u32 pad;
	__u64 body[]; /* match, program, texts */
};

struct dump {
	const struct of_flow *filter;
	struct cxlt_view device;
	struct pack_buffer rules;
	size_t *at; /* places of the records */
	size_t n;
	__u64 now;
	bool stats, reasons;
};

static const char *text_of(const struct dumped *d)
{
	return (const char *)d + d->text;
}

static const char *reasons_of(const struct dumped *d)
{
	return (const char *)d + d->reasons;
}

static int gather(void *arg, const struct cxlt_rule_info *rule)
{
	struct dump *dump = arg;
	struct of_match match = {rule->value, rule->mask};
	char text[OF_TEXT_MAX], reasons[REASONS_MAX];
	__u32 words = pack_words(&rule->mask);
	size_t head, len, size, rlen;
	struct dumped *d;
	__u64 *prog;
	__u32 i;

	if (!apply_selects(dump->filter, rule))
		return 0;
	len = of_format_match(&match, rule->priority, text, sizeof(text)) + 1;
	host_reasons(&dump->device, rule, reasons);
	rlen = strlen(reasons) + 1;
	head = sizeof(*d) / 8 + pack_size(words) + rule->n_prog;
	size = head + (len + rlen + 7) / 8;
	d = pack_push(&dump->rules, size);
	if (!d)
		return -ENOMEM;
	*d = (struct dumped){
		.size = size,
		.words = words,
		.table = rule->table,
		.n_prog = rule->n_prog,
		.priority = rule->priority,
		.text = head * 8,
		.cookie = rule->cookie,
		.created = rule->created,
		.reasons = head * 8 + len,
	};
	for (i = 0; i < 2; i++) {
		d->packets[i] = rule->packets[i];
		d->bytes[i] = rule->bytes[i];
		d->used[i] = rule->used[i];
	}
	prog = pack_match(d->body, words, &rule->value, &rule->mask);
	memcpy(prog, rule->prog, rule->n_prog * sizeof(*prog));
	memcpy((char *)d + d->text, text, len);
	memcpy((char *)d + d->reasons, reasons, rlen);
	dump->n++;
	return 0;
}

static int compare(const void *a, const void *b, void *arg)
{
	const struct dumped *x = (const void *)((__u64 *)arg + *(const size_t *)a);
	const struct dumped *y = (const void *)((__u64 *)arg + *(const size_t *)b);

	if (x->table != y->table)
		return x->table < y->table ? -1 : 1;
	if (x->priority != y->priority)
		return x->priority > y->priority ? -1 : 1;
	return strcmp(text_of(x), text_of(y));
}

/* Table, then priority from high to low, then match; a rule that was seen twice goes. */
static int sort(struct dump *d)
{
	size_t i, at, kept = 0;

	d->at = malloc((d->n + 1) * sizeof(*d->at));
	if (!d->at)
		return -ENOMEM;
	for (i = 0, at = 0; at < d->rules.n; i++) {
		d->at[i] = at;
		at += ((const struct dumped *)(d->rules.word + at))->size;
	}
	qsort_r(d->at, d->n, sizeof(*d->at), compare, d->rules.word);
	for (i = 0; i < d->n; i++)
		if (!kept || compare(&d->at[kept - 1], &d->at[i], d->rules.word))
			d->at[kept++] = d->at[i];
	d->n = kept;
	return 0;
}

static void restart(void *arg)
{
	struct dump *dump = arg;

	dump->rules.n = 0;
	dump->n = 0;
}

static int gather_all(const struct cxlt_slice *slice, struct dump *dump)
{
	int table = dump->filter->table == OF_TABLE_ANY ? -1 : dump->filter->table, rc;

	cxlt_slice_view(slice, CXLT_VIEW_DEVICE, &dump->device);
	rc = rulewalk(slice, table, restart, gather, dump);
	dump->now = cli_now();
	return rc ? rc : sort(dump);
}

/* ---- Printing ---- */

static double seconds(__u64 from, __u64 to)
{
	return to > from ? (to - from) / 1e9 : 0.0;
}

/* Of both paths, or the installation. */
static __u64 last_used(const struct dumped *d)
{
	__u64 used = d->used[0] > d->used[1] ? d->used[0] : d->used[1];

	return used > d->created ? used : d->created;
}

static void print_rule(const struct dump *dump, const struct dumped *d)
{
	struct cxlt_key value, mask;
	const __u64 *prog = pack_unmatch(d->body, d->words, &value, &mask);
	char actions[OF_TEXT_MAX];

	of_format_actions(prog, d->n_prog, actions, sizeof(actions));
	printf(" cookie=0x%llx, ", d->cookie);
	if (dump->stats)
		printf("duration=%.3fs, ", seconds(d->created, dump->now));
	printf("table=%u, ", d->table);
	if (dump->stats) {
		printf("n_packets=%llu (host %llu, device %llu), ", d->packets[0] + d->packets[1],
		       d->packets[0], d->packets[1]);
		printf("n_bytes=%llu (host %llu, device %llu), ", d->bytes[0] + d->bytes[1],
		       d->bytes[0], d->bytes[1]);
		printf("idle_age=%.0f, ", (double)(__u64)seconds(last_used(d), dump->now));
		if (*reasons_of(d))
			printf("path=host (%s), ", reasons_of(d));
		else
			printf("path=device, ");
	}
	printf("%s%sactions=%s\n", text_of(d), *text_of(d) ? " " : "", actions);
}

static int json_field(void *arg, const char *name, const char *value, const char *mask)
{
	struct json *j = arg;

	json_object(j, name);
	json_string(j, "value", value);
	json_string(j, "mask", mask);
	json_end(j);
	return 0;
}

static int json_action(void *arg, const struct of_action *a)
{
	struct json *j = arg;

	json_object(j, NULL);
	json_string(j, "action", a->name);
	json_string(j, "text", a->text);
	if (a->field) {
		json_string(j, "field", a->field);
		json_string(j, "value", a->value);
		json_string(j, "mask", a->mask);
	}
	switch (a->op) {
	case CXLT_OP_OUTPUT: json_u64(j, "port", a->port); break;
	case CXLT_OP_CONTROLLER: json_u64(j, "max_len", a->max_len); break;
	case CXLT_OP_PUSH_VLAN: json_u64(j, "tpid", a->tpid); break;
	case CXLT_OP_GOTO: json_u64(j, "table", a->table); break;
	}
	json_end(j);
	return 0;
}

static void json_stats(const struct dump *dump, const struct dumped *d, struct json *j)
{
	static const char *const path[2] = {"host", "device"};
	__u32 i;

	json_double(j, "duration", seconds(d->created, dump->now));
	json_double(j, "idle_age", seconds(last_used(d), dump->now));
	json_u64(j, "packets", d->packets[0] + d->packets[1]);
	json_u64(j, "bytes", d->bytes[0] + d->bytes[1]);
	for (i = 0; i < 2; i++) {
		json_object(j, path[i]);
		json_u64(j, "packets", d->packets[i]);
		json_u64(j, "bytes", d->bytes[i]);
		if (d->used[i])
			json_double(j, "idle_age", seconds(d->used[i], dump->now));
		else
			json_null(j, "idle_age");
		json_end(j);
	}
}

static void json_rule(const struct dump *dump, const struct dumped *d, struct json *j)
{
	struct of_match match;
	const __u64 *prog = pack_unmatch(d->body, d->words, &match.value, &match.mask);
	char actions[OF_TEXT_MAX], text[OF_TEXT_MAX];

	of_format_actions(prog, d->n_prog, actions, sizeof(actions));
	of_format_match(&match, OF_PRIORITY_DEFAULT, text, sizeof(text));
	json_object(j, NULL);
	json_u64(j, "table", d->table);
	json_u64(j, "priority", d->priority);
	json_u64(j, "cookie", d->cookie);
	json_string(j, "match", text);
	json_object(j, "fields");
	of_match_fields(&match, json_field, j);
	json_end(j);
	json_string(j, "actions", actions);
	json_array(j, "action_list");
	of_actions_each(prog, d->n_prog, json_action, j);
	json_end(j);
	if (dump->stats)
		json_stats(dump, d, j);
	json_string(j, "path", *reasons_of(d) ? "host" : "device");
	json_string(j, "path_reason", *reasons_of(d) ? reasons_of(d) : NULL);
	json_end(j);
}

static void print_all(const struct dump *dump, bool as_json)
{
	struct json j;
	size_t i;

	json_start(&j, stdout);
	if (as_json)
		json_array(&j, NULL);
	for (i = 0; i < dump->n; i++) {
		const struct dumped *d = (const void *)(dump->rules.word + dump->at[i]);

		if (as_json)
			json_rule(dump, d, &j);
		else
			print_rule(dump, d);
	}
	if (as_json)
		json_end(&j);
}

int cmd_dump_flows(int argc, char **argv)
{
	bool as_json = false, no_stats = false;
	const struct cli_option options[] = {
		{"--no-stats", NULL, CLI_FLAG, &no_stats,
		 "only what add-flows needs to store them again", NULL},
		{"--json", NULL, CLI_FLAG, &as_json, "as JSON, a list of rules", NULL},
		{0},
	};
	const struct cli_syntax syntax = {
		"dump-flows",
		"SLICE [MATCH]",
		1,
		2,
		options,
		"Prints the rules whose match is MATCH or narrower (all), by table, priority and\n"
		"match.  table=N, cookie=V/M and out_port=N in MATCH select further.  path= says\n"
		"whether the NIC can execute a rule, or only the host and why: a field that its\n"
		"hardware doesn't match on, an action it lacks, or capacity of its domain.\n",
	};
	struct of_error err = {0};
	struct cxlt_slice *slice;
	struct of_flow filter;
	struct dump dump = {.filter = &filter};
	__u32 tables;
	int rc, n = cli_parse(&syntax, argc, argv);

	if (n < 0)
		return ~n;
	if (of_parse_flow(n > 1 ? argv[2] : "", OF_DUMP, &filter, &err))
		return cli_fail("dump-flows: '%s', column %d: %s", argv[2], err.column, err.reason);
	dump.stats = !no_stats;
	slice = cli_slice(argv[1], CXLT_ATTACH_READ);
	if (!slice)
		return CLI_FAILED;
	tables = cxlt_slice_directory(slice)->n_tables;
	if (filter.table != OF_TABLE_ANY && filter.table >= tables) {
		cxlt_slice_close(slice);
		return cli_fail("dump-flows: '%s': table %u: the slice has tables 0 to %u", argv[2],
				filter.table, tables - 1);
	}
	rc = gather_all(slice, &dump);
	if (!rc)
		print_all(&dump, as_json);
	free(dump.at);
	free(dump.rules.word);
	cxlt_slice_close(slice);
	return rc ? cli_fail_errno(rc, "%s", argv[1]) : CLI_OK;
}

/* ---- dump-tables ---- */

/* Lookups by path; a path that isn't there has none. */
struct lookups {
	bool have[2];
	struct cxlt_table_stats table[2][CXLT_STATS_TABLES];
};

/* Of the slow path's programs, from the map pinned beside the slice. */
static void read_host_lookups(const char *name, struct lookups *l)
{
	int cpus = libbpf_num_possible_cpus(), fd, cpu;
	struct cxlt_path_stats *stats;
	char path[512];
	__u32 p, t;

	snprintf(path, sizeof(path), CXLT_PIN_DIR "/%s/path_stats", name);
	fd = cpus > 0 ? bpf_obj_get(path) : -1;
	if (fd < 0)
		return;
	stats = calloc(cpus, sizeof(*stats));
	for (p = 0; stats && p < CXLT_N_PATHS; p++) {
		if (bpf_map_lookup_elem(fd, &p, stats))
			continue;
		l->have[0] = true;
		for (cpu = 0; cpu < cpus; cpu++) {
			for (t = 0; t < CXLT_STATS_TABLES; t++) {
				l->table[0][t].lookups += stats[cpu].table[t].lookups;
				l->table[0][t].matches += stats[cpu].table[t].matches;
			}
		}
	}
	free(stats);
	close(fd);
}

/* Of nicsim, from the file that it maps while it runs. */
static void read_device_lookups(const char *name, __u64 slice_id, struct lookups *l)
{
	struct cxlt_nic_stats *stats = malloc(sizeof(*stats));
	char path[512];
	int fd;

	snprintf(path, sizeof(path), CXLT_RUN_DIR "/%s.nicsim", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (stats && fd >= 0 && read(fd, stats, sizeof(*stats)) == sizeof(*stats) &&
	    stats->magic == CXLT_NIC_STATS_MAGIC && stats->slice_id == slice_id) {
		l->have[1] = true;
		memcpy(l->table[1], stats->table, sizeof(l->table[1]));
	}
	free(stats);
	if (fd >= 0)
		close(fd);
}

static void print_table(const struct cxlt_slice *slice, __u32 t, const struct lookups *l)
{
	static const char *const path[2] = {"host", "device"};
	__u32 i;

	printf("  table %u: active=%llu, tuples=%u", t, cxlt_table_rules(slice, t),
	       cxlt_table_tuples(slice, t));
	for (i = 0; i < 2 && t < CXLT_STATS_TABLES; i++)
		if (l->have[i])
			printf(", %s lookup=%llu, matched=%llu", path[i], l->table[i][t].lookups,
			       l->table[i][t].matches);
	printf("\n");
}

static void json_table(const struct cxlt_slice *slice, __u32 t, const struct lookups *l,
		       struct json *j)
{
	static const char *const path[2] = {"host", "device"};
	__u32 i;

	json_object(j, NULL);
	json_u64(j, "table", t);
	json_u64(j, "rules", cxlt_table_rules(slice, t));
	json_u64(j, "tuples", cxlt_table_tuples(slice, t));
	for (i = 0; i < 2; i++) {
		if (!l->have[i] || t >= CXLT_STATS_TABLES) {
			json_null(j, path[i]);
			continue;
		}
		json_object(j, path[i]);
		json_u64(j, "lookups", l->table[i][t].lookups);
		json_u64(j, "matches", l->table[i][t].matches);
		json_end(j);
	}
	json_end(j);
}

static void print_tables(const struct cxlt_slice *slice, const struct lookups *l, bool all,
			 bool as_json)
{
	__u32 t, n = cxlt_slice_directory(slice)->n_tables;
	struct json j;

	json_start(&j, stdout);
	if (as_json)
		json_array(&j, NULL);
	for (t = 0; t < n; t++) {
		bool looked =
			t < CXLT_STATS_TABLES && (l->table[0][t].lookups || l->table[1][t].lookups);

		if (!all && !looked && !cxlt_table_rules(slice, t))
			continue;
		if (as_json)
			json_table(slice, t, l, &j);
		else
			print_table(slice, t, l);
	}
	if (as_json)
		json_end(&j);
}

int cmd_dump_tables(int argc, char **argv)
{
	bool as_json = false, all = false;
	const struct cli_option options[] = {
		{"--all", NULL, CLI_FLAG, &all, "empty tables too", NULL},
		{"--json", NULL, CLI_FLAG, &as_json, "as JSON, a list of tables", NULL},
		{0},
	};
	const struct cli_syntax syntax = {
		"dump-tables",
		"SLICE",
		1,
		1,
		options,
		"Prints each table's rules and tuples (different masks), and, of each path that\n"
		"runs, how many packets looked there and how many found a rule.\n",
	};
	struct lookups l = {0};
	struct cxlt_slice *slice;
	int n = cli_parse(&syntax, argc, argv);

	if (n < 0)
		return ~n;
	slice = cli_slice(argv[1], CXLT_ATTACH_READ);
	if (!slice)
		return CLI_FAILED;
	if (cli_is_arena(argv[1])) {
		read_host_lookups(argv[1], &l);
		read_device_lookups(argv[1], cxlt_slice_header(slice)->id, &l);
	}
	print_tables(slice, &l, all, as_json);
	cxlt_slice_close(slice);
	return CLI_OK;
}
