/* Processor time from /proc. */
#include "emu/cpu.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static double used(int who)
{
	struct rusage u;

	if (getrusage(who, &u))
		return 0;
	return u.ru_utime.tv_sec + u.ru_stime.tv_sec +
	       (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

static void read_idle(struct cpu_times *t, double hz)
{
	FILE *f = fopen("/proc/stat", "r");
	uint64_t idle, iowait;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	t->all_s = (now.tv_sec + now.tv_nsec * 1e-9) * sysconf(_SC_NPROCESSORS_ONLN);
	t->idle_s = t->all_s; // where it is not told
	if (f && fscanf(f, "cpu %*u %*u %*u %" SCNu64 " %" SCNu64, &idle, &iowait) == 2)
		t->idle_s = (idle + iowait) / hz;
	if (f)
		fclose(f);
}

// utime, stime, cutime, cstime: fields 14 to 17; the name in field 2 may hold anything.
static double process_s(const char *pid, double hz)
{
	char path[300], text[1024], *p;
	uint64_t ticks = 0;
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	f = fopen(path, "r");
	n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
	if (f)
		fclose(f);
	text[n] = 0;
	p = strrchr(text, ')');
	for (int field = 2; p && field < 14; field++)
		p = strchr(p + 1, ' ');
	for (int i = 0; i < 4 && p; i++)
		ticks += strtoull(p, &p, 10);
	return ticks / hz;
}

void cpu_read(struct cpu_times *t)
{
	double hz = sysconf(_SC_CLK_TCK);
	DIR *d = opendir("/proc");
	struct dirent *e;

	memset(t, 0, sizeof(*t));
	read_idle(t, hz);
	while (d && (e = readdir(d)))
		if (*e->d_name >= '1' && *e->d_name <= '9')
			t->processes_s += process_s(e->d_name, hz);
	if (d)
		closedir(d);
	t->self_s = used(RUSAGE_SELF);
	t->own_s = t->self_s + used(RUSAGE_CHILDREN);
}

void cpu_shares(const struct cpu_times *from, const struct cpu_times *to, double *self_pct,
	double *others_pct)
{
	double all = to->all_s - from->all_s, own = to->own_s - from->own_s;
	double rest = all - (to->idle_s - from->idle_s) - own;
	double processes = to->processes_s - from->processes_s - own;
	double others = rest > processes ? rest : processes;

	*self_pct = *others_pct = 0;
	if (all <= 0)
		return;
	*self_pct = 100 * (to->self_s - from->self_s) * sysconf(_SC_NPROCESSORS_ONLN) / all;
	*others_pct = others <= 0 ? 0 : others < all ? 100 * others / all : 100;
}
