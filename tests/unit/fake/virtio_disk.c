// SPDX-License-Identifier: GPL-2.0-or-later
/* See virtio_disk.h. Written from VIRTIO 1.1, independently of the drivers' register names. */
#include <assert.h>
#include <string.h>

#include "tests/unit/fake/bus.h"
#include "tests/unit/fake/virtio_disk.h"

static bool is_legacy(const struct fake_vblk *f)
{
	return f->kind == FAKE_PCI_LEGACY || f->kind == FAKE_MMIO_LEGACY;
}

static bool is_pci(const struct fake_vblk *f)
{
	return f->kind <= FAKE_PCI_TRANSITIONAL;
}

static void advance(struct fake_vblk *f)
{
	if (f->reset_at_us && fake_now_us >= f->reset_at_us) {
		f->reset_at_us = 0;
		f->status = 0;
		f->queue_live = false;
		f->nr_held = f->inflight = 0;
		f->avail_seen = f->used_idx = 0;
		f->driver_features = 0;
		f->guest_page_size = 0;
		if (f->was_reset)
			f->was_reset();
	}
}

/* --- requests --- */

static void push_used(struct fake_vblk *f, uint32_t id, uint32_t len)
{
	struct virtq_used *used = (void *)(uintptr_t)f->used;
	struct virtq_used_elem *e = &used->ring[f->used_idx % f->queue_size];

	e->id = f->wrong_id >= 0 ? (uint32_t)f->wrong_id : id;
	e->len = f->wrong_len >= 0 ? (uint32_t)f->wrong_len : len;
	used->idx = ++f->used_idx;
}

void fake_vblk_complete(struct fake_vblk *f, uint32_t id, uint32_t len)
{
	push_used(f, id, len);
}

void fake_vblk_release(struct fake_vblk *f, unsigned n)
{
	uint32_t id = f->held[n].id, len = f->held[n].len;

	assert(n < f->nr_held);
	memmove(f->held + n, f->held + n + 1, (--f->nr_held - n) * sizeof(f->held[0]));
	f->inflight--;
	push_used(f, id, len);
}

void fake_vblk_finish(struct fake_vblk *f, uint16_t head, uint32_t written)
{
	if (++f->inflight > f->max_inflight)
		f->max_inflight = f->inflight;
	if (f->drop)
		return;
	if (f->hold) {
		assert(f->nr_held < ARRAY_SIZE(f->held));
		f->held[f->nr_held].id = head;
		f->held[f->nr_held++].len = written;
		return;
	}
	f->inflight--;
	push_used(f, head, written);
}

struct header {
	uint32_t type, rsvd4;
	uint64_t sector;
};

static uint8_t move_data(struct fake_vblk *f, const struct header *h, const struct virtq_desc *d,
			 uint64_t *pos)
{
	void *mem = (void *)(uintptr_t)d->addr;

	assert(!(f->driver_features & BIT(1)) || d->len <= f->config.size_max);
	if (h->type == 8) {
		assert(d->len == 20 && d->flags & 2);
		if (f->unsupported_id)
			return 2;
		memcpy(mem, f->serial, 20);
		return 0;
	}
	assert(h->type <= 1 && d->len % 512 == 0);
	assert(!!(d->flags & 2) == (h->type == 0));
	if (f->bad_sector != ~0ULL && f->bad_sector * 512 >= *pos &&
	    f->bad_sector * 512 < *pos + d->len)
		return 1;
	assert(range_inside(*pos, d->len, 0, f->data_len));
	if (h->type == 1)
		memcpy(f->data + *pos, mem, d->len);
	else
		memcpy(mem, f->data + *pos, d->len);
	*pos += d->len;
	return 0;
}

