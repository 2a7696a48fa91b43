// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/load/pins.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "stub/boot/cmdline.h"
#include "tools/media/pin.h"
#include "tools/util.h"

static void set(const struct target_spec *spec, bool on)
{
	struct capstub_extents head, now;
	int fd = -1, rc;

	if (pin_find("", spec->uuid, spec->file_at, &head))
		fd = open(head.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	/* Another file may have that name by now, or its file system may not be mounted yet */
	if (fd >= 0 && pin_head(fd, &now) && now.disk == spec->file_at && !memcmp(now.uuid, spec->uuid, 16)) {
		rc = pin_set(fd, on);
		if (rc)
			note("%s could not be made %simmutable: %s", head.path, on ? "" : "no longer ", strerror(-rc));
	} else if (on) {
		note("dump=%s: that file is not there now: 'capstub collect' makes it immutable when it is", spec->text);
	}
	if (fd >= 0)
		close(fd);
}

void pins_set(const char *words, bool on)
{
	static struct cmdline cl;

	cmdline_parse(&cl, words);
	for (unsigned i = 0; i < cl.nr_targets; i++)
		if (cl.targets[i].file_at)
			set(&cl.targets[i], on);
}

bool pins_word(const char *path, char *word, size_t size)
{
	struct capstub_extents head;
	char text[PIN_WORD];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool good = fd >= 0 && pin_head(fd, &head);

	if (good) {
		pin_word(&head, text);
		snprintf(word, size, "%s", text);
	}
	if (fd >= 0)
		close(fd);
	return good;
}
