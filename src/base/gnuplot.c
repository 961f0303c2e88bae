/* Runs gnuplot on a script in a temporary file and takes the picture from its standard output. */
#include "base/gnuplot.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"

extern char **environ;

#define PICTURE_MAX (64u << 20)
#define ERROR_SHOWN 300

const char *const gnuplot_colours[GNUPLOT_LINES] = {
	"#0072b2",
	"#d55e00",
	"#009e73",
	"#cc79a7",
	"#e69f00",
	"#56b4e9",
	"#8c6bb1",
	"#7f7f7f",
};

static const struct {
	const char *suffix, *terminal;
	double unit_px; // what the terminal's size is counted in
} kinds[] = {
	{".svg", "svg noenhanced background '#ffffff' font 'sans-serif,13' size", 1},
	{".png", "pngcairo noenhanced font 'sans,11' size", 1},
	{".pdf", "pdfcairo noenhanced font 'sans,10' size", 72},
};
#define NKINDS ((int)(sizeof(kinds) / sizeof(kinds[0])))

bool gnuplot_have(void)
{
	const char *dirs = getenv("PATH");
	bool have = false;

	while (dirs && *dirs && !have) {
		int len = (int)strcspn(dirs, ":");
		char *path = file_path("%.*s/gnuplot", len, dirs);

		have = access(path, X_OK) == 0;
		free(path);
		dirs += len + (dirs[len] == ':');
	}
	return have;
}

static int kind_of(const char *path)
{
	size_t len = strlen(path);

	for (int k = 0; k < NKINDS; k++) {
		size_t tail = strlen(kinds[k].suffix);

		if (len > tail && !strcmp(path + len - tail, kinds[k].suffix))
			return k;
	}
	return -EINVAL;
}

static void write_style(FILE *f)
{
	for (int i = 0; i < GNUPLOT_LINES; i++)
		fprintf(f,
			"set linetype %d linecolor rgb '%s' linewidth 1.6 pointtype %d pointsize "
			"0.9\n",
			i + 1, gnuplot_colours[i], 4 + i);
	fprintf(f,
		"set linetype cycle %d\n"
		"set border 3 linecolor rgb '#555555'\n"
		"set tics nomirror out scale 0.6 textcolor rgb '#333333'\n"
		"set grid linecolor rgb '#dddddd' linetype 1 linewidth 0.6, linecolor rgb "
		"'#dddddd' "
		"linetype 1 linewidth 0.6\n"
		"set key outside top center horizontal samplen 2\n"
		"set style fill solid 0.25 noborder\n",
		GNUPLOT_LINES);
}

int gnuplot_open(struct gnuplot *g, const char *path, int width_px, int height_px)
{
	struct gnuplot made = {NULL, NULL};
	int kind = kind_of(path);

	if (kind < 0) {
		pr_err("%s: a picture ends in .svg, .png or .pdf\n", path);
		return kind;
	}
	if (!gnuplot_have()) {
		pr_err("%s: not drawn, gnuplot is not installed (package gnuplot-nox)\n", path);
		return -ENOSYS;
	}
	made.script = tmpfile();
	if (!made.script) {
		int err = -errno;

		pr_err("%s: no temporary file for the plot: %s\n", path, strerror(-err));
		return err;
	}
	made.path = file_path("%s", path);
	fprintf(made.script, "set terminal %s %g,%g\n", kinds[kind].terminal,
		width_px / kinds[kind].unit_px, height_px / kinds[kind].unit_px);
	write_style(made.script);
	*g = made;
	return 0;
}

void gnuplot_abandon(struct gnuplot *g)
{
	if (g->script)
		fclose(g->script);
	free(g->path);
	g->script = NULL;
	g->path = NULL;
}

// Runs gnuplot with the three standard streams on files. 0, -errno, or -EIO when it reports
// failure.
static int run(FILE *in, FILE *out, FILE *err)
{
	char *argv[] = {"gnuplot", "-d", NULL}; // -d: nobody's ~/.gnuplot changes the picture
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t defaults;
	int status = 0, rc;
	pid_t pid;

	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, fileno(in), 0);
	posix_spawn_file_actions_adddup2(&files, fileno(out), 1);
	posix_spawn_file_actions_adddup2(&files, fileno(err), 2);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigdefault(&attr, &defaults);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
	rc = posix_spawnp(&pid, argv[0], &files, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	if (rc)
		return -rc;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

// What gnuplot complained of, in one line.
static void print_failure(const char *path, FILE *said, int err)
{
	char text[ERROR_SHOWN + 1], line[ERROR_SHOWN + 1];
	size_t len, n = 0;

	rewind(said);
	len = fread(text, 1, ERROR_SHOWN, said);
	for (size_t i = 0; i < len; i++) {
		char c = (unsigned char)text[i] < ' ' || text[i] == '^' ? ' ' : text[i];

		if (c != ' ' || (n && line[n - 1] != ' '))
			line[n++] = c;
	}
	line[n] = '\0';
	pr_err("%s: gnuplot failed: %s\n", path, n ? line : strerror(-err));
}

static int read_picture(FILE *out, const char *path, char **data, size_t *len)
{
	long size = fseek(out, 0, SEEK_END) ? -1 : ftell(out);
	char *got;
	int err = 0;

	if (size <= 0 || size > (long)PICTURE_MAX) {
		pr_err("%s: gnuplot made no picture\n", path);
		return -EIO;
	}
	got = malloc((size_t)size);
	rewind(out);
	if (!got)
		err = -ENOMEM;
	else if (fread(got, 1, (size_t)size, out) != (size_t)size)
		err = -EIO;
	if (err) {
		free(got);
		return err;
	}
	*data = got;
	*len = (size_t)size;
	return 0;
}

int gnuplot_take(struct gnuplot *g, char **data, size_t *len)
{
	FILE *out = tmpfile(), *said = tmpfile();
	int err = 0;

	if (!out || !said || fflush(g->script) || ferror(g->script) ||
		fseek(g->script, 0, SEEK_SET)) {
		err = errno ? -errno : -EIO;
		pr_err("%s: temporary file for the plot: %s\n", g->path, strerror(-err));
		goto out;
	}
	err = run(g->script, out, said);
	if (err)
		print_failure(g->path, said, err);
	else
		err = read_picture(out, g->path, data, len);
out:
	if (out)
		fclose(out);
	if (said)
		fclose(said);
	gnuplot_abandon(g);
	return err;
}

int gnuplot_close(struct gnuplot *g)
{
	char *path, *data;
	size_t len;
	int err;

	if (!g->script)
		return 0;
	path = file_path("%s", g->path);
	err = gnuplot_take(g, &data, &len);
	if (!err) {
		err = file_write(path, data, len);
		free(data);
	}
	free(path);
	return err;
}

// In double quotes, all but letters, digits and spaces as \0ooo: what gnuplot makes of '' depends on where it stands
// (it ends a string that begins with one), and backticks run a shell wherever they stand as themselves.
void gnuplot_quote(FILE *script, const char *text)
{
	putc('"', script);
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (*p < ' ' || *p == 0x7f)
			putc(' ', script);
		else if (*p >= 0x80 || *p == ' ' || isalnum(*p))
			putc(*p, script);
		else
			fprintf(script, "\\0%03o", *p);
	}
	putc('"', script);
}
