#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Claim: while bundles turn over the rules of two tables, each packet obeys both tables as they were before a
# bundle or both as they are after it, never a mix and never a gap: on XDP, on the NIC, and where bundles move
# connections from the NIC to the host and back. The same changes without a bundle are seen mixed, so that the
# checker would have noticed.
# FLIPS= says how many bundles on each path.
# Timeout: 240
. "$(dirname "$0")/lib.sh"

flips=${FLIPS:-150}
hosts_add 2
S=
slice_add S

# State n, 1 to 31: table 0 writes n to the DSCP, table 1 writes n to the TTL, for each of 64 connections. Who
# finds no rule there gets TTL 99. One state in three is reached by deleting and adding, by replacing, by
# modifying. In host.n all are by deleting and adding, and one in two has rules that not every NIC can match.
cat >states.py <<'END'
import sys
for n in range(1, 32):
    zero, one = f"mod_nw_tos:{4 * n},goto_table:1", f"mod_nw_ttl:{n},output:2"
    with open(f"host.{n}", "w") as f:
        print("delete table=0,cookie=1/-1", "delete table=1,cookie=1/-1", sep="\n", file=f)
        for k in range(5000, 5064):
            more = "metadata=0," if n % 2 and k % 2 else ""
            print(f"cookie=1,table=0,priority=9,in_port=1,udp,tp_src={k},actions={zero}", file=f)
            print(f"cookie=1,table=1,priority={k},{more}udp,tp_src={k},actions={one}", file=f)
    with open(f"state.{n}", "w") as f:
        if n % 3 == 1:
            print("flow delete table=0,cookie=1/-1", "delete table=1,cookie=1/-1", sep="\n", file=f)
        if n % 3 == 2:
            print(f"modify table=0,cookie=1/-1,udp,actions={zero}", file=f)
            print(f"flow modify table=1,cookie=1/-1,udp,actions={one}", file=f)
            continue
        for k in range(5000, 5064):
            print(f"cookie=1,table=0,priority=9,in_port=1,udp,tp_src={k},actions={zero}", file=f)
            print(f"flow add cookie=1,table=1,priority={k},udp,tp_src={k},actions={one}", file=f)
END
"$PYTHON" states.py
cat >miss <<-END
	table=0,priority=0,ip,actions=mod_nw_ttl:99,output:2
	table=1,priority=0,ip,actions=mod_nw_ttl:99,output:2
END
cxltab add-flows "$S" miss
cxltab bundle "$S" state.1

cat >send.py <<'END'
import socket, sys
me, peer = sys.argv[1:]
socks = []
for k in range(5000, 5064):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((me, k))
    s.connect((peer, 9))
    socks.append(s)
while True:
    for s in socks:
        try:
            s.send(b"x")
        except OSError:
            pass
END
# Prints packets that obeyed one state, those that mixed two, those that found no rule, and how many states
# were seen. Ends at SIGTERM.
cat >receive.py <<'END'
import signal, socket
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
s.bind(("eth0", 0x0800))
s.settimeout(0.5)
going = True
def stop(*_):
    global going
    going = False
signal.signal(signal.SIGTERM, stop)
print("ready", flush=True)
buf, states, mixed, missed = bytearray(2048), [0] * 256, 0, 0
while going:
    try:
        s.recv_into(buf)
    except TimeoutError:
        continue
    if buf[23] != 17 or buf[36:38] != b"\0\x09":
        continue
    dscp, ttl = buf[15] >> 2, buf[22]
    if ttl == 99:
        missed += 1
    elif dscp != ttl:
        mixed += 1
    else:
        states[ttl] += 1
print(sum(states), mixed, missed, sum(n > 0 for n in states), flush=True)
END

# flip COMMAND STATE: so many changes of state under traffic; sets whole, mixed, missed, seen.
flip() {
	local i sender receiver
	background receive.log nsenter --net="/run/netns/${HOST[1]}" "$PYTHON" receive.py
	receiver=$PID
	eventually 10 grep -q ready receive.log
	background send.log nsenter --net="/run/netns/${HOST[0]}" "$PYTHON" send.py "${IP[0]}" "${IP[1]}"
	sender=$PID
	for ((i = 0; i < flips; i++)); do
		cxltab "$1" "$S" "$2.$((i % 31 + 1))"
	done
	stop "$sender" || :
	stop "$receiver"
	read -r whole mixed missed seen < <(tail -n 1 receive.log)
	note "$1: $whole packets of $seen states, $mixed mixed, $missed without a rule"
	cxltab slice check "$S"
}

# agrees PATH STATE
agrees() {
	flip bundle "$2"
	assert_eq "$mixed" 0 "$1: packets that saw half of a bundle"
	assert_eq "$missed" 0 "$1: packets that saw a gap in a bundle"
	assert_ge "$whole" 10000 "$1: packets"
	assert_ge "$seen" 20 "$1: states that were seen"
}

cxltab attach "$S" "${PORT[0]}" --port 1
cxltab attach "$S" "${PORT[1]}" --port 2
agrees "XDP" state
flips=50 flip add-flows state
assert_ge $((mixed + missed)) 1 "packets that saw half of a file, without a bundle"
cxltab unload "$S"

cxltab bundle "$S" state.1
background nicsim.log "$NICSIM" run --slice "$S" --port "1=${PORT[0]}" --port "2=${PORT[1]}"
nic=$PID
eventually 5 grep -q serving nicsim.log
agrees "the NIC" state
assert_ge "$(nicsim stats --slice "$S" --interval 0 --json | json 'd["mat"]["hits"]')" 5000 "hits of the NIC's cache"
stop "$nic"

# A NIC without metadata: its host is behind it, by representors.
reps_add 2
slice_add S --profile "$selftests/../nicsim/profiles/l2-l4-nic.profile"
cxltab add-flows "$S" miss
cxltab bundle "$S" host.1
cxltab attach "$S" "${REP[0]}" --port 1
cxltab attach "$S" "${REP[1]}" --port 2
background nicsim.log "$NICSIM" run --slice "$S" --port "1=${PORT[0]}" --rep "1=${NICREP[0]}" \
	--port "2=${PORT[1]}" --rep "2=${NICREP[1]}"
nic=$PID
eventually 5 grep -q serving nicsim.log
agrees "the NIC and the host" host
back=$(nicsim stats --slice "$S" --interval 0 --json | json 'd["ports"][1]["rep"]["rx_packets"]')
note "$back packets came back from the host"
assert_ge "$back" 1000 "packets that went through the host"
stop "$nic"
