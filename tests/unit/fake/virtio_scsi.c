// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/fake/virtio_scsi.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

static void to_be(uint8_t *p, uint64_t v, unsigned n)
{
	while (n--) {
		p[n] = (uint8_t)v;
		v >>= 8;
	}
}

/* One request, taken apart */
struct request {
	struct fake_vscsi *f;
	struct fake_lun *lun;
	const uint8_t *cdb;
	uint8_t *resp;
	struct { uint8_t *mem; uint32_t len; } out[300], in[300];
	unsigned nr_out, nr_in;
	uint32_t out_len, in_len, moved;
};

static void put(struct request *r, const void *src, uint32_t len, uint32_t allocation)
{
	const uint8_t *p = src;

	assert(allocation <= r->in_len);
	len = len < allocation ? len : allocation;
	for (unsigned i = 0; i < r->nr_in && len; i++) {
		uint32_t n = len < r->in[i].len ? len : r->in[i].len;

		memcpy(r->in[i].mem, p, n);
		p += n;
		len -= n;
		r->moved += n;
	}
}

static uint8_t check_condition(struct request *r, uint32_t code)
{
	uint8_t *s = r->resp + 12;

	if (r->lun && r->lun->descriptor_sense) {
		s[0] = 0x72;
		s[1] = code >> 16;
		s[2] = code >> 8;
		s[3] = code;
		r->resp[0] = 8;
	} else {
		s[0] = 0xf0;
		s[2] = code >> 16;
		s[7] = 10;
		s[12] = code >> 8;
		s[13] = code;
		r->resp[0] = 18;
	}
	return 2;
}

static uint8_t inquiry(struct request *r)
{
	uint8_t d[96] = { r->lun ? r->lun->peripheral : 0x7f };
	uint32_t alloc = r->cdb[3] << 8 | r->cdb[4], len = 96;

	assert(!r->cdb[5]);
	if (!(r->cdb[1] & 1)) {
		assert(!r->cdb[2]);
		d[1] = r->lun && r->lun->removable ? 0x80 : 0;
		d[2] = 6;
		d[4] = 91;
		put(r, d, len, alloc);
		return 0;
	}
	assert(r->lun);
	d[1] = r->cdb[2];
	if (r->cdb[2] == 0x80 && r->lun->serial) {
		d[3] = strlen(r->lun->serial);
		memcpy(d + 4, r->lun->serial, d[3]);
		len = 4 + d[3];
	} else if (r->cdb[2] == 0x83) {
		static const uint8_t name[] = { 2, 0, 0, 4, 'n', 'a', 'm', 'e' };

		memcpy(d + 4, name, 8);
		d[3] = 8;
		if (r->lun->naa) {
			static const uint8_t port[] = { 1, 0x93, 0, 8, 9, 9, 9, 9, 9, 9, 9, 9, 1, 3, 0, 16 };

			memcpy(d + 12, port, 16);
			memcpy(d + 28, r->lun->naa, 16);
			d[3] += 32;
		}
		len = 4 + d[3];
	} else if (r->cdb[2] == 0xb0 && r->lun->max_blocks) {
		d[3] = 60;
		to_be(d + 8, r->lun->max_blocks, 4);
		len = 64;
	} else {
		return check_condition(r, 0x052400);
	}
	put(r, d, len, alloc);
	return 0;
}

static uint8_t report_luns(struct request *r)
{
	uint8_t d[8 + 8 * 300] = { 0 };
	unsigned n = 0;

	if (r->f->no_report)
		return check_condition(r, 0x052000);
	if (r->f->odd_luns) {
		to_be(d + 8 + 8 * n++, 0xc101000000000000, 8);
		to_be(d + 8 + 8 * n++, 0x0003000100000000, 8);
		to_be(d + 8 + 8 * n++, 0x0105000000000000, 8);
	}
	/* in no order */
	for (unsigned i = r->f->nr_luns; i--;) {
		const struct fake_lun *l = &r->f->luns[i];

		if (l->target == r->resp[1])
			to_be(d + 8 + 8 * n++, (uint64_t)(l->lun < 256 ? l->lun : 0x4000 | l->lun) << 48, 8);
	}
	to_be(d, 8 * (n + r->f->more_luns), 4);
	put(r, d, 8 + 8 * n, be32(r->cdb + 6));
	return 0;
}

