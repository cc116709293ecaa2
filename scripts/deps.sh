#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# make deps: installs what building cxltab and its demo need, on a machine with Debian's base only.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib-deps.sh
. scripts/lib-deps.sh

# linux-libc-dev from backports: the kernel's own linux/bpf.h must know arenas.
packages='
libbpf-dev 1:1.4 backports
bpftool 7.4 backports
linux-libc-dev 6.12 backports
clang-19
llvm-19
gcc
libc6-dev
make
pkg-config
libxdp-dev
libelf-dev
zlib1g-dev
iproute2
ethtool
iputils-ping
procps
python3
'

need_debian "$packages"
scripts/probe-kernel.sh || exit 1
missing=$(missing_of "$packages")
if [ -z "$missing" ]; then
	echo "deps: all $(printf '%s\n' "$packages" | awk 'NF' | wc -l) packages are there"
	exit 0
fi
need_root "$missing" deps
echo "deps: will install $(names_of "$missing")"
install_packages "$missing"
still=$(missing_of "$packages")
[ -z "$still" ] || die "still missing or too old: $(names_of "$still")"
