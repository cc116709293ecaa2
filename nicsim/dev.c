// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/ethtool.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <bpf/bpf.h>

#include "dev.h"

enum {
	CHANGED_UP = 1,
	CHANGED_NOARP = 2,
	CHANGED_IPV6 = 4,
	CHANGED_CSUM = 8,
	CHANGED_VLAN = 16,
	CHANGED_GRO = 32,
};

static int guard_prog = -1;

static int refuse(char *err, size_t room, int rc, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static int refuse(char *err, size_t room, int rc, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, room, fmt, ap);
	va_end(ap);
	return rc;
}

/*
 * if (skb->mark != CXLT_DEV_MARK) return TCX_DROP; skb->mark = 0; return TCX_PASS;
 * The mark is wiped: the other end may be in this namespace, and give marks a meaning.
 */
int cxlt_dev_guard_load(char *err, size_t room)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_LDX | BPF_MEM | BPF_W,
		 .dst_reg = 2,
		 .src_reg = 1,
		 .off = offsetof(struct __sk_buff, mark)},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = TCX_DROP},
		{.code = BPF_JMP32 | BPF_JNE | BPF_K, .dst_reg = 2, .off = 3, .imm = CXLT_DEV_MARK},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = 0},
		{.code = BPF_STX | BPF_MEM | BPF_W,
		 .dst_reg = 1,
		 .src_reg = 3,
		 .off = offsetof(struct __sk_buff, mark)},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = TCX_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};

	if (guard_prog >= 0)
		return 0;
	guard_prog = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "nicsim_guard", "Apache-2.0", insns,
				   sizeof(insns) / sizeof(insns[0]), NULL);
	if (guard_prog < 0)
		return refuse(err, room, -errno, "can't load the guard program: %s",
			      strerror(errno));
	return 0;
}

struct link_info {
	int ifindex;
	unsigned int flags;
	__u32 mtu;
	__u32 master;
	__u32 xdp; /* an XDP program is attached */
	char kind[16];
};

static void read_link(struct link_info *li, struct nlmsghdr *h)
{
	struct ifinfomsg *ifi = NLMSG_DATA(h);
	struct rtattr *a = IFLA_RTA(ifi), *b;
	int len = IFLA_PAYLOAD(h), blen;

	li->ifindex = ifi->ifi_index;
	li->flags = ifi->ifi_flags;
	for (; RTA_OK(a, len); a = RTA_NEXT(a, len)) {
		if (a->rta_type == IFLA_MTU)
			li->mtu = *(__u32 *)RTA_DATA(a);
		else if (a->rta_type == IFLA_MASTER)
			li->master = *(__u32 *)RTA_DATA(a);
		if (a->rta_type != IFLA_LINKINFO && a->rta_type != IFLA_XDP)
			continue;
		blen = RTA_PAYLOAD(a);
		for (b = RTA_DATA(a); RTA_OK(b, blen); b = RTA_NEXT(b, blen)) {
			if (a->rta_type == IFLA_LINKINFO && b->rta_type == IFLA_INFO_KIND)
				snprintf(li->kind, sizeof(li->kind), "%s", (char *)RTA_DATA(b));
			else if (a->rta_type == IFLA_XDP && b->rta_type == IFLA_XDP_ATTACHED)
				li->xdp = *(__u8 *)RTA_DATA(b);
		}
	}
}

/* Asks rtnetlink for one device by name; sysfs would show another namespace's. */
static int get_link(const char *name, struct link_info *li)
{
	struct {
		struct nlmsghdr h;
		struct ifinfomsg ifi;
		struct rtattr a;
		char name[IFNAMSIZ];
	} req = {.h = {.nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST}};
	char buf[16384];
	struct nlmsghdr *h = (void *)buf;
	ssize_t n;
	int fd;

	memset(li, 0, sizeof(*li));
	snprintf(req.name, sizeof(req.name), "%s", name);
	req.a.rta_type = IFLA_IFNAME;
	req.a.rta_len = RTA_LENGTH(strlen(req.name) + 1);
	req.h.nlmsg_len = NLMSG_LENGTH(sizeof(req.ifi)) + RTA_ALIGN(req.a.rta_len);
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return -errno;
	n = send(fd, &req, req.h.nlmsg_len, 0);
	if (n >= 0)
		n = recv(fd, buf, sizeof(buf), 0);
	if (n < 0)
		n = -errno;
	close(fd);
	if (n < 0)
		return n;
	if (!NLMSG_OK(h, (size_t)n))
		return -EIO;
	if (h->nlmsg_type == NLMSG_ERROR)
		return ((struct nlmsgerr *)NLMSG_DATA(h))->error ?: -EIO;
	read_link(li, h);
	return 0;
}

