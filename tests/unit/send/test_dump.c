// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The dump writer on a simulated disk: requests complete in random order, into a volatile cache that loses what was not flushed,
 * in no order; the power goes at random moments (with the requests in flight half written), blocks fail, memory cannot be read.
 * After each run the power goes and the disk is read as crash and libkdumpfile would: whatever they take for a page must be it. And the label must vouch for both ends: for what a capture left there, however it
 * ended, and for nothing else.
 */
/* needs: stub/overlay.c stub/send/dump.c stub/dead/capture.c stub/dead/meta.c stub/send/out.c stub/disk/blk.c stub/dead/vmcore.c tests/unit/fake/arena.c */
/* needs: stub/dead/pages.c stub/dead/dmesg.c stub/idle.c tests/unit/fake/clock.c tests/unit/fake/log.c */
#include <errno.h>
#include <lzo/lzo1x.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "capstub/kdump_format.h"
#include "stub/format/crc.h"
#include "stub/format/vouch.h"
#include "stub/idle.h"
#include "stub/overlay.h"
#include "stub/send/dump.h"
#include "stub/dead/pages.h"
#include "stub/dead/select.h"
#include "tests/unit/fake/arena.h"
#include "tests/unit/fake/bus.h"

#define PAGE		4096u
#define BLOCK		512u
#define DISK_BYTES	(16u << 20)
#define RAM_PAGES	2048u		/* frames 256 .. 2303 */
#define RAM_START	MIB(1)
#define LOW_PAGES	16u		/* frames 0 .. 15, kept elsewhere as by kexec's backup region */
#define LOW_SOURCE	0x10000000ULL
#define MAX_PFN		(256 + RAM_PAGES)

static uint8_t ram[RAM_PAGES * PAGE];
static uint8_t low[LOW_PAGES * PAGE];
static uint8_t disk[DISK_BYTES], garbage[DISK_BYTES];
static uint64_t poisoned;		/* frame that cannot be read; 0: none */
static bool odd_poisoned;		/* nor can any with an odd number */
static uint64_t far;			/* so many frames further up is the RAM */

static uint32_t seed;

static uint32_t rnd(void)
{
	seed = seed * 1664525u + 1013904223u;
	return seed >> 8;
}

/* ---- the dead machine ---- */

static uint8_t *dead(phys_addr_t pa, size_t len)
{
	if (odd_poisoned && (pa / PAGE & 1 || (pa + len - 1) / PAGE & 1))
		return NULL;
	if (poisoned && pa < (poisoned + 1) * PAGE && pa + len > poisoned * PAGE)
		return NULL;
	if (range_inside(pa, len, RAM_START, RAM_START + sizeof(ram)))
		return ram + (pa - RAM_START);
	if (range_inside(pa, len, LOW_SOURCE, LOW_SOURCE + sizeof(low)))
		return low + (pa - LOW_SOURCE);
	return NULL;
}

int arch_write_mem(phys_addr_t pa, const void *src, size_t len)
{
	uint8_t *p = dead(pa, len);

	if (!p)
		return -EFAULT;
	memcpy(p, src, len);
	return 0;
}

int arch_read_mem(void *dst, phys_addr_t pa, size_t len)
{
	const uint8_t *p = dead(pa, len);

	if (!p)
		return -EFAULT;
	memcpy(dst, p, len);
	return 0;
}

void arch_report(void)
{
}

int arch_mem_is_zero(phys_addr_t pa, size_t len)
{
	const uint8_t *p = dead(pa, len);

	if (!p)
		return -EFAULT;
	return !p[0] && !memcmp(p, p + 1, len - 1);
}

static const uint8_t *page_of(uint64_t pfn)
{
	return pfn < LOW_PAGES ? low + pfn * PAGE : ram + (pfn - far - 256) * PAGE;
}

/* A third zero, a third text-like, a third noise */
static void fill_ram(void)
{
	for (unsigned i = 0; i < RAM_PAGES + LOW_PAGES; i++) {
		uint8_t *p = i < RAM_PAGES ? ram + i * PAGE : low + (i - RAM_PAGES) * PAGE;
		unsigned kind = rnd() % 3;

		for (unsigned j = 0; j < PAGE; j++)
			p[j] = kind == 0 ? 0 : kind == 1 ? "capstub "[j % 8] + (j % 512 == 7 ? rnd() % 8 : 0) : (uint8_t)rnd();
		if (kind)
			memcpy(p, &i, sizeof(i));
	}
}

/*
 * Ranks without struct pages: a few frames of each in turn. Of a machine that is not quite dead, each
 * look may find another one.
 */
static bool ranks_change;

struct select *select_take(struct vmcore *vc, const struct vmcoreinfo *vi, struct vtop *vt)
{
	static struct select none;

	(void)vc;
	(void)vi;
	(void)vt;
	return &none;
}

void select_build(struct select *s)
{
	(void)s;
}

enum select_pass select_pass(const struct select *s, uint64_t pfn, enum page_class class)
{
	(void)s;
	(void)class;
	return (ranks_change ? rnd() : pfn / 5) % SELECT_NR_PASSES;
}

/* ---- the disk ---- */

static struct blk_dev dev;
static struct {
	struct blk_req *queue[16];
	unsigned nr;
	unsigned completions;
	unsigned cut_after;	/* completions until the power goes; 0: never */
	bool cut;
	uint64_t bad_lba;	/* writes that touch it fail; 0: none */
	unsigned bad_times;	/* how often; 0: always */
	uint64_t bad_read;	/* reads that begin at this block fail; 0: none */
	uint64_t bad_from, bad_to;	/* writes that begin between these blocks fail */
	unsigned fail_one_in;	/* random write errors; 0: none */
	uint64_t unready_until_us;	/* requests are to be tried again; later one in four, at random */
	unsigned exception_after;	/* submits and polls until there is an exception in one; 0: never */
	unsigned tear;		/* unit in which a cut request is written or not: 512, or a disk that writes 4 KiB at once */
	unsigned keep_one_in;	/* of what was not flushed when the power goes; 0: nothing is kept */
	unsigned flushes;
	uint64_t fail_takes_us;	/* a write that fails takes so long */
	unsigned requests;
	struct { uint64_t from, to; } holes[2];	/* bytes that read as zeros, and only zeros are written to */
	uint64_t hole_written, hole_read;
} sim;

#define IN_HOLE		UINT64_MAX

/* Where on the medium, which has no room for holes */
static uint64_t where(uint64_t at)
{
	uint64_t shift = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(sim.holes); i++) {
		if (at >= sim.holes[i].from && at < sim.holes[i].to)
			return IN_HOLE;
		if (at >= sim.holes[i].to)
			shift += sim.holes[i].to - sim.holes[i].from;
	}
	return at - shift;
}

static void use_hole(enum blk_op op, uint8_t *mem)
{
	static const uint8_t zeros[BLOCK];

	if (op == BLK_READ)
		memset(mem, 0, BLOCK);
	else
		assert_int_equal(memcmp(mem, zeros, BLOCK), 0);
	*(op == BLK_READ ? &sim.hole_read : &sim.hole_written) += BLOCK;
}

/*
 * The volatile cache: disk[] is what the device would read, medium[] what is left without power. Blocks find their way to the
 * medium at any time and in any order; a flush is only sure of what had been written when it was asked for.
 */
