/* Tables of what canopy certify found, for people or as JSON. */
#ifndef CLI_CERTIFY_SHOW_H
#define CLI_CERTIFY_SHOW_H

#include "cli/certify.h"

void certify_show(const struct certify *c, const struct qc_model *m, long counterexamples);

#endif
