/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packets.h - packets for tests: random ones, vectors from files, and plain answers about them.
 *
 * Nothing here shares code with parse.h, edit.h or csum.h: bytes are put and got one by one, and
 * checksums are summed from scratch, so that a test which agrees says something.
 */
#ifndef CXLTAB_TESTS_PACKETS_H
#define CXLTAB_TESTS_PACKETS_H

#include <stdio.h>
#include <cxltab/key.h>
#include <cxltab/work.h>

enum {
	PACKET_MAX = 2048,
};

struct packet {
	__u32 len;
	__u8 b[PACKET_MAX];
};

/* A small generator: the same seed gives the same packets everywhere. */
__u64 packet_rand(__u64 *seed);
__u32 packet_below(__u64 *seed, __u32 n);

/* The seed of a test: $CXLT_SEED or the clock; printed, so that a failure can be repeated. */
__u64 packet_seed(const char *test);

/* A well-formed frame of any kind that the parser knows, with right checksums. */
void packet_random(struct packet *p, __u64 *seed);

/* Truncates it, or overwrites some bytes of its headers. */
void packet_mutate(struct packet *p, __u64 *seed);

/* An ordinary frame: Ethernet, IPv4 or IPv6, `proto` with right checksums, n bytes of payload. */
void packet_plain(struct packet *p, __u64 *seed, int v6, __u8 proto, __u32 n);

/*
 * All checksums of the frame from scratch: NULL if right, else the name of the first wrong one.
 * A fragment has no L4 checksum of its own.
 */
const char *packet_bad_checksum(const struct packet *p);

/* The checksum that the L4 header at l4 should carry, as a number in network order. */
__u32 packet_l4_checksum(const struct packet *p, __u32 l3, __u32 l4, __u8 proto);

/* One's complement sum of n bytes, folded. */
__u32 packet_sum(const __u8 *b, __u32 n);
__u32 packet_crc32c(const __u8 *b, __u32 n);

/* Copies the frame to the end of a page that an unreadable one follows. */
const __u8 *packet_guarded(const __u8 *b, __u32 n);

/* Vectors: lines of fields separated by '|', spaces around them dropped; '#' comments. */
enum {
	VECTOR_FIELDS = 8,
};

struct vector {
	char *line;
	char *field[VECTOR_FIELDS];
	int n_fields;
	int number;
};

/* The next vector of the file, 0 at its end; the caller frees v->line. */
int vector_next(FILE *f, struct vector *v, int *number);
FILE *vector_open(const char *path);

__u32 hex_bytes(const char *hex, __u8 *b, __u32 room);

/* "name=hex" pairs (128-bit values too) stored into a key; what isn't named stays. */
int key_from_text(struct cxlt_key *key, const char *text);

/* Where two keys differ, for a failing test's message; "" if nowhere. */
const char *key_difference(const struct cxlt_key *a, const struct cxlt_key *b);

/* The frame as the header copy that edit.h rewrites, and back. */
void packet_to_frame(const struct packet *p, struct cxlt_frame *f);
void packet_from_frame(struct packet *p, const struct packet *before, const struct cxlt_frame *f);

#endif
