/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page classes from struct page. The rules and their order are those of makedumpfile(8), so that a
 * dump level means the same here: struct page's layout comes from VMCOREINFO, never from a release
 * string, and what VMCOREINFO does not say is not guessed: the levels that would need it are given
 * up and the entry is named. The dump loop calls pages_class() once per frame with ascending
 * numbers; all state is one buffer of struct pages and one pending range.
 *
 * Everything read is hostile. A wrong struct page can make one frame (or one range of at most 1 <<
 * MAX_ORDER frames) look excludable, but cannot make this loop, or read outside RAM: every access
 * goes through vmcore_read().
 */
#include "stub/dead/pages.h"

#include <errno.h>
#include <string.h>

#include "stub/idle.h"
#include "stub/log.h"
#include "stub/mem.h"

#define BUFFER_SIZE	4096u
#define MAX_PROBED	256u		/* ranges: a model that works does so in the first ones */
#define PAGE_STRUCT_MIN	32u
#define PAGE_STRUCT_MAX	256u
/*
 * Largest order that any kernel gives to a page: 1 GiB of 4-KiB pages, 16 GiB of 64-KiB pages
 * (arm64 contiguous PMDs)
 */
#define MAX_ORDER	18u
/*
 * Low bits of mem_section.section_mem_map are flags; newer kernels use more of them, an aligned
 * pointer has none
 */
#define SECTION_PRESENT	BIT(0)
#define SECTION_ONLINE	BIT(2)		/* since 4.13 */
#define SECTION_FLAGS	GENMASK(4, 0)
#define SECTION_PROBES	16u		/* pages of a section that tell whether it is in use */
#define MAX_SECTIONS	BIT(18)		/* that are looked at: 32 TiB of RAM */
/*
 * x86_64 and arm64 with 52 bits of physical addresses, sections of 128 MiB and pages of 4 KiB have
 * 2^17; a larger struct mem_section makes them more
 */
#define MAX_ROOTS	BIT(20)
#define ROOTS		64u		/* pointers that are read at once */
#define MAPPING_ANON	BIT(0)		/* page->mapping: include/linux/page-flags.h */
#define COMPOUND_TAIL	BIT(0)		/* page->compound_head */
/* Of page->flags, where PG_reserved is looked for: zone, node and section are far above */
#define FLAGS_MASK	GENMASK(23, 0)
/* No kernel is larger; kexec-tools writes 512 MiB when it does not find out */
#define IMAGE_MAX	MIB(256)
#define NO_SECTION	(~0ULL)
/* the flat array has no sections: pieces of this many frames, log 2 */
#define FLAT_SHIFT	15u
#define NO_NUMBER	(-1)
#define LEVEL_STRUCT_PAGE (LEVEL_CACHE | LEVEL_CACHE_PRIVATE | LEVEL_USER | LEVEL_FREE)
#define LEVEL_ANY_CACHE	(LEVEL_CACHE | LEVEL_CACHE_PRIVATE)

/*
 * Which of struct page's fields are known and where; a frame is classified by looking at these only
 */
struct page_layout {
	uint32_t size;
	uint32_t flags, mapcount, mapping, private, compound_head;
	/* in the second struct page of a compound page; 0: unknown */
	uint32_t order, dtor;
	bool order_in_flags;		/* 6.6+: the low byte of the second page's flags */
	uint64_t head_mask;
	/* bit masks, 0: none */
	uint64_t lru, private_flag, swapcache, swapbacked, slab, hwpoison, hugetlb_flag;
	bool slab_type_known, buddy_known, unaccepted_known, offline_known, hugetlb_type_known;
	/* values of _mapcount */
	uint32_t slab_type, buddy_type, unaccepted_type, offline_type, hugetlb_type;
	int64_t hugetlb_dtor;
	uint64_t max_buddy_order;	/* exclusive: LENGTH(zone.free_area) */
};

/* How to get from a frame number to its struct page */
struct memory_model {
	/* address of frame 0's struct page, when mem_section cannot be used; else 0 */
	uint64_t vmemmap;
	uint64_t root;			/* mem_section: array of roots, or of sections */
	uint64_t nr_sections;
	uint64_t entry_size, map_offset;
	uint64_t per_root;		/* entries behind one root pointer; 0: flat array */
	unsigned pfn_shift;		/* frame number to section number */
};

struct pages {
	const struct vmcore *vc;
	struct vtop *vt;
	unsigned level;
	const char *reason;
	bool usable;			/* struct pages can be found and read */
	bool misread;
	struct page_layout layout;
	struct memory_model model;
	uint64_t image_start, image_end;	/* frames of the kernel image */
	uint64_t reserved;		/* PG_reserved as a mask; 0: unknown */
	uint64_t unlisted;		/* bytes in use, at least, that vc does not have */

