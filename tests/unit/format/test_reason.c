// SPDX-License-Identifier: GPL-2.0-or-later
/* Logs of kernels that died in many ways, shortened: which lines say why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "stub/bits.h"
#include "stub/format/reason.h"

/* The lines to be shown begin with '*', the reason with '!' */
static const char *const logs[] = {
	/* sysrq-c, x86_64, 6.1: the panic says it itself */
	" sysrq: Trigger a crash\n"
	"!Kernel panic - not syncing: sysrq triggered crash\n"
	"*CPU: 1 PID: 345 Comm: sh Not tainted 6.1.0-18-amd64 #1  Debian 6.1.76-1\n"
	" Hardware name: QEMU Standard PC\n"
	"*Call Trace:\n*<TASK>\n*dump_stack_lvl+0x44/0x5c\n*panic+0x118/0x2ed\n"
	" </TASK>\n RIP: 0033:0x7f1234567890\n Kernel Offset: 0x1a000000\n",
	/* an oops, and the jump to the crash kernel before there is a panic */
	" BUG: Bad rss-counter state mm:00000000 type:MM_ANONPAGES val:1\n a\n b\n"
	" ext4: mounted\n"
	"!BUG: kernel NULL pointer dereference, address: 0000000000000000\n"
	" #PF: supervisor write access in kernel mode\n PGD 0 P4D 0\n"
	" Oops: 0002 [#1] PREEMPT SMP NOPTI\n"
	"*CPU: 0 PID: 12 Comm: kworker Tainted: G\n"
	"*RIP: 0010:evil+0x12/0x20 [bad]\n Code: 00 00\n RSP: 0018:ffff\n"
	"*Call Trace:\n*<IRQ>\n*foo+0x1/0x2\n*</IRQ>\n*<TASK>\n*bar+0x3/0x4\n"
	" </TASK>\n Modules linked in: bad(O)\n CR2: 0000000000000000\n",
	/* the same with panic_on_oops and no crash kernel: the panic adds nothing */
	"!BUG: unable to handle page fault for address: ffffdead00000000\n"
	" Oops: 0000 [#1] SMP\n*CPU: 3 PID: 9 Comm: a\n*RIP: 0010:x+0x1/0x2\n"
	"*Call Trace:\n* y+0x3/0x4\n ---[ end trace 0000 ]---\n"
	" Kernel panic - not syncing: Fatal exception in interrupt\n"
	" CPU: 3 PID: 9 Comm: a\n Call Trace:\n panic+0x1/0x2\n",
	/* arm64 */
	"!Unable to handle kernel paging request at virtual address dead000000000108\n"
	" Mem abort info:\n   ESR = 0x0000000096000044\n   EC = 0x25: DABT (current EL), IL = 32 bits\n"
	" Internal error: Oops: 0000000096000044 [#1] SMP\n Modules linked in: x\n"
	"*CPU: 2 PID: 77 Comm: insmod\n pstate: 60000005\n*pc : list_del+0x10/0x40\n lr : foo\n"
	"*Call trace:\n* list_del+0x10/0x40\n* el0t_64_sync+0x18c/0x190\n"
	" Code: aa1e03e9 d503201f\n ---[ end trace 0000000000000000 ]---\n"
	" Kernel panic - not syncing: Oops: Fatal exception\n SMP: stopping secondary CPUs\n",
	/* kernel BUG on arm64 is followed by a line that looks like another reason */
	" ------------[ cut here ]------------\n!kernel BUG at mm/slub.c:305!\n"
	" Internal error: Oops - BUG: 0 [#1] SMP\n*CPU: 0 PID: 1 Comm: init\n*pc : kfree+0x1/0x2\n"
	"*Call trace:\n* kfree+0x1/0x2\n Code: 00\n",
	/* newer kernels say Oops first */
	"!Oops: general protection fault, probably for non-canonical address 0xdead4ead00000018: 0000 [#1] PREEMPT\n"
	"*CPU: 1 UID: 0 PID: 5 Comm: b\n*RIP: 0010:z+0x1/0x2\n*Call Trace:\n* <TASK>\n </TASK>\n",
	"!divide error: 0000 [#1] SMP\n*CPU: 1 PID: 5 Comm: b\n",
	"!traps: PANIC: double fault, error_code: 0x0\n double fault: 0000 [#1] SMP\n"
	"*CPU: 1 PID: 5 Comm: b\n*RIP: 0010:z+0x1/0x2\n"
	" Kernel panic - not syncing: Machine halted.\n",
	/* an oops that the machine survived, hours before */
	" BUG: kernel NULL pointer dereference, address: 0000000000000008\n Oops: 0000 [#1] SMP\n"
	" CPU: 0 PID: 4 Comm: old\n Call Trace:\n old+0x1/0x2\n"
	" a\n b\n"
	"!Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b\n"
	"*CPU: 0 PID: 1 Comm: init\n*Call Trace:\n* do_exit+0x1/0x2\n Kernel Offset: disabled\n",
	/* watchdogs: which task, which lock */
	"!watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [cat:123]\n Modules linked in:\n"
	"*CPU: 1 PID: 123 Comm: cat\n*RIP: 0010:spin+0x1/0x2\n*Call Trace:\n* spin+0x1/0x2\n"
	" Kernel panic - not syncing: softlockup: hung tasks\n",
	"!INFO: task kworker/0:1:10 blocked for more than 120 seconds.\n"
	"       Not tainted 6.1.0 #1\n task:kworker/0:1 state:D stack:0 pid:10\n"
	"*Call Trace:\n* __schedule+0x1/0x2\n* x+0x1/0x2\n"
	" Kernel panic - not syncing: hung_task: blocked tasks\n CPU: 1 PID: 30 Comm: khungtaskd\n",
	/* a hung task is no reason when the machine died of something else, or of nothing that is said */
	" INFO: task x:10 blocked for more than 120 seconds.\n Call Trace:\n x+0x1/0x2\n"
	"!Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\n"
	"*CPU: 1 PID: 1 Comm: swapper/0\n",
	" INFO: task x:10 blocked for more than 120 seconds.\n Call Trace:\n x+0x1/0x2\n",
	/* panic_on_warn comes before the warning's own call trace */
	" ------------[ cut here ]------------\n!WARNING: CPU: 0 PID: 22 at kernel/foo.c:12 foo+0x1/0x2\n"
	" Kernel panic - not syncing: kernel: panic_on_warn set ...\n"
	"*CPU: 0 PID: 22 Comm: c\n*Call Trace:\n* <TASK>\n* panic+0x1/0x2\n </TASK>\n",
	"!BUG: KASAN: slab-out-of-bounds in foo+0x1/0x2\n Write of size 4 at addr ffff by task c/22\n \n"
	"*CPU: 0 PID: 22 Comm: c\n*Call Trace:\n* kasan_report+0x1/0x2\n </TASK>\n"
	" Kernel panic - not syncing: KASAN: panic_on_warn set ...\n",
	/* two panics: the first one counts, what other CPUs say after it does not */
	"!Kernel panic - not syncing: Fatal machine check\n*CPU: 7 PID: 0 Comm: swapper/7\n"
	" BUG: scheduling while atomic\n Kernel panic - not syncing: Timeout\n",
	/* user space may write anything */
	" myapp: BUG: something\n systemd[1]: Kernel panic - not syncing: no\n a Oops: 0 [# ]\n",
	"", "\n\n\n", " one line\n",
};

