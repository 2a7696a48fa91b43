/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NVM Express 1.4: registers and structures, as far as drivers/blk/nvme.c (and the simulated controller
 * of its test) uses them.
 */
#ifndef DRIVERS_NVME_REGS_H
#define DRIVERS_NVME_REGS_H

#include "stub/bits.h"

/* Controller registers, §3.1 */
enum nvme_reg {
	NVME_CAP	= 0x00,	/* 64 bits */
	NVME_VS		= 0x08,
	NVME_CC		= 0x14,
	NVME_CSTS	= 0x1c,
	NVME_AQA	= 0x24,
	NVME_ASQ	= 0x28,	/* 64 bits */
	NVME_ACQ	= 0x30,	/* 64 bits */
	NVME_DOORBELLS	= 0x1000,
};

#define NVME_CAP_MQES		GENMASK(15, 0)		/* entries per queue, less one */
#define NVME_CAP_TO		GENMASK(31, 24)		/* units of 500 ms */
#define NVME_CAP_DSTRD		GENMASK(35, 32)		/* doorbell stride, 4 << n bytes */
#define NVME_CAP_CSS_NVM	BIT(37)
#define NVME_CAP_MPSMIN		GENMASK(51, 48)		/* 4096 << n bytes */

#define NVME_VS_1_1		0x00010100
#define NVME_VS_1_3		0x00010300

#define NVME_CC_EN		BIT(0)
#define NVME_CC_CSS		GENMASK(6, 4)		/* 0: NVM command set */
#define NVME_CC_MPS		GENMASK(10, 7)		/* 0: 4096 bytes */
#define NVME_CC_AMS		GENMASK(13, 11)		/* 0: round robin */
#define NVME_CC_SHN		GENMASK(15, 14)
#define NVME_CC_SHN_NORMAL	1
#define NVME_CC_IOSQES		GENMASK(19, 16)		/* log2 of entry size */
#define NVME_CC_IOCQES		GENMASK(23, 20)

#define NVME_CSTS_RDY		BIT(0)
#define NVME_CSTS_CFS		BIT(1)			/* controller fatal status */
#define NVME_CSTS_SHST		GENMASK(3, 2)
#define NVME_CSTS_SHST_DONE	2
#define NVME_CSTS_GONE		0xffffffff

#define NVME_AQA_ASQS		GENMASK(11, 0)		/* entries, less one */
#define NVME_AQA_ACQS		GENMASK(27, 16)

/* Opcodes: admin §5, NVM command set §6 */
enum nvme_admin_opcode {
	NVME_DELETE_SQ		= 0x00,
	NVME_CREATE_SQ		= 0x01,
	NVME_DELETE_CQ		= 0x04,
	NVME_CREATE_CQ		= 0x05,
	NVME_IDENTIFY		= 0x06,
	NVME_SET_FEATURES	= 0x09,
};

enum nvme_io_opcode {
	NVME_FLUSH		= 0x00,
	NVME_WRITE		= 0x01,
	NVME_READ		= 0x02,
};

enum nvme_identify_cns {
	NVME_CNS_NAMESPACE	= 0x00,
	NVME_CNS_CONTROLLER	= 0x01,
	NVME_CNS_ACTIVE_LIST	= 0x02,
	NVME_CNS_DESCRIPTORS	= 0x03,
};

#define NVME_FEAT_NUM_QUEUES	0x07

/* Submission queue entry, §4.2 figure 105 */
struct nvme_command {
	uint8_t  opcode;
	uint8_t  flags;		/* PSDT 0: PRPs; FUSE 0 */
	uint16_t cid;
	uint32_t nsid;
	uint64_t rsvd8;
	uint64_t mptr;
	uint64_t prp1;
	uint64_t prp2;
	uint32_t cdw10;
	uint32_t cdw11;
	uint32_t cdw12;
	uint32_t cdw13;
	uint32_t cdw14;
	uint32_t cdw15;
};
_Static_assert(sizeof(struct nvme_command) == 64, "NVMe 1.4 §4.2");
_Static_assert(offsetof(struct nvme_command, prp1) == 24, "NVMe 1.4 §4.2");
_Static_assert(offsetof(struct nvme_command, cdw10) == 40, "NVMe 1.4 §4.2");

/* Completion queue entry, §4.6 */
struct nvme_completion {
	uint32_t result;
	uint32_t rsvd4;
	uint16_t sq_head;
	uint16_t sq_id;
	uint16_t cid;
	uint16_t status;	/* bit 0: phase tag; 11:9 code type, 8:1 code; 15: do not retry */
};
_Static_assert(sizeof(struct nvme_completion) == 16, "NVMe 1.4 §4.6");
_Static_assert(offsetof(struct nvme_completion, status) == 14, "NVMe 1.4 §4.6");

#define NVME_STATUS_PHASE	BIT(0)
#define NVME_STATUS_CODE	GENMASK(11, 1)	/* type and code; 0: success */
#define NVME_STATUS_DNR		BIT(15)		/* do not retry */

