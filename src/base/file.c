/* Reading, atomic replacement and directories. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

static int read_all(FILE *f, size_t max, char **data, size_t *len)
{
	size_t cap = 1 << 16, n = 0, got;
	char *buf = malloc(cap + 1), *more;

	while (buf && (got = fread(buf + n, 1, cap - n, f)) > 0) {
		n += got;
		if (n > max) {
			free(buf);
			return -EFBIG;
		}
		if (n < cap)
			continue;
		cap *= 2;
		more = realloc(buf, cap + 1);
		if (!more)
			free(buf);
		buf = more;
	}
	if (!buf)
		return -ENOMEM;
	if (ferror(f)) {
		free(buf);
		return -EIO;
	}
	buf[n] = 0;
	*data = buf;
	*len = n;
	return 0;
}

int file_read(const char *path, size_t max, char **data, size_t *len)
{
	struct stat st;
	int err = 0;
	FILE *f = fopen(path, "rb");

	if (!f || fstat(fileno(f), &st))
		err = -errno;
	else if (S_ISDIR(st.st_mode))
		err = -EISDIR;
	else
		err = read_all(f, max, data, len);
	if (f)
		fclose(f);
	if (err == -EFBIG)
		pr_err("%s: larger than %zu bytes\n", path, max);
	else if (err)
		pr_err("%s: %s\n", path, strerror(-err));
	return err;
}

static int write_all(int fd, const char *p, size_t len)
{
	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= n;
	}
	return fsync(fd) && errno != EINVAL && errno != EROFS ? -errno : 0; // EINVAL: a pipe, say
}

static int write_over(const char *path, int flags, const char *data, size_t len)
{
	// Standard output itself, not opened anew: what else goes there keeps its place.
	int fd = strcmp(path, "/dev/stdout") ? open(path, O_WRONLY | O_CLOEXEC | flags, 0666)
					     : dup(STDOUT_FILENO);
	int err = fd < 0 ? -errno : write_all(fd, data, len);

	if (fd >= 0 && close(fd) && !err)
		err = -errno;
	return err;
}

static int settle(const char *path, int err)
{
	char *part = file_part(path);

	if (!err && rename(part, path))
		err = -errno;
	if (err)
		unlink(part);
	free(part);
	return err;
}

static int replace(const char *path, const char *data, size_t len)
{
	char *part = file_part(path);
	int err = write_over(part, O_CREAT | O_TRUNC, data, len);

	free(part);
	return settle(path, err);
}

char *file_part(const char *path)
{
	return file_path("%s.part%d", path, (int)getpid());
}

int file_settle(const char *path, int err)
{
	int late = settle(path, err);

	if (late && !err)
		pr_err("%s: %s\n", path, strerror(-late));
	return late;
}

// Is it something to write to: a device, a pipe, or an open file by the name of its descriptor?
static bool is_stream(const char *path)
{
	static const char *const open_files[] = {"/dev/std", "/dev/fd/", "/proc/"};
	struct stat st;

	for (int i = 0; i < 3; i++)
		if (!strncmp(path, open_files[i], strlen(open_files[i])))
			return true;
	return !stat(path, &st) && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

int file_write(const char *path, const void *data, size_t len)
{
	char *real = realpath(path, NULL); // through links, to the file they mean
	int err;

	if (is_stream(path))
		err = write_over(path, O_APPEND, data, len);
	else
		err = replace(real ? real : path, data, len);
	if (err)
		pr_err("%s: %s\n", path, strerror(-err));
	free(real);
	return err;
}

bool file_same(const char *a, const char *b)
{
	struct stat x, y;

	return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

int file_mkdirs(const char *path)
{
	char *p = file_path("%s", path);
	struct stat st;
	int err = *p ? 0 : -ENOENT;

	for (char *s = p + 1; !err; s++) {
		char c = *s;

		if (c && c != '/')
			continue;
		*s = 0;
		if (mkdir(p, 0777) && errno != EEXIST)
			err = -errno;
		*s = c;
		if (!c)
			break;
	}
	if (!err && (stat(p, &st) || !S_ISDIR(st.st_mode))) // mkdir(2) says EEXIST for a file, too
		err = -ENOTDIR;
	free(p);
	if (err)
		pr_err("%s: %s\n", path, strerror(-err));
	return err;
}

char *file_path(const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0)
		abort();
	return s;
}

// A stream remembers that a write failed and not why; one more byte fails for the same reason.
static int flush(FILE *f)
{
	errno = 0;
	if (!ferror(f) && !fflush(f))
		return 0;
	if (!errno && write(fileno(f), "", 1) >= 0)
		errno = EIO;
	return -errno;
}

int file_flush(FILE *f, const char *path)
{
	int err = flush(f);

	if (err)
		pr_err("%s: %s\n", path, strerror(-err));
	return err;
}

int file_close(FILE *f, const char *path)
{
	int err = f ? file_flush(f, path) : 0;

	if (f && fclose(f) && !err) {
		err = -errno;
		pr_err("%s: %s\n", path, strerror(-err));
	}
	return err;
}
