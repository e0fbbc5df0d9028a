/*
 * Measures launches on a board without Python: runs the experiments it carries on an OpenCL device
 * with profiling events, and prints rows of the measured schema (docs/measure.md).
 *
 * Every experiment runs in a child process: a driver that crashes or hangs takes the child along,
 * and the next one goes on without the launch that was being tried.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "board.h"
#include "opencl.h"
#include "payload.h"

enum step_kind { STEP_LAUNCH, STEP_WRITE, STEP_COPY, STEP_FILL };
enum argument_kind { VALUE, LOCAL, NULL_POINTER, BUFFER, IMAGE, SAMPLER };

struct program {
    struct text options, source;
    cl_program handle;
    cl_int error;
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

/*
 * Shared with the children: where one is, and what must not be tried again. `cause` is the signal
 * that killed a child, or the negative error of OpenCL that a launch ended with.
 */
struct progress {
    int experiment, step, error;
    unsigned skipped;
    struct {
        int experiment, step, cause;
    } skip[64];
};

static struct {
    unsigned repeat, warmup, seconds;
    int platform, device;
    const char *library, *name;
    FILE *out;
} options;

/* Exit code of a child whose queue is not to be trusted any more. */
enum { QUEUE_LOST = 9 };

static struct progress *progress;
static cl_device_id device;
static cl_context context;
static cl_command_queue queue;
static char device_name[256], driver[256], version[256];
static int failures;

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
        if (program->error)
            continue;
        char *text = copy_of(program->options);
        program->error = p_clBuildProgram(program->handle, 1, &device, text, NULL, NULL);
        free(text);
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

static int by_value(const void *a, const void *b) {
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static double median(const uint64_t *sorted, unsigned n) {
    return n % 2 ? (double)sorted[n / 2] : 0.5 * ((double)sorted[n / 2 - 1] + (double)sorted[n / 2]);
}

/* The inside of a quoted CSV field. */
static void print_text(const char *bytes, size_t length) {
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] == '"')
            fputc('"', options.out);
        fputc((unsigned char)bytes[i] < ' ' ? '?' : bytes[i], options.out);
    }
}

static void print_field(struct text text) {
    fputs(",\"", options.out);
    print_text(text.bytes, text.length);
    fputc('"', options.out);
}

static void print_row(struct row *row, struct step *best, const char *reason) {
    FILE *out = options.out;
    fputc('"', out);
    print_text(options.name[0] ? options.name : device_name,
               strlen(options.name[0] ? options.name : device_name));
    fputc('"', out);
    print_field(row->kernel);
    fputs(",\"", out);
    print_text(row->params.bytes, row->params.length);
    /* An object without members has no comma before its first one. */
    fprintf(out, "%s\"\"n_samples\"\": %u", row->params.length > 1 ? ", " : "",
            best ? best->n_times : 0);
    if (best) {
        unsigned n = best->n_times;
        uint64_t low = best->times[n / 4], high = best->times[n > 1 ? 3 * n / 4 : 0];
        fprintf(out, ", \"\"min_us\"\": %.3f, \"\"max_us\"\": %.3f, \"\"spread\"\": %.4f",
                (double)best->times[0] / 1e3, (double)best->times[n - 1] / 1e3,
                (double)(high - low) / median(best->times, n));
    }
    print_board(out);
    if (!best)
        fprintf(out, ", \"\"error\"\": \"\"%s\"\"", reason);
    fputs("}\"", out);
    print_field(row->global);
    print_field(row->local);
    print_field(row->metric);
    if (best) {
        double ns = median(best->times, best->n_times);
        fprintf(out, ",%.6g", row->amount > 0 ? row->factor * row->amount / ns : row->factor * ns);
    } else {
        fputc(',', out);
    }
    print_field(row->unit);
    fputs(",\"gpusim-measure; ", out);
    print_text(version, strlen(version));
    fputs("; ", out);
    print_text(driver, strlen(driver));
    fputs("\"\n", out);
    if (!best) {
        fprintf(stderr, "gpusim-measure: %.*s: %s\n", (int)row->kernel.length, row->kernel.bytes,
                reason);
        failures++;
    }
}

static void print_rows(struct experiment *e) {
    for (uint32_t r = 0; r < e->n_rows; r++) {
        struct step *best = NULL;
        const char *reason = "no times";
        for (uint32_t i = 0; i < e->n_steps; i++) {
            struct step *step = &e->steps[i];
            if (step->kind != STEP_LAUNCH || step->row != r)
                continue;
            if (step->reason[0] || !step->n_times) {
                reason = step->reason[0] ? step->reason : reason;
                continue;
            }
            qsort(step->times, step->n_times, sizeof *step->times, by_value);
            if (!best || median(step->times, step->n_times) < median(best->times, best->n_times))
                best = step;
        }
        print_row(&e->rows[r], best, reason);
    }
    fflush(options.out);
}

static void explain(struct step *step, int cause) {
    if (cause < 0)
        fail(step, "the launch fails as it runs", cause);
    else if (cause == SIGALRM)
        snprintf(step->reason, sizeof step->reason, "no sign of life for %u s", options.seconds);
    else
        snprintf(step->reason, sizeof step->reason, "the process was killed by signal %d", cause);
}

