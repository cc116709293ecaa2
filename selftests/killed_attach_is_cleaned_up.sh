#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Claim: whenever attach, load or detach is killed, the next command works, and detach brings the devices back to
# what they were before the first one. A port whose device vanished makes room for the next one.
. "$(dirname "$0")/lib.sh"

hosts_add 2
s=''
slice_add s
cxltab add-flow "$s" actions=flood

features() {
	"$PYTHON" "$selftests/frames.py" features "${HOST[0]}" eth0
}
before=$(features)

# killed_after MICROSECONDS COMMAND...: starts it and kills it then; 0 if it was in time
cat >killed_after.py <<'END'
import os, signal, subprocess, sys, time
p = subprocess.Popen(sys.argv[2:], stderr=subprocess.DEVNULL)
time.sleep(int(sys.argv[1]) / 1e6)
p.send_signal(signal.SIGKILL)
sys.exit(p.wait() != -signal.SIGKILL)
END

RANDOM=${SEED:=$((EPOCHSECONDS % 32768))}
note "SEED=$SEED"
killed=0
for ((round = 0; round < 24; round++)); do
	# Half of them from nothing, when attach has to load as well.
	[ $((round % 2)) = 0 ] || cxltab load "$s" 2>/dev/null
	! "$PYTHON" killed_after.py $((RANDOM * 10)) "$CXLTAB" attach "$s" "${PORT[0]}" --port 1 || killed=$((killed + 1))
	case $((round % 3)) in
	0) # Another try with the same port, or with another number.
		cxltab attach "$s" "${PORT[0]}" --port $((1 + round % 2)) >>log 2>&1 ||
			assert_match "$(tail -n 1 log)" "is port 1 of slice|port 1 is" "the second attach"
		;;
	1) ! "$PYTHON" killed_after.py $((RANDOM / 2)) "$CXLTAB" detach "$s" "${PORT[0]}" || killed=$((killed + 1)) ;;
	esac
	cxltab attach "$s" "${PORT[1]}" --port 5 >>log 2>&1
	cxltab unload "$s"
	assert_eq "$(features)" "$before" "the peer after round $round"
	assert_eq "$(cxltab status "$s" --json | json 'd[0]["loaded"]')" false "programs after round $round"
	cxltab slice check "$s"
done
note "$killed of 32 were killed"
cxltab attach "$s" "${PORT[0]}" --port 1 2>/dev/null
cxltab attach "$s" "${PORT[1]}" --port 2 2>/dev/null
ping_ok 0 1

ifindex() { ip -j link show "$1" | json 'd[0]["ifindex"]'; }
for mode in native tc; do
	cxltab detach "$s" --port 2
	cxltab attach "$s" "${PORT[1]}" --port 2 --mode $mode 2>/dev/null
	gone=$(ifindex "${PORT[1]}")
	ip link del "${PORT[1]}"
	veth_add . "${PORT[1]}" "${HOST[1]}" eth0
	in_ns "${HOST[1]}" ip link set eth0 address "${MAC[1]}"
	in_ns "${HOST[1]}" ip address add "${IP[1]}/24" dev eth0
	in_ns "${HOST[1]}" ip neighbour replace "${IP[0]}" lladdr "${MAC[0]}" dev eth0 nud permanent
	# What refuses for another reason, or by a living port, leaves it be.
	refuses 1 cxltab attach "$s" "${PORT[0]}" --port 2
	assert_match "$OUTPUT" "^cxltab: ${PORT[0]} is port 1 of slice $s already$" "a device that is attached"
	refuses 1 cxltab attach "$s" "${PORT[1]}" --port 1
	assert_match "$OUTPUT" "^cxltab: $s: port 1 is ${PORT[0]} already$" "a port that lives"
	cxltab attach "$s" "${PORT[1]}" --port 2 --mode $mode 2>said
	assert_match "$(cat said)" "^cxltab: $s: cleaned up port 2, whose ${PORT[1]} isn't attached any more" "what attach says"
	[ "$(ifindex "${PORT[1]}")" != "$gone" ] || fail "the new device has the old one's number"
	for map in devices ports; do
		assert_eq "$("$BPFTOOL" -j map dump pinned "/sys/fs/bpf/cxltab/$s/$map" | json 'len(d)')" 2 "entries of $map"
	done
	ping_ok 0 1
done
