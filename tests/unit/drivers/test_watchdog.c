// SPDX-License-Identifier: GPL-2.0-or-later
/* Each watchdog driver on simulated registers: is it running, is it fed as it wants, is it given time, is it left alone? */
/* needs: stub/watchdog.c drivers/watchdog/watchdog.c drivers/watchdog/wdat.c drivers/watchdog/itco.c drivers/watchdog/i6300esb.c */
/* needs: drivers/watchdog/gwdt.c drivers/watchdog/sp805.c drivers/watchdog/ipmi.c drivers/watchdog/ipmi_find.c drivers/pci.c */
/* needs: stub/idle.c tests/unit/fake/bus.c tests/unit/fake/clock.c tests/unit/fake/log.c tests/unit/fake/mem.c */
/* needs: tests/unit/fake/pci_bus.c */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "drivers/watchdog/ipmi_find.h"
#include "drivers/watchdog/watchdog.h"
#include "stub/arch.h"
#include "stub/idle.h"
#include "stub/log.h"
#include "stub/watchdog.h"
#include "tests/unit/fake/bus.h"
#include "tests/unit/fake/mem.h"
#include "tests/unit/fake/pci_bus.h"

#define RAM		0x40000000ULL
#define RAM_END		0x80000000ULL
#define IMAGE		0x8f000000ULL	/* not in the elfcorehdr: the reservation */

static struct boot_info bi;
static struct pci_host host;
static struct watchdog_env env;
static struct watchdog_time t;
static struct cmdline cl;

static int ram(void *dst, phys_addr_t pa, size_t len)
{
	if (!range_inside(pa, len, RAM, RAM_END))
		return -EFAULT;
	memset(dst, 0, len);
	return 0;
}

int arch_read_mem(void *dst, phys_addr_t pa, size_t len)
{
	return fake_mem_read(dst, pa, len);
}

/* Registers that keep what is written, and count it */
struct regs {
	uint8_t bytes[0x1000];
	unsigned writes[0x1000];
	bool gone;
};

static uint64_t regs_read(void *ctx, uint64_t off, unsigned size)
{
	struct regs *r = ctx;
	uint64_t v = 0;

	memcpy(&v, r->bytes + off, size);
	return r->gone ? ~0ULL : v;
}

static void regs_write(void *ctx, uint64_t off, unsigned size, uint64_t v)
{
	struct regs *r = ctx;

	memcpy(r->bytes + off, &v, size);
	r->writes[off]++;
}

static void add_regs(struct regs *r, uint64_t base, uint64_t len, bool port)
{
	fake_bus_add(&(struct fake_window){ .base = base, .len = len, .port = port, .ctx = r,
					    .read = regs_read, .write = regs_write });
}

static uint32_t get(const struct regs *r, unsigned off, unsigned size)
{
	uint32_t v = 0;

	memcpy(&v, r->bytes + off, size);
	return v;
}

static void put(struct regs *r, unsigned off, unsigned size, uint32_t v)
{
	memcpy(r->bytes + off, &v, size);
}

static int set_up(void **state)
{
	(void)state;
	fake_bus_reset();
	fake_mem_reset();
	fake_log_reset();
	idle_set_hooks(NULL);
	idle_set_deadline(0);
	memset(&bi, 0, sizeof(bi));
	memset(&cl, 0, sizeof(cl));
	memset(&t, 0, sizeof(t));
	bi.image_start = IMAGE;
	bi.image_end = IMAGE + 0x40000;
	env = (struct watchdog_env){ .bi = &bi, .read = fake_mem_read, .ram = ram };
	return 0;
}

static int probe(const struct watchdog *w)
{
	memset(&t, 0, sizeof(t));
	return w->probe(&env, &t);
}

/* --- where registers may be --- */

static void test_map(void **state)
{
	struct watchdog_reg reg;

	(void)state;
	assert_int_equal(watchdog_map(&env, true, 0x660, 32, 4, &reg), 0);
	assert_int_equal(watchdog_map(&env, true, 0xfff0, 16, 1, &reg), 0);
	assert_int_equal(watchdog_map(&env, true, 0xfff1, 16, 1, &reg), -EINVAL);
	assert_int_equal(watchdog_map(&env, true, 0x1000000660, 1, 1, &reg), -EINVAL);
	assert_int_equal(watchdog_map(&env, true, 0, 1, 1, &reg), -EINVAL);
	assert_int_equal(watchdog_map(&env, true, 0x661, 2, 2, &reg), -EINVAL);
	/* other devices' configuration */
	assert_int_equal(watchdog_map(&env, true, 0xcf8, 1, 1, &reg), -EINVAL);
	assert_int_equal(watchdog_map(&env, true, 0xcff, 1, 1, &reg), -EINVAL);
	assert_int_equal(watchdog_map(&env, true, 0xcf0, 16, 1, &reg), -EINVAL);
	assert_int_equal(watchdog_map(&env, true, 0xd00, 1, 1, &reg), 0);

	assert_int_equal(watchdog_map(&env, false, 0xfed00000, 0x1000, 4, &reg), 0);
	assert_int_equal(watchdog_map(&env, false, RAM, 4, 4, &reg), -EINVAL);
	assert_int_equal(watchdog_map(&env, false, RAM - 4, 8, 4, &reg), -EINVAL);
	assert_int_equal(watchdog_map(&env, false, RAM_END - 4, 8, 4, &reg), -EINVAL);
	assert_int_equal(watchdog_map(&env, false, RAM_END, 8, 4, &reg), 0);
	assert_int_equal(watchdog_map(&env, false, IMAGE + 0x1000, 4, 4, &reg), -EINVAL);
	assert_int_equal(watchdog_map(&env, false, IMAGE + 0xfffffc, 4, 4, &reg), -EINVAL);
	assert_int_equal(watchdog_map(&env, false, 0x9000, 4, 4, &reg), -EINVAL);
	assert_int_equal(watchdog_map(&env, false, BIT(52) - 4, 8, 4, &reg), -EINVAL);
	assert_int_equal(watchdog_map(&env, false, UINT64_MAX - 3, 4, 4, &reg), -EINVAL);
}