static char text[8192], want[8192], got[8192];

/* The log with time stamps, as dmesg.c makes it, and the lines to be shown */
static void make(const char *log, unsigned callers)
{
	size_t t = 0, w = 0;

	for (unsigned nr = 1; *log; nr++) {
		const char *end = strchr(log, '\n');

		t += sprintf(text + t, "[%5u.%06u] %s%.*s\n", nr, nr, callers ? "[  T345] " : "",
			     end == log ? 0 : (int)(end - log - 1), log + 1);
		if (*log == '*' || *log == '!')
			w += sprintf(want + w, "%u%s ", nr, *log == '!' ? "!" : "");
		log = end + 1;
	}
	text[t] = want[w] = 0;
}

static void show(struct reason *r)
{
	struct report report;
	size_t n = 0;

	got[0] = 0;
	if (!reason_find(r, &report))
		return;
	for (unsigned nr = 0; nr < 100; nr++)
		if (report_has(&report, nr))
			n += sprintf(got + n, "%u%s ", nr, nr == report.reason ? "!" : "");
}

static void test_logs(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(logs); i++)
		for (unsigned how = 0; how < 4; how++) {
			struct reason r = { 0 };
			size_t step = how < 2 ? sizeof(text) : how == 2 ? 1 : 13, len;

			/* whole and in pieces of any size */
			make(logs[i], how == 1);
			len = strlen(text);
			for (size_t at = 0; at < len; at += step)
				reason_feed(&r, text + at, min_u64(step, len - at));
			show(&r);
			if (strcmp(got, want))
				fail_msg("log %zu, %u: got %s, want %s\n%s", i, how, got, want, text);
		}
}

/* A call trace without an end is cut; lines longer than the buffer are one line each */
static void test_long(void **state)
{
	struct report report;
	struct reason r = { 0 };
	char line[1000];

	(void)state;
	memset(line, 'x', sizeof(line));
	reason_feed(&r, line, sizeof(line));
	reason_feed(&r, "\n", 1);
	reason_feed(&r, "[1.0] Kernel panic - not syncing: a\n[1.0] Call Trace:\n", 54);
	for (unsigned i = 0; i < 100; i++) {
		reason_feed(&r, "[1.0]  ", 7);
		reason_feed(&r, line, sizeof(line));
		reason_feed(&r, "\n", 1);
	}
	assert_int_equal(r.lines, 103);
	assert_true(reason_find(&r, &report));
	assert_int_equal(report.reason, 2);
	assert_int_equal(report.trace, 3);
	assert_true(report_has(&report, 18));
	assert_false(report_has(&report, 19));
}

static void test_message(void **state)
{
	static const char *const lines[][2] = {
		{ "[   10.000001] Kernel panic", "Kernel panic" }, { "[1.0] [  T345]  <TASK>", "<TASK>" }, { "no stamp", "no stamp" },
		{ "[no end", "[no end" }, { "[1.0]", "" }, { "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		assert_string_equal(reason_message(lines[i][0], lines[i][0] + strlen(lines[i][0])), lines[i][1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_logs),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
