// SPDX-License-Identifier: Apache-2.0
/*
 * The hash of keys: what cuckoo tables need of it, measured.
 *
 * Statistical bounds are wide enough for any seed: a chi-square may leave its mean by 8 standard
 * deviations.  Collision counts of NH have a heavy tail (a secret that is bad for one family of
 * keys is bad for all of it), so they are judged by their median over secrets.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cxltab/exact.h>
#include <cxltab/hash.h>
#include "rand.h"

/* The formula of PROTOCOL.md, written down once more and in another way. */
static __u64 formula(const __u64 *secrets, __u64 secret, const __u64 *key, __u32 n)
{
	unsigned __int128 sum = secret;
	__u32 i;

	for (i = 0; i < n; i++) {
		__u64 lo = ((key[i] & 0xffffffff) + (secrets[i] & 0xffffffff)) % (1ULL << 32);
		__u64 hi = ((key[i] >> 32) + (secrets[i] >> 32)) % (1ULL << 32);

		sum += (unsigned __int128)lo * hi;
	}
	sum %= (unsigned __int128)1 << 64;
	sum = (__u64)(sum ^ (sum >> 32)) * (unsigned __int128)0xe9846af9b1a615dULL;
	sum %= (unsigned __int128)1 << 64;
	sum = (__u64)(sum ^ (sum >> 29)) * (unsigned __int128)0x9e3779b97f4a7c15ULL;
	sum %= (unsigned __int128)1 << 64;
	return (__u64)(sum ^ (sum >> 32));
}

static void new_secrets(struct rnd *r, __u64 *secrets)
{
	for (int i = 0; i < CXLT_KEY_MAX; i++)
		secrets[i] = rnd_next(r);
}

/* Chi-square of counts that should be equal, in standard deviations from its mean. */
static double deviation(const __u32 *count, __u32 cells, double total)
{
	double want = total / cells, chi = 0;

	for (__u32 i = 0; i < cells; i++)
		chi += (count[i] - want) * (count[i] - want) / want;
	return (chi - (cells - 1)) / sqrt(2.0 * (cells - 1));
}

Test(hash, is_the_documented_formula)
{
	struct rnd r = rnd_new("hash/is_the_documented_formula");
	__u64 secrets[CXLT_KEY_MAX], key[CXLT_KEY_MAX], secret;

	for (int i = 0; i < 10000; i++) {
		__u32 n = 1 + rnd_below(&r, CXLT_KEY_MAX);

		new_secrets(&r, secrets);
		secret = rnd_next(&r);
		for (__u32 j = 0; j < n; j++)
			key[j] = rnd_one_in(&r, 4) ? -(__u64)rnd_below(&r, 3) : rnd_next(&r);
		cr_assert_eq(cxlt_exact_hash(secrets, secret, key, n),
			     formula(secrets, secret, key, n));
	}
	cr_expect_eq(cxlt_nh(0x00000002ffffffffULL, 0x0000000300000002ULL), 5);
	cr_expect_eq(cxlt_hash_tag(0xfedcba9876543210ULL), 0x7f6e5d4c);
	cr_expect_eq(cxlt_hash_finish(0), 0);
}

Test(hash, finaliser_avalanches)
{
	struct rnd r = rnd_new("hash/finaliser_avalanches");
	enum { N = 16384 };
	static __u32 flips[64][64];
	double worst = 0, sum = 0;

	for (int n = 0; n < N; n++) {
		__u64 x = rnd_next(&r), h = cxlt_hash_finish(x);

		for (int i = 0; i < 64; i++) {
			__u64 d = h ^ cxlt_hash_finish(x ^ 1ULL << i);

			for (int j = 0; j < 64; j++)
				flips[i][j] += d >> j & 1;
		}
	}
	for (int i = 0; i < 64; i++)
		for (int j = 0; j < 64; j++) {
			double p = flips[i][j] / (double)N, bias = fabs(p - 0.5);

			sum += p;
			worst = bias > worst ? bias : worst;
			cr_expect_lt(bias, 0.12, "bit %d flips bit %d with p %.3f", i, j, p);
		}
	fprintf(stderr, "hash: mean flip %.4f, worst bias %.4f\n", sum / 4096, worst);
	cr_expect_lt(fabs(sum / 4096 - 0.5), 0.005);
}

