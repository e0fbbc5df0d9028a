// Winograd's F(2x2, 3x3) in one kernel: a group computes 32 tiles of 2 x 2 outputs by 32 channels.
// 16 points x 32 x 32 = 128 x 128 sums, the size in the names of cuDNN's kernels. 8 input channels
// at a time are transformed into local memory, where each point is a product of its own.

#define STEP 8
#define TILES 32
#define FILTERS 32
#define POINTS 16

// Weights (filter, channel, 3, 3) -> (point, channel, filter), filters filled up with zeros.
__kernel void generateWinogradTilesKernel(const __global float *restrict weights,
                                          __global float *restrict transformed, int n_filters,
                                          int channels, int filters_wide)
{
    const int filter = get_global_id(0), channel = get_global_id(1);
    float rows[4][3];
    #pragma unroll
    for (int x = 0; x < 3; x++) {
        float g[3];
        #pragma unroll
        for (int y = 0; y < 3; y++)
            g[y] = filter < n_filters
                       ? weights[(min(filter, n_filters - 1) * channels + channel) * 9 + y * 3 + x]
                       : 0.0f;
        rows[0][x] = g[0];
        rows[1][x] = 0.5f * (g[0] + g[1] + g[2]);
        rows[2][x] = 0.5f * (g[0] - g[1] + g[2]);
        rows[3][x] = g[2];
    }
    #pragma unroll
    for (int y = 0; y < 4; y++) {
        const float *g = rows[y];
        const float values[4] = {g[0], 0.5f * (g[0] + g[1] + g[2]), 0.5f * (g[0] - g[1] + g[2]),
                                 g[2]};
        #pragma unroll
        for (int x = 0; x < 4; x++)
            transformed[((y * 4 + x) * channels + channel) * filters_wide + filter] = values[x];
    }
}

