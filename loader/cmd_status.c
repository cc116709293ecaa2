// SPDX-License-Identifier: Apache-2.0
/* status: what is loaded and attached. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "bpfobj.h"
#include "cxltab.h"
#include "json.h"
#include "portstats.h"

static const char *const path_name[CXLT_N_PATHS] = {"xdp", "tc"};

struct prog {
	__u32 id;
	__u64 tag, loaded; /* CLOCK_BOOTTIME ns */
	char name[16];
};

struct port {
	struct cxlt_port p;
	struct port_state s;
	__u32 prog[CXLT_N_PATHS]; /* ids of the attached programs; 0: none, or the device is gone */
	struct cxlt_port_stats stats[CXLT_N_PATHS];
};

static bool read_prog(const char *slice, const char *what, struct prog *out)
{
	struct bpf_prog_info info = {0};
	__u32 len = sizeof(info);
	int fd = pin_get(slice, what), rc;

	if (fd < 0)
		return false;
	rc = bpf_prog_get_info_by_fd(fd, &info, &len);
	close(fd);
	if (rc)
		return false;
	out->id = info.id;
	memcpy(&out->tag, info.tag, sizeof(out->tag));
	out->tag = __builtin_bswap64(out->tag);
	out->loaded = info.load_time;
	memcpy(out->name, info.name, sizeof(out->name));
	return true;
}

/* The program that a port's link runs, while the link has a device. */
static __u32 link_prog(const char *slice, const char *kind, __u32 port)
{
	struct bpf_link_info info = {0};
	__u32 len = sizeof(info), ifindex;
	char what[32];
	int fd, rc;

	snprintf(what, sizeof(what), "%s_%u", kind, port);
	fd = pin_get(slice, what);
	if (fd < 0)
		return 0;
	rc = bpf_link_get_info_by_fd(fd, &info, &len);
	close(fd);
	if (rc)
		return 0;
	ifindex = info.type == BPF_LINK_TYPE_XDP ? info.xdp.ifindex : info.tcx.ifindex;
	return ifindex ? info.prog_id : 0;
}

static void read_port(const char *slice, const struct portmap *maps, struct port *port)
{
	__u32 path;

	port_state_read(slice, port->p.port, &port->s);
	for (path = 0; path < CXLT_N_PATHS; path++) {
		port->prog[path] = link_prog(slice, path_name[path], port->p.port);
		stats_read(maps, port->p.slot, path, &port->stats[path]);
	}
}

/* What is wrong with a port, for the text; "" if nothing. */
static const char *trouble(const struct port *port, bool is_tc)
{
	bool tc = port->prog[CXLT_PATH_TC], xdp = port->prog[CXLT_PATH_XDP];

	if (!tc && (is_tc || !xdp))
		return ", NOT ATTACHED (the device is gone)";
	if (!tc)
		return ", NO TC PROGRAM (someone took it off: what needs copies goes to the host)";
	return is_tc || xdp ? "" : ", NO XDP PROGRAM (someone took it off)";
}

static void print_port(const struct port *port)
{
	bool is_tc = !(port->p.flags & CXLT_PORT_XDP);
	__u32 path;

	printf("  port %u: %s (ifindex %u), mode %s%s\n", port->p.port, port->s.dev,
	       port->p.ifindex, port_mode_name[port->s.mode], trouble(port, is_tc));
	for (path = is_tc ? CXLT_PATH_TC : CXLT_PATH_XDP; path < CXLT_N_PATHS; path++) {
		const struct cxlt_port_stats *st = &port->stats[path];

		printf("    %-3s rx %llu packets, tx %llu", path_name[path], st->rx_packets,
		       st->tx_packets);
		if (st->handed_over)
			printf(", handed over %llu", st->handed_over);
		if (st->upcalls)
			printf(", upcalls %llu", st->upcalls);
		if (st->tx_errors)
			printf(", tx errors %llu", st->tx_errors);
		printf(";");
		stats_print_reasons(st);
		printf("\n");
	}
}

static void json_port(struct json *j, const struct port *port)
{
	__u32 path;

	json_object(j, NULL);
	json_u64(j, "port", port->p.port);
	json_string(j, "device", port->s.dev);
	json_u64(j, "ifindex", port->p.ifindex);
	json_string(j, "mode", port_mode_name[port->s.mode]);
	for (path = 0; path < CXLT_N_PATHS; path++) {
		char key[16];

		snprintf(key, sizeof(key), "%s_prog_id", path_name[path]);
		json_u64(j, key, port->prog[path]);
	}
	for (path = 0; path < CXLT_N_PATHS; path++)
		stats_json(j, path_name[path], &port->stats[path]);
	json_end(j);
}

