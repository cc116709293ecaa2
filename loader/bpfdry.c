// SPDX-License-Identifier: Apache-2.0
/* Packets through the BPF programs by BPF_PROG_TEST_RUN. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cxltab/reason.h>
#include <linux/bpf.h>

#include "bpfdry.h"
#include "bpfobj.h"
#include "cxltab.h"
#include "portmap.h"
#include "portstats.h"
#include "tc_slowpath.skel.h"
#include "xdp_slowpath.skel.h"

enum {
	ACT_XDP_PASS = XDP_PASS,
	ACT_TC_REDIRECT = 7,
};

struct dry {
	struct bpfobj obj;
	enum dry_path path;
	const struct cxlt_dry *record; /* the map that both twins write */
};

/* ---- The twin ---- */

static int set_ports(struct dry *d, const __u32 *ports, __u32 n)
{
	struct cxlt_flood *flood = calloc(1, sizeof(*flood));
	__u32 zero = 0, i;
	int rc = flood ? 0 : -ENOMEM;

	for (i = 0; !rc && i < n; i++) {
		struct cxlt_port p = {.port = ports[i], .ifindex = 1, .slot = i};

		p.flags = CXLT_PORT_XDP | CXLT_PORT_TC | CXLT_PORT_REDIRECT;
		flood->port[i] = p;
		rc = bpf_map__update_elem(d->obj.xdp->maps.ports, &p.port, sizeof(p.port), &p,
					  sizeof(p), BPF_ANY);
	}
	if (!rc) {
		flood->n = n;
		rc = bpf_map__update_elem(d->obj.xdp->maps.flood, &zero, sizeof(zero), flood,
					  sizeof(*flood), BPF_ANY);
	}
	free(flood);
	return rc;
}

static int ascending(const void *a, const void *b)
{
	__u32 x = *(const __u32 *)a, y = *(const __u32 *)b;

	return x < y ? -1 : x > y;
}

static int open_twin(struct dry *d, struct cxlt_slice *slice, const __u32 *ports, __u32 n_ports)
{
	struct bpfobj_config config = {.dry = true, .dry_every = !n_ports};
	__u32 sorted[CXLT_PORTS_MAX];
	void *mem;
	int rc;

	if (bpfobj_open(slice, &config, &d->obj))
		return -EIO;
	mem = mmap(NULL, sizeof(*d->record), PROT_READ, MAP_SHARED,
		   bpf_map__fd(d->obj.xdp->maps.dry_run), 0);
	if (mem == MAP_FAILED) {
		rc = -errno;
		cli_fail_errno(rc, "the dry run's record");
		return rc;
	}
	d->record = mem;
	if (!n_ports)
		return 0;
	memcpy(sorted, ports, n_ports * sizeof(*ports));
	qsort(sorted, n_ports, sizeof(*sorted), ascending);
	rc = set_ports(d, sorted, n_ports);
	if (rc)
		cli_fail_errno(rc, "the dry run's ports");
	return rc;
}

int dry_open(struct cxlt_slice *slice, enum dry_path path, const __u32 *ports, __u32 n_ports,
	     struct dry **out)
{
	struct dry *d;
	int rc;

	if (!cli_is_arena(cxlt_slice_name(slice))) {
		cli_fail("%s: BPF programs need a slice in an arena, this is a file",
			 cxlt_slice_name(slice));
		return -EOPNOTSUPP;
	}
	if (n_ports > CXLT_PORTS_MAX) {
		cli_fail("a slice has at most %d ports", CXLT_PORTS_MAX);
		return -E2BIG;
	}
	d = calloc(1, sizeof(*d));
	if (!d) {
		cli_fail_errno(ENOMEM, "dry run");
		return -ENOMEM;
	}
	d->path = path;
	rc = open_twin(d, slice, ports, n_ports);
	if (rc) {
		dry_close(d);
		return rc;
	}
	*out = d;
	return 0;
}

void dry_close(struct dry *d)
{
	if (!d)
		return;
	if (d->record)
		munmap((void *)d->record, sizeof(*d->record));
	bpfobj_close(&d->obj);
	free(d);
}

static int test_run(int prog, const void *pkt, size_t len, void *ctx, size_t ctx_len, __u32 *ret)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = pkt, .data_size_in = len, .repeat = 1,
		    .ctx_in = ctx, .ctx_size_in = ctx_len);

	if (bpf_prog_test_run_opts(prog, &opts))
		return -errno;
	*ret = opts.retval;
	return 0;
}

static int run_tc(struct dry *d, __u32 in_port, const __u8 *pkt, size_t len)
{
	int prog = bpf_program__fd(d->obj.tc->progs.cxlt_tc), rc;
	__u32 type = pkt[12] << 8 | pkt[13], ret;
	__u8 other[64];

	d->obj.tc->bss->cxlt_dry_port = in_port;
	d->obj.tc->bss->cxlt_dry_type = 0;
	rc = test_run(prog, pkt, len, NULL, 0, &ret);
	if (rc != -EINVAL || len > sizeof(other))
		return rc;
	/* See cxlt_dry_type. */
	memcpy(other, pkt, len);
	other[12] = 0x88; /* local experiments */
	other[13] = 0xb5;
	d->obj.tc->bss->cxlt_dry_type = type;
	return test_run(prog, other, len, NULL, 0, &ret);
}

