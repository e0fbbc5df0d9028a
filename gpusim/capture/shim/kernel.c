/* Kernels and their arguments. */

/*
 * What a parameter takes is settled by clGetKernelArgInfo. Where the driver does not tell, the
 * parameter list in the program's text says it, unless macros hide it. What is still unknown (as
 * in a binary program) is guessed: a value of pointer size that equals a live handle is taken
 * for that object and marked.
 */

static int plain_type(const char *word, size_t length) {
    static const char *const types[] = {"char", "uchar", "short", "ushort", "int", "uint", "long",
                                        "ulong", "float", "double", "half", "unsigned", "signed",
                                        "bool", "size_t"};
    while (length && word[length - 1] >= '0' && word[length - 1] <= '9')
        length--; /* of a vector */
    for (size_t i = 0; i < COUNT(types); i++)
        if (same_word(word, length, types[i]))
            return 1;
    return 0;
}

/* One parameter as written; 0 when its type is not one of the language. */
static cl_uint parameter_address(const char *text, size_t size, int *sampler) {
    cl_uint address = 0;
    int pointer = memchr(text, '*', size) != NULL;
    *sampler = 0;
    for (size_t at = 0, length; (length = next_word(text, size, &at)); at += length) {
        const char *word = text + at;
        if (same_word(word, length, "local") || same_word(word, length, "__local"))
            return CL_KERNEL_ARG_ADDRESS_LOCAL;
        if (same_word(word, length, "constant") || same_word(word, length, "__constant"))
            return CL_KERNEL_ARG_ADDRESS_CONSTANT;
        if (same_word(word, length, "global") || same_word(word, length, "__global") ||
            (length > 7 && !memcmp(word, "image", 5) && !memcmp(word + length - 2, "_t", 2)))
            return CL_KERNEL_ARG_ADDRESS_GLOBAL;
        if (same_word(word, length, "sampler_t"))
            *sampler = 1;
        if (plain_type(word, length) && !pointer)
            address = CL_KERNEL_ARG_ADDRESS_PRIVATE;
    }
    return *sampler ? CL_KERNEL_ARG_ADDRESS_PRIVATE : address;
}

/* Read the parameter list that starts behind `at`, the place of its opening parenthesis. */
static cl_uint read_parameters(const char *text, size_t end, size_t at,
                               struct parameter *parameters, cl_uint count) {
    cl_uint n = 0;
    int depth = 1;
    for (size_t start = ++at; at < end && depth; at++) {
        depth += text[at] == '(' ? 1 : text[at] == ')' ? -1 : 0;
        if (depth && !(depth == 1 && text[at] == ','))
            continue;
        int sampler;
        cl_uint address = parameter_address(text + start, at - start, &sampler);
        if (n < count) {
            parameters[n].address = address;
            parameters[n].sampler = (uint8_t)sampler;
        }
        n++;
        start = at + 1;
    }
    return n;
}

/* Settle parameters from the text of the program; all stay unknown when that is not possible. */
static void parse_parameters(const struct program *p, const char *name,
                             struct parameter *parameters, cl_uint count) {
    for (size_t at = 0, length; p && p->text && (length = next_word(p->text, p->size, &at));
         at += length) {
        if (!same_word(p->text + at, length, "kernel") &&
            !same_word(p->text + at, length, "__kernel"))
            continue;
        size_t end = function_end(p->text, p->size, at), place = at;
        if (!function_named(p->text, end, &place, name))
            continue;
        if (read_parameters(p->text, end, place, parameters, count) != count)
            memset(parameters, 0, count * sizeof *parameters);
        return;
    }
}

