// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/load/config.h"

#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/load/pins.h"
#include "tools/load/words.h"
#include "tools/util.h"

enum { KEY_TARGET, KEY_IMAGE = 13, KEY_SYSCALL, KEY_PANIC, KEY_OWNER, KEY_DIRECTORY, KEY_FORMAT, KEY_KEEP,
       KEY_MAX_SIZE, KEY_MIN_FREE, NR_KEYS };

enum kind { TEXT, LIST, BOOL, SPAN, PATH, SIZE, ONE_OF };

/* What has a word is the stub's, and its parser judges the value. */
static const struct key {
	const char *section, *name;
	enum kind kind;
	const char *word;		/* or, of ONE_OF, what is possible */
} keys[NR_KEYS] = {
	[KEY_TARGET] = { "Stub", "Target", LIST, "dump=" },
	{ "Stub", "Level", TEXT, "level=" },
	{ "Stub", "Compress", TEXT, "compress=" },
	{ "Stub", "Console", TEXT, "console=" },
	{ "Stub", "After", TEXT, "after=" },
	{ "Stub", "Overwrite", BOOL, "overwrite=" },
	{ "Stub", "Deadline", SPAN, "deadline=" },
	{ "Stub", "Timeout", SPAN, "timeout=" },
	{ "Stub", "Line", TEXT, "line=" },
	{ "Stub", "Reset", TEXT, "reset=" },
	{ "Stub", "Watchdog", TEXT, "watchdog=" },
	{ "Stub", "Serve", TEXT, "serve=" },
	{ "Stub", "ServeTimeout", SPAN, "serve-timeout=" },
	[KEY_IMAGE] = { "Load", "Image", PATH, NULL },
	[KEY_SYSCALL] = { "Load", "Syscall", ONE_OF, "auto load file" },
	[KEY_PANIC] = { "Load", "Panic", SPAN, NULL },
	[KEY_OWNER] = { "Load", "Owner", ONE_OF, "auto capstub kdump" },
	[KEY_DIRECTORY] = { "Save", "Directory", PATH, NULL },
	[KEY_FORMAT] = { "Save", "Format", ONE_OF, "kdump elf" },
	[KEY_KEEP] = { "Save", "Keep", SIZE, NULL },
	[KEY_MAX_SIZE] = { "Save", "MaxSize", SIZE, NULL },
	[KEY_MIN_FREE] = { "Save", "MinFree", SIZE, NULL },
};

struct reader {
	const char *path;
	unsigned line;			/* where the statement begins */
	unsigned faults;
	char section[32];		/* "": none yet, or none that there is */
	char *values[NR_KEYS];		/* as they will be used; malloc'd, NULL: not given */
};

/* Something on this line was not understood */
static __attribute__((format(printf, 2, 3))) void complain(struct reader *r, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	note("%s:%u: %s", r->path, r->line, text);
	r->faults++;
}

/* Is @word, @len bytes, one of those in @list, which blanks separate? */
static bool one_of(const char *word, size_t len, const char *list)
{
	for (size_t n; *list; list += n + (list[n] == ' ')) {
		n = strcspn(list, " ");
		if (n == len && !strncasecmp(word, list, n))
			return true;
	}
	return false;
}

/* systemd.syntax(7). NULL: neither */
static const char *bool_value(const char *text)
{
	if (one_of(text, strlen(text), "1 yes y true t on"))
		return "yes";
	return one_of(text, strlen(text), "0 no n false f off") ? "no" : NULL;
}

/* systemd.time(7), as far as one unit goes. False: not a time */
static bool span_value(const char *text, uint32_t *ret_seconds)
{
	static const struct {
		const char *units;
		unsigned seconds;
	} units[] = { { "s sec second seconds", 1 }, { "m min minute minutes", 60 }, { "h hr hour hours", 3600 },
		      { "d day days", 86400 } };
	unsigned long long n;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)*text) || errno || n > UINT32_MAX)
		return false;
	end += strspn(end, " ");
	for (unsigned i = 0; *end && i < sizeof(units) / sizeof(units[0]); i++) {
		if (!one_of(end, strlen(end), units[i].units))
			continue;
		n *= units[i].seconds;
		end += strlen(end);
	}
	*ret_seconds = (uint32_t)n;
	return !*end && n <= UINT32_MAX;
}

