// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * capstub format: make a partition, disk or image file a dump target. The label is the only
 * permission to write that the stub ever gets, so nothing is labelled that could belong to
 * somebody.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <unistd.h>

#include "stub/format/vouch.h"
#include "tools/cmd/args.h"
#include "tools/cmd/commands.h"
#include "tools/media/device.h"
#include "tools/media/estimate.h"
#include "tools/media/inuse.h"
#include "tools/media/kind.h"
#include "tools/media/pin.h"
#include "tools/media/place.h"
#include "tools/media/target.h"
#include "tools/util.h"

#define CLEAR_BYTES	(1u << 20)	/* zeroed at the start: headers of whatever was there */

struct format_args {
	const char *path;
	const char *name;
	const uint8_t *uuid;		/* NULL: random */
	uint8_t uuid_buf[16];
	uint64_t size;			/* of a new image file; 0: none */
	bool force, new_uuid, no_type, image;
};

static struct format_args format_args;

/* The name is printed on consoles and terminals: no control characters */
static void parse_name(const char *name, struct argp_state *state)
{
	const char *p;

	if (strlen(name) >= sizeof(((struct capstub_label *)NULL)->name))
		argp_error(state, "the name is longer than 63 bytes");
	for (p = name; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			argp_error(state, "the name holds a control character");
	format_args.name = name;
}

static void parse_size(const char *text, struct argp_state *state)
{
	uint64_t *size = &format_args.size;

	if (parse_bytes(text, size) || !*size || *size > INT64_MAX)
		argp_error(state, "'%s' is not a size", text);
}

static void parse_uuid(const char *text, struct argp_state *state)
{
	if (uuid_parse(text, format_args.uuid_buf))
		argp_error(state, "'%s' is not a UUID", text);
	format_args.uuid = format_args.uuid_buf;
}

static void check_args(struct argp_state *state)
{
	if (format_args.uuid && format_args.new_uuid)
		argp_error(state, "--uuid and --new-uuid exclude each other");
}

static const struct arg options[] = {
	{ "force", 'f', NULL, "Format even if a filesystem, a partition table or an unsaved dump is there",
	  &format_args.force, NULL },
	{ "image", 0x102, NULL, "With --size: the disk image of a virtual machine, sparse, and no file for the stub of this machine",
	  &format_args.image, NULL },
	{ "name", 'n', "NAME", "A name, at most 63 bytes (default: that of the label it has)", NULL, parse_name },
	{ "new-uuid", 0x100, NULL, "A new UUID in place of that of the label it has", &format_args.new_uuid, NULL },
	{ "no-type", 0x101, NULL, "Leave the type of a GPT partition as it is", &format_args.no_type, NULL },
	{ "size", 's', "SIZE", "Create the file TARGET with this size (4G, 512M, bytes)", NULL, parse_size },
	{ "uuid", 'U', "UUID", "Use this UUID (default: that of the label it has, or a random one)", NULL, parse_uuid },
	{ 0 }
};

static const struct args args = {
	.options = options, .paths = &format_args.path, .max = 1, .check = check_args,
	.usage = "TARGET", .which = "which TARGET? A partition, a whole disk or an image file",
	.too_many = "one TARGET at a time",
	.doc = "Write a capstub label to TARGET, a block device or an image file. "
	       "All its contents are lost.",
};

/*
 * Blocks of its own for a new file: then the stub of this machine can write to it. Where it would not find them that is
 * refused, as of a device. What is too small for a dump of this machine, or on no disk at all, as in a container, can only be
 * meant as the image of a virtual one.
 */
static int allocate(const struct format_args *a, int fd, bool *ret_placed)
{
	uint64_t bytes = a->size & ~(uint64_t)4095, end;
	struct estimate e;
	struct place p;
	int rc;

	if (!a->force && estimate_dump(&e, "") && bytes < e.lzo) {
		printf("%s is too small for a dump of this machine, which would need about %s: as the disk image of a virtual machine "
		       "it will do, and with --force it is a target of this one\n", a->path, human_bytes(e.lzo));
		return 0;
	}
	rc = place_look(&p, fd);
	if (!rc && p.d.reach == REACH_LOOP)
		note("%s is on a loop device: the stub would not find it on this machine", a->path);
	else if (!rc && p.d.reach != REACH_STUB)
		rc = place_refuse(&p, -ENODEV, "is on %s, which the stub cannot write to", p.d.what);
	if (rc && (p.no_disk || a->force)) {
		printf("%s %s: as the disk image of a virtual machine it will do\n", a->path, p.why);
		return 0;
	}
	if (rc)
		return fail(rc, "%s %s. Choose another file system, or use --image for the disk image of a virtual machine",
			    a->path, p.why);
	rc = place_fill(fd, a->path, bytes);
	if (rc)
		return rc;
	rc = place_extents(&p, fd, bytes);
	end = rc ? 0 : place_end(&p, bytes);
	place_free(&p);
	if (!rc && !end)
		rc = -EFBIG;
	if (rc)
		return fail(rc, "%s %s: the stub cannot use it. Choose another file system, or one with more room", a->path,
			    rc == -EFBIG ? "is in pieces of less than 200 KiB" : p.why);
	*ret_placed = true;
	if (end == bytes)
		return 0;
	note("%s: the free space is in small pieces, so the file has %s", a->path, human_bytes(end));
	return ftruncate(fd, (off_t)end) || fsync(fd) ? fail(-errno, "%s: %s", a->path, strerror(errno)) : 0;
}

/*
 * Mode 0600: a dump will hold every secret of the machine. An image is sparse: it costs nothing until then.
 */
static int create_file(const struct format_args *a, bool *ret_placed)
{
	int fd = open(a->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int rc = 0;

	if (fd < 0 && errno == EEXIST)
		return fail(-EEXIST, "%s exists: --size is for new files", a->path);
	if (fd < 0)
		return fail(-errno, "%s: %s", a->path, strerror(errno));
	if (ftruncate(fd, (off_t)a->size))
		rc = fail(-errno, "%s: %s", a->path, strerror(errno));
	if (!rc && !a->image && a->size >= CAPSTUB_TARGET_MIN)
		rc = allocate(a, fd, ret_placed);
	if (close(fd) && !rc)
		rc = fail(-errno, "%s: %s", a->path, strerror(errno));
	if (rc)
		unlink(a->path);
	return rc;
}

static int check_size(const struct target *t, bool force)
{
	struct estimate e;

	if (!estimate_dump(&e, "") || t->end >= e.raw)
		return 0;
	note("%s has %s. A dump of this machine at level=31 would need about %s now, %s with LZO: "
	     "its %s of memory, less what is free, cached and user memory", t->path,
	     human_bytes(t->end), human_bytes(e.raw), human_bytes(e.lzo), human_bytes(e.memory));
	if (force || t->end >= e.lzo)
		return 0;
	return fail(-ENOSPC, "%s is smaller than that: choose a larger target, or use --force, and "
		    "the most valuable pages are what it gets", t->path);
}

/* Would it be of use, and does the machine need it for something that leaves no signature? */
static int check_device(const struct target *t, const struct device *d, bool force)
{
	if (d->reach == REACH_LOOP)
		note("%s is a loop device: fine as the disk of a virtual machine, but the stub would not "
		     "find it on this one", t->path);
	if (d->reach == REACH_FORMAT && !force)
		return fail(-ENODEV, "%s is on %s, which the stub cannot write to: format the namespace in "
			    "another way ('nvme format'), choose another target, or use --force",
			    t->path, d->what);
	if (d->reach == REACH_NEVER && !force)
		return fail(-ENODEV, "%s is on %s: the stub, which knows disks on NVMe, AHCI and virtio, "
			    "would not find it. Choose another target, or use --force if it is the disk "
			    "of another machine", t->path, d->what);
	return d->reach == REACH_STUB ? check_size(t, force) : 0;
}

/*
 * Everything that speaks against writing here. In use and reserved are never overruled; the rest is
 * by --force.
 */
static int check_target(const struct target *t, const struct device *d, bool force)
{
	enum file_kind kind;
	struct signatures found;
	int rc;

	if (t->end < CAPSTUB_TARGET_MIN)
		return fail(-ENOSPC, "%s has %s: a target needs at least %s", t->path,
			    human_bytes(t->bytes), human_bytes(CAPSTUB_TARGET_MIN));
	if (device_reserved(d))
		return fail(-EPERM, "%s is %s (type %s), which may be what this machine boots from: "
			    "choose another target, or give it another type first if it is not needed "
			    "(sfdisk --part-type)", t->path, device_reserved(d), d->type);
	rc = inuse_check(t);
	if (!rc)
		rc = target_lock(t);
	if (rc || force)
		return rc ? rc : check_device(t, d, force);
	if (label_readable(t) && capstub_label_unsaved(&t->label))
		return fail(-EEXIST, "%s holds a dump that was not saved (%s, %s): run "
			    "'capstub save %s' first, or use --force", t->path,
			    state_name(t->label.state), human_time(t->label.crash_time), t->path);
	/* The dump on a target is the label's business, which knows whether it was saved */
	kind = kind_of(t->fd, t->bytes);
	if (kind != KIND_UNKNOWN && (t->status != LABEL_OK || t->label.state == CAPSTUB_EMPTY))
		return fail(-EEXIST, "%s is %s: choose another target, or use --force to lose it",
			    t->path, kind_text(kind));
	rc = inuse_signatures(t, false, &found);
	/* A label that something else lies beside: it is there, even if libblkid has no name for it */
	if (!rc && (found.nr || t->status == LABEL_FOREIGN))
		return fail(-EEXIST, "%s is not empty%s: choose another target, or use --force to "
			    "lose what is there", t->path,
			    t->status == LABEL_FOREIGN ? ", it was written to since it was formatted" : "");
	return rc ? rc : check_device(t, d, force);
}

/* Random UUID, RFC 4122 §4.4: version 4 in octet 6, variant 10 in octet 8 */
static int random_uuid(uint8_t uuid[16])
{
	if (getrandom(uuid, 16, 0) != 16)
		return fail(-EIO, "the kernel gives no random numbers: %s", strerror(errno));
	uuid[6] = (uuid[6] & 0x0f) | 0x40;
	uuid[8] = (uuid[8] & 0x3f) | 0x80;
	return 0;
}

/*
 * Headers, dump and log of an earlier life go, so that an empty label means nothing to read; and both
 * ends are what the label will vouch for.
 */
static int clear_areas(const struct target *t)
{
	uint64_t tail = t->end - CAPSTUB_LABEL_SIZE - CAPSTUB_TAIL_MAX;
	size_t head = tail < CLEAR_BYTES ? tail : CLEAR_BYTES;
	uint8_t *zero = must_alloc(CLEAR_BYTES, 1);
	int rc = write_at(t->fd, zero, head, 0);

	if (!rc)
		rc = write_at(t->fd, zero, t->end - tail, tail);
	/* The zeros must be there before the label says that they are */
	if (!rc && fsync(t->fd))
		rc = -errno;
	free(zero);
	return rc ? fail(rc, "%s: clearing it failed: %s", t->path, strerror(-rc)) : 0;
}

/*
 * All fields that are not set here are 0: no result yet. A target keeps the names by which a stub
 * that is loaded, or a script, knows it.
 */
static int write_label(struct target *t, const struct format_args *a, const struct place *p)
{
	const struct capstub_label old = t->label;
	struct capstub_label *l = &t->label;
	/* Of one that has grown, too: its configuration goes on naming it */
	bool keep = t->status == LABEL_OK || (t->status == LABEL_BAD_SIZE && old.target_bytes < t->end);
	uint8_t block[VOUCH_BLOCK];
	int rc = 0;

	memset(l, 0, sizeof(*l));
	vouch_zeros(&l->vouch, block);
	memcpy(l->magic, CAPSTUB_LABEL_MAGIC, sizeof(l->magic));
	l->version = CAPSTUB_LABEL_VERSION;
	l->target_bytes = t->end;
	l->state = CAPSTUB_EMPTY;
	if (a->name)
		strcpy(l->name, a->name);
	else if (keep)
		memcpy(l->name, old.name, sizeof(l->name) - 1);
	if (a->uuid)
		memcpy(l->uuid, a->uuid, sizeof(l->uuid));
	else if (keep && !a->new_uuid)
		memcpy(l->uuid, old.uuid, sizeof(l->uuid));
	else
		rc = random_uuid(l->uuid);
	if (!rc && p)
		rc = place_label(t, p);
	if (!rc && p)
		rc = place_map(t, p);
	if (!rc)
		rc = target_write_label(t);
	return rc ? rc : t->status == LABEL_OK ? 0 :
	       fail(-EIO, "%s: zeros read back changed: the device is faulty", t->path);
}

/* The stub writes to neither of two targets that match one word */
static void warn_duplicate(void *ctx, const char *path, const struct capstub_label *other)
{
	const struct target *t = ctx;
	const struct capstub_label *l = &t->label;

	if (!memcmp(l->uuid, other->uuid, sizeof(l->uuid)))
		note("%s has the same UUID: the stub would write to neither. Format one of them with "
		     "--new-uuid", path);
	else if (l->name[0] && !strcmp(l->name, other->name))
		note("%s has the name '%s' too: with dump=LABEL= the stub would write to neither. Use "
		     "dump=UUID=, or another --name", path, l->name);
}

/* A device of this machine, or the disk of another one? */
static void print_next(const struct target *t, const char *word)
{
	char uuid[UUID_TEXT], path[PATH_MAX];

	uuid_format(uuid, t->label.uuid);
	printf("%s: %s, ready to take a dump\n", t->path, human_bytes(t->end));
	printf("UUID %s\n\n", uuid);
	if (t->is_blk)
		printf("The next step: capstub setup --target=%s\n", t->path);
	else if (strchr(word, '@'))
		printf("The next step: capstub setup --target=%s\n", realpath(t->path, path) ? path : t->path);
	else
		printf("The next step, in the machine whose disk it is: capstub setup --target=%s\n", word);
	printf("Or by hand: crashkernel=1M on the kernel's command line, Target=%s\n"
	       "in [Stub] of /etc/capstub.conf, and 'capstub load'.\n", word);
	if (strchr(word, '@'))
		puts("The stub goes by that address, so the file must stay where it is: 'capstub load' makes it immutable.");
}

/* The kernel still shows the partitions of a table that was just erased */
static void forget_partitions(const struct target *t)
{
	if (t->is_blk && ioctl(t->fd, BLKRRPART) && errno == EBUSY)
		note("%s: the kernel keeps its old partitions until they are not in use", t->path);
}

/* Where a file lies that was allocated for this, or was a target of this kind before */
static int look_at_place(const struct target *t, struct place *p)
{
	int rc = place_look(p, t->fd);

	if (!rc)
		rc = place_extents(p, t->fd, t->end);
	if (!rc && place_end(p, t->end) != t->end)
		return fail(-EOPNOTSUPP, "%s is in pieces where its map has to be: delete it and format it anew with --size", t->path);
	pin_hint(t->fd);
	return rc ? fail(rc, "%s %s: delete it and format it anew with --size", t->path, p->why) : 0;
}

/* Nothing is written before every check has passed */
static int format_target(const struct format_args *a, bool placed)
{
	struct signatures found = { 0 };
	struct capstub_extents head;
	struct place p = { 0 };
	struct target t;
	struct device d;
	char word[PIN_WORD];
	int rc = target_open(&t, a->path, O_RDWR | O_EXCL);

	if (rc)
		return rc;
	target_look_behind(&t);
	device_look(&d, &t);
	rc = check_target(&t, &d, a->force);
	if (!rc && a->force)
		rc = inuse_signatures(&t, true, &found);
	placed |= !rc && place_has_map(&t, &head);
	if (!rc && placed)
		rc = look_at_place(&t, &p);
	if (!rc)
		rc = clear_areas(&t);
	if (!rc)
		rc = write_label(&t, a, placed ? &p : NULL);
	place_free(&p);
	snprintf(word, sizeof(word), "%s", rc ? "" : place_word(&t));
	if (!rc && found.nr)
		forget_partitions(&t);
	target_close(&t);
	if (rc)
		return rc;
	if (t.is_blk)
		target_others(&t, warn_duplicate, &t);
	/* Only what other programs see: a target is none the less one without it */
	if (!a->no_type && d.part && !strcmp(d.table, "gpt") && strcmp(d.type, CAPSTUB_GPT_TYPE))
		device_set_type(&d, CAPSTUB_GPT_TYPE);
	print_next(&t, word);
	return 0;
}

/* An image that this run has made and that became no target is of no use */
static int format(const struct format_args *a)
{
	bool placed = false;
	int rc;

	if (!a->size && access(a->path, F_OK) && errno == ENOENT)
		return fail(-ENOENT, "%s does not exist: for a new image file give --size, for "
			    "instance --size 4G", a->path);
	rc = a->size ? create_file(a, &placed) : 0;
	if (rc)
		return rc;
	rc = format_target(a, placed);
	if (rc && a->size)
		unlink(a->path);
	return rc;
}

int format_main(int argc, char **argv)
{
	args_parse(&args, argc, argv);
	return format(&format_args) ? EXIT_FAILED : EXIT_OK;
}