static uint8_t transfer(struct request *r, uint64_t lba, uint32_t blocks, bool write)
{
	struct fake_lun *l = r->lun;
	uint8_t *at = l->data + lba * l->block;
	uint64_t bytes = (uint64_t)blocks * l->block;

	assert(blocks && bytes == (write ? r->out_len : r->in_len) && !(write ? r->in_len : r->out_len));
	assert(!l->max_blocks || blocks <= l->max_blocks);
	if (write && l->write_protected)
		return check_condition(r, 0x072700);
	if (l->sense && lba <= l->bad_lba && l->bad_lba < lba + blocks) {
		uint32_t sense = l->sense;

		if (l->bad_times && !--l->bad_times)
			l->sense = 0;
		return check_condition(r, sense);
	}
	assert(range_inside(lba * l->block, bytes, 0, l->len));
	for (unsigned i = 0; i < (write ? r->nr_out : r->nr_in); i++) {
		if (write)
			memcpy(at, r->out[i].mem, r->out[i].len);
		else
			memcpy(r->in[i].mem, at, r->in[i].len);
		at += write ? r->out[i].len : r->in[i].len;
	}
	r->moved = bytes;
	write ? l->writes++ : l->reads++;
	return 0;
}

static uint8_t unit_command(struct request *r)
{
	struct fake_lun *l = r->lun;
	const uint8_t *c = r->cdb;
	uint8_t d[64] = { 0 };
	uint64_t last = (l->blocks ? l->blocks : l->len / l->block) - 1;

	l->commands++;
	if (c[0] == 0x12)
		return inquiry(r);
	assert(l->peripheral == 0 || l->removable);
	if (l->attentions) {
		l->attentions--;
		return check_condition(r, 0x062900);
	}
	if (l->no_medium)
		return check_condition(r, 0x023a00);
	if (l->not_ready) {
		l->not_ready--;
		return check_condition(r, 0x020401);
	}
	switch (c[0]) {
	case 0x00:
		return 0;
	case 0x1a:
		assert(c[1] == 8 && c[2] == 8);
		if (l->no_modes)
			return check_condition(r, 0x052000);
		d[0] = 23;
		d[2] = l->write_protected ? 0x80 : 0;
		d[4] = 0x08;
		d[5] = 18;
		d[6] = l->write_through ? 0 : 4;
		put(r, d, 24, c[4]);
		return 0;
	case 0x25:
		to_be(d, last > UINT32_MAX ? UINT32_MAX : last, 4);
		to_be(d + 4, l->block, 4);
		put(r, d, 8, 8);
		return 0;
	case 0x9e:
		assert(c[1] == 0x10);
		if (l->no_capacity_16)
			return check_condition(r, 0x052000);
		to_be(d, last, 8);
		to_be(d + 8, l->block, 4);
		put(r, d, 32, be32(c + 10));
		return 0;
	case 0x35:
		assert(!be32(c + 2) && !c[7] && !c[8] && !r->in_len && !r->out_len);
		l->flushes++;
		return l->no_flush ? check_condition(r, 0x052000) : 0;
	case 0x28:
	case 0x2a:
		return transfer(r, be32(c + 2), c[7] << 8 | c[8], c[0] == 0x2a);
	case 0x88:
	case 0x8a:
		r->f->saw_16 = true;
		return transfer(r, (uint64_t)be32(c + 2) << 32 | be32(c + 6), be32(c + 10), c[0] == 0x8a);
	}
	assert(!"an unexpected command");
	return 0;
}

