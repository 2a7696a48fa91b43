# SPDX-License-Identifier: GPL-2.0-or-later
#
# One Makefile for the stub (both architectures), the host tool and every test.
#
#   make                 build/x86_64/capstub.bzImage, build/arm64/capstub.Image, build/capstub
#   make demo            crash a real Debian kernel in QEMU and show what was captured (ARCH: x86_64)
#   make check           every short test;  make check-full: the whole matrix, hours
#   make bench           speed of the capture against dd on the same device (ARCH: x86_64)
#   make unit|fuzz|rules|images|tool-check|qemu-check   the parts of "check"
#   make deps            install what is missing (demo, bench and check do it by themselves)
#   make install         DESTDIR= and prefix= are honoured
#   make deb|rpm         a package for this machine's architecture, looked at by lintian
#
# Variables: ARCH=x86_64|arm64 (default: both)   BUILD=folder   V=1 shows every command
#            NEWLIB_CACHE=folder   newlib, to share between several build folders
#            CAPSTUB_CACHE=folder  Debian kernels and packages for the QEMU tests
#            FUZZ_RUNS=n, FUZZ_SECONDS=n   length of each fuzzer's run (default of check-full: 200 s)

VERSION      := 0.1
ARCHES       := x86_64 arm64
BUILD        ?= build
NEWLIB_CACHE ?= $(BUILD)/newlib
CAPSTUB_CACHE ?= $(BUILD)/cache
FUZZ_RUNS    ?= 20000
PROVE_FLAGS  ?= -j$(shell nproc)
prefix       ?= /usr/local

# A half-written output file never survives a failed command.
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc)
endif

# Quiet rules: "@$(say) CC $<" then "$(Q)command". V=1 shows the command instead of the line.
Q   := $(if $(filter 1,$(V)),,@)
say := $(if $(Q),printf '  %-7s %s\n',:)
MAKEFLAGS += $(if $(Q),--no-print-directory)

# $(call compile,FOLDER,SUFFIX,WHAT,COMMAND): how objects in FOLDER are made of sources
define compile
$(1)/%$(2:.c=).o: %$(2) Makefile
	@mkdir -p $$(@D)
	@$$(say) $(3) $$<
	$$(Q)$(4) -MMD -MP -c -o $$@ $$<
endef

.PHONY: all image loader tool unit fuzz rules images tool-check host-programs qemu-check qemu-full check check-full \
	demo bench deps install package-files deb rpm clean
all: image tool

#---------------------------------------------------------------------------------------------------
# The stub. One architecture per make process; without ARCH each one gets its own.

ifneq ($(ARCH),)
include arch/$(ARCH)/arch.mk

