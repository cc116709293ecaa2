#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Claim: nicsim forwards by the rules that the host's programs read, from the same slice: what the device
# can do it does and counts on its own lines, the rest goes to the host as it came, and leaves by its port.
. "$(dirname "$0")/lib.sh"

hosts_add 2
reps_add 2
slice=
slice_add slice
cxltab add-flows "$slice" - <<-END
	cookie=1,priority=10,in_port=1,actions=output:2
	cookie=2,priority=10,in_port=2,actions=output:1
	cookie=3,priority=20,icmp,in_port=1,icmp_type=8,nw_tos=4,actions=output:2,controller
END
cxltab load "$slice"
cxltab attach "$slice" "${REP[0]}" --port 1
cxltab attach "$slice" "${REP[1]}" --port 2
background nicsim.log "$NICSIM" run --slice "$slice" --port "1=${PORT[0]}" --rep "1=${NICREP[0]}" \
	--port "2=${PORT[1]}" --rep "2=${NICREP[1]}"
nic=$PID
eventually 5 grep -q serving nicsim.log

ping_ok 0 1 10
in_ns "${HOST[0]}" ping -6 -q -c 5 -i 0.05 -W 2 "${IP6[1]}"
stats() { nicsim stats --slice "$slice" --interval 0 --json | json "$1"; }
assert_ge "$(stats 'd["ports"][0]["net"]["rx_packets"]')" 15 "packets from port 1"
assert_ge "$(stats 'd["mat"]["hits"]')" 10 "MAT hits"
assert_eq "$(stats 'd["ports"][0]["rep"]["tx_packets"]')" 0 "punts before there is a host-only rule's packet"

# TOS 4 meets the rule that only the host can carry out.
in_ns "${HOST[0]}" ping -q -c 7 -i 0.05 -W 2 -Q 4 "${IP[1]}"
assert_eq "$(stats 'd["ports"][0]["net"]["punt_reasons"]["dev_action"]')" 7 "punts"
assert_eq "$(stats 'd["ports"][0]["rep"]["tx_packets"]')" 7 "packets to the representor"
assert_eq "$(stats 'd["ports"][1]["rep"]["rx_packets"]')" 7 "packets from the other representor"

# Counted where they were executed, and nowhere else. nicsim counts at the end of a round.
counted() {
	cxltab dump-flows "$slice" "cookie=$1/-1" --json | json "d[0]['host']['packets'], d[0]['device']['packets']"
}
assert_eq "$(counted 3)" "[7, 0]" "packets of the host-only rule"
assert_match "$(counted 1)" '^\[0, 1[5-9]\]$' "packets of the rule for port 1"
assert_match "$(counted 2)" '^\[0, 2[2-9]\]$' "packets of the rule for port 2"
stop "$nic"
assert_match "$(cat nicsim.log)" stopped "clean stop"
refuses 1 nicsim stats --slice "$slice"
assert_match "$OUTPUT" "no nicsim serves this slice" "statistics after a clean stop"