static uint8_t respond(struct request *r, const uint8_t *header, uint8_t *ret_status)
{
	struct fake_vscsi *f = r->f;
	unsigned target = header[1], lun = (header[2] & 0x3f) << 8 | header[3];
	bool there = false;

	assert(header[0] == 1 && header[2] >> 6 == 1 && !be32(header + 4));
	for (unsigned i = 0; i < f->nr_luns; i++) {
		there |= f->luns[i].target == target;
		if (f->luns[i].target == target && f->luns[i].lun == lun)
			r->lun = &f->luns[i];
	}
	if (!there) {
		f->bad_targets++;
		return 3;
	}
	r->cdb = header + 19;
	if (r->cdb[0] == 0xa0) {
		r->resp[1] = target;
		*ret_status = report_luns(r);
		r->resp[1] = 0;
		return 0;
	}
	if (f->response_times && r->lun) {
		f->response_times--;
		*ret_status = f->status;
		return f->response;
	}
	if (!r->lun)
		*ret_status = r->cdb[0] == 0x12 ? inquiry(r) : check_condition(r, 0x052500);
	else
		*ret_status = unit_command(r);
	return 0;
}

static void execute(struct fake_vblk *v, uint16_t head)
{
	struct fake_vscsi *f = container_of(v, struct fake_vscsi, v);
	const struct virtq_desc *table = (void *)(uintptr_t)v->desc, *d = &table[head];
	struct request *r = calloc(1, sizeof(*r));
	uint8_t header[51], answer[108] = { 0 }, *resp = NULL;
	unsigned n = 1;
	uint32_t left;

	assert(head < v->queue_size && d->len == 51 && d->flags == 1);
	memcpy(header, (void *)(uintptr_t)d->addr, 51);
	assert(!be32(header + 8) && !be32(header + 12) && !header[16] && !header[17] && !header[18]);
	while (d->flags & 1) {
		d = &table[d->next];
		assert(++n <= v->queue_size && d->len);
		if (!(d->flags & 2)) {
			assert(!resp);
			r->out[r->nr_out].mem = (void *)(uintptr_t)d->addr;
			r->out[r->nr_out++].len = d->len;
			r->out_len += d->len;
		} else if (!resp) {
			assert(d->len == 108);
			resp = (void *)(uintptr_t)d->addr;
		} else {
			r->in[r->nr_in].mem = (void *)(uintptr_t)d->addr;
			r->in[r->nr_in++].len = d->len;
			r->in_len += d->len;
		}
	}
	assert(resp && resp[11] && resp[10]);	/* no success before we say so */
	assert(r->nr_out + r->nr_in <= ((uint32_t *)&v->config)[1]);
	if (n > v->max_descs)
		v->max_descs = n;
	r->f = f;
	r->resp = answer;
	answer[11] = respond(r, header, &answer[10]);
	left = r->in_len + r->out_len - r->moved;
	if (f->residual && r->lun && r->cdb && r->moved >= 512)
		left = f->residual;
	memcpy(answer + 4, &left, 4);
	if (!f->silent)
		memcpy(resp, answer, 108);
	/* as QEMU, which counts what it has read as written, too */
	fake_vblk_finish(v, head, 108 + r->in_len + r->out_len);
	free(r);
}

void fake_vscsi_init(struct fake_vscsi *f, enum fake_virtio_kind kind)
{
	/* num_queues, seg_max, max_sectors, cmd_per_lun, event_info_size, sense_size, cdb_size, max_target */
	const uint32_t config[] = { 1, 254, 0xffff, 128, 16, 96, 32, 255 << 16, 16383 };

	memset(f, 0, sizeof(*f));
	fake_virtio_init(&f->v, kind, 0x1048, 0x1004, 8);
	f->v.features |= 7;
	f->v.queue = 2;
	f->v.execute = execute;
	memcpy(&f->v.config, config, sizeof(config));
}

struct fake_lun *fake_vscsi_add(struct fake_vscsi *f, unsigned target, unsigned lun, uint32_t block, uint8_t *data,
				uint64_t len)
{
	struct fake_lun *l = &f->luns[f->nr_luns++];

	assert(f->nr_luns <= FAKE_MAX_LUNS);
	/* after a reset, each has that to say */
	*l = (struct fake_lun){ .target = target, .lun = lun, .data = data, .len = len, .block = block,
				.serial = "  SCSI-9 ", .attentions = 1 };
	return l;
}
