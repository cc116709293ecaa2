// SPDX-License-Identifier: Apache-2.0
/* The strings behind the X-macro lists of key.h, action.h and reason.h. */
#include <cxltab/action.h>
#include <cxltab/key.h>
#include <cxltab/reason.h>

const struct cxlt_field_info cxlt_field_info[CXLT_N_FIELDS] = {
#define X(id, name, word, shift, bits) {name, word, shift, bits},
	CXLT_FIELDS(X)
#undef X
};

const char *const cxlt_op_name[CXLT_N_OPS] = {
#define X(id, name, meaning) name,
	CXLT_OPS(X)
#undef X
};

const char *const cxlt_verdict_name[CXLT_N_VERDICTS] = {
#define X(id, name, meaning) name,
	CXLT_VERDICTS(X)
#undef X
};

const char *const cxlt_verdict_meaning[CXLT_N_VERDICTS] = {
#define X(id, name, meaning) meaning,
	CXLT_VERDICTS(X)
#undef X
};

const char *const cxlt_reason_name[CXLT_N_REASONS] = {
#define X(id, name, meaning) name,
	CXLT_REASONS(X)
#undef X
};

const char *const cxlt_reason_meaning[CXLT_N_REASONS] = {
#define X(id, name, meaning) meaning,
	CXLT_REASONS(X)
#undef X
};