static void read_record(const struct cxlt_dry *rec, struct dry_result *r)
{
	__u32 i;

	r->verdict = rec->verdict;
	r->reason = rec->reason;
	r->table = rec->table;
	r->matched = rec->matched;
	r->cookie = rec->cookie;
	r->n_outputs = rec->n_outputs < CXLT_DRY_OUTPUTS ? rec->n_outputs : CXLT_DRY_OUTPUTS;
	for (i = 0; i < r->n_outputs; i++) {
		const struct cxlt_dry_output *o = &rec->output[i];
		struct dry_output *to = &r->output[i];

		to->kind = o->kind;
		to->port = o->port;
		to->len = rec->shot_len[o->shot];
		to->bytes = rec->shot[o->shot];
		if (o->kind == CXLT_DRY_CONTROLLER && o->port < to->len)
			to->len = o->port;
	}
}

int dry_run(struct dry *d, __u32 in_port, const void *pkt, size_t len, struct dry_result *r)
{
	__u32 ret;
	int rc;

	if (len < DRY_LEN_MIN)
		return -EINVAL;
	if (len > DRY_LEN_MAX)
		return -E2BIG;
	r->handed_over = false;
	if (d->path == DRY_XDP) {
		d->obj.xdp->bss->cxlt_dry_port = in_port;
		rc = test_run(bpf_program__fd(d->obj.xdp->progs.cxlt_xdp), pkt, len, NULL, 0, &ret);
		if (rc)
			return rc;
		r->handed_over = d->record->handed_over;
	}
	if (d->path == DRY_TC || r->handed_over) {
		rc = run_tc(d, in_port, pkt, len);
		if (rc)
			return rc;
	}
	read_record(d->record, r);
	return 0;
}

/* ---- The loaded program ---- */

static int run_live(const char *slice, const struct cxlt_port *p, const void *pkt, size_t len,
		    struct dry_live *out)
{
	struct xdp_md xdp = {.data_end = len, .ingress_ifindex = p->ifindex};
	struct __sk_buff skb = {.ifindex = p->ifindex};
	bool is_xdp = p->flags & CXLT_PORT_XDP;
	int prog = pin_get(slice, is_xdp ? "xdp_prog" : "tc_prog"), rc;
	__u32 ret = 0;

	if (prog < 0)
		return cli_fail_errno(prog, "%s: its program", slice);
	if (is_xdp)
		rc = test_run(prog, pkt, len, &xdp, sizeof(xdp), &ret);
	else
		rc = test_run(prog, pkt, len, &skb, sizeof(skb), &ret);
	close(prog);
	if (rc)
		return cli_fail_errno(rc, "%s: running the loaded program for port %u", slice,
				      p->port);
	out->program = is_xdp ? "xdp" : "tc";
	out->action = "drop";
	if (is_xdp ? ret == XDP_REDIRECT : ret == ACT_TC_REDIRECT)
		out->action = "redirect";
	else if (is_xdp ? ret == XDP_PASS : (int)ret == -1)
		out->action = "pass";
	return CLI_OK;
}

int dry_live(const char *slice, __u32 in_port, const void *pkt, size_t len, struct dry_live *out)
{
	struct cxlt_port_stats before, after;
	struct portmap maps;
	struct cxlt_port p;
	__u32 r, path, moved = 0;
	int rc = -EIO;

	memset(out, 0, sizeof(*out));
	if (!bpfobj_is_loaded(slice)) {
		cli_fail("%s: no programs are loaded", slice);
		return -ENOENT;
	}
	if (portmap_open(slice, &maps))
		return -EIO;
	if (bpf_map_lookup_elem(maps.ports, &in_port, &p)) {
		cli_fail("%s: there is no port %u", slice, in_port);
		rc = -ENOENT;
		goto out;
	}
	path = p.flags & CXLT_PORT_XDP ? CXLT_PATH_XDP : CXLT_PATH_TC;
	stats_read(&maps, p.slot, path, &before);
	if (run_live(slice, &p, pkt, len, out))
		goto out;
	stats_read(&maps, p.slot, path, &after);
	out->handed_over = after.handed_over != before.handed_over;
	for (r = 0; r < CXLT_N_REASONS; r++) {
		if (after.reasons[r] == before.reasons[r])
			continue;
		moved += after.reasons[r] - before.reasons[r];
		out->reason = r;
	}
	if (moved != 1)
		out->reason = CXLT_R_NONE;
	rc = 0;
out:
	portmap_close(&maps);
	return rc;
}
