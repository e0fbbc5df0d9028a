/* Reads, writes, copies, fills, maps and what else a queue takes beside launches. */

/* Mapped regions: contents are taken at the unmap, when the program is done writing. */
struct mapping {
    const void *pointer;
    cl_mem memory;
    uint64_t offset;
    size_t region[3], row_pitch, slice_pitch;
    uint64_t origin[3];
    int written, image, svm;
};
static struct mapping *g_mappings;
static size_t g_mapping_count, g_mapping_capacity;

static void mapping_add(const struct mapping *m) {
    lock();
    if (g_mapping_count == g_mapping_capacity) {
        size_t capacity = g_mapping_capacity ? 2 * g_mapping_capacity : 16;
        struct mapping *grown = must_allocate(capacity * sizeof *grown);
        if (g_mapping_count)
            memcpy(grown, g_mappings, g_mapping_count * sizeof *grown);
        free(g_mappings);
        g_mappings = grown;
        g_mapping_capacity = capacity;
    }
    g_mappings[g_mapping_count++] = *m;
    unlock();
}

static int mapping_take(cl_mem memory, const void *pointer, struct mapping *out) {
    int found = 0;
    lock();
    for (size_t i = g_mapping_count; i-- > 0 && !found;)
        if (g_mappings[i].pointer == pointer && (g_mappings[i].svm || g_mappings[i].memory == memory)) {
            *out = g_mappings[i];
            g_mappings[i] = g_mappings[--g_mapping_count];
            found = 1;
        }
    unlock();
    return found;
}

static size_t image_element(cl_mem image) {
    lock();
    struct memory *m = object_find(image, KIND_MEMORY);
    size_t bytes = m && m->element_bytes ? m->element_bytes : 1;
    unlock();
    return bytes;
}

static void copy3(uint64_t *out, const size_t *in) {
    for (int i = 0; i < 3; i++)
        out[i] = in[i];
}

static cl_int shim_clEnqueueReadBuffer(cl_command_queue queue, cl_mem memory, cl_bool blocking,
                                       size_t offset, size_t size, void *out, cl_uint count,
                                       const cl_event *list, cl_event *asked) {
    NESTED(clEnqueueReadBuffer, CL_INVALID_OPERATION, queue, memory, blocking, offset, size, out,
           count, list, asked);
    struct command c = NEW_COMMAND(COMMAND_READ, clEnqueueReadBuffer, queue);
    c.source = memory;
    c.offset = offset;
    c.size = size;
    c.blocking = (int)blocking;
    return ENQUEUE(c, 1, clEnqueueReadBuffer, queue, memory, blocking, offset, size, out);
}

static cl_int shim_clEnqueueWriteBuffer(cl_command_queue queue, cl_mem memory, cl_bool blocking,
                                        size_t offset, size_t size, const void *in, cl_uint count,
                                        const cl_event *list, cl_event *asked) {
    NESTED(clEnqueueWriteBuffer, CL_INVALID_OPERATION, queue, memory, blocking, offset, size, in,
           count, list, asked);
    struct content content = content_of(in, size);
    struct command c = NEW_COMMAND(COMMAND_WRITE, clEnqueueWriteBuffer, queue);
    c.content = content;
    c.target = memory;
    c.offset = offset;
    c.size = size;
    c.blocking = (int)blocking;
    return ENQUEUE(c, 1, clEnqueueWriteBuffer, queue, memory, blocking, offset, size, in);
}

static uint64_t box_start(const uint64_t *origin, const uint64_t *pitch) {
    return origin[0] + origin[1] * pitch[0] + origin[2] * pitch[1];
}

/* Pitches that are zero follow from the region. */
static void settle_pitch(uint64_t *pitch, size_t row, size_t slice, const size_t *region) {
    pitch[0] = row ? row : region[0];
    pitch[1] = slice ? slice : pitch[0] * region[1];
}