static uint8_t durable[DISK_BYTES];
static bool touched[DISK_BYTES / BLOCK], all_touched = true;	/* since there was nothing but garbage */
static struct {
	uint32_t written[DISK_BYTES / BLOCK];	/* when; 0: as on the medium */
	uint32_t now;
	uint32_t flush[2];			/* when those in flight were asked for, by the request's tag; 0: none */
} cache;

static void persist(unsigned block)
{
	memcpy(durable + block * BLOCK, disk + block * BLOCK, BLOCK);
	cache.written[block] = 0;
}

/* Before @block is written again: what a flush in flight is to save must not be lost with it */
static void before_write(unsigned block)
{
	touched[block] = true;
	if (cache.written[block] && (cache.written[block] <= max_u64(cache.flush[0], cache.flush[1]) || rnd() % 8 == 0))
		persist(block);
}

static void after_write(unsigned block)
{
	if (dev.has_flush)
		cache.written[block] = cache.now;
	else
		persist(block);
}

static void flush_done(unsigned tag)
{
	for (unsigned i = 0; i < DISK_BYTES / BLOCK; i++)
		if (cache.written[i] && cache.written[i] <= cache.flush[tag])
			persist(i);
	cache.flush[tag] = 0;
}

static void power_loss(void)
{
	unsigned unit = sim.tear / BLOCK;

	for (unsigned i = 0; i < DISK_BYTES / BLOCK; i += unit) {
		bool keep = sim.keep_one_in && rnd() % sim.keep_one_in == 0;

		for (unsigned k = i; k < i + unit; k++) {
			if (cache.written[k] && keep)
				persist(k);
			else if (cache.written[k])
				memcpy(disk + k * BLOCK, durable + k * BLOCK, BLOCK);
			cache.written[k] = 0;
		}
	}
	memset(cache.flush, 0, sizeof(cache.flush));
}

static void throw_away(void)
{
	for (unsigned i = 0; i < DISK_BYTES / BLOCK; i++) {
		if (!touched[i] && !all_touched)
			continue;
		memcpy(disk + i * BLOCK, garbage + i * BLOCK, BLOCK);
		memcpy(durable + i * BLOCK, garbage + i * BLOCK, BLOCK);
	}
	memset(touched, 0, sizeof(touched));
	all_touched = false;
	memset(&cache, 0, sizeof(cache));
	cache.now = 1;
}

/* From outside, as by another machine */
static void disk_changed(void)
{
	all_touched = true;
	memcpy(durable, disk, sizeof(durable));
	memset(&cache, 0, sizeof(cache));
	cache.now = 1;
}

/* The target is a file in pieces: media[] has them in its order, the disk in another, with blocks of others between them */
static struct extents file;
#define FILE_DISK	(sizeof(disk) * 4)

static uint64_t in_file(uint64_t at)
{
	static uint32_t i;	/* most often the same as before */

	if (!file.v)
		return at;
	for (uint32_t n = 0; n < file.head->nr; n++, i++) {
		i %= file.head->nr;
		if (range_inside(at, BLOCK, file.v[i].disk, file.v[i].disk + (uint64_t)file.v[i].blocks * PAGE))
			return file.v[i].offset + (at - file.v[i].disk);
	}
	fail_msg("byte %lu of the disk is not the file's", at);
	return 0;
}

static void apply(const struct blk_req *req, bool torn)
{
	uint64_t at = req->lba * BLOCK;
	bool keep = true;

	for (unsigned i = 0; i < req->nr_segs; i++) {
		for (uint32_t done = 0; done < req->segs[i].len; done += BLOCK, at += BLOCK) {
			phys_addr_t pa = req->segs[i].pa + done;
			uint8_t *mem = dead(pa, BLOCK);
			uint64_t to = where(in_file(at));

			if (!mem && range_inside(pa, BLOCK, RAM_START, RAM_START + sizeof(ram)))
				continue;
			if (!mem)
				mem = (uint8_t *)(uintptr_t)pa;
			if (to == IN_HOLE) {
				use_hole(req->op, mem);
				continue;
			}
			assert_true(to + BLOCK <= DISK_BYTES);
			if (torn && done % sim.tear == 0)
				keep = rnd() % 2;
			if (torn && !keep)
				continue;
			if (req->op == BLK_READ) {
				memcpy(mem, disk + to, BLOCK);
				continue;
			}
			before_write(to / BLOCK);
			memcpy(disk + to, mem, BLOCK);
			after_write(to / BLOCK);
		}
	}
}

static bool fails(const struct blk_req *req)
{
	if (req->op != BLK_WRITE)
		return sim.bad_read && req->lba == sim.bad_read;
	for (unsigned i = 0; odd_poisoned && i < req->nr_segs; i++)
		if (range_inside(req->segs[i].pa, 1, RAM_START, RAM_START + sizeof(ram)) && !dead(req->segs[i].pa, req->segs[i].len))
			return true;
	for (unsigned i = 0; i < req->nr_segs; i++)
		if (poisoned && req->segs[i].pa < (poisoned + 1) * PAGE &&
		    req->segs[i].pa + req->segs[i].len > poisoned * PAGE)
			return true;
	if (sim.bad_lba && req->lba <= sim.bad_lba && sim.bad_lba < req->lba + req->nr_blocks)
		return !sim.bad_times || sim.bad_times-- > 1;
	if (req->lba >= sim.bad_from && req->lba < sim.bad_to)
		return true;
	return sim.fail_one_in && rnd() % sim.fail_one_in == 0;
}

static jmp_buf reset;

/* Of the kind that leaves memory alone: what there is of a dump is closed, and nothing ever returns to it */
static void exception(void)
{
	if (!sim.exception_after || --sim.exception_after)
		return;
	dump_abort(STOP_MACHINE_CHECK);
	longjmp(reset, 1);
}

static int sim_submit(struct blk_dev *dev, struct blk_req *req)
{
	exception();
	if (sim.nr == dev->queue_depth)
		return -EBUSY;
	if (req->op == BLK_FLUSH) {
		req->tag = cache.flush[0] != 0;
		assert_true(dev->has_flush && !cache.flush[req->tag]);
		cache.flush[req->tag] = cache.now++;
		sim.flushes++;
	}
	for (unsigned i = 0; i < req->nr_segs; i++)
		if (req->segs[i].pa - RAM_START < sizeof(ram))
			assert_true(req->segs[i].pa + req->segs[i].len - 1 <= dev->dma_last);
	sim.queue[sim.nr++] = req;
	sim.requests++;
	exception();
	return 0;
}

static int sim_poll(struct blk_dev *dev)
{
	struct blk_req *req;
	unsigned pick;

	(void)dev;
	exception();
	if (sim.cut)
		return -ENODEV;
	if (!sim.nr || rnd() % 3 == 0)
		return 0;
	if (sim.cut_after && ++sim.completions >= sim.cut_after) {
		for (unsigned i = 0; i < sim.nr; i++)
			if (sim.queue[i]->op == BLK_WRITE)
				apply(sim.queue[i], true);
		sim.cut = true;
		power_loss();
		return -ENODEV;
	}
	pick = rnd() % sim.nr;
	req = sim.queue[pick];
	sim.queue[pick] = sim.queue[--sim.nr];
	if (fake_now_us < sim.unready_until_us || (sim.unready_until_us && rnd() % 4 == 0)) {
		req->status = -EAGAIN;
		if (req->op == BLK_FLUSH)
			cache.flush[req->tag] = 0;
	} else if (req->op == BLK_FLUSH) {
		flush_done(req->tag);
		req->status = 0;
	} else if (fails(req)) {
		fake_now_us += sim.fail_takes_us;
		apply(req, true);
		req->status = -EIO;
	} else {
		apply(req, false);
		req->status = 0;
	}
	return 1;
}

