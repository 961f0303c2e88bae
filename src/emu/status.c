/* The live line on stderr. */
#include "emu/status.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

#define EVERY_NS 250000000ull

void status_init(struct status *s, bool wanted)
{
	memset(s, 0, sizeof(*s));
	s->on = wanted && isatty(STDERR_FILENO) && log_get_level() >= LOG_INFO;
}

void status_show(struct status *s, struct emulator *e, uint64_t now_ns)
{
	double mbps[ENGINE_DIRS], s_since = (now_ns - s->shown_ns) * 1e-9;
	const struct quality *q = e->quality;
	uint64_t queue[ENGINE_DIRS], drops = 0;

	if (!s->on || now_ns < s->shown_ns + EVERY_NS)
		return;
	for (int i = 0; i < ENGINE_DIRS; i++) {
		const struct link_stats *l = &e->dir[i].path.link.stats;

		mbps[i] = (l->bytes_out - s->bytes[i]) * 8e-6 / s_since;
		s->bytes[i] = l->bytes_out;
		queue[i] = l->queue_pkts;
		drops += l->drops;
	}
	s->shown_ns = now_ns;
	fprintf(stderr,
		"\r%.0f s  down %.2f Mbit/s, queue %" PRIu64 "  up %.2f Mbit/s, queue %" PRIu64
		"  %" PRIu64 " drops  late p99 %.0f us, max %.0f us\033[K",
		now_ns * 1e-9, mbps[ENGINE_DOWN], queue[ENGINE_DOWN], mbps[ENGINE_UP],
		queue[ENGINE_UP], drops, quality_late_us(q, 0.99), q->late_max_ns * 1e-3);
}

void status_end(struct status *s)
{
	if (s->on)
		fprintf(stderr, "\r\033[K");
}
