/* Buffers, sub-buffers, images, shared virtual memory and samplers; limits on them. */

/* Bytes of live memory objects of the process, against the presented device's memory. */
static uint64_t g_allocated;

/* What the board would answer to an allocation of this size. */
static cl_int check_allocation(uint64_t bytes) {
    if (g_profile.largest_allocation && bytes > g_profile.largest_allocation)
        return CL_INVALID_BUFFER_SIZE;
    if (g_profile.memory_bytes &&
        __atomic_load_n(&g_allocated, __ATOMIC_RELAXED) + bytes > g_profile.memory_bytes)
        return CL_MEM_OBJECT_ALLOCATION_FAILURE;
    return CL_SUCCESS;
}

static void *refuse(const char *call, cl_int rc, uint64_t bytes, cl_int *error) {
    char detail[160];
    snprintf(detail, sizeof detail, "%s: %llu bytes, error %d", call, (unsigned long long)bytes,
             rc);
    note("refused as on the device", detail);
    set_error(error, rc);
    return NULL;
}

static const char *content_key(const struct content *c) {
    return c->state == CONTENT_STORED ? "content" : "content_hash";
}

static void json_content(struct text *t, const struct content *c) {
    char hex[65];
    if (c->state == CONTENT_ABSENT)
        return;
    hex_digest(c->digest, hex);
    json_text(t, content_key(c), hex);
}

struct memory_description {
    const char *call;
    cl_mem handle, parent;
    uint64_t flags, bytes, offset;
    const struct content *content;
    const cl_image_format *format;
    const cl_image_desc *image;
    int svm, imported;
};

static uint32_t record_memory(const struct memory_description *d) {
    static const struct content absent = {.state = CONTENT_ABSENT};
    struct text t = {0};
    size_t element = 0, row_pitch = 0, slice_pitch = 0;
    if (d->image) {
        CALL(clGetImageInfo, d->handle, CL_IMAGE_ELEMENT_SIZE, sizeof element, &element, NULL);
        CALL(clGetImageInfo, d->handle, CL_IMAGE_ROW_PITCH, sizeof row_pitch, &row_pitch, NULL);
        CALL(clGetImageInfo, d->handle, CL_IMAGE_SLICE_PITCH, sizeof slice_pitch, &slice_pitch,
             NULL);
    }
    text_put(&t, "{");
    lock();
    struct memory *parent = object_find(d->parent, KIND_MEMORY);
    struct memory *m = object_new(d->handle, KIND_MEMORY, sizeof *m);
    m->image = d->image != NULL;
    m->svm = d->svm;
    m->bytes = d->parent ? 0 : d->bytes;
    m->parent = parent;
    m->element_bytes = element;
    g_allocated += m->bytes;
    json_number(&t, "id", m->o.id);
    json_text(&t, "call", d->call);
    json_number(&t, "flags", d->flags);
    json_number(&t, "size", d->bytes);
    json_id(&t, "parent", parent ? parent->o.id : NO_ID);
    json_number(&t, "offset", d->offset);
    if (d->svm)
        json_bool(&t, "svm", 1);
    if (d->imported)
        json_bool(&t, "imported", 1);
    json_content(&t, d->content ? d->content : &absent);
    if (d->image) {
        json_key(&t, "image");
        text_put(&t, "{");
        json_number(&t, "type", d->image->type);
        json_number(&t, "order", d->format->order);
        json_number(&t, "channel", d->format->type);
        json_number(&t, "width", d->image->width);
        json_number(&t, "height", d->image->height);
        json_number(&t, "depth", d->image->depth);
        json_number(&t, "array_size", d->image->array_size);
        json_number(&t, "element", element);
        json_number(&t, "row_pitch", row_pitch);
        json_number(&t, "slice_pitch", slice_pitch);
        text_put(&t, "}");
    }
    log_json(RECORD_MEMORY, &t);
    uint32_t id = m->o.id;
    unlock();
    return id;
}

