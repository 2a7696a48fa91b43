// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The whole story: what happens between the entry and the reset. arch/ calls stub_main() under the
 * guarantees listed in stub/arch.h, and nothing here ever returns to it.
 *
 * The order is that of what may go wrong. The console comes first, so that everything after it can
 * be read; then the dead kernel's headers and firmware tables, which are only read; then why it
 * died, by its log, which is on the console even if no disk works; only then is a disk
 * touched. Whatever happens, the end is finish(): a machine that hangs here needs somebody to walk
 * to it.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "stub/arch.h"
#include "stub/boot/boot_info.h"
#include "stub/boot/cmdline.h"
#include "stub/dead/report.h"
#include "stub/send/dump.h"
#include "stub/format/stopcode.h"
#include "stub/idle.h"
#include "stub/log.h"
#include "stub/mem.h"
#include "stub/send/line.h"
#include "stub/serve/gdb.h"
#include "stub/disk/devices.h"
#include "stub/disk/target.h"
#include "stub/uart.h"
#include "stub/watchdog.h"

#ifndef CAPSTUB_VERSION
#define CAPSTUB_VERSION "0"
#endif

/* Static: too large for the stack, and stub_exception() must find them whatever was being done */
static struct cmdline cmdline;
static struct uart console;
static struct capture capture;
static struct target target;
static bool ending;	/* what fails now is a way to reset the machine */

/*
 * The UART that console= names: an address given in full, or a name that arch or firmware knows;
 * without the word the one that firmware names. A word that names no known UART means silence, not
 * another UART: something that does not expect our text may be connected there. Speed and flow
 * control are the word's alone; speed 0 leaves the line as the dead kernel set it.
 */
static const struct uart_spec *console_spec(const struct boot_info *bi)
{
	static struct uart_spec spec;

	if (cmdline.console_spec.type != UART_NONE)
		return &cmdline.console_spec;
	if (!cmdline.console_given)
		return bi->firmware_console.type == UART_NONE ? NULL : &bi->firmware_console;
	for (unsigned i = 0; i < bi->nr_uarts; i++) {
		if (strcmp(bi->uarts[i].name, cmdline.console_name))
			continue;
		spec = bi->uarts[i].spec;
		spec.baud = cmdline.console_spec.baud;
		spec.rts_cts = cmdline.console_spec.rts_cts;
		return &spec;
	}
	return NULL;
}

/*
 * Called before arch_discover(), for what needs no tables (an address in full, a PC's ttyS0), and
 * again after it, for what only they name. A console that works is left alone; that there is none
 * is no error.
 */
static void start_console(const struct boot_info *bi)
{
	const struct uart_spec *spec = console_spec(bi);

	if (spec && !console.ops && !uart_open(&console, spec))
		log_set_console(&console);
}

/*
 * virtio_mmio.device= adds to what the firmware names. One device named twice would look like two
 * disks with one label, and neither would be written to.
 */
static void add_virtio_mmio(struct boot_info *bi)
{
	for (unsigned i = 0; i < cmdline.nr_virtio_mmio; i++) {
		const struct virtio_mmio_spec *v = &cmdline.virtio_mmio[i];
		unsigned n = 0;

		while (n < bi->nr_virtio_mmio && bi->virtio_mmio[n].addr != v->addr)
			n++;
		if (n == bi->nr_virtio_mmio && n < ARRAY_SIZE(bi->virtio_mmio))
			bi->virtio_mmio[bi->nr_virtio_mmio++] = *v;
	}
}

/*
 * Complaints about the command line have waited for a console, and for the log that ends up on the
 * target: a word that was ignored explains a dump that is not where it was expected.
 */
static void hello(void)
{
	log_info("version %s", CAPSTUB_VERSION);
	for (unsigned i = 0; i < cmdline.nr_complaints; i++)
		log_warn("command line: %s", cmdline.complaints[i]);
}

/*
 * Lines of the dead kernel are marked with a bar, so that a log collector does not take its "BUG:"
 * for ours, and go to the console only: dmesg is stored in full elsewhere, and the log area is
 * small.
 */
static void show_line(void *ctx, const char *text, size_t len)
{
	(void)ctx;
	log_console("| %.*s", (int)len, text);
}

/*
 * The UART that dump= names: an address given in full, or a name that arch or firmware knows, else
 * type UART_NONE
 */
static struct uart_spec line_spec(const struct boot_info *bi, const struct target_spec *spec)
{
	struct uart_spec uart = spec->uart;

