/*
 * What all recorded calls share: the way to the real runtime, options, notes, pending events.
 */

/* The functions of the runtime below: the loader's table in a layer, else the library's symbols. */
static void *g_real[API_COUNT];
static int g_layer;
static const char *g_entry = "";

#define SLOT_OF(number, name) SLOT_##name = number,
enum { OPENCL_API(SLOT_OF, SLOT_OF, SLOT_OF, SLOT_OF) };

/* How deep this thread is in the runtime. A runtime that calls its own exported functions comes
 * back here when preloaded; only the program's own calls count. A layer is never re-entered. */
static THREAD_LOCAL int t_depth;

#define REAL(name) ((__typeof__(&name))g_real[SLOT_##name])
#define HAS(name) (g_real[SLOT_##name] != NULL)
#define CALL(name, ...)                                                                            \
    ({                                                                                             \
        t_depth++;                                                                                 \
        __typeof__(REAL(name)(__VA_ARGS__)) result_of_call = REAL(name)(__VA_ARGS__);              \
        t_depth--;                                                                                 \
        result_of_call;                                                                            \
    })
/* First statement of every recorded call. */
#define NESTED(name, missing, ...)                                                                 \
    if (!HAS(name))                                                                                \
        return missing;                                                                            \
    if (t_depth && !g_layer)                                                                       \
        return REAL(name)(__VA_ARGS__)

static struct {
    int dry, profiling;
} g_options = {0, 1};

#define API_NAME(number, name) [number] = #name,
static const char *const g_api_names[API_COUNT] = {OPENCL_API(API_NAME, API_NAME, API_NAME,
                                                              API_NAME)};

static cl_int set_error(cl_int *out, cl_int rc) {
    if (out)
        *out = rc;
    return rc;
}

static const char *environment(const char *name) {
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static void options_load(void) {
    const char *data = environment("GPUSIM_SHIM_DATA");
    static const char *const modes[] = {"auto", "none", "hash", "full"};
    for (int i = 0; data && i < 4; i++)
        if (!strcmp(data, modes[i]))
            g_data = (enum data_mode)i;
    g_options.dry = environment("GPUSIM_SHIM_DRY") != NULL;
    g_options.profiling = environment("GPUSIM_SHIM_NO_PROFILING") == NULL;
}

static void start_once(void) {
    options_load();
    profile_load();
}

/* Profile and options are read when the program first reaches OpenCL. */
static void start(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start_once);
}

static void json_environment(struct text *t) {
    static const char *const names[] = {"OCL_ICD_VENDORS",  "OPENCL_LAYERS",    "LD_PRELOAD",
                                        "LD_LIBRARY_PATH",  "POCL_DEVICES",     "POCL_CACHE_DIR",
                                        "POCL_MAX_PTHREAD_COUNT", "PYOPENCL_CTX",
                                        "OPENCV_OPENCL_DEVICE"};
    json_key(t, "environment");
    text_put(t, "{");
    for (size_t i = 0; i < COUNT(names); i++)
        if (getenv(names[i]))
            json_text(t, names[i], getenv(names[i]));
    text_put(t, "}");
}

static void json_command_line(struct text *t) {
    char buffer[8192];
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? 0 : read(fd, buffer, sizeof buffer);
    if (fd >= 0)
        close(fd);
    json_key(t, "argv");
    text_put(t, "[");
    for (ssize_t at = 0; at < size;) {
        size_t length = strnlen(buffer + at, (size_t)(size - at));
        if (at)
            text_put(t, ",");
        json_string(t, buffer + at, length);
        at += (ssize_t)length + 1;
    }
    text_put(t, "]");
}

static void session_record(struct text *t) {
    static const char *const modes[] = {"auto", "none", "hash", "full"};
    char executable[4096];
    ssize_t size = readlink("/proc/self/exe", executable, sizeof executable - 1);
    executable[size > 0 ? size : 0] = 0;
    const char *blobs = strrchr(g_log.blobs, '/');
    text_put(t, "{");
    json_text(t, "shim", SHIM_VERSION);
    json_number(t, "pid", (uint64_t)getpid());
    json_number(t, "parent_pid", (uint64_t)getppid());
    json_text(t, "executable", executable);
    json_command_line(t);
    json_environment(t);
    json_text(t, "entry", g_entry);
    json_text(t, "blobs", blobs ? blobs + 1 : g_log.blobs);
    json_text(t, "data", modes[g_data]);
    json_bool(t, "dry", g_options.dry);
    json_bool(t, "profiling", g_options.profiling);
    json_bool(t, "forked", g_log.inherited);
    json_bool(t, "impersonated", g_profile.active);
    json_text(t, "profile", g_profile.id);
    json_key(t, "unknown_profile_keys");
    text_put(t, "[");
    if (g_profile.unknown.size)
        text_append(t, g_profile.unknown.data, g_profile.unknown.size);
    text_put(t, "]}");
}

