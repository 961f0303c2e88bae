/* Messages to stderr, one write a line. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static int max_level = LOG_INFO;

void log_set_level(int level)
{
	max_level = level;
}

int log_get_level(void)
{
	return max_level;
}

void log_print(enum log_level level, const char *fmt, ...)
{
	static const char *const prefix[] = {"canopy: ", "canopy: warning: ", "", "debug: "};
	char line[2048];
	va_list ap;
	int n;

	if ((int)level > max_level)
		return;
	n = snprintf(line, sizeof(line), "%s", prefix[level]);
	va_start(ap, fmt);
	n += vsnprintf(line + n, sizeof(line) - n, fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof(line)) {
		n = sizeof(line) - 1;
		line[n - 1] = '\n';
	}
	if (write(STDERR_FILENO, line, n) < 0)
		return; // nowhere left to complain to
}
