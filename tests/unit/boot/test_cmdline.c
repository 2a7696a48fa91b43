// SPDX-License-Identifier: GPL-2.0-or-later
/* needs: stub/boot/cmdline.c */
/* The command line: every word, good and bad, and what kexec and people do to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "capstub/kdump_format.h"
#include "stub/boot/cmdline.h"

static struct cmdline cl;

static void parse(const char *text)
{
	/* on the heap and without slack, so that a look beyond the NUL is seen */
	char *copy = strdup(text);

	memset(&cl, 0xa5, sizeof(cl));
	cmdline_parse(&cl, copy);
	free(copy);
	for (unsigned i = 0; i < cl.nr_complaints; i++)
		assert_non_null(memchr(cl.complaints[i], 0, sizeof(cl.complaints[i])));
}

static void expect_complaint(const char *text, const char *complaint)
{
	parse(text);
	if (cl.nr_complaints != 1 || strcmp(cl.complaints[0], complaint))
		fail_msg("\"%s\": %u, \"%s\"", text, cl.nr_complaints, cl.complaints[0]);
}

static void test_defaults(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		parse(i == 0 ? "" : i == 1 ? "  \t\n " : "acpi_rsdp=0xf59e0 BOOT_IMAGE=/vmlinuz");
		assert_int_equal(cl.nr_complaints, 0);
		assert_int_equal(cl.nr_targets, 0);
		assert_int_equal(cl.level, 31);
		assert_int_equal(cl.compress, KDUMP_COMPRESSED_LZO);
		assert_string_equal(cl.console_name, "");
		assert_int_equal(cl.console_spec.type, UART_NONE);
		assert_false(cl.console_given);
		assert_int_equal(cl.after, AFTER_REBOOT);
		assert_string_equal(cl.reset, "");
		assert_true(cl.overwrite);
		assert_int_equal(cl.watchdog, WATCHDOG_FEED);
		assert_false(cl.hang);
		assert_int_equal(cl.deadline_s, 14400);
		assert_int_equal(cl.timeout_s, 60);
		assert_true(cl.elfcorehdr == 0 && cl.elfcorehdr_size == 0);
		assert_int_equal(cl.nr_virtio_mmio, 0);
		assert_true(cl.rsdp == (i == 2 ? 0xf59e0 : 0));
	}
}

/* As found in /proc of a loaded stub: kexec-tools appends, the kernel prepends */
static void test_kexec(void **state)
{
	(void)state;
	parse("console=ttyS0 dump=PARTLABEL=crash acpi_rsdp=0xf59e0 elfcorehdr=508276K");
	assert_true(cl.elfcorehdr == 508276 * 1024ULL && cl.elfcorehdr_size == 0 &&
		    cl.rsdp == 0xf59e0);
	assert_string_equal(cl.console_name, "ttyS0");
	assert_int_equal(cl.nr_targets, 1);
	assert_int_equal(cl.nr_complaints, 0);
	parse("elfcorehdr=0x1f000000 dmcryptkeys=0x1e000000 console=ttyS0,115200n8 level=1");
	assert_true(cl.elfcorehdr == 0x1f000000);
	assert_int_equal(cl.console_spec.baud, 115200);
	assert_int_equal(cl.level, 1);
	assert_int_equal(cl.nr_complaints, 0);
}

