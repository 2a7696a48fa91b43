// SPDX-License-Identifier: GPL-2.0-or-later
/* slow: 10 */
/* needs: tests/unit/fake/arena.c stub/idle.c stub/send/session.c stub/send/line.c stub/dead/select.c stub/dead/kallsyms.c stub/dead/vmcore.c */
/* needs: stub/dead/meta.c stub/dead/pages.c stub/dead/dmesg.c stub/dead/report.c */
/*
 * A hostile receiver for the stub's side of the serial protocol. The input is a script: what the
 * UART hands the stub and when, how it takes bytes, and which memory stops to be readable. Whatever
 * that is, the sender ends, sends a bounded number of bytes, reads no memory but the dead kernel's,
 * and every frame that it makes is whole, in sequence, and true.
 *
 * First byte: bit 0 8-bit encoding, 1 XON/XOFF, 2 RTS/CTS, 3 pages of 16 KiB and no VMCOREINFO; from
 * bit 4 the overall deadline in seconds, 0: none. The rest: see step().
 */
#include <assert.h>
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "capstub/label.h"
#include "stub/arch.h"
#include "stub/format/frame.h"
#include "stub/idle.h"
#include "stub/log.h"
#include "stub/send/line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * Two pieces of RAM; the second one's bytes were moved elsewhere, as purgatory does with low
 * memory.
 */
#define LOW		0x10000u
#define LOW_END		0x28000u
#define HIGH		0x40000u
#define HIGH_END	0x48000u
#define HIGH_SOURCE	0x80000u
#define UNITS		((LOW_END - LOW + HIGH_END - HIGH) / SERIAL_UNIT)
#define MAX_UNIT	(HIGH_END / SERIAL_UNIT)
#define HEADER_AT	0x100000u	/* not RAM */
#define NOTES_AT	(LOW + 0x14000u)
#define IMAGE_BYTES	0x8000u
#define IMAGE_VIRT	0xffffffff81000000ULL
#define DIRECT		0xffff888000000000ULL
#define STACK_AT	(LOW + 0xc000u)
#define LOG_BYTES	10000u
#define NR_PASSES	9u
#define CLASS_PASS	4u	/* the first one after the vital ones */

#define STEP_US		20u
#define IDLE_LOOKS	200u	/* after so many looks at the clock with nothing sent, */
#define IDLE_STEP_US	5000u	/* time flies */
/*
 * Everything once, and what is repeated when nobody answers: 71 KB as text, more in frames of one
 * unit
 */
#define WHOLE		100000u

static struct { const uint8_t *p; size_t left; } in;

static struct {
	uint64_t now;
	unsigned idle;
	uint64_t reads, next_op;	/* the next op is done at this read; 0: not known yet */
	uint64_t over_us;		/* the script ended; 0: not yet */
	uint64_t moved_us;		/* the line took a byte */
	uint64_t news_us;		/* a frame was sent that not only the clock asks for */
	uint64_t stalled_until;
	uint64_t sent_us;		/* everything was sent once */
	uint64_t lost_us;		/* time that the script took away */
	unsigned fifo, chunk;
	uint8_t rx[8192];
	size_t rx_at, rx_len;
	uint8_t repeat;
	unsigned repeats;
	unsigned requests;
	uint8_t failing[UNITS];		/* 1: unreadable, 2: every second time */
	bool failed[UNITS];		/* at least once */
	uint64_t written;
} sim;

/* What the frames said */
static struct {
	struct frame_dec dec;
	uint8_t buf[SERIAL_FRAME_MAX];
	uint64_t session;
	uint32_t frames, sequence;
	unsigned raw;			/* bytes of a probe, and the line end before, to come */
	unsigned stop;			/* of the last RESULT */
	bool told[UNITS];		/* in a class pass */
	bool blobs[SERIAL_NR_BLOBS];
} seen;

static struct uart uart;
static struct memory_range ranges[256];
static struct vmcoreinfo vmcoreinfo;
static struct capture capture;
static struct cmdline cmdline;
static uint8_t ram[UNITS][SERIAL_UNIT], header[4096];
static char log_buf[LOG_BYTES];