/* An address that the host uses; link-local IPv6 ones come by themselves and go with IPv6. */
static int has_address(const char *name)
{
	struct ifaddrs *all, *a;
	int found = 0;

	if (getifaddrs(&all))
		return 0;
	for (a = all; a; a = a->ifa_next) {
		if (!a->ifa_addr || strcmp(a->ifa_name, name))
			continue;
		if (a->ifa_addr->sa_family == AF_INET)
			found = 1;
		if (a->ifa_addr->sa_family == AF_INET6 &&
		    !IN6_IS_ADDR_LINKLOCAL(&((struct sockaddr_in6 *)a->ifa_addr)->sin6_addr))
			found = 1;
	}
	freeifaddrs(all);
	return found;
}

/* Whose tcx program is there already?  0 if nobody's. */
static int tcx_taken(int ifindex, enum bpf_attach_type type, char *who, size_t room)
{
	LIBBPF_OPTS(bpf_prog_query_opts, q);
	struct bpf_prog_info info = {};
	__u32 ids[8] = {}, len = sizeof(info);
	int fd;

	q.prog_ids = ids;
	q.prog_cnt = 8;
	if (bpf_prog_query_opts(ifindex, type, &q) || !q.prog_cnt)
		return 0;
	snprintf(who, room, "program %u", ids[0]);
	fd = bpf_prog_get_fd_by_id(ids[0]);
	if (fd >= 0 && !bpf_prog_get_info_by_fd(fd, &info, &len))
		snprintf(who, room, "program %u (%s)", ids[0], info.name);
	if (fd >= 0)
		close(fd);
	return 1;
}

static int check(const char *name, const struct link_info *li, char *err, size_t room)
{
	char who[64];

	if (li->flags & IFF_LOOPBACK)
		return refuse(err, room, -EINVAL, "%s is the loopback device", name);
	if (li->master)
		return refuse(err, room, -EBUSY, "%s belongs to device %u (bridge, bond, ...)",
			      name, li->master);
	if (has_address(name))
		return refuse(err, room, -EBUSY, "%s has an address: the host uses it", name);
	if (li->xdp)
		return refuse(err, room, -EBUSY,
			      "%s has an XDP program: give nicsim the other end of the pair", name);
	if (tcx_taken(li->ifindex, BPF_TCX_INGRESS, who, sizeof(who)) ||
	    tcx_taken(li->ifindex, BPF_TCX_EGRESS, who, sizeof(who)))
		return refuse(err, room, -EBUSY, "%s has %s attached", name, who);
	return 0;
}