/* What is written into the stub's command line, or kept for this program, for free(); NULL: *ret_why. */
static char *make_value(const struct key *k, const char *text, const char **ret_why)
{
	static char complaint[128], file[64];
	size_t size = strlen(text) + 128;
	char *value = must_alloc(size, 1);
	bool quote = k->word && strpbrk(text, " \t") && !strchr(text, '"');
	uint32_t seconds;
	uint64_t bytes;

	*ret_why = NULL;
	/* The stub knows no paths */
	if (k == &keys[KEY_TARGET] && *text == '/') {
		if (!pins_word(text, file, sizeof(file)))
			*ret_why = "no file that 'capstub format' has made a target, or its file system is not mounted";
		else
			text = file;
	}
	snprintf(value, size, "%s%s%s%s", k->kind == ONE_OF || !k->word ? "" : k->word, quote ? "\"" : "", text,
		 quote ? "\"" : "");
	if (k->kind == BOOL && !bool_value(text))
		*ret_why = "not yes or no";
	else if (k->kind == BOOL)
		snprintf(value, size, "%s%s", k->word, bool_value(text));
	else if (k->kind == SPAN && !span_value(text, &seconds))
		*ret_why = "not a number of seconds, nor one with min, h or d";
	else if (k->kind == SPAN)
		snprintf(value, size, "%s%u", k->word ? k->word : "", seconds);
	else if (k->kind == PATH && *text != '/')
		*ret_why = "not an absolute path";
	else if (k->kind == SIZE && parse_bytes(text, &bytes))
		*ret_why = "not a number, nor one with K, M, G or T";
	else if (k->kind == ONE_OF && !one_of(text, strlen(text), k->word))
		*ret_why = "none of those that there are";
	if (!*ret_why && k->word && k->kind != ONE_OF && words_complaint(value, complaint, sizeof(complaint)))
		*ret_why = complaint;
	if (!*ret_why)
		return value;
	free(value);
	return NULL;
}

/* An empty value takes back what was said before, a list's grow (systemd.syntax(7)). */
static void assign(struct reader *r, const struct key *k, const char *text)
{
	char **slot = &r->values[k - keys];
	const char *why;
	char *value = *text ? make_value(k, text, &why) : NULL;
	char *both;

	if (*text && !value) {
		complain(r, "%s=%s: %s; %s", k->name, text, why, k->kind == LIST ? "left out" :
			 *slot ? "what was said before is taken" : "the default is taken");
		return;
	}
	if (value && *slot && k->kind == LIST) {
		both = must_alloc(strlen(*slot) + strlen(value) + 2, 1);
		sprintf(both, "%s %s", *slot, value);
		free(value);
		value = both;
	}
	free(*slot);
	*slot = value;
}

static char *strip(char *s)
{
	char *end;

	s += strspn(s, " \t\r");
	for (end = s + strlen(s); end > s && strchr(" \t\r", end[-1]);)
		*--end = '\0';
	return s;
}

static void statement(struct reader *r, char *line)
{
	char *eq = strchr(line, '='), *name, *end = strchr(line, ']');
	const struct key *k;

	if (*line == '[') {
		if (end)
			*end = '\0';
		snprintf(r->section, sizeof(r->section), "%.31s", line + 1);
		if (end && !end[1] && one_of(r->section, strlen(r->section), "Stub Load Save"))
			return;
		complain(r, "there is no section '%s': use [Stub], [Load] or [Save]", line + 1);
		r->section[0] = '\0';
		return;
	}
	if (!eq) {
		complain(r, "'%s' is neither a [section] nor key=value", line);
		return;
	}
	*eq = '\0';
	name = strip(line);
	for (k = keys; k < keys + NR_KEYS; k++)
		if (!strcmp(name, k->name) && !strcmp(r->section, k->section))
			break;
	if (k < keys + NR_KEYS)
		assign(r, k, strip(eq + 1));
	else if (r->section[0])
		complain(r, "there is no %s= in [%s]", name, r->section);
	else
		complain(r, "%s= is in no section", name);
}

/* Lines that end in a backslash go on in the next; comments between them do not count. */
static int read_one(struct reader *r, const char *path)
{
	FILE *f = fopen(path, "re");
	char *line = NULL, *all = must_alloc(1, 1);
	size_t room = 0, len = 0;
	unsigned nr = 0;
	bool more = false;

	if (!f) {
		free(all);
		return -errno;
	}
	r->path = path;
	r->section[0] = '\0';
	while (getline(&line, &room, f) >= 0) {
		char *text;

		nr++;
		line[strcspn(line, "\n")] = '\0';
		text = strip(line);
		if (*text == '#' || *text == ';' || (!*text && !more))
			continue;
		r->line = more ? r->line : nr;
		more = *text && text[strlen(text) - 1] == '\\';
		if (more)
			text[strlen(text) - 1] = ' ';
		all = must_grow(all, len + strlen(text) + 1, 1);
		strcpy(all + len, text);
		len += strlen(text);
		if (more)
			continue;
		statement(r, strip(all));
		len = 0;
	}
	if (len)
		statement(r, strip(all));
	free(all);
	free(line);
	fclose(f);
	return 0;
}

