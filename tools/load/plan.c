// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/load/plan.h"

#include <errno.h>
#include <stdlib.h>

#include "stub/bits.h"
#include "stub/format/crc.h"
#include "tools/load/elfcore.h"
#include "tools/util.h"

/* Room in the elfcorehdr for what may be plugged in, where the kernel follows by itself: 580 program headers */
#define HOTPLUG_ROOM	KIB(32)
#define HOTPLUG_LEAST	MIB(1)	/* of a reservation that can afford it */
/*
 * The kernel takes its control pages from the reservation too: code, and on x86_64 identity page tables of all RAM, of
 * which there is one for each GiB where the CPU cannot map that with one entry; the others are few, and a guess.
 */
#define KERNEL_PAGES	12u
/*
 * When the stub runs those are its own, and with what else is left have to hold what a dump to a disk takes at least
 * (stub/mem.h): with 88 KiB it ends before it began. The buffers of stub/send/out.c are half of it.
 */
#define ARENA_LEAST	KIB(192)

/* Besides, kexec_file_load(2) places purgatory, boot_params and its control pages: so much was enough for 6.1 and 6.12. */
#define FILE_REST	KIB(60)
#define FILE_ELFCORE	KIB(4)	/* where the kernel does not rewrite it */

/* For each GiB of RAM */
static uint64_t big_tables(const struct machine *m)
{
	return m->arch == ARCH_X86_64 && !m->huge_tables ? DIV_ROUND_UP(m->ram_end, BIT(30)) : 0;
}

static uint64_t rest_needs(const struct machine *m)
{
	uint64_t pages = 2;

	if (m->arch == ARCH_X86_64)
		pages = KERNEL_PAGES + DIV_ROUND_UP(m->ram_end, BIT(39)) + big_tables(m);
	return max_u64(pages * m->page_size, ARENA_LEAST);
}

/* Low memory is arena there, because that call leaves it out of the dump. */
uint64_t plan_file_needs(const struct machine *m, const struct stub_image *img)
{
	uint64_t elfcore = max_u64(ALIGN_UP(m->hotplug_size, m->page_size), FILE_ELFCORE);

	return ALIGN_UP(img->memsz + elfcore + FILE_REST + big_tables(m) * m->page_size, KIB(64));
}

uint64_t plan_needs(const struct plan *p, const struct machine *m)
{
	uint64_t size = rest_needs(m);

	for (unsigned i = 0; i < NR_SEGS; i++)
		size += p->seg[i].at.end - p->seg[i].at.start;
	return ALIGN_UP(size, KIB(64));
}

/* The highest free place in the reservation, which leaves the kernel, which looks from below, one piece */
static bool place(struct plan *p, const struct range *within, struct segment *s, uint64_t align)
{
	uint64_t size = s->at.end - s->at.start, start, end = within->end;

	for (unsigned i = 0; end >= within->start + size;) {
		start = ALIGN_DOWN(end - size, align);
		if (start < within->start)
			return false;
		for (i = 0; i < NR_SEGS; i++)
			if (&p->seg[i] != s && p->seg[i].at.start < start + size && p->seg[i].at.end > start)
				break;
		if (i == NR_SEGS) {
			s->at = (struct range){ start, start + size };
			p->left -= size;
			return true;
		}
		end = p->seg[i].at.start;
	}
	return false;
}

static void set(struct segment *s, const struct machine *m, const char *what, const void *data, size_t data_size,
		uint64_t memsz)
{
	*s = (struct segment){ what, data, data_size, { 0, ALIGN_UP(memsz, m->page_size) } };
}

static int place_all(struct plan *p, const struct machine *m, const struct stub_image *img)
{
	const struct range *r = machine_reservation(m);
	uint64_t size = r->end - r->start;

	p->left = size;
	/* Those that are not placed yet lie at 0, where no reservation is */
	if (place(p, r, &p->seg[SEG_IMAGE], max_u64(img->align, m->page_size)) && place(p, r, &p->seg[SEG_ELFCORE], m->page_size) &&
	    place(p, r, &p->seg[SEG_PARAMS], m->page_size) && p->left >= rest_needs(m))
		return 0;
	return fail(-ENOMEM, "the reservation of %s is too small: boot with crashkernel=%lluK", human_bytes(size),
		    (unsigned long long)(plan_needs(p, m) >> 10));
}

int plan_make(struct plan *p, const struct machine *m, const struct stub_image *img, const char *words)
{
	const struct range *r = machine_reservation(m);
	struct layout at = { 0 };
	size_t size;
	int rc;

	*p = (struct plan){ 0 };
	p->elfcore = elfcore_build(m, &size);
	if (!p->elfcore)
		return -E2BIG;
	p->hotplug = m->hotplug_size && r->end - r->start >= HOTPLUG_LEAST;
	at.verify_elfcore = !p->hotplug;
	rc = params_build(&p->params, m, img, &at, words);
	if (rc)
		return rc;
	set(&p->seg[SEG_IMAGE], m, "image", img->data, img->data_size, img->memsz);
	set(&p->seg[SEG_ELFCORE], m, "elfcorehdr", p->elfcore, size, size + (p->hotplug ? HOTPLUG_ROOM : 0));
	set(&p->seg[SEG_PARAMS], m, "parameters", NULL, p->params.size, p->params.size);
	rc = place_all(p, m, img);
	if (rc)
		return rc;
	at.image = p->seg[SEG_IMAGE].at.start;
	at.params = p->seg[SEG_PARAMS].at.start;
	at.elfcore = p->seg[SEG_ELFCORE].at;
	if (at.verify_elfcore)
		at.elfcore.end = at.elfcore.start + size;
	if (at.verify_elfcore)
		at.elfcore_crc = p->elfcore_crc = crc32c(0, p->elfcore, size);
	free(p->params.data);
	rc = params_build(&p->params, m, img, &at, words);
	p->seg[SEG_PARAMS].data = p->params.data;
	p->entry = at.params + p->params.entry;
	return rc;
}

void plan_free(struct plan *p)
{
	free(p->elfcore);
	free(p->params.data);
}
