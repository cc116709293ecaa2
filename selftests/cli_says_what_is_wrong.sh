#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Claim: a command line that makes no sense exits with 2 and says why, what failed exits with 1 and says
# what, once; unknown words suggest the nearest one; lost output is a failure.
# Timeout: 120
. "$(dirname "$0")/lib.sh"

# says STATUS REGEX ARGUMENT...
says() {
	local status=$1 regex=$2
	shift 2
	refuses "$status" cxltab "$@"
	assert_eq "$(wc -l <<<"$OUTPUT")" 1 "lines of the error of '$*'"
	assert_match "$OUTPUT" "^cxltab: .*$regex" "the error of '$*'"
}

assert_eq "$(cxltab --help | wc -l)" "$(cxltab help | wc -l)" "lines of help"
assert_ge 24 "$(cxltab --help | wc -l)" "lines of the overview on a screen"
for c in $(cxltab --help | awk '/^  [a-z]/ { print $1 }'); do
	assert_match "$(cxltab "$c" --help)" "^Usage: cxltab $c" "help of $c"
	assert_eq "$(cxltab "$c" --help | awk 'length > 100')" "" "lines of help of $c that are too long"
	assert_ge 24 "$(cxltab "$c" --help | wc -l)" "lines of help of $c on a screen"
done
assert_match "$(cxltab --version)" '^cxltab [0-9]+\.[0-9]+' "version"

S=./slice
cxltab slice create "$S"
cxltab add-flow "$S" 'cookie=5,tcp,actions=output:1'

says 2 'which command'
says 2 "no command 'dump-flow'; did you mean dump-flows" dump-flow "$S"
says 2 "no command 'shwo'; did you mean show" slice shwo "$S"
says 2 'dump-flows: no option --jsno; did you mean --json' dump-flows "$S" --jsno
says 2 'add-flow: it needs SLICE FLOW' add-flow "$S"
says 2 "dump-tables: 'x' is one argument too many" dump-tables "$S" x
says 2 'slice create: --size needs SIZE' slice create ./other --size
says 2 "slice create: --size: '12Q' is no size" slice create ./other --size 12Q
says 2 'slice create: --json takes no argument' slice create ./other --json=yes
says 2 'trace: give a PACKET or --packets' trace "$S"
says 2 "trace: --path: 'lnline' .* did you mean inline" trace "$S" tcp --path lnline
says 2 "trace: --ports: '1;2'" trace "$S" tcp --ports '1;2'
says 2 "trace: --ports: '7-5'" trace "$S" tcp --ports 7-5
says 2 "trace: --ports: ''" trace "$S" tcp --ports ''
says 1 "exists" slice create "$S"
says 1 './nothing.* No such file' dump-flows ./nothing
says 1 'nothing' dump-flows nothing
says 1 'size' slice create ./other --size 1K
for option in size device-size tuples budget; do
	says 2 "--$option.* can't be 0" slice create ./other "--$option" 0
done
[ ! -e ./other ] || fail "a slice that couldn't be made was left behind"
says 1 "add-flow: 'tcp,tp_dts=1,actions=drop', column 5: " add-flow "$S" 'tcp,tp_dts=1,actions=drop'
says 1 "dump-flows: 'tpc', column 1: " dump-flows "$S" tpc
for c in dump-flows del-flows; do
	says 1 "$c: 'table=64': table 64: the slice has tables 0 to 63" "$c" "$S" table=64
done
says 1 'programs need a slice in a BPF arena' status "$S"
says 1 "trace: 'tcp,nw_dst=10.0.0.0/8', column " trace "$S" 'tcp,nw_dst=10.0.0.0/8'
echo '1 0g' >packets
says 1 'packets:1:3: ' trace "$S" --packets packets --path inline
echo 'x 00' >packets
says 1 'packets:1:1: ' trace "$S" --packets packets --path inline

head -c 4096 /dev/zero >./zeros
says 1 'zeros.*(magic|slice)' dump-flows ./zeros

# Filters and input as ovs-ofctl takes them.
printf 'udp,actions=controller\nsctp,actions=flood\n' | cxltab add-flow "$S" -
assert_match "$(cxltab dump-flows "$S" out_port=controller,table=255 --no-stats)" '^[^ ]* ?cookie=0x0, table=0, udp actions=[^ ]*$' "rules that go to the controller"
echo 'udp,actions=flood' | cxltab mod-flows "$S" - --json | json 'd["modified"]' | grep -qx 1
printf 'udp\n\nsctp\n' | cxltab del-flows "$S" - --json | json 'd["deleted"]' | grep -qx 2
refuses 1 sh -c "echo udp,actions=x | '$CXLTAB' mod-flows '$S' -"
assert_match "$OUTPUT" '^cxltab: stdin:1:13: unknown action' "an error in standard input"

# nic_says STATUS REGEX ARGUMENT...: nicsim likewise
nic_says() {
	local status=$1 regex=$2
	shift 2
	refuses "$status" nicsim "$@"
	assert_eq "$(wc -l <<<"$OUTPUT")" 1 "lines of the error of 'nicsim $*'"
	assert_match "$OUTPUT" "^nicsim: .*$regex" "the error of 'nicsim $*'"
}
nic_says 2 "'-1=x' is not N=DEV, N a port up to 65279" run --slice "$S" --port -1=x
nic_says 2 'x is given twice' run --slice "$S" --port 1=x --port 2=x
nic_says 2 'x is given twice' run --slice "$S" --port 1=y --rep 1=x --port 2=x
nic_says 2 '--flows is a number from 1 to 4000000' bench --flows 0
nic_says 2 '--rules is of generated rules' bench --slice "$S" --rules 5
nic_says 2 '--size is of generated packets' bench --pcap p --size 100
nic_says 1 'nosuchcost: No such file' bench --cost nosuchcost

