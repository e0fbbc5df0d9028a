/* What a program meets of a device's limits; run as a Mali-G72. */
#include "common.h"

static const char *source =
    "kernel void ids(global int *x) { x[get_global_id(0)] = get_global_size(0); }\n"
    "kernel void local_ids(global int *x, local int *t) {\n"
    "    int l = get_local_id(0);\n"
    "    t[l] = l;\n"
    "    barrier(CLK_LOCAL_MEM_FENCE);\n"
    "    x[get_global_id(0)] = t[l] + 100 * get_local_size(0);\n"
    "}\n";
static const char *local_only =
    "kernel void local_ids(global int *x) {\n"
    "    x[get_global_id(0)] = get_local_id(0) + 100 * get_local_size(0);\n"
    "}\n";

static cl_command_queue queue;
static cl_int out[4096];

static cl_int run(cl_kernel kernel, size_t global, size_t local) {
    cl_event event;
    cl_int rc = clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &global, &local, 0, NULL, &event);
    if (rc == CL_SUCCESS) {
        CHECK(clWaitForEvents(1, &event));
        CHECK(clReleaseEvent(event));
    }
    return rc;
}

int main(void) {
    open_device(4 /* CL_DEVICE_TYPE_GPU */);
    cl_platform_id platform;
    cl_device_id none;
    CHECK(clGetPlatformIDs(1, &platform, NULL));
    EXPECT(clGetDeviceIDs(platform, 2 /* CPU */, 1, &none, NULL) == CL_DEVICE_NOT_FOUND);
    cl_context of_type = clCreateContextFromType(NULL, 4, NULL, NULL, &error);
    EXPECT(error == CL_SUCCESS && of_type);
    queue = queue_with(0);

    cl_ulong largest = 0, memory = 0;
    CHECK(clGetDeviceInfo(device, 0x1010, sizeof largest, &largest, NULL));
    CHECK(clGetDeviceInfo(device, 0x101F, sizeof memory, &memory, NULL));
    EXPECT(!clCreateBuffer(context, 1, largest + 1, NULL, &error));
    EXPECT(error == CL_INVALID_BUFFER_SIZE);
    cl_mem many[64];
    unsigned n = 0;
    while (n < 64 && (many[n] = clCreateBuffer(context, 1, largest, NULL, &error)))
        n++;
    EXPECT(n == memory / largest && error == CL_MEM_OBJECT_ALLOCATION_FAILURE);
    for (unsigned i = 0; i < n; i++)
        CHECK(clReleaseMemObject(many[i]));
    CHECK(clReleaseMemObject(buffer_of(largest, 1, NULL)));
    cl_image_format format = {0x10B5, 0x10DE};
    cl_image_desc wide = {.type = CL_MEM_OBJECT_IMAGE2D, .width = 1 << 20, .height = 1};
    EXPECT(!clCreateImage(context, 1, &format, &wide, NULL, &error));
    EXPECT(error == CL_INVALID_IMAGE_SIZE);

    cl_program uniform = build_source(source, ""), ragged = build_source(source, "-cl-std=CL2.0");
    cl_program arm = build_source(local_only, "-cl-arm-non-uniform-work-group-size");
    cl_mem x = buffer_of(sizeof out, 1, NULL);
    cl_kernel kernel = kernel_named(uniform, "ids");
    size_t group = 0;
    CHECK(clGetKernelWorkGroupInfo(kernel, device, CL_KERNEL_WORK_GROUP_SIZE, sizeof group, &group,
                                   NULL));
    EXPECT(group == 384);
    CHECK(clSetKernelArg(kernel, 0, sizeof x, &x));
    EXPECT(run(kernel, 512, 512) == CL_INVALID_WORK_ITEM_SIZE);
    EXPECT(run(kernel, 10, 4) == CL_INVALID_WORK_GROUP_SIZE);
    size_t square[2] = {32, 32};
    EXPECT(clEnqueueNDRangeKernel(queue, kernel, 2, NULL, square, square, 0, NULL, NULL) ==
           CL_INVALID_WORK_GROUP_SIZE);
    CHECK(run(kernel, 768, 384));
    cl_kernel local = kernel_named(uniform, "local_ids");
    CHECK(clSetKernelArg(local, 0, sizeof x, &x));
    CHECK(clSetKernelArg(local, 1, 65536, NULL));
    EXPECT(run(local, 64, 64) == CL_OUT_OF_RESOURCES);
    CHECK(clSetKernelArg(local, 1, 256, NULL));
    CHECK(run(local, 64, 64));

    /* get_global_size() must be right in a launch of 10 by 4, and local ids in another. */
    kernel = kernel_named(ragged, "ids");
    CHECK(clSetKernelArg(kernel, 0, sizeof x, &x));
    CHECK(run(kernel, 10, 4));
    CHECK(clEnqueueReadBuffer(queue, x, 1, 0, 40, out, 0, NULL, NULL));
    for (int i = 0; i < 10; i++)
        EXPECT(out[i] == 10);
    kernel = kernel_named(arm, "local_ids");
    CHECK(clSetKernelArg(kernel, 0, sizeof x, &x));
    CHECK(run(kernel, 10, 4));
    CHECK(clEnqueueReadBuffer(queue, x, 1, 0, 40, out, 0, NULL, NULL));
    for (int i = 0; i < 10; i++)
        EXPECT(out[i] == i % 4 + (i < 8 ? 400 : 200));
    size_t plane[2] = {7, 5}, tile[2] = {4, 2}, from[2] = {16, 0};
    CHECK(clEnqueueNDRangeKernel(queue, kernel, 2, from, plane, tile, 0, NULL, NULL));
    CHECK(clFinish(queue));
    return 0;
}
