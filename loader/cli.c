// SPDX-License-Identifier: Apache-2.0
/* Errors, options and slices, for all commands. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <linux/magic.h>

#include "cxltab.h"

/* ---- Errors ---- */

/* One write, so that lines of concurrent programs don't mix. */
static void say(const char *fmt, va_list ap, const char *more)
{
	char line[2048];
	int n = vsnprintf(line, sizeof(line), fmt, ap);

	if (n < 0)
		line[0] = '\0';
	fflush(stdout);
	fprintf(stderr, "cxltab: %s%s%s\n", line, more ? ": " : "", more ? more : "");
}

int cli_fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap, NULL);
	va_end(ap);
	return CLI_FAILED;
}

int cli_fail_errno(int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap, strerror(err < 0 ? -err : err));
	va_end(ap);
	return CLI_FAILED;
}

int cli_fail_lib(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap, cxlt_error_text());
	va_end(ap);
	return CLI_FAILED;
}

int cli_fail_slice(const char *spec, const char *reason)
{
	if (strstr(reason, spec))
		return cli_fail("%s", reason);
	return cli_fail("%s: %s", spec, reason);
}

int cli_usage(const char *command, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	cli_fail("%s%s%s (see cxltab %s%s--help)", command ? command : "", command ? ": " : "",
		 text, command ? command : "", command ? " " : "");
	return CLI_USAGE;
}

void cli_note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(fmt, ap, NULL);
	va_end(ap);
}

/* Edit distance with transpositions; words here are short. */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int row[3][40], i, j, n = strlen(a), m = strlen(b);

	if (n > 38 || m > 38)
		return 99;
	for (j = 0; j <= m; j++)
		row[0][j] = j;
	for (i = 1; i <= n; i++) {
		unsigned int *r = row[i % 3], *p = row[(i + 2) % 3], *pp = row[(i + 1) % 3];

		r[0] = i;
		for (j = 1; j <= m; j++) {
			unsigned int cost = p[j - 1] + (a[i - 1] != b[j - 1]);

			if (p[j] + 1 < cost)
				cost = p[j] + 1;
			if (r[j - 1] + 1 < cost)
				cost = r[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    pp[j - 2] + 1 < cost)
				cost = pp[j - 2] + 1;
			r[j] = cost;
		}
	}
	return row[n % 3][m];
}

const char *cli_nearest(const char *word, const char *const *words)
{
	unsigned int limit = strlen(word) / 3 + 1, best = limit + 1;
	const char *near = NULL;

	for (; *words; words++) {
		unsigned int d = distance(word, *words);

		if (d < best) {
			best = d;
			near = *words;
		}
	}
	return near;
}

/* ---- Commands ---- */

int cli_dispatch(const char *prefix, const struct cli_command *table, int argc, char **argv)
{
	const struct cli_command *c;
	const char *names[64], *near;
	unsigned int n = 0;

	if (argc < 2)
		return cli_usage(prefix, "which command?");
	for (c = table; c->name; c++) {
		if (!strcmp(c->name, argv[1]))
			return c->run(argc - 1, argv + 1);
		if (n < 63)
			names[n++] = c->name;
	}
	names[n] = NULL;
	near = cli_nearest(argv[1], names);
	if (near)
		return cli_usage(prefix, "no command '%s'; did you mean %s?", argv[1], near);
	return cli_usage(prefix, "no command '%s'", argv[1]);
}

/* ---- Options ---- */

static void print_help(const struct cli_syntax *s)
{
	const struct cli_option *o;

	printf("Usage: cxltab %s%s%s%s\n", s->command, s->options ? " [OPTION...]" : "",
	       *s->operands ? " " : "", s->operands);
	if (s->about)
		printf("\n%s", s->about);
	printf("\nOptions:\n");
	for (o = s->options; o && o->name; o++) {
		int n = printf("  %s%s%s", o->name, o->arg ? " " : "", o->arg ? o->arg : "");

		printf("%*s%s\n", n < 22 ? 22 - n : 1, "", o->help);
	}
	printf("  --help              this text\n");
}

bool cli_number(const char *command, const char *what, const char *text, __u64 max, __u64 *out)
{
	char *end;

	errno = 0;
	*out = isdigit((unsigned char)*text) ? strtoull(text, &end, 0) : 0;
	if (!isdigit((unsigned char)*text) || *end || errno || *out > max) {
		cli_usage(command, "%s: '%s' is no number from 0 to %llu", what, text, max);
		return false;
	}
	return true;
}

