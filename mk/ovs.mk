# SPDX-License-Identifier: Apache-2.0
# bench_classifier compares with Open vSwitch's own classifier, built here from Debian's
# openvswitch-source: the sources that classifier.c needs, with a config.h of ours instead of configure, -O2
# and assertions as in Debian's build (which adds hardening, at its own cost). What these sources could call
# and don't is left out at the link, or stands in ovs_rest.c. Takes some ten seconds.

#: OVS_SOURCE     Open vSwitch's source (default: where openvswitch-source has it)

OVS_SOURCE ?= /usr/src/openvswitch/openvswitch.tar.gz

ovs_names := ccmap classifier cmap dynamic-string flow guarded-list hash hmap match ovs-rcu ovs-thread \
	pvector random tun-metadata util
ovs_objects := $(ovs_names:%=$(O)/ovs/obj/%.o)
# Its headers are the system's: their warnings aren't ours.
ovs_include := -Itests/bench/ovs $(addprefix -isystem $(O)/ovs/,gen src src/include src/lib)
ovs_flags := $(ovs_include) -std=gnu11 -O2 -g -w -fno-strict-aliasing -pthread -ffunction-sections -fdata-sections

ovs_ours := $(O)/obj/tests/bench/classifier_ovs.o $(O)/obj/tests/bench/ovs/ovs_rest.o
$(ovs_ours): dir_flags := $(ovs_include) -ffunction-sections -fdata-sections
$(ovs_ours): $(O)/ovs/.unpacked
-include $(O)/obj/tests/bench/ovs/ovs_rest.d

$(O)/tests/bench/bench_classifier: base_ldflags += -Wl,--gc-sections
$(O)/tests/bench/bench_classifier: $(call objects,$(wildcard tests/bench/classifier_*.c)) $(ovs_ours) $(ovs_objects)

# Which tarball it is, or a line that says what is missing.
$(O)/.ovs-source: FORCE
	@[ -r '$(OVS_SOURCE)' ] || { echo "bench_classifier compares with Open vSwitch, whose source isn't there:" \
		"make test-deps (openvswitch-source)" >&2; exit 1; }
	@mkdir -p $(@D)
	@stat -L -c '%n %s %Y' '$(OVS_SOURCE)' | cmp -s - $@ || stat -L -c '%n %s %Y' '$(OVS_SOURCE)' >$@

$(O)/ovs/.unpacked: $(O)/.ovs-source
	$(say) UNPACK $(OVS_SOURCE)
	$(Q)rm -rf $(O)/ovs && mkdir -p $(O)/ovs/src $(O)/ovs/gen $(O)/ovs/obj
	$(Q)tar -xzf '$(OVS_SOURCE)' -C $(O)/ovs/src --strip-components=1 --wildcards '*/lib' '*/include' '*/build-aux'
	$(Q)sed -f $(O)/ovs/src/build-aux/extract-odp-netlink-h <$(O)/ovs/src/include/linux/openvswitch.h \
		>$(O)/ovs/gen/odp-netlink.h
	$(Q)sh -f $(O)/ovs/src/build-aux/extract-odp-netlink-macros-h $(O)/ovs/gen/odp-netlink.h \
		>$(O)/ovs/gen/odp-netlink-macros.h
	$(Q)touch $@

$(ovs_objects): $(O)/ovs/obj/%.o: $(O)/ovs/.unpacked tests/bench/ovs/config.h $(O)/.flags mk/ovs.mk
	$(say) OVS-CC $@
	$(Q)$(CC) $(ovs_flags) -c $(O)/ovs/src/lib/$*.c -o $@
