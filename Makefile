# SPDX-License-Identifier: GPL-2.0-or-later
#
# capstub: one Makefile for the stub (both architectures), the host tool and every test.
#
#   make                 build/x86_64/capstub.bzImage, build/arm64/capstub.Image, build/capstub
#   make demo            crash a real Debian kernel in QEMU and show what was captured
#   make check           every short test;  make check-full: the whole matrix, hours
#   make bench           speed of the capture against dd on the same device
#   make unit|fuzz|rules|images|tool-check|qemu-check   the parts of "check"
#   make deps            install what is missing (demo and check do it by themselves)
#   make install         DESTDIR= and prefix= are honoured
#
# Variables: ARCH=x86_64|arm64 (default: both)   BUILD=folder   V=1 shows every command
#            NEWLIB_CACHE=folder   newlib, to share between several build folders
#            CAPSTUB_CACHE=folder  Debian kernels and packages for the QEMU tests
#            FUZZ_RUNS=n, FUZZ_SECONDS=n   length of each fuzzer's run

VERSION      := 0.1
ARCHES       := x86_64 arm64
ARCH         ?=
BUILD        ?= build
NEWLIB_CACHE ?= $(BUILD)/newlib
CAPSTUB_CACHE ?= $(BUILD)/cache
FUZZ_RUNS    ?= 20000
FUZZ_SECONDS ?=
prefix       ?= /usr/local

# A half-written output file never survives a failed command.
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc)
endif

# Quiet rules: "@$(say) CC $<" then "$(Q)command". V=1 shows the command instead of the line.
ifeq ($(V),1)
Q   :=
say := :
else
Q   := @
say := printf '  %-7s %s\n'
MAKEFLAGS += --no-print-directory
endif

.PHONY: all
all:

#---------------------------------------------------------------------------------------------------
# The stub. One architecture per make process; without ARCH each one gets its own.

ifneq ($(ARCH),)
include arch/$(ARCH)/arch.mk