/*---------------------------------------------------------------- the dead kernel */

/* Index in ram[] of a unit of RAM, UNITS: none */
static unsigned ram_index(uint64_t unit)
{
	uint64_t pa = unit * SERIAL_UNIT;

	if (pa >= LOW && pa < LOW_END)
		return (unsigned)(pa - LOW) / SERIAL_UNIT;
	if (pa >= HIGH && pa < HIGH_END)
		return (unsigned)(LOW_END - LOW + pa - HIGH) / SERIAL_UNIT;
	return UNITS;
}

static bool fails(unsigned index)
{
	if (sim.failing[index] == 2)
		sim.failing[index] = 3;
	else if (sim.failing[index] == 3)
		sim.failing[index] = 2;
	sim.failed[index] |= sim.failing[index] & 1;
	return sim.failing[index] & 1;
}

static int read_mem(void *dst, phys_addr_t pa, size_t len)
{
	uint8_t *p = dst;

	if (range_inside(pa, len, HEADER_AT, HEADER_AT + sizeof(header))) {
		memcpy(dst, header + (pa - HEADER_AT), len);
		return 0;
	}
	/* Only what the elfcorehdr calls RAM, where it says that the bytes are */
	assert(range_inside(pa, len, LOW, LOW_END) ||
	       range_inside(pa, len, HIGH_SOURCE, HIGH_SOURCE + HIGH_END - HIGH));
	if (pa >= HIGH_SOURCE)
		pa = pa - HIGH_SOURCE + HIGH;
	while (len) {
		unsigned index = ram_index(pa / SERIAL_UNIT);
		size_t n = min_u64(len, SERIAL_UNIT - pa % SERIAL_UNIT);

		if (fails(index))
			return -EFAULT;
		memcpy(p, ram[index] + pa % SERIAL_UNIT, n);
		p += n;
		pa += n;
		len -= n;
	}
	return 0;
}

static uint8_t *at(uint64_t pa)
{
	return ram[ram_index(pa / SERIAL_UNIT)] + pa % SERIAL_UNIT;
}

/* Every fourth page is zero, some cannot be compressed, the others can. */
static void fill_ram(void)
{
	uint64_t x = 88172645463325252ULL;

	for (unsigned i = 0; i < UNITS; i++) {
		for (unsigned k = 0; k < SERIAL_UNIT && i % 4; k++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			ram[i][k] = (uint8_t)(i % 8 == 5 ? x : i + k / 64);
		}
	}
}

static size_t put_note(uint8_t *p, const char *name, uint32_t type, const void *desc, uint32_t len)
{
	Elf64_Nhdr h = { (uint32_t)strlen(name) + 1, len, type };

	memcpy(p, &h, sizeof(h));
	memset(p + sizeof(h), 0, 12);
	memcpy(p + sizeof(h), name, strlen(name));
	memcpy(p + sizeof(h) + ALIGN_UP(h.n_namesz, 4), desc, len);
	return sizeof(h) + ALIGN_UP(h.n_namesz, 4) + ALIGN_UP(len, 4);
}