static void test_elfcorehdr(void **state)
{
	static const struct {
		const char *text;
		uint64_t addr, size;
		unsigned complaints;
	} cases[] = {
		{"elfcorehdr=0x5b4f0000", 0x5b4f0000, 0, 0},
		{"elfcorehdr=1G", 1ULL << 30, 0, 0},
		{"elfcorehdr=1m", 1ULL << 20, 0, 0},
		{"elfcorehdr=0x10k", 0x4000, 0, 0},
		{"elfcorehdr=16K@0x1f000000", 0x1f000000, 16384, 0},
		{"elfcorehdr=0x1000@1M", 1 << 20, 0x1000, 0},
		{"elfcorehdr=1K elfcorehdr=2K", 2048, 0, 0},  /* the last one counts */
		{"elfcorehdr=1K elfcorehdr=bad", 1024, 0, 1}, /* the last good one */
		{"elfcorehdr=1K@2K elfcorehdr=3K", 3072, 0, 0},
		{"elfcorehdr=", 0, 0, 1},
		{"elfcorehdr=0", 0, 0, 1},
		{"elfcorehdr=K", 0, 0, 1},
		{"elfcorehdr=-1", 0, 0, 1},
		{"elfcorehdr=1T", 0, 0, 1},
		{"elfcorehdr=1KK", 0, 0, 1},
		{"elfcorehdr=0x", 0, 0, 1},
		{"elfcorehdr=0xg", 0, 0, 1},
		{"elfcorehdr=@1M", 0, 0, 1},
		{"elfcorehdr=0@1M", 0, 0, 1},
		{"elfcorehdr=1M@", 0, 0, 1},
		{"elfcorehdr=1M@0", 0, 0, 1},
		{"elfcorehdr=1M@1M@1M", 0, 0, 1},
		{"elfcorehdr=0x10000000000000", 0, 0, 1}, /* 2^52 */
		{"elfcorehdr=0xffffffffffffffff", 0, 0, 1},
		{"elfcorehdr=0x10000000000000000", 0, 0, 1},
		{"elfcorehdr=17179869185G", 0, 0, 1}, /* would wrap to 1G */
		{"elfcorehdr=0xffffffffffffffff@1M", 0, 0, 1},
		{"elfcorehdr=0xfffffffffffff", 0xfffffffffffff, 0, 0},
		{"elfcorehdr=2@0xfffffffffffff", 0, 0, 1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		parse(cases[i].text);
		if (cl.elfcorehdr != cases[i].addr || cl.elfcorehdr_size != cases[i].size ||
		    cl.nr_complaints != cases[i].complaints)
			fail_msg("%s: %#lx, %#lx, %u", cases[i].text, cl.elfcorehdr,
				 cl.elfcorehdr_size, cl.nr_complaints);
	}
}

static void test_simple_words(void **state)
{
	(void)state;
	parse("watchdog=keep test=hang");
	assert_int_equal(cl.watchdog, WATCHDOG_KEEP);
	assert_true(cl.hang);
	parse("watchdog=leave watchdog=nothing");
	assert_int_equal(cl.watchdog, WATCHDOG_LEAVE);
	parse("watchdog=leave watchdog=feed");
	assert_int_equal(cl.watchdog, WATCHDOG_FEED);
	parse("level=0 compress=none after=halt overwrite=no deadline=0 timeout=1");
	assert_int_equal(cl.nr_complaints, 0);
	assert_int_equal(cl.level, 0);
	assert_int_equal(cl.compress, 0);
	assert_int_equal(cl.after, AFTER_HALT);
	assert_false(cl.overwrite);
	assert_int_equal(cl.deadline_s, 0);
	assert_int_equal(cl.timeout_s, 1);
	parse("level=0 compress=none after=halt overwrite=no deadline=1 level=0x10 compress=lzo "
	      "after=reboot "
	      "overwrite=yes deadline=4294967295 timeout=3600");
	assert_int_equal(cl.nr_complaints, 0);
	assert_int_equal(cl.level, 16);
	assert_int_equal(cl.compress, KDUMP_COMPRESSED_LZO);
	assert_int_equal(cl.after, AFTER_REBOOT);
	assert_true(cl.overwrite);
	assert_int_equal(cl.deadline_s, UINT32_MAX);
	assert_int_equal(cl.timeout_s, 3600);
	expect_complaint("level=32", "level=32: not 0 to 31");
	expect_complaint("level=", "level=: not 0 to 31");
	expect_complaint("level=-1", "level=-1: not 0 to 31");
	expect_complaint("level=1x", "level=1x: not 0 to 31");
	expect_complaint("level=18446744073709551647", "level=18446744073709551647: not 0 to 31");
	assert_int_equal(cl.level, 31);
	expect_complaint("compress=zstd", "compress=zstd: not lzo or none");
	expect_complaint("reset=efi", "reset=efi: not acpi, cf9, kbd, psci or triple");
	expect_complaint("reset=", "reset=: not acpi, cf9, kbd, psci or triple");
	expect_complaint("reset=acpi reset=kbd reset=kb", "reset=kb: not acpi, cf9, kbd, psci or triple");
	assert_string_equal(cl.reset, "kbd");
	expect_complaint("after=poweroff", "after=poweroff: not reboot, halt or gdb");
	expect_complaint("watchdog=stop", "watchdog=stop: not feed, keep or leave");
	expect_complaint("test=", "test=: not hang");
	expect_complaint("overwrite=maybe", "overwrite=maybe: not yes or no");
	expect_complaint("deadline=4294967296", "deadline=4294967296: not a number of seconds");
	expect_complaint("deadline=2h", "deadline=2h: not a number of seconds");
	expect_complaint("timeout=0", "timeout=0: not 1 to 3600");
	expect_complaint("timeout=3601", "timeout=3601: not 1 to 3600");
	expect_complaint("timeout=", "timeout=: not 1 to 3600");
	expect_complaint("line=7bit", "line=7bit: not text or 8bit, with or without ,xon");
	expect_complaint("line=text,xoff", "line=text,xoff: not text or 8bit, with or without ,xon");
	assert_false(cl.line_8bit || cl.line_xon);
	parse("line=8bit,xon");
	assert_true(cl.line_8bit && cl.line_xon);
	parse("line=8bit,xon line=text");
	assert_false(cl.line_8bit || cl.line_xon);
	/* a bad value changes nothing */
	parse("level=3 level=bad deadline=60 deadline= timeout=9 timeout=0");
	assert_int_equal(cl.timeout_s, 9);
	assert_int_equal(cl.level, 3);
	assert_int_equal(cl.deadline_s, 60);
	assert_int_equal(cl.nr_complaints, 3);
}

static void test_serve(void **state)
{
	(void)state;
	parse("");
	assert_string_equal(cl.serve.text, "");
	assert_int_equal(cl.serve_timeout_s, 600);
	parse("serve=gdb:ttyS1,115200n8r serve-timeout=30 after=gdb");
	assert_int_equal(cl.nr_complaints, 0);
	assert_int_equal(cl.serve.kind, TARGET_UART);
	assert_string_equal(cl.serve.text, "ttyS1");
	assert_int_equal(cl.serve.uart.type, UART_NONE);
	assert_int_equal(cl.serve.uart.baud, 115200);
	assert_true(cl.serve.uart.rts_cts);
	assert_int_equal(cl.serve_timeout_s, 30);
	assert_int_equal(cl.after, AFTER_GDB);
	/* It is no target, and the last one counts */
	assert_int_equal(cl.nr_targets, 0);
	parse("serve=gdb:ttyS0 serve=gdb:uart8250,io,0x2f8 serve=gdb:ttyUSB0");
	assert_int_equal(cl.nr_complaints, 1);
	assert_int_equal(cl.serve.uart.type, UART_16550_IO);
	assert_int_equal(cl.serve.uart.addr, 0x2f8);
	expect_complaint("serve=gdb:", "serve=gdb:: not gdb: and a UART");
	expect_complaint("serve=gdb", "serve=gdb: not gdb: and a UART");
	expect_complaint("serve=ttyS0", "serve=ttyS0: not gdb: and a UART");
	expect_complaint("serve=gdb:any", "serve=gdb:any: not gdb: and a UART");
	expect_complaint("serve=gdb:LABEL=x", "serve=gdb:LABEL=x: not gdb: and a UART");
	assert_string_equal(cl.serve.text, "");
	expect_complaint("serve-timeout=0", "serve-timeout=0: not a number of seconds");
	expect_complaint("serve-timeout=1h", "serve-timeout=1h: not a number of seconds");
	assert_int_equal(cl.serve_timeout_s, 600);
}

static void test_console(void **state)
{
	static const struct {
		const char *value, *name;
		enum uart_type type;
		uint64_t addr;
		uint32_t baud, clock;
		bool rts_cts;
		int shift;
	} good[] = {
		{"ttyS0", "ttyS0", UART_NONE, 0, 0, 0, false, 0},
		{"ttyS12,9600", "ttyS12", UART_NONE, 0, 9600, 0, false, 0},
		{"ttyAMA0", "ttyAMA0", UART_NONE, 0, 0, 0, false, 0},
		{"ttyAMA10,115200n8", "ttyAMA10", UART_NONE, 0, 115200, 0, false, 0},
		{"ttyS0,115200n", "ttyS0", UART_NONE, 0, 115200, 0, false, 0},
		{"ttyS0,115200n8r", "ttyS0", UART_NONE, 0, 115200, 0, true, 0},
		{"ttyS0,50", "ttyS0", UART_NONE, 0, 50, 0, false, 0},
		{"ttyS0,3000000", "ttyS0", UART_NONE, 0, 3000000, 0, false, 0},
		{"uart8250,io,0x3f8", "", UART_16550_IO, 0x3f8, 0, 0, false, 0},
		{"uart8250,io,1016,115200n8", "", UART_16550_IO, 0x3f8, 115200, 0, false, 0},
		{"uart8250,mmio,0xfe001001,9600", "", UART_16550_MMIO, 0xfe001001, 9600, 0, false,
		 0},
		{"uart8250,mmio32,0xfe001000", "", UART_16550_MMIO32, 0xfe001000, 0, 0, false, 2},
		{"uart8250,mmio32,0xfe001000,115200n8r,48000000", "", UART_16550_MMIO32, 0xfe001000,
		 115200, 48000000, true, 2},
		{"pl011,0x9000000", "", UART_PL011, 0x9000000, 0, 0, false, 0},
		{"pl011,mmio32,0x9000000,115200", "", UART_PL011, 0x9000000, 115200, 0, false, 0},
	};
	static const char *const bad[] = {
		"",
		"tty0",
		"hvc0",
		"ttyS",
		"ttyS0x",
		"ttyS123456",
		"ttyUSB0",
		"ttyAMA",
		"ttyS0,",
		"ttyS0,0",
		"ttyS0,49",
		"ttyS0,16000001",
		"ttyS0,115200e7",
		"ttyS0,115200n7",
		"ttyS0,115200x",
		"ttyS0,-9600",
		"ttyS0,115200,1",
		"ttyS0,99999999999999999999",
		"uart8250",
		"uart8250,",
		"uart8250,io",
		"uart8250,io,",
		"uart8250,io,0",
		"uart8250,io,0xfff9",
		"uart8250,io,0x10000",
		"uart8250,mmio,0x10000000000000",
		"uart8250,mmio16,0x1000",
		"uart8250,mmio32,0x1002",
		"uart8250,io,0x3f8x",
		"uart8250,io,0x3f8,",
		"uart8250,io,0x3f8,9600,0",
		"uart8250,io,0x3f8,9600,4294967296",
		"uart8250,io,0x3f8,9600,1,1",
		"pl011",
		"pl011,",
		"pl011,0",
		"pl011,0x1001",
		"pl011,mmio32",
		"pl011,ttyAMA0",
	};
	char text[100];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		snprintf(text, sizeof(text), "console=%s", good[i].value);
		parse(text);
		if (cl.nr_complaints || !cl.console_given ||
		    strcmp(cl.console_name, good[i].name) || cl.console_spec.type != good[i].type ||
		    cl.console_spec.addr != good[i].addr || cl.console_spec.baud != good[i].baud ||
		    cl.console_spec.clock_hz != good[i].clock ||
		    cl.console_spec.rts_cts != good[i].rts_cts ||
		    cl.console_spec.reg_shift != good[i].shift)
			fail_msg("%s: %s", text, cl.nr_complaints ? cl.complaints[0] : "wrong");
		snprintf(text, sizeof(text), "dump=%s", good[i].value);
		parse(text);
		assert_int_equal(cl.nr_complaints, 0);
		assert_int_equal(cl.nr_targets, 1);
		assert_int_equal(cl.targets[0].kind, TARGET_UART);
		assert_int_equal(cl.targets[0].uart.type, good[i].type);
		assert_true(cl.targets[0].uart.addr == good[i].addr);
		assert_int_equal(cl.targets[0].baud, good[i].baud);
		assert_string_equal(cl.targets[0].text,
				    good[i].name[0] ? good[i].name : good[i].value);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		/* an earlier console that works is kept */
		snprintf(text, sizeof(text), "console=ttyS1,9600 console=%s", bad[i]);
		parse(text);
		if (cl.nr_complaints != 1 || strcmp(cl.console_name, "ttyS1") ||
		    cl.console_spec.baud != 9600)
			fail_msg("%s", text);
		snprintf(text, sizeof(text), "dump=%s", bad[i]);
		parse(text);
		if (cl.nr_complaints != 1 || cl.nr_targets)
			fail_msg("%s", text);
	}
	/* the last one counts as a whole */
	parse("console=uart8250,io,0x2f8,9600 console=ttyS0");
	assert_string_equal(cl.console_name, "ttyS0");
	assert_int_equal(cl.console_spec.type, UART_NONE);
	assert_int_equal(cl.console_spec.baud, 0);
	parse("console=ttyS0 console=uart8250,io,0x2f8,9600");
	assert_string_equal(cl.console_name, "");
	assert_int_equal(cl.console_spec.type, UART_16550_IO);
}