	/* section looked at last */
	uint64_t section;
	/* address of struct page = this + pfn * size; 0: section not present */
	uint64_t section_map;

	/* struct pages read last */
	uint64_t batch_start, batch_end;
	unsigned batch_pages;		/* power of two that fits the buffer */

	/* pending range of a compound or free page */
	uint64_t range_start, range_end;
	enum page_class range_class;
	/* excluded as a whole: its struct pages are not even read */
	bool range_skip;

	unsigned char *buf;		/* BUFFER_SIZE bytes */
};

static struct pages pages;

/*---------------------------------------------------------------- VMCOREINFO */

/* What a missing entry costs: the level bits that cannot be honoured without it. */
static void give_up(struct pages *p, unsigned bits, const char *entry)
{
	if (!(p->level & bits))
		return;
	if (!*p->reason)
		p->reason = entry;
	p->level &= ~bits;
	log_warn("pages: %s is missing or inconsistent: level %u", entry, p->level);
}

struct field {
	const char *name;
	const char *entry;		/* how VMCOREINFO spells it */
	size_t member;
	unsigned width;			/* bytes read there */
	unsigned needed_by;
};

#define FIELD(member, width, bits)                                                        \
	{ "page." #member, "OFFSET(page." #member ")", offsetof(struct page_layout, member), \
	  width, bits }

static const struct field fields[] = {
	FIELD(flags, 8, LEVEL_STRUCT_PAGE),
	FIELD(compound_head, 8, LEVEL_STRUCT_PAGE),
	FIELD(mapping, 8, LEVEL_ANY_CACHE | LEVEL_USER),
	FIELD(private, 8, LEVEL_FREE),
	{ "page._mapcount", "OFFSET(page._mapcount)", offsetof(struct page_layout, mapcount), 4,
	  LEVEL_FREE },
};

/* @name's offset inside struct page, or -ENOENT when absent or not inside it. */
static int page_offset(const struct vmcoreinfo *vi, const struct page_layout *l, const char *name,
		       unsigned width, uint32_t *ret)
{
	uint64_t offset;

	if (vmcoreinfo_offset(vi, name, &offset) < 0 || !range_inside(offset, width, 0, l->size))
		return -ENOENT;
	*ret = offset;
	return 0;
}

static void read_fields(struct pages *p, const struct vmcoreinfo *vi)
{
	struct page_layout *l = &p->layout;
	uint64_t size;

	if (vmcoreinfo_size(vi, "page", &size) < 0 || size < PAGE_STRUCT_MIN ||
	    size > PAGE_STRUCT_MAX || size % 8) {
		give_up(p, LEVEL_STRUCT_PAGE, "SIZE(page)");
		p->usable = false;
		return;
	}
	l->size = size;
	for (unsigned i = 0; i < ARRAY_SIZE(fields); i++) {
		const struct field *f = &fields[i];
		uint32_t *offset = (uint32_t *)((char *)l + f->member);

		if (page_offset(vi, l, f->name, f->width, offset) == 0)
			continue;
		/* Renamed in 7.1; bit 0 still marks a tail */
		if (offset == &l->compound_head &&
		    page_offset(vi, l, "page.compound_info", 8, offset) == 0)
			continue;
		give_up(p, f->needed_by, f->entry);
		if (f->needed_by == LEVEL_STRUCT_PAGE)
			p->usable = false;
		/* An offset of 0 is harmless: the rules that would read the field are off. */
	}
}

/* NUMBER(PG_x) as a mask; 0 when absent or impossible. */
static uint64_t flag_mask(const struct vmcoreinfo *vi, const char *name)
{
	int64_t bit;

	if (vmcoreinfo_number(vi, name, &bit) < 0 || bit < 0 || bit > 63)
		return 0;
	return BIT(bit);
}

/*
 * A value of _mapcount that tells the page's type; 32 bits are compared, whichever way it was
 * printed.
 */
static bool type_value(const struct vmcoreinfo *vi, const char *name, uint32_t *ret)
{
	int64_t value;

	if (vmcoreinfo_number(vi, name, &value) < 0)
		return false;
	*ret = (uint32_t)value;
	return true;
}

