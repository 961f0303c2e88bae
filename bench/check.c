/*
 * The checker beside the engines: us a part on one core, to prove all leaves again and to read the
 * file. Direct: what the multiply-adds in double would take at the peak rate that bring a corner
 * for each leaf of an exact partition through layer 2, without what corners have in common. On the
 * published actor where it is at ../shared, else on a random network of its shape.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../tests/cert_nets.h"
#include "../tests/check_model.h"
#include "cert/cert_file.h"
#include "check/proof.h"
#include "peak.h"

#define REGIONS 60
#define LEAST_S 0.005 /* of repetitions of a region, of which the fastest counts */
#define LEAST_TIMES 5
#define NEWEST_RTT 68
#define NEWEST_LOSS 65
#define WINDOW 100

static const struct row {
	const char *name;
	enum engine_kind kind;
	int slices;
	long budget;
	double rtt[2], loss[2]; // loss stays concrete where both are the same
	bool exact;
} rows[] = {
	{"exact, inv_rtt .75..1", ENGINE_EXACT, 1, 0, {0.75, 1}, {0, 0}, true},
	{"exact, inv_rtt .99..1", ENGINE_EXACT, 1, 0, {0.99, 1}, {0, 0}, true},
	{"exact, inv_rtt 0..1", ENGINE_EXACT, 1, 0, {0, 1}, {0, 0}, true},
	{"exact, inv_rtt 0...25", ENGINE_EXACT, 1, 0, {0, 0.25}, {0, 0}, true},
	{"exact, .99..1 x loss .25..1", ENGINE_EXACT, 1, 0, {0.99, 1}, {0.25, 1}, true},
	{"box, inv_rtt .75..1, 5", ENGINE_BOX, 5, 0, {0.75, 1}, {0, 0}, false},
	{"box, inv_rtt .75..1, 50", ENGINE_BOX, 50, 0, {0.75, 1}, {0, 0}, false},
	{"linear, inv_rtt .75..1", ENGINE_LINEAR, 5, 50, {0.75, 1}, {0, 0}, false},
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
			states[i][k] = state ? (float)json_number_value(json_array_get(state, k))
					     : rng_uniform(&r);
	}
	json_decref(j);
}

static struct model *published(void)
{
	struct model *m = NULL;

	if (access(ORCA ".index", R_OK) || tf_import_file(&m, ORCA))
		m = check_model(CHECK_SHAPES - 1, 1, 1);
	model_digest(m);
	return m;
}

// An entry of one part, certified; the engine's best time in us.
static double certify(
	struct cert_entry *e, const struct row *row, struct engine *engine, const double *state)
{
	struct engine_ask ask = {.slices = row->slices, .budget = row->budget};
	struct engine_answer a;
	struct cert_part *p = calloc(1, sizeof(*p));
	struct engine_sink sink = cert_tree_sink(&p->tree, 1 + (row->loss[0] < row->loss[1]));
	double best = INFINITY, end = now_s() + LEAST_S;

	*e = (struct cert_entry){.nstate = STATE_SIZE, .w = WINDOW, .parts = p, .nparts = 1};
	memcpy(e->state, state, sizeof(states[0]));
	region_point(&ask.region, e->state, STATE_SIZE);
	region_vary(&ask.region, NEWEST_RTT, row->rtt[0], row->rtt[1]);
	if (row->loss[0] < row->loss[1])
		region_vary(&ask.region, NEWEST_LOSS, row->loss[0], row->loss[1]);
	p->region = ask.region;
	p->lo = WINDOW;
	p->hi = WINDOW + 25;
	band_make(&ask.band, p->lo, p->hi, WINDOW);
	for (int i = 0; i < LEAST_TIMES || now_s() < end; i++) {
		double start = now_s();

		if (engine_run(engine, row->kind, &ask, &a))
			exit(1);
		best = fmin(best, now_s() - start);
	}
	ask.sink = &sink;
	p->property = strdup("p");
	if (engine_run(engine, row->kind, &ask, &a) || cert_part_claim(p, &a))
		exit(1);
	return best * 1e6;
}

static double prove(struct proof *proof, const struct cert_part *p)
{
	double best = INFINITY, end = now_s() + LEAST_S;
	struct proof_result found;
	char why[160];

	for (int i = 0; i < LEAST_TIMES || now_s() < end; i++) {
		double start = now_s();

		if (proof_part(proof, p, WINDOW, NULL, &found, why, sizeof(why))) {
			printf("rejected: %s\n", why);
			exit(1);
		}
		best = fmin(best, now_s() - start);
	}
	return best * 1e6;
}

static double read_us(const char *path)
{
	double best = INFINITY;

	for (int i = 0; i < LEAST_TIMES; i++) {
		double start = now_s();
		struct cert_reader *r;
		struct cert_entry e;

		if (cert_file_open(&r, path))
			exit(1);
		while (cert_file_next(r, &e) > 0)
			cert_entry_free(&e);
		cert_file_close(r);
		best = fmin(best, now_s() - start);
	}
	return best * 1e6 / REGIONS;
}

static void bench_row(
	const struct row *row, struct engine *engine, struct proof *proof, double peak)
{
	static char path[] = "/tmp/canopy-bench-XXXXXX";
	struct cert_head head = {.model_name = "", .property = {.text = ""}};
	double certified = 0, proved = 0, leaves = 0, parsed, direct;
	struct cert_writer *w;

	memset(head.model_sha256, '0', HASH_HEX - 1);
	strcpy(path + strlen(path) - 6, "XXXXXX");
	close(mkstemp(path));
	if (cert_file_create(&w, path, &head))
		exit(1);
	for (int i = 0; i < REGIONS; i++) {
		struct cert_entry e;
		char *line;

		certified += certify(&e, row, engine, states[i]) / REGIONS;
		proved += prove(proof, &e.parts[0]) / REGIONS;
		leaves += (double)e.parts[0].tree.nbounds / 2 / REGIONS;
		line = cert_entry_format(&e);
		cert_file_add(w, line);
		free(line);
		cert_entry_free(&e);
	}
	if (cert_file_finish(w, true))
		exit(1);
	parsed = read_us(path);
	unlink(path);
	direct = 2 * leaves * 256 * 256 / (peak / 2) / 1e3;
	printf("  %-28s %7.1f us engine, %8.1f us proofs (%.1f times), %7.1f us reading, %6.1f "
	       "leaves",
		row->name, certified, proved, proved / certified, parsed, leaves);
	if (row->exact)
		printf(", direct %.1f us", direct);
	putchar('\n');
}

int main(void)
{
	struct model *model = published();
	struct mlp *mlp = model_fold(model);
	double peak = peak_of(mlp_kernel());
	struct actor *actor;
	struct engine *engine;
	struct proof *proof;
	struct net *net;

	if (actor_new(&actor, mlp) || net_new(&net, model) || proof_new(&proof, net))
		return 1;
	fill_states();
	engine = engine_new(actor);
	printf("70-256-256-1, %s, peak %.0f GFLOP/s\n",
		access(ORCA ".index", R_OK) ? "random weights" : "the published actor", peak);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		bench_row(&rows[i], engine, proof, peak);
	proof_free(proof);
	net_free(net);
	engine_free(engine);
	free_actor(actor);
	model_free(model);
	return 0;
}
