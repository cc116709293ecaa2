// SPDX-License-Identifier: Apache-2.0
/* Offloads of a port's device and its peer. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cxltab.h"
#include "netns.h"
#include "prepare.h"

/* A feature, the state that XDP needs, and the name that ethtool(8) has for its group. */
struct need {
	struct feature want;
	const char *group;
};

static const struct need of_peer[] = {
	{{"rx-gro", true}, "gro on"},
	{{"tx-checksum-ipv4", false}, "tx off"},
	{{"tx-checksum-ip-generic", false}, "tx off"},
	{{"tx-checksum-ipv6", false}, "tx off"},
	{{"tx-checksum-sctp", false}, "tx off"},
	{{"tx-vlan-hw-insert", false}, "txvlan off"},
	{{"tx-vlan-stag-hw-insert", false}, "tx-vlan-stag-hw-insert off"},
};

static const struct need of_device[] = {
	{{"rx-vlan-hw-parse", false}, "rxvlan off"},
	{{"rx-vlan-stag-hw-parse", false}, "rx-vlan-stag-hw-parse off"},
};

enum {
	N_PEER = sizeof(of_peer) / sizeof(of_peer[0]),
	N_DEVICE = sizeof(of_device) / sizeof(of_device[0]),
	TEXT = 256,
};

/* One visit to the namespace of a device: to look, or to set. */
struct job {
	__u32 ifindex;
	char dev[IF_NAMESIZE];
	const struct feature *want;
	size_t n;
	struct feature *now; /* NULL: set */
	size_t n_now, stuck;
};

static int do_job(void *arg)
{
	struct job *job = arg;
	struct link_info info;
	int rc = link_get_index(job->ifindex, &info);

	if (rc)
		return rc;
	snprintf(job->dev, sizeof(job->dev), "%s", info.name);
	if (job->now)
		return ethtool_compare(job->dev, job->want, job->n, job->now, &job->n_now);
	return ethtool_set(job->dev, job->want, job->n, &job->stuck);
}

/* What is changed, in ethtool's words. */
static void describe(const struct feature *was, size_t n_was, const struct need *needs, size_t n,
		     char *text)
{
	const char *last = "";
	size_t i, k, at = 0;

	*text = '\0';
	for (i = 0; i < n; i++) {
		for (k = 0; k < n_was && strcmp(was[k].name, needs[i].want.name); k++)
			;
		if (k == n_was || !strcmp(last, needs[i].group))
			continue;
		last = needs[i].group;
		at += snprintf(text + at, TEXT - at, "%s%s", at ? ", " : "", last);
		if (at >= TEXT)
			return;
	}
}

/* The opposite of the states that were found. */
static void opposite(const struct feature *was, size_t n, struct feature *want)
{
	size_t i;

	for (i = 0; i < n; i++) {
		want[i] = was[i];
		want[i].on = !was[i].on;
	}
}

static void wants(const struct need *needs, size_t n, struct feature *want)
{
	size_t i;

	for (i = 0; i < n; i++)
		want[i] = needs[i].want;
}

/* The peer is out of reach: the commands for someone who reaches it. */
static int refuse(const struct link_info *link, const struct port_state *s)
{
	return cli_fail("%s: mode %s needs settings on its peer, interface %u of a network "
			"namespace that can't be found from here\n"
			"  name the namespace: --peer-netns NAME|PATH|PID\n"
			"  or use --mode tc, which needs none\n"
			"  or run there, and attach with --peer-ready:\n"
			"    dev=$(ip -o link | sed -n 's/^%u: \\([^:@]*\\).*/\\1/p')\n"
			"    ethtool -K \"$dev\" gro on tx off txvlan off\n"
			"    ethtool -K \"$dev\" tx-vlan-stag-hw-insert off",
			link->name, port_mode_name[s->mode], link->peer, link->peer);
}

/* The peer's namespace: *fd is -1 if it is this one. */
static int find_peer(const struct link_info *link, const char *given, int *fd, char *where,
		     size_t size)
{
	*fd = -1;
	snprintf(where, size, "here");
	if (*given) {
		*fd = netns_open(given);
		snprintf(where, size, "%s", given);
	} else if (link->peer_nsid >= 0) {
		*fd = netns_find(link->peer_nsid, where, size);
	} else {
		return 0;
	}
	return *fd < 0 ? *fd : 0;
}

static int run_job(struct job *job, int netns)
{
	return netns >= 0 ? netns_run(netns, do_job, job) : do_job(job);
}