/* A memory object that came from a call the shim does not record. The lock is not held. */
static void adopt_memory(cl_mem handle) {
    cl_uint type = 0;
    size_t size = 0;
    cl_bitfield flags = 0;
    lock();
    int known = object_find(handle, KIND_MEMORY) != NULL;
    unlock();
    if (known || !handle ||
        CALL(clGetMemObjectInfo, handle, CL_MEM_TYPE, sizeof type, &type, NULL) != CL_SUCCESS)
        return;
    CALL(clGetMemObjectInfo, handle, CL_MEM_SIZE, sizeof size, &size, NULL);
    CALL(clGetMemObjectInfo, handle, CL_MEM_FLAGS, sizeof flags, &flags, NULL);
    struct memory_description d = {
        .call = "unrecorded", .handle = handle, .flags = flags, .bytes = size};
    if (type != CL_MEM_OBJECT_BUFFER)
        note("unrecorded image", "an image came from a call that is not recorded; it is kept as bytes");
    record_memory(&d);
}

static struct content initial_content(cl_bitfield flags, const void *host, size_t size) {
    if (!(flags & (CL_MEM_COPY_HOST_PTR | CL_MEM_USE_HOST_PTR)))
        host = NULL;
    return content_of(host, size);
}

static cl_mem shim_clCreateBuffer(cl_context context, cl_bitfield flags, size_t size, void *host,
                                  cl_int *error) {
    NESTED(clCreateBuffer, NULL, context, flags, size, host, error);
    cl_int refused = check_allocation(size);
    if (refused)
        return refuse("clCreateBuffer", refused, size, error);
    struct content c = initial_content(flags, host, size);
    cl_mem memory = CALL(clCreateBuffer, context, flags, size, host, error);
    if (memory)
        record_memory(&(struct memory_description){.call = "clCreateBuffer", .handle = memory,
                                                   .flags = flags, .bytes = size, .content = &c});
    return memory;
}

static cl_mem shim_clCreateBufferWithProperties(cl_context context,
                                                const cl_properties *properties, cl_bitfield flags,
                                                size_t size, void *host, cl_int *error) {
    NESTED(clCreateBufferWithProperties, NULL, context, properties, flags, size, host, error);
    cl_int refused = check_allocation(size);
    if (refused)
        return refuse("clCreateBufferWithProperties", refused, size, error);
    struct content c = initial_content(flags, host, size);
    cl_mem memory =
        CALL(clCreateBufferWithProperties, context, properties, flags, size, host, error);
    if (memory)
        record_memory(&(struct memory_description){.call = "clCreateBufferWithProperties",
                                                   .handle = memory, .flags = flags,
                                                   .bytes = size, .content = &c});
    return memory;
}

static cl_mem shim_clCreateSubBuffer(cl_mem parent, cl_bitfield flags, cl_uint type,
                                     const void *info, cl_int *error) {
    NESTED(clCreateSubBuffer, NULL, parent, flags, type, info, error);
    adopt_memory(parent);
    cl_mem memory = CALL(clCreateSubBuffer, parent, flags, type, info, error);
    const cl_buffer_region *region = info;
    if (memory && type == CL_BUFFER_CREATE_TYPE_REGION)
        record_memory(&(struct memory_description){.call = "clCreateSubBuffer", .handle = memory,
                                                   .parent = parent, .flags = flags,
                                                   .bytes = region->size,
                                                   .offset = region->origin});
    return memory;
}

/* cl_arm_import_memory: the program's own memory becomes a buffer. Where the runtime below does
 * not have it, CL_MEM_USE_HOST_PTR does the same. */
static cl_mem shim_clImportMemoryARM(cl_context context, cl_bitfield flags,
                                     const cl_ptr_properties *properties, void *memory,
                                     size_t size, cl_int *error) {
    for (const cl_ptr_properties *p = properties; p && *p; p += 2)
        if (p[0] == CL_IMPORT_TYPE_ARM && p[1] != CL_IMPORT_TYPE_HOST_ARM) {
            note("clImportMemoryARM", "only host memory can be imported here");
            set_error(error, CL_INVALID_OPERATION);
            return NULL;
        }
    cl_int refused = check_allocation(size);
    if (refused)
        return refuse("clImportMemoryARM", refused, size, error);
    struct content c = content_of(memory, size);
    cl_mem buffer =
        CALL(clCreateBuffer, context, flags | CL_MEM_USE_HOST_PTR, size, memory, error);
    if (buffer)
        record_memory(&(struct memory_description){.call = "clImportMemoryARM", .handle = buffer,
                                                   .flags = flags, .bytes = size, .content = &c,
                                                   .imported = 1});
    return buffer;
}