static cl_int shim_clEnqueueReadBufferRect(cl_command_queue queue, cl_mem memory, cl_bool blocking,
                                           const size_t *origin, const size_t *host_origin,
                                           const size_t *region, size_t row, size_t slice,
                                           size_t host_row, size_t host_slice, void *out,
                                           cl_uint count, const cl_event *list, cl_event *asked) {
    NESTED(clEnqueueReadBufferRect, CL_INVALID_OPERATION, queue, memory, blocking, origin,
           host_origin, region, row, slice, host_row, host_slice, out, count, list, asked);
    struct box box = {{0}, {0}, {0}, {0}, {0}};
    struct command c = NEW_COMMAND(COMMAND_READ, clEnqueueReadBufferRect, queue);
    if (origin && region) {
        copy3(box.source_origin, origin);
        copy3(box.region, region);
        settle_pitch(box.source_pitch, row, slice, region);
        c.offset = box_start(box.source_origin, box.source_pitch);
        c.size = region[0] * region[1] * region[2];
        c.box = &box;
    }
    c.source = memory;
    c.blocking = (int)blocking;
    return ENQUEUE(c, 1, clEnqueueReadBufferRect, queue, memory, blocking, origin, host_origin,
                   region, row, slice, host_row, host_slice, out);
}

static cl_int shim_clEnqueueWriteBufferRect(cl_command_queue queue, cl_mem memory,
                                            cl_bool blocking, const size_t *origin,
                                            const size_t *host_origin, const size_t *region,
                                            size_t row, size_t slice, size_t host_row,
                                            size_t host_slice, const void *in, cl_uint count,
                                            const cl_event *list, cl_event *asked) {
    NESTED(clEnqueueWriteBufferRect, CL_INVALID_OPERATION, queue, memory, blocking, origin,
           host_origin, region, row, slice, host_row, host_slice, in, count, list, asked);
    struct box box = {{0}, {0}, {0}, {0}, {0}};
    struct command c = NEW_COMMAND(COMMAND_WRITE, clEnqueueWriteBufferRect, queue);
    if (origin && host_origin && region && in) {
        uint64_t host_pitch[2], from[3];
        copy3(box.target_origin, origin);
        copy3(box.region, region);
        copy3(from, host_origin);
        settle_pitch(box.target_pitch, row, slice, region);
        settle_pitch(host_pitch, host_row, host_slice, region);
        c.offset = box_start(box.target_origin, box.target_pitch);
        c.size = region[0] * region[1] * region[2];
        c.box = &box;
        c.content = content_of_box((const char *)in + box_start(from, host_pitch), region,
                                   (size_t)host_pitch[0], (size_t)host_pitch[1]);
    }
    c.started = now_ns();
    c.target = memory;
    c.blocking = (int)blocking;
    return ENQUEUE(c, 1, clEnqueueWriteBufferRect, queue, memory, blocking, origin, host_origin,
                   region, row, slice, host_row, host_slice, in);
}

static cl_int shim_clEnqueueCopyBuffer(cl_command_queue queue, cl_mem source, cl_mem target,
                                       size_t from, size_t to, size_t size, cl_uint count,
                                       const cl_event *list, cl_event *asked) {
    NESTED(clEnqueueCopyBuffer, CL_INVALID_OPERATION, queue, source, target, from, to, size, count,
           list, asked);
    struct command c = NEW_COMMAND(COMMAND_COPY, clEnqueueCopyBuffer, queue);
    c.source = source;
    c.target = target;
    c.source_offset = from;
    c.offset = to;
    c.size = size;
    return ENQUEUE(c, 1, clEnqueueCopyBuffer, queue, source, target, from, to, size);
}

