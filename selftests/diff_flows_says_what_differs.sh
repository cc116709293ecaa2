#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Claim: diff-flows prints what only one of two sources has, whichever are slices and whichever files, in the
# words of ovs-ofctl diff-flows, and exits with 0, 2 or, after an error, 1.
. "$(dirname "$0")/lib.sh"

cat >a <<'END'
# what both have
table=2,priority=9,arp,actions=output:7
cookie=0x5,table=1,priority=5,tcp,nw_dst=10.0.0.0/8,actions=output:2
priority=7,in_port=3,actions=output:4
udp,tp_dst=53,actions=output:1,output:2
icmp,actions=drop
actions=drop
table=3,ipv6,actions=dec_ttl,output:1
END
cat >b <<'END'
add table=2,priority=9,arp actions=output:7
cookie=0x6,table=1,priority=5,tcp,nw_dst=10.0.0.0/8,actions=output:2
priority=8,in_port=3,actions=output:4
udp,tp_dst=53,actions=drop
udp,tp_dst=53,actions=output:2,output:1
icmp,actions=drop
actions=drop
table=3,udp6,actions=dec_ttl,output:1
END
cat >wanted <<'END'
-udp,tp_dst=53 actions=output:1,output:2
+udp,tp_dst=53 actions=output:2,output:1
+priority=8,in_port=3 actions=output:4
-priority=7,in_port=3 actions=output:4
-table=1 priority=5,tcp,nw_dst=10.0.0.0/8 cookie=0x5 actions=output:2
+table=1 priority=5,tcp,nw_dst=10.0.0.0/8 cookie=0x6 actions=output:2
-table=3 ipv6 actions=dec_ttl,output:1
+table=3 udp6 actions=dec_ttl,output:1
END

# differ A B: they do, as wanted, in the order of dump-flows
differ() {
	local status=0
	cxltab diff-flows "$1" "$2" >got || status=$?
	assert_eq "$status" 2 "status of 'diff-flows $1 $2'"
	diff wanted got || fail "diff-flows $1 $2"
}

differ a b
differ ./a "$PWD/b"
cxltab diff-flows a a
assert_eq "$(cxltab diff-flows a a)" "" "what is printed of no difference"
assert_eq "$(cxltab diff-flows a a --json)" "[]" "and as JSON"

if command -v ovs-ofctl >/dev/null; then
	sed 's/^add //' b >b.ovs
	refuses 2 ovs-ofctl -O OpenFlow13 diff-flows ./a ./b.ovs
	diff <(sort <<<"$OUTPUT") <(sort wanted) || fail "ovs-ofctl says it in other words"
else
	note "no ovs-ofctl to compare with"
fi

# Slices: a file's, by any path, and an arena's, by its name.
cxltab slice create ./slice
cxltab add-flows ./slice a
A=
slice_add A
cxltab add-flows "$A" a
for s in ./slice slice "$PWD/slice" "$A"; do
	cxltab diff-flows "$s" a
	cxltab diff-flows a "$s"
	differ "$s" b
done
cxltab diff-flows "$A" ./slice
cxltab diff-flows - slice <a
cxltab diff-flows slice - <a
cxltab diff-flows "$A" <(cat a)

# Where a slice and a file share a name, the name is the slice's, as everywhere.
cp b "$A"
cxltab diff-flows "$A" a
differ a "./$A"

# What it prints can be stored; and what replace-flows stores, it doesn't find.
{ sed -n 's/^-\(.*\) actions=.*/delete_strict \1/p' got | sed 's/ cookie=[^ ]*//'; sed -n 's/^+/add /p' got; } |
	cxltab bundle "$A" -
cxltab diff-flows "$A" b
cxltab replace-flows ./slice b
cxltab diff-flows ./slice b

# As JSON.
refuses 2 cxltab diff-flows a b --json
json '[d[3]["table"], d[3]["priority"], d[3]["match"], d[3]["from"], d[3]["to"]]' <<<"$OUTPUT" |
	grep -qxF '[1, 5, "tcp,nw_dst=10.0.0.0/8", {"cookie": 5, "actions": "output:2"}, {"cookie": 6, "actions": "output:2"}]'
json '[d[1]["from"], d[2]["to"]]' <<<"$OUTPUT" | grep -qxF '[null, null]'

# Errors are 1, also those that are 2 elsewhere.
# says REGEX ARGUMENT...
says() {
	local regex=$1
	shift
	refuses 1 cxltab diff-flows "$@"
	assert_match "$OUTPUT" "^cxltab: .*$regex" "the error of 'diff-flows $*'"
}
echo 'tcp,tcp_dts=1,actions=drop' >bad
echo 'modify tcp,actions=drop' >worse
says 'missing: neither a slice nor a file' missing a
says './missing: No such file' a ./missing
says 'bad:1:5: .*tcp_dts' a bad
says 'worse:1:[0-9]+: .*modification' worse a
says 'it needs SOURCE1 SOURCE2' a
says 'no option --jsno' a b --jsno
says 'standard input' - -
head -c 8192 slice >short
says 'short' short a
refuses 1 sh -c "'$CXLTAB' diff-flows a b >/dev/full"
