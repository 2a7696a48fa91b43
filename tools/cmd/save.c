// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * capstub save: copy a dump off its target. Order matters: the target is marked saved, and so may
 * be overwritten by the next crash, only after every file is verified and on stable storage. And
 * whatever cuts a run short, the next one with the same words succeeds: a new directory has its
 * name only when it is whole, and a file that is there with the right contents is no obstacle.
 *
 * What goes through a pipe is neither verified nor known to be on stable storage, and marks nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "stub/bits.h"
#include "stub/format/crc.h"
#include "tools/cmd/args.h"
#include "tools/cmd/commands.h"
#include "tools/cmd/info.h"
#include "tools/media/elf.h"
#include "tools/media/outfile.h"
#include "tools/media/place.h"
#include "tools/media/repack.h"
#include "tools/util.h"

/* Enough for the speed of a disk, little enough for a bar that moves */
#define COPY_BYTES	(1u << 20)
#define MAX_NAMES	100u	/* NAME, NAME-2, ... */

enum save_format { FORMAT_KDUMP, FORMAT_ELF, FORMAT_FLAT };

struct save_args {
	const char *path;
	const char *dir;
	enum save_format format;
	bool repack;			/* pages are compressed anew */
	uint32_t method;		/* so */
	bool force, keep, mark, if_needed;
};

/* What may be in a directory of ours, in the order of writing */
enum { FILE_DMESG, FILE_LOG, FILE_CORE, FILE_JSON, NR_FILES };
static const char *const files[NR_FILES + 1] = {
	"dmesg.txt", "capstub.log", "vmcore", "info.json",
};

/* One run */
struct save {
	const struct save_args *a;
	struct target t;
	struct info info;
	struct outdir out;
	char *text[FILE_CORE];	/* dmesg and the stub's log */
	size_t text_len[FILE_CORE];
	bool here[NR_FILES];	/* from an earlier run, and just what this one would write */
	bool complete;		/* every page that was chosen is there */
	struct saved saved;
	struct elf_job elf;
	uint64_t lost;		/* pages that could not be decompressed */
};

static struct save_args save_args;

static void parse_format(const char *value, struct argp_state *state)
{
	if (!strcmp(value, "kdump"))
		save_args.format = FORMAT_KDUMP;
	else if (!strcmp(value, "elf"))
		save_args.format = FORMAT_ELF;
	else if (!strcmp(value, "flat"))
		save_args.format = FORMAT_FLAT;
	else
		argp_error(state, "the format is kdump, elf or flat, not '%s'", value);
}

static void parse_compress(const char *value, struct argp_state *state)
{
	if (repack_method(value, &save_args.method))
		argp_error(state, "--compress takes none, lzo, zlib or zstd, not '%s'", value);
	save_args.repack = true;
}

static void check_args(struct argp_state *state)
{
	const struct save_args *a = &save_args;
	bool pipe = a->dir && !strcmp(a->dir, "-");

	if (a->repack && a->format == FORMAT_ELF)
		argp_error(state, "an ELF core is not compressed: --compress is for --format kdump and flat");
	if (pipe != (a->format == FORMAT_FLAT))
		argp_error(state, "--format flat and -o - belong together: a flattened dump goes to standard output, and nothing else");
	if (pipe && isatty(STDOUT_FILENO))
		argp_error(state, "standard output is a terminal: -o - is for a pipe");
	if (a->mark && (a->dir || a->format != FORMAT_KDUMP || a->repack || a->force || a->keep))
		argp_error(state, "--mark writes no dump, and goes with none of the other options but --if-needed");
}

static const struct arg options[] = {
	{ "output", 'o', "DIR", "Directory for the files (default: ./HOST-RELEASE-TIME); -: standard output, when flat",
	  &save_args.dir, NULL },
	{ "format", 'F', "kdump|elf|flat", "kdump: as captured, for crash, drgn, makedumpfile (default); elf: for gdb; "
	  "flat: kdump through a pipe, for 'makedumpfile -R'", NULL, parse_format },
	{ "compress", 'c', "none|lzo|zlib|zstd", "Compress the pages anew (default: as captured)", NULL,
	  parse_compress },
	{ "force", 'f', NULL, "Save again what is saved, overwrite files, try to read a target with a damaged label",
	  &save_args.force, NULL },
	{ "keep", 'k', NULL, "Do not mark the target saved: it is only read", &save_args.keep, NULL },
	{ "mark", 'm', NULL, "Save nothing: mark the target saved, after what went through a pipe has arrived",
	  &save_args.mark, NULL },
	{ "if-needed", 0x100, NULL, "Succeed without a word when there is nothing to save",
	  &save_args.if_needed, NULL },
	{ 0 }
};

