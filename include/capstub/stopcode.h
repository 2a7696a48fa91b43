/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stop codes: how a capture ended. Printed on the console ("capstub: stop code N (name)"),
 * stored in the label, judged by scripts. They are ABI: never renumber, never reuse.
 */
#ifndef CAPSTUB_STOPCODE_H
#define CAPSTUB_STOPCODE_H

/* X(number, C name, short name for scripts, one sentence for people) */
#define CAPSTUB_STOP_CODES(X) \
	X(0, OK, "ok", "the dump is complete") \
	X(1, INTERRUPTED, "interrupted", "the capture started and did not report its end") \
	X(10, NO_ELFCOREHDR, "no-elfcorehdr", "no elfcorehdr was passed: load the stub with kexec -p") \
	X(11, BAD_ELFCOREHDR, "bad-elfcorehdr", "the elfcorehdr cannot be read or is not a vmcore header") \
	X(12, NO_MEMORY_RANGES, "no-memory-ranges", "the elfcorehdr names no usable memory") \
	X(20, NO_TARGET, "no-target", "no disk or line with a matching capstub label was found") \
	X(21, NO_LABEL, "no-label", "the named target carries no capstub label") \
	X(22, BAD_LABEL, "bad-label", "the label is damaged (CRC or contents)") \
	X(23, AMBIGUOUS_TARGET, "ambiguous-target", "two targets match the same dump= word") \
	X(24, TARGET_TOO_SMALL, "target-too-small", "the target cannot hold the headers of the dump") \
	X(25, TARGET_READ_ONLY, "target-read-only", "the target is read-only") \
	X(26, UNSAVED_DUMP, "unsaved-dump", "the target holds a dump that was not saved yet") \
	X(27, FOREIGN_DATA, "foreign-data", "something else was written there since capstub format: run it again if that may be lost") \
	X(28, NO_DUMP_WORD, "no-dump-word", "no dump= word was given: nothing was written") \
	X(29, TARGET_RESIZED, "target-resized", "the target has grown since format: run capstub format") \
	X(30, DEVICE_INIT, "device-init", "the target's controller could not be started") \
	X(31, DEVICE_TIMEOUT, "device-timeout", "a request to the target did not complete in time") \
	X(32, DEVICE_GONE, "device-gone", "the target vanished") \
	X(33, WRITE_ERROR, "write-error", "the target failed a write") \
	X(34, READ_ERROR, "read-error", "the target failed a read") \
	X(35, UNSUPPORTED_FORMAT, "unsupported-format", "the disk is formatted in a way that cannot be written to") \
	X(36, IOMMU, "iommu", "the IOMMU could not be made to let the target's DMA through") \
	X(40, SPACE, "space", "the target was full: the most valuable pages were stored") \
	X(41, DEADLINE, "deadline", "the overall deadline passed") \
	X(42, RAM_MISSING, "ram-missing", "memory is missing that the stub was not told of or could not list: see the console's count; load it again if memory was added") \
	X(43, MACHINE_CHECK, "machine-check", "a hardware error ended the capture: memory, a CPU or a bus") \
	X(50, EXCEPTION, "exception", "unexpected CPU exception inside the stub") \
	X(51, ASSERT, "assert", "an internal check of the stub failed") \
	X(52, IMAGE_CHECKSUM, "image-checksum", "the stub's own image or parameters are damaged") \
	X(60, LINE_ERROR, "line-error", "the serial line could not be driven") \
	X(70, FILE_MOVED, "file-moved", "the target file is no longer where it was, or a capture was cut: run capstub save or capstub format")

enum capstub_stop {
#define CAPSTUB_STOP_ENUM(nr, sym, name, text) STOP_##sym = (nr),
	CAPSTUB_STOP_CODES(CAPSTUB_STOP_ENUM)
#undef CAPSTUB_STOP_ENUM
};

#endif
