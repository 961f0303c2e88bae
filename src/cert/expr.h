/*
 * Expressions of the property language: numbers, parameters, windows, + - * /, unary minus, min,
 * max and parentheses; evaluated exactly.
 */
#ifndef CERT_EXPR_H
#define CERT_EXPR_H

#include <stdbool.h>
#include <stdint.h>

#include "cert/lex.h"
#include "cert/rational.h"

#define EXPR_NODES 32 /* longest expression */
#define EXPR_LETS 64  /* most parameters */

enum expr_op {
	EXPR_NUMBER,
	EXPR_PREV,   /* cwnd(prev): the previously installed window p */
	EXPR_CLEAN,  /* cwnd(clean): the window installed at the concrete state */
	EXPR_REPORT, /* cwnd(report): the window w of the report, CUBIC's own */
	EXPR_NEG,
	EXPR_ADD,
	EXPR_SUB,
	EXPR_MUL,
	EXPR_DIV,
	EXPR_MIN,
	EXPR_MAX,
};

/* In postfix order; a zeroed one is no expression. */
struct expr {
	int n;
	struct expr_node {
		enum expr_op op;
		struct rational value; /* of EXPR_NUMBER */
	} node[EXPR_NODES];
};

/* Values of cwnd(prev), cwnd(clean) and cwnd(report). */
struct expr_windows {
	uint32_t prev, clean, report;
};

/* A parameter: let NAME = value. */
struct expr_let {
	char name[LEX_NAME];
	int line;
	struct rational value;
};

struct expr_lets {
	int n;
	struct expr_let *let;
};

/* Reads an expression at l, looking names up in lets; folds it where it is constant. Prints what is
 * wrong; 0 or -EINVAL. */
int expr_parse(struct expr *out, struct lex *l, const struct expr_lets *lets);

/* As expr_parse, of a constant. */
int expr_parse_constant(struct rational *out, struct lex *l, const struct expr_lets *lets);

/* Reads (prev), (clean) or (report), the cwnd before it taken. Prints; 0 or -EINVAL. */
int expr_window(enum expr_op *out, struct lex *l);

/* Whether a window of that kind occurs; whether none does. */
bool expr_uses(const struct expr *e, enum expr_op window);
bool expr_constant(const struct expr *e);

/* 0, -EDOM (division by zero) or -EOVERFLOW. w may be NULL for a constant. */
int expr_eval(struct rational *out, const struct expr *e, const struct expr_windows *w);

#endif