static void execute(struct fake_vblk *f, uint16_t head)
{
	const struct virtq_desc *table = (void *)(uintptr_t)f->desc, *d = &table[head];
	const struct header *h = (void *)(uintptr_t)d->addr;
	uint64_t pos = h->sector * 512;
	unsigned nr_data = 0, n = 1;
	uint32_t written = 1;
	uint8_t status = 0;
	bool seen_writable = false;

	if (f->execute) {
		f->execute(f, head);
		return;
	}
	if (f->answer) {
		const struct virtq_desc *last = &table[d->next];

		assert(head < f->queue_size && d->flags == 1 && last->flags == 2);
		assert(*(uint8_t *)(uintptr_t)last->addr != 0);
		status = f->answer(h, d->len, last->len);
		if (f->drop)
			return;
		*(uint8_t *)(uintptr_t)last->addr = status;
		push_used(f, head, last->len);
		return;
	}
	assert(head < f->queue_size && d->len == 16 && d->flags == 1 && h->type < 16 && !h->rsvd4);
	f->requests[h->type]++;
	for (d = &table[d->next]; d->flags & 1; d = &table[d->next]) {
		assert(++n <= f->queue_size && d->next < f->queue_size);
		/* §2.6.4.2: what the device reads comes before what it writes */
		assert(d->flags & 2 || !seen_writable);
		seen_writable |= d->flags & 2;
		nr_data++;
		if (!status)
			status = move_data(f, h, d, &pos);
		if (d->flags & 2)
			written += d->len;
	}
	if (n + 1 > f->max_descs)
		f->max_descs = n + 1;
	assert(h->type != 4 || (!nr_data && f->driver_features & BIT(9)));
	assert(!(f->driver_features & BIT(2)) || nr_data <= f->config.seg_max);
	assert(d->len == 1 && d->flags == 2);
	/* success must not be there before we say so */
	assert(*(uint8_t *)(uintptr_t)d->addr != 0);
	if (!f->silent_status)
		*(uint8_t *)(uintptr_t)d->addr = status;
	fake_vblk_finish(f, head, written);
}

void fake_vblk_run(struct fake_vblk *f)
{
	const struct virtq_avail *avail = (void *)(uintptr_t)f->avail;

	if (f->gone || !f->queue_live || !f->avail || !(f->status & 4))
		return;
	if (is_pci(f) && !fake_pci_is_master(&f->fn)) {
		f->dma_without_master++;
		return;
	}
	while (f->avail_seen != avail->idx)
		execute(f, avail->ring[f->avail_seen++ % f->queue_size]);
}

static void notified(struct fake_vblk *f, unsigned queue)
{
	assert(queue == f->queue && f->status & 4);
	f->notifies++;
	fake_vblk_run(f);
}

/* --- common to the transports --- */

static uint64_t offered(const struct fake_vblk *f)
{
	return is_legacy(f) ? (uint32_t)f->features : f->features;
}

static void set_status(struct fake_vblk *f, uint8_t v)
{
	if (!v) {
		/* nothing to do when it has not been driven since the last one */
		if (!f->never_reset && f->status)
			f->reset_at_us = fake_now_us + f->reset_us + 1;
		return;
	}
	assert(!f->reset_at_us || !f->status);	/* driven on before the reset was through */
	if (v & 8 && !(f->status & 8)) {
		assert(!is_legacy(f));
		assert(!(f->driver_features & ~f->features));
		/* §6.1: must be accepted when offered */
		assert(!(f->features & BIT(33)) || f->driver_features & BIT(33));
		if (f->refuse_features || !(f->driver_features & BIT(32)))
			v &= ~8;
	}
	if (v & 4)
		assert(f->queue_live && v & 2 && v & 1 && (is_legacy(f) || v & 8));
	f->status = v;
}

static void set_driver_features(struct fake_vblk *f, unsigned sel, uint32_t v)
{
	uint64_t mask = 0xffffffffULL << (sel * 32);

	assert(sel < 2);
	f->driver_features = (f->driver_features & ~mask) | (uint64_t)v << (sel * 32);
	assert(!(f->driver_features & ~offered(f)));
}

static void enable_queue(struct fake_vblk *f)
{
	assert(!f->queue_live && (f->several_queues || f->queue_select == f->queue));
	assert(is_power_of_2(f->queue_size) && f->queue_size <= f->queue_max);
	assert(f->desc && f->desc % 16 == 0 && f->avail % 2 == 0 && f->used % 4 == 0);
	f->queue_live = true;
	if (f->no_notify)
		((struct virtq_used *)(uintptr_t)f->used)->flags = 1;
}

