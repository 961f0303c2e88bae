/* The loop: act, remember, update; measure, keep the best, save. */
#include "learn/train.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/work.h"
#include "learn/curves.h"
#include "learn/folder.h"
#include "learn/held_out.h"

#define DRAW_STREAM 0x64726177ull /* of the seed: what is drawn from the replay */

struct train {
	const struct train_conf *conf;
	const struct train_io *io;
	struct folder folder;
	struct crew *crew;
	struct td3 *td3;
	struct replay *replay;
	struct rollout *rollout;
	struct held_out *held_out;
	struct certified *certified; /* the loss, or NULL */
	struct td3_extra extra;
	struct experience e;
	struct curves curves;
	struct checkpoint parts;
	struct rng rng;
	uint64_t *drawn; /* [batch] */
	/* in the checkpoint: steps of all environments, segments begun, whether there is a best */
	uint64_t counts[3];
	double best[2]; /* score, and the step it is from */
	bool begun, saved; /* this segment's episodes; there is a checkpoint */
};

enum { STEPS, SEGMENT, HAS_BEST };

/* --- Set-up --- */

static void list_parts(struct train *t)
{
	t->parts.n = 0;
	td3_parts(t->td3, &t->parts);
	replay_parts(t->replay, &t->parts);
	rollout_parts(t->rollout, &t->parts);
	checkpoint_add(&t->parts, "train.", "rng", ST_I64, 4, t->rng.s);
	checkpoint_add(&t->parts, "train.", "counts", ST_I64, 3, t->counts);
	checkpoint_add(&t->parts, "train.", "best", ST_F64, 2, t->best);
}

static struct rollout_conf acting(const struct train *t, const struct setups *setups)
{
	return (struct rollout_conf){
		.setups = (struct setups *)setups,
		.table = t->conf->table,
		.exploration = t->conf->exploration,
		.drift = t->conf->drift,
		.seed = t->conf->seed,
		.shield = t->conf->shield,
		.crew = t->crew,
		.threads = t->io->threads,
	};
}

static int make_rollouts(struct train *t)
{
	struct rollout_conf conf = acting(t, &t->conf->setups);
	struct mlp *policy = td3_policy_new(t->td3);
	int err;

	conf.drift_share = t->conf->drift_share;
	conf.certify = t->conf->reward.lambda > 0 ? &t->conf->certifier : NULL;
	err = policy ? rollout_new(&t->rollout, &conf, policy) : -ENOMEM;

	if (err) {
		mlp_free(policy);
		return err;
	}
	conf = acting(t, &t->conf->held_out);
	conf.certify = t->conf->properties ? &t->conf->judge : NULL;
	policy = td3_policy_new(t->td3);
	err = policy ? held_out_new(&t->held_out, &conf, policy, t->conf->eval_decisions,
			       t->conf->score_weight)
		     : -ENOMEM;
	if (err)
		mlp_free(policy);
	return err;
}

// A property that no decision triggers is not trained for.
static void warn_of_silent(const struct train *t)
{
	const struct property_file *f = t->conf->properties;
	const struct held_out_score *s = held_out_cubic(t->held_out);

	for (int i = 0; f && i < f->n; i++)
		if (f->property[i].used && isnan(s->reference_property[i]))
			pr_warn("property %s triggers on none of the held-out reference decisions\n",
				f->property[i].name);
}

static int make_loss(struct train *t)
{
	struct mlp *shape = td3_policy_new(t->td3);
	int err =
		shape ? certified_new(&t->certified, &t->conf->certified, shape, t->crew) : -ENOMEM;

	mlp_free(shape);
	if (!err)
		t->extra = certified_extra(t->certified);
	return err;
}

static int init_model(struct train *t)
{
	struct model *m;
	int err;

	if (!t->conf->init)
		return 0;
	err = model_load(&m, t->conf->init);
	if (err)
		return err;
	if (m->states->size > t->conf->table->size) {
		pr_err("--init: %s sees %s features, the run's are %s\n", t->conf->init,
			m->states->name, t->conf->table->name);
		err = -EINVAL;
	}
	if (!err)
		err = td3_import(t->td3, m, t->conf->init);
	model_free(m);
	return err;
}

static int set_up(struct train *t)
{
	const struct train_conf *c = t->conf;
	struct td3_conf td3 = c->td3;
	int err = folder_open(&t->folder, c, t->io);

	if (err)
		return err;
	td3.extra_max = train_has_loss(c) ? certified_states(&c->certified) : 0;
	rng_init(&t->rng, c->seed, DRAW_STREAM);
	t->drawn = calloc(c->td3.batch, sizeof(*t->drawn));
	err = t->drawn ? crew_new(&t->crew, t->io->threads) : -ENOMEM;
	if (!err)
		err = td3_new(&t->td3, &td3, t->crew);
	if (!err)
		err = replay_new(&t->replay, c->setups.n, c->replay);
	if (!err)
		err = experience_init(&t->e, c->setups.n);
	if (!err)
		err = make_rollouts(t);
	if (err == -EINTR)
		pr_info("stopped before the first transition\n");
	if (!err)
		warn_of_silent(t);
	if (!err && train_has_loss(c))
		err = make_loss(t);
	return err ? err : init_model(t);
}

