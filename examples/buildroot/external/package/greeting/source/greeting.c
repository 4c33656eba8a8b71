#include <stdio.h>
#include <unistd.h>

int main(void)
{
	char name[65] = "";

	gethostname(name, sizeof(name) - 1);
	printf("Hello from %s\n", name);
	return 0;
}
