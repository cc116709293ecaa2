#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Claim: attach sets what XDP needs on a veth's peer, in its namespace, and says so; detach and unload restore just
# that. A namespace that can't be found is named by --peer-netns; without it nothing is changed, and the refusal
# holds the commands.
. "$(dirname "$0")/lib.sh"

hosts_add 2
s=''
slice_add s

features() {
	"$PYTHON" "$selftests/frames.py" features "$1" "$2"
}
before=$(features "${HOST[0]}" eth0)
before_port=$(features . "${PORT[0]}")
changed=$(sed 's/^rx-gro off/rx-gro on/; s/^\(tx-checksum-ip-generic\|tx-checksum-sctp\|tx-vlan-[a-z-]*insert\) on/\1 off/' <<<"$before")
[ "$before" != "$changed" ] || fail "the peer has nothing to change: $before"

# attached WHAT: the peer is as XDP needs it; the segmentation offloads that need checksums are off with them
attached() {
	assert_eq "$(features "${HOST[0]}" eth0 | grep -v '^tx-tcp')" "$(grep -v '^tx-tcp' <<<"$changed")" "the peer, $1"
}
restored() {
	assert_eq "$(features "${HOST[0]}" eth0)" "$before" "the peer, $1"
	assert_eq "$(features . "${PORT[0]}")" "$before_port" "the port, $1"
}

cxltab attach "$s" "${PORT[0]}" --port 1 2>said
assert_match "$(cat said)" "^cxltab: ${PORT[0]}: set on its peer eth0 \(/run/netns/${HOST[0]}\): gro on, tx off, txvlan off.*; detach restores it$" "what attach says"
attached "attached"
cxltab detach "$s" "${PORT[0]}"
restored "detached by device"

cxltab attach "$s" "${PORT[0]}" --port 1 --mode generic
attached "attached in mode generic"
cxltab detach "$s" --port 1
restored "detached by number"

cxltab attach "$s" "${PORT[0]}" --port 1 --peer-netns "${HOST[0]}"
cxltab load "$s"
attached "reloaded"
cxltab unload "$s"
restored "unloaded"

# By another name it is the same device.
cxltab attach "$s" "${PORT[0]}" --port 1
ip link set "${PORT[0]}" down name renamed
ip link set renamed up
cxltab detach "$s" renamed
ip link set renamed down name "${PORT[0]}"
ip link set "${PORT[0]}" up
restored "renamed and detached"

cxltab attach "$s" "${PORT[0]}" --port 1 --mode tc
restored "in mode tc"
cxltab detach "$s" --port 1

# An attach that fails late restores as well: the pin of its link can't be made.
cxltab load "$s"
mkdir "/sys/fs/bpf/cxltab/$s/xdp_1"
refuses 1 cxltab attach "$s" "${PORT[0]}" --port 1
rmdir "/sys/fs/bpf/cxltab/$s/xdp_1"
restored "after an attach that failed"

# A namespace without name and process: this shell's descriptor is all that there is of it.
unshare --net sleep 1000 &
holder=$!
eventually 5 test "$(readlink /proc/$$/ns/net)" != "$(readlink "/proc/$holder/ns/net")"
ip link add hidden type veth peer name inside netns "$holder"
exec 9<"/proc/$holder/ns/net"
ip link set hidden up
nsenter --net=/proc/self/fd/9 ip link set inside up
kill "$holder"
wait "$holder" || :
inside() {
	nsenter --net=/proc/self/fd/9 "$PYTHON" "$selftests/frames.py" features . inside
}
hidden_before=$(inside)
refuses 1 cxltab attach "$s" hidden --port 1
assert_match "$OUTPUT" "^cxltab: hidden: mode native needs settings on its peer" "the refusal"
assert_match "$OUTPUT" "ethtool -K \"\\\$dev\" gro on tx off txvlan off" "the commands"
assert_eq "$(inside)" "$hidden_before" "the hidden peer after the refusal"
assert_eq "$(cxltab status "$s" --json | json 'd[0]["ports"]')" '[]' "ports after the refusal"
cxltab attach "$s" hidden --port 1 --mode tc
cxltab detach "$s" hidden
cxltab attach "$s" hidden --port 1 --peer-netns "/proc/$$/fd/9"
assert_match "$(inside)" "tx-checksum-ip-generic off" "the hidden peer, attached"
cxltab detach "$s" hidden
assert_eq "$(inside)" "$hidden_before" "the hidden peer, detached"