static cl_int shim_clEnqueueCopyBufferRect(cl_command_queue queue, cl_mem source, cl_mem target,
                                           const size_t *from, const size_t *to,
                                           const size_t *region, size_t source_row,
                                           size_t source_slice, size_t row, size_t slice,
                                           cl_uint count, const cl_event *list, cl_event *asked) {
    NESTED(clEnqueueCopyBufferRect, CL_INVALID_OPERATION, queue, source, target, from, to, region,
           source_row, source_slice, row, slice, count, list, asked);
    struct box box = {{0}, {0}, {0}, {0}, {0}};
    struct command c = NEW_COMMAND(COMMAND_COPY, clEnqueueCopyBufferRect, queue);
    if (from && to && region) {
        copy3(box.source_origin, from);
        copy3(box.target_origin, to);
        copy3(box.region, region);
        settle_pitch(box.source_pitch, source_row, source_slice, region);
        settle_pitch(box.target_pitch, row, slice, region);
        c.source_offset = box_start(box.source_origin, box.source_pitch);
        c.offset = box_start(box.target_origin, box.target_pitch);
        c.size = region[0] * region[1] * region[2];
        c.box = &box;
    }
    c.source = source;
    c.target = target;
    return ENQUEUE(c, 1, clEnqueueCopyBufferRect, queue, source, target, from, to, region,
                   source_row, source_slice, row, slice);
}

static cl_int shim_clEnqueueFillBuffer(cl_command_queue queue, cl_mem memory, const void *pattern,
                                       size_t pattern_size, size_t offset, size_t size,
                                       cl_uint count, const cl_event *list, cl_event *asked) {
    NESTED(clEnqueueFillBuffer, CL_INVALID_OPERATION, queue, memory, pattern, pattern_size, offset,
           size, count, list, asked);
    struct command c = NEW_COMMAND(COMMAND_FILL, clEnqueueFillBuffer, queue);
    c.content = content_of(pattern, pattern_size);
    c.target = memory;
    c.offset = offset;
    c.size = size;
    return ENQUEUE(c, 1, clEnqueueFillBuffer, queue, memory, pattern, pattern_size, offset, size);
}

static cl_int shim_clEnqueueFillImage(cl_command_queue queue, cl_mem image, const void *colour,
                                      const size_t *origin, const size_t *region, cl_uint count,
                                      const cl_event *list, cl_event *asked) {
    NESTED(clEnqueueFillImage, CL_INVALID_OPERATION, queue, image, colour, origin, region, count,
           list, asked);
    struct box box = {{0}, {0}, {0}, {0}, {0}};
    struct command c = NEW_COMMAND(COMMAND_FILL, clEnqueueFillImage, queue);
    if (colour && origin && region) {
        c.content = content_of(colour, 16);
        copy3(box.target_origin, origin);
        copy3(box.region, region);
        c.box = &box;
        c.size = image_element(image) * region[0] * region[1] * region[2];
    }
    c.target = image;
    return ENQUEUE(c, 1, clEnqueueFillImage, queue, image, colour, origin, region);
}

static cl_int shim_clEnqueueReadImage(cl_command_queue queue, cl_mem image, cl_bool blocking,
                                      const size_t *origin, const size_t *region, size_t row,
                                      size_t slice, void *out, cl_uint count, const cl_event *list,
                                      cl_event *asked) {
    NESTED(clEnqueueReadImage, CL_INVALID_OPERATION, queue, image, blocking, origin, region, row,
           slice, out, count, list, asked);
    struct box box = {{0}, {0}, {0}, {0}, {0}};
    struct command c = NEW_COMMAND(COMMAND_READ, clEnqueueReadImage, queue);
    if (origin && region) {
        copy3(box.source_origin, origin);
        copy3(box.region, region);
        c.box = &box;
        c.size = image_element(image) * region[0] * region[1] * region[2];
    }
    c.source = image;
    c.blocking = (int)blocking;
    return ENQUEUE(c, 1, clEnqueueReadImage, queue, image, blocking, origin, region, row, slice,
                   out);
}

static cl_int shim_clEnqueueWriteImage(cl_command_queue queue, cl_mem image, cl_bool blocking,
                                       const size_t *origin, const size_t *region, size_t row,
                                       size_t slice, const void *in, cl_uint count,
                                       const cl_event *list, cl_event *asked) {
    NESTED(clEnqueueWriteImage, CL_INVALID_OPERATION, queue, image, blocking, origin, region, row,
           slice, in, count, list, asked);
    struct box box = {{0}, {0}, {0}, {0}, {0}};
    struct command c = NEW_COMMAND(COMMAND_WRITE, clEnqueueWriteImage, queue);
    if (origin && region) {
        size_t bytes[3] = {region[0] * image_element(image), region[1], region[2]};
        c.content = content_of_box(in, bytes, row, slice);
        copy3(box.target_origin, origin);
        copy3(box.region, region);
        c.box = &box;
        c.size = bytes[0] * bytes[1] * bytes[2];
    }
    c.started = now_ns();
    c.target = image;
    c.blocking = (int)blocking;
    return ENQUEUE(c, 1, clEnqueueWriteImage, queue, image, blocking, origin, region, row, slice,
                   in);
}