static void read_flags(struct pages *p, const struct vmcoreinfo *vi)
{
	struct page_layout *l = &p->layout;
	int64_t mask;

	l->lru = flag_mask(vi, "PG_lru");
	l->private_flag = flag_mask(vi, "PG_private");
	l->swapcache = flag_mask(vi, "PG_swapcache");
	l->swapbacked = flag_mask(vi, "PG_swapbacked");
	l->slab = flag_mask(vi, "PG_slab");
	l->hwpoison = flag_mask(vi, "PG_hwpoison");
	if (!l->lru)
		give_up(p, LEVEL_ANY_CACHE, "NUMBER(PG_lru)");
	if (!l->private_flag)
		give_up(p, LEVEL_ANY_CACHE, "NUMBER(PG_private)");
	/*
	 * Since 4.10 the swap cache flag is shared with others and means itself only beside
	 * PG_swapbacked.
	 */
	if (!l->swapcache)
		give_up(p, LEVEL_ANY_CACHE, "NUMBER(PG_swapcache)");
	if (!l->swapbacked)
		give_up(p, LEVEL_ANY_CACHE, "NUMBER(PG_swapbacked)");

	if (vmcoreinfo_number(vi, "PG_head_mask", &mask) < 0 || !mask) {
		give_up(p, LEVEL_STRUCT_PAGE, "NUMBER(PG_head_mask)");
		p->usable = false;
	} else {
		l->head_mask = mask;
	}
}

static void read_types(struct pages *p, const struct vmcoreinfo *vi)
{
	struct page_layout *l = &p->layout;
	uint32_t mapcount;

	/* Without the field the values are of no use. */
	if (page_offset(vi, l, "page._mapcount", 4, &mapcount) == 0) {
		l->slab_type_known = type_value(vi, "PAGE_SLAB_MAPCOUNT_VALUE", &l->slab_type);
		l->buddy_known = type_value(vi, "PAGE_BUDDY_MAPCOUNT_VALUE", &l->buddy_type);
		l->unaccepted_known =
			type_value(vi, "PAGE_UNACCEPTED_MAPCOUNT_VALUE", &l->unaccepted_type);
		l->offline_known = type_value(vi, "PAGE_OFFLINE_MAPCOUNT_VALUE", &l->offline_type);
		l->hugetlb_type_known =
			type_value(vi, "PAGE_HUGETLB_MAPCOUNT_VALUE", &l->hugetlb_type);
	}
	/*
	 * Slab pages reuse ->mapping and _mapcount: who cannot tell them apart must not trust
	 * either.
	 */
	if (!l->slab && !l->slab_type_known)
		give_up(p, LEVEL_STRUCT_PAGE, "NUMBER(PG_slab)");
	if (!l->buddy_known)
		give_up(p, LEVEL_FREE, "NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)");
	if (vmcoreinfo_length(vi, "zone.free_area", &l->max_buddy_order) < 0 ||
	    !l->max_buddy_order || l->max_buddy_order > MAX_ORDER + 1) {
		l->max_buddy_order = 0;
		give_up(p, LEVEL_FREE, "LENGTH(zone.free_area)");
	}
}

/*
 * Order of a compound page and whether it is hugetlb, both kept in its second struct page: since
 * 6.9 the type is in _mapcount, in 6.6 a flag there, in 6.3 a folio field, before that a page
 * field. Kernels without hugetlb have none of them, so that a missing one is no error: huge pages
 * are then kept.
 */
static void read_compound(struct pages *p, const struct vmcoreinfo *vi)
{
	struct page_layout *l = &p->layout;
	uint64_t offset;

	l->hugetlb_flag = flag_mask(vi, "PG_hugetlb");
	l->order_in_flags = l->hugetlb_type_known || l->hugetlb_flag;
	l->hugetlb_dtor = NO_NUMBER;
	if (l->order_in_flags)
		return;

	/* struct folio overlays consecutive struct pages: its second part begins at SIZE(page) */
	if (vmcoreinfo_offset(vi, "folio._folio_order", &offset) == 0 &&
	    range_inside(offset, 1, l->size, 2 * l->size))
		l->order = offset - l->size;
	else if (page_offset(vi, l, "page.compound_order", 1, &l->order) < 0)
		l->order = 0;
	if (vmcoreinfo_offset(vi, "folio._folio_dtor", &offset) == 0 &&
	    range_inside(offset, 1, l->size, 2 * l->size))
		l->dtor = offset - l->size;
	else if (page_offset(vi, l, "page.compound_dtor", 1, &l->dtor) < 0)
		l->dtor = 0;
	if (!l->dtor || vmcoreinfo_number(vi, "HUGETLB_PAGE_DTOR", &l->hugetlb_dtor) < 0)
		l->hugetlb_dtor = NO_NUMBER;

	if (!l->order && !*p->reason && p->level & LEVEL_STRUCT_PAGE) {
		p->reason = "OFFSET(page.compound_order)";
		log_warn("pages: %s is missing: tails of compound pages are kept", p->reason);
	} else if (l->hugetlb_dtor == NO_NUMBER && p->level & LEVEL_USER) {
		const char *entry =
			l->dtor ? "NUMBER(HUGETLB_PAGE_DTOR)" : "OFFSET(page.compound_dtor)";

		if (!*p->reason)
			p->reason = entry;
		log_warn("pages: %s is missing: huge pages are kept", entry);
	}
}