/* One CPU whose stack points into the image, and what VMCOREINFO says */
static void build(void)
{
	static const char info[] =
		"OSRELEASE=6.1.0\nPAGESIZE=4096\nNUMBER(phys_base)=-16711680\n"
		"SYMBOL(swapper_pg_dir)=ffffffff81002000\nSYMBOL(_stext)=ffffffff81000000\n"
		"SYMBOL(init_uts_ns)=ffffffff81003000\n";
	uint64_t prstatus[42] = { 0 }, entry = (LOW + 0x5000) | 0x67, word = IMAGE_VIRT + 0x4100;
	Elf64_Ehdr *e = (void *)header;
	Elf64_Phdr *p = (void *)(header + sizeof(*e));
	uint8_t *notes = at(NOTES_AT);
	size_t len;

	fill_ram();
	memset(at(LOW + 0x2000), 0, SERIAL_UNIT);
	memcpy(at(LOW + 0x2000) + 300 * 8, &entry, 8);
	memcpy(at(STACK_AT + 0x100), &word, 8);
	word = DIRECT + LOW + 0xa000;
	memcpy(at(STACK_AT + 0x108), &word, 8);
	prstatus[14 + 19] = DIRECT + STACK_AT + 0x80;
	len = put_note(notes, "CORE", 1, prstatus, 336);
	*e = (Elf64_Ehdr){ .e_type = ET_CORE, .e_machine = EM_X86_64, .e_version = 1,
			   .e_phoff = sizeof(*e), .e_ehsize = 64, .e_phentsize = 56, .e_phnum = 5 };
	memcpy(e->e_ident, "\177ELF\2\1\1", 7);
	p[0] = (Elf64_Phdr){ PT_NOTE, 0, NOTES_AT, 0, NOTES_AT, len, len, 0 };
	notes += len;
	p[1] = (Elf64_Phdr){ PT_NOTE, 0, NOTES_AT + len, 0, NOTES_AT + len, 0, 0, 0 };
	p[1].p_memsz = p[1].p_filesz = put_note(notes, "VMCOREINFO", 0, info, sizeof(info) - 1);
	p[2] = (Elf64_Phdr){ PT_LOAD, 7, LOW, IMAGE_VIRT, LOW, IMAGE_BYTES, IMAGE_BYTES, 0 };
	p[3] = (Elf64_Phdr){ PT_LOAD, 7, LOW, DIRECT + LOW, LOW, LOW_END - LOW, LOW_END - LOW, 0 };
	len = HIGH_END - HIGH;
	p[4] = (Elf64_Phdr){ PT_LOAD, 7, HIGH_SOURCE, DIRECT + HIGH, HIGH, len, len, 0 };
	for (unsigned i = 0; i < LOG_BYTES; i++)
		log_buf[i] = i % 40 == 39 ? '\n' : (char)('a' + i * i / 7 % 26);
}

static void open_capture(bool large)
{
	struct capture *c = &capture;

	memset(c, 0, sizeof(*c));
	c->vi = memset(&vmcoreinfo, 0, sizeof(vmcoreinfo));
	c->vc.max_ranges = ARRAY_SIZE(ranges);
	c->vc.ranges = ranges;
	c->cl = &cmdline;
	cmdline.level = 31;
	c->vc.read = read_mem;
	c->crash_time = 1700000000;
	assert(!vmcore_open(&c->vc, HEADER_AT, 0) && !vmcore_parse(&c->vc, 0, 0));
	c->vc.page_size = large ? 4 * SERIAL_UNIT : SERIAL_UNIT;
	if (!large)
		c->vi->len = (size_t)vmcore_copy_vmcoreinfo(&c->vc, c->vi->text, sizeof(c->vi->text));
	vtop_init(&c->vt, &c->vc, c->vi);
}

/*---------------------------------------------------------------- what the stub needs */

uint64_t arch_time_us(void)
{
	sim.now += sim.idle++ < IDLE_LOOKS ? STEP_US : IDLE_STEP_US;
	/* Silence and the longest stalls come after the script: all else is short. */
	assert(!sim.over_us || sim.now - sim.over_us < 400000000);
	/*
	 * Nor does it wait for a line that takes nothing, or send the same to somebody who asks for
	 * nothing.
	 */
	assert(sim.now - sim.moved_us < 200000000);
	assert(sim.now - sim.news_us < 1300000000);
	/* Four times as long for requests as for all else, and 10 minutes */
	assert(!sim.sent_us || sim.now < 5 * sim.sent_us + 1000000000 + sim.lost_us);
	return sim.now;
}

void log_print(enum log_level level, const char *fmt, ...)
{
	(void)level;
	if (getenv("FAKE_LOG")) {
		va_list ap;

		va_start(ap, fmt);
		vfprintf(stderr, fmt, ap);
		va_end(ap);
		fputc('\n', stderr);
	}
}

