#include <say.h>

int main(void)
{
    say(WORD);
    return 0;
}
