// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * capstub save: copy a dump off its target. Order matters: the target is marked saved, and so may
 * be overwritten by the next crash, only after every file is verified and on stable storage.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "tools/cmd/commands.h"
#include "tools/media/elf.h"
#include "tools/cmd/info.h"
#include "tools/media/outfile.h"
#include "tools/util.h"

/* Enough for the speed of a disk, little enough for a bar that moves */
#define COPY_BYTES	(1u << 20)

enum save_format { FORMAT_KDUMP, FORMAT_ELF };

struct save_args {
	const char *path;
	const char *dir;
	enum save_format format;
	bool force, keep, if_needed;
};

/* One run */
struct save {
	const struct save_args *a;
	struct target t;
	struct info info;
	char *dir;
	int dirfd;
	char *dmesg;
	size_t dmesg_len;
	bool complete;		/* every page that was chosen is there */
	struct saved saved;
	struct elf_job elf;
};

enum { OPT_IF_NEEDED = 0x100 };

static const struct argp_option options[] = {
	{"output", 'o', "DIR", 0, "Directory for the files (default: ./HOST-RELEASE-TIME)", 0},
	{"format", 'F', "FORMAT", 0,
	 "kdump: as captured, for crash, drgn, makedumpfile (default); "
	 "elf: for gdb",
	 0},
	{"force", 'f', NULL, 0,
	 "Save again what is saved, overwrite files, try to read a target "
	 "with a damaged label",
	 0},
	{"keep", 'k', NULL, 0, "Do not mark the target saved: it is only read", 0},
	{"if-needed", OPT_IF_NEEDED, NULL, 0,
	 "Succeed without a word when there is nothing to save", 0},
	{0},
};

/* argp; wrong usage ends here with status 2 */
static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct save_args *a = state->input;

	switch (key) {
	case 'o':
		a->dir = arg;
		return 0;
	case 'F':
		if (strcmp(arg, "kdump") && strcmp(arg, "elf"))
			argp_error(state, "the format is kdump or elf, not '%s'", arg);
		a->format = *arg == 'e' ? FORMAT_ELF : FORMAT_KDUMP;
		return 0;
	case 'f':
		a->force = true;
		return 0;
	case 'k':
		a->keep = true;
		return 0;
	case OPT_IF_NEEDED:
		a->if_needed = true;
		return 0;
	case ARGP_KEY_ARG:
		if (a->path)
			argp_error(state, "one TARGET at a time");
		a->path = arg;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "which TARGET?");
		return EINVAL;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "TARGET",
	.doc = "Copy the dump on TARGET to DIR/vmcore, with dmesg.txt, capstub.log and info.json, "
	       "verify the copy, and mark the target saved. With --format elf TARGET may also be a "
	       "vmcore that was saved before.",
};

/*
 * Positive: nothing to do, and that is well. A file without a label is a dump that was saved
 * before: it needs no `save`, but may be wanted as ELF. Negative is said, here or by
 * info_collect().
 */
static int check_state(const struct save *s)
{
	const struct target *t = &s->t;
	const struct save_args *a = s->a;

	if (t->status == LABEL_NONE) {
		if (s->info.kind == KIND_UNKNOWN)
			return fail(-ENOMSG, "%s %s", t->path, label_problem(t));
		if (s->info.kind == KIND_KDUMP && (a->format == FORMAT_ELF || a->force))
			return s->info.has_dump ? 0 : -EBADMSG;	/* info_collect() has said why */
		return fail(-EINVAL, "%s is %s: %s", t->path, kind_text(s->info.kind),
			    kind_advice(s->info.kind));
	}
	if (t->status != LABEL_OK)
		return a->force ? 0 : -EBADMSG;	/* info_collect() has said why */
	if (!capstub_label_unsaved(&t->label) && !(t->label.state == CAPSTUB_SAVED && a->force)) {
		if (a->if_needed)
			return 1;
		if (t->label.state == CAPSTUB_EMPTY)
			return fail(-ENODATA, "%s is empty: %s", t->path, t->label.stop_code ?
				    state_text(t->label.state, t->label.stop_code) :
				    "nothing was captured");
		return fail(-EALREADY, "%s was saved already (crash of %s): --force saves it again",
			    t->path, human_time(t->label.crash_time));
	}
	return 0;
}

/*
 * For a directory name, from text that a dead kernel left: no slash, no dot in front, no surprise
 */
static void append_name(char *dst, size_t size, const char *text)
{
	size_t len = strlen(dst);

	for (; *text && len + 1 < size; text++) {
		bool ok = (*text >= '0' && *text <= '9') || (*text >= 'A' && *text <= 'Z') ||
			  (*text >= 'a' && *text <= 'z') || strchr("+_-", *text) ||
			  (*text == '.' && len);

		dst[len++] = ok ? *text : '_';
	}
	dst[len] = 0;
}