/* --- i6300esb --- */

#define ESB	0xfebf0000ULL

static struct esb {
	struct regs regs;
	unsigned unlocked, fed, refused;
	uint32_t preload[2];
	bool hide;		/* as QEMU: preload registers read as 0 */
} esb;
static struct fake_pci_fn esb_fn;

static uint64_t esb_read(void *ctx, uint64_t off, unsigned size)
{
	(void)ctx;
	(void)size;
	if (esb.regs.gone)
		return ~0ULL;
	return off <= 4 && !esb.hide ? esb.preload[off / 4] : 0;
}

static void esb_write(void *ctx, uint64_t off, unsigned size, uint64_t v)
{
	(void)ctx;
	if (off == 0xc && v == 0x80) {
		esb.unlocked = 1;
		return;
	}
	if (off == 0xc && v == 0x86 && esb.unlocked == 1) {
		esb.unlocked = 2;
		return;
	}
	if (esb.unlocked != 2) {
		esb.refused++;
		return;
	}
	esb.unlocked = 0;
	if (off <= 4 && size == 4)
		esb.preload[off / 4] = (uint32_t)v;
	else if (off == 0xc && size == 2 && v & 0x100)
		esb.fed++;
}

static void esb_machine(bool ecam)
{
	memset(&esb, 0, sizeof(esb));
	memset(&esb_fn, 0, sizeof(esb_fn));
	esb_fn.devfn = 5 << 3;
	bi.nr_pci_hosts = 1;
	host = fake_pci_host(ecam, 0);
	bi.pci_hosts = &host;
	fake_pci_add(&esb_fn, 0x8086, 0x25ab, 0x088000);
	fake_pci_bar32(&esb_fn, 0, ESB, false);
	fake_pci_set16(&esb_fn, 0x60, 0x0003);
	esb_fn.cfg[0x68] = 0x02;
	esb.preload[0] = esb.preload[1] = 10 << 9;
	fake_bus_add(&(struct fake_window){ .base = ESB, .len = 16, .read = esb_read, .write = esb_write });
}

static void test_i6300esb(void **state)
{
	(void)state;
	for (int ecam = 0; ecam < 2; ecam++) {
		set_up(NULL);
		esb_machine(ecam);
		assert_int_equal(probe(&i6300esb_watchdog), 0);
		assert_int_equal(t.was_ms, 10240);
		assert_int_equal(t.now_ms, 300000);
		assert_int_equal(esb.preload[0] + esb.preload[1], 300000);
		assert_int_equal(esb.fed, 1);
		assert_false(i6300esb_watchdog.feed());
		assert_int_equal(esb.fed, 2);
		assert_int_equal(esb.refused, 0);
		assert_int_equal(esb_fn.cfg[0x68], 0x02);	/* neither stopped nor locked */
		/* what is longer already stays so */
		esb.preload[0] = esb.preload[1] = 400000;
		assert_int_equal(probe(&i6300esb_watchdog), 0);
		assert_int_equal(t.was_ms, 800000);
		assert_int_equal(t.now_ms, 800000);
		assert_int_equal(esb.preload[0], 400000);
	}
	esb.hide = true;
	assert_int_equal(probe(&i6300esb_watchdog), 0);
	assert_int_equal(t.was_ms, 0);
	assert_int_equal(t.now_ms, 300000);
	env.keep = true;
	esb.preload[0] = esb.preload[1] = 5000;
	assert_int_equal(probe(&i6300esb_watchdog), 0);
	assert_int_equal(t.now_ms, 0);
	assert_int_equal(esb.preload[0], 5000);
}

static void test_i6300esb_left_alone(void **state)
{
	(void)state;
	esb_machine(true);
	esb_fn.cfg[0x68] = 0x00;
	assert_int_equal(probe(&i6300esb_watchdog), -ENOENT);
	esb_fn.cfg[0x68] = 0x02;
	fake_pci_set16(&esb_fn, 0x60, 0x0020);		/* runs, but does not reboot */
	assert_int_equal(probe(&i6300esb_watchdog), -ENOENT);
	fake_pci_set16(&esb_fn, 0x60, 0xffff);
	assert_int_equal(probe(&i6300esb_watchdog), -ENOENT);
	fake_pci_set16(&esb_fn, 0x60, 0x0003);
	fake_pci_set16(&esb_fn, 4, 0x0005);		/* its registers are not there */
	assert_int_equal(probe(&i6300esb_watchdog), -ENOENT);
	fake_pci_set16(&esb_fn, 4, 0x0007);
	fake_pci_bar32(&esb_fn, 0, RAM + 0x1000, false);
	assert_int_equal(probe(&i6300esb_watchdog), -ENOENT);
	fake_pci_bar32(&esb_fn, 0, ESB, false);
	esb.regs.gone = true;
	assert_int_equal(probe(&i6300esb_watchdog), -ENOENT);
	assert_int_equal(esb.fed + esb.refused, 0);
	esb.regs.gone = false;
	assert_int_equal(probe(&i6300esb_watchdog), 0);
	esb_fn.gone = true;
	assert_int_equal(probe(&i6300esb_watchdog), -ENOENT);
}

/* --- iTCO --- */

static struct regs tco, gcs;
static struct fake_pci_fn lpc, smbus;

static void itco_machine(uint16_t device, bool v4)
{
	memset(&tco, 0, sizeof(tco));
	memset(&gcs, 0, sizeof(gcs));
	memset(&lpc, 0, sizeof(lpc));
	memset(&smbus, 0, sizeof(smbus));
	lpc.devfn = 31 << 3;
	smbus.devfn = 31 << 3 | 4;
	lpc.cfg[0x0e] = 0x80;
	bi.nr_pci_hosts = 1;
	host = fake_pci_host(true, 0);
	bi.pci_hosts = &host;
	fake_pci_add(&lpc, 0x8086, device, 0x060100);
	fake_pci_set32(&lpc, 0x40, 0x601);
	fake_pci_set32(&lpc, 0xf0, 0xfed1c001);
	fake_pci_set32(&lpc, 0x44, 0xfed03002);
	add_regs(&gcs, device == 0x0f1c ? 0xfed03008 : 0xfed1f410, 4, false);
	add_regs(&tco, v4 ? 0x400 : 0x660, 32, true);
	if (v4) {
		fake_pci_add(&smbus, 0x8086, 0xa123, 0x0c0500);
		fake_pci_set32(&smbus, 0x50, 0x401);
		fake_pci_set32(&smbus, 0x54, 0x100);
	}
	put(&tco, 0x12, 2, 16);
	tco.bytes[1] = 0x48;		/* v1, with a bit that is not the timer's */
}

