/* `byname LIBRARY`: loads OpenCL by name with private scope, as ACL and TVM do. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>

#include "abi.h"

#define LOAD(name) __typeof__(&name) p_##name = (__typeof__(&name))dlsym(library, #name)

int main(int argc, char **argv) {
    void *library = dlopen(argc > 1 ? argv[1] : "libOpenCL.so.1", RTLD_LAZY | RTLD_LOCAL);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    LOAD(clGetPlatformIDs);
    LOAD(clGetDeviceIDs);
    LOAD(clCreateContext);
    LOAD(clCreateCommandQueue);
    LOAD(clCreateProgramWithSource);
    LOAD(clBuildProgram);
    LOAD(clCreateKernel);
    LOAD(clCreateBuffer);
    LOAD(clSetKernelArg);
    LOAD(clEnqueueNDRangeKernel);
    LOAD(clEnqueueReadBuffer);
    LOAD(clImportMemoryARM);
    cl_platform_id platform;
    cl_device_id device;
    cl_int rc = p_clGetPlatformIDs(1, &platform, NULL);
    rc |= p_clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, NULL);
    cl_context context = p_clCreateContext(NULL, 1, &device, NULL, NULL, &rc);
    cl_command_queue queue = p_clCreateCommandQueue(context, device, 0, &rc);
    const char *source = "kernel void fill(global int *out) { out[get_global_id(0)] = 7; }";
    cl_program program = p_clCreateProgramWithSource(context, 1, &source, NULL, &rc);
    rc |= p_clBuildProgram(program, 1, &device, "", NULL, NULL);
    cl_kernel kernel = p_clCreateKernel(program, "fill", &rc);
    static cl_int out[64] __attribute__((aligned(4096)));
    cl_mem memory = p_clImportMemoryARM
                        ? p_clImportMemoryARM(context, 1, NULL, out, sizeof out, &rc)
                        : p_clCreateBuffer(context, 1, sizeof out, NULL, &rc);
    size_t global = 64;
    rc |= p_clSetKernelArg(kernel, 0, sizeof memory, &memory);
    rc |= p_clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &global, NULL, 0, NULL, NULL);
    rc |= p_clEnqueueReadBuffer(queue, memory, 1, 0, sizeof out, out, 0, NULL, NULL);
    printf("%d %d %s\n", rc, out[63], p_clImportMemoryARM ? "import" : "plain");
    return rc != 0 || out[63] != 7;
}
