/*
 * Result folders: one record a run in DIR/runs.jsonl, appended as runs finish, and the same as a
 * table in DIR/runs.csv. doc/formats.md is the contract; the columns are one table (results_cols)
 * that drives both writers and the reader, so that they cannot disagree.
 *
 * Guarantees: a record is in the file whole or not at all, whatever crashes; what was finished
 * stays when the disk fills; the same runs on the same machine give the same bytes.
 */
#ifndef EVAL_RESULTS_H
#define EVAL_RESULTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define RESULTS_FORMAT "canopy-results"
#define RESULTS_VERSION 6 /* also reads 1 to 5, which lack the columns with a later since */
#define RESULTS_NAME 128 /* longest name and its NUL; longer ones are refused */
#define RESULTS_ARGS 96 /* parameters of a queue or of bursts of loss, and the NUL */
#define RESULTS_SHARES 640 /* as many controllers as a mix can name */
#define RESULTS_DOUBT 640  /* why a run is not trusted, and the NUL */
#define RESULTS_MAX_FLOWS 4096

/* Of one flow. Names are UTF-8. Where "or NaN" stands the value may be absent: null in the files.
 */
struct flow_result {
	char controller[RESULTS_NAME];
	double goodput_mbps;
	double rtt_mean_ms; /* or NaN: no sample */
	int64_t retrans, rtos;
	double start_s, stop_s;
	int64_t decisions;
	double policy_start_s; /* or NaN: the policy never acted, or there is none */
	double share;	       /* or NaN: never beside another flow */
	double join_converge_s, leave_converge_s; /* or NaN: it did not come to that */
};

/* Of one run; meanings and units as in doc/formats.md. Plain data but for flows. */
struct run_result {
	char id[17]; /* 16 lower-case hexadecimal digits */
	char on[8];  /* "sim" or "emu" */
	char controller[RESULTS_NAME];
	char model[65]; /* empty for a classic controller */
	char trace[RESULTS_NAME];
	double nominal_mbps, buffer_bdp;
	int64_t queue_pkts; /* 0 for none */
	char queue[16], queue_args[RESULTS_ARGS]; /* parameters of CoDel and PIE, else empty */
	int64_t ecn;			  /* 1: the flows used it */
	double delay_ms, loss, noise;
	char loss_burst[RESULTS_ARGS]; /* empty: none */
	char flow_args[RESULTS_NAME];  /* when flows send and how their paths differ; empty: they do not */
	int64_t seed;
	double duration_s;
	double capacity_mbps, throughput_mbps, util_pct, goodput_mbps;
	double qdelay_mean_ms, qdelay_p50_ms, qdelay_p95_ms,
		qdelay_max_ms; /* or NaN: nothing departed */
	int64_t arrivals, departures, drops;
	double drop_pct;
	int64_t marks;
	int64_t retrans, rtos;
	double rtt_min_ms, rtt_mean_ms; /* or NaN: no sample */
	int64_t decisions;
	char properties[RESULTS_NAME]; /* those of the QC; empty: not judged */
	double triggered_pct; /* or NaN, as the rest: not judged; of decisions */
	double qc_mean, proven_mean, refuted_mean; /* or NaN: nothing triggered */
	double fallback_pct; /* or NaN: no fallback; of decisions */
	double shield_pct; /* or NaN: no shield; of decisions, those it moved */
	double acted_pct, reward_mean, jain; /* or NaN: no policy; no goodput */
	double jain_1s_mean, jain_1s_min;    /* or NaN: never several flows */
	int64_t changes, converged;
	double converge_s;	     /* or NaN: none converged */
	double friendliness;	     /* or NaN: not cubic and one other */
	char shares[RESULTS_SHARES]; /* empty: never several flows */
	/* Of runs over the emulator; empty and NaN in the simulator's. */
	char kernel[RESULTS_NAME], traffic[16];
	double trusted; /* 1 or 0, or NaN, as the rest */
	char doubt[RESULTS_DOUBT]; /* why not; empty: trusted */
	double late_p50_us, late_p99_us, late_max_us, device_drops;
	double emulator_cpu_pct, foreign_cpu_pct, window_limited_pct;
	int nflows;
	struct flow_result *flows; /* [nflows] the caller's in results_add, the set's when loaded */