static void test_itco(void **state)
{
	(void)state;
	/* ICH9: 16 ticks of 0.6 s, twice */
	itco_machine(0x2918, false);
	put(&tco, 0x12, 2, 0x8010);
	assert_int_equal(probe(&itco_watchdog), 0);
	assert_int_equal(t.was_ms, 19200);
	assert_int_equal(t.now_ms, 300000);
	assert_int_equal(get(&tco, 0x12, 2), 0x8000 | 250);
	assert_int_equal(tco.writes[0], 1);
	assert_false(itco_watchdog.feed());
	assert_int_equal(tco.writes[0], 2);
	assert_int_equal(tco.writes[8], 0);		/* never stopped */
	assert_int_equal(gcs.writes[0], 0);

	/* ICH5: 6 bits, and the first timeout is taken back */
	set_up(NULL);
	itco_machine(0x24d0, false);
	assert_int_equal(probe(&itco_watchdog), 0);
	assert_int_equal(t.was_ms, 9600);
	assert_int_equal(t.now_ms, 75600);
	assert_int_equal(tco.bytes[1], 0x40 | 63);
	assert_int_equal(get(&tco, 4, 2), 8);
	assert_int_equal(tco.writes[0x12], 0);

	/* Bay Trail: seconds */
	set_up(NULL);
	itco_machine(0x0f1c, false);
	assert_int_equal(probe(&itco_watchdog), 0);
	assert_int_equal(t.was_ms, 32000);
	assert_int_equal(get(&tco, 0x12, 2), 150);

	/* 100 Series and later: the SMBus controller knows where */
	set_up(NULL);
	itco_machine(0xa150, true);
	env.keep = true;
	assert_int_equal(probe(&itco_watchdog), 0);
	assert_int_equal(t.now_ms, 19200);
	assert_int_equal(get(&tco, 0x12, 2), 16);
	assert_int_equal(tco.writes[0], 1);
}

static void test_itco_left_alone(void **state)
{
	(void)state;
	itco_machine(0x2918, false);
	put(&tco, 8, 2, 0x0800);
	assert_int_equal(probe(&itco_watchdog), -ENOENT);	/* halted */
	put(&tco, 8, 2, 0);
	put(&gcs, 0, 4, 0x20);
	assert_int_equal(probe(&itco_watchdog), -ENOENT);	/* would not reboot */
	put(&gcs, 0, 4, 0);
	fake_pci_set32(&lpc, 0xf0, 0xfed1c000);
	assert_int_equal(probe(&itco_watchdog), -ENOENT);	/* nobody can tell */
	fake_pci_set32(&lpc, 0xf0, RAM | 1);
	assert_int_equal(probe(&itco_watchdog), -ENOENT);
	fake_pci_set32(&lpc, 0xf0, 0xfed1c001);
	fake_pci_set32(&lpc, 0x40, 0x600);
	assert_int_equal(probe(&itco_watchdog), -ENOENT);
	fake_pci_set32(&lpc, 0x40, 1);
	assert_int_equal(probe(&itco_watchdog), -ENOENT);
	fake_pci_set32(&lpc, 0x40, 0x601);
	gcs.gone = true;
	assert_int_equal(probe(&itco_watchdog), -ENOENT);
	gcs.gone = false;
	tco.gone = true;
	assert_int_equal(probe(&itco_watchdog), -ENOENT);
	tco.gone = false;
	lpc.cfg[0] = 0x22;					/* somebody else's bridge */
	assert_int_equal(probe(&itco_watchdog), -ENOENT);
	lpc.cfg[0] = 0x86;
	assert_int_equal(tco.writes[0], 0);
	assert_int_equal(probe(&itco_watchdog), 0);

	set_up(NULL);
	itco_machine(0xa150, true);
	put(&tco, 8, 2, 1);					/* v6 */
	assert_int_equal(probe(&itco_watchdog), -ENOENT);
	put(&tco, 8, 2, 0);
	fake_pci_set32(&smbus, 0x54, 0);
	assert_int_equal(probe(&itco_watchdog), -ENOENT);
	assert_int_equal(tco.writes[0], 0);
}

/* --- Arm's --- */

#define CONTROL	0x2a440000ULL
#define REFRESH	0x2a450000ULL

static struct regs control, refresh;

static void gwdt_machine(unsigned version)
{
	memset(&control, 0, sizeof(control));
	memset(&refresh, 0, sizeof(refresh));
	add_regs(&control, CONTROL, 0x1000, false);
	add_regs(&refresh, REFRESH, 0x1000, false);
	bi.counter_hz = 100000000;
	bi.nr_watchdogs = 2;
	bi.watchdogs[0] = (struct watchdog_spec){ .type = WATCHDOG_SP805, .control = CONTROL };
	bi.watchdogs[1] = (struct watchdog_spec){ .type = WATCHDOG_GWDT, .control = CONTROL, .refresh = REFRESH };
	put(&control, 0, 4, 1);
	put(&control, 8, 4, 500000000);
	put(&control, 0xfcc, 4, version << 16);
}

