// SPDX-License-Identifier: GPL-2.0-or-later
#include "arch/arm64/devtree.h"

#include <errno.h>
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stub/format/crc.h"
#include "stub/log.h"

#define DT_MAX_DEPTH	8	/* device nodes deeper than this are not looked at */
#define DT_MAX_TRIED	256	/* candidates of one walk: bounds the work */
#define DT_MAX_ALIASES	16	/* serialN with N below this */
#define DT_MAX_RANGES	32	/* entries of one "ranges" */

#define PCI_ECAM_BUS_SIZE MIB(1)
#define PCI_SPACE	GENMASK(25, 24)	/* of phys.hi */
#define PCI_SPACE_IO	1
#define PCI_PORTS	0x10000		/* ports have 16 bits */

/* A position in the tree: offsets of the node and of all its ancestors, root first */
struct dt_pos {
	const void *fdt;
	int node[DT_MAX_DEPTH];
	int depth;		/* node[depth] is the current one */
};

/* ---- Properties ---- */

static uint64_t read_cells(const fdt32_t *p, int n)
{
	uint64_t v = 0;

	for (int i = 0; i < n; i++)
		v = v << 32 | fdt32_ld(&p[i]);
	return v;
}

/* A property of exactly @n cells */
static bool get_number(const void *fdt, int node, const char *name, int n, uint64_t *ret_value)
{
	int len;
	const fdt32_t *p = fdt_getprop(fdt, node, name, &len);

	if (!p || len != n * (int)sizeof(*p))
		return false;
	*ret_value = read_cells(p, n);
	return true;
}

static uint32_t get_u32(const void *fdt, int node, const char *name, uint32_t fallback)
{
	uint64_t v;

	return get_number(fdt, node, name, 1, &v) ? (uint32_t)v : fallback;
}

/* EFI's addresses are two cells whatever the tree says; older kernels wrote some as one. */
static uint64_t get_u64(const void *fdt, int node, const char *name)
{
	uint64_t v;

	if (get_number(fdt, node, name, 2, &v) || get_number(fdt, node, name, 1, &v))
		return v;
	return 0;
}

/* A string property that is NUL-terminated; its first string, if there are several */
static const char *get_string(const void *fdt, int node, const char *name)
{
	int len;
	const char *s = fdt_getprop(fdt, node, name, &len);

	return s && len > 0 && memchr(s, 0, (size_t)len) ? s : NULL;
}

static bool has_prop(const void *fdt, int node, const char *name)
{
	return fdt_getprop(fdt, node, name, NULL) != NULL;
}

/*
 * Cells of an address or a size below @node (Devicetree Specification §2.3.5); 1 or 2, else 0: not
 * an address of ours (PCI's have 3). libfdt's functions for this would bring in all that edits
 * trees.
 */
static int cells(const void *fdt, int node, const char *name, uint32_t fallback)
{
	uint32_t n = get_u32(fdt, node, name, fallback);

	return n == 1 || n == 2 ? (int)n : 0;
}

static int address_cells(const void *fdt, int node)
{
	return cells(fdt, node, "#address-cells", 2);
}

static int size_cells(const void *fdt, int node)
{
	return cells(fdt, node, "#size-cells", 1);
}

static bool status_ok(const void *fdt, int node)
{
	const char *s;

	if (!has_prop(fdt, node, "status"))
		return true;
	s = get_string(fdt, node, "status");
	return s && (!strcmp(s, "okay") || !strcmp(s, "ok"));
}

/* ---- Addresses (Devicetree Specification §2.3.6, §2.3.8) ---- */

/*
 * One step up: an address on the bus that @bus is, seen from @bus's parent. Needs all of [addr,
 * addr + size) in one range.
 */
