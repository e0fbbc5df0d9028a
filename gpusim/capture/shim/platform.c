/* Platforms, devices, contexts and queues; what the program is told about them. */

static cl_platform_id g_board; /* the one platform a profile presents */

static void record_platform(cl_platform_id platform);
static void record_device(cl_device_id device);

/* Of several platforms a profile presents one, PoCL where there is one: a board has one driver. */
static cl_platform_id choose_platform(void) {
    cl_platform_id all[16];
    cl_uint count = 0;
    char name[128];
    if (CALL(clGetPlatformIDs, COUNT(all), all, &count) != CL_SUCCESS || !count)
        return NULL;
    if (count > COUNT(all))
        count = COUNT(all);
    for (cl_uint i = 0; i < count; i++)
        if (CALL(clGetPlatformInfo, all[i], CL_PLATFORM_NAME, sizeof name, name, NULL) ==
                CL_SUCCESS &&
            !strcmp(name, "Portable Computing Language"))
            return all[i];
    return all[0];
}

static cl_int shim_clGetPlatformIDs(cl_uint entries, cl_platform_id *out, cl_uint *count) {
    NESTED(clGetPlatformIDs, CL_PLATFORM_NOT_FOUND_KHR, entries, out, count);
    if (!g_profile.active) {
        cl_uint found = 0;
        cl_int rc = CALL(clGetPlatformIDs, entries, out, &found);
        for (cl_uint i = 0; rc == CL_SUCCESS && out && i < found && i < entries; i++)
            record_platform(out[i]);
        if (count && rc == CL_SUCCESS)
            *count = found;
        return rc;
    }
    if ((!out && !count) || (out && !entries))
        return CL_INVALID_VALUE;
    if (!g_board)
        g_board = choose_platform();
    if (!g_board)
        return CL_PLATFORM_NOT_FOUND_KHR;
    record_platform(g_board);
    if (out)
        out[0] = g_board;
    if (count)
        *count = 1;
    return CL_SUCCESS;
}

static cl_int shim_clGetPlatformInfo(cl_platform_id platform, cl_uint query, size_t capacity,
                                     void *out, size_t *size) {
    NESTED(clGetPlatformInfo, CL_INVALID_PLATFORM, platform, query, capacity, out, size);
    cl_int rc;
    if (profile_answer(g_platform_answers, COUNT(g_platform_answers), query, capacity, out, size,
                       &rc))
        return rc;
    if (query_too_new(query))
        return CL_INVALID_VALUE;
    return CALL(clGetPlatformInfo, platform, query, capacity, out, size);
}

/* Devices are filtered by the type they are presented with, not by the type they have. */
static cl_int shim_clGetDeviceIDs(cl_platform_id platform, cl_bitfield type, cl_uint entries,
                                  cl_device_id *out, cl_uint *count) {
    NESTED(clGetDeviceIDs, CL_DEVICE_NOT_FOUND, platform, type, entries, out, count);
    cl_bitfield presented = profile_number("CL_DEVICE_TYPE");
    cl_uint found = 0;
    cl_int rc;
    if (presented) {
        if (!type)
            return CL_INVALID_DEVICE_TYPE;
        if (!(type & (presented | CL_DEVICE_TYPE_DEFAULT)))
            return CL_DEVICE_NOT_FOUND;
        if (!platform && !g_board)
            g_board = choose_platform();
        if (!platform)
            platform = g_board;
        type = CL_DEVICE_TYPE_ALL;
        /* One device: the profile describes one. */
        if (!out && !count)
            return CL_INVALID_VALUE;
        cl_device_id first;
        rc = CALL(clGetDeviceIDs, platform, type, 1, &first, &found);
        if (rc != CL_SUCCESS)
            return rc;
        if (out && !entries)
            return CL_INVALID_VALUE;
        record_device(first);
        if (out)
            out[0] = first;
        if (count)
            *count = 1;
        return CL_SUCCESS;
    }
    rc = CALL(clGetDeviceIDs, platform, type, entries, out, &found);
    for (cl_uint i = 0; rc == CL_SUCCESS && out && i < found && i < entries; i++)
        record_device(out[i]);
    if (count && rc == CL_SUCCESS)
        *count = found;
    return rc;
}