Test(hash, bucket_tag_and_other_bucket_are_independent)
{
	struct rnd r = rnd_new("hash/bucket_tag_and_other_bucket_are_independent");
	enum { N = 1 << 20 };
	static __u32 high[64 * 64], low[64 * 64], other[64 * 32], cls[64 * 8];
	__u64 secrets[CXLT_KEY_MAX], secret = rnd_next(&r);

	new_secrets(&r, secrets);
	for (__u64 i = 0; i < N; i++) {
		__u64 key[2] = {i << 3, 0x0a00000000000000ULL}, h;
		__u32 b1, b2, tag;

		h = cxlt_exact_hash(secrets, secret, key, 2);
		b1 = (__u32)h & 63;
		tag = cxlt_hash_tag(h);
		b2 = cxlt_hash_other(b1, tag, 63);
		cr_assert_neq(b1, b2);
		high[b1 * 64 + (tag >> 25)]++;
		low[b1 * 64 + (tag & 63)]++;
		/* Their lowest bits always differ: 32 choices are left. */
		other[b1 * 32 + (b2 >> 1)]++;
		cls[b1 * 8 + (tag & 7)]++;
	}
	cr_expect_lt(deviation(high, 64 * 64, N), 8, "bucket and high bits of the tag");
	cr_expect_lt(deviation(low, 64 * 64, N), 8, "bucket and low bits of the tag");
	cr_expect_lt(deviation(other, 64 * 32, N), 8, "bucket and other bucket");
	cr_expect_lt(deviation(cls, 64 * 8, N), 8, "bucket and tag class");
}

Test(hash, other_bucket_is_its_own_inverse)
{
	struct rnd r = rnd_new("hash/other_bucket_is_its_own_inverse");

	for (int i = 0; i < 1000000; i++) {
		__u32 log2 = 1 + rnd_below(&r, 26), mask = (1U << log2) - 1;
		__u32 b = rnd_next(&r) & mask, tag = rnd_next(&r) >> 33;
		__u32 o = cxlt_hash_other(b, tag, mask);

		cr_assert_leq(o, mask);
		cr_assert_neq(o, b);
		cr_assert_eq(cxlt_hash_other(o, tag, mask), b);
	}
	cr_expect_eq(cxlt_hash_other(0, 12345, 0), 0, "a table of one bucket");
}

Test(hash, other_bucket_is_uniform)
{
	struct rnd r = rnd_new("hash/other_bucket_is_uniform");

	for (__u32 log2 = 2; log2 <= 16; log2 += 2) {
		__u32 mask = (1U << log2) - 1, n = 1U << 20, cells = 1U << (log2 - 1);
		__u32 *count = calloc(cells, sizeof(*count)), *seq = calloc(cells, sizeof(*seq));

		for (__u32 i = 0; i < n; i++) {
			count[cxlt_hash_other(0, rnd_next(&r) >> 33, mask) >> 1]++;
			seq[cxlt_hash_other(0, i, mask) >> 1]++;
		}
		cr_expect_lt(deviation(count, cells, n), 8, "%u buckets", mask + 1);
		cr_expect_lt(deviation(seq, cells, n), 8, "%u buckets, tags in sequence", mask + 1);
		free(count);
		free(seq);
	}
}

/* Families of keys that real tables are full of. */
enum {
	FAMILY = 1 << 18,
	KEY_WORDS = 5,
};

static void counter_low(__u32 i, __u64 *k)
{
	k[0] = i;
}

static void counter_high(__u32 i, __u64 *k)
{
	k[3] = (__u64)i << 46;
}

static void single_bits(__u32 i, __u64 *k) /* one bit in each of three places */
{
	k[(i >> 6) & 1] = 1ULL << (i & 63);
	k[2 + ((i >> 13) & 1)] = 1ULL << ((i >> 7) & 63);
	k[4] = 1ULL << ((i >> 14) * 4);
}

