// SPDX-License-Identifier: GPL-2.0-or-later
/* needs: tests/host/dumpfile.c tests/unit/fake/arena.c tools/recv/recv_session.c tools/recv/recv_store.c tools/recv/marks.c tools/recv/spans.c tools/util.c */
/* needs: tools/media/outfile.c tools/media/flat.c tools/media/kdump.c stub/idle.c stub/send/session.c stub/send/line.c */
/* needs: stub/dead/meta.c stub/dead/select.c stub/dead/kallsyms.c stub/dead/vmcore.c */
/* needs: stub/dead/pages.c stub/dead/dmesg.c stub/dead/report.c */
/*
 * Both ends of the serial protocol over a simulated line: the stub's sending side reads a dump file as if it were the dead
 * kernel's memory, the host tool's receiving side writes the capture, and between them is a UART with a FIFO, a baud rate, and
 * whatever goes wrong on lines. Time is simulated: 40 minutes at 115200 baud take seconds.
 *
 *	sim [OPTION...] DUMP DIR	receive into the new folder DIR; then compare every page with DUMP
 *	sim -t TTY [OPTION...] DUMP	the sending side alone, in real time, on a terminal or pty
 *
 *	-b BAUD		115200
 *	-m text|8bit	encoding while no receiver answers; -x: with XON/XOFF escaped
 *	-1		one way: nobody answers
 *	-l LEVEL	31
 *	-c FACTOR	the stub's CPU is this much slower than ours (0: infinitely fast)
 *	-f N		one bit of one in N bytes flipped
 *	-d PERMILLE	frames lost
 *	-B N		a burst of 4 KiB lost once in N bytes
 *	-i N		a byte put in once in N bytes
 *	-C AT:LEN	line cut from second AT for LEN seconds
 *	-H AT:LEN	flow held from second AT for LEN seconds: the UART takes nothing
 *	-X AT:LEN	the same by XOFF and XON: 64 bytes later nothing that is sent arrives
 *	-D SECONDS	the overall deadline
 *	-7		the line strips the eighth bit; -F: it eats XON and XOFF
 *	-R AT		the receiver is killed at second AT and started again
 *	-s AT=FILE	copy of the vmcore as it is at second AT
 *	-S N		seed
 *	-w FILE		everything that is on the line, as a recorder sees it
 *	-q		print the figures as one line of NAME=VALUE words
 *
 * Exit status 0: no page is wrong and, two-way and with stop code 0, none is missing.
 */
#include <elf.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "stub/arch.h"
#include "stub/idle.h"
#include "stub/log.h"
#include "stub/dead/pages.h"
#include "stub/send/line.h"
#include "tests/host/dumpfile.h"
#include "tests/line/fake/io.h"
#include "tools/media/kdump.h"
#include "tools/recv/recv_session.h"
#include "tools/util.h"

#define FIFO_LEN	16u
#define RX_MAX		65536u
#define XOFF_ROOM	64u
#define STEP_MAX_NS	200000u	/* more CPU time than this at a stretch is somebody else's */
#define MAX_SHOTS	8u

struct options {
	uint32_t baud;
	struct line_options serial;
	bool one_way, strip, eat_flow, quiet;
	unsigned level;
	double cpu, flip, frame_loss, burst, insert;
	double cut_at, cut_len, held_at, held_len, xoff_at, xoff_len, restart_at;
	const char *tty, *record;
	struct { double at; const char *file; bool done; } shots[MAX_SHOTS];
	unsigned nr_shots;
};

static struct options opt = { .baud = 115200, .level = 31, .cpu = 1, .cut_at = -1, .held_at = -1, .xoff_at = -1,
			       .restart_at = -1 };

/* The line */
static struct {
	uint64_t now;			/* ns */
	uint64_t byte_ns;
	uint64_t fifo_empty;		/* when the last byte leaves the FIFO */
	uint64_t busy;			/* ns on which a bit was on the line */
	uint64_t tick;			/* of the receiver */
	uint64_t cpu;			/* our clock when the stub was last left alone */
	uint64_t dropped, flipped, inserted;
	uint64_t burst_left;
	bool drop_frame;
	unsigned xoff_bytes;		/* since XOFF: the other side has room for some */
	struct { uint64_t at; uint8_t c; } rx[RX_MAX];	/* on the way back */
	unsigned rx_head, rx_tail;
	uint64_t rx_free;
	int record;
} sim = { .record = -1 };

