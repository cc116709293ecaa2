// SPDX-License-Identifier: Apache-2.0
/* NIC profiles: what the file says is what is read, and errors name their line. */
#include <criterion/criterion.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cxltab/action.h>
#include <cxltab/profile.h>
#include <cxltab/slice.h>

static struct cxlt_profile p;
static struct cxlt_mat_config m;
static char err[256];

static int read_text(const char *text)
{
	char path[] = "/tmp/profile-XXXXXX";
	int fd = mkstemp(path), rc;
	char *at;

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	err[0] = 0;
	rc = cxlt_profile_read(path, &p, &m, err, sizeof(err));
	unlink(path);
	/* The path is random; what follows it isn't. */
	at = strstr(err, path);
	if (at)
		memmove(err, at + strlen(path), strlen(at + strlen(path)) + 1);
	return rc;
}

#define BIT(n) (1ULL << (n))

Test(profile, empty_file_can_do_everything)
{
	struct cxlt_profile all = cxlt_profile_all();

	cr_assert_eq(read_text("# nothing\n\n"), 0, "%s", err);
	cr_assert_eq(p.fields, all.fields);
	cr_assert_eq(p.sets, all.sets);
	cr_assert_eq(p.ops, all.ops);
	cr_assert_eq(m.entries, 4096);
	cr_assert_eq(m.domain, 0);
}

Test(profile, lists_are_what_they_say)
{
	cr_assert_eq(read_text("match = in_port eth_type # here too\nmatch=tp_dst, tp_src\n"
			       "set = all -ipv6_label\nactions = output goto_table\n"
			       "mat = 256 4 clock\npin = 0x1fff/0xf000\ndomain = 32M\n"),
		     0, "%s", err);
	cr_assert_eq(p.fields, BIT(CXLT_F_IN_PORT) | BIT(CXLT_F_ETH_TYPE) | BIT(CXLT_F_TP_DST) |
				       BIT(CXLT_F_TP_SRC));
	cr_assert_eq(p.sets, CXLT_BITMASK(CXLT_N_FIELDS) & ~BIT(CXLT_F_IPV6_LABEL));
	cr_assert_eq(p.ops, BIT(CXLT_OP_OUTPUT) | BIT(CXLT_OP_GOTO) | BIT(CXLT_OP_PUNT));
	cr_assert_eq(m.entries, 256);
	cr_assert_eq(m.policy, CXLT_MAT_CLOCK);
	cr_assert_eq(m.pin_cookie, 0x1000);
	cr_assert_eq(m.pin_mask, 0xf000);
	cr_assert_eq(m.domain, 32 << 20);
}

Test(profile, errors_name_line_and_reason)
{
	static const struct {
		const char *text, *err;
	} wrong[] = {
		{"match = in_port\nmatch = nw_src\n", ":2: no field is named 'nw_src'"},
		{"actions = output jump\n", ":1: no action is named 'jump'"},
		{"actions = controller\n", ":1: 'controller' is never the device's"},
		{"\n\nspeed = 9\n", ":3: 'speed' is none of match, set, actions, mat, pin, domain"},
		{"hello\n", ":1: a line is 'name = value'"},
		{"mat = 100 8 lru\n",
		 ":1: 100 MAT entries are not 8 ways times a power of two, up to 1048576"},
		{"mat = 64 8 best\n", ":1: no MAT policy is named 'best'"},
		{"mat = 4294971392,8,lru\n",
		 ":1: a MAT is ENTRIES,WAYS,POLICY, not '4294971392,8,lru'"},
		{"pin = x\n", ":1: pin is COOKIE/MASK, not 'x'"},
		{"domain = 12q\n", ":1: domain is a size, not '12q'"},
	};
	__u32 i;

	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		cr_assert_eq(read_text(wrong[i].text), -22, "%s", wrong[i].text);
		cr_assert_str_eq(err, wrong[i].err);
	}
	cr_assert_eq(cxlt_profile_read("/nonexistent", &p, &m, err, sizeof(err)), -2);
	cr_assert_str_eq(err, "/nonexistent: No such file or directory");
}

Test(profile, less_than_needed_is_named)
{
	struct cxlt_profile all = cxlt_profile_all(), less = all;

	cr_assert_eq(cxlt_profile_covers(&all, &all, err, sizeof(err)), 0);
	less.fields &= ~BIT(CXLT_F_METADATA);
	cr_assert_eq(cxlt_profile_covers(&less, &all, err, sizeof(err)), -22);
	cr_assert_str_eq(err, "it can't match on metadata");
	cr_assert_eq(cxlt_profile_covers(&all, &less, err, sizeof(err)), 0);
	less = all;
	less.ops &= ~BIT(CXLT_OP_POP_VLAN);
	cxlt_profile_covers(&less, &all, err, sizeof(err));
	cr_assert_str_eq(err, "it can't execute pop_vlan");
	less = all;
	less.sets &= ~BIT(CXLT_F_IP_TTL);
	cxlt_profile_covers(&less, &all, err, sizeof(err));
	cr_assert_str_eq(err, "it can't rewrite ip_ttl");
}

Test(profile, shipped_profiles_are_right)
{
	glob_t g;
	size_t i;

	cr_assert_eq(glob("nicsim/profiles/*.profile", 0, NULL, &g), 0);
	cr_assert_geq(g.gl_pathc, 3);
	for (i = 0; i < g.gl_pathc; i++)
		cr_assert_eq(cxlt_profile_read(g.gl_pathv[i], &p, &m, err, sizeof(err)), 0, "%s",
			     err);
	globfree(&g);
}
