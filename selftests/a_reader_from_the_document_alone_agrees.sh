#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Claim: docs/format.md suffices: tests/format_reader.py, 300 lines of Python with format_reader_rules.py that were written from it
# without a look at the C source, attaches, refuses what must be refused and prints the rules that dump-flows prints;
# format_reader_lookup.py finds the rules that trace finds, for the host's view and the NIC's, and reads exact tables.
# Neither is misled by a writer at work.
# Timeout: 180
. "$(dirname "$0")/lib.sh"

root=$(dirname "$selftests")
reader() {
	case $1 in
	dump) "$PYTHON" "$root/tests/format_reader.py" "$2" ;;
	*) "$PYTHON" "$root/tests/format_reader_lookup.py" "$@" ;;
	esac
}
generate() { "$PYTHON" "$selftests/flows_and_frames.py" "$@"; }
export PYTHONDONTWRITEBYTECODE=1

seed=${SEED:-$RANDOM}
note "SEED=$seed"

# agree_on_rules SLICE
agree_on_rules() {
	cxltab dump-flows "$1" --no-stats | sort >wanted
	reader dump "$1" | sort >got
	diff wanted got >difference || fail "rules of $1 differ: $(head -4 difference)"
	reader check "$1"
	note "$(wc -l <got) rules of $1 are the same"
}

# agree_on_packets SLICE PATH [OPTION]: tables and cookies for the packets in packets.txt. When a NIC's program
# punts, trace still names the rule; the reader says punt.
agree_on_packets() {
	cut -d' ' -f1,2 packets.txt | cxltab trace "$1" --packets - --path "$2" --json >traced
	cut -d' ' -f3- packets.txt | reader lookup ${3:+"$3"} "$1" >found
	"$PYTHON" - traced found packets.txt <<'PYTHON'
import collections, json, sys
seen = collections.Counter()
for trace, found, packet in zip(*map(open, sys.argv[1:4]), strict=True):
    trace, found = json.loads(trace), found.split()
    cookie = "miss" if trace["cookie"] is None else str(trace["cookie"])
    wanted = ["punt"] if trace["verdict"] == "punt" else [str(trace["table"]), cookie]
    if (found[1:] if found[1] == "punt" else found) != wanted:
        sys.exit(f"FAIL: found {found}, trace says {wanted}, {trace['reason']}, of {packet}")
    seen[trace["reason"] if found[1] == "punt" else "miss" if found[1] == "miss" else "a rule"] += 1
print("-", *(f"{number} {what}," for what, number in seen.most_common()), "the same")
assert len(seen) > 1, "these packets prove nothing"
PYTHON
}

# A slice that the host executes. Half of the rules of one mask are deleted and stored again, so that some have moved.
S=./slice
cxltab slice create "$S" --size 16M
generate "$seed" 2500 flows >flows.txt
generate "$seed" 1900 dense >dense.txt
cxltab add-flows "$S" flows.txt
cxltab add-flows "$S" dense.txt
cxltab del-flows "$S" cookie=0x200001/0x200001
awk -F'[=,]' '$2 % 2' dense.txt >half
cxltab add-flows "$S" half
generate "$seed" 700 packets >packets.txt
agree_on_rules "$S"
agree_on_packets "$S" inline

# A NIC that can do less and can't reach all: shadows, rules in the host domain, rules that it can't see at all.
head -300 dense.txt >few
generate "$seed" 800 flows | awk -F= -v OFS== '{ $4 = $4 % 30000 substr($4, index($4, ",")) } 1' >>few
for case in "16M few" "2M few" "400K dense.txt"; do
	read -r size file <<<"$case"
	N=./nic-$size
	cxltab slice create "$N" --size 16M --device-size "$size" --profile "$root/nicsim/profiles/l2-l4-nic.profile"
	cxltab add-flows "$N" "$file"
	cxltab add-flow "$N" cookie=0x300000,priority=39990,ip,nw_dst=10.0.0.0/9,nw_ttl=64,actions=output:1
	agree_on_rules "$N"
	agree_on_packets "$N" device --device
	agree_on_packets "$N" inline
