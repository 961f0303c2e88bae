/*
 * Vectorised environments: worlds with one policy flow each, driven from decision to decision.
 * include/canopy/env.h says what they do; this is the same without the checks of a foreign caller's
 * arguments.
 */
#ifndef LEARN_ENV_H
#define LEARN_ENV_H

#include "canopy/env.h"
#include "cert/shield.h"

struct env_set;

/* Prints what is wrong with a configuration. 0 or -errno. */
int env_set_new(struct env_set **out, const struct canopy_env_conf *conf, size_t n, int threads);
void env_set_free(struct env_set *s);

/* Puts a shield, which outlives the set, between all actions and windows; before the first reset.
 * NULL: none. */
void env_set_shield(struct env_set *s, const struct shield *shield);

/* obs is (n, 70). 0 or -ENOMEM. */
int env_set_reset(struct env_set *s, float *obs, const struct canopy_env_info *info);

/* actions[n], none NaN; obs (n, 70), rewards[n]. After a reset. 0 or -ENOMEM. */
int env_set_step(struct env_set *s, const float *actions, float *obs, float *rewards,
	const struct canopy_env_info *info);

size_t env_set_count(const struct env_set *s);

#endif
