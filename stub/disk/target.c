// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Find the target, and keep writes inside it. All disks are looked at, one open at a time and only
 * reading, because a second target that matches the same word must stop us: writing to the wrong
 * one of two is the mistake that cannot be undone.
 *
 * A target is a place (a partition, or a whole disk) that carries a label in its last 4 KiB,
 * written by `capstub format`, and at both ends what that label says (stub/format/vouch.h). The two
 * together are the permission to write: no word of the command line, however precise, makes the
 * stub write to a place without them. A file is one whose pieces are all proven (stub/format/extents.h).
 */
#include "stub/disk/target.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "stub/format/label.h"
#include "stub/format/vouch.h"
#include "stub/disk/devices.h"
#include "stub/log.h"
#include "stub/mem.h"
#include "stub/disk/part.h"
#include "stub/timeout.h"

/*
 * DMA buffers. label_buf holds the label looked at last; of a match only place and UUID are kept,
 * and it is read again at the end.
 */
static struct capstub_label *label_buf;
uint8_t *target_block;

/* Where the file lies that is the target, in the arena */
static struct extents file;

/* One place where a label may be */
struct window {
	uint64_t first_block;
	uint64_t nr_blocks;
	unsigned part;		/* 0: whole disk */
	uint64_t bytes;		/* a file: END, from its map; first_block is the head of that */
};

struct search {
	const struct target_spec *spec;
	struct blk_dev *dev;
	unsigned disk;			/* ordinal of the disk now open */
	unsigned matches;
	unsigned match_disk;
	struct blk_dev match_dev;	/* as it described itself */
	struct window match;
	uint8_t match_uuid[16];
	unsigned unlabelled;		/* windows that the word names, without a label */
	unsigned damaged;		/* labels with a bad CRC, version or size */
	unsigned foreign;		/* good labels on what is somebody else's by now */
	unsigned bare;			/* windows without a label that may have had one before they grew */
	unsigned grown;			/* labels found there */
	bool again;			/* the second time, for these */
	int read_error;			/* of a place where a label may be; 0: all could be read */
};

#define SCAN_US		5000000	/* for all windows that may have grown */
static struct deadline scan_until;

/* What there may be many of, where the target is looked for: none is begun after the overall deadline */
static int disk_read(void *ctx, uint64_t lba, void *buf)
{
	struct blk_dev *dev = ctx;

	return idle_deadline_over() ? -ETIMEDOUT : blk_rw(dev, BLK_READ, lba, buf, dev->block_size);
}

static int file_read(void *ctx, uint64_t at, void *buf, uint32_t len)
{
	struct blk_dev *dev = ctx;

	return blk_rw(dev, BLK_READ, at / dev->block_size, buf, len);
}

static int proof_read(void *ctx, uint64_t at, void *buf, uint32_t len)
{
	return idle_deadline_over() ? -ETIMEDOUT : file_read(ctx, at, buf, len);
}

static int file_write(void *ctx, uint64_t at, void *buf, uint32_t len)
{
	struct blk_dev *dev = ctx;

	return blk_rw(dev, BLK_WRITE, at / dev->block_size, buf, len);
}

static struct extents_io file_io(struct blk_dev *dev)
{
	return (struct extents_io){
		.read = file_read, .write = file_write, .ctx = dev, .block = target_block,
		.disk_bytes = min_u64(dev->nr_blocks, UINT64_MAX / dev->block_size) * dev->block_size,
		.align = dev->block_size,
	};
}

/* END: size of the window rounded down to 4 KiB, as at format time */
static uint64_t window_end(const struct blk_dev *dev, const struct window *w)
{
	if (w->bytes)
		return w->bytes;
	if (w->nr_blocks > UINT64_MAX / dev->block_size)
		return 0;
	return ALIGN_DOWN(w->nr_blocks * dev->block_size, 4096);
}

/*
 * Read the label of @w into label_buf. 0, -ENOENT (none), -EBADMSG (damaged, said so), another
 * -errno. That there is none is the normal case and worth no message: every partition of every disk is
 * looked at.
 */
