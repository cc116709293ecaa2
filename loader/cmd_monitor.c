// SPDX-License-Identifier: Apache-2.0
/* monitor: packets that were sent to the controller. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cxltab/csum.h>
#include <cxltab/parse.h>

#include "bpfobj.h"
#include "cxltab.h"
#include "json.h"
#include "openflow/flow.h"

static const char *const path_name[CXLT_N_PATHS] = {"xdp", "tc"};

enum {
	STOP = -ECANCELED, /* from the callback: enough, or it failed */
	LOOK_MS = 1000,	   /* how often to look whether the ring is still the slice's */
};

struct monitor {
	const char *slice;
	FILE *pcap;
	const char *pcap_path;
	bool json;
	__u64 left;	 /* records still wanted; 0: no limit */
	__u64 real_time; /* to be added to CLOCK_MONOTONIC */
	int status;
};

static volatile sig_atomic_t stopped;

static void on_signal(int sig)
{
	stopped = 1;
}

/* ---- pcap ---- */

struct pcap_header {
	__u32 magic;
	__u16 major, minor;
	__u32 zone, sigfigs, snaplen, linktype;
};

struct pcap_record {
	__u32 sec, nsec, caplen, len;
};

static int pcap_open(struct monitor *m, const char *path)
{
	struct pcap_header h = {0xa1b23c4d, 2, 4, 0, 0, 65536, 1}; /* ns; Ethernet */

	m->pcap_path = path;
	m->pcap = fopen(path, "we");
	if (!m->pcap || fwrite(&h, sizeof(h), 1, m->pcap) != 1 || fflush(m->pcap))
		return cli_fail_errno(errno, "%s", path);
	return CLI_OK;
}

static int pcap_write(struct monitor *m, const struct cxlt_upcall *u, const __u8 *bytes)
{
	__u64 t = u->time + m->real_time;
	struct pcap_record r = {t / 1000000000, t % 1000000000, u->caplen, u->len};

	if (fwrite(&r, sizeof(r), 1, m->pcap) != 1 ||
	    (u->caplen && fwrite(bytes, u->caplen, 1, m->pcap) != 1) || fflush(m->pcap))
		return cli_fail_errno(errno, "%s", m->pcap_path);
	return CLI_OK;
}

/* ---- Records ---- */

static __u32 pseudo_sum(const struct cxlt_key *key, const struct cxlt_layers *lay)
{
	__u64 sum = lay->l4_proto + lay->l4_len;
	int w;

	if (lay->l3_kind == CXLT_L3_IPV4)
		sum += (key->w[CXLT_W_IPV4] >> 32) + (__u32)key->w[CXLT_W_IPV4];
	for (w = CXLT_W_IPV6_SRC_HI; w <= CXLT_W_IPV6_DST_LO; w++)
		sum += (key->w[w] >> 32) + (__u32)key->w[w];
	return cxlt_csum_fold(sum);
}

/*
 * What TC sends up may have its checksum still to be completed: the field holds the pseudo-header's
 * sum.  Completed by whoever transmits, hence by us.  (A whole checksum that looks like this by
 * chance comes out as it was.)
 */
static void finish_csum(__u8 *bytes, __u32 len, const struct cxlt_key *key,
			const struct cxlt_layers *lay)
{
	__u32 off;

	if (lay->l4_proto != CXLT_IPPROTO_TCP && lay->l4_proto != CXLT_IPPROTO_UDP)
		return;
	off = lay->l4_proto == CXLT_IPPROTO_TCP ? 16 : 6;
	if (!lay->l4 || lay->frag || lay->l4 + off + 2 > len)
		return;
	if (cxlt_get16(bytes + lay->l4 + off) == pseudo_sum(key, lay))
		cxlt_csum_finish(bytes, lay->l4 + lay->l4_len, lay->l4, off);
}

static void print_text(const struct cxlt_upcall *u, const char *flow)
{
	char cookie[24] = "none";

	if (u->matched)
		snprintf(cookie, sizeof(cookie), "0x%llx", u->cookie);
	printf("packet_in: time=%llu.%06llu in_port=%u table=%u cookie=%s (via %s) path=%s "
	       "total_len=%u data_len=%u: %s\n",
	       u->time / 1000000000, u->time / 1000 % 1000000, u->port, u->table, cookie,
	       u->reason < CXLT_N_REASONS ? cxlt_reason_name[u->reason] : "?",
	       path_name[u->path & 1], u->len, u->caplen, flow);
}

static void print_json(const struct cxlt_upcall *u, const __u8 *bytes, const char *flow)
{
	struct json j;

	json_start(&j, stdout);
	json_object(&j, NULL);
	json_u64(&j, "time", u->time);
	json_u64(&j, "in_port", u->port);
	json_string(&j, "reason", u->reason < CXLT_N_REASONS ? cxlt_reason_name[u->reason] : NULL);
	json_u64(&j, "table", u->table);
	if (u->matched)
		json_hex(&j, "cookie", u->cookie);
	else
		json_null(&j, "cookie");
	json_string(&j, "path", path_name[u->path & 1]);
	json_u64(&j, "len", u->len);
	json_string(&j, "flow", flow);
	json_bytes(&j, "packet", bytes, u->caplen);
	json_end(&j);
}

