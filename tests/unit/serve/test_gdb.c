// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A scripted gdb over a fake UART: what it asks and what it gets. The client takes answers apart as
 * gdb does, and refuses whatever is not a packet.
 */
/* needs: stub/dead/report.c stub/serve/gdb.c stub/serve/packet.c stub/serve/regs_x86_64.c */
/* needs: stub/serve/regs_arm64.c stub/dead/vmcore.c */
/* needs: stub/uart.c drivers/uart/uart_16550.c drivers/uart/uart_pl011.c tests/unit/fake/bus.c */
/* needs: tests/unit/fake/dead.c */
/* needs: stub/idle.c tests/unit/fake/arena.c tests/unit/fake/clock.c tests/unit/fake/log.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "stub/idle.h"
#include "stub/serve/gdb.h"
#include "stub/serve/regs.h"
#include "tests/unit/fake/arena.h"
#include "tests/unit/fake/bus.h"
#include "tests/unit/fake/dead.h"

#define SECOND	    1000000ULL
#define MAX_ANSWERS 40

static struct {
	/* A packet each; with "!" first: the bytes behind it as they are. NULL ends. */
	const char *const *script;
	char rx[20000];
	size_t rx_at, rx_len;
	bool waits;		/* for the answer */
	bool no_ack;		/* none is given or expected */
	unsigned spoil;		/* so many packets from the stub are asked for again */
	bool stuck;		/* nothing is taken */
	const char *after_text; /* sent behind every piece of text for the user */
	/* The packet that is coming */
	enum { BETWEEN, CONTENTS, FIRST, SECOND_DIGIT } state;
	char raw[20000];
	size_t raw_len;
	uint8_t sum, want;
	/* What came */
	char *answers[MAX_ANSWERS];
	unsigned nr_answers, acks, nacks, packets;
	size_t bytes;
	char console[20000];
	uint64_t last_us;
} client;

static void feed(const char *bytes, size_t len)
{
	assert_true(len <= sizeof(client.rx) - client.rx_len);
	memcpy(client.rx + client.rx_len, bytes, len);
	client.rx_len += len;
}

static void send_packet(const char *text)
{
	static char buf[20000];
	uint8_t sum = 0;

	for (const char *p = text; *p; p++)
		sum = (uint8_t)(sum + *p);
	feed(buf, (size_t)snprintf(buf, sizeof(buf), "$%s#%02x", text, sum));
	client.waits = true;
}

static size_t wire_read(struct uart *u, uint8_t *buf, size_t len)
{
	(void)u;
	if (client.rx_at == client.rx_len) {
		client.rx_at = client.rx_len = 0;
		if (client.waits || !client.script || !*client.script)
			return 0;
		if (**client.script == '!')
			feed(*client.script + 1, strlen(*client.script + 1));
		else
			send_packet(*client.script);
		client.script++;
		client.last_us = fake_now_us;
	}
	len = min_u64(len, min_u64(client.rx_len - client.rx_at, 7));
	memcpy(buf, client.rx + client.rx_at, len);
	client.rx_at += len;
	return len;
}

static void take_packet(void)
{
	char *text = calloc(1, 20000), *p = text;

	client.packets++;
	for (size_t i = 0; i < client.raw_len; i++) {
		int more = 0;

		if (client.raw[i] == '*') {
			assert_true(i && i + 1 < client.raw_len);
			more = client.raw[++i] - 29;
			assert_in_range(more, 3, 97);
			assert_null(strchr("#$+-", client.raw[i]));
			for (int k = 0; k < more; k++, p++)
				*p = p[-1];
		} else {
			*p++ = client.raw[i];
		}
		assert_true(p < text + 19000);
	}
	*p = 0;
	/* Text for the user */
	if (text[0] == 'O' && text[1] != 'K') {
		size_t at = strlen(client.console);

		for (p = text + 1; *p; p += 2) {
			unsigned byte;

			assert_int_equal(sscanf(p, "%2x", &byte), 1);
			client.console[at++] = (char)byte;
		}
		client.console[at] = 0;
		if (client.after_text)
			feed(client.after_text, strlen(client.after_text));
		free(text);
		return;
	}
	client.waits = false;
	assert_true(client.nr_answers < MAX_ANSWERS);
	client.answers[client.nr_answers++] = text;
}

