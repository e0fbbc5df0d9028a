/*
 * An OpenCL library as a board has it, for the replayer: executes no kernel, but says that every
 * launch took 1000 ns plus 10 ns per work-item of the first dimension, and answers with an error,
 * a crash or a hang where a kernel's name says so.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi.h"

struct kernel {
    char name[64];
};
struct event {
    cl_ulong queued, start, end;
};

static int handle;
static cl_ulong now = 1000;
static int poisoned;

static void *ok(cl_int *error) {
    if (error)
        *error = CL_SUCCESS;
    return &handle;
}

cl_int clGetPlatformIDs(cl_uint room, cl_platform_id *out, cl_uint *count) {
    if (out && room)
        out[0] = (cl_platform_id)(void *)&handle;
    if (count)
        *count = 1;
    return CL_SUCCESS;
}

cl_int clGetDeviceIDs(cl_platform_id p, cl_bitfield type, cl_uint room, cl_device_id *out,
                      cl_uint *count) {
    (void)p, (void)type;
    if (out && room)
        out[0] = (cl_device_id)(void *)&handle;
    if (count)
        *count = 1;
    return CL_SUCCESS;
}

cl_int clGetDeviceInfo(cl_device_id d, cl_uint query, size_t room, void *out, size_t *size) {
    (void)d, (void)size;
    if (query == CL_DEVICE_TYPE) {
        cl_bitfield gpu = 4;
        memcpy(out, &gpu, sizeof gpu);
    } else {
        strncpy(out, query == CL_DEVICE_NAME ? "Mali-\"T860\"" : "1.2", room);
    }
    return CL_SUCCESS;
}

cl_context clCreateContext(const cl_ptr_properties *properties, cl_uint count,
                           const cl_device_id *devices, context_notify notify, void *user,
                           cl_int *error) {
    (void)properties, (void)count, (void)devices, (void)notify, (void)user;
    return ok(error);
}

cl_int clReleaseContext(cl_context c) {
    (void)c;
    return CL_SUCCESS;
}

cl_command_queue clCreateCommandQueue(cl_context c, cl_device_id d, cl_bitfield properties,
                                      cl_int *error) {
    (void)c, (void)d;
    *error = properties & CL_QUEUE_PROFILING_ENABLE ? CL_SUCCESS : CL_INVALID_VALUE;
    return (cl_command_queue)(void *)&handle;
}

cl_int clReleaseCommandQueue(cl_command_queue q) {
    (void)q;
    return CL_SUCCESS;
}

cl_mem clCreateBuffer(cl_context c, cl_bitfield flags, size_t size, void *data, cl_int *error) {
    (void)c, (void)flags, (void)data;
    *error = size > 1u << 28 ? CL_INVALID_BUFFER_SIZE : CL_SUCCESS;
    return *error ? NULL : (cl_mem)ok(error);
}

cl_mem clCreateSubBuffer(cl_mem m, cl_bitfield flags, cl_uint type, const void *region,
                         cl_int *error) {
    (void)m, (void)flags, (void)type, (void)region;
    return ok(error);
}

cl_int clReleaseMemObject(cl_mem m) {
    (void)m;
    return CL_SUCCESS;
}

cl_sampler clCreateSampler(cl_context c, cl_bool n, cl_uint a, cl_uint f, cl_int *error) {
    (void)c, (void)n, (void)a, (void)f;
    return ok(error);
}

cl_program clCreateProgramWithSource(cl_context c, cl_uint count, const char **strings,
                                     const size_t *lengths, cl_int *error) {
    (void)c, (void)count, (void)strings, (void)lengths;
    return ok(error);
}

cl_int clBuildProgram(cl_program p, cl_uint count, const cl_device_id *devices, const char *options,
                      program_notify notify, void *user) {
    (void)p, (void)count, (void)devices, (void)notify, (void)user;
    return strstr(options, "-broken") || strstr(options, "CL2.0") ? CL_BUILD_PROGRAM_FAILURE : CL_SUCCESS;
}

cl_kernel clCreateKernel(cl_program p, const char *name, cl_int *error) {
    struct kernel *kernel = calloc(1, sizeof *kernel);
    (void)p;
    strncpy(kernel->name, name, sizeof kernel->name - 1);
    *error = strcmp(name, "missing") ? CL_SUCCESS : -46;
    return (cl_kernel)kernel;
}

cl_int clSetKernelArg(cl_kernel k, cl_uint index, size_t size, const void *value) {
    (void)k, (void)index, (void)size, (void)value;
    return CL_SUCCESS;
}

cl_int clEnqueueNDRangeKernel(cl_command_queue q, cl_kernel k, cl_uint dim, const size_t *offset,
                              const size_t *global, const size_t *local, cl_uint n,
                              const cl_event *waits, cl_event *out) {
    struct kernel *kernel = (struct kernel *)(void *)k;
    struct event *event = calloc(1, sizeof *event);
    (void)q, (void)dim, (void)offset, (void)local, (void)n, (void)waits;
    if (!strcmp(kernel->name, "crash"))
        raise(SIGSEGV);
    if (!strcmp(kernel->name, "hang"))
        for (;;)
            pause();
    poisoned |= !strcmp(kernel->name, "poison");
    event->queued = now;
    event->start = now + 5000;
    event->end = event->start + 1000 + 10 * global[0];
    now = event->end;
    *out = (cl_event)event;
    return CL_SUCCESS;
}

cl_int clGetEventProfilingInfo(cl_event e, cl_uint query, size_t room, void *out, size_t *size) {
    struct event *event = (struct event *)(void *)e;
    cl_ulong value = query == CL_PROFILING_COMMAND_QUEUED  ? event->queued
                     : query == CL_PROFILING_COMMAND_START ? event->start
                                                           : event->end;
    (void)room, (void)size;
    memcpy(out, &value, sizeof value);
    return CL_SUCCESS;
}

cl_int clReleaseEvent(cl_event e) {
    free(e);
    return CL_SUCCESS;
}

/* As on real GPUs, nothing of a context works after a fault in it. */
cl_int clWaitForEvents(cl_uint n, const cl_event *events) {
    (void)n, (void)events;
    return poisoned ? CL_OUT_OF_RESOURCES : CL_SUCCESS;
}

cl_int clEnqueueWriteBuffer(cl_command_queue q, cl_mem m, cl_bool blocking, size_t offset,
                            size_t size, const void *data, cl_uint n, const cl_event *waits,
                            cl_event *out) {
    (void)q, (void)m, (void)blocking, (void)offset, (void)size, (void)data, (void)n, (void)waits;
    (void)out;
    return CL_SUCCESS;
}

cl_int clEnqueueCopyBuffer(cl_command_queue q, cl_mem from, cl_mem to, size_t a, size_t b,
                           size_t size, cl_uint n, const cl_event *waits, cl_event *out) {
    (void)q, (void)from, (void)to, (void)a, (void)b, (void)size, (void)n, (void)waits, (void)out;
    return CL_SUCCESS;
}