static int read_label(struct blk_dev *dev, const struct window *w)
{
	struct capstub_label *l = label_buf;
	uint64_t end = window_end(dev, w);
	uint64_t from = w->bytes ? CAPSTUB_EXTENTS_OFFSET : end;
	int rc;

	if (end < CAPSTUB_TARGET_MIN)
		return -ENOENT;
	rc = blk_rw(dev, BLK_READ, w->first_block + (from - CAPSTUB_LABEL_SIZE) / dev->block_size, l,
		    sizeof(*l));
	if (rc)
		return rc;
	switch (label_check(l, end)) {
	case LABEL_OK:
		break;
	case LABEL_BAD_CRC:
		return log_err(
			-EBADMSG,
			"%s part %u: label CRC is %08x, should be %08x: run capstub format again",
			dev->name, w->part, (unsigned)l->crc32c, (unsigned)label_crc(l));
	case LABEL_BAD_VERSION:
		return log_err(-EBADMSG, "%s part %u: label version %u is not known here",
			       dev->name, w->part, (unsigned)l->version);
	case LABEL_BAD_SIZE:
		/*
		 * A whole disk and its last MBR partition may end together; the size tells whose
		 * label it is
		 */
		if (w->part || w->bytes)
			return log_err(-EBADMSG, "%s part %u: resized since capstub format",
				       dev->name, w->part);
		return -ENOENT;
	default:
		return -ENOENT;
	}
	l->name[sizeof(l->name) - 1] = '\0';
	return 0;
}

static void set_target(struct target *t, struct blk_dev *dev, const struct window *w)
{
	t->dev = dev;
	t->first_block = w->first_block;
	t->end = window_end(dev, w);
	t->label = label_buf;
	t->file = w->bytes ? &file : NULL;
	if (w->bytes)
		snprintf(t->name, sizeof(t->name), "%s file", dev->name);
	else if (w->part)
		snprintf(t->name, sizeof(t->name), "%s partition %u", dev->name, w->part);
	else
		snprintf(t->name, sizeof(t->name), "%s", dev->name);
}

int target_read_block(void *ctx, uint64_t offset, void *block)
{
	return target_rw(ctx, BLK_READ, offset, block, VOUCH_BLOCK);
}

/*
 * Is the place still what the label in label_buf says? 0, -EEXIST (foreign, said so), another
 * -errno.
 */
static int check_ends(struct blk_dev *dev, const struct window *w)
{
	struct target t;
	struct vouch_src src = { target_read_block, &t, target_block, window_end(dev, w) };
	int rc;

	set_target(&t, dev, w);
	rc = vouch_check(label_buf, &src);
	return rc != -EEXIST ? rc : log_err(rc, "%s: something else was written there since capstub format: "
					    "run it again if that may be lost", t.name);
}

static int scan_block(void *ctx, uint64_t offset, void *block)
{
	return deadline_passed(scan_until) ? -ETIMEDOUT : target_read_block(ctx, offset, block);
}

/*
 * Does the word name this window before its label is looked at? any, UUID= and LABEL= depend on the
 * label alone.
 */
static bool place_matches(const struct search *s, const struct part *p)
{
	const struct target_spec *spec = s->spec;

	switch (spec->kind) {
	case TARGET_ANY:
	case TARGET_UUID:
	case TARGET_LABEL:
		return true;
	case TARGET_SERIAL:
		return !strcmp(s->dev->serial, spec->text);
	case TARGET_PARTUUID:
		if (!p)
			return false;
		return spec->mbr ? p->mbr && p->mbr_signature == spec->mbr_signature &&
					   p->index == spec->mbr_index
				 : !p->mbr && !memcmp(p->uuid, spec->uuid, sizeof(p->uuid));
	case TARGET_PARTLABEL:
		return p && !p->mbr && !strcmp(p->label, spec->text);
	default:
		return false;
	}
}

/* The other half of place_matches(): words that name the label, not the place */
static bool label_matches(const struct target_spec *spec, const struct capstub_label *l)
{
	if (spec->kind == TARGET_UUID)
		return !memcmp(l->uuid, spec->uuid, sizeof(l->uuid));
	if (spec->kind == TARGET_LABEL)
		return !strcmp(l->name, spec->text);
	return true;
}

