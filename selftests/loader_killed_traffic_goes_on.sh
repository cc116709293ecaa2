#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Claim: kill -9 of a loader at any moment, while it stores, changes or deletes rules or replaces the programs,
# costs running traffic not one packet; the next loader repairs what the dead one left, and the slice is sound.
# Timeout: 120
. "$(dirname "$0")/lib.sh"

traffic=$selftests/../scripts/demo_traffic.py
seed=${SEED:-$RANDOM}
note "SEED=$seed"
RANDOM=$seed

hosts_add 2
slice=
slice_add slice
cxltab add-flow "$slice" 'priority=10,in_port=1,actions=output:2'
cxltab add-flow "$slice" 'priority=10,in_port=2,actions=output:1'
cxltab attach "$slice" "${PORT[0]}" --port 1
cxltab attach "$slice" "${PORT[1]}" --port 2

# Rules of other packets, above the ones in use: each lookup passes by them.
awk 'BEGIN {
	for (i = 0; i < 30000; i++)
		printf "cookie=7,priority=%d,tcp,nw_src=172.16.%d.%d/%d,actions=output:2\n",
			20 + i % 5, i / 256 % 256, i % 256, 29 + i % 4
}' >many.flows

background receive.log nsenter --net="/run/netns/${HOST[1]}" "$PYTHON" "$traffic" udp-receive 7 "$TMP/received" \
	--until "$TMP/sent"
receiver=$PID
eventually 10 test -e received.ready
background send.log nsenter --net="/run/netns/${HOST[0]}" "$PYTHON" "$traffic" udp-send "${IP[1]}" 7 "$TMP/sent" \
	--until "$TMP/stop" --count 1000000 --rate 2000
sender=$PID

# killed COMMAND...: runs a loader and kills it at a random moment of its first 60 ms
killed() {
	background loader.log "$@"
	sleep "0.0$((RANDOM % 60 + 10))"
	kill -9 "$PID" 2>/dev/null || :
	wait "$PID" 2>/dev/null && return
	kills=$((kills + 1))
}

handoffs() { cxltab slice show "$slice" --json | json 'd["lock_handoffs"]'; }

kills=0
for ((i = 0; i < 20; i++)); do
	killed "$CXLTAB" add-flows "$slice" "$TMP/many.flows"
	killed "$CXLTAB" mod-flows "$slice" 'cookie=7/-1,actions=output:1'
	killed "$CXLTAB" load "$slice"
	killed "$CXLTAB" del-flows "$slice" 'cookie=7/-1'
	cxltab del-flows "$slice" 'cookie=7/-1'
	cxltab slice check "$slice"
	kill -0 "$sender" || fail "the sender has ended: $(cat send.log)"
done
: >stop
wait "$sender" || fail "the sender failed: $(cat send.log)"
wait "$receiver" || fail "the receiver failed: $(cat receive.log)"
sent=$(json 'd["sent"]' <sent)
note "$kills loaders killed, $(handoffs) of them while they held the lock; $sent packets sent"
assert_ge "$kills" 20 "loaders that were killed before they had ended"
assert_ge "$(handoffs)" 1 "locks taken over from the dead"
assert_eq "$(json 'd["received"]' <received) $(json 'd["distinct"]' <received)" "$sent $sent" "packets received, distinct"
ping_ok 0 1
