#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The main job before your eyes: rules are stored once in one slice, and traffic between network namespaces
# follows them, first through XDP and TC alone, then through the simulated NIC; a rule changes under traffic;
# nicsim and a loader are killed in the middle of a TCP transfer. Every claim is checked; the exit status is
# 1 if one fails. Numbers go to $BUILD/demo.json (keys: README.md).
#
# Everything happens in private network, mount and process namespaces (selftests/lib.sh), so when the demo
# ends, however it ends, the kernel removes processes, devices, pins and files. Run it by `make demo`.
set -eu

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

if [ -z "${CXLT_DEMO:-}" ]; then
	if [ "$(id -u)" != 0 ]; then
		echo "demo: needs root, for namespaces and BPF; run as root: make demo" >&2
		exit 1
	fi
	case $top/ in /run/* | /sys/*)
		echo "demo: it has its own /run and /sys/fs/bpf, which would hide $top; clone it elsewhere" >&2
		exit 1
		;;
	esac
	# unshare(1), which lib.sh becomes, ignores SIGTERM; its death kills everything inside. It is killed
	# too when this shell dies.
	set -m
	CXLT_DEMO=1 setpriv --pdeathsig KILL -- "$BASH" "$0" "$@" </dev/null &
	set +m
	inside=$!
	# shellcheck disable=SC2317 # the traps call it
	interrupted() {
		trap '' HUP INT TERM
		kill -KILL "$inside" 2>/dev/null || :
		for ((i = 0; i < 250; i++)); do
			kill -0 -- "-$inside" 2>/dev/null || break
			sleep 0.02
		done
		echo "demo: interrupted; what it had made is gone" >&2
		exit "$1"
	}
	trap 'interrupted 129' HUP
	trap 'interrupted 130' INT
	trap 'interrupted 143' TERM
	status=0
	wait "$inside" || status=$?
	exit "$status"
fi

# shellcheck source=../selftests/lib.sh
. "$top/selftests/lib.sh"
error=0
trap 'error=$?; trap - ERR; command_failed $error $LINENO "$BASH_COMMAND"' ERR

traffic=$top/scripts/demo_traffic.py
report=$top/scripts/demo_report.py
rules=$top/examples/demo.flows
profile=$top/nicsim/profiles/l2-l4-nic.profile
latency=$BUILD/demo/latency
for file in "$CXLTAB" "$NICSIM" "$latency"; do
	[ -x "$file" ] || fail "$file isn't there; run: make demo"
done

bold='' red='' plain=''
if [ -t 1 ]; then
	bold=$'\e[1m' red=$'\e[31m' plain=$'\e[0m'
fi
failed=0
export FACTS=$TMP/facts
: >"$FACTS"
rm -f "$BUILD/demo.json"

part() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
say() { printf '   %s\n' "$*"; }

# fact KEY VALUE: VALUE is a number, true or false
fact() { echo "$1 $2" >>"$FACTS"; }

# claim TEXT COMMAND...: says whether COMMAND succeeds
claim() {
	local text=$1
	shift
	if "$@"; then
		printf '   ok    %s\n' "$text"
	else
		printf '   %sFAIL%s  %s\n' "$red" "$plain" "$text"
		failed=1
	fi
}

# shown COMMAND...: prints a command of the project, and runs it with its notes indented
shown() {
	echo "   \$ $*" | sed "s|$top/||g"
	"$@" 2>&1 | sed 's/^/     /'
}

# of FILE EXPRESSION: a value of a JSON file
of() { json "$2" <"$1"; }

# at_least FILE NUMBER: for progress files
# shellcheck disable=SC2317 # called through eventually
at_least() { [ "$(cat "$1")" -ge "$2" ]; }

# between LEAST NUMBER MOST
# shellcheck disable=SC2317 # called through claim
between() { [ "$1" -le "$2" ] && [ "$2" -le "$3" ]; }

snapshot() { cxltab dump-flows demo --json >"$1"; }
rule_count() { cxltab slice show demo --json | json 'd["rules"]'; }

# packets BEFORE AFTER COOKIE PATH: what a group of rules counted between two snapshots
packets() {
	"$PYTHON" - "$@" <<-'END'
		import json, sys
		def count(name):
		    return sum(rule[sys.argv[4]]["packets"] for rule in json.load(open(name))
		               if rule["cookie"] == int(sys.argv[3], 16) and rule["table"] == 0)
		print(count(sys.argv[2]) - count(sys.argv[1]))
	END
}

# ---- Traffic --------------------------------------------------------------------------------------------

# ping_claim PREFIX NS ADDRESS TEXT: 20 echo requests, all answered
ping_claim() {
	local out
	out=$(in_ns "$2" ping -q -n -c 20 -i 0.01 -W 2 "$3" 2>&1) || :
	out=$(sed -n 's/.* \([0-9][0-9]*\) received.*/\1/p' <<<"$out")
	fact "$1" "${out:-0}"
	claim "$4: ${out:-0} of 20 answered" [ "${out:-0}" = 20 ]
}

