/* Buffers, sub-buffers, maps, fills, copies, rectangles, images, samplers, shared memory. */
#include "common.h"

static const char *source =
    "kernel void gather(global const int *index, global const float *x, global float *y) {\n"
    "    int i = get_global_id(0);\n"
    "    y[i] = x[index[i]];\n"
    "}\n"
    "kernel void sample(read_only image2d_t image, sampler_t s, global float4 *out) {\n"
    "    int i = get_global_id(0);\n"
    "    out[i] = read_imagef(image, s, (int2)(i, 0));\n"
    "}\n"
    "kernel void store(global int *x) { x[get_global_id(0)] = 3; }\n";

static cl_command_queue queue;
static cl_program program;

static void buffers(void) {
    static int index[4096];
    static float x[4096], y[4096];
    for (int i = 0; i < 4096; i++) {
        index[i] = 4095 - i;
        x[i] = (float)i;
    }
    cl_mem parent = buffer_of(2 * sizeof index, 1, NULL);
    cl_buffer_region region = {sizeof index, sizeof index};
    cl_mem part = clCreateSubBuffer(parent, 1, CL_BUFFER_CREATE_TYPE_REGION, &region, &error);
    CHECK(error);
    int *mapped = clEnqueueMapBuffer(queue, part, 1, CL_MAP_WRITE, 0, sizeof index, 0, NULL, NULL,
                                     &error);
    CHECK(error);
    memcpy(mapped, index, sizeof index);
    CHECK(clEnqueueUnmapMemObject(queue, part, mapped, 0, NULL, NULL));
    cl_mem from = buffer_of(sizeof x, CL_MEM_COPY_HOST_PTR, x);
    cl_mem to = buffer_of(sizeof y, 1, NULL), copy = buffer_of(sizeof y, 1, NULL);
    float zero = 0.0f;
    CHECK(clEnqueueFillBuffer(queue, to, &zero, sizeof zero, 0, sizeof y, 0, NULL, NULL));
    cl_kernel kernel = kernel_named(program, "gather");
    CHECK(clSetKernelArg(kernel, 0, sizeof part, &part));
    CHECK(clSetKernelArg(kernel, 1, sizeof from, &from));
    CHECK(clSetKernelArg(kernel, 2, sizeof to, &to));
    size_t global = 4096;
    CHECK(clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &global, NULL, 0, NULL, NULL));
    CHECK(clEnqueueCopyBuffer(queue, to, copy, 0, 4, sizeof y - 4, 0, NULL, NULL));
    CHECK(clEnqueueReadBuffer(queue, copy, 1, 0, sizeof y, y, 0, NULL, NULL));
    EXPECT(y[1] == 4095.0f);

    /* 4 rows of 8 bytes in a buffer with rows of 64 bytes: holes stay as they are. */
    size_t origin[3] = {8, 1, 0}, host[3] = {0, 0, 0}, box[3] = {8, 4, 1};
    CHECK(clEnqueueWriteBufferRect(queue, copy, 1, origin, host, box, 64, 0, 8, 0, index, 0, NULL,
                                   NULL));
    size_t wide[3] = {64, 4, 1}, start[3] = {0, 0, 0};
    CHECK(clEnqueueWriteBufferRect(queue, to, 1, start, host, wide, 64, 0, 64, 0, index, 0, NULL,
                                   NULL));
    CHECK(clEnqueueCopyBufferRect(queue, copy, to, origin, start, box, 64, 0, 64, 0, 0, NULL,
                                  NULL));
    CHECK(clEnqueueReadBufferRect(queue, to, 1, start, host, box, 64, 0, 8, 0, y, 0, NULL, NULL));
    EXPECT(!memcmp(y, index, 32));
    CHECK(clReleaseMemObject(part));
    CHECK(clReleaseMemObject(parent));
}

