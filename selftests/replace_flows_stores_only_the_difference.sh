#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Claim: replace-flows makes a slice have a file's flows by storing what differs: of 100,000 rules with 100
# changes some hundred lines of memory change, rules that stay keep counters and age, and an error changes
# nothing.
# Timeout: 120
. "$(dirname "$0")/lib.sh"

# ---- What is stored ------------------------------------------------------------------------------------

cat >flows.py <<'END'
with open("old", "w") as old, open("new", "w") as new:
    for i in range(100000):
        flow = (f"cookie={i % 3},table={i % 4},priority={i % 9},tcp,nw_dst=10.{i >> 16}.{i >> 8 & 255}.{i & 255},"
                f"tp_dst={i % 999},actions=mod_nw_ttl:9,output:{i % 5 + 1}\n")
        print(flow, end="", file=old)
        if i % 4000 == 1:
            flow = flow.replace("output:", "dec_ttl,output:")
        if i % 4000 == 2:
            flow = flow.replace("cookie=", "cookie=7")
        if i % 4000 == 3:
            continue
        print(flow, end="", file=new)
        if i % 4000 == 4:
            print(flow.replace("priority=", "priority=10"), end="", file=new)
END
"$PYTHON" flows.py
cxltab slice create ./S --size 128M
cxltab add-flows ./S old
cp S before
cxltab replace-flows ./S new --json >result
json '[d["added"], d["replaced"], d["deleted"], d["unchanged"]]' <result | grep -qx '\[25, 50, 25, 99925\]'
cxltab slice check ./S
cxltab diff-flows ./S new

# lines A B: how many lines of 64 bytes differ
lines() {
	{ cmp -l "$1" "$2" || :; } | awk '{ n += !l[int(($1 - 1) / 64)]++ } END { print n + 0 }'
}
changed=$(lines before S)
note "$changed lines changed"
assert_ge 1000 "$changed" "lines that 100 changes changed"
assert_ge "$changed" 100 "lines that 100 changes changed, at least"

# Nothing to do: nobody's turn, no bundle, no entry.
cp S before
cxltab replace-flows ./S - --json <new | json 'd["unchanged"]' | grep -qx 100000
assert_ge 8 "$(lines before S)" "lines that no change changed"

# ---- Errors --------------------------------------------------------------------------------------------

# unchanged WHAT
unchanged() {
	cxltab diff-flows ./S new || fail "$1 changed something"
	cxltab slice check ./S
}
printf 'tcp,actions=drop\nmodify udp,actions=drop\n' >bad
refuses 1 cxltab replace-flows ./S bad
assert_match "$OUTPUT" '^cxltab: bad:2:[0-9]+: .*modification' "a modification in a file of flows"
unchanged "a modification in a file of flows"
printf 'tcp,actions=drop\ntcp,tcp_dts=1,actions=drop\n' >bad
refuses 1 cxltab replace-flows ./S bad
assert_match "$OUTPUT" '^cxltab: bad:2:5: .*tcp_dts' "an error in a file of flows"
unchanged "an error in a file of flows"
refuses 1 cxltab replace-flows ./S missing
assert_match "$OUTPUT" 'missing: No such file' "a missing file"
unchanged "a missing file"

# A file that doesn't fit: into a slice for a few.
cxltab slice create ./small --size 2M
printf '%s\n' 'cookie=1,tcp,actions=output:1' 'cookie=2,udp,actions=output:2' | cxltab add-flows ./small -
cxltab dump-flows ./small --no-stats >kept
refuses 1 cxltab replace-flows ./small new
assert_match "$OUTPUT" '^cxltab: new:[0-9]+: .*nothing was changed' "a file that doesn't fit"
cxltab dump-flows ./small --no-stats | cmp kept -
cxltab slice check ./small

# Of two lines with one identity the later one counts; an empty file empties.
printf '%s\n' 'tcp,actions=output:1' 'udp,actions=output:2' 'tcp,actions=output:3' |
	cxltab replace-flows ./small - --json | json '[d["added"], d["replaced"], d["unchanged"]]' |
	grep -qx '\[0, 2, 0\]'
cxltab dump-flows ./small tcp --json | json 'd[0]["actions"]' | grep -qx output:3
cxltab replace-flows ./small /dev/null --json | json 'd["deleted"]' | grep -qx 2
assert_eq "$(cxltab dump-flows ./small)" "" "what an empty file leaves"

# ---- Counters ------------------------------------------------------------------------------------------

hosts_add 2
S=
slice_add S
flows() {
	cat <<-END
		cookie=1,priority=$1,icmp,in_port=1,actions=output:2
		cookie=2,icmp,in_port=2,actions=$2
	END
}
flows 5 output:1 | cxltab add-flows "$S" -
cxltab attach "$S" "${PORT[0]}" --port 1
cxltab attach "$S" "${PORT[1]}" --port 2
ping_ok 0 1 5
# packets COOKIE
packets() {
	cxltab dump-flows "$S" "cookie=$1/-1" --json | json 'd[0]["packets"]'
}
flows 5 output:1 | cxltab replace-flows "$S" -
assert_eq "$(packets 1) $(packets 2)" "5 5" "packets of rules that stay"
flows 5 dec_ttl,output:1 | cxltab replace-flows "$S" -
assert_eq "$(packets 1) $(packets 2)" "5 0" "packets of a rule that stays and one that is replaced"
ping_ok 0 1 3
assert_eq "$(packets 1) $(packets 2)" "8 3" "packets afterwards"
