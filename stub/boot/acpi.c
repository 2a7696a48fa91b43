// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ACPI tables (ACPI 6.4 §5.2), read field by field from physical memory. They lie in memory that
 * the dead kernel could write, so nothing is believed before its checksum and its length are right.
 * There is no AML here: what only the DSDT knows stays unknown.
 */
#include "stub/boot/acpi.h"

#include <errno.h>
#include <string.h>

#include "stub/log.h"

#define ADDR_LIMIT	BIT(52)
#define TABLE_MAX	MIB(1)
#define MAX_TABLES	512u		/* entries of the XSDT that are looked at */

/* Root System Description Pointer (§5.2.5.3) */
struct acpi_rsdp {
	char     signature[8];		/* 0 "RSD PTR " */
	uint8_t  checksum;		/* 8 of the first 20 bytes */
	char     oem_id[6];
	uint8_t  revision;		/* 15 0: ends here at 20 */
	uint32_t rsdt;			/* 16 */
	uint32_t length;		/* 20 */
	uint64_t xsdt;			/* 24 */
	uint8_t  extended_checksum;	/* 32 of all */
	uint8_t  rsvd33[3];
} __attribute__((packed));
_Static_assert(sizeof(struct acpi_rsdp) == 36, "RSDP size");
#define RSDP_V1_SIZE	20

/* Head of every other table (§5.2.6) */
struct acpi_header {
	char     signature[4];		/* 0 */
	uint32_t length;		/* 4 of the whole table */
	uint8_t  revision;		/* 8 */
	uint8_t  checksum;		/* 9 */
	char     oem_id[6];
	char     oem_table_id[8];
	uint32_t oem_revision;
	uint32_t creator_id;
	uint32_t creator_revision;
};
_Static_assert(sizeof(struct acpi_header) == 36, "ACPI table header size");

/* Generic Address Structure (§5.2.3.2) */
struct acpi_gas {
	uint8_t  space;			/* 0 */
	uint8_t  bit_width;		/* 1 */
	uint8_t  bit_offset;		/* 2 */
	uint8_t  access_size;		/* 3 0 undefined, 1 byte, 2 word, 3 dword, 4 qword */
	uint64_t address;		/* 4 */
} __attribute__((packed));
_Static_assert(sizeof(struct acpi_gas) == 12, "GAS size");

enum acpi_space { SPACE_MEMORY = 0, SPACE_IO = 1, SPACE_PCI_CONFIG = 2 };

/* MCFG: one of these per range of buses, from offset 44 (PCI Firmware Specification 3.2 §4.1.2) */
struct mcfg_entry {
	uint64_t base;			/* 0x0 where bus 0 would be, even if bus_start is not 0 */
	uint16_t segment;		/* 0x8 */
	uint8_t  bus_start;		/* 0xa */
	uint8_t  bus_end;		/* 0xb inclusive */
	uint32_t rsvdc;
};
_Static_assert(sizeof(struct mcfg_entry) == 16, "MCFG entry size");
#define MCFG_ENTRIES_AT	44

/* Serial Port Console Redirection table, revisions 1 to 4 (Microsoft), from offset 36 */
struct spcr {
	uint8_t  interface;		/* 36 */
	uint8_t  rsvd37[3];
	struct acpi_gas address;	/* 40 address 0: no console */
	uint8_t  interrupt[6];		/* 52 */
	uint8_t  baud;			/* 58 code */
	uint8_t  parity, stop_bits, flow_control, terminal, language;
	uint16_t pci_device, pci_vendor;	/* 64 */
	uint8_t  pci_bus, pci_dev, pci_fn;
	uint32_t pci_flags;		/* 71 */
	uint8_t  pci_segment;		/* 75 */
	uint32_t clock_hz;		/* 76 since revision 3, 0: unknown */
} __attribute__((packed));
_Static_assert(sizeof(struct spcr) == 80 - 36, "SPCR size");
_Static_assert(offsetof(struct spcr, baud) == 58 - 36, "SPCR layout");
_Static_assert(offsetof(struct spcr, clock_hz) == 76 - 36, "SPCR layout");

/* Interface types: DBG2 table's serial subtypes, same numbers since SPCR revision 2 */
enum spcr_interface {
	SPCR_16550 = 0x00,
	SPCR_16550_SUBSET = 0x01,
	SPCR_PL011 = 0x03,
	SPCR_SBSA_32BIT = 0x0d,		/* deprecated, the same UART */
	SPCR_SBSA = 0x0e,		/* generic UART: the part of a PL011 that is used here */
	SPCR_16550_GAS = 0x12,		/* 16550 with register width and access size from the GAS */
};

