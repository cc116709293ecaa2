#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Claim: dump-flows says for each rule whether the NIC can execute it and, if only the host can, the exact
# field, action or lack of room that is to blame.
. "$(dirname "$0")/lib.sh"

cat >nic.profile <<'END'
# a NIC that doesn't match TCP flags, rewrite TTLs or push tags
match = all -tcp_flags
set = all -ip_ttl
actions = all -push_vlan
END

# path SLICE MATCH: what dump-flows says of the rule
path() {
	cxltab dump-flows "$1" "$2" | sed -n 's/.* path=\(host ([^)]*)\|device\), .*/\1/p'
}

slice_add S --profile nic.profile
cxltab add-flows "$S" - <<'END'
table=1,tcp,tp_dst=80,actions=output:2
table=2,tcp,tcp_flags=+syn,actions=output:2
table=3,ip,actions=mod_nw_ttl:5,output:2
table=4,ip,actions=push_vlan:0x8100,output:2
table=5,ip,actions=controller
table=6,tcp,tcp_flags=+syn,actions=mod_nw_ttl:5,local
END
assert_eq "$(path "$S" table=1)" "device" "a rule that the NIC can execute"
assert_eq "$(path "$S" table=2)" "host (field tcp_flags)" "a field that it can't match on"
assert_eq "$(path "$S" table=3)" "host (action set_field ip_ttl)" "a field that it can't rewrite"
assert_eq "$(path "$S" table=4)" "host (action push_vlan)" "an action that it lacks"
assert_eq "$(path "$S" table=5)" "host (action controller)" "an upcall"
assert_eq "$(path "$S" table=6)" "host (field tcp_flags; action set_field ip_ttl; action local)" "all at once"
assert_eq "$(cxltab dump-flows "$S" table=2 --json | json '[d[0]["path"], d[0]["path_reason"]]')" \
	'["host", "field tcp_flags"]' "the same in JSON"

# A device domain that is too small for all rules.
slice_add T --size 8M --device-size 1200K
awk 'BEGIN {
	for (i = 0; i < 7000; i++)
		printf "tcp,nw_dst=10.%d.%d.%d,actions=output:1\n", i / 65536, i / 256 % 256, i % 256
}' | cxltab add-flows "$T" -
device=$(cxltab dump-flows "$T" | grep -c 'path=device')
host=$(cxltab dump-flows "$T" | grep -c 'path=host (capacity: ')
note "$device rules in the device domain, $host beyond it"
assert_eq $((device + host)) 7000 "rules on one path or the other"
assert_ge "$device" 100 "rules in the device domain"
assert_ge "$host" 100 "rules in the host domain"
cxltab slice check "$T"