static void take(char c)
{
	switch (client.state) {
	case BETWEEN:
		if (c == '$') {
			client.state = CONTENTS;
			client.raw_len = client.sum = 0;
			break;
		}
		assert_true(c == '+' || c == '-');
		client.acks += c == '+';
		client.nacks += c == '-';
		break;
	case CONTENTS:
		assert_true(c >= ' ' && c != '$' && c <= '~');
		if (c == '#') {
			client.state = FIRST;
			break;
		}
		client.sum = (uint8_t)(client.sum + c);
		assert_true(client.raw_len < sizeof(client.raw));
		client.raw[client.raw_len++] = c;
		break;
	default:
		assert_non_null(strchr("0123456789abcdef", c));
		client.want = (uint8_t)(client.want << 4 | (c <= '9' ? c - '0' : c - 'a' + 10));
		if (client.state++ == FIRST)
			break;
		client.state = BETWEEN;
		assert_int_equal(client.sum, client.want);
		if (client.spoil) {
			client.spoil--;
			feed("-", 1);
			break;
		}
		if (!client.no_ack)
			feed("+", 1);
		take_packet();
	}
}

static size_t wire_write(struct uart *u, const uint8_t *buf, size_t len)
{
	(void)u;
	if (client.stuck)
		return 0;
	len = min_u64(len, 16);
	for (size_t i = 0; i < len; i++)
		take((char)buf[i]);
	client.bytes += len;
	return len;
}

static bool wire_idle(struct uart *u)
{
	(void)u;
	return true;
}

static const struct uart_ops ops = {
	.name = "wire", .write = wire_write, .read = wire_read, .idle = wire_idle};
static struct uart uart;
static unsigned cpus;

/* True: halted */
static bool serve(const char *const *script)
{
	uart = (struct uart){.ops = &ops};
	client.script = script;
	return gdb_serve(fake_dead_open(cpus), &uart, 600);
}

#define run(...)	serve((const char *const[]){__VA_ARGS__, NULL})
#define expect(n, text) assert_string_equal(client.answers[n], text)

static int setup(void **state)
{
	(void)state;
	memset(&client, 0, sizeof(client));
	fake_step_us = 1000;
	cpus = 3;
	idle_set_deadline(0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < client.nr_answers; i++)
		free(client.answers[i]);
	return 0;
}

static const char *hex(phys_addr_t pa, size_t len)
{
	static char text[20000];

	for (size_t i = 0; i < len; i++)
		sprintf(text + 2 * i, "%02x", *fake_dead_ram(pa + i));
	return text;
}

/* What gdb says when it comes, and how it goes */
static void test_hello(void **state)
{
	(void)state;
	assert_false(run("qSupported:multiprocess+;swbreak+", "vMustReplyEmpty", "!+",
			 "QStartNoAckMode", "Hg0", "?", "qC", "qAttached", "Hc-1",
			 "qSymbol::", "vCont?", "qTStatus", "!", "D"));
	expect(0, "PacketSize=2000;QStartNoAckMode+;qXfer:features:read+;qXfer:memory-map:read+");
	expect(1, "");
	expect(2, "OK");
	expect(3, "OK");
	/* The CPU that panicked */
	expect(4, "T06thread:2;");
	expect(5, "QC2");
	expect(6, "1");
	expect(7, "OK");
	expect(8, "");
	expect(9, "");
	expect(10, "");
	expect(11, "OK");
	assert_int_equal(client.nr_answers, 12);
	assert_int_equal(client.nacks, 0);
	assert_int_equal(client.acks, 3);
	/* It ended because it was told so */
	assert_true(fake_now_us - client.last_us < SECOND);
}

