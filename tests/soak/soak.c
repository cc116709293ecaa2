// SPDX-License-Identifier: Apache-2.0
/* soak OPS: so many inserts and deletes; 0 if the slice ends with the free lines it began with. */
#include <stdio.h>
#include <stdlib.h>
#include "soak.h"

int main(int argc, char **argv)
{
	__u64 ops = argc > 1 ? strtoull(argv[1], NULL, 0) : 0;
	struct soak_result r;

	if (!ops) {
		fprintf(stderr, "Usage: soak OPS\n");
		return 2;
	}
	if (soak_run(rnd_new("soak"), ops, stderr, &r))
		return 1;
	soak_print(stdout, &r);
	return !soak_is_even(&r);
}