/*---------------------------------------------------------------- frame number to struct page */

/*
 * Address of section @nr's struct mem_section. Only section_mem_map is read, as a coded pointer:
 * the address of the struct page that frame 0 would have if the section's array went that far back.
 * 1 if the section is online, 0 if it is only present, or -errno.
 */
static int section_map(const struct memory_model *m, struct vtop *vt, uint64_t nr, uint64_t *ret)
{
	uint64_t entry, map;
	int r;

	if (nr >= m->nr_sections)
		return -ENOENT;
	if (m->per_root) {
		r = vtop_read(vt, &entry, m->root + nr / m->per_root * 8, 8);
		if (r < 0)
			return r;
		if (!entry)
			return -ENOENT;
		entry += nr % m->per_root * m->entry_size;
	} else {
		entry = m->root + nr * m->entry_size;
	}
	r = vtop_read(vt, &map, entry + m->map_offset, 8);
	if (r < 0)
		return r;
	if (!(map & SECTION_PRESENT))
		return -ENOENT;
	*ret = map & ~SECTION_FLAGS;
	return map & SECTION_ONLINE ? 1 : 0;
}

/* Is what the kernel has at @va in memory that no range names? */
static bool outside(const struct pages *p, uint64_t va)
{
	phys_addr_t pa;

	return va && !vtop(p->vt, va, &pa, NULL) && !vmcore_is_ram(p->vc, pa, 1);
}

/* At @va is what the kernel keeps in RAM, but it could not be read: for lack of a range? */
static void look_outside(struct pages *p, uint64_t va)
{
	if (outside(p, va))
		p->unlisted = BIT(p->vt->page_shift);
}

/*
 * Does any RAM have a readable struct page through this model? A few frames of each range are
 * tried.
 */
static bool model_works(struct pages *p, const struct memory_model *m)
{
	uint64_t pfn = 0, end, map, word;

	for (unsigned i = 0; i < MAX_PROBED && vmcore_next_run(p->vc, pfn, &pfn, &end);
	     i++, pfn = end) {
		uint64_t probes[] = { pfn, pfn + (end - pfn) / 2, end - 1 };

		for (unsigned k = 0; k < ARRAY_SIZE(probes); k++) {
			map = m->vmemmap;
			if (!map && section_map(m, p->vt, probes[k] >> m->pfn_shift, &map) < 0)
				continue;
			map += probes[k] * p->layout.size;
			if (vtop_read(p->vt, &word, map, sizeof(word)) == 0) {
				p->unlisted = 0;
				return true;
			}
			look_outside(p, map);
		}
	}
	return false;
}

/*
 * What VMCOREINFO says of mem_section, or the entry that is missing or makes no sense; NULL: all is
 * there.
 */
static const char *read_sections(const struct vmcoreinfo *vi, struct pages *p,
				 struct memory_model *m)
{
	uint64_t length, page_size = BIT(p->vt->page_shift);
	unsigned physmem = p->vt->max_physmem_bits, section = p->vt->section_size_bits;

	if (vmcoreinfo_symbol(vi, "mem_section", &m->root) < 0)
		return "SYMBOL(mem_section)";
	if (vmcoreinfo_size(vi, "mem_section", &m->entry_size) < 0 || m->entry_size > page_size)
		return "SIZE(mem_section)";
	if (vmcoreinfo_offset(vi, "mem_section.section_mem_map", &m->map_offset) < 0 ||
	    !range_inside(m->map_offset, 8, 0, m->entry_size))
		return "OFFSET(mem_section.section_mem_map)";
	if (section <= p->vt->page_shift || section >= physmem || physmem > 56)
		return "NUMBER(SECTION_SIZE_BITS)";
	m->pfn_shift = section - p->vt->page_shift;
	m->nr_sections = BIT(physmem - section);
	m->per_root = page_size / m->entry_size;
	/*
	 * CONFIG_SPARSEMEM_EXTREME, unless the array's length says that it has an entry for every
	 * section
	 */
	if (vmcoreinfo_length(vi, "mem_section", &length) == 0 &&
	    length != DIV_ROUND_UP(m->nr_sections, m->per_root))
		m->per_root = 0;
	if (m->per_root && m->nr_sections / m->per_root > MAX_ROOTS)
		return "NUMBER(SECTION_SIZE_BITS)";
	return NULL;
}