static int control_socket(void)
{
	return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

static int change_flags(const char *name, int set, int clear)
{
	struct ifreq r = {};
	int fd = control_socket(), rc = 0;

	if (fd < 0)
		return -errno;
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	if (ioctl(fd, SIOCGIFFLAGS, &r)) {
		rc = -errno;
	} else {
		r.ifr_flags = (short)((r.ifr_flags | set) & ~clear);
		if (ioctl(fd, SIOCSIFFLAGS, &r))
			rc = -errno;
	}
	close(fd);
	return rc;
}

static int ethtool_value(const char *name, __u32 cmd, __u32 *value)
{
	struct ethtool_value v = {.cmd = cmd, .data = *value};
	struct ifreq r = {};
	int fd = control_socket(), rc = 0;

	if (fd < 0)
		return -errno;
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	r.ifr_data = (void *)&v;
	if (ioctl(fd, SIOCETHTOOL, &r))
		rc = -errno;
	close(fd);
	*value = v.data;
	return rc;
}

/* Sets an offload that isn't so already, and remembers that. */
static int set_offload(struct cxlt_dev *d, __u32 get, __u32 set, __u32 mask, int on, __u32 note)
{
	__u32 v = 0;
	int rc = ethtool_value(d->name, get, &v);

	if (rc || !!(v & mask) == on)
		return rc;
	v = on ? v | mask : v & ~mask;
	rc = ethtool_value(d->name, set, &v);
	if (!rc)
		d->changed |= note;
	return rc;
}

static int ipv6_sysctl(const char *name, const char *value, int *old)
{
	char path[96], text[16] = "";
	int fd, rc = 0;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 1 : -errno; /* a kernel without IPv6 */
	if (old && read(fd, text, sizeof(text) - 1) > 0)
		*old = atoi(text);
	if (pwrite(fd, value, strlen(value), 0) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

static int silence(struct cxlt_dev *d, const struct link_info *li, char *err, size_t room)
{
	const enum bpf_attach_type hook[2] = {BPF_TCX_INGRESS, BPF_TCX_EGRESS};
	int i, rc;

	for (i = 0; i < 2; i++) {
		d->guard[i] = bpf_link_create(guard_prog, li->ifindex, hook[i], NULL);
		if (d->guard[i] < 0)
			return refuse(err, room, -errno, "%s: can't attach the guard program: %s",
				      d->name, strerror(errno));
	}
	rc = ipv6_sysctl(d->name, "1", &d->old_ipv6);
	if (rc < 0)
		return refuse(err, room, rc, "%s: can't switch IPv6 off: %s", d->name,
			      strerror(-rc));
	if (!rc && d->old_ipv6 != 1)
		d->changed |= CHANGED_IPV6;
	if (!(li->flags & IFF_NOARP))
		d->changed |= CHANGED_NOARP;
	if (!(li->flags & IFF_UP))
		d->changed |= CHANGED_UP;
	rc = change_flags(d->name, IFF_NOARP | IFF_UP, 0);
	if (rc)
		return refuse(err, room, rc, "%s: can't switch ARP off: %s", d->name,
			      strerror(-rc));
	return 0;
}

static int set_offloads(struct cxlt_dev *d, char *err, size_t room)
{
	int rc;

	if (d->role != CXLT_DEV_REP)
		return 0;
	rc = set_offload(d, ETHTOOL_GGRO, ETHTOOL_SGRO, 1, 1, CHANGED_GRO);
	if (!rc)
		rc = set_offload(d, ETHTOOL_GTXCSUM, ETHTOOL_STXCSUM, 1, 0, CHANGED_CSUM);
	if (!rc)
		rc = set_offload(d, ETHTOOL_GFLAGS, ETHTOOL_SFLAGS, ETH_FLAG_TXVLAN, 0,
				 CHANGED_VLAN);
	if (rc)
		return refuse(err, room, rc, "%s: can't set its offloads: %s", d->name,
			      strerror(-rc));
	return 0;
}

int cxlt_dev_take(struct cxlt_dev *d, const char *name, int role, char *err, size_t room)
{
	struct link_info li;
	int rc;

	memset(d, 0, sizeof(*d));
	d->guard[0] = d->guard[1] = -1;
	d->role = role;
	snprintf(d->name, sizeof(d->name), "%s", name);
	rc = get_link(name, &li);
	if (rc)
		return refuse(err, room, rc, "%s: %s", name,
			      rc == -ENODEV ? "no such device" : strerror(-rc));
	rc = check(name, &li, err, room);
	if (rc)
		return rc;
	d->ifindex = li.ifindex;
	d->mtu = li.mtu;
	rc = silence(d, &li, err, room);
	if (!rc)
		rc = set_offloads(d, err, room);
	if (rc)
		cxlt_dev_release(d);
	return rc;
}

void cxlt_dev_release(struct cxlt_dev *d)
{
	struct link_info li;
	__u32 c = d->changed;

	/* A device of that name may be another one by now. */
	if (d->ifindex && !get_link(d->name, &li) && li.ifindex == d->ifindex) {
		d->changed = 0;
		if (c & CHANGED_GRO)
			set_offload(d, ETHTOOL_GGRO, ETHTOOL_SGRO, 1, 0, 0);
		if (c & CHANGED_CSUM)
			set_offload(d, ETHTOOL_GTXCSUM, ETHTOOL_STXCSUM, 1, 1, 0);
		if (c & CHANGED_VLAN)
			set_offload(d, ETHTOOL_GFLAGS, ETHTOOL_SFLAGS, ETH_FLAG_TXVLAN, 1, 0);
		change_flags(d->name, 0,
			     (c & CHANGED_NOARP ? IFF_NOARP : 0) | (c & CHANGED_UP ? IFF_UP : 0));
		if (c & CHANGED_IPV6)
			ipv6_sysctl(d->name, d->old_ipv6 ? "1" : "0", NULL);
	}
	cxlt_dev_lost(d);
}

void cxlt_dev_lost(struct cxlt_dev *d)
{
	int i;

	for (i = 0; i < 2; i++) {
		if (d->guard[i] >= 0)
			close(d->guard[i]);
		d->guard[i] = -1;
	}
	d->ifindex = 0;
	d->changed = 0;
}
