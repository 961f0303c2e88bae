/* Escaped text and the page's frame: style, sorting of tables. */
#include "report/html.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "base/gnuplot.h"
#include "report/plot.h"

void html_text(FILE *out, const char *s)
{
	for (; *s; s++) {
		switch (*s) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		case '\'':
			fputs("&#39;", out);
			break;
		default:
			fputc((unsigned char)*s < ' ' || *s == 0x7f ? ' ' : *s, out);
		}
	}
}

void html_printf(FILE *out, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	for (; *fmt; fmt++) {
		if (*fmt != '%') {
			fputc(*fmt, out);
			continue;
		}
		fmt++;
		if (*fmt == 's')
			html_text(out, va_arg(ap, const char *));
		else if (*fmt == 'd')
			fprintf(out, "%d", va_arg(ap, int));
		else
			fputc('%', out);
	}
	va_end(ap);
}

void html_summary(FILE *out, struct summary s, int decimals)
{
	double half;

	if (!s.n || isnan(s.mean)) {
		fputs("\342\200\223", out);
		return;
	}
	fprintf(out, "%.*f", decimals, s.mean);
	half = summary_half_width(&s, STATS_LEVEL);
	if (!isnan(half))
		fprintf(out, "<span class=\"ci\"> \302\261 %.*f</span>", decimals, half);
}

void html_key(FILE *out, int scheme)
{
	fprintf(out, "<span class=\"key%s\" style=\"background:%s;border-color:%s\"></span>",
		scheme < GNUPLOT_LINES ? "" : " more", plot_colour(scheme), plot_colour(scheme));
}