static void kernel_parameters(cl_kernel handle, struct parameter *parameters, cl_uint count,
                              struct text *json) {
    json_key(json, "parameters");
    text_put(json, "[");
    for (cl_uint i = 0; i < count; i++) {
        cl_uint address = 0;
        cl_ulong qualifier = 0;
        char type[512] = "", name[512] = "";
        text_put(json, i ? ",{" : "{");
        if (HAS(clGetKernelArgInfo) &&
            CALL(clGetKernelArgInfo, handle, i, CL_KERNEL_ARG_ADDRESS_QUALIFIER, sizeof address,
                 &address, NULL) == CL_SUCCESS) {
            CALL(clGetKernelArgInfo, handle, i, CL_KERNEL_ARG_TYPE_NAME, sizeof type, type, NULL);
            CALL(clGetKernelArgInfo, handle, i, CL_KERNEL_ARG_NAME, sizeof name, name, NULL);
            CALL(clGetKernelArgInfo, handle, i, CL_KERNEL_ARG_TYPE_QUALIFIER, sizeof qualifier,
                 &qualifier, NULL);
            parameters[i].address = address;
            parameters[i].sampler = strstr(type, "sampler_t") != NULL;
            /* Some drivers call images private. */
            if (starts_with(type, "image"))
                parameters[i].address = CL_KERNEL_ARG_ADDRESS_GLOBAL;
            json_text(json, "address",
                      address == CL_KERNEL_ARG_ADDRESS_GLOBAL     ? "global"
                      : address == CL_KERNEL_ARG_ADDRESS_CONSTANT ? "constant"
                      : address == CL_KERNEL_ARG_ADDRESS_LOCAL    ? "local"
                                                                  : "private");
            json_text(json, "type", type);
            json_text(json, "name", name);
            json_bool(json, "const", (qualifier & 1) != 0);
        }
        text_put(json, "}");
    }
    text_put(json, "]");
}

static int parameters_known(const struct parameter *parameters, cl_uint count) {
    for (cl_uint i = 0; i < count; i++)
        if (parameters[i].address)
            return 1;
    return 0;
}

static void record_kernel(cl_kernel handle, cl_program program, cl_kernel original) {
    char name[1024] = "";
    cl_uint count = 0;
    cl_ulong local_bytes = 0;
    cl_device_id device = NULL;
    if (!handle)
        return;
    CALL(clGetKernelInfo, handle, CL_KERNEL_FUNCTION_NAME, sizeof name, name, NULL);
    CALL(clGetKernelInfo, handle, CL_KERNEL_NUM_ARGS, sizeof count, &count, NULL);
    if (!program)
        CALL(clGetKernelInfo, handle, CL_KERNEL_PROGRAM, sizeof program, &program, NULL);
    CALL(clGetProgramInfo, program, CL_PROGRAM_DEVICES, sizeof device, &device, NULL);
    if (device)
        CALL(clGetKernelWorkGroupInfo, handle, device, CL_KERNEL_LOCAL_MEM_SIZE,
             sizeof local_bytes, &local_bytes, NULL);
    struct parameter *parameters = must_allocate((count + 1) * sizeof *parameters);
    struct text t = {0};
    text_put(&t, "{");
    kernel_parameters(handle, parameters, count, &t);
    json_text(&t, "name", name);
    json_number(&t, "local_bytes", local_bytes);
    lock();
    struct kernel *k = object_new(handle, KIND_KERNEL, sizeof *k);
    k->program = object_find(program, KIND_PROGRAM);
    if (!parameters_known(parameters, count))
        parse_parameters(k->program, name, parameters, count);
    k->words = k->program && k->program->text
                   ? words_of_kernel(k->program->text, k->program->size, name)
                   : WORD_ALL;
    k->count = count;
    k->local_bytes = (uint32_t)local_bytes;
    k->argument_set = NO_ID;
    k->changed = 1;
    k->parameters = parameters;
    k->arguments = must_allocate((count + 1) * sizeof *k->arguments);
    struct kernel *from = object_find(original, KIND_KERNEL);
    for (uint32_t i = 0; from && i < count && i < from->count; i++) {
        k->arguments[i] = from->arguments[i];
        if (!from->arguments[i].value)
            continue;
        k->arguments[i].value = must_allocate(from->arguments[i].value_capacity);
        memcpy(k->arguments[i].value, from->arguments[i].value, from->arguments[i].size);
    }
    json_number(&t, "id", k->o.id);
    json_id(&t, "program", k->program ? k->program->o.id : NO_ID);
    json_id(&t, "clone_of", from ? from->o.id : NO_ID);
    log_json(RECORD_KERNEL, &t);
    unlock();
}