	/* Set by results_load: whose record it is. */
	int header; /* index into result_set.headers, -1 in a record not loaded */
	int dir;    /* index into result_set.dirs */
};

/* A column of a record: where it lies, what it may hold. */
enum col_type { COL_TEXT, COL_INT, COL_REAL };
struct col {
	const char *name;
	enum col_type type;
	size_t offset, size; /* size: bytes of a text with its NUL */
	const char *unit;    /* "" for none */
	bool optional;	     /* real: NaN is absent; text: may be empty */
	double lo, hi;	     /* values outside are absurd and refused */
	int since;	     /* version of the format that it came with; zero, empty or absent in older records */
};
extern const struct col results_cols[],
	results_flow_cols[]; /* each ended by a row without a name */

/* The column of that name, NULL if there is none; its value in a run (COL_INT and COL_REAL). */
const struct col *results_col(const char *name);
double results_value(const struct col *c, const struct run_result *run);

/* The controller as people are shown it, "cubic (kernel)" where it was the kernel's, with "iperf3"
 * where that sent. Returns buf. */
#define RESULTS_SHOWN (RESULTS_NAME + 32)
const char *results_show(const struct run_result *run, char buf[RESULTS_SHOWN]);

/* Shortest of %.15g and %.17g that reads back as x; buf of RESULTS_NUM bytes. Returns buf. */
#define RESULTS_NUM 32
const char *results_number(double x, char *buf);

/* One record as a JSON line with its \n, malloc'ed. *bad names the column at fault, else NULL (no
 * memory). */
char *results_format(const struct run_result *run, const char **bad);

/*
 * Parses a run record written in that version of the format. On success run->flows is malloc'ed.
 * Returns 0, -EINVAL with why filled, or -ENOMEM.
 */
int results_parse(struct run_result *run, const json_t *record, int version, char why[160]);

/* --- Writing a folder --- */
struct results;

/*
 * Opens DIR for adding, making it where needed. spec (borrowed) is what the header records: an
 * object of resolved options. An existing runs.jsonl is read (its ids are known then); a line torn
 * by a crash is cut off with a warning; another format or version, or a folder that another canopy
 * is writing to, is an error. A header is appended when spec, version or machine differ from the
 * last one's. Prints the error.
 */
int results_open(struct results **out, const char *dir, json_t *spec);

/* Whether a run of this id is recorded. Not to be called while another thread adds. */
bool results_has(const struct results *r, const char *id);

/*
 * Appends a run, one write(2). Prints the error. After a failed write or a value that cannot be
 * recorded every later call returns that error; -EEXIST, for an id that is there already, leaves r
 * usable. Whoever calls it from threads calls it one at a time (work_run's done does).
 */
int results_add(struct results *r, const struct run_result *run);

/* Rewrites DIR/runs.csv and frees r. Returns 0 or the first error of all. NULL is fine. */
int results_close(struct results *r);

/* --- Reading --- */
struct result_set {
	struct run_result *runs;
	size_t n, cap;
	json_t *headers; /* array of header records */
	char **dirs;
	int ndirs;
};

/*
 * Adds DIR's runs to out, which is zeroed or holds other folders. A run whose id is there already
 * is left out. Prints file and line of a malformed record and returns -EINVAL, leaving out as it
 * was.
 */
int results_load(const char *dir, struct result_set *out);

/* As results_load on the text of a runs.jsonl (NUL-terminated); path and dir are for messages and
 * series. */
int results_load_text(
	const char *text, size_t len, const char *path, const char *dir, struct result_set *out);

void result_set_free(struct result_set *s);

/* Header members that describe this program and machine:
 * {"canopy","machine":{"cpu","cores","kernel"}}. */
json_t *results_machine(void);

/* Writes the runs as CSV with # lines for the headers. */
void results_csv(const struct result_set *s, FILE *f);

#endif