static const char style[] =
	":root{--bg:#fff;--ink:#1c2126;--soft:#5b6570;--line:#e2e6ea;--panel:#f6f8f9;--accent:#"
	"0b63a5;--grid:#e3e7ea;--axis:#7a838c;"
	"--capacity:#dde5ec;--best:#e3f1e7;--warn:#fff4e0;--warnline:#e0a030}\n"
	"@media "
	"(prefers-color-scheme:dark){:root{--bg:#14181c;--ink:#dfe4e8;--soft:#98a3ad;--line:#"
	"2b3238;"
	"--panel:#1b2025;--accent:#6cb6ef;--grid:#2a3138;--axis:#6c7781;--capacity:#27323c;--best:#"
	"1c3a28;--warn:#33291a;"
	"--warnline:#a87a2a}}\n"
	"*{box-sizing:border-box}html{scroll-behavior:smooth;scroll-padding-top:1rem;color-scheme:"
	"light dark}\n"
	"body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 "
	"system-ui,-apple-system,'Segoe UI',Roboto,"
	"'Helvetica Neue',Arial,sans-serif;display:grid;grid-template-columns:15rem "
	"minmax(0,62rem);gap:0 2.5rem}\n"
	"nav{position:sticky;top:0;align-self:start;max-height:100vh;overflow-y:auto;padding:2rem "
	"0 2rem 1.5rem;"
	"font-size:13px}\n"
	"nav ul{list-style:none;margin:0;padding:0}nav ul ul{padding-left:.9rem;margin:.15rem 0 "
	".5rem}\n"
	"nav li{margin:.2rem 0;overflow-wrap:anywhere}nav a{color:var(--soft);text-decoration:none}"
	"nav a:hover{color:var(--accent)}nav .top{font-weight:600;color:var(--ink)}\n"
	"main{padding:2rem 1.5rem 6rem 0;min-width:0}\n"
	"h1{font-size:1.7rem;line-height:1.2;margin:0 0 .3rem}h2{font-size:1.25rem;margin:3rem 0 "
	".8rem;"
	"padding-bottom:.3rem;border-bottom:1px solid "
	"var(--line)}h3{font-size:1.05rem;margin:2.2rem 0 .6rem;"
	"overflow-wrap:anywhere}h4{font-size:.92rem;margin:1.4rem 0 "
	".5rem;color:var(--soft);font-weight:600}\n"
	"p{margin:.4rem 0}.sub,.note{color:var(--soft)}.note{font-size:13px;max-width:46rem}\n"
	".scroll{overflow-x:auto;margin:.6rem 0}table{border-collapse:collapse;font-size:13.5px;"
	"font-variant-numeric:tabular-nums}\n"
	"th,td{padding:.32rem .7rem;border-bottom:1px solid "
	"var(--line);text-align:right;white-space:nowrap}\n"
	"th{font-weight:600;color:var(--soft);font-size:12.5px;vertical-align:bottom;line-height:1."
	"3}"
	"th small{display:block;font-weight:400}thead th{border-bottom:2px solid var(--line)}\n"
	"th:first-child,td:first-child{text-align:left}td:first-child{max-width:20rem;overflow:"
	"hidden;"
	"text-overflow:ellipsis}\n"
	"table.sort thead th{cursor:pointer}table.sort thead th:hover{color:var(--accent)}\n"
	"table.keys td,table.keys "
	"th{text-align:left;white-space:normal;overflow-wrap:anywhere;vertical-align:top}\n"
	".ci{color:var(--soft);font-size:12px}.best{background:var(--best);font-weight:600}\n"
	".legend{display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;font-size:13px;margin:.6rem "
	"0;padding:0;list-style:none}\n"
	".key{display:inline-block;width:.75em;height:.75em;border-radius:2px;margin-right:.45em}"
	".key.more{background:none!important;border:2px dashed}\n"
	"figure{margin:.6rem 0}figcaption{font-size:13px;color:var(--soft);margin-bottom:.2rem}\n"
	"figure svg{width:100%;height:auto;display:block}figure "
	"text{font-family:system-ui,-apple-system,'Segoe UI',"
	"Roboto,'Helvetica Neue',Arial,sans-serif}\n"
	".pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(22rem,1fr));gap:1rem "
	"1.5rem}"
	".pair figure{max-width:32rem}\n"
	".many{display:grid;grid-template-columns:repeat(auto-fill,minmax(12.5rem,1fr));gap:.6rem "
	".8rem}"
	".many figure{margin:0}\n"
	".warn{background:var(--warn);border-left:3px solid var(--warnline);padding:.6rem "
	"1rem;margin:1.2rem 0;"
	"font-size:14px}.warn ul{margin:.3rem 0;padding-left:1.2rem}\n"
	"details{margin:.6rem 0}summary{cursor:pointer;color:var(--soft);font-size:13.5px}\n"
	"@media (max-width:60rem){body{display:block;padding:0 "
	"1rem}nav{position:static;max-height:none;"
	"padding:1rem 0}main{padding:0 0 4rem}}\n"
	"@media print{nav{display:none}body{display:block}}\n";

// A click on a column's head sorts by it: numbers as numbers, again for the other way.
static const char script[] =
	"document.querySelectorAll('table.sort').forEach(t=>t.querySelectorAll('thead "
	"th').forEach((h,i)=>"
	"h.addEventListener('click',()=>{const "
	"b=t.tBodies[0],up=h.dataset.up!=='1';h.dataset.up=up?'1':'';"
	"const v=r=>{const s=r.cells[i].textContent,n=parseFloat(s);return isNaN(n)?s:n};"
	"[...b.rows].sort((p,q)=>{const x=v(p),y=v(q);return(up?1:-1)*(typeof x==='number'&&typeof "
	"y==='number'?"
	"x-y:String(x).localeCompare(String(y)))}).forEach(r=>b.append(r))})))";

void html_begin(FILE *out, const char *title)
{
	html_printf(out,
		"<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		"<meta name=\"viewport\" "
		"content=\"width=device-width,initial-scale=1\">\n<title>%s</title>\n",
		title);
	fprintf(out, "<style>\n%s</style>\n</head>\n<body>\n", style);
}

void html_end(FILE *out)
{
	fprintf(out, "<script>%s</script>\n</body>\n</html>\n", script);
}