static void tear_down(struct train *t)
{
	curves_close(&t->curves);
	held_out_free(t->held_out);
	certified_free(t->certified);
	rollout_free(t->rollout);
	experience_free(&t->e);
	replay_free(t->replay);
	td3_free(t->td3);
	crew_free(t->crew);
	free(t->drawn);
	folder_close(&t->folder);
}

/* --- Models and checkpoints --- */

static uint64_t transitions(const struct train *t)
{
	return t->counts[STEPS] * t->conf->setups.n;
}

static int write_model(const struct train *t, const char *path, bool all)
{
	const struct train_conf *c = t->conf;
	struct model *m = model_new();
	const char *slash = strrchr(t->io->output, '/');
	int err = m ? 0 : -ENOMEM;

	if (err)
		return err;
	m->states = c->table;
	m->info.name = file_path("%s", slash ? slash + 1 : t->io->output);
	m->info.name[strcspn(m->info.name, ".")] = 0;
	m->info.canopy = file_path("%s", CANOPY_VERSION);
	m->info.training = file_path("%s", c->spec);
	if (c->shield)
		m->info.shield = file_path("%s", c->properties->text);
	m->info.seed = file_path("%" PRIu64, c->seed);
	m->info.step = file_path("%" PRIu64, td3_updates(t->td3));
	if (c->setups.nbuffers == 1)
		m->info.buffer_bdp = c->setups.buffers[0];
	err = td3_export(t->td3, m, all);
	if (!err)
		err = model_save(m, path);
	model_free(m);
	return err;
}

// Goes on from the folder's checkpoint, if there is one and it is wanted.
static int resume(struct train *t)
{
	int err;

	list_parts(t);
	err = t->io->restart ? -ENOENT : folder_resume(&t->folder, &t->parts);
	if (err)
		return err == -ENOENT ? 0 : err;
	t->saved = true;
	pr_info("going on from transition %" PRIu64 " of %s\n", transitions(t), t->folder.checkpoint);
	if (t->counts[HAS_BEST] && folder_check_best(&t->folder)) {
		pr_err("%s: the run cannot go on without its best model so far; --restart begins anew\n", t->io->dir);
		return -EINVAL;
	}
	return 0;
}

// Saves at the end of a segment; the next begins with new episodes.
static int save(struct train *t)
{
	double start = progress_clock();
	int err = td3_check(t->td3);

	if (err)
		return err;
	rollout_end(t->rollout);
	replay_pause(t->replay);
	t->counts[SEGMENT]++;
	err = checkpoint_save(&t->parts, t->folder.checkpoint, t->folder.made_by);
	t->saved |= !err;
	t->curves.checkpoint_s += progress_clock() - start;
	return err;
}

/* --- The loop --- */

static void fill(void *arg, const struct td3_batch *b, int from, int to)
{
	const struct train *t = arg;
	size_t n = t->conf->table->size;

	replay_fetch(t->replay, t->drawn + from, to - from, t->conf->table, &t->conf->reward,
		b->s0 + from * n, b->a + from, b->r + from, b->s1 + from * n);
}

static int update(struct train *t)
{
	const struct td3_source from = {fill, t};
	double start = progress_clock();
	struct td3_stats stats;
	int err;

	replay_draw(t->replay, &t->rng, t->conf->td3.batch, t->drawn);
	if (t->certified)
		certified_batch(t->certified, t->replay, t->drawn, td3_updates(t->td3));
	err = td3_update(t->td3, &from, t->certified ? &t->extra : NULL, &stats);
	curves_update(&t->curves, &stats, progress_clock() - start);
	return err;
}

// Updates that should have been made by now, all of them by the end.
static uint64_t due(const struct train *t)
{
	const struct train_conf *c = t->conf;
	double done = (double)transitions(t) - c->warmup, all = (double)c->transitions - c->warmup;

	if (done <= 0)
		return 0;
	return done >= all ? c->updates : (uint64_t)(c->updates * (done / all));
}

static int catch_up(struct train *t)
{
	uint64_t target = due(t);
	int err = 0;

	if (target && !td3_updates(t->td3) && !replay_count(t->replay)) {
		pr_err("no environment came to a second decision in %" PRIu64 " steps\n",
			t->counts[STEPS]);
		return -EINVAL;
	}
	while (!err && td3_updates(t->td3) < target)
		err = work_stopped() ? -EINTR : update(t);
	return err;
}

