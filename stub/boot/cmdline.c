// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The stub's command line. It is written by people, lengthened by kexec (elfcorehdr=, acpi_rsdp=)
 * and often copied from the production kernel, so words of Linux are expected in it. The console is
 * not up yet: complaints are collected for stub/main.c to print.
 *
 * Nothing here fails, because there is nobody to tell: the person who made the typo will read of it
 * after the crash, and wants the dump nevertheless. A word that cannot be understood leaves the
 * default in place. dump= has no default: a place to write to must have been named.
 */
#include "stub/boot/cmdline.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capstub/kdump_format.h"
#include "stub/format/crc.h"
#include "stub/format/uuid.h"

/*
 * Longer words are reported and dropped; no known one comes near. Addresses: neither architecture
 * has more than 52 bits of them (Intel SDM vol. 3, MAXPHYADDR; Arm ARM DDI 0487, LPA). The last two
 * lines of complaints are kept for finish_complaints().
 */
#define WORD_MAX	256
#define ADDR_LIMIT	BIT(52)
#define DEFAULT_DEADLINE_S (4 * 3600)
#define DEFAULT_TIMEOUT_S  60
#define DEFAULT_SERVE_S	   600
#define BAUD_MIN	50
#define BAUD_MAX	16000000
#define VERIFY_MAX	MIB(4)	/* far above any elfcorehdr: bounds the time that a damaged word costs */
#define MAX_BAD_WORDS	(ARRAY_SIZE(((struct cmdline *)0)->complaints) - 2)

/* What the pass over the words knows besides its result */
struct parser {
	struct cmdline *cl;
	unsigned bad;			/* complaints that found no place */
	unsigned unknown;		/* unknown words that found no place in the line */
	char unknown_line[56];
};

/*---------------------------------------------------------------- complaints */

/* For a terminal: no control characters, no half characters */
static void make_printable(char *s)
{
	for (; *s; s++)
		if (*s < 0x20 || *s > 0x7e)
			*s = '?';
}

/* "WORD: WHY" in the next free line */
static void complain(struct parser *p, const char *word, const char *why)
{
	struct cmdline *cl = p->cl;
	char *line = cl->complaints[cl->nr_complaints];

	if (cl->nr_complaints == MAX_BAD_WORDS) {
		p->bad++;
		return;
	}
	snprintf(line, sizeof(cl->complaints[0]), "%.40s%s: %s", word,
		 strlen(word) > 40 ? "..." : "", why);
	make_printable(line);
	cl->nr_complaints++;
}

/*
 * Only the name: the values of foreign words are of no interest. All of them share one line, so
 * that a long production command line cannot push the complaints that matter out.
 */
static void note_unknown(struct parser *p, const char *word)
{
	size_t used = strlen(p->unknown_line);
	size_t len = strcspn(word, "=");

	if (used + len + 2 > sizeof(p->unknown_line)) {
		p->unknown++;
		return;
	}
	p->unknown_line[used] = ' ';
	memcpy(p->unknown_line + used + 1, word, len);
	p->unknown_line[used + 1 + len] = 0;
}

/* What found no line of its own is at least counted */
static void finish_complaints(struct parser *p)
{
	struct cmdline *cl = p->cl;
	size_t size = sizeof(cl->complaints[0]);

	if (p->bad)
		snprintf(cl->complaints[cl->nr_complaints++], size, "%u more bad words", p->bad);
	if (!p->unknown_line[0] && !p->unknown)
		return;
	make_printable(p->unknown_line);
	if (p->unknown)
		snprintf(cl->complaints[cl->nr_complaints++], size, "ignored:%s +%u",
			 p->unknown_line, p->unknown);
	else
		snprintf(cl->complaints[cl->nr_complaints++], size, "ignored:%s", p->unknown_line);
}

/*---------------------------------------------------------------- values */

/* "name=" at the start of @word: what follows, else NULL */
static const char *value_of(const char *word, const char *name)
{
	size_t len = strlen(name);

	return strncmp(word, name, len) == 0 ? word + len : NULL;
}

/*
 * Decimal or 0x-hexadecimal, steps over it. Never octal: a zero in front is a habit, not a base.
 * Nothing is written on failure.
 */
