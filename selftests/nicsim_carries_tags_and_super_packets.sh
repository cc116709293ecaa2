#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Claim: tags come out of nicsim as they went in, or as the rules say, byte for byte; what a sender left to
# the hardware (partial checksums, segmentation) is right at the receiver, also when addresses are rewritten.
. "$(dirname "$0")/lib.sh"

hosts_add 2
slice=
slice_add slice
cxltab add-flows "$slice" - <<-END
	priority=10,in_port=1,actions=output:2
	priority=10,in_port=2,actions=output:1
	priority=20,in_port=1,dl_src=02:00:00:00:01:01,vlan_tci=0x1000/0x1000,actions=pop_vlan,output:2
	priority=20,in_port=1,dl_src=02:00:00:00:01:02,actions=push_vlan:0x88a8,mod_vlan_vid:33,output:2
	priority=30,tcp,in_port=1,nw_dst=10.0.0.99,actions=mod_nw_dst:${IP[1]},mod_dl_dst:${MAC[1]},output:2
	priority=30,tcp,in_port=2,tp_src=7,actions=mod_nw_src:10.0.0.99,output:1
	priority=30,udp,in_port=1,nw_dst=10.0.0.99,actions=mod_nw_dst:${IP[1]},mod_dl_dst:${MAC[1]},mod_tp_dst:8,output:2
END
background nicsim.log "$NICSIM" run --slice "$slice" --port "1=${PORT[0]}" --port "2=${PORT[1]}"
nic=$PID
eventually 5 grep -q serving nicsim.log

# ---- Tags: sent raw, and read raw with the tag that the kernel took out put back.
cat >tags.py <<'END'
import socket, struct, sys
ns = sys.argv[2]
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind(("eth0", 0))
SOL_PACKET, AUXDATA = 263, 8
body = bytes(range(100))
def frame(src, *tags):
    f = bytes.fromhex("020000000002") + bytes.fromhex(src)
    for tpid, tci in tags:
        f += struct.pack(">HH", tpid, tci)
    return f + b"\x12\x34" + body
cases = [
    (frame("020000000100", (0x8100, 0x6005)), frame("020000000100", (0x8100, 0x6005))),
    (frame("020000000100", (0x88a8, 5), (0x8100, 0x2006)), frame("020000000100", (0x88a8, 5), (0x8100, 0x2006))),
    (frame("020000000101", (0x8100, 7)), frame("020000000101")),
    (frame("020000000101", (0x88a8, 7), (0x8100, 8)), frame("020000000101", (0x8100, 8))),
    (frame("020000000102"), frame("020000000102", (0x88a8, 33))),
    (frame("020000000102", (0x8100, 0x6005)), frame("020000000102", (0x88a8, 0x6021), (0x8100, 0x6005))),
]
if sys.argv[1] == "send":
    for sent, _ in cases:
        s.send(sent)
    sys.exit(0)
s.setsockopt(SOL_PACKET, AUXDATA, 1)
s.settimeout(5)
print("listening", flush=True)
got = []
while len(got) < len(cases):
    data, anc, _, addr = s.recvmsg(4096, 256)
    if data[6:11] != bytes.fromhex("0200000001") or addr[2] == 4:
        continue
    for level, kind, aux in anc:
        status, _, _, _, _, tci, tpid = struct.unpack("<IIIHHHH", aux[:20])
        if status & 0x10:
            data = data[:12] + struct.pack(">HH", tpid if status & 0x40 else 0x8100, tci) + data[12:]
    got.append(data)
for i, (_, wanted) in enumerate(cases):
    assert got[i] == wanted, f"case {i}: {got[i].hex()}, wanted {wanted.hex()}"
END
background tags.log nsenter --net="/run/netns/${HOST[1]}" "$PYTHON" tags.py receive x
receiver=$PID
eventually 5 grep -q listening tags.log
in_ns "${HOST[0]}" "$PYTHON" tags.py send x
wait "$receiver" || fail "$(cat tags.log)"

# A third tag is for the host to refuse: no drop of the NIC's.
"$PYTHON" "$selftests/frames.py" send "${HOST[0]}" eth0 "02000000000202000000010288a8000581000006$(printf '%0100d' 0)"
punts() { nicsim stats --slice "$slice" --interval 0 --json | json 'd["ports"][0]["net"]["punt_reasons"].get("too_many_tags")'; }
punted() { [ "$(punts)" = 1 ]; }
eventually 5 punted

# ---- Super-packets and partial checksums through a rewrite.
in_ns "${HOST[0]}" ip neighbour replace 10.0.0.99 lladdr 02:00:00:00:00:99 dev eth0 nud permanent
cat >bulk.py <<'END'
import hashlib, socket, sys
size, role, peer = 200 << 20, *sys.argv[1:]
block = bytes(i * 7 & 255 for i in range(1 << 20))
if role == "send":
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    u.settimeout(5)
    u.sendto(b"datagram" * 100, (peer, 9))
    s = socket.create_connection((peer, 7))
    for _ in range(size >> 20):
        s.sendall(block)
    s.shutdown(socket.SHUT_WR)
    h = hashlib.blake2b(digest_size=16)
    for _ in range(size >> 20):
        h.update(block)
    assert s.recv(100).decode() == h.hexdigest(), "the bytes differ"
else:
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    u.bind(("0.0.0.0", 8))
    l = socket.create_server(("0.0.0.0", 7))
    print("listening", flush=True)
    assert u.recv(2000) == b"datagram" * 100
    c, _ = l.accept()
    h = hashlib.blake2b(digest_size=16)
    while b := c.recv(1 << 20):
        h.update(b)
    c.sendall(h.hexdigest().encode())
END
background receive.log nsenter --net="/run/netns/${HOST[1]}" "$PYTHON" bulk.py receive x
eventually 10 grep -q listening receive.log
in_ns "${HOST[0]}" "$PYTHON" bulk.py send 10.0.0.99

# The receiver's kernel found no checksum wrong, and segments were counted as packets.
in_ns "${HOST[1]}" cat /proc/net/snmp | awk '
	$1 == "Tcp:" || $1 == "Udp:" { if (names[$1] == "") names[$1] = $0; else {
		n = split(names[$1], k); split($0, v)
		for (i = 2; i <= n; i++) if (k[i] == "InCsumErrors" && v[i] != 0) { print $1, v[i]; bad = 1 } } }
	END { exit bad }' || fail "checksums were wrong"
assert_ge "$(nicsim stats --slice "$slice" --interval 0 --json | json 'd["ports"][0]["net"]["rx_packets"]')" 140000 \
	"packets, segments counted"
stop "$nic"
