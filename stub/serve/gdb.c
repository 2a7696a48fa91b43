// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * gdb's remote serial protocol (gdb manual, appendix of that name; packets are found there under
 * their letters): what a debugger may ask of a dead machine. Nothing runs and nothing is written:
 * memory is what the elfcorehdr calls RAM, found by virtual address through the dead kernel's page
 * tables; a thread is a CPU, its registers are those of its crash note.
 *
 * Whoever is at the other end may read all that, and nothing else: no register of a device, no byte
 * of the stub.
 */
#include "stub/serve/gdb.h"

#include <cpu.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stub/dead/dmesg.h"
#include "stub/dead/report.h"
#include "stub/format/uuid.h"
#include "stub/log.h"
#include "stub/mem.h"
#include "stub/serve/packet.h"
#include "stub/serve/regs.h"

#define THREADS_ROOM	24u	/* of an answer, for one more thread */
#define PIECE		64u	/* of memory */
#define NOTE_BYTES	(PRSTATUS_REG + 34 * 8)	/* of a crash note, the longer of the two */
#define LINK_ALIGN	MIB(2)	/* kernels are linked at a multiple of it */
#define SIGABRT		6

enum gdb_end { GDB_GOES_ON, GDB_RESET, GDB_HALT };

struct gdb {
	struct capture *c;
	enum gdb_end end;
	bool phys;		/* addresses are physical */
	unsigned nr_threads;	/* CPU n is thread n + 1, because 0 is any thread */
	unsigned thread;	/* whose registers are asked for, counted from 0 */
	unsigned next;		/* of the threads, the first that was not listed */
	unsigned panicked;	/* CPU; nr_threads: not known */
	unsigned log_cpu, log_pid;	/* as the log has it */
	uint8_t note[NOTE_BYTES];	/* of a CPU, as far as there is one: */
	size_t note_len;
	char text[200];
	struct packets p;
};

/*---------------------------------------------------------------- answers */

/* Append; what does not fit is left out */
static __attribute__((format(printf, 2, 3))) void say(struct gdb *g, const char *fmt, ...)
{
	size_t room = PACKET_MAX - g->p.out_len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(g->p.out + g->p.out_len, room, fmt, ap);
	va_end(ap);
	/* The last byte is vsnprintf()'s NUL */
	if (n > 0 && room)
		g->p.out_len += min_u64((uint64_t)n, room - 1);
}

/* What the answer has from @from on was bytes: make hexadecimal digits of them */
static void make_hex(struct gdb *g, size_t from)
{
	static const char digits[] = "0123456789abcdef";
	size_t len = min_u64(g->p.out_len - from, (PACKET_MAX - from) / 2);
	char *p = g->p.out + from;

	g->p.out_len = from + 2 * len;
	while (len--) {
		uint8_t c = (uint8_t)p[len];

		p[2 * len] = digits[c >> 4];
		p[2 * len + 1] = digits[c & 15];
	}
}

static void say_error(struct gdb *g, int error)
{
	g->p.out_len = 0;
	say(g, "E%02x", (unsigned)error);
}

static void say_stop(struct gdb *g)
{
	say(g, "T%02xthread:%x;", SIGABRT, g->thread + 1);
}

/*
 * What was said is text for the user, and the answer proper comes after it. False: nobody wants
 * more of it.
 */
static bool tell(struct gdb *g)
{
	bool more;

	memmove(g->p.out + 1, g->p.out, g->p.out_len++);
	g->p.out[0] = 'O';
	make_hex(g, 1);
	more = packet_put_more(&g->p);
	g->p.out_len = 0;
	return more;
}

/*---------------------------------------------------------------- CPUs */

/* The process that the CPU ran; 0 is its idle task, or there is no note */
static uint32_t read_note(struct gdb *g, unsigned cpu)
{
	int n = vmcore_prstatus(&g->c->vc, cpu, g->note, sizeof(g->note));
	uint32_t pid = 0;

	g->note_len = n < 0 ? 0 : (size_t)n;
	if (g->note_len >= PRSTATUS_REG)
		memcpy(&pid, g->note + PRSTATUS_PID, sizeof(pid));
	return pid;
}

/* The report of a panic or oops has "CPU: 2 [UID: 0] PID: 345 Comm: sh"; the last one counts */
static void look_at_line(void *ctx, const char *text, size_t len)
{
	struct gdb *g = ctx;
	const char *cpu, *pid;

	snprintf(g->text, sizeof(g->text), "%.*s", (int)len, text);
	cpu = strstr(g->text, "CPU: ");
	pid = cpu ? strstr(cpu, " PID: ") : NULL;
	if (pid) {
		g->log_cpu = (unsigned)strtoull(cpu + 5, NULL, 10);
		g->log_pid = (unsigned)strtoull(pid + 6, NULL, 10);
	}
}