static bool is_veth(const struct link_info *link)
{
	return !strcmp(link->kind, "veth");
}

static int look_at_peer(const struct link_info *link, struct port_state *s)
{
	struct feature want[N_PEER];
	struct job job = {.ifindex = link->peer, .want = want, .n = N_PEER, .now = s->peer_was};
	char where[512];
	int fd, rc = find_peer(link, s->peer_netns, &fd, where, sizeof(where));

	if (rc && *s->peer_netns)
		return cli_fail_errno(rc, "--peer-netns %s", s->peer_netns);
	if (rc)
		return refuse(link, s);
	wants(of_peer, N_PEER, want);
	rc = run_job(&job, fd);
	s->n_peer = job.n_now;
	if (fd >= 0)
		close(fd);
	return rc ? cli_fail_errno(rc, "%s: its peer, interface %u (%s)", link->name, link->peer,
				   where)
		  : CLI_OK;
}

int prepare_look(const struct link_info *link, struct port_state *s)
{
	struct feature want[N_DEVICE];
	struct job job = {.ifindex = link->ifindex, .want = want, .n = N_DEVICE, .now = s->dev_was};
	int rc;

	if (is_veth(link))
		return look_at_peer(link, s);
	wants(of_device, N_DEVICE, want);
	rc = do_job(&job);
	s->n_dev = job.n_now;
	/* A device without features has nothing to switch off. */
	return rc && rc != -EOPNOTSUPP ? cli_fail_errno(rc, "%s", link->name) : CLI_OK;
}

static int prepare_peer(const struct link_info *link, const struct port_state *s)
{
	struct feature want[FEATURES_MAX];
	struct job job = {.ifindex = link->peer, .want = want, .n = s->n_peer};
	char where[512], text[TEXT];
	int fd, rc = find_peer(link, s->peer_netns, &fd, where, sizeof(where));

	opposite(s->peer_was, s->n_peer, want);
	if (!rc)
		rc = run_job(&job, fd);
	if (fd >= 0)
		close(fd);
	if (rc == -EOPNOTSUPP)
		return cli_fail("%s: its peer %s (%s) refuses '%s %s'", link->name, job.dev, where,
				want[job.stuck].name, want[job.stuck].on ? "on" : "off");
	if (rc)
		return cli_fail_errno(rc, "%s: its peer, interface %u (%s)", link->name, link->peer,
				      where);
	describe(s->peer_was, s->n_peer, of_peer, N_PEER, text);
	cli_note("%s: set on its peer %s (%s): %s; detach restores it", link->name, job.dev, where,
		 text);
	return CLI_OK;
}

int prepare_device(const struct link_info *link, const struct port_state *s)
{
	struct feature want[FEATURES_MAX];
	struct job job = {.ifindex = link->ifindex, .want = want, .n = s->n_dev};
	char text[TEXT];
	int rc;

	if (s->n_peer)
		return prepare_peer(link, s);
	if (!s->n_dev)
		return CLI_OK;
	opposite(s->dev_was, s->n_dev, want);
	rc = do_job(&job);
	if (rc == -EOPNOTSUPP)
		return cli_fail("%s refuses '%s %s'", link->name, want[job.stuck].name,
				want[job.stuck].on ? "on" : "off");
	if (rc)
		return cli_fail_errno(rc, "%s", link->name);
	describe(s->dev_was, s->n_dev, of_device, N_DEVICE, text);
	cli_note("%s: set %s; detach restores it", link->name, text);
	return CLI_OK;
}

int restore_device(const struct port_state *s)
{
	struct link_info link;
	char where[512];
	int rc, fd;

	/* The number may be another device's by now, the name too; hardly both. */
	if (link_get_index(s->ifindex, &link) || strcmp(link.name, s->dev))
		return CLI_OK;
	if (s->n_dev) {
		struct job job = {.ifindex = link.ifindex, .want = s->dev_was, .n = s->n_dev};

		rc = do_job(&job);
		if (rc)
			return cli_fail_errno(rc, "%s: restoring its offloads", s->dev);
	}
	if (s->n_peer && link.peer) {
		struct job job = {.ifindex = link.peer, .want = s->peer_was, .n = s->n_peer};

		rc = find_peer(&link, s->peer_netns, &fd, where, sizeof(where));
		if (!rc)
			rc = run_job(&job, fd);
		if (fd >= 0)
			close(fd);
		if (rc)
			return cli_fail_errno(rc, "%s: restoring its peer's offloads", s->dev);
	}
	return CLI_OK;
}
