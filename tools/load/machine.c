// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/load/machine.h"

#include <ctype.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capstub/boot_params.h"
#include "stub/bits.h"
#include "tools/util.h"

#define FILE_MAX	(4u << 20)	/* no file read whole is larger; a device tree has 2 MiB at most */
#define CPUS_MAX	65536u
#define KCORE_PHDRS_MAX	65534u
#define X86_KERNEL_MAP	0xffffffff80000000ULL	/* Documentation/arch/x86/x86_64/mm.rst */

static int open_below(const char *root, const char *path)
{
	char full[PATH_MAX];

	if (snprintf(full, sizeof(full), "%s%s", root, path) >= (int)sizeof(full)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return open(full, O_RDONLY | O_CLOEXEC);
}

char *read_file(const char *root, const char *path, size_t *ret_size)
{
	int fd = open_below(root, path);
	size_t len = 0, room = 4096;
	ssize_t n = -1;
	char *buf;

	if (fd < 0)
		return NULL;
	buf = must_alloc(room, 1);
	while (len < FILE_MAX && (n = read(fd, buf + len, room - 1 - len)) > 0) {
		len += (size_t)n;
		if (len == room - 1)
			buf = must_grow(buf, room *= 2, 1);
	}
	if (n) {
		int error = n < 0 ? errno : EFBIG;

		close(fd);
		free(buf);
		errno = error;
		return NULL;
	}
	close(fd);
	buf[len] = '\0';
	if (ret_size)
		*ret_size = len;
	return buf;
}

bool read_number(const char *root, const char *path, int base, uint64_t *ret)
{
	char *text = read_file(root, path, NULL), *end = text;
	uint64_t value = text ? strtoull(text, &end, base) : 0;
	bool good = end > text;

	if (good)
		*ret = value;
	free(text);
	return good;
}

static void ranges_add(struct ranges *r, uint64_t start, uint64_t end)
{
	if (start >= end)
		return;
	r->v = must_grow(r->v, r->nr + 1, sizeof(*r->v));
	r->v[r->nr++] = (struct range){ start, end };
}

/* What of each range is outside of @out, in the same order */
static void ranges_exclude(struct ranges *r, struct range out)
{
	struct ranges kept = { .nr = 0 };

	for (const struct range *was = r->v; was < r->v + r->nr; was++) {
		ranges_add(&kept, was->start, min_u64(was->end, out.start));
		ranges_add(&kept, max_u64(was->start, out.end), was->end);
	}
	free(r->v);
	*r = kept;
}

/* "  01000000-02209987 : Kernel code", both ends inclusive */
static void iomem_line(struct machine *m, const char *line)
{
	uint64_t start, end;
	int name = 0;

	if (sscanf(line, " %" SCNx64 "-%" SCNx64 " : %n", &start, &end, &name) != 2 || !name || ++end == 0)
		return;
	line += name;
	/* Also "System RAM (kmem)" and "System RAM (virtio_mem)" */
	if (!strncmp(line, "System RAM", 10)) {
		ranges_add(&m->ram, start, end);
		m->ram_end = end > m->ram_end ? end : m->ram_end;
	} else if (!strcmp(line, "Crash kernel")) {
		ranges_add(&m->reserved, start, end);
	} else if (!strcmp(line, "Kernel code")) {
		m->image = (struct range){ start, end };
	} else if (!strcmp(line, "Kernel data") || !strcmp(line, "Kernel bss")) {
		m->image.end = end > m->image.end && m->image.end ? end : m->image.end;
	}
}

static int read_iomem(struct machine *m, const char *root)
{
	char *text = read_file(root, "/proc/iomem", NULL), *save;
	uint64_t reserved = 0;

	if (!text)
		return fail(-errno, "/proc/iomem: %m");
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		iomem_line(m, line);
	free(text);
	/* The kernel shows zeros to whoever has not CAP_SYS_ADMIN */
	if (m->ram_end <= 1)
		return fail(-EACCES, "/proc/iomem hides the addresses: run capstub as root");
	if (!m->reserved.nr) {
		read_number(root, "/sys/kernel/kexec_crash_size", 10, &reserved);
		return reserved ? fail(-EINVAL, "/proc/iomem names no \"Crash kernel\", but %s are reserved",
				       human_bytes(reserved)) :
				  fail(-ENOMEM, "no memory is reserved: run 'capstub setup', or add crashkernel=1M to the "
				       "kernel's command line, and reboot");
	}
	for (unsigned i = 0; i < m->reserved.nr; i++)
		ranges_exclude(&m->ram, m->reserved.v[i]);
	return 0;
}

/*
 * CPUs that are possible but not present have no folder; the kernel tells of them when they come, by rewriting the
 * elfcorehdr or by an event.
 */
static int read_cpus(struct machine *m, const char *root)
{
	unsigned missing = 0;

	for (unsigned cpu = 0; cpu < CPUS_MAX && missing < 1024; cpu++) {
		char path[80];
		uint64_t addr, size;

		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/crash_notes", cpu);
		missing++;
		if (!read_number(root, path, 16, &addr))
			continue;
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/crash_notes_size", cpu);
		if (!read_number(root, path, 10, &size))
			size = 1024;	/* before 3.12 there was no such file */
		ranges_add(&m->notes, addr, addr + size);
		missing = 0;
	}
	return m->notes.nr ? 0 : fail(-ENOENT, "/sys/devices/system/cpu/*/crash_notes: none; was this kernel built "
				      "with CONFIG_KEXEC?");
}

static void read_vmcoreinfo(struct machine *m, const char *root)
{
	char *text = read_file(root, "/sys/kernel/vmcoreinfo", NULL);
	uint64_t addr, size;

	if (text && sscanf(text, "%" SCNx64 " %" SCNx64, &addr, &size) == 2)
		m->vmcoreinfo = (struct range){ addr, addr + size };
	else
		note("/sys/kernel/vmcoreinfo: nothing there; the stub will have no log and leave out no pages");
	free(text);
}

/* VMCOREINFO in the notes of /proc/kcore: NUMBER(kimage_voffset)=0x..., in which arm64 says where its image is */
static uint64_t find_voffset(const char *notes, size_t len)
{
	static const char key[] = "NUMBER(kimage_voffset)=";
	const char *at = memmem(notes, len, key, sizeof(key) - 1);

	/* The caller ends the notes with a NUL */
	return at ? strtoull(at + sizeof(key) - 1, NULL, 16) : 0;
}

/* One program header of /proc/kcore. linux fs/proc/kcore.c: p_paddr is -1 where there is no one physical address */
static void kcore_segment(struct machine *m, const Elf64_Phdr *p)
{
	uint64_t map = p->p_vaddr - p->p_paddr;

	if (p->p_type != PT_LOAD || p->p_paddr == UINT64_MAX || !p->p_memsz)
		return;
	if (m->arch == ARCH_X86_64 && p->p_vaddr >= X86_KERNEL_MAP) {
		if (p->p_paddr <= m->image.start && m->image.start < p->p_paddr + p->p_memsz)
			m->image_map = map;
		return;
	}
	for (unsigned i = 0; i < m->ram.nr && !m->direct_map; i++)
		if (p->p_paddr < m->ram.v[i].end && m->ram.v[i].start < p->p_paddr + p->p_memsz)
			m->direct_map = map;
}

/*
 * Virtual addresses are a convenience for whoever reads the dump without VMCOREINFO; the stub does without. So a
 * kernel that has no /proc/kcore, or does not show it, is no error.
 */
static void read_kcore(struct machine *m, const char *root)
{
	int fd = open_below(root, "/proc/kcore");
	Elf64_Phdr *phdrs = NULL;
	char *notes = NULL;
	Elf64_Ehdr e;

	if (fd < 0)
		return;
	if (read_at(fd, &e, sizeof(e), 0) || memcmp(e.e_ident, ELFMAG, SELFMAG) || e.e_phentsize != sizeof(*phdrs) ||
	    e.e_phnum > KCORE_PHDRS_MAX)
		goto out;
	phdrs = must_alloc(e.e_phnum, sizeof(*phdrs));
	if (read_at(fd, phdrs, e.e_phnum * sizeof(*phdrs), e.e_phoff))
		goto out;
	for (unsigned i = 0; i < e.e_phnum; i++) {
		kcore_segment(m, &phdrs[i]);
		if (m->arch != ARCH_ARM64 || phdrs[i].p_type != PT_NOTE || phdrs[i].p_filesz > FILE_MAX || notes)
			continue;
		notes = must_alloc(phdrs[i].p_filesz + 1, 1);
		if (!read_at(fd, notes, phdrs[i].p_filesz, phdrs[i].p_offset))
			m->image_map = find_voffset(notes, phdrs[i].p_filesz);
	}
out:
	free(notes);
	free(phdrs);
	close(fd);
}

/*
 * The boot loader's own boot_params hold what the kernel found before it was started, or got from who started it.
 * Without it, on EFI machines, the list of tables. Otherwise the stub looks where a BIOS has it.
 */
static void read_rsdp(struct machine *m, const char *root)
{
	size_t size;
	char *bp = read_file(root, "/sys/kernel/boot_params/data", &size);
	char *systab = NULL, *at;

	if (bp && size >= offsetof(struct boot_params, acpi_rsdp_addr) + sizeof(m->rsdp))
		memcpy(&m->rsdp, bp + offsetof(struct boot_params, acpi_rsdp_addr), sizeof(m->rsdp));
	if (!m->rsdp)
		systab = read_file(root, "/sys/firmware/efi/systab", NULL);
	if (systab && ((at = strstr(systab, "ACPI20=")) || (at = strstr(systab, "ACPI="))))
		m->rsdp = strtoull(strchr(at, '=') + 1, NULL, 16);
	free(systab);
	free(bp);
}

static void read_cpu_features(struct machine *m, const char *root)
{
	char *text = read_file(root, "/proc/cpuinfo", NULL);

	m->huge_tables = text && strstr(text, " pdpe1gb");
	free(text);
}

int machine_read(struct machine *m, const char *root, enum arch arch)
{
	int rc;

	*m = (struct machine){ .arch = arch, .page_size = *root ? 4096 : (uint64_t)sysconf(_SC_PAGESIZE) };
	rc = read_iomem(m, root);
	if (!rc)
		rc = read_cpus(m, root);
	if (rc)
		return rc;
	read_vmcoreinfo(m, root);
	read_kcore(m, root);
	read_number(root, "/sys/kernel/crash_elfcorehdr_size", 10, &m->hotplug_size);
	if (arch == ARCH_X86_64) {
		read_rsdp(m, root);
		read_cpu_features(m, root);
		return 0;
	}
	m->fdt = read_file(root, "/sys/firmware/fdt", &m->fdt_size);
	if (!m->fdt)
		return fail(-errno, "/sys/firmware/fdt: %m; the stub needs the boot loader's device tree");
	return 0;
}

void machine_free(struct machine *m)
{
	free(m->ram.v);
	free(m->reserved.v);
	free(m->notes.v);
	free(m->fdt);
}

const struct range *machine_reservation(const struct machine *m)
{
	return &m->reserved.v[m->reserved.nr - 1];
}
