// SPDX-License-Identifier: Apache-2.0
/* Counters of ports. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpfobj.h"
#include "portstats.h"

/* Sums a per-CPU value of `words` 64-bit words. */
static void sum_cpus(int map, __u32 key, __u64 *out, size_t words)
{
	int cpus = libbpf_num_possible_cpus(), cpu;
	__u64 *values;
	size_t i;

	memset(out, 0, words * sizeof(*out));
	values = cpus > 0 ? calloc(cpus, words * sizeof(*values)) : NULL;
	if (values && !bpf_map_lookup_elem(map, &key, values))
		for (cpu = 0; cpu < cpus; cpu++)
			for (i = 0; i < words; i++)
				out[i] += values[cpu * words + i];
	free(values);
}

void stats_read(const struct portmap *maps, __u32 slot, __u32 path, struct cxlt_port_stats *out)
{
	sum_cpus(maps->port_stats, slot + path * CXLT_PORTS_MAX, (__u64 *)out, sizeof(*out) / 8);
}

void stats_read_path(const char *slice, __u32 path, struct cxlt_path_stats *out)
{
	int map = pin_get(slice, "path_stats");

	memset(out, 0, sizeof(*out));
	if (map < 0)
		return;
	sum_cpus(map, path, (__u64 *)out, sizeof(*out) / 8);
	close(map);
}

const struct cxlt_nic_stats *stats_map_nic(const char *slice, __u64 slice_id)
{
	const struct cxlt_nic_stats *nic;
	char path[PIN_PATH];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), CXLT_RUN_DIR "/%s.nicsim", slice);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	nic = MAP_FAILED;
	if (!fstat(fd, &st) && (size_t)st.st_size >= sizeof(*nic))
		nic = mmap(NULL, sizeof(*nic), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (nic == MAP_FAILED)
		return NULL;
	if (nic->magic == CXLT_NIC_STATS_MAGIC && nic->slice_id == slice_id &&
	    (!kill((pid_t)nic->pid, 0) || errno == EPERM))
		return nic;
	stats_unmap_nic(nic);
	return NULL;
}

void stats_unmap_nic(const struct cxlt_nic_stats *nic)
{
	if (nic)
		munmap((void *)nic, sizeof(*nic));
}

void stats_print_reasons(const struct cxlt_port_stats *st)
{
	__u32 r;

	for (r = 0; r < CXLT_N_REASONS; r++)
		if (st->reasons[r])
			printf(" %s=%llu", cxlt_reason_name[r], st->reasons[r]);
}

void stats_json(struct json *j, const char *key, const struct cxlt_port_stats *st)
{
	__u32 r;

	json_object(j, key);
	json_u64(j, "rx_packets", st->rx_packets);
	json_u64(j, "rx_bytes", st->rx_bytes);
	json_u64(j, "tx_packets", st->tx_packets);
	json_u64(j, "tx_bytes", st->tx_bytes);
	json_u64(j, "tx_errors", st->tx_errors);
	json_u64(j, "upcalls", st->upcalls);
	json_u64(j, "handed_over", st->handed_over);
	json_u64(j, "mat_hits", st->mat_hits);
	json_object(j, "reasons");
	for (r = 0; r < CXLT_N_REASONS; r++)
		if (st->reasons[r])
			json_u64(j, cxlt_reason_name[r], st->reasons[r]);
	json_end(j);
	json_end(j);
}