/* Fixed ACPI Description Table (§5.2.9), what is used of it, from offset 112 */
struct fadt_tail {
	uint32_t flags;			/* 112 */
	struct acpi_gas reset_reg;	/* 116 */
	uint8_t  reset_value;		/* 128 */
	uint16_t arm_boot_arch;		/* 129 since revision 5.1 */
} __attribute__((packed));
_Static_assert(sizeof(struct fadt_tail) == 131 - 112, "FADT size");
#define FADT_TAIL_AT		112
#define FADT_RESET_REG_SUP	BIT(10)
#define FADT_ARM_PSCI		BIT(0)
#define FADT_ARM_PSCI_HVC	BIT(1)

typedef int (*acpi_read_t)(void *dst, phys_addr_t pa, size_t len);

static uint8_t sum(const void *buf, size_t len, uint8_t value)
{
	const uint8_t *p = buf;

	while (len-- > 0)
		value += *p++;
	return value;
}

/*---------------------------------------------------------------- RSDP */

/* 0, -EFAULT, or -EINVAL when there is none at @pa */
static int read_rsdp(acpi_read_t read, phys_addr_t pa, struct acpi_rsdp *ret)
{
	struct acpi_rsdp r;

	memset(&r, 0, sizeof(r));
	if (pa == 0 || pa >= ADDR_LIMIT || read(&r, pa, RSDP_V1_SIZE) < 0)
		return -EFAULT;
	if (memcmp(r.signature, "RSD PTR ", 8) != 0 || sum(&r, RSDP_V1_SIZE, 0) != 0)
		return -EINVAL;
	if (r.revision < 2) {
		*ret = r;
		return 0;
	}
	if (read(&r, pa, sizeof(r)) < 0)
		return -EFAULT;
	/* A bad second half leaves the first one, and with it the RSDT, usable */
	if (r.length != sizeof(r) || sum(&r, sizeof(r), 0) != 0)
		r.xsdt = 0;
	*ret = r;
	return 0;
}

static phys_addr_t search_rsdp(acpi_read_t read, phys_addr_t start, phys_addr_t end)
{
	char window[16 * 16];
	struct acpi_rsdp rsdp;

	for (phys_addr_t pa = start; pa + 16 <= end; pa += sizeof(window)) {
		if (read(window, pa, min_u64(sizeof(window), end - pa)) < 0)
			continue;
		for (size_t i = 0; i < sizeof(window) && pa + i + 16 <= end; i += 16)
			if (memcmp(window + i, "RSD PTR ", 8) == 0 &&
			    read_rsdp(read, pa + i, &rsdp) == 0)
				return pa + i;
	}
	return 0;
}

phys_addr_t acpi_find_rsdp(int (*read)(void *dst, phys_addr_t pa, size_t len))
{
	uint16_t segment = 0;
	phys_addr_t found = 0;

	/* The BIOS data area holds the real-mode segment of the extended one, below 640 KiB */
	if (read(&segment, 0x40e, sizeof(segment)) == 0 && segment >= 0x4000 && segment < 0xa000)
		found = search_rsdp(read, (phys_addr_t)segment << 4,
				    ((phys_addr_t)segment << 4) + 1024);
	return found ? found : search_rsdp(read, 0xe0000, 0x100000);
}

/*---------------------------------------------------------------- tables */

/* Header of the table at @pa. 0, -EFAULT, -EINVAL (absurd length). */
static int read_header(acpi_read_t read, phys_addr_t pa, struct acpi_header *ret)
{
	struct acpi_header h;

	if (pa == 0 || pa >= ADDR_LIMIT || read(&h, pa, sizeof(h)) < 0)
		return -EFAULT;
	if (h.length < sizeof(h) || h.length > TABLE_MAX)
		return -EINVAL;
	*ret = h;
	return 0;
}

/* Do all bytes of the table add up to 0? (§5.2.6) */
static bool checksum_ok(acpi_read_t read, phys_addr_t pa, uint32_t length)
{
	uint8_t buf[256], value = 0;

	while (length > 0) {
		uint32_t n = min_u64(length, sizeof(buf));

		if (read(buf, pa, n) < 0)
			return false;
		value = sum(buf, n, value);
		pa += n;
		length -= n;
	}
	return value == 0;
}

/* Read @len bytes at offset @at of a table, zeros where the table is shorter (older revisions) */
static int read_part(acpi_read_t read, phys_addr_t pa, const struct acpi_header *h, uint32_t at,
		     void *dst, size_t len)
{
	memset(dst, 0, len);
	if (h->length <= at)
		return -EINVAL;
	return read(dst, pa + at, min_u64(len, h->length - at)) < 0 ? -EFAULT : 0;
}

