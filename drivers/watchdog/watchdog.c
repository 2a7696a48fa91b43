// SPDX-License-Identifier: GPL-2.0-or-later
/* Registers of watchdogs; see drivers/watchdog/watchdog.h. */
#include "drivers/watchdog/watchdog.h"

#include <errno.h>
#include <io.h>

#include <cpu.h>

#include "stub/arch.h"

#define CONFIG_ADDRESS	0xcf8	/* PCI 3.0 §3.2.2.3.2: all devices' configuration */
#define CONFIG_END	0xd00

/*
 * The reservation is not in the elfcorehdr, and what of it the stub does not use belongs to the dump.
 * It begins on a border of 16 MiB (Linux x86_64; 2 MiB on arm64, where RAM does not end so near), so the
 * whole of that block is no place for registers. Nor is the first MiB, whose RAM may be ours.
 */
#define OWN_BLOCK	MIB(16)
#define LOW_MEMORY	MIB(1)

static bool is_memory(const struct watchdog_env *env, uint64_t addr)
{
	uint8_t byte;

	return addr < LOW_MEMORY ||
	       ALIGN_DOWN(addr, OWN_BLOCK) == ALIGN_DOWN(env->bi->image_start, OWN_BLOCK) ||
	       !env->ram(&byte, addr, 1);
}

/* Registers are a few bytes, RAM comes in pages: when both ends are not in it nothing is */
int watchdog_map(const struct watchdog_env *env, bool io, uint64_t addr, size_t len, unsigned align,
		 struct watchdog_reg *ret)
{
	struct watchdog_reg reg = { 0 };

	if (!addr || !IS_ALIGNED(addr, align))
		return -EINVAL;
	if (io) {
		if (!ARCH_HAS_PIO || !range_inside(addr, len, 0, 0x10000) ||
		    (addr < CONFIG_END && addr + len > CONFIG_ADDRESS))
			return -EINVAL;
		reg.port = (uint16_t)addr;
	} else {
		if (!range_inside(addr, len, 0, BIT(52)) || is_memory(env, addr) ||
		    is_memory(env, addr + len - 1))
			return -EINVAL;
		reg.mem = arch_map_mmio(addr, len);
		if (!reg.mem)
			return -EINVAL;
	}
	*ret = reg;
	return 0;
}

uint32_t watchdog_read(const struct watchdog_reg *reg, unsigned off, unsigned size)
{
	const char *mem = reg->mem;
	uint16_t port = (uint16_t)(reg->port + off);

	if (mem)
		return size == 1 ? mmio_read8(mem + off) :
		       size == 2 ? mmio_read16(mem + off) : mmio_read32(mem + off);
	return size == 1 ? pio_read8(port) : size == 2 ? pio_read16(port) : pio_read32(port);
}

void watchdog_write(const struct watchdog_reg *reg, unsigned off, unsigned size, uint32_t v)
{
	char *mem = reg->mem;
	uint16_t port = (uint16_t)(reg->port + off);

	if (size == 1) {
		if (mem)
			mmio_write8(mem + off, (uint8_t)v);
		else
			pio_write8(port, (uint8_t)v);
	} else if (size == 2) {
		if (mem)
			mmio_write16(mem + off, (uint16_t)v);
		else
			pio_write16(port, (uint16_t)v);
	} else if (mem) {
		mmio_write32(mem + off, v);
	} else {
		pio_write32(port, v);
	}
}
