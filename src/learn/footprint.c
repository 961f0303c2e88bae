/* Sums of what the parts of a run allocate. */
#include "learn/footprint.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "model/safetensors.h"
#include "nn/tensors.h"

#define CRITICS 2
#define GB 1e9

// Floats of the activations and derivatives of a pass over so many rows.
static double pass_floats(const struct net_shape *s, double rows)
{
	double widths = 0;

	for (int l = 0; l < s->n - 1; l++)
		widths += (s->layer[l].norm ? 3.0 : 2.0) * s->layer[l].out;
	return rows * (2 + widths);
}

struct footprint footprint_of(const struct train_conf *c)
{
	const struct td3_conf *t = &c->td3;
	int dims[MLP_MAX_LAYERS + 1] = {t->states};
	double extra = train_has_loss(c) ? certified_states(&c->certified) : 0;
	double networks, adam, rows, replay = (double)replay_bytes(c->setups.n, c->replay);
	struct net_shape actor, critic;

	memcpy(dims + 1, t->hidden, t->nhidden * sizeof(*dims));
	dims[t->nhidden + 1] = 1;
	net_shape_init(&actor, t->nhidden + 1, dims, t->batch_norm, false);
	net_shape_init(&critic, t->nhidden + 1, dims, false, true);
	networks = 2.0 * actor.size + 2.0 * CRITICS * critic.size;
	adam = 2.0 * actor.trained * (t->extra_rate > 0 ? 2 : 1) + 2.0 * CRITICS * critic.trained;
	rows = pass_floats(&actor, t->batch) + CRITICS * pass_floats(&critic, t->batch) +
	       pass_floats(&actor, extra) + 2.0 * t->states * (t->batch + extra);
	return (struct footprint){
		.replay = replay,
		.learner = sizeof(float) * (networks + 1.5 * adam + rows), // gradients: half
		.checkpoint = replay + sizeof(float) * (networks + adam),
	};
}

int footprint_check(const struct train_conf *c)
{
	struct footprint f = footprint_of(c);
	double all = f.replay + f.learner + f.checkpoint,
	       have = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);

	if (all > have) {
		pr_err("this run would take %.1f GB of memory, the machine has %.1f: %.1f for "
		       "--replay, %.1f for --hidden, --batch and --loss-decisions, %.1f while a "
		       "checkpoint is written\n",
			all / GB, have / GB, f.replay / GB, f.learner / GB, f.checkpoint / GB);
		return -ENOMEM;
	}
	if (f.checkpoint > (double)ST_MAX_FILE) {
		pr_err("--replay: a checkpoint with %llu transitions would take %.1f GB, at most "
		       "%.1f can be read back\n",
			(unsigned long long)c->replay, f.checkpoint / GB, ST_MAX_FILE / GB);
		return -EFBIG;
	}
	return 0;
}
