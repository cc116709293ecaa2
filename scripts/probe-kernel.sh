#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Does the running kernel have what cxltab stands on: BPF arenas (6.9) and tcx (6.6)?
#
# Says nothing and exits 0 if it does; otherwise prints one line that names what is missing and the
# package that brings a newer kernel, and exits 1. As root it asks the kernel itself (perl-base is
# essential in Debian, so no compiler is needed); otherwise it looks the names up in the kernel's BTF.
set -eu

missing=
lack() { missing="${missing:+$missing and }$1"; }

# bpf(2) by number: BPF_MAP_CREATE of one BPF_MAP_TYPE_ARENA page, BPF_PROG_QUERY of lo's tcx ingress.
# Exit 0: both there. 3: asked, and $probe_says tells. Anything else: couldn't ask.
ask_kernel() {
	perl -e '
		my $nr = $ARGV[0];
		my $map = pack("L5 x108", 33, 0, 0, 1, 1 << 10);
		my $query = pack("L4 Q L x36", 1, 46, 0, 0, 0, 0);
		my $says = "";
		if (syscall($nr, 0, $map, length $map) < 0) {
			exit 4 if $!{EPERM} || $!{ENOSYS};
			$says .= "arena ";
		}
		if (syscall($nr, 16, $query, length $query) < 0) {
			exit 4 if $!{EPERM};
			$says .= "tcx ";
		}
		print $says;
		exit($says eq "" ? 0 : 3);' "$1"
}

grep_btf() {
	[ -r /sys/kernel/btf/vmlinux ] || return 1
	grep -qa "$1" /sys/kernel/btf/vmlinux
}

case $(uname -m) in
x86_64) nr=321 ;;
aarch64) nr=280 ;;
*) nr= ;;
esac

rc=4
says=
if [ -n "$nr" ] && [ "$(id -u)" = 0 ] && command -v perl >/dev/null; then
	rc=0
	says=$(ask_kernel "$nr") || rc=$?
fi
if [ "$rc" != 0 ] && [ "$rc" != 3 ]; then
	says=
	grep_btf bpf_arena_alloc_pages || says="arena "
	grep_btf tcx_link || says="${says}tcx "
fi

case $says in *arena*) lack "BPF arena maps (Linux 6.9)" ;; esac
case $says in *tcx*) lack "tcx attachment (Linux 6.6)" ;; esac
[ -r /sys/kernel/btf/vmlinux ] || lack "BTF of the kernel in /sys/kernel/btf/vmlinux"

if [ -n "$missing" ]; then
	case $(uname -m) in x86_64) arch=amd64 ;; aarch64) arch=arm64 ;; *) arch=$(uname -m) ;; esac
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	echo "cxltab: kernel $(uname -r) lacks $missing; package linux-image-$arch" \
		"from ${codename:-bookworm}-backports (6.12 or newer) brings it" >&2
	exit 1
fi