static cl_kernel shim_clCreateKernel(cl_program program, const char *name, cl_int *error) {
    NESTED(clCreateKernel, NULL, program, name, error);
    cl_kernel kernel = CALL(clCreateKernel, program, name, error);
    record_kernel(kernel, program, NULL);
    return kernel;
}

static cl_int shim_clCreateKernelsInProgram(cl_program program, cl_uint capacity,
                                            cl_kernel *kernels, cl_uint *count) {
    NESTED(clCreateKernelsInProgram, CL_INVALID_OPERATION, program, capacity, kernels, count);
    cl_uint made = 0;
    cl_int rc = CALL(clCreateKernelsInProgram, program, capacity, kernels, &made);
    for (cl_uint i = 0; rc == CL_SUCCESS && kernels && i < made && i < capacity; i++)
        record_kernel(kernels[i], program, NULL);
    if (count && rc == CL_SUCCESS)
        *count = made;
    return rc;
}

static cl_kernel shim_clCloneKernel(cl_kernel original, cl_int *error) {
    NESTED(clCloneKernel, NULL, original, error);
    cl_kernel kernel = CALL(clCloneKernel, original, error);
    record_kernel(kernel, NULL, original);
    return kernel;
}

static cl_int shim_clRetainKernel(cl_kernel kernel) {
    NESTED(clRetainKernel, CL_INVALID_OPERATION, kernel);
    object_retain(kernel, KIND_KERNEL);
    return CALL(clRetainKernel, kernel);
}

static cl_int shim_clReleaseKernel(cl_kernel kernel) {
    NESTED(clReleaseKernel, CL_INVALID_OPERATION, kernel);
    lock();
    object_release(kernel, KIND_KERNEL);
    unlock();
    return CALL(clReleaseKernel, kernel);
}

/* The object a pointer-sized argument names; NULL when it is none of the given kind. */
static struct object *argument_object(size_t size, const void *value, enum kind kind, int live) {
    const void *handle;
    if (size != sizeof handle)
        return NULL;
    memcpy(&handle, value, sizeof handle);
    struct object *o = object_find(handle, kind);
    return o && (!live || o->references > 0) ? o : NULL;
}

static void argument_is(struct argument *a, const struct object *o) {
    a->reference = o->id;
    a->kind = o->kind == KIND_SAMPLER              ? ARGUMENT_SAMPLER
              : ((const struct memory *)o)->image ? ARGUMENT_IMAGE
                                                  : ARGUMENT_BUFFER;
}

static void argument_value(struct argument *a, size_t size, const void *value) {
    if (a->value_capacity < size) {
        free(a->value);
        a->value_capacity = (uint32_t)(size < 16 ? 16 : size);
        a->value = must_allocate(a->value_capacity);
    }
    memcpy(a->value, value, size);
    a->kind = ARGUMENT_VALUE;
}

/* Settle and keep one argument; the lock is held. */
static void argument_set(struct kernel *k, cl_uint index, size_t size, const void *value) {
    struct argument *a = &k->arguments[index];
    const struct parameter *p = &k->parameters[index];
    const void *null = NULL;
    struct object *o = NULL;
    a->size = (uint32_t)size;
    a->guessed = 0;
    a->reference = NO_ID;
    k->changed = 1;
    if (p->address == CL_KERNEL_ARG_ADDRESS_LOCAL || (!value && !p->address)) {
        a->kind = ARGUMENT_LOCAL;
    } else if (p->sampler) {
        if ((o = argument_object(size, value, KIND_SAMPLER, 0)))
            argument_is(a, o);
        else
            a->kind = ARGUMENT_SAMPLER;
    } else if (p->address == CL_KERNEL_ARG_ADDRESS_GLOBAL ||
               p->address == CL_KERNEL_ARG_ADDRESS_CONSTANT) {
        a->kind = ARGUMENT_NULL;
        if (value && (o = argument_object(size, value, KIND_MEMORY, 0)))
            argument_is(a, o);
    } else if (p->address == CL_KERNEL_ARG_ADDRESS_PRIVATE) {
        argument_value(a, size, value);
    } else if ((o = argument_object(size, value, KIND_MEMORY, 1)) ||
               (o = argument_object(size, value, KIND_SAMPLER, 1))) {
        argument_is(a, o);
        a->guessed = 1;
    } else if (size == sizeof null && !memcmp(value, &null, sizeof null)) {
        a->kind = ARGUMENT_NULL;
        a->guessed = 1;
    } else {
        argument_value(a, size, value);
    }
}