/*
 * ./HOST-RELEASE-TIME; a time that is not known is left out. In UTC, so that the name does not
 * depend on where the dump is saved.
 */
static char *default_dir(const struct save *s)
{
	const struct capstub_label *l = &s->t.label;
	const struct disk_dump_header *h = &s->info.dump.hdr;
	bool label = s->t.status == LABEL_OK, header = s->info.has_dump;
	const char *release = label && l->release[0] ? l->release : header ? h->release : "";
	int64_t when = label && l->crash_time ? l->crash_time : header ? h->tv_sec : 0;
	time_t t = (time_t)when;
	char name[200] = "", time_text[32];
	struct tm tm;

	append_name(name, sizeof(name), header && h->nodename[0] ? h->nodename : "host");
	append_name(name, sizeof(name), "-");
	append_name(name, sizeof(name), release[0] ? release : "unknown");
	if (when && gmtime_r(&t, &tm) &&
	    strftime(time_text, sizeof(time_text), "-%Y%m%dT%H%M%SZ", &tm))
		append_name(name, sizeof(name), time_text);
	return strdup(name);
}

#define CORE_NAME "vmcore"

/* TARGET may be a vmcore that was saved before: --force is no leave to replace it by its own copy */
static bool core_is_target(const struct save *s)
{
	struct stat to, from;

	return !fstatat(s->dirfd, CORE_NAME, &to, 0) && !fstat(s->t.fd, &from) && to.st_dev == from.st_dev &&
	       to.st_ino == from.st_ino;
}

/*
 * All names are free, and there is room, before hours of copying begin. The room is that of a copy
 * without holes, so --force may still succeed where this says no; the size of an ELF file is not
 * known beforehand.
 */
static int check_output(const struct save *s)
{
	static const char *const small[] = { "dmesg.txt", "capstub.log", "info.json" };
	bool force = s->a->force;
	struct statvfs v;
	unsigned i;
	int rc = 0;

	for (i = 0; i < 3 && !rc && s->t.status != LABEL_NONE; i++)
		rc = outfile_check(s->dirfd, s->dir, small[i], force);
	if (rc || !s->info.has_dump)
		return rc;
	if (core_is_target(s))
		return fail(-EEXIST, "%s/%s is the dump to be saved: save to another directory with -o", s->dir,
			    CORE_NAME);
	rc = outfile_check(s->dirfd, s->dir, CORE_NAME, force);
	if (rc || force || s->a->format == FORMAT_ELF || fstatvfs(s->dirfd, &v))
		return rc;
	if ((uint64_t)v.f_bavail * v.f_frsize < s->saved.bytes)
		return fail(-ENOSPC,
			    "%s has %s free, the dump needs %s: save to another place with "
			    "-o, or try with --force (long runs of zeros take no room)",
			    s->dir, human_bytes((uint64_t)v.f_bavail * v.f_frsize),
			    human_bytes(s->saved.bytes));
	return 0;
}

/*
 * The used bytes, as they are; the CRC for outfile_verify() is computed on the way. A target that
 * cannot be read somewhere ends the save: what was copied would look whole to every reader.
 */
static int copy_stream(struct save *s, struct outfile *o)
{
	uint8_t *buf = must_alloc(COPY_BYTES, 1);
	struct progress p;
	uint64_t done = 0;
	int rc = 0;

	posix_fadvise(s->t.fd, 0, (off_t)s->saved.bytes, POSIX_FADV_SEQUENTIAL);
	progress_start(&p, "copying", s->saved.bytes);
	while (!rc && done < s->saved.bytes) {
		uint64_t left = s->saved.bytes - done;
		size_t len = left < COPY_BYTES ? left : COPY_BYTES;

		rc = read_at(s->t.fd, buf, len, done);
		if (rc) {
			progress_end(&p);
			fail(rc, "%s: reading at byte %llu failed: %s", s->t.path,
			     (unsigned long long)done, strerror(-rc));
			break;
		}
		rc = outfile_append(o, buf, len);
		done += len;
		progress_step(&p, done);
	}
	progress_end(&p);
	free(buf);
	return rc;
}

/*
 * Readers follow descriptors without asking (libkdumpfile 0.5.1 gets SIGBUS behind the end of a
 * file), so in the copy a damaged one becomes what a missing page looks like. The target itself is
 * not changed: other tools may still get something out of it. After the verification, so the CRC in
 * info.json is that of the bytes on the target.
 */