static bool through_ranges(const void *fdt, int bus, int parent, uint64_t *addr, uint64_t size)
{
	int child = address_cells(fdt, bus), up = address_cells(fdt, parent);
	int len, sz = size_cells(fdt, bus);
	const fdt32_t *p = fdt_getprop(fdt, bus, "ranges", &len);
	int entry = child + up + sz;

	if (!p || !child || !up || !sz)
		return false;
	if (len == 0)
		return true;	/* empty: the same address space */
	for (int i = 0; i < DT_MAX_RANGES && len >= entry * 4; i++, p += entry, len -= entry * 4) {
		uint64_t from = read_cells(p, child);
		uint64_t to = read_cells(p + child, up);
		uint64_t n = read_cells(p + child + up, sz);

		if (*addr < from || *addr - from > n || size > n - (*addr - from))
			continue;
		if (to > UINT64_MAX - n)
			return false;
		*addr = to + (*addr - from);
		return true;
	}
	return false;
}

/* Entry @nr of "reg" as a CPU physical address */
static bool get_reg_nr(const struct dt_pos *pos, int nr, uint64_t *ret_addr, uint64_t *ret_size)
{
	const void *fdt = pos->fdt;
	int parent, addr_cells, sz_cells, len;
	const fdt32_t *p;
	uint64_t addr, size;

	if (pos->depth < 1)
		return false;
	parent = pos->node[pos->depth - 1];
	addr_cells = address_cells(fdt, parent);
	sz_cells = size_cells(fdt, parent);
	p = fdt_getprop(fdt, pos->node[pos->depth], "reg", &len);
	if (!p || !addr_cells || !sz_cells || len < (nr + 1) * (addr_cells + sz_cells) * 4)
		return false;
	p += nr * (addr_cells + sz_cells);
	addr = read_cells(p, addr_cells);
	size = read_cells(p + addr_cells, sz_cells);
	for (int d = pos->depth - 1; d > 0; d--)
		if (!through_ranges(fdt, pos->node[d], pos->node[d - 1], &addr, size))
			return false;
	if (!size || addr > UINT64_MAX - size)
		return false;
	*ret_addr = addr;
	*ret_size = size;
	return true;
}

static bool get_reg(const struct dt_pos *pos, uint64_t *ret_addr, uint64_t *ret_size)
{
	return get_reg_nr(pos, 0, ret_addr, ret_size);
}

/* Said of the device or of a bus above it (Devicetree Specification §2.3.10) */
static bool dma_coherent(const struct dt_pos *pos)
{
	for (int d = pos->depth; d >= 0; d--) {
		if (has_prop(pos->fdt, pos->node[d], "dma-coherent"))
			return true;
		if (has_prop(pos->fdt, pos->node[d], "dma-noncoherent"))
			return false;
	}
	return false;
}

/* ---- Walk ---- */

/*
 * Call @fn for each enabled node that has a "compatible", with its ancestors, none of which is
 * disabled. Stops when @fn returns false.
 */
static void for_each_device(const void *fdt, bool (*fn)(const struct dt_pos *pos, void *ctx),
			    void *ctx)
{
	struct dt_pos pos = { .fdt = fdt };
	int skip_below = DT_MAX_DEPTH;	/* children of nodes at this depth are out */
	int depth = 0;

	for (int node = 0; node >= 0 && depth >= 0; node = fdt_next_node(fdt, node, &depth)) {
		if (depth >= DT_MAX_DEPTH || depth > skip_below)
			continue;
		skip_below = DT_MAX_DEPTH;
		pos.node[depth] = node;
		pos.depth = depth;
		if (!status_ok(fdt, node)) {
			skip_below = depth;
			continue;
		}
		if (depth > 0 && has_prop(fdt, node, "compatible") && !fn(&pos, ctx))
			return;
	}
}

static bool compatible(const struct dt_pos *pos, const char *what)
{
	return !fdt_node_check_compatible(pos->fdt, pos->node[pos->depth], what);
}

/* ---- /chosen ---- */

int devtree_check(const void *fdt, size_t len)
{
	int rc;

	if (len < sizeof(struct fdt_header) || fdt_check_header(fdt) || fdt_totalsize(fdt) > len)
		return -EINVAL;
	rc = fdt_check_full(fdt, len);
	return rc ? log_err(-EINVAL, "device tree: %s", fdt_strerror(rc)) : 0;
}

