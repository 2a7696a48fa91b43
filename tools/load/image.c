// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/load/image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "capstub/boot_params.h"
#include "stub/bits.h"
#include "stub/boot/seal.h"
#include "tools/util.h"

#ifndef CAPSTUB_LIBDIR
#define CAPSTUB_LIBDIR "/usr/local/lib/capstub"
#endif

/* Linux Documentation/arm64/booting.rst */
struct arm64_header {
	uint32_t code[2];
	uint64_t text_offset;
	uint64_t image_size;
	uint64_t flags;
	uint64_t rsvd20[3];
	uint32_t magic;			/* 0x38 "ARM\x64" */
	uint32_t pe_offset;
};

_Static_assert(sizeof(struct arm64_header) == 64, "arm64_header");

#define ARM64_MAGIC	0x644d5241
#define ARM64_ALIGN	(2u << 20)
#define MEMSZ_MAX	(16u << 20)	/* of an image that says it wants more something is wrong */

#define SEAL_AT		0x40	/* of what is loaded (tools/build/seal-image.py) */

static bool find_x86(struct stub_image *img)
{
	const struct setup_header *h = &((const struct boot_params *)img->file)->hdr;
	size_t header;

	if (img->file_size < 4096 || h->boot_flag != 0xaa55 || h->header != BOOT_HEADER_MAGIC)
		return false;
	header = ((h->setup_sects ? h->setup_sects : 4) + 1u) * 512;
	if (header >= img->file_size)
		return false;
	img->arch = ARCH_X86_64;
	img->data = img->file + header;
	img->data_size = img->file_size - header;
	img->memsz = h->init_size;
	img->align = h->kernel_alignment;
	img->entry = 0x200;		/* boot.rst "64-bit Boot Protocol" */
	return true;
}

static bool find_arm64(struct stub_image *img)
{
	const struct arm64_header *h = (const void *)img->file;

	if (img->file_size < 4096 || h->magic != ARM64_MAGIC)
		return false;
	img->arch = ARCH_ARM64;
	img->data = img->file;
	img->data_size = img->file_size;
	img->memsz = h->image_size;
	img->align = ARM64_ALIGN;
	img->entry = 0;
	return true;
}

/* Signatures and padding behind what the seal covers are loaded too, and do no harm. */
static bool seal_fits(const struct stub_image *img)
{
	const struct seal *seal = (const void *)(img->data + SEAL_AT);
	const char *from = (const char *)&seal->crc;

	return !memcmp(seal->magic, "\0CAPSEAL", sizeof(seal->magic)) && seal->size <= img->data_size &&
	       seal->size >= SEAL_AT + sizeof(*seal) && seal->left_out <= img->data + seal->size - from &&
	       seal->crc == seal_crc(seal, img->data, from + seal->left_out, img->data + seal->size);
}

int stub_image_read(struct stub_image *img, const char *path)
{
	*img = (struct stub_image){ .path = path };
	img->file = read_file("", path, &img->file_size);
	if (!img->file)
		return fail(-errno, "%s: %m; --image names the stub if it is elsewhere", path);
	if (!find_x86(img) && !find_arm64(img))
		return fail(-ENOEXEC, "%s is no image of the stub", path);
	if (!seal_fits(img))
		return fail(-ENOEXEC, "%s is damaged, or a kernel rather than the stub: its checksum does not fit", path);
	if (img->memsz < img->data_size || img->memsz > MEMSZ_MAX || !is_power_of_2(img->align) || img->align < 4096)
		return fail(-ENOEXEC, "%s: its header makes no sense", path);
	img->memsz = ALIGN_UP(img->memsz, 4096u);
	return 0;
}

void stub_image_free(struct stub_image *img)
{
	free(img->file);
}

enum arch this_arch(void)
{
	struct utsname u;

	if (uname(&u))
		return ARCH_NONE;
	return !strcmp(u.machine, "aarch64") ? ARCH_ARM64 : !strcmp(u.machine, "x86_64") ? ARCH_X86_64 : ARCH_NONE;
}

const char *default_image(void)
{
	return this_arch() == ARCH_ARM64 ? CAPSTUB_LIBDIR "/capstub.Image" : CAPSTUB_LIBDIR "/capstub.bzImage";
}

const char *arch_name(enum arch arch)
{
	return arch == ARCH_X86_64 ? "x86_64" : arch == ARCH_ARM64 ? "aarch64" : "unknown";
}
