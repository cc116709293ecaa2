#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Claim: kill -9 of a bundle, wherever it is, leaves all of it or nothing to readers at once, and nothing behind
# for the next writer.
# Timeout: 120
. "$(dirname "$0")/lib.sh"

for ((i = 0; i < 20000; i++)); do
	echo "table=$((i % 4)),priority=$((i % 9)),ip,nw_dst=10.0.$((i >> 8)).$((i & 255)),actions=output:1"
done >old
sed 's/output:1/dec_ttl,output:2/; s/^table=3,priority=8/table=5,priority=8/' old >new
cxltab slice create ./S
cxltab replace-flows ./S old
# How long one takes, in us: the kills are spread from a third of it to well beyond.
start=${EPOCHREALTIME/./}
cxltab replace-flows ./S new
took=$((${EPOCHREALTIME/./} - start))
note "a bundle takes $took us"

now=new next=old whole=0
for ((i = 0; i < 25; i++)); do
	background log "$CXLTAB" replace-flows ./S "$next"
	wait_us=$((took * (30 + i * 6) / 100))
	sleep "$(printf '%d.%06d' $((wait_us / 1000000)) $((wait_us % 1000000)))"
	stop "$PID" KILL 2>/dev/null && ended=yes || ended=no
	if cxltab diff-flows ./S "$next" >/dev/null; then
		whole=$((whole + 1))
		t=$now now=$next next=$t
	else
		[ "$ended" = no ] || fail "round $i: it ended well, but changed nothing"
		cxltab diff-flows ./S "$now" | head -n 5 >differences || :
		assert_eq "$(cat differences)" "" "round $i: what a dead bundle changed"
	fi
done
note "killed 25 times: $whole were whole by then, $((25 - whole)) changed nothing"
assert_ge 24 "$whole" "bundles that had ended when they were killed, at most"
assert_ge "$whole" 1 "bundles that had ended when they were killed"

cxltab replace-flows ./S "$next"
cxltab diff-flows ./S "$next"
cxltab slice check ./S
