/* Four threads launch on queues of their own, `threads fork`: a parent and a child that each do. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common.h"

static const char *source = "kernel void add(global int *x, int by) { x[get_global_id(0)] += by; }";
static cl_program program;

static void *work(void *number) {
    int by = (int)(intptr_t)number;
    cl_command_queue queue = queue_with(0);
    cl_kernel kernel = kernel_named(program, "add");
    cl_mem x = buffer_of(256, 1, NULL);
    size_t global = 64;
    CHECK(clSetKernelArg(kernel, 0, sizeof x, &x));
    CHECK(clSetKernelArg(kernel, 1, sizeof by, &by));
    for (int i = 0; i < 200; i++)
        CHECK(clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &global, NULL, 0, NULL, NULL));
    CHECK(clFinish(queue));
    return NULL;
}

static void open_and_work(int number) {
    open_device(CL_DEVICE_TYPE_ALL);
    program = build_source(source, NULL);
    work((void *)(intptr_t)number);
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    if (!strcmp(what, "fork")) {
        pid_t child = fork();
        open_and_work(child ? 1 : 2);
        int status = 0;
        if (child)
            waitpid(child, &status, 0);
        return status != 0;
    }
    open_device(CL_DEVICE_TYPE_ALL);
    program = build_source(source, NULL);
    if (!strcmp(what, "inherit")) {
        cl_mem x = buffer_of(256, 1, NULL);
        work((void *)7);
        pid_t child = fork();
        if (!child) {
            /* The runtime's threads are gone here; creating objects needs none. */
            cl_buffer_region region = {0, 128};
            clCreateSubBuffer(x, 1, CL_BUFFER_CREATE_TYPE_REGION, &region, &error);
            _exit(error != CL_SUCCESS);
        }
        int status = 0;
        waitpid(child, &status, 0);
        return status != 0;
    }
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, work, (void *)(intptr_t)(i + 1));
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    return 0;
}
