#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Claim: `cxltab load` replaces the programs under traffic and no packet is lost, doubled or reordered: single
# outputs through XDP, copies through TC.
. "$(dirname "$0")/lib.sh"

hosts_add 3
s=
slice_add s
for i in 0 1 2; do
	cxltab attach "$s" "${PORT[i]}" --port $((i + 1))
done

cat >receive.py <<'END'
"""Receives numbered datagrams until the last one; prints how many came, and how many out of order."""
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
s.bind(("", 7000))
s.settimeout(30)
print("ready", flush=True)
n = wrong = 0
while True:
    number = int.from_bytes(s.recv(64)[:8], "big")
    if number == (1 << 64) - 1:
        break
    wrong += number != n
    n += 1
print("got", n, "wrong", wrong, flush=True)
END
cat >send.py <<'END'
"""Sends numbered datagrams, 2000 a second, until the file `stop` is there; prints how many."""
import os, socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
n, start = 0, time.monotonic()
while not os.path.exists("stop"):
    while n < (time.monotonic() - start) * 2000:
        s.sendto(n.to_bytes(8, "big"), (sys.argv[1], 7000))
        n += 1
    time.sleep(0.002)
s.sendto(b"\xff" * 8, (sys.argv[1], 7000))
print("sent", n, flush=True)
END

# under_traffic ADDRESS HOST...: reloads ten times while host 0 sends; the hosts get all
under_traffic() {
	local to=$1 i sender host
	shift
	rm -f stop
	for host; do
		background "recv$host.log" nsenter --net="/run/netns/${HOST[host]}" "$PYTHON" receive.py
		eventually 5 grep -q ready "recv$host.log"
	done
	background send.log nsenter --net="/run/netns/${HOST[0]}" "$PYTHON" send.py "$to"
	sender=$PID
	for ((i = 0; i < 10; i++)); do
		cxltab load "$s" 2>/dev/null
	done
	touch stop
	wait "$sender"
	for host; do
		eventually 10 grep -q got "recv$host.log"
		assert_eq "$(grep got "recv$host.log")" "got $(sed 's/sent //' send.log) wrong 0" "datagrams at host $host"
	done
	note "$(cat send.log) through 10 reloads"
}

before=$(cxltab status "$s" --json | json 'd[0]["programs"][0]["id"]')
cxltab add-flow "$s" "in_port=1,udp,actions=output:2"
under_traffic "${IP[1]}" 1
assert_eq "$(cxltab status "$s" --json | json 'd[0]["ports"][0]["tc"]["rx_packets"]')" 0 "packets of TC"

cxltab add-flow "$s" "in_port=1,udp,actions=flood"
under_traffic 10.0.0.255 1 2

cxltab status "$s" --json >status.json
after=$(json 'd[0]["programs"][0]["id"]' <status.json)
[ "$before" != "$after" ] || fail "the programs are the old ones"
assert_eq "$(json 'len({p["xdp_prog_id"] for p in d[0]["ports"]}), d[0]["ports"][0]["xdp_prog_id"] == d[0]["programs"][0]["id"]' <status.json)" '[1, true]' "programs of the ports"
