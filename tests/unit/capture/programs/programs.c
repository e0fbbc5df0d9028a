/* Compile and link with headers, clones, kernels in a program, binaries, what a build shows. */
#include "common.h"

static const char *header = "#define FACTOR 3\n";
static const char *source =
    "#include \"factor.h\"\n"
    "kernel void times(global int *x, int n) { x[get_global_id(0)] *= FACTOR * n; }\n"
    "kernel void other(global int *x) { x[0] = 1; }\n";

int main(void) {
    open_device(CL_DEVICE_TYPE_ALL);
    cl_command_queue queue = queue_with(0);
    cl_program text = clCreateProgramWithSource(context, 1, &source, NULL, &error);
    CHECK(error);
    cl_program included = clCreateProgramWithSource(context, 1, &header, NULL, &error);
    CHECK(error);
    const char *name = "factor.h";
    CHECK(clCompileProgram(text, 1, &device, "-DA=1", 1, &included, &name, NULL, NULL));
    cl_program program = clLinkProgram(context, 1, &device, "", 1, &text, NULL, NULL, &error);
    CHECK(error);
    cl_kernel kernels[2];
    cl_uint count = 0;
    CHECK(clCreateKernelsInProgram(program, 2, kernels, &count));
    EXPECT(count == 2);
    cl_kernel times = kernel_named(program, "times");
    int data[4] = {1, 2, 3, 4};
    cl_mem x = buffer_of(sizeof data, CL_MEM_COPY_HOST_PTR, data);
    CHECK(clSetKernelArg(times, 0, sizeof x, &x));
    CHECK(clSetKernelArg(times, 1, sizeof(int), &(int){2}));
    cl_kernel clone = clCloneKernel(times, &error);
    size_t global = 4;
    if (error == CL_SUCCESS) {
        CHECK(clSetKernelArg(clone, 1, sizeof(int), &(int){10}));
        CHECK(clEnqueueNDRangeKernel(queue, clone, 1, NULL, &global, NULL, 0, NULL, NULL));
    }
    CHECK(clEnqueueNDRangeKernel(queue, times, 1, NULL, &global, NULL, 0, NULL, NULL));
    CHECK(clEnqueueReadBuffer(queue, x, 1, 0, sizeof data, data, 0, NULL, NULL));
    printf("%s %d\n", error == CL_SUCCESS ? "clone" : "plain", data[3]);

    cl_program plain = build_source("kernel void k(global int *x) { x[0] = 1; }", "-DB=2");
    char options[256] = "";
    CHECK(clGetProgramBuildInfo(plain, device, CL_PROGRAM_BUILD_OPTIONS, sizeof options, options,
                                NULL));
    EXPECT(!strcmp(options, "-DB=2"));
    cl_uint address = 0;
    EXPECT(clGetKernelArgInfo(kernel_named(plain, "k"), 0, CL_KERNEL_ARG_ADDRESS_QUALIFIER,
                              sizeof address, &address,
                              NULL) == CL_KERNEL_ARG_INFO_NOT_AVAILABLE);

    const char *wrong = "kernel void k(global int *x) { x[0] = undeclared; }";
    cl_program broken = clCreateProgramWithSource(context, 1, &wrong, NULL, &error);
    EXPECT(clBuildProgram(broken, 1, &device, "", NULL, NULL) == CL_BUILD_PROGRAM_FAILURE);

    size_t size = 0;
    CHECK(clGetProgramInfo(plain, 0x1165, sizeof size, &size, NULL));
    unsigned char *binary = malloc(size);
    CHECK(clGetProgramInfo(plain, 0x1166, sizeof binary, &binary, NULL));
    const unsigned char *parts[] = {binary};
    cl_program loaded =
        clCreateProgramWithBinary(context, 1, &device, &size, parts, NULL, &error);
    CHECK(error);
    CHECK(clBuildProgram(loaded, 1, &device, "", NULL, NULL));
    cl_kernel k = kernel_named(loaded, "k");
    CHECK(clSetKernelArg(k, 0, sizeof x, &x));
    CHECK(clEnqueueNDRangeKernel(queue, k, 1, NULL, &global, NULL, 0, NULL, NULL));
    CHECK(clFinish(queue));
    return 0;
}