static void test_targets(void **state)
{
	static const uint8_t uuid[16] = {0x6f, 0x1d, 0x2c, 0x3b, 0x4a, 0x59, 0x4e, 0x8f,
					 0x90, 0xa1, 0xb2, 0xc3, 0xd4, 0xe5, 0xf6, 0x07};
	const struct target_spec *t = cl.targets;

	(void)state;
	parse("dump=UUID=6f1d2c3b-4a59-4e8f-90a1-b2c3d4e5f607 "
	      "dump=PARTUUID=6F1D2C3B-4A59-4E8F-90A1-B2C3D4E5F607 "
	      "dump=PARTUUID=deadbeef-0a dump=PARTLABEL=crash dump=SERIAL=S4EVNX0R123456 "
	      "dump=ttyS0,115200 dump=LABEL=lab dump=any");
	assert_int_equal(cl.nr_complaints, 0);
	assert_int_equal(cl.nr_targets, 8);
	assert_int_equal(t[0].kind, TARGET_UUID);
	assert_memory_equal(t[0].uuid, uuid, 16);
	assert_string_equal(t[0].text, "UUID=6f1d2c3b-4a59-4e8f-90a1-b2c3d4e5f607");
	assert_int_equal(t[1].kind, TARGET_PARTUUID);
	assert_false(t[1].mbr);
	assert_memory_equal(t[1].uuid, uuid, 16);
	assert_int_equal(t[2].kind, TARGET_PARTUUID);
	assert_true(t[2].mbr);
	assert_true(t[2].mbr_signature == 0xdeadbeef && t[2].mbr_index == 10);
	assert_int_equal(t[3].kind, TARGET_PARTLABEL);
	assert_string_equal(t[3].text, "crash");
	assert_int_equal(t[4].kind, TARGET_SERIAL);
	assert_string_equal(t[4].text, "S4EVNX0R123456");
	assert_int_equal(t[5].kind, TARGET_UART);
	assert_string_equal(t[5].text, "ttyS0");
	assert_int_equal(t[5].baud, 115200);
	assert_int_equal(t[6].kind, TARGET_LABEL);
	assert_string_equal(t[6].text, "lab");
	assert_int_equal(t[7].kind, TARGET_ANY);
	assert_string_equal(t[7].text, "any");
	/* A file: where its map is on the disk */
	assert_int_equal(t[0].file_at, 0);
	parse("dump=UUID=6f1d2c3b-4a59-4e8f-90a1-b2c3d4e5f607@0x7ffdf000 dump=UUID=6f1d2c3b-4a59-4e8f-90a1-b2c3d4e5f607@4096");
	assert_int_equal(cl.nr_targets, 2);
	assert_memory_equal(t[0].uuid, uuid, 16);
	assert_true(t[0].kind == TARGET_UUID && t[0].file_at == 0x7ffdf000 && t[1].file_at == 4096);
	assert_string_equal(t[0].text, "UUID=6f1d2c3b-4a59-4e8f-90a1-b2c3d4e5f607@0x7ffdf000");
	/* none is made up where none was named, or none well */
	parse("level=1");
	assert_int_equal(cl.nr_targets, 0);
	parse("dump=LABEL= level=1");
	assert_int_equal(cl.nr_targets, 0);
}