/* The console is the line */
void log_console(const char *fmt, ...)
{
	char line[160];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	assert(n > 0 && (size_t)n < sizeof(line));
	uart.ops->write(&uart, (uint8_t *)line, (size_t)n);
}

const char *log_text(size_t *ret_len)
{
	*ret_len = sizeof(log_buf);
	return log_buf;
}

/*---------------------------------------------------------------- what is sent */

/* The rest of a payload is a deflate stream of exactly @len bytes */
static void inflated(const struct frame_in *f, uint8_t *out, size_t len)
{
	z_stream z = {
		.next_in = (uint8_t *)(uintptr_t)f->p, .avail_in = (unsigned)f->left,
		.next_out = out, .avail_out = (unsigned)len,
	};

	assert(inflateInit2(&z, -SERIAL_WINDOW_BITS) == Z_OK);
	assert(inflate(&z, Z_FINISH) == Z_STREAM_END && !z.avail_in && !z.avail_out);
	inflateEnd(&z);
}

static void check_meta(const uint8_t *buf, size_t total)
{
	struct serial_meta m;
	uint64_t ranges[4], pages = capture.vc.page_size;

	assert(total == sizeof(m) + sizeof(ranges));
	memcpy(&m, buf, sizeof(m));
	memcpy(ranges, buf + sizeof(m), sizeof(ranges));
	assert(m.session == seen.session && m.page_size == pages && m.nr_ranges == 2 &&
	       m.nr_passes == NR_PASSES);
	assert(m.nr_vital == CLASS_PASS && m.max_pfn == HIGH_END / pages);
	assert(ranges[0] == LOW / pages && ranges[1] == (LOW_END - LOW) / pages);
	assert(ranges[2] == HIGH / pages && ranges[3] == (HIGH_END - HIGH) / pages);
}

static void check_blob(struct frame_in *f)
{
	static uint8_t buf[SERIAL_PIECE] __attribute__((aligned(8)));
	unsigned what = (unsigned)frame_get(f, 1);
	uint64_t total = frame_get(f, 4), from = frame_get(f, 4), len = frame_get(f, 2);

	assert(f->ok && what < SERIAL_NR_BLOBS && len <= sizeof(buf) &&
	       range_inside(from, len, 0, total));
	/* Nothing is said of pieces that do not exist */
	assert(len || (!from && !total));
	seen.blobs[what] = true;
	if (!len) {
		assert(!f->left);
		return;
	}
	inflated(f, buf, len);
	if (what == SERIAL_META)
		check_meta(buf, len);
	if (what == SERIAL_LOG)
		assert(total == sizeof(log_buf) && !memcmp(buf, log_buf + from, len));
	if (what == SERIAL_RESULT) {
		assert(total == sizeof(struct capstub_label));
		seen.stop = ((struct capstub_label *)buf)->stop_code;
	}
}

/* What one run says about a unit */
static void check_unit(uint64_t unit, unsigned pass, unsigned type, const uint8_t *contents)
{
	static const uint8_t zero[SERIAL_UNIT];
	unsigned index = ram_index(unit);

	if (type == SERIAL_RUN_OTHER)
		return;
	assert(index < UNITS);
	if (type == SERIAL_RUN_UNREADABLE)
		assert(sim.failed[index]);
	else
		assert(!memcmp(ram[index], type == SERIAL_RUN_ZERO ? zero : contents, SERIAL_UNIT));
	seen.told[index] |= pass >= CLASS_PASS;
	if (pass < CLASS_PASS)
		seen.told[index] = true;
}