/*
 * By the pid, as CPUs without a note have no number here; by the number when it is the idle task,
 * which each of them has.
 */
static void find_panicked(struct gdb *g)
{
	g->log_cpu = UINT32_MAX;
	report_show(g->c, false, look_at_line, g);
	for (g->panicked = 0; g->panicked < g->nr_threads; g->panicked++)
		if (read_note(g, g->panicked) == g->log_pid &&
		    (g->log_pid || g->panicked == g->log_cpu))
			break;
}

/* A thread as packets name it, -1 and 0 for any. False: there is none. */
static bool parse_thread(const struct gdb *g, const char *s, unsigned *ret)
{
	uint64_t id = strtoull(s, NULL, 16);

	if (!id || *s == '-') {
		*ret = g->thread;
		return true;
	}
	*ret = (unsigned)(id - 1);
	return id <= g->nr_threads;
}

static const struct {
	char name[9];
	uint8_t size;
} kinds[] = {
	[GDB_INT64] = { "int64", 8 }, [GDB_INT32] = { "int32", 4 }, [GDB_CODE] = { "code_ptr", 8 },
	[GDB_DATA] = { "data_ptr", 8 }, [GDB_X87] = { "i387_ext", 10 },
};

/* All of them, or the one with number @only */
static void say_regs(struct gdb *g, uint64_t only)
{
	unsigned nr = 0;

	read_note(g, g->thread);
	for (const struct gdb_reg *r = ARCH_GDB.regs; r < ARCH_GDB.regs + ARCH_GDB.nr; r++) {
		unsigned size = kinds[r->kind].size, at = PRSTATUS_REG + r->word * 8;

		if (!size || (only != nr++ && only != UINT64_MAX))
			continue;
		if (r->word == GDB_NOWHERE || at + size > g->note_len) {
			/* gdb goes away when it does not know where the program is */
			say(g, "%.*s", (int)(2 * size),
			    r->kind == GDB_CODE ? "0000000000000000" : "xxxxxxxxxxxxxxxxxxxx");
			continue;
		}
		memcpy(g->p.out + g->p.out_len, g->note + at, size);
		g->p.out_len += size;
		make_hex(g, g->p.out_len - size);
	}
	if (!g->p.out_len)
		say_error(g, EINVAL);
}

static void say_threads(struct gdb *g)
{
	if (g->next == g->nr_threads) {
		say(g, "l");
		return;
	}
	for (char c = 'm'; g->next < g->nr_threads && g->p.out_len < PACKET_MAX - THREADS_ROOM;
	     c = ',')
		say(g, "%c%x", c, ++g->next);
}

static void say_thread_info(struct gdb *g, const char *s)
{
	unsigned cpu;
	uint32_t pid;

	if (!parse_thread(g, s, &cpu)) {
		say_error(g, EINVAL);
		return;
	}
	pid = read_note(g, cpu);
	say(g, g->note_len ? "CPU %u, pid %u%s" : "no registers of any CPU", cpu, (unsigned)pid,
	    cpu == g->panicked ? ", panicked" : "");
	make_hex(g, 0);
}

/*---------------------------------------------------------------- memory */

/*
 * What can be read of it, from its beginning. In small pieces that cross no page: what is behind
 * one may be unreadable.
 */
static void say_memory(struct gdb *g, uint64_t addr, uint64_t len)
{
	struct capture *c = g->c;

	len = min_u64(len, PACKET_MAX / 2);
	while (g->p.out_len < len) {
		uint64_t pa = addr, n = min_u64(len - g->p.out_len, PIECE - addr % PIECE), run = n;

		if (!g->phys && vtop(&c->vt, addr, &pa, &run))
			break;
		n = min_u64(n, run);
		if (!n || vmcore_read(&c->vc, g->p.out + g->p.out_len, pa, n))
			break;
		g->p.out_len += n;
		addr += n;
	}
	if (g->p.out_len)
		make_hex(g, 0);
	else
		say_error(g, EFAULT);
}

/* ADDR,LENGTH in hexadecimal, and nothing behind it. False: it is something else. */
static bool parse_pair(const char *s, uint64_t *ret_addr, uint64_t *ret_len)
{
	char *end;

	*ret_addr = strtoull(s, &end, 16);
	if (*end != ',')
		return false;
	*ret_len = strtoull(end + 1, &end, 16);
	return !*end;
}

