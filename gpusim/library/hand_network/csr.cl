// Convolution and fully connected layer with compressed rows: a row is an output channel.
//
// WIDTH, HEIGHT: input; PADDED_WIDTH, PADDED_HEIGHT; OUT_WIDTH, OUT_HEIGHT; STRIDE_X, STRIDE_Y;
// LEFT, TOP.

kernel void pad_planes(global const float *image, global float *padded)
{
    const int x = get_global_id(0), y = get_global_id(1), plane = get_global_id(2);
    const int from_x = x - LEFT, from_y = y - TOP;
    float value = 0.0f;
    if (from_x >= 0 && from_x < WIDTH && from_y >= 0 && from_y < HEIGHT)
        value = image[(plane * HEIGHT + from_y) * WIDTH + from_x];
    padded[(plane * PADDED_HEIGHT + y) * PADDED_WIDTH + x] = value;
}

// The place of a value within the padded planes is stored instead of its column.
kernel void csr_4x4(global const float *padded, global const int *row_starts,
                    global const int *places, global const float *values,
                    global const float *bias, global float *result)
{
    const int x = get_global_id(0), y = get_global_id(1), output = get_global_id(2);
    if (x >= OUT_WIDTH || y >= OUT_HEIGHT)
        return;
    const int corner = y * STRIDE_Y * PADDED_WIDTH + x * STRIDE_X;
    const int end = row_starts[output + 1];
    float sum = bias[output];
    for (int k = row_starts[output]; k < end; ++k)
        sum += values[k] * padded[corner + places[k]];
    result[(output * OUT_HEIGHT + y) * OUT_WIDTH + x] = sum;
}

kernel void csr_dot(global const float *inputs, global const int *row_starts,
                    global const int *columns, global const float *values,
                    global const float *bias, global float *result, int outputs)
{
    const int output = get_global_id(1) * 4 + get_global_id(0);
    if (output >= outputs)
        return;
    const int end = row_starts[output + 1];
    float sum = bias[output];
    for (int k = row_starts[output]; k < end; ++k)
        sum += values[k] * inputs[columns[k]];
    result[output] = sum;
}
