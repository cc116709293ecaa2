#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Claim: after rewrites of addresses, ports, TTL and DSCP, TCP, UDP and ICMP arrive with right checksums, over IPv4
# and IPv6, through XDP and through TC, where the sender's checksums are partial and its packets super-packets.
# Timeout: 90
. "$(dirname "$0")/lib.sh"

hosts_add 2
# Host 0 talks to an address that nobody has; on the way it becomes host 1's, and back.
in_ns "${HOST[0]}" ip neighbour replace 10.0.0.99 lladdr "${MAC[1]}" dev eth0 nud permanent
in_ns "${HOST[0]}" ip -6 neighbour replace fd00::99 lladdr "${MAC[1]}" dev eth0 nud permanent

cat >server.py <<'END'
"""Echoes TCP (until the client is done) and UDP on ports 8080 of one address."""
import socket, sys, threading
host = sys.argv[1]
family = socket.AF_INET6 if ":" in host else socket.AF_INET
udp = socket.socket(family, socket.SOCK_DGRAM)
udp.bind((host, 8080))
tcp = socket.create_server((host, 8080), family=family)

def echo_udp():
    while True:
        data, peer = udp.recvfrom(65536)
        udp.sendto(data, peer)

threading.Thread(target=echo_udp, daemon=True).start()
print("ready", flush=True)
while True:
    c, _ = tcp.accept()
    data = b""
    while chunk := c.recv(1 << 20):
        data += chunk
    c.sendall(data)
    c.close()
END
cat >client.py <<'END'
import os, socket, sys
host = sys.argv[1]
family = socket.AF_INET6 if ":" in host else socket.AF_INET
udp = socket.socket(family, socket.SOCK_DGRAM)
udp.settimeout(5)
udp.connect((host, 80))
for size in (0, 1, 2, 33, 1000, 1400):
    data = os.urandom(size)
    udp.send(data)
    assert udp.recv(65536) == data, f"UDP, {size} bytes"
data = os.urandom(3000001)
tcp = socket.create_connection((host, 80), 10)
tcp.sendall(data)
tcp.shutdown(socket.SHUT_WR)
back = b""
while chunk := tcp.recv(1 << 20):
    back += chunk
assert back == data, f"TCP: {len(back)} bytes came back"
END

# errors HOST: checksum errors that the kernel of a host has counted
errors() {
	in_ns "${HOST[$1]}" cat /proc/net/snmp /proc/net/snmp6 | awk '
		/^(Tcp|Udp|Icmp|UdpLite): [A-Z]/ { for (i = 2; i <= NF; i++) name[$1, i] = $i; next }
		/^(Tcp|Udp|Icmp): [0-9-]/ { for (i = 2; i <= NF; i++) if (name[$1, i] == "InCsumErrors") n += $i }
		$1 ~ /^(Udp6|Icmp6|Tcp)InCsumErrors$/ { n += $2 }
		END { print n + 0 }'
}

cat >flows.txt <<END
in_port=1,tcp,nw_dst=10.0.0.99,tp_dst=80,actions=mod_nw_tos:32,dec_ttl,mod_nw_dst:${IP[1]},mod_tp_dst:8080,output:2
in_port=2,tcp,tp_src=8080,actions=mod_nw_src:10.0.0.99,mod_tp_src:80,output:1
in_port=1,udp,nw_dst=10.0.0.99,tp_dst=80,actions=dec_ttl,mod_nw_dst:${IP[1]},mod_tp_dst:8080,output:2
in_port=2,udp,tp_src=8080,actions=mod_nw_src:10.0.0.99,mod_tp_src:80,output:1
in_port=1,icmp,nw_dst=10.0.0.99,actions=dec_ttl,mod_nw_dst:${IP[1]},output:2
in_port=2,icmp,actions=mod_nw_src:10.0.0.99,output:1
in_port=1,tcp6,ipv6_dst=fd00::99,tp_dst=80,actions=dec_ttl,set_field:${IP6[1]}->ipv6_dst,mod_tp_dst:8080,output:2
in_port=2,tcp6,tp_src=8080,actions=set_field:fd00::99->ipv6_src,mod_tp_src:80,output:1
in_port=1,udp6,ipv6_dst=fd00::99,tp_dst=80,actions=dec_ttl,set_field:${IP6[1]}->ipv6_dst,mod_tp_dst:8080,output:2
in_port=2,udp6,tp_src=8080,actions=set_field:fd00::99->ipv6_src,mod_tp_src:80,output:1
in_port=1,icmp6,ipv6_dst=fd00::99,actions=dec_ttl,set_field:${IP6[1]}->ipv6_dst,output:2
in_port=2,icmp6,actions=set_field:fd00::99->ipv6_src,output:1
END
# The same rules, with a copy for a port that is only there to be copied to.
sed 's/,output:\([12]\)$/,output:3,output:\1/' flows.txt >copies.txt

for i in 0 1; do
	address=("${IP[1]}" "${IP6[1]}")
	background "server$i.log" nsenter --net="/run/netns/${HOST[1]}" "$PYTHON" server.py "${address[i]}"
	eventually 5 grep -q ready "server$i.log"
done
veth_add . p2 . p2peer

# exchange WHAT: all protocols both ways; no checksum error may have been seen by either kernel
exchange() {
	local address
	for address in 10.0.0.99 fd00::99; do
		in_ns "${HOST[0]}" ping -q -n -c 3 -i 0.05 -W 2 -s 1001 "$address" >ping.log || fail "ping $address ($1)"
		in_ns "${HOST[0]}" "$PYTHON" client.py "$address" || fail "TCP or UDP to $address ($1)"
	done
	assert_eq "$(errors 0) $(errors 1)" "0 0" "checksum errors ($1)"
}

s=
slice_add s
for mode in native tc; do
	for i in 0 1 2; do
		cxltab attach "$s" "p$i" --port $((i + 1)) --mode $mode
	done
	cxltab add-flows "$s" flows.txt
	exchange "$mode"
	cxltab add-flows "$s" copies.txt
	exchange "$mode, with copies"
	for i in 0 1 2; do
		cxltab detach "$s" "p$i"
	done
done
# What comes in by TC and leaves by a port of XDP's, and the other way round.
cxltab attach "$s" p0 --port 1 --mode tc
cxltab attach "$s" p1 --port 2
cxltab add-flows "$s" flows.txt
exchange "tc and native"
