/*
 * Programs and builds. The text and the options are recorded as the program gave them; what the
 * runtime below would refuse is taken out of the options it sees.
 */

enum words {
    WORD_GLOBAL_SIZE = 1,  /* sees the size of the whole NDRange, or a group's place in it */
    WORD_GROUP = 2,        /* sees its work-group: local ids, barriers, local memory */
    WORD_ALL = 3,
};

static const struct {
    const char *word;
    uint32_t meaning;
} g_words[] = {
    {"get_global_size", WORD_GLOBAL_SIZE},
    {"get_num_groups", WORD_GLOBAL_SIZE},
    {"get_group_id", WORD_GLOBAL_SIZE},
    {"get_global_offset", WORD_GLOBAL_SIZE},
    {"get_global_linear_id", WORD_GLOBAL_SIZE},
    {"get_enqueued_local_size", WORD_GLOBAL_SIZE},
    {"get_local_id", WORD_GROUP},
    {"get_local_size", WORD_GROUP},
    {"get_local_linear_id", WORD_GROUP},
    {"barrier", WORD_GROUP},
    {"work_group_", WORD_GROUP},
    {"sub_group_", WORD_GROUP},
    {"local", WORD_GROUP},
    {"__local", WORD_GROUP},
};

static int is_word(char c) {
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* The next word of the text from *at on; 0 at the end. */
static size_t next_word(const char *text, size_t size, size_t *at) {
    while (*at < size && !is_word(text[*at]))
        ++*at;
    size_t end = *at;
    while (end < size && is_word(text[end]))
        end++;
    return end - *at;
}

static int same_word(const char *text, size_t length, const char *word) {
    return strlen(word) == length && !memcmp(text, word, length);
}

/* Which built-in functions the text names. Comments count too: it errs on the careful side. */
static uint32_t words_in(const char *text, size_t size) {
    uint32_t found = 0;
    for (size_t at = 0, length; (length = next_word(text, size, &at)); at += length)
        for (size_t w = 0; w < COUNT(g_words); w++) {
            size_t wanted = strlen(g_words[w].word);
            int prefix = g_words[w].word[wanted - 1] == '_';
            if ((prefix ? length >= wanted : length == wanted) &&
                !memcmp(text + at, g_words[w].word, wanted))
                found |= g_words[w].meaning;
        }
    return found;
}

/* End of the function whose head starts at `at`: behind the brace that closes its body. */
static size_t function_end(const char *text, size_t size, size_t at) {
    int depth = 0;
    for (; at < size; at++) {
        if (text[at] == '{')
            depth++;
        else if ((text[at] == '}' && --depth <= 0) || (text[at] == ';' && !depth))
            return at + 1;
    }
    return size;
}

/* Does the function at *at have this name? If so, *at becomes the place of its parameters. */
static int function_named(const char *text, size_t end, size_t *at, const char *name) {
    for (size_t length, here = *at; (length = next_word(text, end, &here)); here += length) {
        size_t after = here + length;
        while (after < end && strchr(" \t\r\n", text[after]))
            after++;
        if (same_word(text + here, length, name) && after < end && text[after] == '(') {
            *at = after;
            return 1;
        }
    }
    return 0;
}

/*
 * The words one kernel may see: those of its own text and of everything that is in no kernel.
 * All words of the program when the kernel is not found, as when a macro makes its name.
 */
static uint32_t words_of_kernel(const char *text, size_t size, const char *name) {
    uint32_t found = 0;
    int seen = 0;
    size_t outside = 0;
    for (size_t at = 0, length; (length = next_word(text, size, &at)); at += length) {
        if (!same_word(text + at, length, "kernel") && !same_word(text + at, length, "__kernel"))
            continue;
        size_t end = function_end(text, size, at);
        found |= words_in(text + outside, at - outside);
        size_t place = at;
        if (function_named(text, end, &place, name)) {
            found |= words_in(text + at, end - at);
            seen = 1;
        }
        outside = at = end;
        length = 0;
    }
    found |= words_in(text + outside, size - outside);
    return seen ? found : words_in(text, size);
}

struct program_description {
    cl_program handle;
    const char *form; /* source, il, binary, linked */
    const void *data;
    size_t size;
    const cl_program *inputs; /* of a link */
    cl_uint input_count;
    const char *options;
};

/* What is linked or included belongs to the text of a program. */
static void program_text_add(struct program *p, const struct program *part) {
    if (!part || !part->text)
        return;
    char *joined = must_allocate(p->size + part->size + 2);
    if (p->text)
        memcpy(joined, p->text, p->size);
    joined[p->size] = '\n';
    memcpy(joined + p->size + 1, part->text, part->size);
    free(p->text);
    p->text = joined;
    p->size += part->size + 1;
}

static void record_program(const struct program_description *d) {
    char blob[65];
    int stored = d->data && blob_text(d->data, d->size, blob);
    struct text t = {0};
    text_put(&t, "{");
    lock();
    struct program *p = object_new(d->handle, KIND_PROGRAM, sizeof *p);
    p->from_source = !strcmp(d->form, "source");
    if (p->from_source) {
        p->text = must_allocate(d->size + 1);
        memcpy(p->text, d->data, d->size);
        p->size = d->size;
    }
    json_number(&t, "id", p->o.id);
    json_text(&t, "form", d->form);
    if (stored)
        json_text(&t, "blob", blob);
    if (d->inputs) {
        json_key(&t, "inputs");
        text_put(&t, "[");
        for (cl_uint i = 0; i < d->input_count; i++) {
            struct program *input = object_find(d->inputs[i], KIND_PROGRAM);
            text_format(&t, "%s%lld", i ? "," : "", input ? (long long)input->o.id : -1LL);
            program_text_add(p, input);
            p->non_uniform |= input ? input->non_uniform : 0;
        }
        text_put(&t, "]");
        json_text(&t, "options", d->options ? d->options : "");
    }
    log_json(RECORD_PROGRAM, &t);
    unlock();
}

static cl_program shim_clCreateProgramWithSource(cl_context context, cl_uint count,
                                                 const char **strings, const size_t *lengths,
                                                 cl_int *error) {
    NESTED(clCreateProgramWithSource, NULL, context, count, strings, lengths, error);
    cl_program program =
        CALL(clCreateProgramWithSource, context, count, strings, lengths, error);
    if (!program)
        return NULL;
    struct text source = {0};
    for (cl_uint i = 0; i < count; i++)
        text_append(&source, strings[i],
                    lengths && lengths[i] ? lengths[i] : strlen(strings[i]));
    record_program(&(struct program_description){
        .handle = program, .form = "source", .data = source.data, .size = source.size});
    text_free(&source);
    return program;
}

static cl_program shim_clCreateProgramWithIL(cl_context context, const void *il, size_t size,
                                             cl_int *error) {
    NESTED(clCreateProgramWithIL, NULL, context, il, size, error);
    cl_program program = CALL(clCreateProgramWithIL, context, il, size, error);
    if (program)
        record_program(&(struct program_description){
            .handle = program, .form = "il", .data = il, .size = size});
    return program;
}

static cl_program shim_clCreateProgramWithBinary(cl_context context, cl_uint count,
                                                 const cl_device_id *devices,
                                                 const size_t *lengths,
                                                 const unsigned char **binaries, cl_int *status,
                                                 cl_int *error) {
    NESTED(clCreateProgramWithBinary, NULL, context, count, devices, lengths, binaries, status,
           error);
    cl_program program = CALL(clCreateProgramWithBinary, context, count, devices, lengths,
                              binaries, status, error);
    if (program) {
        note("binary program", "its kernels cannot be counted; let the program build from source");
        record_program(&(struct program_description){
            .handle = program, .form = "binary", .data = count ? binaries[0] : NULL,
            .size = count ? lengths[0] : 0});
    }
    return program;
}

static cl_int shim_clRetainProgram(cl_program program) {
    NESTED(clRetainProgram, CL_INVALID_OPERATION, program);
    object_retain(program, KIND_PROGRAM);
    return CALL(clRetainProgram, program);
}

static cl_int shim_clReleaseProgram(cl_program program) {
    NESTED(clReleaseProgram, CL_INVALID_OPERATION, program);
    lock();
    object_release(program, KIND_PROGRAM);
    unlock();
    return CALL(clReleaseProgram, program);
}

static int names_halves(const char *text, size_t size) {
    for (size_t at = 0, length; (length = next_word(text, size, &at)); at += length)
        if (length >= 4 && !memcmp(text + at, "half", 4))
            return 1;
    return 0;
}

enum removal { REMOVE_ARM_FLAGS = 1, REMOVE_STANDARD = 2, REMOVE_ARM_DEFINES = 4 };

static int starts_with(const char *text, const char *prefix) {
    return !strncmp(text, prefix, strlen(prefix));
}

static int removed(const char *option, unsigned removals) {
    if ((removals & REMOVE_ARM_FLAGS) && starts_with(option, "-cl-arm-"))
        return 1;
    if ((removals & REMOVE_STANDARD) && starts_with(option, "-cl-std="))
        return 1;
    return (removals & REMOVE_ARM_DEFINES) &&
           (starts_with(option, "-DARM_COMPUTE_OPENCL_FP16") ||
            starts_with(option, "-DARM_COMPUTE_OPENCL_DOT8"));
}

/* Copy the options without those to remove. Quoted parts stay in one piece. */
static char *options_without(const char *options, unsigned removals, const char *added) {
    struct text t = {0};
    text_put(&t, "");
    for (const char *at = options ? options : ""; *at;) {
        at += strspn(at, " \t\n");
        const char *end = at;
        for (char quote = 0; *end && (quote || !strchr(" \t\n", *end)); end++)
            if (*end == '"' || *end == '\'')
                quote = quote == *end ? 0 : quote ? quote : *end;
        if (end > at && !removed(at, removals)) {
            if (t.size)
                text_put(&t, " ");
            text_append(&t, at, (size_t)(end - at));
        }
        at = end;
    }
    if (added) {
        if (t.size)
            text_put(&t, " ");
        text_put(&t, added);
    }
    return t.data;
}

struct build {
    const char *call;
    cl_program program;
    cl_uint device_count;
    const cl_device_id *devices;
    const char *asked;
    cl_uint header_count;
    const cl_program *headers;
    const char **header_names;
};

static cl_int build_once(const struct build *b, const char *options) {
    return b->headers || !strcmp(b->call, "clCompileProgram")
               ? CALL(clCompileProgram, b->program, b->device_count, b->devices, options,
                      b->header_count, b->headers, b->header_names, NULL, NULL)
               : CALL(clBuildProgram, b->program, b->device_count, b->devices, options, NULL,
                      NULL);
}

static int build_failed(cl_int rc) {
    return rc == CL_BUILD_PROGRAM_FAILURE || rc == CL_COMPILE_PROGRAM_FAILURE ||
           rc == CL_INVALID_BUILD_OPTIONS || rc == CL_INVALID_COMPILER_OPTIONS;
}

static void json_build_log(struct text *t, const struct build *b) {
    cl_device_id device = b->device_count ? b->devices[0] : NULL;
    char *log = NULL;
    size_t size = 0;
    if (!device)
        CALL(clGetProgramInfo, b->program, CL_PROGRAM_DEVICES, sizeof device, &device, NULL);
    if (CALL(clGetProgramBuildInfo, b->program, device, CL_PROGRAM_BUILD_LOG, 0, NULL, &size) ==
            CL_SUCCESS && size && (log = malloc(size)) &&
        CALL(clGetProgramBuildInfo, b->program, device, CL_PROGRAM_BUILD_LOG, size, log, NULL) ==
            CL_SUCCESS) {
        json_key(t, "log");
        json_string(t, log, strnlen(log, size < 4096 ? size : 4096));
    }
    free(log);
}

/* A program may launch non-uniform work-groups when it was built for them. */
static int asks_non_uniform(const char *options) {
    return options && !strstr(options, "-cl-uniform-work-group-size") &&
           (strstr(options, "-cl-arm-non-uniform-work-group-size") ||
            strstr(options, "-cl-std=CL2") || strstr(options, "-cl-std=CL3"));
}

static void record_build(const struct build *b, const char *executed, cl_int rc, int halves,
                         uint64_t start) {
    struct text t = {0};
    text_put(&t, "{");
    if (rc != CL_SUCCESS)
        json_build_log(&t, b);
    lock();
    struct program *p = object_find(b->program, KIND_PROGRAM);
    if (p) {
        free(p->options);
        p->options = strdup(b->asked ? b->asked : "");
        p->arg_info_asked = b->asked && strstr(b->asked, "-cl-kernel-arg-info");
        p->halves_replaced = halves;
        p->non_uniform = asks_non_uniform(b->asked);
    }
    json_text(&t, "call", b->call);
    json_id(&t, "program", p ? p->o.id : NO_ID);
    json_text(&t, "options", b->asked ? b->asked : "");
    json_text(&t, "executed_options", executed);
    json_signed(&t, "rc", rc);
    json_number(&t, "duration_ns", now_ns() - start);
    if (halves)
        json_bool(&t, "halves_replaced", 1);
    if (b->header_count) {
        json_key(&t, "headers");
        text_put(&t, "[");
        for (cl_uint i = 0; i < b->header_count; i++) {
            struct program *header = object_find(b->headers[i], KIND_PROGRAM);
            if (p)
                program_text_add(p, header);
            text_put(&t, i ? ",[" : "[");
            json_string(&t, b->header_names[i], strlen(b->header_names[i]));
            text_format(&t, ",%lld]", header ? (long long)header->o.id : -1LL);
        }
        text_put(&t, "]");
    }
    log_json(RECORD_BUILD, &t);
    unlock();
}

/* Does the real device's compiler know the language version that is asked for? */
static int standard_known(const struct build *b) {
    const char *asked = b->asked ? strstr(b->asked, "-cl-std=CL") : NULL;
    cl_device_id device = b->device_count ? b->devices[0] : NULL;
    char version[128] = "";
    if (!device)
        CALL(clGetProgramInfo, b->program, CL_PROGRAM_DEVICES, sizeof device, &device, NULL);
    if (!asked || CALL(clGetDeviceInfo, device, CL_DEVICE_OPENCL_C_VERSION, sizeof version,
                       version, NULL) != CL_SUCCESS)
        return 1;
    return packed_version(asked + strlen("-cl-std=CL")) <= packed_version(version);
}

/*
 * Build with the options as asked, argument information added; where the impersonated device
 * has options that the runtime below has not, with other sets of them. A dry run may also stand
 * floats in for halves: its kernels are never executed, only their names and parameters matter.
 */
static cl_int build(const struct build *b) {
    unsigned removals[] = {REMOVE_ARM_FLAGS, REMOVE_ARM_FLAGS | REMOVE_STANDARD,
                           REMOVE_ARM_FLAGS | REMOVE_STANDARD | REMOVE_ARM_DEFINES};
    lock();
    struct program *p = object_find(b->program, KIND_PROGRAM);
    int from_source = p && p->from_source;
    int has_halves = from_source && names_halves(p->text, p->size);
    unlock();
    if (g_profile.active && !standard_known(b)) {
        removals[0] |= REMOVE_STANDARD;
        removals[1] &= ~(unsigned)REMOVE_STANDARD;
    }
    const char *added = from_source && !(b->asked && strstr(b->asked, "-cl-kernel-arg-info"))
                            ? "-cl-kernel-arg-info"
                            : NULL;
    uint64_t start = now_ns();
    unsigned first = g_profile.active ? removals[0] : 0;
    char *executed = options_without(b->asked, first, added);
    cl_int rc = build_once(b, executed), first_rc = rc;
    int halves = 0, attempts = 1;
    for (size_t i = 1; g_profile.active && build_failed(rc) && i < COUNT(removals); i++) {
        char *fewer = options_without(b->asked, removals[i], added);
        char *before = options_without(b->asked, removals[i - 1], added);
        if (strcmp(fewer, before)) {
            rc = build_once(b, fewer);
            attempts++;
            free(executed);
            executed = strdup(fewer);
        }
        free(fewer);
        free(before);
    }
    if (build_failed(rc) && g_options.dry && from_source) {
        struct text with = {0};
        text_put(&with, added ? added : "");
        text_put(&with, " -Dhalf=float");
        for (int n = 2; n <= 16; n = n == 2 ? 3 : n == 3 ? 4 : 2 * n)
            text_format(&with, " -Dhalf%d=float%d", n, n);
        char *replaced = options_without(b->asked, removals[1], with.data);
        rc = build_once(b, replaced);
        attempts++;
        halves = rc == CL_SUCCESS;
        if (halves) {
            free(executed);
            executed = replaced;
            note("halves replaced", "dry run: kernels that do not build here were built with float for half");
        } else {
            free(replaced);
        }
        text_free(&with);
    }
    if (build_failed(rc)) {
        /* Leave the log of the build that the program asked for, not of an attempt of ours. */
        free(executed);
        executed = options_without(b->asked, first, added);
        rc = attempts > 1 ? build_once(b, executed) : first_rc;
        note("build failed",
             has_halves ? "a program with half precision did not build on the runtime below; it "
                          "needs one with cl_khr_fp16, or --dry"
                        : "a program did not build on the runtime below");
    }
    record_build(b, executed, rc, halves, start);
    free(executed);
    return rc;
}

static cl_int shim_clBuildProgram(cl_program program, cl_uint count, const cl_device_id *devices,
                                  const char *options, program_notify notify, void *user) {
    NESTED(clBuildProgram, CL_INVALID_OPERATION, program, count, devices, options, notify, user);
    struct build b = {.call = "clBuildProgram", .program = program, .device_count = count,
                      .devices = devices, .asked = options};
    cl_int rc = build(&b);
    if (!notify)
        return rc;
    /* Built before this call returns; the notification is ours to send. */
    notify(program, user);
    return build_failed(rc) && rc != CL_INVALID_BUILD_OPTIONS ? CL_SUCCESS : rc;
}

static cl_int shim_clCompileProgram(cl_program program, cl_uint count, const cl_device_id *devices,
                                    const char *options, cl_uint header_count,
                                    const cl_program *headers, const char **names,
                                    program_notify notify, void *user) {
    NESTED(clCompileProgram, CL_INVALID_OPERATION, program, count, devices, options, header_count,
           headers, names, notify, user);
    struct build b = {.call = "clCompileProgram", .program = program, .device_count = count,
                      .devices = devices, .asked = options, .header_count = header_count,
                      .headers = headers, .header_names = names};
    cl_int rc = build(&b);
    if (!notify)
        return rc;
    notify(program, user);
    return build_failed(rc) && rc != CL_INVALID_COMPILER_OPTIONS ? CL_SUCCESS : rc;
}

static cl_program shim_clLinkProgram(cl_context context, cl_uint count,
                                     const cl_device_id *devices, const char *options,
                                     cl_uint input_count, const cl_program *inputs,
                                     program_notify notify, void *user, cl_int *error) {
    NESTED(clLinkProgram, NULL, context, count, devices, options, input_count, inputs, notify,
           user, error);
    char *executed = options_without(options, g_profile.active ? REMOVE_ARM_FLAGS : 0, NULL);
    cl_program program = CALL(clLinkProgram, context, count, devices, executed, input_count,
                              inputs, NULL, NULL, error);
    free(executed);
    if (!program)
        return NULL;
    record_program(&(struct program_description){.handle = program, .form = "linked",
                                                 .inputs = inputs, .input_count = input_count,
                                                 .options = options});
    if (notify)
        notify(program, user);
    return program;
}

static cl_int shim_clGetProgramBuildInfo(cl_program program, cl_device_id device, cl_uint query,
                                         size_t capacity, void *out, size_t *size) {
    NESTED(clGetProgramBuildInfo, CL_INVALID_OPERATION, program, device, query, capacity, out,
           size);
    if (query == CL_PROGRAM_BUILD_OPTIONS) {
        lock();
        struct program *p = object_find(program, KIND_PROGRAM);
        char *options = p && p->options ? strdup(p->options) : NULL;
        unlock();
        if (options) {
            cl_int rc = give(options, strlen(options) + 1, capacity, out, size);
            free(options);
            return rc;
        }
    }
    return CALL(clGetProgramBuildInfo, program, device, query, capacity, out, size);
}