static cl_int shim_clGetDeviceInfo(cl_device_id device, cl_uint query, size_t capacity, void *out,
                                   size_t *size) {
    NESTED(clGetDeviceInfo, CL_INVALID_VALUE, device, query, capacity, out, size);
    cl_int rc;
    if (profile_answer(g_device_answers, COUNT(g_device_answers), query, capacity, out, size,
                       &rc))
        return rc;
    if (query_too_new(query))
        return CL_INVALID_VALUE;
    return CALL(clGetDeviceInfo, device, query, capacity, out, size);
}

static void json_value(struct text *t, const struct answer *a, const void *data, size_t size) {
    cl_uint u32 = 0;
    cl_ulong u64 = 0;
    size_t n = 0;
    switch (a->form) {
    case FORM_TEXT:
        json_key(t, a->name);
        json_string(t, data, strnlen(data, size));
        return;
    case FORM_UINT:
        memcpy(&u32, data, size < 4 ? size : 4);
        json_number(t, a->name, u32);
        return;
    case FORM_ULONG:
        memcpy(&u64, data, size < 8 ? size : 8);
        json_number(t, a->name, u64);
        return;
    case FORM_SIZE:
        memcpy(&n, data, size < sizeof n ? size : sizeof n);
        json_number(t, a->name, n);
        return;
    case FORM_SIZES:
        json_key(t, a->name);
        for (size_t i = 0; i < size / sizeof n; i++) {
            memcpy(&n, (const char *)data + i * sizeof n, sizeof n);
            text_format(t, "%s%zu", i ? "," : "[", n);
        }
        text_put(t, size < sizeof n ? "[]" : "]");
        return;
    case FORM_NAMES:
    case FORM_C_VERSIONS:
        json_key(t, a->name);
        for (size_t i = 0; i < size / sizeof(cl_name_version); i++) {
            const cl_name_version *item = (const cl_name_version *)data + i;
            text_put(t, i ? "," : "[");
            text_put(t, "[");
            json_string(t, item->name, strnlen(item->name, sizeof item->name));
            text_format(t, ",%u]", item->version);
        }
        text_put(t, size < sizeof(cl_name_version) ? "[]" : "]");
        return;
    }
}

/* All answers of one runtime layer about a device (or, without one, a platform). */
static void json_answers(struct text *t, const char *key, cl_platform_id platform,
                         cl_device_id device, int presented) {
    static const struct answer pointer_bits = {0x100D, "CL_DEVICE_ADDRESS_BITS", FORM_UINT, NULL};
    const struct answer *answers = device ? g_device_answers : g_platform_answers;
    size_t count = device ? COUNT(g_device_answers) : COUNT(g_platform_answers);
    char value[16384];
    json_key(t, key);
    text_put(t, "{");
    for (size_t i = 0; i < count + (device != NULL); i++) {
        const struct answer *a = i < count ? &answers[i] : &pointer_bits;
        size_t size = 0;
        cl_int rc;
        if (device)
            rc = presented ? shim_clGetDeviceInfo(device, a->query, sizeof value, value, &size)
                           : CALL(clGetDeviceInfo, device, a->query, sizeof value, value, &size);
        else
            rc = presented
                     ? shim_clGetPlatformInfo(platform, a->query, sizeof value, value, &size)
                     : CALL(clGetPlatformInfo, platform, a->query, sizeof value, value, &size);
        if (rc == CL_SUCCESS)
            json_value(t, a, value, size);
    }
    text_put(t, "}");
}

static void record_platform(cl_platform_id platform) {
    lock();
    int known = object_find(platform, KIND_PLATFORM) != NULL;
    unlock();
    if (known || !platform)
        return;
    struct text t = {0};
    text_put(&t, "{");
    json_answers(&t, "real", platform, NULL, 0);
    json_answers(&t, "presented", platform, NULL, 1);
    lock();
    struct object *o = object_new(platform, KIND_PLATFORM, sizeof *o);
    json_number(&t, "id", o->id);
    log_json(RECORD_PLATFORM, &t);
    unlock();
}

static void record_device(cl_device_id device) {
    lock();
    int known = object_find(device, KIND_DEVICE) != NULL;
    unlock();
    if (known || !device)
        return;
    struct text t = {0};
    text_put(&t, "{");
    json_answers(&t, "real", NULL, device, 0);
    json_answers(&t, "presented", NULL, device, 1);
    lock();
    struct device *d = object_new(device, KIND_DEVICE, sizeof *d);
    json_number(&t, "id", d->o.id);
    log_json(RECORD_DEVICE, &t);
    unlock();
}