static struct session session;
static char *out_dir;
static uint64_t stream_ms[SESSION_STREAMS];	/* when the receiver had all of it */
static int tty_fd = -1;

/*---------------------------------------------------------------- what the stub needs */

static uint64_t host_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* The stub has worked for as long as it took here. A gap in our own time (another process) is not its fault. */
static void enter(void)
{
	uint64_t worked = host_ns() - sim.cpu;

	if (opt.cpu > 0)
		sim.now += (uint64_t)((double)min_u64(worked, STEP_MAX_NS) * opt.cpu);
	else
		sim.now += 100;
}

static void leave(void)
{
	sim.cpu = host_ns();
}

uint64_t arch_time_us(void)
{
	if (tty_fd >= 0)
		return host_ns() / 1000;
	enter();
	leave();
	return sim.now / 1000;
}

static char log_buf[8192];
static size_t log_len;

void log_print(enum log_level level, const char *fmt, ...)
{
	va_list ap;
	int n;

	(void)level;
	va_start(ap, fmt);
	n = vsnprintf(log_buf + log_len, sizeof(log_buf) - log_len - 1, fmt, ap);
	va_end(ap);
	if (!opt.quiet)
		fprintf(stderr, "stub: %s\n", log_buf + log_len);
	log_len = min_u64(log_len + (unsigned)n, sizeof(log_buf) - 2);
	log_buf[log_len++] = '\n';
}

static struct uart uart;

/* The console is the line: text between frames */
void log_console(const char *fmt, ...)
{
	char line[160];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line) - 2, fmt, ap);
	va_end(ap);
	n = (int)min_u64((unsigned)n, sizeof(line) - 3);
	memcpy(line + n, "\r\n", 2);
	uart.ops->write(&uart, (uint8_t *)line, (size_t)n + 2);
}

const char *log_text(size_t *ret_len)
{
	*ret_len = log_len;
	return log_buf;
}

/*---------------------------------------------------------------- line */

static double chance(void)
{
	return (double)random() / RAND_MAX;
}

static bool is_between(double at, double len)
{
	double t = (double)sim.now / 1e9;

	return at >= 0 && t >= at && t < at + len;
}

static bool is_cut(void)
{
	return is_between(opt.cut_at, opt.cut_len);
}

static void deliver(uint8_t c)
{
	if (sim.record >= 0 && write(sim.record, &c, 1) != 1)
		err(2, "record");
	session_feed(&session, &c, 1, sim.now / 1000000);
}

/* One byte as the line treats it. Frames are told by their marks, as the encoder put them. */
static void carry(uint8_t c)
{
	static uint8_t begin;		/* of the frame at work, 0: none. Either encoding has the other's marks as data. */

	if (!begin && (c == SERIAL_SOH || c == SERIAL_TEXT_BEGIN)) {
		begin = c;
		sim.drop_frame = opt.frame_loss > 0 && chance() * 1000 < opt.frame_loss;
	}
	if (opt.burst > 0 && !sim.burst_left && chance() * opt.burst < 1)
		sim.burst_left = 4096;
	if (is_between(opt.xoff_at, opt.xoff_len))
		sim.xoff_bytes++;
	if (sim.drop_frame || sim.burst_left || is_cut() ||
	    (sim.xoff_bytes > XOFF_ROOM && is_between(opt.xoff_at, opt.xoff_len))) {
		sim.dropped++;
		sim.burst_left -= sim.burst_left != 0;
	} else if (!(opt.eat_flow && (c == SERIAL_XON || c == SERIAL_XOFF))) {
		uint8_t sent = opt.strip ? c & 0x7f : c;

		if (opt.flip > 0 && chance() * opt.flip < 1) {
			sent ^= (uint8_t)(1u << random() % 8);
			sim.flipped++;
		}
		deliver(sent);
		if (opt.insert > 0 && chance() * opt.insert < 1) {
			deliver((uint8_t)random());
			sim.inserted++;
		}
	}
	if (c == (begin == SERIAL_SOH ? SERIAL_ETX : SERIAL_TEXT_END)) {
		begin = 0;
		sim.drop_frame = false;
	}
}

static void note_progress(void)
{
	const struct capture_state *c = &session.cap;

	for (unsigned i = 0; c->have_meta && i < SERIAL_NR_BLOBS + c->meta.nr_passes; i++) {
		uint64_t end = i < SERIAL_NR_BLOBS ? (c->total_known[i] ? max_u64(c->total[i], 1) : 1) : c->meta.max_pfn;

		if (!stream_ms[i] && spans_has(&c->got[i], 0, end))
			stream_ms[i] = sim.now / 1000000;
	}
}

