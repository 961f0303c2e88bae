/* The three clauses of a property: their text into struct property. */
#ifndef CERT_CLAUSE_H
#define CERT_CLAUSE_H

#include "cert/property.h"

/*
 * Each reads what follows its word up to the end of the line, and adds it to p, which owns it.
 * Prints what is wrong; 0, -EINVAL or -ENOMEM.
 */
int clause_over(struct property *p, struct lex *l, const struct expr_lets *lets);
int clause_given(struct property *p, struct lex *l, const struct expr_lets *lets);
int clause_then(struct property *p, struct lex *l, const struct expr_lets *lets);

#endif
