/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ELF notes (System V ABI, chapter 5): header, name and descriptor, each padded to 4 bytes */
#ifndef STUB_NOTE_H
#define STUB_NOTE_H

#include "stub/bits.h"

#define NOTE_PRSTATUS	1u	/* of "CORE": the registers of a CPU */

struct elf_nhdr {
	uint32_t n_namesz;
	uint32_t n_descsz;
	uint32_t n_type;
};
_Static_assert(sizeof(struct elf_nhdr) == 12, "Elf_Nhdr size");

/* From a note's header to its descriptor */
static inline uint64_t note_desc(const struct elf_nhdr *h)
{
	return sizeof(*h) + ALIGN_UP((uint64_t)h->n_namesz, 4);
}

/*
 * Bytes that the note takes. 0: it is none that fits in @left bytes. An all-zero header ends the list:
 * that is how the kernel pads its buffers.
 */
static inline uint64_t note_size(const struct elf_nhdr *h, uint64_t left)
{
	uint64_t size = note_desc(h) + ALIGN_UP((uint64_t)h->n_descsz, 4);

	return h->n_namesz && size <= left ? size : 0;
}

#endif
