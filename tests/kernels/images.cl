/* Stencils and convolutions on plain buffers. */

__kernel void conv3x3(__global const float *in, __constant float *weights, __global float *out,
                      int width, int height)
{
    const int x = get_global_id(0), y = get_global_id(1);
    float sum = 0.0f;
    for (int dy = -1; dy <= 1; ++dy)
        for (int dx = -1; dx <= 1; ++dx) {
            const int sx = x + dx, sy = y + dy;
            if (sx >= 0 && sx < width && sy >= 0 && sy < height)
                sum += in[sy * width + sx] * weights[(dy + 1) * 3 + dx + 1];
        }
    out[y * width + x] = sum;
}

__kernel void stencil5(__global const float *in, __global float *out, int width, int height)
{
    const int x = get_global_id(0), y = get_global_id(1);
    if (x == 0 || y == 0 || x == width - 1 || y == height - 1)
        return;
    const int i = y * width + x;
    out[i] = 0.2f * (in[i] + in[i - 1] + in[i + 1] + in[i - width] + in[i + width]);
}

__kernel void mandelbrot(__global int *iterations, int width, int height, int limit)
{
    const int px = get_global_id(0), py = get_global_id(1);
    const float x0 = 3.5f * px / width - 2.5f, y0 = 2.0f * py / height - 1.0f;
    float x = 0.0f, y = 0.0f;
    int n = 0;
    while (x * x + y * y <= 4.0f && n < limit) {
        const float t = x * x - y * y + x0;
        y = 2.0f * x * y + y0;
        x = t;
        ++n;
    }
    iterations[py * width + px] = n;
}

__kernel void nearest_scale(__global const uchar4 *in, __global uchar4 *out, int in_width,
                            int out_width, float scale)
{
    const int x = get_global_id(0), y = get_global_id(1);
    const int sx = (int)(x * scale), sy = (int)(y * scale);
    out[y * out_width + x] = in[sy * in_width + sx];
}

/* Every switch case is taken by some work-item. */
__kernel void switch_mix(__global const int *op, __global int *value)
{
    const int i = get_global_id(0);
    int v = value[i];
    switch (op[i]) {
    case 0: v += i; break;
    case 1: v *= 3; break;
    case 2: v = v / (i + 1); break;
    case 5: v = v % 7; break;
    case 9: v = -v; /* falls through */
    case 10: v ^= 0x55; break;
    default: v = 0;
    }
    value[i] = v;
}
