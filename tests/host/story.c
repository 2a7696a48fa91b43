/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/host/story.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tools/report/btf.h"
#include "tools/report/orc.h"

#define DIRECT		0xffff888000000000ULL
#define CODE(n)		(story_va(STORY_CODE) + (n) * 0x1000ULL)
#define MODULE_CODE	(DIRECT + STORY_MODULE + 0x1000)

uint8_t story_notes[4096];
size_t story_notes_len;

void story_put64(uint64_t pa, uint64_t v)
{
	memcpy(machine.ram + pa, &v, 8);
}

static void put32(uint64_t pa, uint32_t v)
{
	memcpy(machine.ram + pa, &v, 4);
}

/*---------------------------------------------------------------- BTF */

static struct {
	uint8_t types[8192];
	char strings[4096];
	size_t len, strings_len;
	uint32_t nr;
} b;

static void word(uint32_t v)
{
	memcpy(b.types + b.len, &v, 4);
	b.len += 4;
}

static uint32_t string(const char *s)
{
	uint32_t at = (uint32_t)b.strings_len;

	if (!*s)
		return 0;
	strcpy(b.strings + at, s);
	b.strings_len += strlen(s) + 1;
	return at;
}

/* Kinds of Documentation/bpf/btf.rst */
enum { INT = 1, PTR, ARRAY, STRUCT, UNION, TYPEDEF = 8, CONST = 10, VAR = 14, DATASEC = 15 };

static uint32_t type(const char *name, unsigned kind, unsigned vlen, uint32_t size)
{
	word(string(name));
	word(kind << 24 | vlen);
	word(size);
	return ++b.nr;
}

static void member(const char *name, uint32_t of, uint32_t offset)
{
	word(string(name));
	word(of);
	word(offset * 8);
}

static uint32_t array(uint32_t of, uint32_t nr)
{
	uint32_t n = type("", ARRAY, 0, 0);

	word(of);
	word(of);
	word(nr);
	return n;
}

static void build_btf(void)
{
	uint32_t u32, u64, ptr, ch, list, comm, name, info, thread, state, layout, arch, var, inner;
	uint32_t header[6] = { 1 << 16 | BTF_MAGIC, 24 };

	memset(&b, 0, sizeof(b));
	b.strings_len = 1;
	u32 = type("unsigned int", INT, 0, 4), word(32);
	u64 = type("unsigned long", INT, 0, 8), word(64);
	ch = type("char", INT, 0, 1), word(8);
	ptr = type("", PTR, 0, 0);
	state = type("", CONST, 0, u32);
	comm = array(ch, 16);
	name = array(ch, 56);
	list = type("list_head", STRUCT, 2, 16);
	member("next", ptr, 0), member("prev", ptr, 8);
	info = type("thread_info", STRUCT, 2, 16);
	member("flags", u64, 0), member("cpu", u32, 8);
	thread = type("thread_struct", STRUCT, 1, 8);
	member("sp", u64, 0);
	/* What is inside a structure without a name belongs to the one around it */
	inner = type("", UNION, 1, 8);
	member("pid", u32, 0);
	type("task_struct", STRUCT, 9, 0x200);
	member("thread_info", info, 0), member("__state", state, 0x10), member("", inner, 0x14);
	member("tgid", u32, 0x1c), member("comm", comm, 0x20), member("tasks", list, 0x40);
	member("thread_node", list, 0x50), member("signal", ptr, 0x60), member("thread", thread, 0x68);
	type("signal_struct", STRUCT, 1, 0x40);
	member("thread_head", list, 0x10);
	type("inactive_task_frame", STRUCT, 2, 56);
	member("bp", u64, 40), member("ret_addr", u64, 48);
	layout = type("module_layout", STRUCT, 2, 16);
	member("base", ptr, 0), member("size", u32, 8);
	arch = type("mod_arch_specific", STRUCT, 3, 24);
	member("num_orcs", u32, 0), member("orc_unwind_ip", ptr, 8), member("orc_unwind", ptr, 16);
	type("module", STRUCT, 6, 0x100);
	member("list", list, 8), member("name", name, 0x18), member("core_layout", layout, 0x60);
	member("taints", u64, 0x70), member("kallsyms", ptr, 0x78), member("arch", arch, 0x80);
	type("mod_kallsyms", STRUCT, 3, 24);
	member("symtab", ptr, 0), member("num_symtab", u32, 8), member("strtab", ptr, 16);
	var = type("of_each_cpu", VAR, 0, u64), word(1);
	type(".data..percpu", DATASEC, 1, 0x40000);
	word(var), word(0x1230), word(8);
	type("alias", TYPEDEF, 0, u64);

	header[3] = (uint32_t)b.len;
	header[4] = (uint32_t)b.len;
	header[5] = (uint32_t)b.strings_len;
	memcpy(machine.ram + STORY_BTF, header, 24);
	memcpy(machine.ram + STORY_BTF + 24, b.types, b.len);
	memcpy(machine.ram + STORY_BTF + 24 + b.len, b.strings, b.strings_len);
}

