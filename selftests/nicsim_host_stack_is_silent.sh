#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Claim: on nicsim's devices the host's own stack neither hears nor speaks: no ARP answers, no ICMP errors,
# no neighbour discovery, whatever is sent to it, and even if it tries.
. "$(dirname "$0")/lib.sh"

hosts_add 1
slice=
slice_add slice
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
# An address that the stack would answer for on any device, and a route through the port.
ip address add 10.9.9.9/32 dev lo
ip route add 10.0.0.0/24 dev "${PORT[0]}"
ip neighbour add 10.0.0.77 lladdr 02:00:00:00:00:77 dev "${PORT[0]}" nud permanent

background nicsim.log "$NICSIM" run --slice "$slice" --port "1=${PORT[0]}"
nic=$PID
eventually 5 grep -q serving nicsim.log
# All that the device sends arrives at host 0, where tcpdump listens.
background dump.log nsenter --net="/run/netns/${HOST[0]}" tcpdump -i eth0 -n -l -e -Q in
eventually 5 grep -q 'listening on' dump.log

mac=$(cat "/sys/class/net/${PORT[0]}/address" 2>/dev/null || ip -o link show "${PORT[0]}" | sed 's/.*link.ether \([^ ]*\).*/\1/')
cat >provoke.py <<'END'
import sys
from scapy.all import ARP, Ether, ICMP, ICMPv6EchoRequest, ICMPv6ND_NS, IP, IPv6, TCP, UDP, sendp
mac = sys.argv[1]
me = "02:00:00:00:00:01"
packets = [
    Ether(src=me, dst="ff:ff:ff:ff:ff:ff") / ARP(hwsrc=me, psrc="10.0.0.1", pdst="10.9.9.9"),
    Ether(src=me, dst=mac) / ARP(hwsrc=me, psrc="10.0.0.1", pdst="10.9.9.9"),
    Ether(src=me, dst=mac) / IP(src="10.0.0.1", dst="10.9.9.9") / ICMP(),
    Ether(src=me, dst=mac) / IP(src="10.0.0.1", dst="10.9.9.9") / UDP(dport=9),
    Ether(src=me, dst=mac) / IP(src="10.0.0.1", dst="10.9.9.9") / TCP(dport=9),
    Ether(src=me, dst=mac) / IP(src="10.0.0.1", dst="203.0.113.1") / UDP(dport=9),
    Ether(src=me, dst=mac) / IP(src="10.0.0.1", dst="10.0.0.77", ttl=1) / UDP(dport=9),
    Ether(src=me, dst="33:33:ff:00:00:01") / IPv6(src="fe80::1", dst="ff02::1:ff00:1") / ICMPv6ND_NS(tgt="fe80::2"),
    Ether(src=me, dst="33:33:00:00:00:01") / IPv6(src="fe80::1", dst="ff02::1") / ICMPv6EchoRequest(),
]
for _ in range(5):
    sendp(packets, iface="eth0", verbose=False)
END
in_ns "${HOST[0]}" "$PYTHON" provoke.py "$mac"
# And the stack tries itself.
ping -c 2 -i 0.2 -W 0.2 -I "${PORT[0]}" 10.0.0.77 || :
ping -c 2 -i 0.2 -W 0.2 10.0.0.77 || :

heard() { [ "$(nicsim stats --slice "$slice" --interval 0 --json | json 'd["ports"][0]["net"]["rx_packets"]')" -ge 45 ]; }
eventually 5 heard
# A frame that nicsim itself sends proves that silence isn't deafness of the listener.
cxltab add-flow "$slice" 'arp,actions=in_port'
in_ns "${HOST[0]}" "$PYTHON" -c '
from scapy.all import ARP, Ether, sendp
sendp(Ether(src="02:00:00:00:00:01", dst="ff:ff:ff:ff:ff:ff") / ARP(pdst="10.0.0.200"), iface="eth0", verbose=False)'
eventually 5 grep -q '10.0.0.200' dump.log
assert_eq "$(grep -v -e 10.0.0.200 -e listening -e verbose dump.log | cat)" "" "what the host's stack said"
stop "$nic"