static void sim_shutdown(struct blk_dev *dev)
{
	(void)dev;
	sim.nr = 0;
}

static const struct blk_ops sim_ops = { sim_submit, sim_poll, sim_shutdown };
static uint8_t block_buf[4096] __attribute__((aligned(4096)));
uint8_t *target_block = block_buf;

/* stub/disk/target.c without the search: the same checks by hand, so that a wrong offset shows here */
int target_lba(const struct target *t, uint64_t offset, uint64_t len, uint64_t *ret_lba)
{
	assert_true(len && range_inside(offset, len, 0, t->end));
	assert_true(IS_ALIGNED(offset | len, BLOCK));
	if (t->file) {
		uint64_t run, at = extents_find(t->file, offset, &run);

		assert_true(len <= run);
		*ret_lba = at / BLOCK;
		return 0;
	}
	*ret_lba = t->first_block + offset / BLOCK;
	return 0;
}

int target_rw(struct target *t, enum blk_op op, uint64_t offset, void *buf, size_t len)
{
	uint64_t lba;
	int rc = 0;

	for (uint64_t run; len && !rc; offset += run, buf = (char *)buf + run, len -= run) {
		run = min_u64(len, target_run(t, offset));
		target_lba(t, offset, run, &lba);
		rc = blk_rw(t->dev, op, lba, buf, run);
	}
	return rc;
}

int target_read_block(void *ctx, uint64_t offset, void *block)
{
	return target_rw(ctx, BLK_READ, offset, block, VOUCH_BLOCK);
}

static uint32_t label_crc(const struct capstub_label *l)
{
	struct capstub_label copy = *l;

	copy.crc32c = 0;
	return crc32c(0, &copy, sizeof(copy));
}

int target_write_label(struct target *t)
{
	t->label->crc32c = label_crc(t->label);
	int rc = target_rw(t, BLK_WRITE, t->end - CAPSTUB_LABEL_SIZE, t->label, sizeof(*t->label));

	return rc ? rc : blk_flush(t->dev);
}

enum capstub_stop target_stop_code(const struct target *t, int rc)
{
	(void)rc;
	return t->dev->failed && t->dev->fail_code == -ENODEV ? STOP_DEVICE_GONE : STOP_WRITE_ERROR;
}

const char *log_text(size_t *ret_len)
{
	static char text[8192] __attribute__((aligned(4096))) = "a line of the log\n";

	*ret_len = strlen(text);
	return text;
}

/* ---- one run and the look at the disk ---- */

static struct capture cap;
static struct vmcoreinfo vi;
static struct memory_range ranges[2];
static struct cmdline cl;
static struct target target;
static struct capstub_label label __attribute__((aligned(4096)));
static struct boot_info bi;
static uint64_t end_bytes;

/* The medium itself, whatever became of the device */
static int read_medium(void *ctx, uint64_t offset, void *block)
{
	(void)ctx;
	offset = where(target.first_block * BLOCK + offset);
	if (offset == IN_HOLE)
		memset(block, 0, VOUCH_BLOCK);
	else
		memcpy(block, disk + offset, VOUCH_BLOCK);
	return 0;
}

static struct vouch_src medium(void)
{
	static uint8_t block[VOUCH_BLOCK] __attribute__((aligned(8)));

	return (struct vouch_src){ read_medium, NULL, block, end_bytes };
}

static int ours(const struct capstub_label *l)
{
	struct vouch_src src = medium();

	return vouch_check(l, &src);
}

static void setup_machine(unsigned level, bool lzo, uint64_t bytes)
{
	memset(&cap, 0, sizeof(cap));
	memset(&cl, 0, sizeof(cl));
	memset(&sim, 0, sizeof(sim));
	sim.tear = BLOCK;
	poisoned = 0;
	odd_poisoned = false;
	fake_arena_most = SIZE_MAX;
	far = 0;
	ranks_change = false;
	idle_set_deadline(0);
	end_bytes = bytes;
	cl.level = level;
	cl.compress = lzo ? KDUMP_COMPRESSED_LZO : 0;
	cl.overwrite = true;
	cap.bi = &bi;
	cap.cl = &cl;
	cap.vc.read = overlay_read;
	cap.vc.is_zero = overlay_is_zero;
	cap.vc.page_size = PAGE;
	cap.vi = &vi;
	cap.vc.ranges = ranges;
	cap.vc.nr_ranges = 2;
	cap.vc.ranges[0] = (struct memory_range){ .start = 0, .end = LOW_PAGES * PAGE, .source = LOW_SOURCE };
	cap.vc.ranges[1] = (struct memory_range){ .start = RAM_START, .end = RAM_START + sizeof(ram), .source = RAM_START };
	dev = (struct blk_dev){
		.ops = &sim_ops, .name = "sim", .block_size = BLOCK, .nr_blocks = DISK_BYTES / BLOCK, .max_bytes = 65536,
		.max_segs = 16, .queue_depth = 6, .has_flush = true, .dma_last = UINT64_MAX,
	};
	memset(&label, 0, sizeof(label));
	memcpy(label.magic, CAPSTUB_LABEL_MAGIC, sizeof(label.magic));
	label.version = CAPSTUB_LABEL_VERSION;
	label.target_bytes = bytes;
	file = (struct extents){ 0 };
	throw_away();
	fake_step_us = 10;
	target = (struct target){ .dev = &dev, .end = bytes, .label = &label, .name = "sim" };
	fake_log_reset();
}

struct verdict {
	bool opens;
	uint32_t status;
	unsigned present, missing, zero;
	enum select_pass last_present, first_missing;
	struct capstub_label label;
	bool label_valid;
};

/*
 * What readers make of a descriptor: crash (diskdump.c, cache_page()) and libkdumpfile (diskdump.c, read_page()), those that look
 * at it at all. True: they take @ret_page for the page. What is not compressed crash copies from a buffer, however little it read into it.
 */
static bool decode(const struct page_desc *d, uint64_t end, uint8_t *ret_page)
{
	lzo_uint len = PAGE;

	if (d->offset < 0 || !range_inside((uint64_t)d->offset, d->size, 0, end))
		return false;
	if (d->flags == KDUMP_COMPRESSED_LZO)
		return lzo1x_decompress_safe(disk + where(d->offset), d->size, ret_page, &len, NULL) == LZO_E_OK && len == PAGE;
	memcpy(ret_page, disk + where(d->offset), d->size);
	return true;
}

/* False: missing, for both. A descriptor that was begun has an LZO stream of 1 byte, which is none. */
static bool check_page(const struct page_desc *d, uint64_t pfn, uint64_t end)
{
	bool in_crash = d->size <= PAGE && d->offset, in_kdumpfile = d->flags || d->size == PAGE;
	static uint8_t page[PAGE];

	memset(page, 0xee, PAGE);
	if ((in_crash || in_kdumpfile) && decode(d, end, page)) {
		assert_int_equal(memcmp(page, page_of(pfn), PAGE), 0);
		assert_true(in_crash && in_kdumpfile);
		return true;
	}
	assert_true((!d->offset && !d->size && !d->flags) || (d->size == 1 && d->flags == KDUMP_COMPRESSED_LZO));
	return false;
}

/* Read the disk as a reader does: everything present must be right */
static struct verdict look(void)
{
	const struct disk_dump_header *h = (const void *)disk;
	struct verdict v = { .first_missing = SELECT_NR_PASSES };
	uint64_t at, bitmap1, bitmap2, index = 0;