static void check_pages(struct frame_in *f)
{
	static uint8_t data[SERIAL_MAX_UNITS * SERIAL_UNIT];
	struct { uint64_t len; unsigned type; } runs[SERIAL_MAX_RUNS];
	unsigned pass = (unsigned)frame_get(f, 1), units = 0, next = 0;
	uint64_t from = frame_get_varint(f), n = frame_get_varint(f), nr = frame_get_varint(f);
	uint64_t sum = 0, unit = from;

	assert(f->ok && pass < NR_PASSES && range_inside(from, n, 0, MAX_UNIT) && n &&
	       nr <= SERIAL_MAX_RUNS);
	for (unsigned i = 0; i < nr; i++) {
		uint64_t word = frame_get_varint(f);

		runs[i].len = word >> 3;
		runs[i].type = word & 7;
		assert(f->ok && runs[i].len && runs[i].len <= n - sum);
		/* Nothing here tells what a page is for */
		assert(runs[i].type < SERIAL_NR_RUNS && runs[i].type != SERIAL_RUN_EXCLUDED);
		sum += runs[i].len;
		if (runs[i].type == SERIAL_RUN_DATA)
			units += (unsigned)runs[i].len;
	}
	assert(units <= SERIAL_MAX_UNITS);
	if (units)
		inflated(f, data, units * SERIAL_UNIT);
	else
		assert(!f->left);
	for (unsigned i = 0; i < nr; i++)
		for (uint64_t k = 0; k < runs[i].len; k++, unit++) {
			check_unit(unit, pass, runs[i].type, data + next * SERIAL_UNIT);
			next += runs[i].type == SERIAL_RUN_DATA;
		}
}

static void on_frame(void *ctx, const struct frame *frame)
{
	struct frame_in f = frame_in(frame->payload, frame->len);

	(void)ctx;
	seen.frames++;
	/* A frame that was spoilt on purpose counts too */
	assert(frame->sequence >= seen.sequence);
	seen.sequence = frame->sequence + 1;
	assert(frame->len <= SERIAL_PAYLOAD_MAX && frame->flags <= SERIAL_FLAG_AGAIN);
	switch (frame->type) {
	case SERIAL_HELLO:
		assert(frame_get(&f, 1) == SERIAL_VERSION && frame_get(&f, 1) <= SERIAL_MODE_8BIT);
		seen.session = frame_get(&f, 8);
		frame_get(&f, 4);
		assert(f.ok && !f.left && frame->mode == SERIAL_MODE_TEXT);
		break;
	case SERIAL_PROBE:
		assert(!f.left && frame->mode == SERIAL_MODE_TEXT);
		seen.raw = 2 + 257;
		break;
	case SERIAL_PROBE_END:
		assert(!f.left && frame->mode == SERIAL_MODE_TEXT);
		break;
	case SERIAL_BLOB:
		check_blob(&f);
		break;
	case SERIAL_PAGES:
		check_pages(&f);
		break;
	case SERIAL_SERVED:
		assert(f.left == 2 && sim.requests);
		break;
	default:
		assert(!"a frame of the stub");
	}
	assert(frame->session == (uint16_t)seen.session);
	if (frame->type == SERIAL_PAGES ||
	    (frame->type == SERIAL_BLOB && (frame->flags || frame->payload[0] != SERIAL_RESULT)))
		sim.news_us = sim.now;
	else if (frame->type == SERIAL_BLOB && !sim.sent_us)
		sim.sent_us = sim.now;
}

/*---------------------------------------------------------------- the receiver */

static uint64_t get(unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes && in.left; i++, in.left--)
		value |= (uint64_t)*in.p++ << 8 * i;
	return value;
}

static void put_rx(void *ctx, const uint8_t *buf, size_t len)
{
	(void)ctx;
	len = min_u64(len, sizeof(sim.rx) - sim.rx_len);
	memcpy(sim.rx + sim.rx_len, buf, len);
	sim.rx_len += len;
}

static void le(struct frame_enc *e, uint64_t value, unsigned bytes)
{
	uint8_t buf[8];

	for (unsigned i = 0; i < 8; i++)
		buf[i] = (uint8_t)(value >> 8 * i);
	frame_data(e, buf, bytes);
}