static void record_context(cl_context context) {
    cl_device_id devices[16];
    size_t size = 0;
    if (!context ||
        CALL(clGetContextInfo, context, CL_CONTEXT_DEVICES, sizeof devices, devices, &size) !=
            CL_SUCCESS)
        size = 0;
    for (size_t i = 0; i < size / sizeof *devices; i++)
        record_device(devices[i]);
    struct text t = {0};
    text_put(&t, "{");
    lock();
    struct object *o = object_new(context, KIND_CONTEXT, sizeof *o);
    json_number(&t, "id", o->id);
    json_key(&t, "devices");
    text_put(&t, "[");
    for (size_t i = 0; i < size / sizeof *devices; i++)
        text_format(&t, "%s%u", i ? "," : "", id_of(devices[i], KIND_DEVICE));
    text_put(&t, "]");
    log_json(RECORD_CONTEXT, &t);
    unlock();
}

static cl_context shim_clCreateContext(const cl_ptr_properties *properties, cl_uint count,
                                       const cl_device_id *devices, context_notify notify,
                                       void *user, cl_int *error) {
    NESTED(clCreateContext, NULL, properties, count, devices, notify, user, error);
    cl_context context = CALL(clCreateContext, properties, count, devices, notify, user, error);
    if (context)
        record_context(context);
    return context;
}

static cl_context shim_clCreateContextFromType(const cl_ptr_properties *properties,
                                               cl_bitfield type, context_notify notify, void *user,
                                               cl_int *error) {
    NESTED(clCreateContextFromType, NULL, properties, type, notify, user, error);
    if (!profile_number("CL_DEVICE_TYPE")) {
        cl_context context =
            CALL(clCreateContextFromType, properties, type, notify, user, error);
        if (context)
            record_context(context);
        return context;
    }
    cl_platform_id platform = NULL;
    for (const cl_ptr_properties *p = properties; p && *p; p += 2)
        if (*p == CL_CONTEXT_PLATFORM)
            platform = (cl_platform_id)p[1];
    cl_device_id device;
    cl_int rc = shim_clGetDeviceIDs(platform, type, 1, &device, NULL);
    if (rc != CL_SUCCESS) {
        set_error(error, rc);
        return NULL;
    }
    return shim_clCreateContext(properties, 1, &device, notify, user, error);
}

static cl_int shim_clRetainContext(cl_context context) {
    NESTED(clRetainContext, CL_INVALID_OPERATION, context);
    object_retain(context, KIND_CONTEXT);
    return CALL(clRetainContext, context);
}

static cl_int shim_clReleaseContext(cl_context context) {
    NESTED(clReleaseContext, CL_INVALID_OPERATION, context);
    harvest(1);
    lock();
    object_release(context, KIND_CONTEXT);
    unlock();
    return CALL(clReleaseContext, context);
}

static void record_queue(cl_command_queue queue, cl_device_id device, cl_context context,
                         cl_bitfield asked, const cl_properties *list, int profiled) {
    struct text t = {0};
    text_put(&t, "{");
    record_device(device);
    lock();
    struct queue *q = object_new(queue, KIND_QUEUE, sizeof *q);
    q->asked = asked;
    q->profiled = profiled;
    q->out_of_order = (asked & 1) != 0;
    if (list) {
        size_t n = 0;
        while (list[n])
            n += 2;
        q->asked_count = n + 1;
        q->asked_list = must_allocate(q->asked_count * sizeof *list);
        memcpy(q->asked_list, list, q->asked_count * sizeof *list);
    }
    json_number(&t, "id", q->o.id);
    json_id(&t, "device", id_of(device, KIND_DEVICE));
    json_id(&t, "context", id_of(context, KIND_CONTEXT));
    json_number(&t, "properties", asked);
    json_bool(&t, "profiled", profiled);
    log_json(RECORD_QUEUE, &t);
    unlock();
}

/* Profiling is forced on for our times and hidden from a program that did not ask for it. */
static cl_command_queue shim_clCreateCommandQueue(cl_context context, cl_device_id device,
                                                  cl_bitfield asked, cl_int *error) {
    NESTED(clCreateCommandQueue, NULL, context, device, asked, error);
    cl_bitfield forced = g_options.profiling ? asked | CL_QUEUE_PROFILING_ENABLE : asked;
    cl_command_queue queue = CALL(clCreateCommandQueue, context, device, forced, error);
    int profiled = queue && g_options.profiling;
    if (!queue && forced != asked)
        queue = CALL(clCreateCommandQueue, context, device, asked, error);
    if (queue)
        record_queue(queue, device, context, asked, NULL, profiled);
    return queue;
}

