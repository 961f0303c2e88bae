/*
 * TensorBoard event files: TFRecords (length, masked CRC-32C of the length, data, masked CRC-32C of
 * the data) of Event messages in protocol-buffer wire format, scalars only.
 *
 * Sources: tensorflow/core/lib/io/record_writer, tensorflow/core/util/event.proto and
 * framework/summary.proto.
 */
#ifndef LEARN_TFEVENTS_H
#define LEARN_TFEVENTS_H

#include <stdint.h>
#include <stdio.h>

#define TFEVENTS_TAG_MAX 96	 /* longest tag */
#define TFEVENTS_MAX_SCALARS 512 /* of an event */

/* The record that begins a file. 0 or -EIO, of the stream. */
int tfevents_begin(FILE *f, double wall_s);

/* One event with n scalars, at most TFEVENTS_MAX_SCALARS; NaN are left out. 0 or -EIO. */
int tfevents_scalars(
	FILE *f, double wall_s, int64_t step, int n, const char *const *tags, const double *values);

#endif
