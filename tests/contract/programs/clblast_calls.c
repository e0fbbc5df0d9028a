/* Calls CLBlast as a list of numbers says, to see which launches it makes of each call.
 *
 * Arguments: any number of
 *   gemm PRECISION LAYOUT A_TRANSPOSE B_TRANSPOSE M N K BETA_IS_ZERO A_PADDING
 *   im2col PRECISION CHANNELS HEIGHT WIDTH KH KW PH PW SH SW DH DW
 * with the numbers of clblast_c.h: precision 32 or 16, layout 101 (rows) or 102, transpose 111 (no)
 * or 112. A_PADDING elements are added to A's leading dimension.
 */
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <clblast_c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static cl_context context;
static cl_command_queue queue;

static void check(int status, const char *call)
{
    if (status != 0) {
        fprintf(stderr, "%s failed with status %d\n", call, status);
        exit(1);
    }
}

static cl_mem buffer(size_t bytes)
{
    cl_int status;
    void *zeros = calloc(bytes, 1);
    cl_mem made = clCreateBuffer(context, CL_MEM_READ_WRITE | CL_MEM_COPY_HOST_PTR, bytes, zeros,
                                 &status);
    free(zeros);
    check(status, "clCreateBuffer");
    return made;
}

static void gemm(const size_t *v)
{
    const int by_rows = v[1] == 101, size = (int)v[0] / 8;
    const size_t m = v[4], n = v[5], k = v[6];
    const int a_by_rows = by_rows == (v[2] == 111), b_by_rows = by_rows == (v[3] == 111);
    const size_t a_ld = (a_by_rows ? k : m) + v[8], b_ld = b_by_rows ? n : k;
    cl_mem a = buffer(a_ld * (a_by_rows ? m : k) * size), b = buffer(k * n * size);
    cl_mem c = buffer(m * n * size);

    if (v[0] == 16)
        check(CLBlastHgemm(v[1], v[2], v[3], m, n, k, 0x3c00, a, 0, a_ld, b, 0, b_ld,
                           v[7] ? 0 : 0x3c00, c, 0, by_rows ? n : m, &queue, NULL), "Hgemm");
    else
        check(CLBlastSgemm(v[1], v[2], v[3], m, n, k, 1.0f, a, 0, a_ld, b, 0, b_ld,
                           v[7] ? 0.0f : 1.0f, c, 0, by_rows ? n : m, &queue, NULL), "Sgemm");
    check(clFinish(queue), "clFinish");
    clReleaseMemObject(a);
    clReleaseMemObject(b);
    clReleaseMemObject(c);
}

static void im2col(const size_t *v)
{
    const size_t out_h = (v[2] + 2 * v[6] - v[10] * (v[4] - 1) - 1) / v[8] + 1;
    const size_t out_w = (v[3] + 2 * v[7] - v[11] * (v[5] - 1) - 1) / v[9] + 1;
    cl_mem image = buffer(4 * v[1] * v[2] * v[3]);
    cl_mem columns = buffer(4 * v[1] * v[4] * v[5] * out_h * out_w);

    if (v[0] == 16)
        check(CLBlastHim2col(CLBlastKernelModeCrossCorrelation, v[1], v[2], v[3], v[4], v[5], v[6],
                             v[7], v[8], v[9], v[10], v[11], image, 0, columns, 0, &queue, NULL),
              "Him2col");
    else
        check(CLBlastSim2col(CLBlastKernelModeCrossCorrelation, v[1], v[2], v[3], v[4], v[5], v[6],
                             v[7], v[8], v[9], v[10], v[11], image, 0, columns, 0, &queue, NULL),
              "Sim2col");
    check(clFinish(queue), "clFinish");
    clReleaseMemObject(image);
    clReleaseMemObject(columns);
}

int main(int argc, char **argv)
{
    cl_platform_id platform;
    cl_device_id device;
    cl_int status;

    check(clGetPlatformIDs(1, &platform, NULL), "clGetPlatformIDs");
    check(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, NULL), "clGetDeviceIDs");
    context = clCreateContext(NULL, 1, &device, NULL, NULL, &status);
    check(status, "clCreateContext");
    queue = clCreateCommandQueue(context, device, 0, &status);
    check(status, "clCreateCommandQueue");
    for (int i = 1; i < argc;) {
        const int is_gemm = strcmp(argv[i], "gemm") == 0, n_values = is_gemm ? 9 : 12;
        size_t values[12];

        if (i + n_values >= argc)
            return 2;
        for (int j = 0; j < n_values; j++)
            values[j] = strtoul(argv[i + 1 + j], NULL, 10);
        (is_gemm ? gemm : im2col)(values);
        i += n_values + 1;
    }
    return 0;
}
