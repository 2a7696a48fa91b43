// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The watchdog that the firmware describes in its WDAT (Microsoft, "Hardware Watchdog Timers Design
 * Specification", 1.00): for each action a list of reads and writes. It is read afresh for each action,
 * so that it may be of any length; nothing in it is believed for longer than that.
 */
#include <errno.h>

#include "drivers/watchdog/watchdog.h"

/* Behind the header that all ACPI tables have, at 36 */
struct wdat {
	uint32_t header_length;		/* 36 */
	uint16_t pci_segment;		/* 40 */
	uint8_t  pci_bus, pci_device, pci_function;
	uint8_t  rsvd45[3];
	uint32_t period_ms;		/* 48 of one count */
	uint32_t max_count;		/* 52 */
	uint32_t min_count;		/* 56 */
	uint8_t  flags;			/* 60 */
	uint8_t  rsvd61[3];
	uint32_t nr_entries;		/* 64 */
};
_Static_assert(sizeof(struct wdat) == 68 - 36, "WDAT size");
#define WDAT_AT		36
#define ENTRIES_AT	68
#define FLAG_ENABLED	BIT(0)

struct wdat_entry {
	uint8_t  action;		/* 0 */
	uint8_t  instruction;		/* 1 */
	uint16_t rsvd2;
	uint8_t  space;			/* 4 Generic Address Structure: 0 memory, 1 ports */
	uint8_t  bit_width;		/* 5 */
	uint8_t  bit_offset;		/* 6 */
	uint8_t  access_size;		/* 7 1 byte, 2 word, 3 dword */
	uint64_t address;		/* 8 */
	uint32_t value;			/* 16 */
	uint32_t mask;			/* 20 */
} __attribute__((packed));
_Static_assert(sizeof(struct wdat_entry) == 24, "WDAT entry size");

enum wdat_action {
	ACTION_RESET = 1,
	ACTION_GET_COUNTDOWN = 5,	/* what it begins at; 4 is where it is */
	ACTION_SET_COUNTDOWN = 6,
	ACTION_GET_RUNNING = 8,
};

enum wdat_instruction {
	READ_VALUE = 0,
	READ_COUNTDOWN = 1,
	WRITE_VALUE = 2,
	WRITE_COUNTDOWN = 3,
	PRESERVE = 0x80,		/* bits outside the mask stay as they are */
};

#define MAX_ENTRIES	256

static struct watchdog_env env;
static unsigned nr_entries;

/* 0, or -EINVAL: nothing was accessed */
static int run_entry(const struct wdat_entry *e, uint32_t count, uint32_t *result)
{
	unsigned size = e->access_size <= 3 ? 1u << e->access_size >> 1 : 0;
	unsigned op = e->instruction & (uint8_t)~PRESERVE;
	uint32_t mask, v;
	struct watchdog_reg reg;

	if (e->space > 1 || !size || e->bit_offset > 31 || op > WRITE_COUNTDOWN ||
	    watchdog_map(&env, e->space == 1, e->address, size, size, &reg))
		return -EINVAL;
	mask = e->mask << e->bit_offset;
	if (op == READ_VALUE || op == READ_COUNTDOWN) {
		v = watchdog_read(&reg, 0, size) >> e->bit_offset & e->mask;
		*result = op == READ_VALUE ? v == e->value : v;
		return 0;
	}
	v = (op == WRITE_VALUE ? e->value : count) << e->bit_offset & mask;
	if (e->instruction & PRESERVE)
		v |= watchdog_read(&reg, 0, size) & ~mask;
	watchdog_write(&reg, 0, size, v);
	return 0;
}

/*
 * All instructions of @action in their order; *result is what the last one read. 0, -ENOENT: there is
 * none, or -EINVAL: one cannot be done, and those before it were.
 */
static int run(enum wdat_action action, uint32_t count, uint32_t *result)
{
	phys_addr_t at = env.bi->acpi[ACPI_WDAT].pa + ENTRIES_AT;
	struct wdat_entry e;
	int rc = -ENOENT;

	for (unsigned i = 0; i < nr_entries; i++) {
		if (env.read(&e, at + i * sizeof(e), sizeof(e)))
			return -EINVAL;
		if (e.action != action)
			continue;
		rc = run_entry(&e, count, result);
		if (rc)
			break;
	}
	return rc;
}

static bool feed(void)
{
	uint32_t none;

	run(ACTION_RESET, 0, &none);
	return false;
}

static uint32_t ms(uint32_t count, uint32_t period_ms)
{
	return (uint32_t)min_u64((uint64_t)count * period_ms, UINT32_MAX);
}

/* All ones as the countdown, or one above the largest there is, are no registers of a watchdog */
static int probe(const struct watchdog_env *e, struct watchdog_time *ret)
{
	const struct acpi_table *t = &e->bi->acpi[ACPI_WDAT];
	uint32_t running = 0, count = 0, goal;
	struct wdat w;

	env = *e;
	if (!t->pa || t->len < ENTRIES_AT || env.read(&w, t->pa + WDAT_AT, sizeof(w)) ||
	    !(w.flags & FLAG_ENABLED) || !w.period_ms || w.min_count > w.max_count)
		return -ENOENT;
	nr_entries = (unsigned)min_u64(min_u64(w.nr_entries, MAX_ENTRIES),
				       (t->len - ENTRIES_AT) / sizeof(struct wdat_entry));
	if (run(ACTION_GET_RUNNING, 0, &running) || !running)
		return -ENOENT;
	if (!run(ACTION_GET_COUNTDOWN, 0, &count) && count > w.max_count)
		return -ENOENT;
	ret->was_ms = ret->now_ms = ms(count, w.period_ms);
	goal = (uint32_t)min_u64(WATCHDOG_GOAL_MS / w.period_ms, w.max_count);
	if (!env.keep && count < goal && goal >= w.min_count && !run(ACTION_SET_COUNTDOWN, goal, &count))
		ret->now_ms = ms(goal, w.period_ms);
	return run(ACTION_RESET, 0, &count) ? -ENOENT : 0;
}

const struct watchdog wdat_watchdog = { "WDAT", 1000, probe, feed };
