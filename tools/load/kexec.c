// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/load/kexec.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tools/util.h"

/* linux include/uapi/linux/kexec.h since 6.5 */
#ifndef KEXEC_UPDATE_ELFCOREHDR
#define KEXEC_UPDATE_ELFCOREHDR	0x00000004
#endif

const char *kexec_refused(const char *root)
{
	char *lockdown = read_file(root, "/sys/kernel/security/lockdown", NULL);
	bool locked = lockdown && (strstr(lockdown, "[integrity]") || strstr(lockdown, "[confidentiality]"));
	uint64_t disabled = 0;

	free(lockdown);
	read_number(root, "/proc/sys/kernel/kexec_load_disabled", 10, &disabled);
	if (disabled)
		return "kernel.kexec_load_disabled is 1: nothing can be loaded or unloaded until the next boot; load "
		       "before it is set";
	if (locked)
		return "kernel lockdown (Secure Boot) takes signed images only: sign the stub's image with a key that the "
		       "kernel knows, and load it with --syscall file";
	return NULL;
}

int kexec_not_permitted(void)
{
	const char *why = kexec_refused("");

	if (geteuid())
		return fail(-EPERM, "only root may load: run capstub as root");
	return fail(-EPERM, "%s", why ? why : "the kernel does not permit it: CAP_SYS_BOOT is missing, as in a container, or "
		    "a security module refuses");
}

/* What both calls have in common */
static int fail_common(int error)
{
	switch (error) {
	case EPERM:
		return kexec_not_permitted();
	case EBUSY:
		return fail(-EBUSY, "the kernel is busy with another load: try again");
	case ENOSYS:
		return fail(-ENOSYS, "this kernel has no such system call (CONFIG_KEXEC, CONFIG_KEXEC_FILE): try the "
			    "other one with --syscall, or another kernel");
	default:
		return fail(-error, "the kernel refused to load: %s; dmesg may say more", strerror(error));
	}
}

int kexec_load_plan(const struct plan *p, bool quiet)
{
	unsigned long flags = KEXEC_ON_CRASH | (p->hotplug ? KEXEC_UPDATE_ELFCOREHDR : 0);
	struct kexec_segment seg[NR_SEGS];

	for (unsigned i = 0; i < NR_SEGS; i++)
		seg[i] = (struct kexec_segment){
			.buf = p->seg[i].data,
			.bufsz = p->seg[i].data_size,
			.mem = (void *)p->seg[i].at.start,
			.memsz = p->seg[i].at.end - p->seg[i].at.start,
		};
	if (!syscall(SYS_kexec_load, p->entry, (unsigned long)NR_SEGS, seg, flags))
		return 0;
	if (quiet && (errno == EPERM || errno == ENOSYS))
		return -errno;
	switch (errno) {
	case EADDRNOTAVAIL:
		return fail(-errno, "the reservation is not where /proc/iomem says any more: has somebody shrunk it "
			    "(/sys/kernel/kexec_crash_size)? Reboot with crashkernel=1M");
	case ENOMEM:
		return fail(-errno, "the kernel finds no room for its own page tables beside the stub: boot with a larger crashkernel=, 2M will do");
	default:
		return fail_common(errno);
	}
}

int kexec_load_file(const char *image, const char *words)
{
	int fd = open(image, O_RDONLY | O_CLOEXEC), error;

	if (fd < 0)
		return fail(-errno, "%s: %m", image);
	error = syscall(SYS_kexec_file_load, fd, -1, strlen(words) + 1, words,
			KEXEC_FILE_ON_CRASH | KEXEC_FILE_NO_INITRAMFS) ? errno : 0;
	close(fd);
	switch (error) {
	case 0:
		return 0;
	case ENODATA:
		return fail(-error, "%s is not signed, and this kernel takes signed images only", image);
	case ENOKEY:
		return fail(-error, "%s is signed with a key that the kernel does not know: enrol it (db or MOK)", image);
	case EKEYREJECTED:
	case EBADMSG:
		return fail(-error, "%s: its signature does not fit; it was changed after it was signed", image);
	case EACCES:
		return fail(-error, "%s: an integrity policy (IMA) refuses it; sign it", image);
	case EADDRNOTAVAIL:
	case ENOMEM:
		return fail(-error, "the kernel finds no room in the reservation: boot with a larger crashkernel=, 2M "
			    "will do");
	case ENOEXEC:
		return fail(-error, "the kernel does not take %s for an image of this machine", image);
	default:
		return fail_common(error);
	}
}

int kexec_unload(void)
{
	if (!syscall(SYS_kexec_load, 0UL, 0UL, NULL, (unsigned long)KEXEC_ON_CRASH))
		return 0;
	if ((errno == EPERM || errno == ENOSYS) &&
	    !syscall(SYS_kexec_file_load, -1, -1, 0UL, NULL, KEXEC_FILE_ON_CRASH | KEXEC_FILE_UNLOAD))
		return 0;
	return fail_common(errno);
}
