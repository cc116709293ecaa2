#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run-bench.sh OUT SIZE BENCH...: runs benchmarks one after the other; each writes the file that BENCH_JSON
# names: one JSON object, or a list of them, with name, ours, peer, unit, ratio, how. One that fails or
# writes nothing has failed; the last line is the total.
set -u

out=$1
size=$2
shift 2
limit=${BENCH_TIMEOUT:-900}
PYTHON=${PYTHON:-/usr/bin/python3}
here=$(dirname "$0")
mkdir -p "$out"
out=$(cd "$out" && pwd)

case $size in full | smoke) ;; *)
	echo "bench: BENCH_SIZE is full or smoke, not '$size'" >&2
	exit 2
	;;
esac

passed=0
failed=0
for bench; do
	name=$(basename "${bench%.sh}")
	name=${name#bench_}
	json=$out/$name.json
	rm -f "$json"
	echo "bench $name ($size)"
	rc=0
	BENCH_SIZE=$size BENCH_JSON=$json timeout -k 5 "$limit" "$bench" >"$out/$name.log" 2>&1 || rc=$?
	if [ "$rc" = 0 ] && "$PYTHON" "$here/bench-report.py" "$json"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "  failed (exit status $rc)"
		tail -n 40 "$out/$name.log" | sed 's/^/  | /'
	fi
done
echo "$passed $failed 0" >"$out/totals"
"$here/totals.sh" "$out/totals"