static const struct args args = {
	.options = options, .paths = &save_args.path, .max = 1, .check = check_args,
	.usage = "TARGET", .which = "which TARGET?", .too_many = "one TARGET at a time",
	.doc = "Copy the dump on TARGET to DIR/vmcore, with dmesg.txt, capstub.log and info.json, "
	       "verify the copy, and mark the target saved. With --format elf or flat, or --compress, TARGET "
	       "may also be a vmcore that was saved before.",
};

/* Does the copy differ from what is on the target, and its size with it? */
static bool converts(const struct save_args *a)
{
	return a->format != FORMAT_KDUMP || a->repack;
}

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
		if (s->info.kind == KIND_KDUMP && (converts(a) || a->force))
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
	bool label = label_readable(&s->t), header = s->info.has_dump;
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

/* TARGET may be a vmcore that was saved: --force is no leave to replace it by its own copy */
static bool core_is_target(const struct save *s)
{
	struct stat to, from;

	return !fstatat(s->out.fd, files[FILE_CORE], &to, 0) && !fstat(s->t.fd, &from) &&
	       to.st_dev == from.st_dev && to.st_ino == from.st_ino;
}

/* Are the next @len bytes of @fd those of @text, or without it those of the target? */
static bool same_bytes(const struct save *s, int fd, const char *text, uint64_t len,
		       uint32_t *ret_crc)
{
	uint8_t *a = must_alloc(2, COPY_BYTES), *b = a + COPY_BYTES;
	uint64_t done = 0;
	struct stat st;
	bool same = !fstat(fd, &st) && S_ISREG(st.st_mode) && (uint64_t)st.st_size == len;

	for (*ret_crc = 0; same && done < len; done += COPY_BYTES) {
		size_t n = len - done < COPY_BYTES ? len - done : COPY_BYTES;

		same = !read_at(fd, a, n, done) && (text || !read_at(s->t.fd, b, n, done)) &&
		       !memcmp(a, text ? (const uint8_t *)text + done : b, n);
		*ret_crc = crc32c(*ret_crc, a, n);
	}
	free(a);
	return same;
}

/* Is this file one of those that this run is to write? */
static bool wanted(const struct save *s, unsigned file)
{
	if (file == FILE_CORE)
		return s->info.has_dump;
	return s->t.status != LABEL_NONE && (file == FILE_JSON || s->text_len[file]);
}

/*
 * A file that holds what would be written is not in the way: a run that was interrupted between the
 * last file and the mark on the target is repeated. info.json says what was found then; it counts
 * with everything else.
 */
