#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Claim: installing rules is stores into the slice and nothing else; a hundred times as many rules cost no
# more system calls, but for the memory that holds the file.
. "$(dirname "$0")/lib.sh"

command -v strace >/dev/null || skip "no strace"

# flows N: N rules, a line each
flows() {
	awk -v n="$1" 'BEGIN {
		for (i = 0; i < n; i++)
			printf "priority=%d,tcp,nw_src=10.%d.%d.%d,tp_dst=80,actions=mod_nw_ttl:9,output:%d\n",
				i % 7 + 1, i / 65536, i / 256 % 256, i % 256, i % 8 + 1
	}'
}

# calls LOG COMMAND...: the number of system calls that it makes
calls() {
	local log=$1
	shift
	strace -f -o "$log" "$@" >/dev/null
	grep -c '(' "$log"
}

flows 1000 >small.txt
flows 100000 >large.txt
for S in ./slice arena; do
	cxltab slice create "$S" --size 64M
	small=$(calls small.log "$CXLTAB" add-flows "$S" small.txt)
	assert_eq "$(cxltab dump-tables "$S" --json | json 'd[0]["rules"]')" 1000 "rules stored"
	large=$(calls large.log "$CXLTAB" add-flows "$S" large.txt)
	assert_eq "$(cxltab dump-tables "$S" --json | json 'd[0]["rules"]')" 100000 "rules stored"
	note "$S: $small system calls for 1,000 rules, $large for 100,000"
	assert_ge 60 $((large - small)) "more system calls for 99,000 more rules"
	# What is left over is memory for the list, and reading the file.
	sed 's/^[0-9]* *//; s/(.*//' small.log | sort >small.calls
	sed 's/^[0-9]* *//; s/(.*//' large.log | sort >large.calls
	for call in $(comm -13 small.calls large.calls | sort -u); do
		case $call in brk | mmap | munmap | mremap | madvise | read) ;;
		*) fail "$call is called more often for more rules" ;;
		esac
	done

	small=$(calls small.log "$CXLTAB" del-flows "$S" 'tcp,nw_src=10.0.0.0/22')
	large=$(calls large.log "$CXLTAB" del-flows "$S")
	assert_ge 60 $((large - small)) "more system calls for deleting 99,000 rules"
	assert_eq "$(cxltab dump-flows "$S")" "" "rules after deleting all"
	cxltab slice check "$S"
	cxltab slice destroy "$S"
done