static void take_words(struct config *c, struct reader *r)
{
	size_t len = 0;

	for (unsigned i = 0; i < NR_KEYS; i++) {
		const char *v = keys[i].kind != ONE_OF && keys[i].word ? r->values[i] : NULL;

		if (!v)
			continue;
		if (len + strlen(v) + 2 > sizeof(c->words)) {
			note("%s: %s= no longer fits the stub's command line", r->path, keys[i].name);
			r->faults++;
			continue;
		}
		len += (size_t)sprintf(c->words + len, "%s%s", len ? " " : "", v);
	}
}

static void take(struct config *c, struct reader *r)
{
	char **v = r->values;

	*c = (struct config){ .panic_s = v[KEY_PANIC] ? atoll(v[KEY_PANIC]) : -1,
			      .elf = v[KEY_FORMAT] && !strcasecmp(v[KEY_FORMAT], "elf") };
	take_words(c, r);
	/* They were judged when they were read: parse_bytes() leaves the default where there is none */
	c->keep = 5;
	c->min_free = MIN_FREE_DEFAULT;
	if (v[KEY_KEEP])
		parse_bytes(v[KEY_KEEP], &c->keep);
	if (v[KEY_MAX_SIZE])
		parse_bytes(v[KEY_MAX_SIZE], &c->max_size);
	if (v[KEY_MIN_FREE])
		parse_bytes(v[KEY_MIN_FREE], &c->min_free);
	if (v[KEY_SYSCALL])
		parse_call(v[KEY_SYSCALL], &c->call);
	if (v[KEY_OWNER])
		c->owner = strcasecmp(v[KEY_OWNER], "auto") ? strcasecmp(v[KEY_OWNER], "kdump") ? OWNER_CAPSTUB : OWNER_KDUMP :
			   OWNER_AUTO;
	snprintf(c->image, sizeof(c->image), "%s", v[KEY_IMAGE] ? v[KEY_IMAGE] : "");
	snprintf(c->directory, sizeof(c->directory), "%s", v[KEY_DIRECTORY] ? v[KEY_DIRECTORY] : "/var/crash");
	c->faults = r->faults;
}

/* @skip is no file that is read; NULL: all are */
static int read_all(struct config *c, const char *root, const char *path, const char *skip)
{
	char name[PATH_MAX], pattern[PATH_MAX + 16];
	struct reader r = { 0 };
	glob_t found;
	int rc;

	snprintf(name, sizeof(name), "%s%s", path ? "" : root, path ? path : CONFIG_FILE);
	snprintf(pattern, sizeof(pattern), "%s.d/*.conf", name);
	rc = read_one(&r, name);
	if (rc == -ENOENT && !path)
		rc = 0;
	if (rc)
		rc = fail(rc, "%s: %s", name, strerror(-rc));
	if (!rc && !glob(pattern, 0, NULL, &found)) {
		for (size_t i = 0; i < found.gl_pathc && !rc; i++) {
			if (skip && !strcmp(found.gl_pathv[i] + strlen(root), skip))
				continue;
			rc = read_one(&r, found.gl_pathv[i]);
			if (rc)
				fail(rc, "%s: %s", found.gl_pathv[i], strerror(-rc));
		}
		globfree(&found);
	}
	r.path = name;
	take(c, &r);
	for (unsigned i = 0; i < NR_KEYS; i++)
		free(r.values[i]);
	return rc;
}

int config_read(struct config *c, const char *root, const char *path)
{
	return read_all(c, root, path, NULL);
}

int config_read_others(struct config *c, const char *root)
{
	return read_all(c, root, NULL, SETUP_FILE);
}

bool parse_call(const char *text, enum which_call *ret)
{
	static const char *const calls[] = { "auto", "load", "file" };

	for (unsigned i = 0; i < 3; i++) {
		if (strcasecmp(text, calls[i]))
			continue;
		*ret = (enum which_call)i;
		return true;
	}
	return false;
}
