// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Checked block requests: limits, deadlines, and what happens to a device that breaks them. See
 * stub/disk/blk.h.
 *
 * This is the one place where waiting for a request is bounded. Drivers never wait in submit() and
 * poll(), and the code above sends no request but through here. So three rules can be kept in one
 * file: no request leaves the device's limits, every request has an end, and after a missed
 * deadline nothing of ours is the device's to write to any more.
 */
#include "stub/disk/blk.h"

#include <errno.h>
#include <string.h>

#include "stub/log.h"
#include "stub/timeout.h"

/* More than any driver holds: virtio-blk has 16 slots, NVMe 8 */
#define BLK_MAX_INFLIGHT	32

uint64_t blk_timeout_us = 60000000;

void blk_set_serial(struct blk_dev *dev, const void *text, unsigned len)
{
	const char *c = text;
	unsigned n = 0;

	for (; len && *c == ' '; len--)
		c++;
	while (n < len && c[n] >= ' ' && c[n] <= '~')
		n++;
	while (n && c[n - 1] == ' ')
		n--;
	memcpy(dev->serial, c, n);
	dev->serial[n] = '\0';
}

int blk_set_geometry(struct blk_dev *dev, uint32_t block_size, uint64_t nr_blocks)
{
	if (!is_power_of_2(block_size) || block_size < 512 || block_size > 4096)
		return log_err(-EPROTOTYPE, "%s: blocks of %u bytes: unsupported", dev->name, block_size);
	/* Bytes must fit 64 bits wherever they are computed */
	if (!nr_blocks || nr_blocks > UINT64_MAX / block_size)
		return log_err(-EPROTO, "%s: absurd size, %#lx blocks", dev->name, nr_blocks);
	dev->block_size = block_size;
	dev->nr_blocks = nr_blocks;
	return 0;
}

/* Requests that a driver holds, or that wait for another try. One disk is open at a time, so one table serves. */
static struct blk_req *inflight[BLK_MAX_INFLIGHT];
static unsigned nr_inflight;

/*
 * Drop what has a status from the table: its owner may reuse or leave the memory it is in at any
 * time
 */
static void forget_completed(void)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < nr_inflight; i++)
		if (inflight[i]->status == -EINPROGRESS)
			inflight[kept++] = inflight[i];
	nr_inflight = kept;
}

/*
 * Give the device up. Its DMA is stopped first: until then it may still read the buffers of
 * requests that it never answered, or answer one of them late. Only then do the requests get their
 * error, which tells the owners that the buffers are theirs again. Nothing is sent to it again.
 * Returns @code, or the first one when it was abandoned before.
 */
static int abandon(struct blk_dev *dev, int code)
{
	if (dev->failed)
		return dev->fail_code;
	dev->failed = true;
	dev->fail_code = code;
	dev->ops->shutdown(dev);
	for (unsigned i = 0; i < nr_inflight; i++)
		if (inflight[i]->status == -EINPROGRESS)
			inflight[i]->status = code;
	nr_inflight = 0;
	return code;
}

/*
 * The window of the target was checked before (target_lba()); this is about the device. The sum of
 * the segments matters most: a driver derives the length of the command from nr_blocks and the
 * addresses from segs, and where they differ a read would write over memory that is nobody's
 * buffer.
 */
static int check_request(const struct blk_dev *dev, const struct blk_req *req)
{
	uint64_t bytes = (uint64_t)req->nr_blocks * dev->block_size, sum = 0;

	if (req->op == BLK_FLUSH)
		return 0;
	if (req->op == BLK_WRITE && dev->read_only)
		return -EROFS;
	if (!req->nr_blocks || !range_inside(req->lba, req->nr_blocks, 0, dev->nr_blocks))
		return -ERANGE;
	if (bytes > dev->max_bytes || !req->nr_segs || req->nr_segs > dev->max_segs)
		return -EINVAL;
	for (unsigned i = 0; i < req->nr_segs; i++)
		sum += req->segs[i].len;
	return sum == bytes ? 0 : -EINVAL;
}

/*
 * A refused request is a mistake on our side, so the device stays usable; one that the driver could
 * not start is the device's. The wait for a free place and the request have a deadline each: the
 * second begins only when the device has it.
 */
int blk_submit(struct blk_dev *dev, struct blk_req *req)
{
	struct deadline d = deadline_in_us(blk_timeout_us);
	int rc = check_request(dev, req);

	if (rc)
		return log_err(
			rc,
			"%s: refused a request outside the device's limits: lba %lu + %u blocks",
			dev->name, req->lba, req->nr_blocks);
	for (;;) {
		if (dev->failed)
			return -ENODEV;
		req->status = -EINPROGRESS;
		req->deadline_us = idle_until_us(blk_timeout_us);
		req->retry_us = 0;
		req->tries = 0;
		rc = nr_inflight < BLK_MAX_INFLIGHT ? dev->ops->submit(dev, req) : -EBUSY;
		if (!rc) {
			inflight[nr_inflight++] = req;
			return 0;
		}
		if (rc != -EBUSY)
			return abandon(dev, log_err(rc, "%s: a request could not be started (%d)",
						    dev->name, rc));
		if (deadline_passed(d))
			return abandon(dev, log_err(-ETIMEDOUT, "%s: queue stayed full for %u ms",
						    dev->name, (unsigned)(blk_timeout_us / 1000)));
		rc = blk_poll(dev);
		if (rc < 0)
			return rc;
		idle();
	}
}

