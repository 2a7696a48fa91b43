/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Symbols from the dead kernel's own table: what is there is found, and a table that is damaged on
 * purpose costs a bounded amount of work.
 */
/* needs: stub/idle.c tests/unit/fake/clock.c stub/dead/kallsyms.c stub/dead/vmcore.c tests/host/machine.c tests/unit/fake/log.c */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "stub/dead/kallsyms.h"
#include "tests/host/machine.h"

#define IMAGE		MIB(16)
#define IMAGE_VA	0xffffffff80c00000ULL	/* of IMAGE */
#define TABLE		(IMAGE + 0x100000)
#define OFFSETS		(TABLE + 0x1000)
#define TOKENS		(TABLE + 0x2000)
#define INDEX		(TABLE + 0x3000)
#define COUNT		(TABLE + 0x4008)
#define FREE		MIB(24)

static const struct machine_symbol symbols[] = {
	{ "_stext", IMAGE_VA }, { "first", IMAGE_VA + 0x1000 }, { "second", IMAGE_VA + 0x2000 },
	{ "of_each_cpu", 0x20000 }, { "second", IMAGE_VA + 0x3000 },
	{ "a_name_of_63_characters_________________________________________", IMAGE_VA + 0x4000 },
	{ "last", IMAGE_VA + 0x5000 },
};

static struct vtop vt;
static struct kallsym found[] = { { "first", 0 }, { "second", 0 }, { "of_each_cpu", 0 },
				  { "last", 0 }, { "none", 0 } };

static int find(void)
{
	vtop_init(&vt, &machine.vc, &machine.vi);
	machine.reads = 0;
	return kallsyms_find(&vt, &machine.vi, found, ARRAY_SIZE(found));
}

static void build(void)
{
	machine_build(STYLE_6_10, MODEL_EXTREME, false, 1);
	machine_kallsyms(symbols, ARRAY_SIZE(symbols), TABLE);
}

static void test_found(void **state)
{
	(void)state;
	build();
	assert_int_equal(find(), 4);
	assert_int_equal(found[0].va, IMAGE_VA + 0x1000);
	assert_int_equal(found[1].va, IMAGE_VA + 0x2000);	/* the first one of that name */
	assert_int_equal(found[2].va, 0x20000);
	assert_int_equal(found[3].va, IMAGE_VA + 0x5000);
	assert_int_equal(found[4].va, 0);
}

/* Where offsets are all relative, _stext is at the base: offset 0 */
static void test_relative(void **state)
{
	(void)state;
	build();
	for (unsigned i = 0; i < ARRAY_SIZE(symbols); i++) {
		uint32_t offset = symbols[i].va >> 63 ? symbols[i].va - IMAGE_VA : 0x7000;

		memcpy(machine.ram + OFFSETS + 4 * i, &offset, 4);
	}
	assert_int_equal(find(), 4);
	assert_int_equal(found[0].va, IMAGE_VA + 0x1000);
	assert_int_equal(found[2].va, IMAGE_VA + 0x7000);
	assert_int_equal(found[3].va, IMAGE_VA + 0x5000);
}

/* A name too long for a length of one byte is stepped over; so are tokens behind the 63rd character */
static void test_long_names(void **state)
{
	unsigned char *p = machine.ram + TABLE;
	unsigned len = 0x1234;

	(void)state;
	build();
	p = machine.ram + FREE;
	*p++ = 7;
	memcpy(p, "T_stext", 7);
	p += 7;
	*p++ = 0x80 | (len & 0x7f);
	*p++ = (unsigned char)(len >> 7);
	memset(p, 'x', len);
	p += len;
	*p++ = 5;
	memcpy(p, "Tlast", 5);
	assert_true(machine_remove("SYMBOL(kallsyms_names)"));
	machine_info("SYMBOL(kallsyms_names)=%llx", 0xffff888000000000ULL + FREE);
	machine.ram[COUNT] = 3;
	assert_int_equal(find(), 1);
	assert_int_equal(found[3].va, symbols[2].va);
	/* The bytes between are not even read */
	assert_true(machine.reads < 40);
}

