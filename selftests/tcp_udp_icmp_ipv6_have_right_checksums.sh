#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Claim: TCP, UDP and ICMP over IPv4 and IPv6, rewritten on their way there and back (addresses, ports, TTL, DSCP),
# arrive with right checksums through XDP, TC and nicsim, also as fragments and super-packets.
. "$(dirname "$0")/lib.sh"

hosts_add 2
A=${HOST[0]} B=${HOST[1]}
in_ns "$A" ip neighbour replace 10.0.0.99 lladdr 02:00:00:00:00:63 dev eth0 nud permanent
in_ns "$A" ip -6 neighbour replace fd00::99 lladdr 02:00:00:00:00:63 dev eth0 nud permanent

# Host 0 talks to .99, which is host 1; port 80 there is 8080, port 53 is 5353.
slice=
slice_add slice
cxltab add-flows "$slice" - <<-END
	priority=10,ip,in_port=1,nw_dst=10.0.0.99,actions=mod_dl_dst:${MAC[1]},mod_nw_dst:10.0.0.2,mod_nw_tos:32,dec_ttl,output:2
	priority=10,ip,in_port=2,nw_src=10.0.0.2,actions=mod_nw_src:10.0.0.99,dec_ttl,output:1
	priority=20,tcp,in_port=1,nw_dst=10.0.0.99,tp_dst=80,actions=mod_dl_dst:${MAC[1]},mod_nw_dst:10.0.0.2,mod_tp_dst:8080,dec_ttl,output:2
	priority=20,tcp,in_port=2,nw_src=10.0.0.2,tp_src=8080,actions=mod_nw_src:10.0.0.99,mod_tp_src:80,output:1
	priority=20,udp,in_port=1,nw_dst=10.0.0.99,tp_dst=53,actions=mod_dl_dst:${MAC[1]},mod_nw_dst:10.0.0.2,mod_tp_dst:5353,output:2
	priority=20,udp,in_port=2,nw_src=10.0.0.2,tp_src=5353,actions=mod_nw_src:10.0.0.99,mod_tp_src:53,output:1
	priority=10,ipv6,in_port=1,ipv6_dst=fd00::99,actions=mod_dl_dst:${MAC[1]},set_field:fd00::2->ipv6_dst,dec_ttl,output:2
	priority=10,ipv6,in_port=2,ipv6_src=fd00::2,actions=set_field:fd00::99->ipv6_src,dec_ttl,output:1
	priority=20,tcp6,in_port=1,ipv6_dst=fd00::99,tp_dst=80,actions=mod_dl_dst:${MAC[1]},set_field:fd00::2->ipv6_dst,mod_tp_dst:8080,output:2
	priority=20,tcp6,in_port=2,ipv6_src=fd00::2,tp_src=8080,actions=set_field:fd00::99->ipv6_src,mod_tp_src:80,dec_ttl,output:1
	priority=20,udp6,in_port=1,ipv6_dst=fd00::99,tp_dst=53,actions=mod_dl_dst:${MAC[1]},set_field:fd00::2->ipv6_dst,mod_tp_dst:5353,dec_ttl,output:2
	priority=20,udp6,in_port=2,ipv6_src=fd00::2,tp_src=5353,actions=set_field:fd00::99->ipv6_src,mod_tp_src:53,output:1
END

cat >checksums.py <<'END'
"""checksums.py A B: connections from namespace A to namespace B, each frame that arrives looked at."""
import contextlib
import ctypes
import os
import socket
import struct
import sys
import threading

libc = ctypes.CDLL(None, use_errno=True)
SOL_PACKET, PACKET_AUXDATA, PACKET_OUTGOING = 263, 8, 4
SO_NO_CHECK = 11
CSUM_NOT_READY = 8
V4, V6 = "10.0.0.99", "fd00::99"


