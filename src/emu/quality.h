/*
 * How far a run of the emulator can be trusted: how late packets left, what was lost that was not
 * meant to be, and what else the machine was doing.
 *
 * Lateness of a packet is when the kernel had taken it (as the end of its batch) minus when it was
 * due.
 */
#ifndef EMU_QUALITY_H
#define EMU_QUALITY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "emu/cpu.h"
#include "sim/hist.h"

#define QUALITY_REASON 256
#define QUALITY_LATE_P99_US 1000 /* mahimahi's clock; later than that is not what was asked for */
#define QUALITY_LATE_MAX_US 100000
#define QUALITY_FOREIGN_PCT 20

struct quality {
	struct hist *late; /* of both directions, unit 1 us */
	uint64_t late_max_ns;
	/* packets lost by the emulator or its devices */
	uint64_t ring_drops, send_drops, device_drops, memory_drops;
	uint64_t oversize; /* refused: longer than the MTU */
	bool realtime;	   /* the emulator had priority */
	struct cpu_times start;
	double emulator_pct, foreign_pct; /* of one processor; of all of them */
	bool trusted;
	char reason[QUALITY_REASON]; /* why not */
};

/* 0 or -ENOMEM. */
int quality_init(struct quality *q);
void quality_free(struct quality *q);

void quality_late(struct quality *q, int64_t late_ns);

/* Of rank floor(q n), in microseconds; 0 without any. */
double quality_late_us(const struct quality *q, double rank);

/* The run begins; it has ended: takes the processors' times and judges. */
void quality_start(struct quality *q);
void quality_end(struct quality *q);

/* An object of all of it. NULL when memory is out. */
json_t *quality_json(const struct quality *q);

#endif