static void test_threads(void **state)
{
	char text[200];

	(void)state;
	run("qfThreadInfo", "qsThreadInfo", "qThreadExtraInfo,1", "qThreadExtraInfo,2",
	    "qThreadExtraInfo,4", "T1", "T3", "T4", "Tffffffff00000001", "Hg4", "k");
	expect(0, "m1,2,3");
	expect(1, "l");
	for (unsigned i = 0; i < 2; i++) {
		const char *want = i ? "CPU 1, pid 345, panicked" : "CPU 0, pid 0";

		for (size_t k = 0; k < strlen(want) + 1; k++)
			sprintf(text + 2 * k, want[k] ? "%02x" : "", (unsigned)want[k]);
		expect(2 + i, text);
	}
	expect(4, "E16");
	expect(5, "OK");
	expect(6, "OK");
	expect(7, "E16");
	expect(8, "E16");
	expect(9, "E16");
	assert_int_equal(client.nr_answers, 10);
}

static void test_registers(void **state)
{
	(void)state;
	run("g", "Hg1", "g", "p0", "p10", "p11", "p18", "p28", "p29", "p2a", "p2b",
	    "pffffffffffffffff", "k");
	/* rax is word 10 of CPU 1's note */
	assert_memory_equal(client.answers[0],
			    "0a0a0a0a02020202"
			    "0505050502020202",
			    32);
	assert_memory_equal(client.answers[2],
			    "0a0a0a0a01010101"
			    "0505050501010101",
			    32);
	/* 17 words, 7 halves, 8 of the x87, its 8 halves, 3 words */
	assert_int_equal(strlen(client.answers[0]), 2 * (17 * 8 + 7 * 4 + 8 * 10 + 8 * 4 + 3 * 8));
	assert_memory_equal(client.answers[0] + 2 * (17 * 8 + 7 * 4), "xxxxxxxx", 8);
	expect(3, "0a0a0a0a01010101");
	expect(4, "1010101001010101");
	expect(5, "12121212");
	expect(6, "xxxxxxxxxxxxxxxxxxxx");
	expect(7, "0f0f0f0f01010101");
	expect(8, "1515151501010101");
	expect(9, "1616161601010101");
	expect(10, "E16");
	expect(11, "E16");
}

/* No note at all: nothing is known of registers, but memory can be looked at */
static void test_no_registers(void **state)
{
	(void)state;
	cpus = 0;
	run("?", "qfThreadInfo", "qThreadExtraInfo,1", "p0", "mffffffff9a000000,4", "p10", "k");
	expect(0, "T06thread:1;");
	expect(1, "m1");
	expect(2, "6e6f20726567697374657273206f6620616e7920435055");
	expect(3, "xxxxxxxxxxxxxxxx");
	expect(4, hex(DEAD_LOW, 4));
	/* Without it gdb would not stay */
	expect(5, "0000000000000000");
}

static void test_memory(void **state)
{
	char both[100];

	(void)state;
	run("mffffffff9a000010,40", "mffffc90000000000,10", "mffffc90000000ff8,10",
	    "mffffc90000001ff8,10", "mffffc90000002000,8", "mffffc90000003000,8",
	    "mffffc90000004000,8", "m0,8", "m400000,8", "mffff888000010000,8",
	    "mffffffffffffffff,8", "mffffffff9a000000,0", "m1", "m1,", "mffffffff9a000000,8x", "k");
	expect(0, hex(DEAD_LOW + 0x10, 0x40));
	expect(1, hex(DEAD_FIRST, 0x10));
	/* Over the border of two pages that are far from each other */
	strcpy(both, hex(DEAD_FIRST + 0xff8, 8));
	strcat(both, hex(DEAD_SECOND, 8));
	expect(2, both);
	/* What is there, up to what is not */
	expect(3, hex(DEAD_SECOND + 0xff8, 8));
	expect(4, "E0e");
	/* Mapped, but no RAM: perhaps a device */
	expect(5, "E0e");
	expect(6, hex(DEAD_FOURTH, 8));
	/* User space */
	expect(7, "E0e");
	expect(8, "E0e");
	/* The direct map, without tables for it */
	expect(9, hex(DEAD_LOW, 8));
	expect(10, "E0e");
	expect(11, "E0e");
	expect(12, "E16");
	expect(13, "E0e");
	expect(14, "E16");
}

