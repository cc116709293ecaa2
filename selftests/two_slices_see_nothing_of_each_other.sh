#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Claim: two slices on one machine, with the same port numbers, share nothing: no packet, rule, counter or port of
# one is seen by the other, and unloading one leaves the other at work.
. "$(dirname "$0")/lib.sh"

hosts_add 4
a='' b=''
slice_add a
slice_add b
# a's ports 1 and 2 are hosts 0 and 1, b's are hosts 2 and 3.
for i in 0 1; do
	cxltab attach "$a" "${PORT[i]}" --port $((i + 1))
	cxltab attach "$b" "${PORT[i + 2]}" --port $((i + 1))
done
frame=ffffffffffff02000000000188b5$(printf '%092d' 0)

# reached FROM TO: frames that arrive at host TO of 20 that host FROM sends
reached() {
	"$PYTHON" "$selftests/frames.py" count "${HOST[$2]}" eth0 "$frame" -- \
		"$PYTHON" "$selftests/frames.py" send "${HOST[$1]}" eth0 "$frame" 20
}
# seen SLICE: packets that its ports sent, and those that obeyed a rule (its hosts' own chatter obeys none)
seen() {
	cxltab dump-ports "$1" --json |
		json 'sum(p["host"]["tx_packets"] + p["host"]["reasons"].get("rule", 0) for p in d["ports"])'
}

cxltab add-flow "$a" dl_type=0x88b5,actions=flood
assert_eq "$(reached 0 1) $(reached 0 2) $(reached 0 3)" "20 0 0" "copies of a's flood at hosts 1, 2, 3"
assert_eq "$(reached 2 0) $(reached 2 1) $(reached 2 3)" "0 0 0" "packets of b, which has no rules"
assert_eq "$(seen "$a") $(seen "$b")" "120 0" "packets that a and b counted (three times 20, in and out)"
assert_eq "$(cxltab dump-flows "$b" | grep -c actions || :)" 0 "rules in b"

refuses 1 cxltab attach "$b" "${PORT[0]}" --port 9
assert_match "$OUTPUT" "${PORT[0]} is port 1 of slice $a already" "attaching a port of a to b"
refuses 1 cxltab attach "$b" "${PORT[0]}" --port 9 --mode tc
assert_match "$OUTPUT" "port 1 of slice $a" "attaching a port of a to b in mode tc"

cxltab add-flow "$b" dl_type=0x88b5,in_port=1,actions=output:2
cxltab unload "$a"
assert_eq "$(reached 2 3) $(reached 2 0)" "20 0" "packets through b after a was unloaded"
