// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/load/pe.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "tools/util.h"

#define DOS_HEADER	64u
#define COFF_HEADER	24u	/* with the magic */
#define OPT_HEADER	112u	/* PE32+, without directories */
#define OPT_MAGIC	0x20bu
#define DIR_CERTS	4u
#define SECTION		40u

/* WIN_CERTIFICATE ("PE Format", Attribute Certificate Table) */
#define CERT_HEADER	8u
#define CERT_REVISION	0x0200u
#define CERT_PKCS	0x0002u

static uint32_t get32(const struct pe *pe, size_t at)
{
	uint32_t v;

	memcpy(&v, pe->data + at, sizeof(v));
	return le32toh(v);
}

static uint16_t get16(const struct pe *pe, size_t at)
{
	return (uint16_t)(pe->data[at] | pe->data[at + 1] << 8);
}

static void put32(uint8_t *at, uint32_t v)
{
	v = htole32(v);
	memcpy(at, &v, sizeof(v));
}

/* Sections fill the file from the header on without gaps: then all who compute a digest come to the same one. */
static bool read_sections(struct pe *pe, size_t table)
{
	size_t end = pe->header_size;

	for (unsigned i = 0; i < pe->nr_sections; i++) {
		struct pe_section s = { get32(pe, table + SECTION * i + 20), get32(pe, table + SECTION * i + 16) };

		if (s.size && (s.at != end || s.size > pe->size - end))
			return false;
		pe->sections[i] = s;
		end += s.size;
	}
	return true;
}

/* At the end of the file, and behind the sections */
static bool read_certs(struct pe *pe)
{
	size_t end = pe->header_size;

	pe->certs = get32(pe, pe->cert_entry);
	pe->certs_size = get32(pe, pe->cert_entry + 4);
	for (unsigned i = 0; i < pe->nr_sections; i++)
		end += pe->sections[i].size;
	if (!pe->certs && !pe->certs_size)
		return true;
	return pe->certs >= end && pe->certs <= pe->size && pe->certs % 8 == 0 && pe->certs_size > CERT_HEADER &&
	       pe->certs_size == pe->size - pe->certs;
}

int pe_read(struct pe *pe, const void *data, size_t size)
{
	size_t at, opt, table;
	uint32_t nr_dirs;

	*pe = (struct pe){ .data = data, .size = size };
	if (size < DOS_HEADER || size > UINT32_MAX || memcmp(data, "MZ", 2))
		return -EINVAL;
	at = get32(pe, 0x3c);
	if (at < DOS_HEADER || at > size || size - at < COFF_HEADER + OPT_HEADER || memcmp(pe->data + at, "PE\0", 4))
		return -EINVAL;
	opt = at + COFF_HEADER;
	nr_dirs = get32(pe, opt + 108);
	pe->nr_sections = get16(pe, at + 6);
	pe->header_size = get32(pe, opt + 60);
	pe->checksum = opt + 64;
	pe->cert_entry = opt + OPT_HEADER + 8 * DIR_CERTS;
	table = opt + OPT_HEADER + 8 * (size_t)nr_dirs;
	if (get16(pe, opt) != OPT_MAGIC || nr_dirs <= DIR_CERTS || nr_dirs > 16 || get16(pe, at + 20) != table - opt ||
	    pe->nr_sections > PE_SECTIONS_MAX || pe->header_size >= size || table + SECTION * pe->nr_sections > pe->header_size)
		return -EINVAL;
	return read_sections(pe, table) && read_certs(pe) ? 0 : -EINVAL;
}

static void add(struct sha256 *s, const struct pe *pe, size_t from, size_t to)
{
	sha256_add(s, pe->data + from, to - from);
}

/* Authenticode §"Calculating the PE Image Hash"; sections and what follows them are the rest of the file */
void pe_digest(const struct pe *pe, uint8_t ret[SHA256_SIZE])
{
	size_t end = pe->certs_size ? pe->certs : pe->size;
	struct sha256 s;

	sha256_init(&s);
	add(&s, pe, 0, pe->checksum);
	add(&s, pe, pe->checksum + 4, pe->cert_entry);
	add(&s, pe, pe->cert_entry + 8, end);
	/* who signs pads the file to 8 bytes first */
	sha256_add(&s, "\0\0\0\0\0\0\0", -end % 8);
	sha256_end(&s, ret);
}

