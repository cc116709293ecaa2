// SPDX-License-Identifier: Apache-2.0
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nicsim.h"
#include "run.h"

static const char help[] =
	"Usage: nicsim run --slice NAME|PATH --port N=DEV [--rep N=DEV] ...\n"
	"Plays the NIC: forwards between ports by the rules of a slice, punts the rest to the "
	"host.\n\n"
	"  --slice NAME|PATH   the slice; nicsim reads its device domain\n"
	"  --port N=DEV        port N: the NIC's end of a veth pair towards a VM or the wire\n"
	"  --rep N=DEV         representor of port N: the NIC's end of its veth pair\n"
	"  --profile FILE      what the hardware can do (default: what the slice was made for)\n"
	"  --mat N,WAYS,POLICY the MAT: 0 for none; lru, clock, lfu, random or pinned-first\n"
	"  --cpu N             run on processor N\n"
	"  --spin US           microseconds of idle polling before it sleeps (default 20)\n";

static int parse_assignment(const char *text, __u32 *number, char *dev)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (end == text || *text == '-' || *end != '=' || n > 0xfeff || !end[1] ||
	    strlen(end + 1) >= IFNAMSIZ)
		return -1;
	*number = n;
	strcpy(dev, end + 1);
	return 0;
}

static int add_port(struct cxlt_run_config *c, const char *text, int rep)
{
	char dev[IFNAMSIZ];
	__u32 number, i;
	char *place;

	if (parse_assignment(text, &number, dev))
		return nicsim_usage("'%s' is not N=DEV, N a port up to 65279", text);
	for (i = 0; i < c->n_ports; i++)
		if (c->port[i].number == number)
			break;
	if (i == CXLT_PORTS_MAX)
		return nicsim_usage("more than %d ports", CXLT_PORTS_MAX);
	if (i == c->n_ports)
		c->port[c->n_ports++].number = number;
	place = rep ? c->port[i].rep : c->port[i].dev;
	if (*place)
		return nicsim_usage("%s %u is given twice", rep ? "--rep" : "--port", number);
	strcpy(place, dev);
	return 0;
}

/* Devices are owned: none can be two things. */
static int check_devices(const struct cxlt_run_config *c)
{
	const char *dev[2 * CXLT_PORTS_MAX];
	__u32 n = 0, i, k;

	for (i = 0; i < c->n_ports; i++) {
		dev[n++] = c->port[i].dev;
		if (*c->port[i].rep)
			dev[n++] = c->port[i].rep;
	}
	for (i = 0; i < n; i++)
		for (k = 0; k < i; k++)
			if (!strcmp(dev[i], dev[k]))
				return nicsim_usage("run: %s is given twice", dev[i]);
	return 0;
}

static int check(const struct cxlt_run_config *c)
{
	__u32 i;

	if (!c->slice)
		return nicsim_usage("run: which --slice?");
	if (!c->n_ports)
		return nicsim_usage("run: which --port?");
	for (i = 0; i < c->n_ports; i++)
		if (!*c->port[i].dev)
			return nicsim_usage("run: --rep %u has no --port %u", c->port[i].number,
					    c->port[i].number);
	return check_devices(c);
}

static int number_option(const char *name, const char *text, unsigned long max, unsigned long *out)
{
	char *end;

	*out = strtoul(text, &end, 10);
	if (end == text || *end || *out > max)
		return nicsim_usage("run: --%s is a number up to %lu, not '%s'", name, max, text);
	return 0;
}

static int option(struct cxlt_run_config *c, int o, char *arg)
{
	unsigned long value = 0;
	char err[128];
	int rc = 0;

	switch (o) {
	case 's': c->slice = arg; break;
	case 'p': return add_port(c, arg, 0);
	case 'r': return add_port(c, arg, 1);
	case 'f': c->profile = arg; break;
	case 'm':
		c->have_mat = 1;
		if (cxlt_mat_config_parse(arg, &c->mat, err, sizeof(err)))
			return nicsim_usage("run: --mat: %s", err);
		break;
	case 'c':
		rc = number_option("cpu", arg, 1023, &value);
		c->cpu = value;
		break;
	case 'u':
		rc = number_option("spin", arg, 1000000, &value);
		c->spin_us = value;
		break;
	default: return nicsim_usage("see nicsim run --help");
	}
	return rc;
}

int nicsim_cmd_run(int argc, char **argv)
{
	static const struct option options[] = {
		{"slice", required_argument, NULL, 's'},
		{"port", required_argument, NULL, 'p'},
		{"rep", required_argument, NULL, 'r'},
		{"mat", required_argument, NULL, 'm'},
		{"profile", required_argument, NULL, 'f'},
		{"cpu", required_argument, NULL, 'c'},
		{"spin", required_argument, NULL, 'u'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	static struct cxlt_run_config c;
	int o, rc = 0;

	c.cpu = -1;
	c.spin_us = 20;
	c.mat = cxlt_mat_config_default();
	while (!rc && (o = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
		if (o == 'h') {
			fputs(help, stdout);
			return 0;
		}
		rc = option(&c, o, optarg);
	}
	if (!rc && optind < argc)
		rc = nicsim_usage("run: what is '%s'?", argv[optind]);
	if (!rc)
		rc = check(&c);
	return rc ? rc : cxlt_run(&c);
}