static void test_bad_targets(void **state)
{
	static const char *const bad[] = {
		"",
		"UUID",
		"UUID=",
		"UUID=6f1d2c3b",
		"UUID=6f1d2c3b-4a59-4e8f-90a1-b2c3d4e5f60",
		"UUID=6f1d2c3b-4a59-4e8f-90a1-b2c3d4e5f6070",
		"UUID=6f1d2c3b-4a59-4e8f-90a1-b2c3d4e5f60g",
		"UUID=6f1d2c3b4a594e8f90a1b2c3d4e5f607",
		"UUID=6f1d2c3b-4a59-4e8f-90a1b-2c3d4e5f607",
		"UUID=deadbeef-01",
		"UUID=6f1d2c3b-4a59-4e8f-90a1-b2c3d4e5f607@",
		"UUID=6f1d2c3b-4a59-4e8f-90a1-b2c3d4e5f607@0",
		"UUID=6f1d2c3b-4a59-4e8f-90a1-b2c3d4e5f607@12x",
		"UUID=6f1d2c3b-4a59-4e8f-90a1-b2c3d4e5f607@0x",
		"UUID=6f1d2c3b-4a59-4e8f-90a1-b2c3d4e5f607@0x10000000000000000",
		"UUID=6f1d2c3b-4a59-4e8f-90a1-b2c3d4e5f6070@4096",
		"UUID=6f1d2c3b-4a59-4e8f-90a1-b2c3d4e5f60@4096",
		"UUID=@4096",
		"PARTUUID=",
		"PARTUUID=deadbeef",
		"PARTUUID=deadbeef-",
		"PARTUUID=deadbeef-0",
		"PARTUUID=deadbeef-00",
		"PARTUUID=deadbeef-001",
		"PARTUUID=deadbee-01",
		"PARTUUID=deadbeeg-01",
		"PARTLABEL=",
		"SERIAL=",
		"LABEL=",
		"SERIAL=12345678901234567890123456789012345678901",
		"/dev/sda1",
		"sda1",
		"uuid=1",
		"anything",
		"any,",
		"Any",
		"ANY=",
		"LABEL=1234567890123456789012345678901234567890123456789012345678901234",
	};
	char text[200];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(text, sizeof(text), "dump=%s dump=LABEL=good", bad[i]);
		parse(text);
		if (cl.nr_complaints != 1 || cl.nr_targets != 1 ||
		    strcmp(cl.targets[0].text, "good"))
			fail_msg("%s: %u, %u", text, cl.nr_complaints, cl.nr_targets);
	}
	/* the longest GPT name: 36 characters of 3 bytes */
	strcpy(text, "dump=PARTLABEL=");
	for (int i = 0; i < 36; i++)
		strcat(text, "\xe6\xbc\xa2");
	parse(text);
	assert_int_equal(cl.nr_complaints, 0);
	assert_string_equal(cl.targets[0].text, text + 15);
	strcat(text, "x");
	parse(text);
	assert_int_equal(cl.nr_targets, 0);
	assert_int_equal(cl.nr_complaints, 1);

	parse("dump=LABEL=1 dump=LABEL=2 dump=LABEL=3 dump=LABEL=4 dump=LABEL=5 dump=LABEL=6 "
	      "dump=LABEL=7 "
	      "dump=LABEL=8 dump=LABEL=9");
	assert_int_equal(cl.nr_targets, 8);
	assert_string_equal(cl.targets[7].text, "8");
	assert_int_equal(cl.nr_complaints, 1);
	assert_string_equal(cl.complaints[0], "dump=LABEL=9: too many targets");
}