	memcpy(&v.label, disk + where(end_bytes - CAPSTUB_LABEL_SIZE), sizeof(v.label));
	v.label_valid = !memcmp(v.label.magic, CAPSTUB_LABEL_MAGIC, 8) && v.label.crc32c == label_crc(&v.label);
	if (v.label_valid)
		assert_int_equal(ours(&v.label), 0);
	v.opens = !memcmp(h->signature, KDUMP_SIGNATURE, 8);
	if (!v.opens)
		return v;
	v.status = h->status;
	assert_int_equal(h->block_size, PAGE);
	at = (uint64_t)(1 + h->sub_hdr_size) * PAGE;
	bitmap1 = at;
	bitmap2 = bitmap1 + (uint64_t)h->bitmap_blocks / 2 * PAGE;
	at += (uint64_t)h->bitmap_blocks * PAGE;
	for (uint64_t i = 0; i < MAX_PFN; i++) {
		struct page_desc d;
		bool is_ram = i < LOW_PAGES || i >= 256;
		uint64_t pfn = i < 256 ? i : i + far;

		assert_int_equal(disk[where(bitmap1 + pfn / 8)] >> pfn % 8 & 1, is_ram);
		assert_int_equal(disk[where(bitmap2 + pfn / 8)] >> pfn % 8 & 1, is_ram);
		if (!is_ram)
			continue;
		memcpy(&d, disk + where(at) + index++ * sizeof(d), sizeof(d));
		if (check_page(&d, pfn, end_bytes - CAPSTUB_LOG_OFFSET)) {
			v.present++;
			v.last_present = max_u64(v.last_present, pfn / 5 % SELECT_NR_PASSES);
		} else {
			v.missing++;
			v.first_missing = min_u64(v.first_missing, pfn / 5 % SELECT_NR_PASSES);
		}
	}
	return v;
}

/* The power goes right after the capture, if it did not before */
static enum capstub_stop run_dump(void)
{
	enum capstub_stop stop = dump_to_target(&cap, &target);

	power_loss();
	return stop;
}

static void test_complete(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct verdict v;

		setup_machine(i & 1, i & 2, 12u << 20);
		assert_int_equal(run_dump(), STOP_OK);
		v = look();
		assert_true(v.opens && v.label_valid);
		assert_int_equal(v.missing, 0);
		assert_int_equal(v.present, RAM_PAGES + LOW_PAGES);
		assert_int_equal(v.status & KDUMP_INCOMPLETE, 0);
		assert_int_equal(v.label.state, CAPSTUB_COMPLETE);
		assert_int_equal(v.label.captures, 1);
		assert_int_equal(v.label.pages_stored, RAM_PAGES + LOW_PAGES);
		assert_true(!!v.label.pages_by_class[PAGE_ZERO] == (i & 1));
		assert_true(v.label.log_bytes > 0);
	}
}

/* Words of old memory that the stub had to change are in the dump as the dead kernel left them */
static void test_overlay(void **state)
{
	static const uint8_t changed[16] = "not what it was";

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		phys_addr_t pa[] = { RAM_START + 5 * PAGE + 4090, RAM_START + 40 * PAGE };
		struct verdict v;

		setup_machine(i & 1, i & 2, 12u << 20);
		for (unsigned k = 0; k < ARRAY_SIZE(pa); k++)
			assert_int_equal(overlay_write(pa[k], changed, sizeof(changed)), 0);
		assert_memory_equal(dead(pa[0], 16), changed, 16);
		assert_int_equal(run_dump(), STOP_OK);
		for (unsigned k = 0; k < ARRAY_SIZE(pa); k++)
			overlay_undo(pa[k]);
		v = look();
		assert_true(v.opens && v.label_valid);
		assert_int_equal(v.missing, 0);
		assert_int_equal(v.present, RAM_PAGES + LOW_PAGES);
	}
}

/* A device of 32 bits, or behind an IOMMU with few: what it does not reach is copied, and it is never given an address beyond */
static void test_short_reach(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct verdict v;

		setup_machine(i & 1, i & 2, 12u << 20);
		dev.dma_last = RAM_START + sizeof(ram) / 2 + 2 * PAGE - 1;
		assert_int_equal(run_dump(), STOP_OK);
		v = look();
		assert_int_equal(v.missing, 0);
		assert_int_equal(v.present, RAM_PAGES + LOW_PAGES);
		assert_int_equal(v.label.state, CAPSTUB_COMPLETE);
	}
}

/* A disk that needs half a minute after its reset, and goes on asking for second tries */
static void test_not_ready(void **state)
{
	(void)state;
	for (unsigned lzo = 0; lzo < 2; lzo++) {
		struct verdict v;

		setup_machine(0, lzo, 12u << 20);
		sim.unready_until_us = fake_now_us + 30000000;
		fake_step_us = 100;
		assert_int_equal(run_dump(), STOP_OK);
		fake_step_us = 10;
		v = look();
		assert_true(v.opens && v.label_valid && fake_now_us > sim.unready_until_us);
		assert_int_equal(v.present, RAM_PAGES + LOW_PAGES);
		assert_int_equal(v.label.state, CAPSTUB_COMPLETE);
	}
}

/* Nothing outside the target's window changes */
static void test_window(void **state)
{
	static uint8_t before[DISK_BYTES];

	(void)state;
	setup_machine(1, true, 12u << 20);
	target.first_block = MIB(2) / BLOCK;
	memcpy(before, disk, sizeof(disk));
	assert_int_equal(run_dump(), STOP_OK);
	assert_memory_equal(disk, before, MIB(2));
	assert_memory_equal(disk + MIB(14), before + MIB(14), DISK_BYTES - MIB(14));
}

/* 1000 power cuts: untouched (label empty), or whatever is present is right */
static void test_power_cut(void **state)
{
	unsigned opened = 0, partial = 0;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		struct verdict v;

		setup_machine(i & 1, i & 2, 12u << 20);
		sim.tear = i & 4 ? PAGE : BLOCK;
		sim.keep_one_in = rnd() % 4;
		dev.has_flush = i % 5;
		/* Batches are closed by the clock, too: from one in all to one for a few pages */
		fake_step_us = (unsigned[]){ 10, 1000, 5000, 20000, 50000 }[rnd() % 5];
		sim.cut_after = 1 + rnd() % (i & 2 ? 200 : 250);
		if (run_dump() == STOP_OK)
			assert_false(sim.cut);
		v = look();
		/* A label torn by the cut is not valid, and then there was nothing before or after it to lose */
		if (v.label_valid && v.label.state != CAPSTUB_EMPTY)
			assert_true(v.opens);
		if (v.label_valid && v.label.state == CAPSTUB_COMPLETE)
			assert_int_equal(v.missing, 0);
		if (v.opens && v.missing)
			assert_true(v.status & KDUMP_INCOMPLETE);
		opened += v.opens;
		partial += v.opens && v.missing && v.present;
	}
	assert_true(opened > 500 && partial > 100);
}

/* ---- a file ---- */

static int file_read(void *ctx, uint64_t at, void *buf, uint32_t len)
{
	(void)ctx;
	return blk_rw(&dev, BLK_READ, at / BLOCK, buf, len);
}

static int file_write(void *ctx, uint64_t at, void *buf, uint32_t len)
{
	(void)ctx;
	return blk_rw(&dev, BLK_WRITE, at / BLOCK, buf, len);
}

