/*
 * The device that the program shall see: values of OpenCL queries, read from a flat file.
 *
 * One `NAME=value` a line; integers decimal, lists separated by blanks, items of a versioned
 * list `name=version`. A query that the profile leaves out is answered by the real runtime,
 * unless the version of OpenCL that the profile presents does not have it yet. `profile=ID`
 * names the profile.
 */

enum form {
    FORM_TEXT,
    FORM_UINT,
    FORM_ULONG,
    FORM_SIZE,
    FORM_SIZES,
    FORM_NAMES,      /* cl_name_version array from name=version items */
    FORM_C_VERSIONS, /* cl_name_version array from versions, all named OpenCL C */
};

struct answer {
    cl_uint query;
    const char *name;
    enum form form;
    char *text; /* NULL: not in the profile */
};

#define ANSWER(number, name, form) {number, #name, form, NULL},
static struct answer g_platform_answers[] = {PLATFORM_QUERIES(ANSWER)};
static struct answer g_device_answers[] = {DEVICE_QUERIES(ANSWER)};
static struct answer g_kernel_answers[] = {KERNEL_QUERIES(ANSWER)};
#undef ANSWER
#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct {
    int active; /* a profile was loaded */
    char *id;
    struct text unknown; /* keys that no query has, as JSON strings */
    uint64_t largest_allocation, memory_bytes, local_bytes, group_items, item_sizes[3];
    uint64_t image2d[2], image3d[3], image_array, image_buffer;
    cl_uint version; /* packed CL_DEVICE_VERSION */
    int non_uniform; /* has non-uniform work-groups, for programs that ask for them */
} g_profile;

static struct answer *answer_in(struct answer *answers, size_t count, const char *name,
                                cl_uint query) {
    for (size_t i = 0; i < count; i++)
        if (name ? !strcmp(answers[i].name, name) : answers[i].query == query)
            return &answers[i];
    return NULL;
}

static struct answer *answer_named(const char *name) {
    struct answer *a = answer_in(g_device_answers, COUNT(g_device_answers), name, 0);
    if (!a)
        a = answer_in(g_platform_answers, COUNT(g_platform_answers), name, 0);
    return a ? a : answer_in(g_kernel_answers, COUNT(g_kernel_answers), name, 0);
}

static const char *profile_text(const char *name) {
    struct answer *a = g_profile.active ? answer_named(name) : NULL;
    return a ? a->text : NULL;
}

static uint64_t profile_number(const char *name) {
    const char *text = profile_text(name);
    return text ? strtoull(text, NULL, 0) : 0;
}

static int has_word(const char *list, const char *word) {
    size_t size = strlen(word);
    for (const char *at = list; at && (at = strstr(at, word)); at += size)
        if ((at == list || at[-1] == ' ') && (!at[size] || at[size] == ' '))
            return 1;
    return 0;
}

static int profile_claims(const char *extension) {
    return has_word(profile_text("CL_DEVICE_EXTENSIONS"), extension);
}

/* Major and minor of "OpenCL 2.0 ..." or "OpenCL C 2.0 ...", in the packing of OpenCL 3.0. */
static cl_uint packed_version(const char *text) {
    const char *digit = text ? strpbrk(text, "0123456789") : NULL;
    unsigned major = 1, minor = 0;
    if (digit && sscanf(digit, "%u.%u", &major, &minor) < 1)
        major = 1;
    return (major & 1023) << 22 | (minor & 1023) << 12;
}

/* Limits that are enforced, as numbers. */
static void profile_limits(void) {
    g_profile.largest_allocation = profile_number("CL_DEVICE_MAX_MEM_ALLOC_SIZE");
    g_profile.memory_bytes = profile_number("CL_DEVICE_GLOBAL_MEM_SIZE");
    g_profile.local_bytes = profile_number("CL_DEVICE_LOCAL_MEM_SIZE");
    g_profile.group_items = profile_number("CL_DEVICE_MAX_WORK_GROUP_SIZE");
    g_profile.image2d[0] = profile_number("CL_DEVICE_IMAGE2D_MAX_WIDTH");
    g_profile.image2d[1] = profile_number("CL_DEVICE_IMAGE2D_MAX_HEIGHT");
    g_profile.image3d[0] = profile_number("CL_DEVICE_IMAGE3D_MAX_WIDTH");
    g_profile.image3d[1] = profile_number("CL_DEVICE_IMAGE3D_MAX_HEIGHT");
    g_profile.image3d[2] = profile_number("CL_DEVICE_IMAGE3D_MAX_DEPTH");
    g_profile.image_array = profile_number("CL_DEVICE_IMAGE_MAX_ARRAY_SIZE");
    g_profile.image_buffer = profile_number("CL_DEVICE_IMAGE_MAX_BUFFER_SIZE");
    const char *sizes = profile_text("CL_DEVICE_MAX_WORK_ITEM_SIZES");
    for (int i = 0; sizes && i < 3; i++)
        g_profile.item_sizes[i] = strtoull(sizes, (char **)&sizes, 0);
    cl_uint version = g_profile.version = packed_version(profile_text("CL_DEVICE_VERSION"));
    g_profile.non_uniform =
        (version >= packed_version("2.0") && version < packed_version("3.0")) ||
        profile_number("CL_DEVICE_NON_UNIFORM_WORK_GROUP_SUPPORT") ||
        profile_claims("cl_arm_non_uniform_work_group_size");
}

