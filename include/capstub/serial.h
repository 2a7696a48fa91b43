/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The serial protocol: what the stub and `capstub recv` say to each other over a UART. docs/serial-protocol.md has the
 * reasons and the state machines. Integers are little-endian; "varint" is LEB128 (7 bits a byte, low group first).
 *
 * A frame, before it is encoded for the line:
 *
 *	0	u8	type		enum serial_type
 *	1	u8	flags		SERIAL_FLAG_*
 *	2	u16	session		low 16 bits of the session number
 *	4	u32	sequence	of this sender in this session, one more for each frame
 *	8	...	payload
 *	8 + n	u16	n		length of the payload
 *	10 + n	u32	CRC-32C		of all bytes before it
 *
 * 8-bit encoding: SERIAL_SOH, the bytes with some of them escaped, SERIAL_ETX. Text encoding: lines of base 85, see below.
 */
#ifndef CAPSTUB_SERIAL_H
#define CAPSTUB_SERIAL_H

#include <stdint.h>

#define SERIAL_VERSION		1
#define SERIAL_UNIT		4096u	/* pages travel in units of this many bytes; a larger page is several */
#define SERIAL_HEADER		8u
#define SERIAL_TRAILER		6u
#define SERIAL_MAX_UNITS	4u	/* of data in one frame */
#define SERIAL_MAX_RUNS		64u
#define SERIAL_PAYLOAD_MAX	18432u	/* SERIAL_MAX_UNITS that do not shrink, and what goes before them */
#define SERIAL_FRAME_MAX	(SERIAL_HEADER + SERIAL_PAYLOAD_MAX + SERIAL_TRAILER)
#define SERIAL_CTRL_MAX		512u	/* payload of a frame from the receiver */
#define SERIAL_WINDOW_BITS	13	/* of the raw deflate streams (RFC 1951) in payloads */
#define SERIAL_MAX_PASSES	16u

/* Delimiters of the 8-bit encoding. Always escaped inside: these three, and ESC, which terminals act upon. */
#define SERIAL_SOH		0x01	/* a frame begins */
#define SERIAL_ETX		0x03	/* a frame ends */
#define SERIAL_DLE		0x10	/* the next byte is c ^ SERIAL_ESCAPE_XOR */
#define SERIAL_ESC		0x1b
#define SERIAL_XON		0x11
#define SERIAL_XOFF		0x13
#define SERIAL_ESCAPE_XOR	0x20

/*
 * Text encoding: four bytes are five characters of this alphabet (ZeroMQ RFC 32: no quote, backslash, comma or blank), most
 * significant first; a rest of n bytes is n + 1 characters. A line is a marker, at most SERIAL_TEXT_LINE characters, CR LF.
 */
#define SERIAL_TEXT_ALPHABET \
	"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
#define SERIAL_TEXT_LINE	75u	/* characters: 60 bytes; with marker and CR LF 78, below any terminal's width */
#define SERIAL_TEXT_BEGIN	'~'	/* marker of a frame's first line */
#define SERIAL_TEXT_MORE	'|'	/* marker of its further lines */
#define SERIAL_TEXT_END		';'	/* after its last character */

enum serial_type {
	SERIAL_HELLO = 1,	/* stub: struct below. Always in text encoding. */
	SERIAL_PROBE = 2,	/* stub, text encoding: 256 raw bytes 0..255, then XON, follow on the line; an end frame after them */
	SERIAL_PROBE_END = 3,
	SERIAL_BLOB = 4,	/* stub: a piece of one of the blobs */
	SERIAL_PAGES = 5,	/* stub: pages */
	SERIAL_SERVED = 6,	/* stub: u16 request that has been answered in full */
	SERIAL_CTRL = 16,	/* receiver: struct below. Always in text encoding. */
};

#define SERIAL_FLAG_AGAIN	0x01	/* sent because it was asked for, or repeated */

