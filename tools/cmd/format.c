// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * capstub format: make a partition, disk or image file a dump target. The label is the only
 * permission to write that the stub ever gets, so nothing is labelled that could belong to
 * somebody.
 */
#include <errno.h>
#include <fcntl.h>
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
#include "tools/media/target.h"
#include "tools/util.h"

#define CLEAR_BYTES	(1u << 20)	/* zeroed at the start: headers of whatever was there */

struct format_args {
	const char *path;
	const char *name;
	const uint8_t *uuid;		/* NULL: random */
	uint8_t uuid_buf[16];
	uint64_t size;			/* of a new image file; 0: none */
	bool force, new_uuid, no_type;
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
	{ "name", 'n', "NAME", "A name, at most 63 bytes (default: that of the label it has)", NULL, parse_name },
	{ "new-uuid", 0x100, NULL, "A new UUID in place of that of the label it has", &format_args.new_uuid, NULL },
	{ "no-type", 0x101, NULL, "Leave the type of a GPT partition as it is", &format_args.no_type, NULL },
	{ "size", 's', "SIZE", "Create the image file TARGET with this size (4G, 512M, bytes)", NULL, parse_size },
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
 * Mode 0600: a dump will hold every secret of the machine. Sparse: it costs nothing until then.
 */
static int create_image(const struct format_args *a)
{
	int fd = open(a->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int rc = 0;

	if (fd < 0 && errno == EEXIST)
		return fail(-EEXIST, "%s exists: --size is for new image files", a->path);
	if (fd < 0)
		return fail(-errno, "%s: %s", a->path, strerror(errno));
	if (ftruncate(fd, (off_t)a->size))
		rc = fail(-errno, "%s: %s", a->path, strerror(errno));
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
static int write_label(struct target *t, const struct format_args *a)
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
static void print_next(const struct target *t)
{
	char uuid[UUID_TEXT];

	uuid_format(uuid, t->label.uuid);
	printf("%s: %s, ready to take a dump\n", t->path, human_bytes(t->end));
	printf("UUID %s\n\n", uuid);
	if (t->is_blk)
		printf("The next step: capstub setup --target=%s\n", t->path);
	else
		printf("The next step, in the machine whose disk it is: capstub setup --target=UUID=%s\n", uuid);
	printf("Or by hand: crashkernel=1M on the kernel's command line, Target=UUID=%s\n"
	       "in [Stub] of /etc/capstub.conf, and 'capstub load'.\n", uuid);
}

/* The kernel still shows the partitions of a table that was just erased */
static void forget_partitions(const struct target *t)
{
	if (t->is_blk && ioctl(t->fd, BLKRRPART) && errno == EBUSY)
		note("%s: the kernel keeps its old partitions until they are not in use", t->path);
}

/* Nothing is written before every check has passed */
static int format_target(const struct format_args *a)
{
	struct signatures found = { 0 };
	struct target t;
	struct device d;
	int rc = target_open(&t, a->path, O_RDWR | O_EXCL);

	if (rc)
		return rc;
	target_look_behind(&t);
	device_look(&d, &t);
	rc = check_target(&t, &d, a->force);
	if (!rc && a->force)
		rc = inuse_signatures(&t, true, &found);
	if (!rc)
		rc = clear_areas(&t);
	if (!rc)
		rc = write_label(&t, a);
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
	print_next(&t);
	return 0;
}

/* An image that this run has made and that became no target is of no use */
static int format(const struct format_args *a)
{
	int rc;

	if (!a->size && access(a->path, F_OK) && errno == ENOENT)
		return fail(-ENOENT, "%s does not exist: for a new image file give --size, for "
			    "instance --size 4G", a->path);
	rc = a->size ? create_image(a) : 0;
	if (rc)
		return rc;
	rc = format_target(a);
	if (rc && a->size)
		unlink(a->path);
	return rc;
}

int format_main(int argc, char **argv)
{
	args_parse(&args, argc, argv);
	return format(&format_args) ? EXIT_FAILED : EXIT_OK;
}
