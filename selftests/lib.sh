# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Sourced first by every selftest:
#
#	#!/bin/bash
#	# SPDX-License-Identifier: Apache-2.0
#	# Claim: what is proved, in a sentence.
#	# Timeout: 60                       (seconds; only if the default, 60, is too short)
#	. "$(dirname "$0")/lib.sh"
#
# Sourcing it starts the file again inside private network, mount and process namespaces, with an own bpffs
# on /sys/fs/bpf and an own tmpfs on /run. So names can't clash, and when the test's shell ends, however it
# ends, the kernel removes processes, named network namespaces, devices, pins and files under $TMP. The
# namespace the test starts in is the switch: its ports and representors live there.
#
# A test passes if it reaches its end. `set -eu -o pipefail` is on: any command that fails, fails the test.
# Commands of the project: cxltab, nicsim (functions), $BUILD (build folder), $PYTHON (has scapy), $BPFTOOL.

set -eu -E -o pipefail

selftests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export BUILD=${BUILD:-$(dirname "$selftests")/build}
export CXLTAB=${CXLTAB:-$BUILD/cxltab} NICSIM=${NICSIM:-$BUILD/nicsim}
export PYTHON=${PYTHON:-/usr/bin/python3} BPFTOOL=${BPFTOOL:-/usr/sbin/bpftool}
export LC_ALL=C

# skip REASON: ends the test as skipped. In CI that is a failure.
skip() {
	echo "SKIP: $*"
	exit 77
}

# fail TEXT: ends the test as failed, naming the line of the test file that led here.
fail() {
	echo "FAIL: $* (${BASH_SOURCE[-1]##*/}:${BASH_LINENO[-2]})" >&2
	exit 1
}

# note TEXT: a line for whoever reads the log.
note() {
	echo "- $*"
}

if [ -z "${CXLT_PRIVATE:-}" ]; then
	[ "$(id -u)" = 0 ] || skip "needs root"
	CXLT_PRIVATE=1 exec unshare --net --mount --propagation private \
		--pid --fork --kill-child --mount-proc -- "$BASH" "$0" "$@"
fi

mount -t tmpfs -o mode=0755 none /run
mount -t bpf -o mode=0700 none /sys/fs/bpf
mkdir -p /run/netns /run/selftest
TMP=/run/selftest
cd "$TMP"
ip link set lo up

# ---- Cleaning up (the namespaces' end does most of it) ------------------------------------------------

deferred=()

# defer COMMAND...: runs COMMAND when the test ends, last deferred first.
defer() {
	deferred+=("$(printf '%q ' "$@")")
}