/* From where it is linked to where it is. 0: it was not moved, or did not say. */
static uint64_t kaslr_offset(struct gdb *g)
{
	if (vmcoreinfo_string(g->c->vi, "KERNELOFFSET", g->text, sizeof(g->text)))
		return 0;
	return strtoull(g->text, NULL, 16);
}

/*
 * Where the first segment of vmlinux is. gdb moves all of vmlinux by as much, as `symbol-file -o`
 * would; with Text= it would move three sections and leave .rodata and others behind.
 */
static void say_offsets(struct gdb *g)
{
	uint64_t stext, offset = kaslr_offset(g);

	if (!vmcoreinfo_symbol(g->c->vi, "_stext", &stext))
		say(g, "TextSeg=%lx", ALIGN_DOWN(stext - offset, LINK_ALIGN) + offset);
}

/*---------------------------------------------------------------- documents */

static void say_target(struct gdb *g)
{
	const char *end = "";

	say(g, "<target><architecture>%s</architecture>", ARCH_GDB.name);
	for (const struct gdb_reg *r = ARCH_GDB.regs; r < ARCH_GDB.regs + ARCH_GDB.nr; r++) {
		unsigned size = kinds[r->kind].size;

		if (size) {
			say(g, "<reg name=\"%.8s\" bitsize=\"%u\" type=\"%s\"/>", r->name,
			    8 * size, kinds[r->kind].name);
			continue;
		}
		say(g, "%s<feature name=\"%s%.8s\">", end, ARCH_GDB.feature, r->name);
		end = "</feature>";
	}
	say(g, "%s</target>", end);
}

/*
 * Every address may be read, if there is something, and none written: gdb sets no breakpoint then
 */
static void say_memory_map(struct gdb *g)
{
	say(g, "<memory-map><memory type=\"rom\" start=\"0\" length=\"0xffffffffffffffff\"/>"
	       "</memory-map>");
}

/* Of what @make says the piece that @s asks for: OFFSET,LENGTH */
static void say_piece(struct gdb *g, void (*make)(struct gdb *g), const char *s)
{
	char *text = g->p.out + 1;
	uint64_t from, len;
	size_t total;

	if (!parse_pair(s, &from, &len)) {
		say_error(g, EINVAL);
		return;
	}
	say(g, "l");
	make(g);
	total = g->p.out_len - 1;
	from = min_u64(from, total);
	len = min_u64(len, total - from);
	if (from + len < total)
		*g->p.out = 'm';
	memmove(text, text + from, len);
	g->p.out_len = 1 + len;
}

/*---------------------------------------------------------------- monitor */

static int tell_log(void *ctx, const char *text, size_t len)
{
	struct gdb *g = ctx;

	for (size_t n; len; text += n, len -= n) {
		n = min_u64(len, PACKET_MAX / 2 - 1);
		memcpy(g->p.out, text, n);
		g->p.out_len = n;
		if (!tell(g))
			return -EINTR;
	}
	return 0;
}

/*
 * Which of @names, each with a NUL behind it, @s begins with, up to the first of @ends or its end;
 * the number of names: none. *ret_rest: what is behind that.
 */
static unsigned find_name(const char *names, const char *s, const char *ends, const char **ret_rest)
{
	size_t len = strcspn(s, ends);
	unsigned i;

	*ret_rest = s + len + (s[len] != 0);
	for (i = 0; *names && (strncmp(names, s, len) || names[len]); i++)
		names += strlen(names) + 1;
	return i;
}

/* @hex: the command's text */
static void monitor(struct gdb *g, const char *hex)
{
	enum { DMESG, KASLR, PHYS, RESET, HALT };
	char *text = g->text;
	const char *arg;
	int r;

	while (text < g->text + sizeof(g->text) - 1 && !parse_hex(&hex, (uint8_t *)text, 1))
		text++;
	*text = 0;
	switch (find_name("dmesg\0kaslr\0phys\0reset\0halt\0", g->text, " ", &arg)) {
	case DMESG:
		r = dmesg_emit(&g->c->vt, g->c->vi, (unsigned)strtoull(arg, NULL, 10), tell_log, g);
		if (r < 0 && r != -EINTR)
			say(g, "there is no log\n");
		break;
	case KASLR:
		say(g, "symbol-file -o %#lx vmlinux\n", kaslr_offset(g));
		break;
	case PHYS:
		g->phys = strcmp(arg, "off") && (!g->phys || *arg);
		say(g, "addresses are %s\n", g->phys ? "physical" : "virtual");
		break;
	case RESET:
		g->end = GDB_RESET;
		break;
	case HALT:
		g->end = GDB_HALT;
		break;
	default:
		say(g, "dmesg [LAST LINES], kaslr, phys [on|off], reset, halt\n");
	}
	if (g->p.out_len)
		tell(g);
	say(g, "OK");
}

