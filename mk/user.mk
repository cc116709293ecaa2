# SPDX-License-Identifier: Apache-2.0
# libcxltab, cxltab and nicsim. Objects go to O/obj/, mirroring the sources. A folder that has no sources
# yet is simply not built.

LIB_SRC := $(wildcard libcxltab/src/*.c)
OFSYNTAX_SRC := $(wildcard loader/openflow/*.c)
LOADER_SRC := $(filter-out $(OFSYNTAX_SRC),$(wildcard loader/*.c loader/*/*.c))
NICSIM_SRC := $(wildcard nicsim/*.c)
LIBNICSIM_SRC := $(filter-out nicsim/main.c,$(NICSIM_SRC))

objects = $(patsubst %.c,$(O)/obj/%.o,$(1))

# Archives that exist, in link order; empty where there are no sources.
LIBCXLTAB := $(if $(LIB_SRC),$(O)/libcxltab.a)
LIBOFSYNTAX := $(if $(OFSYNTAX_SRC),$(O)/libofsyntax.a)
LIBNICSIM := $(if $(LIBNICSIM_SRC),$(O)/libnicsim.a)

BPF_LIBS := -lbpf -lelf -lz

$(O)/obj/libcxltab/%.o: dir_flags := -Ilibcxltab/src -fPIC
$(O)/obj/loader/%.o: dir_flags := -Iloader -I$(O)/bpf -DCXLT_VERSION='"$(VERSION)"'
$(O)/obj/nicsim/%.o: dir_flags := -Inicsim -I$(O)/bpf -DCXLT_VERSION='"$(VERSION)"'

# Skeletons exist before the first compilation; afterwards the .d files know who includes them.
$(call objects,$(LOADER_SRC) $(OFSYNTAX_SRC) $(NICSIM_SRC)): | $(SKEL)

$(O)/obj/%.o: %.c $(O)/.flags
	$(say) CC $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(base_cppflags) $(dir_flags) $(base_cflags) -MMD -MP -c $< -o $@

$(eval $(call remember,$(O)/.sources,$(LIB_SRC) $(LOADER_SRC) $(OFSYNTAX_SRC) $(NICSIM_SRC)))

# Written afresh, so that no member outlives its source.
$(O)/%.a: $(O)/.sources
	$(say) AR $@
	@mkdir -p $(@D)
	$(Q)rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)

$(O)/libcxltab.a: $(call objects,$(LIB_SRC))
$(O)/libofsyntax.a: $(call objects,$(OFSYNTAX_SRC))
$(O)/libnicsim.a: $(call objects,$(LIBNICSIM_SRC))

define link
	$(say) LD $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(base_cflags) $(base_ldflags) $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
		$(1) -o $@
endef

$(O)/cxltab: $(call objects,$(LOADER_SRC)) $(LIBOFSYNTAX) $(LIBCXLTAB) $(O)/.sources
	$(call link,$(BPF_LIBS))

$(O)/nicsim: $(call objects,nicsim/main.c) $(LIBNICSIM) $(LIBCXLTAB) $(O)/.sources
	$(call link,-lxdp $(BPF_LIBS) -lm)

PROGRAMS := $(if $(LOADER_SRC),$(O)/cxltab) $(if $(wildcard nicsim/main.c),$(O)/nicsim)
all: $(LIBCXLTAB) $(LIBOFSYNTAX) $(LIBNICSIM) $(PROGRAMS)

-include $(patsubst %.o,%.d,$(call objects,$(LIB_SRC) $(LOADER_SRC) $(OFSYNTAX_SRC) $(NICSIM_SRC)))