static int media_read(void *ctx, uint64_t at, void *buf, uint32_t len)
{
	(void)ctx;
	memcpy(buf, disk + in_file(at), len);
	return 0;
}

static void to_medium(uint64_t offset, const void *data, size_t len)
{
	memcpy(disk + offset, data, len);
	memcpy(durable + offset, data, len);
	for (uint64_t i = offset; i < offset + len; i += BLOCK)
		touched[i / BLOCK] = true;
}

#define MAP_NR		300u	/* two blocks of them */
#define SLOT		(FILE_DISK / 2 / MAP_NR / PAGE)	/* blocks of the disk for each but the last */
#define MAP_BYTES	(2 * PAGE)
#define FILE_TAIL	(CAPSTUB_EXTENTS_OFFSET + MAP_BYTES)

/* setup_machine() with a file of MAP_NR pieces, whose label and map stand as `capstub format` leaves them */
static void setup_file(unsigned level, bool lzo, uint64_t bytes)
{
	static uint8_t map[MAP_BYTES] __attribute__((aligned(4096)));
	struct capstub_extent *v = (void *)map;
	static struct capstub_extents head __attribute__((aligned(4096)));
	static uint8_t block[PAGE] __attribute__((aligned(8)));
	uint64_t offset = 0, blocks = (bytes - FILE_TAIL) / PAGE;

	setup_machine(level, lzo, bytes);
	memset(map, 0, sizeof(map));
	memset(&head, 0, sizeof(head));
	dev.nr_blocks = FILE_DISK / BLOCK;
	for (uint32_t i = 0; i < MAP_NR; i++) {
		uint64_t n = i == MAP_NR - 1 ? (bytes - offset) / PAGE :
			     1 + rnd() % min_u64(SLOT - 1, 2 * ((blocks - offset / PAGE) / (MAP_NR - i)) - 1);

		/* Far apart, in another order, and at sectors that are no border of 4 KiB */
		v[i] = (struct capstub_extent){ .offset = offset, .blocks = (uint32_t)n };
		v[i].disk = (i * 7 % MAP_NR) * SLOT * PAGE + (rnd() % 8) * BLOCK;
		offset += n * PAGE;
	}
	v[MAP_NR - 1].disk = FILE_DISK - (uint64_t)v[MAP_NR - 1].blocks * PAGE;
	memcpy(head.magic, CAPSTUB_EXTENTS_MAGIC, 8);
	head.version = CAPSTUB_EXTENTS_VERSION;
	head.target_bytes = bytes;
	head.nr = MAP_NR;
	file = (struct extents){ .head = &head, .v = v,
				 .io = { file_read, file_write, NULL, block, FILE_DISK, BLOCK } };
	head.disk = FILE_DISK - CAPSTUB_EXTENTS_OFFSET;
	for (uint32_t i = 0; i < MAP_NR; i++)
		v[i].crc32c = crc32c(0, disk + v[i].offset, PAGE);
	head.crc32c = extents_crc(&file);
	assert_true(extents_ok(&file));
	to_medium(extents_start(&head), map, sizeof(map));
	to_medium(bytes - CAPSTUB_EXTENTS_OFFSET, &head, sizeof(head));
	target.file = &file;
}

/* Would the next capture take the file? As target_open() judges, from what is on the medium */
static bool file_proven(void)
{
	static uint8_t map[MAP_BYTES] __attribute__((aligned(8)));
	static struct capstub_extents head;
	struct extents x = { .io = file.io, .head = &head, .v = (void *)map };
	uint32_t bad;

	x.io.read = media_read;
	memcpy(map, disk + extents_start(file.head), sizeof(map));
	memcpy(&head, disk + end_bytes - CAPSTUB_EXTENTS_OFFSET, sizeof(head));
	return extents_head_ok(&head, head.disk, &x.io) && extents_ok(&x) && !extents_prove(&x, &bad);
}

/* The dump is the same as on a partition, and the next capture may have the file again */
static void test_file(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		setup_file(i & 1, i & 2, 12u << 20);
		for (unsigned n = 1; n < 4; n++) {
			struct verdict v;

			assert_true(file_proven());
			assert_int_equal(dump_to_target(&cap, &target), STOP_OK);
			power_loss();
			v = look();
			assert_true(v.opens && v.label_valid);
			assert_int_equal(v.missing, 0);
			assert_int_equal(v.present, RAM_PAGES + LOW_PAGES);
			assert_int_equal(v.label.state, CAPSTUB_COMPLETE);
			assert_int_equal(v.label.captures, n);
			assert_true(v.label.dmesg_bytes == 0 || v.label.dmesg_offset + v.label.dmesg_bytes <= extents_start(file.head));
		}
	}
	/* When it is full, no page has gone over the map */
	setup_file(1, false, 5u << 20);
	assert_int_equal(run_dump(), STOP_SPACE);
	assert_true(file_proven());
	assert_true(look().label.dump_bytes <= extents_start(file.head));
}

/*
 * However the capture is cut: what is there is right, and the file is taken again only when every extent is proven. Of a
 * capture that says how it ended, it is.
 */
static void test_file_power_cut(void **state)
{
	unsigned refused = 0, whole = 0, partial = 0;

	(void)state;
	for (unsigned i = 0; i < 400; i++) {
		struct verdict v;
		bool proven;

		setup_file(i & 1, i & 2, 12u << 20);
		sim.tear = i & 4 ? PAGE : BLOCK;
		sim.keep_one_in = rnd() % 4;
		dev.has_flush = i % 5;
		fake_step_us = (unsigned[]){ 10, 1000, 5000, 20000, 50000 }[rnd() % 5];
		sim.cut_after = 1 + rnd() % 1000;
		if (run_dump() == STOP_OK)
			assert_false(sim.cut);
		v = look();
		proven = file_proven();
		if (v.label_valid && v.label.state == CAPSTUB_COMPLETE)
			assert_true(v.missing == 0 && proven);
		if (v.opens && v.missing)
			assert_true(v.status & KDUMP_INCOMPLETE);
		refused += !proven;
		whole += proven && v.label_valid && v.label.state == CAPSTUB_COMPLETE;
		partial += v.opens && v.missing && v.present;
	}
	assert_true(refused > 100 && whole > 20 && partial > 20);
}

/* Single bad spots and random errors: only what was hit is lost, nothing is wrong, and the label says how much */
static void test_write_errors(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		enum capstub_stop stop;
		struct verdict v;

		setup_machine(i & 1, i & 2, i & 16 ? 8u << 20 : 12u << 20);
		sim.tear = i & 8 ? PAGE : BLOCK;
		if (i & 4)
			sim.fail_one_in = 40;
		else
			sim.bad_lba = 300 + rnd() % 6000;
		stop = run_dump();
		v = look();
		if (!v.opens || !v.label_valid)
			continue;
		if (stop == STOP_OK)
			assert_int_equal(v.missing, 0);
		if (v.missing)
			assert_true(v.status & KDUMP_INCOMPLETE);
		if (v.label.stop_code == STOP_INTERRUPTED)
			continue;
		assert_true(v.label.pages_missing >= v.missing || v.label.stop_code == STOP_WRITE_ERROR);
		assert_true(v.label.pages_stored <= v.present);
	}
}

