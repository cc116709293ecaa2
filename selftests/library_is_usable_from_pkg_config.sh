#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Claim: what `make install` puts below DESTDIR is enough to use the library: the example of docs/library.md compiles
# with the flags that pkg-config finds there, as C and with what it links to alone, and two processes share its table.
. "$(dirname "$0")/lib.sh"

root=$(dirname "$selftests")
command -v pkg-config >/dev/null || skip "no pkg-config"
example=$root/examples/library.c
cc=${CC:-gcc}

# Named as the caller named it: another name would be another set of flags, and all built anew.
make -s -C "$root" install O="${BUILD#"$root"/}" DESTDIR="$TMP/tree" PREFIX=/usr/local >install.log 2>&1 ||
	fail "make install: $(tail -3 install.log)"
export PKG_CONFIG_PATH=$TMP/tree/usr/local/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$TMP/tree
assert_match "$(pkg-config --modversion cxltab)" '^[0-9]+\.[0-9]+' "the version"
assert_match "$(cat "$PKG_CONFIG_PATH/cxltab.pc")" 'prefix=/usr/local' "the prefix, which no DESTDIR belongs into"

# Nothing of the source tree helps: the compiler is told of the installed one alone.
for flags in "--cflags --libs" "--static --cflags --libs"; do
	# shellcheck disable=SC2046,SC2086 # words
	"$cc" -std=gnu11 -Wall -Wextra -Werror -o ./library "$example" $(pkg-config $flags cxltab) ||
		fail "the example doesn't compile with $flags"
	./library ./example.slice >said
	assert_match "$(cat said)" "^process [0-9]+: 7 is worth 43" "what the other process found"
	assert_match "$(cat said)" "process [0-9]+: 8 is not there" "what it didn't find"
	[ ! -e ./example.slice ] || fail "the slice is left behind"
	note "with $flags: $(head -1 said)"
done
refuses 1 ./library
refuses 1 ./library ./no/such/folder
assert_match "$OUTPUT" "create: .*no/such/folder" "why it failed"

# What an installed header includes is installed, too.
for header in "$TMP"/tree/usr/local/include/cxltab/*.h; do
	# shellcheck disable=SC2046 # words
	echo "#include <cxltab/${header##*/}>" | "$cc" -std=gnu11 -D_GNU_SOURCE -Wall -Werror -Wno-unused-function \
		-fsyntax-only -x c $(pkg-config --cflags cxltab) - || fail "${header##*/} doesn't compile alone"
done

# The document shows the example as it is.
# shellcheck disable=SC2016 # no expansion
sed -n '/^```c$/,/^```$/p' "$root/docs/library.md" | sed '1d;$d' >shown
sed -n '/^#include <errno/,$p' "$example" >wanted
diff wanted shown >difference || fail "docs/library.md shows another example: $(head -3 difference)"
