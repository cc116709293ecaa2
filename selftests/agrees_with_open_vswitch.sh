#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Claim: Open vSwitch, given the same flow file and the same packets, sends the same bytes to the same ports
# in the same order, and counts the same packets and bytes for each flow.
# SEED= and TABLES= choose other tables than the usual ones.
# Timeout: 180
. "$(dirname "$0")/lib.sh"

for tool in ovsdb-server ovs-vswitchd ovs-ofctl ovs-vsctl; do
	command -v "$tool" >/dev/null || skip "no $tool (make test-deps)"
done

# The usual ones, and as many that nobody has seen before.
for seed in ${SEED:-1 $((RANDOM * 32768 + RANDOM))}; do
	note "SEED=$seed"
	mkdir "$TMP/$seed"
	"$PYTHON" -B "$selftests/../tests/ovs/agree.py" "$TMP/$seed" --seed "$seed" --tables "${TABLES:-40}"
done
