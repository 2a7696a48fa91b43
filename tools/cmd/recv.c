// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * capstub recv: receive dumps over serial lines, or take them out of a recorded console log. Each
 * line has a session (tools/recv/recv_session.h) that writes the files; here is what is around it:
 * options, several lines at once, what people see.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/cmd/args.h"
#include "tools/cmd/commands.h"
#include "tools/media/outfile.h"
#include "tools/recv/recv_line.h"
#include "tools/recv/recv_session.h"
#include "tools/util.h"

#define READ_BYTES	65536u
#define SHOW_MS		500u	/* between two drawings of the status line */
/* a terminal that went away (USB, a console server) is looked for this often */
#define REOPEN_MS	2000u
#define MAX_LINES	64u
#define SI		0x0f
#define SEND_MAX	4096u	/* waiting to be written to a line */

struct recv_args {
	const char *paths[MAX_LINES];
	unsigned nr_paths;
	const char *dir;
	struct line_options line;
	bool quiet, once;
};

/* One line and what is behind it */
struct port {
	const struct recv_args *a;
	const char *path;
	struct line line;
	struct session session;
	bool open, ended;
	int result;		/* of session_end() */
	uint64_t reopen_ms, tick_ms;
	uint8_t out[SEND_MAX];
	size_t out_len;
	uint64_t rate_bytes, rate_ms;
	unsigned rate;		/* bytes per second, of late */
	int text_fd;		/* console text is kept beside the captures */
};

static volatile sig_atomic_t stop;

static struct recv_args recv_args = { .dir = "." };

static void parse_baud(const char *text, struct argp_state *state)
{
	uint32_t *baud = &recv_args.line.baud;
	char *end;

	*baud = (uint32_t)strtoul(text, &end, 10);
	if (*end || *baud < 50 || *baud > 16000000)
		argp_error(state, "'%s' is no speed", text);
}

static const struct arg options[] = {
	{ "baud", 'b', "BAUD", "Speed of the lines (default: as they are)", NULL, parse_baud },
	{ "output", 'o', "DIR", "Folder for the captures, one folder each (default: .)", &recv_args.dir, NULL },
	{ "rtscts", 'r', NULL, "Hardware flow control", &recv_args.line.rts_cts, NULL },
	{ "xonxoff", 'x', NULL, "Software flow control", &recv_args.line.xon_xoff, NULL },
	{ "listen", 'l', NULL, "Never send anything: one way", &recv_args.line.listen, NULL },
	{ "once", '1', NULL, "Stop when each line has delivered a complete capture", &recv_args.once, NULL },
	{ "quiet", 'q', NULL, "No console text, no progress", &recv_args.quiet, NULL },
	{ 0 }
};

static const struct args args = {
	.options = options, .paths = recv_args.paths, .max = MAX_LINES,
	.usage = "TTY|FILE|-...", .which = "which TTY, FILE or -?", .too_many = "at most 64 lines",
	.doc = "Receive dumps that the stub sends over serial lines (dump=ttyS0), or take them out of recorded console logs."
	       "\vA terminal is set to raw mode and locked. What is written before the end is a valid vmcore at every moment. "
	       "Started again, it goes on where it was. The protocol: docs/serial-protocol.md.",
};

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/*---------------------------------------------------------------- a line */

/* A word to the stub. What does not fit is lost, as it may be on any line: it is said again. */
static void send_bytes(void *ctx, const uint8_t *buf, size_t len)
{
	struct port *p = ctx;

	if (len <= sizeof(p->out) - p->out_len) {
		memcpy(p->out + p->out_len, buf, len);
		p->out_len += len;
	}
}

static void flush_bytes(struct port *p)
{
	ssize_t n = p->out_len ? write(p->line.fd, p->out, p->out_len) : 0;

	if (n > 0) {
		memmove(p->out, p->out + n, p->out_len - (size_t)n);
		p->out_len -= (size_t)n;
	}
}

/* Line ends as a terminal here has them; SI is the stub's, to bring a terminal back to letters */
static void show_text(const uint8_t *buf, size_t len)
{
	while (len) {
		size_t n = 0;

		while (n < len && buf[n] != '\r' && buf[n] != SI)
			n++;
		print_text(stdout, (const char *)buf, n);
		n += n < len;
		buf += n;
		len -= n;
	}
}

