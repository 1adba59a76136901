/* What stands between a program and its disk, for tests: loaded with LD_PRELOAD, it sees every call that changes or
 * syncs a file below CRASH_FOLDER, and can kill the program at one, let one fail, or write all of them down.
 *
 * Orders come through a small shared file (CRASH_ORDERS, struct orders); the record goes to CRASH_JOURNAL. What the
 * record means is known to journal.py; what is not here: calls of programs that do not go through libc, and mmap.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PATH 4096

/* Kinds of call, by what they are done to. The same order as Kind in shim.py. */
enum kind { WRITE_SPOOL, SYNC_SPOOL, LINK, SYNC_FOLDER, WRITE_LOG, SYNC_LOG, DROP_SPOOL, WRITE_DATABASE, SYNC_DATABASE,
            SYNC_ALL, OTHER };

struct orders {
    int64_t calls;          /* points passed so far, before and after each call */
    int64_t kill_after;     /* this many points of the kinds below, this process dies; 0 never */
    uint32_t kill_kinds;    /* bit kind: before the call; bit kind + 16: after it */
    uint32_t fail_kinds;
    int64_t failures;       /* how many more calls of those kinds fail */
    int32_t fail_errno;
    int32_t padding;
    int64_t kills;          /* what was done */
    int64_t failed;
};

/* Records of the journal. The same numbers as Op in journal.py. */
enum op { CREATE = 1, WRITTEN, TRUNCATED, SYNCED, SYNC_FAILED, FOLDER_SYNCED, LINKED, UNLINKED, RENAMED, MADE, REMOVED,
          ALL_SYNCED };

struct record { uint32_t length; uint32_t op; uint64_t inode; int64_t at; uint32_t first; uint32_t second; };

static char folder[PATH];
static size_t folder_length;
static struct orders *orders;
static int journal = -1;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

extern char **environ;

static const char *variable(const char *name) {
    size_t length = strlen(name);
    for (char **entry = environ; entry && *entry; entry++)
        if (!strncmp(*entry, name, length) && (*entry)[length] == '=') return *entry + length + 1;
    return NULL;
}

