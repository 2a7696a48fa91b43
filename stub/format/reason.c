// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The words are those of Linux 5.4 to 6.12, x86_64 and arm64: kernel/panic.c, arch/.../traps.c,
 * dumpstack.c, fault.c, kernel/watchdog.c, hung_task.c, rcu/tree_stall.h.
 *
 * A panic that follows an oops says less than the oops ("Fatal exception"); and where a crash kernel
 * is loaded, an oops that is fatal jumps to it before there is a panic at all (kexec_should_crash()).
 */
#include "stub/format/reason.h"

#include <string.h>

#include "stub/bits.h"

#define TRACE_LINES	16u	/* a screen is 25 */
/* Lines that belong to one report: registers and code of an oops are some 20 */
#define SAME_REPORT	24u

#define PANIC	"Kernel panic - not syncing: "

static bool begins(const char *s, const char *with)
{
	return !strncmp(s, with, strlen(with));
}

static bool begins_one(const char *s, const char *const *list, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (begins(s, list[i]))
			return true;
	return false;
}

/* Panics that only say what kind of report came before them */
static bool is_general(const char *panic)
{
	static const char *const general[] = {
		"Fatal exception", "Oops", "softlockup: hung tasks", "hung_task: blocked tasks",
		"Hard LOCKUP", "RCU Stall", "Machine halted",
	};

	return begins_one(panic, general, ARRAY_SIZE(general)) || strstr(panic, "panic_on_warn");
}

/* What a report begins with. Some have the name of a part of the kernel in front. */
static bool is_oops(const char *s)
{
	static const char *const parts[] = { "watchdog: ", "NMI watchdog: ", "traps: " };
	static const char *const oops[] = {
		"BUG: ", "kernel BUG at ", "Unable to handle kernel ", "general protection fault",
		"Watchdog detected hard LOCKUP", "PANIC: double fault",
	};

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (begins(s, parts[i]))
			s += strlen(parts[i]);
	return begins_one(s, oops, ARRAY_SIZE(oops));
}

/* "Oops: 0002 [#1] SMP": the second line of a report, or the first one of some ("divide error") */
static bool is_second(const char *s)
{
	const char *number = strstr(s, " [#");

	return (number && number[3] >= '1' && number[3] <= '9') || begins(s, "Oops: ") ||
	       begins(s, "Internal error: ");
}

static bool is_soft(const char *s)
{
	return begins(s, "WARNING: ") || begins(s, "INFO: task ") ||
	       (begins(s, "rcu: INFO: ") && strstr(s, "stall"));
}

/* Behind the call trace of a report */
static bool is_end(const char *s)
{
	static const char *const ends[] = {
		"</TASK>", "---[ end", "Code: ", "RIP: 0033", "Kernel Offset", "Modules linked in",
	};

	return begins_one(s, ends, ARRAY_SIZE(ends));
}

/* A call trace that runs into the next report ends there */
static void begin(struct reason *r, struct report *report)
{
	if (r->now && r->now->trace && !r->now->end)
		r->now->end = r->lines - 1;
	*report = (struct report){ .reason = r->lines };
	r->now = report;
}

const char *reason_message(const char *line, const char *end)
{
	/* The time, and with CONFIG_PRINTK_CALLER who */
	while (line < end && *line == '[') {
		const char *close = memchr(line, ']', (size_t)(end - line));

		if (!close)
			break;
		line = close + 1;
		while (line < end && *line == ' ')
			line++;
	}
	return line;
}

/* r->line is whole, or as much of it as there is room for */
static void judge(struct reason *r)
{
	const char *s = reason_message(r->line, r->line + r->len);
	struct report *now = r->now;

	if (begins(s, PANIC) && !r->panic.reason) {
		begin(r, &r->panic);
		r->general = is_general(s + strlen(PANIC));
	} else if (!r->panic.reason && is_oops(s)) {
		begin(r, &r->oops);
	} else if (!r->panic.reason && is_soft(s)) {
		begin(r, &r->soft);
	} else if (!r->panic.reason && is_second(s)) {
		if (!r->oops.reason || r->lines - r->oops.reason > SAME_REPORT)
			begin(r, &r->oops);
	} else if (now && !now->cpu && !now->trace && begins(s, "CPU: ")) {
		now->cpu = r->lines;
	} else if (now && !now->ip && !now->trace && (begins(s, "RIP: ") || begins(s, "pc : "))) {
		now->ip = r->lines;
	} else if (now && !now->trace && (begins(s, "Call Trace:") || begins(s, "Call trace:"))) {
		now->trace = r->lines;
	} else if (now && now->trace && !now->end && is_end(s)) {
		now->end = r->lines - 1;
	}
}

void reason_feed(struct reason *r, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!r->len)
			r->lines++;
		if (text[i] != '\n') {
			if (r->len < REASON_HEAD - 1)
				r->line[r->len++] = text[i];
			continue;
		}
		r->line[r->len] = '\0';
		judge(r);
		r->len = 0;
	}
}

bool reason_find(const struct reason *r, struct report *ret)
{
	const struct report *oops = r->soft.reason > r->oops.reason ? &r->soft : &r->oops;

	/* What the kernel would have survived is no reason, unless a panic says so */
	if (!r->panic.reason)
		oops = &r->oops;
	else if (!r->general || !oops->reason)
		oops = &r->panic;
	*ret = *oops;
	if (!ret->trace) {
		ret->cpu = ret->cpu ? ret->cpu : r->panic.cpu;
		ret->ip = ret->ip ? ret->ip : r->panic.ip;
		ret->trace = r->panic.trace;
		ret->end = r->panic.end;
	}
	return ret->reason;
}

bool report_has(const struct report *r, unsigned nr)
{
	unsigned end = r->end ? r->end : r->trace + TRACE_LINES;

	if (nr && (nr == r->reason || nr == r->cpu || nr == r->ip))
		return true;
	return r->trace && nr >= r->trace && nr <= end && nr < r->trace + TRACE_LINES;
}