static void profile_line(char *line) {
    char *equals = strchr(line, '=');
    if (!equals)
        return;
    *equals = 0;
    char *value = equals + 1;
    if (!strcmp(line, "profile")) {
        g_profile.id = strdup(value);
        return;
    }
    struct answer *a = answer_named(line);
    if (a) {
        free(a->text);
        a->text = strdup(value);
        return;
    }
    if (g_profile.unknown.size)
        text_put(&g_profile.unknown, ",");
    json_string(&g_profile.unknown, line, strlen(line));
}

static void profile_load(void) {
    const char *path = getenv("GPUSIM_SHIM_PROFILE");
    if (!path || !*path)
        return;
    FILE *file = fopen(path, "r");
    if (!file) {
        complain("the profile file cannot be read; nothing is impersonated");
        return;
    }
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size;
    while ((size = getline(&line, &capacity, file)) >= 0) {
        while (size && (line[size - 1] == '\n' || line[size - 1] == '\r'))
            line[--size] = 0;
        profile_line(line);
    }
    free(line);
    fclose(file);
    g_profile.active = 1;
    profile_limits();
}

/* Hand out a query's value the way OpenCL does. */
static cl_int give(const void *data, size_t size, size_t capacity, void *out, size_t *size_out) {
    if (out && capacity < size)
        return CL_INVALID_VALUE;
    if (out)
        memcpy(out, data, size);
    if (size_out)
        *size_out = size;
    return CL_SUCCESS;
}

/* A list of names with versions, from the profile's text. */
static cl_int give_versions(const struct answer *a, size_t capacity, void *out, size_t *size_out) {
    cl_name_version list[256];
    size_t n = 0;
    memset(list, 0, sizeof list);
    for (const char *at = a->text + strspn(a->text, " "); *at && n < COUNT(list);
         at += strspn(at, " ")) {
        size_t size = strcspn(at, " ");
        const char *equals = memchr(at, '=', size);
        const char *name = a->form == FORM_NAMES && equals ? at : "OpenCL C";
        size_t length = name == at ? (size_t)(equals - at) : strlen(name);
        if (length < sizeof list[n].name) {
            memcpy(list[n].name, name, length);
            list[n++].version = (cl_uint)strtoul(name == at ? equals + 1 : at, NULL, 0);
        }
        at += size;
    }
    return give(list, n * sizeof *list, capacity, out, size_out);
}

/* The profile's answer to a query; 0 when it has none, else 1 with *rc set. */
static int profile_answer(struct answer *answers, size_t count, cl_uint query, size_t capacity,
                          void *out, size_t *size_out, cl_int *rc) {
    struct answer *a = g_profile.active ? answer_in(answers, count, NULL, query) : NULL;
    if (!a || !a->text)
        return 0;
    cl_ulong u64 = a->form == FORM_TEXT ? 0 : strtoull(a->text, NULL, 0);
    cl_uint u32 = (cl_uint)u64;
    size_t sizes[8] = {(size_t)u64}, n = 1;
    switch (a->form) {
    case FORM_TEXT:
        *rc = give(a->text, strlen(a->text) + 1, capacity, out, size_out);
        return 1;
    case FORM_UINT:
        *rc = give(&u32, sizeof u32, capacity, out, size_out);
        return 1;
    case FORM_ULONG:
        *rc = give(&u64, sizeof u64, capacity, out, size_out);
        return 1;
    case FORM_NAMES:
    case FORM_C_VERSIONS:
        *rc = give_versions(a, capacity, out, size_out);
        return 1;
    case FORM_SIZES: {
        char *at = a->text, *end;
        for (n = 0; n < COUNT(sizes); n++, at = end) {
            sizes[n] = (size_t)strtoull(at, &end, 0);
            if (end == at)
                break;
        }
        break;
    }
    case FORM_SIZE:
        break;
    }
    *rc = give(sizes, n * sizeof *sizes, capacity, out, size_out);
    return 1;
}

/* Queries that came with a later OpenCL than the one presented: such a driver refuses them. */
static int query_too_new(cl_uint query) {
    if (!g_profile.active)
        return 0;
    if ((query >= CL_DEVICE_NUMERIC_VERSION && query <= 0x1072) ||
        query == CL_PLATFORM_NUMERIC_VERSION || query == CL_PLATFORM_EXTENSIONS_WITH_VERSION)
        return g_profile.version < packed_version("3.0");
    if (query == CL_PLATFORM_HOST_TIMER_RESOLUTION || (query >= 0x105B && query <= 0x105D))
        return g_profile.version < packed_version("2.1");
    return query >= 0x104C && query <= 0x105A && g_profile.version < packed_version("2.0");
}