	for (unsigned i = 0; i < bi->nr_uarts && uart.type == UART_NONE; i++) {
		if (strcmp(bi->uarts[i].name, spec->text))
			continue;
		uart = bi->uarts[i].spec;
		uart.baud = spec->uart.baud;
		uart.rts_cts = spec->uart.rts_cts;
	}
	return uart;
}

/*
 * The UART that @word names, open: the console's own, or another. That of the console is set up anew when it is to be
 * another speed or has flow control. It stays one struct uart then, because who uses it has to
 * know that log lines come on the same wire: two of them on one UART would mix bytes in the middle
 * of a frame.
 */
static enum capstub_stop open_line(const struct boot_info *bi, const char *word, const struct target_spec *spec,
				   struct uart **ret)
{
	static struct uart line;
	struct uart_spec uart = line_spec(bi, spec);
	bool same = console.ops && console.spec.type == uart.type && console.spec.addr == uart.addr;
	struct uart *u = same ? &console : &line;
	int rc = 0;

	if (uart.type == UART_NONE)
		return log_err(STOP_NO_TARGET, "%s%s: no such UART", word, spec->text);
	if (same) {
		uart.baud = uart.baud ? uart.baud : console.spec.baud;
		uart.rts_cts |= console.rts_cts;
		uart_flush(&console);
	}
	if (!same || uart.baud != console.spec.baud || uart.rts_cts != console.rts_cts)
		rc = uart_open(u, &uart);
	if (rc)
		return log_err(STOP_LINE_ERROR, "%s%s: the UART cannot be used (%d)", word, spec->text, rc);
	*ret = u;
	return STOP_OK;
}

static enum capstub_stop dump_to_line(const struct boot_info *bi, const struct target_spec *spec)
{
	struct line_options opt = {
		.mode = cmdline.line_8bit ? SERIAL_MODE_8BIT : SERIAL_MODE_TEXT,
		.xon_xoff = cmdline.line_xon,
	};
	struct uart *u;
	enum capstub_stop stop = open_line(bi, "dump=", spec, &u);

	if (stop == STOP_NO_TARGET)
		log_warn("for a label say dump=LABEL=%s", spec->text);
	return stop == STOP_OK ? line_dump(&capture, u, &opt) : stop;
}

/* Of whatever was tried before, but for what a device may still write to */
static void free_memory(void)
{
	if (disk_keeps_memory())
		mem_mark();
	mem_rewind();
}

/*
 * One try. When it ends its disk is shut down, so that the next one finds the DMA area free, and the
 * arena too: a reservation of 1 MiB without low memory has no room for the buffers of a disk and of
 * a line side by side, and what is tried one after the other needs them one after the other.
 */
static enum capstub_stop dump_to(const struct boot_info *bi, const struct target_spec *spec)
{
	enum capstub_stop stop;

	free_memory();
	if (spec->kind == TARGET_UART)
		return dump_to_line(bi, spec);
	stop = target_open(&target, bi, spec);
	return stop == STOP_OK ? dump_to_target(&capture, &target) : stop;
}

/*
 * A dump that is there but not whole is no reason to try the next target: that would at best be a
 * second one with holes of its own, and the time is better spent rebooting.
 */
static bool stored_something(enum capstub_stop stop)
{
	return stop == STOP_OK || stop == STOP_SPACE || stop == STOP_DEADLINE ||
	       stop == STOP_RAM_MISSING;
}

static int read_ram(void *dst, phys_addr_t pa, size_t len)
{
	return vmcore_read(&capture.vc, dst, pa, len);
}

/* What is done while something is waited for */
static idle_hook *const idle_hooks[] = { watchdog_hook, NULL };

/* As early as it is known what is RAM, and so no watchdog: each has only so many seconds */
static void start_feeding(const struct boot_info *bi)
{
	/* The hooks first: a management controller may take its time, and others have to be fed meanwhile */
	idle_set_hooks(idle_hooks);
	watchdog_init(bi, &cmdline, read_ram);
	while (cmdline.hang)
		;
}

/*
 * Try the dump= words in order; report the first failure if none works, because that is the one the
 * operator meant. Without a word no disk is even looked at: a label may be forged by whoever can
 * write to the end of a partition, so it alone does not decide where this machine's secrets go. None is
 * begun after the overall deadline.
 */
static enum capstub_stop dump_somewhere(const struct boot_info *bi)
{
	enum capstub_stop first = STOP_OK;

