/*
 * Loaded before componentize-qjs, so that it builds the same bytes each time. It runs the engine until the
 * script is read, and what the engine asks of chance and clocks then stays in the component: the seed of
 * Math.random, the order of hash tables. All of that is public anyway. Node itself keeps its clocks.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

ssize_t getrandom(void *bytes, size_t count, unsigned flags) {
    (void)flags;
    memset(bytes, 0, count);
    return (ssize_t)count;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    Dl_info caller;
    int known = dladdr(__builtin_return_address(0), &caller) && caller.dli_fname;
    if (known && strstr(caller.dli_fname, "/componentize-qjs.")) {
        time->tv_sec = 0;
        time->tv_nsec = 0;
        return 0;
    }
    return (int)syscall(SYS_clock_gettime, clock, time);
}