static void on_text(void *ctx, const uint8_t *buf, size_t len)
{
	struct port *p = ctx;

	if (!p->a->quiet && p->a->nr_paths == 1)
		show_text(buf, len);
	if (p->text_fd >= 0 && write(p->text_fd, buf, len) < 0) {
		note("%s: console text is not kept any more: %s", p->path, strerror(errno));
		close(p->text_fd);
		p->text_fd = -1;
	}
}

/* Console text of a terminal; that of a recorded log is in the log. */
static void open_text(struct port *p, int dirfd)
{
	char name[256];

	p->text_fd = -1;
	if (p->line.regular)
		return;
	snprintf(name, sizeof(name), "%s.console.log", p->line.name);
	p->text_fd = file_ours(dirfd, name, O_WRONLY | O_CREAT | O_APPEND);
}

static int open_port(struct port *p, const struct recv_args *a, const char *path, int dirfd)
{
	int rc = line_open(&p->line, path, &a->line);

	if (rc)
		return rc;
	p->a = a;
	p->path = path;
	p->open = true;
	p->session.out = a->dir;
	p->session.name = p->line.name;
	p->session.two_way = p->line.tty && !a->line.listen;
	p->session.send = send_bytes;
	p->session.text = on_text;
	p->session.ctx = p;
	p->rate_ms = now_ms();
	session_init(&p->session);
	open_text(p, dirfd);
	return 0;
}

static void end_port(struct port *p)
{
	p->ended = true;
	p->result = session_end(&p->session);
	if (!p->a->quiet && p->result == 1)
		session_report(&p->session, stderr);
}

static void close_port(struct port *p)
{
	if (!p->path)
		return;
	session_free(&p->session);
	if (p->text_fd >= 0)
		close(p->text_fd);
	line_close(&p->line);
}

/* The terminal is gone. Its capture stays as it is, and the terminal may come back. */
static void lost_port(struct port *p)
{
	char *name = p->line.name;

	note("%s: gone, waiting for it", p->path);
	p->line.name = NULL;	/* the session keeps using it */
	line_close(&p->line);
	p->line.name = name;
	p->open = false;
	p->reopen_ms = now_ms() + REOPEN_MS;
}

static void reopen_port(struct port *p)
{
	struct line l;

	p->reopen_ms = now_ms() + REOPEN_MS;
	if (access(p->path, R_OK | W_OK) || line_open(&l, p->path, &p->a->line))
		return;
	free(l.name);
	l.name = p->line.name;
	p->line = l;
	p->open = true;
	note("%s: back", p->path);
}

static void read_port(struct port *p)
{
	static uint8_t buf[READ_BYTES];
	ssize_t n = read(p->line.fd, buf, sizeof(buf));

	if (n > 0)
		session_feed(&p->session, buf, (size_t)n, now_ms());
	else if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	else if (p->line.tty)
		lost_port(p);
	else
		end_port(p);
}

static void tick_port(struct port *p)
{
	uint64_t now = now_ms();

	if (!p->open && now >= p->reopen_ms)
		reopen_port(p);
	if (!p->open)
		return;
	if (now >= p->tick_ms)
		p->tick_ms = now + session_tick(&p->session, now) / 5;
	flush_bytes(p);
	if (now >= p->rate_ms + 2000) {
		p->rate =
			(unsigned)((p->session.bytes - p->rate_bytes) * 1000 / (now - p->rate_ms));
		p->rate_bytes = p->session.bytes;
		p->rate_ms = now;
	}
	if (p->a->once && p->session.cap.done && now >= p->session.frame_ms + REOPEN_MS)
		end_port(p);
}

/*---------------------------------------------------------------- what people see */

static void show_port(const struct port *p, FILE *f)
{
	const struct capture_state *c = &p->session.cap;
	int permille = session_permille(&p->session);
	char bar[21];

	fprintf(f, "%s ", p->session.name);
	if (!c->used) {
		fputs("waiting", f);
		return;
	}
	memset(bar, '.', sizeof(bar) - 1);
	bar[sizeof(bar) - 1] = '\0';
	memset(bar, '#', permille < 0 ? 0 : (size_t)permille * (sizeof(bar) - 1) / 1000);
	fprintf(f, "[%s] ", bar);
	if (permille >= 0)
		fprintf(f, "%d.%d %% ", permille / 10, permille % 10);
	fprintf(f, "%s, %u B/s", human_bytes(p->session.bytes), p->rate);
	if (permille > 0 && permille < 1000 && p->session.rest_s)
		fprintf(f, ", %" PRIu64 ":%02u left", p->session.rest_s / 60,
			(unsigned)(p->session.rest_s % 60));
	fprintf(f, ", %" PRIu64 " lost, %" PRIu64 " again", c->lost, c->again);
}

