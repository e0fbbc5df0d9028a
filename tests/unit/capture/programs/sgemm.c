/* One single-precision matrix product of 256 x 256 through CLBlast. */
#include <CL/cl.h>
#include <clblast_c.h>
#include <stdio.h>

enum { N = 256 };
static float a[N * N];

int main(void) {
    cl_platform_id platform;
    cl_device_id device;
    cl_int rc = clGetPlatformIDs(1, &platform, NULL);
    rc |= clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 1, &device, NULL);
    cl_context context = clCreateContext(NULL, 1, &device, NULL, NULL, NULL);
    cl_command_queue queue = clCreateCommandQueue(context, device, 0, NULL);
    cl_mem m[3];
    for (int i = 0; i < N * N; i++)
        a[i] = (float)(i % 7) / 8;
    for (int i = 0; i < 3; i++) {
        m[i] = clCreateBuffer(context, CL_MEM_READ_WRITE, sizeof a, NULL, NULL);
        rc |= clEnqueueWriteBuffer(queue, m[i], CL_TRUE, 0, sizeof a, a, 0, NULL, NULL);
    }
    rc |= CLBlastSgemm(CLBlastLayoutRowMajor, CLBlastTransposeNo, CLBlastTransposeNo, N, N, N,
                       1.0f, m[0], 0, N, m[1], 0, N, 0.0f, m[2], 0, N, &queue, NULL);
    rc |= clFinish(queue);
    rc |= clEnqueueReadBuffer(queue, m[2], CL_TRUE, 0, sizeof a, a, 0, NULL, NULL);
    double sum = 0;
    for (int i = 0; i < N * N; i++)
        sum += a[i];
    printf("%d %.3f\n", rc, sum);
    return rc != 0;
}
