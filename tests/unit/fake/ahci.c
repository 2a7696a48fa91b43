// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/fake/ahci.h"

#include <assert.h>
#include <string.h>

#include "tests/unit/fake/bus.h"

#define ST	1u
#define SUD	2u
#define FRE	0x10u
#define FR	0x4000u
#define CR	0x8000u
#define BSY	0x80u
#define DRQ	0x08u

static bool may_dma(struct fake_ahci *f)
{
	if (fake_pci_is_master(&f->fn))
		return true;
	f->dma_without_master++;
	return false;
}

/* --- commands --- */

static void copy_swapped(uint16_t *to, const char *text, unsigned words)
{
	char padded[64];

	memset(padded, ' ', sizeof(padded));
	memcpy(padded, text, strlen(text));
	for (unsigned i = 0; i < words; i++)
		to[i] = (uint16_t)((uint8_t)padded[2 * i] << 8 | (uint8_t)padded[2 * i + 1]);
}

static void identify(const struct fake_port *p, uint16_t *id)
{
	uint64_t blocks = p->len / p->block;

	memset(id, 0, 512);
	id[0] = 0x0040;
	copy_swapped(id + 10, p->serial, 10);
	copy_swapped(id + 27, p->model, 20);
	id[49] = 0x0300;
	id[83] = p->no_lba48 ? 0x4000 : 0x7400;
	id[85] = p->write_through ? 0 : 0x20;
	id[100] = (uint16_t)blocks;
	id[101] = (uint16_t)(blocks >> 16);
	id[102] = (uint16_t)(blocks >> 32);
	id[106] = 0x6003;
	if (p->block != 512) {
		id[106] |= 0x1000;
		id[117] = (uint16_t)(p->block / 2);
		id[118] = (uint16_t)(p->block / 2 >> 16);
	}
	id[128] = p->locked ? 0x0007 : 0x0001;
}

/* Moves @len bytes between the PRDs and @data. The table has to describe exactly as many. */
static void move(const uint32_t *header, uint8_t *data, uint64_t len, bool to_disk)
{
	const uint8_t *table = (uint8_t *)(uintptr_t)(header[2] | (uint64_t)header[3] << 32);
	unsigned prdtl = header[0] >> 16;

	assert(!!(header[0] & 0x40) == to_disk && prdtl);
	for (unsigned i = 0; i < prdtl; i++) {
		uint32_t prd[4], n;
		uint8_t *mem;

		memcpy(prd, table + 0x80 + 16 * i, 16);
		n = (prd[3] & 0x3fffff) + 1;
		mem = (uint8_t *)(uintptr_t)(prd[0] | (uint64_t)prd[1] << 32);
		assert(!(prd[3] & ~0x3fffffu) && !(n & 1) && !(prd[0] & 1) && n <= len);
		if (to_disk)
			memcpy(data, mem, n);
		else
			memcpy(mem, data, n);
		data += n;
		len -= n;
	}
	assert(!len);
}

