/*
 * A disk that fails on command: preloaded into a server (LD_PRELOAD), it lets chosen calls fail as a bad disk would.
 *
 * DISK_FAULTS names a control file, read again at every call, with one rule on each line:
 *
 *     <call> <pattern> <skip> <times> <errno>
 *
 * call     write, short, sync, lose, open, rename or unlink
 * pattern  the path, as fnmatch(3) takes it without flags, so that * crosses slashes
 * skip     how many calls that match pass first, since the rule was written
 * times    how many fail then; -1 for all
 * errno    what they fail with
 *
 * `short` writes the first half only: the call says so, or fails where the caller gave the whole to stdio. `lose` is a
 * sync that fails and whose data is gone: what was written since the last sync becomes zeros, as pages can that the
 * system dropped. Each failure appends a line, call and path, to <control file>.hits.
 *
 * LevelDB writes through stdio and syncs with fdatasync; Node writes with pwrite64 and pwritev64.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* Where stdio.h makes macros of them. */
#undef fwrite_unlocked
#undef fflush_unlocked

enum { RULES = 16, TEXT = 4096, PATH = 4096, FILES = 4096 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char known[TEXT];
static long seen[RULES];

/* Sizes of files as of their last sync. */
static struct {
  dev_t device;
  ino_t inode;
  off_t size;
} synced[FILES];
static int files;

/* The real function. */
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int raw_open(const char *path, int flags) { return (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0644); }

static void tell(const char *call, const char *path) {
  char name[PATH], line[PATH + 16];
  snprintf(name, sizeof name, "%s.hits", getenv("DISK_FAULTS"));
  int fd = raw_open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC);
  if (fd < 0) return;
  int bytes = snprintf(line, sizeof line, "%s %s\n", call, path);
  syscall(SYS_write, fd, line, bytes);
  close(fd);
}

/* What a call on a path must fail with; 0 when it may go on. */
static int failure(const char *call, const char *path) {
  const char *control = getenv("DISK_FAULTS");
  if (control == NULL || path == NULL) return 0;
  char text[TEXT];
  int saved = errno, fd = raw_open(control, O_RDONLY | O_CLOEXEC);
  long bytes = fd < 0 ? 0 : syscall(SYS_read, fd, text, sizeof text - 1);
  if (fd >= 0) close(fd);
  text[bytes > 0 ? bytes : 0] = 0;
  errno = saved;
  pthread_mutex_lock(&lock);
  if (strcmp(text, known) != 0) {
    strcpy(known, text);
    memset(seen, 0, sizeof seen);
  }
  int code = 0, rule = 0;
  char *rest, *line = strtok_r(text, "\n", &rest);
  for (; line != NULL && rule < RULES; line = strtok_r(NULL, "\n", &rest), rule++) {
    char name[16], pattern[PATH];
    long skip, times;
    int error;
    if (sscanf(line, "%15s %4095s %ld %ld %d", name, pattern, &skip, &times, &error) != 5) continue;
    if (strcmp(name, call) != 0 || fnmatch(pattern, path, 0) != 0) continue;
    long nth = seen[rule]++;
    if (nth < skip || (times >= 0 && nth >= skip + times)) continue;
    code = error;
    break;
  }
  if (code != 0) tell(call, path);
  pthread_mutex_unlock(&lock);
  errno = saved;
  return code;
}

/* As `failure`, for an open file. */
static int failure_of(const char *call, int fd) {
  char link[32], path[PATH];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  long bytes = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
  if (bytes <= 0 || path[0] != '/') return 0;
  path[bytes] = 0;
  return failure(call, path);
}

#define FAIL_WITH(code, result) \
  do {                          \
    int fails = (code);         \
    if (fails != 0) {           \
      errno = fails;            \
      return result;            \
    }                           \
  } while (0)

/* Writing. */

ssize_t write(int fd, const void *bytes, size_t count) {
  FAIL_WITH(failure_of("write", fd), -1);
  return REAL(write)(fd, bytes, count > 1 && failure_of("short", fd) ? count / 2 : count);
}

ssize_t writev(int fd, const struct iovec *pieces, int count) {
  FAIL_WITH(failure_of("write", fd), -1);
  return REAL(writev)(fd, pieces, count > 1 && failure_of("short", fd) ? count / 2 : count);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) {
  FAIL_WITH(failure_of("write", fd), -1);
  return REAL(pwrite64)(fd, bytes, count > 1 && failure_of("short", fd) ? count / 2 : count, at);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) { return pwrite64(fd, bytes, count, at); }