static int parse_u64(const char **s, uint64_t *ret)
{
	bool hex = (*s)[0] == '0' && ((*s)[1] == 'x' || (*s)[1] == 'X');
	uint64_t value;
	char *end;

	if (!isdigit((unsigned char)**s) || (hex && !isxdigit((unsigned char)(*s)[2])))
		return -EINVAL;
	errno = 0;
	value = strtoull(*s, &end, hex ? 16 : 10);
	if (errno)
		return -ERANGE;
	*s = end;
	*ret = value;
	return 0;
}

/* The same with K, M or G, as Linux's memparse() */
static int parse_size(const char **s, uint64_t *ret)
{
	unsigned shift = 0;
	uint64_t value;
	int r = parse_u64(s, &value);

	if (r < 0)
		return r;
	switch (**s) {
	case 'k':
	case 'K':
		shift = 10;
		break;
	case 'm':
	case 'M':
		shift = 20;
		break;
	case 'g':
	case 'G':
		shift = 30;
		break;
	}
	if (shift) {
		if (value > UINT64_MAX >> shift)
			return -ERANGE;
		value <<= shift;
		++*s;
	}
	*ret = value;
	return 0;
}

/* A whole word as a number up to @max */
static int parse_u32(const char *s, uint32_t max, uint32_t *ret)
{
	uint64_t value;

	if (parse_u64(&s, &value) < 0 || *s || value > max)
		return -EINVAL;
	*ret = value;
	return 0;
}

/* The PARTUUID that Linux makes up for MBR partitions: disk signature and index, SSSSSSSS-PP */
static int parse_mbr_id(const char *s, uint32_t *ret_signature, uint8_t *ret_index)
{
	uint8_t b[5];

	if (parse_hex(&s, b, 4) < 0 || *s++ != '-' || parse_hex(&s, b + 4, 1) < 0 || *s ||
	    b[4] == 0)
		return -EINVAL;
	*ret_signature = (uint32_t)b[0] << 24 | b[1] << 16 | b[2] << 8 | b[3];
	*ret_index = b[4];
	return 0;
}

/*---------------------------------------------------------------- UARTs */

/*
 * BAUD[PARITY[BITS[r]]] as Linux's console= has it, then for uart8250 and pl011 ,CLOCK in Hz. Only
 * 8 bits without parity exist here. @s is at the end of the word or at the comma before the rate.
 */
static int parse_line_options(const char *s, bool with_clock, struct uart_spec *spec)
{
	uint64_t baud, clock = 0;

	if (*s == 0)
		return 0;
	if (*s++ != ',' || parse_u64(&s, &baud) < 0 || baud < BAUD_MIN || baud > BAUD_MAX)
		return -EINVAL;
	if (*s == 'n') {
		s++;
		if (*s == '8')
			s++;
		spec->rts_cts = *s == 'r';
		s += spec->rts_cts;
	}
	if (with_clock && *s == ',') {
		s++;
		if (parse_u64(&s, &clock) < 0 || clock == 0 || clock > UINT32_MAX)
			return -EINVAL;
	}
	if (*s)
		return -EINVAL;
	spec->baud = baud;
	spec->clock_hz = clock;
	return 0;
}

/*
 * ADDR and options of a UART that is named by its registers. All eight ports of a 16550 must exist;
 * a register of 32 bits must be aligned, or the access faults on arm64 (Device memory).
 */
static int parse_uart_addr(const char *s, enum uart_type type, struct uart_spec *spec)
{
	uint64_t limit = type == UART_16550_IO ? 0x10000 - 7 : ADDR_LIMIT;
	unsigned align = type == UART_16550_MMIO32 || type == UART_PL011 ? 4 : 1;

	if (parse_u64(&s, &spec->addr) < 0 || spec->addr == 0 || spec->addr >= limit ||
	    !IS_ALIGNED(spec->addr, align))
		return -EINVAL;
	spec->type = type;
	spec->reg_shift = type == UART_16550_MMIO32 ? 2 : 0;
	return parse_line_options(s, true, spec);
}

/*
 * ttyS0 or ttyAMA0, with options; the name goes to @ret_name. Those are Linux's names for the two
 * kinds of UART that the stub has drivers for; others (hvc0, ttyUSB0) need a driver stack.
 */