run_deferred() {
	local status=$? i
	trap - EXIT ERR
	set +e
	for ((i = ${#deferred[@]} - 1; i >= 0; i--)); do
		eval "${deferred[i]}" >/dev/null 2>&1
	done
	exit "$status"
}
trap run_deferred EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

command_failed() {
	local line=$2 depth=${#BASH_LINENO[@]}
	[ "$depth" -le 2 ] || line=${BASH_LINENO[depth - 2]}
	echo "FAIL: status $1 of: $3 (${BASH_SOURCE[-1]##*/}:$line)" >&2
}
trap 'command_failed $? $LINENO "$BASH_COMMAND"' ERR

# ---- Claims --------------------------------------------------------------------------------------------

# assert_eq GOT WANTED WHAT
assert_eq() {
	[ "$1" = "$2" ] || fail "$3: got '$1', wanted '$2'"
}

# assert_ge GOT LEAST WHAT: whole numbers
assert_ge() {
	[ "$1" -ge "$2" ] || fail "$3: got $1, wanted at least $2"
}

# assert_match TEXT REGEX WHAT: TEXT contains the extended regular expression
assert_match() {
	[[ $1 =~ $2 ]] || fail "$3: '$1' doesn't match '$2'"
}

# refuses STATUS COMMAND...: COMMAND ends with exactly STATUS; what it prints is in $OUTPUT.
refuses() {
	local wanted=$1 status=0
	shift
	OUTPUT=$("$@" 2>&1) || status=$?
	[ "$status" = "$wanted" ] || fail "'$*' returned $status, wanted $wanted: $OUTPUT"
}

# eventually SECONDS COMMAND...: polls until COMMAND succeeds; fails the test after SECONDS.
eventually() {
	local seconds=$1 end=$((${EPOCHREALTIME/./} + $1 * 1000000))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "${EPOCHREALTIME/./}" -lt "$end" ] || fail "not within $seconds s: $*"
		sleep 0.02
	done
}

# json EXPRESSION: reads JSON from stdin and prints a Python expression over it, as `d`.
json() {
	"$PYTHON" -c 'import json, sys
d = json.load(sys.stdin)
v = eval(sys.argv[1])
print(v if isinstance(v, str) else json.dumps(v))' "$1"
}

# ---- Processes -----------------------------------------------------------------------------------------

cxltab() { "$CXLTAB" "$@"; }
nicsim() { "$NICSIM" "$@"; }

# background LOG COMMAND...: starts COMMAND (a program, not a function) with its output in $TMP/LOG; its
# process id is in $PID. The test's end kills it.
background() {
	local log=$TMP/$1
	shift
	# Before it starts: whoever waits for a word in the log must not find the last process's.
	: >"$log"
	"$@" >"$log" 2>&1 &
	PID=$!
	defer kill -9 "$PID"
}

# stop PID [SIGNAL]: signals one process (default: TERM), waits for its end and returns its status.
stop() {
	local status=0
	kill -"${2:-TERM}" "$1"
	wait "$1" || status=$?
	return "$status"
}

# ---- Networks ------------------------------------------------------------------------------------------

# ns_add VAR...: for each, makes a network namespace with a random name and sets VAR to that name.
ns_add() {
	local var name
	for var; do
		name=$var-$(printf '%04x%04x' $((RANDOM)) $((RANDOM)))
		ip netns add "$name"
		in_ns "$name" ip link set lo up
		defer ip netns del "$name"
		printf -v "$var" '%s' "$name"
	done
}

# in_ns NS COMMAND...: runs a program in a namespace ("." is the switch). Unlike `ip netns exec` it leaves
# /sys alone, so pins stay visible.
in_ns() {
	local ns=$1
	shift
	if [ "$ns" = . ]; then "$@"; else nsenter --net="/run/netns/$ns" "$@"; fi
}

# veth_add NS DEV PEER_NS PEER_DEV: a veth pair, both ends up, without addresses (IPv6's included).
veth_add() {
	local at=() peer=()
	[ "$1" = . ] || at=(netns "$1")
	[ "$3" = . ] || peer=(netns "$3")
	ip link add "$2" "${at[@]}" type veth peer name "$4" "${peer[@]}"
	in_ns "$1" ip link set "$2" addrgenmode none
	in_ns "$3" ip link set "$4" addrgenmode none
	in_ns "$1" ip link set "$2" up
	in_ns "$3" ip link set "$4" up
}

# hosts_add N: N hosts on the switch. Host i is namespace ${HOST[i]} with eth0 (MAC ${MAC[i]}, ${IP[i]} in
# 10.0.0.0/24, ${IP6[i]} in fd00::/64, static neighbours); its cable ends at the switch's device ${PORT[i]}.
hosts_add() {
	local n=$1 i j ns host=
	HOST=() MAC=() IP=() IP6=() PORT=()
	for ((i = 0; i < n; i++)); do
		ns_add host
		HOST[i]=$host
		MAC[i]=$(printf '02:00:00:00:00:%02x' $((i + 1)))
		IP[i]=10.0.0.$((i + 1))
		IP6[i]=fd00::$((i + 1))
		PORT[i]=p$i
		ns=${HOST[i]}
		veth_add . "${PORT[i]}" "$ns" eth0
		in_ns "$ns" ip link set eth0 address "${MAC[i]}"
		in_ns "$ns" ip address add "${IP[i]}/24" dev eth0
		in_ns "$ns" ip -6 address add "${IP6[i]}/64" dev eth0 nodad
	done
	for ((i = 0; i < n; i++)); do
		for ((j = 0; j < n; j++)); do
			[ "$i" != "$j" ] || continue
			in_ns "${HOST[i]}" ip neighbour replace "${IP[j]}" lladdr "${MAC[j]}" dev eth0 nud permanent
			in_ns "${HOST[i]}" ip -6 neighbour replace "${IP6[j]}" lladdr "${MAC[j]}" dev eth0 nud permanent
		done
	done
}

# reps_add N: N representors for nicsim. ${REP[i]} is the host's end, where the slow path attaches;
# ${NICREP[i]} is the end that nicsim owns.
reps_add() {
	local i
	REP=() NICREP=()
	for ((i = 0; i < $1; i++)); do
		REP[i]=rep$i
		NICREP[i]=nrep$i
		veth_add . "${REP[i]}" . "${NICREP[i]}"
	done
}

# ping_ok I J [COUNT]: host I pings host J (IPv4) and gets every answer.
ping_ok() {
	in_ns "${HOST[$1]}" ping -q -n -c "${3:-3}" -i 0.05 -W 2 "${IP[$2]}" >"$TMP/ping.log" 2>&1 || {
		cat "$TMP/ping.log"
		fail "host $1 can't ping host $2"
	}
}

# slice_add VAR [OPTION...]: creates a slice with a random name (cxltab slice create) and sets VAR to it.
slice_add() {
	local slice_var=$1 slice_name
	slice_name=$1-$(printf '%04x%04x' $((RANDOM)) $((RANDOM)))
	shift
	cxltab slice create "$slice_name" "$@"
	defer "$CXLTAB" slice destroy "$slice_name"
	printf -v "$slice_var" '%s' "$slice_name"
}