static void execute(struct fake_ahci *f, struct fake_port *p, unsigned slot)
{
	const uint32_t *header = (uint32_t *)(uintptr_t)(p->clb | (uint64_t)p->clbu << 32) + 8 * slot;
	const uint8_t *fis;
	uint64_t lba = 0;
	uint32_t count;
	uint16_t id[256];
	bool write;

	if (!may_dma(f))
		return;
	assert((header[0] & 0x1f) == 5 && !(header[0] & 0xffa0) && header[2] % 128 == 0);
	fis = (uint8_t *)(uintptr_t)(header[2] | (uint64_t)header[3] << 32);
	assert(fis[0] == 0x27 && fis[1] == 0x80 && !fis[15]);
	p->commands++;
	p->cmd = (p->cmd & ~0x1f00u) | slot << 8;
	if (p->trouble) {
		p->is |= p->trouble;
		p->trouble = 0;
		p->tfd = BSY;
		return;
	}
	for (unsigned i = 0; i < 3; i++)
		lba |= (uint64_t)fis[4 + i] << 8 * i | (uint64_t)fis[8 + i] << (24 + 8 * i);
	count = fis[12] | fis[13] << 8;
	write = fis[2] == 0x35;
	switch (fis[2]) {
	case 0xec:
		identify(p, id);
		move(header, (uint8_t *)id, 512, false);
		break;
	case 0xea:
		assert(!lba && !count && !(header[0] >> 16));
		p->flushes++;
		break;
	case 0x25:
	case 0x35:
		assert(fis[7] == 0x40 && count);
		if (p->bad_lba >= lba && p->bad_lba < lba + count) {
			if (p->bad_times && !--p->bad_times)
				p->bad_lba = ~0ULL;
			p->tfd = 0x51 | (uint32_t)p->error << 8;
			p->is |= 1u << 30;
			return;
		}
		assert(range_inside(lba * p->block, (uint64_t)count * p->block, 0, p->len));
		move(header, p->data + lba * p->block, (uint64_t)count * p->block, write);
		write ? p->writes++ : p->reads++;
		break;
	default:
		assert(!"an unexpected command");
	}
	p->tfd = p->fault ? 0x70 : 0x50;
	p->ci &= ~(1u << slot);
	p->is |= 1;
}

/* After an error the engine stands still until it is stopped */
static void run(struct fake_ahci *f, struct fake_port *p)
{
	unsigned n = (unsigned)__builtin_popcount(p->ci);

	if (n > p->max_inflight)
		p->max_inflight = n;
	for (unsigned slot = 0; slot < 32; slot++) {
		if (!(p->ci & 1u << slot) || !(p->cmd & ST) || p->is >> 24 || p->drop || p->hold ||
		    p->tfd & (BSY | DRQ))
			continue;
		execute(f, p, slot);
	}
}

void fake_ahci_release(struct fake_ahci *f, unsigned port, unsigned slot)
{
	assert(f->port[port].ci & 1u << slot);
	execute(f, &f->port[port], slot);
}

/* --- ports --- */

static void advance(struct fake_ahci *f)
{
	if (f->reset_at && fake_now_us >= f->reset_at) {
		f->reset_at = 0;
		f->resets++;
		f->ghc = 0;
		if (f->forgets_pi)
			f->pi = 0;
		for (unsigned i = 0; i < FAKE_AHCI_PORTS; i++) {
			struct fake_port *p = &f->port[i];

			p->clb = p->clbu = p->fb = p->fbu = p->is = p->sctl = p->serr = p->ci = p->devslp = 0;
			p->cmd = f->cap & 1u << 27 ? 0 : SUD;
			p->tfd = 0x7f;
			p->sig = 0xffffffff;
			p->det = 0;
			p->link_at = p->kind == SATA_EMPTY || p->never_links ? 0 : fake_now_us + p->link_us;
			p->ready_at = 0;
		}
	}
	for (unsigned i = 0; i < FAKE_AHCI_PORTS; i++) {
		struct fake_port *p = &f->port[i];

		if (p->link_at && fake_now_us >= p->link_at && p->cmd & SUD) {
			p->link_at = 0;
			p->det = 3;
			p->serr |= 1u << 26 | 1u << 16;
			p->is |= 1u << 6 | 1u << 22;
			p->ready_at = p->never_ready ? 0 : fake_now_us + p->ready_us + 1;
		}
		/* the first message arrives when somebody receives, and the error before it was seen */
		if (p->ready_at && fake_now_us >= p->ready_at && p->cmd & FRE && !(p->serr & 1u << 26)) {
			static const uint32_t sigs[] = {
				[SATA_DISK] = 0x101, [SATA_CD] = 0xeb140101, [SATA_PM] = 0x96690101 };

			if (!may_dma(f))
				continue;
			p->ready_at = 0;
			p->tfd = 0x150;
			p->sig = sigs[p->kind];
		}
		if (!(p->cmd & ST) && !p->never_stops && p->cmd & CR) {
			p->cmd &= ~CR;
			p->ci = 0;
		}
		if (!(p->cmd & FRE) && !p->rx_never_stops)
			p->cmd &= ~FR;
	}
}