static cl_int shim_clEnqueueCopyImage(cl_command_queue queue, cl_mem source, cl_mem target,
                                      const size_t *from, const size_t *to, const size_t *region,
                                      cl_uint count, const cl_event *list, cl_event *asked) {
    NESTED(clEnqueueCopyImage, CL_INVALID_OPERATION, queue, source, target, from, to, region,
           count, list, asked);
    struct box box = {{0}, {0}, {0}, {0}, {0}};
    struct command c = NEW_COMMAND(COMMAND_COPY, clEnqueueCopyImage, queue);
    if (from && to && region) {
        copy3(box.source_origin, from);
        copy3(box.target_origin, to);
        copy3(box.region, region);
        c.box = &box;
        c.size = image_element(source) * region[0] * region[1] * region[2];
    }
    c.source = source;
    c.target = target;
    return ENQUEUE(c, 1, clEnqueueCopyImage, queue, source, target, from, to, region);
}

static cl_int shim_clEnqueueCopyImageToBuffer(cl_command_queue queue, cl_mem source, cl_mem target,
                                              const size_t *from, const size_t *region, size_t to,
                                              cl_uint count, const cl_event *list,
                                              cl_event *asked) {
    NESTED(clEnqueueCopyImageToBuffer, CL_INVALID_OPERATION, queue, source, target, from, region,
           to, count, list, asked);
    struct box box = {{0}, {0}, {0}, {0}, {0}};
    struct command c = NEW_COMMAND(COMMAND_COPY, clEnqueueCopyImageToBuffer, queue);
    if (from && region) {
        copy3(box.source_origin, from);
        copy3(box.region, region);
        c.box = &box;
        c.size = image_element(source) * region[0] * region[1] * region[2];
    }
    c.source = source;
    c.target = target;
    c.offset = to;
    return ENQUEUE(c, 1, clEnqueueCopyImageToBuffer, queue, source, target, from, region, to);
}

static cl_int shim_clEnqueueCopyBufferToImage(cl_command_queue queue, cl_mem source, cl_mem target,
                                              size_t from, const size_t *to, const size_t *region,
                                              cl_uint count, const cl_event *list,
                                              cl_event *asked) {
    NESTED(clEnqueueCopyBufferToImage, CL_INVALID_OPERATION, queue, source, target, from, to,
           region, count, list, asked);
    struct box box = {{0}, {0}, {0}, {0}, {0}};
    struct command c = NEW_COMMAND(COMMAND_COPY, clEnqueueCopyBufferToImage, queue);
    if (to && region) {
        copy3(box.target_origin, to);
        copy3(box.region, region);
        c.box = &box;
        c.size = image_element(target) * region[0] * region[1] * region[2];
    }
    c.source = source;
    c.target = target;
    c.source_offset = from;
    return ENQUEUE(c, 1, clEnqueueCopyBufferToImage, queue, source, target, from, to, region);
}