/* Small, large, or at the edges: what a number in a want may be */
static void number(struct frame_enc *e)
{
	static const uint64_t edges[] = {
		0, 1, MAX_UNIT, MAX_UNIT - 1, UINT32_MAX, BIT(32), BIT(63), ~0ULL,
	};
	unsigned how = (unsigned)get(1);
	uint64_t value = how < 0x80 ? how : how < 0xe0 ? edges[how % ARRAY_SIZE(edges)] : get(8);
	uint8_t buf[10];

	frame_data(e, buf, frame_put_varint(buf, value));
}

static void ctrl(unsigned how)
{
	uint8_t map[32] = { 0 };
	struct frame_enc e;
	unsigned nr;

	frame_enc_init(&e, put_rx, NULL);
	frame_begin(&e, SERIAL_MODE_TEXT, SERIAL_CTRL, 0, (uint16_t)(seen.session + (how == 1)), 0);
	le(&e, SERIAL_VERSION, 1);
	le(&e, get(1), 1);			/* flags */
	le(&e, get(1), 1);			/* encoding */
	le(&e, get(1), 1);			/* units */
	for (nr = (unsigned)get(1) % 8; nr; nr--) {
		unsigned c = (unsigned)get(1);

		map[c / 8] |= (uint8_t)(1u << c % 8);
	}
	frame_data(&e, map, sizeof(map));
	le(&e, get(2), 2);			/* request */
	nr = (unsigned)get(1);
	le(&e, nr, 1);
	for (unsigned i = 0; i < nr % 16; i++) {
		le(&e, get(1), 1);
		number(&e);
		number(&e);
	}
	frame_end(&e);
	sim.requests++;
}

static void any_frame(void)
{
	unsigned type = (unsigned)get(1), how = (unsigned)get(1);
	size_t len = get(2);
	struct frame_enc e;

	len = min_u64(len, in.left);
	frame_enc_init(&e, put_rx, NULL);
	frame_begin(&e, how & 1, type, how >> 1, (uint16_t)seen.session, 0);
	frame_data(&e, in.p, len);
	in.p += len;
	in.left -= len;
	frame_end(&e);
	/* Its bytes may be those of a request */
	sim.requests++;
}

/* One op: how many reads of the UART to wait before it, what, and what belongs to that */
static void step(void)
{
	size_t len;

	if (!sim.next_op) {
		sim.next_op = sim.reads + get(2);
		return;
	}
	sim.next_op = 0;
	sim.rx_at = sim.rx_len = 0;
	switch (get(1) % 9) {
	case 0:		/* bytes as they are */
		len = get(1);
		len = min_u64(len, in.left);
		put_rx(NULL, in.p, len);
		in.p += len;
		in.left -= len;
		break;
	case 1:		/* wishes; of another session */
	case 2:
		ctrl(in.left ? (unsigned)*in.p & 0x80 ? 1 : 0 : 0);
		break;
	case 3:
		any_frame();
		break;
	case 4:		/* one byte again and again */
		sim.repeat = (uint8_t)get(1);
		sim.repeats = (unsigned)get(2);
		break;
	case 5:		/* time passes */
		len = get(2) * 10000;
		sim.now += len;
		sim.moved_us += len;
		sim.lost_us += len;
		break;
	case 6:		/* the line takes nothing */
		len = get(2) * 10000;
		sim.stalled_until = sim.now + len;
		sim.lost_us += len;
		break;
	case 7:		/* memory */
		len = get(1);
		sim.failing[len % UNITS] = (uint8_t)(get(1) % 3);
		break;
	case 8:		/* sizes of the FIFOs */
		sim.fifo = 1 + (unsigned)get(1);
		sim.chunk = 1 + (unsigned)get(1) % 16;
		break;
	}
}

static size_t sim_read(struct uart *u, uint8_t *buf, size_t len)
{
	size_t n = 0;

	(void)u;
	sim.reads++;
	if (sim.rx_at == sim.rx_len && !sim.repeats && sim.reads >= sim.next_op) {
		if (in.left)
			step();
		else if (!sim.over_us)
			sim.over_us = sim.now;
	}
	for (; n < min_u64(len, sim.chunk) && (sim.rx_at < sim.rx_len || sim.repeats); n++) {
		if (sim.rx_at < sim.rx_len) {
			buf[n] = sim.rx[sim.rx_at++];
		} else {
			buf[n] = sim.repeat;
			sim.repeats--;
		}
		if (buf[n] == SERIAL_XOFF)
			sim.lost_us += 65000000;
	}
	return n;
}

