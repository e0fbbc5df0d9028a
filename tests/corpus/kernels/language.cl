// Corners of the language: vectors, conversions, structures, control flow.

kernel void half_storage(global const half *x, global half *rounded, global float *wide) {
  int i = get_global_id(0);
  float4 v = vload_half4(i, x);
  vstore4(v * 3.0f, i, wide);
  vstore_half4_rtz(v * 1.0009765625f, i, rounded);
}

kernel void swizzles(global const float4 *a, global float4 *b) {
  int i = get_global_id(0);
  float4 v = a[i];
  v.xz = v.zx;
  float8 pair = (float8)(v, a[i].wzyx);
  b[i] = pair.s0257 + pair.even - pair.hi.odd.xyxy;
}

kernel void shuffles(global const int4 *a, global const uint4 *order, global int4 *b) {
  int i = get_global_id(0);
  b[2 * i] = shuffle(a[i], order[i]);
  b[2 * i + 1] = shuffle2(a[i], a[i] * 10, order[i]);
}

kernel void selections(global const int4 *a, global const int4 *b, global int4 *c,
                       global int *found) {
  int i = get_global_id(0);
  int4 less = a[i] < b[i];
  c[i] = select(a[i], b[i], less);
  found[i] = 2 * any(less) + all(less) + 4 * (bitselect(a[i], b[i], 0xF0).x & 1);
}

kernel void convert_saturated(global const float *x, global uchar *u8, global char *i8,
                              global short *i16, global uint *u32) {
  int i = get_global_id(0);
  u8[i] = convert_uchar_sat(x[i]);
  i8[i] = convert_char_sat_rtn(x[i]);
  i16[i] = convert_short_sat_rtp(x[i]);
  u32[i] = convert_uint_sat_rte(x[i]);
}

kernel void integer_builtins(global const int *a, global const int *b, global int *out, int n) {
  int i = get_global_id(0), x = a[i], y = b[i];
  out[i] = clz(x);
  out[n + i] = popcount(x);
  out[2 * n + i] = mul_hi(x, y);
  out[3 * n + i] = hadd(x, y);
  out[4 * n + i] = rotate(x, y);
  out[5 * n + i] = (int)abs_diff(x, y);
  out[6 * n + i] = add_sat(x, y);
  out[7 * n + i] = sub_sat(x, y);
  out[8 * n + i] = mad24(x >> 8, y >> 8, 7);
  out[9 * n + i] = rhadd(x, y);
}

kernel void geometry(global const float4 *a, global const float4 *b, global float4 *normal,
                     global float *angles) {
  int i = get_global_id(0);
  normal[i] = cross(a[i], b[i]);
  angles[i] = dot(a[i], b[i]) / (length(a[i]) * length(b[i]));
}

kernel void polynomial_double(global const double *x, global double *y) {
  double t = x[get_global_id(0)];
  y[get_global_id(0)] = fma(fma(fma(0.5, t, -1.25), t, 3.0), t, 0.125);
}

kernel void long_arithmetic(global const long *a, global const long *b, global ulong *c) {
  int i = get_global_id(0);
  c[i] = (ulong)(a[i] * b[i]) ^ ((ulong)a[i] >> 7) ^ (ulong)(b[i] / (a[i] | 1)) ^ rotate((ulong)a[i], 13ul);
}

kernel void vectors_of_three(global const float *a, global float *b, float3 scale) {
  int i = get_global_id(0);
  vstore3(vload3(i, a).zyx * scale, i, b);
}

kernel void bytes_of_sixteen(global const uchar16 *a, global ushort *sums) {
  ushort16 v = convert_ushort16(a[get_global_id(0)]);
  ushort8 w = v.lo + v.hi;
  ushort4 x = w.lo + w.hi;
  sums[get_global_id(0)] = x.x + x.y + x.z + x.w;
}

kernel void reinterpreted(global const float *x, global int *bits) {
  int i = get_global_id(0);
  bits[i] = as_int(x[i]) ^ as_int(as_uchar4(as_uint(x[i])).wzyx);
}

typedef struct {
  float4 weights;
  int offset;
  short steps[3];
} plan;

kernel void structure_by_value(global const float *x, global float *y, plan p) {
  int i = get_global_id(0);
  float sum = p.weights.x * x[i + p.offset];
  for (int s = 0; s < 3; s++) sum += p.weights.w * x[i + p.steps[s]];
  y[i] = sum;
}

typedef struct {
  int key;
  union {
    float real;
    uint bits;
  } value;
} entry;

kernel void structures(global const entry *entries, global entry *changed) {
  entry e = entries[get_global_id(0)];
  if (e.key & 1)
    e.value.real *= 2;
  else
    e.value.bits ^= 0x80000000u;
  e.key = -e.key;
  changed[get_global_id(0)] = e;
}

constant uint polynomials[4] = {0xEDB88320u, 0x82F63B78u, 0xEB31D82Eu, 0xD5828281u};
constant char turns[2][3] = {{1, -1, 2}, {-2, 3, 0}};

kernel void constant_tables(global const uchar *bytes, global uint *sums, int n) {
  int i = get_global_id(0);
  uint sum = ~0u;
  for (int j = 0; j < n; j++) {
    sum ^= bytes[i * n + j];
    for (int bit = 0; bit < 8; bit++) sum = sum >> 1 ^ (sum & 1 ? polynomials[i & 3] : 0);
  }
  sums[i] = sum + turns[i & 1][i % 3];
}

