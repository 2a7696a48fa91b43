// SPDX-License-Identifier: GPL-2.0-or-later
#include "drivers/watchdog/ipmi_find.h"

#include <errno.h>
#include <string.h>

#include <cpu.h>

#define TYPE_KCS	1

/* From offset 36 of the SPMI table */
struct spmi {
	uint8_t  type;			/* 36 */
	uint8_t  rsvd37;
	uint16_t revision;		/* 38 */
	uint8_t  interrupts[8];		/* 40 */
	uint8_t  space;			/* 48 Generic Address Structure: 0 memory, 1 ports */
	uint8_t  bit_width;		/* 49 from one register to the next */
	uint8_t  bit_offset, access_size;
	uint64_t address;		/* 52 */
} __attribute__((packed));
_Static_assert(sizeof(struct spmi) == 60 - 36, "SPMI size");
#define SPMI_AT		36

/* Entry points (DSP0134 §5.2): where EFI says, or at 16-byte borders of a PC's BIOS area */
#define AREA_START	0xf0000
#define AREA_END	0x100000
#define ENTRY_LEN	31		/* the longer one; the other has 24 */
#define ENTRY3_LEN	24

/* Structures (§6.1): a header, what it says, strings, and a string of no length */
struct smbios_header {
	uint8_t  type;
	uint8_t  length;
	uint16_t handle;
};

struct smbios_ipmi {
	struct smbios_header head;
	uint8_t  type;			/* 4 */
	uint8_t  revision, i2c, storage;
	uint64_t address;		/* 8 bit 0: ports */
	uint8_t  modifier;		/* 16 */
	uint8_t  interrupt;		/* 17 */
};
#define IPMI_LEN	18		/* without padding */
#define SMBIOS_IPMI	38
#define SMBIOS_END	127
#define MODIFIER_BIT0	BIT(4)		/* of the address */
#define MODIFIER_SPACING GENMASK(7, 6)
#define TABLE_MAX	KIB(256)

static bool spacing_ok(unsigned spacing)
{
	return spacing == 1 || spacing == 2 || spacing == 4 || spacing == 16;
}

static int find_in_spmi(const struct watchdog_env *env, struct ipmi_kcs_place *ret)
{
	const struct acpi_table *t = &env->bi->acpi[ACPI_SPMI];
	struct spmi s;
	unsigned spacing;

	if (!t->pa || t->len < SPMI_AT + sizeof(s) || env->read(&s, t->pa + SPMI_AT, sizeof(s)))
		return -ENOENT;
	spacing = s.bit_width < 8 ? 1 : s.bit_width / 8;
	if (s.type != TYPE_KCS || s.space > 1 || !spacing_ok(spacing))
		return -ENOENT;
	*ret = (struct ipmi_kcs_place){ .io = s.space == 1, .addr = s.address, .spacing = spacing };
	return 0;
}

static bool sum_ok(const uint8_t *p, unsigned len)
{
	uint8_t sum = 0;

	for (unsigned i = 0; i < len; i++)
		sum += p[i];
	return !sum;
}

/* An entry point at @pa: where the structures are, and how many bytes of them */
static bool read_entry(const struct watchdog_env *env, phys_addr_t pa, uint64_t *ret_table,
		       uint32_t *ret_len)
{
	uint8_t e[ENTRY_LEN];
	uint32_t table32;
	uint16_t len16;

	if (env->read(e, pa, sizeof(e)))
		return false;
	if (!memcmp(e, "_SM3_", 5) && e[6] == ENTRY3_LEN && sum_ok(e, ENTRY3_LEN)) {
		memcpy(ret_len, e + 12, 4);
		memcpy(ret_table, e + 16, 8);
		return true;
	}
	if (memcmp(e, "_SM_", 4) || e[5] != ENTRY_LEN || !sum_ok(e, ENTRY_LEN))
		return false;
	memcpy(&len16, e + 22, 2);
	memcpy(&table32, e + 24, 4);
	*ret_len = len16;
	*ret_table = table32;
	return true;
}

/* The offset behind the strings that begin at @at: after two zeros. @len: there is no end */
static uint32_t skip_strings(const struct watchdog_env *env, uint64_t table, uint32_t at, uint32_t len)
{
	uint8_t buf[64], last = 1;

	while (at < len) {
		uint32_t n = (uint32_t)min_u64(sizeof(buf), len - at);

		if (env->read(buf, table + at, n))
			return len;
		for (uint32_t i = 0; i < n; i++) {
			if (!(last | buf[i]))
				return at + i + 1;
			last = buf[i];
		}
		at += n;
	}
	return len;
}

static bool take_ipmi(const struct smbios_ipmi *s, struct ipmi_kcs_place *ret)
{
	static const uint8_t spacings[] = { 1, 4, 16, 0 };
	struct ipmi_kcs_place at = {
		.io = s->address & 1,
		.addr = (s->address & ~1ULL) | !!(s->modifier & MODIFIER_BIT0),
		.spacing = spacings[FIELD_GET(MODIFIER_SPACING, s->modifier)],
	};

	if (s->type != TYPE_KCS || !at.spacing)
		return false;
	*ret = at;
	return true;
}

static int find_in_table(const struct watchdog_env *env, uint64_t table, uint32_t len,
			 struct ipmi_kcs_place *ret)
{
	struct smbios_ipmi s;
	uint32_t at = 0;

	len = (uint32_t)min_u64(len, TABLE_MAX);
	if (!range_inside(table, len, 0, BIT(52)))
		return -ENOENT;
	while (len - at >= sizeof(s.head)) {
		if (env->read(&s.head, table + at, sizeof(s.head)) || s.head.length < sizeof(s.head) ||
		    s.head.length > len - at || s.head.type == SMBIOS_END)
			return -ENOENT;
		if (s.head.type == SMBIOS_IPMI && s.head.length >= IPMI_LEN) {
			if (env->read(&s, table + at, IPMI_LEN))
				return -ENOENT;
			if (take_ipmi(&s, ret))
				return 0;
		}
		at = skip_strings(env, table, at + s.head.length, len);
	}
	return -ENOENT;
}

int ipmi_find_kcs(const struct watchdog_env *env, struct ipmi_kcs_place *ret)
{
	uint64_t table;
	uint32_t len;

	if (!find_in_spmi(env, ret))
		return 0;
	if (env->bi->smbios)
		return read_entry(env, env->bi->smbios, &table, &len) ?
			       find_in_table(env, table, len, ret) : -ENOENT;
	for (phys_addr_t pa = AREA_START; ARCH_HAS_PIO && pa < AREA_END; pa += 16)
		if (read_entry(env, pa, &table, &len))
			return find_in_table(env, table, len, ret);
	return -ENOENT;
}
