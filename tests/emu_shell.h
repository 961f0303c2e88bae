/* Tests of the program with real kernels: shell commands in which $C is the program, $D a folder,
 * $S this test program. They need root and skip without. */
#ifndef TESTS_EMU_SHELL_H
#define TESTS_EMU_SHELL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "emu_peer.h"

static char dir[] = "/tmp/canopy-emu-XXXXXX";
static char self[4096];

static inline void need_root(void)
{
	if (!getenv("CANOPY")) {
		print_message("skip: CANOPY names no program\n");
		skip();
	}
	if (geteuid()) {
		print_message("skip: namespaces need root\n");
		skip();
	}
}

// Runs a shell command in which $C is the program, $D a folder, $S this program.
static inline int shell(const char *cmd)
{
	int status;

	need_root();
	status = system(cmd);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

// Starts one and does not wait.
static inline pid_t background(const char *cmd)
{
	pid_t pid = fork();

	if (!pid) {
		execl("/bin/sh", "sh", "-c", cmd, NULL);
		_exit(127);
	}
	return pid;
}

static inline int ended(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static inline void wait_for_file(const char *name)
{
	char *path = file_path("%s/%s", dir, name);
	int i = 0;

	while (access(path, F_OK) && i++ < WAIT_TRIES)
		pause_ms(50);
	assert_int_equal(access(path, F_OK), 0);
	free(path);
}

static inline int set_up(void **state)
{
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (!mkdtemp(dir) || n <= 0)
		return -1;
	self[n] = 0;
	setenv("D", dir, 1);
	setenv("S", self, 1);
	if (getenv("CANOPY"))
		setenv("C", getenv("CANOPY"), 1);
	return chmod(dir, 0755);
}

static inline int tear_down(void **state)
{
	char *cmd = file_path("rm -r '%s'", dir);
	int err = system(cmd);

	free(cmd);
	return err;
}

#endif
