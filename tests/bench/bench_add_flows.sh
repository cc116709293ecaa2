#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# How fast a file of flows is installed: `cxltab add-flows` into an arena, parsing and attaching included,
# beside `tc -batch` with u32 filters for the same matches (hashed into 256 buckets, its best form). Rounds
# alternate; medians are compared. Everything happens in private namespaces.
set -eu -o pipefail

if [ -z "${BENCH_PRIVATE:-}" ]; then
	[ "$(id -u)" = 0 ] || { echo "needs root" >&2 && exit 1; }
	BENCH_PRIVATE=1 exec unshare --net --mount --propagation private --pid --fork --kill-child --mount-proc \
		-- "$BASH" "$0" "$@"
fi
mount -t tmpfs -o mode=0755 none /run
mount -t bpf -o mode=0700 none /sys/fs/bpf
cd /run
ip link set lo up

n=100000 n_tc=100000 rounds=5
[ "${BENCH_SIZE:-full}" = full ] || { n=20000 n_tc=5000 && rounds=3; }
CXLTAB=${CXLTAB:-${BUILD:-build}/cxltab}
trap '"$CXLTAB" slice destroy bench >/dev/null 2>&1 || :' EXIT

awk -v n="$n" 'BEGIN {
	for (i = 0; i < n; i++)
		printf "priority=100,ip,nw_src=10.%d.%d.%d,nw_dst=192.168.%d.%d,actions=output:%d\n",
			i / 65536, i / 256 % 256, i % 256, i / 256 % 256, i % 256, i % 8 + 1
}' >flows.txt
awk -v n="$n_tc" 'BEGIN {
	print "qdisc add dev lo ingress"
	print "filter add dev lo ingress prio 1 handle 1: protocol ip u32 divisor 256"
	for (i = 0; i < n; i++)
		printf "filter add dev lo ingress prio 1 protocol ip u32 ht 1:%x: match ip src 10.%d.%d.%d " \
			"match ip dst 192.168.%d.%d classid 1:1\n",
			i % 256, i / 65536, i / 256 % 256, i % 256, i / 256 % 256, i % 256
}' >filters.txt

# seconds COMMAND...
seconds() {
	local start=$EPOCHREALTIME
	"$@" >/dev/null
	awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.6f\n", b - a }'
}

: >ours
: >peer
for ((i = 0; i < rounds; i++)); do
	"$CXLTAB" slice create bench --size 128M
	seconds "$CXLTAB" add-flows bench flows.txt >>ours
	"$CXLTAB" slice destroy bench
	tc qdisc del dev lo ingress 2>/dev/null || :
	seconds tc -batch filters.txt >>peer
	echo "round $((i + 1)): add-flows $(tail -n 1 ours) s, tc $(tail -n 1 peer) s" >&2
done

median() {
	sort -n "$1" | sed -n "$((rounds / 2 + 1))p"
}
awk -v o="$(median ours)" -v p="$(median peer)" -v n="$n" -v m="$n_tc" -v r="$rounds" 'BEGIN {
	ours = n / o
	peer = m / p
	how = sprintf("%d flows from a file, process start, attach and parsing included, against tc -batch of %d " \
		"u32 filters in 256 buckets; medians of %d alternating rounds", n, m, r)
	printf "[{\"name\": \"add-flows\", \"ours\": %.0f, \"peer\": %.0f, \"unit\": \"flows/s\", \"ratio\": %.2f, " \
		"\"floor\": 30, \"how\": \"%s\"},\n", ours, peer, ours / peer, how
	printf " {\"name\": \"add-flows against its floor\", \"ours\": %.0f, \"peer\": 300000, " \
		"\"unit\": \"flows/s\", \"ratio\": %.2f, \"floor\": 1, \"how\": \"the floor of 300,000 flows/s\"}]\n",
		ours, ours / 300000
}' >"${BENCH_JSON:-/dev/stdout}"
