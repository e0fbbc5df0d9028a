/*
 * The raw log NAME.PID.gpraw: framed records appended to a shared file mapping.
 *
 * The kernel owns the pages, so what was appended survives SIGKILL. A frame is
 *     u32 length | u16 type | u16 thread | u64 time | payload | u32 crc32c
 * with the length a multiple of four that counts the whole frame. It is stored last: a reader
 * that finds zero has reached the end. The checksum covers type .. payload. Little-endian.
 */

enum record {
    /* JSON payload: what a forked child needs as well */
    RECORD_SESSION = 1,
    RECORD_PLATFORM,
    RECORD_DEVICE,
    RECORD_CONTEXT,
    RECORD_QUEUE,
    RECORD_PROGRAM,
    RECORD_BUILD,
    RECORD_KERNEL,
    RECORD_MEMORY,
    RECORD_SAMPLER,
    RECORD_NOTE,
    RECORD_END,
    /* packed payload: one per call, times in batches */
    RECORD_ARGUMENTS = 32,
    RECORD_LAUNCH,
    RECORD_TIMES,
    RECORD_COMMAND,
    RECORD_RELEASE,
};

#define FRAME_HEAD 16
#define FRAME_OVERHEAD 20
#define LARGEST_WINDOW ((size_t)16 << 20)

struct log_header {
    char magic[8];
    uint16_t major, minor;
    uint32_t size, pid, pointer_bits;
    uint64_t monotonic_ns, real_ns;
};

static struct {
    int fd, failed, inherited;
    uint32_t pid;
    unsigned char *window;
    uint64_t window_start, position;
    size_t window_size, next_window;
    uint64_t inherited_size;
    char path[3072], inherited_path[3072], blobs[3072];
} g_log = {.fd = -1};

/*
 * One lock for the log and all tables: 0 free, 1 taken, 2 taken and waited for. A launch takes
 * it four times and is nearly always alone, so the two atomic operations are inlined.
 */
static uint32_t g_lock;