/* One bad block in the data area costs at most the pages of one buffer */
static void test_one_bad_block(void **state)
{
	(void)state;
	for (unsigned lzo = 0; lzo < 2; lzo++) {
		struct verdict v;

		setup_machine(0, lzo, 12u << 20);
		sim.bad_lba = MIB(1) / BLOCK + 77;
		assert_int_equal(run_dump(), STOP_WRITE_ERROR);
		v = look();
		assert_true(v.opens && v.label_valid);
		assert_in_range(v.missing, 1, lzo ? 200 : 2);
		assert_int_equal(v.label.state, CAPSTUB_INCOMPLETE);
		assert_int_equal(v.label.pages_missing, v.missing);
	}
}

/* A disk that is broken from some block on is given up; what is on it is right, and the label claims no page more */
static void test_broken_disk(void **state)
{
	struct verdict v;

	(void)state;
	setup_machine(0, true, 12u << 20);
	sim.bad_from = 600 * 1024 / BLOCK;
	sim.bad_to = MIB(6) / BLOCK;
	assert_int_equal(run_dump(), STOP_WRITE_ERROR);
	v = look();
	assert_true(v.opens && v.label_valid);
	assert_true(v.present > 100 && v.missing > 100);
	assert_int_equal(v.label.state, CAPSTUB_INCOMPLETE);
	assert_in_range(v.label.pages_stored, 1, v.present);
	assert_int_equal(v.label.pages_stored + v.label.pages_missing, RAM_PAGES + LOW_PAGES);
}

/* bitmap2 is read back for the second pass: header, sub-header and bitmap1 come before it */
static void test_unreadable_bitmap(void **state)
{
	struct verdict v;

	(void)state;
	setup_machine(1, true, 12u << 20);
	sim.bad_read = 3 * PAGE / BLOCK;
	assert_int_equal(run_dump(), STOP_READ_ERROR);
	v = look();
	assert_true(v.opens && v.label_valid && (v.status & KDUMP_INCOMPLETE));
	assert_int_equal(v.label.state, CAPSTUB_INCOMPLETE);
	assert_int_equal(v.label.stop_code, STOP_READ_ERROR);
}

/* Of memory, by the CPU or by the device that reads it: one page, and nobody's fault */
static void test_unreadable_page(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct verdict v;

		setup_machine(i & 1, i & 2, 12u << 20);
		poisoned = 700;
		assert_int_equal(run_dump(), STOP_OK);
		v = look();
		assert_true(v.opens);
		assert_int_equal(v.missing, 1);
		assert_true(v.status & KDUMP_INCOMPLETE);
		assert_int_equal(v.label.pages_unreadable, 1);
		assert_int_equal(v.label.pages_missing, 0);
		assert_int_equal(v.label.state, CAPSTUB_COMPLETE);
	}
}

/* With little memory and descriptors that do not follow each other the log goes round several times */
static void test_little_memory(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct verdict v;

		setup_machine(i & 1, true, 12u << 20);
		fake_arena_most = KIB(i ? 40 : 48);	/* one chunk of descriptors in flight, or four */
		odd_poisoned = true;
		fake_step_us = i & 2 ? 5000 : 10;
		assert_int_equal(run_dump(), STOP_OK);
		v = look();
		assert_true(v.opens && v.label_valid);
		assert_int_equal(v.present, (RAM_PAGES + LOW_PAGES) / 2);
		assert_int_equal(v.label.pages_unreadable, v.missing);
	}
}

/* A disk that takes nine seconds for each write and then fails it: minutes, not hours; less with a deadline */
static void test_slow_failures(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct verdict v;
		uint64_t start;

		setup_machine(0, i & 1, 12u << 20);
		dev.queue_depth = 2;
		blk_timeout_us = 600000000;
		sim.fail_takes_us = 9000000;
		sim.bad_from = MIB(1) / BLOCK;
		sim.bad_to = MIB(10) / BLOCK;
		start = fake_now_us;
		if (i & 2)
			idle_set_deadline(start + 20000000);
		assert_int_equal(run_dump(), i & 2 ? STOP_DEADLINE : STOP_WRITE_ERROR);
		assert_in_range((fake_now_us - start) / 1000000, 20, i & 2 ? 100 : 700);
		v = look();
		assert_true(v.opens && v.label_valid && v.present > 50);
		assert_int_equal(v.label.state, CAPSTUB_INCOMPLETE);
		assert_int_equal(v.label.pages_stored, v.present);
		blk_timeout_us = 60000000;
	}
}

/* RAM at 0 and at 2^46: the bitmaps between are 4 GiB of zeros, written once and not looked at */
static void test_far_ram(void **state)
{
	const uint64_t half = BIT(46) / PAGE / 8;

	(void)state;
	for (unsigned lzo = 0; lzo < 2; lzo++) {
		struct verdict v;

		setup_machine(1, lzo, 2 * half + (12u << 20));
		far = BIT(46) / PAGE - 256;
		cap.vc.ranges[1].start += far * PAGE;
		cap.vc.ranges[1].end += far * PAGE;
		dev.nr_blocks = end_bytes / BLOCK;
		dev.max_bytes = MIB(1);
		sim.holes[0].from = 3 * PAGE;
		sim.holes[0].to = 2 * PAGE + half;
		sim.holes[1].from = 2 * PAGE + half + PAGE + PAGE;
		sim.holes[1].to = 2 * PAGE + 2 * half + PAGE;
		assert_int_equal(run_dump(), STOP_OK);
		v = look();
		assert_true(v.opens && v.label_valid);
		assert_int_equal(v.present, RAM_PAGES + LOW_PAGES);
		assert_int_equal(v.label.state, CAPSTUB_COMPLETE);
		assert_int_equal(sim.hole_written, 2 * (half - PAGE));
		assert_true(sim.hole_read <= MIB(1));
		assert_true(sim.requests < 4096 + 1000);
	}
}

/* Too small for all pages: what fits is stored, and right */
static void test_small_target(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct verdict v;
		enum capstub_stop stop;

		setup_machine(i & 1, i & 2, (1u << 20) + (i & 2 ? 0 : 65536));
		stop = run_dump();
		v = look();
		assert_int_equal(stop, STOP_SPACE);
		assert_true(v.opens && v.label_valid);
		assert_true(v.present > 100 && v.missing > 100);
		/* It ended in the middle of one pass */
		assert_true(v.last_present <= v.first_missing);
		assert_int_equal(v.label.pages_stored, v.present);
		assert_int_equal(v.label.pages_missing, v.missing);
		assert_int_equal(v.label.state, CAPSTUB_INCOMPLETE);
		assert_true(v.status & KDUMP_INCOMPLETE);
	}
}

/*
 * A page that one sweep leaves to a later one, and that later one to an earlier, must not be made up
 * for by a page that both take
 */
static void test_changing_ranks(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		struct verdict v;

		setup_machine(i & 1, true, 8u << 20);
		ranks_change = true;
		sim.bad_lba = i & 2 ? MIB(1) / BLOCK + 7 : 0;
		run_dump();
		v = look();
		assert_true(v.opens && v.label_valid);
		assert_int_equal(v.label.pages_stored, v.present);
		assert_int_equal(!!(v.status & KDUMP_INCOMPLETE), v.missing != 0);
		assert_int_equal(v.label.state == CAPSTUB_COMPLETE, v.missing == 0);
		if (!sim.bad_lba)
			assert_int_equal(v.missing, 0);
	}
}

static void test_unsaved(void **state)
{
	(void)state;
	setup_machine(1, true, 12u << 20);
	cl.overwrite = false;
	label.state = CAPSTUB_COMPLETE;
	assert_int_equal(run_dump(), STOP_UNSAVED_DUMP);
	assert_int_equal(sim.completions, 0);
	label.state = CAPSTUB_EMPTY;
	label.dmesg_bytes = 1;
	assert_int_equal(run_dump(), STOP_UNSAVED_DUMP);
	assert_int_equal(sim.completions, 0);
	label.state = CAPSTUB_SAVED;
	assert_int_equal(run_dump(), STOP_OK);
}

