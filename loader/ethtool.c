// SPDX-License-Identifier: Apache-2.0
/* Device features by SIOCETHTOOL. */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/ethtool.h>
#include <linux/sockios.h>

#include "ethtool.h"

enum {
	BITS_MAX = 256, /* features of a kernel; 6.18 has 64 */
	BLOCKS_MAX = BITS_MAX / 32,
};

struct names {
	__u32 n;
	char name[BITS_MAX][ETH_GSTRING_LEN];
};

static int call(int fd, const char *dev, void *data)
{
	struct ifreq req = {0};
	int rc;

	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", dev);
	req.ifr_data = data;
	rc = ioctl(fd, SIOCETHTOOL, &req);
	return rc < 0 ? -errno : rc;
}

static int get_names(int fd, const char *dev, struct names *out)
{
	union {
		struct ethtool_sset_info info;
		char room[sizeof(struct ethtool_sset_info) + 4];
	} count = {.info = {.cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1 << ETH_SS_FEATURES}};
	union {
		struct ethtool_gstrings strings;
		char room[sizeof(struct ethtool_gstrings) + sizeof(out->name)];
	} text = {.strings = {.cmd = ETHTOOL_GSTRINGS, .string_set = ETH_SS_FEATURES}};
	int rc = call(fd, dev, &count);

	if (rc)
		return rc;
	out->n = count.info.sset_mask ? count.info.data[0] : 0;
	if (!out->n || out->n > BITS_MAX)
		return -EOPNOTSUPP;
	text.strings.len = out->n;
	rc = call(fd, dev, &text);
	if (!rc)
		memcpy(out->name, text.strings.data, sizeof(out->name));
	return rc;
}

static int find(const struct names *names, const char *name)
{
	__u32 i;

	for (i = 0; i < names->n; i++)
		if (!strncmp(names->name[i], name, ETH_GSTRING_LEN))
			return (int)i;
	return -1;
}

/* As struct ethtool_gfeatures, with room. */
struct bits {
	__u32 cmd, size;
	struct ethtool_get_features_block block[BLOCKS_MAX];
};

static int get_bits(int fd, const char *dev, const struct names *names, struct bits *out)
{
	out->cmd = ETHTOOL_GFEATURES;
	out->size = (names->n + 31) / 32;
	return call(fd, dev, out);
}

static bool is_on(const struct bits *now, int bit)
{
	return now->block[bit / 32].active >> (bit & 31) & 1;
}

/* A device's names and bits. */
struct device {
	int fd;
	const char *name;
	struct names names;
	struct bits now;
};

static int open_device(const char *dev, struct device **out)
{
	struct device *d = calloc(1, sizeof(*d));
	int rc;

	if (!d)
		return -ENOMEM;
	d->name = dev;
	d->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	rc = d->fd < 0 ? -errno : get_names(d->fd, dev, &d->names);
	if (!rc)
		rc = get_bits(d->fd, dev, &d->names, &d->now);
	if (rc && d->fd >= 0)
		close(d->fd);
	if (rc)
		free(d);
	else
		*out = d;
	return rc;
}

static void close_device(struct device *d)
{
	close(d->fd);
	free(d);
}

int ethtool_compare(const char *dev, const struct feature *want, size_t n, struct feature *differ,
		    size_t *n_differ)
{
	struct device *d;
	int rc = open_device(dev, &d);
	size_t i;

	*n_differ = 0;
	if (rc)
		return rc;
	for (i = 0; i < n && *n_differ < FEATURES_MAX; i++) {
		int bit = find(&d->names, want[i].name);

		if (bit < 0 || is_on(&d->now, bit) == want[i].on)
			continue;
		differ[*n_differ] = want[i];
		differ[(*n_differ)++].on = !want[i].on;
	}
	close_device(d);
	return 0;
}

static int set(struct device *d, const struct feature *want, size_t n, size_t *stuck)
{
	struct { /* as struct ethtool_sfeatures, with room */
		__u32 cmd, size;
		struct ethtool_set_features_block block[BLOCKS_MAX];
	} request = {.cmd = ETHTOOL_SFEATURES, .size = (d->names.n + 31) / 32};
	size_t i;
	int rc;

	for (i = 0; i < n; i++) {
		int bit = find(&d->names, want[i].name);

		if (bit < 0)
			continue;
		request.block[bit / 32].valid |= 1u << (bit & 31);
		request.block[bit / 32].requested |= (__u32)want[i].on << (bit & 31);
	}
	rc = call(d->fd, d->name, &request);
	if (rc >= 0)
		rc = get_bits(d->fd, d->name, &d->names, &d->now);
	for (i = 0; i < n && !rc; i++) {
		int bit = find(&d->names, want[i].name);

		if (bit < 0 || is_on(&d->now, bit) == want[i].on)
			continue;
		*stuck = i;
		rc = -EOPNOTSUPP;
	}
	return rc;
}

int ethtool_set(const char *dev, const struct feature *want, size_t n, size_t *stuck)
{
	struct device *d;
	int rc = open_device(dev, &d);

	*stuck = 0;
	if (rc)
		return rc;
	rc = set(d, want, n, stuck);
	close_device(d);
	return rc;
}
