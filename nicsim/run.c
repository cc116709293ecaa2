// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cxltab/slice.h>

#include "nic.h"
#include "nicsim.h"
#include "port.h"
#include "run.h"
#include "statfile.h"

enum {
	ROUND_MAX = 2 * CXLT_PORTS_MAX,
	HOUSEKEEPING_NS = 100 * 1000 * 1000,
	SLEEP_MS = 200,
};

/* One of nicsim's ends. */
struct end {
	struct cxlt_port port;
	char name[IFNAMSIZ];
	int role;
	__u32 index; /* of its port in nic->port[] */
	int there;
};

struct runner {
	const struct cxlt_run_config *config;
	struct cxlt_slice *slice;
	struct cxlt_statfile file;
	struct cxlt_nic nic;
	struct end *net; /* by index */
	struct end *rep;
	int netlink;
};

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	stop = 1;
}

static __u64 now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* ---- The fast path's outputs ---------------------------------------------------------------- */

static int transmit(void *arg, const struct cxlt_nic_out *o)
{
	struct runner *r = arg;

	return cxlt_port_send(&r->net[o->port].port, o);
}

static int punt(void *arg, const struct cxlt_nic_packet *p)
{
	struct runner *r = arg;
	struct cxlt_nic_out o = {.packet = p, .port = p->port};
	int rc = cxlt_port_send(&r->rep[p->port].port, &o);

	if (rc)
		r->file.stats->port[p->port].rep.tx_errors += p->segments;
	return rc;
}

/* ---- Devices that come and go --------------------------------------------------------------- */

static int end_take(struct end *e, char *err, size_t room)
{
	int rc = cxlt_dev_take(&e->port.dev, e->name, e->role, err, room);

	if (rc)
		return rc;
	rc = cxlt_port_open(&e->port, err, room);
	if (rc)
		cxlt_dev_release(&e->port.dev);
	e->there = !rc;
	return rc;
}

static void end_lost(struct end *e)
{
	nicsim_note("%s has gone; waiting for its return", e->name);
	cxlt_port_close(&e->port);
	cxlt_dev_lost(&e->port.dev);
	e->there = 0;
}

static void end_give_back(struct end *e)
{
	if (!e->there)
		return;
	cxlt_port_close(&e->port);
	cxlt_dev_release(&e->port.dev);
	e->there = 0;
}

/* Takes back what is absent and has a name again. */
static void retake(struct runner *r)
{
	struct end *ends[2] = {r->net, r->rep};
	char err[256];
	__u32 i, k;

	for (i = 0; i < r->nic.n_ports; i++)
		for (k = 0; k < 2; k++) {
			struct end *e = &ends[k][i];
			int rc;

			if (e->there || !*e->name)
				continue;
			rc = end_take(e, err, sizeof(err));
			if (!rc)
				nicsim_note("%s is back", e->name);
			else if (rc != -ENODEV)
				nicsim_note("%s", err);
		}
}

static void link_gone(struct runner *r, int ifindex)
{
	struct end *ends[2] = {r->net, r->rep};
	__u32 i, k;

	for (i = 0; i < r->nic.n_ports; i++)
		for (k = 0; k < 2; k++)
			if (ends[k][i].there && ends[k][i].port.dev.ifindex == ifindex)
				end_lost(&ends[k][i]);
}

/* 1 if devices came: absent ones are looked for, then and once a second in any case. */
static int read_netlink(struct runner *r)
{
	char buf[16384];
	int news = 0;
	ssize_t n;

	while ((n = recv(r->netlink, buf, sizeof(buf), MSG_DONTWAIT)) != 0) {
		struct nlmsghdr *h = (void *)buf;

		if (n < 0)
			return errno == ENOBUFS ? 1 : news;
		for (; NLMSG_OK(h, (size_t)n); h = NLMSG_NEXT(h, n)) {
			struct ifinfomsg *ifi = NLMSG_DATA(h);

			if (h->nlmsg_type == RTM_DELLINK)
				link_gone(r, ifi->ifi_index);
			else if (h->nlmsg_type == RTM_NEWLINK)
				news = 1;
		}
	}
	return news;
}

