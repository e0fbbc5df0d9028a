/* The OpenCL calls that the replayer makes, found in the board's library at run time. */
#ifndef GPUSIM_REPLAYER_OPENCL_H
#define GPUSIM_REPLAYER_OPENCL_H

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "abi.h"

#define CALLS(CALL)                                                                              \
    CALL(clGetPlatformIDs)                                                                       \
    CALL(clGetDeviceIDs)                                                                         \
    CALL(clGetDeviceInfo)                                                                        \
    CALL(clCreateContext)                                                                        \
    CALL(clReleaseContext)                                                                       \
    CALL(clCreateCommandQueue)                                                                   \
    CALL(clReleaseCommandQueue)                                                                  \
    CALL(clCreateBuffer)                                                                         \
    CALL(clCreateSubBuffer)                                                                      \
    CALL(clReleaseMemObject)                                                                     \
    CALL(clCreateSampler)                                                                        \
    CALL(clCreateProgramWithSource)                                                              \
    CALL(clBuildProgram)                                                                         \
    CALL(clCreateKernel)                                                                         \
    CALL(clSetKernelArg)                                                                         \
    CALL(clGetEventProfilingInfo)                                                                \
    CALL(clReleaseEvent)                                                                         \
    CALL(clWaitForEvents)                                                                        \
    CALL(clEnqueueWriteBuffer)                                                                   \
    CALL(clEnqueueCopyBuffer)                                                                    \
    CALL(clEnqueueNDRangeKernel)
/* OpenCL 1.2; an older driver lacks it. */
#define NEWER_CALLS(CALL) CALL(clCreateImage)

#define POINTER(name) static __typeof__(&name) p_##name;
CALLS(POINTER)
NEWER_CALLS(POINTER)

static const char *const libraries[] = {
    "libOpenCL.so.1",
    "libOpenCL.so",
    "libmali.so",
    "libGLES_mali.so",
    "/usr/lib/aarch64-linux-gnu/libmali.so",
    "/usr/lib/arm-linux-gnueabihf/libmali.so",
    "/vendor/lib64/libOpenCL.so",
    "/vendor/lib64/egl/libGLES_mali.so",
};

/* Return NULL, or why there is no usable library. */
static const char *load_opencl(const char *named) {
    void *library = named ? dlopen(named, RTLD_NOW) : NULL;
    if (named && !library)
        return dlerror();
    for (size_t i = 0; !library && i < sizeof libraries / sizeof *libraries; i++)
        library = dlopen(libraries[i], RTLD_NOW);
    if (!library)
        return "no OpenCL library found; --library PATH names one";
#define LOAD(name) p_##name = (__typeof__(p_##name))dlsym(library, #name);
    CALLS(LOAD)
    NEWER_CALLS(LOAD)
#define CHECK(name)                                                                              \
    if (!p_##name)                                                                               \
        return "the library lacks " #name;
    CALLS(CHECK)
    return NULL;
}

#endif