static int show(struct monitor *m, const struct cxlt_upcall *u, __u8 *bytes)
{
	char flow[OF_TEXT_MAX];
	struct cxlt_layers lay;
	struct cxlt_key key;
	__u32 hdr = u->caplen < CXLT_HDR_MAX ? u->caplen : CXLT_HDR_MAX;
	int reason = cxlt_parse(bytes, hdr, u->len, u->port, &key, &lay);

	if (!reason && u->caplen == u->len)
		finish_csum(bytes, u->caplen, &key, &lay);
	of_format_key(&key, flow, sizeof(flow));
	if (m->json)
		print_json(u, bytes, flow);
	else
		print_text(u, flow);
	if (fflush(stdout)) {
		int err = errno;

		/* Said now, not again at the end. */
		__fpurge(stdout);
		clearerr(stdout);
		return cli_fail_errno(err, "standard output");
	}
	return m->pcap ? pcap_write(m, u, bytes) : CLI_OK;
}

static int on_record(void *arg, void *data, size_t size)
{
	const struct cxlt_upcall *u = data;
	struct monitor *m = arg;
	struct cxlt_upcall copy;
	__u8 *bytes;

	if (size < sizeof(*u) || u->caplen > size - sizeof(*u))
		return 0;
	copy = *u;
	bytes = malloc(copy.caplen + 1);
	if (!bytes) {
		m->status = cli_fail("no memory");
		return STOP;
	}
	memcpy(bytes, u + 1, copy.caplen);
	m->status = show(m, &copy, bytes);
	free(bytes);
	if (m->status)
		return STOP;
	return stopped || (m->left && !--m->left) ? STOP : 0;
}

/* ---- The command ---- */

/* One reader a ring: the lock tells who it is. */
static int lock_ring(const char *slice, int *fd)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char path[PIN_PATH];

	snprintf(path, sizeof(path), CXLT_RUN_DIR "/%s.monitor", slice);
	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (*fd < 0)
		return cli_fail_errno(errno, "%s", path);
	if (!fcntl(*fd, F_SETLK, &lock))
		return CLI_OK;
	fcntl(*fd, F_GETLK, &lock);
	close(*fd);
	return cli_fail("%s: process %d reads the upcalls already", slice, (int)lock.l_pid);
}

static __u32 ring_id(int fd)
{
	struct bpf_map_info info = {0};
	__u32 len = sizeof(info);

	return fd < 0 || bpf_map_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

/* Is the ring still the one that the slice's programs write? */
static bool is_current(const char *slice, __u32 id)
{
	int fd = pin_get(slice, "upcalls");
	__u32 now = ring_id(fd);

	if (fd >= 0)
		close(fd);
	return now == id;
}

static int follow(struct monitor *m, int map)
{
	struct ring_buffer *ring = ring_buffer__new(map, on_record, m, NULL);
	__u32 id = ring_id(map);
	int n = 0;

	if (!ring)
		return cli_fail_errno(errno, "%s: the upcall ring", m->slice);
	while (!stopped && n != STOP) {
		n = ring_buffer__poll(ring, LOOK_MS);
		if (n < 0 && n != -EINTR && n != STOP) {
			m->status = cli_fail_errno(n, "%s: the upcall ring", m->slice);
			break;
		}
		if (!n && !is_current(m->slice, id)) {
			m->status = cli_fail("%s: its programs were unloaded", m->slice);
			break;
		}
	}
	ring_buffer__free(ring);
	return m->status;
}

static int set_count(const char *command, const char *text, void *to)
{
	if (!cli_number(command, "--count", text, ~0ULL, to))
		return CLI_USAGE;
	return *(__u64 *)to ? CLI_OK : cli_usage(command, "--count can't be 0");
}

static int run(struct monitor *m, const char *pcap)
{
	struct sigaction sa = {.sa_handler = on_signal};
	int map = pin_get(m->slice, "upcalls"), lock, status;
	struct timespec now;

	if (map < 0)
		return cli_fail("%s: no programs are loaded", m->slice);
	status = lock_ring(m->slice, &lock);
	if (!status) {
		clock_gettime(CLOCK_REALTIME, &now);
		m->real_time = now.tv_sec * 1000000000ULL + now.tv_nsec - cli_now();
		sigaction(SIGINT, &sa, NULL);
		sigaction(SIGTERM, &sa, NULL);
		if (pcap)
			status = pcap_open(m, pcap);
		if (!status)
			status = follow(m, map);
		if (m->pcap && fclose(m->pcap) && !status)
			status = cli_fail_errno(errno, "%s", pcap);
		close(lock);
	}
	close(map);
	return status;
}

int cmd_monitor(int argc, char **argv)
{
	struct monitor m = {0};
	const char *pcap = NULL;
	const struct cli_option options[] = {
		{"--write", "FILE", CLI_TEXT, &pcap, "write the packets as pcap, too", NULL},
		{"--count", "N", CLI_CALL, &m.left, "end after N packets", set_count},
		{"--json", NULL, CLI_FLAG, &m.json, "a JSON object a line", NULL},
		{0},
	};
	const struct cli_syntax syntax = {
		"monitor",
		"SLICE",
		1,
		1,
		options,
		"Prints packets that rules sent to the controller, those that waited in the ring\n"
		"first, until it is interrupted.  A ring has one reader.\n",
	};
	int n = cli_parse(&syntax, argc, argv);

	if (n < 0)
		return ~n;
	m.slice = argv[1];
	return run(&m, pcap);
}
