# SPDX-License-Identifier: Apache-2.0
# Programs of the tests that the demo runs too. They are linked here by themselves, because the demo must
# not need what the tests need (Criterion).

$(O)/demo/latency: $(call objects,tests/bench/bench_latency.c tests/lib/sandbox.c) $(LIBNICSIM) $(LIBCXLTAB) \
		$(O)/.sources
	$(call link,-lxdp $(BPF_LIBS) -lm)

DEMO_PROGRAMS := $(O)/demo/latency
selftest: $(DEMO_PROGRAMS)
