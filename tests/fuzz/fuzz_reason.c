// SPDX-License-Identifier: GPL-2.0-or-later
/* A log of any bytes, in one piece and in many: the same report, its lines inside the log. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "stub/bits.h"
#include "stub/format/reason.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct reason whole = { 0 }, pieces = { 0 };
	struct report a, b;
	size_t step = size ? data[0] % 32 + 1 : 1;
	bool found;

	reason_feed(&whole, text, size);
	for (size_t at = 0; at < size; at += step)
		reason_feed(&pieces, text + at, min_u64(step, size - at));
	found = reason_find(&whole, &a);
	assert(found == reason_find(&pieces, &b) && !memcmp(&a, &b, sizeof(a)));
	assert(a.reason <= whole.lines && a.cpu <= whole.lines && a.ip <= whole.lines && a.trace <= whole.lines);
	assert(!found || report_has(&a, a.reason));
	assert(reason_message(text, text + size) <= text + size);
	return 0;
}