static void take_shots(void)
{
	char command[8192];

	for (unsigned i = 0; i < opt.nr_shots; i++) {
		if (opt.shots[i].done || (double)sim.now / 1e9 < opt.shots[i].at || !session.cap.have_meta)
			continue;
		opt.shots[i].done = true;
		snprintf(command, sizeof(command), "cp --sparse=always '%s/vmcore' '%s'", session.cap.dir, opt.shots[i].file);
		if (system(command))
			errx(2, "%s", command);
	}
}

static void open_session(void);

static void receiver(void)
{
	if (sim.now < sim.tick)
		return;
	if (opt.restart_at >= 0 && (double)sim.now / 1e9 >= opt.restart_at) {
		opt.restart_at = -1;
		session_free(&session);
		open_session();
	}
	sim.tick = sim.now + (uint64_t)session_tick(&session, sim.now / 1000000) * 100000;
	note_progress();
	take_shots();
}

/* The FIFO as a 16550 shows it: room only when all of it is empty */
static size_t sim_write(struct uart *u, const uint8_t *buf, size_t len)
{
	size_t n = min_u64(len, FIFO_LEN);

	(void)u;
	enter();
	if (sim.now < sim.fifo_empty || is_between(opt.held_at, opt.held_len)) {
		leave();
		return 0;
	}
	/* The last byte is still in the shift register when the FIFO is empty: it takes one byte's time more */
	if (sim.now > sim.fifo_empty + sim.byte_ns)
		sim.fifo_empty = sim.now - sim.byte_ns;
	sim.fifo_empty += n * sim.byte_ns;
	sim.busy += n * sim.byte_ns;
	for (size_t i = 0; i < n; i++)
		carry(buf[i]);
	receiver();
	leave();
	return n;
}

/* The way back has the same faults, per byte */
static void send_back(void *ctx, const uint8_t *buf, size_t len)
{
	(void)ctx;
	for (; len--; buf++) {
		uint8_t c = *buf;

		sim.rx_free = max_u64(sim.rx_free, sim.now) + sim.byte_ns;
		if (is_cut() || sim.rx_head - sim.rx_tail == RX_MAX)
			continue;
		if (opt.flip > 0 && chance() * opt.flip < 1)
			c ^= (uint8_t)(1u << random() % 8);
		sim.rx[sim.rx_head % RX_MAX].at = sim.rx_free;
		sim.rx[sim.rx_head++ % RX_MAX].c = c;
	}
}

/* XOFF at its time, XON when it is over */
static void flow_control(void)
{
	static unsigned done;
	double t = (double)sim.now / 1e9;
	uint8_t c = done ? SERIAL_XON : SERIAL_XOFF;

	if (opt.xoff_at < 0 || done > 1 || t < opt.xoff_at + done * opt.xoff_len)
		return;
	done++;
	send_back(NULL, &c, 1);
}

static size_t sim_read(struct uart *u, uint8_t *buf, size_t len)
{
	size_t n = 0;

	(void)u;
	enter();
	receiver();
	flow_control();
	while (n < len && sim.rx_tail != sim.rx_head && sim.rx[sim.rx_tail % RX_MAX].at <= sim.now)
		buf[n++] = sim.rx[sim.rx_tail++ % RX_MAX].c;
	leave();
	return n;
}

static bool sim_idle(struct uart *u)
{
	(void)u;
	return sim.now >= sim.fifo_empty;
}

static const struct uart_ops sim_ops = { .name = "simulated", .write = sim_write, .read = sim_read, .idle = sim_idle };

/* Nothing to do until something happens: go there */
void sim_relax(void)
{
	uint64_t next = sim.now + 1000000;

	if (tty_fd >= 0)
		return;
	enter();
	if (sim.now < sim.fifo_empty)
		next = min_u64(next, sim.fifo_empty);
	if (sim.rx_tail != sim.rx_head)
		next = min_u64(next, sim.rx[sim.rx_tail % RX_MAX].at);
	sim.now = max_u64(sim.now, next);
	receiver();
	leave();
}

static void show_text(void *ctx, const uint8_t *buf, size_t len)
{
	(void)ctx;
	if (!opt.quiet)
		fwrite(buf, 1, len, stdout);
}