static int parse_uart_name(const char *s, char ret_name[16], struct uart_spec *spec)
{
	size_t prefix = strncmp(s, "ttyS", 4) == 0 ? 4 : strncmp(s, "ttyAMA", 6) == 0 ? 6 : 0;
	size_t len = prefix;

	while (isdigit((unsigned char)s[len]))
		len++;
	if (prefix == 0 || len == prefix || len > 9 || parse_line_options(s + len, false, spec) < 0)
		return -EINVAL;
	memcpy(ret_name, s, len);
	ret_name[len] = 0;
	return 0;
}

/*
 * Any way to name a UART: uart8250,io|mmio|mmio32,ADDR[,OPTIONS], pl011,[mmio32,]ADDR[,OPTIONS] or
 * a tty name, as console= and earlycon= have them in linux
 * Documentation/admin-guide/kernel-parameters.txt. Written on success only; @ret_name is empty
 * unless a tty name was given, and what UART that is can be told only when arch and firmware have
 * been asked (stub/main.c).
 */
static int parse_uart(const char *s, char ret_name[16], struct uart_spec *ret_spec)
{
	struct uart_spec spec = {.type = UART_NONE};
	char name[16] = "";
	const char *rest;
	int r;

	if ((rest = value_of(s, "uart8250,io,")))
		r = parse_uart_addr(rest, UART_16550_IO, &spec);
	else if ((rest = value_of(s, "uart8250,mmio,")))
		r = parse_uart_addr(rest, UART_16550_MMIO, &spec);
	else if ((rest = value_of(s, "uart8250,mmio32,")))
		r = parse_uart_addr(rest, UART_16550_MMIO32, &spec);
	else if ((rest = value_of(s, "pl011,mmio32,")) || (rest = value_of(s, "pl011,")))
		r = parse_uart_addr(rest, UART_PL011, &spec);
	else
		r = parse_uart_name(s, name, &spec);
	if (r < 0)
		return r;
	memcpy(ret_name, name, sizeof(name));
	*ret_spec = spec;
	return 0;
}

/*---------------------------------------------------------------- words */

/* @max: what the place it is compared with can hold; a longer word could never match */
static const char *set_text(struct target_spec *t, enum target_kind kind, const char *text,
			    size_t max)
{
	size_t len = strlen(text);

	if (len == 0 || len > max)
		return len ? "too long" : "empty";
	t->kind = kind;
	memcpy(t->text, text, len + 1);
	return NULL;
}

/* UUID, or UUID@ADDRESS of a file: where its map begins on the disk (include/capstub/extents.h) */
static const char *parse_label_id(const char *s, struct target_spec *t)
{
	const char *at = strchr(s, '@');
	char uuid[UUID_TEXT + 1];	/* one that is too long is cut, and still too long */

	if (at) {
		const char *v = at + 1;

		if (parse_u64(&v, &t->file_at) < 0 || *v || !t->file_at)
			return "not UUID@ADDRESS";
	}
	snprintf(uuid, sizeof(uuid), "%.*s", at ? (int)min_u64((uint64_t)(at - s), sizeof(uuid)) : (int)sizeof(uuid), s);
	return uuid_parse(uuid, t->uuid) < 0 ? "not a UUID" : NULL;
}

/*
 * Every handler returns NULL, or what is wrong with the value; then it has changed nothing. Here @t
 * is the caller's to throw away. The syntax is that of root= and fstab, with the label's own UUID
 * and name in place of a file system's.
 */
static const char *parse_target(struct target_spec *t, const char *s)
{
	const char *v;
	char name[16];

	if (strcmp(s, "any") == 0)
		return set_text(t, TARGET_ANY, s, sizeof(t->text) - 1);
	if ((v = value_of(s, "UUID="))) {
		t->kind = TARGET_UUID;
		snprintf(t->text, sizeof(t->text), "%s", s);
		return parse_label_id(v, t);
	}
	if ((v = value_of(s, "PARTUUID="))) {
		t->kind = TARGET_PARTUUID;
		snprintf(t->text, sizeof(t->text), "%s", s);
		t->mbr = parse_mbr_id(v, &t->mbr_signature, &t->mbr_index) == 0;
		if (!t->mbr && uuid_parse(v, t->uuid) < 0)
			return "neither a UUID nor SSSSSSSS-PP";
		return NULL;
	}
	if ((v = value_of(s, "LABEL=")))
		return set_text(t, TARGET_LABEL, v, 63); /* struct capstub_label */
	if ((v = value_of(s, "PARTLABEL=")))
		return set_text(t, TARGET_PARTLABEL, v, sizeof(t->text) - 1);
	if ((v = value_of(s, "SERIAL=")))
		return set_text(t, TARGET_SERIAL, v, 40);
	if (parse_uart(s, name, &t->uart) < 0)
		return "not any, UUID=, LABEL=, PARTUUID=, ... or a UART";
	t->kind = TARGET_UART;
	t->baud = t->uart.baud;
	snprintf(t->text, sizeof(t->text), "%s", name[0] ? name : s);
	return NULL;
}

