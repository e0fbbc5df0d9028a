/* `basic N [kill]`: N launches with two argument sets; ends by SIGKILL when asked to. */
#include <signal.h>

#include "common.h"

static const char *source =
    "kernel void scale(global const float *in, global float *out, const int n, const float f) {\n"
    "    int i = get_global_id(0);\n"
    "    if (i < n) out[i] = in[i] * f;\n"
    "}\n";

int main(int argc, char **argv) {
    int launches = argc > 1 ? atoi(argv[1]) : 1;
    static float data[256];
    open_device(CL_DEVICE_TYPE_ALL);
    cl_command_queue queue = queue_with(0);
    cl_kernel kernel = kernel_named(build_source(source, "-DUNUSED=1"), "scale");
    for (int i = 0; i < 256; i++)
        data[i] = (float)i;
    cl_mem in = buffer_of(sizeof data, CL_MEM_COPY_HOST_PTR, data);
    cl_mem out = buffer_of(sizeof data, 1, NULL);
    CHECK(clSetKernelArg(kernel, 0, sizeof in, &in));
    CHECK(clSetKernelArg(kernel, 1, sizeof out, &out));
    CHECK(clSetKernelArg(kernel, 2, sizeof(cl_int), &(cl_int){256}));
    for (int i = 0; i < launches; i++) {
        float factor = i % 2 ? 2.0f : 3.0f;
        size_t global = 256, local = 64;
        CHECK(clSetKernelArg(kernel, 3, sizeof factor, &factor));
        CHECK(clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &global, i % 2 ? NULL : &local, 0,
                                     NULL, NULL));
        if (i % 256 == 255)
            CHECK(clFinish(queue));
    }
    CHECK(clEnqueueReadBuffer(queue, out, 1, 0, sizeof data, data, 0, NULL, NULL));
    if (argc > 2 && !strcmp(argv[2], "kill"))
        raise(SIGKILL);
    EXPECT(data[100] == (launches % 2 ? 300.0f : 200.0f));
    CHECK(clReleaseMemObject(in));
    CHECK(clReleaseMemObject(out));
    CHECK(clReleaseKernel(kernel));
    CHECK(clReleaseCommandQueue(queue));
    CHECK(clReleaseContext(context));
    return 0;
}