/* An <address size> pair in the root's cells, as the kexec loaders write them */
static bool get_chosen_range(const void *fdt, int chosen, const char *name,
			     uint64_t *ret_addr, uint64_t *ret_size)
{
	int len, ac = address_cells(fdt, 0), sc = size_cells(fdt, 0);
	const fdt32_t *p = fdt_getprop(fdt, chosen, name, &len);

	if (!p || !ac || !sc || len < (ac + sc) * 4)
		return false;
	*ret_addr = read_cells(p, ac);
	*ret_size = read_cells(p + ac, sc);
	return true;
}

static void read_bootargs(const void *fdt, int chosen, struct boot_info *bi)
{
	int len;
	const char *s = fdt_getprop(fdt, chosen, "bootargs", &len);
	size_t n;

	if (!s || len <= 0)
		return;
	n = strnlen(s, min_u64((uint64_t)len, sizeof(bi->cmdline) - 1));
	memcpy(bi->cmdline, s, n);
	bi->cmdline[n] = 0;
}

bool devtree_cmdline_intact(const char *cmdline)
{
	static const char key[] = "check=";
	const char *word = NULL, *p = cmdline;
	unsigned long want;
	size_t len;
	char *end;

	for (; (p = strstr(p, key)); p++)
		if (p == cmdline || p[-1] == ' ')
			word = p;
	if (!word)
		return true;
	want = strtoull(word + sizeof(key) - 1, &end, 16);
	for (len = (size_t)(word - cmdline); len && cmdline[len - 1] == ' '; len--)
		;
	return end == word + sizeof(key) - 1 + 8 && (!*end || *end == ' ') &&
	       want == crc32c(0, cmdline, len);
}

bool devtree_usable_memory(const void *fdt, unsigned nr, uint64_t *ret_start, uint64_t *ret_end)
{
	int chosen = fdt_path_offset(fdt, "/chosen");
	int len, ac = address_cells(fdt, 0), sc = size_cells(fdt, 0);
	const fdt32_t *p;
	uint64_t start, size;

	p = chosen < 0 ? NULL : fdt_getprop(fdt, chosen, "linux,usable-memory-range", &len);
	if (!p || !ac || !sc || nr >= (unsigned)len / ((unsigned)(ac + sc) * 4))
		return false;
	p += nr * (unsigned)(ac + sc);
	start = read_cells(p, ac);
	size = read_cells(p + ac, sc);
	*ret_start = start;
	*ret_end = start <= UINT64_MAX - size ? start + size : start;	/* absurd: nothing */
	return true;
}

/* ---- UARTs ---- */

struct uart_walk {
	struct boot_info *bi;
	int alias[DT_MAX_ALIASES];	/* node that serialN names, or -1 */
	int stdout_node;		/* or -1 */
	uint32_t stdout_baud;
	unsigned tried;
	unsigned next_tty[2];		/* for UARTs without an alias: ttyS, ttyAMA */
};

/* The rate of a fixed clock that "clocks" names first; 0 when it is another kind of clock */
static uint32_t fixed_clock_hz(const void *fdt, int node)
{
	int len, clock;
	const fdt32_t *p = fdt_getprop(fdt, node, "clocks", &len);

	if (!p || len < 4)
		return 0;
	clock = fdt_node_offset_by_phandle(fdt, fdt32_ld(p));
	if (clock < 0 || fdt_node_check_compatible(fdt, clock, "fixed-clock"))
		return 0;
	return get_u32(fdt, clock, "clock-frequency", 0);
}

/*
 * 8250 family: Documentation/devicetree/bindings/serial/8250.yaml. False for a register layout that
 * is not supported.
 */
