// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include <cxltab/atomic.h>
#include <cxltab/csum.h>
#include <cxltab/parse.h>

#include "port.h"

enum {
	RING_RESERVE = 32, /* bytes before the virtio header: a tag moves both */
	QUEUE_BYTES = 8 << 20,
};

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) ? -errno : 0;
}

static int bind_to(int fd, int ifindex, int protocol)
{
	struct sockaddr_ll sll = {
		.sll_family = AF_PACKET, .sll_protocol = htons(protocol), .sll_ifindex = ifindex};

	return bind(fd, (void *)&sll, sizeof(sll)) ? -errno : 0;
}

static int map_ring(struct cxlt_port *p)
{
	struct tpacket_req req = {
		.tp_block_size = CXLT_RING_SLOT * 32,
		.tp_frame_size = CXLT_RING_SLOT,
		.tp_block_nr = CXLT_RING_SLOTS / 32,
		.tp_frame_nr = CXLT_RING_SLOTS,
	};
	void *ring;

	if (setsockopt(p->fd, SOL_PACKET, PACKET_RX_RING, &req, sizeof(req)))
		return -errno;
	ring = mmap(NULL, (size_t)CXLT_RING_SLOT * CXLT_RING_SLOTS, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_POPULATE, p->fd, 0);
	if (ring == MAP_FAILED)
		return -errno;
	p->ring = ring;
	p->next = 0;
	p->held = 0;
	return 0;
}

