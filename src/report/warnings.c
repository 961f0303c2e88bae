/* What a reader of the report should be wary of: idle policies, runs that do not add up, uneven
 * coverage. */
#include <math.h>
#include <string.h>

#include "report/html.h"
#include "report/table.h"

#define MAX_NAMED 20 /* runs named one by one; more are counted */

static bool is_classic(const char *name)
{
	static const char *const names[] = {"reno", "cubic", "vegas", "bbr"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

// Flows of a policy that never acted.
static int idle_flows(const struct run_result *r)
{
	int n = 0;

	for (int i = 0; r->model[0] && i < r->nflows; i++) {
		const struct flow_result *f = &r->flows[i];

		n += !is_classic(f->controller) && (f->decisions == 0 || isnan(f->policy_start_s));
	}
	return n;
}

// Why a run's numbers are not to be trusted, or NULL.
static const char *suspect(const struct run_result *r)
{
	if (r->trusted == 0)
		return *r->doubt ? r->doubt : "its record says that it is not to be trusted";
	if (r->departures == 0)
		return "nothing departed from the bottleneck";
	if (r->departures > r->arrivals)
		return "more packets departed than arrived";
	if (r->util_pct > 101)
		return "utilisation is over 100 %";
	if (r->qdelay_p95_ms < r->qdelay_p50_ms || r->qdelay_max_ms < r->qdelay_mean_ms)
		return "the delays' order is impossible";
	if (r->model[0] && r->acted_pct < 90)
		return "the policy acted for less than 90 % of its time";
	return NULL;
}

static void put_run(FILE *out, const struct run_result *r, const char *why)
{
	char seed[24], name[RESULTS_SHOWN];

	snprintf(seed, sizeof(seed), "%lld", (long long)r->seed);
	html_printf(out, "<li>%s on %s, seed %s (<code>%s</code>): %s</li>\n",
		results_show(r, name), r->trace, seed, r->id, why);
}

// Means over different traces do not compare.
static int uneven(FILE *out, const struct grid *g, int setup)
{
	int most = 0, n = 0;

	for (int pass = 0; pass < 2; pass++)
		for (int s = 0; s < g->nschemes; s++) {
			int traces = 0;

			for (int t = 0; t < g->ntraces; t++)
				traces += grid_cell(g, setup, t, s) != NULL;
			if (!pass) {
				most = traces > most ? traces : most;
			} else if (traces && traces < most) {
				html_printf(out,
					"<li>%s (%s): runs on %d of %d traces only; its means do "
					"not compare "
					"with the others'</li>\n",
					g->schemes[s].name, g->setups[setup].label, traces, most);
				n++;
			}
		}
	return n;
}

int table_warnings(FILE *out, const struct grid *g)
{
	int n = 0;

	for (int s = 0; s < g->nsetups; s++)
		n += uneven(out, g, s);
	for (size_t i = 0; i < g->set->n; i++) {
		const struct run_result *r = &g->set->runs[i];
		const char *why = suspect(r);
		int idle = idle_flows(r);
		char text[64];

		snprintf(text, sizeof(text), "the policy of %d of %d flows never acted", idle,
			r->nflows);
		if (idle && n++ < MAX_NAMED)
			put_run(out, r, text);
		if (why && !idle && n++ < MAX_NAMED)
			put_run(out, r, why);
	}
	if (n > MAX_NAMED)
		html_printf(out, "<li>and %d more</li>\n", n - MAX_NAMED);
	return n;
}
