# Levin: one Makefile for everything.  `make help` lists the targets.
# Sources are found by wildcard: a new engine/x.c, faults/x.c, chaos/x.c, *_test.c, *_test.sh or *_bench.c needs no line here.
# Every target that compiles first runs ci/deps.sh (once for each state of dpkg), so that any of them works as first command.

VERSION := 0.1.0
# before 1.0 a minor version may change structs, and then old programs must not load it: ci/abi.txt keeps their sizes
SOVERSION := 0.1

# ---- settings a user may give --------------------------------------------------------------------------------
VARIANT ?= release
PREFIX ?= /usr/local
DESTDIR ?=
V ?= 0
# words: only the tests whose names hold one of them
ONLY ?=
# seconds that `make chaos` takes, and the stanzas that it sweeps over
BUDGET ?= 60
DATA ?= /var/lib/dpkg/status
Q := $(if $(filter 1,$(V)),,@)

# make fuzz: which target (all), under which fuzzer (both), for how many seconds each
TARGET ?=
FUZZER ?=
TIME ?= 60
# ... and how many fuzzers at once, over one corpus a target
JOBS ?= 1

# ---- variants ------------------------------------------------------------------------------------------------
# Only the engine (and what reads fault plans, and answers of foreign stores) is instrumented: what the fuzzers see as new is new there, and the harness
# costs less.
harness_source = $(filter-out faults/plan.c faults/plan_judge.c faults/words.c faults/store_protocol.c,$(filter fuzz/%.c faults/%.c,$<))
FUZZ_FLAGS := -O2 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
ifeq ($(VARIANT),release)
  VFLAGS := -O2 -g -DNDEBUG
else ifeq ($(VARIANT),debug)
  VFLAGS := -O0 -g3
else ifeq ($(VARIANT),asan)
  VFLAGS := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
else ifeq ($(VARIANT),tsan)
  VFLAGS := -O1 -g -fno-omit-frame-pointer -fsanitize=thread
else ifeq ($(VARIANT),libfuzzer)
  CC = clang
  VFLAGS = $(if $(harness_source),-O2 -g,$(FUZZ_FLAGS) -fsanitize=fuzzer-no-link -fno-sanitize-coverage=trace-cmp)
else ifeq ($(VARIANT),afl)
  CC = $(if $(harness_source),clang,afl-clang-fast)
  VFLAGS = $(if $(harness_source),-O2 -g,$(FUZZ_FLAGS))
else ifeq ($(VARIANT),cmplog)
  # what AFL++ runs beside the first to see what is compared with what; no sanitizer, for that one has them
  CC = $(if $(harness_source),clang,env AFL_LLVM_CMPLOG=1 afl-clang-fast)
  VFLAGS = -O2 -g
else ifeq ($(VARIANT),coverage)
  # make coverage: what is counted is the engine and its command line; a process that ends by _exit() writes its counts too
  CC := clang-19
  VFLAGS = -O1 -g -DNDEBUG -Wno-error $(if $(filter-out %_test.c %_bench.c,$(filter engine/%.c,$<)),-fprofile-instr-generate -fprofile-update=atomic \
      -fcoverage-mapping -fcoverage-mcdc)
  LDFLAGS += -fprofile-instr-generate -Wl,--wrap=_exit $(B)/obj/ci/coverage_exit.o
else ifeq ($(VARIANT),mutants)
  # make mutants: the programs around an engine that is a library of its own (ci/mutants.sh)
  VFLAGS := -O1 -g -DNDEBUG
else ifeq ($(VARIANT),planted)
  # make planted: the same, each planted bug being such a library (chaos/planted.sh)
  VFLAGS := -O2 -g -DNDEBUG
else ifeq ($(VARIANT),oss)
  # OSS-Fuzz and ClusterFuzzLite (.clusterfuzzlite/build.sh): their compilers, flags and engine, out of the environment
  VFLAGS =
else
  $(error VARIANT is one of release, debug, asan, tsan; make fuzz uses libfuzzer, afl and cmplog; make coverage uses coverage)
endif
B := $(if $(filter libfuzzer afl cmplog,$(VARIANT)),build/fuzz/$(VARIANT),$(if $(filter oss,$(VARIANT)),$(OSS_BUILD),build/$(VARIANT)))

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wundef -Wvla \
        -Wcast-qual -Wwrite-strings -Wformat=2 -Werror
# liburcu and Check headers are not ours to warn about
CPPFLAGS_ALL := -D_GNU_SOURCE $(CPPFLAGS)
CFLAGS_ALL = -std=c11 $(WARN) $(VFLAGS) -fPIC -fvisibility=hidden -pthread -MMD -MP $(CFLAGS)
LIBS_ENGINE := -lurcu-bp -pthread
LIBS_FAULTS := -lfiu
# The stores beside Levin are plug-ins, $(B)/stores/NAME.so of chaos/adapter_NAME.c: built when their header is there;
# STORES='sqlite' (or nothing) chooses fewer.  No program needs any of their libraries.
store_header_lmdb := lmdb.h
store_header_rocksdb := rocksdb/c.h
store_header_leveldb := leveldb/c.h
store_header_wiredtiger := wiredtiger.h
store_header_sqlite := sqlite3.h
store_header_tkrzw := tkrzw_langc.h
store_header_bdb := db.h
store_header_gdbm := gdbm.h
store_header_kyotocabinet := kclangc.h
store_lib_sqlite := sqlite3
store_lib_bdb := db-5.3
header_of = $(firstword $(wildcard $(addsuffix /$(store_header_$(1)),/usr/include /usr/local/include)))
STORES_KNOWN := lmdb rocksdb leveldb wiredtiger sqlite tkrzw bdb gdbm kyotocabinet
STORES ?= $(foreach s,$(STORES_KNOWN),$(if $(call header_of,$(s)),$(s)))
STORES := $(strip $(STORES))
LIBS_TEST := -lcheck -lsubunit -lrt -lm