/* Does the word itself point at a place (so that a missing label there is worth a message)? */
static bool names_place(const struct target_spec *spec)
{
	return spec->kind != TARGET_ANY && spec->kind != TARGET_UUID && spec->kind != TARGET_LABEL;
}

/* A window that has no label where it ends: has it one where it ended before? */
static void look_behind(struct search *s, const struct window *w)
{
	struct target t;
	struct vouch_src src = { s->again ? scan_block : target_read_block, &t, target_block, window_end(s->dev, w) };

	if (src.end < CAPSTUB_TARGET_MIN)
		return;
	set_target(&t, s->dev, w);
	if (!vouch_bare(&src))
		return;
	s->bare++;
	if (s->again && vouch_find_smaller(&src) && label_matches(s->spec, (void *)target_block)) {
		log_warn("%s: it has grown since capstub format", t.name);
		s->grown++;
	}
}

/*
 * Is this the match, by another way? A disk with two ports is two disks to us, with one name. What was copied to
 * another disk is there under another name.
 */
static bool is_match_again(const struct search *s, const struct window *w)
{
	static const uint8_t no_name[sizeof(s->dev->shared_id)];
	const struct blk_dev *a = s->dev, *b = &s->match_dev;

	return s->matches && s->match_disk != s->disk && memcmp(a->shared_id, no_name, sizeof(no_name)) &&
	       !memcmp(a->shared_id, b->shared_id, sizeof(no_name)) && !strcmp(a->serial, b->serial) &&
	       a->block_size == b->block_size && a->nr_blocks == b->nr_blocks &&
	       w->first_block == s->match.first_block && w->nr_blocks == s->match.nr_blocks &&
	       !memcmp(label_buf->uuid, s->match_uuid, sizeof(s->match_uuid));
}

/*
 * Judge one window that the word may mean. Returns non-zero only when the device is lost, which
 * ends the scan of its table; a bad spot where a label would be makes this window no target, and no
 * more.
 */
static int judge(struct search *s, const struct window *w)
{
	int rc = read_label(s->dev, w);

	if (rc == -ENOENT) {
		s->unlabelled += names_place(s->spec);
		if (!s->matches && !w->bytes)
			look_behind(s, w);
		return s->dev->failed ? s->dev->fail_code : 0;
	}
	if (s->again)
		return s->dev->failed ? s->dev->fail_code : 0;
	if (rc == -EBADMSG) {
		s->damaged++;
		return 0;
	}
	if (rc) {
		s->read_error = rc;
		return s->dev->failed ? rc : 0;
	}
	if (!label_matches(s->spec, label_buf))
		return 0;
	/* "any" has no say in which, so what is foreign is none; else it is a match, and checked at the end */
	if (s->spec->kind == TARGET_ANY && (rc = check_ends(s->dev, w))) {
		s->foreign += rc == -EEXIST;
		s->read_error = rc == -EEXIST ? s->read_error : rc;
		return s->dev->failed ? rc : 0;
	}
	if (is_match_again(s, w)) {
		log_info("%s is %s by another way", s->dev->name, s->match_dev.name);
		return 0;
	}
	if (s->matches)
		log_warn("%s part %u matches dump=%s too", s->dev->name, w->part, s->spec->text);
	/* Only the first is kept: a second one is counted, and forbids both */
	if (!s->matches++) {
		s->match_disk = s->disk;
		s->match_dev = *s->dev;
		s->match = *w;
		memcpy(s->match_uuid, label_buf->uuid, sizeof(s->match_uuid));
	}
	return 0;
}

/* @p NULL: the whole disk */
static int look_at(struct search *s, const struct part *p)
{
	struct window w = {
		.first_block = p ? p->first_lba : 0,
		.nr_blocks = p ? p->nr_blocks : s->dev->nr_blocks,
		.part = p ? p->index : 0,
	};

	return place_matches(s, p) ? judge(s, &w) : 0;
}

