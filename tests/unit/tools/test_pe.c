// SPDX-License-Identifier: GPL-2.0-or-later
/* needs: tools/load/pe.c tools/load/sha256.c tools/util.c */
/* The image as a PE file: what is read of it, what is refused, the digest, signatures in and out. Real ones: tests/tools/sign.t */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tools/load/pe.h"

#define SIZE	0x1000u
#define PE	0x40u
#define OPT	(PE + 24)
#define TABLE	(OPT + 160)

static uint8_t file[SIZE];

static void put16(size_t at, unsigned v)
{
	file[at] = (uint8_t)v;
	file[at + 1] = (uint8_t)(v >> 8);
}

static void put32(size_t at, uint32_t v)
{
	put16(at, v & 0xffff);
	put16(at + 2, v >> 16);
}

static void put_section(unsigned i, uint32_t at, uint32_t size)
{
	put32(TABLE + 40 * i + 16, size);
	put32(TABLE + 40 * i + 20, at);
}

static void make(void)
{
	for (unsigned i = 0; i < SIZE; i++)
		file[i] = (uint8_t)(i * 7);
	memcpy(file, "MZ", 2);
	put32(0x3c, PE);
	memcpy(file + PE, "PE\0", 4);
	put16(PE + 6, 2);
	put16(PE + 20, 160);
	put16(OPT, 0x20b);
	put32(OPT + 60, 0x400);
	put32(OPT + 64, 0);
	put32(OPT + 108, 6);
	put32(OPT + 144, 0);
	put32(OPT + 148, 0);
	put_section(0, 0x400, 0x800);
	put_section(1, 0xc00, 0x400);
}

static void check_read(int want)
{
	struct pe pe;

	assert_int_equal(pe_read(&pe, file, SIZE), want);
}

static void test_sha256(void **state)
{
	static const struct {
		const char *text, *hex;
	} known[] = {	/* FIPS 180-2 appendix B */
		{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	};
	char hex[2 * SHA256_SIZE + 1];
	uint8_t out[SHA256_SIZE];
	struct sha256 s;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		sha256_init(&s);
		sha256_add(&s, known[i].text, strlen(known[i].text));
		sha256_end(&s, out);
		for (unsigned k = 0; k < SHA256_SIZE; k++)
			sprintf(hex + 2 * k, "%02x", out[k]);
		assert_string_equal(hex, known[i].hex);
	}
}

static void test_read(void **state)
{
	static const struct {
		size_t at;
		uint32_t value;
	} bad[] = {
		{ 0, 0x00905a4e }, { 0x3c, 0 }, { 0x3c, 0x3c }, { 0x3c, SIZE - 100 }, { 0x3c, 0xffffffff }, { PE, 0x1004550 },
		{ PE + 4, 17 << 16 }, { PE + 4, 0xffff0000 }, { PE + 20, 168 }, { PE + 20, 0 }, { OPT, 0x10b }, { OPT + 60, 0 },
		{ OPT + 60, TABLE + 79 }, { OPT + 60, SIZE }, { OPT + 60, 0xffffffff }, { OPT + 108, 4 }, { OPT + 108, 7 },
		{ OPT + 108, 0xffffffff }, { TABLE + 20, 0x3ff }, { TABLE + 20, 0x401 }, { TABLE + 16, 0x7ff }, { TABLE + 16, 0xfffffc00 },
		{ TABLE + 56, 0x401 }, { TABLE + 60, 0 },
		/* certificates: in the sections, behind the end, one half of the entry */
		{ OPT + 144, 0x400 }, { OPT + 144, SIZE }, { OPT + 144, 0xfffffff8 }, { OPT + 148, 8 },
	};

	(void)state;
	make();
	check_read(0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		make();
		put32(bad[i].at, bad[i].value);
		check_read(-EINVAL);
	}
	for (size_t size = 0; size < SIZE; size++) {
		uint8_t *copy = malloc(size + 1);
		struct pe pe;

		make();
		memcpy(copy, file, size);
		assert_int_equal(pe_read(&pe, copy, size), -EINVAL);
		free(copy);
	}
}

