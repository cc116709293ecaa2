// SPDX-License-Identifier: Apache-2.0
/* Inserts and deletes that end where they began; `make soak OPS=100000000` does as many as one likes. */
#include <criterion/criterion.h>
#include "soak.h"

Test(soak, ends_with_the_free_lines_it_began_with, .timeout = 120)
{
	struct soak_result r;

	cr_assert_eq(soak_run(rnd_new("soak"), rnd_scaled(1000000), NULL, &r), 0);
	soak_print(stderr, &r);
	cr_expect_eq(r.end_free, r.begin_free);
	cr_expect_eq(r.end_device, r.begin_device);
	cr_expect_eq(r.problems, 0);
	cr_expect_gt(r.rule_inserts, r.ops / 8);
	cr_expect_gt(r.exact_inserts, r.ops / 8);
}