/* May be given several times: tried in order */
static const char *word_dump(struct cmdline *cl, const char *s)
{
	struct target_spec t;
	const char *wrong;

	memset(&t, 0, sizeof(t));
	wrong = parse_target(&t, s);
	if (wrong)
		return wrong;
	if (cl->nr_targets == CMDLINE_MAX_TARGETS)
		return "too many targets";
	cl->targets[cl->nr_targets++] = t;
	return NULL;
}

/* makedumpfile's dump level: a sum of what is left out (stub/dead/pages.h) */
static const char *word_level(struct cmdline *cl, const char *s)
{
	uint32_t level;

	if (parse_u32(s, 31, &level) < 0)
		return "not 0 to 31";
	cl->level = level;
	return NULL;
}

static const char *word_compress(struct cmdline *cl, const char *s)
{
	if (strcmp(s, "lzo") == 0)
		cl->compress = KDUMP_COMPRESSED_LZO;
	else if (strcmp(s, "none") == 0)
		cl->compress = 0;
	else
		return "not lzo or none";
	return NULL;
}

/* The last UART wins. console=tty0, usual beside it, is a complaint that changes nothing. */
static const char *word_console(struct cmdline *cl, const char *s)
{
	if (parse_uart(s, cl->console_name, &cl->console_spec) < 0)
		return "not a UART that the stub can drive";
	cl->console_given = true;
	return NULL;
}

static const char *word_after(struct cmdline *cl, const char *s)
{
	if (strcmp(s, "reboot") == 0)
		cl->after = AFTER_REBOOT;
	else if (strcmp(s, "halt") == 0)
		cl->after = AFTER_HALT;
	else if (strcmp(s, "gdb") == 0)
		cl->after = AFTER_GDB;
	else
		return "not reboot, halt or gdb";
	return NULL;
}

/* A way that this architecture does not have is no way: the others are tried (stub/reset.h) */
static const char *word_reset(struct cmdline *cl, const char *s)
{
	static const char ways[][8] = {"acpi", "cf9", "kbd", "psci", "triple"};

	for (unsigned i = 0; i < ARRAY_SIZE(ways); i++) {
		if (strcmp(s, ways[i]))
			continue;
		memcpy(cl->reset, ways[i], sizeof(cl->reset));
		return NULL;
	}
	return "not acpi, cf9, kbd, psci or triple";
}

static const char *word_watchdog(struct cmdline *cl, const char *s)
{
	static const char cares[][8] = { "feed", "keep", "leave" };	/* as enum watchdog_care */

	for (unsigned i = 0; i < ARRAY_SIZE(cares); i++) {
		if (strcmp(s, cares[i]))
			continue;
		cl->watchdog = (enum watchdog_care)i;
		return NULL;
	}
	return "not feed, keep or leave";
}

/* For tests, in no manual: hang where the dump would begin */
static const char *word_test(struct cmdline *cl, const char *s)
{
	if (strcmp(s, "hang"))
		return "not hang";
	cl->hang = true;
	return NULL;
}

static const char *word_overwrite(struct cmdline *cl, const char *s)
{
	if (strcmp(s, "yes") == 0)
		cl->overwrite = true;
	else if (strcmp(s, "no") == 0)
		cl->overwrite = false;
	else
		return "not yes or no";
	return NULL;
}

/* 0 is no deadline, not an immediate one */
static const char *word_deadline(struct cmdline *cl, const char *s)
{
	return parse_u32(s, UINT32_MAX, &cl->deadline_s) < 0 ? "not a number of seconds" : NULL;
}

/* No wait is without a limit, so 0 is none */
static const char *word_timeout(struct cmdline *cl, const char *s)
{
	uint32_t seconds;

	if (parse_u32(s, 3600, &seconds) < 0 || !seconds)
		return "not 1 to 3600";
	cl->timeout_s = seconds;
	return NULL;
}

