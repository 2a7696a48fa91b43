// SPDX-License-Identifier: GPL-2.0-or-later
/* needs: tools/recv/recv_session.c tools/recv/recv_store.c tools/recv/marks.c tools/recv/spans.c tools/util.c tools/media/outfile.c tools/media/flat.c tools/media/kdump.c */
/*
 * A hostile stream for capstub recv. The input is a program of frames with good CRCs (noise alone hardly ever makes one), noise
 * between them, time, and restarts of the receiver. The contents of a page are a function of its place, so that afterwards
 * every page of every vmcore can be judged: a page in the wrong place ends the run, and so does a file outside the folders.
 */
#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zlib.h>

#include "tools/media/kdump.h"
#include "tools/recv/recv_session.h"
#include "tools/util.h"

#define FILE_LIMIT	(64u << 20)	/* headers and bitmaps of the largest range that is made here */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct frame_in in;
static struct session session;
static struct frame_enc enc;
static uint64_t now_ms;
static uint32_t sequence;
static char *out;

static uint64_t get(unsigned bytes)
{
	uint64_t value = 0;

	if (in.left)
		value = frame_get(&in, in.left < bytes ? 1 : bytes);
	return value;
}

static void put(void *ctx, const uint8_t *buf, size_t len)
{
	(void)ctx;
	session_feed(&session, buf, len, now_ms);
}

static void ignore(void *ctx, const uint8_t *buf, size_t len)
{
	(void)ctx;
	assert(buf && len);
}

static void le(uint64_t value, unsigned bytes)
{
	uint8_t buf[8];

	for (unsigned i = 0; i < 8; i++)
		buf[i] = (uint8_t)(value >> 8 * i);
	frame_data(&enc, buf, bytes);
}

static void varint(uint64_t value)
{
	uint8_t buf[10];

	frame_data(&enc, buf, frame_put_varint(buf, value));
}

static void deflated(const void *buf, size_t len)
{
	static uint8_t packed[1 << 17];
	z_stream z = { .next_in = (uint8_t *)(uintptr_t)buf, .avail_in = (unsigned)len, .next_out = packed, .avail_out = sizeof(packed) };

	assert(deflateInit2(&z, 1, Z_DEFLATED, -SERIAL_WINDOW_BITS, 5, Z_DEFAULT_STRATEGY) == Z_OK);
	assert(deflate(&z, Z_FINISH) == Z_STREAM_END);
	frame_data(&enc, packed, z.total_out);
	deflateEnd(&z);
}

static void begin(unsigned type)
{
	uint64_t how = get(1);

	sequence += how >> 5;
	frame_begin(&enc, how & 1 ? SERIAL_MODE_8BIT : SERIAL_MODE_TEXT, type, how & 2 ? SERIAL_FLAG_AGAIN : 0,
		    how & 4 ? 1 : 2, sequence++);
}

static void end(void)
{
	frame_end(&enc);
}

static void blob(unsigned what, uint64_t total, uint64_t offset, const void *buf, size_t len)
{
	begin(SERIAL_BLOB);
	le(what, 1);
	le(total, 4);
	le(offset, 4);
	le(len, 2);
	if (len)
		deflated(buf, len);
	end();
}

static void meta(void)
{
	struct { struct serial_meta m; uint64_t ranges[4][2]; } b = { 0 };
	uint64_t pfn = 0, seed = get(1);

	b.m.version = SERIAL_VERSION;
	b.m.page_size = seed & 1 ? 65536 : 4096;
	b.m.session = seed & 2 ? 1 : 2;
	b.m.crash_time = (int64_t)(seed & 4 ? 1700000000 : 0);
	b.m.notes_bytes = get(1) * 8;
	b.m.vmcoreinfo_bytes = min_u64(get(1), b.m.notes_bytes);
	b.m.nr_cpus = 2;
	b.m.nr_passes = (uint32_t)(get(1) % (SERIAL_MAX_PASSES + 1));
	b.m.nr_vital = b.m.nr_passes / 2;
	b.m.nr_ranges = 1 + (unsigned)(seed >> 3 & 3);
	for (unsigned i = 0; i < b.m.nr_ranges; i++) {
		b.ranges[i][0] = pfn += get(1);
		b.ranges[i][1] = 1 + get(1);
		pfn += b.ranges[i][1];
	}
	b.m.max_pfn = pfn;
	/* One field of it as the input likes */
	if (seed & 0x80) {
		uint64_t at = get(2) % (sizeof(b) - 8), value = get(8);

		memcpy((uint8_t *)&b + at, &value, 8);
		/* Sparse files of terabytes are no news, and slow */
		if (b.m.max_pfn > 1u << 20)
			return;
	}
	blob(SERIAL_META, sizeof(b.m) + 16 * b.m.nr_ranges, 0, &b, sizeof(b.m) + 16 * (b.m.nr_ranges & 3 ? b.m.nr_ranges & 3 : 4));
}

static void fill(uint8_t *page, uint64_t unit)
{
	for (unsigned i = 0; i < SERIAL_UNIT; i++)
		page[i] = (uint8_t)(unit + 1 + (i < 8 ? unit >> 8 * i : i));
}

