#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Claim: tags that rules push, change and pop are on the wire as tcpdump sees it, through XDP and through TC; two
# tags on a full frame, more than a redirect carries, too.
. "$(dirname "$0")/lib.sh"

hosts_add 2
payload=88b5$(printf '%092d' 0)
macs=020000000002020000000001

# sees HOST FRAME REGEX: host 1 - HOST sends FRAME; tcpdump at HOST prints a line that matches
sees() {
	local to=$1
	: >dump.log
	background dump.log nsenter --net="/run/netns/${HOST[to]}" tcpdump -l -e -n -i eth0 -Q in \
		"ether src 02:00:00:00:00:01 or ether src 02:00:00:00:00:02"
	eventually 15 grep -q listening dump.log
	"$PYTHON" "$selftests/frames.py" send "${HOST[1 - to]}" eth0 "$2"
	# Other frames, if any, don't end it.
	eventually 15 grep -q '88b5' dump.log
	stop "$PID"
	assert_match "$(cat dump.log)" "$3" "what tcpdump sees at host $to ($mode)"
}

for mode in native generic tc; do
	s=
	slice_add s
	cxltab attach "$s" "${PORT[0]}" --port 1 --mode $mode
	cxltab attach "$s" "${PORT[1]}" --port 2 --mode $mode

	cxltab add-flow "$s" "in_port=1,vlan_tci=0x0000,actions=push_vlan:0x8100,mod_vlan_vid:7,mod_vlan_pcp:3,output:2"
	sees 1 "$macs$payload" 'ethertype 802.1Q \(0x8100\).*vlan 7, p 3.*88b5'

	cxltab add-flow "$s" "in_port=1,dl_vlan=7,actions=mod_vlan_vid:4095,output:2"
	sees 1 "${macs}8100a007$payload" 'ethertype 802.1Q \(0x8100\).*vlan 4095, p 5.*88b5'

	cxltab add-flow "$s" "in_port=1,dl_vlan=8,actions=push_vlan:0x88a8,mod_vlan_vid:100,output:2"
	sees 1 "${macs}81000008$payload" 'ethertype 802.1Q-QinQ \(0x88a8\).*vlan 100, p 0.*802.1Q.*vlan 8, p 0.*88b5'

	cxltab add-flow "$s" "in_port=1,dl_vlan=9,actions=strip_vlan,output:2"
	sees 1 "${macs}81000009$payload" '> 02:00:00:00:00:02, ethertype Unknown \(0x88b5\)'

	# The outer one of two goes, the inner one stays.
	sees 1 "${macs}88a80009${payload:0:0}81004021$payload" 'ethertype 802.1Q \(0x8100\).*vlan 33, p 2.*88b5'

	# One more tag than a device takes in the bytes: TC carries that; shorter frames stay with XDP.
	cxltab add-flow "$s" "in_port=1,vlan_tci=0x0000,actions=push_vlan:0x8100,mod_vlan_vid:7,push_vlan:0x88a8,mod_vlan_vid:100,output:2"
	handed_over=0
	for size in 1510 1511 1514; do
		long=88b5$(printf "%0$((2 * (size - 14)))d" 0)
		sees 1 "$macs$long" "ethertype 802.1Q-QinQ \(0x88a8\), length $((size + 8)): vlan 100, p 0.*802.1Q.*vlan 7, p 0.*88b5"
		[ $mode = tc ] || [ "$size" = 1510 ] || handed_over=$((handed_over + 1))
		cxltab status "$s" --json >status.json
		assert_eq "$(json 'd[0]["ports"][0]["xdp"]["handed_over"]' <status.json)" $handed_over "frames handed over after $size bytes ($mode)"
	done
	# An upcall before the tags happens once.
	cxltab add-flow "$s" "in_port=1,vlan_tci=0x0000,actions=controller,push_vlan:0x8100,mod_vlan_vid:7,push_vlan:0x88a8,mod_vlan_vid:100,output:2"
	sees 1 "$macs$long" "ethertype 802.1Q-QinQ \(0x88a8\), length 1522"
	cxltab status "$s" --json >status.json
	assert_eq "$(json 'sum(d[0]["ports"][0][p].get("upcalls", 0) for p in ("xdp", "tc"))' <status.json)" 1 "upcalls ($mode)"
	cxltab unload "$s"
done
