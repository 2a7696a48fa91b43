/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NVMe controllers on PCI Express. They take their time to come up and to shut down, so many do it side
 * by side; one namespace of one of them is open at a time.
 */
#ifndef DRIVERS_NVME_H
#define DRIVERS_NVME_H

#include "drivers/dma.h"
#include "drivers/pci.h"
#include "stub/disk/blk.h"
#include "stub/timeout.h"

struct nvme_queue {
	struct nvme_command *sq;
	struct nvme_completion *cq;
	uint16_t id;
	uint16_t entries;
	uint16_t sq_tail;
	uint16_t cq_head;
	uint16_t phase;		/* value of the phase tag in a new entry */
};

enum nvme_state {
	NVME_OFF,	/* does no DMA; the place is free */
	NVME_ANSWER,	/* registers read as all ones as yet */
	NVME_SETTLE,	/* the dead kernel was just enabling it */
	NVME_DISABLE,	/* told to */
	NVME_TURN,	/* disabled; the IOMMU has no room for it before another has gone */
	NVME_ENABLE,	/* told to */
	NVME_GREET,	/* it has the first command */
	NVME_UP,
	NVME_NOTIFY,	/* putting its things in order */
};

/* A controller, in memory of the arena */
struct nvme {
	/* Of who looks for disks; not used by the driver */
	unsigned unit;			/* the next namespace to look at */
	bool keep;			/* there is nothing else to look at, and it stays up */
	/* Why it is off, or on the way there: 0, in good order, or -errno, said; -EAGAIN: it was late */
	int error;

	/* The driver's own */
	enum nvme_state state;
	struct deadline deadline;	/* of the state */
	uint64_t since_us;		/* the state began */
	bool was_reset;			/* by a function level reset, in vain */
	bool fatal_is_fine;		/* there is no such reset: all that is left is to wait */
	bool stopping;
	bool broken;			/* does not answer commands as it should */
	bool away;			/* its registers read as those of an empty bus when it was up */
	char name[24];			/* "nvme 0000:00:04.0" */
	struct pci_dev pci;
	struct dma_dev dma;
	void *regs;
	void *doorbells;
	uint64_t cap;
	uint32_t vs;
	uint32_t doorbell_stride;
	uint32_t shutdown_us;
	struct nvme_queue admin;
};

#define NVME_MAX	30u	/* at a time; drivers/iommu/iommu.c lets a few more through */

/*
 * The places for controllers, all off; those of an earlier call are gone. As many as there is memory
 * for in the arena, @wanted at most. Queues take 8 KiB each.
 */
extern struct nvme *nvme_places;
extern unsigned nvme_nr_places;
void nvme_init(unsigned wanted);

/*
 * Begin to take the controller over, whatever the dead kernel left running in it, in a place that is
 * off. All that follows is nvme_step()'s.
 */
void nvme_begin(struct nvme *c, const struct pci_dev *pci);

/*
 * Look how far it is, without waiting (a function level reset excepted). True: something is under way, call
 * it again. False: it is up, or off.
 */
bool nvme_step(struct nvme *c);

/*
 * Open the @unit-th active namespace of a controller that is up, when no other is open. 0 with the disk and
 * whether others follow; -ENOENT: there is none; -EPROTOTYPE: its format is not one to write to; other
 * -errno: it cannot be used. The controller stays up, or is c->broken.
 */
int nvme_open(struct nvme *c, unsigned unit, struct blk_dev **ret_dev, bool *ret_more);

/* Close it again; blk_shutdown() stops the controller too, and waits for that. */
void nvme_close(struct nvme *c);

/* Begin the shutdown: in good order if it is up and sane, else it is cut off at once. */
void nvme_stop(struct nvme *c);

/*
 * The target has been found: when @c takes longer over a step than can be expected from what the others
 * needed, it is not waited for any more. Its shutdown has a limit of its own.
 */
void nvme_give_up_late(struct nvme *c);

#endif
