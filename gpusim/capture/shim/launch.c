/* clEnqueueNDRangeKernel: checked against the profile, recorded as asked, executed legally. */

enum execution {
    EXECUTED_AS_ASKED,
    EXECUTED_LOCAL_NULL, /* non-uniform work-groups, run with groups of the runtime's choice */
    EXECUTED_SPLIT,      /* non-uniform work-groups, run as uniform parts at offsets */
    EXECUTED_DRY,
    EXECUTED_INEXACT,    /* as LOCAL_NULL, though the kernel looks at its work-group */
};

struct launch_record {
    uint32_t sequence, queue, kernel, argument_set;
    int32_t rc;
    uint32_t duration_ns;
    uint8_t dimensions, flags, execution, reserved;
    uint32_t waits;
    /*
     * Sizes follow, one per dimension, u32 each or u64 with LAUNCH_WIDE: global, then local with
     * LAUNCH_LOCAL, then offset with LAUNCH_OFFSET; then waits * u32.
     */
};

enum { LAUNCH_LOCAL = 1, LAUNCH_OFFSET = 2, LAUNCH_WIDE = 4 };

struct launch {
    cl_command_queue queue;
    cl_kernel kernel;
    cl_uint dimensions;
    const size_t *offset, *global, *local;
    cl_uint count;
    const cl_event *list;
};

static int uniform(const struct launch *l) {
    for (cl_uint i = 0; l->local && i < l->dimensions; i++)
        if (!l->local[i] || l->global[i] % l->local[i])
            return 0;
    return 1;
}

/* What the presented device would answer; the lock is held. */
static cl_int check_launch(const struct launch *l, const struct kernel *k) {
    uint64_t items = 1, local_bytes = k->local_bytes;
    if (!g_profile.active || !l->global || l->dimensions < 1 || l->dimensions > 3)
        return CL_SUCCESS;
    for (uint32_t i = 0; i < k->count; i++)
        if (k->arguments[i].kind == ARGUMENT_LOCAL)
            local_bytes += k->arguments[i].size;
    if (above(local_bytes, g_profile.local_bytes))
        return CL_OUT_OF_RESOURCES;
    if (!l->local)
        return CL_SUCCESS;
    for (cl_uint i = 0; i < l->dimensions; i++) {
        if (above(l->local[i], g_profile.item_sizes[i]))
            return CL_INVALID_WORK_ITEM_SIZE;
        items *= l->local[i];
    }
    if (above(items, g_profile.group_items) || !items)
        return CL_INVALID_WORK_GROUP_SIZE;
    if (!uniform(l) && !(g_profile.non_uniform && k->program && k->program->non_uniform))
        return CL_INVALID_WORK_GROUP_SIZE;
    return CL_SUCCESS;
}

/*
 * Run a non-uniform NDRange as up to 2^dimensions uniform ones: the part that whole groups cover
 * and the remainder, along each dimension. Global ids come out right through the offset; what
 * get_global_size() says does not, so kernels that ask are not run this way.
 */
static cl_int launch_split(const struct launch *l, cl_event *event, cl_event *parts,
                           cl_uint *part_count) {
    cl_int rc = CL_SUCCESS;
    *part_count = 0;
    for (unsigned corner = 0; corner < 1u << l->dimensions && rc == CL_SUCCESS; corner++) {
        size_t global[3], local[3], offset[3];
        int empty = 0;
        for (cl_uint i = 0; i < l->dimensions; i++) {
            size_t whole = l->global[i] - l->global[i] % l->local[i];
            int rest = corner >> i & 1;
            global[i] = rest ? l->global[i] - whole : whole;
            local[i] = rest ? global[i] : l->local[i];
            offset[i] = (l->offset ? l->offset[i] : 0) + (rest ? whole : 0);
            empty |= !global[i];
        }
        if (empty)
            continue;
        rc = CALL(clEnqueueNDRangeKernel, l->queue, l->kernel, l->dimensions, offset, global,
                  local, l->count, l->list, &parts[*part_count]);
        *part_count += rc == CL_SUCCESS;
    }
    if (rc == CL_SUCCESS && event)
        rc = HAS(clEnqueueMarkerWithWaitList)
                 ? CALL(clEnqueueMarkerWithWaitList, l->queue, *part_count, parts, event)
                 : CL_INVALID_OPERATION;
    return rc;
}

static cl_int launch_plain(const struct launch *l, const size_t *local, cl_event *event) {
    return CALL(clEnqueueNDRangeKernel, l->queue, l->kernel, l->dimensions, l->offset, l->global,
                local, l->count, l->list, event);
}

/* `parts` holds eight events; those that are used belong to the caller. */
static cl_int launch_execute(const struct launch *l, uint32_t words, cl_event *event,
                             enum execution *how, cl_event *parts, cl_uint *part_count) {
    *part_count = 0;
    *how = EXECUTED_AS_ASKED;
    if (g_options.dry) {
        *how = EXECUTED_DRY;
        return dry_event(l->queue, event);
    }
    cl_int rc = launch_plain(l, l->local, event);
    if (rc != CL_INVALID_WORK_GROUP_SIZE || !g_profile.active || uniform(l))
        return rc;
    if ((words & WORD_GROUP) && !(words & WORD_GLOBAL_SIZE)) {
        *how = EXECUTED_SPLIT;
        rc = launch_split(l, event, parts, part_count);
    } else {
        *how = words & WORD_GROUP ? EXECUTED_INEXACT : EXECUTED_LOCAL_NULL;
        rc = launch_plain(l, NULL, event);
        if (*how == EXECUTED_INEXACT && rc == CL_SUCCESS)
            note("inexact execution", "a non-uniform launch ran with other work-groups than asked; its results may be wrong, the record is right");
    }
    return rc;
}

