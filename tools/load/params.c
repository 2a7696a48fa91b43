// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/load/params.h"

#include <errno.h>
#include <inttypes.h>
#include <libfdt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capstub/boot_params.h"
#include "stub/format/crc.h"
#include "tools/util.h"

#define VERIFY_LEN	48	/* a blank, and what add_verify() writes: always as long, so that sizes hold */

/* ---- The command line ---- */

struct line {
	char text[WORDS_MAX + 1];
	size_t len;		/* more than WORDS_MAX: it did not fit */
};

static __attribute__((format(printf, 2, 3))) void add(struct line *l, const char *fmt, ...)
{
	size_t room = l->len < sizeof(l->text) ? sizeof(l->text) - l->len : 0;
	va_list ap;

	va_start(ap, fmt);
	l->len += (size_t)vsnprintf(room ? l->text + l->len : NULL, room, fmt, ap);
	va_end(ap);
}

static void add_verify(struct line *l, uint64_t start, uint64_t end, uint32_t crc)
{
	add(l, " verify=0x%012" PRIx64 "-0x%012" PRIx64 ":0x%08" PRIx32, start, end, crc);
}

static void add_verify_elfcore(struct line *l, const struct layout *at)
{
	if (at->verify_elfcore)
		add_verify(l, at->elfcore.start, at->elfcore.end, at->elfcore_crc);
}

static int too_long(const struct line *l)
{
	return l->len > WORDS_MAX ? fail(-E2BIG, "the words are %zu bytes too long", l->len - WORDS_MAX) : 0;
}

static void put64(uint8_t *p, uint64_t v)
{
	memcpy(p, &v, sizeof(v));	/* both architectures are little-endian, and so is who loads */
}

/* ---- x86_64: boot_params | command line | jump ---- */

#define X86_LINE	BOOT_PARAMS_SIZE
#define X86_JUMP	(X86_LINE + WORDS_MAX + 1)

/* movabs $boot_params, %rsi; movabs $entry, %rax; jmp *%rax */
static void x86_jump(uint8_t *p, uint64_t params, uint64_t entry)
{
	static const uint8_t code[] = { 0x48, 0xbe, 0, 0, 0, 0, 0, 0, 0, 0, 0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xe0 };

	memcpy(p, code, sizeof(code));
	put64(p + 2, params);
	put64(p + 12, entry);
}

/*
 * The stub reads of it: the command line, the RSDP, and whose the memory around it is. That is the reservation: low
 * memory stays as it is and will be in the dump.
 */
static void x86_boot_params(struct boot_params *bp, const struct machine *m, const struct stub_image *img, uint64_t line)
{
	struct e820_entry *map = (void *)((uint8_t *)bp + OFFSET_E820_TABLE);
	unsigned n = 0;

	bp->hdr = ((const struct boot_params *)img->file)->hdr;
	bp->hdr.type_of_loader = 0xff;	/* boot.rst: none that has a number */
	bp->hdr.cmd_line_ptr = (uint32_t)line;
	bp->ext_cmd_line_ptr = (uint32_t)(line >> 32);
	bp->acpi_rsdp_addr = m->rsdp;
	for (; n < m->reserved.nr && n < E820_MAX; n++)
		map[n] = (struct e820_entry){ m->reserved.v[n].start, m->reserved.v[n].end - m->reserved.v[n].start, E820_RAM };
	bp->e820_entries = (uint8_t)n;
}

static int x86_build(struct params *p, const struct machine *m, const struct stub_image *img, const struct layout *at,
		     const char *words)
{
	uint64_t line_pa = at->params + X86_LINE;
	struct line l = { .len = 0 };

	p->entry = X86_JUMP;
	p->size = X86_JUMP + 32;
	p->data = must_alloc(p->size, 1);
	x86_boot_params((struct boot_params *)p->data, m, img, line_pa);
	add(&l, "%s elfcorehdr=0x%012" PRIx64 "@0x%012" PRIx64, words, at->elfcore.end - at->elfcore.start,
	    at->elfcore.start);
	add_verify_elfcore(&l, at);
	if (l.len + VERIFY_LEN <= WORDS_MAX) {
		/* One range: boot_params, and the text in front of the word */
		memcpy(p->data + X86_LINE, l.text, l.len);
		add_verify(&l, at->params, line_pa + l.len, crc32c(0, p->data, X86_LINE + l.len));
		memcpy(p->data + X86_LINE, l.text, l.len);
	} else {
		l.len += VERIFY_LEN;
	}
	x86_jump(p->data + X86_JUMP, at->params, at->image + img->entry);
	return too_long(&l);
}

/* ---- arm64: device tree | jump ---- */