ssize_t pwritev64(int fd, const struct iovec *pieces, int count, off64_t at) {
  FAIL_WITH(failure_of("write", fd), -1);
  return REAL(pwritev64)(fd, pieces, count > 1 && failure_of("short", fd) ? count / 2 : count, at);
}

ssize_t pwritev(int fd, const struct iovec *pieces, int count, off_t at) { return pwritev64(fd, pieces, count, at); }

size_t fwrite_unlocked(const void *bytes, size_t size, size_t count, FILE *file) {
  FAIL_WITH(failure_of("write", fileno(file)), 0);
  int fails = failure_of("short", fileno(file));
  if (fails == 0) return REAL(fwrite_unlocked)(bytes, size, count, file);
  size_t done = REAL(fwrite_unlocked)(bytes, size, count / 2, file);
  REAL(fflush_unlocked)(file);
  errno = fails;
  return done;
}

int fflush_unlocked(FILE *file) {
  if (file != NULL) FAIL_WITH(failure_of("write", fileno(file)), EOF);
  return REAL(fflush_unlocked)(file);
}

/* Syncing. */

static void lose(int fd) {
  struct stat now;
  char zeros[4096] = {0}, link[32];
  off_t from = 0;
  if (fstat(fd, &now) != 0) return;
  for (int i = 0; i < files; i++)
    if (synced[i].device == now.st_dev && synced[i].inode == now.st_ino) from = synced[i].size;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  int file = raw_open(link, O_WRONLY | O_CLOEXEC);
  for (off_t at = from; at < now.st_size; at += sizeof zeros) {
    size_t bytes = (size_t)(now.st_size - at) < sizeof zeros ? (size_t)(now.st_size - at) : sizeof zeros;
    syscall(SYS_pwrite64, file, zeros, bytes, at);
  }
  close(file);
}

static void note_synced(int fd) {
  struct stat now;
  if (fstat(fd, &now) != 0) return;
  pthread_mutex_lock(&lock);
  int i = 0;
  while (i < files && (synced[i].device != now.st_dev || synced[i].inode != now.st_ino)) i++;
  if (i == files && files < FILES) files++;
  if (i < FILES) {
    synced[i].device = now.st_dev;
    synced[i].inode = now.st_ino;
    synced[i].size = now.st_size;
  }
  pthread_mutex_unlock(&lock);
}

static int sync_with(int (*real)(int), int fd) {
  FAIL_WITH(failure_of("sync", fd), -1);
  int fails = failure_of("lose", fd);
  if (fails != 0) {
    lose(fd);
    errno = fails;
    return -1;
  }
  int result = real(fd);
  if (result == 0) note_synced(fd);
  return result;
}

int fdatasync(int fd) { return sync_with(REAL(fdatasync), fd); }
int fsync(int fd) { return sync_with(REAL(fsync), fd); }

/* Opening. */

#define MODE_OF(flags, last)                   \
  mode_t mode = 0;                             \
  if ((flags) & (O_CREAT | O_TMPFILE)) {       \
    va_list more;                              \
    va_start(more, last);                      \
    mode = (mode_t)va_arg(more, int);          \
    va_end(more);                              \
  }

int open64(const char *path, int flags, ...) {
  MODE_OF(flags, flags)
  FAIL_WITH(failure("open", path), -1);
  return REAL(open64)(path, flags, mode);
}

int open(const char *path, int flags, ...) {
  MODE_OF(flags, flags)
  FAIL_WITH(failure("open", path), -1);
  return REAL(open)(path, flags, mode);
}

int openat64(int directory, const char *path, int flags, ...) {
  MODE_OF(flags, flags)
  FAIL_WITH(failure("open", path), -1);
  return REAL(openat64)(directory, path, flags, mode);
}

int openat(int directory, const char *path, int flags, ...) {
  MODE_OF(flags, flags)
  FAIL_WITH(failure("open", path), -1);
  return REAL(openat)(directory, path, flags, mode);
}

FILE *fopen(const char *path, const char *how) {
  FAIL_WITH(failure("open", path), NULL);
  return REAL(fopen)(path, how);
}

FILE *fopen64(const char *path, const char *how) {
  FAIL_WITH(failure("open", path), NULL);
  return REAL(fopen64)(path, how);
}

/* Names. */

int rename(const char *from, const char *to) {
  FAIL_WITH(failure("rename", to), -1);
  return REAL(rename)(from, to);
}

int unlink(const char *path) {
  FAIL_WITH(failure("unlink", path), -1);
  return REAL(unlink)(path);
}

int unlinkat(int directory, const char *path, int flags) {
  FAIL_WITH(failure("unlink", path), -1);
  return REAL(unlinkat)(directory, path, flags);
}