/* As much as a packet holds, and no more */
static void test_much(void **state)
{
	(void)state;
	run("QStartNoAckMode", "mffffffff9a000000,ffffffffffffffff", "mffffffff9a000000,800", "k");
	expect(1, hex(DEAD_LOW, 4096));
	expect(2, hex(DEAD_LOW, 0x800));
}

static void test_physical(void **state)
{
	(void)state;
	/* phys on; phys off; phys, phys: there and back */
	run("m10000,8", "qRcmd,70687973206f6e", "m10000,8", "m40000,8", "m27ffc,8", "m30000,8",
	    "m80000,8", "m100000,8", "qRcmd,70687973206f6666", "m10000,8", "qRcmd,70687973",
	    "m10000,8", "qRcmd,70687973", "m10000,8", "qRcmd,70687973", "qSupported:x", "m10000,8",
	    "k");
	expect(0, "E0e");
	expect(1, "OK");
	expect(2, hex(DEAD_LOW, 8));
	expect(3, hex(DEAD_HIGH, 8));
	expect(4, hex(0x27ffc, 4));
	expect(5, "E0e");
	/* Where the bytes of other RAM are kept is no RAM of its own */
	expect(6, "E0e");
	expect(7, "E0e");
	expect(9, "E0e");
	expect(11, hex(DEAD_LOW, 8));
	expect(13, "E0e");
	/* A gdb that has just come begins with virtual ones */
	expect(16, "E0e");
	assert_string_equal(
		client.console,
		"addresses are physical\naddresses are virtual\naddresses are physical\n"
		"addresses are virtual\naddresses are physical\n");
}

static void test_unreadable(void **state)
{
	static const char *const script[] = {"mffffc90000000ff0,20", "mffffc90000001000,8", "k",
					     NULL};
	struct capture *c = fake_dead_open(cpus);

	(void)state;
	uart = (struct uart){.ops = &ops};
	client.script = script;
	fake_dead_lost = DEAD_SECOND;
	gdb_serve(c, &uart, 600);
	expect(0, hex(DEAD_FIRST + 0xff0, 0x10));
	expect(1, "E0e");
}

static void test_refused(void **state)
{
	(void)state;
	run("Mffffffff9a000000,1:00", "Xffffffff9a000000,1:a", "Xffffffff9a000000,0:", "G00",
	    "P0=00", "Z0,ffffffff9a000000,1", "z0,ffffffff9a000000,1", "c", "C06", "s", "S05",
	    "vCont;c", "R00", "!$vKill;1#6e", "!$x#78", "k");
	for (unsigned i = 0; i < 7; i++)
		expect(i, "E01");
	for (unsigned i = 7; i < 12; i++)
		expect(i, "T06thread:2;");
	expect(12, "");
	assert_memory_equal(client.console, "The machine is dead: it cannot go on.", 37);
}

static void test_documents(void **state)
{
	static char text[20000];
	size_t at = 0;

	(void)state;
	run("qXfer:features:read:target.xml:0,4000", "qXfer:features:read:target.xml:0,100",
	    "qXfer:features:read:target.xml:100,4000",
	    "qXfer:features:read:target.xml:ffffffffffffffff,1", "qXfer:features:read:target.xml:0",
	    "qXfer:features:read:other.xml:0,10", "qXfer:memory-map:read::0,1000", "qOffsets", "k");
	assert_int_equal(client.answers[0][0], 'l');
	assert_int_equal(client.answers[1][0], 'm');
	assert_int_equal(strlen(client.answers[1]), 0x101);
	assert_int_equal(client.answers[2][0], 'l');
	strcpy(text, client.answers[1] + 1);
	strcat(text, client.answers[2] + 1);
	assert_string_equal(text, client.answers[0] + 1);
	assert_non_null(strstr(
		text,
		"<architecture>i386:x86-64</architecture><feature name=\"org.gnu.gdb.i386.core\">"
		"<reg name=\"rax\" bitsize=\"64\" type=\"int64\"/>"));
	assert_non_null(strstr(
		text,
		"<reg name=\"fop\" bitsize=\"32\" type=\"int32\"/></feature><feature name=\"org.gnu.gdb.i386.linux\">"));
	assert_string_equal(text + strlen(text) - 19, "</feature></target>");
	for (const char *p = text; (p = strstr(p, "<reg ")); p++)
		at++;
	assert_int_equal(at, 43);
	expect(3, "l");
	expect(4, "E16");
	expect(5, "");
	assert_non_null(strstr(client.answers[6], "<memory type=\"rom\" start=\"0\""));
	/* Linked at ffffffff81000000 */
	expect(7, "TextSeg=ffffffff9a000000");
}