static int open_netlink(void)
{
	struct sockaddr_nl nl = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd >= 0 && bind(fd, (void *)&nl, sizeof(nl))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* ---- The loop ------------------------------------------------------------------------------- */

static __u32 serve_port(struct runner *r, __u32 i)
{
	struct cxlt_nic_packet batch[CXLT_NIC_BATCH];
	__u32 n = cxlt_port_receive(&r->net[i].port, batch, CXLT_NIC_BATCH, i);

	if (n)
		cxlt_nic_batch(&r->nic, batch, n);
	return n;
}

/* From a representor: leaves by its port, untouched. */
static __u32 serve_rep(struct runner *r, __u32 i)
{
	struct cxlt_port_stats *st = &r->file.stats->port[i].rep;
	struct cxlt_nic_packet batch[CXLT_NIC_BATCH];
	__u32 n = cxlt_port_receive(&r->rep[i].port, batch, CXLT_NIC_BATCH, i), k;

	for (k = 0; k < n; k++) {
		struct cxlt_nic_out o = {.packet = &batch[k], .port = i};
		int rc = cxlt_port_send(&r->net[i].port, &o);

		st->rx_packets += batch[k].segments;
		st->rx_bytes += cxlt_nic_wire_bytes(&batch[k]);
		st->reasons[rc ? rc : CXLT_R_RULE] += batch[k].segments;
	}
	return n;
}

static __u32 round_of_work(struct runner *r)
{
	__u32 i, n = 0, ports = r->nic.n_ports;

	for (i = 0; i < ports; i++)
		n += serve_port(r, i) + serve_rep(r, i);
	if (!n)
		return 0;
	cxlt_nic_flush(&r->nic);
	for (i = 0; i < ports; i++) {
		cxlt_port_flush(&r->net[i].port);
		cxlt_port_flush(&r->rep[i].port);
	}
	for (i = 0; i < ports; i++) {
		cxlt_port_release(&r->net[i].port);
		cxlt_port_release(&r->rep[i].port);
	}
	return n;
}

static void housekeeping(struct runner *r)
{
	struct cxlt_nic_stats *st = r->file.stats;
	__u32 i;

	for (i = 0; i < r->nic.n_ports; i++) {
		/* What found no place in a ring never was a packet of ours: a lossy wire. */
		st->port[i].net.reasons[CXLT_R_INTERNAL] += cxlt_port_drops(&r->net[i].port);
		st->port[i].rep.reasons[CXLT_R_INTERNAL] += cxlt_port_drops(&r->rep[i].port);
	}
	st->updated = now_ns();
}

static void sleep_until_work(struct runner *r)
{
	struct pollfd fds[1 + ROUND_MAX];
	__u32 i, n = 1;

	fds[0] = (struct pollfd){.fd = r->netlink, .events = POLLIN};
	for (i = 0; i < r->nic.n_ports; i++) {
		fds[n++] = (struct pollfd){.fd = r->net[i].port.fd, .events = POLLIN};
		fds[n++] = (struct pollfd){.fd = r->rep[i].port.fd, .events = POLLIN};
	}
	if (poll(fds, n, SLEEP_MS) <= 0)
		return;
	for (i = 1; i < n; i++)
		if (fds[i].revents & POLLERR) {
			int soerr;
			socklen_t len = sizeof(soerr);

			/* ENETDOWN: the socket goes on by itself when the device is up again. */
			getsockopt(fds[i].fd, SOL_SOCKET, SO_ERROR, &soerr, &len);
		}
}

static void loop(struct runner *r)
{
	__u64 idle_since = 0, next_chores = 0, next_retake = 0;

	while (!stop) {
		__u64 now;

		if (round_of_work(r)) {
			idle_since = 0;
			/* A look at the clock a batch is cheap, chores are not. */
			if (now_ns() < next_chores)
				continue;
		}
		now = now_ns();
		if (now >= next_chores) {
			int news = read_netlink(r);

			housekeeping(r);
			if (news || now >= next_retake) {
				retake(r);
				next_retake = now + 10ULL * HOUSEKEEPING_NS;
			}
			next_chores = now + HOUSEKEEPING_NS;
		}
		if (!idle_since)
			idle_since = now;
		if (now - idle_since >= r->config->spin_us * 1000ULL)
			sleep_until_work(r);
	}
}

/* ---- Start and stop ------------------------------------------------------------------------- */

static int fit_profile(struct runner *r, struct cxlt_mat_config *mat)
{
	const struct cxlt_run_config *c = r->config;
	struct cxlt_profile p;
	char err[256];

	*mat = cxlt_mat_config_default();
	if (c->profile) {
		if (cxlt_profile_read(c->profile, &p, mat, err, sizeof(err)))
			return nicsim_fail("%s", err);
		if (cxlt_profile_covers(&p, &cxlt_slice_directory(r->slice)->profile, err,
					sizeof(err)))
			return nicsim_fail("%s is less than slice %s was made for: %s", c->profile,
					   c->slice, err);
	}
	if (c->have_mat) {
		__u64 cookie = mat->pin_cookie, mask = mat->pin_mask;

		*mat = c->mat;
		if (!mat->pin_mask) {
			mat->pin_cookie = cookie;
			mat->pin_mask = mask;
		}
	}
	return 0;
}

static int take_all(struct runner *r)
{
	const struct cxlt_run_config *c = r->config;
	char err[256];
	__u32 i;

	if (cxlt_dev_guard_load(err, sizeof(err)))
		return nicsim_fail("%s", err);
	for (i = 0; i < c->n_ports; i++) {
		__u32 at = cxlt_nic_port_index(&r->nic, c->port[i].number);

		snprintf(r->net[at].name, IFNAMSIZ, "%s", c->port[i].dev);
		snprintf(r->rep[at].name, IFNAMSIZ, "%s", c->port[i].rep);
	}
	for (i = 0; i < c->n_ports; i++) {
		r->net[i].role = CXLT_DEV_PORT;
		r->rep[i].role = CXLT_DEV_REP;
		r->net[i].index = r->rep[i].index = i;
		r->net[i].port.fd = r->rep[i].port.fd = -1;
		r->net[i].port.gso_fd = r->rep[i].port.gso_fd = -1;
		r->net[i].port.stats = &r->file.stats->port[i].net;
		r->rep[i].port.stats = &r->file.stats->port[i].rep;
		if (end_take(&r->net[i], err, sizeof(err)) ||
		    (*r->rep[i].name && end_take(&r->rep[i], err, sizeof(err))))
			return nicsim_fail("%s", err);
	}
	return 0;
}

static int start(struct runner *r)
{
	const struct cxlt_run_config *c = r->config;
	struct cxlt_mat_config mat;
	__u32 numbers[CXLT_PORTS_MAX], i;
	char err[256];
	int rc;

	if (cxlt_slice_attach(c->slice, CXLT_ATTACH_WRITE, &r->slice))
		return nicsim_fail("%s: %s", c->slice, cxlt_error_text());
	rc = fit_profile(r, &mat);
	if (rc)
		return rc;
	if (cxlt_statfile_create(&r->file, c->slice, err, sizeof(err)))
		return nicsim_fail("%s", err);
	for (i = 0; i < c->n_ports; i++)
		numbers[i] = c->port[i].number;
	rc = cxlt_nic_init(&r->nic, r->slice, &mat, numbers, c->n_ports, r->file.stats);
	if (rc)
		return nicsim_fail("ports: %s",
				   rc == -EINVAL ? "a number is given twice" : strerror(-rc));
	r->nic.transmit = transmit;
	r->nic.punt = punt;
	r->nic.arg = r;
	r->net = calloc(c->n_ports, sizeof(*r->net));
	r->rep = calloc(c->n_ports, sizeof(*r->rep));
	r->netlink = open_netlink();
	if (!r->net || !r->rep || r->netlink < 0)
		return nicsim_fail("%s", strerror(errno));
	rc = take_all(r);
	if (rc)
		return rc;
	r->file.stats->pid = getpid();
	r->file.stats->started = r->file.stats->updated = now_ns();
	__atomic_store_n(&r->file.stats->magic, CXLT_NIC_STATS_MAGIC, __ATOMIC_RELEASE);
	return 0;
}

static void finish(struct runner *r)
{
	__u32 i;

	for (i = 0; r->net && r->rep && i < r->nic.n_ports; i++) {
		end_give_back(&r->net[i]);
		end_give_back(&r->rep[i]);
	}
	free(r->net);
	free(r->rep);
	if (r->netlink >= 0)
		close(r->netlink);
	cxlt_nic_fini(&r->nic);
	if (r->file.stats)
		cxlt_statfile_remove(&r->file);
	cxlt_slice_close(r->slice);
}

static int pin_to(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return 0;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		return nicsim_fail("processor %d: %s", cpu, strerror(errno));
	return 0;
}

int cxlt_run(const struct cxlt_run_config *c)
{
	struct sigaction sa = {.sa_handler = on_signal};
	struct runner *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return nicsim_fail("%s", strerror(ENOMEM));
	r->config = c;
	r->netlink = -1;
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	rc = pin_to(c->cpu);
	if (!rc)
		rc = start(r);
	if (!rc) {
		nicsim_note("serving slice %s on %u ports", c->slice, r->nic.n_ports);
		loop(r);
		nicsim_note("stopped");
	}
	finish(r);
	free(r);
	return rc;
}