static void lock_contended(void) {
    while (__atomic_exchange_n(&g_lock, 2, __ATOMIC_ACQUIRE))
        syscall(SYS_futex, &g_lock, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
}

static inline void lock(void) {
    uint32_t expected = 0;
    if (!__atomic_compare_exchange_n(&g_lock, &expected, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        lock_contended();
}

static inline void unlock(void) {
    if (__atomic_exchange_n(&g_lock, 0, __ATOMIC_RELEASE) == 2)
        syscall(SYS_futex, &g_lock, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static THREAD_LOCAL uint16_t t_thread;
static uint16_t g_threads;

static uint64_t clock_ns(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t now_ns(void) { return clock_ns(CLOCK_MONOTONIC); }

static void complain(const char *what) { dprintf(2, "gpusim capture: %s\n", what); }

static int log_fail(const char *what) {
    dprintf(2, "gpusim capture: %s: %s; nothing more is recorded\n", what, strerror(errno));
    g_log.failed = 1;
    return 0;
}

static int log_map(size_t needed) {
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t start = g_log.position & ~(page - 1);
    size_t size = g_log.next_window;
    while (size < needed + 2 * page)
        size *= 2;
    if (g_log.next_window < LARGEST_WINDOW)
        g_log.next_window *= 2;
    /* Reserved, not just extended: a full disk must be an error here, not SIGBUS later. */
    int rc = posix_fallocate(g_log.fd, (off_t)start, (off_t)size);
    if (rc) {
        errno = rc;
        return log_fail("the log cannot grow");
    }
    void *window =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, g_log.fd, (off_t)start);
    if (window == MAP_FAILED)
        return log_fail("the log cannot be mapped");
#ifdef MADV_POPULATE_WRITE
    /* All pages in one call: cheaper than a fault for every forty launches. */
    madvise(window, size, MADV_POPULATE_WRITE);
#endif
    if (g_log.window)
        munmap(g_log.window, g_log.window_size);
    g_log.window = window;
    g_log.window_start = start;
    g_log.window_size = size;
    return 1;
}

static uint16_t thread_id(void) {
    if (!t_thread)
        t_thread = ++g_threads;
    return (uint16_t)(t_thread - 1);
}

static int log_write(uint16_t type, uint64_t time_ns, const void *head, size_t head_size,
                     const void *tail, size_t tail_size) {
    size_t payload = head_size + tail_size;
    size_t padding = -payload & 3;
    uint32_t length = (uint32_t)(payload + padding + FRAME_OVERHEAD);
    uint64_t used = g_log.position - g_log.window_start;
    if (!g_log.window || used + length + 4 > g_log.window_size) {
        if (!log_map(length + 4))
            return 0;
        used = g_log.position - g_log.window_start;
    }
    unsigned char *frame = g_log.window + used;
    uint16_t thread = thread_id();
    memcpy(frame + 4, &type, 2);
    memcpy(frame + 6, &thread, 2);
    memcpy(frame + 8, &time_ns, 8);
    memcpy(frame + FRAME_HEAD, head, head_size);
    if (tail_size)
        memcpy(frame + FRAME_HEAD + head_size, tail, tail_size);
    /* JSON readers take trailing blanks; packed payloads are multiples of four. */
    memset(frame + FRAME_HEAD + payload, ' ', padding);
    uint32_t crc = crc32c(frame + 4, length - 8);
    memcpy(frame + length - 4, &crc, 4);
    __atomic_store_n((uint32_t *)(void *)frame, length, __ATOMIC_RELEASE);
    g_log.position += length;
    return 1;
}

/* A child of fork() starts with the objects its parent had, not with what the parent did. */
static void log_inherit(void) {
    FILE *parent = fopen(g_log.inherited_path, "rb");
    unsigned char head[FRAME_HEAD];
    uint64_t at = sizeof(struct log_header);
    if (!parent)
        return;
    while (at + FRAME_OVERHEAD <= g_log.inherited_size && !fseeko(parent, (off_t)at, SEEK_SET) &&
           fread(head, FRAME_HEAD, 1, parent) == 1) {
        uint32_t length;
        uint16_t type;
        uint64_t time_ns;
        memcpy(&length, head, 4);
        memcpy(&type, head + 4, 2);
        memcpy(&time_ns, head + 8, 8);
        if (length < FRAME_OVERHEAD || at + length > g_log.inherited_size)
            break;
        size_t size = length - FRAME_OVERHEAD;
        if ((type > RECORD_SESSION && type < RECORD_NOTE) || type == RECORD_ARGUMENTS ||
            type == RECORD_RELEASE) {
            void *payload = malloc(size + 1);
            int ok = payload && (!size || fread(payload, size, 1, parent) == 1) &&
                     log_write(type, time_ns, payload, size, NULL, 0);
            free(payload);
            if (!ok)
                break;
        }
        at += length;
    }
    fclose(parent);
}

static void session_record(struct text *t);

static int log_open(void) {
    static int prepared;
    if (!prepared)
        crc32c_prepare();
    prepared = 1;
    const char *stem = getenv("GPUSIM_SHIM_OUT");
    if (!stem || !*stem)
        stem = "gpusim";
    g_log.pid = (uint32_t)getpid();
    for (int attempt = 0; g_log.fd < 0 && attempt < 1000; attempt++) {
        char suffix[24] = "";
        if (attempt)
            snprintf(suffix, sizeof suffix, ".%d", attempt);
        int size = snprintf(g_log.path, sizeof g_log.path, "%s.%u%s.gpraw", stem, g_log.pid,
                            suffix);
        if (size < 0 || (size_t)size >= sizeof g_log.path) {
            errno = ENAMETOOLONG;
            return log_fail("the log cannot be created");
        }
        g_log.fd = open(g_log.path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (g_log.fd < 0 && errno != EEXIST)
            return log_fail(g_log.path);
    }
    if (g_log.fd < 0)
        return log_fail(g_log.path);
    snprintf(g_log.blobs, sizeof g_log.blobs, "%s.gpblobs", stem);
    if (mkdir(g_log.blobs, 0755) && errno != EEXIST)
        return log_fail(g_log.blobs);
    g_log.position = 0;
    g_log.next_window = (size_t)1 << 20;
    if (!log_map(sizeof(struct log_header)))
        return 0;
    struct log_header header = {.magic = "GPSIMRAW", .major = 1, .minor = 0,
                                .size = sizeof header, .pid = g_log.pid,
                                .pointer_bits = 8 * sizeof(void *),
                                .monotonic_ns = now_ns(),
                                .real_ns = clock_ns(CLOCK_REALTIME)};
    memcpy(g_log.window, &header, sizeof header);
    g_log.position = sizeof header;
    struct text t = {0};
    session_record(&t);
    int ok = log_write(RECORD_SESSION, now_ns(), t.data, t.size, NULL, 0);
    text_free(&t);
    if (g_log.inherited)
        log_inherit();
    g_log.inherited = 0;
    return ok;
}

/* Append one record. The caller holds the lock, so the order of records is a total order. */
static void log_record(enum record type, uint64_t time_ns, const void *head, size_t head_size,
                       const void *tail, size_t tail_size) {
    if (g_log.failed)
        return;
    /* A forked child that only gives back what it inherited did not use OpenCL. */
    if (g_log.fd < 0 && g_log.inherited && (type == RECORD_RELEASE || type == RECORD_NOTE))
        return;
    if (g_log.fd < 0 && !log_open())
        return;
    log_write((uint16_t)type, time_ns, head, head_size, tail, tail_size);
}

static void log_json(enum record type, struct text *t) {
    text_put(t, "}");
    log_record(type, now_ns(), t->data, t->size, NULL, 0);
    text_free(t);
}

static void fork_prepare(void) { lock(); }
static void fork_parent(void) { unlock(); }

static void pending_forget(void);

static void fork_child(void) {
    if (g_log.fd >= 0) {
        memcpy(g_log.inherited_path, g_log.path, sizeof g_log.path);
        g_log.inherited_size = g_log.position;
        g_log.inherited = 1;
        munmap(g_log.window, g_log.window_size);
        close(g_log.fd);
    }
    g_log.window = NULL;
    g_log.fd = -1;
    pending_forget();
    unlock();
}

__attribute__((constructor)) static void log_start(void) {
    pthread_atfork(fork_prepare, fork_parent, fork_child);
}

/* Tells a clean exit from a killed process. No driver call here: it may be gone already. */
__attribute__((destructor)) static void log_end(void) {
    lock();
    if (g_log.fd >= 0 && g_log.pid == (uint32_t)getpid()) {
        struct text t = {0};
        text_put(&t, "{");
        log_json(RECORD_END, &t);
    }
    unlock();
}
