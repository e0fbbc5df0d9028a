/* Growing text, and JSON objects written into it. */

struct text {
    char *data;
    size_t size, capacity;
};

static void text_append(struct text *t, const char *data, size_t size) {
    if (t->size + size + 1 > t->capacity) {
        size_t capacity = (t->size + size + 1) * 2;
        char *grown = realloc(t->data, capacity);
        if (!grown)
            abort();
        t->data = grown;
        t->capacity = capacity;
    }
    memcpy(t->data + t->size, data, size);
    t->size += size;
    t->data[t->size] = 0;
}

static void text_put(struct text *t, const char *string) { text_append(t, string, strlen(string)); }

static void text_format(struct text *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void text_format(struct text *t, const char *format, ...) {
    char line[256];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (size > 0)
        text_append(t, line, (size_t)size < sizeof line ? (size_t)size : sizeof line - 1);
}

static void text_free(struct text *t) {
    free(t->data);
    memset(t, 0, sizeof *t);
}

/* Length of the UTF-8 sequence at `s`, 0 when it is none. */
static size_t utf8_length(const unsigned char *s, size_t left) {
    size_t n = s[0] < 0x80 ? 1 : (s[0] & 0xE0) == 0xC0 ? 2 : (s[0] & 0xF0) == 0xE0 ? 3
             : (s[0] & 0xF8) == 0xF0 ? 4 : 0;
    if (n == 0 || n > left || s[0] == 0xC0 || s[0] == 0xC1 || s[0] > 0xF4)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    if (n == 3 && ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F)))
        return 0;
    if (n == 4 && ((s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F)))
        return 0;
    return n;
}

/* A JSON string; a byte that is not UTF-8 becomes the code point of the same number. */
static void json_string(struct text *t, const char *string, size_t size) {
    text_put(t, "\"");
    for (size_t i = 0; i < size;) {
        unsigned char c = (unsigned char)string[i];
        size_t n = utf8_length((const unsigned char *)string + i, size - i);
        if (c == '"' || c == '\\') {
            char escaped[2] = {'\\', (char)c};
            text_append(t, escaped, 2);
        } else if (n == 0 || c < 0x20) {
            text_format(t, "\\u%04x", c);
        } else {
            text_append(t, string + i, n);
            i += n;
            continue;
        }
        i++;
    }
    text_put(t, "\"");
}

static void json_key(struct text *t, const char *key) {
    char last = t->size ? t->data[t->size - 1] : '{';
    if (last != '{' && last != '[')
        text_put(t, ",");
    json_string(t, key, strlen(key));
    text_put(t, ":");
}

static void json_text(struct text *t, const char *key, const char *value) {
    json_key(t, key);
    if (value)
        json_string(t, value, strlen(value));
    else
        text_put(t, "null");
}

static void json_number(struct text *t, const char *key, uint64_t value) {
    json_key(t, key);
    text_format(t, "%llu", (unsigned long long)value);
}

static void json_signed(struct text *t, const char *key, int64_t value) {
    json_key(t, key);
    text_format(t, "%lld", (long long)value);
}

/* An id; none becomes null. */
static void json_id(struct text *t, const char *key, uint32_t id) {
    json_key(t, key);
    if (id == NO_ID)
        text_put(t, "null");
    else
        text_format(t, "%u", id);
}

static void json_bool(struct text *t, const char *key, int value) {
    json_key(t, key);
    text_put(t, value ? "true" : "false");
}