static const char *word_serve(struct cmdline *cl, const char *s)
{
	const char *uart = value_of(s, "gdb:");
	struct target_spec t;

	memset(&t, 0, sizeof(t));
	if (!uart || parse_target(&t, uart) || t.kind != TARGET_UART)
		return "not gdb: and a UART";
	cl->serve = t;
	return NULL;
}

static const char *word_serve_timeout(struct cmdline *cl, const char *s)
{
	uint32_t seconds;

	if (parse_u32(s, UINT32_MAX, &seconds) < 0 || !seconds)
		return "not a number of seconds";
	cl->serve_timeout_s = seconds;
	return NULL;
}

/* text|8bit[,xon]: what a serial line carries, as far as is known beforehand */
static const char *word_line(struct cmdline *cl, const char *s)
{
	const char *text = value_of(s, "text"), *eight = value_of(s, "8bit"),
		   *rest = text ? text : eight;

	if (!rest || (*rest && strcmp(rest, ",xon")))
		return "not text or 8bit, with or without ,xon";
	cl->line_8bit = eight != NULL;
	cl->line_xon = *rest != 0;
	return NULL;
}

/*
 * [size[KMG]@]offset[KMG], as linux kernel/elfcorehdr.c reads it. kexec appends its own behind
 * whatever was copied from the running kernel's command line, and the last one counts.
 */
static const char *word_elfcorehdr(struct cmdline *cl, const char *s)
{
	uint64_t size = 0, addr;

	if (parse_size(&s, &addr) < 0)
		return "not an address";
	if (*s == '@') {
		s++;
		size = addr;
		if (size == 0 || parse_size(&s, &addr) < 0)
			return "not SIZE@ADDRESS";
	}
	if (*s || addr == 0 || !range_inside(addr, max_u64(size, 1), 0, ADDR_LIMIT))
		return "not an address";
	cl->elfcorehdr = addr;
	cl->elfcorehdr_size = size;
	return NULL;
}

/* An address of 0 means "not given" and is left to whoever looks for the table */
static const char *word_rsdp(struct cmdline *cl, const char *s)
{
	uint64_t addr;

	if (parse_u64(&s, &addr) < 0 || *s || addr >= ADDR_LIMIT)
		return "not an address";
	cl->rsdp = addr;
	return NULL;
}

/* START-END:CRC, as capstub load writes it. What cannot be understood becomes a range that never verifies. */
static const char *word_verify(struct cmdline *cl, const char *s)
{
	struct verify_spec *v = &cl->verify[cl->nr_verify];

	if (cl->nr_verify == ARRAY_SIZE(cl->verify))
		return "too many";
	cl->nr_verify++;
	if (parse_u64(&s, &v->start) < 0 || *s++ != '-' || parse_u64(&s, &v->end) < 0 || *s++ != ':' ||
	    parse_u64(&s, &v->crc) < 0 || *s)
		v->end = v->start;
	return NULL;
}

/*
 * SIZE@ADDRESS:IRQ[:ID] as Linux's virtio_mmio.device=. The stub polls, so the interrupt is of no
 * use; the registers need 0x100 bytes (VIRTIO 1.1 §4.2.2).
 */
static const char *word_virtio_mmio(struct cmdline *cl, const char *s)
{
	uint64_t size, addr, number;

	if (parse_size(&s, &size) < 0 || size < 0x100 || *s++ != '@' || parse_size(&s, &addr) < 0 ||
	    addr == 0 || !IS_ALIGNED(addr, 4) || !range_inside(addr, size, 0, ADDR_LIMIT))
		return "not SIZE@ADDRESS:IRQ";
	for (int i = 0; i < 2 && *s == ':'; i++) {
		s++;
		if (parse_u64(&s, &number) < 0)
			return "not SIZE@ADDRESS:IRQ";
	}
	if (*s)
		return "not SIZE@ADDRESS:IRQ";
	if (cl->nr_virtio_mmio == ARRAY_SIZE(cl->virtio_mmio))
		return "too many devices";
	cl->virtio_mmio[cl->nr_virtio_mmio++] = (struct virtio_mmio_spec){
		.addr = addr,
		.size = (uint32_t)min_u64(size, UINT32_MAX),
		.dma_coherent = true, /* the machines that are described this way are virtual */
	};
	return NULL;
}