# receiver KIND NS NAME PORT [OPTION...]: starts one and waits until it listens
receiver() {
	local kind=$1 ns=$2 name=$3 port=$4
	shift 4
	rm -f "$name" "$name".*
	background "$name.log" nsenter --net="/run/netns/$ns" "$PYTHON" "$traffic" "$kind" "$port" "$TMP/$name" "$@"
	RECEIVER=$PID
	eventually 5 test -e "$name.ready"
}

# tcp_claim PREFIX TEXT FROM TO ADDRESS PORT LISTENS MBYTES: a transfer that arrives as it was sent
tcp_claim() {
	receiver tcp-receive "$4" received "$7"
	in_ns "$3" "$PYTHON" "$traffic" tcp-send "$5" "$6" "$TMP/sent" --mbytes "$8" || :
	wait "$RECEIVER" || :
	tcp_result "$1" "$2"
}

# tcp_result PREFIX TEXT: of sender and receiver that have ended
tcp_result() {
	local mbit
	if [ ! -e sent ] || [ ! -e received ]; then
		claim "$2: no transfer" false
		cat received.log
		return
	fi
	mbit=$(of received 'round(d["bytes"] * 8e-6 / max(d["seconds"], 1e-9))')
	fact "$1.bytes" "$(of received 'd["bytes"]')"
	fact "$1.mbit_per_s" "$mbit"
	fact "$1.intact" "$([ "$(of sent 'd["sha256"]')" = "$(of received 'd["sha256"]')" ] && echo true || echo false)"
	claim "$2: $(of received 'round(d["bytes"] / 1e6)') MB at $mbit Mbit/s, SHA-256 equal" \
		[ "$(of sent 'd["sha256"]')" = "$(of received 'd["sha256"]')" ]
}

# udp_stream FROM TO ADDRESS PORT COUNT: numbered datagrams; what arrived is in `received`
udp_stream() {
	rm -f sent
	receiver udp-receive "$2" received "$4" --until "$TMP/sent"
	in_ns "$1" "$PYTHON" "$traffic" udp-send "$3" "$4" "$TMP/sent" --count "$5" --rate 5000
	wait "$RECEIVER"
}

# udp_claim PREFIX TEXT WANTED FROM TO ADDRESS PORT COUNT
udp_claim() {
	local prefix=$1 text=$2 wanted=$3 got
	shift 3
	udp_stream "$@"
	got=$(of received 'd["distinct"]')
	fact "$prefix.sent" "$5"
	fact "$prefix.received" "$got"
	claim "$text: $got of $5 arrive" [ "$got" = "$wanted" ]
}

# all_traffic PREFIX: one of each kind
all_traffic() {
	ping_claim "$1.ping.vm0_to_wire" "$VM0" 10.0.0.9 "vm0 pings the wire, after real ARP"
	ping_claim "$1.ping.vm1_to_vm0" "$VM1" 10.0.0.1 "vm1 pings vm0"
	tcp_claim "$1.tcp" "TCP, vm0 to vm1" "$VM0" "$VM1" 10.0.0.2 5001 5001 128
	tcp_claim "$1.tcp_rewritten" "TCP, vm0 to the service 10.0.0.100:80, rewritten to 10.0.0.9:8080" \
		"$VM0" "$WIRE" 10.0.0.100 80 8080 32
	udp_claim "$1.udp" "UDP, vm0 to the wire" 3000 "$VM0" "$WIRE" 10.0.0.9 5002 3000
	udp_claim "$1.udp_dropped" "UDP to port 9, for which there is a drop" 0 "$VM0" "$WIRE" 10.0.0.9 9 100
	udp_claim "$1.udp_two_tables" "UDP to port 7777, by metadata through two tables" 100 \
		"$VM0" "$WIRE" 10.0.0.9 7777 100
	in_ns "$VM0" "$PYTHON" "$traffic" udp-send 10.0.0.9 514 "$TMP/ignored" --count 10 --rate 5000
	timeout 5 "$CXLTAB" monitor demo --count 10 --json >upcalls || :
	fact "$1.upcalls" "$(wc -l <upcalls)"
	claim "UDP to port 514, for the controller: $(wc -l <upcalls) of 10 upcalls" [ "$(wc -l <upcalls)" = 10 ]
}