static void find_model(struct pages *p, const struct vmcoreinfo *vi)
{
	struct memory_model *m = &p->model;
	const char *missing = read_sections(vi, p, m);
	uint64_t pointed;

	if (!missing) {
		if (model_works(p, m))
			return;
		missing = p->vt->missing ? p->vt->missing : "SYMBOL(mem_section)";
		/*
		 * The symbol may be that of the pointer to the array (since 4.15, by how it was
		 * exported).
		 */
		if (m->per_root && vtop_read(p->vt, &pointed, m->root, 8) == 0) {
			m->root = pointed;
			if (model_works(p, m))
				return;
		}
	}
	look_outside(p, m->root);
	/* Exported since 6.16, and by some distributions before: one flat array for all frames */
	memset(m, 0, sizeof(*m));
	m->pfn_shift = FLAT_SHIFT;
	if (vmcoreinfo_symbol(vi, "vmemmap", &m->vmemmap) == 0 && m->vmemmap && model_works(p, m))
		return;
	m->vmemmap = 0;
	p->usable = false;
	give_up(p, LEVEL_STRUCT_PAGE, missing);
}

/* Address of the struct page of @pfn, or 0. */
static uint64_t struct_page(struct pages *p, uint64_t pfn)
{
	const struct memory_model *m = &p->model;
	uint64_t section;

	if (m->vmemmap)
		return m->vmemmap + pfn * p->layout.size;
	section = pfn >> m->pfn_shift;
	if (section != p->section) {
		p->section = section;
		if (section_map(m, p->vt, section, &p->section_map) < 0)
			p->section_map = 0;
	}
	return p->section_map ? p->section_map + pfn * p->layout.size : 0;
}

/*
 * The struct page of @pfn, and the next one behind it unless @pfn is the last of a batch; NULL when
 * it cannot be read. Batches begin at multiples of their own length: a compound head has an even
 * frame number, so it is never the last.
 */
static const unsigned char *load(struct pages *p, uint64_t pfn)
{
	uint64_t start, address, n;

	if (pfn >= p->batch_start && pfn < p->batch_end)
		return p->buf + (pfn - p->batch_start) * p->layout.size;

	idle_busy();
	start = ALIGN_DOWN(pfn, p->batch_pages);
	n = p->batch_pages;
	address = struct_page(p, start);
	if (!address || vtop_read(p->vt, p->buf, address, n * p->layout.size) < 0) {
		/*
		 * A hole in the memory map may begin inside: take what begins here, a pair of pages
		 * or one.
		 */
		start = pfn;
		n = pfn % 2 ? 1 : 2;
		address = struct_page(p, start);
		p->batch_end = p->batch_start = 0;
		if (!address || vtop_read(p->vt, p->buf, address, n * p->layout.size) < 0)
			return NULL;
	}
	p->batch_start = start;
	p->batch_end = start + n;
	return p->buf + (pfn - start) * p->layout.size;
}

/*---------------------------------------------------------------- the rules */

static inline uint64_t get64(const unsigned char *page, uint32_t offset)
{
	uint64_t v;

	memcpy(&v, page + offset, sizeof(v));
	return v;
}

static inline uint32_t get32(const unsigned char *page, uint32_t offset)
{
	uint32_t v;

	memcpy(&v, page + offset, sizeof(v));
	return v;
}

/* Order and kind of the compound page that @page heads; order 0 when it makes no sense. */
static unsigned compound_order(const struct page_layout *l, const unsigned char *page, uint64_t pfn,
			       uint32_t mapcount, bool *ret_hugetlb)
{
	const unsigned char *second = page + l->size;
	unsigned order = 0;

	*ret_hugetlb = false;
	if (pfn % 2)
		return 0;
	if (l->order_in_flags) {
		uint64_t flags = get64(second, l->flags);

		order = flags & 0xff;
		*ret_hugetlb = l->hugetlb_type_known ? mapcount == l->hugetlb_type
						     : flags & l->hugetlb_flag;
	} else {
		if (l->order)
			order = second[l->order];
		if (l->dtor)
			*ret_hugetlb = second[l->dtor] == l->hugetlb_dtor;
	}
	return order <= MAX_ORDER && IS_ALIGNED(pfn, BIT(order)) ? order : 0;
}

/*
 * Free? *ret_order: of the block. In the buddy allocator a wrong order is no reason to drop
 * anything.
 */