/* Has this disk the map where the word says? On most of them something else is there. */
static int look_at_file(struct search *s)
{
	const struct capstub_extents *h = (void *)target_block;
	struct extents_io io = file_io(s->dev);
	uint64_t at = s->spec->file_at;
	struct window w = { .first_block = at / s->dev->block_size };
	int rc;

	if (!IS_ALIGNED(at, io.align) || !range_inside(at, sizeof(*h), 0, io.disk_bytes))
		return 0;
	rc = file_read(s->dev, at, target_block, sizeof(*h));
	if (rc || !extents_head_ok(h, at, &io) || memcmp(h->uuid, s->spec->uuid, sizeof(h->uuid)))
		return rc;
	w.bytes = h->target_bytes;
	return judge(s, &w);
}

static enum capstub_stop stop_code(int rc, enum capstub_stop otherwise)
{
	switch (rc) {
	case -ETIMEDOUT:
		return STOP_DEVICE_TIMEOUT;
	case -ENODEV:
		return STOP_DEVICE_GONE;
	case -EROFS:
		return STOP_TARGET_READ_ONLY;
	}
	return otherwise;
}

/*
 * Read the map of the match and see that all of its extents are still those of the file. From there on a window of
 * it is what the map says.
 */
static enum capstub_stop open_file(struct search *s)
{
	const struct capstub_extents *h = (void *)target_block;
	struct extents_io io = file_io(s->dev);
	uint64_t at = s->spec->file_at;
	uint32_t bytes, bad = 0;
	int rc = file_read(s->dev, at, target_block, sizeof(*h));

	if (rc || !extents_head_ok(h, at, &io))
		goto moved;
	bytes = extents_bytes(h->nr);
	file.io = io;
	file.v = mem_take("extents of a file", bytes + sizeof(*h), 4096, MEM_ANY);
	file.head = (void *)((uint8_t *)file.v + bytes);
	if (!file.v)
		return log_err(STOP_ASSERT, "no memory for the %u extents of a file", h->nr);
	rc = file_read(s->dev, at - bytes, file.v, bytes + sizeof(*h));
	/* What is read twice need not be the same */
	if (rc || !extents_head_ok(file.head, at, &io) || extents_bytes(file.head->nr) != bytes ||
	    file.head->target_bytes != s->match.bytes || memcmp(file.head->uuid, s->match_uuid, sizeof(h->uuid)) ||
	    !extents_ok(&file))
		goto moved;
	file.io.read = proof_read;
	rc = extents_prove(&file, &bad);
	file.io.read = file_read;
	if (!rc)
		return STOP_OK;
	log_print(LOG_ERR, "extent %u of %u, at %lu:", bad, file.head->nr, file.v[bad].disk);
moved:
	return rc && rc != -EEXIST ? stop_code(rc, STOP_READ_ERROR) :
	       log_err(STOP_FILE_MOVED, "%s: what lies at %lu is not the file as it was: run capstub save or capstub format",
		       s->dev->name, at);
}

static int look_at_part(void *ctx, const struct part *p)
{
	return look_at(ctx, p);
}

/* Look at every place on the open disk */
static void search_disk(struct search *s)
{
	struct part_source src = {
		.read = disk_read,
		.ctx = s->dev,
		.block_size = s->dev->block_size,
		.nr_blocks = s->dev->nr_blocks,
		.buf = target_block,
	};
	int rc = s->spec->file_at ? look_at_file(s) : look_at(s, NULL);

	if (!rc && !s->spec->file_at)
		rc = part_scan(&src, look_at_part, s);
	if (rc)
		s->read_error = rc;
}

/*
 * The stop code that helps most, from the most to the least specific: two targets, one that has
 * another owner, a label to repair, one that has grown, a place to format, one that cannot be read, a disk in the wrong
 * format, a controller to look into, nothing found at all.
 */
