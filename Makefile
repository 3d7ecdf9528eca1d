# Levin: one Makefile for everything.  `make help` lists the targets.
# Sources are found by wildcard: a new engine/x.c, faults/x.c, chaos/x.c, *_test.c, *_bench.c or fuzz/fuzz_*.c needs no line here.

VERSION := 0.1.0
SOVERSION := 0

# ---- settings a user may give --------------------------------------------------------------------------------
VARIANT ?= release
PREFIX ?= /usr/local
DESTDIR ?=
CC ?= cc
V ?= 0
Q := $(if $(filter 1,$(V)),,@)

# ---- variants ------------------------------------------------------------------------------------------------
ifeq ($(VARIANT),release)
  VFLAGS := -O2 -g -DNDEBUG
else ifeq ($(VARIANT),debug)
  VFLAGS := -O0 -g3
else ifeq ($(VARIANT),asan)
  VFLAGS := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
else ifeq ($(VARIANT),tsan)
  VFLAGS := -O1 -g -fno-omit-frame-pointer -fsanitize=thread
else
  $(error VARIANT is one of release, debug, asan, tsan)
endif
B := build/$(VARIANT)

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wundef -Wvla \
        -Wcast-qual -Wwrite-strings -Wformat=2 -Werror
# liburcu and Check headers are not ours to warn about
CPPFLAGS_ALL := -D_GNU_SOURCE -DURCU_INLINE_SMALL_FUNCTIONS $(CPPFLAGS)
CFLAGS_ALL = -std=c11 $(WARN) $(VFLAGS) -fPIC -fvisibility=hidden -pthread -MMD -MP $(CFLAGS)
LIBS_ENGINE := -lxxhash -lurcu-bp -pthread
LIBS_FAULTS := -lfiu
LIBS_TEST := -lcheck -lsubunit -lrt -lm

# ---- what there is -------------------------------------------------------------------------------------------
not_library = %_test.c %_bench.c
ENGINE_SRC := $(filter-out $(not_library),$(wildcard engine/*.c))
CLI_SRC    := $(filter-out $(not_library),$(wildcard engine/cli/*.c))
FAULTS_SRC := $(filter-out $(not_library),$(wildcard faults/*.c))
CHAOS_SRC  := $(filter-out $(not_library),$(wildcard chaos/*.c))
REGRESS_SRC := $(filter-out $(not_library),$(wildcard regress/*.c))
TEST_SRC   := $(wildcard engine/*_test.c engine/cli/*_test.c faults/*_test.c chaos/*_test.c regress/*_test.c)
BENCH_SRC  := $(wildcard engine/*_bench.c faults/*_bench.c)

obj = $(patsubst %.c,$(B)/obj/%.o,$(1))
name = $(subst /,_,$(basename $(1)))
TESTS   := $(foreach s,$(TEST_SRC),$(B)/test/$(call name,$(s)))
BENCHES := $(foreach s,$(BENCH_SRC),$(B)/bench/$(call name,$(s)))

LIB_A  := $(B)/liblevin.a
LIB_SO := $(B)/liblevin.so.$(VERSION)
FAULTS_A := $(B)/libfaults.a
CHAOS_MAIN := chaos/main.c
CHAOS_A := $(B)/libchaos.a
BIN := $(if $(CLI_SRC),$(B)/bin/levin) $(if $(wildcard $(CHAOS_MAIN)),$(B)/bin/levin-chaos)

.DEFAULT_GOAL := all
.SUFFIXES:
.SECONDARY:
.DELETE_ON_ERROR:

.PHONY: all
all: $(LIB_A) $(LIB_SO) $(BIN) ## build library and tools into build/$(VARIANT) (VARIANT=release|debug|asan|tsan)

-include $(shell find build -name '*.d' 2>/dev/null)

$(B)/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC    $<")
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -c $< -o $@

$(LIB_A): $(call obj,$(ENGINE_SRC))
	$(if $(Q),@echo "  AR    $@")
	$(Q)rm -f $@ && ar rcs $@ $^

$(LIB_SO): $(call obj,$(ENGINE_SRC))
	$(if $(Q),@echo "  LD    $@")
	$(Q)$(CC) $(CFLAGS_ALL) -shared -Wl,-soname,liblevin.so.$(SOVERSION) -o $@ $^ $(LDFLAGS) $(LIBS_ENGINE)
	$(Q)ln -sf liblevin.so.$(VERSION) $(B)/liblevin.so.$(SOVERSION)
	$(Q)ln -sf liblevin.so.$(VERSION) $(B)/liblevin.so

$(FAULTS_A): $(call obj,$(FAULTS_SRC))
	$(if $(Q),@echo "  AR    $@")
	$(Q)rm -f $@ && ar rcs $@ $^

$(CHAOS_A): $(call obj,$(filter-out $(CHAOS_MAIN),$(CHAOS_SRC)))
	$(if $(Q),@echo "  AR    $@")
	$(Q)rm -f $@ && ar rcs $@ $^

$(B)/bin/levin: $(call obj,$(CLI_SRC)) $(LIB_A)
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LD    $@")
	$(Q)$(CC) $(CFLAGS_ALL) -o $@ $^ $(LDFLAGS) $(LIBS_ENGINE) -ljansson

$(B)/bin/levin-chaos: $(call obj,$(CHAOS_MAIN)) $(CHAOS_A) $(FAULTS_A) $(LIB_A)
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LD    $@")
	$(Q)$(CC) $(CFLAGS_ALL) -o $@ $^ $(LDFLAGS) $(LIBS_ENGINE) $(LIBS_FAULTS) -ljansson -lm

define program_rule # source, output
$(2): $(call obj,$(1)) $$(if $$(filter chaos/%,$(1)),$(CHAOS_A)) $(FAULTS_A) $(LIB_A)
	@mkdir -p $$(@D)
	$$(if $$(Q),@echo "  LD    $$@")
	$$(Q)$$(CC) $$(CFLAGS_ALL) -o $$@ $$^ $$(LDFLAGS) $$(LIBS_ENGINE) $$(LIBS_FAULTS) $$(LIBS_TEST) -ljansson
endef
$(foreach s,$(TEST_SRC),$(eval $(call program_rule,$(s),$(B)/test/$(call name,$(s)))))
$(foreach s,$(BENCH_SRC),$(eval $(call program_rule,$(s),$(B)/bench/$(call name,$(s)))))

.PHONY: tests benches
tests: $(TESTS)
benches: $(BENCHES)

.PHONY: clean
clean: ## remove build/
	$(Q)rm -rf build

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'