static void test_virtio_mmio(void **state)
{
	static const char *const bad[] = {
		"",
		"512",
		"512@",
		"@0xfeb00000",
		"0@0xfeb00000:5",
		"255@0xfeb00000:5",
		"512@0:5",
		"512@0xfeb00002:5",
		"512@0xfeb00000:",
		"512@0xfeb00000:x",
		"512@0xfeb00000:5:",
		"512@0xfeb00000:5:1:2",
		"512@0x10000000000000:5",
		"8589934592G@0x1000:1",
	};
	char text[1000] = "";

	(void)state;
	parse("virtio_mmio.device=512@0xfeb00e00:12 virtio_mmio.device=4K@0x10008000:48:3 "
	      "virtio_mmio.device=1k@4M");
	assert_int_equal(cl.nr_complaints, 0);
	assert_int_equal(cl.nr_virtio_mmio, 3);
	assert_true(cl.virtio_mmio[0].addr == 0xfeb00e00 && cl.virtio_mmio[0].size == 512);
	assert_true(cl.virtio_mmio[1].addr == 0x10008000 && cl.virtio_mmio[1].size == 4096);
	assert_true(cl.virtio_mmio[2].addr == 4 << 20 && cl.virtio_mmio[2].size == 1024);
	assert_true(cl.virtio_mmio[0].dma_coherent);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(text, sizeof(text), "virtio_mmio.device=%s", bad[i]);
		parse(text);
		if (cl.nr_complaints != 1 || cl.nr_virtio_mmio)
			fail_msg("%s", text);
	}
	text[0] = 0;
	for (int i = 0; i < BOOT_MAX_VIRTIO_MMIO + 1; i++)
		strcat(text, "virtio_mmio.device=1K@1M:1 ");
	parse(text);
	assert_int_equal(cl.nr_virtio_mmio, BOOT_MAX_VIRTIO_MMIO);
	assert_int_equal(cl.nr_complaints, 1);
}

