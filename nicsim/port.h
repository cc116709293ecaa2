/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port.h - packets in and out of a device: one packet socket, a receive ring, a transmit queue.
 *
 * Receive: TPACKET_V2, because a frame can be seen the moment it lies in the ring; V3 hands over
 * blocks, at the earliest a millisecond after their first packet.  Measured through two veths on
 * a busy machine with two processors, V2 and V3: flood ping RTT 0.006 and 1.1 ms, ping every 20 ms
 * 0.11 and 1.0 ms, TCP 2.9-6.8 and 4.1-6.0 Gb/s, UDP of 18 bytes 207-293 and 190-290 thousand
 * packets/s.  AF_XDP doesn't tell which checksums are partial, and takes no super-packets.  Slots
 * fit an ordinary frame; a super-packet doesn't, and is read whole from the socket's queue, where
 * the kernel puts a copy of what a slot truncates (PACKET_COPY_THRESH).
 *
 * Transmit: sendmmsg() past the queueing discipline (1.3-1.5 us a packet; AF_XDP would be 1.0-1.3
 * but carries no offloads, which cost TCP more than that).  Both directions carry struct
 * virtio_net_hdr: the sender's partial checksums and segment sizes are known, and a super-packet
 * can go on as one.  As a NIC does, the socket completes the partial checksum of every ordinary
 * packet as it receives it, and puts a tag that travelled in metadata back into the bytes.
 * Super-packets keep a partial checksum; the kernel completes it if it has to segment them.
 *
 * Memory: received packets are used in place.  They belong to the caller until
 * cxlt_port_release(), before which the transmit queues that refer to them must be flushed.
 *
 * Concurrency: one thread.
 * Errors: 0 or -errno; -ENETDOWN and -ENODEV: the device is down or gone.
 */
#ifndef CXLTAB_NICSIM_PORT_H
#define CXLTAB_NICSIM_PORT_H

#include <sys/socket.h>
#include <linux/types.h>
#include <linux/virtio_net.h>

#include "dev.h"
#include "nic.h"

enum {
	CXLT_RING_SLOTS = 2048,
	CXLT_RING_SLOT = 2048,
	CXLT_VNET_LEN = sizeof(struct virtio_net_hdr),
	CXLT_BIG_LEN = 66 * 1024, /* room for a super-packet */
	CXLT_TXQ = 64,
};

/* A super-packet; room for the virtio header and for a tag comes first. */
struct cxlt_big {
	__u8 room[32];
	__u8 data[CXLT_BIG_LEN];
};

struct cxlt_txq {
	__u32 n;
	struct mmsghdr msg[CXLT_TXQ];
	struct iovec iov[CXLT_TXQ][2];
	__u8 gso[CXLT_TXQ];
	__u32 segments[CXLT_TXQ];
	__u32 repeated[CXLT_TXQ]; /* header bytes that the segments repeat */
	__u8 head[CXLT_TXQ][CXLT_VNET_LEN + CXLT_HDR_ROOM + CXLT_HDR_MAX];
};

struct cxlt_port {
	struct cxlt_dev dev;
	int fd;	    /* receives, and sends past the queueing discipline; -1: closed */
	int gso_fd; /* sends through it, where the kernel segments if the device can't */
	__u8 *ring;
	__u32 next; /* slot that is looked at next */
	__u32 held; /* slots that the caller has, before next */
	__u32 n_big;
	struct cxlt_big *big;	       /* CXLT_NIC_BATCH of them */
	struct cxlt_port_stats *stats; /* of what leaves here */
	struct cxlt_txq tx;
};

/* Opens the sockets of a device that cxlt_dev_take() has made ours. */
int cxlt_port_open(struct cxlt_port *, char *err, size_t);
void cxlt_port_close(struct cxlt_port *);

/* Up to n packets; `index` is put into them.  The number, 0 if none wait. */
__u32 cxlt_port_receive(struct cxlt_port *, struct cxlt_nic_packet *, __u32 n, __u16 index);
/* Gives back all that cxlt_port_receive() returned. */
void cxlt_port_release(struct cxlt_port *);
/* Is a packet waiting? */
int cxlt_port_ready(const struct cxlt_port *);
/* Packets that the kernel couldn't put into the ring since the last call. */
__u32 cxlt_port_drops(struct cxlt_port *);

/* Queues a frame; a full queue is flushed first.  0 or enum cxlt_reason. */
int cxlt_port_send(struct cxlt_port *, const struct cxlt_nic_out *);
void cxlt_port_flush(struct cxlt_port *);

#endif
