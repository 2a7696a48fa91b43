// SPDX-License-Identifier: GPL-2.0-or-later
/* needs: tools/load/pe.c tools/load/sha256.c tools/util.c */
/* Hostile PE files and signatures. What is accepted can be signed and stripped again, and is then the same. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tools/load/pe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t before[SHA256_SIZE], after[SHA256_SIZE], *out, *bare;
	struct key_id ids[PE_KEY_IDS];
	struct pe pe, other;
	const uint8_t *sig;
	size_t len, new_size, bare_size;

	assert(pe_key_ids(data, size, ids) <= PE_KEY_IDS);
	if (pe_read(&pe, data, size))
		return 0;
	sig = pe_signature(&pe, &len);
	if (sig) {
		pe_signature_fits(&pe, sig, len);
		pe_key_ids(sig, len, ids);
	}
	pe_digest(&pe, before);
	out = pe_with_signature(&pe, data, 100, &new_size);
	assert(!pe_read(&other, out, new_size));
	sig = pe_signature(&other, &len);
	assert(sig && len == 100 && !memcmp(sig, data, 100));
	pe_digest(&other, after);
	assert(!memcmp(before, after, sizeof(after)));
	bare = pe_with_signature(&other, NULL, 0, &bare_size);
	assert(!pe_read(&other, bare, bare_size) && !pe_signature(&other, &len));
	free(bare);
	free(out);
	return 0;
}
