/* Filters gnuplot's SVG for use inside a page. */
#include "report/svg.h"

#include <stdbool.h>
#include <string.h>

#include "report/html.h"

// What stands for what; tried at every byte outside the text of labels.
static const struct {
	const char *from, *to;
} swaps[] = {
	{"'rgb(221, 221, 221)'", "'var(--grid)'"},
	{"\"rgb(221, 221, 221)\"", "\"var(--grid)\""},
	{"'rgb(217, 226, 234)'", "'var(--capacity)'"},
	{"\"rgb(217, 226, 234)\"", "\"var(--capacity)\""},
	{"'black'", "'currentColor'"},
	{"\"black\"", "\"currentColor\""},
	{"'rgb(  0,   0,   0)'", "'currentColor'"},
	{"\"rgb(0,0,0)\"", "\"currentColor\""},
	{"\"rgb(51,51,51)\"", "\"currentColor\""}, // the house style's tics and border
	{"'rgb( 85,  85,  85)'", "'var(--axis)'"},
	{" font-family=\"sans-serif\"", ""},
	{" class=\"gridline\"", ""},
	{" stroke-linecap=\"butt\" stroke-linejoin=\"miter\"", ""},
	{".00,", ","},
	{".00 ", " "},
	{"  '", "'"},
};
#define NSWAPS ((int)(sizeof(swaps) / sizeof(swaps[0])))

static const char *find(const char *p, const char *end, const char *what)
{
	return p < end ? memmem(p, end - p, what, strlen(what)) : NULL;
}

static bool starts(const char *p, const char *end, const char *what)
{
	size_t n = strlen(what);

	return (size_t)(end - p) >= n && !memcmp(p, what, n);
}

size_t svg_next(const char **at, const char *end)
{
	const char *start = find(*at, end, "<?xml"), *next;

	if (!start)
		return 0;
	next = find(start + 5, end, "<?xml");
	*at = start;
	return (next ? next : end) - start;
}

// One element's tag, its attributes swapped.
static void put_tag(FILE *out, const char *p, const char *end)
{
	while (p < end) {
		int i;

		for (i = 0; i < NSWAPS && !starts(p, end, swaps[i].from); i++)
			;
		if (i < NSWAPS) {
			fputs(swaps[i].to, out);
			p += strlen(swaps[i].from);
		} else if (starts(p, end, " id=\"")) {
			const char *quote = find(p + 5, end, "\"");

			p = quote ? quote + 1 : end;
		} else {
			fputc(*p++, out);
		}
	}
}

static const char *skip_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\n' || *p == '\t'))
		p++;
	return p;
}

// Past a group without content, or p.
static const char *skip_empty_group(const char *p, const char *end)
{
	const char *close;

	if (!starts(p, end, "<g "))
		return p;
	close = find(p, end, ">");
	close = close ? skip_space(close + 1, end) : p;
	return starts(close, end, "</g>") ? close + 4 : p;
}

static void put_body(FILE *out, const char *p, const char *end)
{
	while (p < end) {
		const char *past = skip_empty_group(p, end), *gt;

		if (past != p) {
			p = past;
			continue;
		}
		if (*p != '<') {
			const char *text = skip_space(p, end);

			if (text == p || (text < end && *text != '<'))
				fputc(*p++, out);
			else
				p = text;
			continue;
		}
		gt = find(p, end, ">");
		gt = gt ? gt + 1 : end;
		if (!starts(p, end, "<rect x=\"0\" y=\"0\""))
			put_tag(out, p, gt);
		p = gt;
	}
}

void svg_inline(FILE *out, const char *svg, size_t len, const char *label)
{
	const char *end = svg + len, *box = find(svg, end, "viewBox=\""), *close,
		   *body = find(svg, end, "</defs>");

	if (!box || !body || !(close = find(box + 9, end, "\"")))
		return;
	fprintf(out, "<svg %.*s role=\"img\" aria-label=\"", (int)(close + 1 - box), box);
	html_text(out, label);
	fputs("\"><g>", out);
	put_body(out, body + 7, end);
	fputc('\n', out);
}

void svg_defs(FILE *out, const char *svg, size_t len)
{
	const char *from = find(svg, svg + len, "<defs>"), *to = find(svg, svg + len, "</defs>");

	if (from && to > from)
		fprintf(out,
			"<svg width=\"0\" height=\"0\" style=\"position:absolute\" "
			"aria-hidden=\"true\">%.*s</defs></svg>\n",
			(int)(to - from), from);
}
