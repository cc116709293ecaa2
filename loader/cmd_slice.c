// SPDX-License-Identifier: Apache-2.0
/* slice create, slice destroy, and the table of all verbs of slice. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include <cxltab/profile.h>

#include "cxltab.h"
#include "json.h"
#include "portstats.h"

/* ---- create ---- */

static int create(const char *spec, const struct cxlt_slice_config *config, bool print_json)
{
	struct cxlt_slice *slice;
	struct json j;
	int status;

	if (cli_is_arena(spec)) {
		status = cli_bpffs();
		if (status)
			return status;
	}
	if (cxlt_slice_create(spec, config, &slice))
		return cli_fail_slice(spec, cxlt_error_text());
	if (print_json) {
		json_start(&j, stdout);
		json_object(&j, NULL);
		json_string(&j, "slice", spec);
		json_u64(&j, "id", cxlt_slice_header(slice)->id);
		json_u64(&j, "lines", cxlt_slice_header(slice)->n_lines);
		json_u64(&j, "device_lines", cxlt_slice_header(slice)->dev_lines);
		json_end(&j);
	}
	cxlt_slice_close(slice);
	return CLI_OK;
}

static int slice_create(int argc, char **argv)
{
	/* What the command line doesn't say; 0 isn't taken for it there, as the library would. */
	struct cxlt_slice_config config = {
		.size = 64 << 20,
		.device_size = ~0ULL,
		.max_tuples = CXLT_TUPLES_MAX,
		.work_budget = 8192,
	};
	struct cxlt_mat_config mat = {0};
	const char *profile = NULL;
	bool print_json = false;
	char err[256];
	const struct cli_option options[] = {
		{"--size", "SIZE", CLI_SIZE, &config.size, "of the slice (64M)", NULL},
		{"--device-size", "SIZE", CLI_SIZE, &config.device_size,
		 "of the part that a NIC can reach (all)", NULL},
		{"--profile", "FILE", CLI_TEXT, &profile, "what the NIC's hardware can do (all)",
		 NULL},
		{"--owner", "ID", CLI_U32, &config.owner, "tenant (0: the provider)", NULL},
		{"--tuples", "N", CLI_U32, &config.max_tuples, "different masks a table (1024)",
		 NULL},
		{"--budget", "N", CLI_U32, &config.work_budget,
		 "lines that a packet may touch (8192)", NULL},
		{"--json", NULL, CLI_FLAG, &print_json, "print what was made, as JSON", NULL},
		{0},
	};
	const struct cli_syntax syntax = {
		"slice create",
		"NAME|PATH",
		1,
		1,
		options,
		"Makes an empty slice: a BPF arena pinned as " CXLT_PIN_DIR "/NAME/slice (root),\n"
		"or, if there is a '/' in it, a file, which needs no privilege.  Its memory is\n"
		"populated whole now, so that nobody waits or fails for a page later.\n",
	};
	int n = cli_parse(&syntax, argc, argv);

	if (n < 0)
		return ~n;
	if (!config.size || !config.device_size || !config.max_tuples || !config.work_budget)
		return cli_usage(syntax.command,
				 "--size, --device-size, --tuples and --budget can't be 0");
	if (profile) {
		if (cxlt_profile_read(profile, &config.profile, &mat, err, sizeof(err)))
			return cli_fail("%s", err);
	}
	if (config.device_size == ~0ULL)
		config.device_size = mat.domain;
	return create(argv[1], &config, print_json);
}

/* ---- destroy ---- */

/* What else is pinned beside the slice, as "xdp, tc, ports"; the number of such pins. */
static int other_pins(const char *name, char *list, size_t size)
{
	struct dirent **entries = NULL;
	char path[512];
	size_t at = 0;
	int i, n, found = 0;

	*list = '\0';
	snprintf(path, sizeof(path), CXLT_PIN_DIR "/%s", name);
	n = scandir(path, &entries, NULL, alphasort);
	for (i = 0; i < n; i++) {
		const char *e = entries[i]->d_name;

		if (e[0] != '.' && strcmp(e, "slice")) {
			at += snprintf(list + at, at < size ? size - at : 0, "%s%s",
				       found ? ", " : "", e);
			if (at >= size)
				at = size - 1;
			found++;
		}
		free(entries[i]);
	}
	free(entries);
	return found;
}

