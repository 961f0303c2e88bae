/* canopy trace log: the row of cmd_trace's table that summarises mahimahi logs. */
#ifndef CLI_CMD_TRACE_LOG_H
#define CLI_CMD_TRACE_LOG_H

#include "cli/cmd.h"

extern const struct opt cmd_trace_log_opts[];
int cmd_trace_log_run(struct opts *o);

/* clang-format off */
#define CMD_TRACE_LOG_ROW \
	{"trace", "log", "LOG...", 1, -1, "Measure mahimahi link logs: utilisation, queueing delay, drops", \
	 "Prints what mm-throughput-graph computes, and more, for each log: capacity and throughput in Mbit/s,\n" \
	 "utilisation in %, the queueing delay of the departures in ms, dropped packets.", \
	 cmd_trace_log_opts, cmd_trace_log_run}
/* clang-format on */

#endif
