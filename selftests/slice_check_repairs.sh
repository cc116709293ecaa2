#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Claim: `slice check` finds what is damaged and changes nothing, `--repair` mends it, and says what it can't.
. "$(dirname "$0")/lib.sh"

f=$PWD/slice
cxltab slice create "$f" --size 2M
for i in 1 2 3 4 5 6 7 8 9; do
	echo "priority=$i,tcp,nw_dst=10.0.0.$i,actions=output:$i"
done >flows
cxltab add-flows "$f" flows
cxltab dump-flows "$f" | sed 's/duration=[0-9.]*s, //' >before
assert_eq "$(cxltab slice check "$f")" "" "a sound slice"
assert_eq "$(cxltab slice check "$f" --repair)" "" "nothing to repair"

# Words of the first table (docs/format.md): its wide change word pending, its number of rules wrong.
"$PYTHON" - "$f" <<'EOF'
import struct
import sys

with open(sys.argv[1], "r+b") as f:
    f.seek(64 + 8)
    tables, = struct.unpack("<I", f.read(4))
    f.seek(tables * 64 + 8)
    wide, = struct.unpack("<Q", f.read(8))
    f.seek(tables * 64 + 8)
    f.write(struct.pack("<Q", wide + 1))
    f.seek(tables * 64 + 64)
    f.write(struct.pack("<Q", 77))
EOF
refuses 1 cxltab slice check "$f"
assert_match "$OUTPUT" "table 0: a change word is pending" "what is found"
assert_match "$OUTPUT" "count is 77, 9 are there" "what is found"
refuses 1 cxltab slice check "$f"
assert_eq "$(cxltab slice check "$f" --repair 2>note | wc -l)" 2 "lines of what was repaired"
assert_match "$(cat note)" "2 of 2 problems repaired" "what repair says"
assert_eq "$(cxltab slice check "$f" --json | json 'd["ok"]')" true "the slice after that"
cxltab dump-flows "$f" | sed 's/duration=[0-9.]*s, //' >after
cmp before after || fail "the flows are others"

# A list out of order is nothing that could be computed.
"$PYTHON" - "$f" <<'EOF'
import struct
import sys

with open(sys.argv[1], "r+b") as f:
    f.seek(64 + 8)
    tables, = struct.unpack("<I", f.read(4))
    f.seek(tables * 64)
    items, = struct.unpack("<I", f.read(4))
    f.seek(items * 64 + 4)
    f.write(struct.pack("<H", 3))
EOF
refuses 1 cxltab slice check "$f" --repair --json
assert_eq "$(json 'd["ok"]' <<<"$OUTPUT")" false "what can't be repaired"