done

# An exact table, which no command makes, written by hand from the document; slice check confirms it.
cat >exact.py <<'PYTHON'
"""exact.py READER SLICE SEED: writes an exact table of 3-word keys and 2-word values into an empty slice, with buckets
full enough that some entries sit in their second one; prints KEY = VALUE lines."""
import os
import random
import struct
import sys

sys.path.insert(0, os.path.dirname(sys.argv[1]))
import format_reader_lookup as reader

rng = random.Random(sys.argv[3])
path, n_key, n_val, log2 = sys.argv[2], 3, 2, 4
with open(path, "rb") as file:
    data = bytearray(file.read())
control, _, _, _, exacts, _, _, _, chunks, n_chunks, chunk0 = struct.unpack_from("<11I", data, 64)
layout = reader.Slice(path)


def put(line, byte, form, *values):
    struct.pack_into("<" + form, data, line * 64 + byte, *values)


def chunk(number, kind, size, used):
    """Returns the ref of its first object."""
    bits = (1 << used) - 1
    put(chunks + number, 0, "BxHI", kind, size, 0)
    put(chunks + number, 32, "4Q", *(bits >> 64 * i & reader.M64 for i in range(4)))
    return chunk0 + 256 * number


buckets = 1 << log2
secret, identity = rng.getrandbits(64), struct.unpack_from("<Q", data, control * 64 + 128)[0]
put(control, 128, "Q", identity + 1)
lines, counters, pairs = [[] for _ in range(buckets)], [[0] * 8 for _ in range(buckets)], []
while len(pairs) < 7 * buckets * 8 // 10:
    key = [rng.choice([0, 1, rng.getrandbits(64)]) for _ in range(n_key)]
    b1, tag, b2 = reader.place(layout.hash(secret, range(n_key), key), buckets - 1)
    b = b1 if len(lines[b1]) < 7 else b2
    if len(lines[b]) == 7 or key in (k for k, _ in pairs):
        continue
    lines[b].append((len(pairs), (tag << 1 | (b != b1)) << 32))
    counters[b1][tag & 7] = min(7, counters[b1][tag & 7] + (b != b1))
    pairs.append((key, [rng.getrandbits(64) for _ in range(n_val)]))
cells = (1 + n_key + n_val + 3) // 4
entries = 2 * chunk(n_chunks - 1, 2, cells, len(pairs))
array = chunk(n_chunks - 2, 6, buckets, 1)
tup = chunk(n_chunks - 3, 4, 5, 1)
put(exacts, 0, "Q24s", tup, b"by_hand")
put(tup, 0, "QQQIBBBB", array | log2 << 32, 0, secret, identity, n_key, 2, 0, 0)
put(tup, 32, "24B", *range(n_key), *[0] * (24 - n_key))
put(tup, 56, "BB", n_val, 0)
put(tup, 64, "QQ", 0, 0)
put(tup, 128, f"{n_key}Q", *[reader.M64] * n_key)
for b in range(buckets):
    put(array + b, 0, "8Q", *[entries + number * cells | high for number, high in lines[b]], *[0] * (7 - len(lines[b])),
        sum(count << 3 * c for c, count in enumerate(counters[b])))
for number, (key, value) in enumerate(pairs):
    put(0, 32 * (entries + number * cells), f"{1 + n_key + n_val}Q", 2, *key, *value)
    print(*(f"{word:x}" for word in key), "=", *(f"{word:x}" for word in value))
with open(path, "r+b") as file:
    file.write(data)