/*---------------------------------------------------------------- ORC */

struct entry {
	uint64_t ip;
	int sp_offset, bp_offset;
	unsigned sp_reg, bp_reg;
	enum orc_type type;
};

static void put_orc(uint64_t ip_pa, uint64_t ip_va, uint64_t orc_pa, unsigned i, const struct entry *e, bool new_orc)
{
	static const uint8_t old[] = { [ORC_NONE] = 0, [ORC_END] = 4, [ORC_CALL] = 0, [ORC_REGS] = 1, [ORC_REGS_PARTIAL] = 2 };
	uint8_t *p = machine.ram + orc_pa + i * 6;
	int16_t sp = (int16_t)e->sp_offset, bp = (int16_t)e->bp_offset;

	put32(ip_pa + i * 4, (uint32_t)(e->ip - (ip_va + i * 4)));
	memcpy(p, &sp, 2);
	memcpy(p + 2, &bp, 2);
	p[4] = (uint8_t)(e->sp_reg | e->bp_reg << 4);
	p[5] = new_orc ? (uint8_t)e->type : old[e->type];
}

static void build_orc(bool new_orc)
{
	const struct entry entries[] = {
		{ CODE(0), 8, 0, ORC_SP, 0, ORC_CALL },			/* _stext */
		{ CODE(1), 0, 0, ORC_UNDEFINED, 0, ORC_NONE },		/* __crash_kexec */
		{ CODE(2), 8, 0, ORC_SP, 0, ORC_CALL },			/* panic */
		{ CODE(2) + 0x10, 0x20, 0, ORC_SP, 0, ORC_CALL },
		{ CODE(3), 8, 0, ORC_SP, 0, ORC_CALL },			/* handle_crash: has a frame pointer */
		{ CODE(3) + 4, 16, -16, ORC_BP, ORC_PREV_SP, ORC_CALL },
		{ CODE(4), 0, 0, ORC_SP, 0, ORC_REGS },			/* asm_exc */
		{ CODE(5), 16, 0, ORC_SP, 0, ORC_CALL },		/* faulty */
		{ CODE(6), 8, 0, ORC_SP_INDIRECT, 0, ORC_CALL },	/* on_irq_stack */
		{ CODE(7), 0, 0, ORC_SP, 0, ORC_REGS_PARTIAL },		/* entry_irq */
		{ CODE(8), 0, 0, ORC_SP, 0, ORC_REGS },			/* entry_syscall */
		{ CODE(9), 8, 0, ORC_SP, 0, ORC_CALL },			/* idle */
		{ CODE(10), 0, 0, ORC_UNDEFINED, 0, ORC_END },		/* start_secondary */
		{ CODE(11), 8, 0, ORC_SP, 0, ORC_CALL },		/* schedule */
	};
	const struct entry in_module = { MODULE_CODE, 16, 0, ORC_SP, 0, ORC_CALL };

	for (unsigned i = 0; i < STORY_NR_ORC; i++) {
		struct entry e = { CODE(12) + i * 4, 8, 0, ORC_SP, 0, ORC_CALL };

		put_orc(STORY_ORC_IP, story_va(STORY_ORC_IP), STORY_ORC, i, i < ARRAY_SIZE(entries) ? &entries[i] : &e, new_orc);
	}
	if (!new_orc)	/* as without kallsyms of variables: one array behind the other */
		memmove(machine.ram + STORY_ORC_IP + STORY_NR_ORC * 4, machine.ram + STORY_ORC, STORY_NR_ORC * 6);
	put_orc(STORY_MODULE + 0x2000, DIRECT + STORY_MODULE + 0x2000, STORY_MODULE + 0x2100, 0, &in_module, new_orc);
}

