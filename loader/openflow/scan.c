// SPDX-License-Identifier: Apache-2.0
/*
 * scan.c - spans into pairs, numbers and addresses.  All by hand: it is what makes a file of
 * 100,000 flows cheap; IPv6 alone goes through inet_pton, which has the long grammar.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "syntax.h"

int of_fail(const struct of_text *t, const char *at, const char *fmt, ...)
{
	struct of_error *err = t->err;
	va_list ap;

	if (!err)
		return -EINVAL;
	va_start(ap, fmt);
	vsnprintf(err->reason, sizeof(err->reason), fmt, ap);
	va_end(ap);
	/* Reasons quote the input, and are printed on terminals. */
	for (char *c = err->reason; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	err->line = 0;
	err->column = at ? (int)(at - t->base) + 1 : 0;
	return -EINVAL;
}

const char *of_error_text(const struct of_error *err, const char *name, char *buf, size_t size)
{
	struct of_buf b;

	of_buf_init(&b, buf, size);
	if (name)
		of_printf(&b, "%s:", name);
	if (err->line)
		of_printf(&b, "%d:", err->line);
	if (err->column)
		of_printf(&b, "%d:", err->column);
	of_printf(&b, "%s%s", b.len ? " " : "", err->reason);
	return buf;
}

/* What a byte may end: a value (separators), a key (these and the delimiters). */
enum {
	SEPARATOR = 1,
	DELIMITER = 2,
	PAREN = 4,
};

static const __u8 classes[256] = {
	[','] = SEPARATOR,  [' '] = SEPARATOR,	       ['\t'] = SEPARATOR,
	['\r'] = SEPARATOR, ['\n'] = SEPARATOR,	       [':'] = DELIMITER,
	['='] = DELIMITER,  ['('] = DELIMITER | PAREN, [')'] = PAREN,
};

/* The first byte of [p, end) that is in one of the classes. */
static const char *skip_to(const char *p, const char *end, unsigned int in)
{
	while (p < end && !(classes[(__u8)*p] & in))
		p++;
	return p;
}

/* The end of a value that began behind '(': its partner, or NULL. */
static const char *closing(const char *p, const char *end)
{
	int depth = 1;

	for (p = skip_to(p, end, PAREN); p < end; p = skip_to(p + 1, end, PAREN)) {
		if (*p == '(')
			depth++;
		else if (!--depth)
			return p;
	}
	return NULL;
}

/* The end of a value behind ':' or '=': a separator outside parentheses. */
static const char *value_end(const char *p, const char *end)
{
	int depth = 0;

	for (p = skip_to(p, end, SEPARATOR | PAREN); p < end;
	     p = skip_to(p + 1, end, SEPARATOR | PAREN)) {
		if (*p == '(')
			depth++;
		else if (*p == ')')
			depth--;
		else if (depth <= 0)
			break;
	}
	return p;
}

int of_next_pair(const struct of_text *t, const char **pp, const char *end, struct of_pair *pair)
{
	const char *p = *pp, *key;

	while (p < end && of_is_separator(*p))
		p++;
	if (p == end) {
		*pp = p;
		return 0;
	}
	key = p;
	p = skip_to(p, end, SEPARATOR | DELIMITER);
	pair->key = (struct of_span){key, p - key};
	pair->value = (struct of_span){p, 0};
	pair->delim = 0;
	if (p < end && !of_is_separator(*p)) {
		const char *value = p + 1, *stop;

		pair->delim = *p;
		stop = *p == '(' ? closing(value, end) : value_end(value, end);
		if (!stop)
			return of_fail(t, p, "\"(\" without \")\"");
		pair->value = (struct of_span){value, stop - value};
		p = pair->delim == '(' ? stop + 1 : stop;
		if (p < end && !of_is_separator(*p))
			return of_fail(t, p, "expected \",\" after \")\"");
	}
	*pp = p;
	return 1;
}

static int digit(char c, unsigned int base)
{
	unsigned int d;

	if (c >= '0' && c <= '9')
		d = c - '0';
	else if ((c | 32) >= 'a' && (c | 32) <= 'f')
		d = (c | 32) - 'a' + 10;
	else
		return -1;
	return d < base ? (int)d : -1;
}