static size_t sim_write(struct uart *u, const uint8_t *buf, size_t len)
{
	(void)u;
	if (sim.now < sim.stalled_until)
		return 0;
	len = min_u64(len, sim.fifo);
	sim.written += len;
	sim.moved_us = sim.now;
	sim.idle = 0;
	for (size_t at = 0, n; at < len; at += n) {
		const uint8_t *end = memchr(buf + at, SERIAL_TEXT_END, len - at);

		n = 1;
		if (seen.raw) {
			seen.raw--;
			continue;
		}
		/* Up to what may end the frame before the raw bytes of a probe */
		n = end ? (size_t)(end - buf) + 1 - at : len - at;
		frame_dec_feed(&seen.dec, buf + at, n);
	}
	return len;
}

static bool sim_idle(struct uart *u)
{
	(void)u;
	return true;
}

static const struct uart_ops sim_ops = {
	.name = "simulated", .write = sim_write, .read = sim_read, .idle = sim_idle,
};

/*---------------------------------------------------------------- judgement */

static void judge(enum capstub_stop rc)
{
	bool flapped = false;

	for (unsigned i = 0; i < UNITS; i++)
		flapped |= sim.failed[i];
	assert(rc == STOP_OK || (rc == STOP_LINE_ERROR && sim.lost_us) ||
	       (rc == STOP_DEADLINE && cmdline.deadline_s));
	/* After the deadline: what is on its way, the result, and 5 s for a line that is held */
	assert(!cmdline.deadline_s ||
	       sim.now < cmdline.deadline_s * 1000000 + 15000000 + sim.lost_us);
	/*
	 * When asked, four times as much again, 256 KiB and a last want. HELLOs, META, NOTES and
	 * RESULT come by the clock.
	 */
	assert(sim.written <=
	       6 * WHOLE + KIB(256) + sim.now / 10000 + (uint64_t)sim.requests * 100);
	if (rc == STOP_DEADLINE)
		assert(uart.dead || (seen.blobs[SERIAL_RESULT] && seen.stop == STOP_DEADLINE));
	if (rc != STOP_OK)
		return;
	/* Each frame was whole, but for those with a page that was lost while they were made */
	assert(!seen.raw && seen.dec.state == FRAME_TEXT);
	assert(seen.frames + seen.dec.bad == session_stats.frames &&
	       seen.sequence <= session_stats.frames);
	assert(!seen.dec.bad || flapped);
	for (unsigned i = 0; i < SERIAL_NR_BLOBS; i++)
		assert(seen.blobs[i]);
	for (unsigned i = 0; i < UNITS; i++)
		assert(seen.told[i] || seen.dec.bad);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct line_options opt = { 0 };
	unsigned how;

	if (!header[0])
		build();
	memset(&sim, 0, sizeof(sim));
	memset(&seen, 0, sizeof(seen));
	sim.fifo = sim.chunk = 16;
	in.p = data;
	in.left = size;
	how = (unsigned)get(1);
	opt.mode = how & 1 ? SERIAL_MODE_8BIT : SERIAL_MODE_TEXT;
	opt.xon_xoff = how & 2;
	cmdline.deadline_s = how >> 4;
	idle_set_deadline(cmdline.deadline_s * 1000000ULL);
	uart = (struct uart){ .ops = &sim_ops, .rts_cts = how & 4 };
	open_capture(how & 8);
	frame_dec_init(&seen.dec, seen.buf, sizeof(seen.buf), on_frame, NULL, NULL);
	judge(line_dump(&capture, &uart, &opt));
	assert(uart.ops == &sim_ops);
	return 0;
}