int gcd(int a, int b) {
  while (b) {
    int rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

int lcm(int a, int b) { return a / gcd(a, b) * b; }

kernel void function_calls(global const int *a, global const int *b, global int *c) {
  int i = get_global_id(0);
  c[i] = lcm(a[i], b[i]) - gcd(b[i], a[i]);
}

kernel void interpreter(global const uchar *program, global int *results, int length) {
  int stack[8], top = 0, i = get_global_id(0);
  for (int at = 0; at < length; at++) switch (program[at]) {
      case 0: stack[top++] = i; break;
      case 1: stack[top++] = at; break;
      case 2: top--; stack[top - 1] += stack[top]; break;
      case 3: top--; stack[top - 1] *= stack[top]; break;
      case 4: stack[top - 1] = -stack[top - 1]; break;
      default: stack[top] = stack[top - 1]; top++;
    }
  results[i] = stack[top - 1];
}

kernel void quick_sort(global int *values, int n) {
  int stack[32], top = 0;
  global int *v = values + get_global_id(0) * n;
  stack[top++] = 0;
  stack[top++] = n - 1;
  while (top) {
    int high = stack[--top], low = stack[--top];
    if (low >= high) continue;
    int pivot = v[high], place = low;
    for (int i = low; i < high; i++)
      if (v[i] < pivot) {
        int kept = v[i];
        v[i] = v[place];
        v[place++] = kept;
      }
    v[high] = v[place];
    v[place] = pivot;
    stack[top++] = low;
    stack[top++] = place - 1;
    stack[top++] = place + 1;
    stack[top++] = high;
  }
}

kernel void state_machine(global const uchar *text, global int *words, int n) {
  global const uchar *line = text + get_global_id(0) * n;
  int i = 0, count = 0;
outside:
  if (i == n) goto done;
  if (line[i++] == 0) goto outside;
  count++;
inside:
  if (i == n) goto done;
  if (line[i++] != 0) goto inside;
  goto outside;
done:
  words[get_global_id(0)] = count;
}

kernel void uniform_barrier(global int *a, local int *l, int rounds) {
  int i = get_local_id(0), n = get_local_size(0);
  l[i] = a[get_global_id(0)];
  if (rounds > 0) {
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int r = 0; r < rounds; r++) {
      int sum = l[i] + l[(i + 1) % n];
      barrier(CLK_LOCAL_MEM_FENCE);
      l[i] = sum;
      barrier(CLK_LOCAL_MEM_FENCE);
    }
  }
  a[get_global_id(0)] = l[i];
}

kernel void two_local_arguments(global const int *a, global int *b, local int *l, local short *m) {
  int i = get_local_id(0), n = get_local_size(0);
  l[i] = a[get_global_id(0)];
  m[n - 1 - i] = (short)l[i];
  barrier(CLK_LOCAL_MEM_FENCE);
  b[get_global_id(0)] = l[n - 1 - i] * 3 + m[i];
}

kernel void identifiers(global int *ids) {
  size_t at = get_global_id(1) - get_global_offset(1);
  at = at * get_global_size(0) + get_global_id(0) - get_global_offset(0);
  global int *row = ids + 8 * at;
  row[0] = get_global_id(0);
  row[1] = get_global_id(1);
  row[2] = get_local_id(0) + 10 * get_local_id(1);
  row[3] = get_group_id(0) + 10 * get_group_id(1);
  row[4] = get_num_groups(0) + 10 * get_num_groups(1);
  row[5] = get_local_size(0) + 10 * get_local_size(1);
  row[6] = get_work_dim() + 10 * get_global_offset(0) + 100 * get_global_id(2);
  row[7] = get_global_size(0) + 10 * get_global_size(1);
}

kernel void macros(global TYPE *a) { a[get_global_id(0)] = OPERATION(a[get_global_id(0)], FACTOR); }

kernel void prints(global int *a) {
  int i = get_global_id(0);
  if (a[i] > 50) printf("%d is large: %v4f\n", a[i], (float4)(i));
  a[i] += 1;
}

kernel void edge_arithmetic(global const int *a, global const int *b, global int *c, int n) {
  int i = get_global_id(0);
  c[i] = a[i] / b[i];
  c[n + i] = a[i] % b[i];
  c[2 * n + i] = a[i] << b[i];
  c[3 * n + i] = (int)((uint)a[i] >> b[i]);
}

kernel void async_tile(global const float *from, global float *to, local float *tile) {
  int n = get_local_size(0), lid = get_local_id(0), first = get_group_id(0) * n;
  event_t loaded = async_work_group_copy(tile, from + first, n, 0);
  wait_group_events(1, &loaded);
  float mirrored = tile[n - 1 - lid];
  barrier(CLK_LOCAL_MEM_FENCE);
  tile[lid] = 2 * mirrored;
  barrier(CLK_LOCAL_MEM_FENCE);
  event_t stored = async_work_group_copy(to + first, tile, n, 0);
  wait_group_events(1, &stored);
}

kernel void async_strided(global const int2 *from, global int2 *to, local int2 *column,
                          int stride) {
  int n = get_local_size(0), lid = get_local_id(0), x = get_group_id(0);
  prefetch(from + x, 1);
  event_t loaded = async_work_group_strided_copy(column, from + x, n, stride, 0);
  wait_group_events(1, &loaded);
  to[x * n + lid] = column[lid].yx;
}

kernel void half_rounding(global const float *from, global half *to) {
  int i = get_global_id(0);
  float x = from[i];
  vstore_half(x, 6 * i, to);
  vstore_half_rte(x, 6 * i + 1, to);
  vstore_half_rtz(x, 6 * i + 2, to);
  vstore_half_rtp(x, 6 * i + 3, to);
  vstore_half_rtn(x, 6 * i + 4, to);
  vstore_half(vload_half(6 * i + 2, to), 6 * i + 5, to);
}
