// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "packets.h"

__u64 packet_rand(__u64 *seed)
{
	__u64 z = (*seed += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

__u32 packet_below(__u64 *seed, __u32 n)
{
	return packet_rand(seed) % n;
}

__u64 packet_seed(const char *test)
{
	const char *text = getenv("CXLT_SEED");
	struct timespec now;
	__u64 seed;

	clock_gettime(CLOCK_REALTIME, &now);
	seed = text ? strtoull(text, NULL, 0) : (__u64)now.tv_sec * 1000000000 + now.tv_nsec;
	fprintf(stderr, "%s: CXLT_SEED=%llu\n", test, seed);
	return seed;
}

/* Sums. */

__u32 packet_sum(const __u8 *b, __u32 n)
{
	__u64 sum = 0;
	__u32 i;

	for (i = 0; i < n; i++)
		sum += i % 2 ? b[i] : b[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

__u32 packet_crc32c(const __u8 *b, __u32 n)
{
	__u32 crc = 0xffffffff, i, bit;

	for (i = 0; i < n; i++) {
		crc ^= b[i];
		for (bit = 0; bit < 8; bit++)
			crc = crc & 1 ? (crc >> 1) ^ 0x82f63b78 : crc >> 1;
	}
	return ~crc;
}

static __u32 get16(const __u8 *b)
{
	return b[0] << 8 | b[1];
}

static void set16(__u8 *b, __u32 v)
{
	b[0] = v >> 8;
	b[1] = v;
}

static void set32_le(__u8 *b, __u32 v)
{
	b[0] = v;
	b[1] = v >> 8;
	b[2] = v >> 16;
	b[3] = v >> 24;
}

/* Walking. */

struct walk {
	__u32 l3, l4, end;
	__u8 version, proto;
	int fragment;
	const __u8 *final; /* destination after the routing header, if segments are left */
};

static void walk_ipv6(const struct packet *p, struct walk *w)
{
	const __u8 *b = p->b;

	w->end = w->l3 + 40 + get16(b + w->l3 + 4);
	w->proto = b[w->l3 + 6];
	w->l4 = w->l3 + 40;
	for (;;) {
		const __u8 *h = b + w->l4;
		__u32 n;

		switch (w->proto) {
		case 44:
			if (get16(h + 2) & 0xfff9)
				w->fragment = 1;
			n = 8;
			break;
		case 43:
			if (h[3])
				w->final = h[2] == 4 ? h + 8 : h + 8 + (h[1] / 2 - 1) * 16;
			n = 8 + h[1] * 8;
			break;
		case 51: n = 8 + h[1] * 4; break;
		case 0:
		case 60:
		case 135:
		case 139:
		case 140: n = 8 + h[1] * 8; break;
		default: return;
		}
		w->proto = h[0];
		w->l4 += n;
		if (w->fragment)
			return;
	}
}

static void walk(const struct packet *p, struct walk *w)
{
	__u32 off = 12, type = get16(p->b + 12);
	int i;

	memset(w, 0, sizeof(*w));
	for (i = 0; i < 2 && (type == 0x8100 || type == 0x88a8); i++) {
		off += 4;
		type = get16(p->b + off);
	}
	w->l3 = off + 2;
	if (type < 0x600 && !memcmp(p->b + w->l3, "\xaa\xaa\x03\0\0\0", 6)) {
		type = get16(p->b + off + 8);
		w->l3 += 8;
	}
	if (type == 0x0800) {
		const __u8 *h = p->b + w->l3;

		w->version = 4;
		w->proto = h[9];
		w->l4 = w->l3 + (h[0] & 15) * 4;
		w->end = w->l3 + get16(h + 2);
		w->fragment = !!(get16(h + 6) & 0x3fff);
	} else if (type == 0x86dd) {
		w->version = 6;
		walk_ipv6(p, w);
	}
}

static __u32 l4_checksum(const struct packet *p, const struct walk *w)
{
	__u8 pseudo[PACKET_MAX + 64] = {0};
	__u32 len = w->end - w->l4, n = 0, sum;

	if (w->version == 4 && w->proto != 1) {
		memcpy(pseudo, p->b + w->l3 + 12, 8);
		pseudo[9] = w->proto;
		set16(pseudo + 10, len);
		n = 12;
	} else if (w->version == 6) {
		memcpy(pseudo, p->b + w->l3 + 8, 32);
		if (w->final)
			memcpy(pseudo + 16, w->final, 16);
		set16(pseudo + 34, len);
		pseudo[39] = w->proto;
		n = 40;
	}
	memcpy(pseudo + n, p->b + w->l4, len);
	if (w->proto == 6)
		set16(pseudo + n + 16, 0);
	else if (w->proto == 17)
		set16(pseudo + n + 6, 0);
	else
		set16(pseudo + n + 2, 0);
	sum = ~packet_sum(pseudo, n + len) & 0xffff;
	return w->proto == 17 && !sum ? 0xffff : sum;
}

__u32 packet_l4_checksum(const struct packet *p, __u32 l3, __u32 l4, __u8 proto)
{
	struct walk w;

	walk(p, &w);
	w.l3 = l3;
	w.l4 = l4;
	w.proto = proto;
	return l4_checksum(p, &w);
}

static __u32 sctp_checksum(const struct packet *p, const struct walk *w)
{
	__u8 copy[PACKET_MAX];
	__u32 len = w->end - w->l4;

	memcpy(copy, p->b + w->l4, len);
	memset(copy + 8, 0, 4);
	return packet_crc32c(copy, len);
}

/* 0 and 0xffff are the same sum; whoever completes a partial checksum writes the latter. */
static int same_sum(const __u8 *field, __u32 want)
{
	return get16(field) % 0xffff == want % 0xffff;
}

const char *packet_bad_checksum(const struct packet *p)
{
	const __u8 *b = p->b;
	struct walk w;
	__u8 le[4];
	__u32 crc;

	walk(p, &w);
	if (w.version == 4 && packet_sum(b + w.l3, (b[w.l3] & 15) * 4) != 0xffff)
		return "IPv4 header";
	if (!w.version || w.fragment)
		return NULL;
	switch (w.proto) {
	case 6: return same_sum(b + w.l4 + 16, l4_checksum(p, &w)) ? NULL : "TCP";
	case 17:
		if (!get16(b + w.l4 + 6))
			return NULL;
		return same_sum(b + w.l4 + 6, l4_checksum(p, &w)) ? NULL : "UDP";
	case 1:
	case 58:
		if ((w.proto == 1) != (w.version == 4))
			return NULL;
		return same_sum(b + w.l4 + 2, l4_checksum(p, &w)) ? NULL : "ICMP";
	case 132:
		crc = sctp_checksum(p, &w);
		set32_le(le, crc);
		return memcmp(b + w.l4 + 8, le, 4) ? "SCTP" : NULL;
	}
	return NULL;
}

static void fill_checksums(struct packet *p, int zero_udp)
{
	__u8 *b = p->b;
	struct walk w;

	walk(p, &w);
	if (w.version == 4) {
		set16(b + w.l3 + 10, 0);
		set16(b + w.l3 + 10, ~packet_sum(b + w.l3, (b[w.l3] & 15) * 4));
	}
	if (!w.version || w.fragment)
		return;
	if (w.proto == 6)
		set16(b + w.l4 + 16, l4_checksum(p, &w));
	else if (w.proto == 17)
		set16(b + w.l4 + 6, zero_udp ? 0 : l4_checksum(p, &w));
	else if ((w.proto == 1 && w.version == 4) || (w.proto == 58 && w.version == 6))
		set16(b + w.l4 + 2, l4_checksum(p, &w));
	else if (w.proto == 132)
		set32_le(b + w.l4 + 8, sctp_checksum(p, &w));
}

/* Building: each function appends to the packet. */

static __u8 *grow(struct packet *p, __u32 n)
{
	__u8 *at = p->b + p->len;

	p->len += n;
	return at;
}

static __u8 *grow_random(struct packet *p, __u64 *seed, __u32 n)
{
	__u8 *at = grow(p, n);
	__u32 i;

	for (i = 0; i < n; i++)
		at[i] = packet_rand(seed);
	return at;
}

static void add_type(struct packet *p, __u32 type)
{
	set16(grow(p, 2), type);
}

static void add_ether(struct packet *p, __u64 *seed, __u32 type, __u32 tags)
{
	p->len = 0;
	grow_random(p, seed, 12);
	while (tags--) {
		add_type(p, packet_below(seed, 2) ? 0x8100 : 0x88a8);
		grow_random(p, seed, 2);
	}
	if (packet_below(seed, 30) || type < 0x600) {
		add_type(p, type);
		return;
	}
	add_type(p, 100 + packet_below(seed, 1000));
	memcpy(grow(p, 6), "\xaa\xaa\x03\0\0\0", 6);
	add_type(p, type);
}

static void add_nd(struct packet *p, __u64 *seed)
{
	__u32 n = packet_below(seed, 4);

	grow_random(p, seed, 20);
	while (n--) {
		__u32 len = 1 + packet_below(seed, 2);
		__u8 *o = grow_random(p, seed, len * 8);

		o[0] = 1 + packet_below(seed, 3);
		o[1] = len;
	}
}

static void add_udp(struct packet *p, __u64 *seed, __u32 payload)
{
	__u8 *h = grow_random(p, seed, 8);

	if (!packet_below(seed, 4)) {
		set16(h + 2, 4789);
		payload += 8;
	} else if (get16(h + 2) == 4789) {
		h[2] = 0;
	}
	set16(h + 4, 8 + payload);
	grow_random(p, seed, payload);
}

static void add_l4(struct packet *p, __u64 *seed, __u8 proto, __u32 payload)
{
	__u32 doff;
	__u8 *h;

	switch (proto) {
	case 6:
		doff = packet_below(seed, 2) ? 5 : 5 + packet_below(seed, 11);
		h = grow_random(p, seed, doff * 4);
		h[12] = doff << 4 | (h[12] & 15);
		break;
	case 17: add_udp(p, seed, payload); return;
	case 132: grow_random(p, seed, 12); break;
	case 1: grow_random(p, seed, 8); break;
	case 58:
		h = grow_random(p, seed, 4);
		h[0] &= 0x7f;
		if (packet_below(seed, 2)) {
			h[0] = 135 + packet_below(seed, 2);
			h[1] = 0;
			add_nd(p, seed);
			return;
		}
		grow_random(p, seed, 4);
		break;
	}
	grow_random(p, seed, payload);
}

static void add_ext(struct packet *p, __u64 *seed, __u8 **next)
{
	static const __u8 kinds[] = {0, 60, 43, 51, 135};
	__u8 kind = kinds[packet_below(seed, sizeof(kinds))];
	__u32 n = packet_below(seed, 3);
	__u8 *h;

	if (kind == 43)
		n = 2 + 2 * packet_below(seed, 2);
	if (kind == 51)
		n = 1 + 2 * n;
	**next = kind;
	h = grow_random(p, seed, kind == 51 ? 8 + n * 4 : 8 + n * 8);
	h[1] = n;
	if (kind == 43) {
		h[2] = packet_below(seed, 3) * 2;
		h[3] = packet_below(seed, 2);
	}
	*next = h;
}

/* frag: 0 none, 1 first, 2 later */
static void add_ipv6(struct packet *p, __u64 *seed, __u8 proto, __u32 exts, int frag, __u32 payload)
{
	__u32 start = p->len;
	__u8 *h = grow_random(p, seed, 40), *next = h + 6;

	h[0] = 0x60 | (h[0] & 15);
	while (exts--)
		add_ext(p, seed, &next);
	if (frag) {
		*next = 44;
		next = grow_random(p, seed, 8);
		set16(next + 2, frag == 1 ? 1 : 8 + packet_below(seed, 65000 / 8) * 8);
	}
	*next = proto;
	if (frag == 2)
		grow_random(p, seed, payload);
	else
		add_l4(p, seed, proto, payload);
	set16(h + 4, p->len - start - 40);
}

static void add_ipv4(struct packet *p, __u64 *seed, __u8 proto, __u32 options, int frag,
		     __u32 payload)
{
	__u32 start = p->len;
	__u8 *h = grow_random(p, seed, 20 + options * 4);

	h[0] = 0x45 + options;
	h[9] = proto;
	set16(h + 6, packet_below(seed, 2) ? 0x4000 : 0);
	if (frag)
		set16(h + 6, frag == 1 ? 0x2000 : 1 + packet_below(seed, 8000));
	if (frag == 2)
		grow_random(p, seed, payload);
	else
		add_l4(p, seed, proto, payload);
	set16(h + 2, p->len - start);
}

static void add_arp(struct packet *p, __u64 *seed)
{
	__u8 *h = grow_random(p, seed, 28);

	memcpy(h, "\0\1\x08\0\6\4\0", 7);
	h[7] = 1 + packet_below(seed, 2);
}

void packet_plain(struct packet *p, __u64 *seed, int v6, __u8 proto, __u32 n)
{
	p->len = 0;
	grow_random(p, seed, 12);
	add_type(p, v6 ? 0x86dd : 0x0800);
	if (v6)
		add_ipv6(p, seed, proto, 0, 0, n);
	else
		add_ipv4(p, seed, proto, 0, 0, n);
	fill_checksums(p, 0);
}

void packet_random(struct packet *p, __u64 *seed)
{
	static const __u8 protos[] = {6, 6, 17, 17, 132, 1, 58, 47};
	__u8 proto = protos[packet_below(seed, sizeof(protos))];
	__u32 kind = packet_below(seed, 20), tags = packet_below(seed, 5);
	__u32 payload = packet_below(seed, 4) ? packet_below(seed, 64) : packet_below(seed, 900);
	int frag = packet_below(seed, 6) ? 0 : 1 + packet_below(seed, 2);

	tags = tags > 2 ? 0 : tags;
	if (kind < 9) {
		add_ether(p, seed, 0x0800, tags);
		add_ipv4(p, seed, proto, packet_below(seed, 3) ? 0 : packet_below(seed, 11), frag,
			 payload);
	} else if (kind < 17) {
		add_ether(p, seed, 0x86dd, tags);
		add_ipv6(p, seed, proto, packet_below(seed, 2) ? 0 : packet_below(seed, 4), frag,
			 payload);
	} else if (kind < 19) {
		add_ether(p, seed, packet_below(seed, 4) ? 0x0806 : 0x8035, tags);
		add_arp(p, seed);
	} else {
		add_ether(p, seed, packet_below(seed, 2) ? 0x88cc : 64, tags);
		grow_random(p, seed, payload + 2);
	}
	fill_checksums(p, !packet_below(seed, 4));
	if (p->len < 60 && packet_below(seed, 2))
		grow_random(p, seed, 60 - p->len);
}

void packet_mutate(struct packet *p, __u64 *seed)
{
	__u32 n = 1 + packet_below(seed, 3);

	if (!packet_below(seed, 3)) {
		p->len = packet_below(seed, p->len + 1);
		return;
	}
	while (n--)
		p->b[12 + packet_below(seed, p->len < 92 ? p->len - 12 : 80)] = packet_rand(seed);
}

/* Vectors. */

const __u8 *packet_guarded(const __u8 *b, __u32 n)
{
	static __u8 *pages;
	long size = sysconf(_SC_PAGESIZE);

	if (!pages) {
		pages = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			     -1, 0);
		if (pages == MAP_FAILED || mprotect(pages + size, size, PROT_NONE))
			abort();
	}
	return memcpy(pages + size - n, b, n);
}

FILE *vector_open(const char *path)
{
	FILE *f = fopen(path, "r");

	if (!f)
		fprintf(stderr, "%s: cannot be read (tests run in the top folder)\n", path);
	return f;
}

static char *trim(char *s)
{
	char *end;

	s += strspn(s, " \t\n");
	end = s + strlen(s);
	while (end > s && strchr(" \t\n", end[-1]))
		*--end = 0;
	return s;
}

int vector_next(FILE *f, struct vector *v, int *number)
{
	size_t room = 0;
	char *rest;

	memset(v, 0, sizeof(*v));
	do {
		++*number;
		if (getline(&v->line, &room, f) < 0) {
			free(v->line);
			return 0;
		}
	} while (v->line[0] == '#' || !*trim(v->line));
	v->number = *number;
	rest = v->line;
	while (rest && v->n_fields < VECTOR_FIELDS)
		v->field[v->n_fields++] = trim(strsep(&rest, "|"));
	return 1;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

__u32 hex_bytes(const char *hex, __u8 *b, __u32 room)
{
	__u32 n = 0;

	for (; n < room && hex_digit(hex[0]) >= 0 && hex_digit(hex[1]) >= 0; hex += 2)
		b[n++] = hex_digit(hex[0]) << 4 | hex_digit(hex[1]);
	return n;
}

static const struct cxlt_field_info fields[] = {
#define X(id, name, word, shift, bits) {name, word, shift, bits},
	CXLT_FIELDS(X)
#undef X
};

static int key_set_text(struct cxlt_key *key, const char *name, const char *hex)
{
	__u64 hi = 0, lo = 0;
	__u32 i;

	for (; hex_digit(*hex) >= 0; hex++) {
		hi = hi << 4 | lo >> 60;
		lo = lo << 4 | hex_digit(*hex);
	}
	for (i = 0; i < CXLT_N_FIELDS; i++) {
		const struct cxlt_field_info *f = &fields[i];

		if (strcmp(name, f->name))
			continue;
		if (f->bits == 128) {
			key->w[f->word] = hi;
			key->w[f->word + 1] = lo;
		} else {
			__u64 mask = CXLT_BITMASK(f->bits) << f->shift;

			key->w[f->word] = (key->w[f->word] & ~mask) | (lo << f->shift & mask);
		}
		return 0;
	}
	fprintf(stderr, "no field is named %s\n", name);
	return -1;
}

int key_from_text(struct cxlt_key *key, const char *text)
{
	char *copy = strdup(text), *rest = copy, *pair;
	int bad = 0;

	while ((pair = strsep(&rest, " ,"))) {
		char *value = strchr(pair, '=');

		if (!value)
			continue;
		*value++ = 0;
		bad |= key_set_text(key, pair, value);
	}
	free(copy);
	return bad;
}

const char *key_difference(const struct cxlt_key *a, const struct cxlt_key *b)
{
	static char text[512];
	__u32 i, n = 0;

	text[0] = 0;
	for (i = 0; i < CXLT_N_FIELDS && n < sizeof(text) - 100; i++) {
		const struct cxlt_field_info *f = &fields[i];
		__u32 w = f->word, last = f->bits == 128 ? w + 1 : w;

		for (; w <= last; w++) {
			__u64 mask = CXLT_BITMASK(f->bits) << f->shift;

			if ((a->w[w] ^ b->w[w]) & mask)
				n += sprintf(text + n, "%s %llx != %llx; ", f->name,
					     (a->w[w] & mask) >> f->shift,
					     (b->w[w] & mask) >> f->shift);
		}
	}
	return text;
}

void packet_to_frame(const struct packet *p, struct cxlt_frame *f)
{
	f->len = p->len;
	f->hdr_len = p->len < CXLT_HDR_MAX ? p->len : CXLT_HDR_MAX;
	f->head = CXLT_HDR_ROOM;
	f->pad = 0;
	memset(f->buf, 0, sizeof(f->buf));
	memcpy(f->buf + f->head, p->b, f->hdr_len);
}

void packet_from_frame(struct packet *p, const struct packet *before, const struct cxlt_frame *f)
{
	__u32 kept = before->len < CXLT_HDR_MAX ? before->len : CXLT_HDR_MAX;

	p->len = f->len;
	memcpy(p->b, f->buf + f->head, f->hdr_len);
	memcpy(p->b + f->hdr_len, before->b + kept, before->len - kept);
}
