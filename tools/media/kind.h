/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the first bytes of a file or device say it is: dumps that others have made, too. */
#ifndef TOOLS_KIND_H
#define TOOLS_KIND_H

#include <stdint.h>

enum file_kind { KIND_TARGET, KIND_KDUMP, KIND_FLATTENED, KIND_ELF, KIND_UNKNOWN };

/* Never KIND_TARGET: a target is known by its label */
enum file_kind kind_of(int fd, uint64_t bytes);

const char *kind_name(enum file_kind kind);	/* for scripts: "kdump" */
const char *kind_text(enum file_kind kind);	/* "a kdump-compressed dump" */
/* What to do with such a file instead of `save`; NULL: nothing */
const char *kind_advice(enum file_kind kind);

#endif