static size_t channels_of(cl_uint order) {
    switch (order) {
    case 0x10B0: case 0x10B1: case 0x10B8: case 0x10B9: case 0x10BD: case 0x10BE:
        return 1; /* R, A, INTENSITY, LUMINANCE, DEPTH, DEPTH_STENCIL */
    case 0x10B2: case 0x10B3: case 0x10BA:
        return 2; /* RG, RA, Rx */
    case 0x10B4: case 0x10BB: case 0x10BF:
        return 3; /* RGB, RGx, sRGB */
    default:
        return 4;
    }
}

static size_t element_bytes(const cl_image_format *f) {
    switch (f->type) {
    case 0x10D0: case 0x10D2: case 0x10D7: case 0x10DA:
        return channels_of(f->order); /* 8-bit channels */
    case 0x10D1: case 0x10D3: case 0x10D8: case 0x10DB: case 0x10DD:
        return 2 * channels_of(f->order); /* 16-bit channels */
    case 0x10D4: case 0x10D5:
        return 2; /* 565 and 555 */
    case 0x10D6: case 0x10E0:
        return 4; /* 101010 */
    default:
        return 4 * channels_of(f->order);
    }
}

static uint64_t at_least_one(size_t n) { return n ? n : 1; }

static uint64_t image_bytes(const cl_image_format *format, const cl_image_desc *d) {
    if (!format || !d)
        return 0;
    return element_bytes(format) * at_least_one(d->width) * at_least_one(d->height) *
           at_least_one(d->depth) * at_least_one(d->array_size);
}

static int above(uint64_t size, uint64_t limit) { return limit && size > limit; }

static cl_int check_image(const cl_image_format *format, const cl_image_desc *d) {
    int bad = 0;
    if (!g_profile.active || !format || !d)
        return CL_SUCCESS;
    switch (d->type) {
    case CL_MEM_OBJECT_IMAGE3D:
        bad = above(d->width, g_profile.image3d[0]) || above(d->height, g_profile.image3d[1]) ||
              above(d->depth, g_profile.image3d[2]);
        break;
    case CL_MEM_OBJECT_IMAGE1D_BUFFER:
        bad = above(d->width, g_profile.image_buffer);
        break;
    default:
        bad = above(d->width, g_profile.image2d[0]) || above(d->height, g_profile.image2d[1]) ||
              above(d->array_size, g_profile.image_array);
    }
    if (bad)
        return CL_INVALID_IMAGE_SIZE;
    cl_int rc = d->buffer ? CL_SUCCESS : check_allocation(image_bytes(format, d));
    return rc == CL_INVALID_BUFFER_SIZE ? CL_MEM_OBJECT_ALLOCATION_FAILURE : rc;
}

static cl_mem record_image(const char *call, cl_mem memory, cl_bitfield flags,
                           const cl_image_format *format, const cl_image_desc *d,
                           const void *host) {
    struct content c = {.state = CONTENT_ABSENT};
    if (!memory)
        return NULL;
    if (flags & (CL_MEM_COPY_HOST_PTR | CL_MEM_USE_HOST_PTR)) {
        size_t layers = d->array_size && (d->type == CL_MEM_OBJECT_IMAGE1D_ARRAY ||
                                          d->type == CL_MEM_OBJECT_IMAGE2D_ARRAY)
                            ? d->array_size
                            : (size_t)at_least_one(d->depth);
        size_t region[3] = {element_bytes(format) * d->width, (size_t)at_least_one(d->height),
                            layers};
        c = content_of_box(host, region, d->row_pitch, d->slice_pitch);
    }
    if (d->buffer)
        adopt_memory(d->buffer);
    record_memory(&(struct memory_description){.call = call, .handle = memory,
                                               .parent = d->buffer, .flags = flags,
                                               .bytes = image_bytes(format, d), .content = &c,
                                               .format = format, .image = d});
    return memory;
}