static void test_digest(void **state)
{
	uint8_t first[SHA256_SIZE], next[SHA256_SIZE];
	struct pe pe;

	(void)state;
	make();
	assert_int_equal(pe_read(&pe, file, SIZE), 0);
	pe_digest(&pe, first);
	for (unsigned at = 0; at < SIZE; at++) {
		bool left_out = (at >= OPT + 64 && at < OPT + 68) || (at >= OPT + 144 && at < OPT + 152);

		file[at] ^= 0x10;
		pe_digest(&pe, next);
		assert_int_equal(memcmp(first, next, sizeof(next)) == 0, left_out);
		file[at] ^= 0x10;
	}
}

static void test_signature(void **state)
{
	static const uint8_t oid[] = { 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20 };
	uint8_t sig[100] = { 0x30 }, *out, *bare;
	struct pe pe, with, without;
	const uint8_t *found;
	size_t size, len;

	(void)state;
	make();
	assert_int_equal(pe_read(&pe, file, SIZE), 0);
	assert_null(pe_signature(&pe, &len));
	assert_false(pe_signature_fits(&pe, sig, sizeof(sig)));
	memcpy(sig + 20, oid, sizeof(oid));
	pe_digest(&pe, sig + 20 + sizeof(oid));
	assert_true(pe_signature_fits(&pe, sig, sizeof(sig)));
	assert_false(pe_signature_fits(&pe, sig, 20 + sizeof(oid) + SHA256_SIZE - 1));

	out = pe_with_signature(&pe, sig, sizeof(sig), &size);
	assert_int_equal(size, SIZE + 8 + 104);
	assert_int_equal(pe_read(&with, out, size), 0);
	found = pe_signature(&with, &len);
	assert_non_null(found);
	assert_int_equal(len, sizeof(sig));
	assert_memory_equal(found, sig, sizeof(sig));
	assert_true(pe_signature_fits(&with, found, len));
	out[SIZE + 4] = 1;	/* another revision, another type, lengths */
	assert_null(pe_signature(&with, &len));
	out[SIZE + 4] = 0;
	out[SIZE + 6] = 1;
	assert_null(pe_signature(&with, &len));
	out[SIZE + 6] = 2;
	out[SIZE] = 8;
	assert_null(pe_signature(&with, &len));
	out[SIZE] = 113;
	assert_null(pe_signature(&with, &len));

	bare = pe_with_signature(&with, NULL, 0, &size);
	assert_int_equal(size, SIZE);
	assert_memory_equal(bare, file, SIZE);
	assert_int_equal(pe_read(&without, bare, size), 0);
	free(bare);
	free(out);
}

static void test_key_ids(void **state)
{
	static const uint8_t good[] = {
		0x30, 0x0b, 0x06, 0x03, 0x55, 0x1d, 0x0e, 0x04, 0x04, 0x04, 0x02, 0xab, 0xcd,
		0x06, 0x03, 0x55, 0x1d, 0x23, 0x04, 0x07, 0x30, 0x05, 0x80, 0x03, 1, 2, 3,
		0x06, 0x03, 0x55, 0x1d, 0x0e, 0x04, 0x04, 0x04, 0x02, 0xab, 0xcd, 0x00,
	};
	struct key_id ids[PE_KEY_IDS];
	uint8_t bad[sizeof(good)];

	(void)state;
	assert_int_equal(pe_key_ids(good, sizeof(good), ids), 2);
	assert_int_equal(ids[0].len, 2);
	assert_memory_equal(ids[0].bytes, "\xab\xcd", 2);
	assert_int_equal(ids[1].len, 3);
	assert_memory_equal(ids[1].bytes, "\1\2\3", 3);
	assert_int_equal(pe_key_ids(good, 0, ids), 0);
	/* each byte in turn is the largest, each length the last; the sanitizer looks on */
	for (size_t i = 0; i < sizeof(good); i++) {
		uint8_t *cut = malloc(i + 1);

		memcpy(bad, good, sizeof(good));
		bad[i] = 0xff;
		assert_true(pe_key_ids(bad, sizeof(bad), ids) <= 3);
		memcpy(cut, good, i);
		assert_true(pe_key_ids(cut, i, ids) <= 2);
		free(cut);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sha256),
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_digest),
		cmocka_unit_test(test_signature),
		cmocka_unit_test(test_key_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