/* gdb finds the registers by their place in the table, and arm64's note is in its order */
static void test_tables(void **state)
{
	unsigned nr = 0;

	(void)state;
	for (unsigned i = 0; i < gdb_arm64.nr; i++)
		if (gdb_arm64.regs[i].kind != GDB_FEATURE)
			assert_int_equal(gdb_arm64.regs[i].word, nr++);
	assert_int_equal(nr, 34);
	assert_string_equal(gdb_arm64.regs[34].name, "cpsr");
	assert_int_equal(gdb_arm64.regs[34].kind, GDB_INT32);
}

static void test_monitor(void **state)
{
	(void)state;
	/* help, dmesg, dmesg 1, kaslr, nonsense, an odd half, nothing */
	run("qRcmd,68656c70", "qRcmd,646d657367", "qRcmd,646d6573672031", "qRcmd,6b61736c72",
	    "qRcmd,6e6f6e73656e7365", "qRcmd,7", "qRcmd,", "k");
	for (unsigned i = 0; i < 7; i++)
		expect(i, "OK");
	assert_non_null(strstr(client.console, "dmesg [LAST LINES]"));
	assert_non_null(strstr(client.console, "PID: 345 Comm: sh Not tainted\n[    1.0"));
	assert_non_null(
		strstr(client.console, "symbol-file -o 0x19000000 vmlinux\ndmesg [LAST LINES]"));
}

/* Which CPU panicked is not known then either */
static void test_no_log(void **state)
{
	static const char *const script[] = {"qRcmd,646d657367", "k", NULL};
	struct capture *c = fake_dead_open(cpus);

	(void)state;
	fake_dead_log = NULL;
	uart = (struct uart){.ops = &ops};
	client.script = script;
	gdb_serve(c, &uart, 600);
	expect(0, "OK");
	assert_string_equal(client.console, "there is no log\n");
}

static void test_ends(void **state)
{
	(void)state;
	assert_false(run("qRcmd,7265736574", "g"));
	expect(0, "OK");
	assert_int_equal(client.nr_answers, 1);
	teardown(NULL);
	setup(NULL);
	assert_true(run("qRcmd,68616c74", "g"));
	expect(0, "OK");
	assert_int_equal(client.nr_answers, 1);
}

/* A log that is long, and somebody who does not want all of it: ^C, or the next question */
static void test_interrupt(void **state)
{
	static const char *const script[] = {"QStartNoAckMode", "qRcmd,646d657367", "k", NULL};
	static const char *const after[] = {"\x03", "$qC#b4"};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct capture *c = fake_dead_open(cpus);

		client.no_ack = i & 1;
		client.script = script + !client.no_ack;
		client.after_text = after[i / 2];
		fake_dead_log_times = 1000000;
		uart = (struct uart){.ops = &ops};
		gdb_serve(c, &uart, 600);
		assert_true(strlen(client.console) < 1000);
		assert_true(fake_now_us - client.last_us < 3 * SECOND);
		expect(client.no_ack, "OK");
		if (i / 2)
			expect(client.no_ack + 1, "QC2");
		teardown(NULL);
		setup(NULL);
	}
}

