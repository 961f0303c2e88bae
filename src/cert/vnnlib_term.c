/* Names, numbers and ties of VNN-LIB. */
#include "cert/vnnlib_term.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/opts.h"
#include "cert/region.h"

#define INPUT "X_"

int vnnlib_name(const struct sexp *s)
{
	const char *word = s->word;
	char *end;
	long i;

	if (!word)
		return -1;
	if (!strcmp(word, VNNLIB_OUTPUT_NAME))
		return VNNLIB_OUTPUT;
	if (strncmp(word, INPUT, strlen(INPUT)) || !strchr("0123456789", word[2]) || !word[2] ||
		(word[2] == '0' && word[3]))
		return -1;
	i = strtol(word + 2, &end, 10);
	return *end || i >= REGION_INPUTS ? -1 : (int)i;
}

// A number as decimal; strtod alone would take hexadecimals, infinities and NaN too.
static bool decimal(const char *word, double *v)
{
	const char *at = word + (*word == '-');

	if (!strchr("0123456789", *at) || !*at || word[strspn(word, "+-.0123456789eE")])
		return false;
	return opts_number(word, -HUGE_VAL, HUGE_VAL, v) && isfinite(*v);
}

bool vnnlib_number(const struct sexp *s, double *v)
{
	const struct sexp *minus = s->word ? NULL : s->first, *of = minus ? minus->next : NULL;

	if (s->word ? !decimal(s->word, v)
		    : sexp_count(s) != 2 || !sexp_is(minus, "-") || !of->word ||
				of->word[0] == '-' || !decimal(of->word, v))
		return false;
	*v = (s->word ? *v : -*v) + 0.0; // no -0
	return true;
}

// (op NAME NUMBER) with that op and number; gives the name's index.
static bool is_bound(const struct sexp *s, const char *op, double want, int *index)
{
	double v;

	if (s->word || sexp_count(s) != 3 || !sexp_is(s->first, op))
		return false;
	*index = vnnlib_name(s->first->next);
	return *index >= 0 && *index < VNNLIB_OUTPUT && vnnlib_number(s->first->next->next, &v) &&
	       v == want;
}

// (= B (* 1.25 A))
static bool is_slope(const struct sexp *s, int *a, int *b)
{
	const struct sexp *product;
	double v;

	if (s->word || sexp_count(s) != 3 || !sexp_is(s->first, "="))
		return false;
	*b = vnnlib_name(s->first->next);
	product = s->first->next->next;
	if (product->word || sexp_count(product) != 3 || !sexp_is(product->first, "*"))
		return false;
	*a = vnnlib_name(product->first->next->next);
	return vnnlib_number(product->first->next, &v) && v == REGION_TIED_SLOPE && *a >= 0 &&
	       *a < VNNLIB_OUTPUT;
}

// The second and third element of a list (and _ _); false if it is none.
static bool is_pair(const struct sexp *s, const struct sexp **one, const struct sexp **two)
{
	if (!s || s->word || sexp_count(s) != 3 || !sexp_is(s->first, "and"))
		return false;
	*one = s->first->next;
	*two = (*one)->next;
	return true;
}

bool vnnlib_tie(const struct sexp *s, int *a, int *b)
{
	const struct sexp *below, *slope, *above, *one;
	int a1, a2, b1, b2;

	if (sexp_count(s) != 3 || !is_pair(s->first->next, &below, &slope) ||
		!is_pair(s->first->next->next, &above, &one))
		return false;
	if (!is_bound(below, "<=", REGION_KINK, &a1) || !is_slope(slope, &a2, &b1) ||
		!is_bound(above, ">=", REGION_KINK, a) || !is_bound(one, "=", 1, b))
		return false;
	b2 = *b;
	return a1 == *a && a2 == *a && b1 == b2 && *a != *b;
}