static void test_deadline(void **state)
{
	struct verdict v;

	(void)state;
	setup_machine(0, true, 12u << 20);
	cl.deadline_s = 1;
	idle_set_deadline(fake_now_us + 200000);
	fake_step_us = 2000;
	assert_int_equal(run_dump(), STOP_DEADLINE);
	fake_step_us = 10;
	v = look();
	assert_int_equal(v.label.stop_code, STOP_DEADLINE);
	assert_int_equal(v.label.state, CAPSTUB_INCOMPLETE);
}

/* A capture that would begin after the deadline leaves the target, and the dump that it holds, as they are */
static void test_begins_after_the_deadline(void **state)
{
	struct capstub_label before;

	(void)state;
	setup_machine(0, true, 12u << 20);
	assert_int_equal(run_dump(), STOP_OK);
	before = label;
	sim.completions = 0;
	idle_set_deadline(1);
	assert_int_equal(run_dump(), STOP_DEADLINE);
	assert_int_equal(sim.completions, 0);
	assert_memory_equal(&label, &before, sizeof(label));
	assert_true(look().opens);
}

/* 600 exceptions: a dump that was under way is closed, whatever is present is right, and the label says why */
static void test_exception(void **state)
{
	volatile unsigned closed = 0, partial = 0;

	(void)state;
	for (volatile unsigned i = 0; i < 600; i++) {
		struct verdict v;

		setup_machine(i & 1, i & 2, 12u << 20);
		fake_step_us = (unsigned[]){ 10, 5000, 20000 }[i % 3];
		sim.exception_after = 1 + rnd() % 400;
		if (!setjmp(reset))
			run_dump();
		blk_shutdown(&dev);
		power_loss();
		v = look();
		if (!v.label_valid || v.label.stop_code != STOP_MACHINE_CHECK)
			continue;
		assert_int_equal(v.label.state, CAPSTUB_INCOMPLETE);
		assert_true(v.opens || !v.label.dump_bytes);
		assert_true(v.label.pages_stored <= v.present);
		assert_true(v.label.log_bytes != 0);
		if (v.opens)
			assert_true(v.status & KDUMP_INCOMPLETE);
		closed++;
		partial += v.opens && v.present;
	}
	assert_true(closed > 150 && partial > 50);
	/* Without a dump there is nothing to close */
	dump_abort(STOP_MACHINE_CHECK);
}

/* ---- what the label vouches for ---- */

/* As `capstub format` leaves it, apart from the middle */
static void format(void)
{
	struct vouch_src src = medium();

	all_touched = true;
	memset(disk, 0, MIB(1));
	memset(disk + end_bytes - 4096 - CAPSTUB_TAIL_MAX, 0, CAPSTUB_TAIL_MAX);
	label.state = CAPSTUB_EMPTY;
	memset(&label.captures, 0, sizeof(label) - offsetof(struct capstub_label, captures));
	vouch_zeros(&label.vouch, src.block);
	label.crc32c = label_crc(&label);
	memcpy(disk + end_bytes - CAPSTUB_LABEL_SIZE, &label, sizeof(label));
}

/* The machine runs again, with the disk as it was left; @label is what is on it */
static void power_on(void)
{
	disk_changed();
	memset(&sim, 0, sizeof(sim));
	sim.tear = rnd() % 2 ? BLOCK : PAGE;
	sim.keep_one_in = rnd() % 4;
	dev.failed = false;
	dev.fail_code = 0;
	memcpy(&label, disk + end_bytes - CAPSTUB_LABEL_SIZE, sizeof(label));
}

/* Captures on one disk that are cut, fail or go well, hundreds of them: none leaves the target unusable for the next */
static void test_next_capture(void **state)
{
	unsigned by_state[5] = { 0 };

	(void)state;
	setup_machine(0, false, 12u << 20);
	format();
	for (unsigned i = 0; i < 600; i++) {
		struct verdict v;

		power_on();
		assert_int_equal(ours(&label), 0);
		cl.level = rnd() & 1;
		cl.compress = rnd() & 1 ? KDUMP_COMPRESSED_LZO : 0;
		if (rnd() % 8)
			sim.cut_after = 1 + rnd() % (rnd() % 2 ? 100 : cl.compress ? 600 : 300);
		else if (rnd() % 2)
			sim.fail_one_in = 40;
		run_dump();
		v = look();
		if (!v.label_valid) {
			format();
			continue;
		}
		by_state[v.label.state]++;
		/* `capstub save` */
		if (v.label.state != CAPSTUB_EMPTY && rnd() % 2) {
			v.label.state = CAPSTUB_SAVED;
			v.label.crc32c = label_crc(&v.label);
			memcpy(disk + end_bytes - CAPSTUB_LABEL_SIZE, &v.label, sizeof(v.label));
		}
	}
	for (unsigned i = CAPSTUB_EMPTY; i < CAPSTUB_SAVED; i++)
		assert_true(by_state[i] > 10);
}

/* What others write: zeros first, then this. @at from the start, or from the end when it is negative */
static const struct {
	const char *name;
	uint32_t zeros;
	int32_t at;
	const char *bytes;
	unsigned len;
} strangers[] = {
	{ "swap", 1024, 4086, "SWAPSPACE2", 10 },
	{ "LUKS", 0, 0, "LUKS\xba\xbe\0\2", 8 },
	{ "LVM", 0, 512, "LABELONE\1", 9 },
	{ "ext4", 1024, 1024 + 56, "\x53\xef", 2 },
	{ "XFS", 0, 0, "XFSB", 4 },
	{ "boot sector", 0, 510, "\x55\xaa", 2 },
	{ "btrfs", 65536, 65536 + 64, "_BHRfS_M", 8 },
	{ "GFS2", 65536, 65536, "\1\x16\x19\x70\0\0\0\1", 8 },
	{ "JFS", 32768, 32768, "JFS1", 4 },
	{ "ISO 9660", 32768, 32769, "CD001", 5 },
	{ "UDF", 32768, 32769, "BEA01", 5 },
	{ "reiserfs", 65536, 65536 + 52, "ReIsErFs", 8 },
	{ "bcache", 0, 4096 + 24, "\xc6\x85\x73\xf6\x4e\x1a\x45\xca", 8 },
	{ "md 1.1", 0, 0, "\xfc\x4e\x2b\xa9\1", 5 },
	{ "md 1.2", 0, 4096, "\xfc\x4e\x2b\xa9\1", 5 },
	{ "md 1.0", 0, -8192, "\xfc\x4e\x2b\xa9\1", 5 },
	{ "md 0.90", 0, -65536, "\xfc\x4e\x2b\xa9\0\0\0\0\x5a", 9 },
	{ "ZFS", 0, 131072 - 40, "\x11\x7a\x0c\xb1\x7a\xda\x10\2", 8 },
};