static void images(void) {
    static float pixels[4 * 16 * 8], back[4 * 16 * 8];
    for (int i = 0; i < 4 * 16 * 8; i++)
        pixels[i] = (float)i;
    cl_image_format format = {0x10B5, 0x10DE}; /* RGBA, FLOAT */
    cl_image_desc shape = {.type = CL_MEM_OBJECT_IMAGE2D, .width = 16, .height = 8};
    cl_mem image =
        clCreateImage(context, 1 | CL_MEM_COPY_HOST_PTR, &format, &shape, pixels, &error);
    CHECK(error);
    cl_mem other = clCreateImage2D(context, 1, &format, 16, 8, 0, NULL, &error);
    CHECK(error);
    size_t origin[3] = {0, 0, 0}, whole[3] = {16, 8, 1}, part[3] = {4, 2, 1};
    CHECK(clEnqueueWriteImage(queue, image, 1, origin, whole, 0, 0, pixels, 0, NULL, NULL));
    CHECK(clEnqueueWriteImage(queue, image, 1, origin, part, 0, 0, pixels, 0, NULL, NULL));
    CHECK(clEnqueueWriteImage(queue, image, 1, origin, whole, 0, 0, pixels, 0, NULL, NULL));
    CHECK(clEnqueueCopyImage(queue, image, other, origin, origin, whole, 0, NULL, NULL));
    size_t row = 0;
    float *mapped = clEnqueueMapImage(queue, other, 1, CL_MAP_WRITE, origin, whole, &row, NULL, 0,
                                      NULL, NULL, &error);
    CHECK(error);
    mapped[0] = 42.0f;
    CHECK(clEnqueueUnmapMemObject(queue, other, mapped, 0, NULL, NULL));
    CHECK(clEnqueueReadImage(queue, other, 1, origin, whole, 0, 0, back, 0, NULL, NULL));
    EXPECT(back[0] == 42.0f && back[5] == 5.0f);
    cl_mem out = buffer_of(sizeof pixels, 1, NULL);
    CHECK(clEnqueueCopyImageToBuffer(queue, other, out, origin, whole, 0, 0, NULL, NULL));
    CHECK(clEnqueueCopyBufferToImage(queue, out, image, 0, origin, whole, 0, NULL, NULL));
    cl_sampler sampler = clCreateSampler(context, 0, 0x1131, 0x1140, &error);
    CHECK(error);
    cl_kernel kernel = kernel_named(program, "sample");
    CHECK(clSetKernelArg(kernel, 0, sizeof image, &image));
    CHECK(clSetKernelArg(kernel, 1, sizeof sampler, &sampler));
    CHECK(clSetKernelArg(kernel, 2, sizeof out, &out));
    size_t global = 16;
    CHECK(clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &global, NULL, 0, NULL, NULL));
    CHECK(clEnqueueReadBuffer(queue, out, 1, 0, 64, back, 0, NULL, NULL));
    EXPECT(back[0] == 42.0f && back[5] == 5.0f);
    CHECK(clReleaseMemObject(image));
    CHECK(clReleaseSampler(sampler));
}

static void shared_memory(void) {
    cl_ulong capabilities = 0;
    clGetDeviceInfo(device, 0x1053, sizeof capabilities, &capabilities, NULL);
    int *x = capabilities ? clSVMAlloc(context, 1, 1024, 0) : NULL;
    if (!x) {
        printf("no shared memory\n");
        return;
    }
    cl_kernel kernel = kernel_named(program, "store");
    size_t global = 16;
    CHECK(clSetKernelArgSVMPointer(kernel, 0, x + 16));
    CHECK(clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &global, NULL, 0, NULL, NULL));
    CHECK(clEnqueueSVMMap(queue, 1, 1, x, 1024, 0, NULL, NULL));
    EXPECT(x[31] == 3);
    CHECK(clEnqueueSVMUnmap(queue, x, 0, NULL, NULL));
    CHECK(clFinish(queue));
    clSVMFree(context, x);
}

/* Drivers hand out an address again; every buffer is another one all the same. */
static void reuse(void) {
    static char bytes[64];
    cl_kernel kernel = kernel_named(program, "store");
    size_t global = 16;
    for (int i = 0; i < 8; i++) {
        cl_mem memory = buffer_of(sizeof bytes, 1, NULL);
        CHECK(clSetKernelArg(kernel, 0, sizeof memory, &memory));
        CHECK(clEnqueueNDRangeKernel(queue, kernel, 1, NULL, &global, NULL, 0, NULL, NULL));
        CHECK(clFinish(queue));
        CHECK(clReleaseMemObject(memory));
    }
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    open_device(CL_DEVICE_TYPE_ALL);
    queue = queue_with(0);
    program = build_source(source, NULL);
    if (!strcmp(what, "buffers"))
        buffers();
    else if (!strcmp(what, "images"))
        images();
    else if (!strcmp(what, "svm"))
        shared_memory();
    else
        reuse();
    CHECK(clFinish(queue));
    return 0;
}
