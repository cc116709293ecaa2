# SPDX-License-Identifier: Apache-2.0
# tests/test_X.c is one Criterion program, tests/bench/bench_X.c one benchmark, tests/fuzz/fuzz_X.c one
# libFuzzer target; tests/lib/*.c is linked into all of them. selftests/X.sh is one claim.

#: TEST           which suites (check) or selftests, by name, wildcards allowed: TEST='hash table*'
#: BENCH          which benchmarks, likewise
#: BENCH_SIZE     full (default) or smoke
#: FUZZ_SECONDS   how long each fuzz target runs (default: 60)
#: SECONDS        how long torture runs (default: 60)
#: OPS            how many inserts and deletes a soak is (default: 10000000)

BENCH_SIZE ?= full
FUZZ_SECONDS ?= 60
SECONDS ?= 60
OPS ?= 10000000

TEST_SRC := $(wildcard tests/test_*.c)
TESTLIB_SRC := $(wildcard tests/lib/*.c)
BENCH_SRC := $(wildcard tests/bench/bench_*.c)
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
TORTURE_SRC := $(wildcard tests/torture/*.c)
SOAK_SRC := $(wildcard tests/soak/*.c)

$(O)/obj/tests/%.o: dir_flags := -Itests -Itests/lib -Ilibcxltab/src -Inicsim -Iloader -Iloader/openflow \
	-I$(O)/bpf -I$(O)/tests/bpf -DCXLT_VERSION='"$(VERSION)"'
test_objects := $(call objects,$(TEST_SRC) $(TESTLIB_SRC) $(wildcard tests/bench/*.c) $(TORTURE_SRC) $(SOAK_SRC))
$(test_objects): | $(SKEL) $(TEST_SKEL)
-include $(test_objects:.o=.d)

TESTLIB := $(if $(TESTLIB_SRC),$(O)/tests/libtest.a)
$(O)/tests/libtest.a: $(call objects,$(TESTLIB_SRC))
test_archives := $(TESTLIB) $(LIBOFSYNTAX) $(LIBNICSIM) $(LIBCXLTAB)

# Criterion places its arena at a random address; ThreadSanitizer allows few of them.
criterion_tsan := $(if $(filter thread,$(SAN)),$(O)/obj/mk/criterion_tsan.o)

tests := $(TEST_SRC:%.c=$(O)/%)
$(tests): $(O)/tests/%: $(O)/obj/tests/%.o $(criterion_tsan) $(test_archives) $(O)/.sources
	$(call link,-lcriterion -lxdp $(BPF_LIBS) -lm)

benches := $(BENCH_SRC:%.c=$(O)/%)
$(benches): $(O)/tests/bench/%: $(O)/obj/tests/bench/%.o $(test_archives) $(O)/.sources
	$(call link,-lxdp $(BPF_LIBS) -lm)

$(O)/tests/torture/torture: $(call objects,$(TORTURE_SRC)) $(test_archives) $(O)/.sources
	@mkdir -p $(@D)
	$(call link,$(BPF_LIBS))

$(O)/tests/soak/soak: $(call objects,$(SOAK_SRC)) $(test_archives) $(O)/.sources
	@mkdir -p $(@D)
	$(call link,$(BPF_LIBS))

# bench_hash compares with DPDK; only its hash_dpdk.c sees DPDK's headers and flags.
$(O)/tests/bench/bench_hash: $(call objects,$(wildcard tests/bench/hash_*.c))
$(O)/tests/bench/bench_hash: BPF_LIBS += $$(pkg-config --libs libdpdk)
$(O)/obj/tests/bench/hash_dpdk.o: dir_flags += $$(pkg-config --cflags libdpdk)
$(O)/obj/tests/bench/hash_dpdk.o: $(O)/.dpdk

# What pkg-config knows of it, or a line that says what is missing.
$(O)/.dpdk: FORCE
	@pkg-config --exists libdpdk || { \
		echo "bench_hash compares with DPDK, which isn't there: make test-deps (libdpdk-dev)" >&2; exit 1; }
	@mkdir -p $(@D)
	@pkg-config --modversion libdpdk | cmp -s - $@ || pkg-config --modversion libdpdk >$@

# Benchmarks whose rows and medians are those of rows.h.
$(O)/tests/bench/bench_classifier $(O)/tests/bench/bench_bundle $(O)/tests/bench/bench_tuples \
	$(O)/tests/bench/bench_xdp_lookup $(O)/tests/bench/bench_xdp_write: $(O)/obj/tests/bench/rows.o

# $(call select,NAMES,FILES,PREFIX): the FILES whose base name is PREFIX and one of NAMES ('*' is any text).
named = $(strip $(foreach n,$(1),$(foreach f,$(2),\
	$(if $(filter $(3)$(subst *,%,$(n)),$(basename $(notdir $(f)))),$(f)))))
select = $(if $(1),$(or $(call named,$(1),$(2),$(3)),$(error nothing is named '$(1)')),$(2))

ifneq ($(filter check,$(MAKECMDGOALS)),)
check_tests := $(call select,$(TEST),$(tests),test_)
endif
check: $(check_tests) ## unit tests (Criterion), without root; TEST=name selects
	@$(RUN_ENV) scripts/run-check.sh $(O)/check $(NPROC) $(check_tests)

torture: $(O)/tests/torture/torture ## writers killed, stopped and in each other's way for SECONDS, without root
	@$< $(SECONDS)

soak: $(O)/tests/soak/soak ## OPS inserts and deletes, which end with the free lines they began with, without root
	@$< $(OPS)

tests: $(tests) $(benches) $(O)/tests/torture/torture $(O)/tests/soak/soak ## build the unit tests, benchmarks, torture and soak only

selftest: all ## end-to-end claims in private namespaces (root); TEST=name selects
	@$(RUN_ENV) selftests/run.sh $(TEST)

ifneq ($(filter bench,$(MAKECMDGOALS)),)
bench_c := $(call select,$(BENCH),$(benches) $(wildcard tests/bench/*.sh),bench_)
endif
bench: all $(filter $(O)/%,$(bench_c)) ## benchmarks, results in O/bench/*.json (root); BENCH=name selects
	@$(RUN_ENV) scripts/run-bench.sh $(O)/bench $(BENCH_SIZE) $(bench_c)

.PHONY: check tests selftest bench fuzz torture soak

# The model runs the library's own code under the explorer, so it has a build of its own.
MODEL_SRC := $(wildcard tests/model/*.c)
model_objects := $(patsubst %.c,$(O)/model/obj/%.o,$(MODEL_SRC) $(LIB_SRC))
$(O)/model/obj/%.o: %.c $(O)/.flags
	$(say) MODEL-CC $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(base_cppflags) -DCXLT_MODEL $(base_cflags) -MMD -MP -c $< -o $@
-include $(model_objects:.o=.d)

$(O)/model/model: $(model_objects)
	$(say) MODEL-LD $@
	$(Q)$(CC) $(base_ldflags) $^ -o $@

# Readers of exact tables that never take the straight way (exact.h).
$(O)/model/obj/slowly.o: tests/model/scenarios.c $(O)/.flags
	$(say) MODEL-CC $@
	@mkdir -p $(@D)
	$(Q)$(CC) $(base_cppflags) -DCXLT_MODEL -DMODEL_SLOWLY $(base_cflags) -MMD -MP -c $< -o $@
-include $(O)/model/obj/slowly.d

$(O)/model/slowly: $(O)/model/obj/slowly.o $(filter-out %/scenarios.o,$(model_objects))
	$(say) MODEL-LD $@
	$(Q)$(CC) $(base_ldflags) $^ -o $@

model: $(O)/model/model $(O)/model/slowly ## all interleavings of small scenarios, then each protocol rule broken in turn
	@$(O)/model/model
	@$(O)/model/slowly displace displace-absent insert-visible grow recycle modify modify-refused
	@$(PYTHON) tests/model/mutants.py '$(CC)' $(O)/model/mutants

.PHONY: model

# Fuzzing: everything a target links is built anew under the fuzzer's instrumentation.
fuzz_flags := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
fuzz_lib_src := $(TESTLIB_SRC) $(OFSYNTAX_SRC) $(LIBNICSIM_SRC) $(LIB_SRC)
fuzz_objects = $(patsubst %.c,$(O)/fuzz/obj/%.o,$(1))

$(call fuzz_objects,$(FUZZ_SRC) $(fuzz_lib_src)): | $(SKEL) $(TEST_SKEL)
$(O)/fuzz/obj/%.o: %.c $(O)/.bpf-flags $(O)/.flags
	$(say) FUZZ-CC $@
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(base_cppflags) -Itests -Itests/lib -Ilibcxltab/src -Inicsim -Iloader -Iloader/openflow \
		-I$(O)/bpf -I$(O)/tests/bpf -DCXLT_VERSION='"$(VERSION)"' $(base_cflags) $(fuzz_flags) -MMD -MP \
		-c $< -o $@
-include $(patsubst %.o,%.d,$(call fuzz_objects,$(FUZZ_SRC) $(fuzz_lib_src)))

$(O)/fuzz/libfuzz.a: $(call fuzz_objects,$(fuzz_lib_src))

fuzzers := $(FUZZ_SRC:tests/fuzz/%.c=$(O)/fuzz/%)
$(fuzzers): $(O)/fuzz/%: $(O)/fuzz/obj/tests/fuzz/%.o $(O)/fuzz/libfuzz.a $(O)/.sources
	$(say) FUZZ-LD $@
	$(Q)$(CLANG) -fsanitize=fuzzer,address,undefined $(base_ldflags) $(filter %.o %.a,$^) -lxdp $(BPF_LIBS) -lm -o $@

fuzz: $(fuzzers) ## libFuzzer targets, FUZZ_SECONDS each
	@scripts/run-fuzz.sh $(O)/fuzz $(FUZZ_SECONDS) $(fuzzers)