/* §2.6.2 */
static void enable_legacy_queue(struct fake_vblk *f, uint32_t pfn)
{
	if (!pfn)
		return;
	f->desc = (uint64_t)pfn * 4096;
	f->avail = f->desc + 16 * f->queue_size;
	f->used = ALIGN_UP(f->avail + 6 + 2 * f->queue_size, 4096);
	enable_queue(f);
}

static uint64_t config_read(struct fake_vblk *f, uint64_t off, unsigned size)
{
	uint64_t v = 0;

	assert(off + size <= sizeof(f->config));
	if (f->unstable_config)
		f->generation++;
	memcpy(&v, (uint8_t *)&f->config + off, size);
	return v;
}

static void half(uint64_t *reg, bool high, uint64_t v)
{
	*reg = high ? (*reg & 0xffffffff) | v << 32 : (*reg & ~0xffffffffULL) | v;
}

/*
 * --- PCI, capabilities: common at 0, notification at 0x3000 (multiplier 4, queue n at 8 + 4n), device
 * at 0x2000 ---
 */

static uint64_t common_read(struct fake_vblk *f, uint64_t off, unsigned size)
{
	switch (off) {
	case 12:
		return (uint32_t)(f->driver_features >> (f->select_drv * 32));
	case 4:
		assert(size == 4);
		return f->select_dev < 2 ? (uint32_t)(offered(f) >> (f->select_dev * 32)) : 0;
	case 18:
		return 1;
	case 20:
		assert(size == 1);
		return f->status;
	case 21:
		assert(size == 1);
		return f->generation & 0xff;
	case 24:
		assert(size == 2);
		return f->queue_select > f->queue ? 0 : f->queue_size;
	case 28:
		return f->queue_live;
	case 30:
		assert(size == 2);
		return 2 + f->queue_select;
	}
	return 0;
}

static void common_write(struct fake_vblk *f, uint64_t off, unsigned size, uint64_t v)
{
	switch (off) {
	case 0:
		f->select_dev = (uint32_t)v;
		break;
	case 8:
		f->select_drv = (uint32_t)v;
		break;
	case 12:
		set_driver_features(f, f->select_drv, (uint32_t)v);
		break;
	case 20:
		assert(size == 1);
		set_status(f, (uint8_t)v);
		break;
	case 22:
		f->queue_select = (uint16_t)v;
		break;
	case 24:
		f->queue_size = (uint16_t)v;
		break;
	case 28:
		assert(v == 1);
		enable_queue(f);
		break;
	case 32:
	case 36:
		half(&f->desc, off == 36, v);
		break;
	case 40:
	case 44:
		half(&f->avail, off == 44, v);
		break;
	case 48:
	case 52:
		half(&f->used, off == 52, v);
		break;
	default:
		assert(!"write to an unexpected register");
	}
}

static uint64_t bar_read(void *ctx, uint64_t off, unsigned size)
{
	struct fake_vblk *f = ctx;

	if (f->gone || !(fake_pci_get16(&f->fn, 4) & 2))
		return f->gone_reads_zero ? 0 : ~0ULL;
	advance(f);
	return off < 0x1000 ? common_read(f, off, size) : config_read(f, off - 0x2000, size);
}

static void bar_write(void *ctx, uint64_t off, unsigned size, uint64_t v)
{
	struct fake_vblk *f = ctx;

	if (f->gone || !(fake_pci_get16(&f->fn, 4) & 2))
		return;
	advance(f);
	if (off < 0x1000) {
		common_write(f, off, size, v);
	} else if (f->answer && off == 0x2000 + 36) {
		/* §5.13.4: by a driver that has accepted BYPASS_CONFIG */
		assert(size == 1 && v < 2 && f->driver_features & BIT(6) && f->status & 8);
		((uint8_t *)&f->config)[36] = (uint8_t)v;
	} else {
		assert(off == 0x3008 + 4 * f->queue && size == 2);
		notified(f, (unsigned)v);
	}
}

