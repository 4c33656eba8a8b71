/* Says how the appliance is: its name, for how long it runs, how much memory is free. */
#include <stdio.h>
#include <sys/sysinfo.h>
#include <unistd.h>

int main(void)
{
	char name[256] = "";
	struct sysinfo now;

	if (gethostname(name, sizeof name - 1) || sysinfo(&now)) {
		perror("status");
		return 1;
	}
	printf("%s: ok, up %ld s, %llu KiB free\n", name, now.uptime,
	       (unsigned long long)now.freeram * now.mem_unit / 1024);
	return 0;
}
