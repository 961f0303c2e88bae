/*
 * Option tables: one table drives command-line parsing, spec files, defaults, --help, the man page and
 * shell completion. A spec file is lines of "key = value" whose keys are the long option names; what is
 * given on the command line wins over the spec file, which wins over the default.
 */
#ifndef BASE_OPTS_H
#define BASE_OPTS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum opt_kind {
	OPT_END,   /* ends a table */
	OPT_FLAG,  /* true when named; in a spec file yes or no */
	OPT_TEXT,  /* any text */
	OPT_FILE,  /* a path (completed as one) */
	OPT_WORD,  /* one of words */
	OPT_INT,   /* a whole number in [lo, hi] */
	OPT_REAL,  /* a number in [lo, hi] */
	OPT_TEXTS, /* comma-separated texts, blanks around them dropped; naming it again adds to it */
	OPT_REALS, /* comma-separated numbers in [lo, hi], likewise */
	OPT_SPEC,  /* a spec file to read more options from */
};

struct opt {
	enum opt_kind kind;
	char letter;       /* short form, 0 for none */
	const char *name;  /* long name and spec key */
	const char *arg;   /* what the value is, for help; NULL for a flag */
	const char *dflt;  /* default as text, NULL for unset */
	double lo, hi;     /* range of every number */
	const char *words; /* OPT_WORD: choices separated by | */
	const char *help;
};

struct opts {
	const struct opt *table;
	int n;
	char **text; /* [n] value as text, NULL when unset */
	int *rank;   /* [n] 0 default, 1 spec file, 2 command line */
	char **args; /* positional arguments, pointing into argv */
	int nargs;
	bool first_ends; /* the first of them ends the options: the rest is another program's */
};

/* Values from the defaults of a table ended by OPT_END. Owns its texts. */
void opts_init(struct opts *o, const struct opt *table);
void opts_free(struct opts *o);

/* Parses argv[0..argc). "--" ends options. Prints what is wrong; returns 0 or -EINVAL. */
int opts_parse(struct opts *o, int argc, char **argv);

/* Sets one value; where names its source in errors ("--delay" or "x.spec:3: delay"). 0 or -EINVAL. */
int opts_set(struct opts *o, const char *name, const char *value, int rank, const char *where);

/* Reads a spec file over the defaults. Prints file and line of an error. */
int opts_load(struct opts *o, const char *path);

/* As opts_load on len bytes of text (NUL-terminated, changed in place); path is for messages. */
int opts_load_text(struct opts *o, char *text, size_t len, const char *path);

/* Typed reads; the name must be in the table. Texts and lists stay owned by o; unset text is NULL. */
const char *opts_text(const struct opts *o, const char *name);
bool opts_flag(const struct opts *o, const char *name);
bool opts_given(const struct opts *o, const char *name);
int64_t opts_int(const struct opts *o, const char *name);
double opts_real(const struct opts *o, const char *name);

/* Items of a list in a fresh array (one block: free it). Returns the count, 0 when unset. */
int opts_texts(const struct opts *o, const char *name, char ***items);
int opts_reals(const struct opts *o, const char *name, double **items);

/* Aligned help, one option a row, then what is true of all lists. */
#define OPTS_LISTS "A list, items with commas between, is added to where its option is given again; of others the last counts."

void opts_help(const struct opt *table, FILE *out);

/* Number from all of s within [lo, hi]; false otherwise (also for NaN). */
bool opts_number(const char *s, double lo, double hi, double *out);

/* The candidate nearest to word by edit distance, or NULL when none is near enough to be meant. */
const char *opts_nearest(const char *word, const char *const *candidates, int n);

#endif
