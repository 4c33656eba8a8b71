#include <stdio.h>

void say(const char *word)
{
    puts(word);
}