static int evaluate(struct train *t)
{
	double start = progress_clock();
	struct held_out_score s;
	int64_t step = (int64_t)transitions(t);
	int err;

	td3_policy(t->td3, held_out_policy(t->held_out));
	err = held_out_run(t->held_out, &s);
	if (!err && (!t->counts[HAS_BEST] || s.score > t->best[0])) {
		t->counts[HAS_BEST] = 1;
		t->best[0] = s.score;
		t->best[1] = (double)step;
		err = write_model(t, t->folder.best, false);
	}
	t->curves.held_out_s += progress_clock() - start;
	return err ? err : curves_held_out(&t->curves, step, &s, t->best[0]);
}

// Whether something that comes every so many transitions (0: at the end) is due after this step.
static bool comes(const struct train *t, uint64_t every)
{
	uint64_t n = t->conf->setups.n, all = t->conf->transitions, now = transitions(t);

	return now >= all || (every && now / every != (now - n) / every);
}

static int begin(struct train *t)
{
	int err;

	if (t->begun)
		return 0;
	err = rollout_begin(t->rollout, t->counts[SEGMENT], &t->e);
	if (err)
		return err;
	replay_add(t->replay, &t->e.step);
	t->begun = true;
	return 0;
}

static int step(struct train *t, uint64_t *logged)
{
	struct certifier *certifier = rollout_certifier(t->rollout);
	struct certifier_sum sums[PROPERTY_MAX];
	struct rollout_stats stats;
	int err = begin(t);

	if (err)
		return err;
	td3_policy(t->td3, rollout_policy(t->rollout));
	rollout_drift(t->rollout, t->conf->drift > 0 && transitions(t) < t->conf->warmup);
	err = rollout_step(t->rollout, &t->e);
	if (err)
		return err;
	replay_add(t->replay, &t->e.step);
	t->counts[STEPS]++;
	err = catch_up(t);
	if (!err && comes(t, t->conf->log_every)) {
		stats = rollout_tell(t->rollout);
		if (certifier)
			certifier_tell(certifier, sums);
		err = curves_line(&t->curves, (int64_t)transitions(t), transitions(t) - *logged,
			&stats, certifier ? sums : NULL, t->conf->reward.lambda);
		*logged = transitions(t);
	}
	if (!err && comes(t, t->conf->eval_every))
		err = evaluate(t);
	if (!err && comes(t, t->conf->checkpoint_every)) {
		err = save(t);
		t->begun = false;
	}
	return err;
}

static void tell_stopped(const struct train *t, int err)
{
	log_print(err == -EINTR ? LOG_INFO : LOG_ERR, "stopped at transition %" PRIu64 ": %s\n", transitions(t),
		!t->saved	  ? "there is no checkpoint yet, the same command begins anew"
		: err == -EDOM	  ? "the last checkpoint stays"
		: t->io->restart ? "the same command without restart goes on from the last checkpoint"
				  : "the same command goes on from the last checkpoint");
}

static int loop(struct train *t)
{
	uint64_t all = t->conf->transitions, from = transitions(t), logged = from;
	struct progress progress;
	char extra[64] = "";
	int err = 0;

	progress_start(&progress, "transitions", (double)(all - (from < all ? from : all)));
	while (!err && transitions(t) < all && !work_stopped()) {
		err = step(t, &logged);
		if (t->counts[HAS_BEST])
			snprintf(extra, sizeof(extra), "best score %.4f at %.0f", t->best[0],
				t->best[1]);
		progress_update(&progress, (double)(transitions(t) - from), extra);
	}
	progress_end(&progress);
	if (!err && transitions(t) < all)
		err = -EINTR;
	return err;
}

static int go_on(struct train *t)
{
	bool first = !t->counts[STEPS];
	int err = begin(t), late;

	if (err) // before anything is written: a set-up can be impossible
		return err;
	if (first)
		err = folder_begin(&t->folder);
	if (!err)
		err = curves_open(&t->curves, t->io->dir, (int64_t)transitions(t), t->conf->properties);
	if (!err && first)
		err = curves_held_out(&t->curves, 0, held_out_cubic(t->held_out), NAN);
	if (!err && first && t->conf->init)
		err = evaluate(t);
	if (!err)
		err = loop(t);
	if (err)
		tell_stopped(t, err);
	late = curves_close(&t->curves);
	return err ? err : late;
}

static int run(struct train *t)
{
	int err = resume(t);

	if (!err && transitions(t) < t->conf->transitions)
		err = go_on(t);
	if (!err)
		err = write_model(t, t->folder.last, true);
	if (!err)
		err = folder_publish(&t->folder);
	if (!err)
		pr_info("%s: the best of %" PRIu64 " transitions, score %.4f at %.0f\n",
			t->io->output, transitions(t), t->best[0], t->best[1]);
	return err;
}

int train_run(const struct train_conf *c, const struct train_io *io)
{
	struct train *t = calloc(1, sizeof(*t));
	int err;

	if (!t)
		return -ENOMEM;
	t->conf = c;
	t->io = io;
	err = set_up(t);
	if (!err)
		err = run(t);
	tear_down(t);
	free(t);
	return err;
}