/* Type << 8 | code, §4.6.1.2 */
enum nvme_status_code {
	NVME_STATUS_DATA_TRANSFER	= 0x004,
	NVME_STATUS_INTERNAL		= 0x006,
	NVME_STATUS_ABORTED		= 0x007,
	NVME_STATUS_WRITE_PROTECTED	= 0x020,
	NVME_STATUS_INTERRUPTED		= 0x021,
	NVME_STATUS_TRANSPORT		= 0x022,	/* transient */
	NVME_STATUS_MEDIA_NOT_READY	= 0x024,	/* of an admin command; NVMe 2.0 */
	NVME_STATUS_NOT_READY		= 0x082,	/* the namespace */
	NVME_STATUS_READ_ONLY_RANGE	= 0x182,	/* write to it */
	NVME_STATUS_PATH		= 0x300,	/* and what follows it */
	NVME_STATUS_ANA_TRANSITION	= 0x303,
};

/* Identify controller, §5.15.2.2 figure 247 */
struct nvme_id_ctrl {
	uint16_t vid;
	uint16_t ssvid;
	char     sn[20];
	char     mn[40];
	char     fr[8];
	uint8_t  rsvd72[5];
	uint8_t  mdts;		/* log2 of pages of CAP.MPSMIN, 0: no limit */
	uint16_t cntlid;
	uint32_t ver;
	uint32_t rtd3r_us;
	uint32_t rtd3e_us;
	uint8_t  rsvd92[424];
	uint32_t nn;		/* highest namespace identifier */
	uint16_t oncs;
	uint16_t fuses;
	uint8_t  fna;
	uint8_t  vwc;		/* bit 0: volatile write cache present */
	uint8_t  rsvd526[242];
	char     subnqn[256];	/* UTF-8; 1.2.1, before that zeros */
	uint8_t  rsvd1024[3072];
};
_Static_assert(sizeof(struct nvme_id_ctrl) == 4096, "NVMe 1.4 §5.15.2.2");
_Static_assert(offsetof(struct nvme_id_ctrl, mdts) == 77, "NVMe 1.4 §5.15.2.2");
_Static_assert(offsetof(struct nvme_id_ctrl, rtd3e_us) == 88, "NVMe 1.4 §5.15.2.2");
_Static_assert(offsetof(struct nvme_id_ctrl, nn) == 516, "NVMe 1.4 §5.15.2.2");
_Static_assert(offsetof(struct nvme_id_ctrl, vwc) == 525, "NVMe 1.4 §5.15.2.2");
_Static_assert(offsetof(struct nvme_id_ctrl, subnqn) == 768, "NVMe 1.4 §5.15.2.2");

#define NVME_VWC_PRESENT	BIT(0)

/* Identify namespace, §5.15.2.1 figure 245 */
struct nvme_lbaf {
	uint16_t ms;		/* metadata bytes per block */
	uint8_t  lbads;		/* log2 of data bytes per block */
	uint8_t  rp;
};

struct nvme_id_ns {
	uint64_t nsze;		/* blocks; 0: inactive */
	uint64_t ncap;
	uint64_t nuse;
	uint8_t  nsfeat;
	uint8_t  nlbaf;		/* formats, less one */
	uint8_t  flbas;		/* format in use */
	uint8_t  mc;
	uint8_t  dpc;
	uint8_t  dps;		/* 2:0: end-to-end protection type in use */
	uint8_t  nmic;		/* bit 0: may be attached to several controllers */
	uint8_t  rsvd31[68];
	uint8_t  nsattr;	/* bit 0: write protected */
	uint8_t  rsvd100[4];
	uint8_t  nguid[16];	/* 0: none */
	uint8_t  eui64[8];	/* 0: none */
	struct nvme_lbaf lbaf[64];	/* 1.4: 16 of them */
	uint8_t  rsvd384[3712];
};
_Static_assert(sizeof(struct nvme_lbaf) == 4, "NVMe 1.4 §5.15.2.1");
_Static_assert(sizeof(struct nvme_id_ns) == 4096, "NVMe 1.4 §5.15.2.1");
_Static_assert(offsetof(struct nvme_id_ns, nsattr) == 99, "NVMe 1.4 §5.15.2.1");
_Static_assert(offsetof(struct nvme_id_ns, nguid) == 104, "NVMe 1.4 §5.15.2.1");
_Static_assert(offsetof(struct nvme_id_ns, lbaf) == 128, "NVMe 1.4 §5.15.2.1");

#define NVME_FLBAS_FORMAT	GENMASK(3, 0)
#define NVME_FLBAS_EXTENDED	BIT(4)			/* metadata follows the data of each block */
#define NVME_FLBAS_FORMAT_HIGH	GENMASK(6, 5)		/* NVMe 2.0; else 0 */
#define NVME_DPS_TYPE		GENMASK(2, 0)
#define NVME_PI_SIZE		8			/* §8.3: guard, application and reference tag */
#define NVME_NSATTR_WP		BIT(0)
#define NVME_NMIC_SHARED	BIT(0)

/* Namespace identification descriptors, §5.15.2.4: they fill the page until one of length 0 */
struct nvme_ns_descriptor {
	uint8_t  nidt;
	uint8_t  nidl;
	uint8_t  rsvd2[2];
	uint8_t  nid[];
};

enum nvme_nidt {
	NVME_NIDT_UUID	= 3,
	NVME_NIDT_CSI	= 4,	/* command set, one byte; NVMe 2.0 */
};

#define NVME_CSI_NVM		0
#define NVME_CSI_ZONED		2

/* Read and write, §6.9: protection information is generated, checked and removed by the controller */
#define NVME_RW_PRACT		BIT(29)

#endif
