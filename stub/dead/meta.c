// SPDX-License-Identifier: GPL-2.0-or-later
#include "stub/dead/capture.h"

#include <string.h>

void capture_meta(const struct capture *c, unsigned level, struct serial_meta *ret)
{
	*ret = (struct serial_meta){
		.page_size = c->vc.page_size,
		.crash_time = c->crash_time,
		.phys_base = c->vt.phys_base,
		.notes_bytes = c->vc.notes_size,
		.vmcoreinfo_offset = c->vc.vmcoreinfo_offset,
		.vmcoreinfo_bytes = c->vc.vmcoreinfo_size,
		.max_pfn = vmcore_max_pfn(&c->vc),
		.dump_level = level,
		.nr_cpus = c->vc.nr_cpus,
	};
	_Static_assert(sizeof(c->uts) == sizeof(ret->uts), "utsname");
	memcpy(ret->uts, &c->uts, sizeof(ret->uts));
}