/* ldr x0, tree; ldr x4, entry; br x4; nop; tree: .quad; entry: .quad. Caches and MMU are off. */
static void arm64_jump(uint8_t *p, uint64_t tree, uint64_t entry)
{
	static const uint32_t code[] = { 0x58000080, 0x580000a4, 0xd61f0080, 0xd503201f };

	memcpy(p, code, sizeof(code));
	put64(p + 16, tree);
	put64(p + 24, entry);
}

/* Append [start, end) as an address and a size in the root's cells */
static int put_range(void *tree, int chosen, const char *name, struct range r)
{
	uint64_t v[2] = { r.start, r.end - r.start };
	int cells[2] = { fdt_address_cells(tree, 0), fdt_size_cells(tree, 0) };
	int rc = 0;

	for (int i = 0; i < 2 && !rc; i++) {
		if (cells[i] == 2)
			rc = fdt_appendprop_u64(tree, chosen, name, v[i]);
		else if (cells[i] == 1 && v[i] <= UINT32_MAX)
			rc = fdt_appendprop_u32(tree, chosen, name, (uint32_t)v[i]);
		else
			rc = -FDT_ERR_BADNCELLS;
	}
	return rc;
}

/* linux Documentation/devicetree/bindings/chosen: what the loader of a capture kernel writes there */
static int arm64_chosen(void *tree, const struct machine *m, const struct layout *at, size_t line_len)
{
	/* Of the boot before */
	static const char *const stale[] = { "linux,elfcorehdr", "linux,usable-memory-range", "linux,initrd-start",
					     "linux,initrd-end", "kaslr-seed", "rng-seed", "bootargs" };
	int chosen = fdt_path_offset(tree, "/chosen");
	void *line;
	int rc = 0;

	if (chosen == -FDT_ERR_NOTFOUND)
		chosen = fdt_add_subnode(tree, 0, "chosen");
	if (chosen < 0)
		return chosen;
	for (unsigned i = 0; i < ARRAY_SIZE(stale); i++)
		fdt_delprop(tree, chosen, stale[i]);
	rc = put_range(tree, chosen, "linux,elfcorehdr", at->elfcore);
	for (unsigned i = 0; i < m->reserved.nr && !rc; i++)
		rc = put_range(tree, chosen, "linux,usable-memory-range", m->reserved.v[i]);
	if (!rc)
		rc = fdt_setprop_placeholder(tree, chosen, "bootargs", (int)line_len + 1, &line);
	if (!rc)
		memset(line, 0, line_len + 1);
	return rc ? rc : fdt_pack(tree);
}

/* The words that verify the tree are in it: what is in front of the last of them, and what is behind the line. */
static void arm64_line(uint8_t *tree, size_t size, const struct layout *at, struct line *l)
{
	char *text = fdt_getprop_w(tree, fdt_path_offset(tree, "/chosen"), "bootargs", NULL);
	size_t line = (size_t)((uint8_t *)text - tree);
	size_t behind = line + l->len + 2 * VERIFY_LEN + 1;

	add_verify(l, at->params + behind, at->params + size, crc32c(0, tree + behind, size - behind));
	memcpy(text, l->text, l->len);
	add_verify(l, at->params, at->params + line + l->len, crc32c(0, tree, line + l->len));
	memcpy(text, l->text, l->len);
}

static int arm64_build(struct params *p, const struct machine *m, const struct stub_image *img, const struct layout *at,
		       const char *words)
{
	size_t room = m->fdt_size + 4096 + WORDS_MAX;
	struct line l = { .len = 0 };
	int rc = fdt_check_full(m->fdt, m->fdt_size);
	size_t size;

	add(&l, "%s", words);
	add_verify_elfcore(&l, at);
	if (l.len + 2 * VERIFY_LEN > WORDS_MAX) {
		l.len += 2 * VERIFY_LEN;
		return too_long(&l);
	}
	p->data = must_alloc(room, 1);
	if (!rc)
		rc = fdt_open_into(m->fdt, p->data, (int)room - 64);
	if (!rc)
		rc = arm64_chosen(p->data, m, at, l.len + 2 * VERIFY_LEN);
	if (rc)
		return fail(-EINVAL, "/sys/firmware/fdt: %s", fdt_strerror(rc));
	size = fdt_totalsize(p->data);
	arm64_line(p->data, size, at, &l);
	p->entry = ALIGN_UP(size, 8u);
	p->size = p->entry + 32;
	arm64_jump(p->data + p->entry, at->params, at->image + img->entry);
	return 0;
}

int params_build(struct params *p, const struct machine *m, const struct stub_image *img, const struct layout *at,
		 const char *words)
{
	*p = (struct params){ .size = 0 };
	return (img->arch == ARCH_X86_64 ? x86_build : arm64_build)(p, m, img, at, words);
}