static cl_mem shim_clCreateImage(cl_context context, cl_bitfield flags,
                                 const cl_image_format *format, const cl_image_desc *d, void *host,
                                 cl_int *error) {
    NESTED(clCreateImage, NULL, context, flags, format, d, host, error);
    cl_int refused = check_image(format, d);
    if (refused)
        return refuse("clCreateImage", refused, image_bytes(format, d), error);
    cl_mem memory = CALL(clCreateImage, context, flags, format, d, host, error);
    return record_image("clCreateImage", memory, flags, format, d, host);
}

static cl_mem shim_clCreateImageWithProperties(cl_context context, const cl_properties *properties,
                                               cl_bitfield flags, const cl_image_format *format,
                                               const cl_image_desc *d, void *host, cl_int *error) {
    NESTED(clCreateImageWithProperties, NULL, context, properties, flags, format, d, host, error);
    cl_int refused = check_image(format, d);
    if (refused)
        return refuse("clCreateImageWithProperties", refused, image_bytes(format, d), error);
    cl_mem memory = CALL(clCreateImageWithProperties, context, properties, flags, format, d, host,
                         error);
    return record_image("clCreateImageWithProperties", memory, flags, format, d, host);
}

static cl_mem shim_clCreateImage2D(cl_context context, cl_bitfield flags,
                                   const cl_image_format *format, size_t width, size_t height,
                                   size_t pitch, void *host, cl_int *error) {
    NESTED(clCreateImage2D, NULL, context, flags, format, width, height, pitch, host, error);
    cl_image_desc d = {.type = CL_MEM_OBJECT_IMAGE2D, .width = width, .height = height,
                       .row_pitch = pitch};
    cl_int refused = check_image(format, &d);
    if (refused)
        return refuse("clCreateImage2D", refused, image_bytes(format, &d), error);
    cl_mem memory =
        CALL(clCreateImage2D, context, flags, format, width, height, pitch, host, error);
    return record_image("clCreateImage2D", memory, flags, format, &d, host);
}

static cl_mem shim_clCreateImage3D(cl_context context, cl_bitfield flags,
                                   const cl_image_format *format, size_t width, size_t height,
                                   size_t depth, size_t row, size_t slice, void *host,
                                   cl_int *error) {
    NESTED(clCreateImage3D, NULL, context, flags, format, width, height, depth, row, slice, host,
           error);
    cl_image_desc d = {.type = CL_MEM_OBJECT_IMAGE3D, .width = width, .height = height,
                       .depth = depth, .row_pitch = row, .slice_pitch = slice};
    cl_int refused = check_image(format, &d);
    if (refused)
        return refuse("clCreateImage3D", refused, image_bytes(format, &d), error);
    cl_mem memory = CALL(clCreateImage3D, context, flags, format, width, height, depth, row, slice,
                         host, error);
    return record_image("clCreateImage3D", memory, flags, format, &d, host);
}

static cl_int shim_clRetainMemObject(cl_mem memory) {
    NESTED(clRetainMemObject, CL_INVALID_OPERATION, memory);
    object_retain(memory, KIND_MEMORY);
    return CALL(clRetainMemObject, memory);
}

static cl_int shim_clReleaseMemObject(cl_mem memory) {
    NESTED(clReleaseMemObject, CL_INVALID_OPERATION, memory);
    lock();
    struct memory *m = object_release(memory, KIND_MEMORY);
    if (m)
        g_allocated -= m->bytes;
    unlock();
    return CALL(clReleaseMemObject, memory);
}

/* Shared virtual memory is recorded as a buffer whose handle is its address. */
struct svm_range {
    char *start;
    size_t size;
    uint32_t id;
};
static struct svm_range *g_svm;
static size_t g_svm_count, g_svm_capacity;

/* The lock is held. */
static struct svm_range *svm_find(const void *pointer) {
    for (size_t i = 0; i < g_svm_count; i++)
        if ((const char *)pointer >= g_svm[i].start &&
            (const char *)pointer < g_svm[i].start + g_svm[i].size)
            return &g_svm[i];
    return NULL;
}

