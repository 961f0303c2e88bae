/* Rate and time left of long work. */
#include "base/progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

double progress_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

void progress_start(struct progress *p, const char *what, double total)
{
	p->what = what;
	p->total = total;
	p->start_s = p->shown_s = progress_clock();
	p->tty = isatty(STDERR_FILENO);
	p->on = log_get_level() >= LOG_INFO;
}

void progress_update(struct progress *p, double done, const char *extra)
{
	double now = progress_clock(), rate = done / (now - p->start_s + 1e-9), left;

	if (!p->on || now - p->shown_s < (p->tty ? 0.2 : 10))
		return;
	p->shown_s = now;
	left = rate > 0 ? (p->total - done) / rate : 0;
	fprintf(stderr, "%s%.0f/%.0f %s, %.3g/s, %.0f:%02.0f left%s%s%s", p->tty ? "\r" : "", done, p->total,
		p->what, rate, (double)((long)left / 60), (double)((long)left % 60), extra ? ", " : "",
		extra ? extra : "", p->tty ? "\033[K" : "\n");
}

void progress_end(struct progress *p)
{
	if (p->on && p->tty)
		fprintf(stderr, "\r\033[K");
}
