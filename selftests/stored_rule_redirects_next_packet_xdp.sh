#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Claim: the first packet after add-flow returned obeys the rule, in XDP; the one before it was dropped as a
# table miss. The same when the rule is deleted.
. "$(dirname "$0")/lib.sh"

hosts_add 2
s=
slice_add s
cxltab attach "$s" "${PORT[0]}" --port 1
cxltab attach "$s" "${PORT[1]}" --port 2

# pings COUNT: how many of COUNT pings, each alone, are answered
pings() {
	local i ok=0
	for ((i = 0; i < $1; i++)); do
		! in_ns "${HOST[0]}" ping -q -n -c 1 -W 1 "${IP[1]}" >/dev/null || ok=$((ok + 1))
	done
	echo "$ok"
}

assert_eq "$(pings 1)" 0 "answers without a rule"
cxltab add-flow "$s" in_port=2,actions=output:1
for i in 1 2 3 4 5; do
	cxltab add-flow "$s" "in_port=1,icmp,nw_dst=${IP[1]},actions=output:2"
	assert_eq "$(pings 1)" 1 "answer to the first ping after add-flow, round $i"
	cxltab del-flows "$s" in_port=1
	assert_eq "$(pings 1)" 0 "answers after del-flows, round $i"
done

cxltab status "$s" --json >status.json
assert_eq "$(json 'd[0]["ports"][0]["xdp"]["reasons"]["rule"]' <status.json)" 5 "packets of rules on port 1, XDP"
assert_ge "$(json 'd[0]["ports"][0]["xdp"]["reasons"]["table_miss"]' <status.json)" 6 "table misses on port 1"
assert_eq "$(json 'd[0]["ports"][1]["xdp"]["tx_packets"]' <status.json)" 5 "packets sent by port 2, XDP"
assert_eq "$(json 'sum(p["tc"]["rx_packets"] for p in d[0]["ports"])' <status.json)" 0 "packets that TC saw"