static void test_rsdp(void **state)
{
	(void)state;
	parse("acpi_rsdp=0xfffffffffffff");
	assert_true(cl.rsdp == 0xfffffffffffff);
	expect_complaint("acpi_rsdp=", "acpi_rsdp=: not an address");
	expect_complaint("acpi_rsdp=0x1000x", "acpi_rsdp=0x1000x: not an address");
	expect_complaint("acpi_rsdp=0x10000000000000", "acpi_rsdp=0x10000000000000: not an "
	      "address");
	assert_true(cl.rsdp == 0);
}

/* Words of Linux that people leave in are named once, in one line */
static void test_unknown(void **state)
{
	(void)state;
	expect_complaint("root=/dev/sda1 quiet", "ignored: root quiet");
	expect_complaint("foo", "ignored: foo");
	expect_complaint("levels=1", "ignored: levels");
	expect_complaint("xlevel=1", "ignored: xlevel");
	expect_complaint("dump", "ignored: dump");
	expect_complaint("=", "ignored: ");
	expect_complaint("~a\177", "ignored: ~a?");
	parse("irqpoll nr_cpus=1 reset_devices root=UUID=1 ro quiet cgroup_disable=memory "
	      "mce=off numa=off udev.children-max=2 "
	      "panic=10 rootflags=nofail acpi_no_memhotplug transparent_hugepage=never nokaslr "
	      "novmcoredd hest_disable");
	assert_int_equal(cl.nr_complaints, 1);
	assert_string_equal(cl.complaints[0],
			    "ignored: irqpoll nr_cpus reset_devices root ro quiet mce numa +9");
	/* nothing of a console's business gets through */
	expect_complaint("\033[2J\a\x7f\xff", "ignored: ?[2J???");
	expect_complaint("level=\033[31m", "level=?[31m: not 0 to 31");
}