static void add_cap(struct fake_vblk *f, uint8_t type, uint32_t off, uint32_t len)
{
	unsigned cap = fake_pci_cap(&f->fn, 0x09, type == 2 ? 20 : 16);

	f->fn.cfg[cap + 2] = type == 2 ? 20 : 16;
	f->fn.cfg[cap + 3] = type;
	f->fn.cfg[cap + 4] = 4;
	fake_pci_set32(&f->fn, cap + 8, off);
	fake_pci_set32(&f->fn, cap + 12, len);
	if (type == 2)
		fake_pci_set32(&f->fn, cap + 16, 4);
}

/* --- PCI, ports --- */

static uint64_t port_read(void *ctx, uint64_t off, unsigned size)
{
	struct fake_vblk *f = ctx;

	if (f->gone || !(fake_pci_get16(&f->fn, 4) & 1))
		return f->gone_reads_zero ? 0 : ~0ULL;
	advance(f);
	switch (off) {
	case 0:
		assert(size == 4);
		return (uint32_t)f->features;
	case 12:
		assert(size == 2);
		return f->queue_select > f->queue ? 0 : f->queue_max;
	case 18:
		assert(size == 1);
		return f->status;
	}
	assert(off >= 20);
	return config_read(f, off - 20, size);
}

static void port_write(void *ctx, uint64_t off, unsigned size, uint64_t v)
{
	struct fake_vblk *f = ctx;

	if (f->gone)
		return;
	advance(f);
	switch (off) {
	case 4:
		assert(size == 4);
		set_driver_features(f, 0, (uint32_t)v);
		break;
	case 8:
		assert(size == 4);
		f->queue_size = (uint16_t)f->queue_max;
		enable_legacy_queue(f, (uint32_t)v);
		break;
	case 14:
		f->queue_select = (uint16_t)v;
		break;
	case 16:
		notified(f, (unsigned)v);
		break;
	case 18:
		set_status(f, (uint8_t)v);
		break;
	default:
		assert(!"write to an unexpected port");
	}
}

/* --- memory-mapped --- */

static uint64_t mmio_read(void *ctx, uint64_t off, unsigned size)
{
	struct fake_vblk *f = ctx;

	if (f->gone)
		return f->gone_reads_zero ? 0 : ~0ULL;
	advance(f);
	if (off >= 0x100)
		return config_read(f, off - 0x100, size);
	assert(size == 4);
	switch (off) {
	case 0x000:
		return 0x74726976;
	case 0x004:
		return f->kind == FAKE_MMIO_LEGACY ? 1 : 2;
	case 0x008:
		return f->device_id;
	case 0x010:
		return f->select_dev < 2 ? (uint32_t)(offered(f) >> (f->select_dev * 32)) : 0;
	case 0x034:
		return f->queue_select > f->queue ? 0 : f->queue_max;
	case 0x044:
		assert(f->kind == FAKE_MMIO_MODERN);
		return f->queue_live;
	case 0x070:
		return f->status;
	case 0x0fc:
		return f->generation;
	}
	assert(!"read of an unexpected register");
	return 0;
}

static void mmio_write_legacy(struct fake_vblk *f, uint64_t off, uint64_t v)
{
	switch (off) {
	case 0x028:
		f->guest_page_size = (uint32_t)v;
		break;
	case 0x03c:
		f->queue_align = (uint32_t)v;
		break;
	case 0x040:
		assert(f->guest_page_size == 4096 && f->queue_align == 4096);
		enable_legacy_queue(f, (uint32_t)v);
		break;
	default:
		assert(!"write to an unexpected register");
	}
}