static void write_cmd(struct fake_ahci *f, struct fake_port *p, uint32_t v)
{
	if (v & ST && !(p->cmd & ST)) {
		assert(p->cmd & FR && p->det == 3 && !(p->tfd & (BSY | DRQ)) && !p->serr && p->clb && !(p->cmd & CR));
		p->is &= 0xffffff;
	}
	assert(!(v & 0x0c000000));	/* no link power management */
	/* unless it does not stop, in which case a reset follows */
	assert(v & FRE || !(p->cmd & FRE) || !(p->cmd & CR) || p->never_stops);
	assert(!(v & FRE) || p->cmd & FRE || (p->fb && p->fb % 256 == 0));
	p->cmd = (v & ~(CR | FR | 0x1f00u)) | (p->cmd & (CR | FR | 0x1f00u));
	if (v & ST)
		p->cmd |= CR;
	if (v & FRE)
		p->cmd |= FR;
	if (!(f->cap & 1u << 27))
		p->cmd |= SUD;
	if (!(v & ST) && !p->never_stops)
		p->ci = 0;
}

static void write_sctl(struct fake_port *p, uint32_t v)
{
	assert(!(p->cmd & (ST | CR)) && ((v >> 8 & 7) == 7));
	if ((v & 15) == 1) {
		p->comresets++;
		p->det = 0;
		p->link_at = p->ready_at = 0;
		p->tfd = 0x7f;
	} else if ((p->sctl & 15) == 1) {
		assert(!(v & 15));
		p->link_at = p->kind == SATA_EMPTY || p->never_links ? 0 : fake_now_us + p->link_us + 1;
	}
	p->sctl = v;
}

static uint64_t port_read(struct fake_port *p, uint64_t off)
{
	switch (off) {
	case 0x00: return p->clb;
	case 0x04: return p->clbu;
	case 0x08: return p->fb;
	case 0x0c: return p->fbu;
	case 0x10: return p->is;
	case 0x18: return p->cmd;
	case 0x20: return p->tfd;
	case 0x24: return p->sig;
	case 0x28: return p->det ? p->det | 0x120 : 0;
	case 0x2c: return p->sctl;
	case 0x30: return p->serr;
	case 0x38: return p->ci;
	case 0x44: return p->devslp;
	}
	assert(!"read of an unexpected register");
	return 0;
}

static void port_write(struct fake_ahci *f, struct fake_port *p, uint64_t off, uint32_t v)
{
	bool wide = f->cap >> 31;

	assert(off > 0x0c || !(p->cmd & (ST | CR | FRE | FR)));
	switch (off) {
	case 0x00:
		assert(v % 1024 == 0);
		p->clb = v;
		return;
	case 0x04:
		p->clbu = wide ? v : 0;
		return;
	case 0x08:
		p->fb = v;
		return;
	case 0x0c:
		p->fbu = wide ? v : 0;
		return;
	case 0x10:
		p->is &= ~v;
		return;
	case 0x18:
		write_cmd(f, p, v);
		return;
	case 0x2c:
		write_sctl(p, v);
		return;
	case 0x30:
		p->serr &= ~v;
		if (v & 1u << 26)
			p->is &= ~(1u << 6);
		if (v & 1u << 16)
			p->is &= ~(1u << 22);
		return;
	case 0x38:
		assert(p->cmd & ST);
		p->ci |= v;
		run(f, p);
		return;
	case 0x44:
		p->devslp = v;
		return;
	}
	assert(!"write to an unexpected register");
}

