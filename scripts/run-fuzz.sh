#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run-fuzz.sh OUT SECONDS FUZZER...: runs libFuzzer targets one after the other. What they learn stays in
# OUT/corpus/NAME; tests/fuzz/corpus/NAME, if there, is read as well. A crash is a file in OUT/crashes/.
set -u

out=$1
seconds=$2
shift 2
here=$(dirname "$0")
passed=0
failed=0
mkdir -p "$out/crashes"
for fuzzer; do
	name=$(basename "$fuzzer")
	name=${name#fuzz_}
	mkdir -p "$out/corpus/$name"
	seeds=()
	[ ! -d "tests/fuzz/corpus/$name" ] || seeds=("tests/fuzz/corpus/$name")
	echo "fuzz $name for $seconds s"
	if "$fuzzer" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="$out/crashes/$name-" "$out/corpus/$name" "${seeds[@]}" >"$out/$name.log" 2>&1; then
		passed=$((passed + 1))
		sed -n 's/^stat::number_of_executed_units: */  executions: /p' "$out/$name.log"
	else
		failed=$((failed + 1))
		tail -n 60 "$out/$name.log" | sed 's/^/  | /'
	fi
done
echo "$passed $failed 0" >"$out/totals"
"$here/totals.sh" "$out/totals"
