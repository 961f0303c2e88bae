/* What canopy emu and canopy mm have in common: a run's options, its title, its end. */
#include "cli/emu_opts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cli/cmd.h"

// The options that were given and the command, on one line.
static char *make_title(const struct opts *o, const char *name)
{
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		abort();
	fprintf(f, "canopy %s %s --seed %s", CANOPY_VERSION, name, opts_text(o, "seed"));
	for (int i = 0; i < o->n; i++)
		if (o->rank[i] && strcmp(o->table[i].name, "seed"))
			fprintf(f, " --%s=%s", o->table[i].name, o->text[i]);
	fprintf(f, " --");
	for (int i = 0; i < o->nargs; i++)
		fprintf(f, " %s", o->args[i]);
	if (fclose(f))
		abort();
	for (char *p = text; *p; p++)
		if (*p == '\n' || *p == '\r')
			*p = ' ';
	return text;
}

void emu_opts_read(struct emu_conf *c, const struct opts *o, const char *name)
{
	c->title = make_title(o, name);
	c->path.ecn = opts_flag(o, "ecn");
	c->path.mtu = opts_int(o, "mtu");
	c->path.memory = (uint64_t)opts_int(o, "memory") << 20;
	c->path.seed = opts_int(o, "seed");
	c->path.late = opts_flag(o, "late");
	c->log_actual = opts_flag(o, "log-actual");
	c->json = opts_text(o, "json");
	c->outside = opts_text(o, "outside");
	c->path.own_outside = c->outside != NULL;
	c->path.realtime = opts_flag(o, "realtime");
	c->status = opts_flag(o, "status");
}

int emu_opts_trace(struct trace **out, const char *what, bool once)
{
	struct trace *t;
	int err = trace_open(&t, what);

	if (err)
		return err;
	if (once && t->rate_bps) {
		pr_err("%s: a constant rate has no end, so --once would never end the run\n", what);
		trace_free(t);
		return -EINVAL;
	}
	*out = t;
	return 0;
}

int emu_opts_run(struct emu_conf *c, char *const *command)
{
	const char *shell = getenv("SHELL");
	char *fallback[] = {(char *)(shell && *shell ? shell : "/bin/sh"), NULL};
	int status = EXIT_FAILED;

	c->argv = *command ? command : fallback;
	c->status = c->status && *command; // not into an interactive shell
	if (netns_privileges(&c->path.own_outside) || emu_run(c, &status))
		return EXIT_FAILED;
	return status;
}
