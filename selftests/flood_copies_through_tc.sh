#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Claim: what needs copies goes from XDP to TC with its original bytes, counted once, by TC; FLOOD reaches each
# port but the packet's own exactly once, several outputs each get the bytes that their turn has, and a port
# that is no more gets nothing; all that also in generic mode, where the kernel hides the MAC header from TC.
# Timeout: 120
. "$(dirname "$0")/lib.sh"

hosts_add 4
s=
slice_add s
frame=ffffffffffff02000000000188b5$(printf '%092d' 0)

# arrivals N FRAME...: sends $frame N times from host 0; prints for each host how often each FRAME arrived
arrivals() {
	local n=$1 i pids=()
	shift
	for i in 0 1 2 3; do
		"$PYTHON" "$selftests/frames.py" count "${HOST[i]}" eth0 "$@" -- sh -c "touch ready$i; while [ ! -e sent ]; do sleep 0.01; done" >"count$i" &
		pids+=($!)
	done
	for i in 0 1 2 3; do
		eventually 10 test -e "ready$i"
	done
	"$PYTHON" "$selftests/frames.py" send "${HOST[0]}" eth0 "$frame" "$n"
	touch sent
	for i in 0 1 2 3; do
		wait "${pids[i]}"
	done
	cat count0 count1 count2 count3 | paste -sd ,
	rm -f sent ready?
}

for mode in native generic; do
	for i in 0 1 2 3; do
		cxltab attach "$s" "${PORT[i]}" --port $((i + 1)) --mode "$mode"
	done

	cxltab add-flow "$s" in_port=1,dl_type=0x88b5,actions=flood
	assert_eq "$(arrivals 50 "$frame")" 0,50,50,50 "copies of FLOOD at the hosts"
	cxltab status "$s" --json >status.json
	assert_eq "$(json 'd[0]["ports"][0]["xdp"]["handed_over"]' <status.json)" 50 "packets handed over"
	# The hosts' own chatter (MLD) matches no rule; XDP drops and counts that.
	assert_eq "$(json 'd[0]["ports"][0]["xdp"]["reasons"].get("rule", 0)' <status.json)" 0 "packets of the rule that XDP counted"
	assert_eq "$(json 'd[0]["ports"][0]["tc"]["reasons"]' <status.json)" '{"rule": 50}' "ends in TC"

	# Each output gets the bytes of its turn: as it came, tagged, with another source and no tag.
	tagged=${frame:0:24}8100600${frame:24:0}5${frame:24}
	moved=${frame:0:12}02aabbccddee${frame:24}
	cxltab add-flow "$s" "in_port=1,dl_type=0x88b5,actions=output:3,push_vlan:0x8100,mod_vlan_vid:5,mod_vlan_pcp:3,output:2,strip_vlan,mod_dl_src:02:aa:bb:cc:dd:ee,output:4,in_port"
	assert_eq "$(arrivals 20 "$frame" "$tagged" "$moved")" "0 0 20,0 20 0,20 0 0,0 0 20" "copies of several outputs"

	# A port without a TC program can't happen by attach; a port that is gone can.
	cxltab add-flow "$s" in_port=1,dl_type=0x88b5,actions=all
	cxltab detach "$s" --port 3
	assert_eq "$(arrivals 20 "$frame")" 0,20,0,20 "copies of ALL without port 3"
	cxltab unload "$s"
done