static void open_session(void)
{
	memset(&session, 0, sizeof(session));
	session.out = out_dir;
	session.name = "line";
	session.quiet = opt.quiet;
	session.two_way = !opt.one_way;
	session.send = send_back;
	session.text = show_text;
	session_init(&session);
}

/*---------------------------------------------------------------- a real terminal */

static size_t tty_write(struct uart *u, const uint8_t *buf, size_t len)
{
	ssize_t n = write(tty_fd, buf, min_u64(len, FIFO_LEN * 16));

	(void)u;
	if (n < 0 && errno != EAGAIN)
		err(2, "write");
	return n < 0 ? 0 : (size_t)n;
}

static size_t tty_read(struct uart *u, uint8_t *buf, size_t len)
{
	ssize_t n = read(tty_fd, buf, len);

	(void)u;
	return n < 0 ? 0 : (size_t)n;
}

static const struct uart_ops tty_ops = { .name = "tty", .write = tty_write, .read = tty_read, .idle = sim_idle };

static void open_tty(void)
{
	struct termios t;

	tty_fd = open(opt.tty, O_RDWR | O_NOCTTY | O_NONBLOCK);
	if (tty_fd < 0)
		err(2, "%s", opt.tty);
	if (!tcgetattr(tty_fd, &t)) {
		cfmakeraw(&t);
		tcsetattr(tty_fd, TCSANOW, &t);
	}
}

/*
 * The dump is an ELF core. The stub reads an elfcorehdr, whose notes are in memory: they are given a place behind all RAM and, because
 * a core's contents are read by their offset in it, behind the file. The program headers are those of the core.
 */
#define HEADER_AT	BIT(50)
#define HEADER_MAX	65536u
#define NOTES_MAX	65536u

static struct {
	uint8_t header[HEADER_MAX];
	uint8_t notes[NOTES_MAX];
	uint64_t notes_at;
	int (*read)(void *dst, phys_addr_t pa, size_t len);
} core;

/*---------------------------------------------------------------- result */

struct verdict {
	uint64_t stored, wrong, missing, unknown;
};

/* Every page of the vmcore against the dump it was sent from */
static void compare(const char *path, struct verdict *v)
{
	static uint8_t packed[65536], page[65536];
	struct kdump_walk *w = must_alloc(1, sizeof(*w));
	struct kdump_page p;
	struct kdump k;
	int fd = open(path, O_RDONLY), rc;

	memset(v, 0, sizeof(*v));
	if (fd < 0 || kdump_open(&k, path, fd, (uint64_t)lseek(fd, 0, SEEK_END)))
		errx(2, "%s: not a dump", path);
	kdump_walk_start(w, &k);
	while ((rc = kdump_walk_next(w, &p)) == 1) {
		const void *want = dump_page(p.pfn);
		uLongf len = sizeof(page);

		/* The pages that we made up for the notes */
		if (p.pfn >= core.notes_at / (uint64_t)k.hdr.block_size)
			continue;
		if (p.state == PAGE_MISSING) {
			v->missing++;
			continue;
		}
		v->stored++;
		if (p.state != PAGE_STORED || read_at(fd, packed, p.desc.size, (uint64_t)p.desc.offset))
			v->wrong++;
		else if (!p.desc.flags)
			v->wrong += !want || memcmp(packed, want, (size_t)k.hdr.block_size) != 0;
		else
			v->wrong += !want || uncompress(page, &len, packed, p.desc.size) != Z_OK ||
				    len != (size_t)k.hdr.block_size || memcmp(page, want, len) != 0;
	}
	if (rc)
		errx(2, "%s: %s", path, strerror(-rc));
	close(fd);
	free(w);
}

static void report(const struct verdict *v, int result, enum capstub_stop stop)
{
	double total = (double)sim.now / 1e9;
	const struct session_stats *st = &session_stats;
	const uint64_t *ms = stream_ms;

	printf("seconds=%.1f line=%" PRIu64 " busy=%.2f%% payload=%.2f%% frames=%" PRIu64 " again=%" PRIu64 " lost=%" PRIu64
	       " stored=%" PRIu64 " wrong=%" PRIu64 " missing=%" PRIu64 " whole=%s stop=%d result=%d",
	       total, st->line_bytes, (double)sim.busy / (double)sim.now * 100,
	       (double)st->payload_bytes * 100 / (double)st->line_bytes, st->frames, st->again_frames, session.cap.lost, v->stored,
	       v->wrong, v->missing, result ? "no" : "yes", stop,
	       session.cap.have_result ? (int)session.cap.result.stop_code : -1);
	printf(" t_dmesg=%.1f b_dmesg=%" PRIu64, (double)ms[SERIAL_DMESG] / 1e3, st->first_bytes[SERIAL_DMESG]);
	for (unsigned i = 0; i < session.cap.meta.nr_passes; i++)
		printf(" t_pass%u=%.1f b_pass%u=%" PRIu64, i, (double)ms[SERIAL_NR_BLOBS + i] / 1e3, i,
		       st->first_bytes[SERIAL_NR_BLOBS + i]);
	printf("\n");
}