/*
 * What the device was not ready for comes back later, until its deadline: one that stays unready is
 * as good as one that does not answer. Returns how many.
 */
static int put_off(uint64_t now)
{
	int n = 0;

	for (unsigned i = 0; i < nr_inflight; i++) {
		struct blk_req *req = inflight[i];

		if (req->status != -EAGAIN)
			continue;
		req->status = -EINPROGRESS;
		req->retry_us = now + blk_pause_us(req->tries);
		req->tries += req->tries < UINT8_MAX;
		n++;
	}
	return n;
}

/* A full queue is no reason to wait here: the next poll will find a place */
static int send_again(struct blk_dev *dev, uint64_t now)
{
	for (unsigned i = 0; i < nr_inflight; i++) {
		struct blk_req *req = inflight[i];
		int rc;

		if (!req->retry_us || now < req->retry_us)
			continue;
		rc = dev->ops->submit(dev, req);
		if (!rc)
			req->retry_us = 0;
		else if (rc != -EBUSY)
			return abandon(dev, log_err(rc, "%s: a request could not be started (%d)",
						    dev->name, rc));
	}
	return 0;
}

/*
 * Completions are taken before the clock is looked at: when it was we who stalled (a slow console,
 * a paused virtual machine), what has been done in time must not count as late.
 */
int blk_poll(struct blk_dev *dev)
{
	uint64_t now;
	int rc, done;

	if (dev->failed)
		return -ENODEV;
	done = dev->ops->poll(dev);
	if (done < 0)
		return abandon(dev,
			       log_err(done, "%s: device failed (%d), abandoned", dev->name, done));
	now = arch_time_us();
	done -= put_off(now);
	forget_completed();
	for (unsigned i = 0; i < nr_inflight; i++)
		if (now >= inflight[i]->deadline_us)
			return abandon(
				dev,
				log_err(-ETIMEDOUT,
					"%s: request at lba %lu not completed in %u ms, abandoned",
					dev->name, inflight[i]->lba,
					(unsigned)(blk_timeout_us / 1000)));
	rc = send_again(dev, now);
	return rc ? rc : done;
}

/*
 * Bounded by the deadline that blk_poll() watches. A device that is abandoned meanwhile gives @req
 * its status; the error of blk_poll() itself is left for a request that was never in the table.
 */
int blk_wait(struct blk_dev *dev, struct blk_req *req)
{
	while (req->status == -EINPROGRESS) {
		int rc = blk_poll(dev);

		if (rc < 0 && req->status == -EINPROGRESS)
			return rc;
		idle();
	}
	forget_completed();	/* @req may be gone when its caller returns */
	return req->status;
}

/*
 * One request at a time, for labels, tables and headers: where order matters and speed does not.
 * @buf is the stub's own memory and so one segment, whatever its length.
 */
int blk_rw(struct blk_dev *dev, enum blk_op op, uint64_t lba, void *buf, size_t len)
{
	while (len) {
		uint32_t piece = (uint32_t)min_u64(len, dev->max_bytes);
		struct blk_seg seg = { virt_to_phys(buf), piece };
		struct blk_req req = {
			.op = op,
			.lba = lba,
			.nr_blocks = piece / dev->block_size,
			.nr_segs = 1,
			.segs = &seg,
		};
		int rc = blk_submit(dev, &req);

		if (!rc)
			rc = blk_wait(dev, &req);
		if (rc)
			return rc;
		lba += req.nr_blocks;
		buf = (char *)buf + piece;
		len -= piece;
	}
	return 0;
}

/*
 * Without a volatile write cache a completed write is on the medium, and there is nothing to ask
 * for (NVMe: VWC of Identify Controller; virtio: VIRTIO_BLK_F_FLUSH).
 */
int blk_flush(struct blk_dev *dev)
{
	struct blk_req req = { .op = BLK_FLUSH };
	int rc;

	if (!dev->has_flush)
		return dev->failed ? -ENODEV : 0;
	rc = blk_submit(dev, &req);
	return rc ? rc : blk_wait(dev, &req);
}

/*
 * In good order, with nothing in flight, or on the way out of an error: as abandon(), DMA stops
 * first
 */
void blk_shutdown(struct blk_dev *dev)
{
	dev->ops->shutdown(dev);
	for (unsigned i = 0; i < nr_inflight; i++)
		inflight[i]->status = -ENODEV;
	nr_inflight = 0;
}
