/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The stub's command line. Pure. Unknown words are reported and ignored; a bad value is reported
 * and changes nothing: a typo must not cost the dump. The last good value of a word counts. Only where
 * the dump goes is never guessed: without a good dump= there is none.
 */
#ifndef STUB_CMDLINE_H
#define STUB_CMDLINE_H

#include "stub/boot/boot_info.h"

#define CMDLINE_MAX_TARGETS	8
#define CMDLINE_MAX_VERIFY	4

enum target_kind {
	TARGET_UUID,		/* of the capstub label */
	TARGET_LABEL,		/* name in the capstub label */
	TARGET_PARTUUID,
	TARGET_PARTLABEL,
	TARGET_SERIAL,
	TARGET_UART,
	TARGET_ANY,		/* whatever carries the one valid label of this machine */
};

struct target_spec {
	enum target_kind kind;
	uint8_t uuid[16];	/* UUID, PARTUUID of a GPT entry; RFC 4122 byte order as printed */
	uint64_t file_at;	/* UUID: of a file, where its map is on its disk, in bytes; 0: no file */
	bool mbr;		/* PARTUUID of an MBR partition: SSSSSSSS-PP */
	uint32_t mbr_signature;
	uint8_t mbr_index;
	/* LABEL, PARTLABEL (UTF-8), SERIAL, UART; else the word, for messages */
	char text[109];
	struct uart_spec uart;	/* TARGET_UART: type UART_NONE when only the name is known */
	uint32_t baud;		/* TARGET_UART: 0 unless given */
};

/* verify=START-END:CRC: what the loader left in [start, end), and its CRC-32C */
struct verify_spec {
	phys_addr_t start, end;
	uint64_t crc;
};

enum watchdog_care {
	WATCHDOG_FEED,
	WATCHDOG_KEEP,		/* fed, its time left as it is */
	WATCHDOG_LEAVE,
};

/* AFTER_GDB: serve gdb on the console when no target took anything, then as AFTER_REBOOT */
enum after_action { AFTER_REBOOT, AFTER_HALT, AFTER_GDB };

struct cmdline {
	unsigned nr_targets;	/* 0: none was named, and nothing is written */
	struct target_spec targets[CMDLINE_MAX_TARGETS];
	unsigned level;		/* default 31 */
	unsigned compress;	/* KDUMP_COMPRESSED_LZO (default) or 0 */
	char console_name[16];	/* "ttyS0"; empty: see console_spec */
	/*
	 * From uart8250,… / pl011,…; with console_name type is UART_NONE, baud and rts_cts are set
	 */
	struct uart_spec console_spec;
	bool console_given;
	enum after_action after;
	char reset[8];		/* reset=WAY, the first to be tried; "": as the architecture thinks best */
	enum watchdog_care watchdog;	/* watchdog=feed (default) | keep | leave */
	bool hang;		/* test=hang */
	bool show_memory;	/* memmap=show */
	/* line=8bit: begin with it on a serial line that nobody answers on (default text) */
	bool line_8bit;
	bool line_xon;		/* line=...,xon: XON/XOFF are escaped and obeyed */
	bool overwrite;		/* overwrite=yes (default) | no: keep a dump that was not saved */
	uint32_t deadline_s;	/* deadline=SECONDS for the capture; default 4 h; 0: none */
	struct target_spec serve;	/* serve=gdb:UART, a TARGET_UART; text "": not given */
	uint32_t serve_timeout_s;	/* serve-timeout=SECONDS without a packet of gdb's; default 600 */
	uint32_t timeout_s;	/* timeout=SECONDS for one request to a disk; default 60 */
	phys_addr_t elfcorehdr;	/* 0: not given */
	uint64_t elfcorehdr_size;	/* 0: unknown */
	phys_addr_t rsdp;	/* acpi_rsdp=, which kexec adds on EFI machines; 0: not given */
	unsigned nr_verify;
	struct verify_spec verify[CMDLINE_MAX_VERIFY];
	unsigned nr_virtio_mmio;	/* virtio_mmio.device=SIZE@ADDR:IRQ[:ID] */
	struct virtio_mmio_spec virtio_mmio[BOOT_MAX_VIRTIO_MMIO];
	/* Complaints, collected because the console is not up yet while parsing */
	unsigned nr_complaints;
	char complaints[8][80];
};

/*
 * Never fails. @text may be any bytes up to NUL; nothing in @cl refers to it afterwards. Every
 * field of @cl is set, to its default where no good word says otherwise.
 */
void cmdline_parse(struct cmdline *cl, const char *text);

/*
 * Is memory what verify= says? Without the word it is: kexec-tools and the kernel bring a purgatory that looks. False
 * also for a word that cannot be understood, because no person writes it: then the command line itself is damaged.
 * @read: 0, or what is wrong.
 */
bool cmdline_verify(const struct cmdline *cl, int (*read)(void *dst, phys_addr_t pa, size_t len));

#endif