/*---------------------------------------------------------------- begin */

static struct capture capture;
static struct memory_range ranges[4096];
static struct cmdline cmdline;

static int read_core(void *dst, phys_addr_t pa, size_t len)
{
	if (range_inside(pa, len, HEADER_AT, HEADER_AT + HEADER_MAX))
		memcpy(dst, core.header + (pa - HEADER_AT), len);
	else if (range_inside(pa, len, core.notes_at, core.notes_at + NOTES_MAX))
		memcpy(dst, core.notes + (pa - core.notes_at), len);
	else
		return core.read(dst, pa, len);
	return 0;
}

/* Each note becomes a segment, as the kernel lists one for each CPU; the file's own notes were one. */
static unsigned add_notes(const uint8_t *map, const Elf64_Phdr *p, Elf64_Phdr *out)
{
	uint64_t at = 0;
	unsigned n = 0;

	if (p->p_filesz > NOTES_MAX)
		errx(2, "too many notes");
	memcpy(core.notes, map + p->p_offset, p->p_filesz);
	while (at + sizeof(Elf64_Nhdr) <= p->p_filesz) {
		const Elf64_Nhdr *h = (const void *)(core.notes + at);
		uint64_t len = sizeof(*h) + ALIGN_UP(h->n_namesz, 4) + ALIGN_UP(h->n_descsz, 4);

		out[n++] = (Elf64_Phdr){ .p_type = PT_NOTE, .p_offset = core.notes_at + at, .p_paddr = core.notes_at + at,
					 .p_filesz = len, .p_memsz = len };
		at += len;
	}
	return n;
}

static void make_header(const uint8_t *map)
{
	const Elf64_Ehdr *e = (const void *)map;
	const Elf64_Phdr *p = (const void *)(map + e->e_phoff);
	Elf64_Phdr *out = (void *)(core.header + sizeof(*e));
	unsigned n = 0;

	for (unsigned i = 0; i < e->e_phnum; i++)
		if (p[i].p_type == PT_LOAD)
			core.notes_at = max_u64(core.notes_at, ALIGN_UP(max_u64(p[i].p_paddr + p[i].p_memsz,
										p[i].p_offset + p[i].p_filesz), MIB(1)));
	for (unsigned i = 0; i < e->e_phnum && n < 500; i++) {
		if (p[i].p_type == PT_NOTE)
			n += add_notes(map, &p[i], out + n);
		else if (p[i].p_type == PT_LOAD)
			out[n++] = p[i];
	}
	out[n++] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_offset = core.notes_at, .p_paddr = core.notes_at,
				 .p_filesz = NOTES_MAX, .p_memsz = NOTES_MAX };
	memcpy(core.header, e, sizeof(*e));
	((Elf64_Ehdr *)core.header)->e_phoff = sizeof(*e);
	((Elf64_Ehdr *)core.header)->e_phnum = (Elf64_Half)n;
}

static void read_utsname(struct capture *c)
{
	uint64_t va, offset = 4;

	vmcoreinfo_string(c->vi, "OSRELEASE", c->release, sizeof(c->release));
	vmcoreinfo_offset(c->vi, "uts_namespace.name", &offset);
	if (vmcoreinfo_symbol(c->vi, "init_uts_ns", &va) || vtop_read(&c->vt, &c->uts, va + offset, sizeof(c->uts)))
		errx(2, "no utsname");
	strcpy(c->uts.machine, dump_vmcore.machine == 183 ? "aarch64" : "x86_64");
}

