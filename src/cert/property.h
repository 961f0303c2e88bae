/*
 * The property language: a file says what is to hold where. properties/README.md teaches it.
 *
 *   let theta = 0.25                        parameter, the command line can override it
 *   set deep-buffer = mean(grow, shrink)    also min(...), min over last 3 decisions of NAME
 *   property grow
 *     over  inv_rtt in [1 - theta, 1]       region: what varies; feature[-1] is the frame before
 *     given dcwnd[-1..-3] <= 0              when: installed changes, windows, concrete features
 *     then  dcwnd in [0, 25]                target: what the installed window must be
 *
 * A file's main set is its last one; without sets, the mean of all its properties. A property that
 * is in no set is an error, so that nothing written down goes unchecked. Names in a file are
 * unique.
 *
 * A property that speaks of p (cwnd(prev) or dcwnd) never triggers on a flow's first decision; one
 * that speaks of dcwnd[-k] never with fewer than k installed changes.
 */
#ifndef CERT_PROPERTY_H
#define CERT_PROPERTY_H

#include <stdbool.h>
#include <stdint.h>

#include "cert/expr.h"
#include "obs/frame.h"

#define PROPERTY_GIVENS 8	    /* conditions of a property */
#define PROPERTY_THENS 4	    /* targets of a property: all must hold */
#define PROPERTY_CHANGES 10	    /* furthest dcwnd[-k] */
#define PROPERTY_LAST 32	    /* most decisions that a set looks back on, itself included */
#define PROPERTY_MAX 64		    /* properties in a file, and sets */
#define PROPERTY_MAX_FILE (1 << 20) /* bytes */

/* An input that varies: absolute over [lo, hi], or from lo to hi times its observed value. */
struct property_over {
	int input; /* index into the state */
	bool relative;
	double lo, hi;		 /* lo <= hi */
	double clip_lo, clip_hi; /* the feature's range; an absolute interval meets it */
};

enum property_cmp { PROPERTY_LT, PROPERTY_LE, PROPERTY_EQ, PROPERTY_GE, PROPERTY_GT };

/* A condition: every (or some) left CMP right. */
struct property_given {
	enum { PROPERTY_OF_CHANGES, PROPERTY_OF_FEATURE, PROPERTY_OF_WINDOWS } kind;
	bool some;
	enum property_cmp cmp;
	int n, at[FRAME_HISTORY]; /* changes: k of dcwnd[-k]; feature: indices into the state */
	struct expr left;	  /* windows */
	struct expr right;	  /* changes and windows */
	double bound;		  /* feature */
};

/* The installed window, or its change from p, over a divisor, lies between lo and hi. */
struct property_then {
	bool change;
	enum { PROPERTY_OVER_ONE, PROPERTY_OVER_CWND, PROPERTY_OVER_EXPR } over;
	struct expr divisor; /* PROPERTY_OVER_EXPR: a single window */
	struct expr lo, hi;  /* n = 0: unbounded */
	bool lo_strict, hi_strict;
};

struct property {
	char name[LEX_NAME];
	int line;
	int nover, ngiven, nthen;
	struct property_over *over;   /* [nover] in the order listed: slices cut the first */
	struct property_given *given; /* [ngiven] all must hold */
	struct property_then *then;   /* [nthen] all must hold */
	bool needs_prev;	      /* does not trigger without p */
	int needs_changes;	      /* ... or with fewer changes */
	bool used;		      /* the main set has it */
};

struct property_set {
	char name[LEX_NAME];
	int line;
	enum { PROPERTY_MEAN, PROPERTY_MIN, PROPERTY_MIN_LAST } rule;
	int last;     /* PROPERTY_MIN_LAST: decisions, >= 1, this one included; it has one member */
	int nmembers; /* >= 1 */
	int *member;  /* [nmembers] index of a property, or ~index of a set */
};

struct property_file {
	char *path; /* as given, for messages */
	char *text; /* what was parsed, overridden parameters put in: parses to the same again */
	struct expr_lets lets;
	int n;
	struct property *property; /* [n] as written */
	int nsets;
	struct property_set *set; /* [nsets] as written; then, without any, the implied one */
	int main;		  /* property, or ~set, as in members */
	int history;		  /* decisions that the main set looks at: 1, or more with "last" */
};

/*
 * Loads by path or by shipped name (property_shipped_name). what with a '/' or '.' is a path, else
 * a shipped name. let[nlet] are "name=value" with a constant expression as value, which replaces
 * that of the file's parameter. Prints FILE:LINE, the word, what is wrong, and the nearest known
 * one. 0 or -errno.
 */
int property_load(struct property_file **out, const char *what, const char *const *let, int nlet);

/* The same on text; path is for messages. */
int property_parse(struct property_file **out, const char *text, const char *path,
	const char *const *let, int nlet);
void property_free(struct property_file *f);

/* Makes the set or property of that name the main one. Prints; 0 or -EINVAL. */
int property_pick(struct property_file *f, const char *name);

/* Name of a property or ~set. */
const char *property_name(const struct property_file *f, int member);

/* A parameter's value, NAN if there is none of that name. */
double property_let(const struct property_file *f, const char *name);

/* Names of the shipped files, in order; NULL past the last. And the text of one, NULL if there is
 * none. */
const char *property_shipped_name(int i);
const char *property_shipped_text(const char *name);

#endif