static void run(struct experiment *e, int number) {
    progress->step = -1;
    alarm(options.seconds);
    for (uint32_t i = 0; i < e->n_steps; i++)
        if (e->steps[i].kind == STEP_LAUNCH)
            e->steps[i].times = room(options.repeat, sizeof(uint64_t));
    for (unsigned i = 0; i < progress->skipped; i++)
        if (progress->skip[i].experiment == number)
            explain(&e->steps[progress->skip[i].step], progress->skip[i].cause);
    create_objects(e);
    /* In the first pass each launch runs alone, so that one that fails is known. */
    pass(e, 1, 0);
    for (unsigned i = 1; i < options.warmup; i++)
        pass(e, (int)e->latency, 0);
    for (unsigned i = 0; i < options.repeat; i++)
        pass(e, (int)e->latency, 1);
    alarm(0);
    print_rows(e);
    for (uint32_t i = 0; i < e->n_memory; i++)
        if (e->memory[i].handle)
            p_clReleaseMemObject(e->memory[i].handle);
}

/* The child: every experiment from the one where the last child stopped. */
static int work(struct experiment *experiments, uint32_t count) {
    const char *problem = open_device();
    if (problem) {
        fprintf(stderr, "gpusim-measure: %s\n", problem);
        return 3;
    }
    for (int i = progress->experiment; i < (int)count; i++) {
        progress->experiment = i;
        run(&experiments[i], i);
    }
    p_clReleaseCommandQueue(queue);
    p_clReleaseContext(context);
    return failures ? 2 : 0;
}

static int supervise(struct experiment *experiments, uint32_t count) {
    int result = 0;
    for (;;) {
        fflush(options.out);
        pid_t child = fork();
        if (child == 0)
            _exit((result = work(experiments, count), fflush(options.out), result));
        int status = 0;
        if (child < 0 || waitpid(child, &status, 0) < 0) {
            perror("gpusim-measure");
            return 1;
        }
        int lost = WIFEXITED(status) && WEXITSTATUS(status) == QUEUE_LOST;
        if (WIFEXITED(status) && !lost)
            return WEXITSTATUS(status) ? WEXITSTATUS(status) : result;
        int cause = lost ? progress->error : WTERMSIG(status);
        if (progress->step < 0 || progress->skipped == 64) {
            fprintf(stderr, "gpusim-measure: the driver fails (%d)\n", cause);
            return 1;
        }
        for (unsigned i = 0; i < progress->skipped; i++)
            if (progress->skip[i].experiment == progress->experiment &&
                progress->skip[i].step == progress->step) {
                fprintf(stderr, "gpusim-measure: the driver fails again and again\n");
                return 1;
            }
        progress->skip[progress->skipped].experiment = progress->experiment;
        progress->skip[progress->skipped].step = progress->step;
        progress->skip[progress->skipped++].cause = cause;
        result = 2;
    }
}

static const char usage[] =
    "usage: gpusim-measure [-o FILE.csv] [--repeat N] [--warmup N] [--platform N] [--device N]\n"
    "                      [--library PATH] [--name TEXT] [--timeout SECONDS] [--root DIR]\n";

static unsigned number(const char *text) {
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (*text == '-' || *end || end == text || errno || value > 1000000) {
        fprintf(stderr, "gpusim-measure: not a number: %s\n%s", text, usage);
        exit(2);
    }
    return (unsigned)value;
}

int main(int argc, char **argv) {
    const char *file = NULL;
    cursor = replayer_payload;
    if (memcmp(cursor, "GPSMEAS1", 8) != 0)
        return 1;
    cursor += 8;
    options.repeat = take_u32();
    options.warmup = take_u32();
    options.name = copy_of(take_text());
    options.platform = options.device = -1;
    options.seconds = 300;
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (!value || argv[i][0] != '-') {
            fputs(usage, stderr);
            return 2;
        }
        if (!strcmp(argv[i], "-o"))
            file = value;
        else if (!strcmp(argv[i], "--repeat"))
            options.repeat = number(value);
        else if (!strcmp(argv[i], "--warmup"))
            options.warmup = number(value);
        else if (!strcmp(argv[i], "--platform"))
            options.platform = (int)number(value);
        else if (!strcmp(argv[i], "--device"))
            options.device = (int)number(value);
        else if (!strcmp(argv[i], "--library"))
            options.library = value;
        else if (!strcmp(argv[i], "--name"))
            options.name = value;
        else if (!strcmp(argv[i], "--timeout"))
            options.seconds = number(value);
        else if (!strcmp(argv[i], "--root"))
            board_root = value;
        else {
            fputs(usage, stderr);
            return 2;
        }
    }
    options.repeat = options.repeat ? options.repeat : 1;
    options.out = file ? fopen(file, "w") : stdout;
    if (!options.out) {
        perror(file);
        return 2;
    }
    uint32_t count = take_u32();
    struct experiment *experiments = room(count, sizeof *experiments);
    for (uint32_t i = 0; i < count; i++)
        read_experiment(&experiments[i]);
    progress = mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (progress == MAP_FAILED) {
        perror("gpusim-measure");
        return 1;
    }
    fputs("device,kernel,params,global_size,local_size,metric,value,unit,source\n", options.out);
    int result = supervise(experiments, count);
    if (fflush(options.out) != 0) {
        perror("gpusim-measure");
        return 1;
    }
    return result;
}
