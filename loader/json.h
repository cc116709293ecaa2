/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json.h - a JSON writer for --json: streams, keeps only the nesting.
 *
 *	struct json j;
 *
 *	json_start(&j, stdout);
 *	json_object(&j, NULL);			{
 *	json_u64(&j, "port", 1);		 "port":1,
 *	json_array(&j, "rules");		 "rules":[
 *	json_string(&j, NULL, "drop");		 "drop"
 *	json_end(&j);				 ]
 *	json_end(&j);				}
 *
 * `key` is NULL inside arrays and for the document itself.  When the outermost value is complete
 * a newline follows; the writer may then start the next document (a line each).
 */
#ifndef CXLTAB_LOADER_JSON_H
#define CXLTAB_LOADER_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <linux/types.h>

enum {
	JSON_DEPTH_MAX = 32,
};

struct json {
	FILE *out;
	unsigned int depth;
	char close[JSON_DEPTH_MAX]; /* what ends each open level */
	bool first;		    /* nothing in the innermost level yet */
};

void json_start(struct json *, FILE *out);
void json_object(struct json *, const char *key);
void json_array(struct json *, const char *key);
void json_end(struct json *); /* of the innermost object or array */

/* Bytes that are not UTF-8 become U+FFFD; NULL is null. */
void json_string(struct json *, const char *key, const char *value);
void json_u64(struct json *, const char *key, __u64 value);
void json_s64(struct json *, const char *key, __s64 value);
void json_bool(struct json *, const char *key, bool value);
void json_null(struct json *, const char *key);
/* Three decimals; not finite is null. */
void json_double(struct json *, const char *key, double value);
/* "0x1f" */
void json_hex(struct json *, const char *key, __u64 value);
/* n bytes as a string of hexadecimal digits */
void json_bytes(struct json *, const char *key, const __u8 *bytes, size_t n);

#endif