# change_under_traffic PREFIX: a stream to the wire, which one stored rule turns to vm1
change_under_traffic() {
	local sender wire other stored
	rm -f sent to_vm1 to_vm1.*
	cxltab add-flow demo 'cookie=0x40,priority=150,udp,nw_dst=10.0.0.9,tp_dst=5003,actions=output:3'
	receiver udp-receive "$VM1" to_vm1 5003 --until "$TMP/sent"
	other=$RECEIVER
	receiver udp-receive "$WIRE" received 5003 --until "$TMP/sent"
	wire=$RECEIVER
	background sender.log taskset -c 0 nsenter --net="/run/netns/$VM0" "$PYTHON" "$traffic" \
		udp-send 10.0.0.9 5003 "$TMP/sent" --count 6000 --rate 5000
	sender=$PID
	eventually 10 at_least received.progress 1500
	cxltab mod-flows demo --strict 'priority=150,udp,nw_dst=10.0.0.9,tp_dst=5003,actions=mod_dl_dst:02:00:00:00:00:02,mod_nw_dst:10.0.0.2,output:2'
	wait "$sender"
	wait "$wire" "$other"
	cxltab del-flows demo --strict 'priority=150,udp,nw_dst=10.0.0.9,tp_dst=5003'
	stored=$(of received 'd["distinct"]')
	fact "$1.sent" 6000
	fact "$1.before" "$stored"
	fact "$1.after" "$(of to_vm1 'd["distinct"]')"
	claim "of 6000 datagrams $stored went to the wire, the others to vm1: none lost, none twice" \
		[ "$(of received 'd["received"]') $(of to_vm1 'd["received"]')" = "$stored $((6000 - stored))" ]
	claim "the cut is clean: $(of received 'd["last"]') is the last one at the wire, $(of to_vm1 'd["first"]') the first at vm1" \
		[ "$(of received 'd["last"]')" = $(($(of to_vm1 'd["first"]') - 1)) ]
}

# ---- 1 --------------------------------------------------------------------------------------------------

start=$EPOCHREALTIME
part "1  A slice, rules stored in it once, and traffic through XDP and TC"
VM0='' VM1='' WIRE=''
ns_add VM0 VM1 WIRE
port_of=("$VM0" "$VM1" "$WIRE")
address=(1 2 9)
for i in 0 1 2; do
	ns=${port_of[i]}
	veth_add . "p$((i + 1))" "$ns" eth0
	in_ns "$ns" ip link set eth0 address "02:00:00:00:00:0${address[i]}"
	in_ns "$ns" ip address add "10.0.0.${address[i]}/24" dev eth0
done
in_ns "$VM0" ip neighbour replace 10.0.0.100 lladdr 02:00:00:00:00:64 dev eth0 nud permanent
say "namespaces vm0 (10.0.0.1, port 1), vm1 (10.0.0.2, port 2) and the wire (10.0.0.9, port 3)"

shown cxltab slice create demo --size 64M --profile "$profile"
shown cxltab add-flows demo "$rules"
stored=$(rule_count)
fact rules "$stored"
for i in 1 2 3; do
	shown cxltab attach demo "p$i" --port "$i"
done
snapshot start.json
all_traffic xdp
snapshot xdp.json
"$PYTHON" "$report" groups xdp start.json xdp.json
claim "every packet was forwarded by the host: there is no NIC yet" \
	[ "$(packets start.json xdp.json 0x30 device)" = 0 ]
change_under_traffic xdp.rule_change

# ---- 2 --------------------------------------------------------------------------------------------------

part "2  The same slice, now with a NIC in front"
cxltab dump-flows demo --no-stats >before
for i in 1 2 3; do
	cxltab detach demo "p$i" 2>/dev/null
	veth_add . "rep$i" . "nrep$i"
done
start_nicsim() {
	background nicsim.log "$NICSIM" run --slice demo --profile "$profile" --port 1=p1 --rep 1=nrep1 \
		--port 2=p2 --rep 2=nrep2 --port 3=p3 --rep 3=nrep3
	nic=$PID
	eventually 5 grep -q 'serving slice' nicsim.log
}
say "\$ nicsim run --slice demo --port 1=p1 --rep 1=nrep1 ...     its ends of the cables, and representors"
start_nicsim
for i in 1 2 3; do
	shown cxltab attach demo "rep$i" --port "$i"
done
cxltab dump-flows demo --no-stats >after
claim "the $stored rules are what they were: nothing was installed again" cmp -s before after
for ns in "${port_of[@]}"; do
	in_ns "$ns" ip neighbour flush dev eth0