static bool is_here(struct save *s, unsigned file)
{
	const char *text = file < FILE_CORE ? s->text[file] : NULL;
	uint64_t len = text ? s->text_len[file] : s->saved.bytes;
	uint32_t crc;
	bool same;
	int fd;

	if (file == FILE_JSON)
		return s->here[FILE_CORE] == wanted(s, FILE_CORE) &&
		       s->here[FILE_DMESG] == wanted(s, FILE_DMESG) &&
		       s->here[FILE_LOG] == wanted(s, FILE_LOG);
	if (!text && (converts(s->a) || s->info.counts.bad))
		return false;
	fd = openat(s->out.fd, files[file], O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return false;
	same = same_bytes(s, fd, text, len, &crc) && !fsync(fd);
	close(fd);
	if (same && !text) {
		s->saved.crc = crc;
		s->saved.file = files[file];
	}
	return same;
}

/* The name of a file that is in the way, NULL: none */
static const char *find_conflict(struct save *s)
{
	for (unsigned i = 0; i < NR_FILES; i++) {
		if (!wanted(s, i) || faccessat(s->out.fd, files[i], F_OK, AT_SYMLINK_NOFOLLOW))
			continue;
		s->here[i] = is_here(s, i);
		if (!s->here[i])
			return files[i];
	}
	return NULL;
}

/*
 * There is room before hours of copying begin. The room is that of a copy without holes, so --force
 * may still succeed where this says no; the size of what is converted is not known beforehand.
 */
static int check_room(const struct save *s)
{
	struct statvfs v;

	if (!s->info.has_dump || s->here[FILE_CORE] || s->a->force || converts(s->a) ||
	    fstatvfs(s->out.fd, &v) || (uint64_t)v.f_bavail * v.f_frsize >= s->saved.bytes)
		return 0;
	return fail(-ENOSPC, "%s has %s free, the dump needs %s: save to another place with "
		    "-o, or try with --force (long runs of zeros take no room)",
		    s->out.path, human_bytes((uint64_t)v.f_bavail * v.f_frsize),
		    human_bytes(s->saved.bytes));
}

/*
 * The directory that was named; else one that is named after the dump, with a number where another
 * one has that name: two crashes of an unknown time must not keep each other from being saved.
 */
static int open_output(struct save *s)
{
	char *base = s->a->dir ? strdup(s->a->dir) : default_dir(s), *name = NULL;
	const char *conflict = NULL;
	unsigned n = 0;
	int rc;

	if (!base)
		return fail(-ENOMEM, "no memory");
	do {
		outdir_end(&s->out);
		free(name);
		if (asprintf(&name, n ? "%s-%u" : "%s", base, n + 1) < 0)
			exit(fail(EXIT_FAILED, "no memory"));
		rc = outdir_begin(&s->out, name, files);
		conflict = rc || s->a->force ? NULL : find_conflict(s);
	} while (conflict && !s->a->dir && ++n < MAX_NAMES);
	free(name);
	free(base);
	if (conflict)
		rc = fail(-EEXIST, "%s/%s exists: give another directory with -o, or --force",
			  s->out.path, conflict);
	if (!rc && s->info.has_dump && core_is_target(s))
		rc = fail(-EEXIST, "%s/%s is the dump to be saved: save to another directory with "
			  "-o", s->out.path, files[FILE_CORE]);
	return rc ? rc : check_room(s);
}

/*
 * Readers follow descriptors without asking (libkdumpfile 0.5.1 gets SIGBUS behind the end of a
 * file), so in the copy a damaged one, or one that was only begun, becomes what a missing page looks
 * like. The target itself is not changed: other tools may still get something out of it.
 */
struct mend {
	struct kdump_walk walk;
	struct kdump_page page;	/* the next one whose descriptor does not go over as it is */
	bool more;		/* there is one */
};

static int mend_next(struct mend *m)
{
	static const struct page_desc none;
	int rc;

	do
		rc = kdump_walk_next(&m->walk, &m->page);
	while (rc == 1 && (m->page.state == PAGE_STORED || !memcmp(&m->page.desc, &none, sizeof(none))));
	m->more = rc == 1;
	return rc < 0 ? rc : 0;
}

static int mend_start(struct mend *m, const struct save *s)
{
	kdump_walk_start(&m->walk, &s->info.dump);
	m->more = false;
	return s->info.counts.bad || s->info.counts.missing ? mend_next(m) : 0;
}

/* @buf is [@at, @at + @len) of the dump. Pieces come in order; the first one has the header. */
static int mend(struct mend *m, const struct save *s, uint8_t *buf, uint64_t at, size_t len)
{
	int rc = 0;

	if (!at && (s->info.counts.bad || s->info.counts.missing)) {
		uint32_t status = s->info.dump.hdr.status | KDUMP_INCOMPLETE;

		memcpy(buf + offsetof(struct disk_dump_header, status), &status, sizeof(status));
	}
	while (!rc && m->more) {
		uint64_t from = s->info.dump.descs + m->page.index * sizeof(struct page_desc);
		uint64_t to = from + sizeof(struct page_desc), end = at + len;

		if (from >= end)
			break;
		memset(buf + (max_u64(from, at) - at), 0, min_u64(to, end) - max_u64(from, at));
		if (to > end)
			break;	/* the rest of it is in the next piece */
		rc = mend_next(m);
	}
	return rc;
}

/*
 * The used bytes, mended; the CRC for outfile_verify() is computed on the way. A target that
 * cannot be read somewhere ends the save: what was copied would look whole to every reader.
 */
static int copy_stream(struct save *s, struct outfile *o)
{
	uint8_t *buf = must_alloc(COPY_BYTES, 1);
	struct progress p;
	struct mend m;
	uint64_t done = 0;
	int rc = mend_start(&m, s), failed = 0;

	posix_fadvise(s->t.fd, 0, (off_t)s->saved.bytes, POSIX_FADV_SEQUENTIAL);
	progress_start(&p, "copying", s->saved.bytes);
	while (!rc && !failed && done < s->saved.bytes) {
		uint64_t left = s->saved.bytes - done;
		size_t len = left < COPY_BYTES ? left : COPY_BYTES;

		rc = read_at(s->t.fd, buf, len, done);
		if (!rc)
			rc = mend(&m, s, buf, done, len);
		if (rc)
			break;
		failed = outfile_append(o, buf, len);
		done += len;
		progress_step(&p, done);
	}
	progress_end(&p);
	free(buf);
	if (!rc)
		return failed;
	return fail(rc, "%s: reading at byte %llu failed: %s", s->t.path, (unsigned long long)done, strerror(-rc));
}

/* Copy or convert */
static int write_core(struct save *s, struct outfile *o)
{
	int rc;

	if (s->a->format == FORMAT_ELF) {
		s->elf = (struct elf_job){
			.path = s->t.path, .dump = &s->info.dump,
			.dmesg = s->text[FILE_DMESG], .dmesg_len = s->text_len[FILE_DMESG],
		};
		rc = elf_write(&s->elf, o);
		s->lost = s->elf.lost;
	} else if (s->a->repack) {
		struct repack_job job = { .path = s->t.path, .dump = &s->info.dump, .method = s->a->method };

		rc = repack_write(&job, o);
		s->lost = job.lost;
	} else {
		rc = copy_stream(s, o);
	}
	return rc;
}

/* Write, verify, then give the file its name */
static int save_core(struct save *s)
{
	struct outfile o;
	int rc = outfile_open(&o, s->out.fd, s->out.path, files[FILE_CORE], s->a->force);

	if (rc)
		return rc;
	rc = write_core(s, &o);
	if (!rc)
		rc = outfile_verify(&o);
	if (rc) {
		outfile_abort(&o);
		return rc;
	}
	s->saved.file = o.name;
	s->saved.bytes = o.bytes;
	s->saved.crc = o.crc;
	return outfile_commit(&o);
}

/* Files only for texts that exist: an empty dmesg.txt would look like a loss */
static int save_text(struct save *s, unsigned file)
{
	return outfile_write(s->out.fd, s->out.path, files[file], s->a->force, s->text[file],
			     s->text_len[file]);
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
	s->saved.complete = s->complete;
	info_json(&s->info, f, s->text[FILE_DMESG], s->text_len[FILE_DMESG],
		  s->saved.file ? &s->saved : NULL);
	fclose(f);
	rc = outfile_write(s->out.fd, s->out.path, files[FILE_JSON], s->a->force, text, len);
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
	if (s->a->keep || s->t.status != LABEL_OK || s->info.counts.bad || s->lost)
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

	if (c->bad || (s->t.status == LABEL_OK && l->ram_missing))
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

/* Release of the kernel that died, which need not be the one that runs now; "" when it is not known */
static const char *release_of(const struct save *s)
{
	const char *release = s->t.status == LABEL_OK && s->t.label.release[0] ? s->t.label.release :
			      s->info.has_dump ? s->info.dump.hdr.release : "";
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-+_~";

	/* It becomes part of a command that somebody may copy */
	return release[strspn(release, plain)] || *release == '.' ? "" : release;
}

/* Where distributions put the kernel with debug information */
static const char *find_vmlinux(const char *release)
{
	static const char *const places[] = {
		"/usr/lib/debug/boot/vmlinux-%s", "/usr/lib/debug/lib/modules/%s/vmlinux",
		"/lib/modules/%s/build/vmlinux",
	};
	static char path[256];

	for (unsigned i = 0; *release && i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(path, sizeof(path), places[i], release);
		if (!access(path, R_OK))
			return path;
	}
	if (*release)
		note("the vmlinux to use is that of Linux %s; Debian has it in linux-image-%s-dbg",
		     release, release);
	return "vmlinux";
}

/* gdb cannot find out the KASLR offset by itself */
static void report_elf(const struct save *s, const char *vmlinux)
{
	printf("%llu segments, %llu pages. Open it with\n",
	       (unsigned long long)s->elf.segments, (unsigned long long)s->elf.pages);
	printf("  gdb -ex 'symbol-file -o 0x%llx %s' -ex 'core-file %s/%s'\n",
	       (unsigned long long)s->elf.kernel_offset, vmlinux, s->out.path, s->saved.file);
	if (s->elf.identity)
		note("the kernel's page tables are not in the dump: gdb sees the kernel image only, "
		     "other memory by its physical address");
}

/* What of the dump is not in the copy. -EBADMSG when that is less than what the stub wrote. */
static int report_missing(const struct save *s)
{
	const struct kdump_counts *c = &s->info.counts;

	if (s->complete && c->missing)
		note("%s: %llu pages could not be read when the machine crashed", s->t.path,
		     (unsigned long long)c->missing);
	if (!s->complete)
		note("%s: the dump is incomplete, %llu of %llu pages are missing%s%s", s->t.path,
		     (unsigned long long)(c->missing + c->bad),
		     (unsigned long long)s->info.dump.nr_descs,
		     s->t.status == LABEL_OK ? ": " : "",
		     s->t.status == LABEL_OK ? stop_text(s->t.label.stop_code) : "");
	if (c->bad || s->lost)
		return fail(-EBADMSG,
			    "%s: %llu pages are damaged and were left out; the target is not "
			    "marked saved",
			    s->t.path, (unsigned long long)(c->bad + s->lost));
	return 0;
}

/* The last words. -EBADMSG as above. */
static int report(const struct save *s)
{
	if (!s->saved.file) {
		note("%s holds no pages (stop code %u, %s): only the texts were saved to %s",
		     s->t.path, s->t.label.stop_code, stop_name(s->t.label.stop_code), s->out.path);
		return s->info.damaged ? -EBADMSG : 0;
	}
	printf("%s/%s: %s, verified, %s\n", s->out.path, s->saved.file, human_bytes(s->saved.bytes),
	       s->complete ? "complete" : "INCOMPLETE");
	if (s->a->format == FORMAT_ELF)
		report_elf(s, find_vmlinux(release_of(s)));
	else
		printf("Open it with: crash %s %s/%s\n", find_vmlinux(release_of(s)), s->out.path,
		       s->saved.file);
	return report_missing(s);
}

/*
 * In this order, and stop at the first failure: then the target stays unsaved. The texts first:
 * small, and the most telling when the rest fails.
 */
static int write_files(struct save *s)
{
	int rc = 0;

	for (unsigned i = 0; i < NR_FILES && !rc; i++) {
		if (!wanted(s, i) || s->here[i])
			continue;
		rc = i == FILE_CORE ? save_core(s) :
		     i == FILE_JSON ? save_json(s) : save_text(s, i);
	}
	return rc ? rc : outdir_commit(&s->out);
}

/*
 * The dump alone, to standard output. Nobody here knows what becomes of it there, so the target is not marked: that is
 * for --mark, when the other end of the pipe is content.
 */
static int save_piped(struct save *s)
{
	struct outfile o;
	int rc;

	if (!s->info.has_dump)
		return fail(-ENODATA, "%s holds no pages: save the texts to a directory", s->t.path);
	signal(SIGPIPE, SIG_IGN);	/* said in words instead */
	rc = outfile_pipe(&o);
	if (rc)
		return rc;
	rc = write_core(s, &o);
	if (rc) {
		outfile_abort(&o);
		return rc;
	}
	rc = outfile_commit(&o);
	if (rc)
		return rc;
	note("%s: %s to standard output, %s%s%s", s->t.path, human_bytes(o.bytes),
	     s->complete ? "complete" : "INCOMPLETE",
	     s->t.status == LABEL_OK ? "; when it has arrived: capstub save --mark " : "",
	     s->t.status == LABEL_OK ? s->t.path : "");
	return report_missing(s);
}

static int mark_only(struct save *s)
{
	int rc;

	if (s->info.counts.bad || s->info.damaged)
		return fail(-EBADMSG, "%s: the dump is damaged, and is not marked saved", s->t.path);
	rc = mark_saved(s);
	if (!rc)
		printf("%s: marked saved, the next capture may overwrite it\n", s->t.path);
	return rc;
}

static int save_all(struct save *s)
{
	int rc = plan(s);

	if (!rc && s->a->mark)
		return mark_only(s);
	if (!rc && s->a->format == FORMAT_FLAT)
		return save_piped(s);
	if (!rc)
		rc = info_dmesg(&s->info, &s->text[FILE_DMESG], &s->text_len[FILE_DMESG]);
	if (!rc)
		rc = info_log(&s->info, &s->text[FILE_LOG], &s->text_len[FILE_LOG]);
	if (!rc)
		rc = open_output(s);
	if (!rc)
		rc = write_files(s);
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
	struct save s = { .a = a, .out.fd = -1 };
	bool write = !a->keep && a->format != FORMAT_FLAT;
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
	if (!rc)
		rc = save_all(&s);
	/* What a dump has written over proves a file's extents no more; what is there now does, from here on */
	if ((rc >= 0 || rc == -EALREADY || rc == -ENODATA) && write && place_renew(&s.t))
		rc = -EIO;
	outdir_end(&s.out);
	for (unsigned i = 0; i < FILE_CORE; i++)
		free(s.text[i]);
	target_close(&s.t);
	return rc;
}

int save_main(int argc, char **argv)
{
	args_parse(&args, argc, argv);
	return save(&save_args) < 0 ? EXIT_FAILED : EXIT_OK;
}
