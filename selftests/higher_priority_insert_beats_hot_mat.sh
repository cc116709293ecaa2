#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Claim: when add-flow returns, the next packet obeys, however hot the MAT entry was that said otherwise;
# and a rule for another connection leaves the hot entry where it is.
. "$(dirname "$0")/lib.sh"

hosts_add 2
slice=
slice_add slice
# Rules that pin a connection come first, so that the change words they use exist.
cxltab add-flows "$slice" - <<-END
	priority=10,in_port=1,actions=output:2
	priority=10,in_port=2,actions=output:1
	priority=50,in_port=1,udp,nw_src=${IP[0]},nw_dst=${IP[1]},tp_src=4000,tp_dst=1,actions=drop
END
background nicsim.log "$NICSIM" run --slice "$slice" --port "1=${PORT[0]}" --port "2=${PORT[1]}"
nic=$PID
eventually 5 grep -q serving nicsim.log

cat >client.py <<'END'
import socket, subprocess, sys
slice_, cxltab, me, peer = sys.argv[1:]
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((me, 5000))
s.connect((peer, 7))
s.settimeout(1)
match = f"in_port=1,udp,nw_src={me},nw_dst={peer},tp_src=5000,tp_dst=7"

def answered(n):
    for i in range(n):
        s.send(b"x")
        try:
            s.recv(10)
        except TimeoutError:
            return i
    return n

for i in range(50):
    assert answered(20) == 20, f"round {i}: a packet of the hot entry was lost"
    subprocess.run([cxltab, "add-flow", slice_, f"priority=60,{match},actions=drop"], check=True)
    s.settimeout(0.05)
    assert answered(1) == 0, f"round {i}: a packet obeyed the old rule"
    s.settimeout(1)
    subprocess.run([cxltab, "del-flows", "--strict", slice_, f"priority=60,{match}"], check=True)
END
cat >echo.py <<'END'
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", 7))
print("ready", flush=True)
while True:
    b, a = s.recvfrom(100)
    s.sendto(b, a)
END
background echo.log nsenter --net="/run/netns/${HOST[1]}" "$PYTHON" echo.py
eventually 10 grep -q ready echo.log
in_ns "${HOST[0]}" "$PYTHON" client.py "$slice" "$CXLTAB" "${IP[0]}" "${IP[1]}"

stats() { nicsim stats --slice "$slice" --interval 0 --json | json "$1"; }
assert_ge "$(stats 'd["mat"]["hits"]')" 1500 "MAT hits"
stale=$(stats 'd["mat"]["stale"]')
assert_ge "$stale" 50 "MAT entries dropped because a rule changed"

# Twenty other connections' rules: one in 1024 shares the entry's change word.
for ((i = 0; i < 20; i++)); do
	cxltab add-flow "$slice" \
		"priority=60,in_port=1,udp,nw_src=${IP[0]},nw_dst=${IP[1]},tp_src=$((6000 + i)),tp_dst=7,actions=drop"
	in_ns "${HOST[0]}" "$PYTHON" -c "
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('${IP[0]}', 5000))
s.connect(('${IP[1]}', 7))
s.settimeout(1)
s.send(b'x')
s.recv(10)"
done
assert_ge $((stale + 3)) "$(stats 'd["mat"]["stale"]')" "entries dropped by other connections' rules"
stop "$nic"
