/*
 * Certificate files: what was proved about a model's decisions, on what evidence, for anyone to
 * check.
 *
 * A file is one JSON document laid out in lines: a head, a line for every decision, and a digest of
 * all bytes before it. It is written and read a decision at a time, so neither side holds more than
 * one. doc/formats.md describes it. The evidence of a part is the partition of its region on which
 * the engine's answer rests: a binary tree of cuts with the bound claimed on every leaf.
 *
 * Reading checks form only: that numbers are finite, indices exist, intervals are the right way
 * round and trees are whole. Whether any of it is true is the checker's business (check/check.h).
 */
#ifndef CERT_CERT_FILE_H
#define CERT_CERT_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/hash.h"
#include "cert/engine.h"
#include "cert/region.h"

#define CERT_FORMAT "canopy-certificate"
#define CERT_VERSION 1
#define CERT_VERSION_SHIELDED 2 /* of files about a shielded policy */
#define CERT_SHIELDED "shielded" /* their member policy */
#define CERT_CHANGES 64	       /* most installed changes of a decision */
#define CERT_PARTS 64	       /* most parts of a decision */
#define CERT_LINE (256u << 20) /* bytes a line may have at most */

/* A binary tree in preorder: kind has one letter a node, cuts and bounds the numbers of its cuts
 * and leaves. */
enum cert_node {
	CERT_AXIS = 'a', /* cut t[d] <= offset: cuts has d, offset */
	CERT_CUT = 'c',	 /* cut normal . t <= offset: cuts has the normal (ndims numbers), offset */
	CERT_HOLDS = 'h', /* leaves: bounds has y_lo, y_hi */
	CERT_FAILS = 'f',
	CERT_UNKNOWN = 'u', /* the one kind whose bounds may be infinite */
	CERT_SHIELD_HOLDS = 's', /* leaves without bounds: the shield sees to it that the target
				    holds, or fails, whatever y is */
	CERT_SHIELD_FAILS = 'v',
};

/* Whether a node is a leaf with bounds; or one without. */
static inline bool cert_bounded(char kind)
{
	return kind == CERT_HOLDS || kind == CERT_FAILS || kind == CERT_UNKNOWN;
}

static inline bool cert_shield_leaf(char kind)
{
	return kind == CERT_SHIELD_HOLDS || kind == CERT_SHIELD_FAILS;
}

struct cert_tree {
	int ndims;
	size_t nodes, ncuts, nbounds; /* of the arrays */
	char *kind;
	double *cuts, *bounds;
	size_t room[3]; /* allocated items of the three */
	bool lost;	/* memory ran out: the tree is not whole */
};

struct cert_part {
	char *property;	      /* name in the property text */
	struct region region; /* its x is the decision's state, but for the inputs that the property
				 fixes */
	int64_t lo, hi;	      /* target: installed windows, packets, inclusive */
	char *engine;
	double proven, refuted, exact; /* shares; exact NAN where the engine has none */
	double y_lo, y_hi;	       /* holds every executed y */
	struct cert_tree tree;
	bool missed;		 /* the executed network misses the target at ... */
	double t[REGION_INPUTS]; /* ... this point of the region, ndims numbers */
};

/* What is recorded of one decision. */
struct cert_entry {
	char *source;		     /* where it was recorded, for people */
	double state[REGION_INPUTS]; /* [nstate] */
	int nstate;
	uint32_t w, p;	/* packets: the window decided on, the previously installed one (0: none) */
	uint32_t clean; /* packets: the window installed in the concrete state */
	int nchanges;
	int64_t changes[CERT_CHANGES]; /* installed changes, newest first */
	int nparts;
	struct cert_part *parts; /* [nparts] triggered, in the order of the property text */
};

struct cert_param {
	char *name;
	double value;
};

/* Properties that a certificate rests on. */
struct cert_text {
	char *file; /* for people */
	char *text; /* verbatim */
	char *set;  /* the set or property of it that counts */
	char sha256[HASH_HEX];
};

struct cert_head {
	char *canopy;	  /* version that wrote it */
	char *model_name; /* for people */
	char model_sha256[HASH_HEX];
	struct cert_text property; /* what is judged */
	struct cert_text shield;   /* what the policy's shield enforces; text NULL: the bare policy */
	struct cert_param *params; /* [nparams] what its parameters are, where they were overridden:
				      for people */
	int nparams;
};

/* Frees what the structures own, and zeroes them. */
void cert_head_free(struct cert_head *h);
void cert_entry_free(struct cert_entry *d);

/* A sink for engine_ask that records the partition in a zeroed tree; t->lost tells of memory that
 * ran out. */
struct engine_sink cert_tree_sink(struct cert_tree *t, int ndims);

/* The claims of an answer; its shares are lowered by 1e-9 where they are neither 0 nor 1, so that a
 * checker's own rounding does not decide. engine is copied: 0 or -ENOMEM. */
int cert_part_claim(struct cert_part *p, const struct engine_answer *a);

/* Starts a file; canopy and the texts' sha256 are filled in. Nothing has the name path before
 * cert_file_finish. Prints the error. 0 or -errno. */
struct cert_writer;
int cert_file_create(struct cert_writer **out, const char *path, const struct cert_head *head);

/* An entry as its line, malloc'ed (any thread may), NULL when out of memory or a tree was lost; and
 * adding such a line. 0 or -errno, printed by cert_file_finish. */
char *cert_entry_format(const struct cert_entry *d);
int cert_file_add(struct cert_writer *w, const char *line);

/* Ends and frees w: the file is whole and has its name, or, if anything failed or `keep` is false,
 * is not there. Prints the error. 0 or -errno. */
int cert_file_finish(struct cert_writer *w, bool keep);

/* Opens a file, or takes a stream that stays the caller's (name is for messages), and reads the
 * head, which r owns. Prints file, line and member of what is wrong. 0; -EKEYREJECTED for a
 * property text of another digest; -errno. */
struct cert_reader;
int cert_file_open(struct cert_reader **out, const char *path);
int cert_file_read(struct cert_reader **out, FILE *f, const char *name);
const struct cert_head *cert_file_head(const struct cert_reader *r);

/* The next entry, to be freed: 1. 0 at the end, when the digest was right; -EKEYREJECTED when not.
 * -errno otherwise; prints. */
int cert_file_next(struct cert_reader *r, struct cert_entry *d);

/* Lines read so far: that of the latest entry, for messages. */
long cert_file_line(const struct cert_reader *r);
void cert_file_close(struct cert_reader *r);

#endif