# ---- what there is -------------------------------------------------------------------------------------------
not_library = %_test.c %_bench.c
ENGINE_SRC := $(filter-out $(not_library),$(wildcard engine/*.c))
CLI_SRC    := $(filter-out %_test.c,$(wildcard engine/cli/*.c))
FAULTS_SRC := $(filter-out $(not_library),$(wildcard faults/*.c))
CHAOS_SRC  := $(filter-out $(not_library) $(STORES_KNOWN:%=chaos/adapter_%.c),$(wildcard chaos/*.c))
# preloaded into programs that are recorded: of x86-64 alone, never instrumented
RECORDER_SRC := $(if $(filter x86_64,$(shell uname -m)),$(wildcard faults/preload/*.c))
REGRESS_SRC := $(filter-out $(not_library),$(wildcard regress/*.c))
FUZZ_TARGETS := $(patsubst fuzz/%.c,%,$(wildcard fuzz/fuzz_*.c))
# what is not shared by all targets
FUZZ_OWN   := $(FUZZ_TARGETS:%=fuzz/%.c) $(wildcard fuzz/mutate_*.c) fuzz/replay_main.c fuzz/make_seeds.c fuzz/afl_mutator.c \
             fuzz/sanitizer_options.c
FUZZ_SRC   := $(filter-out $(not_library) $(FUZZ_OWN),$(wildcard fuzz/*.c))
TEST_SRC   := $(filter-out $(if $(RECORDER_SRC),,faults/recorder%),$(wildcard engine/*_test.c engine/cli/*_test.c \
              faults/*_test.c chaos/*_test.c regress/*_test.c fuzz/*_test.c))
SCHEDULE_TEST_SRC := $(wildcard faults/schedule/*_test.c chaos/schedules/*_test.c)
TEST_SH    := $(wildcard engine/*_test.sh engine/cli/*_test.sh faults/*_test.sh chaos/*_test.sh regress/*_test.sh fuzz/*_test.sh ci/*_test.sh)
BENCH_SRC  := $(wildcard engine/*_bench.c faults/*_bench.c)

# The packages are looked at again when the list or what dpkg has installed has changed.
DEPS_STAMP := build/deps.stamp
DEPS := $(if $(NO_DEPS),,$(DEPS_STAMP))

comma := ,
obj = $(patsubst %.c,$(B)/obj/%.o,$(1))
name = $(subst /,_,$(basename $(1)))
# thread schedules: the scheduler with the scenarios that it runs, and the program that runs many
SCHEDULE_SRC := $(filter-out $(not_library),$(wildcard faults/schedule/*.c))
SCHEDULES_MAIN := chaos/schedules/main.c
SCHEDULES_SRC := $(filter-out $(not_library) $(SCHEDULES_MAIN),$(wildcard chaos/schedules/*.c))
FUZZ_REPLAYS := $(FUZZ_TARGETS:%=$(B)/fuzz/replay_%)
TESTS   := $(foreach s,$(TEST_SRC) $(SCHEDULE_TEST_SRC),$(B)/test/$(call name,$(s)))
BENCHES := $(foreach s,$(BENCH_SRC),$(B)/bench/$(call name,$(s)))

# ENGINE_A=file: link the tools with another engine's archive (the gate does, with that of an earlier revision)
LIB_A  := $(or $(ENGINE_A),$(B)/liblevin.a)
LIB_SO := $(B)/liblevin.so.$(VERSION)
PLUGINS := $(STORES:%=$(B)/stores/%.so)
# plug-ins outside of the list: the worked example, and four for tests, three of which have a flaw
flaw_liar := LIES
flaw_forgetful := FORGETS
flaw_moody := MOODY
FLAWED := liar forgetful moody
EXAMPLES := $(B)/examples/template.so $(B)/examples/dirstore.so $(FLAWED:%=$(B)/examples/%.so)
# the archive that is installed: one object in which all but levin_* is local, so that it clashes with no name of its user
LIB_STATIC := $(B)/install/liblevin.a
FAULTS_A := $(B)/libfaults.a
RECORDER := $(if $(RECORDER_SRC),$(B)/lib/levin-recorder.so)
CHAOS_MAIN := chaos/main.c
CHAOS_A := $(B)/libchaos.a
REGRESS_MAINS := $(wildcard regress/*_main.c)
REGRESS_A := $(B)/libregress.a
BIN := $(if $(CLI_SRC),$(B)/bin/levin) $(if $(wildcard $(CHAOS_MAIN)),$(B)/bin/levin-chaos) \
       $(if $(wildcard $(SCHEDULES_MAIN)),$(B)/bin/levin-chaos-schedules) $(REGRESS_MAINS:regress/%_main.c=$(B)/bin/levin-%)

.DEFAULT_GOAL := all
.SUFFIXES:
.SECONDARY:
.DELETE_ON_ERROR:

.PHONY: all
all: $(LIB_A) $(LIB_SO) $(BIN) $(PLUGINS) $(EXAMPLES) $(RECORDER) ## build library and tools into build/$(VARIANT) (VARIANT=release|debug|asan|tsan)

$(DEPS_STAMP): ci/packages.txt ci/deps.sh $(wildcard /var/lib/dpkg/status)
	@ci/deps.sh
	@mkdir -p $(@D) && touch $@

.PHONY: deps deps-stores
deps: $(DEPS_STAMP) ## install the Debian packages of ci/packages.txt that are missing (root or sudo)

deps-stores: $(DEPS_STAMP) ## install the other stores that levin-bench can measure (ci/packages-stores.txt)
	@ci/deps.sh ci/packages-stores.txt

-include $(shell find build -name '*.d' 2>/dev/null)

$(B)/obj/%.o: %.c Makefile | $(DEPS)
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC    $<")
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -c $< -o $@

ifndef ENGINE_A
$(LIB_A): $(call obj,$(ENGINE_SRC))
	$(if $(Q),@echo "  AR    $@")
	$(Q)rm -f $@ && ar rcs $@ $^
endif

$(LIB_SO): $(call obj,$(ENGINE_SRC)) engine/levin.map
	$(if $(Q),@echo "  LD    $@")
	$(Q)$(CC) $(CFLAGS_ALL) -shared -Wl,-soname,liblevin.so.$(SOVERSION) -Wl,--version-script=engine/levin.map \
	    -o $@ $(filter %.o,$^) $(LDFLAGS) $(LIBS_ENGINE)
	$(Q)ln -sf liblevin.so.$(VERSION) $(B)/liblevin.so.$(SOVERSION)
	$(Q)ln -sf liblevin.so.$(VERSION) $(B)/liblevin.so

$(LIB_STATIC): $(call obj,$(ENGINE_SRC))
	@mkdir -p $(@D)
	$(if $(Q),@echo "  AR    $@")
	$(Q)rm -f $@ && $(CC) -nostdlib -r -o $(@D)/levin.o $^ && objcopy --localize-hidden $(@D)/levin.o && ar rcs $@ $(@D)/levin.o

$(FAULTS_A): $(call obj,$(FAULTS_SRC))
	$(if $(Q),@echo "  AR    $@")
	$(Q)rm -f $@ && ar rcs $@ $^

$(call obj,$(RECORDER_SRC)) $(B)/obj/faults/preload/plan_judge.o: VFLAGS := -O2 -g
# what it shares with the harness: the judge of fault plans
RECORDER_OBJ := $(call obj,$(RECORDER_SRC)) $(B)/obj/faults/preload/plan_judge.o
$(B)/obj/faults/preload/plan_judge.o: faults/plan_judge.c Makefile | $(DEPS)
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC    $<")
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -c $< -o $@
$(RECORDER): $(RECORDER_OBJ)
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LD    $@")
	$(Q)$(CC) -shared -Wl,-z,initfirst -Wl,-z,now -o $@ $^ $(LDFLAGS) -pthread

# plug-ins of another set of stores go
STORES_STAMP := $(B)/stores.stamp
$(if $(filter-out clean help uninstall,$(or $(MAKECMDGOALS),all)),$(shell mkdir -p $(B) && echo '$(STORES)' | cmp -s - $(STORES_STAMP) || { rm -rf $(B)/stores; echo '$(STORES)' > $(STORES_STAMP); }))
$(B)/stores/%.so: $(B)/obj/chaos/adapter_%.o $(STORES_STAMP)
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LD    $@")
	$(Q)$(CC) $(CFLAGS_ALL) -shared -o $@ $(filter %.o,$^) $(LDFLAGS) -l$(or $(store_lib_$*),$*)
# the version stands in a header for C++ alone
$(B)/obj/chaos/adapter_rocksdb.o: CPPFLAGS_ALL += -DLEVIN_ROCKSDB_VERSION='"$(shell sed -n -E \
    's/^.define ROCKSDB_(MAJOR|MINOR|PATCH) //p' $(dir $(call header_of,rocksdb))version.h | paste -sd.)"'

$(B)/examples/%.so: $(B)/obj/chaos/examples/%.o
	$(if $(Q),@echo "  LD    $@")
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS_ALL) -shared -o $@ $< $(LDFLAGS)
$(B)/obj/chaos/examples/%.o: CPPFLAGS_ALL += -Ichaos
$(FLAWED:%=$(B)/obj/chaos/examples/%.o): $(B)/obj/chaos/examples/%.o: chaos/examples/dirstore.c Makefile
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC    $< ($*)")
	$(Q)$(CC) $(CPPFLAGS_ALL) -DFLAW=$(flaw_$*) $(CFLAGS_ALL) -c $< -o $@

$(CHAOS_A): $(call obj,$(filter-out $(CHAOS_MAIN),$(CHAOS_SRC)))
	$(if $(Q),@echo "  AR    $@")
	$(Q)rm -f $@ && ar rcs $@ $^

$(B)/bin/levin: $(call obj,$(CLI_SRC)) $(LIB_A)
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LD    $@")
	$(Q)$(CC) $(CFLAGS_ALL) -o $@ $^ $(LDFLAGS) $(LIBS_ENGINE) -ljansson

$(B)/bin/levin-chaos: $(call obj,$(CHAOS_MAIN)) $(CHAOS_A) $(FAULTS_A) $(LIB_A) | $(PLUGINS)
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LD    $@")
	$(Q)$(CC) $(CFLAGS_ALL) -o $@ $^ $(LDFLAGS) $(LIBS_ENGINE) $(LIBS_FAULTS) -ldl -ljansson -lm

# The engine as the scheduler runs it (faults/schedule/schedule.h): its atomics and accesses call tsan_calls.c instead of
# ThreadSanitizer's library, its assertions hold, memory functions are watched.  The same in every variant.  Not
# instrumented: checksums (pure, and most of all accesses) and meters of memory.
SCHEDULE_A := $(B)/schedule/libschedule.a
SCHEDULES_A := $(B)/schedule/libschedules.a
SCHEDULE_ENGINE_A := $(B)/schedule/liblevin.a
SCHEDULE_ENGINE_SRC := $(filter-out engine/sync_posix.c engine/reclaim_urcu.c,$(ENGINE_SRC))
schedule_plain := engine/checksum.c engine/metered_io.c
# under a fuzzer its edges count, too; other sanitizers (OSS-Fuzz brings them in CFLAGS) do not go with it
schedule_fuzz := $(if $(filter libfuzzer,$(VARIANT)),-fsanitize=fuzzer-no-link -fno-sanitize-coverage=trace-cmp)
schedule_alone := $(if $(filter oss,$(VARIANT)),-fno-sanitize=address$(comma)undefined)
schedule_seams = -include faults/schedule/engine_seams.h -include faults/schedule/quiet_begin.h -include engine/counter.h \
    -include engine/metrics.h -include faults/schedule/quiet_end.h
$(B)/schedule/obj/engine/%.o: engine/%.c Makefile | $(DEPS)
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC    $< (schedules)")
	$(Q)$(CC) $(CPPFLAGS_ALL) -std=c11 $(WARN) -O2 -g $(schedule_fuzz) $(schedule_seams) \
	    -fPIC -fvisibility=hidden -pthread -MMD -MP $(CFLAGS) $(schedule_alone) $(if $(filter $(schedule_plain),$<),,-fsanitize=thread) -c $< -o $@
	$(Q)objcopy $(foreach f,memcpy memmove memset memcmp,--redefine-sym $(f)=schedule_$(f)) \
	    --redefine-sym __assert_fail=schedule_assert_fail $@

$(SCHEDULE_ENGINE_A): $(patsubst %.c,$(B)/schedule/obj/%.o,$(SCHEDULE_ENGINE_SRC))
$(SCHEDULE_A): $(call obj,$(SCHEDULE_SRC))
$(SCHEDULES_A): $(call obj,$(SCHEDULES_SRC))
$(SCHEDULE_ENGINE_A) $(SCHEDULE_A) $(SCHEDULES_A):
	$(if $(Q),@echo "  AR    $@")
	@mkdir -p $(@D)
	$(Q)rm -f $@ && ar rcs $@ $^

# The scheduler's seams come before any that the harness's archives would bring; scenarios call the engine, and that calls the seams.
schedule_group = -Wl,--start-group $^ -Wl,--end-group
$(B)/bin/levin-chaos-schedules: $(call obj,$(SCHEDULES_MAIN)) $(SCHEDULES_A) $(SCHEDULE_ENGINE_A) $(SCHEDULE_A) $(CHAOS_A) $(FAULTS_A)
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LD    $@")
	$(Q)$(CC) $(CFLAGS_ALL) -no-pie -o $@ $(schedule_group) $(LDFLAGS) -pthread -lm

$(REGRESS_A): $(call obj,$(filter-out $(REGRESS_MAINS),$(REGRESS_SRC)))
	$(if $(Q),@echo "  AR    $@")
	$(Q)rm -f $@ && ar rcs $@ $^

# The gate takes no more than it needs, for it is also built from this tree's sources around an earlier engine.
$(B)/bin/levin-gate: $(call obj,$(filter-out $(not_library),$(wildcard regress/gate_*.c))) $(FAULTS_A) $(LIB_A)
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LD    $@")
	$(Q)$(CC) $(CFLAGS_ALL) -o $@ $^ $(LDFLAGS) $(LIBS_ENGINE) $(LIBS_FAULTS) -ljansson -lm

# A side of the gate's time tier (regress/gate_side.h): an engine and the recorded runs around it, everything but one symbol
# hidden, so that two of them live in one process; what the runs and the simulated disk allocate comes out of a region.
SIDE_SRC := $(addprefix regress/,side_shim.c side_heap.c gate_run.c gate_io.c gate_arena.c gate_table.c) \
            $(filter-out %_test.c,$(wildcard regress/gate_work*.c))
# compiled for themselves, with smaller stores (regress/gate_run.h)
SIDE_OBJ := $(SIDE_SRC:%.c=$(B)/obj/side/%.o)
$(B)/obj/side/%.o: %.c Makefile | $(DEPS)
	@mkdir -p $(@D)
	$(if $(Q),@echo "  CC    $<")
	$(Q)$(CC) $(CPPFLAGS_ALL) -DGATE_RUN_SMALL $(CFLAGS_ALL) -c $< -o $@
SIDE_WRAP := $(patsubst %,-Wl$(comma)--wrap=%,malloc calloc realloc aligned_alloc free)
SIDE_LINK = $(CC) $(CFLAGS_ALL) -shared -Wl,-soname,gate-side -Wl,-Bsymbolic -Wl,-z,now \
    -Wl,--version-script=regress/side.map $(SIDE_WRAP) $(LDFLAGS)
# links of a side, one for each process of the tier
LINKS ?= 24
$(B)/sides/0.so: $(SIDE_OBJ) $(FAULTS_A) $(LIB_A) regress/side.map regress/link_sides.sh
	$(if $(Q),@echo "  LD    $(@D)")
	$(Q)regress/link_sides.sh $(@D) $(LINKS) $(LIB_A) $(FAULTS_A) $(SIDE_OBJ) -- $(SIDE_LINK)

# regress/bench_main.c is levin-bench, and so on
$(B)/bin/levin-%: $(B)/obj/regress/%_main.o $(REGRESS_A) $(CHAOS_A) $(FAULTS_A) $(LIB_A) | $(PLUGINS)
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LD    $@")
	$(Q)$(CC) $(CFLAGS_ALL) -o $@ $^ $(LDFLAGS) $(LIBS_ENGINE) $(LIBS_FAULTS) -ldl -ljansson -lm

define program_rule # source, output
$(2): $(call obj,$(1)) $$(if $$(filter chaos/%,$(1)),$(CHAOS_A)) $$(if $$(filter regress/%,$(1)),$(REGRESS_A) $(CHAOS_A)) $(FAULTS_A) $(LIB_A) | $$(if $$(filter chaos/% regress/%,$(1)),$(PLUGINS))
	@mkdir -p $$(@D)
	$$(if $$(Q),@echo "  LD    $$@")
	$$(Q)$$(CC) $$(CFLAGS_ALL) -o $$@ $$^ $$(LDFLAGS) $$(LIBS_ENGINE) $$(LIBS_FAULTS) -ldl $$(if $$(filter %_bench.c,$(1)),-lurcu-cds) $$(LIBS_TEST) -ljansson
endef
$(foreach s,$(TEST_SRC),$(eval $(call program_rule,$(s),$(B)/test/$(call name,$(s)))))
define schedule_test_rule # source, output
$(2): $(call obj,$(1)) $(SCHEDULES_A) $(SCHEDULE_ENGINE_A) $(SCHEDULE_A) $(CHAOS_A) $(FAULTS_A)
	@mkdir -p $$(@D)
	$$(if $$(Q),@echo "  LD    $$@")
	$$(Q)$$(CC) $$(CFLAGS_ALL) -no-pie -o $$@ $$(schedule_group) $$(LDFLAGS) $$(LIBS_TEST) -pthread
endef
$(foreach s,$(SCHEDULE_TEST_SRC),$(eval $(call schedule_test_rule,$(s),$(B)/test/$(call name,$(s)))))
$(foreach s,$(BENCH_SRC),$(eval $(call program_rule,$(s),$(B)/bench/$(call name,$(s)))))

# tests that record find the library beside them
$(TESTS): | $(RECORDER)

.PHONY: tests benches concurrent-tests
tests: $(TESTS) $(FUZZ_REPLAYS) $(if $(FUZZ_TARGETS),$(B)/fuzz/make_seeds) ## build the test programs of $(VARIANT) into build/$(VARIANT)/test
benches: $(BENCHES) ## build the micro-benchmarks into build/$(VARIANT)/bench
concurrent-tests: $(filter %_concurrent_test,$(TESTS))

# ---- the two commands ----------------------------------------------------------------------------------------
# Sub-makes take all cores unless -j was given.
SUBMAKE = $(MAKE) --no-print-directory $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(shell nproc)) V=$(V)
in = $(patsubst $(B)/%,build/$(1)/%,$(2))

.PHONY: test
test: $(DEPS) ## all tests: asan+ubsan, the concurrent ones under tsan too, command line, layering, headers, style (ONLY=words)
	$(Q)$(SUBMAKE) VARIANT=release all
	$(Q)$(SUBMAKE) VARIANT=asan all tests
	$(Q)$(SUBMAKE) VARIANT=tsan concurrent-tests
	$(Q)ONLY='$(ONLY)' RECORDS=8000 ci/run-tests.sh $(call in,asan,$(TESTS)) $(call in,tsan,$(filter %_concurrent_test,$(TESTS))) \
	    ci/check-style.sh ci/check-headers.sh ci/check-layering.sh ci/kill-import.sh $(TEST_SH)

.PHONY: chaos
chaos: $(DEPS) ## crashes, faults, effects, both crossed, damages, iterators, a soak and thread schedules over this machine's own package data, about a minute (BUDGET=seconds, SEED=n, DATA=file)
	$(Q)$(SUBMAKE) VARIANT=$(VARIANT) all
	$(Q)$(B)/bin/levin-chaos chaos --data $(DATA) --budget $(BUDGET) $(if $(SEED),--seed $(SEED))

.PHONY: memcheck
memcheck: $(DEPS) ## samples of the sweeps under valgrind: memory read before it was filled (SECONDS_EACH=seconds, SEED=n)
	$(Q)$(SUBMAKE) VARIANT=release all
	$(Q)ci/memcheck.sh

.PHONY: gate gate-ci gate-nightly gate-report gate-accept gate-proof peers
gate: $(DEPS) ## costs of this tree: exact counters as in regress/counters.csv, instructions beside a base built for it (BASE=rev)
	$(Q)regress/gate.sh
# six runs that stand for the rest: writing, syncing, reading by key and in order, merging, recovering
GATE_CI := load,put-synced,get-row,scan-short,checkpoint,recovery
gate-ci: $(DEPS) ## the gate over six runs that stand for the rest, under 5 minutes on 2 cores; .ci/run and forks' CI call it
	$(Q)GATE_FLAGS='--workloads=$(GATE_CI) $(GATE_FLAGS)' regress/gate.sh
gate-nightly: $(DEPS) ## what cannot be sliced (threads, real syncs): levin-bench of this tree and of the base in pairs; advisory
	$(Q)regress/gate.sh --nightly
GATE_TREND ?= build/gate/trend.ndjson
gate-report: $(DEPS) ## one page, build/gate/report.html: the newest ratios, each run by commit, where it changed, a flame graph (GATE_TREND=file FLAME=run)
	$(Q)GATE_TREND='$(GATE_TREND)' regress/gate.sh --report
# the log before the kill is short: some stores take a minute for 64 MiB of synced batches, some ten
PEERS_FLAGS ?= --quick --rounds=3 --kill_log=4194304
peers: $(DEPS) ## the table over all stores that have adapters, interleaved: build/peers/table.txt, .csv, .json, .html (make deps-stores, PEERS_FLAGS=)
	$(Q)$(SUBMAKE) VARIANT=release all
	$(Q)build/release/bin/levin-bench --table --store=all --output=build/peers $(PEERS_FLAGS)
gate-accept: $(DEPS) ## takes the counters of this tree as the right ones, into regress/counters.csv
	$(Q)regress/gate.sh --accept
# hours; a part of each: PLANTED=sync GATE_FLAGS=--decision-seconds=60 EXACT_FLAGS='--repeat 1 --only sync-put' PROOF_FLAGS='--false 5 --power 1 --only "identical|put-2"'
gate-proof: $(DEPS) ## the proof of the gate: each slowdown of regress/planted/ is seen, false alarms and power of all tiers, as a table
	$(Q)regress/gate_proof.sh $(PLANTED)
	$(Q)regress/exact_proof.sh $(EXACT_FLAGS)
	$(Q)$(SUBMAKE) VARIANT=release build/release/bin/levin-gate
	$(Q)regress/time_proof.sh $(PROOF_FLAGS)
	$(Q)regress/time_proof.sh --table build/gate/proof/results.csv build/gate/proof/exact.csv

.PHONY: counts-cost
counts-cost: $(DEPS) ## what exact counts cost a hot get: the same engine without them beside it, by instructions and time; 2 % or more is red
	$(Q)regress/counts_cost.sh

.PHONY: scoreboard scoreboard-kept
scoreboard: $(DEPS) ## all stores that are installed under the same faults: build/scoreboard/scoreboard.html (make deps-stores, BUDGET=seconds)
	$(Q)$(SUBMAKE) VARIANT=release all
	$(Q)build/release/bin/levin-chaos scoreboard --directory build/scoreboard $(if $(filter command line environment,$(origin BUDGET)),--budget $(BUDGET))
scoreboard-kept: $(DEPS) ## the scoreboard that is kept in chaos/scoreboard: every finding by its replay line, three times in a row
	$(Q)$(SUBMAKE) VARIANT=release all
	$(Q)chaos/scoreboard/kept.sh lay build/scoreboard-kept
	$(Q)build/release/bin/levin-chaos scoreboard --directory build/scoreboard-kept --again >build/scoreboard-kept/again.txt; \
		status=$$?; cat build/scoreboard-kept/again.txt; exit $$status

.PHONY: bench
bench: $(DEPS) ## the speed table: Levin beside all stores that are installed, 10-15 minutes (make deps-stores, BENCH_FLAGS=--quick)
	$(Q)$(SUBMAKE) VARIANT=release all
	$(Q)build/release/bin/levin-bench --table $(BENCH_FLAGS)

.PHONY: planted
planted: $(DEPS) ## the proof that the harness can fail: each bug of faults/planted/ must be caught by a detector (ROUNDS=5: medians; resumes)
	$(Q)chaos/planted.sh
.PHONY: planted-units
planted-units: $(filter $(B)/test/engine_%,$(filter-out $(B)/test/engine_cli_%,$(TESTS)))

# ---- what the tests reach ------------------------------------------------------------------------------------
.PHONY: coverage coverage-programs
ifeq ($(VARIANT),coverage)
$(BIN) $(LIB_SO) $(TESTS) $(FUZZ_REPLAYS) $(B)/fuzz/make_seeds: | $(B)/obj/ci/coverage_exit.o
endif
coverage-programs: $(B)/obj/ci/coverage_exit.o $(LIB_SO) $(B)/bin/levin $(B)/bin/levin-chaos $(filter $(B)/test/engine_%,$(TESTS)) \
    $(B)/test/chaos_soak_test $(B)/test/regress_workloads_test $(FUZZ_REPLAYS) $(B)/fuzz/make_seeds
coverage: $(DEPS) ## lines, branches, MC/DC of engine/ under all tests, replays, short sweeps; a branch missed without a reason is red (SHORT=1)
	$(Q)nice -n 10 $(SUBMAKE) VARIANT=coverage coverage-programs
	$(Q)nice -n 10 ci/coverage.sh

.PHONY: mutants mutant-programs
# not fuzz_schedule, which has an engine of its own
mutant-programs: $(B)/bin/levin-chaos $(filter $(B)/test/engine_%,$(TESTS)) $(filter-out %/replay_fuzz_schedule,$(FUZZ_REPLAYS)) $(B)/fuzz/make_seeds
mutants: $(DEPS) ## branches of engine/ never or always taken: who notices; a survivor without a reason is red (MUTANTS=400 SEED=1 TIME=seconds)
	$(Q)nice -n 19 ci/mutants.sh

# ---- fuzzing -------------------------------------------------------------------------------------------------
# The targets run in one thread over their own seams (fuzz/single_thread.c); archives give what they lack.
FUZZ_A := $(B)/libfuzz.a
# the text formats of the tool; nothing but fuzz_import takes them out of the archive
FUZZ_CLI := $(addprefix engine/cli/,buffer.c source.c text.c interrupt.c) $(filter-out %_test.c,$(wildcard engine/cli/format*.c))
# named, for nothing refers to it: it replaces a weak function of the sanitizer
FUZZ_OPTIONS := $(B)/obj/fuzz/sanitizer_options.o
$(FUZZ_A): $(call obj,$(FUZZ_SRC) $(FUZZ_CLI) $(if $(ENGINE_A),,$(filter-out engine/sync_posix.c engine/reclaim_urcu.c,$(ENGINE_SRC))))
	$(if $(Q),@echo "  AR    $@")
	$(Q)rm -f $@ && ar rcs $@ $^

# where OSS-Fuzz runs the programs there are no libraries but the C one
# $(FUZZ_A) again: the client of faults/ calls the engine, and all of the engine stands there
LIBS_FUZZ = $(FUZZ_A) $(ENGINE_A) -Wl,--as-needed $(if $(filter oss,$(VARIANT)),-Wl$(comma)-Bstatic -ljansson -Wl$(comma)-Bdynamic,-ljansson) -lm
# fuzz_schedule has the engine of the scheduler, which is found before the other; that one watches memory itself
fuzz_schedule := $(B)/fuzz_schedule $(B)/fuzz/replay_fuzz_schedule
$(fuzz_schedule): $(SCHEDULE_ENGINE_A) $(SCHEDULE_A)
$(fuzz_schedule): private fuzz_engine = -Wl,--start-group $(SCHEDULE_ENGINE_A) $(SCHEDULE_A) -Wl,--end-group
$(if $(filter libfuzzer afl,$(VARIANT)),$(fuzz_schedule): private VFLAGS = -O2 -g -fsanitize=undefined)
$(B)/fuzz/make_seeds: $(SCHEDULE_A)
fuzz_parts = $(filter %.o,$^) $(fuzz_engine) $(filter-out $(if $(fuzz_engine),$(SCHEDULE_ENGINE_A) $(SCHEDULE_A)),$(filter %.a,$^))
fuzz_link = $(CC) $(CFLAGS_ALL) -o $@ $(fuzz_parts) $(LDFLAGS) $(LIBS_FUZZ)
$(B)/fuzz/replay_%: $(B)/obj/fuzz/%.o $(B)/obj/fuzz/replay_main.o $(FUZZ_OPTIONS) $(FUZZ_A) $(FAULTS_A)
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LD    $@")
	$(Q)$(fuzz_link)
$(B)/fuzz/make_seeds: $(B)/obj/fuzz/make_seeds.o $(FUZZ_OPTIONS) $(FUZZ_A) $(FAULTS_A)
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LD    $@")
	$(Q)$(fuzz_link)
# fuzz_x with its mutator mutate_x; libFuzzer brings main, afl-clang-fast links its driver for -fsanitize=fuzzer
$(B)/fuzz_%: $(B)/obj/fuzz/fuzz_%.o $(B)/obj/fuzz/mutate_%.o $(FUZZ_OPTIONS) $(FUZZ_A) $(FAULTS_A)
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LD    $@")
	$(Q)$(if $(filter oss,$(VARIANT)),$(CXX) $(CXXFLAGS) -o $@ $(fuzz_parts) $(LIB_FUZZING_ENGINE) -pthread $(LIBS_FUZZ),$(fuzz_link) -fsanitize=fuzzer)
$(B)/fuzz/mutator_fuzz_%.so: $(B)/obj/fuzz/afl_mutator.o $(B)/obj/fuzz/mutate_%.o $(FUZZ_A) $(FAULTS_A)
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LD    $@")
	$(Q)$(fuzz_link) -shared
.PHONY: fuzz-libfuzzer fuzz-afl fuzz-mutators fuzz-oss
fuzz-oss: $(FUZZ_TARGETS:%=$(B)/%) $(B)/fuzz/make_seeds
fuzz-libfuzzer: $(FUZZ_TARGETS:%=$(B)/%) $(FUZZ_REPLAYS) $(B)/fuzz/make_seeds
fuzz-afl: $(FUZZ_TARGETS:%=$(B)/%)
fuzz-mutators: $(FUZZ_TARGETS:%=$(B)/fuzz/mutator_%.so)

fuzzers := $(or $(strip $(FUZZER)),libfuzzer afl)
fuzz_run = '$(or $(strip $(TARGET)),$(FUZZ_TARGETS))' '$(fuzzers)' '$(TIME)'
.PHONY: fuzz
fuzz: $(DEPS) ## fuzz the targets of fuzz/ (TARGET='fuzz_ops ...', FUZZER='libfuzzer afl', TIME=seconds for each, JOBS=n at once)
	$(Q)JOBS='$(JOBS)' fuzz/run.sh --check $(fuzz_run)
	$(Q)$(SUBMAKE) VARIANT=libfuzzer fuzz-libfuzzer
	$(Q)$(if $(filter afl,$(fuzzers)),AFL_QUIET=1 $(SUBMAKE) VARIANT=afl fuzz-afl,:)
	$(Q)$(if $(filter afl,$(fuzzers)),$(SUBMAKE) VARIANT=release fuzz-mutators,:)
	$(Q)$(if $(and $(filter afl,$(fuzzers)),$(filter-out 1,$(JOBS))),AFL_QUIET=1 $(SUBMAKE) VARIANT=cmplog fuzz-afl,:)
	$(Q)JOBS='$(JOBS)' fuzz/run.sh $(fuzz_run)

.PHONY: fuzz-triage fuzz-keep fuzz-oss-check
fuzz-triage: ## what crashed in `make fuzz`, each cause once, with replay lines
	$(Q)fuzz/triage.sh list
fuzz-keep: ## FILE=input NAME=what-it-was [TARGET=fuzz_ops]: minimised and kept in fuzz/findings, which `make test` replays
	$(Q)fuzz/triage.sh keep '$(FILE)' '$(NAME)' $(TARGET)
fuzz-oss-check: ## the build script for OSS-Fuzz and ClusterFuzzLite, in their environment, and a second of each target
	$(Q)ci/oss-fuzz.sh

.PHONY: fuzz-planted
fuzz-planted: $(DEPS) ## the proof that the fuzzers can fail: each bug of fuzz/planted/ must be found by both (SEEDS=5 TIME=120 ONLY=word)
	$(Q)$(SUBMAKE) VARIANT=libfuzzer fuzz-libfuzzer
	$(Q)AFL_QUIET=1 $(SUBMAKE) VARIANT=afl fuzz-afl
	$(Q)$(SUBMAKE) VARIANT=release fuzz-mutators
	$(Q)fuzz/planted.sh

# ---- install -------------------------------------------------------------------------------------------------
MAN1 := $(wildcard engine/cli/*.1 chaos/*.1 regress/*.1)
BINDIR := $(DESTDIR)$(PREFIX)/bin
LIBDIR := $(DESTDIR)$(PREFIX)/lib
INCDIR := $(DESTDIR)$(PREFIX)/include/levin
MANDIR := $(DESTDIR)$(PREFIX)/share/man/man1
COMPDIR := $(DESTDIR)$(PREFIX)/share/bash-completion/completions

.PHONY: install uninstall
install: all $(LIB_STATIC) ## install library, headers, tools and manual pages under DESTDIR/PREFIX
	$(Q)install -d $(BINDIR) $(LIBDIR)/pkgconfig $(LIBDIR)/levin/stores $(INCDIR) $(MANDIR) $(COMPDIR)
	$(Q)install -m 755 $(BIN) $(BINDIR)
	$(Q)$(if $(PLUGINS),install -m 755 $(PLUGINS) $(LIBDIR)/levin/stores)
	$(Q)$(if $(RECORDER),install -d $(LIBDIR)/levin && install -m 755 $(RECORDER) $(LIBDIR)/levin)
	$(Q)install -m 644 $(LIB_STATIC) $(LIBDIR)
	$(Q)install -m 755 $(LIB_SO) $(LIBDIR)
	$(Q)ln -sf $(notdir $(LIB_SO)) $(LIBDIR)/liblevin.so.$(SOVERSION)
	$(Q)ln -sf liblevin.so.$(SOVERSION) $(LIBDIR)/liblevin.so
	$(Q)install -m 644 engine/levin.h engine/io.h $(INCDIR)
	$(Q)install -m 644 chaos/store.h $(INCDIR)/store.h
	$(Q)sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' ci/levin.pc.in > $(LIBDIR)/pkgconfig/levin.pc
	$(Q)chmod 644 $(LIBDIR)/pkgconfig/levin.pc
	$(Q)install -m 644 $(MAN1) $(MANDIR)
	$(Q)install -m 644 engine/cli/levin.bash $(COMPDIR)/levin
	@echo "  INSTALL $(DESTDIR)$(PREFIX)"

uninstall: ## remove what install put there
	$(Q)rm -f $(addprefix $(BINDIR)/,$(notdir $(BIN))) $(addprefix $(MANDIR)/,$(notdir $(MAN1)))
	$(Q)rm -f $(addprefix $(LIBDIR)/,liblevin.a liblevin.so liblevin.so.$(SOVERSION) $(notdir $(LIB_SO)) pkgconfig/levin.pc)
	$(Q)rm -f $(INCDIR)/levin.h $(INCDIR)/io.h $(INCDIR)/store.h $(COMPDIR)/levin
	$(Q)rm -rf $(LIBDIR)/levin/stores
	$(Q)rm -f $(LIBDIR)/levin/levin-recorder.so
	$(Q)rmdir $(LIBDIR)/levin $(INCDIR) 2>/dev/null || true

# ---- checks one by one ---------------------------------------------------------------------------------------
.PHONY: check-layering check-headers check-style
check-layering: $(DEPS) ## folders include and call only what they may; the library exports levin_* only and has no mutable globals
	$(Q)$(SUBMAKE) VARIANT=release all
	$(Q)ci/check-layering.sh
check-headers: $(DEPS) ## every header compiles alone, the public ones also as C++
	$(Q)ci/check-headers.sh
check-style: $(DEPS) ## line lengths, opening comments, top level, shell scripts
	$(Q)ci/check-style.sh

.PHONY: clean
clean: ## remove build/
	$(Q)rm -rf build

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "Variables: VARIANT=release|debug|asan|tsan  V=1 (show commands)  PREFIX=/usr/local  DESTDIR=  CC=  CFLAGS=  LDFLAGS=  NO_DEPS=1 (install nothing)"