__kernel __attribute__((reqd_work_group_size(256, 1, 1)))
void maxwell_scudnn_winograd_128x128_ldg1_ldg4_tile148n_nt(
    const __global float *restrict image, const __global float *restrict transformed,
    __global float *restrict output, int n_tiles, int n_filters, int filters_wide,
    int image_outputs, int in_height, int in_width, int out_height, int out_width, int tiles_down,
    int tiles_across, int pad_top, int pad_left, int channels)
{
    __local float inputs[POINTS][STEP][TILES];
    __local float filters[POINTS][STEP][FILTERS];
    const int item = get_local_id(0);
    const int in_plane = in_height * in_width;

    // A work-item transforms one tile of one channel.
    const int tile = item % TILES, channel_of_step = item / TILES;
    const int number = min((int)get_group_id(0) * TILES + tile, n_tiles - 1);
    const int picture = number / (tiles_down * tiles_across);
    const int top = number / tiles_across % tiles_down * 2 - pad_top;
    const int left = number % tiles_across * 2 - pad_left;
    const int corner = picture * channels * in_plane + top * in_width + left;

    // It multiplies 8 tiles by 8 filters of one point.
    const int point = item / 16, across = item % 4 * 8, down = item / 4 % 4 * 8;
    float sums[8][8];
    #pragma unroll
    for (int n = 0; n < 8; n++)
        #pragma unroll
        for (int m = 0; m < 8; m++)
            sums[n][m] = 0.0f;

    for (int first = 0; first < channels; first += STEP) {
        const int channel = min(first + channel_of_step, channels - 1);
        const float keep = first + channel_of_step < channels ? 1.0f : 0.0f;
        float d[4][4];
        #pragma unroll
        for (int y = 0; y < 4; y++)
            #pragma unroll
            for (int x = 0; x < 4; x++) {
                const int is_inside = (uint)(top + y) < (uint)in_height
                                      && (uint)(left + x) < (uint)in_width;
                d[y][x] = 0.0f;
                if (is_inside)
                    d[y][x] = image[corner + channel * in_plane + y * in_width + x];
            }
        float weights[16];
        #pragma unroll
        for (int i = 0; i < 16; i++)
            weights[i] = keep * transformed[(i * channels + channel) * filters_wide
                                            + get_group_id(1) * FILTERS + tile];
        barrier(CLK_LOCAL_MEM_FENCE);
        float t[4][4];
        #pragma unroll
        for (int x = 0; x < 4; x++) {
            t[0][x] = d[0][x] - d[2][x];
            t[1][x] = d[1][x] + d[2][x];
            t[2][x] = d[2][x] - d[1][x];
            t[3][x] = d[1][x] - d[3][x];
        }
        #pragma unroll
        for (int y = 0; y < 4; y++) {
            inputs[y * 4][channel_of_step][tile] = t[y][0] - t[y][2];
            inputs[y * 4 + 1][channel_of_step][tile] = t[y][1] + t[y][2];
            inputs[y * 4 + 2][channel_of_step][tile] = t[y][2] - t[y][1];
            inputs[y * 4 + 3][channel_of_step][tile] = t[y][1] - t[y][3];
        }
        #pragma unroll
        for (int i = 0; i < 16; i++)
            filters[i][channel_of_step][tile] = weights[i];
        barrier(CLK_LOCAL_MEM_FENCE);
        #pragma unroll
        for (int k = 0; k < STEP; k++) {
            const float8 of_tiles = vload8(0, &inputs[point][k][across]);
            const float8 of_filters = vload8(0, &filters[point][k][down]);
            const float left_values[8] = {of_tiles.s0, of_tiles.s1, of_tiles.s2, of_tiles.s3,
                                          of_tiles.s4, of_tiles.s5, of_tiles.s6, of_tiles.s7};
            const float values[8] = {of_filters.s0, of_filters.s1, of_filters.s2, of_filters.s3,
                                     of_filters.s4, of_filters.s5, of_filters.s6, of_filters.s7};
            #pragma unroll
            for (int n = 0; n < 8; n++)
                #pragma unroll
                for (int m = 0; m < 8; m++)
                    sums[n][m] += values[n] * left_values[m];
        }
    }

    // Points of an output meet again in local memory, four filters of the group at a time.
    __local float (*met)[4][TILES] = (__local float (*)[4][TILES])inputs;
    const int my_tile = item % TILES, quarter = item / TILES;
    const int mine = (int)get_group_id(0) * TILES + my_tile;
    const int out_y = mine / tiles_across % tiles_down * 2;
    const int out_x = mine % tiles_across * 2;
    const int base = mine / (tiles_down * tiles_across) * image_outputs;
    #pragma unroll
    for (int n = 0; n < 8; n++) {
        barrier(CLK_LOCAL_MEM_FENCE);
        #pragma unroll
        for (int m = 0; m < 8; m++)
            met[point][down / 8][across + m] = sums[n][m];
        barrier(CLK_LOCAL_MEM_FENCE);
        const int filter = (int)get_group_id(1) * FILTERS + quarter * 8 + n;
        if (quarter < 4 && filter < n_filters && mine < n_tiles) {
            float rows[2][4];
            #pragma unroll
            for (int x = 0; x < 4; x++) {
                const float a = met[x][quarter][my_tile], b = met[4 + x][quarter][my_tile];
                const float c = met[8 + x][quarter][my_tile], e = met[12 + x][quarter][my_tile];
                rows[0][x] = a + b + c;
                rows[1][x] = b - c - e;
            }
            #pragma unroll
            for (int y = 0; y < 2; y++) {
                const float *r = rows[y];
                __global float *to =
                    output + base + (filter * out_height + out_y + y) * out_width + out_x;
                if (out_y + y < out_height) {
                    to[0] = r[0] + r[1] + r[2];
                    if (out_x + 1 < out_width)
                        to[1] = r[1] - r[2] - r[3];
                }
            }
        }
    }
}
