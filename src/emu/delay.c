/* A delay line with a schedule and jitter, and the schedule's file. */
#include "emu/delay.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/opts.h"
#include "sim/wakeup.h"

#define NS_PER_MS 1000000ull
#define FILE_MAX ((size_t)64 << 20)
#define TIME_MAX_S 1e6
#define WORD_MAX 64

static int bad(const char *path, size_t line, const char *what)
{
	pr_err("%s:%zu: %s\n", path, line, what);
	return -EINVAL;
}

// The next blank-separated word of a line that ends at end; false when there is none or it is too
// long.
static bool next_word(const char **p, const char *end, char word[WORD_MAX])
{
	size_t n = 0;

	while (*p < end && isspace((unsigned char)**p))
		(*p)++;
	while (*p < end && !isspace((unsigned char)**p) && n < WORD_MAX - 1)
		word[n++] = *(*p)++;
	word[n] = 0;
	return n && (*p == end || isspace((unsigned char)**p));
}

// Adds the step of a line, if it has one.
static int add_line(
	struct delay_schedule *s, const char *p, const char *end, const char *path, size_t line)
{
	const char *hash = memchr(p, '#', end - p);
	char word[WORD_MAX];
	double t, ms;

	end = hash ? hash : end;
	while (p < end && isspace((unsigned char)*p))
		p++;
	if (p == end)
		return 0;
	if (!next_word(&p, end, word) || !opts_number(word, 0, TIME_MAX_S, &t))
		return bad(path, line, "does not start with a time from 0 to 1e6 seconds");
	if (!next_word(&p, end, word) || !opts_number(word, 0, DELAY_MAX_MS, &ms))
		return bad(path, line, "no delay from 0 to 1e5 ms after the time");
	if (next_word(&p, end, word) || *word)
		return bad(path, line, "more than a time and a delay");
	if (!s->n && t > 0)
		return bad(path, line, "the first time is not 0");
	if (s->n && t * 1e9 <= s->steps[s->n - 1].from_ns)
		return bad(path, line, "the time is not after that of the line before");
	if (!(s->n & (s->n + 1))) {
		struct delay_step *more = realloc(s->steps, 2 * (s->n + 1) * sizeof(*more));

		if (!more)
			return -ENOMEM;
		s->steps = more;
	}
	s->steps[s->n++] = (struct delay_step){t * 1e9, ms * 1e6};
	return 0;
}

int delay_parse(struct delay_schedule *out, const char *text, size_t len, const char *path)
{
	struct delay_schedule s = {.n = 0};
	const char *p = text, *end = text + len;
	int err = 0;

	for (size_t line = 1; p < end && !err; line++) {
		const char *nl = memchr(p, '\n', end - p), *stop = nl ? nl : end;

		err = memchr(p, 0, stop - p) ? bad(path, line, "a NUL byte: not a text file")
					     : add_line(&s, p, stop, path, line);
		p = stop + 1;
	}
	if (!err && !s.n) {
		pr_err("%s: no line with a time and a delay\n", path);
		err = -EINVAL;
	}
	if (err)
		free(s.steps);
	else
		*out = s;
	return err;
}

int delay_load(struct delay_schedule *out, const char *path)
{
	char *text;
	size_t len;
	int err = file_read(path, FILE_MAX, &text, &len);

	if (err)
		return err;
	err = delay_parse(out, text, len, path);
	free(text);
	return err;
}

void delay_constant(struct delay_schedule *out, uint64_t delay_ns)
{
	out->steps = malloc(sizeof(*out->steps));
	if (!out->steps)
		abort();
	out->steps[0] = (struct delay_step){0, delay_ns};
	out->n = 1;
}

void delay_schedule_free(struct delay_schedule *s)
{
	free(s->steps);
	memset(s, 0, sizeof(*s));
}

void delay_init(struct delay *d, const struct delay_schedule *s, uint64_t jitter_ns, uint64_t seed,
	uint64_t stream)
{
	memset(d, 0, sizeof(*d));
	d->schedule = s;
	d->jitter_ns = jitter_ns;
	rng_init(&d->rng, seed, stream);
	ring_clear(&d->line);
}

void delay_free(struct delay *d)
{
	free(d->line.p);
}

// The process polls for whole milliseconds of a clock that it has floored.
static void sleep_from(struct delay *d, uint64_t now_ns)
{
	uint64_t due = ring_head(&d->line)->t_ns;

	wakeup_draw(&d->wakeup, &d->rng, now_ns);
	d->wake_ns = due <= now_ns ? now_ns
				   : wakeup_by_timer(&d->wakeup,
					     due + now_ns % NS_PER_MS + d->poll_ns);
}

void delay_push(struct delay *d, const struct pkt *k, uint64_t now_ns)
{
	const struct delay_schedule *s = d->schedule;
	uint64_t due;

	while (d->step + 1 < s->n && s->steps[d->step + 1].from_ns <= now_ns)
		d->step++;
	due = s->steps[d->step].delay_ns;
	if (d->jitter_ns) {
		due += 2 * d->jitter_ns * rng_uniform(&d->rng);
		due = due > d->jitter_ns ? due - d->jitter_ns : 0;
	}
	due += d->poll_ns ? now_ns / NS_PER_MS * NS_PER_MS : now_ns;
	if (due > d->last_ns)
		d->last_ns = due;
	ring_push(&d->line, k)->t_ns = d->last_ns;
	if (d->poll_ns)
		sleep_from(d, now_ns);
}

uint64_t delay_due(const struct delay *d)
{
	if (!ring_len(&d->line))
		return UINT64_MAX;
	return d->poll_ns ? d->wake_ns : ring_head(&d->line)->t_ns;
}

struct pkt delay_pop(struct delay *d)
{
	struct pkt k = *ring_head(&d->line);

	d->line.head++;
	if (d->poll_ns && ring_len(&d->line))
		sleep_from(d, d->wake_ns);
	return k;
}
