// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Split virtqueue, VIRTIO 1.1 §2.6. See virtio_ring.h.
 *
 * Memory of the ring is the device's to read at any time and, for the used ring, to write. Nothing
 * of it is believed: which descriptors are free, where a chain goes on and how long it is, is kept
 * in struct virtq, and the table only receives copies. A device that writes nonsense there spoils
 * its own requests, not our walk over them.
 *
 * dma_give() and dma_take() do something only where DMA is not cache-coherent; the order of memory
 * accesses (dma_wmb() and so on) matters everywhere.
 */
#include <errno.h>
#include <io.h>
#include <string.h>

#include "drivers/dma.h"
#include "drivers/virtio/virtio_ring.h"
#include "stub/log.h"

#define VIRTQ_DESC_F_NEXT		BIT(0)
#define VIRTQ_DESC_F_WRITE		BIT(1)
#define VIRTQ_AVAIL_F_NO_INTERRUPT	BIT(0)
#define VIRTQ_USED_F_NO_NOTIFY		BIT(0)

_Static_assert(VIRTQ_BYTES(VIRTQ_MAX_SIZE) <= 5 * DMA_PAGE_SIZE,
	       "the DMA area's last page is not the ring's");

/*
 * One layout for both interfaces: the modern one takes any addresses, so it gets what the legacy
 * one prescribes (§2.6.2).
 */
void virtq_init(struct virtq *vq, const struct dma_dev *dma, uint16_t index, void *mem, uint16_t size)
{
	memset(vq, 0, sizeof(*vq));
	memset(mem, 0, VIRTQ_BYTES(size));
	vq->dma = dma;
	vq->index = index;
	vq->size = size;
	vq->desc = mem;
	vq->avail = (void *)(vq->desc + size);
	vq->used = (void *)((char *)mem + VIRTQ_USED_OFFSET(size));
	/* §2.6.7: we poll */
	vq->avail->flags = VIRTQ_AVAIL_F_NO_INTERRUPT;

	vq->nr_free = size;
	for (unsigned i = 0; i < size; i++)
		vq->next[i] = (uint16_t)(i + 1);
	dma_give(dma, mem, VIRTQ_BYTES(size));
}

/*
 * The chain stays invisible to the device until virtq_commit(): only its head is ever put in the
 * available ring. Its last descriptor has no NEXT flag at any moment, so it ends wherever it is
 * cut.
 */
void virtq_add(struct virtq *vq, unsigned token, uint64_t addr, uint32_t len, bool device_writes)
{
	struct virtq_chain *c = &vq->chains[token];
	uint16_t i = vq->free_head;

	vq->free_head = vq->next[i];
	vq->nr_free--;

	if (c->count) {
		vq->next[c->last] = i;
		vq->desc[c->last].flags |= VIRTQ_DESC_F_NEXT;
		vq->desc[c->last].next = i;
	} else {
		c->head = i;
		c->writable = 0;
	}
	vq->desc[i] = (struct virtq_desc){
		.addr = addr, .len = len, .flags = device_writes ? VIRTQ_DESC_F_WRITE : 0,
	};
	c->last = i;
	c->count++;
	if (device_writes || vq->counts_all)
		c->writable += len;
}

/*
 * Descriptors may lie anywhere in the table: write back each one's line. The private next[] leads
 * on, not what is in the table.
 */
static void give_chain(struct virtq *vq, const struct virtq_chain *c)
{
	uint16_t i = c->head;

	if (vq->dma->coherent)
		return;
	for (unsigned n = 0; n < c->count; n++, i = vq->next[i])
		dma_give(vq->dma, &vq->desc[i], sizeof(vq->desc[i]));
}

bool virtq_commit(struct virtq *vq, unsigned token)
{
	const struct virtq_chain *c = &vq->chains[token];
	uint16_t *entry = &vq->avail->ring[vq->avail_idx & (vq->size - 1)];

	*entry = c->head;
	give_chain(vq, c);
	dma_give(vq->dma, entry, sizeof(*entry));
	/* §2.6.13.3: descriptors and ring entry must be there before the index covers them */
	dma_wmb();
	dma_store(&vq->avail->idx, ++vq->avail_idx);
	dma_give(vq->dma, vq->avail, sizeof(*vq->avail));
	/*
	 * §2.6.13.4.1: the index must be visible before the flag is read, or both sides may sleep
	 */
	dma_mb();
	dma_take(vq->dma, vq->used, sizeof(*vq->used));
	return !(dma_load(&vq->used->flags) & VIRTQ_USED_F_NO_NOTIFY);
}

/* In front of the free list as a whole. The next[] of its descriptors still links them. */
static void free_chain(struct virtq *vq, struct virtq_chain *c)
{
	vq->next[c->last] = vq->free_head;
	vq->free_head = c->head;
	vq->nr_free += c->count;
	c->count = 0;
}

void virtq_drop(struct virtq *vq, unsigned token)
{
	free_chain(vq, &vq->chains[token]);
}

/*
 * One completion a call, in whatever order the device has them. Each value is loaded once, into
 * private memory, and then checked: a device that changes it afterwards changes nothing. The
 * counters run freely through 16 bits; only an entry's place is taken modulo the size (§2.6.8).
 */
int virtq_pop(struct virtq *vq, unsigned *ret_token)
{
	const struct virtq_used_elem *elem = &vq->used->ring[vq->used_idx & (vq->size - 1)];
	struct virtq_used_elem e;

	dma_take(vq->dma, vq->used, sizeof(*vq->used));
	if (dma_load(&vq->used->idx) == vq->used_idx)
		return 0;
	/*
	 * §2.6.14: the entry, and the data it stands for, are read only after the index that covers
	 * them
	 */
	dma_rmb();
	dma_take(vq->dma, elem, sizeof(*elem));
	e.id = dma_load(&elem->id);
	e.len = dma_load(&elem->len);

	/* The id names the head of a chain that we made available and have not had back */
	for (unsigned t = 0; t < VIRTQ_MAX_CHAINS; t++) {
		struct virtq_chain *c = &vq->chains[t];

		if (!c->count || c->head != e.id)
			continue;
		if (e.len > c->writable)
			return log_err(-EIO, "virtio: %u bytes written where %u were allowed",
				       e.len, c->writable);
		vq->used_idx++;
		free_chain(vq, c);
		*ret_token = t;
		return 1;
	}
	return log_err(-EIO, "virtio: completion of descriptor %u, not in flight", e.id);
}