static bool judge_free(const struct page_layout *l, const unsigned char *page, uint64_t pfn,
		       uint32_t mapcount, unsigned *ret_order, bool *ret_valid)
{
	uint64_t order;

	if (l->buddy_known && mapcount == l->buddy_type) {
		order = get64(page, l->private);
		*ret_valid = order < l->max_buddy_order && IS_ALIGNED(pfn, BIT(order));
		*ret_order = *ret_valid ? order : 0;
		return true;
	}
	if (l->unaccepted_known && mapcount == l->unaccepted_type && l->max_buddy_order) {
		/*
		 * Memory that the guest has not accepted from the hypervisor yet comes in blocks of
		 * the largest order.
		 */
		*ret_order = l->max_buddy_order - 1;
		*ret_valid = IS_ALIGNED(pfn, BIT(*ret_order));
		return true;
	}
	return false;
}

/*
 * What one struct page says; @ret_order: for how many frames it speaks. The rules come in order,
 * and one whose class stays in the dump at this level does not stop those behind it: such a page
 * may still be excluded for another reason.
 */
static enum page_class judge(const struct pages *p, const unsigned char *page, uint64_t pfn,
			     unsigned *ret_order)
{
	const struct page_layout *l = &p->layout;
	uint64_t flags = get64(page, l->flags);
	uint32_t mapcount = get32(page, l->mapcount);
	enum page_class class = PAGE_KERNEL;
	bool slab, anon, cache, valid, hugetlb = false, free;
	unsigned free_order = 0;

	*ret_order = 0;
	slab = flags & l->slab || (l->slab_type_known && mapcount == l->slab_type);
	free = !slab && judge_free(l, page, pfn, mapcount, &free_order, &valid);
	if (free && p->level & LEVEL_FREE) {
		*ret_order = free_order;
		return valid ? PAGE_FREE : PAGE_KERNEL;
	}

	if (flags & l->head_mask)
		*ret_order = compound_order(l, page, pfn, mapcount, &hugetlb);
	anon = get64(page, l->mapping) & MAPPING_ANON && !slab;
	cache = flags & l->lru || (flags & l->swapcache && flags & l->swapbacked);
	if (cache && !anon)
		class = flags & l->private_flag ? PAGE_CACHE_PRIVATE : PAGE_CACHE;
	else if (anon || hugetlb)
		class = PAGE_USER;
	if (pages_excluded(class))
		return class;
	if (flags & l->hwpoison)
		return PAGE_HWPOISON;
	if (l->offline_known && mapcount == l->offline_type && !slab)
		return PAGE_OFFLINE;
	if (free) {
		*ret_order = free_order;
		return PAGE_FREE;
	}
	return class;
}

/*
 * Class of @pfn from its own struct page. The tail of a compound page has none of its own: @inside
 * is what its head was. In a free block that is kept all struct pages are free ones, but only the
 * first says so.
 */
static enum page_class classify(struct pages *p, uint64_t pfn, enum page_class inside)
{
	const unsigned char *page = load(p, pfn);
	enum page_class class;
	unsigned order;

	if (!page)
		return PAGE_KERNEL;
	if (get64(page, p->layout.compound_head) & COMPOUND_TAIL)
		return get64(page, p->layout.flags) & p->layout.hwpoison ? PAGE_HWPOISON : inside;

	class = judge(p, page, pfn, &order);
	if (inside == PAGE_FREE && !pages_excluded(class))
		return PAGE_FREE;
	if (order && class != PAGE_KERNEL) {
		p->range_start = pfn;
		p->range_end = pfn + BIT(order);
		p->range_class = class;
		p->range_skip = pages_excluded(class);
	}
	return class;
}

/*
 * VMCOREINFO does not tell PG_reserved. It is the only flag of the page that _stext is in: the image
 * is memory that no allocator ever had. If that page has none or several, something is wrong.
 */
static void find_reserved(struct pages *p, const struct vmcoreinfo *vi)
{
	const unsigned char *page = NULL;
	uint64_t stext, flags;
	phys_addr_t pa;

	if (p->usable && !vmcoreinfo_symbol(vi, "_stext", &stext) && !vtop(p->vt, stext, &pa, NULL)) {
		page = load(p, pa >> p->vt->page_shift);
		if (!page)
			look_outside(p, struct_page(p, pa >> p->vt->page_shift));
	}
	flags = page ? get64(page, p->layout.flags) & FLAGS_MASK : 0;
	if (flags && !(flags & (flags - 1)))
		p->reserved = flags;
	else if (p->image_end && p->level & LEVEL_STRUCT_PAGE)
		log_warn("pages: no PG_reserved by SYMBOL(_stext): freed pages of the image are kept");
}