static int open_receiver(struct cxlt_port *p)
{
	struct packet_mreq promisc = {.mr_ifindex = p->dev.ifindex, .mr_type = PACKET_MR_PROMISC};
	int rc;

	p->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (p->fd < 0)
		return -errno;
	rc = set_int(p->fd, SOL_PACKET, PACKET_VERSION, TPACKET_V2);
	if (!rc)
		rc = set_int(p->fd, SOL_PACKET, PACKET_VNET_HDR, 1);
	if (!rc)
		rc = set_int(p->fd, SOL_PACKET, PACKET_RESERVE, RING_RESERVE);
	if (!rc)
		rc = set_int(p->fd, SOL_PACKET, PACKET_AUXDATA, 1);
	if (!rc)
		rc = set_int(p->fd, SOL_PACKET, PACKET_COPY_THRESH, 1);
	if (!rc)
		rc = set_int(p->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
	if (!rc)
		rc = set_int(p->fd, SOL_PACKET, PACKET_QDISC_BYPASS, 1);
	if (rc)
		return rc;
	set_int(p->fd, SOL_SOCKET, SO_RCVBUFFORCE, QUEUE_BYTES);
	set_int(p->fd, SOL_SOCKET, SO_SNDBUFFORCE, QUEUE_BYTES);
	rc = map_ring(p);
	if (!rc && setsockopt(p->fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promisc, sizeof(promisc)))
		rc = -errno;
	return rc ? rc : bind_to(p->fd, p->dev.ifindex, ETH_P_ALL);
}

static int open_segmenter(struct cxlt_port *p)
{
	int rc;

	p->gso_fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (p->gso_fd < 0)
		return -errno;
	rc = set_int(p->gso_fd, SOL_PACKET, PACKET_VNET_HDR, 1);
	if (!rc)
		rc = set_int(p->gso_fd, SOL_SOCKET, SO_MARK, CXLT_DEV_MARK);
	set_int(p->gso_fd, SOL_SOCKET, SO_SNDBUFFORCE, QUEUE_BYTES);
	return rc ? rc : bind_to(p->gso_fd, p->dev.ifindex, 0);
}

int cxlt_port_open(struct cxlt_port *p, char *err, size_t room)
{
	int rc = 0;

	p->fd = p->gso_fd = -1;
	p->ring = NULL;
	p->n_big = 0;
	p->tx.n = 0;
	if (!p->big)
		p->big = malloc(CXLT_NIC_BATCH * sizeof(*p->big));
	if (!p->big)
		rc = -ENOMEM;
	if (!rc)
		rc = open_receiver(p);
	if (!rc)
		rc = open_segmenter(p);
	if (!rc)
		return 0;
	snprintf(err, room, "%s: can't open packet sockets: %s", p->dev.name, strerror(-rc));
	cxlt_port_close(p);
	return rc;
}

void cxlt_port_close(struct cxlt_port *p)
{
	if (p->ring)
		munmap(p->ring, (size_t)CXLT_RING_SLOT * CXLT_RING_SLOTS);
	if (p->fd >= 0)
		close(p->fd);
	if (p->gso_fd >= 0)
		close(p->gso_fd);
	free(p->big);
	p->ring = NULL;
	p->big = NULL;
	p->fd = p->gso_fd = -1;
	p->held = 0;
	p->tx.n = 0;
}

/* ---- Receive -------------------------------------------------------------------------------- */

static struct tpacket2_hdr *slot(const struct cxlt_port *p, __u32 i)
{
	return (void *)(p->ring + (size_t)(i & (CXLT_RING_SLOTS - 1)) * CXLT_RING_SLOT);
}

/* The kernel publishes a frame by this word, and takes the slot back by it. */
static __u32 slot_status(const struct tpacket2_hdr *h)
{
	return __atomic_load_n(&h->tp_status, __ATOMIC_ACQUIRE);
}

int cxlt_port_ready(const struct cxlt_port *p)
{
	return p->ring && slot_status(slot(p, p->next)) & TP_STATUS_USER;
}

/* A tag in metadata goes back to where it was on the wire. */
static void insert_tag(struct cxlt_nic_packet *pk, __u32 tpid, __u32 tci)
{
	memmove(pk->data - CXLT_TAG_HLEN, pk->data, 12);
	pk->data -= CXLT_TAG_HLEN;
	pk->len += CXLT_TAG_HLEN;
	cxlt_put16(pk->data + 12, tpid);
	cxlt_put16(pk->data + 14, tci);
}

static __u16 count_segments(const struct cxlt_nic_packet *pk)
{
	__u32 size = pk->offload.gso_size, payload;

	if (!pk->offload.gso_type || !size || pk->len <= pk->offload.hdr_len)
		return 1;
	payload = pk->len - pk->offload.hdr_len;
	return (payload + size - 1) / size;
}

/*
 * Headers of a super-packet, whose checksum is always partial.  The kernel's own hdr_len says how
 * much of it is linear, which is at times all of it.
 */
static __u32 header_bytes(const struct cxlt_nic_packet *pk, const struct cxlt_nic_offload *o)
{
	__u32 l4 = o->csum_start, n = l4 + 8;

	if (o->csum_offset == 16 && l4 + 20 <= pk->len)
		n = l4 + (pk->data[l4 + 12] >> 4) * 4;
	return n < pk->len ? n : pk->len;
}

/* Reads what the sender left to us, completes what we can; the header is written anew. */
static void take_offload(struct cxlt_nic_packet *pk, const struct virtio_net_hdr *vh, int tag)
{
	struct cxlt_nic_offload *o = &pk->offload;
	__u32 shift = tag ? CXLT_TAG_HLEN : 0;

	memset(o, 0, sizeof(*o));
	if (vh->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		o->partial = 1;
		o->csum_start = vh->csum_start + shift;
		o->csum_offset = vh->csum_offset;
	}
	if (vh->gso_type != VIRTIO_NET_HDR_GSO_NONE) {
		o->gso_type = vh->gso_type;
		o->gso_size = vh->gso_size;
		o->hdr_len = header_bytes(pk, o);
	} else if (o->partial) {
		cxlt_csum_finish(pk->data, pk->len, o->csum_start, o->csum_offset);
		memset(o, 0, sizeof(*o));
	}
	pk->segments = count_segments(pk);
}

static void write_vnet(__u8 *at, const struct cxlt_nic_offload *o, int shift)
{
	struct virtio_net_hdr vh = {.gso_type = o->gso_type};

	if (o->partial) {
		vh.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		vh.csum_start = o->csum_start + shift;
		vh.csum_offset = o->csum_offset;
	}
	if (o->gso_type) {
		vh.gso_size = o->gso_size;
		vh.hdr_len = o->hdr_len + shift;
	}
	memcpy(at, &vh, sizeof(vh));
}

static void finish_receive(struct cxlt_nic_packet *pk, __u16 index, __u32 status, __u32 tci,
			   __u32 tpid)
{
	int tag = !!(status & TP_STATUS_VLAN_VALID);
	struct virtio_net_hdr vh;

	memcpy(&vh, pk->data - CXLT_VNET_LEN, sizeof(vh));
	if (tag)
		insert_tag(pk, status & TP_STATUS_VLAN_TPID_VALID ? tpid : ETH_P_8021Q, tci);
	pk->port = index;
	take_offload(pk, &vh, tag);
	write_vnet(pk->data - CXLT_VNET_LEN, &pk->offload, 0);
}

/* The packet that a slot truncated; 0 if it was lost. */
static int receive_big(struct cxlt_port *p, struct cxlt_nic_packet *pk, __u16 index)
{
	struct cxlt_big *b = &p->big[p->n_big];
	union {
		char buf[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {.iov_base = b->data - CXLT_VNET_LEN,
			    .iov_len = CXLT_BIG_LEN + CXLT_VNET_LEN};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.buf,
			     .msg_controllen = sizeof(control.buf)};
	struct tpacket_auxdata aux = {};
	struct cmsghdr *c;
	ssize_t n = recvmsg(p->fd, &msg, MSG_DONTWAIT);

	if (n < CXLT_VNET_LEN || msg.msg_flags & MSG_TRUNC)
		return 0;
	for (c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
		if (c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA)
			memcpy(&aux, CMSG_DATA(c), sizeof(aux));
	pk->data = b->data;
	pk->len = n - CXLT_VNET_LEN;
	finish_receive(pk, index, aux.tp_status, aux.tp_vlan_tci, aux.tp_vlan_tpid);
	p->n_big++;
	return 1;
}

__u32 cxlt_port_receive(struct cxlt_port *p, struct cxlt_nic_packet *pk, __u32 n, __u16 index)
{
	__u32 got = 0;

	if (!p->ring)
		return 0;
	while (got < n) {
		struct tpacket2_hdr *h = slot(p, p->next);
		__u32 status = slot_status(h);

		if (!(status & TP_STATUS_USER))
			break;
		p->next++;
		p->held++;
		__builtin_prefetch(slot(p, p->next + 1));
		if (status & TP_STATUS_COPY) {
			got += receive_big(p, &pk[got], index);
			continue;
		}
		if (h->tp_snaplen < h->tp_len) {
			p->stats->tx_errors++;
			continue;
		}
		pk[got].data = (__u8 *)h + h->tp_mac;
		pk[got].len = h->tp_snaplen;
		finish_receive(&pk[got++], index, status, h->tp_vlan_tci, h->tp_vlan_tpid);
	}
	return got;
}

void cxlt_port_release(struct cxlt_port *p)
{
	for (; p->held; p->held--)
		__atomic_store_n(&slot(p, p->next - p->held)->tp_status, TP_STATUS_KERNEL,
				 __ATOMIC_RELEASE);
	p->n_big = 0;
}

__u32 cxlt_port_drops(struct cxlt_port *p)
{
	struct tpacket_stats st = {};
	socklen_t len = sizeof(st);

	if (p->fd < 0 || getsockopt(p->fd, SOL_PACKET, PACKET_STATISTICS, &st, &len))
		return 0;
	return st.tp_drops;
}

/* ---- Transmit ------------------------------------------------------------------------------- */

int cxlt_port_send(struct cxlt_port *p, const struct cxlt_nic_out *o)
{
	const struct cxlt_nic_packet *pk = o->packet;
	struct cxlt_txq *q = &p->tx;
	struct iovec *iov;
	__u32 i;

	if (p->fd < 0)
		return CXLT_R_NO_PORT;
	if (q->n == CXLT_TXQ)
		cxlt_port_flush(p);
	i = q->n++;
	iov = q->iov[i];
	q->gso[i] = pk->offload.gso_type;
	q->segments[i] = pk->segments;
	q->repeated[i] = cxlt_nic_wire_bytes(pk) - pk->len;
	q->msg[i].msg_hdr = (struct msghdr){.msg_iov = iov, .msg_iovlen = 1};
	if (!o->head) {
		iov[0].iov_base = pk->data - CXLT_VNET_LEN;
		iov[0].iov_len = pk->len + CXLT_VNET_LEN;
		return 0;
	}
	write_vnet(q->head[i], &pk->offload, (int)o->head_len - (int)o->skip);
	memcpy(q->head[i] + CXLT_VNET_LEN, o->head, o->head_len);
	iov[0].iov_base = q->head[i];
	iov[0].iov_len = o->head_len + CXLT_VNET_LEN;
	if (o->skip < pk->len) {
		iov[1].iov_base = pk->data + o->skip;
		iov[1].iov_len = pk->len - o->skip;
		q->msg[i].msg_hdr.msg_iovlen = 2;
	}
	return 0;
}

static __u32 message_bytes(const struct cxlt_txq *q, __u32 i)
{
	__u32 n = q->iov[i][0].iov_len - CXLT_VNET_LEN + q->repeated[i];

	if (q->msg[i].msg_hdr.msg_iovlen == 2)
		n += q->iov[i][1].iov_len;
	return n;
}

/* A run of messages that go out by one socket. */
static void send_run(struct cxlt_port *p, __u32 from, __u32 to)
{
	struct cxlt_txq *q = &p->tx;
	int fd = q->gso[from] ? p->gso_fd : p->fd, n;

	while (from < to) {
		n = sendmmsg(fd, &q->msg[from], to - from, MSG_DONTWAIT);
		if (n <= 0) {
			if (n < 0 && errno == EINTR)
				continue;
			p->stats->tx_errors += q->segments[from++];
			continue;
		}
		for (; n; n--, from++) {
			p->stats->tx_packets += q->segments[from];
			p->stats->tx_bytes += message_bytes(q, from);
		}
	}
}

void cxlt_port_flush(struct cxlt_port *p)
{
	struct cxlt_txq *q = &p->tx;
	__u32 i, from = 0;

	for (i = 1; i <= q->n; i++) {
		if (i < q->n && !q->gso[i] == !q->gso[from])
			continue;
		send_run(p, from, i);
		from = i;
	}
	q->n = 0;
}
