/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the running kernel says of itself, as far as a loader needs it: memory, CPU notes, where things are mapped,
 * what the firmware left. Read from /proc and /sys below a folder, which tests fill with what other machines said.
 */
#ifndef TOOLS_LOAD_MACHINE_H
#define TOOLS_LOAD_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum arch { ARCH_NONE, ARCH_X86_64, ARCH_ARM64 };

/* Physical [start, end) */
struct range {
	uint64_t start, end;
};

struct ranges {
	unsigned nr;
	struct range *v;
};

struct machine {
	enum arch arch;			/* of the caller: nothing here depends on who runs this program */
	uint64_t page_size;		/* of the kernel: what is loaded is in whole ones */
	struct ranges ram;		/* System RAM less the reservation, in the order of /proc/iomem */
	struct ranges reserved;		/* "Crash kernel"; what is loaded must be in the last one */
	struct range image;		/* code to the end of BSS; empty: not known */
	struct ranges notes;		/* of each CPU that has a folder in /sys, by number */
	struct range vmcoreinfo;	/* the note */
	/* Virtual less physical address, of all RAM and of the kernel's image; 0: not known */
	uint64_t direct_map, image_map;
	uint64_t ram_end;		/* the highest address of RAM */
	bool huge_tables;		/* x86_64: the CPU maps 1 GiB with one entry */
	uint64_t rsdp;			/* x86_64: 0 when the stub has to search */
	uint64_t hotplug_size;		/* the kernel rewrites an elfcorehdr of up to this size; 0: it does not */
	void *fdt;			/* arm64: as the boot loader passed it */
	size_t fdt_size;
};

/*
 * Read all of it from below @root ("" for this machine). 0, or -errno with a message that says what to do: -ENOMEM
 * when no memory is reserved, -EACCES when the kernel hides addresses. machine_free() either way.
 */
int machine_read(struct machine *m, const char *root, enum arch arch);
void machine_free(struct machine *m);

/* The reservation that takes what is loaded. machine_read() saw to it that there is one. */
const struct range *machine_reservation(const struct machine *m);

/* Contents of a file below @root, NUL-terminated, for free(); NULL with errno. @ret_size may be NULL. */
char *read_file(const char *root, const char *path, size_t *ret_size);
/* The number that a file begins with, in @base; false: there is none */
bool read_number(const char *root, const char *path, int base, uint64_t *ret);

#endif
