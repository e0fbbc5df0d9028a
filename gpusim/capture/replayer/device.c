/* The OpenCL device, and the objects of an experiment on it. */
static void ask(cl_uint query, char *answer, size_t size) {
    answer[0] = 0;
    p_clGetDeviceInfo(device, query, size - 1, answer, NULL);
}

/* Return NULL, or why there is no device. */
static const char *open_device(void) {
    cl_platform_id platforms[16];
    cl_device_id devices[16], first = NULL;
    cl_uint n_platforms = 0, n_devices;
    const char *problem = load_opencl(options.library);
    if (problem)
        return problem;
    cl_int error = p_clGetPlatformIDs(16, platforms, &n_platforms);
    n_platforms = n_platforms > 16 ? 16 : n_platforms;
    if (error || !n_platforms)
        return "no OpenCL platform";
    for (cl_uint p = 0; p < n_platforms && !device; p++) {
        if (options.platform >= 0 && (cl_uint)options.platform != p)
            continue;
        n_devices = 0;
        if (p_clGetDeviceIDs(platforms[p], CL_DEVICE_TYPE_ALL, 16, devices, &n_devices))
            continue;
        for (cl_uint d = 0; d < n_devices && d < 16 && !device; d++) {
            cl_bitfield type = 0;
            p_clGetDeviceInfo(devices[d], CL_DEVICE_TYPE, sizeof type, &type, NULL);
            first = first ? first : devices[d];
            /* The first GPU, unless one was named. */
            if (options.device >= 0 ? (cl_uint)options.device == d : (type & 4) != 0)
                device = devices[d];
        }
    }
    if (!device && options.device < 0)
        device = first;
    if (!device)
        return "no such OpenCL device";
    ask(CL_DEVICE_NAME, device_name, sizeof device_name);
    ask(0x102D /* CL_DRIVER_VERSION */, driver, sizeof driver);
    ask(CL_DEVICE_VERSION, version, sizeof version);
    context = p_clCreateContext(NULL, 1, &device, NULL, NULL, &error);
    if (error || !context)
        return "no OpenCL context";
    queue = p_clCreateCommandQueue(context, device, CL_QUEUE_PROFILING_ENABLE, &error);
    return error || !queue ? "no queue with profiling" : NULL;
}

static void create_memory(struct experiment *e, struct memory *memory) {
    cl_int *error = &memory->error;
    void *data = NULL;
    if (memory->image_type) {
        cl_image_format format = {memory->order, memory->channel};
        cl_image_desc shape = {0};
        shape.type = memory->image_type;
        shape.width = (size_t)memory->extents[0];
        shape.height = memory->image_type == CL_MEM_OBJECT_IMAGE1D ? 0 : (size_t)memory->extents[1];
        shape.depth = memory->image_type == CL_MEM_OBJECT_IMAGE3D ? (size_t)memory->extents[2] : 0;
        shape.array_size = (size_t)memory->extents[3];
        if (!p_clCreateImage) {
            *error = CL_INVALID_OPERATION;
            return;
        }
        if (memory->content.length)
            data = (void *)memory->content.bytes;
        memory->handle =
            p_clCreateImage(context, 1 | (data ? CL_MEM_COPY_HOST_PTR : 0), &format, &shape, data,
                            error);
        return;
    }
    if (memory->parent != NONE) {
        cl_buffer_region region = {(size_t)memory->offset, (size_t)memory->size};
        struct memory *parent = &e->memory[memory->parent];
        *error = parent->error;
        if (!*error)
            memory->handle = p_clCreateSubBuffer(parent->handle, 1, CL_BUFFER_CREATE_TYPE_REGION,
                                                 &region, error);
        return;
    }
    /* Contents that were not stored are zeros, and touched, so that the pages exist. */
    size_t size = memory->size ? (size_t)memory->size : 1;
    char *zeros = calloc(size, 1);
    if (!zeros || size != (memory->size ? memory->size : 1)) {
        free(zeros);
        *error = CL_OUT_OF_HOST_MEMORY;
        return;
    }
    memcpy(zeros, memory->content.bytes,
           memory->content.length < size ? memory->content.length : size);
    memory->handle = p_clCreateBuffer(context, 1 | CL_MEM_COPY_HOST_PTR, size, zeros, error);
    free(zeros);
}

/* Build a program; one for a newer OpenCL C than the device knows, without saying so. */
static void build(struct program *program) {
    char *text = copy_of(program->options), *standard, *end;
    program->error = p_clBuildProgram(program->handle, 1, &device, text, NULL, NULL);
    standard = program->error ? strstr(text, "-cl-std=") : NULL;
    if (standard) {
        size_t length = strcspn(standard, " ");
        snprintf(program->dropped, sizeof program->dropped, "%.*s", (int)length, standard);
        for (end = standard + length; standard < end; standard++)
            *standard = ' ';
        const char *source = program->source.bytes;
        size_t size = program->source.length;
        program->handle = p_clCreateProgramWithSource(context, 1, &source, &size, &program->error);
        if (!program->error)
            program->error = p_clBuildProgram(program->handle, 1, &device, text, NULL, NULL);
    }
    free(text);
}

static void create_objects(struct experiment *e) {
    for (uint32_t i = 0; i < e->n_programs; i++) {
        struct program *program = &e->programs[i];
        const char *source = program->source.bytes;
        size_t length = program->source.length;
        if (!length) {
            program->error = CL_INVALID_OPERATION;
            continue;
        }
        program->handle = p_clCreateProgramWithSource(context, 1, &source, &length, &program->error);
        if (!program->error)
            build(program);
    }
    for (uint32_t i = 0; i < e->n_memory; i++)
        create_memory(e, &e->memory[i]);
    for (uint32_t i = 0; i < e->n_samplers; i++) {
        struct sampler *sampler = &e->samplers[i];
        cl_int error;
        sampler->handle = p_clCreateSampler(context, sampler->normalized, sampler->addressing,
                                            sampler->filter, &error);
    }
}