static void test_gwdt(void **state)
{
	(void)state;
	gwdt_machine(0);
	assert_int_equal(probe(&gwdt_watchdog), 0);
	assert_int_equal(t.was_ms, 10000);
	assert_int_equal(get(&control, 8, 4), UINT32_MAX);
	assert_int_equal(t.now_ms, 85899);
	assert_int_equal(control.writes[0xc], 0);
	assert_int_equal(refresh.writes[0], 1);
	assert_false(gwdt_watchdog.feed());
	assert_int_equal(refresh.writes[0], 2);
	assert_int_equal(control.writes[0], 0);

	set_up(NULL);
	gwdt_machine(1);
	assert_int_equal(probe(&gwdt_watchdog), 0);
	assert_int_equal(t.now_ms, 300000);
	assert_int_equal(get(&control, 0xc, 4), 3);		/* 15e9 */
	env.keep = true;
	put(&control, 0xc, 4, 0);
	assert_int_equal(probe(&gwdt_watchdog), 0);
	assert_int_equal(get(&control, 0xc, 4), 0);
}

static void test_gwdt_left_alone(void **state)
{
	(void)state;
	gwdt_machine(1);
	put(&control, 0, 4, 6);
	assert_int_equal(probe(&gwdt_watchdog), -ENOENT);
	put(&control, 0, 4, 1);
	control.gone = true;
	assert_int_equal(probe(&gwdt_watchdog), -ENOENT);
	control.gone = false;
	bi.watchdogs[1].refresh = RAM;
	assert_int_equal(probe(&gwdt_watchdog), -ENOENT);
	bi.watchdogs[1].refresh = REFRESH + 2;
	assert_int_equal(probe(&gwdt_watchdog), -ENOENT);
	bi.watchdogs[1].refresh = REFRESH;
	bi.counter_hz = 0;
	assert_int_equal(probe(&gwdt_watchdog), -ENOENT);
	assert_int_equal(control.writes[8] + refresh.writes[0], 0);
}

#define GTDT	0x7c000000ULL

static uint8_t gtdt[96 + 20 + 28 * 3];

static void put_gtdt(size_t off, uint64_t v, unsigned bytes)
{
	memcpy(gtdt + off, &v, bytes);
}

/* A timer of another kind, then watchdogs: a secure one, one that does not run, one that does */
static void gtdt_machine(uint32_t nr)
{
	set_up(NULL);
	gwdt_machine(0);
	bi.nr_watchdogs = 0;
	memset(gtdt, 0, sizeof(gtdt));
	put_gtdt(88, nr, 4);
	put_gtdt(92, 96, 4);
	put_gtdt(97, 20, 2);
	for (unsigned i = 0; i < 3; i++) {
		size_t at = 116 + 28 * i;

		put_gtdt(at, 1, 1);
		put_gtdt(at + 1, 28, 2);
		put_gtdt(at + 4, i == 1 ? 0x2a470000 : REFRESH, 8);
		put_gtdt(at + 12, i == 1 ? 0x2a460000 : CONTROL, 8);
		put_gtdt(at + 24, i == 0 ? 4 : 0, 4);
	}
	fake_mem_reset();
	fake_mem_add(GTDT, gtdt, sizeof(gtdt));
	bi.acpi[ACPI_GTDT] = (struct acpi_table){ GTDT, sizeof(gtdt) };
}

static void test_gtdt(void **state)
{
	static const struct {
		unsigned off, bytes;
		uint32_t value;
	} bad[] = {
		{ 97, 2, 0 }, { 97, 2, 3 }, { 97, 2, 0xffff }, { 173, 2, 29 }, { 173, 2, 27 }, { 172, 1, 0 }, { 196, 4, 4 },
		{ 92, 4, 200 }, { 92, 4, 0xfffffff0 }, { 92, 4, 199 }, { 88, 4, 3 }, { 88, 4, 0 },
	};

	(void)state;
	gtdt_machine(4);
	assert_int_equal(probe(&gwdt_watchdog), 0);
	assert_int_equal(refresh.writes[0], 1);
	gtdt_machine(UINT32_MAX);
	assert_int_equal(probe(&gwdt_watchdog), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		gtdt_machine(4);
		put_gtdt(bad[i].off, bad[i].value, bad[i].bytes);
		assert_int_equal(probe(&gwdt_watchdog), -ENOENT);
		assert_int_equal(refresh.writes[0] + control.writes[8], 0);
	}
	for (unsigned len = 0; len < sizeof(gtdt); len++) {
		gtdt_machine(4);
		bi.acpi[ACPI_GTDT].len = len;
		assert_int_equal(probe(&gwdt_watchdog), -ENOENT);
	}
}

static unsigned sp805_fed, sp805_refused;

static void sp805_write(void *ctx, uint64_t off, unsigned size, uint64_t v)
{
	struct regs *r = ctx;

	if (off != 0xc00 && get(r, 0xc00, 4) != 0x1acce551)
		sp805_refused++;
	else
		regs_write(r, off, size, v);
	sp805_fed += off == 0xc;
}

static void sp805_machine(void)
{
	memset(&control, 0, sizeof(control));
	sp805_fed = sp805_refused = 0;
	fake_bus_add(&(struct fake_window){ .base = CONTROL, .len = 0x1000, .ctx = &control, .read = regs_read,
					    .write = sp805_write });
	bi.nr_watchdogs = 1;
	bi.watchdogs[0] = (struct watchdog_spec){ .type = WATCHDOG_SP805, .control = CONTROL, .hz = 24000000 };
	put(&control, 0xfe0, 4, 0x05);
	put(&control, 0xfe4, 4, 0x18);
	put(&control, 8, 4, 3);
	put(&control, 0, 4, 5 * 24000000 - 1);
}

static void test_sp805(void **state)
{
	(void)state;
	sp805_machine();
	assert_int_equal(probe(&sp805_watchdog), 0);
	assert_int_equal(t.was_ms, 10000);
	assert_int_equal(t.now_ms, 300000);
	assert_int_equal(sp805_fed, 1);
	assert_false(sp805_watchdog.feed());
	assert_int_equal(sp805_fed, 2);
	assert_int_equal(sp805_refused, 0);
	assert_int_equal(get(&control, 0xc00, 4), 1);		/* closed again */
	/* a clock that nobody knows */
	bi.watchdogs[0].hz = 0;
	put(&control, 0, 4, 1000);
	assert_int_equal(probe(&sp805_watchdog), 0);
	assert_int_equal(t.now_ms, 0);
	assert_int_equal(get(&control, 0, 4), 1000);
}

