// Convolution as a product that never writes its matrix of columns: a group computes 128 output
// positions by TILE_N output channels, gathering columns into local memory 8 of k at a time. Two
// buffers, so that the next step's loads are on their way while this one is multiplied. A
// work-item keeps 8 x 8 sums, split into halves that lie next to those of its neighbours.
//
// Filters of many channels are walked position by position, 8 channels at a time (BY_POSITION), so
// that borders are checked once a step; those of few channels in the order of their weights:
// channel, row, column. Sizes of the filter are macros, so that divisions are multiplications.

#define TILE_M 128
#define TILE_K 8
#define THREADS (TILE_N * 2)
#define PIXELS (THREADS < TILE_M ? TILE_M / THREADS : 1)
#define K_LANES (THREADS < TILE_M ? 1 : THREADS / TILE_M)
#define K_EACH (TILE_K / K_LANES)
#define COLUMNS (TILE_N / 8)
#define CHANNEL(C) min(C, channels - 1)

__kernel __attribute__((reqd_work_group_size(THREADS, 1, 1)))
void NAME(const __global float *restrict image, int image_offset,
          const __global float *restrict weights, int weights_offset,
          __global float *restrict output, int output_offset, int size_m, int size_n, int size_k, int image_elements,
          int image_outputs, int in_height, int in_width, int out_height, int out_width,
          int pad_top, int pad_left, int stride_height, int stride_width,
          int dilation_height, int dilation_width, int channels)
{
    __local float4 columns[2][TILE_K][TILE_M / 4];
    __local float4 filters[2][TILE_K][TILE_N / 4];
    const int item = get_local_id(0);
    const int first_m = get_group_id(0) * TILE_M, first_n = get_group_id(1) * TILE_N;
    const int plane = out_height * out_width, in_plane = in_height * in_width;

    // What this work-item loads: positions along a row of the tile, some rows of k.
    const int lane = item % TILE_M, k_lane = item / TILE_M * K_EACH;
    int corner[PIXELS], top[PIXELS], left[PIXELS];
    #pragma unroll
    for (int p = 0; p < PIXELS; p++) {
        const int m = min(first_m + lane + p * THREADS, size_m - 1);
        const int position = m % plane;
        top[p] = position / out_width * stride_height - pad_top;
        left[p] = position % out_width * stride_width - pad_left;
        corner[p] = m / plane * image_elements + top[p] * in_width + left[p] + image_offset;
    }
    const int filter = item / 2, filter_k = item % 2 * 4;
    const __global float *row_of_weights =
        weights + weights_offset + min(first_n + filter, size_n - 1) * size_k;

    const int across = item % 16, down = item / 16;
    float4 sums[8][2];
    #pragma unroll
    for (int n = 0; n < 8; n++)
        sums[n][0] = sums[n][1] = (float4)(0.0f);

    float next_columns[PIXELS][K_EACH], next_filters[4];
#define INSIDE(P)                                                                              \
    (!PADDED || ((uint)(top[P] + row) < (uint)in_height                                        \
                 && (uint)(left[P] + column) < (uint)in_width))
#if BY_POSITION
    const int steps_each = (channels + TILE_K - 1) / TILE_K;
    const int n_steps = KERNEL_HEIGHT * KERNEL_WIDTH * steps_each;
#define FETCH(STEP)                                                                            \
    const int tap = KERNEL_HEIGHT * KERNEL_WIDTH == 1 ? 0 : (STEP) / steps_each;               \
    const int channel = ((STEP) - tap * steps_each) * TILE_K;                                  \
    const int row = tap / KERNEL_WIDTH * dilation_height;                                      \
    const int column = tap % KERNEL_WIDTH * dilation_width;                                    \
    _Pragma("unroll")                                                                          \
    for (int p = 0; p < PIXELS; p++) {                                                         \
        const int from = corner[p] + row * in_width + column;                                  \
        const int is_inside = INSIDE(p);                                                       \
        _Pragma("unroll")                                                                      \
        for (int j = 0; j < K_EACH; j++)                                                       \
            next_columns[p][j] = 0.0f;                                                         \
        if (is_inside) {                                                                       \
            _Pragma("unroll")                                                                  \
            for (int j = 0; j < K_EACH; j++)                                                   \
                next_columns[p][j] = image[from + CHANNEL(channel + k_lane + j) * in_plane];   \
        }                                                                                      \
    }                                                                                          \
    _Pragma("unroll")                                                                          \
    for (int j = 0; j < 4; j++) {                                                              \
        const int at = channel + filter_k + j;                                                 \
        const float weight =                                                                   \
            row_of_weights[CHANNEL(at) * (KERNEL_HEIGHT * KERNEL_WIDTH) + tap];                \
        next_filters[j] = CHANNEL(at) == at ? weight : 0.0f;                                   \
    }
#else
    const int n_steps = (size_k + TILE_K - 1) / TILE_K;
#define FETCH(STEP)                                                                            \
    _Pragma("unroll")                                                                          \
    for (int j = 0; j < K_EACH; j++) {                                                         \
        const int at = min((STEP) * TILE_K + k_lane + j, size_k - 1);                          \
        const int row = at / KERNEL_WIDTH % KERNEL_HEIGHT * dilation_height;                   \
        const int column = at % KERNEL_WIDTH * dilation_width;                                 \
        const int from = at / (KERNEL_HEIGHT * KERNEL_WIDTH) * in_plane                        \
                         + row * in_width + column;                                            \
        _Pragma("unroll")                                                                      \
        for (int p = 0; p < PIXELS; p++)                                                       \
            next_columns[p][j] = INSIDE(p) ? image[corner[p] + from] : 0.0f;                   \
    }                                                                                          \
    _Pragma("unroll")                                                                          \
    for (int j = 0; j < 4; j++) {                                                              \
        const int at = (STEP) * TILE_K + filter_k + j;                                         \
        const float weight = row_of_weights[min(at, size_k - 1)];                              \
        next_filters[j] = at < size_k ? weight : 0.0f;                                         \
    }
#endif
#define PUT(BUFFER)                                                                            \
    _Pragma("unroll")                                                                          \
    for (int j = 0; j < K_EACH; j++)                                                           \
        _Pragma("unroll")                                                                      \
        for (int p = 0; p < PIXELS; p++)                                                       \
            ((__local float *)columns[BUFFER][k_lane + j])[lane + p * THREADS] =               \
                next_columns[p][j];                                                            \
    _Pragma("unroll")                                                                          \
    for (int j = 0; j < 4; j++)                                                                \
        ((__local float *)filters[BUFFER][filter_k + j])[filter] = next_filters[j];

    {
        FETCH(0)
        PUT(0)
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    int buffer = 0;
    for (int step = 0; step < n_steps; step++) {
        // The last step fetches itself again, which costs less than asking every time.
        FETCH(min(step + 1, n_steps - 1))
        #pragma unroll
        for (int j = 0; j < TILE_K; j++) {
            const float4 low = columns[buffer][j][across];
            const float4 high = columns[buffer][j][across + 16];
            const float4 first = filters[buffer][j][down];
            const float4 second = filters[buffer][j][down + COLUMNS];
            const float values[8] = {first.x, first.y, first.z, first.w,
                                     second.x, second.y, second.z, second.w};
            #pragma unroll
            for (int n = 0; n < 8; n++) {
                sums[n][0] += values[n] * low;
                sums[n][1] += values[n] * high;
            }
        }
        buffer ^= 1;
        PUT(buffer)
        barrier(CLK_LOCAL_MEM_FENCE);
    }

    #pragma unroll
    for (int half_of_m = 0; half_of_m < 2; half_of_m++) {
        #pragma unroll
        for (int i = 0; i < 4; i++) {
            const int m = first_m + half_of_m * 64 + across * 4 + i;
            if (m < size_m) {
                __global float *to =
                    output + output_offset + m / plane * image_outputs + m % plane;
                #pragma unroll
                for (int n = 0; n < 8; n++) {
                    const int channel = first_n + n / 4 * (TILE_N / 2) + down * 4 + n % 4;
                    const float4 four = sums[n][half_of_m];
                    const float value = i == 0 ? four.x : i == 1 ? four.y : i == 2 ? four.z
                                                                                   : four.w;
                    if (channel < size_n)
                        to[channel * plane] = value;
                }
            }
        }
    }
}
