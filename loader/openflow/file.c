// SPDX-License-Identifier: Apache-2.0
/*
 * file.c - flow files: one flow a line, read in large blocks and parsed in place.
 */
#include <errno.h>
#include <stdlib.h>

#include "syntax.h"

enum {
	BLOCK = 1 << 18, /* more than OF_LINE_MAX, so that a whole line always fits */
};

struct reader {
	enum of_mode mode;
	of_flow_cb *cb;
	void *arg;
	struct of_error *err;
	unsigned int line;
	struct of_flow flow;
};

/* Does [p, end) begin with this word, alone?  Its length, or 0. */
static size_t word_length(const char *p, const char *end, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(end - p) < n || memcmp(p, word, n))
		return 0;
	return p + n == end || p[n] == ' ' || p[n] == '\t' ? n : 0;
}

/* "flow delete tcp,...": a line may say what is to be done with its flow, as in a bundle. */
static size_t prefix(const char *p, const char *end, enum of_mode *mode)
{
	static const struct {
		const char *word;
		enum of_mode mode;
	} prefixes[] = {
		{"add", OF_ADD},
		{"modify", OF_MODIFY},
		{"modify_strict", OF_MODIFY_STRICT},
		{"delete", OF_DELETE},
		{"delete_strict", OF_DELETE_STRICT},
	};
	const char *start = p;

	if (*p != 'a' && *p != 'm' && *p != 'd' && *p != 'f')
		return 0;
	if (word_length(p, end, "flow"))
		for (p += 4; p < end && of_is_separator(*p);)
			p++;
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		size_t n = word_length(p, end, prefixes[i].word);

		if (!n)
			continue;
		*mode = prefixes[i].mode;
		return p + n - start;
	}
	return p - start;
}

static int fail(struct reader *r, int column, const char *reason, int code)
{
	if (r->err) {
		r->err->line = r->line;
		r->err->column = column;
		snprintf(r->err->reason, sizeof(r->err->reason), "%s", reason);
	}
	return code;
}

/* One line without its newline. */
static int read_line(struct reader *r, const char *line, const char *end)
{
	const char *comment = memchr(line, '#', end - line), *p = line;
	enum of_mode mode = r->mode;
	int err;

	r->line++;
	if (end - line > OF_LINE_MAX)
		return fail(r, OF_LINE_MAX, "line too long", -E2BIG);
	if (comment)
		end = comment;
	while (p < end && of_is_separator(*p))
		p++;
	if (p == end)
		return 0;
	if (word_length(p, end, "group") || word_length(p, end, "packet-out"))
		return fail(r, p - line + 1, "cxltab's bundles have flows only", -EINVAL);
	p += prefix(p, end, &mode);
	err = of_parse_flow_n(p, end - p, mode, &r->flow, r->err);
	if (err) {
		if (r->err) {
			r->err->line = r->line;
			if (r->err->column)
				r->err->column += p - line;
		}
		return err;
	}
	if (r->err)
		r->err->reason[0] = 0;
	err = r->cb(r->arg, &r->flow, r->line, r->err);
	if (err && r->err) {
		r->err->line = r->line;
		r->err->column = p - line + 1;
	}
	return err;
}

/* The whole lines of [buf, end); *rest is where the unfinished one begins. */
static int read_lines(struct reader *r, const char *buf, const char *end, const char **rest)
{
	const char *newline;

	while ((newline = memchr(buf, '\n', end - buf))) {
		int err = read_line(r, buf, newline);

		if (err)
			return err;
		buf = newline + 1;
	}
	*rest = buf;
	return 0;
}

int of_read_flows_buf(const char *buf, size_t len, enum of_mode mode, of_flow_cb *cb, void *arg,
		      struct of_error *err)
{
	struct reader r = {.mode = mode, .cb = cb, .arg = arg, .err = err};
	const char *end = buf + len, *rest = buf;
	int ret = len ? read_lines(&r, buf, end, &rest) : 0;

	return ret || rest == end ? ret : read_line(&r, rest, end);
}

static int read_blocks(struct reader *r, FILE *file, char *block)
{
	size_t kept = 0, got;

	while ((got = fread(block + kept, 1, BLOCK - kept, file)) > 0) {
		const char *end = block + kept + got, *rest;
		int err = read_lines(r, block, end, &rest);

		if (err)
			return err;
		kept = end - rest;
		if (kept > OF_LINE_MAX) {
			r->line++;
			return fail(r, OF_LINE_MAX, "line too long", -E2BIG);
		}
		memmove(block, rest, kept);
	}
	if (ferror(file))
		return fail(r, 0, "read error", -EIO);
	return kept ? read_line(r, block, block + kept) : 0;
}

int of_read_flows(FILE *file, enum of_mode mode, of_flow_cb *cb, void *arg, struct of_error *err)
{
	struct reader r = {.mode = mode, .cb = cb, .arg = arg, .err = err};
	char *block = malloc(BLOCK);
	int ret;

	if (!block)
		return fail(&r, 0, "out of memory", -ENOMEM);
	ret = read_blocks(&r, file, block);
	free(block);
	return ret;
}