done
snapshot plumbed.json
all_traffic nic
snapshot nic.json
"$PYTHON" "$report" groups nic plumbed.json nic.json
nicsim stats --slice demo --json >stats.json
"$PYTHON" "$report" nicsim stats.json
by_host=$(packets plumbed.json nic.json 0x30 host)
by_nic=$(packets plumbed.json nic.json 0x30 device)
claim "$by_nic of $((by_nic + by_host)) TCP packets took the fast path" \
	[ $((by_nic * 10)) -ge $(((by_nic + by_host) * 9)) ]
claim "the NIC left to the host what it can't do" \
	[ "$(packets plumbed.json nic.json 0x70 host) $(packets plumbed.json nic.json 0x71 host)" = "10 100" ]

# ---- 3 --------------------------------------------------------------------------------------------------

part "3  A rule changes under traffic on the fast path, its result hot in the NIC's own cache"
change_under_traffic nic.rule_change

# ---- 4 --------------------------------------------------------------------------------------------------

part "4  kill -9 in the middle of a TCP transfer"
large=100000
awk -v n="$large" 'BEGIN {
	for (i = 0; i < n; i++)
		printf "cookie=0xbad,priority=5,tcp,nw_src=172.%d.%d.%d,tp_dst=80,actions=output:3\n",
			16 + i / 65536, i / 256 % 256, i % 256
}' >large.flows

moves_on() {
	eventually 20 at_least received.progress $(($(cat received.progress) + (8 << 20)))
}

rm -f sent stop
receiver tcp-receive "$VM1" received 5001
background sender.log nsenter --net="/run/netns/$VM0" "$PYTHON" "$traffic" tcp-send 10.0.0.2 5001 "$TMP/sent" \
	--until "$TMP/stop" --rate 40
sender=$PID
eventually 20 at_least received.progress $((8 << 20))
kill -9 "$nic"
wait "$nic" 2>/dev/null || :
say "nicsim is dead after $(($(cat received.progress) >> 20)) MiB"
start_nicsim
moves_on
claim "nicsim is back, and serves the rules that are in the slice" true

# kill_loader: kills add-flows while it stores; 1 if it had ended
kill_loader() {
	local loader end=$((${EPOCHREALTIME/./} + 10000000))
	background loader.log "$CXLTAB" add-flows demo "$TMP/large.flows"
	loader=$PID
	while [ "${EPOCHREALTIME/./}" -lt "$end" ]; do
		[[ $(cxltab slice show demo --json) =~ \"rules\":([0-9]+) ]]
		[ "${BASH_REMATCH[1]}" -le $((stored + 1000)) ] || break
	done
	kill -9 "$loader" 2>/dev/null || :
	! wait "$loader" 2>/dev/null
}
for ((i = 0; i < 5; i++)); do
	if kill_loader; then break; fi
	cxltab del-flows demo cookie=0xbad/-1
done
there=$(($(rule_count) - stored))
claim "cxltab add-flows is dead, $there of $large rules stored" between 1 "$there" $((large - 1))
moves_on
cxltab del-flows demo cookie=0xbad/-1 2>&1 | sed 's/^/     /'
claim "the next writer found its lock held by the dead, repaired the slice and deleted them" \
	[ "$(rule_count) $(cxltab slice show demo --json | json 'd["lock_handoffs"]')" = "$stored 1" ]
claim "cxltab slice check finds nothing wrong" cxltab slice check demo
moves_on
: >stop
wait "$sender" "$RECEIVER" || :
tcp_result killed.tcp "the transfer survived both"
fact killed.rules_stored "$there"
fact killed.rules_of "$large"
if [ -e received ]; then
	say "its longest pause: $(of received '"%.2f" % d["longest_pause"]') s"
	fact killed.longest_pause_s "$(of received 'round(d["longest_pause"], 3)')"
fi
stop "$nic" || :

# ---- 5 --------------------------------------------------------------------------------------------------

part "5  From the store of a rule to its first effect on a packet, on another processor"
if [ "$(nproc)" -lt 2 ]; then
	say "not measured: this machine has one processor"
elif BENCH_SIZE=smoke BENCH_JSON=$TMP/latency.json "$latency" >latency.log 2>&1; then
	"$PYTHON" "$report" latency latency.json
	claim "no packet that began after a store had returned was treated by the old rule" true
else
	cat latency.log
	claim "the measurement ended well" false
fi

# ---- The end --------------------------------------------------------------------------------------------

seconds=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')
fact seconds "$seconds"
fact cpus "$(nproc)"
fact ok "$([ "$failed" = 0 ] && echo true || echo false)"
"$PYTHON" "$report" json "$BUILD/demo.json"
if [ "$failed" = 0 ]; then
	part "All of it held, in $seconds s. Numbers: $BUILD/demo.json; nothing else is left."
else
	part "${red}Not all of it held${plain}; the lines marked FAIL say what. Numbers: $BUILD/demo.json"
fi
trap - ERR
exit "$failed"