static cl_command_queue shim_clCreateCommandQueueWithProperties(cl_context context,
                                                                cl_device_id device,
                                                                const cl_properties *asked,
                                                                cl_int *error) {
    NESTED(clCreateCommandQueueWithProperties, NULL, context, device, asked, error);
    cl_properties forced[34];
    cl_bitfield bits = 0;
    size_t n = 0;
    for (const cl_properties *p = asked; p && *p && n < 30; p += 2) {
        if (*p == CL_QUEUE_PROPERTIES) {
            bits = p[1];
            continue;
        }
        forced[n++] = p[0];
        forced[n++] = p[1];
    }
    forced[n++] = CL_QUEUE_PROPERTIES;
    forced[n++] = bits | CL_QUEUE_PROFILING_ENABLE;
    forced[n] = 0;
    int force = g_options.profiling && !(bits & CL_QUEUE_ON_DEVICE);
    cl_command_queue queue = CALL(clCreateCommandQueueWithProperties, context, device,
                                  force ? forced : asked, error);
    int profiled = queue && force;
    if (!queue && force)
        queue = CALL(clCreateCommandQueueWithProperties, context, device, asked, error);
    if (queue)
        record_queue(queue, device, context, bits, asked, profiled);
    return queue;
}

static cl_int shim_clRetainCommandQueue(cl_command_queue queue) {
    NESTED(clRetainCommandQueue, CL_INVALID_OPERATION, queue);
    object_retain(queue, KIND_QUEUE);
    return CALL(clRetainCommandQueue, queue);
}

static cl_int shim_clReleaseCommandQueue(cl_command_queue queue) {
    NESTED(clReleaseCommandQueue, CL_INVALID_OPERATION, queue);
    harvest(1);
    lock();
    object_release(queue, KIND_QUEUE);
    unlock();
    return CALL(clReleaseCommandQueue, queue);
}

static cl_int shim_clGetCommandQueueInfo(cl_command_queue queue, cl_uint query, size_t capacity,
                                         void *out, size_t *size) {
    NESTED(clGetCommandQueueInfo, CL_INVALID_OPERATION, queue, query, capacity, out, size);
    struct queue *q = queue_of(queue);
    if (q && query == CL_QUEUE_PROPERTIES)
        return give(&q->asked, sizeof q->asked, capacity, out, size);
    if (q && query == CL_QUEUE_PROPERTIES_ARRAY)
        return give(q->asked_list, q->asked_count * sizeof(cl_properties), capacity, out, size);
    return CALL(clGetCommandQueueInfo, queue, query, capacity, out, size);
}

static cl_int shim_clGetEventProfilingInfo(cl_event event, cl_uint query, size_t capacity,
                                           void *out, size_t *size) {
    NESTED(clGetEventProfilingInfo, CL_INVALID_OPERATION, event, query, capacity, out, size);
    cl_command_queue queue = NULL;
    if (CALL(clGetEventInfo, event, CL_EVENT_COMMAND_QUEUE, sizeof queue, &queue, NULL) ==
        CL_SUCCESS) {
        struct queue *q = queue_of(queue);
        if (q && !(q->asked & CL_QUEUE_PROFILING_ENABLE))
            return CL_PROFILING_INFO_NOT_AVAILABLE;
    }
    return CALL(clGetEventProfilingInfo, event, query, capacity, out, size);
}

static cl_event shim_clCreateUserEvent(cl_context context, cl_int *error) {
    NESTED(clCreateUserEvent, NULL, context, error);
    cl_event event = CALL(clCreateUserEvent, context, error);
    if (event) {
        lock();
        struct event *e = object_new(event, KIND_EVENT, sizeof *e);
        e->sequence = NO_ID;
        unlock();
        note("user event", "a wait for an event that the program completes itself is not recorded");
    }
    return event;
}

static cl_int shim_clRetainEvent(cl_event event) {
    NESTED(clRetainEvent, CL_INVALID_OPERATION, event);
    object_retain(event, KIND_EVENT);
    return CALL(clRetainEvent, event);
}

static cl_int shim_clReleaseEvent(cl_event event) {
    NESTED(clReleaseEvent, CL_INVALID_OPERATION, event);
    lock();
    struct event *e = object_release(event, KIND_EVENT);
    if (e)
        e->sequence = NO_ID;
    unlock();
    return CALL(clReleaseEvent, event);
}