bool cli_size(const char *command, const char *what, const char *text, __u64 *out)
{
	static const char units[] = "KMGT";
	char *end = NULL;
	__u64 value = 0;
	const char *unit;
	unsigned int shift = 0;

	errno = 0;
	if (isdigit((unsigned char)*text)) {
		value = strtoull(text, &end, 10);
		unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
		if (unit) {
			shift = 10 * (unit - units + 1);
			end++;
			if (!strcasecmp(end, "iB") || !strcasecmp(end, "B"))
				end = "";
		}
	}
	if (!end || *end || errno || value << shift >> shift != value) {
		cli_usage(command, "%s: '%s' is no size, such as 64M", what, text);
		return false;
	}
	*out = value << shift;
	return true;
}

static const struct cli_option *find_option(const struct cli_syntax *s, const char *text,
					    size_t len, int *status)
{
	const char *names[64], *near;
	const struct cli_option *o;
	unsigned int n = 0;
	char word[40];

	for (o = s->options; o && o->name; o++) {
		if (strlen(o->name) == len && !memcmp(o->name, text, len))
			return o;
		if (n < 62)
			names[n++] = o->name;
	}
	names[n++] = "--help";
	names[n] = NULL;
	snprintf(word, sizeof(word), "%.*s", (int)len, text);
	near = cli_nearest(word, names);
	*status = near ? cli_usage(s->command, "no option %s; did you mean %s?", word, near)
		       : cli_usage(s->command, "no option %s", word);
	return NULL;
}

static int set_option(const struct cli_syntax *s, const struct cli_option *o, const char *text)
{
	__u64 number = 0;

	switch (o->kind) {
	case CLI_FLAG: *(bool *)o->to = true; return CLI_OK;
	case CLI_TEXT: *(const char **)o->to = text; return CLI_OK;
	case CLI_U32:
		if (!cli_number(s->command, o->name, text, 0xffffffff, &number))
			return CLI_USAGE;
		*(__u32 *)o->to = number;
		return CLI_OK;
	case CLI_U64:
		return cli_number(s->command, o->name, text, ~0ULL, o->to) ? CLI_OK : CLI_USAGE;
	case CLI_SIZE: return cli_size(s->command, o->name, text, o->to) ? CLI_OK : CLI_USAGE;
	case CLI_CALL: return o->call(s->command, text, o->to);
	}
	return CLI_USAGE;
}

/* The option at argv[i]; moves i over its argument. */
static int take_option(const struct cli_syntax *s, int argc, char **argv, int *i)
{
	const char *text = argv[*i], *value = strchr(text, '=');
	const struct cli_option *o;
	int status = CLI_USAGE;

	o = find_option(s, text, value ? (size_t)(value - text) : strlen(text), &status);
	if (!o)
		return status;
	if (o->kind == CLI_FLAG && value)
		return cli_usage(s->command, "%s takes no argument", o->name);
	if (o->kind != CLI_FLAG && !value) {
		if (*i + 1 >= argc)
			return cli_usage(s->command, "%s needs %s", o->name, o->arg);
		return set_option(s, o, argv[++*i]);
	}
	return set_option(s, o, value ? value + 1 : NULL);
}

int cli_parse(const struct cli_syntax *s, int argc, char **argv)
{
	bool options = true;
	int i, n = 0, status;

	for (i = 1; i < argc; i++) {
		if (options && (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))) {
			print_help(s);
			return ~CLI_OK;
		}
		if (options && !strcmp(argv[i], "--")) {
			options = false;
		} else if (options && argv[i][0] == '-' && argv[i][1]) {
			status = take_option(s, argc, argv, &i);
			if (status)
				return ~status;
		} else {
			argv[++n] = argv[i];
		}
	}
	if (n > s->max)
		return ~cli_usage(s->command, "'%s' is one argument too many", argv[s->max + 1]);
	if (n < s->min)
		return ~cli_usage(s->command, "it needs %s", s->operands);
	for (i = n + 1; i < argc; i++)
		argv[i] = NULL;
	return n;
}

/* ---- Slices ---- */

bool cli_is_arena(const char *spec)
{
	return !strchr(spec, '/');
}

struct cxlt_slice *cli_slice(const char *spec, int mode)
{
	struct cxlt_slice *slice;

	if (cxlt_slice_attach(spec, mode, &slice)) {
		cli_fail_slice(spec, cxlt_error_text());
		return NULL;
	}
	return slice;
}

int cli_bpffs(void)
{
	static const char *const path = "/sys/fs/bpf";
	struct statfs fs;

	if (!statfs(path, &fs) && (unsigned int)fs.f_type == BPF_FS_MAGIC)
		return CLI_OK;
	if (mount("bpf", path, "bpf", 0, "mode=0700"))
		return cli_fail_errno(errno, "bpffs is not mounted on %s, and mounting it failed",
				      path);
	cli_note("mounted bpffs on %s", path);
	return CLI_OK;
}

__u64 cli_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}
