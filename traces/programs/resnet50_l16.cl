/* ResNet-50 layer 16 as a matrix product, in the three steps of ACL's GEMM path.
 *
 * Tensors are NHWC float: the input IN_H x IN_W x CIN, the weights COUT filters of
 * KERNEL x KERNEL x CIN, the output IN_H x IN_W x COUT (stride 1, output size = input size).
 *
 * Matrix A (rows: output pixels) has a row per pixel and a column per weight, then a column of
 * ones; matrix B has a row per weight and a column per filter, then a row of biases. So A * B is
 * the layer's output, bias included. K_COLS = KERNEL * KERNEL * CIN + 1.
 *
 * The host gives sizes as macros and rounds the rows of A, B and C up to a multiple of four
 * floats (A_STRIDE, BC_STRIDE), so that a 4x4 tile at the right edge stays inside its row.
 */

#define TAPS (KERNEL * KERNEL)
#define PAD (KERNEL / 2)

/* Turn the weights into B. A work-item carries one weight (channel, column, row) of all filters;
 * the last one also carries the biases.
 */
__kernel void reshape_to_columns(__global const float *weights, __global const float *bias,
                                 __global float *b)
{
    const int channel = get_global_id(0);
    const int tap = get_global_id(2) * KERNEL + get_global_id(1);
    const int row = tap * CIN + channel;

    __global const float *from = weights + row;
    __global float *to = b + row * BC_STRIDE;

    for (int filter = 0; filter < COUT; ++filter) {
        *to++ = *from;
        from += TAPS * CIN;
    }

    if (row == TAPS * CIN - 1) {
        to = b + (row + 1) * BC_STRIDE;
        for (int filter = 0; filter < COUT; ++filter)
            *to++ = *bias++;
    }
}

/* Turn the input into A. A work-item copies two channels of the nine pixels around one output
 * pixel; the last one of a pixel also writes the one that meets the bias. Outside the image it
 * reads the nearest pixel and stores zeros: every work-item makes the same accesses.
 */
__kernel void im2col3x3_nhwc(__global const float *input, __global float *a)
{
    const int channel = get_global_id(0) * 2;
    const int pixel = get_global_id(1);
    const int y = pixel / IN_W;
    const int x = pixel % IN_W;
    __global float *row = a + pixel * A_STRIDE;

#pragma unroll
    for (int ky = 0; ky < KERNEL; ++ky) {
#pragma unroll
        for (int kx = 0; kx < KERNEL; ++kx) {
            const int in_y = y + ky - PAD;
            const int in_x = x + kx - PAD;
            const int near_y = clamp(in_y, 0, IN_H - 1);
            const int near_x = clamp(in_x, 0, IN_W - 1);
            const int2 inside = -(int2)((in_y == near_y) & (in_x == near_x));
            const float2 value = vload2(0, input + (near_y * IN_W + near_x) * CIN + channel);
            vstore2(select((float2)(0.0f), value, inside), 0,
                    row + (ky * KERNEL + kx) * CIN + channel);
        }
    }
    if (channel == CIN - 2)
        row[TAPS * CIN] = 1.0f;
}

/* C = A * B. A work-item makes a tile of four rows and four columns, four products deep at a
 * time, with no check at the edges.
 */
__kernel void gemm_mm(__global const float *a, __global const float *b, __global float *c)
{
    const int column = get_global_id(0) * 4;
    const int row = get_global_id(1) * 4;
    __global const float *a0 = a + row * A_STRIDE;
    __global const float *a1 = a0 + A_STRIDE;
    __global const float *a2 = a1 + A_STRIDE;
    __global const float *a3 = a2 + A_STRIDE;
    float4 sum0 = 0.0f;
    float4 sum1 = 0.0f;
    float4 sum2 = 0.0f;
    float4 sum3 = 0.0f;

    b += column;
    int k = 0;
    for (; k <= K_COLS - 4; k += 4) {
        const float4 va0 = vload4(0, a0 + k);
        const float4 va1 = vload4(0, a1 + k);
        const float4 va2 = vload4(0, a2 + k);
        const float4 va3 = vload4(0, a3 + k);
        const float4 vb0 = vload4(0, b);
        const float4 vb1 = vload4(0, b + BC_STRIDE);
        const float4 vb2 = vload4(0, b + 2 * BC_STRIDE);
        const float4 vb3 = vload4(0, b + 3 * BC_STRIDE);

        sum0 += va0.x * vb0;
        sum1 += va1.x * vb0;
        sum2 += va2.x * vb0;
        sum3 += va3.x * vb0;
        sum0 += va0.y * vb1;
        sum1 += va1.y * vb1;
        sum2 += va2.y * vb1;
        sum3 += va3.y * vb1;
        sum0 += va0.z * vb2;
        sum1 += va1.z * vb2;
        sum2 += va2.z * vb2;
        sum3 += va3.z * vb2;
        sum0 += va0.w * vb3;
        sum1 += va1.w * vb3;
        sum2 += va2.w * vb3;
        sum3 += va3.w * vb3;
        b += 4 * BC_STRIDE;
    }
    for (; k < K_COLS; ++k) {
        const float4 vb = vload4(0, b);
        sum0 += a0[k] * vb;
        sum1 += a1[k] * vb;
        sum2 += a2[k] * vb;
        sum3 += a3[k] * vb;
        b += BC_STRIDE;
    }

    c += row * BC_STRIDE + column;
    vstore4(sum0, 0, c);
    vstore4(sum1, 0, c + BC_STRIDE);
    vstore4(sum2, 0, c + 2 * BC_STRIDE);
    vstore4(sum3, 0, c + 3 * BC_STRIDE);
}
