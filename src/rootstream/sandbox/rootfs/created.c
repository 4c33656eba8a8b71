/* Gives what a process makes the owner that the kernel would give it, where fakeroot stands in for the kernel.

   fakeroot remembers owners that are asked for by chown, and who a process has become by setuid, but what such a
   process makes it takes for root's. So each function of the C library that makes something is followed by the chown
   that fakeroot needs: to the effective user, and to the group of a set-group-ID directory. The library stands in
   /etc/ld.so.preload behind fakeroot's own: programs that clear their environment (su --login) would lose both.

   Nor does fakeroot remember supplementary groups. They are kept here, and in the environment for what is started
   from here, so that a program that looks whether it may read a file of such a group finds that it may.

   It is linked with nothing, so that it has no symbol versions and runs with every suite's C library. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef VARIABLES
#define VARIABLES "/.rootstream/variables" /* lines NAME=VALUE: what fakeroot reads from the environment */
#endif
#define NEXT(type, name, args) \
	static type(*next) args; \
	if (!next) \
	next = (type(*) args)dlsym(RTLD_NEXT, name)

__attribute__((constructor)) static void restore_variables(void)
{
	char text[1024], *line, *rest = text, *value;
	ssize_t length;
	int file, kept = errno;

	if (getenv("FAKEROOTKEY"))
		return;
	file = open(VARIABLES, O_RDONLY | O_CLOEXEC);
	if (file >= 0) {
		length = read(file, text, sizeof text - 1);
		close(file);
		text[length > 0 ? length : 0] = '\0';
		while ((line = strsep(&rest, "\n")) != NULL) {
			value = strchr(line, '=');
			if (value) {
				*value = '\0';
				setenv(line, value + 1, 1);
			}
		}
	}
	errno = kept;
}

/* The group that new entries of a directory get, or the process's own; tells whether the directory says so. */
static int group_of(int folder, const char *path, gid_t *group)
{
	char parent[4096] = ".";
	const char *slash = strrchr(path, '/');
	size_t length = slash ? (size_t)(slash - path) + 1 : 0;
	struct stat status;

	*group = getegid();
	if (length >= sizeof parent)
		return 0;
	if (length) {
		memcpy(parent, path, length);
		parent[length] = '\0';
	}
	if (fstatat(folder, parent, &status, 0) != 0 || !(status.st_mode & S_ISGID))
		return 0;
	*group = status.st_gid;
	return 1;
}

