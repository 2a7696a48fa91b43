// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Lines: see tools/recv/recv_line.h. Terminals are locked in the two ways that other programs for serial ports look at: a UUCP lock
 * file (FHS 3.0 §5.9: /var/lock/LCK..NAME, the process id as ten ASCII characters) and TIOCEXCL with flock().
 */
#include "tools/recv/recv_line.h"

#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/util.h"

#define LOCK_DIR	"/var/lock"
#define LOCK_TRIES	3

/* Does the process that a lock file names live? What cannot be read is taken for alive. */
static bool lock_is_stale(const char *path)
{
	char text[16] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK), pid;
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	pid = n > 0 ? atoi(text) : 0;
	return pid > 0 && kill(pid, 0) && errno == ESRCH;
}

/* The file appears under its name with its contents in it: link() fails when somebody else was faster. */
static int take_lock(const char *path)
{
	char temp[] = LOCK_DIR "/LTMP.XXXXXX", text[16];
	int fd, rc = -EEXIST;

	snprintf(text, sizeof(text), "%10d\n", (int)getpid());
	/* Anybody may write to that directory: a name that can be guessed could be a link already */
	fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fchmod(fd, 0644) || write_at(fd, text, strlen(text), 0)) {
		close(fd);
		unlink(temp);
		return -EIO;
	}
	close(fd);
	for (int i = 0; i < LOCK_TRIES && rc == -EEXIST; i++) {
		rc = link(temp, path) ? -errno : 0;
		if (rc == -EEXIST && !lock_is_stale(path))
			break;
		if (rc == -EEXIST)
			unlink(path);
	}
	unlink(temp);
	return rc;
}

static int lock_tty(struct line *l)
{
	char *real = realpath(l->path, NULL), *name;
	int rc;

	if (!real)
		return fail(-errno, "%s: %s", l->path, strerror(errno));
	/* /dev/pts/3 is LCK..pts_3 */
	name = strncmp(real, "/dev/", 5) ? real : real + 5;
	for (char *p = name; *p; p++)
		if (*p == '/')
			*p = '_';
	if (asprintf(&l->lock, LOCK_DIR "/LCK..%s", name) < 0)
		exit(fail(EXIT_FAILED, "no memory"));
	free(real);
	rc = take_lock(l->lock);
	if (!rc)
		return 0;
	if (rc == -EEXIST)
		fail(rc, "%s is in use: %s names a running process", l->path, l->lock);
	else
		note("%s: no lock file (%s: %s)", l->path, l->lock, strerror(-rc));
	free(l->lock);
	l->lock = NULL;
	return rc == -EEXIST ? -EBUSY : 0;
}

/* Raw, 8 bits, no parity; any speed the driver can make (BOTHER), as ioctl_tty(2) describes */
static int set_up(struct line *l, const struct line_options *opt)
{
	struct termios2 t, *saved;

	if (ioctl(l->fd, TCGETS2, &t))
		return fail(-errno, "%s: %s", l->path, strerror(errno));
	saved = must_alloc(1, sizeof(*saved));
	*saved = t;
	l->saved = saved;
	t.c_iflag &= ~(unsigned)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON | IXOFF | IXANY | INPCK);
	t.c_oflag &= ~(unsigned)OPOST;
	t.c_lflag &= ~(unsigned)(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
	t.c_cflag &= ~(unsigned)(CSIZE | PARENB | CSTOPB | CRTSCTS);
	t.c_cflag |= CS8 | CREAD | CLOCAL;
	if (opt->rts_cts)
		t.c_cflag |= CRTSCTS;
	/* Only towards us: what we send is a few bytes */
	if (opt->xon_xoff)
		t.c_iflag |= IXOFF;
	if (opt->baud) {
		t.c_cflag &= ~(unsigned)(CBAUD | CBAUD << IBSHIFT);
		t.c_cflag |= BOTHER | BOTHER << IBSHIFT;
		t.c_ispeed = t.c_ospeed = opt->baud;
	}
	t.c_cc[VMIN] = 1;
	t.c_cc[VTIME] = 0;
	if (ioctl(l->fd, TCSETS2, &t))
		return fail(-errno, "%s: cannot be set to %u baud: %s", l->path, opt->baud, strerror(errno));
	ioctl(l->fd, TIOCEXCL);
	return 0;
}

static int open_tty(struct line *l, const struct line_options *opt)
{
	int rc = lock_tty(l);

	if (rc)
		return rc;
	if (flock(l->fd, LOCK_EX | LOCK_NB))
		return fail(-EBUSY, "%s is in use by another program", l->path);
	return set_up(l, opt);
}

static char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *name = strdup(!strcmp(path, "-") ? "stdin" : slash ? slash + 1 : path);

	if (!name)
		exit(fail(EXIT_FAILED, "no memory"));
	return name;
}

int line_open(struct line *l, const char *path, const struct line_options *opt)
{
	struct stat st;
	int rc;

	*l = (struct line){ .path = path, .fd = -1, .name = base_name(path) };
	if (!strcmp(path, "-"))
		l->fd = dup(STDIN_FILENO);
	else
		l->fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	/* A recorded log may be read-only; a terminal that may not be written to is still worth listening to */
	if (l->fd < 0 && (errno == EACCES || errno == EROFS || errno == EPERM))
		l->fd = open(path, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (l->fd < 0 || fstat(l->fd, &st)) {
		rc = fail(-errno, "%s: %s", path, strerror(errno));
		line_close(l);
		return rc;
	}
	l->regular = S_ISREG(st.st_mode);
	l->tty = isatty(l->fd) && strcmp(path, "-");
	rc = S_ISDIR(st.st_mode) ? fail(-EISDIR, "%s is a folder", path) : l->tty ? open_tty(l, opt) : 0;
	if (rc)
		line_close(l);
	return rc;
}

void line_close(struct line *l)
{
	if (l->saved) {
		ioctl(l->fd, TCSETS2, l->saved);
		ioctl(l->fd, TIOCNXCL);
	}
	if (l->fd >= 0)
		close(l->fd);
	if (l->lock)
		unlink(l->lock);
	free(l->saved);
	free(l->lock);
	free(l->name);
	*l = (struct line){ .fd = -1 };
}
