#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Claim: where somebody else's XDP program holds the hook, attach changes nothing and says who it is: program, id,
# user, process; or the slice and port, if it is ours.
. "$(dirname "$0")/lib.sh"

hosts_add 2
s='' other=''
slice_add s
slice_add other

# holder.py DEV: holds DEV's XDP hook by a link with a program that passes everything
cat >holder.py <<'END'
import ctypes, os, socket, struct, sys, time
libc = ctypes.CDLL(None, use_errno=True)

def bpf(cmd, attr):
    buf = ctypes.create_string_buffer(attr, 128)
    rc = libc.syscall(321, cmd, buf, 128)
    if rc < 0:
        sys.exit(f"bpf {cmd}: {os.strerror(ctypes.get_errno())}")
    return rc

code = struct.pack("<BBhi", 0xb7, 0, 0, 2) + struct.pack("<BBhi", 0x95, 0, 0, 0)
text = ctypes.create_string_buffer(code, len(code))
gpl = ctypes.create_string_buffer(b"GPL")
prog = bpf(5, struct.pack("<IIQQIIQII16sI", 6, 2, ctypes.addressof(text), ctypes.addressof(gpl), 0, 0, 0, 0, 0,
                          b"someone_elses", 0))
link = bpf(28, struct.pack("<IIII", prog, socket.if_nametoindex(sys.argv[1]), 37, 0))
print("holding", flush=True)
time.sleep(1000)
END

background holder.log "$PYTHON" holder.py "${PORT[0]}"
eventually 5 grep -q holding holder.log
before=$("$PYTHON" "$selftests/frames.py" features "${HOST[0]}" eth0)

for mode in native generic; do
	refuses 1 cxltab attach "$s" "${PORT[0]}" --port 1 --mode $mode
	assert_match "$OUTPUT" "^cxltab: ${PORT[0]}: its XDP hook is held by program 'someone_elses' \(id [0-9]+, loaded by uid 0; held by python3[^ ]*, process $PID\)$" "the refusal in mode $mode"
done
assert_eq "$("$PYTHON" "$selftests/frames.py" features "${HOST[0]}" eth0)" "$before" "the peer's offloads afterwards"
assert_eq "$(cxltab status "$s" --json | json 'd[0].get("ports", [])')" '[]' "ports of the slice"

# TC is another hook, and shared.
cxltab attach "$s" "${PORT[0]}" --port 1 --mode tc
cxltab detach "$s" "${PORT[0]}"

stop "$PID" KILL || :
cxltab attach "$other" "${PORT[0]}" --port 7
refuses 1 cxltab attach "$s" "${PORT[0]}" --port 1
assert_match "$OUTPUT" "^cxltab: ${PORT[0]} is port 7 of slice $other already$" "the refusal of another slice's port"
"$BPFTOOL" link -j >links
"$BPFTOOL" link detach id "$(json '[l["id"] for l in d if l["type"] == "tcx"][0]' <links)"
refuses 1 cxltab attach "$s" "${PORT[0]}" --port 1
assert_match "$OUTPUT" "^cxltab: ${PORT[0]} is port 7 of slice $other already$" "the refusal without its TC program"
refuses 1 cxltab attach "$other" "${PORT[1]}" --port 7
assert_match "$OUTPUT" "^cxltab: $other: port 7 is ${PORT[0]} already$" "the refusal of a number twice"
refuses 1 cxltab attach "$s" nosuchdevice --port 1
assert_match "$OUTPUT" "^cxltab: nosuchdevice: No such device$" "the refusal of a device that isn't there"