static bool read_16550(const struct dt_pos *pos, struct uart_spec *spec)
{
	const void *fdt = pos->fdt;
	int node = pos->node[pos->depth];
	uint32_t width = get_u32(fdt, node, "reg-io-width", 1);
	uint32_t shift = get_u32(fdt, node, "reg-shift", 0);
	uint32_t offset = get_u32(fdt, node, "reg-offset", 0);

	if (shift > 4 || offset > 4096 || spec->addr > UINT64_MAX - offset)
		return false;
	if (width != 1 && !(width == 4 && shift == 2))
		return false;
	spec->type = width == 4 ? UART_16550_MMIO32 : UART_16550_MMIO;
	spec->reg_shift = (uint8_t)shift;
	spec->addr += offset;
	return true;
}

static bool read_uart(const struct dt_pos *pos, struct uart_spec *ret_spec)
{
	static const char *const pl011[] = { "arm,pl011", "arm,sbsa-uart" };
	static const char *const ns16550[] = { "ns16550a", "ns16550", "snps,dw-apb-uart" };
	struct uart_spec spec = { .type = UART_NONE };
	uint64_t size;

	for (unsigned i = 0; i < ARRAY_SIZE(pl011); i++)
		if (compatible(pos, pl011[i]))
			spec.type = UART_PL011;
	for (unsigned i = 0; i < ARRAY_SIZE(ns16550) && spec.type == UART_NONE; i++)
		if (compatible(pos, ns16550[i]))
			spec.type = UART_16550_MMIO;
	if (spec.type == UART_NONE || !get_reg(pos, &spec.addr, &size))
		return false;
	if (spec.type != UART_PL011 && !read_16550(pos, &spec))
		return false;
	spec.clock_hz = get_u32(pos->fdt, pos->node[pos->depth], "clock-frequency", 0);
	*ret_spec = spec;
	return true;
}

/* Linux' name: the number of the serialN alias, else the next one */
static void name_uart(struct uart_walk *w, struct uart_entry *u, int node)
{
	unsigned *next = &w->next_tty[u->spec.type == UART_PL011];
	unsigned nr = *next;

	for (unsigned i = 0; i < DT_MAX_ALIASES; i++)
		if (w->alias[i] == node)
			nr = i;
	if (nr >= *next)
		*next = nr + 1;
	snprintf(u->name, sizeof(u->name), "%s%u",
		 u->spec.type == UART_PL011 ? "ttyAMA" : "ttyS", nr);
}

static bool add_uart(const struct dt_pos *pos, void *ctx)
{
	struct uart_walk *w = ctx;
	struct boot_info *bi = w->bi;
	int node = pos->node[pos->depth];
	struct uart_entry u = { .name = "" };

	if (!read_uart(pos, &u.spec))
		return true;
	if (++w->tried > DT_MAX_TRIED)
		return false;
	if (!u.spec.clock_hz && w->tried <= BOOT_MAX_UARTS)
		u.spec.clock_hz = fixed_clock_hz(pos->fdt, node);
	if (node == w->stdout_node) {
		bi->firmware_console = u.spec;
		/*
		 * The dead kernel has set the line already; set it again only when the divisor is
		 * sure.
		 */
		if (u.spec.clock_hz)
			bi->firmware_console.baud = w->stdout_baud;
	}
	name_uart(w, &u, node);
	if (bi->nr_uarts < BOOT_MAX_UARTS)
		bi->uarts[bi->nr_uarts++] = u;
	return true;
}

/*
 * libfdt resolves an alias whose path is an alias, too, so that one of itself never ends: it gets
 * absolute paths only. Negative: no such node.
 */
static int alias_node(const void *fdt, const char *name)
{
	const char *path = get_string(fdt, fdt_path_offset(fdt, "/aliases"), name);

	return path && *path == '/' ? fdt_path_offset(fdt, path) : -FDT_ERR_BADPATH;
}

static void read_aliases(const void *fdt, struct uart_walk *w)
{
	char name[16];

	for (unsigned i = 0; i < DT_MAX_ALIASES; i++) {
		snprintf(name, sizeof(name), "serial%u", i);
		w->alias[i] = alias_node(fdt, name);
		/*
		 * Without an alias, numbers start behind the highest that is taken, as Linux does
		 */
		if (w->alias[i] >= 0)
			w->next_tty[0] = w->next_tty[1] = i + 1;
	}
}

