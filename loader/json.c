// SPDX-License-Identifier: Apache-2.0
/* The JSON writer. */
#include <math.h>
#include <string.h>

#include "json.h"

void json_start(struct json *j, FILE *out)
{
	j->out = out;
	j->depth = 0;
	j->first = true;
}

/* Bytes of the UTF-8 sequence at s, 0 if there is none. */
static size_t utf8_length(const unsigned char *s)
{
	size_t n = *s < 0x80		     ? 1
		   : *s >= 0xc2 && *s < 0xe0 ? 2
		   : *s >= 0xe0 && *s < 0xf0 ? 3
		   : *s >= 0xf0 && *s < 0xf5 ? 4
					     : 0;
	size_t i;

	for (i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* Overlong forms, surrogates, and what lies beyond U+10FFFF. */
	if ((*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] > 0x9f) ||
	    (*s == 0xf0 && s[1] < 0x90) || (*s == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

/* Bytes from s on that stand for themselves. */
static size_t plain_length(const unsigned char *s)
{
	size_t n = 0;

	while (s[n] >= 0x20 && s[n] < 0x7f && s[n] != '"' && s[n] != '\\')
		n++;
	return n;
}

static void put_string(FILE *out, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	putc_unlocked('"', out);
	while (*s) {
		size_t n = plain_length(s);

		if (n) {
			fwrite_unlocked(s, 1, n, out);
			s += n;
			continue;
		}
		n = utf8_length(s);
		if (!n)
			fputs_unlocked("\\ufffd", out);
		else if (*s == '"' || *s == '\\')
			fprintf(out, "\\%c", *s);
		else if (*s == '\n')
			fputs_unlocked("\\n", out);
		else if (*s < 0x20 || *s == 0x7f)
			fprintf(out, "\\u%04x", *s);
		else
			fwrite_unlocked(s, 1, n, out);
		s += n ? n : 1;
	}
	putc_unlocked('"', out);
}

static void before(struct json *j, const char *key)
{
	if (!j->first)
		putc_unlocked(',', j->out);
	j->first = false;
	if (key) {
		put_string(j->out, key);
		putc_unlocked(':', j->out);
	}
}

static void after(struct json *j)
{
	if (j->depth)
		return;
	putc_unlocked('\n', j->out);
	j->first = true;
}

static void open_level(struct json *j, const char *key, char open, char close)
{
	before(j, key);
	putc_unlocked(open, j->out);
	if (j->depth < JSON_DEPTH_MAX)
		j->close[j->depth] = close;
	j->depth++;
	j->first = true;
}

void json_object(struct json *j, const char *key)
{
	open_level(j, key, '{', '}');
}

void json_array(struct json *j, const char *key)
{
	open_level(j, key, '[', ']');
}

void json_end(struct json *j)
{
	if (!j->depth)
		return;
	j->depth--;
	putc_unlocked(j->depth < JSON_DEPTH_MAX ? j->close[j->depth] : '}', j->out);
	j->first = false;
	after(j);
}

void json_string(struct json *j, const char *key, const char *value)
{
	if (!value) {
		json_null(j, key);
		return;
	}
	before(j, key);
	put_string(j->out, value);
	after(j);
}

void json_u64(struct json *j, const char *key, __u64 value)
{
	before(j, key);
	fprintf(j->out, "%llu", value);
	after(j);
}

void json_s64(struct json *j, const char *key, __s64 value)
{
	before(j, key);
	fprintf(j->out, "%lld", value);
	after(j);
}

void json_bool(struct json *j, const char *key, bool value)
{
	before(j, key);
	fputs_unlocked(value ? "true" : "false", j->out);
	after(j);
}

void json_null(struct json *j, const char *key)
{
	before(j, key);
	fputs_unlocked("null", j->out);
	after(j);
}

void json_double(struct json *j, const char *key, double value)
{
	if (!isfinite(value)) {
		json_null(j, key);
		return;
	}
	before(j, key);
	fprintf(j->out, "%.3f", value);
	after(j);
}

void json_hex(struct json *j, const char *key, __u64 value)
{
	before(j, key);
	fprintf(j->out, "\"0x%llx\"", value);
	after(j);
}

void json_bytes(struct json *j, const char *key, const __u8 *bytes, size_t n)
{
	static const char digit[] = "0123456789abcdef";
	size_t i;

	before(j, key);
	putc_unlocked('"', j->out);
	for (i = 0; i < n; i++) {
		putc_unlocked(digit[bytes[i] >> 4], j->out);
		putc_unlocked(digit[bytes[i] & 15], j->out);
	}
	putc_unlocked('"', j->out);
	after(j);
}
