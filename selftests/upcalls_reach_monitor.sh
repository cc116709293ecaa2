#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Claim: packets for the controller reach `cxltab monitor` with port, table, cookie and bytes, from XDP and from TC,
# and its pcap; a ring that nobody reads overflows into a counter while traffic goes on.
. "$(dirname "$0")/lib.sh"

hosts_add 3
s=''
slice_add s
cxltab attach "$s" "${PORT[0]}" --port 1
cxltab attach "$s" "${PORT[1]}" --port 2
cxltab attach "$s" "${PORT[2]}" --port 3 --mode tc
frame=02000000000202000000000188b5$(printf '%0172d' 7)

send() {
	"$PYTHON" "$selftests/frames.py" send "$@"
}
# From XDP, cut to 60 bytes; from TC, whole, and with the tag that it has by then.
cxltab add-flows "$s" - <<END
cookie=0x11,priority=5,in_port=1,dl_type=0x88b5,actions=controller(max_len=60),output:2
cookie=0x22,table=0,priority=5,in_port=3,actions=goto_table:3
cookie=0x33,table=3,in_port=3,dl_vlan=9,actions=mod_vlan_vid:10,controller
END

background monitor.log "$CXLTAB" monitor "$s" --json --write up.pcap
monitor=$PID
eventually 5 test -s up.pcap
refuses 2 cxltab monitor "$s" --count 0
refuses 1 cxltab monitor "$s"
assert_match "$OUTPUT" "process $monitor reads the upcalls already" "a second reader"

send "${HOST[0]}" eth0 "$frame" 3
eventually 5 sh -c "[ \$(wc -l <monitor.log) = 3 ]"
tagged=${frame:0:24}81006009${frame:24}
send "${HOST[2]}" eth0 "$tagged" 2
eventually 5 sh -c "[ \$(wc -l <monitor.log) = 5 ]"
stop "$monitor" INT || fail "monitor's status after SIGINT is $?"

json '[d["in_port"], d["table"], d["cookie"], d["reason"], d["path"], d["len"], d["packet"]]' < <(sed -n 1p monitor.log) >xdp.json
assert_eq "$(cat xdp.json)" "[1, 0, \"0x11\", \"rule\", \"xdp\", 100, \"${frame:0:120}\"]" "an upcall of XDP"
json '[d["in_port"], d["table"], d["cookie"], d["reason"], d["path"], d["len"], d["packet"]]' < <(sed -n 4p monitor.log) >tc.json
assert_eq "$(cat tc.json)" "[3, 3, \"0x33\", \"rule\", \"tc\", 104, \"${frame:0:24}8100600a${frame:24}\"]" "an upcall of TC"
tcpdump -n -e -r up.pcap >dump.log 2>/dev/null
assert_eq "$(grep -c 88b5 dump.log)" 5 "packets in the pcap"
assert_eq "$(grep -c "vlan 10, p 3" dump.log)" 2 "tagged packets in the pcap"

# What can't be printed ends it, said once.
send "${HOST[0]}" eth0 "$frame" 1
refuses 1 sh -c "'$CXLTAB' monitor '$s' --count 1 >/dev/full"
assert_eq "$OUTPUT" "cxltab: standard output: No space left on device" "a full disk"

# Nobody reads: 6000 upcalls of 1500 bytes are more than the ring holds; what goes on to a port does so.
cxltab del-flows "$s"
cxltab add-flow "$s" priority=5,in_port=1,actions=controller,output:2
cxltab add-flow "$s" priority=5,in_port=2,actions=controller,output:1
long=${frame:0:28}$(printf '%02972d' 0)
send "${HOST[0]}" eth0 "$long" 6000
ping_ok 0 1 10
cxltab status "$s" --json >status.json
lost=$(json 'd[0]["programs"][0]["upcalls_lost"]' <status.json)
kept=$(json 'sum(p["xdp"]["upcalls"] for p in d[0]["ports"]) - 3' <status.json)
rule=$(json 'sum(p["xdp"]["reasons"]["rule"] for p in d[0]["ports"][:2]) - 3' <status.json)
note "$kept upcalls kept, $lost lost"
assert_ge "$lost" 20 "upcalls lost"
assert_eq $((lost + kept)) "$rule" "upcalls kept and lost, against packets of the rules"
assert_eq "$(json 'sum(p["xdp"]["tx_packets"] for p in d[0]["ports"][:2]) - 3' <status.json)" "$rule" "packets sent"

# A packet that goes nowhere else ends as lost.
cxltab add-flow "$s" priority=6,in_port=1,dl_type=0x88b5,actions=controller
send "${HOST[0]}" eth0 "$long" 10
eventually 5 sh -c "\"$CXLTAB\" status $s --json | grep -q '\"upcall_lost\":10'"

# The one who comes late gets what waits, in order, as far as he wants it.
assert_eq "$(timeout 10 "$CXLTAB" monitor "$s" --count 100 | wc -l)" 100 "packets that had waited"
