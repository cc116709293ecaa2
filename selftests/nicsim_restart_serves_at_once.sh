#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Claim: nicsim keeps nothing of its own that matters: killed or stopped and started again, it serves the
# rules of the slice from its first packet, and devices are as they were after a clean stop.
. "$(dirname "$0")/lib.sh"

hosts_add 2
slice=
slice_add slice
cxltab add-flow "$slice" 'in_port=1,actions=output:2'
cxltab add-flow "$slice" 'in_port=2,actions=output:1'

serve() {
	background "$1.log" "$NICSIM" run --slice "$slice" --port "1=${PORT[0]}" --port "2=${PORT[1]}"
	nic=$PID
	eventually 5 grep -q serving "$1.log"
}
state() { ip -o link show "${PORT[0]}"; cat "/proc/sys/net/ipv6/conf/${PORT[0]}/disable_ipv6"; }

before=$(state)
for round in 1 2 3; do
	serve "killed$round"
	ping_ok 0 1 2
	kill -9 "$nic" # and the next one starts while the kernel still clears up after this one
done
# The kill left the devices nicsim's; the clean stop after it finds them so, and leaves them so.
ip link set "${PORT[0]}" arp on
echo 0 >"/proc/sys/net/ipv6/conf/${PORT[0]}/disable_ipv6"
assert_eq "$(state)" "$before" "the device before a clean run"
for round in 1 2 3; do
	serve "stopped$round"
	assert_match "$(state)" 'NOARP.*1$' "the device while nicsim has it"
	ping_ok 0 1 2
	stop "$nic"
	assert_eq "$(state)" "$before" "the device after a clean stop"
done

# One slice has one nicsim, and a device one owner.
serve last
refuses 1 nicsim run --slice "$slice" --port "1=${PORT[0]}"
assert_match "$OUTPUT" "another nicsim \(pid $nic\) serves this slice" "a second nicsim"
refuses 1 nicsim bench --slice "$slice" --packets 1000
assert_match "$OUTPUT" "^nicsim: $slice: a nicsim \(pid $nic\) serves this slice, [^
]*$" "a benchmark beside it"
other=
slice_add other
refuses 1 nicsim run --slice "$other" --port "1=${PORT[0]}"
assert_match "$OUTPUT" "${PORT[0]} has program [0-9]+ \(nicsim_guard\) attached" "a device that is taken"
refuses 1 nicsim run --slice "$other" --port 1=lo
assert_match "$OUTPUT" "lo is the loopback device" "the loopback"
refuses 1 nicsim run --slice "$other" --port 1=nonesuch
assert_match "$OUTPUT" "nonesuch: no such device" "no device"
ip link add mine type veth peer name yours
ip address add 192.0.2.1/24 dev mine
refuses 1 nicsim run --slice "$other" --port 1=mine
assert_match "$OUTPUT" "mine has an address: the host uses it" "a device that the host uses"
assert_match "$(ip -o link show mine)" '<BROADCAST,MULTICAST' "a refused device is as it was"
ping_ok 0 1 2
stop "$nic"
nicsim bench --slice "$slice" --packets 1000 >/dev/null # none serves it now
