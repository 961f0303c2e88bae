/*
 * Pictures by gnuplot: a script is gathered in a temporary file, run without a shell, and the
 * picture replaces its file only when gnuplot was content.
 *
 *	struct gnuplot g;
 *
 *	if (gnuplot_open(&g, "rate.svg", 900, 400))
 *		return ...;
 *	fputs("$d << EOD\n0 1\n1 3\nEOD\nset title ", g.script);
 *	gnuplot_quote(g.script, name);
 *	fputs("\nplot $d using 1:2 with lines title 'rate'\n", g.script);
 *	err = gnuplot_close(&g);
 *
 * The script starts with the terminal (noenhanced: _ ^ { } in labels are themselves) and the house
 * style: line types 1..GNUPLOT_LINES in colours that colour-blind readers tell apart, a light grid,
 * no box on top and right. Write nothing to `set output`: the picture is gnuplot's standard output.
 */
#ifndef BASE_GNUPLOT_H
#define BASE_GNUPLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define GNUPLOT_LINES 8 /* distinct line types; more repeat them */

/* Their colours: Okabe and Ito's palette, black and yellow replaced, which tells apart under the usual
 * colour-vision deficiencies. */
extern const char *const gnuplot_colours[GNUPLOT_LINES];

struct gnuplot {
	FILE *script; /* write gnuplot commands and data blocks here */
	char *path;   /* the picture */
};

/* Is gnuplot on the PATH? */
bool gnuplot_have(void);

/*
 * Begins a picture of the given size in pixels (72 a inch in a PDF); the kind is path's suffix:
 * .svg, .png or .pdf. Prints the error: -EINVAL for another suffix, -ENOSYS where there is no
 * gnuplot. 0 or -errno.
 */
int gnuplot_open(struct gnuplot *g, const char *path, int width_px, int height_px);

/*
 * Runs the script, waits, writes the picture and frees g. Prints what gnuplot said when it failed,
 * in one line with the path. 0 or -errno (-EIO when gnuplot failed). g may be all zero (nothing to
 * do).
 */
int gnuplot_close(struct gnuplot *g);

/*
 * As gnuplot_close, but hands over what gnuplot drew instead of writing it: *data is malloc'ed and not
 * NUL-terminated. A script may draw several SVGs (each "set terminal svg" begins one): they come one after
 * another. g->path only names the picture in messages.
 */
int gnuplot_take(struct gnuplot *g, char **data, size_t *len);

/* Frees g without drawing. */
void gnuplot_abandon(struct gnuplot *g);

/* Writes any text as one quoted string: nothing in it is code to gnuplot; control characters become
 * spaces. */
void gnuplot_quote(FILE *script, const char *text);

#endif