/* What was found before the names become unreadable stays found. */
static void test_unreadable(void **state)
{
	static const unsigned char names[] = "\7T_stext\6Tfirst\5Txxxx\5Tlast";

	(void)state;
	build();
	memcpy(machine.ram + MACHINE_RAM - 128, names, sizeof(names) - 1);
	memset(machine.ram + MACHINE_RAM - 128 + sizeof(names) - 1, 0, 128 - (sizeof(names) - 1));
	assert_true(machine_remove("SYMBOL(kallsyms_names)"));
	machine_info("SYMBOL(kallsyms_names)=%llx", 0xffff888000000000ULL + MACHINE_RAM - 128);
	memset(machine.ram + COUNT, 0xff, 3);
	assert_int_equal(find(), 2);
	assert_int_equal(found[0].va, IMAGE_VA + 0x1000);
	assert_int_equal(found[3].va, symbols[3].va);
}

static void test_missing(void **state)
{
	static const char *const entries[] = {
		"SYMBOL(kallsyms_names)", "SYMBOL(kallsyms_num_syms)", "SYMBOL(kallsyms_offsets)",
		"SYMBOL(kallsyms_token_table)", "SYMBOL(kallsyms_token_index)",
		"SYMBOL(kallsyms_relative_base)", "SYMBOL(_stext)",
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(entries); i++) {
		build();
		assert_true(machine_remove(entries[i]));
		assert_int_equal(find(), -ENOENT);
	}
}

/* An index beyond the tokens is no text, whatever lies there; names of other bytes are still found */
static void test_index_beyond(void **state)
{
	(void)state;
	for (unsigned beyond = KALLSYMS_TOKENS; beyond <= 0xffff; beyond += 0xffff - KALLSYMS_TOKENS) {
		build();
		memcpy(machine.ram + INDEX + 2 * 'n', (uint16_t[]){ (uint16_t)beyond }, 2);
		assert_int_equal(find(), 3);
		assert_int_equal(found[0].va, IMAGE_VA + 0x1000);
		assert_int_equal(found[1].va, 0);	/* "seco" and "d" are left */
		assert_int_equal(found[3].va, IMAGE_VA + 0x5000);
	}
}

/*
 * Names without an end: 4 G of them, in memory that goes on for ever, made of what costs most. The
 * reads are counted, the rest shows in time: such a search never ended.
 */
static void test_hostile(void **state)
{
	static const struct { const char *what, *name; unsigned len; bool endless_tokens; } cases[] = {
		{ "no characters", "\0", 1, false },
		{ "one character", "\1T", 2, false },
		{ "the longest", "\377\377xx", 4, false },
		{ "_stext each time", "\7T_stext", 8, false },
		{ "tokens without an end", "\177xxxxxxx", 8, true },
		{ "a wanted name but for its end", "\10Tof_eac", 8, false },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		clock_t start = clock();

		build();
		machine_endless(FREE);
		for (unsigned k = 0; k < 4096; k += cases[i].len)
			memcpy(machine.ram + FREE + k, cases[i].name, cases[i].len);
		if (cases[i].endless_tokens) {
			memset(machine.ram + TOKENS, 'x', 2048);
			memset(machine.ram + INDEX, 0, 512);
		}
		assert_true(machine_remove("SYMBOL(kallsyms_names)"));
		machine_info("SYMBOL(kallsyms_names)=%llx", MACHINE_ENDLESS);
		memset(machine.ram + COUNT, 0xff, 4);
		alarm(60);
		assert_int_equal(find(), 0);
		alarm(0);
		/* 16 MiB in pieces of 128 bytes, a walk for each page, and what is read first */
		assert_in_range(machine.reads, 2000, 131072 + 4 * 4096 + 40);
		assert_true(clock() - start < 20 * CLOCKS_PER_SEC);
	}
	assert_int_equal(machine.stray, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_found),
		cmocka_unit_test(test_relative),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_index_beyond),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
