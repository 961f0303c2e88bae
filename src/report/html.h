/* HTML: text escaped, whatever it holds. */
#ifndef REPORT_HTML_H
#define REPORT_HTML_H

#include <stdio.h>

#include "report/grid.h"

/* Text or a quoted attribute's value: & < > " ' escaped, control characters as spaces. */
void html_text(FILE *out, const char *s);

/* printf with every %s escaped; no other conversions than %s and %d. */
void html_printf(FILE *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "12.3 +- 0.4" with the decimals of a metric, mean and half its 95 % confidence interval; an en dash when
 * there is none. */
void html_summary(FILE *out, struct summary s, int decimals);

/* A scheme's swatch for legends. */
void html_key(FILE *out, int scheme);

/* The head of a page with its style, up to <body>; and what ends it. */
void html_begin(FILE *out, const char *title);
void html_end(FILE *out);

#endif
