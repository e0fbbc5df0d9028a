/* Nanoseconds per launch (two arguments set, one enqueue, a finish every 256), one line a round. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "abi.h"

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

int main(int argc, char **argv) {
    int launches = argc > 1 ? atoi(argv[1]) : 2048, rounds = argc > 2 ? atoi(argv[2]) : 5;
    cl_platform_id platform;
    cl_device_id device;
    cl_int rc;
    if (clGetPlatformIDs(1, &platform, NULL) ||
        clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, NULL))
        return 1;
    cl_context context = clCreateContext(NULL, 1, &device, NULL, NULL, &rc);
    cl_command_queue queue = clCreateCommandQueue(context, device, 0, &rc);
    const char *source = "kernel void add(global int *x, int by) { x[get_global_id(0)] += by; }";
    cl_program program = clCreateProgramWithSource(context, 1, &source, NULL, &rc);
    if (clBuildProgram(program, 1, &device, "", NULL, NULL))
        return 1;
    cl_kernel kernel = clCreateKernel(program, "add", &rc);
    cl_mem memory = clCreateBuffer(context, 1, 256, NULL, &rc);
    size_t global = 1, local = 1;
    for (int round = 0; round < rounds + 1; round++) {
        double start = now();
        for (int i = 0; i < launches; i++) {
            cl_int by = i & 1;
            rc |= clSetKernelArg(kernel, 0, sizeof memory, &memory);
            rc |= clSetKernelArg(kernel, 1, sizeof by, &by);
            rc |= clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &global, &local, 0, NULL, NULL);
            if (i % 256 == 255)
                rc |= clFinish(queue);
        }
        rc |= clFinish(queue);
        double each = (now() - start) / launches;
        if (round)
            printf("%.1f\n", each);
    }
    return rc != 0;
}