static void ip_grid(__u32 i, __u64 *k) /* 512 clients x 512 servers in one word */
{
	k[0] = 0x0000000100080600ULL;
	k[1] = (__u64)(0x0a000000 + (i & 511)) << 32 | (0xc0a80000 + (i >> 9));
	k[2] = 0x0050005000000000ULL;
}

static void port_grid(__u32 i, __u64 *k) /* addresses in one word, ports in another */
{
	k[1] = (__u64)0x0a000001 << 32 | (0x0a000100 + (i >> 12));
	k[2] = (__u64)(1024 + (i & 4095)) << 48 | 80ULL << 32;
}

static void both_halves(__u32 i, __u64 *k)
{
	k[0] = (__u64)i << 32 | i;
	k[1] = (__u64)i << 32 | (__u32)-i;
}

static const struct {
	const char *name;
	void (*key)(__u32 i, __u64 *k);
} family[] = {
	{"counter in the low bits", counter_low}, {"counter in the high bits", counter_high},
	{"pairs of bits", single_bits},		  {"addresses", ip_grid},
	{"addresses and ports", port_grid},	  {"a counter in both halves", both_halves},
};

static int by_value(const void *a, const void *b)
{
	__u64 x = *(const __u64 *)a, y = *(const __u64 *)b;

	return x < y ? -1 : x > y;
}

static __u32 equal_neighbours(__u64 *h, __u32 n)
{
	__u32 same = 0;

	qsort(h, n, sizeof(*h), by_value);
	for (__u32 i = 1; i < n; i++)
		same += h[i] == h[i - 1];
	return same;
}

Test(hash, structured_keys_hardly_collide, .timeout = 60)
{
	struct rnd r = rnd_new("hash/structured_keys_hardly_collide");
	enum { SECRETS = 5, BUCKETS = 4096 };
	static __u64 h[FAMILY];
	static __u32 count[BUCKETS];
	__u64 secrets[CXLT_KEY_MAX];

	for (size_t f = 0; f < sizeof(family) / sizeof(family[0]); f++) {
		__u64 same[SECRETS], skew[SECRETS];

		for (int s = 0; s < SECRETS; s++) {
			__u64 secret = rnd_next(&r);

			new_secrets(&r, secrets);
			memset(count, 0, sizeof(count));
			for (__u32 i = 0; i < FAMILY; i++) {
				__u64 k[KEY_WORDS] = {0};

				family[f].key(i, k);
				h[i] = cxlt_exact_hash(secrets, secret, k, KEY_WORDS);
				count[h[i] & (BUCKETS - 1)]++;
			}
			skew[s] = fmax(deviation(count, BUCKETS, FAMILY), 0);
			same[s] = equal_neighbours(h, FAMILY);
		}
		qsort(same, SECRETS, sizeof(*same), by_value);
		qsort(skew, SECRETS, sizeof(*skew), by_value);
		cr_expect_leq(same[SECRETS / 2], 16, "%s: %llu of %u hashes are equal",
			      family[f].name, same[SECRETS / 2], FAMILY);
		cr_expect_lt(skew[SECRETS / 2], 8, "%s: buckets are filled unevenly",
			     family[f].name);
	}
}

/*
 * An attacker who knows one slice's secrets makes keys that all collide there, in each way that
 * NH offers.  They must be of no use against other secrets.
 */
static __u64 unsum(__u64 k, __u32 lo, __u32 hi) /* the word whose two sums are lo and hi */
{
	return (__u64)(hi - (__u32)(k >> 32)) << 32 | (__u32)(lo - (__u32)k);
}

static void zero_factor(const __u64 *s, __u32 i, __u64 *k)
{
	k[0] = unsum(s[0], 0, i * 2654435761U); /* 0 * anything */
	k[1] = 7;
}

static void moved_factor(const __u64 *s, __u32 i, __u64 *k)
{
	__u32 a = i % 31, b = (i / 31) % 31; /* 2^a * 2^(31-a), in two words */

	k[0] = unsum(s[0], 1U << a, 1U << (31 - a));
	k[1] = unsum(s[1], 1U << b, 1U << (31 - b));
}

