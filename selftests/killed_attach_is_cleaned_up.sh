#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Claim: whenever attach, load or detach is killed, the next command works, and detach brings the devices back to
# what they were before the first one.
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
