/* The smallest pieces of VNN-LIB's grammar (vnnlib.h): names, numbers and ties. */
#ifndef CERT_VNNLIB_TERM_H
#define CERT_VNNLIB_TERM_H

#include <stdbool.h>

#include "cert/region.h"
#include "cert/sexp.h"

#define VNNLIB_OUTPUT REGION_INPUTS /* index of Y_0, after those of the inputs */
#define VNNLIB_OUTPUT_NAME "Y_0"

/* i for X_i (at most REGION_INPUTS - 1), VNNLIB_OUTPUT for Y_0, -1 for anything else. */
int vnnlib_name(const struct sexp *s);

/* Whether s is a number, "-0.5" or "(- 0.5)"; finite, nearest to the decimal. */
bool vnnlib_number(const struct sexp *s, double *v);

/* Whether the list s is a tie: X_b = min(1, 1.25 X_a). */
bool vnnlib_tie(const struct sexp *s, int *a, int *b);

#endif