OUT    := $(BUILD)/$(ARCH)
NEWLIB := $(NEWLIB_CACHE)/$(ARCH)
CC     := $(CROSS_COMPILE)gcc
ZLIB   := $(NEWLIB_CACHE)/zlib-$(ARCH)
STUB_C := $(wildcard stub/*.c stub/*/*.c drivers/*.c drivers/*/*.c arch/$(ARCH)/*.c)
STUB_S := $(wildcard arch/$(ARCH)/*.S)
STUB_O := $(STUB_C:%.c=$(OUT)/%.o) $(STUB_S:%.S=$(OUT)/%.S.o)

# Debian's package folder for it: the running system's own when it is the same, else a private one (headers.sh)
SYSROOT := $(if $(filter x86_64:x86_64,$(shell uname -m):$(ARCH)),,$(abspath $(BUILD))/sysroot-$(ARCH))
LIBDIR   = $(SYSROOT)/usr/lib/$(CROSS_COMPILE:-=)

# Headers: ours (<io.h> and <cpu.h> by -Iarch/$(ARCH)), then the compiler's, newlib's, and at the end a private folder with
# nothing but lzo's, libfdt's and gnu-efi's, so that no header of the host's C library can leak in.
STUB_CPPFLAGS = -I. -Iinclude -Iarch/$(ARCH) -nostdinc \
	-isystem $(shell $(CC) -print-file-name=include) -isystem $(NEWLIB)/include \
	-isystem $(ZLIB)/include -isystem $(OUT)/include -isystem $(OUT)/include/efi -isystem $(OUT)/include/efi/$(EFI_ARCH) \
	-DCAPSTUB_VERSION='"$(VERSION)"'

# -Os: 1 MiB of reservation is the budget; -Oz saves 4 KiB more and costs a quarter of the speed. -ffreestanding: no hosted
# library behind the compiler's back. -fPIE -fno-plt: kexec chooses the address; no lazy binding. -f*-sections: with
# --gc-sections only what is used is linked. -fno-asynchronous-unwind-tables: nobody unwinds, .eh_frame would be a fifth of
# the image. -fno-common: two definitions of one variable are an error. -fvisibility=hidden: no symbol needs a GOT entry.
# -fstack-protector: the input is a dead kernel's memory, and lies in arrays of bytes; the stub supplies the guard.
# -ffile-prefix-map: the same image from every folder
STUB_CFLAGS = -std=gnu11 -Os -g -ffreestanding -fPIE -fno-plt -ffunction-sections -fdata-sections \
	-fno-asynchronous-unwind-tables -fno-common -fvisibility=hidden -fstack-protector \
	-ffile-prefix-map=$(CURDIR)=. -Wall -Wextra -Werror -Wvla -Wmissing-prototypes \
	-Wstrict-prototypes $(ARCH_CFLAGS)

# -static-pie: position-independent, relocated by its own first code. -T: the memory map, with size ASSERTs.
# --build-id=none: nothing that differs between two builds. norelro: nobody would protect the pages after relocation.
# --no-warn-rwx-segments: loaded flat, page tables of our own decide who may write. noexecstack: for all assembler files
STUB_LDFLAGS = -static-pie -nostdlib -Wl,-T,linker/$(ARCH).ld -Wl,--gc-sections \
	-Wl,--build-id=none -Wl,--fatal-warnings -Wl,-z,noexecstack -Wl,-z,norelro \
	-Wl,-z,max-page-size=4096 -Wl,--no-warn-rwx-segments -Wl,--no-dynamic-linker \
	-Wl,-Map,$@.map $(ARCH_LDFLAGS)
STUB_LIBS = -Wl,--start-group $(LIBDIR)/liblzo2.a $(LIBDIR)/libfdt.a $(ZLIB)/lib/libz.a \
	$(NEWLIB)/lib/libc.a -lgcc -Wl,--end-group

image: $(OUT)/$(IMAGE)

$(NEWLIB)/lib/libc.a: tools/build/newlib.sh
	$(Q)tools/build/newlib.sh $(ARCH) $(CROSS_COMPILE) $(NEWLIB)

$(ZLIB)/lib/libz.a: tools/build/zlib.sh $(NEWLIB)/lib/libc.a
	$(Q)tools/build/zlib.sh $(ARCH) $(CROSS_COMPILE) $(ZLIB) $(NEWLIB)

$(OUT)/include/.stamp: tools/build/headers.sh
	$(Q)tools/build/headers.sh $(ARCH) $(@D) $(CAPSTUB_CACHE) $(SYSROOT)

$(STUB_O): $(NEWLIB)/lib/libc.a $(ZLIB)/lib/libz.a $(OUT)/include/.stamp arch/$(ARCH)/arch.mk
$(eval $(call compile,$(OUT),.c,CC,$$(CC) $$(STUB_CPPFLAGS) $$(STUB_CFLAGS)))
$(eval $(call compile,$(OUT),.S,AS,$$(CC) $$(STUB_CPPFLAGS) $$(STUB_CFLAGS) -D__ASSEMBLY__))

$(OUT)/capstub.elf: $(STUB_O) linker/$(ARCH).ld linker/pe.ld
	@$(say) LD $@
	$(Q)$(CC) $(STUB_CFLAGS) $(STUB_LDFLAGS) -o $@ $(STUB_O) $(STUB_LIBS)

$(OUT)/$(IMAGE): $(OUT)/capstub.elf tools/build/check-image.sh $(IMAGE_SEAL)
	@$(say) IMAGE $@
	$(Q)$(CROSS_COMPILE)objcopy -O binary $< $@ && chmod 644 $@
	$(if $(IMAGE_SEAL),$(Q)$(IMAGE_SEAL) $@)
	$(Q)tools/build/check-image.sh $(CROSS_COMPILE) $< $@ $(IMAGE_MAX) $(RELOC_TYPE)

# "capstub load" alone and static, for guests without libraries
LOADER_C = tests/qemu/loader.c tools/util.c tools/cmd/args.c tools/cmd/load.c tools/cmd/unload.c tools/media/pin.c stub/boot/cmdline.c \
	$(filter-out tools/load/found.c tools/load/health.c tools/load/trial.c,$(wildcard tools/load/*.c)) $(wildcard stub/format/*.c)
loader: $(OUT)/loader
$(OUT)/loader: $(LOADER_C) $(wildcard tools/load/*.h) $(OUT)/include/.stamp Makefile
	@$(say) LOADER $@
	$(Q)$(CC) $(HOST_CFLAGS) -static -isystem $(OUT)/include -o $@ $(LOADER_C) $(LIBDIR)/libfdt.a

else
image: $(ARCHES:%=image-%)
loader: $(ARCHES:%=loader-%)
EACH := $(foreach a,$(ARCHES),image-$(a) loader-$(a))
.PHONY: $(EACH)
$(EACH):
	$(Q)+$(MAKE) ARCH=$(lastword $(subst -, ,$@)) $(firstword $(subst -, ,$@))
endif

#---------------------------------------------------------------------------------------------------
# The host tool: hosted C11, the native compiler.

HOSTCC     ?= gcc
# stub/format: both sides must agree on what it is about; the loader has the stub's own parser look at the words, the report
# reads log and symbols as the stub does
TOOL_C     := $(wildcard tools/*.c tools/*/*.c stub/format/*.c) stub/boot/cmdline.c stub/dead/dmesg.c stub/dead/kallsyms.c
TOOL_O     := $(TOOL_C:%.c=$(BUILD)/host/%.o)
HOST_CFLAGS = -std=gnu11 -O2 -g -Wall -Wextra -Werror -Wvla -Wmissing-prototypes \
	-Wstrict-prototypes -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -I. -Iinclude \
	-DCAPSTUB_VERSION='"$(VERSION)"' -DCAPSTUB_LIBDIR='"$(prefix)/lib/capstub"' \
	-ffile-prefix-map=$(CURDIR)=.
TOOL_LIBS   = $(shell pkg-config --libs blkid libzstd) -lfdt -llzo2 -lz -lsnappy

$(eval $(call compile,$(BUILD)/host,.c,HOSTCC,$$(HOSTCC) $$(HOST_CFLAGS)))

tool: $(BUILD)/capstub
$(BUILD)/capstub: $(TOOL_O)
	@$(say) HOSTLD $@
	$(Q)$(HOSTCC) -o $@ $^ $(TOOL_LIBS)

#---------------------------------------------------------------------------------------------------
# Unit tests and fuzzers: the very same .c files, hosted, against the fake <io.h> and <cpu.h>.
# A test names the files it needs in comment lines, but for stub/format:   /* needs: stub/a.c drivers/b.c */
needs       = $(shell sed -n 's|^.*needs: *\(.*[^ ]\) *\*/.*|\1|p' $(1) 2>/dev/null)
TEST_CFLAGS = -std=gnu11 -O1 -g -fno-omit-frame-pointer -fno-common -Wall -Wextra -Werror -Wvla \
	-D_GNU_SOURCE -I. -Iinclude -Itests/unit/fake -DCAPSTUB_VERSION='"$(VERSION)"' \
	-isystem /usr/include/efi -isystem /usr/include/efi/$(shell uname -m) -fno-sanitize-recover=all
UNITCC      = $(HOSTCC) $(TEST_CFLAGS) -fsanitize=address,undefined
FUZZCC     ?= clang
FUZZCC_ALL  = $(FUZZCC) $(TEST_CFLAGS) -fsanitize=fuzzer-no-link,address,undefined
UNIT_C := $(wildcard tests/unit/*/test_*.c)
FUZZ_C := $(wildcard tests/fuzz/fuzz_*.c)
UNITS  := $(addprefix $(BUILD)/unit/,$(basename $(notdir $(UNIT_C))))
FUZZES := $(addprefix $(BUILD)/fuzz/,$(basename $(notdir $(FUZZ_C))))

$(eval $(call compile,$(BUILD)/unit/obj,.c,UNITCC,$$(UNITCC)))
$(eval $(call compile,$(BUILD)/fuzz/obj,.c,FUZZCC,$$(FUZZCC_ALL)))
# There is nothing to discover in a CRC, and traced it is most of the time where labels and frames have one
$(BUILD)/fuzz/obj/stub/format/crc.o: FUZZCC_ALL = $(FUZZCC) $(TEST_CFLAGS) -fsanitize=address,undefined
# A search through a whole kernel image compares a million times, and each comparison traced is most of the time
$(BUILD)/fuzz/obj/tools/report/scan.o: FUZZCC_ALL += -fno-sanitize-coverage=trace-cmp

# $(call program,FOLDER,SOURCE,COMMAND,LIBRARIES): a link rule for each, since each has its own list of objects; stub/format
# is there for all. -no-pie: static memory lies below 4 GiB, which legacy virtio needs (physical addresses are pointers there)
define program
$(1)/$(basename $(notdir $(2))): $(patsubst %.c,$(1)/obj/%.o,$(2) $(call needs,$(2))) $(1)/obj/format.a
	@$$(say) LD $$@
	$$(Q)$(3) -no-pie -o $$@ $$(filter %.o %.a,$$^) $(4) -llzo2 -lfdt -lz -lzstd -lsnappy
endef
FORMAT_C := $(wildcard stub/format/*.c)
$(BUILD)/unit/obj/format.a: $(FORMAT_C:%.c=$(BUILD)/unit/obj/%.o)
$(BUILD)/fuzz/obj/format.a: $(FORMAT_C:%.c=$(BUILD)/fuzz/obj/%.o)
%/format.a:
	$(Q)rm -f $@ && ar rcs $@ $^
$(foreach t,$(UNIT_C),$(eval $(call program,$(BUILD)/unit,$(t),$$(UNITCC),-lcmocka)))
$(foreach t,$(FUZZ_C),$(eval $(call program,$(BUILD)/fuzz,$(t),$$(FUZZCC_ALL) -fsanitize=fuzzer)))

# Each program runs as a target of its own, so that -j runs several
RUN_UNITS  := $(UNITS:$(BUILD)/unit/%=run-%)
RUN_FUZZES := $(FUZZES:$(BUILD)/fuzz/%=run-%)
.PHONY: $(RUN_UNITS) $(RUN_FUZZES)
unit: $(RUN_UNITS)
$(RUN_UNITS): run-%: $(BUILD)/unit/%
	$(Q)tools/build/unit.sh $<

fuzz: $(RUN_FUZZES)
	$(Q)tools/build/fuzz.sh total $(FUZZES)
$(RUN_FUZZES): run-%: $(BUILD)/fuzz/%
	$(Q)tools/build/fuzz.sh run $< tests/fuzz/seeds "$(FUZZ_RUNS)" "$(FUZZ_SECONDS)"

# The tool, and both ends of a line, with sanitizers, whose exit status must not look like the tool's own 1. As root also on loop devices
TOOL_TEST := $(BUILD)/unit/tool
$(TOOL_TEST)/capstub: $(TOOL_C:%.c=$(BUILD)/unit/obj/%.o)
$(TOOL_TEST)/line-sim: tests/line/sim.c $(call needs,tests/line/sim.c) $(FORMAT_C)
$(TOOL_TEST)/line-sim: TEST_CFLAGS := -Itests/line/fake $(TEST_CFLAGS)
$(TOOL_TEST)/capstub $(TOOL_TEST)/line-sim: Makefile
	@mkdir -p $(@D)
	@$(say) LD $@
	$(Q)$(UNITCC) -o $@ $(filter-out Makefile,$^) $(TOOL_LIBS)

tool-check: $(TOOL_TEST)/capstub $(TOOL_TEST)/line-sim
	$(Q)BUILD=$(abspath $(TOOL_TEST)) ASAN_OPTIONS=exitcode=99 UBSAN_OPTIONS=exitcode=99 \
		prove $(PROVE_FLAGS) $(sort $(wildcard tests/tools/*.t))

# Programs for real dumps, which tests/qemu/full and the benchmarks run
host-programs:
	@$(say) HOST "tests/host tests/line"
	$(Q)tests/host/build.sh $(BUILD)/tests-host

# Who may know whom
rules:
	$(Q)tools/build/check-rules.py

# What firmware and signing programs see of the images. Then again, from another folder: bit for bit the same
images: all
	$(Q)BUILD=$(abspath $(BUILD)) prove $(PROVE_FLAGS) $(sort $(wildcard tests/images/*.t))
	$(Q)tools/build/check-reproducible.sh $(BUILD) $(NEWLIB_CACHE) $(CAPSTUB_CACHE)

#---------------------------------------------------------------------------------------------------
include tests/qemu/qemu.mk

deps:
	$(Q)tools/build/deps.sh x86_64 arm64 guests tests

# Any of these may be the first command on a fresh machine: packages first, then a make that can see them
GUEST = $(or $(ARCH),x86_64)
demo:
	$(Q)tools/build/deps.sh $(GUEST) guests
	$(Q)+$(MAKE) ARCH=$(GUEST) all
	$(Q)$(QEMU_ENV) DEBUG_VMLINUX=$(DEBUG_VMLINUX) tests/qemu/demo $(GUEST)

bench: deps
	$(Q)+$(MAKE) ARCH=$(GUEST) all $(PAGES)
	$(Q)$(QEMU_ENV) tests/qemu/bench $(GUEST) $(PARTS)

check: deps
	$(Q)+for part in all rules images unit host-programs fuzz tool-check qemu-check; do \
		$(MAKE) $$part || exit 1; done

# Fuzzers at the end: how long they take is a matter of taste, and of FUZZ_SECONDS
check-full:
	$(Q)+$(MAKE) check FUZZ_SECONDS=
	$(Q)+$(MAKE) deb rpm
	$(Q)+$(MAKE) qemu-full
	$(Q)+$(MAKE) fuzz FUZZ_SECONDS=$(or $(FUZZ_SECONDS),200)

install: all
	$(Q)tools/build/install.sh $(BUILD) $(prefix) $(DESTDIR)

include tools/package/package.mk

# newlib and what came from Debian are kept: they are what costs time. "rm -rf $(BUILD)" removes them too.
clean:
	$(Q)rm -rf $(ARCHES:%=$(BUILD)/%) $(BUILD)/host $(BUILD)/unit $(BUILD)/fuzz $(BUILD)/capstub \
		$(PAGES) $(BUILD)/demo $(BUILD)/cases $(BUILD)/tests-host $(BUILD)/again \
		$(PACKAGE) $(BUILD)/*.deb $(BUILD)/*.rpm

-include $(shell find $(OUT) $(BUILD)/host $(BUILD)/unit $(BUILD)/fuzz -name '*.d' 2>/dev/null)
