#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Claim: the tour of README.md works as it stands there, and the files that README.md names exist.
. "$(dirname "$0")/lib.sh"

top=$(dirname "$selftests")
readme=$top/README.md
mkdir bin
ln -s "$CXLTAB" bin/cxltab
ln -s "$NICSIM" bin/nicsim
PATH=$TMP/bin:$PATH

# shellcheck disable=SC2016 # backquotes of Markdown
{
	echo 'set -eu'
	sed -n '/^## A short tour/,/^## /p' "$readme" | sed -n '/^```sh$/,/^```$/p' | sed '/^```/d'
} >tour.sh
assert_ge "$(wc -l <tour.sh)" 30 "lines of the tour"
bash tour.sh >tour.out 2>&1 </dev/null || {
	cat tour.out
	fail "the tour"
}
cat tour.out
assert_eq "$(grep -c ' 3 received, 0% packet loss' tour.out)" 2 "pings in which all was answered"
# The first listing has counts of the host alone, the second of the device too.
assert_eq "$(grep -c 'n_packets=3 (host 3, device 0).*icmp' tour.out)" 2 "rules that only the host had executed"
assert_eq "$(grep -c 'n_packets=6 (host 3, device 3).*icmp' tour.out)" 2 "rules that the NIC has executed too"
grep -q ttl_expired tour.out || fail "the trace of a packet with TTL 1"
assert_eq "$(ls /run/netns)" "" "namespaces that are left"
assert_eq "$(find /sys/fs/bpf -mindepth 2)" "" "pins that are left"

# shellcheck disable=SC2016 # backquotes of Markdown
grep -o '`[^` ]*`' "$readme" | tr -d '`' | sort -u | while read -r name; do
	case $name in
	build/*) continue ;;
	*/*.* | */ | *.md) ;;
	*) continue ;;
	esac
	case $name in
	./* | [0-9]*) continue ;;
	esac
	[ -e "$top/$name" ] || fail "README.md names $name"
done
