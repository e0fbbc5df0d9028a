/*
 * A driver library as boards have it: OpenCL exported without a loader, under the driver's name.
 * It executes nothing; it checks what arrives and calls its own exported functions, as drivers do.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi.h"

struct object {
    int references;
    cl_bitfield properties;
    void *queue;
    cl_ulong time;
};

static struct object platform, device;
static cl_ulong ticks = 1000;

static void *make(cl_int *error) {
    struct object *o = calloc(1, sizeof *o);
    o->references = 1;
    if (error)
        *error = CL_SUCCESS;
    return o;
}

static cl_int give(const void *data, size_t size, size_t room, void *out, size_t *needed) {
    if (out && room < size)
        return CL_INVALID_VALUE;
    if (out)
        memcpy(out, data, size);
    if (needed)
        *needed = size;
    return CL_SUCCESS;
}

static cl_int text(const char *string, size_t room, void *out, size_t *needed) {
    return give(string, strlen(string) + 1, room, out, needed);
}

cl_int clGetPlatformIDs(cl_uint room, cl_platform_id *out, cl_uint *count) {
    if (out && room)
        out[0] = (cl_platform_id)(void *)&platform;
    if (count)
        *count = 1;
    return CL_SUCCESS;
}

cl_int clGetPlatformInfo(cl_platform_id p, cl_uint query, size_t room, void *out, size_t *size) {
    (void)p;
    return query >= 0x900 && query <= 0x904 ? text("ARM Platform", room, out, size)
                                            : CL_INVALID_VALUE;
}

cl_int clGetDeviceIDs(cl_platform_id p, cl_bitfield type, cl_uint room, cl_device_id *out,
                      cl_uint *count) {
    (void)p;
    (void)type;
    if (out && room)
        out[0] = (cl_device_id)(void *)&device;
    if (count)
        *count = 1;
    return CL_SUCCESS;
}

cl_int clGetDeviceInfo(cl_device_id d, cl_uint query, size_t room, void *out, size_t *size) {
    cl_ulong memory = 1u << 30;
    cl_uint bits = 8 * sizeof(void *);
    (void)d;
    if (query == 0x102B)
        return text("Mali-T628", room, out, size);
    if (query == 0x1010)
        return give(&memory, sizeof memory, room, out, size);
    if (query == 0x100D)
        return give(&bits, sizeof bits, room, out, size);
    return CL_INVALID_VALUE;
}

cl_context clCreateContext(const cl_ptr_properties *properties, cl_uint count,
                           const cl_device_id *devices, context_notify notify, void *user,
                           cl_int *error) {
    (void)properties, (void)count, (void)devices, (void)notify, (void)user;
    return make(error);
}

cl_int clGetContextInfo(cl_context c, cl_uint query, size_t room, void *out, size_t *size) {
    void *d = &device;
    (void)c;
    return query == CL_CONTEXT_DEVICES ? give(&d, sizeof d, room, out, size) : CL_INVALID_VALUE;
}

cl_command_queue clCreateCommandQueue(cl_context c, cl_device_id d, cl_bitfield properties,
                                      cl_int *error) {
    (void)c, (void)d;
    struct object *o = make(error);
    o->properties = properties;
    return (cl_command_queue)o;
}

cl_int clGetCommandQueueInfo(cl_command_queue q, cl_uint query, size_t room, void *out,
                             size_t *size) {
    return query == CL_QUEUE_PROPERTIES
               ? give(&((struct object *)(void *)q)->properties, 8, room, out, size)
               : CL_INVALID_VALUE;
}

cl_program clCreateProgramWithSource(cl_context c, cl_uint count, const char **strings,
                                     const size_t *lengths, cl_int *error) {
    (void)c, (void)count, (void)strings, (void)lengths;
    return make(error);
}

cl_int clBuildProgram(cl_program p, cl_uint count, const cl_device_id *devices,
                      const char *options, program_notify notify, void *user) {
    (void)p, (void)count, (void)devices, (void)options, (void)notify, (void)user;
    return CL_SUCCESS;
}

cl_int clGetProgramInfo(cl_program p, cl_uint query, size_t room, void *out, size_t *size) {
    void *d = &device;
    (void)p;
    return query == CL_PROGRAM_DEVICES ? give(&d, sizeof d, room, out, size) : CL_INVALID_VALUE;
}

cl_kernel clCreateKernel(cl_program p, const char *name, cl_int *error) {
    (void)p, (void)name;
    return make(error);
}

cl_int clGetKernelInfo(cl_kernel k, cl_uint query, size_t room, void *out, size_t *size) {
    cl_uint count = 3;
    (void)k;
    if (query == CL_KERNEL_FUNCTION_NAME)
        return text("work", room, out, size);
    return query == CL_KERNEL_NUM_ARGS ? give(&count, 4, room, out, size) : CL_INVALID_VALUE;
}

cl_int clGetKernelWorkGroupInfo(cl_kernel k, cl_device_id d, cl_uint query, size_t room, void *out,
                                size_t *size) {
    (void)k, (void)d, (void)query, (void)room, (void)out, (void)size;
    return CL_INVALID_VALUE;
}

cl_int clSetKernelArg(cl_kernel k, cl_uint index, size_t size, const void *value) {
    (void)k, (void)size, (void)value;
    return index < 3 ? CL_SUCCESS : -49;
}

cl_mem clCreateBuffer(cl_context c, cl_bitfield flags, size_t size, void *host, cl_int *error) {
    (void)c, (void)flags, (void)size, (void)host;
    return make(error);
}

cl_mem clImportMemoryARM(cl_context c, cl_bitfield flags, const cl_ptr_properties *properties,
                         void *memory, size_t size, cl_int *error) {
    (void)c, (void)flags, (void)properties, (void)memory, (void)size;
    return make(error);
}

cl_int clRetainEvent(cl_event e) {
    ((struct object *)(void *)e)->references++;
    return CL_SUCCESS;
}

cl_int clReleaseEvent(cl_event e) {
    struct object *o = (struct object *)(void *)e;
    if (--o->references == 0)
        free(o);
    return CL_SUCCESS;
}

static void event_of(cl_command_queue queue, cl_event *event) {
    if (!event)
        return;
    struct object *o = make(NULL);
    o->queue = queue;
    o->time = ticks += 100;
    *event = (cl_event)o;
    /* Through the exported names, so that a shim in front of them sees it. */
    clRetainEvent(*event);
    clReleaseEvent(*event);
}

