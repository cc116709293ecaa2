#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Claim: a rule that didn't fit into the device domain is executed by the host; once it is hot, slice rebalance
# brings it to the NIC, in a cold rule's place, without a lost packet or count.
. "$(dirname "$0")/lib.sh"

hosts_add 2
reps_add 2
slice=
slice_add slice --size 8M --device-size 1200K
cxltab load "$slice"
cxltab attach "$slice" "${REP[0]}" --port 1
cxltab attach "$slice" "${REP[1]}" --port 2

# Rules that nobody uses fill the device domain; the two that count come last.
{
	awk 'BEGIN {
		for (i = 0; i < 6000; i++)
			printf "in_port=9,icmp,nw_dst=11.%d.%d.%d,actions=output:9\n", i / 65536, i / 256 % 256, i % 256
	}'
	echo "in_port=1,icmp,nw_dst=${IP[1]},actions=output:2"
	echo "in_port=2,icmp,nw_dst=${IP[0]},actions=output:1"
} | cxltab add-flows "$slice" -
background nicsim.log "$NICSIM" run --slice "$slice" --port "1=${PORT[0]}" --rep "1=${NICREP[0]}" \
	--port "2=${PORT[1]}" --rep "2=${NICREP[1]}"
eventually 5 grep -q serving nicsim.log

# stats EXPRESSION: of the rule from host 0 to host 1, as r
stats() { cxltab dump-flows "$slice" "in_port=1,icmp,nw_dst=${IP[1]}" --json | json "(lambda r: $1)(d[0])"; }
place() { cxltab slice show "$slice" --json | json "d[\"placement\"][\"$1\"]"; }

assert_eq "$(stats 'r["path_reason"]')" "capacity: the entry is in the host domain" "where the rule lies"
assert_ge "$(place spilled)" 2 "spilled rules"
ping_ok 0 1 20
assert_eq "$(stats '[r["host"]["packets"], r["device"]["packets"]]')" "[20, 0]" "packets by path, before"

# What is younger than a second isn't judged; the program waits for counters where it must.
sleep 1.1
cxltab slice rebalance "$slice" --json | tee pass.json
assert_eq "$(place promotions)" 2 "promotions"
assert_ge "$(place demotions)" 1 "rules that made way"

before=$(stats 'r["packets"]') device=$(stats 'r["device"]["packets"]') host=$(stats 'r["host"]["packets"]')
assert_eq "$(stats 'r["path"]')" device "who can execute the rule now"
ping_ok 0 1 20
assert_eq "$(stats 'r["packets"]')" "$((before + 20))" "packets in all"
assert_eq "$(stats 'r["device"]["packets"]')" "$((device + 20))" "packets that the NIC forwarded"
assert_eq "$(stats 'r["host"]["packets"]')" "$host" "packets that the host forwarded"
# Once more, and nothing is left to do: a hot rule stays.
promotions=$(place promotions)
cxltab slice rebalance "$slice"
assert_eq "$(place promotions)" "$promotions" "promotions when all that is hot is there"
cxltab slice sweep "$slice"
cxltab slice check "$slice"
assert_match "$(cxltab slice show "$slice")" "placement +[0-9]+ rules in the device domain, [0-9]+ spilled" "slice show"
