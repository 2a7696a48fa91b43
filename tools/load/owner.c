// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/load/owner.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/load/machine.h"
#include "tools/util.h"

/* Debian's has a switch of its own beside systemd's */
static bool switched_off(const char *root)
{
	char *text = read_file(root, "/etc/default/kdump-tools", NULL), *save;
	bool off = false;

	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save))
		if (!strncmp(line, "USE_KDUMP=", 10))
			off = line[10 + strspn(line + 10, "\"'")] == '0';
	free(text);
	return off;
}

/* Debian has kdump-tools in basic.target, others in multi-user.target. A link is one though it leads nowhere from here. */
bool unit_enabled(const char *root, const char *unit)
{
	char pattern[PATH_MAX];
	glob_t links;
	bool enabled;

	snprintf(pattern, sizeof(pattern), "%s/etc/systemd/system/*.target.wants/%s", root, unit);
	enabled = !glob(pattern, 0, NULL, &links);
	if (enabled)
		globfree(&links);
	return enabled;
}

const char *owner_other(const char *root)
{
	static const char *const units[] = { "kdump-tools", "kdump" };

	for (unsigned i = 0; i < 2; i++) {
		char unit[32];

		snprintf(unit, sizeof(unit), "%s.service", units[i]);
		if (unit_enabled(root, unit) && (i || !switched_off(root)))
			return units[i];
	}
	return NULL;
}

const char *owner_not_us(const struct config *c, const char *root)
{
	const char *other = owner_other(root);

	if (c->owner == OWNER_CAPSTUB)
		return NULL;
	return other || c->owner == OWNER_AUTO ? other : "kdump";
}

int owner_check(const struct config *c, const char *root)
{
	const char *other = owner_not_us(c, root);

	if (!other)
		return 0;
	if (c->owner == OWNER_KDUMP)
		return fail(-EBUSY, "Owner=kdump in " CONFIG_FILE " leaves the reservation to %s: write Owner=capstub there if it "
			    "shall be capstub's", other);
	return fail(-EBUSY, "%s.service is enabled, so the reservation is its own: run 'capstub setup --replace' to take it over, "
		    "or 'systemctl disable --now %s'", other, other);
}
