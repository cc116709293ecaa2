// SPDX-License-Identifier: Apache-2.0
/* What --json prints is JSON, whatever is in it. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The program's own file: cxltab is no library. */
#include "json.c"

static char *text;
static size_t size;

static struct json begin(void)
{
	struct json j;

	json_start(&j, open_memstream(&text, &size));
	cr_assert_not_null(j.out);
	return j;
}

static void gives(struct json *j, const char *want)
{
	cr_assert_eq(fclose(j->out), 0);
	cr_assert_str_eq(text, want);
	free(text);
}

Test(json, values_are_separated_and_a_newline_ends_the_document)
{
	struct json j = begin();

	json_object(&j, NULL);
	json_u64(&j, "n", ~0ULL);
	json_s64(&j, "s", -1);
	json_array(&j, "list");
	json_string(&j, NULL, "a");
	json_null(&j, NULL);
	json_bool(&j, NULL, true);
	json_end(&j);
	json_object(&j, "empty");
	json_end(&j);
	json_hex(&j, "x", 31);
	json_end(&j);
	gives(&j, "{\"n\":18446744073709551615,\"s\":-1,\"list\":[\"a\",null,true],\"empty\":{},"
		  "\"x\":\"0x1f\"}\n");
}

Test(json, documents_may_follow_each_other_a_line_each)
{
	struct json j = begin();

	json_array(&j, NULL);
	json_end(&j);
	json_object(&j, NULL);
	json_end(&j);
	gives(&j, "[]\n{}\n");
}

Test(json, quotes_and_control_characters_are_escaped)
{
	struct json j = begin();

	json_string(&j, NULL, "a\"b\\c\n\x01\x7f");
	gives(&j, "\"a\\\"b\\\\c\\n\\u0001\\u007f\"\n");
}

Test(json, text_that_is_utf8_stays_and_what_is_not_becomes_the_replacement)
{
	struct json j = begin();

	json_string(&j, NULL, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
	json_string(&j, NULL, "\xff");
	json_string(&j, NULL, "\xc0\x80");     /* overlong */
	json_string(&j, NULL, "\xed\xa0\x80"); /* a surrogate */
	json_string(&j, NULL, "\xf0\x9f\x98"); /* cut */
	gives(&j, "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"\n\"\\ufffd\"\n\"\\ufffd\\ufffd\"\n"
		  "\"\\ufffd\\ufffd\\ufffd\"\n\"\\ufffd\\ufffd\\ufffd\"\n");
}

Test(json, numbers_that_json_lacks_are_null)
{
	struct json j = begin();

	json_array(&j, NULL);
	json_double(&j, NULL, INFINITY);
	json_double(&j, NULL, 1.5);
	json_string(&j, NULL, NULL);
	json_end(&j);
	gives(&j, "[null,1.500,null]\n");
}

Test(json, bytes_are_hexadecimal_digits)
{
	const __u8 bytes[] = {0, 0x1f, 0xff};
	struct json j = begin();

	json_bytes(&j, NULL, bytes, sizeof(bytes));
	gives(&j, "\"001fff\"\n");
}