static void show(struct port *ports, unsigned nr)
{
	static uint64_t next;

	if (now_ms() < next || !isatty(STDERR_FILENO))
		return;
	next = now_ms() + SHOW_MS;
	fputc('\r', stderr);
	for (unsigned i = 0; i < nr; i++) {
		if (i)
			fputs(" | ", stderr);
		show_port(&ports[i], stderr);
	}
	fputs("\033[K", stderr);
}

/*---------------------------------------------------------------- files */

/*
 * A log that can be read twice is looked through for headers first: the only one in it may come
 * after pages. One without any frame is not read again: it would be shown as console text, whatever
 * it is.
 */
static void look_through(struct port *p)
{
	static uint8_t buf[READ_BYTES];
	uint8_t *frame = must_alloc(1, SERIAL_FRAME_MAX);
	struct frame_dec dec;
	ssize_t n;

	session_look(&p->session, &dec, frame);
	while ((n = read(p->line.fd, buf, sizeof(buf))) > 0)
		frame_dec_feed(&dec, buf, (size_t)n);
	lseek(p->line.fd, 0, SEEK_SET);
	free(frame);
	if (!p->session.nr_looked)
		end_port(p);
}

/*---------------------------------------------------------------- all lines */

static void wait_for_bytes(struct port *ports, unsigned nr)
{
	struct pollfd fds[MAX_LINES];
	unsigned which[MAX_LINES], n = 0;

	for (unsigned i = 0; i < nr; i++) {
		if (!ports[i].open || ports[i].ended)
			continue;
		fds[n] = (struct pollfd){ .fd = ports[i].line.fd, .events = POLLIN };
		which[n++] = i;
	}
	if (poll(fds, n, 50) <= 0)
		return;
	for (unsigned i = 0; i < n; i++)
		if (fds[i].revents)
			read_port(&ports[which[i]]);
}

static bool all_ended(const struct port *ports, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		if (!ports[i].ended)
			return false;
	return true;
}

static int run(const struct recv_args *a, struct port *ports, int dirfd)
{
	int status = EXIT_OK;

	for (unsigned i = 0; i < a->nr_paths; i++) {
		if (open_port(&ports[i], a, a->paths[i], dirfd))
			return EXIT_FAILED;
		if (ports[i].line.regular)
			look_through(&ports[i]);
	}
	while (!stop && !all_ended(ports, a->nr_paths)) {
		wait_for_bytes(ports, a->nr_paths);
		for (unsigned i = 0; i < a->nr_paths; i++)
			if (!ports[i].ended)
				tick_port(&ports[i]);
		if (!a->quiet)
			show(ports, a->nr_paths);
	}
	if (!a->quiet && isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
	for (unsigned i = 0; i < a->nr_paths; i++) {
		/* Interrupted: a capture at work is left as it is, to go on with later */
		if (!ports[i].ended && !ports[i].session.captures)
			continue;
		if (!ports[i].ended)
			ports[i].result = !ports[i].session.cap.done;
		if (ports[i].result)
			status = EXIT_FAILED;
		if (ports[i].result == 2)
			note("%s: no capture in it", ports[i].path);
	}
	return status;
}

int recv_main(int argc, char **argv)
{
	struct recv_args *a = &recv_args;
	struct sigaction act = { .sa_handler = on_signal };
	struct port *ports;
	int dirfd, status;
	size_t made;

	a->nr_paths = args_parse(&args, argc, argv);
	dirfd = outdir_open(a->dir, &made);
	if (dirfd < 0)
		return EXIT_FAILED;
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGHUP, &act, NULL);
	ports = must_alloc(a->nr_paths, sizeof(*ports));
	status = run(a, ports, dirfd);
	for (unsigned i = 0; i < a->nr_paths; i++)
		close_port(&ports[i]);
	free(ports);
	close(dirfd);
	/* Fails, and is to fail, when anything came */
	outdir_unmake(a->dir, made);
	return status;
}
