/* include/canopy/env.h over the learner's environments: only the checks of a foreign caller's arguments. */
#include "canopy/env.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/log.h"
#include "learn/env.h"

#define THREADS_MAX 1024

struct canopy_env {
	struct env_set *set;
	bool ready; /* a reset came, and no error since */
};

int canopy_env_new(
	struct canopy_env **out, const struct canopy_env_conf *conf, size_t conf_size, size_t n, int threads)
{
	struct canopy_env *e;
	int err;

	if (!out || !conf || conf_size != sizeof(*conf) || !n || n > CANOPY_ENV_MAX || threads < 1 ||
		threads > THREADS_MAX) {
		pr_err("environments: a pointer, the configuration's size, their number (1 to %d) or that of "
		       "threads (1 to %d) is wrong\n",
			CANOPY_ENV_MAX, THREADS_MAX);
		return -EINVAL;
	}
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	err = env_set_new(&e->set, conf, n, threads);
	if (err)
		free(e);
	else
		*out = e;
	return err;
}

void canopy_env_free(struct canopy_env *e)
{
	if (!e)
		return;
	env_set_free(e->set);
	free(e);
}

int canopy_env_reset(struct canopy_env *e, float *obs, const struct canopy_env_info *info)
{
	int err;

	if (!e || !obs)
		return -EINVAL;
	err = env_set_reset(e->set, obs, info);
	e->ready = !err;
	return err;
}

int canopy_env_step(struct canopy_env *e, const float *actions, float *obs, float *rewards,
	const struct canopy_env_info *info)
{
	int err;

	if (!e || !actions || !obs || !rewards || !e->ready)
		return -EINVAL;
	for (size_t i = 0; i < env_set_count(e->set); i++)
		if (isnan(actions[i]))
			return -EINVAL;
	err = env_set_step(e->set, actions, obs, rewards, info);
	e->ready = !err;
	return err;
}

size_t canopy_env_count(const struct canopy_env *e)
{
	return e ? env_set_count(e->set) : 0;
}
