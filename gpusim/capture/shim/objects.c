/*
 * Which recorded object a handle means.
 *
 * Drivers reuse addresses, so an id is given at every create and a handle means the newest
 * object with it. An object stays known after its last release: programs fetch handles back
 * with clGet*Info. The table is open-addressed and only grows.
 */

enum kind {
    KIND_PLATFORM = 1,
    KIND_DEVICE,
    KIND_CONTEXT,
    KIND_QUEUE,
    KIND_PROGRAM,
    KIND_KERNEL,
    KIND_MEMORY,
    KIND_SAMPLER,
    KIND_EVENT,
    KIND_COUNT,
};

struct object {
    const void *handle;
    uint32_t id;
    uint16_t kind;
    int32_t references;
};

struct device {
    struct object o;
    uint64_t allocated; /* bytes of live buffers and images, against the profile's memory */
};

struct queue {
    struct object o;
    cl_bitfield asked;
    cl_properties *asked_list;
    size_t asked_count;
    int profiled, out_of_order;
};

struct program {
    struct object o;
    char *text; /* of a program built from source, with its headers; else NULL */
    size_t size;
    int from_source, arg_info_asked, halves_replaced, non_uniform;
    char *options;
};

enum argument_kind {
    ARGUMENT_UNSET,
    ARGUMENT_BUFFER,
    ARGUMENT_IMAGE,
    ARGUMENT_SAMPLER,
    ARGUMENT_LOCAL,
    ARGUMENT_VALUE,
    ARGUMENT_NULL,
};

struct argument {
    uint8_t kind, guessed;
    uint32_t size, reference;
    uint32_t value_capacity;
    unsigned char *value;
};

struct parameter {
    cl_uint address; /* 0: the driver does not tell */
    uint8_t sampler;
};

struct kernel {
    struct object o;
    struct program *program;
    uint32_t count, local_bytes, argument_set;
    uint32_t words; /* which built-in functions it may see: enum words */
    int changed;
    struct argument *arguments;
    struct parameter *parameters;
};

struct memory {
    struct object o;
    int image, svm;
    uint64_t bytes;
    size_t element_bytes;
    struct memory *parent;
};

struct event {
    struct object o;
    uint32_t sequence;
};

static struct {
    struct object **slots;
    size_t capacity, used;
} g_objects;
static uint32_t g_next_id[KIND_COUNT];

static size_t handle_hash(const void *handle) {
    uint64_t x = (uintptr_t)handle;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    return (size_t)(x ^ x >> 27);
}

static struct object **object_slot(const void *handle) {
    size_t mask = g_objects.capacity - 1, i = handle_hash(handle) & mask;
    while (g_objects.slots[i] && g_objects.slots[i]->handle != handle)
        i = (i + 1) & mask;
    return &g_objects.slots[i];
}

static void *must_allocate(size_t size) {
    void *p = calloc(1, size);
    if (!p) {
        complain("out of memory");
        abort();
    }
    return p;
}

static void objects_grow(void) {
    size_t old_capacity = g_objects.capacity;
    struct object **old = g_objects.slots;
    g_objects.capacity = old_capacity ? 2 * old_capacity : 1024;
    g_objects.slots = must_allocate(g_objects.capacity * sizeof *old);
    for (size_t i = 0; i < old_capacity; i++)
        if (old[i])
            *object_slot(old[i]->handle) = old[i];
    free(old);
}

static void *object_find(const void *handle, enum kind kind) {
    if (!handle || !g_objects.capacity)
        return NULL;
    struct object *o = *object_slot(handle);
    return o && o->kind == kind ? o : NULL;
}

static void kernel_free(struct kernel *k) {
    for (uint32_t i = 0; i < k->count; i++)
        free(k->arguments[i].value);
    free(k->arguments);
    free(k->parameters);
    free(k);
}

/* A new object for a handle; one that had the handle before is forgotten. */
static void *object_new(const void *handle, enum kind kind, size_t size) {
    if (2 * g_objects.used >= g_objects.capacity)
        objects_grow();
    struct object **slot = object_slot(handle);
    struct object *o = *slot;
    if (!o)
        g_objects.used++;
    /* Events come and go with every command, kernels with every call of some libraries. The
     * rest stays, since other objects may point at it. */
    if (o && o->kind == KIND_EVENT && kind == KIND_EVENT)
        memset(o, 0, size);
    else {
        if (o && o->kind == KIND_KERNEL)
            kernel_free((struct kernel *)o);
        o = must_allocate(size);
    }
    o->handle = handle;
    o->kind = (uint16_t)kind;
    o->references = 1;
    o->id = kind == KIND_EVENT ? NO_ID : g_next_id[kind]++;
    *slot = o;
    return o;
}

static uint32_t id_of(const void *handle, enum kind kind) {
    struct object *o = object_find(handle, kind);
    return o ? o->id : NO_ID;
}

struct release_record {
    uint32_t kind, id;
};

static void object_retain(const void *handle, enum kind kind) {
    lock();
    struct object *o = object_find(handle, kind);
    if (o)
        o->references++;
    unlock();
}

/* Count down; returns the object when this was the program's last reference. */
static void *object_release(const void *handle, enum kind kind) {
    struct object *o = object_find(handle, kind);
    if (!o || o->references <= 0 || --o->references)
        return NULL;
    struct release_record record = {kind, o->id};
    if (kind != KIND_EVENT)
        log_record(RECORD_RELEASE, now_ns(), &record, sizeof record, NULL, 0);
    return o;
}