/* The process id of the nicsim that serves a slice, 0 if there is none. */
static __u32 nicsim_of(const char *name)
{
	const struct cxlt_nic_stats *nic = NULL;
	struct cxlt_slice *slice;
	__u32 pid;

	if (!cli_is_arena(name) || cxlt_slice_attach(name, CXLT_ATTACH_READ, &slice))
		return 0;
	nic = stats_map_nic(name, cxlt_slice_header(slice)->id);
	pid = nic ? nic->pid : 0;
	stats_unmap_nic(nic);
	cxlt_slice_close(slice);
	return pid;
}

static int slice_destroy(int argc, char **argv)
{
	char unload[] = "unload", pins[256];
	bool force = false, print_json = false;
	const struct cli_option options[] = {
		{"--force", NULL, CLI_FLAG, &force, "detach and unload its programs first", NULL},
		{"--json", NULL, CLI_FLAG, &print_json, "print what was done, as JSON", NULL},
		{0},
	};
	const struct cli_syntax syntax = {
		"slice destroy",
		"SLICE",
		1,
		1,
		options,
		"Removes a slice.  It is refused while programs are loaded for it.  A "
		"nicsim\n"
		"that serves it keeps what it has until it ends, and is named.\n",
	};
	int n = cli_parse(&syntax, argc, argv);
	struct json j;
	__u32 nic;

	if (n < 0)
		return ~n;
	if (cli_is_arena(argv[1]) && other_pins(argv[1], pins, sizeof(pins))) {
		char *unload_argv[] = {unload, argv[1], NULL};

		if (!force)
			return cli_fail("%s: programs are loaded for it (pinned: %s): run "
					"'cxltab unload %s', or destroy with --force",
					argv[1], pins, argv[1]);
		if (cmd_unload(2, unload_argv))
			return CLI_FAILED;
	}
	nic = nicsim_of(argv[1]);
	if (cxlt_slice_destroy(argv[1]))
		return cli_fail_slice(argv[1], cxlt_error_text());
	if (nic)
		cli_note("%s: a nicsim (pid %u) serves it, and goes on with what it had until it "
			 "ends",
			 argv[1], nic);
	if (print_json) {
		json_start(&j, stdout);
		json_object(&j, NULL);
		json_string(&j, "slice", argv[1]);
		if (nic)
			json_u64(&j, "nicsim", nic);
		else
			json_null(&j, "nicsim");
		json_end(&j);
	}
	return CLI_OK;
}

int cmd_slice(int argc, char **argv)
{
	static const struct cli_command verbs[] = {
		{"create", slice_create, "NAME|PATH", "make an empty slice"},
		{"list", cmd_slice_list, "", "slices that are pinned"},
		{"show", cmd_slice_show, "SLICE", "header, limits and use of memory"},
		{"check", cmd_slice_check, "SLICE", "look for inconsistencies"},
		{"rebalance", cmd_slice_rebalance, "SLICE", "move hot rules to the device domain"},
		{"sweep", cmd_slice_sweep, "SLICE", "give back what deletions left"},
		{"destroy", slice_destroy, "SLICE", "remove it"},
		{NULL, NULL, NULL, NULL},
	};
	const struct cli_command *v;

	if (argc > 1 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		puts("Usage: cxltab slice VERB ...\n");
		for (v = verbs; v->name; v++)
			printf("  %-9s %-10s %s\n", v->name, v->operands, v->summary);
		puts("\ncxltab slice VERB --help says more.");
		return CLI_OK;
	}
	return cli_dispatch("slice", verbs, argc, argv);
}
