/* What the test programs share. They use the shim's own declarations: no OpenCL headers needed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi.h"

#define CHECK(expression)                                                                          \
    do {                                                                                           \
        cl_int rc_ = (expression);                                                                 \
        if (rc_ != CL_SUCCESS) {                                                                   \
            fprintf(stderr, "%s:%d: %s gave %d\n", __FILE__, __LINE__, #expression, rc_);          \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)
#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static cl_device_id device;
static cl_context context;
static cl_int error;

static inline void open_device(cl_bitfield type) {
    cl_platform_id platform;
    CHECK(clGetPlatformIDs(1, &platform, NULL));
    CHECK(clGetDeviceIDs(platform, type, 1, &device, NULL));
    context = clCreateContext(NULL, 1, &device, NULL, NULL, &error);
    CHECK(error);
}

static inline cl_program build_source(const char *source, const char *options) {
    cl_program program = clCreateProgramWithSource(context, 1, &source, NULL, &error);
    CHECK(error);
    cl_int rc = clBuildProgram(program, 1, &device, options, NULL, NULL);
    if (rc != CL_SUCCESS) {
        char log[4096] = "";
        clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, sizeof log, log, NULL);
        fprintf(stderr, "build gave %d: %s\n", rc, log);
        exit(1);
    }
    return program;
}

static inline cl_kernel kernel_named(cl_program program, const char *name) {
    cl_kernel kernel = clCreateKernel(program, name, &error);
    CHECK(error);
    return kernel;
}

static inline cl_mem buffer_of(size_t size, cl_bitfield flags, void *host) {
    cl_mem memory = clCreateBuffer(context, flags, size, host, &error);
    CHECK(error);
    return memory;
}

static inline cl_command_queue queue_with(cl_bitfield properties) {
    cl_command_queue queue = clCreateCommandQueue(context, device, properties, &error);
    CHECK(error);
    return queue;
}
