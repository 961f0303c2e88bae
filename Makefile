# Canopy: make, make check, make demo, make train, make bench, make fuzz, make install. SAN=address|thread builds
# with sanitizers (address includes undefined) in a folder of its own; V=1 shows whole command lines.
VERSION := 0.1.0
SAN ?=
BUILD ?= build$(if $(SAN),-$(SAN))
PREFIX ?= /usr/local
V ?=
CC := gcc
PKGS := jansson libcrypto
OPT ?= -O2
# Hidden unless a public header exports it: the shared library shows canopy_* only, and -fPIC costs nothing.
CFLAGS_ALL = -std=gnu11 -D_GNU_SOURCE $(OPT) -g -fPIC -fvisibility=hidden -Wall -Wextra -Werror -Wno-unused-parameter -Wvla -pthread \
	-Isrc -Iinclude -I$(BUILD)/gen -MMD -MP -DCANOPY_VERSION='"$(VERSION)"' -ffp-contract=off -fno-math-errno $(shell pkg-config --cflags $(PKGS)) $(CFLAGS)
LIBS = $(shell pkg-config --libs $(PKGS)) -lm -pthread
ifeq ($(SAN),address)
SANFLAGS := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -DCANOPY_DEBUG
else ifeq ($(SAN),thread)
SANFLAGS := -fsanitize=thread -DCANOPY_DEBUG
endif

