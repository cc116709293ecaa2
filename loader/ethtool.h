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
 * Brings the features of device `dev`, in the present namespace, to what want[] says.  Features
 * that the device doesn't know are skipped.  changed[] receives what was changed, with the old
 * states.  -EOPNOTSUPP if one stays what it was; *stuck is its index in want[].
 */
int ethtool_set(const char *dev, const struct feature *want, size_t n, struct feature *changed,
		size_t *n_changed, size_t *stuck);

#endif
