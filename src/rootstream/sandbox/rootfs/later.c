/* Shows programs a time that is more than a year ahead, so that what they write down of it is not the same as in a run
   at the true time: years, months, days and hours differ, and not only seconds.

   What waits until a point in time gets that point as the kernel counts. Clocks that do not show the date are left as
   they are, and so are the times of files, which the kernel makes. It is linked with nothing, as created.c. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <mqueue.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>

#define LATER (400 * 86400 + 19397) /* seconds */
#define DATE 1000000000 /* in 2001: clocks that begin when the machine starts show less */
#define NEXT(type, name, args) \
	static type(*next) args; \
	if (!next) \
	next = (type(*) args)dlsym(RTLD_NEXT, name)

static int shows_date(clockid_t clock)
{
	return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI ||
	       clock == CLOCK_REALTIME_ALARM;
}

/* Returns a point in time as the kernel counts. */
static const struct timespec *truly(const struct timespec *at, struct timespec *copy)
{
	if (!at || at->tv_sec < DATE)
		return at;
	*copy = *at;
	copy->tv_sec -= LATER;
	return copy;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
	NEXT(int, "clock_gettime", (clockid_t, struct timespec *));
	int status = next(clock, now);
	if (status == 0 && shows_date(clock))
		now->tv_sec += LATER;
	return status;
}

int timespec_get(struct timespec *now, int base)
{
	return base == TIME_UTC && clock_gettime(CLOCK_REALTIME, now) == 0 ? base : 0;
}

int gettimeofday(struct timeval *now, void *zone)
{
	NEXT(int, "gettimeofday", (struct timeval *, void *));
	int status = next(now, zone);
	if (status == 0)
		now->tv_sec += LATER;
	return status;
}

time_t time(time_t *now)
{
	NEXT(time_t, "time", (time_t *));
	time_t found = next(NULL) + LATER;
	if (now)
		*now = found;
	return found;
}

#define WAIT(name, parameters, ...) \
	int name parameters \
	{ \
		NEXT(int, #name, parameters); \
		struct timespec copy; \
		return next(__VA_ARGS__); \
	}
WAIT(pthread_cond_timedwait, (pthread_cond_t *what, pthread_mutex_t *mutex, const struct timespec *until), what, mutex,
     truly(until, &copy))
WAIT(pthread_cond_clockwait, (pthread_cond_t *what, pthread_mutex_t *mutex, clockid_t clock, const struct timespec *until),
     what, mutex, clock, truly(until, &copy))
WAIT(pthread_mutex_timedlock, (pthread_mutex_t *what, const struct timespec *until), what, truly(until, &copy))
WAIT(pthread_mutex_clocklock, (pthread_mutex_t *what, clockid_t clock, const struct timespec *until), what, clock,
     truly(until, &copy))
WAIT(pthread_rwlock_timedrdlock, (pthread_rwlock_t *what, const struct timespec *until), what, truly(until, &copy))
WAIT(pthread_rwlock_timedwrlock, (pthread_rwlock_t *what, const struct timespec *until), what, truly(until, &copy))
WAIT(pthread_timedjoin_np, (pthread_t thread, void **result, const struct timespec *until), thread, result,
     truly(until, &copy))
WAIT(sem_timedwait, (sem_t *what, const struct timespec *until), what, truly(until, &copy))
WAIT(sem_clockwait, (sem_t *what, clockid_t clock, const struct timespec *until), what, clock, truly(until, &copy))
WAIT(mq_timedsend, (mqd_t queue, const char *data, size_t size, unsigned int rank, const struct timespec *until), queue, data,
     size, rank, truly(until, &copy))

ssize_t mq_timedreceive(mqd_t queue, char *data, size_t size, unsigned int *rank, const struct timespec *until)
{
	NEXT(ssize_t, "mq_timedreceive", (mqd_t, char *, size_t, unsigned int *, const struct timespec *));
	struct timespec copy;
	return next(queue, data, size, rank, truly(until, &copy));
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *time, struct timespec *left)
{
	NEXT(int, "clock_nanosleep", (clockid_t, int, const struct timespec *, struct timespec *));
	struct timespec copy;
	return next(clock, flags, flags & TIMER_ABSTIME ? truly(time, &copy) : time, left);
}

static const struct itimerspec *timer(int flags, const struct itimerspec *set, struct itimerspec *copy)
{
	if (!(flags & 1) || set->it_value.tv_sec < DATE) /* TIMER_ABSTIME, TFD_TIMER_ABSTIME */
		return set;
	*copy = *set;
	copy->it_value.tv_sec -= LATER;
	return copy;
}

int timerfd_settime(int file, int flags, const struct itimerspec *set, struct itimerspec *before)
{
	NEXT(int, "timerfd_settime", (int, int, const struct itimerspec *, struct itimerspec *));
	struct itimerspec copy;
	return next(file, flags, timer(flags, set, &copy), before);
}

int timer_settime(timer_t which, int flags, const struct itimerspec *set, struct itimerspec *before)
{
	NEXT(int, "timer_settime", (timer_t, int, const struct itimerspec *, struct itimerspec *));
	struct itimerspec copy;
	return next(which, flags, timer(flags, set, &copy), before);
}
