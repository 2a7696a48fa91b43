// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * capstub collect: what a service at boot does with what the last crash left. Each unsaved dump on a disk of this
 * machine is saved as `capstub save` does it, told in words, then handed to the programs of a folder; what is older than the
 * configuration wants to keep is removed. Nothing that goes wrong here costs a dump: it stays on its target, or in its folder.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/cmd/args.h"
#include "tools/cmd/commands.h"
#include "tools/load/config.h"
#include "tools/load/found.h"
#include "tools/load/pins.h"
#include "tools/media/place.h"
#include "tools/util.h"

#define HOOKS	"/etc/capstub/save.d"
#define REPORT_TEXT	"report.txt"
#define REPORT_JSON	"report.json"
#define REPORT_CPU_S	600u
/* Of the journal's entry: never changed, because people and catalogues look for it */
#define SAVED_ID	"3974711b88f94d6fbee52c387c678a8b"

struct collect_args {
	const char *config;
	const char *hooks;
	const char *root;
};

static struct collect_args given = { .hooks = HOOKS, .root = "" };

static const struct arg options[] = {
	{ "config", 'c', "FILE", "Instead of " CONFIG_FILE, &given.config, NULL },
	{ "hooks", 256, "DIR", NULL, &given.hooks, NULL },	/* instead of HOOKS */
	{ "root", 257, "DIR", NULL, &given.root, NULL },	/* another machine's /dev */
	{ 0 }
};

static const struct args args = {
	.options = options,
	.doc = "Save every dump that was not saved, of all targets of this machine, as [Save] of the configuration says, write a "
	       "report of each, run the programs of " HOOKS " with its directory as argument, and remove dumps that are too old to keep.",
};

/* A folder of a dump, and the time at which the last of its files was written; the target, of one that was just saved */
struct dump {
	char *name;
	struct timespec time;
	const char *target;
};

struct dumps {
	unsigned nr;
	struct dump *v;
};

static int newest_first(const void *a, const void *b)
{
	const struct timespec *x = &((const struct dump *)a)->time, *y = &((const struct dump *)b)->time;

	if (x->tv_sec != y->tv_sec)
		return x->tv_sec < y->tv_sec ? 1 : -1;
	return x->tv_nsec < y->tv_nsec ? 1 : x->tv_nsec > y->tv_nsec ? -1 : 0;
}

/*
 * Folders in the current directory that `capstub save` made: by what is in them, whatever they are called. Others may be
 * able to write there too (apport has /var/crash like /tmp), so they count only when they are ours.
 */
static void list_dumps(struct dumps *d)
{
	DIR *dir = opendir(".");
	struct dirent *e;

	*d = (struct dumps){ 0 };
	while (dir && (e = readdir(dir))) {
		char json[NAME_MAX + 16];
		size_t len = strlen(e->d_name);
		struct stat st, folder;

		snprintf(json, sizeof(json), "%s/info.json", e->d_name);
		if (e->d_name[0] == '.' || (len > 5 && !strcmp(e->d_name + len - 5, ".part")) ||
		    fstatat(AT_FDCWD, json, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode) ||
		    fstatat(AT_FDCWD, e->d_name, &folder, AT_SYMLINK_NOFOLLOW) || !S_ISDIR(folder.st_mode) ||
		    folder.st_uid != geteuid())
			continue;
		d->v = must_grow(d->v, d->nr + 1, sizeof(*d->v));
		d->v[d->nr++] = (struct dump){ strdup(e->d_name), st.st_mtim, NULL };
	}
	if (dir)
		closedir(dir);
	if (d->nr)
		qsort(d->v, d->nr, sizeof(*d->v), newest_first);
}

static void free_dumps(struct dumps *d)
{
	for (unsigned i = 0; i < d->nr; i++)
		free(d->v[i].name);
	free(d->v);
}

static bool has_dump(const struct dumps *d, const char *name)
{
	for (unsigned i = 0; i < d->nr; i++)
		if (!strcmp(d->v[i].name, name))
			return true;
	return false;
}

/* What save and collect write into a folder */
static const char *const files[] = { "vmcore", "dmesg.txt", "capstub.log", "info.json", REPORT_TEXT, REPORT_JSON };

/* Bytes that its files take on the disk: a vmcore has holes */
static uint64_t dump_size(const char *name)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char path[NAME_MAX + 16];
		struct stat st;

		snprintf(path, sizeof(path), "%s/%s", name, files[i]);
		if (!fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW))
			bytes += (uint64_t)st.st_blocks * 512;
	}
	return bytes;
}

/* These files, and the folder if nothing else is in it */
static void remove_dump(const char *name, const char *why)
{
	int dir = open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (dir < 0)
		return;
	for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		unlinkat(dir, files[i], 0);
	close(dir);
	if (rmdir(name))
		note("%s: %s, but %s", name, why, errno == ENOTEMPTY ? "something else is in it" : strerror(errno));
	else
		note("%s: removed, %s", name, why);
}

