#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# make test-deps: installs what the tests and checks need on top of `make deps`.
#
# Open vSwitch is a peer that tests compare with; its daemon is neither started by the installation nor
# left enabled. A machine where it was installed before keeps it as it is.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib-deps.sh
. scripts/lib-deps.sh

packages='
libcriterion-dev
libclang-rt-19-dev
clang-format-19
tcpdump
python3-scapy
openvswitch-switch
libdpdk-dev
openvswitch-source
strace
shellcheck
cppcheck
'

policy=/usr/sbin/policy-rc.d
saved=/usr/sbin/.policy-rc.d.cxltab

# Puts back what was at $policy, a leftover of a killed run included.
restore_policy() {
	if [ -e "$saved.none" ]; then
		rm -f "$policy" "$saved.none"
	elif [ -e "$saved" ]; then
		mv -f "$saved" "$policy"
	fi
}

forbid_daemons() {
	if [ -e "$policy" ] || [ -L "$policy" ]; then
		cp -a --no-dereference "$policy" "$saved.tmp"
		mv -f "$saved.tmp" "$saved"
		rm -f "$policy"
	else
		: >"$saved.none"
	fi
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 0755 "$policy"
}

need_debian "$packages"
missing=$(missing_of "$packages")
if [ -z "$missing" ]; then
	echo "test-deps: all $(printf '%s\n' "$packages" | awk 'NF' | wc -l) packages are there"
	exit 0
fi
need_root "$missing" test-deps
echo "test-deps: will install $(names_of "$missing") (no daemon is started)"

restore_policy
trap restore_policy EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
forbid_daemons
install_packages "$missing"
case " $(names_of "$missing") " in
*' openvswitch-switch '*)
	if [ -d /run/systemd/system ]; then
		systemctl --quiet disable openvswitch-switch.service || :
	else
		update-rc.d openvswitch-switch disable >/dev/null || :
	fi
	;;
esac

still=$(missing_of "$packages")
[ -z "$still" ] || die "still missing or too old: $(names_of "$still")"
