// SPDX-License-Identifier: Apache-2.0
/*
 * What parses prints, and what prints parses to the same flow; errors point into the line.
 * The first byte chooses what is fed: a flow of each mode, a file, a packet's description.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openflow/flow.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void check_same(const struct of_flow *a, const struct of_flow *b)
{
	check(a->table == b->table && a->priority == b->priority && a->cookie == b->cookie);
	check(a->cookie_value == b->cookie_value && a->cookie_mask == b->cookie_mask);
	check(a->out_port == b->out_port && a->n_prog == b->n_prog);
	check(!memcmp(&a->match, &b->match, sizeof(a->match)));
	check(!memcmp(a->prog, b->prog, a->n_prog * sizeof(a->prog[0])));
}

static int print_and_parse(void *arg, const struct of_flow *flow, unsigned int line,
			   struct of_error *err)
{
	char text[OF_TEXT_MAX], again_text[OF_TEXT_MAX];
	struct of_flow again;

	(void)arg;
	(void)line;
	check(of_format_flow(flow, text, sizeof(text)) < sizeof(text));
	check(!of_match_check(&flow->match, err));
	check(!of_parse_flow(text, flow->mode, &again, err));
	check_same(flow, &again);
	of_format_flow(&again, again_text, sizeof(again_text));
	check(!strcmp(text, again_text));
	return 0;
}

static void packet(const char *text)
{
	struct of_error err = {0};
	struct cxlt_key key;
	__u8 buf[256];

	if (of_parse_packet_key(text, &key, &err)) {
		check(err.column > 0 && err.column <= (int)strlen(text) + 1);
		return;
	}
	check(of_compose_packet(&key, buf, sizeof(buf)) >= 60);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct of_error err = {0};
	struct of_flow flow;
	unsigned int mode;
	char *text;

	if (!size)
		return 0;
	mode = data[0] % 8;
	text = malloc(size); /* exactly as long as the flow, so that overruns show */
	check(text);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = 0;
	if (mode <= OF_DUMP) {
		if (!of_parse_flow_n(text, size - 1, mode, &flow, &err))
			print_and_parse(NULL, &flow, 0, &err);
		else
			check(err.reason[0] && err.column > 0 && err.column <= (int)size);
	} else if (mode == 6) {
		of_read_flows_buf(text, size - 1, OF_ADD, print_and_parse, NULL, &err);
	} else {
		packet(text);
	}
	free(text);
	return 0;
}
