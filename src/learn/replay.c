/* Rings of frames and decisions. */
#include "learn/replay.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_BYTES (FRAME_FEATURES * sizeof(float))
#define MARGIN (POLICY_CHANGES + 2) /* decisions kept besides, for changes and the next state */

enum { FOLLOWED = 16 }; /* with the number of changes in the low bits */

struct record {
	uint32_t frame; // frames of the stream up to and with this state's newest, mod 2^32
	float action, raw, qc;
	uint32_t w, p;
	uint32_t bits;
};

// Counts only rise; entry i is at i modulo the ring's length.
struct stream {
	uint64_t frames, decisions;
	uint64_t waits; // 1: the newest decision is not complete
};

struct replay {
	size_t streams, each; // transitions of a stream
	size_t frame_ring, record_ring;
	float *frames;		// (streams, frame_ring, FRAME_FEATURES)
	struct record *records; // (streams, record_ring)
	struct stream *stream;	// [streams]
};

static size_t each_of(size_t streams, size_t capacity)
{
	return (capacity + streams - 1) / streams;
}

size_t replay_bytes(size_t streams, size_t capacity)
{
	size_t each = each_of(streams, capacity) + MARGIN;

	return sizeof(struct replay) +
	       streams * (sizeof(struct stream) + each * sizeof(struct record) +
				 (each * REPLAY_FRAMES + FRAME_HISTORY) * FRAME_BYTES);
}

int replay_new(struct replay **out, size_t streams, size_t capacity)
{
	struct replay *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->streams = streams;
	r->each = each_of(streams, capacity);
	r->record_ring = r->each + MARGIN;
	r->frame_ring = r->record_ring * REPLAY_FRAMES + FRAME_HISTORY;
	r->frames = calloc(streams * r->frame_ring, FRAME_BYTES);
	r->records = calloc(streams * r->record_ring, sizeof(*r->records));
	r->stream = calloc(streams, sizeof(*r->stream));
	if (!r->frames || !r->records || !r->stream) {
		replay_free(r);
		return -ENOMEM;
	}
	*out = r;
	return 0;
}

void replay_free(struct replay *r)
{
	if (!r)
		return;
	free(r->frames);
	free(r->records);
	free(r->stream);
	free(r);
}

/* --- Writing --- */

static struct record *record_at(const struct replay *r, size_t stream, uint64_t decision)
{
	return &r->records[stream * r->record_ring + decision % r->record_ring];
}

// A state's frames in two runs: the ring may wrap within.
static void copy_state(const struct replay *r, size_t stream, uint64_t end, float *to)
{
	const float *ring = r->frames + stream * r->frame_ring * FRAME_FEATURES;
	size_t at = (end - FRAME_HISTORY) % r->frame_ring, first = r->frame_ring - at;

	first = first < FRAME_HISTORY ? first : FRAME_HISTORY;
	memcpy(to, ring + at * FRAME_FEATURES, first * FRAME_BYTES);
	memcpy(to + first * FRAME_FEATURES, ring, (FRAME_HISTORY - first) * FRAME_BYTES);
}

// The fewest frames that, appended to what the stream ends with, make the state.
static int new_frames(const struct replay *r, size_t stream, const float *state)
{
	float last[STATE_SIZE];

	if (r->stream[stream].frames < FRAME_HISTORY)
		return FRAME_HISTORY;
	copy_state(r, stream, r->stream[stream].frames, last);
	for (int n = 0; n < FRAME_HISTORY; n++)
		if (!memcmp(last + n * FRAME_FEATURES, state, (FRAME_HISTORY - n) * FRAME_BYTES))
			return n;
	return FRAME_HISTORY;
}

static void put_frames(struct replay *r, size_t stream, const float *state)
{
	struct stream *s = &r->stream[stream];
	float *ring = r->frames + stream * r->frame_ring * FRAME_FEATURES;
	int n = new_frames(r, stream, state);

	for (int i = FRAME_HISTORY - n; i < FRAME_HISTORY; i++)
		memcpy(ring + s->frames++ % r->frame_ring * FRAME_FEATURES,
			state + i * FRAME_FEATURES, FRAME_BYTES);
}

// How long ago, in frames, the record's state ended.
static uint32_t frame_age(const struct replay *r, size_t stream, const struct record *d)
{
	return (uint32_t)r->stream[stream].frames - d->frame;
}

// Whether decision i is a transition whose states are all there.
static bool usable(const struct replay *r, size_t stream, uint64_t i)
{
	const struct record *d = record_at(r, stream, i);

	return (d->bits & FOLLOWED) && frame_age(r, stream, d) + FRAME_HISTORY <= r->frame_ring;
}

// The oldest decision of a stream that may be drawn.
static uint64_t oldest(const struct replay *r, size_t stream)
{
	uint64_t n = r->stream[stream].decisions;

	return n > r->each + 1 ? n - r->each - 1 : 0;
}

