// SPDX-License-Identifier: GPL-2.0-or-later
/* needs: tests/host/dumpfile.c stub/dead/vmcore.c stub/dead/dmesg.c stub/dead/report.c */
/* needs: tests/unit/fake/log.c */
/* needs: stub/serve/gdb.c stub/serve/packet.c stub/serve/regs_x86_64.c stub/serve/regs_arm64.c */
/*
 * What the stub serves gdb with, over a dump of a real kernel: gdb -ex 'target remote | gdb-x86_64
 * DUMP' vmlinux
 */
#include <elf.h>
#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "capstub/kdump_format.h"
#include "stub/arch.h"
#include "stub/dead/vtop.h"
#include "stub/idle.h"
#include "stub/mem.h"
#include "stub/serve/gdb.h"
#include "tests/host/dumpfile.h"

uint64_t arch_time_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

void idle(void)
{
	struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};

	poll(&p, 1, 10);
}

void idle_busy(void)
{
}

bool idle_deadline_over(void)
{
	return false;
}

void *mem_take(const char *user, size_t size, size_t align, phys_addr_t limit)
{
	(void)user;
	(void)align;
	(void)limit;
	return calloc(1, size);
}

int uart_write(struct uart *u, const void *buf, size_t len)
{
	(void)u;
	return write(STDOUT_FILENO, buf, len) == (ssize_t)len ? 0 : -1;
}

void uart_flush(struct uart *u)
{
	(void)u;
}

/* gdb closes the pipe when it goes */
static size_t pipe_read(struct uart *u, uint8_t *buf, size_t len)
{
	ssize_t n = read(STDIN_FILENO, buf, len);

	(void)u;
	if (!n)
		exit(0);
	return n < 0 ? 0 : (size_t)n;
}

/*
 * A dump has its notes beside the memory, the dead machine in it: an elfcorehdr where no RAM is
 * says that they lie where RAM begins.
 */
#define HEADER_AT BIT(50)

static int (*read_dump)(void *dst, phys_addr_t pa, size_t len);
static struct {
	Elf64_Ehdr e;
	Elf64_Phdr note;
} header;
static uint8_t *notes;

static int read_mem(void *dst, phys_addr_t pa, size_t len)
{
	if (range_inside(pa, len, HEADER_AT, HEADER_AT + sizeof(header))) {
		memcpy(dst, (uint8_t *)&header + (pa - HEADER_AT), len);
		return 0;
	}
	if (range_inside(pa, len, header.note.p_offset,
			 header.note.p_offset + header.note.p_filesz)) {
		memcpy(dst, notes + (pa - header.note.p_offset), len);
		return 0;
	}
	return read_dump(dst, pa, len);
}

static void add_notes(struct vmcore *vc, const char *path)
{
	struct disk_dump_header h;
	struct kdump_sub_header sub;
	uint8_t regs[512];
	FILE *f = fopen(path, "rb");

	if (!f || fread(&h, sizeof(h), 1, f) != 1 || memcmp(h.signature, KDUMP_SIGNATURE, 8) ||
	    fseek(f, h.block_size, SEEK_SET) || fread(&sub, sizeof(sub), 1, f) != 1 ||
	    fseek(f, sub.offset_note, SEEK_SET))
		errx(1, "%s: not a kdump-compressed file", path);
	notes = calloc(1, sub.size_note);
	if (!notes || fread(notes, sub.size_note, 1, f) != 1)
		errx(1, "%s: no notes", path);
	fclose(f);
	header.note = (Elf64_Phdr){
		.p_type = PT_NOTE, .p_offset = vc->ranges[0].source, .p_filesz = sub.size_note};
	read_dump = vc->read;
	vc->read = read_mem;
	vc->elfcorehdr = HEADER_AT;
	vc->phoff = offsetof(__typeof__(header), note);
	vc->nr_phdrs = 1;
	while (vmcore_prstatus(vc, vc->nr_cpus, regs, sizeof(regs)) > 0)
		vc->nr_cpus++;
}

int main(int argc, char **argv)
{
	static const struct uart_ops ops = {.name = "pipe", .read = pipe_read};
	struct uart uart = {.ops = &ops};
	struct capture c = {.vi = &dump_vmcoreinfo};

	if (argc != 2) {
		fprintf(stderr, "usage: gdb DUMP\n");
		return 2;
	}
	dump_open(argv[1]);
	c.vc = dump_vmcore;
	add_notes(&c.vc, argv[1]);
	vtop_init(&c.vt, &c.vc, c.vi);
	fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
	gdb_serve(&c, &uart, 600);
	return 0;
}