OUT    := $(BUILD)/$(ARCH)
NEWLIB := $(NEWLIB_CACHE)/$(ARCH)
CC     := $(CROSS_COMPILE)gcc
ZLIB   := $(NEWLIB_CACHE)/zlib-$(ARCH)
# Of the decoders for dead kernels' page tables, the one of this architecture
STUB_C := $(filter-out stub/dead/vtop_%,$(wildcard stub/*.c stub/*/*.c drivers/*.c drivers/*/*.c arch/$(ARCH)/*.c)) \
	stub/dead/vtop_$(ARCH).c
STUB_S := $(wildcard arch/$(ARCH)/*.S)
STUB_O := $(STUB_C:%.c=$(OUT)/%.o) $(STUB_S:%.S=$(OUT)/%.S.o)

# Debian's package folder for this architecture: the running system's own when it is the same,
# else a private one, filled from the same mirror.
ifeq ($(shell uname -m):$(ARCH),x86_64:x86_64)
SYSROOT  :=
LIBDIR    = /usr/lib/x86_64-linux-gnu
else
SYSROOT  := $(abspath $(BUILD))/sysroot-$(ARCH)
LIBDIR    = $(SYSROOT)/usr/lib/$(patsubst %-,%,$(CROSS_COMPILE))
endif

# Headers: ours, then the compiler's, newlib's, and at the end a private folder with nothing but
# lzo's, libfdt's and gnu-efi's, so that no header of the host's C library can leak in.
# <io.h> and <cpu.h> are picked by -Iarch/$(ARCH).
STUB_CPPFLAGS = -I. -Iinclude -Iarch/$(ARCH) -nostdinc \
	-isystem $(shell $(CC) -print-file-name=include) -isystem $(NEWLIB)/include \
	-isystem $(ZLIB)/include -isystem $(OUT)/include -isystem $(OUT)/include/efi -isystem $(OUT)/include/efi/$(EFI_ARCH) \
	-DCAPSTUB_VERSION='"$(VERSION)"'

# -Os                        1 MiB of reservation is the budget
# -ffreestanding             no hosted library behind the compiler's back
# -fPIE -fno-plt             kexec chooses the address; no lazy binding
# -f*-sections               with --gc-sections: only what is used is linked
# -fno-asynchronous-unwind-tables   nobody unwinds: .eh_frame would be a fifth of the image
# -fno-common                two definitions of one variable are an error
# -fvisibility=hidden        no symbol needs a GOT entry
# -fstack-protector-strong   the input is a dead kernel's memory; the stub supplies the guard
# -ffile-prefix-map          the same image from every folder
STUB_CFLAGS = -std=gnu11 -Os -g -ffreestanding -fPIE -fno-plt -ffunction-sections -fdata-sections \
	-fno-asynchronous-unwind-tables -fno-common -fvisibility=hidden -fstack-protector-strong \
	-ffile-prefix-map=$(CURDIR)=. -Wall -Wextra -Werror -Wvla -Wmissing-prototypes \
	-Wstrict-prototypes $(ARCH_CFLAGS)

# -static-pie              position-independent, relocated by its own first code
# -T                       the memory map, with size ASSERTs
# --build-id=none          nothing that differs between two builds of the same source
# --fatal-warnings         a linker warning is an error
# -z norelro               nobody would protect the pages after relocation
# --no-warn-rwx-segments   the file is loaded flat; page tables of our own decide who may write
# -z noexecstack           said once, so that no assembler file needs the note
STUB_LDFLAGS = -static-pie -nostdlib -Wl,-T,linker/$(ARCH).ld -Wl,--gc-sections \
	-Wl,--build-id=none -Wl,--fatal-warnings -Wl,-z,noexecstack -Wl,-z,norelro \
	-Wl,-z,max-page-size=4096 -Wl,--no-warn-rwx-segments -Wl,--no-dynamic-linker \
	-Wl,-Map,$@.map $(ARCH_LDFLAGS)
STUB_LIBS = -Wl,--start-group $(LIBDIR)/liblzo2.a $(LIBDIR)/libfdt.a $(ZLIB)/lib/libz.a \
	$(NEWLIB)/lib/libc.a -lgcc -Wl,--end-group

.PHONY: image newlib
newlib: $(NEWLIB)/lib/libc.a
image: newlib
ifneq ($(and $(wildcard stub/main.c),$(wildcard linker/$(ARCH).ld),$(STUB_S)),)
image: $(OUT)/$(IMAGE)
else
image:
	@echo "  SKIP    $(IMAGE): no sources yet"
endif

$(NEWLIB)/lib/libc.a: tools/build/newlib.sh
	$(Q)tools/build/newlib.sh $(ARCH) $(CROSS_COMPILE) $(NEWLIB)

$(ZLIB)/lib/libz.a: tools/build/zlib.sh $(NEWLIB)/lib/libc.a
	$(Q)tools/build/zlib.sh $(ARCH) $(CROSS_COMPILE) $(ZLIB) $(NEWLIB)

ifneq ($(SYSROOT),)
$(SYSROOT)/.stamp: tools/build/debs.sh
	$(Q)tools/build/debs.sh $(CAPSTUB_CACHE) bookworm $(ARCH) unpack $(SYSROOT) \
		liblzo2-dev libfdt-dev gnu-efi
	@touch $@
$(OUT)/include/.stamp: $(SYSROOT)/.stamp
endif

$(OUT)/include/.stamp: Makefile
	@mkdir -p $(@D)
	@ln -sfn $(SYSROOT)/usr/include/lzo $(SYSROOT)/usr/include/libfdt.h \
		$(SYSROOT)/usr/include/libfdt_env.h $(SYSROOT)/usr/include/fdt.h \
		$(SYSROOT)/usr/include/efi $(@D)
	@touch $@

$(STUB_O): $(NEWLIB)/lib/libc.a $(ZLIB)/lib/libz.a $(OUT)/include/.stamp Makefile arch/$(ARCH)/arch.mk

$(OUT)/%.o: %.c
	@mkdir -p $(@D)
	@$(say) CC $<
	$(Q)$(CC) $(STUB_CPPFLAGS) $(STUB_CFLAGS) -MMD -MP -c -o $@ $<

$(OUT)/%.S.o: %.S
	@mkdir -p $(@D)
	@$(say) AS $<
	$(Q)$(CC) $(STUB_CPPFLAGS) $(STUB_CFLAGS) -D__ASSEMBLY__ -MMD -MP -c -o $@ $<

$(OUT)/capstub.elf: $(STUB_O) linker/$(ARCH).ld
	@$(say) LD $@
	$(Q)$(CC) $(STUB_CFLAGS) $(STUB_LDFLAGS) -o $@ $(STUB_O) $(STUB_LIBS)

$(OUT)/$(IMAGE): $(OUT)/capstub.elf tools/build/check-image.sh $(IMAGE_SEAL)
	@$(say) IMAGE $@
	$(Q)$(CROSS_COMPILE)objcopy -O binary $< $@ && chmod 644 $@
	$(if $(IMAGE_SEAL),$(Q)$(IMAGE_SEAL) $@)
	$(Q)tools/build/check-image.sh $(CROSS_COMPILE) $< $@ $(IMAGE_MAX) $(RELOC_TYPE)

-include $(patsubst %.o,%.d,$(STUB_O))
all: image

else # no ARCH: a make of its own for each architecture

IMAGES := $(ARCHES:%=image-%)
.PHONY: image newlib $(IMAGES)
image: $(IMAGES)
$(IMAGES): image-%:
	$(Q)+$(MAKE) ARCH=$* image
newlib:
	$(Q)+for a in $(ARCHES); do $(MAKE) ARCH=$$a newlib || exit 1; done
all: image
endif

#---------------------------------------------------------------------------------------------------
# The host tool: hosted C11, the native compiler.

HOSTCC     ?= gcc
# The stub's own files: both sides must agree on what a CRC and a serial frame are.
TOOL_C     := $(wildcard tools/*.c tools/*/*.c stub/format/*.c)
TOOL_O     := $(TOOL_C:%.c=$(BUILD)/host/%.o)
HOST_CFLAGS = -std=gnu11 -O2 -g -Wall -Wextra -Werror -Wvla -Wmissing-prototypes \
	-Wstrict-prototypes -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -I. -Iinclude \
	-DCAPSTUB_VERSION='"$(VERSION)"' -DCAPSTUB_LIBDIR='"$(prefix)/lib/capstub"' \
	-ffile-prefix-map=$(CURDIR)=.
TOOL_LIBS   = $(shell pkg-config --libs blkid libkdumpfile libaddrxlat) -llzo2 -lz

.PHONY: tool
tool: $(if $(TOOL_C),$(BUILD)/capstub)
all: tool

$(TOOL_O): Makefile
$(BUILD)/host/%.o: %.c
	@mkdir -p $(@D)
	@$(say) HOSTCC $<
	$(Q)$(HOSTCC) $(HOST_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/capstub: $(TOOL_O)
	@$(say) HOSTLD $@
	$(Q)$(HOSTCC) -o $@ $(TOOL_O) $(TOOL_LIBS)

-include $(TOOL_O:.o=.d)

#---------------------------------------------------------------------------------------------------
# Unit tests and fuzzers: the very same .c files, hosted, against the fake <io.h> and <cpu.h>.
# A test names the files it needs in comment lines:   /* needs: stub/a.c drivers/b.c */

needs       = $(shell sed -n 's|^.*needs: *\(.*[^ ]\) *\*/.*|\1|p' $(1))
TEST_CFLAGS = -std=gnu11 -O1 -g -fno-omit-frame-pointer -fno-common -Wall -Wextra -Werror -Wvla \
	-D_GNU_SOURCE -I. -Iinclude -Itests/unit/fake -DCAPSTUB_VERSION='"$(VERSION)"' \
	-isystem /usr/include/efi -isystem /usr/include/efi/$(shell uname -m)
UNIT_CFLAGS = $(TEST_CFLAGS) -fsanitize=address,undefined -fno-sanitize-recover=all
FUZZ_CFLAGS = $(TEST_CFLAGS) -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=all
FUZZCC     ?= clang

UNIT_C := $(wildcard tests/unit/*/test_*.c)
FUZZ_C := $(wildcard tests/fuzz/fuzz_*.c)
UNITS  := $(addprefix $(BUILD)/unit/,$(basename $(notdir $(UNIT_C))))
FUZZES := $(FUZZ_C:tests/fuzz/%.c=$(BUILD)/fuzz/%)

$(BUILD)/unit/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	@$(say) UNITCC $<
	$(Q)$(HOSTCC) $(UNIT_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/fuzz/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	@$(say) FUZZCC $<
	$(Q)$(FUZZCC) $(FUZZ_CFLAGS) -MMD -MP -c -o $@ $<

# One link rule per program, since each has its own list of objects. -no-pie: static memory lies
# below 4 GiB, which legacy virtio needs (physical addresses are pointers there).
define unit_rule
$(BUILD)/unit/$(notdir $(1:.c=)): $(patsubst %.c,$(BUILD)/unit/obj/%.o,$(1) $(call needs,$(1)))
	@$$(say) UNITLD $$@
	$$(Q)$$(HOSTCC) $$(UNIT_CFLAGS) -no-pie -o $$@ $$(filter %.o,$$^) -lcmocka -llzo2 -lfdt -lz
endef
define fuzz_rule
$(BUILD)/fuzz/$(1): $(patsubst %.c,$(BUILD)/fuzz/obj/%.o,tests/fuzz/$(1).c $(call needs,tests/fuzz/$(1).c))
	@$$(say) FUZZLD $$@
	$$(Q)$$(FUZZCC) $$(FUZZ_CFLAGS) -no-pie -fsanitize=fuzzer -o $$@ $$(filter %.o,$$^) -llzo2 -lfdt -lz
endef
$(foreach t,$(UNIT_C),$(eval $(call unit_rule,$(t))))
$(foreach t,$(FUZZ_C:tests/fuzz/%.c=%),$(eval $(call fuzz_rule,$(t))))

-include $(shell find $(BUILD)/unit/obj $(BUILD)/fuzz/obj -name '*.d' 2>/dev/null)

.PHONY: unit fuzz rules images tool-check host-programs
unit: $(UNITS)
	$(Q)set -e; for t in $(sort $(UNITS)); do $(say) UNIT $$t; $$t; done

fuzz: $(FUZZES)
	$(Q)set -e; for f in $(sort $(FUZZES)); do \
		tools/build/fuzz.sh $$f tests/fuzz/seeds "$(FUZZ_RUNS)" "$(FUZZ_SECONDS)"; done

# The host tool, with sanitizers, on made-up dumps. Runs without root; as root also on loop devices.
# A sanitizer's exit status must not look like the tool's own 1.
TOOL_TEST := $(BUILD)/unit/tool
$(TOOL_TEST)/capstub: $(TOOL_C:%.c=$(BUILD)/unit/obj/%.o)
	@mkdir -p $(@D)
	@$(say) UNITLD $@
	$(Q)$(HOSTCC) $(UNIT_CFLAGS) -o $@ $^ $(TOOL_LIBS)

# Both ends of the serial protocol over simulated lines
SIM_C := tests/line/sim.c tests/host/dumpfile.c tools/recv/recv_session.c tools/recv/recv_store.c tools/recv/marks.c tools/recv/spans.c tools/util.c \
	tools/media/outfile.c tools/media/kdump.c \
	$(addprefix stub/,idle.c send/serial.c format/frame.c format/crc.c) \
	$(addprefix stub/dead/,vital.c kallsyms.c vmcore.c vmcoreinfo.c vread.c pages.c dmesg.c)
$(TOOL_TEST)/line-sim: $(SIM_C) stub/dead/vtop_x86_64.c Makefile
	@mkdir -p $(@D)
	@$(say) UNITLD $@
	$(Q)$(HOSTCC) $(patsubst -Itests/unit/fake,-Itests/line/fake,$(UNIT_CFLAGS)) -o $@ $(filter %.c,$^) -lz -llzo2

tool-check: $(TOOL_TEST)/capstub $(TOOL_TEST)/line-sim
	$(Q)BUILD=$(abspath $(TOOL_TEST)) ASAN_OPTIONS=exitcode=99 UBSAN_OPTIONS=exitcode=99 \
		prove $(PROVE_FLAGS) $(sort $(wildcard tests/tools/*.t))

# Programs for real dumps, which tests/qemu/full/classes.t runs; here so that they do not rot.
host-programs:
	@$(say) HOST tests/host
	$(Q)tests/host/build.sh $(BUILD)/tests-host

# The include rules of the house: who may know whom.
rules:
	$(Q)tools/build/check-rules.py

# Images again, from another folder: bit for bit the same, or the build depends on where it runs.
images: all
	$(Q)tools/build/check-reproducible.sh $(BUILD) $(NEWLIB_CACHE) $(CAPSTUB_CACHE)

#---------------------------------------------------------------------------------------------------
# Real kernels in QEMU.

PROVE_FLAGS ?= -j$(shell nproc)
QEMU_ENV = BUILD=$(abspath $(BUILD)) CAPSTUB_CACHE=$(abspath $(CAPSTUB_CACHE))
PAGES   := $(BUILD)/pages

# Compares every page of a dump with a copy of the guest's physical memory.
$(PAGES): tests/qemu/pages.c Makefile
	@mkdir -p $(@D)
	@$(say) HOSTCC $<
	$(Q)$(HOSTCC) $(HOST_CFLAGS) -o $@ $< $$(pkg-config --libs libkdumpfile)

# The line simulator, one program for dumps of each architecture.
SIMS  := $(ARCHES:%=$(BUILD)/line-sim-%) $(ARCHES:%=$(BUILD)/line-compress-%)
$(BUILD)/line-sim-%: $(SIM_C) stub/dead/vtop_%.c Makefile
	@mkdir -p $(@D)
	@$(say) HOSTCC $@
	$(Q)$(HOSTCC) $(HOST_CFLAGS) -Itests/line/fake -o $@ $(filter %.c,$^) -lz -llzo2

# Which compressor for a slow line
COMPRESS_C := tests/line/compress.c tests/host/dumpfile.c \
	stub/format/crc.c $(addprefix stub/dead/,vmcore.c vmcoreinfo.c vread.c pages.c)
$(BUILD)/line-compress-%: $(COMPRESS_C) stub/dead/vtop_%.c Makefile
	@mkdir -p $(@D)
	@$(say) HOSTCC $@
	$(Q)$(HOSTCC) $(HOST_CFLAGS) -Itests/line/fake -o $@ $(filter %.c,$^) -lz -llzo2 -lzstd

.PHONY: qemu-check qemu-full demo bench check check-full deps
qemu-check: all $(PAGES)
	$(Q)$(QEMU_ENV) prove $(PROVE_FLAGS) $(sort $(wildcard tests/qemu/check/*.t))

qemu-full: all $(PAGES)
	$(Q)$(QEMU_ENV) FULL=1 prove $(PROVE_FLAGS) $(sort $(wildcard tests/qemu/check/*.t tests/qemu/full/*.t))

deps:
	$(Q)tools/build/deps.sh

# Each of these is the first command on a fresh machine, so packages come first and the rest runs
# in a make of its own that can see them.
demo: deps
	$(Q)+$(MAKE) all
	$(Q)$(QEMU_ENV) DEBUG_VMLINUX=$(DEBUG_VMLINUX) tests/qemu/demo $(or $(ARCH),x86_64)

bench: deps
	$(Q)+$(MAKE) all $(PAGES) $(SIMS)
	$(Q)$(QEMU_ENV) tests/qemu/bench $(or $(ARCH),x86_64) $(PARTS)

check: deps
	$(Q)+$(MAKE) all
	$(Q)+$(MAKE) rules
	$(Q)+$(MAKE) images
	$(Q)+$(MAKE) unit
	$(Q)+$(MAKE) host-programs
	$(Q)+$(MAKE) fuzz
	$(Q)+$(MAKE) tool-check
	$(Q)+$(MAKE) qemu-check

check-full: check
	$(Q)+$(MAKE) fuzz FUZZ_SECONDS=600
	$(Q)+$(MAKE) qemu-full

#---------------------------------------------------------------------------------------------------

.PHONY: install clean
install: all
	install -d $(DESTDIR)$(prefix)/sbin $(DESTDIR)$(prefix)/lib/capstub
	install -m 755 $(BUILD)/capstub $(DESTDIR)$(prefix)/sbin/capstub
	for f in $(BUILD)/x86_64/capstub.bzImage $(BUILD)/arm64/capstub.Image; do \
		[ ! -e $$f ] || install -m 644 $$f $(DESTDIR)$(prefix)/lib/capstub/ || exit 1; done
	for f in $(wildcard docs/*.[1-8]); do \
		install -D -m 644 -t $(DESTDIR)$(prefix)/share/man/man$${f##*.} $$f || exit 1; done
	install -d $(DESTDIR)$(prefix)/lib/systemd/system
	for f in $(wildcard tools/systemd/*.service); do \
		sed 's|/usr/local/|$(prefix)/|' $$f >$(DESTDIR)$(prefix)/lib/systemd/system/$${f##*/} || exit 1; done

# newlib and what came from Debian are kept: they are what costs time. "rm -rf $(BUILD)" removes them too.
clean:
	$(Q)rm -rf $(ARCHES:%=$(BUILD)/%) $(BUILD)/host $(BUILD)/unit $(BUILD)/fuzz $(BUILD)/capstub \
		$(PAGES) $(SIMS) $(BUILD)/demo $(BUILD)/cases $(BUILD)/tests-host $(BUILD)/again
