#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Claim: in mode tc the first packet after add-flow returned obeys the rule; the hosts' offloads stay on, and
# super-packets are counted as the packets that they are on the wire.
. "$(dirname "$0")/lib.sh"

hosts_add 2
s=
slice_add s
for i in 0 1; do
	before=$("$PYTHON" "$selftests/frames.py" features "${HOST[i]}" eth0)
	cxltab attach "$s" "${PORT[i]}" --port $((i + 1)) --mode tc
	assert_eq "$("$PYTHON" "$selftests/frames.py" features "${HOST[i]}" eth0)" "$before" "offloads of host $i"
done

one_ping() {
	in_ns "${HOST[0]}" ping -q -n -c 1 -W 1 "${IP[1]}" >/dev/null
}
refuses 1 one_ping
cxltab add-flow "$s" in_port=2,actions=output:1
for i in 1 2 3 4 5; do
	cxltab add-flow "$s" "in_port=1,icmp,nw_dst=${IP[1]},actions=output:2"
	one_ping
	cxltab del-flows "$s" in_port=1
	refuses 1 one_ping
done
assert_eq "$(cxltab status "$s" --json | json 'd[0]["ports"][0]["tc"]["reasons"]["rule"]')" 5 "packets of rules"

# 20 MB by TCP: the kernel hands TC up to 64 KiB at once, the wire has at most 1514.
cat >sink.py <<'END'
import socket, sys
s = socket.create_server((sys.argv[1], 80))
print("ready", flush=True)
c, _ = s.accept()
n = 0
while data := c.recv(1 << 20):
    n += len(data)
print(n, flush=True)
END
cxltab del-flows "$s"
cxltab add-flow "$s" in_port=1,actions=output:2
cxltab add-flow "$s" in_port=2,actions=output:1
background sink.log in_ns "${HOST[1]}" "$PYTHON" sink.py "${IP[1]}"
eventually 5 grep -q ready sink.log
in_ns "${HOST[0]}" "$PYTHON" -c '
import socket, sys
c = socket.create_connection((sys.argv[1], 80), 5)
c.sendall(bytes(20000000))' "${IP[1]}"
eventually 20 grep -q 20000000 sink.log

read -r packets bytes < <(cxltab dump-ports "$s" --json | json '"%d %d" % (d["ports"][0]["host"]["rx_packets"], d["ports"][0]["host"]["rx_bytes"])')
note "$packets packets, $bytes bytes, $((bytes / packets)) a packet"
assert_ge "$packets" 13700 "packets of 20 MB on the wire"
assert_ge 1514 $((bytes / packets)) "bytes of a packet"
assert_ge "$bytes" $((20000000 + 13700 * 54)) "bytes on the wire, each packet's headers included"
read -r flow_packets flow_bytes < <(cxltab dump-flows "$s" in_port=1 | sed 's/.*n_packets=\([0-9]*\).*n_bytes=\([0-9]*\).*/\1 \2/')
assert_ge "$flow_packets" 13700 "packets of the rule"
assert_ge "$flow_bytes" $((20000000 + 13700 * 54)) "bytes of the rule"
