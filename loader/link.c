// SPDX-License-Identifier: Apache-2.0
/* Network devices by rtnetlink. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "link.h"

struct request {
	struct nlmsghdr head;
	union {
		struct ifinfomsg link;
		struct rtgenmsg gen;
	};
	char attr[64];
};

static void add_attr(struct request *r, __u16 type, const void *data, __u16 len)
{
	struct rtattr *a = (struct rtattr *)((char *)r + NLMSG_ALIGN(r->head.nlmsg_len));

	a->rta_type = type;
	a->rta_len = RTA_LENGTH(len);
	memcpy(RTA_DATA(a), data, len);
	r->head.nlmsg_len = NLMSG_ALIGN(r->head.nlmsg_len) + RTA_ALIGN(a->rta_len);
}

/* One request, one answer in `buf`. */
static int ask(struct request *r, char *buf, size_t size)
{
	struct nlmsghdr *answer = (struct nlmsghdr *)buf;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	ssize_t n;

	if (fd < 0)
		return -errno;
	r->head.nlmsg_flags = NLM_F_REQUEST;
	n = send(fd, r, r->head.nlmsg_len, 0);
	if (n >= 0)
		n = recv(fd, buf, size, 0);
	if (n < 0)
		n = -errno;
	close(fd);
	if (n < 0)
		return n;
	if (!NLMSG_OK(answer, (size_t)n))
		return -EPROTO;
	if (answer->nlmsg_type == NLMSG_ERROR)
		return ((struct nlmsgerr *)NLMSG_DATA(answer))->error;
	return 0;
}

static __u32 attr_u32(const struct rtattr *a)
{
	__u32 v = 0;

	memcpy(&v, RTA_DATA(a), RTA_PAYLOAD(a) < sizeof(v) ? RTA_PAYLOAD(a) : sizeof(v));
	return v;
}

static void attr_text(const struct rtattr *a, char *to, size_t size)
{
	size_t n = RTA_PAYLOAD(a);

	n = strnlen(RTA_DATA(a), n < size - 1 ? n : size - 1);
	memcpy(to, RTA_DATA(a), n);
	to[n] = '\0';
}

static void nested(const struct rtattr *outer, struct link_info *out)
{
	int len = RTA_PAYLOAD(outer);
	const struct rtattr *a;

	for (a = RTA_DATA(outer); RTA_OK(a, len); a = RTA_NEXT(a, len)) {
		int type = a->rta_type & NLA_TYPE_MASK;

		if ((outer->rta_type & NLA_TYPE_MASK) == IFLA_LINKINFO) {
			if (type == IFLA_INFO_KIND)
				attr_text(a, out->kind, sizeof(out->kind));
		} else if (type == IFLA_XDP_PROG_ID) {
			out->xdp_prog = attr_u32(a);
		}
	}
}

static int get(struct request *r, struct link_info *out)
{
	char buf[32768];
	struct nlmsghdr *h = (struct nlmsghdr *)buf;
	const struct ifinfomsg *info = NLMSG_DATA(h);
	const struct rtattr *a;
	int rc = ask(r, buf, sizeof(buf)), len;

	if (rc)
		return rc;
	if (h->nlmsg_type != RTM_NEWLINK || h->nlmsg_len < NLMSG_LENGTH(sizeof(*info)))
		return -EPROTO;
	memset(out, 0, sizeof(*out));
	out->ifindex = info->ifi_index;
	out->peer_nsid = -1;
	len = h->nlmsg_len - NLMSG_LENGTH(sizeof(*info));
	for (a = IFLA_RTA(info); RTA_OK(a, len); a = RTA_NEXT(a, len)) {
		switch (a->rta_type & NLA_TYPE_MASK) {
		case IFLA_IFNAME: attr_text(a, out->name, sizeof(out->name)); break;
		case IFLA_LINK: out->peer = attr_u32(a); break;
		case IFLA_LINK_NETNSID: out->peer_nsid = (int)attr_u32(a); break;
		case IFLA_LINKINFO:
		case IFLA_XDP: nested(a, out); break;
		}
	}
	return 0;
}

static void link_request(struct request *r)
{
	memset(r, 0, sizeof(*r));
	r->head.nlmsg_type = RTM_GETLINK;
	r->head.nlmsg_len = NLMSG_LENGTH(sizeof(r->link));
}

int link_get(const char *name, struct link_info *out)
{
	struct request r;
	size_t len = strlen(name);

	if (!len || len >= IF_NAMESIZE)
		return -ENODEV;
	link_request(&r);
	add_attr(&r, IFLA_IFNAME, name, len + 1);
	return get(&r, out);
}

int link_get_index(__u32 ifindex, struct link_info *out)
{
	struct request r;

	link_request(&r);
	r.link.ifi_index = (int)ifindex;
	return get(&r, out);
}

int link_nsid(int netns_fd, int *nsid)
{
	struct request r = {0};
	char buf[4096];
	struct nlmsghdr *h = (struct nlmsghdr *)buf;
	const struct rtattr *a;
	int rc, len;

	r.head.nlmsg_type = RTM_GETNSID;
	r.head.nlmsg_len = NLMSG_LENGTH(sizeof(r.gen));
	add_attr(&r, NETNSA_FD, &netns_fd, sizeof(netns_fd));
	rc = ask(&r, buf, sizeof(buf));
	if (rc)
		return rc;
	*nsid = -1;
	len = h->nlmsg_len - NLMSG_LENGTH(sizeof(struct rtgenmsg));
	a = (const struct rtattr *)((char *)NLMSG_DATA(h) + NLMSG_ALIGN(sizeof(struct rtgenmsg)));
	for (; RTA_OK(a, len); a = RTA_NEXT(a, len))
		if ((a->rta_type & NLA_TYPE_MASK) == NETNSA_NSID)
			*nsid = (int)attr_u32(a);
	return 0;
}
