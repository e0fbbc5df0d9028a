/* A single-precision matrix product with CLBlast, to capture what the library launches.
 *
 *     cc clblast_sgemm.c -o clblast_sgemm -lclblast -lOpenCL -lm
 *     gpusim capture --as mali-t628 -o sgemm.gptrace -- ./clblast_sgemm 256 2
 *
 * Arguments: the size n of the n x n matrices (default 256), the number of calls (default 2).
 * The result is compared with a product on the host. The kernels are CLBlast's, so traces of
 * this program do not travel with gpusim.
 */
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <clblast_c.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void check(int status, const char *call)
{
    if (status != 0) {
        fprintf(stderr, "clblast_sgemm: %s failed with status %d\n", call, status);
        exit(1);
    }
}

static size_t parse_count(const char *text, const char *what, long limit)
{
    char *end;
    const long value = strtol(text, &end, 10);

    if (*end != '\0' || value < 1 || value > limit) {
        fprintf(stderr, "clblast_sgemm: %s must be from 1 to %ld, not %s\n", what, limit, text);
        exit(2);
    }
    return (size_t)value;
}

/* The largest difference between c and the product of a and b (row-major n x n). */
static float largest_difference(const float *a, const float *b, const float *c, size_t n)
{
    float worst = 0.0f;

    for (size_t row = 0; row < n; ++row) {
        for (size_t column = 0; column < n; ++column) {
            double sum = 0.0;
            for (size_t k = 0; k < n; ++k)
                sum += (double)a[row * n + k] * b[k * n + column];
            const float difference = fabsf((float)sum - c[row * n + column]);
            if (!(difference <= worst))
                worst = difference;
        }
    }
    return worst;
}

int main(int argc, char **argv)
{
    const size_t n = argc > 1 ? parse_count(argv[1], "the matrix size", 4096) : 256;
    const size_t calls = argc > 2 ? parse_count(argv[2], "the number of calls", 1000000) : 2;
    const size_t bytes = n * n * sizeof(float);
    float *a = malloc(bytes), *b = malloc(bytes), *c = malloc(bytes);
    cl_platform_id platform;
    cl_device_id device;
    cl_int status;

    if (a == NULL || b == NULL || c == NULL) {
        fprintf(stderr, "clblast_sgemm: out of memory\n");
        return 1;
    }
    for (size_t i = 0; i < n * n; ++i) {
        a[i] = (float)(i % 17) / 16.0f - 0.5f;
        b[i] = (float)(i % 13) / 12.0f - 0.5f;
    }
    check(clGetPlatformIDs(1, &platform, NULL), "clGetPlatformIDs");
    check(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, NULL), "clGetDeviceIDs");
    cl_context context = clCreateContext(NULL, 1, &device, NULL, NULL, &status);
    check(status, "clCreateContext");
    cl_command_queue queue = clCreateCommandQueue(context, device, 0, &status);
    check(status, "clCreateCommandQueue");
    cl_mem buffers[3];
    for (int i = 0; i < 3; ++i) {
        buffers[i] = clCreateBuffer(context, CL_MEM_READ_WRITE, bytes, NULL, &status);
        check(status, "clCreateBuffer");
    }
    check(clEnqueueWriteBuffer(queue, buffers[0], CL_TRUE, 0, bytes, a, 0, NULL, NULL), "write a");
    check(clEnqueueWriteBuffer(queue, buffers[1], CL_TRUE, 0, bytes, b, 0, NULL, NULL), "write b");
    for (size_t call = 0; call < calls; ++call) {
        check(CLBlastSgemm(CLBlastLayoutRowMajor, CLBlastTransposeNo, CLBlastTransposeNo, n, n, n,
                           1.0f, buffers[0], 0, n, buffers[1], 0, n, 0.0f, buffers[2], 0, n,
                           &queue, NULL),
              "CLBlastSgemm");
        check(clFinish(queue), "clFinish");
    }
    check(clEnqueueReadBuffer(queue, buffers[2], CL_TRUE, 0, bytes, c, 0, NULL, NULL), "read c");

    const float difference = largest_difference(a, b, c, n);
    printf("sgemm %zu^3, %zu calls, largest difference %.2e\n", n, calls, difference);
    for (int i = 0; i < 3; ++i)
        clReleaseMemObject(buffers[i]);
    clReleaseCommandQueue(queue);
    clReleaseContext(context);
    free(a);
    free(b);
    free(c);
    return difference < 1e-4f * (float)n ? 0 : 1;
}