static void parse_mcfg(struct boot_info *bi, acpi_read_t read, phys_addr_t pa,
		       const struct acpi_header *h)
{
	struct mcfg_entry e;

	for (uint32_t at = MCFG_ENTRIES_AT; at + sizeof(e) <= h->length; at += sizeof(e)) {
		if (read(&e, pa + at, sizeof(e)) < 0)
			return;
		if (e.base == 0 || !IS_ALIGNED(e.base, MIB(1)) || e.bus_start > e.bus_end ||
		    !range_inside(e.base, MIB(e.bus_end + 1ULL), 0, ADDR_LIMIT)) {
			log_warn("acpi: MCFG: absurd entry: %#lx, segment %u, buses %u-%u",
				 e.base, e.segment, e.bus_start, e.bus_end);
			continue;
		}
		/* Coherence (_CCA) is in the DSDT; SBSA machines are coherent */
		if (!boot_add_pci_host(bi, &(struct pci_host){
			.ecam = e.base,
			.segment = e.segment,
			.bus_start = e.bus_start,
			.bus_end = e.bus_end,
			.dma_coherent = true,
		}))
			return;
	}
}

/* 16550: the GAS tells the width of an access and the distance of the registers */
static int spcr_16550(const struct spcr *s, struct uart_spec *spec)
{
	static const uint8_t access_bits[] = {0, 8, 16, 32, 64};
	unsigned bits;

	if (s->address.access_size >= ARRAY_SIZE(access_bits))
		return -EINVAL;
	bits = s->address.access_size ? access_bits[s->address.access_size] : s->address.bit_width;
	if (s->address.space == SPACE_IO) {
		if (spec->addr > 0x10000 - 8)
			return -EINVAL;
		spec->type = UART_16550_IO;
		return 0;
	}
	if (bits == 32) {
		spec->type = UART_16550_MMIO32;
		spec->reg_shift = 2;
		return IS_ALIGNED(spec->addr, 4) ? 0 : -EINVAL;
	}
	if (bits != 8 && bits != 0)
		return -EINVAL;
	spec->type = UART_16550_MMIO;
	if (s->address.bit_width == 32)
		spec->reg_shift = 2;
	else if (s->address.bit_width == 16)
		spec->reg_shift = 1;
	return 0;
}

static int spcr_spec(const struct spcr *s, struct uart_spec *spec)
{
	/* The speed stays as it was set: to program it takes a clock that is often not told */
	*spec = (struct uart_spec){.addr = s->address.address, .clock_hz = s->clock_hz};
	if ((s->address.space != SPACE_MEMORY && s->address.space != SPACE_IO) ||
	    spec->addr >= ADDR_LIMIT)
		return -EINVAL;
	switch (s->interface) {
	case SPCR_16550:
	case SPCR_16550_SUBSET:
	case SPCR_16550_GAS:
		return spcr_16550(s, spec);
	case SPCR_PL011:
	case SPCR_SBSA_32BIT:
	case SPCR_SBSA:
		spec->type = UART_PL011;
		return s->address.space == SPACE_MEMORY && IS_ALIGNED(spec->addr, 4) ? 0 : -EINVAL;
	default:
		return -ENOTSUP;
	}
}

static void parse_spcr(struct boot_info *bi, acpi_read_t read, phys_addr_t pa,
		       const struct acpi_header *h)
{
	struct uart_spec spec;
	struct spcr s;

	if (read_part(read, pa, h, sizeof(*h), &s, sizeof(s)) < 0 || s.address.address == 0)
		return;
	if (h->revision < 3)
		s.clock_hz = 0; /* reserved there */
	if (spcr_spec(&s, &spec) < 0) {
		log_warn("acpi: SPCR: unusable: interface %#x, space %u, %#lx, width %u, access %u",
			 s.interface, s.address.space, s.address.address,
			 s.address.bit_width, s.address.access_size);
		return;
	}
	bi->firmware_console = spec;
}

/* The register is 8 bits wide whatever its GAS says (§4.8.3.6) */
static int fadt_reset_reg(const struct fadt_tail *f, struct reset_spec *ret)
{
	const struct acpi_gas *g = &f->reset_reg;
	enum reset_method method = RESET_UNKNOWN;

	if (g->space == SPACE_MEMORY && g->address < ADDR_LIMIT)
		method = RESET_MMIO;
	else if (g->space == SPACE_IO && g->address <= 0xffff)
		method = RESET_IO;
	else if (g->space == SPACE_PCI_CONFIG && g->address >> 32 < 32 &&
		 (g->address >> 16 & 0xffff) < 8 && (g->address & 0xffff) < 256)
		method = RESET_PCI_CONFIG;
	if (method == RESET_UNKNOWN || g->address == 0) {
		log_warn("acpi: FADT: unusable reset register: space %u, address %#lx", g->space,
			 g->address);
		return -EINVAL;
	}
	*ret = (struct reset_spec){method, g->address, f->reset_value};
	return 0;
}

