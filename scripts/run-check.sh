#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run-check.sh OUT JOBS TEST-PROGRAM...: runs Criterion programs, JOBS at a time, each in its own process
# with one test at a time. A program that crashes, hangs or reports fewer tests than it announced has
# failed. Logs and TAP go to OUT/; the last line is the total. In CI a skipped test is a failure.
set -u

out=$1
jobs=$2
shift 2
limit=${CHECK_TIMEOUT:-180}
here=$(dirname "$0")

export ASAN_OPTIONS="detect_stack_use_after_return=0:${ASAN_OPTIONS:-}"
export UBSAN_OPTIONS="print_stacktrace=1:${UBSAN_OPTIONS:-}"
export TSAN_OPTIONS="halt_on_error=1:${TSAN_OPTIONS:-}"

rm -rf "$out"
mkdir -p "$out"

# ThreadSanitizer needs the addresses that it knows.
run=()
case $out in *san-thread*) run=(setarch -R) ;; esac

run_one() {
	local name=$2 log=$out/$2.log tap=$out/$2.tap start=$EPOCHREALTIME rc=0
	"${run[@]}" timeout -k 5 "$limit" "$1" -j1 --color=never --tap="$tap" >"$log" 2>&1 || rc=$?
	local passed failed skipped planned
	read -r passed failed skipped planned < <(awk '
		/^1\.\.[0-9]+/ { planned = substr($0, 4) + 0 }
		/^ok .*# SKIP/ { skipped++; next }
		/^ok / { passed++ }
		/^not ok / { failed++ }
		END { print passed + 0, failed + 0, skipped + 0, planned + 0 }' "$tap" 2>/dev/null || echo 0 0 0 0)
	local why=
	if [ "$rc" = 124 ] || [ "$rc" = 137 ]; then
		why="stopped after $limit s"
	elif [ "$rc" != 0 ] && [ "$failed" = 0 ]; then
		why="exit status $rc"
	elif [ "$planned" = 0 ]; then
		why="no tests in it"
	fi
	local missing=$((planned - passed - failed - skipped))
	[ "$missing" -le 0 ] || failed=$((failed + missing))
	[ -z "$why" ] || [ "$failed" != 0 ] || failed=1

	echo "$passed $failed $skipped" >"$out/$name.totals"
	local secs
	secs=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')
	local verdict=ok
	[ "$failed" = 0 ] || verdict="not ok"
	# One write, so that suites running side by side don't mix.
	{
		echo "$verdict $name: $passed passed, $failed failed, $skipped skipped, $secs s${why:+ ($why)}"
		sed -n 's/^ok - \(.*[^ ]\)  *# SKIP */    skipped \1: /p' "$tap" 2>/dev/null
		if [ "$failed" != 0 ]; then
			grep '^not ok' "$tap" 2>/dev/null | sed 's/^/    /'
			tail -n 60 "$log" | sed 's/^/    | /'
		fi
	} >"$out/$name.report"
	cat "$out/$name.report"
}

running=0
for program; do
	[ "$running" -lt "$jobs" ] || { wait -n && :; running=$((running - 1)); }
	run_one "$program" "$(basename "$program")" &
	running=$((running + 1))
done
wait

find "$out" -name '*.totals' -exec cat {} + |
	awk '{ p += $1; f += $2; s += $3 } END { print p + 0, f + 0, s + 0 }' >"$out/totals"
read -r _ failed skipped <"$out/totals"
if [ "${CI:-}" = true ] && [ "$skipped" != 0 ]; then
	echo "check: in CI nothing may be skipped"
	failed=1
fi
"$here/totals.sh" "$out/totals"
[ "$failed" = 0 ]
