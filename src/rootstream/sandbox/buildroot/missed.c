/* What programs look for in vain below some folders, written to a file: for LD_PRELOAD.
 *
 *     LD_PRELOAD=.../missed.so ROOTSTREAM_BELOW=/one:/two ROOTSTREAM_MISSED=FILE COMMAND
 *
 * FILE gets a line for each path, made absolute and without . and .., but with its symbolic links. Programs that
 * are linked statically are not seen. All else is left to the C library, errno included.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Make a path absolute in `full`, without . and ..; return its length, or 0. */
static size_t whole(int folder, const char *path, char *full)
{
	char joined[2 * PATH_MAX], link[64];
	ssize_t length = 0;
	size_t end = 0;
	char *rest, *part;

	if (path[0] != '/') {
		if (folder == AT_FDCWD) {
			if (getcwd(joined, PATH_MAX) == NULL)
				return 0;
			length = strlen(joined);
		} else {
			snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
			length = readlink(link, joined, PATH_MAX - 1);
			if (length < 0)
				return 0;
		}
	}
	if (length + strlen(path) + 2 > sizeof joined || strchr(path, '\n'))
		return 0;
	joined[length] = '/';
	strcpy(joined + length + 1, path);
	for (part = strtok_r(joined, "/", &rest); part; part = strtok_r(NULL, "/", &rest)) {
		if (strcmp(part, ".") == 0)
			continue;
		if (strcmp(part, "..") == 0) {
			while (end > 0 && full[--end] != '/')
				;
			continue;
		}
		if (end + strlen(part) + 2 > PATH_MAX)
			return 0;
		full[end++] = '/';
		strcpy(full + end, part);
		end += strlen(part);
	}
	full[end] = '\0';
	return end;
}

static void note(int folder, const char *path)
{
	const char *below = getenv("ROOTSTREAM_BELOW"), *file = getenv("ROOTSTREAM_MISSED");
	char full[PATH_MAX + 1];
	size_t length;
	int before = errno, out;

	if (below == NULL || file == NULL || path == NULL || path[0] == '\0' || (before != ENOENT && before != ENOTDIR))
		return;
	length = whole(folder, path, full);
	while (length > 0 && *below) {
		size_t top = strcspn(below, ":");
		if (length > top && strncmp(full, below, top) == 0 && full[top] == '/') {
			full[length++] = '\n';
			out = syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
			if (out >= 0) {
				length = write(out, full, length);	/* there is nobody to tell */
				close(out);
			}
			break;
		}
		below += top + (below[top] == ':');
	}
	errno = before;
}

#define REAL(name) __typeof__(name) *real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)
#define MODE(mode, flags) \
	int mode = 0; \
	if ((flags) & (O_CREAT | __O_TMPFILE)) { \
		va_list more; \
		va_start(more, flags); \
		mode = va_arg(more, int); \
		va_end(more); \
	}
#define NOTED(result, failed, folder, path) \
	do { \
		__typeof__(result) got = (result); \
		if (got == (failed)) \
			note(folder, path); \
		return got; \
	} while (0)

#define OPEN(name) \
	int name(const char *path, int flags, ...) \
	{ \
		REAL(name); \
		MODE(mode, flags) \
		NOTED(real(path, flags, mode), -1, AT_FDCWD, path); \
	}
#define OPENAT(name) \
	int name(int folder, const char *path, int flags, ...) \
	{ \
		REAL(name); \
		MODE(mode, flags) \
		NOTED(real(folder, path, flags, mode), -1, folder, path); \
	}
#define FOPEN(name) \
	FILE *name(const char *path, const char *how) \
	{ \
		REAL(name); \
		NOTED(real(path, how), NULL, AT_FDCWD, path); \
	}
#define STAT(name, type) \
	int name(const char *path, struct type *status) \
	{ \
		REAL(name); \
		NOTED(real(path, status), -1, AT_FDCWD, path); \
	}
#define STATAT(name, type) \
	int name(int folder, const char *path, struct type *status, int flags) \
	{ \
		REAL(name); \
		NOTED(real(folder, path, status, flags), -1, folder, path); \
	}

OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)
FOPEN(fopen)
FOPEN(fopen64)
STAT(stat, stat)
STAT(stat64, stat64)
STAT(lstat, stat)
STAT(lstat64, stat64)
STATAT(fstatat, stat)
STATAT(fstatat64, stat64)

int statx(int folder, const char *path, int flags, unsigned int mask, struct statx *status)
{
	REAL(statx);
	NOTED(real(folder, path, flags, mask, status), -1, folder, path);
}

int access(const char *path, int mode)
{
	REAL(access);
	NOTED(real(path, mode), -1, AT_FDCWD, path);
}

int faccessat(int folder, const char *path, int mode, int flags)
{
	REAL(faccessat);
	NOTED(real(folder, path, mode, flags), -1, folder, path);
}

int euidaccess(const char *path, int mode)
{
	REAL(euidaccess);
	NOTED(real(path, mode), -1, AT_FDCWD, path);
}

int eaccess(const char *path, int mode)
{
	REAL(eaccess);
	NOTED(real(path, mode), -1, AT_FDCWD, path);
}