static void parse_fadt(struct boot_info *bi, acpi_read_t read, phys_addr_t pa,
		       const struct acpi_header *h)
{
	bool arm = bi->machine && strcmp(bi->machine, "aarch64") == 0;
	struct fadt_tail f;

	if (read_part(read, pa, h, FADT_TAIL_AT, &f, sizeof(f)) < 0)
		return;
	/* On x86 the bytes of ARM_BOOT_ARCH are reserved, so they are looked at on arm64 only */
	if (arm && h->revision >= 5 && f.arm_boot_arch & FADT_ARM_PSCI) {
		bi->reset.method =
			f.arm_boot_arch & FADT_ARM_PSCI_HVC ? RESET_PSCI_HVC : RESET_PSCI_SMC;
		return;
	}
	if (f.flags & FADT_RESET_REG_SUP)
		fadt_reset_reg(&f, &bi->reset);
}

/* parse NULL: a driver will read it, its place is remembered */
static const struct table {
	char signature[5];
	void (*parse)(struct boot_info *bi, acpi_read_t read, phys_addr_t pa,
		      const struct acpi_header *h);
	enum acpi_kind kind;
} tables[] = {
	{"MCFG", parse_mcfg, 0},
	{"SPCR", parse_spcr, 0},
	{"FACP", parse_fadt, 0},
	{"DMAR", NULL, ACPI_DMAR},
	{"IVRS", NULL, ACPI_IVRS},
	{"IORT", NULL, ACPI_IORT},
	{"VIOT", NULL, ACPI_VIOT},
	{"WDAT", NULL, ACPI_WDAT},
	{"SPMI", NULL, ACPI_SPMI},
	{"GTDT", NULL, ACPI_GTDT},
};

static void parse_table(struct boot_info *bi, acpi_read_t read, phys_addr_t pa, unsigned *done)
{
	struct acpi_header h;

	if (read_header(read, pa, &h) < 0) {
		log_debug("acpi: no table at %#lx", pa);
		return;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(tables); i++) {
		if (memcmp(h.signature, tables[i].signature, 4) != 0)
			continue;
		if (!checksum_ok(read, pa, h.length)) {
			log_warn("acpi: %s: bad checksum", tables[i].signature);
			return;
		}
		/* The first good one of each kind counts */
		if (!(*done & BIT(i)) && tables[i].parse)
			tables[i].parse(bi, read, pa, &h);
		else if (!(*done & BIT(i)))
			bi->acpi[tables[i].kind] = (struct acpi_table){ pa, h.length };
		*done |= BIT(i);
		return;
	}
}

/* Walk the RSDT (4-byte entries) or XSDT (8). 0, or -errno when the table itself is unusable. */
static int parse_root(struct boot_info *bi, acpi_read_t read, phys_addr_t pa, const char *signature,
		      size_t entry_size)
{
	struct acpi_header h;
	unsigned done = 0;
	uint32_t nr;
	int r = read_header(read, pa, &h);

	if (r < 0)
		return log_err(r, "acpi: no %s at %#lx", signature, pa);
	if (memcmp(h.signature, signature, 4) != 0 || !checksum_ok(read, pa, h.length))
		return log_err(-EINVAL, "acpi: damaged %s at %#lx", signature, pa);
	nr = min_u64((h.length - sizeof(h)) / entry_size, MAX_TABLES);
	for (uint32_t i = 0; i < nr; i++) {
		uint64_t entry = 0; /* little-endian: 4 bytes fill the low half */

		if (read(&entry, pa + sizeof(h) + i * entry_size, entry_size) == 0 && entry)
			parse_table(bi, read, entry, &done);
	}
	return 0;
}

int acpi_discover(struct boot_info *bi, int (*read)(void *dst, phys_addr_t pa, size_t len))
{
	struct acpi_rsdp rsdp;
	int r = read_rsdp(read, bi->rsdp, &rsdp);

	if (r < 0)
		return log_err(r, "acpi: no RSDP at %#lx", bi->rsdp);
	if (rsdp.xsdt && parse_root(bi, read, rsdp.xsdt, "XSDT", 8) == 0)
		return 0;
	return parse_root(bi, read, rsdp.rsdt, "RSDT", 4);
}
