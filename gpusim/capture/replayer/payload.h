/*
 * Reading of the payload, see payload.py: little-endian numbers, strings with their length.
 * All machines that this is built for are little-endian; nothing is aligned.
 */
#ifndef GPUSIM_REPLAYER_PAYLOAD_H
#define GPUSIM_REPLAYER_PAYLOAD_H

#include <stdint.h>
#include <string.h>

#define NONE 0xFFFFFFFFu

extern const unsigned char replayer_payload[], replayer_payload_end[];

struct text {
    const char *bytes;
    uint32_t length;
};

static const unsigned char *cursor;

static uint32_t take_u32(void) {
    uint32_t value;
    memcpy(&value, cursor, sizeof value);
    cursor += sizeof value;
    return value;
}

static uint64_t take_u64(void) {
    uint64_t value;
    memcpy(&value, cursor, sizeof value);
    cursor += sizeof value;
    return value;
}

static double take_f64(void) {
    double value;
    memcpy(&value, cursor, sizeof value);
    cursor += sizeof value;
    return value;
}

static struct text take_text(void) {
    struct text text;
    text.length = take_u32();
    text.bytes = (const char *)cursor;
    cursor += text.length;
    return text;
}

static void take_size(size_t size[3]) {
    for (int i = 0; i < 3; i++)
        size[i] = (size_t)take_u64();
}

#endif