static void test_many_complaints(void **state)
{
	char text[2048] = "unknown ";

	(void)state;
	for (int i = 0; i < 100; i++)
		strcat(text, "level=99 other ");
	parse(text);
	assert_int_equal(cl.nr_complaints, 8);
	assert_string_equal(cl.complaints[0], "level=99: not 0 to 31");
	assert_string_equal(cl.complaints[5], "level=99: not 0 to 31");
	assert_string_equal(cl.complaints[6], "94 more bad words");
	assert_string_equal(cl.complaints[7],
			    "ignored: unknown other other other other other other other +93");
	/* long ones are cut */
	expect_complaint(
		"after=0123456789012345678901234567890123456789012345678901234567890123456789",
		"after=0123456789012345678901234567890123...: not reboot, halt or gdb");
}

static void test_quotes(void **state)
{
	(void)state;
	parse("dump=PARTLABEL=\"my dump\" level=1");
	assert_string_equal(cl.targets[0].text, "my dump");
	assert_int_equal(cl.level, 1);
	parse("\"dump=PARTLABEL=my dump\" level=1");
	assert_string_equal(cl.targets[0].text, "my dump");
	parse("dump=\"PARTLABEL=my dump\"");
	assert_string_equal(cl.targets[0].text, "my dump");
	parse("dump=PARTLABEL=\"\" \"\" \"level=2\"");
	assert_int_equal(cl.nr_targets, 0);
	assert_int_equal(cl.nr_complaints, 1);
	assert_int_equal(cl.level, 2);
	/* a quote that is never closed does not swallow what kexec appended */
	parse("dump=PARTLABEL=\"my dump elfcorehdr=508276K");
	assert_true(cl.elfcorehdr == 508276 * 1024ULL);
	assert_string_equal(cl.targets[0].text, "\"my");
	parse("\"");
	assert_int_equal(cl.nr_complaints, 1);
}