static void *shim_clSVMAlloc(cl_context context, cl_bitfield flags, size_t size,
                             cl_uint alignment) {
    NESTED(clSVMAlloc, NULL, context, flags, size, alignment);
    cl_int refused = check_allocation(size);
    if (refused)
        return refuse("clSVMAlloc", refused, size, NULL);
    char *pointer = CALL(clSVMAlloc, context, flags, size, alignment);
    if (!pointer)
        return NULL;
    uint32_t id = record_memory(&(struct memory_description){
        .call = "clSVMAlloc", .handle = (cl_mem)(void *)pointer, .flags = flags, .bytes = size,
        .svm = 1});
    lock();
    if (g_svm_count == g_svm_capacity) {
        g_svm_capacity = g_svm_capacity ? 2 * g_svm_capacity : 16;
        struct svm_range *grown = must_allocate(g_svm_capacity * sizeof *grown);
        if (g_svm_count)
            memcpy(grown, g_svm, g_svm_count * sizeof *grown);
        free(g_svm);
        g_svm = grown;
    }
    g_svm[g_svm_count++] = (struct svm_range){pointer, size, id};
    unlock();
    return pointer;
}

static void shim_clSVMFree(cl_context context, void *pointer) {
    if (!HAS(clSVMFree))
        return;
    if (!t_depth || g_layer) {
        lock();
        struct memory *m = object_release(pointer, KIND_MEMORY);
        if (m)
            g_allocated -= m->bytes;
        for (size_t i = 0; i < g_svm_count; i++)
            if (g_svm[i].start == pointer)
                g_svm[i] = g_svm[--g_svm_count];
        unlock();
    }
    t_depth++;
    REAL(clSVMFree)(context, pointer);
    t_depth--;
}

static void record_sampler(cl_sampler sampler) {
    cl_bool normalized = 0;
    cl_uint addressing = 0, filter = 0;
    if (!sampler)
        return;
    CALL(clGetSamplerInfo, sampler, CL_SAMPLER_NORMALIZED_COORDS, 4, &normalized, NULL);
    CALL(clGetSamplerInfo, sampler, CL_SAMPLER_ADDRESSING_MODE, 4, &addressing, NULL);
    CALL(clGetSamplerInfo, sampler, CL_SAMPLER_FILTER_MODE, 4, &filter, NULL);
    struct text t = {0};
    text_put(&t, "{");
    lock();
    struct object *o = object_new(sampler, KIND_SAMPLER, sizeof *o);
    json_number(&t, "id", o->id);
    json_bool(&t, "normalized", normalized != 0);
    json_number(&t, "addressing", addressing);
    json_number(&t, "filter", filter);
    log_json(RECORD_SAMPLER, &t);
    unlock();
}

static cl_sampler shim_clCreateSampler(cl_context context, cl_bool normalized, cl_uint addressing,
                                       cl_uint filter, cl_int *error) {
    NESTED(clCreateSampler, NULL, context, normalized, addressing, filter, error);
    cl_sampler sampler =
        CALL(clCreateSampler, context, normalized, addressing, filter, error);
    record_sampler(sampler);
    return sampler;
}

static cl_sampler shim_clCreateSamplerWithProperties(cl_context context,
                                                     const cl_properties *properties,
                                                     cl_int *error) {
    NESTED(clCreateSamplerWithProperties, NULL, context, properties, error);
    cl_sampler sampler = CALL(clCreateSamplerWithProperties, context, properties, error);
    record_sampler(sampler);
    return sampler;
}

static cl_int shim_clRetainSampler(cl_sampler sampler) {
    NESTED(clRetainSampler, CL_INVALID_OPERATION, sampler);
    object_retain(sampler, KIND_SAMPLER);
    return CALL(clRetainSampler, sampler);
}

static cl_int shim_clReleaseSampler(cl_sampler sampler) {
    NESTED(clReleaseSampler, CL_INVALID_OPERATION, sampler);
    lock();
    object_release(sampler, KIND_SAMPLER);
    unlock();
    return CALL(clReleaseSampler, sampler);
}
