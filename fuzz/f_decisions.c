/* Recorded decisions: columns of any contents, some of them of another type or shape, behind a
 * valid digest. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "policy/decision_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct bytes {
	const uint8_t *p;
	size_t n;
};

static unsigned next(struct bytes *b)
{
	return b->n ? b->n--, *b->p++ : 0;
}

// The rest of the input, over and over.
static void *contents(const struct bytes *b, size_t n)
{
	uint8_t *out = calloc(n + 1, 1);

	for (size_t i = 0; b->n && i < n; i++)
		out[i] = b->p[i % b->n];
	return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct {
		const char *name;
		enum st_dtype dtype;
		int width;
	} columns[] = {{"t_ns", ST_I64, 0}, {"state", ST_F32, STATE_SIZE}, {"w", ST_I64, 0},
		{"p", ST_I64, 0}, {"installed", ST_I64, 0}, {"percent", ST_I64, 0},
		{"action", ST_F64, 0}, {"deltas", ST_I64, POLICY_CHANGES}, {"ndeltas", ST_I64, 0},
		{"reward", ST_F64, 0}, {"report", ST_F64, DECISION_REPORT}, {"open", ST_U8, 0}};
	enum { N = sizeof(columns) / sizeof(columns[0]) };
	static const struct st_meta meta[] = {{"format", "canopy-decisions"}, {"version", "1"}};
	struct bytes b = {data, size};
	struct decision_file *f = NULL;
	struct st_tensor t[N];
	const unsigned rows = next(&b) % 8, odd = next(&b), wide = next(&b) % 32;
	size_t len;
	char *file;

	log_set_level(-1);
	for (int i = 0; i < N; i++) {
		t[i] = (struct st_tensor){columns[i].name, columns[i].dtype,
			columns[i].width ? 2 : 1, {rows, columns[i].width + (i == 1 ? wide : 0)},
			NULL};
		if (odd == (unsigned)i)
			t[i].dtype = next(&b) % 6;
		else if (odd == (unsigned)i + 16)
			t[i].shape[0] = next(&b);
		t[i].data = contents(&b, st_items(&t[i]) * st_dtype_size(t[i].dtype));
	}
	if (!st_format(&file, &len, "fuzz", t, N - (odd == 64), meta, 2) &&
		!decision_file_parse(&f, file, len, "fuzz"))
		for (size_t i = 0; i < f->n; i++)
			if (f->rows[i].open &&
				(!f->rows[i].w || f->rows[i].ndeltas > POLICY_CHANGES))
				abort();
	decision_file_free(f);
	for (int i = 0; i < N; i++)
		free((void *)t[i].data);
	return 0;
}