static void test_sp805_left_alone(void **state)
{
	(void)state;
	sp805_machine();
	put(&control, 8, 4, 1);
	assert_int_equal(probe(&sp805_watchdog), -ENOENT);
	put(&control, 8, 4, 2);
	assert_int_equal(probe(&sp805_watchdog), -ENOENT);
	put(&control, 8, 4, 3);
	put(&control, 0xfe0, 4, 0x11);
	assert_int_equal(probe(&sp805_watchdog), -ENOENT);
	put(&control, 0xfe0, 4, 0x05);
	control.gone = true;
	assert_int_equal(probe(&sp805_watchdog), -ENOENT);
	control.gone = false;
	bi.watchdogs[0].control = RAM;
	assert_int_equal(probe(&sp805_watchdog), -ENOENT);
	assert_int_equal(sp805_fed, 0);
}

/* --- a management controller --- */

#define KCS	0xca2

enum { IDLE, READ, WRITE, ERROR };

static struct bmc {
	unsigned state, nr_in, nr_out, at;
	uint8_t in[16], out[16], data;
	bool obf, ending, gone, stuck, endless;
	uint64_t byte_us, busy_until;	/* how long it takes for a byte */
	unsigned aborts, resets, sets, commands;
	uint8_t use, actions, cc;
	uint16_t initial, present;
	uint8_t last_set[8];
} bmc;

static void bmc_answer(void)
{
	uint8_t out[] = { bmc.in[0] | 4, bmc.in[1], bmc.cc, bmc.use, bmc.actions, 7, 0x10,
			  (uint8_t)bmc.initial, (uint8_t)(bmc.initial >> 8), (uint8_t)bmc.present,
			  (uint8_t)(bmc.present >> 8) };

	bmc.commands++;
	assert_int_equal(bmc.in[0], 6 << 2);
	bmc.nr_out = bmc.in[1] == 0x25 ? 11 : 3;
	memcpy(bmc.out, out, sizeof(out));
	if (bmc.in[1] == 0x24) {
		assert_int_equal(bmc.nr_in, 8);
		memcpy(bmc.last_set, bmc.in, 8);
		bmc.sets++;
		bmc.initial = (uint16_t)(bmc.in[6] | bmc.in[7] << 8);
	}
	bmc.resets += bmc.in[1] == 0x22;
	bmc.state = READ;
	bmc.at = 0;
}

static void bmc_next_out(void)
{
	if (bmc.at >= bmc.nr_out && !bmc.endless) {
		bmc.state = IDLE;
		bmc.data = 0;
	} else {
		bmc.data = bmc.out[bmc.at++ % sizeof(bmc.out)];
	}
	bmc.obf = true;
}

static uint64_t kcs_read(void *ctx, uint64_t off, unsigned size)
{
	(void)ctx;
	assert_int_equal(size, 1);
	if (bmc.gone)
		return 0xff;
	if (off) {
		bool ibf = bmc.stuck || fake_now_us < bmc.busy_until;

		return bmc.state << 6 | ibf << 1 | (!ibf && bmc.obf);
	}
	bmc.obf = false;
	return bmc.data;
}

static void kcs_write(void *ctx, uint64_t off, unsigned size, uint64_t v)
{
	(void)ctx;
	assert_int_equal(size, 1);
	assert_true(fake_now_us >= bmc.busy_until);	/* the rule of the interface */
	bmc.busy_until = fake_now_us + bmc.byte_us;
	if (off && v == 0x60) {
		bmc.aborts++;
		bmc.state = ERROR;
		bmc.obf = true;
	} else if (off && v == 0x61 && bmc.state == IDLE) {
		bmc.state = WRITE;
		bmc.nr_in = 0;
		bmc.ending = false;
		bmc.obf = true;
	} else if (off && v == 0x62 && bmc.state == WRITE) {
		bmc.ending = bmc.obf = true;
	} else if (!off && bmc.state == WRITE) {
		bmc.in[bmc.nr_in++ % sizeof(bmc.in)] = (uint8_t)v;
		bmc.obf = true;
		if (bmc.ending) {
			bmc_answer();
			bmc_next_out();
		}
	} else if (!off && bmc.state == READ && v == 0x68) {
		bmc_next_out();
	} else if (!off && bmc.state == ERROR) {
		bmc.state = READ;
		bmc.nr_out = bmc.at = 1;
		bmc.out[0] = bmc.data = 1;
		bmc.obf = true;
	} else {
		bmc.state = ERROR;
	}
}

static uint8_t spmi[64];

static void bmc_machine(void)
{
	static const uint16_t base = KCS;

	memset(&bmc, 0, sizeof(bmc));
	bmc.byte_us = 300;
	bmc.use = 0x84 | 0x40;
	bmc.actions = 0x11;
	bmc.initial = 100;
	bmc.present = 77;
	fake_bus_add(&(struct fake_window){ .base = KCS, .len = 2, .port = true, .read = kcs_read,
					    .write = kcs_write });
	memset(spmi, 0, sizeof(spmi));
	spmi[36] = 1;
	spmi[48] = 1;
	spmi[49] = 8;
	memcpy(spmi + 52, &base, 2);
	fake_mem_add(0x7e000000, spmi, sizeof(spmi));
	bi.acpi[ACPI_SPMI] = (struct acpi_table){ 0x7e000000, sizeof(spmi) };
}

/* Calls of feed() until it says that it is done, as idle() would make them */
static unsigned feed_ipmi(void)
{
	unsigned n = 1;

	while (ipmi_watchdog.feed()) {
		fake_now_us += IDLE_PERIOD_US;
		assert_true(n++ < 100000);
	}
	return n;
}

