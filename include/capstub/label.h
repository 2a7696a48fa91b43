/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The label: the last 4 KiB of a dump target. It is what makes a target writable for the stub, and
 * where the stub leaves the result of a capture. All integers are little-endian.
 *
 * It outlives whatever writes to the other end of the target, so alone it is no permission: it also
 * says what its writer left at both ends (stub/format/vouch.h).
 *
 * Target layout, END = size of the target rounded down to 4 KiB:
 *	0			the dump: kdump-compressed v6 (crash opens the target as it is)
 *	dmesg_offset		the dead kernel's log, dmesg_bytes of text, below END - 64 KiB
 *	END - 64 KiB		the stub's own log, log_bytes of text, at most 60 KiB
 *	END - 4 KiB		struct capstub_label
 *
 * Change a field: bump CAPSTUB_LABEL_VERSION and add a fixture to the tests.
 */
#ifndef CAPSTUB_LABEL_H
#define CAPSTUB_LABEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CAPSTUB_LABEL_MAGIC	"CAPSTUB\0"
#define CAPSTUB_LABEL_VERSION	1
#define CAPSTUB_LABEL_SIZE	4096u	/* distance of the label from END, and its size */
#define CAPSTUB_LOG_OFFSET	65536u	/* distance of the log area from END */
#define CAPSTUB_LOG_SIZE	(CAPSTUB_LOG_OFFSET - CAPSTUB_LABEL_SIZE)
#define CAPSTUB_TARGET_MIN	(1u << 20)	/* smallest target that may carry a label */

/*
 * Partition type (UEFI 2.10 §5.3.3) of a target on a GPT disk, for programs that look at the table
 * and not at the label. The stub goes by the label alone.
 */
#define CAPSTUB_GPT_TYPE	"97dcdb85-9c08-41be-b55f-96ce4a1e53a0"

/*
 * Both ends of the target as they were when the label was written, in whole blocks of 4 KiB; CRC-32C.
 * 0 bytes: what lies there is still changing, or the label was written before these fields existed.
 */
#define CAPSTUB_HEAD_MAX	(128u << 10)
#define CAPSTUB_TAIL_MAX	((128u << 10) - CAPSTUB_LABEL_SIZE)

struct capstub_vouch {
	uint32_t head_bytes;		/* from offset 0 */
	uint32_t head_crc32c;		/* with KDUMP_INCOMPLETE in the dump's header taken as 0 */
	uint32_t tail_bytes;		/* down from the label */
	uint32_t tail_crc32c;
};

enum capstub_state {
	CAPSTUB_EMPTY = 0,	/* formatted, or a capture is still in its first step */
	CAPSTUB_DUMPING = 1,	/* found after a reboot: the capture was cut */
	CAPSTUB_COMPLETE = 2,
	CAPSTUB_INCOMPLETE = 3,	/* ended in good order, but pages are missing; see stop_code */
	CAPSTUB_SAVED = 4,	/* copied by `capstub save` */
};

/* Pages counted by class, in the order of enum page_class (stub/dead/pages.h) */
#define CAPSTUB_NR_CLASSES	8
#define CAPSTUB_CLASS_NAMES \
	{ "kernel", "zero", "cache", "cache_private", "user", "free", "offline", "hwpoison" }

struct capstub_label {
	char     magic[8];		/* 0x000 CAPSTUB_LABEL_MAGIC */
	uint32_t version;		/* 0x008 */
	uint32_t crc32c;		/* 0x00c of all 4096 bytes, with this field as 0 */
	uint8_t  uuid[16];		/* 0x010 as printed, RFC 4122 byte order */
	char     name[64];		/* 0x020 NUL-terminated, may be empty */
	uint64_t target_bytes;		/* 0x060 END at format time: a resized target is refused */
	uint32_t state;			/* 0x068 enum capstub_state */
	uint32_t captures;		/* 0x06c captures started since format */

	/* Result of the last capture; all zero after format */
	uint32_t stop_code;		/* 0x070 enum capstub_stop */
	uint32_t dump_level;		/* 0x074 level that was applied, after any fallback */
	uint32_t dump_level_asked;	/* 0x078 */
	uint32_t compress;		/* 0x07c kdump flag of the method: 0 raw, 2 LZO */
	int64_t  crash_time;		/* 0x080 seconds since 1970, from VMCOREINFO; 0 unknown */
	char     release[65];		/* 0x088 OSRELEASE, NUL-terminated */
	char     machine[15];		/* 0x0c9 "x86_64" or "aarch64" */
	uint64_t dump_bytes;		/* 0x0d8 length of the dump proper from offset 0 */
	uint64_t dmesg_offset;		/* 0x0e0 from the start of the target */
	uint64_t dmesg_bytes;		/* 0x0e8 0: none */
	uint64_t log_bytes;		/* 0x0f0 */
	uint64_t elapsed_us;		/* 0x0f8 from the stub's entry to the end of the capture */
	uint64_t page_size;		/* 0x100 of the dead kernel */
	uint64_t pages_total;		/* 0x108 page frames of RAM that the elfcorehdr names */
	uint64_t pages_stored;		/* 0x110 with data or sharing the zero page */
	uint64_t pages_unreadable;	/* 0x118 */
	uint64_t pages_missing;		/* 0x120 chosen by the level, not stored */
	uint64_t data_bytes_raw;	/* 0x128 pages with data of their own, uncompressed */
	uint64_t data_bytes_stored;	/* 0x130 the same, as stored */
	uint64_t pages_by_class[CAPSTUB_NR_CLASSES]; /* 0x138 in RAM, stored or not; zero: kept */
	uint64_t first_block_us;	/* 0x178 entry to first completed write */
	uint64_t data_us;		/* 0x180 spent writing page data (pass 2) */
	struct capstub_vouch vouch;	/* 0x188 */
	uint64_t ram_missing;		/* 0x198 bytes of RAM, at least, that exist and are no page here */
	uint8_t  rsvd1a0[4096 - 0x1a0];
};

_Static_assert(sizeof(struct capstub_label) == CAPSTUB_LABEL_SIZE, "label size");
_Static_assert(offsetof(struct capstub_label, stop_code) == 0x070, "label layout");
_Static_assert(offsetof(struct capstub_label, machine) == 0x0c9, "label layout");
_Static_assert(offsetof(struct capstub_label, dump_bytes) == 0x0d8, "label layout");
_Static_assert(offsetof(struct capstub_label, pages_by_class) == 0x138, "label layout");
_Static_assert(offsetof(struct capstub_label, data_us) == 0x180, "label layout");
_Static_assert(offsetof(struct capstub_label, ram_missing) == 0x198, "label layout");

/*
 * Is there a dump, or a part of one, that nobody has saved? The dead kernel's log is written before the state
 * leaves "empty", and is worth keeping too.
 */
static inline bool capstub_label_unsaved(const struct capstub_label *l)
{
	return l->state == CAPSTUB_EMPTY ? l->dmesg_bytes != 0 : l->state != CAPSTUB_SAVED;
}

#endif
