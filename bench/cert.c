/*
 * Certificates: us a region on one core, against the floor that the peak multiply-add rate sets. On
 * the published actor and the golden states where they are at ../shared, else on a random network
 * of its shape.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../tests/cert_nets.h"
#include "peak.h"

#define REGIONS 120
#define LEAST_S 0.005 /* of repetitions of a region, of which the fastest counts */
#define LEAST_TIMES 10
#define NEWEST_RTT 68
#define NEWEST_LOSS 65

static const int dims[] = {70, 256, 256, 1};

struct interval {
	double lo, hi;
};

/*
 * What cannot be spared: in double the value and the slopes through both layers, in float the two
 * products of the slack, of which the larger has three sums. In FLOP of float; a double counts as
 * two.
 */
#define MADDS(n) (2. * (n))
#define EXACT(values) (2 * MADDS(70 * 256 + (values)*256. * 256) + MADDS(70 * 256 + 3 * 256. * 256))

static const struct row {
	const char *name;
	const struct engine_ops *ops;
	struct interval rtt, loss; // loss stays concrete where lo = hi
	double flop;
} rows[] = {
	{"exact, inv_rtt .75..1", &engine_exact1, {0.75, 1}, {0, 0}, EXACT(3)},
	{"exact, inv_rtt .99..1", &engine_exact1, {0.99, 1}, {0, 0}, EXACT(2)},
	{"exact, inv_rtt 0...25", &engine_exact1, {0, 0.25}, {0, 0}, EXACT(2)},
	{"exact, inv_rtt 0..1", &engine_exact1, {0, 1}, {0, 0}, EXACT(3)},
	{"exact, .99..1 x loss .25..1", &engine_exact2, {0.99, 1}, {0.25, 1}, EXACT(3)},
	{"exact, .75..1 x loss 0..1", &engine_exact2, {0.75, 1}, {0, 1}, 2 * EXACT(3)},
};

static double states[REGIONS][STATE_SIZE];

// Golden states, or random ones.
static void fill_states(void)
{
	json_t *j = access(GOLDEN "exact_lines.json", R_OK)
			    ? NULL
			    : golden_json(GOLDEN "exact_lines.json");
	const json_t *lines = json_object_get(j, "lines");
	struct rng r;

	rng_init(&r, 1, 0);
	for (int i = 0; i < REGIONS; i++) {
		const json_t *state = json_object_get(json_array_get(lines, i), "state");

		for (int k = 0; k < STATE_SIZE; k++)
			states[i][k] = state ? json_number_value(json_array_get(state, k))
					     : rng_uniform(&r);
	}
	json_decref(j);
}

static double best_us(const struct engine_ops *ops, void *state, const struct engine_ask *ask,
	struct engine_answer *o)
{
	double best = INFINITY, end = now_s() + LEAST_S;

	for (int i = 0; i < LEAST_TIMES || now_s() < end; i++) {
		double start = now_s();

		if (ops->run(state, ask, o))
			return NAN;
		best = fmin(best, now_s() - start);
	}
	return best * 1e6;
}

static void bench_row(const struct row *row, const struct actor *a, double peak)
{
	void *state = row->ops->open(a);
	double us = 0, pieces = 0, most = 0, floor_us = row->flop / peak / 1e3;

	for (int i = 0; i < REGIONS; i++) {
		struct engine_ask ask = {.slices = 1};
		struct engine_answer o;
		double t;

		region_point(&ask.region, states[i], STATE_SIZE);
		region_vary(&ask.region, NEWEST_RTT, row->rtt.lo, row->rtt.hi);
		if (row->loss.lo < row->loss.hi)
			region_vary(&ask.region, NEWEST_LOSS, row->loss.lo, row->loss.hi);
		band_make(&ask.band, 100, 125, 100);
		t = best_us(row->ops, state, &ask, &o);
		us += t / REGIONS;
		pieces += (double)o.pieces / REGIONS;
		most = fmax(most, t);
	}
	printf("  %-28s %8.1f us a region (%.1f at most), %6.1f pieces, floor %5.1f us (%2.0f%%)\n",
		row->name, us, most, pieces, floor_us, 100 * floor_us / us);
	row->ops->close(state);
}

int main(void)
{
	static const char *const kernels[] = {"avx512", "avx2"};
	bool orca = !access(ORCA ".index", R_OK);
	struct mlp *m = orca ? orca_net() : random_net(3, dims, 1, 1);
	struct actor *a = NULL;

	if (!m || actor_new(&a, m))
		return 1;
	fill_states();
	printf("70-256-256-1, %s\n", orca ? "the published actor" : "random weights");
	for (int k = 0; k < 2; k++) {
		double peak;

		if (mlp_select(kernels[k]))
			continue;
		peak = peak_of(kernels[k]);
		printf("%s: peak %.0f GFLOP/s\n", kernels[k], peak);
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
			bench_row(&rows[i], a, peak);
	}
	free_actor(a);
	return 0;
}