static void pages(void)
{
	static uint8_t data[8 * SERIAL_UNIT];
	struct { uint64_t len; unsigned type; } runs[8];
	unsigned nr = (unsigned)get(1) % 8, units = 0;
	uint64_t pass = get(1) & 31, from = get(2), all = 0, unit = from;

	for (unsigned i = 0; i < nr; i++) {
		uint64_t word = get(2);

		runs[i].type = word & 7;
		runs[i].len = runs[i].type == SERIAL_RUN_DATA ? word >> 3 & 3 : word >> 3;
		all += runs[i].len;
		for (uint64_t k = 0; k < runs[i].len && runs[i].type == SERIAL_RUN_DATA && units < 8; k++)
			fill(data + units++ * SERIAL_UNIT, unit + k);
		unit += runs[i].len;
	}
	begin(SERIAL_PAGES);
	le(pass, 1);
	varint(from);
	varint(all + (get(1) & 3));
	varint(nr);
	for (unsigned i = 0; i < nr; i++)
		varint(runs[i].len << 3 | runs[i].type);
	if (units)
		deflated(data, units * SERIAL_UNIT);
	end();
}

static void raw(unsigned type)
{
	size_t len;

	begin(type);
	len = get(1);
	len = min_u64(len, in.left);
	if (len)
		frame_data(&enc, frame_get_bytes(&in, len), len);
	end();
}

static void open_session(void)
{
	memset(&session, 0, sizeof(session));
	session.out = out;
	session.name = "fuzz";
	session.quiet = true;
	session.two_way = true;
	session.send = ignore;
	session.text = ignore;
	session_init(&session);
}

static void step(void)
{
	static const uint8_t zero[SERIAL_PIECE];
	size_t len;

	switch (get(1) % 11) {
	case 0:
		len = get(1);
		len = min_u64(len, in.left);
		if (len)
			session_feed(&session, frame_get_bytes(&in, len), len, now_ms);
		break;
	case 1:
		meta();
		break;
	case 2:
		blob((unsigned)get(1), get(2), get(2), zero, get(2) % sizeof(zero));
		break;
	case 3:
	case 4:
	case 5:
		pages();
		break;
	case 6:
		raw((unsigned)get(1) % 20);
		break;
	case 7:
		now_ms += get(2);
		session_tick(&session, now_ms);
		break;
	case 8:
		begin(SERIAL_HELLO);
		le(SERIAL_VERSION, 1);
		le(get(1) & 1, 1);
		le(get(1) & 1 ? 1 : 2, 8);
		le(115200, 4);
		end();
		break;
	case 9:
		session_free(&session);
		open_session();
		break;
	case 10:
		raw(SERIAL_SERVED);
		break;
	}
}

/* Every page of a vmcore is what its place says, or zero. */
static void judge(const char *path)
{
	static struct kdump_walk walk;
	static uint8_t packed[65536], page[65536], want[SERIAL_UNIT];
	static const uint8_t zero[SERIAL_UNIT];
	struct kdump_page p;
	struct kdump k;
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		return;
	assert(!kdump_open(&k, path, fd, (uint64_t)lseek(fd, 0, SEEK_END)));
	kdump_walk_start(&walk, &k);
	while (kdump_walk_next(&walk, &p) == 1) {
		unsigned n = (unsigned)k.hdr.block_size / SERIAL_UNIT;
		uLongf len = sizeof(page);

		assert(p.state != PAGE_BAD);
		if (p.state != PAGE_STORED)
			continue;
		assert(p.desc.size <= sizeof(packed) && !read_at(fd, packed, p.desc.size, (uint64_t)p.desc.offset));
		if (p.desc.flags)
			assert(uncompress(page, &len, packed, p.desc.size) == Z_OK);
		else
			memcpy(page, packed, len = p.desc.size);
		assert(len == n * SERIAL_UNIT);
		for (unsigned i = 0; i < n; i++) {
			fill(want, p.pfn * n + i);
			assert(!memcmp(page + i * SERIAL_UNIT, want, SERIAL_UNIT) || !memcmp(page + i * SERIAL_UNIT, zero, SERIAL_UNIT));
		}
	}
	close(fd);
}

static void judge_and_remove(void)
{
	DIR *d = opendir(out);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		static const char *const names[] = { "vmcore", "vmcore.part", ".meta", ".zero", ".excluded", ".state", ".part", "dmesg.txt",
						     "capstub.log", "receive.json", "receive.json.part", ".meta.part" };
		char path[512];

		if (e->d_name[0] == '.')
			continue;
		assert(!strncmp(e->d_name, "fuzz-", 5));
		snprintf(path, sizeof(path), "%s/%s/vmcore", out, e->d_name);
		judge(path);
		for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
			snprintf(path, sizeof(path), "%s/%s/%s", out, e->d_name, names[i]);
			unlink(path);
		}
		snprintf(path, sizeof(path), "%s/%s", out, e->d_name);
		/* Not empty: a file with a name of the sender's choice */
		assert(!rmdir(path));
	}
	closedir(d);
	assert(!rmdir(out));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rlimit limit = { FILE_LIMIT, FILE_LIMIT };
	/* Memory, where there is one: each run makes and flushes some ten files */
	char memory[] = "/dev/shm/fuzz-recv-XXXXXX", disk[] = "/tmp/fuzz-recv-XXXXXX";

	if (size > 4096)
		return -1;
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &limit);
	out = mkdtemp(memory);
	if (!out)
		out = mkdtemp(disk);
	assert(out);
	in = frame_in(data, size);
	frame_enc_init(&enc, put, NULL);
	sequence = 0;
	now_ms = 1000;
	open_session();
	while (in.left && in.ok)
		step();
	session_end(&session);
	session_free(&session);
	judge_and_remove();
	return 0;
}
