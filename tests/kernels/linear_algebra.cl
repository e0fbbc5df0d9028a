/* Dense and sparse linear algebra. */

__kernel void saxpy(__global const float *x, __global float *y, float a)
{
    const size_t i = get_global_id(0);
    y[i] = a * x[i] + y[i];
}

/* C = A * B with a 4x4 tile per work-item; n is a multiple of four. */
__kernel void gemm_tile(__global const float *a, __global const float *b, __global float *c, int n)
{
    const int column = get_global_id(0) * 4;
    const int row = get_global_id(1) * 4;
    float4 sum[4];
    for (int i = 0; i < 4; ++i)
        sum[i] = 0.0f;
    for (int k = 0; k < n; ++k) {
        const float4 right = vload4(0, b + k * n + column);
        for (int i = 0; i < 4; ++i)
            sum[i] += a[(row + i) * n + k] * right;
    }
    for (int i = 0; i < 4; ++i)
        vstore4(sum[i], 0, c + (row + i) * n + column);
}

/* The same through local memory; square work-groups of TILE x TILE. */
#define TILE 8
__kernel void gemm_local(__global const float *a, __global const float *b, __global float *c, int n)
{
    __local float left[TILE][TILE];
    __local float right[TILE][TILE];
    const int x = get_local_id(0), y = get_local_id(1);
    const int column = get_global_id(0), row = get_global_id(1);
    float sum = 0.0f;
    for (int k = 0; k < n; k += TILE) {
        left[y][x] = a[row * n + k + x];
        right[y][x] = b[(k + y) * n + column];
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int i = 0; i < TILE; ++i)
            sum += left[y][i] * right[i][x];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    c[row * n + column] = sum;
}

/* Compressed rows: the inner loop's length is data. */
__kernel void spmv_csr(__global const int *row_start, __global const int *columns,
                       __global const float *values, __global const float *x, __global float *y)
{
    const int row = get_global_id(0);
    float sum = 0.0f;
    for (int i = row_start[row]; i < row_start[row + 1]; ++i)
        sum += values[i] * x[columns[i]];
    y[row] = sum;
}

__kernel void transpose_local(__global const float *in, __global float *out, int width, int height)
{
    __local float tile[TILE][TILE + 1];
    const int lx = get_local_id(0), ly = get_local_id(1);
    int x = get_group_id(0) * TILE + lx;
    int y = get_group_id(1) * TILE + ly;
    if (x < width && y < height)
        tile[ly][lx] = in[y * width + x];
    barrier(CLK_LOCAL_MEM_FENCE);
    x = get_group_id(1) * TILE + lx;
    y = get_group_id(0) * TILE + ly;
    if (x < height && y < width)
        out[y * height + x] = tile[lx][ly];
}
