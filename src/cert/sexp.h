/*
 * S-expressions: words, and lists of expressions in parentheses. A semicolon starts a comment that ends
 * with the line.
 */
#ifndef CERT_SEXP_H
#define CERT_SEXP_H

#include <stdbool.h>
#include <stddef.h>

#define SEXP_DEPTH 64 /* most lists within lists */

struct sexp {
	int line;
	const char *word;   /* NULL: a list */
	struct sexp *first; /* of a list, NULL when it is empty */
	struct sexp *next;  /* in the same list */
};

/*
 * One block (free it) whose first element is the list of all expressions in len bytes of text. Words
 * point into text, which is NUL-terminated, changed, and outlives it. 0, -ENOMEM, or -EINVAL (printed
 * with path and line): control characters, parentheses without a partner, too deep lists.
 */
int sexp_parse(struct sexp **root, char *text, size_t len, const char *path);

/* Whether s (may be NULL) is that word. */
bool sexp_is(const struct sexp *s, const char *word);

/* Elements of a list; 0 for a word. */
int sexp_count(const struct sexp *list);

#endif
