// SPDX-License-Identifier: GPL-2.0-or-later
/* needs: stub/watchdog.c drivers/watchdog/watchdog.c drivers/watchdog/wdat.c drivers/watchdog/itco.c drivers/watchdog/i6300esb.c */
/* needs: drivers/watchdog/gwdt.c drivers/watchdog/sp805.c drivers/watchdog/ipmi.c drivers/watchdog/ipmi_find.c drivers/pci.c */
/* needs: stub/idle.c tests/unit/fake/bus.c tests/unit/fake/clock.c tests/unit/fake/log.c */
/*
 * Watchdogs described by hostile tables, whose registers answer anything. Input: what describes them,
 * how many bytes the registers answer with again and again, these bytes, then the tables. Nothing but
 * registers may be written, and what is done has an end.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "drivers/watchdog/watchdog.h"
#include "stub/arch.h"
#include "stub/watchdog.h"
#include "tests/unit/fake/bus.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TABLE	0x7d000000ULL
#define RAM	0x40000000ULL
#define RAM_END	0x80000000ULL
#define IMAGE	0x8f000000ULL

enum { DESCRIBED_WDAT, DESCRIBED_IPMI, DESCRIBED_OTHERS, NR_DESCRIBED };

static const uint8_t *table, *answers;
static size_t table_len, nr_answers, next_answer;
static unsigned accesses, kind;

static int read_table(void *dst, phys_addr_t pa, size_t len)
{
	assert(accesses++ < 1000000);
	if (!range_inside(pa, len, TABLE, TABLE + table_len))
		return -EFAULT;
	memcpy(dst, table + (pa - TABLE), len);
	return 0;
}

int arch_read_mem(void *dst, phys_addr_t pa, size_t len)
{
	return read_table(dst, pa, len);
}

static int ram(void *dst, phys_addr_t pa, size_t len)
{
	if (!range_inside(pa, len, RAM, RAM_END))
		return -EFAULT;
	memset(dst, 0, len);
	return 0;
}

static void look(uint64_t addr, unsigned size, bool port)
{
	assert(accesses++ < 1000000);
	if (port)
		assert(kind == DESCRIBED_OTHERS || addr + size <= 0xcf8 || addr >= 0xd00);
	else
		assert(addr >= MIB(1) && (addr + size <= RAM || addr >= RAM_END) &&
		       ALIGN_DOWN(addr, MIB(16)) != IMAGE && addr + size <= BIT(52));
}

static uint64_t answer(uint64_t addr, unsigned size, bool port)
{
	uint64_t v = 0;

	look(addr, size, port);
	for (unsigned i = 0; i < size && nr_answers; i++)
		v = v << 8 | answers[next_answer++ % nr_answers];
	return v;
}

static uint64_t read_port(void *ctx, uint64_t off, unsigned size)
{
	(void)ctx;
	return answer(off, size, true);
}

static uint64_t read_memory(void *ctx, uint64_t off, unsigned size)
{
	(void)ctx;
	return answer(off, size, false);
}

static void write_port(void *ctx, uint64_t off, unsigned size, uint64_t v)
{
	(void)ctx;
	(void)v;
	/* configuration space is looked at and not changed */
	assert(off + size <= 0xcfc || off >= 0xd00);
	look(off, size, true);
}

static void write_memory(void *ctx, uint64_t off, unsigned size, uint64_t v)
{
	(void)ctx;
	(void)v;
	look(off, size, false);
}

static void describe(struct boot_info *bi)
{
	static struct pci_host host;

	switch (kind) {
	case DESCRIBED_WDAT:
		bi->acpi[ACPI_WDAT] = (struct acpi_table){ TABLE, (uint32_t)table_len };
		break;
	case DESCRIBED_IPMI:
		bi->acpi[ACPI_SPMI] = (struct acpi_table){ TABLE, (uint32_t)min_u64(table_len, 64) };
		bi->smbios = TABLE + 64;
		break;
	default:
		bi->nr_pci_hosts = 1;
		bi->pci_hosts = &host;
		bi->counter_hz = table_len >= 4 ? (uint32_t)table[0] << 24 : 0;
		bi->acpi[ACPI_GTDT] = (struct acpi_table){ TABLE, (uint32_t)table_len };
		bi->nr_watchdogs = 2;
		bi->watchdogs[0] = (struct watchdog_spec){ .type = WATCHDOG_GWDT };
		bi->watchdogs[1] = (struct watchdog_spec){ .type = WATCHDOG_SP805, .hz = bi->counter_hz };
		if (table_len >= 28) {
			memcpy(&bi->watchdogs[0].control, table + 4, 8);
			memcpy(&bi->watchdogs[0].refresh, table + 12, 8);
			memcpy(&bi->watchdogs[1].control, table + 20, 8);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct watchdog *const arm[] = { &gwdt_watchdog, &sp805_watchdog };
	static struct boot_info bi;
	static struct cmdline cl;
	struct watchdog_env env = { .bi = &bi, .read = read_table, .ram = ram };
	struct watchdog_time t;

	if (size < 2 || size > 8192 || (size_t)data[1] + 2 > size)
		return 0;
	kind = data[0] % NR_DESCRIBED;
	cl.watchdog = data[0] & 0x80 ? WATCHDOG_KEEP : WATCHDOG_FEED;
	nr_answers = data[1];
	answers = data + 2;
	table = data + 2 + nr_answers;
	table_len = size - 2 - nr_answers;
	accesses = 0;
	next_answer = 0;
	fake_bus_reset();
	fake_log_reset();
	fake_step_us = 50000;
	fake_bus_add(&(struct fake_window){ .base = 0, .len = 0x10000, .port = true, .read = read_port,
					    .write = write_port });
	fake_bus_add(&(struct fake_window){ .base = 0, .len = UINT64_MAX, .read = read_memory,
					    .write = write_memory });
	memset(&bi, 0, sizeof(bi));
	bi.image_start = IMAGE;
	bi.image_end = IMAGE + 0x40000;
	describe(&bi);
	watchdog_init(&bi, &cl, ram);
	for (unsigned i = 0; i < 200; i++)
		watchdog_hook(arch_time_us());
	/* the fake machine has ports, and so these two are not in its table */
	env.keep = cl.watchdog == WATCHDOG_KEEP;
	for (unsigned i = 0; i < ARRAY_SIZE(arm); i++)
		if (!arm[i]->probe(&env, &t))
			arm[i]->feed();
	return 0;
}