static void test_ipmi(void **state)
{
	(void)state;
	bmc_machine();
	assert_int_equal(probe(&ipmi_watchdog), 0);
	assert_int_equal(t.was_ms, 10000);
	assert_int_equal(t.now_ms, 300000);
	assert_int_equal(bmc.sets, 1);
	/* not stopped, not logged, whose it is; all else as it was, no flag cleared */
	assert_memory_equal(bmc.last_set, "\x18\x24\xc4\x11\x07\x00\xb8\x0b", 8);
	assert_int_equal(bmc.resets, 1);
	/* a few looks each time, and no waiting */
	assert_in_range(feed_ipmi(), 4, 20);
	assert_int_equal(bmc.resets, 2);
	assert_int_equal(feed_ipmi() && bmc.resets, 1);
	assert_int_equal(bmc.resets, 3);
	assert_int_equal(bmc.aborts, 0);
	env.keep = true;
	bmc.initial = 100;
	assert_int_equal(probe(&ipmi_watchdog), 0);
	assert_int_equal(t.now_ms, 10000);
	assert_int_equal(bmc.sets, 1);
}

/* What idle() may cost: one call of feed() looks a bounded number of times */
static void test_ipmi_feed_is_short(void **state)
{
	uint64_t start;

	(void)state;
	bmc_machine();
	assert_int_equal(probe(&ipmi_watchdog), 0);
	bmc.byte_us = 0;
	fake_step_us = 1;
	start = fake_now_us;
	ipmi_watchdog.feed();
	assert_in_range(fake_now_us - start, 1, 20);
	fake_step_us = 10;
}

static void test_ipmi_left_alone(void **state)
{
	(void)state;
	bmc_machine();
	bmc.use = 0x04;
	assert_int_equal(probe(&ipmi_watchdog), -ENOENT);	/* stopped */
	bmc.use = 0x44;
	bmc.present = 0;
	assert_int_equal(probe(&ipmi_watchdog), -ENOENT);
	bmc.present = 77;
	bmc.actions = 0x10;
	assert_int_equal(probe(&ipmi_watchdog), -ENOENT);	/* it would do nothing */
	bmc.actions = 0x11;
	bmc.cc = 0xc1;
	assert_int_equal(probe(&ipmi_watchdog), -ENOENT);	/* the controller has none */
	bmc.cc = 0;
	assert_int_equal(bmc.sets + bmc.resets, 0);
	bmc.gone = true;
	fake_now_us = 0;
	assert_int_equal(probe(&ipmi_watchdog), -ENOENT);
	assert_true(fake_now_us < 1000);
	bmc.gone = false;
	assert_int_equal(probe(&ipmi_watchdog), 0);
}

/* The dead kernel was in the middle of a command */
static void test_ipmi_interrupted(void **state)
{
	(void)state;
	for (unsigned s = READ; s <= ERROR; s++) {
		set_up(NULL);
		bmc_machine();
		bmc.state = s;
		bmc.obf = true;
		assert_int_equal(probe(&ipmi_watchdog), 0);
		assert_int_equal(bmc.aborts, 1);
		assert_int_equal(bmc.resets, 1);
	}
}

static void test_ipmi_gives_up(void **state)
{
	uint64_t start;

	(void)state;
	bmc_machine();
	bmc.stuck = true;
	fake_step_us = 1000;
	assert_int_equal(probe(&ipmi_watchdog), -ENOENT);
	assert_in_range(fake_now_us, 15000000, 20000000);
	fake_step_us = 10;

	set_up(NULL);
	bmc_machine();
	assert_int_equal(probe(&ipmi_watchdog), 0);
	bmc.stuck = true;
	start = fake_now_us;
	feed_ipmi();
	assert_in_range(fake_now_us - start, 15000000, 20000000);
	bmc.stuck = false;
	assert_false(ipmi_watchdog.feed());			/* for good */
	assert_int_equal(bmc.resets, 1);

	set_up(NULL);
	bmc_machine();
	bmc.endless = true;
	assert_int_equal(probe(&ipmi_watchdog), -ENOENT);

	/* two failures and a success are no reason */
	set_up(NULL);
	bmc_machine();
	assert_int_equal(probe(&ipmi_watchdog), 0);
	for (unsigned i = 0; i < 5; i++) {
		bmc.state = ERROR;
		feed_ipmi();
	}
	assert_int_equal(bmc.resets, 6);
	bmc.gone = true;
	assert_false(ipmi_watchdog.feed());
	assert_false(ipmi_watchdog.feed());
}

static uint8_t smbios[0x1000];

static void put_smbios(size_t table_at, const void *table, uint16_t len)
{
	uint32_t at = 0xf0000 + (uint32_t)table_at;
	uint8_t *e = smbios + 0x200, sum = 0;

	memset(smbios, 0, sizeof(smbios));
	memcpy(e, "_SM_\0\x1f\2\x8", 8);
	memcpy(e + 16, "_DMI_", 5);
	memcpy(e + 22, &len, 2);
	memcpy(e + 24, &at, 4);
	for (unsigned i = 0; i < 31; i++)
		sum += e[i];
	e[4] = (uint8_t)-sum;
	memcpy(smbios + table_at, table, len);
	fake_mem_reset();
	fake_mem_add(0xf0000, smbios, sizeof(smbios));
}

static void test_smbios(void **state)
{
	static const uint8_t table[] =
		"\x00\x06\x00\x00\x01\x02" "maker\0" "type\0" "\0"
		"\x11\x05\x01\x00\x09" "\0\0"
		"\x26\x12\x02\x00\x01\x20\x20\xff\xa3\x0c\0\0\0\0\0\0\x00\x05" "\0\0"
		"\x7f\x04\x03\x00" "\0";
	static const uint8_t mmio[] =
		"\x26\x12\x02\x00\x01\x20\x20\xff\x00\x10\x00\xfe\0\0\0\0\x50\x05" "\0";
	uint8_t copy[sizeof(table)];
	struct ipmi_kcs_place at;

	(void)state;
	assert_int_equal(ipmi_find_kcs(&env, &at), -ENOENT);
	put_smbios(0x400, table, sizeof(table));
	assert_int_equal(ipmi_find_kcs(&env, &at), 0);
	assert_true(at.io && at.addr == 0xca2 && at.spacing == 1);
	put_smbios(0x400, mmio, sizeof(mmio));
	assert_int_equal(ipmi_find_kcs(&env, &at), 0);
	assert_true(!at.io && at.addr == 0xfe001001 && at.spacing == 4);
	/* where EFI says */
	bi.smbios = 0xf0200;
	assert_int_equal(ipmi_find_kcs(&env, &at), 0);
	bi.smbios = 0xf0210;
	assert_int_equal(ipmi_find_kcs(&env, &at), -ENOENT);
	bi.smbios = 0;
	/* cut anywhere: found or not, but nothing else */
	for (uint16_t len = 0; len < sizeof(table); len++) {
		put_smbios(sizeof(smbios) - len, table, len);
		assert_int_equal(ipmi_find_kcs(&env, &at), len >= 43 ? 0 : -ENOENT);
	}
	memcpy(copy, table, sizeof(copy));
	copy[1] = 2;		/* a structure that is shorter than its header */
	put_smbios(0x400, copy, sizeof(copy));
	assert_int_equal(ipmi_find_kcs(&env, &at), -ENOENT);
	put_smbios(0x400, table, sizeof(table));
	smbios[0x204]++;
	assert_int_equal(ipmi_find_kcs(&env, &at), -ENOENT);
}