/* The newest stays, whatever it takes. */
static void retain(const struct config *c)
{
	struct dumps d;
	uint64_t bytes = 0;

	list_dumps(&d);
	for (uint64_t i = 0; i < d.nr; i++) {
		bytes += dump_size(d.v[i].name);
		if (c->keep && i >= c->keep)
			remove_dump(d.v[i].name, "as many newer ones are kept as Keep= says");
		else if (c->max_size && i && bytes > c->max_size)
			remove_dump(d.v[i].name, "with newer ones it is more than MaxSize=");
	}
	free_dumps(&d);
}

/*
 * Remove the oldest dumps until @bytes more are free, but the newest, and none at all if that would not do; Keep=0 keeps all.
 */
static void make_room(const struct config *c, uint64_t bytes)
{
	uint64_t sum = 0;
	struct dumps d;

	list_dumps(&d);
	for (unsigned i = 1; i < d.nr; i++)
		sum += dump_size(d.v[i].name);
	for (unsigned i = d.nr; c->keep && sum >= bytes && bytes && --i > 0;) {
		uint64_t size = dump_size(d.v[i].name);

		remove_dump(d.v[i].name, "to make room for a newer one");
		bytes -= size < bytes ? size : bytes;
	}
	free_dumps(&d);
}

/* What it writes and how it ends is in the log of whoever started us: the journal has it with the unit's name. */
static int run_hook(const char *path, const char *dir)
{
	int status = -1;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid) {
		execl(path, path, dir, (char *)NULL);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid < 0)
		return fail(-EIO, "%s: %m; the dump stays in %s", path, dir);
	if (WIFSIGNALED(status))
		return fail(-EIO, "%s was ended by signal %d; the dump stays in %s", path, WTERMSIG(status), dir);
	if (WEXITSTATUS(status))
		return fail(-EIO, "%s failed with status %d; the dump stays in %s: when that is solved, run '%s %s'", path,
			    WEXITSTATUS(status), dir, path, dir);
	note("%s: done for %s", path, dir);
	return 0;
}

/*
 * What `capstub report` says of the target, which has more to say than the vmcore alone, beside the dump. In a process of its own with a limit: the dump is of a machine that has
 * crashed, and whatever reading it comes to keeps nobody from being told of it. Without one the dump is none the less saved.
 */
static bool write_report(const char *dir, const char *target, const char *file, const char *option)
{
	char name[PATH_MAX * 2 + 16], temp[PATH_MAX * 2 + 24];
	char *argv[] = { "capstub report", (char *)target, (char *)option, NULL };
	const struct rlimit limit = { REPORT_CPU_S, REPORT_CPU_S };
	int status = -1;
	pid_t pid;

	snprintf(name, sizeof(name), "%s/%s", dir, file);
	snprintf(temp, sizeof(temp), "%s.part", name);
	fflush(NULL);
	pid = fork();
	if (!pid) {
		int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

		if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || setrlimit(RLIMIT_CPU, &limit))
			_exit(EXIT_FAILED);
		_exit(report_main(option ? 3 : 2, argv) || fflush(stdout) || fsync(fd) ? EXIT_FAILED : EXIT_OK);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid > 0 && WIFEXITED(status) && !WEXITSTATUS(status) && !rename(temp, name))
		return true;
	unlink(temp);
	note("%s: no report could be made; 'capstub report %s' says why", dir, target);
	return false;
}

static int is_hook(const struct dirent *e)
{
	return e->d_name[0] != '.' && !strchr(e->d_name, '~');
}

/* In the order of their names; one that fails does not keep the others from their work */
static int run_hooks(const char *folder, const char *dir)
{
	struct dirent **list;
	int nr = scandir(folder, &list, is_hook, alphasort), rc = 0;

	for (int i = 0; i < nr; i++) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), "%s/%s", folder, list[i]->d_name);
		if (!access(path, X_OK) && run_hook(path, dir))
			rc = -EIO;
		free(list[i]);
	}
	if (nr >= 0)
		free(list);
	return rc;
}

/* ELF cores are as large as memory, with holes: they take about what the dump has */
static int check_room(const struct config *c, const struct target *t)
{
	uint64_t least = c->min_free, want = 0, free_bytes = 0;

	for (unsigned tries = 0; tries < 2; tries++) {
		struct statvfs fs;

		if (statvfs(".", &fs))
			return fail(-errno, "%s: %m", c->directory);
		free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
		/* A small machine has less than that in all */
		if (c->min_free == MIN_FREE_DEFAULT)
			least = min_u64(1 << 30, (uint64_t)fs.f_blocks * fs.f_frsize / 10);
		want = t->label.dump_bytes + least;
		if (want >= least && free_bytes >= want)
			return 0;
		if (!tries && want >= least)
			make_room(c, want - free_bytes);
	}
	return fail(-ENOSPC, "%s: its dump of %s would leave less than %s (MinFree=) of the %s that are free in %s: make room, "
		    "then run 'capstub collect'; until then it stays on the target", t->path, human_bytes(t->label.dump_bytes),
		    human_bytes(least), human_bytes(free_bytes), c->directory);
}

