// Weights (output, input, rows, columns) into blocks of 16 outputs: (block, rows, columns, input,
// 16). One work-item per vector of the result; outputs beyond the last are zero.
kernel void pack_weights(global const float *weights, global float16 *packed, int outputs,
                         int inputs, int window)
{
    const int input = get_global_id(0), place = get_global_id(1), block = get_global_id(2);
    float values[16];
    for (int lane = 0; lane < 16; ++lane) {
        const int output = block * 16 + lane;
        values[lane] =
            output < outputs ? weights[(output * inputs + input) * window + place] : 0.0f;
    }
    packed[(block * window + place) * inputs + input] = vload16(0, values);
}

// Depthwise weights (channel, rows, columns) into (rows, columns, channel).
kernel void pack_depthwise(global const float *weights, global float *packed, int channels,
                           int window)
{
    const int channel = get_global_id(0), place = get_global_id(1);
    packed[place * channels + channel] = weights[channel * window + place];
}
