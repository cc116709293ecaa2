#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Claim: what the hardware of a profile can't do is punted, with the reason's name, and the host does it;
# nothing else is punted. A profile that has less than the slice was made for is refused.
. "$(dirname "$0")/lib.sh"

cat >nic.profile <<-END
	# No TTL to match on, no rewriting of addresses.
	match   = all -ip_ttl
	set     = eth_dst eth_src
	actions = output set_field
	mat     = 256 4 clock
END
hosts_add 2
reps_add 2
slice=
slice_add slice --profile nic.profile
cxltab add-flows "$slice" - <<-END
	priority=10,in_port=1,actions=output:2
	priority=10,in_port=2,actions=output:1
	priority=20,icmp,in_port=1,nw_tos=4,nw_ttl=99,actions=drop
	priority=30,icmp,in_port=1,nw_tos=8,actions=mod_dl_dst:${MAC[1]},output:2
	priority=40,icmp,in_port=1,nw_tos=16,actions=dec_ttl,output:2
	priority=50,icmp,in_port=1,nw_tos=32,actions=mod_nw_dst:${IP[1]},output:2
END
cxltab load "$slice"
cxltab attach "$slice" "${REP[0]}" --port 1
cxltab attach "$slice" "${REP[1]}" --port 2
background nicsim.log "$NICSIM" run --slice "$slice" --profile nic.profile --port "1=${PORT[0]}" \
	--rep "1=${NICREP[0]}" --port "2=${PORT[1]}" --rep "2=${NICREP[1]}"
nic=$PID
eventually 5 grep -q serving nicsim.log

ping_tos() { in_ns "${HOST[0]}" ping -q -c 4 -i 0.05 -W 2 -Q "$1" "${IP[1]}"; }
punts() { nicsim stats --slice "$slice" --interval 0 --json | json 'd["ports"][0]["net"]["punt_reasons"]'; }

ping_tos 0
ping_tos 8
assert_eq "$(punts)" "{}" "punts of what the hardware can do"
ping_tos 4
assert_eq "$(punts)" '{"dev_field": 4}' "punts where a rule may match that the hardware can't see"
ping_tos 16
assert_eq "$(punts)" '{"dev_action": 4, "dev_field": 4}' "punts of an action that the hardware lacks"
ping_tos 32
assert_eq "$(punts)" '{"dev_action": 8, "dev_field": 4}' "punts of a rewrite that the hardware lacks"
assert_match "$(cxltab dump-ports "$slice" | grep -m1 device)" 'drop=0, punt=12$' "punts are no drops"
assert_eq "$(nicsim stats --slice "$slice" --interval 0 --json | json 'd["mat"]["entries"]')" 256 "the profile's MAT"
stop "$nic"

refuses 1 nicsim run --slice "$slice" --profile "$selftests/../nicsim/profiles/tiny.profile" --port "1=${PORT[0]}"
assert_match "$OUTPUT" "is less than slice $slice was made for: it can't match on" "a lesser profile"
background nicsim.log "$NICSIM" run --slice "$slice" --port "1=${PORT[0]}" \
	--profile "$selftests/../nicsim/profiles/full.profile"
eventually 5 grep -q serving nicsim.log
stop "$PID"
