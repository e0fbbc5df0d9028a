// Stencils, particles, fractals, transforms, graphs.

kernel void jacobi_2d(global const float *grid, global float *next, int width, int height) {
  int x = get_global_id(0) + 1, y = get_global_id(1) + 1;
  if (x >= width - 1 || y >= height - 1) return;
  int i = y * width + x;
  next[i] = 0.25f * (grid[i - 1] + grid[i + 1] + grid[i - width] + grid[i + width]);
}

kernel void stencil_3d(global const float *grid, global float *next, float centre, float side) {
  int x = get_global_id(0), y = get_global_id(1), z = get_global_id(2);
  int nx = get_global_size(0), ny = get_global_size(1), nz = get_global_size(2);
  int i = (z * ny + y) * nx + x;
  float sum = centre * grid[i];
  if (x > 0) sum += side * grid[i - 1];
  if (x < nx - 1) sum += side * grid[i + 1];
  if (y > 0) sum += side * grid[i - nx];
  if (y < ny - 1) sum += side * grid[i + nx];
  if (z > 0) sum += side * grid[i - nx * ny];
  if (z < nz - 1) sum += side * grid[i + nx * ny];
  next[i] = sum;
}

kernel void life(global const uchar *cells, global uchar *next) {
  int x = get_global_id(0), y = get_global_id(1), w = get_global_size(0), h = get_global_size(1);
  int alive = 0;
  for (int dy = -1; dy <= 1; dy++)
    for (int dx = -1; dx <= 1; dx++)
      if (dx || dy) alive += cells[(y + dy + h) % h * w + (x + dx + w) % w];
  next[y * w + x] = alive == 3 || (alive == 2 && cells[y * w + x]);
}

kernel void wave_steps(global float *now, global float *before, int n, int steps) {
  int i = get_local_id(0);
  for (int s = 0; s < steps; s++) {
    float left = i > 0 ? now[i - 1] : 0, right = i < n - 1 ? now[i + 1] : 0;
    float next = now[i] + now[i] - before[i] + 0.25f * (left + right - 2 * now[i]);
    barrier(CLK_GLOBAL_MEM_FENCE);
    before[i] = now[i];
    now[i] = next;
    barrier(CLK_GLOBAL_MEM_FENCE);
  }
}

kernel void red_black_sweep(global float *grid, int width, int colour) {
  int x = get_global_id(0) + 1, y = get_global_id(1) + 1, i = y * width + x;
  if (((x + y) & 1) == colour)
    grid[i] = 0.25f * (grid[i - 1] + grid[i + 1] + grid[i - width] + grid[i + width]);
}

kernel void nbody_step(global const float4 *bodies, global float4 *forces, int n, float soft) {
  int i = get_global_id(0);
  float4 me = bodies[i];
  float3 force = 0;
  for (int j = 0; j < n; j++) {
    float3 d = bodies[j].xyz - me.xyz;
    float inverse = 1 / sqrt(dot(d, d) + soft);
    force += bodies[j].w * inverse * inverse * inverse * d;
  }
  forces[i] = (float4)(force, 0);
}

kernel void nbody_tiles(global const float4 *bodies, global float *potential, int n) {
  local float4 tile[16];
  float4 me = bodies[get_global_id(0)];
  float sum = 0;
  for (int start = 0; start < n; start += 16) {
    tile[get_local_id(0)] = bodies[start + get_local_id(0)];
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int j = 0; j < 16; j++) {
      float4 d = tile[j] - me;
      sum += tile[j].w / (d.x * d.x + d.y * d.y + d.z * d.z + 1.0f);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  potential[get_global_id(0)] = sum;
}

kernel void mandelbrot(global int *iterations, float left, float top, float step, int limit) {
#pragma OPENCL FP_CONTRACT OFF
  float cx = left + step * get_global_id(0), cy = top + step * get_global_id(1);
  float x = 0, y = 0;
  int i = 0;
  while (i < limit && x * x + y * y <= 4) {
    float t = x * x - y * y + cx;
    y = 2 * x * y + cy;
    x = t;
    i++;
  }
  iterations[get_global_id(1) * get_global_size(0) + get_global_id(0)] = i;
}

kernel void fft_step(global const float2 *from, global float2 *to, int span) {
  int i = get_global_id(0), half_count = get_global_size(0), k = i & (span - 1);
  float2 a = from[i], b = from[i + half_count];
  float angle = -M_PI_F * k / span;
  float c = cos(angle), s = sin(angle);
  float2 turned = (float2)(b.x * c - b.y * s, b.x * s + b.y * c);
  int out = ((i - k) << 1) + k;
  to[out] = a + turned;
  to[out + span] = a - turned;
}

kernel void collatz(global const uint *starts, global int *steps) {
  ulong n = starts[get_global_id(0)];
  int count = 0;
  for (; n != 1; count++) n = n & 1 ? 3 * n + 1 : n >> 1;
  steps[get_global_id(0)] = count;
}

kernel void pi_by_lcg(global uint *inside, uint seed, int throws) {
  uint state = seed + get_global_id(0) * 747796405u, hits = 0;
  for (int t = 0; t < throws; t++) {
    state = state * 1664525u + 1013904223u;
    uint x = state >> 18;
    state = state * 1664525u + 1013904223u;
    uint y = state >> 18;
    hits += x * x + y * y < 1u << 28;
  }
  inside[get_global_id(0)] = hits;
}

kernel void bfs_level(global const int *starts, global const int *edges, global int *depth,
                      global int *changed, int level) {
  int node = get_global_id(0);
  if (depth[node] != level) return;
  for (int e = starts[node]; e < starts[node + 1]; e++)
    if (depth[edges[e]] < 0) {
      depth[edges[e]] = level + 1;
      *changed = 1;
    }
}

kernel void relax_edges(global const int *from, global const int *to, global const int *weight,
                        volatile global int *distance, global const int *old) {
  int e = get_global_id(0);
  if (old[from[e]] < INT_MAX) atomic_min(&distance[to[e]], old[from[e]] + weight[e]);
}

kernel void count_triangles(global const uchar *adjacent, global int *triangles, int n) {
  int a = get_global_id(0), found = 0;
  for (int b = a + 1; b < n; b++) {
    if (!adjacent[a * n + b]) continue;
    for (int c = b + 1; c < n; c++) found += adjacent[a * n + c] && adjacent[b * n + c];
  }
  triangles[a] = found;
}

kernel void edit_distance(global const uchar *a, global const uchar *b, global int *table, int n) {
  // One work-item a row; anti-diagonals in lock-step.
  int row = get_local_id(0) + 1, width = n + 1;
  for (int diagonal = 2; diagonal <= 2 * n; diagonal++) {
    int column = diagonal - row;
    if (column >= 1 && column <= n) {
      int change = table[(row - 1) * width + column - 1] + (a[row - 1] != b[column - 1]);
      int shift = min(table[(row - 1) * width + column], table[row * width + column - 1]) + 1;
      table[row * width + column] = min(change, shift);
    }
    barrier(CLK_GLOBAL_MEM_FENCE);
  }
}

kernel void black_scholes(global const float *price, global const float *strike,
                          global float *call, float rate, float volatility, float years) {
  int i = get_global_id(0);
  float root = volatility * sqrt(years);
  float d1 = (log(price[i] / strike[i]) + (rate + 0.5f * volatility * volatility) * years) / root;
  float n1 = 0.5f * erfc(-d1 * M_SQRT1_2_F), n2 = 0.5f * erfc(-(d1 - root) * M_SQRT1_2_F);
  call[i] = price[i] * n1 - strike[i] * exp(-rate * years) * n2;
}
