# SPDX-License-Identifier: GPL-2.0-or-later
#
# Real kernels in QEMU

QEMU_ENV = BUILD=$(abspath $(BUILD)) CAPSTUB_CACHE=$(abspath $(CAPSTUB_CACHE))
PAGES   := $(BUILD)/pages

# Compares every page of a dump with a copy of the guest's physical memory.
$(PAGES): tests/qemu/pages.c Makefile
	@$(say) HOSTCC $<
	$(Q)$(HOSTCC) $(HOST_CFLAGS) -o $@ $< $$(pkg-config --libs libkdumpfile)

qemu-check: all $(PAGES)
	$(Q)$(QEMU_ENV) prove $(PROVE_FLAGS) $(sort $(wildcard tests/qemu/check/*.t))

# The powercut of "check" makes more cuts here
qemu-full: all loader $(PAGES)
	$(Q)$(QEMU_ENV) FULL=1 prove $(PROVE_FLAGS) tests/qemu/check/40-powercut.t $(sort $(wildcard tests/qemu/full/*.t))
