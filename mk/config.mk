# SPDX-License-Identifier: Apache-2.0
# What every other fragment uses: where things go, with which compilers and flags.

#: O              where to build (default: build)
#: V=1            show the commands
#: CC, CLANG      C compiler for userspace (gcc) and for BPF, fuzzing, checks (clang-19)
#: CFLAGS         optimisation and debugging (default: -O2 -g)
#: WERROR=1       warnings are errors (CI)
#: SAN            sanitizers, e.g. SAN=address,undefined or SAN=thread; builds into O/san-...
#: PYTHON         python3 that has Debian's scapy (default: /usr/bin/python3)

VERSION := 0.1.0

comma := ,
empty :=
space := $(empty) $(empty)

O ?= build
ifneq ($(filter / $(CURDIR),$(abspath $(O))),)
$(error O must be a folder of its own: `make clean` removes it)
endif
ifneq ($(SAN),)
override O := $(O)/san-$(subst $(comma),-,$(SAN))
endif

ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(origin AR),default)
AR := ar
endif
CLANG ?= clang-19
LLVM_STRIP ?= llvm-strip-19
CLANG_FORMAT ?= clang-format-19
BPFTOOL ?= $(or $(wildcard /usr/sbin/bpftool),bpftool)
PYTHON ?= /usr/bin/python3
NPROC := $(shell nproc)

ifeq ($(V),1)
Q :=
say := @:
else
Q := @
say = @printf '  %-8s %s\n'
MAKEFLAGS += --no-print-directory
endif

# Userspace.
CFLAGS ?= -O2 -g
# Adapters and callbacks share signatures, so parameters may go unused.
warnings := -Wall -Wextra -Wno-unused-parameter -Wshadow -Wstrict-prototypes -Wmissing-prototypes
san_flags := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all)
base_cflags := -std=gnu11 $(warnings) $(if $(WERROR),-Werror) -fno-strict-aliasing -fno-common -pthread \
	-D_GNU_SOURCE $(san_flags) $(CFLAGS)
base_cppflags := -Ilibcxltab/include $(CPPFLAGS)
base_ldflags := -pthread -Wl,--as-needed $(san_flags) $(LDFLAGS)

# BPF.
bpf_arch := $(patsubst x86_64,x86,$(patsubst aarch64,arm64,$(shell uname -m)))
BPF_CFLAGS := -target bpf -mcpu=v4 -O2 -g -std=gnu11 -Wall -Wextra -Wno-unused-parameter $(if $(WERROR),-Werror) -fno-builtin \
	-D__TARGET_ARCH_$(bpf_arch) -I$(O)/bpf -Ibpf -Ilibcxltab/include

# Handed to whatever runs the built programs: selftests, benches, the demo.
RUN_ENV = CXLTAB=$(abspath $(O))/cxltab NICSIM=$(abspath $(O))/nicsim BUILD=$(abspath $(O)) \
	PYTHON=$(PYTHON) BPFTOOL=$(BPFTOOL)

# A file that changes only when its text does: a prerequisite that makes a changed flag, compiler, kernel
# or list of sources rebuild what depended on it, and nothing else.
define remember # (file, text)
$(1): FORCE
	@mkdir -p $$(@D)
	@printf '%s\n' '$$(subst ','\'',$(2))' | cmp -s - $$@ || printf '%s\n' '$$(subst ','\'',$(2))' >$$@
endef

$(eval $(call remember,$(O)/.flags,$(CC) $(base_cppflags) $(base_cflags) $(base_ldflags)))
$(eval $(call remember,$(O)/.bpf-flags,$(CLANG) $(BPF_CFLAGS) $(shell uname -rv)))

FORCE:
.PHONY: FORCE
.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules
