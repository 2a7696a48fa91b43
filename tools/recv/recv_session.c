// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The receiving side of the serial protocol: see tools/recv/recv_session.h. What the line carries is not trusted: a frame counts
 * only when its CRC is right, its session is the one at work and every number in it is inside what SERIAL_META told, and then
 * says where its contents belong. So frames may be lost, repeated, replayed and out of order.
 */
#include "tools/recv/recv_session.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "tools/media/outfile.h"
#include "tools/util.h"

#define CTRL_MS		1000u	/* a word to the stub this often, so that it knows of us */
#define ANSWER_MS	250u	/* at most one request in this time */
#define REPEAT_MS	2000u	/* a request is repeated when nothing came for this long */
#define SAVE_MS		1000u	/* state file */
#define BAD_BYTES_MAX	16u	/* values that the line may damage and still be used in 8-bit encoding */
#define GAP_MAX		8u	/* a longer gap is one event, a line that was cut, and says no more about its bytes */
#define PROBE_SOH	32u	/* bytes into a probe, by which 1 has come, whatever the line put before it */
#define STATE_NAME	".state"
#define PASS(n)		(SERIAL_NR_BLOBS + (n))

/*---------------------------------------------------------------- streams in the order of sending */

static unsigned nr_streams(const struct capture_state *c)
{
	return SERIAL_NR_BLOBS + c->meta.nr_passes;
}

/* META, DMESG, NOTES, vital passes, PLAN, class passes, LOG, RESULT */
static unsigned stream_in_order(const struct capture_state *c, unsigned place)
{
	static const uint8_t before[] = { SERIAL_META, SERIAL_DMESG, SERIAL_NOTES };

	if (place < 3)
		return before[place];
	place -= 3;
	if (place < c->meta.nr_vital)
		return PASS(place);
	if (place == c->meta.nr_vital)
		return SERIAL_PLAN;
	if (place <= c->meta.nr_passes)
		return PASS(place - 1);
	return place == c->meta.nr_passes + 1 ? SERIAL_LOG : SERIAL_RESULT;
}

static unsigned place_of(const struct capture_state *c, unsigned stream)
{
	unsigned place = 0;

	while (place < nr_streams(c) && stream_in_order(c, place) != stream)
		place++;
	return place;
}

/* One past the last position of a stream */
static uint64_t stream_end(const struct capture_state *c, unsigned stream)
{
	if (stream >= SERIAL_NR_BLOBS)
		return c->meta.max_pfn * (c->meta.page_size / SERIAL_UNIT);
	/* An empty blob, and one not heard of, has one position: that it was sent */
	return c->total_known[stream] && c->total[stream] ? c->total[stream] : 1;
}

static bool stream_done(const struct capture_state *c, unsigned stream)
{
	return spans_has(&c->got[stream], 0, stream_end(c, stream));
}

static bool all_done(const struct capture_state *c)
{
	if (!c->have_meta)
		return false;
	for (unsigned place = 0; place < nr_streams(c); place++)
		if (!stream_done(c, stream_in_order(c, place)))
			return false;
	return true;
}

/*---------------------------------------------------------------- state file */

/* Written beside the data about once a second, so that a receiver that is started again goes on instead of asking anew. */
static void save_state(struct session *s, struct capture_state *c)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f;

	c->dirty = false;
	c->saved_ms = s->now_ms;
	f = open_memstream(&text, &len);
	if (!f)
		return;
	fprintf(f, "session %" PRIx64 " %u\n", c->session, c->done);
	for (unsigned i = 0; i < SESSION_STREAMS; i++) {
		if (c->total_known[i])
			fprintf(f, "total %u %" PRIu64 "\n", i, c->total[i]);
		for (unsigned k = 0; k < c->got[i].nr; k++)
			fprintf(f, "got %u %" PRIu64 " %" PRIu64 "\n", i, c->got[i].v[k].from, c->got[i].v[k].to);
	}
	fprintf(f, "end\n");
	fclose(f);
	if (!c->store.failed)
		store_replace(&c->store, STATE_NAME, text, len);
	free(text);
}

static bool load_line(struct capture_state *c, const char *line)
{
	uint64_t a, b;
	unsigned i;

	if (sscanf(line, "total %u %" SCNu64, &i, &a) == 2 && i < SESSION_STREAMS) {
		c->total[i] = a;
		c->total_known[i] = true;
	} else if (sscanf(line, "got %u %" SCNu64 " %" SCNu64, &i, &a, &b) == 3 && i < SESSION_STREAMS && a < b) {
		return spans_add(&c->got[i], a, b);
	}
	return true;
}

/* True: it is whole and of session @c->session (@any: of one whose tag is c->tag; then the session is filled in) */
static bool load_state(struct capture_state *c, const char *dir, bool any)
{
	int dirfd = dir_ours(dir, false), fd = dirfd < 0 ? -1 : file_ours(dirfd, STATE_NAME, O_RDONLY);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	uint64_t session;
	bool whole = false;
	unsigned done;
	char line[128];

	if (dirfd >= 0)
		close(dirfd);
	if (!f)
		return false;
	if (fgets(line, sizeof(line), f) && sscanf(line, "session %" SCNx64 " %u", &session, &done) == 2 && !done &&
	    (any ? (uint16_t)session == c->tag : session == c->session)) {
		c->session = session;
		while (!whole && fgets(line, sizeof(line), f)) {
			whole = !strcmp(line, "end\n");
			if (!load_line(c, line))
				break;
		}
	}
	fclose(f);
	for (unsigned i = 0; !whole && i < SESSION_STREAMS; i++)
		spans_free(&c->got[i]);
	return whole;
}

/*---------------------------------------------------------------- captures */

/* A capture that came before the one at work and is closed: what repeats it is no news. */
static bool is_past(const struct session *s, uint64_t session)
{
	for (unsigned i = 0; i < SESSION_PAST; i++)
		if (s->past[i] && s->past[i] == session)
			return true;
	return false;
}

static void close_capture(struct session *s)
{
	struct capture_state *c = &s->cap;

	if (c->have_meta)
		s->past[s->nr_past++ % SESSION_PAST] = c->session;
	if (c->used && c->have_meta && !c->done)
		save_state(s, c);
	store_close(&c->store);
	for (unsigned i = 0; i < SESSION_STREAMS; i++)
		spans_free(&c->got[i]);
	free(c->dir);
	memset(c, 0, sizeof(*c));
	s->waiting = false;
}

/* NAME-DATE-SESSION: the same after a restart, so that it is found again */
static char *capture_dir(const struct session *s, uint64_t session, int64_t crash_time)
{
	char when[32] = "unknown", *dir = NULL;
	time_t t = (time_t)crash_time;
	struct tm tm;

	if (crash_time > 0 && gmtime_r(&t, &tm))
		strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &tm);
	if (asprintf(&dir, "%s/%s-%s-%08" PRIx32, s->out, s->name, when, (uint32_t)(session ^ session >> 32)) < 0)
		exit(fail(EXIT_FAILED, "no memory"));
	return dir;
}

static void open_files(struct session *s, const uint8_t *meta, size_t len, char *dir)
{
	struct capture_state *c = &s->cap;
	struct store_counts counts;

	if (store_open(&c->store, dir, meta, len)) {
		free(dir);
		/* It was said; without a place to write to the frames of this capture are of no use */
		c->store.failed = true;
		return;
	}
	c->dir = dir;
	c->have_meta = true;
	c->meta = c->store.meta;
	if (load_state(c, dir, false)) {
		if (!s->quiet && !store_count(&c->store, &counts))
			note("%s: going on in %s, %" PRIu64 " pages are here", s->name, dir, counts.stored);
	} else if (!s->quiet) {
		note("%s: Linux %s crashed%s%s; receiving into %s", s->name, c->meta.uts[2], c->meta.crash_time ? " at " : "",
		     c->meta.crash_time ? human_time(c->meta.crash_time) : "", dir);
	}
	s->captures++;
}

static bool finish_capture(struct session *s);

static void got_meta(struct session *s, const uint8_t *meta, size_t len)
{
	struct capture_state *c = &s->cap;
	struct store_range ranges[SERIAL_MAX_RANGES];
	struct serial_meta m;

	if (store_parse_meta(meta, len, &m, ranges)) {
		c->rejected++;
		return;
	}
	if (c->have_meta && c->session == m.session)
		return;
	if (is_past(s, m.session))
		return;
	if (c->have_meta || c->store.failed) {
		finish_capture(s);
		close_capture(s);
	}
	c->used = true;
	c->session = m.session;
	c->tag = (uint16_t)m.session;
	open_files(s, meta, len, capture_dir(s, m.session, m.crash_time));
	if (c->have_meta) {
		spans_add(&c->got[SERIAL_META], 0, len);
		c->total[SERIAL_META] = len;
		c->total_known[SERIAL_META] = true;
	}
}

/* A capture that this receiver had begun before it was restarted: its folder tells the rest. */
static bool resume(struct session *s, uint16_t tag)
{
	struct capture_state *c = &s->cap;
	size_t prefix = strlen(s->name);
	DIR *d = opendir(s->out);
	struct dirent *e;
	uint8_t meta[STORE_META_MAX];
	bool found = false;

	while (d && !found && (e = readdir(d))) {
		int dirfd, fd;
		ssize_t len;
		char *dir;

		if (strncmp(e->d_name, s->name, prefix) || e->d_name[prefix] != '-')
			continue;
		if (asprintf(&dir, "%s/%s", s->out, e->d_name) < 0)
			exit(fail(EXIT_FAILED, "no memory"));
		c->tag = tag;
		if (!load_state(c, dir, true)) {
			free(dir);
			continue;
		}
		for (unsigned i = 0; i < SESSION_STREAMS; i++)
			spans_free(&c->got[i]);
		dirfd = dir_ours(dir, false);
		fd = dirfd < 0 ? -1 : file_ours(dirfd, ".meta", O_RDONLY);
		len = fd < 0 ? -1 : read(fd, meta, sizeof(meta));
		if (fd >= 0)
			close(fd);
		if (dirfd >= 0)
			close(dirfd);
		c->used = true;
		if (len > 0)
			open_files(s, meta, (size_t)len, dir);
		else
			free(dir);
		found = c->have_meta;
	}
	if (d)
		closedir(d);
	if (!found && !c->store.failed)
		memset(c, 0, sizeof(*c));
	return found;
}

static void write_report(struct session *s, const struct store_counts *counts, bool complete)
{
	struct capture_state *c = &s->cap;
	char *text = NULL;
	size_t len = 0;
	struct json j = { 0 };

	j.f = open_memstream(&text, &len);
	if (!j.f)
		return;
	json_open(&j, NULL, '{');
	json_bool(&j, "complete", complete);
	json_str(&j, "release", c->meta.uts[2]);
	json_i64(&j, "crash_time", c->meta.crash_time);
	json_u64(&j, "pages_stored", counts->stored);
	json_u64(&j, "pages_excluded", counts->excluded);
	json_u64(&j, "pages_missing", counts->missing);
	if (c->have_result) {
		json_u64(&j, "pages_unreadable", c->result.pages_unreadable);
		json_u64(&j, "ram_missing_bytes", c->result.ram_missing);
		json_u64(&j, "stop_code", c->result.stop_code);
		json_u64(&j, "elapsed_us", c->result.elapsed_us);
	}
	json_u64(&j, "frames", c->frames);
	json_u64(&j, "frames_lost", c->lost);
	json_u64(&j, "frames_again", c->again);
	json_u64(&j, "frames_rejected", c->rejected);
	json_close(&j, '}');
	fputc('\n', j.f);
	fclose(j.f);
	outfile_write(c->store.dirfd, c->dir, "receive.json", true, text, len);
	free(text);
}

/* A text of which a part never came: what is here, and how much is missing between, in place of a hole */
static void close_text(struct capture_state *c, unsigned blob, const char *name)
{
	uint64_t at = 0;
	char *text = NULL;
	size_t len = 0;
	int fd;
	FILE *f;

	if (!c->got[blob].nr || stream_done(c, blob))
		return;
	fd = file_ours(c->store.dirfd, name, O_RDONLY);
	f = fd < 0 ? NULL : open_memstream(&text, &len);
	for (unsigned i = 0; f && i < c->got[blob].nr; i++) {
		const struct span *span = &c->got[blob].v[i];
		uint8_t piece[4096];

		if (span->from > at)
			fprintf(f, "[%" PRIu64 " bytes are missing here]\n", span->from - at);
		for (at = span->from; at < span->to;) {
			size_t n = (size_t)min_u64(sizeof(piece), span->to - at);

			if (read_at(fd, piece, n, at))
				break;
			fwrite(piece, 1, n, f);
			at += n;
		}
		at = span->to;
	}
	if (f && at < stream_end(c, blob))
		fprintf(f, "\n[%" PRIu64 " bytes are missing here]\n", stream_end(c, blob) - at);
	if (f && !fclose(f))
		store_replace(&c->store, name, text, len);
	free(text);
	if (fd >= 0)
		close(fd);
}

static bool finish_capture(struct session *s)
{
	struct capture_state *c = &s->cap;
	struct store_counts counts;
	bool complete = all_done(c);
	/* Only when everything was said is it known that those are the ones */
	uint64_t unreadable = complete && c->have_result ? c->result.pages_unreadable : 0;

	if (!c->have_meta || c->done || store_finish(&c->store, complete, unreadable, &counts))
		return false;
	c->done = true;
	close_text(c, SERIAL_DMESG, "dmesg.txt");
	close_text(c, SERIAL_LOG, "capstub.log");
	complete = complete && counts.missing == 0 && !(c->have_result && c->result.ram_missing);
	write_report(s, &counts, complete);
	unlinkat(c->store.dirfd, STATE_NAME, 0);
	if (!s->quiet)
		note("%s: %s: %s, %" PRIu64 " pages, %" PRIu64 " left out by the level, %" PRIu64 " missing", s->name, c->dir,
		     complete ? "complete" : "incomplete", counts.stored, counts.excluded, counts.missing);
	return complete;
}

/*---------------------------------------------------------------- what the line does to bytes */

static void add_to_map(uint8_t *map, unsigned c)
{
	map[c / 8] |= (uint8_t)(1u << c % 8);
}

static bool in_map(const uint8_t *map, unsigned c)
{
	return map[c / 8] >> c % 8 & 1;
}

/*
 * Align what arrived with 0, 1, ... 255. A value that is not where it should be was dropped, changed, or had something put before
 * it; all three are cured by not sending it. Returns how many there are.
 */
unsigned probe_analyse(const uint8_t *got, size_t len, uint8_t *map)
{
	size_t at = 0;
	unsigned bad = 0;

	/* The line end of the frame before */
	while (at < len && at < 4 && (got[at] == '\r' || got[at] == '\n'))
		at++;
	memset(map, 0, 32);
	for (unsigned v = 0; v < 256; v++) {
		size_t ahead = 0;

		while (ahead < 4 && at + ahead < len && got[at + ahead] != v)
			ahead++;
		if (ahead == 4 || at + ahead >= len) {
			/* Lost, or something else in its place: which of the two shows in the next value */
			if (at < len && !(at + 1 < len && v < 255 && got[at] == v + 1))
				at++;
			add_to_map(map, v);
			bad++;
			continue;
		}
		if (ahead) {
			add_to_map(map, v);
			bad++;
		}
		at += ahead + 1;
	}
	return bad;
}

static void probe_done(struct session *s)
{
	uint8_t map[32];
	unsigned bad = probe_analyse(s->probe, s->probe_len, map);

	s->probing = false;
	s->probed = true;
	s->mode = SERIAL_MODE_8BIT;
	if (bad > BAD_BYTES_MAX || in_map(map, SERIAL_SOH) || in_map(map, SERIAL_ETX) || in_map(map, SERIAL_DLE))
		s->mode = SERIAL_MODE_TEXT;
	for (unsigned c = 0; c < 256; c++)
		if (in_map(map, c) && in_map(map, c ^ SERIAL_ESCAPE_XOR))
			s->mode = SERIAL_MODE_TEXT;
	memcpy(s->map, map, sizeof(map));
	/* A line that eats one of these two may insert them as well */
	s->dec.drop_flow = in_map(map, SERIAL_XON) || in_map(map, SERIAL_XOFF);
	s->ctrl_ms = 0;
}

/* Every frame and every gap before it: adapt what the stub is asked for. */
static void judge_line(struct session *s, unsigned lost)
{
	unsigned bad;

	/* The lost ones, then the good one that showed it */
	s->losses = (s->losses << lost | (BIT(lost) - 1)) << 1;
	s->losses &= GENMASK(SESSION_LOSSES - 1, 0);
	bad = (unsigned)__builtin_popcountll(s->losses);
	if (bad * 4 > SESSION_LOSSES)
		s->units = 1;
	else if (bad * 12 > SESSION_LOSSES && s->units > 2)
		s->units = 2;
	else if (!bad)
		s->units = SERIAL_MAX_UNITS;
	/* Most frames lost although they are small: the line is not what the probe said */
	if (bad * 4 > SESSION_LOSSES * 3 && s->mode == SERIAL_MODE_8BIT) {
		s->mode = SERIAL_MODE_TEXT;
		s->losses = 0;
		s->ctrl_ms = 0;
	}
}

/*---------------------------------------------------------------- frames */

/* Raw deflate (RFC 1951) of exactly @len bytes, nothing before or behind */
static bool inflate_exactly(const uint8_t *in, size_t in_len, uint8_t *out, size_t len)
{
	z_stream z = { .next_in = (uint8_t *)(uintptr_t)in, .avail_in = (unsigned)in_len, .next_out = out, .avail_out = (unsigned)len };
	uint8_t extra;
	bool good;
	int rc;

	if (inflateInit2(&z, -SERIAL_WINDOW_BITS) != Z_OK)
		exit(fail(EXIT_FAILED, "no memory for inflate"));
	rc = inflate(&z, Z_FINISH);
	if (rc == Z_BUF_ERROR && !z.avail_out) {
		/* All of it is there, only the end mark is missing: is it the end? */
		z.next_out = &extra;
		z.avail_out = 1;
		rc = inflate(&z, Z_FINISH);
		good = rc == Z_STREAM_END && z.avail_out == 1;
	} else {
		good = rc == Z_STREAM_END && !z.avail_out;
	}
	good = good && !z.avail_in;
	inflateEnd(&z);
	return good;
}

/* The newest stream tells what should have come before. Repetitions do not: they may be about anything. */
static void move_front(struct capture_state *c, unsigned stream, uint64_t pos)
{
	unsigned place = place_of(c, stream);

	if (place < c->front || (place == c->front && pos <= c->front_pos))
		return;
	c->front = place;
	c->front_pos = pos;
}

static void keep_result(struct capture_state *c, const uint8_t *buf, size_t len)
{
	if (len != sizeof(c->result))
		return;
	memcpy(&c->result, buf, len);
	c->have_result = true;
}

static void keep_plan(struct capture_state *c, const uint8_t *buf, size_t len)
{
	if (len != c->meta.nr_passes * sizeof(*c->plan))
		return;
	memcpy(c->plan, buf, len);
	c->have_plan = true;
}

static int keep_piece(struct capture_state *c, unsigned blob, uint64_t total, uint64_t offset, const uint8_t *buf, size_t len)
{
	switch (blob) {
	case SERIAL_NOTES:
		return total == c->meta.notes_bytes ? store_notes(&c->store, offset, buf, len) : -EINVAL;
	case SERIAL_DMESG:
		return store_text(&c->store, "dmesg.txt", total, offset, buf, len);
	case SERIAL_LOG:
		return store_text(&c->store, "capstub.log", total, offset, buf, len);
	case SERIAL_PLAN:
		keep_plan(c, buf, len);
		return 0;
	case SERIAL_RESULT:
		keep_result(c, buf, len);
		return 0;
	}
	return 0;
}

static void on_blob(struct session *s, const struct frame *f)
{
	struct capture_state *c = &s->cap;
	struct frame_in in = frame_in(f->payload, f->len);
	unsigned blob = (unsigned)frame_get(&in, 1);
	uint64_t total = frame_get(&in, 4), offset = frame_get(&in, 4);
	size_t len = (size_t)frame_get(&in, 2);
	uint8_t piece[SERIAL_PIECE];

	if (!in.ok || blob >= SERIAL_NR_BLOBS || len > sizeof(piece) || !range_inside(offset, len, 0, total) ||
	    (len == 0) != (total == 0) || (len ? !inflate_exactly(in.p, in.left, piece, len) : in.left)) {
		c->rejected++;
		return;
	}
	if (blob == SERIAL_META) {
		if (!offset && len == total)
			got_meta(s, piece, len);
		return;
	}
	if (!c->have_meta)
		return;
	/* A log's length changes from one time to the next: the later one is right, and all of it is needed */
	if (c->total_known[blob] && c->total[blob] != total)
		spans_free(&c->got[blob]);
	c->total[blob] = total;
	c->total_known[blob] = true;
	if (keep_piece(c, blob, total, offset, piece, len) || !spans_add(&c->got[blob], offset, offset + (len ? len : 1)))
		c->rejected++;
	c->dirty = true;
	if (!(f->flags & SERIAL_FLAG_AGAIN))
		move_front(c, blob, offset);
}

/* A frame of pages, its runs checked */
struct pages_frame {
	unsigned pass, nr_runs, nr_units;
	uint64_t from, to;
	struct { uint64_t len; unsigned type; } runs[SERIAL_MAX_RUNS];
	uint8_t data[SERIAL_MAX_UNITS * SERIAL_UNIT];
};

static bool parse_pages(const struct capture_state *c, const struct frame *f, struct pages_frame *p)
{
	struct frame_in in = frame_in(f->payload, f->len);
	uint64_t left, units = 0;

	p->pass = (unsigned)frame_get(&in, 1);
	p->from = frame_get_varint(&in);
	left = frame_get_varint(&in);
	p->nr_runs = (unsigned)min_u64(frame_get_varint(&in), SERIAL_MAX_RUNS + 1);
	if (!in.ok || p->pass >= c->meta.nr_passes || p->nr_runs > SERIAL_MAX_RUNS || !left ||
	    !range_inside(p->from, left, 0, stream_end(c, PASS(p->pass))))
		return false;
	p->to = p->from + left;
	for (unsigned i = 0; i < p->nr_runs; i++) {
		uint64_t run = frame_get_varint(&in);

		p->runs[i].len = run >> 3;
		p->runs[i].type = run & 7;
		if (!in.ok || p->runs[i].type >= SERIAL_NR_RUNS || p->runs[i].len > left)
			return false;
		left -= p->runs[i].len;
		if (p->runs[i].type == SERIAL_RUN_DATA)
			units += p->runs[i].len;
	}
	if (units > SERIAL_MAX_UNITS)
		return false;
	p->nr_units = (unsigned)units;
	return units ? inflate_exactly(in.p, in.left, p->data, units * SERIAL_UNIT) : !in.left;
}

/* A large page that never became whole: its units are wanted again, whichever pass they are of. */
static void forget_page(struct capture_state *c, uint64_t pfn)
{
	unsigned n = c->store.units_per_page;

	for (unsigned pass = 0; pass < c->meta.nr_passes; pass++)
		spans_remove(&c->got[PASS(pass)], pfn * n, (pfn + 1) * n);
}

static void keep_unit(struct capture_state *c, uint64_t unit, const uint8_t *data)
{
	uint64_t dropped;
	int rc = store_unit(&c->store, unit, data, &dropped);

	if (rc == -EAGAIN)
		forget_page(c, dropped);
	else if (rc == -ENOENT)
		c->rejected++;
}

/* Runs of whole pages in one go, the units at either end one by one */
static void keep_run(struct capture_state *c, uint64_t unit, uint64_t len, unsigned type)
{
	unsigned n = c->store.units_per_page;

	if (type == SERIAL_RUN_EXCLUDED) {
		store_excluded(&c->store, unit / n, DIV_ROUND_UP(len, n));
		return;
	}
	if (type != SERIAL_RUN_ZERO)
		return;
	for (; len && unit % n; unit++, len--)
		keep_unit(c, unit, NULL);
	if (len / n)
		store_zeros(&c->store, unit / n, len / n);
	unit += len / n * n;
	for (len %= n; len; unit++, len--)
		keep_unit(c, unit, NULL);
}

static void on_pages(struct session *s, const struct frame *f)
{
	struct capture_state *c = &s->cap;
	static struct pages_frame p;
	const uint8_t *data = p.data;
	uint64_t unit;

	if (!c->have_meta)
		return;
	if (!parse_pages(c, f, &p)) {
		c->rejected++;
		return;
	}
	unit = p.from;
	for (unsigned i = 0; i < p.nr_runs; i++) {
		if (p.runs[i].type == SERIAL_RUN_DATA)
			for (uint64_t k = 0; k < p.runs[i].len; k++, data += SERIAL_UNIT)
				keep_unit(c, unit + k, data);
		else
			keep_run(c, unit, p.runs[i].len, p.runs[i].type);
		unit += p.runs[i].len;
	}
	c->units += p.nr_units;
	/* Without room for another interval it counts as not received: it is asked for again when gaps have closed. */
	spans_add(&c->got[PASS(p.pass)], p.from, p.to);
	c->dirty = true;
	if (!(f->flags & SERIAL_FLAG_AGAIN))
		move_front(c, PASS(p.pass), p.from);
}

static void on_hello(struct session *s, const struct frame *f)
{
	struct capture_state *c = &s->cap;
	struct frame_in in = frame_in(f->payload, f->len);
	unsigned version = (unsigned)frame_get(&in, 1), mode = (unsigned)frame_get(&in, 1);
	uint64_t session = frame_get(&in, 8);

	if (!in.ok || version != SERIAL_VERSION)
		return;
	if (is_past(s, session))
		return;
	if (c->used && c->session != session) {
		finish_capture(s);
		close_capture(s);
	}
	if (!c->used && !resume(s, (uint16_t)session)) {
		c->used = true;
		c->session = session;
		c->tag = (uint16_t)session;
	}
	/* What the stub does on its own is the safe choice until the probe has been seen. */
	if (!s->probed)
		s->mode = mode == SERIAL_MODE_8BIT ? SERIAL_MODE_8BIT : SERIAL_MODE_TEXT;
	s->ctrl_ms = 0;
}

static void count_sequence(struct session *s, const struct frame *f)
{
	struct capture_state *c = &s->cap;
	uint32_t ahead = f->sequence - c->sequence;

	c->frames++;
	if (f->flags & SERIAL_FLAG_AGAIN)
		c->again++;
	if (c->any_sequence && ahead >= 1u << 31)
		return;		/* older than the newest: a replay, or out of order */
	if (c->any_sequence && ahead < 1u << 20) {
		c->lost += ahead;
		judge_line(s, (unsigned)min_u64(ahead, GAP_MAX));
	}
	c->sequence = f->sequence + 1;
	c->any_sequence = true;
}

/* A recorded log can be looked through first: its METAs are known before the frames that need them. */
static void use_known(struct session *s)
{
	for (unsigned i = 0; i < s->nr_known && !s->cap.have_meta; i++)
		if (s->known[i].tag == s->cap.tag)
			got_meta(s, s->known[i].meta, s->known[i].len);
}

static void look_for_meta(void *ctx, const struct frame *f)
{
	struct session *s = ctx;
	struct frame_in in = frame_in(f->payload, f->len);
	struct session_known *k = &s->known[s->nr_known];
	uint64_t blob = frame_get(&in, 1), total = frame_get(&in, 4), offset = frame_get(&in, 4), len = frame_get(&in, 2);

	s->nr_looked++;
	if (f->type != SERIAL_BLOB || !in.ok || blob != SERIAL_META || offset || len != total || len > sizeof(k->meta) ||
	    s->nr_known == SESSION_KNOWN)
		return;
	for (unsigned i = 0; i < s->nr_known; i++)
		if (s->known[i].tag == f->session)
			return;
	if (!inflate_exactly(in.p, in.left, k->meta, len))
		return;
	k->tag = f->session;
	k->len = len;
	s->nr_known++;
}

void session_look(struct session *s, struct frame_dec *dec, uint8_t *frame)
{
	s->known = must_alloc(SESSION_KNOWN, sizeof(*s->known));
	frame_dec_init(dec, frame, SERIAL_FRAME_MAX, look_for_meta, NULL, s);
}

static void on_frame(void *ctx, const struct frame *f)
{
	struct session *s = ctx;
	struct capture_state *c = &s->cap;
	bool meta = f->type == SERIAL_BLOB && f->len && f->payload[0] == SERIAL_META;

	if (f->type == SERIAL_CTRL)
		return;		/* an echo of ours, or another receiver */
	if (f->type == SERIAL_HELLO)
		on_hello(s, f);
	/* A capture whose beginning was not seen: perhaps one of before a restart, else its META will be asked for */
	if (!c->used && !meta && !resume(s, f->session)) {
		c->used = true;
		c->tag = f->session;
	}
	if (!c->have_meta && c->tag == f->session)
		use_known(s);
	if (c->tag != f->session && !meta) {
		s->foreign++;
		/* Nothing is known of the one at work: it was an echo of an older one, or this is */
		if (!c->have_meta)
			close_capture(s);
		return;
	}
	s->heard = true;
	s->frame_ms = s->now_ms;
	count_sequence(s, f);
	switch (f->type) {
	case SERIAL_PROBE:
		s->probing = true;
		s->probe_len = 0;
		break;
	case SERIAL_PROBE_END:
		if (s->probing)
			probe_done(s);
		break;
	case SERIAL_BLOB:
		on_blob(s, f);
		break;
	case SERIAL_PAGES:
		on_pages(s, f);
		break;
	case SERIAL_SERVED:
		if (f->len == 2 && s->waiting && (f->payload[0] | f->payload[1] << 8) == s->request)
			s->waiting = false;
		break;
	}
}

static void on_text(void *ctx, const uint8_t *buf, size_t len)
{
	struct session *s = ctx;

	if (s->text && !s->probing)
		s->text(s->ctx, buf, len);
}

void session_feed(struct session *s, const uint8_t *buf, size_t len, uint64_t now_ms)
{
	s->now_ms = now_ms;
	s->bytes += len;
	for (size_t i = 0; i < len; i++) {
		if (s->probing) {
			if (s->probe_len == sizeof(s->probe))
				s->probing = false;
			else
				s->probe[s->probe_len++] = buf[i];
		}
		frame_dec_feed(&s->dec, buf + i, 1);
		/* The probe's bytes are no frame, even though 1 begins one; if its end is lost, what comes after it is not */
		if (s->probing && s->probe_len <= PROBE_SOH && (s->dec.state == FRAME_8BIT || s->dec.state == FRAME_8BIT_ESCAPED))
			s->dec.state = FRAME_TEXT;
	}
}

/*---------------------------------------------------------------- what to ask for */

/* Gaps before the front, in the order of sending; at most SERIAL_CTRL_MAX_WANTS. Returns how many. */
static unsigned find_wants(struct session *s, uint8_t *out, size_t *ret_len)
{
	struct capture_state *c = &s->cap;
	unsigned nr = 0;
	size_t len = 0;

	for (unsigned place = 0; c->have_meta && place <= c->front && place < nr_streams(c); place++) {
		unsigned stream = stream_in_order(c, place);
		uint64_t from = 0, end = place < c->front ? stream_end(c, stream) : c->front_pos;
		struct span gap;

		while (nr < SERIAL_CTRL_MAX_WANTS && spans_gap(&c->got[stream], from, end, &gap)) {
			out[len++] = (uint8_t)(stream < SERIAL_NR_BLOBS ? stream : SERIAL_WANT_PASS + stream - SERIAL_NR_BLOBS);
			len += frame_put_varint(out + len, gap.from);
			len += frame_put_varint(out + len, gap.to - gap.from);
			from = gap.to;
			nr++;
		}
	}
	/* META first of all: nothing can be placed without it */
	if (!c->have_meta) {
		out[len++] = SERIAL_META;
		out[len++] = 0;
		out[len++] = 1;
		nr = 1;
	}
	*ret_len = len;
	return nr;
}

static void put_line(void *ctx, const uint8_t *buf, size_t len)
{
	struct session *s = ctx;

	s->send(s->ctx, buf, len);
}

static void send_ctrl(struct session *s, bool bye)
{
	uint8_t fixed[SERIAL_CTRL_FIXED] = { SERIAL_VERSION, 0, (uint8_t)s->mode, (uint8_t)s->units };
	struct frame_enc e;

	if (bye)
		fixed[1] |= SERIAL_CTRL_BYE;
	if (!s->probed)
		fixed[1] |= SERIAL_CTRL_PROBE;
	memcpy(fixed + 4, s->map, 32);
	fixed[36] = (uint8_t)s->request;
	fixed[37] = (uint8_t)(s->request >> 8);
	fixed[38] = s->waiting ? (uint8_t)s->nr_wants : 0;
	frame_enc_init(&e, put_line, s);
	frame_begin(&e, SERIAL_MODE_TEXT, SERIAL_CTRL, 0, s->cap.tag, s->sequence++);
	frame_data(&e, fixed, sizeof(fixed));
	if (s->waiting)
		frame_data(&e, s->wants, s->wants_len);
	frame_end(&e);
	s->ctrl_ms = s->now_ms;
}

/* Time for a new request? */
static bool ask(struct session *s)
{
	if (s->waiting || s->now_ms < s->request_ms + ANSWER_MS)
		return false;
	s->nr_wants = find_wants(s, s->wants, &s->wants_len);
	if (!s->nr_wants)
		return false;
	s->request++;
	s->requests++;
	s->waiting = true;
	s->request_ms = s->now_ms;
	return true;
}

/* Time left, from how fast contents came over the whole of this run */
static void estimate(struct session *s)
{
	const struct capture_state *c = &s->cap;
	uint64_t all = 0, units;

	for (unsigned i = 0; c->have_plan && i < c->meta.nr_passes; i++)
		all += c->plan[i];
	if (!s->rest_ms && c->have_plan) {
		s->rest_ms = s->now_ms;
		s->rest_units = c->units;
	}
	units = c->units - min_u64(c->units, s->rest_units);
	s->rest_s = all > c->units && units ? (s->now_ms - s->rest_ms) * (all - c->units) / units / 1000 : 0;
}

unsigned session_tick(struct session *s, uint64_t now_ms)
{
	struct capture_state *c = &s->cap;
	bool bye;

	s->now_ms = now_ms;
	estimate(s);
	if (c->have_meta && c->dirty && !c->done && now_ms >= c->saved_ms + SAVE_MS)
		save_state(s, c);
	if (!s->two_way || !s->heard || !c->used)
		return SAVE_MS;
	bye = all_done(c);
	if (bye && !c->done)
		finish_capture(s);
	if (bye)
		s->waiting = false;
	/* The stub repeats its result until it hears the good-bye: one for each time */
	if (bye ? s->frame_ms > s->ctrl_ms || !s->ctrl_ms
		: ask(s) || now_ms >= s->ctrl_ms + CTRL_MS || !s->ctrl_ms)
		send_ctrl(s, bye);
	/* Nothing comes although something was asked for: the request was lost, or its answer's end */
	if (s->waiting && now_ms >= s->frame_ms + REPEAT_MS && now_ms >= s->ctrl_ms + REPEAT_MS)
		send_ctrl(s, false);
	return ANSWER_MS;
}

/*---------------------------------------------------------------- begin and end */

void session_init(struct session *s)
{
	s->frame = must_alloc(1, SERIAL_FRAME_MAX);
	frame_dec_init(&s->dec, s->frame, SERIAL_FRAME_MAX, on_frame, on_text, s);
	s->units = SERIAL_MAX_UNITS;
}

int session_end(struct session *s)
{
	struct capture_state *c = &s->cap;
	bool complete = c->done;

	frame_dec_end(&s->dec);
	if (!c->have_meta)
		return s->captures ? 1 : 2;
	if (!c->done)
		complete = finish_capture(s);
	return complete ? 0 : 1;
}

void session_free(struct session *s)
{
	close_capture(s);
	free(s->known);
	free(s->frame);
	s->frame = NULL;
}

int session_permille(const struct session *s)
{
	const struct capture_state *c = &s->cap;
	uint64_t all = 0;

	if (!c->have_meta)
		return -1;
	if (c->done)
		return 1000;
	for (unsigned i = 0; c->have_plan && i < c->meta.nr_passes; i++)
		all += c->plan[i];
	return all ? (int)(min_u64(c->units, all) * 1000 / all) : -1;
}

void session_report(const struct session *s, FILE *f)
{
	const struct capture_state *c = &s->cap;

	fprintf(f, "%s: ", s->name);
	if (!c->have_meta) {
		fprintf(f, "no capture\n");
		return;
	}
	fprintf(f, "%s, %" PRIu64 " frames, %" PRIu64 " lost, %" PRIu64 " sent again, %" PRIu64 " rejected\n", c->dir, c->frames, c->lost,
		c->again, c->rejected);
	for (unsigned place = 0; place < nr_streams(c); place++) {
		static const char *const blobs[] = { "header", "notes", "dmesg", "plan", "log", "result" };
		unsigned stream = stream_in_order(c, place);
		uint64_t end = stream_end(c, stream), here = spans_count(&c->got[stream], 0, end);

		if (here == end)
			continue;
		if (stream < SERIAL_NR_BLOBS)
			fprintf(f, "  %s: %" PRIu64 " of %" PRIu64 " bytes\n", blobs[stream], here, end);
		else
			fprintf(f, "  pages, pass %u of %u: %" PRIu64 " %% of the address space heard of, in %u piece(s)\n",
				stream - SERIAL_NR_BLOBS + 1, c->meta.nr_passes, here * 100 / end, c->got[stream].nr);
	}
}
