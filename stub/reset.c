// SPDX-License-Identifier: GPL-2.0-or-later
/* See stub/reset.h. */
#include "stub/reset.h"

#include <string.h>

#include "stub/bits.h"
#include "stub/log.h"

static uint32_t tried;

static void go(const struct reset_way *ways, unsigned i)
{
	if (tried & BIT(i))
		return;
	tried |= (uint32_t)BIT(i);
	/* A reset cuts off what is left in the UART's FIFO */
	log_console("reset by %s", ways[i].name);
	log_flush();
	ways[i].go();
}

void reset_try(const struct reset_way *ways, unsigned nr, const char *asked)
{
	for (unsigned i = 0; i < nr; i++)
		if (asked && !strcmp(ways[i].name, asked))
			go(ways, i);
	for (unsigned i = 0; i < nr; i++)
		go(ways, i);
}