static int repair(const struct save *s, struct outfile *o)
{
	static const struct page_desc none;
	const struct kdump *k = &s->info.dump;
	uint32_t status = k->hdr.status | KDUMP_INCOMPLETE;
	struct kdump_walk w;
	struct kdump_page p;
	int rc;

	if (!s->info.counts.bad)
		return 0;
	kdump_walk_start(&w, k);
	while ((rc = kdump_walk_next(&w, &p)) == 1) {
		if (p.state != PAGE_BAD)
			continue;
		rc = write_at(o->fd, &none, sizeof(none), k->descs + p.index * sizeof(none));
		if (rc)
			break;
	}
	if (!rc)
		rc = write_at(o->fd, &status, sizeof(status),
			      offsetof(struct disk_dump_header, status));
	return rc ? fail(rc, "%s/%s: repairing it failed: %s", o->dir, o->name, strerror(-rc)) : 0;
}

/*
 * Copy or convert, verify, repair what readers would stumble over, then give the file its name
 */
static int save_core(struct save *s)
{
	struct outfile o;
	int rc = outfile_open(&o, s->dirfd, s->dir, CORE_NAME, s->a->force);

	if (rc)
		return rc;
	if (s->a->format == FORMAT_ELF) {
		s->elf = (struct elf_job){
			.path = s->t.path, .dump = &s->info.dump,
			.dmesg = s->dmesg, .dmesg_len = s->dmesg_len,
		};
		rc = elf_write(&s->elf, &o);
	} else {
		rc = copy_stream(s, &o);
	}
	if (!rc)
		rc = outfile_verify(&o);
	if (!rc && s->a->format == FORMAT_KDUMP)
		rc = repair(s, &o);
	if (rc) {
		outfile_abort(&o);
		return rc;
	}
	s->saved.file = o.name;
	s->saved.bytes = o.bytes;
	s->saved.crc = o.crc;
	s->saved.complete = s->complete;
	return outfile_commit(&o);
}

/* Files only for texts that exist: an empty dmesg.txt would look like a loss */
static int save_texts(struct save *s)
{
	bool force = s->a->force;
	size_t len;
	char *log;
	int rc = info_log(&s->info, &log, &len);

	if (rc)
		return rc;
	if (s->dmesg_len)
		rc = outfile_write(s->dirfd, s->dir, "dmesg.txt", force, s->dmesg, s->dmesg_len);
	if (!rc && len)
		rc = outfile_write(s->dirfd, s->dir, "capstub.log", force, log, len);
	free(log);
	return rc;
}

/* The target as it was found, before it is marked; with the CRC of the copy */
static int save_json(struct save *s)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	int rc;

	if (!f)
		return fail(-ENOMEM, "no memory");
	info_json(&s->info, f, s->dmesg, s->dmesg_len, s->saved.file ? &s->saved : NULL);
	fclose(f);
	rc = outfile_write(s->dirfd, s->dir, "info.json", s->a->force, text, len);
	free(text);
	return rc;
}

/*
 * Only now. What the label says about the capture stays; the length of a cut one is written down,
 * because "saved" no longer tells that it has to be derived. A target with pages that could not be
 * taken over stays as it is: the next crash overwrites what is marked, and somebody may want to try
 * again.
 */
static int mark_saved(struct save *s)
{
	if (s->a->keep || s->t.status != LABEL_OK || s->info.counts.bad || s->elf.lost)
		return 0;
	if (s->t.label.state == CAPSTUB_DUMPING && s->info.has_dump)
		s->t.label.dump_bytes = s->info.counts.end;
	s->t.label.state = CAPSTUB_SAVED;
	return target_write_label(&s->t);
}

/*
 * Is every page that was chosen there? The label knows how many could not be read from memory:
 * those do not make a capture incomplete, although the dump's header then keeps its flag.
 */
static bool is_complete(const struct save *s)
{
	const struct capstub_label *l = &s->t.label;
	const struct kdump_counts *c = &s->info.counts;

	if (c->bad)
		return false;
	if (s->t.status == LABEL_OK && !l->stop_code &&
	    (l->state == CAPSTUB_COMPLETE || l->state == CAPSTUB_SAVED))
		return c->missing <= l->pages_unreadable;
	return !(s->info.dump.hdr.status & KDUMP_INCOMPLETE) && !c->missing;
}

/*
 * What is there to copy, and is it whole? A capture that was cut, or whose label is damaged, has no
 * length: then it ends with the last page that a descriptor names.
 */
static int plan(struct save *s)
{
	const struct capstub_label *l = &s->t.label;
	struct kdump_counts *c = &s->info.counts;
	int rc;

	if (!s->info.has_dump)
		return 0;
	if (!s->info.counted) {
		rc = kdump_count(&s->info.dump, s->t.path, c);
		if (rc)
			return rc;
		s->info.counted = true;
	}
	s->complete = is_complete(s);
	s->saved.bytes = s->info.dump.limit;
	if (s->t.status != LABEL_OK || l->state == CAPSTUB_DUMPING)
		s->saved.bytes = c->end;
	return 0;
}

