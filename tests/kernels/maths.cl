/* Maths functions, normalisation, particles. */

__kernel void softmax_rows(__global const float *in, __global float *out, int n)
{
    const int row = get_global_id(0);
    __global const float *source = in + row * n;
    float largest = source[0];
    for (int i = 1; i < n; ++i)
        largest = fmax(largest, source[i]);
    float sum = 0.0f;
    for (int i = 0; i < n; ++i)
        sum += exp(source[i] - largest);
    for (int i = 0; i < n; ++i)
        out[row * n + i] = exp(source[i] - largest) / sum;
}

__kernel void nbody(__global const float4 *position, __global float4 *force, int n)
{
    const int me = get_global_id(0);
    const float4 mine = position[me];
    float4 sum = 0.0f;
    for (int i = 0; i < n; ++i) {
        const float4 d = position[i] - mine;
        const float r2 = d.x * d.x + d.y * d.y + d.z * d.z + 1e-3f;
        const float inverse = rsqrt(r2);
        sum += d * (position[i].w * inverse * inverse * inverse);
    }
    force[me] = sum;
}

/* Breadth-first search, one level: graph in compressed rows. */
__kernel void bfs_level(__global const int *row_start, __global const int *neighbours,
                        __global int *level, __global int *changed, int now)
{
    const int node = get_global_id(0);
    if (level[node] != now)
        return;
    for (int i = row_start[node]; i < row_start[node + 1]; ++i) {
        const int other = neighbours[i];
        if (level[other] < 0) {
            level[other] = now + 1;
            atomic_or(changed, 1);
        }
    }
}

struct particle {
    float4 place;
    int2 cell;
    short kind;
};

__kernel void move_particles(__global struct particle *particles, float step)
{
    __global struct particle *p = &particles[get_global_id(0)];
    float4 place = p->place;
    place.xyz += step * (float3)(1.0f, p->kind, -1.0f);
    p->place = place;
    p->cell = convert_int2(place.xy);
}

__kernel void private_table(__global const int *index, __global int *out)
{
    int table[16];
    const int i = get_global_id(0);
    for (int k = 0; k < 16; ++k)
        table[k] = k * k + i;
    out[i] = table[index[i] & 15];
}
