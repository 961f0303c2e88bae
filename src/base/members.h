/*
 * Typed members of JSON objects: read by a table, errors name file, line, what is being read and
 * the member.
 *
 * All functions return 0 or, printed, -EBADMSG; -ENOMEM.
 */
#ifndef BASE_MEMBERS_H
#define BASE_MEMBERS_H

#include <jansson.h>
#include <math.h>
#include <stdbool.h>

/* Where a message is to say that the fault lies: "FILE:LINE: WHERE". */
struct members_place {
	char *file;
	long line;
	char where[64]; /* "part 2: ", or empty */
};

/* Prints the place and the message; -EBADMSG. */
int members_fail(const struct members_place *at, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

enum members_kind {
	MEMBERS_TEXT,	      /* to a const char *, which lives as long as the object */
	MEMBERS_REAL,	      /* to a double; whole numbers are taken too */
	MEMBERS_REAL_OR_NULL, /* null gives NAN */
	MEMBERS_WHOLE,	      /* to an int64_t */
	MEMBERS_LIST,	      /* to a json_t *, borrowed */
	MEMBERS_LIST_OR_NULL,
	MEMBERS_OBJECT,
};

struct members_one {
	const char *name;
	enum members_kind kind;
	void *to;
	double lo, hi; /* of numbers */
};
#define MEMBERS_ANY -HUGE_VAL, HUGE_VAL /* no NaN or infinite number can stand in JSON */
#define MEMBERS_COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

/* Reads one member of an object. */
int members_get(const struct members_place *at, const json_t *o, const struct members_one *m);

/* Reads all n (at most 16) members of what has to be an object of these and no others. */
int members_read(
	const struct members_place *at, const json_t *o, const struct members_one *m, int n);

/* A list of numbers, malloc'ed; null becomes NAN where nulls may be. what is its name. */
int members_numbers(const struct members_place *at, const char *what, const json_t *list,
	bool nulls, double **to, size_t *n);

/* A list of least to most numbers, into an array. */
int members_few(const struct members_place *at, const char *what, const json_t *list, double *to,
	size_t least, size_t most);

#endif