static void *shim_clEnqueueMapBuffer(cl_command_queue queue, cl_mem memory, cl_bool blocking,
                                     cl_bitfield flags, size_t offset, size_t size, cl_uint count,
                                     const cl_event *list, cl_event *asked, cl_int *error) {
    NESTED(clEnqueueMapBuffer, NULL, queue, memory, blocking, flags, offset, size, count, list,
           asked, error);
    struct command c = NEW_COMMAND(COMMAND_MAP, clEnqueueMapBuffer, queue);
    c.source = memory;
    c.offset = offset;
    c.size = size;
    c.blocking = (int)blocking;
    cl_event own;
    cl_int rc = CL_SUCCESS;
    cl_event *slot = event_wanted(asked, &own, queue_of(queue));
    void *pointer = CALL(clEnqueueMapBuffer, queue, memory, blocking, flags, offset, size, count,
                         list, slot, &rc);
    command_done(&c, rc, count, list, asked, own);
    if (rc == CL_SUCCESS)
        mapping_add(&(struct mapping){
            .pointer = pointer, .memory = memory, .offset = offset, .region = {size, 1, 1},
            .written = (flags & (CL_MAP_WRITE | CL_MAP_WRITE_INVALIDATE_REGION)) != 0});
    set_error(error, rc);
    return pointer;
}

static void *shim_clEnqueueMapImage(cl_command_queue queue, cl_mem image, cl_bool blocking,
                                    cl_bitfield flags, const size_t *origin, const size_t *region,
                                    size_t *row, size_t *slice, cl_uint count,
                                    const cl_event *list, cl_event *asked, cl_int *error) {
    NESTED(clEnqueueMapImage, NULL, queue, image, blocking, flags, origin, region, row, slice,
           count, list, asked, error);
    struct box box = {{0}, {0}, {0}, {0}, {0}};
    struct command c = NEW_COMMAND(COMMAND_MAP, clEnqueueMapImage, queue);
    c.source = image;
    c.blocking = (int)blocking;
    cl_event own;
    cl_int rc = CL_SUCCESS;
    cl_event *slot = event_wanted(asked, &own, queue_of(queue));
    void *pointer = CALL(clEnqueueMapImage, queue, image, blocking, flags, origin, region, row,
                         slice, count, list, slot, &rc);
    if (rc == CL_SUCCESS) {
        struct mapping m = {
            .pointer = pointer, .memory = image, .image = 1,
            .region = {region[0] * image_element(image), region[1], region[2]},
            .row_pitch = row ? *row : 0, .slice_pitch = slice ? *slice : 0,
            .written = (flags & (CL_MAP_WRITE | CL_MAP_WRITE_INVALIDATE_REGION)) != 0};
        copy3(m.origin, origin);
        copy3(box.source_origin, origin);
        copy3(box.region, region);
        c.box = &box;
        c.size = m.region[0] * m.region[1] * m.region[2];
        command_done(&c, rc, count, list, asked, own);
        mapping_add(&m);
    } else {
        command_done(&c, rc, count, list, asked, own);
    }
    set_error(error, rc);
    return pointer;
}

/* Describe an unmap: its contents, and where in the object they went. */
static void unmap_contents(struct command *c, const struct mapping *m, struct box *box) {
    c->offset = m->offset;
    c->size = m->region[0] * m->region[1] * m->region[2];
    if (m->written)
        c->content = content_of_box(m->pointer, m->region, m->row_pitch, m->slice_pitch);
    if (m->image) {
        memcpy(box->target_origin, m->origin, sizeof box->target_origin);
        copy3(box->region, m->region);
        box->region[0] /= image_element(m->memory);
        c->box = box;
    }
}

static cl_int shim_clEnqueueUnmapMemObject(cl_command_queue queue, cl_mem memory, void *pointer,
                                           cl_uint count, const cl_event *list, cl_event *asked) {
    NESTED(clEnqueueUnmapMemObject, CL_INVALID_OPERATION, queue, memory, pointer, count, list,
           asked);
    struct box box = {{0}, {0}, {0}, {0}, {0}};
    struct mapping m;
    struct command c = NEW_COMMAND(COMMAND_UNMAP, clEnqueueUnmapMemObject, queue);
    if (mapping_take(memory, pointer, &m))
        unmap_contents(&c, &m, &box);
    c.started = now_ns();
    c.target = memory;
    return ENQUEUE(c, 0, clEnqueueUnmapMemObject, queue, memory, pointer);
}

