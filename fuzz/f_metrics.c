/* Fuzzes the reader of training metrics: any bytes give an error, or scalars whose steps ascend and
 * whose values are numbers; and panels that can be drawn. */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "learn/history.h"
#include "report/training.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(const struct history *h)
{
	for (int i = 0; i < h->n; i++) {
		const struct history_scalar *s = &h->scalar[i];

		assert(*s->name && history_find(h, s->name) == s && !isinf(s->cubic));
		for (size_t k = 0; k < s->n; k++)
			assert(!isinf(s->point[k].value) && s->point[k].step >= 0 &&
				s->point[k].step <= h->step &&
				(!k || s->point[k].step > s->point[k - 1].step));
	}
}

static void draw(struct training *t)
{
	const struct look look = {430, 240, 12, false, false};
	FILE *f = fopen("/dev/null", "w");

	for (int p = 0; f && p < training_npanels(); p++)
		for (int r = -1; r < t->n; r++)
			if (training_has(t, p, r))
				assert(!training_plot(f, t, p, r, &look));
	if (f)
		fclose(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct training t = {.n = 1};

	log_set_level(-1);
	if (history_parse(&t.run[0].h, (const char *)data, len, "fuzz"))
		return 0;
	check(&t.run[0].h);
	draw(&t);
	history_free(&t.run[0].h);
	return 0;
}
