/* A disk that is slow while a test wants it: preloaded into a process, for what lies below the folders of SLOW_BELOW.

   Calls that ask for a name, and those on files that were opened there, wait before the kernel is asked: for as many
   seconds as the file SLOW_SECONDS_FILE says at that moment. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define FILES 65536
static char slow_file[FILES];

static int is_slow(const char *path) {
    const char *below = getenv("SLOW_BELOW");
    while (path && below && *below) {
        size_t length = strcspn(below, ":");
        if (length && !strncmp(path, below, length)) return 1;
        below += length + (below[length] == ':');
    }
    return 0;
}

static double wanted(void) {
    const char *path = getenv("SLOW_SECONDS_FILE");
    char text[32] = "";
    int file = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return 0;
    if (syscall(SYS_read, file, text, sizeof text - 1) < 0) text[0] = 0;
    syscall(SYS_close, file);
    return atof(text);
}

static void wait_for(int slow) {
    if (!slow) return;
    int before = errno;
    double seconds = wanted();
    struct timespec left = {(time_t)seconds, (long)((seconds - (time_t)seconds) * 1e9)};
    while (nanosleep(&left, &left) && errno == EINTR) {}
    errno = before;
}

static int was_slow(int file) { return file >= 0 && file < FILES && slow_file[file]; }

static int opened(int file, int slow) {
    if (file >= 0 && file < FILES) slow_file[file] = (char)slow;
    return file;
}

#define REAL(kind, name, ...) static kind (*real)(__VA_ARGS__); if (!real) *(void **)&real = dlsym(RTLD_NEXT, name)

#define OPENS(name) \
    int name(const char *path, int flags, ...) { \
        REAL(int, #name, const char *, int, ...); \
        va_list more; va_start(more, flags); mode_t mode = va_arg(more, mode_t); va_end(more); \
        int slow = is_slow(path); wait_for(slow); return opened(real(path, flags, mode), slow); \
    }
OPENS(open)
OPENS(open64)

#define OPENS_AT(name) \
    int name(int at, const char *path, int flags, ...) { \
        REAL(int, #name, int, const char *, int, ...); \
        va_list more; va_start(more, flags); mode_t mode = va_arg(more, mode_t); va_end(more); \
        int slow = is_slow(path) || (path && *path != '/' && was_slow(at)); \
        wait_for(slow); return opened(real(at, path, flags, mode), slow); \
    }
OPENS_AT(openat)
OPENS_AT(openat64)

#define OF_FILE(kind, name, parameters, types, given) \
    kind name parameters { REAL(kind, #name, types); wait_for(was_slow(file)); return real given; }
#define TYPES(...) __VA_ARGS__
OF_FILE(ssize_t, read, (int file, void *to, size_t size), TYPES(int, void *, size_t), (file, to, size))
OF_FILE(ssize_t, write, (int file, const void *data, size_t size), TYPES(int, const void *, size_t), (file, data, size))
OF_FILE(int, fsync, (int file), TYPES(int), (file))
OF_FILE(int, ftruncate64, (int file, off64_t size), TYPES(int, off64_t), (file, size))

int close(int file) {
    REAL(int, "close", int);
    if (file >= 0 && file < FILES) slow_file[file] = 0;
    return real(file);
}

#define OF_PATH(kind, name, parameters, types, given) \
    kind name parameters { REAL(kind, #name, types); wait_for(is_slow(path)); return real given; }
OF_PATH(int, mkdir, (const char *path, mode_t mode), TYPES(const char *, mode_t), (path, mode))
OF_PATH(int, rmdir, (const char *path), TYPES(const char *), (path))
OF_PATH(int, unlink, (const char *path), TYPES(const char *), (path))
OF_PATH(int, rename, (const char *path, const char *to), TYPES(const char *, const char *), (path, to))
OF_PATH(int, link, (const char *path, const char *to), TYPES(const char *, const char *), (path, to))
OF_PATH(int, stat, (const char *path, struct stat *to), TYPES(const char *, struct stat *), (path, to))
OF_PATH(int, stat64, (const char *path, struct stat64 *to), TYPES(const char *, struct stat64 *), (path, to))
OF_PATH(int, lstat, (const char *path, struct stat *to), TYPES(const char *, struct stat *), (path, to))
OF_PATH(int, lstat64, (const char *path, struct stat64 *to), TYPES(const char *, struct stat64 *), (path, to))
OF_PATH(int, truncate64, (const char *path, off64_t size), TYPES(const char *, off64_t), (path, size))
OF_PATH(int, statvfs64, (const char *path, struct statvfs64 *to), TYPES(const char *, struct statvfs64 *), (path, to))
OF_PATH(DIR *, opendir, (const char *path), TYPES(const char *), (path))

int fstatat64(int at, const char *path, struct stat64 *to, int flags) {
    REAL(int, "fstatat64", int, const char *, struct stat64 *, int);
    wait_for(is_slow(path)); return real(at, path, to, flags);
}
int renameat2(int from, const char *path, int at, const char *to, unsigned int flags) {
    REAL(int, "renameat2", int, const char *, int, const char *, unsigned int);
    wait_for(is_slow(path)); return real(from, path, at, to, flags);
}
