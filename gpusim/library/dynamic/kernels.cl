/* Layers whose kernels are switched on and off per input.
 *
 * "Kernel" in names here is the network's: a filter, or a row of a fully connected layer. BATCH_ID,
 * BLOCK_ID and ROW_ID say which dimension of the NDRange is which. With KERNEL_INDEX a work-item
 * takes its kernels from a list per image, with CHANNEL_INDEX its input channels, too. Maps are
 * planes of PITCH floats a row; a border of zeros is stored around those that a layer pads. The
 * NDRange is rounded up to whole work-groups.
 */
#ifdef KERNEL_INDEX
#define KERNEL_PARAMETERS \
    , __global const int *kernels, __global const int *n_blocks, const int max_blocks
#else
#define KERNEL_PARAMETERS
#endif
#ifdef CHANNEL_INDEX
#define CHANNEL_PARAMETERS , __global const int *channels
#else
#define CHANNEL_PARAMETERS
#endif

#ifdef CONVOLUTION
#if STRIDE == 1
#define LOAD(p) vload4(0, p)
#else
#define LOAD(p) (float4)((p)[0], (p)[STRIDE], (p)[2 * STRIDE], (p)[3 * STRIDE])
#endif
#define TAPS (KERNEL_HEIGHT * KERNEL_WIDTH)
#define STORE(k, left, right)                                                             \
    {                                                                                     \
        __global float *to = output + ((n * OUT_CHANNELS + (k)) * OUT_PLANE + y * OUT_PITCH + x); \
        vstore4(ACTIVATE(left), 0, to);                                                   \
        vstore4(ACTIVATE(right), 1, to);                                                  \
    }
#ifdef RELU
#define ACTIVATE(values) fmax(values, 0.0f)
#else
#define ACTIVATE(values) (values)
#endif

/* Weights lie by group, input channel, kernel, tap: at one channel the kernels are neighbours, so
 * that rows of equal length don't crowd the same sets of a cache.
 *
 * Four kernels by ROWS rows of one image, eight columns at a time; work-items beyond do nothing.
 */
__kernel void convolve(__global const float *image, __global const float *weights,
                       __global const float *bias,
                       __global float *output KERNEL_PARAMETERS CHANNEL_PARAMETERS)
{
    const int n = get_global_id(BATCH_ID);
    const int block = get_global_id(BLOCK_ID);
    const int first_row = (int)get_global_id(ROW_ID) * ROWS;
    const int end_row = min(first_row + ROWS, OUT_HEIGHT);
#ifdef KERNEL_INDEX
    if (n >= BATCH || block >= n_blocks[n])
        return;
    __global const int *own = kernels + 4 * (n * max_blocks + block);
    const int k0 = own[0], k1 = own[1], k2 = own[2], k3 = own[3];
#else
    if (n >= BATCH || block >= OUT_CHANNELS / 4)
        return;
    const int k0 = 4 * block, k1 = k0 + 1, k2 = k0 + 2, k3 = k0 + 3;
#endif
#if GROUPS == 1
    const int group = 0;
#else
    const int group = k0 / GROUP_KERNELS;
#endif
    __global const float *own_weights =
        weights + group * ((GROUP_CHANNELS - 1) * GROUP_KERNELS * TAPS);
    __global const float *planes = image + (n * IN_CHANNELS + group * GROUP_CHANNELS) * PLANE;
#ifdef CHANNEL_INDEX
    __global const int *list = channels + (n * GROUPS + group) * (1 + GROUP_CHANNELS);
    const int n_channels = list[0];
#else
    const int n_channels = GROUP_CHANNELS;
#endif

    for (int y = first_row; y < end_row; y++) {
        for (int x = 0; x < OUT_WIDTH; x += 8) {
            float4 left0 = bias[k0], left1 = bias[k1], left2 = bias[k2], left3 = bias[k3];
            float4 right0 = left0, right1 = left1, right2 = left2, right3 = left3;

            for (int i = 0; i < n_channels; i++) {
#ifdef CHANNEL_INDEX
                const int channel = list[1 + i];
#else
                const int channel = i;
#endif
                __global const float *corner =
                    planes + channel * PLANE + y * STRIDE * PITCH + x * STRIDE;
                __global const float *taps = own_weights + channel * (GROUP_KERNELS * TAPS);
                __global const float *w0 = taps + k0 * TAPS, *w1 = taps + k1 * TAPS;
                __global const float *w2 = taps + k2 * TAPS, *w3 = taps + k3 * TAPS;

                for (int row = 0; row < KERNEL_HEIGHT; row++) {
                    for (int column = 0; column < KERNEL_WIDTH; column++) {
                        __global const float *at = corner + row * PITCH + column;
                        const float4 left = LOAD(at);
                        const float4 right = LOAD(at + 4 * STRIDE);
                        const int tap = row * KERNEL_WIDTH + column;
                        left0 += w0[tap] * left;
                        left1 += w1[tap] * left;
                        left2 += w2[tap] * left;
                        left3 += w3[tap] * left;
                        right0 += w0[tap] * right;
                        right1 += w1[tap] * right;
                        right2 += w2[tap] * right;
                        right3 += w3[tap] * right;
                    }
                }
            }
            STORE(k0, left0, right0)
            STORE(k1, left1, right1)
            STORE(k2, left2, right2)
            STORE(k3, left3, right3)
        }
    }
}
#endif

