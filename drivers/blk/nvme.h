/* SPDX-License-Identifier: GPL-2.0-or-later */
/* NVMe controller on PCI Express, one namespace at a time. */
#ifndef DRIVERS_NVME_H
#define DRIVERS_NVME_H

#include "drivers/pci.h"
#include "stub/disk/blk.h"

/*
 * Take the controller over, whatever the dead kernel left running in it, and open the @unit-th
 * active namespace. 0 with the disk and whether others follow; -ENOENT: no such namespace; other
 * -errno: it could not be started and can do no DMA (*ret_more may be set when only this namespace
 * is unusable).
 */
int nvme_probe(const struct pci_dev *pci, unsigned unit, struct blk_dev **ret_dev, bool *ret_more);

#endif
