# SPDX-License-Identifier: Apache-2.0
# bpf/X.bpf.c -> O/bpf/X.bpf.o -> O/bpf/X.skel.h, and the same for tests/bpf/.

BPF_SRC := $(wildcard bpf/*.bpf.c)
TEST_BPF_SRC := $(wildcard tests/bpf/*.bpf.c)
BPF_OBJ := $(BPF_SRC:%.c=$(O)/%.o)
SKEL := $(BPF_SRC:%.bpf.c=$(O)/%.skel.h)
TEST_SKEL := $(TEST_BPF_SRC:%.bpf.c=$(O)/%.skel.h)

$(O)/bpf/vmlinux.h: $(O)/.bpf-flags
	$(say) BTF $@
	@mkdir -p $(@D)
	$(Q)$(BPFTOOL) btf dump file /sys/kernel/btf/vmlinux format c >$@

$(O)/%.bpf.o: %.bpf.c $(O)/bpf/vmlinux.h $(O)/.bpf-flags
	$(say) BPF $@
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c $< -o $@
	$(Q)$(LLVM_STRIP) -g $@

$(O)/%.skel.h: $(O)/%.bpf.o
	$(say) SKEL $@
	$(Q)$(BPFTOOL) gen skeleton $< >$@

bpf: $(BPF_OBJ) $(SKEL) ## build the BPF programs and their skeletons only
all: bpf
.PHONY: bpf

-include $(BPF_OBJ:.o=.d) $(TEST_BPF_SRC:%.c=$(O)/%.d)
