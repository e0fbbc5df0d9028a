// Direct convolution, images (rows, columns, channels). A work-item computes 16 output channels
// of one position; a work-group covers 4x4 positions.
//
// HEIGHT, WIDTH, CHANNELS: input; OUT_HEIGHT, OUT_WIDTH: output; ROWS, COLUMNS: filter; STRIDE_Y,
// STRIDE_X, STEP_Y, STEP_X, TOP, LEFT. OUTPUTS is an argument: pruned layers share one program.

#if CHANNELS % 16 == 0
#define BLOCK 16
#else
#define BLOCK 1
#endif

#define ACCUMULATE(lane, number) sum += values.s##lane * weights[number];

void store(float16 sum, int output, int outputs, global float *to)
{
    if (output + 16 <= outputs) {
        vstore16(sum, 0, to);
        return;
    }
    float values[16];
    vstore16(sum, 0, values);
    for (int lane = 0; output + lane < outputs; ++lane)
        to[lane] = values[lane];
}

kernel void direct_4x4(global const float *image, global const float16 *packed,
                       global const float *bias, global float *result, int outputs)
{
    const int x = get_global_id(0), y = get_global_id(1), block = get_global_id(2);
    if (x >= OUT_WIDTH || y >= OUT_HEIGHT)
        return;
    float16 sum = vload16(block, bias);
    for (int row = 0; row < ROWS; ++row) {
        const int in_y = y * STRIDE_Y + row * STEP_Y - TOP;
        if (in_y < 0 || in_y >= HEIGHT)
            continue;
        for (int column = 0; column < COLUMNS; ++column) {
            const int in_x = x * STRIDE_X + column * STEP_X - LEFT;
            if (in_x < 0 || in_x >= WIDTH)
                continue;
            global const float *pixel = image + (in_y * WIDTH + in_x) * CHANNELS;
            global const float16 *weights =
                packed + ((block * ROWS + row) * COLUMNS + column) * CHANNELS;
            for (int channel = 0; channel < CHANNELS; channel += BLOCK, weights += BLOCK) {
#if BLOCK == 16
                const float16 values = vload16(0, pixel + channel);
                ACCUMULATE(0, 0)
                ACCUMULATE(1, 1)
                ACCUMULATE(2, 2)
                ACCUMULATE(3, 3)
                ACCUMULATE(4, 4)
                ACCUMULATE(5, 5)
                ACCUMULATE(6, 6)
                ACCUMULATE(7, 7)
                ACCUMULATE(8, 8)
                ACCUMULATE(9, 9)
                ACCUMULATE(a, 10)
                ACCUMULATE(b, 11)
                ACCUMULATE(c, 12)
                ACCUMULATE(d, 13)
                ACCUMULATE(e, 14)
                ACCUMULATE(f, 15)
#else
                sum += pixel[channel] * weights[0];
#endif
            }
        }
    }
    store(sum, block * 16, outputs, result + (y * OUT_WIDTH + x) * outputs + block * 16);
}

// Depthwise: 16 channels of one position; the last ones, fewer than 16, one by one.
kernel void depthwise_4x4(global const float *image, global const float *packed,
                          global const float *bias, global float *result)
{
    const int x = get_global_id(0), y = get_global_id(1), first = get_global_id(2) * 16;
    if (x >= OUT_WIDTH || y >= OUT_HEIGHT)
        return;
    global float *to = result + (y * OUT_WIDTH + x) * CHANNELS + first;
    const int is_whole = first + 16 <= CHANNELS;
    float16 sum = vload16(0, bias + first);
    if (!is_whole) {
        for (int channel = first; channel < CHANNELS; ++channel)
            to[channel - first] = bias[channel];
    }
    for (int row = 0; row < ROWS; ++row) {
        const int in_y = y * STRIDE_Y + row * STEP_Y - TOP;
        if (in_y < 0 || in_y >= HEIGHT)
            continue;
        for (int column = 0; column < COLUMNS; ++column) {
            const int in_x = x * STRIDE_X + column * STEP_X - LEFT;
            if (in_x < 0 || in_x >= WIDTH)
                continue;
            global const float *pixel = image + (in_y * WIDTH + in_x) * CHANNELS + first;
            global const float *weights = packed + (row * COLUMNS + column) * CHANNELS + first;
            if (is_whole) {
                sum += vload16(0, pixel) * vload16(0, weights);
            } else {
                for (int channel = 0; first + channel < CHANNELS; ++channel)
                    to[channel] += pixel[channel] * weights[channel];
            }
        }
    }
    if (is_whole)
        vstore16(sum, 0, to);
}

// Fully connected: one output per work-item, its inputs 16 at a time.
kernel void dot16(global const float *inputs, global const float *weights,
                  global const float *bias, global float *result, int n_inputs, int outputs)
{
    const int output = get_global_id(1) * 4 + get_global_id(0);
    if (output >= outputs)
        return;
    global const float *row = weights + output * n_inputs;
    float16 partial = 0.0f;
    int i = 0;
    for (; i + 16 <= n_inputs; i += 16)
        partial += vload16(0, inputs + i) * vload16(0, row + i);
    float8 eight = partial.lo + partial.hi;
    float4 four = eight.lo + eight.hi;
    float sum = bias[output] + four.x + four.y + four.z + four.w;
    for (; i < n_inputs; ++i)
        sum += inputs[i] * row[i];
    result[output] = sum;
}
