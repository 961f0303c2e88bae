/* Grids and draws of environments. */
#include "learn/setups.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/rng.h"

#define DRAW_STREAM 0x7365747570ull /* of the seed and segment: what is drawn for environment 0 */
#define CELLULAR_SECONDS 60
#define STEP_FACTORS 3 /* 2, 4, 8 */
#define STEP_SECONDS 7

static const char *key(const char *name, bool held_out, char buf[64])
{
	snprintf(buf, 64, "%s%s", held_out ? "eval-" : "", name);
	return buf;
}

static int count(struct setups *s, const struct opts *o, bool held_out)
{
	double all = (double)(s->nrates + s->ntraces) * s->ndelays * s->nbuffers;

	if (!s->random && !held_out && (opts_given(o, "envs") || s->trace_share > 0)) {
		pr_err("--%s: a grid is all combinations of its lists; --setups random draws\n",
			s->trace_share > 0 ? "trace-share" : "envs");
		return -EINVAL;
	}
	if (s->random) {
		s->n = (int)opts_int(o, "envs");
		if (s->nrates && !s->ntraces)
			return 0;
		pr_err(s->nrates ? "--traces: only a grid takes traces\n"
				 : "--rates: an empty list\n");
		return -EINVAL;
	}
	if (all < 1 || all > SETUPS_MAX) {
		pr_err("%.0f environments: there must be 1 to %d\n", all, SETUPS_MAX);
		return -EINVAL;
	}
	s->n = (int)all;
	return 0;
}

static enum canopy_emulator emulator_of(const char *word)
{
	return !strcmp(word, "mahimahi") ? CANOPY_MAHIMAHI
	       : !strcmp(word, "grid")	 ? CANOPY_GRID
					 : CANOPY_IDEAL;
}

int setups_init(struct setups *s, const struct opts *o, bool held_out, uint64_t seed)
{
	char buf[64];
	int err;

	*s = (struct setups){.seed = seed,
		.random = !held_out && !strcmp(opts_text(o, "setups"), "random"),
		.trace_share = held_out ? 0 : opts_real(o, "trace-share"),
		.uplink = file_path("%s", opts_text(o, "uplink")),
		.noise_feature = file_path("%s", opts_text(o, "noise-feature"))};
	s->base = (struct canopy_env_conf){
		.uplink = s->uplink,
		.loss = opts_real(o, "loss"),
		.noise = opts_real(o, "noise"),
		.noise_feature = s->noise_feature,
		.noise_gaussian = !strcmp(opts_text(o, "noise-kind"), "gaussian"),
		.receive_window = opts_real(o, "receive-window"),
		.delay_tolerance = opts_real(o, "delay-tolerance"),
		.drop_price = opts_text(o, "drop-price") ? opts_real(o, "drop-price") : 0,
		.steps = (uint64_t)opts_int(o, "episode"),
		.emulator = emulator_of(opts_text(o, "emulator")),
	};
	s->nrates = opts_reals(o, key("rates", held_out, buf), &s->rates);
	s->ntraces = opts_texts(o, key("traces", held_out, buf), &s->traces);
	s->ndelays = opts_reals(o, key("delays", held_out, buf), &s->delays);
	key("buffers", held_out, buf);
	s->nbuffers = opts_reals(o, opts_text(o, buf) ? buf : "buffers", &s->buffers);
	err = !s->ndelays || !s->nbuffers ? -EINVAL : count(s, o, held_out);
	if (!s->ndelays || !s->nbuffers)
		pr_err("--%s: an empty list\n",
			key(s->ndelays ? "buffers" : "delays", held_out, buf));
	s->names = err ? NULL : calloc(s->n, sizeof(*s->names));
	if (!err && !s->names)
		err = -ENOMEM;
	if (err)
		setups_free(s);
	return err;
}

void setups_free(struct setups *s)
{
	free(s->rates);
	free(s->delays);
	free(s->buffers);
	free(s->traces);
	free(s->uplink);
	free(s->noise_feature);
	free(s->names);
	memset(s, 0, sizeof(*s));
}

static double between(struct rng *rng, const double *v, int n)
{
	double lo = v[0], hi = v[0];

	for (int i = 1; i < n; i++) {
		lo = fmin(lo, v[i]);
		hi = fmax(hi, v[i]);
	}
	return lo * exp(rng_uniform(rng) * log(hi / lo));
}

// A cellular link with this mean, or a rate that steps up or down around it.
static void name_trace(struct rng *rng, double mbps, char name[64])
{
	double mean = fmax(1, round(mbps));

	if (rng_below(rng, 2))
		snprintf(name, 64, "cellular:%d:%.0f:%d", (int)rng_below(rng, 1u << 30), mean,
			CELLULAR_SECONDS);
	else
		snprintf(name, 64, "wired%.0f-%dx-%c-%ds", mean, 2 << rng_below(rng, STEP_FACTORS),
			rng_below(rng, 2) ? 'u' : 'd', STEP_SECONDS);
}

static void draw(struct setups *s, uint64_t segment, int i, struct canopy_env_conf *c)
{
	struct rng rng;

	rng_init(&rng, s->seed, DRAW_STREAM + segment * SETUPS_MAX + i);
	c->seed = rng_u64(&rng);
	if (!s->random) {
		int b = i % s->nbuffers, d = i / s->nbuffers % s->ndelays,
		    r = i / s->nbuffers / s->ndelays;

		c->buffer_bdp = s->buffers[b];
		c->delay_ms = s->delays[d];
		if (r < s->nrates)
			c->rate_mbps = s->rates[r];
		else
			c->trace = s->traces[r - s->nrates];
		return;
	}
	c->rate_mbps = between(&rng, s->rates, s->nrates);
	c->delay_ms = between(&rng, s->delays, s->ndelays);
	c->buffer_bdp = between(&rng, s->buffers, s->nbuffers);
	if (rng_uniform(&rng) >= s->trace_share)
		return;
	name_trace(&rng, c->rate_mbps, s->names[i]);
	c->trace = s->names[i];
	c->nominal_mbps = c->rate_mbps;
}

void setups_fill(struct setups *s, uint64_t segment, struct canopy_env_conf *confs)
{
	for (int i = 0; i < s->n; i++) {
		confs[i] = s->base;
		draw(s, segment, i, &confs[i]);
	}
}
