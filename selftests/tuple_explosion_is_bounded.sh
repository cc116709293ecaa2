#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Claim: masks that can't match cost next to nothing; a table takes as many masks as --tuples says and names
# the way out for the next one; a packet that all of them are probed for, by rules made for that, ends at
# --budget: dropped on the host, handed over by the NIC, with its reason.
# Timeout: 120
. "$(dirname "$0")/lib.sh"

# masks FIRST LAST SRC DST: a flow for each combination of prefix lengths, counted from 0
masks() {
	awk -v first="$1" -v last="$2" -v src="$3" -v dst="$4" 'BEGIN {
		for (i = first; i <= last; i++)
			printf "priority=%d,ip,nw_src=%s/%d,nw_dst=%s/%d,actions=output:2\n",
				10 + i, src, 32 - i % 16, dst, 32 - int(i / 16)
	}'
}


cxltab slice create ./few --tuples 8
masks 0 7 10.10.10.10 99.99.99.99 >eight
cxltab add-flows ./few eight
masks 8 8 10.10.10.10 99.99.99.99 >ninth
refuses 1 cxltab add-flows ./few ninth
assert_match "$OUTPUT" 'table 0 has 8 different masks.*--tuples' "the error of the ninth mask"
assert_eq "$(cxltab dump-flows ./few --no-stats | wc -l)" 8 "flows after that"

# Benign: none of 256 masks has the packet's addresses.
cxltab slice create ./benign
masks 0 255 172.16.0.1 192.168.0.1 >flows
cxltab add-flows ./benign flows
cxltab slice check ./benign
cxltab trace ./benign "in_port=1,tcp,nw_src=10.10.10.10,nw_dst=20.20.20.20" >benign.trace
note "$(grep -m 1 'probed' benign.trace)"
assert_ge 16 "$(sed -n 's/.*: \([0-9]*\) tuples* probed.*/\1/p' benign.trace | head -1)" "tuples probed of 256"

# Made for the worst case: each address is there in each mask, with another one of the other side.
for name in "enough 8192" "little 100"; do
	read -r slice budget <<<"$name"
	cxltab slice create "./$slice" --budget "$budget"
	{ masks 0 255 10.10.10.10 99.99.99.99; masks 0 255 88.88.88.88 20.20.20.20; } >flows
	cxltab add-flows "./$slice" flows
	cxltab trace "./$slice" "in_port=1,tcp,nw_src=10.10.10.10,nw_dst=20.20.20.20" >"$slice.trace"
	note "$slice: $(grep -m 1 'probed' "$slice.trace")"
done
assert_ge "$(sed -n 's/.*: \([0-9]*\) tuples* probed.*/\1/p' enough.trace | head -1)" 200 "tuples probed of 256"
assert_match "$(cat enough.trace)" 'table_miss' "the result within the budget"
assert_match "$(cat little.trace)" 'overbudget.*budget|budget.*overbudget' "the host's result beyond it"
assert_match "$(cat little.trace)" 'punt.*budget|budget.*punt' "the device's result beyond it"