static void test_long_word(void **state)
{
	char text[1000] = "dump=PARTLABEL=";

	(void)state;
	memset(text + 15, 'a', 600);
	strcpy(text + 615, " elfcorehdr=1M");
	parse(text);
	assert_int_equal(cl.nr_targets, 0);
	assert_int_equal(cl.nr_complaints, 1);
	assert_string_equal(cl.complaints[0],
			    "dump=PARTLABEL=aaaaaaaaaaaaaaaaaaaaaaaaa...: too long");
	assert_true(cl.elfcorehdr == 1 << 20);
	/* one that fits to the last byte */
	memset(text, 'b', 255);
	strcpy(text + 255, " elfcorehdr=1M");
	parse(text);
	assert_true(cl.elfcorehdr == 1 << 20);
	assert_string_equal(cl.complaints[0], "ignored: +1");
}

static const char *memory = "..123456789";	/* at 0x1000 */

static int read_memory(void *dst, phys_addr_t pa, size_t len)
{
	if (!range_inside(pa, len, 0x1000, 0x1000 + strlen(memory)))
		return -1;
	memcpy(dst, memory + (pa - 0x1000), len);
	return 0;
}

static bool verify(const char *text)
{
	parse(text);
	return cmdline_verify(&cl, read_memory);
}

static void test_verify(void **state)
{
	(void)state;
	/* RFC 3720 B.4 and every other list of check values */
	assert_true(verify(""));
	assert_true(verify("verify=0x1002-0x100b:0xe3069283"));
	assert_true(verify("verify=0x000001002-0x00000100b:0xe3069283 dump=any verify=0x1002-0x100b:0xe3069283"));
	assert_false(verify("verify=0x1002-0x100b:0xe3069282"));
	assert_false(verify("verify=0x1002-0x100b:0xe3069283 verify=0x1001-0x100b:0xe3069283"));
	assert_false(verify("verify=0x1002-0x100c:0xe3069283"));
	/* Damaged words are no permission */
	assert_false(verify("verify="));
	assert_false(verify("verify=0x1002-0x1002:0x0"));
	assert_false(verify("verify=0x100b-0x1002:0xe3069283"));
	assert_false(verify("verify=0x1002-0x100b:0xe3069283x"));
	assert_false(verify("verify=0x1002-0x100b:0x1e3069283"));
	assert_false(verify("verify=0x1002-0x10000000100b:0xe3069283"));
	assert_false(verify("verify=0x1002-0x8000000000001002:0xe3069283"));
	/* More than capstub load ever writes */
	expect_complaint("verify=1-2:3 verify=1-2:3 verify=1-2:3 verify=1-2:3 verify=1-2:3",
			 "verify=1-2:3: too many");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),    cmocka_unit_test(test_kexec),
		cmocka_unit_test(test_elfcorehdr),  cmocka_unit_test(test_simple_words),
		cmocka_unit_test(test_console),	    cmocka_unit_test(test_targets),
		cmocka_unit_test(test_bad_targets), cmocka_unit_test(test_virtio_mmio),
		cmocka_unit_test(test_rsdp),	    cmocka_unit_test(test_serve),
		cmocka_unit_test(test_unknown),	    cmocka_unit_test(test_many_complaints),
		cmocka_unit_test(test_quotes),	    cmocka_unit_test(test_long_word),
		cmocka_unit_test(test_verify),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
