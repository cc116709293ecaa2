#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# totals.sh FILE...: sums up files that hold "PASSED FAILED SKIPPED" and prints the closing line.
set -eu
cat "$@" | awk '{ p += $1; f += $2; s += $3 }
	END { printf "%d passed, %d failed, %d skipped\n", p, f, s; exit f > 0 }'
