/* Whose the processors were: ours, that of what we started, other programs'. */
#ifndef EMU_CPU_H
#define EMU_CPU_H

/* Seconds since boot. */
struct cpu_times {
	double all_s;	    /* of all processors together, idle or not */
	double idle_s;	    /* of them, as each took and left its idle state */
	double processes_s; /* of all processes, those they waited for too */
	double own_s;	    /* ours, and of the children that we waited for */
	double self_s;	    /* ours alone */
};

void cpu_read(struct cpu_times *t);

/*
 * Between two times, in percent: this process, of one processor; other programs, of all of them.
 * Others is the larger of two counts: what was not idle, interrupts included, and the processes
 * that are visible from here, which may not be all. Ticks are no measure of what was busy: work
 * that recurs every millisecond meets all of them or none.
 */
void cpu_shares(const struct cpu_times *from, const struct cpu_times *to, double *self_pct,
	double *others_pct);

#endif
