// SPDX-License-Identifier: GPL-2.0-or-later
/* needs: arch/arm64/devtree.c stub/boot/boot_info.c tests/unit/fake/arena.c tests/unit/fake/log.c */
/*
 * The device tree, whatever it is: nothing outside it is read, what comes out is within its bounds.
 */
#include <stdlib.h>
#include <string.h>

#include "arch/arm64/devtree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct boot_info *bi)
{
	if (bi->nr_uarts > BOOT_MAX_UARTS || bi->nr_pci_hosts > bi->max_pci_hosts ||
	    bi->nr_virtio_mmio > BOOT_MAX_VIRTIO_MMIO || bi->nr_watchdogs > BOOT_MAX_WATCHDOGS ||
	    !memchr(bi->cmdline, 0, sizeof(bi->cmdline)))
		abort();
	for (unsigned i = 0; i < bi->nr_uarts; i++)
		if (!memchr(bi->uarts[i].name, 0, sizeof(bi->uarts[i].name)))
			abort();
	for (unsigned i = 0; i < bi->nr_pci_hosts; i++)
		if (bi->pci_hosts[i].bus_start > bi->pci_hosts[i].bus_end || !bi->pci_hosts[i].ecam)
			abort();
	for (unsigned i = 0; i < bi->nr_virtio_mmio; i++)
		if (!bi->virtio_mmio[i].size ||
		    bi->virtio_mmio[i].addr > UINT64_MAX - bi->virtio_mmio[i].size)
			abort();
	if (bi->elfcorehdr > UINT64_MAX - bi->elfcorehdr_size)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct boot_info bi;
	static struct pci_host hosts[8];
	struct devtree_efi efi;
	uint64_t start, end;
	/*
	 * a copy of just that size, so that the sanitizer sees a read behind its end; 8-byte
	 * aligned, as trees are
	 */
	void *tree = malloc(size ? size : 1);

	memcpy(tree, data, size);
	memset(&bi, 0, sizeof(bi));
	bi.max_pci_hosts = ARRAY_SIZE(hosts);
	bi.pci_hosts = hosts;
	if (!devtree_check(tree, size)) {
		devtree_early(tree, &bi, &efi);
		devtree_buses(tree, &bi);
		for (unsigned i = 0; devtree_usable_memory(tree, i, &start, &end); i++)
			if (start > end)
				abort();
		devtree_cmdline_intact(bi.cmdline);
		devtree_has_hardware(tree);
		devtree_timer_hz(tree);
		check(&bi);
	}
	free(tree);
	return 0;
}
