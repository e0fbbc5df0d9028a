/* Fill the border of every plane. The first work-items take a column each, above and below the
 * plane; the others a row each, left and right of it.
 */
#ifdef LOWEST
#define VALUE LOWEST_VALUE
#else
#define VALUE ((TYPE)0)
#endif

#ifdef REPLICATE
#define AT(x, y) plane[clamp(y, 0, height - 1) * row_stride + clamp(x, 0, width - 1)]
#else
#define AT(x, y) VALUE
#endif

__kernel void FILL(__global TYPE *tensor, int width, int height, int row_stride, int plane_stride,
                   int offset)
{
    const int i = get_global_id(0);
    const int columns = LEFT + width + RIGHT;
    __global TYPE *plane = tensor + (int)get_global_id(2) * plane_stride + offset;

    if (i < columns) {
        const int x = i - LEFT;
        for (int y = -TOP; y < 0; ++y)
            plane[y * row_stride + x] = AT(x, y);
        for (int y = height; y < height + BOTTOM; ++y)
            plane[y * row_stride + x] = AT(x, y);
    } else {
        const int y = i - columns;
        for (int x = -LEFT; x < 0; ++x)
            plane[y * row_stride + x] = AT(x, y);
        for (int x = width; x < width + RIGHT; ++x)
            plane[y * row_stride + x] = AT(x, y);
    }
}
