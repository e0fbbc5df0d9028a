/* Records of queue commands, and what every enqueue does around the real call. */

enum command_kind {
    COMMAND_WRITE = 1,
    COMMAND_READ,
    COMMAND_COPY,
    COMMAND_FILL,
    COMMAND_MAP,
    COMMAND_UNMAP,
    COMMAND_MIGRATE,
    COMMAND_BARRIER,
    COMMAND_MARKER,
    COMMAND_FLUSH,
    COMMAND_FINISH,
    COMMAND_WAIT,
};

struct box {
    uint64_t target_origin[3], source_origin[3], region[3];
    uint64_t target_pitch[2], source_pitch[2]; /* row, slice; 0 in an image */
};

struct command_record {
    uint32_t sequence, queue;
    int32_t rc;
    uint16_t kind, api;
    uint32_t blocking, source, target, duration_ns;
    uint64_t offset, source_offset, size;
    unsigned char digest[32];
    uint32_t content_state, box, waits, reserved;
    /* box * sizeof(struct box), then waits * u32 */
};

static uint32_t g_sequence;

static uint32_t duration_since(uint64_t start) {
    uint64_t d = now_ns() - start;
    return d > UINT32_MAX ? UINT32_MAX : (uint32_t)d;
}

/* Sequence numbers of the commands behind a wait list; user events have none. Returns how many. */
static uint32_t wait_sequences(cl_uint count, const cl_event *events, uint32_t *out) {
    uint32_t n = 0;
    for (cl_uint i = 0; events && i < count; i++) {
        struct event *e = object_find(events[i], KIND_EVENT);
        if (e && e->sequence != NO_ID)
            out[n++] = e->sequence;
    }
    return n;
}

/* The event to give the driver: the program's, or our own where times are wanted. */
static cl_event *event_wanted(cl_event *asked, cl_event *own, const struct queue *q) {
    *own = NULL;
    if (asked)
        return asked;
    return q && q->profiled ? own : NULL;
}

/* Called with the lock held. Returns the event to retain once it is released, or NULL. */
static cl_event event_enqueued(cl_event *asked, cl_event own, const struct queue *q,
                               uint32_t sequence) {
    if (asked && *asked) {
        struct event *e = object_new(*asked, KIND_EVENT, sizeof *e);
        e->sequence = sequence;
    }
    if (!q || !q->profiled)
        return NULL;
    if (own)
        pending_add(own, sequence);
    return asked ? *asked : NULL;
}

/* Keep the program's event alive until its times are read. */
static void event_keep(cl_event event, uint32_t sequence) {
    if (!event || CALL(clRetainEvent, event) != CL_SUCCESS)
        return;
    lock();
    pending_add(event, sequence);
    unlock();
}

static void harvest_sometimes(void) {
    if (g_pending.since_harvest >= HARVEST_INTERVAL)
        harvest(0);
}

struct command {
    enum command_kind kind;
    int api;
    cl_command_queue queue;
    cl_mem source, target;
    uint32_t source_id, target_id; /* used where the handle is NULL */
    uint64_t offset, source_offset, size;
    int blocking;
    struct content content;
    const struct box *box;
    uint64_t started;
};

#define NEW_COMMAND(kind_, api_, queue_)                                                           \
    {.kind = kind_, .api = SLOT_##api_, .queue = queue_, .source_id = NO_ID, .target_id = NO_ID,   \
     .started = now_ns()}

/* Record one command. `own` and `asked` are the events of the enqueue; NULL where it has none. */
static void command_done(const struct command *c, cl_int rc, cl_uint count, const cl_event *list,
                         cl_event *asked, cl_event own) {
    uint32_t duration = duration_since(c->started);
    uint32_t on_stack[64];
    size_t box_size = c->box ? sizeof *c->box : 0;
    unsigned char *tail = (unsigned char *)on_stack;
    if (box_size + 4 * (size_t)count > sizeof on_stack)
        tail = must_allocate(box_size + 4 * (size_t)count);
    if (c->box)
        memcpy(tail, c->box, box_size);
    lock();
    struct queue *q = object_find(c->queue, KIND_QUEUE);
    struct command_record r = {
        .sequence = g_sequence++,
        .queue = q ? q->o.id : NO_ID,
        .rc = rc,
        .kind = (uint16_t)c->kind,
        .api = (uint16_t)c->api,
        .blocking = c->blocking != 0,
        .source = c->source ? id_of(c->source, KIND_MEMORY) : c->source_id,
        .target = c->target ? id_of(c->target, KIND_MEMORY) : c->target_id,
        .duration_ns = duration,
        .offset = c->offset,
        .source_offset = c->source_offset,
        .size = c->size,
        .content_state = c->content.state,
        .box = c->box != NULL,
    };
    memcpy(r.digest, c->content.digest, sizeof r.digest);
    r.waits = wait_sequences(count, list, (uint32_t *)(void *)(tail + box_size));
    log_record(RECORD_COMMAND, c->started, &r, sizeof r, tail, box_size + 4 * (size_t)r.waits);
    cl_event keep = rc == CL_SUCCESS ? event_enqueued(asked, own, q, r.sequence) : NULL;
    unlock();
    if (tail != (unsigned char *)on_stack)
        free(tail);
    event_keep(keep, r.sequence);
    if (c->blocking || c->kind == COMMAND_FINISH || c->kind == COMMAND_WAIT)
        harvest(1);
    else
        harvest_sometimes();
}

static struct queue *queue_of(cl_command_queue queue) {
    lock();
    struct queue *q = object_find(queue, KIND_QUEUE);
    unlock();
    return q;
}

/* In a dry run a marker stands for the command, so that the program has an event to wait for. */
static cl_int dry_event(cl_command_queue queue, cl_event *event) {
    if (!event)
        return CL_SUCCESS;
    return HAS(clEnqueueMarkerWithWaitList)
               ? CALL(clEnqueueMarkerWithWaitList, queue, 0, NULL, event)
               : CL_INVALID_OPERATION;
}

/*
 * Enqueue through the real function and record it. `c` is the command, `count`, `list` and
 * `asked` the caller's event arguments; the variadic part is what precedes them.
 */
#define ENQUEUE(c, skip_in_dry_run, name, ...)                                                     \
    ({                                                                                             \
        cl_event own_event;                                                                        \
        cl_event *slot = event_wanted(asked, &own_event, queue_of((c).queue));                     \
        cl_int rc_of_call = g_options.dry && (skip_in_dry_run)                                     \
                                ? dry_event((c).queue, slot)                                       \
                                : CALL(name, __VA_ARGS__, count, list, slot);                      \
        command_done(&(c), rc_of_call, count, list, asked, own_event);                             \
        rc_of_call;                                                                                \
    })
