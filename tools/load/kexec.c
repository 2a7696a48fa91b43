// SPDX-License-Identifier: GPL-2.0-or-later
#include "tools/load/kexec.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tools/load/trust.h"
#include "tools/util.h"

/* linux include/uapi/linux/kexec.h since 6.5 */
#ifndef KEXEC_UPDATE_ELFCOREHDR
#define KEXEC_UPDATE_ELFCOREHDR	0x00000004
#endif

bool kexec_disabled(const char *root)
{
	uint64_t disabled = 0;

	return read_number(root, "/proc/sys/kernel/kexec_load_disabled", 10, &disabled) && disabled;
}

int kexec_not_permitted(void)
{
	if (geteuid())
		return fail(-EPERM, "only root may load: run capstub as root");
	if (kexec_disabled(""))
		return fail(-EPERM, "%s", KEXEC_DISABLED);
	if (kernel_locked(""))
		return fail(-EPERM, "kernel lockdown (Secure Boot) takes signed images only, and did not take this one's signature");
	return fail(-EPERM, "the kernel does not permit it: CAP_SYS_BOOT is missing, as in a container, or a security module refuses");
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
	if (errno == EACCES)	/* IMA's policy for Secure Boot; lockdown says EPERM */
		errno = EPERM;
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
	const char *why;

	if (fd < 0)
		return fail(-errno, "%s: %m", image);
	error = syscall(SYS_kexec_file_load, fd, -1, strlen(words) + 1, words,
			KEXEC_FILE_ON_CRASH | KEXEC_FILE_NO_INITRAMFS) ? errno : 0;
	close(fd);
	switch (error) {
	case 0:
		return 0;
	case EADDRNOTAVAIL:
	case ENOMEM:
		return fail(-error, "the kernel finds no room in the reservation: boot with a larger crashkernel=, 2M "
			    "will do");
	case ENOEXEC:
		return fail(-error, "the kernel does not take %s for an image of this machine", image);
	default:
		why = signature_error(error);
		if (why)
			return fail(-error, "%s: %s%s%s", image, why, error == ENOKEY ? ": " : "", error == ENOKEY ? trust_enrol("") : "");
		return fail_common(error);
	}
}

int kexec_unload(void)
{
	if (!syscall(SYS_kexec_load, 0UL, 0UL, NULL, (unsigned long)KEXEC_ON_CRASH))
		return 0;
	if ((errno == EPERM || errno == EACCES || errno == ENOSYS) &&
	    !syscall(SYS_kexec_file_load, -1, -1, 0UL, NULL, KEXEC_FILE_ON_CRASH | KEXEC_FILE_UNLOAD))
		return 0;
	return fail_common(errno);
}
