// SPDX-License-Identifier: Apache-2.0
/* dump-ports: packets per port, path and reason. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cxltab/slice.h>

#include "bpfobj.h"
#include "cxltab.h"
#include "json.h"
#include "portstats.h"

/* Adds up counters, word by word. */
static void add_stats(struct cxlt_port_stats *to, const struct cxlt_port_stats *from)
{
	__u64 *t = (__u64 *)to;
	const __u64 *f = (const __u64 *)from;
	size_t i;

	for (i = 0; i < sizeof(*to) / sizeof(*t); i++)
		t[i] += f[i];
}

/* Packets that ended as something else than sent: the reasons but RULE, and a device's punts. */
static __u64 drops(const struct cxlt_port_stats *st, __u64 punts)
{
	__u64 sum = 0;
	__u32 r;

	for (r = 0; r < CXLT_N_REASONS; r++)
		if (r != CXLT_R_RULE)
			sum += st->reasons[r];
	return sum - punts;
}

static __u64 punts_of(const struct cxlt_port_stats *device)
{
	__u64 sum = 0;
	__u32 r;

	for (r = 0; r < CXLT_N_REASONS; r++)
		if (cxlt_reason_is_punt(r))
			sum += device->reasons[r];
	return sum;
}

/* A port of either side. */
struct row {
	__u32 port;
	char dev[IF_NAMESIZE];
	bool on_host, on_device;
	struct cxlt_port_stats host, device, punted;
};

struct rows {
	__u32 n;
	struct row row[2 * CXLT_PORTS_MAX];
};

static struct row *row_of(struct rows *rows, __u32 port)
{
	__u32 i, at;

	for (at = 0; at < rows->n && rows->row[at].port < port; at++)
		;
	if (at < rows->n && rows->row[at].port == port)
		return &rows->row[at];
	if (rows->n == 2 * CXLT_PORTS_MAX)
		return NULL;
	for (i = rows->n++; i > at; i--)
		rows->row[i] = rows->row[i - 1];
	memset(&rows->row[at], 0, sizeof(rows->row[at]));
	rows->row[at].port = port;
	return &rows->row[at];
}

static int read_host(const char *slice, struct rows *rows)
{
	struct cxlt_port all[CXLT_PORTS_MAX];
	struct portmap maps;
	__u32 n, i, path;
	int status = portmap_open(slice, &maps);

	if (status)
		return status;
	n = portmap_list(&maps, all, CXLT_PORTS_MAX);
	for (i = 0; i < n; i++) {
		struct row *row = row_of(rows, all[i].port);
		struct port_state s;

		if (!row)
			break;
		row->on_host = true;
		if (!port_state_read(slice, all[i].port, &s))
			memcpy(row->dev, s.dev, sizeof(row->dev));
		for (path = 0; path < CXLT_N_PATHS; path++) {
			struct cxlt_port_stats st;

			stats_read(&maps, all[i].slot, path, &st);
			add_stats(&row->host, &st);
		}
	}
	portmap_close(&maps);
	return CLI_OK;
}

static void read_device(const struct cxlt_nic_stats *nic, struct rows *rows)
{
	__u64 i, n = nic->n_ports < CXLT_PORTS_MAX ? nic->n_ports : CXLT_PORTS_MAX;

	for (i = 0; i < n; i++) {
		struct row *row = row_of(rows, (__u32)nic->port[i].port);

		if (!row)
			return;
		row->on_device = true;
		row->device = nic->port[i].net;
		row->punted = nic->port[i].rep;
	}
}

static void print_side(const char *side, const struct cxlt_port_stats *st, __u64 punts)
{
	printf("    %-6s rx pkts=%llu, bytes=%llu, drop=%llu", side, st->rx_packets, st->rx_bytes,
	       drops(st, punts));
	if (punts)
		printf(", punt=%llu", punts);
	printf("\n");
	printf("    %-6s tx pkts=%llu, bytes=%llu, errs=%llu", "", st->tx_packets, st->tx_bytes,
	       st->tx_errors);
	if (st->upcalls)
		printf(", upcalls=%llu", st->upcalls);
	if (st->mat_hits)
		printf(", mat_hits=%llu", st->mat_hits);
	printf("\n    %-6s reasons", "");
	stats_print_reasons(st);
	printf("\n");
}

static void print_rows(const struct rows *rows)
{
	__u32 i;

	for (i = 0; i < rows->n; i++) {
		const struct row *row = &rows->row[i];

		printf("  port %u%s%s%s:\n", row->port, *row->dev ? " (" : "", row->dev,
		       *row->dev ? ")" : "");
		if (row->on_host)
			print_side("host", &row->host, 0);
		if (row->on_device) {
			print_side("device", &row->device, punts_of(&row->device));
			print_side("rep", &row->punted, 0);
		}
	}
}

static void json_rows(const char *slice, const struct rows *rows, bool nic)
{
	struct json j;
	__u32 i;

	json_start(&j, stdout);
	json_object(&j, NULL);
	json_string(&j, "slice", slice);
	json_bool(&j, "nicsim", nic);
	json_array(&j, "ports");
	for (i = 0; i < rows->n; i++) {
		const struct row *row = &rows->row[i];

		json_object(&j, NULL);
		json_u64(&j, "port", row->port);
		json_string(&j, "device", *row->dev ? row->dev : NULL);
		if (row->on_host)
			stats_json(&j, "host", &row->host);
		if (row->on_device) {
			stats_json(&j, "nic", &row->device);
			stats_json(&j, "nic_representor", &row->punted);
		}
		json_end(&j);
	}
	json_end(&j);
	json_end(&j);
}

int cmd_dump_ports(int argc, char **argv)
{
	bool print_json = false;
	const struct cli_option options[] = {
		{"--json", NULL, CLI_FLAG, &print_json, "as JSON", NULL},
		{0},
	};
	const struct cli_syntax syntax = {
		"dump-ports",
		"SLICE",
		1,
		1,
		options,
		"Prints packets and bytes per port, split by who handled them: the host's slow\n"
		"path, the NIC on its own port, the NIC on the port's representor; and how they\n"
		"ended.  punt is what the NIC left to the host, drop every other end but 'rule'.\n",
	};
	const struct cxlt_nic_stats *nic;
	struct cxlt_slice *slice;
	struct rows *rows;
	int n = cli_parse(&syntax, argc, argv), status = CLI_OK;

	if (n < 0)
		return ~n;
	slice = cli_slice(argv[1], CXLT_ATTACH_READ);
	if (!slice)
		return CLI_FAILED;
	nic = stats_map_nic(argv[1], cxlt_slice_header(slice)->id);
	rows = calloc(1, sizeof(*rows));
	if (!rows)
		status = cli_fail("no memory");
	if (!status && bpfobj_is_loaded(argv[1]))
		status = read_host(argv[1], rows);
	if (!status && nic)
		read_device(nic, rows);
	if (!status && print_json)
		json_rows(argv[1], rows, nic != NULL);
	else if (!status)
		print_rows(rows);
	free(rows);
	stats_unmap_nic(nic);
	cxlt_slice_close(slice);
	return status;
}