/* stdout-path = "path-or-alias[:baud[parity[bits[flow]]]]" (Devicetree Specification §3.6) */
static void read_stdout(const void *fdt, int chosen, struct uart_walk *w)
{
	const char *s = get_string(fdt, chosen, "stdout-path");
	const char *end;
	char alias[32];
	size_t len;

	if (!s)
		s = get_string(fdt, chosen, "linux,stdout-path");
	if (!s)
		return;
	end = strchr(s, ':');
	len = end ? (size_t)(end - s) : strlen(s);
	if (*s == '/') {
		w->stdout_node = fdt_path_offset_namelen(fdt, s, (int)len);
	} else if (len < sizeof(alias)) {
		memcpy(alias, s, len);
		alias[len] = '\0';
		w->stdout_node = alias_node(fdt, alias);
	}
	if (end) {
		unsigned long baud = strtoull(end + 1, NULL, 10);

		w->stdout_baud = baud <= 4000000 ? (uint32_t)baud : 0;
	}
}

/* ---- PSCI: Documentation/devicetree/bindings/arm/psci.yaml ---- */

static void read_psci(const void *fdt, struct boot_info *bi)
{
	static const char *const names[] = { "arm,psci-1.0", "arm,psci-0.2" };
	const char *method;
	int node = -1;

	/* "arm,psci" alone is version 0.1, which has no SYSTEM_RESET. */
	for (unsigned i = 0; i < ARRAY_SIZE(names) && node < 0; i++)
		node = fdt_node_offset_by_compatible(fdt, -1, names[i]);
	method = node < 0 ? NULL : get_string(fdt, node, "method");
	if (method && !strcmp(method, "hvc"))
		bi->reset.method = RESET_PSCI_HVC;
	else if (method && !strcmp(method, "smc"))
		bi->reset.method = RESET_PSCI_SMC;
}

static void read_efi(const void *fdt, int chosen, struct devtree_efi *efi)
{
	efi->systab = get_u64(fdt, chosen, "linux,uefi-system-table");
	efi->mmap = get_u64(fdt, chosen, "linux,uefi-mmap-start");
	efi->mmap_size = get_u32(fdt, chosen, "linux,uefi-mmap-size", 0);
	efi->desc_size = get_u32(fdt, chosen, "linux,uefi-mmap-desc-size", 0);
}

void devtree_early(const void *fdt, struct boot_info *bi, struct devtree_efi *ret_efi)
{
	struct uart_walk w = { .bi = bi, .stdout_node = -1 };
	struct devtree_efi efi = { 0 };
	int chosen = fdt_path_offset(fdt, "/chosen");

	read_aliases(fdt, &w);
	if (chosen >= 0) {
		read_bootargs(fdt, chosen, bi);
		if (get_chosen_range(fdt, chosen, "linux,elfcorehdr", &bi->elfcorehdr,
				     &bi->elfcorehdr_size) &&
		    bi->elfcorehdr > UINT64_MAX - bi->elfcorehdr_size)
			bi->elfcorehdr = bi->elfcorehdr_size = 0;
		read_stdout(fdt, chosen, &w);
		read_efi(fdt, chosen, &efi);
	}
	for_each_device(fdt, add_uart, &w);
	read_psci(fdt, bi);
	*ret_efi = efi;
}

/* ---- Buses ---- */

#define DT_MAX_IOMMUS	16

struct bus_walk {
	struct boot_info *bi;
	unsigned tried;
	unsigned nr_iommus;
	struct {
		uint32_t phandle;
		bool virtio;
		phys_addr_t addr;	/* or, of a virtio-iommu, its position on its host's buses */
	} iommus[DT_MAX_IOMMUS];
};

/*
 * The window in which accesses to memory become accesses to I/O ports: the "ranges" entry of I/O
 * space that begins at port 0 (PCI Bus Binding to IEEE 1275, 2.1, §2.2.1.1: ss in phys.hi).
 */