static void test_spmi(void **state)
{
	struct ipmi_kcs_place at;

	(void)state;
	bmc_machine();
	assert_int_equal(ipmi_find_kcs(&env, &at), 0);
	assert_true(at.io && at.addr == KCS && at.spacing == 1);
	spmi[49] = 32;
	spmi[48] = 0;
	assert_int_equal(ipmi_find_kcs(&env, &at), 0);
	assert_true(!at.io && at.spacing == 4);
	spmi[49] = 24;
	assert_int_equal(ipmi_find_kcs(&env, &at), -ENOENT);
	spmi[49] = 8;
	spmi[48] = 2;
	assert_int_equal(ipmi_find_kcs(&env, &at), -ENOENT);
	spmi[48] = 1;
	spmi[36] = 3;
	assert_int_equal(ipmi_find_kcs(&env, &at), -ENOENT);
	spmi[36] = 1;
	bi.acpi[ACPI_SPMI].len = 59;
	assert_int_equal(ipmi_find_kcs(&env, &at), -ENOENT);
}

/* --- WDAT --- */

#define WDAT	0x7d000000ULL

static uint8_t wdat[68 + 24 * 16];
static unsigned nr_entries;

static void w32(unsigned off, uint32_t v)
{
	memcpy(wdat + off, &v, 4);
}

static void entry(uint8_t action, uint8_t instruction, uint8_t space, uint8_t access, uint64_t address,
		  uint8_t bit, uint32_t value, uint32_t mask)
{
	uint8_t *e = wdat + 68 + 24 * nr_entries++;

	memset(e, 0, 24);
	e[0] = action;
	e[1] = instruction;
	e[4] = space;
	e[6] = bit;
	e[7] = access;
	memcpy(e + 8, &address, 8);
	memcpy(e + 16, &value, 4);
	memcpy(e + 20, &mask, 4);
	w32(64, nr_entries);
	bi.acpi[ACPI_WDAT].len = 68 + 24 * nr_entries;
}

/* As firmware describes an iTCO, with one register in memory */
static void wdat_machine(void)
{
	memset(&tco, 0, sizeof(tco));
	memset(&control, 0, sizeof(control));
	memset(wdat, 0, sizeof(wdat));
	nr_entries = 0;
	add_regs(&tco, 0x660, 32, true);
	add_regs(&control, CONTROL, 0x1000, false);
	fake_mem_add(WDAT, wdat, sizeof(wdat));
	bi.acpi[ACPI_WDAT] = (struct acpi_table){ WDAT, 68 };
	w32(36, 32);
	w32(48, 600);
	w32(52, 1023);
	w32(56, 4);
	wdat[60] = 1;
	entry(1, 2, 1, 2, 0x660, 0, 1, 0xffff);
	entry(1, 0x82, 0, 3, CONTROL, 4, 5, 0xf);
	entry(5, 1, 1, 2, 0x672, 0, 0, 0x3ff);
	entry(6, 0x83, 1, 2, 0x672, 0, 0, 0x3ff);
	entry(8, 0, 1, 2, 0x668, 11, 0, 1);
	put(&tco, 0x12, 2, 0x8010);
	put(&control, 0, 4, 0xaaaaaaaa);
}

static void test_wdat(void **state)
{
	(void)state;
	wdat_machine();
	assert_int_equal(probe(&wdat_watchdog), 0);
	assert_int_equal(t.was_ms, 9600);
	assert_int_equal(t.now_ms, 300000);
	assert_int_equal(get(&tco, 0x12, 2), 0x8000 | 500);
	assert_int_equal(get(&tco, 0, 2), 1);
	assert_int_equal(get(&control, 0, 4), 0xaaaaaa5a);
	assert_false(wdat_watchdog.feed());
	assert_int_equal(tco.writes[0], 2);
	assert_int_equal(control.writes[0], 2);
	assert_int_equal(tco.writes[8], 0);
	env.keep = true;
	put(&tco, 0x12, 2, 0x10);
	assert_int_equal(probe(&wdat_watchdog), 0);
	assert_int_equal(t.now_ms, 9600);
	env.keep = false;
	w32(52, 100);
	assert_int_equal(probe(&wdat_watchdog), 0);
	assert_int_equal(t.now_ms, 60000);
}

static void left_alone(void)
{
	unsigned before = tco.writes[0];

	assert_int_equal(probe(&wdat_watchdog), -ENOENT);
	assert_int_equal(tco.writes[0], before);
}

static void test_wdat_left_alone(void **state)
{
	(void)state;
	wdat_machine();
	wdat[60] = 0;
	left_alone();
	wdat[60] = 1;
	put(&tco, 8, 2, 0x800);
	left_alone();
	put(&tco, 8, 2, 0);
	w32(48, 0);
	left_alone();
	w32(48, 600);
	w32(56, 2000);
	left_alone();
	w32(56, 4);
	w32(52, 10);				/* it counts from more than there can be */
	left_alone();
	w32(52, 1023);
	tco.gone = true;
	left_alone();
	tco.gone = false;
	bi.acpi[ACPI_WDAT].len = 67;
	left_alone();
	bi.acpi[ACPI_WDAT].len = 68 + 24 * 4;	/* the last entry is not in the table */
	left_alone();
	bi.acpi[ACPI_WDAT].len = 68 + 24 * 5;
	w32(64, UINT32_MAX);
	assert_int_equal(probe(&wdat_watchdog), 0);
	fake_mem_fail(WDAT + 68, 1);
	left_alone();
}