static enum capstub_stop search_failed(const struct search *s, const struct disk_iter *it,
				       const struct boot_info *bi)
{
	const char *word = s->spec->text;

	/* Then not all was looked at */
	if (idle_deadline_over())
		return log_err(STOP_DEADLINE, "dump=%s: the deadline passed before the target was open", word);
	if (s->matches > 1)
		return log_err(STOP_AMBIGUOUS_TARGET, "dump=%s: %u targets match, none is written",
			       word, s->matches);
	/* It may be behind one of these */
	disk_name_driverless(bi);
	if (s->foreign)
		return STOP_FOREIGN_DATA;	/* said where it was found */
	if (s->damaged)
		return log_err(STOP_BAD_LABEL, "dump=%s: no match, %u damaged label(s)", word,
			       s->damaged);
	if (s->grown)
		return log_err(STOP_TARGET_RESIZED, "dump=%s: the target has grown since format: run capstub format",
			       word);
	if (s->unlabelled)
		return log_err(
			STOP_NO_LABEL,
			"dump=%s: found, but it carries no capstub label: run capstub format",
			word);
	if (s->read_error)
		return log_err(stop_code(s->read_error, STOP_READ_ERROR),
			       "dump=%s: no match; a disk could not be read (%d)", word,
			       s->read_error);
	if (it->unsupported)
		return log_err(STOP_UNSUPPORTED_FORMAT,
			       "dump=%s: no target; %u disk(s) in a format that is not supported", word,
			       it->unsupported);
	if (it->failures && it->last_error == -EXDEV)
		return log_err(STOP_IOMMU, "dump=%s: no target; the IOMMU lets no DMA of %u controller(s) through", word,
			       it->failures);
	if (it->failures && it->last_error == -ETIMEDOUT)
		return log_err(STOP_DEVICE_TIMEOUT,
			       "dump=%s: no target; %u controller(s) did not start", word,
			       it->failures);
	if (it->failures)
		return log_err(STOP_DEVICE_INIT,
			       "dump=%s: no target; %u controller(s) did not start", word,
			       it->failures);
	if (s->spec->file_at && s->disk)
		return log_err(STOP_FILE_MOVED, "dump=%s: no disk has the map of a file there", word);
	return log_err(STOP_NO_TARGET, "dump=%s: no such target among %u disk(s)", word, s->disk);
}

static void search_all(struct search *s, struct disk_iter *it, const struct boot_info *bi)
{
	while (!disk_next(it, bi, &s->dev)) {
		if (!s->again)
			log_info("disk %s: %lu blocks of %u bytes%s%s", s->dev->name, s->dev->nr_blocks, s->dev->block_size,
				 s->dev->serial[0] ? ", serial " : "", s->dev->serial);
		search_disk(s);
		disk_done(it, s->dev, s->matches && s->match_disk == s->disk);
		s->disk++;
	}
}

/*
 * Every disk of the machine is looked at: that time is the price of knowing that there is no second match. When
 * there is no match at all, what may have grown is looked through.
 */
enum capstub_stop target_open(struct target *t, const struct boot_info *bi,
			      const struct target_spec *spec)
{
	struct search s = { .spec = spec };
	struct disk_iter it = { 0 };
	int rc;

	label_buf = mem_take("label", sizeof(*label_buf), 4096, MEM_ANY);
	target_block = mem_take("target block", VOUCH_BLOCK, 4096, MEM_ANY);
	if (!label_buf || !target_block)
		return log_err(STOP_ASSERT, "no memory to look for a target");
	search_all(&s, &it, bi);
	if (!s.matches && !s.foreign && !s.damaged && s.bare) {
		struct disk_iter again = { 0 };
		unsigned disks = s.disk;

		s.again = true;
		scan_until = deadline_in_us(SCAN_US);
		search_all(&s, &again, bi);
		s.disk = disks;
	}
	if (s.matches != 1 || idle_deadline_over()) {
		disk_forget(&it);
		return search_failed(&s, &it, bi);
	}

	rc = disk_reopen(&it, bi, &s.dev);
	if (rc)
		return log_err(STOP_DEVICE_INIT, "%s could not be opened again (%d)", s.match_dev.name, rc);
	rc = read_label(s.dev, &s.match);
	if (rc || memcmp(label_buf->uuid, s.match_uuid, sizeof(s.match_uuid))) {
		blk_shutdown(s.dev);
		return log_err(!rc || rc == -EBADMSG || rc == -ENOENT ? STOP_BAD_LABEL
								      : stop_code(rc, STOP_READ_ERROR),
			       "%s: the label changed under us (%d)", s.dev->name, rc);
	}
	if (s.dev->read_only) {
		blk_shutdown(s.dev);
		return log_err(STOP_TARGET_READ_ONLY, "%s is read-only", s.dev->name);
	}
	if (s.match.bytes) {
		enum capstub_stop stop = open_file(&s);

		if (stop != STOP_OK) {
			blk_shutdown(s.dev);
			return idle_deadline_over() ? search_failed(&s, &it, bi) : stop;
		}
	}
	rc = check_ends(s.dev, &s.match);
	if (rc) {
		blk_shutdown(s.dev);
		return rc == -EEXIST ? STOP_FOREIGN_DATA : stop_code(rc, STOP_READ_ERROR);
	}
	/*
	 * @t is filled only now, and the window is fixed: nothing that is read later can change it
	 */
	set_target(t, s.dev, &s.match);
	return STOP_OK;
}