static void moved_sum(const __u64 *s, __u32 i, __u64 *k)
{
	k[0] = unsum(s[0], i, 1U << 20); /* i * 2^20 + (2^20 - i) * 2^20 */
	k[1] = unsum(s[1], (1U << 20) - i, 1U << 20);
}

static void swapped_words(const __u64 *s, __u32 i, __u64 *k)
{
	__u32 x = 0x10001 * (i / 2 + 1), y = 0x7654321 ^ i / 2;

	k[i & 1] = unsum(s[i & 1], x, y); /* the two products trade places */
	k[!(i & 1)] = unsum(s[!(i & 1)], y | 1, x | 1);
}

static const struct {
	const char *name;
	void (*key)(const __u64 *s, __u32 i, __u64 *k);
	__u32 n, collide; /* keys, and how many of them collide at home */
} attack[] = {
	{"a factor of zero", zero_factor, 100000, 99999},
	{"powers of two moved between factors", moved_factor, 31 * 31, 31 * 31 - 1},
	{"a sum moved between words", moved_sum, 100000, 99999},
	{"products that trade places", swapped_words, 100000, 50000},
};

Test(hash, constructed_collisions_do_not_travel)
{
	struct rnd r = rnd_new("hash/constructed_collisions_do_not_travel");
	enum { OTHERS = 7 };
	static __u64 h[100000], buckets[100000];
	__u64 home[CXLT_KEY_MAX], other[CXLT_KEY_MAX], same[OTHERS], crowd[OTHERS];

	new_secrets(&r, home);
	for (size_t a = 0; a < sizeof(attack) / sizeof(attack[0]); a++) {
		for (int o = -1; o < OTHERS; o++) {
			__u64 secret = rnd_next(&r);

			new_secrets(&r, other);
			for (__u32 i = 0; i < attack[a].n; i++) {
				__u64 k[2];

				attack[a].key(home, i, k);
				h[i] = cxlt_exact_hash(o < 0 ? home : other, secret, k, 2);
				buckets[i] = h[i] & 0xfffff;
			}
			if (o < 0) {
				cr_expect_geq(equal_neighbours(h, attack[a].n), attack[a].collide,
					      "%s: the attack itself fails", attack[a].name);
				continue;
			}
			same[o] = equal_neighbours(h, attack[a].n);
			crowd[o] = equal_neighbours(buckets, attack[a].n);
		}
		qsort(same, OTHERS, sizeof(*same), by_value);
		qsort(crowd, OTHERS, sizeof(*crowd), by_value);
		cr_expect_leq(same[OTHERS / 2], 4, "%s: %llu hashes are equal elsewhere",
			      attack[a].name, same[OTHERS / 2]);
		/* 100,000 keys in 2^20 buckets share about 4,600. */
		cr_expect_leq(crowd[OTHERS / 2], attack[a].n / 12 + 16, "%s: %llu share a bucket",
			      attack[a].name, crowd[OTHERS / 2]);
	}
}

Test(hash, secrets_of_each_word_matter)
{
	struct rnd r = rnd_new("hash/secrets_of_each_word_matter");
	__u64 secrets[CXLT_KEY_MAX], key[CXLT_KEY_MAX], h, save;

	new_secrets(&r, secrets);
	for (int i = 0; i < CXLT_KEY_MAX; i++)
		key[i] = rnd_next(&r);
	h = cxlt_exact_hash(secrets, 1, key, CXLT_KEY_MAX);
	for (int i = 0; i < CXLT_KEY_MAX; i++) {
		save = secrets[i];
		secrets[i] ^= 1;
		cr_expect_neq(cxlt_exact_hash(secrets, 1, key, CXLT_KEY_MAX), h);
		secrets[i] = save;
		save = key[i];
		key[i] ^= 1ULL << 63;
		cr_expect_neq(cxlt_exact_hash(secrets, 1, key, CXLT_KEY_MAX), h);
		key[i] = save;
	}
	cr_expect_neq(cxlt_exact_hash(secrets, 2, key, CXLT_KEY_MAX), h);
}