static void split_parts_done(cl_event *parts, cl_uint count, uint32_t sequence, int profiled) {
    if (profiled)
        lock();
    for (cl_uint i = 0; i < count; i++)
        if (profiled)
            pending_add(parts[i], sequence);
    if (profiled)
        unlock();
    for (cl_uint i = 0; !profiled && i < count; i++)
        CALL(clReleaseEvent, parts[i]);
}

/* Append the sizes of a launch to its record; `wide` when one does not fit in 32 bits. */
static size_t pack_sizes(uint32_t *out, const struct launch *l, uint8_t *flags) {
    const size_t *lists[3] = {l->global, l->local, l->offset};
    cl_uint dimensions = l->dimensions <= 3 ? l->dimensions : 0;
    size_t n = 0;
    int wide = 0;
    *flags = (uint8_t)((l->local ? LAUNCH_LOCAL : 0) | (l->offset ? LAUNCH_OFFSET : 0));
    for (int list = 0; list < 3; list++)
        for (cl_uint i = 0; lists[list] && i < dimensions; i++)
            wide |= (uint64_t)lists[list][i] > UINT32_MAX;
    if (wide)
        *flags |= LAUNCH_WIDE;
    for (int list = 0; list < 3; list++)
        for (cl_uint i = 0; (lists[list] || !list) && i < dimensions; i++) {
            uint64_t value = lists[list] ? lists[list][i] : 0;
            out[n++] = (uint32_t)value;
            if (wide)
                out[n++] = (uint32_t)(value >> 32);
        }
    return n;
}

#define MOST_SIZES 18

static cl_int launch(const struct launch *l, cl_event *asked) {
    uint32_t on_stack[64 + MOST_SIZES], *tail = on_stack;
    cl_event parts[8], own;
    cl_uint part_count;
    enum execution how;
    struct launch_record r = {.queue = NO_ID, .kernel = NO_ID, .argument_set = NO_ID,
                              .dimensions = (uint8_t)l->dimensions};
    uint32_t words = WORD_ALL;
    cl_int refused = CL_SUCCESS;
    lock();
    struct kernel *k = object_find(l->kernel, KIND_KERNEL);
    struct queue *q = object_find(l->queue, KIND_QUEUE);
    if (k) {
        refused = check_launch(l, k);
        r.kernel = k->o.id;
        r.argument_set = kernel_argument_set(k);
        words = k->words;
    }
    if (q)
        r.queue = q->o.id;
    unlock();
    uint64_t start = now_ns();
    cl_event *slot = event_wanted(asked, &own, q);
    how = EXECUTED_AS_ASKED;
    part_count = 0;
    r.rc = refused ? refused : launch_execute(l, words, slot, &how, parts, &part_count);
    r.duration_ns = duration_since(start);
    r.execution = (uint8_t)how;
    if (l->count + MOST_SIZES > COUNT(on_stack))
        tail = must_allocate((l->count + MOST_SIZES) * sizeof *tail);
    size_t sizes = pack_sizes(tail, l, &r.flags);
    lock();
    r.sequence = g_sequence++;
    r.waits = wait_sequences(l->count, l->list, tail + sizes);
    log_record(RECORD_LAUNCH, start, &r, sizeof r, tail, (sizes + r.waits) * sizeof *tail);
    int keep_marker = how != EXECUTED_SPLIT;
    cl_event keep =
        r.rc == CL_SUCCESS ? event_enqueued(asked, keep_marker ? own : NULL, q, r.sequence) : NULL;
    unlock();
    if (tail != on_stack)
        free(tail);
    if (keep_marker)
        event_keep(keep, r.sequence);
    else if (own)
        CALL(clReleaseEvent, own);
    split_parts_done(parts, part_count, r.sequence, q && q->profiled);
    harvest_sometimes();
    return r.rc;
}

static cl_int shim_clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel,
                                          cl_uint dimensions, const size_t *offset,
                                          const size_t *global, const size_t *local, cl_uint count,
                                          const cl_event *list, cl_event *event) {
    NESTED(clEnqueueNDRangeKernel, CL_INVALID_OPERATION, queue, kernel, dimensions, offset, global,
           local, count, list, event);
    return launch(&(struct launch){queue, kernel, dimensions, offset, global, local, count, list},
                  event);
}

static cl_int shim_clEnqueueTask(cl_command_queue queue, cl_kernel kernel, cl_uint count,
                                 const cl_event *list, cl_event *event) {
    NESTED(clEnqueueTask, CL_INVALID_OPERATION, queue, kernel, count, list, event);
    static const size_t one = 1;
    return launch(&(struct launch){queue, kernel, 1, NULL, &one, &one, count, list}, event);
}