cl_int clGetEventInfo(cl_event e, cl_uint query, size_t room, void *out, size_t *size) {
    return query == CL_EVENT_COMMAND_QUEUE
               ? give(&((struct object *)(void *)e)->queue, sizeof(void *), room, out, size)
               : CL_INVALID_VALUE;
}

cl_int clGetEventProfilingInfo(cl_event e, cl_uint query, size_t room, void *out, size_t *size) {
    cl_ulong time = ((struct object *)(void *)e)->time + (query - CL_PROFILING_COMMAND_QUEUED);
    return give(&time, sizeof time, room, out, size);
}

cl_int clEnqueueNDRangeKernel(cl_command_queue q, cl_kernel k, cl_uint dimensions,
                              const size_t *offset, const size_t *global, const size_t *local,
                              cl_uint count, const cl_event *list, cl_event *event) {
    (void)k, (void)offset;
    if (dimensions != 2 || global[0] != 64 || global[1] != 3 || !local || local[0] != 16 ||
        (count && !list[0]))
        return CL_INVALID_VALUE;
    event_of(q, event);
    return CL_SUCCESS;
}

cl_int clEnqueueReadBuffer(cl_command_queue q, cl_mem m, cl_bool blocking, size_t offset,
                           size_t size, void *out, cl_uint count, const cl_event *list,
                           cl_event *event) {
    (void)m, (void)blocking, (void)count, (void)list;
    memset(out, (int)offset, size);
    event_of(q, event);
    return CL_SUCCESS;
}

cl_int clFinish(cl_command_queue q) {
    (void)q;
    return CL_SUCCESS;
}

/* Not recorded by the shim: ten arguments, most of them on the stack on 32-bit boards. */
cl_int clEnqueueNativeKernel(cl_command_queue q, void (*function)(void *), void *arguments,
                             size_t bytes, cl_uint count, const cl_mem *list, const void **places,
                             cl_uint events, const cl_event *waits, cl_event *event) {
    (void)q;
    if (bytes != 11 || count != 12 || events != 13 || list != (void *)14 || places != (void *)15 ||
        waits != (void *)16 || event != (void *)17)
        return CL_INVALID_VALUE;
    function(arguments);
    return CL_SUCCESS;
}

/* The driver's library holds more than OpenCL. */
int eglFakeEntry(void) { return 77; }
