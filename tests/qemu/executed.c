// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A plugin for QEMU (docs/devel/tcg-plugins): how often each block of code below 1 TiB is executed, where the stub is
 * and the dead kernel is not. To the file that EXECUTED names, at the end: address in hex, instructions, times.
 *
 * Debian packages no header of the interface; what is used of it is declared here.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define EXPORTED	__attribute__((visibility("default")))
#define INLINE_ADD_U64	0

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_info;

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int op, void *ptr, uint64_t imm);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t, void (*)(qemu_plugin_id_t, void *), void *);

/* Debian 12's QEMU has version 1; later ones take it too */
EXPORTED int qemu_plugin_version = 1;
EXPORTED int qemu_plugin_install(qemu_plugin_id_t, const struct qemu_info *, int, char **);

#define PLACES	(1u << 20)

static struct place {
	uint64_t address, instructions, times;
} places[PLACES];

/* Blocks are translated again and again; NULL: the table is full */
static struct place *find(uint64_t address, uint64_t instructions)
{
	uint64_t hash = (address * 0x9e3779b97f4a7c15 + instructions) % PLACES;

	for (unsigned i = 0; i < PLACES; i++) {
		struct place *p = &places[(hash + i) % PLACES];

		if (!p->instructions)
			*p = (struct place){ address, instructions, 0 };
		if (p->address == address && p->instructions == instructions)
			return p;
	}
	return NULL;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	uint64_t address = qemu_plugin_tb_vaddr(tb);
	struct place *p = address >> 40 ? NULL : find(address, qemu_plugin_tb_n_insns(tb));

	(void)id;
	if (p)
		qemu_plugin_register_vcpu_tb_exec_inline(tb, INLINE_ADD_U64, &p->times, 1);
}

static void write_all(qemu_plugin_id_t id, void *arg)
{
	const char *name = getenv("EXECUTED");
	FILE *f = name ? fopen(name, "w") : NULL;

	(void)id;
	(void)arg;
	for (struct place *p = places; f && p < places + PLACES; p++)
		if (p->times)
			fprintf(f, "%lx %lu %lu\n", p->address, p->instructions, p->times);
	if (f && fclose(f))
		remove(name);
}

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc, char **argv)
{
	(void)info;
	(void)argc;
	(void)argv;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, write_all, NULL);
	return 0;
}
