/* Turns gnuplot's SVG documents into inline parts of a page that follow its light or dark theme. */
#ifndef REPORT_SVG_H
#define REPORT_SVG_H

#include <stddef.h>
#include <stdio.h>

/*
 * The n-th document of a stream of several is [*at, *at + return value); *at starts at the stream
 * and advances. 0 at the end.
 */
size_t svg_next(const char **at, const char *end);

/*
 * Writes one document as an <svg> element: no prologue, ids, definitions or empty groups, black as
 * currentColor, the sentinel colours of plot.h as CSS variables (--grid, --axis, --capacity). label
 * is its accessible name. The marks it uses are defined once for a page by svg_defs.
 */
void svg_inline(FILE *out, const char *svg, size_t len, const char *label);

/* The definitions of a document, hidden, for all inline ones of a page. */
void svg_defs(FILE *out, const char *svg, size_t len);

#endif
