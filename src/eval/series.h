/*
 * Time series of a run, DIR/series/ID.csv: one row a time bin, the link's columns and then three
 * for each flow. doc/formats.md is the contract.
 */
#ifndef EVAL_SERIES_H
#define EVAL_SERIES_H

#include <stddef.h>

#include "eval/results.h"

#define SERIES_FORMAT "canopy-series"
#define SERIES_VERSION 1

/* Columns of the link, then those of flow f at SERIES_FLOW(f, ...), f from 0. */
enum {
	SERIES_T,
	SERIES_CAPACITY,
	SERIES_THROUGHPUT,
	SERIES_QDELAY,
	SERIES_QUEUE,
	SERIES_DROPS,
	SERIES_FIXED
};
enum { SERIES_RATE, SERIES_CWND, SERIES_SRTT, SERIES_PER_FLOW };
#define SERIES_FLOW(f, col) (SERIES_FIXED + (f)*SERIES_PER_FLOW + (col))

struct series {
	int flows, cols;
	size_t rows, cap;
	double *v; /* (rows, cols); NaN is an empty field, which all columns but t_s may be */
};

/* An empty table for that many flows. */
void series_init(struct series *s, int flows);
void series_free(struct series *s);

/* A new last row, all NaN, valid until the next call; NULL when memory is out. */
double *series_row(struct series *s);

static inline const double *series_at(const struct series *s, size_t row)
{
	return s->v + row * s->cols;
}

/* Writes DIR/series/RUN.id.csv atomically, making the folder. Prints the error. */
int series_write(const struct series *s, const char *dir, const struct run_result *run);

/*
 * Reads DIR/series/ID.csv into an uninitialised s. -ENOENT without a message when the file is not
 * there (a run may have none); otherwise prints file and line of what is wrong.
 */
int series_load(struct series *s, const char *dir, const char *id);

/* As series_load on text (NUL-terminated, changed in place); path is for messages. */
int series_parse(struct series *s, char *text, size_t len, const char *path);

#endif