#ifdef FULLY_CONNECTED
/* One kernel of one image; an input channel is AREA consecutive inputs. */
__kernel void fully_connected(__global const float *image, __global const float *weights,
                              __global const float *bias,
                              __global float *output KERNEL_PARAMETERS CHANNEL_PARAMETERS)
{
    const int n = get_global_id(BATCH_ID);
    const int block = get_global_id(BLOCK_ID);
#ifdef KERNEL_INDEX
    if (n >= BATCH || block >= n_blocks[n])
        return;
    const int k = kernels[n * max_blocks + block];
#else
    if (n >= BATCH || block >= OUT_CHANNELS)
        return;
    const int k = block;
#endif
    __global const float *inputs = image + n * (CHANNELS * AREA);
    __global const float *row = weights + k * (CHANNELS * AREA);
    float4 sum = 0;
#ifdef CHANNEL_INDEX
    __global const int *list = channels + n * (1 + CHANNELS);
    const int n_channels = list[0];

    for (int i = 0; i < n_channels; i++) {
        const int first = list[1 + i] * AREA;
#if AREA % 4 == 0
        for (int at = 0; at < AREA; at += 4)
            sum += vload4(0, inputs + first + at) * vload4(0, row + first + at);
#else
        for (int at = 0; at < AREA; at++)
            sum.s0 += inputs[first + at] * row[first + at];
#endif
    }
#else
    for (int at = 0; at < CHANNELS * AREA; at += 4)
        sum += vload4(0, inputs + at) * vload4(0, row + at);
#endif
    const float result = sum.s0 + sum.s1 + sum.s2 + sum.s3 + bias[k];

    output[n * OUT_CHANNELS + k] = RELU ? fmax(result, 0.0f) : result;
}
#endif

#ifdef POOLING
/* Maximum, or average, of windows: one row of one channel of one image. */
__kernel void pool(__global const float *image, __global float *output)
{
    const int n = get_global_id(BATCH_ID);
    const int channel = get_global_id(BLOCK_ID);
    const int y = get_global_id(ROW_ID);
    if (n >= BATCH || channel >= IN_CHANNELS || y >= OUT_HEIGHT)
        return;
    const int end_row = min(y * STRIDE + WINDOW_HEIGHT, IN_HEIGHT);
    __global const float *plane = image + (n * IN_CHANNELS + channel) * PLANE;
    __global float *to = output + (n * IN_CHANNELS + channel) * OUT_PLANE + y * OUT_PITCH;

    for (int x = 0; x < OUT_WIDTH; x++) {
        const int end_column = min(x * STRIDE + WINDOW_WIDTH, IN_WIDTH);
#ifdef AVERAGE
        float result = 0;
        for (int row = y * STRIDE; row < end_row; row++)
            for (int column = x * STRIDE; column < end_column; column++)
                result += plane[row * PITCH + column];
        result /= WINDOW_HEIGHT * WINDOW_WIDTH;
#else
        float result = -INFINITY;
        for (int row = y * STRIDE; row < end_row; row++)
            for (int column = x * STRIDE; column < end_column; column++)
                result = fmax(result, plane[row * PITCH + column]);
#endif
        to[x] = result;
    }
}
#endif

#ifdef SWITCH
/* The switch of one kernel of one image: second 1x1 convolution, sigmoid, threshold.
 *
 * The average over the map is taken before this convolution instead of after it: both are linear,
 * so the answer is the same.
 */
__kernel void switch_kernels(__global const float *averages, __global const float *weights,
                             __global const float *bias, __global int *active)
{
    const int n = get_global_id(BATCH_ID);
    const int k = get_global_id(BLOCK_ID);
    if (n >= BATCH || k >= OUT_CHANNELS)
        return;
    float sum = bias[k];

    for (int i = 0; i < IN_CHANNELS; i++)
        sum += weights[k * IN_CHANNELS + i] * averages[n * IN_CHANNELS + i];
    active[n * OUT_CHANNELS + k] = 1.0f / (1.0f + exp(-sum)) > 0.5f;
}
#endif