/* Something a reader of the trace should know; each text is written once. */
static void note(const char *what, const char *detail) {
    static uint64_t seen[512];
    static size_t count;
    uint64_t hash = 1469598103934665603u;
    for (const char *p = what; *p; p++)
        hash = (hash ^ (unsigned char)*p) * 1099511628211u;
    for (const char *p = detail; *p; p++)
        hash = (hash ^ (unsigned char)*p) * 1099511628211u;
    lock();
    size_t i = 0;
    while (i < count && seen[i] != hash)
        i++;
    if (i == count && count < COUNT(seen)) {
        seen[count++] = hash;
        struct text t = {0};
        text_put(&t, "{");
        json_text(&t, "what", what);
        json_text(&t, "detail", detail);
        log_json(RECORD_NOTE, &t);
    }
    unlock();
}

/*
 * Events whose device times are still to come. They are harvested when the program waits for
 * the device anyway, and every HARVEST_INTERVAL commands; never from an event callback (that is
 * another thread) and never at exit (the driver may be gone).
 */
#define HARVEST_INTERVAL 64
#define TIMES_BATCH 1024

struct pending {
    cl_event event;
    uint32_t sequence;
};

struct times_record {
    uint32_t sequence, part;
    uint64_t queued, submit, start, end;
};

static struct {
    struct pending *items;
    size_t count, capacity;
    unsigned since_harvest;
} g_pending;
static pthread_mutex_t g_harvest_lock = PTHREAD_MUTEX_INITIALIZER;

/* After fork() the events belong to the parent. */
static void pending_forget(void) {
    g_pending.count = 0;
    pthread_mutex_init(&g_harvest_lock, NULL);
}

static void pending_add(cl_event event, uint32_t sequence) {
    if (g_pending.count == g_pending.capacity) {
        size_t capacity = g_pending.capacity ? 2 * g_pending.capacity : 256;
        struct pending *grown = realloc(g_pending.items, capacity * sizeof *grown);
        if (!grown)
            return;
        g_pending.items = grown;
        g_pending.capacity = capacity;
    }
    g_pending.items[g_pending.count++] = (struct pending){event, sequence};
    g_pending.since_harvest++;
}

/* 1: times read, 0: not complete yet, -1: will never have times. */
static int read_times(cl_event event, struct times_record *r) {
    cl_int rc = CALL(clGetEventProfilingInfo, event, CL_PROFILING_COMMAND_END, sizeof r->end,
                     &r->end, NULL);
    if (rc == CL_PROFILING_INFO_NOT_AVAILABLE) {
        cl_int status = 0;
        rc = CALL(clGetEventInfo, event, 0x11D3, sizeof status, &status, NULL);
        if (rc == CL_SUCCESS && status > 0)
            return 0;
        /* It may have completed between the two questions: ask for the times once more. */
        if (rc == CL_SUCCESS && status == 0)
            rc = CALL(clGetEventProfilingInfo, event, CL_PROFILING_COMMAND_END, sizeof r->end,
                      &r->end, NULL);
        else
            return -1;
    }
    if (rc != CL_SUCCESS)
        return -1;
    CALL(clGetEventProfilingInfo, event, CL_PROFILING_COMMAND_START, 8, &r->start, NULL);
    CALL(clGetEventProfilingInfo, event, CL_PROFILING_COMMAND_SUBMIT, 8, &r->submit, NULL);
    CALL(clGetEventProfilingInfo, event, CL_PROFILING_COMMAND_QUEUED, 8, &r->queued, NULL);
    return 1;
}

/* Write the times of completed events; `all` looks behind the first incomplete one as well. */
static void harvest(int all) {
    if (!g_pending.count)
        return;
    pthread_mutex_lock(&g_harvest_lock);
    lock();
    struct pending *items = g_pending.items;
    size_t count = g_pending.count;
    memset(&g_pending, 0, sizeof g_pending);
    unlock();
    /* The driver is asked without our lock: its own locks may be held by a thread that waits
     * for ours. */
    struct times_record *times = count ? malloc(count * sizeof *times) : NULL;
    size_t done = 0, left = 0;
    int stop = !times;
    for (size_t i = 0; i < count; i++) {
        struct times_record *r = times + done;
        int state = 0;
        if (!stop) {
            memset(r, 0, sizeof *r);
            r->sequence = items[i].sequence;
            state = read_times(items[i].event, r);
        }
        if (state == 0) {
            items[left++] = items[i];
            stop |= !all;
            continue;
        }
        done += state > 0;
        CALL(clReleaseEvent, items[i].event);
    }
    lock();
    /* A batch is one record, kept small enough for any reader. */
    for (size_t i = 0; i < done; i += TIMES_BATCH) {
        size_t n = done - i < TIMES_BATCH ? done - i : TIMES_BATCH;
        log_record(RECORD_TIMES, now_ns(), &times[i], n * sizeof *times, NULL, 0);
    }
    if (!g_pending.capacity) {
        g_pending.items = items;
        g_pending.count = left;
        g_pending.capacity = count;
    } else {
        for (size_t i = 0; i < left; i++)
            pending_add(items[i].event, items[i].sequence);
        free(items);
    }
    g_pending.since_harvest = 0;
    unlock();
    free(times);
    pthread_mutex_unlock(&g_harvest_lock);
}
