#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run.sh [NAME...]: runs the selftests (all, or those named; wildcards allowed), one after the other, and
# prints TAP. Each file is one claim; see lib.sh for how it is written. Afterwards it looks for what the tests
# left behind and for complaints in the kernel's log. No retries. In CI (CI=true) a skip is a failure.
# Ends with the line "N passed, N failed, N skipped".
set -u
shopt -s nullglob

here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
export BUILD=${BUILD:-$top/build}
export BPFTOOL=${BPFTOOL:-/usr/sbin/bpftool}
mark=SELFTEST_RUN=$$-$RANDOM
logs=$BUILD/selftest

if [ "$(id -u)" != 0 ]; then
	echo "selftest: needs root, for namespaces and BPF; run as root: make selftest" >&2
	exit 1
fi

files=()
for name in "${@:-*}"; do
	matched=0
	for file in "$here/"$name.sh; do
		case ${file##*/} in lib.sh | run.sh) continue ;; esac
		files+=("$file")
		matched=1
	done
	if [ "$matched" = 0 ] && [ $# != 0 ]; then
		echo "selftest: nothing is named '$name'" >&2
		exit 2
	fi
done

rm -rf "$logs"
mkdir -p "$logs"

# What could be left behind, a line each.
snapshot() {
	local kind
	find /run/netns -mindepth 1 -printf "network namespace %f\n" 2>/dev/null
	ip -o link | awk -F ': ' '{ sub(/@.*/, "", $2); print "device " $2 }'
	find /sys/fs/bpf -mindepth 1 2>/dev/null | sed 's/^/pin /'
	for kind in prog map link; do
		"$BPFTOOL" "$kind" list 2>/dev/null | awk -v k="$kind" -F : '/^[0-9]+:/ { print "bpf " k " " $1 }'
	done
	grep -lzsFx "$mark" /proc/[0-9]*/environ | while IFS=/ read -r _ _ pid _; do
		echo "process $pid $(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline")"
	done
}

# What is there now, wasn't before, and isn't some other living process's own BPF object.
left_behind() {
	snapshot | grep -vxFf "$logs/before" >"$logs/after" || return 0
	grep -hs '^\(prog\|map\|link\)_id:' /proc/[0-9]*/fdinfo/* | sort -u |
		sed 's/^\([a-z]*\)_id:[[:space:]]*/bpf \1 /' >"$logs/others"
	grep -vxFf "$logs/others" "$logs/after"
	return 0
}

passed=0
failed=0
skipped=0
count=0

# result VERDICT NAME TEXT
result() {
	count=$((count + 1))
	case $1 in
	pass) passed=$((passed + 1)) && echo "ok $count - $2${3:+ # $3}" ;;
	skip) skipped=$((skipped + 1)) && echo "ok $count - $2 # SKIP $3" ;;
	fail) failed=$((failed + 1)) && echo "not ok $count - $2${3:+ # $3}" ;;
	esac
}

snapshot >"$logs/before"
read -r started _ </proc/uptime

echo "TAP version 13"
echo "1..$((${#files[@]} + 2))"
for file in "${files[@]}"; do
	name=$(basename "$file" .sh)
	log=$logs/$name.log
	limit=$(sed -n 's/^# Timeout: *\([0-9][0-9]*\).*/\1/p' "$file" | head -n 1)
	limit=${limit:-60}
	start=$EPOCHREALTIME
	rc=0
	env "$mark" timeout -k 10 "$limit" bash "$file" >"$log" 2>&1 </dev/null || rc=$?
	took=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f s", b - a }')
	reason=$(sed -n 's/^SKIP: //p' "$log" | tail -n 1)
	case $rc in
	0) result pass "$name" "$took" ;;
	77)
		if [ "${CI:-}" = true ]; then
			result fail "$name" "skipped in CI: ${reason:-no reason given}"
		elif [ -z "$reason" ]; then
			result fail "$name" "skipped without a reason"
		else
			result skip "$name" "$reason"
		fi
		;;
	*)
		[ "$rc" != 124 ] && [ "$rc" != 137 ] || took="stopped after $limit s"
		result fail "$name" "$took, exit status $rc"
		tail -n 60 "$log" | sed 's/^/# | /'
		;;
	esac
done

# The kernel frees BPF objects a moment after their last user.
for ((i = 0; i < 50; i++)); do
	left=$(left_behind)
	[ -n "$left" ] || break
	sleep 0.1
done
if [ -z "$left" ]; then
	result pass "nothing is left behind by the tests"
else
	result fail "nothing is left behind by the tests"
	printf '%s\n' "$left" | sed 's/^/# | /'
fi

complaints=$(dmesg | awk -v since="$started" '
	match($0, /^\[ *[0-9.]+\]/) && substr($0, 2, RLENGTH - 2) + 0 >= since + 0' |
	grep -E 'BUG:|WARNING:|Oops|general protection|Call Trace:|KASAN|UBSAN:|stall|lockup|blocked for more|refcount_t' || :)
if [ -z "$complaints" ]; then
	result pass "the kernel's log has no complaints"
else
	result fail "the kernel's log has no complaints"
	printf '%s\n' "$complaints" | head -n 40 | sed 's/^/# | /'
fi

echo "$passed $failed $skipped" >"$logs/totals"
"$top/scripts/totals.sh" "$logs/totals"
