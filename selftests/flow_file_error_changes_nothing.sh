#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Claim: a flow file with an error in it changes nothing, and the error names file, line, column and reason;
# one that turns out not to fit is taken back whole.
. "$(dirname "$0")/lib.sh"

slice_add S --size 2M
cat >good.txt <<'END'
# rules that stay
cookie=1,table=0,priority=9,tcp,actions=output:1
cookie=2,table=0,udp,tp_dst=53,actions=controller

cookie=3,table=2,arp,actions=flood
END
cxltab add-flows "$S" good.txt
before=$(cxltab dump-flows "$S" --no-stats)
assert_eq "$(wc -l <<<"$before")" 3 "rules stored from the good file"

# unchanged WHAT
unchanged() {
	assert_eq "$(cxltab dump-flows "$S" --no-stats)" "$before" "rules after $1"
	cxltab slice check "$S"
}

# bad LINE:COL REASON FLOW...: a file whose last line is wrong, after lines that delete and replace
bad() {
	local place=$1 reason=$2
	shift 2
	printf '%s\n' 'delete table=2' 'cookie=9,tcp,priority=9,actions=drop' '# comment' "$@" >bad.txt
	refuses 1 cxltab add-flows "$S" bad.txt
	assert_eq "${OUTPUT%%: *}" cxltab "who says it"
	assert_match "$OUTPUT" "^cxltab: bad\.txt:$place: .*$reason" "the error of '${*: -1}'"
	assert_eq "$(wc -l <<<"$OUTPUT")" 1 "lines of the error"
	unchanged "'${*: -1}'"
	# The same from standard input.
	refuses 1 cxltab add-flows "$S" - <bad.txt
	assert_match "$OUTPUT" "^cxltab: stdin:$place: " "the error on stdin"
	unchanged "'${*: -1}' on stdin"
}

bad 4:1 "nw_src" 'nw_src=10.0.0.1,actions=drop'
bad 4:11 "(nw_dst|address)" 'ip,nw_dst=10.0.0.300,actions=drop'
bad 4:5 "tcp_dts" 'tcp,tcp_dts=80,actions=drop'
bad 4:20 "port" 'tcp,actions=output:nine'
bad 4:[0-9]+ "goto_table" 'table=3,tcp,actions=goto_table:2'
bad 6:[0-9]+ "." 'tcp,actions=drop' '' 'udp actions=frobnicate'
bad '4(:[0-9]+)?' "table 200" 'table=200,tcp,actions=drop'
bad '4(:[0-9]+)?' "table" 'tcp,actions=goto_table:99'

refuses 1 cxltab add-flows "$S" missing.txt
assert_match "$OUTPUT" 'missing.txt: No such file' "a missing file"
refuses 1 cxltab add-flow "$S" 'tcp,nw_dst=x,actions=drop'
assert_match "$OUTPUT" "column 12" "the column of an error on the command line"
unchanged "an error on the command line"

# More rules than there is room for, behind lines that delete, replace and modify.
{
	echo 'delete table=2'
	echo 'cookie=9,priority=9,tcp,actions=drop'
	echo 'modify cookie=8,udp,actions=output:9'
	for ((i = 0; i < 60000; i++)); do
		echo "table=4,tcp,nw_dst=10.$((i >> 16)).$((i >> 8 & 255)).$((i & 255)),actions=output:1"
	done
} >large.txt
refuses 1 cxltab add-flows "$S" large.txt
assert_match "$OUTPUT" '^cxltab: large.txt:[0-9]+: .*nothing was changed' "a file that doesn't fit"
unchanged "a file that doesn't fit"