/*---------------------------------------------------------------- packets */

/*
 * gdb waits for the dead to stop again: they do so at once, and not where a step would be expected
 * to end
 */
static void refuse_to_run(struct gdb *g)
{
	say(g, "The machine is dead: it cannot go on. \"monitor reset\" resets it.\n");
	tell(g);
	say_stop(g);
}

/* Packets with a name. Unknown ones get the empty answer, by which gdb knows. */
static void named(struct gdb *g, const char *s)
{
	enum { SUPPORTED, C, FIRST_THREADS, MORE_THREADS, THREAD_INFO, ATTACHED, OFFSETS, XFER,
	       RCMD, NO_ACK, CONT };
	static const char names[] =
		"qSupported\0qC\0qfThreadInfo\0qsThreadInfo\0qThreadExtraInfo\0qAttached\0"
		"qOffsets\0qXfer\0qRcmd\0QStartNoAckMode\0vCont\0";
	static const char features[] = "features:read:target.xml:", map[] = "memory-map:read::";

	switch (find_name(names, s, ":;,", &s)) {
	case SUPPORTED:
		g->phys = false;
		say(g, "PacketSize=%x;QStartNoAckMode+;qXfer:features:read+;"
		       "qXfer:memory-map:read+", PACKET_MAX);
		break;
	case C:
		say(g, "QC%x", g->thread + 1);
		break;
	case FIRST_THREADS:
		g->next = 0;
		/* fall through */
	case MORE_THREADS:
		say_threads(g);
		break;
	case THREAD_INFO:
		say_thread_info(g, s);
		break;
	case ATTACHED:
		say(g, "1");
		break;
	case OFFSETS:
		say_offsets(g);
		break;
	case XFER:
		if (!strncmp(s, features, sizeof(features) - 1))
			say_piece(g, say_target, s + sizeof(features) - 1);
		else if (!strncmp(s, map, sizeof(map) - 1))
			say_piece(g, say_memory_map, s + sizeof(map) - 1);
		break;
	case RCMD:
		monitor(g, s);
		break;
	case NO_ACK:
		say(g, "OK");
		break;
	case CONT:
		refuse_to_run(g);
		break;
	}
}

static void answer(struct gdb *g)
{
	const char *s = g->p.in;
	uint64_t addr, len;
	unsigned thread;

	if (!*s)
		return;
	if (strchr("qQv", *s)) {
		named(g, s);
	} else if (strchr("MXGPZz", *s)) {
		say_error(g, EPERM);
	} else if (strchr("cCsS", *s)) {
		refuse_to_run(g);
	} else if (*s == '?') {
		say_stop(g);
	} else if (*s == 'g') {
		say_regs(g, UINT64_MAX);
	} else if (*s == 'p') {
		/* UINT64_MAX would be all of them */
		say_regs(g, strtoull(s + 1, NULL, 16) & INT64_MAX);
	} else if (*s == 'm') {
		if (parse_pair(s + 1, &addr, &len))
			say_memory(g, addr, len);
		else
			say_error(g, EINVAL);
	} else if (*s == 'H' || *s == 'T') {
		/* Hg: for registers and memory; Hc: for what never runs */
		if (!parse_thread(g, s + (*s == 'H' && s[1] ? 2 : 1), &thread)) {
			say_error(g, EINVAL);
			return;
		}
		if (s[1] == 'g')
			g->thread = thread;
		say(g, "OK");
	} else if (*s == 'D' || *s == 'k') {
		g->end = GDB_RESET;
		say(g, "OK");
	}
}

bool gdb_serve(struct capture *c, struct uart *u, uint32_t timeout_s)
{
	struct gdb *g = mem_take("gdb", sizeof(*g), 64, MEM_ANY);

	if (!g)
		return log_err(false, "no memory to serve gdb");
	g->c = c;
	g->p.u = u;
	g->p.timeout_us = timeout_s * 1000000ULL;
	/* Without a note there is still memory to look at, and gdb wants a thread for that */
	g->nr_threads = c->vc.nr_cpus ? c->vc.nr_cpus : 1;
	find_panicked(g);
	g->thread = g->panicked < g->nr_threads ? g->panicked : 0;
	while (g->end == GDB_GOES_ON && packet_get(&g->p)) {
		g->p.out_len = 0;
		answer(g);
		/* gdb expects none, and is gone */
		if (*g->p.in != 'k')
			packet_put(&g->p);
		if (!strcmp(g->p.in, "QStartNoAckMode"))
			g->p.no_ack = true;
	}
	uart_flush(u);
	return g->end == GDB_HALT;
}
