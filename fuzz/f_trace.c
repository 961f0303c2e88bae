/* Fuzzes the readers of mahimahi traces and CSV; the first byte picks units and columns. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "trace/convert.h"
#include "trace/describe.h"
#include "trace/generate.h"
#include "trace/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct trace *t)
{
	if (!t)
		return;
	if (!t->n == !t->rate_bps || (t->n && !t->t_ms[t->n - 1]))
		abort();
	for (size_t i = 1; i < t->n; i++)
		if (t->t_ms[i] < t->t_ms[i - 1])
			abort();
	trace_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const columns[] = {NULL, "1", "3", "rate"};
	struct trace *t = NULL, *csv = NULL;
	struct trace_facts f;
	char *text;

	log_set_level(-1);
	if (!size)
		return 0;
	text = malloc(size);
	if (!text)
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	if (!trace_parse(&t, text, size - 1, "fuzz") && t->t_ms[t->n - 1] < 100000 &&
		trace_describe(&f, t))
		abort();
	check(t);
	convert_csv(&csv, text, size - 1, "fuzz",
		&(struct convert){data[0] & 1, (data[0] >> 1) % 3, columns[data[0] >> 4 & 3],
			columns[data[0] >> 6 & 3]});
	check(csv);
	trace_nominal_mbps(text);
	free(text);
	return 0;
}