/*---------------------------------------------------------------- variables, tasks, module */

#define TASK(n)		(DIRECT + STORY_TASKS + (n) * 0x1000ULL)

static void put_task(unsigned n, uint32_t pid, uint32_t tgid, uint32_t state, uint32_t cpu, const char *comm, unsigned next)
{
	uint64_t pa = STORY_TASKS + n * 0x1000ULL;

	put32(pa + 8, cpu);
	put32(pa + 0x10, state);
	put32(pa + 0x14, pid);
	put32(pa + 0x1c, tgid);
	memset(machine.ram + pa + 0x20, 0, 16);
	memcpy(machine.ram + pa + 0x20, comm, strlen(comm));
	story_put64(pa + 0x40, (next ? TASK(next) : story_va(STORY_TASKS)) + 0x40);
	/* signal_struct at 0x300 of the leader's page; a ring of one thread */
	story_put64(pa + 0x60, TASK(n) + 0x300);
	story_put64(pa + 0x310, TASK(n) + 0x50);
	story_put64(pa + 0x50, TASK(n) + 0x310);
}

static void build_tasks(void)
{
	uint64_t sp = STORY_STACKS + 2 * KIB(16) + 0x2000;

	put_task(0, 0, 0, 0, 0, "swapper/0", 1);
	put_task(1, 1, 1, 1, 0, "init", 2);
	put_task(2, 77, 77, 0x402, 0, "kworker/idle", 4);
	put_task(4, 345, 345, 0, 1, "sh", 0);
	/* pid 77 has a thread, which is blocked in schedule(), called by a module's function */
	put_task(3, 78, 77, 2, 0, "blocked\x1b[1m", 0);
	story_put64(STORY_TASKS + 2 * 0x1000 + 0x50, TASK(3) + 0x50);
	story_put64(STORY_TASKS + 3 * 0x1000 + 0x50, TASK(2) + 0x310);
	story_put64(STORY_TASKS + 3 * 0x1000 + 0x68, DIRECT + sp);
	story_put64(sp + 40, 0);
	story_put64(sp + 48, CODE(11) + 0x20);
	story_put64(sp + 56, MODULE_CODE + 0x44);
	story_put64(sp + 72, CODE(10) + 0x30);
}

static void build_module(void)
{
	static const char names[] = "\0made_up_wait\0made_up_init";
	uint64_t va = DIRECT + STORY_MODULE, pa = STORY_MODULE;
	Elf64_Sym syms[] = {
		{ 0 }, { .st_name = 14, .st_value = MODULE_CODE + 0x80 }, { .st_name = 1, .st_value = MODULE_CODE + 0x40 },
	};

	story_put64(pa + 8, story_va(STORY_DATA + 0x20));
	story_put64(STORY_DATA + 0x20, va + 8);
	memcpy(machine.ram + pa + 0x18, "made_up", 8);
	story_put64(pa + 0x60, MODULE_CODE);
	put32(pa + 0x68, 0x100);
	story_put64(pa + 0x70, BIT(12) | BIT(13));
	story_put64(pa + 0x78, va + 0x200);
	story_put64(pa + 0x200, va + 0x300);
	put32(pa + 0x208, ARRAY_SIZE(syms));
	story_put64(pa + 0x210, va + 0x400);
	memcpy(machine.ram + pa + 0x300, syms, sizeof(syms));
	memcpy(machine.ram + pa + 0x400, names, sizeof(names));
	put32(pa + 0x80, 1);
	story_put64(pa + 0x88, va + 0x2000);
	story_put64(pa + 0x90, va + 0x2100);
}