static void show_ports(const char *slice, struct json *j)
{
	struct cxlt_port all[CXLT_PORTS_MAX];
	struct portmap maps;
	struct port *port;
	__u32 n, i;

	if (portmap_open(slice, &maps))
		return;
	n = portmap_list(&maps, all, CXLT_PORTS_MAX);
	port = malloc(sizeof(*port));
	for (i = 0; port && i < n; i++) {
		memset(port, 0, sizeof(*port));
		port->p = all[i];
		read_port(slice, &maps, port);
		if (j)
			json_port(j, port);
		else
			print_port(port);
	}
	free(port);
	portmap_close(&maps);
}

static void show_progs(const char *slice, struct json *j)
{
	static const char *const pins[CXLT_N_PATHS] = {"xdp_prog", "tc_prog"};
	struct cxlt_path_stats st;
	struct prog prog;
	char tag[20];
	__u32 i;

	if (j)
		json_array(j, "programs");
	for (i = 0; i < CXLT_N_PATHS; i++) {
		if (!read_prog(slice, pins[i], &prog))
			continue;
		stats_read_path(slice, i, &st);
		snprintf(tag, sizeof(tag), "%016llx", prog.tag);
		if (!j) {
			printf("  program %s: id %u, tag %s", prog.name, prog.id, tag);
			if (st.upcalls_lost)
				printf(", %llu upcalls lost", st.upcalls_lost);
			printf("\n");
			continue;
		}
		json_object(j, NULL);
		json_string(j, "name", prog.name);
		json_string(j, "path", path_name[i]);
		json_u64(j, "id", prog.id);
		json_string(j, "tag", tag);
		json_u64(j, "upcalls_lost", st.upcalls_lost);
		json_end(j);
	}
	if (j)
		json_end(j);
}

static void show_slice(const char *slice, struct json *j)
{
	bool loaded = bpfobj_is_loaded(slice);

	if (j) {
		json_object(j, NULL);
		json_string(j, "slice", slice);
		json_bool(j, "loaded", loaded);
	} else {
		printf("%s: %s\n", slice, loaded ? "loaded" : "no programs are loaded");
	}
	if (loaded) {
		show_progs(slice, j);
		if (j)
			json_array(j, "ports");
		show_ports(slice, j);
		if (j)
			json_end(j);
	}
	if (j)
		json_end(j);
}

static int is_slice(const struct dirent *entry)
{
	char path[PIN_PATH];

	return entry->d_name[0] != '.' && !access(pin_path(path, entry->d_name, "slice"), F_OK);
}

static int show_all(struct json *j)
{
	struct dirent **entries = NULL;
	int i, n = scandir(CXLT_PIN_DIR, &entries, is_slice, alphasort);

	if (n < 0 && errno != ENOENT)
		return cli_fail_errno(errno, CXLT_PIN_DIR);
	for (i = 0; i < n; i++) {
		show_slice(entries[i]->d_name, j);
		free(entries[i]);
	}
	free(entries);
	return CLI_OK;
}

int cmd_status(int argc, char **argv)
{
	bool print_json = false;
	const struct cli_option options[] = {
		{"--json", NULL, CLI_FLAG, &print_json, "as JSON", NULL},
		{0},
	};
	const struct cli_syntax syntax = {
		"status",
		"[SLICE]",
		0,
		1,
		options,
		"Prints, for one slice or all: its programs, its ports with device and mode, and\n"
		"how packets ended, by path and reason.\n",
	};
	int n = cli_parse(&syntax, argc, argv), status = CLI_OK;
	char path[PIN_PATH];
	struct json j;

	if (n < 0)
		return ~n;
	if (n && !cli_is_arena(argv[1]))
		return cli_fail("%s: programs need a slice in a BPF arena, this is a file",
				argv[1]);
	if (n && access(pin_path(path, argv[1], "slice"), F_OK))
		return cli_fail("no slice '%s'", argv[1]);
	json_start(&j, stdout);
	if (print_json)
		json_array(&j, NULL);
	if (n)
		show_slice(argv[1], print_json ? &j : NULL);
	else
		status = show_all(print_json ? &j : NULL);
	if (print_json)
		json_end(&j);
	return status;
}
