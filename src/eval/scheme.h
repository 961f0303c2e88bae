/*
 * Schemes: who sends in a run. What a user names is one of
 *
 *   cubic                    a classic controller (cc_find)
 *   path/m.safetensors       a policy on top of CUBIC, called "m" in results
 *   path/m.safetensors@zero  the same flow with the action fixed at 0: TCP only, states and rewards recorded
 *   ...@drift                ... with an action that drifts slowly around 0: for reference decisions
 *   ...@fallback             the policy, but CUBIC's own window where too little of the properties is proven
 *   ...@shield               the policy, its window moved to the nearest one that the properties allow
 *   cubic+bbr                several of these, taking turns flow by flow
 *
 * Of runs over the emulator (set.kernel) it is a controller of this kernel, or several.
 */
#ifndef EVAL_SCHEME_H
#define EVAL_SCHEME_H

#include <stdbool.h>

#include "cc/cc.h"
#include "cert/actor.h"
#include "eval/results.h"
#include "model/model.h"

#define SCHEME_SENDERS 8 /* most in a mix */
#define SCHEME_MODELS 64 /* most in a set */

enum sender_variant { SENDER_PLAIN, SENDER_ZERO, SENDER_DRIFT, SENDER_FALLBACK, SENDER_SHIELD, SENDER_VARIANTS };
extern const char *const sender_variants[SENDER_VARIANTS]; /* "", "@zero", ... */

struct sender {
	char *name;                       /* in results: "cubic", "m", "m@zero" */
	const struct cc_ops *cc;          /* a classic controller, or NULL: the policy below */
	const struct scheme_model *model; /* the set's; NULL with cc NULL: the kernel's of that name */
	enum sender_variant variant; /* of a policy */
};

struct scheme_model {
	char *path, *name; /* name: the file's, without folders and .safetensors */
	struct model *model;
	struct mlp *mlp;   /* its actor, folded; shared by all threads */
	struct actor *actor; /* the same for certificates, NULL until scheme_set_actors */
};

struct scheme {
	char name[RESULTS_NAME]; /* senders' names joined by + */
	int n;
	struct sender senders[SCHEME_SENDERS];
};

/* The schemes of a grid and the models they use, each file loaded once. Zeroed to begin with. */
struct scheme_set {
	struct scheme *schemes;
	int n;
	struct scheme_model *models[SCHEME_MODELS];
	int nmodels;
	bool kernel; /* set it before the first scheme */
};

/*
 * Adds the scheme named `what`. An unknown controller is reported with the nearest known one; a scheme or a
 * model name that is there already is an error. Prints the error. 0 or -errno.
 */
int scheme_add(struct scheme_set *set, const char *what);
void scheme_set_free(struct scheme_set *set);

/* Prepares every model for certificates. Prints the error. 0 or -errno. */
int scheme_set_actors(struct scheme_set *set);

/* Whether a sender of that variant is in it. */
bool scheme_has(const struct scheme *s, enum sender_variant v);

/* The model of the first sender that has one, or NULL: the scheme is classic. */
const struct scheme_model *scheme_model(const struct scheme *s);

#endif