	/* Memory that is not shared: a device that cannot be stopped keeps it */
	disk_init(bi, read_ram);
	mem_mark();
	if (!cmdline.nr_targets)
		return log_err(STOP_NO_DUMP_WORD, "nothing is written without a good dump= word: say "
			       "dump=any, or dump=UUID=... as capstub format prints it");
	for (unsigned i = 0; i < cmdline.nr_targets; i++) {
		enum capstub_stop stop;

		if (idle_deadline_over())
			return log_err(first == STOP_OK ? STOP_DEADLINE : first, "dump=%s: not tried, the deadline passed",
				       cmdline.targets[i].text);
		stop = dump_to(bi, &cmdline.targets[i]);
		if (stored_something(stop))
			return stop;
		if (first == STOP_OK)
			first = stop;
		if (i + 1 < cmdline.nr_targets)
			log_warn("dump=%s failed (%s), trying the next", cmdline.targets[i].text,
				 stop_name(stop));
	}
	return first;
}

/*
 * For somebody who wants to look at the machine itself: where serve= says, or with after=gdb on the console if no
 * target took the dump. The console says nothing meanwhile if it is its line.
 */
static void serve(const struct boot_info *bi, enum capstub_stop stop)
{
	struct uart *u = console.ops ? &console : NULL;

	if (cmdline.serve.text[0]) {
		if (open_line(bi, "serve=gdb:", &cmdline.serve, &u) != STOP_OK)
			return;
	} else if (cmdline.after != AFTER_GDB || stored_something(stop) || !u) {
		return;
	}
	if (idle_deadline_over())
		return;
	log_console("%s; now gdb may look: target remote, until %u s pass without it", stop_text(stop),
		    cmdline.serve_timeout_s);
	log_flush();
	/* It is shut down, and what an exception would shut down again is handed out anew */
	target.dev = NULL;
	free_memory();
	log_mute(u == &console);
	if (gdb_serve(&capture, u, cmdline.serve_timeout_s))
		cmdline.after = AFTER_HALT;
	log_mute(false);
}

/*
 * The only way out. The stop code on the console is what scripts and people look for (ABI, see
 * include/capstub/stopcode.h); on a target it is in the label already. These lines skip the log
 * buffer, which has been written by now.
 */
static noreturn void finish(enum capstub_stop stop)
{
	arch_report();
	log_console("stop code %d (%s): %s", stop, stop_name(stop), stop_text(stop));
	log_console("%s", cmdline.after == AFTER_HALT ? "halted" : "resetting the machine");
	log_flush();
	if (cmdline.after == AFTER_HALT)
		arch_halt();
	ending = true;
	arch_reset();
}

noreturn void stub_main(struct boot_info *bi)
{
	/*
	 * A damaged image can be trusted with a line on the console and a reset, not with
	 * somebody's disk
	 */
	enum capstub_stop stop = STOP_IMAGE_CHECKSUM;

	cmdline_parse(&cmdline, bi->cmdline);
	idle_set_deadline(cmdline.deadline_s * 1000000ULL);
	blk_timeout_us = cmdline.timeout_s * 1000000ULL;
	start_console(bi);
	hello();
	if (!bi->image_damaged && cmdline_verify(&cmdline, arch_read_mem)) {
		/* Like elfcorehdr=, the word that kexec or a person added wins */
		if (cmdline.rsdp)
			bi->rsdp = cmdline.rsdp;
		bi->reset_first = cmdline.reset;
		mem_show = cmdline.show_memory;
		stop = capture_open(&capture, bi, &cmdline);
		if (stop == STOP_OK)
			boot_take_pci_hosts(bi);
		arch_discover(bi);
		add_virtio_mmio(bi);
		start_console(bi);
		if (stop == STOP_OK) {
			start_feeding(bi);
			stop = capture_init(&capture);
		}
	}
	if (stop == STOP_OK) {
		report_show(&capture, false, show_line, NULL);
		stop = dump_somewhere(bi);
		serve(bi, stop);
	}
	finish(stop);
}

/*
 * Also reached from an exception inside finish(): the second time there is nothing left but the
 * reset. An error of the hardware closes the dump as it is, if the disk still takes it. Otherwise the
 * label needs no hand: begin_label() in stub/send/dump.c left STOP_INTERRUPTED in it, which is still so.
 */
noreturn void stub_exception(bool hardware, const char *what)
{
	static bool nested;

	log_mute(false);
	if (!nested && !ending) {
		nested = true;
		log_print(LOG_ERR, "%s", what);
		if (hardware)
			dump_abort(STOP_MACHINE_CHECK);
		/* DMA must not outlive us */
		target_abort(&target);
		line_abort();
		finish(hardware ? STOP_MACHINE_CHECK : STOP_EXCEPTION);
	}
	arch_reset();
}