static void mmio_write(void *ctx, uint64_t off, unsigned size, uint64_t v)
{
	struct fake_vblk *f = ctx;

	if (f->gone)
		return;
	advance(f);
	assert(size == 4);
	switch (off) {
	case 0x014:
		f->select_dev = (uint32_t)v;
		break;
	case 0x020:
		set_driver_features(f, f->select_drv, (uint32_t)v);
		break;
	case 0x024:
		f->select_drv = (uint32_t)v;
		break;
	case 0x030:
		f->queue_select = (uint16_t)v;
		break;
	case 0x038:
		f->queue_size = (uint16_t)v;
		break;
	case 0x050:
		notified(f, (unsigned)v);
		break;
	case 0x070:
		set_status(f, (uint8_t)v);
		break;
	default:
		if (f->kind == FAKE_MMIO_LEGACY)
			mmio_write_legacy(f, off, v);
		else if (off == 0x044)
			enable_queue(f);
		else if (off >= 0x80 && off < 0xa8)
			half(off < 0x90 ? &f->desc : off < 0xa0 ? &f->avail : &f->used, off & 4, v);
		else
			assert(!"write to an unexpected register");
	}
}

/* --- */

static void init_pci(struct fake_vblk *f, uint16_t modern, uint16_t transitional)
{
	bool modern_only = f->kind == FAKE_PCI_MODERN;
	unsigned cap;

	f->fn = (struct fake_pci_fn){ .bus = 0, .devfn = 3 << 3 };
	fake_pci_add(&f->fn, 0x1af4, modern_only ? modern : transitional, 0x010000);
	cap = fake_pci_cap(&f->fn, 0x11, 12);
	fake_pci_set16(&f->fn, cap + 2, 0x8001);
	if (!modern_only)
		fake_pci_bar32(&f->fn, 0, FAKE_VIRTIO_PORT, true);
	if (f->kind != FAKE_PCI_LEGACY) {
		fake_pci_bar64(&f->fn, 4, FAKE_VIRTIO_BAR);
		add_cap(f, 5, 0, 0);
		add_cap(f, 4, 0x2000, 64);
		add_cap(f, 2, 0x3000, 0x1000);
		add_cap(f, 3, 0x1000, 4);
		add_cap(f, 1, 0, 56);
	}
}

void fake_virtio_init(struct fake_vblk *f, enum fake_virtio_kind kind, uint16_t modern, uint16_t transitional,
		      unsigned type)
{
	struct fake_window bar = {.base = FAKE_VIRTIO_BAR,
				  .len = 0x4000,
				  .ctx = f,
				  .read = bar_read,
				  .write = bar_write};
	struct fake_window port = {
		.base = FAKE_VIRTIO_PORT,
		.len = 0x60,
		.port = true,
		.ctx = f,
		.read = port_read,
		.write = port_write,
	};
	struct fake_window mmio = {.base = FAKE_VIRTIO_MMIO,
				   .len = 0x200,
				   .ctx = f,
				   .read = mmio_read,
				   .write = mmio_write};

	memset(f, 0, sizeof(*f));
	f->kind = kind;
	f->features = BIT(28) | BIT(29) | BIT(32);
	f->device_id = type;
	f->queue_max = f->queue_size = 256;
	f->bad_sector = ~0ULL;
	f->wrong_id = f->wrong_len = -1;
	f->reset_us = 100;
	/* the dead kernel's */
	f->status = 15;
	f->queue_live = true;
	f->avail_seen = f->used_idx = 1234;
	if (is_pci(f)) {
		init_pci(f, modern, transitional);
		fake_bus_add(kind == FAKE_PCI_LEGACY ? &port : &bar);
	} else {
		fake_bus_add(&mmio);
	}
}

void fake_vblk_init(struct fake_vblk *f, enum fake_virtio_kind kind, uint8_t *data, uint64_t len)
{
	fake_virtio_init(f, kind, 0x1042, 0x1001, 2);
	f->data = data;
	f->data_len = len;
	strcpy(f->serial, "SIM-VIRTIO-7");
	/* size_max and seg_max, geometry, blk_size, flush, topology, config_wce */
	f->features |= BIT(2) | BIT(4) | BIT(6) | BIT(9) | BIT(10) | BIT(11);
	f->config = (struct fake_vblk_config){
		.capacity = len / 512, .seg_max = 254, .blk_size = 512, .writeback = 1};
}
