// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of PCI hosts, which firmware tables of either architecture fill. See boot_info.h. */
#include "stub/boot/boot_info.h"

#include "stub/log.h"
#include "stub/mem.h"

#define LEAST_HOSTS	8u
#define MANY_HOSTS	256u	/* fit beside the image at crashkernel=512K, too */

void boot_take_pci_hosts(struct boot_info *bi)
{
	size_t one = sizeof(*bi->pci_hosts), size = 0;
	uint64_t left = mem_left(), good = max_u64(left / 32, min_u64(MANY_HOSTS * one, left / 16));

	good = max_u64(LEAST_HOSTS * one, min_u64(good, BOOT_MAX_PCI_HOSTS * one));
	bi->pci_hosts = mem_take_most("PCI hosts", LEAST_HOSTS * one, good, 8, MEM_ANY, &size);
	bi->max_pci_hosts = (unsigned)(size / one);
}

struct pci_host *boot_add_pci_host(struct boot_info *bi, const struct pci_host *host)
{
	struct pci_host *h;

	if (bi->nr_pci_hosts == bi->max_pci_hosts) {
		if (!bi->pci_hosts_lost)
			log_warn("no room for more than %u PCI hosts", bi->max_pci_hosts);
		bi->pci_hosts_lost = true;
		return NULL;
	}
	h = &bi->pci_hosts[bi->nr_pci_hosts++];
	*h = *host;
	return h;
}
