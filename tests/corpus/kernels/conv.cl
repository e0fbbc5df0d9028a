// Convolutions, with zero padding where a kernel takes a `pad`.

kernel void conv_nchw(global const float *input, global const float *weights,
                      global const float *bias, global float *output, int channels, int height,
                      int width, int size, int stride, int pad) {
  int x = get_global_id(0), y = get_global_id(1), o = get_global_id(2);
  int out_width = get_global_size(0), out_height = get_global_size(1);
  float sum = bias[o];
  for (int c = 0; c < channels; c++)
    for (int i = 0; i < size; i++)
      for (int j = 0; j < size; j++) {
        int row = y * stride + i - pad, column = x * stride + j - pad;
        if (row < 0 || row >= height || column < 0 || column >= width) continue;
        sum += input[(c * height + row) * width + column] *
               weights[((o * channels + c) * size + i) * size + j];
      }
  output[(o * out_height + y) * out_width + x] = sum;
}

kernel void conv_nhwc(global const float *input, global const float *weights,
                      global float *output, int width, int channels) {
  // 3 x 3, no padding; four output channels a work-item.
  int quad = get_global_id(0), x = get_global_id(1), y = get_global_id(2);
  int quads = get_global_size(0), out_width = get_global_size(1);
  float4 sum = 0;
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 3; j++) {
      global const float *pixel = input + ((y + i) * width + x + j) * channels;
      global const float *taps = weights + (i * 3 + j) * channels * quads * 4;
      for (int c = 0; c < channels; c++) sum += pixel[c] * vload4(c * quads + quad, taps);
    }
  vstore4(sum, (y * out_width + x) * quads + quad, output);
}

kernel void conv_depthwise(global const float *input, global const float *weights,
                           global float *output, int height, int width) {
  int x = get_global_id(0), y = get_global_id(1), c = get_global_id(2);
  float sum = 0;
#pragma unroll
  for (int i = -1; i <= 1; i++)
#pragma unroll
    for (int j = -1; j <= 1; j++)
      if (y + i >= 0 && y + i < height && x + j >= 0 && x + j < width)
        sum += input[(c * height + y + i) * width + x + j] *
               weights[c * 9 + (i + 1) * 3 + j + 1];
  output[(c * height + y) * width + x] = sum;
}

kernel void conv_1x1(global const float4 *input, global const float4 *weights,
                     global float *output, int quads) {
  int pixel = get_global_id(0), o = get_global_id(1), pixels = get_global_size(0);
  float sum = 0;
  for (int q = 0; q < quads; q++) sum += dot(input[pixel * quads + q], weights[o * quads + q]);
  output[o * pixels + pixel] = sum;
}

kernel void im2col(global const float *input, global float *columns, int channels, int height,
                   int width, int size, int stride, int pad) {
  int x = get_global_id(0), y = get_global_id(1), c = get_global_id(2);
  int out_width = get_global_size(0), out_height = get_global_size(1);
  for (int i = 0; i < size; i++)
    for (int j = 0; j < size; j++) {
      int row = y * stride + i - pad, column = x * stride + j - pad;
      bool inside = row >= 0 && row < height && column >= 0 && column < width;
      columns[(((c * size + i) * size + j) * out_height + y) * out_width + x] =
          inside ? input[(c * height + row) * width + column] : 0.0f;
    }
}

kernel void col2im(global const float *columns, global float *image, int height, int width,
                   int size, int pad, int out_height, int out_width) {
  // Stride 1: every image element gathers the patches that it was copied into.
  int x = get_global_id(0), y = get_global_id(1), c = get_global_id(2);
  float sum = 0;
  for (int i = 0; i < size; i++) {
    int row = y + pad - i;
    if (row < 0 || row >= out_height) continue;
    for (int j = 0; j < size; j++) {
      int column = x + pad - j;
      if (column >= 0 && column < out_width)
        sum += columns[(((c * size + i) * size + j) * out_height + row) * out_width + column];
    }
  }
  image[(c * height + y) * width + x] = sum;
}