# Output that gets lost.
refuses 1 sh -c "'$CXLTAB' dump-flows '$S' >/dev/full"
assert_match "$OUTPUT" 'cxltab: standard output: No space left' "a full disk"
refuses 1 sh -c "{ sleep 0.2; '$CXLTAB' dump-flows '$S'; echo \$? >status; } | true; exit \$(cat status)"

refuses 1 sh -c "'$NICSIM' --help >/dev/full"
assert_match "$OUTPUT" 'nicsim: standard output: No space left' "a full disk"

# What was closed isn't replaced by the slice: nothing that is printed lands there.
cp "$S" before
for ((i = 0; i < 300; i++)); do
	echo "priority=$i,udp,tp_dst=$i,actions=drop"
done | cxltab add-flows "$S" -
cp "$S" many
refuses 1 sh -c "'$CXLTAB' dump-flows '$S' >&-"
refuses 1 sh -c "'$CXLTAB' add-flow '$S' actions=foo 2>&-"
refuses 1 sh -c "'$CXLTAB' add-flows '$S' - <&-"
cmp "$S" many
refuses 1 sh -c "'$NICSIM' bench --slice '$S' --packets 1000 >&-"
cxltab slice check "$S"
cp before "$S"

# A slice that can't be made leaves nothing.
refuses 1 cxltab slice create unmade --size 1M --device-size 64K
assert_eq "$(find /run/cxltab /sys/fs/bpf/cxltab -name 'unmade*')" "" "what is left of it"

# All that is printed is JSON on request.
cxltab slice show "$S" --json | json 'd["rules"]' | grep -qx 1
cxltab slice check "$S" --json | json 'd["ok"]' | grep -qx true
cxltab slice list --json | json 'd' | grep -qx '\[\]'
cxltab dump-flows "$S" --json | json 'd[0]["cookie"]' | grep -qx 5
cxltab dump-tables "$S" --json | json 'd[0]["rules"]' | grep -qx 1
cxltab trace "$S" tcp --json | json 'd["host"]["verdict"]' | grep -qx drop
cxltab add-flow "$S" actions=drop --json | json 'd["added"]' | grep -qx 1
cxltab mod-flows "$S" actions=output:1 --json | json 'd["modified"]' | grep -qx 2
cxltab del-flows "$S" --json | json 'd["deleted"]' | grep -qx 2
echo 'flow add tcp,actions=drop' | cxltab bundle "$S" - --json | json 'd["added"]' | grep -qx 1
cxltab diff-flows "$S" "$S" --json | json 'd' | grep -qx '\[\]'
cxltab replace-flows "$S" /dev/null --json | json 'd["deleted"]' | grep -qx 1
cxltab slice create ./another --json | json 'd["slice"]' | grep -qx ./another
cxltab slice destroy ./another --json | json 'd["slice"]' | grep -qx ./another
[ ! -e ./another ] || fail "a destroyed slice is still there"

for c in $(cxltab --help | awk '/^  [a-z]/ { print $1 }'); do
	case $c in
	slice | help) continue ;;
	esac
	assert_match "$(cxltab "$c" --help)" ' --json ' "options of $c"
done
name=''
slice_add name
veth_add . port . peer
cxltab load "$name" --json | json 'd["replaced"]' | grep -qx false
cxltab load "$name" --json | json 'd["replaced"]' | grep -qx true
cxltab attach "$name" port --port 3 --json >attached
json '[d["port"], d["device"], d["mode"], d["device_set"]]' <attached | grep -qx '\[3, "port", "native", {}\]'
json 'd["peer_set"]["rx-gro"], d["peer_set"]["tx-checksum-ip-generic"]' <attached | grep -qx '\[true, false\]'
cxltab detach "$name" --port 3 --json | json '[d["port"], d["device"]]' | grep -qx '\[3, "port"\]'
cxltab attach "$name" port --port 4 --mode tc
cxltab unload "$name" --json | json 'd["ports"]' | grep -qx '\[4\]'

# Where nothing can be written it says so, at once.
unshare --mount sh -c "mount -o remount,bind,ro /run && exec timeout 20 '$CXLTAB' load nosuchslice" >ro.log 2>&1 || status=$?
assert_eq "$status $(cat ro.log)" "1 cxltab: /run/cxltab/nosuchslice: Read-only file system" "load with a read-only /run"

# A slice may go while a nicsim serves it, but not unsaid.
background nicsim.log "$NICSIM" run --slice "$name" --port 0=port
eventually 5 nicsim stats --slice "$name" --interval 0
nicsim stats --slice "$name" --json | json '[p["port"] for p in d["ports"]]' | grep -qx '\[0\]'
assert_match "$(cxltab slice destroy "$name" --json 2>&1)" "nicsim \(pid $PID\) serves it.*\"nicsim\":$PID" "destroying it"
stop "$PID"
