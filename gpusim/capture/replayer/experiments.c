/* What is run: experiments as the payload holds them. */
enum step_kind { STEP_LAUNCH, STEP_WRITE, STEP_COPY, STEP_FILL };
enum argument_kind { VALUE, LOCAL, NULL_POINTER, BUFFER, IMAGE, SAMPLER };

struct program {
    struct text options, source;
    cl_program handle;
    cl_int error;
    char dropped[32]; /* the option that it was built without */
};

struct memory {
    uint32_t image_type, order, channel, parent;
    uint64_t size, offset, extents[4];
    struct text content;
    cl_mem handle;
    cl_int error;
};

struct sampler {
    uint32_t normalized, addressing, filter;
    cl_sampler handle;
};

struct row {
    struct text kernel, params, global, local, metric, unit;
    double factor, amount;
};

struct argument {
    uint32_t index, kind, reference;
    uint64_t size;
    struct text value;
};

struct step {
    uint32_t kind, row, program, dim, n_arguments;
    struct text kernel, content;
    size_t global[3], local[3], global_offset[3];
    struct argument *arguments;
    uint32_t target, source;
    uint64_t offset, source_offset, size;
    cl_kernel handle;
    cl_event event;
    uint64_t *times;
    unsigned n_times;
    char reason[160];
};

struct experiment {
    uint32_t latency, n_programs, n_memory, n_samplers, n_rows, n_steps;
    struct program *programs;
    struct memory *memory;
    struct sampler *samplers;
    struct row *rows;
    struct step *steps;
};

static void *room(size_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size);
    if (!memory) {
        fputs("gpusim-measure: out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

static void read_step(struct step *step) {
    step->kind = take_u32();
    if (step->kind == STEP_LAUNCH) {
        step->row = take_u32();
        step->program = take_u32();
        step->kernel = take_text();
        step->dim = take_u32();
        take_size(step->global);
        take_size(step->local);
        take_size(step->global_offset);
        step->n_arguments = take_u32();
        step->arguments = room(step->n_arguments, sizeof *step->arguments);
        for (uint32_t i = 0; i < step->n_arguments; i++) {
            struct argument *argument = &step->arguments[i];
            argument->index = take_u32();
            argument->kind = take_u32();
            argument->size = take_u64();
            argument->reference = take_u32();
            argument->value = take_text();
        }
        return;
    }
    step->target = take_u32();
    step->offset = take_u64();
    if (step->kind == STEP_COPY) {
        step->source = take_u32();
        step->source_offset = take_u64();
        step->size = take_u64();
        return;
    }
    if (step->kind == STEP_FILL)
        step->size = take_u64();
    step->content = take_text();
}

static void read_memory(struct memory *memory) {
    memory->image_type = take_u32();
    if (memory->image_type) {
        memory->order = take_u32();
        memory->channel = take_u32();
        for (int i = 0; i < 4; i++)
            memory->extents[i] = take_u64();
        memory->parent = NONE;
    } else {
        memory->size = take_u64();
        memory->parent = take_u32();
        memory->offset = take_u64();
    }
    memory->content = take_text();
}

static void read_experiment(struct experiment *e) {
    e->latency = take_u32();
    e->n_programs = take_u32();
    e->programs = room(e->n_programs, sizeof *e->programs);
    for (uint32_t i = 0; i < e->n_programs; i++) {
        e->programs[i].options = take_text();
        e->programs[i].source = take_text();
    }
    e->n_memory = take_u32();
    e->memory = room(e->n_memory, sizeof *e->memory);
    for (uint32_t i = 0; i < e->n_memory; i++)
        read_memory(&e->memory[i]);
    e->n_samplers = take_u32();
    e->samplers = room(e->n_samplers, sizeof *e->samplers);
    for (uint32_t i = 0; i < e->n_samplers; i++) {
        e->samplers[i].normalized = take_u32();
        e->samplers[i].addressing = take_u32();
        e->samplers[i].filter = take_u32();
    }
    e->n_rows = take_u32();
    e->rows = room(e->n_rows, sizeof *e->rows);
    for (uint32_t i = 0; i < e->n_rows; i++) {
        struct row *row = &e->rows[i];
        row->kernel = take_text();
        row->params = take_text();
        row->global = take_text();
        row->local = take_text();
        row->metric = take_text();
        row->unit = take_text();
        row->factor = take_f64();
        row->amount = take_f64();
    }
    e->n_steps = take_u32();
    e->steps = room(e->n_steps, sizeof *e->steps);
    for (uint32_t i = 0; i < e->n_steps; i++)
        read_step(&e->steps[i]);
}

/* A text with its final zero. */
static char *copy_of(struct text text) {
    char *copy = room(text.length + 1, 1);
    memcpy(copy, text.bytes, text.length);
    return copy;
}