static cl_int shim_clEnqueueMigrateMemObjects(cl_command_queue queue, cl_uint memory_count,
                                              const cl_mem *memory, cl_bitfield flags,
                                              cl_uint count, const cl_event *list,
                                              cl_event *asked) {
    NESTED(clEnqueueMigrateMemObjects, CL_INVALID_OPERATION, queue, memory_count, memory, flags,
           count, list, asked);
    struct command c = NEW_COMMAND(COMMAND_MIGRATE, clEnqueueMigrateMemObjects, queue);
    c.source = memory && memory_count ? memory[0] : NULL;
    if (memory_count > 1)
        note("clEnqueueMigrateMemObjects", "of several objects the first is recorded");
    return ENQUEUE(c, 1, clEnqueueMigrateMemObjects, queue, memory_count, memory, flags);
}

static cl_int shim_clEnqueueMarkerWithWaitList(cl_command_queue queue, cl_uint count,
                                               const cl_event *list, cl_event *asked) {
    NESTED(clEnqueueMarkerWithWaitList, CL_INVALID_OPERATION, queue, count, list, asked);
    struct command c = NEW_COMMAND(COMMAND_MARKER, clEnqueueMarkerWithWaitList, queue);
    return ENQUEUE(c, 0, clEnqueueMarkerWithWaitList, queue);
}

static cl_int shim_clEnqueueBarrierWithWaitList(cl_command_queue queue, cl_uint count,
                                                const cl_event *list, cl_event *asked) {
    NESTED(clEnqueueBarrierWithWaitList, CL_INVALID_OPERATION, queue, count, list, asked);
    struct command c = NEW_COMMAND(COMMAND_BARRIER, clEnqueueBarrierWithWaitList, queue);
    return ENQUEUE(c, 0, clEnqueueBarrierWithWaitList, queue);
}

static cl_int shim_clEnqueueMarker(cl_command_queue queue, cl_event *asked) {
    NESTED(clEnqueueMarker, CL_INVALID_OPERATION, queue, asked);
    struct command c = NEW_COMMAND(COMMAND_MARKER, clEnqueueMarker, queue);
    cl_int rc = CALL(clEnqueueMarker, queue, asked);
    command_done(&c, rc, 0, NULL, asked, NULL);
    return rc;
}

static cl_int shim_clEnqueueBarrier(cl_command_queue queue) {
    NESTED(clEnqueueBarrier, CL_INVALID_OPERATION, queue);
    struct command c = NEW_COMMAND(COMMAND_BARRIER, clEnqueueBarrier, queue);
    cl_int rc = CALL(clEnqueueBarrier, queue);
    command_done(&c, rc, 0, NULL, NULL, NULL);
    return rc;
}

static cl_int shim_clEnqueueWaitForEvents(cl_command_queue queue, cl_uint count,
                                          const cl_event *list) {
    NESTED(clEnqueueWaitForEvents, CL_INVALID_OPERATION, queue, count, list);
    struct command c = NEW_COMMAND(COMMAND_BARRIER, clEnqueueWaitForEvents, queue);
    cl_int rc = CALL(clEnqueueWaitForEvents, queue, count, list);
    command_done(&c, rc, count, list, NULL, NULL);
    return rc;
}

static cl_int shim_clFlush(cl_command_queue queue) {
    NESTED(clFlush, CL_INVALID_OPERATION, queue);
    struct command c = NEW_COMMAND(COMMAND_FLUSH, clFlush, queue);
    cl_int rc = CALL(clFlush, queue);
    command_done(&c, rc, 0, NULL, NULL, NULL);
    return rc;
}

static cl_int shim_clFinish(cl_command_queue queue) {
    NESTED(clFinish, CL_INVALID_OPERATION, queue);
    struct command c = NEW_COMMAND(COMMAND_FINISH, clFinish, queue);
    cl_int rc = CALL(clFinish, queue);
    command_done(&c, rc, 0, NULL, NULL, NULL);
    return rc;
}

static cl_int shim_clWaitForEvents(cl_uint count, const cl_event *list) {
    NESTED(clWaitForEvents, CL_INVALID_OPERATION, count, list);
    struct command c = NEW_COMMAND(COMMAND_WAIT, clWaitForEvents, NULL);
    cl_int rc = CALL(clWaitForEvents, count, list);
    command_done(&c, rc, count, list, NULL, NULL);
    return rc;
}

