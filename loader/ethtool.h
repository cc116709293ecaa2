/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ethtool.h - a device's features ("tx-checksum-ip-generic"), read and set by name.
 *
 * Errors: 0 or -errno; silent.
 */
#ifndef CXLTAB_LOADER_ETHTOOL_H
#define CXLTAB_LOADER_ETHTOOL_H

#include <stdbool.h>
#include <stddef.h>

enum {
	FEATURE_NAME = 32,
	FEATURES_MAX = 16,
};

/* One feature and its wanted state. */
struct feature {
	char name[FEATURE_NAME];
	bool on;
};

/*
 * What of device `dev`, in the present namespace, differs from want[]: differ[] receives it, with
 * the present states.  Features that the device doesn't know are skipped.
 */
int ethtool_compare(const char *dev, const struct feature *want, size_t n, struct feature *differ,
		    size_t *n_differ);
/*
 * Brings the features to what want[] says.  -EOPNOTSUPP if one stays what it was; *stuck is its
 * index in want[].
 */
int ethtool_set(const char *dev, const struct feature *want, size_t n, size_t *stuck);

#endif