/*
 * One entry with fields, by systemd's "Native Journal Protocol"; without a journal there is nobody to tell. Fields are
 * lines, so a path with a newline in it, which somebody must have made on purpose, is left out.
 */
static void tell_journal(const struct collect_args *a, const struct target *t, const char *dir)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char text[8192];
	int len;

	len = snprintf(text, sizeof(text), "MESSAGE=Kernel crash of %s: the dump was saved to %s\nMESSAGE_ID=" SAVED_ID "\n"
		       "PRIORITY=2\nSYSLOG_IDENTIFIER=capstub\nCAPSTUB_TARGET=%s\nCAPSTUB_DIRECTORY=%s\n"
		       "CAPSTUB_CRASH_TIME=%lld\nCAPSTUB_STATE=%s\n", human_time(t->label.crash_time), dir, t->path, dir,
		       (long long)t->label.crash_time, state_name(t->label.state));
	if (fd >= 0 && len < (int)sizeof(text) && !strchr(dir, '\n') &&
	    snprintf(to.sun_path, sizeof(to.sun_path), "%s/run/systemd/journal/socket", a->root) < (int)sizeof(to.sun_path) &&
	    sendto(fd, text, (size_t)len, MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != ENOENT)
		note("the journal was not told: %m");
	if (fd >= 0)
		close(fd);
}

/* `capstub save` names the folder, so what is new is what it made: its name is added to @fresh. */
static int save_one(const struct collect_args *a, const struct config *c, const struct target *t, struct dumps *fresh)
{
	char *argv[] = { "capstub save", "--if-needed", "--format", c->elf ? "elf" : "kdump", (char *)t->path, NULL };
	struct dumps before, after;
	char dir[PATH_MAX * 2];
	int rc = capstub_label_unsaved(&t->label) ? check_room(c, t) : 0;

	if (rc)
		return rc;
	list_dumps(&before);
	if (save_main(5, argv) != EXIT_OK)
		rc = -EIO;
	list_dumps(&after);
	for (unsigned i = 0; i < after.nr; i++) {
		if (has_dump(&before, after.v[i].name))
			continue;
		snprintf(dir, sizeof(dir), "%s/%s", c->directory, after.v[i].name);
		tell_journal(a, t, dir);
		fresh->v = must_grow(fresh->v, fresh->nr + 1, sizeof(*fresh->v));
		fresh->v[fresh->nr++] = (struct dump){ strdup(dir), after.v[i].time, t->path };
	}
	free_dumps(&before);
	free_dumps(&after);
	return rc;
}

static int collect(const struct collect_args *a, const struct config *c)
{
	struct dumps fresh = { 0 };
	static struct cmdline cl;
	struct found f;
	int rc = 0;

	if (mkdir(c->directory, 0700) && errno != EEXIST)
		return fail(-errno, "%s: %m", c->directory);
	if (chdir(c->directory))
		return fail(-errno, "%s: %m", c->directory);
	found_targets(&f, a->root);
	cmdline_parse(&cl, c->words);
	found_files(&f, &cl, a->root);
	for (unsigned i = 0; i < f.nr; i++) {
		struct target *t = &f.v[i];

		/* Of a file also what it takes to write to it again */
		if (!label_readable(t) || (!capstub_label_unsaved(&t->label) && !place_problem(t)))
			continue;
		if (t->status != LABEL_OK)
			note("%s: %s", t->path, label_problem(t));
		else if (save_one(a, c, t, &fresh))
			rc = -EIO;
	}
	for (unsigned i = 0; i < fresh.nr; i++)
		if (write_report(fresh.v[i].name, fresh.v[i].target, REPORT_TEXT, NULL))
			write_report(fresh.v[i].name, fresh.v[i].target, REPORT_JSON, "--json");
	/* When all are safe: a program may take as long as it likes, or for ever */
	for (unsigned i = 0; i < fresh.nr; i++)
		if (run_hooks(a->hooks, fresh.v[i].name))
			rc = -EIO;
	free_dumps(&fresh);
	found_free(&f);
	/* Where the stub was loaded before file systems were there */
	if (!*a->root)
		pins_set(c->words, true);
	retain(c);
	return rc;
}

int collect_main(int argc, char **argv)
{
	struct config c;

	args_parse(&args, argc, argv);
	return config_read(&c, given.root, given.config) || collect(&given, &c) ? EXIT_FAILED : EXIT_OK;
}
