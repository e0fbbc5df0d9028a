// Reductions, scans, sorts and histograms.

kernel void reduce_sum_tree(global const int *values, global int *sums, local int *tree) {
  int lid = get_local_id(0);
  tree[lid] = values[get_global_id(0)];
  for (int stride = get_local_size(0) / 2; stride > 0; stride >>= 1) {
    barrier(CLK_LOCAL_MEM_FENCE);
    if (lid < stride) tree[lid] += tree[lid + stride];
  }
  if (lid == 0) sums[get_group_id(0)] = tree[0];
}

kernel void reduce_minimum_index(global const float *values, global float *minima,
                                 global int *where, int n) {
  local float best[32];
  local int place[32];
  int lid = get_local_id(0);
  best[lid] = INFINITY;
  place[lid] = -1;
  for (int i = get_global_id(0); i < n; i += get_global_size(0))
    if (values[i] < best[lid]) {
      best[lid] = values[i];
      place[lid] = i;
    }
  barrier(CLK_LOCAL_MEM_FENCE);
  if (lid == 0) {
    for (int i = 1; i < 32; i++)
      if (best[i] < best[0]) {
        best[0] = best[i];
        place[0] = place[i];
      }
    minima[get_group_id(0)] = best[0];
    where[get_group_id(0)] = place[0];
  }
}

kernel void reduce_columns(global const int *matrix, global long *sums, int rows, int columns) {
  int c = get_global_id(0);
  long sum = 0;
  for (int r = 0; r < rows; r++) sum += (long)matrix[r * columns + c] << 20;
  sums[c] = sum;
}

kernel void scan_stepwise(global const int *values, global int *sums) {
  local int buffer[2][64];
  int lid = get_local_id(0), from = 0;
  buffer[0][lid] = values[get_global_id(0)];
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int distance = 1; distance < 64; distance *= 2) {
    int sum = buffer[from][lid];
    if (lid >= distance) sum += buffer[from][lid - distance];
    from = 1 - from;
    buffer[from][lid] = sum;
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  sums[get_global_id(0)] = buffer[from][lid];
}

kernel void scan_work_efficient(global int *values, global int *totals, local int *tree) {
  int lid = get_local_id(0), size = 2 * get_local_size(0), base = get_group_id(0) * size;
  tree[2 * lid] = values[base + 2 * lid];
  tree[2 * lid + 1] = values[base + 2 * lid + 1];
  int offset = 1;
  for (int d = size / 2; d > 0; d /= 2, offset *= 2) {
    barrier(CLK_LOCAL_MEM_FENCE);
    if (lid < d) tree[offset * (2 * lid + 2) - 1] += tree[offset * (2 * lid + 1) - 1];
  }
  if (lid == 0) {
    totals[get_group_id(0)] = tree[size - 1];
    tree[size - 1] = 0;
  }
  for (int d = 1; d < size; d *= 2) {
    offset /= 2;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (lid < d) {
      int low = offset * (2 * lid + 1) - 1, high = offset * (2 * lid + 2) - 1;
      int kept = tree[low];
      tree[low] = tree[high];
      tree[high] += kept;
    }
  }
  barrier(CLK_LOCAL_MEM_FENCE);
  values[base + 2 * lid] = tree[2 * lid];
  values[base + 2 * lid + 1] = tree[2 * lid + 1];
}

kernel void scan_add_offsets(global int *values, global const int *offsets, int span) {
  values[get_global_id(0)] += offsets[get_global_id(0) / span];
}

kernel void bitonic_local(global uint *keys) {
  local uint part[64];
  uint lid = get_local_id(0);
  part[lid] = keys[get_global_id(0)];
  for (uint size = 2; size <= 64; size <<= 1)
    for (uint stride = size >> 1; stride > 0; stride >>= 1) {
      barrier(CLK_LOCAL_MEM_FENCE);
      uint other = lid ^ stride;
      if (other > lid) {
        bool ascending = (lid & size) == 0;
        if ((part[lid] > part[other]) == ascending) {
          uint kept = part[lid];
          part[lid] = part[other];
          part[other] = kept;
        }
      }
    }
  barrier(CLK_LOCAL_MEM_FENCE);
  keys[get_global_id(0)] = part[lid];
}

kernel void bitonic_step(global int *keys, uint size, uint stride) {
  uint i = get_global_id(0);
  uint low = 2 * stride * (i / stride) + i % stride, high = low + stride;
  int a = keys[low], b = keys[high];
  bool ascending = (low & size) == 0;
  keys[low] = ascending ? min(a, b) : max(a, b);
  keys[high] = ascending ? max(a, b) : min(a, b);
}

kernel void odd_even_sort(global short *keys, int n) {
  int i = get_local_id(0);
  for (int phase = 0; phase < n; phase++) {
    int left = 2 * i + (phase & 1);
    if (left + 1 < n && keys[left] > keys[left + 1]) {
      short kept = keys[left];
      keys[left] = keys[left + 1];
      keys[left + 1] = kept;
    }
    barrier(CLK_GLOBAL_MEM_FENCE);
  }
}

kernel void rank_sort(global const float *keys, global float *sorted, int n) {
  int i = get_global_id(0), rank = 0;
  float key = keys[i];
  for (int j = 0; j < n; j++) rank += keys[j] < key || (keys[j] == key && j < i);
  sorted[rank] = key;
}

kernel void radix_histogram(global const uint *keys, global uint *counts, uint shift, int n) {
  local uint bins[16];
  int lid = get_local_id(0);
  if (lid < 16) bins[lid] = 0;
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int i = get_global_id(0); i < n; i += get_global_size(0))
    atomic_inc(&bins[(keys[i] >> shift) & 15]);
  barrier(CLK_LOCAL_MEM_FENCE);
  if (lid < 16) counts[lid * get_num_groups(0) + get_group_id(0)] = bins[lid];
}

kernel void histogram_global(global const uchar *pixels, volatile global int *bins, int n) {
  int i = get_global_id(0);
  if (i < n) atomic_add(&bins[pixels[i]], 1);
}

kernel void compact(global const int *values, global int *kept, volatile global int *count) {
  int value = values[get_global_id(0)];
  if (value > 0) kept[atomic_inc(count)] = value;
}

kernel void atomic_extremes(global const int *values, volatile global int *results) {
  int value = values[get_global_id(0)];
  atomic_min(&results[0], value);
  atomic_max(&results[1], value);
  atomic_and(&results[2], value);
  atomic_or(&results[3], value);
  atomic_xor(&results[4], value);
  atomic_sub(&results[5], value);
  atomic_max((volatile global uint *)&results[6], (uint)value);
}

kernel void float_add_by_swap(global const float *values, volatile global uint *sum) {
  uint seen, wanted;
  do {
    seen = *sum;
    wanted = as_uint(as_float(seen) + values[get_global_id(0)]);
  } while (atomic_cmpxchg(sum, seen, wanted) != seen);
}

kernel void segmented_sum(global const int *starts, global const int *values, global int *sums) {
  int segment = get_global_id(0), sum = 0;
  int i = starts[segment];
  while (i < starts[segment + 1]) sum += values[i++];
  sums[segment] = sum;
}