static void read_pci_ports(const struct dt_pos *pos, struct pci_host *h)
{
	const void *fdt = pos->fdt;
	int node = pos->node[pos->depth], parent = pos->node[pos->depth - 1], len;
	int up = address_cells(fdt, parent), entry = 3 + up + 2;
	const fdt32_t *p = fdt_getprop(fdt, node, "ranges", &len);

	if (!p || !up || get_u32(fdt, node, "#address-cells", 0) != 3 ||
	    size_cells(fdt, node) != 2)
		return;
	for (int i = 0; i < DT_MAX_RANGES && len >= entry * 4; i++, p += entry, len -= entry * 4) {
		uint64_t addr = read_cells(p + 3, up);
		uint64_t n = min_u64(read_cells(p + 3 + up, 2), PCI_PORTS);

		if (FIELD_GET(PCI_SPACE, fdt32_ld(p)) != PCI_SPACE_IO || read_cells(p + 1, 2))
			continue;
		for (int d = pos->depth - 1; d > 0; d--)
			if (!through_ranges(fdt, pos->node[d], pos->node[d - 1], &addr, n))
				return;
		if (addr > UINT64_MAX - n)
			return;
		h->io = addr;
		h->io_ports = (uint32_t)n;
		return;
	}
}

/* SMMUv3, and Documentation/devicetree/bindings/virtio/pci-iommu.yaml: "reg" begins with bus and devfn << 8 */
static bool add_iommu(const struct dt_pos *pos, void *ctx)
{
	int node = pos->node[pos->depth], len;
	bool virtio = compatible(pos, "virtio,pci-iommu");
	uint32_t phandle = fdt_get_phandle(pos->fdt, node);
	struct bus_walk *w = ctx;
	uint64_t addr, size;
	const fdt32_t *reg;

	if ((!virtio && !compatible(pos, "arm,smmu-v3")) || !phandle)
		return true;
	reg = fdt_getprop(pos->fdt, node, "reg", &len);
	if (virtio && reg && len >= 4)
		addr = fdt32_ld(reg) >> 8 & 0xffff;
	else if (virtio || !get_reg(pos, &addr, &size))
		return true;
	w->iommus[w->nr_iommus].phandle = phandle;
	w->iommus[w->nr_iommus].virtio = virtio;
	w->iommus[w->nr_iommus++].addr = addr;
	return w->nr_iommus < DT_MAX_IOMMUS;
}

/*
 * Documentation/devicetree/bindings/pci/pci-iommu.txt: entries (rid, phandle, sid, length), all for
 * IOMMUs with one cell a specifier, as SMMUv3 and virtio-iommu have
 */
static void read_iommu_map(const struct dt_pos *pos, struct bus_walk *w, const struct pci_host *host)
{
	int node = pos->node[pos->depth], len;
	const fdt32_t *p = fdt_getprop(pos->fdt, node, "iommu-map", &len);
	uint32_t mask = get_u32(pos->fdt, node, "iommu-map-mask", UINT32_MAX);

	for (; p && len >= 16 && w->bi->nr_iommu_maps < BOOT_MAX_IOMMU_MAPS; p += 4, len -= 16) {
		struct iommu_map *m = &w->bi->iommu_maps[w->bi->nr_iommu_maps++];

		*m = (struct iommu_map){ .host = host, .mask = mask, .rid = fdt32_ld(p), .sid = fdt32_ld(p + 2),
					 .len = fdt32_ld(p + 3) };
		for (unsigned i = 0; i < w->nr_iommus; i++) {
			if (w->iommus[i].phandle != fdt32_ld(p + 1))
				continue;
			m->virtio = w->iommus[i].virtio;
			m->unit = w->iommus[i].addr | (m->virtio ? (phys_addr_t)host->segment << 16 : 0);
		}
	}
}

/*
 * Documentation/devicetree/bindings/pci/host-generic-pci.yaml: "reg" begins at the first bus of
 * "bus-range"
 */
