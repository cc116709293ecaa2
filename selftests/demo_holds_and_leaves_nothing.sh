#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Claim: every claim of the demo holds, the keys of its demo.json are those that README.md explains, and a demo that
# is stopped in the middle, by SIGINT, SIGTERM or SIGKILL, leaves neither processes nor namespaces nor pins.
# Timeout: 240
. "$(dirname "$0")/lib.sh"

seed=${SEED:-$RANDOM}
note "SEED=$seed"
RANDOM=$seed
top=$(dirname "$selftests")
saved=
if [ -e "$BUILD/demo.json" ]; then
	saved=$TMP/demo.json.before
	cp "$BUILD/demo.json" "$saved"
	defer cp "$saved" "$BUILD/demo.json"
else
	defer rm -f "$BUILD/demo.json"
fi

# What a demo could leave here, outside its own namespaces.
left() {
	find /run /sys/fs/bpf -mindepth 1 ! -path "$TMP*"
	ip -o link | sed 's/: <.*//'
	grep -lzs '^CXLT_DEMO=' /proc/[0-9]*/environ || :
	lsns -n -o NS -t net
}
left >before

# Started as a shell in the foreground would: with SIGINT's default action.
start_demo() {
	background demo.log "$PYTHON" -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.setpgid(0, 0)
os.environ.pop("CXLT_PRIVATE", None)
os.execv(sys.argv[1], sys.argv[1:])' "$top/scripts/demo.sh"
}

nothing_left() { left | diff before - >left.diff; }

for signal in INT TERM KILL; do
	start_demo
	# At a random line of its output.
	line=$((RANDOM % 36 + 2))
	eventually 60 awk -v n="$line" 'END { exit NR < n }' demo.log
	status=0
	stop "$PID" "$signal" 2>/dev/null || status=$?
	note "SIG$signal at line $line: status $status"
	[ "$status" != 0 ] || fail "the demo ended well although it got SIG$signal"
	eventually 5 nothing_left
	[ ! -e "$BUILD/demo.json" ] || fail "a demo that was stopped wrote demo.json"
done

start_demo
wait "$PID" || {
	cat demo.log
	fail "the demo"
}
eventually 5 nothing_left
grep -q 'All of it held' demo.log
assert_eq "$(json 'd["ok"]' <"$BUILD/demo.json")" true "ok in demo.json"

# README's table, as patterns, against the keys that there are; both ways.
"$PYTHON" - "$top/README.md" "$BUILD/demo.json" <<'END'
import json
import re
import sys


def leaves(tree, prefix=""):
    for key, value in tree.items():
        yield from leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else [prefix + key]


text = open(sys.argv[1], encoding="utf-8").read()
rows = re.findall(r"^\| `([^|]*)` \|", text.split("## demo.json")[1].split("\n## ")[0], re.M)
patterns = [p for row in rows for p in re.split("`, `", row)]
assert len(patterns) > 10, patterns
keys = list(leaves(json.load(open(sys.argv[2], encoding="utf-8"))))
used = set()
for key in keys:
    fits = [p for p in patterns if re.fullmatch(re.sub("[A-Z]+", "[a-z0-9_]+", re.escape(p)), key)]
    assert fits, f"README.md doesn't explain {key}"
    used.update(fits)
assert used == set(patterns), f"not in demo.json: {set(patterns) - used}"
END