/*
 * Is @pfn, which no range names, memory that the kernel works with? Not what it keeps away from, as
 * firmware's or that reserved for us, and not a hole, whose struct page is empty on older kernels. A
 * struct page that itself lies in such memory is as good an answer.
 */
static bool in_use(struct pages *p, uint64_t pfn)
{
	const unsigned char *page = load(p, pfn);

	if (!page)
		return outside(p, struct_page(p, pfn));
	if (get64(page, p->layout.flags) & p->reserved)
		return false;
	for (unsigned i = 0; i < p->layout.size; i += 8)
		if (get64(page, i))
			return true;
	return false;
}

/* Section @nr, of which vc may have nothing */
static void look_at_section(struct pages *p, uint64_t nr)
{
	uint64_t size = BIT(p->model.pfn_shift), first = nr << p->model.pfn_shift, map, run, end;

	idle_busy();
	if (section_map(&p->model, p->vt, nr, &map) <= 0 ||
	    (vmcore_next_run(p->vc, first, &run, &end) && run < first + size))
		return;
	for (unsigned i = 0; i < SECTION_PROBES; i++)
		if (in_use(p, first + size / SECTION_PROBES * i))
			p->unlisted += (size / SECTION_PROBES) << p->vt->page_shift;
}

/*
 * The elfcorehdr is as old as the load of the stub, unless the kernel keeps it up to date: compare it with the
 * memory sections that are online. One of which it has anything is taken to be whole: its RAM may
 * have holes. Other models of memory than that of Linux's 64-bit kernels tell too little. It is only
 * for a warning: the overall deadline ends it.
 */
static void find_unlisted(struct pages *p)
{
	const struct memory_model *m = &p->model;
	uint64_t roots[ROOTS], left = MAX_SECTIONS, nr = p->reserved && m->per_root ? m->nr_sections / m->per_root : 0;

	if (!nr && !p->unlisted)
		log_warn("pages: the elfcorehdr cannot be compared with the kernel's own map of its memory");
	for (uint64_t root = 0; root < nr && !idle_deadline_over(); root++) {
		idle_busy();
		if (root % ROOTS == 0 && vtop_read(p->vt, roots, m->root + root * 8, sizeof(roots)) < 0)
			memset(roots, 0, sizeof(roots));
		for (uint64_t i = 0; roots[root % ROOTS] && i < m->per_root && left; i++, left--)
			look_at_section(p, root * m->per_root + i);
	}
	if (p->unlisted)
		log_warn("pages: %lu KiB of memory in use, at least, are not in the elfcorehdr", p->unlisted >> 10);
}

uint64_t pages_unlisted(void)
{
	return pages.unlisted;
}

bool pages_freed(uint64_t pfn)
{
	struct pages *p = &pages;
	const unsigned char *page = p->reserved ? load(p, pfn) : NULL;

	return page && !(get64(page, p->layout.flags) & p->reserved);
}

enum page_class pages_class(uint64_t pfn)
{
	struct pages *p = &pages;
	enum page_class class = PAGE_KERNEL;

	if (!p->usable)
		return PAGE_KERNEL;
	if (pfn >= p->range_start && pfn < p->range_end) {
		class = p->range_class;
		if (!p->range_skip)
			class = classify(p, pfn, class);
	} else {
		class = classify(p, pfn, PAGE_KERNEL);
	}
	/* Whatever it looks like: crash does not open a dump without its kernel's data. */
	if (pfn >= p->image_start && pfn < p->image_end && class != PAGE_HWPOISON &&
	    !pages_freed(pfn))
		return PAGE_KERNEL;
	return class;
}

/* Whatever else it is. A slab page has other things in place of the type, and is not offline. */
static bool is_unreadable(const struct page_layout *l, const unsigned char *page)
{
	uint64_t flags = get64(page, l->flags);

	return flags & l->hwpoison ||
	       (l->offline_known && get32(page, l->mapcount) == l->offline_type && !(flags & l->slab));
}

uint64_t pages_kept_until(uint64_t pfn, uint64_t end)
{
	struct pages *p = &pages;
	const struct page_layout *l = &p->layout;

	if (p->level & LEVEL_STRUCT_PAGE)
		return pfn;
	if (!p->usable || (!l->hwpoison && !l->offline_known))
		return end;
	while (pfn < end) {
		const unsigned char *page = load(p, pfn);
		uint64_t stop;

		if (!page) {
			pfn = struct_page(p, pfn) ? pfn + 1 : ALIGN_UP(pfn + 1, BIT(p->model.pfn_shift));
			continue;
		}
		for (stop = min_u64(p->batch_end, end); pfn < stop; pfn++, page += l->size)
			if (is_unreadable(l, page))
				return pfn;
	}
	return end;
}

