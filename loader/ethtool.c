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

/* The features of want[] that differ become changed[], and a request to set them. */
static void compare(const struct names *names, const struct bits *now, const struct feature *want,
		    size_t n, struct feature *changed, size_t *n_changed,
		    struct ethtool_set_features_block *block)
{
	size_t i;

	for (i = 0; i < n; i++) {
		int bit = find(names, want[i].name);
		__u32 mask = 1u << (bit & 31);

		if (bit < 0 || !!(now->block[bit / 32].active & mask) == want[i].on)
			continue;
		block[bit / 32].valid |= mask;
		block[bit / 32].requested |= want[i].on ? mask : 0;
		changed[*n_changed] = want[i];
		changed[(*n_changed)++].on = !want[i].on;
	}
}

static int verify(const struct names *names, const struct bits *now, const struct feature *want,
		  size_t n, size_t *stuck)
{
	size_t i;

	for (i = 0; i < n; i++) {
		int bit = find(names, want[i].name);

		if (bit < 0 || !!(now->block[bit / 32].active >> (bit & 31) & 1) == want[i].on)
			continue;
		*stuck = i;
		return -EOPNOTSUPP;
	}
	return 0;
}

static int set(int fd, const char *dev, struct names *names, const struct feature *want, size_t n,
	       struct feature *changed, size_t *n_changed, size_t *stuck)
{
	struct { /* as struct ethtool_sfeatures, with room */
		__u32 cmd, size;
		struct ethtool_set_features_block block[BLOCKS_MAX];
	} request = {.cmd = ETHTOOL_SFEATURES};
	struct bits now = {0};
	int rc = get_names(fd, dev, names);

	if (!rc)
		rc = get_bits(fd, dev, names, &now);
	if (rc)
		return rc;
	compare(names, &now, want, n, changed, n_changed, request.block);
	if (!*n_changed)
		return 0;
	request.size = (names->n + 31) / 32;
	rc = call(fd, dev, &request);
	if (rc < 0)
		return rc;
	rc = get_bits(fd, dev, names, &now);
	return rc ? rc : verify(names, &now, want, n, stuck);
}

int ethtool_set(const char *dev, const struct feature *want, size_t n, struct feature *changed,
		size_t *n_changed, size_t *stuck)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc;
	struct names *names = malloc(sizeof(*names));

	*n_changed = 0;
	*stuck = 0;
	if (fd < 0)
		rc = -errno;
	else
		rc = names ? set(fd, dev, names, want, n, changed, n_changed, stuck) : -ENOMEM;
	free(names);
	if (fd >= 0)
		close(fd);
	return rc;
}