/* gdb cannot find out the KASLR offset by itself */
static void report_elf(const struct save *s)
{
	printf("%llu segments, %llu pages. Open it with\n",
	       (unsigned long long)s->elf.segments, (unsigned long long)s->elf.pages);
	printf("  gdb -ex 'symbol-file -o 0x%llx vmlinux' -ex 'core-file %s/%s'\n",
	       (unsigned long long)s->elf.kernel_offset, s->dir, s->saved.file);
	if (s->elf.identity)
		note("the kernel's page tables are not in the dump: gdb sees the kernel image only, "
		     "other memory by its physical address");
}

/* The last words. -EBADMSG when what was saved is less than what the stub wrote. */
static int report(const struct save *s)
{
	const struct kdump_counts *c = &s->info.counts;

	if (!s->saved.file) {
		note("%s holds no pages (stop code %u, %s): only the texts were saved to %s",
		     s->t.path, s->t.label.stop_code, stop_name(s->t.label.stop_code), s->dir);
		return s->info.damaged ? -EBADMSG : 0;
	}
	printf("%s/%s: %s, verified, %s\n", s->dir, s->saved.file, human_bytes(s->saved.bytes),
	       s->complete ? "complete" : "INCOMPLETE");
	if (s->a->format == FORMAT_ELF)
		report_elf(s);
	else
		printf("Open it with: crash vmlinux %s/%s\n", s->dir, s->saved.file);
	if (s->complete && c->missing)
		note("%s: %llu pages could not be read when the machine crashed", s->t.path,
		     (unsigned long long)c->missing);
	if (!s->complete)
		note("%s: the dump is incomplete, %llu of %llu pages are missing%s%s", s->t.path,
		     (unsigned long long)(c->missing + c->bad),
		     (unsigned long long)s->info.dump.nr_descs,
		     s->t.status == LABEL_OK ? ": " : "",
		     s->t.status == LABEL_OK ? stop_text(s->t.label.stop_code) : "");
	if (c->bad || s->elf.lost)
		return fail(-EBADMSG,
			    "%s: %llu pages are damaged and were left out; the target is not "
			    "marked saved",
			    s->t.path, (unsigned long long)(c->bad + s->elf.lost));
	return 0;
}

/* In this order, and stop at the first failure: then the target stays unsaved */
static int save_all(struct save *s)
{
	int rc = plan(s);

	if (!rc)
		rc = info_dmesg(&s->info, &s->dmesg, &s->dmesg_len);
	if (rc)
		return rc;
	s->dirfd = outdir_open(s->dir);
	if (s->dirfd < 0)
		return s->dirfd;
	rc = check_output(s);
	/* The texts first: small, and the most telling when the rest fails */
	if (!rc && s->t.status != LABEL_NONE)
		rc = save_texts(s);
	if (!rc && s->info.has_dump)
		rc = save_core(s);
	if (!rc && s->t.status != LABEL_NONE)
		rc = save_json(s);
	if (!rc && !(s->info.damaged && !s->info.has_dump))
		rc = mark_saved(s);
	return rc ? rc : report(s);
}

/*
 * Open twice where needed: reading is always allowed, exclusive writing only if there is a label.
 * What was read before is read again, since somebody may have written in between.
 */
static int save(const struct save_args *a)
{
	struct save s = { .a = a, .dirfd = -1 };
	bool write = !a->keep;
	int rc = target_open(&s.t, a->path, O_RDONLY);

	if (rc)
		return rc;
	/* Writing, and so exclusive use, is needed where there is a label to change */
	if (write && s.t.status == LABEL_OK) {
		target_close(&s.t);
		rc = target_open(&s.t, a->path, O_RDWR | O_EXCL);
		if (!rc)
			rc = target_lock(&s.t);
	}
	if (!rc)
		rc = info_collect(&s.info, &s.t);
	if (!rc)
		rc = check_state(&s);
	if (!rc) {
		s.dir = a->dir ? strdup(a->dir) : default_dir(&s);
		rc = save_all(&s);
	}
	free(s.dir);
	free(s.dmesg);
	if (s.dirfd >= 0)
		close(s.dirfd);
	target_close(&s.t);
	return rc;
}

int save_main(int argc, char **argv)
{
	struct save_args a = { 0 };

	argp_parse(&argp, argc, argv, 0, NULL, &a);
	return save(&a) < 0 ? EXIT_FAILED : EXIT_OK;
}
