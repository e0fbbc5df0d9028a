/* Sums of sixteen elements per work-item. */

#ifdef ADD_TENSORS
__kernel void elementwise_operation_ADD(__global const TYPE *x, __global const TYPE *y,
                                        __global TYPE *sum, int row_stride, int plane_stride)
{
    const int at = (int)get_global_id(2) * plane_stride + (int)get_global_id(1) * row_stride
                   + (int)get_global_id(0) * 16;

    vstore16(vload16(0, x + at) + vload16(0, y + at), 0, sum + at);
}
#endif

#ifdef ADD_BIAS
/* The rows of maps of HEIGHT rows, bias added in place. */
__kernel void elementwise_operation_ADD(__global TYPE *tensor, __global const TYPE *bias,
                                        int row_stride, int map_stride, int image_stride)
{
    const int column = get_global_id(0) * 16;
    const int z = get_global_id(2);
    __global TYPE *at = tensor + z / HEIGHT * image_stride + z % HEIGHT * map_stride
                        + (int)get_global_id(1) * row_stride + column;

    vstore16(vload16(0, at) + vload16(0, bias + column), 0, at);
}
#endif
