/* Made-up decisions of some flows, one after the other, for tests of the verifier in training. */
#ifndef TESTS_FLOWS_FIXTURE_H
#define TESTS_FLOWS_FIXTURE_H

#include <math.h>
#include <string.h>

#include "cert_nets.h"
#include "learn/certifier.h"

#define FLOWS 6
#define STEPS 60

struct flows {
	float states[FLOWS * STATE_EXTENDED_SIZE];
	bool waits[FLOWS];
	uint32_t w[FLOWS], p[FLOWS];
	int32_t nchanges[FLOWS];
	int64_t changes[FLOWS * POLICY_CHANGES];
	struct rng rng;
};

// Every flow's next decision: windows that creep, states of any kind, a restart now and then.
static inline void go_on(struct flows *f, const struct state_table *table)
{
	for (int i = 0; i < FLOWS; i++) {
		float *x = f->states + i * table->size;
		int64_t *changes = f->changes + i * POLICY_CHANGES;
		uint32_t installed = f->w[i] + (uint32_t)rng_below(&f->rng, 7);

		if (!f->w[i] || rng_uniform(&f->rng) < 0.05) {
			memset(changes, 0, POLICY_CHANGES * sizeof(*changes));
			f->p[i] = 0;
			f->nchanges[i] = 0;
			f->w[i] = 20 + (uint32_t)rng_below(&f->rng, 300);
		} else {
			installed = installed > 3 + 4 ? installed - 3 : 4;
			if (f->p[i]) {
				memmove(changes, changes + 1,
					(POLICY_CHANGES - 1) * sizeof(*changes));
				changes[POLICY_CHANGES - 1] = (int64_t)installed - f->p[i];
				f->nchanges[i] += f->nchanges[i] < POLICY_CHANGES;
			}
			f->p[i] = installed;
			f->w[i] = installed + (uint32_t)rng_below(&f->rng, 3);
		}
		for (int k = 0; k < STATE_SIZE; k++)
			x[k] = (float)rng_uniform(&f->rng);
		state_tail(table, x + STATE_SIZE, f->w[i], f->p[i], f->nchanges[i],
			changes + POLICY_CHANGES);
		f->waits[i] = rng_uniform(&f->rng) < 0.9 || !f->p[i];
	}
}

static inline struct certifier_decisions view(
	const struct flows *f, const struct state_table *table)
{
	return (struct certifier_decisions){
		table, f->states, f->waits, f->w, f->p, f->nchanges, f->changes};
}

static inline struct property_file *load(const char *what)
{
	struct property_file *f;

	assert_int_equal(property_load(&f, what, NULL, 0), 0);
	return f;
}

static inline struct mlp *state_net(const struct state_table *table, uint64_t seed)
{
	const int sizes[] = {table->size, 24, 16, 1};

	return random_net(3, sizes, 0.8, seed);
}

#endif