static void refuse_strangers(const struct capstub_label *l)
{
	static uint8_t head[CAPSTUB_HEAD_MAX], tail[CAPSTUB_TAIL_MAX];
	uint8_t *end = disk + end_bytes - 4096 - sizeof(tail);

	memcpy(head, disk, sizeof(head));
	memcpy(tail, end, sizeof(tail));
	assert_int_equal(ours(l), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(strangers); i++) {
		int64_t at = strangers[i].at;

		memset(disk, 0, strangers[i].zeros);
		memcpy(disk + (at < 0 ? (int64_t)end_bytes + at : at), strangers[i].bytes, strangers[i].len);
		if (ours(l) != -EEXIST)
			fail_msg("%s in state %u: taken for ours", strangers[i].name, l->state);
		memcpy(disk, head, sizeof(head));
		memcpy(end, tail, sizeof(tail));
	}
}

/* One bit anywhere in [from, from + len) is found out */
static void refuse_any_change(const struct capstub_label *l, uint64_t from, uint32_t len)
{
	for (uint32_t done = 0; done < len; done += VOUCH_BLOCK) {
		uint8_t *p = disk + from + done + rnd() % VOUCH_BLOCK, bit = 1 << rnd() % 8;

		if (p == disk + offsetof(struct disk_dump_header, status))
			continue;
		*p ^= bit;
		assert_int_equal(ours(l), -EEXIST);
		*p ^= bit;
	}
	assert_int_equal(ours(l), 0);
}

static void test_strangers(void **state)
{
	unsigned seen[5] = { 0 };
	uint64_t tail;

	(void)state;
	for (unsigned i = 0; i < 60; i++) {
		struct verdict v;

		setup_machine(i & 1, i & 2, 12u << 20);
		format();
		v = look();
		tail = end_bytes - 4096;
		refuse_strangers(&v.label);
		refuse_any_change(&v.label, 0, CAPSTUB_HEAD_MAX);
		refuse_any_change(&v.label, tail - CAPSTUB_TAIL_MAX, CAPSTUB_TAIL_MAX);
		if (i % 4)
			sim.cut_after = i % 4 == 1 ? 17 + rnd() % 8 : 40 + rnd() % 250;
		run_dump();
		v = look();
		if (!v.label_valid || !v.label.captures)
			continue;
		seen[v.label.state]++;
		refuse_strangers(&v.label);
		assert_int_equal(v.label.vouch.head_bytes, v.label.state == CAPSTUB_EMPTY ? 0 :
				 v.label.state == CAPSTUB_DUMPING ? 4 * PAGE : CAPSTUB_HEAD_MAX);
		assert_int_equal(v.label.vouch.tail_bytes, v.label.state == CAPSTUB_COMPLETE ? CAPSTUB_TAIL_MAX : 56u << 10);
		refuse_any_change(&v.label, 0, v.label.vouch.head_bytes);
		refuse_any_change(&v.label, tail - v.label.vouch.tail_bytes, v.label.vouch.tail_bytes);

		/* As a label of an earlier version would have it */
		memset(&v.label.vouch, 0, sizeof(v.label.vouch));
		refuse_strangers(&v.label);
	}
	assert_true(seen[CAPSTUB_EMPTY] > 2 && seen[CAPSTUB_DUMPING] > 2 && seen[CAPSTUB_COMPLETE] > 2);
}

/* Labels from before these fields: fresh ones have zeros at both ends, but not all the way */
static void test_old_label(void **state)
{
	(void)state;
	setup_machine(1, true, (12u << 20) - 4096);
	memset(disk, 0, MIB(1));
	memset(disk + end_bytes - CAPSTUB_LOG_OFFSET, 0, CAPSTUB_LOG_SIZE);
	refuse_strangers(&label);
	refuse_any_change(&label, 0, CAPSTUB_HEAD_MAX);
	refuse_any_change(&label, end_bytes - CAPSTUB_LOG_OFFSET, CAPSTUB_LOG_SIZE);
	/* md 0.90 where END is not on a border of 64 KiB */
	memcpy(disk + (12u << 20) - 131072, "\xfc\x4e\x2b\xa9\0\0\0\0\x5a", 9);
	assert_int_equal(ours(&label), -EEXIST);
	/* Impossible figures are no permission */
	format();
	label.vouch.head_bytes += 4096;
	assert_int_equal(ours(&label), -EEXIST);
	label.vouch.head_bytes = 100;
	assert_int_equal(ours(&label), -EEXIST);
	label.vouch.head_bytes = 0;
	label.vouch.tail_bytes = UINT32_MAX & ~4095u;
	assert_int_equal(ours(&label), -EEXIST);
}

/* An end that cannot be read is not vouched for anew; what is said of it stays true, and the dump is not lost */
static void test_unreadable_end(void **state)
{
	struct verdict v;

	(void)state;
	setup_machine(1, true, 12u << 20);
	format();
	sim.bad_read = 20 * PAGE / BLOCK;
	assert_int_equal(run_dump(), STOP_OK);
	v = look();
	assert_int_equal(v.label.state, CAPSTUB_COMPLETE);
	assert_int_equal(v.label.vouch.head_bytes, 4 * PAGE);
	assert_int_equal(v.label.vouch.tail_bytes, CAPSTUB_TAIL_MAX);
	refuse_strangers(&v.label);
}

/* RAM that is known of and not there: the dump has all its pages, and is not complete */
static void test_ram_missing(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct verdict v;

		setup_machine(0, true, 8u << 20);
		cap.vc.dropped_bytes = i & 1 ? 0x123000 : 0;
		cap.vc.cut = i & 2;
		assert_int_equal(run_dump(), i ? STOP_RAM_MISSING : STOP_OK);
		v = look();
		assert_true(v.opens && v.label_valid && !v.missing);
		assert_int_equal(v.label.state, i ? CAPSTUB_INCOMPLETE : CAPSTUB_COMPLETE);
		assert_int_equal(v.label.ram_missing, i & 1 ? 0x123000 : i ? PAGE : 0);
	}
	/* another reason is told first */
	setup_machine(0, true, 1u << 20);
	cap.vc.dropped_bytes = 4096;
	assert_int_equal(run_dump(), STOP_SPACE);
	assert_int_equal(look().label.ram_missing, 4096);
}

/* What was on the disk before looks like descriptors, below a header that was zeroed */
static void make_garbage(void)
{
	for (unsigned i = PAGE; i < DISK_BYTES; i += 4)
		memcpy(garbage + i, &(uint32_t){ i % 24 ? 4096 : 65536 }, 4);
}

static int once(void **state)
{
	const char *s = getenv("TEST_SEED");

	(void)state;
	make_garbage();
	seed = s ? (uint32_t)strtoul(s, NULL, 0) : 1;
	fill_ram();
	return lzo_init() == LZO_E_OK ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_complete),
		cmocka_unit_test(test_overlay),
		cmocka_unit_test(test_short_reach),
		cmocka_unit_test(test_not_ready),
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_power_cut),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_file_power_cut),
		cmocka_unit_test(test_write_errors),
		cmocka_unit_test(test_one_bad_block),
		cmocka_unit_test(test_broken_disk),
		cmocka_unit_test(test_unreadable_bitmap),
		cmocka_unit_test(test_unreadable_page),
		cmocka_unit_test(test_little_memory),
		cmocka_unit_test(test_slow_failures),
		cmocka_unit_test(test_far_ram),
		cmocka_unit_test(test_small_target),
		cmocka_unit_test(test_changing_ranks),
		cmocka_unit_test(test_unsaved),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_begins_after_the_deadline),
		cmocka_unit_test(test_exception),
		cmocka_unit_test(test_next_capture),
		cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_old_label),
		cmocka_unit_test(test_unreadable_end),
		cmocka_unit_test(test_ram_missing),
	};

	return cmocka_run_group_tests(tests, once, NULL);
}
