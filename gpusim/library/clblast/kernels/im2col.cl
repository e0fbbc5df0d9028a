// Columns of a convolution: row (channel, kernel y, kernel x), column (output y, output x).
// One work-item writes every kernel position of one channel at one output position.

#if PRECISION == 16
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
typedef half real;
#else
typedef float real;
#endif

__kernel __attribute__((reqd_work_group_size(COPY_DIMX, COPY_DIMY, 1)))
void Xim2colKernelNormal(int in_height, int in_width, int channels,
                         int out_height, int out_width,
                         int kernel_height, int kernel_width,
                         int pad_height, int pad_width,
                         int stride_height, int stride_width,
                         int dilation_height, int dilation_width,
                         const __global real *restrict image, int image_offset,
                         __global real *columns, int columns_offset)
{
    const int out_x = get_global_id(0);
    const int out_y = (int)get_global_id(1) % out_height;
    const int channel = (int)get_global_id(1) / out_height;
    if (out_x >= out_width || channel >= channels)
        return;
    for (int ky = 0; ky < kernel_height; ky++) {
        for (int kx = 0; kx < kernel_width; kx++) {
            const int y = out_y * stride_height - pad_height + ky * dilation_height;
            const int x = out_x * stride_width - pad_width + kx * dilation_width;
            real value = 0;
            if (y >= 0 && y < in_height && x >= 0 && x < in_width)
                value = image[(channel * in_height + y) * in_width + x + image_offset];
            const int row = (channel * kernel_height + ky) * kernel_width + kx;
            columns[(row * out_height + out_y) * out_width + out_x + columns_offset] = value;
        }
    }
}