@contextlib.contextmanager
def netns(name):
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{name}", os.O_RDONLY)
    assert libc.setns(there, 0) == 0
    yield
    assert libc.setns(home, 0) == 0
    os.close(home)
    os.close(there)


def fold(data, start=0):
    if len(data) % 2:
        data += b"\0"
    total = start + sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


class Watch(threading.Thread):
    """Looks at all that arrives on eth0; counts by protocol, and keeps what is wrong."""

    def __init__(self, ns):
        super().__init__(daemon=True)
        with netns(ns):
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            self.sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
            self.sock.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)
            self.sock.bind(("eth0", 3))
        self.sock.settimeout(0.3)
        self.ns, self.seen, self.partial, self.wrong, self.done = ns, {}, 0, [], False

    def run(self):
        while True:
            try:
                data, aux, _, address = self.sock.recvmsg(1 << 17, 256)
            except TimeoutError:
                if self.done:
                    return
                continue
            if address[2] != PACKET_OUTGOING:
                status = next((struct.unpack("I", v[:4])[0] for l, k, v in aux
                               if (l, k) == (SOL_PACKET, PACKET_AUXDATA)), 0)
                self.look(data, bool(status & CSUM_NOT_READY))

    def look(self, frame, partial):
        kind, packet = frame[12:14], frame[14:]
        if kind == b"\x08\x00":
            size = (packet[0] & 15) * 4
            if fold(packet[:size]) != 0xffff:
                self.wrong.append(f"IPv4 header {packet[:size].hex()}")
            if packet[6] & 0x3f or packet[7]:
                self.count("fragment")
                return
            proto, end = packet[9], struct.unpack(">H", packet[2:4])[0]
            pseudo, body = packet[12:20], packet[size:end]
            tail = struct.pack(">BBH", 0, proto, len(body))
        elif kind == b"\x86\xdd":
            proto = packet[6]
            if proto == 44:
                self.count("fragment6")
                return
            length = struct.unpack(">H", packet[4:6])[0]
            pseudo, body = packet[8:40], packet[40:40 + length] if length else packet[40:]
            tail = struct.pack(">IHBB", len(body), 0, 0, proto)
        else:
            return
        names = {6: ("tcp", 16), 17: ("udp", 6), 1: ("icmp", 2), 58: ("icmp6", 2)}
        if proto not in names:
            return
        name, at = names[proto]
        name += "6" if kind == b"\x86\xdd" and proto != 58 else ""
        self.count(name)
        if proto == 17 and kind == b"\x08\x00" and body[6:8] == b"\0\0":
            self.count("udp without checksum")
            return
        if proto == 1:
            pseudo, tail = b"", b""
        if partial:
            self.partial += 1
            if struct.unpack(">H", body[at:at + 2])[0] != fold(pseudo + tail):
                self.wrong.append(f"{name} partial, {len(frame)} bytes: {frame[:80].hex()}")
        elif fold(pseudo + tail + body) != 0xffff:
            self.wrong.append(f"{name} {len(frame)} bytes: {frame[:80].hex()}")

    def count(self, name):
        self.seen[name] = self.seen.get(name, 0) + 1


def exactly(sock, n):
    data = b""
    while len(data) < n:
        more = sock.recv(n - len(data))
        assert more, f"the connection ended after {len(data)} of {n} bytes"
        data += more
    return data


def tcp(family, address):
    with netns(sys.argv[2]):
        listener = socket.socket(family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("", 8080))
        listener.listen()
    with netns(sys.argv[1]):
        client = socket.socket(family)
    client.settimeout(10)
    client.connect((address, 80))
    server, _ = listener.accept()
    server.settimeout(10)
    for size in (1, 2, 333, 1448, 30001, 60000):
        data = os.urandom(size)
        for _ in range(3):
            client.sendall(data)
            assert exactly(server, size) == data
            server.sendall(data)
            assert exactly(client, size) == data
    for sock in (client, server, listener):
        sock.close()