static void opened(void) { /* after a fork the child shares the parent's; that is right for all three */
    const char *where = variable("CRASH_FOLDER"), *told = variable("CRASH_ORDERS"), *noted = variable("CRASH_JOURNAL");
    if (!where || strlen(where) >= PATH - 300) return;
    strcpy(folder, where);
    if (told) {
        int fd = (int)syscall(SYS_openat, AT_FDCWD, told, O_RDWR | O_CLOEXEC, 0);
        if (fd >= 0) {
            void *found = mmap(NULL, sizeof(struct orders), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
            if (found != MAP_FAILED) orders = found;
            syscall(SYS_close, fd);
        }
    }
    if (noted) journal = (int)syscall(SYS_openat, AT_FDCWD, noted, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    folder_length = strlen(folder);
}

__attribute__((constructor)) static void begin(void) { opened(); }

/* -- paths ------------------------------------------------------------------------------------------------------- */

static int ends(const char *path, const char *end) {
    size_t length = strlen(path), wanted = strlen(end);
    return length >= wanted && !strcmp(path + length - wanted, end);
}

/* The path of a descriptor below the folder, without it; NULL when it is elsewhere or no file. */
static const char *of_fd(int fd, char *out) {
    char link[64];
    if (!folder_length || fd < 0) return NULL;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, out, PATH - 1);
    if (length < 0) return NULL;
    out[length] = 0;
    if (strncmp(out, folder, folder_length) || (out[folder_length] && out[folder_length] != '/')) return NULL;
    return out + folder_length;
}

static const char *of_path(int at, const char *path, char *out) {
    if (!folder_length || !path) return NULL;
    if (path[0] == '/') {
        if (strlen(path) >= PATH) return NULL;
        strcpy(out, path);
    } else {
        char link[64];
        if (at == AT_FDCWD) strcpy(link, "/proc/self/cwd");
        else snprintf(link, sizeof link, "/proc/self/fd/%d", at);
        ssize_t length = readlink(link, out, PATH / 2);
        if (length < 0 || (size_t)length + strlen(path) + 2 >= PATH) return NULL;
        out[length] = '/';
        strcpy(out + length + 1, path);
    }
    if (strncmp(out, folder, folder_length) || (out[folder_length] && out[folder_length] != '/')) return NULL;
    return out + folder_length;
}

enum doing { WRITING, SYNCING, NAMING, DROPPING, ELSE };

static enum kind kind_of(enum doing doing, const char *path, int is_folder) {
    int spool = strstr(path, "/spool/") != NULL, log = ends(path, "-wal"), database = ends(path, ".sqlite3");
    switch (doing) {
    case WRITING: return spool ? WRITE_SPOOL : log ? WRITE_LOG : database ? WRITE_DATABASE : OTHER;
    case SYNCING: return is_folder ? SYNC_FOLDER : log ? SYNC_LOG : database ? SYNC_DATABASE : SYNC_SPOOL;
    case NAMING: return LINK;
    case DROPPING: return spool ? DROP_SPOOL : OTHER;
    default: return OTHER;
    }
}

/* -- killing and failing ----------------------------------------------------------------------------------------- */

static void passed(uint32_t bit) {
    if (!orders) return;
    __atomic_add_fetch(&orders->calls, 1, __ATOMIC_SEQ_CST);
    if (!(__atomic_load_n(&orders->kill_kinds, __ATOMIC_SEQ_CST) & bit)) return;
    if (__atomic_load_n(&orders->kill_after, __ATOMIC_SEQ_CST) <= 0) return;
    if (__atomic_sub_fetch(&orders->kill_after, 1, __ATOMIC_SEQ_CST) == 0) {
        __atomic_add_fetch(&orders->kills, 1, __ATOMIC_SEQ_CST);
        syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
    }
}

static int fails(enum kind kind) {
    if (!orders || !(__atomic_load_n(&orders->fail_kinds, __ATOMIC_SEQ_CST) & (1u << kind))) return 0;
    if (__atomic_sub_fetch(&orders->failures, 1, __ATOMIC_SEQ_CST) < 0) {
        __atomic_store_n(&orders->failures, 0, __ATOMIC_SEQ_CST);
        return 0;
    }
    __atomic_add_fetch(&orders->failed, 1, __ATOMIC_SEQ_CST);
    return 1;
}

/* -- writing down ------------------------------------------------------------------------------------------------ */

static void lock(void) {
    if (journal < 0) return;
    pthread_mutex_lock(&turn);
    syscall(SYS_flock, journal, LOCK_EX);
}

static void unlock(void) {
    if (journal < 0) return;
    int kept = errno;
    syscall(SYS_flock, journal, LOCK_UN);
    pthread_mutex_unlock(&turn);
    errno = kept;
}

static void note(enum op op, uint64_t inode, int64_t at, const char *first, const void *second, size_t length) {
    if (journal < 0) return;
    int kept = errno;
    uint32_t named = first ? (uint32_t)strlen(first) : 0;
    struct record record = {(uint32_t)(sizeof record + named + length), op, inode, at, named, (uint32_t)length};
    struct iovec parts[3] = {{&record, sizeof record}, {(void *)first, named}, {(void *)second, length}};
    syscall(SYS_writev, journal, parts, 3);
    errno = kept;
}

static uint64_t inode_of(int fd) {
    struct stat found;
    return syscall(SYS_fstat, fd, &found) ? 0 : found.st_ino;
}

static int is_regular(int fd, struct stat *found) { return !syscall(SYS_fstat, fd, found) && S_ISREG(found->st_mode); }

/* -- opening ----------------------------------------------------------------------------------------------------- */

static int open_at(int at, const char *path, int flags, mode_t mode) {
    char space[PATH];
    const char *name = flags & O_CREAT || flags & O_TRUNC ? of_path(at, path, space) : NULL;
    if (!name) return (int)syscall(SYS_openat, at, path, flags, mode);
    uint32_t bit = 1u << OTHER;
    passed(bit);
    lock();
    int there = !syscall(SYS_faccessat, at, path, F_OK);
    int fd = (int)syscall(SYS_openat, at, path, flags, mode);
    if (fd >= 0 && !there && flags & O_CREAT) note(CREATE, inode_of(fd), 0, name, NULL, 0);
    if (fd >= 0 && there && flags & O_TRUNC) note(TRUNCATED, inode_of(fd), 0, NULL, NULL, 0);
    unlock();
    if (fd >= 0) passed(bit << 16);
    return fd;
}

#define MODE                                                                                                           \
    mode_t mode = 0;                                                                                                   \
    if (flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) {                                                              \
        va_list more;                                                                                                  \
        va_start(more, flags);                                                                                         \
        mode = va_arg(more, mode_t);                                                                                   \
        va_end(more);                                                                                                  \
    }

int open(const char *path, int flags, ...) { MODE return open_at(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE return open_at(AT_FDCWD, path, flags | O_LARGEFILE, mode); }
int openat(int at, const char *path, int flags, ...) { MODE return open_at(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE return open_at(at, path, flags | O_LARGEFILE, mode); }

/* -- writing ----------------------------------------------------------------------------------------------------- */

/* `at` is where, or -1 for the descriptor's own position. */
static ssize_t write_parts(int fd, const struct iovec *parts, int count, int64_t at) {
    char space[PATH];
    const char *name = of_fd(fd, space);
    struct stat found;
    if (!name || !is_regular(fd, &found))
        return at < 0 ? syscall(SYS_writev, fd, parts, count) : syscall(SYS_pwritev, fd, parts, count, (long)at, 0L);
    enum kind kind = kind_of(WRITING, name, 0);
    passed(1u << kind);
    if (fails(kind)) {
        errno = orders->fail_errno;
        return -1;
    }
    lock();
    int64_t place = at;
    if (at < 0)
        place = syscall(SYS_fcntl, fd, F_GETFL) & O_APPEND ? (syscall(SYS_fstat, fd, &found), (int64_t)found.st_size)
                                                           : syscall(SYS_lseek, fd, 0L, SEEK_CUR);
    ssize_t written =
        at < 0 ? syscall(SYS_writev, fd, parts, count) : syscall(SYS_pwritev, fd, parts, count, (long)at, 0L);
    ssize_t left = written;
    for (int i = 0; i < count && left > 0; i++) {
        size_t length = parts[i].iov_len < (size_t)left ? parts[i].iov_len : (size_t)left;
        note(WRITTEN, found.st_ino, place, NULL, parts[i].iov_base, length);
        place += length;
        left -= length;
    }
    unlock();
    passed(1u << (kind + 16));
    return written;
}

static ssize_t write_one(int fd, const void *data, size_t length, int64_t at) {
    struct iovec part = {(void *)data, length};
    return write_parts(fd, &part, 1, at);
}

ssize_t write(int fd, const void *data, size_t length) { return write_one(fd, data, length, -1); }
ssize_t pwrite(int fd, const void *data, size_t length, off_t at) { return write_one(fd, data, length, at); }
ssize_t pwrite64(int fd, const void *data, size_t length, off64_t at) { return write_one(fd, data, length, at); }
ssize_t writev(int fd, const struct iovec *parts, int count) { return write_parts(fd, parts, count, -1); }
ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at) { return write_parts(fd, parts, count, at); }
ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at) { return write_parts(fd, parts, count, at); }

static int truncate_fd(int fd, int64_t size) {
    char space[PATH];
    const char *name = of_fd(fd, space);
    if (!name) return (int)syscall(SYS_ftruncate, fd, size);
    enum kind kind = kind_of(WRITING, name, 0);
    passed(1u << kind);
    lock();
    int done = (int)syscall(SYS_ftruncate, fd, size);
    if (!done) note(TRUNCATED, inode_of(fd), size, NULL, NULL, 0);
    unlock();
    passed(1u << (kind + 16));
    return done;
}

int ftruncate(int fd, off_t size) { return truncate_fd(fd, size); }
int ftruncate64(int fd, off64_t size) { return truncate_fd(fd, size); }

/* -- syncing ----------------------------------------------------------------------------------------------------- */

static int sync_fd(int fd, long call) {
    char space[PATH];
    const char *name = of_fd(fd, space);
    struct stat found;
    if (!name || syscall(SYS_fstat, fd, &found)) return (int)syscall(call, fd);
    int is_folder = S_ISDIR(found.st_mode);
    enum kind kind = call == SYS_syncfs ? SYNC_ALL : kind_of(SYNCING, name, is_folder);
    passed(1u << kind);
    if (fails(kind)) {
        lock();
        /* syncfs tells of some file's failure; that file's own sync would tell of it too, so its bytes stay in doubt */
        if (!is_folder && kind != SYNC_ALL) note(SYNC_FAILED, found.st_ino, 0, NULL, NULL, 0);
        unlock();
        errno = orders->fail_errno;
        return -1;
    }
    lock();
    int done = (int)syscall(call, fd);
    if (!done && call == SYS_syncfs) note(ALL_SYNCED, 0, 0, NULL, NULL, 0);
    else if (!done && is_folder) note(FOLDER_SYNCED, 0, 0, name, NULL, 0);
    else if (!done) note(SYNCED, found.st_ino, 0, NULL, NULL, 0);
    unlock();
    passed(1u << (kind + 16));
    return done;
}

int fsync(int fd) { return sync_fd(fd, SYS_fsync); }
int fdatasync(int fd) { return sync_fd(fd, SYS_fdatasync); }
int syncfs(int fd) { return sync_fd(fd, SYS_syncfs); }

/* -- names ------------------------------------------------------------------------------------------------------- */

static int name_at(int from, const char *old, int to, const char *new, int flags, int is_link) {
    char space[PATH], other[PATH];
    const char *source = of_path(from, old, space), *target = of_path(to, new, other);
    long call = is_link ? SYS_linkat : SYS_renameat2;
    if (!source || !target) return (int)syscall(call, from, old, to, new, flags);
    passed(1u << LINK);
    if (fails(LINK)) {
        errno = orders->fail_errno;
        return -1;
    }
    lock();
    int done = (int)syscall(call, from, old, to, new, flags);
    struct stat found;
    if (!done && !syscall(SYS_newfstatat, to, new, &found, AT_SYMLINK_NOFOLLOW)) {
        if (is_link) note(LINKED, found.st_ino, 0, target, NULL, 0);
        else note(RENAMED, found.st_ino, 0, source, target, strlen(target));
    }
    unlock();
    passed(1u << (LINK + 16));
    return done;
}

int link(const char *old, const char *new) { return name_at(AT_FDCWD, old, AT_FDCWD, new, 0, 1); }
int linkat(int from, const char *old, int to, const char *new, int flags) { return name_at(from, old, to, new, flags, 1); }
int rename(const char *old, const char *new) { return name_at(AT_FDCWD, old, AT_FDCWD, new, 0, 0); }
int renameat(int from, const char *old, int to, const char *new) { return name_at(from, old, to, new, 0, 0); }
int renameat2(int from, const char *old, int to, const char *new, unsigned flags) {
    return name_at(from, old, to, new, (int)flags, 0);
}

static int remove_at(int at, const char *path, int flags) {
    char space[PATH];
    const char *name = of_path(at, path, space);
    if (!name) return (int)syscall(SYS_unlinkat, at, path, flags);
    enum kind kind = kind_of(DROPPING, name, 0);
    passed(1u << kind);
    lock();
    int done = (int)syscall(SYS_unlinkat, at, path, flags);
    if (!done) note(flags & AT_REMOVEDIR ? REMOVED : UNLINKED, 0, 0, name, NULL, 0);
    unlock();
    passed(1u << (kind + 16));
    return done;
}

int unlink(const char *path) { return remove_at(AT_FDCWD, path, 0); }
int unlinkat(int at, const char *path, int flags) { return remove_at(at, path, flags); }
int rmdir(const char *path) { return remove_at(AT_FDCWD, path, AT_REMOVEDIR); }

static int make_at(int at, const char *path, mode_t mode) {
    char space[PATH];
    const char *name = of_path(at, path, space);
    if (!name) return (int)syscall(SYS_mkdirat, at, path, mode);
    passed(1u << OTHER);
    lock();
    int done = (int)syscall(SYS_mkdirat, at, path, mode);
    if (!done) note(MADE, 0, 0, name, NULL, 0);
    unlock();
    passed(1u << (OTHER + 16));
    return done;
}

int mkdir(const char *path, mode_t mode) { return make_at(AT_FDCWD, path, mode); }
int mkdirat(int at, const char *path, mode_t mode) { return make_at(at, path, mode); }