LIB_SRC := $(sort $(filter-out src/cli/main.c,$(wildcard src/*/*.c)))
LIB_OBJ := $(LIB_SRC:%.c=$(BUILD)/%.o)
TESTS := $(patsubst tests/t_%.c,t_%,$(sort $(wildcard tests/t_*.c)))
THREADED_TESTS := t_base t_eval t_api t_controller t_env t_td3 t_train t_qc t_certified t_certifier
EXAMPLES := $(patsubst examples/%.c,%,$(sort $(wildcard examples/*.c)))
BENCHES := $(patsubst bench/%.c,%,$(sort $(wildcard bench/*.c)))
# Another runtime for the tests' ONNX files, built where it is installed.
OPENCV := $(patsubst %,$(BUILD)/tests/onnx_opencv,$(wildcard /usr/include/opencv4/opencv2/dnn.hpp))
FUZZERS := $(patsubst fuzz/f_%.c,f_%,$(sort $(wildcard fuzz/f_*.c)))
FUZZ_SECONDS ?= 20
# Independent judges of what we write, and other sources of flows: tests that want them skip where they are missing.
JUDGES := libopencv-dnn-dev protobuf-compiler z3 iperf3

# Before a command: one short line in its place, or with V=1 the command itself.
ifneq ($(V),1)
say = $(info $()  $(1)	$@)@
MAKEFLAGS += --no-print-directory
endif

all: $(BUILD)/canopy $(BUILD)/canopy.1 $(BUILD)/libcanopy.so $(BUILD)/public/libcanopy.a

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(CFLAGS_ALL) $(SANFLAGS) -c $< -o $@

# Shipped properties are part of the program.
$(BUILD)/gen/properties.inc: $(sort $(wildcard properties/*.txt)) scripts/embed
	@mkdir -p $(@D)
	@scripts/embed $(filter %.txt,$^) >$@.part && mv $@.part $@

$(BUILD)/src/cert/shipped.o: $(BUILD)/gen/properties.inc

# The checker of certificates rounds in one direction: the compiler must not assume rounding to nearest.
$(BUILD)/src/check/%.o $(BUILD)/tests/t_check.o: CFLAGS_ALL += -frounding-math -ffp-contract=fast

$(BUILD)/libcanopy.a: $(LIB_OBJ)
	@rm -f $@
	$(call say,AR)ar rcs $@ $^

$(BUILD)/libcanopy.so: $(LIB_OBJ) scripts/libcanopy.map
	$(call say,LD)$(CC) $(SANFLAGS) -shared -Wl,-soname,libcanopy.so.0 -Wl,--version-script=scripts/libcanopy.map $(LIB_OBJ) -o $@ $(LIBS)

# The static library as it is installed: names of our own cannot clash with the user's.
$(BUILD)/public/libcanopy.a: $(LIB_OBJ)
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,AR)ld -r -o $(@D)/canopy.o $^
	@objcopy --wildcard --keep-global-symbol='canopy_*' $(@D)/canopy.o
	@ar rcs $@ $(@D)/canopy.o

# As a user's program: the public headers and the library, nothing else.
$(BUILD)/examples/%: examples/%.c $(BUILD)/public/libcanopy.a $(wildcard include/canopy/*.h)
	@mkdir -p $(@D)
	$(call say,CC)$(CC) -std=c11 -O2 -g -Wall -Wextra -Werror $(SANFLAGS) -Iinclude $(CFLAGS) $< $(BUILD)/public/libcanopy.a -o $@ $(LIBS)

$(BUILD)/canopy: $(BUILD)/src/cli/main.o $(BUILD)/libcanopy.a
	$(call say,LD)$(CC) $(SANFLAGS) $^ -o $@ $(LIBS)

$(BUILD)/canopy.1: $(BUILD)/canopy
	$(call say,MAN)$(BUILD)/canopy manpage >$@

$(BUILD)/tests/t_%: $(BUILD)/tests/t_%.o $(BUILD)/libcanopy.a
	$(call say,LD)$(CC) $(SANFLAGS) $^ -o $@ $(LIBS) -lcmocka

$(BUILD)/tests/onnx_opencv: tests/onnx_opencv.cc Makefile
	@mkdir -p $(@D)
	$(call say,CXX)clang++ -O1 -w -I/usr/include/opencv4 $< -o $@ -lopencv_dnn -lopencv_core

$(BUILD)/bench/%: $(BUILD)/bench/%.o $(BUILD)/libcanopy.a
	$(call say,LD)$(CC) $(SANFLAGS) $^ -o $@ $(LIBS)

# Fuzzers are built by clang, the library once more for them: libFuzzer wants it instrumented too.
FUZZ_CC = clang $(filter-out -Wall -Wextra -Werror -Wvla,$(CFLAGS_ALL)) -w -O1 -fno-sanitize-recover=all
$(BUILD)/fuzz/lib/%.o: %.c $(BUILD)/gen/properties.inc Makefile
	@mkdir -p $(@D)
	$(call say,CLANG)$(FUZZ_CC) -fsanitize=fuzzer-no-link,address,undefined -c $< -o $@

$(BUILD)/fuzz/f_%: fuzz/f_%.c $(LIB_SRC:%.c=$(BUILD)/fuzz/lib/%.o)
	$(call say,FUZZ)$(FUZZ_CC) -fsanitize=fuzzer,address,undefined $^ -o $@ $(LIBS)

.SECONDARY:
.PHONY: all deps examples check tests test-run demo train bench fuzz install uninstall clean format

deps:
	@scripts/deps

examples: $(EXAMPLES:%=$(BUILD)/examples/%) $(BUILD)/libcanopy.so

tests: $(BUILD)/canopy $(TESTS:%=$(BUILD)/tests/%) $(BENCHES:%=$(BUILD)/bench/%) $(OPENCV) examples

# Everything a change must pass, with what it needs installed first.
check:
	@scripts/deps $(JUDGES)
	@$(MAKE) test-run

test-run: tests
	@scripts/run-tests $(BUILD) $(TESTS)

threaded-test-run: $(BUILD)/canopy $(THREADED_TESTS:%=$(BUILD)/tests/%) examples
	@scripts/run-tests $(BUILD) $(THREADED_TESTS)

demo: deps
	@$(MAKE) all
	@scripts/demo $(BUILD)/canopy

# PRESET: a quick one of specs/train, without its "-quick".
PRESET ?= deep-buffer
train: deps
	@$(MAKE) all
	@scripts/train $(BUILD)/canopy $(PRESET)

bench: $(BUILD)/canopy $(BENCHES:%=$(BUILD)/bench/%)
	@for b in $(BENCHES); do echo "== $$b"; $(BUILD)/bench/$$b || exit 1; done
	@echo "== ns-3"; if [ -d /usr/include/ns3 ]; then $(MAKE) -s $(BUILD)/bench/ns3 && $(BUILD)/bench/ns3; \
		else echo "skipped: apt-get install libns3-dev puts ns-3 beside it"; fi

$(BUILD)/bench/ns3: bench/ns3.cc
	@mkdir -p $(@D)
	g++ -O2 -w $< -o $@ -lns3-core -lns3-network -lns3-internet -lns3-applications -lns3-point-to-point

fuzz: $(FUZZERS:%=$(BUILD)/fuzz/%)
	@scripts/run-fuzz $(BUILD) $(FUZZ_SECONDS) $(FUZZERS)

# MAHIMAHI=1: mahimahi's tools too, as links to canopy.
MAHIMAHI_TOOLS := mm-delay mm-link mm-loss mm-onoff mm-intermittent
install: all
	install -D -m755 $(BUILD)/canopy $(DESTDIR)$(PREFIX)/bin/canopy
	[ -z "$(MAHIMAHI)" ] || for t in $(MAHIMAHI_TOOLS); do ln -sf canopy $(DESTDIR)$(PREFIX)/bin/$$t || exit 1; done
	install -D -m644 $(BUILD)/canopy.1 $(DESTDIR)$(PREFIX)/share/man/man1/canopy.1
	mkdir -p $(DESTDIR)$(PREFIX)/include/canopy $(DESTDIR)$(PREFIX)/lib/pkgconfig
	install -m644 include/canopy/*.h $(DESTDIR)$(PREFIX)/include/canopy/
	install -m644 $(BUILD)/public/libcanopy.a $(DESTDIR)$(PREFIX)/lib/libcanopy.a
	install -m755 $(BUILD)/libcanopy.so $(DESTDIR)$(PREFIX)/lib/libcanopy.so.0
	ln -sf libcanopy.so.0 $(DESTDIR)$(PREFIX)/lib/libcanopy.so
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' -e 's|@PKGS@|$(PKGS)|' scripts/canopy.pc.in \
		>$(DESTDIR)$(PREFIX)/lib/pkgconfig/canopy.pc
	mkdir -p $(DESTDIR)$(PREFIX)/share/canopy/specs/train $(DESTDIR)$(PREFIX)/share/canopy/properties
	install -m644 specs/*.spec $(DESTDIR)$(PREFIX)/share/canopy/specs/
	install -m644 specs/train/*.spec $(DESTDIR)$(PREFIX)/share/canopy/specs/train/
	install -m644 properties/*.txt properties/README.md $(DESTDIR)$(PREFIX)/share/canopy/properties/
	mkdir -p $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	$(BUILD)/canopy completion >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/canopy

uninstall:
	cd $(DESTDIR)$(PREFIX)/bin && for t in $(MAHIMAHI_TOOLS); do [ "$$(readlink $$t)" != canopy ] || rm $$t; done
	rm -f $(DESTDIR)$(PREFIX)/bin/canopy $(DESTDIR)$(PREFIX)/share/man/man1/canopy.1 \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/canopy
	rm -f $(DESTDIR)$(PREFIX)/lib/libcanopy.a $(DESTDIR)$(PREFIX)/lib/libcanopy.so \
		$(DESTDIR)$(PREFIX)/lib/libcanopy.so.0 $(DESTDIR)$(PREFIX)/lib/pkgconfig/canopy.pc
	rm -rf $(DESTDIR)$(PREFIX)/include/canopy $(DESTDIR)$(PREFIX)/share/canopy/specs \
		$(DESTDIR)$(PREFIX)/share/canopy/properties

clean:
	rm -rf build build-address build-thread

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
