/* A comparison as a table for people and as JSON; doc/formats.md describes the latter. */
#ifndef EVAL_COMPARE_SHOW_H
#define EVAL_COMPARE_SHOW_H

#include <stdio.h>

#include "eval/compare.h"

#define COMPARE_FORMAT "canopy-comparison"
#define COMPARE_VERSION 1

/* Prints every set-up, the verdict over all, and what cannot be told and why. */
void compare_print(FILE *out, const struct compare *c);

/* One JSON object and a newline. 0 or -ENOMEM. */
int compare_json(FILE *out, const struct compare *c);

#endif