static void own(int folder, const char *path, int file)
{
	int kept = errno;
	gid_t group;
	int inherited = group_of(folder, path, &group);
	uid_t user = geteuid();
	struct stat status;

	if (user != 0 || group != 0) {
		if (file >= 0)
			(void)!fchown(file, user, group);
		else
			(void)!fchownat(folder, path, user, group, AT_SYMLINK_NOFOLLOW);
	}
	if (inherited && file < 0 && fstatat(folder, path, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(status.st_mode))
		(void)!fchmodat(folder, path, (status.st_mode & 07777) | S_ISGID, 0);
	errno = kept;
}

static int is_there(int folder, const char *path)
{
	int kept = errno;
	int there = faccessat(folder, path, F_OK, 0) == 0;
	errno = kept;
	return there;
}

static int opened(int folder, const char *path, int flags, int there, int file)
{
	if (file >= 0 && (flags & O_CREAT) && !there)
		own(folder, path, file);
	return file;
}

static mode_t mode_given(int flags, va_list rest)
{
	return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(rest, mode_t) : 0;
}

#define OPEN(name) \
	int name(const char *path, int flags, ...) \
	{ \
		NEXT(int, #name, (const char *, int, mode_t)); \
		va_list rest; \
		va_start(rest, flags); \
		mode_t mode = mode_given(flags, rest); \
		va_end(rest); \
		int there = !(flags & O_CREAT) || is_there(AT_FDCWD, path); \
		return opened(AT_FDCWD, path, flags, there, next(path, flags, mode)); \
	}
OPEN(open)
OPEN(open64)

#define OPENAT(name) \
	int name(int folder, const char *path, int flags, ...) \
	{ \
		NEXT(int, #name, (int, const char *, int, mode_t)); \
		va_list rest; \
		va_start(rest, flags); \
		mode_t mode = mode_given(flags, rest); \
		va_end(rest); \
		int there = !(flags & O_CREAT) || is_there(folder, path); \
		return opened(folder, path, flags, there, next(folder, path, flags, mode)); \
	}
OPENAT(openat)
OPENAT(openat64)

#define CREAT(name) \
	int name(const char *path, mode_t mode) \
	{ \
		NEXT(int, #name, (const char *, mode_t)); \
		int there = is_there(AT_FDCWD, path); \
		return opened(AT_FDCWD, path, O_CREAT, there, next(path, mode)); \
	}
CREAT(creat)
CREAT(creat64)

/* Inside of the C library nothing of this file is called, so all that ends in an open of its own is here, too. */
#define FOPEN(name, parameters, arguments) \
	FILE *name parameters \
	{ \
		NEXT(FILE *, #name, parameters); \
		int there = !path || !strpbrk(mode, "wa") || is_there(AT_FDCWD, path); \
		FILE *stream = next arguments; \
		if (stream && !there) \
			own(AT_FDCWD, path, fileno(stream)); \
		return stream; \
	}
FOPEN(fopen, (const char *path, const char *mode), (path, mode))
FOPEN(fopen64, (const char *path, const char *mode), (path, mode))
FOPEN(freopen, (const char *path, const char *mode, FILE *before), (path, mode, before))
FOPEN(freopen64, (const char *path, const char *mode, FILE *before), (path, mode, before))

#define MKSTEMP(name, parameters, arguments) \
	int name parameters \
	{ \
		NEXT(int, #name, parameters); \
		int file = next arguments; \
		return opened(AT_FDCWD, template, O_CREAT, 0, file); \
	}
MKSTEMP(mkstemp, (char *template), (template))
MKSTEMP(mkstemp64, (char *template), (template))
MKSTEMP(mkostemp, (char *template, int flags), (template, flags))
MKSTEMP(mkostemp64, (char *template, int flags), (template, flags))
MKSTEMP(mkstemps, (char *template, int length), (template, length))
MKSTEMP(mkstemps64, (char *template, int length), (template, length))
MKSTEMP(mkostemps, (char *template, int length, int flags), (template, length, flags))
MKSTEMP(mkostemps64, (char *template, int length, int flags), (template, length, flags))

char *mkdtemp(char *template)
{
	NEXT(char *, "mkdtemp", (char *));
	char *made = next(template);
	if (made)
		own(AT_FDCWD, made, -1);
	return made;
}

#define MAKE(name, parameters, arguments, folder) \
	int name parameters \
	{ \
		NEXT(int, #name, parameters); \
		int status = next arguments; \
		if (status == 0) \
			own(folder, path, -1); \
		return status; \
	}
MAKE(mkdir, (const char *path, mode_t mode), (path, mode), AT_FDCWD)
MAKE(mkdirat, (int folder, const char *path, mode_t mode), (folder, path, mode), folder)
MAKE(mkfifo, (const char *path, mode_t mode), (path, mode), AT_FDCWD)
MAKE(mkfifoat, (int folder, const char *path, mode_t mode), (folder, path, mode), folder)
MAKE(mknod, (const char *path, mode_t mode, dev_t device), (path, mode, device), AT_FDCWD)
MAKE(mknodat, (int folder, const char *path, mode_t mode, dev_t device), (folder, path, mode, device), folder)
MAKE(symlink, (const char *target, const char *path), (target, path), AT_FDCWD)
MAKE(symlinkat, (const char *target, int folder, const char *path), (target, folder, path), folder)

#define GROUPS "CREATED_GROUPS" /* numbers, each with a space behind it */
#define MOST 64

int setgroups(size_t count, const gid_t *groups)
{
	char text[MOST * 11 + 1] = "", *end = text;

	if (count > MOST) {
		errno = EINVAL;
		return -1;
	}
	for (size_t n = 0; n < count; n++)
		end += sprintf(end, "%u ", groups[n]);
	return setenv(GROUPS, text, 1);
}

int initgroups(const char *user, gid_t group)
{
	gid_t groups[MOST];
	int count = MOST;

	if (getgrouplist(user, group, groups, &count) < 0) {
		errno = EINVAL;
		return -1;
	}
	return setgroups((size_t)count, groups);
}

int getgroups(int size, gid_t *groups)
{
	NEXT(int, "getgroups", (int, gid_t *));
	const char *text = getenv(GROUPS);
	gid_t group = 0;
	int count = 0;

	if (!text)
		return next(size, groups);
	for (; *text; text++) {
		if (*text != ' ') {
			group = group * 10 + (gid_t)(*text - '0');
			continue;
		}
		if (size != 0 && count == size) {
			errno = EINVAL;
			return -1;
		}
		if (size != 0)
			groups[count] = group;
		group = 0;
		count++;
	}
	return count;
}