PYTHON
E=./exact
cxltab slice create "$E" --size 1M
"$PYTHON" exact.py "$root/tests/format_reader.py" "$E" "$seed" >pairs
cxltab slice check "$E"
assert_eq "$(sed 's/ = .*//' pairs | reader exact "$E" by_hand)" "$(sed 's/.* = //' pairs)" "values of exact keys"
assert_eq "$(reader exact "$E" by_hand 7 8 9)" miss "an exact key that isn't there"
refuses 1 reader exact "$E" by_foot 1
"$PYTHON" - "$E" <<'PYTHON'
import struct, sys
with open(sys.argv[1], "r+b") as file:
    data = file.read()
    tup = struct.unpack_from("<Q", data, struct.unpack_from("<I", data, 80)[0] * 64)[0]
    file.seek(tup * 64 + 16)
    file.write(bytes([data[tup * 64 + 16] ^ 1]))
PYTHON
refuses 1 cxltab slice check "$E"
assert_match "$OUTPUT" "key belongs elsewhere" "slice check of an exact table with another secret"

# A rule moves the sum of the change words of the packets that it matches, in the dimension that it ought to be in.
cat >change.py <<'PYTHON'
"""change.py READER SLICE"""
import os, subprocess, sys
sys.path.insert(0, os.path.dirname(sys.argv[1]))
import format_reader_lookup as reader

MAC, V4 = "dl_dst=02:00:00:00:00:01", ("nw_src=10.0.1.1", "nw_dst=10.0.2.1")
V6 = "ipv6_src=fd00::1", "ipv6_dst=fd01::1"
FOUR = [1 << 32 | 0x08000600, 0x0a0001010a000201, 0x0050005100000000, 0x0200000000010000] + [0] * 14
SIX = [1 << 32 | 0x86dd0600, 0, 0x0050005100000000, 0x0200000000010000, 0, 0xfd00 << 48, 1, 0xfd01 << 48, 1] + [0] * 9
ARP = [1 << 32 | 0x08060100, FOUR[1], 0, FOUR[3]] + [0] * 14
cases = [(MAC, key) for key in (FOUR, SIX, ARP)] + [("arp,arp_tpa=10.0.2.1", ARP), ("arp,arp_spa=10.0.1.1", ARP)]
for proto, tcp, (src, dst), key in ("ip", "tcp", V4, FOUR), ("ipv6", "tcp6", V6, SIX):
    cases += [(f"{proto},{src}", key), (f"{proto},{dst}", key), (f"{proto},{dst},{MAC}", key),
              (f"{proto},{src}/{64 if key is SIX else 24}", key), (f"{proto},{dst}/{64 if key is SIX else 24}", key),
              (f"in_port=1,{tcp},{src},{dst},tp_src=80,tp_dst=81", key)]
table = reader.Slice(sys.argv[2])
for turn in "add", "again":
    for match, key in cases:
        at = table.tables * 8 + 1
        wide, sum_before = table.w[at], table.change_sum(0, key)
        subprocess.run([os.environ["CXLTAB"], "add-flow", sys.argv[2], match + ",actions=drop"], check=True)
        moved = table.change_sum(0, key) - sum_before
        assert turn == "add" or (moved, table.w[at]) == (0x10000, wide), f"{match}: the sum moved by {moved:#x}"
PYTHON
cxltab slice create ./change --size 2M
"$PYTHON" change.py "$root/tests/format_reader.py" ./change

# A field that is wrong is named, and only such a slice is refused, by the reader and by cxltab.
cat >spoil.py <<'PYTHON'
"""spoil.py FROM TO BYTE SIZE VALUE: a copy with another value in the header or directory, and the checksum right"""
import struct, sys
at, size, value = map(int, sys.argv[3:])
with open(sys.argv[1], "rb") as file:
    data = bytearray(file.read())
data[at:at + size] = value.to_bytes(size, "little")
if at != 56:
    h, secrets = 0xcbf29ce484222325, struct.unpack_from("<I", data, 68)[0] * 64
    for byte in data[:56] + data[64:192] + data[secrets:secrets + 192]:
        h = (h ^ byte) * 0x100000001b3 & (1 << 64) - 1
    struct.pack_into("<Q", data, 56, h)
with open(sys.argv[2], "wb") as file:
    file.write(data)
