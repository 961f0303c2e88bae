/* VNN-LIB files before z3, an independent judge of their grammar and, on small networks, their meaning. */
#include <stdio.h>

#include "nn/mlp.h"
#include "vnnlib_fixture.h"

static void need_z3(void)
{
	if (!system("command -v z3 >/dev/null"))
		return;
	print_message("skip: apt-get install z3 judges the files independently\n");
	skip();
}

// z3's first line on a text: "sat", "unsat", or a complaint.
static void ask_z3(char answer[128], const char *text)
{
	char *path = file_path("%s/ask.smt2", dir), *cmd = file_path("z3 -T:60 '%s' 2>&1", path);
	FILE *f;

	assert_int_equal(file_write(path, text, strlen(text)), 0);
	f = popen(cmd, "r");
	assert_non_null(f);
	assert_non_null(fgets(answer, 128, f));
	answer[strcspn(answer, "\n")] = '\0';
	while (fgetc(f) != EOF)
		;
	pclose(f);
	free(cmd);
	free(path);
}

static void z3_takes_both_kinds_of_file(void **state)
{
	char answer[128];
	struct region r;
	struct rng rng;

	need_z3();
	rng_init(&rng, 4, 0);
	for (int i = 0; i < 6; i++) {
		char *text, *ask;

		random_region(&r, &rng);
		text = written(&r, &some, i % 2 ? VNNLIB_EXACT : VNNLIB_BOX);
		ask = file_path("%s(check-sat)\n", text);
		ask_z3(answer, ask);
		assert_string_equal(answer, "sat"); // nothing ties Y_0 to a network yet
		free(ask);
		free(text);
	}
}

// The network as constraints between X_i and Y_0, in exact decimals.
static void put_network(FILE *f, const struct mlp *m)
{
	char from[16] = "X";

	for (int l = 0; l < m->n; l++) {
		const struct mlp_layer *layer = &m->layer[l];
		bool last = l == m->n - 1;

		for (int o = 0; o < layer->out; o++) {
			fprintf(f, "(define-fun z%d_%d () Real (+ (- %.1074f %.1074f)", l, o,
				fmax(layer->b[o], 0), fmax(-layer->b[o], 0));
			for (int k = 0; k < layer->in; k++) {
				double w = layer->w[k * layer->out + o];

				fprintf(f, " (* %s%.1074f%s %s_%d)", w < 0 ? "(- " : "", fabs(w),
					w < 0 ? ")" : "", from, k);
			}
			fprintf(f, "))\n");
			if (!last)
				fprintf(f,
					"(define-fun h%d_%d () Real (ite (> z%d_%d 0.0) z%d_%d (* "
					"0.2 z%d_%d)))\n",
					l, o, l, o, l, o, l, o);
		}
		snprintf(from, sizeof(from), "h%d", l);
	}
	fprintf(f, "(assert (= Y_0 z%d_0))\n(check-sat)\n", m->n - 1);
}

static void assert_judged(const struct mlp *m, const struct region *r, const struct band *b,
	enum vnnlib_mode mode, const char *want)
{
	char *claim = written(r, b, mode), *text = NULL, answer[128];
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	fputs(claim, f);
	put_network(f, m);
	fclose(f);
	ask_z3(answer, text);
	assert_string_equal(answer, want);
	free(text);
	free(claim);
}

static struct band open_band(double lo, double hi)
{
	return (struct band){.first = 50, .last = 150, .sure_lo = lo, .sure_hi = hi};
}

// y = 2 delay_metric - inv_rtt over inv_rtt in [0.5, 1]: 0.75 at 0.5, 1.2 at the kink, 1 at the end.
// Untied it would range over [0.25, 1.5].
static void z3_knows_the_tie(void **state)
{
	struct mlp *m;
	struct band wide = open_band(0.7, 1.25), low = open_band(0.7, 1.19),
		    high = open_band(0.76, 1.25), all = open_band(0.2, 1.6);
	struct region r;

	need_z3();
	m = mlp_new(1, (int[]){FRAME_FEATURES, 1}, 0.2);
	m->layer[0].w[FRAME_DELAY] = 2;
	m->layer[0].w[FRAME_INV_RTT] = -1;
	region_point(&r, (double[FRAME_FEATURES]){0.1, 0.2, -0.3}, FRAME_FEATURES);
	assert_int_equal(region_vary(&r, FRAME_INV_RTT, 0.5, 1), 0);
	assert_judged(m, &r, &wide, VNNLIB_EXACT, "unsat");
	assert_judged(m, &r, &wide, VNNLIB_BOX, "sat"); // the larger region
	assert_judged(m, &r, &all, VNNLIB_BOX, "unsat");
	assert_judged(m, &r, &low, VNNLIB_EXACT, "sat");
	assert_judged(m, &r, &high, VNNLIB_EXACT, "sat");
	mlp_free(m);
}

// Random networks with a hidden layer: the range on a fine grid, and bands just outside and inside of it. The
// output is linear between the grid's points but for kinks, and its slope times the grid's step is far below
// the margin.
static void z3_agrees_on_small_networks(void **state)
{
	enum { GRID = 20000 };
	struct rng rng;

	need_z3();
	rng_init(&rng, 5, 0);
	for (int i = 0; i < 4; i++) {
		struct mlp *m = mlp_new(2, (int[]){FRAME_FEATURES, 4, 1}, 0.2);
		double x[FRAME_FEATURES], least = INFINITY, most = -INFINITY, y, margin = 1e-3;
		struct region r;
		struct band in, above, below;

		for (int l = 0; l < 2; l++) {
			for (int k = 0; k < m->layer[l].in * m->layer[l].out; k++)
				m->layer[l].w[k] = rng_normal(&rng);
			for (int k = 0; k < m->layer[l].out; k++)
				m->layer[l].b[k] = rng_normal(&rng);
		}
		for (int k = 0; k < FRAME_FEATURES; k++)
			x[k] = rng_normal(&rng);
		region_point(&r, x, FRAME_FEATURES);
		assert_int_equal(region_vary(&r, FRAME_INV_RTT, 0.6, 1), 0);
		for (int g = 0; g <= GRID; g++) {
			double t = 0.6 + 0.4 * g / GRID;

			region_state(&r, &t, x);
			mlp_forward_ref(m, x, &y, 1);
			least = fmin(least, y);
			most = fmax(most, y);
		}
		in = open_band(least - margin, most + margin);
		above = open_band(least - margin, most - (most - least) / 100);
		below = open_band(least + (most - least) / 100, most + margin);
		assert_judged(m, &r, &in, VNNLIB_EXACT, "unsat");
		assert_judged(m, &r, &above, VNNLIB_EXACT, "sat");
		assert_judged(m, &r, &below, VNNLIB_EXACT, "sat");
		mlp_free(m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(z3_takes_both_kinds_of_file),
		cmocka_unit_test(z3_knows_the_tie),
		cmocka_unit_test(z3_agrees_on_small_networks),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