static cl_int shim_clSetKernelArg(cl_kernel kernel, cl_uint index, size_t size,
                                  const void *value) {
    NESTED(clSetKernelArg, CL_INVALID_OPERATION, kernel, index, size, value);
    cl_int rc = CALL(clSetKernelArg, kernel, index, size, value);
    cl_mem unknown = NULL;
    lock();
    struct kernel *k = object_find(kernel, KIND_KERNEL);
    /* A dry run that stands floats in for halves is told a wrong size; only it may ignore that. */
    if (rc != CL_SUCCESS && k && k->program && k->program->halves_replaced && index < k->count)
        rc = CL_SUCCESS;
    if (k && rc == CL_SUCCESS && index < k->count) {
        argument_set(k, index, size, value);
        if (k->arguments[index].kind == ARGUMENT_NULL && value && size == sizeof unknown)
            memcpy(&unknown, value, sizeof unknown);
    }
    unlock();
    if (unknown) {
        adopt_memory(unknown);
        lock();
        if ((k = object_find(kernel, KIND_KERNEL)))
            argument_set(k, index, size, value);
        unlock();
    }
    return rc;
}

/* A pointer into shared virtual memory: a buffer argument, at an offset a sub-buffer. */
static cl_int shim_clSetKernelArgSVMPointer(cl_kernel kernel, cl_uint index, const void *pointer) {
    NESTED(clSetKernelArgSVMPointer, CL_INVALID_OPERATION, kernel, index, pointer);
    cl_int rc = CALL(clSetKernelArgSVMPointer, kernel, index, pointer);
    if (rc != CL_SUCCESS)
        return rc;
    lock();
    struct svm_range *range = svm_find(pointer);
    struct svm_range found = range ? *range : (struct svm_range){0};
    struct memory *known = object_find(pointer, KIND_MEMORY);
    uint32_t id = known ? known->o.id : NO_ID;
    unlock();
    if (range && !known) {
        size_t offset = (size_t)((const char *)pointer - found.start);
        id = record_memory(&(struct memory_description){
            .call = "clSetKernelArgSVMPointer", .handle = (cl_mem)(uintptr_t)pointer,
            .parent = (cl_mem)(void *)found.start, .bytes = found.size - offset,
            .offset = offset, .svm = 1});
    }
    lock();
    struct kernel *k = object_find(kernel, KIND_KERNEL);
    if (k && index < k->count) {
        struct argument *a = &k->arguments[index];
        a->kind = id == NO_ID ? ARGUMENT_NULL : ARGUMENT_BUFFER;
        a->size = sizeof pointer;
        a->reference = id;
        k->changed = 1;
    }
    unlock();
    return rc;
}

static cl_int shim_clGetKernelArgInfo(cl_kernel kernel, cl_uint index, cl_uint query,
                                      size_t capacity, void *out, size_t *size) {
    NESTED(clGetKernelArgInfo, CL_INVALID_OPERATION, kernel, index, query, capacity, out, size);
    lock();
    struct kernel *k = object_find(kernel, KIND_KERNEL);
    int hidden = k && k->program && k->program->from_source && !k->program->arg_info_asked;
    unlock();
    if (hidden)
        return CL_KERNEL_ARG_INFO_NOT_AVAILABLE;
    return CALL(clGetKernelArgInfo, kernel, index, query, capacity, out, size);
}