/* Bad checksums, noise, a packet that begins anew, answers that are asked for again */
static void test_noise(void **state)
{
	(void)state;
	run("!noise$qC#00", "!$qC#zz", "!$qC#b", "!$g$qC#b4", "!++-+", "qC", "k");
	assert_int_equal(client.nacks, 2);
	expect(0, "QC2");
	expect(1, "QC2");
	expect(2, "QC2");
	assert_int_equal(client.nr_answers, 3);
	teardown(NULL);
	setup(NULL);
	client.spoil = 2;
	run("qRcmd,6b61736c72", "qC", "k");
	assert_string_equal(client.console, "symbol-file -o 0x19000000 vmlinux\n");
	expect(1, "QC2");
	assert_int_equal(client.packets, 3);
}

/*
 * Without answers to packets, a bad one is as if nobody had sent it; a gdb that comes next begins
 * with them
 */
static void test_no_ack(void **state)
{
	(void)state;
	run("QStartNoAckMode", "!$qC#00", "!-", "qC", "qSupported:x", "qC", "k");
	assert_int_equal(client.nacks, 0);
	assert_int_equal(client.acks, 4);
	assert_int_equal(client.nr_answers, 4);
	expect(3, "QC2");
}

static void test_long_packet(void **state)
{
	static char text[9000];

	(void)state;
	memset(text, 'q', sizeof(text) - 1);
	run(text, "qC", "k");
	expect(0, "");
	expect(1, "QC2");
}

/* Zeros, and every length of a run: the client counts */
static void test_runs(void **state)
{
	static const char *const script[] = {"mffffc90000004000,100", "k", NULL};

	(void)state;
	for (unsigned n = 1; n < 130; n++) {
		struct capture *c = fake_dead_open(cpus);

		client.script = script;
		uart = (struct uart){.ops = &ops};
		for (unsigned i = 0; i < 256; i++)
			*fake_dead_ram(DEAD_FOURTH + i) = i == n ? 0x12 : 0;
		gdb_serve(c, &uart, 600);
		assert_string_equal(client.answers[0], hex(DEAD_FOURTH, 256));
		assert_true(client.bytes < 50);
		teardown(NULL);
		setup(NULL);
	}
}

static void test_timeout(void **state)
{
	(void)state;
	run("qC");
	assert_in_range(fake_now_us - client.last_us, 600 * SECOND, 601 * SECOND);
	/* Noise does not hold it */
	teardown(NULL);
	setup(NULL);
	run("qC", "!$qC#00", "!x");
	assert_in_range(fake_now_us - client.last_us, 599 * SECOND, 601 * SECOND);
	/* Nobody takes what is sent */
	teardown(NULL);
	setup(NULL);
	client.stuck = true;
	run("qRcmd,646d657367", "qC");
	assert_in_range(fake_now_us - client.last_us, 600 * SECOND, 605 * SECOND);
	/* The overall deadline is sooner */
	teardown(NULL);
	setup(NULL);
	idle_set_deadline(fake_now_us + 20 * SECOND);
	run("qC");
	assert_in_range(fake_now_us - client.last_us, 19 * SECOND, 21 * SECOND);
}

static void test_watchdog(void **state)
{
	static idle_hook *const none[] = {NULL};

	(void)state;
	idle_set_hooks(fake_feeding);
	run("qC");
	idle_set_hooks(none);
	assert_true(fake_fed > 1000);
}

static void test_no_memory(void **state)
{
	(void)state;
	fake_arena_most = 1000;
	assert_false(run("qC"));
	fake_arena_most = SIZE_MAX;
	assert_int_equal(client.nr_answers, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_hello, setup, teardown),
		cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
		cmocka_unit_test_setup_teardown(test_registers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_registers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_much, setup, teardown),
		cmocka_unit_test_setup_teardown(test_physical, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unreadable, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_documents, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tables, setup, teardown),
		cmocka_unit_test_setup_teardown(test_monitor, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_log, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_interrupt, setup, teardown),
		cmocka_unit_test_setup_teardown(test_noise, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_ack, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_packet, setup, teardown),
		cmocka_unit_test_setup_teardown(test_runs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timeout, setup, teardown),
		cmocka_unit_test_setup_teardown(test_watchdog, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
