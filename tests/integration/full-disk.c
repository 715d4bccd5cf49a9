/* A disk that is full while $FULL_DISK/filler is there: whatever would make a file below $FULL_DISK longer fails with
 * ENOSPC, and what lies within a file's length is written. Preloaded into the program under test. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static int is_full_for(int file, off_t end) {
  const char *folder = getenv("FULL_DISK");
  char name[PATH_MAX], path[PATH_MAX];
  struct stat known;
  int before = errno, full = 0;
  if (folder && snprintf(name, sizeof name, "%s/filler", folder) < (int)sizeof name && access(name, F_OK) == 0) {
    snprintf(name, sizeof name, "/proc/self/fd/%d", file);
    ssize_t length = readlink(name, path, sizeof path);
    size_t prefix = strlen(folder);
    full = length > (ssize_t)prefix && strncmp(path, folder, prefix) == 0 && path[prefix] == '/' &&
           fstat(file, &known) == 0 && S_ISREG(known.st_mode) && end > known.st_size;
  }
  errno = full ? ENOSPC : before;
  return full;
}

#define REAL(name, ...) ((int (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name))
#define REAL_WRITE(name, ...) ((ssize_t (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name))

ssize_t write(int file, const void *bytes, size_t count) {
  int before = errno;
  off_t at = lseek(file, 0, SEEK_CUR);
  /* A pipe or a socket has no place. */
  errno = before;
  if (at >= 0 && is_full_for(file, at + (off_t)count)) return -1;
  return REAL_WRITE(write, int, const void *, size_t)(file, bytes, count);
}

#define PWRITE(name) \
  ssize_t name(int file, const void *bytes, size_t count, off_t at) { \
    if (is_full_for(file, at + (off_t)count)) return -1; \
    return REAL_WRITE(name, int, const void *, size_t, off_t)(file, bytes, count, at); \
  }
PWRITE(pwrite)
PWRITE(pwrite64)

#define TRUNCATE(name) \
  int name(int file, off_t length) { \
    if (is_full_for(file, length)) return -1; \
    return REAL(name, int, off_t)(file, length); \
  }
TRUNCATE(ftruncate)
TRUNCATE(ftruncate64)

#define ALLOCATE(name) \
  int name(int file, int mode, off_t at, off_t length) { \
    if (is_full_for(file, at + length)) return -1; \
    return REAL(name, int, int, off_t, off_t)(file, mode, at, length); \
  }
ALLOCATE(fallocate)
ALLOCATE(fallocate64)

/* These answer with the error itself. */
#define POSIX_ALLOCATE(name) \
  int name(int file, off_t at, off_t length) { \
    if (is_full_for(file, at + length)) return ENOSPC; \
    return REAL(name, int, off_t, off_t)(file, at, length); \
  }
POSIX_ALLOCATE(posix_fallocate)
POSIX_ALLOCATE(posix_fallocate64)
