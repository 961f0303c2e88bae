/*
 * What canopy certify does with a model, its properties and a list of decisions: where decisions come from,
 * the tables, the certificate, pictures and counterexamples.
 */
#ifndef CLI_CERTIFY_H
#define CLI_CERTIFY_H

#include "base/file.h"
#include "base/opts.h"
#include "cert/actor.h"
#include "cert/property.h"
#include "cert/qc.h"
#include "cert/recorded.h"
#include "model/model.h"

struct certify {
	const char *model_path;
	const struct opts *opts;
	struct model *model;
	struct mlp *mlp;
	struct actor *actor;
	struct property_file *properties, *shielding; /* shielding: the shield's, NULL if the same */
	bool trained;				      /* properties are those that training names */
	struct shield *shield;			      /* NULL: the bare policy */
	struct qc_conf conf;
	int threads;
	struct recorded *recorded;	 /* owner of what decisions point to, or NULL: one of the command line */
	struct cert_decision *decisions; /* [n] those to judge */
	long *from;			 /* [n] their indices in recorded */
	long n;
	char *source;			 /* what they are, for people */
};

/*
 * Fills c->decisions: from the command line's --state, from path, or where that is NULL by simulating the
 * --setups. Prints. 0 or -errno.
 */
int certify_decisions(struct certify *c, const char *path);
void certify_free_decisions(struct certify *c);

/* Judges them, prints the tables, writes what was asked for. -ERANGE: the QC is under --require. */
int certify_run(struct certify *c);

/* The published numbers instead. */
int certify_published(struct certify *c);

/* Runs the model on every counterexample of a certificate file. */
int certify_replay(struct certify *c, const char *path);

/* Puts the claims of a VNN-LIB file to the engine instead. -ERANGE: not all are proven. */
int certify_claims(struct certify *c, const char *path);

/* Decision i's place: "reference" or "orca@drift on wired12, decision 17". Malloc'ed. */
char *certify_source(const struct certify *c, long i);

#endif
