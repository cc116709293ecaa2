// SPDX-License-Identifier: Apache-2.0
/*
 * BPF programs that write to an exact table (exact_write.h), run by BPF_PROG_TEST_RUN: alone, beside
 * userspace writers, against a slice that somebody has alone, and without room.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cxltab/exact.h>
#include <cxltab/slice.h>
#include <cxltab/writer.h>
#include "contest.h"
#include "oracle.h"
#include "rand.h"
#include "sandbox.h"
#include "exact_write.skel.h"

static struct contest c;
static struct exact_write_bpf *skel;

static int commands(struct contest *k, __u32 cpu, struct write_command *cmd, __u32 n)
{
	struct write_command packet[WRITE_COMMANDS] = {0};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = packet, .data_size_in = sizeof(packet),
		    .data_out = packet, .data_size_out = sizeof(packet), .repeat = 1);
	int rc;

	memcpy(packet, cmd, n * sizeof(*cmd));
	rc = bpf_prog_test_run_opts(bpf_program__fd(skel->progs.commands), &opts);
	memcpy(cmd, packet, n * sizeof(*cmd));
	return rc ? rc : opts.retval == 2 ? 0 : -EPROTO;
}

/* A slice in an arena with an exact table of so many slots, and the program that writes to it. */
static void world_open(__u32 entries, __u32 per_cpu)
{
	struct cxlt_slice_config config = {.size = 4 << 20};
	const char *what;

	if (geteuid())
		cr_skip_test("needs root, for BPF");
	cr_assert_eq(sandbox_enter(&what), 0, "%s", what);
	memset(&c, 0, sizeof(c));
	cr_assert_eq(cxlt_slice_create("bpf_write", &config, &c.f.s), 0, "%s", cxlt_error_text());
	cr_assert_eq(cxlt_writer_open(c.f.s, &c.f.w), 0, "%s", cxlt_error_text());
	cxlt_slice_view(c.f.s, 0, &c.f.host);
	contest_table(&c, entries, (__u32)libbpf_num_possible_cpus(), per_cpu);
	c.commands = commands;

	skel = exact_write_bpf__open();
	cr_assert_not_null(skel);
	skel->rodata->slice_view = c.f.host;
	skel->rodata->slice_view.base = 0;
	skel->rodata->tuple = c.tuple;
	bpf_map__reuse_fd(skel->maps.arena, cxlt_slice_fd(c.f.s));
	cr_assert_eq(exact_write_bpf__load(skel), 0, "the verifier refuses the programs");
}

static void world_close(void)
{
	cr_expect_eq(oracle_check(c.f.s), 0);
	exact_write_bpf__destroy(skel);
	cxlt_writer_close(c.f.w);
	cxlt_slice_close(c.f.s);
}

Test(bpf_write, does_what_the_model_does, .timeout = 60)
{
	world_open(400, 500);
	contest_alone(&c, "bpf_write/model");
	world_close();
}

Test(bpf_write, beside_two_userspace_writers_nothing_is_lost, .timeout = 120)
{
	world_open(400, 500);
	contest_beside(&c, "bpf_write/beside");
	world_close();
}

Test(bpf_write, is_busy_while_a_writer_has_the_slice_alone, .timeout = 60)
{
	world_open(400, 500);
	contest_busy(&c);
	world_close();
}

Test(bpf_write, has_no_room_when_stock_or_buckets_are_full, .timeout = 60)
{
	world_open(400, 600);
	contest_no_room(&c);
	world_close();
}
