/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SATA disks behind an AHCI controller. One disk of one controller at a time. */
#ifndef DRIVERS_AHCI_H
#define DRIVERS_AHCI_H

#include "drivers/pci.h"
#include "stub/disk/blk.h"

#define AHCI_CLASS	0x010601

/*
 * Take over the controller @pci, of class AHCI_CLASS, as stub/disk/devices.c wants it. A unit is a port. All ports are
 * reset together when the first is opened; to open another one, or one again, takes no more than a few commands.
 */
int ahci_probe(const struct pci_dev *pci, unsigned *unit, struct blk_dev **ret_dev);

#endif