/*
 * The driver itself is asked first, and not blk_shutdown(), whose table of requests may be what was
 * being changed: it knows how to stop a disk in good order, and is safe to call twice. A controller
 * that was being looked at is in no target yet.
 */
void target_abort(struct target *t)
{
	if (t->dev)
		t->dev->ops->shutdown(t->dev);
	disk_abort();
}

/*
 * The only place where an offset becomes a block of the disk. That every write comes through here
 * is what makes the promise of stub/disk/target.h hold: a wrong length anywhere above ends in an error,
 * not in the neighbouring partition. The label and the log area lie inside the window; keeping the
 * dump out of them is the layout's business (stub/send/dump.c).
 */
int target_lba(const struct target *t, uint64_t offset, uint64_t len, uint64_t *ret_lba)
{
	if (!len || !range_inside(offset, len, 0, t->end))
		return log_err(-ERANGE, "%s: %lu + %lu is outside the target", t->name, offset,
			       len);
	if (!IS_ALIGNED(offset | len, t->dev->block_size))
		return log_err(-ERANGE, "%s: %lu + %lu is not whole blocks", t->name, offset,
			       len);
	if (t->file) {
		uint64_t run, at = extents_find(t->file, offset, &run);

		if (len > run)
			return log_err(-ERANGE, "%s: %lu + %lu is not one piece", t->name, offset, len);
		*ret_lba = at / t->dev->block_size;
		return 0;
	}
	*ret_lba = t->first_block + offset / t->dev->block_size;
	return 0;
}

int target_rw(struct target *t, enum blk_op op, uint64_t offset, void *buf, size_t len)
{
	/* All of it, or nothing */
	bool inside = range_inside(offset, len, 0, t->end);
	uint64_t lba, run;
	int rc;

	do {
		run = inside ? min_u64(len, target_run(t, offset)) : len;
		rc = target_lba(t, offset, run, &lba);
		if (!rc)
			rc = blk_rw(t->dev, op, lba, buf, run);
		offset += run;
		buf = (char *)buf + run;
		len -= run;
	} while (!rc && len);
	return rc;
}

/*
 * The flush makes the label a step in the order of writes: what follows cannot overtake it. One
 * 4-KiB write is not atomic on every disk; a torn one has a bad CRC, which says "damaged", never
 * "complete".
 */
int target_write_label(struct target *t)
{
	int rc;

	t->label->crc32c = label_crc(t->label);
	rc = target_rw(t, BLK_WRITE, t->end - CAPSTUB_LABEL_SIZE, t->label, sizeof(*t->label));
	return rc ? rc : blk_flush(t->dev);
}

/*
 * Once the device is abandoned every later request says -ENODEV: the first failure tells the story
 */
enum capstub_stop target_stop_code(const struct target *t, int rc)
{
	return stop_code(t->dev->failed ? t->dev->fail_code : rc, STOP_WRITE_ERROR);
}
