/*
 * Contents of buffers: hashed with SHA-256 and stored once each beside the log.
 *
 *     auto   contents up to DATA_AUTO_LIMIT are stored; the conversion keeps those that can
 *            reach a branch or an address and reduces the others to their hash
 *     none   neither hashed nor stored
 *     hash   hashed, not stored
 *     full   stored, whatever the size
 */
#define DATA_AUTO_LIMIT ((size_t)64 << 20)

enum data_mode { DATA_AUTO, DATA_NONE, DATA_HASH, DATA_FULL };
enum content_state { CONTENT_ABSENT, CONTENT_HASHED, CONTENT_STORED };

static enum data_mode g_data;

struct content {
    unsigned char digest[32];
    uint32_t state;
};

static int write_whole(int fd, const unsigned char *data, size_t size) {
    while (size) {
        ssize_t n = write(fd, data, size < ((size_t)1 << 30) ? size : (size_t)1 << 30);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return 0;
        data += n;
        size -= (size_t)n;
    }
    return 1;
}

/* Store bytes under their hash: written to a name of this thread's own, then renamed. */
static int blob_store(const void *data, size_t size, const unsigned char digest[32]) {
    char name[65], path[3200], temporary[3300];
    static uint32_t serial;
    hex_digest(digest, name);
    lock();
    if (g_log.fd < 0 && !g_log.failed)
        log_open();
    int failed = g_log.failed;
    snprintf(path, sizeof path, "%s/%s", g_log.blobs, name);
    uint32_t number = serial++;
    unlock();
    if (failed)
        return 0;
    if (!access(path, F_OK))
        return 1;
    snprintf(temporary, sizeof temporary, "%s/.%ld-%u", g_log.blobs, (long)getpid(), number);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || !write_whole(fd, data, size) || close(fd) || rename(temporary, path)) {
        dprintf(2, "gpusim capture: contents of %zu bytes cannot be stored: %s\n", size,
                strerror(errno));
        if (fd >= 0)
            unlink(temporary);
        return 0;
    }
    return 1;
}

static void digest_of(const void *data, size_t size, unsigned char digest[32]) {
    struct sha256 h;
    sha256_start(&h);
    sha256_add(&h, data, size);
    sha256_end(&h, digest);
}

/* Text and binaries of programs are stored in every mode. Returns 0 when that failed. */
static int blob_text(const void *data, size_t size, char name[65]) {
    unsigned char digest[32];
    digest_of(data, size, digest);
    hex_digest(digest, name);
    return blob_store(data, size, digest);
}

static struct content content_of(const void *data, size_t size) {
    struct content c = {.state = CONTENT_ABSENT};
    if (!data || !size || g_data == DATA_NONE || (g_data == DATA_AUTO && size > DATA_AUTO_LIMIT))
        return c;
    digest_of(data, size, c.digest);
    c.state = CONTENT_HASHED;
    if (g_data != DATA_HASH && blob_store(data, size, c.digest))
        c.state = CONTENT_STORED;
    return c;
}

static int contents_wanted(void) { return g_data != DATA_NONE; }

/* Contents of a box of `region` (bytes, rows, slices) at `data` with the given pitches. */
static struct content content_of_box(const void *data, const size_t region[3], size_t row_pitch,
                                     size_t slice_pitch) {
    struct content absent = {.state = CONTENT_ABSENT};
    size_t size = region[0] * region[1] * region[2];
    if (!contents_wanted() || !data || !size || (g_data == DATA_AUTO && size > DATA_AUTO_LIMIT))
        return absent;
    if (!row_pitch)
        row_pitch = region[0];
    if (!slice_pitch)
        slice_pitch = row_pitch * region[1];
    if ((row_pitch == region[0] || region[1] == 1) &&
        (slice_pitch == row_pitch * region[1] || region[2] == 1))
        return content_of(data, size);
    unsigned char *packed = malloc(size);
    if (!packed)
        return absent;
    unsigned char *out = packed;
    for (size_t z = 0; z < region[2]; z++)
        for (size_t y = 0; y < region[1]; y++, out += region[0])
            memcpy(out, (const unsigned char *)data + z * slice_pitch + y * row_pitch, region[0]);
    struct content c = content_of(packed, size);
    free(packed);
    return c;
}
