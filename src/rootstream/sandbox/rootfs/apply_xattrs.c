/* Set the extended attributes that an initramfs could not carry: newc has no room for them.
 *
 * Reads lines `HEX NAME PATH` (HEX is `-` for an empty value) from the table that is named on the command line, by
 * default /etc/rootstream/xattrs. For init to run before anything that needs a capability. The root has to be a tmpfs:
 * no root= on the kernel's command line, and CONFIG_TMPFS_XATTR.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

#define TABLE "/etc/rootstream/xattrs"
#define LONGEST 65536

static char line[2 * LONGEST + 8192];
static unsigned char value[LONGEST];

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* Returns the length, or -1 if the text is no hexadecimal number of whole bytes. */
static long decode(const char *hex)
{
	long length = 0;

	if (strcmp(hex, "-") == 0)
		return 0;
	for (; *hex; hex += 2) {
		int high = nibble(hex[0]), low = high < 0 ? -1 : nibble(hex[1]);

		if (low < 0 || length == LONGEST)
			return -1;
		value[length++] = (unsigned char)(high << 4 | low);
	}
	return length;
}

static int apply(char *text)
{
	char *name = strchr(text, ' '), *path = name ? strchr(name + 1, ' ') : NULL;
	long length;

	if (!path || path[1] != '/') {
		fprintf(stderr, "apply-xattrs: not a line of the table: %.60s\n", text);
		return 1;
	}
	*name++ = *path++ = '\0';
	length = decode(text);
	if (length < 0) {
		fprintf(stderr, "apply-xattrs: %s: the value of %s is not hexadecimal\n", path, name);
		return 1;
	}
	if (lsetxattr(path, name, value, (size_t)length, 0) == 0)
		return 0;
	fprintf(stderr, "apply-xattrs: %s: cannot set %s: %s%s\n", path, name, strerror(errno),
		errno == EOPNOTSUPP ? " (the kernel needs CONFIG_TMPFS_XATTR, and no root= argument)" : "");
	return 1;
}

int main(int argc, char **argv)
{
	const char *table = argc > 1 ? argv[1] : TABLE;
	FILE *file = fopen(table, "r");
	int failed = 0;

	if (!file) {
		if (errno == ENOENT && argc < 2)
			return 0; /* nothing to set */
		fprintf(stderr, "apply-xattrs: %s: %s\n", table, strerror(errno));
		return 2;
	}
	while (fgets(line, sizeof line, file)) {
		size_t length = strlen(line);

		if (length && line[length - 1] == '\n')
			line[length - 1] = '\0';
		failed |= apply(line);
	}
	if (ferror(file)) {
		fprintf(stderr, "apply-xattrs: %s: %s\n", table, strerror(errno));
		failed = 1;
	}
	fclose(file);
	return failed;
}
