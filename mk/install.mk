# SPDX-License-Identifier: Apache-2.0
#: PREFIX         where to install (default: /usr/local); DESTDIR goes before it

PREFIX ?= /usr/local
sbindir := $(DESTDIR)$(PREFIX)/sbin
includedir := $(DESTDIR)$(PREFIX)/include/cxltab
libdir := $(DESTDIR)$(PREFIX)/lib
mandir := $(DESTDIR)$(PREFIX)/share/man/man8

$(eval $(call remember,$(O)/.install,$(PREFIX) $(VERSION)))

$(O)/cxltab.pc: $(O)/.install
	$(say) GEN $@
	$(Q)printf '%s\n' 'prefix=$(PREFIX)' 'includedir=$${prefix}/include' 'libdir=$${prefix}/lib' '' \
		'Name: cxltab' 'Description: One set of match-action tables in coherent memory, two datapaths' \
		'Version: $(VERSION)' 'Requires.private: libbpf' 'Cflags: -I$${includedir}' \
		'Libs: -L$${libdir} -lcxltab' 'Libs.private: -lpthread' >$@

install: all $(O)/cxltab.pc ## install programs, headers and library under DESTDIR/PREFIX
	$(say) INSTALL $(DESTDIR)$(PREFIX)
	$(Q)install -d $(sbindir) $(includedir) $(libdir)/pkgconfig
	$(Q)install -m 0755 $(PROGRAMS) $(sbindir)
	$(Q)install -m 0644 $(PUBLIC_HEADERS) $(includedir)
	$(Q)install -m 0644 $(LIBCXLTAB) $(libdir)
	$(Q)install -m 0644 $(O)/cxltab.pc $(libdir)/pkgconfig
	$(Q)$(if $(wildcard man/*.8),install -d $(mandir) && install -m 0644 $(wildcard man/*.8) $(mandir))
.PHONY: install