PYTHON
B=./bare
cxltab slice create "$B" --size 512K
cxltab add-flow "$B" cookie=1,arp,actions=drop
while read -r field at size value; do
	"$PYTHON" spoil.py "$B" ./spoilt "$at" "$size" "$value"
	case $field in
	-)
		assert_eq "$(reader dump ./spoilt)" "$(cxltab dump-flows ./spoilt --no-stats)" "rules with byte $at spoilt"
		;;
	*)
		refuses 1 cxltab dump-flows ./spoilt
		refuses 1 reader dump ./spoilt
		assert_match "$OUTPUT" ": $field is wrong" "the field that is wrong"
		;;
	esac
done <<'FIELDS'
magic 0 8 5
byte_order 8 4 67305985
major 12 2 2
- 14 2 1
feat_incompat 16 4 3
- 20 4 1
- 24 4 1
n_lines 28 4 8191
dev_lines 32 4 8193
dir 36 4 2
- 44 4 1
id 48 8 0
checksum 56 8 1
control 64 4 0
control 64 4 8190
secrets 68 4 8192
tables 72 4 9000
n_tables 76 4 256
n_tables 76 4 0
exacts 80 4 2147483648
n_exacts 84 4 0
intents 88 4 8192
n_intents 92 4 255
chunks 96 4 8192
chunk0 100 4 5000
chunk0 104 4 8000
chg_log2 108 4 2
chg_log2 108 4 14
max_tuples 112 4 1025
work_budget 116 4 0
work_budget 116 4 65537
- 120 8 1
FIELDS

# Rules of lower priority come, change and go, with the masks and matches of those that stay. Each dump has all that
# stay, whole and once, and of the others only what was stored; the packets of those that stay keep their rule.
generate "$seed" 500 churn >churn.txt
sed 's/^cookie=/&1/; s/actions=.*/actions=output:77,output:78,output:79,output:80,output:81,output:82/' churn.txt >other
sed 's/priority=[0-9]*/priority=7/; s/^cookie=2/cookie=100/' half | sed -n 1,400p >>churn.txt
cxltab dump-flows "$S" --no-stats | sort >stay
head -100 packets.txt | cut -d' ' -f3- >keys
reader lookup "$S" <keys >before
for file in churn.txt other; do
	cxltab add-flows "$S" "$file"
	cxltab dump-flows "$S" --no-stats
done | sort -u >known
cat >writer.sh <<'BASH'
while :; do
	for file in churn.txt other half churn.txt; do
		"$CXLTAB" add-flows "$1" "$file"
	done
	"$CXLTAB" del-flows "$1" priority=7 --strict 2>/dev/null || :
	awk '/priority=[0-9][0-9]?,/ { sub(/cookie=[0-9]*,/, ""); sub(/,actions=.*/, ""); print "delete_strict " $0 }' \
		churn.txt | "$CXLTAB" add-flows "$1" -
	echo round
done
BASH
export CXLTAB
background writer.log bash writer.sh "$S"
end=$((SECONDS + 12)) dumps=0 found=0
while [ "$SECONDS" -lt "$end" ]; do
	reader dump "$S" | sort >now
	[ -z "$(comm -23 stay now)" ] || fail "a rule that stays is missing: $(comm -23 stay now | head -2)"
	[ -z "$(comm -23 now known)" ] || fail "a rule that never was: $(comm -23 now known | head -2)"
	[ -z "$(sed 's/.*table=/table=/; s/ actions=.*//' now | sort | uniq -d)" ] || fail "a rule is there twice"
	reader lookup "$S" <keys >after
	paste before after | awk '$2 != "miss" && $4 != "unstable" && ($1 != $3 || $2 != $4)' >changed
	[ ! -s changed ] || fail "a packet lost its rule: $(head -2 changed)"
	dumps=$((dumps + 1)) found=$((found + $(grep -vc unstable after || :)))
done
kill -0 "$PID"
assert_ge "$(wc -l <writer.log)" 3 "rounds of the writer"
assert_ge "$found" 100 "lookups that came to an end beside the writer"
note "$dumps dumps and $found lookups while the writer went round $(wc -l <writer.log) times"