const uint8_t *pe_signature(const struct pe *pe, size_t *ret_len)
{
	const uint8_t *sig = pe->data + pe->certs + CERT_HEADER;
	uint32_t len;

	if (!pe->certs_size)
		return NULL;
	len = get32(pe, pe->certs);
	if (len <= CERT_HEADER || len > pe->certs_size || get16(pe, pe->certs + 4) != CERT_REVISION ||
	    get16(pe, pe->certs + 6) != CERT_PKCS)
		return NULL;
	*ret_len = len - CERT_HEADER;
	return sig;
}

/* The end of SpcIndirectDataContent: DigestInfo { { id-sha256, NULL }, OCTET STRING } */
bool pe_signature_fits(const struct pe *pe, const uint8_t *sig, size_t len)
{
	uint8_t want[15 + SHA256_SIZE] = { 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20 };

	pe_digest(pe, want + 15);
	return memmem(sig, len, want, sizeof(want));
}

/* The sum of ImageHlp's CheckSumMappedFile(): 16-bit words with the carry added, and the length. Firmware does not look. */
static uint32_t sum(const uint8_t *data, size_t size)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < size; i += 2) {
		sum += (uint32_t)(data[i] | (i + 1 < size ? data[i + 1] << 8 : 0));
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum + (uint32_t)size;
}

uint8_t *pe_with_signature(const struct pe *pe, const uint8_t *sig, size_t len, size_t *ret_size)
{
	size_t bare = pe->certs_size ? pe->certs : pe->size;
	size_t at = bare + -bare % 8, table = sig ? CERT_HEADER + len + -len % 8 : 0;
	uint8_t *out = must_alloc(at + table + 8, 1), *cert = out + at;

	memcpy(out, pe->data, bare);
	memset(out + pe->checksum, 0, 4);
	memset(out + pe->cert_entry, 0, 8);
	*ret_size = sig ? at + table : bare;
	if (!sig)
		return out;
	put32(out + pe->cert_entry, (uint32_t)at);
	put32(out + pe->cert_entry + 4, (uint32_t)table);
	put32(cert, (uint32_t)(CERT_HEADER + len));
	put32(cert + 4, CERT_PKCS << 16 | CERT_REVISION);
	memcpy(cert + CERT_HEADER, sig, len);
	put32(out + pe->checksum, sum(out, *ret_size));
	return out;
}

static unsigned add_id(struct key_id *ids, unsigned nr, const uint8_t *bytes, size_t len)
{
	if (!len || len > PE_KEY_ID_MAX || nr == PE_KEY_IDS)
		return nr;
	for (unsigned i = 0; i < nr; i++)
		if (ids[i].len == len && !memcmp(ids[i].bytes, bytes, len))
			return nr;
	ids[nr].len = (uint8_t)len;
	memcpy(ids[nr].bytes, bytes, len);
	return nr + 1;
}

/*
 * Not a parser of all that PKCS #7 can be: the two extensions begin with their object identifier, 2.5.29.14 or 2.5.29.35,
 * an OCTET STRING with, in DER, an OCTET STRING or a SEQUENCE that begins with [0]. All lengths are below 128.
 */
unsigned pe_key_ids(const uint8_t *sig, size_t len, struct key_id ret[PE_KEY_IDS])
{
	unsigned nr = 0;

	for (size_t i = 0; i + 9 < len; i++) {
		const uint8_t *p = sig + i;

		if (memcmp(p, "\x06\x03\x55\x1d", 4) || p[5] != 0x04 || p[6] > len - i - 7)
			continue;
		if (p[4] == 0x0e && p[7] == 0x04 && p[8] == p[6] - 2)
			nr = add_id(ret, nr, p + 9, p[8]);
		else if (p[4] == 0x23 && p[7] == 0x30 && p[6] >= 4 && p[9] == 0x80 && p[10] <= p[6] - 4)
			nr = add_id(ret, nr, p + 11, p[10]);
	}
	return nr;
}
