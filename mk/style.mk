# SPDX-License-Identifier: Apache-2.0
# Checks of the text itself. A tool that isn't there is a failure: `make test-deps` brings it.

c_files = $(shell git ls-files '*.c' '*.h')
shell_files = $(shell git ls-files '*.sh' .ci/run)

format: ## rewrite the C files in the project's format
	$(Q)$(CLANG_FORMAT) -i $(c_files)

format-check: ## does every C file have the project's format?
	@[ -n "$(c_files)" ] || { echo "format-check: git lists no C files" >&2; exit 1; }
	$(Q)$(CLANG_FORMAT) --dry-run --Werror $(c_files)
	@echo "format-check: $(words $(c_files)) files are formatted"

lint: lint-shell lint-c ## shellcheck and cppcheck

lint-shell:
	$(Q)shellcheck -x -P SCRIPTDIR $(shell_files)
	@echo "shellcheck: $(words $(shell_files)) files are clean"

# cppcheck without the system's headers: what it doesn't see it mustn't guess about. What it finds across files
# (ctu...) takes out-parameters for reads, prints in spite of suppressions in the source, and fails nothing.
CPPCHECK_FLAGS := --quiet --std=c11 --language=c --enable=warning,portability,performance \
	--inline-suppr --error-exitcode=1 -j$(NPROC) \
	--suppress=missingInclude --suppress=missingIncludeSystem --suppress=unknownMacro \
	--suppress=unmatchedSuppression --suppress=ctuuninitvar -D__x86_64__ -D__LP64__ \
	-Ilibcxltab/include -Ilibcxltab/src -Iloader -Inicsim -Itests/lib

lint-c:
	@mkdir -p $(O)/cppcheck
	$(Q)cppcheck $(CPPCHECK_FLAGS) --cppcheck-build-dir=$(O)/cppcheck $(LIB_SRC) $(LOADER_SRC) $(OFSYNTAX_SRC) $(NICSIM_SRC)
	@echo "cppcheck: $(words $(LIB_SRC) $(LOADER_SRC) $(OFSYNTAX_SRC) $(NICSIM_SRC)) files are clean"

# Each public header compiles alone, under each compiler that will meet it.
PUBLIC_HEADERS := $(wildcard libcxltab/include/cxltab/*.h)
header_name = $(patsubst libcxltab/include/%,%,$<)
header_flags := -Werror -Wno-unused-function -fsyntax-only -x c -
stamps = $(PUBLIC_HEADERS:libcxltab/include/cxltab/%.h=$(O)/headers/%.$(1))

headers-check: $(call stamps,cc) $(call stamps,clang) $(call stamps,bpf) ## each public header compiles alone: cc, clang, BPF
	@echo "headers-check: $(words $(PUBLIC_HEADERS)) headers compile alone under $(CC), $(CLANG) and $(CLANG) -target bpf"

$(O)/headers/%.cc: libcxltab/include/cxltab/%.h $(PUBLIC_HEADERS) $(O)/.flags
	@mkdir -p $(@D)
	$(Q)echo '#include <$(header_name)>' | $(CC) $(base_cppflags) $(base_cflags) $(header_flags) && touch $@
$(O)/headers/%.clang: libcxltab/include/cxltab/%.h $(PUBLIC_HEADERS) $(O)/.flags
	@mkdir -p $(@D)
	$(Q)echo '#include <$(header_name)>' | $(CLANG) $(base_cppflags) $(base_cflags) $(header_flags) && touch $@
$(O)/headers/%.bpf: libcxltab/include/cxltab/%.h $(PUBLIC_HEADERS) $(O)/bpf/vmlinux.h $(O)/.bpf-flags
	@mkdir -p $(@D)
	$(Q)echo '#include <$(header_name)>' | $(CLANG) $(BPF_CFLAGS) $(header_flags) && touch $@

.PHONY: format format-check lint lint-shell lint-c headers-check