/* struct pt_regs at @pa */
static void put_regs(uint64_t pa, uint64_t ip, uint64_t sp, uint64_t cs)
{
	for (unsigned i = 0; i < 21; i++)
		story_put64(pa + i * 8, 0xa000 + i);
	story_put64(pa + 16 * 8, ip);
	story_put64(pa + 17 * 8, cs);
	story_put64(pa + 19 * 8, sp);
}

static void put_note(uint32_t pid, uint64_t ip, uint64_t sp, uint64_t bp)
{
	struct { uint32_t namesz, descsz, type; char name[8]; uint8_t desc[336]; } n = { 5, 336, 1, "CORE", { 0 } };

	memcpy(n.desc + 32, &pid, 4);
	for (unsigned i = 0; i < 21; i++) {
		uint64_t v = i == 16 ? ip : i == 19 ? sp : i == 4 ? bp : i == 17 ? 0x10 : 0x1000 + i;

		memcpy(n.desc + 112 + i * 8, &v, 8);
	}
	memcpy(story_notes + story_notes_len, &n, sizeof(n));
	story_notes_len += sizeof(n);
}

/*
 * CPU 1, from __crash_kexec() (no entry) to panic(), handle_crash(), the exception it is for, faulty(), which runs on the
 * stack for interrupts, and the system call that was interrupted. CPU 0 is idle.
 */
static void build_stacks(void)
{
	uint64_t pa = STORY_STACKS, va = DIRECT + STORY_STACKS, irq = STORY_STACKS + KIB(16), irq_va = va + KIB(16);
	uint64_t sp = irq + 0x1000, sp_va = irq_va + 0x1000;

	story_notes_len = 0;
	put_note(0, CODE(9) + 0x10, va + 3 * KIB(16) + 0x100, 0);
	story_put64(pa + 3 * KIB(16) + 0x100, CODE(10) + 0x20);
	put_note(345, CODE(1) + 0x30, sp_va, 0);
	story_put64(sp + 0x10, CODE(0) + 0x30);			/* no call in front of it */
	story_put64(sp + 0x18, CODE(2) + 0x30);			/* panic() was called from here: a guess */
	story_put64(sp + 0x20 + 0x18, CODE(3) + 0x20);		/* returns to handle_crash() */
	/* its frame pointer is not known behind a guess, so handle_crash() is left by a search */
	story_put64(sp + 0x20 + 0x28, CODE(4) + 0x20);
	put_regs(sp + 0x50, CODE(5) + 0x8, sp_va + 0x100, 0x10);
	story_put64(sp + 0x108, CODE(6) + 0x20);		/* faulty() returns */
	story_put64(sp + 0x110, va + 0x2000);			/* where the other stack goes on */
	story_put64(pa + 0x2000, CODE(7) + 0x20);
	story_put64(pa + 0x2008, CODE(8) + 0x20);		/* what the processor pushed */
	story_put64(pa + 0x2010, 0x10);
	story_put64(pa + 0x2020, va + 0x3000);
	put_regs(pa + 0x3000, 0x401000, 0x7ffe0000, 0x33);
	/* Calls in front of all places that are returned to */
	for (unsigned i = 0; i < 12; i++) {
		machine.ram[STORY_CODE + i * 0x1000 + 0x1b] = i ? 0xe8 : 0;
		machine.ram[STORY_CODE + i * 0x1000 + 0x2b] = i ? 0xe8 : 0;
	}
}

static void build_data(void)
{
	static const char *const uts[] = { "Linux", "made-up", "6.1.0-made-up", "#1 SMP", "x86_64", "(none)" };
	uint64_t percpu = DIRECT + STORY_DATA + 0x2000;

	memset(machine.ram + STORY_DATA, 0, 0x4000);
	put32(STORY_DATA, 1);				/* panic_cpu */
	for (unsigned i = 0; i < 6; i++)
		strcpy((char *)machine.ram + STORY_DATA + 0x100 + 8 + i * UTS_LEN, uts[i]);
	machine_info("SYMBOL(init_uts_ns)=%llx", (unsigned long long)story_va(STORY_DATA + 0x100));
	machine_info("CRASHTIME=1750000000");
	/* crash_notes: at 0x40 of each CPU's area */
	story_put64(STORY_DATA + 0x8, 0x40);
	story_put64(STORY_DATA + 0x1000, percpu);
	story_put64(STORY_DATA + 0x1008, percpu + 0x1000);
	put32(STORY_DATA + 0x2000 + 0x40, 5);
	put32(STORY_DATA + 0x3000 + 0x40, 5);
}