/*
 * SERIAL_HELLO:	u8 version, u8 mode the stub begins with, u64 session number, u32 baud (0 unknown)
 *
 * SERIAL_BLOB:		u8 blob, u32 bytes of the whole blob, u32 offset, u16 length, raw deflate of that piece (none if length is 0)
 *
 * SERIAL_PAGES:	u8 pass, varint from, varint to - from, varint number of runs, the runs, raw deflate of the contents.
 *			The frame says what there is to say about units [from, to) in this pass. A run is a varint:
 *			length << 3 | enum serial_run. The runs add up to at most to - from; units after them are SERIAL_RUN_OTHER.
 *			Contents are those of the units in SERIAL_RUN_DATA, in order, SERIAL_UNIT bytes each.
 *			Unit number = page frame number * (page size / SERIAL_UNIT) + part.
 *
 * SERIAL_CTRL:		u8 version, u8 flags, u8 enum serial_mode, u8 units per frame (1 .. SERIAL_MAX_UNITS),
 *			u8 escape map[32] (bit b: escape byte b, in 8-bit encoding), u16 request, u8 number of wants, the wants.
 *			A want: u8 what (blob, or SERIAL_WANT_PASS + pass), varint from, varint to - from.
 */
#define SERIAL_PIECE		16384u	/* of a blob in one frame, at most */

enum serial_run {
	SERIAL_RUN_OTHER = 0,	/* not RAM, or of another pass */
	SERIAL_RUN_DATA = 1,
	SERIAL_RUN_ZERO = 2,
	SERIAL_RUN_EXCLUDED = 3,	/* left out by the dump level */
	SERIAL_RUN_UNREADABLE = 4,
	SERIAL_NR_RUNS
};

enum serial_mode { SERIAL_MODE_TEXT = 0, SERIAL_MODE_8BIT = 1 };

#define SERIAL_CTRL_BYE		0x01	/* everything is here: nothing more is wanted */
#define SERIAL_CTRL_PROBE	0x02	/* the probe was not seen: send it again */
#define SERIAL_CTRL_FIXED	39u	/* bytes before the wants */
#define SERIAL_CTRL_MAX_WANTS	8u
#define SERIAL_WANT_PASS	16u

enum serial_blob {
	SERIAL_META,		/* struct serial_meta, then nr_ranges * (u64 first page frame, u64 number of them) */
	SERIAL_NOTES,		/* the merged ELF notes */
	SERIAL_DMESG,		/* text */
	SERIAL_PLAN,		/* nr_passes * u64: units that each pass will carry, at most */
	SERIAL_LOG,		/* the stub's own log */
	SERIAL_RESULT,		/* struct capstub_label: its result part */
	SERIAL_NR_BLOBS
};

#define SERIAL_MAX_RANGES	992u	/* of RAM, in SERIAL_META: what one piece holds */

struct serial_meta {
	uint32_t version;	/* 0x000 */
	uint32_t page_size;	/* 0x004 of the dead kernel */
	uint64_t session;	/* 0x008 */
	int64_t  crash_time;	/* 0x010 seconds since 1970; 0 unknown */
	uint64_t phys_base;	/* 0x018 kdump_sub_header.phys_base */
	uint64_t notes_bytes;	/* 0x020 length of SERIAL_NOTES */
	uint64_t vmcoreinfo_offset;	/* 0x028 in the notes */
	uint64_t vmcoreinfo_bytes;	/* 0x030 0: none */
	uint64_t max_pfn;	/* 0x038 one past the last page frame */
	uint32_t dump_level;	/* 0x040 */
	uint32_t nr_cpus;	/* 0x044 */
	uint32_t nr_passes;	/* 0x048 */
	uint32_t nr_ranges;	/* 0x04c */
	uint32_t nr_vital;	/* 0x050 passes before the class passes: enough for a debugger */
	uint32_t rsvd54;	/* 0x054 */
	char     uts[6][65];	/* 0x058 sysname, nodename, release, version, machine, domainname */
	uint8_t  rsvd1de[2];	/* 0x1de */
};

_Static_assert(sizeof(struct serial_meta) == 0x1e0, "serial_meta layout");
_Static_assert(sizeof(struct serial_meta) + SERIAL_MAX_RANGES * 16 <= SERIAL_PIECE, "META is one piece");

#endif