def udp(family, address, no_check=False):
    with netns(sys.argv[2]):
        server = socket.socket(family, socket.SOCK_DGRAM)
        server.bind(("", 5353))
    with netns(sys.argv[1]):
        client = socket.socket(family, socket.SOCK_DGRAM)
    if no_check:
        client.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 1)
    client.connect((address, 53))
    for sock in (client, server):
        sock.settimeout(10)
    for size in (0, 1, 2, 17, 18, 999, 1400):
        data = os.urandom(size)
        client.send(data)
        got, back = server.recvfrom(65536)
        assert got == data
        server.sendto(data, back)
        assert client.recv(65536) == data
    client.close()
    server.close()


def fragments(family, address):
    """To a port that no rule rewrites: later fragments have none."""
    with netns(sys.argv[2]):
        server = socket.socket(family, socket.SOCK_DGRAM)
        server.bind(("", 7))
    with netns(sys.argv[1]):
        client = socket.socket(family, socket.SOCK_DGRAM)
    client.connect((address, 7))
    for sock in (client, server):
        sock.settimeout(10)
    for size in (1500, 4001, 20000):
        data = os.urandom(size)
        client.send(data)
        got, back = server.recvfrom(65536)
        assert got == data
        server.sendto(data, back)
        assert client.recv(65536) == data
    client.close()
    server.close()


watches = [Watch(ns) for ns in sys.argv[1:3]]
for watch in watches:
    watch.start()
tcp(socket.AF_INET, V4)
tcp(socket.AF_INET6, V6)
udp(socket.AF_INET, V4)
udp(socket.AF_INET, V4, no_check=True)
udp(socket.AF_INET6, V6)
fragments(socket.AF_INET, V4)
fragments(socket.AF_INET6, V6)
for address in (V4, V6):
    for size in (0, 57, 1000):
        command = f"nsenter --net=/run/netns/{sys.argv[1]} ping -q -n -c 3 -i 0.01 -W 5 -s {size} {address}"
        assert os.system(command + " >/dev/null") == 0, command
for watch in watches:
    watch.done = True
    watch.join()
    print(f"  arrived: {dict(sorted(watch.seen.items()))}, partial {watch.partial}")
    assert not watch.wrong, f"{len(watch.wrong)} wrong: {watch.wrong[:4]}"
    least = {"tcp", "tcp6", "udp", "udp6", "icmp", "icmp6", "fragment", "fragment6"}
    assert least <= set(watch.seen), f"never seen: {least - set(watch.seen)}"
assert "udp without checksum" in watches[1].seen
END

# errors NS: what the kernel's own counters say about checksums
errors() {
	in_ns "$1" cat /proc/net/snmp /proc/net/snmp6 | awk '
		/^(Tcp|Udp|Icmp|Ip):/ { if ($1 in head) { n = split(head[$1], h, " "); for (i = 2; i <= n; i++)
			if (h[i] ~ /CsumErrors|InHdrErrors/) sum += $i; delete head[$1] } else head[$1] = $0 }
		/CsumErrors|Ip6InHdrErrors/ && NF == 2 { sum += $2 }
		END { print sum + 0 }'
}

check() {
	note "$1"
	"$PYTHON" checksums.py "$A" "$B"
	assert_eq "$(errors "$A") $(errors "$B")" "0 0" "checksum errors that the hosts counted through $1"
}

for mode in native tc; do
	cxltab attach "$slice" "${PORT[0]}" --port 1 --mode "$mode"
	cxltab attach "$slice" "${PORT[1]}" --port 2 --mode "$mode"
	check "mode $mode"
	cxltab detach "$slice" "${PORT[0]}"
	cxltab detach "$slice" "${PORT[1]}"
done
background nicsim.log "$NICSIM" run --slice "$slice" --port "1=${PORT[0]}" --port "2=${PORT[1]}"
nic=$PID
eventually 5 grep -q serving nicsim.log
check nicsim
stop "$nic"