static void add_pci_host(const struct dt_pos *pos, struct bus_walk *w)
{
	struct boot_info *bi = w->bi;
	int node = pos->node[pos->depth];
	struct pci_host h = { .bus_end = 255, .dma_coherent = dma_coherent(pos) }, *host;
	uint64_t addr, size, range, buses;

	if (get_number(pos->fdt, node, "bus-range", 2, &range)) {
		if ((range >> 32) > 255 || (uint32_t)range > 255 || (range >> 32) > (uint32_t)range)
			return;
		h.bus_start = (uint8_t)(range >> 32);
		h.bus_end = (uint8_t)range;
	}
	if (!get_reg(pos, &addr, &size) || addr < h.bus_start * PCI_ECAM_BUS_SIZE)
		return;
	buses = size / PCI_ECAM_BUS_SIZE;
	if (!buses)
		return;
	h.bus_end = (uint8_t)min_u64(h.bus_end, h.bus_start + buses - 1);
	h.ecam = addr - h.bus_start * PCI_ECAM_BUS_SIZE;
	h.segment = (uint16_t)get_u32(pos->fdt, node, "linux,pci-domain", 0);
	read_pci_ports(pos, &h);
	host = h.ecam ? boot_add_pci_host(bi, &h) : NULL;
	if (host)
		read_iommu_map(pos, w, host);
}

static void add_virtio_mmio(const struct dt_pos *pos, struct boot_info *bi)
{
	uint64_t addr, size;

	if (get_reg(pos, &addr, &size) && bi->nr_virtio_mmio < BOOT_MAX_VIRTIO_MMIO)
		bi->virtio_mmio[bi->nr_virtio_mmio++] = (struct virtio_mmio_spec){
			.addr = addr, .size = (uint32_t)min_u64(size, UINT32_MAX), .dma_coherent = dma_coherent(pos),
		};
}

/* Documentation/devicetree/bindings/watchdog/arm,sbsa-gwdt.yaml: the control frame first; arm,sp805.yaml */
static void add_watchdog(const struct dt_pos *pos, struct boot_info *bi, bool sp805)
{
	struct watchdog_spec w = { .type = sp805 ? WATCHDOG_SP805 : WATCHDOG_GWDT };
	uint64_t size;

	if (bi->nr_watchdogs == BOOT_MAX_WATCHDOGS || !get_reg(pos, &w.control, &size) ||
	    (!sp805 && !get_reg_nr(pos, 1, &w.refresh, &size)))
		return;
	if (sp805)
		w.hz = fixed_clock_hz(pos->fdt, pos->node[pos->depth]);
	bi->watchdogs[bi->nr_watchdogs++] = w;
}

static bool add_bus(const struct dt_pos *pos, void *ctx)
{
	struct bus_walk *w = ctx;
	bool pci = compatible(pos, "pci-host-ecam-generic"), virtio = compatible(pos, "virtio,mmio"),
	     sp805 = compatible(pos, "arm,sp805");

	if (!pci && !virtio && !sp805 && !compatible(pos, "arm,sbsa-gwdt"))
		return true;
	if (++w->tried > DT_MAX_TRIED)
		return false;
	if (pci)
		add_pci_host(pos, w);
	else if (virtio)
		add_virtio_mmio(pos, w->bi);
	else
		add_watchdog(pos, w->bi, sp805);
	return true;
}

void devtree_buses(const void *fdt, struct boot_info *bi)
{
	struct bus_walk w = { .bi = bi };

	for_each_device(fdt, add_iommu, &w);
	for_each_device(fdt, add_bus, &w);
}

bool devtree_has_hardware(const void *fdt)
{
	/*
	 * The tree that the EFI stub makes has neither; every other has CPUs, or it could not boot
	 * Linux.
	 */
	return has_prop(fdt, 0, "compatible") || fdt_path_offset(fdt, "/cpus") >= 0;
}

uint32_t devtree_timer_hz(const void *fdt)
{
	int node = fdt_node_offset_by_compatible(fdt, -1, "arm,armv8-timer");

	return node < 0 ? 0 : get_u32(fdt, node, "clock-frequency", 0);
}