static cl_int shim_clGetKernelWorkGroupInfo(cl_kernel kernel, cl_device_id device, cl_uint query,
                                            size_t capacity, void *out, size_t *size) {
    NESTED(clGetKernelWorkGroupInfo, CL_INVALID_OPERATION, kernel, device, query, capacity, out,
           size);
    cl_int rc;
    if (profile_answer(g_kernel_answers, COUNT(g_kernel_answers), query, capacity, out, size, &rc))
        return rc;
    return CALL(clGetKernelWorkGroupInfo, kernel, device, query, capacity, out, size);
}

/*
 * Argument sets are interned: a launch names one by number. The serialised arguments are
 *     u32 set | u32 kernel | u32 count | per argument: u16 index, u8 kind, u8 guessed, u32 size,
 *     u32 reference, value padded to four bytes
 */
struct argument_set {
    uint64_t hash;
    uint32_t id, size;
    unsigned char *bytes;
};
static struct {
    struct argument_set *slots;
    size_t capacity, used;
} g_sets;

static uint64_t bytes_hash(const unsigned char *p, size_t size) {
    uint64_t h = 0x9e3779b97f4a7c15u ^ size;
    for (; size >= 4; p += 4, size -= 4) {
        uint32_t word;
        memcpy(&word, p, 4);
        h = (h ^ word) * 0x9fb21c651e98df25u;
        h ^= h >> 29;
    }
    return h;
}

static struct argument_set *set_slot(uint64_t hash, const unsigned char *bytes, size_t size) {
    size_t mask = g_sets.capacity - 1, i = (size_t)(hash ^ hash >> 32) & mask;
    struct argument_set *s;
    while ((s = &g_sets.slots[i])->bytes &&
           (s->hash != hash || s->size != size || memcmp(s->bytes, bytes, size)))
        i = (i + 1) & mask;
    return s;
}

static void sets_grow(void) {
    struct argument_set *old = g_sets.slots;
    size_t capacity = g_sets.capacity;
    g_sets.capacity = capacity ? 2 * capacity : 256;
    g_sets.slots = must_allocate(g_sets.capacity * sizeof *old);
    for (size_t i = 0; i < capacity; i++)
        if (old[i].bytes)
            *set_slot(old[i].hash, old[i].bytes, old[i].size) = old[i];
    free(old);
}

/* Number of the kernel's present arguments; a new set is written to the log. The lock is held. */
static uint32_t kernel_argument_set(struct kernel *k) {
    static struct text bytes;
    if (!k->changed && k->argument_set != NO_ID)
        return k->argument_set;
    uint32_t head[3] = {0, k->o.id, k->count};
    bytes.size = 0;
    text_append(&bytes, (char *)head, sizeof head);
    for (uint32_t i = 0; i < k->count; i++) {
        const struct argument *a = &k->arguments[i];
        struct {
            uint16_t index;
            uint8_t kind, guessed;
            uint32_t size, reference;
        } item = {(uint16_t)i, a->kind, a->guessed, a->size, a->reference};
        text_append(&bytes, (char *)&item, sizeof item);
        if (a->kind == ARGUMENT_VALUE) {
            text_append(&bytes, (char *)a->value, a->size);
            text_append(&bytes, "\0\0\0", -(size_t)a->size & 3);
        }
    }
    if (2 * g_sets.used >= g_sets.capacity)
        sets_grow();
    unsigned char *data = (unsigned char *)bytes.data;
    uint64_t hash = bytes_hash(data, bytes.size);
    struct argument_set *s = set_slot(hash, data, bytes.size);
    if (!s->bytes) {
        s->hash = hash;
        s->id = (uint32_t)g_sets.used++;
        s->size = (uint32_t)bytes.size;
        s->bytes = must_allocate(bytes.size);
        memcpy(s->bytes, data, bytes.size);
        uint32_t id = s->id;
        /* In the log the set has its number; in the table that word is zero for all. */
        memcpy(data, &id, sizeof id);
        log_record(RECORD_ARGUMENTS, now_ns(), data, bytes.size, NULL, 0);
    }
    k->argument_set = s->id;
    k->changed = 0;
    return s->id;
}
