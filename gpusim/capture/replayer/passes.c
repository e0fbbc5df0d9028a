/* Passes over the launches of an experiment, and their times. */
static void fail(struct step *step, const char *what, long error) {
    if (!step->reason[0])
        snprintf(step->reason, sizeof step->reason, "%s (OpenCL error %ld)", what, error);
}

static int bind(struct experiment *e, struct step *step) {
    for (uint32_t i = 0; i < step->n_arguments; i++) {
        struct argument *argument = &step->arguments[i];
        const void *value = NULL;
        size_t size = (size_t)argument->size;
        if (argument->kind == VALUE) {
            value = argument->value.bytes;
            size = argument->value.length;
        } else if (argument->kind == BUFFER || argument->kind == IMAGE) {
            struct memory *memory = &e->memory[argument->reference];
            if (memory->error) {
                fail(step, "a buffer or image cannot be created", memory->error);
                return 0;
            }
            value = &memory->handle;
            size = sizeof memory->handle;
        } else if (argument->kind == SAMPLER) {
            value = &e->samplers[argument->reference].handle;
            size = sizeof(cl_sampler);
        } else if (argument->kind == NULL_POINTER) {
            size = sizeof(cl_mem);
        }
        cl_int error = p_clSetKernelArg(step->handle, argument->index, size, value);
        if (error) {
            fail(step, "clSetKernelArg", error);
            return 0;
        }
    }
    return 1;
}

static void launch(struct experiment *e, struct step *step) {
    struct program *program = &e->programs[step->program];
    cl_int error = CL_SUCCESS;
    step->event = NULL;
    if (program->error) {
        fail(step, program->source.length ? "the program does not build"
                                          : "no source of the program",
             program->error);
        return;
    }
    if (!step->handle) {
        char *name = copy_of(step->kernel);
        step->handle = p_clCreateKernel(program->handle, name, &error);
        free(name);
        if (error) {
            fail(step, "clCreateKernel", error);
            return;
        }
    }
    if (!bind(e, step))
        return;
    size_t *offset = step->global_offset;
    int moved = offset[0] || offset[1] || offset[2];
    error = p_clEnqueueNDRangeKernel(queue, step->handle, step->dim, moved ? offset : NULL,
                                     step->global, step->local[0] ? step->local : NULL, 0, NULL,
                                     &step->event);
    if (error)
        fail(step, "clEnqueueNDRangeKernel", error);
}

static void transfer(struct experiment *e, struct step *step) {
    struct memory *target = &e->memory[step->target];
    if (target->error)
        return;
    if (step->kind == STEP_COPY) {
        struct memory *source = &e->memory[step->source];
        if (!source->error)
            target->error = p_clEnqueueCopyBuffer(queue, source->handle, target->handle,
                                                  (size_t)step->source_offset, (size_t)step->offset,
                                                  (size_t)step->size, 0, NULL, NULL);
        return;
    }
    if (step->kind == STEP_WRITE) {
        target->error =
            p_clEnqueueWriteBuffer(queue, target->handle, 1, (size_t)step->offset,
                                   step->content.length, step->content.bytes, 0, NULL, NULL);
        return;
    }
    /* clEnqueueFillBuffer is of OpenCL 1.2; a write does the same on every driver. */
    char *bytes = malloc(step->size ? (size_t)step->size : 1);
    if (!bytes || !step->content.length) {
        free(bytes);
        return;
    }
    for (uint64_t i = 0; i < step->size; i++)
        bytes[i] = step->content.bytes[i % step->content.length];
    target->error = p_clEnqueueWriteBuffer(queue, target->handle, 1, (size_t)step->offset,
                                           (size_t)step->size, bytes, 0, NULL, NULL);
    free(bytes);
}

static void note(struct experiment *e, struct step *step) {
    cl_ulong begin = 0, end = 0;
    cl_int error = p_clGetEventProfilingInfo(
        step->event, e->latency ? CL_PROFILING_COMMAND_QUEUED : CL_PROFILING_COMMAND_START,
        sizeof begin, &begin, NULL);
    if (!error)
        error = p_clGetEventProfilingInfo(
            step->event, e->latency ? CL_PROFILING_COMMAND_START : CL_PROFILING_COMMAND_END,
            sizeof end, &end, NULL);
    if (error || end <= begin)
        fail(step, "no profiling times", error);
    else
        step->times[step->n_times++] = end - begin;
}

/* Wait for a launch; one that fails as it runs may have taken its context along. */
static void wait_for(int number, struct step *step) {
    progress->step = number;
    alarm(options.seconds);
    cl_int error = p_clWaitForEvents(1, &step->event);
    if (error) {
        progress->error = error;
        fflush(options.out);
        _exit(QUEUE_LOST);
    }
}

static void pass(struct experiment *e, int alone, int timed) {
    for (uint32_t i = 0; i < e->n_steps; i++) {
        struct step *step = &e->steps[i];
        if (step->kind != STEP_LAUNCH) {
            transfer(e, step);
            continue;
        }
        if (step->reason[0])
            continue;
        /* A driver may run the kernel, and die of it, within the call. */
        progress->step = alone ? (int)i : progress->step;
        alarm(options.seconds);
        launch(e, step);
        if (alone && step->event)
            wait_for((int)i, step);
    }
    for (uint32_t i = 0; i < e->n_steps; i++) {
        struct step *step = &e->steps[i];
        if (step->kind != STEP_LAUNCH || !step->event)
            continue;
        wait_for((int)i, step);
        if (timed && !step->reason[0])
            note(e, step);
        p_clReleaseEvent(step->event);
        step->event = NULL;
    }
}