bool pages_excluded(enum page_class class)
{
	unsigned level = pages.level;

	switch (class) {
	case PAGE_CACHE:
		return level & LEVEL_ANY_CACHE;	/* "private" includes those that are not */
	case PAGE_CACHE_PRIVATE:
		return level & LEVEL_CACHE_PRIVATE;
	case PAGE_USER:
		return level & LEVEL_USER;
	case PAGE_FREE:
		return level & LEVEL_FREE;
	case PAGE_OFFLINE:	/* reading it may trap in the hypervisor */
	case PAGE_HWPOISON:	/* reading it may raise a machine check */
		return true;
	default:
		return false;
	}
}

int pages_struct_page(uint64_t pfn, uint64_t *ret_va, uint64_t *ret_len, unsigned *ret_size)
{
	struct pages *p = &pages;
	uint64_t va = p->usable ? struct_page(p, pfn) : 0, section = BIT(p->model.pfn_shift);

	if (!va)
		return -ENOENT;
	*ret_va = va;
	*ret_len = (section - pfn % section) * p->layout.size;
	*ret_size = p->layout.size;
	return 0;
}

/*---------------------------------------------------------------- begin and end of a pass */

void pages_restart(void)
{
	struct pages *p = &pages;

	p->section = NO_SECTION;
	p->section_map = 0;
	p->batch_start = p->batch_end = 0;
	p->range_start = p->range_end = 0;
	p->range_class = PAGE_KERNEL;
	p->range_skip = false;
	p->misread = false;
}

unsigned pages_init(const struct vmcore *vc, const struct vmcoreinfo *vi, struct vtop *vt,
		    unsigned level, const char **ret_reason)
{
	struct pages *p = &pages;

	memset(p, 0, sizeof(*p));
	p->vc = vc;
	p->vt = vt;
	p->level = level & LEVEL_MAX;
	p->reason = "";
	p->buf = mem_take("struct pages", BUFFER_SIZE, 64, MEM_ANY);
	p->usable = p->buf != NULL;
	pages_restart();

	if (!p->usable)
		give_up(p, LEVEL_STRUCT_PAGE, "memory for struct pages");
	read_fields(p, vi);
	if (p->usable) {
		read_flags(p, vi);
		read_types(p, vi);
		read_compound(p, vi);
	}
	if (p->usable) {
		find_model(p, vi);
		p->batch_pages = BIT(63 - __builtin_clzll(BUFFER_SIZE / p->layout.size));
	}
	if (vc->image.end > vc->image.start) {
		uint64_t end = min_u64(vc->image.end, vc->image.start + IMAGE_MAX);

		p->image_start = vc->image.start >> vt->page_shift;
		p->image_end = DIV_ROUND_UP(end, BIT(vt->page_shift));
	}
	find_reserved(p, vi);
	find_unlisted(p);
	pages_restart();
	if (ret_reason)
		*ret_reason = p->reason;
	return p->level;
}

static unsigned implausible(struct pages *p, const char *why)
{
	p->reason = why;
	p->level &= ~LEVEL_STRUCT_PAGE;
	p->usable = false;
	p->misread = true;
	log_warn("pages: %s: level %u", why, p->level);
	return p->level;
}

bool pages_misread(void)
{
	return pages.misread;
}

unsigned pages_check(const uint64_t counts[PAGE_NR_CLASSES], uint64_t total)
{
	struct pages *p = &pages;
	uint64_t sum = 0, kept, struct_pages;

	if (!p->usable)
		return p->level;
	for (unsigned i = 0; i < PAGE_NR_CLASSES; i++) {
		if (counts[i] > total || counts[i] > total - sum)
			return implausible(p, "more pages in a class than there are");
		sum += counts[i];
	}
	/*
	 * No allocator runs itself empty to the last page: a layout that finds none is the wrong
	 * one.
	 */
	if (p->level & LEVEL_FREE && !counts[PAGE_FREE] && total)
		return implausible(p, "no free page found");
	/*
	 * The struct pages themselves are kernel pages. Half of theirs must be there (huge pages
	 * may share theirs); a machine that is 98 % free is real, so a plain percentage would not
	 * do.
	 */
	kept = counts[PAGE_KERNEL] + counts[PAGE_ZERO];
	struct_pages = (total - counts[PAGE_USER]) / BIT(p->vt->page_shift) * p->layout.size;
	if (kept < struct_pages / 2)
		return implausible(p, "fewer kernel pages than struct page needs");
	return p->level;
}
