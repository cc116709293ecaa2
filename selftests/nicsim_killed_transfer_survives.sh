#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Claim: kill -9 of nicsim in the middle of a TCP transfer harms nothing but time: the slice stays sound, a
# new nicsim serves it, and every byte arrives.
. "$(dirname "$0")/lib.sh"

hosts_add 2
slice=
slice_add slice
cxltab add-flow "$slice" 'in_port=1,actions=output:2'
cxltab add-flow "$slice" 'in_port=2,actions=output:1'

serve() {
	background "$1" "$NICSIM" run --slice "$slice" --port "1=${PORT[0]}" --port "2=${PORT[1]}"
	nic=$PID
	eventually 5 grep -q serving "$1"
}
serve first.log

cat >transfer.py <<'END'
import hashlib, socket, sys
size = 400 << 20
block = bytes(range(256)) * 4096
if sys.argv[1] == "send":
    s = socket.create_connection((sys.argv[2], 7))
    for _ in range(size // len(block)):
        s.sendall(block)
    s.shutdown(socket.SHUT_WR)
    print(s.recv(64).decode())
else:
    l = socket.create_server(("0.0.0.0", 7))
    print("listening", flush=True)
    c, _ = l.accept()
    h, n = hashlib.blake2b(digest_size=16), 0
    while True:
        b = c.recv(1 << 20)
        if not b:
            break
        h.update(b)
        n += len(b)
    c.sendall(f"{n} {h.hexdigest()}".encode())
END
background receive.log nsenter --net="/run/netns/${HOST[1]}" "$PYTHON" transfer.py receive
eventually 10 grep -q listening receive.log
background send.log nsenter --net="/run/netns/${HOST[0]}" "$PYTHON" transfer.py send "${IP[1]}"
sender=$PID

through() { [ "$(nicsim stats --slice "$slice" --interval 0 --json | json 'd["ports"][0]["net"]["rx_packets"]')" -ge "$1" ]; }
eventually 20 through 1000
kill -9 "$nic"
wait "$nic" || :
kill -0 "$sender" || fail "the transfer was over before the kill"
cxltab slice check "$slice"
serve second.log
eventually 20 through 1000

wait "$sender" || fail "the sender failed: $(cat send.log)"
wanted=$("$PYTHON" -c 'import hashlib
h = hashlib.blake2b(digest_size=16)
for _ in range(400): h.update(bytes(range(256)) * 4096)
print(400 << 20, h.hexdigest())')
assert_eq "$(cat send.log)" "$wanted" "bytes and their hash at the receiver"
stop "$nic"