/* kexec has its own use for the word, which is none here */
static const char *word_memmap(struct cmdline *cl, const char *s)
{
	cl->show_memory |= !strcmp(s, "show");
	return NULL;
}

/* Added by kexec and boot loaders, of no use here */
static const char *word_silent(struct cmdline *cl, const char *s)
{
	(void)cl;
	(void)s;
	return NULL;
}

/* Names end in '=', so none is the beginning of another and their order does not matter */
static const struct word {
	const char *name;
	const char *(*parse)(struct cmdline *cl, const char *value);
} words[] = {
	{"dump=", word_dump},	      {"level=", word_level},
	{"compress=", word_compress}, {"console=", word_console},
	{"after=", word_after},	      {"overwrite=", word_overwrite},
	{"deadline=", word_deadline}, {"elfcorehdr=", word_elfcorehdr},
	{"line=", word_line},	      {"timeout=", word_timeout},
	{"reset=", word_reset},	      {"serve=", word_serve},
	{"serve-timeout=", word_serve_timeout},
	{"acpi_rsdp=", word_rsdp},    {"virtio_mmio.device=", word_virtio_mmio},
	{"watchdog=", word_watchdog}, {"test=", word_test},
	{"BOOT_IMAGE=", word_silent}, {"dmcryptkeys=", word_silent},
	{"memmap=", word_memmap},     {"check=", word_silent},
	{"verify=", word_verify},
};

/* Unknown words are no mistake: a command line copied from the production kernel is full of them */
static void parse_word(struct parser *p, const char *word)
{
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
		const char *value = value_of(word, words[i].name);
		const char *wrong;

		if (!value)
			continue;
		wrong = words[i].parse(p->cl, value);
		if (wrong)
			complain(p, word, wrong);
		return;
	}
	note_unknown(p, word);
}

/*
 * Copy the next word to @word without its quotes, which protect blanks as in Linux:
 * dump=PARTLABEL="my dump". A quote that is never closed is no quote: it must not swallow the words
 * that kexec added behind it. Returns where the next word begins, NULL at the end. A word that is
 * too long comes out empty, never cut: half an address is another address.
 */
static const char *next_word(struct parser *p, const char *s, char word[WORD_MAX])
{
	bool quoted = false, cut = false;
	size_t len = 0;

	while (isspace((unsigned char)*s))
		s++;
	if (*s == 0)
		return NULL;
	for (; *s && (quoted || !isspace((unsigned char)*s)); s++) {
		if (*s == '"' && (quoted || strchr(s + 1, '"')))
			quoted = !quoted;
		else if (len < WORD_MAX - 1)
			word[len++] = *s;
		else
			cut = true;
	}
	word[len] = 0;
	if (!cut)
		return s;
	complain(p, word, "too long");
	word[0] = 0;
	return s;
}

void cmdline_parse(struct cmdline *cl, const char *text)
{
	struct parser p = {.cl = cl};
	char word[WORD_MAX];

	memset(cl, 0, sizeof(*cl));
	/*
	 * What is wanted where nobody said anything: the smallest dump that crash can work with,
	 * the crash that is now rather than an older one that nobody fetched, and a machine that
	 * comes back the same day
	 */
	cl->level = 31;
	cl->compress = KDUMP_COMPRESSED_LZO;
	cl->overwrite = true;
	cl->deadline_s = DEFAULT_DEADLINE_S;
	cl->timeout_s = DEFAULT_TIMEOUT_S;
	cl->serve_timeout_s = DEFAULT_SERVE_S;
	while ((text = next_word(&p, text, word)))
		if (word[0])
			parse_word(&p, word);
	finish_complaints(&p);
}

bool cmdline_verify(const struct cmdline *cl, int (*read)(void *dst, phys_addr_t pa, size_t len))
{
	uint8_t buf[64];
	size_t n;

	for (const struct verify_spec *v = cl->verify; v < cl->verify + cl->nr_verify; v++) {
		uint32_t crc = 0;

		if (v->start == v->end || v->end - v->start > VERIFY_MAX)
			return false;
		for (phys_addr_t at = v->start; at < v->end; at += n) {
			n = min_u64(v->end - at, sizeof(buf));
			if (read(buf, at, n))
				return false;
			crc = crc32c(crc, buf, n);
		}
		if (crc != v->crc)
			return false;
	}
	return true;
}
