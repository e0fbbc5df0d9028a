/* `board linked N` or `board LIBRARY N`: what programs on boards do, against fake_mali.c. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi.h"

cl_int clEnqueueNativeKernel(cl_command_queue, void (*)(void *), void *, size_t, cl_uint,
                             const cl_mem *, const void **, cl_uint, const cl_event *, cl_event *);
int eglFakeEntry(void);

#define FOR_ALL(DO)                                                                                \
    DO(clGetPlatformIDs) DO(clGetDeviceIDs) DO(clGetDeviceInfo) DO(clCreateContext)                \
    DO(clCreateCommandQueue) DO(clCreateProgramWithSource) DO(clBuildProgram) DO(clCreateKernel)   \
    DO(clCreateBuffer) DO(clImportMemoryARM) DO(clSetKernelArg) DO(clEnqueueNDRangeKernel)         \
    DO(clEnqueueReadBuffer) DO(clFinish) DO(clReleaseEvent) DO(clGetEventProfilingInfo)            \
    DO(clEnqueueNativeKernel) DO(eglFakeEntry)
#define DECLARE(name) static __typeof__(&name) p_##name;
#define LOAD(name) p_##name = (__typeof__(&name))dlsym(library, #name);
FOR_ALL(DECLARE)

static void mark(void *out) { *(int *)out = 5; }

#ifdef LINKED
#define LINK(name) p_##name = name;
static void find(const char *path) {
    (void)path;
    FOR_ALL(LINK)
}
#else
static void find(const char *path) {
    void *library = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    FOR_ALL(LOAD)
}
#endif

int main(int argc, char **argv) {
    cl_platform_id platform;
    cl_device_id device;
    cl_int rc = 0, bad = 0;
    char name[64], data[32];
    if (argc < 3)
        return 2;
    find(argv[1]);
    bad |= p_clGetPlatformIDs(1, &platform, NULL);
    bad |= p_clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, NULL);
    bad |= p_clGetDeviceInfo(device, CL_DEVICE_NAME, sizeof name, name, NULL);
    cl_context context = p_clCreateContext(NULL, 1, &device, NULL, NULL, &rc);
    cl_command_queue queue = p_clCreateCommandQueue(context, device, 0, &rc);
    const char *source = "kernel void work(global int *x, int n, local int *t) {}";
    cl_program program = p_clCreateProgramWithSource(context, 1, &source, NULL, &rc);
    bad |= p_clBuildProgram(program, 1, &device, "-DX=1", NULL, NULL);
    cl_kernel kernel = p_clCreateKernel(program, "work", &rc);
    cl_mem memory = p_clCreateBuffer(context, 1, 4096, NULL, &rc);
    cl_mem imported = p_clImportMemoryARM(context, 1, NULL, data, sizeof data, &rc);
    size_t global[2] = {64, 3}, local[2] = {16, 1};
    bad |= p_clSetKernelArg(kernel, 0, sizeof memory, &memory);
    bad |= p_clSetKernelArg(kernel, 2, 128, NULL);
    for (int i = 0; i < atoi(argv[2]); i++) {
        cl_int n = i % 4;
        cl_event event = NULL;
        bad |= p_clSetKernelArg(kernel, 1, sizeof n, &n);
        bad |= p_clEnqueueNDRangeKernel(queue, kernel, 2, NULL, global, local, 0, NULL,
                                        i % 2 ? &event : NULL);
        if (event)
            bad |= p_clReleaseEvent(event);
        if (i % 100 == 99)
            bad |= p_clFinish(queue);
    }
    cl_event event;
    cl_ulong time;
    bad |= p_clEnqueueReadBuffer(queue, memory, 1, 3, sizeof data, data, 0, NULL, &event);
    bad |= p_clGetEventProfilingInfo(event, CL_PROFILING_COMMAND_END, 8, &time, NULL) !=
           CL_PROFILING_INFO_NOT_AVAILABLE;
    int marked = 0;
    bad |= p_clEnqueueNativeKernel(queue, mark, &marked, 11, 12, (void *)14, (void *)15, 13,
                                   (void *)16, (void *)17);
    bad |= p_clFinish(queue);
    printf("%d %d %d %d %s %d\n", bad, rc, marked, data[31], name,
           p_eglFakeEntry ? p_eglFakeEntry() : -1);
    return bad || rc || !imported || marked != 5 || data[31] != 3;
}
