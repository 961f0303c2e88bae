/* What a shield adds to a decision, by shipped set: ns where nothing applies and where something does. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "cert/shield.h"
#include "peak.h"

#define DECISIONS 512
#define LEAST_S 0.3 /* of repetitions, the fastest of which counts */

#define INV_RTT (STATE_SIZE - FRAME_FEATURES + FRAME_INV_RTT)

struct set {
	double x[DECISIONS][STATE_SIZE];
	int64_t changes[POLICY_CHANGES];
	struct cert_decision d[DECISIONS];
};

// Histories of zeros trigger the most; inv_rtt lies within [lo, hi].
static void fill(struct set *s, double lo, double hi)
{
	struct rng g;

	rng_init(&g, 1, 0);
	for (int i = 0; i < DECISIONS; i++) {
		for (int k = 0; k < STATE_SIZE; k++)
			s->x[i][k] = rng_uniform(&g);
		s->x[i][INV_RTT] = lo + (hi - lo) * rng_uniform(&g);
		s->d[i] = (struct cert_decision){.x = s->x[i],
			.nin = STATE_SIZE,
			.w = 100 + (uint32_t)rng_below(&g, 100),
			.p = 100 + (uint32_t)rng_below(&g, 100),
			.nchanges = POLICY_CHANGES,
			.changes = s->changes};
	}
}

static double ns(const struct shield *shield, const struct set *s)
{
	uint64_t sum = 0;
	double start = now_s(), best = INFINITY, from, to;

	do {
		from = now_s();
		for (int i = 0; i < DECISIONS; i++)
			sum += shield_window(shield, &s->d[i], 150);
		to = now_s();
		best = fmin(best, to - from);
	} while (to - start < LEAST_S);
	if (!sum)
		abort();
	return best / DECISIONS * 1e9;
}

int main(void)
{
	static struct set idle, busy;

	fill(&idle, 0.3, 0.7);
	fill(&busy, 0.995, 1);
	printf("shield: ns a decision\n%-26s %12s %12s %12s\n", "set", "enforced", "mid queue",
		"short queue");
	for (int i = 0; property_shipped_name(i); i++) {
		struct property_file *f;
		struct shield *shield;

		if (property_load(&f, property_shipped_name(i), NULL, 0) || shield_new(&shield, f))
			return 1;
		printf("%-26s %12d %12.0f %12.0f\n", f->path, shield->n, ns(shield, &idle),
			ns(shield, &busy));
		shield_free(shield);
		property_free(f);
	}
	return 0;
}