kernel void winograd_filter(global const float *weights, global float *transformed, int count) {
  // F(2x2, 3x3): G g G^T.
  int f = get_global_id(0);
  float half_way[4][3];
  for (int j = 0; j < 3; j++) {
    float a = weights[f * 9 + j], b = weights[f * 9 + 3 + j], c = weights[f * 9 + 6 + j];
    half_way[0][j] = a;
    half_way[1][j] = 0.5f * (a + b + c);
    half_way[2][j] = 0.5f * (a - b + c);
    half_way[3][j] = c;
  }
  for (int i = 0; i < 4; i++) {
    float a = half_way[i][0], b = half_way[i][1], c = half_way[i][2];
    transformed[(i * 4 + 0) * count + f] = a;
    transformed[(i * 4 + 1) * count + f] = 0.5f * (a + b + c);
    transformed[(i * 4 + 2) * count + f] = 0.5f * (a - b + c);
    transformed[(i * 4 + 3) * count + f] = c;
  }
}

void input_rows(float d0, float d1, float d2, float d3, float *result) {
  result[0] = d0 - d2;
  result[1] = d1 + d2;
  result[2] = d2 - d1;
  result[3] = d1 - d3;
}

kernel void winograd_input(global const float *image, global float *transformed, int width) {
  // F(2x2, 3x3): B^T d B for the 4 x 4 tile of every second pixel.
  int x = get_global_id(0), y = get_global_id(1);
  int tile = y * get_global_size(0) + x, tiles = get_global_size(0) * get_global_size(1);
  float columns[4][4], row[4];
  for (int j = 0; j < 4; j++) {
    global const float *d = image + 2 * y * width + 2 * x + j;
    input_rows(d[0], d[width], d[2 * width], d[3 * width], row);
    for (int i = 0; i < 4; i++) columns[i][j] = row[i];
  }
  for (int i = 0; i < 4; i++) {
    input_rows(columns[i][0], columns[i][1], columns[i][2], columns[i][3], row);
    for (int j = 0; j < 4; j++) transformed[(i * 4 + j) * tiles + tile] = row[j];
  }
}

kernel void winograd_output(global const float *products, global float *output) {
  // F(2x2, 3x3): A^T m A.
  int x = get_global_id(0), y = get_global_id(1), width = get_global_size(0);
  int tile = y * width + x, tiles = width * get_global_size(1);
  float4 first = 0, second = 0;
  float4 m[4];
  for (int i = 0; i < 4; i++)
    m[i] = (float4)(products[(i * 4) * tiles + tile], products[(i * 4 + 1) * tiles + tile],
                    products[(i * 4 + 2) * tiles + tile], products[(i * 4 + 3) * tiles + tile]);
  first = m[0] + m[1] + m[2];
  second = m[1] - m[2] - m[3];
  global float *target = output + 4 * y * width + 2 * x;
  vstore2((float2)(first.x + first.y + first.z, first.y - first.z - first.w), 0, target);
  vstore2((float2)(second.x + second.y + second.z, second.y - second.z - second.w), 0,
          target + 2 * width);
}

kernel void conv_transposed(global const float *input, global const float *weights,
                            global float *output, int in_height, int in_width) {
  // 2 x 2 taps, stride 2.
  int x = get_global_id(0), y = get_global_id(1);
  output[y * get_global_size(0) + x] =
      input[(y / 2) * in_width + x / 2] * weights[(y % 2) * 2 + x % 2];
}

#define EDGE 8
kernel void conv_local_tile(global const float *image, constant float *taps,
                            global float *output, int width) {
  // 5 x 5 without padding; the group loads its tile with the border first.
  local float tile[EDGE + 4][EDGE + 4];
  int lx = get_local_id(0), ly = get_local_id(1);
  int left = get_group_id(0) * EDGE, top = get_group_id(1) * EDGE;
  for (int i = ly; i < EDGE + 4; i += EDGE)
    for (int j = lx; j < EDGE + 4; j += EDGE) tile[i][j] = image[(top + i) * width + left + j];
  barrier(CLK_LOCAL_MEM_FENCE);
  float sum = 0;
  for (int i = 0; i < 5; i++)
    for (int j = 0; j < 5; j++) sum += tile[ly + i][lx + j] * taps[i * 5 + j];
  output[get_global_id(1) * get_global_size(0) + get_global_id(0)] = sum;
}