int of_scan_number(struct of_span s, __u64 *value)
{
	const char *p = s.p, *end = s.p + s.n;
	unsigned int base = 10;
	__u64 v = 0;

	if (s.n > 2 && p[0] == '0' && (p[1] | 32) == 'x') {
		base = 16;
		p += 2;
	} else if (s.n > 1 && p[0] == '0') {
		base = 8;
		p++;
	}
	if (p == end)
		return -EINVAL;
	for (; p < end; p++) {
		int d = digit(*p, base);

		if (d < 0)
			return -EINVAL;
		if (__builtin_mul_overflow(v, (__u64)base, &v) ||
		    __builtin_add_overflow(v, (__u64)d, &v)) {
			while (++p < end)
				if (digit(*p, base) < 0)
					return -EINVAL;
			return -ERANGE;
		}
	}
	*value = v;
	return 0;
}

int of_scan_decimal(struct of_span s, __u64 max, __u64 *value)
{
	__u64 v = 0;

	if (!s.n)
		return -EINVAL;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return -EINVAL;
		if (v <= max)
			v = v * 10 + (s.p[i] - '0');
	}
	if (v > max)
		return -ERANGE;
	*value = v;
	return 0;
}

int of_scan_mac(struct of_span s, __u64 *value)
{
	const char *p = s.p, *end = s.p + s.n;
	__u64 v = 0;

	for (int i = 0; i < 6; i++) {
		int hi, lo;

		if (i && (p == end || *p++ != ':'))
			return -EINVAL;
		hi = p < end ? digit(*p, 16) : -1;
		if (hi < 0)
			return -EINVAL;
		p++;
		lo = p < end ? digit(*p, 16) : -1;
		if (lo >= 0) {
			hi = hi << 4 | lo;
			p++;
		}
		v = v << 8 | (unsigned int)hi;
	}
	if (p != end)
		return -EINVAL;
	*value = v;
	return 0;
}

int of_scan_ipv4(struct of_span s, __u64 *value)
{
	const char *p = s.p, *end = s.p + s.n;
	__u32 v = 0;

	for (int i = 0; i < 4; i++) {
		const char *first;
		unsigned int b = 0;

		if (i && (p == end || *p++ != '.'))
			return -EINVAL;
		first = p;
		while (p < end && *p >= '0' && *p <= '9' && p - first < 4)
			b = b * 10 + (*p++ - '0');
		/* A leading zero means octal to some tools and nothing to others. */
		if (p == first || b > 255 || (*first == '0' && p - first > 1))
			return -EINVAL;
		v = v << 8 | b;
	}
	if (p != end)
		return -EINVAL;
	*value = v;
	return 0;
}

int of_scan_ipv6(struct of_span s, __u64 value[2])
{
	char text[INET6_ADDRSTRLEN];
	__u8 b[16];

	if (!s.n || s.n >= sizeof(text) || memchr(s.p, 0, s.n))
		return -EINVAL;
	memcpy(text, s.p, s.n);
	text[s.n] = 0;
	if (inet_pton(AF_INET6, text, b) != 1)
		return -EINVAL;
	value[0] = value[1] = 0;
	for (int i = 0; i < 16; i++)
		value[i / 8] = value[i / 8] << 8 | b[i];
	return 0;
}

const struct of_name *of_name_find(const struct of_name *names, const __u8 *start, size_t max_len,
				   struct of_span s)
{
	if (!s.n || s.n > max_len)
		return NULL;
	for (unsigned int i = start[s.n]; i < start[s.n + 1]; i++) {
		const char *name = names[i].name;

		if (name[0] == s.p[0] && name[s.n - 1] == s.p[s.n - 1] && !memcmp(name, s.p, s.n))
			return &names[i];
	}
	return NULL;
}

/* Levenshtein's distance, both at most 24 bytes. */
static unsigned int distance(struct of_span a, const char *b)
{
	unsigned int row[25], nb = strlen(b);

	for (unsigned int j = 0; j <= nb; j++)
		row[j] = j;
	for (unsigned int i = 1; i <= a.n; i++) {
		unsigned int diagonal = row[0];

		row[0] = i;
		for (unsigned int j = 1; j <= nb; j++) {
			unsigned int d = diagonal + ((a.p[i - 1] | 32) != (b[j - 1] | 32));

			diagonal = row[j];
			if (row[j] + 1 < d)
				d = row[j] + 1;
			if (row[j - 1] + 1 < d)
				d = row[j - 1] + 1;
			row[j] = d;
		}
	}
	return row[nb];
}

const char *of_name_near(const struct of_name *names, size_t n, struct of_span s)
{
	unsigned int best = s.n < 4 ? 2 : 3;
	const char *near = NULL;

	if (s.n > 24)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		unsigned int d = distance(s, names[i].name);

		if (d < best) {
			best = d;
			near = names[i].name;
		}
	}
	return near;
}
