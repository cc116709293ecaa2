#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Claim: a port that vanishes takes nothing with it: the others go on, packets to it end with no_port, and
# when a device of its name returns it is a port again. So does one that only goes down.
. "$(dirname "$0")/lib.sh"

hosts_add 3
slice=
slice_add slice
for ((i = 1; i <= 3; i++)); do
	for ((j = 1; j <= 3; j++)); do
		[ "$i" = "$j" ] || cxltab add-flow "$slice" \
			"priority=5,in_port=$i,dl_dst=${MAC[j - 1]},actions=output:$j"
	done
done
background nicsim.log "$NICSIM" run --slice "$slice" --port "1=${PORT[0]}" --port "2=${PORT[1]}" \
	--port "3=${PORT[2]}"
nic=$PID
eventually 5 grep -q serving nicsim.log
ping_ok 0 1
ping_ok 0 2

no_port() {
	nicsim stats --slice "$slice" --interval 0 --json |
		json 'sum(d["ports"][0]["net"][k].get("no_port", 0) for k in ("reasons", "punt_reasons"))'
}
for _ in 1 2 3; do
	before=$(no_port)
	ip link del "${PORT[2]}"
	eventually 5 grep -q "${PORT[2]} has gone" nicsim.log
	ping_ok 0 1
	in_ns "${HOST[0]}" ping -q -c 2 -i 0.05 -W 0.2 "${IP[2]}" && fail "a ping through a port that is gone"
	assert_ge "$(no_port)" $((before + 2)) "packets that ended with no_port"

	veth_add . "${PORT[2]}" "${HOST[2]}" eth0
	in_ns "${HOST[2]}" ip link set eth0 address "${MAC[2]}"
	in_ns "${HOST[2]}" ip address add "${IP[2]}/24" dev eth0
	in_ns "${HOST[2]}" ip neighbour replace "${IP[0]}" lladdr "${MAC[0]}" dev eth0 nud permanent
	eventually 5 grep -q "${PORT[2]} is back" nicsim.log
	ping_ok 0 2
	: >nicsim.log
done

ip link set "${PORT[2]}" down
ping_ok 0 1
ip link set "${PORT[2]}" up
eventually 5 in_ns "${HOST[0]}" ping -q -c 1 -W 0.3 "${IP[2]}"
in_ns "${HOST[1]}" ip link set eth0 down
in_ns "${HOST[1]}" ip link set eth0 up
in_ns "${HOST[1]}" ip neighbour replace "${IP[0]}" lladdr "${MAC[0]}" dev eth0 nud permanent
eventually 5 in_ns "${HOST[0]}" ping -q -c 1 -W 0.3 "${IP[1]}"
stop "$nic"