void replay_add(struct replay *r, const struct replay_step *step)
{
	for (size_t i = 0; i < r->streams; i++) {
		struct stream *s = &r->stream[i];
		struct record *d = s->waits ? record_at(r, i, s->decisions - 1) : NULL;

		if (d) {
			d->action = step->action[i];
			d->raw = step->raw[i];
			d->qc = step->qc[i];
			d->bits |= step->follows[i] && step->waits[i] ? FOLLOWED : 0;
		}
		s->waits = step->waits[i];
		if (!s->waits)
			continue;
		put_frames(r, i, step->states + i * STATE_SIZE);
		*record_at(r, i, s->decisions++) = (struct record){.frame = (uint32_t)s->frames,
			.w = step->w[i],
			.p = step->p[i],
			.bits = (uint32_t)step->nchanges[i]};
	}
}

void replay_pause(struct replay *r)
{
	for (size_t i = 0; i < r->streams; i++)
		r->stream[i].waits = 0;
}

/* --- Reading --- */

size_t replay_count(const struct replay *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->streams; i++)
		for (uint64_t d = oldest(r, i); d + 1 < r->stream[i].decisions; d++)
			n += usable(r, i, d);
	return n;
}

size_t replay_capacity(const struct replay *r)
{
	return r->streams * r->each;
}

void replay_draw(const struct replay *r, struct rng *rng, int n, uint64_t *at)
{
	while (n) {
		uint64_t k = rng_below(rng, r->streams * r->each), stream = k / r->each,
			 i = oldest(r, stream) + k % r->each;

		if (i + 1 >= r->stream[stream].decisions || !usable(r, stream, i))
			continue; // every transition stays as likely as every other
		*at++ = stream * r->record_ring + i % r->record_ring;
		n--;
	}
}

static struct record *step_from(const struct replay *r, size_t stream, size_t slot, int by)
{
	return &r->records[stream * r->record_ring + (slot + r->record_ring + by) % r->record_ring];
}

static int known_changes(const struct record *d)
{
	int n = d->bits % FOLLOWED;

	return n < POLICY_CHANGES ? n : POLICY_CHANGES;
}

// The changes before the decision, newest last: of p, decision by decision.
static void find_changes(
	const struct replay *r, size_t stream, size_t slot, int n, int64_t changes[POLICY_CHANGES])
{
	int64_t p = step_from(r, stream, slot, 0)->p;

	memset(changes, 0, POLICY_CHANGES * sizeof(*changes));
	for (int i = 1; i <= n; i++) {
		int64_t before = step_from(r, stream, slot, -i)->p;

		changes[POLICY_CHANGES - i] = p - before;
		p = before;
	}
}

// The state of a record, whose age in frames tells where in the ring it ends.
static void fetch_state(const struct replay *r, size_t stream, size_t slot,
	const struct state_table *table, float *to)
{
	const struct record *d = step_from(r, stream, slot, 0);
	int n = known_changes(d);
	int64_t changes[POLICY_CHANGES];

	copy_state(r, stream, r->stream[stream].frames - frame_age(r, stream, d), to);
	if (!table->tail)
		return;
	find_changes(r, stream, slot, n < STATE_SIGNS ? n : STATE_SIGNS, changes);
	state_tail(table, to + STATE_SIZE, d->w, d->p, n, changes + POLICY_CHANGES);
}

static float reward_of(const struct record *d, const struct replay_reward *by)
{
	double raw = fmax(d->raw, by->floor);

	return (float)(isnan(d->qc) ? raw : (1 - by->lambda) * raw + by->lambda * d->qc);
}

void replay_fetch(const struct replay *r, const uint64_t *at, int n,
	const struct state_table *table, const struct replay_reward *by, float *s0, float *action,
	float *reward, float *s1)
{
	for (int i = 0; i < n; i++) {
		size_t stream = at[i] / r->record_ring, slot = at[i] % r->record_ring;
		const struct record *d = step_from(r, stream, slot, 0);

		if (s0)
			fetch_state(r, stream, slot, table, s0 + (size_t)i * table->size);
		if (s1)
			fetch_state(r, stream, (slot + 1) % r->record_ring, table,
				s1 + (size_t)i * table->size);
		if (action)
			action[i] = d->action;
		if (reward)
			reward[i] = reward_of(d, by);
	}
}

void replay_decision(const struct replay *r, uint64_t at, struct replay_decision *out)
{
	size_t stream = at / r->record_ring, slot = at % r->record_ring;
	const struct record *d = step_from(r, stream, slot, 0);

	fetch_state(r, stream, slot, &state_published, out->state);
	out->w = d->w;
	out->p = d->p;
	out->nchanges = known_changes(d);
	find_changes(r, stream, slot, out->nchanges, out->changes);
}

void replay_parts(struct replay *r, struct checkpoint *c)
{
	checkpoint_add(c, "replay.", "frames", ST_F32, r->streams * r->frame_ring * FRAME_FEATURES,
		r->frames);
	checkpoint_add(c, "replay.", "records", ST_U8,
		r->streams * r->record_ring * sizeof(*r->records), r->records);
	checkpoint_add(c, "replay.", "streams", ST_I64,
		r->streams * sizeof(*r->stream) / sizeof(uint64_t), r->stream);
}