static uint64_t bar_read(void *ctx, uint64_t off, unsigned size)
{
	struct fake_ahci *f = ctx;

	assert(size == 4);
	if (f->gone || !(fake_pci_get16(&f->fn, 4) & 2))
		return f->gone_reads_zero ? 0 : ~0ULL;
	advance(f);
	switch (off) {
	case 0x00: return f->cap;
	case 0x04: return f->ghc | (f->reset_at || (f->never_reset && f->ghc & 1));
	case 0x0c: return f->pi;
	case 0x24: return f->cap2;
	case 0x28: return f->bohc;
	}
	assert(off >= 0x100 && f->ghc >> 31);
	off -= 0x100;
	assert((f->forgets_pi || f->pi & 1u << off / 0x80) && off / 0x80 < FAKE_AHCI_PORTS);
	return port_read(&f->port[off / 0x80], off % 0x80);
}

static void bar_write(void *ctx, uint64_t off, unsigned size, uint64_t v)
{
	struct fake_ahci *f = ctx;

	assert(size == 4);
	if (f->gone || !(fake_pci_get16(&f->fn, 4) & 2))
		return;
	advance(f);
	assert(!f->reset_at);		/* driven on before the reset was through */
	switch (off) {
	case 0x04:
		assert(!(v & 2));	/* no interrupts */
		if (v & 1 && !f->never_reset)
			f->reset_at = fake_now_us + f->reset_us + 1;
		f->ghc = (uint32_t)v & (f->never_reset ? 0x80000001 : 0x80000000);
		return;
	case 0x0c:
		assert(f->forgets_pi);
		f->pi = (uint32_t)v;
		return;
	case 0x28:
		/* the firmware lets go */
		f->bohc = ((uint32_t)v & ~1u) | (f->firmware_busy ? 0x11 : 0);
		return;
	}
	assert(off >= 0x100 && f->ghc >> 31);
	off -= 0x100;
	assert((f->forgets_pi || f->pi & 1u << off / 0x80) && off / 0x80 < FAKE_AHCI_PORTS);
	port_write(f, &f->port[off / 0x80], off % 0x80, (uint32_t)v);
}

void fake_ahci_init(struct fake_ahci *f)
{
	struct fake_window bar = { .base = FAKE_AHCI_BAR, .len = 0x100 + 0x80 * FAKE_AHCI_PORTS, .ctx = f,
				   .read = bar_read, .write = bar_write };
	unsigned cap;

	memset(f, 0, sizeof(*f));
	f->fn = (struct fake_pci_fn){ .bus = 0, .devfn = 31 << 3 | 2 };
	fake_pci_add(&f->fn, 0x8086, 0x2922, 0x010601);
	cap = fake_pci_cap(&f->fn, 0x05, 14);
	fake_pci_set16(&f->fn, cap + 2, 1);
	fake_pci_bar32(&f->fn, 5, FAKE_AHCI_BAR, false);
	/* 64 bits, queued commands, link power management; 32 slots */
	f->cap = 0xc4141f00 | (FAKE_AHCI_PORTS - 1);
	f->pi = (1u << FAKE_AHCI_PORTS) - 1;
	f->cap2 = 8;
	f->ghc = 0x80000002;
	f->reset_us = 100;
	for (unsigned i = 0; i < FAKE_AHCI_PORTS; i++) {
		struct fake_port *p = &f->port[i];

		p->tfd = 0x7f;
		p->cmd = FRE | FR | SUD;
		p->clb = 0x1000;
		p->fb = 0x2000;
		p->bad_lba = ~0ULL;
		p->block = 512;
		p->link_us = 5000;
		p->ready_us = 20000;
		p->sctl = 0x300;
	}
	fake_bus_add(&bar);
}

struct fake_port *fake_ahci_disk(struct fake_ahci *f, unsigned port, uint32_t block, uint8_t *data, uint64_t len)
{
	struct fake_port *p = &f->port[port];

	p->kind = SATA_DISK;
	p->data = data;
	p->len = len;
	p->block = block;
	strcpy(p->serial, "      SATA-7");
	strcpy(p->model, "SIM");
	/* queued commands under way, in a link that may sleep, and commands of the dead kernel */
	p->det = 3;
	p->cmd = ST | FRE | FR | CR | SUD;
	p->tfd = 0x50;
	p->sig = 0x101;
	p->ci = 0xff00;
	p->is = 9;
	p->devslp = 0x1e022;
	return p;
}