/* The recorded buffer of an address in shared virtual memory, and the offset in it. */
static uint32_t svm_place(const void *pointer, uint64_t *offset) {
    lock();
    struct svm_range *range = svm_find(pointer);
    uint32_t id = range ? range->id : NO_ID;
    *offset = range ? (uint64_t)((const char *)pointer - range->start) : 0;
    unlock();
    return id;
}

static cl_int shim_clEnqueueSVMMemcpy(cl_command_queue queue, cl_bool blocking, void *to,
                                      const void *from, size_t size, cl_uint count,
                                      const cl_event *list, cl_event *asked) {
    NESTED(clEnqueueSVMMemcpy, CL_INVALID_OPERATION, queue, blocking, to, from, size, count, list,
           asked);
    struct command c = NEW_COMMAND(COMMAND_COPY, clEnqueueSVMMemcpy, queue);
    c.target_id = svm_place(to, &c.offset);
    c.source_id = svm_place(from, &c.source_offset);
    if (c.source_id == NO_ID) {
        c.kind = COMMAND_WRITE;
        c.content = content_of(from, size);
    } else if (c.target_id == NO_ID) {
        c.kind = COMMAND_READ;
        c.offset = c.source_offset;
    }
    c.started = now_ns();
    c.size = size;
    c.blocking = (int)blocking;
    return ENQUEUE(c, 1, clEnqueueSVMMemcpy, queue, blocking, to, from, size);
}

static cl_int shim_clEnqueueSVMMemFill(cl_command_queue queue, void *to, const void *pattern,
                                       size_t pattern_size, size_t size, cl_uint count,
                                       const cl_event *list, cl_event *asked) {
    NESTED(clEnqueueSVMMemFill, CL_INVALID_OPERATION, queue, to, pattern, pattern_size, size,
           count, list, asked);
    struct command c = NEW_COMMAND(COMMAND_FILL, clEnqueueSVMMemFill, queue);
    c.target_id = svm_place(to, &c.offset);
    c.content = content_of(pattern, pattern_size);
    c.size = size;
    return ENQUEUE(c, 1, clEnqueueSVMMemFill, queue, to, pattern, pattern_size, size);
}

static cl_int shim_clEnqueueSVMMap(cl_command_queue queue, cl_bool blocking, cl_bitfield flags,
                                   void *pointer, size_t size, cl_uint count, const cl_event *list,
                                   cl_event *asked) {
    NESTED(clEnqueueSVMMap, CL_INVALID_OPERATION, queue, blocking, flags, pointer, size, count,
           list, asked);
    struct command c = NEW_COMMAND(COMMAND_MAP, clEnqueueSVMMap, queue);
    c.source_id = svm_place(pointer, &c.offset);
    c.size = size;
    c.blocking = (int)blocking;
    mapping_add(&(struct mapping){
        .pointer = pointer, .offset = c.offset, .region = {size, 1, 1}, .svm = 1,
        .written = (flags & (CL_MAP_WRITE | CL_MAP_WRITE_INVALIDATE_REGION)) != 0});
    return ENQUEUE(c, 0, clEnqueueSVMMap, queue, blocking, flags, pointer, size);
}

static cl_int shim_clEnqueueSVMUnmap(cl_command_queue queue, void *pointer, cl_uint count,
                                     const cl_event *list, cl_event *asked) {
    NESTED(clEnqueueSVMUnmap, CL_INVALID_OPERATION, queue, pointer, count, list, asked);
    struct box box = {{0}, {0}, {0}, {0}, {0}};
    struct mapping m;
    struct command c = NEW_COMMAND(COMMAND_UNMAP, clEnqueueSVMUnmap, queue);
    if (mapping_take(NULL, pointer, &m))
        unmap_contents(&c, &m, &box);
    c.started = now_ns();
    c.target_id = svm_place(pointer, &c.offset);
    return ENQUEUE(c, 0, clEnqueueSVMUnmap, queue, pointer);
}