static void test_wdat_hostile(void **state)
{
	static const struct {
		uint8_t instruction, space, access;
		uint64_t address;
	} bad[] = {
		{ 2, 0, 3, RAM + 0x1000 },	/* RAM, ours, below 1 MiB */
		{ 2, 0, 3, IMAGE + 0x1000 },
		{ 2, 0, 3, 0x9000 },
		{ 2, 0, 3, BIT(60) },
		{ 2, 1, 3, 0xcf8 },
		{ 2, 1, 3, 0x10000 },
		{ 2, 1, 3, 0x662 },		/* not aligned */
		{ 2, 2, 3, 0x660 },		/* PCI configuration */
		{ 2, 1, 0, 0x660 },
		{ 2, 1, 4, 0x660 },
		{ 4, 1, 1, 0x660 },
		{ 0x84, 1, 1, 0x660 },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		set_up(NULL);
		wdat_machine();
		nr_entries = 0;
		entry(1, bad[i].instruction, bad[i].space, bad[i].access, bad[i].address, 0, 1, 0xff);
		w32(64, 5);
		bi.acpi[ACPI_WDAT].len = 68 + 24 * 5;
		fake_stray = 0;
		left_alone();
		assert_int_equal(fake_stray, 0);
	}
	set_up(NULL);
	wdat_machine();
	wdat[68 + 6] = 32;
	left_alone();
	assert_int_equal(control.writes[0], 0);
}

/* --- when they are fed --- */

static void pass_time(uint64_t until_us)
{
	fake_step_us = 500;
	while (fake_now_us < until_us)
		watchdog_hook(arch_time_us());
	fake_step_us = 10;
}

static void test_hook(void **state)
{
	unsigned before;

	(void)state;
	esb_machine(true);
	watchdog_init(&bi, &cl, ram);
	assert_true(fake_log_has("watchdog: i6300esb runs, 300 s (it had 10)"));
	before = esb.fed;
	pass_time(10000000);
	assert_in_range(esb.fed - before, 9, 10);
	/* until the deadline and its grace are over */
	idle_set_deadline(20000000);
	pass_time(20000000 + IDLE_GRACE_US);
	before = esb.fed;
	assert_in_range(before, 78, 81);
	pass_time(60000000 + 20000000 + IDLE_GRACE_US);
	assert_in_range(esb.fed - before, 0, 1);
}

/* A short time, which may not be lengthened, is met four times as often as it would have to be */
static void test_short_time(void **state)
{
	unsigned before;

	(void)state;
	esb_machine(true);
	esb.preload[0] = esb.preload[1] = 1000;
	cl.watchdog = WATCHDOG_KEEP;
	watchdog_init(&bi, &cl, ram);
	assert_true(fake_log_has("watchdog: i6300esb runs, 2 s\n"));
	before = esb.fed;
	pass_time(10000000);
	assert_in_range(esb.fed - before, 19, 20);
}

/* The firmware's description and the driver of the same registers: one of them */
static void test_wdat_comes_first(void **state)
{
	(void)state;
	itco_machine(0x2918, false);
	wdat_machine();
	watchdog_init(&bi, &cl, ram);
	assert_true(fake_log_has("watchdog: WDAT runs"));
	assert_false(fake_log_has("iTCO"));
	wdat[60] = 0;
	put(&tco, 0x12, 2, 16);
	fake_log_reset();
	watchdog_init(&bi, &cl, ram);
	assert_false(fake_log_has("WDAT"));
	assert_true(fake_log_has("watchdog: iTCO runs, 300 s (it had 19)"));
}

static void test_leave(void **state)
{
	(void)state;
	esb_machine(true);
	cl.watchdog = WATCHDOG_LEAVE;
	watchdog_init(&bi, &cl, ram);
	assert_int_equal(esb.fed, 0);
	watchdog_hook(10000000);
	assert_int_equal(esb.fed, 0);
	cl.watchdog = WATCHDOG_FEED;
	esb_fn.gone = true;
	watchdog_init(&bi, &cl, ram);
	watchdog_hook(20000000);
	assert_int_equal(esb.fed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_map, set_up),
		cmocka_unit_test_setup(test_i6300esb, set_up),
		cmocka_unit_test_setup(test_i6300esb_left_alone, set_up),
		cmocka_unit_test_setup(test_itco, set_up),
		cmocka_unit_test_setup(test_itco_left_alone, set_up),
		cmocka_unit_test_setup(test_gwdt, set_up),
		cmocka_unit_test_setup(test_gwdt_left_alone, set_up),
		cmocka_unit_test_setup(test_gtdt, set_up),
		cmocka_unit_test_setup(test_sp805, set_up),
		cmocka_unit_test_setup(test_sp805_left_alone, set_up),
		cmocka_unit_test_setup(test_ipmi, set_up),
		cmocka_unit_test_setup(test_ipmi_feed_is_short, set_up),
		cmocka_unit_test_setup(test_ipmi_left_alone, set_up),
		cmocka_unit_test_setup(test_ipmi_interrupted, set_up),
		cmocka_unit_test_setup(test_ipmi_gives_up, set_up),
		cmocka_unit_test_setup(test_smbios, set_up),
		cmocka_unit_test_setup(test_spmi, set_up),
		cmocka_unit_test_setup(test_wdat, set_up),
		cmocka_unit_test_setup(test_wdat_left_alone, set_up),
		cmocka_unit_test_setup(test_wdat_hostile, set_up),
		cmocka_unit_test_setup(test_hook, set_up),
		cmocka_unit_test_setup(test_short_time, set_up),
		cmocka_unit_test_setup(test_wdat_comes_first, set_up),
		cmocka_unit_test_setup(test_leave, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
