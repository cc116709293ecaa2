# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
# Shared by deps.sh and test-deps.sh: which Debian packages are missing, and how they are installed.
#
# A list holds one package a line: NAME [MINIMUM-VERSION [backports]]. Packages marked 'backports' are
# installed with `-t CODENAME-backports`; all others come from wherever apt prefers.

die() {
	echo "cxltab: $*" >&2
	exit 1
}

# Prints the list's lines whose package is absent or too old.
missing_of() {
	# shellcheck disable=SC2046 # the names are words
	have=$(dpkg-query -W -f '${db:Status-Status} ${Package} ${Version}\n' \
		$(printf '%s\n' "$1" | awk 'NF { print $1 }') 2>/dev/null || :)
	printf '%s\n' "$1" | while read -r name min from; do
		[ -n "$name" ] || continue
		version=$(printf '%s\n' "$have" |
			awk -v n="$name" '$1 == "installed" && $2 == n { print $3; exit }')
		if [ -z "$version" ] ||
			{ [ "${min:--}" != - ] && dpkg --compare-versions "$version" lt "$min"; }; then
			echo "$name ${min:--} $from"
		fi
	done
}

names_of() {
	printf '%s\n' "$1" | awk 'NF { printf "%s%s", sep, $1; sep = " " }'
}

codename() {
	(. /etc/os-release && echo "${VERSION_CODENAME:-}")
}

# Stops here on another distribution: prints the list, guesses nothing.
need_debian() {
	id=$( (. /etc/os-release && echo "${ID:-}") 2>/dev/null || :)
	if [ "$id" != debian ] || ! command -v dpkg-query >/dev/null; then
		printf '%s\n' "$1" | awk 'NF { print $1 ($2 && $2 != "-" ? " (" $2 " or newer)" : "") }'
		die "this isn't Debian: install the packages above (Debian's names) by your distribution's means"
	fi
}

need_root() {
	[ "$(id -u)" = 0 ] && return
	echo "cxltab: $2 needs these packages, and only root may install them: $(names_of "$1")" >&2
	die "run as root: make -C $(pwd) $2"
}

apt_get() {
	DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 \
		-o Acquire::Retries=2 -o Acquire::http::Timeout=30 -o Acquire::https::Timeout=30 \
		-o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@" </dev/null
}

# Fetches apt's lists. A foreign source that can't be reached is no reason to stop: if what is needed can't be
# had without it, apt-get install says so.
update() {
	apt_get update || echo "cxltab: apt-get update had failures; going on with what apt knows" >&2
}

# Where the machine's own mirror serves SUITE: its URI, or nothing. apt knows only what it has fetched.
# shellcheck disable=SC2016 # apt expands these
mirror_of() {
	apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
		awk -v suite="$1" '$2 == suite && $3 == "main" { print $1; exit }'
}

# Adds the backports suite of the configured mirror, unless some source has it already.
add_backports() {
	suite=$(codename)
	[ -z "$(mirror_of "$suite-backports")" ] || return 0
	mirror=$(mirror_of "$suite")
	[ -n "$mirror" ] || die "apt has no source for $suite (main), so none for $suite-backports can be derived"
	file=/etc/apt/sources.list.d/cxltab-backports.sources
	echo "cxltab: adding $suite-backports of $mirror as $file"
	cat >"$file" <<-EOF
		# Written by cxltab's make deps: libbpf and bpftool newer than $suite's own.
		Types: deb
		URIs: $mirror
		Suites: $suite-backports
		Components: main
		Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
	EOF
	update
}

# Installs the lines given (the output of missing_of).
install_packages() {
	late=$(printf '%s\n' "$1" | awk '$3 == "backports"')
	plain=$(printf '%s\n' "$1" | awk '$3 != "backports"')
	update
	[ -z "$late" ] || add_backports
	if [ -n "$late" ]; then
		# shellcheck disable=SC2046 # the names are words
		apt_get install --no-install-recommends -t "$(codename)-backports" $(names_of "$late")
	fi
	if [ -n "$plain" ]; then
		# shellcheck disable=SC2046 # the names are words
		apt_get install --no-install-recommends $(names_of "$plain")
	fi
}