/* Without variables in kallsyms: what is exported is found by its name. struct kernel_symbol */
static void export(uint64_t pa, const char *name, uint64_t to)
{
	strcpy((char *)machine.ram + pa + 0x20, name);
	put32(pa, (uint32_t)(to - pa));
	put32(pa + 4, 0x20 - 4);
}

void story_build(bool new_orc, bool all)
{
	uint64_t orc = new_orc ? STORY_ORC : STORY_ORC_IP + STORY_NR_ORC * 4;
	const struct machine_symbol syms[] = {
		{ "_stext", CODE(0) }, { "__crash_kexec", CODE(1) }, { "panic", CODE(2) }, { "handle_crash", CODE(3) },
		{ "asm_exc", CODE(4) }, { "faulty", CODE(5) }, { "on_irq_stack", CODE(6) }, { "entry_irq", CODE(7) },
		{ "entry_syscall", CODE(8) }, { "idle", CODE(9) }, { "start_secondary", CODE(10) }, { "schedule", CODE(11) },
		{ "last_alias", CODE(12) }, { "other_alias", CODE(12) }, { "_etext", CODE(16) },
		{ "__start_BTF", story_va(STORY_BTF) }, { "__stop_BTF", story_va(STORY_BTF) + 24 + sizeof(b.types) },
		{ "__start_orc_unwind_ip", story_va(STORY_ORC_IP) },
		{ "__stop_orc_unwind_ip", story_va(STORY_ORC_IP) + STORY_NR_ORC * 4 }, { "__start_orc_unwind", story_va(orc) },
		{ "panic_cpu", story_va(STORY_DATA) }, { "crash_notes", story_va(STORY_DATA + 8) },
		{ "modules", story_va(STORY_DATA + 0x20) }, { "__per_cpu_offset", story_va(STORY_DATA + 0x1000) },
		{ "init_task", story_va(STORY_TASKS) }, { "cpu_variable", 0x7000 },
	};

	machine_build(STYLE_6_12, MODEL_VMEMMAP, false, 1);
	memset(machine.ram + STORY_BTF, 0, STORY_END - STORY_BTF);
	memset(machine.ram + STORY_CODE, 0, 0x10000);
	machine_kallsyms(syms, all ? ARRAY_SIZE(syms) : 15, STORY_SYMBOLS);
	machine_info("SYMBOL(_stext)=%llx", (unsigned long long)CODE(0));
	build_btf();
	build_orc(new_orc);
	build_data();
	build_tasks();
	build_module();
	build_stacks();
	export(STORY_DATA + 0x800, "init_task", STORY_TASKS);
	export(STORY_DATA + 0x880, "__per_cpu_offset", STORY_DATA + 0x1000);
}

static int read_ram(void *ctx, void *dst, phys_addr_t pa, size_t len)
{
	(void)ctx;
	/* Nothing is behind it, and what looks through the image shall not take long */
	if (pa >= STORY_END)
		return -EFAULT;
	return machine.vc.read(dst, pa, len);
}

void story_vtop(struct vtop *vt)
{
	static const struct memory_range none;

	*vt = (struct vtop){ .read = read_ram, .kernel = &none, .page_size = 4096 };
	vtop_x86_64(vt, &machine.vi);
}

struct story_sources story_sources(struct vtop *vt)
{
	static const char dmesg[] =
		"[    1.000000] Linux\n"
		"[  100.250000] Kernel panic - not syncing: made up\n"
		"[  100.250001] CPU: 1 PID: 345 Comm: sh Tainted: G        W  OE      6.1.0-made-up #1\n";

	story_vtop(vt);
	return (struct story_sources){
		.vt = vt, .info = &machine.vi, .notes = story_notes, .notes_len = story_notes_len, .dmesg = dmesg,
		.dmesg_len = sizeof(dmesg) - 1,
	};
}
