/* Our own kernels with the memory accesses of ACL's GEMM path, sizes as arguments. */

/* One work-item per weight of a filter; all filters; the last one carries the biases. */
__kernel void reshape_to_columns(__global const float *weights, __global const float *bias,
                                 __global float *columns, int filters, int taps, int stride)
{
    const int tap = get_global_id(0)
        + get_global_size(0) * (get_global_id(1) + get_global_size(1) * get_global_id(2));
    for (int f = 0; f < filters; ++f)
        columns[tap * stride + f] = weights[f * taps + tap];
    if (tap == taps - 1)
        for (int f = 0; f < filters; ++f)
            columns[taps * stride + f] = bias[f];
}

/* Two channels of the nine pixels around an output pixel; padding by selection, not by branch. */
__kernel void im2col3x3_nhwc(__global const float *in, __global float *out, int channels, int width,
                             int height, int stride)
{
    const int c = get_global_id(0) * 2;
    const int pixel = get_global_id(1);
    const int y = pixel / width, x = pixel % width;
    __global float *row = out + pixel * stride;
    for (int tap = 0; tap < 9; ++tap) {
        const int sy = y + tap / 3 - 1, sx = x + tap % 3 - 1;
        const int ny = clamp(sy, 0, height - 1), nx = clamp(sx, 0, width - 1);
        float2 v = vload2(0, in + (ny * width + nx) * channels + c);
        v = (ny == sy && nx == sx) ? v : (float2)(0.0f);
        vstore2(v, 0, row + tap * channels + c);
    }
    if (c == channels - 2)
        row[9 * channels] = 1.0f;
}

/* 4x4 outputs per work-item, four products deep, then the rest of the depth one by one. */
__kernel void gemm_mm(__global const float *a, __global const float *b, __global float *c,
                      int a_stride, int b_stride, int c_stride, int depth)
{
    __global const float *left = a + get_global_id(1) * 4 * a_stride;
    __global const float *right = b + get_global_id(0) * 4;
    float4 s0 = 0.0f, s1 = 0.0f, s2 = 0.0f, s3 = 0.0f;
    int k = 0;
    for (; k <= depth - 4; k += 4) {
        const float4 l0 = vload4(0, left + k), l1 = vload4(0, left + k + a_stride);
        const float4 l2 = vload4(0, left + k + 2 * a_stride);
        const float4 l3 = vload4(0, left + k + 3 * a_stride);
        float4 r = vload4(0, right + k * b_stride);
        s0 += l0.x * r, s1 += l1.x * r, s2 += l2.x * r, s3 += l3.x * r;
        r = vload4(0, right + (k + 1) * b_stride);
        s0 += l0.y * r, s1 += l1.y * r, s2 += l2.y * r, s3 += l3.y * r;
        r = vload4(0, right + (k + 2) * b_stride);
        s0 += l0.z * r, s1 += l1.z * r, s2 += l2.z * r, s3 += l3.z * r;
        r = vload4(0, right + (k + 3) * b_stride);
        s0 += l0.w * r, s1 += l1.w * r, s2 += l2.w * r, s3 += l3.w * r;
    }
    for (; k < depth; ++k) {
        const float4 r = vload4(0, right + k * b_stride);
        s0 += left[k] * r, s1 += left[k + a_stride] * r;
        s2 += left[k + 2 * a_stride] * r, s3 += left[k + 3 * a_stride] * r;
    }
    __global float *to = c + get_global_id(1) * 4 * c_stride + get_global_id(0) * 4;
    vstore4(s0, 0, to);
    vstore4(s1, 0, to + c_stride);
    vstore4(s2, 0, to + 2 * c_stride);
    vstore4(s3, 0, to + 3 * c_stride);
}