static void open_dump(const char *path)
{
	struct capture *c = &capture;
	struct stat st;
	int fd = open(path, O_RDONLY);
	void *map;

	if (fd < 0 || fstat(fd, &st))
		err(2, "%s", path);
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED || st.st_size < 4096 || memcmp(map, ELFMAG, SELFMAG))
		errx(2, "%s: not an ELF core", path);
	dump_open(path);
	make_header(map);
	core.read = dump_vmcore.read;
	c->cl = &cmdline;
	cmdline.level = opt.level;
	c->vc.read = read_core;
	c->vc.max_ranges = ARRAY_SIZE(ranges);
	c->vc.ranges = ranges;
	if (vmcore_open(&c->vc, HEADER_AT, 0) || vmcore_parse(&c->vc, 0, 0))
		errx(2, "%s: no vmcore", path);
	c->vc.page_size = dump_vmcore.page_size;
	c->vi = &dump_vmcoreinfo;
	vtop_init(&c->vt, &c->vc, c->vi);
	read_utsname(c);
	c->crash_time = 1700000000;
}

static void parse_span(double *ret_at, double *ret_len)
{
	if (sscanf(optarg, "%lf:%lf", ret_at, ret_len) != 2)
		errx(2, "AT:LEN, not %s", optarg);
}

static void parse(int argc, char **argv)
{
	int o;

	while ((o = getopt(argc, argv, "t:b:m:x1l:c:f:d:B:i:C:H:X:D:7FR:s:S:w:q")) != -1) {
		switch (o) {
		case 't': opt.tty = optarg; break;
		case 'b': opt.baud = (uint32_t)atoi(optarg); break;
		case 'm': opt.serial.mode = strcmp(optarg, "8bit") ? SERIAL_MODE_TEXT : SERIAL_MODE_8BIT; break;
		case 'x': opt.serial.xon_xoff = true; break;
		case '1': opt.one_way = true; break;
		case 'l': opt.level = (unsigned)atoi(optarg); break;
		case 'c': opt.cpu = atof(optarg); break;
		case 'f': opt.flip = atof(optarg); break;
		case 'd': opt.frame_loss = atof(optarg); break;
		case 'B': opt.burst = atof(optarg); break;
		case 'i': opt.insert = atof(optarg); break;
		case 'C': parse_span(&opt.cut_at, &opt.cut_len); break;
		case 'H': parse_span(&opt.held_at, &opt.held_len); break;
		case 'X': parse_span(&opt.xoff_at, &opt.xoff_len); break;
		case 'D': cmdline.deadline_s = (uint32_t)atoi(optarg); break;
		case '7': opt.strip = true; break;
		case 'F': opt.eat_flow = true; break;
		case 'R': opt.restart_at = atof(optarg); break;
		case 's':
			if (opt.nr_shots == MAX_SHOTS || !strchr(optarg, '='))
				errx(2, "-s AT=FILE");
			opt.shots[opt.nr_shots].at = atof(optarg);
			opt.shots[opt.nr_shots++].file = strchr(optarg, '=') + 1;
			break;
		case 'S': srandom((unsigned)atoi(optarg)); break;
		case 'w': opt.record = optarg; break;
		case 'q': opt.quiet = true; break;
		default: errx(2, "see the head of tests/line/sim.c");
		}
	}
	if (argc - optind != (opt.tty ? 1 : 2))
		errx(2, "usage: sim [OPTION...] DUMP DIR");
}

static int simulate(const char *dir)
{
	enum capstub_stop stop;
	struct verdict v;
	char path[8192];
	int result;

	out_dir = strdup(dir);
	sim.byte_ns = 10000000000ULL / opt.baud;
	if (opt.record)
		sim.record = open(opt.record, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	open_session();
	uart.ops = &sim_ops;
	leave();
	stop = line_dump(&capture, &uart, &opt.serial);
	/* What is on the way arrives */
	sim.now = max_u64(sim.now, sim.fifo_empty);
	note_progress();
	snprintf(path, sizeof(path), "%s/vmcore", session.cap.dir ? session.cap.dir : "none");
	result = session_end(&session);
	if (!opt.quiet)
		session_report(&session, stdout);
	compare(path, &v);
	report(&v, result, stop);
	return v.wrong || (!opt.one_way && !stop && (v.missing || result));
}

int main(int argc, char **argv)
{
	parse(argc, argv);
	idle_set_deadline(cmdline.deadline_s * 1000000ULL);
	open_dump(argv[optind]);
	if (!opt.tty)
		return simulate(argv[optind + 1]);
	open_tty();
	uart.ops = &tty_ops;
	uart.spec.baud = opt.baud;
	return line_dump(&capture, &uart, &opt.serial) != STOP_OK;
}
